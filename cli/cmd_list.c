/* cmd_list.c: the models at hand (the .mote files of a folder) and those that mote knows. */
#define _GNU_SOURCE
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/registry.h"

typedef struct listing {
    const cli_opts *o;
    cli_out out;
    char folder[400];
    size_t n_shown;
} listing;

/* Is it wanted? capable: NULL when nobody knows what it can do. */
static bool wanted(const listing *l, mote_text name, uint64_t parameters, const cli_known *known)
{
    const cli_opts *o = l->o;
    if (o->search && !cli_contains(name, o->search))
        return false;
    if (o->size_class && strcmp(o->size_class, cli_size_class(parameters)) != 0)
        return false;
    return !o->capability || (known && cli_known_can(known, o->capability));
}

static void print_row(listing *l, mote_text name, uint64_t parameters, const char *where,
                      const char *more)
{
    bool large = parameters >= 1000000000;
    cli_printf(&l->out, "%-46.*s %7.4g %s  %-6s  %-6s  %s\n", (int)name.bytes, name.ptr,
               (double)parameters / (large ? 1e9 : 1e6), large ? "B" : "M",
               cli_size_class(parameters), where, more);
    l->n_shown++;
}

/* ---- at hand -------------------------------------------------------------------------------- */

static void json_local(listing *l, const cli_engine *e, const mote_model_info *m, const char *path)
{
    cli_json_open(&l->out, '{');
    cli_json_text(&l->out, "file", path);
    cli_json_uint(&l->out, "bytes", e->file.bytes);
    cli_json_text(&l->out, "type", e->info.weight_type);
    cli_json_uint(&l->out, "parameters", m->n_parameters);
    cli_json_text(&l->out, "size", cli_size_class(m->n_parameters));
    cli_json_uint(&l->out, "n_ctx", e->info.n_ctx);
    cli_json_close(&l->out, '}');
}

/* A file that is none is left out without a word: this is a list of what can be used. */
static void show_local(listing *l, const cli_registry *r, const char *file)
{
    char path[700], more[80], size[32];
    cli_engine e = {.o = l->o};
    mote_error err;
    mote_model_info m = {0};
    snprintf(path, sizeof path, "%s/%s", l->folder, file);
    if (mote_file_map(&e.file, path, &err))
        return;
    size_t bytes = 0;
    void *memory = NULL;
    if (!mote_image_open(&e.image, e.file.base, e.file.bytes, &err)) {
        mote_image_get_info(&e.image, &e.info);
        bytes = e.info.n_layers ? mote_model_bytes(&e.image, &err) : 0;
    }
    if (bytes && (memory = mote_host_alloc(bytes)) != NULL &&
        !mote_model_init(&e.model, memory, bytes, &e.image, NULL, &err)) {
        mote_text name = mote_image_text(&e.image, MOTE_IMAGE_NAME);
        char text[200];
        mote_model_get_info(e.model, &m);
        snprintf(text, sizeof text, "%.*s", (int)name.bytes, name.ptr);
        if (wanted(l, (mote_text){file, strlen(file)}, m.n_parameters,
                   cli_registry_find(r, text))) {
            snprintf(more, sizeof more, "%s, %s", e.info.weight_type ? e.info.weight_type : "?",
                     cli_size(size, e.file.bytes));
            if (l->o->json)
                json_local(l, &e, &m, path);
            else
                print_row(l, (mote_text){file, strlen(file)}, m.n_parameters, "file", more);
        }
    }
    mote_host_free(memory);
    mote_file_unmap(&e.file);
}

static int is_mote(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 5 && strcmp(d->d_name + n - 5, ".mote") == 0;
}

static void show_folder(listing *l, const cli_registry *r)
{
    struct dirent **files = NULL;
    int n = scandir(l->folder, &files, is_mote, alphasort);
    for (int i = 0; i < n; i++) {
        show_local(l, r, files[i]->d_name);
        free(files[i]);
    }
    free(files);
}

/* ---- known ---------------------------------------------------------------------------------- */

static void json_value(cli_out *out, const char *key, const mote_value *v)
{
    if (!v)
        return;
    cli_json_key(out, key);
    if (v->kind == MOTE_VALUE_STRING) {
        cli_json_string(out, v->as.string.ptr, v->as.string.bytes);
        return;
    }
    cli_json_open(out, '[');
    for (size_t i = 0; v->kind == MOTE_VALUE_LIST && i < v->as.list.n; i++)
        cli_json_string(out, v->as.list.items[i].as.string.ptr,
                        v->as.list.items[i].as.string.bytes);
    cli_json_close(out, ']');
}

static void show_known(listing *l, const cli_known *k)
{
    static const char *const keys[] = {"name", "hub", "aliases", "licence", "capabilities"};
    char more[200] = "";
    const mote_value *can = cli_get(k->row, "capabilities");
    if (!wanted(l, k->name, k->parameters, k))
        return;
    if (!l->o->json) {
        for (size_t i = 0, n = 0; can && i < can->as.list.n && n < sizeof more; i++) {
            mote_text t = can->as.list.items[i].as.string;
            n += (size_t)snprintf(more + n, sizeof more - n, "%s%.*s", n ? " " : "", (int)t.bytes,
                                  t.ptr);
        }
        print_row(l, k->name, k->parameters, "known", more);
        return;
    }
    cli_json_open(&l->out, '{');
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        json_value(&l->out, keys[i], cli_get(k->row, keys[i]));
    cli_json_uint(&l->out, "parameters", k->parameters);
    cli_json_text(&l->out, "size", cli_size_class(k->parameters));
    cli_json_close(&l->out, '}');
}

int cmd_list(const cli_opts *o)
{
    listing l = {.o = o};
    cli_registry r;
    int code = cli_registry_open(&r);
    if (code)
        return code;
    if (o->json) {
        cli_json_open(&l.out, '{');
        cli_json_key(&l.out, "local");
        cli_json_open(&l.out, '[');
    }
    if (cli_models_folder(l.folder, sizeof l.folder))
        show_folder(&l, &r);
    if (o->json) {
        cli_json_close(&l.out, ']');
        cli_json_key(&l.out, "known");
        cli_json_open(&l.out, '[');
    }
    for (size_t i = 0; i < r.n; i++)
        show_known(&l, &r.models[i]);
    if (o->json) {
        cli_json_close(&l.out, ']');
        cli_json_close(&l.out, '}');
        cli_json_end_line(&l.out);
    } else if (!l.n_shown) {
        cli_note(o, "no model is like that; mote list shows all");
    }
    cli_registry_close(&r);
    return cli_out_close(&l.out, 0);
}
