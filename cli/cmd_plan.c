/* cmd_plan.c: the memory of a run before it runs. The numbers are those that cli_engine_session
 * allocates, because it asks the same function. */
#include <inttypes.h>
#include <unistd.h>

#include "cli/encoder.h"
#include "cli/registry.h"

static void print_people(cli_out *out, const mote_session_opts *so, const cli_opts *o,
                         const cli_memory *m, uint64_t read_bytes, uint64_t limit)
{
    const struct {
        const char *name;
        uint64_t bytes;
    } lines[] = {{"model", m->model},
                 {"tokenizer", m->tokenizer},
                 {"session", m->session.state_bytes},
                 {"keys and values", m->session.kv_bytes},
                 {"scratch", m->session.scratch_bytes},
                 {"logits", m->session.logits_bytes},
                 {"ids and text", m->history + m->text},
                 {"sampler", m->sampler},
                 {"all of it", m->total}};
    char size[32];
    cli_printf(out, "context %u, batch %u, threads %u, keys and values %s\n", so->n_ctx,
               so->n_batch, so->n_threads, o->kv);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        cli_printf(out, "%-16s %14" PRIu64 "  %s\n", lines[i].name, lines[i].bytes,
                   cli_size(size, lines[i].bytes));
    cli_printf(out, "%-16s %14" PRIu64 "  %s, mapped: shared, and given back when needed\n", "file",
               m->file, cli_size(size, m->file));
    cli_printf(out, "%-16s %14" PRIu64 "  %s of it: what one decoded token needs\n", "read a token",
               read_bytes, cli_size(size, read_bytes));
    if (limit != UINT64_MAX)
        cli_printf(out, "%-16s %14" PRIu64 "  %s: %s\n", "may be used", limit,
                   cli_size(size, limit),
                   m->total + m->file <= limit ? "it fits" : "it does not fit, file and all");
}

static void print_json(cli_out *out, const mote_session_opts *so, const cli_opts *o,
                       const cli_memory *m, uint64_t read_bytes, uint64_t limit)
{
    cli_json_open(out, '{');
    cli_json_uint(out, "n_ctx", so->n_ctx);
    cli_json_uint(out, "n_batch", so->n_batch);
    cli_json_uint(out, "threads", so->n_threads);
    cli_json_text(out, "kv", o->kv);
    cli_json_key(out, "memory");
    cli_memory_json(out, m);
    cli_json_uint(out, "decode_read_bytes", read_bytes);
    if (limit != UINT64_MAX)
        cli_json_uint(out, "memory_limit", limit);
    cli_json_close(out, '}');
    cli_json_end_line(out);
}

static int plan_encoder(cli_out *out, const cli_engine *e)
{
    cli_encoder_memory m;
    char size[32];
    int code = cli_encoder_plan(e, &m);
    if (code)
        return code;
    if (e->o->json) {
        cli_json_open(out, '{');
        cli_json_uint(out, "n_tokens", m.opts.n_tokens);
        cli_json_uint(out, "n_texts", m.opts.n_texts);
        cli_json_uint(out, "threads", m.opts.n_threads);
        cli_json_key(out, "memory");
        cli_encoder_memory_json(out, e, &m);
        cli_json_close(out, '}');
        cli_json_end_line(out);
        return 0;
    }
    const struct {
        const char *name;
        uint64_t bytes;
    } lines[] = {{"model", e->used.model},
                 {"tokenizer", e->used.tokenizer},
                 {"encoder", m.encoder.state_bytes},
                 {"keys and values", m.encoder.kv_bytes},
                 {"scratch", m.encoder.scratch_bytes},
                 {"queue", m.queue},
                 {"all of it", m.total}};
    cli_printf(out, "batch of %u tokens, %u texts, threads %u\n", m.opts.n_tokens, m.opts.n_texts,
               m.opts.n_threads);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        cli_printf(out, "%-16s %14" PRIu64 "  %s\n", lines[i].name, lines[i].bytes,
                   cli_size(size, lines[i].bytes));
    return 0;
}

static bool is_encoder(const cli_engine *e)
{
    mote_encoder_info info;
    mote_model_get_encoder(e->model, &info);
    return info.pooling != MOTE_POOL_NONE;
}

int cmd_plan(const cli_opts *o)
{
    cli_engine e;
    cli_out out = {.n = 0};
    mote_session_opts so;
    cli_memory m;
    mote_model_info info = {0};
    int known;
    if (cli_is_source(o->model))
        return cli_plan_source(o, o->model, (mote_text){0});
    if (!cli_is_builtin(o->model) && access(o->model, F_OK) != 0 && cli_plan_known(o, &known))
        return known;
    int code = cli_engine_open(&e, o, NEED_MODEL | WANT_TOKENIZER);
    if (code)
        return code;
    if (is_encoder(&e)) {
        code = plan_encoder(&out, &e);
        cli_engine_close(&e);
        return cli_out_close(&out, code);
    }
    code = cli_session_options(&e, cli_default_context(&e), 512, false, &so);
    if (!code)
        code = cli_engine_plan(&e, &so, true, &m);
    if (!code)
        mote_model_get_info(e.model, &info);
    if (!code && o->json)
        print_json(&out, &so, o, &m, info.decode_read_bytes, cli_memory_limit(&e));
    else if (!code)
        print_people(&out, &so, o, &m, info.decode_read_bytes, cli_memory_limit(&e));
    cli_engine_close(&e);
    return cli_out_close(&out, code);
}
