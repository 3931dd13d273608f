/* windows.c: ids in windows through one model or two, for perplexity and compare. Windows do not
 * overlap; each begins with an empty context; a window of W ids has W-1 terms. A last window of
 * fewer ids is left out unless it is the only one.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define ROWS 64u

/* ---- input ---------------------------------------------------------------------------------- */

static int read_id_file(cli_windows *w, const char *path)
{
    cli_text text = {0};
    int code = cli_read_text(&text, path);
    if (!code && !cli_parse_ids(&w->ids, &text))
        code = cli_error(MOTE_ERR_FILE, path, "is no JSON list of token ids");
    free(text.ptr);
    return code;
}

static int read_text(cli_windows *w)
{
    const cli_engine *e = w->engines[0];
    cli_text text = {0};
    mote_error err;
    int code = cli_prompt_text(&text, e->o);
    if (!code &&
        cli_encode(e, text.ptr, text.bytes, MOTE_ENCODE_ADD_SPECIAL, NULL, 0, &w->ids, &err))
        code = cli_fail(e->o->model, &err);
    free(text.ptr);
    return code;
}

static int check_ids(const cli_windows *w)
{
    const cli_engine *e = w->engines[0];
    const char *name = e->o->ids ? e->o->ids : "the text";
    if (w->ids.n < 2)
        return cli_error(EXIT_USAGE, name, "has %zu tokens, at least 2 are needed", w->ids.n);
    for (size_t i = 0; i < w->ids.n; i++)
        if ((uint32_t)w->ids.ids[i] >= e->info.n_vocab)
            return cli_error(EXIT_USAGE, name, "token %d is outside the vocabulary of %u",
                             w->ids.ids[i], e->info.n_vocab);
    return 0;
}

static int open_session(const cli_windows *w, cli_engine *e, size_t longest)
{
    mote_session_opts so;
    int code = cli_session_options(e, (uint32_t)longest, ROWS, true, &so);
    if (!code && longest > so.n_ctx)
        code = cli_error(EXIT_USAGE, "--window", "%zu tokens, and -c is %u", w->window, so.n_ctx);
    return code ? code : cli_engine_session(e, &so);
}

int cli_windows_open(cli_windows *w)
{
    const cli_engine *e = w->engines[0];
    const cli_opts *o = e->o;
    int code = o->ids ? read_id_file(w, o->ids) : read_text(w);
    if (!code)
        code = check_ids(w);
    w->window = o->window ? (size_t)o->window : o->n_ctx ? (size_t)o->n_ctx : 512;
    if (!o->window && !o->n_ctx && w->window > e->info.n_ctx)
        w->window = e->info.n_ctx;
    if (!code && w->window < 2)
        code = cli_error(EXIT_USAGE, "--window", "wants at least 2 tokens");
    size_t longest = w->window < w->ids.n ? w->window : w->ids.n;
    for (size_t i = 0; i < w->n_engines && !code; i++)
        code = open_session(w, w->engines[i], longest);
    w->rows = code ? NULL : malloc(e->session_opts.n_batch * sizeof *w->rows);
    return code || w->rows ? code : cli_no_memory();
}

void cli_windows_close(cli_windows *w)
{
    free(w->ids.ids);
    free(w->rows);
}

/* ---- running -------------------------------------------------------------------------------- */

static mote_status forward(cli_windows *w, cli_engine *e, const int32_t *ids, size_t at, size_t n,
                           mote_error *err)
{
    mote_hooks hooks = {.cancel = cli_cancel};
    for (size_t i = 0; i < n; i++)
        w->rows[i] = (mote_row){ids[at + i], (uint32_t)(at + i), e->session, true};
    return mote_forward(e->session, w->rows, n, cli_team(e), &hooks, err);
}

/* A window of `length` ids; the last id is foretold, not evaluated. */
static mote_status run_window(cli_windows *w, const int32_t *ids, size_t length, mote_error *err)
{
    size_t batch = w->engines[0]->session_opts.n_batch, n;
    for (size_t i = 0; i < w->n_engines; i++) {
        mote_session_rewind(w->engines[i]->session, 0);
        mote_session_announce(w->engines[i]->session, (uint32_t)length);
    }
    for (size_t at = 0; at + 1 < length; at += n) {
        mote_status s = MOTE_OK;
        n = length - 1 - at < batch ? length - 1 - at : batch;
        for (size_t i = 0; i < w->n_engines && !s; i++)
            s = forward(w, w->engines[i], ids, at, n, err);
        if (s)
            return s;
        for (size_t row = 0; row < n; row++) {
            const float *logits[CLI_MAX_ENGINES];
            for (size_t i = 0; i < w->n_engines; i++)
                logits[i] = mote_session_logits(w->engines[i]->session, row);
            w->term(w->user, logits, ids[at + row + 1]);
        }
        w->n_terms += n;
        cli_progress_show(&w->progress, w->n_terms, w->ids.n);
    }
    return MOTE_OK;
}

int cli_windows_run(cli_windows *w, const char *label)
{
    const cli_engine *e = w->engines[0];
    mote_error err;
    int code = 0;
    cli_progress_start(&w->progress, e->o, label);
    for (size_t at = 0; at < w->ids.n && !code; at += w->window) {
        size_t left = w->ids.n - at, length = left < w->window ? left : w->window;
        if (length < w->window && at)
            break;
        mote_status s = run_window(w, w->ids.ids + at, length, &err);
        if (s)
            code = s == MOTE_CANCELLED ? cli_interrupted() : cli_fail(e->o->model, &err);
        else
            w->end(w->user, length - 1);
        w->n_windows += !s;
    }
    cli_progress_end(&w->progress);
    return code;
}

double cli_log_sum(const float *x, size_t n)
{
    double max = (double)x[mote_argmax(x, n)], sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - max);
    return max + log(sum);
}

double cli_divergence(const float *p, double p_sum, const float *q, double q_sum, size_t n)
{
    double kl = 0;
    for (size_t i = 0; i < n; i++) {
        double lp = (double)p[i] - p_sum, lq = (double)q[i] - q_sum;
        kl += exp(lp) * (lp - lq);
    }
    return kl > 0 ? kl : 0; /* rounding */
}
