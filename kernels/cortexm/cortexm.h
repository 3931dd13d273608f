/* cortexm.h: what table.c takes from which tier. */
#ifndef MOTE_CORTEXM_H
#define MOTE_CORTEXM_H

#include "kernels/tiers.h"

#define TIER_NAME "ref"
#define MATMUL_Q8 mote_k_matmul_q8_ref
#define MATMUL_Q4 mote_k_matmul_q4_ref
#define VALUES_Q8 mote_k_values_q8_ref
#define SOFTMAX softmax_fixed

#endif
