/* family_gpt2.c: GPT-2: learned positions, LayerNorm, a plain MLP with GELU. Read graph.h first.
 *
 * Tensors, with or without "transformer." in front (h: n_embd; in the hub's files matrices are
 * [in, out], in GGUF's [out, in]):
 *   wte [vocabulary, h] | wpe [n_positions, h] | ln_f | h.I.ln_1, h.I.ln_2
 *   h.I.attn.c_attn [h, 3h] (q, k, v) | h.I.attn.c_proj [h, h] | h.I.mlp.c_fc [h, ff]
 *   h.I.mlp.c_proj [ff, h]
 */
#include <math.h>
#include <stdio.h>

#include "tools/convert/graph.h"

typedef struct gpt2 {
    const char *prefix; /* of all names */
    uint32_t hidden, n_layers, n_vocab;
    mote_layer layer;
} gpt2;

static const char *name_of(char out[96], const gpt2 *m, const char *name)
{
    snprintf(out, 96, "%s%s", m->prefix, name);
    return out;
}

static const char *layer_name(char out[96], const gpt2 *m, uint32_t i, const char *name,
                              const char *end)
{
    snprintf(out, 96, "%sh.%u.%s%s", m->prefix, i, name, end);
    return out;
}

static gpt2 read_gpt2(graph *g)
{
    const float eps = (float)config_number_or(g, g->src->config, "layer_norm_epsilon", 0, 1, 1e-5);
    gpt2 m = {.prefix = source_find(g->src, "transformer.wte.weight") ? "transformer." : "",
              .hidden = config_count(g, "n_embd", 1, MOTE_MAX_DIM / 4),
              .n_layers = config_count(g, "n_layer", 1, MOTE_MAX_LAYERS),
              .n_vocab = config_count(g, "vocab_size", 1, MOTE_MAX_DIM)};
    const uint32_t heads = config_count(g, "n_head", 1, MOTE_MAX_DIM);
    const uint32_t ff = config_count_or(g, "n_inner", 1, MOTE_MAX_DIM, 4 * m.hidden);
    if (m.hidden % heads || m.hidden / heads % 2)
        graph_fail(g, MOTE_ERR_FILE, "%s: n_embd %u does not make %u heads of an even size",
                   g->src->config_file, m.hidden, heads);
    const bool scaled = config_flag_or(g, "scale_attn_weights", true);
    m.layer = (mote_layer){.attn = MOTE_ATTN_GROUPED,
                           .n_heads = heads,
                           .n_kv_heads = heads,
                           .head_dim = m.hidden / heads,
                           .rope_scale = 1,
                           .attn_scale = scaled ? 1 / sqrtf((float)(m.hidden / heads)) : 1,
                           .biases = MOTE_BIAS_ALL & ~MOTE_BIAS_GATE,
                           .norm = MOTE_NORM_LAYER,
                           .norm_eps = eps,
                           .mlp = MOTE_MLP_PLAIN,
                           .act = dense_read_act(g, "activation_function", "gelu_new"),
                           .ff = ff};
    if (m.layer.act == MOTE_ACT_SILU)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: activation_function silu is not supported",
                   g->src->config_file);
    g->index.n_layers = m.n_layers;
    g->index.n_vocab = m.n_vocab;
    g->index.hidden = m.hidden;
    g->index.n_ctx = config_count(g, "n_positions", 1, MOTE_MAX_CONTEXT);
    g->index.final_norm = MOTE_NORM_LAYER;
    g->index.final_norm_eps = eps;
    g->index.embed_scale = g->index.logit_scale = 1;
    return m;
}

/* Rows [first, first + rows) of a matrix with `all` rows, and of its bias. */
static void add_linear(graph *g, const gpt2 *m, uint32_t i, const char *name,
                       const uint32_t kinds[2], uint64_t first, uint64_t rows, uint64_t all,
                       uint64_t k)
{
    char full[96];
    fused f = {.name = layer_name(full, m, i, name, ".weight"),
               .first = first,
               .all = all,
               .transposed = !g->src->is_gguf};
    graph_add_part(g, i + 1, kinds[0], &f, rows, k);
    layer_name(full, m, i, name, ".bias");
    graph_add_part(g, i + 1, kinds[1], &f, rows, 0);
}

static void add_norm(graph *g, const gpt2 *m, uint32_t place, const char *name, uint32_t kind,
                     uint32_t bias_kind)
{
    char full[96], end[32];
    snprintf(end, sizeof end, "%s.weight", name);
    const bool is_final = !place;
    graph_add_vector(g, place, kind,
                     is_final ? name_of(full, m, end) : layer_name(full, m, place - 1, end, ""),
                     m->hidden, 0);
    snprintf(end, sizeof end, "%s.bias", name);
    graph_add_vector(g, place, bias_kind,
                     is_final ? name_of(full, m, end) : layer_name(full, m, place - 1, end, ""),
                     m->hidden, 0);
}

static void add_layer(graph *g, const gpt2 *m, uint32_t i)
{
    static const uint32_t qkv[3][2] = {
        {MOTE_L_Q, MOTE_L_Q_BIAS}, {MOTE_L_K, MOTE_L_K_BIAS}, {MOTE_L_V, MOTE_L_V_BIAS}};
    static const uint32_t o[] = {MOTE_L_O, MOTE_L_O_BIAS}, up[] = {MOTE_L_UP, MOTE_L_UP_BIAS},
                          down[] = {MOTE_L_DOWN, MOTE_L_DOWN_BIAS};
    const uint64_t h = m->hidden, ff = m->layer.ff;
    add_norm(g, m, i + 1, "ln_1", MOTE_L_ATTN_NORM, MOTE_L_ATTN_NORM_BIAS);
    add_norm(g, m, i + 1, "ln_2", MOTE_L_MLP_NORM, MOTE_L_MLP_NORM_BIAS);
    for (uint64_t part = 0; part < 3; part++)
        add_linear(g, m, i, "attn.c_attn", qkv[part], part * h, h, 3 * h, h);
    add_linear(g, m, i, "attn.c_proj", o, 0, h, h, h);
    add_linear(g, m, i, "mlp.c_fc", up, 0, ff, ff, h);
    add_linear(g, m, i, "mlp.c_proj", down, 0, h, h, ff);
}

static void describe_gpt2(graph *g)
{
    char full[96];
    gpt2 m = read_gpt2(g);
    dense d = {.hidden = m.hidden,
               .n_layers = m.n_layers,
               .n_vocab = m.n_vocab,
               .tied = config_flag_or(g, "tie_word_embeddings", true),
               .layer = m.layer};
    graph_add_matrix(g, 0, MOTE_W_EMBED, name_of(full, &m, "wte.weight"), m.n_vocab, m.hidden, 0);
    graph_add_matrix(g, 0, MOTE_W_POSITIONS, name_of(full, &m, "wpe.weight"), g->index.n_ctx,
                     m.hidden, 0);
    add_norm(g, &m, 0, "ln_f", MOTE_W_FINAL_NORM, MOTE_W_FINAL_NORM_BIAS);
    dense_add_head(g, &d);
    dense_start(g, &d);
    for (uint32_t i = 0; i < m.n_layers && !g->status; i++)
        add_layer(g, &m, i);
}

const family family_gpt2 = {
    .model_type = "gpt2",
    .architecture = "GPT2LMHeadModel",
    .options = (const char *const[]){"n_embd",
                                     "n_layer",
                                     "n_head",
                                     "n_positions",
                                     "n_inner",
                                     "n_ctx",
                                     "activation_function",
                                     "layer_norm_epsilon",
                                     "scale_attn_weights",
                                     "attn_pdrop",
                                     "embd_pdrop",
                                     "resid_pdrop",
                                     "reorder_and_upcast_attn", /* precision only */
                                     "summary_activation",
                                     "summary_first_dropout",
                                     "summary_proj_to_labels",
                                     "summary_type",
                                     "summary_use_proj",
                                     "task_specific_params",
                                     "gradient_checkpointing",
                                     NULL},
    .describe = describe_gpt2,
};
