/* split_more.c: more expressions of published tokenizers by hand: DeepSeek's, GPT-4o's, Tekken's.
 * Read split.c first. */
#include "tokenizer/split.h"

/* ---- expressions that leave gaps: a match is a piece, what lies between two is one ----------- */

/* DeepSeek LLM's list of letters that have cases. */
static const uint32_t cased[][2] = {
    {0x41, 0x5a},       {0x61, 0x7a},       {0xb5, 0xb5},       {0xc0, 0xd6},
    {0xd8, 0xf6},       {0xf8, 0x1ba},      {0x1bc, 0x1bf},     {0x1c4, 0x293},
    {0x295, 0x2af},     {0x370, 0x373},     {0x376, 0x376},     {0x377, 0x377},
    {0x37b, 0x37d},     {0x37f, 0x37f},     {0x386, 0x386},     {0x388, 0x38a},
    {0x38c, 0x38c},     {0x38e, 0x3a1},     {0x3a3, 0x3f5},     {0x3f7, 0x481},
    {0x48a, 0x52f},     {0x531, 0x556},     {0x10a0, 0x10c5},   {0x13a0, 0x13f5},
    {0x13f8, 0x13fd},   {0x1c90, 0x1cba},   {0x1cbd, 0x1cbf},   {0x1d00, 0x1d2b},
    {0x1d6b, 0x1d77},   {0x1d79, 0x1d9a},   {0x1e00, 0x1f15},   {0x1f18, 0x1f1d},
    {0x1f20, 0x1f45},   {0x1f48, 0x1f4d},   {0x1f50, 0x1f57},   {0x1f59, 0x1f59},
    {0x1f5b, 0x1f5b},   {0x1f5d, 0x1f5d},   {0x1f5f, 0x1f7d},   {0x1f80, 0x1fb4},
    {0x1fb6, 0x1fbc},   {0x1fbe, 0x1fbe},   {0x1fc2, 0x1fc4},   {0x1fc6, 0x1fcc},
    {0x1fd0, 0x1fd3},   {0x1fd6, 0x1fdb},   {0x1fe0, 0x1fec},   {0x1ff2, 0x1ff4},
    {0x1ff6, 0x1ffc},   {0x2102, 0x2102},   {0x2107, 0x2107},   {0x210a, 0x2113},
    {0x2115, 0x2115},   {0x2119, 0x211d},   {0x2124, 0x2124},   {0x2126, 0x2126},
    {0x2128, 0x2128},   {0x212a, 0x212d},   {0x212f, 0x2134},   {0x2139, 0x2139},
    {0x213c, 0x213f},   {0x2145, 0x2149},   {0x214e, 0x214e},   {0x2183, 0x2183},
    {0x2184, 0x2184},   {0x2c00, 0x2c7b},   {0x2c7e, 0x2ce4},   {0x2ceb, 0x2cee},
    {0x2cf2, 0x2cf2},   {0x2cf3, 0x2cf3},   {0xa640, 0xa66d},   {0xa680, 0xa69b},
    {0xa722, 0xa76f},   {0xa771, 0xa787},   {0xa78b, 0xa78e},   {0xab70, 0xabbf},
    {0xfb00, 0xfb06},   {0xfb13, 0xfb17},   {0xff21, 0xff3a},   {0xff41, 0xff5a},
    {0x10400, 0x1044f}, {0x104b0, 0x104d3}, {0x104d8, 0x104fb}, {0x10c80, 0x10cb2},
    {0x10cc0, 0x10cf2}, {0x118a0, 0x118df}, {0x1e900, 0x1e943}};

static bool is_cased(glyph g)
{
    size_t low = 0, high = sizeof cased / sizeof *cased;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cased[middle][1] < g.cp)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof cased / sizeof *cased && g.cp >= cased[low][0];
}

static bool lies(uint32_t c, uint32_t low, uint32_t high) { return c >= low && c <= high; }

static bool is_listed_sign(glyph g)
{
    uint32_t c = g.cp;
    return lies(c, '!', '/') || lies(c, ':', '~') || lies(c, 0xff01, 0xff0f) ||
           lies(c, 0xff1a, 0xff5e) || lies(c, 0x2018, 0x201f) || lies(c, 0x3000, 0x3002);
}
static bool is_cjk(glyph g) { return lies(g.cp, 0x800, 0x9fa5) || lies(g.cp, 0xac00, 0xd7ff); }
static bool is_cjk_kana(glyph g)
{
    return lies(g.cp, 0x4e00, 0x9fa5) || lies(g.cp, 0x3040, 0x30ff);
}
static bool is_line_end(glyph g) { return g.cp == '\r' || g.cp == '\n'; }
static bool is_any_punct(glyph g)
{
    return g.class == TOK_PUNCT || g.class == TOK_PUNCT_NEW || g.class == TOK_CONNECTOR;
}

/* An expression \s?X{1,most}, with or without the blank. */
typedef struct finder {
    bool (*is_sort)(glyph);
    bool blank;
    size_t most;
} finder;

static const finder finders[TOK_FIND_END] = {
    [TOK_FIND_LINE_END] = {is_line_end, false, 1},
    [TOK_FIND_LETTERS] = {is_letter, true, SIZE_MAX},
    [TOK_FIND_PUNCT] = {is_any_punct, true, SIZE_MAX},
    [TOK_FIND_CJK] = {is_cjk, false, SIZE_MAX},
    [TOK_FIND_CASED] = {is_cased, true, SIZE_MAX},
    [TOK_FIND_SIGNS] = {is_listed_sign, true, SIZE_MAX},
    [TOK_FIND_NUMBERS] = {is_number, false, 3},
    [TOK_FIND_CJK_KANA] = {is_cjk_kana, false, SIZE_MAX},
};

static size_t find_run(const mote_tokenizer *t, const finder *f, const uint8_t *p, size_t at,
                       size_t end)
{
    glyph g = glyph_at(t, p, at, end), next = glyph_at(t, p, g.next, end);
    for (size_t begin = at; at < end; at = g.next, g = next) {
        next = glyph_at(t, p, g.next, end);
        bool sort = f->is_sort(g);
        bool behind = f->blank && g.class == TOK_SPACE && g.next < end && f->is_sort(next);
        if ((sort || behind) && at > begin)
            return at;
        if (sort || behind)
            return run_end(t, p, sort ? at : g.next, end, f->is_sort, f->most);
    }
    return end;
}

/* \s+$ , where $ also stands before a line end. A match is the longest that its run allows. */
static size_t find_blank_end(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end)
{
    size_t begin = at;
    while (at < end) {
        glyph g = glyph_at(t, p, at, end);
        size_t last = 0, run = at;
        for (; run < end && g.class == TOK_SPACE; g = glyph_at(t, p, run, end)) {
            if (run > at && g.cp == '\n')
                last = run;
            run = g.next;
        }
        last = run == end && run > at ? end : last;
        if (last)
            return at > begin ? at : last;
        at = run > at ? run : g.next;
    }
    return end;
}

/* ---- DeepSeek-V3 ---------------------------------------------------------------------------- */

static bool is_letter_or_mark(glyph g)
{
    return is_letter(g) || g.class == TOK_MARK || g.class == TOK_MARK_NEW ||
           g.class == TOK_MARK_SPACING;
}
static bool is_punct_or_symbol(glyph g) { return is_any_punct(g) || g.class == TOK_SYMBOL; }
static bool is_ascii_letter(glyph g) { return lies(g.cp | 0x20, 'a', 'z'); }

/* ['!'-'~' but letters and digits][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|
 *  ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ ; 0: no match here. */
static size_t match_deepseek3(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end)
{
    glyph g = glyph_at(t, p, at, end), next = glyph_at(t, p, g.next, end);
    bool more = g.next < end;
    if (g.cp < 0x80 && is_punct_or_symbol(g) && more && is_ascii_letter(next))
        return run_end(t, p, g.next, end, is_ascii_letter, SIZE_MAX);
    if (is_letter_or_mark(g))
        return run_end(t, p, at, end, is_letter_or_mark, SIZE_MAX);
    if (!is_line_end(g) && !is_punct_or_symbol(g) && more && is_letter_or_mark(next))
        return run_end(t, p, g.next, end, is_letter_or_mark, SIZE_MAX);
    if (is_punct_or_symbol(g) || (g.cp == ' ' && more && is_punct_or_symbol(next))) {
        at = run_end(t, p, g.next, end, is_punct_or_symbol, SIZE_MAX);
        return run_end(t, p, at, end, is_line_end, SIZE_MAX);
    }
    return g.class == TOK_SPACE ? mote_tok_blanks_end(t, p, at, end, true) : 0;
}

static size_t split_deepseek3(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end)
{
    size_t match = match_deepseek3(t, p, at, end);
    if (match)
        return match;
    do
        at = glyph_at(t, p, at, end).next;
    while (at < end && !match_deepseek3(t, p, at, end));
    return at;
}

/* ---- GPT-4o and Tekken ---------------------------------------------------------------------- */

static bool is_mark(glyph g) { return is_letter_or_mark(g) && !is_letter(g); }
static bool is_upper(glyph g)
{
    return g.class == TOK_UPPER || g.class == TOK_LETTER || is_mark(g);
}
static bool is_lower(glyph g)
{
    return g.class == TOK_LOWER || g.class == TOK_LETTER || is_mark(g);
}

/* U*L+ , U being [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and L [\p{Ll}\p{Lm}\p{Lo}\p{M}]; 0: no
 * match. The U's give back what comes after the last of them that is an L too. */
static size_t match_lower(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end)
{
    size_t last = 0;
    while (at < end) {
        glyph g = glyph_at(t, p, at, end);
        if (!is_upper(g))
            return is_lower(g) ? run_end(t, p, at, end, is_lower, SIZE_MAX) : last;
        at = g.next;
        last = is_lower(g) ? at : last;
    }
    return last;
}

/* U+L* */
static size_t match_upper(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end)
{
    size_t behind = run_end(t, p, at, end, is_upper, SIZE_MAX);
    return behind > at ? run_end(t, p, behind, end, is_lower, SIZE_MAX) : 0;
}

/* [^\r\n\p{L}\p{N}]?U*L+|[^\r\n\p{L}\p{N}]?U+L* ; 0: no match. */
static size_t match_word(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end)
{
    glyph g = glyph_at(t, p, at, end);
    bool prefix = !is_letter(g) && !is_number(g) && !is_line_end(g) && g.next < end;
    size_t match = prefix ? match_lower(t, p, g.next, end) : 0;
    if (!match)
        match = match_lower(t, p, at, end);
    if (!match && prefix)
        match = match_upper(t, p, g.next, end);
    return match ? match : match_upper(t, p, at, end);
}

static bool is_line_end_or_slash(glyph g) { return is_line_end(g) || g.cp == '/'; }

/* A word as above, with (?i:'s|'t|'re|'ve|'m|'ll|'d)? behind it for GPT-4o;
 * \p{N} or \p{N}{1,3}; ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t split_o200k(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end,
                          uint32_t param)
{
    size_t match = match_word(t, p, at, end);
    if (match)
        return match + (param & TOK_O200K_SUFFIX ? mote_tok_contraction(p, match, end, true) : 0);
    glyph g = glyph_at(t, p, at, end), next = glyph_at(t, p, g.next, end);
    if (is_number(g))
        return run_end(t, p, at, end, is_number, param & TOK_O200K_DIGITS ? 3 : 1);
    if (is_other(g) || (g.cp == ' ' && g.next < end && is_other(next))) {
        at = classes_end(t, p, g.next, end, OTHERS);
        return run_end(t, p, at, end, is_line_end_or_slash, SIZE_MAX);
    }
    return mote_tok_blanks_end(t, p, at, end, true);
}

size_t mote_tok_split_more(const mote_tokenizer *t, const tok_step *step, const uint8_t *p,
                           size_t at, size_t end)
{
    if (step->kind == TOK_STEP_O200K)
        return split_o200k(t, p, at, end, step->param);
    if (step->kind == TOK_STEP_DEEPSEEK3)
        return split_deepseek3(t, p, at, end);
    if (step->param == TOK_FIND_BLANK_END)
        return find_blank_end(t, p, at, end);
    if (step->param >= TOK_FIND_END || !finders[step->param].is_sort)
        return end;
    return find_run(t, &finders[step->param], p, at, end);
}
