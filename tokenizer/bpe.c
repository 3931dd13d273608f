/* bpe.c: byte pair encoding of one piece: begin with its bytes (or characters), and as long as some
 * neighbours have a merge, do the one of lowest rank, the leftmost of equals. Short pieces, nearly
 * all, by looking through an array; long ones with a heap, in O(n log n). */
#include <string.h>

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

#define MOST_SHORT 40u /* symbols */
#define NO_RANK UINT32_MAX

/* ---- the symbols that a piece begins as ----------------------------------------------------- */

typedef struct symbols {
    const mote_tokenizer *t;
    uint32_t *ids; /* as many as the piece has bytes */
    size_t n;
    bool unknown; /* an unknown symbol waits */
} symbols;

static void add_known(symbols *s, uint32_t id)
{
    if (s->unknown)
        s->ids[s->n++] = (uint32_t)s->t->h->unk;
    s->unknown = false;
    s->ids[s->n++] = id;
}

/* A character that is no entry: its bytes' tokens if all exist, else the unknown token, a row of
 * them once where they fuse. */
static void add_missing(symbols *s, const uint8_t *p, size_t n)
{
    const tok_header *h = s->t->h;
    bool bytes = h->flags & TOK_BYTE_FALLBACK;
    for (size_t i = 0; i < n; i++)
        bytes = bytes && h->byte_ids[p[i]] >= 0;
    for (size_t i = 0; i < n && bytes; i++)
        s->ids[s->n++] = (uint32_t)h->byte_ids[p[i]];
    if (bytes || h->unk < 0)
        return;
    if (s->unknown && !(h->flags & TOK_FUSE_UNK))
        s->ids[s->n++] = (uint32_t)h->unk;
    s->unknown = true;
}

static size_t find_symbols(const mote_tokenizer *t, uint32_t *ids, const uint8_t *p, size_t n)
{
    symbols s = {.t = t, .ids = ids};
    bool bytes = t->h->flags & TOK_BYTE_LEVEL;
    for (size_t at = 0, length; at < n; at += length) {
        uint32_t cp;
        length = bytes ? 1 : utf8_next(p + at, &cp);
        int32_t id = bytes         ? t->h->byte_ids[p[at]]
                     : length == 1 ? t->h->ascii_ids[p[at] & 127]
                                   : (int32_t)mote_tok_find_piece(t, p + at, length);
        if (id >= 0)
            add_known(&s, (uint32_t)id);
        else if (bytes)
            add_missing(&s, NULL, 0);
        else
            add_missing(&s, p + at, length);
    }
    if (s.unknown)
        s.ids[s.n++] = (uint32_t)t->h->unk;
    return s.n;
}

/* ---- short pieces --------------------------------------------------------------------------- */

static void look_up(const mote_tokenizer *t, const uint32_t *ids, size_t n, size_t i,
                    uint32_t *rank, uint32_t *to)
{
    const tok_merge *m = i + 1 < n ? mote_tok_find_merge(t, ids[i], ids[i + 1]) : NULL;
    rank[i] = m ? m->rank : NO_RANK;
    to[i] = m ? m->id : 0;
}

static void merge_short(tok_encoder *e, const uint8_t *p, size_t bytes)
{
    uint32_t ids[MOST_SHORT], rank[MOST_SHORT], to[MOST_SHORT];
    size_t n = find_symbols(e->t, ids, p, bytes);
    for (size_t i = 0; i < n; i++)
        look_up(e->t, ids, n, i, rank, to);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            best = rank[i] < rank[best] ? i : best;
        if (rank[best] == NO_RANK)
            break;
        size_t rest = (n - best - 2) * sizeof *ids;
        ids[best] = to[best];
        memmove(ids + best + 1, ids + best + 2, rest);
        memmove(rank + best + 1, rank + best + 2, rest);
        memmove(to + best + 1, to + best + 2, rest);
        n--;
        look_up(e->t, ids, n, best, rank, to);
        if (best > 0)
            look_up(e->t, ids, n, best - 1, rank, to);
    }
    for (size_t i = 0; i < n; i++)
        tok_emit(e, ids[i]);
}

/* ---- long pieces ---------------------------------------------------------------------------- */

/* Symbols in a list; possible merges in a heap by (rank, place), those that a merge made untrue
 * among them: they are recognised when they come up. A merge takes one out and puts at most two in,
 * so the heap never holds more than 2 n. */
typedef struct list {
    const mote_tokenizer *t;
    uint32_t *ids, *next, *prev; /* [n]; next of the last and prev of the first: TOK_EMPTY */
    uint64_t *heap;              /* rank << 32 | place */
    size_t n_heap;
} list;

static void push(list *l, uint32_t at)
{
    const tok_merge *m = l->next[at] != TOK_EMPTY
                             ? mote_tok_find_merge(l->t, l->ids[at], l->ids[l->next[at]])
                             : NULL;
    if (!m)
        return;
    uint64_t key = (uint64_t)m->rank << 32 | at;
    size_t i = l->n_heap++;
    for (size_t up; i > 0 && l->heap[up = (i - 1) / 2] > key; i = up)
        l->heap[i] = l->heap[up];
    l->heap[i] = key;
}

static uint64_t pop(list *l)
{
    uint64_t top = l->heap[0], key = l->heap[--l->n_heap];
    size_t i = 0;
    for (size_t down; (down = 2 * i + 1) < l->n_heap; i = down) {
        if (down + 1 < l->n_heap && l->heap[down + 1] < l->heap[down])
            down++;
        if (l->heap[down] >= key)
            break;
        l->heap[i] = l->heap[down];
    }
    l->heap[i] = key;
    return top;
}

static void merge_at(list *l, uint32_t at, uint32_t id)
{
    uint32_t gone = l->next[at], after = l->next[gone];
    l->ids[at] = id;
    l->ids[gone] = TOK_EMPTY;
    l->next[at] = after;
    if (after != TOK_EMPTY)
        l->prev[after] = at;
    push(l, at);
    if (l->prev[at] != TOK_EMPTY)
        push(l, l->prev[at]);
}

static void merge_long(tok_encoder *e, const uint8_t *p, size_t bytes)
{
    list l = {.t = e->t, .ids = mote_tok_take(e, bytes * sizeof *l.ids)};
    size_t n = l.ids ? find_symbols(e->t, l.ids, p, bytes) : 0;
    l.next = mote_tok_take(e, n * sizeof *l.next);
    l.prev = mote_tok_take(e, n * sizeof *l.prev);
    l.heap = mote_tok_take(e, n * 2 * sizeof *l.heap);
    if (e->full || n == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        l.next[i] = i + 1 < n ? (uint32_t)i + 1 : TOK_EMPTY;
        l.prev[i] = i ? (uint32_t)i - 1 : TOK_EMPTY;
    }
    for (size_t i = 0; i < n; i++)
        push(&l, (uint32_t)i);
    while (l.n_heap) {
        uint64_t top = pop(&l);
        uint32_t at = (uint32_t)top, id = l.ids[at];
        if (id == TOK_EMPTY || l.next[at] == TOK_EMPTY)
            continue;
        const tok_merge *m = mote_tok_find_merge(e->t, id, l.ids[l.next[at]]);
        if (m && m->rank == (uint32_t)(top >> 32))
            merge_at(&l, at, m->id);
    }
    for (uint32_t at = 0; at != TOK_EMPTY; at = l.next[at])
        tok_emit(e, l.ids[at]);
}

void mote_tok_merge_piece(tok_encoder *e, const uint8_t *p, size_t n)
{
    uint32_t id = mote_tok_find_piece(e->t, p, n);
    if (id != TOK_EMPTY && !(e->t->flags[id] & TOK_SPECIAL) &&
        (e->t->flags[id] & TOK_WHOLE || e->t->h->flags & TOK_IGNORE_MERGES)) {
        tok_emit(e, id);
        return;
    }
    if (MOTE_TEXT_STEPS && n <= MOST_SHORT) { /* elsewhere pieces are whole texts */
        merge_short(e, p, n);
        return;
    }
    uint8_t *scratch = e->scratch;
    size_t left = e->scratch_bytes;
    merge_long(e, p, n);
    e->scratch = scratch;
    e->scratch_bytes = left;
}
