/* template_number.c: numbers to text and back for chat templates, exact, without libc. Doubles
 * are printed as Python's repr() does: the shortest digits that read back as the same number
 * (the method of Steele and White, with whole numbers of up to 1536 bits).
 */
#include "tokenizer/template.h"

size_t mote_tpl_int_text(char out[TPL_NUMBER_BYTES], int64_t i)
{
    char digits[TPL_NUMBER_BYTES];
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    size_t n = 0, at = 0;
    do
        digits[n++] = (char)('0' + u % 10);
    while (u /= 10);
    if (i < 0)
        out[at++] = '-';
    while (n)
        out[at++] = digits[--n];
    return at;
}

/* ---- large whole numbers -------------------------------------------------------------------- */

enum { BIG_WORDS = 48 };

/* Value: sum of w[i] * 2^(32 i), i < n; w[n-1] != 0. All uses stay below 2^1536. */
typedef struct big {
    uint32_t w[BIG_WORDS];
    size_t n;
} big;

static void big_set(big *b, uint64_t v)
{
    *b = (big){.w = {(uint32_t)v, (uint32_t)(v >> 32)}};
    b->n = v >> 32 ? 2 : v ? 1 : 0;
}

static void big_times(big *b, uint32_t k)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < b->n; i++, carry >>= 32) {
        carry += (uint64_t)b->w[i] * k;
        b->w[i] = (uint32_t)carry;
    }
    if (carry && b->n < BIG_WORDS)
        b->w[b->n++] = (uint32_t)carry;
}

static void big_times_10(big *b, int times)
{
    for (; times > 0; times--)
        big_times(b, 10);
}

static void big_shift(big *b, int bits)
{
    for (; bits >= 24; bits -= 24)
        big_times(b, 1u << 24);
    big_times(b, 1u << bits);
}

static int big_cmp(const big *a, const big *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    for (size_t i = a->n; i-- > 0;)
        if (a->w[i] != b->w[i])
            return a->w[i] < b->w[i] ? -1 : 1;
    return 0;
}

/* a + b against c */
static int big_cmp_sum(const big *a, const big *b, const big *c)
{
    big sum = *a;
    uint64_t carry = 0;
    size_t n = a->n > b->n ? a->n : b->n;
    for (size_t i = 0; i < n; i++, carry >>= 32) {
        carry += (uint64_t)a->w[i] + b->w[i];
        sum.w[i] = (uint32_t)carry;
    }
    if (carry && n < BIG_WORDS)
        sum.w[n++] = (uint32_t)carry;
    sum.n = n;
    return big_cmp(&sum, c);
}

/* a -= b, a >= b */
static void big_minus(big *a, const big *b)
{
    int64_t borrow = 0;
    for (size_t i = 0; i < a->n; i++, borrow >>= 32) {
        borrow += (int64_t)a->w[i] - (i < b->n ? b->w[i] : 0);
        a->w[i] = (uint32_t)borrow;
    }
    while (a->n && !a->w[a->n - 1])
        a->n--;
}

/* ---- doubles to text ------------------------------------------------------------------------ */

/* v = r / s; numbers within (r - below) / s .. (r + above) / s read back as v. */
typedef struct decimal {
    big r, s, above, below;
    bool even; /* the ends of that range count as well */
} decimal;

static int start_digits(decimal *d, uint64_t m, int e)
{
    int up = e > 0 ? e : 0, down = e < 0 ? -e : 0, bits = 0, k;
    bool uneven = m == (uint64_t)1 << 52 && e > -1074; /* the gap below is half as wide */
    big_set(&d->r, m);
    big_set(&d->s, 1);
    big_set(&d->above, 1);
    big_set(&d->below, 1);
    big_shift(&d->r, up + 1 + uneven);
    big_shift(&d->s, down + 1 + uneven);
    big_shift(&d->above, up + uneven);
    big_shift(&d->below, up);
    d->even = m % 2 == 0;
    while (m >> bits)
        bits++;
    k = (bits + e - 1) * 30103 / 100000 - 1;
    big_times_10(&d->s, k);
    big_times_10(&d->r, -k);
    big_times_10(&d->above, -k);
    big_times_10(&d->below, -k);
    while (big_cmp_sum(&d->r, &d->above, &d->s) >= !d->even) {
        big_times(&d->s, 10);
        k++;
    }
    return k;
}

/* m * 2^e = 0.DIGITS * 10^k; returns the number of digits. */
static size_t shortest(char out[20], uint64_t m, int e, int *k)
{
    decimal d;
    *k = start_digits(&d, m, e);
    for (size_t n = 0; n < 18;) {
        char digit = '0';
        big_times(&d.r, 10);
        big_times(&d.above, 10);
        big_times(&d.below, 10);
        for (; big_cmp(&d.r, &d.s) >= 0; digit++)
            big_minus(&d.r, &d.s);
        bool low = big_cmp(&d.r, &d.below) < d.even;
        bool high = big_cmp_sum(&d.r, &d.above, &d.s) >= !d.even;
        if (low && high)
            high = big_cmp_sum(&d.r, &d.r, &d.s) > -(digit & 1);
        out[n++] = (char)(digit + high);
        if (low || high)
            return n;
    }
    return 18;
}

/* Digits and exponent in Python's form: fixed for 1e-4 <= f < 1e16. */
static size_t lay_out(char *out, const char *digit, size_t n, int k)
{
    size_t at = 0;
    if (k <= -4 || k > 16) {
        out[at++] = digit[0];
        if (n > 1)
            out[at++] = '.';
        for (size_t i = 1; i < n; i++)
            out[at++] = digit[i];
        out[at++] = 'e';
        out[at++] = k <= 0 ? '-' : '+';
        int e = k <= 0 ? 1 - k : k - 1;
        if (e < 10)
            out[at++] = '0';
        return at + mote_tpl_int_text(out + at, e);
    }
    if (k <= 0)
        out[at++] = '0';
    for (int i = 0; i < k; i++)
        out[at++] = (size_t)i < n ? digit[i] : '0';
    out[at++] = '.';
    for (int i = k; i < 0; i++)
        out[at++] = '0';
    for (size_t i = k > 0 ? (size_t)k : 0; i < n; i++)
        out[at++] = digit[i];
    if (k > 0 && (size_t)k >= n)
        out[at++] = '0';
    return at;
}

size_t mote_tpl_float_text(char out[TPL_NUMBER_BYTES], double f)
{
    uint64_t bits;
    char digit[20];
    int k;
    memcpy(&bits, &f, sizeof bits);
    uint64_t m = bits & (((uint64_t)1 << 52) - 1), e = bits >> 52 & 0x7ff;
    size_t at = 0;
    if (bits >> 63 && !(e == 0x7ff && m))
        out[at++] = '-';
    if (e == 0x7ff || (!e && !m)) {
        memcpy(out + at, e ? (m ? "nan" : "inf") : "0.0", 3);
        return at + 3;
    }
    size_t n = shortest(digit, e ? m | (uint64_t)1 << 52 : m, e ? (int)e - 1075 : -1074, &k);
    return at + lay_out(out + at, digit, n, k);
}

/* ---- text to doubles ------------------------------------------------------------------------ */

static double scale(double f, int e)
{
    for (; e > 0; e--)
        f *= 2;
    for (; e < 0; e++)
        f /= 2;
    return f;
}

/* a / b, correctly rounded, from the first bits of the quotient and whether anything is left. a
 * > 0 */
static double divide(big *a, big *b)
{
    int e = 0;
    uint64_t q = 0;
    for (; big_cmp(a, b) >= 0; e++)
        big_times(b, 2);
    for (; big_cmp_sum(a, a, b) < 0; e--)
        big_times(a, 2);
    int wanted = e < -1021 ? 54 + (e + 1021) : 54; /* 1/2 <= a/b < 1; fewer if subnormal */
    for (int i = 0; i < wanted; i++) {
        big_times(a, 2);
        bool one = big_cmp(a, b) >= 0;
        if (one)
            big_minus(a, b);
        q = q << 1 | one;
    }
    if (wanted <= 0)
        return 0;
    q = (q >> 1) + (q & 1 && (a->n || q & 2));
    return scale((double)q, e - wanted + 1);
}

bool mote_tpl_read_float(double *out, const char *p, size_t n)
{
    uint64_t m = 0;
    int64_t e = 0, e10 = 0;
    size_t i = 0, n_digits = 0;
    bool point = false, minus = false;
    for (; i < n && ((p[i] >= '0' && p[i] <= '9') || (p[i] == '.' && !point)); i++) {
        point |= p[i] == '.';
        if (p[i] == '.')
            continue;
        n_digits++;
        if (m < 1000000000000000000u)
            m = m * 10 + (uint64_t)(p[i] - '0'), e -= point;
        else
            e += !point;
    }
    if (!n_digits)
        return false;
    if (i < n && (p[i] == 'e' || p[i] == 'E')) {
        minus = ++i < n && p[i] == '-';
        i += minus || (i < n && p[i] == '+');
        if (i == n)
            return false;
        for (; i < n && p[i] >= '0' && p[i] <= '9'; i++)
            e10 = e10 < 100000 ? e10 * 10 + (p[i] - '0') : e10;
        e += minus ? -e10 : e10;
    }
    big a, b;
    e = e > 320 ? 320 : e < -400 ? -400 : e;
    big_set(&a, m);
    big_set(&b, 1);
    big_times_10(&a, (int)e);
    big_times_10(&b, -(int)e);
    *out = m ? divide(&a, &b) : 0;
    return i == n;
}

/* The part of x * y that the product loses, exactly. */
static double lost(double x, double y)
{
    double big_x = x * 134217729.0, big_y = y * 134217729.0;
    double xh = big_x - (big_x - x), yh = big_y - (big_y - y), xl = x - xh, yl = y - yh;
    return ((xh * yh - x * y) + xh * yl + xl * yh) + xl * yl;
}

double mote_tpl_round(double f, int64_t digits)
{
    double power = 1, x = f < 0 ? -f : f;
    for (int64_t i = digits < 0 ? -digits : digits; i > 0 && power < 1e22; i--)
        power *= 10;
    double y = digits < 0 ? x / power : x * power;
    if (!(y < 4503599627370496.0))
        return f;
    double whole = (double)(int64_t)y, rest = y - whole - 0.5;
    rest += digits < 0 ? 0 : lost(x, power);
    whole += rest > 0 || (!(rest < 0) && (int64_t)y % 2);
    whole = digits < 0 ? whole * power : whole / power;
    return f < 0 ? -whole : whole;
}
