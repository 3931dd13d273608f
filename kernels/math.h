/* math.h: the scalar arithmetic every kernel is built from. Read kernels.h first.
 *
 * Plain C with one meaning on every CPU: IEEE single precision, round to nearest even, no
 * contraction, no libm. The same source compiled for a wider tier is vectorised by the compiler and
 * still gives these bits, so the functions are branch-free where it matters.
 */
#ifndef MOTE_MATH_H
#define MOTE_MATH_H

#include <float.h>
#include <stdint.h>
#include <string.h>

#ifdef __FAST_MATH__
#error "mote needs IEEE arithmetic: do not build with -ffast-math"
#endif
_Static_assert(FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 16, /* 16: of _Float16 */
               "mote needs float arithmetic without excess precision");

static inline uint32_t float_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float bits_float(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* No FPU: cortexm/soft_float.c. */
#if (defined(__arm__) && !defined(__ARM_FP)) || (defined(__riscv) && !defined(__riscv_flen))
#define MOTE_SOFT_FLOAT 1
float mote_soft_fma(float a, float b, float c);
float mote_soft_sqrt(float x);
#else
#define MOTE_SOFT_FLOAT 0
#endif

/* a*b + c rounded once. Without an instruction: the product is exact in double; the sum is rounded
 * to odd there (a discarded part sets the last bit), so that rounding to float afterwards cannot go
 * wrong (Boldo & Melquiond 2008). */
static inline float mote_fma(float a, float b, float c)
{
#if MOTE_SOFT_FLOAT
    return mote_soft_fma(a, b, c);
#elif defined(__FMA__) || defined(MOTE_TIER_FMA) || defined(__aarch64__) ||                        \
    defined(__ARM_FEATURE_FMA) || defined(__riscv)
    return __builtin_fmaf(a, b, c);
#else
    double p = (double)a * (double)b, d = (double)c;
    double s = p + d;
    double t = s - p;
    double lost = (p - (s - t)) + (d - t); /* what the addition rounded away, exactly (Knuth) */
    uint64_t u;
    memcpy(&u, &s, sizeof u);
    /* Not for exact, infinite or NaN sums; toward the lost part, away from an even last bit. */
    uint64_t inexact = (lost != 0.0) & ((u & 0x7ff0000000000000u) != 0x7ff0000000000000u) & ~u & 1;
    uint64_t down = (lost < 0.0) != (s < 0.0);
    u = u + inexact - 2 * (inexact & down);
    memcpy(&s, &u, sizeof s);
    return (float)s;
#endif
}

static inline float mote_sqrt(float x)
{
#if MOTE_SOFT_FLOAT
    return mote_soft_sqrt(x);
#else
    return __builtin_sqrtf(x);
#endif
}

/* Rounds to an integer, ties to even; |x| < 2^22. */
#define MOTE_RNE_MAGIC 0x1.8p23f
static inline float mote_rne(float x) { return (x + MOTE_RNE_MAGIC) - MOTE_RNE_MAGIC; }

static inline float mote_fabs(float x) { return bits_float(float_bits(x) & 0x7fffffffu); }
static inline float mote_fmax(float a, float b) { return a > b ? a : b; }

/* ---- half precision ------------------------------------------------------------------------- */

static inline float mote_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = h & 0x7fffu;
    uint32_t special = rest >= 0x7c00u ? 0x7f800000u : 0; /* infinity, NaN */
    /* Scaling by 2^112 puts exponent and subnormals right, exactly. */
    return bits_float(sign | special | float_bits(bits_float(rest << 13) * 0x1p112f));
}

static inline uint16_t mote_f32_to_f16(float x)
{
    uint32_t u = float_bits(x), sign = u >> 16 & 0x8000u, rest = u & 0x7fffffffu;
    if (rest > 0x7f800000u) /* NaN, quiet */
        return (uint16_t)(sign | 0x7e00u | (rest >> 13 & 0x1ffu));
    if (rest >= 0x477ff000u) /* rounds to infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (rest < 0x38800000u) /* subnormal or zero: the sum with 0.5 rounds at 2^-24 */
        return (uint16_t)(sign | (float_bits(bits_float(rest) + 0.5f) - 0x3f000000u));
    rest += 0xfffu + (rest >> 13 & 1u);
    return (uint16_t)(sign | (rest - 0x38000000u) >> 13);
}

static inline float mote_bf16_to_f32(uint16_t h) { return bits_float((uint32_t)h << 16); }

/* ---- transcendental functions ---------------------------------------------------------------- */
/* Polynomials are minimax fits (Remez). Measured against double: sin, cos, tanh within 1e-7. */

/* exp(x): 0 below -80, as if x were 88 above 88, 1 at 0. Relative error < 1.5 * 2^-24.
 *   x = n ln2 + r, |r| <= ln2/2;  exp(x) = 2^n (1 + r + r^2 q(r)) */
static inline float mote_exp(float x)
{
    float c = x > 88.0f ? 88.0f : x;
    c = c < -80.0f ? -80.0f : c;
    float t = c * 0x1.715476p+0f + MOTE_RNE_MAGIC; /* n sits in the low bits of t */
    float n = t - MOTE_RNE_MAGIC;
    float r = mote_fma(n, -0x1.62e43p-1f, c);
    r = mote_fma(n, 0x1.05c61p-29f, r);
    float q = 0.00139505411709f;
    q = mote_fma(q, r, 0.00836891778738f);
    q = mote_fma(q, r, 0.041666205054f);
    q = mote_fma(q, r, 0.166665186035f);
    q = mote_fma(q, r, 0.500000009542f);
    float y = mote_fma(q, r * r, r) + 1.0f;
    uint32_t power = (float_bits(t) - float_bits(MOTE_RNE_MAGIC) + 127u) << 23;
    y = y * bits_float(power);
    return x < -80.0f ? 0.0f : y;
}

/* tanh(x) = (1 - e) / (1 + e), e = exp(-2|x|), with the sign of x. */
static inline float mote_tanh(float x)
{
    float e = mote_exp(-2.0f * mote_fabs(x));
    float y = (1.0f - e) / (1.0f + e);
    return bits_float(float_bits(y) | (float_bits(x) & 0x80000000u));
}

/* silu(x) = x / (1 + exp(-x)) */
static inline float mote_silu(float x) { return x / (1.0f + mote_exp(-x)); }

/* gelu(x) = x/2 (1 + tanh(u)) = x / (1 + exp(-2u)), 2u = sqrt(8/pi) (x + 0.044715 x^3): what
 * GPT-2 and Gemma call GELU. Written as a quotient it loses nothing where tanh is near -1. */
static inline float mote_gelu_tanh(float x)
{
    float v = x * mote_fma(0x1.2444f2p-4f, x * x, 0x1.988454p+0f);
    return x / (1.0f + mote_exp(-v));
}

/* gelu(x) = x/2 (1 + erf(x / sqrt 2)) = x times the normal distribution up to x, the exact form.
 * q, the tail beyond |x|, is exp(P(|x|)): P is fitted to ln q over 0 .. 7 so that |x| q is within
 * 4e-8, starts at -ln 2 and falls for ever after. */
static inline float mote_log_normal_tail(float x)
{
    float a = mote_fabs(x);
    float p = -8.63463924e-07f;
    p = mote_fma(p, a, 1.45962077e-05f);
    p = mote_fma(p, a, -7.14260823e-05f);
    p = mote_fma(p, a, -2.26531498e-04f);
    p = mote_fma(p, a, 5.05647156e-03f);
    p = mote_fma(p, a, -3.64896357e-02f);
    p = mote_fma(p, a, -3.18268329e-01f);
    p = mote_fma(p, a, -7.97888696e-01f);
    return mote_fma(p, a, -6.93147123e-01f);
}

static inline float mote_times_normal(float x, float log_tail)
{
    float q = mote_exp(log_tail);
    return x * (x > 0.0f ? 1.0f - q : q);
}

static inline float mote_gelu_erf(float x) { return mote_times_normal(x, mote_log_normal_tail(x)); }

/* sin and cos of x, |x| < 2^21: x = n pi/2 + r by a three-part pi/2 (Cody & Waite), exact to the
 * last bit of r for all positions a model knows. */
static inline void mote_sincos(float x, float *sin, float *cos)
{
    float t = x * 0x1.45f306p-1f + MOTE_RNE_MAGIC;
    float n = t - MOTE_RNE_MAGIC;
    uint32_t quarter = float_bits(t);
    float r = mote_fma(n, -0x1.921fb6p+0f, x);
    r = mote_fma(n, 0x1.777a5cp-25f, r);
    r = mote_fma(n, 0x1.ee59dap-50f, r);
    float z = r * r;
    float s = mote_fma(-0.000195169777692f, z, 0.00833217584911f);
    s = mote_fma(s, z, -0.166666549087f);
    s = mote_fma(s, z * r, r);
    float c = mote_fma(2.4438091947e-5f, z, -0.00138873644955f);
    c = mote_fma(c, z, 0.0416666468074f);
    c = mote_fma(c, z * z, mote_fma(-0.5f, z, 1.0f));
    float a = quarter & 1u ? c : s, b = quarter & 1u ? s : c;
    *sin = bits_float(float_bits(a) ^ (quarter & 2u) << 30);
    *cos = bits_float(float_bits(b) ^ ((quarter + 1u) & 2u) << 30);
}

#endif
