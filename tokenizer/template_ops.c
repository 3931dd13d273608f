/* template_ops.c: truth, comparison and arithmetic of chat templates, with Python's meaning. Whole
 * numbers have 64 bits: a result beyond them is refused. Read template_value.c first.
 */
#include "tokenizer/template.h"

static bool is_whole(tpl_value v) { return v.kind == TPL_INT || v.kind == TPL_BOOL; }

static bool is_number(tpl_value v) { return is_whole(v) || v.kind == TPL_FLOAT; }

static double as_double(tpl_value v) { return v.kind == TPL_FLOAT ? v.as.f : (double)v.as.i; }

static bool is_container(tpl_value v) { return mote_tpl_is_seq(v) || v.kind == TPL_DICT; }

bool mote_tpl_truth(tpl *t, tpl_value v)
{
    (void)t;
    switch (v.kind) {
    case TPL_MISSING:
    case TPL_UNDEF:
    case TPL_NONE: return false;
    case TPL_BOOL:
    case TPL_INT: return v.as.i != 0;
    case TPL_FLOAT: return v.as.f < 0 || v.as.f > 0 || v.as.f != v.as.f;
    case TPL_STR: return v.n != 0;
    case TPL_LIST:
    case TPL_TUPLE:
    case TPL_RANGE: return mote_tpl_count(v) != 0;
    case TPL_DICT: return mote_tpl_dict_count(v) != 0;
    default: return true;
    }
}

/* ---- comparison ----------------------------------------------------------------------------- */

bool mote_tpl_same_scalar(tpl_value a, tpl_value b)
{
    if (is_number(a) && is_number(b)) {
        double x = as_double(a), y = as_double(b);
        return is_whole(a) && is_whole(b) ? a.as.i == b.as.i
                                          : !(x < y || x > y) && x == x && y == y;
    }
    if (a.kind != b.kind)
        return false;
    if (a.kind == TPL_STR)
        return mote_tpl_same_str(a, b);
    return a.kind == TPL_NONE || a.kind == TPL_UNDEF || (a.as.list == b.as.list && a.n == b.n);
}

/* Two containers being compared. */
typedef struct level {
    struct level *parent;
    tpl_value a, b;
    size_t i, n, depth;
} level;

/* Begins comparing two containers; false: they differ. */
static bool enter(tpl *t, level **top, tpl_value a, tpl_value b)
{
    bool dicts = a.kind == TPL_DICT;
    if (a.kind != b.kind || a.kind == TPL_GEN)
        return a.kind == b.kind && a.as.list == b.as.list;
    size_t n = dicts ? mote_tpl_dict_count(a) : mote_tpl_count(a);
    if (n != (dicts ? mote_tpl_dict_count(b) : mote_tpl_count(b)))
        return false;
    level *l = mote_tpl_alloc(t, 1, sizeof *l);
    if (!l)
        return false;
    *l = (level){.parent = *top, .a = a, .b = b, .n = n, .depth = *top ? (*top)->depth + 1 : 1};
    if (l->depth > TPL_MAX_DEPTH)
        mote_tpl_wrong(t, "the value is nested too deeply");
    *top = l;
    return true;
}

bool mote_tpl_equal(tpl *t, tpl_value a, tpl_value b)
{
    level *l = NULL;
    tpl_value key;
    for (;;) {
        mote_tpl_work(t, a.kind == TPL_STR ? a.n : 1);
        bool same =
            is_container(a) && is_container(b) ? enter(t, &l, a, b) : mote_tpl_same_scalar(a, b);
        if (!same || t->status)
            return false;
        while (l && l->i == l->n)
            l = l->parent;
        if (!l)
            return true;
        if (l->a.kind == TPL_DICT) {
            mote_tpl_dict_pair(l->a, l->i++, &key, &a);
            if (!mote_tpl_dict_get(t, l->b, key, &b))
                return false;
        } else {
            a = mote_tpl_item(l->a, l->i);
            b = mote_tpl_item(l->b, l->i++);
        }
    }
}

static int order_scalars(tpl *t, tpl_value a, tpl_value b)
{
    if (is_whole(a) && is_whole(b))
        return (a.as.i > b.as.i) - (a.as.i < b.as.i);
    if (is_number(a) && is_number(b))
        return (as_double(a) > as_double(b)) - (as_double(a) < as_double(b));
    if (a.kind != TPL_STR || b.kind != TPL_STR) {
        mote_tpl_wrong(t, "values of these kinds have no order");
        return 0;
    }
    size_t n = a.n < b.n ? a.n : b.n;
    mote_tpl_work(t, n);
    int way = n ? memcmp(a.as.s.p, b.as.s.p, n) : 0;
    return way ? way : (a.n > b.n) - (a.n < b.n);
}

int mote_tpl_order(tpl *t, tpl_value a, tpl_value b)
{
    if (a.kind != b.kind || (a.kind != TPL_LIST && a.kind != TPL_TUPLE))
        return order_scalars(t, a, b);
    size_t n = mote_tpl_count(a), m = mote_tpl_count(b);
    for (size_t i = 0; i < n && i < m && !t->status; i++) {
        tpl_value x = mote_tpl_item(a, i), y = mote_tpl_item(b, i);
        mote_tpl_work(t, x.kind == TPL_STR ? x.n : 1);
        if (!mote_tpl_same_scalar(x, y))
            return order_scalars(t, x, y);
    }
    return (n > m) - (n < m);
}

static bool contains(tpl *t, tpl_value all, tpl_value v)
{
    tpl_value found;
    if (all.kind == TPL_DICT)
        return mote_tpl_dict_get(t, all, v, &found);
    if (all.kind == TPL_STR) {
        if (v.kind != TPL_STR)
            mote_tpl_wrong(t, "only a string can be in a string");
        return !t->status && mote_tpl_find(t, all, v, 0) != SIZE_MAX;
    }
    all = mote_tpl_iterate(t, all);
    for (size_t i = 0, n = mote_tpl_count(all); i < n && !t->status; i++)
        if (mote_tpl_equal(t, mote_tpl_item(all, i), v))
            return true;
    return false;
}

bool mote_tpl_compare(tpl *t, int cmp, tpl_value a, tpl_value b)
{
    switch (cmp) {
    case TPL_EQ: return mote_tpl_equal(t, a, b);
    case TPL_NE: return !mote_tpl_equal(t, a, b);
    case TPL_IN: return contains(t, b, a);
    case TPL_NOT_IN: return !contains(t, b, a);
    default: break;
    }
    if ((a.kind == TPL_FLOAT && a.as.f != a.as.f) || (b.kind == TPL_FLOAT && b.as.f != b.as.f))
        return false;
    int way = mote_tpl_order(t, a, b);
    return cmp == TPL_LT ? way < 0 : cmp == TPL_LE ? way <= 0 : cmp == TPL_GT ? way > 0 : way >= 0;
}

/* ---- arithmetic ----------------------------------------------------------------------------- */

static tpl_value whole(int64_t i) { return (tpl_value){.kind = TPL_INT, .as.i = i}; }

static tpl_value number(double f) { return (tpl_value){.kind = TPL_FLOAT, .as.f = f}; }

static double floor_of(double f)
{
    if (!(f > -4503599627370496.0 && f < 4503599627370496.0))
        return f;
    double down = (double)(int64_t)f;
    return down > f ? down - 1 : down;
}

static tpl_value too_large(tpl *t)
{
    mote_tpl_fail(t, MOTE_ERR_UNSUPPORTED, "a whole number needs more than 64 bits",
                  (mote_text){"", 0});
    return whole(0);
}

/* By squaring. */
static tpl_value power(tpl *t, tpl_value a, tpl_value b)
{
    int64_t i = 1, square = a.as.i;
    double f = 1, f_square = as_double(a);
    bool exact = is_whole(a) && is_whole(b) && b.as.i >= 0, over = false;
    if (!is_whole(b))
        return too_large(t);
    for (uint64_t k = b.as.i < 0 ? 0 - (uint64_t)b.as.i : (uint64_t)b.as.i; k; k >>= 1) {
        if (k & 1) {
            over |= exact && __builtin_mul_overflow(i, square, &i);
            f *= f_square;
        }
        if (k > 1)
            over |= exact && __builtin_mul_overflow(square, square, &square);
        f_square *= f_square;
    }
    if (over)
        return too_large(t);
    if (b.as.i < 0 && !(f < 0 || f > 0))
        mote_tpl_wrong(t, "division by zero");
    return exact ? whole(i) : number(b.as.i < 0 ? 1 / f : f);
}

static tpl_value of_wholes(tpl *t, int op, int64_t a, int64_t b)
{
    int64_t r = 0;
    bool over = false;
    if ((op == 'd' || op == '%') && b == -1) {
        over = __builtin_sub_overflow(0, a, &r);
        return over && op == 'd' ? too_large(t) : whole(op == 'd' ? r : 0);
    }
    switch (op) {
    case '+': over = __builtin_add_overflow(a, b, &r); break;
    case '-': over = __builtin_sub_overflow(a, b, &r); break;
    case '*': over = __builtin_mul_overflow(a, b, &r); break;
    case 'd': r = a / b - (a % b != 0 && (a < 0) != (b < 0)); break;
    default: r = a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0); break;
    }
    return over ? too_large(t) : whole(r);
}

static tpl_value of_numbers(tpl *t, int op, tpl_value a, tpl_value b)
{
    double x = as_double(a), y = as_double(b);
    if (op == 'p')
        return power(t, a, b);
    if ((op == '/' || op == 'd' || op == '%') && !(y < 0 || y > 0)) {
        mote_tpl_wrong(t, "division by zero");
        return whole(0);
    }
    if (is_whole(a) && is_whole(b) && op != '/')
        return of_wholes(t, op, a.as.i, b.as.i);
    switch (op) {
    case '+': return number(x + y);
    case '-': return number(x - y);
    case '*': return number(x * y);
    case '/': return number(x / y);
    case 'd': return number(floor_of(x / y));
    default: return number(x - floor_of(x / y) * y);
    }
}

static tpl_value repeat(tpl *t, tpl_value v, int64_t times)
{
    size_t mark = t->n_pieces;
    if (v.kind == TPL_STR) {
        if (v.n && times > t->high - t->low) /* at once, not when memory is full */
            mote_tpl_alloc(t, SIZE_MAX, 1);
        for (; v.n && times > 0 && !t->status; times--, mote_tpl_work(t, 1))
            mote_tpl_put(t, v);
        return mote_tpl_take(t, mark);
    }
    tpl_value out = mote_tpl_list(t, (tpl_kind)v.kind);
    size_t n = mote_tpl_count(v);
    for (; n && times > 0 && !t->status; times--)
        for (size_t i = 0; i < n && !t->status; i++, mote_tpl_work(t, 1))
            mote_tpl_append(t, out.as.list, mote_tpl_item(v, i));
    return out;
}

static tpl_value join_lists(tpl *t, tpl_value a, tpl_value b)
{
    tpl_value out = mote_tpl_list(t, (tpl_kind)a.kind);
    for (size_t i = 0, n = mote_tpl_count(a); i < n && !t->status; i++)
        mote_tpl_append(t, out.as.list, mote_tpl_item(a, i));
    for (size_t i = 0, n = mote_tpl_count(b); i < n && !t->status; i++)
        mote_tpl_append(t, out.as.list, mote_tpl_item(b, i));
    mote_tpl_work(t, 16 * (size_t)out.as.list->n);
    return out;
}

static tpl_value join_strings(tpl *t, tpl_value a, tpl_value b)
{
    size_t mark = t->n_pieces;
    mote_tpl_put(t, a);
    mote_tpl_put(t, b);
    return mote_tpl_take(t, mark);
}

static bool can_repeat(tpl_value v)
{
    return v.kind == TPL_STR || v.kind == TPL_LIST || v.kind == TPL_TUPLE;
}

tpl_value mote_tpl_binary(tpl *t, int op, tpl_value a, tpl_value b)
{
    bool lists = a.kind == b.kind && (a.kind == TPL_LIST || a.kind == TPL_TUPLE);
    if (op == '~') {
        a = mote_tpl_to_str(t, a);
        return join_strings(t, a, mote_tpl_to_str(t, b));
    }
    if (is_number(a) && is_number(b))
        return of_numbers(t, op, a, b);
    if (op == '+' && a.kind == TPL_STR && b.kind == TPL_STR)
        return join_strings(t, a, b);
    if (op == '+' && lists)
        return join_lists(t, a, b);
    if (op == '*' && can_repeat(a) && is_whole(b))
        return repeat(t, a, b.as.i);
    if (op == '*' && can_repeat(b) && is_whole(a))
        return repeat(t, b, a.as.i);
    if (op == '%' && a.kind == TPL_STR)
        mote_tpl_fail(t, MOTE_ERR_UNSUPPORTED, "formatting with % is not supported",
                      (mote_text){"", 0});
    for (int i = 0; i < 2; i++) {
        tpl_value v = i ? b : a;
        if (v.kind == TPL_UNDEF)
            mote_tpl_fail(t, MOTE_ERR_LIMIT, "is undefined", (mote_text){v.as.s.p, v.n});
    }
    mote_tpl_wrong(t, a.kind == TPL_STR || b.kind == TPL_STR
                          ? "a string can be joined by this operator to a string only"
                          : "the operator does not fit these values");
    return whole(0);
}

tpl_value mote_tpl_negate(tpl *t, tpl_value v)
{
    if (v.kind == TPL_FLOAT)
        return number(-v.as.f);
    if (is_whole(v))
        return of_wholes(t, '-', 0, v.as.i);
    mote_tpl_wrong(t, "this value has no sign");
    return v;
}
