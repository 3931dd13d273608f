/* matmul_float_ref.c: products with float weights, the definition. One fma per column, ascending,
 * per row, from +0. Read quant.h for the tile layout; the SIMD twins are in x86/ and arm/.
 */
#include "kernels/math.h"
#include "kernels/tiers.h"

static inline float weight(const uint8_t *line, size_t row, enum mote_type type)
{
    if (type == MOTE_F32)
        return ((const float *)(const void *)line)[row];
    uint16_t h = ((const uint16_t *)(const void *)line)[row];
    return type == MOTE_F16 ? mote_f16_to_f32(h) : mote_bf16_to_f32(h);
}

/* One tile times one row of activations: acc[16]. */
static inline void tile_product(float acc[16], const uint8_t *tile, const float *x, size_t k,
                                enum mote_type type)
{
    size_t step = type == MOTE_F32 ? 64 : 32;
    for (size_t row = 0; row < 16; row++)
        acc[row] = 0.0f;
    for (size_t c = 0; c < k; c++)
        for (size_t row = 0; row < 16; row++)
            acc[row] = mote_fma(weight(tile + c * step, row, type), x[c], acc[row]);
}

static inline void product(float *out, size_t out_stride, const mote_acts *x, size_t n,
                           const mote_mat *w, size_t begin, size_t end, enum mote_type type)
{
    for (size_t tile = begin; tile < end; tile++)
        for (size_t t = 0; t < n; t++)
            tile_product(out + t * out_stride + 16 * (tile - begin), w->data + tile * w->tile_bytes,
                         x->f32 + t * x->f32_stride, w->k, type);
}

void mote_k_matmul_f32_ref(float *out, size_t out_stride, const mote_acts *x, size_t n,
                           const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_F32);
}

void mote_k_matmul_f16_ref(float *out, size_t out_stride, const mote_acts *x, size_t n,
                           const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_F16);
}

void mote_k_matmul_bf16_ref(float *out, size_t out_stride, const mote_acts *x, size_t n,
                            const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_BF16);
}
