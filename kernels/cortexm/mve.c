/* mve.c: products for the Cortex-M55's vectors (Helium); the rest is in mve_rows.c. Formulas and
 * bits: kernels.h; layout: quant.h.
 *
 * VMLADAVA adds 16 products of bytes to a 32-bit sum: a row's words of four lines are gathered for
 * it. Where the compiler's choice of registers costs much it is written as instructions; sums are
 * in even registers, as VMLADAVA wants. Vector arithmetic flushes subnormals: equal bits as long as
 * no f32 is subnormal on the way.
 */
#include "kernels/cortexm/cortexm.h"
#include "kernels/math.h"

#if MOTE_MVE
#include <arm_mve.h>

/* A load of a row's words and their products with 16 activations, to %[s]. at: from %q[lines]. */
#define TIMES(mul, s, at, x)                                                                       \
    "vldrw.u32 %q[t], [%q[lines], #" at "]\n\t" mul ".s8 %[" s "], %q[t], %q[" x "]\n\t"
#define ROW(s, first, next) TIMES("vmladav", s, first, "x0") TIMES("vmladava", s, next, "x1")

/* %q[t]: the sums of four rows as floats; q0: their scales times %[as]. VCVTB in q0: binutils 2.40
 * encodes it wrongly for other registers. */
#define SUMS_AND_SCALES(at)                                                                        \
    "vmov %q[t][2], %q[t][0], %[a], %[c]\n\tvmov %q[t][3], %q[t][1], %[b], %[d]\n\t"               \
    "vldrh.u32 q0, [%[scale], #" at "]\n\tvcvtb.f32.f16 q0, q0\n\t"                                \
    "vmul.f32 q0, q0, %[as]\n\tvcvt.f32.s32 %q[t], %q[t]\n\t"

/* ---- q8 ------------------------------------------------------------------------------------- */

#define LAST_ROW(first, next)                                                                      \
    TIMES("vmladav", "d", first, "x0")                                                             \
    "vldrw.u32 %q[t], [%q[lines], #" next "]!\n\tvmladava.s8 %[d], %q[t], %q[x1]\n\t"
#define NEXT_CODES                                                                                 \
    "vldrb.8 %q[x0], [%[x]], #16\n\tvldrb.8 %q[x1], [%[x]], #16\n\tldr %[as], [%[act_scale]], "    \
    "#4\n\t"
#define NEXT_SCALES "add %[scale], %[scale], %[next]\n\teor %[next], %[next], %[flip]\n\t"

/* Eight rows. lines: places of the first row's words of four lines, less 228: so all places of a
 * group are within an instruction's reach, and the last load of each four rows takes `lines` on.
 * next: bytes to the next group's scales, changed by `flip` from group to group. */
static inline __attribute__((always_inline)) void eight_rows(float *out, uint32x4_t lines,
                                                             const uint8_t *scale, uint32_t next,
                                                             uint32_t flip, const int8_t *x,
                                                             const float *act_scale, size_t groups)
{
    float32x4_t sum0, sum1, t;
    int8x16_t x0, x1;
    int32_t a, b, c, d;
    float as;
    __asm__ volatile(
        "vmov.i32 %q[sum0], #0\n\tvmov.i32 %q[sum1], #0\n\tdls lr, %[groups]\n1:\t" NEXT_CODES ROW(
            "a", "228", "484") ROW("b", "232", "488") ROW("c", "236", "492") LAST_ROW("240", "496")
            SUMS_AND_SCALES("0") "vfma.f32 %q[sum0], %q[t], q0\n\t" ROW("a", "-252", "4")
                ROW("b", "-248", "8") ROW("c", "-244", "12") LAST_ROW("-240", "16")
                    SUMS_AND_SCALES("8") "vfma.f32 %q[sum1], %q[t], q0\n\t" NEXT_SCALES "le lr, 1b"
        : [lines] "+&w"(lines), [scale] "+&l"(scale), [next] "+&r"(next), [x] "+&r"(x),
          [act_scale] "+&r"(act_scale), [sum0] "=&w"(sum0), [sum1] "=&w"(sum1), [t] "=&w"(t),
          [x0] "=&w"(x0), [x1] "=&w"(x1), [a] "=&Te"(a), [b] "=&Te"(b), [c] "=&Te"(c),
          [d] "=&Te"(d), [as] "=&r"(as)
        : [groups] "r"(groups), [flip] "r"(flip)
        : "memory", "lr", "q0");
    vst1q_f32(out, sum0);
    vst1q_f32(out + 4, sum1);
}

/* Whole groups of columns. */
static __attribute__((noinline)) void tiles_q8(float *out, const mote_mat *w, const uint8_t *tile,
                                               size_t n, const int8_t *x, const float *act_scale)
{
    const uint32_t next = w->group == 32 ? 32 : 0, groups = (uint32_t)w->k / 32;
    const uint32_t front = (uint32_t)mote_tile_scale_bytes(MOTE_Q8, w->group, w->k) - 228;
    const uint32x4_t places = vaddq_n_u32(vmulq_n_u32(vidupq_n_u32(0, 1), MOTE_LINE), front);
    const size_t bytes = w->tile_bytes;
    do {
        const uint32x4_t lines = vaddq_n_u32(places, (uint32_t)(uintptr_t)tile);
        eight_rows(out, lines, tile, next, next ^ 32, x, act_scale, groups);
        eight_rows(out + 8, vaddq_n_u32(lines, 32), tile + 16, next, next ^ 32, x, act_scale,
                   groups);
        tile += bytes;
        out += 16;
    } while (--n);
}

/* ---- q8 below 32 columns: keys of small heads ------------------------------------------------ */

/* Up to 8 columns. Two words of row r and two of row r + 2 go together; the activations stand in
 * the first half of x0 and in the second of x1. */
#define TWO_ROWS(s0, s1, at)                                                                       \
    TIMES("vmladav", s0, at, "x0") "vmladav.s8 %[" s1 "], %q[t], %q[x1]\n\t"
/* fma(sum, scale, 0) is a product and an addition that turns -0 into 0. */
#define FOUR_KEYS(first, second, scales, to)                                                       \
    TWO_ROWS("a", "c", first)                                                                      \
    TWO_ROWS("b", "d", second)                                                                     \
    SUMS_AND_SCALES(scales)                                                                        \
    "vmul.f32 %q[t], %q[t], q0\n\tvadd.f32 %q[t], %q[t], %[zero]\n\t"                              \
    "vstrw.32 %q[t], [%[out], #" to "]\n\t"

static void tiles_8(float *out, const mote_mat *w, const uint8_t *scale, size_t n, const int8_t *x,
                    float as)
{
    const uint32_t line = (uint32_t)(uintptr_t)scale + 32, next = w->k > 4 ? MOTE_LINE : 0;
    uint32x4_t lines = {line, line + next, line + 8, line + 8 + next};
    const uint32_t *words = (const void *)x;
    const uint32x4_t x0 = {words[0], words[1], 0, 0}, x1 = {0, 0, words[0], words[1]};
    float32x4_t t;
    int32_t a, b, c, d;
    __asm__ volatile(
        "dls lr, %[n]\n1:\t" FOUR_KEYS("0", "4", "0", "0") FOUR_KEYS("16", "20", "8", "16")
            FOUR_KEYS("32", "36", "16", "32")
                FOUR_KEYS("48", "52", "24", "48") "vadd.i32 %q[lines], %q[lines], %[bytes]\n\tadd "
                                                  "%[scale], %[scale], %[bytes]\n\t"
                                                  "add %[out], %[out], #64\n\tle lr, 1b"
        : [lines] "+&w"(lines), [scale] "+&l"(scale), [out] "+&r"(out), [t] "=&w"(t), [a] "=&Te"(a),
          [b] "=&Te"(b), [c] "=&Te"(c), [d] "=&Te"(d)
        : [x0] "w"(x0), [x1] "w"(x1), [as] "r"(as), [zero] "r"(0.0f), [bytes] "r"(w->tile_bytes),
          [n] "r"(n)
        : "memory", "lr", "q0");
}

/* Four sums as floats. */
static inline float32x4_t together(int32_t a, int32_t b, int32_t c, int32_t d)
{
    int32x4_t t;
    __asm__("vmov %q[t][2], %q[t][0], %[a], %[c]\n\tvmov %q[t][3], %q[t][1], %[b], %[d]"
            : [t] "=&w"(t)
            : [a] "r"(a), [b] "r"(b), [c] "r"(c), [d] "r"(d));
    return vcvtq_f32_s32(t);
}

/* Four halves, from consecutive places. */
static inline float32x4_t halves(const uint16_t *p)
{
    register uint32x4_t four __asm__("q0") = vldrhq_u32(p);
    __asm__("vcvtb.f32.f16 q0, q0" : "+w"(four));
    return vreinterpretq_f32_u32(four);
}

/* The words of row r; the row's sum of up to 16 or up to 32 columns. */
#define WORDS(lines, r) vreinterpretq_s8_u32(vldrwq_gather_base_u32(lines, 4 * (r)))
#define SUM_16(r) vmladavq_s8(WORDS(lines, r), x0)
#define SUM_32(r) vmladavaq_s8(SUM_16(r), WORDS(behind, r), x1)
#define STORE_ROWS(sum_of, r)                                                                      \
    vst1q_f32(out + (r),                                                                           \
              vfmaq_f32(vdupq_n_f32(0.0f),                                                         \
                        together(sum_of(r), sum_of((r) + 1), sum_of((r) + 2), sum_of((r) + 3)),    \
                        vmulq_n_f32(halves(scale + (r)), as)))

/* A tile of 12 to 28 columns. Lines that are none are taken for the first one: activations are
 * zeros there. */
static __attribute__((noinline)) void tile_28(float *out, const mote_mat *w, const uint8_t *tile,
                                              const int8_t *codes, float as)
{
    const uint32_t line = (uint32_t)(uintptr_t)tile + 32, n = (uint32_t)w->k / 4;
    const uint32x4_t place = vmulq_n_u32(vidupq_n_u32(0, 1), MOTE_LINE), first = vdupq_n_u32(line);
    const uint32x4_t lines = vpselq_u32(vaddq_n_u32(place, line), first, vctp32q(n));
    const int8x16_t x0 = vldrbq_s8(codes);
    const uint16_t *scale = (const void *)tile;
    if (n <= 4) {
        STORE_ROWS(SUM_16, 0);
        STORE_ROWS(SUM_16, 4);
        STORE_ROWS(SUM_16, 8);
        STORE_ROWS(SUM_16, 12);
    } else {
        const uint32x4_t behind =
            vpselq_u32(vaddq_n_u32(place, line + 4 * MOTE_LINE), first, vctp32q(n - 4));
        const int8x16_t x1 = vldrbq_s8(codes + 16);
        STORE_ROWS(SUM_32, 0);
        STORE_ROWS(SUM_32, 4);
        STORE_ROWS(SUM_32, 8);
        STORE_ROWS(SUM_32, 12);
    }
}

void mote_k_matmul_q8_mve(float *out, size_t out_stride, const mote_acts *x, size_t n,
                          const mote_mat *w, size_t begin, size_t end)
{
    if (w->k > 32 && w->k % 32) { /* keys of heads that fill no groups */
        mote_k_matmul_q8_ref(out, out_stride, x, n, w, begin, end);
        return;
    }
    const uint8_t *tile = w->data + begin * w->tile_bytes;
    for (size_t t = 0; t < n && begin < end; t++, out += out_stride) {
        const int8_t *codes = x->codes + t * x->code_stride;
        const float *scales = x->scales + t * x->group_stride;
        if (w->k >= 32)
            tiles_q8(out, w, tile, end - begin, codes, scales);
        else if (w->k <= 8)
            tiles_8(out, w, tile, end - begin, codes, *scales);
        else
            for (size_t i = 0; i < end - begin; i++)
                tile_28(out + 16 * i, w, tile + i * w->tile_bytes, codes, *scales);
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
    for (size_t b = 0; b < 4; b++, line += 16, step += 4, tile += 16) {
        float32x4_t acc = vdupq_n_f32(0.0f);
        const uint8_t *row = line;
        const uint32_t *x = (const void *)codes;
        for (size_t g = 0; g < w->k / 32; g++, row += 4 * MOTE_LINE, x += 8) {
            int8x16_t low = vreinterpretq_s8_u32(vldrwq_gather_offset_u32(x, words));
            int8x16_t high = vreinterpretq_s8_u32(vldrwq_gather_offset_u32(x + 1, words));
            float32x4_t sum = together(
                sum_row_q4(row, low, high, lines), sum_row_q4(row + 4, low, high, lines),
                sum_row_q4(row + 8, low, high, lines), sum_row_q4(row + 12, low, high, lines));
            acc = vfmaq_f32(acc, sum, vmulq_n_f32(vcvtq_f32_s32(vldrbq_s32(step + 16 * g)), as[g]));
        }
        vst1q_f32(out + 4 * b, vmulq_f32(acc, vld1q_f32((const float *)(const void *)tile)));
    }
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
#endif
