/* values_avx2.c: the value step of attention for AVX2. Read ref/values_ref.c first; the bits are
 * the same.
 *
 * Q queries share every value that is loaded; D registers of 8 dimensions each. Queries of one
 * chunk see different ranges of positions, so a range runs in three parts, all ascending: each
 * query's own beginning, the part all Q see, each query's own end. Sums wait in `out` between the
 * parts.
 */
#include "kernels/math.h"
#include "kernels/x86/avx2.h"

enum { KV_F32, KV_F16, KV_Q8 };

typedef struct job {
    float *out;
    size_t out_stride;
    const float *p;
    size_t p_stride;
    const uint8_t *v;
    const uint16_t *scales;
    size_t dim, groups;
} job;

ALWAYS __m256 load_values(const job *b, size_t j, size_t d, const int kv)
{
    size_t at = j * b->dim + d;
    if (kv == KV_F32)
        return _mm256_loadu_ps((const float *)(const void *)b->v + at);
    if (kv == KV_F16)
        return load_half(b->v + 2 * at);
    __m128i codes = _mm_loadl_epi64((const __m128i *)(const void *)(b->v + at));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
}

ALWAYS float factor(const job *b, size_t q, size_t j, size_t d, const int kv)
{
    float p = b->p[q * b->p_stride + j];
    return kv == KV_Q8 ? p * mote_f16_to_f32(b->scales[j * b->groups + d / 32]) : p;
}

/* Adds positions [j, end) to queries q .. q+Q-1, dimensions d .. d+8D-1 (one group of 32 for
 * q8). */
ALWAYS void add_positions(const job *b, size_t q, size_t d, size_t j, size_t end, const size_t Q,
                          const size_t D, const int kv)
{
    __m256 acc[4][8];
    for (size_t i = 0; i < Q; i++)
        for (size_t r = 0; r < D; r++)
            acc[i][r] = _mm256_loadu_ps(b->out + (q + i) * b->out_stride + d + 8 * r);
    for (; j < end; j++) {
        __m256 f[4];
        for (size_t i = 0; i < Q; i++)
            f[i] = _mm256_set1_ps(factor(b, q + i, j, d, kv));
        for (size_t r = 0; r < D; r++) {
            __m256 v = load_values(b, j, d + 8 * r, kv);
            for (size_t i = 0; i < Q; i++)
                acc[i][r] = _mm256_fmadd_ps(f[i], v, acc[i][r]);
        }
    }
    for (size_t i = 0; i < Q; i++)
        for (size_t r = 0; r < D; r++)
            _mm256_storeu_ps(b->out + (q + i) * b->out_stride + d + 8 * r, acc[i][r]);
}

/* The dimensions that do not fill a register. */
ALWAYS void add_scalar(const job *b, size_t q, size_t d, size_t j, size_t end, const int kv)
{
    for (; d < b->dim; d++) {
        float acc = b->out[q * b->out_stride + d];
        for (size_t i = j; i < end; i++) {
            size_t at = i * b->dim + d;
            float v = kv == KV_F32   ? ((const float *)(const void *)b->v)[at]
                      : kv == KV_F16 ? mote_f16_to_f32(((const uint16_t *)(const void *)b->v)[at])
                                     : (float)(int8_t)b->v[at];
            acc = mote_fma(factor(b, q, i, d, kv), v, acc);
        }
        b->out[q * b->out_stride + d] = acc;
    }
}

/* One range for Q queries over all dimensions; D registers at a time. */
ALWAYS void add_range(const job *b, size_t q, size_t j, size_t end, const size_t Q, const size_t D,
                      const int kv)
{
    size_t d = 0;
    if (j >= end)
        return;
    for (; d + 8 * D <= b->dim; d += 8 * D)
        add_positions(b, q, d, j, end, Q, D, kv);
    for (; d + 8 <= b->dim; d += 8)
        add_positions(b, q, d, j, end, Q, 1, kv);
    for (size_t i = 0; d < b->dim && i < Q; i++)
        add_scalar(b, q + i, d, j, end, kv);
}

ALWAYS void values(const job *b, const uint16_t *lo, const uint16_t *hi, size_t n, const int kv)
{
    for (size_t q = 0, take; q < n; q += take) {
        size_t from = lo[q], to = hi[q];
        take = n - q < 4 ? n - q : 4;
        for (size_t i = 0; i < take; i++) {
            from = lo[q + i] > from ? lo[q + i] : from;
            to = hi[q + i] < to ? hi[q + i] : to;
            memset(b->out + (q + i) * b->out_stride, 0, b->dim * sizeof(float));
        }
        if (from >= to) /* nothing in common: one query at a time */
            take = 1, from = lo[q], to = hi[q];
        for (size_t i = 0; i < take; i++)
            add_range(b, q + i, lo[q + i], from, 1, 4, kv);
        if (take == 1)
            add_range(b, q, from, to, 1, kv == KV_Q8 ? 4 : 8, kv);
        else if (take == 2)
            add_range(b, q, from, to, 2, 4, kv);
        else if (take == 3)
            add_range(b, q, from, to, 3, 2, kv);
        else
            add_range(b, q, from, to, 4, 2, kv);
        for (size_t i = 0; i < take; i++)
            add_range(b, q + i, to, hi[q + i], 1, 4, kv);
    }
}

void mote_k_values_f32_avx2(float *out, size_t out_stride, const float *p, size_t p_stride,
                            const uint16_t *lo, const uint16_t *hi, size_t n, const void *v,
                            const uint16_t *v_scales, size_t dim)
{
    job b = {out, out_stride, p, p_stride, v, v_scales, dim, 0};
    values(&b, lo, hi, n, KV_F32);
}

void mote_k_values_f16_avx2(float *out, size_t out_stride, const float *p, size_t p_stride,
                            const uint16_t *lo, const uint16_t *hi, size_t n, const void *v,
                            const uint16_t *v_scales, size_t dim)
{
    job b = {out, out_stride, p, p_stride, v, v_scales, dim, 0};
    values(&b, lo, hi, n, KV_F16);
}

void mote_k_values_q8_avx2(float *out, size_t out_stride, const float *p, size_t p_stride,
                           const uint16_t *lo, const uint16_t *hi, size_t n, const void *v,
                           const uint16_t *v_scales, size_t dim)
{
    job b = {out, out_stride, p, p_stride, v, v_scales, dim, (dim + 31) / 32};
    values(&b, lo, hi, n, KV_Q8);
}
