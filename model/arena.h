/* arena.h: carving objects out of one piece of memory. The same code measures and carves: with base
 * NULL it only counts, so a size can never differ from what is used. */
#ifndef MOTE_ARENA_H
#define MOTE_ARENA_H

#include "include/mote.h"

typedef struct mote_arena {
    uint8_t *base; /* NULL: measure */
    uint64_t used;
    bool overflow; /* a size did not fit 63 bits */
} mote_arena;

/* n objects of `each` bytes, MOTE_ALIGN-aligned and padded. NULL while measuring. */
void *mote_take(mote_arena *a, uint64_t n, uint64_t each);

#endif
