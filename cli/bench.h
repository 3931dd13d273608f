/* bench.h: what the parts of `mote bench` share. Read cmd_bench.c first; bench_plan.c reads the
 * lists and counts the work of a test, bench_report.c prints.
 */
#ifndef MOTE_CLI_BENCH_H
#define MOTE_CLI_BENCH_H

#include "bench/probe.h"
#include "cli/cli.h"

enum { BENCH_MAX_LIST = 64, BENCH_MAX_REPEATS = 1000 };

typedef struct bench_list {
    int64_t at[BENCH_MAX_LIST];
    size_t n;
} bench_list;

/* What the lists say; every test is one of each but of -p and -n, which make a test each. */
typedef struct bench_plan {
    bench_list prompts, gens, depths, threads, batches;
    const char *kvs[BENCH_MAX_LIST];
    size_t n_kvs;
    size_t n_tests;
    size_t positions; /* that the longest test needs */
} bench_plan;

/* Work of a model, from its tensors. A product is one multiplication with its addition. */
typedef struct bench_costs {
    double int_products, float_products; /* of a token in all layers, by the type of the weights */
    double head_products;                /* of a token whose logits are wanted */
    bool is_head_float;
    double head_bytes, layer_bytes; /* read for a token */
    double position_bytes;          /* of keys and values */
} bench_costs;

typedef struct bench_test {
    char name[48];
    size_t n_prompt, n_gen, depth, n_batch;
    uint32_t n_threads;
    const char *kv;
    double rates[BENCH_MAX_REPEATS]; /* tokens a second */
    double median, mean, deviation, least, most;
    /* For a token, on the average of the test. */
    double bytes, int_ops, float_ops;
} bench_test;

/* What the page of --report needs of a test and a model. */
typedef struct bench_result {
    char name[48];
    const char *kv;
    uint32_t n_threads;
    size_t n_batch;
    double median, least, most, bytes, ops, share;
    const char *limit;
} bench_result;

typedef struct bench_model {
    char name[128];
    const char *type;
    cli_memory used;
    double mean_kl, same_top_1; /* of the quality card; NaN: none */
    double first_s;
    bench_result *results; /* [plan.n_tests] */
    size_t n;
} bench_model;

typedef struct bench {
    cli_opts opts; /* a copy, whose -t, -b and --kv change from test to test */
    cli_engine engine;
    cli_out out;
    bench_plan plan;
    bench_costs costs;
    mote_model_info model;
    double first_s;      /* start of the process, or of a further model, to the first logits */
    bench_model *models; /* [n_models]; opened: those done, and the one in work */
    size_t n_models, n_opened;
    probe_peaks peaks; /* --roofline; else no threads */
    int32_t *ids;
    mote_row *rows;
    cli_progress progress;
    size_t n_done, n_all; /* runs */
    bool is_begun;        /* the head is printed */
} bench;

/* ---- bench_plan.c --------------------------------------------------------------------------- */

int bench_read_plan(bench_plan *plan, const cli_opts *o);
mote_status bench_count_costs(bench *b, mote_error *err);
/* Fills the numbers that follow from the rates, and the work. */
void bench_count_test(const bench *b, bench_test *t);

/* The share of the roofline that a test reaches; *limit: "memory" or "compute". 0: not measured. */
double bench_share(const bench *b, const bench_test *t, const char **limit);

/* ---- bench_report.c ------------------------------------------------------------------------- */

void bench_print_head(bench *b);
void bench_print_test(bench *b, const bench_test *t);
/* Also where something failed (not all): what was begun is still read as JSON. */
void bench_print_end(bench *b, bool all);

/* ---- bench_html.c --------------------------------------------------------------------------- */

void bench_print_html(const bench *b, cli_out *out);

#endif
