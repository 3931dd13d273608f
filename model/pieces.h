/* pieces.h: what products.c, experts.c and latent.c are made of: rows of activations in the forms
 * weights read, and the product of a few tiles with some rows. Read model.h first. */
#ifndef MOTE_PIECES_H
#define MOTE_PIECES_H

#include <string.h>

#include "model/model.h"

static inline size_t least(size_t a, size_t b) { return a < b ? a : b; }

static inline mote_acts as_acts(const mote_act_rows *r)
{
    return (mote_acts){.f32 = r->f32,
                       .codes = r->codes,
                       .scales = r->scales,
                       .sums = r->sums,
                       .f32_stride = r->f32_stride,
                       .code_stride = r->code_stride,
                       .group_stride = r->group_stride};
}

static inline mote_acts acts_at(const mote_acts *a, size_t row)
{
    mote_acts b = *a;
    b.f32 = a->f32 ? a->f32 + row * a->f32_stride : NULL;
    b.codes = a->codes ? a->codes + row * a->code_stride : NULL;
    b.scales = a->scales ? a->scales + row * a->group_stride : NULL;
    b.sums = a->sums ? a->sums + row * a->group_stride : NULL;
    return b;
}

/* The rows from `row` on. */
static inline mote_act_rows act_rows_at(const mote_act_rows *a, size_t row)
{
    mote_act_rows b = *a;
    b.f32 = a->f32 ? a->f32 + row * a->f32_stride : NULL;
    b.codes = a->codes ? a->codes + row * a->code_stride : NULL;
    b.scales = a->scales ? a->scales + row * a->group_stride : NULL;
    b.sums = a->sums ? a->sums + row * a->group_stride : NULL;
    return b;
}

static inline void quantize_row(const mote_run *r, mote_act_rows *to, size_t row, size_t at,
                                const float *x, size_t n)
{
    if (to->codes)
        r->model->kernels->quantize(to->codes + row * to->code_stride + at,
                                    to->scales + row * to->group_stride + at / 32,
                                    to->sums + row * to->group_stride + at / 32, x, n);
}

/* out[t][row] for the tiles [begin, end) and n rows of activations; stride = rows of these
 * tiles. */
static inline size_t multiply(const mote_run *r, float *out, const mote_mat *w, const mote_acts *in,
                              size_t n, size_t begin, size_t end)
{
    const mote_kernels *k = r->model->kernels;
    size_t stride = (end - begin) * MOTE_TILE_ROWS;
    mote_matmul_fn *product =
        k->blas[w->type] && n >= MOTE_BLAS_ROWS ? k->blas[w->type] : k->matmul[w->type];
    product(out, stride, in, n, w, begin, end);
    return stride;
}

/* Shows the input of a layer's matrices to who asked for it. No barrier is needed: the rows stay
 * until every thread has gone past the product's own. */
static inline void show_input(const mote_run *r, uint32_t thread, const mote_model_layer *l,
                              mote_input which, uint32_t expert, const mote_acts *in, size_t n_rows,
                              size_t k)
{
    if (!MOTE_WATCH || !r->hooks || !r->hooks->input || !in->f32 || !n_rows)
        return;
    mote_input_rows rows = {.x = in->f32,
                            .stride = in->f32_stride,
                            .n_rows = n_rows,
                            .k = k,
                            .layer = (uint32_t)(l - r->model->layers),
                            .which = which,
                            .expert = expert,
                            .thread = thread,
                            .n_threads = r->n_threads};
    r->hooks->input(r->hooks->user, &rows);
}

static inline size_t tiles_of(const mote_mat *w)
{
    return (w->rows + MOTE_TILE_ROWS - 1) / MOTE_TILE_ROWS;
}

static inline void add_bias(const mote_run *r, float *out, size_t stride, size_t n,
                            const float *bias, size_t rows)
{
    for (size_t t = 0; bias && t < n; t++)
        r->model->kernels->add(out + t * stride, bias, rows);
}

#endif
