/* template_string.c: the escapes of string literals in chat templates, as in Python. */
#include "tokenizer/template_compile.h"

static int digit_of(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : 99;
}

/* Up to `most` digits of a base; returns how many there are. */
static size_t read_code(mote_text s, size_t i, size_t most, int base, uint32_t *rune)
{
    size_t n = 0;
    *rune = 0;
    while (n < most && i + n < s.bytes && digit_of(s.ptr[i + n]) < base)
        *rune = *rune * (uint32_t)base + (uint32_t)digit_of(s.ptr[i + n++]);
    return n;
}

/* \x41 \u0041 \U00000041 \101: the number behind the backslash at i. Returns bytes; 0: none of
 * these. */
static size_t read_numbered(tpl_compiler *c, mote_text s, size_t i, uint32_t *rune)
{
    char k = s.ptr[i + 1];
    size_t most = k == 'x' ? 2 : k == 'u' ? 4 : k == 'U' ? 8 : 0;
    if (!most && k >= '0' && k <= '7')
        return 1 + read_code(s, i + 1, 3, 8, rune);
    if (!most)
        return 0;
    if (read_code(s, i + 2, most, 16, rune) != most || *rune > 0x10ffff)
        mote_tpl_syntax(c, "an escape of a string is not complete");
    uint32_t low;
    bool pair = k == 'u' && *rune >= 0xd800 && *rune < 0xdc00 && i + 8 <= s.bytes - 4 &&
                s.ptr[i + 6] == '\\' && s.ptr[i + 7] == 'u';
    if (pair && read_code(s, i + 8, 4, 16, &low) == 4 && low >= 0xdc00 && low < 0xe000) {
        *rune = 0x10000 + ((*rune - 0xd800) << 10) + (low - 0xdc00);
        return 12;
    }
    if (*rune >= 0xd800 && *rune < 0xe000)
        *rune = 0xfffd;
    return 2 + most;
}

static size_t put_rune(char *out, uint32_t r)
{
    size_t n = r < 0x80 ? 1 : r < 0x800 ? 2 : r < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; r >>= 6)
        out[i] = (char)(0x80 | (r & 0x3f));
    out[0] = (char)(n == 1 ? r : (0xf00u >> n & 0xf0) | r);
    return n;
}

/* One escape at s[i]; returns its bytes in the source. An unknown one stays as it is. */
static size_t read_escape(tpl_compiler *c, mote_text s, size_t i, char *out, size_t *n)
{
    static const char letters[] = "abfnrtv\\'\"", codes[] = "\a\b\f\n\r\t\v\\'\"";
    const char *known = tpl_find_byte(letters, s.ptr[i + 1], sizeof letters - 1);
    uint32_t rune = 0;
    if (s.ptr[i + 1] == '\n')
        return 2;
    if (known) {
        out[(*n)++] = codes[known - letters];
        return 2;
    }
    size_t bytes = read_numbered(c, s, i, &rune);
    if (bytes) {
        *n += put_rune(out + *n, rune);
        return bytes;
    }
    if (s.ptr[i + 1] == 'N')
        mote_tpl_fail(c->t, MOTE_ERR_UNSUPPORTED, "is not supported", (mote_text){"\\N", 2});
    out[(*n)++] = '\\';
    return 1;
}

/* The text goes to the far end of the memory: the code grows at the near one. */
tpl_value mote_tpl_unescape(tpl_compiler *c, mote_text raw)
{
    tpl *t = c->t;
    tpl_value v = {.kind = TPL_STR, .n = (uint32_t)raw.bytes};
    size_t n = 0;
    v.as.s.p = raw.ptr;
    if (t->status || !raw.bytes || !tpl_find_byte(raw.ptr, '\\', raw.bytes))
        return v;
    if ((size_t)(t->high - t->low) < raw.bytes) {
        mote_tpl_alloc(t, SIZE_MAX, 1);
        return v;
    }
    t->high -= raw.bytes;
    char *out = (char *)t->high;
    for (size_t i = 0; i < raw.bytes && !t->status;) {
        if (raw.ptr[i] == '\\' && i + 1 < raw.bytes)
            i += read_escape(c, raw, i, out, &n);
        else
            out[n++] = raw.ptr[i++];
    }
    v.as.s.p = out;
    v.n = (uint32_t)n;
    return v;
}
