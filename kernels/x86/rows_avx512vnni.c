/* rows_avx512vnni.c: the row and attention templates compiled for AVX-512. */
#include "kernels/math.h"
#include "kernels/tiers.h"

#define FN(name) name##_avx512vnni
#include "kernels/ref/rows.inc"
#include "kernels/ref/attention.inc"

ANY_CPU void mote_k_rows_avx512vnni(mote_kernels *t)
{
    rows_fill_avx512vnni(t);
    attention_fill_avx512vnni(t);
}
