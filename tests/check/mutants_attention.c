/* mutants_attention.c: wrong softmax, value step, merge, divide and stores. Read mutants.h,
 * kernels/kernels.h.
 */
#include "kernels/math.h"
#include "tests/check/check.h"
#include "tests/check/mutants.h"

#define LANES 16

/* ---- softmax --------------------------------------------------------------------------------- */

#define SOFTMAX_FAULTS(X)                                                                          \
    X(softmax, SOFTMAX_RIGHT, RIGHT, "no fault")                                                   \
    X(softmax, NO_MAX, WRONG, "maximum not subtracted")                                            \
    X(softmax, MASK_SHORT, WRONG, "mask off by one: the last position left out")                   \
    X(softmax, MASK_LONG, WRONG, "mask off by one: one position more")                             \
    X(softmax, WINDOW_LATE, WRONG, "window off by one: the first position left out")               \
    X(softmax, FROM_ZERO, WRONG, "lo ignored")                                                     \
    X(softmax, LANES_SHIFTED, RIGHT, "lanes counted from lo: rotated, they fold to the same")      \
    X(softmax, FOLDED_UP, WRONG, "lanes folded 1, 2, 4, 8")                                        \
    X(softmax, NO_CAP, WRONG, "cap ignored")                                                       \
    X(softmax, SCALE_LATE, WRONG, "scaled after the cap")                                          \
    X(softmax, MAX_UNSCALED, WRONG, "largest product taken before a negative scale")               \
    X(softmax, NORMALISED, WRONG, "divides by the sum already")                                    \
    X(softmax, SUM_SERIAL, WRONG, "one running sum instead of 16 lanes")                           \
    X(softmax, SOFTMAX_LIBM, CLOSE, "exp of libm")

enum { SOFTMAX_FAULTS(MUTANT_NAME) };

static inline float score(float p, float scale, float cap, int f)
{
    if (cap <= 0.0f || f == NO_CAP)
        return p * scale;
    if (f == SCALE_LATE)
        return cap * mote_tanh(p / cap) * scale;
    return cap * mote_tanh(p * scale / cap);
}

static inline void softmax(float *p, size_t lo, size_t hi, float scale, float cap, float *max,
                           float *sum, int f)
{
    float lane[LANES] = {0}, m = -INFINITY;
    lo = f == FROM_ZERO ? 0 : lo + (f == WINDOW_LATE);
    hi = hi - (f == MASK_SHORT) + (f == MASK_LONG);
    size_t top = lo;
    for (size_t j = lo; j < hi; j++)
        top = p[j] > p[top] ? j : top;
    for (size_t j = lo; j < hi; j++) {
        p[j] = score(p[j], scale, cap, f);
        m = mote_fmax(p[j], m);
    }
    m = f == MAX_UNSCALED && lo < hi ? p[top] : m;
    for (size_t j = lo; j < hi; j++) {
        float s = p[j] - (f == NO_MAX ? 0.0f : m);
        p[j] = f == SOFTMAX_LIBM ? (float)exp((double)s) : mote_exp(s);
        lane[f == SUM_SERIAL ? 0 : (f == LANES_SHIFTED ? j - lo : j) % LANES] += p[j];
    }
    for (size_t step = 1; f == FOLDED_UP && step < LANES; step *= 2)
        for (size_t l = 0; l < LANES; l += 2 * step)
            lane[l] += lane[l + step];
    for (size_t half = LANES / 2; f != FOLDED_UP && half; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] += lane[l + half];
    for (size_t j = lo; f == NORMALISED && j < hi; j++)
        p[j] /= lane[0];
    *max = m;
    *sum = lane[0];
}

#define SOFTMAX_MUTANT(slot, name, kind, text)                                                     \
    static void name##_fn(float *p, size_t lo, size_t hi, float scale, float cap, float *max,      \
                          float *sum)                                                              \
    {                                                                                              \
        softmax(p, lo, hi, scale, cap, max, sum, name);                                            \
    }
SOFTMAX_FAULTS(SOFTMAX_MUTANT)

/* ---- values ---------------------------------------------------------------------------------- */

#define VALUES_FAULTS(X)                                                                           \
    X(values_q8, VALUES_RIGHT, RIGHT, "no fault")                                                  \
    X(values_q8, SCALE_OF_LO, WRONG, "scale of the first position for all")                        \
    X(values_q8, SCALE_OF_GROUP_0, WRONG, "scale of the first 32 dimensions for all")              \
    X(values_q8, SCALED_VALUE, WRONG, "p * (scale * v) instead of (p * scale) * v")                \
    X(values_q8, VALUES_LAST, WRONG, "the last position left out")                                 \
    X(values_q8, VALUES_MORE, WRONG, "one position more")                                          \
    X(values_q8, VALUES_BACK, WRONG, "positions in descending order")                              \
    X(values_q8, VALUES_MUL_ADD, WRONG, "product and sum rounded apart, no fma")                   \
    X(values_q8, VALUES_STALE, WRONG, "adds to what lay in out")                                   \
    X(values_q8, VALUES_STRIDE, WRONG, "stride of the results ignored")                            \
    X(values_q8, ONE_RANGE, WRONG, "range of the first query for all")                             \
    X(values_q8, DIMS_OF_8, WRONG, "dimensions after the last 8 left out")                         \
    X(values_f16, VALUES_FLUSHED, WRONG, "subnormal f16 become 0")

enum { VALUES_FAULTS(MUTANT_NAME) };

#define VALUES_PARAMS                                                                              \
    float *out, size_t out_stride, const float *p, size_t p_stride, const uint16_t *lo,            \
        const uint16_t *hi, size_t n, const void *v, const uint16_t *scales, size_t dim

/* What p is multiplied by first, and the number at dimension d of position j. */
static inline void load_value(const void *v, const uint16_t *scales, size_t dim, size_t j, size_t d,
                              size_t lo, float *scale, float *x, int f)
{
    size_t row = f == SCALE_OF_LO ? lo : j, group = f == SCALE_OF_GROUP_0 ? 0 : d / 32;
    *scale = 1.0f;
    if (!scales) {
        uint16_t h = ((const uint16_t *)v)[j * dim + d];
        *x = f == VALUES_FLUSHED && (h & 0x7c00u) == 0 ? 0.0f : mote_f16_to_f32(h);
        return;
    }
    *scale = mote_f16_to_f32(scales[row * ((dim + 31) / 32) + group]);
    *x = (float)((const int8_t *)v)[j * dim + d];
    if (f == SCALED_VALUE)
        *x *= *scale, *scale = 1.0f;
}

static inline void values(VALUES_PARAMS, int f)
{
    for (size_t i = 0; i < n; i++) {
        size_t q = f == ONE_RANGE ? 0 : i, from = lo[q];
        size_t to = (size_t)(hi[q] - (f == VALUES_LAST) + (f == VALUES_MORE));
        float *o = out + i * (f == VALUES_STRIDE ? dim : out_stride);
        for (size_t d = 0; d < (f == DIMS_OF_8 ? dim / 8 * 8 : dim); d++) {
            float acc = f == VALUES_STALE ? o[d] : 0.0f, scale, x;
            for (size_t step = from; step < to; step++) {
                size_t j = f == VALUES_BACK ? to - 1 - (step - from) : step;
                load_value(v, scales, dim, j, d, from, &scale, &x, f);
                float factor = p[i * p_stride + j] * scale;
                acc = f == VALUES_MUL_ADD ? acc + factor * x : mote_fma(factor, x, acc);
            }
            o[d] = acc;
        }
    }
}

#define VALUES_MUTANT(slot, name, kind, text)                                                      \
    static void name##_fn(VALUES_PARAMS)                                                           \
    {                                                                                              \
        values(out, out_stride, p, p_stride, lo, hi, n, v, scales, dim, name);                     \
    }
VALUES_FAULTS(VALUES_MUTANT)

/* ---- joining --------------------------------------------------------------------------------- */

#define MERGE_FAULTS(X)                                                                            \
    X(merge, MERGE_RIGHT, RIGHT, "no fault")                                                       \
    X(merge, MERGE_SWAPPED, WRONG, "the two factors exchanged")                                    \
    X(merge, MERGE_MAX, WRONG, "maximum not renewed")                                              \
    X(merge, MERGE_SUM, WRONG, "sums added without their factors")                                 \
    X(merge, MERGE_SHORT, WRONG, "the last dimension left as it was")                              \
    X(merge, MERGE_OTHER_FMA, CLOSE, "the other product is the rounded one")

enum { MERGE_FAULTS(MUTANT_NAME) };

#define MERGE_PARAMS                                                                               \
    float *out_a, float *max_a, float *sum_a, const float *out_b, float max_b, float sum_b,        \
        size_t dim

static inline void merge(MERGE_PARAMS, int f)
{
    float m = mote_fmax(max_b, *max_a), fa = mote_exp(*max_a - m), fb = mote_exp(max_b - m);
    if (f == MERGE_SWAPPED) {
        float other = fa;
        fa = fb, fb = other;
    }
    for (size_t d = 0; d + (f == MERGE_SHORT) < dim; d++)
        out_a[d] = f == MERGE_OTHER_FMA ? mote_fma(out_a[d], fa, out_b[d] * fb)
                                        : mote_fma(out_b[d], fb, out_a[d] * fa);
    *sum_a = f == MERGE_SUM ? *sum_a + sum_b : mote_fma(sum_b, fb, *sum_a * fa);
    if (f != MERGE_MAX)
        *max_a = m;
}

#define MERGE_MUTANT(slot, name, kind, text)                                                       \
    static void name##_fn(MERGE_PARAMS)                                                            \
    {                                                                                              \
        merge(out_a, max_a, sum_a, out_b, max_b, sum_b, dim, name);                                \
    }
MERGE_FAULTS(MERGE_MUTANT)

#define DIVIDE_FAULTS(X) X(divide, DIVIDE_RECIPROCAL, WRONG, "x * (1 / sum) instead of x / sum")

static void DIVIDE_RECIPROCAL_fn(float *y, const float *x, float sum, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * (1.0f / sum);
}

/* ---- stores ---------------------------------------------------------------------------------- */

#define KEY_FAULTS(X)                                                                              \
    X(store_key_f16, KEY_F16_RIGHT, RIGHT, "no fault")                                             \
    X(store_key_f16, KEY_TRUNCATES, WRONG, "f16 rounded toward zero")                              \
    X(store_key_f16, KEY_HALF_AWAY, WRONG, "f16 halves rounded away from zero")                    \
    X(store_key_f16, KEY_SATURATES, WRONG, "too large for f16 becomes 65504")                      \
    X(store_key_f16, KEY_FLUSHES, WRONG, "subnormal f16 become 0")                                 \
    X(store_key_f16, KEY_LANE, WRONG, "the lane beside")                                           \
    X(store_key_f32, KEY_F32_RIGHT, RIGHT, "no fault")                                             \
    X(store_key_f32, KEY_ALL_LANES, WRONG, "writes the other positions of the tile too")           \
    X(store_key_f32, KEY_AS_ROWS, WRONG, "stored as a row, not along the tile")

enum { KEY_FAULTS(MUTANT_NAME) };

static inline uint16_t half_from(float x, int f)
{
    uint32_t u = float_bits(x);
    uint16_t h = mote_f32_to_f16(x);
    uint32_t cut = f == KEY_TRUNCATES ? 0x1fffu : 0x1000u;
    bool normal = (h & 0x7c00u) != 0 && mote_fabs(x) >= 0x1p-14f && mote_fabs(x) < 65504.0f;
    if (f == KEY_TRUNCATES && normal)
        return mote_f32_to_f16(bits_float(u & ~cut));
    if (f == KEY_HALF_AWAY && normal && (u & 0x1fffu) == cut)
        return mote_f32_to_f16(bits_float(u + 1));
    if (f == KEY_SATURATES && (h & 0x7fffu) == 0x7c00u)
        return (uint16_t)(h - 1);
    return f == KEY_FLUSHES && (h & 0x7c00u) == 0 ? (uint16_t)(h & 0x8000u) : h;
}

static inline void store_key(uint8_t *tile, size_t lane, const float *x, size_t dim, int f)
{
    bool wide = f == KEY_F32_RIGHT || f == KEY_ALL_LANES || f == KEY_AS_ROWS;
    lane = f == KEY_LANE ? lane ^ 1 : lane;
    for (size_t d = 0; d < dim; d++) {
        uint16_t h = half_from(x[d], f);
        for (size_t l = 0; l < LANES; l++) {
            size_t at = f == KEY_AS_ROWS ? l * dim + d : d * LANES + l;
            if (l != lane && f != KEY_ALL_LANES)
                continue;
            memcpy(tile + at * (wide ? 4 : 2), wide ? (const void *)&x[d] : &h, wide ? 4 : 2);
        }
    }
}

#define KEY_MUTANT(slot, name, kind, text)                                                         \
    static void name##_fn(uint8_t *tile, size_t lane, const float *x, size_t dim)                  \
    {                                                                                              \
        store_key(tile, lane, x, dim, name);                                                       \
    }
KEY_FAULTS(KEY_MUTANT)

#define STORE_FAULTS(X)                                                                            \
    X(store_value_q8, STORE_RIGHT, RIGHT, "no fault")                                              \
    X(store_value_q8, STORE_SCALE, WRONG, "scale in the place of the next group")                  \
    X(store_value_q8, STORE_ROW, WRONG, "scales at row + 1")                                       \
    X(store_value_q8, STORE_BY_HALF, WRONG, "codes made with the rounded f16 scale")               \
    X(store_value_q8, STORE_AMAX, WRONG, "one scale for the whole head")                           \
    X(store_value_q8, STORE_PADDED, WRONG, "writes codes up to a multiple of 32")

enum { STORE_FAULTS(MUTANT_NAME) };

/* Largest magnitude; infinite when not finite. */
static inline float amax_of(const float *x, size_t n)
{
    float amax = 0.0f;
    for (size_t i = 0; i < n; i++)
        amax = isfinite(x[i]) ? mote_fmax(mote_fabs(x[i]), amax) : INFINITY;
    return amax;
}

static inline void store_value(int8_t *v, uint16_t *scales, size_t row, const float *x, size_t dim,
                               int f)
{
    size_t groups = (dim + 31) / 32;
    for (size_t g = 0; g < groups; g++) {
        size_t at = 32 * g, end = at + 32 < dim ? at + 32 : dim;
        float amax = f == STORE_AMAX ? amax_of(x, dim) : amax_of(x + at, end - at);
        bool live = isfinite(amax) && amax >= 0x1p-100f;
        float factor = live ? 127.0f / amax : 0.0f;
        uint16_t half = mote_f32_to_f16(live ? amax / 127.0f : 0.0f);
        size_t place = f == STORE_SCALE ? (g + 1) % groups : g;
        if (!isfinite(amax))
            half = 0x7e00;
        if (f == STORE_BY_HALF && live && (half & 0x7c00u) != 0)
            factor = 1.0f / mote_f16_to_f32(half);
        scales[(row + (f == STORE_ROW)) * groups + place] = half;
        for (size_t d = at; d < (f == STORE_PADDED ? at + 32 : end); d++)
            v[row * dim + d] = live && d < end ? (int8_t)mote_rne(x[d] * factor) : 0;
    }
}

#define STORE_MUTANT(slot, name, kind, text)                                                       \
    static void name##_fn(void *v, uint16_t *scales, size_t row, const float *x, size_t dim)       \
    {                                                                                              \
        store_value(v, scales, row, x, dim, name);                                                 \
    }
STORE_FAULTS(STORE_MUTANT)

/* The key of 8-bit caches: the right one, its surroundings wrong. */
#define KEY_Q8_FAULTS(X)                                                                           \
    X(store_key_q8, KEY_Q8_NO_PADDING, WRONG, "columns up to a multiple of 4 not cleared")         \
    X(store_key_q8, KEY_Q8_LANE_SCALE, WRONG, "scale of the lane beside lost")

static void KEY_Q8_NO_PADDING_fn(uint8_t *tile, size_t lane, const float *x, size_t dim)
{
    mote_kernels ref;
    uint8_t *last = tile + mote_tile_scale_bytes(MOTE_Q8, 32, mote_round_up(dim, 4)) +
                    dim / 4 * MOTE_LINE + 4 * lane;
    uint8_t was[4] = {0};
    mote_kernels_init(&ref, 0);
    if (dim % 4)
        memcpy(was, last, 4);
    ref.store_key[2](tile, lane, x, dim);
    for (size_t i = dim % 4; dim % 4 && i < 4; i++)
        last[i] = was[i];
}

static void KEY_Q8_LANE_SCALE_fn(uint8_t *tile, size_t lane, const float *x, size_t dim)
{
    mote_kernels ref;
    mote_kernels_init(&ref, 0);
    ref.store_key[2](tile, lane, x, dim);
    memset(tile + 2 * (lane ^ 1), 0, 2);
}

const mutant attention_mutants[] = {SOFTMAX_FAULTS(MUTANT_LINE) VALUES_FAULTS(MUTANT_LINE)
                                        MERGE_FAULTS(MUTANT_LINE) DIVIDE_FAULTS(MUTANT_LINE)
                                            KEY_FAULTS(MUTANT_LINE) STORE_FAULTS(MUTANT_LINE)
                                                KEY_Q8_FAULTS(MUTANT_LINE){0}};
