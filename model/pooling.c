/* pooling.c: the end of an encoder: from the rows of a text to its embedding or its scores. Read
 * encode.c first.
 *
 *   mean:  out = sum of the text's rows, ascending, / how many      then, if the file says so,
 *   first: out = its first row                                      out / |out|
 *   score: out = classifier * tanh(pooler * first row + bias) + bias
 */
#include <string.h>

#include "model/encode.h"

#if MOTE_ENCODERS

/* Added to the mean square, as against a text whose embedding is 0. */
#define LEAST_SQUARE 1e-30f

static void pool_text(mote_encode_run *e, size_t i)
{
    const mote_model *m = e->run.model;
    const mote_kernels *k = m->kernels;
    const mote_encode_text *t = &e->texts[i];
    size_t hidden = m->index->hidden;
    const float *x = e->run.lead->x + e->encoder->first[i] * hidden;
    memcpy(t->out, x, hidden * sizeof *x);
    if (m->index->pooling == MOTE_POOL_MEAN) {
        for (size_t row = 1; row < t->n_ids; row++)
            k->add(t->out, x + row * hidden, hidden);
        k->divide(t->out, t->out, (float)t->n_ids, hidden);
    }
    if (m->index->normalize)
        k->rmsnorm(t->out, t->out, e->encoder->unit, hidden, LEAST_SQUARE);
}

/* out = w * in + bias, rows shared by tiles; ends with a barrier. */
static void project(mote_run *r, uint32_t thread, const mote_linear *l, const mote_acts *in,
                    float *out, size_t stride)
{
    const mote_kernels *k = r->model->kernels;
    size_t n_tiles = (l->w.rows + MOTE_TILE_ROWS - 1) / MOTE_TILE_ROWS;
    mote_range mine = mote_share(n_tiles, thread, r->n_threads);
    size_t row = mine.begin * MOTE_TILE_ROWS, end = mine.end * MOTE_TILE_ROWS;
    end = end < l->w.rows ? end : l->w.rows;
    if (mine.begin < mine.end)
        k->matmul[l->w.type](out + row, stride, in, r->n_rows, &l->w, mine.begin, mine.end);
    for (size_t t = 0; t < r->n_rows && row < end; t++)
        k->add(out + t * stride + row, l->bias + row, end - row);
    mote_barrier(r, thread);
}

/* Moves the first row of each text to the front of x: the rest has done its work. */
static void keep_first(mote_encode_run *e, uint32_t thread)
{
    mote_run *r = &e->run;
    size_t hidden = r->model->index->hidden;
    for (size_t i = 1; thread == 0 && i < e->n_texts; i++) /* a text has a row: no overlap */
        if (e->encoder->first[i] != i)
            memcpy(r->lead->x + i * hidden, r->lead->x + e->encoder->first[i] * hidden,
                   hidden * sizeof(float));
    if (thread == 0)
        r->n_rows = e->n_texts;
    mote_barrier(r, thread);
}

static void score_texts(mote_encode_run *e, uint32_t thread)
{
    mote_run *r = &e->run;
    const mote_model *m = r->model;
    mote_encoder *own = e->encoder;
    size_t hidden = m->index->hidden;
    keep_first(e, thread);
    mote_acts in = mote_prepare(r, thread, r->lead->x, hidden, hidden, NULL);
    project(r, thread, &m->pooler, &in, own->pooled, own->pooled_stride);
    mote_range mine = mote_share(e->n_texts, thread, r->n_threads);
    for (size_t i = mine.begin; i < mine.end; i++)
        m->kernels->softcap(own->pooled + i * own->pooled_stride, 1.0f, hidden); /* tanh */
    mote_barrier(r, thread);
    in = mote_prepare(r, thread, own->pooled, own->pooled_stride, hidden, NULL);
    project(r, thread, &m->classifier, &in, own->scores, own->scores_stride);
    for (size_t i = mine.begin; i < mine.end; i++)
        memcpy(e->texts[i].out, own->scores + i * own->scores_stride,
               m->index->n_labels * sizeof(float));
}

void mote_pool_texts(mote_encode_run *e, uint32_t thread)
{
    mote_run *r = &e->run;
    const mote_index *x = r->model->index;
    bool scores = x->pooling == MOTE_POOL_SCORE;
    mote_range mine = mote_share(e->n_texts, thread, r->n_threads);
    mote_barrier(r, thread);
    if (scores)
        score_texts(e, thread);
    for (size_t i = mine.begin; i < mine.end; i++) {
        if (!scores)
            pool_text(e, i);
        if (!r->model->kernels->finite(e->texts[i].out, scores ? x->n_labels : x->hidden))
            r->lead->threads[thread].not_finite = true;
    }
}

#endif
