/* tokenizer.c: how fast texts become ids, and whether time grows with the text and no faster.
 * Usage: bench_tokenizer MODEL.mote [TEXT]. Prints MB/s for the text (or for made ones of 1 and 2
 * MiB of every sort) and t(2n)/t(n). Built by hand:
 * cc -O2 -I. bench/tokenizer.c build/release/libmote.a -lm -lpthread -lopenblas */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "include/mote.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static char *read_file(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    char *p = NULL;
    *bytes = 0;
    if (f && fseek(f, 0, SEEK_END) == 0) {
        *bytes = (size_t)ftell(f);
        p = aligned_alloc(MOTE_ALIGN, (*bytes + MOTE_ALIGN) / MOTE_ALIGN * MOTE_ALIGN);
        rewind(f);
        if (p && fread(p, 1, *bytes, f) != *bytes)
            *bytes = 0;
    }
    if (f)
        fclose(f);
    return p;
}

/* Best of three, in seconds; < 0: an error. */
static double measure(const mote_tokenizer *t, const char *text, size_t bytes, size_t *n_ids)
{
    size_t scratch_bytes = mote_encode_scratch_bytes(t, bytes);
    size_t cap = mote_encode_max_ids(t, bytes);
    void *scratch = malloc(scratch_bytes);
    int32_t *ids = malloc(cap * sizeof *ids);
    double best = -1;
    for (int round = 0; scratch && ids && round < 3; round++) {
        mote_error err;
        double begin = now();
        if (mote_encode(t, text, bytes, 0, NULL, 0, ids, cap, n_ids, scratch, scratch_bytes,
                        &err)) {
            best = -1;
            break;
        }
        double took = now() - begin;
        best = best < 0 || took < best ? took : best;
    }
    free(scratch);
    free(ids);
    return best;
}

/* What a text repeats. */
static const char *const sorts[][2] = {
    {"a", "a"},
    {"blanks", " "},
    {"newlines", "\n"},
    {"dashes", "-"},
    {"digits", "7"},
    {"CJK", "\xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97"},
    {"marks", "\xcc\x81\xcc\xa3"},
    {"emoji", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7"},
    {"base64", "QmFzZTY0IGlzIG5vdCBwcm9zZQ+/x9Zk"},
    {"JSON", "{\"key\": [1, 2.5, null], \"k2\": \"v\\n\"},"},
    {"words", "the quick brown fox, isn't it? "},
    {"no UTF-8", "\xff"},
};

static void run_sorts(const mote_tokenizer *t)
{
    enum { N = 1 << 20 };
    char *text = malloc(2 * N);
    for (size_t i = 0; text && i < sizeof sorts / sizeof *sorts; i++) {
        size_t length = strlen(sorts[i][1]), n_ids = 0;
        for (size_t at = 0; at < 2 * N; at++)
            text[at] = sorts[i][1][at % length];
        double one = measure(t, text, N, &n_ids), two = measure(t, text, 2 * N, &n_ids);
        printf("%-9s %8.2f MB/s  t(2n)/t(n) %.2f\n", sorts[i][0], 2 * N / two / 1e6, two / one);
    }
    free(text);
}

int main(int argc, char **argv)
{
    static _Alignas(MOTE_ALIGN) char memory[4096];
    size_t bytes = 0, text_bytes = 0, n_ids = 0;
    char *data = argc > 1 ? read_file(argv[1], &bytes) : NULL;
    mote_image image;
    mote_tokenizer *t;
    mote_error err;
    if (!data || mote_image_open(&image, data, bytes, &err) ||
        mote_tokenizer_init(&t, memory, sizeof memory, &image, &err)) {
        fprintf(stderr, "usage: bench_tokenizer MODEL.mote [TEXT]\n");
        return 2;
    }
    if (argc > 2) {
        char *text = read_file(argv[2], &text_bytes);
        double took = measure(t, text, text_bytes, &n_ids);
        printf("%zu bytes, %zu ids, %.2f MB/s\n", text_bytes, n_ids,
               (double)text_bytes / took / 1e6);
        free(text);
    } else {
        run_sorts(t);
    }
    free(data);
    return 0;
}
