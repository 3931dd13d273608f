/* family_gemma.c: Gemma 1, 2 and 3 (text): norms multiply by 1 + w, embeddings by sqrt(hidden), the
 * MLP is gated by GELU. Gemma 2 and 3 have norms before and after, windows in some layers; 2 has
 * soft caps, 3 norms of q and k and another rope base in layers with windows. Read graph.h first.
 */
#include <math.h>

#include "tools/convert/graph.h"

/* hidden_act is a left-over in all three: the reference reads hidden_activation. */
static dense read_gemma(graph *g)
{
    const dense_keys keys = {.head_dim = 256,
                             .act = "hidden_activation",
                             .default_act = "gelu_pytorch_tanh",
                             .eps = "rms_norm_eps",
                             .default_eps = 1e-6,
                             .tied = true};
    dense d = dense_read_keys(g, &keys);
    g->index.embed_scale = sqrtf((float)d.hidden);
    g->norm_add = g->src->is_gguf ? 0 : 1;
    return d;
}

static void describe_gemma(graph *g)
{
    dense d = read_gemma(g);
    dense_finish(g, &d);
}

static float read_cap(graph *g, const char *key, double fallback)
{
    const cJSON *config = g->src->config, *item = json_get(config, key);
    return item && cJSON_IsNull(item) ? 0
                                      : (float)config_number_or(g, config, key, 0, 1e9, fallback);
}

/* What 2 and 3 share: norms on both sides, a scale of scores of their own, caps (3: null). */
static void read_newer(graph *g, dense *d, double attn_cap, double final_cap)
{
    double scalar = config_number_or(g, g->src->config, "query_pre_attn_scalar", 0, 1e9, 256);
    d->layer.norm_place = MOTE_NORM_BEFORE_AND_AFTER;
    d->layer.attn_scale = (float)(1.0 / sqrt(scalar));
    d->layer.attn_softcap = read_cap(g, "attn_logit_softcapping", attn_cap);
    g->index.logit_softcap = read_cap(g, "final_logit_softcapping", final_cap);
}

/* Is layer i one with a window? By layer_types or, where these are not named, by the pattern. */
static void add_windows(graph *g, uint32_t pattern)
{
    const uint32_t window = dense_read_window(g);
    const bool named = config_get(g, "layer_types") != NULL;
    if (named)
        dense_windows(g, window, 0);
    for (uint32_t i = 0; !named && !g->status && i < g->index.n_layers; i++)
        g->layers[i].window = (i + 1) % pattern ? window : 0;
}

static void describe_gemma2(graph *g)
{
    dense d = read_gemma(g);
    read_newer(g, &d, 50, 30);
    dense_finish(g, &d);
    add_windows(g, 2);
}

/* Rope table 0 is that of layers without a window, 1 that of the others. Newer configurations have
 * rope_parameters for either. */
static void describe_gemma3(graph *g)
{
    dense d = read_gemma(g);
    const cJSON *both = config_get(g, "rope_parameters");
    const cJSON *global = json_get(both, "full_attention"),
                *local = json_get(both, "sliding_attention");
    uint32_t pattern =
        config_count_or(g, "sliding_window_pattern", 1, MOTE_MAX_LAYERS,
                        config_count_or(g, "_sliding_window_pattern", 1, MOTE_MAX_LAYERS, 6));
    read_newer(g, &d, 0, 0);
    d.layer.qk_norm = MOTE_QK_NORM_HEAD;
    g->index.n_rope = 2;
    d.own_rope = true;
    rope_add_table(g, 0, d.layer.rope_dim, "rope_theta", 1e6,
                   global ? global : config_get(g, "rope_scaling"));
    rope_add_table(g, 1, d.layer.rope_dim, "rope_local_base_freq", 1e4, local);
    dense_finish(g, &d);
    add_windows(g, pattern);
    uint32_t n_local = 0;
    for (uint32_t i = 0; !g->status && i < d.n_layers; i++) {
        g->layers[i].rope = g->layers[i].window ? 2 : 1;
        n_local += g->layers[i].window > 0;
    }
    if (!n_local || n_local == d.n_layers)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: all layers have a window, or none has",
                   g->src->config_file);
}

#define GEMMA_OPTIONS "hidden_activation", "cache_implementation"
#define NEWER_OPTIONS                                                                              \
    GEMMA_OPTIONS, "query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping",   \
        "sliding_window", "layer_types"

const family family_gemma = {
    .model_type = "gemma",
    .architecture = "GemmaForCausalLM",
    .options = (const char *const[]){GEMMA_OPTIONS, NULL},
    .describe = describe_gemma,
};

const family family_gemma2 = {
    .model_type = "gemma2",
    .architecture = "Gemma2ForCausalLM",
    .options = (const char *const[]){NEWER_OPTIONS, "sliding_window_size", NULL},
    .describe = describe_gemma2,
};

const family family_gemma3 = {
    .model_type = "gemma3_text",
    .architecture = "Gemma3ForCausalLM",
    .options = (const char *const[]){NEWER_OPTIONS, "sliding_window_pattern",
                                     "_sliding_window_pattern", "rope_local_base_freq", NULL},
    .describe = describe_gemma3,
};
