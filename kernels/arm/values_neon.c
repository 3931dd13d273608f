/* values_neon.c: the value step of attention for AArch64. Read ref/values_ref.c first; the bits are
 * the same.
 *
 * Q queries share every value that is loaded; D pairs of registers of 8 dimensions each. Queries of
 * one chunk see different ranges of positions, so a range runs in three parts, all ascending: each
 * query's own beginning, the part all Q see, each query's own end. Sums wait in `out` between the
 * parts.
 */
#include "kernels/arm/neon.h"
#include "kernels/math.h"

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

/* One range for Q queries over all dimensions; 8D at a time. */
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

void mote_k_values_f32_neon(float *out, size_t out_stride, const float *p, size_t p_stride,
                            const uint16_t *lo, const uint16_t *hi, size_t n, const void *v,
                            const uint16_t *v_scales, size_t dim)
{
    job b = {out, out_stride, p, p_stride, v, v_scales, dim, 0};
    values(&b, lo, hi, n, KV_F32);
}

void mote_k_values_f16_neon(float *out, size_t out_stride, const float *p, size_t p_stride,
                            const uint16_t *lo, const uint16_t *hi, size_t n, const void *v,
                            const uint16_t *v_scales, size_t dim)
{
    job b = {out, out_stride, p, p_stride, v, v_scales, dim, 0};
    values(&b, lo, hi, n, KV_F16);
}

void mote_k_values_q8_neon(float *out, size_t out_stride, const float *p, size_t p_stride,
                           const uint16_t *lo, const uint16_t *hi, size_t n, const void *v,
                           const uint16_t *v_scales, size_t dim)
{
    job b = {out, out_stride, p, p_stride, v, v_scales, dim, (dim + 31) / 32};
    values(&b, lo, hi, n, KV_Q8);
}
