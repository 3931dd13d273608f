/* chat_input.c: where entries of a conversation come from: the editor on a terminal (edit.c), lines
 * of a pipe, or of a terminal that cannot be drawn on. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/chat.h"

#define MAX_LINE ((size_t)1 << 24)

/* ---- plain lines ---------------------------------------------------------------------------- */

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

/* The first Ctrl-C (a signal here) on a terminal warns; 0: go on. */
static int interrupted(chat *c, bool *warned)
{
    int code = cli_interrupted();
    if (code != EXIT_INTERRUPTED || !c->terminal || *warned)
        return code;
    cli_forget_interrupt();
    cli_end_line_mark();
    cli_note(&c->opts, "(Ctrl-C again, Ctrl-D or /exit leaves)");
    *warned = true;
    return 0;
}

static int next_line(chat *c, cli_text *line)
{
    bool warned = false, marked = false;
    for (;;) {
        if (take_line(c, line))
            return line->ptr ? 0 : cli_no_memory();
        if (c->ended) {
            if (c->terminal)
                cli_end_line_mark();
            return 0;
        }
        if (c->terminal && !marked)
            cli_prompt_mark();
        marked = true;
        int code = cli_interrupted() ? -1 : read_more(c);
        if (code < 0) {
            code = interrupted(c, &warned);
            marked = false;
        }
        if (code)
            return code;
    }
}

/* ---- entries -------------------------------------------------------------------------------- */

/* Entries in three quotes go without them. */
static void unquote(cli_text *entry)
{
    static const char quotes[] = "\"\"\"";
    size_t n = entry->bytes;
    if (n < 6 || memcmp(entry->ptr, quotes, 3) != 0 || memcmp(entry->ptr + n - 3, quotes, 3) != 0)
        return;
    memmove(entry->ptr, entry->ptr + 3, n - 6);
    entry->bytes = n - 6;
}

static int next_edited(chat *c, cli_text *entry)
{
    const char *mark = cli_color(STDERR_FILENO) ? "\x1b[1m> \x1b[0m" : "> ";
    for (bool warned = false;; warned = true) {
        switch (cli_editor_read(c->editor, mark, entry)) {
        case CLI_EDIT_ENTRY: unquote(entry); return 0;
        case CLI_EDIT_END: return 0;
        case CLI_EDIT_SIGNAL: return cli_interrupted();
        case CLI_EDIT_INTERRUPT: break;
        }
        if (warned)
            return EXIT_INTERRUPTED;
        cli_note(&c->opts, "(Ctrl-C again, Ctrl-D or /exit leaves)");
    }
}

int chat_next_entry(chat *c, cli_text *entry)
{
    *entry = (cli_text){0};
    return c->editor ? next_edited(c, entry) : next_line(c, entry);
}

void chat_find_history(chat *c)
{
    char *path = c->history;
    if (!cli_own_path(path, sizeof c->history, "XDG_STATE_HOME", ".local/state", "history")) {
        *path = 0;
        return;
    }
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700); /* there already, mostly */
        *slash = '/';
    }
}
