/* format.h: the records of a .mote file's binary index. Structures only; docs/format.md is the
 * specification. Shared by the loader, the model and the converter.
 *
 * A .mote file is a valid safetensors file:
 *
 *   u64 N | JSON, N bytes, padded with blanks so that 8+N is a multiple of 64 | data
 *
 * The data begins with the tensor __mote__, which is this index:
 *
 *   mote_index | mote_layer[n_layers] | mote_tensor[n_tensors] | strings | zero padding to 64
 *
 * and goes on with the tensors in the order of their records, each starting where the one before
 * it ends. Everything is little-endian; every reserved byte is zero. The index is the truth: the
 * JSON is its rendering for other tools and is never parsed here.
 */
#ifndef MOTE_FORMAT_H
#define MOTE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define MOTE_MAGIC "\x89MOTE\r\n\x1a" /* 8 bytes; breaks under text-mode or 7-bit transfer */
#define MOTE_FORMAT_VERSION 1
#define MOTE_MAX_JSON (100u << 20)
#define MOTE_MAX_INDEX (64u << 20)
#define MOTE_MAX_LAYERS 1024
#define MOTE_MAX_TENSORS (1u << 20)
#define MOTE_MAX_END_IDS 16
#define MOTE_MAX_DIM (1u << 24) /* any single width: hidden, heads x head size, rows of an MLP */
#define MOTE_MAX_CONTEXT (1u << 24)

/* A string: bytes [at, at + bytes) of the strings part. */
typedef struct mote_string {
    uint32_t at, bytes;
} mote_string;

enum {                  /* mote_index.strings */
       MOTE_STR_NAME,   /* the model's name */
       MOTE_STR_FAMILY, /* model_type of the source, for people; the run time never looks */
       MOTE_STR_SOURCE, /* what was converted: kind and base name */
       MOTE_STR_LICENCE,
       MOTE_STR_CONVERTER, /* version of the converter */
       MOTE_STR_CHAT_TEMPLATE,
       MOTE_STR_BOS, /* texts of the template variables bos_token, eos_token, ... */
       MOTE_STR_EOS,
       MOTE_STR_UNK,
       MOTE_STR_PAD,
       MOTE_STR_CARD, /* quality card, JSON */
       MOTE_STR_COUNT = 16
};

typedef struct mote_index { /* 512 bytes */
    uint8_t magic[8];
    uint32_t version;
    uint32_t index_crc;  /* CRC32C of the whole index, this field taken as 0 */
    uint64_t json_bytes; /* N */
    uint64_t file_bytes;
    uint32_t json_crc;    /* CRC32C of the N JSON bytes */
    uint32_t index_bytes; /* multiple of 64 */
    uint32_t n_layers;    /* 0: a tokenizer without a model */
    uint32_t n_tensors;
    uint32_t strings_at; /* from the start of the index; layers and tensors have no offsets */
    uint32_t strings_bytes;
    uint32_t flags;       /* none defined */
    uint32_t weight_type; /* the type asked for (enum mote_type), for people */

    uint32_t n_vocab; /* rows of the embedding; may exceed the tokenizer's vocabulary */
    uint32_t hidden;
    uint32_t n_ctx;      /* positions the model was made for */
    uint32_t final_norm; /* enum mote_norm_kind */
    float final_norm_eps;
    float embed_scale;   /* embeddings are multiplied by this */
    float logit_scale;   /* logits are multiplied by this */
    float logit_softcap; /* c * tanh(logit / c); 0: none */
    uint32_t n_rope;     /* rope tables: global tensors MOTE_W_ROPE + 0 .. n_rope-1 */
    uint32_t n_end_ids;
    int32_t end_ids[MOTE_MAX_END_IDS];
    int32_t bos_id; /* -1: none; for people, the tokenizer adds what it adds by its own table */
    mote_string strings[MOTE_STR_COUNT];
    /* Longrope: a session of more positions than this turns by the tables mote_layer.rope_long
     * names. */
    uint32_t rope_long_from;
    uint8_t reserved[184];
    /* Encoders; all 0 in a model that generates text. An encoder's final_norm_eps is that of the
     * norm of its embeddings. */
    uint32_t pooling;    /* enum mote_pooling (include/mote.h): what comes out; 0: no encoder */
    uint32_t normalize;  /* 1: embeddings are made to have length 1 */
    uint32_t max_tokens; /* longer texts are cut; at most n_ctx */
    uint32_t n_types;    /* rows of the token type embeddings */
    uint32_t n_labels;   /* rows of the classifier */
    uint32_t pair_joins; /* times the closing tokens stand between the two texts of a pair */
} mote_index;

enum mote_norm_kind { MOTE_NORM_NONE = 0, MOTE_NORM_RMS = 1, MOTE_NORM_LAYER = 2 /* has a bias */ };
/* Where norms stand: before a part of the layer (x += f(norm(x))), after it (x += norm(f(x))), or
 * both; in an encoder behind the sum (x = norm(x + f(x))). */
enum mote_norm_place {
    MOTE_NORM_BEFORE = 0,
    MOTE_NORM_BEFORE_AND_AFTER = 1,
    MOTE_NORM_AFTER = 2,
    MOTE_NORM_OF_SUM = 3
};
enum mote_attn_kind {
    MOTE_ATTN_NONE = 0,
    MOTE_ATTN_GROUPED = 1,
    MOTE_ATTN_LATENT = 2, /* one compressed key for all heads, which is the value too */
    MOTE_ATTN_WHOLE = 3   /* grouped, and every position sees all of its text */
};
/* HEAD: one vector [head_dim] for every head; WHOLE: over all heads of a row. RMS either way. */
enum mote_qk_norm { MOTE_QK_NORM_NONE = 0, MOTE_QK_NORM_HEAD = 1, MOTE_QK_NORM_WHOLE = 2 };
/* GATED: down(act(gate x) * up x); PLAIN: down(act(up x)); EXPERTS: some of many gated ones. */
enum mote_mlp_kind {
    MOTE_MLP_NONE = 0,
    MOTE_MLP_GATED = 1,
    MOTE_MLP_PLAIN = 2,
    MOTE_MLP_EXPERTS = 3
};
enum mote_act_kind { MOTE_ACT_SILU = 1, MOTE_ACT_GELU_TANH = 2, MOTE_ACT_GELU_ERF = 3 };
/* Where biases are added: */
enum {
    MOTE_BIAS_Q = 1,
    MOTE_BIAS_K = 2,
    MOTE_BIAS_V = 4,
    MOTE_BIAS_O = 8,
    MOTE_BIAS_GATE = 16,
    MOTE_BIAS_UP = 32,
    MOTE_BIAS_DOWN = 64,
    MOTE_BIAS_ALL = 127
};

/* How a router's probabilities become weights: */
enum {
    MOTE_ROUTER_NORMALIZE = 1,  /* divided by the sum of the chosen ones */
    MOTE_ROUTER_SHARED_MIX = 2, /* the shared expert is multiplied by sigmoid(shared_mix . x) */
    MOTE_ROUTER_ALL = 3
};
#define MOTE_MAX_EXPERTS 4096u
#define MOTE_MAX_EXPERT_GROUPS 64u

/* One layer:  x += attention(norm(x));  x += mlp(norm(x)),  norms as norm_place says. */
typedef struct mote_layer { /* 128 bytes */
    uint32_t attn;          /* enum mote_attn_kind */
    uint32_t n_heads;
    uint32_t n_kv_heads; /* divides n_heads */
    uint32_t head_dim;   /* even */
    uint32_t rope;       /* 0: no rotary positions; i: rope table i-1 */
    uint32_t
        rope_dim; /* dimensions of a head that turn: even, <= head_dim; pairs (i, i + rope_dim/2) */
    float rope_scale;   /* cos and sin are multiplied by this (1 but for yarn, longrope) */
    uint32_t qk_norm;   /* enum mote_qk_norm, before the rotation */
    float attn_scale;   /* scores are multiplied by this */
    float attn_softcap; /* 0: none */
    uint32_t window;    /* 0: none; w: a position sees itself and the w-1 before it */
    uint32_t biases;
    uint32_t norm; /* enum mote_norm_kind of the norms around attention and MLP */
    float norm_eps;
    uint32_t mlp;        /* enum mote_mlp_kind */
    uint32_t act;        /* enum mote_act_kind */
    uint32_t ff;         /* rows of gate and up */
    uint32_t norm_place; /* enum mote_norm_place */
    uint32_t rope_long;  /* 0: none; i: rope table i-1 in place of `rope` in long sessions */
    uint8_t reserved[24];
    /* MOTE_ATTN_LATENT: a position's cache is kv_rank + rope_dim = head_dim numbers, one for all
     * heads (n_kv_heads 1); a head's query is nope_dim + rope_dim, its value v_dim numbers. */
    uint16_t q_rank; /* 0: queries straight from x */
    uint16_t kv_rank, nope_dim, v_dim;
    /* MOTE_MLP_EXPERTS: ff is the width of one expert. */
    uint16_t n_experts, n_experts_used;
    uint16_t n_groups, n_groups_used; /* experts are chosen in the best groups only; 1 of 1: all */
    uint32_t shared_ff;               /* rows of the shared expert, 0: none */
    uint32_t router;                  /* MOTE_ROUTER_... */
    float router_scale;               /* of the chosen experts' weights */
} mote_layer;

/* Tensors. `place` 0 is the file, i+1 is layer i. Records are sorted by (place, kind), no pair
 * twice. Kinds of place 0 below MOTE_W_EMBED belong to the tokenizer (tokenizer/tables.h). */
enum mote_kind {
    MOTE_T_TOKENIZER = 1, /* 1 .. 31: __tok__ tensors (tokenizer/tables.h) */
    MOTE_T_HEADER = 1,
    MOTE_T_PIECES = 2,
    MOTE_T_PIECE_ENDS = 3,
    MOTE_T_FLAGS = 4,
    MOTE_T_SPLITS = 5,
    MOTE_T_RANKS = 6,
    MOTE_T_ADDED = 7,
    MOTE_T_ADDED_TEXT = 8,
    MOTE_T_CLASSES = 9,
    MOTE_T_NFC = 10,
    MOTE_T_TRIE = 11,
    MOTE_T_SCORES = 12,
    MOTE_T_CHARSMAP = 13,
    MOTE_T_BOUNDS = 14,
    MOTE_T_LOWER = 15,
    MOTE_W_EMBED = 32, /* [n_vocab, hidden]; the output matrix too when there is no MOTE_W_HEAD */
    MOTE_W_FINAL_NORM = 33,
    MOTE_W_HEAD = 34, /* [n_vocab, hidden] */
    MOTE_W_FINAL_NORM_BIAS = 35,
    MOTE_W_POSITIONS = 36, /* [n_ctx, hidden], added to the embeddings; may be absent */
    MOTE_W_ROPE = 40,      /* 40 .. 47: inverse frequencies [rope_dim/2] */
    /* Encoders: */
    MOTE_W_TYPES = 49, /* [n_types, hidden], added to the embeddings */
    MOTE_W_EMBED_NORM = 50,
    MOTE_W_EMBED_NORM_BIAS = 51,
    MOTE_W_POOLER = 52, /* [hidden, hidden], of the first token */
    MOTE_W_POOLER_BIAS = 53,
    MOTE_W_CLASSIFIER = 54, /* [n_labels, hidden] */
    MOTE_W_CLASSIFIER_BIAS = 55,

    MOTE_L_ATTN_NORM = 1, /* of a layer */
    MOTE_L_Q = 2,
    MOTE_L_K = 3,
    MOTE_L_V = 4,
    MOTE_L_O = 5,
    MOTE_L_Q_BIAS = 6,
    MOTE_L_K_BIAS = 7,
    MOTE_L_V_BIAS = 8,
    MOTE_L_O_BIAS = 9,
    MOTE_L_Q_NORM = 10,
    MOTE_L_K_NORM = 11,
    MOTE_L_ATTN_NORM_BIAS = 12,
    MOTE_L_ATTN_POST_NORM = 13,
    MOTE_L_ATTN_POST_NORM_BIAS = 14,
    MOTE_L_MLP_NORM = 16,
    MOTE_L_GATE = 17,
    MOTE_L_UP = 18,
    MOTE_L_DOWN = 19,
    MOTE_L_GATE_BIAS = 20,
    MOTE_L_UP_BIAS = 21,
    MOTE_L_DOWN_BIAS = 22,
    MOTE_L_MLP_NORM_BIAS = 23,
    MOTE_L_MLP_POST_NORM = 24,
    MOTE_L_MLP_POST_NORM_BIAS = 25,
    /* Experts: gate, up and down are tensors of n_experts matrices. */
    MOTE_L_ROUTER = 48, /* [n_experts, hidden], f32 */
    MOTE_L_SHARED_GATE = 49,
    MOTE_L_SHARED_UP = 50,
    MOTE_L_SHARED_DOWN = 51,
    MOTE_L_SHARED_MIX = 52, /* [1, hidden], f32 */
    /* Latent attention: q is [heads * (nope_dim + rope_dim), hidden or q_rank]. */
    MOTE_L_KV_A = 53, /* [kv_rank + rope_dim, hidden] */
    MOTE_L_KV_A_NORM = 54,
    MOTE_L_Q_A = 55, /* [q_rank, hidden] */
    MOTE_L_Q_A_NORM = 56,
    MOTE_L_K_UP = 57, /* n_heads matrices [kv_rank, nope_dim] */
    MOTE_L_V_UP = 58, /* n_heads matrices [v_dim, kv_rank] */
    MOTE_KIND_END = 64
};

enum mote_shape { MOTE_SHAPE_BYTES = 0, MOTE_SHAPE_VECTOR = 1, MOTE_SHAPE_MATRIX = 2 };

typedef struct mote_tensor { /* 64 bytes */
    uint32_t place;
    uint32_t kind;
    /* BYTES: U8 [bytes]. VECTOR: F32 [bytes/4], `rows` of them used. MATRIX: tiles
     * (kernels/quant.h). */
    uint32_t shape;
    uint32_t type;   /* enum mote_type for a matrix, else 0 */
    uint32_t group;  /* of columns, for quantised types, else 0 */
    uint32_t n_mats; /* matrices in this tensor, 1 unless experts */
    uint64_t rows;   /* without padding; bytes used for BYTES */
    uint64_t k;      /* columns without padding; 1 unless a matrix */
    uint64_t offset; /* from the start of the data */
    uint64_t bytes;  /* with padding: multiple of 64 */
    uint32_t crc;    /* CRC32C of the bytes */
    uint32_t reserved;
} mote_tensor;

/* The safetensors name of a tensor, terminated: "__tok__.pieces", "embed", "layers.3.q" ...; false:
 * no such kind. Written once, in loader/names.c. */
_Bool mote_tensor_name(uint32_t place, uint32_t kind, char out[64]);

/* CRC32C (Castagnoli, reflected, as in iSCSI), continued from crc (0 to start). */
uint32_t mote_crc32c(uint32_t crc, const void *data, size_t bytes);

/* The canonical JSON of an index: writes at most cap bytes to out, returns the bytes it has without
 * padding (0: the index cannot be rendered). `verify` compares it with the file's own. */
size_t mote_index_json(const mote_index *index, char *out, size_t cap);

#endif
