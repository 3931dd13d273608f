/* The kernel checker: `make check`, or build/release/check with options (--help). Every tier
 * against `ref` by bytes, `ref` against independent arithmetic, kernels/math.h by itself, and
 * deliberately wrong kernels that must be caught. Read check.h.
 */
#include "tests/check/check.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

const check_slot *const check_kernel_slots[] = {product_slots, row_slots, attention_slots, NULL};

typedef struct options {
    uint64_t seed;
    const char *kernel, *tier; /* glob, name; NULL: all */
    uint64_t repeat;
    bool help, list, hash, bench, csv, verbose;
} options;

typedef struct totals {
    unsigned passed, failed, skipped;
    uint64_t hash;
} totals;

static const char help[] =
    "usage: check [options]\n"
    "Tests every kernel: each tier against ref by bytes, ref against independent arithmetic,\n"
    "kernels/math.h by itself, and deliberately wrong kernels, which must be caught.\n"
    "Last line: N passed, N failed (a kernel of a tier, or a wrong kernel, counts as one).\n"
    "\n"
    "  --kernel GLOB   only kernels so called, as 'matmul_*'; 'mutants': the wrong ones\n"
    "  --tier NAME     only this tier (also math: kernels/math.h, blas); no mutants\n"
    "  --seed N        inputs of another run, decimal or 0x...; default 1\n"
    "  --repeat N      that many runs, seeds ascending\n"
    "  --hash          print a hash of all results, to compare builds and machines\n"
    "  --verbose       a line for each mutant: what caught it\n"
    "  --list          print tiers and kernels, test nothing\n"
    "  --bench [GLOB]  time the kernels, check nothing; with --tier, only that one\n"
    "  --csv           with --bench: as comma-separated values\n"
    "  --help          this text\n"
    "\n"
    "Exit code: 0 all passed, 1 a failure or nothing chosen, 2 wrong options.\n";

bool check_tier(size_t i, mote_kernels *table, bool *usable)
{
    unsigned features, here = mote_cpu_features();
    const char *name = mote_tier_name(i);
    if (!name || !mote_tier_features(name, &features))
        return false;
    *usable = (features & here) == features;
    mote_kernels_init(table, features);
    return true;
}

static bool chosen(const options *o, const char *tier, const char *name)
{
    return (!o->tier || strcmp(o->tier, tier) == 0) &&
           (!o->kernel || fnmatch(o->kernel, name, 0) == 0);
}

/* Runs one slot and prints its line. */
static void test_slot(check *c, const options *o, totals *sum, const char *tier,
                      const check_slot *slot, const mote_kernels *under, const mote_kernels *ref)
{
    uint64_t hash = 0xcbf29ce484222325u;
    size_t n = check_run(c, slot, under, ref, o->hash ? &hash : NULL);
    if (c->failed) {
        printf("FAIL %s %s: case %zu, seed 0x%llx: %s\n", tier, slot->name, n,
               (unsigned long long)c->seed, c->failure);
        sum->failed++;
        return;
    }
    printf("ok   %s %s", tier, slot->name);
    if (under)
        printf(": %zu cases", n);
    if (c->share > 0.0)
        printf("%s %.2f of the bound", under ? "," : ":", c->share);
    if (o->hash && under)
        printf(", hash %016llx", (unsigned long long)hash);
    printf("\n");
    sum->hash = (sum->hash ^ hash) * 0x100000001b3u;
    sum->passed++;
}

/* Has a tier below the i-th the same function? Then it was tested there. */
static bool seen_below(size_t i, const mote_kernels *table, const check_slot *slot)
{
    mote_kernels below;
    bool usable;
    for (size_t j = 0; j < i && check_tier(j, &below, &usable); j++)
        if (usable && check_function(&below, slot) == check_function(table, slot))
            return true;
    return false;
}

static void test_tier(check *c, const options *o, totals *sum, size_t i, const mote_kernels *ref)
{
    mote_kernels table;
    bool usable;
    check_tier(i, &table, &usable);
    for (size_t l = 0; check_kernel_slots[l]; l++)
        for (const check_slot *s = check_kernel_slots[l]; s->name; s++) {
            if (!chosen(o, mote_tier_name(i), s->name) || seen_below(i, &table, s))
                continue;
            if (o->list) {
                printf("%s %s\n", mote_tier_name(i), s->name);
            } else if (!usable) {
                printf("skip %s %s: this machine lacks it\n", mote_tier_name(i), s->name);
                sum->skipped++;
            } else {
                test_slot(c, o, sum, mote_tier_name(i), s, &table, i ? ref : NULL);
            }
        }
}

/* Slots that are compared with the oracle only: math.h (no table), BLAS. */
static void test_apart(check *c, const options *o, totals *sum, const char *tier,
                       const check_slot *slots, const mote_kernels *table)
{
    for (const check_slot *s = slots; s->name; s++) {
        if (!chosen(o, tier, s->name))
            continue;
        if (o->list)
            printf("%s %s\n", tier, s->name);
        else
            test_slot(c, o, sum, tier, s, table, NULL);
    }
}

static void test_all(check *c, const options *o, totals *sum)
{
    mote_kernels ref, blas;
    bool usable;
    check_tier(0, &ref, &usable);
    test_apart(c, o, sum, "math", math_slots, NULL);
    for (size_t i = 0; mote_tier_name(i); i++)
        test_tier(c, o, sum, i, &ref);
    uint64_t hash = sum->hash; /* BLAS promises no bits */
    mote_kernels_init(&blas, mote_cpu_features());
    if (mote_kernels_blas(&blas))
        test_apart(c, o, sum, "blas", blas_slots, &blas);
    sum->hash = hash;
    if (o->list || o->tier || (o->kernel && fnmatch(o->kernel, "mutants", 0) != 0))
        return;
    check_mutants(c, o->verbose, &sum->passed, &sum->failed);
}

/* Switches without a value; false: none of them. */
static bool parse_switch(options *o, const char *a)
{
    const struct {
        const char *name;
        bool *on;
    } switches[] = {{"--list", &o->list}, {"--hash", &o->hash},       {"--bench", &o->bench},
                    {"--csv", &o->csv},   {"--verbose", &o->verbose}, {"--help", &o->help}};
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (strcmp(a, switches[i].name) == 0)
            return *switches[i].on = true;
    return false;
}

static bool parse_number(const char *text, uint64_t least, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 0);
    return isdigit((unsigned char)*text) && !*end && !errno && *value >= least;
}

static bool parse(options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool good = value != NULL;
        if (parse_switch(o, a)) {
            if (strcmp(a, "--bench") == 0 && value && *value != '-')
                o->kernel = argv[++i];
            continue;
        }
        i++;
        if (strcmp(a, "--kernel") == 0)
            o->kernel = value;
        else if (strcmp(a, "--tier") == 0)
            o->tier = value;
        else if (strcmp(a, "--seed") == 0)
            good = good && parse_number(value, 0, &o->seed);
        else if (strcmp(a, "--repeat") == 0)
            good = good && parse_number(value, 1, &o->repeat);
        else
            good = false;
        if (!good) {
            fprintf(stderr, "check: unknown option or wrong value: %s (--help lists them)\n", a);
            return false;
        }
    }
    return true;
}

/* All runs; false: something failed, or nothing was chosen. */
static bool test_runs(check *c, const options *o)
{
    totals sum = {0};
    for (uint64_t r = 0; r < o->repeat; r++, c->seed++) {
        printf("seed 0x%llx\n", (unsigned long long)c->seed);
        test_all(c, o, &sum);
    }
    if (o->hash)
        printf("hash %016llx\n", (unsigned long long)sum.hash);
    if (!(sum.passed + sum.failed + sum.skipped))
        fputs("check: no such kernel or tier (--list shows them)\n", stderr);
    if (sum.skipped)
        printf("%u skipped: this machine lacks the tier\n", sum.skipped);
    printf("%u passed, %u failed\n", sum.passed, sum.failed);
    return !sum.failed && sum.passed + sum.skipped;
}

int main(int argc, char **argv)
{
    static check c;
    options o = {.seed = 1, .repeat = 1};
    totals none = {0};
    if (!parse(&o, argc, argv))
        return 2;
    if (o.help) {
        fputs(help, stdout);
        return 0;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    check_open(&c, o.seed);
    if (o.bench)
        check_bench(&c, o.kernel, o.tier, o.csv);
    else if (o.list)
        test_all(&c, &o, &none);
    else
        return !test_runs(&c, &o);
    return 0;
}
