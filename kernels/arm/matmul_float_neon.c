/* matmul_float_neon.c: products with f32, f16 and bf16 weights, and with keys stored as floats, for
 * AArch64. Read ref/matmul_float_ref.c first; the bits are the same.
 *
 * One step: a column of 16 rows in four registers, one activation, four fmas. A row's fmas follow
 * one another, so several chains are kept going: several tiles for one token, several tokens for
 * one tile.
 */
#include "kernels/arm/neon.h"

ALWAYS void load_column(float32x4_t w[4], const uint8_t *column, const enum mote_type type)
{
    for (size_t r = 0; r < 4; r += 2) {
        uint16x8_t h;
        if (type == MOTE_F32) {
            w[r] = load_floats(column + 16 * r);
            w[r + 1] = load_floats(column + 16 * r + 16);
            continue;
        }
        h = vreinterpretq_u16_u8(vld1q_u8(column + 8 * r));
        if (type == MOTE_F16) {
            w[r] = vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(h)));
            w[r + 1] = vcvt_high_f32_f16(vreinterpretq_f16_u16(h));
        } else { /* bf16: the upper half of a float */
            w[r] = vreinterpretq_f32_u16(vzip1q_u16(vdupq_n_u16(0), h));
            w[r + 1] = vreinterpretq_f32_u16(vzip2q_u16(vdupq_n_u16(0), h));
        }
    }
}

/* N tiles against T tokens over all columns; N*T <= 6. */
ALWAYS void block(float *out, size_t out_stride, const float *x, size_t x_stride, const mote_mat *w,
                  const uint8_t *tile, const size_t T, const size_t N, const enum mote_type type)
{
    const size_t step = type == MOTE_F32 ? 64 : 32;
    float32x4_t acc[6][4];
    UNROLL(i, N * T)
        UNROLL(r, 4)
            acc[i][r] = vdupq_n_f32(0.0f);
    for (size_t c = 0; c < w->k; c++) {
        UNROLL(i, N) {
            const uint8_t *column = tile + i * w->tile_bytes + c * step;
            float32x4_t v[4];
            if (T == 1)
                ahead(column);
            load_column(v, column, type);
            UNROLL(t, T) {
                float a = x[t * x_stride + c];
                UNROLL(r, 4)
                    acc[i * T + t][r] = vfmaq_n_f32(acc[i * T + t][r], v[r], a);
                END_STEP;
            }
        }
    }
    UNROLL(i, N)
        UNROLL(t, T)
            UNROLL(r, 4)
                vst1q_f32(out + t * out_stride + 16 * i + 4 * r, acc[i * T + t][r]);
}

#define TIER(name) name##_neon
#include "kernels/matmul_float.inc"
