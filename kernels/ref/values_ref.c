/* values_ref.c: the value step of attention, the definition:
 *   out[i][d] = sum over j in [lo, hi) of p[i][j] * v[j][d],  one fma per position, ascending.
 * With int8 values the factor is p * scale of (position, 32 dimensions), rounded once.
 */
#include "kernels/math.h"
#include "kernels/tiers.h"

void mote_k_values_f32_ref(float *out, size_t out_stride, const float *p, size_t p_stride,
                           const uint16_t *lo, const uint16_t *hi, size_t n, const void *v,
                           const uint16_t *v_scales, size_t dim)
{
    const float *vf = v;
    (void)v_scales;
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < dim; d++) {
            float acc = 0.0f;
            for (size_t j = lo[i]; j < hi[i]; j++)
                acc = mote_fma(p[i * p_stride + j], vf[j * dim + d], acc);
            out[i * out_stride + d] = acc;
        }
}

void mote_k_values_f16_ref(float *out, size_t out_stride, const float *p, size_t p_stride,
                           const uint16_t *lo, const uint16_t *hi, size_t n, const void *v,
                           const uint16_t *v_scales, size_t dim)
{
    const uint16_t *vh = v;
    (void)v_scales;
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < dim; d++) {
            float acc = 0.0f;
            for (size_t j = lo[i]; j < hi[i]; j++)
                acc = mote_fma(p[i * p_stride + j], mote_f16_to_f32(vh[j * dim + d]), acc);
            out[i * out_stride + d] = acc;
        }
}

void mote_k_values_q8_ref(float *out, size_t out_stride, const float *p, size_t p_stride,
                          const uint16_t *lo, const uint16_t *hi, size_t n, const void *v,
                          const uint16_t *v_scales, size_t dim)
{
    const int8_t *vc = v;
    size_t groups = (dim + 31) / 32;
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < dim; d++) {
            float acc = 0.0f;
            for (size_t j = lo[i]; j < hi[i]; j++) {
                float f = p[i * p_stride + j] * mote_f16_to_f32(v_scales[j * groups + d / 32]);
                acc = mote_fma(f, (float)vc[j * dim + d], acc);
            }
            out[i * out_stride + d] = acc;
        }
}
