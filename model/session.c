/* session.c: one timeline: KV cache, position, scratch. Read model.h first.
 *
 * carve() lays a session out. Measured with a NULL base it gives the plan, run on memory it gives
 * the session: the two cannot differ.
 */
#include <string.h>

#include "include/mote_error.h"
#include "model/arena.h"
#include "model/model.h"

#if MOTE_FIXED_KERNELS && UINTPTR_MAX == UINT32_MAX && !MOTE_EXPERTS && !MOTE_LATENT
_Static_assert(sizeof(mote_model) == 384 && sizeof(mote_model_layer) == 264 &&
                   sizeof(mote_session) == 136 && sizeof(mote_kv_layer) == 32 &&
                   sizeof(mote_row) == 16 && sizeof(mote_thread_scratch) == 108,
               "mote_device.h tells other sizes");
#endif

#define MAX_BATCH 65536u
#define MAX_THREADS 1024u

static const size_t float_bytes = sizeof(float);
static const size_t value_bytes[] = {4, 2, 1}; /* by mote_kv */

/* Bytes of a key dimension rounded to what a tile of the type can hold. */
static size_t key_tile_bytes(mote_kv kv, size_t dim)
{
    if (kv == MOTE_KV_Q8)
        return mote_tile_bytes(MOTE_Q8, 32, mote_round_up(dim, 4));
    return mote_tile_bytes(kv == MOTE_KV_F16 ? MOTE_F16 : MOTE_F32, 0, dim);
}

static void carve_kv(mote_arena *a, mote_session *s)
{
    const mote_model *m = s->model;
    size_t n_ctx = s->opts.n_ctx, n_tiles = (n_ctx + MOTE_TILE_ROWS - 1) / MOTE_TILE_ROWS;
    for (uint32_t i = 0; i < m->index->n_layers; i++) {
        const mote_layer *r = ((const mote_layer *)(const void *)(m->index + 1)) + i;
        size_t heads = r->n_kv_heads, dim = r->head_dim, groups = (dim + 31) / 32;
        bool latent = mote_is_latent(r); /* values are a part of the keys */
        mote_kv_layer kv = {.k_tile_bytes = key_tile_bytes(s->opts.kv, dim)};
        kv.k_head_bytes = kv.k_tile_bytes * n_tiles;
        kv.v_row_bytes = dim * value_bytes[s->opts.kv];
        kv.v_head_bytes = mote_round_up(kv.v_row_bytes * n_ctx, MOTE_ALIGN);
        kv.v_head_scales = groups * n_ctx;
        kv.k = mote_take(a, heads, kv.k_head_bytes);
        if (!latent)
            kv.v = mote_take(a, heads, kv.v_head_bytes);
        if (!latent && s->opts.kv == MOTE_KV_Q8)
            kv.v_scales = mote_take(a, heads * kv.v_head_scales, sizeof(uint16_t));
        if (s->kv)
            s->kv[i] = kv;
    }
}

static mote_act_rows carve_forms(mote_arena *a, bool floats, bool codes, uint64_t rows, size_t k)
{
    mote_act_rows r = {.f32_stride = k,
                       .code_stride = mote_round_up(k, 64),
                       .group_stride = mote_round_up(k, 64) / 32};
    if (floats)
        r.f32 = mote_take(a, rows * k, float_bytes);
    if (codes) {
        r.codes = mote_take(a, rows, r.code_stride);
        r.scales = mote_take(a, rows * r.group_stride, float_bytes);
        r.sums = mote_take(a, rows * r.group_stride, sizeof(int32_t));
    }
    return r;
}

/* Rows of activations of width k in the forms this model reads. */
static mote_act_rows carve_acts(mote_arena *a, const mote_model *m, uint64_t rows, size_t k)
{
    return carve_forms(a, m->reads_floats, m->reads_codes, rows, k);
}

/* The same for what routers read too, which are f32 always. */
static mote_act_rows carve_input(mote_arena *a, const mote_model *m, uint64_t rows, size_t k)
{
    return carve_forms(a, m->reads_floats || m->max_experts, m->reads_codes, rows, k);
}

static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }
static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

static void carve_thread(mote_arena *a, const mote_session *s, mote_thread_scratch *t)
{
    const mote_model *m = s->model;
    uint32_t few = smaller(s->opts.n_batch, s->opts.n_threads > 1 ? MOTE_FEW_ROWS : 0);
    uint32_t width = m->max_width, dim = m->max_head_dim;
    uint32_t tokens = smaller(s->opts.n_batch, MOTE_PRODUCT_TOKENS);
    uint32_t rows = larger(m->max_unit_rows, MOTE_PRODUCT_ROWS);
    uint32_t queries = mote_query_rows(s);
    t->input = carve_input(a, m, few, width);
    t->row = mote_take(a, width, float_bytes);
    t->attended = mote_take(a, (uint64_t)few * m->max_q, float_bytes);
    for (size_t i = 0; i < 2; i++) {
        t->product[i] = mote_take(a, (uint64_t)tokens * rows, float_bytes);
        t->attn[i] = mote_take(a, (uint64_t)queries * dim, float_bytes);
    }
    t->queries = mote_take(a, (uint64_t)queries * dim, float_bytes);
    t->query_acts = (mote_act_rows){.f32_stride = dim,
                                    .code_stride = mote_round_up(dim, 64),
                                    .group_stride = mote_round_up(dim, 64) / 32};
    if (s->opts.kv == MOTE_KV_Q8) {
        t->query_acts.codes = mote_take(a, queries, t->query_acts.code_stride);
        t->query_acts.scales = mote_take(a, queries * t->query_acts.group_stride, float_bytes);
        t->query_acts.sums = mote_take(a, queries * t->query_acts.group_stride, sizeof(int32_t));
    }
    t->scores = mote_take(a, queries * mote_score_stride(s), float_bytes);
    t->attn_max = mote_take(a, 2 * (uint64_t)queries, float_bytes);
    t->attn_sum = mote_take(a, 2 * (uint64_t)queries, float_bytes);
    t->lo = mote_take(a, queries, sizeof(uint16_t));
    t->hi = mote_take(a, queries, sizeof(uint16_t));
#if MOTE_EXPERTS
    if (m->max_experts)
        t->gathered = carve_acts(a, m, tokens, m->index->hidden);
#endif
#if MOTE_LATENT
    if (m->max_kv_rank) {
        size_t groups = (m->max_kv_rank + 31) / 32;
        t->head = carve_acts(a, m, tokens, m->max_latent_in);
        t->latents = mote_take(a, (uint64_t)MOTE_BLOCK * m->max_kv_rank, value_bytes[s->opts.kv]);
        if (s->opts.kv == MOTE_KV_Q8)
            t->latent_scales = mote_take(a, MOTE_BLOCK * groups, sizeof(uint16_t));
    }
#endif
}

#if MOTE_EXPERTS
/* What experts.c needs for `rows` rows. */
static void carve_routes(mote_arena *a, const mote_model *m, mote_routes *to, uint64_t rows)
{
    uint64_t choices = rows * m->max_experts_used;
    if (!m->max_experts)
        return;
    to->stride = mote_round_up(m->max_experts, MOTE_TILE_ROWS);
    to->logits = mote_take(a, rows * to->stride, float_bytes);
    to->mix = mote_take(a, rows * MOTE_TILE_ROWS, float_bytes);
    to->expert = mote_take(a, choices, sizeof *to->expert);
    to->weight = mote_take(a, choices, float_bytes);
    to->order = mote_take(a, choices, sizeof *to->order);
    to->starts = mote_take(a, (uint64_t)m->max_experts + 1, sizeof *to->starts);
    to->sums = mote_take(a, rows * m->index->hidden, float_bytes);
    to->hidden = carve_acts(a, m, choices, m->max_expert_ff);
}
#endif

void mote_carve_records(mote_arena *a, mote_session *s)
{
    s->rows = mote_take(a, s->opts.n_batch, sizeof *s->rows);
    s->threads = mote_take(a, s->opts.n_batch ? s->opts.n_threads : 0, sizeof *s->threads);
}

void mote_carve_threads(mote_arena *a, mote_session *s)
{
    for (uint32_t i = 0; s->opts.n_batch && i < s->opts.n_threads; i++) {
        mote_thread_scratch measured, *own = s->threads ? &s->threads[i] : &measured;
        memset(own, 0, sizeof *own);
        carve_thread(a, s, own);
    }
}

void mote_carve_shared(mote_arena *a, mote_session *s)
{
    const mote_model *m = s->model;
    uint64_t b = s->opts.n_batch, blocks = (s->opts.n_ctx + MOTE_BLOCK - 1) / MOTE_BLOCK;
    uint64_t few = smaller(s->opts.n_batch, s->opts.n_threads > 1 ? MOTE_FEW_ROWS : 0);
    if (!b)
        return;
    s->x = mote_take(a, b * m->index->hidden, float_bytes);
    s->q = mote_take(a, b * m->max_q, float_bytes);
    if (m->has_whole_norm)
        s->k = mote_take(a, b * m->max_kv, float_bytes);
    if (m->has_post_norm)
        s->branch = mote_take(a, b * m->index->hidden, float_bytes);
    s->input = carve_input(a, m, b, m->max_width);
    s->mlp = carve_acts(a, m, b, m->max_ff);
    s->rope_cos = mote_take(a, b * m->n_rope * m->max_rope_half, float_bytes);
    s->rope_sin = mote_take(a, b * m->n_rope * m->max_rope_half, float_bytes);
#if MOTE_EXPERTS
    carve_routes(a, m, &s->routes, b);
#endif
#if MOTE_LATENT
    if (m->max_kv_rank) {
        s->latent = mote_take(a, b * mote_round_up(m->max_head_dim, MOTE_TILE_ROWS), float_bytes);
        s->q_latent = mote_take(a, b * mote_round_up(m->max_q_rank, MOTE_TILE_ROWS), float_bytes);
        s->values = mote_take(a, b * m->max_values, float_bytes);
    }
#endif
    s->partial = mote_take(a, few * m->max_heads * blocks, (m->max_head_dim + 2) * float_bytes);
}

/* Everything a session is; fills the plan as it goes. proto has model and opts set. A single
 * thread's own scratch and the logits share memory: one is done with before the other begins. */
static mote_session *carve(mote_arena *a, const mote_session *proto, mote_session_plan *plan)
{
    mote_session measured = *proto;
    mote_session *made = mote_take(a, 1, sizeof *made), *s = made ? made : &measured;
    *s = *proto;
    s->kv = mote_take(a, s->model->index->n_layers, sizeof *s->kv);
    mote_carve_records(a, s);
    plan->state_bytes = a->used;
    carve_kv(a, s);
    plan->kv_bytes = a->used - plan->state_bytes;
    mote_carve_shared(a, s);
    uint64_t shared = a->used, end;
    mote_carve_threads(a, s);
    end = a->used;
    if (s->opts.n_threads == 1)
        a->used = shared;
    plan->logits_bytes = a->used;
    s->logits_stride = mote_round_up(s->model->index->n_vocab, MOTE_TILE_ROWS);
    if (s->opts.n_batch)
        s->logits = mote_take(a, (uint64_t)s->opts.n_logits * s->logits_stride, float_bytes);
    plan->logits_bytes = a->used - plan->logits_bytes;
    a->used = a->used > end ? a->used : end;
    plan->total_bytes = a->used;
    plan->scratch_bytes = a->used - plan->state_bytes - plan->kv_bytes - plan->logits_bytes;
    return made;
}

static mote_status check(const mote_model *m, const mote_session_opts *o, mote_error *err)
{
    const mote_status limit = MOTE_ERR_LIMIT;
    if (m->index->pooling)
        return mote_fail(err, MOTE_ERR_UNSUPPORTED,
                         "an encoder: it makes embeddings or scores, not text", NULL);
    if (!o->n_ctx || o->n_ctx > m->index->n_ctx)
        return mote_fail_got(err, limit, "context length", NULL, o->n_ctx, m->index->n_ctx);
    if (!MOTE_KV_FLOAT && o->kv != MOTE_KV_Q8)
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "this build has q8 keys and values only", NULL);
    if ((unsigned)o->kv > MOTE_KV_Q8)
        return mote_fail_got(err, limit, "KV type", NULL, (uint64_t)o->kv, MOTE_KV_Q8);
    if (o->n_batch > MAX_BATCH)
        return mote_fail_got(err, limit, "rows of a batch", NULL, o->n_batch, MAX_BATCH);
    if (o->n_batch && (!o->n_logits || o->n_logits > o->n_batch))
        return mote_fail_got(err, limit, "rows with logits", NULL, o->n_logits, o->n_batch);
    if (!MOTE_THREADS && o->n_threads > 1)
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "this build has one thread", NULL);
    if (!o->n_threads || o->n_threads > MAX_THREADS)
        return mote_fail_got(err, limit, "threads", NULL, o->n_threads, MAX_THREADS);
    return MOTE_OK;
}

mote_status mote_session_plan_bytes(mote_session_plan *plan, const mote_model *model,
                                    const mote_session_opts *opts, mote_error *err)
{
    mote_arena a = {0};
    mote_session proto = {.model = model, .opts = *opts};
    memset(plan, 0, sizeof *plan);
    mote_status s = check(model, opts, err);
    if (s)
        return s;
    carve(&a, &proto, plan);
    if (a.overflow || plan->total_bytes > SIZE_MAX)
        return mote_fail(err, MOTE_ERR_MEMORY, "the session is larger than the address space",
                         NULL);
    return MOTE_OK;
}

/* Does a session of this many positions turn by the tables for long ones? */
static bool is_long(const mote_model *m, uint32_t n_positions)
{
    return m->index->rope_long_from && n_positions > m->index->rope_long_from;
}

mote_status mote_session_init(mote_session **out, void *mem, size_t mem_bytes,
                              const mote_model *model, const mote_session_opts *opts,
                              mote_error *err)
{
    mote_session_plan plan;
    mote_arena a = {.base = mem};
    mote_session proto = {.model = model, .opts = *opts};
    proto.long_rope = is_long(model, opts->n_ctx);
    *out = NULL;
    mote_status s = mote_session_plan_bytes(&plan, model, opts, err);
    if (s)
        return s;
    if (mem_bytes < plan.total_bytes || (uintptr_t)mem % MOTE_ALIGN)
        return mote_fail_got(err, MOTE_ERR_MEMORY, "memory for the session", NULL, mem_bytes,
                             plan.total_bytes);
    *out = carve(&a, &proto, &plan);
    return MOTE_OK;
}

uint32_t mote_session_length(const mote_session *s) { return s->length; }

uint32_t mote_session_capacity(const mote_session *s) { return s->opts.n_ctx; }

void mote_session_announce(mote_session *s, uint32_t n_positions)
{
    if (is_long(s->model, n_positions) == s->long_rope)
        return;
    s->long_rope = !s->long_rope;
    s->length = 0;
}

void mote_session_rewind(mote_session *s, uint32_t length)
{
    if (length < s->length)
        s->length = length;
}

float *mote_session_logits(mote_session *s, size_t i) { return s->logits + i * s->logits_stride; }
