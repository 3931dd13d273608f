/* tok_merges.c: a BPE model's merges -> the tables by which the run time finds what merging would
 * give without merging (tokenizer/bpe.c, which read first): which entries merging gives back from
 * their own bytes, their last merges, the ranks of pairs, and a trie. */
#include <string.h>

#include "tools/convert/tok_build.h"

/* All merges, by their pairs. */
typedef struct merges {
    tok_merge *slots; /* left TOK_EMPTY: free */
    uint32_t n_slots;
} merges;

static tok_merge *find_slot(const merges *m, uint32_t left, uint32_t right)
{
    uint32_t at = tok_slot(tok_hash_pair(left, right), m->n_slots);
    while (m->slots[at].left != TOK_EMPTY &&
           (m->slots[at].left != left || m->slots[at].right != right))
        at = at + 1 == m->n_slots ? 0 : at + 1;
    return &m->slots[at];
}

static const tok_merge *find_merge(const merges *m, uint32_t left, uint32_t right)
{
    const tok_merge *slot = find_slot(m, left, right);
    return slot->left == TOK_EMPTY ? NULL : slot;
}

/* Merges that the tables cannot say: of symbols that no text has, or into entries too long. */
static mote_status check_merge(const builder *b, size_t i)
{
    const tok_draft *d = b->d;
    tok_merge m = d->merges[i];
    if ((d->flags[m.left] | d->flags[m.right]) & TOK_BYTE || (int32_t)m.left == d->h.unk ||
        (int32_t)m.right == d->h.unk)
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                            "%s: merge %zu is of the unknown token or a byte's token", d->file, i);
    if (b->pieces[m.id].bytes > TOK_MAX_SYMBOLS)
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                            "%s: merge %zu makes an entry of %zu bytes (at most %u)", d->file, i,
                            b->pieces[m.id].bytes, TOK_MAX_SYMBOLS);
    return MOTE_OK;
}

static mote_status index_merges(builder *b, merges *m)
{
    tok_draft *d = b->d;
    m->n_slots = (uint32_t)(2 * d->n_merges + 1);
    m->slots = pool_take(&d->pool, m->n_slots, sizeof *m->slots, d->err);
    if (!m->slots)
        return d->err->status;
    memset(m->slots, 0xff, m->n_slots * sizeof *m->slots);
    for (size_t i = 0; i < d->n_merges; i++) {
        tok_merge one = d->merges[i];
        mote_status status = check_merge(b, i);
        if (status)
            return status;
        if (d->flags[one.id] & TOK_SPECIAL)
            continue; /* plain text never becomes a control token */
        tok_merge *slot = find_slot(m, one.left, one.right);
        if (slot->left != TOK_EMPTY)
            return convert_fail(d->err, MOTE_ERR_FILE, "%s: merge %zu is there twice", d->file, i);
        *slot = one;
    }
    return MOTE_OK;
}

/* ---- entries that merging gives back -------------------------------------------------------- */

/* First symbols of an entry's text; 0: they do not do. */
static size_t split_entry(const builder *b, mote_text p, uint32_t ids[TOK_MAX_SYMBOLS])
{
    const tok_header *h = &b->d->h;
    size_t n = 0;
    for (size_t at = 0, length; at < p.bytes; at += length) {
        uint8_t c = (uint8_t)p.ptr[at];
        bool bytes = h->flags & TOK_BYTE_LEVEL;
        length = bytes || c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (n == TOK_MAX_SYMBOLS || length > p.bytes - at)
            return 0;
        mote_text one = {p.ptr + at, length};
        int32_t id = bytes ? h->byte_ids[c] : c < 0x80 ? h->ascii_ids[c] : draft_find(b->d, one);
        if (id < 0)
            return 0;
        ids[n++] = (uint32_t)id;
    }
    return n;
}

/* Merges the symbols as the definition says. True: one is left, and it is the entry; *split: its
 * last merge. */
static bool merges_to(const merges *m, uint32_t *ids, size_t n, uint32_t id, tok_split *split)
{
    const tok_merge *of[TOK_MAX_SYMBOLS];
    *split = (tok_split){TOK_EMPTY, TOK_EMPTY, 0};
    for (size_t i = 0; i + 1 < n; i++)
        of[i] = find_merge(m, ids[i], ids[i + 1]);
    for (; n > 1; n--) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i + 1 < n; i++)
            if (of[i] && (best == SIZE_MAX || of[i]->rank < of[best]->rank))
                best = i;
        if (best == SIZE_MAX)
            return false;
        split->left = of[best]->left;
        split->right = of[best]->right;
        split->last = of[best]->rank >= split->last ? of[best]->rank + 1 : split->last;
        ids[best] = of[best]->id;
        memmove(ids + best + 1, ids + best + 2, (n - best - 2) * sizeof *ids);
        memmove(of + best + 1, of + best + 2, (n - best - 2) * sizeof(*of));
        of[best] = best + 2 < n ? find_merge(m, ids[best], ids[best + 1]) : NULL;
        if (best > 0)
            of[best - 1] = find_merge(m, ids[best - 1], ids[best]);
    }
    return n == 1 && ids[0] == id;
}

static mote_status build_splits(builder *b, const merges *m, uint8_t *flags)
{
    tok_draft *d = b->d;
    tok_split *splits = build_table(b, TOK_TABLE_SPLITS, d->n * sizeof *splits);
    if (!splits)
        return build_no_memory(d);
    for (size_t id = 0; id < d->n; id++) {
        uint32_t ids[TOK_MAX_SYMBOLS];
        size_t n = build_is_symbol(d, id) ? split_entry(b, b->pieces[id], ids) : 0;
        bool whole = merges_to(m, ids, n, (uint32_t)id, &splits[id]);
        if (whole && (n == 1 || !(d->flags[id] & TOK_SPECIAL)))
            flags[id] |= TOK_WHOLE;
        else
            splits[id] = (tok_split){TOK_EMPTY, TOK_EMPTY, 0};
    }
    return MOTE_OK;
}

/* ---- ranks of pairs ------------------------------------------------------------------------- */

/* Pairs that merging can meet. */
static bool can_meet(const uint8_t *flags, const tok_merge *m)
{
    return m->left != TOK_EMPTY && flags[m->left] & flags[m->right] & TOK_WHOLE;
}

static uint32_t fill_ranks(const merges *m, const uint8_t *flags, tok_rank *slots, uint32_t n)
{
    uint32_t most = 0;
    memset(slots, 0xff, n * sizeof *slots);
    for (size_t i = 0; i < m->n_slots; i++) {
        const tok_merge *from = &m->slots[i];
        uint32_t off = 0, at = tok_slot(tok_hash_pair(from->left, from->right), n);
        if (!can_meet(flags, from))
            continue;
        for (; slots[at].left != TOK_EMPTY; off++)
            at = at + 1 == n ? 0 : at + 1;
        slots[at] = (tok_rank){from->left, from->right, from->rank + 1};
        most = off > most ? off : most;
    }
    return most;
}

/* A hash two thirds full, or emptier until no look-up is longer than the run time's limit. */
static mote_status build_ranks(builder *b, const merges *m, const uint8_t *flags)
{
    tok_header *h = &b->d->h;
    size_t n = 0;
    for (size_t i = 0; i < m->n_slots; i++)
        n += can_meet(flags, &m->slots[i]);
    for (size_t slots = n + n / 2 + 8; slots < n * 64 + 64; slots *= 2) {
        tok_rank *table = build_table(b, TOK_TABLE_RANKS, slots * sizeof *table);
        if (!table)
            return build_no_memory(b->d);
        h->n_rank_slots = (uint32_t)slots;
        h->rank_probe = fill_ranks(m, flags, table, h->n_rank_slots);
        if (h->rank_probe <= TOK_MAX_PROBE)
            return MOTE_OK;
        build_drop_last(b);
    }
    return convert_fail(b->d->err, MOTE_ERR_UNSUPPORTED, "%s: the merges do not hash", b->d->file);
}

mote_status build_merges(builder *b)
{
    tok_draft *d = b->d;
    merges m;
    uint8_t *flags = build_table(b, TOK_TABLE_FLAGS, d->n);
    if (!flags)
        return build_no_memory(d);
    for (size_t id = 0; id < d->n; id++)
        flags[id] = d->flags[id] & (TOK_SPECIAL | TOK_ADDED | TOK_BYTE | TOK_CONTINUES);
    if (d->h.model != TOK_BPE)
        return MOTE_OK;
    mote_status status = index_merges(b, &m);
    if (!status)
        status = build_splits(b, &m, flags);
    for (size_t id = 0; id < d->n && !status; id++)
        d->flags[id] |= flags[id] & TOK_WHOLE;
    return status ? status : build_ranks(b, &m, flags);
}
