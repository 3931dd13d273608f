/* rope.c: inverse frequencies of rotary positions, in the arithmetic of the reference (PyTorch,
 * f32), operation by operation. Read graph.h first; NUMERICS "Positions" says how they are used.
 *
 *   f[i] = 1 / theta^(2i / dim), i < dim/2; then scaled by rope type
 */
#include "tools/convert/graph.h"

#include <math.h>
#include <string.h>

const cJSON *rope_options(graph *g)
{
    const cJSON *options = config_get(g, "rope_scaling");
    if (!options)
        options = config_get(g, "rope_parameters");
    if (options && !cJSON_IsObject(options))
        graph_fail(g, MOTE_ERR_FILE, "%s: the rope parameters are not an object",
                   g->src->config_file);
    return options;
}

const char *rope_type(graph *g, const cJSON *options)
{
    return config_text_or(g, options, "rope_type", config_text_or(g, options, "type", "default"));
}

typedef struct rope {
    double theta;
    const char *type;
    const cJSON *options; /* rope_scaling, rope_parameters, or NULL */
} rope;

/* Older style: rope_theta and rope_scaling {type or rope_type, ...}; newer: rope_parameters. */
static rope read_rope(graph *g, const char *theta_key, double theta, const cJSON *options)
{
    if (options && !cJSON_IsObject(options))
        graph_fail(g, MOTE_ERR_FILE, "%s: the rope parameters are not an object",
                   g->src->config_file);
    theta = config_number_or(g, g->src->config, theta_key, 0, 1e15, theta);
    return (rope){.theta = config_number_or(g, options, "rope_theta", 0, 1e15, theta),
                  .type = rope_type(g, options),
                  .options = options};
}

/* Members that no type here reads; a value that changes nothing passes. */
static void check_members(graph *g, const rope *r, bool is_long)
{
    static const char *const known[] = {"rope_theta",
                                        "rope_type",
                                        "type",
                                        "factor",
                                        "low_freq_factor",
                                        "high_freq_factor",
                                        "original_max_position_embeddings",
                                        NULL};
    static const char *const long_known[] = {"short_factor", "long_factor", "attention_factor"};
    for (const cJSON *c = r->options ? r->options->child : NULL; c; c = c->next) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], c->string) != 0)
            i++;
        bool longs = false;
        for (size_t j = 0; is_long && j < 3; j++)
            longs |= strcmp(long_known[j], c->string) == 0;
        bool whole = strcmp(c->string, "partial_rotary_factor") == 0 && cJSON_IsNumber(c) &&
                     (g->reads_partial || (!(c->valuedouble < 1) && !(c->valuedouble > 1)));
        bool yarn = strcmp(r->type, "yarn") == 0 && rope_is_yarn_member(c->string);
        if (!known[i] && !yarn && !whole && !longs && !cJSON_IsNull(c))
            graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: rope option %s is not supported",
                       g->src->config_file, c->string);
    }
}

static double required(graph *g, const rope *r, const char *key, double max)
{
    double value = config_number_or(g, r->options, key, 0, max, -1);
    if (value < 0)
        graph_fail(g, MOTE_ERR_FILE, "%s: the rope parameters have no %s", g->src->config_file,
                   key);
    return value;
}

static void scale_linear(graph *g, const rope *r, float *f, uint32_t n)
{
    float factor = (float)required(g, r, "factor", 1e6);
    for (uint32_t i = 0; i < n; i++)
        f[i] = f[i] / factor;
}

/* Llama 3: long waves are slowed by `factor`, short ones kept, those between blended. PyTorch
 * divides a number by a tensor as the reciprocal times the number; so does this. */
static void scale_llama3(graph *g, const rope *r, float *f, uint32_t n)
{
    const float factor = (float)required(g, r, "factor", 1e6);
    const double low = required(g, r, "low_freq_factor", 1e6);
    const double high = required(g, r, "high_freq_factor", 1e6);
    const double old = required(g, r, "original_max_position_embeddings", MOTE_MAX_CONTEXT);
    const float two_pi = (float)(2 * 3.14159265358979323846);
    if (!(high > low))
        graph_fail(g, MOTE_ERR_FILE, "%s: high_freq_factor is not above low_freq_factor",
                   g->src->config_file);
    for (uint32_t i = 0; i < n && !g->status; i++) {
        float wave = (1.0f / f[i]) * two_pi;
        float smooth = ((1.0f / wave) * (float)old - (float)low) / (float)(high - low);
        bool is_long = wave > (float)(old / low), is_short = wave < (float)(old / high);
        float scaled = is_long ? f[i] / factor : f[i];
        float blend = (1.0f - smooth) * scaled / factor + smooth * scaled;
        f[i] = is_long || is_short ? scaled : blend;
    }
}

/* GGUF files of Llama 3 hold the scaling as one divisor a frequency. */
static void divide_by_tensor(graph *g, float *f, uint32_t n)
{
    src_tensor *t = source_find(g->src, "rope_freqs.weight");
    float *divisor = t ? pool_take(&g->src->pool, n, sizeof *divisor, g->src->err) : NULL;
    if (!t || g->status)
        return;
    t->used = true;
    if (t->type != SRC_F32 || t->rank != 1 || t->shape[0] != n)
        graph_fail(g, MOTE_ERR_FILE, "tensor %s is not a vector of %u F32", t->label, n);
    else if (!divisor || file_read(&g->src->files[t->file], t->offset, divisor, n * sizeof *divisor,
                                   g->src->err))
        g->status = g->src->err->status;
    for (uint32_t i = 0; i < n && !g->status; i++)
        f[i] = f[i] / divisor[i];
}

/* The plain frequencies, in the source's pool; NULL after a failure. */
static float *plain(graph *g, const rope *r, uint32_t n, uint32_t dim)
{
    float *f = g->status ? NULL : pool_take(&g->src->pool, n, sizeof *f, g->src->err);
    if (!f && !g->status)
        g->status = g->src->err->status;
    for (uint32_t i = 0; f && i < n; i++)
        f[i] = 1.0f / (float)pow(r->theta, (double)((float)(2 * i) / (float)dim));
    return f;
}

static void add_table(graph *g, uint32_t table, const float *f, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!isfinite(f[i]))
            graph_fail(g, MOTE_ERR_FILE, "%s: a rotary frequency is not finite",
                       g->src->config_file);
    graph_add_values(g, 0, MOTE_W_ROPE + table, f, n);
}

void rope_add_table(graph *g, uint32_t table, uint32_t dim, const char *theta_key, double theta,
                    const cJSON *options)
{
    const uint32_t n = dim / 2;
    rope r = read_rope(g, theta_key, theta, options);
    float *f = plain(g, &r, n, dim);
    if (!f)
        return;
    if (strcmp(r.type, "linear") == 0)
        scale_linear(g, &r, f, n);
    else if (strcmp(r.type, "llama3") == 0)
        scale_llama3(g, &r, f, n);
    else if (strcmp(r.type, "yarn") == 0)
        rope_scale_yarn(g, r.options, r.theta, f, dim);
    else if (strcmp(r.type, "default") != 0)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: rope type %s is not supported",
                   g->src->config_file, r.type);
    check_members(g, &r, false);
    divide_by_tensor(g, f, n);
    add_table(g, table, f, n);
}

void rope_add(graph *g, uint32_t dim)
{
    rope_add_table(g, 0, dim, "rope_theta", 10000 /* as transformers */, rope_options(g));
}

/* ---- longrope ------------------------------------------------------------------------------- */

/* A list of n factors, by which frequencies are divided. */
static float *divide_by_list(graph *g, const rope *r, const char *key, uint32_t n, uint32_t dim)
{
    const cJSON *list = json_get(r->options, key), *item = list ? list->child : NULL;
    float *f = plain(g, r, n, dim);
    if (!cJSON_IsArray(list) || (uint32_t)cJSON_GetArraySize(list) != n)
        graph_fail(g, MOTE_ERR_FILE, "%s: %s is not a list of %u numbers", g->src->config_file, key,
                   n);
    for (uint32_t i = 0; f && i < n && !g->status; i++, item = item->next) {
        float power = (float)pow(r->theta, (double)((float)(2 * i) / (float)dim));
        if (!cJSON_IsNumber(item) || !(item->valuedouble > 0))
            graph_fail(g, MOTE_ERR_FILE, "%s: %s has something that is no factor",
                       g->src->config_file, key);
        f[i] = 1.0f / ((float)item->valuedouble * power);
    }
    return g->status ? NULL : f;
}

/* cos and sin are multiplied by sqrt(1 + ln(max / original) / ln(original)) in short and in long
 * sessions; original_max_position_embeddings stands beside the options or among them. */
bool rope_add_long(graph *g, mote_layer *l)
{
    const uint32_t n = l->rope_dim / 2;
    rope r = read_rope(g, "rope_theta", 10000, rope_options(g));
    if (g->status || (strcmp(r.type, "longrope") != 0 && strcmp(r.type, "su") != 0))
        return false;
    double inner =
        config_number_or(g, r.options, "original_max_position_embeddings", 0, MOTE_MAX_CONTEXT, 0);
    double original = config_number_or(g, g->src->config, "original_max_position_embeddings", 0,
                                       MOTE_MAX_CONTEXT, inner);
    double factor = original > 0 ? (double)g->index.n_ctx / original : 1;
    double scale = factor > 1 ? sqrt(1 + log(factor) / log(original)) : 1;
    if (!(original > 1))
        graph_fail(g, MOTE_ERR_FILE, "%s: longrope has no original_max_position_embeddings",
                   g->src->config_file);
    check_members(g, &r, true);
    const float *brief = divide_by_list(g, &r, "short_factor", n, l->rope_dim);
    const float *wide = divide_by_list(g, &r, "long_factor", n, l->rope_dim);
    l->rope_scale = (float)config_number_or(g, r.options, "attention_factor", 0, 1e6, scale);
    l->rope_long = 2;
    g->index.rope_long_from = (uint32_t)original;
    g->index.n_rope = 2;
    if (brief && wide) {
        add_table(g, 0, brief, n);
        add_table(g, 1, wide, n);
    }
    return true;
}
