/* options.h: the table of options, for what tells people about it: parsing and help (options.c),
 * the manual (manual.c), completions for shells (completions.c). Read cli.h first. */
#ifndef MOTE_CLI_OPTIONS_H
#define MOTE_CLI_OPTIONS_H

#include "cli/cli.h"

typedef enum option_kind {
    FLAG,   /* bool */
    WHOLE,  /* int64_t in [min, max] */
    REAL,   /* double in [min, max] */
    SIZE,   /* double, megabytes: 500, 500M, 2G */
    TEXT,   /* const char * */
    CHOICE, /* const char *, one of `value`, separated by | */
    STOP,   /* adds to stops */
    BIAS,   /* ID+V or ID-V: adds to biases */
    SET     /* adds to sets */
} option_kind;

typedef struct option {
    const char *brief, *name; /* "-n" or NULL, "--n-predict" */
    option_kind kind;
    unsigned groups;
    size_t at; /* in cli_opts */
    double min, max;
    const char *initial; /* value without the option; NULL: 0, false, NULL */
    const char *value, *help;
} option;

extern const option cli_options[];
extern const size_t cli_n_options;

bool cli_takes(const cli_command *command, const option *opt);
/* Does the command use the built-in model when none is named? Not in a program without one. */
bool cli_takes_builtin(const cli_command *command);

/* The manual page mote(1) on stdout, as roff. An exit code, as below. */
int cli_manual(void);
/* A script for bash, zsh or fish on stdout; shell may be NULL. */
int cli_completions(const char *shell);

#endif
