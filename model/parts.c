/* parts.c: the parts of a layer that not every model has, experts and latents: what their records
 * may say, their matrices, how large they make a session. Read model.c first; what is done with
 * them is in experts.c and latent.c. */
#include "model/bind.h"

#include "include/mote_error.h"

#if MOTE_EXPERTS
static mote_status bind_one(const mote_image *image, uint32_t place, uint32_t kind, uint32_t rows,
                            uint32_t k, mote_mat *out, uint32_t *n_bound, mote_error *err)
{
    mote_mats one = {0};
    mote_status s = mote_bind_mats(image, place, kind, 1, rows, k, &one, n_bound, err);
    *out = one.first;
    return s;
}

/* What experts.c can do; layers of another kind have nothing in these fields. */
mote_status mote_check_experts(const mote_layer *l, mote_error *err)
{
    const mote_status file = MOTE_ERR_FILE, other = MOTE_ERR_UNSUPPORTED;
    const uint32_t mlp_biases = MOTE_BIAS_GATE | MOTE_BIAS_UP | MOTE_BIAS_DOWN;
    uint32_t n = l->n_experts, used = l->n_experts_used, groups = l->n_groups;
    uint64_t all = (uint64_t)n + used + groups + l->n_groups_used + l->shared_ff + l->router;
    if (l->mlp != MOTE_MLP_EXPERTS) {
        MOTE_REQUIRE(!all && l->router_scale == 0.0f, file, "layer: experts in a layer without",
                     all, 0);
        return MOTE_OK;
    }
    MOTE_REQUIRE(n > 0 && n <= MOTE_MAX_EXPERTS, file, "layer: experts", n, MOTE_MAX_EXPERTS);
    MOTE_REQUIRE(groups > 0 && groups <= MOTE_MAX_EXPERT_GROUPS && n % groups == 0, file,
                 "layer: groups of experts", groups, n);
    MOTE_REQUIRE(l->n_groups_used > 0 && l->n_groups_used <= groups, file, "layer: groups used",
                 l->n_groups_used, groups);
    MOTE_REQUIRE(used > 0 && used <= n / (groups ? groups : 1) * l->n_groups_used, file,
                 "layer: experts used", used, n);
    MOTE_REQUIRE(l->shared_ff <= MOTE_MAX_DIM, file, "layer: shared expert's rows", l->shared_ff,
                 MOTE_MAX_DIM);
    MOTE_REQUIRE((l->router & ~(uint32_t)MOTE_ROUTER_ALL) == 0, other, "layer: router", l->router,
                 MOTE_ROUTER_ALL);
    MOTE_REQUIRE(l->shared_ff || !(l->router & MOTE_ROUTER_SHARED_MIX), file,
                 "layer: a factor without a shared expert", l->router, 0);
    MOTE_REQUIRE(mote_is_finite(l->router_scale), file, "layer: router scale", n, 0);
    MOTE_REQUIRE((l->biases & mlp_biases) == 0, other, "layer: biases of experts", l->biases, 0);
    MOTE_REQUIRE(l->act == MOTE_ACT_SILU, other, "layer: activation of experts", l->act,
                 MOTE_ACT_SILU);
    MOTE_REQUIRE(l->norm_place == MOTE_NORM_BEFORE, other, "layer: norm place of experts",
                 l->norm_place, 0);
    return MOTE_OK;
}

mote_status mote_bind_experts(const mote_image *image, uint32_t place, mote_model_layer *l,
                              uint32_t *n_bound, mote_error *err)
{
    const mote_layer *rec = l->rec;
    uint32_t hidden = image->index->hidden, n = rec->n_experts, ff = rec->ff;
    uint32_t shared = rec->shared_ff;
    mote_status s = bind_one(image, place, MOTE_L_ROUTER, n, hidden, &l->router, n_bound, err);
    if (!s)
        s = mote_bind_mats(image, place, MOTE_L_GATE, n, ff, hidden, &l->expert_gate, n_bound, err);
    if (!s)
        s = mote_bind_mats(image, place, MOTE_L_UP, n, ff, hidden, &l->expert_up, n_bound, err);
    if (!s)
        s = mote_bind_mats(image, place, MOTE_L_DOWN, n, hidden, ff, &l->expert_down, n_bound, err);
    if (!s && shared)
        s = bind_one(image, place, MOTE_L_SHARED_GATE, shared, hidden, &l->shared_gate, n_bound,
                     err);
    if (!s && shared)
        s = bind_one(image, place, MOTE_L_SHARED_UP, shared, hidden, &l->shared_up, n_bound, err);
    if (!s && shared)
        s = bind_one(image, place, MOTE_L_SHARED_DOWN, hidden, shared, &l->shared_down, n_bound,
                     err);
    if (!s && rec->router & MOTE_ROUTER_SHARED_MIX)
        s = bind_one(image, place, MOTE_L_SHARED_MIX, 1, hidden, &l->shared_mix, n_bound, err);
    bool f32 = l->router.type == MOTE_F32 && l->shared_mix.type == MOTE_F32;
    if (s || f32)
        return s;
    return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "type of the router (f32 is wanted)", "router",
                         l->router.type, MOTE_F32);
}

void mote_note_experts(mote_model *m, const mote_model_layer *l)
{
    /* The router's type does not count: its input has floats in any case (session.c). */
    const mote_mat *all[] = {&l->shared_gate,       &l->shared_up,       &l->shared_down,
                             &l->expert_gate.first, &l->expert_up.first, &l->expert_down.first};
    const mote_layer *r = l->rec;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mote_note_reads(m, all[i]);
    mote_grow(&m->max_ff, r->shared_ff);
    mote_grow(&m->max_experts, r->n_experts);
    mote_grow(&m->max_experts_used, r->n_experts_used);
    mote_grow(&m->max_expert_ff, r->ff);
    mote_grow(&m->max_width, r->n_experts); /* a thread's row holds a router's exponentials */
}
#endif

#if MOTE_LATENT
/* What latent.c can do; layers of another kind have nothing in these fields. */
mote_status mote_check_latent(const mote_layer *l, mote_error *err)
{
    const mote_status file = MOTE_ERR_FILE, other = MOTE_ERR_UNSUPPORTED;
    const uint32_t attn_biases = MOTE_BIAS_Q | MOTE_BIAS_K | MOTE_BIAS_V | MOTE_BIAS_O;
    uint64_t all = (uint64_t)l->q_rank + l->kv_rank + l->nope_dim + l->v_dim;
    uint64_t query = (uint64_t)l->nope_dim + l->rope_dim;
    if (l->attn != MOTE_ATTN_LATENT) {
        MOTE_REQUIRE(!all, file, "layer: latent sizes in a layer without", all, 0);
        return MOTE_OK;
    }
    MOTE_REQUIRE(l->n_kv_heads == 1, file, "layer: key/value heads of a latent", l->n_kv_heads, 1);
    MOTE_REQUIRE(l->rope && l->rope_dim < MOTE_MAX_HEAD_DIM && l->kv_rank && l->nope_dim &&
                     l->v_dim && (uint32_t)l->kv_rank + l->rope_dim == l->head_dim,
                 file, "layer: sizes of a latent", l->head_dim, (uint64_t)l->kv_rank + l->rope_dim);
    MOTE_REQUIRE(query * l->n_heads <= MOTE_MAX_DIM, file, "layer: rows of queries",
                 query * l->n_heads, MOTE_MAX_DIM);
    MOTE_REQUIRE((uint64_t)l->v_dim * l->n_heads <= MOTE_MAX_DIM, file, "layer: columns of values",
                 (uint64_t)l->v_dim * l->n_heads, MOTE_MAX_DIM);
    MOTE_REQUIRE((l->biases & attn_biases) == 0, other, "layer: biases of a latent", l->biases, 0);
    MOTE_REQUIRE(l->qk_norm == MOTE_QK_NORM_NONE, other, "layer: q/k norm of a latent", l->qk_norm,
                 0);
    return MOTE_OK;
}

mote_status mote_bind_latent(const mote_image *image, uint32_t place, mote_model_layer *l,
                             uint32_t *n_bound, mote_error *err)
{
    const mote_layer *rec = l->rec;
    uint32_t hidden = image->index->hidden, heads = rec->n_heads;
    mote_status s =
        bind_one(image, place, MOTE_L_KV_A, rec->head_dim, hidden, &l->kv_a, n_bound, err);
    if (!s && rec->q_rank)
        s = bind_one(image, place, MOTE_L_Q_A, rec->q_rank, hidden, &l->q_a, n_bound, err);
    if (!s)
        s = mote_bind_mats(image, place, MOTE_L_K_UP, heads, rec->kv_rank, rec->nope_dim, &l->k_up,
                           n_bound, err);
    if (!s)
        s = mote_bind_mats(image, place, MOTE_L_V_UP, heads, rec->v_dim, rec->kv_rank, &l->v_up,
                           n_bound, err);
    if (!s)
        s = mote_bind_vector(image, place, MOTE_L_KV_A_NORM, rec->kv_rank, &l->kv_a_norm, n_bound,
                             err);
    if (!s && rec->q_rank)
        s = mote_bind_vector(image, place, MOTE_L_Q_A_NORM, rec->q_rank, &l->q_a_norm, n_bound,
                             err);
    return s;
}

void mote_note_latent(mote_model *m, const mote_model_layer *l)
{
    const mote_mat *all[] = {&l->kv_a, &l->q_a, &l->k_up.first, &l->v_up.first};
    const mote_layer *r = l->rec;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mote_note_reads(m, all[i]);
    mote_grow(&m->max_kv_rank, r->kv_rank);
    mote_grow(&m->max_q_rank, r->q_rank);
    mote_grow(&m->max_latent_in, r->kv_rank > r->nope_dim ? r->kv_rank : r->nope_dim);
    mote_grow(&m->max_values, r->n_heads * r->v_dim);
    mote_grow(&m->max_width, m->max_values);
    mote_grow(&m->max_width, m->max_q_rank);
    mote_grow(&m->max_unit_rows, (uint32_t)mote_round_up(r->kv_rank, MOTE_TILE_ROWS));
    mote_grow(&m->max_unit_rows, (uint32_t)mote_round_up(r->v_dim, MOTE_TILE_ROWS));
}
#endif
