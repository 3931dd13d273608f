/* The runner of the unit tests: unit [NAME-PART...]; see test.h. */
#define _GNU_SOURCE
#include "tests/unit/test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static test_case *cases;
static bool failed;
static const char *skipped;
static char folder[64];

void test_register(test_case *t)
{
    test_case **at = &cases;
    while (*at && (strcmp((*at)->file, t->file) < 0 ||
                   (strcmp((*at)->file, t->file) == 0 && strcmp((*at)->name, t->name) < 0)))
        at = &(*at)->next;
    t->next = *at;
    *at = t;
}

bool test_check(bool ok, const char *file, int line, const char *text)
{
    if (!ok) {
        printf("  %s:%d: %s\n", file, line, text);
        failed = true;
    }
    return ok;
}

void test_skip(const char *why) { skipped = why; }

const char *test_folder(void)
{
    if (!folder[0]) {
        strcpy(folder, "/tmp/mote-unit-XXXXXX");
        if (!mkdtemp(folder)) {
            perror("mkdtemp");
            exit(1);
        }
    }
    return folder;
}

const char *test_goldens(void)
{
    const char *dir = getenv("GOLDENS");
    struct stat st;
    if (!dir || !*dir)
        dir = "../shared/goldens";
    return stat(dir, &st) == 0 ? dir : NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static bool chosen(const test_case *t, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(t->name, argv[i]) || strstr(t->file, argv[i]))
            return true;
    return argc < 2;
}

int main(int argc, char **argv)
{
    unsigned n_passed = 0, n_failed = 0, n_skipped = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (test_case *t = cases; t; t = t->next) {
        if (!chosen(t, argc, argv))
            continue;
        failed = false;
        skipped = NULL;
        t->run();
        if (failed)
            printf("FAIL %s\n", t->name), n_failed++;
        else if (skipped)
            printf("skip %s: %s\n", t->name, skipped), n_skipped++;
        else
            printf("ok   %s\n", t->name), n_passed++;
    }
    if (folder[0])
        nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    printf("%u passed, %u failed, %u skipped\n", n_passed, n_failed, n_skipped);
    return n_failed != 0;
}
