/* bench.c: check --bench. The slots of the checker at the sizes of their tables, one tier after the
 * other, with the rate and the ratio to `ref`. It prints; it never judges.
 */
#include "tests/check/check.h"

#include <fnmatch.h>
#include <stdio.h>

static void print_row(const check *c, const char *tier, double median, double minimum, double ref,
                      bool csv)
{
    double bytes = c->bytes / median * 1e-9, macs = c->macs / median * 1e-9;
    double ratio = ref > 0.0 ? ref / median : 0.0;
    if (csv)
        printf("%s,%s,%s,%.0f,%.0f,%.3f,%.3f,%.2f\n", c->slot->name, tier, c->shape->what,
               median * 1e9, minimum * 1e9, bytes, macs, ratio);
    else
        printf("%-16s %-10s %-14s %12.2f %12.2f %8.2f %8.2f %7.1f\n", c->slot->name, tier,
               c->shape->what, median * 1e6, minimum * 1e6, bytes, macs, ratio);
}

/* All tiers with a function of their own for this slot. */
static void time_slot(check *c, const check_slot *slot, const char *tier, bool csv)
{
    for (c->shape = slot->shapes; c->shape && c->shape->k; c->shape++) {
        double ref = 0.0, median, minimum;
        mote_kernels table;
        void *last = NULL;
        bool usable;
        for (size_t i = 0; check_tier(i, &table, &usable); i++) {
            void *own = check_function(&table, slot);
            if (!usable || own == last || (tier && strcmp(tier, mote_tier_name(i)) != 0))
                continue;
            last = own;
            check_time(c, slot, &table, &median, &minimum);
            if (i == 0)
                ref = median;
            print_row(c, mote_tier_name(i), median, minimum, ref, csv);
        }
    }
}

static void time_blas(check *c, const char *glob, bool csv)
{
    mote_kernels table;
    double median, minimum;
    mote_kernels_init(&table, mote_cpu_features());
    if (!mote_kernels_blas(&table))
        return;
    for (const check_slot *s = blas_slots; s->name; s++)
        for (c->shape = s->shapes; c->shape->k; c->shape++)
            if (!glob || fnmatch(glob, s->name, 0) == 0) {
                check_time(c, s, &table, &median, &minimum);
                print_row(c, "blas", median, minimum, 0.0, csv);
            }
}

void check_bench(check *c, const char *glob, const char *tier, bool csv)
{
    if (csv)
        printf("kernel,tier,shape,median_ns,minimum_ns,gb_per_s,gmac_per_s,times_ref\n");
    else
        printf("%-16s %-10s %-14s %12s %12s %8s %8s %7s\n", "kernel", "tier", "shape", "median us",
               "minimum us", "GB/s", "Gmac/s", "x ref");
    for (size_t l = 0; check_kernel_slots[l]; l++)
        for (const check_slot *s = check_kernel_slots[l]; s->name; s++)
            if (!glob || fnmatch(glob, s->name, 0) == 0)
                time_slot(c, s, tier, csv);
    if (!tier || strcmp(tier, "blas") == 0)
        time_blas(c, glob, csv);
}
