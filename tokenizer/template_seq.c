/* template_seq.c: filters of chat templates that order, search or add up sequences. */
#include "tokenizer/template.h"

/* ---- keys ----------------------------------------------------------------------------------- */

/* "a.b.0" followed from v. */
tpl_value mote_tpl_path(tpl *t, tpl_value v, tpl_value path)
{
    if (path.kind != TPL_STR)
        return path.kind == TPL_NONE ? v : mote_tpl_index(t, v, path);
    for (size_t i = 0, end; i <= path.n && !t->status; i = end + 1) {
        tpl_value part = {.kind = TPL_INT};
        bool digits = i < path.n && path.n - i < 18;
        for (end = i; end < path.n && path.as.s.p[end] != '.'; end++) {
            digits &= path.as.s.p[end] >= '0' && path.as.s.p[end] <= '9';
            if (digits)
                part.as.i = part.as.i * 10 + (path.as.s.p[end] - '0');
        }
        v = mote_tpl_index(t, v, digits && end > i ? part : mote_tpl_substr(path, i, end - i));
    }
    return v;
}

/* What an item is ordered or compared by: an attribute; strings without case unless asked. */
static tpl_value key_of(tpl *t, tpl_value v, tpl_value attribute, bool cased)
{
    v = mote_tpl_path(t, v, attribute);
    return v.kind == TPL_STR && !cased ? mote_tpl_case(t, v, 'l') : v;
}

/* ---- sorting -------------------------------------------------------------------------------- */

typedef struct pair {
    tpl_value key, item;
} pair;

/* Merges runs of `width`; equal keys stay in order. */
static void merge_runs(tpl *t, const pair *in, pair *out, size_t n, size_t width, bool down)
{
    for (size_t begin = 0; begin < n; begin += 2 * width) {
        size_t i = begin, mid = begin + width < n ? begin + width : n;
        size_t k = mid, end = mid + width < n ? mid + width : n;
        for (size_t at = begin; at < end; at++) {
            bool second = i == mid;
            if (!second && k < end && !t->status) {
                int way = mote_tpl_order(t, in[k].key, in[i].key);
                second = down ? way > 0 : way < 0;
            }
            out[at] = second ? in[k++] : in[i++];
        }
        mote_tpl_work(t, 64 * (end - begin));
    }
}

static void sort_pairs(tpl *t, pair *pairs, size_t n, bool down)
{
    pair *other = mote_tpl_alloc(t, n, sizeof *other), *from = pairs;
    for (size_t width = 1; width < n && !t->status; width *= 2) {
        merge_runs(t, from, from == pairs ? other : pairs, n, width, down);
        from = from == pairs ? other : pairs;
    }
    if (from != pairs && !t->status)
        memcpy(pairs, from, n * sizeof *pairs);
}

static tpl_value sorted(tpl *t, tpl_value v, const tpl_args *args)
{
    tpl_value no = {.kind = TPL_BOOL}, none = {.kind = TPL_NONE};
    bool down = mote_tpl_truth(t, mote_tpl_arg_or(args, 0, "reverse", no));
    bool cased = mote_tpl_truth(t, mote_tpl_arg_or(args, 1, "case_sensitive", no));
    tpl_value attribute = mote_tpl_arg_or(args, 2, "attribute", none);
    tpl_value out = mote_tpl_list(t, TPL_LIST), all = mote_tpl_iterate(t, v);
    size_t n = mote_tpl_count(all);
    pair *pairs = mote_tpl_alloc(t, n, sizeof *pairs);
    if (attribute.kind == TPL_STR && attribute.n &&
        tpl_find_byte(attribute.as.s.p, ',', attribute.n))
        mote_tpl_fail(t, MOTE_ERR_UNSUPPORTED, "sorting by several attributes is not supported",
                      (mote_text){"", 0});
    for (size_t i = 0; i < n && !t->status; i++) {
        mote_tpl_work(t, 1);
        pairs[i].item = mote_tpl_item(all, i);
        pairs[i].key = key_of(t, pairs[i].item, attribute, cased);
    }
    if (!t->status)
        sort_pairs(t, pairs, n, down);
    for (size_t i = 0; i < n && !t->status; i++)
        mote_tpl_append(t, out.as.list, pairs[i].item);
    return out;
}

/* The members of a dict as sorted pairs (tuples). */
static tpl_value sort_dict(tpl *t, tpl_value d, bool cased, bool by_value, bool down)
{
    tpl_value out = mote_tpl_list(t, TPL_LIST), key, v;
    size_t n = d.kind == TPL_DICT ? mote_tpl_dict_count(d) : 0;
    pair *pairs = mote_tpl_alloc(t, n, sizeof *pairs);
    if (d.kind != TPL_DICT)
        mote_tpl_wrong(t, "dictsort wants a dict");
    for (size_t i = 0; i < n && !t->status; i++) {
        mote_tpl_work(t, 1);
        mote_tpl_dict_pair(d, i, &key, &v);
        pairs[i].item = mote_tpl_pair(t, key, v);
        pairs[i].key = by_value ? v : key;
        if (pairs[i].key.kind == TPL_STR && !cased)
            pairs[i].key = mote_tpl_case(t, pairs[i].key, 'l');
    }
    if (!t->status)
        sort_pairs(t, pairs, n, down);
    for (size_t i = 0; i < n && !t->status; i++)
        mote_tpl_append(t, out.as.list, pairs[i].item);
    return out;
}

tpl_value mote_tpl_sorted_dict(tpl *t, tpl_value d)
{
    tpl_value list = sort_dict(t, d, true, false, false), out = mote_tpl_dict(t, TPL_DICT);
    for (size_t i = 0; i < mote_tpl_count(list) && !t->status; i++) {
        tpl_value p = mote_tpl_item(list, i);
        mote_tpl_dict_set(t, out.as.dict, mote_tpl_item(p, 0), mote_tpl_item(p, 1));
    }
    return out;
}

static tpl_value dict_sort(tpl *t, tpl_value v, const tpl_args *args)
{
    tpl_value no = {.kind = TPL_BOOL}, by = mote_tpl_arg_or(args, 1, "by", mote_tpl_str("key"));
    bool cased = mote_tpl_truth(t, mote_tpl_arg_or(args, 0, "case_sensitive", no));
    bool down = mote_tpl_truth(t, mote_tpl_arg_or(args, 2, "reverse", no));
    bool by_value = by.kind == TPL_STR && mote_tpl_same_str(by, mote_tpl_str("value"));
    return sort_dict(t, v, cased, by_value, down);
}

/* ---- choosing and adding -------------------------------------------------------------------- */

static tpl_value nothing(void)
{
    tpl_value v = mote_tpl_str("an item of an empty sequence");
    v.kind = TPL_UNDEF;
    return v;
}

static tpl_value extreme(tpl *t, tpl_value v, const tpl_args *args, bool largest)
{
    tpl_value no = {.kind = TPL_BOOL}, none = {.kind = TPL_NONE}, best = nothing(), best_key = none;
    bool cased = mote_tpl_truth(t, mote_tpl_arg_or(args, 0, "case_sensitive", no));
    tpl_value attribute = mote_tpl_arg_or(args, 1, "attribute", none);
    tpl_value all = mote_tpl_iterate(t, v);
    for (size_t i = 0, n = mote_tpl_count(all); i < n && !t->status; i++) {
        tpl_value item = mote_tpl_item(all, i), key = key_of(t, item, attribute, cased);
        int way = i ? mote_tpl_order(t, key, best_key) : 0;
        mote_tpl_work(t, 1);
        if (!i || (largest ? way > 0 : way < 0)) {
            best = item;
            best_key = key;
        }
    }
    return best;
}

static tpl_value summed(tpl *t, tpl_value v, const tpl_args *args)
{
    tpl_value none = {.kind = TPL_NONE}, zero = {.kind = TPL_INT};
    tpl_value attribute = mote_tpl_arg_or(args, 0, "attribute", none);
    tpl_value sum = mote_tpl_arg_or(args, 1, "start", zero), all = mote_tpl_iterate(t, v);
    for (size_t i = 0, n = mote_tpl_count(all); i < n && !t->status; i++) {
        mote_tpl_work(t, 1);
        sum = mote_tpl_binary(t, '+', sum, mote_tpl_path(t, mote_tpl_item(all, i), attribute));
    }
    return sum;
}

static tpl_value unique(tpl *t, tpl_value v, const tpl_args *args)
{
    tpl_value no = {.kind = TPL_BOOL}, none = {.kind = TPL_NONE};
    bool cased = mote_tpl_truth(t, mote_tpl_arg_or(args, 0, "case_sensitive", no));
    tpl_value attribute = mote_tpl_arg_or(args, 1, "attribute", none);
    tpl_value out = mote_tpl_list(t, TPL_GEN), keys = mote_tpl_list(t, TPL_LIST);
    tpl_value all = mote_tpl_iterate(t, v);
    for (size_t i = 0, n = mote_tpl_count(all); i < n && !t->status; i++) {
        tpl_value item = mote_tpl_item(all, i), key = key_of(t, item, attribute, cased);
        size_t k = 0;
        while (k < keys.as.list->n && !mote_tpl_equal(t, keys.as.list->items[k], key))
            k++;
        if (k < keys.as.list->n)
            continue;
        mote_tpl_append(t, keys.as.list, key);
        mote_tpl_append(t, out.as.list, item);
    }
    return out;
}

static tpl_value joined(tpl *t, tpl_value v, const tpl_args *args)
{
    tpl_value none = {.kind = TPL_NONE};
    tpl_value between = mote_tpl_to_str(t, mote_tpl_arg_or(args, 0, "d", mote_tpl_str("")));
    tpl_value attribute = mote_tpl_arg_or(args, 1, "attribute", none);
    tpl_value all = mote_tpl_iterate(t, v);
    size_t mark = t->n_pieces;
    for (size_t i = 0, n = mote_tpl_count(all); i < n && !t->status; i++) {
        mote_tpl_work(t, 1);
        if (i)
            mote_tpl_put(t, between);
        tpl_value item = mote_tpl_path(t, mote_tpl_item(all, i), attribute);
        mote_tpl_put(t, mote_tpl_to_str(t, item));
    }
    return mote_tpl_take(t, mark);
}

static tpl_value reversed(tpl *t, tpl_value v)
{
    size_t mark = t->n_pieces;
    tpl_value all = mote_tpl_iterate(t, v), out = mote_tpl_list(t, TPL_GEN);
    for (size_t i = mote_tpl_count(all); i-- > 0 && !t->status; mote_tpl_work(t, 1)) {
        if (v.kind == TPL_STR)
            mote_tpl_put(t, mote_tpl_item(all, i));
        else
            mote_tpl_append(t, out.as.list, mote_tpl_item(all, i));
    }
    return v.kind == TPL_STR ? mote_tpl_take(t, mark) : out;
}

tpl_value mote_tpl_seq_filter(tpl *t, int id, tpl_value v, const tpl_args *args)
{
    size_t n;
    switch (id) {
    case TPL_F_DICTSORT: return dict_sort(t, v, args);
    case TPL_F_FIRST:
    case TPL_F_LAST:
        v = mote_tpl_iterate(t, v);
        n = mote_tpl_count(v);
        return n ? mote_tpl_item(v, id == TPL_F_FIRST ? 0 : n - 1) : nothing();
    case TPL_F_JOIN: return joined(t, v, args);
    case TPL_F_MAX: return extreme(t, v, args, true);
    case TPL_F_MIN: return extreme(t, v, args, false);
    case TPL_F_REVERSE: return reversed(t, v);
    case TPL_F_SORT: return sorted(t, v, args);
    case TPL_F_SUM: return summed(t, v, args);
    case TPL_F_UNIQUE: return unique(t, v, args);
    default:
        mote_tpl_fail(t, MOTE_ERR_UNSUPPORTED, "this filter cannot be applied by a filter",
                      (mote_text){"", 0});
        return v;
    }
}
