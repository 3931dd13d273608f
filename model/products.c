/* products.c: the matrix products of a layer, as every thread runs them. Read forward.c first.
 *
 * A thread takes a share of a matrix's rows and works through it in pieces small enough for the
 * cache: MOTE_PRODUCT_ROWS weight rows times MOTE_PRODUCT_TOKENS activation rows, into a buffer of
 * its own; what becomes of the piece (bias, rotation, residual ...) is done there at once. Fewer
 * activation rows: that many times more weight rows, since long runs come faster from memory.
 */
#include <string.h>

#include "model/model.h"
#include "model/pieces.h"

/* Weight rows of a piece: whole groups of MOTE_PRODUCT_ROWS, as many as the buffer holds. */
static size_t piece_rows(const mote_run *r)
{
    const size_t unit = r->model->max_unit_rows;
    size_t n = least(r->n_rows, MOTE_PRODUCT_TOKENS);
    size_t tokens = least(r->lead->opts.n_batch, MOTE_PRODUCT_TOKENS);
    size_t rows = tokens * (unit > MOTE_PRODUCT_ROWS ? unit : MOTE_PRODUCT_ROWS) / n;
    return least(rows, MOTE_PIECE_ROWS) / MOTE_PRODUCT_ROWS * MOTE_PRODUCT_ROWS;
}

/* ---- inputs --------------------------------------------------------------------------------- */

/* y = norm(x) for one row; y may be x. */
void mote_apply_norm(const mote_model *m, const mote_norm *norm, float *y, const float *x, size_t n)
{
    if (MOTE_LAYER_KINDS && norm->b)
        m->kernels->layernorm(y, x, norm->w, norm->b, n, norm->eps);
    else
        m->kernels->rmsnorm(y, x, norm->w, n, norm->eps);
}

/* The rows of x [n_rows, k] as the input of a product: normalised if norm is given, and in the
 * forms the weights read. Few rows on several threads: every thread prepares them all for itself.
 * Else each thread its share, then a barrier. */
mote_acts mote_prepare(mote_run *r, uint32_t thread, const float *x, size_t x_stride, size_t k,
                       const mote_norm *norm)
{
    mote_thread_scratch *own = &r->lead->threads[thread];
    bool few = mote_splits_rows(r);
    mote_act_rows *to = few ? &own->input : &r->lead->input;
    mote_range rows =
        few ? (mote_range){0, r->n_rows} : mote_share(r->n_rows, thread, r->n_threads);
    for (size_t row = rows.begin; row < rows.end; row++) {
        const float *from = x + row * x_stride;
        float *f = to->f32 ? to->f32 + row * to->f32_stride : own->row;
        if (norm && norm->w)
            mote_apply_norm(r->model, norm, f, from, k);
        else if (to->f32)
            memcpy(f, from, k * sizeof *f);
        else
            f = (float *)(uintptr_t)from; /* read only */
        quantize_row(r, to, row, 0, f, k);
    }
    if (!few)
        mote_barrier(r, thread);
    return as_acts(to);
}

/* ---- q, k, v -------------------------------------------------------------------------------- */

enum { ROLE_Q, ROLE_K, ROLE_V };

typedef struct head_piece {
    const mote_model_layer *l;
    size_t layer;
    int role;
    size_t head, n_heads; /* of the role's matrix: the piece's */
} head_piece;

static const float *rope_row(const mote_run *r, const float *table, const mote_layer *rec,
                             size_t row)
{
    bool is_long = rec->rope_long && r->rows[row].session->long_rope;
    size_t n_rope = r->model->n_rope, i = (is_long ? rec->rope_long : rec->rope) - 1;
    return table + (row * n_rope + i) * r->model->max_rope_half;
}

/* A head that is normalised already: rotation, and into its place: the query buffer (where it may
 * be already) or the cache. */
static void place_head(mote_run *r, const head_piece *p, size_t head, size_t row, float *v)
{
    const mote_kernels *k = r->model->kernels;
    const mote_layer *rec = p->l->rec;
    size_t dim = rec->head_dim;
    if (p->role != ROLE_V && rec->rope)
        k->rope(v, rope_row(r, r->lead->rope_cos, rec, row),
                rope_row(r, r->lead->rope_sin, rec, row), rec->rope_dim / 2);
    if (p->role == ROLE_Q) {
        memmove(r->lead->q + row * r->model->max_q + head * dim, v, dim * sizeof *v);
        return;
    }
    const mote_session *s = r->rows[row].session;
    const mote_kv_layer *kv = &s->kv[p->layer];
    size_t pos = r->rows[row].pos;
    if (p->role == ROLE_K)
        k->store_key[s->opts.kv](kv->k + head * kv->k_head_bytes + pos / 16 * kv->k_tile_bytes,
                                 pos % 16, v, dim);
    else
        k->store_value[s->opts.kv](kv->v + head * kv->v_head_bytes,
                                   kv->v_scales ? kv->v_scales + head * kv->v_head_scales : NULL,
                                   pos, v, dim);
}

/* Where a row of q or k waits for a norm over all its heads. */
static float *whole_row(const mote_run *r, int role, size_t row)
{
    return role == ROLE_Q ? r->lead->q + row * r->model->max_q
                          : r->lead->k + row * r->model->max_kv;
}

/* One head as it comes from its matrix: its norm and its place, or else it waits. */
static void take_head(mote_run *r, const head_piece *p, size_t head, size_t row, float *v)
{
    const mote_layer *rec = p->l->rec;
    size_t dim = rec->head_dim;
    if (MOTE_LAYER_KINDS && p->role != ROLE_V && rec->qk_norm == MOTE_QK_NORM_WHOLE) {
        memcpy(whole_row(r, p->role, row) + head * dim, v, dim * sizeof *v);
        return;
    }
    if (p->role != ROLE_V && rec->qk_norm)
        r->model->kernels->rmsnorm(v, v, p->role == ROLE_Q ? p->l->q_norm : p->l->k_norm, dim,
                                   rec->norm_eps);
    place_head(r, p, head, row, v);
}

/* Norms over all heads of q and of k, and the heads to their places: each thread some rows. */
static void norm_whole(mote_run *r, uint32_t thread, size_t layer)
{
    const mote_model_layer *l = &r->model->layers[layer];
    const mote_layer *rec = l->rec;
    mote_range mine = mote_share(2 * r->n_rows, thread, r->n_threads);
    for (size_t i = mine.begin; i < mine.end; i++) {
        head_piece p = {.l = l, .layer = layer, .role = i % 2 ? ROLE_K : ROLE_Q};
        float *v = whole_row(r, p.role, i / 2);
        size_t heads = p.role == ROLE_Q ? rec->n_heads : rec->n_kv_heads, dim = rec->head_dim;
        r->model->kernels->rmsnorm(v, v, p.role == ROLE_Q ? l->q_norm : l->k_norm, heads * dim,
                                   rec->norm_eps);
        for (size_t head = 0; head < heads; head++)
            place_head(r, &p, head, i / 2, v + head * dim);
    }
}

static void project_piece(mote_run *r, uint32_t thread, const head_piece *p, const mote_linear *m,
                          const mote_acts *in)
{
    float *out = r->lead->threads[thread].product[0];
    size_t dim = p->l->rec->head_dim;
    size_t begin = p->head * dim / MOTE_TILE_ROWS;
    size_t end = ((p->head + p->n_heads) * dim + MOTE_TILE_ROWS - 1) / MOTE_TILE_ROWS;
    for (size_t t = 0; t < r->n_rows; t += MOTE_PRODUCT_TOKENS) {
        size_t n = least(r->n_rows - t, MOTE_PRODUCT_TOKENS);
        mote_acts part = acts_at(in, t);
        size_t stride = multiply(r, out, &m->w, &part, n, begin, end);
        add_bias(r, out, stride, n, m->bias ? m->bias + p->head * dim : NULL, p->n_heads * dim);
        for (size_t i = 0; i < n; i++)
            for (size_t h = 0; h < p->n_heads; h++)
                take_head(r, p, p->head + h, t + i, out + i * stride + h * dim);
    }
}

/* q, k and v of every row: units of whole heads, shared among the threads. */
void mote_project_heads(mote_run *r, uint32_t thread, size_t layer, const mote_acts *in)
{
    const mote_model_layer *l = &r->model->layers[layer];
    const mote_linear *m[] = {&l->q, &l->k, &l->v};
    size_t heads[] = {l->rec->n_heads, l->rec->n_kv_heads, l->rec->n_kv_heads}, units[3];
    size_t most = piece_rows(r) / (l->unit_tiles * MOTE_TILE_ROWS), n;
    for (int role = 0; role < 3; role++)
        units[role] = (heads[role] + l->unit_heads - 1) / l->unit_heads;
    mote_range mine = mote_share(units[0] + units[1] + units[2], thread, r->n_threads);
    for (size_t u = mine.begin; u < mine.end; u += n) {
        head_piece p = {.l = l, .layer = layer};
        size_t at = u;
        while (at >= units[p.role])
            at -= units[p.role++];
        n = least(least(mine.end - u, units[p.role] - at), most ? most : 1);
        p.head = at * l->unit_heads;
        p.n_heads = least(n * l->unit_heads, heads[p.role] - p.head);
        project_piece(r, thread, &p, m[p.role], in);
    }
    if (MOTE_LAYER_KINDS && l->rec->qk_norm == MOTE_QK_NORM_WHOLE) {
        mote_barrier(r, thread);
        norm_whole(r, thread, layer);
    }
}

/* ---- o and down ------------------------------------------------------------------------------ */

/* x += post(branch), whose rows every thread has made its part of. */
static void add_branch(mote_run *r, uint32_t thread, const mote_norm *post)
{
    size_t hidden = r->model->index->hidden;
    mote_range mine = mote_share(r->n_rows, thread, r->n_threads);
    mote_barrier(r, thread);
    for (size_t row = mine.begin; row < mine.end; row++) {
        float *y = r->lead->branch + row * hidden;
        mote_apply_norm(r->model, post, y, y, hidden);
        r->model->kernels->add(r->lead->x + row * hidden, y, hidden);
    }
}

/* x += post(m * in (+ bias)); without a norm the pieces are added as they come. */
void mote_project_residual(mote_run *r, uint32_t thread, const mote_linear *m,
                           const mote_norm *post, const mote_acts *in)
{
    float *out = r->lead->threads[thread].product[0];
    size_t hidden = r->model->index->hidden, step = piece_rows(r) / MOTE_TILE_ROWS;
    mote_range mine = mote_share(tiles_of(&m->w), thread, r->n_threads);
    for (size_t i = mine.begin; i < mine.end; i += step) {
        size_t end = i + step < mine.end ? i + step : mine.end, row = i * MOTE_TILE_ROWS;
        size_t rows = end * MOTE_TILE_ROWS < m->w.rows ? end * MOTE_TILE_ROWS : m->w.rows;
        rows -= row;
        for (size_t t = 0; t < r->n_rows; t += MOTE_PRODUCT_TOKENS) {
            size_t n = least(r->n_rows - t, MOTE_PRODUCT_TOKENS);
            mote_acts part = acts_at(in, t);
            size_t stride = multiply(r, out, &m->w, &part, n, i, end);
            add_bias(r, out, stride, n, m->bias ? m->bias + row : NULL, rows);
            for (size_t j = 0; j < n; j++) {
                size_t at = (t + j) * hidden + row;
                if (MOTE_LAYER_KINDS && post->w)
                    memcpy(r->lead->branch + at, out + j * stride, rows * sizeof *out);
                else
                    r->model->kernels->add(r->lead->x + at, out + j * stride, rows);
            }
        }
    }
    if (MOTE_LAYER_KINDS && post->w)
        add_branch(r, thread, post);
}

/* ---- gate and up ----------------------------------------------------------------------------- */

/* h = act(h) * up, or without gate h = act(h). */
static void activate(const mote_kernels *k, const mote_layer *rec, float *h, const float *up,
                     size_t n)
{
    if (MOTE_LAYER_KINDS && rec->mlp == MOTE_MLP_PLAIN)
        (rec->act == MOTE_ACT_GELU_ERF ? k->gelu_erf : k->gelu_tanh)(h, h, n);
    else if (!MOTE_LAYER_KINDS || rec->act == MOTE_ACT_SILU)
        k->silu_mul(h, h, up, n);
    else
        (rec->act == MOTE_ACT_GELU_ERF ? k->gelu_erf_mul : k->gelu_tanh_mul)(h, h, up, n);
}

/* The input of down: act(gate x) * (up x), or act(up x), in the forms down reads. Shares are whole
 * groups of 64 rows, so that each thread quantises its own. Ends with a barrier. */
mote_acts mote_gate_up(mote_run *r, uint32_t thread, const mote_model_layer *l, const mote_acts *in)
{
    float **out = r->lead->threads[thread].product;
    mote_act_rows *to = &r->lead->mlp;
    bool gated = l->rec->mlp == MOTE_MLP_GATED;
    const mote_linear *first = gated ? &l->gate : &l->up;
    size_t ff = l->rec->ff, units = piece_rows(r) / MOTE_PRODUCT_ROWS;
    mote_range mine =
        mote_share((ff + MOTE_PRODUCT_ROWS - 1) / MOTE_PRODUCT_ROWS, thread, r->n_threads);
    for (size_t u = mine.begin; u < mine.end; u += units) {
        size_t row = u * MOTE_PRODUCT_ROWS, i = row / MOTE_TILE_ROWS;
        size_t rows = least(ff - row, least(units, mine.end - u) * MOTE_PRODUCT_ROWS);
        size_t end = i + (rows + MOTE_TILE_ROWS - 1) / MOTE_TILE_ROWS;
        for (size_t t = 0; t < r->n_rows; t += MOTE_PRODUCT_TOKENS) {
            size_t n = least(r->n_rows - t, MOTE_PRODUCT_TOKENS);
            mote_acts part = acts_at(in, t);
            size_t stride = multiply(r, out[0], &first->w, &part, n, i, end);
            add_bias(r, out[0], stride, n, first->bias ? first->bias + row : NULL, rows);
            if (gated) {
                multiply(r, out[1], &l->up.w, &part, n, i, end);
                add_bias(r, out[1], stride, n, l->up.bias ? l->up.bias + row : NULL, rows);
            }
            for (size_t j = 0; j < n; j++) {
                float *h = out[0] + j * stride;
                activate(r->model->kernels, l->rec, h, out[1] + j * stride, rows);
                if (to->f32)
                    memcpy(to->f32 + (t + j) * to->f32_stride + row, h, rows * sizeof *h);
                quantize_row(r, to, t + j, row, h, rows);
            }
        }
    }
    mote_end_stage(r, thread, l, MOTE_STAGE_HIDDEN);
    return as_acts(to);
}

/* ---- logits ---------------------------------------------------------------------------------- */

/* logits[i] = head * in[i], scaled and capped, for the n_rows rows that want them. */
void mote_project_logits(mote_run *r, uint32_t thread, const mote_acts *in)
{
    const mote_kernels *k = r->model->kernels;
    const mote_mat *w = &r->model->head;
    mote_session *s = r->lead;
    mote_range mine = mote_share(tiles_of(w), thread, r->n_threads);
    size_t step = 1024;
    for (size_t i = mine.begin; i < mine.end; i += step) {
        size_t end = i + step < mine.end ? i + step : mine.end, row = i * MOTE_TILE_ROWS;
        size_t rows = end * MOTE_TILE_ROWS < w->rows ? end * MOTE_TILE_ROWS : w->rows;
        rows -= row;
        k->matmul[w->type](s->logits + row, s->logits_stride, in, r->n_logits, w, i, end);
        for (size_t j = 0; j < r->n_logits; j++) {
            float *out = s->logits + j * s->logits_stride + row;
            if (r->model->index->logit_scale != 1.0f)
                k->scale(out, r->model->index->logit_scale, rows);
            if (MOTE_LAYER_KINDS && r->model->index->logit_softcap > 0.0f)
                k->softcap(out, r->model->index->logit_softcap, rows);
            if (!k->finite(out, rows))
                s->threads[thread].not_finite = true;
        }
    }
}
