/* explain.h: what the parts of `mote explain` share. Read cmd_explain.c first; explain_watch.c
 * looks on while the model runs, explain_work.c counts its work, explain_diff.c compares two
 * models; explain_text.c, explain_json.c and explain_html.c tell.
 */
#ifndef MOTE_CLI_EXPLAIN_H
#define MOTE_CLI_EXPLAIN_H

#include "bench/probe.h"
#include "cli/encoder.h"

enum {
    EXPLAIN_MAX_TOKENS = 512,
    EXPLAIN_MAP = 40, /* tokens that an attention map shows: the last ones */
    EXPLAIN_TOP = 10, /* logits and candidates that are shown */
    EXPLAIN_REPEATS = 5,
    EXPLAIN_STAGES = 5, /* of a layer, from MOTE_STAGE_QUERIES on */
    EXPLAIN_TENSORS = 8 /* matrices of one stage, at most */
};

/* Work of one stage on some rows. */
typedef struct explain_work {
    double weight_bytes, cache_bytes; /* read */
    double int_ops, float_ops;        /* with weights; a product and its sum are two */
    double attention_ops;             /* queries with keys, weights with values */
    double seconds;                   /* the best of EXPLAIN_REPEATS passes */
} explain_work;

/* The passes that are timed: the prompt in one go, then one more token. */
enum { PASS_PROMPT, PASS_TOKEN, EXPLAIN_PASSES };

/* Over the rows of the prompt but the first, what one head looks at. */
typedef struct explain_head {
    float first, self, previous; /* mean weight of these positions */
    float bits;                  /* mean entropy */
    uint32_t best;               /* the position that the last row looks at most, and how much */
    float best_weight;
} explain_head;

typedef struct explain_layer {
    mote_layer_info info;
    mote_tensor_info matrices[EXPLAIN_STAGES][EXPLAIN_TENSORS]; /* biases and norms left out */
    size_t n_matrices[EXPLAIN_STAGES];
    explain_work work[EXPLAIN_PASSES][EXPLAIN_STAGES];
    double norm[2], added[2]; /* means over rows of |x| after attention and MLP, of what they add */
    explain_head *heads;      /* [n_heads] */
    float *map;               /* [n_heads, map_n, 1 + map_n]: first what lies before the map */
    uint32_t *taken;          /* [n_experts]: how many rows took an expert; NULL: none */
} explain_layer;

typedef struct explain_token {
    int32_t id;
    float logit, p; /* softmax of the logits; of a candidate its share of the draw */
} explain_token;

/* Another model on the same ids, explain_diff.c. */
typedef struct explain_diff {
    char name[128];
    const char *type;
    double *error; /* [1 + 2 * n_layers]: |x' - x| / |x| of embeddings, after attention, after MLP;
                     * mean over the rows */
    double *kl;    /* [n]: of each position's next token */
    double mean_kl;
    size_t n_same; /* positions with the same best token */
    double cosine; /* of an encoder's embeddings */
    explain_token top[EXPLAIN_TOP];
    size_t n_top;
} explain_diff;

typedef struct explain {
    const cli_opts *o;
    cli_engine engine;
    cli_encoder encoder; /* is_encoder */
    bool is_encoder;
    mote_model_info model;
    char name[128];
    cli_text text;
    size_t n; /* tokens */
    const int32_t *ids;
    int32_t *own_ids;   /* ids of a text model */
    double *embed_norm; /* [n] */
    size_t map_n;
    explain_layer *layers; /* [model.n_layers] */
    explain_work embed[EXPLAIN_PASSES], head[EXPLAIN_PASSES];
    double position_bytes; /* of the cache, all layers */
    mote_row *rows;        /* [n] */
    /* what comes out */
    explain_token top[EXPLAIN_TOP];
    size_t n_top;
    mote_candidates among;
    explain_token candidates[EXPLAIN_TOP];
    size_t n_candidates;
    int32_t chosen;
    uint64_t seed;
    probe_peaks peaks; /* --html or --roofline; else no threads */
    explain_diff diff; /* --diff; else no error */
} explain;

extern const char *const explain_stages[EXPLAIN_STAGES];

/* An encoder has no token more. */
static inline size_t explain_passes(const explain *x) { return x->is_encoder ? 1 : EXPLAIN_PASSES; }

/* cmd_explain.c. Runs rows [from, n) of the prompt. */
mote_status explain_pass(explain *x, size_t from, bool all_logits, const mote_hooks *hooks,
                         mote_error *err);
/* A model with the prompt's ids and a session; explain_close takes back all of it. */
int explain_open(explain *x, const cli_opts *o, bool all_logits);
void explain_close(explain *x);
/* Where the result of a pass is: logits of the i-th row that wanted them. */
const float *explain_logits(const explain *x, size_t i);
int explain_failed(const explain *x, mote_status s, const mote_error *err);
/* The piece of an id, escaped. */
const char *explain_piece(const explain *x, int32_t id, char out[200]);
/* "[960, 576] q4" of a stage's matrices; a list. */
void explain_shapes(const explain_layer *l, size_t stage, char *out, size_t cap);
/* Has this layer the shapes and types of the one before? */
bool explain_same_kind(const explain_layer *a, const explain_layer *b);
explain_work explain_sum(const explain *x, size_t pass, size_t stage);
double explain_ops(const explain_work *w);
size_t explain_best(const float *logits, size_t n_vocab, explain_token *top, size_t n);

/* explain_watch.c */
mote_status explain_watch(explain *x, mote_error *err);
mote_status explain_time(explain *x, mote_error *err);

/* explain_work.c */
void explain_count(explain *x);

/* explain_diff.c */
int explain_compare(explain *x);

/* One line about a layer's kind; what a head does, from what it looks at: 'F' the first position,
 * 'P' the one before, 'S' itself, for half of its weight; '.' else. */
void explain_describe(const explain_layer *l, char *out, size_t cap);
char explain_head_kind(const explain_head *h);
/* The first layer of the kind of layer i; and all of that kind: "0, 1, 3 to 5". */
size_t explain_kind(const explain *x, size_t i);
void explain_list_kind(const explain *x, size_t kind, char *out, size_t cap);

void explain_print_text(const explain *x, cli_out *out);
void explain_print_json(const explain *x, cli_out *out);
void explain_print_html(const explain *x, cli_out *out);

#endif
