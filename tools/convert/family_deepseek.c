/* family_deepseek.c: DeepSeek-V2: attention through a latent, a few dense layers, then layers of
 * experts with a shared one. Read family_moe.c first; docs/decisions/0004 says how the record's
 * matrices come from the published ones.
 *
 * Tensors of layer i, below "model.layers.i.self_attn." (n: heads, h: hidden):
 *   q_proj [n (nope + rope), h], or q_a_proj [q_rank, h], q_a_layernorm, q_b_proj [.., q_rank]
 *   kv_a_proj_with_mqa [rank + rope, h] | kv_a_layernorm [rank]
 *   kv_b_proj [n (nope + v), rank]: of each head the rows that make keys, then those for values
 *   o_proj [h, n v]
 * Rotary pairs are neighbours: the last `rope` rows of each head of q, and of kv_a.
 */
#include "tools/convert/graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_RANK 65535u

static const expert_names names = {.router = "mlp.gate",
                                   .experts = "mlp.experts",
                                   .gate = "gate_proj.weight",
                                   .up = "up_proj.weight",
                                   .down = "down_proj.weight",
                                   .shared = "mlp.shared_experts"};

/* ---- attention ------------------------------------------------------------------------------ */

static void read_latent(graph *g, dense *d)
{
    mote_layer *l = &d->layer;
    uint32_t rope = config_count(g, "qk_rope_head_dim", 2, 1024);
    l->attn = MOTE_ATTN_LATENT;
    l->q_rank = (uint16_t)config_count_or(g, "q_lora_rank", 1, MAX_RANK, 0);
    l->kv_rank = (uint16_t)config_count(g, "kv_lora_rank", 1, 1024);
    l->nope_dim = (uint16_t)config_count(g, "qk_nope_head_dim", 1, 1024);
    l->v_dim = (uint16_t)config_count(g, "v_head_dim", 1, 1024);
    l->rope_dim = rope;
    l->head_dim = l->kv_rank + rope;
    if (l->n_kv_heads != l->n_heads && l->n_kv_heads != 1)
        graph_fail(g, MOTE_ERR_FILE, "%s: num_key_value_heads %u is not num_attention_heads %u",
                   g->src->config_file, l->n_kv_heads, l->n_heads);
    l->n_kv_heads = 1;
    if (rope % 2 || l->head_dim % 2 || l->head_dim > 1024)
        graph_fail(g, MOTE_ERR_UNSUPPORTED,
                   "%s: kv_lora_rank %u and qk_rope_head_dim %u (even numbers up to 1024 together)",
                   g->src->config_file, l->kv_rank, rope);
    if ((uint64_t)l->n_heads * (l->head_dim + l->nope_dim + l->v_dim) > MOTE_MAX_DIM)
        graph_fail(g, MOTE_ERR_FILE, "%s: %u heads of such sizes are too many", g->src->config_file,
                   l->n_heads);
    if (config_flag_or(g, "attention_bias", false) || config_flag_or(g, "mlp_bias", false))
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: biases are not supported for deepseek_v2",
                   g->src->config_file);
    if (config_count_or(g, "qk_head_dim", 2, 2048, l->nope_dim + rope) != l->nope_dim + rope)
        graph_fail(g, MOTE_ERR_FILE, "%s: qk_head_dim is not qk_nope_head_dim and qk_rope_head_dim",
                   g->src->config_file);
    l->attn_scale = (float)(1 / sqrt((double)(l->nope_dim + rope)) * rope_yarn_attn_scale(g));
    /* The reference gives the norms of the latents this epsilon whatever the configuration says. */
    if (l->norm_eps < 1e-6f || l->norm_eps > 1e-6f)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: rms_norm_eps %g is not supported (only 1e-6)",
                   g->src->config_file, (double)l->norm_eps);
}

static const char *tensor(char out[96], uint32_t layer, const char *name)
{
    snprintf(out, 96, "model.layers.%u.self_attn.%s.weight", layer, name);
    return out;
}

/* GGUF files have the two parts of kv_b apart, that of the keys transposed already; older ones and
 * the hub's have it whole. */
static void add_heads(graph *g, uint32_t i, const mote_layer *l)
{
    char full[96];
    const uint32_t n = l->n_heads, nope = l->nope_dim, v = l->v_dim;
    if (!source_find(g->src, tensor(full, i, "k_b_proj"))) {
        tensor(full, i, "kv_b_proj");
        graph_add_slices(g, i + 1, MOTE_L_K_UP, full, n, nope + v, 0, l->kv_rank, nope, true);
        graph_add_slices(g, i + 1, MOTE_L_V_UP, full, n, nope + v, nope, v, l->kv_rank, false);
        return;
    }
    snprintf(full, sizeof full, "model.layers.%u.self_attn", i);
    graph_add_experts(g, i + 1, MOTE_L_K_UP, full, "k_b_proj.weight", n, l->kv_rank, nope);
    graph_add_experts(g, i + 1, MOTE_L_V_UP, full, "v_b_proj.weight", n, v, l->kv_rank);
}

static void add_latent(graph *g, const dense *d, uint32_t i)
{
    char full[96];
    const mote_layer *l = &d->layer;
    const uint32_t n = l->n_heads, query = l->nope_dim + l->rope_dim;
    const uint64_t h = d->hidden;
    if (l->q_rank) {
        graph_add_matrix(g, i + 1, MOTE_L_Q_A, tensor(full, i, "q_a_proj"), l->q_rank, h, 0);
        graph_add_vector(g, i + 1, MOTE_L_Q_A_NORM, tensor(full, i, "q_a_layernorm"), l->q_rank, 0);
    }
    graph_add_matrix(g, i + 1, MOTE_L_Q, tensor(full, i, l->q_rank ? "q_b_proj" : "q_proj"),
                     (uint64_t)n * query, l->q_rank ? l->q_rank : h, 0);
    graph_pair_rows(g, query, l->rope_dim);
    graph_add_matrix(g, i + 1, MOTE_L_KV_A, tensor(full, i, "kv_a_proj_with_mqa"), l->head_dim, h,
                     0);
    graph_pair_rows(g, l->head_dim, l->rope_dim);
    graph_add_vector(g, i + 1, MOTE_L_KV_A_NORM, tensor(full, i, "kv_a_layernorm"), l->kv_rank, 0);
    add_heads(g, i, l);
    graph_add_matrix(g, i + 1, MOTE_L_O, tensor(full, i, "o_proj"), h, (uint64_t)n * l->v_dim, 0);
}

/* ---- experts -------------------------------------------------------------------------------- */

static mote_layer read_experts(graph *g)
{
    const char *method = config_text_or(g, g->src->config, "topk_method", "greedy");
    const char *scores = config_text_or(g, g->src->config, "scoring_func", "softmax");
    bool groups = strcmp(method, "group_limited_greedy") == 0;
    mote_layer l = {
        .ff = config_count(g, "moe_intermediate_size", 1, MOTE_MAX_DIM),
        .n_experts = (uint16_t)config_count(g, "n_routed_experts", 1, MOTE_MAX_EXPERTS),
        .n_experts_used = (uint16_t)config_count(g, "num_experts_per_tok", 1, MOTE_MAX_EXPERTS),
        .n_groups = 1,
        .n_groups_used = 1,
        .router_scale =
            (float)config_number_or(g, g->src->config, "routed_scaling_factor", 0, 1e3, 1)};
    if (groups) {
        l.n_groups = (uint16_t)config_count(g, "n_group", 1, MOTE_MAX_EXPERT_GROUPS);
        l.n_groups_used = (uint16_t)config_count(g, "topk_group", 1, MOTE_MAX_EXPERT_GROUPS);
    } else if (strcmp(method, "greedy") != 0)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: topk_method %s is not supported",
                   g->src->config_file, method);
    if (strcmp(scores, "softmax") != 0)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: scoring_func %s is not supported",
                   g->src->config_file, scores);
    uint64_t shared = (uint64_t)l.ff * config_count_or(g, "n_shared_experts", 0, MOTE_MAX_DIM, 0);
    if (shared > MOTE_MAX_DIM)
        graph_fail(g, MOTE_ERR_FILE, "%s: n_shared_experts times moe_intermediate_size is %llu",
                   g->src->config_file, (unsigned long long)shared);
    l.shared_ff = (uint32_t)shared;
    return l;
}

static void describe_deepseek_v2(graph *g)
{
    dense d = dense_read(g, 2);
    mote_layer moe = read_experts(g);
    uint32_t first = config_count_or(g, "first_k_dense_replace", 0, MOTE_MAX_LAYERS, 0);
    uint32_t step = config_count_or(g, "moe_layer_freq", 1, MOTE_MAX_LAYERS, 1);
    read_latent(g, &d);
    dense_open(g, &d);
    for (uint32_t i = 0; i < d.n_layers && !g->status; i++) {
        dense_add_norms(g, i);
        add_latent(g, &d, i);
        if (i >= first && i % step == 0)
            experts_add(g, &d, i, &moe, &names);
        else
            dense_add_mlp(g, &d, i);
    }
}

const family family_deepseek_v2 = {
    .model_type = "deepseek_v2",
    .architecture = "DeepseekV2ForCausalLM",
    /* The last four matter to training only, or to how work is shared. */
    .options = (const char *const[]){"q_lora_rank",
                                     "kv_lora_rank",
                                     "qk_nope_head_dim",
                                     "qk_rope_head_dim",
                                     "qk_head_dim",
                                     "v_head_dim",
                                     "first_k_dense_replace",
                                     "moe_layer_freq",
                                     "moe_intermediate_size",
                                     "n_routed_experts",
                                     "n_shared_experts",
                                     "num_experts_per_tok",
                                     "n_group",
                                     "topk_group",
                                     "topk_method",
                                     "scoring_func",
                                     "routed_scaling_factor",
                                     "aux_loss_alpha",
                                     "seq_aux",
                                     "ep_size",
                                     "attention_bias",
                                     "mlp_bias",
                                     "output_router_logits",
                                     NULL},
    .describe = describe_deepseek_v2,
};
