/* template_call.c: what chat templates can call: the global functions, the methods of dicts,
 * lists and loops. Strings' methods are in template_method.c, macros in template_run.c.
 */
#include "tokenizer/template.h"

/* ---- arguments ------------------------------------------------------------------------------ */

bool mote_tpl_arg(const tpl_args *args, size_t i, const char *name, tpl_value *v)
{
    if (i < args->n) {
        *v = args->v[i];
        return true;
    }
    for (size_t k = 0; k < args->n_named; k++) {
        const tpl_value *key = &args->v[args->n + 2 * k];
        if (mote_tpl_is((mote_text){key->as.s.p, key->n}, name)) {
            *v = key[1];
            return true;
        }
    }
    return false;
}

tpl_value mote_tpl_arg_or(const tpl_args *args, size_t i, const char *name, tpl_value other)
{
    mote_tpl_arg(args, i, name, &other);
    return other;
}

int64_t mote_tpl_int_arg(tpl *t, const tpl_args *args, size_t i, const char *name, int64_t other)
{
    tpl_value v;
    if (!mote_tpl_arg(args, i, name, &v))
        return other;
    if (v.kind != TPL_INT && v.kind != TPL_BOOL) {
        mote_tpl_wrong(t, "a whole number is wanted as an argument");
        return other;
    }
    return v.as.i;
}

/* ---- global functions ----------------------------------------------------------------------- */

enum { RANGE, DICT, NAMESPACE, RAISE, STRFTIME, CYCLER, JOINER, N_GLOBALS };

bool mote_tpl_global(mote_text name, tpl_value *v)
{
    static const char *const names[N_GLOBALS] = {
        "range", "dict", "namespace", "raise_exception", "strftime_now", "cycler", "joiner"};
    for (uint32_t i = 0; i < N_GLOBALS; i++)
        if (mote_tpl_is(name, names[i])) {
            *v = (tpl_value){.kind = TPL_FUNC, .n = i};
            return true;
        }
    return false;
}

static tpl_value make_range(tpl *t, const tpl_args *args)
{
    tpl_value v = {.kind = TPL_RANGE};
    int64_t first = mote_tpl_int_arg(t, args, 0, "", 0);
    int64_t start = args->n > 1 ? first : 0;
    int64_t stop = args->n > 1 ? mote_tpl_int_arg(t, args, 1, "", 0) : first;
    int64_t step = mote_tpl_int_arg(t, args, 2, "", 1);
    v.as.range = mote_tpl_alloc(t, 1, sizeof(tpl_range));
    if (!args->n || args->n > 3 || !step)
        mote_tpl_wrong(t, "range() takes 1 to 3 whole numbers, the step not 0");
    if (t->status)
        return (tpl_value){.kind = TPL_NONE};
    uint64_t span = 0, stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    if (step > 0 ? start < stop : start > stop)
        span = step > 0 ? (uint64_t)stop - (uint64_t)start : (uint64_t)start - (uint64_t)stop;
    uint64_t n = span / stride + (span % stride != 0);
    if (n > TPL_MAX_RANGE)
        mote_tpl_wrong(t, "a range is limited to 100000 values");
    *v.as.range = (tpl_range){start, step, n > TPL_MAX_RANGE ? 0 : (size_t)n};
    return v;
}

/* dict() and namespace(): a dict or pairs, then named values. */
static tpl_value make_dict(tpl *t, tpl_kind kind, const tpl_args *args)
{
    tpl_value out = mote_tpl_dict(t, kind), key, v;
    if (args->n && args->v[0].kind == TPL_DICT) {
        for (size_t i = 0; i < mote_tpl_dict_count(args->v[0]) && !t->status; i++) {
            mote_tpl_dict_pair(args->v[0], i, &key, &v);
            mote_tpl_dict_set(t, out.as.dict, key, v);
        }
    } else if (args->n) {
        tpl_value all = mote_tpl_iterate(t, args->v[0]);
        for (size_t i = 0, n = mote_tpl_count(all); i < n && !t->status; i++) {
            tpl_value pair = mote_tpl_item(all, i);
            if (!mote_tpl_is_seq(pair) || mote_tpl_count(pair) != 2)
                mote_tpl_wrong(t, "a dict is made of pairs");
            else
                mote_tpl_dict_set(t, out.as.dict, mote_tpl_item(pair, 0), mote_tpl_item(pair, 1));
        }
    }
    for (size_t i = 0; i < args->n_named && !t->status; i++) {
        const tpl_value *named = &args->v[args->n + 2 * i];
        mote_tpl_dict_set(t, out.as.dict, named[0], named[1]);
    }
    return out;
}

static tpl_value raise_exception(tpl *t, const tpl_args *args)
{
    tpl_value text = mote_tpl_to_str(t, mote_tpl_arg_or(args, 0, "message", mote_tpl_str("")));
    if (!t->status)
        t->message = (mote_text){text.as.s.p, text.n};
    mote_tpl_wrong(t, "the template refuses this conversation");
    return text;
}

static tpl_value list_of_args(tpl *t, tpl_kind kind, const tpl_args *args)
{
    tpl_value out = mote_tpl_list(t, TPL_LIST);
    for (size_t i = 0; i < args->n; i++)
        mote_tpl_append(t, out.as.list, args->v[i]);
    out.kind = (uint8_t)kind;
    return out;
}

static tpl_value call_global(tpl *t, uint32_t id, const tpl_args *args)
{
    tpl_value separator = mote_tpl_str(", ");
    switch (id) {
    case RANGE: return make_range(t, args);
    case DICT: return make_dict(t, TPL_DICT, args);
    case NAMESPACE: return make_dict(t, TPL_SPACE, args);
    case RAISE: return raise_exception(t, args);
    case STRFTIME:
        return mote_tpl_strftime(t, mote_tpl_arg_or(args, 0, "format", mote_tpl_str("")));
    case CYCLER:
        if (!args->n)
            mote_tpl_wrong(t, "cycler() wants values");
        return list_of_args(t, TPL_CYCLER, args);
    default:
        separator = mote_tpl_arg_or(args, 0, "sep", separator);
        return list_of_args(t, TPL_JOINER, &(tpl_args){&separator, 1, 0});
    }
}

/* ---- methods -------------------------------------------------------------------------------- */

enum {
    GET = 100,
    ITEMS,
    KEYS,
    VALUES,
    COPY,
    FIND_INDEX,
    COUNT,
    CYCLE,
    CHANGED,
    NEXT,
    RESET,
    CHANGES
};

static const struct {
    uint8_t kind, id;
    const char *name;
} methods[] = {{TPL_DICT, GET, "get"},          {TPL_DICT, ITEMS, "items"},
               {TPL_DICT, KEYS, "keys"},        {TPL_DICT, VALUES, "values"},
               {TPL_DICT, COPY, "copy"},        {TPL_DICT, CHANGES, "pop"},
               {TPL_DICT, CHANGES, "popitem"},  {TPL_DICT, CHANGES, "update"},
               {TPL_DICT, CHANGES, "clear"},    {TPL_DICT, CHANGES, "setdefault"},
               {TPL_LIST, FIND_INDEX, "index"}, {TPL_LIST, COUNT, "count"},
               {TPL_LIST, COPY, "copy"},        {TPL_LIST, CHANGES, "append"},
               {TPL_LIST, CHANGES, "clear"},    {TPL_LIST, CHANGES, "pop"},
               {TPL_LIST, CHANGES, "extend"},   {TPL_LIST, CHANGES, "insert"},
               {TPL_LIST, CHANGES, "remove"},   {TPL_LIST, CHANGES, "reverse"},
               {TPL_LIST, CHANGES, "sort"},     {TPL_TUPLE, FIND_INDEX, "index"},
               {TPL_TUPLE, COUNT, "count"},     {TPL_LOOP, CYCLE, "cycle"},
               {TPL_LOOP, CHANGED, "changed"},  {TPL_CYCLER, NEXT, "next"},
               {TPL_CYCLER, RESET, "reset"}};

int mote_tpl_method_id(tpl_value v, mote_text name)
{
    if (v.kind == TPL_STR)
        return mote_tpl_str_method(name);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i].kind == v.kind && mote_tpl_is(name, methods[i].name))
            return methods[i].id;
    return -1;
}

/* items, keys and values of a dict. */
static tpl_value members(tpl *t, tpl_value d, int id)
{
    tpl_value out = mote_tpl_list(t, TPL_LIST), key, v;
    for (size_t i = 0, n = mote_tpl_dict_count(d); i < n && !t->status; i++) {
        mote_tpl_work(t, 1);
        mote_tpl_dict_pair(d, i, &key, &v);
        mote_tpl_append(t, out.as.list,
                        id == KEYS     ? key
                        : id == VALUES ? v
                                       : mote_tpl_pair(t, key, v));
    }
    return out;
}

/* index() and count() of a list. */
static tpl_value look_for(tpl *t, tpl_value list, const tpl_args *args, int id)
{
    int64_t count = 0;
    if (args->n != 1)
        mote_tpl_wrong(t, "this takes one argument here");
    for (size_t i = 0, n = mote_tpl_count(list); i < n && !t->status; i++) {
        bool same = mote_tpl_equal(t, mote_tpl_item(list, i), args->v[0]);
        if (same && id == FIND_INDEX)
            return (tpl_value){.kind = TPL_INT, .as.i = (int64_t)i};
        count += same;
    }
    if (id == FIND_INDEX)
        mote_tpl_wrong(t, "the list does not have this value");
    return (tpl_value){.kind = TPL_INT, .as.i = count};
}

static tpl_value changed(tpl *t, tpl_loop *loop, const tpl_args *args)
{
    tpl_value now = list_of_args(t, TPL_TUPLE, args);
    bool differs = loop->changed.kind != TPL_TUPLE || !mote_tpl_equal(t, loop->changed, now);
    loop->changed = now;
    return (tpl_value){.kind = TPL_BOOL, .as.i = differs};
}

static tpl_value call_method(tpl *t, int id, tpl_value self, const tpl_args *args)
{
    tpl_value v = {.kind = TPL_NONE};
    if (id < GET)
        return mote_tpl_call_str(t, id, self, args);
    switch (id) {
    case GET:
        if (!args->n)
            mote_tpl_wrong(t, "get() wants a key");
        else if (!mote_tpl_dict_get(t, self, args->v[0], &v))
            v = mote_tpl_arg_or(args, 1, "", v);
        return v;
    case COPY: return self;
    case FIND_INDEX:
    case COUNT: return look_for(t, self, args, id);
    case CHANGED: return changed(t, self.as.loop, args);
    case CYCLE:
        if (!args->n)
            mote_tpl_wrong(t, "cycle() wants values");
        return args->n ? args->v[(self.as.loop->i - 1) % args->n] : v;
    case RESET: self.as.list->used = 0; return v;
    case NEXT: return t->status ? v : self.as.list->items[self.as.list->used++ % self.as.list->n];
    case CHANGES: mote_tpl_wrong(t, "templates must not change lists and dicts"); return v;
    default: return members(t, self, id);
    }
}

tpl_value mote_tpl_call(tpl *t, tpl_value f, const tpl_args *args)
{
    switch (f.kind) {
    case TPL_FUNC: return call_global(t, f.n, args);
    case TPL_METHOD: return call_method(t, (int)f.n, *f.as.self, args);
    case TPL_JOINER:
        return f.as.list->used++ && f.as.list->n ? f.as.list->items[0] : mote_tpl_str("");
    case TPL_UNDEF:
        mote_tpl_fail(t, f.flag ? MOTE_ERR_UNSUPPORTED : MOTE_ERR_LIMIT,
                      f.flag ? "this method is not supported" : "is undefined",
                      (mote_text){f.as.s.p, f.n});
        return f;
    default: mote_tpl_wrong(t, "this value cannot be called"); return f;
    }
}
