/* draft.c: `mote plan` on what is no .mote file yet: a folder (its config.json is enough), a
 * config.json, a .gguf. The converter lays the file out without writing it, and the model and a
 * session are asked for their sizes as if it lay in memory. Read cmd_plan.c first.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/draft.h"

/* "a GGUF file", "a JSON text" or "a folder"; NULL: something else, perhaps a .mote file. */
static const char *kind_of(const char *path)
{
    struct stat st;
    mote_file f;
    mote_error err;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return "a folder";
    if (mote_file_map(&f, path, &err))
        return NULL;
    const char *kind = mote_file_kind(f.base, f.bytes);
    mote_file_unmap(&f);
    return kind && (strstr(kind, "GGUF") || strstr(kind, "JSON")) ? kind : NULL;
}

bool cli_is_source(const char *path) { return !cli_is_builtin(path) && kind_of(path) != NULL; }

#if MOTE_CONVERT

#include "tools/convert/convert.h"

/* -c, or 4096 and 32768; where positions are a table, as many as there are. */
static void choose_contexts(cli_source_plan *p, uint32_t most)
{
    const uint32_t usual[] = {4096, 32768};
    size_t n = p->o->n_ctx ? 1 : CLI_PLAN_CONTEXTS;
    p->n_contexts = 0;
    for (size_t i = 0; i < n && !p->is_encoder; i++) {
        uint32_t want = p->o->n_ctx ? (uint32_t)p->o->n_ctx : usual[i];
        p->contexts[p->n_contexts++] = want < most ? want : most;
        if (want >= most)
            break;
    }
}

static int ask_sessions(cli_source_plan *p, cli_type_plan *t, cli_engine *e)
{
    mote_error err;
    mote_session_opts so;
    mote_encoder_info x;
    mote_model_get_info(e->model, &t->model);
    mote_model_get_encoder(e->model, &x);
    p->is_encoder = x.pooling != MOTE_POOL_NONE;
    choose_contexts(p, e->info.n_ctx);
    for (size_t i = 0; i < p->n_contexts; i++) {
        int code = cli_session_options(e, p->contexts[i], 512, false, &so);
        if (code)
            return code;
        if (mote_session_plan_bytes(&t->sessions[i], e->model, &so, &err))
            return cli_fail(p->source, &err);
    }
    return 0;
}

/* Asks the draft's model; takes nothing over. */
static int ask(cli_source_plan *p, cli_type_plan *t, const mote_draft *d)
{
    cli_engine e;
    mote_file file;
    mote_error err;
    if (mote_file_pretend(&file, d->head, d->head_bytes, d->file_bytes, &err))
        return cli_fail(p->source, &err);
    int code = cli_engine_open_file(&e, p->o, &file, NEED_MODEL);
    if (code)
        return code;
    mote_text name = mote_image_text(&e.image, MOTE_IMAGE_NAME);
    mote_text family = mote_image_text(&e.image, MOTE_IMAGE_FAMILY);
    cli_escape(p->name, sizeof p->name, name.ptr, name.bytes);
    cli_escape(p->family, sizeof p->family, family.ptr, family.bytes);
    t->file_bytes = d->file_bytes;
    p->n_ctx = d->n_ctx;
    code = ask_sessions(p, t, &e);
    cli_engine_close(&e);
    return code;
}

static void show_note(void *user, const char *text)
{
    const cli_source_plan *p = user;
    cli_note(p->o, "mote: note: %s", text);
}

int cli_draft_plan(cli_source_plan *p)
{
    static const char *const names[CLI_PLAN_TYPES] = {"f32", "f16", "q8", "q4", "keep"};
    static const mote_convert_type types[CLI_PLAN_TYPES] = {
        MOTE_CONVERT_F32, MOTE_CONVERT_F16, MOTE_CONVERT_Q8, MOTE_CONVERT_Q4, MOTE_CONVERT_KEEP};
    const mote_convert_opts co = {
        .source = p->source, .config = p->config, .note = show_note, .user = p};
    const char *kind = p->config.ptr ? NULL : kind_of(p->source);
    mote_draft drafts[CLI_PLAN_TYPES];
    mote_convert_error err;
    uint32_t min_ctx = p->o->n_ctx ? (uint32_t)p->o->n_ctx : 32768;
    int code = 0;
    p->n_types = p->end                         ? p->end
                 : kind && strstr(kind, "GGUF") ? CLI_PLAN_TYPES
                                                : CLI_PLAN_TYPES - 1;
    mote_status s = mote_convert_draft(&co, min_ctx, types + p->first, p->n_types - p->first,
                                       drafts + p->first, &err);
    if (s)
        return cli_error((int)s, NULL, "%s", err.text);
    for (size_t i = p->first; i < p->n_types; i++) {
        p->types[i].name = names[i];
        if (!code)
            code = ask(p, &p->types[i], &drafts[i]);
        free(drafts[i].head);
    }
    return code;
}

/* ---- telling -------------------------------------------------------------------------------- */

static void print_bytes(cli_out *out, uint64_t bytes)
{
    char size[32];
    cli_printf(out, " %14" PRIu64 " %8s", bytes, cli_size(size, bytes));
}

static void print_people(cli_out *out, const cli_source_plan *p)
{
    const mote_model_info *m = &p->types[0].model;
    const cli_type_plan *last = &p->types[p->n_types - 1];
    bool large = m->n_parameters >= 1000000000;
    cli_printf(out, "%s: %s, %u layers, %.2f %s parameters, made for %u positions\n", p->name,
               p->family, m->n_layers, (double)m->n_parameters / (large ? 1e9 : 1e6),
               large ? "billion" : "million", p->n_ctx);
    cli_printf(out, "%-6s %23s %23s %23s\n", "type", "weights", "file", "read a token");
    for (size_t i = 0; i < p->n_types; i++) {
        const cli_type_plan *t = &p->types[i];
        cli_printf(out, "%-6s", t->name);
        print_bytes(out, t->model.weight_bytes);
        print_bytes(out, t->file_bytes);
        print_bytes(out, t->model.decode_read_bytes);
        cli_puts(out, "\n");
    }
    for (size_t i = 0; i < p->n_contexts; i++) {
        cli_printf(out, "context %u%s: keys and values %s", p->contexts[i],
                   p->contexts[i] > p->n_ctx ? ", more than it was made for" : "", p->o->kv);
        print_bytes(out, last->sessions[i].kv_bytes);
        cli_printf(out, ", whole session at %s", last->name);
        print_bytes(out, last->sessions[i].total_bytes);
        cli_puts(out, "\n");
    }
}

static void json_type(cli_out *out, const cli_source_plan *p, const cli_type_plan *t)
{
    cli_json_open(out, '{');
    cli_json_text(out, "type", t->name);
    cli_json_uint(out, "weight_bytes", t->model.weight_bytes);
    cli_json_uint(out, "file_bytes", t->file_bytes);
    cli_json_uint(out, "decode_read_bytes", t->model.decode_read_bytes);
    cli_json_key(out, "contexts");
    cli_json_open(out, '[');
    for (size_t i = 0; i < p->n_contexts; i++) {
        cli_json_open(out, '{');
        cli_json_uint(out, "n_ctx", p->contexts[i]);
        cli_json_uint(out, "kv_bytes", t->sessions[i].kv_bytes);
        cli_json_uint(out, "session_bytes", t->sessions[i].total_bytes);
        cli_json_close(out, '}');
    }
    cli_json_close(out, ']');
    cli_json_close(out, '}');
}

static void print_json(cli_out *out, const cli_source_plan *p)
{
    const mote_model_info *m = &p->types[0].model;
    cli_json_open(out, '{');
    cli_json_text(out, "name", p->name);
    cli_json_text(out, "family", p->family);
    cli_json_uint(out, "n_layers", m->n_layers);
    cli_json_uint(out, "n_ctx", p->n_ctx);
    cli_json_uint(out, "n_parameters", m->n_parameters);
    cli_json_uint(out, "n_experts", m->max_experts);
    cli_json_uint(out, "n_experts_used", m->max_experts_used);
    cli_json_text(out, "kv", p->o->kv);
    cli_json_key(out, "types");
    cli_json_open(out, '[');
    for (size_t i = 0; i < p->n_types; i++)
        json_type(out, p, &p->types[i]);
    cli_json_close(out, ']');
    cli_json_close(out, '}');
    cli_json_end_line(out);
}

int cli_plan_source(const cli_opts *o, const char *source, mote_text config)
{
    cli_source_plan p = {.o = o, .source = source, .config = config};
    cli_out out = {.n = 0};
    int code = cli_draft_plan(&p);
    if (!code && o->json)
        print_json(&out, &p);
    else if (!code)
        print_people(&out, &p);
    return cli_out_close(&out, code);
}

#else

int cli_draft_plan(cli_source_plan *p)
{
    return cli_error(MOTE_ERR_UNSUPPORTED, p->o->model, CLI_NO_CONVERTER);
}

int cli_plan_source(const cli_opts *o, const char *source, mote_text config)
{
    const char *kind = config.ptr ? "a known model, no file" : kind_of(o->model);
    (void)source;
    return cli_error(MOTE_ERR_UNSUPPORTED, o->model, "this is %s, and " CLI_NO_CONVERTER, kind);
}

#endif
