/* dsp_rows.c: what works along rows on Cortex-M with an FPU (M4F, M7, M33): exponentials for
 * softmax and SiLU, quantising. Formulas and bits: math.h, rows.inc. A build for size has those.
 * Written as instructions where two numbers can move between the register files at once.
 */
#include "kernels/cortexm/cortexm.h"
#include "kernels/math.h"

#if MOTE_DSP && !defined(__OPTIMIZE_SIZE__)
#include <arm_acle.h>

/* ---- exp ------------------------------------------------------------------------------------ */

static __attribute__((noinline)) float any_exp(float x) { return mote_exp(x); }

/* mote_exp (math.h). Where the power of two is well inside the range, the clamps do nothing and the
 * exponent is added to the bits; elsewhere that function. The coefficients come by one instruction
 * since each step of the polynomial consumes its own. */
static const float steps[] = {0.00836891778738f, 0.041666205054f, 0.166665186035f, 0.500000009542f};

static inline __attribute__((always_inline)) float exp_of(float x)
{
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

/* exp_of for four numbers side by side: x in s4-s7, scaled; powers, negated, into the registers u0
 * to u3; coefficients in s16-s31, the step's before the next step's. */
#define SCALED(x, t)                                                                               \
    "vmul.f32 " x ", " x ", %[scale]\n\tvsub.f32 " x ", " x ", %[m]\n\t"                           \
    "vmul.f32 " t ", " x ", %[log2e]\n\tvadd.f32 " t ", " t ", %[magic]\n\t"
#define REDUCED(x, t)                                                                              \
    "vsub.f32 " t ", " t ", %[magic]\n\t"                                                          \
    "vfma.f32 " x ", " t ", %[high]\n\tvfma.f32 " x ", " t ", %[low]\n\t"                          \
    "vmul.f32 " t ", " x ", " x "\n\t"
#define POLYNOMIAL(x, t, a, b, c, d)                                                               \
    "vfma.f32 " a ", " x ", %[last]\n\tvfma.f32 " b ", " x ", " a "\n\t"                           \
    "vfma.f32 " c ", " x ", " b "\n\tvfma.f32 " d ", " x ", " c "\n\t"                             \
    "vfma.f32 " x ", " d ", " t "\n\tvadd.f32 " x ", " x ", %[one]\n\t"

static __attribute__((noinline)) uint32_t largest_of_4(uint32_t a, uint32_t b, uint32_t c,
                                                       uint32_t d)
{
    a = a > b ? a : b;
    c = c > d ? c : d;
    return a > c ? a : c;
}

static __attribute__((noinline)) void any_exps(float *p, float scale, float m)
{
    for (size_t i = 0; i < 4; i++)
        p[i] = any_exp(p[i] * scale - m);
}

/* p = exp(p * scale - m) up to end, a multiple of 16 of them, each added to its lane. All are at
 * most 0: log2(e) is negated, so that the bits of all powers together tell whether one can be too
 * low; where they do, a second look tells. */
static inline void add_exps(float *p, const float *end, float scale, float m, float lane[16])
{
    static const float table[] = {
        0.00836891778738f, 0.041666205054f, 0.166665186035f, 0.500000009542f,
        0.00836891778738f, 0.041666205054f, 0.166665186035f, 0.500000009542f,
        0.00836891778738f, 0.041666205054f, 0.166665186035f, 0.500000009542f,
        0.00836891778738f, 0.041666205054f, 0.166665186035f, 0.500000009542f};
    const float *coefficients = table;
    const uint32_t least = float_bits(MOTE_RNE_MAGIC);
    float one = 1.0f, *to = lane, *last = lane + 16;
    __asm__(""
            : "+t"(one), "+r"(coefficients), "+r"(last)); /* to be kept, not made again and again */
    while (p < end) {
        uint32_t all, y0, y1, u0, u1, u2, u3;
        register float a __asm__("s4"), b __asm__("s5"), c __asm__("s6"), d __asm__("s7");
        __asm__ volatile(
            "vldmia %[p], {s4-s7}\n\tvldmia %[table], {s16-s31}\n\t" SCALED("s4", "s8")
                SCALED("s5", "s9") SCALED("s6", "s10") SCALED(
                    "s7",
                    "s11") "vmov %[u0], %[u1], s8, s9\n\tvmov %[u2], %[u3], s10, "
                           "s11\n\t" REDUCED("s4", "s8") REDUCED("s5", "s9") REDUCED("s6", "s10")
                               REDUCED("s7", "s11") POLYNOMIAL("s4", "s8", "s16", "s17", "s18",
                                                               "s19")
                                   POLYNOMIAL("s5", "s9", "s20", "s21", "s22", "s23") POLYNOMIAL(
                                       "s6", "s10", "s24", "s25", "s26", "s27")
                                       POLYNOMIAL("s7", "s11", "s28", "s29", "s30",
                                                  "s31") "orr %[all], %[u0], %[u1]\n\torr %[all], "
                                                         "%[u2]\n\torr %[all], %[u3]\n\t"
                                                         "vmov %[y0], %[y1], s4, s5\n\t"
                                                         "sub %[y0], %[y0], %[u0], lsl #23\n\tsub "
                                                         "%[y1], %[y1], %[u1], lsl #23\n\t"
                                                         "vmov s4, s5, %[y0], %[y1]\n\tvmov %[y0], "
                                                         "%[y1], s6, s7\n\t"
                                                         "sub %[y0], %[y0], %[u2], lsl #23\n\tsub "
                                                         "%[y1], %[y1], %[u3], lsl #23\n\t"
                                                         "vmov s6, s7, %[y0], %[y1]"
            : "=&t"(a), "=&t"(b), "=&t"(c), "=&t"(d), [u0] "=&r"(u0), [u1] "=&r"(u1),
              [u2] "=&r"(u2), [u3] "=&r"(u3), [y0] "=&r"(y0), [y1] "=&r"(y1), [all] "=&r"(all)
            : [p] "r"(p), [table] "r"(coefficients), [scale] "t"(scale), [m] "t"(m),
              [log2e] "t"(-0x1.715476p+0f), [magic] "t"(MOTE_RNE_MAGIC), [high] "t"(0x1.62e43p-1f),
              [low] "t"(-0x1.05c61p-29f), [last] "t"(0.00139505411709f), [one] "t"(one)
            : "memory", "cc", "s8", "s9", "s10", "s11", "s16", "s17", "s18", "s19", "s20", "s21",
              "s22", "s23", "s24", "s25", "s26", "s27", "s28", "s29", "s30", "s31");
        if (__builtin_expect(all >= least + 64, 0) && largest_of_4(u0, u1, u2, u3) > least + 113) {
            any_exps(p, scale, m);
            a = p[0], b = p[1], c = p[2], d = p[3];
        }
        __asm__ volatile("vstmia %[p]!, {s4-s7}\n\tvldmia %[lane], {s8-s11}\n\t"
                         "vadd.f32 s8, s8, s4\n\tvadd.f32 s9, s9, s5\n\t"
                         "vadd.f32 s10, s10, s6\n\tvadd.f32 s11, s11, s7\n\t"
                         "vstmia %[lane]!, {s8-s11}"
                         : [p] "+r"(p), [lane] "+r"(to)
                         : "t"(a), "t"(b), "t"(c), "t"(d)
                         : "memory", "s8", "s9", "s10", "s11");
        if (to == last)
            to = lane;
    }
}

static inline float largest(const float *p, size_t n)
{
    float m = p[0];
    size_t i = n & 3;
    for (size_t j = 1; j < i; j++)
        m = mote_fmax(p[j], m);
    for (p += i; i < n; i += 4)
#if __ARM_ARCH >= 8 || __ARM_FP & 8 /* FPv5 */
        __asm__("vldmia %[p]!, {s0-s3}\n\t"
                "vmaxnm.f32 s0, s0, s1\n\tvmaxnm.f32 s2, s2, s3\n\t"
                "vmaxnm.f32 s0, s0, s2\n\tvmaxnm.f32 %[m], %[m], s0"
                : [m] "+t"(m), [p] "+r"(p)
                :
                : "memory", "s0", "s1", "s2", "s3");
#else
        __asm__("vldmia %[p]!, {s0-s3}\n\t"
                "vcmp.f32 s0, %[m]\n\tvmrs apsr_nzcv, fpscr\n\tit gt\n\tvmovgt.f32 %[m], s0\n\t"
                "vcmp.f32 s1, %[m]\n\tvmrs apsr_nzcv, fpscr\n\tit gt\n\tvmovgt.f32 %[m], s1\n\t"
                "vcmp.f32 s2, %[m]\n\tvmrs apsr_nzcv, fpscr\n\tit gt\n\tvmovgt.f32 %[m], s2\n\t"
                "vcmp.f32 s3, %[m]\n\tvmrs apsr_nzcv, fpscr\n\tit gt\n\tvmovgt.f32 %[m], s3"
                : [m] "+t"(m), [p] "+r"(p)
                :
                : "memory", "cc", "s0", "s1", "s2", "s3");
#endif
    return m;
}

#define ADD_INTO(a, b) "vadd.f32 s" #a ", s" #a ", s" #b "\n\t"
/* Folds 16 lanes: 8, 4, 2, 1. */
static inline float fold_16(const float *lane)
{
    float sum;
    __asm__("vldmia %[lane], {s0-s15}\n\t" ADD_INTO(0, 8) ADD_INTO(1, 9) ADD_INTO(2, 10)
                ADD_INTO(3, 11) ADD_INTO(4, 12) ADD_INTO(5, 13) ADD_INTO(6, 14) ADD_INTO(7, 15)
                    ADD_INTO(0, 4) ADD_INTO(1, 5) ADD_INTO(2, 6) ADD_INTO(3, 7) ADD_INTO(0, 2)
                        ADD_INTO(1, 3) "vadd.f32 %[sum], s0, s1"
            : [sum] "=t"(sum)
            : [lane] "r"(lane)
            : "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11",
              "s12", "s13", "s14", "s15");
    return sum;
}

/* The largest of a row times a scale > 0 is the largest times it. */
void mote_k_softmax_dsp(float *p, size_t lo, size_t hi, float scale, float cap, float *max,
                        float *sum)
{
    float lane[16] = {0.0f}, m;
    size_t j = lo;
    if (MOTE_LAYER_KINDS && cap > 0.0f)
        for (; j < hi; j++)
            p[j] = cap * mote_tanh(p[j] * scale / cap);
    else if (!(scale > 0.0f))
        for (; j < hi; j++)
            p[j] *= scale;
    if (j == hi)
        scale = 1.0f;
    m = largest(p + lo, hi - lo) * scale;
    for (j = lo; j < hi && j % 16; j++)
        lane[j % 16] += p[j] = any_exp(p[j] * scale - m);
    if (j + 16 <= hi) {
        size_t n = (hi - j) / 16 * 16;
        add_exps(p + j, p + j + n, scale, m, lane);
        j += n;
    }
    for (; j < hi; j++)
        lane[j % 16] += p[j] = exp_of(p[j] * scale - m);
    *max = m;
    *sum = fold_16(lane);
}

/* ---- activations ---------------------------------------------------------------------------- */

#define LARGER(x) "cmp %[top], " x ", lsl #1\n\tit lo\n\tlsllo %[top], " x ", #1\n\t"

/* Twice the bits of the largest magnitude of n numbers, n a multiple of 4. */
static inline uint32_t largest_magnitude(const float *x, const float *end)
{
    uint32_t top = 0, a, b, c, d;
    while (x < end)
        __asm__(
            "ldrd %[a], %[b], [%[x]], #8\n\tldrd %[c], %[d], [%[x]], #8\n\t" LARGER("%[a]")
                LARGER("%[b]") LARGER("%[c]") LARGER("%[d]")
            : [top] "+r"(top), [x] "+r"(x), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d)
            :
            : "memory", "cc");
    return top;
}

/* Codes of four numbers. */
static inline uint32_t four_codes(const float *x, float factor, float magic)
{
    uint32_t w, b, c, d;
    __asm__("vldmia %[x], {s0-s3}\n\t"
            "vmul.f32 s0, s0, %[factor]\n\tvmul.f32 s1, s1, %[factor]\n\t"
            "vmul.f32 s2, s2, %[factor]\n\tvmul.f32 s3, s3, %[factor]\n\t"
            "vadd.f32 s0, s0, %[magic]\n\tvadd.f32 s1, s1, %[magic]\n\t"
            "vadd.f32 s2, s2, %[magic]\n\tvadd.f32 s3, s3, %[magic]\n\t"
            "vmov %[w], %[b], s0, s1\n\tvmov %[c], %[d], s2, s3\n\t"
            "bfi %[w], %[b], #8, #8\n\tbfi %[w], %[c], #16, #8\n\tbfi %[w], %[d], #24, #8"
            : [w] "=&r"(w), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d)
            : [x] "r"(x), [factor] "t"(factor), [magic] "t"(magic)
            : "memory", "s0", "s1", "s2", "s3");
    return w;
}

/* A group of n <= 32, a multiple of 4: its codes, four in a word, zeros behind. */
static int32_t quantize_group(uint32_t *codes, float *scale, const float *x, size_t n)
{
    const uint32_t top = largest_magnitude(x, x + n);
    const float amax = bits_float(top >> 1);
    int32_t sum = 0;
    *scale = top >= 0xff000000u ? bits_float(0x7fc00000u) : 0.0f;
    size_t i = 0;
    if (top < 0xff000000u && amax >= 0x1p-100f) {
        *scale = amax / 127.0f;
        const float factor = 127.0f / amax;
        for (; i < n / 4; i++) {
            const uint32_t w = four_codes(x + 4 * i, factor, MOTE_RNE_MAGIC);
            codes[i] = w;
            if (MOTE_TYPES_GGUF) /* nobody else reads it */
                sum = __smlad(__sxtb16((int32_t)w), 0x10001,
                              __smlad(__sxtb16((int32_t)(w >> 8)), 0x10001, sum));
        }
    }
    for (; i < 8; i++)
        codes[i] = 0;
    return sum;
}

void mote_k_quantize_dsp(int8_t *codes, float *scales, int32_t *sums, const float *x, size_t n)
{
    const size_t n_codes = mote_round_up(n, 64);
    for (size_t at = 0; at < n_codes; at += 32, codes += 32) {
        size_t left = at < n ? n - at : 0;
        const float *from = x + at;
        float last[32];
        if (left < 32 && left % 4) {
            memcpy(last, from, left * sizeof *last);
            for (; left % 4; left++)
                last[left] = 0.0f;
            from = last;
        }
        *sums++ = quantize_group((uint32_t *)(void *)codes, scales++, from, left < 32 ? left : 32);
    }
}
#endif
