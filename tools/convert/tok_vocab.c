/* tok_vocab.c: vocabularies that name what is done with them instead of describing it (tok.h,
 * tok_vocab) -> a draft. Read tok_draft.h first. */
#include <string.h>

#include "loader/image.h"
#include "tools/convert/tok_draft.h"

static mote_status read_entry(tok_draft *d, uint32_t id, mote_text text)
{
    if (!mote_utf8_valid(text.ptr, text.bytes))
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: token %u is not valid UTF-8", d->file, id);
    if (draft_find(d, text) < 0)
        return draft_set(d, id, text);
    d->texts[id] = text; /* padding entries may repeat */
    return MOTE_OK;
}

/* Control tokens are special; user-defined ones are found in texts too, but are plain words. */
static mote_status read_added(tok_draft *d, const tok_vocab *v)
{
    mote_status status = MOTE_OK;
    for (size_t i = 0; i < v->n && v->types && !status; i++) {
        bool control = v->types[i] == TOK_TYPE_CONTROL || v->types[i] == TOK_TYPE_UNKNOWN;
        if (v->types[i] == TOK_TYPE_UNUSED || v->types[i] == TOK_TYPE_BYTE)
            d->flags[i] &= (uint8_t)~DRAFT_IN_MODEL;
        bool found = draft_find(d, d->texts[i]) == (int32_t)i && d->texts[i].bytes;
        if ((control || (v->types[i] == TOK_TYPE_USER && !v->user_entries)) && found)
            status = draft_add(d, (uint32_t)i, d->texts[i], control, 0);
    }
    return status;
}

static mote_status add_affixes(tok_draft *d, const tok_vocab *v)
{
    int32_t bos = v->bos, sep = v->sep;
    if (d->h.model == TOK_WORDPIECE) {
        bos = bos >= 0 ? bos : draft_find(d, (mote_text){"[CLS]", 5});
        sep = sep >= 0 ? sep : draft_find(d, (mote_text){"[SEP]", 5});
    }
    sep = sep >= 0 ? sep : v->eos;
    int32_t after = v->add_sep ? sep : v->add_eos ? v->eos : -1;
    if (v->add_bos && bos >= 0)
        d->h.before[d->h.n_before++] = bos;
    if (after >= 0)
        d->h.after[d->h.n_after++] = after;
    d->h.bos = bos;
    return MOTE_OK;
}

/* ---- byte-level vocabularies with merges ---------------------------------------------------- */

static mote_status read_way(tok_draft *d, const tok_vocab *v)
{
    const tok_way *way = tok_way_find(v->pre);
    if (!way)
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                            "%s: tokenizer.ggml.pre %.60s is not supported", d->file,
                            v->pre ? v->pre : "(none)");
    d->h.flags |= way->flags;
    for (size_t i = 0; i < TOK_MAX_STEPS && way->steps[i].kind; i++)
        d->h.steps[d->h.n_steps++] = way->steps[i];
    return MOTE_OK;
}

static mote_status read_merges(tok_draft *d, const tok_vocab *v)
{
    mote_status status = MOTE_OK;
    for (size_t i = 0; i < v->n_merges && !status; i++) {
        mote_text m = v->merges[i];
        const char *blank = m.bytes > 1 ? memchr(m.ptr + 1, ' ', m.bytes - 1) : NULL;
        size_t n = blank ? (size_t)(blank - m.ptr) : 0;
        int32_t left = blank ? draft_find(d, (mote_text){m.ptr, n}) : -1;
        int32_t right = blank ? draft_find(d, (mote_text){blank + 1, m.bytes - n - 1}) : -1;
        if (left < 0 || right < 0)
            return convert_fail(d->err, MOTE_ERR_FILE, "%s: merge %zu is no pair of tokens",
                                d->file, i);
        status = draft_merge(d, (uint32_t)left, (uint32_t)right, (uint32_t)i);
    }
    return status;
}

static mote_status read_bpe(tok_draft *d, const tok_vocab *v)
{
    if (!v->n_merges && strcmp(v->model, "tiktoken") != 0)
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: tokenizer.ggml.merges is missing", d->file);
    mote_status status = draft_reserve(d, v->n_merges, v->n);
    d->h.flags |= TOK_BYTE_LEVEL;
    if (v->add_space_prefix)
        d->h.prefix = TOK_PREFIX_UNLESS;
    if (!status)
        status = read_way(d, v);
    if (!status)
        status = read_merges(d, v);
    return status ? status : read_added(d, v);
}

/* tiktoken takes a piece that is an entry as it is. */
static mote_status read_ranks(tok_draft *d, const tok_vocab *v)
{
    mote_status status = MOTE_OK;
    for (size_t i = 0; i < v->n && !status; i++)
        if (v->pieces[i].bytes && draft_find(d, v->pieces[i]) != (int32_t)i)
            status = convert_fail(d->err, MOTE_ERR_FILE, "%s: entries %d and %zu are the same",
                                  d->file, draft_find(d, v->pieces[i]), i);
    if (!status)
        status = read_bpe(d, v);
    d->h.flags |= TOK_IGNORE_MERGES;
    return status ? status : draft_cut_by_score(d, v);
}

/* ---- SentencePiece's vocabularies ----------------------------------------------------------- */

/* What SentencePiece does to a text first: its map; runs of blanks become one, those at the ends
 * go; then a blank in front, but not in front of nothing. */
static mote_status add_norms(tok_draft *d, const tok_vocab *v)
{
    mote_status status = MOTE_OK;
    if (v->charsmap)
        status = tok_add_charsmap(d, v->charsmap, v->charsmap_bytes);
    if (!status && v->trims)
        status = draft_norm(d, TOK_NORM_COLLAPSE, 0);
    if (!status && v->trims)
        status = draft_norm(d, TOK_NORM_TRIM, TOK_TRIM_LEFT | TOK_TRIM_RIGHT | TOK_TRIM_BLANKS);
    if (v->add_space_prefix)
        d->h.prefix = v->trims ? TOK_PREFIX_UNLESS : TOK_PREFIX_ALWAYS;
    d->h.flags |= TOK_SPACE_MARK | (v->add_space_prefix || v->trims ? TOK_STRIP_SPACE : 0);
    d->mark_is_blank = true;
    return status ? status : draft_norms_done(d);
}

static mote_status read_pieces(tok_draft *d, const tok_vocab *v)
{
    mote_status status = draft_reserve(d, 0, v->n);
    d->h.flags |= TOK_BYTE_FALLBACK | TOK_FUSE_UNK | TOK_LOSSY_BYTES;
    d->byte_tokens = true;
    d->h.unk = v->unk;
    if (!status)
        status = add_norms(d, v);
    if (v->add_space_prefix && v->first_only)
        d->h.prefix = TOK_PREFIX_FIRST;
    if (!status)
        status = read_added(d, v);
    return status ? status : draft_cut_by_score(d, v);
}

static mote_status read_unigram(tok_draft *d, const tok_vocab *v)
{
    mote_status status = draft_reserve(d, 0, v->n);
    if (!status)
        status = read_added(d, v);
    if (!status)
        status = draft_unigram(d, v);
    return status ? status : add_norms(d, v);
}

static mote_status read_llama2c(tok_draft *d, const tok_vocab *v)
{
    mote_status status = draft_reserve(d, 0, v->n);
    d->h.flags |= TOK_BYTE_FALLBACK | TOK_FUSE_UNK | TOK_LOSSY_BYTES | TOK_LLAMA2C;
    d->byte_tokens = true;
    d->h.unk = v->unk;
    d->h.prefix = v->add_space_prefix ? TOK_PREFIX_ALWAYS : TOK_PREFIX_NONE;
    for (int32_t i = v->bos; i >= 0 && i <= v->eos && !status; i++)
        status = draft_add(d, (uint32_t)i, v->pieces[i], true, 0);
    return status ? status : draft_cut_by_score(d, v);
}

/* ---- WordPiece ------------------------------------------------------------------------------ */

/* GGUF marks the entries that begin a word; the tables, as the published files, what goes on. */
static mote_text word_text(tok_draft *d, const tok_vocab *v, size_t i)
{
    mote_text p = v->pieces[i];
    bool apart =
        v->types ? v->types[i] == TOK_TYPE_CONTROL || v->types[i] == TOK_TYPE_UNKNOWN : false;
    apart |= p.bytes > 2 && p.ptr[0] == '[' && p.ptr[p.bytes - 1] == ']';
    if (apart)
        return p;
    if (p.bytes >= 3 && !memcmp(p.ptr, DRAFT_MARK, 3))
        return (mote_text){p.ptr + 3, p.bytes - 3};
    char *text = pool_take(&d->pool, p.bytes + 2, 1, d->err);
    if (!text)
        return (mote_text){NULL, 0};
    memcpy(text, "##", 2);
    memcpy(text + 2, p.ptr, p.bytes);
    return (mote_text){text, p.bytes + 2};
}

static mote_status read_words(tok_draft *d, const tok_vocab *v)
{
    mote_status status = draft_reserve(d, 0, v->n);
    d->h.model = TOK_WORDPIECE;
    d->h.flags |= TOK_WORDS;
    d->cleans = true;
    d->h.max_word_chars = 100;
    d->h.prefix_bytes = 2;
    memcpy(d->h.prefix_text, "##", 2);
    d->h.steps[d->h.n_steps++] = (tok_step){TOK_STEP_BERT, 0};
    d->h.unk = v->unk >= 0 ? v->unk : draft_find(d, (mote_text){"[UNK]", 5});
    if (!status && d->h.unk < 0)
        status = convert_fail(d->err, MOTE_ERR_FILE, "%s: no unknown token", d->file);
    if (!status)
        status = draft_norm_bert(d, true, true, v->strip_marks, v->lower);
    if (!status)
        status = draft_norms_done(d);
    return status ? status : read_added(d, v);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    mote_status (*read)(tok_draft *d, const tok_vocab *v);
    mote_text (*text)(tok_draft *d, const tok_vocab *v, size_t i); /* NULL: as it is */
} models[] = {
    {"gpt2", read_bpe, NULL},   {"tiktoken", read_ranks, NULL},  {"llama", read_pieces, NULL},
    {"t5", read_unigram, NULL}, {"bert", read_words, word_text}, {"llama2c", read_llama2c, NULL},
};

void tok_vocab_defaults(tok_vocab *v)
{
    const tok_way *way = tok_way_find(v->pre);
    bool gpt2 = !strcmp(v->model, "gpt2"), words = !strcmp(v->model, "bert");
    bool pieces = !strcmp(v->model, "llama");
    v->add_bos = pieces || words || (gpt2 && way && way->adds & TOK_WAY_BOS);
    v->add_eos = !strcmp(v->model, "t5");
    v->add_sep = words || (gpt2 && way && way->adds & TOK_WAY_SEP);
    v->add_space_prefix = pieces;
    v->lower = v->strip_marks = true;
}

mote_status tok_from_vocab(tok_tables *out, const char *file, const tok_vocab *vocab,
                           mote_convert_error *err)
{
    tok_draft d;
    size_t i = 0, n = sizeof models / sizeof *models;
    *out = (tok_tables){.n = 0};
    while (i < n && strcmp(vocab->model, models[i].name) != 0)
        i++;
    if (i == n)
        return convert_fail(err, MOTE_ERR_UNSUPPORTED,
                            "%s: tokenizer.ggml.model %.60s is not supported", file, vocab->model);
    mote_status status = draft_open(&d, file, vocab->n, err);
    for (size_t k = 0; k < vocab->n && !status; k++) {
        mote_text text = models[i].text ? models[i].text(&d, vocab, k) : vocab->pieces[k];
        status = text.ptr ? read_entry(&d, (uint32_t)k, text) : err->status;
    }
    if (!status)
        status = models[i].read(&d, vocab);
    if (!status)
        status = add_affixes(&d, vocab);
    if (!status)
        return draft_build(&d, out);
    pool_free(&d.pool);
    return status;
}
