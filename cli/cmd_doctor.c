/* cmd_doctor.c: what this machine can do, what of it mote will use, whether all kernels are right
 * here, and what could be better. docs/machine.md explains the figures.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/probe.h"
#include "cli/machine.h"

enum { MAX_TIERS = 8, MAX_ADVICE = 8 };

/* Bytes of a weight at q4, its scales and the wide matrices included. */
#define Q4_BYTES 0.58

typedef struct examination {
    mote_machine machine;
    char cpu[96];
    size_t caches[3];
    mote_self_test tests[MAX_TIERS];
    size_t n_tiers, n_advice;
    uint32_t n_wrong;
    bool has_speed;
    cli_speed speed;
    double load; /* processes that run or wait, over the last minute; -1: unknown */
    char advice[MAX_ADVICE][200];
} examination;

/* ---- examining ------------------------------------------------------------------------------ */

static int test_kernels(examination *x)
{
    mote_error err;
    size_t bytes = mote_self_test_bytes();
    void *mem = mote_host_alloc(bytes);
    int code = mem ? 0 : cli_no_memory();
    for (; !code && x->n_tiers < MAX_TIERS && mote_usable_tier(x->n_tiers); x->n_tiers++) {
        mote_self_test *t = &x->tests[x->n_tiers];
        if (mote_run_self_test(t, x->n_tiers, mem, bytes, &err))
            code = cli_fail(NULL, &err);
        x->n_wrong += t->n_wrong;
    }
    mote_host_free(mem);
    return code;
}

static void advise(examination *x, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void advise(examination *x, const char *format, ...)
{
    va_list list;
    if (x->n_advice == MAX_ADVICE)
        return;
    va_start(list, format);
    vsnprintf(x->advice[x->n_advice++], sizeof x->advice[0], format, list);
    va_end(list);
}

static void advise_all(examination *x)
{
    const mote_machine *m = &x->machine;
    char size[32];
    for (size_t i = 0; i < x->n_tiers; i++)
        if (x->tests[i].n_wrong)
            advise(x,
                   "tier %s computes wrongly (%s): use --isa with a tier that is right, and "
                   "tell us about this CPU and compiler",
                   x->tests[i].tier, x->tests[i].wrong);
    if (x->n_tiers < 2)
        advise(x, "only the plain kernels can run here: a CPU with AVX2 or NEON is many times "
                  "faster");
    if (m->quota && m->quota < m->n_cores)
        advise(x, "the cgroup allows %u CPUs of %u cores: a larger quota would be used", m->quota,
               m->n_cores);
    if (m->n_cpus > m->n_cores)
        advise(x, "%u CPUs share %u cores: more threads than cores seldom help", m->n_cpus,
               m->n_cores);
    if (m->memory_free_bytes && m->memory_free_bytes < 1000000000)
        advise(x, "only %s of memory are free: mote recommend lists what fits",
               cli_size(size, m->memory_free_bytes));
    if (x->load > m->n_cpus)
        advise(x,
               "other programs keep the CPUs busy (load %.1f on %u): mote is slower now, and "
               "figures measured now are too low",
               x->load, m->n_cpus);
    if (!x->has_speed)
        advise(x, "nothing is known of the speed: mote doctor without --quick measures it");
    if (!MOTE_CONVERT)
        advise(x, "this build has no converter: make with cJSON and utf8proc (make deps)");
}

static int examine(examination *x, const cli_opts *o)
{
    int code = test_kernels(x);
    mote_host_machine(&x->machine);
    cli_cpu_name(x->cpu);
    for (unsigned i = 0; i < 3; i++)
        x->caches[i] = probe_cache_bytes(i + 1);
    if (getloadavg(&x->load, 1) != 1)
        x->load = -1;
    x->has_speed = true;
    if (!code && o->quick)
        x->has_speed = cli_speed_read(&x->speed, (uint32_t)o->threads);
    else if (!code)
        code = cli_speed_measure(&x->speed, (uint32_t)o->threads);
    if (!code)
        advise_all(x);
    return code;
}

/* Weights of the largest model that is fluent at q4, by speed and by memory. */
static double fluent_weights(const examination *x)
{
    double most = x->speed.q4_bytes / CLI_FLUENT / Q4_BYTES;
    double room = 0.8 * (double)x->machine.memory_free_bytes / Q4_BYTES;
    return room > 0 && room < most ? room : most;
}

/* ---- telling -------------------------------------------------------------------------------- */

static void print_kernels(cli_out *out, const examination *x)
{
    cli_puts(out, "tiers:");
    for (size_t i = 0; i < x->n_tiers; i++)
        cli_printf(out, " %s", x->tests[i].tier);
    cli_puts(out, "\nkernels:");
    for (size_t i = 0; i < x->n_tiers; i++) {
        const mote_self_test *t = &x->tests[i];
        cli_printf(out, "%s %s %u of %u right", i ? "," : "", t->tier,
                   t->n_kernels - (t->n_wrong < t->n_kernels ? t->n_wrong : t->n_kernels),
                   t->n_kernels);
    }
    cli_puts(out, "\n");
}

static void print_machine(cli_out *out, const examination *x)
{
    const mote_machine *m = &x->machine;
    char size[3][32];
    if (*x->cpu)
        cli_printf(out, "cpu: %s\n", x->cpu);
    if (x->caches[0])
        cli_printf(out, "caches: %s, %s, %s\n", cli_size(size[0], x->caches[0]),
                   cli_size(size[1], x->caches[1]), cli_size(size[2], x->caches[2]));
    cli_printf(out, "cores: %u physical performance cores in %u CPUs that may be used\n",
               m->n_cores, m->n_cpus);
    if (m->quota)
        cli_printf(out, "quota: the cgroup allows %u CPUs\n", m->quota);
    cli_printf(out, "threads: %u by default\n", m->n_threads);
    if (m->memory_bytes)
        cli_printf(out, "memory: %s", cli_size(size[0], m->memory_bytes));
    if (m->memory_bytes && m->memory_free_bytes)
        cli_printf(out, ", %s of it free", cli_size(size[0], m->memory_free_bytes));
    cli_puts(out, m->memory_bytes ? "\n" : "");
    cli_printf(out, "blas: %s\nconvert: %s\n", MOTE_BLAS ? "built in, used with --blas" : "no",
               MOTE_CONVERT ? "yes" : "no");
}

static void print_speed(cli_out *out, const examination *x)
{
    const cli_speed *s = &x->speed;
    cli_printf(out, "speed with %u thread%s%s: reads %.1f GB/s", s->n_threads,
               s->n_threads == 1 ? "" : "s", s->is_kept ? " (kept)" : "", s->read_bytes / 1e9);
    if (s->int_ops > 0)
        cli_printf(out, ", %.0f G int8 operations/s", s->int_ops / 1e9);
    if (s->float_ops > 0)
        cli_printf(out, ", %.0f GFLOP/s of f32", s->float_ops / 1e9);
    if (s->sgemm_ops > 0)
        cli_printf(out, ", sgemm %.0f GFLOP/s", s->sgemm_ops / 1e9);
    cli_printf(out, "\ndecoding: %.1f GB/s of q8 weights, %.1f GB/s of q4, %.0f us a layer\n",
               s->q8_bytes / 1e9, s->q4_bytes / 1e9, s->layer_seconds * 1e6);
    cli_printf(out, "class: %s; fluent up to %.1f billion weights at q4\n", cli_speed_class(s),
               fluent_weights(x) / 1e9);
}

static void json_tests(cli_out *out, const examination *x)
{
    cli_json_key(out, "tiers");
    cli_json_open(out, '[');
    for (size_t i = 0; i < x->n_tiers; i++)
        cli_json_text(out, NULL, x->tests[i].tier);
    cli_json_close(out, ']');
    cli_json_key(out, "self_tests");
    cli_json_open(out, '[');
    for (size_t i = 0; i < x->n_tiers; i++) {
        const mote_self_test *t = &x->tests[i];
        cli_json_open(out, '{');
        cli_json_text(out, "tier", t->tier);
        cli_json_uint(out, "kernels", t->n_kernels);
        cli_json_uint(out, "wrong", t->n_wrong);
        cli_json_text(out, "first_wrong", t->wrong);
        cli_json_close(out, '}');
    }
    cli_json_close(out, ']');
}

static void json_speed(cli_out *out, const examination *x)
{
    const cli_speed *s = &x->speed;
    cli_json_key(out, "speed");
    cli_json_open(out, '{');
    cli_json_uint(out, "threads", s->n_threads);
    cli_json_bool(out, "kept", s->is_kept);
    cli_json_real(out, "read_bytes_per_second", s->read_bytes);
    cli_json_real(out, "int8_ops_per_second", s->int_ops);
    cli_json_real(out, "f32_ops_per_second", s->float_ops);
    cli_json_real(out, "sgemm_ops_per_second", s->sgemm_ops);
    cli_json_real(out, "q8_bytes_per_second", s->q8_bytes);
    cli_json_real(out, "q4_bytes_per_second", s->q4_bytes);
    cli_json_real(out, "layer_seconds", s->layer_seconds);
    cli_json_text(out, "class", cli_speed_class(s));
    cli_json_real(out, "fluent_weights", fluent_weights(x));
    cli_json_close(out, '}');
}

static void print_json(cli_out *out, const examination *x)
{
    const mote_machine *m = &x->machine;
    cli_json_open(out, '{');
    cli_json_text(out, "version", MOTE_VERSION);
    cli_json_text(out, "cpu", x->cpu);
    json_tests(out, x);
    cli_json_key(out, "cache_bytes");
    cli_json_open(out, '[');
    for (size_t i = 0; i < 3; i++)
        cli_json_uint(out, NULL, x->caches[i]);
    cli_json_close(out, ']');
    cli_json_uint(out, "cpus", m->n_cpus);
    cli_json_uint(out, "cores", m->n_cores);
    cli_json_uint(out, "quota", m->quota);
    cli_json_uint(out, "threads", m->n_threads);
    cli_json_uint(out, "memory_bytes", m->memory_bytes);
    cli_json_uint(out, "memory_free_bytes", m->memory_free_bytes);
    cli_json_bool(out, "blas", MOTE_BLAS);
    cli_json_bool(out, "convert", MOTE_CONVERT);
    if (x->has_speed)
        json_speed(out, x);
    cli_json_key(out, "advice");
    cli_json_open(out, '[');
    for (size_t i = 0; i < x->n_advice; i++)
        cli_json_text(out, NULL, x->advice[i]);
    cli_json_close(out, ']');
    cli_json_close(out, '}');
    cli_json_end_line(out);
}

int cmd_doctor(const cli_opts *o)
{
    cli_out out = {.n = 0};
    examination *x = calloc(1, sizeof *x);
    int code = x ? examine(x, o) : cli_no_memory();
    if (!code && o->json) {
        print_json(&out, x);
    } else if (!code) {
        cli_puts(&out, "mote " MOTE_VERSION "\n");
        print_kernels(&out, x);
        print_machine(&out, x);
        if (x->has_speed)
            print_speed(&out, x);
        for (size_t i = 0; i < x->n_advice; i++)
            cli_printf(&out, "advice: %s\n", x->advice[i]);
    }
    if (!code && x->n_wrong)
        code = cli_error(MOTE_ERR_FILE, "doctor", "%u kernels give wrong results", x->n_wrong);
    free(x);
    return cli_out_close(&out, code);
}
