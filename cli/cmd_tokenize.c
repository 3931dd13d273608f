/* cmd_tokenize.c: text to ids (tokenize) and back (detokenize). */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static unsigned flags(const cli_opts *o) { return o->no_special ? 0 : MOTE_ENCODE_ADD_SPECIAL; }

/* A text and its ids; where they come from, if that is wanted. */
typedef struct tokenized {
    cli_text text;
    cli_ids ids;
    mote_span *spans; /* malloc'ed; NULL: not wanted */
} tokenized;

static mote_status tokenize(const cli_engine *e, cli_text text, tokenized *out, mote_error *err)
{
    *out = (tokenized){.text = text};
    mote_status s = cli_encode(e, text.ptr, text.bytes, flags(e->o), NULL, 0, &out->ids, err);
    if (s || (!e->o->offsets && !e->o->pieces))
        return s;
    size_t bytes = mote_encode_scratch_bytes(e->tokenizer, text.bytes);
    void *scratch = malloc(bytes);
    out->spans = malloc((out->ids.n + 1) * sizeof *out->spans);
    *err = (mote_error){.status = MOTE_ERR_MEMORY, .what = "out of memory"};
    s = scratch && out->spans
            ? mote_token_spans(e->tokenizer, text.ptr, text.bytes, flags(e->o), out->ids.ids,
                               out->ids.n, out->spans, scratch, bytes, err)
            : MOTE_ERR_MEMORY;
    free(scratch);
    return s;
}

static void release(tokenized *t)
{
    free(t->ids.ids);
    free(t->spans);
}

/* {"ids": [...], "pieces": [...], "offsets": [[begin, end], ...]} or {"count": n} */
static void print_json(cli_out *out, const cli_engine *e, const tokenized *t)
{
    cli_json_open(out, '{');
    if (e->o->count)
        cli_json_uint(out, "count", t->ids.n);
    else
        cli_json_ids(out, "ids", t->ids.ids, t->ids.n);
    if (e->o->pieces && !e->o->count) {
        cli_json_key(out, "pieces");
        cli_json_open(out, '[');
        for (size_t i = 0; i < t->ids.n; i++) {
            mote_text piece = mote_token_piece(e->tokenizer, t->ids.ids[i]);
            cli_json_string(out, piece.ptr, piece.bytes);
        }
        cli_json_close(out, ']');
    }
    if (e->o->offsets && !e->o->count) {
        cli_json_key(out, "offsets");
        cli_json_open(out, '[');
        for (size_t i = 0; i < t->ids.n; i++) {
            int32_t pair[2] = {(int32_t)t->spans[i].begin, (int32_t)t->spans[i].end};
            cli_json_ids(out, NULL, pair, 2);
        }
        cli_json_close(out, ']');
    }
    cli_json_close(out, '}');
}

/* ---- tokenize ------------------------------------------------------------------------------- */

static bool tokenize_row(void *user, const mote_value *row, cli_out *out, char error[400])
{
    const cli_engine *e = user;
    const mote_value *text = cli_get(row, "text");
    tokenized t;
    mote_error err;
    if (!text || text->kind != MOTE_VALUE_STRING) {
        strcpy(error, "text: wanted a string");
        return false;
    }
    cli_text in = {(char *)(uintptr_t)text->as.string.ptr, text->as.string.bytes};
    bool ok = !tokenize(e, in, &t, &err);
    if (ok)
        print_json(out, e, &t);
    else
        cli_error_text(error, 400, &err);
    release(&t);
    return ok;
}

/* A line for each id: its place in the text if wanted, the id, its piece. */
static void print_ids(cli_out *out, const cli_engine *e, const tokenized *t)
{
    char safe[600];
    for (size_t i = 0; i < t->ids.n; i++) {
        mote_text piece = mote_token_piece(e->tokenizer, t->ids.ids[i]);
        cli_escape(safe, sizeof safe, piece.ptr, piece.bytes);
        if (e->o->offsets)
            cli_printf(out, "%zu %zu ", t->spans[i].begin, t->spans[i].end);
        cli_printf(out, "%d -> '", t->ids.ids[i]);
        cli_puts(out, safe);
        cli_puts(out, "'\n");
    }
}

static bool wants_colours(void)
{
    const char *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(no && *no);
}

/* The text, every other token in another colour; those that share a character are one. */
static void print_pieces(cli_out *out, const tokenized *t)
{
    static const char *const colours[] = {"\033[30;46m", "\033[30;43m"};
    bool colours_wanted = wants_colours();
    size_t done = 0, n = 0;
    for (size_t i = 0; i < t->ids.n; i++) {
        char safe[600];
        size_t end = t->spans[i].end;
        if (end <= done)
            continue;
        if (colours_wanted)
            cli_puts(out, colours[n & 1]);
        else if (n)
            cli_puts(out, "|");
        for (size_t part; done < end; done += part) {
            part = end - done < 128 ? end - done : 128;
            if (colours_wanted)
                cli_escape(safe, sizeof safe, t->text.ptr + done, part);
            if (colours_wanted)
                cli_puts(out, safe);
            else
                cli_put(out, t->text.ptr + done, part);
        }
        n++;
    }
    cli_puts(out, colours_wanted ? "\033[0m\n" : "\n");
}

static int tokenize_text(cli_engine *e, cli_out *out)
{
    cli_text text;
    tokenized t = {.spans = NULL};
    mote_error err;
    int code = cli_prompt_text(&text, e->o);
    if (!code && tokenize(e, text, &t, &err))
        code = cli_fail(e->o->model, &err);
    if (!code && e->o->json) {
        print_json(out, e, &t);
        cli_json_end_line(out);
    } else if (!code && e->o->count) {
        cli_printf(out, "%zu\n", t.ids.n);
    } else if (!code && e->o->pieces) {
        print_pieces(out, &t);
    } else if (!code) {
        print_ids(out, e, &t);
    }
    free(text.ptr);
    release(&t);
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
