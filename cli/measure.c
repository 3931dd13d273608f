/* measure.c: calibration and quality cards. Read measure.h first; windows.c and encoder.c run the
 * texts. */
#include "cli/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/encoder.h"

#if MOTE_CONVERT

#define MIN_TOKENS 128u
#define WINDOW 512u

/* ---- the float model ------------------------------------------------------------------------- */

/* A name of our own in the folder of the output; malloc'ed. */
static char *temporary_name(const char *output)
{
    const char *slash = strrchr(output, '/');
    size_t n = slash ? (size_t)(slash - output) + 1 : 0;
    char *name = malloc(n + 48);
    if (name)
        snprintf(name, n + 48, "%.*s.mote-%ld-f32.tmp", (int)n, output, (long)getpid());
    return name;
}

int cli_reference_open(cli_reference *r, const mote_convert_opts *like, const cli_opts *o)
{
    mote_convert_opts co = *like;
    mote_convert_error err;
    char *name = temporary_name(o->output);
    r->o = *o;
    if (!name)
        return cli_no_memory();
    r->o.model = co.output = name;
    co.type = MOTE_CONVERT_F32;
    co.gather = NULL;
    co.card = NULL;
    co.note = NULL; /* the second conversion tells */
    cli_remove_on_signal(name);
    mote_status s = mote_convert(&co, &err);
    int code = s == MOTE_CANCELLED ? cli_interrupted()
               : s                 ? cli_error((int)s, NULL, "%s", err.text)
                                   : 0;
    if (!code)
        code = cli_engine_open(&r->engine, &r->o, NEED_MODEL | NEED_TOKENIZER);
    r->is_open = !code;
    if (!s)
        unlink(name); /* the map keeps it */
    cli_remove_on_signal(NULL);
    r->o.model = o->model; /* for messages */
    free(name);
    return code;
}

void cli_reference_close(cli_reference *r)
{
    if (r->is_open)
        cli_engine_close(&r->engine);
    r->is_open = false;
}

/* ---- calibration ----------------------------------------------------------------------------- */

static void take_input(void *user, const mote_input_rows *rows)
{
    mote_calibration_add(user, rows);
}

static int too_short(const char *name, size_t n)
{
    return cli_error(EXIT_USAGE, name, "has %zu tokens, at least %u are needed", n, MIN_TOKENS);
}

static int end_pass(const cli_reference *r, mote_status s, const mote_error *err)
{
    return s == MOTE_CANCELLED ? cli_interrupted() : s ? cli_fail(r->o.model, err) : 0;
}

/* Windows that do not overlap; the last one may be shorter. */
static mote_status run_windows(cli_reference *r, const cli_ids *ids, mote_row *rows,
                               const mote_hooks *input, mote_error *err)
{
    mote_hooks hooks = *input;
    cli_engine *e = &r->engine;
    cli_progress progress;
    mote_status s = MOTE_OK;
    size_t n;
    hooks.cancel = cli_cancel;
    cli_progress_start(&progress, &r->o, "calibrate");
    for (size_t at = 0; !s && at < ids->n; at += n) {
        n = ids->n - at < e->session_opts.n_ctx ? ids->n - at : e->session_opts.n_ctx;
        mote_session_rewind(e->session, 0);
        mote_session_announce(e->session, (uint32_t)n);
        for (size_t i = 0; i < n; i++)
            rows[i] = (mote_row){ids->ids[at + i], (uint32_t)i, e->session, false};
        s = mote_forward(e->session, rows, n, cli_team(e), &hooks, err);
        cli_progress_show(&progress, at + n, ids->n);
    }
    cli_progress_end(&progress);
    return s;
}

static int gather_text(cli_reference *r, const cli_text *text, const mote_hooks *hooks)
{
    cli_engine *e = &r->engine;
    mote_session_opts so;
    mote_error err;
    cli_ids ids = {0};
    uint32_t n = e->info.n_ctx < WINDOW ? e->info.n_ctx : WINDOW;
    mote_row *rows = malloc(n * sizeof *rows);
    int code = rows ? 0 : cli_no_memory();
    r->o.kv = "f32";
    if (!code &&
        cli_encode(e, text->ptr, text->bytes, MOTE_ENCODE_ADD_SPECIAL, NULL, 0, &ids, &err))
        code = cli_fail(r->o.calibrate, &err);
    r->n_tokens = ids.n;
    if (!code && ids.n < MIN_TOKENS)
        code = too_short(r->o.calibrate, ids.n);
    if (!code)
        code = cli_session_options(e, n, n, false, &so);
    if (!code)
        code = cli_engine_session(e, &so);
    if (!code)
        code = end_pass(r, run_windows(r, &ids, rows, hooks, &err), &err);
    free(ids.ids);
    free(rows);
    return code;
}

static void count_tokens(const cli_encoder *x, cli_out *out, const mote_encode_text *t,
                         size_t whole)
{
    (void)out, (void)whole;
    *(size_t *)x->user += t->n_ids;
}

/* An encoder reads the text's lines. */
static int gather_lines(cli_reference *r, const cli_text *text, const mote_hooks *hooks)
{
    cli_encoder x = {0};
    cli_out none = {.n = 0}; /* the answers print nothing */
    char error[400];
    int code = cli_encoder_open(&x, &r->engine, r->is_pair);
    x.answer = count_tokens;
    x.hooks = hooks;
    x.user = &r->n_tokens;
    r->n_tokens = 0;
    for (size_t at = 0, n; !code && at < text->bytes; at += n + 1) {
        const char *end = memchr(text->ptr + at, '\n', text->bytes - at);
        n = end ? (size_t)(end - text->ptr) - at : text->bytes - at;
        const mote_text line = {text->ptr + at, n};
        if (n && !cli_encoder_add(&x, &none, &line, r->is_pair ? &line : NULL, error))
            code = cli_error(MOTE_ERR_FILE, r->o.calibrate, "%s", error);
        code = cli_interrupted() ? cli_interrupted() : code;
    }
    if (!code)
        cli_encoder_flush(&x, &none);
    if (!code && r->n_tokens < MIN_TOKENS)
        code = cli_interrupted() ? cli_interrupted() : too_short(r->o.calibrate, r->n_tokens);
    cli_encoder_close(&x);
    return code;
}

int cli_reference_gather(cli_reference *r, mote_calibration *c)
{
    const mote_hooks hooks = {.user = c, .input = take_input};
    mote_encoder_info info;
    cli_text text;
    int code = cli_read_text(&text, r->o.calibrate);
    mote_model_get_encoder(r->engine.model, &info);
    r->is_pair = info.pooling == MOTE_POOL_SCORE;
    r->calibration_crc = code ? 0 : mote_convert_crc(text.ptr, text.bytes);
    if (!code)
        code = (info.pooling ? gather_lines : gather_text)(r, &text, &hooks);
    free(text.ptr);
    return code;
}

/* ---- the card -------------------------------------------------------------------------------- */

static void write_card(const cli_reference *r, const cli_comparison *c, uint32_t crc, char *card)
{
    char calibration[96] = "null";
    if (r->n_tokens)
        snprintf(calibration, sizeof calibration, "{\"text_crc32c\":\"%08x\",\"tokens\":%zu}",
                 r->calibration_crc, r->n_tokens);
    snprintf(card, MOTE_CONVERT_CARD_BYTES,
             "{\"mean_kl\":%.6f,\"median_kl\":%.6f,\"kl_99_9\":%.4f,\"same_top_1\":%.4f,"
             "\"float_ppl\":%.4f,\"ppl\":%.4f,\"tokens\":%zu,\"window\":%zu,"
             "\"text_crc32c\":\"%08x\",\"calibration\":%s,\"blas\":%s}",
             c->mean_kl, c->median_kl, c->kl_99_9, c->same_top_1, c->ppl[0], c->ppl[1], c->tokens,
             c->window, crc, calibration, r->o.blas ? "true" : "false");
}

int cli_reference_card(cli_reference *r, const char *path, char card[MOTE_CONVERT_CARD_BYTES])
{
    cli_engine made;
    cli_comparison c;
    cli_opts o = r->o;
    cli_text text;
    o.model = path;
    r->o.file = o.file = r->o.card;
    r->o.kv = o.kv = "f16";
    int code = cli_read_text(&text, r->o.card);
    uint32_t crc = code ? 0 : mote_convert_crc(text.ptr, text.bytes);
    free(text.ptr);
    if (!code)
        code = cli_engine_open(&made, &o, NEED_MODEL);
    if (code)
        return code;
    code = cli_compare(&r->engine, &made, &c);
    if (!code && c.tokens < MIN_TOKENS)
        code = too_short(r->o.card, c.tokens);
    if (!code)
        write_card(r, &c, crc, card);
    cli_engine_close(&made);
    return code;
}

#endif
