/* tok_scores.c: entries with scores -> merges (SentencePiece's BPE, tiktoken's ranks), or a Unigram
 * model. Read tok_draft.h first. */
#include <stdlib.h>

#include "tools/convert/tok_draft.h"

#define LEAST_SCORE (-1e30)
#define UNK_PENALTY 10.0 /* an unknown character scores so much less than the worst entry */
/* Entries are looked up by all their beginnings and ends: a bound for what that may cost. */
#define MOST_WORK ((uint64_t)1 << 33)

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

static bool can_merge(const tok_draft *d, int32_t id)
{
    return id >= 0 && (d->flags[id] & (DRAFT_IN_MODEL | TOK_ADDED)) == DRAFT_IN_MODEL;
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
            if (can_merge(d, left) && can_merge(d, right))
                status = draft_merge(d, (uint32_t)left, (uint32_t)right, rank);
        }
    }
    return status;
}

static mote_status count_cuts(const tok_draft *d, const scored *list, size_t n, size_t *most)
{
    uint64_t work = 0;
    *most = 0;
    for (size_t i = 0; i < n; i++) {
        size_t bytes = d->texts[list[i].id].bytes;
        *most += bytes;
        work += (uint64_t)bytes * bytes;
    }
    return work <= MOST_WORK
               ? MOTE_OK
               : convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                              "%s: the entries are too long to find their merges", d->file);
}

static mote_status check_scores(tok_draft *d, const tok_vocab *v)
{
    if (!v->scores)
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: the vocabulary has no scores", d->file);
    for (size_t i = 0; i < v->n; i++)
        if (!(v->scores[i] > -1e30f && v->scores[i] < 1e30f))
            return convert_fail(d->err, MOTE_ERR_FILE, "%s: the score of token %zu is no number",
                                d->file, i);
    return MOTE_OK;
}

mote_status draft_cut_by_score(tok_draft *d, const tok_vocab *v)
{
    mote_status status = check_scores(d, v);
    scored *list = status ? NULL : pool_take(&d->pool, v->n, sizeof *list, d->err);
    size_t n = 0, most;
    if (!list)
        return d->err->status;
    for (size_t i = 0; i < v->n; i++)
        if (can_merge(d, (int32_t)i))
            list[n++] = (scored){v->scores[i], (uint32_t)i};
    qsort(list, n, sizeof *list, compare_scores);
    status = count_cuts(d, list, n, &most);
    draft_added *added = d->added; /* reserved and filled before */
    if (!status)
        status = draft_reserve(d, most, 0);
    d->added = added;
    return status ? status : add_cuts(d, list, n);
}

/* ---- Unigram -------------------------------------------------------------------------------- */

/* SentencePiece: the score of a user-defined entry, by its bytes and the best of the others. */
static double user_score(size_t bytes, double best) { return (double)bytes * best - 0.1; }

static void set_scores(tok_draft *d, const tok_vocab *v)
{
    double worst = 0, best = LEAST_SCORE;
    for (size_t i = 0; i < v->n; i++) {
        double score = draft_score((double)v->scores[i]);
        bool normal = !v->types || v->types[i] == TOK_TYPE_NORMAL;
        d->scores[i] = score;
        best = normal && score > best ? score : best;
        worst = i == 0 || score < worst ? score : worst;
    }
    for (size_t i = 0; v->types && best > LEAST_SCORE && i < v->n; i++)
        if (v->types[i] == TOK_TYPE_USER && v->user_entries)
            d->scores[i] = user_score(d->texts[i].bytes, best);
    d->scores[d->n] = worst - UNK_PENALTY;
}

mote_status draft_unigram(tok_draft *d, const tok_vocab *v)
{
    bool any = false;
    mote_status status = check_scores(d, v);
    d->scores = status ? NULL : pool_take(&d->pool, d->n + 1, sizeof *d->scores, d->err);
    if (!d->scores)
        return d->err->status;
    if (v->unk < 0)
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                            "%s: a Unigram model without an unknown token is not supported",
                            d->file);
    set_scores(d, v);
    for (size_t i = 0; i < v->n; i++)
        any |= draft_byte_token(d->texts[i]) >= 0;
    d->h.model = TOK_UNIGRAM;
    d->h.unk = v->unk;
    d->byte_tokens = any;
    d->h.flags |= any ? TOK_BYTE_FALLBACK | TOK_LOSSY_BYTES : 0;
    return MOTE_OK;
}
