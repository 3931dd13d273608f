/* test_contract.c: the same bits for every tier, thread count, prompt chunk and grouping of rows,
 * for every weight and KV type (NUMERICS.md, "Proof"), on tiny seeded models, past the first block
 * of 256 positions.
 */
#include "include/mote_host.h"
#include "kernels/kernels.h"
#include "tests/unit/test.h"
#include "tests/unit/tiny.h"

enum { N_POSITIONS = 300 };

static const size_t chunks[] = {1, 7, 32, 512};
static const char *const type_names[] = {"f32", "f16", "bf16", "q8", "q4", "q4_0", "q4_1"};
static const char *const kv_names[] = {"f32", "f16", "q8"};

static void make_ids(int32_t *ids, size_t n, uint32_t n_vocab)
{
    uint64_t seed = 42;
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(test_random(&seed) % n_vocab);
}

/* Every count of threads and every chunk, five of the pairs; MOTE_WHOLE: the whole
 * product (tests/same_bits.sh); MOTE_SHORT: enough for an emulated machine (tests/arm.sh). */
static bool left_out(uint32_t threads, size_t chunk)
{
    bool small = chunk == 1 || chunk == 32;
    if (getenv("MOTE_WHOLE"))
        return false;
    if (getenv("MOTE_SHORT"))
        return threads % 2 == 0 || small;
    return chunk == 512 ? threads % 2 == 0 : threads != (chunk == 1 ? 2 : chunk == 7 ? 3 : 4);
}

/* All threads and chunks on one model; compares with *want (0: sets it). */
static void sweep(const tiny_model *t, const tiny_opts *o, mote_kv kv,
                  const mote_team *const *teams, uint64_t *want, const char *label)
{
    int32_t ids[N_POSITIONS];
    make_ids(ids, N_POSITIONS, o->n_vocab);
    for (uint32_t threads = 1; threads <= 4; threads++)
        for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
            if (left_out(threads, chunks[c]))
                continue;
            mote_session_opts so = {.n_ctx = 320,
                                    .kv = kv,
                                    .n_batch = (uint32_t)chunks[c],
                                    .n_logits = (uint32_t)chunks[c],
                                    .n_threads = threads};
            uint64_t got = tiny_hash(t->model, &so, ids, N_POSITIONS, chunks[c],
                                     threads > 1 ? teams[threads] : NULL);
            *want = *want ? *want : got;
            if (!CHECK(got && got == *want))
                printf("  %s threads %u chunk %zu: %016llx, not %016llx\n", label, threads,
                       chunks[c], (unsigned long long)got, (unsigned long long)*want);
        }
}

static void product(const tiny_opts *o)
{
    mote_pool *pools[5] = {0};
    const mote_team *teams[5] = {0};
    mote_error err;
    for (uint32_t n = 2; n <= 4; n++) {
        pools[n] = mote_pool_new(n, &err);
        REQUIRE(pools[n] != NULL);
        teams[n] = mote_pool_team(pools[n]);
    }
    for (int kv = 0; kv < 3; kv++) {
        uint64_t want = 0;
        for (size_t i = 0; mote_tier_name(i); i++) {
            char label[64];
            unsigned features;
            tiny_model t;
            mote_tier_features(mote_tier_name(i), &features);
            if ((features & mote_cpu_features()) != features)
                continue;
            snprintf(label, sizeof label, "%s kv %s tier %s", type_names[o->type], kv_names[kv],
                     mote_tier_name(i));
            REQUIRE(tiny_open(&t, o, mote_tier_name(i)));
            sweep(&t, o, (mote_kv)kv, teams, &want, label);
            tiny_close(&t);
        }
        if (getenv("MOTE_HASHES")) /* tests/same_bits.sh compares builds by them */
            printf("hash %s kv %s: %016llx\n", type_names[o->type], kv_names[kv],
                   (unsigned long long)want);
    }
    for (uint32_t n = 2; n <= 4; n++)
        mote_pool_free(pools[n]);
}

/* Small, as there are 96 runs of 300 positions for a type; odd sizes are in same_bits_features. */
static void product_of_type(enum mote_type type)
{
    tiny_opts o = tiny_defaults();
    o.type = type;
    o.hidden = 32;
    o.n_heads = 2;
    o.n_kv_heads = 1;
    o.ff = o.n_vocab = 64;
    product(&o);
}

TEST(same_bits_f32) { product_of_type(MOTE_F32); }
TEST(same_bits_f16) { product_of_type(MOTE_F16); }
TEST(same_bits_bf16) { product_of_type(MOTE_BF16); }
TEST(same_bits_q8) { product_of_type(MOTE_Q8); }
TEST(same_bits_q4) { product_of_type(MOTE_Q4); }
TEST(same_bits_q4_0) { product_of_type(MOTE_Q4_0); }
TEST(same_bits_q4_1) { product_of_type(MOTE_Q4_1); }

/* Odd sizes, biases, head norms, windows, an untied head, three heads to a key. */
TEST(same_bits_features)
{
    tiny_opts o = tiny_defaults();
    o.type = MOTE_Q8;
    o.group = 64;
    o.hidden = 72;
    o.n_heads = 6;
    o.head_dim = 20;
    o.ff = 100;
    o.n_vocab = 90;
    o.window = 40;
    o.biases = MOTE_BIAS_ALL;
    o.qk_norm = MOTE_QK_NORM_HEAD;
    o.untied = true;
    product(&o);
}

/* As GPT-2: learned positions, LayerNorm, a plain MLP. */
TEST(same_bits_layer_norm_and_plain_mlp)
{
    tiny_opts o = tiny_defaults();
    o.hidden = 40;
    o.n_heads = o.n_kv_heads = 2;
    o.ff = 72;
    o.no_rope = o.positions = true;
    o.norm = MOTE_NORM_LAYER;
    o.mlp = MOTE_MLP_PLAIN;
    o.act = MOTE_ACT_GELU_TANH;
    o.biases = MOTE_BIAS_ALL & ~MOTE_BIAS_GATE;
    product(&o);
}

/* As Gemma 2: norms before and after, caps, gated GELU; over that a norm of all of q and k. */
TEST(same_bits_norms_after_and_caps)
{
    tiny_opts o = tiny_defaults();
    o.type = MOTE_Q8;
    o.hidden = 40;
    o.head_dim = 24;
    o.n_heads = 2;
    o.n_kv_heads = 1;
    o.norm_place = MOTE_NORM_BEFORE_AND_AFTER;
    o.qk_norm = MOTE_QK_NORM_WHOLE;
    o.act = MOTE_ACT_GELU_ERF;
    o.attn_softcap = 2;
    o.logit_softcap = 5;
    o.window = 40;
    product(&o);
}

/* Norms after only, and the rope tables for long sessions. */
TEST(same_bits_long_rope)
{
    tiny_opts o = tiny_defaults();
    o.hidden = 32;
    o.n_heads = 2;
    o.n_kv_heads = 1;
    o.norm_place = MOTE_NORM_AFTER;
    o.rope_long_from = 100;
    product(&o);
}

/* The rope table goes by the announced length, whatever the session could hold. */
TEST(long_rope_is_announced)
{
    tiny_opts o = tiny_defaults();
    tiny_model t;
    float logits[3][80];
    mote_error err;
    mote_session_opts so = {
        .n_ctx = 64, .kv = MOTE_KV_F32, .n_batch = 8, .n_logits = 8, .n_threads = 1};
    o.rope_long_from = 32;
    REQUIRE(tiny_open(&t, &o, NULL));
    mote_session *s = tiny_session(t.model, &so);
    for (uint32_t i = 0; i < 3; i++) {
        if (i)
            mote_session_announce(s, i == 1 ? 32 : 33);
        CHECK(mote_session_length(s) == 0 || i == 0);
        mote_session_rewind(s, 0);
        mote_row rows[] = {{5, 0, s, false}, {7, 1, s, false}, {9, 2, s, true}};
        REQUIRE(mote_forward(s, rows, 3, NULL, NULL, &err) == MOTE_OK);
        memcpy(logits[i], mote_session_logits(s, 0), sizeof logits[i]);
    }
    CHECK(memcmp(logits[0], logits[1], sizeof logits[0]) != 0);
    CHECK(memcmp(logits[0], logits[2], sizeof logits[0]) == 0);
    free(s);
    tiny_close(&t);
}

/* A record that forward.c could not run as it says is refused, before any tensor is looked for. */
TEST(model_refuses_layers_it_cannot_run)
{
    static const struct {
        size_t at;
        uint32_t value;
        mote_status status;
    } cases[] = {
        {offsetof(mote_layer, attn), 99, MOTE_ERR_UNSUPPORTED},
        {offsetof(mote_layer, qk_norm), 3, MOTE_ERR_UNSUPPORTED},
        {offsetof(mote_layer, norm), MOTE_NORM_NONE, MOTE_ERR_UNSUPPORTED},
        {offsetof(mote_layer, norm), 99, MOTE_ERR_UNSUPPORTED},
        {offsetof(mote_layer, norm_place), 99, MOTE_ERR_UNSUPPORTED},
        {offsetof(mote_layer, mlp), MOTE_MLP_NONE, MOTE_ERR_UNSUPPORTED},
        {offsetof(mote_layer, mlp), MOTE_MLP_PLAIN, MOTE_ERR_UNSUPPORTED}, /* SiLU without gate */
        {offsetof(mote_layer, act), 99, MOTE_ERR_UNSUPPORTED},
        {offsetof(mote_layer, rope), 2, MOTE_ERR_FILE},
        {offsetof(mote_layer, rope_long), 1, MOTE_ERR_FILE}, /* the index has no switch */
        {offsetof(mote_layer, rope_long), UINT32_MAX, MOTE_ERR_FILE},
        {offsetof(mote_layer, rope_dim), 18, MOTE_ERR_FILE},
        {offsetof(mote_layer, norm_place), MOTE_NORM_AFTER, MOTE_ERR_FILE}, /* no such tensors */
        {offsetof(mote_layer, norm), MOTE_NORM_LAYER, MOTE_ERR_FILE},
        {offsetof(mote_layer, qk_norm), MOTE_QK_NORM_WHOLE, MOTE_ERR_FILE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny_opts o = tiny_defaults();
        size_t bytes;
        uint8_t *image = tiny_image(&o, &bytes);
        mote_image view;
        mote_error err = {0};
        memcpy((uint8_t *)tiny_layer(image, 1) + cases[i].at, &cases[i].value, 4);
        tiny_reseal(image);
        CHECK(mote_image_open(&view, image, bytes, &err) == MOTE_OK);
        CHECK(mote_model_bytes(&view, &err) == 0);
        if (!CHECK(err.status == cases[i].status))
            printf("  case %zu: %s\n", i, err.what);
        free(image);
    }
}

/* Experts whose rows are few and many, of odd width, with a shared one that has its own factor. */
static void product_of_experts(enum mote_type type)
{
    tiny_opts o = tiny_experts();
    o.type = type;
    o.n_heads = 2;
    o.n_kv_heads = 1;
    o.hidden = 40;
    o.ff = 72;
    o.n_vocab = 64;
    product(&o);
}

TEST(same_bits_experts_q8) { product_of_experts(MOTE_Q8); }

/* A latent and queries through one, experts in groups. */
static void product_of_latent(enum mote_type type)
{
    tiny_opts o = tiny_latent();
    o.type = type;
    o.hidden = 32;
    o.n_heads = 2;
    o.q_rank = 24;
    o.ff = o.n_vocab = 64;
    o.n_experts = 8;
    o.n_experts_used = 3;
    o.n_groups = 4;
    o.n_groups_used = 2;
    product(&o);
}

TEST(same_bits_latent_f32) { product_of_latent(MOTE_F32); }
TEST(same_bits_latent_q8) { product_of_latent(MOTE_Q8); }

/* The cache of a latent is one key a position, whatever the heads. */
TEST(latent_cache_is_compressed)
{
    tiny_opts o = tiny_latent();
    tiny_model t;
    mote_session_opts so = {
        .n_ctx = 256, .kv = MOTE_KV_F32, .n_batch = 8, .n_logits = 1, .n_threads = 1};
    mote_session_plan plan;
    mote_error err;
    REQUIRE(tiny_open(&t, &o, NULL));
    REQUIRE(mote_session_plan_bytes(&plan, t.model, &so, &err) == MOTE_OK);
    CHECK(plan.kv_bytes == (uint64_t)o.n_layers * 256 * o.head_dim * sizeof(float));
    tiny_close(&t);
}

/* A decoded token reads the experts it takes: the rest of the file less those it does not. */
TEST(decode_reads_the_chosen_experts)
{
    tiny_opts o = tiny_experts();
    tiny_model t;
    mote_model_info info;
    REQUIRE(tiny_open(&t, &o, NULL));
    mote_model_get_info(t.model, &info);
    uint64_t expert = 3 * (uint64_t)o.ff * o.hidden * sizeof(float);
    CHECK(info.weight_bytes - info.decode_read_bytes ==
          (o.n_layers - 1) * (o.n_experts - o.n_experts_used) * expert);
    tiny_close(&t);
}

/* Rows of several sessions in one call give each session what it gets alone. */
static void batch_equals_alone_of(const tiny_opts *opts)
{
    enum { SESSIONS = 5, STEPS = 20 };
    const tiny_opts o = *opts;
    tiny_model t;
    int32_t ids[SESSIONS][STEPS];
    float alone[80];
    mote_session_opts so = {
        .n_ctx = 64, .kv = MOTE_KV_F16, .n_batch = 8, .n_logits = 8, .n_threads = 1};
    mote_session *batch[SESSIONS], *single[SESSIONS];
    mote_error err;
    REQUIRE(tiny_open(&t, &o, NULL));
    for (size_t i = 0; i < SESSIONS; i++) {
        mote_session_opts guest = so;
        guest.n_batch = i ? 0 : so.n_batch;
        batch[i] = tiny_session(t.model, &guest);
        single[i] = tiny_session(t.model, &so);
        for (size_t j = 0; j < STEPS; j++)
            ids[i][j] = (int32_t)((i * 31 + j * 7) % o.n_vocab);
    }
    for (uint32_t step = 0; step < STEPS; step++) {
        mote_row rows[SESSIONS];
        for (size_t i = 0; i < SESSIONS; i++)
            rows[i] = (mote_row){ids[i][step], step, batch[i], true};
        REQUIRE(mote_forward(batch[0], rows, SESSIONS, NULL, NULL, &err) == MOTE_OK);
        for (size_t i = 0; i < SESSIONS; i++) {
            mote_row row = {ids[i][step], step, single[i], true};
            REQUIRE(mote_forward(single[i], &row, 1, NULL, NULL, &err) == MOTE_OK);
            memcpy(alone, mote_session_logits(single[i], 0), sizeof alone);
            CHECK(memcmp(alone, mote_session_logits(batch[0], i), sizeof alone) == 0);
        }
    }
    for (size_t i = 0; i < SESSIONS; i++) {
        free(batch[i]);
        free(single[i]);
    }
    tiny_close(&t);
}

TEST(batch_equals_alone)
{
    tiny_opts dense = tiny_defaults(), experts = tiny_experts(), latent = tiny_latent();
    batch_equals_alone_of(&dense);
    batch_equals_alone_of(&experts);
    batch_equals_alone_of(&latent);
}

/* Both were found by the fuzz target `calls`: two rows for a position, scratch of another type. */
TEST(forward_refuses_rows_that_do_not_go_together)
{
    tiny_opts o = tiny_defaults();
    mote_session_opts so = {16, MOTE_KV_F16, 3, 1, 1};
    tiny_model t;
    mote_error err;
    REQUIRE(tiny_open(&t, &o, NULL));
    mote_session *a = tiny_session(t.model, &so), *b = tiny_session(t.model, &so);
    so.kv = MOTE_KV_Q8;
    mote_session *q8 = tiny_session(t.model, &so);
    if (CHECK(a && b && q8)) {
        mote_row apart[] = {{1, 0, a, false}, {2, 0, b, false}, {3, 0, a, true}};
        mote_row guest[] = {{1, 0, q8, true}};
        CHECK(mote_forward(a, apart, 3, NULL, NULL, &err) == MOTE_ERR_LIMIT);
        CHECK(mote_forward(a, guest, 1, NULL, NULL, &err) == MOTE_ERR_LIMIT);
        CHECK(mote_session_length(a) + mote_session_length(b) + mote_session_length(q8) == 0);
        CHECK(mote_forward(a, apart, 2, NULL, NULL, &err) == MOTE_OK);
    }
    free(q8);
    free(b);
    free(a);
    tiny_close(&t);
}
