/* rows_avx2.c: the row and attention templates compiled for AVX2, FMA and F16C. */
#include "kernels/math.h"
#include "kernels/tiers.h"

#define FN(name) name##_avx2
#include "kernels/ref/rows.inc"
#include "kernels/ref/attention.inc"

ANY_CPU void mote_k_rows_avx2(mote_kernels *t)
{
    rows_fill_avx2(t);
    attention_fill_avx2(t);
}
