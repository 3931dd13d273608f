/* cmd_convert.c: the converter on the command line. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#if MOTE_CONVERT

#include "tools/convert/convert.h"

typedef struct conversion {
    const cli_opts *o;
    cli_progress progress;
} conversion;

static void show_progress(void *user, const char *what, uint64_t done, uint64_t total)
{
    conversion *c = user;
    (void)what;
    cli_progress_show(&c->progress, done, total);
}

static void show_note(void *user, const char *text)
{
    conversion *c = user;
    cli_progress_end(&c->progress);
    cli_note(c->o, "mote: note: %s", text);
}

static bool is_cancelled(void *user)
{
    (void)user;
    return cli_interrupted() != 0;
}

static mote_convert_type type_of(const char *name)
{
    static const char *const names[] = {"f32", "bf16", "f16", "q8", "q4", "keep"};
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return (mote_convert_type)(MOTE_CONVERT_F32 + i);
    return MOTE_CONVERT_AUTO;
}

/* The file is complete: what goes wrong in telling its size is no failure. */
static void report(const cli_opts *o, double seconds)
{
    mote_file f;
    mote_error err;
    char size[32];
    if (mote_file_map(&f, o->output, &err))
        return;
    cli_note(o, "%s: %s in %.1f s", o->output, cli_size(size, f.bytes), seconds);
    mote_file_unmap(&f);
}

int cmd_convert(const cli_opts *o)
{
    conversion c = {.o = o};
    mote_convert_error err;
    double start = cli_seconds();
    if (!o->output)
        return cli_error(EXIT_USAGE, "-o", "names no file: mote convert %s -o FILE", o->model);
    mote_convert_opts co = {.source = o->model,
                            .output = o->output,
                            .vocab = o->vocab,
                            .type = type_of(o->type),
                            .force = o->force,
                            .tokenizer_only = o->tokenizer_only,
                            .progress = show_progress,
                            .note = show_note,
                            .cancel = is_cancelled,
                            .user = &c};
    cli_catch_signals();
    cli_progress_start(&c.progress, o, "convert");
    mote_status s = mote_convert(&co, &err);
    cli_progress_end(&c.progress);
    if (s == MOTE_CANCELLED)
        return cli_interrupted() ? cli_interrupted() : EXIT_INTERRUPTED;
    if (s)
        return cli_error((int)s, NULL, "%s", err.text);
    report(o, cli_seconds() - start);
    return 0;
}

#else

int cmd_convert(const cli_opts *o)
{
    return cli_error(MOTE_ERR_UNSUPPORTED, o->model, "this build of mote has no converter");
}

#endif
