/* probe.c: measures what the machine can do at best. Read probe.h first.
 *
 * Every probe runs a few rounds on all threads, which begin and end each round at a barrier; the
 * best round counts, since others on the machine can only make a round slower.
 *
 * The compute probes keep everything in registers: ten sums that do not wait for each other, which
 * hides the latency of every CPU so far. KEEP makes the compiler believe that an operand has
 * changed, so that it can neither share nor drop a product.
 */
#include "bench/probe.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "include/mote_host.h"

#if defined __x86_64__
#include <immintrin.h>
#elif defined __aarch64__
#include <arm_neon.h>
#endif
#if MOTE_BLAS
#include <cblas.h>
#endif
#ifndef PROBE_EMULATED /* a build whose tiers the CPU may lack */
#define PROBE_EMULATED 0
#endif

enum { ROUNDS = 7, MATRIX = 512 };
#define LOOPS 200000u /* of a compute probe: some milliseconds */
/* On a machine that others keep busy the rounds end early. */
#define ENOUGH_SECONDS 0.15

/* ---- caches --------------------------------------------------------------------------------- */

/* One file of the kernel's description of a cache; false: there is none. */
static bool read_cache_file(unsigned index, const char *name, char text[32])
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%u/%s", index, name);
    FILE *f = fopen(path, "r");
    bool good = f && fgets(text, 32, f);
    if (f)
        fclose(f);
    return good;
}

static size_t described_bytes(unsigned level)
{
    char text[32], type[32], unit;
    for (unsigned i = 0; read_cache_file(i, "level", text); i++) {
        unsigned at, size;
        if (sscanf(text, "%u", &at) != 1 || at != level || !read_cache_file(i, "type", type) ||
            type[0] == 'I' || !read_cache_file(i, "size", text))
            continue;
        if (sscanf(text, "%u%c", &size, &unit) == 2)
            return (size_t)size << (unit == 'M' ? 20 : unit == 'K' ? 10 : 0);
    }
    return 0;
}

size_t probe_cache_bytes(unsigned level)
{
    long bytes = 0;
    size_t known = described_bytes(level);
#ifdef _SC_LEVEL1_DCACHE_SIZE
    if (!known && level >= 1 && level <= 3)
        bytes = sysconf(level == 1   ? _SC_LEVEL1_DCACHE_SIZE
                        : level == 2 ? _SC_LEVEL2_CACHE_SIZE
                                     : _SC_LEVEL3_CACHE_SIZE);
#endif
    return known ? known : bytes > 0 ? (size_t)bytes : 0;
}

/* Eight times the last cache, so that little of it is left there when the next round begins. */
static size_t buffer_bytes(void)
{
    const size_t least = (size_t)256 << 20, most = (size_t)1 << 30;
    size_t last = 0;
    for (unsigned level = 1; level <= 3; level++)
        last = probe_cache_bytes(level) > last ? probe_cache_bytes(level) : last;
    return last >= most / 8 ? most : 8 * last > least ? 8 * last : least;
}

/* ---- reading -------------------------------------------------------------------------------- */

typedef void read_fn(const uint8_t *p, size_t bytes, size_t ahead);

/* A register of each size. */
typedef uint64_t vec16 __attribute__((vector_size(16), may_alias));
typedef uint64_t vec32 __attribute__((vector_size(32), may_alias));
typedef uint64_t vec64 __attribute__((vector_size(64), may_alias));

/* The halves of the buffer are two streams, which memory delivers faster than one: two lines of
 * each a step, into four sums; lines `ahead` bytes further on are asked for. bytes: a multiple of
 * 256. */
#define READ(vec, p, bytes, ahead)                                                                 \
    do {                                                                                           \
        vec a = {0}, b = {0}, c = {0}, d = {0};                                                    \
        for (size_t i = 0, half = (bytes) / 2; i < half; i += 128) {                               \
            for (size_t j = 0; j < 128; j += 64) {                                                 \
                __builtin_prefetch((p) + i + j + (ahead));                                         \
                __builtin_prefetch((p) + half + i + j + (ahead));                                  \
            }                                                                                      \
            _Pragma("GCC unroll 4") for (size_t j = 0; j < 128; j += 2 * sizeof(vec))              \
            {                                                                                      \
                const vec *at = (const vec *)((p) + i + j);                                        \
                const vec *far = (const vec *)((p) + half + i + j);                                \
                a ^= at[0], b ^= at[1], c ^= far[0], d ^= far[1];                                  \
            }                                                                                      \
        }                                                                                          \
        a ^= b ^ c ^ d;                                                                            \
        __asm__ volatile("" ::"m"(a));                                                             \
    } while (0)

static void read_plain(const uint8_t *p, size_t bytes, size_t ahead)
{
    READ(vec16, p, bytes, ahead);
}

/* ---- computing ------------------------------------------------------------------------------ */

typedef void compute_fn(size_t loops);

enum { SUMS = 10 };

/* The ten sums, each of which takes in one product: s = STEP(s). */
#define COMPUTE(type, zero, step)                                                                  \
    do {                                                                                           \
        type s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero;                                \
        type s5 = zero, s6 = zero, s7 = zero, s8 = zero, s9 = zero;                                \
        for (size_t i = 0; i < loops; i++) {                                                       \
            step(s0) step(s1) step(s2) step(s3) step(s4);                                          \
            step(s5) step(s6) step(s7) step(s8) step(s9);                                          \
        }                                                                                          \
        USE(s0), USE(s1), USE(s2), USE(s3), USE(s4);                                               \
        USE(s5), USE(s6), USE(s7), USE(s8), USE(s9);                                               \
    } while (0)

#if defined __x86_64__ && !PROBE_EMULATED

#define TARGET(names) __attribute__((target(names)))
#define AVX2 "avx2,fma"
#define AVX512 "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"

#define USE(s) ({ __asm__ volatile("" ::"x"(s)); })
#define KEEP(x) __asm__ volatile("" : "+x"(x));
#define USE_512(s) ({ __asm__ volatile("" ::"v"(s)); })
#define KEEP_512(x) __asm__ volatile("" : "+v"(x));

TARGET(AVX2) static void read_avx2(const uint8_t *p, size_t bytes, size_t ahead)
{
    READ(vec32, p, bytes, ahead);
}

TARGET(AVX512) static void read_avx512(const uint8_t *p, size_t bytes, size_t ahead)
{
    READ(vec64, p, bytes, ahead);
}

TARGET(AVX2) static void int_avx2(size_t loops)
{
    __m256i a = _mm256_set1_epi8(1), b = a;
#define STEP(s) KEEP(a) s = _mm256_add_epi16(s, _mm256_maddubs_epi16(a, b));
    COMPUTE(__m256i, _mm256_setzero_si256(), STEP);
#undef STEP
}

TARGET(AVX2) static void float_avx2(size_t loops)
{
    __m256 a = _mm256_set1_ps(0.5f), b = a;
#define STEP(s) KEEP(a) s = _mm256_fmadd_ps(a, b, s);
    COMPUTE(__m256, _mm256_setzero_ps(), STEP);
#undef STEP
}

TARGET(AVX2 ",avxvnni") static void int_avxvnni(size_t loops)
{
    __m256i a = _mm256_set1_epi8(1), b = a;
#define STEP(s) KEEP(a) s = _mm256_dpbusd_avx_epi32(s, a, b);
    COMPUTE(__m256i, _mm256_setzero_si256(), STEP);
#undef STEP
}

#undef USE
#define USE USE_512
TARGET(AVX512) static void int_avx512(size_t loops)
{
    __m512i a = _mm512_set1_epi8(1), b = a;
#define STEP(s) KEEP_512(a) s = _mm512_dpbusd_epi32(s, a, b);
    COMPUTE(__m512i, _mm512_setzero_si512(), STEP);
#undef STEP
}

TARGET(AVX512) static void float_avx512(size_t loops)
{
    __m512 a = _mm512_set1_ps(0.5f), b = a;
#define STEP(s) KEEP_512(a) s = _mm512_fmadd_ps(a, b, s);
    COMPUTE(__m512, _mm512_setzero_ps(), STEP);
#undef STEP
}

#elif defined __aarch64__

#define USE(s) ({ __asm__ volatile("" ::"w"(s)); })
#define KEEP(x) __asm__ volatile("" : "+w"(x));

static void int_neon(size_t loops)
{
    int8x8_t a = vdup_n_s8(1), b = a;
#define STEP(s) KEEP(a) s = vmlal_s8(s, a, b);
    COMPUTE(int16x8_t, vdupq_n_s16(0), STEP);
#undef STEP
}

static void float_neon(size_t loops)
{
    float32x4_t a = vdupq_n_f32(0.5f), b = a;
#define STEP(s) KEEP(a) s = vfmaq_f32(s, a, b);
    COMPUTE(float32x4_t, vdupq_n_f32(0), STEP);
#undef STEP
}

/* By its name in assembly, so that the file needs no flag of the tier. */
static void int_dotprod(size_t loops)
{
    int8x16_t a = vdupq_n_s8(1), b = a;
#define STEP(s)                                                                                    \
    __asm__ volatile(".arch armv8.2-a+dotprod\n\tsdot %0.4s, %1.16b, %2.16b"                       \
                     : "+w"(s)                                                                     \
                     : "w"(a), "w"(b));
    COMPUTE(int32x4_t, vdupq_n_s32(0), STEP);
#undef STEP
}

#endif

/* ---- tiers ---------------------------------------------------------------------------------- */

/* What a tier reads and computes with; multiplications of one step. */
typedef struct tier_probe {
    const char *name;
    read_fn *read;
    compute_fn *ints, *floats; /* NULL: not known */
    unsigned int_width, float_width;
} tier_probe;

static const tier_probe probes[] = {
#if PROBE_EMULATED
#elif defined __x86_64__
    {"avx2", read_avx2, int_avx2, float_avx2, 32, 8},
    {"avxvnni", read_avx2, int_avxvnni, float_avx2, 32, 8},
    {"avx512vnni", read_avx512, int_avx512, float_avx512, 64, 16},
#elif defined __aarch64__
    {"neon", read_plain, int_neon, float_neon, 8, 4},
    {"dotprod", read_plain, int_dotprod, float_neon, 16, 4},
#endif
    {"ref", read_plain, NULL, NULL, 0, 0},
};

static const tier_probe *find_tier(const char *name)
{
    size_t n = sizeof probes / sizeof *probes, i = 0;
    while (i + 1 < n && strcmp(probes[i].name, name) != 0)
        i++;
    return &probes[i];
}

/* ---- rounds --------------------------------------------------------------------------------- */

typedef struct probe {
    const tier_probe *tier;
    const mote_team *team;
    uint32_t n_threads;
    uint8_t *buffer;
    size_t part, ahead; /* bytes of a thread; of prefetch */
    void (*work)(struct probe *p, uint32_t thread);
    compute_fn *compute;
    double start, best; /* seconds; thread 0 writes */
    bool ends;
} probe;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void wait_for_all(const probe *p, uint32_t thread)
{
    if (p->n_threads > 1)
        p->team->barrier(p->team->user, thread);
}

static void run_rounds(void *arg, uint32_t thread)
{
    probe *p = arg;
    double begin = now();
    for (int i = 0; i < ROUNDS; i++) {
        wait_for_all(p, thread);
        if (!thread) {
            p->start = now();
            p->ends = i > 1 && p->start - begin > ENOUGH_SECONDS;
        }
        wait_for_all(p, thread);
        if (p->ends)
            return;
        p->work(p, thread);
        wait_for_all(p, thread);
        if (!thread && now() - p->start < p->best)
            p->best = now() - p->start;
    }
}

/* Seconds of the best round. */
static double best_round(probe *p, void (*work)(probe *p, uint32_t thread))
{
    p->work = work;
    p->best = 1e30;
    if (p->n_threads > 1)
        p->team->run(p->team->user, run_rounds, p);
    else
        run_rounds(p, 0);
    return p->best;
}

static void work_fill(probe *p, uint32_t thread)
{
    memset(p->buffer + thread * p->part, 1, p->part);
}

static void work_read(probe *p, uint32_t thread)
{
    p->tier->read(p->buffer + thread * p->part, p->part, p->ahead);
}

static void work_compute(probe *p, uint32_t thread)
{
    (void)thread;
    p->compute(LOOPS);
}

/* Operations a second. */
static double compute_peak(probe *p, compute_fn *compute, unsigned width)
{
    double ops = 2.0 * LOOPS * SUMS * width * p->n_threads;
    p->compute = compute;
    return compute ? ops / best_round(p, work_compute) : 0;
}

#if MOTE_BLAS
/* Two factors and a product in each thread's part. */
static void work_sgemm(probe *p, uint32_t thread)
{
    const size_t n = (size_t)MATRIX * MATRIX;
    float *a = (float *)(void *)(p->buffer + thread * p->part), *b = a + n, *c = b + n;
    cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, MATRIX, MATRIX, MATRIX, 1.0f, a, MATRIX,
                b, MATRIX, 0.0f, c, MATRIX);
}

static double sgemm_peak(probe *p)
{
    const double ops = 2.0 * MATRIX * MATRIX * MATRIX * p->n_threads;
    if (p->part < 3 * sizeof(float) * MATRIX * MATRIX)
        return 0;
    openblas_set_num_threads(1); /* each of our threads is one */
    return ops / best_round(p, work_sgemm);
}
#else
static double sgemm_peak(probe *p) { return (void)p, 0; }
#endif

bool probe_machine(probe_peaks *out, const char *tier, const mote_team *team)
{
    static const size_t distances[] = {0, 1024, 4096, 8192};
    size_t bytes = buffer_bytes();
    probe p = {.tier = find_tier(tier), .team = team, .n_threads = team ? team->n_threads : 1};
    p.buffer = mote_host_alloc(bytes);
    if (!p.buffer)
        return false;
    p.part = bytes / p.n_threads / 4096 * 4096;
    *out = (probe_peaks){.n_threads = p.n_threads, .buffer_bytes = p.part * p.n_threads};
    best_round(&p, work_fill);
    for (size_t i = 0; i < sizeof distances / sizeof *distances; i++) {
        p.ahead = distances[i];
        double rate = (double)out->buffer_bytes / best_round(&p, work_read);
        if (rate > out->read_bytes)
            out->read_bytes = rate;
    }
    out->int_ops = compute_peak(&p, p.tier->ints, p.tier->int_width);
    out->float_ops = compute_peak(&p, p.tier->floats, p.tier->float_width);
    out->sgemm_ops = sgemm_peak(&p);
    mote_host_free(p.buffer);
    return true;
}
