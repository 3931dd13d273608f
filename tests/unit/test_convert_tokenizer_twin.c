/* Merging by its definition, against the run time's way, which never merges (tokenizer/bpe.c):
 * random vocabularies over three letters, in which ranks do not rise from part to whole, and
 * random texts. And decode(encode(x)) = x, for files of TOKENIZER_FILES too
 * (tests/golden/tokenizer_twin.py). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/mote_host.h"
#include "tests/unit/test.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"
#include "tools/convert/convert.h"

#define N_LETTERS 3u
#define MOST_ENTRIES 40u
#define MOST_MERGES 200u
#define MOST_TEXT 160u

typedef struct vocabulary {
    char text[MOST_ENTRIES][12];
    size_t n, n_merges;
    size_t merges[MOST_MERGES][3]; /* left, right, what they make; in the order of ranks */
} vocabulary;

typedef struct opened {
    mote_file file;
    mote_image image;
    mote_tokenizer *t;
    _Alignas(MOTE_ALIGN) char memory[1024];
} opened;

/* ---- random vocabularies -------------------------------------------------------------------- */

static size_t find_text(const vocabulary *v, const char *text)
{
    size_t i = 0;
    while (i < v->n && strcmp(v->text[i], text) != 0)
        i++;
    return i;
}

/* Entries are joined of earlier ones; most ways to cut an entry become merges, in any order. */
static void make_vocabulary(vocabulary *v, uint64_t *seed)
{
    size_t wanted = N_LETTERS + 2 + test_random(seed) % (MOST_ENTRIES - N_LETTERS - 2);
    v->n = v->n_merges = 0;
    for (; v->n < N_LETTERS; v->n++)
        snprintf(v->text[v->n], sizeof *v->text, "%c", (char)('a' + v->n));
    for (size_t round = 0; round < 400 && v->n < wanted; round++) {
        char joined[24];
        snprintf(joined, sizeof joined, "%s%s", v->text[test_random(seed) % v->n],
                 v->text[test_random(seed) % v->n]);
        if (strlen(joined) < sizeof *v->text && find_text(v, joined) == v->n)
            memcpy(v->text[v->n++], joined, sizeof *v->text);
    }
    for (size_t l = 0; l < v->n; l++)
        for (size_t r = 0; r < v->n && v->n_merges < MOST_MERGES; r++) {
            char joined[24];
            snprintf(joined, sizeof joined, "%s%s", v->text[l], v->text[r]);
            size_t to = find_text(v, joined), at = test_random(seed) % (v->n_merges + 1);
            if (to == v->n || test_random(seed) % 8 == 0)
                continue;
            memcpy(v->merges[v->n_merges++], v->merges[at], sizeof *v->merges);
            memcpy(v->merges[at], (size_t[3]){l, r, to}, sizeof *v->merges);
        }
}

__attribute__((format(printf, 2, 3))) static void add(FILE *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(f, format, args);
    va_end(args);
}

/* As a byte-level model, or one of characters. */
static bool write_json(const vocabulary *v, const char *path, bool byte_level)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return false;
    add(f, "{\"pre_tokenizer\":%s,\"decoder\":%s,",
        byte_level ? "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}"
                   : "null",
        byte_level ? "{\"type\":\"ByteLevel\"}" : "{\"type\":\"Fuse\"}");
    add(f, "\"model\":{\"type\":\"BPE\",\"vocab\":{");
    for (size_t i = 0; i < v->n; i++)
        add(f, "%s\"%s\":%zu", i ? "," : "", v->text[i], i);
    size_t n = v->n; /* no letter of ASCII may lack */
    for (char c = '!'; byte_level && c < 0x7f; c++)
        if ((unsigned)(c - 'a') >= N_LETTERS)
            add(f, ",\"%s%c\":%zu", c == '"' || c == '\\' ? "\\" : "", c, n++);
    if (byte_level)
        add(f, ",\"\u0120\":%zu", n);
    add(f, "},\"merges\":[");
    for (size_t i = 0; i < v->n_merges; i++)
        add(f, "%s[\"%s\",\"%s\"]", i ? "," : "", v->text[v->merges[i][0]],
            v->text[v->merges[i][1]]);
    add(f, "]},\"added_tokens\":[]}");
    return fclose(f) == 0;
}

static bool open_file(opened *o, const char *path)
{
    mote_error err;
    memset(o, 0, sizeof *o);
    return !mote_file_map(&o->file, path, &err) &&
           !mote_image_open(&o->image, o->file.base, o->file.bytes, &err) &&
           !mote_tokenizer_init(&o->t, o->memory, sizeof o->memory, &o->image, &err);
}

static bool open_vocabulary(opened *o, const vocabulary *v, bool byte_level)
{
    char folder[400], path[500];
    mote_convert_error err;
    snprintf(folder, sizeof folder, "%s/twin", test_folder());
    snprintf(path, sizeof path, "mkdir -p '%s'", folder);
    bool ok = system(path) == 0;
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    ok = ok && write_json(v, path, byte_level);
    snprintf(path, sizeof path, "%s/t.mote", folder);
    mote_convert_opts opts = {
        .source = folder, .output = path, .force = true, .tokenizer_only = true};
    return ok && CHECK(mote_convert(&opts, &err) == MOTE_OK) && CHECK(open_file(o, path));
}

/* ---- the twin ------------------------------------------------------------------------------- */

/* The merge of lowest rank, the leftmost of equals, as long as there is one. Letters without an
 * entry are left out. */
static size_t merge_slowly(const vocabulary *v, const char *text, size_t *ids)
{
    size_t n = 0;
    for (; *text; text++)
        if ((size_t)(*text - 'a') < N_LETTERS)
            ids[n++] = (size_t)(*text - 'a');
    for (;;) {
        size_t rank = v->n_merges, place = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (size_t r = 0; r < rank; r++)
                if (ids[i] == v->merges[r][0] && ids[i + 1] == v->merges[r][1]) {
                    rank = r;
                    place = i;
                }
        if (rank == v->n_merges)
            return n;
        ids[place] = v->merges[rank][2];
        memmove(ids + place + 1, ids + place + 2, (n - place - 2) * sizeof *ids);
        n--;
    }
}

/* Letters, now and then one without an entry; few different ones, so that runs are long. */
static size_t make_text(char *text, uint64_t *seed)
{
    size_t n = test_random(seed) % MOST_TEXT, letters = 1 + test_random(seed) % N_LETTERS;
    for (size_t i = 0; i < n; i++)
        text[i] = test_random(seed) % 64 ? (char)('a' + test_random(seed) % letters) : '\1';
    text[n] = 0;
    return n;
}

static bool equals_twin(const opened *o, const vocabulary *v, const char *text, size_t n)
{
    size_t want[MOST_TEXT], n_want = merge_slowly(v, text, want), n_ids = 0;
    int32_t ids[4 * MOST_TEXT];
    _Alignas(16) static uint8_t scratch[1 << 16];
    mote_error err;
    if (mote_encode(o->t, text, n, 0, NULL, 0, ids, sizeof ids / sizeof *ids, &n_ids, scratch,
                    mote_encode_scratch_bytes(o->t, n), &err))
        return false;
    bool same = n_ids == n_want;
    for (size_t i = 0; i < n_ids && same; i++)
        same = ids[i] == (int32_t)want[i];
    return same;
}

TEST(tokenizer_gives_what_merging_gives)
{
    static vocabulary v;
    static opened o;
    uint64_t seed = 11;
    const char *more = getenv("TOKENIZER_VOCABULARIES");
    size_t rounds = more ? strtoul(more, NULL, 10) : 60, bad = 0;
    for (size_t round = 0; round < rounds && !bad; round++) {
        make_vocabulary(&v, &seed);
        REQUIRE(open_vocabulary(&o, &v, round % 2));
        for (size_t i = 0; i < 100; i++) {
            char text[MOST_TEXT];
            size_t n = make_text(text, &seed);
            bad += !equals_twin(&o, &v, text, n);
        }
        mote_file_unmap(&o.file);
    }
    CHECK(bad == 0);
}

/* ---- round trips ---------------------------------------------------------------------------- */

enum { BLOCK = 1 << 16 };

typedef struct trip {
    uint8_t text[BLOCK];
    char back[BLOCK * 4], again[BLOCK * 4];
    int32_t ids[BLOCK * 4];
} trip;

/* Some published vocabularies lack bytes (SmolLM2's, Falcon's), or have added tokens that decode to
 * something else (DeepSeek's "\xc3\xb6" is a byte): texts with such characters do not come back. */
static bool comes_back(const mote_tokenizer *t, const uint8_t *p, size_t n)
{
    bool all = true;
    for (size_t i = 0; i < n; i++)
        all &= t->h->byte_ids[p[i]] >= 0;
    for (size_t i = 0; n > 1 && i < t->h->n_added; i++)
        all &= t->added[i].bytes != n || memcmp(t->added_text + t->added[i].at, p, n) != 0;
    return all;
}

/* Any characters, most of them where the planes are busy; returns bytes. */
static size_t make_characters(const mote_tokenizer *t, uint8_t *text, size_t cap, size_t *chars,
                              uint64_t *seed)
{
    static const uint32_t ends[] = {0x80, 0x80, 0x250, 0x600, 0x3400, 0xd800, 0x10000, 0x110000};
    size_t n = 0;
    while (n + 4 <= cap && *chars > 0) {
        uint32_t cp = (uint32_t)(test_random(seed) % ends[test_random(seed) % 8]);
        size_t bytes = utf8_write(text + n, cp);
        if ((cp >= 0xd800 && cp < 0xe000) || !comes_back(t, text + n, bytes))
            continue;
        n += bytes;
        --*chars;
    }
    return n;
}

static size_t go_round(const mote_tokenizer *t, const void *text, size_t n, trip *s, char *out)
{
    size_t scratch_bytes = mote_encode_scratch_bytes(t, n), n_ids = 0;
    void *scratch = malloc(scratch_bytes);
    mote_error err;
    mote_status status =
        mote_encode(t, text, n, MOTE_ENCODE_NO_SPECIAL_TEXT, NULL, 0, s->ids,
                    sizeof s->ids / sizeof *s->ids, &n_ids, scratch, scratch_bytes, &err);
    free(scratch);
    return status ? SIZE_MAX : mote_decode(t, s->ids, n_ids, false, out, sizeof s->back);
}

/* Where the tokenizer composes, the text is what it composed. */
static bool gives_back(const mote_tokenizer *t, size_t chars, trip *s)
{
    uint64_t seed = 17;
    while (chars > 0) {
        size_t n = make_characters(t, s->text, BLOCK / 4, &chars, &seed);
        const void *text = s->text;
        if (t->h->flags & TOK_NFC) {
            n = go_round(t, text, n, s, s->again);
            text = s->again;
        }
        if (go_round(t, text, n, s, s->back) != n || memcmp(text, s->back, n) != 0)
            return false;
    }
    return true;
}

static void check_file(const char *path, size_t chars, trip *s)
{
    static opened o;
    if (!CHECK(open_file(&o, path)))
        return;
    bool byte_level = o.t->h->flags & TOK_BYTE_LEVEL;
    if (byte_level && CHECK(gives_back(o.t, chars, s)))
        printf("   %s gives back %zu characters\n", strrchr(path, '/'), chars);
    mote_file_unmap(&o.file);
}

TEST(tokenizer_gives_back_real_vocabularies_texts)
{
    const char *files = getenv("TOKENIZER_FILES"), *chars = getenv("TOKENIZER_CHARS");
    trip *s = malloc(sizeof *s);
    REQUIRE(s);
    for (size_t n; files && *files; files += n + (files[n] == ':')) {
        char path[1000];
        n = strcspn(files, ":");
        snprintf(path, sizeof path, "%.*s", (int)n, files);
        check_file(path, chars ? strtoul(chars, NULL, 10) : 100000, s);
    }
    if (!files)
        test_skip("TOKENIZER_FILES names no files (make golden does)");
    free(s);
}
