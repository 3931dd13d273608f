/* registry.c: the models that mote knows. data/models.jsonl is a part of the program; a line is an
 * object whose last member is the configuration as published, so sizes are not written there but
 * follow from it (draft.c). Read registry.h first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/json.h"
#include "cli/registry.h"

static const char lines[] =
#include "models.inc"
    ;

static const char config_key[] = "\"config\":";

static mote_text string_of(const mote_value *row, const char *key)
{
    const mote_value *v = cli_get(row, key);
    return v && v->kind == MOTE_VALUE_STRING ? v->as.string : (mote_text){0};
}

/* One line: the tree in memory, and where the configuration stands in the line. */
static bool read_line(cli_known *k, mote_value *row, const char *line, size_t n, char *memory,
                      size_t room)
{
    mote_error err;
    const char *config = strstr(line, config_key);
    if (!config || cli_json_parse(row, line, n, memory, room, &err))
        return false;
    const mote_value *parameters = cli_get(row, "parameters");
    config += strlen(config_key);
    *k = (cli_known){.row = row, .name = string_of(row, "name")};
    k->config = (mote_text){config, (size_t)(line + n - 1 - config)};
    snprintf(k->label, sizeof k->label, "%.*s", (int)k->name.bytes, k->name.ptr);
    k->parameters = parameters ? (uint64_t)parameters->as.integer : 0;
    return k->name.bytes != 0;
}

int cli_registry_open(cli_registry *r)
{
    size_t n = 0, at = 0, used = 0;
    for (const char *p = lines; (p = strchr(p, '\n')) != NULL; p++)
        n++;
    size_t rows_bytes = n * sizeof(mote_value), room = 24 * sizeof lines;
    *r =
        (cli_registry){.models = calloc(n, sizeof *r->models), .memory = malloc(rows_bytes + room)};
    mote_value *rows = r->memory;
    bool ok = r->models && rows;
    for (; ok && r->n < n; r->n++) {
        size_t bytes = strcspn(lines + at, "\n"), part = 24 * bytes;
        ok = read_line(&r->models[r->n], &rows[r->n], lines + at, bytes, (char *)(rows + n) + used,
                       part);
        at += bytes + 1;
        used += part;
    }
    if (ok)
        return 0;
    cli_registry_close(r);
    return cli_no_memory();
}

void cli_registry_close(cli_registry *r)
{
    free(r->models);
    free(r->memory);
    *r = (cli_registry){0};
}

static bool is(mote_text text, const char *name)
{
    return text.bytes == strlen(name) && strncasecmp(text.ptr, name, text.bytes) == 0;
}

static bool has(const mote_value *list, const char *name)
{
    for (size_t i = 0; list && list->kind == MOTE_VALUE_LIST && i < list->as.list.n; i++)
        if (list->as.list.items[i].kind == MOTE_VALUE_STRING &&
            is(list->as.list.items[i].as.string, name))
            return true;
    return false;
}

const cli_known *cli_registry_find(const cli_registry *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++) {
        const cli_known *k = &r->models[i];
        if (is(k->name, name) || is(string_of(k->row, "hub"), name) ||
            has(cli_get(k->row, "aliases"), name))
            return k;
    }
    return NULL;
}

bool cli_known_can(const cli_known *k, const char *capability)
{
    return has(cli_get(k->row, "capabilities"), capability);
}

const char *cli_size_class(uint64_t parameters)
{
    return parameters <= 50000000    ? "tiny"
           : parameters <= 200000000 ? "small"
           : parameters <= 500000000 ? "medium"
                                     : "large";
}

void cli_capabilities(const cli_known *k, char text[120])
{
    const mote_value *can = k ? cli_get(k->row, "capabilities") : NULL;
    size_t n = 0;
    text[0] = 0;
    for (size_t i = 0; can && can->kind == MOTE_VALUE_LIST && i < can->as.list.n && n < 100; i++) {
        mote_text t = can->as.list.items[i].as.string;
        n += (size_t)snprintf(text + n, 120 - n, "%s%.*s", n ? " " : "", (int)t.bytes, t.ptr);
    }
}

bool cli_contains(mote_text text, const char *part)
{
    size_t n = strlen(part);
    for (size_t i = 0; i + n <= text.bytes; i++)
        if (strncasecmp(text.ptr + i, part, n) == 0)
            return true;
    return false;
}

/* A name that is near to a known one is told. */
static bool refuse_near(const cli_registry *r, const char *name, int *code)
{
    const char **names = calloc(r->n + 1, sizeof *names);
    for (size_t i = 0; names && i < r->n; i++)
        names[i] = r->models[i].label;
    const char *near = names ? cli_nearest(name, names) : NULL;
    free(names);
    if (near)
        *code = cli_error(MOTE_ERR_IO, name,
                          "there is no such file, nor a known model; the nearest is %s", near);
    return near != NULL;
}

bool cli_plan_known(const cli_opts *o, int *code)
{
    cli_registry r;
    *code = cli_registry_open(&r);
    if (*code)
        return true;
    const cli_known *k = cli_registry_find(&r, o->model);
    if (k)
        *code = cli_plan_source(o, k->label, k->config);
    bool told = k || refuse_near(&r, cli_base_name(o->model), code);
    cli_registry_close(&r);
    return told;
}
