/* quant.h: how weights lie in memory. One layout for every CPU; nothing is repacked at load.
 *
 * A matrix [rows, k] is cut into tiles of 16 rows. Inside a tile the codes come in lines of 64
 * bytes that run along k; a line holds one 4-byte granule of each of the 16 rows, row 0 first:
 *
 *   f32        1 value                       64 bytes = 16 rows x 1 k
 *   f16, bf16  1 value, 2-byte granule       32 bytes = 16 rows x 1 k (half a line)
 *   q8         4 codes int8, k..k+3          64 bytes = 16 rows x 4 k
 *   4-bit      8 codes: byte j holds k+j in its low nibble and k+4+j in its high nibble
 *
 * The scales of a tile lie in front of its lines, one row of 16 per group of columns:
 *
 *   q8    w = code * scale               f16 scale[k/group][16]             group 32 or 64
 *   q4    w = book[code] * step * row    f32 row[16], s8 step[k/32][16]     group 32
 *   q4_0  w = (code - 8) * scale         f16 scale[k/32][16]                group 32
 *   q4_1  w = code * scale + minimum     f16 {scale[16], minimum[16]}[k/32] group 32
 *
 * Each of the two parts is padded to 64 bytes. Rows are padded to 16; k is padded to the group (f16
 * and bf16: to 2; f32: not). Padding has scale (and minimum, row factor) 0 and the code for zero.
 * q8 with group 32 holds GGUF's Q8_0 code for code; codes may be -128 there.
 */
#ifndef MOTE_QUANT_H
#define MOTE_QUANT_H

#include <stddef.h>
#include <stdint.h>

enum mote_type {
    MOTE_F32 = 0,
    MOTE_F16 = 1,
    MOTE_BF16 = 2,
    MOTE_Q8 = 3,
    MOTE_Q4 = 4,
    MOTE_Q4_0 = 5,
    MOTE_Q4_1 = 6,
    MOTE_TYPES = 7
};

#define MOTE_TILE_ROWS 16u
#define MOTE_LINE 64u      /* bytes */
#define MOTE_ACT_GROUP 32u /* activations are always quantised in groups of 32 */

/* The 16 levels of q4, on a 6-bit grid: two products with int8 activations still add in int16.
 * Fitted on pooled trained weights; index 8 is zero. */
#define MOTE_BOOK_ZERO 8
#define MOTE_BOOK_OFFSET 34 /* level + 34 fits 6 bits unsigned */
#define MOTE_BOOK_LEVELS                                                                           \
    {                                                                                              \
        -34, -27, -21, -16, -12, -9, -6, -3, 0, 3, 6, 9, 13, 17, 22, 28                            \
    }

static inline size_t mote_round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* Columns a matrix is stored with. */
static inline size_t mote_padded_k(enum mote_type type, size_t group, size_t k)
{
    switch (type) {
    case MOTE_F32: return k;
    case MOTE_F16:
    case MOTE_BF16: return mote_round_up(k, 2);
    default: return mote_round_up(k, group);
    }
}

/* Bytes of scales in front of a tile's lines; k already padded (q8 in the KV cache: any k; below
 * 32, which no matrix of weights has, the only scales are not padded). */
static inline size_t mote_tile_scale_bytes(enum mote_type type, size_t group, size_t k)
{
    switch (type) {
    case MOTE_Q8: return k < 32 ? 32 : mote_round_up((k + group - 1) / group * 32, MOTE_LINE);
    case MOTE_Q4: return MOTE_LINE + mote_round_up(k / 32 * 16, MOTE_LINE);
    case MOTE_Q4_0: return mote_round_up(k / 32 * 32, MOTE_LINE);
    case MOTE_Q4_1: return k / 32 * 64;
    default: return 0;
    }
}

/* Bytes of one tile; k already padded. */
static inline size_t mote_tile_bytes(enum mote_type type, size_t group, size_t k)
{
    switch (type) {
    case MOTE_F32: return k * 64;
    case MOTE_F16:
    case MOTE_BF16: return k * 32;
    case MOTE_Q8: return mote_tile_scale_bytes(type, group, k) + k * 16;
    default: return mote_tile_scale_bytes(type, group, k) + k * 8;
    }
}

#endif
