/* tok_json_norm.c: normalisers of tokenizer.json -> steps. Read tok_json_steps.c first. */
#include <stdlib.h>
#include <string.h>

#include "tools/convert/tok_json.h"

mote_status draft_norm(tok_draft *d, enum tok_norm_kind kind, uint32_t param)
{
    if (d->h.n_norms == TOK_MAX_STEPS)
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED, "%s: more than %d normalizers", d->file,
                            TOK_MAX_STEPS);
    d->h.norms[d->h.n_norms++] = (tok_step){kind, param};
    return MOTE_OK;
}

/* A file has one table of decompositions. */
static bool has_other_form(const tok_draft *d, uint32_t form)
{
    bool other = false;
    for (uint32_t i = 0; i < d->h.n_norms; i++)
        other |= d->h.norms[i].kind == TOK_NORM_COMPOSE && d->h.norms[i].param != form;
    return other;
}

static mote_status add_form(tok_draft *d, const cJSON *part, uint32_t form)
{
    return has_other_form(d, form) ? tok_json_refuse(d, "a second normal form,", part)
                                   : draft_norm(d, TOK_NORM_COMPOSE, form);
}

mote_status draft_norm_bert(tok_draft *d, bool clean, bool ideographs, bool strip, bool lower)
{
    mote_status status = clean ? draft_norm(d, TOK_NORM_CLEAN, 0) : MOTE_OK;
    if (!status && ideographs)
        status = draft_norm(d, TOK_NORM_CJK, 0);
    if (!status && strip)
        status = draft_norm(d, TOK_NORM_COMPOSE, TOK_NORM_DECOMPOSE);
    if (!status && strip)
        status = draft_norm(d, TOK_NORM_STRIP_MARKS, 0);
    return !status && lower ? draft_norm(d, TOK_NORM_LOWER, 0) : status;
}

static mote_status read_bert(tok_draft *d, const cJSON *part)
{
    bool lower = tok_json_flag(part, "lowercase", true);
    bool strip = tok_json_flag(part, "strip_accents", lower);
    if (strip && has_other_form(d, TOK_NORM_DECOMPOSE))
        return tok_json_refuse(d, "a second normal form,", part);
    return draft_norm_bert(d, tok_json_flag(part, "clean_text", true),
                           tok_json_flag(part, "handle_chinese_chars", true), strip, lower);
}

/* ---- SentencePiece's map -------------------------------------------------------------------- */

static int base64_value(char c)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(letters, c) : NULL;
    return at ? (int)(at - letters) : -1;
}

bool tok_read_base64(const char *text, size_t n, uint8_t *out, size_t *bytes)
{
    uint32_t bits = 0;
    unsigned have = 0;
    *bytes = 0;
    while (n && text[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8)
            out[(*bytes)++] = (uint8_t)(bits >> (have -= 8));
    }
    return true;
}

/* A place in the double array: the children of a key, the one to look at next. */
typedef struct place {
    uint32_t node;
    unsigned next;
} place;

static uint32_t offset_of(uint32_t unit) { return unit >> 10 << ((unit & 0x200) >> 6); }

/* The most bytes that a byte of a text becomes, by walking over all keys that a text can have. */
static uint32_t find_growth(const uint8_t *map, size_t n_units, size_t n_bytes)
{
    enum { DEEPEST = 6 };
    const uint8_t *texts = map + 4 + 4 * n_units;
    size_t n_texts = n_bytes - 4 - 4 * n_units, most = 1, depth = 0, steps = 0;
    uint32_t unit;
    memcpy(&unit, map + 4, 4);
    place at[DEEPEST + 1] = {{offset_of(unit), 1}};
    for (;; steps++) {
        place *p = &at[depth];
        if (p->next > 255 || steps > 1u << 28) {
            if (depth-- == 0)
                return (uint32_t)most;
            continue;
        }
        uint32_t c = p->next++, node = p->node ^ c;
        if (node >= n_units)
            continue;
        memcpy(&unit, map + 4 + 4 * (size_t)node, 4);
        if ((unit & 0x800000ffu) != c)
            continue;
        node ^= offset_of(unit);
        if (unit & 0x100 && node < n_units) {
            memcpy(&unit, map + 4 + 4 * (size_t)node, 4);
            size_t text = unit & 0x7fffffff, key = depth + 1;
            const uint8_t *end = text < n_texts ? memchr(texts + text, 0, n_texts - text) : NULL;
            size_t bytes = end ? (size_t)(end - texts) - text : 0;
            most = (bytes + key - 1) / key > most ? (bytes + key - 1) / key : most;
        } else if (depth + 1 < DEEPEST) {
            at[++depth] = (place){node, 1};
        }
    }
}

mote_status tok_add_charsmap(tok_draft *d, const uint8_t *map, size_t bytes)
{
    uint32_t units = 0;
    if (bytes > 8)
        memcpy(&units, map, 4);
    if (units < 4 || units % 4 || units > bytes - 4 || d->charsmap)
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: precompiled_charsmap is malformed",
                            d->file);
    uint32_t growth = find_growth(map, units / 4, bytes);
    if (growth > TOK_MAX_GROWTH / 3)
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                            "%s: precompiled_charsmap makes %u bytes of one", d->file, growth);
    d->charsmap = map;
    d->charsmap_bytes = bytes;
    return draft_norm(d, TOK_NORM_CHARSMAP, growth);
}

static mote_status read_charsmap(tok_draft *d, const cJSON *part)
{
    const cJSON *item = json_get(part, "precompiled_charsmap");
    if (!item || cJSON_IsNull(item)) /* nothing is mapped */
        return MOTE_OK;
    size_t n = cJSON_IsString(item) ? strlen(item->valuestring) : 0, bytes = 0;
    uint8_t *map = pool_take(&d->pool, n + 1, 1, d->err);
    if (!map)
        return d->err->status;
    if (!n || !tok_read_base64(item->valuestring, n, map, &bytes))
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: precompiled_charsmap is no base64",
                            d->file);
    return tok_add_charsmap(d, map, bytes);
}

/* ---- one normaliser ------------------------------------------------------------------------- */

mote_status tok_json_norm(tok_draft *d, const cJSON *p)
{
    static const struct {
        const char *type;
        uint32_t form;
    } forms[] = {{"NFC", 0},
                 {"NFD", TOK_NORM_DECOMPOSE},
                 {"NFKC", TOK_NORM_COMPATIBLE},
                 {"NFKD", TOK_NORM_DECOMPOSE | TOK_NORM_COMPATIBLE}};
    for (size_t i = 0; i < 4; i++)
        if (tok_json_is(p, "type", forms[i].type))
            return add_form(d, p, forms[i].form);
    if (tok_json_is(p, "type", "Lowercase"))
        return draft_norm(d, TOK_NORM_LOWER, 0);
    if (tok_json_is(p, "type", "StripAccents"))
        return draft_norm(d, TOK_NORM_STRIP_MARKS, 1);
    if (tok_json_is(p, "type", "Strip")) {
        uint32_t sides = tok_json_flag(p, "strip_left", true) ? TOK_TRIM_LEFT : 0;
        sides |= tok_json_flag(p, "strip_right", true) ? TOK_TRIM_RIGHT : 0;
        return draft_norm(d, TOK_NORM_TRIM, sides);
    }
    if (tok_json_is(p, "type", "BertNormalizer"))
        return read_bert(d, p);
    if (tok_json_is(p, "type", "Precompiled"))
        return read_charsmap(d, p);
    if (tok_json_is(p, "type", "Replace") && tok_json_is(p, "content", " ") &&
        tok_json_is(json_get(p, "pattern"), "Regex", " {2,}"))
        return draft_norm(d, TOK_NORM_COLLAPSE, 0);
    return tok_json_refuse(d, "normalizer", p);
}

/* NFC alone has a faster way; the steps together must be affordable. */
mote_status draft_norms_done(tok_draft *d)
{
    uint64_t growth = 3; /* U+FFFD for a byte */
    if (d->h.n_norms == 1 && d->h.norms[0].kind == TOK_NORM_COMPOSE && !d->h.norms[0].param) {
        d->h.n_norms = 0;
        d->h.flags |= TOK_NFC;
    }
    for (uint32_t i = 0; i < d->h.n_norms && growth <= TOK_MAX_GROWTH; i++)
        switch (d->h.norms[i].kind) {
        case TOK_NORM_COMPOSE: growth *= d->h.norms[i].param & TOK_NORM_COMPATIBLE ? 12 : 3; break;
        case TOK_NORM_CJK:
        case TOK_NORM_LOWER: growth *= 2; break;
        case TOK_NORM_CHARSMAP: growth *= d->h.norms[i].param; break;
        default: break;
        }
    if (growth > TOK_MAX_GROWTH)
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                            "%s: these normalizers together make too much of a text", d->file);
    d->h.growth = d->h.n_norms || d->h.flags & TOK_SPLIT_BLANKS ? (uint32_t)growth * 2 : 0;
    d->h.growth = d->h.growth > TOK_MAX_GROWTH ? TOK_MAX_GROWTH : d->h.growth;
    return MOTE_OK;
}
