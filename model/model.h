/* model.h: the model and the session from inside. Read include/mote.h first, then forward.c.
 *
 * Names: x is the residual stream [rows, hidden]; q k v o the attention matrices; gate up down the
 * MLP's. A head has head_dim dimensions; n_heads query heads share n_kv_heads key/value heads.
 */
#ifndef MOTE_MODEL_H
#define MOTE_MODEL_H

#include "include/mote.h"
#include "include/mote_features.h"
#include "kernels/kernels.h"
#include "loader/format.h"
#include "model/arena.h"

/* Attention works in blocks of positions that start at multiples of this; results depend on it. */
#define MOTE_BLOCK 256u
/* Up to this many rows every thread prepares all inputs for itself, which saves barriers, and
 * attention is split by blocks. Results do not depend on it. */
#define MOTE_FEW_ROWS 4u
/* Rows of a product that are multiplied in one go, and rows of weights: a thread's result
 * buffer. */
#define MOTE_PRODUCT_TOKENS 128u
#define MOTE_PRODUCT_ROWS 64u
#define MOTE_PIECE_ROWS 1024u /* at most, with few rows of activations */
/* From this many rows on a BLAS, if asked for, takes the products of float weights. */
#define MOTE_BLAS_ROWS 32u
/* Queries (tokens x heads of a group) that attend together. */
#define MOTE_QUERY_ROWS 32u

/* Matrices of one shape, one behind the other: those of all experts, or of all heads. */
typedef struct mote_mats {
    mote_mat first;
    size_t mat_bytes;
} mote_mats;

static inline mote_mat mote_mat_of(const mote_mats *m, size_t i)
{
    mote_mat w = m->first;
    w.data += i * m->mat_bytes;
    return w;
}

/* What the build was made for (mote_features.h). */
static inline bool mote_has_experts(const mote_layer *l)
{
    return MOTE_EXPERTS && l->mlp == MOTE_MLP_EXPERTS;
}

static inline bool mote_is_latent(const mote_layer *l)
{
    return MOTE_LATENT && l->attn == MOTE_ATTN_LATENT;
}

/* A matrix with its optional bias. */
typedef struct mote_linear {
    mote_mat w;
    const float *bias; /* [rows padded to 16] or NULL */
} mote_linear;

/* A norm of x; w NULL: none. With a bias it is a LayerNorm, else RMS. */
typedef struct mote_norm {
    const float *w, *b;
    float eps;
} mote_norm;

typedef struct mote_model_layer {
    const mote_layer *rec;
    mote_norm attn_norm, attn_post_norm, mlp_norm, mlp_post_norm; /* of [hidden] */
    const float *q_norm, *k_norm; /* [head_dim], of all heads, or NULL */
    mote_linear q, k, v, o, gate, up, down;
#if MOTE_EXPERTS /* experts.c */
    mote_mat router, shared_mix, shared_gate, shared_up, shared_down;
    mote_mats expert_gate, expert_up, expert_down; /* [n_experts] */
#endif
#if MOTE_LATENT /* latent.c; q above is of [hidden] or [q_rank] columns */
    mote_mat kv_a, q_a;
    const float *kv_a_norm, *q_a_norm;
    mote_mats k_up, v_up; /* [n_heads] */
#endif
    /* q, k and v are computed in units of whole heads and whole tiles at once: */
    uint32_t unit_heads, unit_tiles;
} mote_model_layer;

struct mote_model {
    const mote_kernels *kernels;
    const mote_index *index;
    bool blas;
    bool reads_floats, reads_codes;  /* forms of activations the weights want */
    mote_mat embed, head, positions; /* positions.rows 0: none */
    mote_norm final_norm;
    /* of an encoder: */
    mote_mat types;
    mote_norm embed_norm;
    mote_linear pooler, classifier;     /* with MOTE_POOL_SCORE */
    bool has_post_norm, has_whole_norm; /* some layer's; they take scratch */
    const float *rope[8];               /* inverse frequencies */
    uint32_t rope_half[8];              /* how many */
    float rope_scale[8];                /* of cos and sin */
    uint32_t n_rope;
    /* largest of all layers */
    uint32_t max_q, max_head_dim, max_ff, max_group, max_unit_rows, max_rope_half, max_heads,
        max_kv_heads, max_kv;
    uint32_t max_width; /* columns of any product's input but down's */
    /* experts.c: largest numbers and widths, 0: there are none */
    uint32_t max_experts, max_experts_used, max_expert_ff;
    /* latent.c: of heads and of all values together, 0: there are none */
    uint32_t max_kv_rank, max_q_rank, max_latent_in, max_values;
    uint64_t n_parameters, weight_bytes, decode_read_bytes;
    mote_model_layer layers[]; /* [index->n_layers] */
};

/* Keys and values of one layer: per KV head `k_head_bytes` of tiles of 16 positions, then
 * `v_head_bytes` of rows, then scales. */
typedef struct mote_kv_layer {
    uint8_t *k, *v;
    uint16_t *v_scales; /* NULL unless q8 */
    size_t k_tile_bytes, k_head_bytes, v_row_bytes, v_head_bytes, v_head_scales;
} mote_kv_layer;

/* Rows of activations in the forms the weights read. */
typedef struct mote_act_rows {
    float *f32;
    int8_t *codes;
    float *scales;
    int32_t *sums;
    size_t f32_stride, code_stride, group_stride;
} mote_act_rows;

/* Which experts the rows of a run take (experts.c). A choice is (row, place among the row's
 * experts); every row has `used` of them, in ascending order of the experts. */
typedef struct mote_routes {
    float *logits;            /* [n_batch, stride] */
    float *mix;               /* [n_batch, 16]: the shared expert's factor is the first */
    size_t stride;            /* max_experts in whole tiles */
    uint16_t *expert;         /* [choices] */
    float *weight;            /* [choices] */
    uint32_t *order, *starts; /* choices by expert, then by row; expert e's begin at starts[e] */
    float *sums;              /* [n_batch, hidden] */
    mote_act_rows hidden;     /* [choices, max_expert_ff], in `order`: input of down */
} mote_routes;

/* What one thread needs for itself. */
typedef struct mote_thread_scratch {
    mote_act_rows input; /* [MOTE_FEW_ROWS], with several threads */
    float *row;          /* one row before it is quantised */
    float *attended;   /* [MOTE_FEW_ROWS, max_q]: joined attention results, with several threads */
    float *product[2]; /* [tokens, unit rows] */
    float *queries;    /* [query rows, max_head_dim] */
    mote_act_rows query_acts;
    float *scores;              /* [query rows, mote_score_stride] */
    float *attn[2];             /* [query rows, max_head_dim]: so far, this block */
    float *attn_max, *attn_sum; /* [2, query rows] */
    uint16_t *lo, *hi;          /* [query rows] */
#if MOTE_EXPERTS
    mote_act_rows gathered; /* [tokens, hidden]: an expert's rows */
#endif
#if MOTE_LATENT
    mote_act_rows head; /* [tokens, max_latent_in]: one head's input of k_up or v_up */
    void *latents;      /* [MOTE_BLOCK, max_kv_rank] as the cache stores values */
    uint16_t *latent_scales;
#endif
    bool not_finite; /* this thread saw a logit that is not finite */
} mote_thread_scratch;

struct mote_session {
    const mote_model *model;
    mote_session_opts opts;
    uint32_t length;
    bool long_rope;    /* turns by mote_layer.rope_long */
    bool met;          /* while rows are checked: it has some of them */
    mote_kv_layer *kv; /* [n_layers] */
    /* scratch, when n_batch > 0 */
    mote_row *rows;             /* [n_batch], for mote_generate */
    float *x;                   /* [n_batch, hidden] */
    float *q;                   /* [n_batch, max_q]: queries, then attention results */
    float *k;                   /* [n_batch, max_kv]: keys before a norm over all heads */
    float *branch;              /* [n_batch, hidden]: what a norm is to be taken of, then added */
    mote_act_rows input;        /* [n_batch]: input of a product */
    mote_act_rows mlp;          /* [n_batch]: input of down */
    float *rope_cos, *rope_sin; /* [n_batch, n_rope, max_rope_half] */
#if MOTE_EXPERTS
    mote_routes routes;
#endif
#if MOTE_LATENT
    float *latent;   /* [n_batch, max_head_dim in tiles]: a position's cache before its norm */
    float *q_latent; /* [n_batch, max_q_rank in tiles] */
    float *values;   /* [n_batch, max_values] */
#endif
    float *partial; /* [few rows, max_heads, blocks, max_head_dim + 2]: attention by blocks, with
                      * several threads */
    mote_thread_scratch *threads; /* [n_threads] */
    float *logits;                /* [n_logits, n_vocab padded to 16] */
    size_t logits_stride;
};

/* Finds a matrix [rows, k] or a vector [n] in the file and checks it against what its place asks
 * for; *n_bound counts those that found their use. */
mote_status mote_bind_matrix(const mote_image *image, uint32_t place, uint32_t kind, uint32_t rows,
                             uint32_t k, mote_mat *out, uint32_t *n_bound, mote_error *err);
mote_status mote_bind_vector(const mote_image *image, uint32_t place, uint32_t kind, uint32_t n,
                             const float **out, uint32_t *n_bound, mote_error *err);
/* bind_encoder.c: what an encoder has beside the token embedding and its layers; and what the
 * layers of either kind of model must be. */
mote_status mote_bind_encoder(mote_model *m, const mote_image *image, uint32_t *n_bound,
                              mote_error *err);

/* session.c, of a session with model and opts set: its rows and threads' records; activations; what
 * the threads have for themselves, which holds nothing from one stage of a forward pass to the
 * next. */
void mote_carve_records(mote_arena *a, mote_session *s);
void mote_carve_shared(mote_arena *a, mote_session *s);
void mote_carve_threads(mote_arena *a, mote_session *s);

/* The model's kernel table. */
const mote_kernels *mote_model_kernels(const mote_model *model);

/* ---- one forward pass, as every thread sees it ---------------------------------------------- */

typedef struct mote_run {
    const mote_model *model;
    mote_session *lead;
    const mote_row *rows;
    size_t n_rows, n_logits;
    const mote_team *team; /* NULL: one thread */
    uint32_t n_threads;
    const mote_hooks *hooks;
    bool cancelled; /* written by thread 0 before a barrier */
} mote_run;

typedef struct mote_range {
    size_t begin, end;
} mote_range;

/* Thread's share of n things, in order. Results never depend on who computes them. */
static inline mote_range mote_share(size_t n, uint32_t thread, uint32_t n_threads)
{
    return (mote_range){n * thread / n_threads, n * (thread + 1) / n_threads};
}

/* Few rows on several threads: each thread prepares all inputs for itself and attention is split by
 * blocks. */
static inline bool mote_splits_rows(const mote_run *r)
{
    return MOTE_THREADS && r->n_rows <= MOTE_FEW_ROWS && r->lead->opts.n_threads > 1;
}

/* Queries that attend together at most. */
static inline uint32_t mote_query_rows(const mote_session *s)
{
    uint64_t all = (uint64_t)s->opts.n_batch * s->model->max_group;
    uint32_t most = s->model->max_group > MOTE_QUERY_ROWS ? s->model->max_group : MOTE_QUERY_ROWS;
    return all < most ? (uint32_t)all : most;
}

/* From one query's scores to the next one's. */
static inline size_t mote_score_stride(const mote_session *lead)
{
    return lead->opts.n_ctx < MOTE_BLOCK ? mote_round_up(lead->opts.n_ctx, MOTE_TILE_ROWS)
                                         : MOTE_BLOCK;
}

static inline void mote_barrier(const mote_run *r, uint32_t thread)
{
    if (MOTE_THREADS && r->n_threads > 1)
        r->team->barrier(r->team->user, thread);
}

static inline bool mote_is_watched(const mote_run *r)
{
    return MOTE_WATCH && r->hooks && r->hooks->stage;
}

/* observe.c: tells who watches; all threads wait until that is done. */
void mote_show_stage(mote_run *r, uint32_t thread, const mote_model_layer *l, mote_stage_kind kind);

/* The end of a stage: all threads have done their share of it. l NULL: it is of no layer. */
static inline void mote_end_stage(mote_run *r, uint32_t thread, const mote_model_layer *l,
                                  mote_stage_kind kind)
{
    mote_barrier(r, thread);
    if (mote_is_watched(r))
        mote_show_stage(r, thread, l, kind);
}

/* products.c */
void mote_apply_norm(const mote_model *m, const mote_norm *norm, float *y, const float *x,
                     size_t n);
mote_acts mote_prepare(mote_run *r, uint32_t thread, const float *x, size_t x_stride, size_t k,
                       const mote_norm *norm);
void mote_project_heads(mote_run *r, uint32_t thread, size_t layer, const mote_acts *in);
void mote_project_residual(mote_run *r, uint32_t thread, const mote_linear *m,
                           const mote_norm *post, const mote_acts *in);
mote_acts mote_gate_up(mote_run *r, uint32_t thread, const mote_model_layer *l,
                       const mote_acts *in);
void mote_project_logits(mote_run *r, uint32_t thread, const mote_acts *in);

/* experts.c */
void mote_experts(mote_run *r, uint32_t thread, const mote_model_layer *l, const mote_acts *in);

/* latent.c */
void mote_project_latent(mote_run *r, uint32_t thread, size_t layer, const mote_acts *in);
const float *mote_latent_values(mote_run *r, uint32_t thread, size_t layer);
void mote_latent_rows(mote_thread_scratch *own, const mote_kv_layer *kv, const mote_layer *rec,
                      mote_kv type, size_t begin, size_t end);

/* attention.c */
const float *mote_attended_head(mote_run *r, uint32_t thread, size_t layer, size_t row,
                                size_t head);
void mote_attend(mote_run *r, uint32_t thread, size_t layer);
const float *mote_attended(mote_run *r, uint32_t thread, size_t layer);

#endif
