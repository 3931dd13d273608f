/* inputs.c: numbers, matrices and activations to feed kernels. The matrix packer is written from
 * the text of kernels/quant.h, apart from the kernels; half precision from IEEE 754.
 */
#include "tests/check/check.h"

uint64_t check_random(check *c)
{
    uint64_t z = (c->rng += 0x9e3779b97f4a7c15u); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

float check_uniform(check *c) { return (float)((int64_t)check_random(c) >> 40) * 0x1p-23f; }

/* Four uniform numbers of 16 bits: their sum has variance 4/3. */
float check_normal(check *c)
{
    uint64_t u = check_random(c);
    int64_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (int16_t)(u >> 16 * i);
    return (float)sum * (0x1p-15f * 0.866f);
}

static float make_float(check *c, size_t i, size_t kind, bool *zero)
{
    int exponent = (int)check_below(c, 41) - 20;
    if (i % 32 == 0)
        *zero = kind == KIND_ZEROS && check_below(c, 2);
    if (*zero)
        return check_below(c, 2) ? 0.0f : -0.0f;
    switch (kind) {
    case KIND_UNIFORM: return check_uniform(c);
    case KIND_OUTLIER: return check_normal(c) * (i % 32 == 7 ? 1000.0f : 1.0f);
    case KIND_TINY: return check_uniform(c) * 0x1p-124f;
    case KIND_WIDE: return ldexpf(check_uniform(c), exponent);
    case KIND_HUGE: return check_normal(c) * 0x1p55f;
    default: return check_normal(c);
    }
}

float *check_floats(check *c, size_t n, size_t kind)
{
    float *x = check_scratch(c, n * sizeof *x);
    bool zero = false;
    for (size_t i = 0; i < n; i++)
        x[i] = make_float(c, i, kind, &zero);
    return x;
}

static float one_float(check *c, size_t kind)
{
    bool zero = false;
    return make_float(c, 0, kind, &zero);
}

const float *check_in_floats(check *c, const char *name, size_t n, size_t kind)
{
    return check_in(c, name, check_floats(c, n, kind), n * sizeof(float));
}

/* ---- half precision -------------------------------------------------------------------------- */

double check_half_value(uint16_t half)
{
    int exponent = half >> 10 & 31, mantissa = half & 1023;
    double x = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    if (exponent == 31)
        x = mantissa ? (double)NAN : (double)INFINITY;
    return half & 0x8000 ? -x : x;
}

/* A double from a float, or exact: to nearest, ties to even, past 65504 by rounding to infinity. */
uint16_t check_half_of(double x)
{
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    int exponent;
    x = fabs(x);
    if (!(x < 65520.0))
        return sign | (isnan(x) ? 0x7e00 : 0x7c00);
    frexp(x, &exponent); /* x = 0.5 .. 1 * 2^exponent; units of the last place, a carry is right */
    if (x < 0x1p-14)
        return (uint16_t)(sign | (uint16_t)rint(ldexp(x, 24)));
    return (uint16_t)(sign | ((exponent + 13) * 1024 + (int)rint(ldexp(x, 11 - exponent))));
}

/* A finite half: exponents 2^-7 .. 2^-2 unless the kind says other. */
uint16_t check_half(check *c, size_t kind)
{
    uint16_t sign = (uint16_t)(check_random(c) & 0x8000u);
    uint16_t mantissa = (uint16_t)check_below(c, 1024);
    size_t exponent = 8 + check_below(c, 6);
    switch (kind) {
    case KIND_ZEROS: return check_below(c, 2) ? sign : (uint16_t)(0x3c00 | mantissa);
    case KIND_TINY: exponent = check_below(c, 2); break;
    case KIND_WIDE: exponent = check_below(c, 31); break;
    case KIND_HUGE: exponent = 30; break;
    default: break;
    }
    return (uint16_t)(sign | exponent << 10 | mantissa);
}

/* ---- matrices -------------------------------------------------------------------------------- */

static const int8_t book[16] = {-34, -27, -21, -16, -12, -9, -6, -3, 0, 3, 6, 9, 13, 17, 22, 28};

/* What code number `code` of a type stands for. */
static int level_of(enum mote_type type, size_t code)
{
    switch (type) {
    case MOTE_Q8: return (int)code - 128;
    case MOTE_Q4: return book[code];
    case MOTE_Q4_0: return (int)code - 8;
    default: return (int)code;
    }
}

/* Codes: all lowest, all highest, the two in turn, or random. */
static size_t code_of(check *c, enum mote_type type, size_t kind, size_t i)
{
    size_t last = type == MOTE_Q8 ? 255 : 15;
    switch (kind) {
    case KIND_UNIFORM: return last;
    case KIND_OUTLIER: return 0;
    case KIND_HUGE: return i % 2 ? last : 0;
    default: return check_random(c) & last;
    }
}

/* Bytes in front of the lines: each part padded to 64. */
static size_t front_bytes(const check_matrix *m)
{
    switch (m->mat.type) {
    case MOTE_Q8:
        if (m->mat.k < 32) /* keys of small heads: no padding */
            return 32;
        return (m->n_groups * 32 + 63) / 64 * 64;
    case MOTE_Q4_0: return (m->n_groups * 32 + 63) / 64 * 64;
    case MOTE_Q4: return 64 + (m->n_groups * 16 + 63) / 64 * 64;
    case MOTE_Q4_1: return m->n_groups * 64;
    default: return 0;
    }
}

static void fill_float_row(check *c, check_matrix *m, uint8_t *tile, size_t row, size_t kind)
{
    float *x = m->value + row * m->mat.k, *from = check_floats(c, m->mat.k, kind);
    for (size_t i = 0; i < m->mat.k; i++) {
        uint32_t bits;
        uint16_t half = check_half(c, kind);
        memcpy(&bits, &from[i], 4);
        x[i] = row >= m->mat.rows ? 0.0f : from[i];
        if (m->mat.type == MOTE_F32) {
            memcpy(tile + 64 * i + row % 16 * 4, &x[i], 4);
            continue;
        }
        if (m->mat.type == MOTE_BF16)
            half = (uint16_t)(bits >> 16);
        half = row >= m->mat.rows ? 0 : half;
        bits = (uint32_t)half << 16;
        if (m->mat.type == MOTE_BF16)
            memcpy(&x[i], &bits, 4);
        else
            x[i] = (float)check_half_value(half);
        memcpy(tile + 32 * i + row % 16 * 2, &half, 2);
    }
    c->arena_used -= mote_round_up(m->mat.k * sizeof *from, 64);
}

/* The scale (and minimum, or q4's step) of one row and group. */
static void fill_scale(check *c, check_matrix *m, uint8_t *tile, size_t row, size_t g, size_t kind)
{
    size_t lane = row % 16, at = row * m->n_groups + g;
    bool padding = row >= m->mat.rows;
    if (m->mat.type == MOTE_Q4) {
        int8_t step = (int8_t)check_random(c);
        step = kind == KIND_UNIFORM ? 127 : kind == KIND_OUTLIER ? -128 : step;
        step = padding || (kind == KIND_ZEROS && check_below(c, 2)) ? 0 : step;
        memcpy(tile + 64 + 16 * g + lane, &step, 1);
        m->scale[at] = step;
        return;
    }
    uint16_t scale = padding ? 0 : check_half(c, kind), minimum = padding ? 0 : check_half(c, kind);
    memcpy(tile + (m->mat.type == MOTE_Q4_1 ? 64 : 32) * g + 2 * lane, &scale, 2);
    m->scale[at] = check_half_value(scale);
    if (m->mat.type == MOTE_Q4_1) {
        memcpy(tile + 64 * g + 32 + 2 * lane, &minimum, 2);
        m->minimum[at] = check_half_value(minimum);
    }
}

static void fill_quant_row(check *c, check_matrix *m, uint8_t *tile, size_t row, size_t kind)
{
    uint8_t *lines = tile + front_bytes(m);
    enum mote_type type = m->mat.type;
    for (size_t g = 0; g < m->n_groups; g++)
        fill_scale(c, m, tile, row, g, kind);
    m->factor[row] = 1.0f;
    if (type == MOTE_Q4) {
        m->factor[row] = row >= m->mat.rows ? 0.0f : one_float(c, kind) * 0x1p-44f;
        memcpy(tile + 4 * (row % 16), &m->factor[row], 4);
    }
    for (size_t i = 0; i < m->mat.k; i++) {
        size_t code = code_of(c, type, kind, i);
        if (row >= m->mat.rows) /* the code that means zero */
            code = type == MOTE_Q8 ? 128 : type == MOTE_Q4_1 ? 0 : 8;
        m->level[row * m->mat.k + i] = (int8_t)level_of(type, code);
        if (type == MOTE_Q8)
            lines[i / 4 * 64 + row % 16 * 4 + i % 4] = (uint8_t)(code - 128);
        else if (i % 8 < 4)
            lines[i / 8 * 64 + row % 16 * 4 + i % 4] = (uint8_t)code;
        else
            lines[i / 8 * 64 + row % 16 * 4 + i % 4] |= (uint8_t)(code << 4);
    }
}

check_matrix check_make_matrix(check *c, enum mote_type type, size_t rows, size_t k, uint32_t group,
                               size_t kind, bool is_cache)
{
    bool is_float = type <= MOTE_BF16;
    check_matrix m = {.mat = {.rows = rows, .k = k, .group = group, .type = type}};
    if (!is_float && !is_cache)
        m.mat.k = (k + group - 1) / group * group;
    m.n_tiles = (rows + 15) / 16;
    m.n_groups = is_float ? 0 : (m.mat.k + group - 1) / group;
    /* When timing, the first tiles again and again: what matters is where they lie. */
    size_t made = c->shape && m.n_tiles > 16 ? 16 : m.n_tiles, n_rows = made * 16;
    size_t line_bytes = type == MOTE_F32 ? k * 64
                        : is_float       ? (k + 1) / 2 * 64
                                         : m.mat.k * (type == MOTE_Q8 ? 16 : 8);
    size_t tile_bytes = front_bytes(&m) + line_bytes;
    m.mat.tile_bytes = tile_bytes + (c->shape ? 0 : c->number / 2 % 2 * 64);
    m.value = check_scratch(c, is_float ? n_rows * k * sizeof *m.value : 0);
    m.level = check_scratch(c, is_float ? 0 : n_rows * m.mat.k);
    m.scale = check_scratch(c, n_rows * m.n_groups * sizeof *m.scale);
    m.minimum = check_scratch(c, n_rows * m.n_groups * sizeof *m.minimum);
    m.factor = check_scratch(c, n_rows * sizeof *m.factor);
    size_t bytes = (m.n_tiles - 1) * m.mat.tile_bytes + tile_bytes;
    uint8_t *data = check_scratch(c, bytes);
    for (size_t row = 0; row < n_rows; row++) {
        uint8_t *tile = data + row / 16 * m.mat.tile_bytes;
        if (is_float && k % 2 && type != MOTE_F32) /* the code for zero */
            memset(tile + 32 * k, 0, 32);
        if (is_float)
            fill_float_row(c, &m, tile, row, kind);
        else
            fill_quant_row(c, &m, tile, row, kind);
    }
    for (size_t t = made; t < m.n_tiles; t++)
        memcpy(data + t * m.mat.tile_bytes, data + t % made * m.mat.tile_bytes, tile_bytes);
    m.mat.data = check_in(c, "weights", data, bytes);
    return m;
}

/* ---- activations ----------------------------------------------------------------------------- */

static mote_acts make_codes(check *c, size_t n, size_t k, size_t kind)
{
    size_t groups = (k + 31) / 32, group_stride = groups + c->number % 3,
           code_stride = 32 * groups + c->number % 4 * 5;
    size_t n_codes = (n - 1) * code_stride + 32 * groups,
           n_groups = (n - 1) * group_stride + groups;
    int8_t *codes = check_scratch(c, n_codes);
    float *scales = check_scratch(c, n_groups * sizeof *scales);
    int32_t *sums = check_scratch(c, n_groups * sizeof *sums);
    for (size_t t = 0; t < n; t++)
        for (size_t g = 0; g < groups; g++) {
            float scale = one_float(c, kind);
            int32_t sum = 0;
            for (size_t i = 32 * g; i < 32 * g + 32; i++) {
                int code = (int)check_below(c, 255) - 127;
                code = kind == KIND_UNIFORM ? 127 : kind == KIND_OUTLIER ? -127 : code;
                code = kind == KIND_HUGE ? (i % 2 ? 127 : -127) : code;
                code = scale == 0.0f || i >= k ? 0 : code;
                codes[t * code_stride + i] = (int8_t)code;
                sum += code;
            }
            scales[t * group_stride + g] = fabsf(scale);
            sums[t * group_stride + g] = sum;
        }
    return (mote_acts){.codes = check_in(c, "codes", codes, n_codes),
                       .scales = check_in(c, "scales", scales, n_groups * sizeof *scales),
                       .sums = check_in(c, "sums", sums, n_groups * sizeof *sums),
                       .code_stride = code_stride,
                       .group_stride = group_stride};
}

mote_acts check_make_acts(check *c, enum mote_type type, size_t n, size_t k, size_t kind)
{
    if (type > MOTE_BF16)
        return make_codes(c, n, k, kind);
    size_t stride = k + c->number % 4 * 3, elements = (n - 1) * stride + k;
    float *x = check_floats(c, elements, kind);
    for (size_t i = 0; i < elements; i++)
        if (i % stride >= k) /* between rows: never to be used */
            x[i] = NAN;
    return (mote_acts){.f32 = check_in(c, "x", x, elements * sizeof *x), .f32_stride = stride};
}
