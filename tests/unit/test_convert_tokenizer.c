/* Tokenizers end to end: a small tokenizer.json made here goes through the converter into tables,
 * which then encode and decode. Real tokenizers: tests/golden/tokenizer_ids.py. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/mote_host.h"
#include "tests/unit/test.h"
#include "tokenizer/tables.h"
#include "tokenizer/utf8.h"
#include "tools/convert/convert.h"

typedef struct fixture {
    char *data; /* the image, aligned */
    size_t bytes;
    mote_image image;
    mote_tokenizer *t;
    _Alignas(MOTE_ALIGN) char memory[1024];
} fixture;

/* ---- making one ----------------------------------------------------------------------------- */

/* GPT-2's letters for bytes as JSON strings, ids 0 to 255, then merges over a, b, c and the
 * blank. */
static const char *const merged[] = {
    "ab", "bc", "abc", "aa", "aaaa", "\xc4\xa0\x61", "\xc4\xa0\x61\x62"};
static const char *const merges[] = {"a b",   "b c",        "ab c",          "a a",
                                     "aa aa", "\xc4\xa0 a", "\xc4\xa0\x61 b"};

__attribute__((format(printf, 4, 5))) static size_t add(char *out, size_t cap, size_t n,
                                                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int more = vsnprintf(out + n, cap - n, format, args);
    va_end(args);
    return n + (size_t)more;
}

static size_t add_letter(char *out, size_t cap, size_t n, unsigned byte)
{
    bool prints = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
    unsigned letter = 256;
    for (unsigned b = 0; b < byte; b++)
        letter += !((b > 32 && b < 127) || (b > 160 && b != 173));
    return add(out, cap, n, "\"\\u%04x\":%u,", prints ? byte : letter, byte);
}

static size_t make_json(char *out, size_t cap)
{
    size_t n = add(out, cap, 0,
                   "{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":"
                   "\"ByteLevel\",\"add_prefix_space\":false},\"decoder\":{\"type\":"
                   "\"ByteLevel\"},\"post_processor\":null,\"model\":{\"type\":\"BPE\","
                   "\"vocab\":{");
    for (unsigned b = 0; b < 256; b++)
        n = add_letter(out, cap, n, b);
    for (unsigned i = 0; i < 7; i++)
        n = add(out, cap, n, "\"%s\":%u%s", merged[i], 256 + i, i < 6 ? "," : "},\"merges\":[");
    for (unsigned i = 0; i < 7; i++)
        n = add(out, cap, n, "\"%s\"%s", merges[i], i < 6 ? "," : "]}");
    return add(out, cap, n,
               ",\"added_tokens\":["
               "{\"id\":263,\"content\":\"<s>\",\"special\":true,\"normalized\":false},"
               "{\"id\":264,\"content\":\"<sx\",\"special\":false,\"normalized\":false},"
               "{\"id\":265,\"content\":\"[w]\",\"special\":false,\"normalized\":false,"
               "\"lstrip\":true,\"rstrip\":true}]}");
}

static bool write_file(const char *path, const char *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(data, 1, n, f) == n;
    return f && fclose(f) == 0 && ok;
}

static bool load(fixture *f, const char *path)
{
    mote_error err;
    FILE *file = fopen(path, "rb");
    long n = -1;
    if (file && fseek(file, 0, SEEK_END) == 0)
        n = ftell(file);
    f->bytes = n > 0 ? (size_t)n : 0;
    f->data = n > 0 ? aligned_alloc(MOTE_ALIGN, (f->bytes + 63) / 64 * 64) : NULL;
    bool ok =
        f->data && fseek(file, 0, SEEK_SET) == 0 && fread(f->data, 1, f->bytes, file) == f->bytes;
    if (file)
        fclose(file);
    return ok && !mote_image_open(&f->image, f->data, f->bytes, &err) &&
           !mote_tokenizer_init(&f->t, f->memory, sizeof f->memory, &f->image, &err);
}

static bool open_fixture(fixture *f)
{
    char folder[400], path[500], json[32768];
    mote_convert_error err;
    memset(f, 0, sizeof *f);
    snprintf(folder, sizeof folder, "%s/tokenizer", test_folder());
    snprintf(path, sizeof path, "mkdir -p '%s'", folder);
    bool ok = system(path) == 0;
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    ok = ok && write_file(path, json, make_json(json, sizeof json));
    snprintf(path, sizeof path, "%s/t.mote", folder);
    mote_convert_opts o = {.source = folder, .output = path, .force = true, .tokenizer_only = true};
    return ok && CHECK(mote_convert(&o, &err) == MOTE_OK) && CHECK(load(f, path));
}

/* ---- using it ------------------------------------------------------------------------------- */

typedef struct ids {
    int32_t ids[4096];
    size_t n;
} ids;

static bool encode(const fixture *f, const char *text, size_t bytes, unsigned flags,
                   const mote_span *plain, ids *out)
{
    size_t need = mote_encode_scratch_bytes(f->t, bytes);
    void *scratch = malloc(need);
    mote_error err;
    mote_status s = mote_encode(f->t, text, bytes, flags, plain, plain != NULL, out->ids,
                                sizeof out->ids / sizeof *out->ids, &out->n, scratch, need, &err);
    free(scratch);
    return s == MOTE_OK;
}

static bool gives(const fixture *f, const char *text, const mote_span *plain, const int32_t *want,
                  size_t n)
{
    ids got;
    return encode(f, text, strlen(text), 0, plain, &got) && got.n == n &&
           !memcmp(got.ids, want, n * sizeof *want);
}

#define GIVES(f, text, plain, ...)                                                                 \
    gives(f, text, plain, (const int32_t[]){__VA_ARGS__},                                          \
          sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

TEST(tokenizer_merges_and_splits)
{
    fixture f;
    REQUIRE(open_fixture(&f));
    CHECK(GIVES(&f, "abc", NULL, 258));
    CHECK(GIVES(&f, "bc", NULL, 257));
    CHECK(GIVES(&f, " a ab", NULL, 261, 32, 256));
    CHECK(GIVES(&f, "  a", NULL, 32, 261)); /* the last blank of a run goes with the word */
    CHECK(GIVES(&f, "aaaaa", NULL, 260, 97));
    CHECK(GIVES(&f, "e\xcc\x81", NULL, 0xc3, 0xa9));  /* composed */
    CHECK(GIVES(&f, "\xff", NULL, 0xef, 0xbf, 0xbd)); /* no UTF-8: U+FFFD */
    CHECK(mote_token_find(f.t, " ab", 3) == 262 && mote_token_find(f.t, "<s>", 3) == 263);
    free(f.data);
}

TEST(tokenizer_keeps_plain_text_plain)
{
    fixture f;
    mote_span all = {0, 3}, edge = {2, 3}, other = {3, 4};
    REQUIRE(open_fixture(&f));
    CHECK(GIVES(&f, "<s>a", NULL, 263, 97));
    CHECK(GIVES(&f, "<s>a", &all, '<', 's', '>', 97));
    CHECK(GIVES(&f, "<s>a", &edge, '<', 's', '>', 97)); /* one byte of it is enough */
    CHECK(GIVES(&f, "<s>a", &other, 263, 97));
    CHECK(GIVES(&f, "<sx", &all, 264));             /* added, but no control token */
    CHECK(GIVES(&f, "a [w] b", NULL, 97, 265, 98)); /* takes the blanks */
    free(f.data);
}

/* Merging as the definition says it, one merge at a time over everything. */
static size_t merge_slowly(const char *text, int32_t *out)
{
    static const int32_t rules[7][3] = {{'a', 'b', 256}, {'b', 'c', 257}, {256, 'c', 258},
                                        {'a', 'a', 259}, {259, 259, 260}, {32, 'a', 261},
                                        {261, 'b', 262}};
    size_t n = 0;
    for (; text[n]; n++)
        out[n] = (uint8_t)text[n];
    for (;;) {
        size_t rule = 7, place = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (size_t r = 0; r < rule; r++)
                if (out[i] == rules[r][0] && out[i + 1] == rules[r][1]) {
                    rule = r;
                    place = i;
                }
        if (rule == 7)
            return n;
        out[place] = rules[rule][2];
        memmove(out + place + 1, out + place + 2, (n - place - 2) * sizeof *out);
        n--;
    }
}

TEST(tokenizer_merges_long_pieces_as_short_ones)
{
    fixture f;
    uint64_t seed = 5;
    REQUIRE(open_fixture(&f));
    for (size_t round = 0; round < 200; round++) {
        char text[300];
        size_t n = 1 + test_random(&seed) % 299;
        int32_t want[300];
        for (size_t i = 0; i < n; i++)
            text[i] = "abc"[test_random(&seed) % 3];
        text[n] = 0;
        size_t n_want = merge_slowly(text, want);
        if (!CHECK(gives(&f, text, NULL, want, n_want)))
            break;
    }
    free(f.data);
}

/* A stream of pushes: every push is complete UTF-8, the whole is what decoding at once gives. */
static bool streams(const fixture *f, const ids *in)
{
    static char at_once[1 << 16], piece[1 << 12], all[1 << 16];
    mote_decoder d;
    size_t n = 0, total = mote_decode(f->t, in->ids, in->n, false, at_once, sizeof at_once);
    mote_decoder_init(&d, f->t, false);
    for (size_t i = 0; i <= in->n; i++) {
        size_t got =
            i < in->n ? mote_decoder_push(&d, in->ids[i], piece) : mote_decoder_flush(&d, piece);
        for (size_t at = 0; at < got;) {
            bool valid;
            uint32_t cp;
            at += utf8_read((const uint8_t *)piece + at, got - at, &cp, &valid);
            if (!valid)
                return false;
        }
        memcpy(all + n, piece, got);
        n += got;
    }
    return n == total && !memcmp(all, at_once, n);
}

TEST(tokenizer_decodes_what_it_encoded)
{
    static const uint32_t some[] = {'a',     'b',    ' ',   '\n', '1', 0xe9, 0x4e2d,
                                    0x1f600, 0x200d, 0x17f, '\'', 's', 0};
    fixture f;
    uint64_t seed = 9;
    REQUIRE(open_fixture(&f));
    for (size_t round = 0; round < 300; round++) {
        uint8_t text[400];
        char back[1200];
        size_t n = 0, count = test_random(&seed) % 90;
        ids got;
        for (size_t i = 0; i < count; i++)
            n += utf8_write(text + n, some[test_random(&seed) % 13]);
        REQUIRE(encode(&f, (char *)text, n, MOTE_ENCODE_NO_SPECIAL_TEXT, NULL, &got));
        size_t m = mote_decode(f.t, got.ids, got.n, false, back, sizeof back);
        REQUIRE(m == n && !memcmp(back, text, n) && streams(&f, &got));
        for (size_t i = 0; i < got.n; i++) /* any ids at all */
            got.ids[i] = (int32_t)(test_random(&seed) % 270) - 2;
        REQUIRE(streams(&f, &got));
    }
    free(f.data);
}

TEST(tokenizer_says_when_memory_is_short)
{
    fixture f;
    int32_t few[2];
    char scratch[64];
    size_t n;
    mote_error err;
    char text[200];
    REQUIRE(open_fixture(&f));
    memset(text, 'c', sizeof text);
    CHECK(mote_encode(f.t, "a1b1", 4, 0, NULL, 0, few, 2, &n, scratch, 64, &err) ==
          MOTE_ERR_MEMORY);
    CHECK(mote_encode(f.t, "ab", 2, 0, NULL, 0, few, 2, &n, scratch, 64, &err) == MOTE_OK &&
          n == 1);
    CHECK(mote_encode(f.t, text, 200, 0, NULL, 0, few, 2, &n, scratch, 64, &err) ==
          MOTE_ERR_MEMORY);
    free(f.data);
}

/* U+0344 becomes two marks, the most of a byte; a byte that is no text three. With exactly the
 * memory that is said to do. */
TEST(tokenizer_has_memory_for_what_grows_most)
{
    enum { N = 4000 };
    static const char marks[] = "\xcc\x88\xcc\x81", none[] = "\xef\xbf\xbd";
    fixture f;
    REQUIRE(open_fixture(&f));
    for (size_t n_bad = 0; n_bad <= N; n_bad += N / 2) {
        char text[2 * N], back[6 * N + 16];
        size_t n = 0, n_ids = 0, room, cap, at = 0;
        mote_error err;
        while (n < n_bad)
            text[n++] = (char)0xff;
        for (; n + 1 < 2 * N - n_bad; n += 2)
            memcpy(text + n, "\xcd\x84", 2);
        room = mote_encode_scratch_bytes(f.t, n), cap = mote_encode_max_ids(f.t, n);
        void *scratch = malloc(room);
        int32_t *got = malloc(cap * sizeof *got);
        REQUIRE(scratch && got);
        CHECK(!mote_encode(f.t, text, n, 0, NULL, 0, got, cap, &n_ids, scratch, room, &err));
        size_t m = mote_decode(f.t, got, n_ids, false, back, sizeof back);
        CHECK(m == 3 * n_bad + 2 * (n - n_bad));
        for (size_t i = 0; i < n_bad; i++, at += 3)
            CHECK(!memcmp(back + at, none, 3));
        for (; at + 4 <= m; at += 4)
            CHECK(!memcmp(back + at, marks, 4));
        free(got);
        free(scratch);
    }
    free(f.data);
}

/* The block numbers end where the first block begins. */
TEST(classes_of_the_first_block_are_no_numbers_of_blocks)
{
    fixture f;
    mote_error err;
    REQUIRE(open_fixture(&f));
    uint8_t *classes = (uint8_t *)(uintptr_t)mote_image_table(&f.image, TOK_TABLE_CLASSES).ptr;
    classes[TOK_CLASS_BLOCKS] = 0xff;
    CHECK(!mote_tokenizer_init(&f.t, f.memory, sizeof f.memory, &f.image, &err));
    classes[TOK_CLASS_BLOCKS - 1] = 0xff;
    CHECK(mote_tokenizer_init(&f.t, f.memory, sizeof f.memory, &f.image, &err) == MOTE_ERR_FILE);
    free(f.data);
}

/* Damaged tables may give wrong ids, and no worse (the sanitizers watch). */
TEST(tokenizer_survives_damaged_tables)
{
    fixture f;
    uint64_t seed = 3;
    REQUIRE(open_fixture(&f));
    char *good = malloc(f.bytes);
    size_t data = (size_t)(f.image.data - f.image.base) + (size_t)f.image.bytes / 8;
    memcpy(good, f.data, f.bytes);
    for (size_t round = 0; round < 3000; round++) {
        ids got;
        mote_error err;
        memcpy(f.data, good, f.bytes);
        for (size_t i = 0, n = 1 + test_random(&seed) % 40; i < n; i++)
            f.data[data + test_random(&seed) % (f.bytes - data)] = (char)test_random(&seed);
        if (mote_image_open(&f.image, f.data, f.bytes, &err) ||
            mote_tokenizer_init(&f.t, f.memory, sizeof f.memory, &f.image, &err))
            continue;
        const char *text =
            "abc <s>aaaaa aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa e\xcc\x81\xcc\xa3 [w] 12";
        encode(&f, text, strlen(text), MOTE_ENCODE_ADD_SPECIAL, NULL, &got);
        got.n = got.n < 64 ? got.n : 64;
        char back[4096];
        mote_decode(f.t, got.ids, got.n, false, back, sizeof back);
    }
    free(good);
    free(f.data);
}
