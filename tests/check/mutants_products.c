/* mutants_products.c: wrong products and a wrong dequant_row. Read mutants.h, kernels/quant.h. */
#include "kernels/math.h"
#include "kernels/tiers.h"
#include "tests/check/mutants.h"

#define PARAMS                                                                                     \
    float *out, size_t out_stride, const mote_acts *x, size_t n, const mote_mat *w, size_t begin,  \
        size_t end
#define ARGS out, out_stride, x, n, w, begin, end

/* ---- float weights --------------------------------------------------------------------------- */

#define FLOAT_FAULTS(X)                                                                            \
    X(matmul_f32, FLOAT_RIGHT, RIGHT, "no fault")                                                  \
    X(matmul_f32, LAST_COLUMN, WRONG, "the last column is skipped")                                \
    X(matmul_f32, NEXT_ROW, WRONG, "rows off by one")                                              \
    X(matmul_f32, DESCENDING, WRONG, "columns added in descending order")                          \
    X(matmul_f32, TWO_SUMS, WRONG, "even and odd columns added apart")                             \
    X(matmul_f32, MUL_ADD, WRONG, "product and sum rounded apart, no fma")                         \
    X(matmul_f32, IN_DOUBLE, WRONG, "added in double, more exact than the contract")               \
    X(matmul_f32, MINUS_ZERO, WRONG, "sums start at -0")                                           \
    X(matmul_f32, FLUSHED, WRONG, "subnormal results become 0")                                    \
    X(matmul_f32, LAST_TOKEN, WRONG, "the last token is left out")                                 \
    X(matmul_f32, STALE_OUT, WRONG, "adds to what lay in out")                                     \
    X(matmul_f32, X_STRIDE, WRONG, "stride of the activations ignored")                            \
    X(matmul_f32, OUT_STRIDE, WRONG, "stride of the results ignored")                              \
    X(matmul_f32, TILE_STRIDE, WRONG, "tile_bytes ignored")                                        \
    X(matmul_f32, FROM_TILE_0, WRONG, "begin ignored: always the first tiles")                     \
    X(matmul_f32, NO_PADDING, WRONG, "padding rows of the last tile not written")                  \
    X(matmul_f32, ONE_MORE, WRONG, "one element more written per token")                           \
    X(matmul_f32, X_PAST_END, WRONG, "reads one activation past the end")                          \
    X(matmul_f32, NEXT_TILE, WRONG, "reads one byte past the last tile")                           \
    X(matmul_f32, TOUCHES_X, WRONG, "changes its input")                                           \
    X(matmul_f16, F16_FLUSHED, WRONG, "subnormal f16 weights become 0")                            \
    X(matmul_bf16, BF16_AS_F16, WRONG, "bf16 read as f16")

enum { FLOAT_FAULTS(MUTANT_NAME) };

static inline float weight_at(const mote_mat *w, const uint8_t *tile, size_t row, size_t col, int f)
{
    float x;
    uint16_t h;
    if (w->type == MOTE_F32) {
        memcpy(&x, tile + 64 * col + 4 * row, 4);
        return x;
    }
    memcpy(&h, tile + 32 * col + 2 * row, 2);
    if (f == F16_FLUSHED && (h & 0x7c00u) == 0)
        return 0.0f;
    return w->type == MOTE_F16 || f == BF16_AS_F16 ? mote_f16_to_f32(h) : mote_bf16_to_f32(h);
}

static inline float float_row(const mote_mat *w, const uint8_t *tile, size_t row, const float *x,
                              int f)
{
    float acc = f == MINUS_ZERO ? -0.0f : 0.0f, odd = 0.0f;
    double wide = 0.0;
    size_t k = w->k - (f == LAST_COLUMN);
    for (size_t i = 0; i < k; i++) {
        size_t col = f == DESCENDING ? k - 1 - i : i;
        float a = weight_at(w, tile, row, col, f);
        wide += (double)a * (double)x[col];
        if (f == MUL_ADD)
            acc += a * x[col];
        else if (f == TWO_SUMS && col % 2)
            odd = mote_fma(a, x[col], odd);
        else
            acc = mote_fma(a, x[col], acc);
    }
    acc = f == TWO_SUMS ? acc + odd : f == IN_DOUBLE ? (float)wide : acc;
    return f == FLUSHED && mote_fabs(acc) < FLT_MIN ? 0.0f : acc;
}

/* One tile and token; o: where its 16 results go. */
static inline void float_tile(float *o, const mote_mat *w, size_t tile, const uint8_t *data,
                              const float *x, int f)
{
    for (size_t row = 0; row < 16; row++) {
        float y = float_row(w, data, f == NEXT_ROW ? (row + 1) % 16 : row, x, f);
        if (f != NO_PADDING || 16 * tile + row < w->rows)
            o[row] = f == STALE_OUT ? o[row] + y : y;
    }
}

static inline void float_product(PARAMS, int f)
{
    size_t own_bytes = mote_tile_bytes(w->type, 32, w->k), n_rows = 16 * (end - begin);
    size_t x_stride = f == X_STRIDE ? w->k : x->f32_stride;
    out_stride = f == OUT_STRIDE ? n_rows : out_stride;
    for (size_t tile = begin; tile < end; tile++)
        for (size_t t = 0; t + (f == LAST_TOKEN) < n; t++) {
            size_t from = f == FROM_TILE_0 ? tile - begin : tile;
            const uint8_t *data = w->data + from * (f == TILE_STRIDE ? own_bytes : w->tile_bytes);
            const float *row = x->f32 + t * x_stride;
            float_tile(out + t * out_stride + 16 * (tile - begin), w, tile, data, row, f);
            if (f == X_PAST_END)
                touch(row + w->k);
            if (f == NEXT_TILE)
                touch(data + own_bytes);
            if (f == ONE_MORE)
                out[t * out_stride + n_rows] = 0.0f;
            if (f == TOUCHES_X)
                ((float *)(uintptr_t)row)[0] = 1.0f;
        }
}

#define FLOAT_MUTANT(slot, name, kind, text)                                                       \
    static void name##_fn(PARAMS) { float_product(ARGS, name); }
FLOAT_FAULTS(FLOAT_MUTANT)

/* ---- quantised weights ----------------------------------------------------------------------- */

#define QUANT_FAULTS(X)                                                                            \
    X(matmul_q8, Q8_RIGHT, RIGHT, "no fault")                                                      \
    X(matmul_q8, GROUP_32, WRONG, "group 64 read as group 32: wrong scales")                       \
    X(matmul_q8, NEXT_SCALE, WRONG, "scale of the neighbouring row")                               \
    X(matmul_q8, SATURATES, WRONG, "pairs of products saturate at 16 bits")                        \
    X(matmul_q8, NO_128, WRONG, "code -128 taken as -127")                                         \
    X(matmul_q8, NO_TAIL, WRONG, "columns after the last whole group skipped")                     \
    X(matmul_q8, SCALED_SUM, WRONG, "sum times one scale rounded, then the other")                 \
    X(matmul_q8, Q8_MUL_ADD, WRONG, "product and sum rounded apart, no fma")                       \
    X(matmul_q8, GROUPS_BACK, WRONG, "groups added in descending order")                           \
    X(matmul_q8, CODES_STRIDE, WRONG, "stride of the activation codes ignored")                    \
    X(matmul_q8, CODES_PAST_END, WRONG, "reads past the last activation code")                     \
    X(matmul_q4, Q4_RIGHT, RIGHT, "no fault")                                                      \
    X(matmul_q4, NIBBLES, WRONG, "nibbles swapped")                                                \
    X(matmul_q4, BOOK_OFFSET, WRONG, "levels off by one")                                          \
    X(matmul_q4, UNSIGNED_STEP, WRONG, "steps read as unsigned")                                   \
    X(matmul_q4, NO_FACTOR, WRONG, "row factor forgotten")                                         \
    X(matmul_q4, EARLY_FACTOR, WRONG, "row factor in every step instead of at the end")            \
    X(matmul_q4, SHORT_SUM, WRONG, "a group's sum kept in 16 bits")                                \
    X(matmul_q4_0, Q4_0_RIGHT, RIGHT, "no fault")                                                  \
    X(matmul_q4_0, NO_ZERO_POINT, WRONG, "zero point 8 forgotten")                                 \
    X(matmul_q4_0, INTERLEAVED, WRONG, "neighbouring columns taken from one byte")                 \
    X(matmul_q4_1, Q4_1_RIGHT, RIGHT, "no fault")                                                  \
    X(matmul_q4_1, NO_MINIMUM, WRONG, "minimum forgotten")                                         \
    X(matmul_q4_1, MINIMUM_FIRST, WRONG, "minimum added before the product")                       \
    X(matmul_q4_1, SUMS_STRIDE, WRONG, "stride of the activation sums ignored")

enum { QUANT_FAULTS(MUTANT_NAME) };

static inline float half_of(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return mote_f16_to_f32(h);
}

/* What the code of a column stands for. */
static inline int32_t level_at(const mote_mat *w, const uint8_t *lines, size_t row, size_t col,
                               int f)
{
    static const int8_t book[16] = MOTE_BOOK_LEVELS;
    if (w->type == MOTE_Q8) {
        int8_t code = (int8_t)lines[col / 4 * 64 + 4 * row + col % 4];
        return f == NO_128 && code == -128 ? -127 : code;
    }
    bool high = (col % 8 >= 4) != (f == NIBBLES);
    size_t byte = col % 4;
    if (f == INTERLEAVED)
        high = col % 2, byte = col % 8 / 2;
    int32_t code = lines[col / 8 * 64 + 4 * row + byte] >> (high ? 4 : 0) & 15;
    if (w->type == MOTE_Q4)
        return book[code] + (f == BOOK_OFFSET);
    return w->type == MOTE_Q4_0 && f != NO_ZERO_POINT ? code - 8 : code;
}

static inline int32_t clip(int32_t x) { return x > 32767 ? 32767 : x < -32768 ? -32768 : x; }

/* The sum of one group. */
static inline int32_t sum_levels(const mote_mat *w, const uint8_t *lines, size_t row,
                                 const int8_t *codes, size_t at, size_t len, int f)
{
    int32_t sum = 0, pair = 0, a_sum = 0;
    for (size_t i = at; i < at + len; i++) {
        int32_t level = level_at(w, lines, row, i, f);
        sum += level * codes[i];
        pair = (i % 2 ? pair : 0) + (level + 128) * codes[i];
        a_sum += i % 2 ? clip(pair) : 0;
        a_sum -= 128 * codes[i];
    }
    return f == SATURATES ? a_sum : f == SHORT_SUM ? (int16_t)sum : sum;
}

/* The weight scale of the group at column `at`. */
static inline float scale_at(const mote_mat *w, const uint8_t *tile, size_t row, size_t at, int f)
{
    size_t g = at / (f == GROUP_32 ? 32 : w->group), lane = f == NEXT_SCALE ? row ^ 1 : row;
    uint8_t step = tile[64 + 16 * (at / 32) + row];
    if (w->type == MOTE_Q4)
        return f == UNSIGNED_STEP ? (float)step : (float)(int8_t)step;
    return half_of(tile + g * (w->type == MOTE_Q4_1 ? 64 : 32) + 2 * lane);
}

static inline float quant_row(const mote_mat *w, const uint8_t *tile, size_t row,
                              const int8_t *codes, const float *scales, const int32_t *sums, int f)
{
    const uint8_t *lines = tile + mote_tile_scale_bytes(w->type, w->group, w->k);
    size_t groups = f == NO_TAIL ? w->k / 32 : (w->k + 31) / 32;
    float acc = 0.0f, factor = 1.0f;
    if (w->type == MOTE_Q4)
        memcpy(&factor, tile + 4 * row, 4);
    for (size_t i = 0; i < groups; i++) {
        size_t g = f == GROUPS_BACK ? groups - 1 - i : i, at = 32 * g;
        size_t len = w->k - at < 32 ? w->k - at : 32;
        float sum = (float)sum_levels(w, lines, row, codes, at, len, f);
        float ws = scale_at(w, tile, row, at, f), as = scales[g], minimum = 0.0f;
        if (w->type == MOTE_Q4_1)
            minimum = half_of(tile + 64 * g + 32 + 2 * row) * as;
        if (f == MINIMUM_FIRST)
            acc = mote_fma((float)sums[g], minimum, acc);
        if (f == EARLY_FACTOR)
            ws *= factor;
        if (f == SCALED_SUM)
            acc = mote_fma(sum * ws, as, acc);
        else if (f == Q8_MUL_ADD)
            acc += sum * (ws * as);
        else
            acc = mote_fma(sum, ws * as, acc);
        if (w->type == MOTE_Q4_1 && f != MINIMUM_FIRST && f != NO_MINIMUM)
            acc = mote_fma((float)sums[g], minimum, acc);
    }
    return w->type == MOTE_Q4 && f != NO_FACTOR && f != EARLY_FACTOR ? acc * factor : acc;
}

static inline void quant_product(PARAMS, int f)
{
    size_t groups = (w->k + 31) / 32;
    size_t code_stride = f == CODES_STRIDE ? 32 * groups : x->code_stride;
    size_t sum_stride = f == SUMS_STRIDE ? groups : x->group_stride;
    for (size_t tile = begin; tile < end; tile++)
        for (size_t t = 0; t < n; t++) {
            const int8_t *codes = x->codes + t * code_stride;
            for (size_t row = 0; row < 16; row++)
                out[t * out_stride + 16 * (tile - begin) + row] =
                    quant_row(w, w->data + tile * w->tile_bytes, row, codes,
                              x->scales + t * x->group_stride, x->sums + t * sum_stride, f);
            if (f == CODES_PAST_END)
                touch(codes + 32 * groups);
        }
}

#define QUANT_MUTANT(slot, name, kind, text)                                                       \
    static void name##_fn(PARAMS) { quant_product(ARGS, name); }
QUANT_FAULTS(QUANT_MUTANT)

/* ---- dequant_row: the right one, called wrongly ---------------------------------------------- */

#define DEQUANT_FAULTS(X)                                                                          \
    X(dequant_row, DEQUANT_GROUP, WRONG, "group 64 read as group 32: wrong scales")                \
    X(dequant_row, DEQUANT_ROW, WRONG, "the row beside")                                           \
    X(dequant_row, DEQUANT_TILE, WRONG, "always the first tile")                                   \
    X(dequant_row, DEQUANT_PADDED, WRONG, "writes the padding too")

enum { DEQUANT_FAULTS(MUTANT_NAME) };

static inline void dequant(float *y, const mote_mat *w, size_t row, size_t k, int f)
{
    mote_mat m = *w;
    if (f == DEQUANT_GROUP)
        m.group = 32;
    if (f == DEQUANT_ROW)
        row ^= 1;
    if (f == DEQUANT_TILE)
        row %= 16;
    mote_k_dequant_row_ref(y, &m, row, f == DEQUANT_PADDED ? w->k : k);
}

#define DEQUANT_MUTANT(slot, name, kind, text)                                                     \
    static void name##_fn(float *y, const mote_mat *w, size_t row, size_t k)                       \
    {                                                                                              \
        dequant(y, w, row, k, name);                                                               \
    }
DEQUANT_FAULTS(DEQUANT_MUTANT)

const mutant product_mutants[] = {FLOAT_FAULTS(MUTANT_LINE) QUANT_FAULTS(MUTANT_LINE)
                                      DEQUANT_FAULTS(MUTANT_LINE){0}};
