/* string.h: all that mote wants of a C library, for builds that have none. mem.c has the four. */
#ifndef MOTE_STRING_H
#define MOTE_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* A compiler told -ffreestanding forgets that it knows these; most calls here move one word. */
#ifndef MOTE_STRING_BODIES
#define memcpy(to, from, n) __builtin_memcpy((to), (from), (n))
#define memset(to, byte, n) __builtin_memset((to), (byte), (n))
#endif

#endif
