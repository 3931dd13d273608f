/* model.c: binds the tensors of an image to a graph, refusing what does not fit. Read model.h
 * first.
 *
 * The image is validated already: every record lies inside the file. Here the records get a
 * meaning: each layer record is checked against what forward.c can do, and each tensor against the
 * shape the layer asks for. mote_model_bytes and mote_model_init run the same checks.
 */
#include "model/model.h"

#include <string.h>

#include "include/mote_error.h"
#include "model/arena.h"

#define MAX_HEAD_DIM 1024u

_Static_assert(sizeof(mote_index) == 512 && sizeof(mote_layer) == 128 && sizeof(mote_tensor) == 64,
               "records must have no padding");

static const mote_layer *layer_records(const mote_index *index)
{
    return (const mote_layer *)(const void *)(index + 1);
}

static const mote_tensor *tensor_records(const mote_index *index)
{
    return (const mote_tensor *)(const void *)(layer_records(index) + index->n_layers);
}

/* Records are sorted by (place, kind). */
static const mote_tensor *find(const mote_index *index, uint32_t place, uint32_t kind)
{
    const mote_tensor *t = tensor_records(index);
    size_t lo = 0, hi = index->n_tensors;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (t[mid].place < place || (t[mid].place == place && t[mid].kind < kind))
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < index->n_tensors && t[lo].place == place && t[lo].kind == kind ? &t[lo] : NULL;
}

static mote_status refuse(mote_error *err, mote_status status, const char *what, uint32_t place,
                          uint32_t kind, uint64_t got, uint64_t wanted)
{
    char name[64];
    if (!mote_tensor_name(place, kind, name))
        strcpy(name, "tensor");
    return mote_fail_got(err, status, what, name, got, wanted);
}

static bool group_fits(uint32_t type, uint32_t group)
{
    if (type == MOTE_Q8)
        return group == 32 || group == 64;
    return group == (type <= MOTE_BF16 ? 0 : 32);
}

/* A matrix [rows, k] of this place and kind; n_bound counts the tensors that found their use. */
static mote_status bind_matrix(const mote_image *image, uint32_t place, uint32_t kind,
                               uint64_t rows, uint64_t k, mote_mat *out, uint32_t *n_bound,
                               mote_error *err)
{
    const mote_tensor *t = find(image->index, place, kind);
    if (!t)
        return refuse(err, MOTE_ERR_FILE, "the matrix is missing", place, kind, 0, rows);
    if (t->shape != MOTE_SHAPE_MATRIX || t->n_mats != 1)
        return refuse(err, MOTE_ERR_FILE, "not a single matrix", place, kind, t->shape,
                      MOTE_SHAPE_MATRIX);
    if (t->type >= MOTE_TYPES)
        return refuse(err, MOTE_ERR_UNSUPPORTED, "unknown weight type", place, kind, t->type,
                      MOTE_TYPES - 1);
    if (t->rows != rows)
        return refuse(err, MOTE_ERR_FILE, "wrong number of rows", place, kind, t->rows, rows);
    if (t->k != k)
        return refuse(err, MOTE_ERR_FILE, "wrong number of columns", place, kind, t->k, k);
    if (!group_fits(t->type, t->group))
        return refuse(err, MOTE_ERR_FILE, "wrong group for the type", place, kind, t->group, 32);
    /* rows, k <= MOTE_MAX_DIM: no overflow */
    size_t stored = mote_padded_k(t->type, t->group, (size_t)k);
    size_t tile_bytes = mote_tile_bytes(t->type, t->group, stored);
    uint64_t bytes = (rows + MOTE_TILE_ROWS - 1) / MOTE_TILE_ROWS * (uint64_t)tile_bytes;
    if (mote_round_up(bytes, MOTE_LINE) != t->bytes)
        return refuse(err, MOTE_ERR_FILE, "wrong size", place, kind, t->bytes, bytes);
    *out = (mote_mat){.data = image->data + t->offset,
                      .tile_bytes = tile_bytes,
                      .rows = (size_t)rows,
                      .k = t->type <= MOTE_BF16 ? (size_t)k : stored,
                      .group = t->group,
                      .type = t->type};
    ++*n_bound;
    return MOTE_OK;
}

/* A vector of n floats, all finite. */
static mote_status bind_vector(const mote_image *image, uint32_t place, uint32_t kind, uint64_t n,
                               const float **out, uint32_t *n_bound, mote_error *err)
{
    const mote_tensor *t = find(image->index, place, kind);
    if (!t || t->shape != MOTE_SHAPE_VECTOR)
        return refuse(err, MOTE_ERR_FILE, "the vector is missing", place, kind, 0, n);
    if (t->rows != n)
        return refuse(err, MOTE_ERR_FILE, "wrong number of elements", place, kind, t->rows, n);
    const float *v = (const float *)(const void *)(image->data + t->offset);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, v + i, sizeof u);
        if ((u & 0x7f800000u) == 0x7f800000u)
            return refuse(err, MOTE_ERR_FILE, "element is not finite", place, kind, i, 0);
    }
    *out = v;
    ++*n_bound;
    return MOTE_OK;
}

mote_status mote_bind_matrix(const mote_image *image, uint32_t place, uint32_t kind, uint64_t rows,
                             uint64_t k, mote_mat *out, uint32_t *n_bound, mote_error *err)
{
    return bind_matrix(image, place, kind, rows, k, out, n_bound, err);
}

mote_status mote_bind_vector(const mote_image *image, uint32_t place, uint32_t kind, uint64_t n,
                             const float **out, uint32_t *n_bound, mote_error *err)
{
    return bind_vector(image, place, kind, n, out, n_bound, err);
}

/* ---- layers --------------------------------------------------------------------------------- */

typedef struct field_check {
    bool ok;
    mote_status status; /* when not */
    const char *what;
    uint64_t got, wanted;
} field_check;

static bool is_finite(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (u & 0x7f800000u) != 0x7f800000u;
}

static bool is_norm(uint32_t kind) { return kind == MOTE_NORM_RMS || kind == MOTE_NORM_LAYER; }

/* Without a gate there is no SiLU. */
static bool is_act(const mote_layer *l)
{
    return l->act == MOTE_ACT_GELU_TANH || l->act == MOTE_ACT_GELU_ERF ||
           (l->act == MOTE_ACT_SILU && l->mlp == MOTE_MLP_GATED);
}

/* What forward.c can do with a layer record. */
static mote_status check_layer(const mote_index *index, uint32_t i, mote_error *err)
{
    const mote_layer *l = &layer_records(index)[i];
    const mote_status file = MOTE_ERR_FILE, other = MOTE_ERR_UNSUPPORTED;
    uint32_t heads = l->n_heads, kv = l->n_kv_heads, dim = l->head_dim;
    const bool encoder = index->pooling != 0;
    const uint32_t attn = encoder ? MOTE_ATTN_WHOLE : MOTE_ATTN_GROUPED;
    const field_check checks[] = {
        {l->attn == attn, other, "layer: attention kind", l->attn, attn},
        {!encoder || !(l->rope || l->window), other, "layer: rotary positions or window", i, 0},
        {l->qk_norm <= MOTE_QK_NORM_WHOLE, other, "layer: q/k norm kind", l->qk_norm, 2},
        {is_norm(l->norm), other, "layer: norm kind", l->norm, MOTE_NORM_LAYER},
        {encoder ? l->norm_place == MOTE_NORM_OF_SUM : l->norm_place <= MOTE_NORM_AFTER, other,
         "layer: norm place", l->norm_place, 2},
        {l->mlp == MOTE_MLP_GATED || l->mlp == MOTE_MLP_PLAIN, other, "layer: MLP kind", l->mlp, 2},
        {is_act(l), other, "layer: activation", l->act, MOTE_ACT_GELU_ERF},
        {l->mlp == MOTE_MLP_GATED || !(l->biases & MOTE_BIAS_GATE), file, "layer: bias of no gate",
         l->biases, 0},
        {(l->biases & ~(uint32_t)MOTE_BIAS_ALL) == 0, other, "layer: biases", l->biases,
         MOTE_BIAS_ALL},
        {heads > 0 && heads <= MOTE_MAX_DIM, file, "layer: heads", heads, 1},
        {kv > 0 && kv <= heads && heads % kv == 0, file, "layer: key/value heads", kv, heads},
        {dim > 0 && dim % 2 == 0 && dim <= MAX_HEAD_DIM, file, "layer: head size", dim,
         MAX_HEAD_DIM},
        {(uint64_t)heads * dim <= MOTE_MAX_DIM, file, "layer: heads times head size",
         (uint64_t)heads * dim, MOTE_MAX_DIM},
        {l->rope <= index->n_rope, file, "layer: rope table", l->rope, index->n_rope},
        {l->rope_long <= index->n_rope && (!l->rope_long || l->rope), file,
         "layer: long rope table", l->rope_long, index->n_rope},
        {!l->rope_long || index->rope_long_from, file, "positions before the long rope table", 0,
         1},
        {!l->rope || (l->rope_dim > 0 && l->rope_dim % 2 == 0 && l->rope_dim <= dim), file,
         "layer: rotary dimensions", l->rope_dim, dim},
        {l->ff > 0 && l->ff <= MOTE_MAX_DIM, file, "layer: MLP rows", l->ff, MOTE_MAX_DIM},
        {is_finite(l->norm_eps) && l->norm_eps >= 0.0f, file, "layer: norm epsilon", i, 0},
        {is_finite(l->attn_scale), file, "layer: attention scale", i, 0},
        {is_finite(l->rope_scale), file, "layer: rope scale", i, 0},
        {is_finite(l->attn_softcap) && l->attn_softcap >= 0.0f, file, "layer: soft cap", i, 0},
    };
    for (size_t c = 0; c < sizeof checks / sizeof *checks; c++)
        if (!checks[c].ok)
            return mote_fail_got(err, checks[c].status, checks[c].what, NULL, checks[c].got,
                                 checks[c].wanted);
    return MOTE_OK;
}

/* Heads that fill whole tiles: unit_heads * head_dim is the least common multiple with 16 rows. */
static void size_unit(mote_model_layer *l)
{
    uint32_t dim = l->rec->head_dim, heads = 1;
    while (dim * heads % MOTE_TILE_ROWS)
        heads *= 2;
    l->unit_heads = heads;
    l->unit_tiles = dim * heads / MOTE_TILE_ROWS;
}

/* A norm of [hidden]: its weights and, for LayerNorm, its bias. */
static mote_status bind_norm(const mote_image *image, uint32_t place, uint32_t kind, bool has_bias,
                             uint32_t bias_kind, float eps, mote_norm *out, uint32_t *n_bound,
                             mote_error *err)
{
    uint64_t n = image->index->hidden;
    *out = (mote_norm){.eps = eps};
    mote_status s = bind_vector(image, place, kind, n, &out->w, n_bound, err);
    return s || !has_bias ? s : bind_vector(image, place, bias_kind, n, &out->b, n_bound, err);
}

static mote_status bind_norms(const mote_image *image, uint32_t place, mote_model_layer *l,
                              uint32_t *n_bound, mote_error *err)
{
    const mote_layer *rec = l->rec;
    const bool before = rec->norm_place <= MOTE_NORM_BEFORE_AND_AFTER;
    const bool after = rec->norm_place != MOTE_NORM_BEFORE;
    const struct {
        mote_norm *to;
        bool wanted;
        uint32_t kind, bias_kind;
    } norms[] = {
        {&l->attn_norm, before, MOTE_L_ATTN_NORM, MOTE_L_ATTN_NORM_BIAS},
        {&l->attn_post_norm, after, MOTE_L_ATTN_POST_NORM, MOTE_L_ATTN_POST_NORM_BIAS},
        {&l->mlp_norm, before, MOTE_L_MLP_NORM, MOTE_L_MLP_NORM_BIAS},
        {&l->mlp_post_norm, after, MOTE_L_MLP_POST_NORM, MOTE_L_MLP_POST_NORM_BIAS},
    };
    const uint64_t all = rec->qk_norm == MOTE_QK_NORM_WHOLE;
    const uint64_t q = rec->head_dim * (all ? (uint64_t)rec->n_heads : 1);
    const uint64_t k = rec->head_dim * (all ? (uint64_t)rec->n_kv_heads : 1);
    mote_status s = MOTE_OK;
    for (size_t i = 0; !s && i < sizeof norms / sizeof *norms; i++)
        if (norms[i].wanted)
            s = bind_norm(image, place, norms[i].kind, rec->norm == MOTE_NORM_LAYER,
                          norms[i].bias_kind, rec->norm_eps, norms[i].to, n_bound, err);
    if (!s && rec->qk_norm)
        s = bind_vector(image, place, MOTE_L_Q_NORM, q, &l->q_norm, n_bound, err);
    if (!s && rec->qk_norm)
        s = bind_vector(image, place, MOTE_L_K_NORM, k, &l->k_norm, n_bound, err);
    return s;
}

static mote_status bind_layer(const mote_image *image, uint32_t i, mote_model_layer *l,
                              uint32_t *n_bound, mote_error *err)
{
    const mote_layer *rec = &layer_records(image->index)[i];
    uint32_t place = i + 1, hidden = image->index->hidden;
    mote_status s = check_layer(image->index, i, err);
    if (s)
        return s;
    uint64_t dq = (uint64_t)rec->n_heads * rec->head_dim;
    uint64_t dkv = (uint64_t)rec->n_kv_heads * rec->head_dim;
    memset(l, 0, sizeof *l);
    l->rec = rec;
    size_unit(l);
    const struct {
        mote_linear *to;
        uint32_t kind, bias_kind, bias_flag;
        uint64_t rows, k;
    } matrices[] = {
        {&l->q, MOTE_L_Q, MOTE_L_Q_BIAS, MOTE_BIAS_Q, dq, hidden},
        {&l->k, MOTE_L_K, MOTE_L_K_BIAS, MOTE_BIAS_K, dkv, hidden},
        {&l->v, MOTE_L_V, MOTE_L_V_BIAS, MOTE_BIAS_V, dkv, hidden},
        {&l->o, MOTE_L_O, MOTE_L_O_BIAS, MOTE_BIAS_O, hidden, dq},
        {&l->gate, MOTE_L_GATE, MOTE_L_GATE_BIAS, MOTE_BIAS_GATE, rec->ff, hidden},
        {&l->up, MOTE_L_UP, MOTE_L_UP_BIAS, MOTE_BIAS_UP, rec->ff, hidden},
        {&l->down, MOTE_L_DOWN, MOTE_L_DOWN_BIAS, MOTE_BIAS_DOWN, hidden, rec->ff},
    };
    for (size_t m = 0; !s && m < sizeof matrices / sizeof *matrices; m++) {
        if (matrices[m].to == &l->gate && rec->mlp == MOTE_MLP_PLAIN)
            continue;
        s = bind_matrix(image, place, matrices[m].kind, matrices[m].rows, matrices[m].k,
                        &matrices[m].to->w, n_bound, err);
        if (!s && rec->biases & matrices[m].bias_flag)
            s = bind_vector(image, place, matrices[m].bias_kind, matrices[m].rows,
                            &matrices[m].to->bias, n_bound, err);
    }
    return s ? s : bind_norms(image, place, l, n_bound, err);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void grow(uint32_t *max, uint64_t n) { *max = n > *max ? (uint32_t)n : *max; }

static void note_reads(mote_model *m, const mote_mat *w)
{
    bool is_float = w->type <= MOTE_BF16;
    m->reads_floats |= is_float;
    m->reads_codes |= !is_float;
}

/* Adds a layer to the model's largest sizes. */
static void note_layer(mote_model *m, const mote_model_layer *l)
{
    const mote_layer *r = l->rec;
    const mote_linear *all[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
    grow(&m->max_q, (uint64_t)r->n_heads * r->head_dim);
    grow(&m->max_kv, (uint64_t)r->n_kv_heads * r->head_dim);
    m->has_post_norm |= r->norm_place != MOTE_NORM_BEFORE && r->norm_place != MOTE_NORM_OF_SUM;
    m->has_whole_norm |= r->qk_norm == MOTE_QK_NORM_WHOLE;
    grow(&m->max_head_dim, r->head_dim);
    grow(&m->max_ff, r->ff);
    grow(&m->max_heads, r->n_heads);
    grow(&m->max_kv_heads, r->n_kv_heads);
    grow(&m->max_group, r->n_heads / r->n_kv_heads);
    grow(&m->max_unit_rows, (uint64_t)l->unit_tiles * MOTE_TILE_ROWS);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->w.rows)
            note_reads(m, &all[i]->w);
}

/* Layers that share a rope table must turn the same dimensions by the same factor. */
static mote_status note_rope(mote_model *m, const mote_layer *l, uint32_t table, mote_error *err)
{
    uint32_t i = table - 1, half = l->rope_dim / 2;
    if (!table)
        return MOTE_OK;
    if (m->rope_half[i] && (m->rope_half[i] != half || m->rope_scale[i] != l->rope_scale))
        return mote_fail_got(err, MOTE_ERR_FILE, "layers do not agree on a rope table", NULL,
                             l->rope_dim, 2 * m->rope_half[i]);
    m->rope_half[i] = half;
    m->rope_scale[i] = l->rope_scale;
    grow(&m->max_rope_half, half);
    return MOTE_OK;
}

static mote_status bind_rope(mote_model *m, const mote_image *image, uint32_t *n_bound,
                             mote_error *err)
{
    const mote_layer *l = layer_records(image->index);
    mote_status s = MOTE_OK;
    for (uint32_t i = 0; !s && i < image->index->n_layers; i++) {
        s = note_rope(m, &l[i], l[i].rope, err);
        if (!s)
            s = note_rope(m, &l[i], l[i].rope_long, err);
    }
    for (uint32_t i = 0; !s && i < m->n_rope; i++)
        s = bind_vector(image, 0, MOTE_W_ROPE + i, m->rope_half[i], &m->rope[i], n_bound, err);
    return s;
}

static mote_status bind_global(mote_model *m, const mote_image *image, uint32_t *n_bound,
                               mote_error *err)
{
    const mote_index *x = image->index;
    mote_status s;
    if (!x->n_layers)
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "the file holds a tokenizer, no model", NULL);
    if (!x->pooling && !is_norm(x->final_norm))
        return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "final norm kind", NULL, x->final_norm, 2);
    m->n_rope = x->n_rope;
    if (m->n_rope > 8)
        return mote_fail_got(err, MOTE_ERR_FILE, "rope tables", NULL, m->n_rope, 8);
    if (!x->hidden || x->hidden > MOTE_MAX_DIM || !x->n_vocab || x->n_vocab > MOTE_MAX_DIM)
        return mote_fail_got(err, MOTE_ERR_FILE, "hidden size", NULL, x->hidden, MOTE_MAX_DIM);
    if (!x->n_ctx || x->n_ctx > MOTE_MAX_CONTEXT)
        return mote_fail_got(err, MOTE_ERR_FILE, "context", NULL, x->n_ctx, MOTE_MAX_CONTEXT);
    s = bind_matrix(image, 0, MOTE_W_EMBED, x->n_vocab, x->hidden, &m->embed, n_bound, err);
    if (x->pooling)
        return s ? s : mote_bind_encoder(m, image, n_bound, err);
    if (!s && find(x, 0, MOTE_W_HEAD))
        s = bind_matrix(image, 0, MOTE_W_HEAD, x->n_vocab, x->hidden, &m->head, n_bound, err);
    else
        m->head = m->embed;
    if (!s && find(x, 0, MOTE_W_POSITIONS))
        s = bind_matrix(image, 0, MOTE_W_POSITIONS, x->n_ctx, x->hidden, &m->positions, n_bound,
                        err);
    if (!s)
        s = bind_norm(image, 0, MOTE_W_FINAL_NORM, x->final_norm == MOTE_NORM_LAYER,
                      MOTE_W_FINAL_NORM_BIAS, x->final_norm_eps, &m->final_norm, n_bound, err);
    note_reads(m, &m->head);
    return s;
}

/* Checks and binds everything; layers may be NULL to check only. */
static mote_status bind(mote_model *m, const mote_image *image, mote_model_layer *layers,
                        mote_error *err)
{
    const mote_index *x = image->index;
    const mote_tensor *t = tensor_records(x);
    uint32_t n_bound = 0, n_tokenizer = 0;
    m->index = x;
    mote_status s = bind_global(m, image, &n_bound, err);
    for (uint32_t i = 0; !s && i < x->n_layers; i++) {
        mote_model_layer one;
        s = bind_layer(image, i, layers ? &layers[i] : &one, &n_bound, err);
        if (!s)
            note_layer(m, layers ? &layers[i] : &one);
    }
    if (!s)
        s = bind_rope(m, image, &n_bound, err);
    if (s)
        return s;
    for (uint32_t i = 0; i < x->n_tensors; i++) {
        if (t[i].place == 0 && t[i].kind < MOTE_W_EMBED) {
            n_tokenizer++;
            continue;
        }
        m->weight_bytes += t[i].bytes;
        if (t[i].kind < MOTE_W_ROPE || t[i].kind >= MOTE_W_ROPE + 8 || t[i].place)
            m->n_parameters += t[i].shape == MOTE_SHAPE_MATRIX ? t[i].rows * t[i].k : t[i].rows;
    }
    m->decode_read_bytes = m->weight_bytes;
    if (x->pooling || m->head.data != m->embed.data)
        m->decode_read_bytes -= find(x, 0, MOTE_W_EMBED)->bytes;
    if (m->positions.rows)
        m->decode_read_bytes -= find(x, 0, MOTE_W_POSITIONS)->bytes;
    if (n_bound + n_tokenizer != x->n_tensors)
        return mote_fail_got(err, MOTE_ERR_FILE, "tensors that the graph does not use", NULL,
                             x->n_tensors, n_bound + n_tokenizer);
    return MOTE_OK;
}

static mote_model *carve(mote_arena *a, uint32_t n_layers)
{
    return mote_take(a, 1, sizeof(mote_model) + n_layers * sizeof(mote_model_layer));
}

size_t mote_model_bytes(const mote_image *image, mote_error *err)
{
    mote_model m = {0};
    mote_arena a = {0};
    if (bind(&m, image, NULL, err))
        return 0;
    carve(&a, image->index->n_layers);
    return (size_t)a.used;
}

static mote_status choose_kernels(mote_model *m, const mote_model_opts *opts, mote_error *err)
{
    unsigned usable = mote_cpu_features(), wanted = usable;
    if (opts && opts->isa) {
        if (!mote_tier_features(opts->isa, &wanted))
            return mote_fail(err, MOTE_ERR_UNSUPPORTED, "no such kernel tier in this build",
                             opts->isa);
        if ((wanted & usable) != wanted)
            return mote_fail(err, MOTE_ERR_UNSUPPORTED, "this CPU cannot run the kernel tier",
                             opts->isa);
    }
    mote_kernels_init(&m->kernels, wanted);
    m->blas = opts && opts->blas;
    if (m->blas && !mote_kernels_blas(&m->kernels))
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "this build has no BLAS", NULL);
    return MOTE_OK;
}

mote_status mote_model_init(mote_model **out, void *mem, size_t mem_bytes, const mote_image *image,
                            const mote_model_opts *opts, mote_error *err)
{
    mote_error own;
    mote_arena a = {.base = mem};
    err = err ? err : &own;
    *out = NULL;
    size_t need = mote_model_bytes(image, err);
    if (!need)
        return err->status;
    if (mem_bytes < need || (uintptr_t)mem % MOTE_ALIGN)
        return mote_fail_got(err, MOTE_ERR_MEMORY, "memory for the model", NULL, mem_bytes, need);
    mote_model *m = carve(&a, image->index->n_layers);
    memset(m, 0, sizeof *m);
    mote_status s = choose_kernels(m, opts, err);
    if (!s)
        s = bind(m, image, m->layers, err);
    if (!s)
        *out = m;
    return s;
}

void mote_model_get_info(const mote_model *m, mote_model_info *info)
{
    *info = (mote_model_info){.n_layers = m->index->n_layers,
                              .n_vocab = m->index->n_vocab,
                              .n_ctx_train = m->index->n_ctx,
                              .hidden = m->index->hidden,
                              .max_heads = m->max_heads,
                              .max_kv_heads = m->max_kv_heads,
                              .max_head_dim = m->max_head_dim,
                              .max_ff = m->max_ff,
                              .n_parameters = m->n_parameters,
                              .weight_bytes = m->weight_bytes,
                              .decode_read_bytes = m->decode_read_bytes,
                              .tier = m->kernels.tier,
                              .id = m->index->index_crc};
}

const mote_kernels *mote_model_kernels(const mote_model *m) { return &m->kernels; }
