/* explain_diff.c: the same ids through another type of the model: how far its residual stream is
 * from the first's after every part, and its next tokens (Kullback-Leibler divergence, as in
 * cmd_compare.c).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/explain.h"

typedef struct streams {
    const explain *x;
    float *kept;   /* [1 + 2 n_layers, n, hidden] of the first model */
    double *error; /* NULL: keep; else compare with what is kept */
} streams;

/* |x - kept| / |kept| */
static double distance(const float *x, const float *kept, size_t n)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - (double)kept[i];
        off += d * d;
        all += (double)kept[i] * (double)kept[i];
    }
    return all > 0 ? sqrt(off / all) : 0;
}

static void take_stage(void *user, const mote_stage *s)
{
    streams *t = user;
    size_t n = s->n_rows * s->hidden, part = 0;
    if (s->kind == MOTE_STAGE_OUTPUT || s->kind == MOTE_STAGE_DOWN)
        part = 1 + 2 * (size_t)s->layer + (s->kind == MOTE_STAGE_DOWN);
    else if (s->kind != MOTE_STAGE_EMBED)
        return;
    float *kept = t->kept + part * n;
    if (!t->error) {
        memcpy(kept, s->x, n * sizeof *kept);
        return;
    }
    for (size_t row = 0; row < s->n_rows; row++)
        t->error[part] +=
            distance(s->x + row * s->hidden, kept + row * s->hidden, s->hidden) / (double)s->n_rows;
}

static void compare_logits(explain *x, const explain *y)
{
    explain_diff *d = &x->diff;
    size_t n_vocab = x->model.n_vocab;
    for (size_t i = 0; i < x->n; i++) {
        const float *a = explain_logits(x, i), *b = explain_logits(y, i);
        d->kl[i] = cli_divergence(a, cli_log_sum(a, n_vocab), b, cli_log_sum(b, n_vocab), n_vocab);
        d->mean_kl += d->kl[i] / (double)x->n;
        d->n_same += mote_argmax(a, n_vocab) == mote_argmax(b, n_vocab);
    }
    d->n_top = explain_best(explain_logits(y, x->n - 1), n_vocab, d->top, EXPLAIN_TOP);
}

static double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

/* Both must read the same ids and have streams of one shape. */
static int check_pair(const explain *x, const explain *y)
{
    const mote_model_info *a = &x->model, *b = &y->model;
    if (a->n_layers != b->n_layers || a->hidden != b->hidden || a->n_vocab != b->n_vocab ||
        x->is_encoder != y->is_encoder)
        return cli_error(EXIT_USAGE, y->o->model,
                         "no other type of the same model: %u layers of %u, %u tokens, the first "
                         "has %u of %u, %u",
                         b->n_layers, b->hidden, b->n_vocab, a->n_layers, a->hidden, a->n_vocab);
    if (x->n != y->n || memcmp(x->ids, y->ids, x->n * sizeof *x->ids) != 0)
        return cli_error(EXIT_USAGE, y->o->model, "its tokenizer gives other tokens");
    return 0;
}

static int run_both(explain *x, explain *y, streams *t)
{
    mote_error err;
    const mote_hooks hooks = {.user = t, .cancel = cli_cancel, .stage = take_stage};
    int code = explain_failed(x, explain_pass(x, 0, true, &hooks, &err), &err);
    if (code)
        return code;
    t->error = x->diff.error;
    return explain_failed(y, explain_pass(y, 0, true, &hooks, &err), &err);
}

static int compare(explain *x, explain *y)
{
    explain_diff *d = &x->diff;
    size_t parts = 1 + 2 * (size_t)x->model.n_layers;
    streams t = {.x = x, .kept = malloc(parts * x->n * x->model.hidden * sizeof *t.kept)};
    d->error = calloc(parts, sizeof *d->error);
    d->kl = calloc(x->n, sizeof *d->kl);
    int code = t.kept && d->error && d->kl ? run_both(x, y, &t) : cli_no_memory();
    free(t.kept);
    if (code)
        return code;
    memcpy(d->name, y->name, sizeof d->name);
    d->type = y->engine.info.weight_type;
    if (x->is_encoder)
        d->cosine = cosine(x->encoder.out, y->encoder.out, x->encoder.info.n_out);
    else
        compare_logits(x, y);
    return 0;
}

int explain_compare(explain *x)
{
    cli_opts other = *x->o;
    explain *y = calloc(1, sizeof *y);
    if (!y)
        return cli_no_memory();
    other.model = x->o->other;
    y->text = x->text;
    int code = explain_open(y, &other, true);
    if (!code)
        code = check_pair(x, y);
    if (!code)
        code = compare(x, y);
    explain_close(y);
    free(y);
    return code;
}
