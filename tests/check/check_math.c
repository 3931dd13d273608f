/* check_math.c: kernels/math.h by itself: the software fma, half precision, rounding, exp, tanh,
 * sin and cos. Every test is one case; all are dense enough to reach each exponent.
 */
#undef __FMA__ /* the software form, also in a build for this machine */
#include "kernels/math.h"
#include "tests/check/check.h"
#include "tests/check/tolerance.h"

/* Same value or both NaN; zeros by sign. */
static void expect_float(check *c, const char *what, float got, float want)
{
    if (float_bits(got) != float_bits(want) && !(isnan(got) && isnan(want)))
        check_fail(c, "%s: got %a, want %a", what, (double)got, (double)want);
}

/* ---- fma ------------------------------------------------------------------------------------- */

static void expect_fma(check *c, float a, float b, float x)
{
    float got = mote_fma(a, b, x), want = fmaf(a, b, x);
    if (float_bits(got) != float_bits(want) && !(isnan(got) && isnan(want)))
        check_fail(c, "fma(%a, %a, %a): got %a, want %a", (double)a, (double)b, (double)x,
                   (double)got, (double)want);
}

/* A float with any mantissa and sign and the exponent 2^e. */
static float make_exponent(check *c, int e)
{
    uint32_t u = (uint32_t)check_random(c);
    return ldexpf(bits_float((u & 0x807fffffu) | 0x3f800000u), e);
}

static int below(check *c, int n) { return (int)check_below(c, (size_t)n); }

static void run_fma_random(check *c)
{
    if (!check_begin(c))
        return;
    for (size_t i = 0; i < 1500000; i++) {
        uint64_t u = check_random(c);
        expect_fma(c, bits_float((uint32_t)u), bits_float((uint32_t)(u >> 32)),
                   bits_float((uint32_t)check_random(c)));
        expect_fma(c, check_uniform(c), check_uniform(c), check_uniform(c));
    }
}

/* a*b + x with x within a few units of -a*b: all or nearly all cancels. */
static void run_fma_cancel(check *c)
{
    if (!check_begin(c))
        return;
    for (size_t i = 0; i < 1000000; i++) {
        float a = make_exponent(c, below(c, 100) - 50), b = make_exponent(c, below(c, 100) - 50);
        float x = -(a * b);
        expect_fma(c, a, b, bits_float(float_bits(x) + (uint32_t)below(c, 9) - 4));
    }
}

/* Results around the smallest subnormal, the smallest normal and the largest number. */
static void run_fma_edges(check *c)
{
    static const int edges[] = {-149, -126, 127};
    if (!check_begin(c))
        return;
    for (size_t i = 0; i < 1000000; i++) {
        int edge = edges[i % 3] + below(c, 8) - 4, split = below(c, 60) - 30;
        float a = make_exponent(c, edge / 2 + split), b = make_exponent(c, edge - edge / 2 - split);
        float x = make_exponent(c, edge + below(c, 8) - 6);
        expect_fma(c, a, b, i % 5 ? x : 0.0f * x);
    }
}

/* The product lies on a tie of x's precision, or the least possible beside it. */
static void run_fma_ties(check *c)
{
    if (!check_begin(c))
        return;
    for (size_t i = 0; i < 1000000; i++) {
        float x = make_exponent(c, 0), half = 0x1p-24f;
        float a = 1.0f + (float)(below(c, 3) - 1) * 0x1p-23f;
        float b = half * (1.0f + (float)(below(c, 3) - 1) * 0x1p-23f);
        int e = below(c, 200) - 100;
        expect_fma(c, ldexpf(a, e), below(c, 2) ? b : -b, ldexpf(x, e));
        /* the same at a subnormal result: units of 2^-149 */
        expect_fma(c, ldexpf(a, -75), ldexpf(below(c, 2) ? b : -b, -51), ldexpf(x, -130));
    }
}

static void run_fma_special(check *c)
{
    static const float values[] = {0.0f,      -0.0f,    1.0f,      -1.0f,      INFINITY,
                                   -INFINITY, NAN,      0x1p-149f, -0x1p-149f, 0x1p-126f,
                                   FLT_MAX,   -FLT_MAX, 0x1p-75f,  0x1p127f,   0x1.000002p0f};
    const size_t n = sizeof values / sizeof *values;
    if (!check_begin(c))
        return;
    for (size_t i = 0; i < n * n * n; i++)
        expect_fma(c, values[i % n], values[i / n % n], values[i / n / n]);
}

/* ---- half precision and rounding ------------------------------------------------------------- */

static void run_half(check *c)
{
    if (!check_begin(c))
        return;
    for (uint32_t h = 0; h < 0x10000u; h++) {
        float x = mote_f16_to_f32((uint16_t)h);
        bool nan = (h & 0x7fffu) > 0x7c00u;
        expect_float(c, "f16 to f32", x, (float)check_half_value((uint16_t)h));
        expect_float(c, "bf16 to f32", mote_bf16_to_f32((uint16_t)h), bits_float(h << 16));
        uint16_t back = mote_f32_to_f16(x);
        if (nan ? (back & 0x7fffu) <= 0x7c00u : back != h)
            check_fail(c, "f16 %04x comes back as %04x", h, back);
    }
}

static void expect_half(check *c, float x)
{
    uint16_t got = mote_f32_to_f16(x), want = check_half_of((double)x);
    if (got != want)
        check_fail(c, "f16 of %a: got %04x, want %04x", (double)x, got, want);
}

/* Ties between all neighbours, one float to either side, and all exponents at random. */
static void run_half_round(check *c)
{
    if (!check_begin(c))
        return;
    for (uint32_t h = 0; h < 0x7c00u; h++) {
        double low = check_half_value((uint16_t)h);
        double high = h == 0x7bffu ? 65536.0 : check_half_value((uint16_t)(h + 1));
        uint32_t tie = float_bits((float)((low + high) / 2));
        for (uint32_t d = 0; d < 3; d++) {
            expect_half(c, bits_float(tie + d - 1));
            expect_half(c, -bits_float(tie + d - 1));
        }
    }
    for (size_t i = 0; i < 1000000; i++) {
        float x = bits_float((uint32_t)check_random(c));
        if (!isnan(x))
            expect_half(c, x);
    }
}

static void run_rne(check *c)
{
    if (!check_begin(c))
        return;
    for (int i = -(1 << 22) + 1; i < 1 << 22; i += 3) {
        float x = (float)i + (float)below(c, 4) * 0.25f;
        check_same(c, (double)mote_rne(x), (double)rintf(x));
        check_same(c, (double)mote_rne(x * 0x1p-13f), (double)rintf(x * 0x1p-13f));
    }
    for (int i = -4000; i < 4000; i++) /* ties */
        check_same(c, (double)mote_rne((float)i + 0.5f), (double)rintf((float)i + 0.5f));
}

/* ---- functions ------------------------------------------------------------------------------- */

static void run_exp(check *c)
{
    if (!check_begin(c))
        return;
    for (uint32_t u = 0; u <= 0x42b00000u; u += 1499) { /* to 88 */
        float x = bits_float(u), down = -x;
        double up = exp((double)x), want = exp((double)down);
        check_near(c, (double)mote_exp(x), up, 1.5 * U * up);
        if (down >= -80.0f)
            check_near(c, (double)mote_exp(down), want, 1.5 * U * want);
        else
            check_same(c, (double)mote_exp(down), 0.0);
    }
    expect_float(c, "exp(0)", mote_exp(0.0f), 1.0f);
    expect_float(c, "exp(-0)", mote_exp(-0.0f), 1.0f);
    expect_float(c, "exp(-inf)", mote_exp(-INFINITY), 0.0f);
    expect_float(c, "exp(90)", mote_exp(90.0f), mote_exp(88.0f));
    expect_float(c, "exp(inf)", mote_exp(INFINITY), mote_exp(88.0f));
    expect_float(c, "exp(nan)", mote_exp(NAN), NAN);
}

static void run_tanh(check *c)
{
    if (!check_begin(c))
        return;
    for (uint32_t u = 0; u <= 0x42000000u; u += 1999) { /* to 32 */
        float x = bits_float(u), y = mote_tanh(x);
        check_near(c, (double)y, tanh((double)x), TOL_TANH);
        expect_float(c, "tanh(-x)", mote_tanh(-x), -y);
    }
    expect_float(c, "tanh(inf)", mote_tanh(INFINITY), 1.0f);
    expect_float(c, "tanh(-inf)", mote_tanh(-INFINITY), -1.0f);
    expect_float(c, "tanh(nan)", mote_tanh(NAN), NAN);
}

/* Both forms of GELU over all exponents to 16, and what lies beyond. */
static void run_gelu(check *c)
{
    if (!check_begin(c))
        return;
    for (uint32_t u = 0; u <= 0x41800000u; u += 997)
        for (int sign = 0; sign < 2; sign++) {
            float x = bits_float(u | (uint32_t)sign << 31);
            double d = (double)x, v = sqrt(8 / M_PI) * (d + 0.044715 * d * d * d);
            double tanh_form = d / (1.0 + exp(-v)), erf_form = d * 0.5 * erfc(-d / sqrt(2));
            check_near(c, (double)mote_gelu_tanh(x), tanh_form,
                       tol_gelu_tanh(tanh_form, v) + (v < -80.0 ? 1e-33 : 0.0));
            check_near(c, (double)mote_gelu_erf(x), erf_form, tol_gelu_erf(erf_form, d) + 1e-33);
        }
    expect_float(c, "gelu(-1e6)", mote_gelu_erf(-1e6f), -0.0f);
    expect_float(c, "gelu(1e30)", mote_gelu_erf(1e30f), 1e30f);
    expect_float(c, "gelu(1e30), tanh", mote_gelu_tanh(1e30f), 1e30f);
    expect_float(c, "gelu(0)", mote_gelu_erf(0.0f), 0.0f);
    expect_float(c, "gelu(0), tanh", mote_gelu_tanh(0.0f), 0.0f);
}

static void expect_angle(check *c, float angle)
{
    float s, co;
    mote_sincos(angle, &s, &co);
    double bound = fabsf(angle) < 0x1p19f ? TOL_TRIG : TOL_TRIG_FAR;
    check_near(c, (double)s, sin((double)angle), bound);
    check_near(c, (double)co, cos((double)angle), bound);
}

/* Positions to 131,072 times inverse frequencies; next to multiples of pi/2; floats to 2^21. */
static void run_sincos(check *c)
{
    if (!check_begin(c))
        return;
    for (int j = 0; j < 32; j++) {
        float f = (float)pow(j % 2 ? 5e5 : 1e4, -j / 32.0);
        for (uint32_t pos = 0; pos <= 131072; pos += 1 + pos / 256)
            expect_angle(c, (float)pos * f);
    }
    for (uint32_t pos = 0; pos <= 131072; pos++)
        expect_angle(c, (float)pos);
    for (int n = 0; n < 1335000; n += 1 + n / 4000) {
        uint32_t u = float_bits((float)(n * (double)M_PI_2));
        for (uint32_t d = 0; d < 5; d++)
            expect_angle(c, bits_float(u + (n ? d - 2 : d)));
    }
    for (uint32_t u = 0; u < 0x4a000000u; u += 4001) {
        expect_angle(c, bits_float(u));
        expect_angle(c, -bits_float(u));
    }
}

const check_slot math_slots[] = {
    {"fma_random", 0, run_fma_random, 0, NULL, false},
    {"fma_cancel", 0, run_fma_cancel, 0, NULL, false},
    {"fma_edges", 0, run_fma_edges, 0, NULL, false},
    {"fma_ties", 0, run_fma_ties, 0, NULL, false},
    {"fma_special", 0, run_fma_special, 0, NULL, false},
    {"half", 0, run_half, 0, NULL, false},
    {"half_round", 0, run_half_round, 0, NULL, false},
    {"rne", 0, run_rne, 0, NULL, false},
    {"exp", 0, run_exp, 0, NULL, false},
    {"tanh", 0, run_tanh, 0, NULL, false},
    {"gelu", 0, run_gelu, 0, NULL, false},
    {"sincos", 0, run_sincos, 0, NULL, false},
    {0},
};
