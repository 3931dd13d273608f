/* cmd_logits.c: raw logits: their hash, best tokens and greedy continuation as JSON lines; or a
 * safetensors file with all of them, and the hidden states if asked for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define ROWS 64u

/* A session for n positions of which all logits are wanted; the one that is there if it will do. */
static int session_for(cli_engine *e, size_t n)
{
    mote_session_opts so;
    int code = 0;
    if (e->session && n <= e->session_opts.n_ctx)
        mote_session_rewind(e->session, 0);
    else
        code = cli_session_options(e, (uint32_t)(n ? n : 1), ROWS, true, &so);
    if (!code && (!e->session || n > e->session_opts.n_ctx))
        code = cli_engine_session(e, &so);
    if (!code)
        mote_session_announce(e->session, (uint32_t)n);
    return code;
}

/* Positions there may be, or 0 with *limit set. */
static bool fits(const cli_engine *e, size_t n, size_t *limit)
{
    *limit = e->o->n_ctx ? (size_t)e->o->n_ctx : e->info.n_ctx;
    return n <= *limit;
}

static mote_status feed(cli_engine *e, const int32_t *ids, size_t n, mote_row *rows,
                        const mote_hooks *hooks, mote_error *err)
{
    uint32_t at = mote_session_length(e->session);
    for (size_t i = 0; i < n; i++)
        rows[i] = (mote_row){ids[i], at + (uint32_t)i, e->session, true};
    return mote_forward(e->session, rows, n, cli_team(e), hooks, err);
}

/* ---- JSON lines ----------------------------------------------------------------------------- */

typedef struct logits_row {
    cli_engine *engine;
    mote_row *rows; /* [n_batch] */
    cli_ids prompt;
    int32_t *best;   /* [prompt.n] */
    int32_t *greedy; /* [n_greedy] */
    size_t n_greedy;
    uint64_t hash;
} logits_row;

static uint64_t fnv(uint64_t hash, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, x + i, sizeof u);
        for (int byte = 0; byte < 4; byte++, u >>= 8)
            hash = (hash ^ (u & 0xff)) * 0x100000001b3u;
    }
    return hash;
}

/* Prompt, then one greedy id after the other; the last of them is not evaluated. */
static mote_status evaluate(logits_row *r, mote_error *err)
{
    cli_engine *e = r->engine;
    mote_hooks hooks = {.cancel = cli_cancel};
    size_t n_vocab = e->info.n_vocab, batch = e->session_opts.n_batch;
    mote_status s = MOTE_OK;
    r->hash = 0xcbf29ce484222325u;
    for (size_t at = 0, n; !s && at < r->prompt.n; at += n) {
        n = r->prompt.n - at < batch ? r->prompt.n - at : batch;
        s = feed(e, r->prompt.ids + at, n, r->rows, &hooks, err);
        for (size_t i = 0; !s && i < n; i++) {
            r->hash = fnv(r->hash, mote_session_logits(e->session, i), n_vocab);
            r->best[at + i] = mote_argmax(mote_session_logits(e->session, i), n_vocab);
        }
    }
    if (!s && r->n_greedy)
        r->greedy[0] = r->best[r->prompt.n - 1];
    for (size_t i = 1; !s && i < r->n_greedy; i++) {
        s = feed(e, &r->greedy[i - 1], 1, r->rows, &hooks, err);
        if (s)
            break;
        r->hash = fnv(r->hash, mote_session_logits(e->session, 0), n_vocab);
        r->greedy[i] = mote_argmax(mote_session_logits(e->session, 0), n_vocab);
    }
    return s;
}

/* Checks the row and makes room for its answer; false: error says why not. */
static bool prepare(logits_row *r, const mote_value *row, char error[400])
{
    const mote_value *greedy = cli_get(row, "greedy");
    size_t limit;
    if (greedy && (greedy->kind != MOTE_VALUE_INT || greedy->as.integer < 0 ||
                   greedy->as.integer > 1 << 24)) {
        strcpy(error, "greedy: wanted a whole number from 0 to 16777216");
        return false;
    }
    r->n_greedy = greedy ? (size_t)greedy->as.integer : 0;
    if (!cli_get_ids(row, "ids", &r->prompt) || !r->prompt.n) {
        strcpy(error, "ids: wanted a list of token ids, at least one");
        return false;
    }
    size_t n = r->prompt.n + (r->n_greedy ? r->n_greedy - 1 : 0);
    if (!fits(r->engine, n, &limit)) {
        snprintf(error, 400, "%zu positions are needed, the context is %zu", n, limit);
        return false;
    }
    r->best = malloc(r->prompt.n * sizeof *r->best);
    r->greedy = malloc((r->n_greedy + 1) * sizeof *r->greedy);
    if (!r->best || !r->greedy || session_for(r->engine, n)) {
        strcpy(error, "out of memory");
        return false;
    }
    return true;
}

static bool answer_row(void *user, const mote_value *row, cli_out *out, char error[400])
{
    logits_row r = {.engine = user};
    mote_error err;
    bool ok = prepare(&r, row, error);
    if (ok) {
        r.rows = malloc(r.engine->session_opts.n_batch * sizeof *r.rows);
        ok = r.rows != NULL;
        strcpy(error, "out of memory");
    }
    if (ok && evaluate(&r, &err)) {
        cli_error_text(error, 400, &err);
        ok = false;
    }
    if (ok) {
        cli_json_open(out, '{');
        cli_json_key(out, "hash");
        cli_printf(out, "\"%016" PRIx64 "\"", r.hash);
        out->comma = true;
        cli_json_ids(out, "argmax", r.best, r.prompt.n);
        cli_json_ids(out, "greedy", r.greedy, r.n_greedy);
        cli_json_close(out, '}');
    }
    free(r.rows);
    free(r.prompt.ids);
    free(r.best);
    free(r.greedy);
    return ok;
}

/* ---- a file --------------------------------------------------------------------------------- */

typedef struct logits_file {
    cli_engine *engine;
    cli_file file;
    size_t n, n_layers;
    uint64_t data_at, hidden_at; /* of the tensors in the file */
    size_t at;                   /* first position of the chunk in work */
} logits_file;

/* The residual stream of a layer: hidden.0 .. hidden.L, then hidden.final. */
static void keep_hidden(void *user, uint32_t layer, const float *x, size_t n_rows, size_t n)
{
    logits_file *f = user;
    uint64_t row_bytes = n * sizeof(float);
    cli_file_write(&f->file, f->hidden_at + (layer * (uint64_t)f->n + f->at) * row_bytes, x,
                   n_rows * row_bytes);
}

/* The JSON header: logits, then the hidden states; padded to 8 bytes. */
static int write_header(logits_file *f)
{
    const cli_engine *e = f->engine;
    size_t cap = 256 + (f->n_layers + 2) * 128, at = 8;
    char *text = malloc(cap);
    uint64_t end = (uint64_t)f->n * e->info.n_vocab * 4, begin;
    if (!text)
        return cli_no_memory();
    at += (size_t)snprintf(text + at, cap - at,
                           "{\"logits\":{\"dtype\":\"F32\",\"shape\":[%zu,%u],\"data_offsets\":"
                           "[0,%" PRIu64 "]}",
                           f->n, e->info.n_vocab, end);
    for (size_t i = 0; e->o->hidden && i < f->n_layers + 2; i++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", i);
        begin = end;
        end += (uint64_t)f->n * e->info.hidden * 4;
        at += (size_t)snprintf(text + at, cap - at,
                               ",\"hidden.%s\":{\"dtype\":\"F32\",\"shape\":[%zu,%u],"
                               "\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}",
                               i > f->n_layers ? "final" : name, f->n, e->info.hidden, begin, end);
    }
    text[at++] = '}';
    while (at % 8)
        text[at++] = ' ';
    uint64_t json = at - 8;
    memcpy(text, &json, sizeof json);
    cli_file_write(&f->file, 0, text, at);
    f->data_at = at;
    f->hidden_at = at + (uint64_t)f->n * e->info.n_vocab * 4;
    free(text);
    return 0;
}

static int write_tensors(logits_file *f, const cli_ids *ids)
{
    cli_engine *e = f->engine;
    mote_hooks hooks = {.user = f, .cancel = cli_cancel};
    size_t batch = e->session_opts.n_batch, row_bytes = e->info.n_vocab * sizeof(float);
    mote_row *rows = malloc(batch * sizeof *rows);
    mote_error err;
    mote_status s = MOTE_OK;
    if (!rows)
        return cli_no_memory();
    if (e->o->hidden)
        hooks.trace = keep_hidden;
    for (size_t n; !s && f->at < ids->n; f->at += n) {
        n = ids->n - f->at < batch ? ids->n - f->at : batch;
        s = feed(e, ids->ids + f->at, n, rows, &hooks, &err);
        for (size_t i = 0; !s && i < n; i++)
            cli_file_write(&f->file, f->data_at + (f->at + i) * row_bytes,
                           mote_session_logits(e->session, i), row_bytes);
    }
    free(rows);
    if (s == MOTE_CANCELLED)
        return cli_interrupted();
    return s ? cli_fail(e->o->model, &err) : 0;
}

static int make_file(cli_engine *e)
{
    cli_ids ids = {0};
    logits_file f = {.engine = e, .n_layers = e->info.n_layers};
    size_t limit;
    int code = 0;
    if (!cli_read_ids(&ids, e->o->ids, strlen(e->o->ids)) || !ids.n)
        code = cli_error(EXIT_USAGE, "--ids", "no list of token ids");
    if (!code && !fits(e, ids.n, &limit))
        code = cli_error(EXIT_USAGE, "--ids", "%zu ids, and the context is %zu positions", ids.n,
                         limit);
    if (!code)
        code = cli_file_check(e->o->output, e->o->force);
    if (!code)
        code = session_for(e, ids.n);
    if (!code)
        code = cli_file_create(&f.file, e->o->output, e->o->force);
    f.n = ids.n;
    if (!code)
        code = write_header(&f);
    if (!code)
        code = write_tensors(&f, &ids);
    code = cli_file_close(&f.file, code);
    free(ids.ids);
    return code;
}

int cmd_logits(const cli_opts *o)
{
    cli_engine e;
    cli_out out = {.n = 0};
    if (!o->jsonl && (!o->ids || !o->output))
        return cli_error(EXIT_USAGE, NULL, "mote logits wants --jsonl, or --ids IDS and -o FILE");
    cli_catch_signals();
    int code = cli_engine_open(&e, o, WILL_RUN | NEED_MODEL);
    if (code)
        return code;
    if (o->jsonl)
        code = session_for(&e, 1); /* says what is wrong with the options, once */
    if (!code)
        code = o->jsonl ? cli_lines(&out, answer_row, &e) : make_file(&e);
    cli_engine_close(&e);
    return cli_out_close(&out, code);
}
