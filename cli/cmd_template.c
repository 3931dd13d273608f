/* cmd_template.c: messages to a prompt, by the file's chat template or one from a file. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"

enum { N_DEFAULTS = 7 };

typedef struct renderer {
    cli_engine engine; /* without a model when there is --file */
    cli_text file;
    mote_text source, bos, eos, unk, pad;
    int64_t now;
} renderer;

static mote_text text_of(const char *text) { return (mote_text){text, strlen(text)}; }

/* The row's variables, and those that a template may count on. */
static mote_value add_defaults(const renderer *r, const mote_value *row, mote_member *members)
{
    const struct {
        const char *key;
        mote_text text;
    } tokens[] = {
        {"bos_token", r->bos}, {"eos_token", r->eos}, {"unk_token", r->unk}, {"pad_token", r->pad}};
    size_t n = row->as.dict.n;
    memcpy(members, row->as.dict.members, n * sizeof *members);
    for (size_t i = 0; i < 4; i++)
        if (tokens[i].text.bytes && !cli_get(row, tokens[i].key))
            members[n++] = cli_member(tokens[i].key, cli_string_value(tokens[i].text, false));
    if (!cli_get(row, "tools"))
        members[n++] = cli_member("tools", (mote_value){.kind = MOTE_VALUE_NONE});
    if (!cli_get(row, "documents"))
        members[n++] = cli_member("documents", (mote_value){.kind = MOTE_VALUE_NONE});
    if (!cli_get(row, "add_generation_prompt"))
        members[n++] = cli_member("add_generation_prompt", (mote_value){.kind = MOTE_VALUE_BOOL});
    return (mote_value){.kind = MOTE_VALUE_DICT, .as.dict = {members, n}};
}

/* The prompt (in *mem, to be freed), or an error text. */
static mote_status render(const renderer *r, const mote_value *row, mote_text *text, void **mem,
                          char error[400])
{
    mote_member *members = malloc((row->as.dict.n + N_DEFAULTS) * sizeof *members);
    mote_rendered out = {0};
    mote_error err = {.what = "out of memory"};
    mote_status s = MOTE_ERR_MEMORY;
    *mem = NULL;
    if (members) {
        mote_value vars = add_defaults(r, row, members);
        s = cli_render(&out, mem, r->source, &vars, r->now, &err);
    }
    free(members);
    if (s == MOTE_ERR_LIMIT && out.text.bytes)
        cli_escape(error, 400, out.text.ptr, out.text.bytes);
    else if (s)
        cli_error_text(error, 400, &err);
    *text = out.text;
    return s;
}

static bool template_row(void *user, const mote_value *row, cli_out *out, char error[400])
{
    mote_text text;
    void *mem;
    const mote_value *messages = cli_get(row, "messages");
    if (!messages || messages->kind != MOTE_VALUE_LIST) {
        strcpy(error, "messages: wanted a list");
        return false;
    }
    mote_status s = render(user, row, &text, &mem, error);
    if (!s) {
        cli_json_open(out, '{');
        cli_json_key(out, "text");
        cli_json_string(out, text.ptr, text.bytes);
        cli_json_close(out, '}');
    }
    free(mem);
    return !s;
}

/* -p (or stdin) as one user message, after -sys. */
static int template_text(const renderer *r, cli_out *out)
{
    const cli_opts *o = r->engine.o;
    mote_member pairs[4], top[2];
    mote_value list[2];
    cli_text text;
    mote_text rendered;
    char error[400];
    void *mem;
    size_t n = 0;
    int code = cli_prompt_text(&text, o);
    if (code)
        return code;
    for (int i = o->system ? 0 : 1; i < 2; i++, n++) {
        mote_text content = i ? (mote_text){text.ptr, text.bytes} : text_of(o->system);
        mote_text role = text_of(i ? "user" : "system");
        pairs[2 * n] = cli_member("role", cli_string_value(role, false));
        pairs[2 * n + 1] = cli_member("content", cli_string_value(content, true));
        list[n] = (mote_value){.kind = MOTE_VALUE_DICT, .as.dict = {pairs + 2 * n, 2}};
    }
    top[0] = cli_member("messages", (mote_value){.kind = MOTE_VALUE_LIST, .as.list = {list, n}});
    top[1] = cli_member("add_generation_prompt",
                        (mote_value){.kind = MOTE_VALUE_BOOL, .as.boolean = true});
    mote_value row = {.kind = MOTE_VALUE_DICT, .as.dict = {top, 2}};
    mote_status s = render(r, &row, &rendered, &mem, error);
    if (s)
        code = cli_error((int)s, o->template_file ? o->template_file : o->model, "%s", error);
    else
        cli_put(out, rendered.ptr, rendered.bytes);
    free(mem);
    free(text.ptr);
    return code;
}

/* "2026-11-21" or "2026-11-21T08:00:00" (or with a blank), as UTC. */
static bool read_date(const char *text, int64_t *out)
{
    int64_t n[6] = {0};
    const char *between = "--T::";
    struct tm t = {0};
    size_t i = 0;
    for (; i < 6; i++) {
        size_t digits = strspn(text, "0123456789");
        if (digits != (i ? 2 : 4) || !cli_whole_number(text, digits, 0, 9999, &n[i]))
            return false;
        text += digits;
        if (!*text || i == 5)
            break;
        if (*text != between[i] && !(i == 2 && *text == ' '))
            return false;
        text++;
    }
    if (*text || (i != 2 && i < 4) || n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > 31 || n[3] > 23 ||
        n[4] > 59 || n[5] > 60)
        return false;
    t.tm_year = (int)n[0] - 1900;
    t.tm_mon = (int)n[1] - 1;
    t.tm_mday = (int)n[2];
    t.tm_hour = (int)n[3];
    t.tm_min = (int)n[4];
    t.tm_sec = (int)n[5];
    *out = (int64_t)timegm(&t);
    return true;
}

/* Where the template and its tokens come from. */
static int prepare(renderer *r, const cli_opts *o)
{
    r->now = cli_now();
    if (o->date && !read_date(o->date, &r->now))
        return cli_error(EXIT_USAGE, "--date",
                         "\"%s\" is no date like 2026-11-21 or "
                         "2026-11-21T08:00:00",
                         o->date);
    if (!o->model == !o->template_file)
        return cli_error(EXIT_USAGE, NULL, "mote template wants a model, or --file TEMPLATE");
    r->engine.o = o;
    if (o->model) {
        int code = cli_engine_open(&r->engine, o, 0);
        if (code)
            return code;
        const mote_image *image = &r->engine.image;
        r->source = mote_chat_template(image);
        r->bos = mote_image_text(image, MOTE_IMAGE_BOS);
        r->eos = mote_image_text(image, MOTE_IMAGE_EOS);
        r->unk = mote_image_text(image, MOTE_IMAGE_UNK);
        r->pad = mote_image_text(image, MOTE_IMAGE_PAD);
        if (!r->source.bytes)
            return cli_error(MOTE_ERR_UNSUPPORTED, o->model, "has no chat template");
    } else {
        int code = cli_read_text(&r->file, o->template_file);
        if (code)
            return code;
        r->source = (mote_text){r->file.ptr, r->file.bytes};
    }
    r->bos = o->bos ? text_of(o->bos) : r->bos;
    r->eos = o->eos ? text_of(o->eos) : r->eos;
    return 0;
}

int cmd_template(const cli_opts *o)
{
    renderer r = {.now = 0};
    cli_out out = {.n = 0};
    int code = prepare(&r, o);
    if (!code)
        code = o->jsonl ? cli_lines(&out, template_row, &r) : template_text(&r, &out);
    free(r.file.ptr);
    if (o->model)
        cli_engine_close(&r.engine);
    return cli_out_close(&out, code);
}
