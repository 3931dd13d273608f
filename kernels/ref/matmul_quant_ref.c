/* matmul_quant_ref.c: products with quantised weights, the definition. Read quant.h first.
 *
 * Activations come as int8 codes in groups of 32 with a float scale each. A group's products are
 * summed exactly in int32; then one fma brings the sum into the row's float accumulator, groups
 * ascending:  acc = fma((float)isum, weight scale * activation scale, acc), the product of the two
 * scales rounded once. q4_1 adds its minimum by a second fma, q4 multiplies by its row factor at
 * the end.
 */
#include "kernels/math.h"
#include "kernels/tiers.h"

static const int8_t book[16] = MOTE_BOOK_LEVELS;

/* int32 sums of up to 32 columns from `at` on, for one row of the tile. */
static int32_t sum_q8(const uint8_t *lines, size_t row, const int8_t *codes, size_t at, size_t len)
{
    int32_t sum = 0;
    for (size_t c = 0; c < len; c++) {
        const uint8_t *line = lines + (at + c) / 4 * MOTE_LINE;
        sum += (int8_t)line[4 * row + (at + c) % 4] * codes[at + c];
    }
    return sum;
}

/* The same for 4-bit codes: levels[code] * activation. A NULL table: the code itself. */
static int32_t sum_q4(const uint8_t *lines, size_t row, const int8_t *codes, size_t at,
                      const int8_t *levels)
{
    int32_t sum = 0;
    for (size_t c = 0; c < 16; c++) { /* a byte is loaded once */
        uint8_t byte = lines[(at / 8 + c / 4) * MOTE_LINE + 4 * row + c % 4];
        int32_t low = byte & 15, high = byte >> 4;
        const int8_t *x = codes + at + c / 4 * 8 + c % 4;
        sum += (levels ? levels[low] : low) * x[0] + (levels ? levels[high] : high) * x[4];
    }
    return sum;
}

static float half_at(const uint8_t *scales, size_t i)
{
    uint16_t h;
    memcpy(&h, scales + 2 * i, 2);
    return mote_f16_to_f32(h);
}

static float row_q8(const mote_mat *w, const uint8_t *tile, size_t row, const int8_t *codes,
                    const float *as)
{
    const uint8_t *lines = tile + mote_tile_scale_bytes(MOTE_Q8, w->group, w->k);
    float acc = 0.0f;
    for (size_t at = 0; at < w->k; at += 32) {
        size_t len = w->k - at < 32 ? w->k - at : 32;
        float scale = half_at(tile, at / w->group * 16 + row) * as[at / 32];
        acc = mote_fma((float)sum_q8(lines, row, codes, at, len), scale, acc);
    }
    return acc;
}

static float row_q4(const mote_mat *w, const uint8_t *tile, size_t row, const int8_t *codes,
                    const float *as)
{
    const int8_t *steps = (const int8_t *)tile + MOTE_LINE;
    const uint8_t *lines = tile + mote_tile_scale_bytes(MOTE_Q4, 32, w->k);
    float acc = 0.0f, factor;
    for (size_t at = 0; at < w->k; at += 32) {
        float scale = (float)steps[at / 32 * 16 + row] * as[at / 32];
        acc = mote_fma((float)sum_q4(lines, row, codes, at, book), scale, acc);
    }
    memcpy(&factor, tile + 4 * row, 4);
    return acc * factor;
}

static float row_q4_0(const mote_mat *w, const uint8_t *tile, size_t row, const int8_t *codes,
                      const float *as, const int32_t *sums)
{
    const uint8_t *lines = tile + mote_tile_scale_bytes(MOTE_Q4_0, 32, w->k);
    float acc = 0.0f;
    for (size_t at = 0; at < w->k; at += 32) {
        float scale = half_at(tile, at / 32 * 16 + row) * as[at / 32];
        int32_t sum = sum_q4(lines, row, codes, at, NULL) - 8 * sums[at / 32];
        acc = mote_fma((float)sum, scale, acc);
    }
    return acc;
}

static float row_q4_1(const mote_mat *w, const uint8_t *tile, size_t row, const int8_t *codes,
                      const float *as, const int32_t *sums)
{
    const uint8_t *lines = tile + mote_tile_scale_bytes(MOTE_Q4_1, 32, w->k);
    float acc = 0.0f;
    for (size_t at = 0; at < w->k; at += 32) {
        float scale = half_at(tile, at / 32 * 32 + row) * as[at / 32];
        float minimum = half_at(tile, at / 32 * 32 + 16 + row) * as[at / 32];
        acc = mote_fma((float)sum_q4(lines, row, codes, at, NULL), scale, acc);
        acc = mote_fma((float)sums[at / 32], minimum, acc);
    }
    return acc;
}

static inline void product(float *out, size_t out_stride, const mote_acts *x, size_t n,
                           const mote_mat *w, size_t begin, size_t end, enum mote_type type)
{
    for (size_t tile = begin; tile < end; tile++)
        for (size_t t = 0; t < n; t++)
            for (size_t row = 0; row < 16; row++) {
                const uint8_t *data = w->data + tile * w->tile_bytes;
                const int8_t *codes = x->codes + t * x->code_stride;
                const float *as = x->scales + t * x->group_stride;
                const int32_t *sums = x->sums + t * x->group_stride;
                float *o = out + t * out_stride + 16 * (tile - begin) + row;
                if (type == MOTE_Q8)
                    *o = row_q8(w, data, row, codes, as);
                else if (type == MOTE_Q4)
                    *o = row_q4(w, data, row, codes, as);
                else if (type == MOTE_Q4_0)
                    *o = row_q4_0(w, data, row, codes, as, sums);
                else
                    *o = row_q4_1(w, data, row, codes, as, sums);
            }
}

void mote_k_matmul_q8_ref(float *out, size_t out_stride, const mote_acts *x, size_t n,
                          const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q8);
}

void mote_k_matmul_q4_ref(float *out, size_t out_stride, const mote_acts *x, size_t n,
                          const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q4);
}

void mote_k_matmul_q4_0_ref(float *out, size_t out_stride, const mote_acts *x, size_t n,
                            const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q4_0);
}

void mote_k_matmul_q4_1_ref(float *out, size_t out_stride, const mote_acts *x, size_t n,
                            const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q4_1);
}
