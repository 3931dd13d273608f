/* manual.c: the manual page mote(1), made of the tables of commands and options, so that it cannot
 * tell of others than there are. Read options.h first; roff's requests are those of man(7).
 */
#include <string.h>

#include "cli/options.h"

/* Text as it is: no request, no escape, and no dash that becomes a hyphen. */
static void put_text(cli_out *out, const char *text)
{
    for (bool begins = true; *text; begins = *text++ == '\n') {
        if (begins && (*text == '.' || *text == '\''))
            cli_puts(out, "\\&");
        if (*text == '\\' || *text == '-')
            cli_puts(out, "\\");
        cli_put(out, *text == '\\' ? "e" : text, 1);
    }
}

static void put_bold(cli_out *out, const char *text)
{
    cli_puts(out, "\\fB");
    put_text(out, text);
    cli_puts(out, "\\fR");
}

static void put_command(cli_out *out, const cli_command *c)
{
    const char *between = "\nOptions: ";
    cli_puts(out, ".SS \"mote ");
    put_text(out, c->name);
    cli_puts(out, *c->arguments ? " " : "");
    put_text(out, c->arguments);
    cli_puts(out, "\"\n");
    put_text(out, c->summary);
    for (const char *line = c->more, *end; *line; line = end + (*end == '\n')) {
        char text[256];
        size_t n = strcspn(line, "\n"), kept = n < sizeof text ? n : sizeof text - 1;
        end = line + n;
        memcpy(text, line, kept);
        text[kept] = 0;
        cli_puts(out, "\n.br\n");
        put_text(out, text);
    }
    if (cli_takes_builtin(c))
        cli_printf(out, "\n.br\nWithout MODEL: the built-in one, %s.", cli_builtin_name);
    cli_puts(out, "\n.br");
    for (size_t i = 0; i < cli_n_options; i++)
        if (cli_takes(c, &cli_options[i])) {
            cli_puts(out, between);
            put_bold(out, cli_options[i].name);
            between = ", ";
        }
    cli_puts(out, ".\n");
}

/* Is there another option with one of the names, which other commands take? */
static bool is_one_of_several(const option *opt)
{
    for (size_t i = 0; i < cli_n_options; i++) {
        const option *o = &cli_options[i];
        if (o != opt && (strcmp(o->name, opt->name) == 0 ||
                         (o->brief && opt->brief && strcmp(o->brief, opt->brief) == 0)))
            return true;
    }
    return false;
}

static void put_commands_of(cli_out *out, const option *opt)
{
    const char *between = " For ";
    for (const cli_command *c = cli_commands; c->name; c++)
        if (cli_takes(c, opt)) {
            cli_puts(out, between);
            put_text(out, c->name);
            between = ", ";
        }
    cli_puts(out, ".");
}

static void put_option(cli_out *out, const option *opt)
{
    cli_puts(out, ".TP\n");
    if (opt->brief) {
        put_bold(out, opt->brief);
        cli_puts(out, ", ");
    }
    put_bold(out, opt->name);
    if (opt->value) {
        cli_puts(out, " \\fI");
        put_text(out, opt->value);
        cli_puts(out, "\\fR");
    }
    cli_puts(out, "\n");
    put_text(out, opt->help);
    if (opt->initial) {
        cli_puts(out, " (");
        put_text(out, opt->initial);
        cli_puts(out, ")");
    }
    cli_puts(out, ".");
    if (is_one_of_several(opt))
        put_commands_of(out, opt);
    cli_puts(out, "\n");
}

static const char head[] =
    ".TH MOTE 1 \"\" \"mote " MOTE_VERSION "\" \"User Commands\"\n"
    ".SH NAME\n"
    "mote \\- run small language models on a CPU\n"
    ".SH SYNOPSIS\n"
    ".B mote\n.I COMMAND MODEL\n.RI [ OPTIONS ]\n.br\n"
    ".B mote\n.I COMMAND\n.B \\-\\-help\n.br\n"
    ".B mote help\n.RB [ \\-\\-man \" | \" \\-\\-completions\n.IR bash | zsh | fish ]\n.br\n"
    ".B mote \\-\\-version\n"
    ".SH DESCRIPTION\n"
    "mote generates text with transformer models, makes embeddings and scores, converts and\n"
    "examines model files, and measures speed, on one machine, without a network. A model is one\n"
    "file; the same file and the same prompt give the same bits on every CPU, for any number of\n"
    "threads. The answer goes to standard output; progress, timings and errors to standard error.\n"
    ".SH COMMANDS\n";

static const char tail[] =
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\nAll went well.\n"
    ".TP\n.B 1\nThe answer is not what \\fB\\-\\-expect\\fR asked for.\n"
    ".TP\n.B 2\nWrong usage, or a limit that the user asked to exceed.\n"
    ".TP\n.B 3\nA bad input file.\n"
    ".TP\n.B 4\nReading or writing failed.\n"
    ".TP\n.B 5\nNot enough memory.\n"
    ".TP\n.B 6\nValid, but not supported.\n"
    ".TP\n.BR 130 \", \" 141 \", \" 143\nInterrupted, the output was closed, terminated.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B MOTE_MODELS\nThe folder where models are found by name.\n"
    ".TP\n.B XDG_DATA_HOME\nWithout MOTE_MODELS that folder is \\fImote\\fR in this one, which is\n"
    "\\fI~/.local/share\\fR by default.\n"
    ".TP\n.B XDG_STATE_HOME\nWhere \\fBchat\\fR keeps its history: \\fI~/.local/state\\fR by\n"
    "default.\n"
    ".TP\n.BR NO_COLOR \", \" TERM\nNo colours where these say so.\n"
    ".SH EXAMPLES\n"
    ".EX\n"
    "mote convert SmolLM2\\-135M\\-Instruct/ \\-o smollm2.mote \\-\\-type q8\n"
    "mote run smollm2.mote \\-p \"What is the capital of France?\"\n"
    "mote run \\-p \"Once upon a time\"\n"
    "mote plan smollm2.mote \\-c 8192 \\-\\-kv q8\n"
    "mote run smollm2.mote \\-\\-jsonl < prompts.jsonl\n"
    ".EE\n";

int cli_manual(void)
{
    cli_out out = {.n = 0};
    cli_puts(&out, head);
    for (const cli_command *c = cli_commands; c->name; c++)
        put_command(&out, c);
    cli_puts(&out, ".SH OPTIONS\nIn brackets: the value without the option.\n");
    for (size_t i = 0; i < cli_n_options; i++)
        put_option(&out, &cli_options[i]);
    cli_puts(&out, tail);
    return cli_out_close(&out, 0);
}
