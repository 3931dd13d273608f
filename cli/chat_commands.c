/* chat_commands.c: what begins with a slash in a conversation. One table names the commands, tells
 * what they do and calls them. Read chat.h first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/chat.h"
#include "cli/json.h"

/* A command takes the rest of its line; *leave as in chat_command. A failure on a terminal is told
 * and forgotten: then the return value is 0. */
typedef int command_fn(chat *c, char *rest, bool *leave);

typedef struct command {
    const char *name, *arguments, *help;
    command_fn *run;
} command;

static const command *all_commands(void);

static int do_help(chat *c, char *rest, bool *leave)
{
    (void)rest, (void)leave;
    for (const command *k = all_commands(); k->name; k++)
        if (k->help)
            cli_note(&c->opts, "  /%s %s%*s%s", k->name, k->arguments,
                     (int)(22 - strlen(k->name) - strlen(k->arguments)), "", k->help);
    cli_note(&c->opts,
             "Alt-Enter, \\ at the end of a line or \"\"\" begin a new line; Ctrl-C stops "
             "an answer.");
    return 0;
}

static int do_exit(chat *c, char *rest, bool *leave)
{
    (void)c, (void)rest;
    *leave = true;
    return 0;
}

static int do_clear(chat *c, char *rest, bool *leave)
{
    (void)rest, (void)leave;
    chat_drop_messages(c, 0);
    return 0;
}

static int do_regen(chat *c, char *rest, bool *leave)
{
    (void)rest, (void)leave;
    if (c->n < 2) {
        cli_note(&c->opts, "there is no answer yet");
        return 0;
    }
    chat_drop_messages(c, c->n - 1);
    return chat_answer(c);
}

/* ---- what answers are made with ------------------------------------------------------------- */

static int set_system(chat *c, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return cli_no_memory();
    free(c->system.ptr);
    c->system = (cli_text){copy, strlen(copy)};
    return 0;
}

/* "temp 0.5", "parameter temp 0.5", "system You are ..." */
static int do_set(chat *c, char *rest, bool *leave)
{
    static const char word[] = "parameter ";
    (void)leave;
    if (strncmp(rest, word, strlen(word)) == 0)
        rest += strlen(word);
    char *value = strchr(rest, ' ');
    if (!value) {
        cli_note(&c->opts, "/set NAME VALUE, as in /set temp 0.5 or /set system You are brief.");
        return 0;
    }
    *value++ = 0;
    if (strcmp(rest, "system") == 0)
        return set_system(c, value);
    if (cli_set_number(&c->opts, rest, value))
        return 0;
    if (strcmp(rest, "seed") == 0)
        c->seed = cli_seed(&c->opts);
    return cli_engine_sampler(&c->engine, c->seed);
}

static void show_parameters(const chat *c)
{
    const cli_opts *o = &c->opts;
    cli_note(o,
             "temp %g, top-k %lld, top-p %g, min-p %g, repeat-penalty %g, repeat-last-n %lld, "
             "presence-penalty %g, frequency-penalty %g, n-predict %lld, think %s",
             o->temperature, (long long)o->top_k, o->top_p, o->min_p, o->repeat_penalty,
             (long long)o->repeat_last_n, o->presence_penalty, o->frequency_penalty,
             (long long)o->n_predict, o->think ? o->think : "as the template says");
}

static void show_text(const chat *c, const char *what, mote_text text)
{
    size_t cap = 4 * text.bytes + 16;
    char *line = malloc(cap);
    if (!line)
        return;
    for (size_t at = 0, n; at < text.bytes; at += n + 1) { /* line by line: new lines stay */
        const char *end = memchr(text.ptr + at, '\n', text.bytes - at);
        n = end ? (size_t)(end - text.ptr) - at : text.bytes - at;
        cli_escape(line, cap, text.ptr + at, n);
        cli_note(&c->opts, "%s%.500s", at ? "" : what, line);
    }
    free(line);
}

static void show_info(const chat *c)
{
    mote_model_info m;
    char size[32];
    mote_model_get_info(c->engine.model, &m);
    cli_note(&c->opts, "%s: %llu parameters, %s of weights, %u layers, tier %s, %u threads",
             c->opts.model, (unsigned long long)m.n_parameters, cli_size(size, m.weight_bytes),
             m.n_layers, m.tier, c->engine.session_opts.n_threads);
}

static int do_show(chat *c, char *rest, bool *leave)
{
    (void)leave;
    if (!*rest || strcmp(rest, "info") == 0)
        show_info(c);
    if (!*rest || strcmp(rest, "parameters") == 0)
        show_parameters(c);
    if (!*rest || strcmp(rest, "system") == 0)
        show_text(c, "system: ", (mote_text){c->system.ptr, c->system.bytes});
    if (strcmp(rest, "template") == 0)
        show_text(c, "", mote_chat_template(&c->engine.image));
    for (size_t i = 0; strcmp(rest, "messages") == 0 && i < c->n; i++) {
        cli_note(&c->opts, "%s:", c->messages[i].role);
        show_text(c, "  ", c->messages[i].content);
    }
    return 0;
}

static int do_stats(chat *c, char *rest, bool *leave)
{
    const cli_engine *e = &c->engine;
    char size[2][32];
    (void)rest, (void)leave;
    if (c->last.finish)
        cli_answer_note(&c->opts, &c->last);
    cli_note(&c->opts, "%zu messages; context %u of %u tokens; memory %s and the file's %s", c->n,
             mote_session_length(e->session), e->session_opts.n_ctx,
             cli_size(size[0], e->used.total), cli_size(size[1], e->used.file));
    return 0;
}

/* ---- files ---------------------------------------------------------------------------------- */

static void print_message(cli_out *out, const char *role, mote_text content)
{
    cli_json_open(out, '{');
    cli_json_text(out, "role", role);
    cli_json_key(out, "content");
    cli_json_string(out, content.ptr, content.bytes);
    cli_json_close(out, '}');
    cli_json_end_line(out);
}

/* JSON lines {"role","content"}, the system message first. A file that this conversation was
 * saved to or loaded from is replaced, another is not. */
static int do_save(chat *c, char *rest, bool *leave)
{
    cli_file file;
    cli_out *out = calloc(1, sizeof *out);
    (void)leave;
    if (!out)
        return cli_no_memory();
    if (!*rest)
        cli_note(&c->opts, "/save FILE");
    else if (!cli_file_create(&file, rest, strcmp(rest, c->saved) == 0)) {
        out->file = &file;
        if (c->system.bytes)
            print_message(out, "system", (mote_text){c->system.ptr, c->system.bytes});
        for (size_t i = 0; i < c->n; i++)
            print_message(out, c->messages[i].role, c->messages[i].content);
        cli_flush(out);
        if (!cli_file_close(&file, 0)) {
            snprintf(c->saved, sizeof c->saved, "%s", rest);
            cli_note(&c->opts, "saved %zu messages", c->n);
        }
    }
    free(out);
    return 0;
}

/* One line of a saved conversation; false: it is none. */
static bool load_line(chat *c, const char *text, size_t bytes)
{
    size_t room = 64 + 64 * bytes;
    void *memory = malloc(room);
    mote_value row;
    mote_error err;
    bool ok = memory && !cli_json_parse(&row, text, bytes, memory, room, &err);
    const mote_value *role = ok ? cli_get(&row, "role") : NULL;
    const mote_value *content = ok ? cli_get(&row, "content") : NULL;
    ok = role && content && role->kind == MOTE_VALUE_STRING && content->kind == MOTE_VALUE_STRING;
    static const char *const roles[] = {"system", "user", "assistant"};
    size_t k = 0;
    while (ok && k < 3 && !cli_is_string(role, roles[k]))
        k++;
    ok = ok && k < 3;
    if (ok && k == 0) {
        char *system = strndup(content->as.string.ptr, content->as.string.bytes);
        ok = system != NULL;
        if (ok) {
            free(c->system.ptr);
            c->system = (cli_text){system, content->as.string.bytes};
        }
    } else if (ok) {
        ok = !chat_add_message(c, roles[k], content->as.string.ptr, content->as.string.bytes);
    }
    free(memory);
    return ok;
}

/* All of it or nothing but an error. */
static int do_load(chat *c, char *rest, bool *leave)
{
    cli_text all = {0};
    size_t before = c->n;
    (void)leave;
    if (!*rest)
        cli_note(&c->opts, "/load FILE");
    if (!*rest || cli_read_text(&all, rest))
        return 0;
    bool ok = true;
    for (size_t at = 0, n; ok && at < all.bytes; at += n + 1) {
        const char *end = memchr(all.ptr + at, '\n', all.bytes - at);
        n = end ? (size_t)(end - all.ptr) - at : all.bytes - at;
        ok = !n || load_line(c, all.ptr + at, n);
    }
    free(all.ptr);
    if (!ok || c->n == before) {
        chat_drop_messages(c, before);
        cli_error(MOTE_ERR_FILE, rest, "this is no saved conversation");
        return 0;
    }
    size_t n = c->n - before; /* they take the place of the earlier ones */
    for (size_t i = 0; i < before; i++)
        free((char *)(uintptr_t)c->messages[i].content.ptr);
    memmove(c->messages, c->messages + before, n * sizeof *c->messages);
    c->n = n;
    snprintf(c->saved, sizeof c->saved, "%s", rest);
    if (c->messages[n - 1].role[0] == 'u') /* a question without an answer */
        return chat_answer(c);
    cli_note(&c->opts, "loaded %zu messages", n);
    return 0;
}

static int do_read(chat *c, char *rest, bool *leave)
{
    cli_text text;
    char size[32];
    (void)leave;
    if (!*rest)
        cli_note(&c->opts, "/read FILE; its text stands before your next message");
    if (!*rest || cli_read_text(&text, rest))
        return 0;
    free(c->attached.ptr);
    c->attached = text;
    cli_note(&c->opts, "%s stand before your next message", cli_size(size, text.bytes));
    return 0;
}

static int set_think(chat *c, const char *to)
{
    c->opts.think = to;
    cli_note(&c->opts, "thinking: %s, if the template knows the word", to);
    return 0;
}

static int do_think(chat *c, char *rest, bool *leave)
{
    (void)leave;
    return set_think(c, strcmp(rest, "off") == 0 ? "off" : "on");
}

static int do_nothink(chat *c, char *rest, bool *leave)
{
    (void)rest, (void)leave;
    return set_think(c, "off");
}

static const command commands[] = {
    {"help", "", "this list", do_help},
    {"exit", "", "leave; as Ctrl-D", do_exit},
    {"bye", "", NULL, do_exit},
    {"clear", "", "forget the conversation, not the system message", do_clear},
    {"regen", "", "another answer to the last message", do_regen},
    {"set", "NAME VALUE", "change temp, top-k, top-p, min-p, seed, ... or system", do_set},
    {"show", "[WHAT]", "info, parameters, system, template, messages", do_show},
    {"think", "on|off", "what the template is told about thinking", do_think},
    {"nothink", "", NULL, do_nothink},
    {"read", "FILE", "put a file's text before the next message", do_read},
    {"save", "FILE", "write the conversation as JSON lines", do_save},
    {"load", "FILE", "go on with a saved conversation", do_load},
    {"stats", "", "speed of the last answer, context, memory", do_stats},
    {NULL, NULL, NULL, NULL},
};

static const command *all_commands(void) { return commands; }

/* The command that an entry calls; NULL: none. *name_bytes: the slash included. */
static const command *called(const cli_text *entry, size_t *name_bytes)
{
    size_t n = 1;
    while (n < entry->bytes && entry->ptr[n] != ' ' && entry->ptr[n] != '\n')
        n++;
    *name_bytes = n;
    for (const command *k = commands; k->name; k++)
        if (strlen(k->name) == n - 1 && memcmp(k->name, entry->ptr + 1, n - 1) == 0)
            return k;
    return NULL;
}

bool chat_is_command(const cli_text *entry)
{
    size_t n;
    return entry->bytes && entry->ptr[0] == '/' && called(entry, &n);
}

int chat_command(chat *c, const cli_text *entry, bool *leave)
{
    size_t n;
    const command *k = called(entry, &n);
    char *line = strndup(entry->ptr, entry->bytes);
    if (!line || !k) {
        free(line);
        return line ? 0 : cli_no_memory();
    }
    int code = k->run(c, line + n + strspn(line + n, " \n"), leave);
    free(line);
    return code;
}
