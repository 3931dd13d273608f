/* added.c: added tokens in a text: special tokens and words that go before all splitting. The list
 * is sorted, so the candidates at a place are a range that narrows with every byte: at most
 * TOK_MAX_ADDED_TEXT steps of two binary searches, whatever the text. */
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

/* Byte d of added token i; -1 behind its end, so that a shorter one sorts before a longer. */
static int byte_at(const mote_tokenizer *t, size_t i, size_t d)
{
    const tok_added *a = &t->added[i];
    if (d >= a->bytes || a->at + d >= t->added_text_bytes)
        return -1;
    return (uint8_t)t->added_text[a->at + d];
}

/* First of [low, high) whose byte d is at least b. */
static size_t find_bound(const mote_tokenizer *t, size_t low, size_t high, size_t d, int b)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (byte_at(t, middle, d) < b)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest added token that begins at p[at]; its index, or n_added. */
static size_t find_longest(const mote_tokenizer *t, const tok_search *s, size_t at)
{
    size_t low = 0, high = t->h->n_added, best = t->h->n_added;
    unsigned wanted = s->normalized ? TOK_ADD_NORMALIZED : 0;
    for (size_t d = 0; low < high; d++) {
        for (size_t i = low; d && i < high && i < low + 2 && byte_at(t, i, d) < 0; i++)
            if ((t->added[i].flags & TOK_ADD_NORMALIZED) == wanted)
                best = i;
        if (at + d >= s->bytes || d >= TOK_MAX_ADDED_TEXT)
            break;
        low = find_bound(t, low, high, d, s->text[at + d]);
        high = find_bound(t, low, high, d, s->text[at + d] + 1);
    }
    return best;
}

/* ---- conditions at the borders -------------------------------------------------------------- */

/* Begin of the character that ends at `end` > 0. */
static size_t step_back(const uint8_t *p, size_t end)
{
    size_t at = end - 1;
    while (at > 0 && end - at < 4 && (p[at] & 0xc0) == 0x80)
        at--;
    return at;
}

static uint32_t char_at(const tok_search *s, size_t at)
{
    bool valid;
    uint32_t cp;
    utf8_read(s->text + at, s->bytes - at, &cp, &valid);
    return cp;
}

static bool is_word(const mote_tokenizer *t, uint32_t cp)
{
    if (!MOTE_TEXT_STEPS || !t->classes)
        return false;
    unsigned c = tok_class(t, cp);
    return c == TOK_DIGIT || (c >= TOK_MARK && c <= TOK_LETTER) || c == TOK_CONNECTOR ||
           c == TOK_MARK_SPACING || c == TOK_MARK_NEW || cp == 0x200c || cp == 0x200d;
}

static bool stands_alone(const mote_tokenizer *t, const tok_search *s, size_t begin, size_t end)
{
    return !(begin > 0 && is_word(t, char_at(s, step_back(s->text, begin)))) &&
           !(end < s->bytes && is_word(t, char_at(s, end)));
}

static void take_blanks(const tok_search *s, unsigned flags, tok_match *m)
{
    while (flags & TOK_ADD_LSTRIP && m->begin > s->taken) {
        size_t at = step_back(s->text, m->begin);
        if (at < s->taken || !tok_is_space(char_at(s, at)))
            break;
        m->begin = at;
    }
    while (flags & TOK_ADD_RSTRIP && m->end < s->bytes && tok_is_space(char_at(s, m->end)))
        m->end += utf8_length(s->text[m->end]);
}

/* ---- what may not become special ------------------------------------------------------------ */

enum { FREE, TOUCHED, INSIDE };

/* Does [begin, end) of the text touch what is plain text, or lie in it? Spans that end before it
 * are dropped: texts are searched from left to right. */
static int plainness(tok_encoder *e, const tok_search *s, size_t begin, size_t end)
{
    if (s->all_plain)
        return INSIDE;
    begin += s->offset;
    end += s->offset;
    while (e->n_plain && e->plain->end <= begin) {
        e->plain++;
        e->n_plain--;
    }
    if (!e->n_plain || e->plain->begin >= end)
        return FREE;
    return e->plain->begin <= begin && end <= e->plain->end ? INSIDE : TOUCHED;
}

/* ---- the search ----------------------------------------------------------------------------- */

bool mote_tok_next_added(tok_encoder *e, tok_search *s, tok_match *match)
{
    const mote_tokenizer *t = e->t;
    const uint8_t *first = t->h->added_first[s->normalized];
    while (s->from < s->bytes) {
        size_t at = s->from;
        while (at < s->bytes && !(first[s->text[at] >> 3] >> (s->text[at] & 7) & 1))
            at++;
        s->from = at + 1;
        if (at == s->bytes)
            break;
        size_t i = find_longest(t, s, at);
        if (i == t->h->n_added)
            continue;
        const tok_added *a = &t->added[i];
        size_t end = at + a->bytes;
        bool special = a->id < t->h->n_vocab && t->flags[a->id] & TOK_SPECIAL;
        int plain = special ? plainness(e, s, at, end) : FREE;
        if (plain != TOUCHED)
            s->from = end;
        if (plain != FREE || (a->flags & TOK_ADD_SINGLE_WORD && !stands_alone(t, s, at, end)))
            continue;
        *match = (tok_match){at, end, a->id};
        take_blanks(s, a->flags, match);
        if (match->begin < s->taken) /* blanks that the match before has taken */
            match->begin = s->taken;
        if (match->end < match->begin)
            match->end = match->begin;
        s->taken = match->end;
        return true;
    }
    return false;
}
