/* lines.c: JSON lines: one object in, one out, in order. A bad line gives {"error": ...} and the
 * work goes on. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/json.h"

#define MAX_LINE ((size_t)1 << 28)
#define MAX_MEMORY ((size_t)1 << 32)

typedef struct lines {
    cli_out *out;
    cli_row_fn *row;
    cli_flush_fn *flush; /* NULL: row answers at once */
    void *user;
    char *input;                   /* [cap] */
    size_t cap, n, taken, scanned; /* scanned: no line ends before */
    void *memory;                  /* of the values of a line */
    size_t memory_bytes;
    bool ended;
} lines;

/* ---- values --------------------------------------------------------------------------------- */

const mote_value *cli_get(const mote_value *dict, const char *key)
{
    size_t n = strlen(key);
    if (dict->kind != MOTE_VALUE_DICT)
        return NULL;
    for (size_t i = 0; i < dict->as.dict.n; i++) {
        const mote_member *m = &dict->as.dict.members[i];
        if (m->key.bytes == n && memcmp(m->key.ptr, key, n) == 0)
            return &m->value;
    }
    return NULL;
}

bool cli_is_string(const mote_value *v, const char *text)
{
    return v && v->kind == MOTE_VALUE_STRING && v->as.string.bytes == strlen(text) &&
           memcmp(v->as.string.ptr, text, v->as.string.bytes) == 0;
}

static bool list_ids(const mote_value *list, cli_ids *out)
{
    *out = (cli_ids){0};
    if (!list || list->kind != MOTE_VALUE_LIST)
        return false;
    out->ids = malloc((list->as.list.n + 1) * sizeof *out->ids);
    for (size_t i = 0; out->ids && i < list->as.list.n; i++) {
        const mote_value *v = &list->as.list.items[i];
        if (v->kind != MOTE_VALUE_INT || v->as.integer < 0 || v->as.integer > INT32_MAX) {
            free(out->ids);
            out->ids = NULL;
            return false;
        }
        out->ids[out->n++] = (int32_t)v->as.integer;
    }
    return out->ids != NULL;
}

bool cli_get_ids(const mote_value *dict, const char *key, cli_ids *out)
{
    return list_ids(cli_get(dict, key), out);
}

bool cli_get_number(const mote_value *dict, const char *key, double min, double max, double *out,
                    char error[400])
{
    const mote_value *v = cli_get(dict, key);
    double x = *out;
    if (!v || v->kind == MOTE_VALUE_NONE)
        return true;
    if (v->kind == MOTE_VALUE_INT)
        x = (double)v->as.integer;
    else if (v->kind == MOTE_VALUE_FLOAT)
        x = v->as.number;
    if ((v->kind != MOTE_VALUE_INT && v->kind != MOTE_VALUE_FLOAT) || !(x >= min && x <= max)) {
        snprintf(error, 400, "%s: wanted a number from %g to %g", key, min, max);
        return false;
    }
    *out = x;
    return true;
}

/* ---- one line ------------------------------------------------------------------------------- */

/* Parses into memory that grows until it is enough. */
static mote_status parse(lines *l, mote_value *value, const char *text, size_t bytes,
                         mote_error *err)
{
    size_t want = (bytes + 64) * 8;
    for (;;) {
        if (l->memory_bytes < want) {
            free(l->memory);
            l->memory = malloc(want);
            l->memory_bytes = l->memory ? want : 0;
        }
        if (!l->memory) {
            *err = (mote_error){.status = MOTE_ERR_MEMORY, .what = "out of memory"};
            return MOTE_ERR_MEMORY;
        }
        mote_status s = cli_json_parse(value, text, bytes, l->memory, l->memory_bytes, err);
        if (s != MOTE_ERR_MEMORY || want > MAX_MEMORY)
            return s;
        want = l->memory_bytes * 4;
    }
}

static void answer(lines *l, const char *text, size_t bytes)
{
    char error[400] = "";
    mote_value value;
    mote_error err;
    bool ok = false;
    if (parse(l, &value, text, bytes, &err))
        cli_error_text(error, sizeof error, &err);
    else if (value.kind != MOTE_VALUE_DICT)
        strcpy(error, "the line is no JSON object");
    else
        ok = l->row(l->user, &value, l->out, error);
    if (ok && !l->flush)
        cli_json_end_line(l->out);
    if (ok)
        return;
    if (l->flush)
        l->flush(l->user, l->out);
    cli_json_error(l->out, error);
}

/* ---- all lines ------------------------------------------------------------------------------ */

/* More input behind what is there; an exit code if there can be none. */
static int read_more(lines *l)
{
    if (l->taken)
        memmove(l->input, l->input + l->taken, l->n - l->taken);
    l->n -= l->taken;
    l->scanned -= l->taken;
    l->taken = 0;
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 1 << 16;
        char *more = cap > MAX_LINE ? NULL : realloc(l->input, cap);
        if (!more)
            return cli_error(MOTE_ERR_MEMORY, "stdin", "a line is too long");
        l->input = more;
        l->cap = cap;
    }
    ssize_t k = cli_read(STDIN_FILENO, l->input + l->n, l->cap - l->n);
    if (k < 0 && errno == EINTR)
        return cli_interrupted();
    if (k < 0)
        return cli_error(MOTE_ERR_IO, "stdin", "%s", strerror(errno));
    l->n += (size_t)k;
    l->ended = k == 0;
    return 0;
}

static bool is_blank(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (!strchr(" \t\r", text[i]) || !text[i])
            return false;
    return true;
}

/* Answers the lines that are complete, the last one at the end too. */
static void answer_input(lines *l)
{
    while (l->taken < l->n && !cli_interrupted() && !l->out->failed) {
        const char *text = l->input + l->taken;
        const char *end = memchr(l->input + l->scanned, '\n', l->n - l->scanned);
        l->scanned = end ? (size_t)(end - l->input) + 1 : l->n;
        if (!end && !l->ended)
            return;
        size_t bytes = end ? (size_t)(end - text) : l->n - l->taken;
        l->taken += bytes + (end != NULL);
        if (!is_blank(text, bytes))
            answer(l, text, bytes);
        if (!l->flush)
            cli_flush(l->out);
    }
}

int cli_lines_queued(cli_out *out, cli_row_fn *row, cli_flush_fn *flush, void *user)
{
    lines l = {.out = out, .row = row, .flush = flush, .user = user};
    int code = 0;
    while (!code && !l.ended && !out->failed) {
        code = cli_interrupted() ? cli_interrupted() : read_more(&l);
        if (!code)
            answer_input(&l);
        if (flush) {
            flush(user, out);
            cli_flush(out);
        }
    }
    free(l.input);
    free(l.memory);
    return code ? code : cli_interrupted();
}

int cli_lines(cli_out *out, cli_row_fn *row, void *user)
{
    return cli_lines_queued(out, row, NULL, user);
}

bool cli_parse_ids(cli_ids *out, const cli_text *text)
{
    lines l = {.n = 0};
    mote_value value;
    mote_error err;
    bool ok = !parse(&l, &value, text->ptr, text->bytes, &err) &&
              list_ids(value.kind == MOTE_VALUE_DICT ? cli_get(&value, "ids") : &value, out);
    free(l.memory);
    return ok;
}
