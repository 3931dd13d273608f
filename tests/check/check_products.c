/* check_products.c: matmul of every weight type, dequant_row, BLAS. Read check.h, kernels/quant.h.
 *
 * A product is compared with two computations on the logical matrix: the contract step by step with
 * libm's fmaf, which must give the same bits, and exact integers and doubles within DOT.
 */
#include "tests/check/check.h"
#include "tests/check/tolerance.h"

#include <stdlib.h>

/* Columns: every remainder up to 200 by the step of the type, then real ones; where these are few,
 * again with other tokens and tiles. The number of cases must not depend on the step. */
static size_t pick_k(check *c, bool is_float, size_t step)
{
    static const size_t real[] = {576, 1536, 2048, 896, 4864};
    size_t small = 200 / step, n = small + sizeof real / sizeof *real;
    size_t i = check_range(c, "size", 0, is_float ? 204 : 54) % n;
    size_t k = i < small ? (i + 1) * step : real[i - small];
    check_note(c, "columns", k);
    return k;
}

typedef struct problem {
    check_matrix m;
    mote_acts x;
    size_t n, begin, end, stride;
} problem;

/* Sum over k of w[row] * x[t] by the contract, and the same in double with its bound. */
static float multiply_float(const problem *p, size_t row, size_t t, double *want, double *bound)
{
    const float *w = p->m.value + row * p->m.mat.k, *x = p->x.f32 + t * p->x.f32_stride;
    float acc = 0.0f;
    double sum = 0.0, sum_abs = 0.0;
    for (size_t i = 0; i < p->m.mat.k; i++) {
        acc = fmaf(w[i], x[i], acc);
        sum += (double)w[i] * (double)x[i];
        sum_abs += fabs((double)w[i] * (double)x[i]);
    }
    *want = sum;
    *bound = tol_dot((double)p->m.mat.k, sum_abs, (double)p->m.mat.k);
    return acc;
}

static float multiply_quant(const problem *p, size_t row, size_t t, double *want, double *bound)
{
    const check_matrix *m = &p->m;
    const int8_t *w = m->level + row * m->mat.k, *x = p->x.codes + t * p->x.code_stride;
    const float *as = p->x.scales + t * p->x.group_stride;
    double sum = 0.0, sum_abs = 0.0, steps = 2, lost = 2;
    float acc = 0.0f;
    for (size_t at = 0; at < m->mat.k; at += 32) {
        size_t end = at + 32 < m->mat.k ? at + 32 : m->mat.k;
        double ws = m->scale[row * m->n_groups + at / m->mat.group];
        int32_t isum = 0, asum = 0;
        for (size_t i = at; i < end; i++) {
            isum += w[i] * x[i];
            asum += x[i];
        }
        acc = fmaf((float)isum, (float)ws * as[at / 32], acc);
        double term = ws * (double)as[at / 32] * isum, low = 0.0;
        if (m->mat.type == MOTE_Q4_1) {
            double minimum = m->minimum[row * m->n_groups + at / 32];
            acc = fmaf((float)asum, (float)minimum * as[at / 32], acc);
            low = minimum * (double)as[at / 32] * asum;
        }
        sum += term + low;
        sum_abs += fabs(term) + fabs(low);
        steps += m->mat.type == MOTE_Q4_1 ? 2 : 1;
        lost += (double)(abs(isum) + abs(asum) + 2);
    }
    double factor = (double)m->factor[row];
    *want = sum * factor;
    *bound = tol_dot(steps, sum_abs * fabs(factor), lost * fabs(factor) + 1);
    return m->mat.type == MOTE_Q4 ? acc * m->factor[row] : acc;
}

/* Expected bytes of `out`, poison between rows. For BLAS only the doubles count. */
static void judge(check *c, const problem *p, const float *out, size_t bytes)
{
    float *image = check_scratch(c, bytes);
    for (size_t t = 0; t < p->n; t++)
        for (size_t row = 16 * p->begin; row < 16 * p->end; row++) {
            size_t at = t * p->stride + row - 16 * p->begin;
            double want, bound;
            image[at] = p->m.mat.type <= MOTE_BF16 ? multiply_float(p, row, t, &want, &bound)
                                                   : multiply_quant(p, row, t, &want, &bound);
            check_near(c, (double)out[at], want, bound);
            if (c->slot->loose)
                image[at] = out[at];
        }
    check_image(c, "out", out, image, bytes);
}

static void multiply(check *c, mote_matmul_fn *matmul, const problem *p)
{
    size_t bytes = ((p->n - 1) * p->stride + 16 * (p->end - p->begin)) * sizeof(float);
    float *out = check_out(c, "out", bytes);
    c->bytes = (double)(p->m.n_tiles * p->m.mat.tile_bytes);
    c->macs = (double)p->n * (double)p->m.mat.rows * (double)p->m.mat.k;
    CALL(c, matmul(out, p->stride, &p->x, p->n, &p->m.mat, p->begin, p->end));
    if (c->oracle)
        judge(c, p, out, bytes);
}

static void run_shape(check *c, mote_matmul_fn *matmul, enum mote_type type)
{
    const check_shape *s = c->shape;
    problem p = {.n = s->n, .end = (s->rows + 15) / 16, .stride = s->rows};
    p.m = check_make_matrix(c, type, s->rows, s->k, type == MOTE_Q8 ? 64 : 32, KIND_NORMAL, false);
    p.x = check_make_acts(c, type, s->n, p.m.mat.k, KIND_NORMAL);
    multiply(c, matmul, &p);
}

static void run_products(check *c, mote_matmul_fn *matmul, enum mote_type type)
{
    enum { WEIGHTS_32, WEIGHTS_64, CACHE };
    size_t kind = check_range(c, "weights", 0, KINDS - 1);
    size_t form = type == MOTE_Q8 ? check_range(c, "form", WEIGHTS_32, CACHE) : WEIGHTS_32;
    uint32_t group = form == WEIGHTS_64 ? 64 : 32;
    size_t k = pick_k(c, type <= MOTE_BF16, type <= MOTE_BF16 ? 1 : form == CACHE ? 4 : group);
    if (!check_begin(c))
        return;
    size_t n = 1 + check_cycle(c, "tokens", 17); /* long rows: fewer tiles, to save time */
    size_t tiles = 1 + check_cycle(c, "tiles", k > 1000 ? 2 : 5);
    size_t rows = 16 * tiles - check_below(c, 16), acts = (kind + check_below(c, KINDS)) % KINDS;
    problem p = {.n = n, .end = tiles};
    if (check_cycle(c, "part", 3) == 0) {
        p.begin = check_below(c, tiles);
        p.end = p.begin + 1 + check_below(c, tiles - p.begin);
    }
    p.stride = 16 * (p.end - p.begin) + check_below(c, 3) * 5;
    p.m = check_make_matrix(c, type, rows, k, group, kind, form == CACHE);
    p.x = check_make_acts(c, type, n, p.m.mat.k, acts);
    multiply(c, matmul, &p);
}

static void run_matmul(check *c)
{
    int type = c->slot->arg;
    mote_matmul_fn *matmul = c->slot->loose ? c->k->blas[type] : c->k->matmul[type];
    if (c->shape)
        run_shape(c, matmul, (enum mote_type)type);
    else
        run_products(c, matmul, (enum mote_type)type);
}

/* Each product rounded once, so exact products in double rounded to float; q4_1's sum likewise. */
static void run_dequant_row(check *c)
{
    enum mote_type type = (enum mote_type)check_range(c, "type", 0, MOTE_TYPES - 1);
    size_t kind = check_range(c, "weights", 0, KINDS - 1);
    size_t k = c->shape ? c->shape->k : pick_k(c, false, 7);
    if (!check_begin(c))
        return;
    size_t rows = 1 + check_cycle(c, "rows", 40), row = check_below(c, rows);
    uint32_t group = type == MOTE_Q8 && check_below(c, 2) ? 64 : 32;
    check_matrix m = check_make_matrix(c, type, rows, k, group, kind, false);
    float *y = check_out(c, "y", k * sizeof *y);
    CALL(c, c->k->dequant_row(y, &m.mat, row, k));
    for (size_t i = 0; c->oracle && i < k; i++) {
        size_t at = row * m.n_groups + i / group;
        if (type <= MOTE_BF16) {
            check_image(c, "y", &y[i], &m.value[row * k + i], sizeof *y);
            continue;
        }
        float want = (float)(m.level[row * m.mat.k + i] * m.scale[at] * (double)m.factor[row]);
        if (type == MOTE_Q4_1)
            want = (float)((double)want + m.minimum[at]);
        check_same(c, (double)y[i], (double)want);
    }
}

/* The matrices of SmolLM2-135M and TinyLlama; 192x576 lies in L1 or L2, 49152x576 in memory. */
static const check_shape shapes[] = {
    {"192x576", 192, 576, 1},
    {"576x576", 576, 576, 1},
    {"1536x576", 1536, 576, 1},
    {"576x1536", 576, 1536, 1},
    {"2048x2048", 2048, 2048, 1},
    {"5632x2048", 5632, 2048, 1},
    {"2048x5632", 2048, 5632, 1},
    {"49152x576", 49152, 576, 1},
    {"1536x576 x4", 1536, 576, 4},
    {"1536x576 x16", 1536, 576, 16},
    {"1536x576 x96", 1536, 576, 96},
    {"5632x2048 x32", 5632, 2048, 32},
    {0},
};

const check_slot product_slots[] = {
    {"matmul_f32", SLOT(matmul[MOTE_F32]), run_matmul, MOTE_F32, shapes, false},
    {"matmul_f16", SLOT(matmul[MOTE_F16]), run_matmul, MOTE_F16, shapes, false},
    {"matmul_bf16", SLOT(matmul[MOTE_BF16]), run_matmul, MOTE_BF16, shapes, false},
    {"matmul_q8", SLOT(matmul[MOTE_Q8]), run_matmul, MOTE_Q8, shapes, false},
    {"matmul_q4", SLOT(matmul[MOTE_Q4]), run_matmul, MOTE_Q4, shapes, false},
    {"matmul_q4_0", SLOT(matmul[MOTE_Q4_0]), run_matmul, MOTE_Q4_0, shapes, false},
    {"matmul_q4_1", SLOT(matmul[MOTE_Q4_1]), run_matmul, MOTE_Q4_1, shapes, false},
    {"dequant_row", SLOT(dequant_row), run_dequant_row, 0, NULL, false},
    {0},
};

const check_slot blas_slots[] = {
    {"blas_f32", SLOT(blas[MOTE_F32]), run_matmul, MOTE_F32, shapes, true},
    {"blas_f16", SLOT(blas[MOTE_F16]), run_matmul, MOTE_F16, shapes, true},
    {"blas_bf16", SLOT(blas[MOTE_BF16]), run_matmul, MOTE_BF16, shapes, true},
    {0},
};
