/* test_models.c: models by role: states, failures, sharing, statistics, and 64 threads that want
 * the same model at once. */
#include <stdatomic.h>

#include "include/mote_host.h"
#include "tests/unit/test.h"
#include "tests/unit/tiny.h"

enum { N_THREADS = 64, ROUNDS = 1000 };

static atomic_int n_allocated;

static void *count_alloc(size_t bytes)
{
    atomic_fetch_add(&n_allocated, 1);
    return mote_host_alloc(bytes);
}

static void count_release(void *p)
{
    atomic_fetch_sub(&n_allocated, 1);
    mote_host_free(p);
}

/* A model in a file; its bytes, 0: failed. */
static size_t write_model(char path[400], const char *name, uint64_t seed, bool damaged)
{
    tiny_opts o = tiny_defaults();
    size_t bytes;
    o.seed = seed;
    uint8_t *image = tiny_image(&o, &bytes);
    snprintf(path, 400, "%s/%s", test_folder(), name);
    if (damaged)
        image[bytes - 8] ^= 1;
    FILE *f = fopen(path, "wb");
    bool good = f && fwrite(image, 1, bytes, f) == bytes;
    good &= f && fclose(f) == 0;
    free(image);
    return good ? bytes : 0;
}

/* ---- states --------------------------------------------------------------------------------- */

typedef struct story {
    char text[200]; /* the states, with percents */
    uint32_t percent;
    bool falls, has_error;
    int cancel_after, n_lines;
    bool bad_line;
    char last[64];
} story;

static void note_event(void *user, const mote_load_event *e)
{
    static const char letters[] = "NLDF";
    story *s = user;
    size_t n = strlen(s->text);
    if (n + 1 < sizeof s->text && (!n || s->text[n - 1] != letters[e->state])) {
        s->text[n] = letters[e->state];
        s->text[n + 1] = 0;
    }
    s->falls |= e->state == MOTE_LOADING && e->percent < s->percent;
    s->percent = e->percent;
    s->has_error = e->error && e->error->what && *e->error->what;
}

static bool cancel_later(void *user) { return ((story *)user)->cancel_after-- <= 0; }

static void note_line(void *user, const mote_log_line *line)
{
    story *s = user;
    s->n_lines++;
    s->bad_line |= line->time_ns < 1000000000 || !line->thread || strcmp(line->role, "chat") != 0;
    snprintf(s->last, sizeof s->last, "%s", line->what);
}

TEST(a_load_tells_its_states)
{
    char path[400], bad[400];
    story s = {.cancel_after = 1000};
    mote_models_opts mo = {.log = note_line, .user = &s};
    mote_error err;
    REQUIRE(write_model(path, "m.mote", 1, false) && write_model(bad, "bad.mote", 1, true));
    mote_models *m = mote_models_new(&mo, &err);
    REQUIRE(m != NULL);
    mote_load_opts o = {.path = path, .check = true, .event = note_event, .user = &s};
    CHECK(mote_models_state(m, "chat") == MOTE_NOT_LOADED);
    CHECK(mote_models_load(m, "chat", &o, &err) == MOTE_OK);
    CHECK(strcmp(s.text, "LD") == 0 && s.percent == 100 && !s.falls && !s.has_error);
    CHECK(mote_models_is_loaded(m, "chat") && strcmp(s.last, "loaded") == 0 && s.n_lines == 2);
    CHECK(mote_models_load(m, "chat", &o, &err) == MOTE_OK && strcmp(s.text, "LD") == 0);
    o.path = bad;
    CHECK(mote_models_load(m, "chat", &o, &err) == MOTE_ERR_LIMIT);
    CHECK(mote_models_unload(m, "chat", &err) == MOTE_OK);
    CHECK(mote_models_load(m, "chat", &o, &err) == MOTE_ERR_FILE);
    CHECK(strcmp(s.text, "LDLF") == 0 && s.has_error && !s.bad_line);
    CHECK(mote_models_state(m, "chat") == MOTE_LOAD_FAILED);
    o.path = path;
    CHECK(mote_models_load(m, "chat", &o, &err) == MOTE_OK && mote_models_is_loaded(m, "chat"));
    mote_models_free(m);
}

TEST(a_load_is_cancelled_at_any_step)
{
    char path[400];
    mote_error err;
    REQUIRE(write_model(path, "m.mote", 1, false));
    mote_models *m = mote_models_new(NULL, &err);
    REQUIRE(m != NULL);
    mote_status status = MOTE_CANCELLED;
    int steps = 0;
    for (; status == MOTE_CANCELLED && steps < 100; steps++) {
        story s = {.cancel_after = steps};
        mote_load_opts o = {
            .path = path, .check = true, .event = note_event, .cancel = cancel_later, .user = &s};
        mote_models_stats stats;
        status = mote_models_load(m, "chat", &o, &err);
        mote_models_get_stats(m, NULL, &stats);
        CHECK(status == MOTE_OK ||
              (status == MOTE_CANCELLED && !stats.arena_bytes && !stats.mapped_bytes &&
               mote_models_state(m, "chat") == MOTE_LOAD_FAILED && s.has_error));
    }
    CHECK(status == MOTE_OK && steps > 5);
    mote_models_free(m);
}

TEST(a_load_beyond_the_memory_is_refused)
{
    char path[400];
    mote_error err;
    size_t bytes = write_model(path, "m.mote", 1, false);
    mote_models *m = mote_models_new(NULL, &err);
    REQUIRE(m && bytes);
    mote_load_opts o = {.path = path, .memory_bytes = bytes * 9 / 10};
    CHECK(mote_models_load(m, "chat", &o, &err) == MOTE_ERR_MEMORY && err.got > err.wanted);
    o.memory_bytes = err.got;
    CHECK(mote_models_load(m, "chat", &o, &err) == MOTE_OK);
    mote_models_free(m);
}

/* ---- using ---------------------------------------------------------------------------------- */

TEST(roles_have_models_sessions_and_statistics)
{
    char path[2][400];
    mote_error err;
    mote_models_stats st, all;
    mote_session *a = NULL, *b = NULL;
    size_t bytes[2] = {write_model(path[0], "0.mote", 1, false),
                       write_model(path[1], "1.mote", 2, false)};
    mote_models *m =
        mote_models_new(&(mote_models_opts){.alloc = count_alloc, .release = count_release}, &err);
    REQUIRE(m && bytes[0] && bytes[1]);
    const mote_session_opts so = {64, MOTE_KV_F16, 8, 1, 1};
    CHECK(mote_models_session(m, "chat", &so, &a, &err) == MOTE_ERR_LIMIT && !a);
    CHECK(!mote_models_use(m, "chat"));
    for (size_t i = 0; i < 2; i++)
        REQUIRE(
            !mote_models_load(m, i ? "embed" : "chat", &(mote_load_opts){.path = path[i]}, &err));
    REQUIRE(!mote_models_session(m, "chat", &so, &a, &err) &&
            !mote_models_session(m, "embed", &so, &b, &err));
    mote_session_plan plan;
    const mote_loaded *l = mote_models_use(m, "chat");
    REQUIRE(l && l->model && !mote_session_plan_bytes(&plan, l->model, &so, &err));
    mote_models_get_stats(m, "chat", &st);
    mote_models_get_stats(m, NULL, &all);
    CHECK(st.n_uses == 2 && st.n_sessions == 1 && st.kv_bytes == plan.kv_bytes);
    CHECK(st.mapped_bytes == bytes[0] && all.mapped_bytes == bytes[0] + bytes[1]);
    CHECK(all.n_loaded == 2 && all.n_maps == 2 && all.kv_bytes == 2 * plan.kv_bytes);
    CHECK(all.arena_bytes == 2 * st.arena_bytes && all.peak_bytes == all.arena_bytes);
    mote_row row = {1, 0, a, true};
    CHECK(mote_forward(a, &row, 1, NULL, NULL, &err) == MOTE_OK);
    CHECK(mote_models_unload(m, "chat", &err) == MOTE_ERR_LIMIT && err.got == 2);
    mote_models_drop(m, "chat");
    mote_models_end_session(m, "chat", a);
    mote_models_end_session(m, "embed", b);
    CHECK(!mote_models_unload(m, "chat", &err) && !mote_models_unload(m, "embed", &err));
    CHECK(!mote_models_unload(m, "nobody", &err));
    mote_models_get_stats(m, NULL, &all);
    CHECK(!all.n_loaded && !all.n_uses && !all.n_sessions && !all.mapped_bytes &&
          !all.arena_bytes && !all.kv_bytes && all.peak_bytes);
    CHECK(atomic_load(&n_allocated) == 1); /* the object itself */
    mote_models_free(m);
    CHECK(atomic_load(&n_allocated) == 0);
}

TEST(names_of_roles_have_limits)
{
    char path[400], role[MOTE_ROLE_BYTES + 1];
    mote_error err;
    REQUIRE(write_model(path, "m.mote", 1, false));
    mote_models *m = mote_models_new(NULL, &err);
    mote_load_opts o = {.path = path};
    REQUIRE(m != NULL);
    CHECK(mote_models_load(m, "", &o, &err) == MOTE_ERR_LIMIT);
    memset(role, 'r', sizeof role);
    role[MOTE_ROLE_BYTES] = 0;
    CHECK(mote_models_load(m, role, &o, &err) == MOTE_ERR_LIMIT);
    for (int i = 0; i <= MOTE_MAX_ROLES; i++) {
        snprintf(role, sizeof role, "role %d", i);
        CHECK(mote_models_load(m, role, &o, &err) ==
              (i < MOTE_MAX_ROLES ? MOTE_OK : MOTE_ERR_LIMIT));
    }
    mote_models_free(m);
}

/* ---- threads -------------------------------------------------------------------------------- */

typedef struct crowd {
    mote_models *models;
    const char *path;
    atomic_int good;
} crowd;

static void load_and_use(void *arg, uint32_t thread)
{
    crowd *c = arg;
    mote_error err;
    (void)thread;
    const mote_load_opts o = {.path = c->path, .memory_bytes = UINT64_MAX};
    if (mote_models_load(c->models, "chat", &o, &err))
        return;
    const mote_loaded *l = mote_models_use(c->models, "chat");
    mote_model_info info = {0};
    if (l)
        mote_model_get_info(l->model, &info);
    atomic_fetch_add(&c->good, l && info.n_layers == 2);
    mote_models_drop(c->models, "chat");
}

static void load_and_unload(void *arg, uint32_t thread)
{
    crowd *c = arg;
    mote_error err;
    const mote_load_opts o = {.path = c->path, .memory_bytes = UINT64_MAX};
    for (int i = 0; i < 20; i++)
        if (thread % 2 ? mote_models_load(c->models, "chat", &o, &err)
                       : mote_models_unload(c->models, "chat", &err))
            return;
    atomic_fetch_add(&c->good, 1);
}

static size_t count_maps(void)
{
    size_t n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    for (int c; f && (c = fgetc(f)) != EOF;)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

TEST(many_threads_load_a_role_once_each_time)
{
    char path[400];
    mote_error err;
    mote_models_stats stats;
    REQUIRE(write_model(path, "m.mote", 1, false));
    crowd c = {.path = path};
    c.models =
        mote_models_new(&(mote_models_opts){.alloc = count_alloc, .release = count_release}, &err);
    mote_pool *pool = mote_pool_new(N_THREADS, &err);
    REQUIRE(c.models && pool);
    const mote_team *team = mote_pool_team(pool);
    size_t maps = 0;
    for (int i = 0; i < ROUNDS; i++) {
        team->run(team->user, load_and_use, &c);
        mote_models_get_stats(c.models, NULL, &stats);
        if (stats.n_maps != (uint64_t)i + 1 || stats.n_loaded != 1 || stats.n_uses)
            break;
        if (mote_models_unload(c.models, "chat", &err) || atomic_load(&n_allocated) != 1)
            break;
        maps = i == 10 ? count_maps() : maps;
    }
    CHECK(stats.n_maps == ROUNDS && atomic_load(&c.good) == N_THREADS * ROUNDS);
    CHECK(count_maps() < maps + ROUNDS / 4); /* sanitizers map some for themselves */
    atomic_store(&c.good, 0);
    team->run(team->user, load_and_unload, &c);
    CHECK(atomic_load(&c.good) == N_THREADS);
    mote_pool_free(pool);
    mote_models_free(c.models);
    CHECK(atomic_load(&n_allocated) == 0);
}
