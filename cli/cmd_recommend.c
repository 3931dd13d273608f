/* cmd_recommend.c: which of the known models fit this machine, and how fast they would be. Sizes
 * are the converter's own (draft.c), the speed follows from the bytes that a token reads and from
 * what was measured of this machine (machine.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/machine.h"
#include "cli/registry.h"

enum { MAX_OFFERS = 12, FIRST_TYPE = 2 /* q8 */, LAST_TYPE = 3 /* q4 */ };
static const double least_bits[] = {8.25, 4.25};

typedef struct offer {
    const cli_known *known;
    const char *type;
    uint64_t file_bytes, need_bytes, read_bytes;
    double tokens_per_second;
} offer;

typedef struct choice {
    const cli_opts *o;
    uint64_t limit;
    cli_speed speed;
    offer *offers;
    size_t n;
    bool needs_speed; /* what it is for is read while it comes */
} choice;

static double predicted(const choice *c, const cli_type_plan *t, uint32_t n_ctx)
{
    double kv = (double)t->sessions[0].kv_bytes / n_ctx * CLI_PREDICT_POSITIONS;
    return cli_predict(&c->speed, t->name, t->model.n_layers,
                       (double)t->model.decode_read_bytes + kv);
}

/* Takes the type it was asked at if that fits and is fluent. */
static bool consider(choice *c, const cli_known *k, const cli_source_plan *p)
{
    const cli_type_plan *t = &p->types[p->first];
    const mote_session_plan *s = p->n_contexts ? &t->sessions[0] : &(mote_session_plan){0};
    offer f = {.known = k,
               .type = t->name,
               .file_bytes = t->file_bytes,
               .need_bytes = t->file_bytes + s->total_bytes,
               .read_bytes = t->model.decode_read_bytes};
    f.tokens_per_second = p->n_contexts ? predicted(c, t, p->contexts[0]) : 0;
    if (f.need_bytes > c->limit || (p->n_contexts && f.tokens_per_second < CLI_FLUENT))
        return false;
    c->offers[c->n++] = f;
    return true;
}

/* Could it fit and be fluent? The smallest file that it could be, without the converter, which
 * would have to lay it out; of experts a token reads a few only, of an embedding that is not the
 * head too one row, and so at least two thirds. */
static bool may_do(const choice *c, const cli_known *k, size_t type)
{
    double bytes = (double)k->parameters * least_bits[type - FIRST_TYPE] / 8;
    double rate = type == FIRST_TYPE ? c->speed.q8_bytes : c->speed.q4_bytes;
    bool reads_all = !cli_contains(k->config, "experts") && c->needs_speed;
    return bytes <= (double)c->limit && (!reads_all || rate / bytes * 1.5 >= CLI_FLUENT);
}

/* A model at q8 if it can be, else at q4. */
static int ask(choice *c, const cli_known *k)
{
    cli_opts own = *c->o;
    own.quiet = true;
    own.n_ctx = own.n_ctx ? own.n_ctx : 4096;
    own.threads = c->speed.n_threads; /* not to be counted for each session */
    for (size_t type = FIRST_TYPE; type <= LAST_TYPE; type++) {
        cli_source_plan p = {
            .o = &own, .source = k->label, .config = k->config, .first = type, .end = type + 1};
        if (!may_do(c, k, type))
            continue;
        int code = cli_draft_plan(&p);
        if (code || consider(c, k, &p))
            return code;
    }
    return 0;
}

static int larger_first(const void *a, const void *b)
{
    const cli_known *x = a, *y = b;
    return (x->parameters < y->parameters) - (x->parameters > y->parameters);
}

static void print_people(cli_out *out, const choice *c)
{
    char size[2][32];
    cli_printf(out, "%s of memory, %s read a second; context %lld\n", cli_size(size[0], c->limit),
               cli_size(size[1], (uint64_t)c->speed.read_bytes),
               c->o->n_ctx ? (long long)c->o->n_ctx : 4096LL);
    for (size_t i = 0; i < c->n; i++) {
        const offer *f = &c->offers[i];
        cli_printf(out, "%-42.*s %-4s %9s needed", (int)f->known->name.bytes, f->known->name.ptr,
                   f->type, cli_size(size[0], f->need_bytes));
        if (f->tokens_per_second > 0)
            cli_printf(out, "  about %.0f tokens/s", f->tokens_per_second);
        cli_puts(out, "\n");
    }
    if (!c->n)
        cli_puts(out, "none of the known models fits\n");
}

static void print_json(cli_out *out, const choice *c)
{
    cli_json_open(out, '{');
    cli_json_uint(out, "memory_limit", c->limit);
    cli_json_real(out, "read_bytes_per_second", c->speed.read_bytes);
    cli_json_uint(out, "threads", c->speed.n_threads);
    cli_json_key(out, "models");
    cli_json_open(out, '[');
    for (size_t i = 0; i < c->n; i++) {
        const offer *f = &c->offers[i];
        cli_json_open(out, '{');
        cli_json_key(out, "name");
        cli_json_string(out, f->known->name.ptr, f->known->name.bytes);
        cli_json_text(out, "type", f->type);
        cli_json_uint(out, "parameters", f->known->parameters);
        cli_json_uint(out, "file_bytes", f->file_bytes);
        cli_json_uint(out, "need_bytes", f->need_bytes);
        cli_json_uint(out, "decode_read_bytes", f->read_bytes);
        if (f->tokens_per_second > 0)
            cli_json_real(out, "tokens_per_second", f->tokens_per_second);
        cli_json_close(out, '}');
    }
    cli_json_close(out, ']');
    cli_json_close(out, '}');
    cli_json_end_line(out);
}

int cmd_recommend(const cli_opts *o)
{
    cli_registry r;
    cli_out out = {.n = 0};
    choice c = {.o = o};
    int code = cli_registry_open(&r);
    if (code)
        return code;
    c.limit = cli_memory_for(o);
    c.needs_speed = strcmp(o->purpose, "chat") == 0 || strcmp(o->purpose, "code") == 0;
    c.offers = calloc(MAX_OFFERS, sizeof *c.offers);
    code = c.offers ? cli_speed_get(&c.speed, (uint32_t)o->threads) : cli_no_memory();
    qsort(r.models, r.n, sizeof *r.models, larger_first);
    for (size_t i = 0; !code && i < r.n && c.n < MAX_OFFERS; i++)
        if (cli_known_can(&r.models[i], o->purpose))
            code = ask(&c, &r.models[i]);
    if (!code && o->json)
        print_json(&out, &c);
    else if (!code)
        print_people(&out, &c);
    free(c.offers);
    cli_registry_close(&r);
    return cli_out_close(&out, code);
}
