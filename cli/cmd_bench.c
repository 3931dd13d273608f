/* cmd_bench.c: tokens a second of prompts (pp) and of generation (tg), without sampling. Ids are
 * random, from a fixed seed. Every test runs once uncounted, then -r times.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct bench_test {
    char name[48];
    size_t n_prompt, n_gen;
    double rates[1000];
    double mean, deviation;
} bench_test;

typedef struct bench {
    cli_engine engine;
    cli_out out;
    int32_t *ids;
    mote_row *rows;
    mote_model_info model;
    cli_progress progress;
    size_t n_done, n_all; /* runs */
} bench;

static bool is_interrupted(void *user)
{
    (void)user;
    return cli_interrupted() != 0;
}

static int fail(const bench *b, mote_status s, const mote_error *err)
{
    return s == MOTE_CANCELLED ? cli_interrupted() : cli_fail(b->engine.o->model, err);
}

/* n ids in steps of at most `chunk`; the last one's logits are wanted, with every step's if
 * each. */
static mote_status feed(bench *b, size_t n, size_t chunk, const mote_team *team, mote_error *err)
{
    cli_engine *e = &b->engine;
    mote_hooks hooks = {.cancel = is_interrupted};
    mote_status s = MOTE_OK;
    for (size_t done = 0, step; !s && done < n; done += step) {
        uint32_t at = mote_session_length(e->session);
        step = n - done < chunk ? n - done : chunk;
        for (size_t i = 0; i < step; i++)
            b->rows[i] = (mote_row){b->ids[at + i], at + (uint32_t)i, e->session,
                                    i + 1 == step && (chunk == 1 || done + step == n)};
        s = mote_forward(e->session, b->rows, step, team, &hooks, err);
    }
    return s;
}

static const mote_team *prompt_team(const bench *b)
{
    const mote_team *team = cli_prompt_team(&b->engine);
    return team ? team : cli_team(&b->engine);
}

static mote_status run_test(bench *b, const bench_test *t, mote_error *err)
{
    size_t batch = b->engine.session_opts.n_batch;
    mote_session_rewind(b->engine.session, (uint32_t)b->engine.o->depth);
    mote_status s = feed(b, t->n_prompt, batch, prompt_team(b), err);
    return s ? s : feed(b, t->n_gen, 1, cli_team(&b->engine), err);
}

static int measure(bench *b, bench_test *t)
{
    size_t repeats = (size_t)b->engine.o->repeats;
    double sum = 0, squares = 0;
    mote_error err;
    for (size_t i = 0; i <= repeats; i++) {
        double start = cli_seconds();
        mote_status s = run_test(b, t, &err);
        if (s)
            return fail(b, s, &err);
        double rate = (double)(t->n_prompt + t->n_gen) / (cli_seconds() - start);
        cli_progress_show(&b->progress, ++b->n_done, b->n_all);
        if (!i)
            continue;
        t->rates[i - 1] = rate;
        sum += rate;
    }
    t->mean = sum / (double)repeats;
    for (size_t i = 0; i < repeats; i++)
        squares += (t->rates[i] - t->mean) * (t->rates[i] - t->mean);
    t->deviation = repeats > 1 ? sqrt(squares / (double)(repeats - 1)) : 0;
    return 0;
}

/* ---- output --------------------------------------------------------------------------------- */

/* Bytes of weights read in a second: every generated token reads them once. */
static double gigabytes(const bench *b, const bench_test *t)
{
    return t->n_gen ? t->mean * (double)b->model.decode_read_bytes / 1e9 : 0;
}

static const char *model_name(const bench *b, char text[128])
{
    mote_text name = mote_image_text(&b->engine.image, MOTE_IMAGE_NAME);
    cli_escape(text, 128, name.ptr, name.bytes < 100 ? name.bytes : 100);
    for (char *c = text; *c; c++)
        if (*c == '|' || *c == ',' || *c == '"')
            *c = '_';
    return text;
}

static uint32_t test_threads(const bench *b, const bench_test *t)
{
    const mote_team *team = t->n_gen ? cli_team(&b->engine) : prompt_team(b);
    return team ? team->n_threads : 1;
}

static void print_json(bench *b, const bench_test *t)
{
    cli_out *out = &b->out;
    const cli_opts *o = b->engine.o;
    char name[128];
    cli_json_open(out, '{');
    cli_json_text(out, "test", t->name);
    cli_json_text(out, "model", model_name(b, name));
    cli_json_text(out, "weight_type", b->engine.info.weight_type);
    cli_json_uint(out, "weight_bytes", b->model.weight_bytes);
    cli_json_uint(out, "n_parameters", b->model.n_parameters);
    cli_json_uint(out, "n_prompt", t->n_prompt);
    cli_json_uint(out, "n_gen", t->n_gen);
    cli_json_int(out, "depth", o->depth);
    cli_json_uint(out, "threads", test_threads(b, t));
    cli_json_uint(out, "n_batch", b->engine.session_opts.n_batch);
    cli_json_text(out, "isa", b->model.tier);
    cli_json_text(out, "kv", o->kv);
    cli_json_bool(out, "blas", o->blas);
    cli_json_key(out, "tokens_per_second");
    cli_json_open(out, '[');
    for (int64_t i = 0; i < o->repeats; i++)
        cli_json_real(out, NULL, t->rates[i]);
    cli_json_close(out, ']');
    cli_json_real(out, "mean", t->mean);
    cli_json_real(out, "deviation", t->deviation);
    cli_json_real(out, "weight_gb_per_second", gigabytes(b, t));
    cli_json_text(out, "version", MOTE_VERSION);
    cli_json_key(out, "memory");
    cli_memory_json(out, &b->engine.used);
    cli_json_close(out, '}');
}

static void print_row(bench *b, const bench_test *t, const char *format)
{
    char name[128], rate[40], gb[24] = "";
    const char *type = b->engine.info.weight_type ? b->engine.info.weight_type : "";
    if (t->n_gen)
        snprintf(gb, sizeof gb, "%.2f", gigabytes(b, t));
    if (strcmp(format, "md") == 0) {
        snprintf(rate, sizeof rate, "%.2f ± %.2f", t->mean, t->deviation);
        cli_printf(&b->out, "| %s | %s | %u | %s | %s | %s | %s | %s |\n", model_name(b, name),
                   type, test_threads(b, t), b->model.tier, b->engine.o->kv, t->name, rate, gb);
    } else {
        cli_printf(&b->out, "%s,%s,%u,%s,%s,%s,%.4f,%.4f,%s\n", model_name(b, name), type,
                   test_threads(b, t), b->model.tier, b->engine.o->kv, t->name, t->mean,
                   t->deviation, gb);
    }
}

static void print_head(bench *b, const char *format)
{
    if (strcmp(format, "md") == 0)
        cli_puts(&b->out, "| model | type | threads | isa | kv | test | tokens/s | weights GB/s |\n"
                          "|---|---|--:|---|---|---|--:|--:|\n");
    else if (strcmp(format, "csv") == 0)
        cli_puts(&b->out, "model,type,threads,isa,kv,test,tokens_per_second,deviation,"
                          "weight_gb_per_second\n");
    else if (strcmp(format, "json") == 0)
        cli_json_open(&b->out, '[');
}

static void print_test(bench *b, const bench_test *t, const char *format)
{
    bool lines = strcmp(format, "jsonl") == 0;
    cli_progress_end(&b->progress);
    if (lines || strcmp(format, "json") == 0)
        print_json(b, t);
    else
        print_row(b, t, format);
    if (lines)
        cli_json_end_line(&b->out);
    cli_flush(&b->out);
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* The session, the ids, and the depth filled once. */
static int prepare(bench *b)
{
    cli_engine *e = &b->engine;
    const cli_opts *o = e->o;
    mote_session_opts so;
    mote_error err;
    uint64_t seed = 1;
    int64_t longest = o->n_prompt > o->n_gen ? o->n_prompt : o->n_gen;
    size_t need = (size_t)(o->depth + longest);
    if (!longest)
        return cli_error(EXIT_USAGE, NULL, "nothing to measure: -p and -n are 0");
    if (need > e->info.n_ctx)
        return cli_error(EXIT_USAGE, NULL, "%zu positions are needed, the model was made for %u",
                         need, e->info.n_ctx);
    int code = cli_session_options(e, (uint32_t)need, 512, false, &so);
    if (!code && so.n_ctx < need)
        code = cli_error(EXIT_USAGE, "-c", "%zu positions are needed", need);
    if (!code)
        code = cli_engine_session(e, &so);
    if (code)
        return code;
    b->ids = malloc(need * sizeof *b->ids);
    b->rows = malloc(so.n_batch * sizeof *b->rows);
    if (!b->ids || !b->rows)
        return cli_no_memory();
    for (size_t i = 0; i < need; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        b->ids[i] = (int32_t)((seed >> 33) % e->info.n_vocab);
    }
    mote_model_get_info(e->model, &b->model);
    mote_status s = feed(b, (size_t)o->depth, so.n_batch, prompt_team(b), &err);
    return s ? fail(b, s, &err) : 0;
}

static void name_test(bench_test *t, const char *kind, size_t n, int64_t depth)
{
    if (depth)
        snprintf(t->name, sizeof t->name, "%s%zu@%" PRId64, kind, n, depth);
    else
        snprintf(t->name, sizeof t->name, "%s%zu", kind, n);
}

static int measure_all(bench *b)
{
    const cli_opts *o = b->engine.o;
    bench_test *tests = calloc(2, sizeof *tests);
    size_t n = 0;
    int code = 0;
    if (!tests)
        return cli_no_memory();
    if (o->n_prompt)
        tests[n++].n_prompt = (size_t)o->n_prompt;
    if (o->n_gen)
        tests[n++].n_gen = (size_t)o->n_gen;
    b->n_all = n * (size_t)(o->repeats + 1);
    cli_progress_start(&b->progress, o, "bench");
    print_head(b, o->format);
    for (size_t i = 0; !code && i < n; i++) {
        name_test(&tests[i], tests[i].n_gen ? "tg" : "pp", tests[i].n_prompt + tests[i].n_gen,
                  o->depth);
        code = measure(b, &tests[i]);
        if (!code)
            print_test(b, &tests[i], o->format);
    }
    cli_progress_end(&b->progress);
    if (!code && strcmp(o->format, "json") == 0) {
        cli_json_close(&b->out, ']');
        cli_json_end_line(&b->out);
    }
    free(tests);
    return code;
}

int cmd_bench(const cli_opts *o)
{
    bench b = {.n_done = 0};
    cli_catch_signals();
    int code = cli_engine_open(&b.engine, o, NEED_MODEL);
    if (code)
        return code;
    code = prepare(&b);
    if (!code)
        code = measure_all(&b);
    free(b.ids);
    free(b.rows);
    cli_engine_close(&b.engine);
    return cli_out_close(&b.out, code);
}
