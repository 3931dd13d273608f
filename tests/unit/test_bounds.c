/* test_bounds.c: the numbers of a model's records at their limits and one past them, and what the
 * model is refused for: a number at its limit is passed on to the check behind it, whose reason
 * differs. Read loader/image.c and check_layer() of model/model.c first. */
#include <stdio.h>
#include <stdlib.h>

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
