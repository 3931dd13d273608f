/* rows_ref.c: row and attention kernels of the reference tier; the code is in the two templates. */
#include "kernels/math.h"
#include "kernels/tiers.h"

#define FN(name) name##_ref
#include "kernels/ref/rows.inc"
#include "kernels/ref/attention.inc"

ANY_CPU void mote_k_rows_ref(mote_kernels *t)
{
    rows_fill_ref(t);
    attention_fill_ref(t);
}
