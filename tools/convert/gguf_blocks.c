/* gguf_blocks.c: GGUF's block types that have no twin in a .mote file, as floats: they are read and
 * encoded anew. Layouts as ggml defines them (ggml-common.h, ggml-quants.c); the order of roundings
 * too, so that the values are its values bit for bit. Read encode.h first.
 */
#include <string.h>

#include "kernels/math.h"
#include "tools/convert/encode.h"

#define SUPER 256u /* weights of a super-block, cut into 16 parts of 16 or 8 of 32 */

static float half_at(const uint8_t *p)
{
    uint16_t u;
    memcpy(&u, p, sizeof u);
    return mote_f16_to_f32(u);
}

/* ---- blocks of 32 --------------------------------------------------------------------------- */

/* f16 scale, (f16 minimum,) 32 fifth bits, 16 bytes: code i low, code i + 16 high. */
static void decode_q5(const uint8_t *p, float *out, bool has_minimum)
{
    float scale = half_at(p), minimum = has_minimum ? half_at(p + 2) : 0.0f;
    const uint8_t *codes = p + (has_minimum ? 8 : 6);
    uint32_t fifth;
    memcpy(&fifth, codes - 4, sizeof fifth);
    for (size_t i = 0; i < 32; i++) {
        uint32_t low = i < 16 ? codes[i] & 15u : codes[i - 16] >> 4;
        int code = (int)(low | (fifth >> i & 1) << 4);
        out[i] = has_minimum ? (float)code * scale + minimum : (float)(code - 16) * scale;
    }
}

static const int8_t iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};

/* 16 bytes of codes into the book: code i low, code i + 16 high. */
static void decode_iq4(const uint8_t *codes, float scale, float *out)
{
    for (size_t i = 0; i < 16; i++) {
        out[i] = scale * (float)iq4_levels[codes[i] & 15];
        out[i + 16] = scale * (float)iq4_levels[codes[i] >> 4];
    }
}

/* ---- super-blocks --------------------------------------------------------------------------- */

/* f16 scale, 8 scales of 6 bits (2 high bits each in a u16, 4 low bits in 4 bytes), codes. */
static void decode_iq4_xs(const uint8_t *p, float *out)
{
    float scale = half_at(p);
    unsigned high = p[2] | (unsigned)p[3] << 8;
    for (size_t part = 0; part < 8; part++) {
        int low = p[4 + part / 2] >> 4 * (part & 1) & 15;
        int sixth = low | (int)(high >> 2 * part & 3) << 4;
        decode_iq4(p + 8 + 16 * part, scale * (float)(sixth - 32), out + 32 * part);
    }
}

/* 16 bytes {scale low, minimum high}, 64 bytes of 2-bit codes, f16 scale, f16 minimum. A byte holds
 * the codes of 4 parts 32 apart; 128 weights share 32 bytes. */
static void decode_q2_k(const uint8_t *p, float *out)
{
    float scale = half_at(p + 80), minimum = half_at(p + 82);
    for (size_t i = 0; i < SUPER; i++) {
        uint8_t both = p[i / 16];
        unsigned code = p[16 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
        out[i] = scale * (float)(both & 15) * (float)code - minimum * (float)(both >> 4);
    }
}

/* 32 bytes of third bits (clear: 4 less), 64 bytes of 2-bit codes, 16 scales of 6 bits in 12 bytes
 * (4 low bits in the first 8, 2 high bits in the last 4), f16 scale. */
static void decode_q3_k(const uint8_t *p, float *out)
{
    float scale = half_at(p + 108);
    const uint8_t *scales = p + 96;
    for (size_t i = 0; i < SUPER; i++) {
        size_t part = i / 16;
        int low = part < 8 ? scales[part] & 15 : scales[part - 8] >> 4;
        int high = scales[8 + part % 4] >> part / 4 * 2 & 3;
        int code = p[32 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
        code -= p[i % 32] >> i / 32 & 1 ? 0 : 4;
        out[i] = scale * (float)((low | high << 4) - 32) * (float)code;
    }
}

/* Scale and minimum of part j of 8, 6 bits each in 12 bytes. */
static void part_scales(const uint8_t *s, size_t j, int *scale, int *minimum)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *minimum = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        *minimum = s[j + 4] >> 4 | s[j] >> 6 << 4;
    }
}

/* f16 scale, f16 minimum, 12 bytes of scales, (32 bytes of fifth bits,) 128 bytes: 32 bytes hold
 * two parts, one low, one high. */
static void decode_q45_k(const uint8_t *p, float *out, bool five)
{
    float scale = half_at(p), minimum = half_at(p + 2);
    const uint8_t *fifth = p + 16, *codes = p + (five ? 48 : 16);
    for (size_t part = 0; part < 8; part++) {
        int s, m;
        part_scales(p + 4, part, &s, &m);
        float step = scale * (float)s, less = minimum * (float)m;
        for (size_t i = 0; i < 32; i++) {
            int code = codes[part / 2 * 32 + i] >> part % 2 * 4 & 15;
            code |= five ? (fifth[i] >> part & 1) << 4 : 0;
            out[32 * part + i] = step * (float)code - less;
        }
    }
}

/* 128 bytes of 4 low bits, 64 of 2 high bits, 16 signed scales, f16 scale. Of 128 weights, the
 * first
 * 64 are in the low halves of 64 bytes, the others in the high halves. */
static void decode_q6_k(const uint8_t *p, float *out)
{
    float scale = half_at(p + 208);
    for (size_t i = 0; i < SUPER; i++) {
        size_t half = i / 128, in = i % 128;
        int low = p[64 * half + in % 64] >> in / 64 * 4 & 15;
        int high = p[128 + 32 * half + in % 32] >> in / 32 * 2 & 3;
        int part = (int8_t)p[192 + i / 16];
        out[i] = scale * (float)part * (float)((low | high << 4) - 32);
    }
}

void decode_blocks(enum src_type from, const uint8_t *p, size_t n, float *out)
{
    size_t block = src_block(from);
    for (size_t i = 0; i < n; i += block, p += src_unit_bytes(from))
        switch (from) {
        case SRC_Q5_0: decode_q5(p, out + i, false); break;
        case SRC_Q5_1: decode_q5(p, out + i, true); break;
        case SRC_Q2_K: decode_q2_k(p, out + i); break;
        case SRC_Q3_K: decode_q3_k(p, out + i); break;
        case SRC_Q4_K: decode_q45_k(p, out + i, false); break;
        case SRC_Q5_K: decode_q45_k(p, out + i, true); break;
        case SRC_Q6_K: decode_q6_k(p, out + i); break;
        case SRC_IQ4_NL: decode_iq4(p + 2, half_at(p), out + i); break;
        case SRC_IQ4_XS: decode_iq4_xs(p, out + i); break;
        default: break;
        }
}
