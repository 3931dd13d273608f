/* mote.h: the public API of libmote, a transformer inference engine for small language models.
 *
 * Freestanding: no allocation, no stdio, no threads, no globals. The caller gives all memory:
 * every object has a *_bytes() that says exactly how much and an *_init() that carves it.
 * Files, malloc and threads for hosted programs are in mote_host.h.
 *
 * Objects
 *   mote_image      a validated view of a .mote file in memory (mapped file or flash)
 *   mote_model      weights bound to a graph; immutable, shared by any number of threads
 *   mote_session    one timeline: KV cache, position, scratch; one thread at a time
 *   mote_encoder    scratch to make embeddings or scores of texts; one thread at a time
 *   mote_tokenizer  text <-> ids, from tables inside the image; immutable, shared
 *   mote_sampler    chooses the next id from logits
 *
 * Same file, same ids, same KV type: the same logits, bit for bit, on every CPU, for any number of
 * threads and any split of the prompt. docs/format.md describes the file.
 */
#ifndef MOTE_H
#define MOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default) /* what the shared library shows */

#define MOTE_VERSION_MAJOR 0
#define MOTE_VERSION_MINOR 1
#define MOTE_VERSION_PATCH 0
#define MOTE_VERSION "0.1.0"
/* Number of the binary interface, libmote.so.N: it goes up whenever something that was there in
 * include/mote.abi changes. */
#define MOTE_ABI 0

/* Memory given to an *_init() function must be aligned to this many bytes. */
#define MOTE_ALIGN 64

/* ---- errors ------------------------------------------------------------------------------- */

/* What went wrong; the values are also the exit codes of the command line. */
typedef enum mote_status {
    MOTE_OK = 0,
    MOTE_ERR_LIMIT = 2,       /* a limit the caller asked to exceed (prompt longer than context) */
    MOTE_ERR_FILE = 3,        /* the model file is damaged or inconsistent */
    MOTE_ERR_IO = 4,          /* reading or writing failed */
    MOTE_ERR_MEMORY = 5,      /* the memory given is too small */
    MOTE_ERR_UNSUPPORTED = 6, /* valid, but not something this build can do */
    MOTE_CANCELLED = 130      /* the caller's cancel function said so */
} mote_status;

/* Filled on failure; never needs freeing. `what` is a constant string, `name` a copy (cut, control
 * bytes replaced by '?'), got/wanted are meaningful when has_numbers is set. */
typedef struct mote_error {
    mote_status status;
    const char *what;
    char name[64];
    bool has_numbers;
    uint64_t got, wanted;
} mote_error;

/* ---- the file ----------------------------------------------------------------------------- */

struct mote_index; /* loader/format.h */

typedef struct mote_text {
    const char *ptr; /* UTF-8, not terminated */
    size_t bytes;
} mote_text;

typedef struct mote_image {
    const uint8_t *base; /* the whole file */
    size_t bytes;
    const uint8_t *data;            /* where tensor offsets count from */
    const struct mote_index *index; /* inside the file */
} mote_image;

/* Validates a whole file in memory: header length, index checksum, every record, every range.
 * base: aligned to MOTE_ALIGN, stays readable and unchanged while anything made from it lives.
 * Reads the index only, never the JSON header or tensor contents. Time O(records). */
mote_status mote_image_open(mote_image *image, const void *base, size_t bytes, mote_error *err);

/* ---- looking into a file ------------------------------------------------------------------ */

/* Texts of a file; empty when it has none. Valid UTF-8, but from a stranger: escape before a
 * terminal sees them. */
typedef enum mote_image_string {
    MOTE_IMAGE_NAME,
    MOTE_IMAGE_FAMILY,
    MOTE_IMAGE_SOURCE,
    MOTE_IMAGE_LICENCE,
    MOTE_IMAGE_CONVERTER,
    MOTE_IMAGE_CHAT_TEMPLATE,
    MOTE_IMAGE_BOS,
    MOTE_IMAGE_EOS,
    MOTE_IMAGE_UNK,
    MOTE_IMAGE_PAD,
    MOTE_IMAGE_CARD
} mote_image_string;

mote_text mote_image_text(const mote_image *image, mote_image_string which);

typedef struct mote_image_info {
    uint32_t version, id; /* of the format; CRC of the index */
    uint32_t n_layers;    /* 0: a tokenizer without a model */
    uint32_t n_tensors, n_vocab, hidden, n_ctx;
    int32_t bos_id;          /* -1: none */
    const char *weight_type; /* the type asked for when it was made; NULL: unknown */
    uint64_t json_bytes, index_bytes;
} mote_image_info;

void mote_image_get_info(const mote_image *image, mote_image_info *info);

typedef struct mote_tensor_info {
    char name[64];
    const char *type; /* "f32", "q8" ...; "bytes" for tables */
    uint32_t group, n_mats;
    uint64_t rows, k, bytes;
    bool is_tokenizer;
} mote_tensor_info;

/* i in [0, n_tensors). */
void mote_image_get_tensor(const mote_image *image, size_t i, mote_tensor_info *info);

/* Contents of the tokenizer's i-th table (tokenizer/tables.h), padding included; empty: it has
 * none. */
mote_text mote_image_table(const mote_image *image, uint32_t i);

/* The JSON header is the canonical one, or dropped by mote_image_bake; its checksum is right. */
mote_status mote_image_verify_header(const mote_image *image, mote_error *err);
/* The front of the file, up to the first tensor, with an empty JSON header, for devices: writes it
 * to `front` (aligned to MOTE_ALIGN) if cap holds it and returns its bytes. What follows the index
 * stays as it is. */
size_t mote_image_bake(const mote_image *image, void *front, size_t cap);
/* Reads a whole tensor: its checksum. */
mote_status mote_image_check_tensor(const mote_image *image, size_t i, mote_error *err);
/* The same, and all values (scales too) are finite. */
mote_status mote_image_verify_tensor(const mote_image *image, size_t i, mote_error *err);

/* ---- the model ---------------------------------------------------------------------------- */

typedef struct mote_model mote_model;

typedef struct mote_model_opts {
    const char *isa; /* highest kernel tier to use ("ref", "avx2" ...); NULL: the best usable */
    bool blas;       /* use the BLAS variant, if built in: fast float prefill without P1 */
} mote_model_opts;

/* Bytes that mote_model_init needs for this image; 0 and err set when the image is no usable
 * language model (missing or misshapen tensors, unknown features). A firmware build finds most of
 * that in mote_model_init only. */
size_t mote_model_bytes(const mote_image *image, mote_error *err);

/* mem: mote_model_bytes() bytes, aligned to MOTE_ALIGN; the model lives there. */
mote_status mote_model_init(mote_model **out, void *mem, size_t mem_bytes, const mote_image *image,
                            const mote_model_opts *opts, mote_error *err);

typedef struct mote_model_info {
    uint32_t n_layers, n_vocab, n_ctx_train, hidden;
    uint32_t max_heads, max_kv_heads, max_head_dim, max_ff;
    uint32_t max_experts, max_experts_used; /* of a layer, and of them for a token; 0: none */
    uint64_t n_parameters;                  /* shared tensors counted once */
    uint64_t weight_bytes;                  /* tensors of the graph, tokenizer not counted */
    uint64_t decode_read_bytes;             /* weights read for one decoded token */
    const char *tier;                       /* highest kernel tier in use */
    uint32_t id;                            /* CRC of the index: names the model */
} mote_model_info;

void mote_model_get_info(const mote_model *model, mote_model_info *info);

/* What a layer is; 0: it has none of that. */
typedef struct mote_layer_info {
    const char *attention; /* "grouped", "latent" (one key for all heads), "whole" (sees all) */
    const char *mlp;       /* "gated", "plain", "experts" */
    const char *norms;     /* of each part f of the layer: "before" (x + f(norm(x))), "both" (x +
                            * norm(f(norm(x)))), "after" (x + norm(f(x))), "sum" (norm(x + f(x))) */
    uint32_t n_heads, n_kv_heads;
    uint32_t key_dim, value_dim; /* numbers of a key and a value of the cache; of a latent the value
                                  * is the key's beginning */
    uint32_t window;             /* positions seen at most; 0: all */
    uint32_t ff;                 /* of the MLP, or of one expert */
    uint32_t n_experts, n_experts_used, shared_ff;
} mote_layer_info;

/* i in [0, n_layers). Builds with MOTE_WATCH. */
void mote_model_get_layer(const mote_model *model, uint32_t i, mote_layer_info *info);

/* Names of the kernel tiers this CPU can run, lowest first; NULL past the end. */
const char *mote_usable_tier(size_t i);

/* What a tier's kernels give for made-up inputs, against the lowest tier's bytes; the lowest's own
 * are known by their checksum, the same on every machine. */
typedef struct mote_self_test {
    const char *tier;
    uint32_t n_kernels, n_wrong;
    const char *wrong; /* the first of them; NULL: none */
    uint64_t hash;     /* of all that the lowest tier gave */
} mote_self_test;

size_t mote_self_test_bytes(void);
/* The i-th usable tier's, in some milliseconds. mem: mote_self_test_bytes() bytes, aligned to
 * MOTE_ALIGN. MOTE_ERR_UNSUPPORTED: there are fewer tiers. */
mote_status mote_run_self_test(mote_self_test *out, size_t tier, void *mem, size_t mem_bytes,
                               mote_error *err);

/* ---- sessions ----------------------------------------------------------------------------- */

typedef enum mote_kv { MOTE_KV_F32 = 0, MOTE_KV_F16 = 1, MOTE_KV_Q8 = 2 } mote_kv;

typedef struct mote_session_opts {
    uint32_t n_ctx;     /* positions the KV cache holds; 1 .. n_ctx_train */
    mote_kv kv;         /* how keys and values are stored */
    uint32_t n_batch;   /* rows one mote_forward call may take; 0: a guest without scratch */
    uint32_t n_logits;  /* rows of one call whose logits are wanted; at least 1 unless a guest */
    uint32_t n_threads; /* threads mote_forward will run on; at least 1 */
} mote_session_opts;

typedef struct mote_session mote_session;

/* Exact bytes of a session, and what they are for. The same on every tier. */
typedef struct mote_session_plan {
    uint64_t state_bytes;   /* the session record */
    uint64_t kv_bytes;      /* keys and values */
    uint64_t scratch_bytes; /* activations, shared and per thread */
    uint64_t logits_bytes;
    uint64_t total_bytes;
} mote_session_plan;

mote_status mote_session_plan_bytes(mote_session_plan *plan, const mote_model *model,
                                    const mote_session_opts *opts, mote_error *err);

mote_status mote_session_init(mote_session **out, void *mem, size_t mem_bytes,
                              const mote_model *model, const mote_session_opts *opts,
                              mote_error *err);

/* Positions held; the next row of this session must have this position. */
uint32_t mote_session_length(const mote_session *session);
uint32_t mote_session_capacity(const mote_session *session);

/* Says how many positions a text will take in the end; without it that is n_ctx. Some models turn
 * by other angles in long texts (longrope): where this changes the choice, the session is emptied,
 * so announce before the first row of a text. */
void mote_session_announce(mote_session *session, uint32_t n_positions);

/* Forgets all positions from `length` on (length <= mote_session_length). */
void mote_session_rewind(mote_session *session, uint32_t length);

/* A team of threads. run() calls fn(arg, thread) on n_threads threads (0 .. n_threads-1, the
 * caller's included) and returns when all are done; barrier() waits for all of them. */
typedef struct mote_team {
    uint32_t n_threads;
    void *user;
    void (*run)(void *user, void (*fn)(void *arg, uint32_t thread), void *arg);
    void (*barrier)(void *user, uint32_t thread);
} mote_team;

/* A state: what a session holds, as bytes to keep. It goes on with the same bits on any machine,
 * and belongs to one model (the id of its info) and one KV type. */

/* Bytes of the state of a session of this length. */
size_t mote_session_state_bytes(const mote_session *session);
/* ids [length]: of the session's positions, kept with them. mem: [mote_session_state_bytes()]. */
mote_status mote_session_save(const mote_session *session, const int32_t *ids, void *mem,
                              size_t mem_bytes, mote_error *err);
/* Makes the session hold what the state holds; ids [n_ctx of the session] gets the ids. The state
 * may come from a stranger: every field and the checksum are looked at before the session changes.
 * MOTE_ERR_FILE: no state, or damaged. MOTE_ERR_UNSUPPORTED: of another model or KV type.
 * MOTE_ERR_LIMIT: longer than this session can hold. team NULL: by this thread alone. */
mote_status mote_session_restore(mote_session *session, int32_t *ids, const void *state,
                                 size_t bytes, const mote_team *team, mote_error *err);

/* ---- running ------------------------------------------------------------------------------ */

/* One row of a forward pass. Rows of one session must come together, positions ascending by one
 * from mote_session_length(). One prompt is one session with many rows; a batch is many sessions
 * with one row each. */
typedef struct mote_row {
    int32_t token;
    uint32_t pos;
    mote_session *session;
    bool want_logits;
} mote_row;

/* What matrices of a layer are multiplied with: */
typedef enum mote_input {
    MOTE_INPUT_ATTENTION, /* q, k and v; of a latent kv_a, and q or q_a */
    MOTE_INPUT_QUERY,     /* q behind q_a */
    MOTE_INPUT_OUTPUT,    /* o */
    MOTE_INPUT_MLP,       /* gate and up, of all experts and the shared one too */
    MOTE_INPUT_DOWN,      /* down, or that of one expert */
    MOTE_INPUT_SHARED     /* down of the shared expert */
} mote_input;

/* Rows of such an input, as one of n_threads threads is shown them. */
typedef struct mote_input_rows {
    const float *x; /* [n_rows, k], `stride` floats from one row to the next */
    size_t stride, n_rows, k;
    uint32_t layer; /* 0 .. n_layers - 1 */
    mote_input which;
    uint32_t expert; /* with MOTE_INPUT_DOWN, else 0 */
    uint32_t thread, n_threads;
} mote_input_rows;

/* Stages of a pass, in order; those from QUERIES to DOWN are gone through in every layer. */
typedef enum mote_stage_kind {
    MOTE_STAGE_EMBED,   /* x = the embeddings */
    MOTE_STAGE_QUERIES, /* queries are there, keys and values in the cache */
    MOTE_STAGE_ATTEND,  /* each head's weighted sum of values */
    MOTE_STAGE_OUTPUT,  /* x += o of them */
    MOTE_STAGE_HIDDEN,  /* act(gate) * up; experts are chosen */
    MOTE_STAGE_DOWN,    /* x += down of that */
    MOTE_STAGE_LOGITS,  /* or an encoder's pooling */
    MOTE_STAGES
} mote_stage_kind;

/* A stage that has just ended, as thread 0 is shown it while all others wait. */
typedef struct mote_stage {
    mote_stage_kind kind;
    uint32_t layer; /* 0 .. n_layers - 1 */
    const float *x; /* [n_rows, hidden]: the residual stream; an encoder's before its norm; at
                     * MOTE_STAGE_LOGITS of no use */
    size_t n_rows, hidden;
    const struct mote_run *run; /* private */
} mote_stage;

/* At MOTE_STAGE_QUERIES: softmax(q . keys) of one head of a row, as the cache stores the keys.
 * Writes the weights of positions 0 .. n - 1 and returns n; cap >= n in whole sixteens, else 0. */
size_t mote_stage_attention(const mote_stage *stage, size_t row, size_t head, float *weights,
                            size_t cap);
/* At MOTE_STAGE_HIDDEN of a layer with experts: those that a row has chosen, ascending, and their
 * weights [n_experts_used]; returns how many, 0: the layer has none. */
size_t mote_stage_experts(const mote_stage *stage, size_t row, uint16_t *experts, float *weights);

/* Hooks, all optional. cancel: asked by thread 0 before every layer; true ends the call with
 * MOTE_CANCELLED and no session changed. trace: called by thread 0 with the residual stream
 * x [n_rows, n] f32: layer 0 = embeddings, layer i = output of layer i (1 .. n_layers),
 * n_layers + 1 = after the final norm (only rows that want logits). input: called by every thread
 * at once with the inputs of matrices of float types. stage: called by thread 0 at the end of every
 * stage, in builds with MOTE_WATCH. */
typedef struct mote_hooks {
    void *user;
    bool (*cancel)(void *user);
    void (*trace)(void *user, uint32_t layer, const float *x, size_t n_rows, size_t n);
    void (*input)(void *user, const mote_input_rows *rows);
    void (*stage)(void *user, const mote_stage *stage);
} mote_hooks;

/* Runs the rows through the model. `lead` gives scratch and logits space (its n_batch >= n_rows);
 * it need not be among the rows, but no session of them has another model or KV type, or more
 * positions than it. team NULL: one thread. On success every session has grown by its
 * rows; on any error none has.  MOTE_ERR_LIMIT: a position beyond a session's capacity or out of
 * order, a token outside the vocabulary, too many rows. MOTE_ERR_FILE: a logit is not finite. */
mote_status mote_forward(mote_session *lead, const mote_row *rows, size_t n_rows,
                         const mote_team *team, const mote_hooks *hooks, mote_error *err);

/* Logits [n_vocab] of the i-th row that wanted them in the last call led by this session;
 * valid until the next one. */
float *mote_session_logits(mote_session *lead, size_t i);

/* ---- encoders ----------------------------------------------------------------------------- */

/* A model that reads whole texts and gives one vector for each: an embedding, or scores of a pair.
 * Such a file has no sessions; one of a text model has no encoder. */
typedef enum mote_pooling {
    MOTE_POOL_NONE = 0, /* a model that makes text */
    MOTE_POOL_MEAN,     /* the mean over all tokens */
    MOTE_POOL_CLS,      /* the first token */
    MOTE_POOL_SCORE     /* scores: the first token through a dense layer, tanh, and a classifier */
} mote_pooling;

typedef struct mote_encoder_info {
    mote_pooling pooling;
    bool normalize;      /* embeddings have length 1 */
    uint32_t n_out;      /* numbers for each text */
    uint32_t max_tokens; /* texts beyond this are cut before they are encoded */
    uint32_t n_types; /* token types: those of the second text of a pair have type 1 if it is 2 */
    uint32_t pair_joins; /* the tokens that close a text stand this often between those of a pair */
} mote_encoder_info;

/* pooling MOTE_POOL_NONE, all else 0: no encoder. */
void mote_model_get_encoder(const mote_model *model, mote_encoder_info *info);

typedef struct mote_encoder_opts {
    uint32_t n_tokens;  /* in one call, of all its texts together */
    uint32_t n_texts;   /* in one call */
    uint32_t n_threads; /* at least 1 */
} mote_encoder_opts;

/* Scratch for calls up to a size; holds nothing between them. One thread at a time. */
typedef struct mote_encoder mote_encoder;

/* Exact bytes of an encoder, and what they are for. The same on every tier. */
typedef struct mote_encoder_plan {
    uint64_t state_bytes;
    uint64_t kv_bytes;      /* keys and values of one layer */
    uint64_t scratch_bytes; /* activations, shared and per thread */
    uint64_t total_bytes;
} mote_encoder_plan;

mote_status mote_encoder_plan_bytes(mote_encoder_plan *plan, const mote_model *model,
                                    const mote_encoder_opts *opts, mote_error *err);
/* mem: plan.total_bytes bytes, aligned to MOTE_ALIGN. */
mote_status mote_encoder_init(mote_encoder **out, void *mem, size_t mem_bytes,
                              const mote_model *model, const mote_encoder_opts *opts,
                              mote_error *err);

/* One text, special tokens included. */
typedef struct mote_encode_text {
    const int32_t *ids;   /* [n_ids], at least one */
    const uint8_t *types; /* [n_ids] token types; NULL: all 0 */
    size_t n_ids;         /* at most the positions the model was made for */
    float *out;           /* [n_out] */
} mote_encode_text;

/* Encodes the texts, one behind the other and never padded: a text gives the same bits in any
 * company, on every tier and for any number of threads. team NULL: one thread. hooks: the trace
 * gets the residual stream of all texts, layer 0 = after the norm of the embeddings. On an error
 * `out` holds nothing of use. MOTE_ERR_LIMIT: too many tokens or texts, an id or type that the
 * model lacks. MOTE_ERR_FILE: a number is not finite. */
mote_status mote_encode_texts(mote_encoder *encoder, const mote_encode_text *texts, size_t n_texts,
                              const mote_team *team, const mote_hooks *hooks, mote_error *err);

/* ---- sampling ----------------------------------------------------------------------------- */

typedef struct mote_logit_bias {
    int32_t token;
    float bias;
} mote_logit_bias;

/* llama.cpp's sampler chain, order and defaults: logit bias, penalties, top-k, top-p, min-p,
 * temperature. docs/sampling.md has the formulas. */
typedef struct mote_sampler_opts {
    float temperature;       /* <= 0: greedy */
    int32_t top_k;           /* <= 0: all */
    float top_p;             /* >= 1: off */
    float min_p;             /* <= 0: off */
    float repeat_penalty;    /* 1: off */
    float presence_penalty;  /* 0: off */
    float frequency_penalty; /* 0: off */
    uint32_t repeat_last_n;  /* ids the penalties look back on; 0: no penalties */
    uint64_t seed;
    const mote_logit_bias *bias;
    size_t n_bias;
} mote_sampler_opts;

typedef struct mote_sampler mote_sampler;

void mote_sampler_defaults(mote_sampler_opts *opts);
/* 0 and err set when an option is out of range. */
size_t mote_sampler_bytes(size_t n_vocab, const mote_sampler_opts *opts, mote_error *err);
mote_status mote_sampler_init(mote_sampler **out, void *mem, size_t mem_bytes,
                              const mote_model *model, const mote_sampler_opts *opts,
                              mote_error *err);
/* Tells the sampler about an id of the text (prompt or generated), for the penalties. */
void mote_sampler_accept(mote_sampler *sampler, int32_t id);
/* Chooses an id from logits [n_vocab]; does not change them. */
int32_t mote_sampler_choose(mote_sampler *sampler, const float *logits);
/* What the last choice was drawn from, if the temperature was above 0: how many top-k left, of
 * these top-p, of these min-p; the sum of the weights of those. All 0 else. Builds with
 * MOTE_WATCH. */
typedef struct mote_candidates {
    size_t by_top_k, by_top_p, by_min_p;
    double sum;
} mote_candidates;
void mote_sampler_candidates(mote_sampler *sampler, mote_candidates *out);
/* After that: the i-th best (i < by_top_k) and its weight in the draw; 0: it was left out. */
int32_t mote_sampler_candidate(const mote_sampler *sampler, size_t i, float *weight);
/* Index of the largest logit, the lowest index on ties. */
int32_t mote_argmax(const float *logits, size_t n);

/* ---- generation --------------------------------------------------------------------------- */

typedef enum mote_finish {
    MOTE_FINISH_STOP = 0, /* an end token */
    MOTE_FINISH_LENGTH,   /* max_tokens made */
    MOTE_FINISH_CONTEXT,  /* the context is full */
    MOTE_FINISH_CALLER,   /* the token function returned false */
    MOTE_FINISH_CANCELLED /* the cancel hook said so */
} mote_finish;

typedef struct mote_generate_opts {
    const int32_t *ids; /* prompt, appended to what the session holds; at least one id */
    size_t n_ids;
    size_t max_tokens; /* SIZE_MAX: until something else ends it */
    const int32_t *end_ids;
    size_t n_end_ids;
    mote_sampler *sampler; /* is told all ids; NULL: the best token, always */
    const mote_team *team;
    const mote_team *prompt_team; /* for the prompt; NULL: team */
    const mote_hooks *hooks;
    /* Called for every id made, end tokens not included; false stops. */
    bool (*token)(void *user, int32_t id);
    /* Called after each chunk of the prompt; may be NULL. */
    void (*progress)(void *user, size_t done, size_t total);
    /* Guesses the ids that come next: writes at most max, returns how many; may be NULL. A session
     * with room for n logits looks at n - 1 guesses in one pass. The ids made are the same with any
     * guesses and without. */
    size_t (*guess)(void *user, int32_t *ids, size_t max);
    void *user;
} mote_generate_opts;

/* Guesses that one pass looks at, at most. */
#define MOTE_MAX_GUESSES 15

/* Feeds the prompt in chunks of the session's n_batch, then generates. A prompt that does not fit
 * is refused before any work: MOTE_ERR_LIMIT, got = positions needed, wanted = capacity. */
mote_status mote_generate(mote_session *session, const mote_generate_opts *opts,
                          mote_finish *finish, mote_error *err);

/* ---- tokenizer ---------------------------------------------------------------------------- */

typedef struct mote_tokenizer mote_tokenizer;

size_t mote_tokenizer_bytes(void);
/* mem: mote_tokenizer_bytes() bytes, aligned to MOTE_ALIGN. MOTE_ERR_UNSUPPORTED: no tokenizer
 * in the file. Checks table sizes only; every look-up is bounds-checked later. */
mote_status mote_tokenizer_init(mote_tokenizer **out, void *mem, size_t mem_bytes,
                                const mote_image *image, mote_error *err);
uint32_t mote_tokenizer_vocab_size(const mote_tokenizer *t);

/* Part of a text whose bytes may not become special tokens (what a user typed into a chat). */
typedef struct mote_span {
    size_t begin, end;
} mote_span;

enum {
    MOTE_ENCODE_ADD_SPECIAL = 1,    /* add what the tokenizer's post-processor adds (BOS ...) */
    MOTE_ENCODE_NO_SPECIAL_TEXT = 2 /* special tokens written in the text are plain text */
};

/* Working memory for a text of this many bytes. */
size_t mote_encode_scratch_bytes(const mote_tokenizer *t, size_t text_bytes);
/* Upper bound of ids for a text of this many bytes. */
size_t mote_encode_max_ids(const mote_tokenizer *t, size_t text_bytes);

/* ids of a text, as the Hugging Face tokenizer gives them. plain: ascending spans treated as under
 * MOTE_ENCODE_NO_SPECIAL_TEXT (may be NULL). Invalid UTF-8 is read as U+FFFD. Linear time.
 * ids: [cap]; *n_ids: ids written. MOTE_ERR_MEMORY: scratch or cap too small. */
mote_status mote_encode(const mote_tokenizer *t, const char *text, size_t text_bytes,
                        unsigned flags, const mote_span *plain, size_t n_plain, int32_t *ids,
                        size_t cap, size_t *n_ids, void *scratch, size_t scratch_bytes,
                        mote_error *err);

/* Where in the text each of its ids comes from, as spans of bytes: spans[n]. flags as for
 * mote_encode; what was added around the text gets empty spans at its ends. Where the tokenizer
 * leaves the text as it is the spans are exact; an id of a character that was normalised gets all
 * of it, one that cannot be found again an empty span. scratch: mote_encode_scratch_bytes().
 * MOTE_ERR_MEMORY: it is too small. */
mote_status mote_token_spans(const mote_tokenizer *t, const char *text, size_t text_bytes,
                             unsigned flags, const int32_t *ids, size_t n, mote_span *spans,
                             void *scratch, size_t scratch_bytes, mote_error *err);

/* The piece of one id: raw bytes of a vocabulary entry as stored (for display); empty for ids
 * outside the vocabulary. */
mote_text mote_token_piece(const mote_tokenizer *t, int32_t id);
bool mote_token_is_special(const mote_tokenizer *t, int32_t id);
/* The id of a piece (added tokens included), or -1. */
int32_t mote_token_find(const mote_tokenizer *t, const char *text, size_t bytes);

/* Text of ids, as the Hugging Face tokenizer gives it, always valid UTF-8: what is none becomes
 * U+FFFD. Writes at most cap bytes to out and returns how many the whole text has. Ids outside the
 * vocabulary give nothing. */
size_t mote_decode(const mote_tokenizer *t, const int32_t *ids, size_t n, bool skip_special,
                   char *out, size_t cap);

/* Streaming decoder: pushes give complete UTF-8 only; the concatenation of all pushes and the
 * final flush equals mote_decode(), but for byte tokens (<0xE2>) that make no valid text: there the
 * whole run becomes U+FFFD, which a stream cannot know when it shows the beginning. */
typedef struct mote_decoder {
    const mote_tokenizer *tokenizer;
    bool skip_special;
    uint8_t state[64]; /* private */
} mote_decoder;

/* Bytes that one push or flush can give at most. */
size_t mote_decode_max_bytes(const mote_tokenizer *t);
void mote_decoder_init(mote_decoder *d, const mote_tokenizer *t, bool skip_special);
/* out: [mote_decode_max_bytes()]; returns bytes written. Ids outside the vocabulary give
 * nothing. */
size_t mote_decoder_push(mote_decoder *d, int32_t id, char *out);
size_t mote_decoder_flush(mote_decoder *d, char *out);

/* End tokens of the model (generation configuration, tokenizer configuration). */
size_t mote_end_ids(const mote_image *image, const int32_t **ids);

/* ---- chat templates ----------------------------------------------------------------------- */

/* A value handed to a chat template: a small JSON-like tree, owned by the caller. */
typedef enum mote_value_kind {
    MOTE_VALUE_NONE = 0,
    MOTE_VALUE_BOOL,
    MOTE_VALUE_INT,
    MOTE_VALUE_FLOAT,
    MOTE_VALUE_STRING,
    MOTE_VALUE_LIST,
    MOTE_VALUE_DICT
} mote_value_kind;

typedef struct mote_value mote_value;
typedef struct mote_member mote_member;

struct mote_value {
    mote_value_kind kind;
    bool untrusted; /* STRING, keys of a DICT: what a user wrote; never becomes a special token */
    union {
        bool boolean;
        int64_t integer;
        double number;
        mote_text string;
        struct {
            const mote_value *items;
            size_t n;
        } list;
        struct {
            const mote_member *members;
            size_t n;
        } dict; /* in order */
    } as;
};

struct mote_member {
    mote_text key;
    mote_value value;
};

/* Renders a chat template (the part of Jinja that published templates use) with the variables of
 * `vars` (a DICT: messages, add_generation_prompt, bos_token ...). mem: any memory, all the
 * template's values and text live there; MOTE_ERR_MEMORY when it runs out. The text and the spans
 * of it that stem from untrusted strings point into mem. strftime_now takes `now` (seconds since
 * 1970, UTC). A raise_exception() gives MOTE_ERR_LIMIT with the message in text. */
typedef struct mote_rendered {
    mote_text text;
    const mote_span *untrusted;
    size_t n_untrusted;
} mote_rendered;

mote_status mote_template_render(mote_rendered *out, mote_text source, const mote_value *vars,
                                 int64_t now, void *mem, size_t mem_bytes, mote_error *err);

/* The file's chat template; empty when it has none. */
mote_text mote_chat_template(const mote_image *image);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
