/* convert.h: the converter as a function: a hub folder, a .gguf, a llama2.c checkpoint or a .mote
 * file of float weights -> .mote. Hosted: allocates, reads and writes files; never exits or prints
 * but through `progress`. */
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

/* Sums over the inputs of matrices, by which q4's errors are weighed and made up for. */
typedef struct mote_calibration mote_calibration;
/* Takes in rows of an input; by all threads of the team at once, as the hook `input` calls. */
void mote_calibration_add(mote_calibration *c, const mote_input_rows *rows);

#define MOTE_CONVERT_CARD_BYTES 640

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
    /* Calibration of q4, NULL: none. Runs the model with float weights over a text and hands all
     * inputs to mote_calibration_add. Called again for later layers when there are too many for
     * 1 GiB. A failure ends the conversion with its status. */
    mote_status (*gather)(void *user, mote_calibration *c);
    /* Quality card, NULL: none. The file at `path` is complete but for the card, a JSON text that
     * this writes. A failure ends the conversion with its status. */
    mote_status (*card)(void *user, const char *path, char card[MOTE_CONVERT_CARD_BYTES]);
    bool blas; /* sums up by BLAS: faster, but other machines may get other bits */
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
/* The checksum that files of this format have: CRC32C. */
uint32_t mote_convert_crc(const void *data, size_t bytes);

#endif
