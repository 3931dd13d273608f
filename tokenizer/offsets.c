/* offsets.c: where in a text its ids come from. The text is normalised again, a character and the
 * marks behind it at a time, and the ids' entries are laid along what comes out; blanks that only
 * one of both has are passed over. An id of an unchanged character gets its very bytes, one of a
 * changed character all of that character's. Read encode.c first. */
#include <string.h>

#include "include/mote_error.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

#define MOST_SEGMENT 96u /* bytes of a character with its marks */

/* A reader of the normalised text. */
typedef struct cursor {
    tok_encoder *e;
    const uint8_t *text;
    size_t bytes;
    size_t begin, end;  /* the segment at work; the next begins at end */
    const uint8_t *out; /* what it became */
    size_t n, i;
    bool same, blank;
} cursor;

static bool is_mark(const mote_tokenizer *t, uint32_t cp)
{
    if (cp < 0x300)
        return false;
    if (!t->classes)
        return t->nfc_blocks && tok_nfc_acts(t, cp);
    unsigned class = tok_class(t, cp);
    return class == TOK_MARK || class == TOK_MARK_NEW || class == TOK_MARK_SPACING;
}

static bool changes(const tok_header *h) { return h->n_norms || h->flags & TOK_NFC; }

static size_t segment_end(const cursor *c, bool *blank)
{
    const mote_tokenizer *t = c->e->t;
    bool valid;
    uint32_t cp;
    size_t at = c->end + utf8_read(c->text + c->end, c->bytes - c->end, &cp, &valid);
    *blank = tok_is_space(cp);
    while (changes(t->h) && at < c->bytes && at - c->end < MOST_SEGMENT) {
        size_t length = utf8_read(c->text + at, c->bytes - at, &cp, &valid);
        if (!is_mark(t, cp))
            break;
        at += length;
    }
    return at;
}

/* Steps that look at one character; the others only take blanks away or put some in. */
static bool is_local(const tok_step *step)
{
    return step->kind != TOK_NORM_TRIM && step->kind != TOK_NORM_COLLAPSE &&
           step->kind != TOK_NORM_WORDS;
}

/* One step from p to new memory of the scratch; NULL: it does not do. */
static const uint8_t *run_step(tok_encoder *e, const tok_step *step, const uint8_t *p, size_t *n)
{
    size_t growth = step ? mote_tok_norm_growth(step) : 3;
    uint8_t *out = mote_tok_take(e, growth * *n + 4);
    if (out)
        *n = step ? mote_tok_norm(e, step, p, *n, out) : mote_tok_compose(e, NULL, p, *n, out);
    return out;
}

static const uint8_t *normalize(cursor *c, size_t *n)
{
    tok_encoder *e = c->e;
    const tok_header *h = e->t->h;
    uint8_t *out = mote_tok_take(e, 3 * *n + 4);
    size_t written = 0;
    for (size_t at = c->begin; out && at < c->end;) {
        bool valid;
        uint32_t cp;
        at += utf8_read(c->text + at, c->end - at, &cp, &valid);
        written += utf8_write(out + written, h->flags & TOK_SPACE_MARK && cp == 0x2581 ? ' ' : cp);
    }
    const uint8_t *p = out;
    *n = written;
    if (p && h->flags & TOK_NFC)
        p = run_step(e, NULL, p, n);
    for (uint32_t i = 0; p && i < h->n_norms; i++)
        if (is_local(&h->norms[i]))
            p = run_step(e, &h->norms[i], p, n);
    return p;
}

/* The next segment; false: the text is over, or memory. */
static bool load(cursor *c)
{
    tok_encoder *e = c->e;
    uint8_t *scratch = e->scratch;
    size_t left = e->scratch_bytes;
    if (c->end >= c->bytes || e->full)
        return false;
    size_t end = segment_end(c, &c->blank);
    c->begin = c->end;
    c->end = end;
    c->n = end - c->begin;
    c->out = normalize(c, &c->n);
    c->i = 0;
    c->same = c->out && c->n == end - c->begin && !memcmp(c->out, c->text + c->begin, c->n);
    e->scratch = scratch; /* what was written there stays until the next load */
    e->scratch_bytes = left;
    return c->out != NULL;
}

static void jump(cursor *c, size_t to)
{
    c->begin = c->end = to;
    c->n = c->i = 0;
}

/* The first byte that no id has taken. */
static size_t place(const cursor *c)
{
    return c->i < c->n ? c->begin + (c->same ? c->i : 0) : c->end;
}

/* Lays a piece along the text; false: it does not fit here. */
static bool match(cursor *c, mote_text piece, mote_span *span)
{
    const unsigned made = TOK_WORDS | TOK_SPLIT_BLANKS; /* a word's blank is not that of the text */
    bool any = false;
    size_t k = c->e->t->h->flags & made && piece.bytes > 1 && piece.ptr[0] == ' ';
    while (k < piece.bytes) {
        uint8_t want = (uint8_t)piece.ptr[k];
        bool more = c->i < c->n;
        if (!more && load(c))
            continue;
        if (more && c->out[c->i] == want) {
            span->begin = any ? span->begin : place(c);
            c->i++;
            k++;
            any = true;
            span->end = c->same ? c->begin + c->i : c->end;
        } else if (want == ' ') {
            k++; /* put in front */
        } else if (more && (c->blank || c->out[c->i] == ' ')) {
            c->i++; /* taken away */
        } else {
            return false;
        }
    }
    return any;
}

static bool try_match(cursor *c, mote_text piece, mote_span *span)
{
    cursor before = *c;
    size_t i = c->i;
    if (match(c, piece, span))
        return true;
    bool loaded = before.i < before.n;
    *c = before;
    jump(c, loaded ? before.begin : before.end);
    if (loaded && load(c))
        c->i = i;
    return false;
}

/* The text of an added token as it is looked for in the text itself. */
static bool match_added(cursor *c, int32_t id, mote_span *span)
{
    const mote_tokenizer *t = c->e->t;
    if (c->i < c->n && c->i > 0 && !c->same)
        return false;
    for (uint32_t k = 0; k < t->h->n_added; k++) {
        const tok_added *a = &t->added[k];
        if (a->id != (uint32_t)id || a->at > t->added_text_bytes ||
            a->bytes > t->added_text_bytes - a->at)
            continue;
        size_t at = place(c);
        while (a->flags & TOK_ADD_LSTRIP && at < c->bytes && tok_is_space(c->text[at]))
            at++;
        if (a->bytes <= c->bytes - at && !memcmp(c->text + at, t->added_text + a->at, a->bytes)) {
            *span = (mote_span){at, at + a->bytes};
            jump(c, span->end);
            return true;
        }
    }
    return false;
}

/* An unknown token: a word of WordPiece; else all characters before what the next id has. */
static void take_unknown(cursor *c, const int32_t *next, mote_span *span)
{
    const mote_tokenizer *t = c->e->t;
    mote_span ignored;
    while ((c->i < c->n || load(c)) && (c->blank || c->n == 0))
        jump(c, c->end);
    span->begin = c->begin;
    if (t->h->model == TOK_WORDPIECE && t->h->n_steps && c->n && c->out[0] != ' ')
        jump(c, mote_tok_split(t, &t->h->steps[0], c->text, c->begin, c->bytes));
    else
        jump(c, c->end);
    span->end = c->end;
    mote_text piece = next ? mote_tok_piece(t, (uint32_t)*next) : (mote_text){NULL, 0};
    while (t->h->model != TOK_WORDPIECE && c->end < c->bytes) {
        cursor here = *c;
        bool fits = next && (match_added(c, *next, &ignored) || try_match(c, piece, &ignored));
        *c = here;
        jump(c, here.end);
        if (fits || !load(c))
            break;
        span->end = c->end;
        jump(c, c->end);
    }
}

mote_status mote_token_spans(const mote_tokenizer *t, const char *text, size_t text_bytes,
                             unsigned flags, const int32_t *ids, size_t n, mote_span *spans,
                             void *scratch, size_t scratch_bytes, mote_error *err)
{
    size_t skew = (size_t)(-(uintptr_t)scratch % 16);
    tok_encoder e = {.t = t, .scratch = (uint8_t *)scratch + skew};
    e.scratch_bytes = scratch_bytes > skew ? scratch_bytes - skew : 0;
    cursor c = {.e = &e, .text = (const uint8_t *)text, .bytes = text_bytes};
    bool adds = flags & MOTE_ENCODE_ADD_SPECIAL && n >= (size_t)t->h->n_before + t->h->n_after;
    size_t first = adds ? t->h->n_before : 0, last = n - (adds ? t->h->n_after : 0);
    for (size_t i = 0; i < n && !e.full; i++) {
        spans[i] = (mote_span){i < first ? 0 : place(&c), i < first ? 0 : place(&c)};
        if (i < first || i >= last || (uint32_t)ids[i] >= t->h->n_vocab)
            continue;
        bool added = t->flags[ids[i]] & TOK_ADDED;
        if (added && match_added(&c, ids[i], &spans[i]))
            continue;
        if (ids[i] == t->h->unk)
            take_unknown(&c, i + 1 < last ? &ids[i + 1] : NULL, &spans[i]);
        else
            try_match(&c, mote_tok_piece(t, (uint32_t)ids[i]), &spans[i]);
    }
    return e.full ? mote_fail(err, MOTE_ERR_MEMORY, "memory for places in a text", NULL) : MOTE_OK;
}
