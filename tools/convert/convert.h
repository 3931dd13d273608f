/* convert.h: the converter as a function: a hub folder, a .gguf or a llama2.c checkpoint -> .mote.
 * Hosted: allocates, reads and writes files; never exits or prints but through `progress`. */
#ifndef MOTE_CONVERT_H
#define MOTE_CONVERT_H

#include "include/mote.h"

typedef enum mote_convert_type {
    MOTE_CONVERT_AUTO, /* keep for .gguf, else bf16 (f16 stays f16) */
    MOTE_CONVERT_F32,
    MOTE_CONVERT_BF16,
    MOTE_CONVERT_F16,
    MOTE_CONVERT_Q8,
    MOTE_CONVERT_Q4,
    MOTE_CONVERT_KEEP
} mote_convert_type;

typedef struct mote_convert_opts {
    const char *source; /* folder or file */
    mote_text config;   /* a draft of this configuration; then source is only its name */
    const char *output; /* file to make; mote_convert_draft: NULL */
    const char *vocab;  /* llama2.c: tokenizer file; NULL otherwise (else MOTE_ERR_LIMIT) */
    mote_convert_type type;
    bool force; /* replace an existing output */
    bool tokenizer_only;
    /* done and total are bytes of source tensors; what: the tensor at hand. May be NULL. */
    void (*progress)(void *user, const char *what, uint64_t done, uint64_t total);
    /* A remark that is no error ("tensor x ignored"). May be NULL. */
    void (*note)(void *user, const char *text);
    /* Asked between tiles; true leaves nothing and ends with MOTE_CANCELLED. May be NULL. */
    bool (*cancel)(void *user);
    void *user;
} mote_convert_opts;

/* A failure in one line, the file first: "config.json: vocab_size is missing". */
typedef struct mote_convert_error {
    mote_status status;
    char text[400];
} mote_convert_error;

/* Converts. On failure nothing is left at opts->output that was not there before. */
mote_status mote_convert(const mote_convert_opts *opts, mote_convert_error *err);

/* A file that was laid out and not written: what it begins with, and its size. Zeros in place of
 * the tensors make it a valid image, from which mote_model and mote_session sizes can be asked. */
typedef struct mote_draft {
    void *head; /* malloc'ed */
    size_t head_bytes;
    uint64_t file_bytes;
    uint32_t n_ctx; /* positions the model was made for */
} mote_draft;

/* Drafts at `types`, out[n]. A folder needs its config.json only (which may be the source itself);
 * its weights are never opened. The draft's index allows min_ctx positions at least, unless they
 * are a table of weights. On failure nothing is left to free. */
mote_status mote_convert_draft(const mote_convert_opts *opts, uint32_t min_ctx,
                               const mote_convert_type *types, size_t n, mote_draft *out,
                               mote_convert_error *err);

#endif
