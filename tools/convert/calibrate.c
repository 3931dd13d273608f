/* calibrate.c: gathers moments of inputs and makes guides of them. Read calibrate.h first.
 *
 * Sums run over tokens in order and products are never contracted, so they depend neither on the
 * machine nor on the threads, but with BLAS. */
#include "tools/convert/calibrate.h"

#include <string.h>

#if MOTE_BLAS
#include <cblas.h>
#endif

#include "kernels/math.h"

#define ROOM_BYTES ((size_t)1 << 30) /* for moments; those of one layer are taken anyway */
#define BLOCK 64                     /* rows of H that a thread sums at a time */
#define DAMPING 0.01f                /* of the mean diagonal */

/* ---- which inputs ---------------------------------------------------------------------------- */

static bool input_of(const out_tensor *t, mote_input *which)
{
    if (t->type != MOTE_Q4 || !t->place)
        return false;
    switch (t->kind) {
    case MOTE_L_Q:
    case MOTE_L_Q_A:
    case MOTE_L_K:
    case MOTE_L_V: *which = MOTE_INPUT_ATTENTION; return true;
    case MOTE_L_O: *which = MOTE_INPUT_OUTPUT; return true;
    case MOTE_L_GATE:
    case MOTE_L_UP:
    case MOTE_L_SHARED_GATE:
    case MOTE_L_SHARED_UP: *which = MOTE_INPUT_MLP; return true;
    case MOTE_L_DOWN: *which = MOTE_INPUT_DOWN; return true;
    case MOTE_L_SHARED_DOWN: *which = MOTE_INPUT_SHARED; return true;
    default: return false;
    }
}

/* The input of matrix `mat` of a tensor; false: it needs no guide. */
static bool key_of(const graph *g, const out_tensor *t, size_t mat, moments *key)
{
    *key = (moments){.k = (size_t)t->k};
    if (!input_of(t, &key->which))
        return false;
    key->layer = t->place - 1;
    key->expert = key->which == MOTE_INPUT_DOWN ? (uint32_t)mat : 0;
    if (t->kind == MOTE_L_Q && g->layers[key->layer].q_rank)
        key->which = MOTE_INPUT_QUERY;
    return true;
}

static moments *find(const mote_calibration *c, uint32_t layer, mote_input which, uint32_t expert)
{
    for (size_t i = 0; i < c->n_inputs; i++)
        if (c->inputs[i].layer == layer && c->inputs[i].which == which &&
            c->inputs[i].expert == expert)
            return &c->inputs[i];
    return NULL;
}

/* Adds room for the inputs of a layer's tensors to the plan. */
static void plan_layer(mote_calibration *c, const graph *g, uint32_t layer)
{
    moments key;
    for (size_t i = 0; i < g->n_outs; i++)
        for (size_t mat = 0; g->outs[i].place == layer + 1 && mat < g->outs[i].n_mats; mat++)
            if (key_of(g, &g->outs[i], mat, &key) && !find(c, layer, key.which, key.expert))
                c->inputs[c->n_inputs++] = key;
}

static size_t bytes_from(const mote_calibration *c, size_t first)
{
    size_t bytes = 0;
    for (size_t i = first; i < c->n_inputs; i++)
        bytes += c->inputs[i].k * c->inputs[i].k * sizeof(float);
    return bytes;
}

/* Plans as many layers from `layer` on as there is room for, and takes their memory. */
static mote_status plan(mote_calibration *c, const graph *g, uint32_t layer)
{
    size_t most = 0, widest = 0, used = 0;
    mote_convert_error *err = g->src->err;
    pool_free(&c->pool);
    c->pool = (pool){0};
    c->n_inputs = 0;
    c->guided = NULL;
    for (size_t i = 0; i < g->n_outs; i++)
        most += g->outs[i].n_mats;
    c->inputs = pool_take(&c->pool, most, sizeof *c->inputs, err);
    if (!c->inputs)
        return err->status;
    for (c->begin = c->end = layer; c->end < g->index.n_layers; c->end++) {
        size_t before = c->n_inputs;
        plan_layer(c, g, c->end);
        used += bytes_from(c, before);
        if (used > ROOM_BYTES && c->end > layer) {
            c->n_inputs = before;
            break;
        }
    }
    for (size_t i = 0; i < c->n_inputs; i++) {
        moments *m = &c->inputs[i];
        widest = m->k > widest ? m->k : widest;
        m->sums = pool_take(&c->pool, m->k, m->k * sizeof(float), err);
        if (!m->sums)
            return err->status;
    }
    c->weights = pool_take(&c->pool, widest, sizeof(float), err);
    c->feedback = pool_take(&c->pool, widest, widest * sizeof(float), err);
    return c->weights && c->feedback ? MOTE_OK : err->status;
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* to[j] += sum over the rows of x[i] * x[j], j from i on. */
static void add_row(float *to, const mote_input_rows *r, size_t i)
{
    const size_t k = r->k, s = r->stride;
    size_t t = 0;
    for (; t + 4 <= r->n_rows; t += 4) {
        const float *x = r->x + t * s;
        float a = x[i], b = x[s + i], c = x[2 * s + i], d = x[3 * s + i];
        for (size_t j = i; j < k; j++)
            to[j] += (a * x[j] + b * x[s + j]) + (c * x[2 * s + j] + d * x[3 * s + j]);
    }
    for (; t < r->n_rows; t++) {
        const float *x = r->x + t * s;
        for (size_t j = i; j < k; j++)
            to[j] += x[i] * x[j];
    }
}

static void add_block(const mote_calibration *c, float *sums, const mote_input_rows *r, size_t i,
                      size_t n)
{
#if MOTE_BLAS
    if (c->blas) {
        const blasint s = (blasint)r->stride, k = (blasint)r->k;
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)n, k - (blasint)i,
                    (blasint)r->n_rows, 1.0f, r->x + i, s, r->x + i, s, 1.0f, sums + i * r->k + i,
                    k);
        return;
    }
#endif
    (void)c;
    for (size_t end = i + n; i < end; i++)
        add_row(sums + i * r->k, r, i);
}

/* The thread's blocks of rows: they go round the threads, as later ones are shorter. */
void mote_calibration_add(mote_calibration *c, const mote_input_rows *r)
{
    moments *m = find(c, r->layer, r->which, r->expert);
    if (!m || m->k != r->k)
        return;
    for (size_t i = r->thread * (size_t)BLOCK; i < r->k; i += r->n_threads * (size_t)BLOCK)
        add_block(c, m->sums, r, i, r->k - i < BLOCK ? r->k - i : BLOCK);
    if (r->thread == 0)
        m->n_rows += r->n_rows;
}

/* ---- guides ---------------------------------------------------------------------------------- */

typedef float lanes __attribute__((vector_size(32)));

static float dot(const float *a, const float *b, size_t n)
{
    lanes sum[2] = {{0}, {0}}, x, y;
    float rest = 0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t h = 0; h < 2; h++) {
            memcpy(&x, a + i + 8 * h, sizeof x);
            memcpy(&y, b + i + 8 * h, sizeof y);
            sum[h] += x * y;
        }
    for (; i < n; i++)
        rest += a[i] * b[i];
    sum[0] += sum[1];
    for (i = 0; i < 8; i++)
        rest += sum[0][i];
    return rest;
}

/* R with R R' = H + damping, upper triangular, over the upper triangle of H in place. false: H is
 * not positive enough for floats. */
static bool factor(float *h, size_t k)
{
    for (size_t j = k; j-- > 0;) {
        float *row = h + j * k, pivot = row[j] - dot(row + j + 1, row + j + 1, k - j - 1);
        if (!(pivot > 0))
            return false;
        row[j] = mote_sqrt(pivot);
        for (size_t i = 0; i < j; i++) {
            float *other = h + i * k;
            other[j] = (other[j] - dot(other + j + 1, row + j + 1, k - j - 1)) / row[j];
        }
    }
    return true;
}

bool calibrate_factor(const float *sums, size_t k, float *feedback, float *weights)
{
    double mean = 0;
    for (size_t i = 0; i < k; i++)
        mean += (double)sums[i * k + i] / (double)k;
    float scale = mean > 0 ? (float)(1 / mean) : 0, damping = DAMPING;
    if (!(mean < 1e30))
        return false;
    for (bool done = false; !done; damping *= 10) {
        for (size_t i = 0; i < k * k; i++)
            feedback[i] = sums[i] * scale;
        for (size_t i = 0; i < k; i++)
            feedback[i * k + i] += damping;
        done = factor(feedback, k);
    }
    for (size_t j = 0; j < k; j++)
        weights[j] = feedback[j * k + j];
    for (size_t i = 0; i < k; i++)
        for (size_t j = i; j < k; j++)
            feedback[i * k + j] /= weights[j];
    for (size_t j = 0; j < k; j++)
        weights[j] *= weights[j];
    return true;
}

mote_status calibrate_guide(mote_calibration *c, const graph *g, const out_tensor *t, size_t mat,
                            const q4_guide **out)
{
    const mote_convert_opts *opts = g->src->opts;
    mote_status status = MOTE_OK;
    moments key;
    *out = NULL;
    if (!c || !key_of(g, t, mat, &key))
        return MOTE_OK;
    if (!c->inputs || key.layer < c->begin || key.layer >= c->end) {
        status = plan(c, g, key.layer);
        if (!status)
            status = opts->gather(opts->user, c);
    }
    if (status)
        return status;
    const moments *m = find(c, key.layer, key.which, key.expert);
    if (!m || !m->n_rows)
        return MOTE_OK;
    if (c->guided != m && !calibrate_factor(m->sums, m->k, c->feedback, c->weights))
        return convert_fail(g->src->err, MOTE_ERR_FILE,
                            "the text gives numbers that are too large in layer %u", key.layer);
    c->guided = m;
    c->guide = (q4_guide){m->k, c->weights, c->feedback};
    *out = &c->guide;
    return MOTE_OK;
}

void calibrate_close(mote_calibration *c) { pool_free(&c->pool); }
