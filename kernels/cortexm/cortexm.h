/* cortexm.h: what table.c takes from which tier: by the instructions that the compiler may use. */
#ifndef MOTE_CORTEXM_H
#define MOTE_CORTEXM_H

#include "kernels/tiers.h"

mote_matmul_fn mote_k_matmul_q8_dsp, mote_k_matmul_q4_dsp, mote_k_matmul_q8_mve,
    mote_k_matmul_q4_mve;
mote_values_fn mote_k_values_q8_dsp, mote_k_values_q8_mve;
mote_softmax_fn mote_k_softmax_dsp, mote_k_softmax_mve;
void mote_k_silu_mul_dsp(float *y, const float *gate, const float *up, size_t n);
void mote_k_silu_mul_mve(float *y, const float *gate, const float *up, size_t n);
void mote_k_quantize_dsp(int8_t *codes, float *scales, int32_t *sums, const float *x, size_t n);
void mote_k_quantize_mve(int8_t *codes, float *scales, int32_t *sums, const float *x, size_t n);
void mote_k_store_key_q8_mve(uint8_t *tile, size_t lane, const float *x, size_t dim);
void mote_k_store_value_q8_mve(void *v, uint16_t *scales, size_t row, const float *x, size_t dim);
void mote_k_rmsnorm_mve(float *y, const float *x, const float *w, size_t n, float eps);
void mote_k_add_mve(float *y, const float *x, size_t n);
void mote_k_rope_mve(float *x, const float *cos, const float *sin, size_t n);
bool mote_k_finite_mve(const float *x, size_t n);

/* Clang has no name for the predicates that mve_rows.c writes: dsp there. */
#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE == 3 && !defined(__clang__)
#define MOTE_MVE 1
#define MOTE_DSP 0
#define MOTE_TIER_FN(name) mote_k_##name##_mve
#elif defined(__ARM_FEATURE_DSP) && defined(__ARM_FP)
#define MOTE_MVE 0
#define MOTE_DSP 1
#define MOTE_TIER_FN(name) mote_k_##name##_dsp
#else
#define MOTE_MVE 0
#define MOTE_DSP 0
#define MOTE_TIER_FN(name) mote_k_##name##_ref
#endif

#endif
