/* attention.c: softmax(q k^T * scale) v over the KV cache. Read forward.c first.
 *
 * Positions are taken in blocks of 256 that start at multiples of 256. Within a block: all scores
 * of a query (a product with the key tiles), their softmax against the block's own maximum, the
 * weighted sum of the values. Blocks are joined left to right by one formula (mote_kernels.merge).
 * So a result depends on the cache's contents and the position only, never on how rows are grouped
 * or shared.
 *
 * The query heads that share a KV head attend together, and so do neighbouring rows of a prompt.
 * Few rows (decoding) on several threads: a job is (row, KV head, block) and the join comes after a
 * barrier. Else a job is (some rows, KV head), all blocks.
 */
#include <string.h>

#include "model/model.h"

/* Queries that attend together: rows [row, row + n_rows) of one session, the heads of one KV
 * head. */
typedef struct queries {
    size_t layer, row, n_rows, kv_head;
    size_t group, n; /* heads per row; n = n_rows * group */
} queries;

/* Numbers of a value: of a latent, the part of the key that is the value too. */
static size_t value_dim(const mote_layer *rec)
{
    return mote_is_latent(rec) ? rec->kv_rank : rec->head_dim;
}

/* First position that the row at `pos` sees. */
static size_t first_seen(const mote_layer *rec, size_t pos)
{
    return rec->window && pos + 1 > rec->window ? pos + 1 - rec->window : 0;
}

/* The last one: itself, or with whole attention the end of its text. */
static size_t last_seen(const mote_run *r, const mote_layer *rec, size_t row)
{
    const mote_row *q = &r->rows[row];
    return rec->attn == MOTE_ATTN_WHOLE ? q->session->length - 1 : q->pos;
}

/* Copies the queries together, in the form the keys are stored in. */
static mote_acts gather(const mote_run *r, mote_thread_scratch *own, const queries *q, mote_kv kv)
{
    const mote_model *m = r->model;
    size_t dim = m->layers[q->layer].rec->head_dim;
    mote_act_rows *a = &own->query_acts;
    for (size_t i = 0; i < q->n; i++) {
        const float *from = r->lead->q + (q->row + i / q->group) * m->max_q +
                            (q->kv_head * q->group + i % q->group) * dim;
        float *to = own->queries + i * a->f32_stride;
        memcpy(to, from, dim * sizeof *to);
        if (kv == MOTE_KV_Q8)
            m->kernels->quantize(a->codes + i * a->code_stride, a->scales + i * a->group_stride,
                                 a->sums + i * a->group_stride, to, dim);
    }
    return (mote_acts){.f32 = own->queries,
                       .codes = a->codes,
                       .scales = a->scales,
                       .sums = a->sums,
                       .f32_stride = a->f32_stride,
                       .code_stride = a->code_stride,
                       .group_stride = a->group_stride};
}

/* What each query sees of a block: positions [lo, hi) within it. Returns their union. */
static mote_range see(const mote_run *r, mote_thread_scratch *own, const queries *q, size_t block)
{
    const mote_layer *rec = r->model->layers[q->layer].rec;
    mote_range all = {MOTE_BLOCK, 0};
    for (size_t i = 0; i < q->n; i++) {
        size_t row = q->row + i / q->group, base = block * MOTE_BLOCK;
        size_t lo = first_seen(rec, r->rows[row].pos), hi = last_seen(r, rec, row) + 1;
        lo = lo > base ? lo - base : 0;
        hi = hi > base ? hi - base : 0;
        own->lo[i] = (uint16_t)(lo < MOTE_BLOCK ? lo : MOTE_BLOCK);
        own->hi[i] = (uint16_t)(hi < MOTE_BLOCK ? hi : MOTE_BLOCK);
        if (own->lo[i] < own->hi[i]) {
            all.begin = own->lo[i] < all.begin ? own->lo[i] : all.begin;
            all.end = own->hi[i] > all.end ? own->hi[i] : all.end;
        }
    }
    return all;
}

/* The keys of one head as a matrix [positions, dim]. */
static mote_mat keys_of(const mote_session *s, size_t layer, size_t kv_head, size_t dim)
{
    static const enum mote_type key_type[] = {MOTE_F32, MOTE_F16, MOTE_Q8};
    const mote_kv_layer *kv = &s->kv[layer];
    return (mote_mat){.data = kv->k + kv_head * kv->k_head_bytes,
                      .tile_bytes = kv->k_tile_bytes,
                      .k = s->opts.kv == MOTE_KV_Q8 ? mote_round_up(dim, 4) : dim,
                      .group = 32,
                      .type = key_type[s->opts.kv]};
}

/* One block for all queries: out [n, dim], max [n], sum [n]. Queries that see nothing of it (a
 * window's end, later rows' block) have lo >= hi afterwards and no result. */
static void attend_block(const mote_run *r, mote_thread_scratch *own, const queries *q,
                         const mote_acts *acts, size_t block, float *out, size_t out_stride,
                         float *max, float *sum)
{
    const mote_kernels *k = r->model->kernels;
    const mote_layer *rec = r->model->layers[q->layer].rec;
    const mote_session *s = r->rows[q->row].session;
    const mote_kv_layer *kv = &s->kv[q->layer];
    size_t dim = rec->head_dim, at = block * MOTE_BLOCK;
    mote_range seen = see(r, own, q, block);
    if (seen.begin >= seen.end)
        return;
    mote_mat keys = keys_of(s, q->layer, q->kv_head, dim);
    size_t tile = seen.begin / MOTE_TILE_ROWS,
           end = (seen.end + MOTE_TILE_ROWS - 1) / MOTE_TILE_ROWS;
    size_t stride = mote_score_stride(r->lead);
    k->matmul[keys.type](own->scores + tile * MOTE_TILE_ROWS, stride, acts, q->n, &keys,
                         at / MOTE_TILE_ROWS + tile, at / MOTE_TILE_ROWS + end);
    size_t first = q->n, last = 0; /* queries that see something are neighbours */
    for (size_t i = 0; i < q->n; i++)
        if (own->lo[i] < own->hi[i]) {
            first = i < first ? i : first;
            last = i;
            k->softmax(own->scores + i * stride, own->lo[i], own->hi[i], rec->attn_scale,
                       rec->attn_softcap, &max[i], &sum[i]);
        }
    size_t v_dim = value_dim(rec), groups = (v_dim + 31) / 32;
    const void *v;
    const uint16_t *v_scales;
#if MOTE_LATENT
    if (mote_is_latent(rec)) {
        mote_latent_rows(own, kv, rec, s->opts.kv, at + tile * MOTE_TILE_ROWS,
                         at + end * MOTE_TILE_ROWS);
        v = own->latents;
        v_scales = own->latent_scales;
    } else
#endif
    {
        v = kv->v + q->kv_head * kv->v_head_bytes + at * kv->v_row_bytes;
        v_scales =
            kv->v_scales ? kv->v_scales + q->kv_head * kv->v_head_scales + at * groups : NULL;
    }
    k->values[s->opts.kv](out + first * out_stride, out_stride, own->scores + first * stride,
                          stride, own->lo + first, own->hi + first, last + 1 - first, v, v_scales,
                          v_dim);
}

/* ---- many rows: all blocks by one thread ---------------------------------------------------- */

static void attend_all_blocks(mote_run *r, uint32_t thread, const queries *q)
{
    mote_thread_scratch *own = &r->lead->threads[thread];
    const mote_kernels *k = r->model->kernels;
    const mote_layer *rec = r->model->layers[q->layer].rec;
    size_t dim = value_dim(rec), stride = r->model->max_head_dim;
    size_t last_row = q->row + q->n_rows - 1;
    size_t first = first_seen(rec, r->rows[q->row].pos) / MOTE_BLOCK;
    float *max = own->attn_max, *sum = own->attn_sum; /* so far; this block's behind them */
    size_t half = mote_query_rows(r->lead);
    mote_acts acts = gather(r, own, q, r->rows[q->row].session->opts.kv);
    for (size_t i = 0; i < q->n; i++)
        sum[i] = 0.0f;
    for (size_t b = first; b <= last_seen(r, rec, last_row) / MOTE_BLOCK; b++) {
        attend_block(r, own, q, &acts, b, own->attn[1], stride, max + half, sum + half);
        for (size_t i = 0; i < q->n; i++) {
            float *so_far = own->attn[0] + i * stride, *block = own->attn[1] + i * stride;
            if (own->lo[i] >= own->hi[i])
                continue;
            if (sum[i] == 0.0f) { /* its first block; a sum is at least exp(0) = 1 after that */
                memcpy(so_far, block, dim * sizeof *block);
                max[i] = max[half + i];
                sum[i] = sum[half + i];
            } else {
                k->merge(so_far, &max[i], &sum[i], block, max[half + i], sum[half + i], dim);
            }
        }
    }
    for (size_t i = 0; i < q->n; i++)
        k->divide(r->lead->q + (q->row + i / q->group) * r->model->max_q +
                      (q->kv_head * q->group + i % q->group) * rec->head_dim,
                  own->attn[0] + i * stride, sum[i], dim);
}

/* How many of the rows from `row` on attend together: one session, at most `most`. */
static size_t run_of_rows(const mote_run *r, size_t row, size_t most)
{
    size_t n = 1;
    while (n < most && row + n < r->n_rows && r->rows[row + n].session == r->rows[row].session)
        n++;
    return n;
}

static void attend_many(mote_run *r, uint32_t thread, size_t layer)
{
    const mote_layer *rec = r->model->layers[layer].rec;
    size_t group = rec->n_heads / rec->n_kv_heads, job = 0;
    size_t most = group < MOTE_QUERY_ROWS ? MOTE_QUERY_ROWS / group : 1;
    for (size_t row = 0, n; row < r->n_rows; row += n) {
        n = run_of_rows(r, row, most);
        for (size_t head = 0; head < rec->n_kv_heads; head++, job++) {
            queries q = {layer, row, n, head, group, n * group};
            if (job % r->n_threads == thread)
                attend_all_blocks(r, thread, &q);
        }
    }
}

/* ---- few rows: by blocks -------------------------------------------------------------------- */

/* Result of (row, head, block): [max_head_dim + 2], the last two max and sum. */
static float *partial(const mote_run *r, size_t row, size_t head, size_t block)
{
    size_t blocks = (r->lead->opts.n_ctx + MOTE_BLOCK - 1) / MOTE_BLOCK;
    return r->lead->partial +
           ((row * r->model->max_heads + head) * blocks + block) * (r->model->max_head_dim + 2);
}

static void attend_few(mote_run *r, uint32_t thread, size_t layer)
{
    mote_thread_scratch *own = &r->lead->threads[thread];
    const mote_layer *rec = r->model->layers[layer].rec;
    size_t group = rec->n_heads / rec->n_kv_heads, dim = value_dim(rec), job = 0;
    for (size_t row = 0; row < r->n_rows; row++)
        for (size_t head = 0; head < rec->n_kv_heads; head++) {
            queries q = {layer, row, 1, head, group, group};
            size_t first = first_seen(rec, r->rows[row].pos) / MOTE_BLOCK;
            mote_acts acts = {0};
            for (size_t b = first; b <= last_seen(r, rec, row) / MOTE_BLOCK; b++, job++) {
                if (job % r->n_threads != thread)
                    continue;
                if (!acts.f32)
                    acts = gather(r, own, &q, r->rows[row].session->opts.kv);
                attend_block(r, own, &q, &acts, b, own->attn[0], r->model->max_head_dim,
                             own->attn_max, own->attn_sum);
                for (size_t i = 0; i < group; i++) {
                    float *to = partial(r, row, head * group + i, b);
                    memcpy(to, own->attn[0] + i * r->model->max_head_dim, dim * sizeof *to);
                    to[r->model->max_head_dim] = own->attn_max[i];
                    to[r->model->max_head_dim + 1] = own->attn_sum[i];
                }
            }
        }
}

/* Joins the blocks of one head of one row into out [dim]. */
static void join(const mote_run *r, const mote_layer *rec, size_t row, size_t head, float *out)
{
    const mote_kernels *k = r->model->kernels;
    size_t pos = r->rows[row].pos, dim = value_dim(rec), width = r->model->max_head_dim;
    size_t b = first_seen(rec, pos) / MOTE_BLOCK;
    const float *part = partial(r, row, head, b);
    float max = part[width], sum = part[width + 1];
    memcpy(out, part, dim * sizeof *out);
    for (b++; b <= last_seen(r, rec, row) / MOTE_BLOCK; b++) {
        part = partial(r, row, head, b);
        k->merge(out, &max, &sum, part, part[width], part[width + 1], dim);
    }
    k->divide(out, out, sum, dim);
}

/* ---- for who watches ------------------------------------------------------------------------- */

#if MOTE_WATCH
/* The same scores, but one softmax over all positions: blocks would differ in rounding only. */
size_t mote_stage_attention(const mote_stage *stage, size_t row, size_t head, float *weights,
                            size_t cap)
{
    const mote_run *r = stage->run;
    const mote_kernels *k = r->model->kernels;
    const mote_layer *rec = r->model->layers[stage->layer].rec;
    const mote_session *s = r->rows[row].session;
    const queries q = {stage->layer, row, 1, head, 1, 1}; /* gather: group 1 */
    size_t first = first_seen(rec, r->rows[row].pos), n = last_seen(r, rec, row) + 1;
    size_t tiles = (n + MOTE_TILE_ROWS - 1) / MOTE_TILE_ROWS;
    if (stage->kind != MOTE_STAGE_QUERIES || cap < tiles * MOTE_TILE_ROWS)
        return 0;
    mote_mat keys =
        keys_of(s, stage->layer, head / (rec->n_heads / rec->n_kv_heads), rec->head_dim);
    mote_acts acts = gather(r, &r->lead->threads[0], &q, s->opts.kv);
    k->matmul[keys.type](weights, tiles * MOTE_TILE_ROWS, &acts, 1, &keys, 0, tiles);
    float *seen = weights + first;
    k->scale(seen, rec->attn_scale, n - first);
    if (rec->attn_softcap > 0.0f)
        k->softcap(seen, rec->attn_softcap, n - first);
    float sum = k->exp_sum(seen, seen, seen[k->argmax(seen, n - first)], n - first);
    k->divide(seen, seen, sum, n - first);
    memset(weights, 0, first * sizeof *weights);
    return n;
}
#endif

/* ---- entries -------------------------------------------------------------------------------- */

/* Attention of all rows. The results are whole after a barrier and mote_attended. */
void mote_attend(mote_run *r, uint32_t thread, size_t layer)
{
    if (mote_splits_rows(r))
        attend_few(r, thread, layer);
    else
        attend_many(r, thread, layer);
}

/* The attention results [n_rows, heads * head_dim], row stride max_q: joined by every thread for
 * itself when they were split. */
const float *mote_attended(mote_run *r, uint32_t thread, size_t layer)
{
    const mote_layer *rec = r->model->layers[layer].rec;
    float *out = r->lead->threads[thread].attended;
    if (!mote_splits_rows(r))
        return r->lead->q;
    for (size_t row = 0; row < r->n_rows; row++)
        for (size_t head = 0; head < rec->n_heads; head++)
            join(r, rec, row, head, out + row * r->model->max_q + head * rec->head_dim);
    return out;
}

/* The same of one head of one row. */
const float *mote_attended_head(mote_run *r, uint32_t thread, size_t layer, size_t row, size_t head)
{
    const mote_layer *rec = r->model->layers[layer].rec;
    float *out = r->lead->threads[thread].attended;
    if (!mote_splits_rows(r))
        return r->lead->q + row * r->model->max_q + head * rec->head_dim;
    join(r, rec, row, head, out);
    return out;
}
