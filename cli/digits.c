/* digits.c: "%.9g" of a float without printf, for the hundreds of numbers of an embedding. Read
 * digits.h first.
 *
 * A float is m * 2^e, m < 2^24. Its nine digits are N = m * 2^e * 10^k rounded, ties to even, with
 * k so that 10^8 <= N < 10^9. From 1e-4 on k is at most 12, and m * 5^k < 2^52 is exact, so that
 * all that is left is a shift by e + k.
 */
#include "cli/digits.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define LEAST_EXPONENT (-4) /* of ten; below it and from 1e9 on, "%g" writes an exponent */
#define DIGITS 9

/* Powers of ten from 1e-4 to 1e9; no float lies between one of them and what is written here. */
static const double powers[] = {1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2,
                                1e3,  1e4,  1e5,  1e6,  1e7, 1e8, 1e9};

static int exponent_of_ten(double x)
{
    int i = 0;
    while (x >= powers[i + 1])
        i++;
    return i + LEAST_EXPONENT;
}

/* |x| * 10^k, rounded. */
static uint64_t scaled(uint32_t bits, int k)
{
    uint64_t n = (bits & 0x7fffff) | 0x800000;
    int shift = 150 - (int)(bits >> 23 & 0xff) - k; /* to the right; x is a normal number */
    for (int i = 0; i < k; i++)
        n *= 5;
    if (shift <= 0)
        return n << -shift;
    uint64_t whole = n >> shift, rest = n - (whole << shift), half = (uint64_t)1 << (shift - 1);
    return whole + (rest > half || (rest == half && whole % 2));
}

/* Nine digits with the point behind the one of 10^0, no zeros at the end. */
static size_t place(char *to, uint64_t n, int exponent)
{
    char digits[DIGITS], *p = to;
    size_t n_digits = DIGITS, whole = exponent < 0 ? 0 : (size_t)exponent + 1;
    for (size_t i = DIGITS; i--; n /= 10)
        digits[i] = (char)('0' + n % 10);
    while (n_digits > whole && n_digits > 1 && digits[n_digits - 1] == '0')
        n_digits--;
    if (!whole)
        *p++ = '0';
    memcpy(p, digits, whole);
    p += whole;
    if (n_digits > whole)
        *p++ = '.';
    for (int i = exponent + 1; i < 0; i++)
        *p++ = '0';
    memcpy(p, digits + whole, n_digits - whole);
    return (size_t)(p - to) + n_digits - whole;
}

size_t cli_float_digits(char text[CLI_FLOAT_CHARS], float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    double size = x < 0 ? -(double)x : (double)x;
    if (!(size >= 1e-4 && size < 1e9)) {
        int n = snprintf(text, CLI_FLOAT_CHARS, "%.9g", (double)x);
        return n > 0 ? (size_t)n : 0;
    }
    int exponent = exponent_of_ten(size);
    uint64_t n = scaled(bits, DIGITS - 1 - exponent);
    if (n == 1000000000) { /* 999999999.5 and the like */
        n /= 10;
        exponent++;
    }
    if (exponent == DIGITS) { /* as such it has an exponent */
        memcpy(text, x < 0 ? "-1e+09" : "1e+09", x < 0 ? 6 : 5);
        return x < 0 ? 6 : 5;
    }
    if (x < 0)
        *text = '-';
    return (x < 0) + place(text + (x < 0), n, exponent);
}
