/* template_value.c: memory, failures, and the values of chat templates: strings with their
 * taint, lists, dicts. Read template.h first. Values live in the caller's memory and are never
 * freed; lists and dicts of the caller are read where they are.
 */
#include "tokenizer/template.h"

#include "include/mote_error.h"

/* ---- memory and failures -------------------------------------------------------------------- */

void *mote_tpl_alloc(tpl *t, size_t n, size_t size)
{
    size_t room = (size_t)(t->high - t->low) & ~(size_t)7;
    if (t->status || (size && n > room / size)) {
        mote_tpl_fail(t, MOTE_ERR_MEMORY, "the template needs more memory", (mote_text){"", 0});
        return NULL;
    }
    void *at = t->low;
    t->low += (n * size + 7) & ~(size_t)7;
    return at;
}

static size_t add_text(char *out, size_t at, size_t cap, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes && at < cap; i++)
        out[at++] = text[i];
    return at;
}

void mote_tpl_fail(tpl *t, mote_status status, const char *what, mote_text name)
{
    char text[64], number[TPL_NUMBER_BYTES];
    size_t n = 0;
    if (t->status)
        return;
    t->status = status;
    if (status != MOTE_ERR_MEMORY) {
        n = add_text(text, n, sizeof text, "line ", 5);
        n = add_text(text, n, sizeof text, number, mote_tpl_int_text(number, t->line));
        if (name.bytes) {
            n = add_text(text, n, sizeof text, ": ", 2);
            n = add_text(text, n, sizeof text, name.ptr, name.bytes);
        }
    }
    mote_fail_text(t->err, status, what, (mote_text){text, n});
}

void mote_tpl_wrong(tpl *t, const char *what)
{
    mote_tpl_fail(t, MOTE_ERR_LIMIT, what, (mote_text){"", 0});
}

void mote_tpl_work(tpl *t, size_t bytes)
{
    size_t steps = bytes / 64 + 1;
    if (steps > t->steps) {
        mote_tpl_wrong(t, "the template runs too long");
        steps = (size_t)t->steps;
    }
    t->steps -= steps;
}

/* ---- strings -------------------------------------------------------------------------------- */

tpl_value mote_tpl_import(const mote_value *v)
{
    tpl_value out = {.kind = TPL_NONE};
    switch (v->kind) {
    case MOTE_VALUE_BOOL: return (tpl_value){.kind = TPL_BOOL, .as.i = v->as.boolean};
    case MOTE_VALUE_INT: return (tpl_value){.kind = TPL_INT, .as.i = v->as.integer};
    case MOTE_VALUE_FLOAT: return (tpl_value){.kind = TPL_FLOAT, .as.f = v->as.number};
    case MOTE_VALUE_LIST: return (tpl_value){.kind = TPL_LIST, .flag = true, .as.src = v};
    case MOTE_VALUE_DICT: return (tpl_value){.kind = TPL_DICT, .flag = true, .as.src = v};
    case MOTE_VALUE_STRING:
        out = (tpl_value){.kind = TPL_STR, .flag = v->untrusted};
        out.n = v->as.string.bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)v->as.string.bytes;
        out.as.s.p = out.n ? v->as.string.ptr : "";
        return out;
    case MOTE_VALUE_NONE: break;
    }
    return out;
}

tpl_value mote_tpl_str(const char *text)
{
    tpl_value v = {.kind = TPL_STR};
    v.as.s.p = text;
    while (text[v.n])
        v.n++;
    return v;
}

tpl_value mote_tpl_substr(tpl_value s, size_t from, size_t bytes)
{
    s.as.s.p += from;
    s.n = (uint32_t)bytes;
    if (s.as.s.shadow)
        s.as.s.shadow += from;
    return s;
}

bool mote_tpl_is(mote_text a, const char *b)
{
    size_t i = 0;
    while (i < a.bytes && b[i] && a.ptr[i] == b[i])
        i++;
    return i == a.bytes && !b[i];
}

bool mote_tpl_same_str(tpl_value a, tpl_value b)
{
    return a.n == b.n && (!a.n || memcmp(a.as.s.p, b.as.s.p, a.n) == 0);
}

bool mote_tpl_untrusted(tpl_value s, size_t i)
{
    return s.as.s.shadow ? s.as.s.shadow[i] != 0 : s.flag;
}

size_t mote_tpl_rune(tpl_value s, size_t i, uint32_t *rune)
{
    const uint8_t *p = (const uint8_t *)s.as.s.p + i;
    size_t left = s.n - i, n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4, k = 1;
    uint32_t r = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    if (p[0] >= 0x80 && p[0] < 0xc0)
        n = 1;
    while (k < n && k < left && (p[k] & 0xc0) == 0x80)
        r = r << 6 | (p[k++] & 0x3f);
    *rune = k == n && (n > 1 || p[0] < 0x80) ? r : 0xfffd;
    return k;
}

size_t mote_tpl_rune_count(tpl_value s)
{
    size_t n = 0;
    uint32_t rune;
    for (size_t i = 0; i < s.n; n++)
        i += mote_tpl_rune(s, i, &rune);
    return n;
}

size_t mote_tpl_rune_at(tpl_value s, size_t n)
{
    size_t i = 0;
    uint32_t rune;
    for (; n && i < s.n; n--)
        i += mote_tpl_rune(s, i, &rune);
    return i;
}

/* ---- output and captures -------------------------------------------------------------------- */

void mote_tpl_put(tpl *t, tpl_value s)
{
    if (!s.n || t->status)
        return;
    if ((size_t)(t->high - t->low) < sizeof(tpl_value)) {
        mote_tpl_alloc(t, SIZE_MAX, 1);
        return;
    }
    t->high -= sizeof(tpl_value);
    t->n_pieces++;
    t->pieces[-(ptrdiff_t)t->n_pieces] = s;
}

void mote_tpl_put_text(tpl *t, const char *text, bool untrusted)
{
    tpl_value v = mote_tpl_str(text);
    v.flag = untrusted;
    mote_tpl_put(t, v);
}

/* Copies pieces [mark, n_pieces) to p and, when there is one, their taint to shadow. */
static void copy_pieces(const tpl *t, size_t mark, char *p, uint8_t *shadow)
{
    for (size_t i = mark, at = 0; i < t->n_pieces; i++) {
        tpl_value s = t->pieces[-(ptrdiff_t)i - 1];
        memcpy(p + at, s.as.s.p, s.n);
        if (shadow && s.as.s.shadow)
            memcpy(shadow + at, s.as.s.shadow, s.n);
        else if (shadow)
            memset(shadow + at, s.flag, s.n);
        at += s.n;
    }
}

tpl_value mote_tpl_take(tpl *t, size_t mark)
{
    tpl_value out = mote_tpl_str("");
    uint64_t total = 0;
    bool mixed = false;
    if (t->n_pieces > mark)
        out = t->pieces[-(ptrdiff_t)mark - 1];
    for (size_t i = mark; i < t->n_pieces; i++) {
        tpl_value s = t->pieces[-(ptrdiff_t)i - 1];
        total += s.n;
        mixed |= s.as.s.shadow || s.flag != out.flag;
    }
    if (t->n_pieces > mark + 1) {
        char *p = total < UINT32_MAX ? mote_tpl_alloc(t, (size_t)total, 1)
                                     : mote_tpl_alloc(t, SIZE_MAX, 1);
        uint8_t *shadow = mixed && p ? mote_tpl_alloc(t, (size_t)total, 1) : NULL;
        if (t->status)
            return mote_tpl_str("");
        copy_pieces(t, mark, p, shadow);
        mote_tpl_work(t, (size_t)total);
        out.as.s.p = p;
        out.as.s.shadow = shadow;
        out.n = (uint32_t)total;
    }
    t->high += (t->n_pieces - mark) * sizeof(tpl_value);
    t->n_pieces = mark;
    return out;
}
