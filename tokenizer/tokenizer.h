/* tokenizer.h: the tokenizer from inside. Read tables.h first, then encode.c: text -> stretches
 * between added tokens (added.c) -> normalised text (nfc.c) -> pieces (split.c) -> ids (bpe.c). */
#ifndef MOTE_TOKENIZER_H
#define MOTE_TOKENIZER_H

#include "include/mote.h"
#include "include/mote_features.h"
#include "tokenizer/tables.h"

struct mote_tokenizer {
    const tok_header *h;
    const uint8_t *pieces;
    size_t pieces_bytes;
    const uint32_t *piece_ends;
    const uint8_t *flags;
    const tok_split *splits; /* [n_vocab] of a BPE model */
    const tok_rank *ranks;
    const tok_added *added;
    const char *added_text;
    size_t added_text_bytes;
    const uint8_t *classes;
#if MOTE_FAST_TEXT
    uint8_t ascii[128]; /* of them, those of ASCII */
#endif
    const tok_nfc_header *nfc;
    const uint8_t *nfc_blocks;
    const tok_decomposition *decompositions;
    const uint32_t *nfc_text;
    const tok_composition *compositions;
    const tok_node *trie;
    size_t n_trie;
    const double *scores; /* [n_vocab + 1] */
    const uint32_t *map_units;
    size_t n_map_units;
    const char *map_texts;
    size_t map_texts_bytes;
    const uint8_t *bounds;
    const tok_pair *lower;
    size_t n_lower;
};

/* ---- tables (open.c) ------------------------------------------------------------------------ */

/* Bytes of an entry; empty when id is none or its record is damaged. */
mote_text mote_tok_piece(const mote_tokenizer *t, uint32_t id);
/* The child of a node of the trie, or TOK_NOWHERE. */
#define TOK_NOWHERE UINT32_MAX
static inline uint32_t tok_step_down(const mote_tokenizer *t, uint32_t node, uint8_t c)
{
    uint32_t to = t->trie[node].base ^ c;
    return to < t->n_trie && (t->trie[to].id_label & 0xff) == c ? to : TOK_NOWHERE;
}

/* The nibble of a character in a table of two stages; checked when opened. */
static inline unsigned tok_nibble(const uint8_t *table, uint32_t cp)
{
    size_t block = table[cp >> 8];
    const uint8_t *pairs = table + TOK_CLASS_BLOCKS + block * TOK_CLASS_BLOCK_BYTES;
    return pairs[(cp & 0xff) >> 1] >> (cp & 1) * 4 & 15;
}

/* Class of a character; for tokenizers that have the table. */
static inline unsigned tok_class(const mote_tokenizer *t, uint32_t cp)
{
#if MOTE_FAST_TEXT
    if (cp < 0x80)
        return t->ascii[cp];
#endif
    return tok_nibble(t->classes, cp);
}

/* Its grapheme boundary class; for those that have that table. */
static inline unsigned tok_bound(const mote_tokenizer *t, uint32_t cp)
{
    return tok_nibble(t->bounds, cp);
}

static inline bool tok_is_space(uint32_t c) /* Unicode's White_Space */
{
    return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

/* ---- encoding ------------------------------------------------------------------------------- */

/* A short piece and its ids, found once (encode.c). */
typedef struct tok_known {
    uint64_t key[2]; /* the piece, zeros behind */
    uint16_t bytes, n;
    int32_t ids[3];
} tok_known;

/* One mote_encode call. */
typedef struct tok_encoder {
    const mote_tokenizer *t;
    int32_t *ids;
    size_t cap, n_ids;
    uint8_t *scratch; /* what is left of it */
    size_t scratch_bytes;
    const mote_span *plain; /* spans not yet behind the text at work */
    size_t n_plain;
    bool all_plain;   /* no special token at all */
    bool full;        /* ids or scratch did not do */
    tok_known *known; /* [n_known], by hash; NULL: none */
    size_t n_known;   /* a power of two */
} tok_encoder;

/* Takes bytes (rounded up to 16) from the front of the scratch; NULL and e->full: too little. */
void *mote_tok_take(tok_encoder *e, size_t bytes);

/* Ids of damaged tables may be beyond the vocabulary; those are left out. */
static inline void tok_emit(tok_encoder *e, uint32_t id)
{
    if (id >= e->t->h->n_vocab)
        return;
    if (e->n_ids < e->cap)
        e->ids[e->n_ids++] = (int32_t)id;
    else
        e->full = true;
}

/* An added token in a text. */
typedef struct tok_match {
    size_t begin, end; /* what it takes, blanks included */
    uint32_t id;
} tok_match;

/* Where the search in one text stands; begin with {.from = 0}. */
typedef struct tok_search {
    const uint8_t *text;
    size_t bytes;
    size_t offset;   /* of text in the caller's text, for plain spans */
    bool normalized; /* which tokens */
    bool all_plain;
    size_t from, taken; /* search from here; text before `taken` belongs to a match */
} tok_search;

/* The next added token, leftmost, then longest. */
bool mote_tok_next_added(tok_encoder *e, tok_search *s, tok_match *match);

/* Brings p into the normal form of the table; step NULL: NFC. Out: 3 n + 4 bytes, 12 n + 4 for the
 * compatible forms; returns bytes. Valid UTF-8. */
size_t mote_tok_compose(tok_encoder *e, const tok_step *step, const uint8_t *p, size_t n,
                        uint8_t *out);
/* One normalising step (norm.c) from p to out, mote_tok_norm_growth times n, and 4, bytes. */
size_t mote_tok_norm(tok_encoder *e, const tok_step *step, const uint8_t *p, size_t n,
                     uint8_t *out);
size_t mote_tok_norm_growth(const tok_step *step);
size_t mote_tok_map_chars(const mote_tokenizer *t, const uint8_t *p, size_t n, uint8_t *out,
                          size_t room);

/* Could composing change a text with this character? */
static inline bool tok_nfc_acts(const mote_tokenizer *t, uint32_t cp)
{
    return t->nfc_blocks[TOK_CLASS_BLOCKS + ((size_t)t->nfc_blocks[cp >> 8] << 8 | (cp & 0xff))];
}

/* End of the piece that begins at p[at], by one step's rule, at most `end`; what lies outside
 * [at, end) does not count. */
size_t mote_tok_split(const mote_tokenizer *t, const tok_step *step, const uint8_t *p, size_t at,
                      size_t end);

/* The same for TOK_STEP_WORDS. */
size_t mote_tok_split_words(const uint8_t *p, size_t at, size_t end);
/* The same for the patterns of split_more.c. */
size_t mote_tok_split_more(const mote_tokenizer *t, const tok_step *step, const uint8_t *p,
                           size_t at, size_t end);
/* Does this piece, which begins at p[at], go out of the text? */
bool mote_tok_is_dropped(const mote_tokenizer *t, const tok_step *step, const uint8_t *p,
                         size_t at);

/* Ids of one piece: byte pair encoding, WordPiece, Unigram. */
void mote_tok_merge_piece(tok_encoder *e, const uint8_t *p, size_t n);
void mote_tok_find_words(tok_encoder *e, const uint8_t *p, size_t n);
void mote_tok_find_best(tok_encoder *e, const uint8_t *p, size_t n);

#endif
