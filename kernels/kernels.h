/* kernels.h: the numeric kernels and their contracts. Read quant.h first.
 *
 * A kernel knows nothing of threads, models or files: it takes pointers, sizes and a range of rows.
 * Every tier gives the same bits as `ref`, which is the definition:
 *   - f32, round to nearest even, no contraction; mote_fma (math.h) is a true fused multiply-add;
 *   - a product of quantised rows is exact in int32 within a group of 32 columns, then one fma per
 *     group, groups ascending; a float product is one fma per column, ascending;
 *   - a sum over a row has 16 lanes (element i in lane i mod 16, ascending), folded 8, 4, 2, 1.
 * All pointers may have any alignment unless said; outputs never overlap inputs unless said.
 */
#ifndef MOTE_KERNELS_H
#define MOTE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/mote_features.h"
#include "kernels/quant.h"

/* Weight types of this build, as bits. */
#define MOTE_HAS_TYPES                                                                             \
    (1u << MOTE_Q8 | (unsigned)MOTE_TYPE_Q4 << MOTE_Q4 |                                           \
     (MOTE_TYPES_GGUF ? 1u << MOTE_Q4_0 | 1u << MOTE_Q4_1 : 0u) |                                  \
     (MOTE_TYPES_FLOAT ? 1u << MOTE_F32 | 1u << MOTE_F16 | 1u << MOTE_BF16 : 0u))

/* A weight matrix [rows, k] in tiles, or a part of the key cache (rows are positions). */
typedef struct mote_mat {
    const uint8_t *data; /* first tile, 64-byte aligned */
    size_t tile_bytes;   /* from one tile to the next */
    size_t rows;         /* without padding */
    size_t k;            /* float types: columns; quantised: stored columns, a multiple of 4 */
    uint32_t group;      /* columns per scale: 32 or 64 for q8, 32 for other quantised types */
    enum mote_type type;
} mote_mat;

/* Rows of activations, as floats or quantised in groups of 32 (x ~ code * scale). A kernel reads
 * the form its weight type needs: float types `f32`, quantised types the rest. */
typedef struct mote_acts {
    const float *f32;    /* [n, >= k] */
    const int8_t *codes; /* [n, >= k rounded up to 32], padding 0, never -128 */
    const float *scales; /* [n, >= k/32 rounded up] */
    const int32_t *sums; /* [n, the same]: sum of a group's codes */
    size_t f32_stride;   /* elements from one row to the next */
    size_t code_stride;
    size_t group_stride; /* of scales and of sums */
} mote_acts;

/* out[t][16*(tile - begin) + lane] = sum over k of w[16*tile + lane][k] * x[t][k]
 * for tile in [begin, end), t in [0, n). Writes whole tiles, padding rows too.
 * out_stride >= 16*(end - begin), in elements. */
typedef void mote_matmul_fn(float *out, size_t out_stride, const mote_acts *x, size_t n,
                            const mote_mat *w, size_t begin, size_t end);

/* out[i][d] = sum over positions lo[i] <= j < hi[i], ascending, of p[i][j] * v[j][d],
 * i in [0, n). The rows v[j] are those of one block of 256 positions, as the cache stores them:
 * f32 or f16 [256, dim], or int8 [256, dim] with f16 scales [256, groups], groups = dim/32 rounded
 * up (then the factor is p * scale, rounded once). One fma per position from +0. lo[i] < hi[i] <=
 * 256. */
typedef void mote_values_fn(float *out, size_t out_stride, const float *p, size_t p_stride,
                            const uint16_t *lo, const uint16_t *hi, size_t n, const void *v,
                            const uint16_t *v_scales, size_t dim);

/* Scores of one query over part of a block, p[lo..hi): scaled, capped, turned into
 * p[j] = exp(s[j] - max) with s = p*scale or cap * tanh(p*scale / cap) (cap > 0).
 * Gives max and the sum of p (16 lanes by position, folded). 0 <= lo < hi <= 256. */
typedef void mote_softmax_fn(float *p, size_t lo, size_t hi, float scale, float cap, float *max,
                             float *sum);

/* A kernel table: every slot is filled; `ref` first, then each usable tier overrides some. */
typedef struct mote_kernels {
    mote_matmul_fn *matmul[MOTE_TYPES];
    /* Float types only, NULL elsewhere and without --blas: sums in the library's order, not
     * P1's. */
    mote_matmul_fn *blas[MOTE_TYPES];

    /* y[j] = w[row][j], j in [0, k): one row of a matrix as floats. Products of code and scale are
     * rounded once; q4_1 adds its minimum after that. */
    void (*dequant_row)(float *y, const mote_mat *w, size_t row, size_t k);

    /* Groups of 32: amax = max |x|; scale = amax/127; code = rne(x * (127/amax)); sum of codes.
     * amax < 2^-100: all 0. amax not finite: scale NaN, codes 0. Writes n rounded up to 64 codes
     * and half as many groups of 32 as that holds; the rest is padding (codes, scales, sums 0). */
    void (*quantize)(int8_t *codes, float *scales, int32_t *sums, const float *x, size_t n);

    /* y = x * (1 / sqrt(mean(x^2) + eps)) * w.  y may be x. */
    void (*rmsnorm)(float *y, const float *x, const float *w, size_t n, float eps);
    /* mean = sum(x) / n; y = (x - mean) * (1 / sqrt(mean((x - mean)^2) + eps)) * w + b, the last
     * two in one fma.  y may be x. */
    void (*layernorm)(float *y, const float *x, const float *w, const float *b, size_t n,
                      float eps);

    /* y += x */
    void (*add)(float *y, const float *x, size_t n);
    /* y *= a */
    void (*scale)(float *y, float a, size_t n);
    /* y[i] = c * tanh(y[i] / c) */
    void (*softcap)(float *y, float c, size_t n);
    /* y[i] = silu(gate[i]) * up[i], silu(x) = x / (1 + exp(-x)).  y may be gate. */
    void (*silu_mul)(float *y, const float *gate, const float *up, size_t n);
    /* y[i] = gelu(gate[i]) * up[i], gelu(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) or
     * x/2 (1 + erf(x / sqrt 2)).  y may be gate. */
    void (*gelu_tanh_mul)(float *y, const float *gate, const float *up, size_t n);
    void (*gelu_erf_mul)(float *y, const float *gate, const float *up, size_t n);
    /* y[i] = gelu(x[i]).  y may be x. */
    void (*gelu_tanh)(float *y, const float *x, size_t n);
    void (*gelu_erf)(float *y, const float *x, size_t n);

    /* cos and sin of pos * freqs[i], times `scale`; i in [0, n). */
    void (*rope_angles)(float *cos, float *sin, const float *freqs, size_t n, uint32_t pos,
                        float scale);
    /* Turns the pairs (x[i], x[i + n]), i in [0, n):
     *   x[i] = x[i]*cos[i] - x[i+n]*sin[i];  x[i+n] = x[i+n]*cos[i] + x[i]*sin[i]
     * each as fma(second factor pair, rounded first product). */
    void (*rope)(float *x, const float *cos, const float *sin, size_t n);

    mote_softmax_fn *softmax;
    mote_values_fn *values[3]; /* by KV type: f32, f16, q8 */

    /* Joins the results of two neighbouring blocks of positions, a before b, into a:
     *   m = max(ma, mb); fa = exp(ma - m); fb = exp(mb - m)
     *   sum = fma(sum_b, fb, sum_a * fa);  out = fma(out_b, fb, out_a * fa) */
    void (*merge)(float *out_a, float *max_a, float *sum_a, const float *out_b, float max_b,
                  float sum_b, size_t dim);
    /* y[i] = x[i] / sum */
    void (*divide)(float *y, const float *x, float sum, size_t n);

    /* y[i] = exp(x[i] - max), returns the sum (16 lanes). For the sampler. */
    float (*exp_sum)(float *y, const float *x, float max, size_t n);
    /* Index of the largest value, the lowest on ties; n >= 1, no NaN. */
    size_t (*argmax)(const float *x, size_t n);
    /* Index of the first x[i] > limit, i in [begin, n); n: there is none. */
    size_t (*next_above)(const float *x, size_t begin, size_t n, float limit);
    /* All finite? */
    bool (*finite)(const float *x, size_t n);

    /* Stores one head's key or value at row `pos` of the cache. Keys are tiles of 16 positions of
     * the type; values rows. kv: f32, f16, q8 (groups of 32: f16 scale amax/127, code
     * rne(x*(127/amax))). */
    void (*store_key[3])(uint8_t *tile, size_t lane, const float *x, size_t dim);
    void (*store_value[3])(void *v, uint16_t *v_scales, size_t row, const float *x, size_t dim);

    const char *tier; /* highest tier that wrote a slot */
    const char *matmul_tier[MOTE_TYPES];
} mote_kernels;

/* CPU features, as bits. */
enum {
    MOTE_CPU_AVX2 = 1,      /* with FMA, F16C and OS-enabled YMM */
    MOTE_CPU_AVXVNNI = 2,   /* 256-bit VNNI without AVX-512 */
    MOTE_CPU_AVX512VNNI = 4 /* AVX-512 F, BW, VL, DQ and VNNI, OS-enabled ZMM */
};

/* The same on AArch64. */
enum { MOTE_CPU_NEON = 1 << 16 /* all of ARMv8.0 */, MOTE_CPU_DOTPROD = 1 << 17 };

/* What this CPU and its OS allow. */
unsigned mote_cpu_features(void);

/* Where one table is all a build has (firmware: cortexm/table.c), it is a constant. */
#ifndef MOTE_FIXED_KERNELS
#define MOTE_FIXED_KERNELS 0
#endif
extern const mote_kernels mote_fixed_kernels;

/* Fills the table for a feature set. */
void mote_kernels_init(mote_kernels *table, unsigned features);

/* Adds the BLAS variant; false: not in this build. */
bool mote_kernels_blas(mote_kernels *table);

/* Feature set of a tier name and all tiers below it; false: no such tier. `ref` is 0. */
bool mote_tier_features(const char *name, unsigned *features);
/* Name of the i-th tier, lowest first; NULL past the end. */
const char *mote_tier_name(size_t i);

/* Floating-point environment: enter sets the default (round to nearest, subnormals kept, no traps)
 * and returns the caller's; leave restores it. */
unsigned mote_fp_enter(void);
void mote_fp_leave(unsigned saved);

#endif
