/* split.c: cutting a text into the pieces that are merged each by itself. The published tokenizers
 * say how in regular expressions; here each has a scanner by hand, whose comments give the
 * expression's alternatives in order. Every scanner takes time linear in what it returns, but for
 * runs of blanks, which are walked at most twice. */
#include "tokenizer/split.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

/* 's 't 're 've 'm 'll 'd: bytes of the one at p[at], or 0. fold: in any case; then U+017F, the
 * long s, is an s. */
size_t mote_tok_contraction(const uint8_t *p, size_t at, size_t end, bool fold)
{
    if (end - at < 2 || p[at] != '\'')
        return 0;
    unsigned a = p[at + 1], b = end - at > 2 ? p[at + 2] : 0;
    if (fold && a == 0xc5 && b == 0xbf)
        return 3;
    a |= fold && a >= 'A' && a <= 'Z' ? 0x20 : 0;
    b |= fold && b >= 'A' && b <= 'Z' ? 0x20 : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

/* \s+(?!\S)|\s+ : a run of blanks without its last one, which goes with what follows; all of it at
 * the end of the text. newlines: before that, \s*[\r\n]+ : up to the last line end in the run. */
size_t mote_tok_blanks_end(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end,
                           bool newlines)
{
    size_t last = at, first = glyph_at(t, p, at, end).next, line = 0;
    for (glyph g; at < end; at = g.next) {
        g = glyph_at(t, p, at, end);
        if (g.class != TOK_SPACE)
            break;
        last = at;
        if (newlines && (g.cp == '\n' || g.cp == '\r'))
            line = g.next;
    }
    if (line)
        return line;
    return at == end ? end : last > first ? last : first;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t split_gpt2(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end)
{
    size_t length = mote_tok_contraction(p, at, end, false);
    if (length)
        return at + length;
    glyph g = glyph_at(t, p, at, end);
    if (g.cp == ' ' && g.next < end)
        g = glyph_at(t, p, g.next, end);
    if (g.class == TOK_SPACE)
        return mote_tok_blanks_end(t, p, at, end, false);
    return classes_end(t, p, g.next, end, is_letter(g) ? LETTERS : is_number(g) ? NUMBERS : OTHERS);
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,most}| ?[^\s\p{L}\p{N}]+[\r\n]*|
 * \s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t split_llama3(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end,
                           size_t most)
{
    size_t length = mote_tok_contraction(p, at, end, true);
    if (length)
        return at + length;
    glyph g = glyph_at(t, p, at, end);
    if (is_letter(g))
        return classes_end(t, p, g.next, end, LETTERS);
    if (is_number(g))
        return run_end(t, p, at, end, is_number, most);
    glyph second = glyph_at(t, p, g.next, end);
    if (g.cp != '\r' && g.cp != '\n' && is_letter(second))
        return classes_end(t, p, second.next, end, LETTERS);
    if (g.cp == ' ' && g.next < end && is_other(second))
        g = second;
    if (!is_other(g))
        return mote_tok_blanks_end(t, p, at, end, true);
    at = classes_end(t, p, g.next, end, OTHERS);
    while (at < end && (p[at] == '\r' || p[at] == '\n'))
        at++;
    return at;
}

/* Numbers: each by itself, or in runs. */
static size_t split_digits(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end,
                           bool each)
{
    glyph g = glyph_at(t, p, at, end);
    if (!is_number(g))
        return classes_end(t, p, at, end, ~NUMBERS);
    return each ? g.next : classes_end(t, p, at, end, NUMBERS);
}

size_t mote_tok_split_words(const uint8_t *p, size_t at, size_t end)
{
    while (at < end && p[at] == ' ')
        at++;
    while (at < end && p[at] != ' ')
        at++;
    return at;
}

static size_t split_spaces(const uint8_t *p, size_t at, size_t end)
{
    do
        at++;
    while (at < end && p[at] != ' ');
    return at;
}

/* ---- pre-tokenizers of the embedding models ------------------------------------------------- */

/* Punctuation as the library has it: ASCII's signs, and Unicode 8's category P. */
static bool is_punct(glyph g)
{
    if (g.cp < 0x80)
        return g.class == TOK_PUNCT || g.class == TOK_CONNECTOR || g.class == TOK_SYMBOL;
    return g.class == TOK_PUNCT || g.class == TOK_CONNECTOR || g.cp == 0x166d || g.cp == 0x111c9;
}
static bool is_blank(glyph g) { return g.class == TOK_SPACE; }
static bool is_no_blank(glyph g) { return g.class != TOK_SPACE; }
static bool is_no_punct(glyph g) { return !is_punct(g); }
static bool is_plain(glyph g) { return !is_punct(g) && !is_blank(g); }
static bool is_word_char(glyph g)
{
    return is_letter(g) || g.class == TOK_DIGIT || g.class == TOK_MARK ||
           g.class == TOK_MARK_SPACING || g.class == TOK_MARK_NEW || g.class == TOK_CONNECTOR ||
           g.cp == 0x200c || g.cp == 0x200d || (g.cp >= 0x24b6 && g.cp <= 0x24e9);
}
static bool is_sign(glyph g) { return !is_word_char(g) && !is_blank(g); }

/* A run of blanks, which is dropped, or what lies between. */
static size_t split_blanks(const mote_tokenizer *t, const tok_step *step, const uint8_t *p,
                           size_t at, size_t end)
{
    glyph g = glyph_at(t, p, at, end);
    if (is_blank(g))
        return run_end(t, p, at, end, is_blank, SIZE_MAX);
    if (step->kind == TOK_STEP_BLANKS)
        return run_end(t, p, at, end, is_no_blank, SIZE_MAX);
    if (step->kind == TOK_STEP_BERT)
        return is_punct(g) ? g.next : run_end(t, p, at, end, is_plain, SIZE_MAX);
    return run_end(t, p, at, end, is_word_char(g) ? is_word_char : is_sign, SIZE_MAX);
}

static size_t split_punct(const mote_tokenizer *t, const uint8_t *p, size_t at, size_t end,
                          bool runs)
{
    glyph g = glyph_at(t, p, at, end);
    if (!is_punct(g))
        return run_end(t, p, at, end, is_no_punct, SIZE_MAX);
    return runs ? run_end(t, p, at, end, is_punct, SIZE_MAX) : g.next;
}

/* Digits behind ByteLevel sees GPT-2's letters: those of bytes that are numbers in Latin-1. */
static bool is_number_byte(uint8_t b)
{
    return (b >= '0' && b <= '9') || b == 0xb2 || b == 0xb3 || b == 0xb9 ||
           (b >= 0xbc && b <= 0xbe);
}

static size_t split_byte_digits(const uint8_t *p, size_t at, size_t end, bool each)
{
    bool number = is_number_byte(p[at++]);
    while (at < end && !(each && number) && is_number_byte(p[at]) == number)
        at++;
    return at;
}

static bool is_three(const uint8_t *p, size_t at, size_t end)
{
    bool digits = end - at >= 3;
    for (size_t i = at; i < at + 3 && digits; i++)
        digits = p[i] >= '0' && p[i] <= '9';
    return digits;
}

static size_t split_three(const uint8_t *p, size_t at, size_t end)
{
    if (is_three(p, at, end))
        return at + 3;
    do
        at++;
    while (at < end && !is_three(p, at, end));
    return at;
}

bool mote_tok_is_dropped(const mote_tokenizer *t, const tok_step *step, const uint8_t *p, size_t at)
{
    uint32_t cp;
    if (step->kind < TOK_STEP_BERT || step->kind > TOK_STEP_WORD_CHARS)
        return false;
    utf8_next(p + at, &cp);
    return tok_class(t, cp) == TOK_SPACE;
}

size_t mote_tok_split(const mote_tokenizer *t, const tok_step *step, const uint8_t *p, size_t at,
                      size_t end)
{
    switch (step->kind) {
    case TOK_STEP_DIGITS: return split_digits(t, p, at, end, step->param != 0);
    case TOK_STEP_GPT2: return split_gpt2(t, p, at, end);
    case TOK_STEP_LLAMA3: return split_llama3(t, p, at, end, step->param ? step->param : 1);
    case TOK_STEP_WORDS: return mote_tok_split_words(p, at, end);
    case TOK_STEP_SPACES: return split_spaces(p, at, end);
    case TOK_STEP_BERT:
    case TOK_STEP_BLANKS:
    case TOK_STEP_WORD_CHARS: return split_blanks(t, step, p, at, end);
    case TOK_STEP_PUNCT: return split_punct(t, p, at, end, step->param != 0);
    case TOK_STEP_BYTE_DIGITS: return split_byte_digits(p, at, end, step->param != 0);
    case TOK_STEP_THREE_DIGITS: return split_three(p, at, end);
    case TOK_STEP_FIND:
    case TOK_STEP_O200K:
    case TOK_STEP_DEEPSEEK3: return mote_tok_split_more(t, step, p, at, end);
    default: return end;
    }
}
