/* matmul_float_avx512vnni.c: products with f32, f16 and bf16 weights, and with keys stored as
 * floats, for AVX-512. Read ref/matmul_float_ref.c first; the bits are the same.
 *
 * One step: a column of 16 rows in one register, one broadcast activation, one fma. A row's fmas
 * follow one another, so many independent chains are kept going: four tiles for one token, two
 * tiles for up to 12 tokens, which then share what is loaded (24 sums, 14 loads for 24 fmas).
 */
#include "kernels/x86/avx512.h"

enum { SUMS = 24 };

/* Column c of a tile. */
ALWAYS __m512 load_weights(const uint8_t *tile, size_t c, const enum mote_type type)
{
    if (type == MOTE_F32)
        return _mm512_loadu_ps(tile + 64 * c);
    if (type == MOTE_F16)
        return load_half(tile + 32 * c);
    __m256i h = _mm256_loadu_si256((const __m256i *)(const void *)(tile + 32 * c));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* Row 3i + j of activations at base[i] + j * stride: four pointers and an index, not twelve. */
typedef struct tokens {
    const float *base[4];
    size_t stride;
} tokens;

/* N tiles against T tokens over all columns; N*T <= 24, T <= 12. */
ALWAYS void block(float *out, size_t out_stride, const float *x, size_t x_stride, const mote_mat *w,
                  const uint8_t *tile, const size_t T, const size_t N, const enum mote_type type)
{
    tokens a = {{0}, x_stride};
    __m512 acc[SUMS];
    for (size_t t = 0; t < T; t += 3)
        a.base[t / 3] = x + t * x_stride;
    for (size_t i = 0; i < N * T; i++)
        acc[i] = _mm512_setzero_ps();
    for (size_t c = 0; c < w->k; c++) {
        __m512 v[4];
        for (size_t i = 0; i < N; i++) {
            v[i] = load_weights(tile + i * w->tile_bytes, c, type);
            if (T <= 3) /* keys of one token's queries come from memory, too */
                ahead(tile + i * w->tile_bytes + (type == MOTE_F32 ? 64 : 32) * c);
        }
        for (size_t t = 0; t < T; t++) {
            __m512 f = _mm512_set1_ps(a.base[t / 3][t % 3 * x_stride + c]);
            for (size_t i = 0; i < N; i++)
                acc[i * T + t] = _mm512_fmadd_ps(v[i], f, acc[i * T + t]);
        }
    }
    for (size_t i = 0; i < N; i++)
        for (size_t t = 0; t < T; t++)
            _mm512_storeu_ps(out + t * out_stride + 16 * i, acc[i * T + t]);
}

/* N tiles against n tokens. */
ALWAYS void tiles_product(float *out, size_t out_stride, const mote_acts *acts, size_t n,
                          const mote_mat *w, const uint8_t *tile, const size_t N,
                          const enum mote_type type)
{
    for (size_t t = 0, take; t < n; t += take) {
        float *o = out + t * out_stride;
        const float *x = acts->f32 + t * acts->f32_stride;
        size_t xs = acts->f32_stride, left = n - t;
        take = left >= 12 ? 12 : left >= 8 ? 8 : left >= 6 ? 6 : left == 5 ? 3 : left;
        if (take == 12)
            block(o, out_stride, x, xs, w, tile, 12, N, type);
        else if (take == 8)
            block(o, out_stride, x, xs, w, tile, 8, N, type);
        else if (take == 6)
            block(o, out_stride, x, xs, w, tile, 6, N, type);
        else if (take == 4)
            block(o, out_stride, x, xs, w, tile, 4, N, type);
        else if (take == 3)
            block(o, out_stride, x, xs, w, tile, 3, N, type);
        else if (take == 2)
            block(o, out_stride, x, xs, w, tile, 2, N, type);
        else
            block(o, out_stride, x, xs, w, tile, 1, N, type);
    }
}

ALWAYS void product(float *out, size_t out_stride, const mote_acts *x, size_t n, const mote_mat *w,
                    size_t begin, size_t end, const enum mote_type type)
{
    size_t i = begin;
    for (; n == 1 && i + 4 <= end; i += 4, out += 64)
        block(out, out_stride, x->f32, 0, w, w->data + i * w->tile_bytes, 1, 4, type);
    for (; i + 2 <= end; i += 2, out += 32)
        tiles_product(out, out_stride, x, n, w, w->data + i * w->tile_bytes, 2, type);
    if (i < end)
        tiles_product(out, out_stride, x, n, w, w->data + i * w->tile_bytes, 1, type);
}

void mote_k_matmul_f32_avx512vnni(float *out, size_t out_stride, const mote_acts *x, size_t n,
                                  const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_F32);
}

void mote_k_matmul_f16_avx512vnni(float *out, size_t out_stride, const mote_acts *x, size_t n,
                                  const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_F16);
}

void mote_k_matmul_bf16_avx512vnni(float *out, size_t out_stride, const mote_acts *x, size_t n,
                                   const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_BF16);
}
