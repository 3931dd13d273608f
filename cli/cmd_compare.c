/* cmd_compare.c: how far a model is from another, on a text: at every position of the windows
 * (windows.c) the Kullback-Leibler divergence sum of p ln(p / q) of the second's distribution q
 * from the first's, p, which is taken for the truth; how often both have the same best token; the
 * perplexities. Without a text: the files side by side (report.c).
 */
#include <math.h>
#include <stdlib.h>

#include "cli/report.h"

typedef struct comparison {
    size_t n_vocab, n, cap;
    float *kl; /* [cap] */
    double sum, nll[2];
    size_t n_same;
} comparison;

static void add_term(void *user, const float *const *logits, int32_t next)
{
    comparison *c = user;
    double lp = cli_log_sum(logits[0], c->n_vocab), lq = cli_log_sum(logits[1], c->n_vocab);
    double kl = cli_divergence(logits[0], lp, logits[1], lq, c->n_vocab);
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

static void sum_up(const cli_windows *w, comparison *c, cli_comparison *out)
{
    double n = (double)c->n;
    qsort(c->kl, c->n, sizeof *c->kl, compare_floats);
    *out = (cli_comparison){.mean_kl = c->sum / n,
                            .median_kl = quantile(c, 0.5),
                            .kl_99_9 = quantile(c, 0.999),
                            .same_top_1 = (double)c->n_same / n,
                            .ppl = {exp(c->nll[0] / n), exp(c->nll[1] / n)},
                            .tokens = c->n,
                            .windows = w->n_windows,
                            .window = w->window};
}

static int run(cli_windows *w, comparison *c, cli_comparison *out)
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
        sum_up(w, c, out);
    return code;
}

int cli_compare(cli_engine *first, cli_engine *second, cli_comparison *out)
{
    comparison c = {0};
    cli_windows w = {.engines = {first, second},
                     .n_engines = 2,
                     .term = add_term,
                     .end = end_window,
                     .user = &c};
    int code = run(&w, &c, out);
    cli_windows_close(&w);
    free(c.kl);
    return code;
}

static void report(const cli_comparison *c, bool json, cli_out *out)
{
    if (!json) {
        cli_printf(out, "KL divergence  mean %.6f, median %.6f, 99.9 %% %.4f\n", c->mean_kl,
                   c->median_kl, c->kl_99_9);
        cli_printf(out, "same best      %.2f %%\nperplexity     %.4f, %.4f\n", 100 * c->same_top_1,
                   c->ppl[0], c->ppl[1]);
        cli_printf(out, "tokens         %zu in %zu windows of %zu\n", c->tokens, c->windows,
                   c->window);
        return;
    }
    cli_json_open(out, '{');
    cli_json_real(out, "mean_kl", c->mean_kl);
    cli_json_real(out, "median_kl", c->median_kl);
    cli_json_real(out, "kl_99_9", c->kl_99_9);
    cli_json_real(out, "same_top_1", c->same_top_1);
    cli_json_real(out, "ppl", c->ppl[0]);
    cli_json_real(out, "other_ppl", c->ppl[1]);
    cli_json_uint(out, "tokens", c->tokens);
    cli_json_uint(out, "windows", c->windows);
    cli_json_uint(out, "window", c->window);
    cli_json_close(out, '}');
    cli_json_end_line(out);
}

int cmd_compare(const cli_opts *o)
{
    cli_engine first, second;
    cli_opts other = *o;
    cli_comparison c;
    cli_out out = {.n = 0};
    if (!o->other)
        return cli_error(EXIT_USAGE, NULL, "compare wants two models (mote compare --help)");
    other.model = o->other;
    cli_catch_signals();
    bool runs = o->ids || o->prompt || o->file;
    unsigned need = !runs    ? NEED_MODEL | WANT_TOKENIZER
                    : o->ids ? WILL_RUN | NEED_MODEL
                             : WILL_RUN | NEED_MODEL | NEED_TOKENIZER;
    int code = cli_engine_open(&first, o, need);
    if (code)
        return code;
    code = cli_engine_open(&second, &other, runs ? WILL_RUN | NEED_MODEL : need);
    if (!code) {
        code = runs ? cli_compare(&first, &second, &c) : cli_compare_shapes(&first, &second);
        cli_engine_close(&second);
    }
    if (!code && runs)
        report(&c, o->json, &out);
    cli_engine_close(&first);
    return cli_out_close(&out, code);
}
