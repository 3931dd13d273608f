/* template_method.c: the methods of strings in chat templates. Read template_str.c first. */
#include "tokenizer/template.h"

enum {
    CAPITALIZE,
    COUNT,
    ENDSWITH,
    FIND,
    INDEX,
    ISALNUM,
    ISALPHA,
    ISDIGIT,
    ISLOWER,
    ISSPACE,
    ISUPPER,
    JOIN,
    LOWER,
    LSTRIP,
    PARTITION,
    REMOVEPREFIX,
    REMOVESUFFIX,
    REPLACE,
    RFIND,
    RPARTITION,
    RSPLIT,
    RSTRIP,
    SPLIT,
    SPLITLINES,
    STARTSWITH,
    STRIP,
    TITLE,
    UPPER,
    ZFILL
};

static const char *const names[] = {[CAPITALIZE] = "capitalize",
                                    [COUNT] = "count",
                                    [ENDSWITH] = "endswith",
                                    [FIND] = "find",
                                    [INDEX] = "index",
                                    [ISALNUM] = "isalnum",
                                    [ISALPHA] = "isalpha",
                                    [ISDIGIT] = "isdigit",
                                    [ISLOWER] = "islower",
                                    [ISSPACE] = "isspace",
                                    [ISUPPER] = "isupper",
                                    [JOIN] = "join",
                                    [LOWER] = "lower",
                                    [LSTRIP] = "lstrip",
                                    [PARTITION] = "partition",
                                    [REMOVEPREFIX] = "removeprefix",
                                    [REMOVESUFFIX] = "removesuffix",
                                    [REPLACE] = "replace",
                                    [RFIND] = "rfind",
                                    [RPARTITION] = "rpartition",
                                    [RSPLIT] = "rsplit",
                                    [RSTRIP] = "rstrip",
                                    [SPLIT] = "split",
                                    [SPLITLINES] = "splitlines",
                                    [STARTSWITH] = "startswith",
                                    [STRIP] = "strip",
                                    [TITLE] = "title",
                                    [UPPER] = "upper",
                                    [ZFILL] = "zfill"};

int mote_tpl_str_method(mote_text name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (mote_tpl_is(name, names[i]))
            return (int)i;
    return -1;
}

static tpl_value boolean(bool b) { return (tpl_value){.kind = TPL_BOOL, .as.i = b}; }

static tpl_value whole(int64_t i) { return (tpl_value){.kind = TPL_INT, .as.i = i}; }

/* The first argument, a string. */
static tpl_value str_arg(tpl *t, const tpl_args *args, size_t i)
{
    tpl_value v = i < args->n ? args->v[i] : (tpl_value){.kind = TPL_NONE};
    if (v.kind != TPL_STR)
        mote_tpl_wrong(t, "a string is wanted as an argument");
    return v.kind == TPL_STR ? v : mote_tpl_str("");
}

static bool begins(tpl_value s, tpl_value part)
{
    return part.n <= s.n && mote_tpl_same_str(mote_tpl_substr(s, 0, part.n), part);
}

static bool ends(tpl_value s, tpl_value part)
{
    return part.n <= s.n && mote_tpl_same_str(mote_tpl_substr(s, s.n - part.n, part.n), part);
}

/* startswith and endswith, also with a tuple. */
static bool fits(tpl *t, tpl_value s, const tpl_args *args, bool front)
{
    if (args->n != 1)
        mote_tpl_fail(t, MOTE_ERR_UNSUPPORTED, "this takes one argument here", (mote_text){"", 0});
    if (args->n != 1 || args->v[0].kind != TPL_TUPLE) {
        tpl_value part = str_arg(t, args, 0);
        return front ? begins(s, part) : ends(s, part);
    }
    for (size_t i = 0; i < mote_tpl_count(args->v[0]); i++) {
        tpl_value part = mote_tpl_item(args->v[0], i);
        mote_tpl_work(t, part.n);
        if (part.kind == TPL_STR && (front ? begins(s, part) : ends(s, part)))
            return true;
    }
    return false;
}

/* isdigit() and the like, by ASCII; letters beyond it count as letters. */
static bool all_are(tpl *t, tpl_value s, int id)
{
    bool cased = false;
    uint32_t r;
    mote_tpl_work(t, 16 * (size_t)s.n);
    for (size_t i = 0; i < s.n;) {
        i += mote_tpl_rune(s, i, &r);
        bool up = r >= 'A' && r <= 'Z', low = r >= 'a' && r <= 'z', digit = r >= '0' && r <= '9';
        bool alpha = up || low || (r >= 0xc0 && !mote_tpl_is_space(r) && r < 0x2000);
        cased |= up || low;
        if ((id == ISDIGIT && !digit) || (id == ISALPHA && !alpha) ||
            (id == ISALNUM && !alpha && !digit) || (id == ISSPACE && !mote_tpl_is_space(r)) ||
            (id == ISUPPER && low) || (id == ISLOWER && up))
            return false;
    }
    return id == ISUPPER || id == ISLOWER ? cased : s.n != 0;
}

static int64_t count_of(tpl *t, tpl_value s, tpl_value part)
{
    int64_t n = 0;
    mote_tpl_work(t, 16 * (size_t)s.n);
    if (!part.n)
        return (int64_t)mote_tpl_rune_count(s) + 1;
    for (size_t at = 0; (at = mote_tpl_find(t, s, part, at)) != SIZE_MAX; at += part.n)
        n++;
    return n;
}

static size_t find_last(tpl *t, tpl_value s, tpl_value part)
{
    size_t last = SIZE_MAX, at = 0;
    while (!t->status && (at = mote_tpl_find(t, s, part, at)) != SIZE_MAX && at <= s.n)
        last = at++;
    return last;
}

/* find, rfind, index: in code points; -1 or a failure when it is nowhere. */
static tpl_value place(tpl *t, tpl_value s, const tpl_args *args, int id)
{
    tpl_value part = str_arg(t, args, 0);
    if (args->n > 1)
        mote_tpl_fail(t, MOTE_ERR_UNSUPPORTED, "this takes one argument here", (mote_text){"", 0});
    size_t at = id == RFIND ? find_last(t, s, part) : mote_tpl_find(t, s, part, 0);
    if (at == SIZE_MAX && id == INDEX)
        mote_tpl_wrong(t, "the string does not have this part");
    mote_tpl_work(t, 16 * (size_t)s.n);
    return whole(at == SIZE_MAX ? -1 : (int64_t)mote_tpl_rune_count(mote_tpl_substr(s, 0, at)));
}

static tpl_value partition(tpl *t, tpl_value s, tpl_value sep, bool last)
{
    tpl_value out = mote_tpl_list(t, TPL_TUPLE), part[3] = {s, mote_tpl_str(""), mote_tpl_str("")};
    size_t at = last ? find_last(t, s, sep) : mote_tpl_find(t, s, sep, 0);
    if (!sep.n)
        mote_tpl_wrong(t, "a separator must be a string that is not empty");
    if (at != SIZE_MAX) {
        part[0] = mote_tpl_substr(s, 0, at);
        part[1] = sep;
        part[2] = mote_tpl_substr(s, at + sep.n, s.n - at - sep.n);
    } else if (last) {
        part[0] = part[2];
        part[2] = s;
    }
    for (size_t i = 0; i < 3; i++)
        mote_tpl_append(t, out.as.list, part[i]);
    return out;
}

static tpl_value join(tpl *t, tpl_value s, tpl_value all)
{
    size_t mark = t->n_pieces;
    all = mote_tpl_iterate(t, all);
    for (size_t i = 0, n = mote_tpl_count(all); i < n && !t->status; i++) {
        tpl_value v = mote_tpl_item(all, i);
        if (v.kind != TPL_STR)
            mote_tpl_wrong(t, "only strings can be joined by join()");
        if (i)
            mote_tpl_put(t, s);
        mote_tpl_put(t, v);
        mote_tpl_work(t, 1);
    }
    return mote_tpl_take(t, mark);
}

static tpl_value zero_fill(tpl *t, tpl_value s, int64_t width)
{
    size_t mark = t->n_pieces, sign = s.n && (s.as.s.p[0] == '-' || s.as.s.p[0] == '+');
    mote_tpl_put(t, mote_tpl_substr(s, 0, sign));
    for (int64_t n = (int64_t)mote_tpl_rune_count(s); n < width && !t->status; n++) {
        mote_tpl_work(t, 1);
        mote_tpl_put_text(t, "0", false);
    }
    mote_tpl_put(t, mote_tpl_substr(s, sign, s.n - sign));
    return mote_tpl_take(t, mark);
}

tpl_value mote_tpl_call_str(tpl *t, int id, tpl_value s, const tpl_args *args)
{
    tpl_value none = {.kind = TPL_NONE}, chars = mote_tpl_arg_or(args, 0, "chars", none);
    mote_tpl_work(t, s.n);
    switch (id) {
    case LSTRIP:
    case RSTRIP:
    case STRIP: return mote_tpl_strip(t, s, chars, id != RSTRIP, id != LSTRIP);
    case CAPITALIZE: return mote_tpl_case(t, s, 'c');
    case TITLE: return mote_tpl_case(t, s, 't');
    case UPPER: return mote_tpl_case(t, s, 'u');
    case LOWER: return mote_tpl_case(t, s, 'l');
    case STARTSWITH:
    case ENDSWITH: return boolean(fits(t, s, args, id == STARTSWITH));
    case SPLIT:
    case RSPLIT:
    case SPLITLINES:
        return mote_tpl_split(t, s, args, id == SPLIT ? 's' : id == RSPLIT ? 'r' : 'l');
    case REPLACE:
        return mote_tpl_replace(t, s, str_arg(t, args, 0), str_arg(t, args, 1),
                                mote_tpl_int_arg(t, args, 2, "count", -1));
    case JOIN: return join(t, s, args->n ? args->v[0] : none);
    case COUNT: return whole(count_of(t, s, str_arg(t, args, 0)));
    case FIND:
    case INDEX:
    case RFIND: return place(t, s, args, id);
    case PARTITION:
    case RPARTITION: return partition(t, s, str_arg(t, args, 0), id == RPARTITION);
    case ZFILL: return zero_fill(t, s, mote_tpl_int_arg(t, args, 0, "width", 0));
    default: break;
    }
    if (id != REMOVEPREFIX && id != REMOVESUFFIX)
        return boolean(all_are(t, s, id));
    tpl_value part = str_arg(t, args, 0);
    if (id == REMOVEPREFIX ? begins(s, part) : ends(s, part))
        return mote_tpl_substr(s, id == REMOVEPREFIX ? part.n : 0, s.n - part.n);
    return s;
}
