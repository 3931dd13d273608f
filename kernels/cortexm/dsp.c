/* dsp.c: products and the value step for Cortex-M with the DSP extension and an FPU (M4F, M7, M33).
 * Formulas and bits: kernels.h; layout: quant.h.
 *
 * SMLAD adds two products of 16-bit numbers to a 32-bit sum. SXTB16 takes bytes 0 and 2 of a word
 * apart, with a rotation bytes 1 and 3; activations are taken apart once for all rows. Four rows of
 * a tile go side by side. Written as instructions where the compiler's choice of registers costs a
 * tenth. Activations and tiles lie at multiples of 4 bytes here, tiles at multiples of 8.
 */
#include "kernels/cortexm/cortexm.h"
#include "kernels/math.h"

#if MOTE_DSP
#include <arm_acle.h>

static inline int32_t even_bytes(uint32_t w) { return __sxtb16((int32_t)w); }

static inline int32_t odd_bytes(uint32_t w)
{
    int32_t x;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(x) : "r"(w));
    return x;
}

/* Four activations, taken apart. */
typedef struct pairs {
    int32_t even, odd;
} __attribute__((aligned(8))) pairs;

static inline void widen(pairs *to, const uint32_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (pairs){even_bytes(x[i]), odd_bytes(x[i])};
}

typedef struct four {
    int32_t a, b, c, d;
} four;

/* Two rows of a line, words %[v] and %[w], times the activations %[e] and %[o]. */
#define ADD_TWO(a, b)                                                                              \
    "sxtb16 %[t], %[v], ror #8\n\tsxtb16 %[v], %[v]\n\t"                                           \
    "smlad %[" a "], %[v], %[e], %[" a "]\n\tsmlad %[" a "], %[t], %[o], %[" a "]\n\t"             \
    "sxtb16 %[t], %[w], ror #8\n\tsxtb16 %[w], %[w]\n\t"                                           \
    "smlad %[" b "], %[w], %[e], %[" b "]\n\tsmlad %[" b "], %[t], %[o], %[" b "]\n\t"

/* n lines of q8, a word of each of four rows. */
static inline four sum_lines(const uint8_t *line, const pairs *x, size_t n)
{
    four s = {0, 0, 0, 0};
    int32_t e, o, v, w, t;
    for (; n; n--)
        __asm__ volatile("ldrd %[e], %[o], [%[x]], #8\n\t"
                "ldrd %[v], %[w], [%[line]]\n\t" ADD_TWO("a", "b")
                "ldrd %[v], %[w], [%[line], #8]\n\t" ADD_TWO("c", "d")
                "add %[line], #64"
                : [a] "+r"(s.a), [b] "+r"(s.b), [c] "+r"(s.c), [d] "+r"(s.d), [line] "+r"(line),
                  [x] "+r"(x), [e] "=&r"(e), [o] "=&r"(o), [v] "=&r"(v), [w] "=&r"(w),
                  [t] "=&r"(t)
                :
                : "memory", "cc");
    return s;
}

#ifdef __OPTIMIZE_SIZE__
#define SUM_GROUP(line, x) sum_lines(line, x, 8)
#else
#define SUM_GROUP(line, x) sum_group(line, x)
#define FIRST_TWO(a, b)                                                                            \
    "sxtb16 %[t], %[v], ror #8\n\tsxtb16 %[v], %[v]\n\t"                                           \
    "smuad %[" a "], %[v], %[e]\n\tsmlad %[" a "], %[t], %[o], %[" a "]\n\t"                       \
    "sxtb16 %[t], %[w], ror #8\n\tsxtb16 %[w], %[w]\n\t"                                           \
    "smuad %[" b "], %[w], %[e]\n\tsmlad %[" b "], %[t], %[o], %[" b "]\n\t"
#define LINE(i, two)                                                                               \
    "ldrd %[e], %[o], [%[x], #8*" #i "]\n\t"                                                       \
    "ldrd %[v], %[w], [%[line], #64*" #i "]\n\t" two("a", "b")                                     \
    "ldrd %[v], %[w], [%[line], #64*" #i "+8]\n\t" two("c", "d")

/* The eight lines of a group at once. */
static inline four sum_group(const uint8_t *line, const pairs *x)
{
    four s;
    int32_t e, o, v, w, t;
    __asm__ volatile(LINE(0, FIRST_TWO) LINE(1, ADD_TWO) LINE(2, ADD_TWO) LINE(3, ADD_TWO)
            LINE(4, ADD_TWO) LINE(5, ADD_TWO) LINE(6, ADD_TWO) LINE(7, ADD_TWO)
            : [a] "=&r"(s.a), [b] "=&r"(s.b), [c] "=&r"(s.c), [d] "=&r"(s.d), [e] "=&r"(e),
              [o] "=&r"(o), [v] "=&r"(v), [w] "=&r"(w), [t] "=&r"(t)
            : [line] "r"(line), [x] "r"(x)
            : "memory");
    return s;
}
#endif

/* to[r] = from[r] + s[r] * (scale[r] * as) for four rows; the scales are halves. */
static inline float *add_sums(float *to, const float *from, four s, const uint8_t *scales, float as)
{
    __asm__ volatile("vldr d0, [%[scales]]\n\t"
            "vldmia %[from], {s8-s11}\n\t"
            "vcvtb.f32.f16 s4, s0\n\tvcvtt.f32.f16 s5, s0\n\t"
            "vcvtb.f32.f16 s6, s1\n\tvcvtt.f32.f16 s7, s1\n\t"
            "vmov s0, s1, %[a], %[b]\n\tvmov s2, s3, %[c], %[d]\n\t"
            "vmul.f32 s4, s4, %[as]\n\tvmul.f32 s5, s5, %[as]\n\t"
            "vmul.f32 s6, s6, %[as]\n\tvmul.f32 s7, s7, %[as]\n\t"
            "vcvt.f32.s32 s0, s0\n\tvcvt.f32.s32 s1, s1\n\t"
            "vcvt.f32.s32 s2, s2\n\tvcvt.f32.s32 s3, s3\n\t"
            "vfma.f32 s8, s0, s4\n\tvfma.f32 s9, s1, s5\n\t"
            "vfma.f32 s10, s2, s6\n\tvfma.f32 s11, s3, s7\n\t"
            "vstmia %[to]!, {s8-s11}"
            : [to] "+r"(to)
            : [from] "r"(from), [a] "r"(s.a), [b] "r"(s.b), [c] "r"(s.c), [d] "r"(s.d), [scales] "r"(scales),
              [as] "t"(as)
            : "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11");
    return to;
}

/* One group of columns, or the n < 8 lines that the keys of some heads end with, for all rows. */
static void add_group(float *out, bool first, const uint8_t *scales, const uint8_t *lines, size_t tile_bytes,
                      size_t n_tiles, const pairs *x, size_t n, float as)
{
    static const float zeros[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    const float *from = first ? zeros : out;
    const size_t step = first ? 0 : 4;
    for (; n_tiles; n_tiles--, scales += tile_bytes - 32, lines += tile_bytes - 64)
        for (const uint8_t *end = lines + 64; lines < end; lines += 16, scales += 8, from += step)
            out = add_sums(out, from, n == 8 ? SUM_GROUP(lines, x) : sum_lines(lines, x, n), scales,
                           as);
}

void mote_k_matmul_q8_dsp(float *out, size_t out_stride, const mote_acts *x, size_t n,
                          const mote_mat *w, size_t begin, size_t end)
{
    const size_t front = mote_tile_scale_bytes(MOTE_Q8, w->group, w->k), bytes = w->tile_bytes;
    const uint8_t *tiles = w->data + begin * bytes;
    const unsigned shift = w->group == 64;
    pairs wide[8];
    for (size_t t = 0; t < n; t++, out += out_stride) {
        const uint32_t *codes = (const void *)(x->codes + t * x->code_stride);
        const float *as = x->scales + t * x->group_stride;
        for (size_t g = 0; 32 * g < w->k; g++, codes += 8) {
            size_t lines = (w->k - 32 * g) / 4;
            lines = lines < 8 ? lines : 8;
            widen(wide, codes, lines);
            add_group(out, g == 0, tiles + 32 * (g >> shift), tiles + front + 512 * g, bytes, end - begin,
                      wide, lines, as[g]);
        }
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

static inline float half_low(uint32_t two)
{
    float x;
    __asm__("vmov %0, %1\n\tvcvtb.f32.f16 %0, %0" : "=t"(x) : "r"(two));
    return x;
}

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

/* ---- exp ------------------------------------------------------------------------------------ */

static __attribute__((noinline)) float any_exp(float x) { return mote_exp(x); }

/* mote_exp (math.h). Where the power of two is well inside the range, the clamps do nothing and the
 * exponent is added to the bits; elsewhere that function. The coefficients come by one instruction
 * since each step of the polynomial consumes its own. */
static inline __attribute__((always_inline)) float exp_of(float x)
{
    static const float steps[] = {0.00836891778738f, 0.041666205054f, 0.166665186035f,
                                  0.500000009542f};
    register float a __asm__("s0"), b __asm__("s1"), c __asm__("s2"), d __asm__("s3");
    float t = x * 0x1.715476p+0f + MOTE_RNE_MAGIC;
    float n = t - MOTE_RNE_MAGIC;
    float r = mote_fma(n, 0x1.05c61p-29f, mote_fma(n, -0x1.62e43p-1f, x));
    uint32_t power = float_bits(t);
    if (__builtin_expect(power + 114 - float_bits(MOTE_RNE_MAGIC) > 240, 0))
        return any_exp(x);
    __asm__("vldmia %4, {s0-s3}" : "=t"(a), "=t"(b), "=t"(c), "=t"(d) : "r"(steps), "m"(steps));
    a = mote_fma(0.00139505411709f, r, a);
    b = mote_fma(a, r, b);
    c = mote_fma(b, r, c);
    d = mote_fma(c, r, d);
    return bits_float(float_bits(mote_fma(d, r * r, r) + 1.0f) + (power << 23));
}

void mote_k_silu_mul_dsp(float *y, const float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = gate[i] / (1.0f + exp_of(-gate[i])) * up[i];
}

/* Sixteen positions, a lane's each. */
static void add_exps(float *p, float scale, float m, float lane[16])
{
    for (size_t l = 0; l < 16; l++) {
        float e = exp_of(p[l] * scale - m);
        p[l] = e;
        lane[l] += e;
    }
}

/* The largest of a row times a scale > 0 is the largest times it. */
void mote_k_softmax_dsp(float *p, size_t lo, size_t hi, float scale, float cap, float *max,
                        float *sum)
{
    float lane[16] = {0.0f}, m = p[lo];
    size_t j = lo;
    if (MOTE_LAYER_KINDS && cap > 0.0f)
        for (; j < hi; j++)
            p[j] = cap * mote_tanh(p[j] * scale / cap);
    else if (!(scale > 0.0f))
        for (; j < hi; j++)
            p[j] *= scale;
    if (j == hi)
        scale = 1.0f;
    for (j = lo; j < hi; j++)
        if (__builtin_expect(p[j] > m, 0))
            m = p[j];
    m *= scale;
    for (j = lo; j < hi && j % 16; j++)
        lane[j % 16] += p[j] = any_exp(p[j] * scale - m);
    for (; j + 16 <= hi; j += 16)
        add_exps(p + j, scale, m, lane);
    for (; j < hi; j++)
        lane[j % 16] += p[j] = any_exp(p[j] * scale - m);
    for (size_t half = 8; half; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] += lane[l + half];
    *max = m;
    *sum = lane[0];
}

/* ---- activations ---------------------------------------------------------------------------- */

/* A group of 32: its codes, four in a word. */
static int32_t quantize_group(uint32_t *codes, float *scale, const float *x)
{
    uint32_t top = 0;
    int32_t sum = 0;
    for (size_t i = 0; i < 32; i++) {
        uint32_t u = float_bits(x[i]) << 1;
        top = u > top ? u : top;
    }
    const float amax = bits_float(top >> 1);
    *scale = top >= 0xff000000u ? bits_float(0x7fc00000u) : 0.0f;
    if (top >= 0xff000000u || amax < 0x1p-100f) {
        for (size_t i = 0; i < 8; i++)
            codes[i] = 0;
        return 0;
    }
    *scale = amax / 127.0f;
    const float factor = 127.0f / amax;
    for (size_t i = 0; i < 8; i++, x += 4) {
        uint32_t w = float_bits(x[0] * factor + MOTE_RNE_MAGIC);
        uint32_t b = float_bits(x[1] * factor + MOTE_RNE_MAGIC);
        uint32_t c = float_bits(x[2] * factor + MOTE_RNE_MAGIC);
        uint32_t d = float_bits(x[3] * factor + MOTE_RNE_MAGIC);
        __asm__("bfi %0, %1, #8, #8\n\tbfi %0, %2, #16, #8\n\tbfi %0, %3, #24, #8"
                : "+r"(w)
                : "r"(b), "r"(c), "r"(d));
        codes[i] = w;
        sum = __smlad(even_bytes(w), 0x10001, __smlad(odd_bytes(w), 0x10001, sum));
    }
    return sum;
}

void mote_k_quantize_dsp(int8_t *codes, float *scales, int32_t *sums, const float *x, size_t n)
{
    const size_t n_codes = mote_round_up(n, 64);
    float last[32];
    for (size_t at = 0; at < n_codes; at += 32, x += 32, codes += 32) {
        const float *from = x;
        if (at >= n) {
            memset(codes, 0, 32);
            *scales++ = 0.0f;
            *sums++ = 0;
            continue;
        }
        if (at + 32 > n) {
            memset(last, 0, sizeof last);
            memcpy(last, x, (n - at) * sizeof *last);
            from = last;
        }
        *sums++ = quantize_group((uint32_t *)(void *)codes, scales++, from);
    }
}
#endif
