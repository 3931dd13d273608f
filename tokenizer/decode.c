/* decode.c: ids -> text, all at once or as they come. The bytes of byte-level entries go through a
 * checker that lets only complete characters out; byte tokens (<0xE2>) of SentencePiece
 * vocabularies too, with one difference: a run of them that is no UTF-8 becomes one U+FFFD a
 * token. */
#include <string.h>

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

/* What a decoder remembers between ids; lies in mote_decoder.state. */
typedef struct memory {
    uint8_t pending[4]; /* the beginning of a character */
    uint8_t n_pending;
    bool started; /* some id has been decoded */
    bool strip;   /* a blank at the beginning of the next bytes goes */
} memory;

typedef struct sink {
    memory *m;
    bool each; /* each waiting byte becomes a U+FFFD, not all of them one */
    char *out;
    size_t cap, n; /* n counts on behind cap */
} sink;

static void put(sink *s, const void *p, size_t n)
{
    if (s->n < s->cap)
        memcpy(s->out + s->n, p, n < s->cap - s->n ? n : s->cap - s->n);
    s->n += n;
}

static void put_replacements(sink *s, size_t n)
{
    while (n--)
        put(s, "\xef\xbf\xbd", 3);
}

/* Gives up waiting for the rest of a character. */
static void flush(sink *s)
{
    if (s->m->n_pending)
        put_replacements(s, s->each ? s->m->n_pending : 1);
    s->m->n_pending = 0;
}

static void put_byte(sink *s, uint8_t b)
{
    memory *m = s->m;
    if (m->n_pending && !utf8_continues(m->pending[0], m->n_pending, b))
        flush(s);
    size_t length = utf8_length(m->n_pending ? m->pending[0] : b);
    if (length == 0) {
        put_replacements(s, 1);
        return;
    }
    m->pending[m->n_pending++] = b;
    if (m->n_pending == length) {
        put(s, m->pending, length);
        m->n_pending = 0;
    }
}

/* An entry. Also one that is text by itself goes byte by byte: in a stranger's table it may be no
 * UTF-8. */
static void put_text(sink *s, const uint8_t *p, size_t n, bool as_bytes)
{
    if (s->m->strip && n) {
        s->m->strip = false;
        n -= *p == ' ';
        p += *p == ' ';
    }
    if (!as_bytes)
        flush(s);
    for (size_t i = 0; i < n; i++)
        put_byte(s, p[i]);
}

/* An entry's text where it stands first: WordPiece's without its blank, or with the prefix that
 * its piece lacks; Metaspace's without any blank. */
static void put_first(sink *s, const mote_tokenizer *t, int32_t id, mote_text piece)
{
    const tok_header *h = t->h;
    const uint8_t *p = (const uint8_t *)piece.ptr;
    bool blank = piece.bytes && *p == ' ';
    if (h->flags & TOK_STRIP_FIRST) {
        for (size_t i = 0; i < piece.bytes; i++)
            if (p[i] != ' ')
                put_text(s, p + i, 1, true);
        return;
    }
    if (t->flags[id] & TOK_CONTINUES)
        put_text(s, h->prefix_text, h->prefix_bytes, true);
    put_text(s, p + blank, piece.bytes - blank, true);
}

static void put_id(sink *s, const mote_tokenizer *t, int32_t id, bool skip_special)
{
    unsigned flags = t->h->flags;
    if (id < 0 || (uint32_t)id >= t->h->n_vocab)
        return;
    bool skip = skip_special && t->flags[id] & TOK_SPECIAL;
    mote_text piece = mote_tok_piece(t, (uint32_t)id);
    bool is_byte = t->flags[id] & TOK_BYTE;
    if (MOTE_TEXT_TRIES && !skip && flags & TOK_JOIN_SPACE && s->m->started) {
        flush(s);
        put(s, " ", 1);
    }
    if (!skip && !s->m->started)
        s->m->strip |= flags & TOK_STRIP_SPACE;
    bool first = !skip && !s->m->started && flags & (TOK_WORDS | TOK_STRIP_FIRST);
    s->m->started |= !skip;
    if (MOTE_TEXT_TRIES && first && !is_byte)
        put_first(s, t, id, piece);
    else if (!skip)
        put_text(s, (const uint8_t *)piece.ptr, piece.bytes, is_byte || flags & TOK_BYTE_LEVEL);
    if (flags & TOK_LLAMA2C)
        s->m->strip = id == t->h->bos;
}

/* ---- all at once ---------------------------------------------------------------------------- */

/* The ids from i on that are byte tokens, skipped ones among them: where the run ends; whether its
 * bytes are UTF-8. */
static size_t run_of_bytes(const mote_tokenizer *t, const int32_t *ids, size_t i, size_t n,
                           bool skip_special, bool *valid)
{
    uint8_t first = 0;
    size_t have = 0;
    *valid = true;
    for (; i < n; i++) {
        uint32_t id = (uint32_t)ids[i];
        if (id >= t->h->n_vocab || (skip_special && t->flags[id] & TOK_SPECIAL))
            continue;
        mote_text piece = mote_tok_piece(t, id);
        if (!(t->flags[id] & TOK_BYTE) || piece.bytes != 1)
            break;
        uint8_t b = (uint8_t)piece.ptr[0];
        *valid = *valid && (have ? utf8_continues(first, have, b) : utf8_length(b) > 0);
        first = have ? first : b;
        have = have + 1 == utf8_length(first) ? 0 : have + 1;
    }
    *valid = *valid && have == 0;
    return i;
}

size_t mote_decode(const mote_tokenizer *t, const int32_t *ids, size_t n, bool skip_special,
                   char *out, size_t cap)
{
    memory m = {{0}, 0, false, false};
    bool each = t->h->flags & TOK_LOSSY_BYTES;
    sink s = {.m = &m, .each = each, .out = out, .cap = cap};
    for (size_t i = 0, end; i < n; i = end) {
        bool valid = true;
        end = i + 1;
        if (each)
            end = run_of_bytes(t, ids, i, n, skip_special, &valid);
        end = end > i ? end : i + 1;
        for (size_t j = i; j < end; j++) {
            uint32_t id = (uint32_t)ids[j];
            if (valid || id >= t->h->n_vocab || !(t->flags[id] & TOK_BYTE))
                put_id(&s, t, ids[j], skip_special);
            else
                put_replacements(&s, 1);
            m.started |= !valid;
        }
    }
    flush(&s);
    return s.n;
}

/* ---- as they come --------------------------------------------------------------------------- */

_Static_assert(sizeof(memory) <= sizeof((mote_decoder *)0)->state,
               "a decoder's state is too small");

/* Every byte of an entry can become U+FFFD, and what waited before it. */
size_t mote_decode_max_bytes(const mote_tokenizer *t)
{
    return 3 * (size_t)t->h->max_piece + 16 + TOK_MAX_PREFIX;
}

void mote_decoder_init(mote_decoder *d, const mote_tokenizer *t, bool skip_special)
{
    memset(d, 0, sizeof *d);
    d->tokenizer = t;
    d->skip_special = skip_special;
}

static sink open_sink(const mote_decoder *d, memory *m, char *out)
{
    memcpy(m, d->state, sizeof *m);
    return (sink){.m = m,
                  .each = d->tokenizer->h->flags & TOK_LOSSY_BYTES,
                  .out = out,
                  .cap = mote_decode_max_bytes(d->tokenizer)};
}

size_t mote_decoder_push(mote_decoder *d, int32_t id, char *out)
{
    memory m;
    sink s = open_sink(d, &m, out);
    put_id(&s, d->tokenizer, id, d->skip_special);
    memcpy(d->state, &m, sizeof m);
    return s.n;
}

size_t mote_decoder_flush(mote_decoder *d, char *out)
{
    memory m;
    sink s = open_sink(d, &m, out);
    flush(&s);
    memcpy(d->state, &m, sizeof m);
    return s.n;
}
