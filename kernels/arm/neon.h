/* neon.h: what the AArch64 kernels share. A line of 64 bytes is four registers of four rows each;
 * one of them is called a quarter. Read kernels/quant.h first.
 */
#ifndef MOTE_NEON_H
#define MOTE_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "kernels/tiers.h"

#define ALWAYS static inline __attribute__((always_inline))

/* for (i = 0; i < n; i++), n a constant: it must unroll completely, or registers live in memory.
 * And a step has to stay a step, or compilers spill (30 to 130 times a group of 32): gcc gathers
 * the loads of several steps first, so END_STEP lets none pass; clang gathers their products before
 * it adds them up, so PIN keeps a sum in its register. */
#ifdef __clang__
#define UNROLL(i, n) _Pragma("clang loop unroll(full)") for (size_t i = 0; i < (n); i++)
#define PIN(v) __asm__("" : "+w"(v))
#define END_STEP ((void)0)
#else
#define UNROLL(i, n) _Pragma("GCC unroll 16") for (size_t i = 0; i < (n); i++)
#define PIN(v) ((void)0)
#define END_STEP __asm__ volatile("" ::: "memory")
#endif

/* Streaming loops ask for data this far ahead: hardware prefetchers stop at page ends. */
#define AHEAD_BYTES 4096

ALWAYS void ahead(const uint8_t *p) { __builtin_prefetch(p + AHEAD_BYTES); }

/* Four floats. */
ALWAYS float32x4_t load_floats(const void *p)
{
    return vreinterpretq_f32_u8(vld1q_u8((const uint8_t *)p));
}

/* Four half-precision values as floats. */
ALWAYS float32x4_t load_halves(const void *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8((const uint8_t *)p)));
}

/* Four int8 values as floats. */
ALWAYS float32x4_t load_bytes(const void *p)
{
    int32_t word;
    memcpy(&word, p, 4);
    int16x8_t wide = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(word)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}

#endif
