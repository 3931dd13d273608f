/* family_bert.c: encoders: BERT and XLM-RoBERTa, as sentence encoders or as cross-encoders that
 * score pairs. Read graph.h first; hub_pooling.c reads the files of sentence-transformers, and
 * gguf_arch.c what GGUF says in their place.
 *
 * Tensors, below an optional "bert." or "roberta." (h: hidden, ff: MLP):
 *   embeddings.{word,position,token_type}_embeddings [., h], embeddings.LayerNorm [h]
 *   encoder.layer.i.attention.self.{query,key,value} [h, h], .attention.output.{dense,LayerNorm}
 *   encoder.layer.i.intermediate.dense [ff, h], .output.{dense [h, ff],LayerNorm}
 * and beside it, for scores, BERT's pooler.dense (below it) and classifier, or XLM-RoBERTa's
 * classifier.dense and classifier.out_proj.
 */
#include "tools/convert/graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct bert {
    const char *prefix;
    uint32_t hidden, first_position; /* row of the position embeddings for position 0 */
    bool scores;
} bert;

#define NAME_BYTES 128

static const char *name_of(char out[NAME_BYTES], const bert *b, const char *name, const char *end)
{
    snprintf(out, NAME_BYTES, "%s%s%s", b->prefix, name, end);
    return out;
}

/* ---- how a text becomes one vector ---------------------------------------------------------- */

/* The one pooling mode that is on; newer folders name it, older ones have a flag for each. */
static void read_pooling_mode(graph *g)
{
    static const struct {
        const char *flag, *name;
        uint32_t pooling;
    } modes[] = {{"pooling_mode_mean_tokens", "mean", MOTE_POOL_MEAN},
                 {"pooling_mode_cls_token", "cls", MOTE_POOL_CLS}};
    const char *file = g->src->pooling_file;
    const char *mode = config_text_or(g, g->src->pooling, "pooling_mode", NULL);
    for (size_t i = 0; i < 2; i++)
        if (mode ? strcmp(mode, modes[i].name) == 0
                 : cJSON_IsTrue(json_get(g->src->pooling, modes[i].flag)))
            g->index.pooling = modes[i].pooling;
    for (const cJSON *c = g->src->pooling->child; c && !mode; c = c->next) {
        bool known = strcmp(c->string, modes[g->index.pooling == MOTE_POOL_CLS].flag) == 0;
        if (strncmp(c->string, "pooling_mode_", 13) == 0 && cJSON_IsTrue(c) && !known)
            graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: %s is not supported (one of mean and cls)",
                       file, c->string);
    }
    if (!g->index.pooling)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: pooling mode %s is not supported (mean and cls)",
                   file, mode ? mode : "(none)");
    if (cJSON_IsFalse(json_get(g->src->pooling, "include_prompt")))
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: include_prompt false is not supported", file);
}

/* modules.json: the transformer, its pooling, perhaps a normalisation, in this order. */
static void read_modules(graph *g)
{
    static const char *const order[] = {".Transformer", ".Pooling", ".Normalize"};
    size_t n = 0;
    if (g->src->pooling && !g->src->modules) {
        g->index.normalize = 1;
        source_note(g->src, "GGUF does not say whether embeddings are normalised: they are");
        read_pooling_mode(g);
        return;
    }
    if (!g->src->modules) {
        g->index.pooling = MOTE_POOL_MEAN;
        source_note(g->src, "no modules.json: the mean over all tokens is taken, not normalised");
        return;
    }
    for (const cJSON *m = g->src->modules->child; m && !g->status; m = m->next, n++) {
        const char *type = config_text_or(g, m, "type", "");
        const char *dot = strrchr(type, '.');
        if (n > 2 || !dot || strcmp(dot, order[n]) != 0)
            graph_fail(g, MOTE_ERR_UNSUPPORTED,
                       "modules.json: module %zu, %s, is not supported (a transformer, its "
                       "pooling, perhaps a normalisation)",
                       n, *type ? type : "without a type");
    }
    if (n < 2)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "modules.json: no pooling module");
    g->index.normalize = n > 2;
    if (!g->status)
        read_pooling_mode(g);
}

/* Texts are cut to max_seq_length, else to what the tokenizer says, else to the positions. */
static void read_max_tokens(graph *g)
{
    const source *s = g->src;
    const cJSON *item = json_get(s->sentence, "max_seq_length");
    uint64_t most = s->model_max_length ? s->model_max_length : g->index.n_ctx;
    if (item && !cJSON_IsNull(item) && !json_integer(item, 3, UINT32_MAX, &most))
        graph_fail(g, MOTE_ERR_FILE,
                   "sentence_bert_config.json: max_seq_length is no whole number above 2");
    else if (most > g->index.n_ctx && item && !cJSON_IsNull(item))
        source_note(s, "sentence_bert_config.json: max_seq_length is more than the %u positions",
                    g->index.n_ctx);
    g->index.max_tokens = most < g->index.n_ctx ? (uint32_t)most : g->index.n_ctx;
    if (cJSON_IsTrue(json_get(s->sentence, "do_lower_case")))
        graph_fail(g, MOTE_ERR_UNSUPPORTED,
                   "sentence_bert_config.json: do_lower_case is not supported");
    if (cJSON_IsString(json_get(s->transformers, "default_prompt_name")))
        graph_fail(g, MOTE_ERR_UNSUPPORTED,
                   "config_sentence_transformers.json: default_prompt_name is not supported");
}

/* ---- sizes ---------------------------------------------------------------------------------- */

static void refuse_options(graph *g)
{
    const char *file = g->src->config_file;
    const char *kind = config_text_or(g, g->src->config, "position_embedding_type", "absolute");
    const char *act = config_text_or(g, g->src->config, "hidden_act", "gelu");
    if (strcmp(kind, "absolute") != 0)
        graph_fail(g, MOTE_ERR_UNSUPPORTED,
                   "%s: position_embedding_type %s is not supported (only absolute)", file, kind);
    if (strcmp(act, "gelu") != 0)
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: hidden_act %s is not supported (only gelu)", file,
                   act);
    if (config_flag_or(g, "is_decoder", false))
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: is_decoder is not supported", file);
}

static mote_layer read_layer(graph *g, uint32_t hidden)
{
    mote_layer l = {.attn = MOTE_ATTN_WHOLE,
                    .rope_scale = 1,
                    .norm = MOTE_NORM_LAYER,
                    .norm_place = MOTE_NORM_OF_SUM,
                    .mlp = MOTE_MLP_PLAIN,
                    .act = MOTE_ACT_GELU_ERF,
                    .biases = MOTE_BIAS_ALL & ~(uint32_t)MOTE_BIAS_GATE};
    l.n_heads = l.n_kv_heads = config_count(g, "num_attention_heads", 1, MOTE_MAX_DIM);
    l.ff = config_count(g, "intermediate_size", 1, MOTE_MAX_DIM);
    l.norm_eps = (float)config_number_or(g, g->src->config, "layer_norm_eps", 0, 1, 1e-12);
    if (hidden % l.n_heads || hidden / l.n_heads % 2)
        graph_fail(g, MOTE_ERR_FILE, "%s: hidden_size %u makes no %u heads of an even size",
                   g->src->config_file, hidden, l.n_heads);
    l.head_dim = hidden / l.n_heads;
    l.attn_scale = l.head_dim ? (float)(1.0 / sqrt((double)l.head_dim)) : 1;
    return l;
}

/* Labels by id2label or num_labels; two if nothing is said, as in the reference. */
static uint32_t count_labels(graph *g)
{
    const cJSON *labels = config_get(g, "id2label");
    if (cJSON_IsObject(labels) && labels->child)
        return (uint32_t)cJSON_GetArraySize(labels);
    return config_count_or(g, "num_labels", 1, MOTE_MAX_DIM, 2);
}

static void read_index(graph *g, bert *b)
{
    const cJSON *list = config_get(g, "architectures");
    const char *name = list ? list->child->valuestring : "";
    uint32_t n_positions = config_count(g, "max_position_embeddings", 1, MOTE_MAX_CONTEXT);
    b->hidden = g->index.hidden = config_count(g, "hidden_size", 1, MOTE_MAX_DIM);
    b->scores = strstr(name, "ForSequenceClassification") != NULL;
    g->index.n_layers = config_count(g, "num_hidden_layers", 1, MOTE_MAX_LAYERS);
    g->index.n_vocab = config_count(g, "vocab_size", 1, MOTE_MAX_DIM);
    g->index.n_types = config_count_or(g, "type_vocab_size", 1, 256, 2);
    if (n_positions <= b->first_position)
        graph_fail(g, MOTE_ERR_FILE, "%s: max_position_embeddings %u leaves no position",
                   g->src->config_file, n_positions);
    else
        g->index.n_ctx = n_positions - b->first_position;
    g->index.embed_scale = g->index.logit_scale = 1;
    if (!g->status)
        read_max_tokens(g);
    if (b->scores) {
        g->index.pooling = MOTE_POOL_SCORE;
        g->index.n_labels = count_labels(g);
    } else if (!g->status) {
        read_modules(g);
    }
}

/* ---- tensors -------------------------------------------------------------------------------- */

static void add_linear(graph *g, const bert *b, uint32_t place, uint32_t kind, uint32_t bias_kind,
                       const char *name, uint64_t rows, uint64_t k)
{
    char full[NAME_BYTES];
    graph_add_matrix(g, place, kind, name_of(full, b, name, ".weight"), rows, k, 0);
    graph_add_vector(g, place, bias_kind, name_of(full, b, name, ".bias"), rows, 0);
}

static void add_norm(graph *g, const bert *b, uint32_t place, uint32_t kind, uint32_t bias_kind,
                     const char *name)
{
    char full[NAME_BYTES];
    graph_add_vector(g, place, kind, name_of(full, b, name, ".weight"), b->hidden, 0);
    graph_add_vector(g, place, bias_kind, name_of(full, b, name, ".bias"), b->hidden, 0);
}

/* The first rows of XLM-RoBERTa's positions are never used: position i is row i of the rest. */
static void add_positions(graph *g, const bert *b)
{
    char full[NAME_BYTES];
    const fused rows = {.name = name_of(full, b, "embeddings.position_embeddings", ".weight"),
                        .first = b->first_position,
                        .all = (uint64_t)g->index.n_ctx + b->first_position};
    graph_add_part(g, 0, MOTE_W_POSITIONS, &rows, g->index.n_ctx, b->hidden);
}

static void add_layer(graph *g, const bert *b, uint32_t i)
{
    static const struct {
        uint32_t kind, bias_kind;
        const char *name;
    } parts[] = {{MOTE_L_Q, MOTE_L_Q_BIAS, "attention.self.query"},
                 {MOTE_L_K, MOTE_L_K_BIAS, "attention.self.key"},
                 {MOTE_L_V, MOTE_L_V_BIAS, "attention.self.value"},
                 {MOTE_L_O, MOTE_L_O_BIAS, "attention.output.dense"},
                 {MOTE_L_UP, MOTE_L_UP_BIAS, "intermediate.dense"},
                 {MOTE_L_DOWN, MOTE_L_DOWN_BIAS, "output.dense"}};
    char full[NAME_BYTES / 2];
    uint32_t ff = g->layers[i].ff;
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        snprintf(full, sizeof full, "encoder.layer.%u.%s", i, parts[p].name);
        add_linear(g, b, i + 1, parts[p].kind, parts[p].bias_kind, full,
                   parts[p].kind == MOTE_L_UP ? ff : b->hidden,
                   parts[p].kind == MOTE_L_DOWN ? ff : b->hidden);
    }
    snprintf(full, sizeof full, "encoder.layer.%u.attention.output.LayerNorm", i);
    add_norm(g, b, i + 1, MOTE_L_ATTN_POST_NORM, MOTE_L_ATTN_POST_NORM_BIAS, full);
    snprintf(full, sizeof full, "encoder.layer.%u.output.LayerNorm", i);
    add_norm(g, b, i + 1, MOTE_L_MLP_POST_NORM, MOTE_L_MLP_POST_NORM_BIAS, full);
}

/* Tensors that are there and have no part in the result: an embedding's pooler, a buffer. */
static void skip_tensor(graph *g, const bert *b, const char *name)
{
    char full[NAME_BYTES];
    src_tensor *t = source_find(g->src, name_of(full, b, name, ""));
    if (t)
        t->used = true;
}

static void add_head(graph *g, const bert *b, const char *pooler, const char *out)
{
    const bert bare = {.prefix = "", .hidden = b->hidden};
    bool below = strncmp(pooler, "pooler", 6) == 0;
    add_linear(g, below ? b : &bare, 0, MOTE_W_POOLER, MOTE_W_POOLER_BIAS, pooler, b->hidden,
               b->hidden);
    add_linear(g, &bare, 0, MOTE_W_CLASSIFIER, MOTE_W_CLASSIFIER_BIAS, out, g->index.n_labels,
               b->hidden);
}

static void add_tensors(graph *g, const bert *b, const char *pooler, const char *out)
{
    char full[NAME_BYTES];
    graph_add_matrix(g, 0, MOTE_W_EMBED, name_of(full, b, "embeddings.word_embeddings", ".weight"),
                     g->index.n_vocab, b->hidden, 0);
    add_positions(g, b);
    graph_add_matrix(g, 0, MOTE_W_TYPES,
                     name_of(full, b, "embeddings.token_type_embeddings", ".weight"),
                     g->index.n_types, b->hidden, 0);
    add_norm(g, b, 0, MOTE_W_EMBED_NORM, MOTE_W_EMBED_NORM_BIAS, "embeddings.LayerNorm");
    for (uint32_t i = 0; i < g->index.n_layers && !g->status; i++)
        add_layer(g, b, i);
    if (b->scores)
        add_head(g, b, pooler, out);
    skip_tensor(g, b, "embeddings.position_ids");
    skip_tensor(g, b, "pooler.dense.weight");
    skip_tensor(g, b, "pooler.dense.bias");
}

/* ---- families ------------------------------------------------------------------------------- */

static void describe(graph *g, bert *b, const char *prefix, const char *pooler, const char *out)
{
    char full[NAME_BYTES];
    b->prefix = prefix;
    if (!source_find(g->src, name_of(full, b, "embeddings.word_embeddings", ".weight")))
        b->prefix = "";
    refuse_options(g);
    read_index(g, b);
    mote_layer layer = read_layer(g, b->hidden);
    g->index.final_norm_eps = layer.norm_eps;
    if (g->status)
        return;
    g->layers = pool_take(&g->src->pool, g->index.n_layers, sizeof *g->layers, g->src->err);
    if (!g->layers) {
        g->status = g->src->err->status;
        return;
    }
    for (uint32_t i = 0; i < g->index.n_layers; i++)
        g->layers[i] = layer;
    add_tensors(g, b, pooler, out);
}

static void describe_bert(graph *g)
{
    bert b = {.first_position = 0};
    g->index.pair_joins = 1; /* [CLS] a [SEP] b [SEP] */
    describe(g, &b, "bert.", "pooler.dense", "classifier");
}

/* Position 0 is row pad_token_id + 1. */
static void describe_xlm_roberta(graph *g)
{
    bert b = {.first_position = config_count_or(g, "pad_token_id", 0, 1024, 1) + 1};
    if (g->src->is_gguf)
        b.first_position = 0; /* the rows before are left out there */
    g->index.pair_joins = 2;  /* <s> a </s></s> b </s> */
    describe(g, &b, "roberta.", "classifier.dense", "classifier.out_proj");
}

#define COMMON_OPTIONS                                                                             \
    "attention_probs_dropout_prob", "hidden_dropout_prob", "classifier_dropout",                   \
        "gradient_checkpointing", "layer_norm_eps", "position_embedding_type", "type_vocab_size",  \
        "id2label", "label2id", "num_labels", "problem_type", "output_past", "is_decoder",         \
        "sbert_ce_default_activation_function", "sentence_transformers", "directionality",         \
        "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",                    \
        "pooler_size_per_head", "pooler_type", "finetuning_task"

const family family_bert = {
    .model_type = "bert",
    .architecture = "BertModel",
    .more_architectures = (const char *const[]){"BertForSequenceClassification", NULL},
    .options = (const char *const[]){COMMON_OPTIONS, NULL},
    .describe = describe_bert,
};

const family family_xlm_roberta = {
    .model_type = "xlm-roberta",
    .architecture = "XLMRobertaModel",
    .more_architectures = (const char *const[]){"XLMRobertaForSequenceClassification", NULL},
    .options = (const char *const[]){COMMON_OPTIONS, NULL},
    .describe = describe_xlm_roberta,
};
