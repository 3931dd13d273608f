/* experts.c: an MLP of many experts, of which a token takes a few. Read forward.c and products.c
 * first; NUMERICS.md "Experts" and docs/decisions/0005 fix the order of every sum.
 *
 *   logits  = router * x                                 [experts]
 *   chosen  = the best `used` logits (of the best groups), ties to the lower index
 *   weight  = exp(logit - max) / sum                     sum over all experts or the chosen ones
 *   result  = sum over the chosen, ascending, of weight * down_e (silu(gate_e x) * (up_e x))
 *           + the shared expert, times sigmoid(mix . x) where the record says so
 *   x      += result
 *
 * Rows are sorted by expert: each matrix of an expert is read once for all its rows, and those of
 * experts that no row chose are not touched. A product shares what its row got from nobody, so
 * which rows run together changes no bit.
 */
#include "kernels/math.h"
#include "model/pieces.h"

#if MOTE_EXPERTS

#define STRIP_TILES (MOTE_PRODUCT_ROWS / MOTE_TILE_ROWS)

/* ---- the choice ------------------------------------------------------------------------------ */

/* Larger floats have larger ranks, -0 that of +0; a NaN has one too, so a choice always ends. */
static uint32_t rank_of(float x)
{
    uint32_t u = float_bits(x + 0.0f);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}

typedef struct ranked {
    uint32_t rank;
    size_t at;
} ranked;

/* a comes before b: larger, or as large with a lower index. */
static bool precedes(ranked a, ranked b)
{
    return a.rank > b.rank || (a.rank == b.rank && a.at < b.at);
}

/* The best of [begin, end). */
static ranked best_of(const float *x, size_t begin, size_t end)
{
    ranked best = {rank_of(x[begin]), begin};
    for (size_t i = begin + 1; i < end; i++) {
        ranked r = {rank_of(x[i]), i};
        best = precedes(r, best) ? r : best;
    }
    return best;
}

/* The groups to choose from, as bits: those with the best best experts. */
static uint64_t choose_groups(const mote_layer *rec, const float *logits)
{
    size_t size = rec->n_experts / rec->n_groups;
    uint64_t groups = 0;
    for (size_t n = 0; n < rec->n_groups_used; n++) {
        ranked best = {0, SIZE_MAX};
        for (size_t g = 0; g < rec->n_groups; g++) {
            ranked r = best_of(logits, g * size, (g + 1) * size);
            if (!(groups >> g & 1) && (best.at == SIZE_MAX || precedes(r, best)))
                best = r;
        }
        groups |= (uint64_t)1 << best.at / size;
    }
    return groups;
}

/* The `used` best experts of those groups into out, ascending. */
static void choose_experts(const mote_layer *rec, const float *logits, uint16_t *out)
{
    size_t size = rec->n_experts / rec->n_groups;
    uint64_t groups = choose_groups(rec, logits);
    ranked last = {0, 0};
    for (size_t n = 0; n < rec->n_experts_used; n++) {
        ranked best = {0, SIZE_MAX};
        for (size_t e = 0; e < rec->n_experts; e++) {
            ranked r = {rank_of(logits[e]), e};
            if ((groups >> e / size & 1) && (!n || precedes(last, r)) &&
                (best.at == SIZE_MAX || precedes(r, best)))
                best = r;
        }
        size_t at = n;
        for (; at > 0 && out[at - 1] > best.at; at--)
            out[at] = out[at - 1];
        out[at] = (uint16_t)best.at;
        last = best;
    }
}

/* Experts and weights of one row. e: room for n_experts floats. */
static void choose_row(const mote_run *r, const mote_layer *rec, size_t row, float *e)
{
    const mote_routes *to = &r->lead->routes;
    const float *logits = to->logits + row * to->stride;
    size_t used = rec->n_experts_used;
    uint16_t *expert = to->expert + row * used;
    float *weight = to->weight + row * used, chosen = 0.0f;
    choose_experts(rec, logits, expert);
    float max = logits[best_of(logits, 0, rec->n_experts).at];
    float sum = r->model->kernels->exp_sum(e, logits, max, rec->n_experts);
    for (size_t i = 0; i < used; i++)
        chosen += e[expert[i]];
    sum = rec->router & MOTE_ROUTER_NORMALIZE ? chosen : sum;
    for (size_t i = 0; i < used; i++)
        weight[i] = e[expert[i]] / sum * rec->router_scale;
    if (rec->router & MOTE_ROUTER_SHARED_MIX) {
        float *mix = to->mix + row * MOTE_TILE_ROWS;
        *mix = 1.0f / (1.0f + mote_exp(-*mix));
    }
}

/* Sorts the choices by expert; within an expert they stay in order of rows. */
static void sort_choices(const mote_run *r, const mote_layer *rec)
{
    const mote_routes *to = &r->lead->routes;
    size_t n = r->n_rows * rec->n_experts_used;
    memset(to->starts, 0, ((size_t)rec->n_experts + 1) * sizeof *to->starts);
    for (size_t i = 0; i < n; i++)
        to->starts[to->expert[i] + 1]++;
    for (size_t e = 0; e < rec->n_experts; e++)
        to->starts[e + 1] += to->starts[e];
    for (size_t i = 0; i < n; i++) /* each start moves to its expert's end ... */
        to->order[to->starts[to->expert[i]]++] = (uint32_t)i;
    for (size_t e = rec->n_experts; e > 0; e--) /* ... which is where the next one begins */
        to->starts[e] = to->starts[e - 1];
    to->starts[0] = 0;
}

/* Fills the routes; few rows are not worth a stage of their own for the choice. */
static void route(mote_run *r, uint32_t thread, const mote_model_layer *l, const mote_acts *in)
{
    const mote_routes *to = &r->lead->routes;
    const mote_kernels *k = r->model->kernels;
    bool few = r->n_rows <= MOTE_FEW_ROWS;
    mote_range tiles = mote_share(tiles_of(&l->router), thread, r->n_threads);
    if (tiles.begin < tiles.end)
        k->matmul[l->router.type](to->logits + tiles.begin * MOTE_TILE_ROWS, to->stride, in,
                                  r->n_rows, &l->router, tiles.begin, tiles.end);
    if (thread == r->n_threads - 1 && l->shared_mix.data)
        k->matmul[l->shared_mix.type](to->mix, MOTE_TILE_ROWS, in, r->n_rows, &l->shared_mix, 0, 1);
    mote_barrier(r, thread);
    mote_range rows = few ? (mote_range){0, thread == 0 ? r->n_rows : 0}
                          : mote_share(r->n_rows, thread, r->n_threads);
    for (size_t row = rows.begin; row < rows.end; row++)
        choose_row(r, l->rec, row, r->lead->threads[thread].row);
    if (!few)
        mote_barrier(r, thread);
    if (thread == 0)
        sort_choices(r, l->rec);
    mote_barrier(r, thread);
}

/* ---- gate and up ----------------------------------------------------------------------------- */

/* The rows of n choices, one behind the other. */
static mote_acts gather(mote_run *r, uint32_t thread, const mote_acts *in, const uint32_t *order,
                        size_t n, size_t used)
{
    mote_act_rows *to = &r->lead->threads[thread].gathered;
    size_t hidden = r->model->index->hidden, groups = mote_round_up(hidden, 64) / 32;
    if (n == 1)
        return acts_at(in, *order / used);
    for (size_t i = 0; i < n; i++) {
        mote_acts from = acts_at(in, order[i] / used);
        if (to->f32)
            memcpy(to->f32 + i * to->f32_stride, from.f32, hidden * sizeof *to->f32);
        if (to->codes) {
            memcpy(to->codes + i * to->code_stride, from.codes, mote_round_up(hidden, 64));
            memcpy(to->scales + i * to->group_stride, from.scales, groups * sizeof *to->scales);
            memcpy(to->sums + i * to->group_stride, from.sums, groups * sizeof *to->sums);
        }
    }
    return as_acts(to);
}

typedef struct gated {
    mote_mat gate, up;
    size_t ff;
} gated;

/* Strip `strip` (64 rows of gate and up) for n rows of input, into rows [at, at + n) of `to`. */
static void gate_up_strip(mote_run *r, uint32_t thread, const gated *m, const mote_acts *in,
                          size_t n, size_t strip, mote_act_rows *to, size_t at)
{
    float **out = r->lead->threads[thread].product;
    size_t row = strip * MOTE_PRODUCT_ROWS, tile = strip * STRIP_TILES;
    size_t end = least(tile + STRIP_TILES, tiles_of(&m->gate));
    size_t rows = least(m->ff - row, MOTE_PRODUCT_ROWS);
    size_t stride = multiply(r, out[0], &m->gate, in, n, tile, end);
    multiply(r, out[1], &m->up, in, n, tile, end);
    for (size_t i = 0; i < n; i++) {
        float *h = out[0] + i * stride;
        r->model->kernels->silu_mul(h, h, out[1] + i * stride, rows);
        if (to->f32)
            memcpy(to->f32 + (at + i) * to->f32_stride + row, h, rows * sizeof *h);
        quantize_row(r, to, at + i, row, h, rows);
    }
}

/* The thread's strips of one expert's choices [first, first + n). *turn counts strips of all
 * experts: they go round the threads. */
static void gate_up_expert(mote_run *r, uint32_t thread, const mote_layer *rec, const gated *m,
                           const mote_acts *in, size_t first, size_t n, size_t *turn)
{
    mote_routes *to = &r->lead->routes;
    size_t n_strips = (m->ff + MOTE_PRODUCT_ROWS - 1) / MOTE_PRODUCT_ROWS, threads = r->n_threads;
    size_t mine = (thread + threads - *turn % threads) % threads;
    *turn += n_strips;
    for (size_t t = 0; mine < n_strips && t < n; t += MOTE_PRODUCT_TOKENS) {
        size_t len = least(n - t, MOTE_PRODUCT_TOKENS);
        mote_acts part = gather(r, thread, in, to->order + first + t, len, rec->n_experts_used);
        for (size_t strip = mine; strip < n_strips; strip += threads)
            gate_up_strip(r, thread, m, &part, len, strip, &to->hidden, first + t);
    }
}

static void gate_up_all(mote_run *r, uint32_t thread, const mote_model_layer *l,
                        const mote_acts *in)
{
    const uint32_t *starts = r->lead->routes.starts;
    gated shared = {l->shared_gate, l->shared_up, l->rec->shared_ff};
    size_t turn = 0;
    for (size_t e = 0; e < l->rec->n_experts; e++) {
        gated m = {mote_mat_of(&l->expert_gate, e), mote_mat_of(&l->expert_up, e), l->rec->ff};
        if (starts[e] < starts[e + 1])
            gate_up_expert(r, thread, l->rec, &m, in, starts[e], starts[e + 1] - starts[e], &turn);
    }
    size_t n_strips = (shared.ff + MOTE_PRODUCT_ROWS - 1) / MOTE_PRODUCT_ROWS;
    for (size_t strip = 0; strip < n_strips; strip++)
        for (size_t t = 0; (turn + strip) % r->n_threads == thread && t < r->n_rows;
             t += MOTE_PRODUCT_TOKENS) {
            mote_acts part = acts_at(in, t);
            gate_up_strip(r, thread, &shared, &part, least(r->n_rows - t, MOTE_PRODUCT_TOKENS),
                          strip, &r->lead->mlp, t);
        }
}

/* ---- down ------------------------------------------------------------------------------------ */

/* sums += weight * (down_e * hidden) in the rows of tiles [begin, end), for one expert. */
static void add_expert(mote_run *r, uint32_t thread, const mote_model_layer *l, size_t e,
                       mote_range tiles, size_t rows)
{
    const mote_routes *from = &r->lead->routes;
    const mote_kernels *k = r->model->kernels;
    const mote_mat down = mote_mat_of(&l->expert_down, e);
    const mote_acts in = as_acts(&from->hidden);
    float *out = r->lead->threads[thread].product[0];
    size_t hidden = r->model->index->hidden, end = from->starts[e + 1];
    for (size_t at = from->starts[e]; at < end; at += MOTE_PRODUCT_TOKENS) {
        size_t n = least(end - at, MOTE_PRODUCT_TOKENS);
        mote_acts part = acts_at(&in, at);
        size_t stride = multiply(r, out, &down, &part, n, tiles.begin, tiles.end);
        for (size_t i = 0; i < n; i++) {
            size_t choice = from->order[at + i], row = choice / l->rec->n_experts_used;
            k->scale(out + i * stride, from->weight[choice], rows);
            k->add(from->sums + row * hidden + tiles.begin * MOTE_TILE_ROWS, out + i * stride,
                   rows);
        }
    }
}

static void add_shared(mote_run *r, uint32_t thread, const mote_model_layer *l, mote_range tiles,
                       size_t rows)
{
    const mote_routes *from = &r->lead->routes;
    const mote_kernels *k = r->model->kernels;
    const mote_acts in = as_acts(&r->lead->mlp);
    float *out = r->lead->threads[thread].product[0];
    size_t hidden = r->model->index->hidden;
    for (size_t t = 0; t < r->n_rows; t += MOTE_PRODUCT_TOKENS) {
        size_t n = least(r->n_rows - t, MOTE_PRODUCT_TOKENS);
        mote_acts part = acts_at(&in, t);
        size_t stride = multiply(r, out, &l->shared_down, &part, n, tiles.begin, tiles.end);
        for (size_t i = 0; i < n; i++) {
            if (l->rec->router & MOTE_ROUTER_SHARED_MIX)
                k->scale(out + i * stride, from->mix[(t + i) * MOTE_TILE_ROWS], rows);
            k->add(from->sums + (t + i) * hidden + tiles.begin * MOTE_TILE_ROWS, out + i * stride,
                   rows);
        }
    }
}

/* x += the sums, in strips of rows that belong to one thread from zero to the residual. */
static void add_all(mote_run *r, uint32_t thread, const mote_model_layer *l)
{
    const mote_routes *from = &r->lead->routes;
    size_t hidden = r->model->index->hidden, n_tiles = tiles_of(&l->expert_down.first);
    mote_range mine = mote_share(n_tiles, thread, r->n_threads);
    for (size_t i = mine.begin; i < mine.end; i += STRIP_TILES) {
        mote_range tiles = {i, least(i + STRIP_TILES, mine.end)};
        size_t at = i * MOTE_TILE_ROWS, rows = least(tiles.end * MOTE_TILE_ROWS, hidden) - at;
        for (size_t row = 0; row < r->n_rows; row++)
            memset(from->sums + row * hidden + at, 0, rows * sizeof *from->sums);
        for (size_t e = 0; e < l->rec->n_experts; e++)
            add_expert(r, thread, l, e, tiles, rows);
        if (l->rec->shared_ff)
            add_shared(r, thread, l, tiles, rows);
        for (size_t row = 0; row < r->n_rows; row++)
            r->model->kernels->add(r->lead->x + row * hidden + at, from->sums + row * hidden + at,
                                   rows);
    }
}

/* What goes into the matrices down. */
static void show_hidden(const mote_run *r, uint32_t thread, const mote_model_layer *l)
{
    const mote_routes *from = &r->lead->routes;
    const mote_acts hidden = as_acts(&from->hidden), shared = as_acts(&r->lead->mlp);
    for (uint32_t e = 0; e < l->rec->n_experts; e++) {
        mote_acts part = acts_at(&hidden, from->starts[e]);
        show_input(r, thread, l, MOTE_INPUT_DOWN, e, &part, from->starts[e + 1] - from->starts[e],
                   l->rec->ff);
    }
    if (l->rec->shared_ff)
        show_input(r, thread, l, MOTE_INPUT_SHARED, 0, &shared, r->n_rows, l->rec->shared_ff);
}

/* x += experts(in). */
void mote_experts(mote_run *r, uint32_t thread, const mote_model_layer *l, const mote_acts *in)
{
    route(r, thread, l, in);
    gate_up_all(r, thread, l, in);
    mote_end_stage(r, thread, l, MOTE_STAGE_HIDDEN);
    show_hidden(r, thread, l);
    add_all(r, thread, l);
}

#endif
