/* checked.h: the one helper for arithmetic on numbers from a file. A sum or product that does not
 * fit
 * 64 bits sets `overflow` and stays set, so a chain is checked once, at its end. */
#ifndef MOTE_CHECKED_H
#define MOTE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

typedef struct mote_checked {
    uint64_t value;
    bool overflow;
} mote_checked;

static inline mote_checked mote_checked_of(uint64_t n) { return (mote_checked){n, false}; }

static inline mote_checked mote_checked_add(mote_checked a, uint64_t b)
{
    return (mote_checked){a.value + b, a.overflow || a.value > UINT64_MAX - b};
}

static inline mote_checked mote_checked_mul(mote_checked a, uint64_t b)
{
    mote_checked product;
    product.overflow = __builtin_mul_overflow(a.value, b, &product.value) || a.overflow;
    return product;
}

/* Rounded up to a multiple of `to` > 0. */
static inline mote_checked mote_checked_round_up(mote_checked a, uint64_t to)
{
    uint64_t rest = a.value % to;
    return rest ? mote_checked_add(a, to - rest) : a;
}

/* Fits and equals n. */
static inline bool mote_checked_is(mote_checked a, uint64_t n)
{
    return !a.overflow && a.value == n;
}

/* Fits and is at most n. */
static inline bool mote_checked_within(mote_checked a, uint64_t n)
{
    return !a.overflow && a.value <= n;
}

#endif
