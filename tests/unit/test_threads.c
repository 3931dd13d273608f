/* test_threads.c: one model, many threads. The point is `make tsan`, which sees every access. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "include/mote_host.h"
#include "tests/unit/test.h"
#include "tests/unit/tiny.h"

enum { N_IDS = 24, MAX_THREADS = 64 };

static const mote_session_opts opts = {64, MOTE_KV_F16, 8, 8, 1};

/* What all threads of a test share; each counts its success. */
typedef struct shared {
    const mote_model *model;
    const char *path;
    uint64_t hash;
    size_t rounds;
    atomic_int good, stop;
} shared;

static void on_threads(size_t n, void *(*fn)(void *), shared *s)
{
    pthread_t threads[MAX_THREADS];
    size_t started = 0;
    while (started < n && pthread_create(&threads[started], NULL, fn, s) == 0)
        started++;
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    CHECK(atomic_load(&s->good) == (int)n);
}

static uint64_t hash_text(const mote_model *m)
{
    int32_t ids[N_IDS];
    for (int32_t i = 0; i < N_IDS; i++)
        ids[i] = i * 7 % 80;
    return tiny_hash(m, &opts, ids, N_IDS, 5, NULL);
}

static void *run_session(void *arg)
{
    shared *s = arg;
    for (int i = 0; i < 3; i++)
        if (hash_text(s->model) != s->hash)
            return NULL;
    atomic_fetch_add(&s->good, 1);
    return NULL;
}

TEST(sessions_on_many_threads_share_a_model)
{
    tiny_opts o = tiny_experts();
    tiny_model t;
    REQUIRE(tiny_open(&t, &o, NULL));
    shared s = {.model = t.model, .hash = hash_text(t.model)};
    CHECK(s.hash != 0);
    on_threads(16, run_session, &s);
    tiny_close(&t);
}

/* ---- one file ------------------------------------------------------------------------------- */

static bool load_once(const shared *s, bool run)
{
    mote_file file;
    mote_image image;
    mote_model *m = NULL;
    mote_model_opts mo = {.isa = NULL};
    mote_error err;
    if (mote_file_map(&file, s->path, &err))
        return false;
    size_t need =
        mote_image_open(&image, file.base, file.bytes, &err) ? 0 : mote_model_bytes(&image, &err);
    void *memory = need ? mote_host_alloc(need) : NULL;
    bool good = memory && !mote_model_init(&m, memory, need, &image, &mo, &err) &&
                (!run || hash_text(m) == s->hash);
    mote_host_free(memory);
    mote_file_unmap(&file);
    return good;
}

static void *load_file(void *arg)
{
    shared *s = arg;
    for (size_t i = 0; i < s->rounds; i++)
        if (!load_once(s, i % 100 == 0))
            return NULL;
    atomic_fetch_add(&s->good, 1);
    return NULL;
}

TEST(many_threads_load_one_file)
{
    char path[400];
    size_t bytes;
    tiny_opts o = tiny_defaults();
    uint8_t *image = tiny_image(&o, &bytes);
    tiny_model t;
    snprintf(path, sizeof path, "%s/threads.mote", test_folder());
    FILE *f = fopen(path, "wb");
    bool written = f && fwrite(image, 1, bytes, f) == bytes;
    free(image);
    REQUIRE(f && fclose(f) == 0 && written && tiny_open(&t, &o, NULL));
    shared s = {.path = path, .hash = hash_text(t.model), .rounds = test_times(4, 1000)};
    on_threads(MAX_THREADS, load_file, &s);
    tiny_close(&t);
}

/* ---- cancelling ----------------------------------------------------------------------------- */

static bool is_stopped(void *user) { return atomic_load(&((shared *)user)->stop) != 0; }

static void *stop_soon(void *arg)
{
    atomic_store(&((shared *)arg)->stop, 1);
    return NULL;
}

/* The team runs on and on until another thread says stop; then nothing has changed. */
TEST(another_thread_cancels_a_run)
{
    mote_error err;
    tiny_opts o = tiny_defaults();
    tiny_model t;
    mote_session_opts so = opts;
    so.n_threads = 3;
    mote_pool *pool = mote_pool_new(3, &err);
    REQUIRE(pool && tiny_open(&t, &o, NULL));
    mote_session *session = tiny_session(t.model, &so);
    shared s = {.model = t.model};
    mote_hooks hooks = {.user = &s, .cancel = is_stopped};
    mote_status status = MOTE_OK;
    pthread_t other;
    REQUIRE(session && pthread_create(&other, NULL, stop_soon, &s) == 0);
    while (!status) {
        uint32_t length = mote_session_length(session);
        if (length == so.n_ctx)
            mote_session_rewind(session, length = 0);
        mote_row row = {1, length, session, true};
        status = mote_forward(session, &row, 1, mote_pool_team(pool), &hooks, &err);
        CHECK(mote_session_length(session) == length + !status);
    }
    CHECK(status == MOTE_CANCELLED);
    pthread_join(other, NULL);
    free(session);
    mote_pool_free(pool);
    tiny_close(&t);
}

typedef struct moment {
    shared *s;
    size_t turns;
} moment;

/* Lets some time pass, then says stop. */
static void *stop_later(void *arg)
{
    moment *m = arg;
    for (size_t i = 0; i < m->turns; i++)
        sched_yield();
    atomic_store(&m->s->stop, 1);
    return NULL;
}

/* Prompt and answer are cancelled at any moment: then the session holds whole rows, and what they
 * are is right: it goes on with the bits of one that was never stopped. */
TEST(generations_are_cancelled_at_any_moment)
{
    tiny_opts o = tiny_defaults();
    tiny_model t;
    int32_t ids[40];
    uint64_t random = 3;
    unsigned n_cancelled = 0;
    REQUIRE(tiny_open(&t, &o, NULL));
    for (int32_t i = 0; i < 40; i++)
        ids[i] = i * 11 % 80;
    mote_session *session = tiny_session(t.model, &opts);
    mote_session *other = tiny_session(t.model, &opts);
    for (size_t i = 0, n = test_times(40, 2000); i < n; i++) {
        shared s = {.model = t.model};
        moment m = {&s, (size_t)(test_random(&random) % 60)};
        mote_hooks hooks = {.user = &s, .cancel = is_stopped};
        mote_generate_opts g = {.ids = ids, .n_ids = 40, .max_tokens = 20, .hooks = &hooks};
        mote_finish finish = MOTE_FINISH_STOP;
        pthread_t thread;
        mote_session_rewind(session, 0);
        REQUIRE(pthread_create(&thread, NULL, stop_later, &m) == 0);
        if (i == 0) /* this one is stopped for certain */
            pthread_join(thread, NULL);
        CHECK(mote_generate(session, &g, &finish, NULL) == MOTE_OK);
        if (i > 0)
            pthread_join(thread, NULL);
        CHECK(finish == MOTE_FINISH_CANCELLED || finish == MOTE_FINISH_LENGTH);
        n_cancelled += finish == MOTE_FINISH_CANCELLED;
        uint32_t length = mote_session_length(session);
        if (length >= 40)
            continue;
        mote_session_rewind(other, 0);
        for (uint32_t pos = 0; pos <= length; pos++) {
            mote_row row = {ids[pos], pos, other, true};
            CHECK(mote_forward(other, &row, 1, NULL, NULL, NULL) == MOTE_OK);
        }
        mote_row row = {ids[length], length, session, true};
        CHECK(mote_forward(session, &row, 1, NULL, NULL, NULL) == MOTE_OK);
        CHECK(memcmp(mote_session_logits(session, 0), mote_session_logits(other, 0),
                     80 * sizeof(float)) == 0);
    }
    CHECK(n_cancelled > 0);
    free(session);
    free(other);
    tiny_close(&t);
}
