/* test_generate.c: the generation loop: what it feeds, what it makes, why it ends. */
#include "include/mote_host.h"
#include "tests/unit/test.h"
#include "tests/unit/tiny.h"

typedef struct made {
    int32_t ids[600];
    size_t n, stop_after;
    const int32_t *truth; /* what guesses are made from */
    size_t n_right;       /* guesses in a pass that are right; then comes a wrong one */
    size_t progress_calls, progress_done;
    size_t cancel_after; /* questions */
    size_t asked;
} made;

static bool take_id(void *user, int32_t id)
{
    made *m = user;
    m->ids[m->n++] = id;
    return m->n != m->stop_after;
}

static void take_progress(void *user, size_t done, size_t total)
{
    made *m = user;
    m->progress_calls++;
    m->progress_done = done;
    CHECK(done <= total);
}

static bool ask(void *user)
{
    made *m = user;
    return ++m->asked == m->cancel_after;
}

static const int32_t prompt[] = {5, 17, 33, 2, 60, 44, 8, 71, 19, 20};
enum { N_PROMPT = 10 };

static mote_session *new_session(const tiny_model *t, uint32_t n_ctx, uint32_t n_batch)
{
    mote_session_opts so = {n_ctx, MOTE_KV_F32, n_batch, 1, 1};
    return tiny_session(t->model, &so);
}

static mote_generate_opts options(made *m, size_t max_tokens)
{
    memset(m, 0, sizeof *m);
    return (mote_generate_opts){.ids = prompt,
                                .n_ids = N_PROMPT,
                                .max_tokens = max_tokens,
                                .token = take_id,
                                .progress = take_progress,
                                .user = m};
}

/* What plain calls of mote_forward give. */
static void by_hand(const tiny_model *t, int32_t *ids, size_t n)
{
    mote_session *s = new_session(t, 64, 1);
    for (uint32_t i = 0; i < N_PROMPT + n - 1; i++) {
        mote_row row = {i < N_PROMPT ? prompt[i] : ids[i - N_PROMPT], i, s, true};
        if (mote_forward(s, &row, 1, NULL, NULL, NULL))
            abort();
        if (i + 1 >= N_PROMPT)
            ids[i + 1 - N_PROMPT] = mote_argmax(mote_session_logits(s, 0), 80);
    }
    free(s);
}

TEST(generation_equals_steps_by_hand)
{
    tiny_opts to = tiny_defaults();
    tiny_model t;
    int32_t want[20];
    REQUIRE(tiny_open(&t, &to, NULL));
    by_hand(&t, want, 20);
    for (uint32_t batch = 1; batch <= 16; batch += 5) {
        made m;
        mote_finish finish;
        mote_session *s = new_session(&t, 64, batch);
        mote_generate_opts o = options(&m, 20);
        CHECK(mote_generate(s, &o, &finish, NULL) == MOTE_OK);
        CHECK(finish == MOTE_FINISH_LENGTH && m.n == 20);
        CHECK(memcmp(m.ids, want, sizeof want) == 0);
        CHECK(mote_session_length(s) == N_PROMPT + 19); /* the last id is not evaluated */
        CHECK(m.progress_calls == (N_PROMPT + batch - 1) / batch && m.progress_done == N_PROMPT);
        free(s);
    }
    tiny_close(&t);
}

TEST(generation_ends_for_each_reason)
{
    tiny_opts to = tiny_defaults();
    tiny_model t;
    made m;
    mote_finish finish;
    mote_error err;
    int32_t want[30];
    REQUIRE(tiny_open(&t, &to, NULL));
    by_hand(&t, want, 30);

    mote_session *s = new_session(&t, 64, 4);
    mote_generate_opts o = options(&m, SIZE_MAX);
    size_t first = 0;
    while (want[first] != want[7])
        first++;
    o.end_ids = &want[7];
    o.n_end_ids = 1;
    CHECK(mote_generate(s, &o, &finish, &err) == MOTE_OK);
    CHECK(finish == MOTE_FINISH_STOP && m.n == first);

    mote_session_rewind(s, 0);
    o = options(&m, SIZE_MAX);
    m.stop_after = 3;
    CHECK(mote_generate(s, &o, &finish, &err) == MOTE_OK);
    CHECK(finish == MOTE_FINISH_CALLER && m.n == 3);

    mote_session_rewind(s, 0);
    o = options(&m, 0);
    CHECK(mote_generate(s, &o, &finish, &err) == MOTE_OK);
    CHECK(finish == MOTE_FINISH_LENGTH && m.n == 0 && mote_session_length(s) == N_PROMPT);
    free(s);

    for (uint32_t n_ctx = N_PROMPT; n_ctx < N_PROMPT + 3; n_ctx++) {
        s = new_session(&t, n_ctx, 4);
        o = options(&m, SIZE_MAX);
        CHECK(mote_generate(s, &o, &finish, &err) == MOTE_OK);
        CHECK(finish == MOTE_FINISH_CONTEXT && m.n == n_ctx - N_PROMPT + 1);
        CHECK(mote_session_length(s) == n_ctx);
        free(s);
    }
    tiny_close(&t);
}

TEST(generation_can_be_cancelled_and_goes_on)
{
    tiny_opts to = tiny_defaults();
    tiny_model t;
    made m;
    mote_finish finish;
    mote_error err;
    int32_t want[8];
    REQUIRE(tiny_open(&t, &to, NULL));
    by_hand(&t, want, 8);
    for (size_t at = 1; at < 20; at++) {
        mote_session *s = new_session(&t, 64, 4);
        mote_generate_opts o = options(&m, 8);
        mote_hooks hooks = {.user = &m, .cancel = ask};
        o.hooks = &hooks;
        m.cancel_after = at;
        CHECK(mote_generate(s, &o, &finish, &err) == MOTE_OK);
        CHECK(finish == MOTE_FINISH_CANCELLED);
        uint32_t done = mote_session_length(s);
        CHECK(done == N_PROMPT || done % 4 == 0 || done > N_PROMPT);
        if (done < N_PROMPT) { /* the rest of the prompt gives the same as all of it */
            o.ids = prompt + done;
            o.n_ids = N_PROMPT - done;
            o.hooks = NULL;
            m.n = 0;
            CHECK(mote_generate(s, &o, &finish, &err) == MOTE_OK);
            CHECK(finish == MOTE_FINISH_LENGTH && memcmp(m.ids, want, sizeof want) == 0);
        }
        free(s);
    }
    tiny_close(&t);
}

TEST(generation_refuses_before_any_work)
{
    tiny_opts to = tiny_defaults();
    tiny_model t;
    made m;
    mote_finish finish;
    mote_error err;
    const int32_t bad[] = {1, 2, 80}, negative[] = {-1};
    REQUIRE(tiny_open(&t, &to, NULL));
    mote_session *s = new_session(&t, N_PROMPT - 1, 4);
    mote_generate_opts o = options(&m, 5);
    CHECK(mote_generate(s, &o, &finish, &err) == MOTE_ERR_LIMIT);
    CHECK(err.got == N_PROMPT && err.wanted == N_PROMPT - 1 && mote_session_length(s) == 0);
    o.n_ids = 0;
    CHECK(mote_generate(s, &o, &finish, &err) == MOTE_ERR_LIMIT);
    o.ids = bad;
    o.n_ids = 3;
    CHECK(mote_generate(s, &o, &finish, &err) == MOTE_ERR_LIMIT && err.got == 80);
    o.ids = negative;
    o.n_ids = 1;
    CHECK(mote_generate(s, &o, &finish, &err) == MOTE_ERR_LIMIT);
    CHECK(mote_session_length(s) == 0 && m.n == 0 && m.progress_calls == 0);
    o.ids = prompt;
    o.n_ids = SIZE_MAX;
    CHECK(mote_generate(s, &o, &finish, &err) == MOTE_ERR_LIMIT);
    free(s);
    tiny_close(&t);
}

static size_t guess(void *user, int32_t *ids, size_t max)
{
    made *m = user;
    size_t n = m->n_right + 1 < max ? m->n_right + 1 : max;
    for (size_t i = 0; i < n; i++)
        ids[i] = m->truth[m->n + i];
    if (m->n_right < n)
        ids[m->n_right] = m->n % 3 ? (ids[m->n_right] + 1) % 80 : 80; /* 80: no id of the model */
    return n;
}

TEST(guesses_change_nothing_but_the_time)
{
    tiny_opts to = tiny_defaults();
    tiny_model t;
    int32_t want[60];
    REQUIRE(tiny_open(&t, &to, NULL));
    by_hand(&t, want, 54);
    for (uint32_t room = 1; room <= 8; room += 3)
        for (size_t right = 0; right < 9; right++)
            for (size_t n = 1; n < 54; n += 13) {
                made m;
                mote_finish finish;
                mote_session_opts so = {64, MOTE_KV_F32, 16, room, 1};
                mote_session *s = tiny_session(t.model, &so);
                mote_generate_opts o = options(&m, n);
                o.guess = guess;
                m.truth = want;
                m.n_right = right;
                CHECK(mote_generate(s, &o, &finish, NULL) == MOTE_OK);
                CHECK(finish == MOTE_FINISH_LENGTH && m.n == n);
                CHECK(memcmp(m.ids, want, n * sizeof *want) == 0);
                CHECK(mote_session_length(s) == N_PROMPT + n - 1);
                free(s);
            }
    tiny_close(&t);
}
