/* graph.c: naming tensors, choosing types, the graph as a whole. Read graph.h first; config.c reads
 * the configuration. */
#include "tools/convert/graph.h"

#include <stdio.h>
#include <string.h>

/* ---- tensors -------------------------------------------------------------------------------- */

static out_tensor *add_out(graph *g, uint32_t place, uint32_t kind, uint32_t shape)
{
    if (g->status)
        return NULL;
    if (g->n_outs == g->cap_outs) {
        size_t cap = g->cap_outs ? g->cap_outs * 2 : 64;
        out_tensor *outs = pool_take(&g->src->pool, cap, sizeof *outs, g->src->err);
        if (!outs) {
            g->status = g->src->err->status;
            return NULL;
        }
        if (g->n_outs)
            memcpy(outs, g->outs, g->n_outs * sizeof *outs);
        g->outs = outs;
        g->cap_outs = cap;
    }
    out_tensor *t = &g->outs[g->n_outs++];
    *t = (out_tensor){.place = place, .kind = kind, .shape = shape, .k = 1, .n_mats = 1};
    return t;
}

/* The source tensor, with the rank and shape that its place asks for; NULL after a failure. Where
 * weights are not looked at every tensor is there, and this one stands for it. */
static const src_tensor *find_tensor(graph *g, const char *name, uint32_t rank, uint64_t rows,
                                     uint64_t k)
{
    static const src_tensor unread = {.name = "", .label = "", .type_name = "F32", .type = SRC_F32};
    src_tensor *t = g->status ? NULL : source_find(g->src, name);
    if (!g->status && !t && g->src->unread)
        return &unread;
    if (!t) {
        graph_fail(g, MOTE_ERR_FILE, "tensor %s is missing", name);
        return NULL;
    }
    t->used = true;
    if (t->type >= SRC_TYPES)
        graph_fail(g, MOTE_ERR_UNSUPPORTED,
                   "tensor %s has type %s, which cannot be read as weights", t->label,
                   t->type_name);
    else if (t->rank != rank)
        graph_fail(g, MOTE_ERR_FILE, "tensor %s has %u dimensions (wanted %u)", t->label, t->rank,
                   rank);
    else if (rank == 1 && t->shape[0] != rows)
        graph_fail(g, MOTE_ERR_FILE, "tensor %s has %llu values (wanted %llu)", t->label,
                   (unsigned long long)t->shape[0], (unsigned long long)rows);
    else if (rank == 2 && (t->shape[0] != rows || t->shape[1] != k))
        graph_fail(g, MOTE_ERR_FILE, "tensor %s has shape [%llu, %llu] (wanted [%llu, %llu])",
                   t->label, (unsigned long long)t->shape[0], (unsigned long long)t->shape[1],
                   (unsigned long long)rows, (unsigned long long)k);
    return g->status ? NULL : t;
}

void graph_add_matrix(graph *g, uint32_t place, uint32_t kind, const char *name, uint64_t rows,
                      uint64_t k, uint32_t pair_rows)
{
    const src_tensor *src = find_tensor(g, name, 2, rows, k);
    out_tensor *t = src ? add_out(g, place, kind, MOTE_SHAPE_MATRIX) : NULL;
    if (!t)
        return;
    t->src = src;
    t->rows = rows;
    t->k = k;
    t->pair_rows = g->src->paired_rows ? pair_rows : 0;
}

void graph_add_vector(graph *g, uint32_t place, uint32_t kind, const char *name, uint64_t n,
                      uint32_t pair_rows)
{
    const src_tensor *src = find_tensor(g, name, 1, n, 1);
    if (src && src_block(src->type) > 1)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "tensor %s is quantised, which a vector must not be",
                   src->label);
    out_tensor *t = src ? add_out(g, place, kind, MOTE_SHAPE_VECTOR) : NULL;
    if (!t)
        return;
    t->src = src;
    t->rows = n;
    t->pair_rows = g->src->paired_rows ? pair_rows : 0;
}

void graph_add_norm(graph *g, uint32_t place, uint32_t kind, const char *name, uint64_t n)
{
    graph_add_vector(g, place, kind, name, n, 0);
    if (!g->status)
        g->outs[g->n_outs - 1].add = g->norm_add;
}

void graph_add_part(graph *g, uint32_t place, uint32_t kind, const fused *from, uint64_t rows,
                    uint64_t k)
{
    if (!k)
        graph_add_vector(g, place, kind, from->name, from->all, 0);
    else if (from->transposed)
        graph_add_matrix(g, place, kind, from->name, k, from->all, 0);
    else
        graph_add_matrix(g, place, kind, from->name, from->all, k, 0);
    if (g->status)
        return;
    out_tensor *t = &g->outs[g->n_outs - 1];
    if (from->transposed && k && src_block(t->src->type) > 1)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "tensor %s is quantised and transposed", t->src->label);
    t->first_row = from->first;
    t->turned = from->transposed && k;
    t->rows = rows;
    t->k = k ? k : 1;
}

/* ---- several matrices in one tensor ---------------------------------------------------------- */

static out_part *take_parts(graph *g, uint32_t n)
{
    out_part *parts = g->status ? NULL : pool_take(&g->src->pool, n, sizeof *parts, g->src->err);
    if (!parts && !g->status)
        g->status = g->src->err->status;
    return parts;
}

static void add_mats(graph *g, uint32_t place, uint32_t kind, const out_part *parts, uint32_t n,
                     uint64_t rows, uint64_t k, bool transposed)
{
    out_tensor *t = g->status ? NULL : add_out(g, place, kind, MOTE_SHAPE_MATRIX);
    for (uint32_t i = 1; t && i < n; i++)
        if (parts[i].src->type != parts[0].src->type)
            graph_fail(g, MOTE_ERR_UNSUPPORTED, "tensors %s and %s have different types",
                       parts[0].src->label, parts[i].src->label);
    if (!t)
        return;
    t->src = parts[0].src;
    t->parts = parts;
    t->n_mats = n;
    t->rows = rows;
    t->k = k;
    t->transposed = transposed;
}

void graph_add_experts(graph *g, uint32_t place, uint32_t kind, const char *before,
                       const char *after, uint32_t n, uint64_t rows, uint64_t k)
{
    char name[128];
    out_part *parts = take_parts(g, n);
    snprintf(name, sizeof name, "%s.%s", before, after);
    src_tensor *all = source_find(g->src, name);
    bool fits = all && all->rank == 3 && all->shape[0] == n && all->shape[1] == rows &&
                all->shape[2] == k && all->type < SRC_TYPES;
    if (all && !fits)
        graph_fail(g, MOTE_ERR_FILE, "tensor %s is not one of weights [%u, %llu, %llu]", all->label,
                   n, (unsigned long long)rows, (unsigned long long)k);
    if (fits)
        all->used = true;
    for (uint32_t i = 0; i < n && !g->status; i++) {
        snprintf(name, sizeof name, "%s.%u.%s", before, i, after);
        parts[i] =
            fits ? (out_part){all, i * rows} : (out_part){.src = find_tensor(g, name, 2, rows, k)};
    }
    add_mats(g, place, kind, parts, n, rows, k, false);
}

void graph_add_slices(graph *g, uint32_t place, uint32_t kind, const char *name, uint32_t n,
                      uint64_t step, uint64_t first, uint64_t rows, uint64_t k, bool transposed)
{
    const src_tensor *src = find_tensor(g, name, 2, n * step, transposed ? rows : k);
    out_part *parts = take_parts(g, n);
    for (uint32_t i = 0; i < n && !g->status; i++)
        parts[i] = (out_part){src, i * step + first};
    add_mats(g, place, kind, parts, n, rows, k, transposed);
}

void graph_pair_rows(graph *g, uint32_t head_rows, uint32_t rope_rows)
{
    if (g->status)
        return;
    g->outs[g->n_outs - 1].head_rows = head_rows;
    g->outs[g->n_outs - 1].pair_rows = rope_rows;
}

void graph_add_values(graph *g, uint32_t place, uint32_t kind, const float *values, uint64_t n)
{
    out_tensor *t = values ? add_out(g, place, kind, MOTE_SHAPE_VECTOR) : NULL;
    if (!t)
        return;
    t->data = values;
    t->data_bytes = n * sizeof *values;
    t->rows = n;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void add_tables(graph *g)
{
    const tok_tables *tok = &g->src->tok;
    for (size_t i = 0; i < tok->n; i++) {
        out_tensor *t = add_out(g, 0, tok->tables[i].kind, MOTE_SHAPE_BYTES);
        if (!t)
            return;
        t->data = tok->tables[i].data;
        t->data_bytes = t->rows = tok->tables[i].bytes;
    }
}

static bool is_buffer(const char *name)
{
    static const char *const ends[] = {"rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t m = strlen(ends[i]);
        if (n >= m && strcmp(name + n - m, ends[i]) == 0)
            return true;
    }
    return false;
}

static void note_unused(const graph *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->src->n_tensors; i++) {
        const src_tensor *t = &g->src->tensors[i];
        if (t->used || is_buffer(t->name))
            continue;
        if (++n <= 5)
            source_note(g->src, "tensor %s has no place in this graph and was ignored", t->label);
    }
    if (n > 5)
        source_note(g->src, "and %zu more tensors were ignored", n - 5);
}

static void set_tokens(graph *g)
{
    const source *s = g->src;
    uint64_t n = g->index.n_vocab ? g->index.n_vocab : MOTE_MAX_DIM;
    g->index.bos_id = s->bos_id >= 0 && (uint64_t)s->bos_id < n ? (int32_t)s->bos_id : -1;
    g->index.n_end_ids = (uint32_t)s->n_end_ids;
    for (size_t i = 0; i < s->n_end_ids; i++) {
        if (s->end_ids[i] >= n)
            graph_fail(g, MOTE_ERR_FILE, "end token %u lies outside the vocabulary of %llu",
                       s->end_ids[i], (unsigned long long)n);
        g->index.end_ids[i] = (int32_t)s->end_ids[i];
    }
    if (g->index.n_vocab && s->tok.n_vocab > g->index.n_vocab)
        graph_fail(g, MOTE_ERR_FILE, "the tokenizer has %u tokens, the model only %u",
                   s->tok.n_vocab, g->index.n_vocab);
}

mote_status graph_build(graph *g, source *s)
{
    *g = (graph){.src = s};
    add_tables(g);
    if (s->index && !s->opts->tokenizer_only && !g->status) {
        own_describe(g);
    } else if (!s->opts->tokenizer_only && !g->status) {
        const family *f = family_choose(g);
        if (f && !g->status) {
            source_set_text(s, MOTE_STR_FAMILY, f->model_type, strlen(f->model_type));
            f->describe(g);
        }
        if (!g->status)
            note_unused(g);
    }
    if (!g->status)
        set_tokens(g);
    return g->status;
}

/* ---- types ---------------------------------------------------------------------------------- */

/* What has no twin becomes q8, which is finer than any of it. */
static enum mote_type kept_type(enum src_type type)
{
    static const enum mote_type types[] = {MOTE_F32, MOTE_F16,  MOTE_BF16,
                                           MOTE_Q8,  MOTE_Q4_0, MOTE_Q4_1};
    return src_is_kept(type) ? types[type] : MOTE_Q8;
}

/* At q4, what hurts most for its bytes stays at q8: embedding and output head; where heads share
 * them, which makes them narrow, v and in two of three layers k; with latents, what makes the
 * latent and what is made of it (docs/decisions/0008). */
static bool fits_q4(const out_tensor *t)
{
    bool latent = t->kind == MOTE_L_KV_A || t->kind == MOTE_L_K_UP || t->kind == MOTE_L_V_UP;
    bool fine = t->kind == MOTE_L_V || (t->kind == MOTE_L_K && t->place % 3);
    return t->place && !latent && !(fine && 2 * t->rows <= t->k) && t->k % 32 == 0;
}

/* Small, and read as f32 (NUMERICS "Experts"). */
static bool stays_f32(const out_tensor *t)
{
    return t->place && (t->kind == MOTE_L_ROUTER || t->kind == MOTE_L_SHARED_MIX);
}

static enum mote_type asked_type(mote_convert_type type)
{
    static const enum mote_type types[] = {[MOTE_CONVERT_F32] = MOTE_F32,
                                           [MOTE_CONVERT_BF16] = MOTE_BF16,
                                           [MOTE_CONVERT_F16] = MOTE_F16,
                                           [MOTE_CONVERT_Q8] = MOTE_Q8,
                                           [MOTE_CONVERT_Q4] = MOTE_Q4};
    return types[type];
}

/* Small tables of an encoder, which every token or text goes through: their rounding costs more
 * than their bytes. */
static bool stays_f16(const out_tensor *t)
{
    return !t->place &&
           (t->kind == MOTE_W_POSITIONS || t->kind == MOTE_W_TYPES || t->kind == MOTE_W_CLASSIFIER);
}

/* A scale for 64 weights does in long rows; in short ones those for 32 take next to no bytes, and
 * halve the share of best tokens that change. */
static bool is_long(uint64_t k) { return k >= 512 && k % 64 == 0; }

static void choose_type(out_tensor *t, mote_convert_type type, bool keeps_types)
{
    if (type == MOTE_CONVERT_AUTO)
        type = keeps_types || t->src->type == SRC_F16 ? MOTE_CONVERT_KEEP : MOTE_CONVERT_BF16;
    bool keep = type == MOTE_CONVERT_KEEP;
    t->type = keep ? kept_type(t->src->type) : asked_type(type);
    if ((t->type == MOTE_Q4 && !keep && !fits_q4(t)) || (t->transposed && t->type >= MOTE_Q8))
        t->type = MOTE_Q8; /* blocks of a transposed matrix run the wrong way */
    if (t->type >= MOTE_Q8 && !keep && stays_f16(t))
        t->type = MOTE_F16;
    if (stays_f32(t))
        t->type = MOTE_F32;
    keep &= !t->transposed;
    t->group = t->type < MOTE_Q8 ? 0 : t->type == MOTE_Q8 && !keep && is_long(t->k) ? 64 : 32;
}

/* Tells what `keep` could not keep. */
static void note_changed(const graph *g, mote_convert_type type)
{
    const src_tensor *first = NULL;
    size_t n = 0;
    for (size_t i = 0; i < g->n_outs; i++) {
        const src_tensor *src = g->outs[i].src;
        bool changed = g->outs[i].shape == MOTE_SHAPE_MATRIX && !src_is_kept(src->type);
        first = changed && !first ? src : first;
        n += changed;
    }
    bool keeps = type == MOTE_CONVERT_KEEP || (type == MOTE_CONVERT_AUTO && g->src->keeps_types);
    if (keeps && n)
        source_note(g->src, "%zu tensors of types that cannot be kept (%s: %s) became q8", n,
                    first->label, first->type_name);
}

/* The index tells people one type: the one asked for, or what most weights were kept at. */
void graph_choose_types(graph *g, mote_convert_type type)
{
    uint64_t weights[MOTE_TYPES] = {0};
    uint32_t most = 0;
    for (size_t i = 0; i < g->n_outs; i++)
        if (g->outs[i].shape == MOTE_SHAPE_MATRIX) {
            choose_type(&g->outs[i], type, g->src->keeps_types);
            weights[g->outs[i].type] += g->outs[i].rows * g->outs[i].k * g->outs[i].n_mats;
        }
    note_changed(g, type);
    for (uint32_t i = 1; i < MOTE_TYPES; i++)
        most = weights[i] > weights[most] ? i : most;
    bool is_free = type == MOTE_CONVERT_KEEP || type == MOTE_CONVERT_AUTO;
    g->index.weight_type = is_free ? most : asked_type(type);
}
