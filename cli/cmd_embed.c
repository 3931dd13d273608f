/* cmd_embed.c: texts to embeddings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/encoder.h"

static bool wants_base64(const cli_encoder *x)
{
    return strcmp(x->engine->o->vectors, "base64") == 0;
}

/* The bytes of the numbers, little-endian float32, in base 64. */
static void put_base64(cli_out *out, const float *v, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)v; /* the loader wants little-endian anyway */
    for (size_t i = 0, bytes = n * sizeof *v; i < bytes; i += 3) {
        unsigned a = p[i], b = i + 1 < bytes ? p[i + 1] : 0, c = i + 2 < bytes ? p[i + 2] : 0;
        char four[4] = {digits[a >> 2], digits[(a & 3) << 4 | b >> 4],
                        i + 1 < bytes ? digits[(b & 15) << 2 | c >> 6] : '=',
                        i + 2 < bytes ? digits[c & 63] : '='};
        cli_put(out, four, 4);
    }
}

/* Nine digits give the float back. */
static void put_numbers(cli_out *out, const float *v, size_t n, const char *between)
{
    for (size_t i = 0; i < n; i++)
        cli_printf(out, "%s%.9g", i ? between : "", (double)v[i]);
}

static void answer(const cli_encoder *x, cli_out *out, const mote_encode_text *t, size_t whole)
{
    bool base64 = wants_base64(x);
    cli_json_open(out, '{');
    cli_json_key(out, "embedding");
    cli_puts(out, base64 ? "\"" : "[");
    if (base64)
        put_base64(out, t->out, x->info.n_out);
    else
        put_numbers(out, t->out, x->info.n_out, ",");
    cli_puts(out, base64 ? "\"" : "]");
    out->comma = true;
    cli_json_uint(out, "tokens", t->n_ids);
    cli_json_bool(out, "truncated", t->n_ids < whole);
    if (!x->engine->o->jsonl) {
        cli_json_key(out, "memory");
        cli_encoder_memory_json(out, x->engine, &x->used);
    }
    cli_json_close(out, '}');
}

static bool embed_row(void *user, const mote_value *row, cli_out *out, char error[400])
{
    const mote_value *text = cli_get(row, "text");
    if (!text && cli_get(row, "ids"))
        return cli_encoder_add_ids(user, out, row, error);
    if (text && text->kind == MOTE_VALUE_STRING)
        return cli_encoder_add(user, out, &text->as.string, NULL, error);
    strcpy(error, "text: wanted a string");
    return false;
}

static int embed_text(cli_encoder *x, cli_out *out)
{
    const cli_opts *o = x->engine->o;
    cli_text text;
    char error[400];
    mote_error err;
    int code = cli_prompt_text(&text, o);
    const mote_text a = {text.ptr, text.bytes};
    if (!code && !cli_encoder_add(x, out, &a, NULL, error))
        code = cli_error(MOTE_ERR_UNSUPPORTED, o->model, "%s", error);
    if (!code && cli_encoder_run(x, &err))
        code = err.status == MOTE_CANCELLED ? cli_interrupted() : cli_fail(o->model, &err);
    if (!code && o->json)
        answer(x, out, x->queue, x->whole[0]);
    else if (!code && wants_base64(x))
        put_base64(out, x->out, x->info.n_out);
    else if (!code)
        put_numbers(out, x->out, x->info.n_out, " ");
    if (!code)
        cli_puts(out, "\n");
    cli_encoder_note(x, 1);
    free(text.ptr);
    return code;
}

int cmd_embed(const cli_opts *o)
{
    cli_engine e;
    cli_encoder x = {0};
    cli_out out = {.n = 0};
    cli_catch_signals();
    int code = cli_engine_open(&e, o, NEED_MODEL | WANT_TOKENIZER | NEED_SOUND);
    if (code)
        return code;
    code = cli_encoder_open(&x, &e, false);
    x.answer = answer;
    if (!code && o->jsonl) {
        code = cli_lines_queued(&out, embed_row, cli_encoder_flush, &x);
        cli_encoder_note(&x, 0);
    } else if (!code) {
        code = embed_text(&x, &out);
    }
    cli_encoder_close(&x);
    cli_engine_close(&e);
    return cli_out_close(&out, code);
}
