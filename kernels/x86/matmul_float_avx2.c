/* matmul_float_avx2.c: products with f32, f16 and bf16 weights, and with keys stored as floats, for
 * AVX2 with FMA. Read ref/matmul_float_ref.c first; the bits are the same.
 *
 * One step: a column of 16 rows in two registers, one broadcast activation, two fmas. A row's fmas
 * follow one another, so at least eight independent chains are kept going: several tiles for one
 * token, several tokens for one tile.
 */
#include "kernels/x86/avx2.h"

ALWAYS __m256 load_weights(const uint8_t *column, size_t half, const enum mote_type type)
{
    if (type == MOTE_F32)
        return _mm256_loadu_ps((const float *)(const void *)column + 8 * half);
    if (type == MOTE_F16)
        return load_half(column + 16 * half);
    __m128i h = _mm_loadu_si128((const __m128i *)(const void *)(column + 16 * half));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

/* N tiles against T tokens over all columns; N*T <= 6. */
ALWAYS void block(float *out, size_t out_stride, const float *x, size_t x_stride, const mote_mat *w,
                  const uint8_t *tile, const size_t T, const size_t N, const enum mote_type type)
{
    const size_t step = type == MOTE_F32 ? 64 : 32;
    __m256 acc[6][2];
    for (size_t i = 0; i < N * T; i++)
        acc[i][0] = acc[i][1] = _mm256_setzero_ps();
    for (size_t c = 0; c < w->k; c++)
        for (size_t i = 0; i < N; i++) {
            const uint8_t *column = tile + i * w->tile_bytes + c * step;
            if (T == 1)
                ahead(column, N * w->tile_bytes);
            __m256 w0 = load_weights(column, 0, type), w1 = load_weights(column, 1, type);
            for (size_t t = 0; t < T; t++) {
                __m256 a = _mm256_broadcast_ss(x + t * x_stride + c);
                acc[i * T + t][0] = _mm256_fmadd_ps(w0, a, acc[i * T + t][0]);
                acc[i * T + t][1] = _mm256_fmadd_ps(w1, a, acc[i * T + t][1]);
            }
        }
    for (size_t i = 0; i < N; i++)
        for (size_t t = 0; t < T; t++) {
            _mm256_storeu_ps(out + t * out_stride + 16 * i, acc[i * T + t][0]);
            _mm256_storeu_ps(out + t * out_stride + 16 * i + 8, acc[i * T + t][1]);
        }
}

#define TIER(name) name##_avx2
#include "kernels/matmul_float.inc"
