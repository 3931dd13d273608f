/* bench_report.c: the four forms of `mote bench`'s table: md for people, csv, json and jsonl with
 * every repeat's figure for programs. docs/benchmarking.md says what the columns mean.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench.h"

static const char *model_name(const bench *b, char text[128])
{
    mote_text name = mote_image_text(&b->engine.image, MOTE_IMAGE_NAME);
    cli_escape(text, 128, name.ptr, name.bytes < 100 ? name.bytes : 100);
    for (char *c = text; *c; c++)
        if (*c == '|' || *c == ',' || *c == '"')
            *c = '_';
    return text;
}

static const char *weight_type(const bench *b)
{
    return b->engine.info.weight_type ? b->engine.info.weight_type : "";
}

static bool is_format(const bench *b, const char *name)
{
    return strcmp(b->opts.format, name) == 0;
}

/* ---- json ----------------------------------------------------------------------------------- */

static void print_roofline_json(bench *b, const bench_test *t)
{
    cli_out *out = &b->out;
    const probe_peaks *p = &b->peaks;
    const char *limit;
    double share = bench_share(b, t, &limit);
    cli_json_key(out, "roofline");
    cli_json_open(out, '{');
    cli_json_uint(out, "threads", p->n_threads);
    cli_json_uint(out, "buffer_bytes", p->buffer_bytes);
    cli_json_real(out, "read_gb_per_second", p->read_bytes / 1e9);
    cli_json_real(out, "int_gop_per_second", p->int_ops / 1e9);
    cli_json_real(out, "float_gop_per_second", p->float_ops / 1e9);
    cli_json_real(out, "sgemm_gop_per_second", p->sgemm_ops / 1e9);
    cli_json_text(out, "limit", limit);
    cli_json_real(out, "share", share);
    cli_json_close(out, '}');
}

static void print_rates_json(cli_out *out, const bench_test *t, int64_t repeats)
{
    cli_json_key(out, "tokens_per_second");
    cli_json_open(out, '[');
    for (int64_t i = 0; i < repeats; i++)
        cli_json_real(out, NULL, t->rates[i]);
    cli_json_close(out, ']');
    cli_json_real(out, "median", t->median);
    cli_json_real(out, "mean", t->mean);
    cli_json_real(out, "deviation", t->deviation);
    cli_json_real(out, "min", t->least);
    cli_json_real(out, "max", t->most);
    cli_json_real(out, "read_bytes_per_token", t->bytes);
    cli_json_real(out, "read_gb_per_second", t->bytes * t->median / 1e9);
    cli_json_real(out, "int_gop_per_second", t->int_ops * t->median / 1e9);
    cli_json_real(out, "float_gop_per_second", t->float_ops * t->median / 1e9);
}

static void print_json(bench *b, const bench_test *t)
{
    cli_out *out = &b->out;
    char name[128];
    cli_json_open(out, '{');
    cli_json_text(out, "test", t->name);
    cli_json_text(out, "model", model_name(b, name));
    cli_json_text(out, "weight_type", b->engine.info.weight_type);
    cli_json_uint(out, "weight_bytes", b->model.weight_bytes);
    cli_json_uint(out, "n_parameters", b->model.n_parameters);
    cli_json_uint(out, "n_prompt", t->n_prompt);
    cli_json_uint(out, "n_gen", t->n_gen);
    cli_json_uint(out, "depth", t->depth);
    cli_json_uint(out, "threads", t->n_threads);
    cli_json_uint(out, "n_batch", t->n_batch);
    cli_json_text(out, "isa", b->model.tier);
    cli_json_text(out, "kv", t->kv);
    cli_json_bool(out, "blas", b->opts.blas);
    print_rates_json(out, t, b->opts.repeats);
    cli_json_real(out, "first_token_ms", b->first_s * 1e3);
    if (b->peaks.n_threads)
        print_roofline_json(b, t);
    cli_json_text(out, "version", MOTE_VERSION);
    cli_json_key(out, "memory");
    cli_memory_json(out, &b->engine.used);
    cli_json_close(out, '}');
}

/* ---- md, csv -------------------------------------------------------------------------------- */

static void print_md(bench *b, const bench_test *t)
{
    char name[128];
    const char *limit;
    cli_printf(&b->out, "| %s | %s | %u | %s | %s | ", model_name(b, name), weight_type(b),
               t->n_threads, b->model.tier, t->kv);
    if (b->plan.batches.n > 1)
        cli_printf(&b->out, "%zu | ", t->n_batch);
    cli_printf(&b->out, "%s | %.2f | %.2f .. %.2f | %.2f | %.2f | %.1f |", t->name, t->median,
               t->least, t->most, t->bytes / 1e6, t->bytes * t->median / 1e9,
               (t->int_ops + t->float_ops) * t->median / 1e9);
    if (b->peaks.n_threads) {
        double share = bench_share(b, t, &limit);
        cli_printf(&b->out, " %.0f %% of %s |", share * 100, limit);
    }
    cli_puts(&b->out, "\n");
}

static void print_csv(bench *b, const bench_test *t)
{
    char name[128];
    const char *limit = "";
    double share = bench_share(b, t, &limit);
    cli_printf(&b->out, "%s,%s,%u,%s,%s,%zu,%s,%zu,%zu,%zu,%.4f,%.4f,%.4f,%.4f,%.4f,%.0f,%.4f,",
               model_name(b, name), weight_type(b), t->n_threads, b->model.tier, t->kv, t->n_batch,
               t->name, t->n_prompt, t->n_gen, t->depth, t->median, t->mean, t->deviation, t->least,
               t->most, t->bytes, t->bytes * t->median / 1e9);
    cli_printf(&b->out, "%.4f,%.4f,%.3f,", t->int_ops * t->median / 1e9,
               t->float_ops * t->median / 1e9, b->first_s * 1e3);
    if (b->peaks.n_threads)
        cli_printf(&b->out, "%.4f,%s", share, limit);
    else
        cli_puts(&b->out, ",");
    cli_puts(&b->out, "\n");
}

void bench_print_head(bench *b)
{
    bool batch = b->plan.batches.n > 1, roofline = b->peaks.n_threads > 0;
    if (is_format(b, "md"))
        cli_printf(
            &b->out,
            "| model | type | threads | isa | kv |%s test | tokens/s | min .. max | MB/token | "
            "GB/s | Gop/s |%s\n|---|---|--:|---|---|%s---|--:|--:|--:|--:|--:|%s\n",
            batch ? " batch |" : "", roofline ? " roofline |" : "", batch ? "--:|" : "",
            roofline ? "--:|" : "");
    else if (is_format(b, "csv"))
        cli_puts(&b->out,
                 "model,type,threads,isa,kv,n_batch,test,n_prompt,n_gen,depth,tokens_per_second,"
                 "mean,deviation,min,max,read_bytes_per_token,read_gb_per_second,"
                 "int_gop_per_second,float_gop_per_second,first_token_ms,roofline_share,"
                 "roofline_limit\n");
    else if (is_format(b, "json"))
        cli_json_open(&b->out, '[');
    b->is_begun = true;
}

void bench_print_test(bench *b, const bench_test *t)
{
    bool lines = is_format(b, "jsonl");
    cli_progress_end(&b->progress);
    if (lines || is_format(b, "json"))
        print_json(b, t);
    else if (is_format(b, "md"))
        print_md(b, t);
    else
        print_csv(b, t);
    if (lines)
        cli_json_end_line(&b->out);
    cli_flush(&b->out);
}

static void print_peaks(bench *b)
{
    const probe_peaks *p = &b->peaks;
    char size[32];
    cli_printf(&b->out, "This machine at best, %u thread%s, %s: reads %.1f GB/s (%s)", p->n_threads,
               p->n_threads == 1 ? "" : "s", b->model.tier, p->read_bytes / 1e9,
               cli_size(size, p->buffer_bytes));
    if (p->int_ops > 0)
        cli_printf(&b->out, ", %.0f G int8 operations/s", p->int_ops / 1e9);
    if (p->float_ops > 0)
        cli_printf(&b->out, ", %.0f GFLOP/s of f32", p->float_ops / 1e9);
    if (p->sgemm_ops > 0)
        cli_printf(&b->out, ", sgemm %.0f GFLOP/s", p->sgemm_ops / 1e9);
    cli_puts(&b->out, "\n");
}

void bench_print_end(bench *b, bool all)
{
    cli_progress_end(&b->progress);
    if (all && is_format(b, "md")) {
        cli_printf(&b->out, "\nmote %s; first logits %.1f ms after the start of the process\n",
                   MOTE_VERSION, b->models[0].first_s * 1e3);
        for (size_t i = 1; i < b->n_opened; i++)
            cli_printf(&b->out, "first logits %.1f ms after %s %s was opened\n",
                       b->models[i].first_s * 1e3, b->models[i].name, b->models[i].type);
        if (b->peaks.n_threads)
            print_peaks(b);
    } else if (b->is_begun && is_format(b, "json")) {
        cli_json_close(&b->out, ']');
        cli_json_end_line(&b->out);
    }
}
