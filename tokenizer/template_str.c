/* template_str.c: strings of chat templates: finding, stripping, splitting, replacing, changing
 * case, as Python's str does it. Results keep the taint of the bytes they are made of.
 */
#include "tokenizer/template.h"

bool mote_tpl_is_space(uint32_t r)
{
    return (r >= 9 && r <= 13) || (r >= 0x1c && r <= 0x20) || r == 0x85 || r == 0xa0 ||
           r == 0x1680 || (r >= 0x2000 && r <= 0x200a) || r == 0x2028 || r == 0x2029 ||
           r == 0x202f || r == 0x205f || r == 0x3000;
}

size_t mote_tpl_find(tpl *t, tpl_value s, tpl_value part, size_t from)
{
    if (part.n > s.n)
        return SIZE_MAX;
    if (!part.n)
        return from <= s.n ? from : SIZE_MAX;
    mote_tpl_work(t, s.n - (from < s.n ? from : s.n));
    while (from + part.n <= s.n && !t->status) {
        const char *hit = tpl_find_byte(s.as.s.p + from, part.as.s.p[0], s.n - part.n - from + 1);
        if (!hit)
            break;
        from = (size_t)(hit - s.as.s.p);
        mote_tpl_work(t, part.n);
        if (memcmp(hit, part.as.s.p, part.n) == 0)
            return from;
        from++;
    }
    return SIZE_MAX;
}

/* Is one of the code points of chars (NONE: white space). */
static bool is_one_of(uint32_t rune, tpl_value chars)
{
    uint32_t r;
    if (chars.kind != TPL_STR)
        return mote_tpl_is_space(rune);
    for (size_t i = 0; i < chars.n;) {
        i += mote_tpl_rune(chars, i, &r);
        if (r == rune)
            return true;
    }
    return false;
}

/* The byte at or behind begin at which the code point that ends at `end` begins. */
static size_t rune_before(tpl_value s, size_t begin, size_t end)
{
    size_t i = end - 1;
    uint32_t rune;
    while (i > begin && end - i < 4 && ((uint8_t)s.as.s.p[i] & 0xc0) == 0x80)
        i--;
    return i + mote_tpl_rune(s, i, &rune) == end ? i : end - 1;
}

tpl_value mote_tpl_strip(tpl *t, tpl_value s, tpl_value chars, bool left, bool right)
{
    size_t begin = 0, end = s.n, n;
    uint32_t rune;
    while (left && begin < end && !t->status) {
        n = mote_tpl_rune(s, begin, &rune);
        mote_tpl_work(t, chars.kind == TPL_STR ? 16 * (size_t)chars.n : 1);
        if (!is_one_of(rune, chars))
            break;
        begin += n;
    }
    while (right && begin < end && !t->status) {
        n = rune_before(s, begin, end);
        mote_tpl_rune(s, n, &rune);
        mote_tpl_work(t, chars.kind == TPL_STR ? 16 * (size_t)chars.n : 1);
        if (!is_one_of(rune, chars))
            break;
        end = n;
    }
    return mote_tpl_substr(s, begin, end - begin);
}

tpl_value mote_tpl_replace(tpl *t, tpl_value s, tpl_value from, tpl_value to, int64_t max)
{
    size_t mark = t->n_pieces, at = 0, hit = 0;
    uint32_t rune;
    for (; max && !t->status; max -= max > 0) {
        hit = mote_tpl_find(t, s, from, hit);
        if (hit == SIZE_MAX)
            break;
        mote_tpl_put(t, mote_tpl_substr(s, at, hit - at));
        mote_tpl_put(t, to);
        at = hit + from.n;
        if (!from.n && hit == s.n)
            break;
        hit = from.n ? at : hit + mote_tpl_rune(s, hit, &rune);
    }
    mote_tpl_put(t, mote_tpl_substr(s, at, s.n - at));
    return mote_tpl_take(t, mark);
}

/* ---- case ----------------------------------------------------------------------------------- */

static bool is_upper(uint32_t r)
{
    return (r >= 'A' && r <= 'Z') || (r >= 0xc0 && r <= 0xde && r != 0xd7) ||
           (r >= 0x391 && r <= 0x3a9) || (r >= 0x400 && r <= 0x42f) ||
           (r >= 0x100 && r <= 0x137 && r != 0x130 && r % 2 == 0) ||
           (r >= 0x14a && r <= 0x177 && r % 2 == 0);
}

static bool is_lower(uint32_t r)
{
    return (r >= 'a' && r <= 'z') || (r >= 0xdf && r <= 0xff && r != 0xf7) ||
           (r >= 0x3ac && r <= 0x3ce) || (r >= 0x430 && r <= 0x45f) ||
           (r >= 0x100 && r <= 0x137 && r != 0x131 && r % 2 == 1) ||
           (r >= 0x14a && r <= 0x177 && r % 2 == 1);
}

/* Latin, Greek and Cyrillic letters whose other case has as many bytes in UTF-8. */
static uint32_t change_case(uint32_t r, bool up)
{
    if (up ? !is_lower(r) : !is_upper(r))
        return r;
    if (r >= 0x100 && r < 0x180)
        return up ? r - 1 : r + 1;
    if (r >= 0x450 || (r >= 0x400 && r < 0x410))
        return up ? r - 80 : r + 80;
    if (r == 0xdf || r == 0xff || (r >= 0x3ac && r < 0x3b1) || r == 0x3c2 ||
        (r > 0x3c9 && r < 0x3d0) || r == 0x3a2)
        return r == 0xff ? 0x178 : r == 0x3c2 ? 0x3a3 : r;
    return up ? r - 32 : r + 32;
}

static void write_rune(char *p, size_t n, uint32_t rune, bool up)
{
    if (up && rune == 0xdf) {
        p[0] = p[1] = 'S';
    } else if (n == 1) {
        p[0] = (char)rune;
    } else if (n == 2) {
        p[0] = (char)(0xc0 | rune >> 6);
        p[1] = (char)(0x80 | (rune & 0x3f));
    }
}

/* What a word begins behind, for the filter title. */
static bool ends_word(uint32_t r)
{
    return mote_tpl_is_space(r) || r == '-' || r == '(' || r == '{' || r == '[' || r == '<';
}

tpl_value mote_tpl_case(tpl *t, tpl_value s, int style)
{
    char *p = mote_tpl_alloc(t, s.n, 1);
    bool begins = true;
    uint32_t rune;
    if (!p || !s.n)
        return s;
    mote_tpl_work(t, 16 * (size_t)s.n);
    memcpy(p, s.as.s.p, s.n);
    for (size_t i = 0, n; i < s.n; i += n) {
        n = mote_tpl_rune(s, i, &rune);
        bool up = style == 'u' || (style != 'l' && begins);
        bool letter = is_upper(rune) || is_lower(rune);
        if (letter && n <= 2)
            write_rune(p + i, n, change_case(rune, up), up);
        begins = (style == 't' && !letter) || (style == 'w' && ends_word(rune));
    }
    s.as.s.p = p;
    return s;
}

/* ---- splitting ------------------------------------------------------------------------------ */

static void split_blanks(tpl *t, tpl_value s, int64_t max, tpl_list *out)
{
    tpl_value none = {.kind = TPL_NONE};
    uint32_t rune;
    for (;;) {
        size_t end = 0;
        s = mote_tpl_strip(t, s, none, true, false);
        if (!s.n || t->status)
            return;
        while (end < s.n) {
            size_t n = mote_tpl_rune(s, end, &rune);
            if (mote_tpl_is_space(rune))
                break;
            end += n;
        }
        mote_tpl_work(t, 16 * end);
        if (max-- == 0) {
            mote_tpl_append(t, out, s);
            return;
        }
        mote_tpl_append(t, out, mote_tpl_substr(s, 0, end));
        s = mote_tpl_substr(s, end, s.n - end);
    }
}

static tpl_value split(tpl *t, tpl_value s, const tpl_args *args)
{
    tpl_value none = {.kind = TPL_NONE}, sep = mote_tpl_arg_or(args, 0, "sep", none);
    int64_t max = mote_tpl_int_arg(t, args, 1, "maxsplit", -1);
    tpl_value out = mote_tpl_list(t, TPL_LIST);
    if (sep.kind == TPL_NONE) {
        split_blanks(t, s, max, out.as.list);
        return out;
    }
    if (sep.kind != TPL_STR || !sep.n)
        mote_tpl_wrong(t, "a separator must be a string that is not empty");
    for (; !t->status; max--) {
        size_t hit = max == 0 ? SIZE_MAX : mote_tpl_find(t, s, sep, 0);
        mote_tpl_append(t, out.as.list, mote_tpl_substr(s, 0, hit == SIZE_MAX ? s.n : hit));
        if (hit == SIZE_MAX)
            break;
        s = mote_tpl_substr(s, hit + sep.n, s.n - hit - sep.n);
    }
    return out;
}

/* The last place of part in s; SIZE_MAX: none. */
static size_t find_last(tpl *t, tpl_value s, tpl_value part)
{
    mote_tpl_work(t, s.n);
    for (size_t i = part.n > s.n ? 0 : s.n - part.n + 1; i-- > 0 && !t->status;) {
        if (part.n && s.as.s.p[i] != part.as.s.p[0])
            continue;
        mote_tpl_work(t, part.n);
        if (!part.n || memcmp(s.as.s.p + i, part.as.s.p, part.n) == 0)
            return i;
    }
    return SIZE_MAX;
}

static tpl_value rsplit(tpl *t, tpl_value s, const tpl_args *args)
{
    tpl_value none = {.kind = TPL_NONE}, sep = mote_tpl_arg_or(args, 0, "sep", none);
    int64_t max = mote_tpl_int_arg(t, args, 1, "maxsplit", -1);
    tpl_value out = mote_tpl_list(t, TPL_LIST);
    if (max < 0)
        return split(t, s, args);
    if (sep.kind != TPL_STR || !sep.n)
        mote_tpl_fail(t, MOTE_ERR_UNSUPPORTED, "rsplit() wants a separator", (mote_text){"", 0});
    for (; !t->status; max--) {
        size_t hit = max == 0 ? SIZE_MAX : find_last(t, s, sep);
        size_t begin = hit == SIZE_MAX ? 0 : hit + sep.n;
        mote_tpl_append(t, out.as.list, mote_tpl_substr(s, begin, s.n - begin));
        if (hit == SIZE_MAX)
            break;
        s = mote_tpl_substr(s, 0, hit);
    }
    for (size_t i = 0, n = out.as.list->n; i < n / 2; i++) {
        tpl_value *items = out.as.list->items, v = items[i];
        items[i] = items[n - 1 - i];
        items[n - 1 - i] = v;
    }
    return out;
}

static tpl_value split_lines(tpl *t, tpl_value s, const tpl_args *args)
{
    tpl_value out = mote_tpl_list(t, TPL_LIST), no = {.kind = TPL_BOOL};
    bool keep = mote_tpl_truth(t, mote_tpl_arg_or(args, 0, "keepends", no));
    size_t begin = 0, n;
    uint32_t r;
    mote_tpl_work(t, 16 * (size_t)s.n);
    for (size_t i = 0; i < s.n && !t->status; i += n) {
        n = mote_tpl_rune(s, i, &r);
        if (!((r >= 10 && r <= 13) || (r >= 0x1c && r <= 0x1e) || r == 0x85 || r == 0x2028 ||
              r == 0x2029))
            continue;
        n += r == 13 && i + 1 < s.n && s.as.s.p[i + 1] == 10;
        mote_tpl_append(t, out.as.list, mote_tpl_substr(s, begin, i - begin + (keep ? n : 0)));
        begin = i + n;
    }
    if (begin < s.n)
        mote_tpl_append(t, out.as.list, mote_tpl_substr(s, begin, s.n - begin));
    return out;
}

tpl_value mote_tpl_split(tpl *t, tpl_value s, const tpl_args *args, int style)
{
    return style == 'l'   ? split_lines(t, s, args)
           : style == 'r' ? rsplit(t, s, args)
                          : split(t, s, args);
}
