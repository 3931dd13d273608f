/* tok.h: tokenizers from their published forms -> the tables of a .mote file
 * (tokenizer/tables.h), ready to use in place. */
#ifndef MOTE_CONVERT_TOK_H
#define MOTE_CONVERT_TOK_H

#include "tools/convert/json.h"

typedef struct tok_table {
    uint32_t kind; /* MOTE_T_TOKENIZER + i */
    uint8_t *data; /* malloc'ed */
    size_t bytes;
} tok_table;

typedef struct tok_tables {
    tok_table tables[31]; /* ascending kinds */
    size_t n;
    uint32_t n_vocab; /* ids run from 0 to n_vocab - 1 */
} tok_tables;

enum { /* sorts of entries, as GGUF and SentencePiece number them */
       TOK_TYPE_NORMAL = 1,
       TOK_TYPE_UNKNOWN,
       TOK_TYPE_CONTROL,
       TOK_TYPE_USER,
       TOK_TYPE_UNUSED,
       TOK_TYPE_BYTE
};

/* A vocabulary as GGUF, SentencePiece, tiktoken and llama2.c files hold it: entries, and names for
 * what is done with them. `model` is tokenizer.ggml.model:
 *   "gpt2"      byte-level merges (in GPT-2's letters); cut as `pre` says (tok_ways.c)
 *   "llama"     SentencePiece's BPE: merges by score
 *   "t5"        SentencePiece's Unigram: scores, charsmap, trims
 *   "bert"      WordPiece: words begin with U+2581, what goes on in a word has no "##"
 *   "tiktoken"  as gpt2, merges by score (less the rank);  "llama2c": llama2.c's
 */
typedef struct tok_vocab {
    size_t n;
    const mote_text *pieces;
    const float *scores;     /* NULL: none */
    const int32_t *types;    /* TOK_TYPE_*; NULL: by content */
    const mote_text *merges; /* "left right"; n_merges 0: merge by score */
    size_t n_merges;
    const char *model;
    const char *pre;            /* tokenizer.ggml.pre; NULL: none */
    int32_t bos, eos, unk, sep; /* -1: none */
    bool add_bos, add_eos, add_sep, add_space_prefix;
    bool first_only;         /* BPE: that prefix at the start of a text only */
    bool user_entries;       /* Unigram: user-defined entries are found by their scores */
    bool trims;              /* blanks at the ends go, runs of blanks become one */
    bool lower, strip_marks; /* WordPiece */
    const void *charsmap;    /* SentencePiece's map; must outlive the call; NULL: none */
    size_t charsmap_bytes;
} tok_vocab;

/* From tokenizer.json (and tokenizer_config.json, may be NULL). What is not understood is refused
 * by name: MOTE_ERR_UNSUPPORTED; what is inconsistent: MOTE_ERR_FILE. `file` is for messages. */
mote_status tok_from_json(tok_tables *out, const char *file, const cJSON *tokenizer,
                          const cJSON *config, mote_convert_error *err);
mote_status tok_from_vocab(tok_tables *out, const char *file, const tok_vocab *vocab,
                           mote_convert_error *err);
/* What a vocabulary adds around a text where its file does not say it; by model and pre. */
void tok_vocab_defaults(tok_vocab *v);
/* From SentencePiece's tokenizer.model (BPE or Unigram); config is tokenizer_config.json, may be
 * NULL. */
mote_status tok_from_spm(tok_tables *out, const char *file, const void *data, size_t bytes,
                         const cJSON *config, mote_convert_error *err);
/* A tiktoken file: lines of an entry in base64 and its rank (tok_tiktoken.c). How texts are cut and
 * which control tokens there are is not in it: `file` (its name) or config say it. */
bool tok_is_tiktoken(const char *data, size_t bytes);
mote_status tok_from_tiktoken(tok_tables *out, const char *file, const char *data, size_t bytes,
                              const cJSON *config, mote_convert_error *err);
/* Id of an added or vocabulary token with this text in finished tables, or -1. */
int32_t tok_find(const tok_tables *tables, mote_text text);
void tok_free(tok_tables *tables);

#endif
