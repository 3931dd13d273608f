/* mutants.h: what the files of deliberately wrong kernels share. Read mutants.c.
 *
 * Kernels have no context, so a fault cannot be passed at run time: each family is one inline
 * function with the fault as its last argument, and a list X(slot, name, kind, text) from which the
 * enumerators, the functions and the lines of the table are made. The first of a family is right.
 */
#ifndef MOTE_MUTANTS_H
#define MOTE_MUTANTS_H

typedef void mutant_fn(void);

typedef enum mutant_kind {
    RIGHT, /* the family without a fault: must not be caught */
    WRONG, /* must be caught as a tier, by `ref`, and as `ref`, by the oracle */
    CLOSE  /* within the tolerance of the oracle: must be caught as a tier */
} mutant_kind;

typedef struct mutant {
    const char *slot, *fault;
    mutant_fn *function; /* of the slot's type */
    mutant_kind kind;
} mutant;

/* Each ended by a NULL slot. */
extern const mutant product_mutants[], row_mutants[], attention_mutants[];

#define MUTANT_NAME(slot, name, kind, text) name,
#define MUTANT_LINE(slot, name, kind, text) {#slot, text, (mutant_fn *)name##_fn, kind},

/* Where a fault is to leave all else as it is: a read that the compiler must not drop. */
static inline void touch(const volatile void *p) { (void)*(const volatile unsigned char *)p; }

#endif
