/* replay.c: all fuzz targets on their seeds without libFuzzer: replay FOLDER [TARGET]: runs
 * FOLDER/TARGET/ * of every target, each seed as it is and with a few changes that are the same
 * each time. A fault ends the program; which seed it was stands before it. */
#define _GNU_SOURCE
#include <dirent.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/test.h"

enum { MAX_SEED = 1 << 20 };

static unsigned rounds = 20;

/* One small change; n stays within MAX_SEED. */
static size_t change(uint8_t *p, size_t n, uint64_t *random)
{
    uint64_t r = test_random(random);
    size_t at = n ? (size_t)(r >> 8) % n : 0, k = (size_t)(r >> 40) % 8 + 1;
    if (n < 2 || r % 4 == 0) { /* a piece goes */
        k = k < n - at ? k : n - at;
        memmove(p + at, p + at + k, n - at - k);
        return n - k;
    }
    if (r % 4 == 1 && n + k < MAX_SEED) { /* a piece comes twice */
        memmove(p + at + k, p + at, n - at);
        return n + k;
    }
    if (r % 4 == 2)
        p[at] ^= (uint8_t)(1u << (r >> 60 & 7));
    else
        p[at] = (uint8_t)(r >> 56);
    return n;
}

static void run_seed(const fuzz_target *t, const char *path)
{
    static uint8_t seed[MAX_SEED], changed[MAX_SEED];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(seed, 1, sizeof seed, f) : 0, m = n;
    uint64_t random = 1;
    if (f)
        fclose(f);
    printf("seed %s\n", path);
    t->run((fuzz_in){seed, n});
    for (unsigned i = 0; i < rounds; i++) {
        if (i % 4 == 0)
            memcpy(changed, seed, m = n);
        m = change(changed, m, &random);
        t->run((fuzz_in){changed, m});
    }
}

static unsigned run_target(const fuzz_target *t, const char *folder)
{
    char path[1024];
    struct dirent **names;
    snprintf(path, sizeof path, "%s/%s", folder, t->name);
    int n = scandir(path, &names, NULL, alphasort);
    unsigned n_run = 0;
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", folder, t->name, names[i]->d_name);
        if (names[i]->d_name[0] != '.') {
            run_seed(t, path);
            n_run++;
        }
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    return n_run;
}

int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;
    if (argc > 3)
        rounds = (unsigned)strtoul(argv[3], NULL, 10);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (const fuzz_target *t = fuzz_find(NULL); t && argc > 1; t = t->next) {
        if (argc > 2 && *argv[2] && strcmp(argv[2], t->name) != 0)
            continue;
        unsigned n = run_target(t, argv[1]);
        if (!n)
            printf("FAIL %s has no seeds\n", t->name), failed++;
        passed += n;
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed || argc < 2;
}
