/* matmul_quant_dotprod.c: quantised products with sdot (FEAT_DotProd): Cortex-A55, A75 and later,
 * Apple M, Graviton 2. Read quant.inc, which has all but the step.
 *
 * sdot adds four products of int8 to each int32: a quarter's 4 rows x 4 columns at once, against 4
 * activations taken from a lane.
 */
#include "kernels/arm/neon.h"

#define TIER(name) name##_dotprod
#define MOST_TOKENS 6
#define QUARTERS(T, q8) ((T) <= 2 ? 4u : 2u)

typedef int8x8_t acts;
typedef int32x4_t sums;

ALWAYS acts load_acts(const int8_t *codes) { return vld1_s8(codes); }

ALWAYS sums start_sum(int32_t first) { return vdupq_n_s32(first); }

ALWAYS void add_step(sums *s, int8x16_t w0, int8x16_t w1, acts a, const enum mote_type type)
{
    (void)type;
    *s = vdotq_lane_s32(*s, w0, a, 0);
    *s = vdotq_lane_s32(*s, w1, a, 1);
    PIN(*s);
}

ALWAYS int32x4_t end_sum(sums s, const enum mote_type type)
{
    (void)type;
    return s;
}

#include "kernels/arm/quant.inc"
