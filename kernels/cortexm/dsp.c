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
        __asm__ volatile(
            "ldrd %[e], %[o], [%[x]], #8\n\t"
            "ldrd %[v], %[w], [%[line]]\n\t" ADD_TWO(
                "a", "b") "ldrd %[v], %[w], [%[line], #8]\n\t" ADD_TWO("c", "d") "add %[line], #64"
            : [a] "+r"(s.a), [b] "+r"(s.b), [c] "+r"(s.c), [d] "+r"(s.d), [line] "+r"(line),
              [x] "+r"(x), [e] "=&r"(e), [o] "=&r"(o), [v] "=&r"(v), [w] "=&r"(w), [t] "=&r"(t)
            :
            : "memory", "cc");
    return s;
}

#ifndef __OPTIMIZE_SIZE__
#define FIRST_TWO(a, b)                                                                            \
    "sxtb16 %[t], %[v], ror #8\n\tsxtb16 %[v], %[v]\n\t"                                           \
    "smuad %[" a "], %[v], %[e]\n\tsmlad %[" a "], %[t], %[o], %[" a "]\n\t"                       \
    "sxtb16 %[t], %[w], ror #8\n\tsxtb16 %[w], %[w]\n\t"                                           \
    "smuad %[" b "], %[w], %[e]\n\tsmlad %[" b "], %[t], %[o], %[" b "]\n\t"
#define LINE(i, two)                                                                               \
    "ldrd %[e], %[o], %[x" #i "]\n\t"                                                              \
    "ldrd %[v], %[w], [%[line], #64*" #i                                                           \
    "]\n\t" two("a", "b") "ldrd %[v], %[w], [%[line], #64*" #i "+8]\n\t" two("c", "d")

/* The eight lines of a group at once. */
static inline __attribute__((always_inline)) four sum_group(const uint8_t *line, const pairs *x)
{
    four s;
    int32_t e, o, v, w, t;
    __asm__ volatile(
        LINE(0, FIRST_TWO) LINE(1, ADD_TWO) LINE(2, ADD_TWO) LINE(3, ADD_TWO) LINE(4, ADD_TWO)
            LINE(5, ADD_TWO) LINE(6, ADD_TWO) LINE(7, ADD_TWO)
        : [a] "=&r"(s.a), [b] "=&r"(s.b), [c] "=&r"(s.c), [d] "=&r"(s.d), [e] "=&r"(e),
          [o] "=&r"(o), [v] "=&r"(v), [w] "=&r"(w), [t] "=&r"(t)
        : [line] "r"(line), [x0] "m"(x[0]), [x1] "m"(x[1]), [x2] "m"(x[2]), [x3] "m"(x[3]),
          [x4] "m"(x[4]), [x5] "m"(x[5]), [x6] "m"(x[6]), [x7] "m"(x[7])
        : "memory");
    return s;
}
#endif

/* to[r] = from[r] + s[r] * (scale[r] * as) for four rows; the scales are halves. */
static inline void add_sums(float *to, const float *from, four s, const uint8_t *scales, float as)
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
                     "vstmia %[to], {s8-s11}"
                     :
                     : [to] "r"(to), [from] "r"(from), [a] "r"(s.a), [b] "r"(s.b), [c] "r"(s.c),
                       [d] "r"(s.d), [scales] "r"(scales), [as] "t"(as)
                     : "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10",
                       "s11");
}

/* n lines of columns that fill no group, the end of the keys of some heads; or, in a build for
 * size, all there are. */
static void add_lines(float *out, const uint8_t *scales, const uint8_t *lines, size_t tile_bytes,
                      const float *end, const uint32_t *codes, size_t n, float as)
{
    pairs x[8];
    widen(x, codes, n);
    for (; out < end; lines += tile_bytes - 64, scales += tile_bytes - 32)
        for (size_t b = 0; b < 4; b++, out += 4, lines += 16, scales += 8)
            add_sums(out, out, sum_lines(lines, x, n), scales, as);
}

#ifndef __OPTIMIZE_SIZE__
static const float zeros[4] = {0.0f, 0.0f, 0.0f, 0.0f};

/* One group of columns of all rows. lines: of the first tile, at a multiple of 64. */
static __attribute__((noinline)) void add_group(float *out, bool first, const uint8_t *scales,
                                                const uint8_t *lines, size_t tile_bytes,
                                                const float *end, const uint32_t *codes, float as)
{
    pairs x[8];
    widen(x, codes, 8);
    do {
        do {
            four s = sum_group(lines, x);
            add_sums(out, first ? zeros : out, s, scales, as);
            out += 4;
            scales += 8;
            lines += 16;
        } while ((uintptr_t)lines % 64);
        lines += tile_bytes - 64;
        scales += tile_bytes - 32;
    } while (out < end);
}

/* As sum_group, of the first half of a group's lines: the rest of the activations are zeros. */
static inline __attribute__((always_inline)) four sum_half(const uint8_t *line, const pairs *x)
{
    four s;
    int32_t e, o, v, w, t;
    __asm__ volatile(
        LINE(0, FIRST_TWO) LINE(1, ADD_TWO) LINE(2, ADD_TWO) LINE(3, ADD_TWO)
        : [a] "=&r"(s.a), [b] "=&r"(s.b), [c] "=&r"(s.c), [d] "=&r"(s.d), [e] "=&r"(e),
          [o] "=&r"(o), [v] "=&r"(v), [w] "=&r"(w), [t] "=&r"(t)
        : [line] "r"(line), [x0] "m"(x[0]), [x1] "m"(x[1]), [x2] "m"(x[2]), [x3] "m"(x[3])
        : "memory");
    return s;
}

/* As in add_sums. */
#define ADD_SCALED                                                                                 \
    "vldr d0, [%[scales]]\n\t"                                                                     \
    "vcvtb.f32.f16 s4, s0\n\tvcvtt.f32.f16 s5, s0\n\t"                                             \
    "vcvtb.f32.f16 s6, s1\n\tvcvtt.f32.f16 s7, s1\n\t"                                             \
    "vmov s0, s1, %[a], %[b]\n\tvmov s2, s3, %[c], %[d]\n\t"                                       \
    "vmul.f32 s4, s4, %[as]\n\tvmul.f32 s5, s5, %[as]\n\t"                                         \
    "vmul.f32 s6, s6, %[as]\n\tvmul.f32 s7, s7, %[as]\n\t"                                         \
    "vcvt.f32.s32 s0, s0\n\tvcvt.f32.s32 s1, s1\n\t"                                               \
    "vcvt.f32.s32 s2, s2\n\tvcvt.f32.s32 s3, s3\n\t"                                               \
    "vfma.f32 s8, s0, s4\n\tvfma.f32 s9, s1, s5\n\t"                                               \
    "vfma.f32 s10, s2, s6\n\tvfma.f32 s11, s3, s7\n\t"

/* Two groups of columns of all rows, of the second maybe half; its scales are `next` bytes on.
 * lines: of the first tile, at a multiple of 64. */
static inline __attribute__((always_inline)) void add_groups(float *out, bool first, bool half,
                                                             const uint8_t *scales, size_t next,
                                                             const uint8_t *lines,
                                                             size_t tile_bytes, const float *end,
                                                             const pairs *x, const float *as)
{
    const float as0 = as[0], as1 = as[1];
    do {
        do {
            register float a __asm__("s8"), b __asm__("s9"), c __asm__("s10"), d __asm__("s11");
            four s = sum_group(lines, x);
            __asm__ volatile("vldmia %[from], {s8-s11}\n\t" ADD_SCALED
                             : "=&t"(a), "=&t"(b), "=&t"(c), "=&t"(d)
                             : [from] "r"(first ? zeros : out), [a] "r"(s.a), [b] "r"(s.b),
                               [c] "r"(s.c), [d] "r"(s.d), [scales] "r"(scales), [as] "t"(as0)
                             : "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7");
            s = half ? sum_half(lines + 512, x + 8) : sum_group(lines + 512, x + 8);
            __asm__ volatile(ADD_SCALED "vstmia %[out]!, {s8-s11}"
                             : [out] "+r"(out), "+t"(a), "+t"(b), "+t"(c), "+t"(d)
                             : [a] "r"(s.a), [b] "r"(s.b), [c] "r"(s.c), [d] "r"(s.d),
                               [scales] "r"(scales + next), [as] "t"(as1)
                             : "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7");
            scales += 8;
            lines += 16;
        } while ((uintptr_t)lines % 64);
        lines += tile_bytes - 64;
        scales += tile_bytes - 32;
    } while (out < end);
}

static __attribute__((noinline)) void add_two(float *out, bool first, const uint8_t *scales,
                                              size_t next, const uint8_t *lines, size_t tile_bytes,
                                              const float *end, const uint32_t *codes,
                                              const float *as)
{
    pairs x[16];
    widen(x, codes, 16);
    if (first)
        add_groups(out, true, false, scales, next, lines, tile_bytes, end, x, as);
    else if (!(codes[12] | codes[13] | codes[14] | codes[15])) /* where columns are padded */
        add_groups(out, false, true, scales, next, lines, tile_bytes, end, x, as);
    else
        add_groups(out, false, false, scales, next, lines, tile_bytes, end, x, as);
}

/* ---- keys of heads below 32 dimensions ------------------------------------------------------ */

/* Two queries' activations of a line. */
typedef struct two_pairs {
    pairs a, b;
} two_pairs;

#define TIMES_ROW(mul, more, row, step)                                                            \
    "ldr %[v], [%[line]], #" step "\n\t"                                                           \
    "sxtb16 %[t], %[v], ror #8\n\tsxtb16 %[v], %[v]\n\t" mul " %[a" row                            \
    "], %[v], r4" more("a" row) "\n\tsmlad %[a" row "], %[t], r5, %[a" row "]\n\t" mul " %[b" row  \
                                "], %[v], r6" more("b" row) "\n\tsmlad %[b" row                    \
                                                            "], %[t], r8, %[b" row "]\n\t"
#define NO_SUM(s)
#define THE_SUM(s) ", %[" s "]"

/* Two rows (keys) times two queries. scales: of the rows, halves. */
static inline void two_keys(float *out_a, float *out_b, const uint8_t *line, const uint8_t *scales,
                            const two_pairs *x, size_t n, float as_a, float as_b)
{
    int32_t a0, a1, b0, b1, v, t;
    __asm__ volatile(
        "ldmia %[x]!, {r4, r5, r6, r8}\n\t" TIMES_ROW("smuad", NO_SUM, "0", "4") TIMES_ROW(
            "smuad", NO_SUM, "1",
            "60") "b 2f\n"
                  "1:\tldmia %[x]!, {r4, r5, r6, r8}\n\t" TIMES_ROW("smlad", THE_SUM, "0", "4")
                      TIMES_ROW("smlad", THE_SUM, "1", "60") "2:\tsubs %[n], #1\n\tbne 1b"
        : [a0] "=&r"(a0), [a1] "=&r"(a1), [b0] "=&r"(b0), [b1] "=&r"(b1), [v] "=&r"(v),
          [t] "=&r"(t), [line] "+r"(line), [x] "+r"(x), [n] "+r"(n)
        :
        : "memory", "cc", "r4", "r5", "r6", "r8");
    __asm__ volatile("vldr s0, [%[scales]]\n\t"
                     "vldmia %[null], {s8-s11}\n\t"
                     "vcvtb.f32.f16 s4, s0\n\tvcvtt.f32.f16 s5, s0\n\t"
                     "vmul.f32 s6, s4, %[as_b]\n\tvmul.f32 s7, s5, %[as_b]\n\t"
                     "vmul.f32 s4, s4, %[as_a]\n\tvmul.f32 s5, s5, %[as_a]\n\t"
                     "vmov s0, s1, %[a0], %[a1]\n\tvmov s2, s3, %[b0], %[b1]\n\t"
                     "vcvt.f32.s32 s0, s0\n\tvcvt.f32.s32 s1, s1\n\t"
                     "vcvt.f32.s32 s2, s2\n\tvcvt.f32.s32 s3, s3\n\t"
                     "vfma.f32 s8, s0, s4\n\tvfma.f32 s9, s1, s5\n\t"
                     "vfma.f32 s10, s2, s6\n\tvfma.f32 s11, s3, s7\n\t"
                     "vstmia %[out_a], {s8-s9}\n\tvstmia %[out_b], {s10-s11}"
                     :
                     : [a0] "r"(a0), [a1] "r"(a1), [b0] "r"(b0), [b1] "r"(b1), [scales] "r"(scales),
                       [null] "r"(zeros), [out_a] "r"(out_a), [out_b] "r"(out_b), [as_a] "t"(as_a),
                       [as_b] "t"(as_b)
                     : "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10",
                       "s11");
}

/* Row r of a tile of eight dimensions times two queries, whose activations are in registers. */
#define KEY_LINE(mul, a, b, at, a_even, a_odd, b_even, b_odd)                                      \
    "ldr %[v], [%[line], #" at "]\n\tsxtb16 %[t], %[v], ror #8\n\tsxtb16 %[v], %[v]\n\t" mul       \
    " %[a], %[v], " a_even a "\n\tsmlad %[a], %[t], " a_odd ", %[a]\n\t" mul                       \
    " %[b], %[v], " b_even b "\n\tsmlad %[b], %[t], " b_odd ", %[b]\n\t"
#define KEY_OF_8(at, pair)                                                                         \
    KEY_LINE("smuad", "", "", at, "r4", "r5", "r9", "r10")                                         \
    KEY_LINE("smlad", ", %[a]", ", %[b]", at "+64", "r6", "r8", "r11", "r12")                      \
    "vmov " pair ", %[a], %[b]\n\t"
#define FOUR_KEYS(at, scales)                                                                      \
    KEY_OF_8(at, "s0, s1")                                                                         \
    KEY_OF_8(at "+4", "s2, s3")                                                                    \
    KEY_OF_8(at "+8", "s4, s5")                                                                    \
    KEY_OF_8(at "+12", "s6, s7")                                                                   \
    "vldr d8, [%[line], #" scales "-32]\n\t"                                                       \
    "vcvtb.f32.f16 s12, s16\n\tvcvtt.f32.f16 s13, s16\n\t"                                         \
    "vcvtb.f32.f16 s14, s17\n\tvcvtt.f32.f16 s15, s17\n\t"                                         \
    "vmul.f32 s8, s12, %[as_a]\n\tvmul.f32 s9, s13, %[as_a]\n\t"                                   \
    "vmul.f32 s10, s14, %[as_a]\n\tvmul.f32 s11, s15, %[as_a]\n\t"                                 \
    "vmul.f32 s12, s12, %[as_b]\n\tvmul.f32 s13, s13, %[as_b]\n\t"                                 \
    "vmul.f32 s14, s14, %[as_b]\n\tvmul.f32 s15, s15, %[as_b]\n\t"                                 \
    "vcvt.f32.s32 s0, s0\n\tvcvt.f32.s32 s1, s1\n\tvcvt.f32.s32 s2, s2\n\t"                        \
    "vcvt.f32.s32 s3, s3\n\tvcvt.f32.s32 s4, s4\n\tvcvt.f32.s32 s5, s5\n\t"                        \
    "vcvt.f32.s32 s6, s6\n\tvcvt.f32.s32 s7, s7\n\t"                                               \
    "vmul.f32 s8, s8, s0\n\tvmul.f32 s9, s9, s2\n\t"                                               \
    "vmul.f32 s10, s10, s4\n\tvmul.f32 s11, s11, s6\n\t"                                           \
    "vmul.f32 s12, s12, s1\n\tvmul.f32 s13, s13, s3\n\t"                                           \
    "vmul.f32 s14, s14, s5\n\tvmul.f32 s15, s15, s7\n\t"                                           \
    "ldr %[t], %[out_b]\n\tvstmia %[out_a]!, {s8-s11}\n\t"                                         \
    "vstmia %[t]!, {s12-s15}\n\tstr %[t], %[out_b]\n\t"

/* Tiles of eight dimensions, sixteen keys each, times two queries: as two_keys, but for the sum
 * with zero, which only tells where a scale is negative; those of keys are not. */
static inline void keys_of_8(float *out_a, float *out_b, const uint8_t *tile, size_t tile_bytes,
                             const pairs *x, const float *end, float as_a, float as_b)
{
    for (; out_a < end; tile += tile_bytes) {
        const void *t = x;
        int32_t a, b, v;
        __asm__ volatile("ldmia %[t], {r4, r5, r6, r8, r9, r10, r11, r12}\n\t" FOUR_KEYS("0", "0")
                             FOUR_KEYS("16", "8") FOUR_KEYS("32", "16") FOUR_KEYS("48", "24")
                         : [out_a] "+r"(out_a), [out_b] "+m"(out_b), [t] "+r"(t), [v] "=&r"(v),
                           [a] "=&r"(a), [b] "=&r"(b)
                         : [line] "r"(tile + 32), [as_a] "t"(as_a), [as_b] "t"(as_b)
                         : "memory", "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "s0", "s1",
                           "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12",
                           "s13", "s14", "s15", "s16", "s17");
    }
}

/* All tiles for queries a and b (which may be the same). */
static __attribute__((noinline)) void keys_of_two(float *out_a, float *out_b, const mote_acts *x,
                                                  size_t a, size_t b, const mote_mat *w,
                                                  size_t begin, const float *end)
{
    const uint32_t *codes_a = (const void *)(x->codes + a * x->code_stride);
    const uint32_t *codes_b = (const void *)(x->codes + b * x->code_stride);
    const float as_a = x->scales[a * x->group_stride], as_b = x->scales[b * x->group_stride];
    const uint8_t *tile = w->data + begin * w->tile_bytes;
    const size_t n = w->k / 4;
    two_pairs wide[8];
    if (n == 2) {
        pairs *in_order = &wide[0].a;
        widen(in_order, codes_a, 2);
        widen(in_order + 2, codes_b, 2);
        keys_of_8(out_a, out_b, tile, w->tile_bytes, in_order, end, as_a, as_b);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        widen(&wide[i].a, codes_a + i, 1);
        widen(&wide[i].b, codes_b + i, 1);
    }
    for (; out_a < end; tile += w->tile_bytes)
        for (size_t r = 0; r < 16; r += 2, out_a += 2, out_b += 2)
            two_keys(out_a, out_b, tile + 32 + 4 * r, tile + 2 * r, wide, n, as_a, as_b);
}

#endif

/* One row of activations. */
static void times_row(float *out, const mote_acts *x, size_t t, const mote_mat *w, size_t begin,
                      const float *end)
{
    const size_t bytes = w->tile_bytes, groups = w->k / 32, rest = w->k % 32 / 4;
    const uint8_t *scales = w->data + begin * bytes;
    const uint8_t *lines = scales + mote_tile_scale_bytes(MOTE_Q8, w->group, w->k);
    const uint32_t *codes = (const void *)(x->codes + t * x->code_stride);
    const float *as = x->scales + t * x->group_stride;
    size_t g = 0;
#ifdef __OPTIMIZE_SIZE__
    const unsigned shift = w->group == 64;
    memset(out, 0, (size_t)((const uint8_t *)end - (const uint8_t *)out));
    for (; g < groups; g++)
        add_lines(out, scales + 32 * (g >> shift), lines + 512 * g, bytes, end, codes + 8 * g, 8,
                  as[g]);
#else
    const size_t next = w->group == 64 ? 0 : 32, two = 32 + next;
    for (; g + 1 < groups; g += 2)
        add_two(out, g == 0, scales + g / 2 * two, next, lines + 512 * g, bytes, end, codes + 8 * g,
                as + g);
    if (g < groups)
        add_group(out, g == 0, scales + 32 * g, lines + 512 * g, bytes, end, codes + 8 * g, as[g]),
            g++;
#endif
    if (rest)
        add_lines(out, scales + 32 * g, lines + 512 * g, bytes, end, codes + 8 * g, rest, as[g]);
}

void mote_k_matmul_q8_dsp(float *out, size_t out_stride, const mote_acts *x, size_t n,
                          const mote_mat *w, size_t begin, size_t end)
{
    for (size_t t = 0, step = 1; t < n; t += step, out += step * out_stride) {
        const float *to = out + 16 * (end - begin);
#ifndef __OPTIMIZE_SIZE__
        if (w->k < 32) {
            step = t + 1 < n ? 2 : 1;
            keys_of_two(out, out + (step - 1) * out_stride, x, t, t + step - 1, w, begin, to);
            continue;
        }
#endif
        times_row(out, x, t, w, begin, to);
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

#define ZERO(s) "vmov.f32 " s ", %[zero]\n\t"
/* Dimensions i and i + 1: a's and b's sums += factor * code. */
#define ADD_VALUES(i, a0, b0, a1, b1)                                                              \
    "ldrsb %[c], [%[v], #" #i "]\n\tldrsb %[e], [%[v], #" #i "+1]\n\t"                             \
    "vmov s4, s5, %[c], %[e]\n\tvcvt.f32.s32 s4, s4\n\tvcvt.f32.s32 s5, s5\n\t"                    \
    "vfma.f32 " a0 ", s1, s4\n\tvfma.f32 " b0 ", s2, s4\n\t"                                       \
    "vfma.f32 " a1 ", s1, s5\n\tvfma.f32 " b1 ", s2, s5\n\t"

/* Eight dimensions of two queries that see the same positions. */
static inline __attribute__((always_inline)) void
values_8(float *out, size_t out_stride, const float *p, size_t p_stride, size_t lo, size_t hi,
         const int8_t *v, const uint16_t *scales, size_t dim, size_t groups)
{
    const float *pa = p + lo, *pb = pa + p_stride;
    size_t n = hi - lo, step = 2 * groups;
    int32_t c, e;
    v += lo * dim;
    scales += lo * groups;
    __asm__ volatile(
        ZERO("s16") ZERO("s17") ZERO("s18") ZERO("s19") ZERO("s20") ZERO("s21") ZERO("s22") ZERO(
            "s23") ZERO("s24") ZERO("s25") ZERO("s26") ZERO("s27") ZERO("s28") ZERO("s29")
            ZERO("s30") ZERO(
                "s31") "\n"
                       "1:\tldrh %[c], [%[scales]]\n\tadd %[scales], %[step]\n\t"
                       "vmov s0, %[c]\n\tvcvtb.f32.f16 s0, s0\n\t"
                       "vldmia %[pa]!, {s1}\n\tvldmia %[pb]!, {s2}\n\t"
                       "vmul.f32 s1, s1, s0\n\tvmul.f32 s2, s2, s0\n\t" ADD_VALUES(
                           0, "s16", "s24", "s17", "s25") ADD_VALUES(2, "s18", "s26", "s19", "s27")
                           ADD_VALUES(4, "s20", "s28", "s21", "s29") ADD_VALUES(
                               6, "s22", "s30", "s23",
                               "s31") "add %[v], %[dim]\n\t"
                                      "subs %[n], #1\n\tbne 1b\n\t"
                                      "vstmia %[out_a], {s16-s23}\n\tvstmia %[out_b], {s24-s31}"
        : [c] "=&r"(c), [e] "=&r"(e), [scales] "+r"(scales), [pa] "+r"(pa), [pb] "+r"(pb),
          [v] "+r"(v), [n] "+r"(n)
        : [zero] "t"(0.0f), [step] "r"(step), [dim] "r"(dim), [out_a] "r"(out),
          [out_b] "r"(out + out_stride)
        : "memory", "cc", "s0", "s1", "s2", "s4", "s5", "s16", "s17", "s18", "s19", "s20", "s21",
          "s22", "s23", "s24", "s25", "s26", "s27", "s28", "s29", "s30", "s31");
}

#define VALUES_Q8 mote_k_values_q8_dsp
#include "kernels/cortexm/values_q8.inc"
#endif
