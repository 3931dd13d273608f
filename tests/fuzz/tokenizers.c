/* tokenizers.c: see tokenizers.h. A tokenizer is a model (with its decoder), a normaliser and a
 * pre-tokenizer, each from a list; what does not go together the converter refuses. */
#include <stdarg.h>

#include "loader/format.h"
#include "loader/image.h"
#include "tests/fuzz/tokenizers.h"
#include "tools/convert/tok_draft.h"
#include "tools/convert/tok_patterns.h"

/* ---- parts ---------------------------------------------------------------------------------- */

enum { BYTES, BYTES_WHOLE, CHARS, CHARS_UNK, WORD_PIECE, UNIGRAM, UNIGRAM_BYTES, N_MODELS };

#define REPLACE_MARK "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\\u2581\"},\"content\":\" \"}"
#define FALLBACK "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}"
#define STRIP "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}"
#define SEQUENCE(of, list) "{\"type\":\"Sequence\",\"" of "\":[" list "]}"
#define META_DECODER                                                                               \
    "{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"add_prefix_space\":true}"

static const char *const decoders[N_MODELS] = {
    [BYTES] = "{\"type\":\"ByteLevel\"}",
    [BYTES_WHOLE] = "{\"type\":\"ByteLevel\"}",
    [CHARS] = SEQUENCE("decoders", REPLACE_MARK "," FALLBACK "," STRIP),
    [CHARS_UNK] = "null",
    [WORD_PIECE] = "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}",
    [UNIGRAM] = META_DECODER,
    [UNIGRAM_BYTES] = SEQUENCE("decoders", REPLACE_MARK "," FALLBACK),
};

#define TYPE(name) "{\"type\":\"" name "\"}"
#define MARKS "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\\u2581\"}"

static const char *const normalizers[] = {
    "null",
    TYPE("NFC"),
    SEQUENCE("normalizers", "{\"type\":\"Prepend\",\"prepend\":\"\\u2581\"}," MARKS),
    MARKS,
    TYPE("NFKC"),
    TYPE("NFD"),
    TYPE("Lowercase"),
    TYPE("StripAccents"),
    TYPE("BertNormalizer"),
    SEQUENCE("normalizers",
             TYPE("NFKC") "," TYPE("Lowercase") ",{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" "
                                                "{2,}\"},\"content\":\" \"}," TYPE("Strip")),
    SEQUENCE("normalizers", TYPE("NFD") "," TYPE("StripAccents") "," TYPE("Strip")),
};

#define SPLIT(regex)                                                                               \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"%r" regex "%r\"},\"behavior\":\"Isolated\"}"
#define LEVEL(regex) "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":" regex "}"
#define THEN_BYTES(first) SEQUENCE("pretokenizers", first "," LEVEL("false"))
#define META(scheme)                                                                               \
    "{\"type\":\"Metaspace\",\"replacement\":\"\\u2581\",\"prepend_scheme\":\"" scheme "\"}"
#define DIGITS(each) "{\"type\":\"Digits\",\"individual_digits\":" each "}"
#define LLAMA3                                                                                     \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "                     \
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* %r stands around expressions, which become JSON strings. */
static const char *const pre_tokenizers[] = {
    LEVEL("true"),
    LEVEL("false"),
    THEN_BYTES(SPLIT(LLAMA3)),
    THEN_BYTES(SPLIT(PATTERN_O200K("", "\\p{N}"))),
    THEN_BYTES(SPLIT(PATTERN_O200K("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "\\p{N}{1,3}"))),
    THEN_BYTES(SPLIT("\\p{N}{1,3}") "," SPLIT(PATTERN_CJK_KANA) "," SPLIT(PATTERN_DEEPSEEK3)),
    THEN_BYTES(SPLIT("[\\r\\n]") "," SPLIT("\\s?\\p{L}+") "," SPLIT("\\s?\\p{P}+") "," SPLIT(
        PATTERN_CJK) "," DIGITS("true")),
    THEN_BYTES(SPLIT(PATTERN_CASED) "," SPLIT(PATTERN_SIGNS) "," SPLIT("\\s+$")),
    THEN_BYTES("{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}"),
    SEQUENCE("pretokenizers",
             LEVEL("true") "," DIGITS("false") ",{\"type\":\"Split\",\"pattern\":{\"Regex\":"
                                               "\"[0-9][0-9][0-9]\"},\"behavior\":\"Isolated\"}"),
    "null",
    META("always"),
    META("first"),
    META("never"),
    TYPE("BertPreTokenizer"),
    TYPE("Whitespace"),
    SEQUENCE("pretokenizers", TYPE("WhitespaceSplit") "," META("always")),
    SEQUENCE("pretokenizers", TYPE("Whitespace") "," TYPE("Punctuation")),
};

enum {
    N_NORMS = sizeof normalizers / sizeof *normalizers,
    N_PRES = sizeof pre_tokenizers / sizeof *pre_tokenizers
};

/* ---- JSON ----------------------------------------------------------------------------------- */

typedef struct text {
    char p[1 << 16];
    size_t n;
} text;

__attribute__((format(printf, 2, 3))) static void add(text *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    o->n += (size_t)vsnprintf(o->p + o->n, sizeof o->p - o->n, format, args);
    va_end(args);
    FUZZ_EXPECT(o->n < sizeof o->p);
}

static void add_part(text *o, const char *part)
{
    for (bool quoted = false; *part; part++) {
        if (part[0] == '%' && part[1] == 'r') {
            quoted = !quoted;
            part++;
        } else if (quoted && (*part == '\\' || *part == '"')) {
            add(o, "\\%c", *part);
        } else {
            add(o, "%c", *part);
        }
    }
}

static const char *const byte_merges[] = {"a b",
                                          "b c",
                                          "ab c",
                                          "a a",
                                          "aa aa",
                                          "1 2",
                                          "\xc4\xa0 a",
                                          "\xc4\xa0\x61 b",
                                          "\xc4\xa0 \xc4\xa0",
                                          "\xc3\xa4 \xc2\xb8",
                                          "\xc3\x83 \xc2\xa9"};
static const char *const char_merges[] = {
    "a b",       "ab a", "\xe2\x96\x81 a", "\xe2\x96\x81\x61 b", "\xe2\x96\x81 \xe2\x96\x81",
    "\xc3\xa9 a"};
static const char *const words[] = {
    "\xe2\x96\x81",     "a",  "b",  "c", "e", "1", ".", "\xc3\xa9", "\xe4\xb8\xad",
    "\xe2\x96\x81\x61", "ab", "abc"};

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* "left right" as the entry that it makes. */
static void add_merged(text *o, const char *merge, unsigned id)
{
    const char *blank = strchr(merge, ' ');
    add(o, "\"%.*s%s\":%u,", (int)(blank - merge), merge, blank + 1, id);
}

static unsigned add_merges(text *o, const char *const *merges, size_t n, unsigned id)
{
    for (size_t i = 0; i < n; i++)
        add_merged(o, merges[i], id++);
    o->n--; /* the comma */
    add(o, "},\"merges\":[");
    for (size_t i = 0; i < n; i++)
        add(o, "%s\"%s\"", i ? "," : "", merges[i]);
    add(o, "]}");
    return id;
}

static unsigned add_bpe(text *o, bool bytes, bool fallback, bool whole)
{
    unsigned id = 0;
    add(o,
        "{\"type\":\"BPE\",\"byte_fallback\":%s,\"fuse_unk\":true,\"ignore_merges\":%s,"
        "\"unk_token\":%s,\"vocab\":{",
        fallback ? "true" : "false", whole ? "true" : "false", bytes ? "null" : "\"<unk>\"");
    for (; bytes && id < 256; id++)
        add(o, "\"\\u%04x\":%u,", draft_byte_letter(id), id);
    if (bytes)
        return add_merges(o, byte_merges, COUNT(byte_merges), id);
    add(o, "\"<unk>\":%u,", id++);
    for (unsigned b = 0; fallback && b < 256; b++)
        add(o, "\"<0x%02X>\":%u,", b, id++);
    for (size_t i = 0; i < 9; i++)
        add(o, "\"%s\":%u,", words[i], id++);
    return add_merges(o, char_merges, COUNT(char_merges), id);
}

static unsigned add_word_piece(text *o)
{
    unsigned id = 0;
    add(o,
        "{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"max_input_chars_per_word\":20,"
        "\"vocab\":{\"[UNK]\":%u",
        id++);
    for (size_t i = 1; i < COUNT(words); i++)
        if (i != 9)
            add(o, ",\"%s\":%u,\"##%s\":%u", words[i], id, words[i], id + 1), id += 2;
    add(o, "}}");
    return id;
}

static unsigned add_unigram(text *o, bool fallback)
{
    unsigned id = 0;
    add(o, "{\"type\":\"Unigram\",\"unk_id\":%u,\"byte_fallback\":%s,\"vocab\":[[\"<unk>\",0]",
        id++, fallback ? "true" : "false");
    for (size_t i = 0; i < COUNT(words); i++)
        add(o, ",[\"%s\",-%u.%u]", words[i], 1 + (unsigned)(i * 7 % 5), id++);
    for (unsigned b = 0; fallback && b < 256; b++)
        add(o, ",[\"<0x%02X>\",-10]", b), id++;
    add(o, "]}");
    return id;
}

static void make_json(text *o, unsigned model, unsigned norm, unsigned pre)
{
    unsigned id;
    o->n = 0;
    add(o, "{\"normalizer\":");
    add_part(o, normalizers[norm]);
    add(o, ",\"pre_tokenizer\":");
    add_part(o, pre_tokenizers[pre]);
    add(o, ",\"decoder\":%s,\"model\":", decoders[model]);
    if (model <= CHARS_UNK)
        id = add_bpe(o, model <= BYTES_WHOLE, model == CHARS, model == BYTES_WHOLE);
    else
        id = model == WORD_PIECE ? add_word_piece(o) : add_unigram(o, model == UNIGRAM_BYTES);
    add(o,
        ",\"added_tokens\":["
        "{\"id\":%u,\"content\":\"<s>\",\"special\":true,\"normalized\":false},"
        "{\"id\":%u,\"content\":\"<sx\",\"special\":false,\"normalized\":%s,"
        "\"single_word\":true},"
        "{\"id\":%u,\"content\":\"<ab>\",\"special\":true,\"normalized\":false},"
        "{\"id\":%u,\"content\":\"<w>\",\"special\":false,\"normalized\":false,"
        "\"lstrip\":true,\"rstrip\":true}],\"post_processor\":{\"type\":\"BertProcessing\","
        "\"cls\":[\"<s>\",%u],\"sep\":[\"<s>\",%u]}}",
        id, id + 1, norm < 2 && pre < 10 ? "true" : "false", id + 2, id + 3, id, id);
}

/* ---- images --------------------------------------------------------------------------------- */

bool fuzz_tables_image(mote_image *image, const tok_tables *tables)
{
    const uint64_t json = 56;
    uint64_t strings = sizeof(mote_index) + tables->n * sizeof(mote_tensor), end = strings;
    for (size_t i = 0; i < tables->n; i++)
        end += (tables->tables[i].bytes + 63) / 64 * 64;
    uint8_t *p = fuzz_alloc(8 + json + end);
    mote_index *x = (mote_index *)(void *)(p + 8 + json);
    mote_tensor *t = (mote_tensor *)(x + 1);
    memset(p, 0, 8 + json + end);
    memcpy(p, &json, sizeof json);
    memcpy(p + 8, "{}", 2);
    *x = (mote_index){.version = MOTE_FORMAT_VERSION,
                      .json_bytes = json,
                      .file_bytes = 8 + json + end,
                      .index_bytes = (uint32_t)strings,
                      .n_tensors = (uint32_t)tables->n,
                      .strings_at = (uint32_t)strings,
                      .bos_id = -1};
    memcpy(x->magic, MOTE_MAGIC, sizeof x->magic);
    end = strings;
    for (size_t i = 0; i < tables->n; i++) {
        const tok_table *from = &tables->tables[i];
        uint64_t bytes = (from->bytes + 63) / 64 * 64;
        t[i] = (mote_tensor){.kind = from->kind,
                             .n_mats = 1,
                             .rows = from->bytes,
                             .k = 1,
                             .offset = end,
                             .bytes = bytes};
        memcpy((uint8_t *)x + end, from->data, from->bytes);
        end += bytes;
    }
    x->index_crc = mote_crc32c(0, x, x->index_bytes);
    mote_error err;
    mote_status s = mote_image_open(image, p, 8 + json + end, &err);
    if (s) {
        free(p);
        image->base = NULL;
    }
    return !s;
}

mote_tokenizer *fuzz_open_tokenizer(const mote_image *image)
{
    mote_tokenizer *t = NULL;
    mote_error err;
    void *memory = fuzz_alloc(mote_tokenizer_bytes());
    if (mote_tokenizer_init(&t, memory, mote_tokenizer_bytes(), image, &err)) {
        free(memory);
        return NULL;
    }
    return t;
}

/* ---- picking -------------------------------------------------------------------------------- */

static void make(fuzz_tokenizer *made, unsigned model, unsigned norm, unsigned pre)
{
    static text json;
    mote_convert_error err = {.status = MOTE_OK};
    tok_tables tables;
    make_json(&json, model, norm, pre);
    cJSON *root = json_parse("tokenizer", json.p, json.n, &err);
    FUZZ_EXPECT(root);
    if (!tok_from_json(&tables, "tokenizer", root, NULL, &err)) {
        FUZZ_EXPECT(fuzz_tables_image(&made->image, &tables));
        made->t = fuzz_open_tokenizer(&made->image);
        FUZZ_EXPECT(made->t);
        made->exact = model <= BYTES_WHOLE && norm == 0;
        tok_free(&tables);
    } else {
        FUZZ_EXPECT(err.status == MOTE_ERR_UNSUPPORTED); /* nothing else is wrong with these */
    }
    cJSON_Delete(root);
}

/* Each part at least once, and what real families put together; tables take a while to make. */
static const uint8_t mixes[][3] = {
    {BYTES, 0, 0},       {BYTES, 1, 1},          {BYTES, 0, 2},         {BYTES_WHOLE, 0, 3},
    {BYTES_WHOLE, 0, 4}, {BYTES, 0, 5},          {BYTES, 0, 6},         {BYTES, 0, 7},
    {BYTES, 4, 8},       {BYTES, 0, 9},          {CHARS, 2, 10},        {CHARS, 3, 10},
    {CHARS, 0, 11},      {CHARS_UNK, 0, 15},     {CHARS_UNK, 5, 17},    {WORD_PIECE, 8, 14},
    {WORD_PIECE, 6, 15}, {WORD_PIECE, 10, 17},   {UNIGRAM, 9, 16},      {UNIGRAM, 0, 12},
    {UNIGRAM, 4, 11},    {UNIGRAM_BYTES, 7, 13}, {UNIGRAM_BYTES, 0, 13}};

const fuzz_tokenizer *fuzz_pick_tokenizer(fuzz_in *in)
{
    static fuzz_tokenizer made[sizeof mixes / sizeof *mixes];
    static bool tried[sizeof mixes / sizeof *mixes];
    size_t i = fuzz_u8(in) % (sizeof mixes / sizeof *mixes);
    if (!tried[i])
        make(&made[i], mixes[i][0], mixes[i][1], mixes[i][2]);
    tried[i] = true;
    return made[i].t ? &made[i] : NULL;
}

/* ---- using ---------------------------------------------------------------------------------- */

/* Encodes with exactly the memory that is said to do; n: ids. free() the ids. */
static int32_t *encode(const mote_tokenizer *t, fuzz_in in, unsigned flags, const mote_span *plain,
                       size_t cap, size_t *n, mote_status want)
{
    size_t room = mote_encode_scratch_bytes(t, in.n);
    int32_t *ids = fuzz_alloc(cap * sizeof *ids);
    void *scratch = fuzz_alloc(room);
    mote_error err;
    mote_status s = mote_encode(t, (const char *)in.p, in.n, flags, plain, plain != NULL, ids, cap,
                                n, scratch, room, &err);
    FUZZ_EXPECT(s == want);
    free(scratch);
    return ids;
}

/* The places of ids lie in the text. */
static void check_spans(const mote_tokenizer *t, fuzz_in in, unsigned flags, const int32_t *ids,
                        size_t n)
{
    size_t room = mote_encode_scratch_bytes(t, in.n);
    mote_span *spans = fuzz_alloc(n * sizeof *spans);
    void *scratch = fuzz_alloc(room);
    mote_error err;
    FUZZ_EXPECT(
        !mote_token_spans(t, (const char *)in.p, in.n, flags, ids, n, spans, scratch, room, &err));
    for (size_t i = 0; i < n; i++)
        FUZZ_EXPECT(spans[i].begin <= spans[i].end && spans[i].end <= in.n);
    free(scratch);
    free(spans);
}

void fuzz_use_tokenizer(const mote_tokenizer *t, fuzz_in in)
{
    unsigned flags = fuzz_u8(&in);
    char *copy = fuzz_copy(in);
    fuzz_in own = {(const uint8_t *)copy, in.n};
    mote_span middle = {in.n / 3, in.n - in.n / 3};
    uint32_t n_vocab = mote_tokenizer_vocab_size(t);
    size_t cap = mote_encode_max_ids(t, in.n), n, again;
    int32_t *ids = encode(t, own, flags & 3, flags & 4 ? &middle : NULL, cap, &n, MOTE_OK);
    for (size_t i = 0; i < n; i++)
        FUZZ_EXPECT(ids[i] >= 0 && (uint32_t)ids[i] < n_vocab);
    if (n && flags & 8)
        free(encode(t, own, flags & 3, flags & 4 ? &middle : NULL, n - 1, &again, MOTE_ERR_MEMORY));
    check_spans(t, own, flags & 3, ids, n);
    size_t bytes = mote_decode(t, ids, n, flags & 1, NULL, 0);
    char *back = fuzz_alloc(bytes);
    FUZZ_EXPECT(mote_decode(t, ids, n, flags & 1, back, bytes) == bytes);
    FUZZ_EXPECT(mote_utf8_valid(back, bytes));
    free(back);
    free(ids);
    free(copy);
}
