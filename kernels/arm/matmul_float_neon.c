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

ALWAYS void product(float *out, size_t out_stride, const mote_acts *acts, size_t n,
                    const mote_mat *w, size_t begin, size_t end, const enum mote_type type)
{
    size_t xs = acts->f32_stride;
    for (size_t i = begin, step; i < end; i += step) {
        const uint8_t *tile = w->data + i * w->tile_bytes;
        step = n == 1 && end - i >= 4 ? 4 : n == 2 && end - i >= 2 ? 2 : 1;
        for (size_t t = 0, take; t < n; t += take) {
            float *o = out + t * out_stride + 16 * (i - begin);
            const float *x = acts->f32 + t * xs;
            size_t left = n - t;
            take = left >= 6 ? 6 : left == 5 ? 3 : left;
            if (take == 6)
                block(o, out_stride, x, xs, w, tile, 6, 1, type);
            else if (take == 4)
                block(o, out_stride, x, xs, w, tile, 4, 1, type);
            else if (take == 3)
                block(o, out_stride, x, xs, w, tile, 3, 1, type);
            else if (take == 2 && step == 2)
                block(o, out_stride, x, xs, w, tile, 2, 2, type);
            else if (take == 2)
                block(o, out_stride, x, xs, w, tile, 2, 1, type);
            else if (step == 4)
                block(o, out_stride, x, xs, w, tile, 1, 4, type);
            else
                block(o, out_stride, x, xs, w, tile, 1, 1, type);
        }
    }
}

void mote_k_matmul_f32_neon(float *out, size_t out_stride, const mote_acts *x, size_t n,
                            const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_F32);
}

void mote_k_matmul_f16_neon(float *out, size_t out_stride, const mote_acts *x, size_t n,
                            const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_F16);
}

void mote_k_matmul_bf16_neon(float *out, size_t out_stride, const mote_acts *x, size_t n,
                             const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_BF16);
}
