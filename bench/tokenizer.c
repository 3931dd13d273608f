/* tokenizer.c: how fast texts become ids, how time grows with the text, how long opening takes, how
 * much stack is used. Times are the thread's own, so that other work on the machine counts little.
 * Usage: bench_tokenizer MODEL.mote [TEXT [DOCUMENT_BYTES]]: MB/s for the text, whole or cut at
 * line ends into documents; without one, for texts of every sort from 1 KiB to 16 MiB, the slowest
 * and the worst t(2n)/t(n). Built by hand:
 * cc -O2 -I. bench/tokenizer.c build/release/libmote.a -lm -lpthread -lopenblas
 * Against other tokenizers: bench/tokenizer_compare.py. */
#include <pthread.h>
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

typedef struct room {
    const mote_tokenizer *t;
    void *scratch;
    int32_t *ids;
    size_t scratch_bytes, cap;
} room;

static bool make_room(room *r, const mote_tokenizer *t, size_t bytes)
{
    *r = (room){.t = t, .scratch_bytes = mote_encode_scratch_bytes(t, bytes)};
    r->cap = mote_encode_max_ids(t, bytes);
    r->scratch = malloc(r->scratch_bytes);
    r->ids = malloc(r->cap * sizeof *r->ids);
    return r->scratch && r->ids;
}

static void free_room(room *r)
{
    free(r->scratch);
    free(r->ids);
}

/* Ids of a text in documents of at most this many bytes, cut behind line ends. */
static size_t encode(const room *r, const char *text, size_t bytes, size_t document)
{
    size_t total = 0;
    for (size_t at = 0, end; at < bytes; at = end) {
        size_t n_ids = 0;
        mote_error err;
        end = bytes - at > document ? at + document : bytes;
        for (size_t i = end; end < bytes && i > at; i--)
            if (text[i - 1] == '\n') {
                end = i;
                break;
            }
        if (mote_encode(r->t, text + at, end - at, 0, NULL, 0, r->ids, r->cap, &n_ids, r->scratch,
                        r->scratch_bytes, &err))
            exit(1);
        total += n_ids;
    }
    return total;
}

/* Seconds of one encoding: the best of fifteen (of a long text: of four), each long enough to be
 * measured. */
static double measure(const room *r, const char *text, size_t bytes, size_t document)
{
    double best = 1e9;
    for (int round = 0; round < (bytes > 1 << 20 ? 4 : 15); round++) {
        double begin = now(), took = 0;
        size_t times = 0;
        for (; times == 0 || took < 2e-3; times++, took = now() - begin)
            encode(r, text, bytes, document);
        took /= (double)times;
        best = took < best ? took : best;
    }
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

enum { LEAST = 1 << 10, MOST = 16 << 20 };

static void fill(char *text, size_t n, const char *with)
{
    size_t length = strlen(with);
    for (size_t at = 0; at < n; at++)
        text[at] = with[at % length];
}

static void run_sorts(const mote_tokenizer *t)
{
    char *text = malloc(MOST);
    room r;
    if (!text || !make_room(&r, t, MOST))
        exit(1);
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++) {
        double slowest = 1e9, worst = 0, before = 0, mib = 0;
        fill(text, MOST, sorts[i][1]);
        for (size_t n = LEAST; n <= MOST; n *= 2) {
            double took = measure(&r, text, n, MOST), speed = (double)n / took / 1e6;
            slowest = speed < slowest ? speed : slowest;
            worst = n > LEAST && took / before > worst ? took / before : worst;
            mib = n == 1 << 20 ? took : mib;
            before = took;
        }
        printf("%-9s %8.2f MB/s at the slowest  t(2n)/t(n) %.2f at most  1 MiB in %.3f s\n",
               sorts[i][0], slowest, worst, mib);
        fflush(stdout);
    }
    free_room(&r);
    free(text);
}

/* ---- stack ---------------------------------------------------------------------------------- */

enum { STACK = 1 << 18, STACK_TEXT = 1 << 16, PAINT = 0xa5 };

static void *run_on_stack(void *arg)
{
    room *r = arg;
    static char text[STACK_TEXT];
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++) {
        fill(text, STACK_TEXT, sorts[i][1]);
        encode(r, text, STACK_TEXT, STACK_TEXT);
    }
    return NULL;
}

static void *run_nothing(void *arg) { return arg; }

/* Bytes of a painted stack that a thread's work has touched. */
static size_t touched(void *(*work)(void *), room *r)
{
    static _Alignas(4096) unsigned char stack[STACK];
    pthread_attr_t attr;
    pthread_t thread;
    size_t clean = 0;
    memset(stack, PAINT, sizeof stack);
    if (pthread_attr_init(&attr) || pthread_attr_setstack(&attr, stack, sizeof stack) ||
        pthread_create(&thread, &attr, work, r))
        return 0;
    pthread_join(thread, NULL);
    while (clean < sizeof stack && stack[clean] == PAINT)
        clean++;
    return sizeof stack - clean;
}

static void run_stack(const mote_tokenizer *t)
{
    room r;
    if (make_room(&r, t, STACK_TEXT))
        printf("stack %zu bytes\n", touched(run_on_stack, &r) - touched(run_nothing, &r));
    free_room(&r);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void run_text(const mote_tokenizer *t, const char *path, size_t document)
{
    size_t bytes = 0;
    char *text = read_file(path, &bytes);
    room r;
    if (!text || !bytes || !make_room(&r, t, bytes))
        exit(1);
    size_t n_ids = encode(&r, text, bytes, document ? document : bytes);
    printf("%zu bytes, %zu ids, %.2f MB/s\n", bytes, n_ids,
           (double)bytes / measure(&r, text, bytes, document ? document : bytes) / 1e6);
    free_room(&r);
    free(text);
}

int main(int argc, char **argv)
{
    static _Alignas(MOTE_ALIGN) char memory[4096];
    size_t bytes = 0;
    char *data = argc > 1 ? read_file(argv[1], &bytes) : NULL;
    mote_image image;
    mote_tokenizer *t;
    mote_error err;
    double begin = now();
    if (!data || mote_image_open(&image, data, bytes, &err) ||
        mote_tokenizer_init(&t, memory, sizeof memory, &image, &err)) {
        fprintf(stderr, "usage: bench_tokenizer MODEL.mote [TEXT [DOCUMENT_BYTES]]\n");
        return 2;
    }
    if (argc > 2) {
        run_text(t, argv[2], argc > 3 ? strtoul(argv[3], NULL, 10) : 0);
    } else {
        printf("opened %u entries in %.3f ms\n", mote_tokenizer_vocab_size(t),
               1e3 * (now() - begin));
        run_stack(t);
        fflush(stdout);
        run_sorts(t);
    }
    free(data);
    return 0;
}
