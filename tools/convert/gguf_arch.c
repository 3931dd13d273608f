/* gguf_arch.c: what GGUF's architectures call things, and what llama.cpp knows without the file
 * saying so. Read gguf.h first; gguf_source.c does the work. The keys are those of llama.cpp's
 * converter, the words those of the hub's configurations.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/convert/gguf.h"

static const cJSON *config_of(const gguf *g, const char *key)
{
    return json_get(g->s->config, key);
}

static double number_of(const gguf *g, const char *key)
{
    const cJSON *item = config_of(g, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static mote_status set_number(const gguf *g, cJSON *object, const char *key, double n)
{
    return cJSON_AddNumberToObject(object, key, n)
               ? MOTE_OK
               : convert_fail(g->s->err, MOTE_ERR_MEMORY, "%s: no memory", g->f->name);
}

static src_tensor *find_tensor(const gguf *g, const char *label)
{
    for (size_t i = 0; i < g->n_tensors; i++)
        if (strcmp(g->tensors[i].label, label) == 0)
            return &g->tensors[i];
    return NULL;
}

/* ---- phi3 ----------------------------------------------------------------------------------- */

/* The part of a head that turns; half a dimension more, so that rounding down gives it back. */
static mote_status set_partial(const gguf *g)
{
    const gguf_value *v = gguf_find_arch(g, "rope.dimension_count");
    double head = number_of(g, "head_dim");
    if (!v || head < 1 || !(v->number >= 2) || !(v->number <= head))
        return v ? convert_fail(g->s->err, MOTE_ERR_FILE, "%s: %s does not fit the head",
                                g->f->name, v->key)
                 : MOTE_OK;
    double part = (v->number + 0.5) / head;
    return set_number(g, g->s->config, "partial_rotary_factor", part < 1 ? part : 1);
}

/* Factors of longrope are tensors here and lists in the hub's configurations. */
static mote_status set_factors(const gguf *g, cJSON *scaling, const char *label, const char *key)
{
    src_tensor *t = find_tensor(g, label);
    float values[512];
    if (!t || t->type != SRC_F32 || t->rank != 1 || t->shape[0] > 512)
        return convert_fail(g->s->err, MOTE_ERR_FILE, "%s: tensor %s is not a short vector of F32",
                            g->f->name, label);
    size_t n = (size_t)t->shape[0];
    t->used = true;
    mote_status status =
        file_read(&g->s->files[t->file], t->offset, values, n * sizeof *values, g->s->err);
    cJSON *list = status ? NULL : cJSON_AddArrayToObject(scaling, key);
    for (size_t i = 0; i < n && !status; i++) {
        cJSON *item = isfinite(values[i]) ? cJSON_CreateNumber((double)values[i]) : NULL;
        if (!list || !item || !cJSON_AddItemToArray(list, item))
            status = convert_fail(g->s->err, MOTE_ERR_FILE, "%s: tensor %s has a bad value",
                                  g->f->name, label);
    }
    return status;
}

static mote_status configure_phi3(const gguf *g)
{
    const gguf_value *factor = gguf_find_arch(g, "rope.scaling.attn_factor");
    mote_status status = set_partial(g);
    if (status || !find_tensor(g, "rope_factors_long.weight"))
        return status;
    cJSON *scaling = cJSON_AddObjectToObject(g->s->config, "rope_scaling");
    if (!scaling || !cJSON_AddStringToObject(scaling, "rope_type", "longrope"))
        return convert_fail(g->s->err, MOTE_ERR_MEMORY, "%s: no memory", g->f->name);
    status = set_factors(g, scaling, "rope_factors_short.weight", "short_factor");
    if (!status)
        status = set_factors(g, scaling, "rope_factors_long.weight", "long_factor");
    if (!status && factor)
        status = set_number(g, scaling, "attention_factor", factor->number);
    return status;
}

/* ---- gemma ---------------------------------------------------------------------------------- */

/* The scale of scores is not in the file: by the head, but in the largest by hidden / heads. */
static mote_status set_query_scale(const gguf *g, double layers_of_27b)
{
    double heads = number_of(g, "num_attention_heads"), layers = number_of(g, "num_hidden_layers");
    bool is_27b = !(layers < layers_of_27b) && !(layers > layers_of_27b) && heads >= 1;
    double scalar = is_27b ? number_of(g, "hidden_size") / heads : number_of(g, "head_dim");
    return set_number(g, g->s->config, "query_pre_attn_scalar", scalar);
}

static mote_status configure_gemma2(const gguf *g) { return set_query_scale(g, 46); }
static mote_status configure_gemma3(const gguf *g) { return set_query_scale(g, 62); }

/* ---- stablelm, openelm ---------------------------------------------------------------------- */

static mote_status set_flag(const gguf *g, const char *key, bool flag)
{
    return cJSON_AddBoolToObject(g->s->config, key, flag)
               ? MOTE_OK
               : convert_fail(g->s->err, MOTE_ERR_MEMORY, "%s: no memory", g->f->name);
}

static mote_status configure_stablelm(const gguf *g)
{
    const gguf_value *parallel = gguf_find_arch(g, "use_parallel_residual");
    mote_status status = set_partial(g);
    if (!status)
        status = set_flag(g, "use_qkv_bias", find_tensor(g, "blk.0.attn_q.bias") != NULL);
    if (!status)
        status = set_flag(g, "qk_layernorm", find_tensor(g, "blk.0.attn_q_norm.weight") != NULL);
    if (!status)
        status = set_flag(g, "use_parallel_residual", parallel && parallel->number > 0);
    return status;
}

static mote_status configure_starcoder2(const gguf *g)
{
    return set_flag(g, "use_bias", find_tensor(g, "blk.0.attn_q.bias") != NULL);
}

/* A list of whole numbers, one a layer, each divided by `unit`. */
static mote_status copy_list(const gguf *g, const char *name, const char *key, double unit)
{
    const gguf_value *v = gguf_find_arch(g, name);
    cJSON *list = cJSON_AddArrayToObject(g->s->config, key);
    if (!v || v->type != GGUF_ARRAY || v->item != GGUF_I32 || !v->data || v->n > MOTE_MAX_LAYERS)
        return convert_fail(g->s->err, MOTE_ERR_FILE, "%s: %s is not a list of whole numbers",
                            g->f->name, name);
    for (size_t i = 0; i < v->n; i++) {
        cJSON *item = cJSON_CreateNumber((double)((const int32_t *)v->data)[i] / unit);
        if (!list || !item || !cJSON_AddItemToArray(list, item))
            return convert_fail(g->s->err, MOTE_ERR_MEMORY, "%s: no memory", g->f->name);
    }
    return MOTE_OK;
}

static mote_status configure_openelm(const gguf *g)
{
    double hidden = number_of(g, "model_dim");
    mote_status status = copy_list(g, "attention.head_count", "num_query_heads", 1);
    if (!status)
        status = copy_list(g, "attention.head_count_kv", "num_kv_heads", 1);
    if (!status)
        status = copy_list(g, "feed_forward_length", "ffn_multipliers", hidden > 0 ? hidden : 1);
    if (!status)
        status = set_number(g, g->s->config, "ffn_dim_divisor", 1);
    return status;
}

/* ---- bert ----------------------------------------------------------------------------------- */

/* What sentence-transformers' files say of pooling is one number here. Scores (4) are not: the
 * files lack BERT's pooler. */
static mote_status configure_bert(const gguf *g)
{
    static const char *const modes[] = {NULL, "mean", "cls"}; /* 0: not said */
    const gguf_value *v = gguf_find_arch(g, "pooling_type");
    const gguf_value *causal = gguf_find_arch(g, "attention.causal");
    const src_tensor *types = find_tensor(g, "token_types.weight");
    uint32_t mode = v && v->number >= 0 && v->number <= 2 ? (uint32_t)v->number : 0;
    if (causal && (causal->type != GGUF_BOOL || causal->number > 0))
        return convert_fail(g->s->err, MOTE_ERR_UNSUPPORTED, "%s: %s is not supported", g->f->name,
                            causal->key);
    if (v && !(v->type == GGUF_U32 && v->number <= 2))
        return convert_fail(g->s->err, MOTE_ERR_UNSUPPORTED,
                            "%s: %s %g is not supported (1: mean, 2: cls)", g->f->name, v->key,
                            v->number);
    if (modes[mode]) {
        g->s->pooling = cJSON_CreateObject();
        g->s->pooling_file = g->f->name;
        if (!g->s->pooling || !cJSON_AddStringToObject(g->s->pooling, "pooling_mode", modes[mode]))
            return convert_fail(g->s->err, MOTE_ERR_MEMORY, "%s: no memory", g->f->name);
    }
    return set_number(g, g->s->config, "type_vocab_size", types ? (double)types->shape[0] : 0);
}

/* ---- tables --------------------------------------------------------------------------------- */

static const gguf_number phi3_numbers[] = {
    {"rope.scaling.original_context_length", "original_max_position_embeddings", false},
    {"attention.sliding_window", "sliding_window", false},
    {0}};
static const gguf_number gemma2_numbers[] = {
    {"attn_logit_softcapping", "attn_logit_softcapping", true},
    {"final_logit_softcapping", "final_logit_softcapping", true},
    {"attention.sliding_window", "sliding_window", false},
    {0}};
static const gguf_number gemma3_numbers[] = {
    {"final_logit_softcapping", "final_logit_softcapping", true},
    {"attention.sliding_window", "sliding_window", false},
    {"attention.sliding_window_pattern", "sliding_window_pattern", false},
    {"rope.freq_base_swa", "rope_local_base_freq", true},
    {0}};
static const gguf_number stablelm_numbers[] = {
    {"attention.layer_norm_epsilon", "layer_norm_eps", true}, {0}};
static const gguf_number gpt2_numbers[] = {
    {"block_count", "n_layer", false},
    {"embedding_length", "n_embd", false},
    {"feed_forward_length", "n_inner", false},
    {"attention.head_count", "n_head", false},
    {"context_length", "n_positions", false},
    {"attention.layer_norm_epsilon", "layer_norm_epsilon", true},
    {0}};
static const gguf_number openelm_numbers[] = {{"block_count", "num_transformer_layers", false},
                                              {"embedding_length", "model_dim", false},
                                              {"attention.key_length", "head_dim", false},
                                              {"context_length", "max_context_length", false},
                                              {"rope.freq_base", "rope_freq_constant", true},
                                              {0}};

static const gguf_number starcoder2_numbers[] = {
    {"attention.layer_norm_epsilon", "norm_epsilon", true},
    {"attention.sliding_window", "sliding_window", false},
    {0}};
static const gguf_number bert_numbers[] = {{"block_count", "num_hidden_layers", false},
                                           {"embedding_length", "hidden_size", false},
                                           {"feed_forward_length", "intermediate_size", false},
                                           {"attention.head_count", "num_attention_heads", false},
                                           {"context_length", "max_position_embeddings", false},
                                           {"attention.layer_norm_epsilon", "layer_norm_eps", true},
                                           {0}};

static const gguf_name phi3_layers[] = {
    {"attn_qkv", "self_attn.qkv_proj"}, {"ffn_up", "mlp.gate_up_proj"}, {0}};
static const gguf_name after_layers[] = {{"ffn_norm", "pre_feedforward_layernorm"},
                                         {"post_attention_norm", "post_attention_layernorm"},
                                         {"post_ffw_norm", "post_feedforward_layernorm"},
                                         {0}};
static const gguf_name gpt2_layers[] = {{"attn_norm", "ln_1"},
                                        {"ffn_norm", "ln_2"},
                                        {"attn_qkv", "attn.c_attn"},
                                        {"attn_output", "attn.c_proj"},
                                        {"ffn_up", "mlp.c_fc"},
                                        {"ffn_down", "mlp.c_proj"},
                                        {0}};
static const gguf_name openelm_layers[] = {
    {"attn_norm", "attn_norm"},     {"ffn_norm", "ffn_norm"},
    {"attn_qkv", "attn.qkv_proj"},  {"attn_q_norm", "attn.q_norm"},
    {"attn_k_norm", "attn.k_norm"}, {"attn_output", "attn.out_proj"},
    {"ffn_gate", "ffn.gate_proj"},  {"ffn_up", "ffn.up_proj"},
    {"ffn_down", "ffn.proj_2"},     {0}};

static const gguf_name starcoder2_layers[] = {
    {"ffn_up", "mlp.c_fc"}, {"ffn_down", "mlp.c_proj"}, {0}};
static const gguf_name bert_layers[] = {{"attn_q", "attention.self.query"},
                                        {"attn_k", "attention.self.key"},
                                        {"attn_v", "attention.self.value"},
                                        {"attn_output", "attention.output.dense"},
                                        {"attn_output_norm", "attention.output.LayerNorm"},
                                        {"ffn_up", "intermediate.dense"},
                                        {"ffn_down", "output.dense"},
                                        {"layer_output_norm", "output.LayerNorm"},
                                        {0}};

static const gguf_name phi3_files[] = {{"rope_factors_long.weight", "rope_factors_long.weight"},
                                       {"rope_factors_short.weight", "rope_factors_short.weight"},
                                       {0}};
static const gguf_name norm_bias_files[] = {{"output_norm.bias", "model.norm.bias"}, {0}};
static const gguf_name gpt2_files[] = {{"token_embd.weight", "wte.weight"},
                                       {"position_embd.weight", "wpe.weight"},
                                       {"output_norm.weight", "ln_f.weight"},
                                       {"output_norm.bias", "ln_f.bias"},
                                       {0}};
static const gguf_name openelm_files[] = {
    {"token_embd.weight", "transformer.token_embeddings.weight"},
    {"output_norm.weight", "transformer.norm.weight"},
    {0}};
static const gguf_name bert_files[] = {
    {"token_embd.weight", "embeddings.word_embeddings.weight"},
    {"position_embd.weight", "embeddings.position_embeddings.weight"},
    {"token_types.weight", "embeddings.token_type_embeddings.weight"},
    {"token_embd_norm.weight", "embeddings.LayerNorm.weight"},
    {"token_embd_norm.bias", "embeddings.LayerNorm.bias"},
    {0}};

#define MODEL "model.layers."

static const gguf_arch archs[] = {
    {.name = "llama",
     .model_type = "llama",
     .prefix = MODEL,
     .paired = true,
     .attn_bias = true,
     .mlp_bias = true},
    {.name = "qwen2", .model_type = "qwen2", .prefix = MODEL},
    {.name = "qwen3", .model_type = "qwen3", .prefix = MODEL, .attn_bias = true},
    {.name = "qwen2moe", .model_type = "qwen2_moe", .prefix = MODEL},
    {.name = "qwen3moe", .model_type = "qwen3_moe", .prefix = MODEL, .attn_bias = true},
    {.name = "deepseek2", .model_type = "deepseek_v2", .prefix = MODEL},
    {.name = "smollm3",
     .model_type = "smollm3",
     .prefix = MODEL,
     .paired = true,
     .attn_bias = true},
    {.name = "phi3",
     .model_type = "phi3",
     .prefix = MODEL,
     .numbers = phi3_numbers,
     .layers = phi3_layers,
     .files = phi3_files,
     .partial = true,
     .configure = configure_phi3},
    {.name = "gemma", .model_type = "gemma", .prefix = MODEL},
    {.name = "gemma2",
     .model_type = "gemma2",
     .prefix = MODEL,
     .numbers = gemma2_numbers,
     .layers = after_layers,
     .configure = configure_gemma2},
    {.name = "gemma3",
     .model_type = "gemma3_text",
     .prefix = MODEL,
     .numbers = gemma3_numbers,
     .layers = after_layers,
     .configure = configure_gemma3},
    {.name = "olmo2",
     .model_type = "olmo2",
     .prefix = MODEL,
     .layers = after_layers,
     .attn_bias = true},
    {.name = "stablelm",
     .model_type = "stablelm",
     .prefix = MODEL,
     .numbers = stablelm_numbers,
     .files = norm_bias_files,
     .partial = true,
     .configure = configure_stablelm},
    {.name = "starcoder2",
     .model_type = "starcoder2",
     .prefix = MODEL,
     .numbers = starcoder2_numbers,
     .layers = starcoder2_layers,
     .files = norm_bias_files,
     .configure = configure_starcoder2},
    {.name = "gpt2",
     .model_type = "gpt2",
     .prefix = "h.",
     .numbers = gpt2_numbers,
     .layers = gpt2_layers,
     .files = gpt2_files,
     .own_words = true},
    {.name = "openelm",
     .model_type = "openelm",
     .prefix = "transformer.layers.",
     .numbers = openelm_numbers,
     .layers = openelm_layers,
     .files = openelm_files,
     .own_words = true,
     .configure = configure_openelm},
    {.name = "bert", /* XLM-RoBERTa too: gguf_model_type */
     .model_type = "bert",
     .prefix = "encoder.layer.",
     .numbers = bert_numbers,
     .layers = bert_layers,
     .files = bert_files,
     .own_words = true,
     .encoder = true,
     .configure = configure_bert},
};

const gguf_arch *gguf_arch_find(const char *name)
{
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        if (strcmp(archs[i].name, name) == 0)
            return &archs[i];
    return NULL;
}
