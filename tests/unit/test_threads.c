/* test_threads.c: one model, many threads. The point is `make tsan`, which sees every access. */
#include <pthread.h>
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

static void *load_file(void *arg)
{
    shared *s = arg;
    mote_file file;
    mote_image image;
    mote_model *m = NULL;
    mote_model_opts mo = {.isa = NULL};
    mote_error err;
    if (mote_file_map(&file, s->path, &err))
        return NULL;
    size_t need =
        mote_image_open(&image, file.base, file.bytes, &err) ? 0 : mote_model_bytes(&image, &err);
    void *memory = need ? mote_host_alloc(need) : NULL;
    if (memory && !mote_model_init(&m, memory, need, &image, &mo, &err) && hash_text(m) == s->hash)
        atomic_fetch_add(&s->good, 1);
    mote_host_free(memory);
    mote_file_unmap(&file);
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
    shared s = {.path = path, .hash = hash_text(t.model)};
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
