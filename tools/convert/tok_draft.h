/* tok_draft.h: a tokenizer between its published form and its tables. tok_json.c and tok_vocab.c
 * fill a draft, tok_build.c makes the tables of it. Read tokenizer/tables.h first. */
#ifndef MOTE_CONVERT_TOK_DRAFT_H
#define MOTE_CONVERT_TOK_DRAFT_H

#include "tokenizer/tables.h"
#include "tools/convert/source.h"
#include "tools/convert/tok.h"

#define DRAFT_MARK "\xe2\x96\x81" /* U+2581, SentencePiece's blank */

enum {                       /* flags of an entry beside TOK_*, not stored */
       DRAFT_IN_MODEL = 128, /* merging can give it */
       DRAFT_RAW = 64        /* its text is outside the model's alphabet: no text gives it */
};

typedef struct draft_added {
    mote_text text; /* normalised, if it is looked for there */
    unsigned flags; /* TOK_ADD_* */
    uint32_t id;
} draft_added;

typedef struct tok_merge {
    uint32_t left, right, rank, id;
} tok_merge;

typedef struct tok_draft {
    const char *file;
    mote_convert_error *err;
    pool pool;        /* all memory of the draft */
    tok_header h;     /* flags, prefix, steps, before, after, unk, bos */
    size_t n;         /* ids */
    mote_text *texts; /* [n]: entries as published */
    uint8_t *flags;   /* [n] */
    uint32_t *slots;  /* hash of texts -> id, for reading */
    size_t n_slots;
    tok_merge *merges; /* rank, id set */
    size_t n_merges;
    char *joined; /* [2 * TOK_MAX_PIECE]: room to join two entries */
    draft_added *added;
    size_t n_added;
    double *scores; /* [n + 1]: Unigram; else NULL */
    const uint8_t *charsmap;
    size_t charsmap_bytes;
    bool cleans;        /* WordPiece's decoder takes blanks before signs away */
    bool mark_is_blank; /* U+2581 in an entry decodes to a blank */
    bool byte_tokens;   /* <0xE2> decodes to a byte */
} tok_draft;

/* Room for ids 0 .. n-1. */
mote_status draft_open(tok_draft *d, const char *file, size_t n, mote_convert_error *err);
/* An entry of the model; a text or id that is taken: MOTE_ERR_FILE. */
mote_status draft_set(tok_draft *d, uint32_t id, mote_text text);
/* Its id, or -1. */
int32_t draft_find(const tok_draft *d, mote_text text);
/* The byte that "<0x41>" names, or -1. */
int draft_byte_token(mote_text text);
/* Room for n merges and for n added tokens. */
mote_status draft_reserve(tok_draft *d, size_t n_merges, size_t n_added);
/* Appends a merge of two entries; their joined text must be one. */
mote_status draft_merge(tok_draft *d, uint32_t left, uint32_t right, uint32_t rank);
/* Appends an added token, which must not contradict the entries. */
mote_status draft_add(tok_draft *d, uint32_t id, mote_text text, bool special, unsigned flags);

/* GPT-2's letters for bytes: the character that stands for a byte, and back (-1: none). */
uint32_t draft_byte_letter(unsigned byte);
int draft_letter_byte(uint32_t cp);

/* A WordPiece entry as it decodes behind another (text.bytes + 1 of room); sets flags. */
size_t draft_decode_word(tok_draft *d, size_t id, char *out);

/* An entry in a trie; the trie's nodes, malloc'ed, NULL without memory. Sorts the keys. */
typedef struct draft_key {
    mote_text text; /* not empty, without a zero */
    uint32_t id;
} draft_key;
tok_node *draft_build_trie(draft_key *keys, size_t n, size_t *n_nodes);

/* Text of base64 to bytes (3 n / 4 at most); false: it is none. */
bool tok_read_base64(const char *text, size_t n, uint8_t *out, size_t *bytes);
/* A normalising step by SentencePiece's map, which must outlive the draft's building. */
mote_status tok_add_charsmap(tok_draft *d, const uint8_t *map, size_t bytes);

/* Normalising steps, in order; BERT's; to be called behind the last (tok_json_norm.c). */
mote_status draft_norm(tok_draft *d, enum tok_norm_kind kind, uint32_t param);
mote_status draft_norm_bert(tok_draft *d, bool clean, bool ideographs, bool strip, bool lower);
mote_status draft_norms_done(tok_draft *d);

/* A vocabulary whose merges follow from scores: every way to cut an entry into two is a merge, the
 * entry's place in the order of scores its rank (tok_scores.c). */
mote_status draft_cut_by_score(tok_draft *d, const tok_vocab *v);
/* A score to the last bit as the hub's library has it, for ties hang on that (tok_json_model.c). */
double draft_score(double score);
/* SentencePiece's Unigram model. */
mote_status draft_unigram(tok_draft *d, const tok_vocab *v);

enum { TOK_WAY_BOS = 1, TOK_WAY_SEP = 2 }; /* what is added where the file does not say it */

/* How byte-level text is cut (tok_ways.c). */
typedef struct tok_way {
    const char *names; /* each between blanks */
    unsigned flags;    /* TOK_* of tok_header */
    unsigned adds;     /* TOK_WAY_* */
    tok_step steps[TOK_MAX_STEPS];
} tok_way;
/* By a name of tokenizer.ggml.pre; NULL: there is none, or no scanner for it. */
const tok_way *tok_way_find(const char *name);

/* The tables of a draft; takes h's counts from it. The draft is freed in any case. */
mote_status draft_build(tok_draft *d, tok_tables *out);

/* Unicode data (tok_unicode.c): malloc'ed tables, NULL without memory. */
uint8_t *unicode_classes(size_t *bytes);
uint8_t *unicode_nfc(size_t *bytes, unsigned form); /* TOK_NORM_* */
uint8_t *unicode_bounds(size_t *bytes);
uint8_t *unicode_lower(size_t *bytes);
uint32_t unicode_version(void); /* 0xMMmmpp */
/* A text in a normal form, malloc'ed; .ptr NULL without memory. */
mote_text unicode_compose(mote_text text, unsigned form);

#endif
