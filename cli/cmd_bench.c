/* cmd_bench.c: tokens a second of prompts (pp) and of generation (tg), without sampling, for every
 * combination of what the lists -p -n -d -t -b --kv say. Every test runs once uncounted, then -r
 * times. Ids are random, from a fixed seed, and depend on the position only: what a session holds
 * is a beginning of the same text always, so a depth is filled once and then taken back to.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/at_hand.h"
#include "cli/bench.h"
#include "cli/report.h"
#include "cli/registry.h"

static int fail(const bench *b, mote_status s, const mote_error *err)
{
    return s == MOTE_CANCELLED ? cli_interrupted() : cli_fail(b->opts.model, err);
}

/* n ids in steps of at most `chunk`; the last one's logits are wanted, with chunk 1 every
 * step's. */
static mote_status feed(bench *b, size_t n, size_t chunk, const mote_team *team, mote_error *err)
{
    cli_engine *e = &b->engine;
    mote_hooks hooks = {.cancel = cli_cancel};
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

static const mote_team *test_team(const bench *b, const bench_test *t)
{
    return t->n_gen ? cli_team(&b->engine) : prompt_team(b);
}

/* ---- one test ------------------------------------------------------------------------------- */

/* Makes the session hold `depth` positions. */
static mote_status go_to(bench *b, size_t depth, mote_error *err)
{
    size_t held = mote_session_length(b->engine.session);
    if (held >= depth) {
        mote_session_rewind(b->engine.session, (uint32_t)depth);
        return MOTE_OK;
    }
    return feed(b, depth - held, b->engine.session_opts.n_batch, prompt_team(b), err);
}

/* Seconds of one run go to *seconds. */
static mote_status run_once(bench *b, const bench_test *t, double *seconds, mote_error *err)
{
    mote_status s = go_to(b, t->depth, err);
    double start = cli_seconds();
    if (!s)
        s = feed(b, t->n_prompt + t->n_gen, t->n_gen ? 1 : t->n_batch, test_team(b, t), err);
    *seconds = cli_seconds() - start;
    return s;
}

/* For --report. */
static void keep(bench *b, const bench_test *t)
{
    bench_model *m = &b->models[b->n_opened - 1];
    bench_result *r = &m->results[m->n++];
    *r = (bench_result){.kv = t->kv,
                        .n_threads = t->n_threads,
                        .n_batch = t->n_batch,
                        .median = t->median,
                        .least = t->least,
                        .most = t->most,
                        .bytes = t->bytes,
                        .ops = t->int_ops + t->float_ops,
                        .limit = ""};
    memcpy(r->name, t->name, sizeof r->name);
    r->share = bench_share(b, t, &r->limit);
    if (b->engine.used.total > m->used.total)
        m->used = b->engine.used;
}

static int measure(bench *b, bench_test *t)
{
    mote_error err;
    double seconds;
    for (int64_t i = -1; i < b->opts.repeats; i++) {
        mote_status s = run_once(b, t, &seconds, &err);
        if (s)
            return fail(b, s, &err);
        if (i >= 0)
            t->rates[i] = (double)(t->n_prompt + t->n_gen) / seconds;
        cli_progress_show(&b->progress, ++b->n_done, b->n_all);
    }
    bench_count_test(b, t);
    bench_print_test(b, t);
    keep(b, t);
    return 0;
}

/* A test of n tokens at a depth, with the session as it is. */
static int measure_one(bench *b, bench_test *t, bool is_prompt, int64_t n, int64_t depth)
{
    int length = snprintf(t->name, sizeof t->name, "%s%lld", is_prompt ? "pp" : "tg", (long long)n);
    if (depth)
        snprintf(t->name + length, sizeof t->name - (size_t)length, "@%lld", (long long)depth);
    t->n_prompt = is_prompt ? (size_t)n : 0;
    t->n_gen = is_prompt ? 0 : (size_t)n;
    t->depth = (size_t)depth;
    t->n_batch = b->engine.session_opts.n_batch;
    t->kv = b->opts.kv;
    t->n_threads = test_team(b, t) ? test_team(b, t)->n_threads : 1;
    return measure(b, t);
}

/* ---- sessions ------------------------------------------------------------------------------- */

/* A session and threads for one choice of --kv, -b and -t. */
static int open_session(bench *b, size_t kv, size_t batch, size_t threads)
{
    cli_engine *e = &b->engine;
    mote_session_opts so;
    mote_error err;
    b->opts.kv = b->plan.kvs[kv];
    b->opts.n_batch = b->plan.batches.at[batch];
    b->opts.threads = b->plan.threads.at[threads];
    mote_pool_free(e->pool);
    mote_pool_free(e->prompt_pool);
    e->pool = e->prompt_pool = NULL;
    int code = cli_session_options(e, (uint32_t)b->plan.positions, 512, false, &so);
    if (!code && so.n_ctx < b->plan.positions)
        code = cli_error(EXIT_USAGE, "-c", "%zu positions are needed", b->plan.positions);
    if (!code)
        code = cli_engine_session(e, &so);
    if (code)
        return code;
    mote_row *rows = realloc(b->rows, so.n_batch * sizeof *b->rows);
    if (!rows)
        return cli_no_memory();
    b->rows = rows;
    mote_status s = bench_count_costs(b, &err);
    return s ? cli_fail(b->opts.model, &err) : 0;
}

static int measure_session(bench *b, bench_test *t)
{
    const bench_plan *plan = &b->plan;
    int code = 0;
    for (size_t d = 0; !code && d < plan->depths.n; d++) {
        for (size_t i = 0; !code && i < plan->prompts.n; i++)
            code = measure_one(b, t, true, plan->prompts.at[i], plan->depths.at[d]);
        for (size_t i = 0; !code && i < plan->gens.n; i++)
            code = measure_one(b, t, false, plan->gens.at[i], plan->depths.at[d]);
    }
    return code;
}

static int measure_all(bench *b)
{
    const bench_plan *plan = &b->plan;
    bench_test *test = calloc(1, sizeof *test);
    int code = test ? 0 : cli_no_memory();
    size_t n = plan->n_kvs * plan->batches.n * plan->threads.n;
    if (!code && b->n_opened == 1)
        bench_print_head(b);
    for (size_t i = 0; !code && i < n; i++) {
        size_t threads = i % plan->threads.n, rest = i / plan->threads.n;
        if (i) /* the first is open */
            code = open_session(b, rest / plan->batches.n, rest % plan->batches.n, threads);
        if (!code)
            code = measure_session(b, test);
    }
    free(test);
    return code;
}

/* ---- before the tests ----------------------------------------------------------------------- */

/* When this process began: now without the time it has computed, which counts the loader's work. */
static double process_start(void)
{
    struct timespec t;
    double now = cli_seconds();
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t))
        return now;
    return now - (double)t.tv_sec - (double)t.tv_nsec * 1e-9;
}

static int make_ids(bench *b)
{
    uint64_t seed = 1;
    b->ids = malloc(b->plan.positions * sizeof *b->ids);
    if (!b->ids)
        return cli_no_memory();
    for (size_t i = 0; i < b->plan.positions; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        b->ids[i] = (int32_t)((seed >> 33) % b->engine.info.n_vocab);
    }
    return 0;
}

/* The first session, and the first logits there. */
static int prepare(bench *b, double start)
{
    cli_engine *e = &b->engine;
    mote_error err;
    if (b->plan.positions > e->info.n_ctx)
        return cli_error(EXIT_USAGE, NULL, "%zu positions are needed, the model was made for %u",
                         b->plan.positions, e->info.n_ctx);
    mote_model_get_info(e->model, &b->model);
    int code = make_ids(b);
    if (!code)
        code = open_session(b, 0, 0, 0);
    if (code)
        return code;
    mote_status s = feed(b, 1, 1, prompt_team(b), &err);
    b->first_s = cli_seconds() - start;
    mote_session_rewind(e->session, 0);
    return s ? fail(b, s, &err) : 0;
}

/* Most threads of any test. */
static uint32_t most_threads(const bench *b)
{
    uint32_t most = b->opts.batch_threads ? (uint32_t)b->opts.batch_threads : 1;
    for (size_t i = 0; i < b->plan.threads.n; i++) {
        int64_t n = b->plan.threads.at[i];
        uint32_t threads = n ? (uint32_t)n : mote_model_threads(b->engine.model);
        most = threads > most ? threads : most;
    }
    return most;
}

static int measure_roofline(bench *b)
{
    uint32_t n = most_threads(b);
    mote_error err;
    mote_pool *pool = n > 1 ? mote_pool_new(n, &err) : NULL;
    if (n > 1 && !pool)
        return cli_fail("-t", &err);
    bool good = probe_machine(&b->peaks, b->model.tier, pool ? mote_pool_team(pool) : NULL);
    mote_pool_free(pool);
    return good ? 0 : cli_no_memory();
}

/* What the page tells of a model. */
static int describe(bench *b)
{
    bench_model *m = &b->models[b->n_opened++];
    mote_text name = mote_image_text(&b->engine.image, MOTE_IMAGE_NAME);
    mote_value card;
    void *memory;
    cli_read_card(&b->engine, &card, &memory);
    cli_escape(m->name, sizeof m->name, name.ptr, name.bytes < 100 ? name.bytes : 100);
    m->type = b->engine.info.weight_type ? b->engine.info.weight_type : "";
    m->mean_kl = cli_card_number(&card, "mean_kl");
    m->same_top_1 = cli_card_number(&card, "same_top_1");
    m->first_s = b->first_s;
    m->results = calloc(b->plan.n_tests, sizeof *m->results);
    free(memory);
    return m->results ? 0 : cli_no_memory();
}

/* All tests of one model. */
static int measure_model(bench *b, const char *path, double start)
{
    char at_hand[CLI_PATH];
    b->opts.model = cli_find_model(path, at_hand);
    int code = cli_engine_open(&b->engine, &b->opts, WILL_RUN | NEED_MODEL);
    if (code)
        return code;
    code = prepare(b, start);
    if (!code)
        code = describe(b);
    if (!code && b->opts.roofline && !b->peaks.n_threads)
        code = measure_roofline(b);
    if (!code)
        code = measure_all(b);
    free(b->ids);
    free(b->rows);
    b->ids = NULL;
    b->rows = NULL;
    cli_engine_close(&b->engine);
    return code;
}

/* Models of one name and type are told apart by their files. */
static void name_apart(bench *b, const cli_opts *o)
{
    bool has_twin[1 + CLI_MAX_MODELS] = {false};
    for (size_t i = 0; i < b->n_models; i++)
        for (size_t j = 0; j < b->n_models; j++)
            has_twin[i] |= i != j && !strcmp(b->models[i].name, b->models[j].name) &&
                           !strcmp(b->models[i].type, b->models[j].type);
    for (size_t i = 0; i < b->n_models; i++) {
        const char *file = cli_base_name(i ? o->models[i - 1] : o->model);
        if (has_twin[i])
            cli_escape(b->models[i].name, sizeof b->models[i].name, file, strlen(file));
    }
}

static int write_report(const bench *b)
{
    cli_file file;
    cli_out out = {.file = &file};
    int code = cli_file_create(&file, b->opts.html, b->opts.force);
    if (!code) {
        bench_print_html(b, &out);
        cli_flush(&out);
    }
    return cli_file_close(&file, code);
}

int cmd_bench(const cli_opts *o)
{
    bench b = {.opts = *o, .n_models = 1 + o->n_models};
    bench_model models[1 + CLI_MAX_MODELS] = {0};
    double start = process_start();
    b.models = models;
    b.opts.roofline = o->roofline || o->html;
    cli_catch_signals();
    int code = bench_read_plan(&b.plan, o);
    if (!code && o->html)
        code = cli_file_check(o->html, o->force);
    b.n_all = b.n_models * b.plan.n_tests * (size_t)(o->repeats + 1);
    cli_progress_start(&b.progress, o, "bench");
    for (size_t i = 0; !code && i < b.n_models; i++)
        code = measure_model(&b, i ? o->models[i - 1] : o->model, i ? cli_seconds() : start);
    bench_print_end(&b, code == 0);
    if (!code && o->html) {
        name_apart(&b, o);
        code = write_report(&b);
    }
    for (size_t i = 0; i < b.n_models; i++)
        free(models[i].results);
    return cli_out_close(&b.out, code);
}
