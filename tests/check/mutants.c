/* mutants.c: the checker's checker. Deliberately wrong kernels, each put into a table of `ref`
 * kernels and run over the very cases that kernels are checked with: once as a tier against `ref`,
 * once as `ref` against the oracle. Every fault is one that a kernel has had somewhere, or nearly.
 */
#include "tests/check/mutants.h"
#include "tests/check/check.h"

#include <stdio.h>

/* Cases for the kernels without a fault: these run to the end and are slow. */
enum { RIGHT_CASES = 147 };

static const mutant *const families[] = {product_mutants, row_mutants, attention_mutants, NULL};

static const char *const causes[CAUSES] = {"nothing",        "bytes",         "value",
                                           "written beside", "input changed", "crash"};

static const check_slot *find_slot(const char *name)
{
    for (size_t l = 0; check_kernel_slots[l]; l++)
        for (const check_slot *s = check_kernel_slots[l]; s->name; s++)
            if (strcmp(s->name, name) == 0)
                return s;
    return NULL;
}

typedef struct verdict {
    check_cause tier, ref; /* what caught it in each role */
    size_t tier_case, ref_case;
    bool good;
    char text[256]; /* of the failure */
} verdict;

static verdict judge(check *c, const mutant *m, const mote_kernels *ref)
{
    const check_slot *slot = find_slot(m->slot);
    mote_kernels table = *ref;
    verdict v = {0};
    if (!slot)
        return v;
    memcpy((char *)&table + slot->offset, &m->function, sizeof m->function);
    c->most = m->kind == RIGHT ? RIGHT_CASES : 0;
    v.tier_case = check_run(c, slot, &table, ref, NULL);
    v.tier = c->cause;
    c->most = 0;
    snprintf(v.text, sizeof v.text, "%s", c->failed ? c->failure : "not caught");
    if (m->kind == RIGHT) { /* the same bits as `ref`, which the oracle judges in its own line */
        v.good = v.tier == CAUSE_NONE;
        return v;
    }
    v.ref_case = check_run(c, slot, &table, NULL, NULL);
    v.ref = c->cause;
    v.good = v.tier && (v.ref || m->kind == CLOSE);
    return v;
}

static void print_verdict(const mutant *m, const verdict *v, bool verbose)
{
    if (!v->good)
        printf("FAIL mutant %s: %s: as a tier: %s%s\n", m->slot, m->fault, v->text,
               m->kind == WRONG && v->tier ? "; as ref: not caught" : "");
    else if (verbose && m->kind == RIGHT)
        printf("ok   mutant %s: %s: not caught\n", m->slot, m->fault);
    else if (verbose)
        printf("ok   mutant %s: %s: as a tier by %s in case %zu, as ref by %s in case %zu\n",
               m->slot, m->fault, causes[v->tier], v->tier_case, causes[v->ref], v->ref_case);
}

void check_mutants(check *c, bool verbose, unsigned *passed, unsigned *failed)
{
    mote_kernels ref;
    unsigned right = 0, caught[CAUSES] = {0}, judged[CAUSES] = {0}, n = 0, bad = 0;
    mote_kernels_init(&ref, 0);
    for (size_t l = 0; families[l]; l++)
        for (const mutant *m = families[l]; m->slot; m++) {
            verdict v = judge(c, m, &ref);
            print_verdict(m, &v, verbose);
            *(v.good ? passed : failed) += 1;
            bad += !v.good;
            right += m->kind == RIGHT;
            n += m->kind != RIGHT;
            caught[v.tier] += m->kind != RIGHT;
            judged[v.ref] += m->kind != RIGHT;
        }
    printf("%s mutants: %u wrong kernels and %u right ones, %u misjudged\n", bad ? "FAIL" : "ok  ",
           n, right, bad);
    for (int role = 0; role < 2; role++) {
        printf("     as %s, caught by:", role ? "ref" : "a tier");
        for (size_t i = 0; i < CAUSES; i++)
            if ((role ? judged : caught)[i])
                printf(" %s %u", causes[i], (role ? judged : caught)[i]);
        printf("\n");
    }
}
