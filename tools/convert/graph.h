/* graph.h: what is made of a source: the index's configuration, one record a layer, and the tensors
 * of the output with where each comes from. Families (family_*.c) fill it; output.c writes it.
 * Read source.h first.
 *
 * Reading a configuration and describing a graph never stop half way: the first failure is kept in
 * `status` (its text in the source's err), later calls do nothing. A family reads like a list.
 */
#ifndef MOTE_CONVERT_GRAPH_H
#define MOTE_CONVERT_GRAPH_H

#include "kernels/quant.h"
#include "tools/convert/source.h"

/* Where one of several matrices lies: its rows begin at row `first` of the tensor (which may have
 * more dimensions: rows are counted through). */
typedef struct out_part {
    const src_tensor *src;
    uint64_t first;
} out_part;

typedef struct out_tensor {
    uint32_t place, kind, shape; /* as in mote_tensor */
    const src_tensor *src;       /* NULL: from `data` */
    const void *data;            /* finished bytes: a table of the tokenizer, f32 of a rope table */
    uint64_t data_bytes;
    uint64_t rows, k;
    uint32_t n_mats;       /* 1, or the experts of a layer, or its heads */
    const out_part *parts; /* [n_mats]; NULL: one, all of src */
    bool transposed;       /* a part's k rows are the columns of its matrix */
    bool turned;           /* the source is [k, rows in all] (GPT-2) */
    uint64_t first_row;    /* in the source: fused tensors are taken apart by rows */
    float add;             /* to each value of a vector */
    uint32_t pair_rows; /* rows per head that come as pairs (2i, 2i+1) and leave as (i, i + n/2) */
    uint32_t head_rows; /* of which the pairs are the last rows; 0: pair_rows */
    enum mote_type type;
    uint32_t group;
} out_tensor;

typedef struct graph {
    source *src;
    mote_status status;
    mote_index index; /* configuration only; output.c completes it */
    mote_layer *layers;
    out_tensor *outs;
    size_t n_outs, cap_outs;
    bool reads_partial;            /* the family knows partial_rotary_factor */
    float norm_add;                /* what graph_add_norm adds: 1 where norms multiply by 1 + w */
    mote_calibration *calibration; /* NULL: none */
} graph;

/* Makes the graph of the source, its family chosen by model_type. */
mote_status graph_build(graph *g, source *s);
/* The graph of a .mote file, which its index is (own.c). */
void own_describe(graph *g);
/* Chooses type and group of every matrix. */
void graph_choose_types(graph *g, mote_convert_type type);

/* ---- reading the configuration; key absent or null: `fallback` or, without one, a failure ---- */

uint32_t config_count(graph *g, const char *key, uint32_t min, uint32_t max);
uint32_t config_count_or(graph *g, const char *key, uint32_t min, uint32_t max, uint32_t fallback);
/* min < value <= max. */
double config_number_or(graph *g, const cJSON *object, const char *key, double min, double max,
                        double fallback);
bool config_flag_or(graph *g, const char *key, bool fallback);
const char *config_text_or(graph *g, const cJSON *object, const char *key, const char *fallback);
/* NULL: absent or null. */
const cJSON *config_get(const graph *g, const char *key);
void graph_fail(graph *g, mote_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- describing tensors: name is the hub's; shape must match --------------------------------- */

void graph_add_matrix(graph *g, uint32_t place, uint32_t kind, const char *name, uint64_t rows,
                      uint64_t k, uint32_t pair_rows);
void graph_add_vector(graph *g, uint32_t place, uint32_t kind, const char *name, uint64_t n,
                      uint32_t pair_rows);
/* The weights of a norm; w + g->norm_add. */
void graph_add_norm(graph *g, uint32_t place, uint32_t kind, const char *name, uint64_t n);
/* Rows [first, first + rows) of a fused tensor of `all` rows; a vector when k is 0. Transposed: the
 * source is [k, all], as GPT-2 has it. */
typedef struct fused {
    const char *name;
    uint64_t first, all;
    bool transposed;
} fused;
void graph_add_part(graph *g, uint32_t place, uint32_t kind, const fused *from, uint64_t rows,
                    uint64_t k);
/* The matrices of n experts: tensors "BEFORE.0.AFTER" to "BEFORE.n-1.AFTER", or one "BEFORE.AFTER"
 * of three dimensions. */
void graph_add_experts(graph *g, uint32_t place, uint32_t kind, const char *before,
                       const char *after, uint32_t n, uint64_t rows, uint64_t k);
/* n matrices [rows, k] out of one tensor of n * step rows: matrix i's begin at row
 * i * step + first. transposed: they are [k, rows] there. */
void graph_add_slices(graph *g, uint32_t place, uint32_t kind, const char *name, uint32_t n,
                      uint64_t step, uint64_t first, uint64_t rows, uint64_t k, bool transposed);
/* The last rope_rows of every head_rows rows of the matrix or bias just added come as pairs. */
void graph_pair_rows(graph *g, uint32_t head_rows, uint32_t rope_rows);
/* A vector of finished values; they must live as long as the source's pool. */
void graph_add_values(graph *g, uint32_t place, uint32_t kind, const float *values, uint64_t n);

/* ---- families ------------------------------------------------------------------------------- */

typedef struct family {
    const char *model_type, *architecture;
    const char *const *more_architectures; /* that it can describe as well; ends NULL, or NULL */
    const char *const *options; /* keys that this family reads beyond the common ones; ends NULL */
    void (*describe)(graph *g);
} family;

extern const family family_llama, family_mistral, family_qwen2, family_qwen3, family_smollm3,
    family_phi3, family_gemma, family_gemma2, family_gemma3, family_olmo2, family_stablelm,
    family_gpt2, family_openelm, family_bert, family_xlm_roberta, family_mixtral, family_qwen2_moe,
    family_qwen3_moe, family_deepseek_v2, family_starcoder2;

/* The family of the configuration, whose options it has checked; g->status tells of failures. */
const family *family_choose(graph *g);

/* What decoder families share (dense.c). */
typedef struct dense {
    uint32_t hidden, n_layers, n_vocab;
    bool tied;
    bool own_rope;    /* the family has added rope tables itself */
    bool fused;       /* one tensor for q, k, v and one for gate and up */
    mote_layer layer; /* of every layer, unless the family changes g->layers after dense_finish */
} dense;

/* Keys that are called otherwise here or there, and what stands for them when they are absent. */
typedef struct dense_keys {
    uint32_t head_dim; /* 0: hidden / heads */
    const char *act, *default_act;
    const char *eps;
    double default_eps;
    bool tied;
} dense_keys;

/* Reads sizes, norms, head counts and rotary positions. */
dense dense_read_keys(graph *g, const dense_keys *keys);
/* By the keys of llama; default_head_dim 0: hidden / heads. */
dense dense_read(graph *g, uint32_t default_head_dim);
/* An activation by the hub's name for it. */
uint32_t dense_read_act(graph *g, const char *key, const char *fallback);
/* Lays the layers out and names all tensors; biases and qk_norm as d->layer says. It is the four
 * below: what is outside of the layers, then a layer's norms and attention, and its MLP. */
void dense_finish(graph *g, const dense *d);
void dense_open(graph *g, const dense *d);
void dense_add_norms(graph *g, uint32_t layer);
void dense_add_attention(graph *g, const dense *d, uint32_t layer);
void dense_add_mlp(graph *g, const dense *d, uint32_t layer);
/* sliding_window: null is none (0), and where it is not named it is 4096 as in the reference. */
uint32_t dense_read_window(graph *g);
/* partial_rotary_factor of a head, an even number of dimensions. */
void dense_read_partial(graph *g, dense *d, double fallback);
/* lm_head.weight, or a note that it is not read because the embeddings are tied. */
void dense_add_head(graph *g, const dense *d);
/* Makes the layer records, each a copy of d->layer. */
void dense_start(graph *g, const dense *d);
/* sliding_window with layer_types, or from layer first_layer on. Call after dense_finish. */
void dense_windows(graph *g, uint32_t window, uint32_t first_layer);

/* Windows of Qwen2 and 3: switched off in all published models. After dense_finish. */
void qwen_windows(graph *g);
#define QWEN_WINDOW_OPTIONS                                                                        \
    "use_sliding_window", "sliding_window", "max_window_layers", "layer_types"

/* What experts are called below "model.layers.N." (experts.c). */
typedef struct expert_names {
    const char *router, *experts;    /* "mlp.gate", "mlp.experts" */
    const char *gate, *up, *down;    /* below an expert */
    const char *shared, *shared_mix; /* "mlp.shared_expert", "mlp.shared_expert_gate", or NULL */
} expert_names;

/* Makes layer i one of experts, `like` its record's fields of experts and ff; names its tensors. */
void experts_add(graph *g, const dense *d, uint32_t i, const mote_layer *like,
                 const expert_names *names);

/* rope_yarn.c */
bool rope_is_yarn_member(const char *key);
/* Scales f[0 .. dim/2) as the rope options of type yarn say. */
void rope_scale_yarn(graph *g, const cJSON *options, double theta, float *f, uint32_t dim);
/* Factor of cos and sin, and of the attention scale (DeepSeek); 1 without yarn. */
double rope_yarn_turn_scale(graph *g);
double rope_yarn_attn_scale(graph *g);

/* rope.c: the options of rotary positions, NULL: none; their type. */
const cJSON *rope_options(graph *g);
const char *rope_type(graph *g, const cJSON *options);
/* adds inverse frequencies as rope table 0 for heads of `dim` turning dimensions. */
void rope_add(graph *g, uint32_t dim);
/* The same as table `table`, with the base of `theta_key` and these options (NULL: none). */
void rope_add_table(graph *g, uint32_t table, uint32_t dim, const char *theta_key, double theta,
                    const cJSON *options);
/* Tables 0 and 1 by short_factor and long_factor where the configuration says longrope; false: it
 * does not. Sets what of the index and of the layer goes with it. */
bool rope_add_long(graph *g, mote_layer *l);

#endif
