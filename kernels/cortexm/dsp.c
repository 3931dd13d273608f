/* dsp.c: products and the value step for Cortex-M with the DSP extension and an FPU (M4F, M7, M33).
 * Formulas and bits: kernels.h; layout: quant.h.
 *
 * SMLAD adds two products of 16-bit numbers to a 32-bit sum. SXTB16 takes bytes 0 and 2 of a word
 * apart, with a rotation bytes 1 and 3. Four rows of a tile, a word each per line, go side by side.
 * Activations and tiles lie at multiples of 4 bytes here.
 */
#include "kernels/cortexm/cortexm.h"
#include "kernels/math.h"

#if MOTE_DSP
#include <arm_acle.h>

#ifdef __OPTIMIZE_SIZE__
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

static inline int32_t even_bytes(uint32_t w) { return __sxtb16((int32_t)w); }

static inline int32_t odd_bytes(uint32_t w)
{
    int32_t x;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(x) : "r"(w));
    return x;
}

static inline float half_low(uint32_t two)
{
    float x;
    __asm__("vmov %0, %1\n\tvcvtb.f32.f16 %0, %0" : "=t"(x) : "r"(two));
    return x;
}

static inline float half_high(uint32_t two)
{
    float x;
    __asm__("vmov %0, %1\n\tvcvtt.f32.f16 %0, %0" : "=t"(x) : "r"(two));
    return x;
}

typedef struct four {
    int32_t a, b, c, d;
} four;

static inline int32_t add_word(int32_t sum, uint32_t w, int32_t even, int32_t odd)
{
    return __smlad(odd_bytes(w), odd, __smlad(even_bytes(w), even, sum));
}

/* One line of q8: four rows, a word each. */
static inline four add_line(four s, const uint32_t *line, uint32_t x)
{
    int32_t even = even_bytes(x), odd = odd_bytes(x);
    return (four){add_word(s.a, line[0], even, odd), add_word(s.b, line[1], even, odd),
                  add_word(s.c, line[2], even, odd), add_word(s.d, line[3], even, odd)};
}

/* acc += sum * scale * as for the four rows; two: their scales, two in a word. */
static inline void add_group(float acc[4], four s, const uint32_t *two, float as)
{
    acc[0] = mote_fma((float)s.a, half_low(two[0]) * as, acc[0]);
    acc[1] = mote_fma((float)s.b, half_high(two[0]) * as, acc[1]);
    acc[2] = mote_fma((float)s.c, half_low(two[1]) * as, acc[2]);
    acc[3] = mote_fma((float)s.d, half_high(two[1]) * as, acc[3]);
}

/* One tile times one row of activations: n whole groups, then `rest` lines (keys of heads that are
 * no multiple of 32). wide: two groups have one scale. */
static __attribute__((noinline)) void tile_q8(float *out, const uint32_t *tile, size_t front,
                                              const uint32_t *x, const float *as, size_t n,
                                              size_t rest, bool wide)
{
    for (size_t b = 0; b < 4; b++, out += 4) {
        const uint32_t *two = tile + 2 * b, *line = tile + front + 4 * b;
        float acc[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (size_t g = 0; g < n; g++) {
            four s = {0, 0, 0, 0};
            UNROLL
                for (size_t i = 0; i < 8; i++)
                    s = add_line(s, line + 16 * i, x[8 * g + i]);
            line += 8 * 16;
            add_group(acc, s, two, as[g]);
            if (g & 1 || !wide)
                two += 8;
        }
        if (rest) {
            four s = {0, 0, 0, 0};
            for (size_t i = 0; i < rest; i++, line += 16)
                s = add_line(s, line, x[8 * n + i]);
            add_group(acc, s, two, as[n]);
        }
        for (size_t r = 0; r < 4; r++)
            out[r] = acc[r];
    }
}

void mote_k_matmul_q8_dsp(float *out, size_t out_stride, const mote_acts *x, size_t n,
                          const mote_mat *w, size_t begin, size_t end)
{
    const size_t front = mote_tile_scale_bytes(MOTE_Q8, w->group, w->k) / 4;
    for (size_t t = 0; t < n; t++) {
        const uint32_t *codes = (const void *)(x->codes + t * x->code_stride);
        const uint8_t *tile = w->data + begin * w->tile_bytes;
        float *to = out + t * out_stride;
        for (size_t i = begin; i < end; i++, to += 16, tile += w->tile_bytes)
            tile_q8(to, (const void *)tile, front, codes, x->scales + t * x->group_stride,
                    w->k / 32, w->k % 32 / 4, w->group == 64);
    }
}

#if MOTE_TYPE_Q4
static const int8_t book[16] = MOTE_BOOK_LEVELS;

/* A word's levels in the order of SXTB16: nibbles are taken apart, looked up, put together. */
static inline int32_t levels(uint32_t w, unsigned shift)
{
    uint32_t low = (uint32_t)(uint16_t)book[w >> shift & 15];
    return (int32_t)(low | (uint32_t)book[w >> (shift + 16) & 15] << 16);
}

static inline int32_t sum_q4(const uint32_t *line, const uint32_t *x)
{
    int32_t sum = 0;
    for (size_t i = 0; i < 4; i++, line += 16) {
        uint32_t w = *line;
        sum = __smlad(levels(w, 0), even_bytes(x[2 * i]), sum);
        sum = __smlad(levels(w, 8), odd_bytes(x[2 * i]), sum);
        sum = __smlad(levels(w, 4), even_bytes(x[2 * i + 1]), sum);
        sum = __smlad(levels(w, 12), odd_bytes(x[2 * i + 1]), sum);
    }
    return sum;
}

void mote_k_matmul_q4_dsp(float *out, size_t out_stride, const mote_acts *x, size_t n,
                          const mote_mat *w, size_t begin, size_t end)
{
    const size_t front = mote_tile_scale_bytes(MOTE_Q4, 32, w->k) / 4;
    for (size_t tile = begin; tile < end; tile++)
        for (size_t t = 0; t < n; t++)
            for (size_t row = 0; row < 16; row++) {
                const uint8_t *data = w->data + tile * w->tile_bytes;
                const int8_t *steps = (const int8_t *)data + MOTE_LINE + row;
                const uint32_t *line = (const uint32_t *)(const void *)data + front + row;
                const uint32_t *codes = (const void *)(x->codes + t * x->code_stride);
                const float *as = x->scales + t * x->group_stride;
                float acc = 0.0f;
                for (size_t g = 0; g < w->k / 32; g++, line += 4 * 16, codes += 8)
                    acc = mote_fma((float)sum_q4(line, codes), (float)steps[16 * g] * as[g], acc);
                out[t * out_stride + 16 * (tile - begin) + row] =
                    acc * ((const float *)(const void *)data)[row];
            }
}
#endif

/* Eight dimensions of two queries that see the same positions. */
static inline __attribute__((always_inline)) void
values_8(float *out, size_t out_stride, const float *p, size_t p_stride, size_t lo, size_t hi,
         const int8_t *v, const uint16_t *scales, size_t dim, size_t groups)
{
    float a[8] = {0.0f}, b[8] = {0.0f};
    v += lo * dim;
    for (size_t j = lo; j < hi; j++, v += dim) {
        const float scale = half_low(scales[j * groups]);
        const float fa = p[j] * scale, fb = p[p_stride + j] * scale;
#pragma GCC unroll 8
        for (size_t d = 0; d < 8; d++) {
            float c = (float)v[d];
            a[d] = mote_fma(fa, c, a[d]);
            b[d] = mote_fma(fb, c, b[d]);
        }
    }
    for (size_t d = 0; d < 8; d++) {
        out[d] = a[d];
        out[out_stride + d] = b[d];
    }
}

#define VALUES_Q8 mote_k_values_q8_dsp
#include "kernels/cortexm/values_q8.inc"

/* Without a cap, by lanes: each lane's sum stays in a register. exp as in math.h, whose upper clamp
 * never applies here. */
void mote_k_softmax_dsp(float *p, size_t lo, size_t hi, float scale, float cap, float *max,
                        float *sum)
{
    float lane[16], m;
    cap = MOTE_LAYER_KINDS ? cap : 0.0f;
    if (cap > 0.0f)
        for (size_t j = lo; j < hi; j++)
            p[j] = cap * mote_tanh(p[j] * scale / cap);
    m = cap > 0.0f ? p[lo] : p[lo] * scale;
    for (size_t j = lo; j < hi; j++) {
        float s = cap > 0.0f ? p[j] : p[j] * scale;
        p[j] = s;
        m = mote_fmax(s, m);
    }
    for (size_t l = 0; l < 16; l++) {
        float acc = 0.0f;
        for (size_t j = lo + ((l - lo) & 15); j < hi; j += 16) {
            float e = mote_exp(p[j] - m);
            p[j] = e;
            acc += e;
        }
        lane[l] = acc;
    }
    for (size_t half = 8; half; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] += lane[l + half];
    *max = m;
    *sum = lane[0];
}
#endif
