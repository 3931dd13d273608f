/* mve.c: the Cortex-M55's vectors (Helium): products, softmax, the value step, SiLU, quantising.
 * Formulas and bits: kernels.h; layout: quant.h.
 *
 * VMLADAVA adds 16 products of bytes to a 32-bit sum: a row's words of four lines are gathered for
 * it. Vector arithmetic flushes subnormals: equal bits as long as no f32 is subnormal on the way.
 */
#include "kernels/cortexm/cortexm.h"
#include "kernels/math.h"

#if MOTE_MVE
#include <arm_mve.h>

/* Four halves, from consecutive places. In q0, written down: binutils 2.40 encodes VCVTB wrongly
 * for other registers. */
static inline float32x4_t halves(const uint16_t *p)
{
    register uint32x4_t four __asm__("q0") = vldrhq_u32(p);
    __asm__("vcvtb.f32.f16 q0, q0" : "+w"(four));
    return vreinterpretq_f32_u32(four);
}

/* ---- products ------------------------------------------------------------------------------- */

/* 32 columns of row r of a tile: the row's words of four lines, whose places are in `lines`, and of
 * the next four. */
#define ROW_WORDS(lines, r, at) vreinterpretq_s8_u32(vldrwq_gather_base_u32(lines, 4 * (r) + (at)))
#define SUM_ROW(lines, r)                                                                          \
    vmladavaq_s8(vmladavq_s8(ROW_WORDS(lines, r, 0), x0), ROW_WORDS(lines, r, 4 * 64), x1)

/* acc += sums of four rows from r on, times their scales. */
#define ADD_ROWS(lines, r)                                                                         \
    do {                                                                                           \
        int32x4_t sum = {SUM_ROW(lines, r), SUM_ROW(lines, (r) + 1), SUM_ROW(lines, (r) + 2),      \
                         SUM_ROW(lines, (r) + 3)};                                                 \
        acc[(r) / 4] =                                                                             \
            vfmaq_f32(acc[(r) / 4], vcvtq_f32_s32(sum), vmulq_n_f32(halves(scale + (r)), as[g]));  \
    } while (0)

static __attribute__((noinline)) void tile_q8(float *out, const mote_mat *w, const uint8_t *tile,
                                              const int8_t *codes, const float *as)
{
    const uint8_t *line = tile + mote_tile_scale_bytes(MOTE_Q8, w->group, w->k);
    uint32x4_t lines =
        vaddq_n_u32(vmulq_n_u32(vidupq_n_u32(0, 1), MOTE_LINE), (uint32_t)(uintptr_t)line);
    const uint16_t *scale = (const void *)tile;
    float32x4_t acc[4] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f),
                          vdupq_n_f32(0.0f)};
    for (size_t g = 0; g < w->k / 32; g++) {
        int8x16_t x0 = vldrbq_s8(codes + 32 * g), x1 = vldrbq_s8(codes + 32 * g + 16);
        ADD_ROWS(lines, 0);
        ADD_ROWS(lines, 4);
        ADD_ROWS(lines, 8);
        ADD_ROWS(lines, 12);
        lines = vaddq_n_u32(lines, 8 * MOTE_LINE);
        if (g & 1 || w->group == 32)
            scale += 16;
    }
    for (size_t b = 0; b < 4; b++)
        vst1q_f32(out + 4 * b, acc[b]);
}

#define SUM_SHORT(r) vmladavq_s8(ROW_WORDS(lines, r, 0), x0)
#define SUM_BOTH(r) vmladavaq_s8(SUM_SHORT(r), ROW_WORDS(behind, r, 0), x1)
#define SHORT_ROWS(sum_of, r)                                                                      \
    do {                                                                                           \
        int32x4_t sum = {sum_of(r), sum_of((r) + 1), sum_of((r) + 2), sum_of((r) + 3)};            \
        vst1q_f32(out + (r), vfmaq_f32(vdupq_n_f32(0.0f), vcvtq_f32_s32(sum),                      \
                                       vmulq_n_f32(halves(scale + (r)), as)));                     \
    } while (0)

/* Less than 32 columns: keys of small heads. Lines that are none are taken for the first one:
 * activations are zeros there. */
static __attribute__((noinline)) void tile_short(float *out, const mote_mat *w, const uint8_t *tile,
                                                 const int8_t *codes, float as)
{
    const uint32_t line = (uint32_t)(uintptr_t)tile + 32, n = (uint32_t)w->k / 4;
    const uint32x4_t place = vmulq_n_u32(vidupq_n_u32(0, 1), MOTE_LINE), first = vdupq_n_u32(line);
    const uint32x4_t lines = vpselq_u32(vaddq_n_u32(place, line), first, vctp32q(n));
    const int8x16_t x0 = vldrbq_s8(codes);
    const uint16_t *scale = (const void *)tile;
    if (n <= 4) {
        SHORT_ROWS(SUM_SHORT, 0);
        SHORT_ROWS(SUM_SHORT, 4);
        SHORT_ROWS(SUM_SHORT, 8);
        SHORT_ROWS(SUM_SHORT, 12);
    } else {
        const uint32x4_t behind =
            vpselq_u32(vaddq_n_u32(place, line + 4 * MOTE_LINE), first, vctp32q(n - 4));
        const int8x16_t x1 = vldrbq_s8(codes + 16);
        SHORT_ROWS(SUM_BOTH, 0);
        SHORT_ROWS(SUM_BOTH, 4);
        SHORT_ROWS(SUM_BOTH, 8);
        SHORT_ROWS(SUM_BOTH, 12);
    }
}

void mote_k_matmul_q8_mve(float *out, size_t out_stride, const mote_acts *x, size_t n,
                          const mote_mat *w, size_t begin, size_t end)
{
    if (w->k > 32 && w->k % 32) { /* keys of heads that fill no groups */
        mote_k_matmul_q8_ref(out, out_stride, x, n, w, begin, end);
        return;
    }
    for (size_t t = 0; t < n; t++)
        for (size_t i = begin; i < end; i++) {
            float *to = out + t * out_stride + 16 * (i - begin);
            const uint8_t *tile = w->data + i * w->tile_bytes;
            if (w->k < 32)
                tile_short(to, w, tile, x->codes + t * x->code_stride,
                           x->scales[t * x->group_stride]);
            else
                tile_q8(to, w, tile, x->codes + t * x->code_stride,
                        x->scales + t * x->group_stride);
        }
}

#if MOTE_TYPE_Q4
/* The levels of a row's four words, a table look-up by gathering bytes. */
static const int8_t book[16] = MOTE_BOOK_LEVELS;

static inline int32_t sum_row_q4(const uint8_t *row, int8x16_t low, int8x16_t high,
                                 uint32x4_t lines)
{
    const uint32_t *first = (const void *)row;
    uint8x16_t w = vreinterpretq_u8_u32(vldrwq_gather_offset_u32(first, lines));
    int8x16_t a = vldrbq_gather_offset_s8(book, vandq_u8(w, vdupq_n_u8(15)));
    int8x16_t b = vldrbq_gather_offset_s8(book, vshrq_n_u8(w, 4));
    return vmladavaq_s8(vmladavq_s8(a, low), b, high);
}

static void tile_q4(float *out, const mote_mat *w, const uint8_t *tile, const int8_t *codes,
                    const float *as)
{
    const uint8_t *line = tile + mote_tile_scale_bytes(MOTE_Q4, 32, w->k);
    const int8_t *step = (const int8_t *)tile + MOTE_LINE;
    const uint32x4_t lines = vmulq_n_u32(vidupq_n_u32(0, 1), MOTE_LINE);
    const uint32x4_t words = vmulq_n_u32(vidupq_n_u32(0, 1), 8); /* of 8 columns: the first 4 */
    float32x4_t acc[4] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f),
                          vdupq_n_f32(0.0f)};
    for (size_t g = 0; g < w->k / 32; g++, line += 4 * MOTE_LINE, step += 16, codes += 32) {
        const uint32_t *x = (const void *)codes;
        int8x16_t low = vreinterpretq_s8_u32(vldrwq_gather_offset_u32(x, words));
        int8x16_t high = vreinterpretq_s8_u32(vldrwq_gather_offset_u32(x + 1, words));
#pragma GCC unroll 4
        for (size_t b = 0; b < 4; b++) {
            const uint8_t *row = line + 16 * b;
            int32x4_t sum = {
                sum_row_q4(row, low, high, lines), sum_row_q4(row + 4, low, high, lines),
                sum_row_q4(row + 8, low, high, lines), sum_row_q4(row + 12, low, high, lines)};
            float32x4_t scale = vmulq_n_f32(vcvtq_f32_s32(vldrbq_s32(step + 4 * b)), as[g]);
            acc[b] = vfmaq_f32(acc[b], vcvtq_f32_s32(sum), scale);
        }
    }
    for (size_t b = 0; b < 4; b++)
        vst1q_f32(out + 4 * b,
                  vmulq_f32(acc[b], vld1q_f32((const float *)(const void *)tile + 4 * b)));
}

void mote_k_matmul_q4_mve(float *out, size_t out_stride, const mote_acts *x, size_t n,
                          const mote_mat *w, size_t begin, size_t end)
{
    for (size_t t = 0; t < n; t++)
        for (size_t i = begin; i < end; i++)
            tile_q4(out + t * out_stride + 16 * (i - begin), w, w->data + i * w->tile_bytes,
                    x->codes + t * x->code_stride, x->scales + t * x->group_stride);
}
#endif

/* ---- exp: mote_exp (math.h), four at a time ------------------------------------------------- */

static inline float32x4_t exp4(float32x4_t x)
{
    float32x4_t c = vminnmq_f32(x, vdupq_n_f32(88.0f));
    c = vmaxnmq_f32(c, vdupq_n_f32(-80.0f));
    float32x4_t t = vaddq_n_f32(vmulq_n_f32(c, 0x1.715476p+0f), MOTE_RNE_MAGIC);
    float32x4_t n = vsubq_n_f32(t, MOTE_RNE_MAGIC);
    float32x4_t r = vfmaq_n_f32(c, n, -0x1.62e43p-1f);
    r = vfmaq_n_f32(r, n, 0x1.05c61p-29f);
    float32x4_t q = vfmasq_n_f32(vdupq_n_f32(0.00139505411709f), r, 0.00836891778738f);
    q = vfmasq_n_f32(q, r, 0.041666205054f);
    q = vfmasq_n_f32(q, r, 0.166665186035f);
    q = vfmasq_n_f32(q, r, 0.500000009542f);
    float32x4_t y = vaddq_n_f32(vfmaq_f32(r, q, vmulq_f32(r, r)), 1.0f);
    int32x4_t power = vaddq_n_s32(vshlq_n_s32(vreinterpretq_s32_f32(t), 23), 127 << 23);
    y = vmulq_f32(y, vreinterpretq_f32_s32(power));
    return vpselq_f32(vdupq_n_f32(0.0f), y, vcmpltq_n_f32(x, -80.0f));
}

/* Whole groups of 16 positions; the ends go one by one. */
void mote_k_softmax_mve(float *p, size_t lo, size_t hi, float scale, float cap, float *max,
                        float *sum)
{
    float lane[16] = {0.0f}, m;
    size_t body = (lo + 15) / 16 * 16, tail = hi / 16 * 16;
    if (MOTE_LAYER_KINDS && cap > 0.0f) {
        for (size_t j = lo; j < hi; j++)
            p[j] = cap * mote_tanh(p[j] * scale / cap);
        scale = 1.0f;
    }
    float32x4_t top = vdupq_n_f32(-__builtin_inff());
    for (size_t j = lo; j < hi; j += 4) {
        mve_pred16_t some = vctp32q((uint32_t)(hi - j));
        float32x4_t s = vmulq_n_f32(vldrwq_z_f32(p + j, some), scale);
        vstrwq_p_f32(p + j, s, some);
        top = vmaxnmq_m_f32(top, top, s, some);
    }
    m = vmaxnmvq_f32(-__builtin_inff(), top);
    for (size_t j = lo; j < hi && j < body; j++)
        lane[j % 16] += p[j] = mote_exp(p[j] - m);
    for (size_t j = body; j < tail; j += 4) {
        float32x4_t y = exp4(vsubq_n_f32(vld1q_f32(p + j), m));
        vst1q_f32(p + j, y);
        vst1q_f32(lane + j % 16, vaddq_f32(vld1q_f32(lane + j % 16), y));
    }
    for (size_t j = tail > body ? tail : body; j < hi; j++)
        lane[j % 16] += p[j] = mote_exp(p[j] - m);
    float32x4_t four = vaddq_f32(vaddq_f32(vld1q_f32(lane), vld1q_f32(lane + 8)),
                                 vaddq_f32(vld1q_f32(lane + 4), vld1q_f32(lane + 12)));
    *max = m;
    *sum = (four[0] + four[2]) + (four[1] + four[3]); /* as rows.inc folds */
}

/* silu(x) = x / (1 + exp(-x)): the vectors have no division. */
void mote_k_silu_mul_mve(float *y, const float *gate, const float *up, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        float32x4_t x = vld1q_f32(gate + i), d = vaddq_n_f32(exp4(vnegq_f32(x)), 1.0f);
        float32x4_t s = {x[0] / d[0], x[1] / d[1], x[2] / d[2], x[3] / d[3]};
        vst1q_f32(y + i, vmulq_f32(s, vld1q_f32(up + i)));
    }
    for (; i < n; i++)
        y[i] = mote_silu(gate[i]) * up[i];
}

/* ---- the value step ------------------------------------------------------------------------- */

/* Eight dimensions of two queries that see the same positions. */
static inline __attribute__((always_inline)) void
values_8(float *out, size_t out_stride, const float *p, size_t p_stride, size_t lo, size_t hi,
         const int8_t *v, const uint16_t *scales, size_t dim, size_t groups)
{
    float32x4_t a0 = vdupq_n_f32(0.0f), a1 = a0, b0 = a0, b1 = a0;
    v += lo * dim;
    for (size_t j = lo; j < hi; j++, v += dim) {
        float scale;
        __asm__("vmov %0, %1\n\tvcvtb.f32.f16 %0, %0" : "=t"(scale) : "r"(scales[j * groups]));
        const float fa = p[j] * scale, fb = p[p_stride + j] * scale;
        float32x4_t c0 = vcvtq_f32_s32(vldrbq_s32(v)), c1 = vcvtq_f32_s32(vldrbq_s32(v + 4));
        a0 = vfmaq_n_f32(a0, c0, fa);
        a1 = vfmaq_n_f32(a1, c1, fa);
        b0 = vfmaq_n_f32(b0, c0, fb);
        b1 = vfmaq_n_f32(b1, c1, fb);
    }
    vst1q_f32(out, a0);
    vst1q_f32(out + 4, a1);
    vst1q_f32(out + out_stride, b0);
    vst1q_f32(out + out_stride + 4, b1);
}

#define VALUES_Q8 mote_k_values_q8_mve
#include "kernels/cortexm/values_q8.inc"

/* ---- activations ---------------------------------------------------------------------------- */

/* A group: n <= 32 numbers, zeros behind them; its codes' sum. */
static int32_t quantize_group(int8_t *codes, float *scale, const float *x, size_t n)
{
    uint32x4_t top = vdupq_n_u32(0), mask = vdupq_n_u32(0x7fffffffu);
    int32_t sum = 0;
    size_t i = 0;
    for (; i < n; i += 4) {
        float32x4_t v = vldrwq_z_f32(x + i, vctp32q((uint32_t)(n - i)));
        top = vmaxq_u32(top, vandq_u32(vreinterpretq_u32_f32(v), mask));
    }
    uint32_t amax = vmaxvq_u32(0, top);
    *scale = amax >= 0x7f800000u ? bits_float(0x7fc00000u) : 0.0f;
    if (amax >= 0x7f800000u || bits_float(amax) < 0x1p-100f)
        n = 0;
    const float factor = n ? 127.0f / bits_float(amax) : 0.0f;
    if (n)
        *scale = bits_float(amax) / 127.0f;
    for (i = 0; i < n; i += 4) {
        float32x4_t v = vldrwq_z_f32(x + i, vctp32q((uint32_t)(n - i)));
        float32x4_t t = vaddq_n_f32(vmulq_n_f32(v, factor), MOTE_RNE_MAGIC);
        int32x4_t code = vsubq_n_s32(vreinterpretq_s32_f32(t), (int32_t)0x4b400000);
        vstrbq_s32(codes + i, code);
        if (MOTE_TYPES_GGUF) /* nobody else reads it */
            sum = vaddvaq_s32(sum, code);
    }
    for (; i < 32; i += 4)
        vstrbq_s32(codes + i, vdupq_n_s32(0));
    return sum;
}

void mote_k_quantize_mve(int8_t *codes, float *scales, int32_t *sums, const float *x, size_t n)
{
    const size_t n_codes = mote_round_up(n, 64);
    for (size_t at = 0; at < n_codes; at += 32) {
        size_t left = at < n ? n - at : 0;
        sums[at / 32] = quantize_group(codes + at, &scales[at / 32], x + at, left < 32 ? left : 32);
    }
}
#endif
