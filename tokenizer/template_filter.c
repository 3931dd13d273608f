/* template_filter.c: filters of chat templates that take one value as a whole. Those that work on
 * sequences are in template_seq.c, those that apply filters and tests to items in template_map.c.
 */
#include "tokenizer/template.h"

enum {
    ABS,
    CAPITALIZE,
    DEFAULT,
    FLOAT,
    INDENT,
    INT,
    ITEMS,
    LENGTH,
    LIST,
    LOWER,
    REPLACE,
    ROUND,
    STRING,
    TITLE,
    TOJSON,
    TRIM,
    UPPER,
    WORDCOUNT,
    ATTR
};

static const struct {
    const char *name;
    int id;
} filters[] = {{"abs", ABS},
               {"attr", ATTR},
               {"capitalize", CAPITALIZE},
               {"count", LENGTH},
               {"d", DEFAULT},
               {"default", DEFAULT},
               {"dictsort", TPL_F_DICTSORT},
               {"first", TPL_F_FIRST},
               {"float", FLOAT},
               {"indent", INDENT},
               {"int", INT},
               {"items", ITEMS},
               {"join", TPL_F_JOIN},
               {"last", TPL_F_LAST},
               {"length", LENGTH},
               {"list", LIST},
               {"lower", LOWER},
               {"map", TPL_F_MAP},
               {"max", TPL_F_MAX},
               {"min", TPL_F_MIN},
               {"reject", TPL_F_REJECT},
               {"rejectattr", TPL_F_REJECTATTR},
               {"replace", REPLACE},
               {"reverse", TPL_F_REVERSE},
               {"round", ROUND},
               {"safe", STRING},
               {"select", TPL_F_SELECT},
               {"selectattr", TPL_F_SELECTATTR},
               {"sort", TPL_F_SORT},
               {"string", STRING},
               {"sum", TPL_F_SUM},
               {"title", TITLE},
               {"tojson", TOJSON},
               {"trim", TRIM},
               {"unique", TPL_F_UNIQUE},
               {"upper", UPPER},
               {"wordcount", WORDCOUNT}};

int mote_tpl_filter_id(mote_text name)
{
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (mote_tpl_is(name, filters[i].name))
            return filters[i].id;
    return -1;
}

static tpl_value whole(int64_t i) { return (tpl_value){.kind = TPL_INT, .as.i = i}; }

static tpl_value number(double f) { return (tpl_value){.kind = TPL_FLOAT, .as.f = f}; }

static bool is_number(tpl_value v)
{
    return v.kind == TPL_INT || v.kind == TPL_BOOL || v.kind == TPL_FLOAT;
}

static double as_double(tpl_value v) { return v.kind == TPL_FLOAT ? v.as.f : (double)v.as.i; }

/* ---- numbers -------------------------------------------------------------------------------- */

/* A sign, taken off s. */
static bool take_sign(tpl_value *s)
{
    bool minus = s->n && s->as.s.p[0] == '-';
    if (minus || (s->n && s->as.s.p[0] == '+'))
        *s = mote_tpl_substr(*s, 1, s->n - 1);
    return minus;
}

static tpl_value to_float(tpl *t, tpl_value v, tpl_value other)
{
    tpl_value none = {.kind = TPL_NONE};
    double f;
    if (is_number(v))
        return number(as_double(v));
    if (v.kind != TPL_STR)
        return other;
    v = mote_tpl_strip(t, v, none, true, true);
    mote_tpl_work(t, 16 * (size_t)v.n);
    bool minus = take_sign(&v);
    return mote_tpl_read_float(&f, v.as.s.p, v.n) ? number(minus ? -f : f) : other;
}

/* Digits of a base up to 36; false: not a number, or too large. */
static bool read_whole(tpl_value s, int64_t base, bool minus, int64_t *out)
{
    int64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.as.s.p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'z' ? c - 'a' + 10
                    : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                                           : 99;
        if (digit >= base || __builtin_mul_overflow(v, base, &v) ||
            __builtin_sub_overflow(v, (int64_t)digit, &v))
            return false;
    }
    *out = v;
    return s.n && (minus || !__builtin_sub_overflow(0, v, out));
}

static tpl_value to_int(tpl *t, tpl_value v, const tpl_args *args)
{
    tpl_value none = {.kind = TPL_NONE}, other = mote_tpl_arg_or(args, 0, "default", whole(0));
    int64_t base = mote_tpl_int_arg(t, args, 1, "base", 10), i;
    if (v.kind == TPL_INT || v.kind == TPL_BOOL)
        return whole(v.as.i);
    if (v.kind == TPL_STR) {
        v = mote_tpl_strip(t, v, none, true, true);
        mote_tpl_work(t, 16 * (size_t)v.n);
        bool minus = take_sign(&v);
        if (base == 16 && v.n > 2 && v.as.s.p[0] == '0' && (v.as.s.p[1] | 32) == 'x')
            v = mote_tpl_substr(v, 2, v.n - 2);
        if (read_whole(v, base, minus, &i))
            return whole(i);
        v = to_float(t, v, other);
        if (v.kind == TPL_FLOAT && minus)
            v.as.f = -v.as.f;
    }
    if (v.kind != TPL_FLOAT || !(v.as.f > -9.2e18 && v.as.f < 9.2e18))
        return other;
    return whole((int64_t)v.as.f);
}

static tpl_value to_abs(tpl *t, tpl_value v)
{
    if (!is_number(v)) {
        mote_tpl_wrong(t, "abs wants a number");
        return v;
    }
    bool minus = v.kind == TPL_FLOAT ? v.as.f < 0 : v.as.i < 0;
    return minus ? mote_tpl_negate(t, v) : v.kind == TPL_BOOL ? whole(v.as.i) : v;
}

static tpl_value rounded(tpl *t, tpl_value v, const tpl_args *args)
{
    int64_t digits = mote_tpl_int_arg(t, args, 0, "precision", 0);
    tpl_value how = mote_tpl_arg_or(args, 1, "method", mote_tpl_str("common"));
    mote_text method = {how.kind == TPL_STR ? how.as.s.p : "", how.kind == TPL_STR ? how.n : 0};
    if (!is_number(v) || digits > 300 || digits < -300) {
        mote_tpl_wrong(t, "round wants a number");
        return v;
    }
    if (mote_tpl_is(method, "common"))
        return v.kind != TPL_FLOAT && digits >= 0 ? whole(v.as.i)
                                                  : number(mote_tpl_round(as_double(v), digits));
    double power = 1, f, down;
    for (int64_t i = digits < 0 ? -digits : digits; i > 0; i--)
        power *= 10;
    f = digits < 0 ? as_double(v) / power : as_double(v) * power;
    if (!(f > -4503599627370496.0 && f < 4503599627370496.0))
        return number(as_double(v));
    down = (double)(int64_t)f;
    if (mote_tpl_is(method, "ceil"))
        down += down < f;
    else if (mote_tpl_is(method, "floor"))
        down -= down > f;
    else
        mote_tpl_wrong(t, "round wants common, ceil or floor");
    return number(digits < 0 ? down * power : down / power);
}

/* ---- text ----------------------------------------------------------------------------------- */

static tpl_value word_count(tpl *t, tpl_value s)
{
    int64_t n = 0;
    uint32_t r;
    bool inside = false;
    mote_tpl_work(t, 16 * (size_t)s.n);
    for (size_t i = 0; i < s.n;) {
        i += mote_tpl_rune(s, i, &r);
        bool word = (r >= '0' && r <= '9') || ((r | 32) >= 'a' && (r | 32) <= 'z') || r == '_' ||
                    (r >= 0xaa && !mote_tpl_is_space(r) && !(r >= 0x2000 && r < 0x2070));
        n += word && !inside;
        inside = word;
    }
    return whole(n);
}

/* indent(width=4, first=False, blank=False) */
static tpl_value indented(tpl *t, tpl_value s, const tpl_args *args)
{
    tpl_value no = {.kind = TPL_BOOL}, by = mote_tpl_arg_or(args, 0, "width", whole(4));
    bool first = mote_tpl_truth(t, mote_tpl_arg_or(args, 1, "first", no));
    bool blank = mote_tpl_truth(t, mote_tpl_arg_or(args, 2, "blank", no));
    tpl_args none = {NULL, 0, 0};
    size_t mark = t->n_pieces;
    if (by.kind == TPL_INT)
        by = mote_tpl_binary(t, '*', mote_tpl_str(" "), by);
    mote_tpl_put(t, s);
    mote_tpl_put_text(t, "\n", false);
    tpl_value lines = mote_tpl_split(t, mote_tpl_take(t, mark), &none, 'l');
    for (size_t i = 0, n = mote_tpl_count(lines); i < n && !t->status; i++) {
        tpl_value line = mote_tpl_item(lines, i);
        if (i)
            mote_tpl_put_text(t, "\n", false);
        if (i ? blank || line.n : first)
            mote_tpl_put(t, by);
        mote_tpl_put(t, line);
        mote_tpl_work(t, 1);
    }
    return mote_tpl_take(t, mark);
}

static tpl_value replaced(tpl *t, tpl_value v, const tpl_args *args)
{
    tpl_value from, to, none = {.kind = TPL_NONE}, max = mote_tpl_arg_or(args, 2, "count", none);
    if (!mote_tpl_arg(args, 0, "old", &from) || !mote_tpl_arg(args, 1, "new", &to)) {
        mote_tpl_wrong(t, "replace wants two strings");
        return v;
    }
    from = mote_tpl_to_str(t, from);
    to = mote_tpl_to_str(t, to);
    return mote_tpl_replace(t, mote_tpl_to_str(t, v), from, to,
                            max.kind == TPL_INT ? max.as.i : -1);
}

/* ---- sizes and lists ------------------------------------------------------------------------ */

static tpl_value length_of(tpl *t, tpl_value v)
{
    if (v.kind == TPL_STR) {
        mote_tpl_work(t, 16 * (size_t)v.n);
        return whole((int64_t)mote_tpl_rune_count(v));
    }
    if (v.kind == TPL_UNDEF)
        return whole(0);
    if (v.kind == TPL_DICT)
        return whole((int64_t)mote_tpl_dict_count(v));
    if (mote_tpl_is_seq(v) && v.kind != TPL_GEN)
        return whole((int64_t)mote_tpl_count(v));
    mote_tpl_wrong(t, "this value has no length");
    return v;
}

static tpl_value to_list(tpl *t, tpl_value v)
{
    tpl_value out = mote_tpl_list(t, TPL_LIST);
    v = mote_tpl_iterate(t, v);
    for (size_t i = 0, n = mote_tpl_count(v); i < n && !t->status; i++) {
        mote_tpl_work(t, 1);
        mote_tpl_append(t, out.as.list, mote_tpl_item(v, i));
    }
    return out;
}

static tpl_value items_of(tpl *t, tpl_value v)
{
    tpl_value out = mote_tpl_list(t, TPL_GEN), key, value;
    if (v.kind != TPL_DICT && v.kind != TPL_UNDEF)
        mote_tpl_wrong(t, "items wants a dict");
    for (size_t i = 0; v.kind == TPL_DICT && i < mote_tpl_dict_count(v) && !t->status; i++) {
        mote_tpl_work(t, 1);
        mote_tpl_dict_pair(v, i, &key, &value);
        mote_tpl_append(t, out.as.list, mote_tpl_pair(t, key, value));
    }
    return out;
}

static tpl_value default_of(tpl *t, tpl_value v, const tpl_args *args)
{
    tpl_value no = {.kind = TPL_BOOL};
    bool falsy = mote_tpl_truth(t, mote_tpl_arg_or(args, 1, "boolean", no));
    if (v.kind == TPL_UNDEF || (falsy && !mote_tpl_truth(t, v)))
        return mote_tpl_arg_or(args, 0, "default_value", mote_tpl_str(""));
    return v;
}

tpl_value mote_tpl_filter(tpl *t, int id, tpl_value v, const tpl_args *args)
{
    tpl_value none = {.kind = TPL_NONE};
    switch (id) {
    case ABS: return to_abs(t, v);
    case CAPITALIZE: return mote_tpl_case(t, mote_tpl_to_str(t, v), 'c');
    case DEFAULT: return default_of(t, v, args);
    case FLOAT: return to_float(t, v, mote_tpl_arg_or(args, 0, "default", number(0)));
    case INDENT: return indented(t, mote_tpl_to_str(t, v), args);
    case INT: return to_int(t, v, args);
    case ITEMS: return items_of(t, v);
    case LENGTH: return length_of(t, v);
    case LIST: return to_list(t, v);
    case LOWER: return mote_tpl_case(t, mote_tpl_to_str(t, v), 'l');
    case REPLACE: return replaced(t, v, args);
    case ROUND: return rounded(t, v, args);
    case STRING: return mote_tpl_to_str(t, v);
    case TITLE: return mote_tpl_case(t, mote_tpl_to_str(t, v), 'w');
    case TOJSON: return mote_tpl_to_json(t, v, args);
    case TRIM:
        v = mote_tpl_to_str(t, v);
        return mote_tpl_strip(t, v, mote_tpl_arg_or(args, 0, "chars", none), true, true);
    case UPPER: return mote_tpl_case(t, mote_tpl_to_str(t, v), 'u');
    case WORDCOUNT: return word_count(t, mote_tpl_to_str(t, v));
    case ATTR:
        return mote_tpl_attr(t, v, mote_tpl_to_str(t, mote_tpl_arg_or(args, 0, "name", none)));
    default: return mote_tpl_seq_filter(t, id, v, args);
    }
}
