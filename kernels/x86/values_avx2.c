/* values_avx2.c: the value step of attention for AVX2. Read ref/values_ref.c first; the bits are
 * the same.
 *
 * Registers hold 8 dimensions; values.inc says how work is cut.
 */
#include "kernels/math.h"
#include "kernels/values.h"
#include "kernels/x86/avx2.h"

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

#include "kernels/values.inc"

VALUES_ENTRIES(avx2)
