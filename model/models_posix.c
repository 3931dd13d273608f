/* models_posix.c: models by role for programs of many threads. Read the end of mote_host.h first.
 *
 * One lock guards all fields; loading itself runs without it, in a slot that is marked LOADING and
 * that others wait for. So a role has one mapping at most, whoever asks for it.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "include/mote_error.h"
#include "model/host.h"

enum { PATH_BYTES = 1024 };

typedef struct slot {
    char role[MOTE_ROLE_BYTES]; /* empty: free */
    char path[PATH_BYTES];
    mote_load_state state;
    mote_error error;   /* of the last load that failed */
    uint64_t n_ended;   /* loads, good or bad: who waits looks for a change */
    uint32_t n_waiting; /* threads that know this slot: it keeps its role */
    mote_file file;
    mote_loaded loaded;
    void *model_memory, *tokenizer_memory;
    mote_models_stats stats;
} slot;

struct mote_models {
    mote_models_opts opts;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a load has ended */
    uint64_t arena_bytes, peak_bytes, n_maps;
    slot slots[MOTE_MAX_ROLES];
};

/* ---- small things --------------------------------------------------------------------------- */

static uint64_t thread_number(void)
{
    pthread_t self = pthread_self();
    uint64_t n = 0;
    memcpy(&n, &self, sizeof self < sizeof n ? sizeof self : sizeof n);
    return n;
}

static void tell(const mote_models *m, const char *role, const char *what, uint64_t number)
{
    struct timespec t;
    if (!m->opts.log)
        return;
    clock_gettime(CLOCK_REALTIME, &t);
    const mote_log_line line = {(int64_t)t.tv_sec * 1000000000 + t.tv_nsec, thread_number(), role,
                                what, number};
    m->opts.log(m->opts.user, &line);
}

static void show(const mote_load_opts *o, const char *role, mote_load_state state, uint32_t percent,
                 const mote_error *error)
{
    const mote_load_event event = {role, state, percent, error};
    if (o->event)
        o->event(o->user, &event);
}

/* The lock is held by the caller of all below. NULL: none of this name, or (add) no room. */
static slot *find(mote_models *m, const char *role, bool add)
{
    slot *free_one = NULL;
    for (size_t i = 0; i < MOTE_MAX_ROLES; i++) {
        slot *s = &m->slots[i];
        if (!*s->role)
            free_one = free_one ? free_one : s;
        else if (strcmp(s->role, role) == 0)
            return s;
    }
    if (add && free_one)
        memcpy(free_one->role, role, strlen(role) + 1);
    return add ? free_one : NULL;
}

static void count_bytes(mote_models *m, slot *s, uint64_t bytes)
{
    s->stats.arena_bytes += bytes;
    m->arena_bytes += bytes;
    if (s->stats.arena_bytes > s->stats.peak_bytes)
        s->stats.peak_bytes = s->stats.arena_bytes;
    if (m->arena_bytes > m->peak_bytes)
        m->peak_bytes = m->arena_bytes;
}

static void uncount_bytes(mote_models *m, slot *s, uint64_t bytes)
{
    s->stats.arena_bytes -= bytes;
    m->arena_bytes -= bytes;
}

/* ---- loading, without the lock --------------------------------------------------------------- */

/* What a load makes, before it becomes the role's. */
typedef struct draft {
    mote_file file;
    mote_loaded loaded;
    void *model_memory, *tokenizer_memory;
    uint64_t bytes; /* of the two */
    bool mapped;
} draft;

static bool is_cancelled(const mote_load_opts *o) { return o->cancel && o->cancel(o->user); }

static mote_status cancelled(mote_error *err)
{
    return mote_fail(err, MOTE_CANCELLED, "cancelled", NULL);
}

static mote_status check_memory(const mote_load_opts *o, uint64_t need, mote_error *err)
{
    mote_machine machine = {0};
    uint64_t most = o->memory_bytes;
    if (!most) {
        mote_count_memory("", &machine);
        most = machine.memory_free_bytes ? machine.memory_free_bytes : UINT64_MAX;
    }
    if (need <= most)
        return MOTE_OK;
    return mote_fail_got(err, MOTE_ERR_MEMORY, "bytes needed, more than may be used", NULL, need,
                         most);
}

static mote_status check_tensors(const draft *d, const char *role, const mote_load_opts *o,
                                 mote_error *err)
{
    mote_image_info info;
    mote_tensor_info t;
    uint64_t done = 0;
    uint32_t percent = 0;
    mote_image_get_info(&d->loaded.image, &info);
    for (size_t i = 0; o->check && i < info.n_tensors; i++) {
        if (is_cancelled(o))
            return cancelled(err);
        if (mote_image_check_tensor(&d->loaded.image, i, err))
            return err->status;
        mote_image_get_tensor(&d->loaded.image, i, &t);
        done += t.bytes;
        uint32_t now = (uint32_t)(99 * done / d->file.bytes);
        if (now > percent)
            show(o, role, MOTE_LOADING, percent = now, NULL);
    }
    return MOTE_OK;
}

static void *take(const mote_models *m, draft *d, size_t bytes)
{
    void *p = m->opts.alloc(bytes);
    d->bytes += p ? bytes : 0;
    return p;
}

static mote_status make_tokenizer(const mote_models *m, draft *d, mote_error *err)
{
    mote_tokenizer *t = NULL;
    mote_error none;
    size_t bytes = mote_tokenizer_bytes();
    if (!mote_image_table(&d->loaded.image, 0).bytes)
        return MOTE_OK;
    if (!(d->tokenizer_memory = take(m, d, bytes)))
        return mote_fail(err, MOTE_ERR_MEMORY, "no memory for the tokenizer", NULL);
    mote_status s = mote_tokenizer_init(&t, d->tokenizer_memory, bytes, &d->loaded.image, &none);
    d->loaded.tokenizer = t;
    if (s && err)
        *err = none;
    return s;
}

static mote_status make_model(const mote_models *m, draft *d, const mote_load_opts *o,
                              mote_error *err)
{
    mote_model *model = NULL;
    size_t bytes = mote_model_bytes(&d->loaded.image, err);
    if (!bytes)
        return err->status;
    mote_status s = check_memory(o, d->file.bytes + bytes + mote_tokenizer_bytes(), err);
    if (s)
        return s;
    if (!(d->model_memory = take(m, d, bytes)))
        return mote_fail(err, MOTE_ERR_MEMORY, "no memory for the model", NULL);
    s = mote_model_init(&model, d->model_memory, bytes, &d->loaded.image, &o->model, err);
    d->loaded.model = model;
    return s;
}

static mote_status make(const mote_models *m, draft *d, const char *role, const mote_load_opts *o,
                        mote_error *err)
{
    if (is_cancelled(o))
        return cancelled(err);
    show(o, role, MOTE_LOADING, 0, NULL);
    mote_status s = mote_file_map(&d->file, o->path, err);
    d->mapped = !s;
    if (!s)
        s = mote_image_open(&d->loaded.image, d->file.base, d->file.bytes, err);
    if (!s)
        s = make_model(m, d, o, err);
    if (!s)
        s = make_tokenizer(m, d, err);
    if (!s)
        s = check_tensors(d, role, o, err);
    return !s && is_cancelled(o) ? cancelled(err) : s;
}

static void unmake(const mote_models *m, draft *d)
{
    if (d->model_memory)
        m->opts.release(d->model_memory);
    if (d->tokenizer_memory)
        m->opts.release(d->tokenizer_memory);
    mote_file_unmap(&d->file);
}

/* ---- loading -------------------------------------------------------------------------------- */

/* Ends the load that this thread has begun. */
static void finish(mote_models *m, slot *s, const draft *d, mote_status status,
                   const mote_error *error)
{
    pthread_mutex_lock(&m->lock);
    s->n_ended++;
    m->n_maps += d->mapped;
    s->stats.n_maps += d->mapped;
    s->state = status ? MOTE_LOAD_FAILED : MOTE_LOADED;
    if (status) {
        s->error = *error;
    } else {
        s->file = d->file;
        s->loaded = d->loaded;
        s->model_memory = d->model_memory;
        s->tokenizer_memory = d->tokenizer_memory;
        s->stats.mapped_bytes = d->file.bytes;
        s->stats.n_loaded = 1;
        count_bytes(m, s, d->bytes);
    }
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

static mote_status load(mote_models *m, slot *s, const char *role, const mote_load_opts *o,
                        mote_error *err)
{
    draft d = {0};
    mote_error own = {0};
    tell(m, role, "loading", 0);
    mote_status status = make(m, &d, role, o, &own);
    if (status)
        unmake(m, &d);
    finish(m, s, &d, status, &own);
    if (status) {
        tell(m, role, own.what, own.got);
        show(o, role, MOTE_LOAD_FAILED, 0, &own);
        if (err)
            *err = own;
    } else {
        tell(m, role, "loaded", d.file.bytes);
        show(o, role, MOTE_LOADED, 100, NULL);
    }
    return status;
}

/* Waits until nobody loads the role. True: a load has ended meanwhile, and failed. */
static bool wait_for_load(mote_models *m, slot *s)
{
    uint64_t before = s->n_ended;
    s->n_waiting++;
    while (s->state == MOTE_LOADING)
        pthread_cond_wait(&m->changed, &m->lock);
    s->n_waiting--;
    return s->n_ended != before && s->state == MOTE_LOAD_FAILED;
}

/* With the lock: is there anything to do? *begin: this thread is to load. */
static mote_status enter(mote_models *m, const char *role, const char *path, slot **out,
                         bool *begin, mote_error *err)
{
    slot *s = *out = find(m, role, true);
    if (!s)
        return mote_fail_got(err, MOTE_ERR_LIMIT, "too many roles", NULL, MOTE_MAX_ROLES + 1,
                             MOTE_MAX_ROLES);
    bool same = s->state == MOTE_LOADING && strcmp(s->path, path) == 0;
    if (wait_for_load(m, s) && same) {
        if (err)
            *err = s->error;
        return s->error.status;
    }
    if (s->state == MOTE_LOADED)
        return strcmp(s->path, path) == 0
                   ? MOTE_OK
                   : mote_fail(err, MOTE_ERR_LIMIT, "the role has another model", role);
    memcpy(s->path, path, strlen(path) + 1);
    s->state = MOTE_LOADING;
    *begin = true;
    return MOTE_OK;
}

mote_status mote_models_load(mote_models *m, const char *role, const mote_load_opts *o,
                             mote_error *err)
{
    slot *s;
    bool begin = false;
    if (!*role || strlen(role) >= MOTE_ROLE_BYTES)
        return mote_fail_got(err, MOTE_ERR_LIMIT, "bytes of a role's name", NULL, strlen(role),
                             MOTE_ROLE_BYTES - 1);
    if (strlen(o->path) >= PATH_BYTES)
        return mote_fail(err, MOTE_ERR_IO, "the name is too long", NULL);
    pthread_mutex_lock(&m->lock);
    mote_status status = enter(m, role, o->path, &s, &begin, err);
    pthread_mutex_unlock(&m->lock);
    return begin ? load(m, s, role, o, err) : status;
}

static void clear(slot *s)
{
    char role[MOTE_ROLE_BYTES];
    uint64_t n_ended = s->n_ended;
    uint32_t n_waiting = s->n_waiting;
    memcpy(role, s->role, sizeof role);
    memset(s, 0, sizeof *s);
    s->n_ended = n_ended;
    s->n_waiting = n_waiting;
    if (n_waiting)
        memcpy(s->role, role, sizeof role);
}

mote_status mote_models_unload(mote_models *m, const char *role, mote_error *err)
{
    draft d = {0};
    mote_status status = MOTE_OK;
    pthread_mutex_lock(&m->lock);
    slot *s = find(m, role, false);
    if (s)
        wait_for_load(m, s);
    if (s && s->stats.n_uses) {
        status = mote_fail_got(err, MOTE_ERR_LIMIT, "still in use", role, s->stats.n_uses, 0);
    } else if (s) {
        d = (draft){.file = s->file,
                    .model_memory = s->model_memory,
                    .tokenizer_memory = s->tokenizer_memory};
        uncount_bytes(m, s, s->stats.arena_bytes);
        clear(s);
    }
    pthread_mutex_unlock(&m->lock);
    unmake(m, &d);
    if (d.file.bytes)
        tell(m, role, "unloaded", 0);
    return status;
}

mote_load_state mote_models_state(mote_models *m, const char *role)
{
    pthread_mutex_lock(&m->lock);
    const slot *s = find(m, role, false);
    mote_load_state state = s ? s->state : MOTE_NOT_LOADED;
    pthread_mutex_unlock(&m->lock);
    return state;
}

bool mote_models_is_loaded(mote_models *models, const char *role)
{
    return mote_models_state(models, role) == MOTE_LOADED;
}

/* ---- using ---------------------------------------------------------------------------------- */

static slot *use(mote_models *m, const char *role)
{
    pthread_mutex_lock(&m->lock);
    slot *s = find(m, role, false);
    if (s && s->state == MOTE_LOADED)
        s->stats.n_uses++;
    else
        s = NULL;
    pthread_mutex_unlock(&m->lock);
    return s;
}

/* What is in use stays as it is. */
const mote_loaded *mote_models_use(mote_models *m, const char *role)
{
    const slot *s = use(m, role);
    return s ? &s->loaded : NULL;
}

void mote_models_drop(mote_models *m, const char *role)
{
    pthread_mutex_lock(&m->lock);
    slot *s = find(m, role, false);
    if (s && s->stats.n_uses)
        s->stats.n_uses--;
    pthread_mutex_unlock(&m->lock);
}

static void count_session(mote_models *m, slot *s, const mote_session_plan *plan, bool begins)
{
    pthread_mutex_lock(&m->lock);
    if (begins) {
        s->stats.n_sessions++;
        s->stats.kv_bytes += plan->kv_bytes;
        count_bytes(m, s, plan->total_bytes);
    } else {
        s->stats.n_sessions--;
        s->stats.kv_bytes -= plan->kv_bytes;
        uncount_bytes(m, s, plan->total_bytes);
    }
    pthread_mutex_unlock(&m->lock);
}

/* The plan lies in front of the session. */
#define FRONT_BYTES MOTE_ALIGN

static mote_status make_session(mote_models *m, slot *s, const mote_session_opts *o,
                                mote_session **out, mote_error *err)
{
    mote_session_plan plan;
    mote_status status = mote_session_plan_bytes(&plan, s->loaded.model, o, err);
    if (status)
        return status;
    char *mem = m->opts.alloc(plan.total_bytes + FRONT_BYTES);
    if (!mem)
        return mote_fail_got(err, MOTE_ERR_MEMORY, "no memory for the session", NULL,
                             plan.total_bytes, 0);
    memcpy(mem, &plan, sizeof plan);
    status = mote_session_init(out, mem + FRONT_BYTES, plan.total_bytes, s->loaded.model, o, err);
    if (status)
        m->opts.release(mem);
    else
        count_session(m, s, &plan, true);
    return status;
}

mote_status mote_models_session(mote_models *m, const char *role, const mote_session_opts *o,
                                mote_session **out, mote_error *err)
{
    slot *s = use(m, role);
    *out = NULL;
    if (!s)
        return mote_fail(err, MOTE_ERR_LIMIT, "nothing is loaded for the role", role);
    mote_status status = make_session(m, s, o, out, err);
    if (status)
        mote_models_drop(m, role);
    return status;
}

void mote_models_end_session(mote_models *m, const char *role, mote_session *session)
{
    mote_session_plan plan;
    if (!session)
        return;
    char *mem = (char *)session - FRONT_BYTES;
    memcpy(&plan, mem, sizeof plan);
    pthread_mutex_lock(&m->lock);
    slot *s = find(m, role, false);
    pthread_mutex_unlock(&m->lock);
    if (s)
        count_session(m, s, &plan, false);
    m->opts.release(mem);
    mote_models_drop(m, role);
}

/* ---- statistics ----------------------------------------------------------------------------- */

static void add_stats(mote_models_stats *sum, const mote_models_stats *s)
{
    sum->n_loaded += s->n_loaded;
    sum->n_uses += s->n_uses;
    sum->n_sessions += s->n_sessions;
    sum->mapped_bytes += s->mapped_bytes;
    sum->kv_bytes += s->kv_bytes;
}

void mote_models_get_stats(mote_models *m, const char *role, mote_models_stats *stats)
{
    pthread_mutex_lock(&m->lock);
    const slot *s = role ? find(m, role, false) : NULL;
    *stats = s ? s->stats : (mote_models_stats){0};
    for (size_t i = 0; !role && i < MOTE_MAX_ROLES; i++)
        add_stats(stats, &m->slots[i].stats);
    if (!role) {
        stats->n_maps = m->n_maps;
        stats->arena_bytes = m->arena_bytes;
        stats->peak_bytes = m->peak_bytes;
    }
    pthread_mutex_unlock(&m->lock);
}

/* ---- beginning and end ---------------------------------------------------------------------- */

mote_models *mote_models_new(const mote_models_opts *opts, mote_error *err)
{
    mote_models_opts o = opts ? *opts : (mote_models_opts){0};
    o.alloc = o.alloc ? o.alloc : mote_host_alloc;
    o.release = o.release ? o.release : mote_host_free;
    mote_models *m = o.alloc(sizeof *m);
    if (!m) {
        mote_fail(err, MOTE_ERR_MEMORY, "no memory for models", NULL);
        return NULL;
    }
    memset(m, 0, sizeof *m);
    m->opts = o;
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->changed, NULL);
    return m;
}

void mote_models_free(mote_models *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < MOTE_MAX_ROLES; i++) {
        m->slots[i].stats.n_uses = 0;
        if (*m->slots[i].role)
            mote_models_unload(m, m->slots[i].role, NULL);
    }
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    m->opts.release(m);
}
