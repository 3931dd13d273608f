/* values_neon.c: the value step of attention for AArch64. Read ref/values_ref.c first; the bits are
 * the same.
 *
 * Pairs of registers hold 8 dimensions; values.inc says how work is cut.
 */
#include "kernels/arm/neon.h"
#include "kernels/math.h"
#include "kernels/values.h"

/* Values of 8 dimensions. */
ALWAYS void load_values(float32x4_t v[2], const job *b, size_t j, size_t d, const int kv)
{
    size_t at = j * b->dim + d;
    if (kv == KV_F32) {
        v[0] = load_floats(b->v + 4 * at);
        v[1] = load_floats(b->v + 4 * at + 16);
    } else if (kv == KV_F16) {
        float16x8_t h = vreinterpretq_f16_u8(vld1q_u8(b->v + 2 * at));
        v[0] = vcvt_f32_f16(vget_low_f16(h));
        v[1] = vcvt_high_f32_f16(h);
    } else {
        int16x8_t wide = vmovl_s8(vreinterpret_s8_u8(vld1_u8(b->v + at)));
        v[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
        v[1] = vcvtq_f32_s32(vmovl_high_s16(wide));
    }
}

/* One half-precision scale, in lane 0. */
ALWAYS float scale_at(const job *b, size_t j, size_t d)
{
    uint16_t h;
    memcpy(&h, b->scales + j * b->groups + d / 32, sizeof h);
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))), 0);
}

ALWAYS float factor(const job *b, size_t q, size_t j, size_t d, const int kv)
{
    float p = b->p[q * b->p_stride + j];
    return kv == KV_Q8 ? p * scale_at(b, j, d) : p;
}

/* Adds positions [j, end) to queries q .. q+Q-1, dimensions d .. d+8D-1 (one group of 32 for
 * q8). */
ALWAYS void add_positions(const job *b, size_t q, size_t d, size_t j, size_t end, const size_t Q,
                          const size_t D, const int kv)
{
    float32x4_t acc[4][16];
    for (size_t i = 0; i < Q; i++)
        for (size_t r = 0; r < 2 * D; r++)
            acc[i][r] = vld1q_f32(b->out + (q + i) * b->out_stride + d + 4 * r);
    for (; j < end; j++) {
        float f[4];
        for (size_t i = 0; i < Q; i++)
            f[i] = factor(b, q + i, j, d, kv);
        for (size_t r = 0; r < D; r++) {
            float32x4_t v[2];
            load_values(v, b, j, d + 8 * r, kv);
            for (size_t i = 0; i < Q; i++) {
                acc[i][2 * r] = vfmaq_n_f32(acc[i][2 * r], v[0], f[i]);
                acc[i][2 * r + 1] = vfmaq_n_f32(acc[i][2 * r + 1], v[1], f[i]);
            }
        }
    }
    for (size_t i = 0; i < Q; i++)
        for (size_t r = 0; r < 2 * D; r++)
            vst1q_f32(b->out + (q + i) * b->out_stride + d + 4 * r, acc[i][r]);
}

#include "kernels/values.inc"

VALUES_ENTRIES(neon)
