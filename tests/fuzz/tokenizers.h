/* tokenizers.h: small tokenizers of every kind for fuzzing, made through the converter's reader;
 * the converter itself. */
#ifndef MOTE_FUZZ_TOKENIZERS_H
#define MOTE_FUZZ_TOKENIZERS_H

#include "tests/fuzz/fuzz.h"
#include "tools/convert/convert.h"
#include "tools/convert/tok.h"

typedef struct fuzz_tokenizer {
    mote_tokenizer *t;
    mote_image image;
    bool exact; /* decoding gives back any valid UTF-8 that has no added token in it */
} fuzz_tokenizer;

/* Picks one by the first byte of the input; NULL: the converter does not take it. */
const fuzz_tokenizer *fuzz_pick_tokenizer(fuzz_in *in);

/* A whole image around tables, as the converter would write it; bytes of it are malloc'ed at
 * image->base. False: the loader refuses it. */
bool fuzz_tables_image(mote_image *image, const tok_tables *tables);
/* The tokenizer of an image in new memory; NULL: it is refused. */
mote_tokenizer *fuzz_open_tokenizer(const mote_image *image);

/* Encodes and decodes a text, the way told by the first byte, and checks what must hold for any
 * tokenizer, with damaged tables or not. */
void fuzz_use_tokenizer(const mote_tokenizer *t, fuzz_in text);

/* Converts (fuzz_source.c): what comes of it is sound, or nothing is left. */
void fuzz_convert(const char *from, const char *vocab, mote_convert_type type);

#endif
