/* utf8.h: one character of UTF-8 as RFC 3629 has it: shortest form, no surrogates, at most
 * U+10FFFF.
 * Used by output.c and json.c.
 */
#ifndef MOTE_CLI_UTF8_H
#define MOTE_CLI_UTF8_H

#include <stddef.h>

/* Bytes of the valid character at text[0 .. n), n > 0; 0: there is none. */
static inline size_t cli_utf8_length(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned char c = p[0];
    size_t k = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 4;
    if (k > n || (c >= 0x80 && c < 0xc2) || c > 0xf4)
        return 0;
    for (size_t i = 1; i < k; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return k;
}

#endif
