/* tok_vocab.c: the vocabularies of GGUF and llama2.c files -> a draft. They name a way of splitting
 * instead of describing it. Read tok_draft.h first. */
#include <stdlib.h>
#include <string.h>

#include "loader/image.h"
#include "tools/convert/tok_draft.h"

enum { GGUF_UNKNOWN = 2, GGUF_CONTROL = 3, GGUF_USER = 4, GGUF_UNUSED = 5, GGUF_BYTE = 6 };

static mote_status read_entries(tok_draft *d, const tok_vocab *v)
{
    mote_status status = MOTE_OK;
    for (size_t i = 0; i < v->n && !status; i++) {
        if (!mote_utf8_valid(v->pieces[i].ptr, v->pieces[i].bytes))
            return convert_fail(d->err, MOTE_ERR_FILE, "%s: token %zu is not valid UTF-8", d->file,
                                i);
        bool twice = draft_find(d, v->pieces[i]) >= 0; /* padding entries may repeat */
        if (twice)
            d->texts[i] = v->pieces[i];
        else
            status = draft_set(d, (uint32_t)i, v->pieces[i]);
    }
    return status;
}

/* Control tokens are special; user-defined ones are found in texts too, but are plain words. */
static mote_status read_added(tok_draft *d, const tok_vocab *v)
{
    mote_status status = MOTE_OK;
    for (size_t i = 0; i < v->n && v->types && !status; i++) {
        bool control = v->types[i] == GGUF_CONTROL || v->types[i] == GGUF_UNKNOWN;
        if (v->types[i] == GGUF_UNUSED || v->types[i] == GGUF_BYTE)
            d->flags[i] &= (uint8_t)~DRAFT_IN_MODEL;
        bool found = draft_find(d, v->pieces[i]) == (int32_t)i && v->pieces[i].bytes;
        if ((control || v->types[i] == GGUF_USER) && found)
            status = draft_add(d, (uint32_t)i, v->pieces[i], control, 0);
    }
    return status;
}

static mote_status add_affixes(tok_draft *d, const tok_vocab *v)
{
    if (v->add_bos && v->bos >= 0)
        d->h.before[d->h.n_before++] = v->bos;
    if (v->add_eos && v->eos >= 0)
        d->h.after[d->h.n_after++] = v->eos;
    d->h.bos = v->bos;
    return MOTE_OK;
}

/* ---- byte-level vocabularies with merges ---------------------------------------------------- */

/* tokenizer.ggml.pre: how texts are split (llama.cpp's names). */
static const struct {
    const char *name;
    unsigned flags;
    tok_step steps[2];
} ways[] = {
    {"gpt-2", 0, {{TOK_STEP_GPT2, 0}}},
    {"smollm", 0, {{TOK_STEP_DIGITS, 1}, {TOK_STEP_GPT2, 0}}},
    {"starcoder", 0, {{TOK_STEP_DIGITS, 1}, {TOK_STEP_GPT2, 0}}},
    {"llama-bpe", TOK_IGNORE_MERGES, {{TOK_STEP_LLAMA3, 3}}},
    {"llama3", TOK_IGNORE_MERGES, {{TOK_STEP_LLAMA3, 3}}},
    {"llama-v3", TOK_IGNORE_MERGES, {{TOK_STEP_LLAMA3, 3}}},
    {"qwen2", TOK_NFC, {{TOK_STEP_LLAMA3, 1}}},
};

static mote_status read_way(tok_draft *d, const tok_vocab *v)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (!v->pre || strcmp(v->pre, ways[i].name) != 0)
            continue;
        d->h.flags |= ways[i].flags;
        for (size_t j = 0; j < 2 && ways[i].steps[j].kind; j++)
            d->h.steps[d->h.n_steps++] = ways[i].steps[j];
        return MOTE_OK;
    }
    return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                        "%s: tokenizer.ggml.pre %.60s is not supported", d->file,
                        v->pre ? v->pre : "(none)");
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
    if (!v->n_merges)
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

/* ---- SentencePiece vocabularies: the merge that makes the entry of best score --------------- */

typedef struct scored {
    float score;
    uint32_t id;
} scored;

static int compare_scores(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Every way to cut an entry into two is a merge; entries of equal score have equal rank. */
static mote_status add_cuts(tok_draft *d, const scored *list, size_t n)
{
    mote_status status = MOTE_OK;
    uint32_t rank = 0;
    for (size_t i = 0; i < n && !status; i++) {
        mote_text p = d->texts[list[i].id];
        rank += i > 0 && list[i].score != list[i - 1].score;
        for (size_t at = 1; at < p.bytes && !status; at++) {
            if (((uint8_t)p.ptr[at] & 0xc0) == 0x80)
                continue;
            int32_t left = draft_find(d, (mote_text){p.ptr, at});
            int32_t right = draft_find(d, (mote_text){p.ptr + at, p.bytes - at});
            if (left >= 0 && right >= 0 && d->flags[left] & DRAFT_IN_MODEL &&
                d->flags[right] & DRAFT_IN_MODEL)
                status = draft_merge(d, (uint32_t)left, (uint32_t)right, rank);
        }
    }
    return status;
}

static size_t count_cuts(const tok_draft *d, const scored *list, size_t n)
{
    size_t most = 0;
    for (size_t i = 0; i < n; i++)
        most += d->texts[list[i].id].bytes;
    return most;
}

static mote_status read_scores(tok_draft *d, const tok_vocab *v)
{
    scored *list = pool_take(&d->pool, v->n, sizeof *list, d->err);
    size_t n = 0;
    if (!list)
        return d->err->status;
    for (size_t i = 0; i < v->n; i++) {
        if (v->scores[i] != v->scores[i])
            return convert_fail(d->err, MOTE_ERR_FILE, "%s: the score of token %zu is no number",
                                d->file, i);
        if (d->flags[i] & DRAFT_IN_MODEL && !(d->flags[i] & TOK_ADDED))
            list[n++] = (scored){v->scores[i], (uint32_t)i};
    }
    qsort(list, n, sizeof *list, compare_scores);
    draft_added *added = d->added; /* reserved and filled before */
    mote_status status = draft_reserve(d, count_cuts(d, list, n), 0);
    d->added = added;
    return status ? status : add_cuts(d, list, n);
}

static mote_status read_pieces(tok_draft *d, const tok_vocab *v, bool llama2c)
{
    mote_status status = draft_reserve(d, 0, v->n);
    if (!v->scores)
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: the vocabulary has no scores", d->file);
    d->h.flags |= TOK_BYTE_FALLBACK | TOK_FUSE_UNK | TOK_LOSSY_BYTES;
    d->h.flags |= llama2c ? TOK_LLAMA2C : TOK_SPACE_MARK;
    d->mark_is_blank = !llama2c;
    d->byte_tokens = true;
    d->h.unk = v->unk;
    if (v->add_space_prefix) {
        d->h.prefix = TOK_PREFIX_ALWAYS;
        d->h.flags |= llama2c ? 0 : TOK_STRIP_SPACE;
    }
    if (!status && !llama2c)
        status = read_added(d, v);
    for (int32_t i = v->bos; llama2c && i >= 0 && i <= v->eos && !status; i++)
        status = draft_add(d, (uint32_t)i, v->pieces[i], true, 0);
    return status ? status : read_scores(d, v);
}

mote_status tok_from_vocab(tok_tables *out, const char *file, const tok_vocab *vocab,
                           mote_convert_error *err)
{
    tok_draft d;
    *out = (tok_tables){.n = 0};
    mote_status status = draft_open(&d, file, vocab->n, err);
    if (!status)
        status = read_entries(&d, vocab);
    if (!status && !strcmp(vocab->model, "gpt2"))
        status = read_bpe(&d, vocab);
    else if (!status && !strcmp(vocab->model, "llama"))
        status = read_pieces(&d, vocab, false);
    else if (!status && !strcmp(vocab->model, "llama2c"))
        status = read_pieces(&d, vocab, true);
    else if (!status)
        status =
            convert_fail(err, MOTE_ERR_UNSUPPORTED,
                         "%s: tokenizer.ggml.model %.60s is not supported", file, vocab->model);
    if (!status)
        status = add_affixes(&d, vocab);
    if (!status)
        return draft_build(&d, out);
    pool_free(&d.pool);
    return status;
}
