/* Where in a text its ids come from (tokenizer/offsets.c), for every kind of tokenizer, as the
 * Hugging Face library has it but for characters of which an id has a part. Real tokenizers against
 * that library: tests/golden/offsets.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test_convert_small.h"
#include "tests/unit/test.h"
#include "tools/convert/tok_draft.h"

/* "begin-end begin-end ..." of a text's ids, without what the tokenizer adds. */
static bool places_with(const small *s, unsigned flags, const char *text, const char *want)
{
    int32_t ids[64];
    mote_span spans[64];
    char got[400] = "";
    size_t n = 0, bytes = strlen(text), room = mote_encode_scratch_bytes(s->t, bytes);
    void *scratch = malloc(room);
    mote_error err;
    bool ok = scratch &&
              !mote_encode(s->t, text, bytes, flags, NULL, 0, ids, 64, &n, scratch, room, &err) &&
              !mote_token_spans(s->t, text, bytes, flags, ids, n, spans, scratch, room, &err);
    for (size_t i = 0, at = 0; ok && i < n; i++)
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%zu-%zu", i ? " " : "", spans[i].begin,
                               spans[i].end);
    free(scratch);
    if (strcmp(got, want) != 0)
        printf("  %s: %s, not %s\n", text, got, want);
    return ok && !strcmp(got, want);
}

static bool places(const small *s, const char *text, const char *want)
{
    return places_with(s, 0, text, want);
}

static char json[1 << 15];
#define add(...) small_add(json, sizeof json, __VA_ARGS__)

#define ADDED(id, text, more)                                                                      \
    "{\"id\":" id ",\"content\":\"" text "\",\"special\":true,\"normalized\":false" more "}"

TEST(offsets_of_bytes)
{
    small s;
    json[0] = 0;
    add("{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\","
        "\"add_prefix_space\":false},\"decoder\":{\"type\":\"ByteLevel\"},\"post_processor\":null,"
        "\"model\":{\"type\":\"BPE\",\"vocab\":{");
    for (unsigned b = 0; b < 256; b++)
        add("\"\\u%04x\":%u,", draft_byte_letter(b), b);
    add("\"ab\":256,\"\\u0120a\":257},\"merges\":[\"a b\",\"\\u0120 a\"]},\"added_tokens\":[" ADDED(
        "258", "[w]", ",\"lstrip\":true,\"rstrip\":true") "]}");
    REQUIRE(small_open(&s, json));
    CHECK(places(&s, "ab a", "0-2 2-4"));
    CHECK(places(&s, "\xc3\xa9", "0-1 1-2"));                           /* a byte each */
    CHECK(places(&s, "e\xcc\x81\x61", "0-1 0-1 3-4"));                  /* composed */
    CHECK(places(&s, "be\xcc\xa3\xcc\x81", "0-1 1-2 1-2 1-2 4-6 4-6")); /* and a mark over */
    CHECK(places(&s, "\xe1\x84\x80\xe1\x85\xa1", "0-3 0-3 0-3"));       /* a syllable */
    CHECK(places(&s, "a\xff", "0-1 1-2 1-2 1-2"));                      /* no UTF-8 */
    CHECK(places(&s, "b [w] a", "0-1 1-6 6-7"));
    free(s.data);
}

#define SPM(unk)                                                                                   \
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":"   \
    "\"\\u2581\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\\u2581\"}]}" \
    ",\"pre_tokenizer\":null,\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":"          \
    "\"Replace\",\"pattern\":{\"String\":\"\\u2581\"},\"content\":\" \"},{\"type\":"               \
    "\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,"     \
    "\"stop\":0}]},\"post_processor\":null,\"model\":{\"type\":\"BPE\"," unk                       \
    ",\"vocab\":{\"<unk>\":0,\"<s>\":1,\"\\u2581\":2,\"a\":3,\"b\":4,\"\\u2581a\":5"

TEST(offsets_of_characters)
{
    const char *end = "},\"merges\":[\"\\u2581 a\"]},\"added_tokens\":[" ADDED("1", "<s>", "") "]}";
    small s;
    json[0] = 0;
    add("%s", SPM("\"byte_fallback\":true,\"unk_token\":\"<unk>\",\"fuse_unk\":true"));
    for (unsigned b = 0; b < 256; b++)
        add(",\"<0x%02X>\":%u", b, 6 + b);
    add("%s", end);
    REQUIRE(small_open(&s, json));
    CHECK(places(&s, "a  ab", "0-1 1-2 2-4 4-5"));
    CHECK(places(&s, " a", "0-1 0-2"));                   /* the first blank was put in */
    CHECK(places(&s, "\xe4\xb8\xad", "0-3 0-1 1-2 2-3")); /* its bytes' tokens */
    CHECK(places(&s, "<s>a<s>", "0-3 3-4 4-7"));
    free(s.data);
    json[0] = 0;
    add("%s%s", SPM("\"unk_token\":\"<unk>\",\"fuse_unk\":true"), end);
    REQUIRE(small_open(&s, json));
    CHECK(places(&s, "axyb", "0-1 1-3 3-4")); /* a row of unknown ones is one */
    CHECK(places(&s, "xy<s>x", "0-1 0-2 2-5 5-6 5-6"));
    free(s.data);
    json[0] = 0;
    add("%s%s", SPM("\"unk_token\":\"<unk>\",\"fuse_unk\":false"), end);
    REQUIRE(small_open(&s, json));
    CHECK(places(&s, "axyb", "0-1 1-2 2-3 3-4"));
    free(s.data);
    json[0] = 0;
    add("%s%s", SPM("\"unk_token\":null"), end);
    REQUIRE(small_open(&s, json));
    CHECK(places(&s, "axyb xb", "0-1 3-4 4-5 6-7")); /* left out */
    free(s.data);
}

TEST(offsets_of_word_pieces)
{
    small s;
    REQUIRE(small_open(
        &s, "{\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":"
            "\"BertPreTokenizer\"},\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\","
            "\"cleanup\":true},\"post_processor\":null,\"model\":{\"type\":\"WordPiece\","
            "\"unk_token\":\"[U]\",\"max_input_chars_per_word\":9,\"vocab\":{\"[U]\":0,\"un\":1,"
            "\"##able\":2,\".\":3,\"cafe\":4,\"\\u4e2d\":5,\"##\\u1161\":6,\"\\u1100\":7}},"
            "\"added_tokens\":[" ADDED("0", "[U]", "") "]}"));
    CHECK(places(&s, "Unable  CAF\xc3\x89.", "0-2 2-6 8-13 13-14"));
    CHECK(places(&s, "cafe\xcc\x81 un", "0-4 7-9"));           /* the mark went */
    CHECK(places(&s, "x\xe4\xb8\xadx un", "0-1 1-4 4-5 6-8")); /* ideographs stand apart */
    CHECK(places(&s, "x\x01y.un", "0-3 3-4 4-6"));
    CHECK(places(&s, "\xea\xb0\x80\xcc\x81 un", "0-3 0-3 6-8")); /* decomposed */
    CHECK(places(&s, "\xe4\xb8\xad [U] \n[U]", "0-3 4-7 9-12"));
    free(s.data);
}

/* What is put before a text is at its start, what is put behind it at its end. */
TEST(offsets_of_what_is_added)
{
    small s;
    REQUIRE(small_open(
        &s,
        "{\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"decoder\":{"
        "\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},\"post_processor\":{"
        "\"type\":\"BertProcessing\",\"cls\":[\"[C]\",1],\"sep\":[\"[S]\",2]},\"model\":{"
        "\"type\":\"WordPiece\",\"unk_token\":\"[U]\",\"max_input_chars_per_word\":9,\"vocab\":{"
        "\"[U]\":0,\"[C]\":1,\"[S]\":2,\"un\":3}},\"added_tokens\":[" ADDED("0", "[U]", "") "]}"));
    CHECK(places_with(&s, MOTE_ENCODE_ADD_SPECIAL, "un un", "0-0 0-2 3-5 5-5"));
    CHECK(places_with(&s, MOTE_ENCODE_ADD_SPECIAL, "", "0-0 0-0"));
    free(s.data);
}

#define UNIGRAM(normalizer, pre)                                                                   \
    "{\"normalizer\":" normalizer ",\"pre_tokenizer\":" pre ",\"decoder\":{\"type\":"              \
    "\"Metaspace\",\"replacement\":\"\\u2581\",\"add_prefix_space\":true},\"post_processor\":"     \
    "null,\"model\":{\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"\\u2581\",-2],[\"a\",-3],[\"b\","    \
    "-3],[\"\\u2581a\",-4],[\"ba\",-6]]},\"added_tokens\":[" ADDED("0", "<unk>", "") "]}"
#define METASPACE "{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"add_prefix_space\":true}"

TEST(offsets_of_unigrams)
{
    small s;
    REQUIRE(small_open(&s, UNIGRAM("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},"
                                   "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},"
                                   "\"content\":\" \"}]}",
                                   METASPACE)));
    CHECK(places(&s, "a   a", "0-1 3-5"));                        /* the last of the blanks stays */
    CHECK(places(&s, "\xef\xbd\x81\xc2\xbd\x62", "0-3 3-5 5-6")); /* wide; one half is three */
    CHECK(places(&s, "xyz a", "0-1 0-3 3-5"));
    free(s.data);
    REQUIRE(small_open(&s, UNIGRAM("null", "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
                                           "\"WhitespaceSplit\"}," METASPACE "]}")));
    CHECK(places(&s, "\n a\t\tb", "2-3 5-6 5-6")); /* words get their own blanks */
    CHECK(places(&s, "xy\nzb x <unk>a", "0-1 0-2 3-4 3-4 4-5 6-7 6-7 8-13 13-14"));
    free(s.data);
}

/* Nothing is looked for behind what was lost for long, and nothing lies beyond the text. */
TEST(offsets_of_wrong_ids)
{
    small s;
    int32_t ids[200];
    mote_span spans[200];
    mote_error err;
    const char *text = "a b a b x";
    size_t room;
    uint64_t random = 7;
    REQUIRE(small_open(&s, UNIGRAM("null", METASPACE)));
    room = mote_encode_scratch_bytes(s.t, strlen(text));
    void *scratch = malloc(room);
    for (unsigned round = 0; round < 50; round++) {
        for (size_t i = 0; i < 200; i++)
            ids[i] = (int32_t)(test_random(&random) % 9) - 1;
        REQUIRE(
            !mote_token_spans(s.t, text, strlen(text), 0, ids, 200, spans, scratch, room, &err));
        for (size_t i = 0; i < 200; i++)
            REQUIRE(spans[i].begin <= spans[i].end && spans[i].end <= strlen(text));
    }
    ids[0] = 4, ids[1] = 1; /* a with its blank, and one blank more than there is */
    REQUIRE(!mote_token_spans(s.t, "a", 1, 0, ids, 2, spans, scratch, room, &err));
    CHECK(spans[0].begin == 0 && spans[0].end == 1 && spans[1].begin == 1 && spans[1].end == 1);
    free(scratch);
    free(s.data);
}

/* The expected places are those of Python's tokenizers 0.23.3 for the same file. */
TEST(offsets_after_normalizers)
{
    enum { N_TEXTS = 7 };
    static const char *const texts[N_TEXTS] = {"  Ab A  ",
                                               "a\314\201ba b\314\243\314\201",
                                               "\357\275\201\302\275b",
                                               "AxyB ba",
                                               "\303\241 b",
                                               "a  a",
                                               "a\344\270\255a\001b"};
    static const struct {
        const char *json, *want[N_TEXTS];
    } all[] = {
        {UNIGRAM("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Strip\",\"strip_left\":true,"
                 "\"strip_right\":true},{\"type\":\"Lowercase\"}]}",
                 METASPACE),
         {"2-3 3-4 4-6", "0-1 1-3 3-5 5-6 6-7 7-11", "0-3 0-5 5-6", "0-1 1-3 3-4 4-5 5-7",
          "0-2 0-2 2-3 3-4", "0-1 1-2 2-4", "0-1 1-4 4-5 5-6 6-7"}},
        {UNIGRAM("{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true}", METASPACE),
         {"0-1 1-2 2-3 3-4 4-5 5-6", "0-1 1-3 3-5 5-6 6-7 7-11", "0-3 0-5 5-6", "0-1 0-4 4-5 5-7",
          "0-2 0-2 2-3 3-4", "0-1 1-2 2-4", "0-1 1-4 4-5 5-6 6-7"}},
        {UNIGRAM("{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},{\"type\":"
                 "\"StripAccents\"}]}",
                 METASPACE),
         {"0-1 1-2 2-3 3-4 4-5 5-6 6-7 7-8", "0-1 3-5 5-6 6-7", "0-3 0-5 5-6", "0-1 0-4 4-5 5-7",
          "0-2 2-3 3-4", "0-1 1-2 2-4", "0-1 1-4 4-5 5-6 6-7"}},
        {UNIGRAM("{\"type\":\"NFKD\"}", METASPACE),
         {"0-1 1-2 2-3 3-4 4-5 5-6 6-7 7-8", "0-1 1-3 3-5 5-6 6-7 7-11", "0-3 3-5 5-6",
          "0-1 0-4 4-5 5-7", "0-2 0-2 2-3 3-4", "0-1 1-2 2-4", "0-1 1-4 4-5 5-6 6-7"}},
        {UNIGRAM("{\"type\":\"BertNormalizer\",\"clean_text\":false,\"handle_chinese_chars\":false,"
                 "\"strip_accents\":true,\"lowercase\":false}",
                 METASPACE),
         {"0-1 1-2 2-3 3-4 4-5 5-6 6-7 7-8", "0-1 3-5 5-6 6-7", "0-3 0-5 5-6", "0-1 0-4 4-5 5-7",
          "0-2 2-3 3-4", "0-1 1-2 2-4", "0-1 1-4 4-5 5-6 6-7"}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        small s;
        REQUIRE(small_open(&s, all[i].json));
        for (size_t k = 0; k < N_TEXTS; k++)
            CHECK(places(&s, texts[k], all[i].want[k]));
        free(s.data);
    }
}

/* Ids that the text does not have are skipped, up to 64 of them; then no more are looked for. */
TEST(offsets_of_ids_of_another_text)
{
    small s;
    json[0] = 0;
    add("%s", SPM("\"unk_token\":\"<unk>\",\"fuse_unk\":true"));
    add("},\"merges\":[\"\\u2581 a\"]},\"added_tokens\":[" ADDED("1", "<s>", "") "]}");
    REQUIRE(small_open(&s, json));
    for (size_t lost = 0; lost <= 70; lost++) {
        int32_t ids[80];
        mote_span spans[80];
        mote_error err;
        size_t room = mote_encode_scratch_bytes(s.t, 80);
        void *scratch = malloc(room);
        for (size_t i = 0; i < lost; i++)
            ids[i] = 4; /* b */
        ids[lost] = 5;  /* a with its blank */
        REQUIRE(!mote_token_spans(s.t, "a", 1, 0, ids, lost + 1, spans, scratch, room, &err));
        CHECK(spans[lost].begin == 0 && spans[lost].end == (lost <= 64 ? 1u : 0u));
        free(scratch);
    }
    free(s.data);
}
