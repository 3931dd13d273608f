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
    const char *output; /* file to make */
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

#endif
