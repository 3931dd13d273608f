/* latent.c: attention through a latent (MLA). Read forward.c, products.c and attention.c first.
 *
 * What the cache keeps of a position is one key for all heads, of kv_rank + rope_dim numbers, and
 * its first kv_rank numbers are the value as well:
 *
 *   [c | p] = kv_a * x                    cache = [norm(c) | p turned]
 *   [n | t] = q * x, or q * norm(q_a * x) of each head: nope_dim numbers, and rope_dim that turn
 *   query   = [k_up_h * n | t turned]     k_up_h is the transposed of the published matrix
 *   value   = v_up_h * (softmax(query . cache) . cache[0 .. kv_rank))
 *
 * So attention.c works as ever, with one key for all heads. The same in prefill and decode.
 */
#include "model/pieces.h"

#if MOTE_LATENT

/* Copies n floats into row `row` of the forms the next product reads. */
static void put_row(const mote_run *r, mote_act_rows *to, size_t row, const float *x, size_t n)
{
    if (to->f32)
        memcpy(to->f32 + row * to->f32_stride, x, n * sizeof *x);
    quantize_row(r, to, row, 0, x, n);
}

/* out[row] = w * in[row] for all rows; the tiles are shared among the threads. */
static void project(const mote_run *r, uint32_t thread, const mote_mat *w, const mote_acts *in,
                    float *out, size_t stride)
{
    const mote_kernels *k = r->model->kernels;
    mote_range tiles = mote_share(tiles_of(w), thread, r->n_threads);
    mote_matmul_fn *product =
        k->blas[w->type] && r->n_rows >= MOTE_BLAS_ROWS ? k->blas[w->type] : k->matmul[w->type];
    if (tiles.begin < tiles.end)
        product(out + tiles.begin * MOTE_TILE_ROWS, stride, in, r->n_rows, w, tiles.begin,
                tiles.end);
}

static void turn(const mote_run *r, const mote_layer *rec, size_t row, float *x)
{
    size_t at = (row * r->model->n_rope + rec->rope - 1) * r->model->max_rope_half;
    r->model->kernels->rope(x, r->lead->rope_cos + at, r->lead->rope_sin + at, rec->rope_dim / 2);
}

/* ---- the cache ------------------------------------------------------------------------------- */

static void store_latents(mote_run *r, uint32_t thread, size_t layer, size_t stride)
{
    const mote_model_layer *l = &r->model->layers[layer];
    const mote_kernels *k = r->model->kernels;
    mote_range rows = mote_share(r->n_rows, thread, r->n_threads);
    for (size_t row = rows.begin; row < rows.end; row++) {
        const mote_session *s = r->rows[row].session;
        const mote_kv_layer *kv = &s->kv[layer];
        size_t pos = r->rows[row].pos;
        float *x = r->lead->latent + row * stride;
        k->rmsnorm(x, x, l->kv_a_norm, l->rec->kv_rank, l->rec->norm_eps);
        turn(r, l->rec, row, x + l->rec->kv_rank);
        k->store_key[s->opts.kv](kv->k + pos / MOTE_TILE_ROWS * kv->k_tile_bytes,
                                 pos % MOTE_TILE_ROWS, x, l->rec->head_dim);
    }
}

/* One tile of 16 positions as rows of values [16, n]; codes lie in granules of 4. */
static void transpose_tile_q8(uint8_t *out, const uint8_t *lines, size_t n)
{
    for (size_t i = 0; i < MOTE_TILE_ROWS; i++)
        for (size_t d = 0; d < n; d += 4)
            memcpy(out + i * n + d, lines + d * MOTE_TILE_ROWS + i * 4, n - d < 4 ? n - d : 4);
}

static void transpose_tile_f32(float *out, const float *lines, size_t n)
{
    for (size_t i = 0; i < MOTE_TILE_ROWS; i++)
        for (size_t d = 0; d < n; d++)
            out[i * n + d] = lines[d * MOTE_TILE_ROWS + i];
}

static void transpose_tile_f16(uint16_t *out, const uint16_t *lines, size_t n)
{
    for (size_t i = 0; i < MOTE_TILE_ROWS; i++)
        for (size_t d = 0; d < n; d++)
            out[i * n + d] = lines[d * MOTE_TILE_ROWS + i];
}

/* Positions [begin, end) of the cache, whole tiles of one block, as rows of values in the thread's
 * own buffer, the block's first position first. Codes and scales stay what they are. */
void mote_latent_rows(mote_thread_scratch *own, const mote_kv_layer *kv, const mote_layer *rec,
                      mote_kv type, size_t begin, size_t end)
{
    size_t n = rec->kv_rank, groups = (n + 31) / 32, dim = mote_round_up(rec->head_dim, 4);
    for (size_t pos = begin; pos < end; pos += MOTE_TILE_ROWS) {
        const uint8_t *tile = kv->k + pos / MOTE_TILE_ROWS * kv->k_tile_bytes;
        const uint16_t *scales = (const uint16_t *)(const void *)tile;
        size_t at = pos % MOTE_BLOCK;
        if (type == MOTE_KV_F32)
            transpose_tile_f32((float *)own->latents + at * n, (const float *)(const void *)tile,
                               n);
        else if (type == MOTE_KV_F16)
            transpose_tile_f16((uint16_t *)own->latents + at * n, scales, n);
        if (type != MOTE_KV_Q8)
            continue;
        transpose_tile_q8((uint8_t *)own->latents + at * n,
                          tile + mote_tile_scale_bytes(MOTE_Q8, 32, dim), n);
        transpose_tile_f16(own->latent_scales + at * groups, scales, groups);
    }
}

/* ---- queries --------------------------------------------------------------------------------- */

/* The query of one head for n rows from `row` on; x [n, stride]: its rows of q. */
static void place_queries(mote_run *r, uint32_t thread, size_t layer, size_t head, size_t row,
                          size_t n, float *x, size_t stride)
{
    const mote_model_layer *l = &r->model->layers[layer];
    const mote_layer *rec = l->rec;
    const mote_mat up = mote_mat_of(&l->k_up, head);
    mote_thread_scratch *own = &r->lead->threads[thread];
    float *out = own->product[1];
    for (size_t i = 0; i < n; i++)
        put_row(r, &own->head, i, x + i * stride, rec->nope_dim);
    mote_acts in = as_acts(&own->head);
    size_t out_stride = multiply(r, out, &up, &in, n, 0, tiles_of(&up));
    for (size_t i = 0; i < n; i++) {
        float *to = r->lead->q + (row + i) * r->model->max_q + head * rec->head_dim;
        memcpy(to, out + i * out_stride, rec->kv_rank * sizeof *to);
        memcpy(to + rec->kv_rank, x + i * stride + rec->nope_dim, rec->rope_dim * sizeof *to);
        turn(r, rec, row + i, to + rec->kv_rank);
    }
}

/* Units of whole heads and whole tiles, shared among the threads. */
static void project_queries(mote_run *r, uint32_t thread, size_t layer, const mote_acts *in)
{
    const mote_model_layer *l = &r->model->layers[layer];
    size_t dim = (size_t)l->rec->nope_dim + l->rec->rope_dim, n_heads = l->rec->n_heads;
    float *out = r->lead->threads[thread].product[0];
    mote_range units =
        mote_share((n_heads + l->unit_heads - 1) / l->unit_heads, thread, r->n_threads);
    for (size_t u = units.begin; u < units.end; u++) {
        size_t begin = u * l->unit_tiles, end = begin + l->unit_tiles, first = u * l->unit_heads;
        size_t last = first + l->unit_heads < n_heads ? first + l->unit_heads : n_heads;
        end = end < tiles_of(&l->q.w) ? end : tiles_of(&l->q.w);
        for (size_t t = 0; t < r->n_rows; t += MOTE_PRODUCT_TOKENS) {
            size_t n = r->n_rows - t < MOTE_PRODUCT_TOKENS ? r->n_rows - t : MOTE_PRODUCT_TOKENS;
            mote_acts part = acts_at(in, t);
            size_t stride = multiply(r, out, &l->q.w, &part, n, begin, end);
            for (size_t head = first; head < last; head++)
                place_queries(r, thread, layer, head, t, n, out + (head - first) * dim, stride);
        }
    }
}

/* Queries into q, latents into the cache; as mote_project_heads, a barrier must follow. */
void mote_project_latent(mote_run *r, uint32_t thread, size_t layer, const mote_acts *in)
{
    const mote_model_layer *l = &r->model->layers[layer];
    size_t stride = mote_round_up(r->model->max_head_dim, MOTE_TILE_ROWS);
    size_t q_stride = mote_round_up(r->model->max_q_rank, MOTE_TILE_ROWS);
    project(r, thread, &l->kv_a, in, r->lead->latent, stride);
    if (l->rec->q_rank)
        project(r, thread, &l->q_a, in, r->lead->q_latent, q_stride);
    mote_barrier(r, thread);
    store_latents(r, thread, layer, stride);
    mote_acts q_in = *in;
    const mote_norm q_norm = {.w = l->q_a_norm, .eps = l->rec->norm_eps};
    if (l->rec->q_rank)
        q_in = mote_prepare(r, thread, r->lead->q_latent, q_stride, l->rec->q_rank, &q_norm);
    if (l->rec->q_rank)
        show_input(r, thread, l, MOTE_INPUT_QUERY, 0, &q_in, r->n_rows, l->rec->q_rank);
    project_queries(r, thread, layer, &q_in);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* The values of all heads [n_rows, heads * v_dim], row stride max_values; ends with a barrier. */
const float *mote_latent_values(mote_run *r, uint32_t thread, size_t layer)
{
    const mote_model_layer *l = &r->model->layers[layer];
    mote_thread_scratch *own = &r->lead->threads[thread];
    size_t n_heads = l->rec->n_heads, dim = l->rec->v_dim, width = r->model->max_values;
    mote_range heads = mote_share(n_heads, thread, r->n_threads);
    for (size_t head = heads.begin; head < heads.end; head++) {
        const mote_mat up = mote_mat_of(&l->v_up, head);
        for (size_t t = 0; t < r->n_rows; t += MOTE_PRODUCT_TOKENS) {
            size_t n = r->n_rows - t < MOTE_PRODUCT_TOKENS ? r->n_rows - t : MOTE_PRODUCT_TOKENS;
            for (size_t i = 0; i < n; i++)
                put_row(r, &own->head, i, mote_attended_head(r, thread, layer, t + i, head),
                        l->rec->kv_rank);
            mote_acts in = as_acts(&own->head);
            size_t stride = multiply(r, own->product[0], &up, &in, n, 0, tiles_of(&up));
            for (size_t i = 0; i < n; i++)
                memcpy(r->lead->values + (t + i) * width + head * dim, own->product[0] + i * stride,
                       dim * sizeof(float));
        }
    }
    mote_barrier(r, thread);
    return r->lead->values;
}

#endif
