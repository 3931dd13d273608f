/* matmul_blas.c: products with float weights by OpenBLAS, an optional variant for many rows. Built
 * only where OpenBLAS is found and used only on --blas: the library sums in its own order, so the
 * same-bits promise does not hold for it.
 *
 * A tile of float weights is a column-major [16, k] matrix as it lies: out [n, 16] = x [n, k] *
 * tile^T, that is C(16 x n) = tile(16 x k) * x^T(k x n) in column-major terms. Half types go
 * through a small buffer, a stretch of columns at a time.
 */
#include <cblas.h>

#include "kernels/math.h"
#include "kernels/tiers.h"

#define STRETCH 256 /* columns converted at a time: 16 KB */

static void multiply(float *out, size_t out_stride, const float *x, size_t x_stride, size_t n,
                     const float *tile, size_t k, float beta)
{
    cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, 16, (blasint)n, (blasint)k, 1.0f, tile,
                16, x, (blasint)x_stride, beta, out, (blasint)out_stride);
}

static void product(float *out, size_t out_stride, const mote_acts *x, size_t n, const mote_mat *w,
                    size_t begin, size_t end)
{
    float buffer[16 * STRETCH];
    for (size_t i = begin; i < end; i++) {
        const uint8_t *tile = w->data + i * w->tile_bytes;
        float *o = out + 16 * (i - begin);
        if (w->type == MOTE_F32) {
            multiply(o, out_stride, x->f32, x->f32_stride, n, (const float *)(const void *)tile,
                     w->k, 0.0f);
            continue;
        }
        const uint16_t *half = (const uint16_t *)(const void *)tile;
        for (size_t c = 0; c < w->k; c += STRETCH) {
            size_t len = w->k - c < STRETCH ? w->k - c : STRETCH;
            for (size_t j = 0; j < 16 * len; j++)
                buffer[j] = w->type == MOTE_F16 ? mote_f16_to_f32(half[16 * c + j])
                                                : mote_bf16_to_f32(half[16 * c + j]);
            multiply(o, out_stride, x->f32 + c, x->f32_stride, n, buffer, len, c ? 1.0f : 0.0f);
        }
    }
}

void mote_k_blas(mote_kernels *t)
{
    openblas_set_num_threads(1); /* our own threads call it */
    t->blas[MOTE_F32] = t->blas[MOTE_F16] = t->blas[MOTE_BF16] = product;
}
