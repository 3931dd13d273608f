/* bench.c: check --bench. What one thread of this machine can do at best (bench/probe.h), then the
 * slots of the checker, one tier after the other: at the sizes of their tables, and products also
 * with weights that lie in each cache and in memory. Rates and the ratio to `ref`. It prints; it
 * never judges.
 */
#include "tests/check/check.h"

#include <fnmatch.h>
#include <stdio.h>

#include "bench/probe.h"

typedef struct bench {
    check *c;
    const char *glob, *tier; /* NULL: all */
    bool csv;
    size_t caches[3]; /* bytes, 0: none */
    check_shape levels[8];
    bool is_slow[8]; /* minutes for ref */
} bench;

static bool chosen(const bench *b, const char *tier, const char *name)
{
    return (!b->tier || strcmp(b->tier, tier) == 0) && (!b->glob || fnmatch(b->glob, name, 0) == 0);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Where that many bytes lie when they are used again and again. */
static const char *level_of(const bench *b, double bytes)
{
    static const char *const names[] = {"L1", "L2", "L3"};
    for (size_t i = 0; i < 3; i++)
        if (bytes <= (double)b->caches[i])
            return names[i];
    return "memory";
}

/* An operation of a product is a multiplication or an addition, of the others a whole element. */
static double operations(const check *c)
{
    bool is_product = fnmatch("matmul_*", c->slot->name, 0) == 0 ||
                      fnmatch("blas_*", c->slot->name, 0) == 0 ||
                      fnmatch("values_*", c->slot->name, 0) == 0;
    return is_product ? 2.0 * c->macs : c->macs;
}

static void print_row(const bench *b, const char *tier, double median, double minimum, double ref)
{
    const check *c = b->c;
    double bytes = c->bytes / median * 1e-9, ops = operations(c) / median * 1e-9;
    double ratio = ref > 0.0 ? ref / median : 0.0;
    const char *level = level_of(b, c->bytes);
    if (b->csv)
        printf("%s,%s,%s,%s,%.0f,%.0f,%.3f,%.3f,%.2f\n", c->slot->name, tier, c->shape->what, level,
               median * 1e9, minimum * 1e9, bytes, ops, ratio);
    else
        printf("%-16s %-10s %-14s %-6s %12.2f %12.2f %8.2f %8.2f %7.1f\n", c->slot->name, tier,
               c->shape->what, level, median * 1e6, minimum * 1e6, bytes, ops, ratio);
}

static void print_head(const bench *b)
{
    if (b->csv)
        printf("kernel,tier,shape,level,median_ns,minimum_ns,gb_per_s,gop_per_s,times_ref\n");
    else
        printf("%-16s %-10s %-14s %-6s %12s %12s %8s %8s %7s\n", "kernel", "tier", "shape", "level",
               "median us", "minimum us", "GB/s", "Gop/s", "x ref");
}

/* A rate without times. */
static void print_peak(const bench *b, const char *name, const char *tier, const char *where,
                       double gb, double gop)
{
    if (!(gb > 0.0 || gop > 0.0) || !chosen(b, tier, name))
        return;
    if (b->csv)
        printf("%s,%s,%s,%s,,,%.3f,%.3f,\n", name, tier, where, where, gb, gop);
    else
        printf("%-16s %-10s %-14s %-6s %12s %12s %8.2f %8.2f\n", name, tier, "", where, "", "", gb,
               gop);
}

/* ---- peaks ----------------------------------------------------------------------------------- */

static bool wants_peaks(const bench *b, const char *tier)
{
    return chosen(b, tier, "probe_read") || chosen(b, tier, "probe_int") ||
           chosen(b, tier, "probe_float") || chosen(b, tier, "probe_sgemm");
}

static void measure_peaks(const bench *b)
{
    mote_kernels table;
    probe_peaks peaks;
    bool usable;
    for (size_t i = 0; check_tier(i, &table, &usable); i++) {
        const char *tier = mote_tier_name(i);
        if (!usable || !wants_peaks(b, tier) || !probe_machine(&peaks, tier, NULL))
            continue;
        print_peak(b, "probe_read", tier, "memory", peaks.read_bytes * 1e-9, 0.0);
        print_peak(b, "probe_int", tier, "", 0.0, peaks.int_ops * 1e-9);
        print_peak(b, "probe_float", tier, "", 0.0, peaks.float_ops * 1e-9);
        print_peak(b, "probe_sgemm", tier, "", 0.0, peaks.sgemm_ops * 1e-9);
    }
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* All tiers with a function of their own for this slot, at b->c->shape. */
static void time_tiers(bench *b, const check_slot *slot, bool is_slow)
{
    double ref = 0.0, median, minimum;
    mote_kernels table;
    void *last = NULL;
    bool usable;
    for (size_t i = 0; check_tier(i, &table, &usable); i++) {
        void *own = check_function(&table, slot);
        if (!usable || own == last || (is_slow && i == 0) ||
            (b->tier && strcmp(b->tier, mote_tier_name(i)) != 0))
            continue;
        last = own;
        check_time(b->c, slot, &table, &median, &minimum);
        if (i == 0)
            ref = median;
        print_row(b, mote_tier_name(i), median, minimum, ref);
    }
}

/* Bytes that 16 rows of 576 columns of a type have. */
static size_t tile_bytes(int type)
{
    enum mote_type t = (enum mote_type)type;
    return mote_tile_bytes(t, t == MOTE_Q8 ? 64 : 32, 576);
}

/* Matrices [rows, 576] that fill half of each cache, and one four times the last cache; with one
 * token, and with a batch where that ends soon enough. */
static void make_levels(bench *b, int type)
{
    static const char *const names[] = {"L1", "L2", "L3"}, *const batches[] = {"", "L2 x96",
                                                                               "L3 x96"};
    size_t n = 0, last = (size_t)16 << 20;
    memset(b->levels, 0, sizeof b->levels);
    memset(b->is_slow, 0, sizeof b->is_slow);
    for (size_t i = 0; i < 3; i++) {
        if (!b->caches[i])
            continue;
        size_t rows = b->caches[i] / 2 / tile_bytes(type) * 16;
        last = b->caches[i];
        rows = rows ? rows : 16;
        b->levels[n++] = (check_shape){names[i], rows, 576, 1};
        if (i > 0) {
            b->is_slow[n] = i == 2;
            b->levels[n++] = (check_shape){batches[i], rows, 576, 96};
        }
    }
    last = last > (size_t)64 << 20 ? (size_t)64 << 20 : last; /* the checker has room for 1 GB */
    b->levels[n] = (check_shape){"memory", 4 * last / tile_bytes(type) * 16, 576, 1};
}

static void time_slot(bench *b, const check_slot *slot)
{
    for (const check_shape *s = slot->shapes; s && s->k; s++) {
        b->c->shape = s;
        time_tiers(b, slot, false);
    }
    if (fnmatch("matmul_*", slot->name, 0) != 0)
        return;
    make_levels(b, slot->arg);
    for (size_t i = 0; b->levels[i].k; i++) {
        b->c->shape = &b->levels[i];
        time_tiers(b, slot, b->is_slow[i]);
    }
}

static void time_blas(bench *b)
{
    mote_kernels table;
    double median, minimum;
    mote_kernels_init(&table, mote_cpu_features());
    if (!mote_kernels_blas(&table))
        return;
    for (const check_slot *s = blas_slots; s->name; s++)
        for (b->c->shape = s->shapes; b->c->shape->k && chosen(b, "blas", s->name); b->c->shape++) {
            check_time(b->c, s, &table, &median, &minimum);
            print_row(b, "blas", median, minimum, 0.0);
        }
}

void check_bench(check *c, const char *glob, const char *tier, bool csv)
{
    bench b = {.c = c, .glob = glob, .tier = tier, .csv = csv};
    for (unsigned i = 0; i < 3; i++)
        b.caches[i] = probe_cache_bytes(i + 1);
    print_head(&b);
    measure_peaks(&b);
    for (size_t l = 0; check_kernel_slots[l]; l++)
        for (const check_slot *s = check_kernel_slots[l]; s->name; s++)
            if (!glob || fnmatch(glob, s->name, 0) == 0)
                time_slot(&b, s);
    time_blas(&b);
}
