/* wordpiece.c: WordPiece and Unigram, the models that look entries up by their bytes in a trie
 * (tables.h, tok_node). WordPiece takes the longest entry, again and again; Unigram the row of
 * entries with the best sum of scores. Read bpe.c for the third model. */
#include <string.h>

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

/* ---- WordPiece ------------------------------------------------------------------------------ */

/* The longest entry that p begins with, below a node; its bytes, or 0. */
static size_t find_longest(const mote_tokenizer *t, uint32_t node, const uint8_t *p, size_t n,
                           uint32_t *id)
{
    size_t longest = 0;
    for (size_t i = 0; i < n && (node = tok_step_down(t, node, p[i])) != TOK_NOWHERE; i++)
        if (t->trie[node].id_label >> 8 != TOK_NO_ID) {
            *id = t->trie[node].id_label >> 8;
            longest = i + 1;
        }
    return longest;
}

void mote_tok_find_words(tok_encoder *e, const uint8_t *p, size_t n)
{
    const tok_header *h = e->t->h;
    uint32_t inner = 0; /* where entries that go on in a word begin */
    size_t first = e->n_ids, n_chars = 0;
    for (size_t i = 0; i < n; i++)
        n_chars += (p[i] & 0xc0) != 0x80;
    for (uint32_t i = 0; i < h->prefix_bytes && inner != TOK_NOWHERE; i++)
        inner = tok_step_down(e->t, inner, h->prefix_text[i]);
    bool known = n_chars <= h->max_word_chars;
    for (size_t at = 0, length; at < n && known; at += length) {
        uint32_t id = 0, from = at ? inner : 0;
        length = from == TOK_NOWHERE ? 0 : find_longest(e->t, from, p + at, n - at, &id);
        known = length > 0;
        if (known)
            tok_emit(e, id);
    }
    if (known)
        return;
    e->n_ids = first;
    if (h->unk >= 0)
        tok_emit(e, (uint32_t)h->unk);
}

/* ---- Unigram -------------------------------------------------------------------------------- */

/* best[i]: the best sum of scores of a row of entries that ends i bytes from the beginning; only
 * the last places count, so they lie in a ring. from[i]: the last entry of that row. */
typedef struct lattice {
    const mote_tokenizer *t;
    double *best;
    size_t mask; /* places of the ring - 1 */
    uint32_t *from;
} lattice;

static void offer(lattice *l, size_t end, double score, uint32_t id)
{
    double *best = &l->best[end & l->mask];
    if (l->from[end] == TOK_EMPTY || score > *best) {
        *best = score;
        l->from[end] = id;
    }
}

static void walk(lattice *l, const uint8_t *p, size_t at, size_t n)
{
    const mote_tokenizer *t = l->t;
    uint32_t cp, node = 0;
    double so_far = l->best[at & l->mask];
    size_t one = utf8_next(p + at, &cp);
    bool single = false;
    for (size_t i = at; i < n && i - at < t->h->max_piece; i++) {
        node = tok_step_down(t, node, p[i]);
        if (node == TOK_NOWHERE)
            break;
        uint32_t id = t->trie[node].id_label >> 8;
        if (id >= t->h->n_vocab)
            continue;
        offer(l, i + 1, t->scores[id] + so_far, id);
        single |= i + 1 - at == one;
    }
    if (!single)
        offer(l, at + one, t->scores[t->h->n_vocab] + so_far, l->t->h->n_vocab);
}

/* Bytes of the text that the entry whose end is `end` stands for. */
static size_t bytes_of(const lattice *l, const uint8_t *p, size_t end)
{
    size_t n = 1;
    uint32_t id = l->from[end];
    if (id < l->t->h->n_vocab)
        n = mote_tok_piece(l->t, id).bytes;
    else
        while (n < end && (p[end - n] & 0xc0) == 0x80)
            n++;
    return n == 0 ? 1 : n < end ? n : end;
}

/* The row of entries, last first; written to the end of `from`, whose first place is returned. A
 * place is never read after it is written: an entry has at least one byte. */
static size_t go_back(lattice *l, const uint8_t *p, size_t n)
{
    size_t first = n + 1;
    for (size_t end = n; end > 0;) {
        size_t bytes = bytes_of(l, p, end);
        l->from[--first] = l->from[end];
        end -= bytes;
        while (end > 0 && l->from[end] == TOK_EMPTY) /* damaged tables only */
            end--;
    }
    return first;
}

static void emit_unknown(tok_encoder *e, const uint8_t *p, size_t n)
{
    const tok_header *h = e->t->h;
    bool bytes = h->flags & TOK_BYTE_FALLBACK;
    for (size_t i = 0; i < n && bytes; i++)
        bytes = h->byte_ids[p[i]] >= 0;
    for (size_t i = 0; i < n && bytes; i++)
        tok_emit(e, (uint32_t)h->byte_ids[p[i]]);
    if (!bytes && h->unk >= 0)
        tok_emit(e, (uint32_t)h->unk);
}

/* A row of unknown characters is one. */
static void emit_row(tok_encoder *e, const lattice *l, size_t first, const uint8_t *p, size_t n)
{
    size_t at = 0, begin = 0; /* unknown: p[begin .. at) */
    for (size_t i = first; i <= n && at < n; i++) {
        uint32_t cp, id = l->from[i];
        if (id == l->t->h->n_vocab) {
            at += utf8_next(p + at, &cp);
            continue;
        }
        if (begin < at)
            emit_unknown(e, p + begin, at - begin);
        at += mote_tok_piece(l->t, id).bytes;
        begin = at;
        tok_emit(e, id);
    }
    if (begin < at && at <= n)
        emit_unknown(e, p + begin, at - begin);
}

void mote_tok_find_best(tok_encoder *e, const uint8_t *p, size_t n)
{
    uint8_t *scratch = e->scratch;
    size_t left = e->scratch_bytes, ring = 8;
    while (ring <= e->t->h->max_piece + 4u)
        ring *= 2;
    lattice l = {.t = e->t, .mask = ring - 1};
    l.best = mote_tok_take(e, ring * sizeof *l.best);
    l.from = mote_tok_take(e, (n + 1) * sizeof *l.from);
    if (!e->full) {
        memset(l.from, 0xff, (n + 1) * sizeof *l.from);
        l.best[0] = 0;
        for (size_t at = 0; at < n;) {
            uint32_t cp;
            walk(&l, p, at, n);
            at += utf8_next(p + at, &cp);
        }
        emit_row(e, &l, go_back(&l, p, n), p, n);
    }
    e->scratch = scratch;
    e->scratch_bytes = left;
}
