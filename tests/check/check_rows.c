/* check_rows.c: the kernels that work along a row. Read check.h and tolerance.h.
 *
 * Where kernels.h fixes every rounding, the oracle takes the same steps with libm's fmaf and must
 * get the same bits; functions with polynomials of our own are compared with libm in double.
 */
#include "tests/check/check.h"
#include "tests/check/tolerance.h"

/* Row lengths: every remainder of up to five vectors of 16, then real ones. */
static size_t pick_n(check *c)
{
    static const size_t real[] = {127, 128, 255, 257, 576, 896, 1536, 2048, 4864};
    if (c->shape)
        return c->shape->k;
    size_t i = check_range(c, "length", 0, 80 + sizeof real / sizeof *real - 1);
    size_t n = i < 80 ? i + 1 : real[i - 80];
    check_note(c, "n", n);
    return n;
}

static size_t pick_kind(check *c)
{
    return c->shape ? KIND_NORMAL : check_range(c, "kind", 0, KINDS - 1);
}

/* Bytes and elements per call, for --bench. */
static void set_work(check *c, size_t n, size_t bytes_each)
{
    c->macs = (double)n;
    c->bytes = (double)(n * bytes_each);
}

/* Sum with 16 lanes, folded 8, 4, 2, 1; of squares by fma. */
static float lane_sum(const float *x, size_t n, bool squares)
{
    float lane[16] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % 16] = squares ? fmaf(x[i], x[i], lane[i % 16]) : lane[i % 16] + x[i];
    for (size_t width = 8; width; width /= 2)
        for (size_t l = 0; l < width; l++)
            lane[l] = lane[l] + lane[l + width];
    return lane[0];
}

/* ---- quantize -------------------------------------------------------------------------------- */

static void expect_group(int8_t *codes, float *scale, int32_t *sum, const float *x, size_t len)
{
    double amax = 0.0;
    bool finite = true;
    memset(codes, 0, 32);
    *sum = 0;
    for (size_t i = 0; i < len; i++) {
        finite = finite && isfinite(x[i]);
        amax = fmax(amax, fabs((double)x[i]));
    }
    if (!finite) {
        uint32_t quiet = 0x7fc00000u;
        memcpy(scale, &quiet, 4);
        return;
    }
    *scale = amax < 0x1p-100 ? 0.0f : (float)(amax / 127.0);
    double factor = amax < 0x1p-100 ? 0.0 : (double)(float)(127.0 / amax);
    for (size_t i = 0; i < len; i++) {
        codes[i] = (int8_t)rint((double)(float)((double)x[i] * factor));
        *sum += codes[i];
    }
}

/* A value that x * (127 / amax) brings to a half or next to it: x / (amax / 127) goes elsewhere. */
static float near_tie(check *c, float amax)
{
    float x = ((float)check_below(c, 127) + 0.5f) / (127.0f / amax);
    size_t step = check_below(c, 3);
    x = step ? nextafterf(x, step == 1 ? 0.0f : amax) : x;
    return check_below(c, 2) ? x : -x;
}

/* Ties, the limit of 2^-100, infinities and NaN into some groups. */
static void spice(check *c, float *x, size_t n)
{
    size_t what = check_cycle(c, "spice", 6), at = check_below(c, n);
    if (what == 1) /* amax 127: the factor is 1, so these are ties */
        for (size_t i = 0; i < n; i++)
            x[i] = i % 32 == 0 ? 127.0f : (float)((int)check_below(c, 253) - 126) + 0.5f;
    if (what == 2)
        x[at] = check_below(c, 2) ? -INFINITY : INFINITY;
    if (what == 3)
        x[at] = check_below(c, 2) ? NAN : -NAN;
    if (what == 4)
        for (size_t i = 0; i < n; i++)
            x[i] = i / 32 % 2 ? 0x1p-100f : 0x1.fffffep-101f;
    float amax = 1.0f + fabsf(check_uniform(c));
    for (size_t i = 0; what == 5 && i < n; i++)
        x[i] = i % 32 == 0 ? amax : near_tie(c, amax);
}

static void run_quantize(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    if (!check_begin(c))
        return;
    size_t n_codes = (n + 63) / 64 * 64, n_groups = n_codes / 32;
    float *from = check_floats(c, n, kind);
    if (!c->shape)
        spice(c, from, n);
    const float *x = check_in(c, "x", from, n * sizeof *x);
    int8_t *codes = check_out(c, "codes", n_codes);
    float *scales = check_out(c, "scales", n_groups * sizeof *scales);
    int32_t *sums = check_out(c, "sums", n_groups * sizeof *sums);
    set_work(c, n, 5);
    CALL(c, c->k->quantize(codes, scales, sums, x, n));
    for (size_t g = 0; c->oracle && g < n_groups; g++) {
        int8_t want_codes[32];
        float want_scale;
        int32_t want_sum;
        size_t at = 32 * g, len = at >= n ? 0 : n - at < 32 ? n - at : 32;
        expect_group(want_codes, &want_scale, &want_sum, from + at, len);
        check_image(c, "codes", codes + at, want_codes, 32);
        check_image(c, "scale", &scales[g], &want_scale, 4);
        check_image(c, "sum", &sums[g], &want_sum, 4);
    }
}

/* ---- norm, simple arithmetic ----------------------------------------------------------------- */

static void run_rmsnorm(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    if (!check_begin(c))
        return;
    float eps = check_cycle(c, "eps", 2) ? 1e-5f : 1e-6f;
    float *from = check_floats(c, n, kind);
    const float *w = check_in_floats(c, "w", n, KIND_UNIFORM);
    bool same = check_below(c, 2) == 0; /* y may be x */
    float *y = same ? check_inout(c, "y", from, n * sizeof *y) : check_out(c, "y", n * sizeof *y);
    const float *x = same ? y : check_in(c, "x", from, n * sizeof *x);
    set_work(c, n, 12);
    CALL(c, c->k->rmsnorm(y, x, w, n, eps));
    if (!c->oracle)
        return;
    float inv = 1.0f / sqrtf(lane_sum(from, n, true) / (float)n + eps);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (double)from[i] * (double)from[i];
    double root = sqrt(sum / (double)n + (double)eps);
    for (size_t i = 0; i < n; i++) {
        double want = (double)from[i] / root * (double)w[i];
        check_same(c, (double)y[i], (double)(from[i] * inv * w[i]));
        check_near(c, (double)y[i], want, tol_norm(n, want, (double)w[i]));
    }
}

static void run_layernorm(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    if (!check_begin(c))
        return;
    float eps = check_cycle(c, "eps", 2) ? 1e-5f : 1e-12f, shift = check_normal(c);
    float *from = check_floats(c, n, kind), *d = check_scratch(c, n * sizeof *d);
    for (size_t i = 0; i < n && kind <= KIND_UNIFORM; i++)
        from[i] += shift; /* a mean that counts */
    const float *w = check_in_floats(c, "w", n, KIND_UNIFORM);
    const float *b = check_in_floats(c, "b", n, KIND_UNIFORM);
    bool same = check_below(c, 2) == 0; /* y may be x */
    float *y = same ? check_inout(c, "y", from, n * sizeof *y) : check_out(c, "y", n * sizeof *y);
    const float *x = same ? y : check_in(c, "x", from, n * sizeof *x);
    set_work(c, n, 16);
    CALL(c, c->k->layernorm(y, x, w, b, n, eps));
    if (!c->oracle)
        return;
    float mean = lane_sum(from, n, false) / (float)n;
    double exact = 0.0, square = 0.0, mean_abs = 0.0;
    for (size_t i = 0; i < n; i++) {
        d[i] = from[i] - mean;
        exact += (double)from[i] / (double)n;
        mean_abs += fabs((double)from[i]) / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        square += ((double)from[i] - exact) * ((double)from[i] - exact) / (double)n;
    float inv = 1.0f / sqrtf(lane_sum(d, n, true) / (float)n + eps);
    for (size_t i = 0; i < n; i++) {
        double root = sqrt(square + (double)eps), off = (double)from[i] - exact;
        double want = off / root * (double)w[i] + (double)b[i], spread = fabs((double)w[i]) / root;
        check_same(c, (double)y[i], (double)fmaf(d[i] * inv, w[i], b[i]));
        if (n > 1 && kind != KIND_TINY) /* one value leaves nothing but its rounding */
            check_near(c, (double)y[i], want,
                       tol_layer(n, want, mean_abs + fabs(off), spread, (double)b[i]));
    }
}

static void run_add(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    if (!check_begin(c))
        return;
    float *from = check_floats(c, n, kind);
    const float *x = check_in_floats(c, "x", n, check_below(c, KINDS));
    float *y = check_inout(c, "y", from, n * sizeof *y);
    set_work(c, n, 12);
    CALL(c, c->k->add(y, x, n));
    for (size_t i = 0; c->oracle && i < n; i++)
        check_same(c, (double)y[i], (double)(from[i] + x[i]));
}

static void run_scale(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    if (!check_begin(c))
        return;
    float *from = check_floats(c, n, kind), a = c->shape ? -1.0f : check_normal(c);
    float *y = check_inout(c, "y", from, n * sizeof *y);
    set_work(c, n, 8);
    CALL(c, c->k->scale(y, a, n));
    for (size_t i = 0; c->oracle && i < n; i++)
        check_same(c, (double)y[i], (double)(from[i] * a));
}

static void run_divide(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    if (!check_begin(c))
        return;
    float *from = check_floats(c, n, kind), sum = 1.0f + fabsf(check_normal(c)) * 100.0f;
    bool same = check_below(c, 2) == 0; /* y may be x */
    float *y = same ? check_inout(c, "y", from, n * sizeof *y) : check_out(c, "y", n * sizeof *y);
    const float *x = same ? y : check_in(c, "x", from, n * sizeof *x);
    set_work(c, n, 8);
    CALL(c, c->k->divide(y, x, sum, n));
    for (size_t i = 0; c->oracle && i < n; i++)
        check_same(c, (double)y[i], (double)(from[i] / sum));
}

static void run_softcap(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    if (!check_begin(c))
        return;
    float *from = check_floats(c, n, kind), cap = check_below(c, 2) ? 30.0f : 50.0f;
    for (size_t i = 0; i < n && kind < KIND_ZEROS; i++)
        from[i] *= 20.0f;
    float *y = check_inout(c, "y", from, n * sizeof *y);
    set_work(c, n, 8);
    CALL(c, c->k->softcap(y, cap, n));
    for (size_t i = 0; c->oracle && i < n; i++)
        check_near(c, (double)y[i], (double)cap * tanh((double)from[i] / (double)cap),
                   tol_cap((double)cap));
}

static void run_silu_mul(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    if (!check_begin(c))
        return;
    float *from = check_floats(c, n, kind == KIND_HUGE ? KIND_NORMAL : kind);
    for (size_t i = 0; i < n && kind == KIND_HUGE; i++) /* past both ends of exp */
        from[i] *= 60.0f;
    const float *up = check_in_floats(c, "up", n, check_below(c, KINDS));
    bool same = check_below(c, 2) == 0; /* y may be gate */
    float *y = same ? check_inout(c, "y", from, n * sizeof *y) : check_out(c, "y", n * sizeof *y);
    const float *gate = same ? y : check_in(c, "gate", from, n * sizeof *gate);
    set_work(c, n, 12);
    CALL(c, c->k->silu_mul(y, gate, up, n));
    for (size_t i = 0; c->oracle && i < n; i++) {
        double x = (double)from[i], u = (double)up[i], want = x / (1.0 + exp(-x)) * u;
        /* sum, quotient, product: 3 U, and exp's; under -88 exp(-x) stays e^88 */
        double cut = x < -88.0 ? -x * 1e-38 : 0.0;
        check_near(c, (double)y[i], want, tol_ulp(2.25, want) + (cut + LEAST) * fabs(u));
    }
}

/* gelu(x) in double and its bound. */
static double expect_gelu(double x, bool is_erf, double *bound)
{
    double v = sqrt(8 / M_PI) * (x + 0.044715 * x * x * x);
    double want = is_erf ? x * 0.5 * erfc(-x / sqrt(2)) : x / (1.0 + exp(-v));
    double cut = v < -80.0 ? -x * 2e-35 : 0.0; /* exp(-v) stays e^88 */
    *bound = is_erf ? tol_gelu_erf(want, x) - x * 2e-35 * (x < -1) : tol_gelu_tanh(want, v) + cut;
    return want;
}

/* Slots by arg: bit 0 the erf form, bit 1 gated. */
static void run_gelu(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    bool is_erf = c->slot->arg & 1, gated = c->slot->arg & 2;
    if (!check_begin(c))
        return;
    float *from = check_floats(c, n, kind == KIND_HUGE ? KIND_NORMAL : kind);
    for (size_t i = 0; i < n && kind == KIND_HUGE; i++) /* past both ends of exp */
        from[i] *= 8.0f;
    const float *up = gated ? check_in_floats(c, "up", n, check_below(c, KINDS)) : NULL;
    bool same = check_below(c, 2) == 0; /* y may be the input */
    float *y = same ? check_inout(c, "y", from, n * sizeof *y) : check_out(c, "y", n * sizeof *y);
    const float *x = same ? y : check_in(c, "x", from, n * sizeof *x);
    set_work(c, n, gated ? 12 : 8);
    if (gated)
        CALL(c, (is_erf ? c->k->gelu_erf_mul : c->k->gelu_tanh_mul)(y, x, up, n));
    else
        CALL(c, (is_erf ? c->k->gelu_erf : c->k->gelu_tanh)(y, x, n));
    for (size_t i = 0; c->oracle && i < n; i++) {
        double bound, want = expect_gelu((double)from[i], is_erf, &bound);
        double u = gated ? (double)up[i] : 1.0;
        check_near(c, (double)y[i], want * u, bound * fabs(u) + U * fabs(want * u) + LEAST);
    }
}

/* ---- rotation -------------------------------------------------------------------------------- */

static float make_freq(check *c, size_t i, size_t n)
{
    static const double bases[] = {1e4, 5e5, 1e6};
    double base = bases[check_below(c, 3)]; /* base^(-i/n) by roots, the same in every libm */
    double f = 1.0, step = sqrt(sqrt(sqrt(base)));
    for (size_t j = 0; j < 8 * i / (n ? n : 1); j++)
        f /= step;
    return (float)f;
}

static void run_rope_angles(check *c)
{
    static const size_t positions[] = {0, 1, 2, 255, 2047, 4095, 32767, 131071};
    size_t n = pick_n(c), pos = c->shape ? 1000 : PICK(c, "pos", positions);
    if (!check_begin(c))
        return;
    float *f = check_scratch(c, n * sizeof *f), scale = check_below(c, 2) ? 1.0f : 1.19f;
    for (size_t i = 0; i < n; i++)
        f[i] = make_freq(c, i, n);
    const float *freqs = check_in(c, "freqs", f, n * sizeof *f);
    float *cosines = check_out(c, "cos", n * sizeof *f),
          *sines = check_out(c, "sin", n * sizeof *f);
    set_work(c, n, 12);
    CALL(c, c->k->rope_angles(cosines, sines, freqs, n, (uint32_t)pos, scale));
    for (size_t i = 0; c->oracle && i < n; i++) {
        double angle = (double)((float)pos * f[i]), s = (double)scale, bound = s * (TOL_TRIG + U);
        check_near(c, (double)cosines[i], s * cos(angle), bound);
        check_near(c, (double)sines[i], s * sin(angle), bound);
    }
}

static void run_rope(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    if (!check_begin(c))
        return;
    float *from = check_floats(c, 2 * n, kind);
    float *table = check_scratch(c, 2 * n * sizeof *table);
    for (size_t i = 0; i < n; i++) {
        float half_angle =
            check_uniform(c); /* tan of half the angle: no libm, so the same inputs */
        float norm = 1.0f + half_angle * half_angle;
        table[i] = (1.0f - half_angle * half_angle) / norm;
        table[n + i] = 2.0f * half_angle / norm;
    }
    const float *cosines = check_in(c, "cos", table, n * sizeof *table);
    const float *sines = check_in(c, "sin", table + n, n * sizeof *table);
    float *x = check_inout(c, "x", from, 2 * n * sizeof *x);
    set_work(c, 2 * n, 12);
    CALL(c, c->k->rope(x, cosines, sines, n));
    for (size_t i = 0; c->oracle && i < n; i++) {
        float a = from[i], b = from[i + n], co = cosines[i], si = sines[i];
        check_same(c, (double)x[i], (double)fmaf(-b, si, a * co));
        check_same(c, (double)x[i + n], (double)fmaf(a, si, b * co));
    }
}

/* ---- sampler and checks ---------------------------------------------------------------------- */

static void run_exp_sum(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    if (!check_begin(c))
        return;
    float *from = check_floats(c, n, kind), max = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        from[i] *= kind == KIND_UNIFORM ? 60.0f : 1.0f; /* some below -80 */
        max = from[i] > max ? from[i] : max;
    }
    const float *x = check_in(c, "x", from, n * sizeof *x);
    float *y = check_out(c, "y", n * sizeof *y), *sum = check_out(c, "sum", sizeof *sum);
    set_work(c, n, 8);
    CALL(c, *sum = c->k->exp_sum(y, x, max, n));
    for (size_t i = 0; c->oracle && i < n; i++) {
        double want = exp((double)(from[i] - max));
        check_near(c, (double)y[i], want, tol_exp(want, 0.0));
    }
    if (c->oracle)
        check_same(c, (double)*sum, (double)lane_sum(y, n, false));
}

static void run_argmax(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    if (!check_begin(c))
        return;
    float *from = check_floats(c, n, kind);
    size_t ties = check_cycle(c, "ties", 4), want = 0, *got;
    for (size_t i = 0; i < n && ties == 1; i++) /* many equal ones, zeros of both signs */
        from[i] = kind == KIND_ZEROS ? (i % 3 ? -0.0f : 0.0f) : (float)check_below(c, 3);
    for (size_t i = 0; i < 2 && ties == 2; i++)
        from[check_below(c, n)] = INFINITY;
    for (size_t i = 0; i < n && ties == 3; i++)
        from[i] = kind % 2 ? -INFINITY : -fabsf(from[i]) - 1.0f;
    for (size_t i = 1; i < n; i++)
        want = from[i] > from[want] ? i : want;
    const float *x = check_in(c, "x", from, n * sizeof *x);
    got = check_out(c, "index", sizeof *got);
    set_work(c, n, 4);
    CALL(c, *got = c->k->argmax(x, n));
    if (c->oracle)
        check_same(c, (double)*got, (double)want);
}

static void run_next_above(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    if (!check_begin(c))
        return;
    float *from = check_floats(c, n, kind), limit = 0.0f;
    size_t begin = check_below(c, n + 1), where = check_cycle(c, "limit", 3), want = begin, *got;
    if (where == 1) /* only what is larger than all before */
        for (size_t i = 0; i < n; i++)
            limit = i == 0 || (from[i] > limit && check_below(c, 4)) ? from[i] : limit;
    if (where == 2)
        limit = INFINITY;
    while (want < n && !(from[want] > limit))
        want++;
    const float *x = check_in(c, "x", from, n * sizeof *x);
    got = check_out(c, "index", sizeof *got);
    set_work(c, n, 4);
    CALL(c, *got = c->k->next_above(x, begin, n, limit));
    if (c->oracle)
        check_same(c, (double)*got, (double)want);
}

static void run_finite(check *c)
{
    size_t n = pick_n(c), kind = pick_kind(c);
    if (!check_begin(c))
        return;
    float *from = check_floats(c, n, kind);
    bool want = check_cycle(c, "bad", 2) == 0, *got;
    static const float bad[] = {INFINITY, -INFINITY, NAN, -NAN};
    if (!want && !c->shape)
        from[check_below(c, n)] = bad[check_below(c, 4)];
    const float *x = check_in(c, "x", from, n * sizeof *x);
    got = check_out(c, "result", sizeof *got);
    set_work(c, n, 4);
    CALL(c, *got = c->k->finite(x, n));
    if (c->oracle)
        check_same(c, *got, want);
}

static const check_shape rows[] = {
    {"576", 1, 576, 1}, {"2048", 1, 2048, 1}, {"49152", 1, 49152, 1}, {0}};
static const check_shape heads[] = {{"32", 1, 32, 1}, {"64", 1, 64, 1}, {0}};

const check_slot row_slots[] = {
    {"quantize", SLOT(quantize), run_quantize, 0, rows, false},
    {"rmsnorm", SLOT(rmsnorm), run_rmsnorm, 0, rows, false},
    {"layernorm", SLOT(layernorm), run_layernorm, 0, rows, false},
    {"add", SLOT(add), run_add, 0, rows, false},
    {"scale", SLOT(scale), run_scale, 0, rows, false},
    {"divide", SLOT(divide), run_divide, 0, heads, false},
    {"softcap", SLOT(softcap), run_softcap, 0, rows, false},
    {"silu_mul", SLOT(silu_mul), run_silu_mul, 0, rows, false},
    {"gelu_tanh", SLOT(gelu_tanh), run_gelu, 0, rows, false},
    {"gelu_erf", SLOT(gelu_erf), run_gelu, 1, rows, false},
    {"gelu_tanh_mul", SLOT(gelu_tanh_mul), run_gelu, 2, rows, false},
    {"gelu_erf_mul", SLOT(gelu_erf_mul), run_gelu, 3, rows, false},
    {"rope_angles", SLOT(rope_angles), run_rope_angles, 0, heads, false},
    {"rope", SLOT(rope), run_rope, 0, heads, false},
    {"exp_sum", SLOT(exp_sum), run_exp_sum, 0, rows, false},
    {"argmax", SLOT(argmax), run_argmax, 0, rows, false},
    {"next_above", SLOT(next_above), run_next_above, 0, rows, false},
    {"finite", SLOT(finite), run_finite, 0, rows, false},
    {0},
};
