/* WordPiece and Unigram tokenizers end to end, with the normalisers and scanners that come with
 * them: small tokenizer.json texts go through the converter. Real tokenizers:
 * tests/golden/tokenizer_ids.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test_convert_small.h"
#include "tests/unit/test.h"

static bool encode(const small *s, const char *text, int32_t *ids, size_t cap, size_t *n)
{
    size_t bytes = strlen(text), need = mote_encode_scratch_bytes(s->t, bytes);
    void *scratch = malloc(need);
    mote_error err;
    bool ok = scratch && !mote_encode(s->t, text, bytes, MOTE_ENCODE_ADD_SPECIAL, NULL, 0, ids, cap,
                                      n, scratch, need, &err);
    free(scratch);
    return ok;
}

/* Ids as text, and what they decode to. */
static bool gives(const small *s, const char *text, const char *want, const char *decoded)
{
    int32_t ids[64];
    char got[400] = "", back[400];
    size_t n = 0;
    if (!encode(s, text, ids, 64, &n))
        return false;
    for (size_t i = 0, at = 0; i < n; i++)
        at += (size_t)snprintf(got + at, sizeof got - at, i ? " %d" : "%d", ids[i]);
    size_t bytes = mote_decode(s->t, ids, n, true, back, sizeof back);
    bool ok = !strcmp(got, want) && bytes == strlen(decoded) && !memcmp(back, decoded, bytes);
    if (!ok)
        printf("  %s: ids %s, decoded %.*s\n", text, got, (int)bytes, back);
    return ok;
}

static const char word_piece[] =
    "{\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":"
    "\"BertPreTokenizer\"},\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
    "\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"[C]\",1],\"sep\":[\"[S]\",2]},"
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[U]\",\"max_input_chars_per_word\":6,"
    "\"vocab\":{\"[U]\":0,\"[C]\":1,\"[S]\":2,\"un\":3,\"##able\":4,\"##a\":5,\".\":6,\"cafe\":7,"
    "\"\\u4e2d\":8,\"u\":9,\"##b\":10}},\"added_tokens\":["
    "{\"id\":0,\"content\":\"[U]\",\"special\":true,\"normalized\":false},"
    "{\"id\":1,\"content\":\"[C]\",\"special\":true,\"normalized\":false},"
    "{\"id\":2,\"content\":\"[S]\",\"special\":true,\"normalized\":false}]}";

TEST(tokenizer_word_piece)
{
    small s;
    REQUIRE(small_open(&s, word_piece));
    CHECK(gives(&s, "Unable CAF\xc3\x89.", "1 3 4 7 6 2", "unable cafe."));
    CHECK(gives(&s, "una\tuab", "1 3 5 9 5 10 2", "una uab"));
    CHECK(gives(&s, "unx un", "1 0 3 2", "un"));                     /* the whole word is unknown */
    CHECK(gives(&s, "unaaaaa unaaaa", "1 0 3 5 5 5 5 2", "unaaaa")); /* seven characters, six */
    CHECK(gives(&s, "\xe4\xb8\xad\xe4\xb8\xad", "1 8 8 2", "\xe4\xb8\xad \xe4\xb8\xad"));
    CHECK(gives(&s, "a\xef\xbf\xbd\x01", "1 0 2", ""));
    free(s.data);
}

#define UNIGRAM(normalizer, pre)                                                                   \
    "{\"normalizer\":" normalizer ",\"pre_tokenizer\":" pre ",\"decoder\":{\"type\":"              \
    "\"Metaspace\",\"replacement\":\"\\u2581\",\"add_prefix_space\":true},\"post_processor\":"     \
    "null,\"model\":{\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"\\u2581\",-2],[\"a\",-3],[\"b\","    \
    "-3],[\"ab\",-5.5],[\"\\u2581a\",-4],[\"ba\",-6]]}}"
#define METASPACE "{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"add_prefix_space\":true}"

TEST(tokenizer_unigram)
{
    small s;
    REQUIRE(small_open(&s, UNIGRAM("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},"
                                   "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},"
                                   "\"content\":\" \"}]}",
                                   METASPACE)));
    CHECK(gives(&s, "a", "5", "a"));
    CHECK(gives(&s, "ab", "5 3", "ab"));                /* -7, not -2 - 5.5 */
    CHECK(gives(&s, "bab", "1 3 4", "bab"));            /* b ab before ba b */
    CHECK(gives(&s, "a   \xef\xbd\x81", "5 5", "a a")); /* fullwidth, blanks made one */
    CHECK(gives(&s, "xyz a", "1 0 5", "<unk> a"));      /* a row of unknown ones is one */
    free(s.data);
    REQUIRE(small_open(&s, UNIGRAM("null", "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
                                           "\"WhitespaceSplit\"}," METASPACE "]}")));
    CHECK(gives(&s, "\n a\t\tb \xe2\x96\x81 ", "5 1 3 1", "a b "));
    free(s.data);
}

/* Unknown ones behind a known one, byte by byte; 3 is byte 0. */
TEST(tokenizer_unigram_of_bytes)
{
    static char json[8192];
    size_t n = (size_t)snprintf(
        json, sizeof json,
        "{\"normalizer\":null,\"pre_tokenizer\":" METASPACE ",\"decoder\":{\"type\":\"Sequence\","
        "\"decoders\":[{\"type\":\"ByteFallback\"}," METASPACE "]},\"post_processor\":null,"
        "\"model\":{\"unk_id\":0,\"byte_fallback\":true,\"vocab\":[[\"<unk>\",0],[\"\\u2581\",-2],"
        "[\"a\",-3]");
    for (unsigned b = 0; b < 256; b++)
        n += (size_t)snprintf(json + n, sizeof json - n, ",[\"<0x%02X>\",-9]", b);
    snprintf(json + n, sizeof json - n, "]}}");
    small s;
    REQUIRE(small_open(&s, json));
    CHECK(gives(&s,
                "aa\xc3\xa9"
                "a\xc3\xa9",
                "1 2 2 198 172 2 198 172",
                "aa\xc3\xa9"
                "a\xc3\xa9"));
    free(s.data);
}

TEST(tokenizer_normalisers_that_are_refused)
{
    char path[500];
    mote_convert_error err;
    CHECK(small_convert(UNIGRAM("{\"type\":\"Nmt\"}", METASPACE), path, &err) ==
          MOTE_ERR_UNSUPPORTED);
    CHECK(strstr(err.text, "normalizer Nmt") != NULL);
    CHECK(small_convert(
              UNIGRAM("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}", METASPACE),
              path, &err) == MOTE_ERR_FILE);
    CHECK(small_convert(UNIGRAM("null", "{\"type\":\"Punctuation\",\"behavior\":\"Removed\"}"),
                        path, &err) == MOTE_ERR_UNSUPPORTED);
}

/* Damaged tables may give wrong ids, and no worse (the sanitizers watch). */
TEST(tokenizer_tries_survive_damage)
{
    static const char *const sources[] = {word_piece, UNIGRAM("{\"type\":\"NFKC\"}", METASPACE)};
    for (size_t k = 0; k < 2; k++) {
        small s;
        uint64_t seed = 5 + k;
        REQUIRE(small_open(&s, sources[k]));
        char *good = malloc(s.bytes);
        size_t data = (size_t)(s.image.data - s.image.base);
        memcpy(good, s.data, s.bytes);
        for (size_t round = 0; round < 2000; round++) {
            int32_t ids[64];
            char back[4096];
            mote_error err;
            size_t n = 0;
            memcpy(s.data, good, s.bytes);
            for (size_t i = 0, some = 1 + test_random(&seed) % 40; i < some; i++)
                s.data[data + test_random(&seed) % (s.bytes - data)] = (char)test_random(&seed);
            if (mote_image_open(&s.image, s.data, s.bytes, &err) ||
                mote_tokenizer_init(&s.t, s.memory, sizeof s.memory, &s.image, &err))
                continue;
            encode(&s, "Unable caf\xc3\xa9 ab \xe4\xb8\xad. bab \xef\xb7\xba", ids, 64, &n);
            mote_decode(s.t, ids, n < 64 ? n : 64, true, back, sizeof back);
        }
        free(good);
        free(s.data);
    }
}
