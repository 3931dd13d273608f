/* machine.c: figures of this machine, by probes (bench/probe.c) and by rehearsing small models
 * (rehearse.c), kept in a file of the cache folder; predictions from them. Read machine.h first.
 */
#define _GNU_SOURCE
#include "cli/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/probe.h"
#include "cli/json.h"
#include "cli/registry.h"

/* Where nothing could be rehearsed: the share of the plain read loop that decoding reaches, and a
 * layer's barriers. */
#define READ_SHARE 0.8
#define LAYER_SECONDS 25e-6

/* The model that is rehearsed: its weights are several times larger than usual caches. */
#define REHEARSED "SmolLM2-135M"
enum { ROUNDS = 3 };
/* Thirty layers of next to nothing. */
static const char hollow[] =
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":64,"
    "\"num_hidden_layers\":30,\"num_attention_heads\":1,\"num_key_value_heads\":1,"
    "\"intermediate_size\":64,\"vocab_size\":64,\"max_position_embeddings\":128,"
    "\"tie_word_embeddings\":true,\"rope_theta\":10000,\"rms_norm_eps\":1e-05,"
    "\"hidden_act\":\"silu\"}";

/* ---- the CPU -------------------------------------------------------------------------------- */

void cli_cpu_name(char name[96])
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    name[0] = 0;
    while (f && fgets(line, sizeof line, f)) {
        const char *value = strchr(line, ':');
        if (!value || (strncmp(line, "model name", 10) != 0 && strncmp(line, "CPU part", 8) != 0))
            continue;
        value += 1 + strspn(value + 1, " \t");
        cli_escape(name, 96, value, strcspn(value, "\n"));
        break;
    }
    if (f)
        fclose(f);
}

static const char *best_tier(void)
{
    const char *tier = "ref", *next;
    for (size_t i = 0; (next = mote_usable_tier(i)) != NULL; i++)
        tier = next;
    return tier;
}

/* ---- the file ------------------------------------------------------------------------------- */

static bool file_of(char *path, size_t cap, uint32_t n_threads)
{
    char name[32];
    snprintf(name, sizeof name, "speed-%u.json", n_threads);
    return cli_own_path(path, cap, "XDG_CACHE_HOME", ".cache", name);
}

static const struct {
    const char *key;
    size_t at;
} figures[] = {{"read_bytes_per_second", offsetof(cli_speed, read_bytes)},
               {"int8_ops_per_second", offsetof(cli_speed, int_ops)},
               {"f32_ops_per_second", offsetof(cli_speed, float_ops)},
               {"sgemm_ops_per_second", offsetof(cli_speed, sgemm_ops)},
               {"q8_bytes_per_second", offsetof(cli_speed, q8_bytes)},
               {"q4_bytes_per_second", offsetof(cli_speed, q4_bytes)},
               {"layer_seconds", offsetof(cli_speed, layer_seconds)}};

enum { N_FIGURES = sizeof figures / sizeof *figures };

static double *figure(const cli_speed *s, size_t i)
{
    return (double *)(void *)((char *)(uintptr_t)s + figures[i].at);
}

/* A file of another CPU, tier or version is none; so is a damaged one. */
static bool read_figures(cli_speed *s, const mote_value *tree)
{
    char cpu[96], error[400];
    cli_cpu_name(cpu);
    if (tree->kind != MOTE_VALUE_DICT || !cli_is_string(cli_get(tree, "cpu"), cpu) ||
        !cli_is_string(cli_get(tree, "tier"), best_tier()) ||
        !cli_is_string(cli_get(tree, "version"), MOTE_VERSION))
        return false;
    for (size_t i = 0; i < N_FIGURES; i++)
        if (!cli_get(tree, figures[i].key) ||
            !cli_get_number(tree, figures[i].key, 0, 1e18, figure(s, i), error))
            return false;
    return s->read_bytes > 1e6 && s->q8_bytes > 1e6 && s->q4_bytes > 1e6;
}

bool cli_speed_read(cli_speed *s, uint32_t n_threads)
{
    char path[440], text[2048], memory[1 << 16];
    mote_value tree;
    mote_error err;
    *s = (cli_speed){.n_threads = n_threads ? n_threads : mote_host_threads(), .is_kept = true};
    size_t n =
        file_of(path, sizeof path, s->n_threads) ? cli_read_small(path, text, sizeof text) : 0;
    return n && !cli_json_parse(&tree, text, n, memory, sizeof memory, &err) &&
           read_figures(s, &tree);
}

/* Under another name first: a reader sees all of it or none. Where it cannot be kept it is measured
 * again, so nothing is told. */
static void keep(const cli_speed *s)
{
    char path[440], other[460], cpu[96];
    if (!file_of(path, sizeof path, s->n_threads))
        return;
    char *name = strrchr(path, '/');
    *name = 0;
    char *above = strrchr(path, '/');
    *above = 0;
    mkdir(path, 0777);
    *above = '/';
    mkdir(path, 0777);
    *name = '/';
    snprintf(other, sizeof other, "%s.%ld", path, (long)getpid());
    FILE *f = fopen(other, "w");
    if (!f)
        return;
    cli_cpu_name(cpu);
    fprintf(f, "{\"version\":\"%s\",\"cpu\":\"", MOTE_VERSION);
    for (const char *c = cpu; *c; c++)
        fprintf(f, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    fprintf(f, "\",\"tier\":\"%s\"", best_tier());
    for (size_t i = 0; i < N_FIGURES; i++)
        fprintf(f, ",\"%s\":%.9g", figures[i].key, *figure(s, i));
    fputs("}\n", f);
    bool good = !ferror(f);
    good &= fclose(f) == 0;
    if (!good || rename(other, path) != 0)
        unlink(other);
}

/* ---- measuring ------------------------------------------------------------------------------ */

static int measure_peaks(cli_speed *s)
{
    mote_error err;
    probe_peaks peaks;
    mote_pool *pool = s->n_threads > 1 ? mote_pool_new(s->n_threads, &err) : NULL;
    if (s->n_threads > 1 && !pool)
        return cli_fail("-t", &err);
    bool good = probe_machine(&peaks, best_tier(), pool ? mote_pool_team(pool) : NULL);
    mote_pool_free(pool);
    if (!good)
        return cli_no_memory();
    s->read_bytes = peaks.read_bytes;
    s->int_ops = peaks.int_ops;
    s->float_ops = peaks.float_ops;
    s->sgemm_ops = peaks.sgemm_ops;
    return 0;
}

/* Bytes a second of a model's weights, what its layers take beside them left out. */
static double rate_of(const cli_speed *s, const mote_model_info *m, double seconds)
{
    double rest = seconds - m->n_layers * s->layer_seconds;
    return (double)m->decode_read_bytes / (rest > seconds / 4 ? rest : seconds / 4);
}

/* The three models by turns, and of each the middle round: a machine's speed changes by the second
 * where others share it. */
static int rehearse_rounds(cli_speed *s, const char *config)
{
    const char *const configs[] = {hollow, config, config};
    const size_t types[] = {2, 2, 3};
    double seconds[3][ROUNDS];
    mote_model_info m[3];
    for (size_t i = 0; i < (size_t)ROUNDS * 3; i++) {
        size_t k = i % 3;
        int code = cli_rehearse(configs[k], types[k], s->n_threads, 60, &m[k], &seconds[k][i / 3]);
        if (code)
            return code;
    }
    for (size_t k = 0; k < 3; k++)
        cli_sort(seconds[k], ROUNDS);
    s->layer_seconds = seconds[0][ROUNDS / 2] / m[0].n_layers;
    s->q8_bytes = rate_of(s, &m[1], seconds[1][ROUNDS / 2]);
    s->q4_bytes = rate_of(s, &m[2], seconds[2][ROUNDS / 2]);
    return 0;
}

static int rehearse(cli_speed *s)
{
    cli_registry r;
    int code = cli_registry_open(&r);
    if (code)
        return code;
    const cli_known *k = cli_registry_find(&r, REHEARSED);
    char *config = k ? strndup(k->config.ptr, k->config.bytes) : NULL;
    cli_registry_close(&r);
    code = config ? rehearse_rounds(s, config) : cli_no_memory();
    free(config);
    return code;
}

int cli_speed_measure(cli_speed *s, uint32_t n_threads)
{
    *s = (cli_speed){.n_threads = n_threads ? n_threads : mote_host_threads()};
    int code = measure_peaks(s);
    s->q8_bytes = s->q4_bytes = READ_SHARE * s->read_bytes;
    s->layer_seconds = LAYER_SECONDS;
    if (!code && MOTE_CONVERT)
        code = rehearse(s);
    if (!code)
        keep(s);
    return code;
}

int cli_speed_get(cli_speed *s, uint32_t n_threads)
{
    return cli_speed_read(s, n_threads) ? 0 : cli_speed_measure(s, n_threads);
}

/* ---- what follows --------------------------------------------------------------------------- */

/* The float types' products are simple; they read as fast as q8 at least. */
double cli_predict(const cli_speed *s, const char *type, uint32_t n_layers, double read_bytes)
{
    double rate = type && strncmp(type, "q4", 2) == 0 ? s->q4_bytes : s->q8_bytes;
    return 1 / (read_bytes / rate + n_layers * s->layer_seconds);
}

double cli_predict_engine(const cli_speed *s, const cli_engine *e)
{
    mote_model_info m;
    mote_encoder_info x;
    mote_session_opts so = {.kv = MOTE_KV_F16, .n_batch = 1, .n_logits = 1, .n_threads = 1};
    mote_session_plan plan;
    mote_error err;
    mote_model_get_info(e->model, &m);
    mote_model_get_encoder(e->model, &x);
    so.n_ctx = e->info.n_ctx < CLI_PREDICT_POSITIONS ? e->info.n_ctx : CLI_PREDICT_POSITIONS;
    if (x.pooling || mote_session_plan_bytes(&plan, e->model, &so, &err))
        return 0;
    return cli_predict(s, e->info.weight_type, m.n_layers,
                       (double)m.decode_read_bytes + (double)plan.kv_bytes);
}

const char *cli_speed_class(const cli_speed *s)
{
    static const struct {
        double below;
        const char *name;
    } classes[] = {{5e9, "slow"}, {15e9, "fair"}, {40e9, "good"}, {100e9, "fast"}};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (s->read_bytes < classes[i].below)
            return classes[i].name;
    return "very fast";
}
