/* encode.c: text -> ids. Added tokens are cut out of the text as it is; what lies between is
 * normalised, searched for the added tokens that live in normalised text, cut into pieces and
 * merged. The caller gives all memory; text that normalising leaves alone is used where it lies.
 * Read tokenizer.h first. */
#include <string.h>

#include "include/mote_error.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

#define SCRATCH_ALIGN 16u

#define BPE_BYTES 2u                   /* a byte of a BPE piece: a bit, and a copy */
#define LATTICE_BYTES sizeof(uint32_t) /* a byte of a Unigram piece */
/* A byte becomes at most 3: U+FFFD, or a canonical composition; more where the header says so. */
#define GROWTH 3u
/* Pieces kept: a slot for 16 bytes of text, 160 KiB at most. */
#define MOST_KNOWN 4096u
#define TEXT_PER_KNOWN 16u

static size_t growth_of(const tok_header *h) { return h->growth > GROWTH ? h->growth : GROWTH; }

/* A power of two; 0: too short a text. */
static size_t count_known(size_t text_bytes)
{
    size_t n = MOTE_FAST_TEXT ? MOST_KNOWN : 0;
    while (n > text_bytes / TEXT_PER_KNOWN)
        n /= 2;
    return n < 16 ? 0 : n;
}

size_t mote_encode_scratch_bytes(const mote_tokenizer *t, size_t text_bytes)
{
    const tok_header *h = t->h;
    size_t grown = growth_of(h), symbol = h->model == TOK_BPE ? BPE_BYTES : LATTICE_BYTES;
    size_t ring = h->model == TOK_UNIGRAM ? 2 * sizeof(double) * (h->max_piece + 8u) : 0;
    /* Of a byte, decomposed, and the same to order it by (nfc.c): 12 characters, or canonically 3
     * of 2 bytes. */
    size_t compose = h->n_norms                              ? 24 * sizeof(uint32_t)
                     : MOTE_TEXT_STEPS && h->flags & TOK_NFC ? 3 * sizeof(uint32_t)
                                                             : 0;
    if (text_bytes > UINT32_MAX)
        text_bytes = UINT32_MAX;
    return (grown * text_bytes + 8) * (1 + symbol + (h->n_norms ? 1 : 0)) + compose * text_bytes +
           ring + count_known(text_bytes) * sizeof(tok_known) + 64 * SCRATCH_ALIGN;
}

size_t mote_encode_max_ids(const mote_tokenizer *t, size_t text_bytes)
{
    size_t most =
        text_bytes < SIZE_MAX / TOK_MAX_GROWTH / 16 ? growth_of(t->h) * text_bytes : SIZE_MAX / 16;
    return most + 2 + t->h->n_before + t->h->n_after;
}

void *mote_tok_take(tok_encoder *e, size_t bytes)
{
    size_t room = (bytes + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN;
    void *p = e->scratch;
    if (e->full || room < bytes || room > e->scratch_bytes) {
        e->full = true;
        return NULL;
    }
    e->scratch += room;
    e->scratch_bytes -= room;
    return p;
}

/* ---- pieces --------------------------------------------------------------------------------- */

static void find_ids(tok_encoder *e, const uint8_t *p, size_t n)
{
    if (MOTE_TEXT_TRIES && e->t->h->model == TOK_WORDPIECE)
        mote_tok_find_words(e, p, n);
    else if (MOTE_TEXT_TRIES && e->t->h->model == TOK_UNIGRAM)
        mote_tok_find_best(e, p, n);
    else
        mote_tok_merge_piece(e, p, n);
}

/* Zeros behind n <= 16 bytes at p, of which `room` may be read. */
static void read_key(uint64_t key[2], const uint8_t *p, size_t n, size_t room)
{
    key[0] = key[1] = 0;
    if (room < 16) {
        for (size_t i = 0; i < n; i++)
            key[i >> 3] |= (uint64_t)p[i] << (i & 7) * 8;
        return;
    }
    memcpy(key, p, 16);
    if (n < 8)
        key[0] &= ((uint64_t)1 << 8 * n) - 1;
    if (n < 16)
        key[1] &= n > 8 ? ((uint64_t)1 << 8 * (n - 8)) - 1 : 0;
}

static tok_known *find_known(const tok_encoder *e, const uint64_t key[2])
{
    uint64_t h = (key[0] * 0x9e3779b97f4a7c15u) ^ (key[1] * 0xc2b2ae3d27d4eb4fu);
    return &e->known[(h ^ h >> 29) * 0x94d049bb133111ebu >> 40 & (e->n_known - 1)];
}

/* Texts repeat themselves: short pieces' ids are kept, one piece a slot. `room`: bytes that may be
 * read at p. */
static void encode_piece(tok_encoder *e, const uint8_t *p, size_t n, size_t room)
{
    uint64_t key[2];
    if (!MOTE_FAST_TEXT || !e->known || n > sizeof key) {
        find_ids(e, p, n);
        return;
    }
    read_key(key, p, n, room);
    tok_known *k = find_known(e, key);
    if (k->bytes == n && k->key[0] == key[0] && k->key[1] == key[1]) {
        for (size_t i = 0; i < k->n; i++)
            tok_emit(e, (uint32_t)k->ids[i]);
        return;
    }
    size_t first = e->n_ids;
    find_ids(e, p, n);
    size_t found = e->n_ids - first;
    if (e->full || found > sizeof k->ids / sizeof *k->ids)
        return;
    *k = (tok_known){.key = {key[0], key[1]}, .bytes = (uint16_t)n, .n = (uint16_t)found};
    memcpy(k->ids, e->ids + first, found * sizeof *k->ids);
}

/* Steps are nested: each cuts the pieces of the one before. ends[i]: where the piece at work ends
 * by the first i steps. */
static void encode_pieces(tok_encoder *e, const uint8_t *p, size_t n)
{
    const tok_header *h = e->t->h;
    size_t ends[TOK_MAX_STEPS + 1] = {n};
    size_t level = 0;
    for (size_t at = 0; at < n && !e->full;) {
        bool drop = false;
        for (; level < h->n_steps && !drop; level++) {
            ends[level + 1] = MOTE_TEXT_STEPS
                                  ? mote_tok_split(e->t, &h->steps[level], p, at, ends[level])
                                  : mote_tok_split_words(p, at, ends[level]);
            drop = MOTE_TEXT_STEPS && mote_tok_is_dropped(e->t, &h->steps[level], p, at);
        }
        if (!drop)
            encode_piece(e, p + at, ends[level] - at, n - at);
        at = ends[level];
        while (level > 0 && ends[level] == at)
            level--;
    }
}

/* Where words are cut out before blanks are put in front of them. */
static void encode_words(tok_encoder *e, const uint8_t *p, size_t n)
{
    const tok_step step = {TOK_NORM_WORDS, 0};
    uint8_t *scratch = e->scratch, *out;
    size_t left = e->scratch_bytes;
    out = mote_tok_take(e, 2 * n + 4);
    if (out)
        encode_pieces(e, out, mote_tok_norm(e, &step, p, n, out));
    e->scratch = scratch;
    e->scratch_bytes = left;
}

/* p: p[-1] may be written when the tokenizer has a prefix. */
static void encode_stretch(tok_encoder *e, uint8_t *own, const uint8_t *p, size_t n, bool first)
{
    unsigned prefix = e->t->h->prefix;
    bool wanted = prefix == TOK_PREFIX_UNLESS || (prefix == TOK_PREFIX_FIRST && first);
    if (MOTE_TEXT_STEPS && e->t->h->flags & TOK_SPLIT_BLANKS) {
        encode_words(e, p, n);
        return;
    }
    if (wanted && own && n > 0 && p[0] != ' ') {
        own[p - own - 1] = ' ';
        p--;
        n++;
    }
    encode_pieces(e, p, n);
}

/* ---- normalising ---------------------------------------------------------------------------- */

enum { AS_IT_IS, REPAIR = 1, MARKS = 2, COMPOSE = 4 }; /* what a text needs */

static bool is_mark(const uint8_t *p, size_t n) /* U+2581 */
{
    return n >= 3 && p[0] == 0xe2 && p[1] == 0x96 && p[2] == 0x81;
}

static unsigned needs(const mote_tokenizer *t, const uint8_t *p, size_t n)
{
    unsigned flags = t->h->flags, found = AS_IT_IS;
    for (size_t at = 0; at < n;) {
        uint64_t word;
        bool valid;
        uint32_t cp;
        if (at + 8 <= n && (memcpy(&word, p + at, 8), !(word & 0x8080808080808080u))) {
            at += 8;
            continue;
        }
        if (flags & TOK_SPACE_MARK && is_mark(p + at, n - at))
            found |= MARKS;
        at += utf8_read(p + at, n - at, &cp, &valid);
        if (!valid)
            found |= REPAIR;
        else if (MOTE_TEXT_STEPS && flags & TOK_NFC && tok_nfc_acts(t, cp))
            found |= COMPOSE;
    }
    return found;
}

/* Copies with U+FFFD for what is no UTF-8 and blanks for U+2581. */
static size_t copy_clean(uint8_t *out, const uint8_t *p, size_t n, unsigned todo)
{
    size_t written = 0;
    for (size_t at = 0, length; at < n; at += length) {
        bool valid;
        uint32_t cp;
        length = utf8_read(p + at, n - at, &cp, &valid);
        if (todo & MARKS && cp == 0x2581)
            cp = ' ';
        written += utf8_write(out + written, cp);
    }
    return written;
}

/* Runs one step over the text and puts what comes out to the front of the scratch, behind one free
 * byte. */
static bool run_norm(tok_encoder *e, const tok_step *step, const uint8_t **p, size_t *n,
                     uint8_t **own)
{
    uint8_t *front = e->scratch, *out;
    size_t left = e->scratch_bytes, room = (*own ? *n : 0) + 1;
    if (*own) { /* the text lies at the front: the new one goes behind, then to its place */
        front = *own - 1;
        left += (size_t)(e->scratch - front);
    }
    e->scratch = front;
    e->scratch_bytes = left;
    if (mote_tok_take(e, room))
        out = mote_tok_take(e, mote_tok_norm_growth(step) * *n + 4);
    else
        out = NULL;
    if (!out)
        return false;
    size_t written = mote_tok_norm(e, step, *p, *n, out);
    e->scratch = front;
    e->scratch_bytes = left;
    memmove(front + 1, out, written);
    *p = *own = front + 1;
    *n = written;
    return mote_tok_take(e, written + 1) != NULL;
}

static bool run_norms(tok_encoder *e, const uint8_t **p, size_t *n, uint8_t **own)
{
    const tok_header *h = e->t->h;
    for (uint32_t i = 0; i < h->n_norms; i++)
        if (!run_norm(e, &h->norms[i], p, n, own))
            return false;
    if (h->n_norms && h->flags & TOK_SPACE_MARK && !(h->flags & TOK_SPLIT_BLANKS))
        *n = copy_clean(*own, *p, *n, MARKS); /* in place: it shrinks */
    return true;
}

/* The normalised text; *own: the same if it lies in scratch, with one free byte in front, else
 * NULL. */
static const uint8_t *normalize(tok_encoder *e, const uint8_t *p, size_t *n, uint8_t **own)
{
    const tok_header *h = e->t->h;
    unsigned todo = needs(e->t, p, *n);
    size_t grown = growth_of(h) * *n + 4 + 1; /* U+FFFD grows no more when it is composed */
    *own = NULL;
    if (h->n_norms || h->flags & TOK_SPLIT_BLANKS)
        todo &= ~(unsigned)MARKS;
    if (todo & (REPAIR | MARKS)) {
        uint8_t *clean = mote_tok_take(e, grown);
        if (!clean)
            return NULL;
        *n = copy_clean(clean + 1, p, *n, todo);
        p = *own = clean + 1;
    }
    if (MOTE_TEXT_STEPS && todo & COMPOSE) {
        uint8_t *composed = mote_tok_take(e, grown);
        if (!composed)
            return NULL;
        *n = mote_tok_compose(e, NULL, p, *n, composed + 1);
        p = *own = composed + 1;
    }
    if (MOTE_TEXT_STEPS && !run_norms(e, &p, n, own))
        return NULL;
    if (h->prefix && !*own) {
        uint8_t *copy = mote_tok_take(e, *n + 1);
        if (!copy)
            return NULL;
        memcpy(copy + 1, p, *n);
        p = *own = copy + 1;
    }
    if (h->prefix == TOK_PREFIX_ALWAYS) {
        p = --*own;
        **own = ' ';
        ++*n;
    }
    return p;
}

/* ---- stretches between added tokens --------------------------------------------------------- */

static bool has_normalized_tokens(const tok_header *h)
{
    unsigned any = 0;
    for (size_t i = 0; i < sizeof h->added_first[1]; i++)
        any |= h->added_first[1][i];
    return any != 0;
}

/* Text between two raw added tokens; `offset`: its place in the caller's text. */
static void encode_segment(tok_encoder *e, const uint8_t *text, size_t bytes, size_t offset)
{
    uint8_t *scratch = e->scratch, *own;
    size_t left = e->scratch_bytes, n = bytes, done = 0;
    if (bytes == 0)
        return;
    const uint8_t *p = normalize(e, text, &n, &own);
    if (p && has_normalized_tokens(e->t->h)) {
        /* In a changed text places are lost: with plain text around, all of it counts as plain. */
        tok_search s = {.text = p, .bytes = n, .offset = offset, .normalized = true};
        s.all_plain = e->all_plain || (own && e->n_plain > 0 && e->plain->begin < offset + bytes);
        for (tok_match m; !e->full && mote_tok_next_added(e, &s, &m); done = m.end) {
            encode_stretch(e, own, p + done, m.begin - done, offset + done == 0);
            tok_emit(e, m.id);
        }
    }
    if (p)
        encode_stretch(e, own, p + done, n - done, offset + done == 0);
    e->scratch = scratch;
    e->scratch_bytes = left;
}

mote_status mote_encode(const mote_tokenizer *t, const char *text, size_t text_bytes,
                        unsigned flags, const mote_span *plain, size_t n_plain, int32_t *ids,
                        size_t cap, size_t *n_ids, void *scratch, size_t scratch_bytes,
                        mote_error *err)
{
    size_t skew = (size_t)(-(uintptr_t)scratch % SCRATCH_ALIGN), done = 0;
    tok_encoder e = {.t = t, .ids = ids, .cap = cap, .plain = plain, .n_plain = n_plain};
    e.all_plain = flags & MOTE_ENCODE_NO_SPECIAL_TEXT;
    e.scratch = (uint8_t *)scratch + skew;
    e.scratch_bytes = scratch_bytes > skew ? scratch_bytes - skew : 0;
    *n_ids = 0;
    if (text_bytes > UINT32_MAX / 8)
        return mote_fail_got(err, MOTE_ERR_LIMIT, "bytes of a text", NULL, text_bytes,
                             UINT32_MAX / 8);
    e.n_known = count_known(text_bytes);
    e.known = e.n_known ? mote_tok_take(&e, e.n_known * sizeof *e.known) : NULL;
    if (e.known)
        memset(e.known, 0, e.n_known * sizeof *e.known);
    for (uint32_t i = 0; flags & MOTE_ENCODE_ADD_SPECIAL && i < t->h->n_before; i++)
        tok_emit(&e, (uint32_t)t->h->before[i]);
    tok_search s = {.text = (const uint8_t *)text, .bytes = text_bytes, .all_plain = e.all_plain};
    for (tok_match m; !e.full && mote_tok_next_added(&e, &s, &m); done = m.end) {
        encode_segment(&e, s.text + done, m.begin - done, done);
        tok_emit(&e, m.id);
    }
    encode_segment(&e, s.text + done, text_bytes - done, done);
    for (uint32_t i = 0; flags & MOTE_ENCODE_ADD_SPECIAL && i < t->h->n_after; i++)
        tok_emit(&e, (uint32_t)t->h->after[i]);
    if (e.full)
        return mote_fail(err, MOTE_ERR_MEMORY, "memory for encoding a text", NULL);
    *n_ids = e.n_ids;
    return MOTE_OK;
}
