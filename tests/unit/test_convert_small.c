/* test_convert_small.c: see test_convert_small.h. */
#include "tests/unit/test_convert_small.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/test.h"

void small_add(char *json, size_t cap, const char *format, ...)
{
    size_t n = strlen(json);
    va_list args;
    va_start(args, format);
    vsnprintf(json + n, cap - n, format, args);
    va_end(args);
}

mote_status small_convert(const char *json, char path[500], mote_convert_error *err)
{
    char folder[400];
    snprintf(folder, sizeof folder, "%s/trie", test_folder());
    mkdir(folder, 0700);
    snprintf(path, 500, "%s/tokenizer.json", folder);
    FILE *f = fopen(path, "wb");
    bool ok = f && fputs(json, f) >= 0;
    ok = f && fclose(f) == 0 && ok;
    snprintf(path, 500, "%s/t.mote", folder);
    mote_convert_opts o = {.source = folder, .output = path, .force = true, .tokenizer_only = true};
    return ok ? mote_convert(&o, err) : MOTE_ERR_IO;
}

bool small_open(small *s, const char *json)
{
    char path[500];
    mote_convert_error err;
    mote_error error;
    memset(s, 0, sizeof *s);
    if (small_convert(json, path, &err))
        return false;
    FILE *f = fopen(path, "rb");
    s->data = aligned_alloc(MOTE_ALIGN, 1 << 20);
    s->bytes = f && s->data ? fread(s->data, 1, 1 << 20, f) : 0;
    if (f)
        fclose(f);
    return s->bytes > 0 && !mote_image_open(&s->image, s->data, s->bytes, &error) &&
           !mote_tokenizer_init(&s->t, s->memory, sizeof s->memory, &s->image, &error);
}
