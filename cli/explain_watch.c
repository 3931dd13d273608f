/* explain_watch.c: looks on while a prompt runs: norms, attention, experts in one pass; the time of
 * every stage in some more, of which the best counts. Read explain.h and mote_hooks first.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/explain.h"

/* ---- values --------------------------------------------------------------------------------- */

typedef struct watcher {
    explain *x;
    float *before;    /* [n, hidden]: x in front of attention or MLP */
    float *weights;   /* [n in sixteens] */
    uint16_t *chosen; /* [max_experts_used] */
    float *shares;    /* the same */
} watcher;

static double length(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

static void note_embeddings(const explain *x, const mote_stage *s)
{
    for (size_t row = 0; row < s->n_rows; row++)
        x->embed_norm[row] = length(s->x + row * s->hidden, s->hidden);
}

/* After attention (part 0) or MLP (1). */
static void note_sum(watcher *w, explain_layer *l, size_t part, const mote_stage *s)
{
    for (size_t row = 0; row < s->n_rows; row++) {
        const float *x = s->x + row * s->hidden;
        float *before = w->before + row * s->hidden;
        l->norm[part] += length(x, s->hidden) / (double)s->n_rows;
        for (size_t i = 0; i < s->hidden; i++)
            before[i] = x[i] - before[i];
        l->added[part] += length(before, s->hidden) / (double)s->n_rows;
    }
}

/* Adds one row's weights over positions [0, n) to what is known of the head. */
static void add_row(explain_head *h, const float *p, size_t n, size_t row, size_t n_rows)
{
    double bits = 0;
    size_t best = 0;
    for (size_t i = 0; i < n; i++) {
        bits -= p[i] > 0 ? (double)p[i] * log2((double)p[i]) : 0;
        best = p[i] > p[best] ? i : best;
    }
    if (row) {
        float share = 1.0f / (float)(n_rows - 1);
        h->first += p[0] * share;
        h->self += p[row] * share;
        h->previous += p[row - 1] * share;
        h->bits += (float)bits * share;
    }
    h->best = (uint32_t)best;
    h->best_weight = p[best];
}

static void draw_row(float *map, size_t map_n, size_t first, const float *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (i < first)
            map[0] += p[i];
        else if (i - first < map_n)
            map[1 + i - first] = p[i];
}

static void note_attention(watcher *w, explain_layer *l, const mote_stage *s)
{
    const explain *x = w->x;
    size_t cap = (x->n + 15) / 16 * 16, first = x->n - x->map_n, width = 1 + x->map_n;
    for (size_t head = 0; head < l->info.n_heads; head++)
        for (size_t row = 0; row < s->n_rows; row++) {
            size_t n = mote_stage_attention(s, row, head, w->weights, cap);
            add_row(&l->heads[head], w->weights, n, row, s->n_rows);
            if (row >= first)
                draw_row(l->map + (head * x->map_n + row - first) * width, x->map_n, first,
                         w->weights, n);
        }
}

static void note_experts(watcher *w, explain_layer *l, const mote_stage *s)
{
    for (size_t row = 0; l->taken && row < s->n_rows; row++) {
        size_t n = mote_stage_experts(s, row, w->chosen, w->shares);
        for (size_t i = 0; i < n; i++)
            l->taken[w->chosen[i]]++;
    }
}

static void note_stage(void *user, const mote_stage *s)
{
    watcher *w = user;
    explain_layer *l = &w->x->layers[s->layer];
    switch (s->kind) {
    case MOTE_STAGE_EMBED: note_embeddings(w->x, s); break;
    case MOTE_STAGE_QUERIES: note_attention(w, l, s); break;
    case MOTE_STAGE_OUTPUT: note_sum(w, l, 0, s); break;
    case MOTE_STAGE_HIDDEN: note_experts(w, l, s); break;
    case MOTE_STAGE_DOWN: note_sum(w, l, 1, s); break;
    case MOTE_STAGE_ATTEND:
    case MOTE_STAGE_LOGITS:
    case MOTE_STAGES: break;
    }
    if (s->kind == MOTE_STAGE_QUERIES || s->kind == MOTE_STAGE_HIDDEN)
        memcpy(w->before, s->x, s->n_rows * s->hidden * sizeof *w->before);
}

mote_status explain_watch(explain *x, mote_error *err)
{
    size_t used = x->model.max_experts_used + 1;
    watcher w = {.x = x,
                 .before = malloc(x->n * x->model.hidden * sizeof *w.before),
                 .weights = malloc((x->n + 15) * sizeof *w.weights),
                 .chosen = malloc(used * sizeof *w.chosen),
                 .shares = malloc(used * sizeof *w.shares)};
    const mote_hooks hooks = {.user = &w, .cancel = cli_cancel, .stage = note_stage};
    mote_status s = MOTE_ERR_MEMORY;
    *err = (mote_error){.status = s, .what = "out of memory"};
    if (w.before && w.weights && w.chosen && w.shares)
        s = explain_pass(x, 0, false, &hooks, err);
    free(w.before);
    free(w.weights);
    free(w.chosen);
    free(w.shares);
    return s;
}

/* ---- times ---------------------------------------------------------------------------------- */

typedef struct timer {
    explain *x;
    size_t pass;
    double last;
} timer;

static explain_work *work_of(explain *x, size_t pass, const mote_stage *s)
{
    if (s->kind == MOTE_STAGE_EMBED)
        return &x->embed[pass];
    if (s->kind == MOTE_STAGE_LOGITS)
        return &x->head[pass];
    return &x->layers[s->layer].work[pass][s->kind - MOTE_STAGE_QUERIES];
}

static void time_stage(void *user, const mote_stage *s)
{
    timer *t = user;
    explain_work *w = work_of(t->x, t->pass, s);
    double took = cli_seconds() - t->last;
    if (w->seconds == 0 || took < w->seconds)
        w->seconds = took;
    t->last = cli_seconds();
}

mote_status explain_time(explain *x, mote_error *err)
{
    mote_status s = MOTE_OK;
    timer t = {.x = x};
    const mote_hooks hooks = {.user = &t, .cancel = cli_cancel, .stage = time_stage};
    for (size_t i = 0; !s && i < explain_passes(x) * EXPLAIN_REPEATS; i++) {
        t.pass = i / EXPLAIN_REPEATS;
        t.last = cli_seconds();
        s = explain_pass(x, t.pass == PASS_TOKEN ? x->n - 1 : 0, false, &hooks, err);
    }
    return s;
}
