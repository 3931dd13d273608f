/* matmul_quant_neon.c: quantised products for every AArch64 (ARMv8.0): Cortex-A53, A57, A72, A73.
 * Read quant.inc, which has all but the step.
 *
 * A step multiplies into int16, the products of its two halves added: at most 2 x 128 x 127 for q8,
 * 2 x 34 x 127 for q4. So of 4-bit weights the pairs of columns may be added in int16 too, then
 * widen into one int32 to a row; those of q8 widen while they are added and stay apart to the end:
 *
 *   lo | r0: k, k+1, k+2, k+3 | r1: ... |   hi | r2 | r3 |      int16, columns k+4..k+7 on top
 *   4-bit: padal(pairs of lo, hi) -> r0 r1 r2 r3      q8: padal(lo) -> r0 r0' r1 r1', padal(hi)
 */
#include "kernels/arm/neon.h"

#define TIER(name) name##_neon
#define MOST_TOKENS 4
#define QUARTERS(T, q8) ((T) == 1 ? 4u : ((T) == 2 ? 4u : 2u) / ((q8) ? 2u : 1u))

typedef struct acts {
    int8x16_t a[2]; /* columns k..k+3, k+4..k+7, in every 32-bit lane */
} acts;

typedef struct sums {
    int32x4_t lo, hi; /* 4-bit: only lo */
} sums;

ALWAYS int8x16_t spread_codes(const int8_t *codes)
{
    int32_t word;
    memcpy(&word, codes, 4);
    int8x16_t v = vreinterpretq_s8_s32(vdupq_n_s32(word));
    PIN(v);
    return v;
}

ALWAYS acts load_acts(const int8_t *codes)
{
    return (acts){{spread_codes(codes), spread_codes(codes + 4)}};
}

ALWAYS sums start_sum(int32_t first) { return (sums){vdupq_n_s32(first), vdupq_n_s32(0)}; }

ALWAYS void add_step(sums *s, int8x16_t w0, int8x16_t w1, acts x, const enum mote_type type)
{
    int16x8_t lo = vmull_s8(vget_low_s8(w0), vget_low_s8(x.a[0]));
    int16x8_t hi = vmull_high_s8(w0, x.a[0]);
    lo = vmlal_s8(lo, vget_low_s8(w1), vget_low_s8(x.a[1]));
    hi = vmlal_high_s8(hi, w1, x.a[1]);
    s->lo = vpadalq_s16(s->lo, type == MOTE_Q8 ? lo : vpaddq_s16(lo, hi));
    PIN(s->lo);
    if (type == MOTE_Q8) {
        s->hi = vpadalq_s16(s->hi, hi);
        PIN(s->hi);
    }
}

ALWAYS int32x4_t end_sum(sums s, const enum mote_type type)
{
    return type == MOTE_Q8 ? vpaddq_s32(s.lo, s.hi) : s.lo;
}

#include "kernels/arm/quant.inc"
