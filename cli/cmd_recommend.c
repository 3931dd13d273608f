/* cmd_recommend.c: which of the known models fit this machine, and how fast they would be. Sizes
 * are the converter's own (draft.c), the speed follows from the bytes that a token reads and from
 * the bandwidth that is measured here and now.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/probe.h"
#include "cli/draft.h"
#include "cli/registry.h"

/* Of the bandwidth of a plain read loop, decoding reaches this share; and each layer costs its
 * barriers whatever its size (docs/benchmarking.md). */
#define READ_SHARE 0.85
#define LAYER_SECONDS 25e-6
/* An answer is read as fast as this; a slower model is not fluent. */
#define FLUENT 8.0

enum { MAX_SHOWN = 12 };

typedef struct offer {
    const cli_known *known;
    const char *type;
    uint64_t file_bytes, need_bytes, read_bytes, rank;
    double tokens_per_second;
} offer;

typedef struct choice {
    const cli_opts *o;
    uint64_t limit;
    double read_bytes; /* a second */
    offer *offers;
    size_t n;
} choice;

static double predicted(const choice *c, const mote_model_info *m, uint64_t kv_bytes)
{
    double bytes = (double)m->decode_read_bytes + (double)kv_bytes / 8; /* an eighth in use */
    return 1 / (bytes / (c->read_bytes * READ_SHARE) + m->n_layers * LAYER_SECONDS);
}

/* A model at q8 if that fits and is fluent, else at q4. */
static void consider(choice *c, const cli_known *k, const cli_source_plan *p)
{
    for (size_t i = 2; i < 4; i++) {
        const cli_type_plan *t = &p->types[i];
        const mote_session_plan *s = p->n_contexts ? &t->sessions[0] : &(mote_session_plan){0};
        offer f = {.known = k,
                   .type = t->name,
                   .file_bytes = t->file_bytes,
                   .need_bytes = t->file_bytes + s->total_bytes,
                   .read_bytes = t->model.decode_read_bytes,
                   .rank = k->parameters};
        f.tokens_per_second = p->n_contexts ? predicted(c, &t->model, s->kv_bytes) : 0;
        if (f.need_bytes > c->limit || (p->n_contexts && f.tokens_per_second < FLUENT))
            continue;
        c->offers[c->n++] = f;
        return;
    }
}

/* The smallest file that it could be, without asking the converter: 4.25 bits a weight. */
static bool may_fit(const choice *c, const cli_known *k)
{
    return (double)k->parameters * 4.25 / 8 <= (double)c->limit;
}

static int ask(choice *c, const cli_known *k)
{
    cli_opts own = *c->o;
    own.quiet = true;
    own.n_ctx = own.n_ctx ? own.n_ctx : 4096;
    cli_source_plan p = {.o = &own, .source = k->label, .config = k->config};
    int code = cli_draft_plan(&p);
    if (!code)
        consider(c, k, &p);
    return code;
}

static int larger_first(const void *a, const void *b)
{
    const offer *x = a, *y = b;
    return (x->rank < y->rank) - (x->rank > y->rank);
}

static void print_people(cli_out *out, const choice *c)
{
    char size[2][32];
    cli_printf(out, "%s of memory, %s read a second; context %lld\n", cli_size(size[0], c->limit),
               cli_size(size[1], (uint64_t)c->read_bytes),
               c->o->n_ctx ? (long long)c->o->n_ctx : 4096LL);
    for (size_t i = 0; i < c->n && i < MAX_SHOWN; i++) {
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
    cli_json_real(out, "read_bytes_per_second", c->read_bytes);
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

static int measure(choice *c)
{
    mote_error err;
    probe_peaks peaks;
    uint32_t n = c->o->threads ? (uint32_t)c->o->threads : mote_host_threads();
    mote_pool *pool = n > 1 ? mote_pool_new(n, &err) : NULL;
    bool good = probe_machine(&peaks, "ref", pool ? mote_pool_team(pool) : NULL);
    mote_pool_free(pool);
    c->read_bytes = good ? peaks.read_bytes : 0;
    return good ? 0 : cli_no_memory();
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
    c.offers = calloc(r.n, sizeof *c.offers);
    code = c.offers ? measure(&c) : cli_no_memory();
    for (size_t i = 0; !code && i < r.n; i++)
        if (cli_known_can(&r.models[i], o->purpose) && may_fit(&c, &r.models[i]))
            code = ask(&c, &r.models[i]);
    if (!code) {
        qsort(c.offers, c.n, sizeof *c.offers, larger_first);
        if (o->json)
            print_json(&out, &c);
        else
            print_people(&out, &c);
    }
    free(c.offers);
    cli_registry_close(&r);
    return cli_out_close(&out, code);
}
