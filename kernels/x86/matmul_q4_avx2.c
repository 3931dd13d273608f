/* matmul_q4_avx2.c: products with 4-bit weights (q4, q4_0, q4_1) for AVX2: Haswell 2013+, Zen.
 * Read ref/matmul_quant_ref.c first; the bits are the same.
 *
 * One step, 8 rows (half a line, 32 bytes) against one token:
 *
 *   line   | r0: 4 bytes | r1: 4 bytes | ... r7 |      byte j = code k+j | code k+4+j << 4
 *   & 15 -> codes k..k+3        >> 4 & 15 -> codes k+4..k+7       (q4: pshufb looks the level up)
 *   maddubs with the 4 activations of k..k+3 (k+4..k+7) in every lane -> int16 pairs
 *
 * int16 is wide enough: 8 x 15 x 127 x 2 for a whole group of q4_0 and q4_1, so they widen once a
 * group; q4's levels (0..62 after the offset) allow 2 x 62 x 127 x 2, so it widens every line.
 */
#include "kernels/x86/avx2.h"

typedef struct token {
    const int8_t *codes;
    const float *scales;
    const int32_t *sums;
} token;

/* The two halves of a half line: codes k..k+3 and k+4..k+7 of 8 rows, q4's as levels. */
ALWAYS void unpack(__m256i to[2], const uint8_t *line, const enum mote_type type)
{
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i levels = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 7, 13, 18, 22, 25, 28, 31, 34, 37, 40, 43, 47, 51, 56, 62));
    __m256i v = load_si(line);
    to[0] = _mm256_and_si256(v, low);
    to[1] = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
    if (type == MOTE_Q4) {
        to[0] = _mm256_shuffle_epi8(levels, to[0]);
        to[1] = _mm256_shuffle_epi8(levels, to[1]);
    }
}

/* What the levels' offset takes from a group's sums. */
ALWAYS __m256i offset_of(int32_t sum) { return _mm256_set1_epi32(-MOTE_BOOK_OFFSET * sum); }

/* Adds a half line's products with one token's 8 codes. */
ALWAYS void add_line(__m256i *sum, const __m256i w[2], const int8_t *codes,
                     const enum mote_type type)
{
    __m256i m = _mm256_add_epi16(_mm256_maddubs_epi16(w[0], spread_codes(codes)),
                                 _mm256_maddubs_epi16(w[1], spread_codes(codes + 4)));
    if (type == MOTE_Q4)
        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(m, _mm256_set1_epi16(1)));
    else
        *sum = _mm256_add_epi16(*sum, m);
    keep_si(sum);
}

/* Scales (and minima, for q4_1) of 8 rows. */
ALWAYS __m256 group_scale(const uint8_t *tile, size_t g, size_t half, const enum mote_type type)
{
    if (type == MOTE_Q4) {
        const uint8_t *steps = tile + MOTE_LINE + 16 * g + 8 * half;
        return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)steps)));
    }
    return load_half(tile + (type == MOTE_Q4_1 ? 64 : 32) * g + 16 * half);
}

ALWAYS __m256 group_minimum(const uint8_t *tile, size_t g, size_t half)
{
    return load_half(tile + 64 * g + 32 + 16 * half);
}

/* acc + a group's sums of one token as the floats they stand for. */
ALWAYS __m256 add_scaled(__m256 acc, __m256i sum, __m256 scale, __m256 minimum, const token *x,
                         size_t g, const enum mote_type type)
{
    __m256 as = _mm256_broadcast_ss(x->scales + g);
    __m256i asum = _mm256_set1_epi32(x->sums[g]);
    if (type != MOTE_Q4)
        sum = _mm256_madd_epi16(sum, _mm256_set1_epi16(1));
    if (type == MOTE_Q4_0)
        sum = _mm256_sub_epi32(sum, _mm256_slli_epi32(asum, 3));
    acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), _mm256_mul_ps(scale, as), acc);
    if (type == MOTE_Q4_1)
        acc = _mm256_fmadd_ps(_mm256_cvtepi32_ps(asum), _mm256_mul_ps(minimum, as), acc);
    return acc;
}

ALWAYS __m256 row_factors(const uint8_t *tile, size_t half)
{
    return _mm256_loadu_ps((const float *)(const void *)tile + 8 * half);
}

/* int32 (q4) or int16 sums of one group of 32 columns: H half lines, T tokens. */
ALWAYS void sum_group(__m256i sum[4][4], const tiles *w, size_t at, const token *x, size_t g,
                      const size_t T, const size_t H, const enum mote_type type)
{
    for (size_t t = 0; t < T; t++)
        for (size_t h = 0; h < H; h++)
            sum[t][h] = type == MOTE_Q4 ? offset_of(x[t].sums[g]) : _mm256_setzero_si256();
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++)
        for (size_t h = 0; h < H; h++) {
            const uint8_t *line = w->first + at + j * MOTE_LINE + half_at(h, 32, w->far_bytes);
            __m256i v[2];
            if (T == 1 && h % 2 == 0)
                ahead(line, w->bytes);
            unpack(v, line, type);
            for (size_t t = 0; t < T; t++)
                add_line(&sum[t][h], v, x[t].codes + 32 * g + 8 * j, type);
        }
}

/* Half lines half .. half+H-1 of tile i (H of 4: and of tile i + far) against T tokens, over all
 * columns. */
ALWAYS void block(float *out, size_t out_stride, const token *x, const mote_mat *m, size_t i,
                  size_t far, size_t half, const size_t T, const size_t H,
                  const enum mote_type type)
{
    const size_t scale_bytes = mote_tile_scale_bytes(type, 32, m->k);
    const tiles w = {m->data + i * m->tile_bytes, m->tile_bytes, far * m->tile_bytes};
    __m256 acc[4][4];
    for (size_t t = 0; t < T; t++)
        for (size_t h = 0; h < H; h++)
            acc[t][h] = _mm256_setzero_ps();
    if (T == 1)
        ahead_scales(&w, scale_bytes, H);
    for (size_t g = 0; g < m->k / 32; g++) {
        __m256i sum[4][4];
        sum_group(sum, &w, scale_bytes + 32 * half + 4 * g * MOTE_LINE, x, g, T, H, type);
        for (size_t h = 0; h < H; h++) {
            const uint8_t *own = w.first + half_at(h, 0, w.far_bytes);
            __m256 scale = group_scale(own, g, half + h % 2, type), minimum = scale;
            if (type == MOTE_Q4_1)
                minimum = group_minimum(own, g, half + h % 2);
            for (size_t t = 0; t < T; t++)
                acc[t][h] = add_scaled(acc[t][h], sum[t][h], scale, minimum, &x[t], g, type);
        }
    }
    for (size_t t = 0; t < T; t++)
        for (size_t h = 0; h < H; h++) {
            if (type == MOTE_Q4)
                acc[t][h] = _mm256_mul_ps(
                    acc[t][h], row_factors(w.first + half_at(h, 0, w.far_bytes), half + h % 2));
            _mm256_storeu_ps(out + t * out_stride + half_at(h, 8, 16 * far) + 8 * half, acc[t][h]);
        }
}

ALWAYS void product(float *out, size_t out_stride, const mote_acts *x, size_t n, const mote_mat *w,
                    size_t begin, size_t end, const enum mote_type type)
{
    size_t far = n == 1 ? (end - begin) / 2 : 0;
    for (size_t i = begin; i < end; i++) {
        if (i == begin + far)
            i += far; /* the second half came with the first */
        for (size_t t = 0; i < end && t < n; t += 4) {
            float *o = out + t * out_stride + 16 * (i - begin);
            token toks[4];
            for (size_t j = 0; j < 4; j++) {
                size_t row = t + j < n ? t + j : t;
                toks[j] =
                    (token){x->codes + row * x->code_stride, x->scales + row * x->group_stride,
                            x->sums + row * x->group_stride};
            }
            if (n - t == 1 && i < begin + far)
                block(o, out_stride, toks, w, i, far, 0, 1, 4, type);
            else if (n - t == 1)
                block(o, out_stride, toks, w, i, 0, 0, 1, 2, type);
            else if (n - t == 2)
                block(o, out_stride, toks, w, i, 0, 0, 2, 2, type);
            else
                for (size_t half = 0; half < 2; half++) {
                    if (n - t == 3)
                        block(o, out_stride, toks, w, i, 0, half, 3, 1, type);
                    else
                        block(o, out_stride, toks, w, i, 0, half, 4, 1, type);
                }
        }
    }
}

void mote_k_matmul_q4_avx2(float *out, size_t out_stride, const mote_acts *x, size_t n,
                           const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q4);
}

void mote_k_matmul_q4_0_avx2(float *out, size_t out_stride, const mote_acts *x, size_t n,
                             const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q4_0);
}

void mote_k_matmul_q4_1_avx2(float *out, size_t out_stride, const mote_acts *x, size_t n,
                             const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q4_1);
}
