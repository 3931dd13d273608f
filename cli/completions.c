/* completions.c: scripts that complete the command line in bash, zsh and fish, made of the tables
 * of commands and options. Where a value is one of some words these are offered, where it is a file
 * (and for the arguments of a command) files are. Read options.h first.
 */
#include <string.h>

#include "cli/options.h"

static bool wants_file(const option *opt)
{
    return opt->kind == TEXT && strcmp(opt->value, "FILE") == 0;
}

/* "a|b" as "a b"; other texts with a backslash before each of the letters in `special`, and ' as
 * the shells have it within '...'. */
static void put(cli_out *out, const char *text, const char *special, const char *quote)
{
    for (; *text; text++) {
        if (*text == '\'')
            cli_puts(out, quote);
        else if (strchr(special, *text))
            cli_printf(out, "\\%c", *text);
        else
            cli_put(out, text, 1);
    }
}

static void put_choices(cli_out *out, const char *list)
{
    for (; *list; list++)
        cli_put(out, *list == '|' ? " " : list, 1);
}

static void put_names(cli_out *out, const option *opt, const char *between)
{
    cli_printf(out, "%s%s%s", opt->brief ? opt->brief : "", opt->brief ? between : "", opt->name);
}

/* ---- bash ----------------------------------------------------------------------------------- */

static void put_bash_command(cli_out *out, const cli_command *c)
{
    cli_printf(out, "    %s)\n        case $previous in\n", c->name);
    for (size_t i = 0; i < cli_n_options; i++) {
        const option *opt = &cli_options[i];
        if (!cli_takes(c, opt) || opt->kind == FLAG)
            continue;
        cli_puts(out, "        ");
        put_names(out, opt, " | ");
        cli_puts(out, ") ");
        if (opt->kind == CHOICE) {
            cli_puts(out, "words=\"");
            put_choices(out, opt->value);
            cli_puts(out, "\" ;;\n");
        } else {
            cli_puts(out, "return ;;\n");
        }
    }
    cli_puts(out, "        *) options=\"");
    for (size_t i = 0; i < cli_n_options; i++)
        if (cli_takes(c, &cli_options[i])) {
            put_names(out, &cli_options[i], " ");
            cli_puts(out, " ");
        }
    cli_puts(out, "\" ;;\n        esac\n        ;;\n");
}

static void put_command_names(cli_out *out)
{
    for (const cli_command *c = cli_commands; c->name; c++)
        cli_printf(out, "%s ", c->name);
}

/* An empty answer lets bash offer files (-o default). */
static void put_bash(cli_out *out)
{
    cli_puts(out, "# Completion of mote for bash, made by mote help --completions bash.\n"
                  "_mote() {\n"
                  "    local word=${COMP_WORDS[COMP_CWORD]} words= options=\n"
                  "    local previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
                  "    COMPREPLY=()\n"
                  "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                  "        words=\"");
    put_command_names(out);
    cli_puts(out, "help --version\"\n"
                  "    elif [ \"${COMP_WORDS[1]}\" = help ]; then\n"
                  "        words=\"");
    put_command_names(out);
    cli_puts(out, "--man --completions\"\n"
                  "        [ \"$previous\" = --completions ] && words=\"bash zsh fish\"\n"
                  "    fi\n"
                  "    case ${COMP_WORDS[1]} in\n");
    for (const cli_command *c = cli_commands; c->name; c++)
        put_bash_command(out, c);
    cli_puts(out, "    esac\n"
                  "    case $word in -*) words=${words:-$options} ;; esac\n"
                  "    [ -n \"$words\" ] && COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                  "    return 0\n"
                  "}\n"
                  "complete -o bashdefault -o default -F _mote mote\n");
}

/* ---- zsh ------------------------------------------------------------------------------------ */

static void put_zsh_name(cli_out *out, const option *opt, const char *name)
{
    bool is_long = strncmp(name, "--", 2) == 0;
    cli_printf(out, "            '*%s%s[", name, opt->kind != FLAG && is_long ? "=" : "");
    put(out, opt->help, "[]:\\", "'\\''");
    cli_puts(out, "]");
    if (opt->kind == CHOICE) {
        cli_puts(out, ":value:(");
        put_choices(out, opt->value);
        cli_puts(out, ")");
    } else if (opt->kind != FLAG) {
        cli_printf(out, ":%s:%s", opt->value, wants_file(opt) ? "_files" : " ");
    }
    cli_puts(out, "' \\\n");
}

static void put_zsh(cli_out *out)
{
    cli_puts(out, "#compdef mote\n"
                  "# Completion of mote for zsh, made by mote help --completions zsh.\n"
                  "_mote() {\n"
                  "    local -a commands=(\n");
    for (const cli_command *c = cli_commands; c->name; c++) {
        cli_printf(out, "        '%s:", c->name);
        put(out, c->summary, "", "'\\''");
        cli_puts(out, "'\n");
    }
    cli_puts(out, "        'help:Lists the commands.'\n"
                  "    )\n"
                  "    if ((CURRENT == 2)); then\n"
                  "        _describe command commands\n"
                  "        return\n"
                  "    fi\n"
                  "    shift words\n"
                  "    ((CURRENT--))\n"
                  "    case $words[1] in\n"
                  "    help)\n"
                  "        _arguments '--man[the manual page]' \\\n"
                  "            '--completions[a script for a shell]:shell:(bash zsh fish)'\n"
                  "        ;;\n");
    for (const cli_command *c = cli_commands; c->name; c++) {
        cli_printf(out, "    %s)\n        _arguments \\\n", c->name);
        for (size_t i = 0; i < cli_n_options; i++) {
            const option *opt = &cli_options[i];
            if (cli_takes(c, opt) && opt->brief)
                put_zsh_name(out, opt, opt->brief);
            if (cli_takes(c, opt))
                put_zsh_name(out, opt, opt->name);
        }
        cli_puts(out, "            '*:file:_files'\n        ;;\n");
    }
    cli_puts(out,
             "    esac\n"
             "}\n"
             "if [ \"$funcstack[1]\" = _mote ]; then _mote \"$@\"; else compdef _mote mote; fi\n");
}

/* ---- fish ----------------------------------------------------------------------------------- */

static void put_fish_option(cli_out *out, const cli_command *c, const option *opt)
{
    cli_printf(out, "complete -c mote -n '__fish_seen_subcommand_from %s'", c->name);
    if (opt->brief)
        cli_printf(out, " %s %s", strlen(opt->brief) > 2 ? "-o" : "-s", opt->brief + 1);
    cli_printf(out, " -l %s", opt->name + 2);
    if (opt->kind == CHOICE) {
        cli_puts(out, " -x -a '");
        put_choices(out, opt->value);
        cli_puts(out, "'");
    } else if (opt->kind != FLAG) {
        cli_puts(out, wants_file(opt) ? " -r -F" : " -x");
    }
    cli_puts(out, " -d '");
    put(out, opt->help, "\\", "\\'");
    cli_puts(out, "'\n");
}

static void put_fish(cli_out *out)
{
    cli_puts(out, "# Completion of mote for fish, made by mote help --completions fish.\n");
    for (const cli_command *c = cli_commands; c->name; c++) {
        cli_printf(out, "complete -c mote -n __fish_use_subcommand -f -a %s -d '", c->name);
        put(out, c->summary, "\\", "\\'");
        cli_puts(out, "'\n");
        for (size_t i = 0; i < cli_n_options; i++)
            if (cli_takes(c, &cli_options[i]))
                put_fish_option(out, c, &cli_options[i]);
    }
    cli_puts(out, "complete -c mote -n __fish_use_subcommand -f -a help -d 'Lists the commands.'\n"
                  "complete -c mote -n '__fish_seen_subcommand_from help' -f -l man\n"
                  "complete -c mote -n '__fish_seen_subcommand_from help' -l completions -x "
                  "-a 'bash zsh fish'\n");
}

int cli_completions(const char *shell)
{
    static const struct {
        const char *name;
        void (*put)(cli_out *out);
    } shells[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};
    cli_out out = {.n = 0};
    for (size_t i = 0; shell && i < sizeof shells / sizeof *shells; i++)
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].put(&out);
            return cli_out_close(&out, 0);
        }
    return cli_error(EXIT_USAGE, "--completions", "wants the name of a shell: bash, zsh or fish");
}
