/* tok_parts.c: the tables of a draft beside entries and merges. Read tok_build.c first. */
#include <stdlib.h>
#include <string.h>

#include "tools/convert/tok_build.h"

/* ---- added tokens --------------------------------------------------------------------------- */

static int compare_added(const void *a, const void *b)
{
    const draft_added *x = a, *y = b;
    size_t n = x->text.bytes < y->text.bytes ? x->text.bytes : y->text.bytes;
    int order = memcmp(x->text.ptr, y->text.ptr, n);
    if (order)
        return order;
    if (x->text.bytes != y->text.bytes)
        return x->text.bytes < y->text.bytes ? -1 : 1;
    return (int)(x->flags & TOK_ADD_NORMALIZED) - (int)(y->flags & TOK_ADD_NORMALIZED);
}

mote_status build_added(builder *b)
{
    tok_draft *d = b->d;
    size_t text_bytes = 0;
    for (size_t i = 0; i < d->n_added; i++)
        text_bytes += d->added[i].text.bytes;
    qsort(d->added, d->n_added, sizeof *d->added, compare_added);
    tok_added *list = build_table(b, TOK_TABLE_ADDED, d->n_added * sizeof *list);
    char *text = list ? build_table(b, TOK_TABLE_ADDED_TEXT, text_bytes) : NULL;
    if (!text)
        return build_no_memory(d);
    uint32_t at = 0;
    for (size_t i = 0; i < d->n_added; i++) {
        draft_added *a = &d->added[i];
        uint8_t first = (uint8_t)a->text.ptr[0];
        if (i && !compare_added(a, a - 1))
            return convert_fail(d->err, MOTE_ERR_FILE, "%s: added tokens %u and %u are the same",
                                d->file, a[-1].id, a->id);
        list[i] = (tok_added){at, (uint16_t)a->text.bytes, (uint16_t)a->flags, a->id};
        memcpy(text + at, a->text.ptr, a->text.bytes);
        at += (uint32_t)a->text.bytes;
        d->h.added_first[a->flags & TOK_ADD_NORMALIZED][first >> 3] |= (uint8_t)(1 << (first & 7));
    }
    d->h.n_added = (uint32_t)d->n_added;
    return MOTE_OK;
}

/* ---- character data ------------------------------------------------------------------------- */

static bool wants_classes(const tok_draft *d)
{
    bool wants = false;
    for (uint32_t i = 0; i < d->h.n_steps; i++)
        wants |= d->h.steps[i].kind != TOK_STEP_WORDS && d->h.steps[i].kind != TOK_STEP_SPACES;
    for (uint32_t i = 0; i < d->h.n_norms; i++)
        wants |= d->h.norms[i].kind >= TOK_NORM_CLEAN && d->h.norms[i].kind <= TOK_NORM_STRIP_MARKS;
    for (size_t i = 0; i < d->n_added; i++)
        wants |= (d->added[i].flags & TOK_ADD_SINGLE_WORD) != 0;
    return wants;
}

static mote_status keep_table(builder *b, uint32_t which, void *data, size_t bytes)
{
    if (!data)
        return build_no_memory(b->d);
    b->out->tables[b->out->n++] =
        (tok_table){.kind = MOTE_T_TOKENIZER + which, .data = data, .bytes = bytes};
    return MOTE_OK;
}

/* The normalising step of a kind; NULL: there is none. */
static const tok_step *find_norm(const tok_draft *d, enum tok_norm_kind kind)
{
    const tok_step *found = NULL;
    for (uint32_t i = 0; i < d->h.n_norms; i++)
        found = d->h.norms[i].kind == kind ? &d->h.norms[i] : found;
    return found;
}

mote_status build_unicode(builder *b)
{
    tok_draft *d = b->d;
    size_t bytes = 0;
    const tok_step *form = find_norm(d, TOK_NORM_COMPOSE);
    mote_status status = MOTE_OK;
    bool any = wants_classes(d);
    if (any) {
        uint8_t *data = unicode_classes(&bytes);
        status = keep_table(b, TOK_TABLE_CLASSES, data, bytes);
    }
    if (!status && (form || d->h.flags & TOK_NFC)) {
        uint8_t *data = unicode_nfc(&bytes, form ? form->param : 0);
        status = keep_table(b, TOK_TABLE_NFC, data, bytes);
        any = true;
    }
    if (!status && find_norm(d, TOK_NORM_LOWER)) {
        uint8_t *data = unicode_lower(&bytes);
        status = keep_table(b, TOK_TABLE_LOWER, data, bytes);
    }
    if (!status && find_norm(d, TOK_NORM_CHARSMAP)) {
        uint8_t *data = unicode_bounds(&bytes);
        status = keep_table(b, TOK_TABLE_BOUNDS, data, bytes);
        any = true;
    }
    d->h.unicode = any ? unicode_version() : 0;
    return status;
}

/* ---- models that look entries up by their bytes --------------------------------------------- */

/* Every entry that a text may give; a control token is none. Of a BPE model, those that merging
 * gives back; all where a piece that is an entry is that entry. */
static bool is_key(const builder *b, size_t id, mote_text text)
{
    const tok_draft *d = b->d;
    if (!build_is_symbol(d, id) || !text.bytes)
        return false;
    if (d->h.model == TOK_BPE && !(d->h.flags & TOK_IGNORE_MERGES))
        return d->flags[id] & TOK_WHOLE;
    return !(d->flags[id] & TOK_SPECIAL) || d->flags[id] & TOK_WHOLE;
}

static mote_status build_trie(builder *b)
{
    tok_draft *d = b->d;
    size_t n = 0, n_nodes = 0;
    draft_key *keys = pool_take(&d->pool, d->n, sizeof *keys, d->err);
    if (!keys)
        return d->err->status;
    for (size_t id = 0; id < d->n; id++) {
        mote_text text = d->h.model == TOK_WORDPIECE ? d->texts[id] : b->pieces[id];
        if (is_key(b, id, text))
            keys[n++] = (draft_key){text, (uint32_t)id};
    }
    tok_node *nodes = draft_build_trie(keys, n, &n_nodes);
    return keep_table(b, TOK_TABLE_TRIE, nodes, n_nodes * sizeof *nodes);
}

static mote_status copy_table(builder *b, uint32_t which, const void *from, size_t bytes)
{
    void *data = from ? build_table(b, which, bytes) : NULL;
    if (data)
        memcpy(data, from, bytes);
    return from && !data ? build_no_memory(b->d) : MOTE_OK;
}

mote_status build_model(builder *b)
{
    tok_draft *d = b->d;
    mote_status status = build_trie(b);
    if (!status)
        status = copy_table(b, TOK_TABLE_SCORES, d->scores, (d->n + 1) * sizeof *d->scores);
    return status ? status : copy_table(b, TOK_TABLE_CHARSMAP, d->charsmap, d->charsmap_bytes);
}

/* ---- finished tables ------------------------------------------------------------------------ */

void tok_free(tok_tables *tables)
{
    for (size_t i = 0; i < tables->n; i++)
        free(tables->tables[i].data);
    memset(tables, 0, sizeof *tables);
}

static const void *find_table(const tok_tables *tables, uint32_t which)
{
    for (size_t i = 0; i < tables->n; i++)
        if (tables->tables[i].kind == MOTE_T_TOKENIZER + which)
            return tables->tables[i].data;
    return NULL;
}

int32_t tok_find(const tok_tables *tables, mote_text text)
{
    const tok_header *h = find_table(tables, TOK_TABLE_HEADER);
    if (!h)
        return -1;
    const tok_added *added = find_table(tables, TOK_TABLE_ADDED);
    const char *added_text = find_table(tables, TOK_TABLE_ADDED_TEXT);
    const char *pieces = find_table(tables, TOK_TABLE_PIECES);
    const uint32_t *ends = find_table(tables, TOK_TABLE_PIECE_ENDS);
    for (uint32_t i = 0; i < h->n_added; i++)
        if (added[i].bytes == text.bytes && !memcmp(added_text + added[i].at, text.ptr, text.bytes))
            return (int32_t)added[i].id;
    for (uint32_t id = 0; id < h->n_vocab; id++) {
        uint32_t begin = id ? ends[id - 1] : 0;
        if (ends[id] - begin == text.bytes && !memcmp(pieces + begin, text.ptr, text.bytes))
            return (int32_t)id;
    }
    return -1;
}
