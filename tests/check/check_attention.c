/* check_attention.c: softmax over a part of a block, the value step, joining blocks, storing keys
 * and values. Read check.h and tolerance.h.
 */
#include "tests/check/check.h"
#include "tests/check/tolerance.h"

enum { KV_F32, KV_F16, KV_Q8, BLOCK = 256 };

static const size_t dims[] = {2, 4, 6, 8, 16, 20, 24, 32, 64, 80, 96, 128, 256};

/* ---- softmax --------------------------------------------------------------------------------- */

/* p[lo..hi) before and after; lanes by position. */
static void judge_softmax(check *c, const float *was, const float *p, size_t lo, size_t hi,
                          float scale, float cap, float max, float sum)
{
    double top = (double)-INFINITY, off = cap > 0.0f ? tol_cap((double)cap) : 0.0;
    float lane[16] = {0};
    bool has_one = false;
    double *s = check_scratch(c, BLOCK * sizeof *s);
    for (size_t j = lo; j < hi; j++) {
        s[j] = (double)(was[j] * scale);
        if (cap > 0.0f)
            s[j] = (double)cap * tanh((double)was[j] * (double)scale / (double)cap);
        top = fmax(top, s[j]);
    }
    check_near(c, (double)max, top, off);
    for (size_t j = lo; j < hi; j++) {
        double want = exp(s[j] - top);
        check_near(c, (double)p[j], want, tol_exp(want, 2 * off + U * (top - s[j])));
        has_one = has_one || p[j] == 1.0f;
        lane[j % 16] += p[j];
    }
    for (size_t width = 8; width; width /= 2)
        for (size_t l = 0; l < width; l++)
            lane[l] += lane[l + width];
    check_same(c, (double)sum, (double)lane[0]);
    check_same(c, has_one, true);
    check_image(c, "before lo", p, was, lo * sizeof *p);
    check_image(c, "behind hi", p + hi, was + hi, (BLOCK - hi) * sizeof *p);
}

static void run_softmax(check *c)
{
    size_t lo = check_range(c, "lo", 0, 32), len = check_range(c, "n", 1, 70);
    if (!check_begin(c))
        return;
    size_t kind = check_cycle(c, "kind", 5); /* not the huge one */
    lo += check_below(c, 2) ? check_below(c, BLOCK - 32 - 70) : 0;
    len = check_below(c, 8) ? len : BLOCK - lo;
    if (c->shape)
        lo = 0, len = c->shape->k;
    size_t hi = lo + len;
    float scale = check_below(c, 2) ? 0.125f : -0.0883f, cap = check_below(c, 3) ? 0.0f : 50.0f;
    float *from = check_floats(c, BLOCK, kind);
    for (size_t j = 0; j < BLOCK; j++)
        from[j] = j < lo || j >= hi ? NAN : from[j] * 30.0f; /* outside: never to be used */
    float *p = check_inout(c, "p", from, BLOCK * sizeof *p);
    float *max = check_out(c, "max", sizeof *max), *sum = check_out(c, "sum", sizeof *sum);
    c->macs = (double)len;
    c->bytes = 8.0 * (double)len;
    CALL(c, c->k->softmax(p, lo, hi, scale, c->shape ? 0.0f : cap, max, sum));
    if (c->oracle)
        judge_softmax(c, from, p, lo, hi, scale, cap, *max, *sum);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Values as the cache holds them and what they mean. */
typedef struct values {
    float *number; /* [BLOCK, dim]; for q8 the code */
    void *stored;
    uint16_t *scales; /* [BLOCK, groups] or NULL */
    size_t groups, row_bytes;
} values;

static values make_values(check *c, int kv, size_t dim, size_t kind)
{
    static const size_t bytes[] = {4, 2, 1};
    values v = {.groups = (dim + 31) / 32, .row_bytes = dim * bytes[kv]};
    v.number = check_floats(c, BLOCK * dim, kind);
    v.stored = check_scratch(c, BLOCK * v.row_bytes);
    v.scales = check_scratch(c, BLOCK * v.groups * sizeof *v.scales);
    for (size_t i = 0; i < BLOCK * dim; i++) {
        uint16_t half = check_half(c, kind);
        int code = (int)check_below(c, 255) - 127;
        code = kind == KIND_UNIFORM ? 127 : kind == KIND_OUTLIER ? -127 : code;
        if (kv == KV_F16) {
            v.number[i] = (float)check_half_value(half);
            memcpy((uint8_t *)v.stored + 2 * i, &half, 2);
        } else if (kv == KV_Q8) {
            v.number[i] = (float)code;
            ((int8_t *)v.stored)[i] = (int8_t)code;
        }
    }
    if (kv == KV_F32)
        memcpy(v.stored, v.number, BLOCK * v.row_bytes);
    for (size_t i = 0; i < BLOCK * v.groups; i++)
        v.scales[i] = check_half(c, kind) & 0x7fffu;
    return v;
}

/* What queries see: all the same, one more each, a window that moves, apart, at random. */
static void make_ranges(check *c, size_t form, uint16_t *lo, uint16_t *hi, size_t n)
{
    size_t first = check_below(c, BLOCK - 1), last = first + 1 + check_below(c, BLOCK - first);
    for (size_t i = 0; i < n; i++) {
        size_t from = first, to = last;
        if (form == 1)
            from = 0, to = last + i;
        else if (form == 2)
            from = first + i, to = first + i + 20;
        else if (form == 3)
            from = i * 20 + check_below(c, 10), to = from + 1 + check_below(c, 9);
        else if (form == 4)
            from = check_below(c, BLOCK), to = from + 1 + check_below(c, BLOCK - from);
        lo[i] = (uint16_t)(from < BLOCK ? from : BLOCK - 1);
        hi[i] = (uint16_t)(to < BLOCK ? to : BLOCK);
    }
}

static void judge_values(check *c, const values *v, const float *out, size_t stride, const float *p,
                         const uint16_t *lo, const uint16_t *hi, size_t n, size_t dim, size_t bytes)
{
    bool scaled = c->slot->arg == KV_Q8;
    float *image = check_scratch(c, bytes);
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < dim; d++) {
            float acc = 0.0f;
            double sum = 0.0, sum_abs = 0.0;
            for (size_t j = lo[i]; j < hi[i]; j++) {
                double s = scaled ? check_half_value(v->scales[j * v->groups + d / 32]) : 1.0;
                double q = (double)p[i * BLOCK + j], x = (double)v->number[j * dim + d];
                acc = fmaf((float)(q * s), (float)x, acc);
                sum += q * s * x;
                sum_abs += fabs(q * s * x);
            }
            image[i * stride + d] = acc;
            double steps = (double)(hi[i] - lo[i]);
            check_near(c, (double)out[i * stride + d], sum,
                       tol_dot(steps + 1, sum_abs, 128 * steps));
        }
    check_image(c, "out", out, image, bytes);
}

static void run_values(check *c)
{
    int kv = c->slot->arg;
    size_t dim = PICK(c, "dim", dims), n = check_range(c, "queries", 1, 9);
    size_t form = check_range(c, "ranges", 0, 4);
    if (!check_begin(c))
        return;
    size_t kind = check_cycle(c, "kind", KINDS); /* 13 x 9 x 5 and 7 are coprime */
    if (c->shape)
        dim = c->shape->k, n = c->shape->n;
    uint16_t *lo = check_scratch(c, n * sizeof *lo), *hi = check_scratch(c, n * sizeof *hi);
    make_ranges(c, form, lo, hi, n);
    size_t last = 0, stride = dim + check_below(c, 3) * 3;
    float *p = check_scratch(c, n * BLOCK * sizeof *p);
    for (size_t i = 0; i < n; i++) {
        if (c->shape)
            lo[i] = 0, hi[i] = BLOCK;
        last = hi[i] > last ? hi[i] : last;
        for (size_t j = 0; j < BLOCK; j++) /* outside the range: never to be used */
            p[i * BLOCK + j] = j < lo[i] || j >= hi[i] ? NAN : fabsf(check_uniform(c));
    }
    values v = make_values(c, kv, dim, kind);
    const void *stored = check_in(c, "v", v.stored, last * v.row_bytes);
    const uint16_t *scales =
        kv == KV_Q8 ? check_in(c, "v scales", v.scales, last * v.groups * sizeof *scales) : NULL;
    const uint16_t *los = check_in(c, "lo", lo, n * sizeof *lo);
    const uint16_t *his = check_in(c, "hi", hi, n * sizeof *hi);
    const float *ps = check_in(c, "p", p, ((n - 1) * BLOCK + hi[n - 1]) * sizeof *p);
    size_t bytes = ((n - 1) * stride + dim) * sizeof(float);
    float *out = check_out(c, "out", bytes);
    c->macs = (double)(n * BLOCK * dim);
    c->bytes = (double)(BLOCK * v.row_bytes);
    CALL(c, c->k->values[kv](out, stride, ps, BLOCK, los, his, n, stored, scales, dim));
    if (c->oracle)
        judge_values(c, &v, out, stride, p, lo, hi, n, dim, bytes);
}

/* ---- joining blocks -------------------------------------------------------------------------- */

static void run_merge(check *c)
{
    size_t dim = c->shape ? c->shape->k : PICK(c, "dim", dims);
    size_t kind = check_range(c, "kind", 0, KINDS - 1), round = check_range(c, "round", 0, 9);
    if (!check_begin(c))
        return;
    float *a = check_floats(c, dim, kind), *state = check_scratch(c, 2 * sizeof *state);
    const float *b = check_in_floats(c, "b", dim, check_below(c, KINDS));
    float max_a = check_normal(c) * 5.0f, max_b = check_normal(c) * 5.0f;
    float sum_a = 1.0f + fabsf(check_normal(c)), sum_b = 1.0f + fabsf(check_normal(c)) * 9.0f;
    max_b = round == 1 ? max_a : round == 2 ? max_a + 90.0f : round == 3 ? max_a - 90.0f : max_b;
    state[0] = max_a;
    state[1] = sum_a;
    float *out = check_inout(c, "out", a, dim * sizeof *out);
    float *max = check_inout(c, "max", state, sizeof *max);
    float *sum = check_inout(c, "sum", state + 1, sizeof *sum);
    c->macs = 2.0 * (double)dim;
    c->bytes = 12.0 * (double)dim;
    CALL(c, c->k->merge(out, max, sum, b, max_b, sum_b, dim));
    if (!c->oracle)
        return;
    float m = max_a > max_b ? max_a : max_b;
    double fa = exp((double)(max_a - m)), fb = exp((double)(max_b - m));
    check_same(c, (double)*max, (double)m);
    /* one factor is 1; the other has exp's error; a product and a sum round */
    double off_a = max_a < m ? tol_exp(fa, 0.0) : 0.0, off_b = max_b < m ? tol_exp(fb, 0.0) : 0.0;
    for (size_t i = 0; i <= dim; i++) {
        double x = (double)(i < dim ? a[i] : sum_a), y = (double)(i < dim ? b[i] : sum_b);
        double bound = fabs(x) * (off_a + 2.01 * U * fa) + fabs(y) * (off_b + 1.01 * U * fb);
        check_near(c, (double)(i < dim ? out[i] : *sum), x * fa + y * fb, bound + 2 * LEAST);
    }
}

/* ---- storing --------------------------------------------------------------------------------- */

/* Codes and scales of a head by the contract. */
static void expect_codes(int8_t *codes, uint16_t *scales, const float *x, size_t dim)
{
    for (size_t at = 0; at < dim; at += 32) {
        size_t end = at + 32 < dim ? at + 32 : dim;
        double amax = 0.0;
        bool finite = true;
        for (size_t i = at; i < end; i++) {
            finite = finite && isfinite(x[i]);
            amax = fmax(amax, fabs((double)x[i]));
        }
        bool live = finite && amax >= 0x1p-100;
        double factor = live ? (double)(float)(127.0 / amax) : 0.0;
        scales[at / 32] =
            finite ? check_half_of(live ? (double)(float)(amax / 127.0) : 0.0) : 0x7e00;
        for (size_t i = at; i < end; i++)
            codes[i] = live ? (int8_t)rint((double)(float)((double)x[i] * factor)) : 0;
    }
}

static const float *make_head(check *c, size_t dim, size_t kind)
{
    float *x = check_floats(c, dim, kind);
    size_t what = check_cycle(c, "bad", 11);
    if (what == 1 && c->slot->arg == KV_Q8)
        x[check_below(c, dim)] = NAN;
    if (what == 2 && c->slot->arg != KV_F32)
        x[check_below(c, dim)] = -INFINITY;
    for (size_t i = 0; what == 3 && i < dim; i++) { /* half-way between two f16 */
        double low = check_half_value((uint16_t)check_below(c, 0x7bff));
        x[i] = (float)(low + ldexp(fmax(low, 0x1p-14) >= 1.0 ? 1.0 : 0x1p-14, -11));
    }
    return x;
}

/* Bytes of scales in front of a key tile: padded to 64 but for the only ones of dim <= 28. */
static size_t front_q8(size_t dim)
{
    return (dim + 3) / 4 * 4 < 32 ? 32 : ((dim + 31) / 32 * 32 + 63) / 64 * 64;
}

static void expect_key(check *c, uint8_t *image, size_t lane, const float *x, size_t dim)
{
    size_t padded = (dim + 3) / 4 * 4, front = front_q8(dim);
    int8_t codes[BLOCK + 32] = {0};
    uint16_t scales[BLOCK / 32];
    expect_codes(codes, scales, x, dim);
    for (size_t d = 0; d < (c->slot->arg == KV_Q8 ? padded : dim); d++) {
        uint16_t half = d < dim ? check_half_of((double)x[d]) : 0;
        if (c->slot->arg == KV_F32)
            memcpy(image + 64 * d + 4 * lane, &x[d], 4);
        else if (c->slot->arg == KV_F16)
            memcpy(image + 32 * d + 2 * lane, &half, 2);
        else
            image[front + d / 4 * 64 + 4 * lane + d % 4] = (uint8_t)codes[d];
        if (c->slot->arg == KV_Q8 && d % 32 == 0)
            memcpy(image + d / 32 * 32 + 2 * lane, &scales[d / 32], 2);
    }
}

static void run_store_key(check *c)
{
    size_t dim = c->shape ? c->shape->k : PICK(c, "dim", dims);
    size_t kind = check_range(c, "kind", 0, KINDS - 1), lane = check_range(c, "lane", 0, 15);
    if (!check_begin(c))
        return;
    size_t bytes = c->slot->arg == KV_F32   ? dim * 64
                   : c->slot->arg == KV_F16 ? dim * 32
                                            : front_q8(dim) + (dim + 3) / 4 * 64;
    const float *from = make_head(c, dim, kind), *x = check_in(c, "x", from, dim * sizeof *x);
    uint8_t *tile = check_out(c, "tile", bytes);
    c->macs = (double)dim;
    c->bytes = 8.0 * (double)dim;
    CALL(c, c->k->store_key[c->slot->arg](tile, lane, x, dim));
    if (c->oracle) {
        uint8_t *image = check_scratch(c, bytes);
        expect_key(c, image, lane, from, dim);
        check_image(c, "tile", tile, image, bytes);
    }
}

static void run_store_value(check *c)
{
    enum { ROWS = 5 };
    size_t dim = c->shape ? c->shape->k : PICK(c, "dim", dims), groups = (dim + 31) / 32;
    size_t kind = check_range(c, "kind", 0, KINDS - 1), row = check_range(c, "row", 0, ROWS - 1);
    if (!check_begin(c))
        return;
    int kv = c->slot->arg;
    size_t each = kv == KV_F32 ? 4 : kv == KV_F16 ? 2 : 1, bytes = ROWS * dim * each;
    const float *from = make_head(c, dim, kind), *x = check_in(c, "x", from, dim * sizeof *x);
    uint8_t *v = check_out(c, "v", bytes);
    uint16_t *scales = check_out(c, "v scales", ROWS * groups * sizeof *scales);
    c->macs = (double)dim;
    c->bytes = 8.0 * (double)dim;
    CALL(c, c->k->store_value[kv](v, kv == KV_Q8 ? scales : NULL, row, x, dim));
    if (!c->oracle)
        return;
    uint8_t *image = check_scratch(c, bytes);
    uint16_t *image_scales = check_scratch(c, ROWS * groups * sizeof *scales);
    for (size_t d = 0; d < dim && kv != KV_Q8; d++) {
        uint16_t half = check_half_of((double)x[d]);
        memcpy(image + (row * dim + d) * each, kv == KV_F32 ? (const void *)&x[d] : &half, each);
    }
    if (kv == KV_Q8)
        expect_codes((int8_t *)image + row * dim, image_scales + row * groups, x, dim);
    check_image(c, "v", v, image, bytes);
    check_image(c, "v scales", scales, image_scales, ROWS * groups * sizeof *scales);
}

static const check_shape blocks[] = {
    {"64 x1", 1, 64, 1}, {"64 x3", 1, 64, 3}, {"64 x16", 1, 64, 16}, {"128 x16", 1, 128, 16}, {0}};
static const check_shape block[] = {{"256", 1, 256, 1}, {0}};
static const check_shape heads[] = {{"64", 1, 64, 1}, {"128", 1, 128, 1}, {0}};

const check_slot attention_slots[] = {
    {"softmax", SLOT(softmax), run_softmax, 0, block, false},
    {"values_f32", SLOT(values[KV_F32]), run_values, KV_F32, blocks, false},
    {"values_f16", SLOT(values[KV_F16]), run_values, KV_F16, blocks, false},
    {"values_q8", SLOT(values[KV_Q8]), run_values, KV_Q8, blocks, false},
    {"merge", SLOT(merge), run_merge, 0, heads, false},
    {"store_key_f32", SLOT(store_key[KV_F32]), run_store_key, KV_F32, heads, false},
    {"store_key_f16", SLOT(store_key[KV_F16]), run_store_key, KV_F16, heads, false},
    {"store_key_q8", SLOT(store_key[KV_Q8]), run_store_key, KV_Q8, heads, false},
    {"store_value_f32", SLOT(store_value[KV_F32]), run_store_value, KV_F32, heads, false},
    {"store_value_f16", SLOT(store_value[KV_F16]), run_store_value, KV_F16, heads, false},
    {"store_value_q8", SLOT(store_value[KV_Q8]), run_store_value, KV_Q8, heads, false},
    {0},
};
