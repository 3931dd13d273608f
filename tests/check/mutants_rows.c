/* mutants_rows.c: wrong kernels along a row. Read mutants.h, kernels/kernels.h. */
#include "kernels/math.h"
#include "tests/check/check.h"
#include "tests/check/mutants.h"

#define LANES 16

static inline float fold_lanes(float lane[LANES], size_t lanes)
{
    for (size_t half = lanes / 2; half; half /= 2)
        for (size_t l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

/* ---- quantize -------------------------------------------------------------------------------- */

#define QUANTIZE_FAULTS(X)                                                                         \
    X(quantize, QUANTIZE_RIGHT, RIGHT, "no fault")                                                 \
    X(quantize, HALF_AWAY, WRONG, "halves rounded away from zero")                                 \
    X(quantize, TRUNCATES, WRONG, "rounded toward zero")                                           \
    X(quantize, BY_DIVISION, WRONG, "x / scale instead of x * (127 / amax)")                       \
    X(quantize, SIGNED_MAX, WRONG, "largest x, not largest |x|")                                   \
    X(quantize, NAN_LOST, WRONG, "a NaN in the group goes unnoticed")                              \
    X(quantize, LIMIT, WRONG, "amax of 2^-100 counts as zero")                                     \
    X(quantize, GROUP_OF_64, WRONG, "one scale for 64 values")                                     \
    X(quantize, SUM_RUNS_ON, WRONG, "sums run on from group to group")                             \
    X(quantize, PADDED_TO_32, WRONG, "padded to 32 instead of 64")

enum { QUANTIZE_FAULTS(MUTANT_NAME) };

/* Largest magnitude; infinite when the group is not finite. */
static inline float amax_of(const float *x, size_t n, int f)
{
    float amax = 0.0f;
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        finite = finite && (isfinite(x[i]) || (f == NAN_LOST && isnan(x[i])));
        amax = mote_fmax(f == SIGNED_MAX ? x[i] : mote_fabs(x[i]), amax);
    }
    return finite ? amax : INFINITY;
}

static inline int8_t code_of(float x, float scale, float factor, int f)
{
    float y = f == BY_DIVISION ? x / scale : x * factor;
    if (!(mote_fabs(y) <= 127.5f)) /* what some faults make */
        return 0;
    return (int8_t)(f == HALF_AWAY ? roundf(y) : f == TRUNCATES ? truncf(y) : mote_rne(y));
}

static inline void quantize(int8_t *codes, float *scales, int32_t *sums, const float *x, size_t n,
                            int f)
{
    size_t end = f == PADDED_TO_32 ? mote_round_up(n, 32) : mote_round_up(n, 64);
    int32_t sum = 0;
    for (size_t at = 0; at < end; at += 32) {
        size_t len = at >= n ? 0 : n - at < 32 ? n - at : 32;
        size_t first = f == GROUP_OF_64 && len ? at / 64 * 64 : at;
        float amax = len ? amax_of(x + first, at + len - first, f) : 0.0f;
        bool tiny = f == LIMIT ? amax <= 0x1p-100f : amax < 0x1p-100f;
        bool live = !tiny && isfinite(amax);
        float scale = live ? amax / 127.0f : tiny ? 0.0f : bits_float(0x7fc00000u);
        sum = f == SUM_RUNS_ON ? sum : 0;
        for (size_t i = at; i < at + 32; i++) {
            codes[i] = live && i < at + len ? code_of(x[i], scale, 127.0f / amax, f) : 0;
            sum += codes[i];
        }
        scales[at / 32] = scale;
        sums[at / 32] = sum;
    }
}

#define QUANTIZE_MUTANT(slot, name, kind, text)                                                    \
    static void name##_fn(int8_t *codes, float *scales, int32_t *sums, const float *x, size_t n)   \
    {                                                                                              \
        quantize(codes, scales, sums, x, n, name);                                                 \
    }
QUANTIZE_FAULTS(QUANTIZE_MUTANT)

/* ---- rmsnorm --------------------------------------------------------------------------------- */

#define NORM_FAULTS(X)                                                                             \
    X(rmsnorm, NORM_RIGHT, RIGHT, "no fault")                                                      \
    X(rmsnorm, NO_EPS, WRONG, "eps forgotten")                                                     \
    X(rmsnorm, EPS_OUTSIDE, WRONG, "eps outside the root")                                         \
    X(rmsnorm, EPS_IN_SUM, WRONG, "eps added before the mean")                                     \
    X(rmsnorm, PADDED_MEAN, WRONG, "mean over the length rounded up to 16")                        \
    X(rmsnorm, SERIAL, WRONG, "one running sum instead of 16 lanes")                               \
    X(rmsnorm, EIGHT_LANES, WRONG, "8 lanes instead of 16")                                        \
    X(rmsnorm, SQUARES_ROUNDED, WRONG, "squares rounded before they are added")                    \
    X(rmsnorm, WEIGHT_FIRST, WRONG, "x * (inv * w) instead of (x * inv) * w")                      \
    X(rmsnorm, CLEARS_Y, WRONG, "clears y first, which may be x")                                  \
    X(rmsnorm, NORM_TAIL, WRONG, "elements after the last 16 not written")

enum { NORM_FAULTS(MUTANT_NAME) };

static inline void norm(float *y, const float *x, const float *w, size_t n, float eps, int f)
{
    float lane[LANES] = {0};
    size_t lanes = f == SERIAL ? 1 : f == EIGHT_LANES ? 8 : LANES;
    if (f == CLEARS_Y)
        memset(y, 0, n * sizeof *y);
    for (size_t i = 0; i < n; i++)
        lane[i % lanes] = f == SQUARES_ROUNDED ? lane[i % lanes] + x[i] * x[i]
                                               : mote_fma(x[i], x[i], lane[i % lanes]);
    float sum = fold_lanes(lane, lanes), count = (float)n;
    if (f == PADDED_MEAN)
        count = (float)mote_round_up(n, LANES);
    float inv = 1.0f / mote_sqrt(sum / count + (f == NO_EPS ? 0.0f : eps));
    if (f == EPS_OUTSIDE)
        inv = 1.0f / (mote_sqrt(sum / count) + eps);
    if (f == EPS_IN_SUM)
        inv = 1.0f / mote_sqrt((sum + eps) / count);
    for (size_t i = 0; i < (f == NORM_TAIL ? n / LANES * LANES : n); i++)
        y[i] = f == WEIGHT_FIRST ? x[i] * (inv * w[i]) : x[i] * inv * w[i];
}

#define NORM_MUTANT(slot, name, kind, text)                                                        \
    static void name##_fn(float *y, const float *x, const float *w, size_t n, float eps)           \
    {                                                                                              \
        norm(y, x, w, n, eps, name);                                                               \
    }
NORM_FAULTS(NORM_MUTANT)

#define LAYER_FAULTS(X)                                                                            \
    X(layernorm, LAYER_RIGHT, RIGHT, "no fault")                                                   \
    X(layernorm, LAYER_NO_MEAN, WRONG, "the mean not taken away")                                  \
    X(layernorm, LAYER_MEAN_SQUARE, WRONG, "mean of squares minus square of the mean")             \
    X(layernorm, LAYER_UNBIASED, WRONG, "divided by n - 1")                                        \
    X(layernorm, LAYER_NO_BIAS, WRONG, "bias forgotten")                                           \
    X(layernorm, LAYER_MUL_ADD, WRONG, "product rounded before the bias")                          \
    X(layernorm, LAYER_SERIAL, WRONG, "one running sum instead of 16 lanes")                       \
    X(layernorm, LAYER_CLEARS_Y, WRONG, "clears y first, which may be x")

enum { LAYER_FAULTS(MUTANT_NAME) };

static inline void layer_norm(float *y, const float *x, const float *w, const float *b, size_t n,
                              float eps, int f)
{
    float sum[LANES] = {0}, square[LANES] = {0};
    size_t lanes = f == LAYER_SERIAL ? 1 : LANES;
    if (f == LAYER_CLEARS_Y)
        memset(y, 0, n * sizeof *y);
    for (size_t i = 0; i < n; i++)
        sum[i % lanes] += x[i];
    float mean = f == LAYER_NO_MEAN ? 0.0f : fold_lanes(sum, lanes) / (float)n;
    for (size_t i = 0; i < n; i++) {
        float d = f == LAYER_MEAN_SQUARE ? x[i] : x[i] - mean;
        square[i % lanes] = mote_fma(d, d, square[i % lanes]);
    }
    float count = (float)(f == LAYER_UNBIASED && n > 1 ? n - 1 : n);
    float var = fold_lanes(square, lanes) / count;
    float inv = 1.0f / mote_sqrt((f == LAYER_MEAN_SQUARE ? var - mean * mean : var) + eps);
    for (size_t i = 0; i < n; i++) {
        float z = (x[i] - mean) * inv;
        y[i] = f == LAYER_NO_BIAS   ? z * w[i]
               : f == LAYER_MUL_ADD ? z * w[i] + b[i]
                                    : mote_fma(z, w[i], b[i]);
    }
}

#define LAYER_MUTANT(slot, name, kind, text)                                                       \
    static void name##_fn(float *y, const float *x, const float *w, const float *b, size_t n,      \
                          float eps)                                                               \
    {                                                                                              \
        layer_norm(y, x, w, b, n, eps, name);                                                      \
    }
LAYER_FAULTS(LAYER_MUTANT)

/* ---- arithmetic by element ------------------------------------------------------------------- */

#define ADD_FAULTS(X)                                                                              \
    X(add, ADD_SHORT, WRONG, "the last element is skipped")                                        \
    X(add, ADD_LONG, WRONG, "one element more written")                                            \
    X(add, ADD_PAST_END, WRONG, "reads one element past the end")                                  \
    X(add, ADD_BEFORE, WRONG, "reads one element before the beginning")                            \
    X(add, ADD_LEFT, WRONG, "one element more written, before the beginning")                      \
    X(add, ADD_TAIL, WRONG, "elements after the last 16 skipped")                                  \
    X(add, ADD_SUBTRACTS, WRONG, "subtracts")

enum { ADD_FAULTS(MUTANT_NAME) };

static inline void add(float *y, const float *x, size_t n, int f)
{
    size_t end = f == ADD_SHORT ? n - 1 : f == ADD_TAIL ? n / LANES * LANES : n;
    for (size_t i = 0; i < end; i++)
        y[i] += f == ADD_SUBTRACTS ? -x[i] : x[i];
    if (f == ADD_LONG)
        y[n] = 0.0f;
    if (f == ADD_LEFT)
        *(y - 1) = 0.0f;
    if (f == ADD_PAST_END)
        touch(x + n);
    if (f == ADD_BEFORE)
        touch((const uint8_t *)x - 1);
}

#define ADD_MUTANT(slot, name, kind, text)                                                         \
    static void name##_fn(float *y, const float *x, size_t n) { add(y, x, n, name); }
ADD_FAULTS(ADD_MUTANT)

#define SCALAR_FAULTS(X)                                                                           \
    X(scale, SCALE_FLUSHES, WRONG, "subnormal results become 0")                                   \
    X(softcap, CAP_RIGHT, RIGHT, "no fault")                                                       \
    X(softcap, CAP_FORGOTTEN, WRONG, "tanh(y / c) without the factor c")                           \
    X(softcap, CAP_CLAMPS, WRONG, "clamps instead of tanh")                                        \
    X(softcap, CAP_RECIPROCAL, CLOSE, "y * (1 / c) instead of y / c")                              \
    X(softcap, CAP_LIBM, CLOSE, "tanh of libm")

enum { SCALAR_FAULTS(MUTANT_NAME) };

static inline void apply_scalar(float *y, float a, size_t n, int f)
{
    for (size_t i = 0; i < n; i++) {
        float was = y[i], quotient = was / a;
        if (f == SCALE_FLUSHES)
            y[i] = mote_fabs(was * a) < FLT_MIN ? 0.0f : was * a;
        else if (f == CAP_FORGOTTEN)
            y[i] = mote_tanh(quotient);
        else if (f == CAP_CLAMPS)
            y[i] = was > a ? a : was < -a ? -a : was;
        else if (f == CAP_LIBM)
            y[i] = a * (float)tanh((double)quotient);
        else
            y[i] = a * mote_tanh(f == CAP_RECIPROCAL ? was * (1.0f / a) : quotient);
    }
}

#define SCALAR_MUTANT(slot, name, kind, text)                                                      \
    static void name##_fn(float *y, float a, size_t n) { apply_scalar(y, a, n, name); }
SCALAR_FAULTS(SCALAR_MUTANT)

#define SILU_FAULTS(X)                                                                             \
    X(silu_mul, SILU_RIGHT, RIGHT, "no fault")                                                     \
    X(silu_mul, SILU_CUT, WRONG, "silu(x) = 0 below -20")                                          \
    X(silu_mul, SILU_OVERFLOWS, WRONG, "NaN for very negative gates")                              \
    X(silu_mul, SILU_GELU, WRONG, "x * sigmoid(1.702 x)")                                          \
    X(silu_mul, SILU_OTHER, WRONG, "gate and up exchanged")                                        \
    X(silu_mul, SILU_CLEARS, WRONG, "clears y first, which may be gate")                           \
    X(silu_mul, SILU_RECIPROCAL, CLOSE, "x * (1 / (1 + exp(-x)))")                                 \
    X(silu_mul, SILU_LIBM, CLOSE, "exp of libm")

enum { SILU_FAULTS(MUTANT_NAME) };

static inline float silu(float x, int f)
{
    if (f == SILU_CUT && x < -20.0f)
        return 0.0f;
    if (f == SILU_OVERFLOWS) {
        float e = expf(-x); /* infinite below -88.7 */
        return x * (1.0f - e / (1.0f + e));
    }
    if (f == SILU_GELU)
        return x / (1.0f + mote_exp(-1.702f * x));
    float sum = 1.0f + (f == SILU_LIBM ? expf(x < -88.0f ? 88.0f : -x) : mote_exp(-x));
    return f == SILU_RECIPROCAL ? x * (1.0f / sum) : x / sum;
}

static inline void silu_mul(float *y, const float *gate, const float *up, size_t n, int f)
{
    if (f == SILU_CLEARS)
        memset(y, 0, n * sizeof *y);
    for (size_t i = 0; i < n; i++)
        y[i] = f == SILU_OTHER ? silu(up[i], f) * gate[i] : silu(gate[i], f) * up[i];
}

#define SILU_MUTANT(slot, name, kind, text)                                                        \
    static void name##_fn(float *y, const float *gate, const float *up, size_t n)                  \
    {                                                                                              \
        silu_mul(y, gate, up, n, name);                                                            \
    }
SILU_FAULTS(SILU_MUTANT)

#define GELU_FAULTS(X)                                                                             \
    X(gelu_tanh, GELU_RIGHT, RIGHT, "no fault")                                                    \
    X(gelu_tanh, GELU_QUICK, WRONG, "x * sigmoid(1.702 x)")                                        \
    X(gelu_tanh, GELU_EXACT, WRONG, "the erf form")                                                \
    X(gelu_tanh, GELU_TANH_LIBM, CLOSE, "exp of libm")                                             \
    X(gelu_erf, ERF_RIGHT, RIGHT, "no fault")                                                      \
    X(gelu_erf, ERF_TANH, WRONG, "the tanh form")                                                  \
    X(gelu_erf, ERF_LIBM, CLOSE, "erfc of libm")

enum { GELU_FAULTS(MUTANT_NAME) };

static inline float gelu(float x, int f)
{
    float v = x * mote_fma(0x1.2444f2p-4f, x * x, 0x1.988454p+0f);
    if (f == GELU_QUICK)
        return x / (1.0f + mote_exp(-1.702f * x));
    if (f == ERF_LIBM)
        return (float)((double)x * 0.5 * erfc(-(double)x * M_SQRT1_2));
    if (f == GELU_TANH_LIBM)
        return x / (1.0f + expf(v < -88.0f ? 88.0f : -v));
    return f == GELU_EXACT || f == ERF_RIGHT ? mote_gelu_erf(x) : mote_gelu_tanh(x);
}

#define GELU_MUTANT(slot, name, kind, text)                                                        \
    static void name##_fn(float *y, const float *x, size_t n)                                      \
    {                                                                                              \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = gelu(x[i], name);                                                               \
    }
GELU_FAULTS(GELU_MUTANT)

/* ---- rotation -------------------------------------------------------------------------------- */

#define ANGLE_FAULTS(X)                                                                            \
    X(rope_angles, ANGLE_RIGHT, RIGHT, "no fault")                                                 \
    X(rope_angles, ANGLE_NEXT, WRONG, "position off by one")                                       \
    X(rope_angles, ANGLE_SWAPPED, WRONG, "cos and sin exchanged")                                  \
    X(rope_angles, ANGLE_UNSCALED, WRONG, "sin not scaled")                                        \
    X(rope_angles, ANGLE_REDUCED, WRONG, "reduced by a 2 pi in single precision")                  \
    X(rope_angles, ANGLE_LIBM, CLOSE, "cos and sin of libm")

enum { ANGLE_FAULTS(MUTANT_NAME) };

static inline void angles(float *co, float *si, const float *freqs, size_t n, uint32_t pos,
                          float scale, int f)
{
    for (size_t i = 0; i < n; i++) {
        float angle = (float)(pos + (f == ANGLE_NEXT)) * freqs[i], s, c;
        if (f == ANGLE_REDUCED)
            angle = fmodf(angle, 6.2831855f);
        mote_sincos(angle, &s, &c);
        if (f == ANGLE_LIBM)
            s = (float)sin((double)angle), c = (float)cos((double)angle);
        co[i] = (f == ANGLE_SWAPPED ? s : c) * scale;
        si[i] = (f == ANGLE_SWAPPED ? c : s) * (f == ANGLE_UNSCALED ? 1.0f : scale);
    }
}

#define ANGLE_MUTANT(slot, name, kind, text)                                                       \
    static void name##_fn(float *co, float *si, const float *freqs, size_t n, uint32_t pos,        \
                          float scale)                                                             \
    {                                                                                              \
        angles(co, si, freqs, n, pos, scale, name);                                                \
    }
ANGLE_FAULTS(ANGLE_MUTANT)

#define ROPE_FAULTS(X)                                                                             \
    X(rope, ROPE_RIGHT, RIGHT, "no fault")                                                         \
    X(rope, ROPE_SIGN, WRONG, "turns the other way")                                               \
    X(rope, ROPE_PAIRS, WRONG, "pairs (2i, 2i + 1) instead of (i, i + n)")                         \
    X(rope, ROPE_IN_PLACE, WRONG, "uses the new x[i] for x[i + n]")                                \
    X(rope, ROPE_OTHER_FMA, WRONG, "the other product is the rounded one")                         \
    X(rope, ROPE_MUL_ADD, WRONG, "both products rounded, no fma")

enum { ROPE_FAULTS(MUTANT_NAME) };

static inline void rope(float *x, const float *co, const float *si, size_t n, int f)
{
    for (size_t i = 0; i < n; i++) {
        float *pa = f == ROPE_PAIRS ? x + 2 * i : x + i, *pb = f == ROPE_PAIRS ? pa + 1 : pa + n;
        float a = *pa, b = *pb, s = f == ROPE_SIGN ? -si[i] : si[i], first;
        if (f == ROPE_OTHER_FMA)
            first = mote_fma(a, co[i], -b * s);
        else if (f == ROPE_MUL_ADD)
            first = a * co[i] - b * s;
        else
            first = mote_fma(-b, s, a * co[i]);
        *pa = first;
        *pb = mote_fma(f == ROPE_IN_PLACE ? first : a, s, b * co[i]);
    }
}

#define ROPE_MUTANT(slot, name, kind, text)                                                        \
    static void name##_fn(float *x, const float *co, const float *si, size_t n)                    \
    {                                                                                              \
        rope(x, co, si, n, name);                                                                  \
    }
ROPE_FAULTS(ROPE_MUTANT)

/* ---- sampler and checks ---------------------------------------------------------------------- */

#define EXP_FAULTS(X)                                                                              \
    X(exp_sum, EXP_RIGHT, RIGHT, "no fault")                                                       \
    X(exp_sum, EXP_NO_MAX, WRONG, "maximum not subtracted")                                        \
    X(exp_sum, EXP_SERIAL, WRONG, "one running sum instead of 16 lanes")                           \
    X(exp_sum, EXP_FOLDED_UP, WRONG, "lanes added one after the other, not folded")                \
    X(exp_sum, EXP_LIBM, CLOSE, "exp of libm")

enum { EXP_FAULTS(MUTANT_NAME) };

static inline float exp_sum(float *y, const float *x, float max, size_t n, int f)
{
    float lane[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        float d = x[i] - (f == EXP_NO_MAX ? 0.0f : max);
        y[i] = f == EXP_LIBM ? (float)exp((double)d) : mote_exp(d);
        lane[f == EXP_SERIAL ? 0 : i % LANES] += y[i];
    }
    for (size_t l = 1; f == EXP_FOLDED_UP && l < LANES; l++)
        lane[0] += lane[l];
    return f == EXP_FOLDED_UP ? lane[0] : fold_lanes(lane, LANES);
}

#define EXP_MUTANT(slot, name, kind, text)                                                         \
    static float name##_fn(float *y, const float *x, float max, size_t n)                          \
    {                                                                                              \
        return exp_sum(y, x, max, n, name);                                                        \
    }
EXP_FAULTS(EXP_MUTANT)

#define ARGMAX_FAULTS(X)                                                                           \
    X(argmax, ARGMAX_RIGHT, RIGHT, "no fault")                                                     \
    X(argmax, ARGMAX_LAST, WRONG, "the last of equal ones")                                        \
    X(argmax, ARGMAX_FROM_0, WRONG, "maximum starts at 0: negative rows give 0")                   \
    X(argmax, ARGMAX_SHORT, WRONG, "the last element is skipped")                                  \
    X(argmax, ARGMAX_BITS, WRONG, "compared as integers: -0 below 0")

enum { ARGMAX_FAULTS(MUTANT_NAME) };

static inline int32_t ordered(float x)
{
    int32_t i = (int32_t)float_bits(x);
    return i < 0 ? (int32_t)(0x80000000u - (uint32_t)i) - 1 : i;
}

static inline size_t argmax(const float *x, size_t n, int f)
{
    size_t best = 0;
    float max = f == ARGMAX_FROM_0 ? 0.0f : x[0];
    for (size_t i = 0; i + (f == ARGMAX_SHORT) < n; i++) {
        bool better = f == ARGMAX_LAST   ? x[i] >= max
                      : f == ARGMAX_BITS ? ordered(x[i]) > ordered(max)
                                         : x[i] > max;
        if (better)
            best = i, max = x[i];
    }
    return best;
}

#define ARGMAX_MUTANT(slot, name, kind, text)                                                      \
    static size_t name##_fn(const float *x, size_t n) { return argmax(x, n, name); }
ARGMAX_FAULTS(ARGMAX_MUTANT)

#define FINITE_FAULTS(X)                                                                           \
    X(finite, FINITE_RIGHT, RIGHT, "no fault")                                                     \
    X(finite, FINITE_NAN, WRONG, "sees NaN only")                                                  \
    X(finite, FINITE_INFINITE, WRONG, "sees infinities only")                                      \
    X(finite, FINITE_TAIL, WRONG, "elements after the last 16 not looked at")

enum { FINITE_FAULTS(MUTANT_NAME) };

static inline bool all_finite(const float *x, size_t n, int f)
{
    bool good = true;
    for (size_t i = 0; i < (f == FINITE_TAIL ? n / LANES * LANES : n); i++)
        good = good && !(f != FINITE_INFINITE && isnan(x[i])) && !(f != FINITE_NAN && isinf(x[i]));
    return good;
}

#define FINITE_MUTANT(slot, name, kind, text)                                                      \
    static bool name##_fn(const float *x, size_t n) { return all_finite(x, n, name); }
FINITE_FAULTS(FINITE_MUTANT)

const mutant row_mutants[] = {
    QUANTIZE_FAULTS(MUTANT_LINE) NORM_FAULTS(MUTANT_LINE) ADD_FAULTS(MUTANT_LINE)
        SCALAR_FAULTS(MUTANT_LINE) SILU_FAULTS(MUTANT_LINE) ANGLE_FAULTS(MUTANT_LINE)
            ROPE_FAULTS(MUTANT_LINE) LAYER_FAULTS(MUTANT_LINE) GELU_FAULTS(MUTANT_LINE)
                EXP_FAULTS(MUTANT_LINE) ARGMAX_FAULTS(MUTANT_LINE) FINITE_FAULTS(MUTANT_LINE){0}};
