/* table.c: the kernel table of a build for one CPU, a constant in flash: `ref`, and the products
 * and sums of the tier that the compiler's target has: dsp (Cortex-M4, M7, M33) or mve (M55).
 * dispatch.c does this at run time elsewhere. Read kernels.h first.
 */
#include "kernels/cortexm/cortexm.h"
#include "kernels/math.h"

#pragma GCC diagnostic ignored "-Wunused-function" /* a build has some of the templates' rows */

#define FN(name) name##_fixed
#include "kernels/ref/rows.inc"
#include "kernels/ref/attention.inc"

#define TIER_NAME (MOTE_MVE ? "mve" : MOTE_DSP ? "dsp" : "ref")
#if MOTE_MVE
#define ROW_FN(name) mote_k_##name##_mve
#elif MOTE_DSP && !defined(__OPTIMIZE_SIZE__)
#define ROW_FN(name) mote_k_##name##_dsp
#else
#define ROW_FN(name) name##_fixed
#endif
#if MOTE_MVE
#define MVE_FN(name) mote_k_##name##_mve
#else
#define MVE_FN(name) name##_fixed
#endif

const mote_kernels mote_fixed_kernels = {
    .tier = TIER_NAME,
    .matmul[MOTE_Q8] = MOTE_TIER_FN(matmul_q8),
    .values[2] = MOTE_TIER_FN(values_q8),
    .store_key[2] = MVE_FN(store_key_q8),
    .store_value[2] = MVE_FN(store_value_q8),
    .softmax = ROW_FN(softmax),
#if MOTE_TYPE_Q4
    .matmul[MOTE_Q4] = MOTE_TIER_FN(matmul_q4),
#endif
#if MOTE_TYPES_GGUF
    .matmul[MOTE_Q4_0] = mote_k_matmul_q4_0_ref,
    .matmul[MOTE_Q4_1] = mote_k_matmul_q4_1_ref,
#endif
#if MOTE_TYPES_FLOAT
    .matmul[MOTE_F32] = mote_k_matmul_f32_ref,
    .matmul[MOTE_F16] = mote_k_matmul_f16_ref,
    .matmul[MOTE_BF16] = mote_k_matmul_bf16_ref,
#endif
#if MOTE_KV_FLOAT
    .values[0] = mote_k_values_f32_ref,
    .values[1] = mote_k_values_f16_ref,
    .store_key[0] = store_key_f32_fixed,
    .store_key[1] = store_key_f16_fixed,
    .store_value[0] = store_value_f32_fixed,
    .store_value[1] = store_value_f16_fixed,
#endif
#if MOTE_LAYER_KINDS || MOTE_ENCODERS
    .softcap = softcap_fixed,
    .layernorm = layernorm_fixed,
    .gelu_tanh_mul = gelu_tanh_mul_fixed,
    .gelu_erf_mul = gelu_erf_mul_fixed,
    .gelu_tanh = gelu_tanh_fixed,
    .gelu_erf = gelu_erf_fixed,
#endif
    .dequant_row = mote_k_dequant_row_ref,
    .quantize = ROW_FN(quantize),
    .rmsnorm = MVE_FN(rmsnorm),
    .add = MVE_FN(add),
    .scale = scale_fixed,
    .silu_mul = ROW_FN(silu_mul),
    .rope_angles = rope_angles_fixed,
    .rope = MVE_FN(rope),
    .merge = merge_fixed,
    .divide = divide_fixed,
    .exp_sum = exp_sum_fixed,
    .argmax = argmax_fixed,
    .next_above = next_above_fixed,
    .finite = MVE_FN(finite),
};

unsigned mote_fp_enter(void) { return 0; }
void mote_fp_leave(unsigned saved) { (void)saved; }
