/* tiny.h: small models made from a seed, as whole .mote images in memory, and what tests do with
 * them. Read loader/format.h first. */
#ifndef MOTE_TINY_H
#define MOTE_TINY_H

#include "include/mote.h"
#include "kernels/quant.h"
#include "loader/format.h"

typedef struct tiny_opts {
    uint64_t seed;
    enum mote_type type; /* of all matrices */
    uint32_t group;      /* of q8: 32 or 64; 0: 32 */
    uint32_t n_layers, hidden, n_heads, n_kv_heads, head_dim, ff, n_vocab, n_ctx;
    uint32_t window;                              /* 0: none */
    uint32_t biases;                              /* MOTE_BIAS_... */
    uint32_t qk_norm, norm, norm_place, mlp, act; /* enumerations of format.h; 0: none, RMS, before,
                                                   * gated, SiLU */
    uint32_t pooling;                             /* an encoder's; 0: none */
    uint32_t rope_long_from;                      /* a second rope table; 0: none */
    float attn_softcap, logit_softcap;
    bool untied, no_rope, positions;
} tiny_opts;

/* 2 layers, hidden 64, 4 heads on 2, vocabulary 80, context 512, f32, tied. */
tiny_opts tiny_defaults(void);

/* An encoder of 2 layers: 2 token types, texts of at most 400 tokens, 3 labels for scores. */
tiny_opts tiny_encoder(uint32_t pooling);

/* The bytes of the file (aligned to MOTE_ALIGN); free() them. */
uint8_t *tiny_image(const tiny_opts *o, size_t *bytes);

/* For tests that damage an image: its records, and making the checksum of the index right again. */
mote_index *tiny_index(uint8_t *image);
mote_layer *tiny_layer(uint8_t *image, uint32_t i);
mote_tensor *tiny_tensor(uint8_t *image, uint32_t i);
void tiny_reseal(uint8_t *image);

typedef struct tiny_model {
    uint8_t *bytes;
    mote_image image;
    void *memory;
    mote_model *model;
} tiny_model;

/* isa NULL: the best tier. false: the reason was printed. */
bool tiny_open(tiny_model *t, const tiny_opts *o, const char *isa);
void tiny_close(tiny_model *t);

/* free() it; NULL: the reason was printed. */
mote_session *tiny_session(const mote_model *m, const mote_session_opts *o);

/* Hash of the logits of all n ids (FNV-1a-64, as `mote logits` prints it), fed `chunk` at a time to
 * a fresh session; 0: failed, the reason was printed. */
uint64_t tiny_hash(const mote_model *m, const mote_session_opts *o, const int32_t *ids, size_t n,
                   size_t chunk, const mote_team *team);

#endif
