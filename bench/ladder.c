/* ladder.c: the product of a q4 matrix and one token's activations, from a plain loop to the
 * kernels of mote in steps. `ladder --check` checks each step; `ladder` also shows its speed.
 * Read kernels/quant.h and docs/lessons/09-fast-products.md first.
 *
 * Steps with float activations differ from double by rounding, from each other in nothing. The
 * others keep the numeric contract and give ref's bits.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "include/mote_host.h"
#include "kernels/kernels.h"
#include "kernels/math.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { ROWS = MOTE_TILE_ROWS, GROUP = MOTE_ACT_GROUP };

static const int8_t levels[16] = MOTE_BOOK_LEVELS;

/* A matrix twice, and a token. Weight = levels[code] * step * factor. */
typedef struct problem {
    size_t rows, k;
    uint8_t *codes; /* [rows, k / 2]: column 2i in the low nibble of byte i */
    int8_t *steps;  /* [rows, k / 32] */
    float *factors; /* [rows] */
    mote_mat tiled; /* the same in tiles */
    uint8_t *tiles; /* its memory */
    float *x;       /* [k] */
    int8_t *x_codes;
    float *x_scales;
    int32_t *x_sums;
    mote_acts acts; /* of one row: x, quantised */
} problem;

typedef void step_fn(float *out, const problem *p);

/* ---- the steps ------------------------------------------------------------------------------ */

/* 1. Row by row, column by column: a weight becomes a float, is multiplied and added. */
static void multiply_plain(float *out, const problem *p)
{
    for (size_t row = 0; row < p->rows; row++) {
        const uint8_t *codes = p->codes + row * p->k / 2;
        const int8_t *steps = p->steps + row * p->k / GROUP;
        float acc = 0.0f;
        for (size_t i = 0; i < p->k; i++) {
            int code = i % 2 ? codes[i / 2] >> 4 : codes[i / 2] & 15;
            acc += (float)(levels[code] * steps[i / GROUP]) * p->x[i];
        }
        out[row] = acc * p->factors[row];
    }
}

/* Column i of row `lane` of a tile's lines. */
static inline int level_at(const uint8_t *lines, size_t lane, size_t i)
{
    uint8_t byte = lines[i / 8 * MOTE_LINE + 4 * lane + i % 4];
    return levels[i % 8 < 4 ? byte & 15 : byte >> 4];
}

static const uint8_t *lines_of(const problem *p, const uint8_t *tile)
{
    return tile + mote_tile_scale_bytes(MOTE_Q4, GROUP, p->k);
}

/* The end of a tile: its rows' factors stand first in it. */
static void store_tile(float *out, const float *acc, const uint8_t *tile)
{
    float factors[ROWS];
    memcpy(factors, tile, sizeof factors);
    for (size_t lane = 0; lane < ROWS; lane++)
        out[lane] = acc[lane] * factors[lane];
}

/* 2. The same in tiles: 16 rows go along k together, each has its own sum; no sum across lanes. */
static void multiply_tiles(float *out, const problem *p)
{
    for (size_t row = 0; row < p->rows; row += ROWS) {
        const uint8_t *tile = p->tiled.data + row / ROWS * p->tiled.tile_bytes;
        const int8_t *steps = (const int8_t *)tile + MOTE_LINE;
        float acc[ROWS] = {0};
        for (size_t i = 0; i < p->k; i++)
            for (size_t lane = 0; lane < ROWS; lane++)
                acc[lane] +=
                    (float)(level_at(lines_of(p, tile), lane, i) * steps[i / GROUP * ROWS + lane]) *
                    p->x[i];
        store_tile(out + row, acc, tile);
    }
}

/* 3. Activations as int8 too: a group is a sum of integers, its scales are multiplied in once. */
static void multiply_integers(float *out, const problem *p)
{
    for (size_t row = 0; row < p->rows; row += ROWS) {
        const uint8_t *tile = p->tiled.data + row / ROWS * p->tiled.tile_bytes;
        const int8_t *steps = (const int8_t *)tile + MOTE_LINE;
        float acc[ROWS] = {0};
        for (size_t g = 0; g < p->k / GROUP; g++) {
            int32_t sum[ROWS] = {0};
            for (size_t i = g * GROUP; i < (g + 1) * GROUP; i++)
                for (size_t lane = 0; lane < ROWS; lane++)
                    sum[lane] += level_at(lines_of(p, tile), lane, i) * p->x_codes[i];
            for (size_t lane = 0; lane < ROWS; lane++)
                acc[lane] = mote_fma((float)sum[lane],
                                     (float)steps[g * ROWS + lane] * p->x_scales[g], acc[lane]);
        }
        store_tile(out + row, acc, tile);
    }
}

#ifdef __x86_64__
#define AVX2 __attribute__((target("avx2,fma")))

/* The levels of half a line, + 34: bytes 0 to 3 of each of 8 rows (its columns k..k+3), and the
 * other four columns. A byte shuffle is a table of 16. */
AVX2 static inline void look_up(__m256i to[2], const uint8_t *line)
{
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i book = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 7, 13, 18, 22, 25, 28, 31, 34, 37, 40, 43, 47, 51, 56, 62));
    __m256i v = _mm256_loadu_si256((const void *)line);
    to[0] = _mm256_shuffle_epi8(book, _mm256_and_si256(v, low));
    to[1] = _mm256_shuffle_epi8(book, _mm256_and_si256(_mm256_srli_epi16(v, 4), low));
}

AVX2 static inline __m256 steps_at(const uint8_t *tile, size_t g, size_t half)
{
    const uint8_t *at = tile + MOTE_LINE + ROWS * g + 8 * half;
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)at)));
}

/* 4. Step 2 with AVX2: 8 rows are a register of floats. */
AVX2 static inline __m256 half_floats(const problem *p, const uint8_t *tile, size_t half)
{
    const __m256i byte = _mm256_set1_epi32(255), offset = _mm256_set1_epi32(MOTE_BOOK_OFFSET);
    __m256 acc = _mm256_setzero_ps();
    for (size_t i = 0; i < p->k; i += 8) {
        __m256i v[2];
        __m256 scale = steps_at(tile, i / GROUP, half);
        look_up(v, lines_of(p, tile) + i / 8 * MOTE_LINE + 32 * half);
        for (size_t j = 0; j < 8; j++) {
            __m256i level = _mm256_sub_epi32(_mm256_and_si256(v[j / 4], byte), offset);
            __m256 w = _mm256_mul_ps(_mm256_cvtepi32_ps(level), scale);
            acc = _mm256_add_ps(acc, _mm256_mul_ps(w, _mm256_set1_ps(p->x[i + j])));
            v[j / 4] = _mm256_srli_epi32(v[j / 4], 8);
        }
    }
    return acc;
}

/* 5. Step 3 with AVX2: maddubs multiplies 32 pairs of bytes and adds neighbours. Levels must be
 * unsigned there; their offset comes off through the sum of the activations. */
AVX2 static inline __m256 half_integers(const problem *p, const uint8_t *tile, size_t half)
{
    const __m256i one = _mm256_set1_epi16(1);
    __m256 acc = _mm256_setzero_ps();
    for (size_t g = 0; g < p->k / GROUP; g++) {
        __m256i sum = _mm256_set1_epi32(-MOTE_BOOK_OFFSET * p->x_sums[g]);
        for (size_t j = 0; j < 4; j++) {
            __m256i v[2];
            int32_t x[2];
            look_up(v, lines_of(p, tile) + (4 * g + j) * MOTE_LINE + 32 * half);
            memcpy(x, p->x_codes + g * GROUP + 8 * j, sizeof x);
            __m256i products =
                _mm256_add_epi16(_mm256_maddubs_epi16(v[0], _mm256_set1_epi32(x[0])),
                                 _mm256_maddubs_epi16(v[1], _mm256_set1_epi32(x[1])));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(products, one));
        }
        __m256 scale = _mm256_mul_ps(steps_at(tile, g, half), _mm256_set1_ps(p->x_scales[g]));
        acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, acc);
    }
    return acc;
}

AVX2 static inline void multiply_avx2(float *out, const problem *p, bool is_float)
{
    for (size_t row = 0; row < p->rows; row += 8) {
        const uint8_t *tile = p->tiled.data + row / ROWS * p->tiled.tile_bytes;
        size_t half = row % ROWS / 8;
        __m256 acc = is_float ? half_floats(p, tile, half) : half_integers(p, tile, half);
        const float *factors = (const float *)(const void *)tile + 8 * half;
        _mm256_storeu_ps(out + row, _mm256_mul_ps(acc, _mm256_loadu_ps(factors)));
    }
}

AVX2 static void multiply_avx2_floats(float *out, const problem *p) { multiply_avx2(out, p, true); }

AVX2 static void multiply_avx2_integers(float *out, const problem *p)
{
    multiply_avx2(out, p, false);
}
#endif

/* A step: a function of this file, or else what a tier of mote has. */
typedef struct step {
    const char *name;
    step_fn *run;
    const char *tier; /* whose CPU features it needs; without `run`, whose kernel it is */
    bool is_float;
} step;

static const step steps[] = {
    {"plain loop", multiply_plain, "ref", true},
    {"tiles of 16 rows", multiply_tiles, "ref", true},
    {"int8 activations", multiply_integers, "ref", false},
#ifdef __x86_64__
    {"AVX2, floats", multiply_avx2_floats, "avx2", true},
    {"AVX2, int8", multiply_avx2_integers, "avx2", false},
    {"kernel avx2", NULL, "avx2", false},
    {"kernel avxvnni", NULL, "avxvnni", false},
    {"kernel avx512vnni", NULL, "avx512vnni", false},
#endif
#ifdef __aarch64__
    {"kernel neon", NULL, "neon", false},
    {"kernel dotprod", NULL, "dotprod", false},
#endif
};

enum { N_STEPS = sizeof steps / sizeof *steps };

/* The kernel of the step's tier; NULL: this CPU cannot run it. (Asking the CPU takes long.) */
static mote_matmul_fn *find_kernel(const step *s)
{
    mote_kernels table;
    unsigned features;
    if (!mote_tier_features(s->tier, &features) || (features & ~mote_cpu_features()))
        return NULL;
    mote_kernels_init(&table, features);
    return table.matmul[MOTE_Q4];
}

static void run_step(float *out, const step *s, mote_matmul_fn *kernel, const problem *p)
{
    if (s->run)
        s->run(out, p);
    else
        kernel(out, p->rows, &p->acts, 1, &p->tiled, 0, p->rows / ROWS);
}

/* ---- problems ------------------------------------------------------------------------------- */

static uint64_t random_bits(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Both forms of row `row` from random codes; a step is -127 to 127. */
static void fill_row(problem *p, size_t row, uint64_t *state)
{
    uint8_t *tile = p->tiles + row / ROWS * p->tiled.tile_bytes;
    size_t lane = row % ROWS, front = mote_tile_scale_bytes(MOTE_Q4, GROUP, p->k);
    p->factors[row] = 0x1p-14f * (float)(1 + random_bits(state) % 16);
    memcpy(tile + 4 * lane, &p->factors[row], 4);
    for (size_t g = 0; g < p->k / GROUP; g++) {
        int scale = (int)(random_bits(state) % 255) - 127;
        p->steps[row * p->k / GROUP + g] = (int8_t)scale;
        tile[MOTE_LINE + g * ROWS + lane] = (uint8_t)scale;
        for (size_t part = 0; part < 2; part++) {
            uint64_t bits = random_bits(state);
            for (size_t j = 0; j < 16; j++) {
                size_t i = g * GROUP + 16 * part + j;
                uint8_t code = bits >> 4 * j & 15, *byte = p->codes + (row * p->k + i) / 2;
                *byte |= (uint8_t)(code << (i % 2 ? 4 : 0));
                tile[front + i / 8 * MOTE_LINE + 4 * lane + i % 4] |=
                    (uint8_t)(code << (i % 8 < 4 ? 0 : 4));
            }
        }
    }
}

static void fill_token(problem *p, uint64_t *state)
{
    mote_kernels table;
    for (size_t i = 0; i < p->k; i++)
        p->x[i] = (float)(int32_t)random_bits(state) * 0x1p-30f;
    mote_kernels_init(&table, 0);
    table.quantize(p->x_codes, p->x_scales, p->x_sums, p->x, p->k);
    p->acts =
        (mote_acts){.f32 = p->x, .codes = p->x_codes, .scales = p->x_scales, .sums = p->x_sums};
}

static void free_problem(problem *p)
{
    free(p->codes), free(p->steps), free(p->factors), mote_host_free(p->tiles);
    free(p->x), free(p->x_codes), free(p->x_scales), free(p->x_sums);
}

/* Rows from 1024 on are those before them again: random numbers take long. */
static void repeat_rows(problem *p)
{
    const size_t first = 1024, row_bytes = p->k / 2, groups = p->k / GROUP;
    for (size_t row = first; row < p->rows; row++) {
        memcpy(p->codes + row * row_bytes, p->codes + (row - first) * row_bytes, row_bytes);
        memcpy(p->steps + row * groups, p->steps + (row - first) * groups, groups);
        p->factors[row] = p->factors[row - first];
    }
    for (size_t row = first; row < p->rows; row += ROWS) {
        uint8_t *tile = p->tiles + row / ROWS * p->tiled.tile_bytes;
        memcpy(tile, tile - first / ROWS * p->tiled.tile_bytes, p->tiled.tile_bytes);
    }
}

/* rows: a multiple of 16; k: of 32. */
static bool make_problem(problem *p, size_t rows, size_t k)
{
    uint64_t state = rows * 1000003 + k;
    size_t tile_bytes = mote_tile_bytes(MOTE_Q4, GROUP, k), padded = k + 64;
    *p = (problem){.rows = rows,
                   .k = k,
                   .codes = calloc(rows, k / 2),
                   .steps = malloc(rows * k / GROUP),
                   .factors = malloc(rows * sizeof(float)),
                   .tiles = mote_host_alloc(rows / ROWS * tile_bytes),
                   .x = malloc(k * sizeof(float)),
                   .x_codes = malloc(padded),
                   .x_scales = malloc(padded / GROUP * sizeof(float)),
                   .x_sums = malloc(padded / GROUP * sizeof(int32_t))};
    if (!p->codes || !p->steps || !p->factors || !p->tiles || !p->x || !p->x_codes ||
        !p->x_scales || !p->x_sums) {
        free_problem(p);
        return false;
    }
    p->tiled = (mote_mat){p->tiles, tile_bytes, rows, k, GROUP, MOTE_Q4};
    for (size_t row = 0; row < rows && row < 1024; row++)
        fill_row(p, row, &state);
    repeat_rows(p);
    fill_token(p, &state);
    return true;
}

/* ---- checking ------------------------------------------------------------------------------- */

/* Farthest from the exact sum, in the share of what k roundings of k terms allow. */
static double worst_share(const float *out, const problem *p)
{
    double worst = 0.0;
    for (size_t row = 0; row < p->rows; row++) {
        double exact = 0.0, size = 0.0;
        for (size_t i = 0; i < p->k; i++) {
            int byte = p->codes[(row * p->k + i) / 2];
            double w = (double)levels[i % 2 ? byte >> 4 : byte & 15] *
                       p->steps[(row * p->k + i) / GROUP] * (double)p->factors[row];
            exact += w * (double)p->x[i];
            size += fabs(w * (double)p->x[i]);
        }
        double share = fabs((double)out[row] - exact) / ((double)(p->k + 2) * 0x1p-24 * size);
        worst = share > worst || isnan(share) ? share : worst;
    }
    return worst;
}

/* Root mean square of a - b over that of b. */
static double distance(const float *a, const float *b, size_t n)
{
    double apart = 0.0, size = 0.0;
    for (size_t i = 0; i < n; i++) {
        apart += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(apart / size);
}

typedef struct outputs {
    float *mine, *plain, *ref; /* [rows] */
} outputs;

/* 1: right, 0: wrong, -1: this CPU cannot. */
static int check_step(const step *s, const problem *p, const outputs *o)
{
    size_t bytes = p->rows * sizeof(float);
    mote_matmul_fn *kernel = find_kernel(s);
    if (!kernel)
        return -1;
    memset(o->mine, 0xff, bytes);
    run_step(o->mine, s, kernel, p);
    if (!s->is_float)
        return memcmp(o->mine, o->ref, bytes) == 0;
    return worst_share(o->mine, p) <= 1.0 && memcmp(o->mine, o->plain, bytes) == 0;
}

static bool open_outputs(outputs *o, size_t rows)
{
    float *all = malloc(3 * rows * sizeof(float));
    *o = (outputs){all, all + rows, all + 2 * rows};
    return all != NULL;
}

static bool check_steps(unsigned *passed, unsigned *failed)
{
    static const size_t shapes[][2] = {{16, 32}, {48, 96}, {80, 576}, {32, 2048}};
    static const step ref = {"ref", NULL, "ref", false};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        problem p;
        outputs o;
        if (!make_problem(&p, shapes[i][0], shapes[i][1]))
            return false;
        if (!open_outputs(&o, p.rows)) {
            free_problem(&p);
            return false;
        }
        run_step(o.ref, &ref, find_kernel(&ref), &p);
        multiply_plain(o.plain, &p);
        for (size_t s = 0; s < N_STEPS; s++) {
            int good = check_step(&steps[s], &p, &o);
            printf("%s %s [%zu, %zu]%s\n",
                   good < 0 ? "skip"
                   : good   ? "ok  "
                            : "FAIL",
                   steps[s].name, p.rows, p.k, good < 0 ? ": this CPU lacks it" : "");
            *passed += good > 0;
            *failed += good == 0;
        }
        /* Not the same numbers, but near: int8 has some hundredths of rounding. */
        bool near = distance(o.ref, o.plain, p.rows) < 0.02;
        printf("%s int8 activations are near floats [%zu, %zu]\n", near ? "ok  " : "FAIL", p.rows,
               p.k);
        *passed += near, *failed += !near;
        free(o.mine);
        free_problem(&p);
    }
    return true;
}

/* ---- timing --------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Weights a second, in units of 10^9, in the best of some runs, at least 30 ms of them. */
static double measure_step(float *out, const step *s, mote_matmul_fn *kernel, const problem *p)
{
    double best = 1e30, spent = 0.0;
    for (int i = 0; !i || (spent < 0.03 && i < 10000); i++) {
        double start = now();
        run_step(out, s, kernel, p);
        double t = now() - start;
        best = t < best && t > 0.0 ? t : best;
        spent += t;
    }
    return 1e-9 * (double)(p->rows * p->k) / best;
}

static void print_steps(const double *near, const double *far, const problem *memory)
{
    double bytes = (double)memory->tiled.tile_bytes / (double)(ROWS * memory->k);
    printf("q4, one token, one thread; weights in L2 (0.2 MB) and in memory (%.0f MB)\n",
           bytes * (double)(memory->rows * memory->k) * 1e-6);
    printf("%-20s %12s %8s %12s %8s\n", "step", "L2: G/s", "times", "memory: G/s", "GB/s");
    for (size_t s = 0; s < N_STEPS; s++)
        if (near[s] > 0.0)
            printf("%-20s %12.2f %8.1f %12.2f %8.1f\n", steps[s].name, near[s], near[s] / near[0],
                   far[s], far[s] * bytes);
        else
            printf("%-20s this CPU lacks it\n", steps[s].name);
}

static bool show_steps(void)
{
    problem cache, memory;
    outputs o;
    if (!make_problem(&cache, 192, 2048))
        return false;
    if (!make_problem(&memory, 65536, 2048) || !open_outputs(&o, memory.rows)) {
        free_problem(&cache);
        return false;
    }
    double near[N_STEPS] = {0}, far[N_STEPS] = {0};
    for (int round = 0; round < 3; round++) /* in turns: others use the machine too */
        for (size_t s = 0; s < N_STEPS; s++) {
            mote_matmul_fn *kernel = find_kernel(&steps[s]);
            if (!kernel)
                continue;
            near[s] = fmax(near[s], measure_step(o.mine, &steps[s], kernel, &cache));
            if (round < 2)
                far[s] = fmax(far[s], measure_step(o.mine, &steps[s], kernel, &memory));
        }
    print_steps(near, far, &memory);
    free(o.mine);
    free_problem(&cache), free_problem(&memory);
    return true;
}

int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;
    bool only_check = argc == 2 && strcmp(argv[1], "--check") == 0;
    if (argc > 1 && !only_check) {
        fprintf(stderr, "usage: ladder [--check]\n");
        return 2;
    }
    if (only_check ? !check_steps(&passed, &failed) : !show_steps()) {
        fprintf(stderr, "ladder: not enough memory\n");
        return 5;
    }
    if (only_check)
        printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
