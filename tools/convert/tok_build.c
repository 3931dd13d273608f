/* tok_build.c: a draft -> the tables of tokenizer/tables.h. Read tok_draft.h first. */
#include <stdlib.h>
#include <string.h>

#include "tools/convert/tok_build.h"

mote_status build_no_memory(const tok_draft *d)
{
    return convert_fail(d->err, MOTE_ERR_MEMORY, "%s: no memory for the tokenizer", d->file);
}

void *build_table(builder *b, uint32_t which, size_t bytes)
{
    uint8_t *data = calloc(bytes ? bytes : 1, 1);
    if (data)
        b->out->tables[b->out->n++] =
            (tok_table){.kind = MOTE_T_TOKENIZER + which, .data = data, .bytes = bytes};
    return data;
}

void build_drop_last(builder *b) { free(b->out->tables[--b->out->n].data); }

/* ---- entries as they decode ----------------------------------------------------------------- */

/* Byte-level text back to bytes; false: a character is none of the 256 letters. */
static bool letters_to_bytes(const builder *b, mote_text text, char *out, size_t *n)
{
    *n = 0;
    for (size_t at = 0; at < text.bytes;) {
        uint8_t c = (uint8_t)text.ptr[at++];
        uint32_t cp = c;
        if (c >= 0x80) {
            if (c >= 0xc8 || at >= text.bytes) /* above U+01FF */
                return false;
            cp = (c & 0x1fu) << 6 | ((uint8_t)text.ptr[at++] & 0x3fu);
        }
        if (b->letter_byte[cp] < 0)
            return false;
        out[(*n)++] = (char)b->letter_byte[cp];
    }
    return true;
}

static size_t marks_to_blanks(mote_text text, char *out)
{
    size_t n = 0;
    for (size_t at = 0; at < text.bytes; at++)
        if (text.bytes - at >= 3 && !memcmp(text.ptr + at, DRAFT_MARK, 3)) {
            out[n++] = ' ';
            at += 2;
        } else {
            out[n++] = text.ptr[at];
        }
    return n;
}

/* An entry as it decodes, written to out (text.bytes of room); sets flags. */
static size_t decode_entry(builder *b, size_t id, char *out)
{
    tok_draft *d = b->d;
    mote_text text = d->texts[id];
    if (d->h.flags & TOK_WORDS)
        return draft_decode_word(d, id, out);
    size_t n = text.bytes;
    int byte = d->byte_tokens ? draft_byte_token(text) : -1;
    if (byte >= 0) {
        d->flags[id] |= TOK_BYTE | DRAFT_RAW;
        *out = (char)byte;
        return 1;
    }
    if (d->h.flags & TOK_BYTE_LEVEL) {
        if (letters_to_bytes(b, text, out, &n))
            return n;
        d->flags[id] |= DRAFT_RAW;
        n = text.bytes;
    } else if (d->mark_is_blank) {
        if (d->h.flags & TOK_SPACE_MARK && memchr(text.ptr, ' ', n))
            d->flags[id] |= DRAFT_RAW; /* no blank is left in a text that is looked up */
        return marks_to_blanks(text, out);
    }
    if (n)
        memcpy(out, text.ptr, n);
    return n;
}

static mote_status build_pieces(builder *b)
{
    tok_draft *d = b->d;
    size_t room = 0, n = 0;
    for (size_t id = 0; id < d->n; id++)
        room += d->texts[id].bytes + 1; /* WordPiece's blank */
    b->pieces = pool_take(&d->pool, d->n, sizeof *b->pieces, d->err);
    char *bytes = b->pieces ? build_table(b, TOK_TABLE_PIECES, room) : NULL;
    uint32_t *ends = bytes ? build_table(b, TOK_TABLE_PIECE_ENDS, d->n * sizeof *ends) : NULL;
    if (!ends)
        return build_no_memory(d);
    for (size_t id = 0; id < d->n; id++) {
        size_t length = d->texts[id].ptr ? decode_entry(b, id, bytes + n) : 0;
        b->pieces[id] = (mote_text){bytes + n, length};
        n += length;
        ends[id] = (uint32_t)n;
        d->h.max_piece = length > d->h.max_piece ? (uint32_t)length : d->h.max_piece;
    }
    b->out->tables[1].bytes = n;
    d->h.n_vocab = (uint32_t)d->n;
    return n > UINT32_MAX ? build_no_memory(d) : MOTE_OK;
}

/* ---- first symbols -------------------------------------------------------------------------- */

static void find_symbols(builder *b)
{
    tok_draft *d = b->d;
    memset(d->h.byte_ids, 0xff, sizeof d->h.byte_ids);
    memset(d->h.ascii_ids, 0xff, sizeof d->h.ascii_ids);
    for (size_t id = 0; id < d->n; id++) {
        uint8_t first = b->pieces[id].bytes == 1 ? (uint8_t)b->pieces[id].ptr[0] : 0;
        if (b->pieces[id].bytes != 1)
            continue;
        bool upper = d->flags[id] & TOK_BYTE && !memchr("abcdef", d->texts[id].ptr[3], 6) &&
                     !memchr("abcdef", d->texts[id].ptr[4], 6);
        if (d->h.flags & TOK_BYTE_LEVEL ? build_is_symbol(d, id) : upper)
            d->h.byte_ids[first] = (int32_t)id;
        if (build_is_symbol(d, id) && first < 128)
            d->h.ascii_ids[first] = (int32_t)id;
    }
}

/* Published vocabularies lack control characters and letters of far scripts, which the hub's
 * library leaves out too; without a letter of ASCII a file is damaged. */
static mote_status check_symbols(const tok_draft *d)
{
    for (unsigned byte = ' '; d->h.flags & TOK_BYTE_LEVEL && d->h.unk < 0 && byte < 0x7f; byte++)
        if (d->h.byte_ids[byte] < 0)
            return convert_fail(d->err, MOTE_ERR_FILE, "%s: no entry for the byte 0x%02X", d->file,
                                byte);
    return MOTE_OK;
}

/* ---- words ---------------------------------------------------------------------------------- */

/* Does this entry go from something to a blank? */
static bool crosses(mote_text p)
{
    size_t at = 0;
    while (at < p.bytes && p.ptr[at] == ' ')
        at++;
    return memchr(p.ptr + at, ' ', p.bytes - at) != NULL;
}

/* SentencePiece's models see a whole text at once. Where no merge, or no entry of a Unigram model,
 * crosses a border from something to a blank, words can be taken one by one, with the same ids. */
static void cut_words(builder *b)
{
    tok_draft *d = b->d;
    bool any = false;
    if (d->h.model == TOK_WORDPIECE || d->h.flags & (TOK_BYTE_LEVEL | TOK_IGNORE_MERGES) ||
        d->h.n_steps || d->h.ascii_ids[' '] < 0)
        return;
    for (size_t i = 0; i < d->n_merges && !any; i++)
        any = crosses(b->pieces[d->merges[i].id]);
    for (size_t id = 0; d->h.model == TOK_UNIGRAM && id < d->n && !any; id++)
        any = build_is_symbol(d, id) && crosses(b->pieces[id]);
    if (!any)
        d->h.steps[d->h.n_steps++].kind = TOK_STEP_WORDS;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int compare_tables(const void *a, const void *b)
{
    const tok_table *x = a, *y = b;
    return (int)x->kind - (int)y->kind;
}

static void drop_empty(tok_tables *t)
{
    for (size_t i = t->n; i-- > 0;)
        if (t->tables[i].bytes == 0) {
            free(t->tables[i].data);
            t->tables[i] = t->tables[--t->n];
        }
}

static mote_status build_all(builder *b)
{
    tok_draft *d = b->d;
    tok_header *h = build_table(b, TOK_TABLE_HEADER, sizeof *h);
    mote_status status = h ? build_pieces(b) : build_no_memory(d);
    if (status)
        return status;
    find_symbols(b);
    cut_words(b);
    status = check_symbols(d);
    if (!status)
        status = build_merges(b);
    if (!status)
        status = build_added(b);
    if (!status)
        status = build_unicode(b);
    if (!status)
        status = build_model(b);
    if (status)
        return status;
    *h = d->h;
    b->out->n_vocab = h->n_vocab;
    drop_empty(b->out);
    qsort(b->out->tables, b->out->n, sizeof *b->out->tables, compare_tables);
    return MOTE_OK;
}

mote_status draft_build(tok_draft *d, tok_tables *out)
{
    builder b = {.d = d, .out = out};
    for (uint32_t cp = 0; cp < 512; cp++)
        b.letter_byte[cp] = draft_letter_byte(cp);
    *out = (tok_tables){.n = 0};
    mote_status status = build_all(&b);
    pool_free(&d->pool);
    if (status)
        tok_free(out);
    return status;
}
