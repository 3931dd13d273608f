/* offsets.c: where in a text its ids come from. The text is normalised again, a character and the
 * marks behind it at a time, and the ids' entries are laid along what comes out; blanks that only
 * one of both has are passed over. An id of an unchanged character gets its very bytes, one of a
 * changed character all of that character's; marks that were composed into one are nobody's, as in
 * the Hugging Face library. Read encode.c first. */
#include <string.h>

#include "include/mote_error.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

#define MOST_SEGMENT 96u /* bytes of a character with its marks */
#define MOST_LOST 64u    /* ids that are not found again until no more are looked for */

/* A reader of the normalised text. */
typedef struct cursor {
    tok_encoder *e;
    const uint8_t *text;
    size_t bytes;
    size_t begin, end;  /* the segment at work; the next begins at end */
    const uint8_t *out; /* what it became */
    size_t n, i;
    mote_span last;    /* where the byte before out[i] comes from */
    size_t more, less; /* characters that were put in, or went */
    bool strips;       /* they went where they stood */
    bool same, blank;
    bool changed; /* a character that is not the text's was met: it is what the others went into */
    bool prefix;  /* the blank in front of a stretch of text is still to come */
} cursor;

static size_t next_char(const cursor *c, size_t at, uint32_t *cp)
{
    bool valid;
    return at + utf8_read(c->text + at, c->bytes - at, cp, &valid);
}

/* Does the character change with the one before it? */
static bool is_mark(const mote_tokenizer *t, uint32_t cp)
{
    if (cp < 0x300)
        return false;
    if (t->bounds) {
        unsigned bound = tok_bound(t, cp);
        return bound == TOK_BOUND_EXTEND || bound == TOK_BOUND_ZWJ || bound == TOK_BOUND_SPACING;
    }
    if (t->nfc_blocks && ((cp >= 0x1161 && cp <= 0x1175) || (cp >= 0x11a8 && cp <= 0x11c2)))
        return true; /* of a Hangul syllable */
    if (!t->classes)
        return t->nfc_blocks && tok_nfc_acts(t, cp);
    unsigned class = tok_class(t, cp);
    return class == TOK_MARK || class == TOK_MARK_NEW || class == TOK_MARK_SPACING;
}

/* May marks change it? */
static bool takes_marks(const mote_tokenizer *t, uint32_t cp)
{
    unsigned bound = t->bounds ? tok_bound(t, cp) : TOK_BOUND_OTHER;
    return (t->bounds || !tok_is_space(cp)) && bound != TOK_BOUND_CR && bound != TOK_BOUND_LF &&
           bound != TOK_BOUND_CONTROL;
}

static bool changes(const tok_header *h) { return h->n_norms || h->flags & TOK_NFC; }

static size_t segment_end(const cursor *c, bool *blank)
{
    const mote_tokenizer *t = c->e->t;
    uint32_t cp;
    size_t at = next_char(c, c->end, &cp);
    bool grows = changes(t->h) && takes_marks(t, cp);
    *blank = tok_is_space(cp);
    if (t->bounds && cp == '\r' && at < c->bytes && c->text[at] == '\n')
        return at + 1; /* a cluster */
    while (grows && at < c->bytes && at - c->end < MOST_SEGMENT) {
        size_t next = next_char(c, at, &cp);
        if (!is_mark(t, cp))
            break;
        *blank = false; /* a map may leave the mark */
        at = next;
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
        uint32_t cp;
        at = next_char(c, at, &cp);
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

static bool has_norm(const tok_header *h, unsigned kind)
{
    for (uint32_t i = 0; i < h->n_norms; i++)
        if (h->norms[i].kind == kind)
            return true;
    return false;
}

/* Is a blank put in front of a stretch of text, whatever it begins with? */
static bool puts_blank(const tok_header *h)
{
    bool trims = false;
    for (uint32_t i = 0; i < h->n_norms; i++)
        trims |= h->norms[i].kind == TOK_NORM_TRIM && h->norms[i].param & TOK_TRIM_LEFT;
    return h->prefix == TOK_PREFIX_ALWAYS || (h->prefix == TOK_PREFIX_UNLESS && trims);
}

/* Compares the characters of the segment with those that came out of it. */
static void count_chars(cursor *c)
{
    const mote_tokenizer *t = c->e->t;
    size_t n_in = 0, n_gone = 0, n_out = 0;
    uint32_t cp;
    c->strips = t->classes && has_norm(t->h, TOK_NORM_STRIP_MARKS);
    for (size_t at = c->begin; at < c->end; n_in++) {
        at = next_char(c, at, &cp);
        n_gone += c->strips && tok_class(t, cp) == TOK_MARK;
    }
    for (size_t i = 0; i < c->n; i++)
        n_out += (c->out[i] & 0xc0) != 0x80;
    c->more = n_out > n_in - n_gone ? n_out + n_gone - n_in : 0;
    c->less = n_in + c->more - n_out;
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
    c->changed = false;
    if (!c->out)
        c->n = 0;
    else if (!c->same)
        count_chars(c);
    e->scratch = scratch; /* what was written there stays until the next load */
    e->scratch_bytes = left;
    return c->out != NULL;
}

static bool has_more(cursor *c)
{
    while (c->i >= c->n)
        if (!load(c))
            return false;
    return true;
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

static bool is_char(const cursor *c, mote_span at, const uint8_t *p)
{
    size_t n = at.end - at.begin;
    return n <= c->n - (size_t)(p - c->out) && !memcmp(c->text + at.begin, p, n);
}

static mote_span char_behind(const cursor *c, mote_span at)
{
    uint32_t cp;
    return (mote_span){at.end, next_char(c, at.end, &cp)};
}

/* Finds the character of the text that the one at out[i] stands for: the next; but marks that were
 * stripped are passed over, and behind the first changed one what was composed into it. */
static void find_origin(cursor *c)
{
    mote_span at = c->i ? c->last : (mote_span){c->begin, c->begin};
    if (c->changed && c->more) {
        c->more--;
        return;
    }
    for (; c->changed && !c->strips && c->less && at.end < c->end; c->less--)
        at = char_behind(c, at);
    c->last = at = at.end < c->end ? char_behind(c, at) : at;
    for (size_t d = 0; d <= c->less; d++, at = char_behind(c, at)) {
        if (is_char(c, at, c->out + c->i)) {
            c->last = at;
            c->less -= d;
            return;
        }
        if (!c->strips || at.end >= c->end)
            break;
    }
    c->changed = true;
}

/* Takes the byte out[i]. */
static void take(cursor *c)
{
    if (c->same)
        c->last = (mote_span){c->begin + c->i, c->begin + c->i + 1};
    else if (c->i == 0 || (c->out[c->i] & 0xc0) != 0x80)
        find_origin(c);
    c->i++;
}

/* Is the symbol at out[i] an entry? */
static bool is_known(const cursor *c)
{
    const mote_tokenizer *t = c->e->t;
    const uint8_t *p = c->out + c->i;
    size_t n = t->h->flags & TOK_BYTE_LEVEL ? 1 : utf8_length(*p), left = c->n - c->i;
    uint32_t node = 0;
    n = n == 0 || n > left ? 1 : n;
    for (size_t i = 0; i < n && node != TOK_NOWHERE; i++)
        node = tok_step_down(t, node, p[i]);
    return node != TOK_NOWHERE && t->trie[node].id_label >> 8 < t->h->n_vocab;
}

/* Nothing stands for the symbol: it was left out. */
static bool is_left_out(const cursor *c)
{
    const tok_header *h = c->e->t->h;
    bool fallback = h->flags & TOK_BYTE_FALLBACK;
    return h->unk < 0 && (!fallback || h->byte_ids[c->out[c->i]] < 0) && !is_known(c);
}

/* A blank of the text that is no token's: words get their own in front. */
static bool is_between_words(const cursor *c)
{
    const uint8_t *p = c->text + c->begin;
    bool mark = !c->e->t->map_units && c->end - c->begin == 3 && p[0] == 0xe2 && p[1] == 0x96 &&
                p[2] == 0x81;
    return (c->blank || c->out[c->i] == ' ') && !mark &&
           c->e->t->h->flags & (TOK_WORDS | TOK_SPLIT_BLANKS);
}

/* A blank; the last of a row where rows become one. */
static void take_blanks(cursor *c)
{
    bool collapses = has_norm(c->e->t->h, TOK_NORM_COLLAPSE);
    take(c);
    while (collapses && has_more(c) && c->out[c->i] == ' ')
        take(c);
}

/* Lays a piece along the text; false: it does not fit here. A blank that was put in has the place
 * of what follows it. */
static bool match(cursor *c, mote_text piece, mote_span *span)
{
    bool any = false;
    for (size_t k = 0; k < piece.bytes;) {
        uint8_t want = (uint8_t)piece.ptr[k];
        bool more = has_more(c), put_in = want == ' ' && c->prefix;
        c->prefix = false;
        if (more && is_between_words(c)) {
            take(c);
        } else if (more && c->out[c->i] == want && !put_in) {
            want == ' ' ? take_blanks(c) : take(c);
            span->begin = any ? span->begin : c->last.begin;
            span->end = c->last.end;
            any = true;
            k++;
        } else if (want == ' ') {
            k++;
        } else if (more && (c->blank || c->out[c->i] == ' ' || is_left_out(c))) {
            take(c);
        } else {
            return false;
        }
    }
    if (!any && piece.bytes && has_more(c)) {
        cursor next = *c;
        uint32_t cp;
        take(&next);
        *span = next.last;
        span->end = next_char(c, span->begin, &cp);
    }
    return piece.bytes > 0;
}

static void go_back(cursor *c, const cursor *before)
{
    size_t i = before->i, n = before->n;
    *c = *before;
    jump(c, i < n ? c->begin : c->end);
    if (i < n && load(c))
        while (c->i < i)
            take(c);
}

static bool try_match(cursor *c, mote_text piece, mote_span *span)
{
    cursor before = *c;
    mote_span found = *span; /* stays for blanks that were put in at the end */
    bool fits = match(c, piece, &found);
    if (fits)
        *span = found;
    else
        go_back(c, &before);
    return fits;
}

static size_t skip_blanks(const cursor *c, size_t at)
{
    uint32_t cp;
    for (size_t next; at < c->bytes; at = next) {
        next = next_char(c, at, &cp);
        if (!tok_is_space(cp))
            break;
    }
    return at;
}

/* The text of an added token at a place; its blanks are in the span. */
static bool find_added(const cursor *c, const tok_added *a, size_t at, mote_span *span)
{
    const mote_tokenizer *t = c->e->t;
    size_t begin = at;
    if (a->at > t->added_text_bytes || a->bytes > t->added_text_bytes - a->at)
        return false;
    if (a->flags & TOK_ADD_LSTRIP)
        at = skip_blanks(c, at);
    if (a->bytes > c->bytes - at || memcmp(c->text + at, t->added_text + a->at, a->bytes) != 0)
        return false;
    at += a->bytes;
    *span = (mote_span){begin, a->flags & TOK_ADD_RSTRIP ? skip_blanks(c, at) : at};
    return true;
}

/* The text of an added token as it is looked for in the text itself, perhaps behind blanks that are
 * no token's. */
static bool match_added(cursor *c, int32_t id, mote_span *span)
{
    const mote_tokenizer *t = c->e->t;
    bool left = c->i < c->n && !c->same; /* no more than a blank that was put in */
    if (left && c->i > 0 && (c->n - c->i > 1 || c->out[c->i] != ' '))
        return false;
    size_t at = left && c->i > 0 ? c->end : place(c);
    for (uint32_t k = 0; k < t->h->n_added; k++) {
        const tok_added *a = &t->added[k];
        if (a->id == (uint32_t)id &&
            (find_added(c, a, at, span) || find_added(c, a, skip_blanks(c, at), span))) {
            jump(c, span->end);
            c->prefix = puts_blank(t->h);
            return true;
        }
    }
    return false;
}

/* Does a piece end between the n bytes at p and out[i]? */
static bool is_cut(const cursor *c, const uint8_t *p, size_t n)
{
    const mote_tokenizer *t = c->e->t;
    uint8_t both[8];
    size_t more = utf8_length(c->out[c->i]);
    if (n > 4 || more > 4 || more > c->n - c->i || c->out[c->i] == ' ' || is_between_words(c))
        return true;
    memcpy(both, p, n);
    memcpy(both + n, c->out + c->i, more);
    for (uint32_t i = 0; i < t->h->n_steps; i++)
        if (mote_tok_split(t, &t->h->steps[i], both, 0, n + more) <= n)
            return true;
    return false;
}

/* May an unknown token go on with the character at out[i]? */
static bool goes_on(cursor *c, const int32_t *next)
{
    const mote_tokenizer *t = c->e->t;
    mote_span ignored;
    if (t->h->model == TOK_WORDPIECE)
        return true;
    if (t->h->model == TOK_BPE && !(t->h->flags & TOK_FUSE_UNK))
        return false;
    if (is_known(c) || !next || *next == t->h->unk)
        return !is_known(c);
    cursor before = *c;
    mote_text piece = mote_tok_piece(t, (uint32_t)*next);
    bool fits = piece.bytes && piece.ptr[0] == (char)c->out[c->i] && match(c, piece, &ignored);
    go_back(c, &before);
    return !fits;
}

/* An unknown token: a word of WordPiece; else a character, or a row of them, that is no entry. */
static void take_unknown(cursor *c, const int32_t *next, mote_span *span)
{
    const mote_tokenizer *t = c->e->t;
    bool added = next && (uint32_t)*next < t->h->n_vocab && t->flags[*next] & TOK_ADDED;
    uint8_t one[4]; /* the character before */
    size_t n = 0;
    mote_span found;
    while (has_more(c) && (c->out[c->i] == ' ' || is_between_words(c)))
        take(c);
    for (bool first = true; has_more(c); first = false) {
        if (!first && (is_cut(c, one, n) || !goes_on(c, next)))
            break;
        if (!first && added && match_added(c, *next, &found)) {
            jump(c, found.begin);
            break;
        }
        n = 0;
        do {
            one[n++] = c->out[c->i];
            take(c);
            span->begin = first && n == 1 ? c->last.begin : span->begin;
        } while (c->i < c->n && (c->out[c->i] & 0xc0) == 0x80 && n < sizeof one);
        span->end = c->last.end;
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
    c.prefix = puts_blank(t->h);
    bool adds = flags & MOTE_ENCODE_ADD_SPECIAL && n >= (size_t)t->h->n_before + t->h->n_after;
    size_t first = adds ? t->h->n_before : 0, last = n - (adds ? t->h->n_after : 0), n_lost = 0;
    for (size_t i = 0; i < n && !e.full; i++) {
        spans[i] = (mote_span){i < first ? 0 : place(&c), i < first ? 0 : place(&c)};
        if (i < first || i >= last || (uint32_t)ids[i] >= t->h->n_vocab || n_lost > MOST_LOST)
            continue;
        bool added = t->flags[ids[i]] & TOK_ADDED;
        if (added && match_added(&c, ids[i], &spans[i]))
            continue;
        if (ids[i] == t->h->unk)
            take_unknown(&c, i + 1 < last ? &ids[i + 1] : NULL, &spans[i]);
        else
            n_lost += !try_match(&c, mote_tok_piece(t, (uint32_t)ids[i]), &spans[i]);
    }
    return e.full ? mote_fail(err, MOTE_ERR_MEMORY, "memory for places in a text", NULL) : MOTE_OK;
}
