/* encode.h: an encoder from inside. Read model.h and include/mote.h first, then encode.c. */
#ifndef MOTE_ENCODE_H
#define MOTE_ENCODE_H

#include <stdatomic.h>

#include "model/model.h"

struct mote_encoder {
    mote_session lead;      /* scratch; its opts.kv is f32 */
    mote_encoder_opts opts; /* what it has room for */
    mote_session *texts;    /* [n_texts]: each text is a session while it is encoded */
    mote_kv_layer *kv;      /* [n_texts, n_layers] */
    uint8_t *k, *v;         /* keys and values of one layer: the next one overwrites them */
    size_t slot;            /* position in them where the first text's begin */
    size_t *first;          /* [n_texts]: row of a text's first token */
    uint8_t *types;         /* [n_tokens] */
    float *unit;            /* [hidden]: 1/sqrt(hidden), the weights of a norm to length 1 */
    float *pooled, *scores; /* [n_texts, stride]; MOTE_POOL_SCORE only */
    size_t pooled_stride, scores_stride;
};

typedef struct mote_encode_run {
    mote_run run; /* first: stages of forward.c take it */
    mote_encoder *encoder;
    const mote_encode_text *texts;
    size_t n_texts;
    atomic_bool *stop; /* NULL, or how threads that take whole texts tell each other to end */
} mote_encode_run;

/* pooling.c: from the residual stream of all texts to what each of them gives. Ends the pass. */
void mote_pool_texts(mote_encode_run *r, uint32_t thread);

#endif
