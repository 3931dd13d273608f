/* matmul_quant_avxvnni.c: products with quantised weights (q8, q4, q4_0, q4_1; keys stored as int8)
 * for 256-bit VNNI without AVX-512: Alder Lake 2021+. Read matmul_quant_avx512vnni.c first; the
 * arithmetic is the same with a line in two halves: 8 rows, 4 codes each, in a register.
 *
 * 16 registers hold half a line against 6 tokens: 6 sums, 6 accumulators, 2 of weights, one for
 * activations, one to spare; the mask and q4's book are read from memory.
 */
#include "kernels/x86/avx2.h"

enum { TOKENS = 6, CHUNK = 8 };

/* What 8 groups need of the tokens besides codes, side by side: no registers for pointers. */
typedef struct chunk {
    float scale[TOKENS][CHUNK];
    int32_t start[TOKENS][CHUNK]; /* of a group's sum: -offset * sum of its codes */
    float sum[TOKENS][CHUNK];     /* of the codes; q4_1 only */
} chunk;

/* Codes of token 3i + j at base[i] + j * stride: two pointers and an index instead of six. */
typedef struct tokens {
    const int8_t *base[2];
    size_t stride;
} tokens;

ALWAYS __m256i codes_at(const tokens *x, size_t t, size_t at)
{
    return spread_codes(x->base[t / 3] + t % 3 * x->stride + at);
}

/* Groups g .. g+n-1 (n <= 8) of T rows of activations from row `at` on. */
ALWAYS void gather(chunk *c, const mote_acts *x, size_t at, size_t g, size_t n, const size_t T,
                   const enum mote_type type)
{
    const __m256i offset = _mm256_set1_epi32(type == MOTE_Q8 ? -128 : type == MOTE_Q4 ? -34 : -8);
    const __m256i used =
        _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    for (size_t t = 0; t < T; t++) {
        size_t first = (at + t) * x->group_stride + g;
        __m256i sum = _mm256_maskload_epi32(x->sums + first, used);
        _mm256_storeu_ps(c->scale[t], _mm256_maskload_ps(x->scales + first, used));
        if (type == MOTE_Q4_1)
            _mm256_storeu_ps(c->sum[t], _mm256_cvtepi32_ps(sum));
        else
            _mm256_storeu_si256((__m256i *)(void *)c->start[t], _mm256_mullo_epi32(sum, offset));
    }
}

/* Adds n_lines lines, H halves of them, to the int32 sums. */
ALWAYS void sum_q8(__m256i *sum, const uint8_t *lines, const tokens *x, size_t at,
                   const size_t n_lines, const size_t T, const size_t H)
{
    const __m256i top = _mm256_set1_epi8((char)0x80);
#pragma GCC unroll 8
    for (size_t j = 0; j < n_lines; j++) {
        __m256i w[2];
        for (size_t h = 0; h < H; h++)
            w[h] = _mm256_xor_si256(load_si(lines + j * MOTE_LINE + 32 * h), top);
        for (size_t t = 0; t < T; t++) {
            __m256i a = codes_at(x, t, at + 4 * j);
            for (size_t h = 0; h < H; h++)
                sum[h * T + t] = _mm256_dpbusd_avx_epi32(sum[h * T + t], w[h], a);
        }
    }
}

ALWAYS void sum_q4(__m256i *sum, const uint8_t *lines, const tokens *x, const size_t T,
                   const size_t H, const enum mote_type type)
{
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i levels = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 7, 13, 18, 22, 25, 28, 31, 34, 37, 40, 43, 47, 51, 56, 62));
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) {
        __m256i lo[2], hi[2];
        for (size_t h = 0; h < H; h++) {
            __m256i v = load_si(lines + j * MOTE_LINE + 32 * h);
            lo[h] = _mm256_and_si256(v, low);
            hi[h] = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
            if (type == MOTE_Q4) {
                lo[h] = _mm256_shuffle_epi8(levels, lo[h]);
                hi[h] = _mm256_shuffle_epi8(levels, hi[h]);
            }
        }
        for (size_t t = 0; t < T; t++) {
            __m256i a = codes_at(x, t, 8 * j), b = codes_at(x, t, 8 * j + 4);
            for (size_t h = 0; h < H; h++) {
                sum[h * T + t] = _mm256_dpbusd_avx_epi32(sum[h * T + t], lo[h], a);
                sum[h * T + t] = _mm256_dpbusd_avx_epi32(sum[h * T + t], hi[h], b);
            }
        }
    }
}

/* Scales of 8 rows for group g; group_shift: log2 of the groups of 32 that share one. */
ALWAYS __m256 scale_at(const uint8_t *tile, size_t g, size_t half, unsigned group_shift,
                       const enum mote_type type)
{
    if (type == MOTE_Q4) {
        const uint8_t *steps = tile + MOTE_LINE + 16 * g + 8 * half;
        return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)steps)));
    }
    if (type == MOTE_Q8)
        return load_half(tile + 32 * (g >> group_shift) + 16 * half);
    return load_half(tile + (type == MOTE_Q4_1 ? 64 : 32) * g + 16 * half);
}

/* acc = fma(sum, weight scale * activation scale, acc); q4_1: the minimum likewise. */
ALWAYS void add_group(__m256 *acc, const __m256i *sum, const chunk *c, const uint8_t *tile,
                      size_t g, size_t half, unsigned group_shift, const size_t T,
                      const enum mote_type type)
{
    __m256 ws = scale_at(tile, g, half, group_shift, type), minimum;
    if (type == MOTE_Q4_1)
        minimum = load_half(tile + 64 * g + 32 + 16 * half);
    for (size_t t = 0; t < T; t++) {
        __m256 as = _mm256_broadcast_ss(&c->scale[t][g % CHUNK]);
        acc[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[t]), _mm256_mul_ps(ws, as), acc[t]);
        if (type == MOTE_Q4_1)
            acc[t] = _mm256_fmadd_ps(_mm256_broadcast_ss(&c->sum[t][g % CHUNK]),
                                     _mm256_mul_ps(minimum, as), acc[t]);
    }
}

/* Group g of rows 8*half .. of a tile, 8*H of them, against T tokens; `whole`: it has all 32
 * columns. */
ALWAYS void multiply_group(__m256 *acc, const chunk *c, const tokens *x, const mote_mat *w,
                           const uint8_t *tile, const uint8_t *lines, size_t g, size_t half,
                           const size_t T, const size_t H, const enum mote_type type,
                           const bool whole)
{
    __m256i sum[2 * TOKENS];
    for (size_t h = 0; h < H; h++)
        for (size_t t = 0; t < T; t++)
            sum[h * T + t] = type == MOTE_Q4_1 ? _mm256_setzero_si256()
                                               : _mm256_set1_epi32(c->start[t][g % CHUNK]);
    if (T <= 4 && half == 0)
        for (size_t j = 0; j < (type == MOTE_Q8 ? 8 : 4); j++)
            ahead(lines + j * MOTE_LINE, 8192);
    if (type != MOTE_Q8)
        sum_q4(sum, lines, x, T, H, type);
    else if (whole)
        sum_q8(sum, lines, x, 0, 8, T, H);
    else
        for (size_t j = 0; j < w->k % 32 / 4; j++)
            sum_q8(sum, lines + j * MOTE_LINE, x, 4 * j, 1, T, H);
    for (size_t h = 0; h < H; h++)
        add_group(acc + h * T, sum + h * T, c, tile, g, half + h, w->group == 64, T, type);
}

/* Rows 8*half .. of a tile, 8*H of them, against T tokens, rows `at` .. of the activations. */
ALWAYS void block(float *out, size_t out_stride, const mote_acts *acts, size_t at,
                  const mote_mat *w, const uint8_t *tile, size_t half, const size_t T,
                  const size_t H, const enum mote_type type)
{
    const size_t n_groups = w->k / 32, group_bytes = type == MOTE_Q8 ? 512 : 256;
    const uint8_t *lines = tile + mote_tile_scale_bytes(type, w->group, w->k) + 32 * half;
    tokens x = {{0}, acts->code_stride};
    chunk c;
    __m256 acc[2 * TOKENS];
    for (size_t t = 0; t < T; t += 3)
        x.base[t / 3] = acts->codes + (at + t) * x.stride;
    for (size_t i = 0; i < H * T; i++)
        acc[i] = _mm256_setzero_ps();
    for (size_t g = 0; g < n_groups; g++) {
        if (g % CHUNK == 0)
            gather(&c, acts, at, g, n_groups - g < CHUNK ? n_groups - g : CHUNK, T, type);
        multiply_group(acc, &c, &x, w, tile, lines, g, half, T, H, type, true);
        lines += group_bytes;
        for (size_t t = 0; t < T; t += 3)
            x.base[t / 3] += 32;
    }
    if (type == MOTE_Q8 && w->k % 32) { /* heads of a size that is no multiple of 32 */
        gather(&c, acts, at, n_groups / CHUNK * CHUNK, n_groups % CHUNK + 1, T, type);
        multiply_group(acc, &c, &x, w, tile, lines, n_groups, half, T, H, type, false);
    }
    for (size_t h = 0; h < H; h++)
        for (size_t t = 0; t < T; t++) {
            __m256 sum = acc[h * T + t];
            if (type == MOTE_Q4)
                sum = _mm256_mul_ps(
                    sum, _mm256_loadu_ps((const float *)(const void *)tile + 8 * (half + h)));
            _mm256_storeu_ps(out + t * out_stride + 8 * (half + h), sum);
        }
}

/* One or two tokens share both halves of a line; more take one half after the other. */
ALWAYS void product(float *out, size_t out_stride, const mote_acts *x, size_t n, const mote_mat *w,
                    size_t begin, size_t end, const enum mote_type type)
{
    for (size_t i = begin; i < end; i++, out += 16) {
        const uint8_t *tile = w->data + i * w->tile_bytes;
        for (size_t t = 0, take; t < n; t += take) {
            float *o = out + t * out_stride;
            size_t n_blocks = (n - t + TOKENS - 1) / TOKENS;
            take = (n - t + n_blocks - 1) / n_blocks;
            if (take == 1)
                block(o, out_stride, x, t, w, tile, 0, 1, 2, type);
            else if (take == 2)
                block(o, out_stride, x, t, w, tile, 0, 2, 2, type);
            else
                for (size_t half = 0; half < 2; half++) {
                    if (take == 3)
                        block(o, out_stride, x, t, w, tile, half, 3, 1, type);
                    else if (take == 4)
                        block(o, out_stride, x, t, w, tile, half, 4, 1, type);
                    else if (take == 5)
                        block(o, out_stride, x, t, w, tile, half, 5, 1, type);
                    else
                        block(o, out_stride, x, t, w, tile, half, 6, 1, type);
                }
        }
    }
}

void mote_k_matmul_q8_avxvnni(float *out, size_t out_stride, const mote_acts *x, size_t n,
                              const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q8);
}

void mote_k_matmul_q4_avxvnni(float *out, size_t out_stride, const mote_acts *x, size_t n,
                              const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q4);
}

void mote_k_matmul_q4_0_avxvnni(float *out, size_t out_stride, const mote_acts *x, size_t n,
                                const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q4_0);
}

void mote_k_matmul_q4_1_avxvnni(float *out, size_t out_stride, const mote_acts *x, size_t n,
                                const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q4_1);
}
