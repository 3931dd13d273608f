/* utf8.h: UTF-8 in small pieces. Where bytes are no UTF-8, one U+FFFD stands for each maximal part
 * of a sequence (Unicode 3.9, as Rust and Python do it). */
#ifndef MOTE_TOKENIZER_UTF8_H
#define MOTE_TOKENIZER_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT 0xfffdu

/* Bytes that a sequence with this first byte has; 0: none begins so. */
static inline size_t utf8_length(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* May byte i > 0 of a sequence that begins with `first` be b? Only the second byte's range depends
 * on the first: no overlong forms, no surrogates, nothing above U+10FFFF. */
static inline bool utf8_continues(uint8_t first, size_t i, uint8_t b)
{
    uint8_t low = 0x80, high = 0xbf;
    if (i == 1) {
        low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : low;
        high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : high;
    }
    return b >= low && b <= high;
}

/* The sequence at p (n > 0 bytes): its character in *cp, its bytes returned. *valid = false: the
 * bytes stand for U+FFFD. */
static inline size_t utf8_read(const uint8_t *p, size_t n, uint32_t *cp, bool *valid)
{
    size_t length = utf8_length(p[0]), i = 1;
    while (i < length && i < n && utf8_continues(p[0], i, p[i]))
        i++;
    *valid = length && i == length;
    *cp = UTF8_REPLACEMENT;
    if (*valid) {
        *cp = length == 1 ? p[0] : p[0] & (0x7fu >> length);
        for (size_t j = 1; j < length; j++)
            *cp = *cp << 6 | (p[j] & 0x3f);
    }
    return i;
}

/* The same in text that is valid. */
static inline size_t utf8_next(const uint8_t *p, uint32_t *cp)
{
    uint32_t c = p[0];
    if (c < 0x80) {
        *cp = c;
        return 1;
    }
    if (c < 0xe0) {
        *cp = (c & 0x1f) << 6 | (p[1] & 0x3fu);
        return 2;
    }
    if (c < 0xf0) {
        *cp = (c & 0xf) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
        return 3;
    }
    *cp = (c & 7) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
    return 4;
}

/* Writes a character; at most 4 bytes. */
static inline size_t utf8_write(uint8_t *p, uint32_t cp)
{
    if (cp < 0x80) {
        p[0] = (uint8_t)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n; --i > 0; cp >>= 6)
        p[i] = (uint8_t)(0x80 | (cp & 0x3f));
    p[0] = (uint8_t)((0xf00u >> n & 0xf0) | cp);
    return n;
}

#endif
