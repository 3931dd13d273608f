/* template_lex.c: the texts and the tokens of a chat template, with Jinja's rules for white
 * space: trim_blocks (a line break behind a block goes), lstrip_blocks (blanks before a block at
 * the beginning of a line go), "-" (all white space on that side goes) and "+" (none goes).
 */
#include "tokenizer/template_compile.h"

void mote_tpl_syntax(tpl_compiler *c, const char *what)
{
    const tpl_token *k = &c->lex.tok;
    char op[2] = {(char)(k->op & 0xff), (char)(k->op >> 8)};
    mote_text near = k->text;
    if (k->type == TPL_TOK_OP)
        near = (mote_text){op, op[1] ? 2 : 1};
    c->t->line = c->lex.line;
    mote_tpl_fail(c->t, MOTE_ERR_FILE, what, near);
}

/* Line breaks become \n, and one at the end goes. */
mote_text mote_tpl_normalise(tpl *t, mote_text source)
{
    size_t n = 0;
    if (!source.bytes)
        return (mote_text){"", 0};
    if (tpl_find_byte(source.ptr, '\r', source.bytes)) {
        char *out = mote_tpl_alloc(t, source.bytes, 1);
        if (!out)
            return (mote_text){"", 0};
        for (size_t i = 0; i < source.bytes; i++) {
            bool two = source.ptr[i] == '\r' && i + 1 < source.bytes && source.ptr[i + 1] == '\n';
            if (!two)
                out[n++] = source.ptr[i] == '\r' ? '\n' : source.ptr[i];
        }
        source = (mote_text){out, n};
    }
    source.bytes -= source.ptr[source.bytes - 1] == '\n';
    return source;
}

/* ---- text ----------------------------------------------------------------------------------- */

static char at(const tpl_compiler *c, size_t i) { return i < c->src.bytes ? c->src.ptr[i] : 0; }

static tpl_value source(const tpl_compiler *c, size_t begin, size_t end)
{
    tpl_value v = {.kind = TPL_STR, .n = (uint32_t)(end - begin)};
    v.as.s.p = c->src.ptr + begin;
    return v;
}

static size_t skip_space(const tpl_compiler *c, size_t i)
{
    tpl_value rest = source(c, 0, c->src.bytes);
    uint32_t rune;
    while (i < rest.n) {
        size_t n = mote_tpl_rune(rest, i, &rune);
        if (!mote_tpl_is_space(rune))
            break;
        i += n;
    }
    return i;
}

/* Goes on to `pos`, counting lines. */
static void advance(tpl_compiler *c, size_t pos)
{
    tpl_lex *l = &c->lex;
    if (pos > l->pos)
        l->line_start = at(c, pos - 1) == '\n';
    for (; l->pos < pos; l->pos++)
        l->line += at(c, l->pos) == '\n';
    c->t->line = l->line;
}

/* The next place at or behind i where `a` and then `b` stand; the end of the source if none. */
static size_t find_two(const tpl_compiler *c, size_t i, char a, char b)
{
    while (i + 1 < c->src.bytes && !(at(c, i) == a && at(c, i + 1) == b))
        i++;
    return i + 1 < c->src.bytes ? i : c->src.bytes;
}

/* The text up to a tag whose sign is '-', '+' or anything else. */
static void emit_text(tpl_compiler *c, size_t end, char sign, bool is_variable)
{
    tpl_value none = {.kind = TPL_NONE}, text = source(c, c->lex.pos, end);
    if (sign == '-') {
        text = mote_tpl_strip(c->t, text, none, false, true);
    } else if (sign != '+' && !is_variable) {
        size_t line = text.n;
        while (line && text.as.s.p[line - 1] != '\n')
            line--;
        tpl_value blanks = mote_tpl_substr(text, line, text.n - line);
        if ((line || c->lex.line_start) && !mote_tpl_strip(c->t, blanks, none, true, false).n)
            text.n = (uint32_t)line;
    }
    if (text.n)
        mote_tpl_emit_value(c, TPL_OP_TEXT, 0, 0, text);
}

/* Behind a tag that ends with `sign` at i: white space that goes with it. */
static size_t behind(const tpl_compiler *c, size_t i, char sign, bool is_variable)
{
    if (sign == '-')
        return skip_space(c, i);
    return i + (sign != '+' && !is_variable && at(c, i) == '\n');
}

static bool has_word(const tpl_compiler *c, size_t i, const char *word)
{
    while (*word && at(c, i) == *word)
        i++, word++;
    return !*word;
}

/* {% WORD %} at i: where it ends (before the white space that goes), and its last sign; 0: it is
 * not. */
static size_t whole_tag(const tpl_compiler *c, size_t i, const char *word, char *sign)
{
    i += 2;
    i += at(c, i) == '-' || at(c, i) == '+';
    i = skip_space(c, i);
    if (!has_word(c, i, word))
        return 0;
    while (*word++)
        i++;
    i = skip_space(c, i);
    *sign = at(c, i);
    i += *sign == '-' || *sign == '+';
    return at(c, i) == '%' && at(c, i + 1) == '}' ? i + 2 : 0;
}

/* From behind {% raw %} to behind {% endraw %}. */
static void read_raw(tpl_compiler *c)
{
    char sign = 0;
    size_t i = c->lex.pos, end = 0;
    for (; i < c->src.bytes && !end; i++) {
        i = find_two(c, i, '{', '%');
        end = i < c->src.bytes ? whole_tag(c, i, "endraw", &sign) : 0;
    }
    if (!end) {
        mote_tpl_syntax(c, "a raw block has no end");
        return;
    }
    emit_text(c, i - 1, at(c, i + 1), false);
    advance(c, behind(c, end, sign, false));
}

/* A comment at `begin`. */
static void skip_comment(tpl_compiler *c, size_t begin)
{
    size_t i = begin + 2;
    i += at(c, i) == '-' || at(c, i) == '+';
    size_t end = find_two(c, i, '#', '}');
    if (end == c->src.bytes) {
        mote_tpl_syntax(c, "a comment has no end");
        return;
    }
    char sign = end > i ? at(c, end - 1) : 0;
    advance(c, behind(c, end + 2, sign, false));
}

char mote_tpl_lex_text(tpl_compiler *c)
{
    while (!c->t->status) {
        char sign = 0;
        size_t i = c->lex.pos, raw;
        while (i < c->src.bytes &&
               !(at(c, i) == '{' &&
                 (at(c, i + 1) == '%' || at(c, i + 1) == '{' || at(c, i + 1) == '#')))
            i++;
        if (i == c->src.bytes) {
            emit_text(c, i, '+', true);
            advance(c, i);
            return 0;
        }
        char kind = at(c, i + 1);
        emit_text(c, i, at(c, i + 2), kind == '{');
        raw = kind == '%' ? whole_tag(c, i, "raw", &sign) : 0;
        if (raw) {
            advance(c, sign == '-' ? skip_space(c, raw) : raw);
            read_raw(c);
        } else if (kind == '#') {
            skip_comment(c, i);
        } else {
            i += 2;
            advance(c, i + (at(c, i) == '-' || at(c, i) == '+'));
            c->lex.tag = kind;
            c->lex.open = 0;
            return kind;
        }
    }
    return 0;
}

/* ---- tokens --------------------------------------------------------------------------------- */

static bool is_digit(char ch) { return ch >= '0' && ch <= '9'; }

static bool is_word(char ch)
{
    return is_digit(ch) || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_' ||
           (uint8_t)ch >= 0x80;
}

/* The end of the tag, if it is here and no bracket is open. */
static bool read_end(tpl_compiler *c)
{
    size_t i = c->lex.pos;
    char sign = at(c, i), last = c->lex.tag == '{' ? '}' : '%';
    bool block = last == '%';
    i += sign == '-' || (block && sign == '+');
    if (c->lex.open || at(c, i) != last || at(c, i + 1) != '}')
        return false;
    c->lex.tok.type = TPL_TOK_END;
    advance(c, behind(c, i + 2, sign, !block));
    return true;
}

static void read_string(tpl_compiler *c)
{
    size_t begin = c->lex.pos + 1, i = begin;
    char quote = at(c, begin - 1);
    while (i < c->src.bytes && at(c, i) != quote)
        i += at(c, i) == '\\' ? 2 : 1;
    if (i >= c->src.bytes) {
        mote_tpl_syntax(c, "a string has no end");
        return;
    }
    c->lex.tok.type = TPL_TOK_STR;
    c->lex.tok.text = (mote_text){c->src.ptr + begin, i - begin};
    advance(c, i + 1);
}

/* Digits of a number without underscores; returns how many bytes of the source. */
static size_t read_digits(const tpl_compiler *c, size_t i, char text[64], size_t *n)
{
    size_t begin = i;
    while (is_digit(at(c, i)) || (at(c, i) == '_' && i > begin && is_digit(at(c, i + 1)))) {
        if (at(c, i) != '_' && *n < 63)
            text[(*n)++] = at(c, i);
        i++;
    }
    return i - begin;
}

static void read_number(tpl_compiler *c)
{
    tpl_token *k = &c->lex.tok;
    char text[64];
    size_t n = 0, i = c->lex.pos;
    bool real = false, after_dot = i && at(c, i - 1) == '.';
    i += read_digits(c, i, text, &n);
    if (at(c, i) == '.' && is_digit(at(c, i + 1)) && !after_dot) {
        text[n++] = '.';
        i += 1 + read_digits(c, i + 1, text, &n);
        real = true;
    }
    size_t e = i + 1 + (at(c, i + 1) == '-' || at(c, i + 1) == '+');
    if ((at(c, i) | 32) == 'e' && is_digit(at(c, e)) && !after_dot && n < 56) {
        for (; i < e; i++)
            text[n++] = at(c, i);
        i += read_digits(c, i, text, &n);
        real = true;
    }
    k->type = real ? TPL_TOK_FLOAT : TPL_TOK_INT;
    k->i = 0;
    bool over = n >= 60 || (real && !mote_tpl_read_float(&k->f, text, n));
    for (size_t j = 0; !real && j < n; j++)
        over |= __builtin_mul_overflow(k->i, (int64_t)10, &k->i) ||
                __builtin_add_overflow(k->i, (int64_t)(text[j] - '0'), &k->i);
    if (over)
        mote_tpl_fail(c->t, MOTE_ERR_UNSUPPORTED, "this number is too large", (mote_text){text, n});
    advance(c, i);
}

static void read_operator(tpl_compiler *c)
{
    static const char twos[] = "**//==!=>=<=", ones[] = "+-*/%~[](){}.:|,;<>=";
    char a = at(c, c->lex.pos), b = at(c, c->lex.pos + 1);
    tpl_token *k = &c->lex.tok;
    k->type = TPL_TOK_OP;
    k->op = 0;
    for (size_t i = 0; b && i + 1 < sizeof twos; i += 2)
        if (twos[i] == a && twos[i + 1] == b)
            k->op = (uint16_t)((uint8_t)a | (unsigned)(uint8_t)b << 8);
    if (!k->op)
        k->op = (uint8_t)a;
    if (k->op < 256 && (!a || !tpl_find_byte(ones, a, sizeof ones - 1)))
        mote_tpl_syntax(c, "this character means nothing here");
    if (a == '(' || a == '[' || a == '{')
        c->lex.open++;
    if ((a == ')' || a == ']' || a == '}') && c->lex.open)
        c->lex.open--;
    advance(c, c->lex.pos + (k->op >> 8 ? 2 : 1));
}

void mote_tpl_lex_next(tpl_compiler *c)
{
    tpl_token *k = &c->lex.tok;
    if (c->t->status)
        return;
    advance(c, skip_space(c, c->lex.pos));
    k->line = c->lex.line;
    k->text = (mote_text){"", 0};
    size_t i = c->lex.pos;
    char ch = at(c, i);
    if (i >= c->src.bytes) {
        k->type = TPL_TOK_END;
        mote_tpl_syntax(c, "the template ends inside a tag");
    } else if (read_end(c)) {
        return;
    } else if (ch == '"' || ch == '\'') {
        read_string(c);
    } else if (is_digit(ch)) {
        read_number(c);
    } else if (is_word(ch)) {
        while (is_word(at(c, i)))
            i++;
        k->type = TPL_TOK_NAME;
        k->text = (mote_text){c->src.ptr + c->lex.pos, i - c->lex.pos};
        advance(c, i);
    } else {
        read_operator(c);
    }
}

bool mote_tpl_tok_is(const tpl_compiler *c, const char *text)
{
    const tpl_token *k = &c->lex.tok;
    if (k->type == TPL_TOK_NAME)
        return mote_tpl_is(k->text, text);
    return k->type == TPL_TOK_OP &&
           k->op == (uint16_t)((uint8_t)text[0] | (unsigned)(uint8_t)(text[0] ? text[1] : 0) << 8);
}

bool mote_tpl_accept(tpl_compiler *c, const char *text)
{
    bool here = !c->t->status && mote_tpl_tok_is(c, text);
    if (here)
        mote_tpl_lex_next(c);
    return here;
}

void mote_tpl_expect(tpl_compiler *c, const char *text)
{
    if (!mote_tpl_accept(c, text))
        mote_tpl_syntax(c, "something else was expected here");
}
