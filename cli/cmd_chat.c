/* cmd_chat.c: a conversation. Every turn renders all of it anew; what the session holds already is
 * not computed again (cli_reuse), so a turn costs its new tokens only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define MAX_LINE ((size_t)1 << 24)

typedef struct chat {
    cli_engine engine;
    cli_answerer answerer;
    cli_out out;
    bool terminal;
    cli_message *messages; /* contents malloc'ed */
    size_t n, cap, n_kept; /* n_kept: messages that /clear leaves */
    uint64_t seed, turn;
    char *input; /* read, not used yet */
    size_t n_input, input_cap;
    bool ended;
} chat;

/* ---- messages ------------------------------------------------------------------------------- */

static int add_message(chat *c, const char *role, const char *text, size_t bytes)
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
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    c->messages[c->n++] = (cli_message){role, {copy, bytes}};
    return 0;
}

static void drop_messages(chat *c, size_t n)
{
    while (c->n > n)
        free((char *)(uintptr_t)c->messages[--c->n].content.ptr);
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* Takes one line out of the input; false: it holds none yet. */
static bool take_line(chat *c, cli_text *line)
{
    char *end = c->n_input ? memchr(c->input, '\n', c->n_input) : NULL;
    size_t n = end ? (size_t)(end - c->input) : c->n_input, all = end ? n + 1 : n;
    if (!end && !(c->ended && c->n_input))
        return false;
    line->bytes = n && c->input[n - 1] == '\r' ? n - 1 : n;
    line->ptr = malloc(line->bytes + 1);
    if (line->ptr)
        memcpy(line->ptr, c->input, line->bytes);
    memmove(c->input, c->input + all, c->n_input - all);
    c->n_input -= all;
    return true;
}

/* Reads more; 0, or an exit code, or -1 when a signal came. */
static int read_more(chat *c)
{
    if (c->n_input + 4096 > c->input_cap) {
        size_t cap = c->input_cap ? 2 * c->input_cap : 1 << 16;
        char *more = cap > MAX_LINE ? NULL : realloc(c->input, cap);
        if (!more)
            return cli_error(MOTE_ERR_MEMORY, "stdin", "the line is too long");
        c->input = more;
        c->input_cap = cap;
    }
    ssize_t n = cli_read(STDIN_FILENO, c->input + c->n_input, c->input_cap - c->n_input);
    if (n < 0 && errno == EINTR)
        return cli_interrupted() ? -1 : 0;
    if (n < 0)
        return cli_error(MOTE_ERR_IO, "stdin", "%s", strerror(errno));
    c->n_input += (size_t)n;
    c->ended = c->ended || n == 0;
    return 0;
}

/* The next line; *line.ptr NULL at the end. On a terminal the first Ctrl-C only warns. */
static int next_line(chat *c, cli_text *line)
{
    bool warned = false;
    *line = (cli_text){0};
    for (;;) {
        if (take_line(c, line))
            return line->ptr ? 0 : cli_no_memory();
        if (c->ended) {
            if (c->terminal)
                cli_end_line_mark();
            return 0;
        }
        if (c->terminal && !warned)
            cli_prompt_mark();
        int code = cli_interrupted() ? -1 : read_more(c);
        if (code >= 0) {
            if (code)
                return code;
            continue;
        }
        code = cli_interrupted();
        if (code != EXIT_INTERRUPTED || !c->terminal || warned)
            return code;
        cli_forget_interrupt();
        cli_end_line_mark();
        cli_note(c->engine.o, "(Ctrl-C again, Ctrl-D or /exit leaves)");
        cli_prompt_mark();
        warned = true;
    }
}

/* ---- turns ---------------------------------------------------------------------------------- */

/* One answer to what was said. A failure that the next turn may not have is no end on a
 * terminal. */
static int answer(chat *c)
{
    cli_engine *e = &c->engine;
    cli_ids ids = {0};
    mote_error err;
    cli_answer a = {.seed = c->seed + c->turn++};
    int code = cli_engine_sampler(e, a.seed);
    if (code)
        return code;
    mote_status s = cli_encode_chat(e, c->messages, c->n, &ids, &err);
    if (!s)
        s = cli_answer_run(&c->answerer, &ids, &a, &err);
    free(ids.ids);
    if (s) {
        drop_messages(c, c->n - 1);
        code = cli_fail(e->o->model, &err);
        return c->terminal && s == MOTE_ERR_LIMIT ? 0 : code;
    }
    cli_puts(&c->out, "\n");
    if (!cli_flush(&c->out))
        return 0;
    if (c->terminal)
        cli_answer_note(e->o, &a);
    if (cli_interrupted() && cli_interrupted() != EXIT_INTERRUPTED)
        return cli_interrupted();
    if (cli_interrupted() && !c->terminal)
        return cli_interrupted();
    cli_forget_interrupt();
    return add_message(c, "assistant", a.text.ptr, a.text.bytes);
}

static bool is(const cli_text *line, const char *word)
{
    return line->bytes == strlen(word) && memcmp(line->ptr, word, line->bytes) == 0;
}

static int converse(chat *c)
{
    for (;;) {
        cli_text line;
        int code = next_line(c, &line);
        if (code || !line.ptr)
            return code;
        if (is(&line, "/exit") || is(&line, "/bye")) {
            free(line.ptr);
            return 0;
        }
        if (is(&line, "/clear")) {
            drop_messages(c, c->n_kept);
        } else if (line.bytes && line.ptr[0] == '/' && c->terminal) {
            cli_note(c->engine.o, "/clear begins anew, /exit leaves");
        } else if (line.bytes) {
            code = add_message(c, "user", line.ptr, line.bytes);
            if (!code)
                code = answer(c);
        }
        free(line.ptr);
        if (code || c->out.failed)
            return code;
    }
}

static int begin(chat *c)
{
    cli_engine *e = &c->engine;
    mote_session_opts so;
    const char *system = e->o->system;
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
    if (!code && system)
        code = add_message(c, "system", system, strlen(system));
    c->n_kept = c->n;
    c->seed = cli_seed(e->o);
    return code;
}

int cmd_chat(const cli_opts *o)
{
    chat *c = calloc(1, sizeof *c);
    if (!c)
        return cli_no_memory();
    cli_catch_signals();
    c->terminal = isatty(STDIN_FILENO);
    int code = cli_engine_open(&c->engine, o, NEED_MODEL | NEED_TOKENIZER | NEED_SOUND);
    if (!code)
        code = begin(c);
    if (!code)
        code = converse(c);
    code = cli_out_close(&c->out, code);
    drop_messages(c, 0);
    cli_answerer_close(&c->answerer);
    cli_engine_close(&c->engine);
    free(c->messages);
    free(c->input);
    free(c);
    return code;
}
