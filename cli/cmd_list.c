/* cmd_list.c: the models at hand, what could be converted, and those that mote knows. */
#include <stdio.h>
#include <string.h>

#include "cli/at_hand.h"
#include "cli/registry.h"

typedef struct listing {
    const cli_opts *o;
    cli_out out;
    cli_places places;
    size_t n_shown;
} listing;

/* known: NULL when nobody knows what it can do. */
static bool can(const listing *l, const cli_known *known)
{
    return !l->o->capability || (known && cli_known_can(known, l->o->capability));
}

/* Is it wanted? able: it can do what was asked for. */
static bool wanted(const listing *l, mote_text name, uint64_t parameters, bool able)
{
    const cli_opts *o = l->o;
    if (o->search && !cli_contains(name, o->search))
        return false;
    if (o->size_class && strcmp(o->size_class, cli_size_class(parameters)) != 0)
        return false;
    return able;
}

static void print_row(listing *l, mote_text name, uint64_t parameters, const char *where,
                      const char *more)
{
    bool large = parameters >= 1000000000;
    cli_printf(&l->out, "%-46.*s %7.4g %s  %-6s  %-8s  %s\n", (int)name.bytes, name.ptr,
               (double)parameters / (large ? 1e9 : 1e6), large ? "B" : "M",
               cli_size_class(parameters), where, more);
    l->n_shown++;
}

/* ---- at hand -------------------------------------------------------------------------------- */

static void json_local(listing *l, const cli_engine *e, const mote_model_info *m, const char *path)
{
    cli_json_open(&l->out, '{');
    cli_json_text(&l->out, cli_is_builtin(path) ? "name" : "file", path);
    cli_json_uint(&l->out, "bytes", e->file.bytes);
    cli_json_text(&l->out, "type", e->info.weight_type);
    cli_json_uint(&l->out, "parameters", m->n_parameters);
    cli_json_text(&l->out, "size", cli_size_class(m->n_parameters));
    cli_json_uint(&l->out, "n_ctx", e->info.n_ctx);
    cli_json_close(&l->out, '}');
}

/* Can the model in this file, or the built-in one, do what is asked for? */
static bool local_can(const listing *l, const cli_registry *r, const cli_engine *e,
                      const char *path)
{
    if (cli_is_builtin(path)) /* in no registry */
        return !l->o->capability || strcmp(l->o->capability, "text") == 0;
    char text[200];
    mote_text name = mote_image_text(&e->image, MOTE_IMAGE_NAME);
    snprintf(text, sizeof text, "%.*s", (int)name.bytes, name.ptr);
    return can(l, cli_registry_find(r, text));
}

/* A file that is none is left out without a word: this is a list of what can be used. */
static void show_local(listing *l, const cli_registry *r, const char *shown_name, const char *path)
{
    char more[80], size[32];
    cli_engine e;
    mote_model_info m;
    if (!cli_peek(&e, l->o, path))
        return;
    mote_text shown = {shown_name, strlen(shown_name)};
    mote_model_get_info(e.model, &m);
    snprintf(more, sizeof more, "%s, %s", e.info.weight_type ? e.info.weight_type : "?",
             cli_size(size, e.file.bytes));
    bool is_wanted = wanted(l, shown, m.n_parameters, local_can(l, r, &e, path));
    if (is_wanted && l->o->json)
        json_local(l, &e, &m, path);
    else if (is_wanted)
        print_row(l, shown, m.n_parameters, cli_is_builtin(path) ? "built-in" : "file", more);
    cli_engine_close(&e);
}

static bool is_mote(const cli_place *p) { return cli_ends_with(p->name, ".mote"); }

static void show_files(listing *l, const cli_registry *r)
{
    for (size_t i = 0; i < l->places.n; i++)
        if (l->places.at[i].store == CLI_STORE_MODELS && is_mote(&l->places.at[i]))
            show_local(l, r, l->places.at[i].name, l->places.at[i].path);
}

/* What others have downloaded: mote convert NAME makes a file of it. */
static void show_source(listing *l, const cli_registry *r, const cli_place *p)
{
    const cli_known *known = cli_registry_find(r, p->name);
    char size[32];
    bool filtered = l->o->size_class || l->o->capability;
    if ((filtered && !known) || !wanted(l, (mote_text){p->name, strlen(p->name)},
                                        known ? known->parameters : 0, can(l, known)))
        return;
    if (!l->o->json) {
        cli_printf(&l->out, "%-46s %9s  %-6s  %-8s  mote convert %s\n", p->name, "",
                   known ? cli_size_class(known->parameters) : "", cli_store_names[p->store],
                   cli_size(size, p->bytes));
        l->n_shown++;
        return;
    }
    cli_json_open(&l->out, '{');
    cli_json_text(&l->out, "name", p->name);
    cli_json_text(&l->out, "store", cli_store_names[p->store]);
    cli_json_text(&l->out, "path", p->path);
    cli_json_uint(&l->out, "bytes", p->bytes);
    cli_json_text(&l->out, "known_as", known ? known->label : NULL);
    cli_json_close(&l->out, '}');
}

static void show_sources(listing *l, const cli_registry *r)
{
    for (size_t i = 0; i < l->places.n; i++)
        if (!is_mote(&l->places.at[i]))
            show_source(l, r, &l->places.at[i]);
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
    char more[120];
    if (!wanted(l, k->name, k->parameters, can(l, k)))
        return;
    if (!l->o->json) {
        cli_capabilities(k, more);
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

/* A member of the answer that is a list. */
static void begin_list(listing *l, const char *key)
{
    if (!l->o->json)
        return;
    cli_json_key(&l->out, key);
    cli_json_open(&l->out, '[');
}

static void end_list(listing *l)
{
    if (l->o->json)
        cli_json_close(&l->out, ']');
}

static void show_all(listing *l, const cli_registry *r)
{
    if (l->o->json)
        cli_json_open(&l->out, '{');
    begin_list(l, "local");
    show_files(l, r);
    end_list(l);
    begin_list(l, "built_in");
    if (cli_builtin().base)
        show_local(l, r, cli_builtin_name, cli_builtin_name);
    end_list(l);
    begin_list(l, "sources");
    show_sources(l, r);
    end_list(l);
    begin_list(l, "known");
    for (size_t i = 0; i < r->n; i++)
        show_known(l, &r->models[i]);
    end_list(l);
    if (l->o->json) {
        cli_json_close(&l->out, '}');
        cli_json_end_line(&l->out);
    } else if (!l->n_shown) {
        cli_note(l->o, "no model is like that; mote list shows all");
    }
}

int cmd_list(const cli_opts *o)
{
    listing l = {.o = o};
    cli_registry r;
    int code = cli_registry_open(&r);
    if (code)
        return code;
    code = cli_places_open(&l.places);
    if (!code)
        show_all(&l, &r);
    cli_places_close(&l.places);
    cli_registry_close(&r);
    return cli_out_close(&l.out, code);
}
