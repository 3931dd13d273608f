/* cmd_compare.c: how far a model is from another, on a text: at every position of the windows
 * (windows.c) the Kullback-Leibler divergence sum of p ln(p / q) of the second's distribution q
 * from the first's, p, which is taken for the truth; how often both have the same best token; the
 * perplexities.
 */
#include <math.h>
#include <stdlib.h>

#include "cli/cli.h"

typedef struct comparison {
    size_t n_vocab, n, cap;
    float *kl; /* [cap] */
    double sum, nll[2];
    size_t n_same;
} comparison;

static void add_term(void *user, const float *const *logits, int32_t next)
{
    comparison *c = user;
    double lp = cli_log_sum(logits[0], c->n_vocab), lq = cli_log_sum(logits[1], c->n_vocab), kl = 0;
    for (size_t i = 0; i < c->n_vocab; i++) {
        double p = (double)logits[0][i] - lp, q = (double)logits[1][i] - lq;
        kl += exp(p) * (p - q);
    }
    kl = kl > 0 ? kl : 0; /* rounding */
    c->sum += kl;
    c->nll[0] += lp - (double)logits[0][next];
    c->nll[1] += lq - (double)logits[1][next];
    c->n_same += mote_argmax(logits[0], c->n_vocab) == mote_argmax(logits[1], c->n_vocab);
    if (c->n < c->cap)
        c->kl[c->n++] = (float)kl;
}

static void end_window(void *user, size_t n) { (void)user, (void)n; }

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The value that a share of all does not exceed. */
static double quantile(const comparison *c, double share)
{
    size_t at = (size_t)(share * (double)(c->n - 1) + 0.5);
    return (double)c->kl[at];
}

static void report(const cli_windows *w, comparison *c, cli_out *out)
{
    double n = (double)c->n, same = (double)c->n_same / n;
    double ppl[2] = {exp(c->nll[0] / n), exp(c->nll[1] / n)};
    qsort(c->kl, c->n, sizeof *c->kl, compare_floats);
    if (!w->engines[0]->o->json) {
        cli_printf(out, "KL divergence  mean %.6f, median %.6f, 99.9 %% %.4f\n", c->sum / n,
                   quantile(c, 0.5), quantile(c, 0.999));
        cli_printf(out, "same best      %.2f %%\nperplexity     %.4f, %.4f\n", 100 * same, ppl[0],
                   ppl[1]);
        cli_printf(out, "tokens         %zu in %zu windows of %zu\n", c->n, w->n_windows,
                   w->window);
        return;
    }
    cli_json_open(out, '{');
    cli_json_real(out, "mean_kl", c->sum / n);
    cli_json_real(out, "median_kl", quantile(c, 0.5));
    cli_json_real(out, "kl_99_9", quantile(c, 0.999));
    cli_json_real(out, "same_top_1", same);
    cli_json_real(out, "ppl", ppl[0]);
    cli_json_real(out, "other_ppl", ppl[1]);
    cli_json_uint(out, "tokens", c->n);
    cli_json_uint(out, "windows", w->n_windows);
    cli_json_uint(out, "window", w->window);
    cli_json_close(out, '}');
    cli_json_end_line(out);
}

static int run(cli_windows *w, comparison *c, cli_out *out)
{
    c->n_vocab = w->engines[0]->info.n_vocab;
    if (w->engines[1]->info.n_vocab != c->n_vocab)
        return cli_error(EXIT_USAGE, w->engines[1]->o->model, "has %u tokens, the other model %zu",
                         w->engines[1]->info.n_vocab, c->n_vocab);
    int code = cli_windows_open(w);
    if (code)
        return code;
    c->cap = w->ids.n;
    c->kl = malloc(c->cap * sizeof *c->kl);
    if (!c->kl)
        return cli_no_memory();
    code = cli_windows_run(w, "compare");
    if (!code)
        report(w, c, out);
    return code;
}

int cmd_compare(const cli_opts *o)
{
    cli_engine first, second;
    cli_opts other = *o;
    comparison c = {0};
    cli_windows w = {.engines = {&first, &second},
                     .n_engines = 2,
                     .term = add_term,
                     .end = end_window,
                     .user = &c};
    cli_out out = {.n = 0};
    if (!o->other)
        return cli_error(EXIT_USAGE, NULL, "compare wants two models (mote compare --help)");
    other.model = o->other;
    cli_catch_signals();
    int code = cli_engine_open(&first, o, NEED_MODEL | NEED_SOUND | (o->ids ? 0u : NEED_TOKENIZER));
    if (code)
        return code;
    code = cli_engine_open(&second, &other, NEED_MODEL | NEED_SOUND);
    if (!code) {
        code = run(&w, &c, &out);
        cli_engine_close(&second);
    }
    cli_windows_close(&w);
    free(c.kl);
    cli_engine_close(&first);
    return cli_out_close(&out, code);
}
