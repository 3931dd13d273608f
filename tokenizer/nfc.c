/* nfc.c: Unicode's normal forms (standard annex 15); which one, the table in the file decides. Text
 * is copied up to a character that composing could change; from the starter before it up to the
 * next character that certainly begins anew, characters are decomposed, put in order and composed.
 * Data: tables.h. */
#include <string.h>

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

enum { /* Hangul syllables are computed: S = ((L * 21) + V) * 28 + T */
       L_BASE = 0x1100,
       V_BASE = 0x1161,
       T_BASE = 0x11a7,
       S_BASE = 0xac00,
       N_L = 19,
       N_V = 21,
       N_T = 28,
       N_S = N_L * N_V * N_T
};

/* Combining class; 0 for starters. */
static unsigned combining(const mote_tokenizer *t, uint32_t cp)
{
    unsigned c =
        t->nfc_blocks[TOK_CLASS_BLOCKS + ((size_t)t->nfc_blocks[cp >> 8] << 8 | (cp & 0xff))];
    return c == TOK_NFC_CHECK ? 0 : c;
}

typedef struct run {
    uint32_t *cps; /* [cap] */
    size_t n, cap;
    bool full;
} run;

static void append(run *r, uint32_t cp)
{
    if (r->n < r->cap)
        r->cps[r->n++] = cp <= 0x10ffff ? cp : UTF8_REPLACEMENT;
    else
        r->full = true;
}

static void decompose(const mote_tokenizer *t, run *r, uint32_t cp)
{
    uint32_t low = 0, high = t->nfc->n_decompositions, s = cp - S_BASE;
    if (s < N_S) {
        append(r, L_BASE + s / (N_V * N_T));
        append(r, V_BASE + s % (N_V * N_T) / N_T);
        if (s % N_T)
            append(r, T_BASE + s % N_T);
        return;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->decompositions[middle].from < cp)
            low = middle + 1;
        else
            high = middle;
    }
    const tok_decomposition *d = &t->decompositions[low];
    if (low == t->nfc->n_decompositions || d->from != cp) {
        append(r, cp);
        return;
    }
    for (uint32_t i = d->at; i < (uint32_t)d->at + d->n && i < t->nfc->n_texts; i++)
        append(r, t->nfc_text[i]);
}

/* Puts marks [begin, end), all of class > 0, in the order of their classes, equal ones as they
 * stand: one counting pass over the classes, so that a long row of marks takes linear time. */
static void order_marks(const mote_tokenizer *t, uint32_t *cps, size_t begin, size_t end,
                        uint32_t *spare)
{
    size_t at[256] = {0};
    bool ordered = true;
    for (size_t i = begin + 1; i < end; i++)
        ordered = ordered && combining(t, cps[i - 1]) <= combining(t, cps[i]);
    if (ordered)
        return;
    for (size_t i = begin; i < end; i++)
        at[combining(t, cps[i])]++;
    for (size_t c = 0, sum = 0; c < 256; c++) {
        size_t n = at[c];
        at[c] = sum;
        sum += n;
    }
    for (size_t i = begin; i < end; i++)
        spare[at[combining(t, cps[i])]++] = cps[i];
    memcpy(cps + begin, spare, (end - begin) * sizeof *cps);
}

/* The composite of two characters, or 0. */
static uint32_t composite(const mote_tokenizer *t, uint32_t first, uint32_t second)
{
    uint32_t l = first - L_BASE, v = second - V_BASE, s = first - S_BASE, tail = second - T_BASE;
    if (l < N_L && v < N_V)
        return S_BASE + (l * N_V + v) * N_T;
    if (s < N_S && s % N_T == 0 && tail > 0 && tail < N_T)
        return first + tail;
    uint64_t key = (uint64_t)first << 32 | second;
    uint32_t low = 0, high = t->nfc->n_compositions;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const tok_composition *c = &t->compositions[middle];
        if (((uint64_t)c->first << 32 | c->second) < key)
            low = middle + 1;
        else
            high = middle;
    }
    const tok_composition *c = &t->compositions[low];
    return low < t->nfc->n_compositions && c->first == first && c->second == second &&
                   c->to <= 0x10ffff
               ? c->to
               : 0;
}

/* Composes in place; returns how many characters are left. */
static size_t compose(const mote_tokenizer *t, uint32_t *cps, size_t n)
{
    size_t out = 0, starter = SIZE_MAX;
    unsigned last = 0; /* class of the character before, behind the starter */
    for (size_t i = 0; i < n; i++) {
        unsigned c = combining(t, cps[i]);
        bool adjacent = starter != SIZE_MAX && starter + 1 == out;
        uint32_t to = 0;
        if (starter != SIZE_MAX && (adjacent || last < c)) /* nothing blocks it */
            to = composite(t, cps[starter], cps[i]);
        if (to) {
            cps[starter] = to;
            continue;
        }
        if (c == 0)
            starter = out;
        last = c;
        cps[out++] = cps[i];
    }
    return out;
}

static size_t compose_run(tok_encoder *e, const tok_step *step, const uint8_t *p, size_t n,
                          uint8_t *out)
{
    unsigned how = step ? step->param : 0;
    size_t room = (how & TOK_NORM_COMPATIBLE ? 12 : 3) * n;
    const mote_tokenizer *t = e->t;
    size_t half = e->scratch_bytes / (2 * sizeof(uint32_t)), written = 0;
    run r = {.cps = (void *)e->scratch, .cap = half};
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        at += utf8_next(p + at, &cp);
        decompose(t, &r, cp);
    }
    for (size_t i = 0, end; i < r.n; i = end) {
        for (end = i + 1; end < r.n && combining(t, r.cps[i]) && combining(t, r.cps[end]);)
            end++;
        order_marks(t, r.cps, i, end, r.cps + half);
    }
    e->full |= r.full;
    if (!(how & TOK_NORM_DECOMPOSE))
        r.n = compose(t, r.cps, r.n);
    for (size_t i = 0; i < r.n; i++) {
        uint8_t bytes[4];
        size_t length = utf8_write(bytes, r.cps[i]);
        if (length > room - written) /* damaged tables only */
            break;
        memcpy(out + written, bytes, length);
        written += length;
    }
    return written;
}

size_t mote_tok_compose(tok_encoder *e, const tok_step *step, const uint8_t *p, size_t n,
                        uint8_t *out)
{
    size_t from = 0, last = 0, written = 0; /* copied up to `from`; `last` character begins */
    for (size_t at = 0; at < n;) {
        uint32_t cp;
        size_t bytes = utf8_next(p + at, &cp);
        if (!tok_nfc_acts(e->t, cp)) {
            last = at;
            at += bytes;
            continue;
        }
        size_t end = at;
        do {
            end += bytes;
            bytes = end < n ? utf8_next(p + end, &cp) : 0;
        } while (bytes && tok_nfc_acts(e->t, cp));
        memcpy(out + written, p + from, last - from);
        written += last - from;
        written += compose_run(e, step, p + last, end - last, out + written);
        from = last = at = end;
    }
    memcpy(out + written, p + from, n - from);
    return written + n - from;
}
