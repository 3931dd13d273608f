/* dense.c: what the decoder families share: x += attention(norm(x)); x += mlp(norm(x)), RMS norms,
 * grouped attention with rotary positions, gated SiLU MLP. Read graph.h first.
 *
 * Tensors of layer i, below "model.layers.i." (h: hidden; q, kv: their heads x head_dim):
 *   input_layernorm [h] | self_attn.{q,k,v}_proj [q|kv|kv, h] | self_attn.o_proj [h, q]
 *   post_attention_layernorm [h] | mlp.{gate,up}_proj [ff, h] | mlp.down_proj [h, ff]
 */
#include "tools/convert/graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void read_heads(graph *g, dense *d, uint32_t default_head_dim)
{
    mote_layer *l = &d->layer;
    l->n_heads = config_count(g, "num_attention_heads", 1, MOTE_MAX_DIM);
    l->n_kv_heads = config_count_or(g, "num_key_value_heads", 1, MOTE_MAX_DIM, l->n_heads);
    if (l->n_heads % l->n_kv_heads)
        graph_fail(g, MOTE_ERR_FILE, "%s: num_key_value_heads %u does not divide %u heads",
                   g->src->config_file, l->n_kv_heads, l->n_heads);
    if (!default_head_dim && !config_get(g, "head_dim") && d->hidden % l->n_heads)
        graph_fail(g, MOTE_ERR_FILE, "%s: hidden_size %u is no multiple of %u heads",
                   g->src->config_file, d->hidden, l->n_heads);
    if (!default_head_dim)
        default_head_dim = d->hidden / l->n_heads;
    l->head_dim = config_count_or(g, "head_dim", 1, MOTE_MAX_DIM, default_head_dim);
    if (l->head_dim % 2 || !l->head_dim)
        graph_fail(g, MOTE_ERR_FILE, "%s: a head has %u dimensions, an odd number",
                   g->src->config_file, l->head_dim);
    if ((uint64_t)l->n_heads * l->head_dim > MOTE_MAX_DIM)
        graph_fail(g, MOTE_ERR_FILE,
                   "%s: %u heads of %u dimensions are too many (at most %u in all)",
                   g->src->config_file, l->n_heads, l->head_dim, MOTE_MAX_DIM);
    l->attn_scale = (float)(1.0 / sqrt((double)l->head_dim));
    l->rope_dim = l->head_dim;
}

dense dense_read(graph *g, uint32_t default_head_dim)
{
    const char *act = config_text_or(g, g->src->config, "hidden_act", "silu");
    float eps = (float)config_number_or(g, g->src->config, "rms_norm_eps", 0, 1,
                                        1e-6 /* as transformers */);
    dense d = {.hidden = config_count(g, "hidden_size", 1, MOTE_MAX_DIM),
               .n_layers = config_count(g, "num_hidden_layers", 1, MOTE_MAX_LAYERS),
               .n_vocab = config_count(g, "vocab_size", 1, MOTE_MAX_DIM),
               .tied = config_flag_or(g, "tie_word_embeddings", false)};
    d.layer = (mote_layer){.attn = MOTE_ATTN_GROUPED,
                           .rope = 1,
                           .rope_scale = (float)rope_yarn_turn_scale(g),
                           .norm = MOTE_NORM_RMS,
                           .norm_eps = eps,
                           .mlp = MOTE_MLP_GATED,
                           .act = MOTE_ACT_SILU,
                           .ff = config_count(g, "intermediate_size", 1, MOTE_MAX_DIM)};
    read_heads(g, &d, default_head_dim);
    if (strcmp(act, "silu") != 0 && strcmp(act, "swish") != 0)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: hidden_act %s is not supported (only silu)",
                   g->src->config_file, act);
    g->index.n_layers = d.n_layers;
    g->index.n_vocab = d.n_vocab;
    g->index.hidden = d.hidden;
    g->index.n_ctx = config_count(g, "max_position_embeddings", 1, MOTE_MAX_CONTEXT);
    g->index.final_norm = MOTE_NORM_RMS;
    g->index.final_norm_eps = eps;
    g->index.embed_scale = g->index.logit_scale = 1;
    g->index.n_rope = 1;
    return d;
}

/* ---- tensors -------------------------------------------------------------------------------- */

static const char *layer_name(char out[96], uint32_t layer, const char *name, const char *end)
{
    snprintf(out, 96, "model.layers.%u.%s%s", layer, name, end);
    return out;
}

/* The matrix and, where the record has its flag, the bias of one projection. */
static void add_projection(graph *g, uint32_t layer, uint32_t kind, uint32_t bias_kind,
                           uint32_t bias_flag, const char *name, uint64_t rows, uint64_t k,
                           uint32_t pair_rows)
{
    char full[96];
    graph_add_matrix(g, layer + 1, kind, layer_name(full, layer, name, ".weight"), rows, k,
                     pair_rows);
    if (g->layers[layer].biases & bias_flag)
        graph_add_vector(g, layer + 1, bias_kind, layer_name(full, layer, name, ".bias"), rows,
                         pair_rows);
}

void dense_add_attention(graph *g, const dense *d, uint32_t i)
{
    const mote_layer *l = &g->layers[i];
    const uint64_t q = (uint64_t)l->n_heads * l->head_dim, h = d->hidden;
    const uint64_t kv = (uint64_t)l->n_kv_heads * l->head_dim;
    char full[96];
    add_projection(g, i, MOTE_L_Q, MOTE_L_Q_BIAS, MOTE_BIAS_Q, "self_attn.q_proj", q, h,
                   l->head_dim);
    add_projection(g, i, MOTE_L_K, MOTE_L_K_BIAS, MOTE_BIAS_K, "self_attn.k_proj", kv, h,
                   l->head_dim);
    add_projection(g, i, MOTE_L_V, MOTE_L_V_BIAS, MOTE_BIAS_V, "self_attn.v_proj", kv, h, 0);
    add_projection(g, i, MOTE_L_O, MOTE_L_O_BIAS, MOTE_BIAS_O, "self_attn.o_proj", h, q, 0);
    if (l->qk_norm == MOTE_QK_NORM_HEAD) {
        graph_add_vector(g, i + 1, MOTE_L_Q_NORM,
                         layer_name(full, i, "self_attn.q_norm", ".weight"), l->head_dim,
                         l->head_dim);
        graph_add_vector(g, i + 1, MOTE_L_K_NORM,
                         layer_name(full, i, "self_attn.k_norm", ".weight"), l->head_dim,
                         l->head_dim);
    }
}

void dense_add_norms(graph *g, const dense *d, uint32_t i)
{
    char full[96];
    graph_add_vector(g, i + 1, MOTE_L_ATTN_NORM, layer_name(full, i, "input_layernorm", ".weight"),
                     d->hidden, 0);
    graph_add_vector(g, i + 1, MOTE_L_MLP_NORM,
                     layer_name(full, i, "post_attention_layernorm", ".weight"), d->hidden, 0);
}

void dense_add_mlp(graph *g, const dense *d, uint32_t i)
{
    const mote_layer *l = &g->layers[i];
    const uint64_t h = d->hidden;
    add_projection(g, i, MOTE_L_GATE, MOTE_L_GATE_BIAS, MOTE_BIAS_GATE, "mlp.gate_proj", l->ff, h,
                   0);
    add_projection(g, i, MOTE_L_UP, MOTE_L_UP_BIAS, MOTE_BIAS_UP, "mlp.up_proj", l->ff, h, 0);
    add_projection(g, i, MOTE_L_DOWN, MOTE_L_DOWN_BIAS, MOTE_BIAS_DOWN, "mlp.down_proj", h, l->ff,
                   0);
}

/* A head stored although it is tied holds the same numbers; the embedding is used. */
static void add_head(graph *g, const dense *d)
{
    src_tensor *head = source_find(g->src, "lm_head.weight");
    if (!d->tied) {
        graph_add_matrix(g, 0, MOTE_W_HEAD, "lm_head.weight", d->n_vocab, d->hidden, 0);
    } else if (head) {
        head->used = true;
        source_note(g->src, "tensor lm_head.weight is ignored: the embeddings are tied");
    }
}

void dense_start(graph *g, const dense *d)
{
    rope_add(g, d->layer.rope_dim);
    graph_add_matrix(g, 0, MOTE_W_EMBED, "model.embed_tokens.weight", d->n_vocab, d->hidden, 0);
    graph_add_vector(g, 0, MOTE_W_FINAL_NORM, "model.norm.weight", d->hidden, 0);
    add_head(g, d);
    g->layers = pool_take(&g->src->pool, d->n_layers, sizeof *g->layers, g->src->err);
    if (!g->layers && !g->status)
        g->status = g->src->err->status;
    for (uint32_t i = 0; i < d->n_layers && !g->status; i++)
        g->layers[i] = d->layer;
}

void dense_finish(graph *g, const dense *d)
{
    dense_start(g, d);
    for (uint32_t i = 0; i < d->n_layers && !g->status; i++) {
        dense_add_norms(g, d, i);
        dense_add_attention(g, d, i);
        dense_add_mlp(g, d, i);
    }
}

/* ---- windows -------------------------------------------------------------------------------- */

uint32_t dense_read_window(graph *g)
{
    bool named = json_get(g->src->config, "sliding_window") != NULL;
    return config_count_or(g, "sliding_window", 1, MOTE_MAX_CONTEXT, named ? 0 : 4096);
}

void dense_windows(graph *g, uint32_t window, uint32_t first_layer)
{
    const cJSON *types = config_get(g, "layer_types"), *type = types ? types->child : NULL;
    if (g->status)
        return;
    if (types &&
        (!cJSON_IsArray(types) || (uint32_t)cJSON_GetArraySize(types) != g->index.n_layers))
        graph_fail(g, MOTE_ERR_FILE, "%s: layer_types is not a list of %u names",
                   g->src->config_file, g->index.n_layers);
    for (uint32_t i = 0; i < g->index.n_layers && !g->status;
         i++, type = type ? type->next : NULL) {
        const char *name = type && cJSON_IsString(type) ? type->valuestring : types ? "" : NULL;
        bool sliding = name ? strcmp(name, "sliding_attention") == 0 : window && i >= first_layer;
        if (name && !sliding && strcmp(name, "full_attention") != 0)
            graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: layer type '%s' is not supported",
                       g->src->config_file, name);
        if (sliding && !window)
            graph_fail(g, MOTE_ERR_FILE, "%s: sliding_attention without a sliding_window",
                       g->src->config_file);
        g->layers[i].window = sliding ? window : 0;
    }
}
