/* family_starcoder2.c: StarCoder2 (Lozhkov et al. 2024, arXiv 2402.19173). The worked example of
 * docs/families.md: LayerNorm and grouped attention as StableLM has them, GPT-2's plain MLP between
 * them, biases everywhere. Read graph.h first.
 *
 * Tensors of layer i are those of dense.c but for the MLP's (h: hidden), below
 * "model.layers.i.mlp.": c_fc [ff, h] | c_proj [h, ff]
 */
#include "tools/convert/graph.h"

#include <stdio.h>
#include <string.h>

/* One matrix and, where the record says so, its bias. */
static void add_linear(graph *g, uint32_t i, const char *name, uint32_t kind, uint32_t bias_kind,
                       uint64_t rows, uint64_t k)
{
    char full[96];
    snprintf(full, sizeof full, "model.layers.%u.mlp.%s.weight", i, name);
    graph_add_matrix(g, i + 1, kind, full, rows, k, 0);
    snprintf(full, sizeof full, "model.layers.%u.mlp.%s.bias", i, name);
    if (g->layers[i].biases)
        graph_add_vector(g, i + 1, bias_kind, full, rows, 0);
}

/* Fields that have one value in all published models. */
static void refuse_other(graph *g, const char *key, const char *only)
{
    const char *value = config_text_or(g, g->src->config, key, only);
    if (strcmp(value, only) != 0)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: %s %s is not supported (only %s)",
                   g->src->config_file, key, value, only);
}

static void describe_starcoder2(graph *g)
{
    const dense_keys keys = {.act = "hidden_act",
                             .default_act = "gelu_pytorch_tanh",
                             .eps = "norm_epsilon",
                             .default_eps = 1e-5,
                             .tied = true};
    dense d = dense_read_keys(g, &keys);
    refuse_other(g, "norm_type", "layer_norm");
    refuse_other(g, "mlp_type", "default");
    d.layer.norm = g->index.final_norm = MOTE_NORM_LAYER;
    d.layer.mlp = MOTE_MLP_PLAIN;
    d.layer.window = config_count_or(g, "sliding_window", 1, MOTE_MAX_CONTEXT, 0);
    if (config_flag_or(g, "use_bias", true))
        d.layer.biases = MOTE_BIAS_ALL & ~(uint32_t)MOTE_BIAS_GATE;
    dense_open(g, &d);
    for (uint32_t i = 0; i < d.n_layers && !g->status; i++) {
        dense_add_norms(g, i);
        dense_add_attention(g, &d, i);
        add_linear(g, i, "c_fc", MOTE_L_UP, MOTE_L_UP_BIAS, d.layer.ff, d.hidden);
        add_linear(g, i, "c_proj", MOTE_L_DOWN, MOTE_L_DOWN_BIAS, d.hidden, d.layer.ff);
    }
}

/* The dropouts matter to training only. */
const family family_starcoder2 = {
    .model_type = "starcoder2",
    .architecture = "Starcoder2ForCausalLM",
    .options =
        (const char *const[]){"norm_epsilon", "norm_type", "mlp_type", "use_bias", "sliding_window",
                              "residual_dropout", "embedding_dropout", NULL},
    .describe = describe_starcoder2,
};
