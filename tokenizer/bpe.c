/* bpe.c: byte pair encoding of one piece without merging. The definition: begin with the piece's
 * bytes (or characters), and as long as some neighbours have a merge, do the one of lowest rank,
 * the leftmost of equals. What comes out of it is the only row of entries in which every two
 * neighbours stay two when they are merged by themselves: so entries are tried, the longest
 * first, and kept when they fit the one before. docs/tokenizer.md has the proof. No position is
 * given up twice, so time is linear; memory is one bit a byte. */
#include <string.h>

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

#define NO_RANK UINT32_MAX

/* ---- do two entries fit? -------------------------------------------------------------------- */

/* Rank of the merge of two entries; 0: they have none. */
static uint32_t find_rank(const mote_tokenizer *t, uint32_t left, uint32_t right)
{
    uint32_t slots = t->h->n_rank_slots, at = tok_slot(tok_hash_pair(left, right), slots);
    for (uint32_t probe = 0; probe <= t->h->rank_probe; probe++) {
        const tok_rank *r = &t->ranks[at];
        if (r->left == left && r->right == right)
            return r->rank;
        if (r->left == TOK_EMPTY)
            return 0;
        at = at + 1 == slots ? 0 : at + 1;
    }
    return 0;
}

static tok_split split_of(const mote_tokenizer *t, uint32_t id)
{
    return id < t->h->n_vocab ? t->splits[id] : (tok_split){TOK_EMPTY, TOK_EMPTY, 0};
}

/* Merging two entries side by side, watched backwards. x is what stands left of their border, y
 * right of it; p is what x became part of, q what y did (.last 0: nothing). Each entry's merges
 * happen as they would alone; those of the left and of the right are done in the order of the
 * highest rank so far, the left's first of equals. A merge of x and y would be done if its rank c
 * were below that of anything that happens to x, and not above that of anything that happens to y,
 * while both are there. Ranks mostly rise from part to whole; where they do not, p was merged as
 * soon as x was there, by its own rank. */
typedef struct border {
    uint32_t x, y;
    tok_split of_x, of_y, p, q;
} border;

/* The lowest rank that would be too high for a merge of x and y, because of x and because of y. */
static void find_limits(const mote_tokenizer *t, const border *b, uint32_t *below, uint32_t *upto)
{
    bool y_is_later = b->of_y.last >= b->of_x.last;
    *below = b->p.last ? b->p.last : NO_RANK;
    *upto = b->q.last ? b->q.last : NO_RANK;
    if (!y_is_later && b->p.last == b->of_x.last)
        *below = find_rank(t, b->p.left, b->p.right);
    if (y_is_later && b->q.last && b->q.last == b->of_y.last &&
        split_of(t, b->q.right).last < b->of_y.last)
        *upto = find_rank(t, b->q.left, b->q.right);
}

static bool fits(const mote_tokenizer *t, uint32_t left, uint32_t right)
{
    border b = {.x = left, .y = right, .of_x = split_of(t, left), .of_y = split_of(t, right)};
    for (unsigned step = 0; step < 2 * TOK_MAX_SYMBOLS; step++) {
        uint32_t rank = find_rank(t, b.x, b.y), below, upto;
        if (rank) {
            find_limits(t, &b, &below, &upto);
            if (rank < below && rank <= upto)
                return false;
        }
        if (b.of_x.last == 0 && b.of_y.last == 0)
            return true;
        if (b.of_y.last >= b.of_x.last) { /* undo what happened last */
            b.q = b.of_y;
            b.y = b.q.left;
            b.of_y = split_of(t, b.y);
        } else {
            b.p = b.of_x;
            b.x = b.p.right;
            b.of_x = split_of(t, b.x);
        }
    }
    return true; /* damaged tables only */
}

/* ---- a piece -------------------------------------------------------------------------------- */

/* The longest entry of at most n bytes that p begins with and merging can give; its bytes, or
 * 0. */
static size_t find_entry(const mote_tokenizer *t, const uint8_t *p, size_t n, uint32_t *id)
{
    bool all_whole = !(t->h->flags & TOK_IGNORE_MERGES);
    size_t longest = 0;
    for (uint32_t i = 0, node = 0; i < n && (node = tok_step_down(t, node, p[i])) != TOK_NOWHERE;
         i++) {
        uint32_t found = t->trie[node].id_label >> 8;
        if (found < t->h->n_vocab && (all_whole || t->flags[found] & TOK_WHOLE)) {
            *id = found;
            longest = i + 1;
        }
    }
    return longest;
}

/* The piece p[0 .. n) at work: the last ids in e->ids stand for p[begin .. at). */
typedef struct piece {
    tok_encoder *e;
    const uint8_t *p;
    size_t n, begin, at;
    uint8_t *dead; /* a bit for every place: no row of entries goes on from here */
    bool unknown;  /* an unknown symbol waits */
} piece;

static bool is_dead(const piece *s, size_t at) { return s->dead[at >> 3] >> (at & 7) & 1; }

static void emit_unknown(piece *s)
{
    if (s->unknown)
        tok_emit(s->e, (uint32_t)s->e->t->h->unk);
    s->unknown = false;
}

/* Puts one more entry of at most `most` bytes behind; false: none fits. */
static bool go_on(piece *s, size_t most)
{
    const mote_tokenizer *t = s->e->t;
    uint32_t id = 0;
    for (size_t bytes; (bytes = find_entry(t, s->p + s->at, most, &id)) > 0; most = bytes - 1) {
        if (is_dead(s, s->at + bytes))
            continue;
        if (s->at > s->begin && !fits(t, (uint32_t)s->e->ids[s->e->n_ids - 1], id))
            continue;
        if (s->at == s->begin)
            emit_unknown(s);
        tok_emit(s->e, id);
        s->at += bytes;
        return true;
    }
    return false;
}

/* Takes the last entry away; *most: what another one there may have. False: there is no way back
 * (damaged tables only). */
static bool go_back(piece *s, size_t *most)
{
    if (s->at == s->begin || is_dead(s, s->at))
        return false;
    s->dead[s->at >> 3] |= (uint8_t)(1 << (s->at & 7));
    size_t bytes = mote_tok_piece(s->e->t, (uint32_t)s->e->ids[s->e->n_ids - 1]).bytes;
    if (bytes == 0 || bytes > s->at - s->begin)
        return false;
    s->e->n_ids--;
    s->at -= bytes;
    *most = bytes - 1;
    return true;
}

/* ---- unknown symbols ------------------------------------------------------------------------ */

/* A symbol that is no entry: its bytes' tokens if all exist, else the unknown token, a row of them
 * once where they fuse. False: nothing stands for it. */
static bool add_missing(piece *s, const uint8_t *p, size_t n)
{
    const tok_header *h = s->e->t->h;
    bool bytes = h->flags & TOK_BYTE_FALLBACK && !(h->flags & TOK_BYTE_LEVEL);
    for (size_t i = 0; i < n; i++)
        bytes = bytes && h->byte_ids[p[i]] >= 0;
    for (size_t i = 0; i < n && bytes; i++)
        tok_emit(s->e, (uint32_t)h->byte_ids[p[i]]);
    if (bytes)
        return true;
    if (s->unknown && !(h->flags & TOK_FUSE_UNK))
        emit_unknown(s);
    s->unknown = h->unk >= 0;
    return s->unknown;
}

static size_t symbol_bytes(const mote_tokenizer *t, const uint8_t *p, size_t n)
{
    size_t bytes = t->h->flags & TOK_BYTE_LEVEL ? 1 : utf8_length(p[0]);
    return bytes == 0 || bytes > n ? 1 : bytes;
}

/* The piece without the symbols that nothing stands for: what lies around them may merge. */
static size_t drop_missing(const mote_tokenizer *t, const uint8_t *p, size_t n, uint8_t *out)
{
    size_t written = 0;
    for (size_t at = 0, bytes; at < n; at += bytes) {
        uint32_t id;
        bytes = symbol_bytes(t, p + at, n - at);
        if (find_entry(t, p + at, bytes, &id) == 0)
            continue;
        memcpy(out + written, p + at, bytes);
        written += bytes;
    }
    return written;
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* False: some symbol has nothing that stands for it. */
static bool encode(piece *s)
{
    const mote_tokenizer *t = s->e->t;
    uint32_t id;
    for (size_t most = s->n; s->at < s->n && !s->e->full;) {
        if (go_on(s, most)) {
            most = s->n - s->at;
            continue;
        }
        most = s->n - s->at;
        if (find_entry(t, s->p + s->at, most, &id) && go_back(s, &most))
            continue;
        size_t bytes = symbol_bytes(t, s->p + s->at, s->n - s->at);
        if (!add_missing(s, s->p + s->at, bytes))
            return false;
        s->begin = s->at += bytes;
        most = s->n - s->at;
    }
    emit_unknown(s);
    return true;
}

/* Is the piece an entry, whatever merging makes of it? */
static bool emit_entry(tok_encoder *e, const uint8_t *p, size_t n)
{
    uint32_t node = 0;
    for (size_t i = 0; i < n && node != TOK_NOWHERE; i++)
        node = tok_step_down(e->t, node, p[i]);
    if (node == TOK_NOWHERE || e->t->trie[node].id_label >> 8 >= e->t->h->n_vocab)
        return false;
    tok_emit(e, e->t->trie[node].id_label >> 8);
    return true;
}

/* A piece that some row of entries is for; false: not every symbol has something that stands for
 * it. */
static bool encode_piece(tok_encoder *e, const uint8_t *p, size_t n)
{
    uint64_t few = 0;
    piece s = {.e = e, .p = p, .n = n, .dead = (uint8_t *)&few};
    if (n >= 8 * sizeof few)
        s.dead = mote_tok_take(e, n / 8 + 1);
    if (!s.dead)
        return true;
    memset(s.dead, 0, n < 8 * sizeof few ? sizeof few : n / 8 + 1);
    return encode(&s);
}

void mote_tok_merge_piece(tok_encoder *e, const uint8_t *p, size_t n)
{
    uint8_t *scratch = e->scratch;
    size_t left = e->scratch_bytes, first = e->n_ids;
    if (e->t->h->flags & TOK_IGNORE_MERGES && emit_entry(e, p, n))
        return;
    if (!encode_piece(e, p, n)) {
        uint8_t *rest = mote_tok_take(e, n);
        e->n_ids = first;
        if (rest && (n = drop_missing(e->t, p, n, rest)) > 0)
            encode_piece(e, rest, n);
    }
    e->scratch = scratch;
    e->scratch_bytes = left;
}
