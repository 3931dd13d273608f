/* cmd_tokenize.c: text to ids (tokenize) and back (detokenize). */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static unsigned flags(const cli_opts *o) { return o->no_special ? 0 : MOTE_ENCODE_ADD_SPECIAL; }

/* {"ids": [...]} or {"count": n} */
static void print_json(cli_out *out, const cli_engine *e, const cli_ids *ids)
{
    cli_json_open(out, '{');
    if (e->o->count)
        cli_json_uint(out, "count", ids->n);
    else
        cli_json_ids(out, "ids", ids->ids, ids->n);
    cli_json_close(out, '}');
}

/* ---- tokenize ------------------------------------------------------------------------------- */

static bool tokenize_row(void *user, const mote_value *row, cli_out *out, char error[400])
{
    const cli_engine *e = user;
    const mote_value *text = cli_get(row, "text");
    cli_ids ids;
    mote_error err;
    if (!text || text->kind != MOTE_VALUE_STRING) {
        strcpy(error, "text: wanted a string");
        return false;
    }
    if (cli_encode(e, text->as.string.ptr, text->as.string.bytes, flags(e->o), NULL, 0, &ids,
                   &err)) {
        cli_error_text(error, 400, &err);
        return false;
    }
    print_json(out, e, &ids);
    free(ids.ids);
    return true;
}

static void print_ids(cli_out *out, const cli_engine *e, const cli_ids *ids)
{
    char safe[600];
    for (size_t i = 0; i < ids->n; i++) {
        mote_text piece = mote_token_piece(e->tokenizer, ids->ids[i]);
        cli_escape(safe, sizeof safe, piece.ptr, piece.bytes);
        cli_printf(out, "%d -> '", ids->ids[i]);
        cli_puts(out, safe);
        cli_puts(out, "'\n");
    }
}

static int tokenize_text(cli_engine *e, cli_out *out)
{
    cli_text text;
    cli_ids ids = {0};
    mote_error err;
    int code = cli_prompt_text(&text, e->o);
    if (!code && cli_encode(e, text.ptr, text.bytes, flags(e->o), NULL, 0, &ids, &err))
        code = cli_fail(e->o->model, &err);
    if (!code && e->o->json) {
        print_json(out, e, &ids);
        cli_json_end_line(out);
    } else if (!code && e->o->count) {
        cli_printf(out, "%zu\n", ids.n);
    } else if (!code) {
        print_ids(out, e, &ids);
    }
    free(text.ptr);
    free(ids.ids);
    return code;
}

int cmd_tokenize(const cli_opts *o)
{
    cli_engine e;
    cli_out out = {.n = 0};
    int code = cli_engine_open(&e, o, NEED_TOKENIZER);
    if (code)
        return code;
    code = o->jsonl ? cli_lines(&out, tokenize_row, &e) : tokenize_text(&e, &out);
    cli_engine_close(&e);
    return cli_out_close(&out, code);
}

/* ---- detokenize ----------------------------------------------------------------------------- */

/* All ids to text (malloc'ed). The whole at once: the streaming decoder would differ from the
 * reference where byte tokens make no valid text. */
static bool decode(const cli_engine *e, const cli_ids *ids, cli_text *out)
{
    bool skip = e->o->skip_special;
    size_t bytes = mote_decode(e->tokenizer, ids->ids, ids->n, skip, NULL, 0);
    *out = (cli_text){.ptr = malloc(bytes + 1), .bytes = bytes};
    if (out->ptr)
        mote_decode(e->tokenizer, ids->ids, ids->n, skip, out->ptr, bytes);
    return out->ptr != NULL;
}

static bool detokenize_row(void *user, const mote_value *row, cli_out *out, char error[400])
{
    cli_ids ids;
    cli_text text;
    if (!cli_get_ids(row, "ids", &ids)) {
        strcpy(error, "ids: wanted a list of whole numbers");
        return false;
    }
    bool ok = decode(user, &ids, &text);
    free(ids.ids);
    if (!ok) {
        strcpy(error, "out of memory");
        return false;
    }
    cli_json_open(out, '{');
    cli_json_key(out, "text");
    cli_json_string(out, text.ptr, text.bytes);
    cli_json_close(out, '}');
    free(text.ptr);
    return true;
}

static int detokenize_ids(const cli_engine *e, cli_out *out)
{
    const cli_opts *o = e->o;
    cli_text in = {0}, text = {0};
    cli_ids ids = {0};
    int code = o->ids ? 0 : cli_read_text(&in, NULL);
    const char *from = o->ids ? o->ids : in.ptr;
    size_t bytes = o->ids ? strlen(o->ids) : in.bytes;
    if (!code && !cli_read_ids(&ids, from, bytes))
        code = cli_error(EXIT_USAGE, o->ids ? "--ids" : "stdin", "no list of token ids");
    if (!code && !decode(e, &ids, &text))
        code = cli_no_memory();
    if (!code)
        cli_put(out, text.ptr, text.bytes);
    free(in.ptr);
    free(ids.ids);
    free(text.ptr);
    return code;
}

int cmd_detokenize(const cli_opts *o)
{
    cli_engine e;
    cli_out out = {.n = 0};
    int code = cli_engine_open(&e, o, NEED_TOKENIZER);
    if (code)
        return code;
    code = o->jsonl ? cli_lines(&out, detokenize_row, &e) : detokenize_ids(&e, &out);
    cli_engine_close(&e);
    return cli_out_close(&out, code);
}
