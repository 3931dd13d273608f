/* dequant_ref.c: one row of a matrix as floats (an embedding is such a row). The only tier: it
 * reads a row per token, a word in each 64-byte line.
 */
#include "kernels/math.h"
#include "kernels/tiers.h"

static const int8_t book[16] = MOTE_BOOK_LEVELS;

static float half_at(const uint8_t *p, size_t i)
{
    uint16_t h;
    memcpy(&h, p + 2 * i, 2);
    return mote_f16_to_f32(h);
}

static int32_t code4(const uint8_t *lines, size_t row, size_t c)
{
    uint8_t byte = lines[c / 8 * MOTE_LINE + 4 * row + c % 4];
    return c % 8 < 4 ? byte & 15 : byte >> 4;
}

static void float_row(float *y, const uint8_t *tile, size_t row, size_t k, enum mote_type type)
{
    for (size_t c = 0; c < k; c++) {
        if (type == MOTE_F32) {
            memcpy(&y[c], tile + 64 * c + 4 * row, 4);
        } else {
            uint16_t h;
            memcpy(&h, tile + 32 * c + 2 * row, 2);
            y[c] = type == MOTE_F16 ? mote_f16_to_f32(h) : mote_bf16_to_f32(h);
        }
    }
}

void mote_k_dequant_row_ref(float *y, const mote_mat *w, size_t row, size_t k)
{
    const uint8_t *tile = w->data + row / 16 * w->tile_bytes;
    const uint8_t *lines = tile + mote_tile_scale_bytes(w->type, w->group, w->k);
    float factor = 0.0f;
    row %= 16;
    if (MOTE_TYPES_FLOAT && w->type <= MOTE_BF16)
        float_row(y, tile, row, k, w->type);
    else if (MOTE_TYPE_Q4 && w->type == MOTE_Q4)
        memcpy(&factor, tile + 4 * row, 4);
    for (size_t c = 0; w->type > MOTE_BF16 && c < k; c++) {
        size_t g = c / w->group;
        if (w->type == MOTE_Q8)
            y[c] = (float)(int8_t)lines[c / 4 * MOTE_LINE + 4 * row + c % 4] *
                   half_at(tile, 16 * g + row);
        else if (MOTE_TYPE_Q4 && w->type == MOTE_Q4)
            y[c] = (float)(book[code4(lines, row, c)] * (int8_t)tile[MOTE_LINE + 16 * g + row]) *
                   factor;
        else if (MOTE_TYPES_GGUF && w->type == MOTE_Q4_0)
            y[c] = (float)(code4(lines, row, c) - 8) * half_at(tile, 16 * g + row);
        else if (MOTE_TYPES_GGUF)
            y[c] = (float)code4(lines, row, c) * half_at(tile, 32 * g + row) +
                   half_at(tile, 32 * g + 16 + row);
    }
}
