/* test_convert_small.h: small tokenizers for tests, through the converter and from its file. */
#ifndef MOTE_TEST_CONVERT_SMALL_H
#define MOTE_TEST_CONVERT_SMALL_H

#include "include/mote_host.h"
#include "tools/convert/convert.h"

typedef struct small {
    char *data; /* free() it */
    size_t bytes;
    mote_image image;
    mote_tokenizer *t;
    _Alignas(MOTE_ALIGN) char memory[1024];
} small;

/* Appends to a JSON text. */
__attribute__((format(printf, 3, 4))) void small_add(char *json, size_t cap, const char *format,
                                                     ...);
/* A file of the tokenizer.json `json`, at path. */
mote_status small_convert(const char *json, char path[500], mote_convert_error *err);
/* The tokenizer of such a file; false: it is refused. */
bool small_open(small *s, const char *json);

#endif
