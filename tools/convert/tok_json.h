/* tok_json.h: what the parts of the tokenizer.json reader share. */
#ifndef MOTE_CONVERT_TOK_JSON_H
#define MOTE_CONVERT_TOK_JSON_H

#include "tools/convert/tok_draft.h"

/* A string's bytes; .ptr NULL: it is none, or no memory. */
mote_text tok_json_text(tok_draft *d, const cJSON *item);
/* The same of a C string of cJSON. */
mote_text tok_json_bytes(tok_draft *d, const char *s);
bool tok_json_flag(const cJSON *object, const char *key, bool otherwise);
/* Is the member this string? */
bool tok_json_is(const cJSON *object, const char *key, const char *text);
/* "FILE: WHAT TYPE is not supported", MOTE_ERR_UNSUPPORTED. */
mote_status tok_json_refuse(tok_draft *d, const char *what, const cJSON *item);

/* Entries of models other than BPE. */
mote_status tok_json_word_piece(tok_draft *d, const cJSON *model);
mote_status tok_json_unigram(tok_draft *d, const cJSON *model);
/* One normaliser (not a Sequence). */
mote_status tok_json_norm(tok_draft *d, const cJSON *part);

/* Normaliser and pre-tokenizer -> flags, prefix, steps. Added tokens must be there. */
mote_status tok_json_preparation(tok_draft *d, const cJSON *json);
mote_status tok_json_decoder(tok_draft *d, const cJSON *decoder);
/* Post-processor -> what stands before and after a text. */
mote_status tok_json_affixes(tok_draft *d, const cJSON *processor);

#endif
