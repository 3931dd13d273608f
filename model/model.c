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
#include "model/bind.h"

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
    if (!MOTE_ERROR_TEXTS)
        return mote_fail(err, status, what, NULL);
    if (!mote_tensor_name(place, kind, name))
        memcpy(name, "tensor", sizeof "tensor");
    return mote_fail_got(err, status, what, name, got, wanted);
}

static bool group_fits(uint32_t type, uint32_t group)
{
    if (type == MOTE_Q8)
        return group == 32 || group == 64;
    return group == (type <= MOTE_BF16 ? 0 : 32);
}

/* n matrices [rows, k] of this place and kind; n_bound counts the tensors that found their use. */
mote_status mote_bind_mats(const mote_image *image, uint32_t place, uint32_t kind, uint32_t n,
                           uint32_t rows, uint32_t k, mote_mats *out, uint32_t *n_bound,
                           mote_error *err)
{
    const mote_tensor *t = find(image->index, place, kind);
    if (!t)
        return refuse(err, MOTE_ERR_FILE, "the matrix is missing", place, kind, 0, rows);
    if (t->shape != MOTE_SHAPE_MATRIX)
        return refuse(err, MOTE_ERR_FILE, "not a matrix", place, kind, t->shape, MOTE_SHAPE_MATRIX);
    if (t->n_mats != n)
        return refuse(err, MOTE_ERR_FILE, "wrong number of matrices", place, kind, t->n_mats, n);
    if (t->type >= MOTE_TYPES || !(MOTE_HAS_TYPES >> t->type & 1))
        return refuse(err, MOTE_ERR_UNSUPPORTED, "unknown weight type", place, kind, t->type,
                      MOTE_TYPES - 1);
    if (t->rows != rows)
        return refuse(err, MOTE_ERR_FILE, "wrong number of rows", place, kind, t->rows, rows);
    if (t->k != k)
        return refuse(err, MOTE_ERR_FILE, "wrong number of columns", place, kind, t->k, k);
    if (!group_fits(t->type, t->group))
        return refuse(err, MOTE_ERR_FILE, "wrong group for the type", place, kind, t->group, 32);
    /* rows, k <= MOTE_MAX_DIM: no overflow */
    size_t stored = mote_padded_k(t->type, t->group, k);
    size_t tile_bytes = mote_tile_bytes(t->type, t->group, stored);
    uint64_t tiles = (rows + MOTE_TILE_ROWS - 1) / MOTE_TILE_ROWS; /* the image: n * tiles fit */
    if (t->bytes % (tiles * n) || t->bytes / (tiles * n) != tile_bytes)
        return refuse(err, MOTE_ERR_FILE, "wrong size", place, kind, t->bytes / (tiles * n),
                      tile_bytes);
    *out = (mote_mats){.first = {.data = image->data + t->offset,
                                 .tile_bytes = tile_bytes,
                                 .rows = rows,
                                 .k = t->type <= MOTE_BF16 ? k : stored,
                                 .group = t->group,
                                 .type = t->type},
                       .mat_bytes = (size_t)(t->bytes / n)};
    ++*n_bound;
    return MOTE_OK;
}

mote_status mote_bind_matrix(const mote_image *image, uint32_t place, uint32_t kind, uint32_t rows,
                             uint32_t k, mote_mat *out, uint32_t *n_bound, mote_error *err)
{
    mote_mats one = {0};
    mote_status s = mote_bind_mats(image, place, kind, 1, rows, k, &one, n_bound, err);
    *out = one.first;
    return s;
}

/* A vector of n floats, all finite. */
mote_status mote_bind_vector(const mote_image *image, uint32_t place, uint32_t kind, uint32_t n,
                             const float **out, uint32_t *n_bound, mote_error *err)
{
    const mote_tensor *t = find(image->index, place, kind);
    if (!t || t->shape != MOTE_SHAPE_VECTOR)
        return refuse(err, MOTE_ERR_FILE, "the vector is missing", place, kind, 0, n);
    if (t->rows != n)
        return refuse(err, MOTE_ERR_FILE, "wrong number of elements", place, kind, t->rows, n);
    const float *v = (const float *)(const void *)(image->data + t->offset);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, v + i, sizeof u);
        if ((u & 0x7f800000u) == 0x7f800000u)
            return refuse(err, MOTE_ERR_FILE, "element is not finite", place, kind, i, 0);
    }
    *out = v;
    ++*n_bound;
    return MOTE_OK;
}

/* ---- layers --------------------------------------------------------------------------------- */

static bool is_norm(uint32_t kind)
{
    return kind == MOTE_NORM_RMS || (MOTE_LAYER_KINDS && kind == MOTE_NORM_LAYER);
}

/* Without a gate there is no SiLU. */
static bool is_act(const mote_layer *l)
{
    bool gelu = l->act == MOTE_ACT_GELU_TANH || l->act == MOTE_ACT_GELU_ERF;
    return (MOTE_LAYER_KINDS && gelu) || (l->act == MOTE_ACT_SILU && l->mlp != MOTE_MLP_PLAIN);
}

/* What forward.c can do with a layer record. */
static mote_status check_layer(const mote_index *index, uint32_t i, mote_error *err)
{
    const mote_layer *l = &layer_records(index)[i];
    const mote_status file = MOTE_ERR_FILE, other = MOTE_ERR_UNSUPPORTED;
    uint32_t heads = l->n_heads, kv = l->n_kv_heads, dim = l->head_dim;
    const bool encoder = index->pooling != 0;
    const uint32_t attn = encoder ? MOTE_ATTN_WHOLE : MOTE_ATTN_GROUPED;
    MOTE_REQUIRE(l->attn == attn || (MOTE_LATENT && l->attn == MOTE_ATTN_LATENT && !encoder), other,
                 "layer: attention kind", l->attn, attn);
    MOTE_REQUIRE(!encoder || !(l->rope || l->window), other, "layer: rotary positions or window", i,
                 0);
    MOTE_REQUIRE(l->qk_norm <= MOTE_QK_NORM_WHOLE, other, "layer: q/k norm kind", l->qk_norm, 2);
    MOTE_REQUIRE(MOTE_LAYER_KINDS || (l->qk_norm != MOTE_QK_NORM_WHOLE && l->attn_softcap == 0.0f &&
                                      l->norm_place == MOTE_NORM_BEFORE),
                 other, "layer: norms and caps of this build", l->norm_place, 0);
    MOTE_REQUIRE(is_norm(l->norm), other, "layer: norm kind", l->norm, MOTE_NORM_LAYER);
    MOTE_REQUIRE(encoder ? l->norm_place == MOTE_NORM_OF_SUM : l->norm_place <= MOTE_NORM_AFTER,
                 other, "layer: norm place", l->norm_place, 2);
    MOTE_REQUIRE(l->mlp >= MOTE_MLP_GATED &&
                     l->mlp <= (MOTE_EXPERTS ? MOTE_MLP_EXPERTS : MOTE_MLP_PLAIN),
                 other, "layer: MLP kind", l->mlp, MOTE_MLP_EXPERTS);
    MOTE_REQUIRE(is_act(l), other, "layer: activation", l->act, MOTE_ACT_GELU_ERF);
    MOTE_REQUIRE(l->mlp != MOTE_MLP_PLAIN || !(l->biases & MOTE_BIAS_GATE), file,
                 "layer: bias of no gate", l->biases, 0);
    MOTE_REQUIRE((l->biases & ~(uint32_t)MOTE_BIAS_ALL) == 0, other, "layer: biases", l->biases,
                 MOTE_BIAS_ALL);
    MOTE_REQUIRE(heads > 0 && heads <= MOTE_MAX_DIM, file, "layer: heads", heads, 1);
    MOTE_REQUIRE(kv > 0 && kv <= heads && heads % kv == 0, file, "layer: key/value heads", kv,
                 heads);
    MOTE_REQUIRE(dim > 0 && dim % 2 == 0 && dim <= MOTE_MAX_HEAD_DIM, file, "layer: head size", dim,
                 MOTE_MAX_HEAD_DIM);
    MOTE_REQUIRE((uint64_t)heads * dim <= MOTE_MAX_DIM, file, "layer: heads times head size",
                 (uint64_t)heads * dim, MOTE_MAX_DIM);
    MOTE_REQUIRE(l->rope <= index->n_rope, file, "layer: rope table", l->rope, index->n_rope);
    MOTE_REQUIRE(l->rope_long <= index->n_rope && (!l->rope_long || l->rope), file,
                 "layer: long rope table", l->rope_long, index->n_rope);
    MOTE_REQUIRE(!l->rope_long || index->rope_long_from, file,
                 "positions before the long rope table", 0, 1);
    MOTE_REQUIRE(!l->rope || (l->rope_dim > 0 && l->rope_dim % 2 == 0 && l->rope_dim <= dim), file,
                 "layer: rotary dimensions", l->rope_dim, dim);
    MOTE_REQUIRE(l->ff > 0 && l->ff <= MOTE_MAX_DIM, file, "layer: MLP rows", l->ff, MOTE_MAX_DIM);
    MOTE_REQUIRE(mote_is_finite(l->norm_eps) && l->norm_eps >= 0.0f, file, "layer: norm epsilon", i,
                 0);
    MOTE_REQUIRE(mote_is_finite(l->attn_scale), file, "layer: attention scale", i, 0);
    MOTE_REQUIRE(mote_is_finite(l->rope_scale), file, "layer: rope scale", i, 0);
    MOTE_REQUIRE(mote_is_finite(l->attn_softcap) && l->attn_softcap >= 0.0f, file,
                 "layer: soft cap", i, 0);
    mote_status s = MOTE_EXPERTS ? mote_check_experts(l, err) : MOTE_OK;
    return s || !MOTE_LATENT ? s : mote_check_latent(l, err);
}

/* Heads that fill whole tiles: unit_heads * head_dim is the least common multiple with 16 rows. */
static void size_unit(mote_model_layer *l)
{
    uint32_t dim = mote_query_dim(l->rec), heads = 1;
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
    uint32_t n = image->index->hidden;
    *out = (mote_norm){.eps = eps};
    mote_status s = mote_bind_vector(image, place, kind, n, &out->w, n_bound, err);
    return s || !has_bias ? s : mote_bind_vector(image, place, bias_kind, n, &out->b, n_bound, err);
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
    const bool all = rec->qk_norm == MOTE_QK_NORM_WHOLE;
    const uint32_t q = rec->head_dim * (all ? rec->n_heads : 1u);
    const uint32_t k = rec->head_dim * (all ? rec->n_kv_heads : 1u);
    mote_status s = MOTE_OK;
    for (size_t i = 0; !s && i < sizeof norms / sizeof *norms; i++)
        if (norms[i].wanted)
            s = bind_norm(image, place, norms[i].kind, rec->norm == MOTE_NORM_LAYER,
                          norms[i].bias_kind, rec->norm_eps, norms[i].to, n_bound, err);
    if (!s && rec->qk_norm)
        s = mote_bind_vector(image, place, MOTE_L_Q_NORM, q, &l->q_norm, n_bound, err);
    if (!s && rec->qk_norm)
        s = mote_bind_vector(image, place, MOTE_L_K_NORM, k, &l->k_norm, n_bound, err);
    return s;
}

static mote_status bind_layer(const mote_image *image, uint32_t i, mote_model_layer *l,
                              uint32_t *n_bound, mote_error *err)
{
    const mote_layer *rec = &layer_records(image->index)[i];
    uint32_t place = i + 1, hidden = image->index->hidden;
    mote_status bad = check_layer(image->index, i, err), s = MOTE_OK;
    if (bad)
        return bad;
    bool latent = mote_is_latent(rec), dense = !mote_has_experts(rec);
    bool gated = rec->mlp == MOTE_MLP_GATED;
    uint32_t dq = rec->n_heads * mote_query_dim(rec); /* checked: no overflow */
    uint32_t dkv = (uint32_t)rec->n_kv_heads * rec->head_dim;
    uint32_t dv = latent ? (uint32_t)rec->n_heads * rec->v_dim : dq;
    memset(l, 0, sizeof *l);
    l->rec = rec;
    size_unit(l);
    const struct {
        bool wanted;
        mote_linear *to;
        uint32_t kind, bias_kind, bias_flag;
        uint32_t rows, k;
    } matrices[] = {
        {true, &l->q, MOTE_L_Q, MOTE_L_Q_BIAS, MOTE_BIAS_Q, dq, rec->q_rank ? rec->q_rank : hidden},
        {!latent, &l->k, MOTE_L_K, MOTE_L_K_BIAS, MOTE_BIAS_K, dkv, hidden},
        {!latent, &l->v, MOTE_L_V, MOTE_L_V_BIAS, MOTE_BIAS_V, dkv, hidden},
        {true, &l->o, MOTE_L_O, MOTE_L_O_BIAS, MOTE_BIAS_O, hidden, dv},
        {gated, &l->gate, MOTE_L_GATE, MOTE_L_GATE_BIAS, MOTE_BIAS_GATE, rec->ff, hidden},
        {dense, &l->up, MOTE_L_UP, MOTE_L_UP_BIAS, MOTE_BIAS_UP, rec->ff, hidden},
        {dense, &l->down, MOTE_L_DOWN, MOTE_L_DOWN_BIAS, MOTE_BIAS_DOWN, hidden, rec->ff},
    };
    for (size_t m = 0; !s && m < sizeof matrices / sizeof *matrices; m++) {
        if (!matrices[m].wanted)
            continue;
        s = mote_bind_matrix(image, place, matrices[m].kind, matrices[m].rows, matrices[m].k,
                             &matrices[m].to->w, n_bound, err);
        if (!s && rec->biases & matrices[m].bias_flag)
            s = mote_bind_vector(image, place, matrices[m].bias_kind, matrices[m].rows,
                                 &matrices[m].to->bias, n_bound, err);
    }
    if (!s && latent)
        s = mote_bind_latent(image, place, l, n_bound, err);
    if (!s && !dense)
        s = mote_bind_experts(image, place, l, n_bound, err);
    return s ? s : bind_norms(image, place, l, n_bound, err);
}

/* ---- the whole ------------------------------------------------------------------------------ */

void mote_note_reads(mote_model *m, const mote_mat *w)
{
    bool is_float = w->type <= MOTE_BF16;
    if (!w->data)
        return;
    m->reads_floats |= is_float;
    m->reads_codes |= !is_float;
}

/* Adds a layer to the model's largest sizes. */
static void note_layer(mote_model *m, const mote_model_layer *l)
{
    const mote_layer *r = l->rec;
    const mote_linear *all[] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
    mote_grow(&m->max_q, (uint32_t)r->n_heads * r->head_dim);
    mote_grow(&m->max_kv, (uint32_t)r->n_kv_heads * r->head_dim);
    m->has_post_norm |= r->norm_place != MOTE_NORM_BEFORE && r->norm_place != MOTE_NORM_OF_SUM;
    m->has_whole_norm |= r->qk_norm == MOTE_QK_NORM_WHOLE;
    mote_grow(&m->max_head_dim, r->head_dim);
    mote_grow(&m->max_heads, r->n_heads);
    mote_grow(&m->max_kv_heads, r->n_kv_heads);
    mote_grow(&m->max_group, r->n_heads / r->n_kv_heads);
    mote_grow(&m->max_unit_rows, l->unit_tiles * MOTE_TILE_ROWS);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mote_note_reads(m, &all[i]->w);
    if (mote_has_experts(r))
        mote_note_experts(m, l);
    else
        mote_grow(&m->max_ff, r->ff);
    if (mote_is_latent(r))
        mote_note_latent(m, l);
    else
        mote_grow(&m->max_width, (uint32_t)r->n_heads * r->head_dim);
    mote_grow(&m->max_width, m->index->hidden);
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
    mote_grow(&m->max_rope_half, half);
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
        s = mote_bind_vector(image, 0, MOTE_W_ROPE + i, m->rope_half[i], &m->rope[i], n_bound, err);
    return s;
}

static mote_status bind_global(mote_model *m, const mote_image *image, uint32_t *n_bound,
                               mote_error *err)
{
    const mote_index *x = image->index;
    mote_status s;
    if (!x->n_layers)
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "the file holds a tokenizer, no model", NULL);
    if (!MOTE_ENCODERS && x->pooling)
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "this build runs no encoders", NULL);
    if (!MOTE_LAYER_KINDS && x->logit_softcap != 0.0f)
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "this build caps no logits", NULL);
    if (!x->pooling && !is_norm(x->final_norm))
        return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "final norm kind", NULL, x->final_norm, 2);
    m->n_rope = x->n_rope;
    if (m->n_rope > 8)
        return mote_fail_got(err, MOTE_ERR_FILE, "rope tables", NULL, m->n_rope, 8);
    if (!x->hidden || x->hidden > MOTE_MAX_DIM || !x->n_vocab || x->n_vocab > MOTE_MAX_DIM)
        return mote_fail_got(err, MOTE_ERR_FILE, "hidden size", NULL, x->hidden, MOTE_MAX_DIM);
    if (!x->n_ctx || x->n_ctx > MOTE_MAX_CONTEXT)
        return mote_fail_got(err, MOTE_ERR_FILE, "context", NULL, x->n_ctx, MOTE_MAX_CONTEXT);
    s = mote_bind_matrix(image, 0, MOTE_W_EMBED, x->n_vocab, x->hidden, &m->embed, n_bound, err);
    if (MOTE_ENCODERS && x->pooling)
        return s ? s : mote_bind_encoder(m, image, n_bound, err);
    if (!s && find(x, 0, MOTE_W_HEAD))
        s = mote_bind_matrix(image, 0, MOTE_W_HEAD, x->n_vocab, x->hidden, &m->head, n_bound, err);
    else
        m->head = m->embed;
    if (MOTE_LAYER_KINDS && !s && find(x, 0, MOTE_W_POSITIONS))
        s = mote_bind_matrix(image, 0, MOTE_W_POSITIONS, x->n_ctx, x->hidden, &m->positions,
                             n_bound, err);
    if (!s)
        s = bind_norm(image, 0, MOTE_W_FINAL_NORM, x->final_norm == MOTE_NORM_LAYER,
                      MOTE_W_FINAL_NORM_BIAS, x->final_norm_eps, &m->final_norm, n_bound, err);
    mote_note_reads(m, &m->head);
    return s;
}

/* Bytes of the experts that a token does not take. */
static uint64_t unread_bytes(const mote_index *x, const mote_tensor *t)
{
    const mote_layer *l = &layer_records(x)[t->place ? t->place - 1 : 0];
    bool chosen = t->place && mote_has_experts(l) &&
                  (t->kind == MOTE_L_GATE || t->kind == MOTE_L_UP || t->kind == MOTE_L_DOWN);
    return chosen ? t->bytes / t->n_mats * (t->n_mats - l->n_experts_used) : 0;
}

/* Checks and binds everything; without `keep` there is one layer, which all are bound to. */
static mote_status bind(mote_model *m, const mote_image *image, mote_model_layer *layers, bool keep,
                        mote_error *err)
{
    const mote_index *x = image->index;
    const mote_tensor *t = tensor_records(x);
    uint32_t n_bound = 0, n_tokenizer = 0;
    m->index = x;
    mote_status s = bind_global(m, image, &n_bound, err);
    for (uint32_t i = 0; !s && i < x->n_layers; i++) {
        mote_model_layer *l = layers + (keep ? i : 0);
        s = bind_layer(image, i, l, &n_bound, err);
        if (!s)
            note_layer(m, l);
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
            m->n_parameters +=
                t[i].shape == MOTE_SHAPE_MATRIX ? t[i].rows * t[i].k * t[i].n_mats : t[i].rows;
        m->decode_read_bytes += t[i].bytes - unread_bytes(x, &t[i]);
    }
    if (x->pooling || m->head.data != m->embed.data)
        m->decode_read_bytes -= find(x, 0, MOTE_W_EMBED)->bytes;
    if (m->positions.rows)
        m->decode_read_bytes -= find(x, 0, MOTE_W_POSITIONS)->bytes;
    if (n_bound + n_tokenizer != x->n_tensors)
        return mote_fail_got(err, MOTE_ERR_FILE, "tensors that the graph does not use", NULL,
                             x->n_tensors, n_bound + n_tokenizer);
    return MOTE_OK;
}

/* The model and, unless it is constant, its kernel table. */
static mote_model *carve(mote_arena *a, uint32_t n_layers, mote_kernels **table)
{
    mote_model *m = mote_take(a, 1, sizeof *m + n_layers * sizeof *m->layers);
    *table = MOTE_FIXED_KERNELS ? NULL : mote_take(a, 1, sizeof **table);
    return m;
}

size_t mote_model_bytes(const mote_image *image, mote_error *err)
{
    mote_kernels *table;
    mote_arena a = {0};
#if MOTE_FIXED_KERNELS /* a small stack: the graph is checked when it is bound */
    if (!image->index->n_layers) {
        mote_fail(err, MOTE_ERR_UNSUPPORTED, "the file holds a tokenizer, no model", NULL);
        return 0;
    }
#else
    mote_model m = {0};
    mote_model_layer one;
    if (bind(&m, image, &one, false, err))
        return 0;
#endif
    carve(&a, image->index->n_layers, &table);
    return (size_t)a.used;
}

#if MOTE_FIXED_KERNELS
static mote_status choose_kernels(mote_model *m, mote_kernels *table, const mote_model_opts *opts,
                                  mote_error *err)
{
    (void)table;
    m->kernels = &mote_fixed_kernels;
    if (opts && (opts->isa || opts->blas))
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "this build has one kernel tier", NULL);
    return MOTE_OK;
}
#else
static mote_status choose_kernels(mote_model *m, mote_kernels *table, const mote_model_opts *opts,
                                  mote_error *err)
{
    m->kernels = table;
    unsigned usable = mote_cpu_features(), wanted = usable;
    if (opts && opts->isa) {
        if (!mote_tier_features(opts->isa, &wanted))
            return mote_fail(err, MOTE_ERR_UNSUPPORTED, "no such kernel tier in this build",
                             opts->isa);
        if ((wanted & usable) != wanted)
            return mote_fail(err, MOTE_ERR_UNSUPPORTED, "this CPU cannot run the kernel tier",
                             opts->isa);
    }
    mote_kernels_init(table, wanted);
    m->blas = opts && opts->blas;
    if (m->blas && !mote_kernels_blas(table))
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "this build has no BLAS", NULL);
    return MOTE_OK;
}
#endif

mote_status mote_model_init(mote_model **out, void *mem, size_t mem_bytes, const mote_image *image,
                            const mote_model_opts *opts, mote_error *err)
{
    mote_arena measure = {0}, a = {.base = mem};
    mote_kernels *table;
    *out = NULL;
    carve(&measure, image->index->n_layers, &table);
    size_t need = (size_t)measure.used;
    if (mem_bytes < need || (uintptr_t)mem % MOTE_ALIGN)
        return mote_fail_got(err, MOTE_ERR_MEMORY, "memory for the model", NULL, mem_bytes, need);
    mote_model *m = carve(&a, image->index->n_layers, &table);
    memset(m, 0, sizeof *m);
    mote_status s = choose_kernels(m, table, opts, err);
    if (!s)
        s = bind(m, image, m->layers, true, err);
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
                              .max_experts = m->max_experts,
                              .max_experts_used = m->max_experts_used,
                              .n_parameters = m->n_parameters,
                              .weight_bytes = m->weight_bytes,
                              .decode_read_bytes = m->decode_read_bytes,
                              .tier = m->kernels->tier,
                              .id = m->index->index_crc};
}

const mote_kernels *mote_model_kernels(const mote_model *m) { return m->kernels; }
