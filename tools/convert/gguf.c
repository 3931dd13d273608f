/* gguf.c: the container of GGUF files, version 2 and 3. Read source.h and gguf.h first.
 *
 * The file is a stranger's: every count and length is held against what is left of the file before
 * anything is allocated or skipped, types are checked where they are read, and the data must be
 * covered by the tensors in order, as their writers do it.
 */
#include "tools/convert/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "loader/checked.h"

#define WINDOW (64u << 10)
#define MAX_VALUES 4096u
#define MAX_KEY 1024u
#define MAX_STRING (16u << 20)
#define MAX_ITEMS (4u << 20) /* of an array that is kept */

/* The file read through a window. A failure stays; reads after it give zeros. */
typedef struct reader {
    gguf *g;
    mote_status status;
    uint64_t at; /* next byte */
    uint64_t window_at;
    size_t window_bytes;
    uint8_t *window;
    char *text; /* rest of the block that short strings are kept in */
    size_t text_room;
} reader;

static void fail(reader *r, const char *what)
{
    if (!r->status)
        r->status = convert_fail(r->g->s->err, MOTE_ERR_FILE, "%s: %s (at byte %llu)",
                                 r->g->f->name, what, (unsigned long long)r->at);
}

static uint64_t bytes_left(const reader *r) { return r->g->f->bytes - r->at; }

static void fill_window(reader *r)
{
    uint64_t left = bytes_left(r);
    r->window_at = r->at;
    r->window_bytes = left < WINDOW ? (size_t)left : WINDOW;
    r->status = file_read(r->g->f, r->at, r->window, r->window_bytes, r->g->s->err);
}

/* Reads or, with out NULL, skips n bytes. */
static void get(reader *r, void *out, uint64_t n)
{
    uint8_t *p = out;
    if (out)
        memset(out, 0, (size_t)n);
    if (!r->status && n > bytes_left(r))
        fail(r, "the file ends inside its header");
    if (!out && !r->status)
        r->at += n;
    while (out && n && !r->status) {
        if (r->at < r->window_at || r->at >= r->window_at + r->window_bytes)
            fill_window(r);
        size_t in_window = (size_t)(r->at - r->window_at);
        size_t part = r->window_bytes - in_window;
        part = n < part ? (size_t)n : part;
        if (r->status)
            return;
        memcpy(p, r->window + in_window, part);
        p += part;
        r->at += part;
        n -= part;
    }
}

static uint32_t get_u32(reader *r)
{
    uint32_t x;
    get(r, &x, sizeof x);
    return x;
}

static uint64_t get_u64(reader *r)
{
    uint64_t x;
    get(r, &x, sizeof x);
    return x;
}

/* Room for a string and its end: short ones share a block. NULL after a failure. */
static char *take_text(reader *r, uint64_t n)
{
    const size_t block = 64u << 10;
    if (r->status)
        return NULL;
    if (n + 1 > r->text_room) {
        size_t bytes = n + 1 > block / 4 ? (size_t)n + 1 : block;
        char *text = pool_take(&r->g->s->pool, bytes, 1, r->g->s->err);
        if (!text) {
            r->status = r->g->s->err->status;
            return NULL;
        }
        if (bytes != block)
            return text;
        r->text = text;
        r->text_room = block;
    }
    char *text = r->text;
    r->text += n + 1;
    r->text_room -= (size_t)n + 1;
    return text;
}

/* u64 length | bytes. keep: else the string is skipped. */
static mote_text get_text(reader *r, uint64_t max, bool keep)
{
    mote_text text = {"", 0};
    uint64_t n = get_u64(r);
    if (!r->status && n > bytes_left(r))
        fail(r, "a string is longer than the file");
    if (!r->status && keep && n > max)
        fail(r, "a string is too long");
    char *copy = keep ? take_text(r, n) : NULL;
    get(r, copy, r->status ? 0 : n);
    if (copy && !r->status)
        text = (mote_text){copy, (size_t)n};
    return text;
}

/* ---- values --------------------------------------------------------------------------------- */

static const uint8_t type_bytes[GGUF_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static double get_number(reader *r, enum gguf_type type)
{
    uint8_t b[8] = {0};
    uint64_t u = 0;
    float f;
    double d;
    get(r, b, type_bytes[type]);
    memcpy(&u, b, 8);
    memcpy(&f, b, 4);
    memcpy(&d, b, 8);
    switch (type) {
    case GGUF_I8: return (int8_t)b[0];
    case GGUF_I16: return (int16_t)(uint16_t)u;
    case GGUF_I32: return (int32_t)(uint32_t)u;
    case GGUF_I64: return (double)(int64_t)u;
    case GGUF_F32: return (double)f;
    case GGUF_F64: return d;
    case GGUF_BOOL:
        if (u > 1)
            fail(r, "a truth value is neither 0 nor 1");
        return (double)u;
    default: return (double)u;
    }
}

static bool is_kept_array(const char *key)
{
    static const char *const keys[] = {
        "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type",
        "tokenizer.ggml.merges", "tokenizer.ggml.precompiled_charsmap",
        /* of OpenELM, one a layer */
        "openelm.attention.head_count", "openelm.attention.head_count_kv",
        "openelm.feed_forward_length"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

static void get_strings(reader *r, gguf_value *v)
{
    mote_text *texts = v->data;
    for (uint64_t i = 0; i < v->n && !r->status; i++) {
        mote_text text = get_text(r, MAX_STRING, texts != NULL);
        if (texts)
            texts[i] = text;
    }
}

static void get_array(reader *r, gguf_value *v)
{
    uint32_t item = get_u32(r);
    v->n = get_u64(r);
    if (!r->status && (item >= GGUF_TYPES || item == GGUF_ARRAY))
        fail(r, "an array of unknown type");
    if (r->status)
        return;
    v->item = (enum gguf_type)item;
    uint64_t least = item == GGUF_STRING ? 8 : type_bytes[item];
    size_t room = item == GGUF_STRING ? sizeof(mote_text) : (size_t)least;
    bool keep = is_kept_array(v->key) && (item == GGUF_STRING || least <= sizeof(int32_t));
    if (v->n > bytes_left(r) / least)
        fail(r, "an array is longer than the file");
    else if (keep && v->n > MAX_ITEMS)
        fail(r, "an array of the tokenizer is too long");
    if (r->status)
        return;
    if (keep) {
        v->data = pool_take(&r->g->s->pool, (size_t)v->n, room, r->g->s->err);
        r->status = v->data ? MOTE_OK : r->g->s->err->status;
    }
    if (item == GGUF_STRING)
        get_strings(r, v);
    else
        get(r, v->data, v->n * least);
}

static void get_value(reader *r, gguf_value *v)
{
    v->key = get_text(r, MAX_KEY, true).ptr;
    uint32_t type = get_u32(r);
    if (!r->status && type >= GGUF_TYPES)
        fail(r, "a value of unknown type");
    if (r->status)
        return;
    v->type = (enum gguf_type)type;
    if (type == GGUF_STRING)
        v->text = get_text(r, MAX_STRING, true);
    else if (type == GGUF_ARRAY)
        get_array(r, v);
    else
        v->number = get_number(r, v->type);
    if (!r->status && gguf_find(r->g, v->key) != v)
        fail(r, "a key is there twice");
}

const gguf_value *gguf_find(const gguf *g, const char *key)
{
    for (size_t i = 0; i < g->n_values; i++)
        if (g->values[i].key && strcmp(g->values[i].key, key) == 0)
            return &g->values[i];
    return NULL;
}

/* ---- tensors -------------------------------------------------------------------------------- */

static const struct {
    uint32_t number;
    const char *name;
    enum src_type type;
} types[] = {
    {0, "F32", SRC_F32},        {1, "F16", SRC_F16},           {2, "Q4_0", SRC_Q4_0},
    {3, "Q4_1", SRC_Q4_1},      {6, "Q5_0", SRC_Q5_0},         {7, "Q5_1", SRC_Q5_1},
    {8, "Q8_0", SRC_Q8_0},      {9, "Q8_1", SRC_UNSUPPORTED},  {10, "Q2_K", SRC_Q2_K},
    {11, "Q3_K", SRC_Q3_K},     {12, "Q4_K", SRC_Q4_K},        {13, "Q5_K", SRC_Q5_K},
    {14, "Q6_K", SRC_Q6_K},     {15, "Q8_K", SRC_UNSUPPORTED}, {20, "IQ4_NL", SRC_IQ4_NL},
    {23, "IQ4_XS", SRC_IQ4_XS}, {30, "BF16", SRC_BF16},
};

static void set_type(reader *r, src_tensor *t, uint32_t number)
{
    size_t i = 0, n = sizeof types / sizeof *types;
    while (i < n && types[i].number != number)
        i++;
    if (r->status)
        return;
    if (i < n && types[i].type != SRC_UNSUPPORTED) {
        t->type = types[i].type;
        t->type_name = types[i].name;
    } else if (i < n) {
        r->status = convert_fail(r->g->s->err, MOTE_ERR_UNSUPPORTED,
                                 "%s: tensor %s has type %s, which is not supported", r->g->f->name,
                                 t->name, types[i].name);
    } else {
        r->status = convert_fail(r->g->s->err, MOTE_ERR_UNSUPPORTED,
                                 "%s: tensor %s has type number %u, which is not supported",
                                 r->g->f->name, t->name, number);
    }
}

/* name | u32 rank | u64 dimensions, fastest first | u32 type | u64 offset. *end: where the tensor
 * before ends, padded; moves on. */
static void get_tensor(reader *r, src_tensor *t, uint64_t alignment, mote_checked *end)
{
    t->name = t->label = get_text(r, MAX_KEY, true).ptr;
    t->rank = get_u32(r);
    if (!r->status && (t->rank < 1 || t->rank > 4))
        fail(r, "a tensor has not 1 to 4 dimensions");
    mote_checked n = mote_checked_of(1);
    for (uint32_t i = t->rank; i-- > 0 && !r->status;) {
        t->shape[i] = get_u64(r);
        if (!r->status && !t->shape[i])
            fail(r, "a tensor has no elements");
        n = mote_checked_mul(n, t->shape[i]);
    }
    set_type(r, t, get_u32(r));
    t->offset = get_u64(r);
    if (r->status)
        return;
    uint64_t unit = src_block(t->type);
    if (n.overflow || t->shape[t->rank - 1] % unit)
        fail(r, "a tensor's dimensions do not fit its type");
    n = mote_checked_mul(mote_checked_of(n.value / unit), src_unit_bytes(t->type));
    if (t->offset != end->value)
        fail(r, "a tensor does not start where the one before it ends");
    t->bytes = n.value;
    *end = mote_checked_add(*end, n.value);
    end->overflow |= n.overflow;
    if (!mote_checked_within(*end, r->g->f->bytes))
        fail(r, "a tensor is longer than the file");
    *end = mote_checked_round_up(*end, alignment);
}

static void get_tensors(reader *r, uint64_t alignment)
{
    gguf *g = r->g;
    mote_checked end = mote_checked_of(0);
    for (size_t i = 0; i < g->n_tensors && !r->status; i++)
        get_tensor(r, &g->tensors[i], alignment, &end);
    mote_checked data = mote_checked_round_up(mote_checked_of(r->at), alignment);
    if (r->status)
        return;
    const src_tensor *last = g->n_tensors ? &g->tensors[g->n_tensors - 1] : NULL;
    uint64_t used = last ? last->offset + last->bytes : 0;
    mote_checked file_end = mote_checked_add(data, used);
    if (!mote_checked_within(file_end, g->f->bytes))
        fail(r, "the file is cut short: tensors lie behind its end");
    else if (g->f->bytes - file_end.value >= alignment)
        fail(r, "bytes follow the last tensor");
    for (size_t i = 0; i < g->n_tensors; i++)
        g->tensors[i].offset += data.value;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void get_counts(reader *r)
{
    gguf *g = r->g;
    uint32_t version;
    get_u32(r); /* "GGUF", checked by who called */
    version = get_u32(r);
    if (!r->status && version != 2 && version != 3)
        r->status = convert_fail(g->s->err, MOTE_ERR_UNSUPPORTED,
                                 "%s: GGUF version %u%s (2 and 3 are known)", g->f->name, version,
                                 version & 0xff ? "" : ", big-endian");
    uint64_t n_tensors = get_u64(r), n_values = get_u64(r);
    if (!r->status && (n_tensors > SRC_MAX_TENSORS || n_tensors > bytes_left(r) / 32))
        fail(r, "more tensors than the file can hold");
    if (!r->status && (n_values > MAX_VALUES || n_values > bytes_left(r) / 13))
        fail(r, "more values than the file can hold");
    if (r->status)
        return;
    g->n_tensors = (size_t)n_tensors;
    g->n_values = (size_t)n_values;
    g->values = pool_take(&g->s->pool, g->n_values, sizeof *g->values, g->s->err);
    g->tensors = source_add_tensors(g->s, g->n_tensors);
    if (!g->values || !g->tensors)
        r->status = g->s->err->status;
}

static uint64_t find_alignment(reader *r)
{
    const gguf_value *v = gguf_find(r->g, "general.alignment");
    if (!v)
        return 32;
    uint64_t n = v->type == GGUF_U32 ? (uint64_t)v->number : 0;
    if (n < 8 || n > 65536 || n & (n - 1))
        fail(r, "general.alignment is no power of two from 8 to 65536");
    return r->status ? 32 : n;
}

mote_status gguf_read(gguf *g, source *s)
{
    *g = (gguf){.s = s, .f = &s->files[0]};
    pool local = {0};
    reader r = {.g = g, .window = pool_take(&local, WINDOW, 1, s->err)};
    if (!r.window)
        return s->err->status;
    get_counts(&r);
    for (size_t i = 0; i < g->n_values && !r.status; i++)
        get_value(&r, &g->values[i]);
    if (!r.status)
        get_tensors(&r, find_alignment(&r));
    pool_free(&local);
    return r.status;
}
