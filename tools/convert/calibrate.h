/* calibrate.h: what a text says about the inputs x of matrices, and what follows for errors of
 * their weights. Read convert.h and encode.h first.
 *
 * The result of a row w that became v is off by (w - v) . x. Over a text the mean of its square is
 * (w - v) H (w - v)', H the mean of x x'. With H = (F + 1) D (F + 1)', F strictly upper triangular
 * and D diagonal, it is
 *
 *   sum over j of D[j] * (x'[j] - v[j])^2,   x'[j] = w[j] + sum over i < j of (w[i] - v[i]) F[i][j]
 *
 * so a search from left to right weighs squares by D and moves what is still to come by F: the
 * rounding of GPTQ (Frantar et al. 2022) in the form of QuIP's LDLQ (Chee et al. 2023). */
#ifndef MOTE_CONVERT_CALIBRATE_H
#define MOTE_CONVERT_CALIBRATE_H

#include "tools/convert/encode.h"
#include "tools/convert/graph.h"

/* H of one input. */
typedef struct moments {
    uint32_t layer, expert;
    mote_input which;
    size_t k;
    float *sums;     /* [k, k], the upper triangle: sums of x[i] * x[j] */
    uint64_t n_rows; /* summed up */
} moments;

/* The inputs of some layers, as many as there is room for, and the guide last made. */
struct mote_calibration {
    bool blas;
    pool pool;
    moments *inputs;
    size_t n_inputs;
    uint32_t begin, end;   /* layers */
    const moments *guided; /* what `guide` was made of; NULL: nothing yet */
    q4_guide guide;
    float *weights, *feedback; /* its numbers */
};

/* *out: the guide for matrix `mat` of a tensor, NULL if it needs none or the text never used it.
 * Valid until the next call; gathers the layer's inputs first if they are not there. */
mote_status calibrate_guide(mote_calibration *c, const graph *g, const out_tensor *t, size_t mat,
                            const q4_guide **out);
void calibrate_close(mote_calibration *c);

/* F and D of H = sums / n with a little of its mean diagonal added to the diagonal, which keeps
 * what the text did not show from being taken as free. feedback [k, k], weights [k]. false: the
 * sums are not finite. */
bool calibrate_factor(const float *sums, size_t k, float *feedback, float *weights);

#endif
