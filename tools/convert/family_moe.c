/* family_moe.c: Mixtral, Qwen2-MoE, Qwen3-MoE: the dense families of their names with experts as
 * MLPs in all or some layers. Read family_llama.c, family_qwen.c and experts.c first. */
#include "tools/convert/graph.h"

#include <string.h>

static const expert_names mixtral_names = {.router = "block_sparse_moe.gate",
                                           .experts = "block_sparse_moe.experts",
                                           .gate = "w1.weight",
                                           .up = "w3.weight",
                                           .down = "w2.weight"};

static const expert_names qwen_names = {.router = "mlp.gate",
                                        .experts = "mlp.experts",
                                        .gate = "gate_proj.weight",
                                        .up = "up_proj.weight",
                                        .down = "down_proj.weight",
                                        .shared = "mlp.shared_expert",
                                        .shared_mix = "mlp.shared_expert_gate"};

/* Every layer has experts, and their weights add up to one. */
static void describe_mixtral(graph *g)
{
    dense d = dense_read(g, 0);
    mote_layer moe = {
        .ff = d.layer.ff,
        .n_experts = (uint16_t)config_count(g, "num_local_experts", 1, MOTE_MAX_EXPERTS),
        .n_experts_used = (uint16_t)config_count(g, "num_experts_per_tok", 1, MOTE_MAX_EXPERTS),
        .n_groups = 1,
        .n_groups_used = 1,
        .router = MOTE_ROUTER_NORMALIZE,
        .router_scale = 1};
    d.layer.window = config_count_or(g, "sliding_window", 1, MOTE_MAX_CONTEXT, 0);
    dense_open(g, &d);
    for (uint32_t i = 0; i < d.n_layers && !g->status; i++) {
        dense_add_norms(g, i);
        dense_add_attention(g, &d, i);
        experts_add(g, &d, i, &moe, &mixtral_names);
    }
}

/* Newer files say num_local_experts. */
static mote_layer read_qwen_experts(graph *g)
{
    const char *count = config_get(g, "num_experts") ? "num_experts" : "num_local_experts";
    bool normalizes = config_flag_or(g, "norm_topk_prob", false);
    return (mote_layer){.ff = config_count(g, "moe_intermediate_size", 1, MOTE_MAX_DIM),
                        .n_experts = (uint16_t)config_count(g, count, 1, MOTE_MAX_EXPERTS),
                        .n_experts_used =
                            (uint16_t)config_count(g, "num_experts_per_tok", 1, MOTE_MAX_EXPERTS),
                        .n_groups = 1,
                        .n_groups_used = 1,
                        .router = normalizes ? MOTE_ROUTER_NORMALIZE : 0,
                        .router_scale = 1};
}

/* mlp_only_layers lists dense layers; of the others every decoder_sparse_step-th has experts. */
static bool has_experts(graph *g, uint32_t i, uint32_t step)
{
    const cJSON *list = config_get(g, "mlp_only_layers");
    if (list && !cJSON_IsArray(list))
        graph_fail(g, MOTE_ERR_FILE, "%s: mlp_only_layers is not a list", g->src->config_file);
    for (const cJSON *item = list ? list->child : NULL; item; item = item->next) {
        uint64_t layer = 0;
        if (!json_integer(item, 0, MOTE_MAX_LAYERS, &layer))
            graph_fail(g, MOTE_ERR_FILE, "%s: mlp_only_layers has something other than layers",
                       g->src->config_file);
        else if (layer == i)
            return false;
    }
    return (i + 1) % step == 0;
}

static void finish_qwen(graph *g, const dense *d, const mote_layer *moe)
{
    uint32_t step = config_count_or(g, "decoder_sparse_step", 1, MOTE_MAX_LAYERS, 1);
    dense_open(g, d);
    for (uint32_t i = 0; i < d->n_layers && !g->status; i++) {
        dense_add_norms(g, i);
        dense_add_attention(g, d, i);
        if (has_experts(g, i, step))
            experts_add(g, d, i, moe, &qwen_names);
        else
            dense_add_mlp(g, d, i);
    }
    qwen_windows(g);
}

static void describe_qwen2_moe(graph *g)
{
    dense d = dense_read(g, 0);
    mote_layer moe = read_qwen_experts(g);
    moe.shared_ff = config_count(g, "shared_expert_intermediate_size", 1, MOTE_MAX_DIM);
    moe.router |= MOTE_ROUTER_SHARED_MIX;
    if (config_flag_or(g, "qkv_bias", true))
        d.layer.biases = MOTE_BIAS_Q | MOTE_BIAS_K | MOTE_BIAS_V;
    finish_qwen(g, &d, &moe);
}

static void describe_qwen3_moe(graph *g)
{
    dense d = dense_read(g, 0);
    mote_layer moe = read_qwen_experts(g);
    d.layer.qk_norm = MOTE_QK_NORM_HEAD;
    if (config_flag_or(g, "attention_bias", false))
        d.layer.biases = MOTE_BIAS_Q | MOTE_BIAS_K | MOTE_BIAS_V | MOTE_BIAS_O;
    finish_qwen(g, &d, &moe);
}

/* The last two and the jitter matter to training only. */
#define MOE_OPTIONS "num_experts_per_tok", "output_router_logits", "router_aux_loss_coef"
#define QWEN_MOE_OPTIONS                                                                           \
    MOE_OPTIONS, QWEN_WINDOW_OPTIONS, "decoder_sparse_step", "moe_intermediate_size",              \
        "num_experts", "num_local_experts", "norm_topk_prob", "mlp_only_layers"

const family family_mixtral = {
    .model_type = "mixtral",
    .architecture = "MixtralForCausalLM",
    .options = (const char *const[]){MOE_OPTIONS, "num_local_experts", "router_jitter_noise",
                                     "sliding_window", NULL},
    .describe = describe_mixtral,
};

const family family_qwen2_moe = {
    .model_type = "qwen2_moe",
    .architecture = "Qwen2MoeForCausalLM",
    .options = (const char *const[]){QWEN_MOE_OPTIONS, "shared_expert_intermediate_size",
                                     "qkv_bias", NULL},
    .describe = describe_qwen2_moe,
};

const family family_qwen3_moe = {
    .model_type = "qwen3_moe",
    .architecture = "Qwen3MoeForCausalLM",
    .options = (const char *const[]){QWEN_MOE_OPTIONS, "attention_bias", NULL},
    .describe = describe_qwen3_moe,
};
