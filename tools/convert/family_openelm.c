/* family_openelm.c: OpenELM: heads and MLP widths differ from layer to layer, q, k, v in one
 * tensor, gate and up in another, norms of q and k. Read graph.h first.
 *
 * Tensors, below "transformer." (h: model_dim):
 *   token_embeddings [vocabulary, h] | norm | layers.I.attn_norm, .ffn_norm, .attn.{q,k}_norm
 *   layers.I.attn.qkv_proj [all heads x head_dim, h] | layers.I.attn.out_proj [h, query heads x ..]
 *   layers.I.ffn.proj_1 [2 ff, h] (gate, up) | layers.I.ffn.proj_2 [h, ff]
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/convert/graph.h"

#define EPS 1e-6f /* not in the configuration */

/* Number i of a list with one number a layer; min < it <= max. */
static double list_number(graph *g, const char *key, uint32_t i, double max)
{
    const cJSON *list = config_get(g, key);
    const cJSON *item = cJSON_IsArray(list) ? cJSON_GetArrayItem(list, (int)i) : NULL;
    if (!cJSON_IsArray(list) || (uint32_t)cJSON_GetArraySize(list) != g->index.n_layers)
        graph_fail(g, MOTE_ERR_FILE, "%s: %s is not a list of %u numbers", g->src->config_file, key,
                   g->index.n_layers);
    else if (!cJSON_IsNumber(item) || !(item->valuedouble > 0) || !(item->valuedouble <= max))
        graph_fail(g, MOTE_ERR_FILE, "%s: %s has a number that is not above 0 and at most %g",
                   g->src->config_file, key, max);
    else
        return item->valuedouble;
    return 1;
}

static uint32_t list_count(graph *g, const char *key, uint32_t i, uint32_t max)
{
    double n = list_number(g, key, i, max);
    if (n < floor(n) || n > floor(n))
        graph_fail(g, MOTE_ERR_FILE, "%s: %s has a number that is not whole", g->src->config_file,
                   key);
    return (uint32_t)n < 1 ? 1 : (uint32_t)n;
}

/* The multiplier times model_dim, to the nearest multiple of the divisor, but never 10 % less. */
static uint32_t read_ff(graph *g, uint32_t i)
{
    uint32_t divisor = config_count_or(g, "ffn_dim_divisor", 1, MOTE_MAX_DIM / 4, 256);
    double wanted = list_number(g, "ffn_multipliers", i, 64) * (double)g->index.hidden;
    double ff = floor((wanted + (double)divisor / 2) / divisor) * divisor;
    ff = ff < divisor ? divisor : ff;
    ff += ff < 0.9 * wanted ? divisor : 0;
    if (ff > MOTE_MAX_DIM / 2)
        graph_fail(g, MOTE_ERR_FILE, "%s: an MLP of %.0f rows is too wide", g->src->config_file,
                   ff);
    return g->status ? 1 : (uint32_t)ff;
}

static void check_flags(graph *g)
{
    static const char *const wanted[] = {"ffn_with_glu", "normalize_qk_projections"};
    const char *norm = config_text_or(g, g->src->config, "normalization_layer_name", "rms_norm");
    for (size_t i = 0; i < 2; i++)
        if (!config_flag_or(g, wanted[i], true))
            graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: %s false is not supported",
                       g->src->config_file, wanted[i]);
    if (strcmp(norm, "rms_norm") != 0)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: normalization_layer_name %s is not supported",
                   g->src->config_file, norm);
}

static dense read_openelm(graph *g)
{
    const uint32_t dim = config_count(g, "head_dim", 2, MOTE_MAX_DIM);
    dense d = {.hidden = config_count(g, "model_dim", 1, MOTE_MAX_DIM),
               .n_layers = config_count(g, "num_transformer_layers", 1, MOTE_MAX_LAYERS),
               .n_vocab = config_count(g, "vocab_size", 1, MOTE_MAX_DIM),
               .tied = config_flag_or(g, "share_input_output_layers", true)};
    d.layer = (mote_layer){.attn = MOTE_ATTN_GROUPED,
                           .head_dim = dim,
                           .rope = 1,
                           .rope_dim = dim,
                           .rope_scale = 1,
                           .qk_norm = MOTE_QK_NORM_HEAD,
                           .attn_scale = 1 / sqrtf((float)dim),
                           .norm = MOTE_NORM_RMS,
                           .norm_eps = EPS,
                           .mlp = MOTE_MLP_GATED,
                           .act = dense_read_act(g, "activation_fn_name", "swish")};
    if (dim % 2)
        graph_fail(g, MOTE_ERR_FILE, "%s: a head has %u dimensions, an odd number",
                   g->src->config_file, dim);
    check_flags(g);
    g->index.n_layers = d.n_layers;
    g->index.n_vocab = d.n_vocab;
    g->index.hidden = d.hidden;
    g->index.n_ctx = config_count(g, "max_context_length", 1, MOTE_MAX_CONTEXT);
    g->index.final_norm = MOTE_NORM_RMS;
    g->index.final_norm_eps = EPS;
    g->index.embed_scale = g->index.logit_scale = 1;
    g->index.n_rope = 1;
    return d;
}

static const char *layer_name(char out[96], uint32_t i, const char *name)
{
    snprintf(out, 96, "transformer.layers.%u.%s.weight", i, name);
    return out;
}

/* The record of layer i: its heads and its width. */
static void read_layer(graph *g, uint32_t i)
{
    mote_layer *l = &g->layers[i];
    l->n_heads = list_count(g, "num_query_heads", i, MOTE_MAX_DIM / 8);
    l->n_kv_heads = list_count(g, "num_kv_heads", i, MOTE_MAX_DIM / 8);
    l->ff = read_ff(g, i);
    if (!g->status && (l->n_heads % l->n_kv_heads ||
                       (uint64_t)(l->n_heads + 2 * l->n_kv_heads) * l->head_dim > MOTE_MAX_DIM))
        graph_fail(g, MOTE_ERR_FILE, "%s: layer %u: %u key/value heads for %u heads",
                   g->src->config_file, i, l->n_kv_heads, l->n_heads);
}

static void add_layer(graph *g, uint32_t i)
{
    const mote_layer *l = &g->layers[i];
    const uint64_t dim = l->head_dim, q = l->n_heads * dim, kv = l->n_kv_heads * dim;
    const uint64_t h = g->index.hidden, ff = l->ff;
    char full[96];
    graph_add_vector(g, i + 1, MOTE_L_ATTN_NORM, layer_name(full, i, "attn_norm"), h, 0);
    graph_add_vector(g, i + 1, MOTE_L_MLP_NORM, layer_name(full, i, "ffn_norm"), h, 0);
    graph_add_vector(g, i + 1, MOTE_L_Q_NORM, layer_name(full, i, "attn.q_norm"), dim, 0);
    graph_add_vector(g, i + 1, MOTE_L_K_NORM, layer_name(full, i, "attn.k_norm"), dim, 0);
    fused f = {.name = layer_name(full, i, "attn.qkv_proj"), .all = q + 2 * kv};
    graph_add_part(g, i + 1, MOTE_L_Q, &f, q, h);
    f.first = q;
    graph_add_part(g, i + 1, MOTE_L_K, &f, kv, h);
    f.first = q + kv;
    graph_add_part(g, i + 1, MOTE_L_V, &f, kv, h);
    graph_add_matrix(g, i + 1, MOTE_L_O, layer_name(full, i, "attn.out_proj"), h, q, 0);
    if (g->src->is_gguf) { /* already taken apart */
        graph_add_matrix(g, i + 1, MOTE_L_GATE, layer_name(full, i, "ffn.gate_proj"), ff, h, 0);
        graph_add_matrix(g, i + 1, MOTE_L_UP, layer_name(full, i, "ffn.up_proj"), ff, h, 0);
    } else {
        f = (fused){.name = layer_name(full, i, "ffn.proj_1"), .all = 2 * ff};
        graph_add_part(g, i + 1, MOTE_L_GATE, &f, ff, h);
        f.first = ff;
        graph_add_part(g, i + 1, MOTE_L_UP, &f, ff, h);
    }
    graph_add_matrix(g, i + 1, MOTE_L_DOWN, layer_name(full, i, "ffn.proj_2"), h, ff, 0);
}

static void describe_openelm(graph *g)
{
    dense d = read_openelm(g);
    dense_start(g, &d);
    for (uint32_t i = 0; i < d.n_layers && !g->status; i++)
        read_layer(g, i);
    rope_add_table(g, 0, d.layer.rope_dim, "rope_freq_constant", 10000, NULL);
    graph_add_matrix(g, 0, MOTE_W_EMBED, "transformer.token_embeddings.weight", d.n_vocab, d.hidden,
                     0);
    graph_add_vector(g, 0, MOTE_W_FINAL_NORM, "transformer.norm.weight", d.hidden, 0);
    dense_add_head(g, &d);
    for (uint32_t i = 0; i < d.n_layers && !g->status; i++)
        add_layer(g, i);
}

const family family_openelm = {
    .model_type = "openelm",
    .architecture = "OpenELMForCausalLM",
    .options =
        (const char *const[]){"activation_fn_name", "ffn_dim_divisor", "ffn_multipliers",
                              "ffn_with_glu", "max_context_length", "model_dim",
                              "normalization_layer_name", "normalize_qk_projections",
                              "num_gqa_groups", "num_kv_heads", "num_query_heads",
                              "num_transformer_layers", "qkv_multipliers", "rope_freq_constant",
                              "rope_max_length", "share_input_output_layers", NULL},
    .describe = describe_openelm,
};
