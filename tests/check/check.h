/* check.h: the frame of the kernel checker. A kernel slot is one small function that makes inputs,
 * calls the slot through c->k and, when c->oracle is set, compares with an independent computation.
 * The frame (frame.c) runs it over all cases: on `ref` and on the tier with the same inputs,
 * comparing every output byte; with buffers that end at a guard page, then with buffers that begin
 * behind one.
 *
 *   static void run_add(check *c)
 *   {
 *       size_t n = check_range(c, "n", 1, 80);         the axes; their product: the set of cases
 *       if (!check_begin(c))
 *           return;
 *       ... check_in, check_inout, check_out: buffers; CALL(c, c->k->add(y, x, n));
 *       for (size_t i = 0; c->oracle && i < n; i++)
 *           check_near(c, y[i], ...);
 *   }
 *
 * and one line in the table of its file. A new tier needs nothing here.
 */
#ifndef MOTE_CHECK_H
#define MOTE_CHECK_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/kernels.h"

typedef struct check check;

/* A size to time a kernel at: a matrix and tokens; a row (k); or n queries of k dimensions. */
typedef struct check_shape {
    const char *what;
    size_t rows, k, n;
} check_shape;

typedef struct check_slot {
    const char *name;
    size_t offset; /* of the function pointer in mote_kernels */
    void (*run)(check *c);
    int arg;                   /* weight or KV type */
    const check_shape *shapes; /* for --bench, ended by k = 0; NULL: not timed */
    bool loose;                /* its bits may depend on anything: oracle only */
} check_slot;

#define SLOT(field) offsetof(mote_kernels, field)

/* The tables, each ended by a NULL name. math_slots test kernels/math.h: no offset. */
extern const check_slot product_slots[], row_slots[], attention_slots[], blas_slots[], math_slots[];
extern const check_slot *const check_kernel_slots[]; /* the first three, then NULL */

enum { CHECK_BUFFERS = 12, CHECK_AXES = 12 };

/* A buffer between two guard pages. */
typedef struct check_buffer {
    const char *name;
    uint8_t *base, *record; /* room bytes each; record: the bytes `ref` left */
    size_t room;
    uint8_t *data; /* at base or at the end of the room */
    size_t bytes, recorded;
    const void *source; /* what an input must still hold; NULL: output */
} check_buffer;

/* What a failure was found by. */
typedef enum check_cause {
    CAUSE_NONE,
    CAUSE_BYTES,  /* outputs that should be equal differ */
    CAUSE_VALUE,  /* a number is off by more than its bound */
    CAUSE_BESIDE, /* poison beside a buffer is gone */
    CAUSE_INPUT,  /* an input was changed */
    CAUSE_CRASH,  /* a guard page, or another signal */
    CAUSES
} check_cause;

struct check {
    const check_slot *slot;
    const mote_kernels *k; /* the table to call */
    bool oracle;           /* compare with independent values */
    bool at_end;           /* buffers end at a guard page, or else begin behind one */
    uint64_t seed, rng;
    size_t number, rest; /* of the case; its digits not yet taken by an axis */
    size_t most;         /* cases to run of a slot; 0: all */
    struct {
        const char *name;
        size_t value;
    } axes[CHECK_AXES];
    size_t n_axes;
    double share; /* largest part of a bound that was used */
    bool failed;
    check_cause cause;
    char failure[256];
    check_buffer buffers[CHECK_BUFFERS];
    size_t n_buffers;
    uint8_t poison;
    uint8_t *arena; /* scratch of one case */
    size_t arena_used;
    const check_shape *shape; /* --bench: the size to time; NULL: checking */
    size_t n_calls, batch, n_samples;
    double started, spent, samples[64]; /* seconds; per call */
    double bytes, macs;                 /* --bench: what a call moves and multiplies */
};

/* ---- axes: each takes one digit of the case number ------------------------------------------- */
size_t check_range(check *c, const char *name, size_t first, size_t last);
size_t check_pick(check *c, const char *name, const size_t *list, size_t n);
#define PICK(c, name, list) check_pick(c, name, list, sizeof(list) / sizeof *(list))
/* Not a digit: number mod n. With counts that are coprime all combinations come up. */
size_t check_cycle(check *c, const char *name, size_t n);
/* Only for the message of a failure. */
void check_note(check *c, const char *name, size_t value);
/* False: no such case, leave. */
bool check_begin(check *c);

/* ---- buffers --------------------------------------------------------------------------------- */
/* Scratch that lives until the case ends, filled with the poison; 64-byte aligned. */
void *check_scratch(check *c, size_t bytes);
/* A guarded copy of source, which must live until the case ends; compared after the call. */
const void *check_in(check *c, const char *name, const void *source, size_t bytes);
/* The same for data the kernel changes: compared with what `ref` makes of it. */
void *check_inout(check *c, const char *name, const void *source, size_t bytes);
/* Poisoned memory for results. */
void *check_out(check *c, const char *name, size_t bytes);

/* ---- the call and its results ---------------------------------------------------------------- */
bool check_again(check *c);
#define CALL(c, ...)                                                                               \
    while (check_again(c))                                                                         \
    __VA_ARGS__

/* The first failure of a run counts. check_fail: CAUSE_VALUE. */
__attribute__((format(printf, 2, 3))) void check_fail(check *c, const char *format, ...);
/* All bytes of `got` (poison included where nothing may be written) equal `want`. */
void check_image(check *c, const char *what, const void *got, const void *want, size_t bytes);
void check_far(check *c, double got, double want, double bound);

/* |got - want| <= bound; keeps the largest share of a bound. */
static inline void check_near(check *c, double got, double want, double bound)
{
    double err = fabs(got - want);
    if (!(err <= bound))
        check_far(c, got, want, bound);
    else if (bound > 0.0 && err > c->share * bound)
        c->share = err / bound;
}
static inline void check_same(check *c, double got, double want)
{
    if (got != want)
        check_far(c, got, want, 0.0);
}

/* ---- running --------------------------------------------------------------------------------- */
void check_open(check *c, uint64_t seed);
/* All cases of a slot on `under`: against `ref` bit by bit or, with ref NULL, against the oracle.
 * Returns the number of cases; c->failed says the rest. `hash` (or NULL) takes in all outputs. */
size_t check_run(check *c, const check_slot *slot, const mote_kernels *under,
                 const mote_kernels *ref, uint64_t *hash);
/* One run of the slot at c->shape; median and minimum seconds of a call. */
void check_time(check *c, const check_slot *slot, const mote_kernels *under, double *median,
                double *minimum);
/* The function a table holds for a slot. */
void *check_function(const mote_kernels *table, const check_slot *slot);

/* mutants.c: deliberately wrong kernels, which must be caught, and right ones, which must not. Adds
 * to the two counts. */
void check_mutants(check *c, bool verbose, unsigned *passed, unsigned *failed);
/* bench.c: times the chosen slots. */
void check_bench(check *c, const char *glob, const char *tier, bool csv);
/* Table of the i-th tier; false past the end. *usable: this machine can run it. */
bool check_tier(size_t i, mote_kernels *table, bool *usable);

/* ---- inputs (inputs.c) ----------------------------------------------------------------------- */
uint64_t check_random(check *c);
static inline size_t check_below(check *c, size_t n) { return (size_t)(check_random(c) % n); }
float check_uniform(check *c); /* [-1, 1) */
float check_normal(check *c);

enum {
    KIND_NORMAL,
    KIND_UNIFORM,
    KIND_ZEROS,   /* whole groups of 32 zero, of both signs */
    KIND_OUTLIER, /* one large value in 32 */
    KIND_TINY,    /* subnormal and next to it */
    KIND_WIDE,    /* 2^-20 .. 2^20 */
    KIND_HUGE,    /* around 2^55: products of two stay finite in any sum here */
    KINDS
};
/* n floats of a kind, in scratch. */
float *check_floats(check *c, size_t n, size_t kind);
/* check_in of check_floats. */
const float *check_in_floats(check *c, const char *name, size_t n, size_t kind);

/* Our own reading of half precision, by ldexp and rint. */
double check_half_value(uint16_t half);
uint16_t check_half_of(double x);
/* A finite half of a kind. */
uint16_t check_half(check *c, size_t kind);

/* A matrix in logical form and packed as quant.h says; arrays [16 * n_tiles, ...]. */
typedef struct check_matrix {
    mote_mat mat;
    size_t n_tiles, n_groups; /* groups of scales */
    float *value;             /* float types: [rows, k] */
    int8_t *level;            /* quantised: [rows, k], what the code stands for */
    double *scale, *minimum;  /* [rows, n_groups] */
    float *factor;            /* [rows], q4's f32 per row; 1 for the others */
} check_matrix;
/* Quantised columns k are rounded up to the group, but for key caches. */
check_matrix check_make_matrix(check *c, enum mote_type type, size_t rows, size_t k, uint32_t group,
                               size_t kind, bool is_cache);
/* Activations for k columns of a matrix of this type, strides larger than needed. */
mote_acts check_make_acts(check *c, enum mote_type type, size_t n, size_t k, size_t kind);

#endif
