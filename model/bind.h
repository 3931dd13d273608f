/* bind.h: what model.c and parts.c share while records get a meaning. Read model.c first. */
#ifndef MOTE_BIND_H
#define MOTE_BIND_H

#include <string.h>

#include "include/mote_error.h"
#include "model/model.h"

#define MOTE_MAX_HEAD_DIM 1024u

/* One demand on a record: the first that is not met is the error that the function returns. */
#define MOTE_REQUIRE(ok, status, what, got, wanted)                                                \
    do {                                                                                           \
        if (!(ok))                                                                                 \
            return mote_fail_got(err, (status), what, NULL, (got), (wanted));                      \
    } while (0)

static inline bool mote_is_finite(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (u & 0x7f800000u) != 0x7f800000u;
}

static inline void mote_grow(uint32_t *max, uint32_t n) { *max = n > *max ? n : *max; }

/* Rows of q that belong to a head. */
static inline uint32_t mote_query_dim(const mote_layer *l)
{
    return mote_is_latent(l) ? l->nope_dim + l->rope_dim : l->head_dim;
}

/* n matrices [rows, k] of this place and kind; n_bound counts the tensors that found their use. */
mote_status mote_bind_mats(const mote_image *image, uint32_t place, uint32_t kind, uint32_t n,
                           uint32_t rows, uint32_t k, mote_mats *out, uint32_t *n_bound,
                           mote_error *err);

/* parts.c: checks of a record, its matrices, its largest sizes; experts and latents. */
mote_status mote_check_experts(const mote_layer *l, mote_error *err);
mote_status mote_check_latent(const mote_layer *l, mote_error *err);
mote_status mote_bind_experts(const mote_image *image, uint32_t place, mote_model_layer *l,
                              uint32_t *n_bound, mote_error *err);
mote_status mote_bind_latent(const mote_image *image, uint32_t place, mote_model_layer *l,
                             uint32_t *n_bound, mote_error *err);
void mote_note_experts(mote_model *m, const mote_model_layer *l);
void mote_note_latent(mote_model *m, const mote_model_layer *l);
/* Notes the form of activations that a matrix reads, if it is there. */
void mote_note_reads(mote_model *m, const mote_mat *w);

#endif
