/* config.c: reading config.json, and the check that no option of it is silently ignored. Read
 * graph.h first. */
#include "tools/convert/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void graph_fail(graph *g, mote_status status, const char *format, ...)
{
    char text[512];
    va_list args;
    if (g->status)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    g->status = convert_fail(g->src->err, status, "%s", text);
}

/* ---- configuration -------------------------------------------------------------------------- */

const cJSON *config_get(const graph *g, const char *key)
{
    const cJSON *item = json_get(g->src->config, key);
    return item && !cJSON_IsNull(item) ? item : NULL;
}

static uint32_t read_count(graph *g, const cJSON *item, const char *key, uint32_t min, uint32_t max)
{
    uint64_t n = min;
    if (json_integer(item, min, max, &n))
        return (uint32_t)n;
    if (cJSON_IsNumber(item))
        graph_fail(g, MOTE_ERR_FILE, "%s: %s is %g (wanted a whole number from %u to %u)",
                   g->src->config_file, key, item->valuedouble, min, max);
    else
        graph_fail(g, MOTE_ERR_FILE, "%s: %s is not a number", g->src->config_file, key);
    return min;
}

uint32_t config_count(graph *g, const char *key, uint32_t min, uint32_t max)
{
    const cJSON *item = config_get(g, key);
    if (item)
        return read_count(g, item, key, min, max);
    graph_fail(g, MOTE_ERR_FILE, "%s: %s is missing", g->src->config_file, key);
    return min;
}

uint32_t config_count_or(graph *g, const char *key, uint32_t min, uint32_t max, uint32_t fallback)
{
    const cJSON *item = config_get(g, key);
    return item ? read_count(g, item, key, min, max) : fallback;
}

double config_number_or(graph *g, const cJSON *object, const char *key, double min, double max,
                        double fallback)
{
    const cJSON *item = json_get(object, key);
    if (!item || cJSON_IsNull(item))
        return fallback;
    if (!cJSON_IsNumber(item))
        graph_fail(g, MOTE_ERR_FILE, "%s: %s is not a number", g->src->config_file, key);
    else if (item->valuedouble > min && item->valuedouble <= max)
        return item->valuedouble;
    else
        graph_fail(g, MOTE_ERR_FILE, "%s: %s is %g (wanted above %g, at most %g)",
                   g->src->config_file, key, item->valuedouble, min, max);
    return fallback;
}

bool config_flag_or(graph *g, const char *key, bool fallback)
{
    const cJSON *item = config_get(g, key);
    if (item && !cJSON_IsBool(item))
        graph_fail(g, MOTE_ERR_FILE, "%s: %s is neither true nor false", g->src->config_file, key);
    return item ? cJSON_IsTrue(item) : fallback;
}

const char *config_text_or(graph *g, const cJSON *object, const char *key, const char *fallback)
{
    const cJSON *item = json_get(object, key);
    if (!item || cJSON_IsNull(item))
        return fallback;
    if (cJSON_IsString(item))
        return item->valuestring;
    graph_fail(g, MOTE_ERR_FILE, "%s: %s is not a text", g->src->config_file, key);
    return fallback;
}

/* ---- options ---- */

/* Options that change the result unless they have the value given; no family here does more. */
static const struct {
    const char *key;
    double neutral; /* of a number; otherwise false or null */
} neutral_options[] = {
    {"quantization_config", 0},
    {"rope_interleaved", 0},
    {"use_mrope", 0},
    {"partial_rotary_factor", 1},
    {"attn_logit_softcapping", 0},
    {"final_logit_softcapping", 0},
    {"embedding_multiplier", 1},
    {"attention_multiplier", 0},
    {"residual_multiplier", 1},
    {"logits_scaling", 1},
    {"logit_scale", 1},
    {"no_rope_layers", 0},
    {"query_pre_attn_scalar", 0},
    {"use_qk_norm", 0},
    {"num_experts", 0},
    {"num_local_experts", 0},
    {"n_routed_experts", 0},
    {"is_encoder_decoder", 0},
    {"add_cross_attention", 0},
    {"tie_encoder_decoder", 0},
    {"clip_qkv", 0},
    {"qk_layernorm", 0},
    {"use_parallel_residual", 0},
    {"lm_head_bias", 0},
    {"attention_bias", 0},
    {"mlp_bias", 0},
    {"use_bidirectional_attention", 0},
    {"scale_attn_by_inverse_layer_idx", 0},
    {"original_max_position_embeddings", 0},
    {"norm_topk_prob", 0},
    {"scale_emb", 1},
    {"scale_depth", 0},
    {"dim_model_base", 0},
    {"alibi", 0},
    {"mup_scale", 1},
    {"vision_config", 0},
    {"audio_config", 0},
    {"clip_kqv", 0},
    {"full_attn_mod", 1},
    {"interpolate_factor", 1},
};

/* Read by the common code, or without any effect on the result. */
static const char *const known_options[] = {"model_type",
                                            "architectures",
                                            "vocab_size",
                                            "hidden_size",
                                            "num_hidden_layers",
                                            "num_attention_heads",
                                            "num_key_value_heads",
                                            "intermediate_size",
                                            "head_dim",
                                            "hidden_act",
                                            "max_position_embeddings",
                                            "rms_norm_eps",
                                            "rope_theta",
                                            "rope_scaling",
                                            "rope_parameters",
                                            "tie_word_embeddings",
                                            "bos_token_id",
                                            "eos_token_id",
                                            "pad_token_id",
                                            "unk_token_id",
                                            "torch_dtype",
                                            "dtype",
                                            "transformers_version",
                                            "initializer_range",
                                            "use_cache",
                                            "pretraining_tp",
                                            "attention_dropout",
                                            "is_llama_config",
                                            "_name_or_path",
                                            "auto_map",
                                            "_attn_implementation",
                                            "model_max_length",
                                            "transformers.js_config",
                                            "id2label",
                                            "label2id",
                                            "num_labels",
                                            "problem_type",
                                            "return_dict",
                                            "chunk_size_feed_forward",
                                            NULL};

static bool is_listed(const char *const *list, const char *key)
{
    for (; list && *list; list++)
        if (strcmp(*list, key) == 0)
            return true;
    return false;
}

static bool is_neutral(const cJSON *item, double neutral)
{
    return cJSON_IsNull(item) || cJSON_IsFalse(item) ||
           (cJSON_IsNumber(item) && item->valuedouble == neutral);
}

static bool has_part(const char *const *parts, const char *key)
{
    while (*parts && !strstr(key, *parts))
        parts++;
    return *parts != NULL;
}

/* An option that no list here has: does its name speak of what is computed? The harmless ones of
 * that kind speak of training or of how another program computes it. */
static bool speaks_of_result(const char *key)
{
    static const char *const harmless[] = {"drop",          "flash",    "implementation", "init",
                                           "output_",       "_loss",    "fused",          "jitter",
                                           "train",         "kernel",   "dtype",          "tp_plan",
                                           "parallel_size", "token_id", "cache",          NULL};
    static const char *const telling[] = {
        "scal",     "mult",   "mup",      "rope",       "rotary",    "norm",        "bias",
        "window",   "expert", "moe",      "attn",       "attention", "cap",         "head",
        "lora",     "gate",   "residual", "embed",      "layer",     "hidden",      "activation",
        "act_",     "_act",   "conv",     "ssm",        "sink",      "temperature", "theta",
        "position", "sparse", "share",    "interleave", "parallel",  "pattern",     NULL};
    return has_part(telling, key) && !has_part(harmless, key);
}

/* Every option is read, harmless, at the value that changes nothing, or else refused by name; one
 * that nobody has heard of is refused if its name speaks of what is computed, else told. */
static void check_options(graph *g, const family *f)
{
    size_t n = sizeof neutral_options / sizeof *neutral_options, i;
    for (const cJSON *c = g->src->config->child; c; c = c->next) {
        if (is_listed(known_options, c->string) || is_listed(f->options, c->string))
            continue;
        for (i = 0; i < n && strcmp(neutral_options[i].key, c->string) != 0; i++)
            ;
        bool is_known = i < n;
        if (is_neutral(c, is_known ? neutral_options[i].neutral : 0))
            continue;
        if (is_known || speaks_of_result(c->string))
            graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: option %s is not supported for %s",
                       g->src->config_file, c->string, f->model_type);
        else
            source_note(g->src, "%s: option %s is not known for %s and was ignored",
                        g->src->config_file, c->string, f->model_type);
    }
}

static const family *find_family(const char *model_type)
{
    static const family *const all[] = {
        &family_llama,     &family_mistral,   &family_qwen2,       &family_qwen3,
        &family_smollm3,   &family_phi3,      &family_gemma,       &family_gemma2,
        &family_gemma3,    &family_olmo2,     &family_stablelm,    &family_gpt2,
        &family_openelm,   &family_bert,      &family_xlm_roberta, &family_mixtral,
        &family_qwen2_moe, &family_qwen3_moe, &family_deepseek_v2, &family_starcoder2};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->model_type, model_type) == 0)
            return all[i];
    return NULL;
}

static const family *read_family(graph *g)
{
    const char *type = config_text_or(g, g->src->config, "model_type", NULL);
    const family *f = type ? find_family(type) : NULL;
    if (!type)
        graph_fail(g, MOTE_ERR_FILE, "%s: model_type is missing", g->src->config_file);
    else if (!f)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: model_type %s is not supported",
                   g->src->config_file, type);
    return f;
}

mote_status source_check_family(source *s)
{
    graph g = {.src = s};
    read_family(&g);
    return g.status;
}

const family *family_choose(graph *g)
{
    const cJSON *list = config_get(g, "architectures");
    const family *f = read_family(g);
    if (!f)
        return NULL;
    if (!list)
        ; /* many hand-made folders have none */
    else if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != 1 || !cJSON_IsString(list->child))
        graph_fail(g, MOTE_ERR_FILE, "%s: architectures is not a list of one name",
                   g->src->config_file);
    else if (strcmp(list->child->valuestring, f->architecture) != 0 &&
             !is_listed(f->more_architectures, list->child->valuestring))
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: architecture %s is not supported (only %s)",
                   g->src->config_file, list->child->valuestring, f->architecture);
    if (!g->status)
        check_options(g, f);
    return f;
}
