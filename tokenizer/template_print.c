/* template_print.c: values as text: Python's str() and repr(), and JSON as json.dumps() writes
 * it. The bytes of untrusted strings stay untrusted, their escapes too. Read template.h first.
 */
#include "tokenizer/template.h"

typedef struct style {
    bool json, ascii, sort, indented;
    tpl_value indent, between, colon;
} style;

/* A list or dict being printed. */
typedef struct level {
    struct level *parent;
    tpl_value v;
    size_t i, n, depth;
} level;

static void put_number(tpl *t, tpl_value v, bool json)
{
    char *text = mote_tpl_alloc(t, TPL_NUMBER_BYTES, 1);
    tpl_value s = mote_tpl_str("");
    if (!text)
        return;
    s.as.s.p = text;
    s.n = (uint32_t)(v.kind == TPL_INT ? mote_tpl_int_text(text, v.as.i)
                                       : mote_tpl_float_text(text, v.as.f));
    if (json && v.kind == TPL_FLOAT && !(v.as.f - v.as.f == 0))
        s = mote_tpl_str(v.as.f > 0 ? "Infinity" : v.as.f < 0 ? "-Infinity" : "NaN");
    mote_tpl_put(t, s);
}

/* ---- strings -------------------------------------------------------------------------------- */

/* \xHH, \uHHHH or \UHHHHHHHH */
static void put_hex(tpl *t, char letter, size_t n_digits, uint32_t rune, bool untrusted)
{
    char *text = mote_tpl_alloc(t, 12, 1);
    tpl_value s = {.kind = TPL_STR, .flag = untrusted, .n = (uint32_t)n_digits + 2};
    if (!text)
        return;
    text[0] = '\\';
    text[1] = letter;
    for (size_t i = n_digits; i > 0; i--, rune >>= 4)
        text[1 + i] = "0123456789abcdef"[rune & 15];
    s.as.s.p = text;
    mote_tpl_put(t, s);
}

/* Code points for which Python's isprintable() is false, as far as they are likely. */
static bool is_unprintable(uint32_t r)
{
    static const uint32_t ranges[][2] = {
        {0, 0x1f},        {0x7f, 0xa0},       {0xad, 0xad},         {0x600, 0x605},
        {0x61c, 0x61c},   {0x6dd, 0x6dd},     {0x70f, 0x70f},       {0x1680, 0x1680},
        {0x180e, 0x180e}, {0x2000, 0x200f},   {0x2028, 0x202f},     {0x205f, 0x206f},
        {0x3000, 0x3000}, {0xd800, 0xf8ff},   {0xfeff, 0xfeff},     {0xfff0, 0xfffb},
        {0xfffe, 0xffff}, {0xe0000, 0xe00ff}, {0xe01f0, UINT32_MAX}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (r >= ranges[i][0] && r <= ranges[i][1])
            return true;
    return false;
}

static const char *short_escape(uint32_t rune, char quote, bool json)
{
    switch (rune) {
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\b': return json ? "\\b" : NULL;
    case '\f': return json ? "\\f" : NULL;
    case '"': return quote == '"' ? "\\\"" : NULL;
    case '\'': return quote == '\'' ? "\\'" : NULL;
    default: return NULL;
    }
}

static void put_escape(tpl *t, uint32_t rune, char quote, bool json, bool untrusted)
{
    const char *text = short_escape(rune, quote, json);
    if (text) {
        mote_tpl_put_text(t, text, untrusted);
    } else if (json && rune > 0xffff) {
        put_hex(t, 'u', 4, 0xd7c0 + (rune >> 10), untrusted);
        put_hex(t, 'u', 4, 0xdc00 + (rune & 0x3ff), untrusted);
    } else if (json || (rune > 0xff && rune <= 0xffff)) {
        put_hex(t, 'u', 4, rune, untrusted);
    } else {
        put_hex(t, rune > 0xff ? 'U' : 'x', rune > 0xff ? 8 : 2, rune, untrusted);
    }
}

static void put_quoted(tpl *t, tpl_value s, const style *st)
{
    char quote = '"';
    size_t begin = 0, n;
    uint32_t rune;
    if (!st->json &&
        (!s.n || !tpl_find_byte(s.as.s.p, '\'', s.n) || tpl_find_byte(s.as.s.p, '"', s.n)))
        quote = '\'';
    mote_tpl_work(t, s.n);
    mote_tpl_put_text(t, quote == '"' ? "\"" : "'", false);
    for (size_t i = 0; i < s.n && !t->status; i += n) {
        n = mote_tpl_rune(s, i, &rune);
        bool plain = st->json ? rune >= 0x20 && (rune < 0x7f || !st->ascii) : !is_unprintable(rune);
        if (plain && !short_escape(rune, quote, st->json))
            continue;
        mote_tpl_put(t, mote_tpl_substr(s, begin, i - begin));
        put_escape(t, rune, quote, st->json, mote_tpl_untrusted(s, i));
        begin = i + n;
    }
    mote_tpl_put(t, mote_tpl_substr(s, begin, s.n - begin));
    mote_tpl_put_text(t, quote == '"' ? "\"" : "'", false);
}

/* ---- values --------------------------------------------------------------------------------- */

static void put_scalar(tpl *t, tpl_value v, const style *st)
{
    switch (v.kind) {
    case TPL_STR: put_quoted(t, v, st); return;
    case TPL_NONE: mote_tpl_put_text(t, st->json ? "null" : "None", false); return;
    case TPL_INT:
    case TPL_FLOAT: put_number(t, v, st->json); return;
    case TPL_BOOL:
        if (st->json)
            mote_tpl_put_text(t, v.as.i ? "true" : "false", false);
        else
            mote_tpl_put_text(t, v.as.i ? "True" : "False", false);
        return;
    case TPL_UNDEF:
        if (st->json)
            mote_tpl_wrong(t, "an undefined value cannot be written as JSON");
        mote_tpl_put_text(t, "Undefined", false);
        return;
    default:
        mote_tpl_fail(t, MOTE_ERR_UNSUPPORTED, "this kind of value cannot be printed",
                      (mote_text){"", 0});
    }
}

/* A key: in JSON always a string. */
static void put_key(tpl *t, tpl_value key, const style *st)
{
    bool quoted = st->json && key.kind != TPL_STR;
    if (quoted)
        mote_tpl_put_text(t, "\"", false);
    put_scalar(t, key, st);
    mote_tpl_put_text(t, quoted ? "\"" : "", false);
    mote_tpl_put(t, st->colon);
}

static void put_line(tpl *t, const style *st, size_t depth)
{
    if (!st->indented)
        return;
    mote_tpl_put_text(t, "\n", false);
    while (depth-- && !t->status)
        mote_tpl_put(t, st->indent);
}

static void put_range(tpl *t, const tpl_range *r)
{
    tpl_value n = {.kind = TPL_INT, .as.i = r->start};
    mote_tpl_put_text(t, "range(", false);
    put_number(t, n, false);
    mote_tpl_put_text(t, ", ", false);
    n.as.i = r->start + (int64_t)r->n * r->step;
    put_number(t, n, false);
    n.as.i = r->step;
    mote_tpl_put_text(t, n.as.i == 1 ? "" : ", ", false);
    if (n.as.i != 1)
        put_number(t, n, false);
    mote_tpl_put_text(t, ")", false);
}

static const char *bracket(const level *l, bool open)
{
    if (l->v.kind == TPL_DICT)
        return open ? "{" : "}";
    if (l->v.kind == TPL_TUPLE)
        return open ? "(" : l->n == 1 ? ",)" : ")";
    return open ? "[" : "]";
}

/* Begins a list or dict. */
static level *enter(tpl *t, level *parent, tpl_value v, const style *st)
{
    level *l = mote_tpl_alloc(t, 1, sizeof *l);
    if (!l)
        return NULL;
    if (st->sort && v.kind == TPL_DICT)
        v = mote_tpl_sorted_dict(t, v);
    *l = (level){.parent = parent, .v = v, .depth = parent ? parent->depth + 1 : 1};
    l->n = v.kind == TPL_DICT ? mote_tpl_dict_count(v) : mote_tpl_count(v);
    if (l->depth > TPL_MAX_DEPTH)
        mote_tpl_wrong(t, "the value is nested too deeply");
    if (st->json && l->v.kind == TPL_TUPLE)
        l->v.kind = TPL_LIST;
    mote_tpl_put_text(t, bracket(l, true), false);
    return l;
}

static void put_value(tpl *t, tpl_value v, const style *st)
{
    level *l = NULL;
    tpl_value key;
    do {
        mote_tpl_work(t, 1);
        if (v.kind == TPL_LIST || v.kind == TPL_TUPLE || v.kind == TPL_DICT)
            l = enter(t, l, v, st);
        else if (v.kind == TPL_RANGE && !st->json)
            put_range(t, v.as.range);
        else
            put_scalar(t, v, st);
        while (l && l->i == l->n && !t->status) {
            if (l->n)
                put_line(t, st, l->depth - 1);
            mote_tpl_put_text(t, bracket(l, false), false);
            l = l->parent;
        }
        if (!l || t->status)
            return;
        if (l->i)
            mote_tpl_put(t, st->between);
        put_line(t, st, l->depth);
        if (l->v.kind == TPL_DICT) {
            mote_tpl_dict_pair(l->v, l->i++, &key, &v);
            put_key(t, key, st);
        } else {
            v = mote_tpl_item(l->v, l->i++);
        }
    } while (!t->status);
}

void mote_tpl_put_repr(tpl *t, tpl_value v)
{
    style st = {.between = mote_tpl_str(", "), .colon = mote_tpl_str(": ")};
    put_value(t, v, &st);
}

tpl_value mote_tpl_to_str(tpl *t, tpl_value v)
{
    size_t mark = t->n_pieces;
    if (v.kind == TPL_STR)
        return v;
    if (v.kind == TPL_UNDEF)
        return mote_tpl_str("");
    mote_tpl_put_repr(t, v);
    return mote_tpl_take(t, mark);
}

/* indent: a number of blanks, or a string. */
static void set_indent(tpl *t, style *st, tpl_value v)
{
    size_t mark = t->n_pieces;
    st->indent = v;
    st->indented = v.kind != TPL_NONE;
    if (v.kind == TPL_INT || v.kind == TPL_BOOL) {
        for (int64_t i = 0; i < v.as.i && !t->status; i++, mote_tpl_work(t, 1))
            mote_tpl_put_text(t, " ", false);
        st->indent = mote_tpl_take(t, mark);
    } else if (st->indented && v.kind != TPL_STR) {
        mote_tpl_wrong(t, "indent must be a number or a string");
    }
    if (st->indented)
        st->between = mote_tpl_str(",");
}

tpl_value mote_tpl_to_json(tpl *t, tpl_value v, const tpl_args *args)
{
    tpl_value no = {.kind = TPL_BOOL}, none = {.kind = TPL_NONE};
    style st = {.json = true, .between = mote_tpl_str(", "), .colon = mote_tpl_str(": ")};
    st.ascii = mote_tpl_truth(t, mote_tpl_arg_or(args, 0, "ensure_ascii", no));
    st.sort = mote_tpl_truth(t, mote_tpl_arg_or(args, 3, "sort_keys", no));
    set_indent(t, &st, mote_tpl_arg_or(args, 1, "indent", none));
    tpl_value separators = mote_tpl_arg_or(args, 2, "separators", none);
    if (mote_tpl_is_seq(separators) && mote_tpl_count(separators) == 2) {
        st.between = mote_tpl_item(separators, 0);
        st.colon = mote_tpl_item(separators, 1);
    }
    if (st.between.kind != TPL_STR || st.colon.kind != TPL_STR)
        mote_tpl_wrong(t, "separators must be two strings");
    size_t mark = t->n_pieces;
    put_value(t, v, &st);
    return mote_tpl_take(t, mark);
}
