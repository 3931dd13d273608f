/* template_access.c: v.name, v[index] and slices in chat templates. What does not exist is
 * undefined, as in Jinja; only looking into something undefined fails. Read template_list.c
 * first.
 */
#include "tokenizer/template.h"

static tpl_value undefined(tpl_value name, bool method)
{
    tpl_value v = {.kind = TPL_UNDEF, .flag = method};
    v.as.s.p = name.kind == TPL_STR ? name.as.s.p : "";
    v.n = name.kind == TPL_STR ? name.n : 0;
    return v;
}

static tpl_value whole(size_t i) { return (tpl_value){.kind = TPL_INT, .as.i = (int64_t)i}; }

static tpl_value boolean(bool b) { return (tpl_value){.kind = TPL_BOOL, .as.i = b}; }

static tpl_value method(tpl *t, tpl_value self, int id)
{
    tpl_value v = {.kind = TPL_METHOD, .n = (uint32_t)id};
    v.as.self = mote_tpl_alloc(t, 1, sizeof self);
    if (!v.as.self)
        return (tpl_value){.kind = TPL_NONE};
    *v.as.self = self;
    return v;
}

static tpl_value loop_attr(tpl *t, tpl_value v, tpl_value name)
{
    const tpl_loop *l = v.as.loop;
    mote_text s = {name.as.s.p, name.n};
    size_t index = l->i; /* of the current item, from 1 */
    if (mote_tpl_is(s, "index"))
        return whole(index);
    if (mote_tpl_is(s, "index0"))
        return whole(index - 1);
    if (mote_tpl_is(s, "first"))
        return boolean(index == 1);
    if (mote_tpl_is(s, "last"))
        return boolean(index == l->n);
    if (mote_tpl_is(s, "length"))
        return whole(l->n);
    if (mote_tpl_is(s, "revindex"))
        return whole(l->n - index + 1);
    if (mote_tpl_is(s, "revindex0"))
        return whole(l->n - index);
    if (mote_tpl_is(s, "depth"))
        return whole(1);
    if (mote_tpl_is(s, "depth0"))
        return whole(0);
    if (mote_tpl_is(s, "previtem") && index > 1)
        return mote_tpl_item(l->seq, index - 2);
    if (mote_tpl_is(s, "nextitem") && index < l->n)
        return mote_tpl_item(l->seq, index);
    int id = mote_tpl_method_id(v, s);
    return id < 0 ? undefined(name, false) : method(t, v, id);
}

tpl_value mote_tpl_attr(tpl *t, tpl_value v, tpl_value name)
{
    tpl_value found;
    mote_text s = {name.as.s.p, name.n};
    if (v.kind == TPL_UNDEF) {
        mote_tpl_fail(t, MOTE_ERR_LIMIT, "is undefined", (mote_text){v.as.s.p, v.n});
        return v;
    }
    if (v.kind == TPL_LOOP)
        return loop_attr(t, v, name);
    int id = mote_tpl_method_id(v, s);
    if (id >= 0)
        return method(t, v, id);
    if ((v.kind == TPL_DICT || v.kind == TPL_SPACE) && mote_tpl_dict_get(t, v, name, &found))
        return found;
    if (v.kind == TPL_CYCLER && mote_tpl_is(s, "current"))
        return v.as.list->items[v.as.list->used % v.as.list->n];
    return undefined(name, v.kind == TPL_STR || v.kind == TPL_INT || v.kind == TPL_FLOAT);
}

static bool is_list(tpl_value v)
{
    return v.kind == TPL_LIST || v.kind == TPL_TUPLE || v.kind == TPL_RANGE;
}

tpl_value mote_tpl_index(tpl *t, tpl_value v, tpl_value index)
{
    tpl_value found;
    bool number = index.kind == TPL_INT || index.kind == TPL_BOOL;
    if (v.kind == TPL_DICT && mote_tpl_dict_get(t, v, index, &found))
        return found;
    if (v.kind == TPL_UNDEF || (index.kind == TPL_STR && !is_list(v)))
        return mote_tpl_attr(t, v, index.kind == TPL_STR ? index : mote_tpl_str("[]"));
    if (number && (is_list(v) || v.kind == TPL_STR)) {
        if (v.kind == TPL_STR)
            mote_tpl_work(t, 16 * (size_t)v.n);
        int64_t n = (int64_t)(v.kind == TPL_STR ? mote_tpl_rune_count(v) : mote_tpl_count(v));
        int64_t i = index.as.i < 0 ? index.as.i + n : index.as.i;
        if (i < 0 || i >= n)
            return undefined(index, false);
        if (v.kind != TPL_STR)
            return mote_tpl_item(v, (size_t)i);
        uint32_t rune;
        size_t at = mote_tpl_rune_at(v, (size_t)i);
        return mote_tpl_substr(v, at, mote_tpl_rune(v, at, &rune));
    }
    return index.kind == TPL_STR ? mote_tpl_attr(t, v, index) : undefined(index, false);
}

/* ---- slices --------------------------------------------------------------------------------- */

/* One end of a slice of n items, as Python cuts it to the range. */
static int64_t slice_end(tpl_value v, int64_t n, bool backward, int64_t other)
{
    int64_t i = v.as.i;
    if (v.kind == TPL_NONE)
        return other;
    if (i < 0)
        i = i < -n ? -1 : i + n;
    if (i < 0)
        return backward ? -1 : 0;
    return i < n ? i : backward ? n - 1 : n;
}

static tpl_value slice_items(tpl *t, tpl_value v, int64_t from, int64_t to, int64_t step)
{
    tpl_value out = mote_tpl_list(t, v.kind == TPL_TUPLE ? TPL_TUPLE : TPL_LIST);
    for (int64_t i = from; (step > 0 ? i < to : i > to) && !t->status; i += step) {
        mote_tpl_work(t, 1);
        mote_tpl_append(t, out.as.list, mote_tpl_item(v, (size_t)i));
    }
    return out;
}

tpl_value mote_tpl_slice(tpl *t, tpl_value v, const tpl_value part[3])
{
    bool text = v.kind == TPL_STR;
    int64_t step = part[2].kind == TPL_NONE ? 1 : part[2].as.i;
    for (size_t i = 0; i < 3; i++)
        if (part[i].kind != TPL_NONE && part[i].kind != TPL_INT && part[i].kind != TPL_BOOL)
            mote_tpl_wrong(t, "the ends of a slice must be whole numbers");
    if (v.kind == TPL_UNDEF)
        return mote_tpl_attr(t, v, mote_tpl_str("[]"));
    if (!text && !is_list(v))
        return undefined(mote_tpl_str("[]"), false);
    if (!step)
        mote_tpl_wrong(t, "the step of a slice is 0");
    if (t->status)
        return v;
    mote_tpl_work(t, text ? 16 * (size_t)v.n : 1);
    int64_t n = (int64_t)(text ? mote_tpl_rune_count(v) : mote_tpl_count(v));
    int64_t from = slice_end(part[0], n, step < 0, step < 0 ? n - 1 : 0);
    int64_t to = slice_end(part[1], n, step < 0, step < 0 ? -1 : n);
    step = step > n ? n + 1 : step < -n ? -n - 1 : step;
    if (!text)
        return slice_items(t, v, from, to, step);
    if (step == 1) {
        size_t begin = mote_tpl_rune_at(v, (size_t)from);
        size_t end = mote_tpl_rune_at(v, to < from ? (size_t)from : (size_t)to);
        return mote_tpl_substr(v, begin, end - begin);
    }
    v = slice_items(t, mote_tpl_iterate(t, v), from, to, step);
    size_t mark = t->n_pieces;
    for (size_t i = 0; i < mote_tpl_count(v); i++)
        mote_tpl_put(t, mote_tpl_item(v, i));
    return mote_tpl_take(t, mark);
}
