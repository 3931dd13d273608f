/* cmd_chat.c: a conversation. Every turn renders all of it anew; what the session holds already is
 * not computed again (cli_reuse), so a turn costs its new tokens only. Read chat.h first.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/chat.h"

int chat_add_message(chat *c, const char *role, const char *text, size_t bytes)
{
    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 16;
        cli_message *more = realloc(c->messages, cap * sizeof *more);
        if (!more)
            return cli_no_memory();
        c->messages = more;
        c->cap = cap;
    }
    char *copy = malloc(bytes + 1);
    if (!copy)
        return cli_no_memory();
    if (bytes)
        memcpy(copy, text, bytes);
    copy[bytes] = 0;
    c->messages[c->n++] = (cli_message){role, {copy, bytes}};
    return 0;
}

void chat_drop_messages(chat *c, size_t n)
{
    while (c->n > n)
        free((char *)(uintptr_t)c->messages[--c->n].content.ptr);
}

/* ---- turns ---------------------------------------------------------------------------------- */

/* System message, if there is one, and all others to ids. */
static mote_status encode(chat *c, cli_ids *ids, mote_error *err)
{
    cli_message *all = malloc((c->n + 1) * sizeof *all);
    size_t n = 0;
    if (!all) {
        *err = (mote_error){.status = MOTE_ERR_MEMORY, .what = "out of memory"};
        return MOTE_ERR_MEMORY;
    }
    if (c->system.bytes)
        all[n++] = (cli_message){"system", {c->system.ptr, c->system.bytes}};
    if (c->n)
        memcpy(all + n, c->messages, c->n * sizeof *all);
    mote_status s = cli_encode_chat(&c->engine, all, n + c->n, ids, err);
    free(all);
    return s;
}

/* After an answer that was interrupted: on a terminal the conversation goes on. */
static int after_signal(const chat *c)
{
    int code = cli_interrupted();
    if (code && (code != EXIT_INTERRUPTED || !c->terminal))
        return code;
    cli_forget_interrupt();
    return 0;
}

int chat_answer(chat *c)
{
    cli_engine *e = &c->engine;
    cli_ids ids = {0};
    mote_error err;
    cli_answer a = {.seed = c->seed + c->turn++};
    int code = cli_engine_sampler(e, a.seed);
    if (code)
        return code;
    mote_status s = encode(c, &ids, &err);
    if (!s)
        s = cli_answer_run(&c->answerer, &ids, &a, &err);
    free(ids.ids);
    if (s) {
        chat_drop_messages(c, c->n - 1);
        code = cli_fail(e->o->model, &err);
        return c->terminal && s == MOTE_ERR_LIMIT ? 0 : code;
    }
    cli_puts(&c->out, "\n");
    if (!cli_flush(&c->out))
        return 0;
    c->last = a;
    if (c->terminal) {
        cli_answer_note(e->o, &a);
        cli_note(e->o, "context: %u of %u tokens", mote_session_length(e->session),
                 e->session_opts.n_ctx);
    }
    code = after_signal(c);
    return code ? code : chat_add_message(c, "assistant", a.text.ptr, a.text.bytes);
}

/* A message, behind what /read brought. */
static int say(chat *c, const cli_text *entry)
{
    size_t before = c->attached.bytes;
    char *text = malloc(before + entry->bytes + 2);
    if (!text)
        return cli_no_memory();
    if (before) {
        memcpy(text, c->attached.ptr, before);
        memcpy(text + before, "\n\n", 2);
        before += 2;
    }
    memcpy(text + before, entry->ptr, entry->bytes);
    int code = chat_add_message(c, "user", text, before + entry->bytes);
    free(text);
    free(c->attached.ptr);
    c->attached = (cli_text){0};
    return code ? code : chat_answer(c);
}

static int converse(chat *c)
{
    for (bool leave = false; !leave;) {
        cli_text entry;
        int code = chat_next_entry(c, &entry);
        if (code || !entry.ptr)
            return code;
        if (chat_is_command(&entry))
            code = chat_command(c, &entry, &leave);
        else if (c->terminal && entry.bytes && entry.ptr[0] == '/')
            cli_note(&c->opts, "there is no such command; /help lists them");
        else if (entry.bytes)
            code = say(c, &entry);
        free(entry.ptr);
        if (code || c->out.failed)
            return code;
    }
    return 0;
}

/* ---- the command ---------------------------------------------------------------------------- */

static int begin(chat *c)
{
    cli_engine *e = &c->engine;
    mote_session_opts so;
    if (!mote_chat_template(&e->image).bytes)
        return cli_error(MOTE_ERR_UNSUPPORTED, e->o->model,
                         "has no chat template; mote run --raw goes on with a text");
    int code = cli_session_options(e, cli_default_context(e), 512, false, &so);
    if (!code)
        code = cli_engine_session(e, &so);
    if (!code)
        code = cli_engine_sampler(e, 0);
    if (!code)
        code = cli_answerer_open(&c->answerer, e, &c->out);
    if (code)
        return code;
    c->answerer.dims = isatty(STDOUT_FILENO) && cli_color(STDOUT_FILENO);
    c->seed = cli_seed(e->o);
    if (c->opts.system) {
        c->system = (cli_text){strdup(c->opts.system), strlen(c->opts.system)};
        if (!c->system.ptr)
            return cli_no_memory();
    }
    if (c->terminal && !c->opts.no_history)
        chat_find_history(c);
    c->editor = c->terminal ? cli_editor_new(c->history[0] ? c->history : NULL) : NULL;
    return 0;
}

int cmd_chat(const cli_opts *o)
{
    chat *c = calloc(1, sizeof *c);
    if (!c)
        return cli_no_memory();
    c->opts = *o;
    cli_catch_signals();
    c->terminal = isatty(STDIN_FILENO);
    int code = cli_engine_open(&c->engine, &c->opts, WILL_RUN | NEED_MODEL | NEED_TOKENIZER);
    if (!code)
        code = begin(c);
    if (!code)
        code = converse(c);
    code = cli_out_close(&c->out, code);
    chat_drop_messages(c, 0);
    cli_editor_free(c->editor);
    cli_answerer_close(&c->answerer);
    cli_engine_close(&c->engine);
    free(c->system.ptr);
    free(c->attached.ptr);
    free(c->messages);
    free(c->input);
    free(c);
    return code;
}
