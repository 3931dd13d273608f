/* frame.c: runs one slot over its cases. Read check.h first. Here: the axes, guarded buffers, the
 * comparison after each run, crashes, the clock.
 *
 * A buffer lies in a room of its own between two pages without access, at the room's end or at its
 * beginning; the bytes on its open side are poisoned and compared afterwards.
 */
#define _GNU_SOURCE
#include "tests/check/check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define MARGIN 256u                   /* poisoned bytes on a buffer's open side */
#define ARENA_BYTES ((size_t)1 << 30) /* address space only; pages come as they are used */
#define GUARD 65536u                  /* a multiple of every page size */

/* ---- axes ------------------------------------------------------------------------------------ */

void check_note(check *c, const char *name, size_t value)
{
    if (c->n_axes < CHECK_AXES) {
        c->axes[c->n_axes].name = name;
        c->axes[c->n_axes++].value = value;
    }
}

size_t check_range(check *c, const char *name, size_t first, size_t last)
{
    size_t n = last - first + 1, value = first + c->rest % n;
    c->rest /= n;
    check_note(c, name, value);
    return value;
}

size_t check_pick(check *c, const char *name, const size_t *list, size_t n)
{
    size_t value = list[c->rest % n];
    c->rest /= n;
    check_note(c, name, value);
    return value;
}

size_t check_cycle(check *c, const char *name, size_t n)
{
    check_note(c, name, c->number % n);
    return c->number % n;
}

bool check_begin(check *c) { return c->rest == 0; }

/* ---- buffers --------------------------------------------------------------------------------- */

static void *map(size_t bytes, int protection)
{
    void *p = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        perror("check: mmap");
        exit(5);
    }
    return p;
}

/* Makes a buffer's room large enough. */
static void grow(check_buffer *b, size_t bytes)
{
    size_t room = mote_round_up(bytes + MARGIN, GUARD);
    if (b->room >= room)
        return;
    if (b->room) {
        munmap(b->base - GUARD, b->room + 2 * GUARD);
        munmap(b->record, b->room);
    }
    b->base = (uint8_t *)map(room + 2 * GUARD, PROT_NONE) + GUARD;
    if (mprotect(b->base, room, PROT_READ | PROT_WRITE) != 0) {
        perror("check: mprotect");
        exit(5);
    }
    b->record = map(room, PROT_READ | PROT_WRITE);
    b->room = room;
}

static uint8_t *open_side(const check *c, const check_buffer *b)
{
    return c->at_end ? b->data - MARGIN : b->data + b->bytes;
}

static uint8_t *take_buffer(check *c, const char *name, const void *source, size_t bytes)
{
    if (c->n_buffers == CHECK_BUFFERS)
        abort();
    check_buffer *b = &c->buffers[c->n_buffers++];
    grow(b, bytes);
    b->name = name;
    b->bytes = bytes;
    b->source = NULL;
    b->data = c->at_end ? b->base + b->room - bytes : b->base;
    memset(open_side(c, b), c->poison, MARGIN);
    if (source)
        memcpy(b->data, source, bytes);
    else
        memset(b->data, c->poison, bytes);
    return b->data;
}

const void *check_in(check *c, const char *name, const void *source, size_t bytes)
{
    uint8_t *p = take_buffer(c, name, source, bytes);
    c->buffers[c->n_buffers - 1].source = source;
    return p;
}

void *check_inout(check *c, const char *name, const void *source, size_t bytes)
{
    return take_buffer(c, name, source, bytes);
}

void *check_out(check *c, const char *name, size_t bytes)
{
    return take_buffer(c, name, NULL, bytes);
}

void *check_scratch(check *c, size_t bytes)
{
    uint8_t *p = c->arena + c->arena_used;
    c->arena_used += mote_round_up(bytes, 64);
    if (c->arena_used > ARENA_BYTES)
        abort();
    return memset(p, c->poison, bytes);
}

/* ---- failures -------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 0))) static void fail(check *c, check_cause cause,
                                                       const char *format, va_list args)
{
    size_t at = 0, room = sizeof c->failure;
    if (c->failed)
        return;
    c->failed = true;
    c->cause = cause;
    for (size_t i = 0; i < c->n_axes && at < room / 2; i++)
        at += (size_t)snprintf(c->failure + at, room - at, "%s %zu, ", c->axes[i].name,
                               c->axes[i].value);
    at +=
        (size_t)snprintf(c->failure + at, room - at, "guard %s: ", c->at_end ? "behind" : "before");
    vsnprintf(c->failure + at, room - at, format, args);
}

__attribute__((format(printf, 3, 4))) static void blame(check *c, check_cause cause,
                                                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(c, cause, format, args);
    va_end(args);
}

void check_fail(check *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(c, CAUSE_VALUE, format, args);
    va_end(args);
}

void check_far(check *c, double got, double want, double bound)
{
    check_fail(c, "got %.9g, want %.9g, off by %.3g, allowed %.3g", got, want, fabs(got - want),
               bound);
}

void check_image(check *c, const char *what, const void *got, const void *want, size_t bytes)
{
    const uint8_t *g = got, *w = want;
    size_t i = 0;
    if (c->failed || memcmp(g, w, bytes) == 0)
        return;
    while (g[i] == w[i])
        i++;
    uint32_t a = 0, b = 0;
    size_t at = i / 4 * 4, len = bytes - at < 4 ? bytes - at : 4;
    memcpy(&a, g + at, len);
    memcpy(&b, w + at, len);
    blame(c, CAUSE_BYTES, "%s differs at byte %zu of %zu: word %08x, want %08x", what, i, bytes, a,
          b);
}

/* ---- one run --------------------------------------------------------------------------------- */

static sigjmp_buf after_crash;
static volatile sig_atomic_t armed;
static const uint8_t *volatile fault;

static void on_crash(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (!armed) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    fault = info->si_addr;
    siglongjmp(after_crash, number);
}

void check_open(check *c, uint64_t seed)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    struct sigaction sa = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_NODEFER};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &sa, NULL);
    memset(c, 0, sizeof *c);
    c->seed = seed;
    c->arena = map(ARENA_BYTES, PROT_READ | PROT_WRITE);
}

static void report_crash(check *c, int number)
{
    const uint8_t *at = fault;
    for (size_t i = 0; i < c->n_buffers && (number == SIGSEGV || number == SIGBUS); i++) {
        const check_buffer *b = &c->buffers[i];
        if (at >= b->base - GUARD && at < b->base + b->room + GUARD)
            blame(c, CAUSE_CRASH, "%s: %s at byte %td of %zu", strsignal(number), b->name,
                  at - b->data, b->bytes);
    }
    blame(c, CAUSE_CRASH, "%s at %p", strsignal(number), (const void *)at);
}

/* The slot once, for case c->number, on `table`. */
static void run_case(check *c, const mote_kernels *table, bool at_end, bool oracle)
{
    c->k = table;
    c->at_end = at_end;
    c->oracle = oracle;
    c->rest = c->number;
    c->n_axes = c->n_buffers = c->arena_used = c->n_calls = 0;
    c->poison = c->number % 2 ? 0xa5 : 0xff; /* a small number; NaN */
    c->rng = c->seed + c->number * 0x2545f4914f6cdd1du;
    for (const char *s = c->slot->name; *s; s++)
        c->rng = (c->rng ^ (uint8_t)*s) * 0x100000001b3u;
    int number = sigsetjmp(after_crash, 0);
    armed = 1;
    if (number)
        report_crash(c, number);
    else
        c->slot->run(c);
    armed = 0;
}

/* Inputs unchanged, nothing written beside a buffer. */
static void inspect(check *c)
{
    uint8_t poison[MARGIN];
    memset(poison, c->poison, MARGIN);
    for (size_t i = 0; i < c->n_buffers; i++) {
        const check_buffer *b = &c->buffers[i];
        if (b->source && memcmp(b->data, b->source, b->bytes) != 0)
            blame(c, CAUSE_INPUT, "input %s was changed", b->name);
        if (memcmp(open_side(c, b), poison, MARGIN) != 0)
            blame(c, CAUSE_BESIDE, "written beside %s", b->name);
    }
}

static void record(check *c)
{
    for (size_t i = 0; i < c->n_buffers; i++) {
        check_buffer *b = &c->buffers[i];
        b->recorded = b->bytes;
        memcpy(b->record, b->data, b->bytes);
    }
}

static void compare(check *c)
{
    for (size_t i = 0; i < c->n_buffers; i++) {
        const check_buffer *b = &c->buffers[i];
        if (!b->source && b->recorded == b->bytes)
            check_image(c, b->name, b->data, b->record, b->bytes);
    }
}

static void add_to_hash(const check *c, uint64_t *hash)
{
    for (size_t i = 0; i < c->n_buffers; i++)
        for (size_t j = 0; !c->buffers[i].source && j < c->buffers[i].bytes; j++)
            *hash = (*hash ^ c->buffers[i].data[j]) * 0x100000001b3u;
}

size_t check_run(check *c, const check_slot *slot, const mote_kernels *under,
                 const mote_kernels *ref, uint64_t *hash)
{
    c->slot = slot;
    c->shape = NULL;
    c->share = 0.0;
    c->failed = false;
    c->cause = CAUSE_NONE;
    for (c->number = 0;; c->number++) {
        c->rest = 0;
        if (ref) {
            run_case(c, ref, true, false);
            record(c);
        }
        for (int at_end = 1; at_end >= 0 && !c->failed && (c->rest == 0); at_end--) {
            run_case(c, under, at_end, !ref && (at_end || slot->loose));
            inspect(c);
            if (!ref && at_end)
                record(c);
            else if (!slot->loose)
                compare(c);
            if (hash && at_end)
                add_to_hash(c, hash);
        }
        if (c->rest && c->number == 0)
            check_fail(c, "no cases");
        if (c->failed || c->rest || c->number + 1 == c->most)
            return c->number;
    }
}

void *check_function(const mote_kernels *table, const check_slot *slot)
{
    void *p;
    memcpy(&p, (const char *)table + slot->offset, sizeof p);
    return p;
}

/* ---- the clock ------------------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Checking: once. Timing: samples of as many calls as take 20 us, for a tenth of a second. */
bool check_again(check *c)
{
    if (!c->shape)
        return c->n_calls++ == 0;
    if (c->n_calls++ % c->batch)
        return true;
    if (c->n_calls > 1) {
        double took = seconds() - c->started;
        if (took < 20e-6 && c->n_samples == 0) {
            c->batch *= 2;
        } else {
            c->samples[c->n_samples++] = took / (double)c->batch;
            c->spent += took;
        }
        if (c->n_samples == 64 || (c->n_samples >= 5 && c->spent > 0.1))
            return false;
    }
    c->n_calls = 1;
    c->started = seconds();
    return true;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void check_time(check *c, const check_slot *slot, const mote_kernels *under, double *median,
                double *minimum)
{
    c->slot = slot;
    c->number = 0;
    c->batch = 1;
    c->n_samples = 0;
    c->spent = 0.0;
    c->failed = false;
    run_case(c, under, true, false);
    qsort(c->samples, c->n_samples, sizeof *c->samples, by_size);
    *minimum = c->n_samples ? c->samples[0] : 0.0;
    *median = c->n_samples ? c->samples[c->n_samples / 2] : 0.0;
}
