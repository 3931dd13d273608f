/* template_map.c: tests of chat templates, and the filters that apply filters and tests to the
 * items of a sequence. Read template_filter.c first.
 */
#include "tokenizer/template.h"

/* ---- tests ---------------------------------------------------------------------------------- */

enum {
    DEFINED,
    UNDEFINED,
    NONE,
    STRING,
    MAPPING,
    ITERABLE,
    SEQUENCE,
    NUMBER,
    INTEGER,
    FLOAT,
    BOOLEAN,
    IS_TRUE,
    IS_FALSE,
    CALLABLE,
    LOWER,
    UPPER,
    ODD,
    EVEN, /* from here on with an argument */
    DIVISIBLEBY,
    SAMEAS,
    EQ,
    NE,
    LT,
    LE,
    GT,
    GE,
    IN
};

static const struct {
    const char *name;
    int id;
} tests[] = {{"defined", DEFINED},
             {"undefined", UNDEFINED},
             {"none", NONE},
             {"string", STRING},
             {"mapping", MAPPING},
             {"iterable", ITERABLE},
             {"sequence", SEQUENCE},
             {"number", NUMBER},
             {"integer", INTEGER},
             {"float", FLOAT},
             {"boolean", BOOLEAN},
             {"true", IS_TRUE},
             {"false", IS_FALSE},
             {"callable", CALLABLE},
             {"lower", LOWER},
             {"upper", UPPER},
             {"odd", ODD},
             {"even", EVEN},
             {"divisibleby", DIVISIBLEBY},
             {"sameas", SAMEAS},
             {"eq", EQ},
             {"==", EQ},
             {"equalto", EQ},
             {"ne", NE},
             {"!=", NE},
             {"lt", LT},
             {"<", LT},
             {"lessthan", LT},
             {"le", LE},
             {"<=", LE},
             {"gt", GT},
             {">", GT},
             {"greaterthan", GT},
             {"ge", GE},
             {">=", GE},
             {"in", IN}};

int mote_tpl_test_id(mote_text name)
{
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (mote_tpl_is(name, tests[i].name))
            return tests[i].id;
    return -1;
}

static bool test_kind(int id, tpl_value v)
{
    bool whole = v.kind == TPL_INT, text = v.kind == TPL_STR || v.kind == TPL_UNDEF;
    switch (id) {
    case DEFINED: return v.kind != TPL_UNDEF;
    case UNDEFINED: return v.kind == TPL_UNDEF;
    case NONE: return v.kind == TPL_NONE;
    case STRING: return v.kind == TPL_STR;
    case MAPPING: return v.kind == TPL_DICT;
    case ITERABLE: return text || mote_tpl_is_seq(v) || v.kind == TPL_DICT || v.kind == TPL_LOOP;
    case SEQUENCE: return text || (mote_tpl_is_seq(v) && v.kind != TPL_GEN) || v.kind == TPL_DICT;
    case NUMBER: return whole || v.kind == TPL_BOOL || v.kind == TPL_FLOAT;
    case INTEGER: return whole;
    case FLOAT: return v.kind == TPL_FLOAT;
    case BOOLEAN: return v.kind == TPL_BOOL;
    case IS_TRUE: return v.kind == TPL_BOOL && v.as.i;
    case IS_FALSE: return v.kind == TPL_BOOL && !v.as.i;
    default:
        return v.kind == TPL_FUNC || v.kind == TPL_METHOD || v.kind == TPL_MACRO ||
               v.kind == TPL_JOINER || v.kind == TPL_UNDEF;
    }
}

static bool same_object(tpl_value a, tpl_value b)
{
    if (a.kind == TPL_LIST || a.kind == TPL_TUPLE || a.kind == TPL_DICT)
        return a.kind == b.kind && a.as.list == b.as.list;
    return a.kind == b.kind && mote_tpl_same_scalar(a, b);
}

static bool is_divisible(tpl *t, tpl_value v, tpl_value by)
{
    tpl_value zero = {.kind = TPL_INT};
    return mote_tpl_equal(t, mote_tpl_binary(t, '%', v, by), zero);
}

bool mote_tpl_test(tpl *t, int id, tpl_value v, const tpl_args *args)
{
    tpl_value two = {.kind = TPL_INT, .as.i = 2};
    int method = mote_tpl_str_method((mote_text){id == LOWER ? "islower" : "isupper", 7});
    if (id <= CALLABLE)
        return test_kind(id, v);
    if (id == LOWER || id == UPPER)
        return mote_tpl_call_str(t, method, mote_tpl_to_str(t, v), &(tpl_args){NULL, 0, 0}).as.i;
    if (id == ODD || id == EVEN)
        return is_divisible(t, v, two) == (id == EVEN);
    if (args->n != 1) {
        mote_tpl_wrong(t, "this test takes one argument");
        return false;
    }
    if (id == DIVISIBLEBY)
        return is_divisible(t, v, args->v[0]);
    if (id == SAMEAS)
        return same_object(v, args->v[0]);
    return mote_tpl_compare(t, id - EQ + TPL_EQ, v, args->v[0]);
}

/* ---- filters that apply filters and tests --------------------------------------------------- */

/* The name of a filter or test, the first of args, which is taken off. */
static mote_text take_name(tpl *t, tpl_args *args)
{
    mote_text name = {"", 0};
    if (!args->n || args->v[0].kind != TPL_STR) {
        mote_tpl_wrong(t, "the name of a filter or test is wanted");
        return name;
    }
    name = (mote_text){args->v[0].as.s.p, args->v[0].n};
    args->v++;
    args->n--;
    return name;
}

static tpl_value mapped(tpl *t, tpl_value v, tpl_args args)
{
    tpl_value out = mote_tpl_list(t, TPL_GEN), attribute, other = {.kind = TPL_UNDEF};
    bool by_attribute = !args.n && mote_tpl_arg(&args, 0, "attribute", &attribute);
    mote_text name = by_attribute ? (mote_text){"", 0} : take_name(t, &args);
    int id = mote_tpl_filter_id(name);
    if (!by_attribute && id < 0)
        mote_tpl_fail(t, MOTE_ERR_UNSUPPORTED, "this filter is not supported", name);
    if (by_attribute)
        mote_tpl_arg(&args, SIZE_MAX, "default", &other);
    tpl_value all = mote_tpl_iterate(t, v);
    for (size_t i = 0, n = mote_tpl_count(all); i < n && !t->status; i++) {
        tpl_value item = mote_tpl_item(all, i);
        mote_tpl_work(t, 1);
        item =
            by_attribute ? mote_tpl_path(t, item, attribute) : mote_tpl_filter(t, id, item, &args);
        if (by_attribute && item.kind == TPL_UNDEF && other.kind != TPL_UNDEF)
            item = other;
        mote_tpl_append(t, out.as.list, item);
    }
    return out;
}

/* select, reject, selectattr, rejectattr: by a test, else by truth. */
static tpl_value selected(tpl *t, tpl_value v, tpl_args args, bool by_attribute, bool keep)
{
    tpl_value out = mote_tpl_list(t, TPL_GEN), attribute = {.kind = TPL_NONE};
    mote_text name = {"", 0};
    int id = -1;
    if (by_attribute && args.n) {
        attribute = args.v[0];
        args.v++;
        args.n--;
    }
    if (args.n) {
        name = take_name(t, &args);
        id = mote_tpl_test_id(name);
        if (id < 0)
            mote_tpl_fail(t, MOTE_ERR_UNSUPPORTED, "this test is not supported", name);
    }
    tpl_value all = mote_tpl_iterate(t, v);
    for (size_t i = 0, n = mote_tpl_count(all); i < n && !t->status; i++) {
        tpl_value item = mote_tpl_item(all, i), by = mote_tpl_path(t, item, attribute);
        mote_tpl_work(t, 1);
        if ((id < 0 ? mote_tpl_truth(t, by) : mote_tpl_test(t, id, by, &args)) == keep)
            mote_tpl_append(t, out.as.list, item);
    }
    return out;
}

tpl_value mote_tpl_apply(tpl *t, int id, tpl_value v, const tpl_args *args)
{
    switch (id) {
    case TPL_F_MAP: return mapped(t, v, *args);
    case TPL_F_SELECT: return selected(t, v, *args, false, true);
    case TPL_F_REJECT: return selected(t, v, *args, false, false);
    case TPL_F_SELECTATTR: return selected(t, v, *args, true, true);
    case TPL_F_REJECTATTR: return selected(t, v, *args, true, false);
    default: return mote_tpl_filter(t, id, v, args);
    }
}
