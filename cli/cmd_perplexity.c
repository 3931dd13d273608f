/* cmd_perplexity.c: how well a model foretells a text.
 *
 * The ids are cut into windows of W that do not overlap; each begins with an empty context. A
 * window has W-1 terms -ln p(id t | ids before it in the window). The result is the mean over
 * windows of the mean of their terms; ppl = exp of it. A last window of fewer ids is left out
 * unless it is the only one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define ROWS 64u

typedef struct measurement {
    cli_engine engine;
    cli_ids ids;
    size_t window, n_windows, n_terms;
    double sum; /* of the windows' means */
    mote_row *rows;
    cli_progress progress;
} measurement;

static bool is_interrupted(void *user)
{
    (void)user;
    return cli_interrupted() != 0;
}

/* -ln softmax(x)[id] */
static double term(const float *x, size_t n, int32_t id)
{
    double max = (double)x[mote_argmax(x, n)], sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - max);
    return max + log(sum) - (double)x[id];
}

/* Adds the terms of a window of w ids; the last id is foretold, not evaluated. */
static mote_status measure_window(measurement *m, const int32_t *ids, size_t w, double *mean,
                                  mote_error *err)
{
    cli_engine *e = &m->engine;
    mote_hooks hooks = {.cancel = is_interrupted};
    double sum = 0;
    size_t batch = e->session_opts.n_batch, n;
    mote_session_rewind(e->session, 0);
    for (size_t at = 0; at + 1 < w; at += n) {
        n = w - 1 - at < batch ? w - 1 - at : batch;
        for (size_t i = 0; i < n; i++)
            m->rows[i] = (mote_row){ids[at + i], (uint32_t)(at + i), e->session, true};
        mote_status s = mote_forward(e->session, m->rows, n, cli_team(e), &hooks, err);
        if (s)
            return s;
        for (size_t i = 0; i < n; i++)
            sum += term(mote_session_logits(e->session, i), e->info.n_vocab, ids[at + i + 1]);
        m->n_terms += n;
        cli_progress_show(&m->progress, m->n_terms, m->ids.n);
    }
    *mean = sum / (double)(w - 1);
    return MOTE_OK;
}

static int measure(measurement *m)
{
    mote_error err;
    double mean;
    cli_progress_start(&m->progress, m->engine.o, "perplexity");
    for (size_t at = 0; at < m->ids.n; at += m->window) {
        size_t left = m->ids.n - at, w = left < m->window ? left : m->window;
        if (w < m->window && at)
            break;
        mote_status s = measure_window(m, m->ids.ids + at, w, &mean, &err);
        if (s) {
            cli_progress_end(&m->progress);
            return s == MOTE_CANCELLED ? cli_interrupted() : cli_fail(m->engine.o->model, &err);
        }
        m->sum += mean;
        m->n_windows++;
    }
    cli_progress_end(&m->progress);
    return 0;
}

/* ---- input ---------------------------------------------------------------------------------- */

static int read_id_file(measurement *m)
{
    const char *path = m->engine.o->ids;
    cli_text text = {0};
    int code = cli_read_text(&text, path);
    if (!code && !cli_parse_ids(&m->ids, &text))
        code = cli_error(MOTE_ERR_FILE, path, "is no JSON list of token ids");
    free(text.ptr);
    return code;
}

static int read_text(measurement *m)
{
    cli_text text = {0};
    mote_error err;
    int code = cli_prompt_text(&text, m->engine.o);
    if (!code && cli_encode(&m->engine, text.ptr, text.bytes, MOTE_ENCODE_ADD_SPECIAL, NULL, 0,
                            &m->ids, &err))
        code = cli_fail(m->engine.o->model, &err);
    free(text.ptr);
    return code;
}

static int check_ids(const measurement *m)
{
    const char *name = m->engine.o->ids ? m->engine.o->ids : "the text";
    if (m->ids.n < 2)
        return cli_error(EXIT_USAGE, name, "has %zu tokens, at least 2 are needed", m->ids.n);
    for (size_t i = 0; i < m->ids.n; i++)
        if ((uint32_t)m->ids.ids[i] >= m->engine.info.n_vocab)
            return cli_error(EXIT_USAGE, name, "token %d is outside the vocabulary of %u",
                             m->ids.ids[i], m->engine.info.n_vocab);
    return 0;
}

/* --window, else -c, else 512 or the model's context. */
static int prepare(measurement *m)
{
    cli_engine *e = &m->engine;
    const cli_opts *o = e->o;
    mote_session_opts so;
    size_t window = o->window ? (size_t)o->window : o->n_ctx ? (size_t)o->n_ctx : 512;
    if (!o->window && !o->n_ctx && window > e->info.n_ctx)
        window = e->info.n_ctx;
    if (window < 2)
        return cli_error(EXIT_USAGE, "--window", "wants at least 2 tokens");
    m->window = window;
    size_t longest = window < m->ids.n ? window : m->ids.n;
    int code = cli_session_options(e, (uint32_t)longest, ROWS, true, &so);
    if (!code && longest > so.n_ctx)
        code = cli_error(EXIT_USAGE, "--window", "%zu tokens, and -c is %u", window, so.n_ctx);
    if (!code)
        code = cli_engine_session(e, &so);
    if (code)
        return code;
    m->rows = malloc(so.n_batch * sizeof *m->rows);
    return m->rows ? 0 : cli_no_memory();
}

static void report(const measurement *m, cli_out *out)
{
    double mean = m->sum / (double)m->n_windows;
    if (m->engine.o->json) {
        cli_json_open(out, '{');
        cli_json_real(out, "mean_nll", mean);
        cli_json_real(out, "ppl", exp(mean));
        cli_json_uint(out, "tokens", m->n_terms);
        cli_json_uint(out, "windows", m->n_windows);
        cli_json_uint(out, "window", m->window);
        cli_json_close(out, '}');
        cli_json_end_line(out);
    } else {
        cli_printf(out, "perplexity %.4f, mean NLL %.6f, %zu tokens in %zu windows\n", exp(mean),
                   mean, m->n_terms, m->n_windows);
    }
}

int cmd_perplexity(const cli_opts *o)
{
    measurement m = {.n_windows = 0};
    cli_out out = {.n = 0};
    cli_catch_signals();
    int code = cli_engine_open(&m.engine, o, NEED_MODEL | (o->ids ? 0u : NEED_TOKENIZER));
    if (code)
        return code;
    code = o->ids ? read_id_file(&m) : read_text(&m);
    if (!code)
        code = check_ids(&m);
    if (!code)
        code = prepare(&m);
    if (!code)
        code = measure(&m);
    if (!code)
        report(&m, &out);
    free(m.ids.ids);
    free(m.rows);
    cli_engine_close(&m.engine);
    return cli_out_close(&out, code);
}
