/* dense.c: what the decoder families share: x += attention(norm(x)); x += mlp(norm(x)), norms
 * before or after these, grouped attention with rotary positions, gated MLP. Read graph.h first.
 *
 * Tensors of layer i, below "model.layers.i." (h: hidden; q, kv: their heads x head_dim):
 *   input_layernorm [h] | self_attn.{q,k,v}_proj [q|kv|kv, h] | self_attn.o_proj [h, q]
 *   post_attention_layernorm [h] | mlp.{gate,up}_proj [ff, h] | mlp.down_proj [h, ff]
 * and, in some, self_attn.{q,k}_norm, {pre,post}_feedforward_layernorm, biases, fused matrices.
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

uint32_t dense_read_act(graph *g, const char *key, const char *fallback)
{
    static const struct {
        const char *name;
        uint32_t act;
    } acts[] = {
        {"silu", MOTE_ACT_SILU},
        {"swish", MOTE_ACT_SILU},
        {"gelu_pytorch_tanh", MOTE_ACT_GELU_TANH},
        {"gelu_new", MOTE_ACT_GELU_TANH},
        {"gelu_fast", MOTE_ACT_GELU_TANH},
        {"gelu", MOTE_ACT_GELU_ERF},
    };
    const char *name = config_text_or(g, g->src->config, key, fallback);
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (strcmp(name, acts[i].name) == 0)
            return acts[i].act;
    graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: %s %s is not supported", g->src->config_file, key,
               name);
    return MOTE_ACT_SILU;
}

dense dense_read_keys(graph *g, const dense_keys *keys)
{
    float eps = (float)config_number_or(g, g->src->config, keys->eps, 0, 1, keys->default_eps);
    dense d = {.hidden = config_count(g, "hidden_size", 1, MOTE_MAX_DIM),
               .n_layers = config_count(g, "num_hidden_layers", 1, MOTE_MAX_LAYERS),
               .n_vocab = config_count(g, "vocab_size", 1, MOTE_MAX_DIM),
               .tied = config_flag_or(g, "tie_word_embeddings", keys->tied)};
    d.layer = (mote_layer){.attn = MOTE_ATTN_GROUPED,
                           .rope = 1,
                           .rope_scale = (float)rope_yarn_turn_scale(g),
                           .norm = MOTE_NORM_RMS,
                           .norm_eps = eps,
                           .mlp = MOTE_MLP_GATED,
                           .act = dense_read_act(g, keys->act, keys->default_act),
                           .ff = config_count(g, "intermediate_size", 1, MOTE_MAX_DIM)};
    read_heads(g, &d, keys->head_dim);
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

dense dense_read(graph *g, uint32_t default_head_dim)
{
    const dense_keys keys = {.head_dim = default_head_dim,
                             .act = "hidden_act",
                             .default_act = "silu",
                             .eps = "rms_norm_eps",
                             .default_eps = 1e-6 /* as transformers */};
    return dense_read_keys(g, &keys);
}

void dense_read_partial(graph *g, dense *d, double fallback)
{
    const cJSON *rope = config_get(g, "rope_parameters");
    double part = config_number_or(g, g->src->config, "partial_rotary_factor", 0, 1, fallback);
    part = config_number_or(g, rope, "partial_rotary_factor", 0, 1, part);
    g->reads_partial = true;
    d->layer.rope_dim = (uint32_t)((double)d->layer.head_dim * part);
    if (d->layer.rope_dim % 2 || !d->layer.rope_dim)
        graph_fail(g, MOTE_ERR_FILE, "%s: partial_rotary_factor %g makes %u dimensions turn",
                   g->src->config_file, part, d->layer.rope_dim);
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

/* A norm of the hidden width, with a bias if the record says LayerNorm. */
static void add_norm(graph *g, uint32_t i, uint32_t kind, uint32_t bias_kind, const char *name)
{
    char full[96];
    graph_add_norm(g, i + 1, kind, layer_name(full, i, name, ".weight"), g->index.hidden);
    if (g->layers[i].norm == MOTE_NORM_LAYER)
        graph_add_vector(g, i + 1, bias_kind, layer_name(full, i, name, ".bias"), g->index.hidden,
                         0);
}

/* What the hub calls the norms depends on where they stand. */
void dense_add_norms(graph *g, uint32_t i)
{
    const bool before = g->layers[i].norm_place != MOTE_NORM_AFTER;
    const bool after = g->layers[i].norm_place != MOTE_NORM_BEFORE;
    if (before)
        add_norm(g, i, MOTE_L_ATTN_NORM, MOTE_L_ATTN_NORM_BIAS, "input_layernorm");
    if (after) {
        add_norm(g, i, MOTE_L_ATTN_POST_NORM, MOTE_L_ATTN_POST_NORM_BIAS,
                 "post_attention_layernorm");
        add_norm(g, i, MOTE_L_MLP_POST_NORM, MOTE_L_MLP_POST_NORM_BIAS,
                 "post_feedforward_layernorm");
    }
    if (before)
        add_norm(g, i, MOTE_L_MLP_NORM, MOTE_L_MLP_NORM_BIAS,
                 after ? "pre_feedforward_layernorm" : "post_attention_layernorm");
}

static void add_qk_norm(graph *g, uint32_t i)
{
    const mote_layer *l = &g->layers[i];
    const bool whole = l->qk_norm == MOTE_QK_NORM_WHOLE;
    const uint32_t kinds[] = {MOTE_L_Q_NORM, MOTE_L_K_NORM}, heads[] = {l->n_heads, l->n_kv_heads};
    static const char *const names[] = {"self_attn.q_norm", "self_attn.k_norm"};
    char full[96];
    for (size_t n = 0; n < 2 && l->qk_norm; n++) {
        graph_add_vector(g, i + 1, kinds[n], layer_name(full, i, names[n], ".weight"),
                         (uint64_t)l->head_dim * (whole ? heads[n] : 1), l->head_dim);
        if (!g->status)
            g->outs[g->n_outs - 1].add = g->norm_add;
    }
}

/* qkv_proj: rows of q, k, v; gate_up_proj: of gate, up. */
static void add_fused(graph *g, uint32_t i, uint64_t q, uint64_t kv, uint64_t h)
{
    const uint64_t ff = g->layers[i].ff;
    char full[96];
    fused f = {.name = layer_name(full, i, "self_attn.qkv_proj", ".weight"), .all = q + 2 * kv};
    graph_add_part(g, i + 1, MOTE_L_Q, &f, q, h);
    f.first = q;
    graph_add_part(g, i + 1, MOTE_L_K, &f, kv, h);
    f.first = q + kv;
    graph_add_part(g, i + 1, MOTE_L_V, &f, kv, h);
    f = (fused){.name = layer_name(full, i, "mlp.gate_up_proj", ".weight"), .all = 2 * ff};
    graph_add_part(g, i + 1, MOTE_L_GATE, &f, ff, h);
    f.first = ff;
    graph_add_part(g, i + 1, MOTE_L_UP, &f, ff, h);
}

void dense_add_attention(graph *g, const dense *d, uint32_t i)
{
    const mote_layer *l = &g->layers[i];
    const uint64_t q = (uint64_t)l->n_heads * l->head_dim, h = d->hidden;
    const uint64_t kv = (uint64_t)l->n_kv_heads * l->head_dim;
    add_qk_norm(g, i);
    if (d->fused) {
        add_fused(g, i, q, kv, h);
    } else {
        add_projection(g, i, MOTE_L_Q, MOTE_L_Q_BIAS, MOTE_BIAS_Q, "self_attn.q_proj", q, h,
                       l->head_dim);
        add_projection(g, i, MOTE_L_K, MOTE_L_K_BIAS, MOTE_BIAS_K, "self_attn.k_proj", kv, h,
                       l->head_dim);
        add_projection(g, i, MOTE_L_V, MOTE_L_V_BIAS, MOTE_BIAS_V, "self_attn.v_proj", kv, h, 0);
    }
    add_projection(g, i, MOTE_L_O, MOTE_L_O_BIAS, MOTE_BIAS_O, "self_attn.o_proj", h, q, 0);
}

void dense_add_mlp(graph *g, const dense *d, uint32_t i)
{
    const mote_layer *l = &g->layers[i];
    const uint64_t h = d->hidden;
    if (!d->fused) {
        add_projection(g, i, MOTE_L_GATE, MOTE_L_GATE_BIAS, MOTE_BIAS_GATE, "mlp.gate_proj", l->ff,
                       h, 0);
        add_projection(g, i, MOTE_L_UP, MOTE_L_UP_BIAS, MOTE_BIAS_UP, "mlp.up_proj", l->ff, h, 0);
    }
    add_projection(g, i, MOTE_L_DOWN, MOTE_L_DOWN_BIAS, MOTE_BIAS_DOWN, "mlp.down_proj", h, l->ff,
                   0);
}

/* A head stored although it is tied holds the same numbers; the embedding is used. */
void dense_add_head(graph *g, const dense *d)
{
    src_tensor *head = source_find(g->src, "lm_head.weight");
    if (!d->tied) {
        graph_add_matrix(g, 0, MOTE_W_HEAD, "lm_head.weight", d->n_vocab, d->hidden, 0);
    } else if (head && !g->status) {
        head->used = true;
        source_note(g->src, "tensor lm_head.weight is ignored: the embeddings are tied");
    }
}

void dense_start(graph *g, const dense *d)
{
    g->layers = pool_take(&g->src->pool, d->n_layers, sizeof *g->layers, g->src->err);
    if (!g->layers && !g->status)
        g->status = g->src->err->status;
    for (uint32_t i = 0; i < d->n_layers && !g->status; i++)
        g->layers[i] = d->layer;
}

void dense_open(graph *g, const dense *d)
{
    dense copy = *d;
    if (!d->own_rope && !rope_add_long(g, &copy.layer))
        rope_add(g, d->layer.rope_dim);
    graph_add_matrix(g, 0, MOTE_W_EMBED, "model.embed_tokens.weight", d->n_vocab, d->hidden, 0);
    graph_add_norm(g, 0, MOTE_W_FINAL_NORM, "model.norm.weight", d->hidden);
    if (g->index.final_norm == MOTE_NORM_LAYER)
        graph_add_vector(g, 0, MOTE_W_FINAL_NORM_BIAS, "model.norm.bias", d->hidden, 0);
    dense_add_head(g, d);
    dense_start(g, &copy);
}

void dense_finish(graph *g, const dense *d)
{
    dense_open(g, d);
    for (uint32_t i = 0; i < d->n_layers && !g->status; i++) {
        dense_add_norms(g, i);
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
