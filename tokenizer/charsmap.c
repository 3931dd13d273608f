/* charsmap.c: SentencePiece's precompiled map of characters, used as the published file holds it.
 * As the Hugging Face library does it: grapheme clusters of fewer than six bytes are looked up
 * whole, else their characters one by one, and the shortest match replaces all that was looked up.
 * Read tables.h first. */
#include <string.h>

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

#define SHORT_CLUSTER 6u /* bytes */

/* Is there no boundary between two characters? (Unicode standard annex 29, GB3 to GB13.) picture: a
 * pictograph with its extenders stands before; odd: an odd number of regional indicators. */
static bool joins(unsigned a, unsigned b, bool picture, bool odd)
{
    if (a == TOK_BOUND_CR && b == TOK_BOUND_LF)
        return true;
    if ((a >= TOK_BOUND_CR && a <= TOK_BOUND_CONTROL) ||
        (b >= TOK_BOUND_CR && b <= TOK_BOUND_CONTROL))
        return false;
    if (a == TOK_BOUND_L && (b == TOK_BOUND_L || b == TOK_BOUND_V || b >= TOK_BOUND_LV))
        return b != TOK_BOUND_PICTURE;
    if ((a == TOK_BOUND_LV || a == TOK_BOUND_V) && (b == TOK_BOUND_V || b == TOK_BOUND_T))
        return true;
    if ((a == TOK_BOUND_LVT || a == TOK_BOUND_T) && b == TOK_BOUND_T)
        return true;
    if (b == TOK_BOUND_EXTEND || b == TOK_BOUND_ZWJ || b == TOK_BOUND_SPACING ||
        a == TOK_BOUND_PREPEND)
        return true;
    if (a == TOK_BOUND_ZWJ && b == TOK_BOUND_PICTURE)
        return picture;
    return a == TOK_BOUND_REGIONAL && b == TOK_BOUND_REGIONAL && odd;
}

/* End of the grapheme cluster that begins at p[at]. */
static size_t cluster_end(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t n)
{
    uint32_t cp;
    if (p[at] < 0x80 && (at + 1 == n || p[at + 1] < 0x80))
        return p[at] == '\r' && at + 1 < n && p[at + 1] == '\n' ? at + 2 : at + 1;
    at += utf8_next(p + at, &cp);
    unsigned before = tok_bound(t, cp);
    bool picture = before == TOK_BOUND_PICTURE, odd = before == TOK_BOUND_REGIONAL;
    while (at < n) {
        size_t length = utf8_next(p + at, &cp);
        unsigned class = tok_bound(t, cp);
        if (!joins(before, class, picture, odd))
            break;
        if (class == TOK_BOUND_PICTURE)
            picture = true;
        else if (class != TOK_BOUND_EXTEND && class != TOK_BOUND_ZWJ)
            picture = false;
        odd = class == TOK_BOUND_REGIONAL && !odd;
        before = class;
        at += length;
    }
    return at;
}

/* What the shortest key that the n bytes begin with becomes; false: none does. */
static bool look_up(const mote_tokenizer *t, const uint8_t *p, size_t n, mote_text *to)
{
    const uint32_t *units = t->map_units;
    uint32_t node = 0, unit = units[0];
    node ^= unit >> 10 << ((unit & 0x200) >> 6);
    for (size_t i = 0; i < n && p[i]; i++) {
        node ^= p[i];
        if (node >= t->n_map_units)
            return false;
        unit = units[node];
        if ((unit & 0x800000ffu) != p[i])
            return false;
        node ^= unit >> 10 << ((unit & 0x200) >> 6);
        if (!(unit & 0x100))
            continue;
        uint32_t text = node < t->n_map_units ? units[node] & 0x7fffffff : UINT32_MAX;
        if (text >= t->map_texts_bytes)
            return false;
        const char *begin = t->map_texts + text;
        size_t most = t->map_texts_bytes - text, bytes = 0;
        while (bytes < most && begin[bytes])
            bytes++;
        *to = (mote_text){begin, bytes};
        return true;
    }
    return false;
}

/* Writes what p[0 .. n) becomes; false: nothing else, and nothing is written. */
static bool replace(const mote_tokenizer *t, const uint8_t *p, size_t n, uint8_t *out, size_t room,
                    size_t *written)
{
    mote_text to;
    if (!look_up(t, p, n, &to) || to.bytes > room - *written)
        return false;
    memcpy(out + *written, to.ptr, to.bytes);
    *written += to.bytes;
    return true;
}

size_t mote_tok_map_chars(const mote_tokenizer *t, const uint8_t *p, size_t n, uint8_t *out,
                          size_t room)
{
    size_t written = 0;
    for (size_t at = 0, end; at < n; at = end) {
        end = cluster_end(t, p, at, n);
        if (end - at < SHORT_CLUSTER && replace(t, p + at, end - at, out, room, &written))
            continue;
        for (size_t i = at, length; i < end; i += length) {
            uint32_t cp;
            length = utf8_next(p + i, &cp);
            if (replace(t, p + i, length, out, room, &written) || length > room - written)
                continue;
            memcpy(out + written, p + i, length);
            written += length;
        }
    }
    return written;
}
