/* avx2.h: what the AVX2 kernels share. A line of 64 bytes is two registers: rows 0-7 and 8-15. */
#ifndef MOTE_AVX2_H
#define MOTE_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "kernels/tiers.h"

/* Loops over a constant number of registers must unroll completely, or they live in memory. */
#define ALWAYS static inline __attribute__((always_inline))

/* Streaming loops ask for data this far ahead: hardware prefetchers stop at page ends. */
#define AHEAD_BYTES 8192

ALWAYS __m256i load_si(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

/* Eight half-precision values as floats. */
ALWAYS __m256 load_half(const void *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

/* Four activation codes in every 32-bit lane. */
ALWAYS __m256i spread_codes(const int8_t *codes)
{
    int32_t word;
    memcpy(&word, codes, 4);
    return _mm256_set1_epi32(word);
}

ALWAYS void ahead(const uint8_t *p) { _mm_prefetch((const char *)p + AHEAD_BYTES, _MM_HINT_T0); }

/* Pins a sum to its register here: gcc would else gather the products of several steps first and
 * spill (measured: 70 -> 85 G int4 products/s). */
ALWAYS void keep_si(__m256i *v) { __asm__("" : "+x"(*v)); }

#endif
