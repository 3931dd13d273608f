/* tok_draft.c: filling a draft: entries, merges, added tokens. Read tok_draft.h first. */
#include "tools/convert/tok_draft.h"

#include <stdlib.h>
#include <string.h>

mote_status draft_open(tok_draft *d, const char *file, size_t n, mote_convert_error *err)
{
    *d = (tok_draft){.file = file, .err = err, .n = n};
    d->h.version = TOK_VERSION;
    d->h.model = TOK_BPE;
    d->h.unk = d->h.bos = -1;
    if (n == 0 || n > TOK_MAX_VOCAB)
        return convert_fail(err, MOTE_ERR_FILE, "%s: a vocabulary of %zu ids (1 to %u)", file, n,
                            TOK_MAX_VOCAB);
    d->n_slots = 2 * n + 1;
    d->texts = pool_take(&d->pool, n, sizeof *d->texts, err);
    d->flags = d->texts ? pool_take(&d->pool, n, 1, err) : NULL;
    d->slots = d->flags ? pool_take(&d->pool, d->n_slots, sizeof *d->slots, err) : NULL;
    if (!d->slots)
        return err->status;
    memset(d->slots, 0xff, d->n_slots * sizeof *d->slots);
    return MOTE_OK;
}

static uint64_t hash_text(const char *p, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)p[i]) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

/* The slot of a text: where it stands or would stand. */
static size_t find_slot(const tok_draft *d, mote_text text)
{
    size_t at = (size_t)(hash_text(text.ptr, text.bytes) % d->n_slots);
    while (d->slots[at] != TOK_EMPTY) {
        mote_text other = d->texts[d->slots[at]];
        if (other.bytes == text.bytes && !memcmp(other.ptr, text.ptr, text.bytes))
            break;
        at = at + 1 == d->n_slots ? 0 : at + 1;
    }
    return at;
}

int32_t draft_find(const tok_draft *d, mote_text text)
{
    uint32_t id = d->slots[find_slot(d, text)];
    return id == TOK_EMPTY ? -1 : (int32_t)id;
}

mote_status draft_set(tok_draft *d, uint32_t id, mote_text text)
{
    if (id >= d->n || d->texts[id].ptr)
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: two entries have the id %u", d->file, id);
    if (text.bytes > TOK_MAX_PIECE)
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: entry %u has %zu bytes (at most %u)",
                            d->file, id, text.bytes, TOK_MAX_PIECE);
    size_t slot = find_slot(d, text);
    if (d->slots[slot] != TOK_EMPTY)
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: entries %u and %u are the same", d->file,
                            d->slots[slot], id);
    d->slots[slot] = id;
    d->texts[id] = text;
    d->flags[id] |= DRAFT_IN_MODEL;
    return MOTE_OK;
}

int draft_byte_token(mote_text text)
{
    int byte = 0;
    if (text.bytes != 6 || memcmp(text.ptr, "<0x", 3) != 0 || text.ptr[5] != '>')
        return -1;
    for (size_t i = 3; i < 5; i++) {
        char c = text.ptr[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        byte = byte * 16 + digit;
    }
    return byte;
}

mote_status draft_reserve(tok_draft *d, size_t n_merges, size_t n_added)
{
    d->merges = pool_take(&d->pool, n_merges, sizeof *d->merges, d->err);
    d->added = d->merges ? pool_take(&d->pool, n_added, sizeof *d->added, d->err) : NULL;
    d->joined = d->added ? pool_take(&d->pool, 2, TOK_MAX_PIECE, d->err) : NULL;
    return d->joined ? MOTE_OK : d->err->status;
}

mote_status draft_merge(tok_draft *d, uint32_t left, uint32_t right, uint32_t rank)
{
    char *joined = d->joined;
    mote_text a = d->texts[left], b = d->texts[right];
    memcpy(joined, a.ptr, a.bytes);
    memcpy(joined + a.bytes, b.ptr, b.bytes);
    int32_t id = draft_find(d, (mote_text){joined, a.bytes + b.bytes});
    if (id < 0)
        return convert_fail(d->err, MOTE_ERR_FILE,
                            "%s: merge %zu: what entries %u and %u make is no entry", d->file,
                            d->n_merges, left, right);
    d->merges[d->n_merges++] = (tok_merge){left, right, rank, (uint32_t)id};
    return MOTE_OK;
}

mote_status draft_add(tok_draft *d, uint32_t id, mote_text text, bool special, unsigned flags)
{
    if (text.bytes == 0)
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: added token %u is empty", d->file, id);
    if (text.bytes > TOK_MAX_ADDED_TEXT)
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                            "%s: added token %u has %zu bytes (at most %u)", d->file, id,
                            text.bytes, TOK_MAX_ADDED_TEXT);
    int32_t entry = draft_find(d, text);
    if (id >= d->n || (entry >= 0 && (uint32_t)entry != id) || (entry < 0 && d->texts[id].ptr))
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: added token %u contradicts the vocabulary",
                            d->file, id);
    if (entry < 0)
        d->texts[id] = text;
    d->flags[id] |= special ? TOK_ADDED | TOK_SPECIAL : TOK_ADDED;
    d->added[d->n_added++] = (draft_added){text, flags, id};
    return MOTE_OK;
}

/* ---- GPT-2's letters for bytes -------------------------------------------------------------- */

static bool is_printable(unsigned byte)
{
    return (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
}

uint32_t draft_byte_letter(unsigned byte)
{
    uint32_t letter = 256;
    for (unsigned b = 0; b < byte; b++)
        letter += !is_printable(b);
    return is_printable(byte) ? byte : letter;
}

int draft_letter_byte(uint32_t cp)
{
    uint32_t letter = 256;
    if (cp < 256)
        return is_printable(cp) ? (int)cp : -1;
    for (int b = 0; b < 256; b++)
        if (!is_printable((unsigned)b) && letter++ == cp)
            return b;
    return -1;
}

/* ---- WordPiece's entries as they decode ----------------------------------------------------- */

/* What the decoder's cleaning replaces, in this order, in every entry by itself. */
static const char *const cleanings[][2] = {
    {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
    {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
    {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
};

static size_t replace_all(char *text, size_t n, const char *from, const char *to)
{
    size_t wanted = strlen(from), given = strlen(to), out = 0;
    for (size_t at = 0; at < n;)
        if (n - at >= wanted && !memcmp(text + at, from, wanted)) {
            memcpy(text + out, to, given); /* never longer than what it replaces */
            out += given;
            at += wanted;
        } else {
            text[out++] = text[at++];
        }
    return out;
}

size_t draft_decode_word(tok_draft *d, size_t id, char *out)
{
    mote_text text = d->texts[id];
    size_t n = 0, prefix = d->h.prefix_bytes;
    bool goes_on = prefix && text.bytes >= prefix && !memcmp(text.ptr, d->h.prefix_text, prefix);
    if (goes_on) {
        d->flags[id] |= TOK_CONTINUES;
        text = (mote_text){text.ptr + prefix, text.bytes - prefix};
    } else {
        out[n++] = ' ';
    }
    memcpy(out + n, text.ptr, text.bytes);
    n += text.bytes;
    for (size_t i = 0; d->cleans && i < sizeof cleanings / sizeof *cleanings; i++)
        n = replace_all(out, n, cleanings[i][0], cleanings[i][1]);
    return n;
}
