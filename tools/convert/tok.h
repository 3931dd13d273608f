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

/* A vocabulary as GGUF and llama2.c files hold it. */
typedef struct tok_vocab {
    size_t n;
    const mote_text *pieces;
    const float *scores;     /* NULL: none */
    const int32_t *types;    /* GGUF token types (1 normal, 2 unknown, 3 control, 4 user defined,
                                5 unused, 6 byte); NULL: by content */
    const mote_text *merges; /* "left right"; n_merges 0: merge by score */
    size_t n_merges;
    const char *model;     /* tokenizer.ggml.model: "gpt2", "llama"; "llama2c" for llama2.c */
    const char *pre;       /* tokenizer.ggml.pre; NULL: none */
    int32_t bos, eos, unk; /* -1: none */
    bool add_bos, add_eos, add_space_prefix;
} tok_vocab;

/* From tokenizer.json (and tokenizer_config.json, may be NULL). What is not understood is refused
 * by name: MOTE_ERR_UNSUPPORTED; what is inconsistent: MOTE_ERR_FILE. `file` is for messages. */
mote_status tok_from_json(tok_tables *out, const char *file, const cJSON *tokenizer,
                          const cJSON *config, mote_convert_error *err);
mote_status tok_from_vocab(tok_tables *out, const char *file, const tok_vocab *vocab,
                           mote_convert_error *err);
/* From SentencePiece's tokenizer.model; config is tokenizer_config.json, may be NULL. */
mote_status tok_from_spm(tok_tables *out, const char *file, const void *data, size_t bytes,
                         const cJSON *config, mote_convert_error *err);
/* Id of an added or vocabulary token with this text in finished tables, or -1. */
int32_t tok_find(const tok_tables *tables, mote_text text);
void tok_free(tok_tables *tables);

#endif
