/* tok_tiktoken.c: tiktoken's files: a line for each entry, its bytes in base64 and its rank, which
 * is its id. Merges follow from the ranks (tok_scores.c). The expression that cuts texts is in the
 * publisher's program, not in the file; it is known for those below, in this order:
 *   1. by the file's name; 2. by tokenizer_class; 3. by a control token that only they have.
 * Control tokens are those of added_tokens_decoder in tokenizer_config.json; files that 1. knows
 * are published without one and have theirs here. Read tok.h first. */
#include <stdio.h>
#include <string.h>

#include "tools/convert/tok_draft.h"

#define MOST_ADDED 65536u /* ids above the ranks */

static const struct {
    const char *file, *class, *token, *way;
} known[] = {
    {"qwen.tiktoken", "QWenTokenizer", NULL, "qwen2"},
    {"gpt2.tiktoken", NULL, NULL, "gpt-2"},
    {"r50k_base.tiktoken", NULL, NULL, "gpt-2"},
    {"cl100k_base.tiktoken", NULL, NULL, "cl100k"},
    {"o200k_base.tiktoken", NULL, NULL, "gpt-4o"},
    {NULL, NULL, "<|start_header_id|>", "llama-bpe"}, /* Llama 3 */
    {NULL, NULL, "<|header_start|>", "llama4"},
    {NULL, NULL, "<|constrain|>", "gpt-4o"}, /* gpt-oss */
};

/* Control tokens of files that come without a configuration: places behind the last rank. */
static const struct {
    const char *file, *text;
    uint32_t at, n;
} published[] = {
    {"qwen.tiktoken", "<|endoftext|>", 0, 1},
    {"qwen.tiktoken", "<|im_start|>", 1, 1},
    {"qwen.tiktoken", "<|im_end|>", 2, 1},
    {"qwen.tiktoken", "<|extra_%u|>", 3, 205},
    {"gpt2.tiktoken", "<|endoftext|>", 0, 1},
    {"r50k_base.tiktoken", "<|endoftext|>", 0, 1},
    {"cl100k_base.tiktoken", "<|endoftext|>", 1, 1},
    {"cl100k_base.tiktoken", "<|fim_prefix|>", 2, 1},
    {"cl100k_base.tiktoken", "<|fim_middle|>", 3, 1},
    {"cl100k_base.tiktoken", "<|fim_suffix|>", 4, 1},
    {"cl100k_base.tiktoken", "<|endofprompt|>", 20, 1},
    {"o200k_base.tiktoken", "<|endoftext|>", 1, 1},
    {"o200k_base.tiktoken", "<|endofprompt|>", 20, 1},
};

typedef struct ranks {
    const char *file;
    mote_convert_error *err;
    pool pool;
    tok_vocab v;
    size_t n; /* ranks; v.n ids in all */
    mote_text *pieces;
    float *scores;
    int32_t *types; /* 0: not there yet */
} ranks;

/* ---- lines ---------------------------------------------------------------------------------- */

typedef struct line {
    const char *text; /* base64 */
    size_t bytes;
    uint64_t rank;
} line;

/* The line at *p, which moves behind it; false: it is none. */
static bool read_line(const char **p, const char *end, line *out)
{
    const char *stop = memchr(*p, '\n', (size_t)(end - *p));
    const char *next = stop ? stop + 1 : end, *blank;
    stop = stop ? stop : end;
    stop -= stop > *p && stop[-1] == '\r';
    blank = memchr(*p, ' ', (size_t)(stop - *p));
    size_t digits = blank ? (size_t)(stop - blank - 1) : 0;
    *out = (line){.text = *p, .bytes = blank ? (size_t)(blank - *p) : 0};
    *p = next;
    for (size_t i = 0; i < digits && digits <= 10; i++) {
        if (blank[1 + i] < '0' || blank[1 + i] > '9')
            return false;
        out->rank = out->rank * 10 + (uint64_t)(blank[1 + i] - '0');
    }
    return out->bytes > 0 && out->bytes % 4 == 0 && digits > 0 && digits <= 10;
}

bool tok_is_tiktoken(const char *data, size_t bytes)
{
    line l;
    uint8_t out[192];
    size_t n;
    const char *p = data;
    return bytes > 0 && read_line(&p, data + bytes, &l) && l.bytes <= 256 &&
           tok_read_base64(l.text, l.bytes, out, &n);
}

static size_t count_lines(const char *p, const char *end)
{
    size_t n = 0;
    for (const char *stop; p < end; p = stop + 1, n++)
        if (!(stop = memchr(p, '\n', (size_t)(end - p))))
            return n + 1;
    return n;
}

/* Bytes as GPT-2's letters for them, in the pool. */
static mote_text to_letters(ranks *r, const uint8_t *bytes, size_t n)
{
    char *out = pool_take(&r->pool, n, 2, r->err);
    size_t written = 0;
    for (size_t i = 0; out && i < n; i++) {
        uint32_t letter = draft_byte_letter(bytes[i]);
        if (letter >= 0x80)
            out[written++] = (char)(0xc0 | letter >> 6);
        out[written++] = (char)(letter >= 0x80 ? 0x80 | (letter & 0x3f) : letter);
    }
    return (mote_text){out, written};
}

static mote_status read_ranks(ranks *r, const char *p, const char *end)
{
    uint8_t bytes[TOK_MAX_PIECE / 2];
    bool seen[256] = {false};
    size_t n_seen = 0;
    mote_status status = MOTE_OK;
    for (size_t i = 0; i < r->n && !status; i++) {
        line l;
        size_t n = 0;
        bool ok = read_line(&p, end, &l) && l.bytes / 4 * 3 <= sizeof bytes &&
                  tok_read_base64(l.text, l.bytes, bytes, &n) && n > 0;
        if (!ok)
            return convert_fail(r->err, MOTE_ERR_FILE, "%s: line %zu is no entry and rank", r->file,
                                i + 1);
        if (l.rank >= r->n || r->types[l.rank])
            return convert_fail(r->err, MOTE_ERR_FILE,
                                "%s: line %zu: rank %llu %s (%zu entries have 0 to %zu)", r->file,
                                i + 1, (unsigned long long)l.rank,
                                l.rank < r->n ? "is there twice" : "is too large", r->n, r->n - 1);
        r->types[l.rank] = TOK_TYPE_NORMAL;
        r->scores[l.rank] = -(float)l.rank; /* exact: fewer than 2^24 */
        r->pieces[l.rank] = to_letters(r, bytes, n);
        n_seen += n == 1 && !seen[bytes[0]];
        seen[bytes[0]] = seen[bytes[0]] || n == 1;
        status = r->pieces[l.rank].ptr ? MOTE_OK : r->err->status;
    }
    if (!status && n_seen < 256) /* the format's own tools cannot do without either */
        status = convert_fail(r->err, MOTE_ERR_FILE, "%s: %zu of the 256 bytes have no entry",
                              r->file, 256 - n_seen);
    return status;
}

/* ---- control tokens ------------------------------------------------------------------------- */

static mote_status add_token(ranks *r, uint64_t id, const char *text, bool special)
{
    size_t bytes = strlen(text);
    if (id < r->n || id >= r->n + MOST_ADDED || r->types[id] || !bytes)
        return convert_fail(r->err, MOTE_ERR_FILE, "%s: added token %.60s contradicts the ranks",
                            r->file, text);
    char *copy = pool_copy(&r->pool, text, bytes, r->err);
    r->types[id] = special ? TOK_TYPE_CONTROL : TOK_TYPE_USER;
    r->pieces[id] = (mote_text){copy, copy ? json_unescape_nul(copy, copy) : 0};
    r->v.n = id >= r->v.n ? (size_t)id + 1 : r->v.n;
    return copy ? MOTE_OK : r->err->status;
}

static bool is_true(const cJSON *object, const char *key)
{
    return cJSON_IsTrue(json_get(object, key));
}

/* added_tokens_decoder: {"128000": {"content": "<|begin_of_text|>", "special": true, ...}, ...} */
static mote_status read_added(ranks *r, const cJSON *added)
{
    mote_status status = MOTE_OK;
    for (const cJSON *c = added->child; c && !status; c = c->next) {
        const cJSON *text = json_get(c, "content");
        uint64_t id = 0;
        size_t digits = strspn(c->string, "0123456789");
        for (size_t i = 0; i < digits && i < 9; i++)
            id = id * 10 + (uint64_t)(c->string[i] - '0');
        if (!digits || digits > 9 || c->string[digits] || !cJSON_IsString(text))
            return convert_fail(r->err, MOTE_ERR_FILE,
                                "tokenizer_config.json: added_tokens_decoder is malformed");
        if (is_true(c, "lstrip") || is_true(c, "rstrip") || is_true(c, "single_word"))
            return convert_fail(r->err, MOTE_ERR_UNSUPPORTED,
                                "%s: added token %.60s with lstrip, rstrip or single_word is not "
                                "supported",
                                r->file, text->valuestring);
        status = add_token(r, id, text->valuestring, is_true(c, "special"));
    }
    return status;
}

static mote_status add_published(ranks *r)
{
    mote_status status = MOTE_OK;
    bool any = false;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        bool mine = !strcmp(r->file, published[i].file);
        any |= mine;
        for (uint32_t k = 0; mine && k < published[i].n && !status; k++) {
            char text[64];
            const char *at = strstr(published[i].text, "%u");
            if (at)
                snprintf(text, sizeof text, "%.*s%u%s", (int)(at - published[i].text),
                         published[i].text, k, at + 2);
            status = add_token(r, r->n + published[i].at + k, at ? text : published[i].text, true);
        }
    }
    if (!any)
        status = convert_fail(r->err, MOTE_ERR_UNSUPPORTED,
                              "%s: which control tokens it has is not known: there is no "
                              "added_tokens_decoder in tokenizer_config.json",
                              r->file);
    return status;
}

static int32_t find_token(const ranks *r, const char *text)
{
    for (size_t id = r->n; text && id < r->v.n; id++)
        if (r->types[id] && r->pieces[id].bytes == strlen(text) &&
            !memcmp(r->pieces[id].ptr, text, strlen(text)))
            return (int32_t)id;
    return -1;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static mote_status find_way(ranks *r, const cJSON *config)
{
    const cJSON *item = json_get(config, "tokenizer_class");
    const char *class = cJSON_IsString(item) ? item->valuestring : NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known && !r->v.pre; i++)
        if ((known[i].file && !strcmp(r->file, known[i].file)) ||
            (known[i].class && class && !strcmp(class, known[i].class)) ||
            find_token(r, known[i].token) >= 0)
            r->v.pre = known[i].way;
    if (r->v.pre)
        return MOTE_OK;
    return convert_fail(r->err, MOTE_ERR_UNSUPPORTED,
                        "%s: tokenizer_class %.60s: how it cuts texts is not known; convert it to "
                        "tokenizer.json",
                        r->file, class ? class : "(none)");
}

static void find_bos(ranks *r, const cJSON *config)
{
    const cJSON *item = json_get(config, "bos_token"), *add = json_get(config, "add_bos_token");
    item = cJSON_IsObject(item) ? json_get(item, "content") : item;
    const tok_way *way = tok_way_find(r->v.pre);
    r->v.bos = find_token(r, cJSON_IsString(item) ? item->valuestring : NULL);
    r->v.add_bos = cJSON_IsBool(add) ? cJSON_IsTrue(add) : way && way->adds & TOK_WAY_BOS;
}

static mote_status read_all(ranks *r, const char *data, size_t bytes, const cJSON *config)
{
    const cJSON *added = json_get(config, "added_tokens_decoder");
    r->n = r->v.n = count_lines(data, data + bytes);
    if (r->n > TOK_MAX_VOCAB - MOST_ADDED)
        return convert_fail(r->err, MOTE_ERR_FILE, "%s: too many lines", r->file);
    size_t room = r->n + MOST_ADDED;
    r->v.pieces = r->pieces = pool_take(&r->pool, room, sizeof *r->pieces, r->err);
    r->v.scores = r->scores = r->pieces ? pool_take(&r->pool, room, sizeof(float), r->err) : NULL;
    r->v.types = r->types = r->scores ? pool_take(&r->pool, room, sizeof(int32_t), r->err) : NULL;
    if (!r->types)
        return r->err->status;
    mote_status status = read_ranks(r, data, data + bytes);
    if (!status)
        status = cJSON_IsObject(added) ? read_added(r, added) : add_published(r);
    for (size_t id = r->n; id < r->v.n; id++)
        if (!r->types[id])
            r->pieces[id] = (mote_text){"", 0};
    if (!status)
        status = find_way(r, config);
    if (!status)
        find_bos(r, config);
    return status;
}

mote_status tok_from_tiktoken(tok_tables *out, const char *file, const char *data, size_t bytes,
                              const cJSON *config, mote_convert_error *err)
{
    ranks r = {.file = file, .err = err};
    r.v = (tok_vocab){.model = "tiktoken", .bos = -1, .eos = -1, .unk = -1, .sep = -1};
    *out = (tok_tables){.n = 0};
    mote_status status = read_all(&r, data, bytes, config);
    if (!status)
        status = tok_from_vocab(out, file, &r.v, err);
    pool_free(&r.pool);
    return status;
}
