/* cmd_perplexity.c: how well a model foretells a text: the mean over windows (windows.c) of the
 * mean of their terms -ln p(id t | ids before it in the window); ppl = exp of it.
 */
#include <math.h>

#include "cli/cli.h"

typedef struct measurement {
    size_t n_vocab;
    double window_sum, sum; /* of the terms of a window; of the windows' means */
} measurement;

static void add_term(void *user, const float *const *logits, int32_t next)
{
    measurement *m = user;
    m->window_sum += cli_log_sum(logits[0], m->n_vocab) - (double)logits[0][next];
}

static void end_window(void *user, size_t n)
{
    measurement *m = user;
    m->sum += m->window_sum / (double)n;
    m->window_sum = 0;
}

static void report(const cli_windows *w, const measurement *m, cli_out *out)
{
    double mean = m->sum / (double)w->n_windows;
    if (!w->engines[0]->o->json) {
        cli_printf(out, "perplexity %.4f, mean NLL %.6f, %zu tokens in %zu windows\n", exp(mean),
                   mean, w->n_terms, w->n_windows);
        return;
    }
    cli_json_open(out, '{');
    cli_json_real(out, "mean_nll", mean);
    cli_json_real(out, "ppl", exp(mean));
    cli_json_uint(out, "tokens", w->n_terms);
    cli_json_uint(out, "windows", w->n_windows);
    cli_json_uint(out, "window", w->window);
    cli_json_close(out, '}');
    cli_json_end_line(out);
}

int cmd_perplexity(const cli_opts *o)
{
    cli_engine engine;
    measurement m = {0};
    cli_windows w = {
        .engines = {&engine}, .n_engines = 1, .term = add_term, .end = end_window, .user = &m};
    cli_out out = {.n = 0};
    cli_catch_signals();
    int code =
        cli_engine_open(&engine, o, NEED_MODEL | NEED_SOUND | (o->ids ? 0u : NEED_TOKENIZER));
    if (code)
        return code;
    m.n_vocab = engine.info.n_vocab;
    code = cli_windows_open(&w);
    if (!code)
        code = cli_windows_run(&w, "perplexity");
    if (!code)
        report(&w, &m, &out);
    cli_windows_close(&w);
    cli_engine_close(&engine);
    return cli_out_close(&out, code);
}
