/* test_encoder.c: encoders through the public API: a text gives the same bits in any company and on
 * any tier; limits are kept; a file that is no whole encoder is refused. */
#include "include/mote_host.h"
#include "tests/unit/test.h"
#include "tests/unit/tiny.h"

#define N_TEXTS 7
#define MAX_OUT 64

typedef struct texts {
    int32_t ids[1024];
    uint8_t types[1024];
    float out[N_TEXTS][MAX_OUT];
    mote_encode_text t[N_TEXTS];
} texts;

/* Few tokens, whole tiles, more than a block of attention. */
static void make_texts(texts *x)
{
    static const size_t lengths[N_TEXTS] = {1, 3, 16, 17, 300, 2, 40};
    uint64_t seed = 5;
    size_t at = 0;
    memset(x, 0, sizeof *x);
    for (size_t i = 0; i < N_TEXTS; at += lengths[i++]) {
        for (size_t k = at; k < at + lengths[i]; k++) {
            x->ids[k] = (int32_t)(test_random(&seed) % 80);
            x->types[k] = test_random(&seed) % 2;
        }
        x->t[i] = (mote_encode_text){x->ids + at, x->types + at, lengths[i], x->out[i]};
    }
}

/* free() it; NULL: failed. */
static mote_encoder *make_encoder(const mote_model *m, const mote_encoder_opts *o)
{
    mote_encoder_plan plan;
    mote_encoder *e = NULL;
    mote_error err;
    if (mote_encoder_plan_bytes(&plan, m, o, &err))
        return NULL;
    void *mem = aligned_alloc(MOTE_ALIGN, plan.total_bytes);
    memset(mem, 0xff, plan.total_bytes); /* NaN, where nothing is written */
    if (mote_encoder_init(&e, mem, plan.total_bytes, m, o, &err))
        free(mem);
    return e;
}

/* Every text alone, one thread. */
static bool encode_alone(const mote_model *m, texts *x)
{
    mote_encoder *e = make_encoder(m, &(mote_encoder_opts){512, 1, 1});
    mote_error err;
    bool ok = e != NULL;
    for (size_t i = 0; ok && i < N_TEXTS; i++)
        ok = !mote_encode_texts(e, &x->t[i], 1, NULL, NULL, &err);
    free(e);
    return ok;
}

static bool encode_together(const mote_model *m, texts *x, const mote_team *team)
{
    mote_encoder *e = make_encoder(m, &(mote_encoder_opts){512, N_TEXTS, 4});
    mote_error err;
    bool ok = e && !mote_encode_texts(e, x->t, N_TEXTS, team, NULL, &err);
    free(e);
    return ok;
}

TEST(texts_give_the_same_bits_in_any_company)
{
    static const enum mote_type types[] = {MOTE_F32, MOTE_F16, MOTE_Q8, MOTE_Q4};
    texts *alone = malloc(sizeof *alone), *together = malloc(sizeof *together);
    mote_pool *pool = mote_pool_new(3, NULL);
    const char *tier;
    for (uint32_t pooling = MOTE_POOL_MEAN; pooling <= MOTE_POOL_SCORE; pooling++)
        for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
            tiny_opts o = tiny_encoder(pooling);
            o.type = types[k];
            if (pooling != MOTE_POOL_MEAN && o.type != MOTE_Q8 && !getenv("MOTE_WHOLE"))
                continue; /* what is pooled is the same */
            make_texts(alone);
            for (size_t i = 0; (tier = mote_usable_tier(i)); i++) {
                tiny_model t;
                REQUIRE(tiny_open(&t, &o, tier));
                CHECK(i || encode_alone(t.model, alone));
                make_texts(together);
                CHECK(encode_together(t.model, together, NULL));
                CHECK(memcmp(alone->out, together->out, sizeof alone->out) == 0);
                make_texts(together);
                CHECK(encode_together(t.model, together, pool ? mote_pool_team(pool) : NULL));
                CHECK(memcmp(alone->out, together->out, sizeof alone->out) == 0);
                tiny_close(&t);
            }
        }
    mote_pool_free(pool);
    free(alone);
    free(together);
}

/* A team of two that cannot wait for each other: one after the other. */
static void run_in_turn(void *user, void (*fn)(void *arg, uint32_t thread), void *arg)
{
    (void)user;
    fn(arg, 0);
    fn(arg, 1);
}

static void count_barrier(void *user, uint32_t thread)
{
    (void)thread;
    ++*(size_t *)user;
}

static bool cancel_third(void *user) { return ++*(size_t *)user == 3; }

/* All but the long text: 39 and 40 tokens for two threads. */
TEST(threads_take_whole_texts_of_even_shares)
{
    texts *alone = malloc(sizeof *alone), *apart = malloc(sizeof *apart);
    size_t n_barriers = 0, n_asked = 0;
    const mote_team team = {2, &n_barriers, run_in_turn, count_barrier};
    const mote_hooks hooks = {.user = &n_asked, .cancel = cancel_third};
    mote_error err;
    for (uint32_t pooling = MOTE_POOL_MEAN; pooling <= MOTE_POOL_SCORE; pooling++) {
        tiny_opts o = tiny_encoder(pooling);
        tiny_model t;
        REQUIRE(tiny_open(&t, &o, NULL));
        make_texts(alone);
        CHECK(encode_alone(t.model, alone));
        make_texts(apart);
        mote_encode_text few[N_TEXTS - 1];
        for (size_t i = 0, n = 0; i < N_TEXTS; i++)
            if (apart->t[i].n_ids < 100)
                few[n++] = apart->t[i];
        mote_encoder *e = make_encoder(t.model, &(mote_encoder_opts){79, N_TEXTS, 2});
        REQUIRE(e);
        CHECK(!mote_encode_texts(e, few, N_TEXTS - 1, &team, NULL, &err));
        CHECK(n_barriers == 0);
        for (size_t i = 0; i < N_TEXTS; i++)
            CHECK(apart->t[i].n_ids >= 100 ||
                  memcmp(alone->out[i], apart->out[i], sizeof *alone->out) == 0);
        n_asked = 0;
        CHECK(mote_encode_texts(e, few, N_TEXTS - 1, &team, &hooks, &err) == MOTE_CANCELLED);
        CHECK(n_asked == 3 && n_barriers == 0); /* before all, and in two layers of thread 0 */
        free(e);
        tiny_close(&t);
    }
    free(alone);
    free(apart);
}

TEST(encoder_keeps_its_limits)
{
    texts *x = malloc(sizeof *x);
    tiny_opts o = tiny_encoder(MOTE_POOL_SCORE);
    tiny_model t;
    mote_encoder_info info;
    mote_encoder_plan plan;
    mote_error err;
    make_texts(x);
    REQUIRE(tiny_open(&t, &o, NULL));
    mote_model_get_encoder(t.model, &info);
    CHECK(info.pooling == MOTE_POOL_SCORE && info.n_out == 3 && info.max_tokens == 400);
    const mote_encoder_opts bad[] = {{0, 1, 1}, {8, 0, 1}, {8, 9, 1}, {8, 1, 0}, {1 << 20, 1, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(mote_encoder_plan_bytes(&plan, t.model, &bad[i], &err) == MOTE_ERR_LIMIT);
    mote_encoder *e = make_encoder(t.model, &(mote_encoder_opts){32, 2, 1});
    REQUIRE(e);
    CHECK(mote_encode_texts(e, x->t, 0, NULL, NULL, &err) == MOTE_ERR_LIMIT);
    CHECK(mote_encode_texts(e, x->t, 3, NULL, NULL, &err) == MOTE_ERR_LIMIT);
    CHECK(mote_encode_texts(e, x->t + 2, 2, NULL, NULL, &err) == MOTE_ERR_LIMIT); /* 33 tokens */
    CHECK(mote_encode_texts(e, x->t, 2, NULL, NULL, &err) == MOTE_OK);
    x->types[0] = 2;
    CHECK(mote_encode_texts(e, x->t, 1, NULL, NULL, &err) == MOTE_ERR_LIMIT);
    x->types[0] = 0;
    x->ids[0] = 80;
    CHECK(mote_encode_texts(e, x->t, 1, NULL, NULL, &err) == MOTE_ERR_LIMIT);
    mote_session_plan sessions;
    const mote_session_opts so = {.n_ctx = 8, .n_batch = 1, .n_logits = 1, .n_threads = 1};
    CHECK(mote_session_plan_bytes(&sessions, t.model, &so, &err) == MOTE_ERR_UNSUPPORTED);
    free(e);
    tiny_close(&t);
    free(x);
}

/* Each field in turn gets a value that no encoder can have. */
TEST(encoder_refuses_bad_fields)
{
    const struct {
        size_t at;
        uint32_t value;
    } bad[] = {{offsetof(mote_index, pooling), 4},     {offsetof(mote_index, pooling), 3},
               {offsetof(mote_index, pooling), 0},     {offsetof(mote_index, normalize), 2},
               {offsetof(mote_index, max_tokens), 0},  {offsetof(mote_index, max_tokens), 513},
               {offsetof(mote_index, n_types), 0},     {offsetof(mote_index, n_types), 3},
               {offsetof(mote_index, n_types), 257},   {offsetof(mote_index, n_labels), 1},
               {offsetof(mote_index, pair_joins), 17}, {offsetof(mote_index, final_norm), 1},
               {offsetof(mote_index, logit_scale), 0}};
    tiny_opts o = tiny_encoder(MOTE_POOL_MEAN);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t bytes;
        mote_image image;
        mote_error err;
        uint8_t *file = tiny_image(&o, &bytes);
        memcpy((uint8_t *)tiny_index(file) + bad[i].at, &bad[i].value, 4);
        tiny_reseal(file);
        CHECK(mote_image_open(&image, file, bytes, &err) || !mote_model_bytes(&image, &err));
        free(file);
    }
    for (int i = 0; i < 5; i++) {
        size_t bytes;
        mote_image image;
        mote_error err;
        uint8_t *file = tiny_image(&o, &bytes);
        mote_layer *l = tiny_layer(file, 1);
        uint32_t *fields[] = {&l->attn, &l->rope, &l->window, &l->norm_place, &l->mlp};
        *fields[i] = i == 2 ? 7 : 1;
        tiny_reseal(file);
        CHECK(!mote_image_open(&image, file, bytes, &err) && !mote_model_bytes(&image, &err));
        free(file);
    }
}
