/* gguf_experts.c: GGUF files of models with experts, and with a latent, in the words of the hub.
 * Read gguf_source.c first; the families are in family_moe.c and family_deepseek.c.
 */
#include "tools/convert/gguf.h"

#include <stdio.h>
#include <string.h>

static mote_status fail(const gguf *g, const char *key, const char *what)
{
    return convert_fail(g->s->err, MOTE_ERR_UNSUPPORTED, "%s: %s %s", g->f->name, key, what);
}

static bool is_number(const gguf_value *v)
{
    return v && v->type != GGUF_STRING && v->type != GGUF_ARRAY;
}

static mote_status put(const gguf *g, cJSON *to, const char *key, double n)
{
    return cJSON_AddNumberToObject(to, key, n)
               ? MOTE_OK
               : convert_fail(g->s->err, MOTE_ERR_MEMORY, "%s: no memory", g->f->name);
}

static mote_status put_flag(const gguf *g, const char *key, bool flag)
{
    return cJSON_AddBoolToObject(g->s->config, key, flag)
               ? MOTE_OK
               : convert_fail(g->s->err, MOTE_ERR_MEMORY, "%s: no memory", g->f->name);
}

typedef struct renamed {
    const char *name, *key;
} renamed;

/* Copies what is there; a family refuses what is missing. */
static mote_status copy(const gguf *g, const renamed *names, size_t n)
{
    mote_status status = MOTE_OK;
    for (size_t i = 0; i < n && !status; i++) {
        const gguf_value *v = gguf_find_arch(g, names[i].name);
        if (v && !is_number(v))
            status = fail(g, v->key, "is no number");
        else if (v)
            status = put(g, g->s->config, names[i].key, v->number);
    }
    return status;
}

/* ---- configuration -------------------------------------------------------------------------- */

/* Llama with experts is Mixtral; BERT with SentencePiece's vocabulary is XLM-RoBERTa. */
const char *gguf_model_type(const gguf *g, const gguf_arch *arch)
{
    const gguf_value *experts = gguf_find_arch(g, "expert_count");
    const gguf_value *words = gguf_find(g, "tokenizer.ggml.model");
    bool pieces = words && words->type == GGUF_STRING && strcmp(words->text.ptr, "t5") == 0;
    if (strcmp(arch->name, "llama") == 0 && is_number(experts) && experts->number > 0)
        return "mixtral";
    return arch->encoder && pieces ? "xlm-roberta" : arch->model_type;
}

/* Sizes of a head: files made for one key of all heads say them with _mla. */
static mote_status put_latent(const gguf *g)
{
    static const renamed names[] = {{"attention.q_lora_rank", "q_lora_rank"},
                                    {"attention.kv_lora_rank", "kv_lora_rank"},
                                    {"rope.dimension_count", "qk_rope_head_dim"}};
    const gguf_value *rope = gguf_find_arch(g, "rope.dimension_count");
    const gguf_value *key = gguf_find_arch(g, "attention.key_length_mla");
    const gguf_value *value = gguf_find_arch(g, "attention.value_length_mla");
    key = key ? key : gguf_find_arch(g, "attention.key_length");
    value = value ? value : gguf_find_arch(g, "attention.value_length");
    if (!is_number(key) || !is_number(value) || !is_number(rope))
        return convert_fail(g->s->err, MOTE_ERR_FILE, "%s: sizes of a head are missing",
                            g->f->name);
    mote_status status = copy(g, names, sizeof names / sizeof *names);
    if (!status)
        status = put(g, g->s->config, "qk_nope_head_dim", key->number - rope->number);
    return status ? status : put(g, g->s->config, "v_head_dim", value->number);
}

/* Published DeepSeek files have mscale = mscale_all_dim; the format keeps a tenth of it. */
static mote_status put_mscale(const gguf *g)
{
    const gguf_value *multiplier = gguf_find_arch(g, "rope.scaling.yarn_log_multiplier");
    cJSON *scaling = cJSON_GetObjectItemCaseSensitive(g->s->config, "rope_scaling");
    if (!multiplier || !scaling)
        return MOTE_OK;
    if (!is_number(multiplier))
        return fail(g, multiplier->key, "is no number");
    double mscale = multiplier->number * 10;
    mote_status status = put(g, scaling, "mscale", mscale);
    return status ? status : put(g, scaling, "mscale_all_dim", mscale);
}

static mote_status put_deepseek(const gguf *g)
{
    static const renamed names[] = {{"expert_count", "n_routed_experts"},
                                    {"expert_used_count", "num_experts_per_tok"},
                                    {"expert_shared_count", "n_shared_experts"},
                                    {"expert_feed_forward_length", "moe_intermediate_size"},
                                    {"expert_weights_scale", "routed_scaling_factor"},
                                    {"expert_group_count", "n_group"},
                                    {"expert_group_used_count", "topk_group"},
                                    {"leading_dense_block_count", "first_k_dense_replace"}};
    const gguf_value *gating = gguf_find_arch(g, "expert_gating_func");
    const gguf_value *norm = gguf_find_arch(g, "expert_weights_norm");
    const gguf_value *groups = gguf_find_arch(g, "expert_group_count");
    if (gating && (!is_number(gating) || gating->number < 1 || gating->number > 1))
        return fail(g, gating->key, "is not supported (only softmax)");
    if (norm && (norm->type != GGUF_BOOL || norm->number > 0))
        return fail(g, norm->key, "is not supported");
    mote_status status = copy(g, names, sizeof names / sizeof *names);
    if (!status && is_number(groups) && groups->number > 1 &&
        !cJSON_AddStringToObject(g->s->config, "topk_method", "group_limited_greedy"))
        status = convert_fail(g->s->err, MOTE_ERR_MEMORY, "%s: no memory", g->f->name);
    if (!status)
        status = put_latent(g);
    return status ? status : put_mscale(g);
}

/* Layers that have no router are dense. */
static mote_status put_dense_layers(const gguf *g)
{
    cJSON *list = cJSON_AddArrayToObject(g->s->config, "mlp_only_layers");
    const cJSON *layers = json_get(g->s->config, "num_hidden_layers");
    bool ok = list != NULL;
    for (int i = 0; ok && layers && i < layers->valuedouble && i < (int)MOTE_MAX_LAYERS; i++) {
        char name[48];
        snprintf(name, sizeof name, "blk.%d.ffn_gate_inp.weight", i);
        size_t t = 0;
        while (t < g->n_tensors && strcmp(g->tensors[t].label, name) != 0)
            t++;
        if (t == g->n_tensors)
            ok = cJSON_AddItemToArray(list, cJSON_CreateNumber(i));
    }
    return ok ? MOTE_OK : convert_fail(g->s->err, MOTE_ERR_MEMORY, "%s: no memory", g->f->name);
}

static mote_status put_experts(const gguf *g, bool mixtral)
{
    static const renamed names[] = {
        {"expert_used_count", "num_experts_per_tok"},
        {"expert_feed_forward_length", "moe_intermediate_size"},
        {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"}};
    const renamed count = {"expert_count", mixtral ? "num_local_experts" : "num_experts"};
    mote_status status = copy(g, &count, 1);
    return status ? status : copy(g, names, mixtral ? 1 : 3);
}

mote_status gguf_put_experts(const gguf *g, const char *model_type)
{
    const gguf_value *multiplier = gguf_find_arch(g, "rope.scaling.yarn_log_multiplier");
    if (strcmp(model_type, "deepseek_v2") == 0)
        return put_deepseek(g);
    if (multiplier)
        return fail(g, multiplier->key, "is not supported");
    if (strcmp(model_type, "mixtral") == 0)
        return put_experts(g, true);
    if (!gguf_has_experts(model_type))
        return MOTE_OK;
    /* Not in the file; published Qwen3 models divide by the sum, Qwen2's do not. */
    mote_status status = put_flag(g, "norm_topk_prob", strcmp(model_type, "qwen3_moe") == 0);
    if (!status)
        status = put_dense_layers(g);
    return status ? status : put_experts(g, false);
}

bool gguf_has_experts(const char *model_type)
{
    return strcmp(model_type, "mixtral") == 0 || strcmp(model_type, "qwen2_moe") == 0 ||
           strcmp(model_type, "qwen3_moe") == 0 || strcmp(model_type, "deepseek_v2") == 0;
}

/* ---- tensor names --------------------------------------------------------------------------- */

static const char *find_name(const renamed *names, size_t n, const char *part)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(part, names[i].name) == 0)
            return names[i].key;
    return NULL;
}

const char *gguf_expert_part(const char *model_type, const char *part)
{
    static const renamed mixtral[] = {{"ffn_gate_inp", "block_sparse_moe.gate"},
                                      {"ffn_gate_exps", "block_sparse_moe.experts.w1"},
                                      {"ffn_up_exps", "block_sparse_moe.experts.w3"},
                                      {"ffn_down_exps", "block_sparse_moe.experts.w2"}};
    static const renamed experts[] = {{"ffn_gate_inp", "mlp.gate"},
                                      {"ffn_gate_exps", "mlp.experts.gate_proj"},
                                      {"ffn_up_exps", "mlp.experts.up_proj"},
                                      {"ffn_down_exps", "mlp.experts.down_proj"}};
    static const renamed qwen[] = {{"ffn_gate_inp_shexp", "mlp.shared_expert_gate"},
                                   {"ffn_gate_shexp", "mlp.shared_expert.gate_proj"},
                                   {"ffn_up_shexp", "mlp.shared_expert.up_proj"},
                                   {"ffn_down_shexp", "mlp.shared_expert.down_proj"}};
    static const renamed deepseek[] = {{"ffn_gate_shexp", "mlp.shared_experts.gate_proj"},
                                       {"ffn_up_shexp", "mlp.shared_experts.up_proj"},
                                       {"ffn_down_shexp", "mlp.shared_experts.down_proj"},
                                       {"attn_q_a", "self_attn.q_a_proj"},
                                       {"attn_q_a_norm", "self_attn.q_a_layernorm"},
                                       {"attn_q_b", "self_attn.q_b_proj"},
                                       {"attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa"},
                                       {"attn_kv_a_norm", "self_attn.kv_a_layernorm"},
                                       {"attn_kv_b", "self_attn.kv_b_proj"},
                                       {"attn_k_b", "self_attn.k_b_proj"},
                                       {"attn_v_b", "self_attn.v_b_proj"}};
    const char *name = NULL;
    if (strcmp(model_type, "mixtral") == 0)
        return find_name(mixtral, sizeof mixtral / sizeof *mixtral, part);
    if (gguf_has_experts(model_type))
        name = find_name(experts, sizeof experts / sizeof *experts, part);
    if (!name && strcmp(model_type, "qwen2_moe") == 0)
        name = find_name(qwen, sizeof qwen / sizeof *qwen, part);
    if (!name && strcmp(model_type, "deepseek_v2") == 0)
        name = find_name(deepseek, sizeof deepseek / sizeof *deepseek, part);
    return name;
}
