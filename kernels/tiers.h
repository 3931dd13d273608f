/* tiers.h: every kernel that is a file of its own, by tier. dispatch.c is the only user besides the
 * files that define them. To add a kernel: a line here, a line in dispatch.c. */
#ifndef MOTE_TIERS_H
#define MOTE_TIERS_H

#include "kernels/kernels.h"

/* Templates: fill all row and attention slots. */
void mote_k_rows_ref(mote_kernels *t);
void mote_k_rows_avx2(mote_kernels *t);
void mote_k_rows_avx512vnni(mote_kernels *t);

#if defined(MOTE_BLAS) && MOTE_BLAS
void mote_k_blas(mote_kernels *t);
#endif

#if defined(__aarch64__) /* rows: those of ref, which the compiler turns into NEON there */
mote_matmul_fn mote_k_matmul_f32_neon, mote_k_matmul_f16_neon, mote_k_matmul_bf16_neon,
    mote_k_matmul_q8_neon, mote_k_matmul_q4_neon, mote_k_matmul_q4_0_neon, mote_k_matmul_q4_1_neon;
mote_matmul_fn mote_k_matmul_q8_dotprod, mote_k_matmul_q4_dotprod, mote_k_matmul_q4_0_dotprod,
    mote_k_matmul_q4_1_dotprod;
mote_values_fn mote_k_values_f32_neon, mote_k_values_f16_neon, mote_k_values_q8_neon;
#endif

void mote_k_dequant_row_ref(float *y, const mote_mat *w, size_t row, size_t k);

mote_matmul_fn mote_k_matmul_f32_ref, mote_k_matmul_f16_ref, mote_k_matmul_bf16_ref,
    mote_k_matmul_q8_ref, mote_k_matmul_q4_ref, mote_k_matmul_q4_0_ref, mote_k_matmul_q4_1_ref;
mote_matmul_fn mote_k_matmul_f32_avx2, mote_k_matmul_f16_avx2, mote_k_matmul_bf16_avx2,
    mote_k_matmul_q8_avx2, mote_k_matmul_q4_avx2, mote_k_matmul_q4_0_avx2, mote_k_matmul_q4_1_avx2;
mote_matmul_fn mote_k_matmul_q8_avxvnni, mote_k_matmul_q4_avxvnni, mote_k_matmul_q4_0_avxvnni,
    mote_k_matmul_q4_1_avxvnni;
mote_matmul_fn mote_k_matmul_f32_avx512vnni, mote_k_matmul_f16_avx512vnni,
    mote_k_matmul_bf16_avx512vnni, mote_k_matmul_q8_avx512vnni, mote_k_matmul_q4_avx512vnni,
    mote_k_matmul_q4_0_avx512vnni, mote_k_matmul_q4_1_avx512vnni;

mote_values_fn mote_k_values_f32_ref, mote_k_values_f16_ref, mote_k_values_q8_ref;
mote_values_fn mote_k_values_f32_avx2, mote_k_values_f16_avx2, mote_k_values_q8_avx2;
mote_values_fn mote_k_values_f32_avx512vnni, mote_k_values_f16_avx512vnni,
    mote_k_values_q8_avx512vnni;

#endif
