/* split.h: what the scanners of split.c and split_more.c share. Read tokenizer.h first. */
#ifndef MOTE_TOKENIZER_SPLIT_H
#define MOTE_TOKENIZER_SPLIT_H

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

/* The character at p[at] (0 at the end) and its class. */
typedef struct glyph {
    uint32_t cp;
    unsigned class;
    size_t next; /* where the following one begins */
} glyph;

static inline glyph glyph_at(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end)
{
    glyph g = {0, TOK_OTHER, at};
    if (at < end) {
        g.next = at + utf8_next(p + at, &g.cp);
        g.class = tok_class(t, g.cp);
    }
    return g;
}

/* Sorts of characters that are sets of classes. */
#define LETTERS (1u << TOK_UPPER | 1u << TOK_LOWER | 1u << TOK_LETTER)
#define NUMBERS (1u << TOK_DIGIT | 1u << TOK_NUMBER)
#define OTHERS (~(LETTERS | NUMBERS | 1u << TOK_SPACE))

static inline bool is_letter(glyph g) { return LETTERS >> g.class & 1; }
static inline bool is_number(glyph g) { return NUMBERS >> g.class & 1; }
static inline bool is_other(glyph g) { return OTHERS >> g.class & 1; }

/* Behind the run of characters of these classes that begins at `at`. */
static inline size_t classes_end(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end,
                                 unsigned classes)
{
    for (uint32_t cp; at < end;) {
        if (p[at] < 0x80) {
            if (!(classes >> tok_class(t, p[at]) & 1))
                break;
            at++;
            continue;
        }
        size_t bytes = utf8_next(p + at, &cp);
        if (!(classes >> tok_class(t, cp) & 1))
            break;
        at += bytes;
    }
    return at;
}

/* Behind the run of characters of one sort that begins at `at`, at most `most` of them. */
static inline size_t run_end(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end,
                             bool (*is_sort)(glyph), size_t most)
{
    for (size_t n = 0; at < end && n < most; n++) {
        glyph g = glyph_at(t, p, at, end);
        if (!is_sort(g))
            break;
        at = g.next;
    }
    return at;
}

/* Bytes of 's 't 're 've 'm 'll 'd at p[at], or 0; fold: in any case. */
size_t mote_tok_contraction(const uint8_t *p, size_t at, size_t end, bool fold);
/* End of \s+(?!\S)|\s+ at p[at]; newlines: of \s*[\r\n]+ before that. */
size_t mote_tok_blanks_end(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end,
                           bool newlines);

#endif
