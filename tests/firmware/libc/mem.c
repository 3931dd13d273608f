/* mem.c: the four functions, by bytes and, where both ends are aligned, by words. */
#include <stdint.h>
#define MOTE_STRING_BODIES
#include <string.h>

void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *d = to;
    const uint8_t *s = from;
    if (d <= s || d >= s + n)
        return memcpy(to, from, n);
    while (n--)
        d[n] = s[n];
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    uint8_t *d = to;
    const uint8_t *s = from;
    if (!(((uintptr_t)d | (uintptr_t)s) & 3)) {
        for (; n >= 16; n -= 16, d += 16, s += 16) {
            uint32_t *to4 = (void *)d;
            const uint32_t *from4 = (const void *)s, a = from4[0], b = from4[1], c = from4[2];
            to4[3] = from4[3];
            to4[0] = a;
            to4[1] = b;
            to4[2] = c;
        }
        for (; n >= 4; n -= 4, d += 4, s += 4)
            *(uint32_t *)(void *)d = *(const uint32_t *)(const void *)s;
    }
    while (n--)
        *d++ = *s++;
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    uint8_t *d = to;
    const uint32_t word = 0x01010101u * (uint8_t)byte;
    for (; !((uintptr_t)d & 3) && n >= 16; n -= 16, d += 16)
        for (size_t i = 0; i < 4; i++)
            ((uint32_t *)(void *)d)[i] = word;
    for (; !((uintptr_t)d & 3) && n >= 4; n -= 4, d += 4)
        *(uint32_t *)(void *)d = word;
    while (n--)
        *d++ = (uint8_t)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x < *y ? -1 : 1;
    return 0;
}
