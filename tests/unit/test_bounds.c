/* test_bounds.c: the numbers of a model's records at their limits and one past them, and what the
 * model is refused for: a number at its limit is passed on to the check behind it, whose reason
 * differs. Also the limits of sessions and samplers. Read loader/image.c and check_layer() of
 * model/model.c first. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "model/bind.h"
#include "tests/unit/test.h"
#include "tests/unit/tiny.h"

enum { DENSE, EXPERTS, LATENT, ENCODER, BASES };

typedef struct change {
    int base;
    enum { INDEX, LAYER, TENSOR } of; /* layer 1, the first tensor */
    size_t at, bytes;
    uint64_t value;
    const char *what; /* NULL: it is taken */
} change;

#define IN(type, field) offsetof(type, field), sizeof((type *)0)->field
#define X(base, field, value, what)                                                                \
    {                                                                                              \
        base, INDEX, IN(mote_index, field), value, what                                            \
    }
#define L(base, field, value, what)                                                                \
    {                                                                                              \
        base, LAYER, IN(mote_layer, field), value, what                                            \
    }
#define T(base, field, value, what)                                                                \
    {                                                                                              \
        base, TENSOR, IN(mote_tensor, field), value, what                                          \
    }
#define NAN_BITS 0x7fc00000

static const change changes[] = {
    X(DENSE, n_layers, MOTE_MAX_LAYERS, "the strings do not follow the records"),
    X(DENSE, n_layers, MOTE_MAX_LAYERS + 1, "too many layers"),
    X(DENSE, n_tensors, MOTE_MAX_TENSORS, "the strings do not follow the records"),
    X(DENSE, n_tensors, MOTE_MAX_TENSORS + 1, "too many tensors"),
    X(DENSE, n_vocab, 1u << 24, "wrong number of rows"),
    X(DENSE, n_vocab, (1u << 24) + 1, "size of the vocabulary"),
    X(DENSE, n_vocab, 80, NULL),
    X(DENSE, n_vocab, 81, "wrong number of rows"),
    X(DENSE, n_vocab, 79, "wrong number of rows"),
    X(DENSE, hidden, 0, "hidden size"),
    X(DENSE, hidden, 1, "wrong number of columns"),
    X(DENSE, hidden, 1u << 24, "wrong number of columns"),
    X(DENSE, hidden, (1u << 24) + 1, "hidden size"),
    X(DENSE, n_ctx, 0, "context"),
    X(DENSE, n_ctx, 1, NULL),
    X(DENSE, n_ctx, MOTE_MAX_CONTEXT, NULL),
    X(DENSE, n_ctx, MOTE_MAX_CONTEXT + 1, "context"),
    X(DENSE, final_norm, 0, "final norm kind"),
    X(DENSE, final_norm, 1, NULL),
    X(DENSE, final_norm, 2, "the vector is missing"),
    X(DENSE, final_norm, 3, "final norm kind"),
    X(DENSE, n_rope, 8, "the vector is missing"),
    X(DENSE, n_rope, 9, "rope tables"),
    X(DENSE, n_rope, 0, "layer: rope table"),
    X(DENSE, n_rope, 2, "the vector is missing"),
    X(DENSE, n_end_ids, 16, NULL),
    X(DENSE, n_end_ids, 17, "too many end tokens"),
    X(DENSE, end_ids[0], 79, NULL),
    X(DENSE, end_ids[0], 80, "an end token lies outside the vocabulary"),
    X(DENSE, end_ids[0], 0, NULL),
    X(DENSE, bos_id, 79, NULL),
    X(DENSE, bos_id, 80, "the begin token lies outside the vocabulary"),
    X(DENSE, bos_id, 0, NULL),
    X(DENSE, bos_id, 0xffffffff, NULL),
    X(DENSE, bos_id, 0xfffffffe, "the begin token lies outside the vocabulary"),
    X(DENSE, final_norm_eps, 0x7f7fffff, NULL),
    X(DENSE, final_norm_eps, 0x7f800000, "a number of the index is not finite"),
    X(DENSE, final_norm_eps, 0xff800000, "a number of the index is not finite"),
    X(DENSE, final_norm_eps, NAN_BITS, "a number of the index is not finite"),
    X(DENSE, embed_scale, 0x7f7fffff, NULL),
    X(DENSE, embed_scale, 0x7f800000, "a number of the index is not finite"),
    X(DENSE, embed_scale, 0xff800000, "a number of the index is not finite"),
    X(DENSE, embed_scale, NAN_BITS, "a number of the index is not finite"),
    X(DENSE, logit_scale, 0x7f7fffff, NULL),
    X(DENSE, logit_scale, 0x7f800000, "a number of the index is not finite"),
    X(DENSE, logit_scale, 0xff800000, "a number of the index is not finite"),
    X(DENSE, logit_scale, NAN_BITS, "a number of the index is not finite"),
    X(DENSE, logit_softcap, 0x7f7fffff, NULL),
    X(DENSE, logit_softcap, 0x7f800000, "a number of the index is not finite"),
    X(DENSE, logit_softcap, 0xff800000, "a number of the index is not finite"),
    X(DENSE, logit_softcap, NAN_BITS, "a number of the index is not finite"),
    X(DENSE, strings[1].at, 0, NULL),
    X(DENSE, strings[1].at, 1 << 20, "a text lies outside the strings"),
    X(DENSE, pooling, 1, "longest text"),
    X(DENSE, normalize, 1, "fields of an encoder in a model that is none"),
    X(DENSE, max_tokens, 1, "fields of an encoder in a model that is none"),
    X(DENSE, n_types, 1, "fields of an encoder in a model that is none"),
    X(DENSE, n_labels, 1, "fields of an encoder in a model that is none"),
    X(DENSE, pair_joins, 1, "fields of an encoder in a model that is none"),
    X(DENSE, rope_long_from, 1, NULL),
    X(DENSE, flags, 0, NULL),
    X(DENSE, flags, 1, "unknown flags"),
    L(DENSE, attn, 0, "layer: attention kind"),
    L(DENSE, attn, 1, NULL),
    L(DENSE, attn, 2, "layer: key/value heads of a latent"),
    L(DENSE, attn, 3, "layer: attention kind"),
    L(DENSE, qk_norm, 2, "the vector is missing"),
    L(DENSE, qk_norm, 3, "layer: q/k norm kind"),
    L(DENSE, norm, 0, "layer: norm kind"),
    L(DENSE, norm, 1, NULL),
    L(DENSE, norm, 2, "the vector is missing"),
    L(DENSE, norm, 3, "layer: norm kind"),
    L(DENSE, norm_place, 2, "the vector is missing"),
    L(DENSE, norm_place, 3, "layer: norm place"),
    L(DENSE, mlp, 0, "layer: MLP kind"),
    L(DENSE, mlp, 1, NULL),
    L(DENSE, mlp, 2, "layer: activation"),
    L(DENSE, mlp, 3, "layer: experts"),
    L(DENSE, mlp, 4, "layer: MLP kind"),
    L(DENSE, act, 0, "layer: activation"),
    L(DENSE, act, 1, NULL),
    L(DENSE, act, 2, NULL),
    L(DENSE, act, 3, NULL),
    L(DENSE, act, 4, "layer: activation"),
    L(DENSE, biases, 127, "the vector is missing"),
    L(DENSE, biases, 128, "layer: biases"),
    L(DENSE, n_heads, 0, "layer: heads"),
    L(DENSE, n_heads, 1, "layer: key/value heads"),
    L(DENSE, n_heads, 2, "wrong number of rows"),
    L(DENSE, n_heads, 3, "layer: key/value heads"),
    L(DENSE, n_heads, 1u << 24, "layer: heads times head size"),
    L(DENSE, n_heads, (1u << 24) + 1, "layer: heads"),
    L(DENSE, n_kv_heads, 0, "layer: key/value heads"),
    L(DENSE, n_kv_heads, 1, "wrong number of rows"),
    L(DENSE, n_kv_heads, 2, NULL),
    L(DENSE, n_kv_heads, 3, "layer: key/value heads"),
    L(DENSE, n_kv_heads, 4, "wrong number of rows"),
    L(DENSE, n_kv_heads, 5, "layer: key/value heads"),
    L(DENSE, head_dim, 0, "layer: head size"),
    L(DENSE, head_dim, 1, "layer: head size"),
    L(DENSE, head_dim, 2, "layer: rotary dimensions"),
    L(DENSE, head_dim, 15, "layer: head size"),
    L(DENSE, head_dim, MOTE_MAX_HEAD_DIM, "wrong number of rows"),
    L(DENSE, head_dim, MOTE_MAX_HEAD_DIM + 2, "layer: head size"),
    L(DENSE, rope, 0, NULL),
    L(DENSE, rope, 1, NULL),
    L(DENSE, rope, 2, "layer: rope table"),
    L(DENSE, rope_long, 1, "positions before the long rope table"),
    L(DENSE, rope_long, 2, "layer: long rope table"),
    L(DENSE, rope_dim, 0, "layer: rotary dimensions"),
    L(DENSE, rope_dim, 2, "layers do not agree on a rope table"),
    L(DENSE, rope_dim, 15, "layer: rotary dimensions"),
    L(DENSE, rope_dim, 16, NULL),
    L(DENSE, rope_dim, 18, "layer: rotary dimensions"),
    L(DENSE, ff, 0, "layer: MLP rows"),
    L(DENSE, ff, 1, "wrong number of rows"),
    L(DENSE, ff, 1u << 24, "wrong number of rows"),
    L(DENSE, ff, (1u << 24) + 1, "layer: MLP rows"),
    L(DENSE, norm_eps, 0x80000000, NULL),
    L(DENSE, norm_eps, 0, NULL),
    L(DENSE, norm_eps, 0x00000001, NULL),
    L(DENSE, norm_eps, 0x80000001, "layer: norm epsilon"),
    L(DENSE, norm_eps, 0x7f7fffff, NULL),
    L(DENSE, norm_eps, NAN_BITS, "a number of a layer is not finite"),
    L(DENSE, norm_eps, 0x7f800000, "a number of a layer is not finite"),
    L(DENSE, attn_softcap, 0x80000000, NULL),
    L(DENSE, attn_softcap, 0, NULL),
    L(DENSE, attn_softcap, 0x00000001, NULL),
    L(DENSE, attn_softcap, 0x80000001, "layer: soft cap"),
    L(DENSE, attn_softcap, 0x7f7fffff, NULL),
    L(DENSE, attn_softcap, NAN_BITS, "a number of a layer is not finite"),
    L(DENSE, attn_softcap, 0x7f800000, "a number of a layer is not finite"),
    L(DENSE, attn_scale, 0xff7fffff, NULL),
    L(DENSE, attn_scale, NAN_BITS, "a number of a layer is not finite"),
    L(DENSE, attn_scale, 0xff800000, "a number of a layer is not finite"),
    L(DENSE, rope_scale, 0xff7fffff, "layers do not agree on a rope table"),
    L(DENSE, rope_scale, NAN_BITS, "a number of a layer is not finite"),
    L(DENSE, rope_scale, 0xff800000, "a number of a layer is not finite"),
    L(DENSE, router_scale, 0xff7fffff, "layer: experts in a layer without"),
    L(DENSE, router_scale, NAN_BITS, "a number of a layer is not finite"),
    L(DENSE, router_scale, 0xff800000, "a number of a layer is not finite"),
    L(DENSE, q_rank, 1, "layer: latent sizes in a layer without"),
    L(DENSE, kv_rank, 1, "layer: latent sizes in a layer without"),
    L(DENSE, nope_dim, 1, "layer: latent sizes in a layer without"),
    L(DENSE, v_dim, 1, "layer: latent sizes in a layer without"),
    L(EXPERTS, n_experts, 0, "layer: experts"),
    L(EXPERTS, n_experts, MOTE_MAX_EXPERTS, "wrong number of rows"),
    L(EXPERTS, n_experts, MOTE_MAX_EXPERTS + 1, "layer: experts"),
    L(EXPERTS, n_groups, 0, "layer: groups of experts"),
    L(EXPERTS, n_groups, 1, NULL),
    L(EXPERTS, n_groups, 2, NULL),
    L(EXPERTS, n_groups, 4, "layer: groups of experts"),
    L(EXPERTS, n_groups, 6, "layer: experts used"),
    L(EXPERTS, n_groups, MOTE_MAX_EXPERT_GROUPS, "layer: groups of experts"),
    L(EXPERTS, n_groups, MOTE_MAX_EXPERT_GROUPS + 1, "layer: groups of experts"),
    L(EXPERTS, n_groups_used, 0, "layer: groups used"),
    L(EXPERTS, n_groups_used, 1, NULL),
    L(EXPERTS, n_groups_used, 2, "layer: groups used"),
    L(EXPERTS, n_experts_used, 0, "layer: experts used"),
    L(EXPERTS, n_experts_used, 1, NULL),
    L(EXPERTS, n_experts_used, 6, NULL),
    L(EXPERTS, n_experts_used, 7, "layer: experts used"),
    L(EXPERTS, shared_ff, 1u << 24, "wrong number of rows"),
    L(EXPERTS, shared_ff, (1u << 24) + 1, "layer: shared expert's rows"),
    L(EXPERTS, shared_ff, 0, "layer: a factor without a shared expert"),
    L(EXPERTS, router, 3, NULL),
    L(EXPERTS, router, 4, "layer: router"),
    L(EXPERTS, router, 0, "tensors that the graph does not use"),
    L(EXPERTS, act, 2, "layer: activation of experts"),
    L(EXPERTS, norm_place, 1, "layer: norm place of experts"),
    L(EXPERTS, biases, 8, "the vector is missing"),
    L(EXPERTS, biases, 16, "layer: biases of experts"),
    L(EXPERTS, biases, 32, "layer: biases of experts"),
    L(EXPERTS, biases, 64, "layer: biases of experts"),
    L(EXPERTS, router_scale, NAN_BITS, "a number of a layer is not finite"),
    L(LATENT, n_kv_heads, 0, "layer: key/value heads"),
    L(LATENT, n_kv_heads, 1, NULL),
    L(LATENT, n_kv_heads, 2, "layer: key/value heads of a latent"),
    L(LATENT, rope, 0, "layer: sizes of a latent"),
    L(LATENT, rope_dim, 0, "layer: rotary dimensions"),
    L(LATENT, rope_dim, MOTE_MAX_HEAD_DIM, "layer: rotary dimensions"),
    L(LATENT, kv_rank, 0, "layer: sizes of a latent"),
    L(LATENT, nope_dim, 0, "layer: sizes of a latent"),
    L(LATENT, nope_dim, 65535, "wrong number of rows"),
    L(LATENT, v_dim, 0, "layer: sizes of a latent"),
    L(LATENT, v_dim, 65535, "wrong number of columns"),
    L(LATENT, biases, 1, "layer: biases of a latent"),
    L(LATENT, biases, 2, "layer: biases of a latent"),
    L(LATENT, biases, 4, "layer: biases of a latent"),
    L(LATENT, biases, 8, "layer: biases of a latent"),
    L(LATENT, qk_norm, 1, "layer: q/k norm of a latent"),
    L(LATENT, attn_softcap, 0x3f800000, NULL),
    L(LATENT, q_rank, 0, "wrong number of columns"),
    L(LATENT, q_rank, 65535, "wrong number of columns"),
    L(LATENT, window, 1, NULL),
    L(LATENT, n_heads, 1, "wrong number of rows"),
    L(LATENT, n_heads, 1 << 20, "layer: heads times head size"),
    X(ENCODER, pooling, 1, NULL),
    X(ENCODER, pooling, 2, NULL),
    X(ENCODER, pooling, 3, "labels"),
    X(ENCODER, pooling, 4, "pooling"),
    X(ENCODER, pooling, 5, "pooling"),
    X(ENCODER, pooling, 6, "pooling"),
    X(ENCODER, pooling, 0, "fields of an encoder in a model that is none"),
    X(ENCODER, max_tokens, 0, "longest text"),
    X(ENCODER, max_tokens, 1, NULL),
    X(ENCODER, max_tokens, 400, NULL),
    X(ENCODER, max_tokens, 512, NULL),
    X(ENCODER, max_tokens, 513, "longest text"),
    X(ENCODER, n_types, 0, "token types"),
    X(ENCODER, n_types, 1, "wrong number of rows"),
    X(ENCODER, n_types, 2, NULL),
    X(ENCODER, n_types, 3, "wrong number of rows"),
    X(ENCODER, n_labels, 0, NULL),
    X(ENCODER, n_labels, 3, "labels"),
    X(ENCODER, n_labels, 4, "labels"),
    X(ENCODER, normalize, 0, NULL),
    X(ENCODER, normalize, 1, NULL),
    X(ENCODER, normalize, 2, "normalisation"),
    X(ENCODER, pair_joins, 0, NULL),
    X(ENCODER, pair_joins, 1, NULL),
    X(ENCODER, pair_joins, 2, NULL),
    X(ENCODER, pair_joins, 3, NULL),
    X(ENCODER, pair_joins, 16, NULL),
    X(ENCODER, pair_joins, 17, "joins of a pair"),
    X(ENCODER, n_ctx, 1, "longest text"),
    X(ENCODER, n_ctx, 399, "longest text"),
    X(ENCODER, n_ctx, 400, "wrong number of rows"),
    L(ENCODER, attn, 1, "layer: attention kind"),
    L(ENCODER, attn, 3, NULL),
    L(ENCODER, rope, 1, "layer: rotary positions or window"),
    L(ENCODER, window, 1, "layer: rotary positions or window"),
    L(ENCODER, norm_place, 0, "layer: norm place"),
    L(ENCODER, norm_place, 3, NULL),
    L(ENCODER, mlp, 3, "layer: experts"),
    T(DENSE, place, 2, "unknown kind of tensor"),
    T(DENSE, place, 3, "a tensor of a layer that is not there"),
    T(DENSE, kind, 0, "unknown kind of tensor"),
    T(DENSE, kind, 0xffffffff, "unknown kind of tensor"),
    T(DENSE, shape, 2, NULL),
    T(DENSE, shape, 3, "unknown shape"),
    T(DENSE, shape, 4, "unknown shape"),
    T(DENSE, type, 5, "wrong group for the type"),
    T(DENSE, type, 6, "wrong group for the type"),
    T(DENSE, type, 7, "unknown weight type"),
    T(DENSE, type, 8, "unknown weight type"),
    T(DENSE, type, 9, "unknown weight type"),
    T(DENSE, rows, 0, "number of rows"),
    T(DENSE, rows, 79, "wrong number of rows"),
    T(DENSE, rows, 80, NULL),
    T(DENSE, rows, 81, "bytes do not make whole tiles"),
    T(DENSE, rows, 96, "bytes do not make whole tiles"),
    T(DENSE, rows, 1u << 24, "bytes do not make whole tiles"),
    T(DENSE, rows, (1u << 24) + 1, "number of rows"),
    T(DENSE, k, 0, "number of columns"),
    T(DENSE, k, 1u << 24, "wrong number of columns"),
    T(DENSE, k, (1u << 24) + 1, "number of columns"),
    T(DENSE, n_mats, 0, "number of matrices"),
    T(DENSE, n_mats, 1, NULL),
    T(DENSE, n_mats, 2, "wrong number of matrices"),
    T(DENSE, n_mats, 1u << 24, "bytes do not make whole tiles"),
    T(DENSE, n_mats, (1u << 24) + 1, "number of matrices"),
    T(DENSE, bytes, 64, "bytes do not make whole tiles"),
    T(DENSE, bytes, 1ull << 63, "bytes do not make whole tiles"),
    T(DENSE, group, 1, "wrong group for the type"),
    T(DENSE, group, 32, "wrong group for the type"),
    T(DENSE, reserved, 1, "reserved bytes of the tensor are not zero"),
};

static tiny_opts options(int base)
{
    return base == EXPERTS   ? tiny_experts()
           : base == LATENT  ? tiny_latent()
           : base == ENCODER ? tiny_encoder(MOTE_POOL_MEAN)
                             : tiny_defaults();
}

/* What the file with this change is refused for; NULL: nothing. */
static const char *refusal(const change *c)
{
    size_t bytes;
    tiny_opts o = options(c->base);
    uint8_t *file = tiny_image(&o, &bytes);
    mote_image image;
    mote_error err = {0};
    uint8_t *record = c->of == INDEX   ? (uint8_t *)tiny_index(file)
                      : c->of == LAYER ? (uint8_t *)tiny_layer(file, 1)
                                       : (uint8_t *)tiny_tensor(file, 0);
    uint32_t index_bytes = tiny_index(file)->index_bytes;
    memcpy(record + c->at, &c->value, c->bytes < 8 ? c->bytes : 8);
    if (tiny_index(file)->index_bytes == index_bytes)
        tiny_reseal(file);
    bool taken = !mote_image_open(&image, file, bytes, &err) && mote_model_bytes(&image, &err) > 0;
    free(file);
    return taken ? NULL : err.what;
}

TEST(numbers_of_records_are_refused_one_past_their_limits)
{
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const char *got = refusal(&changes[i]), *want = changes[i].what;
        bool same = got && want ? !strcmp(got, want) : got == want;
        if (!CHECK(same))
            printf("  change %zu: %s\n", i, got ? got : "NULL");
    }
}

/* Two numbers of a latent, each within its own limit: their products have limits too. */
TEST(products_of_latent_sizes_are_refused_one_past_their_limits)
{
    static const struct {
        uint16_t nope_dim, v_dim;
        uint32_t n_heads;
        const char *what;
    } cases[] = {
        {65535 - 15, 1, 256, "wrong number of rows"}, /* with what turns, 2^24 rows of queries */
        {65535 - 14, 1, 256, "layer: rows of queries"},
        {1, 32768, 512, "wrong number of rows"},
        {1, 32769, 512, "layer: columns of values"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t bytes;
        tiny_opts o = tiny_latent();
        uint8_t *file = tiny_image(&o, &bytes);
        mote_layer *l = tiny_layer(file, 1);
        mote_image image;
        mote_error err = {0};
        l->nope_dim = (uint16_t)(cases[i].nope_dim + 16 - l->rope_dim);
        l->v_dim = cases[i].v_dim;
        l->n_heads = cases[i].n_heads;
        tiny_reseal(file);
        bool taken = !mote_image_open(&image, file, bytes, &err) && mote_model_bytes(&image, &err);
        if (!CHECK(!taken && !strcmp(err.what, cases[i].what)))
            printf("  case %zu: %s\n", i, err.what);
        free(file);
    }
}

/* ---- sessions ------------------------------------------------------------------------------- */

TEST(options_of_sessions_are_refused_one_past_their_limits)
{
    static const struct {
        mote_session_opts o; /* context, KV type, rows, rows with logits, threads */
        const char *what;
    } cases[] = {
        {{0, MOTE_KV_F16, 1, 1, 1}, "context length"},
        {{1, MOTE_KV_F16, 1, 1, 1}, NULL},
        {{512, MOTE_KV_F16, 1, 1, 1}, NULL},
        {{513, MOTE_KV_F16, 1, 1, 1}, "context length"},
        {{8, MOTE_KV_Q8, 1, 1, 1}, NULL},
        {{8, (mote_kv)(MOTE_KV_Q8 + 1), 1, 1, 1}, "KV type"},
        {{8, (mote_kv)-1, 1, 1, 1}, "KV type"},
        {{8, MOTE_KV_F16, 65536, 1, 1}, NULL},
        {{8, MOTE_KV_F16, 65537, 1, 1}, "rows of a batch"},
        {{8, MOTE_KV_F16, 0, 0, 1}, NULL},
        {{8, MOTE_KV_F16, 4, 0, 1}, "rows with logits"},
        {{8, MOTE_KV_F16, 4, 4, 1}, NULL},
        {{8, MOTE_KV_F16, 4, 5, 1}, "rows with logits"},
        {{8, MOTE_KV_F16, 1, 1, 0}, "threads"},
        {{8, MOTE_KV_F16, 1, 1, 1024}, NULL},
        {{8, MOTE_KV_F16, 1, 1, 1025}, "threads"},
    };
    tiny_opts to = tiny_defaults();
    tiny_model t;
    REQUIRE(tiny_open(&t, &to, NULL));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mote_session_plan plan;
        mote_error err = {0};
        mote_status s = mote_session_plan_bytes(&plan, t.model, &cases[i].o, &err);
        bool ok = cases[i].what ? s == MOTE_ERR_LIMIT && !strcmp(err.what, cases[i].what) : !s;
        if (!CHECK(ok))
            printf("  case %zu: %d\n", i, (int)s);
    }
    tiny_close(&t);
}

TEST(sessions_and_models_fit_their_memory_exactly)
{
    tiny_opts to = tiny_defaults();
    tiny_model t;
    mote_session_opts o = {16, MOTE_KV_F16, 4, 2, 2};
    mote_session_plan plan;
    mote_session *s;
    mote_model *m;
    mote_error err;
    REQUIRE(tiny_open(&t, &to, NULL));
    REQUIRE(!mote_session_plan_bytes(&plan, t.model, &o, &err));
    size_t bytes = (size_t)plan.total_bytes, model = mote_model_bytes(&t.image, &err);
    size_t room = (bytes > model ? bytes : model) + 64;
    char *mem = aligned_alloc(64, (room + 63) / 64 * 64);
    CHECK(plan.total_bytes ==
          plan.state_bytes + plan.kv_bytes + plan.logits_bytes + plan.scratch_bytes);
    CHECK(mote_session_init(&s, mem, bytes - 1, t.model, &o, &err) == MOTE_ERR_MEMORY && !s);
    CHECK(err.got == bytes - 1 && err.wanted == bytes);
    CHECK(mote_session_init(&s, mem + 32, bytes, t.model, &o, &err) == MOTE_ERR_MEMORY && !s);
    CHECK(!mote_session_init(&s, mem, bytes, t.model, &o, &err) && s);
    CHECK(mote_session_length(s) == 0 && mote_session_capacity(s) == 16);
    CHECK(mote_model_init(&m, mem, model - 1, &t.image, NULL, &err) == MOTE_ERR_MEMORY && !m);
    CHECK(mote_model_init(&m, mem + 32, model, &t.image, NULL, &err) == MOTE_ERR_MEMORY && !m);
    CHECK(!mote_model_init(&m, mem, model, &t.image, NULL, &err) && m);
    free(mem);
    tiny_close(&t);
}

/* ---- samplers ------------------------------------------------------------------------------- */

TEST(numbers_of_samplers_are_refused_one_past_their_limits)
{
    static const struct {
        size_t at;
        float low, high;
    } ranges[] = {
        {offsetof(mote_sampler_opts, temperature), -1e6f, 1e6f},
        {offsetof(mote_sampler_opts, top_p), 0.0f, 1e6f},
        {offsetof(mote_sampler_opts, min_p), -1e6f, 1.0f},
        {offsetof(mote_sampler_opts, repeat_penalty), 1e-3f, 1e3f},
        {offsetof(mote_sampler_opts, presence_penalty), -1e3f, 1e3f},
        {offsetof(mote_sampler_opts, frequency_penalty), -1e3f, 1e3f},
    };
    mote_error err;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const float values[] = {ranges[i].low, ranges[i].high, nextafterf(ranges[i].low, -INFINITY),
                                nextafterf(ranges[i].high, INFINITY)};
        for (size_t k = 0; k < 4; k++) {
            mote_sampler_opts o;
            mote_sampler_defaults(&o);
            memcpy((char *)&o + ranges[i].at, &values[k], sizeof(float));
            CHECK((mote_sampler_bytes(80, &o, &err) > 0) == (k < 2));
        }
    }
}

TEST(biases_of_samplers_are_refused_one_past_their_limits)
{
    enum { MOST = 1 << 20 };
    const mote_logit_bias good[] = {{0, 0}, {79, 0}, {5, 1e9f}, {5, -1e9f}, {5, -INFINITY}};
    const mote_logit_bias bad[] = {{-1, 0},
                                   {80, 0},
                                   {5, nextafterf(1e9f, 2e9f)},
                                   {5, nextafterf(-1e9f, -2e9f)},
                                   {5, INFINITY}};
    mote_sampler_opts o;
    mote_error err;
    mote_sampler_defaults(&o);
    for (size_t i = 0; i < 5; i++) {
        o.n_bias = 1;
        o.bias = &good[i];
        CHECK(mote_sampler_bytes(80, &o, &err) > 0);
        o.bias = &bad[i];
        CHECK(mote_sampler_bytes(80, &o, &err) == 0 && err.status == MOTE_ERR_LIMIT);
    }
    mote_logit_bias *many = calloc(MOST + 1, sizeof *many);
    o.bias = many;
    o.n_bias = MOST;
    CHECK(mote_sampler_bytes(80, &o, &err) > 0);
    o.n_bias = MOST + 1;
    CHECK(mote_sampler_bytes(80, &o, &err) == 0 && err.got == MOST + 1 && err.wanted == MOST);
    free(many);
    mote_sampler_defaults(&o);
    CHECK(mote_sampler_bytes(MOTE_MAX_DIM, &o, &err) > 0);
    CHECK(mote_sampler_bytes(MOTE_MAX_DIM + 1, &o, &err) == 0);
    for (o.repeat_last_n = 1; mote_sampler_bytes(80, &o, &err); o.repeat_last_n *= 2)
        ;
    o.repeat_last_n /= 2;
    CHECK(mote_sampler_bytes(80, &o, &err) > 0);
    o.repeat_last_n++;
    CHECK(mote_sampler_bytes(80, &o, &err) == 0 && err.status == MOTE_ERR_LIMIT);
}

/* ---- generations and states ----------------------------------------------------------------- */

static bool count(void *user, int32_t id)
{
    (void)id;
    ++*(size_t *)user;
    return true;
}

TEST(prompts_fill_the_context_exactly_and_no_more)
{
    static const int32_t ids[12] = {1, 79, 3, 0, 5, 6, 7, 8, 9, 10, 11, 12};
    tiny_opts to = tiny_defaults();
    tiny_model t;
    mote_session_opts o = {8, MOTE_KV_F16, 3, 1, 1}, none = {8, MOTE_KV_F16, 0, 0, 1};
    mote_finish finish;
    mote_error err;
    REQUIRE(tiny_open(&t, &to, NULL));
    for (size_t before = 0; before <= 8; before++)
        for (size_t n = 1; n <= 9; n++) {
            mote_session *s = tiny_session(t.model, &o);
            size_t made = 0;
            mote_generate_opts g = {
                .ids = ids, .n_ids = before, .max_tokens = 1, .token = count, .user = &made};
            REQUIRE(!before || !mote_generate(s, &g, &finish, &err));
            CHECK(mote_session_length(s) == before);
            g.n_ids = n;
            g.max_tokens = 100;
            made = 0;
            mote_status got = mote_generate(s, &g, &finish, &err);
            bool fits = before + n <= 8;
            CHECK(got == (fits ? MOTE_OK : MOTE_ERR_LIMIT));
            CHECK(mote_session_length(s) == (fits ? 8 : before) &&
                  made == (fits ? 9 - before - n : 0));
            CHECK(!fits || finish == MOTE_FINISH_CONTEXT);
            CHECK(fits || (err.got == before + n && err.wanted == 8));
            free(s);
        }
    mote_session *s = tiny_session(t.model, &none);
    mote_generate_opts g = {.ids = ids, .n_ids = 1, .max_tokens = 1, .token = count};
    CHECK(mote_generate(s, &g, &finish, &err) == MOTE_ERR_LIMIT);
    free(s);
    tiny_close(&t);
}

TEST(states_fit_a_session_of_just_their_length)
{
    static const int32_t ids[] = {0, 79, 3};
    tiny_opts to = tiny_defaults();
    tiny_model t;
    mote_session_opts o = {3, MOTE_KV_F16, 3, 1, 1};
    mote_finish finish;
    mote_error err;
    size_t made = 0;
    REQUIRE(tiny_open(&t, &to, NULL));
    mote_session *s = tiny_session(t.model, &o), *equal = tiny_session(t.model, &o);
    o.n_ctx = 2;
    mote_session *shorter = tiny_session(t.model, &o);
    mote_generate_opts g = {.ids = ids, .n_ids = 3, .max_tokens = 1, .token = count, .user = &made};
    REQUIRE(!mote_generate(s, &g, &finish, &err));
    size_t bytes = mote_session_state_bytes(s);
    char *state = malloc(bytes);
    int32_t back[3] = {9, 9, 9};
    CHECK(mote_session_save(s, ids, state, bytes - 1, &err) == MOTE_ERR_MEMORY);
    CHECK(!mote_session_save(s, ids, state, bytes, &err));
    CHECK(!mote_session_restore(equal, back, state, bytes, NULL, &err));
    CHECK(mote_session_length(equal) == 3 && !memcmp(back, ids, sizeof ids));
    CHECK(mote_session_restore(shorter, back, state, bytes, NULL, &err) == MOTE_ERR_LIMIT);
    CHECK(err.got == 3 && err.wanted == 2 && mote_session_length(shorter) == 0);
    CHECK(mote_session_restore(equal, back, state, bytes - 1, NULL, &err) == MOTE_ERR_FILE);
    CHECK(mote_session_restore(equal, back, state, 63, NULL, &err) == MOTE_ERR_FILE);
    free(state);
    free(s), free(equal), free(shorter);
    tiny_close(&t);
}

/* An id that is none in a later part of a prompt is found before the first part is evaluated. */
TEST(prompts_are_looked_at_whole_before_any_work)
{
    static const int32_t ids[] = {1, 2, 3, 4, 5, 6, 80}, negative[] = {1, 2, 3, 4, 5, 6, -1};
    tiny_opts to = tiny_defaults();
    tiny_model t;
    mote_session_opts o = {16, MOTE_KV_F16, 2, 1, 1};
    mote_finish finish;
    mote_error err;
    size_t made = 0;
    REQUIRE(tiny_open(&t, &to, NULL));
    mote_session *s = tiny_session(t.model, &o);
    mote_generate_opts g = {.n_ids = 7, .max_tokens = 1, .token = count, .user = &made};
    for (int i = 0; i < 2; i++) {
        g.ids = i ? negative : ids;
        CHECK(mote_generate(s, &g, &finish, &err) == MOTE_ERR_LIMIT && err.wanted == 80);
        CHECK(mote_session_length(s) == 0 && made == 0);
    }
    free(s);
    tiny_close(&t);
}

/* Nothing behind a sampler's memory is read or written: an unreadable page is there. */
TEST(samplers_stay_in_their_memory)
{
    tiny_opts to = tiny_defaults();
    tiny_model t;
    mote_error err;
    float logits[80];
    REQUIRE(tiny_open(&t, &to, NULL));
    for (int k = -1; k <= 81; k += k < 2 || k > 77 ? 1 : 15)
        for (int more = 0; more < 4; more++) {
            const mote_logit_bias bias = {3, 1.0f};
            mote_sampler_opts o;
            mote_sampler *s;
            mote_sampler_defaults(&o);
            o.top_k = k;
            o.repeat_penalty = more & 1 ? 1.5f : 1.0f;
            o.repeat_last_n = 7;
            o.bias = &bias;
            o.n_bias = more & 2 ? 1 : 0;
            size_t bytes = mote_sampler_bytes(80, &o, &err), room = mote_round_up(bytes, 4096);
            char *map =
                mmap(NULL, room + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            REQUIRE(map != MAP_FAILED && !mprotect(map + room, 4096, PROT_NONE));
            char *mem = map + (room - bytes) / 64 * 64;
            REQUIRE(!mote_sampler_init(&s, mem, bytes, t.model, &o, &err));
            for (int i = 0; i < 80; i++)
                logits[i] = (float)(i * 37 % 80) / 8.0f;
            for (int i = 0; i < 20; i++) {
                int32_t id = mote_sampler_choose(s, logits);
                CHECK(id >= 0 && id < 80);
                mote_sampler_accept(s, id);
            }
            munmap(map, room + 4096);
        }
    tiny_close(&t);
}

/* Only another rotation empties a session. */
TEST(announcements_empty_a_session_only_to_turn_it_otherwise)
{
    for (uint32_t from = 0; from <= 32; from += 32) {
        tiny_opts to = tiny_defaults();
        tiny_model t;
        mote_session_opts o = {64, MOTE_KV_F16, 4, 1, 1};
        mote_error err;
        to.rope_long_from = from;
        REQUIRE(tiny_open(&t, &to, NULL));
        mote_session *s = tiny_session(t.model, &o);
        const mote_row row = {5, 0, s, true};
        const uint32_t announced[] = {64, 33, 32, 1, 32, 33}; /* the first session is a long one */
        const uint32_t kept[] = {1, 1, 0, 1, 1, 0};
        for (size_t i = 0; i < 6; i++) {
            mote_session_rewind(s, 0);
            REQUIRE(!mote_forward(s, &row, 1, NULL, NULL, &err) && mote_session_length(s) == 1);
            mote_session_announce(s, announced[i]);
            CHECK(mote_session_length(s) == (from ? kept[i] : 1));
        }
        free(s);
        tiny_close(&t);
    }
}

/* Layers with norms behind their parts keep those parts apart; others need no room for that. */
TEST(scratch_has_what_the_layers_need_and_no_more)
{
    uint64_t scratch[2];
    for (int after = 0; after < 2; after++) {
        tiny_opts to = tiny_defaults();
        tiny_model t;
        mote_session_opts o = {16, MOTE_KV_F16, 4, 1, 1};
        mote_session_plan plan;
        mote_error err;
        to.norm_place = after ? MOTE_NORM_AFTER : MOTE_NORM_BEFORE;
        REQUIRE(tiny_open(&t, &to, NULL));
        REQUIRE(!mote_session_plan_bytes(&plan, t.model, &o, &err));
        scratch[after] = plan.scratch_bytes;
        tiny_close(&t);
    }
    CHECK(scratch[1] == scratch[0] + 4 * 64 * sizeof(float));
}

/* A state of every length up to two tiles of keys and one more: the next logits are the same. */
TEST(states_of_every_length_go_on_with_the_same_bits)
{
    enum { MOST = 34 };
    tiny_opts to = tiny_defaults();
    tiny_model t;
    mote_session_opts o = {MOST + 1, MOTE_KV_F16, 1, 1, 1};
    mote_error err;
    int32_t ids[MOST + 1];
    REQUIRE(tiny_open(&t, &to, NULL));
    mote_session *s = tiny_session(t.model, &o);
    for (uint32_t n = 0; n <= MOST; n++) {
        mote_session *other = tiny_session(t.model, &o);
        size_t bytes = mote_session_state_bytes(s);
        char *state = malloc(bytes);
        ids[n] = (int32_t)(n * 7 % 80);
        REQUIRE(!mote_session_save(s, ids, state, bytes, &err));
        REQUIRE(!mote_session_restore(other, ids, state, bytes, NULL, &err));
        mote_row rows[] = {{ids[n], n, s, true}, {ids[n], n, other, true}};
        REQUIRE(!mote_forward(s, &rows[0], 1, NULL, NULL, &err));
        REQUIRE(!mote_forward(other, &rows[1], 1, NULL, NULL, &err));
        CHECK(
            !memcmp(mote_session_logits(s, 0), mote_session_logits(other, 0), 80 * sizeof(float)));
        free(state);
        free(other);
    }
    free(s);
    tiny_close(&t);
}
