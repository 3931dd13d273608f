/* test_bounds_runs.c: sessions, samplers, prompts and states at their limits and one past them, in
 * just the memory that they ask for. Read model/session.c and model/sampler.c first. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/unit/test.h"
#include "tests/unit/tiny.h"

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
