/* test_sampler.c: the sampler against a slow and plain second one, its ranges, its randomness, and
 * the same choices on every tier. */
#include "include/mote_host.h"
#include "kernels/kernels.h"
#include "tests/unit/test.h"
#include "tests/unit/tiny.h"

enum { N_VOCAB = 80 };

static mote_sampler *make(const tiny_model *t, const mote_sampler_opts *o)
{
    mote_sampler *s = NULL;
    mote_error err = {0};
    size_t bytes = mote_sampler_bytes(N_VOCAB, o, &err);
    void *mem = bytes ? aligned_alloc(64, bytes) : NULL;
    if (!mem || mote_sampler_init(&s, mem, bytes, t->model, o, &err)) {
        printf("  sampler: %s\n", err.what);
        abort();
    }
    return s;
}

/* ---- the plain one: probabilities of every id, in double ------------------------------------ */

typedef struct plain {
    double p[N_VOCAB]; /* by id */
} plain;

static double plain_logit(const mote_sampler_opts *o, const float *logits, const int32_t *ids,
                          size_t n_ids, int32_t id)
{
    float x = logits[id];
    size_t first = n_ids > o->repeat_last_n ? n_ids - o->repeat_last_n : 0, count = 0;
    for (size_t i = 0; i < o->n_bias; i++)
        if (o->bias[i].token == id)
            x += o->bias[i].bias;
    for (size_t i = first; i < n_ids; i++)
        count += ids[i] == id;
    if (count) {
        x = x <= 0 ? x * o->repeat_penalty : x / o->repeat_penalty;
        x -= (float)count * o->frequency_penalty + o->presence_penalty;
    }
    return (double)x;
}

/* Ids by logit, best first, lower id first on ties. */
static void plain_order(int32_t *order, const double *x)
{
    for (int32_t i = 0; i < N_VOCAB; i++) {
        int32_t at = i;
        for (; at > 0 && x[order[at - 1]] < x[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

static plain plain_chain(const mote_sampler_opts *o, const float *logits, const int32_t *ids,
                         size_t n_ids)
{
    plain result = {{0}};
    double x[N_VOCAB], sum = 0, reached = 0;
    int32_t order[N_VOCAB];
    for (int32_t i = 0; i < N_VOCAB; i++)
        x[i] = plain_logit(o, logits, ids, n_ids, i);
    plain_order(order, x);
    size_t n = o->top_k > 0 && o->top_k < N_VOCAB ? (size_t)o->top_k : N_VOCAB, kept = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp(x[order[i]] - x[order[0]]);
    for (size_t i = 0; i < n; i++) {
        double p = exp(x[order[i]] - x[order[0]]);
        if (i && o->top_p < 1 && reached >= (double)o->top_p * sum)
            break;
        if (i && p < (double)o->min_p)
            break;
        reached += p;
        kept++;
    }
    sum = 0;
    for (size_t i = 0; i < kept; i++)
        sum += exp((x[order[i]] - x[order[0]]) / (double)o->temperature);
    for (size_t i = 0; i < kept; i++)
        result.p[order[i]] = exp((x[order[i]] - x[order[0]]) / (double)o->temperature) / sum;
    return result;
}

/* Draws often; every id must come as often as it should, and no other. */
static void try_distribution(const tiny_model *t, const mote_sampler_opts *o, const float *logits,
                             const int32_t *ids, size_t n_ids)
{
    enum { DRAWS = 4000 };
    unsigned counts[N_VOCAB] = {0};
    mote_sampler *s = make(t, o);
    plain want = plain_chain(o, logits, ids, n_ids);
    for (size_t i = 0; i < n_ids; i++)
        mote_sampler_accept(s, ids[i]);
    for (int i = 0; i < DRAWS; i++)
        counts[mote_sampler_choose(s, logits)]++;
    for (int32_t i = 0; i < N_VOCAB; i++) {
        double expected = want.p[i] * DRAWS, deviation = sqrt(expected * (1 - want.p[i]));
        CHECK(fabs(counts[i] - expected) <= 5 * deviation + 3);
        CHECK(want.p[i] > 0 || counts[i] == 0);
    }
    free(s);
}

static void make_logits(float *logits, uint64_t *seed, float spread)
{
    for (size_t i = 0; i < N_VOCAB; i++) {
        double u = (double)(test_random(seed) >> 11) * 0x1p-53;
        logits[i] = (float)floor((u - 0.5) * (double)spread * 8) / 8; /* with ties */
    }
}

TEST(sampler_draws_what_the_formulas_say)
{
    static const struct {
        float temperature, top_p, min_p, repeat, presence, frequency;
        int32_t top_k;
        uint32_t last_n;
    } cases[] = {
        {1.0f, 1.0f, 0.0f, 1.0f, 0.0f, 0.0f, 0, 64},
        {0.8f, 0.95f, 0.05f, 1.0f, 0.0f, 0.0f, 40, 64},
        {0.5f, 1.0f, 0.0f, 1.0f, 0.0f, 0.0f, 5, 64},
        {2.0f, 0.5f, 0.0f, 1.0f, 0.0f, 0.0f, 0, 64},
        {1.5f, 1.0f, 0.2f, 1.0f, 0.0f, 0.0f, 0, 64},
        {1.0f, 0.9f, 0.1f, 1.3f, 0.0f, 0.0f, 0, 8},
        {1.0f, 1.0f, 0.0f, 1.0f, 0.7f, 0.0f, 20, 10},
        {1.0f, 1.0f, 0.0f, 1.0f, 0.0f, 0.4f, 20, 100},
        {0.7f, 0.8f, 0.01f, 1.1f, 0.2f, 0.3f, 79, 16},
        {1.0f, 0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 80, 0},
        {100.0f, 1.0f, 0.0f, 1.0f, 0.0f, 0.0f, 1000, 0},
        {1.0f, 1.0f, 1.0f, 1.0f, 0.0f, 0.0f, 10, 0},
    };
    tiny_opts to = tiny_defaults();
    tiny_model t;
    uint64_t seed = 5;
    float logits[N_VOCAB];
    int32_t ids[32];
    const mote_logit_bias bias[] = {{3, 2.5f}, {7, -INFINITY}, {3, 1.0f}};
    REQUIRE(tiny_open(&t, &to, NULL));
    for (size_t i = 0; i < 32; i++)
        ids[i] = (int32_t)(test_random(&seed) % 12);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        mote_sampler_opts o;
        mote_sampler_defaults(&o);
        o = (mote_sampler_opts){.temperature = cases[c].temperature,
                                .top_k = cases[c].top_k,
                                .top_p = cases[c].top_p,
                                .min_p = cases[c].min_p,
                                .repeat_penalty = cases[c].repeat,
                                .presence_penalty = cases[c].presence,
                                .frequency_penalty = cases[c].frequency,
                                .repeat_last_n = cases[c].last_n,
                                .seed = c,
                                .bias = bias,
                                .n_bias = c % 2 ? 3 : 0};
        make_logits(logits, &seed, 12);
        try_distribution(&t, &o, logits, ids, 32);
    }
    tiny_close(&t);
}

TEST(sampler_is_greedy_without_temperature)
{
    tiny_opts to = tiny_defaults();
    tiny_model t;
    mote_sampler_opts o;
    uint64_t seed = 9;
    float logits[N_VOCAB];
    REQUIRE(tiny_open(&t, &to, NULL));
    mote_sampler_defaults(&o);
    o.temperature = 0;
    mote_sampler *s = make(&t, &o);
    for (int i = 0; i < 100; i++) {
        make_logits(logits, &seed, 3);
        CHECK(mote_sampler_choose(s, logits) == mote_argmax(logits, N_VOCAB));
    }
    float equal[N_VOCAB] = {0};
    CHECK(mote_sampler_choose(s, equal) == 0 && mote_argmax(equal, N_VOCAB) == 0);
    free(s);
    o.repeat_penalty = 2;
    s = make(&t, &o);
    equal[5] = 1.5f;
    equal[6] = 1.0f;
    CHECK(mote_sampler_choose(s, equal) == 5);
    mote_sampler_accept(s, 5);
    CHECK(mote_sampler_choose(s, equal) == 6);
    free(s);
    tiny_close(&t);
}

TEST(sampler_forgets_ids_beyond_the_last_n)
{
    tiny_opts to = tiny_defaults();
    tiny_model t;
    mote_sampler_opts o;
    float logits[N_VOCAB] = {0};
    REQUIRE(tiny_open(&t, &to, NULL));
    mote_sampler_defaults(&o);
    o.temperature = 0;
    o.presence_penalty = 1;
    o.repeat_last_n = 3;
    mote_sampler *s = make(&t, &o);
    logits[4] = 0.5f;
    const int32_t ids[] = {4, 4, 9, 9, 9, 4};
    const int32_t best[] = {0, 0, 0, 0, 4, 0};
    for (size_t i = 0; i < 6; i++) {
        mote_sampler_accept(s, ids[i]);
        CHECK(mote_sampler_choose(s, logits) == best[i]);
    }
    mote_sampler_accept(s, -1); /* no such ids: nothing happens */
    mote_sampler_accept(s, N_VOCAB);
    CHECK(mote_sampler_choose(s, logits) == 0);
    free(s);
    tiny_close(&t);
}

TEST(sampler_takes_extreme_numbers)
{
    tiny_opts to = tiny_defaults();
    tiny_model t;
    float logits[N_VOCAB];
    const mote_logit_bias none[] = {{1, -INFINITY}};
    mote_sampler_opts o;
    REQUIRE(tiny_open(&t, &to, NULL));
    for (int32_t k = 0; k < 3; k++) {
        mote_sampler_defaults(&o);
        o.top_k = k * 3;
        o.top_p = 1;
        o.min_p = 0;
        o.temperature = k == 2 ? 1e6f : 1e-30f;
        o.bias = none;
        o.n_bias = 1;
        mote_sampler *s = make(&t, &o);
        for (size_t i = 0; i < N_VOCAB; i++)
            logits[i] = i % 2 ? 3e38f : -3e38f;
        int32_t id = mote_sampler_choose(s, logits);
        CHECK(id >= 0 && id < N_VOCAB && id != 1);
        CHECK(k == 2 || id % 2 == 1); /* equal ones are all as likely */
        for (size_t i = 0; i < N_VOCAB; i++)
            logits[i] = -INFINITY;
        id = mote_sampler_choose(s, logits);
        CHECK(id >= 0 && id < N_VOCAB);
        free(s);
    }
    tiny_close(&t);
}

TEST(sampler_refuses_options_out_of_range)
{
    const float nan = NAN, inf = INFINITY;
    const mote_logit_bias bad[] = {{-1, 0}, {N_VOCAB, 0}, {0, nan}, {0, inf}, {0, 2e9f}};
    mote_sampler_opts o, cases[16];
    mote_error err;
    size_t n = 0;
    mote_sampler_defaults(&o);
    CHECK(mote_sampler_bytes(N_VOCAB, &o, &err) > 0);
    for (size_t i = 0; i < 16; i++)
        cases[i] = o;
    cases[n++].temperature = nan;
    cases[n++].temperature = inf;
    cases[n++].top_p = nan;
    cases[n++].top_p = -0.5f;
    cases[n++].min_p = nan;
    cases[n++].min_p = 1.5f;
    cases[n++].repeat_penalty = 0;
    cases[n++].repeat_penalty = nan;
    cases[n++].presence_penalty = inf;
    cases[n++].frequency_penalty = nan;
    cases[n++].repeat_last_n = UINT32_MAX;
    for (size_t i = 0; i < 5; i++, n++) {
        cases[n].bias = &bad[i];
        cases[n].n_bias = 1;
    }
    for (size_t i = 0; i < n; i++) {
        CHECK(mote_sampler_bytes(N_VOCAB, &cases[i], &err) == 0);
        CHECK(err.status == MOTE_ERR_LIMIT);
    }
    o.top_k = INT32_MIN;
    CHECK(mote_sampler_bytes(N_VOCAB, &o, &err) > 0);
    CHECK(mote_sampler_bytes(0, &o, &err) == 0);
}

TEST(sampler_fits_its_memory_exactly)
{
    tiny_opts to = tiny_defaults();
    tiny_model t;
    mote_sampler_opts o;
    mote_sampler *s;
    mote_error err;
    REQUIRE(tiny_open(&t, &to, NULL));
    mote_sampler_defaults(&o);
    size_t bytes = mote_sampler_bytes(N_VOCAB, &o, &err);
    void *mem = aligned_alloc(64, bytes + 64);
    CHECK(mote_sampler_init(&s, mem, bytes - 1, t.model, &o, &err) == MOTE_ERR_MEMORY && !s);
    CHECK(err.has_numbers && err.got == bytes - 1 && err.wanted == bytes);
    CHECK(mote_sampler_init(&s, (char *)mem + 8, bytes, t.model, &o, &err) == MOTE_ERR_MEMORY);
    CHECK(mote_sampler_init(&s, mem, bytes, t.model, &o, &err) == MOTE_OK);
    free(mem);
    tiny_close(&t);
}

/* The ids that a seed gives are part of the contract: they may not change. */
TEST(sampler_gives_the_same_ids_for_a_seed_everywhere)
{
    static const int32_t wanted[2][12] = {{50, 75, 71, 37, 66, 64, 73, 64, 12, 9, 34, 35},
                                          {50, 75, 31, 37, 23, 64, 73, 64, 12, 9, 39, 35}};
    tiny_opts to = tiny_defaults();
    for (size_t i = 0; mote_tier_name(i); i++) {
        unsigned features;
        tiny_model t;
        mote_tier_features(mote_tier_name(i), &features);
        if ((features & mote_cpu_features()) != features)
            continue;
        REQUIRE(tiny_open(&t, &to, mote_tier_name(i)));
        for (int k = 0; k < 2; k++) {
            mote_sampler_opts o;
            uint64_t seed = 77;
            float logits[N_VOCAB];
            mote_sampler_defaults(&o);
            o.seed = 1234567;
            o.top_k = k ? 0 : 40;
            o.repeat_penalty = 1.1f;
            mote_sampler *s = make(&t, &o);
            for (size_t j = 0; j < 12; j++) {
                make_logits(logits, &seed, 9);
                int32_t id = mote_sampler_choose(s, logits);
                mote_sampler_accept(s, id);
                if (!CHECK(id == wanted[k][j]))
                    printf("  tier %s, %d, %zu: %d\n", mote_tier_name(i), k, j, id);
            }
            free(s);
        }
        tiny_close(&t);
    }
}
