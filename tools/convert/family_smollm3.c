/* family_smollm3.c: SmolLM3 (llama, some layers without rotary positions), OLMo 2 (norms after the
 * parts, q and k normalised over all heads) and StableLM (LayerNorm, part of a head turns). Read
 * graph.h first. */
#include "tools/convert/graph.h"

#define ATTENTION_BIASES (MOTE_BIAS_Q | MOTE_BIAS_K | MOTE_BIAS_V | MOTE_BIAS_O)
#define MLP_BIASES (MOTE_BIAS_GATE | MOTE_BIAS_UP | MOTE_BIAS_DOWN)

/* no_rope_layers[i] is 1 for a layer that turns; without the list every no_rope_layer_interval-th
 * does not. */
static void set_rope(graph *g)
{
    const cJSON *list = config_get(g, "no_rope_layers"), *item = list ? list->child : NULL;
    uint32_t interval = config_count_or(g, "no_rope_layer_interval", 1, MOTE_MAX_LAYERS, 4);
    if (list && (!cJSON_IsArray(list) || (uint32_t)cJSON_GetArraySize(list) != g->index.n_layers))
        graph_fail(g, MOTE_ERR_FILE, "%s: no_rope_layers is not a list of %u numbers",
                   g->src->config_file, g->index.n_layers);
    bool any = false;
    for (uint32_t i = 0; !g->status && i < g->index.n_layers; i++) {
        uint64_t turns = (i + 1) % interval != 0;
        if (item && !json_integer(item, 0, 1, &turns))
            graph_fail(g, MOTE_ERR_FILE, "%s: no_rope_layers has something that is neither 0 nor 1",
                       g->src->config_file);
        g->layers[i].rope = (uint32_t)turns;
        any |= turns;
        item = item ? item->next : NULL;
    }
    if (!g->status && !any)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: no layer has rotary positions",
                   g->src->config_file);
}

static void describe_smollm3(graph *g)
{
    dense d = dense_read(g, 0);
    uint32_t window = config_flag_or(g, "use_sliding_window", false) ? dense_read_window(g) : 0;
    if (config_flag_or(g, "attention_bias", false))
        d.layer.biases |= ATTENTION_BIASES;
    if (config_flag_or(g, "mlp_bias", false))
        d.layer.biases |= MLP_BIASES;
    dense_finish(g, &d);
    set_rope(g);
    dense_windows(g, window, 0);
}

static void describe_olmo2(graph *g)
{
    const dense_keys keys = {
        .act = "hidden_act", .default_act = "silu", .eps = "rms_norm_eps", .default_eps = 1e-5};
    dense d = dense_read_keys(g, &keys);
    d.layer.norm_place = MOTE_NORM_AFTER;
    d.layer.qk_norm = MOTE_QK_NORM_WHOLE;
    if (config_flag_or(g, "attention_bias", false))
        d.layer.biases |= ATTENTION_BIASES;
    dense_finish(g, &d);
}

static void describe_stablelm(graph *g)
{
    const dense_keys keys = {
        .act = "hidden_act", .default_act = "silu", .eps = "layer_norm_eps", .default_eps = 1e-5};
    dense d = dense_read_keys(g, &keys);
    d.layer.norm = g->index.final_norm = MOTE_NORM_LAYER;
    if (config_flag_or(g, "use_qkv_bias", false))
        d.layer.biases |= MOTE_BIAS_Q | MOTE_BIAS_K | MOTE_BIAS_V;
    dense_read_partial(g, &d, 0.25);
    dense_finish(g, &d);
}

const family family_smollm3 = {
    .model_type = "smollm3",
    .architecture = "SmolLM3ForCausalLM",
    .options = (const char *const[]){"attention_bias", "mlp_bias", "no_rope_layers",
                                     "no_rope_layer_interval", "layer_types", "use_sliding_window",
                                     "sliding_window", "max_window_layers", NULL},
    .describe = describe_smollm3,
};

const family family_olmo2 = {
    .model_type = "olmo2",
    .architecture = "Olmo2ForCausalLM",
    .options = (const char *const[]){"attention_bias", NULL},
    .describe = describe_olmo2,
};

const family family_stablelm = {
    .model_type = "stablelm",
    .architecture = "StableLmForCausalLM",
    .options = (const char *const[]){"layer_norm_eps", "use_qkv_bias", "partial_rotary_factor",
                                     "hidden_dropout", NULL},
    .describe = describe_stablelm,
};
