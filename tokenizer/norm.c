/* norm.c: the steps by which tokenizers change a text before they cut it, but for composition
 * (nfc.c) and SentencePiece's map (charsmap.c). Each reads valid UTF-8 and writes it elsewhere.
 * Read tables.h (tok_norm_kind) first. */
#include <string.h>

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

/* BERT's cleaning: what it takes for control characters goes; all blanks become U+0020. */
static size_t clean(const mote_tokenizer *t, const uint8_t *p, size_t n, uint8_t *out)
{
    size_t written = 0;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        at += utf8_next(p + at, &cp);
        bool blank = cp == '\t' || cp == '\n' || cp == '\r' || (tok_is_space(cp) && cp >= ' ');
        if (blank && cp != 0x85)
            out[written++] = ' ';
        else if (cp != UTF8_REPLACEMENT && tok_class(t, cp) != TOK_OTHER &&
                 !(cp < 0xa0 && tok_is_space(cp)))
            written += utf8_write(out + written, cp);
    }
    return written;
}

static bool is_ideograph(uint32_t c) /* as BERT has it */
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b81f) ||
           (c >= 0x2b920 && c <= 0x2ceaf) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x2f800 && c <= 0x2fa1f);
}

static size_t pad_ideographs(const uint8_t *p, size_t n, uint8_t *out)
{
    size_t written = 0;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        at += utf8_next(p + at, &cp);
        bool pad = is_ideograph(cp);
        if (pad)
            out[written++] = ' ';
        written += utf8_write(out + written, cp);
        if (pad)
            out[written++] = ' ';
    }
    return written;
}

static uint32_t lower_of(const mote_tokenizer *t, uint32_t cp)
{
    size_t low = 0, high = t->n_lower;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->lower[middle].from < cp)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < t->n_lower && t->lower[low].from == cp && t->lower[low].to <= 0x10ffff;
    return found ? t->lower[low].to : cp;
}

static size_t lower(const mote_tokenizer *t, const uint8_t *p, size_t n, uint8_t *out)
{
    size_t written = 0;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        if (p[at] < 0x80) {
            uint8_t c = p[at++];
            out[written++] = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
            continue;
        }
        at += utf8_next(p + at, &cp);
        unsigned class = tok_class(t, cp);
        bool may = class == TOK_UPPER || class == TOK_DIGIT || class == TOK_SYMBOL;
        written += utf8_write(out + written, cp == 0x130 ? 'i' : may ? lower_of(t, cp) : cp);
        if (cp == 0x130) /* the one character whose lower case is two */
            written += utf8_write(out + written, 0x307);
    }
    return written;
}

static size_t strip_marks(const mote_tokenizer *t, const uint8_t *p, size_t n, uint8_t *out,
                          bool all)
{
    size_t written = 0;
    for (size_t at = 0, length; at < n; at += length) {
        uint32_t cp;
        length = utf8_next(p + at, &cp);
        unsigned class = cp < 0x80 ? TOK_OTHER : tok_class(t, cp);
        bool mark = all ? class == TOK_MARK_SPACING || class == TOK_MARK_NEW : cp == 0x1734;
        if (mark || class == TOK_MARK) /* U+1734 was no spacing mark then */
            continue;
        memcpy(out + written, p + at, length);
        written += length;
    }
    return written;
}

static size_t collapse(const uint8_t *p, size_t n, uint8_t *out)
{
    size_t written = 0;
    for (size_t at = 0; at < n; at++)
        if (p[at] != ' ' || at == 0 || p[at - 1] != ' ')
            out[written++] = p[at];
    return written;
}

static size_t trim(const uint8_t *p, size_t n, uint8_t *out, unsigned sides)
{
    size_t begin = 0, end = n, behind = 0;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        at += utf8_next(p + at, &cp);
        if (sides & TOK_TRIM_BLANKS ? cp != ' ' : !tok_is_space(cp))
            behind = at; /* of the last character that is no blank */
        else if (behind == 0)
            begin = at;
    }
    begin = sides & TOK_TRIM_LEFT ? begin : 0;
    end = sides & TOK_TRIM_RIGHT ? behind : end;
    if (end < begin)
        end = begin;
    memcpy(out, p + begin, end - begin);
    return end - begin;
}

/* WhitespaceSplit, then Metaspace: blanks go, every word gets one in front (U+2581 is one). */
static size_t mark_words(const uint8_t *p, size_t n, uint8_t *out)
{
    size_t written = 0;
    bool inside = false;
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        at += utf8_next(p + at, &cp);
        bool blank = tok_is_space(cp);
        if (!blank && !inside && cp != 0x2581)
            out[written++] = ' ';
        if (!blank)
            written += utf8_write(out + written, cp == 0x2581 ? ' ' : cp);
        inside = !blank;
    }
    return written;
}

/* Times that n bytes may grow; 0: no such step. */
size_t mote_tok_norm_growth(const tok_step *step)
{
    switch (step->kind) {
    case TOK_NORM_COMPOSE: return step->param & TOK_NORM_COMPATIBLE ? 12 : 3;
    case TOK_NORM_CJK:
    case TOK_NORM_LOWER:
    case TOK_NORM_WORDS: return 2;
    case TOK_NORM_CHARSMAP: return step->param;
    case TOK_NORM_CLEAN:
    case TOK_NORM_STRIP_MARKS:
    case TOK_NORM_COLLAPSE:
    case TOK_NORM_TRIM: return 1;
    default: return 0;
    }
}

size_t mote_tok_norm(tok_encoder *e, const tok_step *step, const uint8_t *p, size_t n, uint8_t *out)
{
    switch (step->kind) {
    case TOK_NORM_COMPOSE: return mote_tok_compose(e, step, p, n, out);
    case TOK_NORM_CLEAN: return clean(e->t, p, n, out);
    case TOK_NORM_CJK: return pad_ideographs(p, n, out);
    case TOK_NORM_LOWER: return lower(e->t, p, n, out);
    case TOK_NORM_STRIP_MARKS: return strip_marks(e->t, p, n, out, step->param != 0);
    case TOK_NORM_COLLAPSE: return collapse(p, n, out);
    case TOK_NORM_CHARSMAP: return mote_tok_map_chars(e->t, p, n, out, n * step->param);
    case TOK_NORM_TRIM: return trim(p, n, out, step->param);
    case TOK_NORM_WORDS: return mark_words(p, n, out);
    default: return 0;
    }
}
