/* chat.h: what the parts of `mote chat` share: cmd_chat.c (turns), chat_input.c (entries),
 * chat_commands.c (/help and the others). */
#ifndef MOTE_CHAT_H
#define MOTE_CHAT_H

#include "cli/cli.h"
#include "cli/edit.h"

typedef struct chat {
    cli_opts opts; /* what /set changes */
    cli_engine engine;
    cli_answerer answerer;
    cli_out out;
    bool terminal, ended;
    cli_editor *editor;    /* NULL: plain lines */
    cli_message *messages; /* contents malloc'ed */
    size_t n, cap;
    cli_text system;   /* /set system */
    cli_text attached; /* /read: stands before the next message */
    uint64_t seed, turn;
    cli_answer last; /* its text is gone; finish NULL: there was none */
    char *input;     /* plain lines: read, not used yet */
    size_t n_input, input_cap;
    char history[512]; /* path; empty: none */
    char saved[512];   /* of the last /save or /load */
} chat;

/* ---- chat_input.c --------------------------------------------------------------------------- */

/* The next entry (malloc'ed); entry->ptr NULL: the end. An exit code. On a terminal the first
 * Ctrl-C on an empty line only warns. */
int chat_next_entry(chat *c, cli_text *entry);
/* Fills c->history with the file's path, making its folder; empty when there is no place. */
void chat_find_history(chat *c);

/* ---- cmd_chat.c ----------------------------------------------------------------------------- */

/* The text is copied. An exit code. */
int chat_add_message(chat *c, const char *role, const char *text, size_t bytes);
/* Keeps the first n. */
void chat_drop_messages(chat *c, size_t n);
/* Makes the answer to the messages, the last of which is the user's; on failure that one is
 * dropped. An exit code. */
int chat_answer(chat *c);

/* ---- chat_commands.c ------------------------------------------------------------------------ */

/* Is it "/name" or "/name rest" of a command? */
bool chat_is_command(const cli_text *entry);
/* Runs it. *leave: the conversation is to end. An exit code. */
int chat_command(chat *c, const cli_text *entry, bool *leave);

#endif
