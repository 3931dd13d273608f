/* avx512.h: what the AVX-512 kernels share. A line of 64 bytes is one register, a tile's 16 rows
 * are its lanes. The AVX-512 twin of avx2.h. */
#ifndef MOTE_AVX512_H
#define MOTE_AVX512_H

#include <immintrin.h>
#include <string.h>

#include "kernels/tiers.h"

/* Loops over a constant number of registers must unroll completely, or they live in memory. */
#define ALWAYS static inline __attribute__((always_inline))

/* Streaming loops ask for data this far ahead: hardware prefetchers stop at page ends. */
#define AHEAD_BYTES 8192

ALWAYS void ahead(const uint8_t *p) { _mm_prefetch((const char *)p + AHEAD_BYTES, _MM_HINT_T0); }

ALWAYS __m512i load_line(const void *p) { return _mm512_loadu_si512(p); }

/* Sixteen half-precision values as floats. */
ALWAYS __m512 load_half(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

/* Four activation codes in every 32-bit lane. */
ALWAYS __m512i spread_codes(const int8_t *codes)
{
    int32_t word;
    memcpy(&word, codes, 4);
    return _mm512_set1_epi32(word);
}

/* Makes the compiler keep an array of registers in memory: of too many it would spill others. */
#define keep_in_memory(array) __asm__("" : "+m"(array))

/* The lowest n lanes, n <= 16. */
ALWAYS __mmask16 first_lanes(size_t n) { return (__mmask16)((1u << n) - 1u); }

#endif
