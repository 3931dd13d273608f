/* cmd_convert.c: the converter on the command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#if MOTE_CONVERT

#include "cli/measure.h"

typedef struct conversion {
    const cli_opts *o;
    cli_progress progress;
    cli_reference reference;
    int code; /* of what failed and was told below */
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

static mote_status gather(void *user, mote_calibration *calibration)
{
    conversion *c = user;
    cli_progress_end(&c->progress);
    c->code = cli_reference_gather(&c->reference, calibration);
    return c->code ? MOTE_CANCELLED : MOTE_OK;
}

static mote_status measure(void *user, const char *path, char card[MOTE_CONVERT_CARD_BYTES])
{
    conversion *c = user;
    cli_progress_end(&c->progress);
    c->code = cli_reference_card(&c->reference, path, card);
    return c->code ? MOTE_CANCELLED : MOTE_OK;
}

/* A text that is to be read much later should be there. */
static int check_text(const char *option, const char *path)
{
    cli_text text;
    int code = path ? cli_read_text(&text, path) : 0;
    if (!code && path && !text.bytes)
        code = cli_error(EXIT_USAGE, path, "is empty; %s wants a text", option);
    if (path)
        free(text.ptr);
    return code;
}

static int check(const cli_opts *o)
{
    mote_convert_type type = type_of(o->type);
    if (cli_is_builtin(o->model))
        return cli_error(MOTE_ERR_UNSUPPORTED, o->model, "is built in, and converted already");
    if (!o->output)
        return cli_error(EXIT_USAGE, "-o", "names no file: mote convert %s -o FILE", o->model);
    if ((o->calibrate || o->card) && o->tokenizer_only)
        return cli_error(EXIT_USAGE, o->calibrate ? "--calibrate" : "--card",
                         "a tokenizer has no weights");
    if (o->calibrate && type != MOTE_CONVERT_Q4)
        return cli_error(EXIT_USAGE, "--calibrate", "is for --type q4");
    if (o->card && type != MOTE_CONVERT_Q4 && type != MOTE_CONVERT_Q8)
        return cli_error(EXIT_USAGE, "--card", "is for --type q4 and q8");
    int code = check_text("--calibrate", o->calibrate);
    return code ? code : check_text("--card", o->card);
}

static int convert(conversion *c, const mote_convert_opts *co)
{
    mote_convert_error err;
    int code = co->gather || co->card ? cli_reference_open(&c->reference, co, c->o) : 0;
    if (code)
        return code;
    mote_status s = mote_convert(co, &err);
    cli_progress_end(&c->progress);
    cli_reference_close(&c->reference);
    if (s == MOTE_CANCELLED)
        return c->code ? c->code : cli_interrupted() ? cli_interrupted() : EXIT_INTERRUPTED;
    return s ? cli_error((int)s, NULL, "%s", err.text) : 0;
}

int cmd_convert(const cli_opts *o)
{
    conversion c = {.o = o};
    double start = cli_seconds();
    int code = check(o);
    if (code)
        return code;
    mote_convert_opts co = {.source = o->model,
                            .output = o->output,
                            .vocab = o->vocab,
                            .type = type_of(o->type),
                            .force = o->force,
                            .tokenizer_only = o->tokenizer_only,
                            .progress = show_progress,
                            .note = show_note,
                            .cancel = cli_cancel,
                            .gather = o->calibrate ? gather : NULL,
                            .card = o->card ? measure : NULL,
                            .blas = o->blas,
                            .user = &c};
    cli_catch_signals();
    cli_progress_start(&c.progress, o, "convert");
    code = convert(&c, &co);
    cli_progress_end(&c.progress);
    if (!code)
        report(o, cli_seconds() - start);
    return code;
}

#else

int cmd_convert(const cli_opts *o)
{
    return cli_error(MOTE_ERR_UNSUPPORTED, o->model, CLI_NO_CONVERTER);
}

#endif
