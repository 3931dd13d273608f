/* immintrin.h: stands in front of the compiler's own, in `make CONFIG=emulate` only. AVX-512 and
 * VNNI come from SIMDe (Debian: libsimde-dev), which computes them on any x86 with AVX2; what it
 * lacks is written here, element by element. Read docs/decisions/0007-emulated-tiers.md first.
 */
#ifndef MOTE_EMULATED_IMMINTRIN_H
#define MOTE_EMULATED_IMMINTRIN_H

#include_next <immintrin.h>
#include <string.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#define EMULATED static inline __attribute__((always_inline))

/* ---- sums of four products: calls, or the kernels take minutes to compile -------------------- */

#define EMULATED_CALL static __attribute__((noinline, unused))

EMULATED_CALL __m512i emulated_dpbusd_512(__m512i sum, __m512i a, __m512i b)
{
    return simde_mm512_dpbusd_epi32(sum, a, b);
}
EMULATED_CALL __m256i emulated_dpbusd_256(__m256i sum, __m256i a, __m256i b)
{
    return simde_mm256_dpbusd_epi32(sum, a, b);
}
#undef _mm512_dpbusd_epi32
#undef _mm256_dpbusd_avx_epi32
#define _mm512_dpbusd_epi32 emulated_dpbusd_512
#define _mm256_dpbusd_avx_epi32 emulated_dpbusd_256

/* ---- conversions ----------------------------------------------------------------------------- */

EMULATED __m512 emulated_join(__m256 low, __m256 high)
{
    return simde_mm512_insertf32x8(simde_mm512_castps256_ps512(low), high, 1);
}

#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
EMULATED __m512 emulated_cvtepi32_ps(__m512i a)
{
    return emulated_join(_mm256_cvtepi32_ps(simde_mm512_castsi512_si256(a)),
                         _mm256_cvtepi32_ps(simde_mm512_extracti64x4_epi64(a, 1)));
}

#undef _mm512_cvtph_ps
#define _mm512_cvtph_ps emulated_cvtph_ps
EMULATED __m512 emulated_cvtph_ps(__m256i a)
{
    return emulated_join(_mm256_cvtph_ps(_mm256_castsi256_si128(a)),
                         _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1)));
}

/* EMULATED_WIDEN(name, type of the argument, of its elements): 16 elements as int32. */
#define EMULATED_WIDEN(name, vector, element)                                                      \
    EMULATED __m512i name(vector a)                                                                \
    {                                                                                              \
        element from[16];                                                                          \
        int32_t to[16];                                                                            \
        memcpy(from, &a, sizeof from);                                                             \
        for (int i = 0; i < 16; i++)                                                               \
            to[i] = from[i];                                                                       \
        return simde_mm512_loadu_si512(to);                                                        \
    }
EMULATED_WIDEN(emulated_cvtepu16_epi32, __m256i, uint16_t)
EMULATED_WIDEN(emulated_cvtepi8_epi32, __m128i, int8_t)
#undef _mm512_cvtepu16_epi32
#undef _mm512_cvtepi8_epi32
#define _mm512_cvtepu16_epi32 emulated_cvtepu16_epi32
#define _mm512_cvtepi8_epi32 emulated_cvtepi8_epi32

/* ---- masked loads and stores: memory outside the mask is not touched ------------------------- */

EMULATED void emulated_copy(void *to, const void *from, __mmask16 mask, size_t size)
{
    for (size_t i = 0; i < 16; i++)
        if (mask >> i & 1)
            memcpy((char *)to + i * size, (const char *)from + i * size, size);
}

#define EMULATED_MASKED_LOAD(name, vector, size)                                                   \
    EMULATED vector name(__mmask16 mask, const void *p)                                            \
    {                                                                                              \
        vector v;                                                                                  \
        memset(&v, 0, sizeof v);                                                                   \
        emulated_copy(&v, p, mask, size);                                                          \
        return v;                                                                                  \
    }
EMULATED_MASKED_LOAD(emulated_load_ps, __m512, 4)
EMULATED_MASKED_LOAD(emulated_load_epi32, __m512i, 4)
EMULATED_MASKED_LOAD(emulated_load_epi16, __m256i, 2)
EMULATED_MASKED_LOAD(emulated_load_epi8, __m128i, 1)
#undef _mm512_maskz_loadu_ps
#undef _mm512_maskz_loadu_epi32
#undef _mm256_maskz_loadu_epi16
#undef _mm_maskz_loadu_epi8
#define _mm512_maskz_loadu_ps emulated_load_ps
#define _mm512_maskz_loadu_epi32 emulated_load_epi32
#define _mm256_maskz_loadu_epi16 emulated_load_epi16
#define _mm_maskz_loadu_epi8 emulated_load_epi8

#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps emulated_store_ps
EMULATED void emulated_store_ps(void *p, __mmask16 mask, __m512 a)
{
    emulated_copy(p, &a, mask, 4);
}

#endif
