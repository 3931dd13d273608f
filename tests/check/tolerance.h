/* tolerance.h: how far a kernel may be from exact arithmetic, each class with its reason. Kernels
 * whose contract fixes every rounding are also re-enacted step by step and compared exactly (EXACT:
 * check_same, check_image): quantising, stores, dequantising, float products, sums of 16 lanes.
 * U is half a unit in the last place, relative; LEAST the smallest subnormal.
 */
#ifndef MOTE_TOLERANCE_H
#define MOTE_TOLERANCE_H

#include <math.h>
#include <stddef.h>

#define U 0x1p-24
#define LEAST 0x1p-149

/* DOT(k): k roundings in a row, each at most U of a partial sum, which sum|w x| bounds. `lost`
 * counts what may underflow: a result, or the product of two scales, times the integer it
 * multiplies. */
static inline double tol_dot(double k, double sum_abs, double lost)
{
    return k * U * sum_abs + lost * LEAST;
}

/* ROW(n): a lane adds n/16 squares, the fold 4; the square root halves that. Then mean, eps, root,
 * reciprocal, two products: 8 more. A product may underflow, and the weight multiplies that. */
static inline double tol_norm(size_t n, double want, double weight)
{
    return ((double)n / 32 + 8) * U * fabs(want) + (fabs(weight) + 1) * LEAST;
}

/* EXP: the polynomial's 1.5 U as math.h says; `arg` is the error of the argument. Results under
 * e^-80 are 0 by contract. */
static inline double tol_exp(double want, double arg)
{
    return (1.5 * U + 1.01 * arg) * want + 2e-35;
}

/* TRIG, TANH: absolute, as math.h says; a factor rounds once more. */
#define TOL_TRIG 1e-7
#define TOL_TRIG_FAR 4e-7 /* 2^19 .. 2^21: the quarter is chosen less well, so r leaves the fit */
#define TOL_TANH 1e-7

/* CAP: c * tanh(y / c): the quotient's error counts at most 0.45 of itself, the product U. */
static inline double tol_cap(double c) { return c * (TOL_TANH + 2 * U); }

/* LAYER(n): the mean is off by n/16 + 5 roundings of the mean magnitude, which moves every x - mean
 * and, squared, the root little; then as ROW. `spread` is |w| / root. */
static inline double tol_layer(size_t n, double want, double mean_abs, double spread, double b)
{
    double rounds = (double)n / 16 + 8;
    return rounds * U * (2 * mean_abs * spread + fabs(want - b)) + 2 * U * fabs(want) +
           (spread + 2) * LEAST;
}

/* GELU: the tanh form is a quotient; exp's argument v (2u) has 4 roundings, which the derivative
 * passes on times |v|. The erf form adds its fit, and the roundings of P in exp. */
static inline double tol_gelu_tanh(double want, double v)
{
    return (4 + 4 * fabs(v)) * U * fabs(want) + LEAST;
}
static inline double tol_gelu_erf(double want, double x)
{
    return 4e-8 * fmin(fabs(x), 1.0) + (5 + x * x) * U * fabs(want) + 2e-35 + LEAST;
}

/* ULP(n) for a few dependent roundings. */
static inline double tol_ulp(double n, double want) { return 2 * n * U * fabs(want) + LEAST; }

#endif
