/* cmd_rerank.c: scores of pairs of a query and a passage, by a cross-encoder: raw numbers, the
 * larger the better. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/encoder.h"

static void answer(const cli_encoder *x, cli_out *out, const mote_encode_text *t, size_t whole)
{
    cli_json_open(out, '{');
    if (x->info.n_out == 1) {
        cli_json_real(out, "score", (double)t->out[0]);
    } else {
        cli_json_key(out, "scores");
        cli_json_open(out, '[');
        for (size_t i = 0; i < x->info.n_out; i++)
            cli_json_real(out, NULL, (double)t->out[i]);
        cli_json_close(out, ']');
    }
    cli_json_uint(out, "tokens", t->n_ids);
    cli_json_bool(out, "truncated", t->n_ids < whole);
    cli_json_close(out, '}');
}

static bool rerank_row(void *user, const mote_value *row, cli_out *out, char error[400])
{
    const mote_value *query = cli_get(row, "query"), *passage = cli_get(row, "passage");
    if (!query && !passage && cli_get(row, "ids"))
        return cli_encoder_add_ids(user, out, row, error);
    if (query && query->kind == MOTE_VALUE_STRING && passage && passage->kind == MOTE_VALUE_STRING)
        return cli_encoder_add(user, out, &query->as.string, &passage->as.string, error);
    strcpy(error, "query, passage: wanted two strings");
    return false;
}

/* ---- a query and a file of passages --------------------------------------------------------- */

typedef struct passage {
    const char *text;
    size_t bytes;
    float score;
} passage;

typedef struct passages {
    passage *all;
    size_t n, n_scored;
} passages;

/* The lines of a text that hold anything. */
static bool split(passages *p, const cli_text *text)
{
    size_t n = 1;
    for (size_t i = 0; i < text->bytes; i++)
        n += text->ptr[i] == '\n';
    p->all = calloc(n, sizeof *p->all);
    for (size_t at = 0, end; p->all && at < text->bytes; at = end + 1) {
        const char *stop = memchr(text->ptr + at, '\n', text->bytes - at);
        end = stop ? (size_t)(stop - text->ptr) : text->bytes;
        size_t bytes = end - at;
        if (bytes && text->ptr[end - 1] == '\r')
            bytes--;
        if (bytes)
            p->all[p->n++] = (passage){.text = text->ptr + at, .bytes = bytes};
    }
    return p->all != NULL;
}

/* Best first; equal scores as they stand in the file. */
static int compare(const void *a, const void *b)
{
    const passage *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->text > y->text) - (x->text < y->text);
}

static int score(cli_encoder *x, passages *p)
{
    mote_error err;
    if (cli_encoder_run(x, &err))
        return err.status == MOTE_CANCELLED ? cli_interrupted()
                                            : cli_fail(x->engine->o->model, &err);
    for (size_t i = 0; i < x->n_queued; i++)
        p->all[p->n_scored++].score = x->queue[i].out[0];
    x->n_queued = x->n_ids = 0;
    return 0;
}

static void print(cli_out *out, const cli_encoder *x, const passages *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (x->engine->o->json) {
            cli_json_open(out, '{');
            cli_json_real(out, "score", (double)p->all[i].score);
            cli_json_key(out, "passage");
            cli_json_string(out, p->all[i].text, p->all[i].bytes);
            cli_json_close(out, '}');
            continue;
        }
        cli_printf(out, "%.6f\t", (double)p->all[i].score);
        cli_put(out, p->all[i].text, p->all[i].bytes);
        cli_puts(out, "\n");
    }
}

static int rank(cli_encoder *x, cli_out *out, const cli_text *text)
{
    const cli_opts *o = x->engine->o;
    const mote_text query = {o->prompt, strlen(o->prompt)};
    passages p = {0};
    char error[400];
    int code = split(&p, text) ? 0 : cli_no_memory();
    for (size_t i = 0; !code && i < p.n; i++) {
        const mote_text line = {p.all[i].text, p.all[i].bytes};
        if (x->n_queued == x->n_texts || x->n_ids + x->info.max_tokens > x->n_tokens)
            code = score(x, &p);
        if (!code && !cli_encoder_add(x, out, &query, &line, error))
            code = cli_error(MOTE_ERR_UNSUPPORTED, o->model, "%s", error);
    }
    if (!code)
        code = score(x, &p);
    if (!code) {
        qsort(p.all, p.n, sizeof *p.all, compare);
        if (o->json)
            cli_json_open(out, '[');
        print(out, x, &p);
        if (o->json) {
            cli_json_close(out, ']');
            cli_json_end_line(out);
        }
        cli_encoder_note(x, 0);
    }
    free(p.all);
    return code;
}

static int rerank_file(cli_encoder *x, cli_out *out)
{
    const cli_opts *o = x->engine->o;
    cli_text text = {0};
    if (!o->prompt)
        return cli_error(EXIT_USAGE, NULL,
                         "mote rerank wants --jsonl, or -p QUERY with passages "
                         "in -f FILE or on stdin, one a line");
    if (x->info.n_out != 1)
        return cli_error(MOTE_ERR_UNSUPPORTED, o->model,
                         "it gives %u scores for a pair, which have no order (--jsonl prints them)",
                         x->info.n_out);
    int code = cli_read_text(&text, o->file);
    if (!code)
        code = rank(x, out, &text);
    free(text.ptr);
    return code;
}

int cmd_rerank(const cli_opts *o)
{
    cli_engine e;
    cli_encoder x = {0};
    cli_out out = {.n = 0};
    cli_catch_signals();
    int code = cli_engine_open(&e, o, NEED_MODEL | WANT_TOKENIZER | NEED_SOUND);
    if (code)
        return code;
    code = cli_encoder_open(&x, &e, true);
    x.answer = answer;
    if (!code && o->jsonl) {
        code = cli_lines_queued(&out, rerank_row, cli_encoder_flush, &x);
        cli_encoder_note(&x, 0);
    } else if (!code) {
        code = rerank_file(&x, &out);
    }
    cli_encoder_close(&x);
    cli_engine_close(&e);
    return cli_out_close(&out, code);
}
