/* encode.c: one tile of 16 rows at a time into the layout of kernels/quant.h. Read that and
 * encode.h first; encode_q4.c is the search for q4.
 *
 * GGUF's blocks go to q4_0, q4_1 and q8 of group 32 code for code. All else is decoded to f32
 * first, which is exact, and encoded from there; so f16, bf16 and f32 kept as they are lose
 * nothing.
 */
#include "tools/convert/encode.h"

#include <string.h>

#include "kernels/math.h"

#define ROWS MOTE_TILE_ROWS

static uint16_t load16(const uint8_t *p)
{
    uint16_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

static void store16(uint8_t *p, uint16_t u) { memcpy(p, &u, sizeof u); }

/* ---- decoding ------------------------------------------------------------------------------- */

static void decode_f16(const uint8_t *p, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = mote_f16_to_f32(load16(p + 2 * i));
}

static void decode_bf16(const uint8_t *p, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = mote_bf16_to_f32(load16(p + 2 * i));
}

/* Q8_0: scale, 32 codes. */
static void decode_q8_0(const uint8_t *p, size_t n, float *out)
{
    for (size_t b = 0; b < n / SRC_BLOCK; b++, p += src_unit_bytes(SRC_Q8_0)) {
        float scale = mote_f16_to_f32(load16(p));
        for (size_t i = 0; i < SRC_BLOCK; i++)
            out[b * SRC_BLOCK + i] = (float)(int8_t)p[2 + i] * scale;
    }
}

/* Codes of a 4-bit block: byte i holds code i low and code i + 16 high. */
static uint8_t nibble(const uint8_t *codes, size_t i)
{
    return i < 16 ? codes[i] & 15 : codes[i - 16] >> 4;
}

static void decode_q4_0(const uint8_t *p, size_t n, float *out)
{
    for (size_t b = 0; b < n / SRC_BLOCK; b++, p += src_unit_bytes(SRC_Q4_0)) {
        float scale = mote_f16_to_f32(load16(p));
        for (size_t i = 0; i < SRC_BLOCK; i++)
            out[b * SRC_BLOCK + i] = (float)((int)nibble(p + 2, i) - 8) * scale;
    }
}

static void decode_q4_1(const uint8_t *p, size_t n, float *out)
{
    for (size_t b = 0; b < n / SRC_BLOCK; b++, p += src_unit_bytes(SRC_Q4_1)) {
        float scale = mote_f16_to_f32(load16(p)), minimum = mote_f16_to_f32(load16(p + 2));
        for (size_t i = 0; i < SRC_BLOCK; i++)
            out[b * SRC_BLOCK + i] = (float)nibble(p + 4, i) * scale + minimum;
    }
}

void decode_values(enum src_type from, const uint8_t *bytes, size_t n, float *out)
{
    switch (from) {
    case SRC_F32: memcpy(out, bytes, n * sizeof *out); break;
    case SRC_F16: decode_f16(bytes, n, out); break;
    case SRC_BF16: decode_bf16(bytes, n, out); break;
    case SRC_Q8_0: decode_q8_0(bytes, n, out); break;
    case SRC_Q4_0: decode_q4_0(bytes, n, out); break;
    case SRC_Q4_1: decode_q4_1(bytes, n, out); break;
    default: decode_blocks(from, bytes, n, out); break;
    }
}

size_t find_not_finite(const float *x, size_t n)
{
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t magnitude = float_bits(x[i]) & 0x7fffffffu;
        most = magnitude > most ? magnitude : most;
    }
    if (most < 0x7f800000u)
        return n;
    size_t i = 0;
    while ((float_bits(x[i]) & 0x7f800000u) != 0x7f800000u)
        i++;
    return i;
}

/* ---- encoding one row into its lane of the tile ---------------------------------------------- */

static encode_status encode_f32(const encoder *e, const float *x, size_t r, uint8_t *tile,
                                size_t *column)
{
    (void)column;
    for (size_t i = 0; i < e->k; i++)
        memcpy(tile + (i * ROWS + r) * 4, &x[i], 4);
    return ENCODE_OK;
}

static encode_status encode_f16(const encoder *e, const float *x, size_t r, uint8_t *tile,
                                size_t *column)
{
    uint32_t most = 0;
    for (size_t i = 0; i < e->k; i++) {
        uint16_t h = mote_f32_to_f16(x[i]);
        most = (h & 0x7fffu) > most ? (h & 0x7fffu) : most;
        store16(tile + (i * ROWS + r) * 2, h);
    }
    if (most < 0x7c00u)
        return ENCODE_OK;
    for (*column = 0; (mote_f32_to_f16(x[*column]) & 0x7fffu) < 0x7c00u; ++*column)
        ;
    return ENCODE_TOO_LARGE;
}

/* To nearest even; x is finite. */
static uint16_t f32_to_bf16(float x)
{
    uint32_t u = float_bits(x);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

static encode_status encode_bf16(const encoder *e, const float *x, size_t r, uint8_t *tile,
                                 size_t *column)
{
    for (*column = 0; *column < e->k; ++*column) {
        uint16_t h = f32_to_bf16(x[*column]);
        if ((h & 0x7fffu) == 0x7f80u)
            return ENCODE_TOO_LARGE;
        store16(tile + (*column * ROWS + r) * 2, h);
    }
    return ENCODE_OK;
}

static void put_q8_code(uint8_t *lines, size_t r, size_t i, int code)
{
    lines[i / 4 * MOTE_LINE + r * 4 + i % 4] = (uint8_t)(int8_t)code;
}

static void put_4bit_code(uint8_t *lines, size_t r, size_t i, uint8_t code)
{
    uint8_t *p = lines + i / 8 * MOTE_LINE + r * 4 + i % 4;
    *p = (uint8_t)(i % 8 < 4 ? (*p & 0xf0u) | code : (*p & 0x0fu) | (uint32_t)code << 4);
}

/* Scale = amax / 127 rounded to f16; codes are made against the rounded scale. */
static encode_status encode_q8(const encoder *e, const float *x, size_t r, uint8_t *tile,
                               size_t *column)
{
    uint8_t *lines = tile + mote_tile_scale_bytes(MOTE_Q8, e->group, e->padded_k);
    for (size_t at = 0; at < e->k; at += e->group) {
        size_t n = e->k - at < e->group ? e->k - at : e->group;
        float amax = 0;
        for (size_t i = 0; i < n; i++)
            amax = mote_fmax(amax, mote_fabs(x[at + i]));
        uint16_t scale = mote_f32_to_f16(amax / 127.0f);
        if (scale >= 0x7c00u) {
            for (*column = at; !(mote_fabs(x[*column]) >= amax); ++*column)
                ;
            return ENCODE_TOO_LARGE;
        }
        store16(tile + (at / e->group * ROWS + r) * 2, scale);
        float s = mote_f16_to_f32(scale);
        for (size_t i = 0; s > 0 && i < n; i++) {
            float q = mote_rne(x[at + i] / s);
            put_q8_code(lines, r, at + i, (int)(q > 127 ? 127 : q < -127 ? -127 : q));
        }
    }
    return ENCODE_OK;
}

/* One row's codes and steps into its lane. */
static void put_q4(const encoder *e, const uint8_t *codes, const int8_t *steps, float row, size_t r,
                   uint8_t *tile)
{
    uint8_t *lines = tile + mote_tile_scale_bytes(MOTE_Q4, e->group, e->k);
    memcpy(tile + r * 4, &row, sizeof row);
    for (size_t g = 0; g < e->k / 32; g++)
        tile[MOTE_LINE + g * ROWS + r] = (uint8_t)steps[g];
    for (size_t i = 0; i < e->k; i++)
        put_4bit_code(lines, r, i, codes[i]);
}

/* x [n_rows, k], changed. scratch: the codes, the steps, then what the search needs. */
static void encode_q4(const encoder *e, float *x, size_t n_rows, uint8_t *tile, float *scratch)
{
    const size_t k = e->k;
    float rows[ROWS], *work = scratch + ROWS * (k / 4 + (k + 127) / 128);
    uint8_t *codes = (uint8_t *)scratch;
    int8_t *steps = (int8_t *)(codes + ROWS * k);
    if (e->guide)
        quantize_q4_guided(x, n_rows, e->guide, codes, steps, rows, work);
    for (size_t r = 0; r < n_rows; r++) {
        uint8_t *c = codes + r * k;
        int8_t *s = steps + r * (k / 32);
        if (!e->guide)
            quantize_q4_row(x + r * k, k, c, s, &rows[r], work);
        put_q4(e, c, s, rows[r], r, tile);
    }
}

/* Floats of the above with x; k a multiple of 32. */
static size_t q4_floats(size_t k) { return ROWS * (k + k / 4 + (k + 127) / 128 + k + 32) + k / 16; }

/* ---- GGUF blocks, code for code -------------------------------------------------------------- */

static encode_status repack(const encoder *e, const uint8_t *p, size_t r, uint8_t *tile,
                            size_t *column)
{
    const bool q8 = e->from == SRC_Q8_0, minimum = e->from == SRC_Q4_1;
    uint8_t *lines = tile + mote_tile_scale_bytes(e->to, e->group, e->padded_k);
    for (size_t g = 0; g < e->k / SRC_BLOCK; g++, p += src_unit_bytes(e->from)) {
        const uint8_t *codes = p + (minimum ? 4 : 2);
        uint8_t *scales = tile + g * ROWS * (minimum ? 4 : 2);
        *column = g * SRC_BLOCK;
        if ((load16(p) & 0x7c00u) == 0x7c00u || (minimum && (load16(p + 2) & 0x7c00u) == 0x7c00u))
            return ENCODE_NOT_FINITE;
        store16(scales + 2 * r, load16(p));
        if (minimum)
            store16(scales + 2 * (ROWS + r), load16(p + 2));
        for (size_t i = 0; i < SRC_BLOCK; i++)
            if (q8)
                put_q8_code(lines, r, *column + i, (int8_t)codes[i]);
            else
                put_4bit_code(lines, r, *column + i, nibble(codes, i));
    }
    return ENCODE_OK;
}

/* ---- the tile ------------------------------------------------------------------------------- */

static bool is_twin(enum src_type from, enum mote_type to, uint32_t group)
{
    return (from == SRC_Q8_0 && to == MOTE_Q8 && group == SRC_BLOCK) ||
           (from == SRC_Q4_0 && to == MOTE_Q4_0) || (from == SRC_Q4_1 && to == MOTE_Q4_1);
}

encoder encoder_make(enum src_type from, enum mote_type to, uint32_t group, size_t k)
{
    size_t unit = src_block(from), padded_k = mote_padded_k(to, group, k);
    return (encoder){.from = from,
                     .to = to,
                     .group = group,
                     .k = k,
                     .padded_k = padded_k,
                     .row_bytes = k / unit * src_unit_bytes(from),
                     .tile_bytes = mote_tile_bytes(to, group, padded_k),
                     .scratch_floats = to == MOTE_Q4 ? q4_floats(k) : k};
}

static encode_status encode_row(const encoder *e, const uint8_t *row, size_t r, uint8_t *tile,
                                float *x, size_t *column)
{
    if (is_twin(e->from, e->to, e->group))
        return repack(e, row, r, tile, column);
    x += e->to == MOTE_Q4 ? r * e->k : 0; /* all rows of the tile wait for each other */
    decode_values(e->from, row, e->k, x);
    *column = find_not_finite(x, e->k);
    if (*column < e->k)
        return ENCODE_NOT_FINITE;
    switch (e->to) {
    case MOTE_F32: return encode_f32(e, x, r, tile, column);
    case MOTE_F16: return encode_f16(e, x, r, tile, column);
    case MOTE_BF16: return encode_bf16(e, x, r, tile, column);
    case MOTE_Q8: return encode_q8(e, x, r, tile, column);
    default: return ENCODE_OK;
    }
}

encode_status encode_tile(const encoder *e, const uint8_t *rows, size_t n_rows, uint8_t *tile,
                          float *scratch, encode_fault *fault)
{
    size_t scale_bytes = mote_tile_scale_bytes(e->to, e->group, e->padded_k);
    /* Two codes for zero in a byte; q4 and q4_0 both have it in the middle. */
    uint8_t zero = e->to == MOTE_Q4 || e->to == MOTE_Q4_0 ? MOTE_BOOK_ZERO * 0x11 : 0;
    memset(tile, 0, scale_bytes);
    memset(tile + scale_bytes, zero, e->tile_bytes - scale_bytes);
    for (size_t r = 0; r < n_rows; r++) {
        fault->row = r;
        encode_status status =
            encode_row(e, rows + r * e->row_bytes, r, tile, scratch, &fault->column);
        if (status)
            return status;
    }
    if (e->to == MOTE_Q4)
        encode_q4(e, scratch, n_rows, tile, scratch + ROWS * e->k);
    return ENCODE_OK;
}
