/* arena.c: one object of an arena. */
#include "model/arena.h"

void *mote_take(mote_arena *a, uint64_t n, uint64_t each)
{
    uint64_t limit = (uint64_t)1 << 62, bytes;
    if (a->overflow || __builtin_mul_overflow(n, each, &bytes) || bytes > limit - MOTE_ALIGN) {
        a->overflow = true;
        return NULL;
    }
    bytes = (bytes + MOTE_ALIGN - 1) / MOTE_ALIGN * MOTE_ALIGN;
    if (bytes > limit - a->used) {
        a->overflow = true;
        return NULL;
    }
    void *p = a->base && bytes ? a->base + a->used : NULL;
    a->used += bytes;
    return p;
}
