/* tok_unicode.c: character data for the tables, from utf8proc. Read tok_draft.h first. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "tools/convert/tok_draft.h"

#define N_CHARS 0x110000
#define L_BASE 0x1100
#define S_BASE 0xac00
#define S_END (S_BASE + 11172)

uint32_t unicode_version(void)
{
    uint32_t version = 0;
    for (const char *p = utf8proc_unicode_version(); *p; p++)
        version = *p == '.' ? version << 8
                            : (version & ~0xffu) | ((version & 0xff) * 10 + (uint32_t)(*p - '0'));
    return version;
}

/* What has become punctuation, a mark or a format character since Unicode 8, whose data the
 * library's pre-tokenizers and BERT's normaliser go by. */
typedef struct range {
    int32_t first, last;
} range;
static const range new_punctuation[] = {
    {0x61d, 0x61d},     {0x9fd, 0x9fd},     {0xa76, 0xa76},     {0xc77, 0xc77},
    {0xc84, 0xc84},     {0x1b7d, 0x1b7e},   {0x2e43, 0x2e4f},   {0x2e52, 0x2e5d},
    {0x10ead, 0x10ead}, {0x10f55, 0x10f59}, {0x10f86, 0x10f89}, {0x1144b, 0x1144f},
    {0x1145a, 0x1145b}, {0x1145d, 0x1145d}, {0x11660, 0x1166c}, {0x116b9, 0x116b9},
    {0x1183b, 0x1183b}, {0x11944, 0x11946}, {0x119e2, 0x119e2}, {0x11a3f, 0x11a46},
    {0x11a9a, 0x11a9c}, {0x11a9e, 0x11aa2}, {0x11b00, 0x11b09}, {0x11c41, 0x11c45},
    {0x11c70, 0x11c71}, {0x11ef7, 0x11ef8}, {0x11f43, 0x11f4f}, {0x11fff, 0x11fff},
    {0x12ff1, 0x12ff2}, {0x16e97, 0x16e9a}, {0x16fe2, 0x16fe2}, {0x1e95e, 0x1e95f}};
static const range new_marks[] = {
    {0x7fd, 0x7fd},     {0x898, 0x89f},     {0x8ca, 0x8e1},     {0x9fe, 0x9fe},
    {0xafa, 0xaff},     {0xb55, 0xb55},     {0xc04, 0xc04},     {0xc3c, 0xc3c},
    {0xd00, 0xd00},     {0xd3b, 0xd3c},     {0xd81, 0xd81},     {0xeba, 0xeba},
    {0xece, 0xece},     {0x180f, 0x180f},   {0x1885, 0x1886},   {0x1abf, 0x1ace},
    {0x1df6, 0x1dfb},   {0xa82c, 0xa82c},   {0xa8c5, 0xa8c5},   {0xa8ff, 0xa8ff},
    {0xa9bd, 0xa9bd},   {0x10d24, 0x10d27}, {0x10eab, 0x10eac}, {0x10efd, 0x10eff},
    {0x10f46, 0x10f50}, {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x11073, 0x11074},
    {0x110c2, 0x110c2}, {0x111c9, 0x111c9}, {0x111cf, 0x111cf}, {0x1123e, 0x1123e},
    {0x11241, 0x11241}, {0x1133b, 0x1133b}, {0x11438, 0x1143f}, {0x11442, 0x11444},
    {0x11446, 0x11446}, {0x1145e, 0x1145e}, {0x1182f, 0x11837}, {0x11839, 0x1183a},
    {0x1193b, 0x1193c}, {0x1193e, 0x1193e}, {0x11943, 0x11943}, {0x119d4, 0x119d7},
    {0x119da, 0x119db}, {0x119e0, 0x119e0}, {0x11a01, 0x11a0a}, {0x11a33, 0x11a38},
    {0x11a3b, 0x11a3e}, {0x11a47, 0x11a47}, {0x11a51, 0x11a56}, {0x11a59, 0x11a5b},
    {0x11a8a, 0x11a96}, {0x11a98, 0x11a99}, {0x11c30, 0x11c36}, {0x11c38, 0x11c3d},
    {0x11c3f, 0x11c3f}, {0x11c92, 0x11ca7}, {0x11caa, 0x11cb0}, {0x11cb2, 0x11cb3},
    {0x11cb5, 0x11cb6}, {0x11d31, 0x11d36}, {0x11d3a, 0x11d3a}, {0x11d3c, 0x11d3d},
    {0x11d3f, 0x11d45}, {0x11d47, 0x11d47}, {0x11d90, 0x11d91}, {0x11d95, 0x11d95},
    {0x11d97, 0x11d97}, {0x11ef3, 0x11ef4}, {0x11f00, 0x11f01}, {0x11f36, 0x11f3a},
    {0x11f40, 0x11f40}, {0x11f42, 0x11f42}, {0x13440, 0x13440}, {0x13447, 0x13455},
    {0x16f4f, 0x16f4f}, {0x16fe4, 0x16fe4}, {0x1cf00, 0x1cf2d}, {0x1cf30, 0x1cf46},
    {0x1e000, 0x1e006}, {0x1e008, 0x1e018}, {0x1e01b, 0x1e021}, {0x1e023, 0x1e024},
    {0x1e026, 0x1e02a}, {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae},
    {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef}, {0x1e944, 0x1e94a}};
static const range new_formats[] = {
    {0x890, 0x891}, {0x8e2, 0x8e2}, {0x110cd, 0x110cd}, {0x13430, 0x1343f}};
enum {
    N_NEW_PUNCTUATION = sizeof new_punctuation / sizeof *new_punctuation,
    N_NEW_MARKS = sizeof new_marks / sizeof *new_marks,
    N_NEW_FORMATS = sizeof new_formats / sizeof *new_formats
};

static bool in_ranges(const range *list, size_t n, utf8proc_int32_t cp)
{
    bool in = false;
    for (size_t i = 0; i < n; i++)
        in |= cp >= list[i].first && cp <= list[i].last;
    return in;
}

static enum tok_class class_of(utf8proc_int32_t cp)
{
    switch (utf8proc_category(cp)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT: return TOK_UPPER;
    case UTF8PROC_CATEGORY_LL: return TOK_LOWER;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return TOK_LETTER;
    case UTF8PROC_CATEGORY_MN:
        return in_ranges(new_marks, N_NEW_MARKS, cp) ? TOK_MARK_NEW : TOK_MARK;
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return TOK_MARK_SPACING;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL: return TOK_DIGIT;
    case UTF8PROC_CATEGORY_NO: return TOK_NUMBER;
    case UTF8PROC_CATEGORY_PC: return TOK_CONNECTOR;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return in_ranges(new_punctuation, N_NEW_PUNCTUATION, cp) ? TOK_PUNCT_NEW : TOK_PUNCT;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO: return TOK_SYMBOL;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return TOK_SPACE;
    case UTF8PROC_CATEGORY_CN: return TOK_UNASSIGNED;
    case UTF8PROC_CATEGORY_CF:
        return in_ranges(new_formats, N_NEW_FORMATS, cp) ? TOK_UNASSIGNED : TOK_OTHER;
    default: /* of the control characters, these are White_Space */
        return (cp >= 9 && cp <= 13) || cp == 0x85 ? TOK_SPACE : TOK_OTHER;
    }
}

/* Two stages: equal blocks are stored once. Grows *table, which begins with block numbers at
 * `base`. */
static void add_block(uint8_t *table, size_t base, size_t i, const uint8_t *block, size_t bytes,
                      size_t *n_blocks)
{
    uint8_t *blocks = table + base + TOK_CLASS_BLOCKS;
    size_t same = 0;
    while (same < *n_blocks && memcmp(blocks + same * bytes, block, bytes) != 0)
        same++;
    if (same == *n_blocks)
        memcpy(blocks + (*n_blocks)++ * bytes, block, bytes);
    table[base + i] = (uint8_t)same;
}

uint8_t *unicode_classes(size_t *bytes)
{
    uint8_t *table = calloc(1, TOK_CLASS_BLOCKS + 256 * TOK_CLASS_BLOCK_BYTES);
    size_t n_blocks = 0;
    for (size_t i = 0; table && i < TOK_CLASS_BLOCKS; i++) {
        uint8_t block[TOK_CLASS_BLOCK_BYTES];
        for (size_t j = 0; j < sizeof block; j++) {
            utf8proc_int32_t cp = (utf8proc_int32_t)(i * 256 + 2 * j);
            block[j] = (uint8_t)(class_of(cp) | class_of(cp + 1) << 4);
        }
        add_block(table, 0, i, block, sizeof block, &n_blocks);
    }
    *bytes = TOK_CLASS_BLOCKS + n_blocks * TOK_CLASS_BLOCK_BYTES;
    return table;
}

/* ---- grapheme boundaries and lower case ----------------------------------------------------- */

static enum tok_bound bound_of(utf8proc_int32_t cp)
{
    switch (utf8proc_get_property(cp)->boundclass) {
    case UTF8PROC_BOUNDCLASS_CR: return TOK_BOUND_CR;
    case UTF8PROC_BOUNDCLASS_LF: return TOK_BOUND_LF;
    case UTF8PROC_BOUNDCLASS_CONTROL: return TOK_BOUND_CONTROL;
    case UTF8PROC_BOUNDCLASS_EXTEND:
    case UTF8PROC_BOUNDCLASS_E_MODIFIER: return TOK_BOUND_EXTEND;
    case UTF8PROC_BOUNDCLASS_L: return TOK_BOUND_L;
    case UTF8PROC_BOUNDCLASS_V: return TOK_BOUND_V;
    case UTF8PROC_BOUNDCLASS_T: return TOK_BOUND_T;
    case UTF8PROC_BOUNDCLASS_LV: return TOK_BOUND_LV;
    case UTF8PROC_BOUNDCLASS_LVT: return TOK_BOUND_LVT;
    case UTF8PROC_BOUNDCLASS_REGIONAL_INDICATOR: return TOK_BOUND_REGIONAL;
    case UTF8PROC_BOUNDCLASS_SPACINGMARK: return TOK_BOUND_SPACING;
    case UTF8PROC_BOUNDCLASS_PREPEND: return TOK_BOUND_PREPEND;
    case UTF8PROC_BOUNDCLASS_ZWJ: return TOK_BOUND_ZWJ;
    case UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC: return TOK_BOUND_PICTURE;
    default: return TOK_BOUND_OTHER;
    }
}

uint8_t *unicode_bounds(size_t *bytes)
{
    uint8_t *table = calloc(1, TOK_CLASS_BLOCKS + 256 * TOK_CLASS_BLOCK_BYTES);
    size_t n_blocks = 0;
    for (size_t i = 0; table && i < TOK_CLASS_BLOCKS; i++) {
        uint8_t block[TOK_CLASS_BLOCK_BYTES];
        for (size_t j = 0; j < sizeof block; j++) {
            utf8proc_int32_t cp = (utf8proc_int32_t)(i * 256 + 2 * j);
            block[j] = (uint8_t)(bound_of(cp) | bound_of(cp + 1) << 4);
        }
        add_block(table, 0, i, block, sizeof block, &n_blocks);
    }
    *bytes = TOK_CLASS_BLOCKS + n_blocks * TOK_CLASS_BLOCK_BYTES;
    return table;
}

uint8_t *unicode_lower(size_t *bytes)
{
    enum { MOST_PAIRS = 4096 };
    tok_pair *pairs = calloc(MOST_PAIRS, sizeof *pairs);
    size_t n = 0;
    for (utf8proc_int32_t cp = 0; pairs && cp < N_CHARS && n < MOST_PAIRS; cp++) {
        utf8proc_int32_t to = utf8proc_tolower(cp);
        if (to != cp)
            pairs[n++] = (tok_pair){(uint32_t)cp, (uint32_t)to};
    }
    *bytes = n * sizeof *pairs;
    return (uint8_t *)pairs;
}

/* ---- canonical composition
 * ---------------------------------------------------------------------- */

#define MOST_TEXT 18 /* characters of a full decomposition */

typedef struct nfc_data {
    unsigned form; /* TOK_NORM_* */
    tok_nfc_header h;
    tok_decomposition *decompositions; /* [N_CHARS / 256] is plenty: there are some 2,000 */
    uint32_t *texts;
    tok_composition *compositions;
    bool *second; /* [N_CHARS]: composes with a starter before it */
} nfc_data;

enum { MOST_DECOMPOSITIONS = 8192, MOST_TEXTS = 65535 };

/* Full canonical decomposition of a character; 1 if it has none. */
static size_t decompose(utf8proc_int32_t cp, utf8proc_int32_t text[MOST_TEXT], unsigned form)
{
    unsigned compat = form & TOK_NORM_COMPATIBLE ? UTF8PROC_COMPAT : 0;
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(
        cp, text, MOST_TEXT, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE | compat, &boundary);
    return n < 1 || n > MOST_TEXT ? 0 : (size_t)n;
}

/* Composes n characters in place; returns how many are left. */
static size_t compose(utf8proc_int32_t *text, size_t n)
{
    utf8proc_ssize_t left =
        utf8proc_normalize_utf32(text, (utf8proc_ssize_t)n, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    return left < 0 ? 0 : (size_t)left;
}

static bool is_surrogate(utf8proc_int32_t cp) { return cp >= 0xd800 && cp < 0xe000; }

/* Does composing leave this character, alone, as it is? */
static bool is_stable(const utf8proc_int32_t *text, size_t n, utf8proc_int32_t cp)
{
    utf8proc_int32_t copy[MOST_TEXT];
    memcpy(copy, text, n * sizeof *copy);
    return compose(copy, n) == 1 && copy[0] == cp;
}

static void add_decomposition(nfc_data *d, utf8proc_int32_t cp)
{
    utf8proc_int32_t text[MOST_TEXT], head[MOST_TEXT];
    size_t n = decompose(cp, text, d->form);
    if (n == 0 || (n == 1 && text[0] == cp) || d->h.n_decompositions == MOST_DECOMPOSITIONS ||
        d->h.n_texts + n > MOST_TEXTS)
        return;
    d->decompositions[d->h.n_decompositions++] =
        (tok_decomposition){(uint32_t)cp, (uint16_t)d->h.n_texts, (uint16_t)n};
    for (size_t i = 0; i < n; i++)
        d->texts[d->h.n_texts++] = (uint32_t)text[i];
    n = decompose(cp, text, 0);
    if (n <= 1 || !is_stable(text, n, cp))
        return;
    memcpy(head, text, sizeof head); /* a composite of the head and the last */
    if (compose(head, n - 1) != 1)
        return;
    d->compositions[d->h.n_compositions++] =
        (tok_composition){(uint32_t)head[0], (uint32_t)text[n - 1], (uint32_t)cp};
    d->second[text[n - 1]] = true;
}

static int compare_compositions(const void *a, const void *b)
{
    const tok_composition *x = a, *y = b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x->second < y->second ? -1 : x->second > y->second;
}

/* What tok_nfc_acts reads: the combining class; TOK_NFC_CHECK for starters that change or
 * compose. */
static uint8_t act_of(const nfc_data *d, utf8proc_int32_t cp)
{
    utf8proc_int32_t text[MOST_TEXT];
    if (is_surrogate(cp))
        return 0;
    if (cp >= S_BASE && cp < S_END)
        return d->form & TOK_NORM_DECOMPOSE ? TOK_NFC_CHECK : 0;
    int class = utf8proc_get_property(cp)->combining_class;
    if (class)
        return (uint8_t) class;
    bool jamo = (cp >= 0x1161 && cp <= 0x1175) || (cp >= 0x11a8 && cp <= 0x11c2);
    size_t n = decompose(cp, text, d->form);
    if (d->form & TOK_NORM_DECOMPOSE)
        return n > 0 && (n > 1 || text[0] != cp) ? TOK_NFC_CHECK : 0;
    bool changes = n > 0 && !is_stable(text, n, cp);
    return changes || jamo || d->second[cp] ? TOK_NFC_CHECK : 0;
}

static uint8_t *write_nfc(nfc_data *d, size_t *bytes)
{
    size_t base = sizeof d->h, n_blocks = 0;
    size_t most = base + TOK_CLASS_BLOCKS + 256 * 256 +
                  d->h.n_decompositions * sizeof *d->decompositions +
                  d->h.n_texts * sizeof *d->texts + d->h.n_compositions * sizeof *d->compositions;
    uint8_t *table = calloc(1, most), block[256];
    if (!table)
        return NULL;
    for (size_t i = 0; i < TOK_CLASS_BLOCKS; i++) {
        for (size_t j = 0; j < 256; j++)
            block[j] = act_of(d, (utf8proc_int32_t)(i * 256 + j));
        add_block(table, base, i, block, sizeof block, &n_blocks);
    }
    d->h.n_blocks = (uint32_t)n_blocks;
    memcpy(table, &d->h, sizeof d->h);
    uint8_t *p = table + base + TOK_CLASS_BLOCKS + n_blocks * 256;
    memcpy(p, d->decompositions, d->h.n_decompositions * sizeof *d->decompositions);
    p += d->h.n_decompositions * sizeof *d->decompositions;
    memcpy(p, d->texts, d->h.n_texts * sizeof *d->texts);
    p += d->h.n_texts * sizeof *d->texts;
    memcpy(p, d->compositions, d->h.n_compositions * sizeof *d->compositions);
    *bytes = (size_t)(p - table) + d->h.n_compositions * sizeof *d->compositions;
    return table;
}

uint8_t *unicode_nfc(size_t *bytes, unsigned form)
{
    nfc_data d = {.form = form,
                  .decompositions = calloc(MOST_DECOMPOSITIONS, sizeof *d.decompositions),
                  .texts = calloc(MOST_TEXTS, sizeof *d.texts),
                  .compositions = calloc(MOST_DECOMPOSITIONS, sizeof *d.compositions),
                  .second = calloc(N_CHARS, sizeof *d.second)};
    uint8_t *table = NULL;
    if (d.decompositions && d.texts && d.compositions && d.second) {
        for (utf8proc_int32_t cp = 0; cp < N_CHARS; cp++)
            if (!is_surrogate(cp) && !(cp >= S_BASE && cp < S_END))
                add_decomposition(&d, cp);
        qsort(d.compositions, d.h.n_compositions, sizeof *d.compositions, compare_compositions);
        table = write_nfc(&d, bytes);
    }
    free(d.decompositions);
    free(d.texts);
    free(d.compositions);
    free(d.second);
    return table;
}

mote_text unicode_compose(mote_text text, unsigned form)
{
    unsigned how = form & TOK_NORM_DECOMPOSE ? UTF8PROC_DECOMPOSE : UTF8PROC_COMPOSE;
    how |= form & TOK_NORM_COMPATIBLE ? UTF8PROC_COMPAT : 0;
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text.ptr,
                                      (utf8proc_ssize_t)text.bytes, &out, how | UTF8PROC_STABLE);
    return (mote_text){(const char *)out, n < 0 ? 0 : (size_t)n};
}
