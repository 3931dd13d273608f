/* avx2.h: what the AVX2 kernels share. A line of 64 bytes is two registers: rows 0-7 and 8-15. */
#ifndef MOTE_AVX2_H
#define MOTE_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "kernels/tiers.h"

/* Loops over a constant number of registers must unroll completely, or they live in memory. */
#define ALWAYS static inline __attribute__((always_inline))

/* Streaming loops ask for the same place of a tile they come to later: hardware prefetchers stop at
 * page ends, and nothing is left out where one tile ends and the next begins. */
ALWAYS void ahead(const uint8_t *p, size_t bytes)
{
    _mm_prefetch((const char *)p + bytes, _MM_HINT_T0);
}

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

/* A tile, and another one: one token meets two tiles at once. They are half of the rows apart: two
 * streams, which memory delivers faster than one. */
typedef struct tiles {
    const uint8_t *first;
    size_t bytes;     /* of a tile */
    size_t far_bytes; /* to the other one */
} tiles;

/* Where half line (or half a row of scales) h is, from the first one's on; 2 and 3 are of the other
 * tile. */
ALWAYS size_t half_at(size_t h, size_t half_bytes, size_t far_bytes)
{
    return h / 2 * far_bytes + h % 2 * half_bytes;
}

/* Asks for the scales of the tiles that come next; they stand in front of the lines. */
ALWAYS void ahead_scales(const tiles *w, size_t scale_bytes, const size_t H)
{
    for (size_t h = 0; h < H; h += 2)
        for (size_t at = 0; at < scale_bytes; at += MOTE_LINE)
            ahead(w->first + at + half_at(h, 0, w->far_bytes), w->bytes);
}

/* Pins a sum to its register here: gcc would else gather the products of several steps first and
 * spill (measured: 70 -> 85 G int4 products/s). */
ALWAYS void keep_si(__m256i *v) { __asm__("" : "+x"(*v)); }

#endif
