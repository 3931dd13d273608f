/* generate.c: prompt in, ids out. Knows no text; include/mote.h says what the options mean. */
#include "include/mote_error.h"
#include "model/model.h"

typedef struct generation {
    mote_session *session;
    const mote_generate_opts *o;
    mote_error *err;
} generation;

static mote_status check(const generation *g)
{
    const mote_session *s = g->session;
    const mote_status limit = MOTE_ERR_LIMIT;
    uint64_t need = (uint64_t)s->length + g->o->n_ids;
    if (!g->o->n_ids)
        return mote_fail(g->err, limit, "the prompt has no tokens", NULL);
    if (!s->opts.n_batch)
        return mote_fail(g->err, limit, "the session has no scratch to run on", NULL);
    if (g->o->n_ids > s->opts.n_ctx || need > s->opts.n_ctx)
        return mote_fail_got(g->err, limit, "the prompt does not fit the context", NULL, need,
                             s->opts.n_ctx);
    for (size_t i = 0; i < g->o->n_ids; i++)
        if (g->o->ids[i] < 0 || (uint32_t)g->o->ids[i] >= s->model->index->n_vocab)
            return mote_fail_got(g->err, limit, "token outside the vocabulary", NULL,
                                 (uint32_t)g->o->ids[i], s->model->index->n_vocab);
    return MOTE_OK;
}

/* Evaluates n ids; the logits of the last n_logits of them are wanted. */
static mote_status feed(const generation *g, const mote_team *team, const int32_t *ids, size_t n,
                        size_t n_logits)
{
    mote_session *s = g->session;
    for (size_t i = 0; i < n; i++)
        s->rows[i] = (mote_row){ids[i], s->length + (uint32_t)i, s, i + n_logits >= n};
    return mote_forward(s, s->rows, n, team, g->o->hooks, g->err);
}

static mote_status feed_prompt(const generation *g)
{
    const mote_generate_opts *o = g->o;
    const mote_team *team = o->prompt_team ? o->prompt_team : o->team;
    size_t chunk = g->session->opts.n_batch, n;
    mote_status status = MOTE_OK;
    for (size_t i = 0; o->sampler && i < o->n_ids; i++)
        mote_sampler_accept(o->sampler, o->ids[i]);
    for (size_t at = 0; !status && at < o->n_ids; at += n) {
        n = o->n_ids - at < chunk ? o->n_ids - at : chunk;
        status = feed(g, team, o->ids + at, n, at + n == o->n_ids ? 1 : 0);
        if (!status && o->progress)
            o->progress(o->user, at + n, o->n_ids);
    }
    return status;
}

/* The id after the i-th row that wanted logits. */
static int32_t choose(const generation *g, size_t i)
{
    const float *logits = mote_session_logits(g->session, i);
    if (!g->o->sampler)
        return mote_argmax(logits, g->session->model->index->n_vocab);
    return mote_sampler_choose(g->o->sampler, logits);
}

static bool is_end(const mote_generate_opts *o, int32_t id)
{
    for (size_t i = 0; i < o->n_end_ids; i++)
        if (o->end_ids[i] == id)
            return true;
    return false;
}

static const size_t most_guesses = MOTE_GUESSES ? MOTE_MAX_GUESSES : 0;

/* Ids that were evaluated before it was known that they come: [0] was, [1 .. n) are guesses. */
typedef struct pass {
    int32_t ids[(MOTE_GUESSES ? MOTE_MAX_GUESSES : 0) + 1];
    size_t n, used; /* the first `used` are part of the text */
} pass;

/* Evaluates an id and what may follow it. */
static mote_status evaluate(const generation *g, pass *p, int32_t id, size_t n_left)
{
    const mote_session *s = g->session;
    size_t room = s->opts.n_ctx - s->length - 1, max = s->opts.n_logits - 1;
    max = max < room ? max : room;
    max = max < n_left ? max : n_left;
    max = max < most_guesses ? max : most_guesses;
    *p = (pass){.ids = {id}, .n = 1, .used = 1};
    if (MOTE_GUESSES && g->o->guess && max)
        p->n += g->o->guess(g->o->user, p->ids + 1, max);
    for (size_t i = 1; MOTE_GUESSES && i < p->n; i++)
        if (p->ids[i] < 0 || (uint32_t)p->ids[i] >= s->model->index->n_vocab)
            p->n = i;
    return feed(g, g->o->team, p->ids, p->n, p->n);
}

/* Takes the guesses back that did not come. */
static void forget_guesses(const generation *g, pass *p)
{
    mote_session_rewind(g->session, g->session->length - (uint32_t)(p->n - p->used));
    p->n = p->used;
}

/* One id after the other until something ends it. An id is evaluated only when another follows;
 * one that was guessed is already, and its logits are the same bits in any company. */
static mote_status make_ids(const generation *g, pass *p, mote_finish *finish)
{
    const mote_generate_opts *o = g->o;
    mote_status status = MOTE_OK;
    for (size_t made = 0; !status;) {
        if (made >= o->max_tokens)
            return *finish = MOTE_FINISH_LENGTH, MOTE_OK;
        int32_t id = choose(g, p->used - 1);
        if (is_end(o, id))
            return *finish = MOTE_FINISH_STOP, MOTE_OK;
        if (o->sampler)
            mote_sampler_accept(o->sampler, id);
        made++;
        if (o->token && !o->token(o->user, id))
            return *finish = MOTE_FINISH_CALLER, MOTE_OK;
        if (made >= o->max_tokens)
            continue;
        if (MOTE_GUESSES && p->used < p->n && p->ids[p->used] == id) {
            p->used++;
            continue;
        }
        forget_guesses(g, p);
        if (g->session->length == g->session->opts.n_ctx)
            return *finish = MOTE_FINISH_CONTEXT, MOTE_OK;
        status = evaluate(g, p, id, o->max_tokens - made);
    }
    return status;
}

mote_status mote_generate(mote_session *session, const mote_generate_opts *opts,
                          mote_finish *finish, mote_error *err)
{
    generation g = {session, opts, err};
    *finish = MOTE_FINISH_CALLER;
    mote_status status = check(&g);
    if (!status)
        status = feed_prompt(&g);
    if (!status) {
        pass p = {.n = 1, .used = 1}; /* the end of the prompt */
        status = make_ids(&g, &p, finish);
        if (!status)
            forget_guesses(&g, &p);
    }
    if (status == MOTE_CANCELLED) {
        *finish = MOTE_FINISH_CANCELLED;
        return MOTE_OK;
    }
    return status;
}
