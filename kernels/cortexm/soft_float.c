/* soft_float.c: fused multiply-add and square root by integers, for CPUs without an FPU (math.h
 * calls them there): the bits of the instructions, several times faster than doubles in software.
 */
#include "kernels/math.h"

/* As math.h has them where there is no FPU. */
float mote_soft_fma(float a, float b, float c);
float mote_soft_sqrt(float x);

#define FRACTION 0x7fffffu
#define HIDDEN 0x800000u

/* A finite float as mantissa * 2^exponent. */
typedef struct parts {
    uint32_t mantissa;
    int exponent;
} parts;

static parts take_apart(uint32_t u)
{
    uint32_t e = u >> 23 & 0xff;
    return (parts){e ? (u & FRACTION) | HIDDEN : u & FRACTION, (e ? (int)e : 1) - 150};
}

/* x >> n for any n > 0; what is lost sets the last bit. */
static uint64_t shift_right(uint64_t x, int n)
{
    if (n > 63)
        return x != 0;
    return x >> n | ((x << (64 - n)) != 0);
}

/* m * 2^exponent to the nearest float, ties to even; m not 0. */
static float put_together(uint32_t sign, uint64_t m, int exponent)
{
    int shift = 40 - __builtin_clzll(m); /* leaves 24 bits */
    if (exponent + shift < -149)
        shift = -149 - exponent; /* subnormal */
    uint32_t top;
    if (shift > 0) { /* the last two bits: half, and whatever is below */
        uint64_t kept = shift > 2 ? shift_right(m, shift - 2) : m << (2 - shift);
        uint32_t rest = (uint32_t)kept & 3;
        top = (uint32_t)(kept >> 2);
        top += rest > 2 || (rest == 2 && top & 1);
    } else {
        top = (uint32_t)(m << -shift);
    }
    int e = exponent + shift + 150;
    if (top >= HIDDEN << 1) {
        top >>= 1;
        e++;
    }
    if (e > 254)
        return bits_float(sign | 0x7f800000u);
    return bits_float(sign | (top >= HIDDEN ? (uint32_t)e << 23 : 0) | (top & FRACTION));
}

float mote_soft_fma(float a, float b, float c)
{
    uint32_t ua = float_bits(a), ub = float_bits(b), uc = float_bits(c);
    uint32_t sign = (ua ^ ub) & 0x80000000u, sign_c = uc & 0x80000000u;
    const uint32_t infinite = 0xff000000u; /* without the sign, and up: NaN */
    if (ua << 1 >= infinite || ub << 1 >= infinite || !(ua << 1) || !(ub << 1))
        return a * b + c;
    if (uc << 1 >= infinite)
        return c + c; /* whatever a * b rounds to */
    if (!(uc << 1))
        return a * b;
    parts pa = take_apart(ua), pb = take_apart(ub), pc = take_apart(uc);
    /* Both have zeros at their low end: nothing is lost unless one is far below the other. */
    uint64_t p = (uint64_t)pa.mantissa * pb.mantissa << 14, q = (uint64_t)pc.mantissa << 37;
    int ep = pa.exponent + pb.exponent - 14, eq = pc.exponent - 37;
    if (ep > eq)
        q = shift_right(q, ep - eq);
    else if (eq > ep)
        p = shift_right(p, eq - ep);
    int e = ep > eq ? ep : eq;
    if (sign == sign_c)
        return put_together(sign, p + q, e);
    if (p == q)
        return 0.0f;
    return p > q ? put_together(sign, p - q, e) : put_together(sign_c, q - p, e);
}

/* The root's bits one after the other. Not negative. */
float mote_soft_sqrt(float x)
{
    uint32_t u = float_bits(x);
    if (!u || u >= 0x7f800000u)
        return x;
    parts p = take_apart(u);
    while (!(p.mantissa & HIDDEN)) {
        p.mantissa <<= 1;
        p.exponent--;
    }
    if (p.exponent & 1) {
        p.mantissa <<= 1;
        p.exponent--;
    }
    uint64_t rest = (uint64_t)p.mantissa << 28, root = 0; /* 26 bits of root */
    for (uint64_t bit = (uint64_t)1 << 52; bit; bit >>= 2) {
        if (rest >= root + bit) {
            rest -= root + bit;
            root = root >> 1 | bit;
        } else {
            root >>= 1;
        }
    }
    return put_together(0, root << 1 | (rest != 0), (p.exponent - 28) / 2 - 1);
}
