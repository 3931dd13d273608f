/* pool_posix.c: a team of threads that stays together: run() starts one function on all of them,
 * barrier() lets them wait for each other.
 *
 * Whoever waits spins for a short time, then goes on looking but gives its CPU away each time, then
 * sleeps. Decoding passes a barrier every few microseconds, so waiting threads mostly never sleep;
 * but a thread must not burn a CPU that another of the team needs. With fewer CPUs than threads
 * nobody spins; and when other programs keep CPUs busy, two threads of the team may share one.
 * Sleeping begins late: a thread that another program holds up for a millisecond would else find
 * all the others asleep, and each wake-up costs more than the wait did.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "include/mote_error.h"
#include "model/host.h"

#define SPIN_NS 2000000 /* beyond that a thread is held up for good, or there is no work */
#define KEEP_NS                                                                                    \
    3000 /* of these, without giving way: a barrier between balanced shares takes less */
#define YIELDS 4
#define STACK_BYTES ((size_t)256 << 10)
#define MAX_THREADS 1024u

typedef struct worker {
    mote_pool *pool;
    pthread_t thread;
    uint32_t index; /* 1 .. n_threads-1 */
} worker;

/* Each counter that threads fight for has a cache line for itself. */
struct mote_pool {
    mote_team team;
    uint32_t n_workers; /* running */
    bool spins;
    bool ends;
    void (*fn)(void *arg, uint32_t thread);
    void *arg;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    _Alignas(64) atomic_uint sleepers;
    _Alignas(64) atomic_uint job;     /* number of the current job */
    _Alignas(64) atomic_uint waiting; /* threads at the barrier */
    _Alignas(64) atomic_uint passed;  /* barriers passed */
    _Alignas(64) worker workers[];
};

/* ---- waiting -------------------------------------------------------------------------------- */

static void relax(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("isb" ::: "memory");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool has_changed(const atomic_uint *word, unsigned old)
{
    return atomic_load_explicit(word, memory_order_acquire) != old;
}

/* A short while without giving way, then a longer one in which another thread of the team that has
 * come to the same CPU gets it at once. */
static bool spin_while(const mote_pool *p, const atomic_uint *word, unsigned old)
{
    int64_t start = p->spins ? now_ns() : 0, spent = 0;
    while (p->spins && spent < SPIN_NS) {
        for (int i = 0; i < 32; i++) {
            if (has_changed(word, old))
                return true;
            relax();
        }
        spent = now_ns() - start;
        if (spent > KEEP_NS)
            sched_yield();
    }
    for (int i = 0; i < YIELDS; i++) {
        if (has_changed(word, old))
            return true;
        sched_yield();
    }
    return false;
}

/* Returns when *word is no longer `old`. */
static void wait_while(mote_pool *p, atomic_uint *word, unsigned old)
{
    if (spin_while(p, word, old))
        return;
    pthread_mutex_lock(&p->mutex);
    atomic_fetch_add(&p->sleepers, 1);
    while (atomic_load(word) == old)
        pthread_cond_wait(&p->changed, &p->mutex);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->mutex);
}

/* A sleeper counts itself before it looks at the word a last time, and here the word changes before
 * the sleepers are counted: nobody is missed (all of it sequentially consistent). An exchange: past
 * a mere store of AArch64, qemu 7 on x86 lets the load go first, and sleepers sleep for ever. */
static void change(mote_pool *p, atomic_uint *word, unsigned value)
{
    atomic_exchange(word, value);
    if (atomic_load(&p->sleepers)) {
        pthread_mutex_lock(&p->mutex);
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->mutex);
    }
}

/* ---- the team ------------------------------------------------------------------------------- */

static void pool_barrier(void *user, uint32_t thread)
{
    mote_pool *p = user;
    unsigned round = atomic_load_explicit(&p->passed, memory_order_relaxed);
    (void)thread;
    if (atomic_fetch_add(&p->waiting, 1) + 1 == p->team.n_threads) {
        atomic_store_explicit(&p->waiting, 0, memory_order_relaxed);
        change(p, &p->passed, round + 1);
    } else {
        wait_while(p, &p->passed, round);
    }
}

static void *work(void *arg)
{
    worker *w = arg;
    mote_pool *p = w->pool;
    for (unsigned done = 0;; done++) {
        wait_while(p, &p->job, done);
        if (p->ends)
            return NULL;
        p->fn(p->arg, w->index);
        pool_barrier(p, w->index);
    }
}

static void pool_run(void *user, void (*fn)(void *arg, uint32_t thread), void *arg)
{
    mote_pool *p = user;
    p->fn = fn;
    p->arg = arg;
    change(p, &p->job, atomic_load_explicit(&p->job, memory_order_relaxed) + 1);
    fn(arg, 0);
    pool_barrier(p, 0);
}

/* ---- beginning and end ---------------------------------------------------------------------- */

/* Workers take no signals, which are for the program's own threads; but those that a fault of
 * theirs raises (a mapped file that shrinks) must reach the program's handler. */
static bool start(mote_pool *p)
{
    static const int faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL};
    pthread_attr_t attr;
    sigset_t all, before;
    bool ok = pthread_attr_init(&attr) == 0;
    if (!ok)
        return false;
    ok = pthread_attr_setstacksize(&attr, STACK_BYTES) == 0;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (uint32_t i = 0; ok && i + 1 < p->team.n_threads; i++) {
        worker *w = &p->workers[i];
        *w = (worker){.pool = p, .index = i + 1};
        ok = pthread_create(&w->thread, &attr, work, w) == 0;
        p->n_workers += ok;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return ok;
}

mote_pool *mote_pool_new(uint32_t n_threads, mote_error *err)
{
    if (!n_threads || n_threads > MAX_THREADS) {
        mote_fail_got(err, MOTE_ERR_LIMIT, "threads", NULL, n_threads, MAX_THREADS);
        return NULL;
    }
    mote_pool *p = mote_host_alloc(sizeof *p + n_threads * sizeof(worker));
    if (!p) {
        mote_fail(err, MOTE_ERR_MEMORY, "no memory for the threads", NULL);
        return NULL;
    }
    p->spins = n_threads <= mote_usable_cpus();
    p->team = (mote_team){n_threads, p, pool_run, pool_barrier};
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->changed, NULL);
    if (!start(p)) {
        mote_fail_got(err, MOTE_ERR_MEMORY, "cannot make a thread", NULL, p->n_workers + 1,
                      n_threads);
        mote_pool_free(p);
        return NULL;
    }
    return p;
}

void mote_pool_free(mote_pool *p)
{
    if (!p)
        return;
    p->ends = true;
    change(p, &p->job, atomic_load(&p->job) + 1);
    for (uint32_t i = 0; i < p->n_workers; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->mutex);
    mote_host_free(p);
}

const mote_team *mote_pool_team(const mote_pool *p) { return &p->team; }
