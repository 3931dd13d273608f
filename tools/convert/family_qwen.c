/* family_qwen.c: Qwen2, Qwen2.5 (biases on q, k, v) and Qwen3 (norms of q and k per head instead).
 * Read graph.h first. */
#include "tools/convert/graph.h"

/* In layers from max_window_layers on, or where layer_types says so. */
void qwen_windows(graph *g)
{
    uint32_t window = 0, first = 0;
    if (config_flag_or(g, "use_sliding_window", false)) {
        window = dense_read_window(g);
        first = config_count_or(g, "max_window_layers", 0, MOTE_MAX_LAYERS, 28);
    }
    dense_windows(g, window, first);
}

static void describe_qwen2(graph *g)
{
    dense d = dense_read(g, 0);
    d.layer.biases = MOTE_BIAS_Q | MOTE_BIAS_K | MOTE_BIAS_V;
    dense_finish(g, &d);
    qwen_windows(g);
}

static void describe_qwen3(graph *g)
{
    dense d = dense_read(g, 128);
    d.layer.qk_norm = MOTE_QK_NORM_HEAD;
    if (config_flag_or(g, "attention_bias", false))
        d.layer.biases = MOTE_BIAS_Q | MOTE_BIAS_K | MOTE_BIAS_V | MOTE_BIAS_O;
    dense_finish(g, &d);
    qwen_windows(g);
}

const family family_qwen2 = {
    .model_type = "qwen2",
    .architecture = "Qwen2ForCausalLM",
    .options = (const char *const[]){QWEN_WINDOW_OPTIONS, NULL},
    .describe = describe_qwen2,
};

const family family_qwen3 = {
    .model_type = "qwen3",
    .architecture = "Qwen3ForCausalLM",
    .options = (const char *const[]){QWEN_WINDOW_OPTIONS, "attention_bias", NULL},
    .describe = describe_qwen3,
};
