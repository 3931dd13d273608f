/* template_list.c: lists and dicts of chat templates, and walking them. Read template_value.c
 * first. */
#include "tokenizer/template.h"

/* ---- lists ---------------------------------------------------------------------------------- */

tpl_value mote_tpl_list(tpl *t, tpl_kind kind)
{
    tpl_value v = {.kind = (uint8_t)kind};
    v.as.list = mote_tpl_alloc(t, 1, sizeof(tpl_list));
    if (!v.as.list)
        v.as.list = &t->no_list;
    *v.as.list = (tpl_list){.n = 0};
    return v;
}

/* A larger copy of an array of values; NULL on failure. */
static tpl_value *grow(tpl *t, const tpl_value *old, size_t n, size_t cap)
{
    tpl_value *items = mote_tpl_alloc(t, cap, sizeof *items);
    if (items && n)
        memcpy(items, old, n * sizeof *items);
    return items;
}

void mote_tpl_append(tpl *t, tpl_list *list, tpl_value v)
{
    if (t->status)
        return;
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 4;
        tpl_value *items = grow(t, list->items, list->n, cap);
        if (!items)
            return;
        list->items = items;
        list->cap = cap;
    }
    list->items[list->n++] = v;
}

tpl_value mote_tpl_pair(tpl *t, tpl_value a, tpl_value b)
{
    tpl_value v = mote_tpl_list(t, TPL_TUPLE);
    if (!t->status) {
        mote_tpl_append(t, v.as.list, a);
        mote_tpl_append(t, v.as.list, b);
    }
    return v;
}

/* ---- dicts ---------------------------------------------------------------------------------- */

tpl_value mote_tpl_dict(tpl *t, tpl_kind kind)
{
    tpl_value v = {.kind = (uint8_t)kind};
    v.as.dict = mote_tpl_alloc(t, 1, sizeof(tpl_dict));
    if (!v.as.dict)
        v.as.dict = &t->no_dict;
    *v.as.dict = (tpl_dict){.n = 0};
    return v;
}

/* The caller's members have text keys only. */
static bool get_member(tpl *t, const mote_value *src, tpl_value key, tpl_value *v)
{
    if (key.kind != TPL_STR)
        return false;
    mote_tpl_work(t, src->as.dict.n * 4);
    for (size_t i = src->as.dict.n; i-- > 0;) {
        const mote_member *m = &src->as.dict.members[i];
        if (m->key.bytes == key.n && (!key.n || memcmp(m->key.ptr, key.as.s.p, key.n) == 0)) {
            *v = mote_tpl_import(&m->value);
            return true;
        }
    }
    return false;
}

bool mote_tpl_dict_get(tpl *t, tpl_value d, tpl_value key, tpl_value *v)
{
    if (d.flag)
        return get_member(t, d.as.src, key, v);
    for (size_t i = 0; i < d.as.dict->n && !t->status; i++) {
        mote_tpl_work(t, key.kind == TPL_STR ? key.n : 1);
        if (mote_tpl_same_scalar(d.as.dict->pairs[2 * i], key)) {
            *v = d.as.dict->pairs[2 * i + 1];
            return true;
        }
    }
    return false;
}

void mote_tpl_dict_set(tpl *t, tpl_dict *d, tpl_value key, tpl_value v)
{
    if (mote_tpl_is_seq(key) || key.kind == TPL_DICT)
        mote_tpl_fail(t, key.kind == TPL_TUPLE ? MOTE_ERR_UNSUPPORTED : MOTE_ERR_LIMIT,
                      "this cannot be a key of a dict", (mote_text){"", 0});
    for (size_t i = 0; i < d->n && !t->status; i++) {
        mote_tpl_work(t, key.kind == TPL_STR ? key.n : 1);
        if (mote_tpl_same_scalar(d->pairs[2 * i], key)) {
            d->pairs[2 * i + 1] = v;
            return;
        }
    }
    if (t->status)
        return;
    if (d->n == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 4;
        tpl_value *pairs = grow(t, d->pairs, 2 * d->n, 2 * cap);
        if (!pairs)
            return;
        d->pairs = pairs;
        d->cap = cap;
    }
    d->pairs[2 * d->n] = key;
    d->pairs[2 * d->n++ + 1] = v;
}

size_t mote_tpl_dict_count(tpl_value d) { return d.flag ? d.as.src->as.dict.n : d.as.dict->n; }

void mote_tpl_dict_pair(tpl_value d, size_t i, tpl_value *key, tpl_value *v)
{
    if (d.flag) {
        const mote_member *m = &d.as.src->as.dict.members[i];
        mote_value text = {.kind = MOTE_VALUE_STRING, .as.string = m->key};
        text.untrusted = d.as.src->untrusted;
        *key = mote_tpl_import(&text);
        *v = mote_tpl_import(&m->value);
    } else {
        *key = d.as.dict->pairs[2 * i];
        *v = d.as.dict->pairs[2 * i + 1];
    }
}

/* ---- sequences ------------------------------------------------------------------------------ */

bool mote_tpl_is_seq(tpl_value v)
{
    return v.kind == TPL_LIST || v.kind == TPL_TUPLE || v.kind == TPL_GEN || v.kind == TPL_RANGE;
}

size_t mote_tpl_count(tpl_value seq)
{
    if (seq.kind == TPL_RANGE)
        return seq.as.range->n;
    return seq.kind == TPL_LIST && seq.flag ? seq.as.src->as.list.n : seq.as.list->n;
}

tpl_value mote_tpl_item(tpl_value seq, size_t i)
{
    if (seq.kind == TPL_RANGE) {
        int64_t value = seq.as.range->start + (int64_t)i * seq.as.range->step;
        return (tpl_value){.kind = TPL_INT, .as.i = value};
    }
    if (seq.kind == TPL_LIST && seq.flag)
        return mote_tpl_import(&seq.as.src->as.list.items[i]);
    return seq.as.list->items[i];
}

/* The code points of a string. */
static tpl_value runes_of(tpl *t, tpl_value s)
{
    tpl_value out = mote_tpl_list(t, TPL_LIST);
    uint32_t rune;
    for (size_t i = 0, n; i < s.n && !t->status; i += n) {
        n = mote_tpl_rune(s, i, &rune);
        mote_tpl_work(t, 1);
        mote_tpl_append(t, out.as.list, mote_tpl_substr(s, i, n));
    }
    return out;
}

static tpl_value keys_of(tpl *t, tpl_value d)
{
    tpl_value out = mote_tpl_list(t, TPL_LIST), key, v;
    size_t n = mote_tpl_dict_count(d);
    mote_tpl_work(t, n * 16);
    for (size_t i = 0; i < n && !t->status; i++) {
        mote_tpl_dict_pair(d, i, &key, &v);
        mote_tpl_append(t, out.as.list, key);
    }
    return out;
}

tpl_value mote_tpl_iterate(tpl *t, tpl_value v)
{
    if (v.kind == TPL_GEN) {
        bool used = v.as.list->used++ != 0;
        return used ? mote_tpl_list(t, TPL_LIST) : v;
    }
    if (mote_tpl_is_seq(v))
        return v;
    if (v.kind == TPL_UNDEF)
        return mote_tpl_list(t, TPL_LIST);
    if (v.kind == TPL_STR)
        return runes_of(t, v);
    if (v.kind == TPL_DICT)
        return keys_of(t, v);
    mote_tpl_wrong(t, "this value cannot be iterated over");
    return mote_tpl_list(t, TPL_LIST);
}
