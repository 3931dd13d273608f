/* encode.c: an encoder, from texts to one vector each. Read forward.c first.
 *
 *   x = norm(embedding of the token + of its type + of its position)    [rows, hidden]
 *   for each layer:
 *       x = norm(x + o * attention(x))          every position sees all of its text
 *       x = norm(x + down * gelu(up * x))
 *   out = the mean or first row of each text, or scores (pooling.c)
 *
 * A text is a session of its own for the time of the call: its keys and values lie in its own tiles
 * of 16 positions, its blocks of 256 start where it starts. So a text gives the same bits whatever
 * stands before it, and the stages of a text model (products.c, attention.c) do the work.
 *
 * Where the texts can be dealt out evenly each thread takes whole ones and meets no barrier till
 * the end; otherwise all threads share every row.
 */
#include <string.h>

#include "include/mote_error.h"
#include "kernels/math.h"
#include "model/encode.h"
#include "model/pieces.h"

#if MOTE_ENCODERS

#define MAX_TOKENS 65536u
#define MAX_THREADS 1024u
/* Threads take whole texts while none has more than this many eighths of its even share. */
#define MOST_EIGHTHS 9u

/* ---- the pass, on every thread -------------------------------------------------------------- */

static void embed(mote_encode_run *e, uint32_t thread)
{
    mote_run *r = &e->run;
    const mote_model *m = r->model;
    const mote_kernels *k = m->kernels;
    const mote_index *x = m->index;
    float *part = r->lead->threads[thread].row;
    mote_range mine = mote_share(r->n_rows, thread, r->n_threads);
    for (size_t row = mine.begin; row < mine.end; row++) {
        float *to = r->lead->x + row * x->hidden;
        k->dequant_row(to, &m->embed, (size_t)r->rows[row].token, x->hidden);
        k->dequant_row(part, &m->types, e->encoder->types[row], x->hidden);
        k->add(to, part, x->hidden);
        k->dequant_row(part, &m->positions, r->rows[row].pos, x->hidden);
        k->add(to, part, x->hidden);
        mote_apply_norm(m, &m->embed_norm, to, to, x->hidden);
    }
    mote_end_stage(r, thread, NULL, MOTE_STAGE_EMBED);
}

/* x = norm(x). No barrier where mote_prepare follows with the same share of many rows. */
static void normalize_rows(mote_run *r, uint32_t thread, const mote_norm *norm)
{
    size_t hidden = r->model->index->hidden;
    mote_range mine = mote_share(r->n_rows, thread, r->n_threads);
    for (size_t row = mine.begin; row < mine.end; row++) {
        float *x = r->lead->x + row * hidden;
        mote_apply_norm(r->model, norm, x, x, hidden);
    }
    if (r->n_rows <= MOTE_FEW_ROWS)
        mote_barrier(r, thread);
}

static void layer(mote_run *r, uint32_t thread, size_t i)
{
    const mote_model_layer *l = &r->model->layers[i];
    size_t hidden = r->model->index->hidden;
    const mote_norm none = {0};
    float *x = r->lead->x;

    mote_acts in = mote_prepare(r, thread, x, hidden, hidden, NULL);
    show_input(r, thread, l, MOTE_INPUT_ATTENTION, 0, &in, r->n_rows, hidden);
    mote_project_heads(r, thread, i, &in);
    mote_end_stage(r, thread, l, MOTE_STAGE_QUERIES);

    mote_attend(r, thread, i);
    mote_end_stage(r, thread, l, MOTE_STAGE_ATTEND);

    const float *attended = mote_attended(r, thread, i);
    in = mote_prepare(r, thread, attended, r->model->max_q, l->q.w.rows, NULL);
    show_input(r, thread, l, MOTE_INPUT_OUTPUT, 0, &in, r->n_rows, l->q.w.rows);
    mote_project_residual(r, thread, &l->o, &none, &in);
    mote_end_stage(r, thread, l, MOTE_STAGE_OUTPUT);

    normalize_rows(r, thread, &l->attn_post_norm);
    in = mote_prepare(r, thread, x, hidden, hidden, NULL);
    show_input(r, thread, l, MOTE_INPUT_MLP, 0, &in, r->n_rows, hidden);
    in = mote_gate_up(r, thread, l, &in);
    show_input(r, thread, l, MOTE_INPUT_DOWN, 0, &in, r->n_rows, l->rec->ff);
    mote_project_residual(r, thread, &l->down, &none, &in);
    if (thread == 0 && r->hooks && r->hooks->cancel)
        r->cancelled = r->hooks->cancel(r->hooks->user);
    mote_end_stage(r, thread, l, MOTE_STAGE_DOWN);
    normalize_rows(r, thread, &l->mlp_post_norm);
}

static void trace(mote_run *r, uint32_t thread, uint32_t at)
{
    if (!r->hooks || !r->hooks->trace)
        return;
    mote_barrier(r, thread);
    if (thread == 0)
        r->hooks->trace(r->hooks->user, at, r->lead->x, r->n_rows, r->model->index->hidden);
    mote_barrier(r, thread);
}

/* One that is told to stop tells the others, which take other texts. */
static void pass_on_stop(mote_encode_run *e)
{
    if (!e->stop)
        return;
    if (e->run.cancelled)
        atomic_store_explicit(e->stop, true, memory_order_relaxed);
    e->run.cancelled = atomic_load_explicit(e->stop, memory_order_relaxed);
}

static void encode(void *arg, uint32_t thread)
{
    mote_encode_run *e = arg;
    mote_run *r = &e->run;
    unsigned fp = mote_fp_enter();
    r->lead->threads[thread].not_finite = false;
    embed(e, thread);
    trace(r, thread, 0);
    for (uint32_t i = 0; i < r->model->index->n_layers && !r->cancelled; i++) {
        layer(r, thread, i);
        trace(r, thread, i + 1);
        pass_on_stop(e);
    }
    if (!r->cancelled)
        mote_pool_texts(e, thread);
    if (!r->cancelled && mote_is_watched(r))
        mote_end_stage(r, thread, NULL, MOTE_STAGE_LOGITS);
    mote_fp_leave(fp);
}

/* ---- the call ------------------------------------------------------------------------------- */

static mote_status check_text(const mote_encoder *e, const mote_encode_text *t, mote_error *err)
{
    const mote_index *x = e->lead.model->index;
    const mote_status limit = MOTE_ERR_LIMIT;
    uint32_t most = e->lead.opts.n_ctx;
    if (!t->n_ids || t->n_ids > most)
        return mote_fail_got(err, limit, "tokens of a text", NULL, t->n_ids, most);
    for (size_t i = 0; i < t->n_ids; i++) {
        if (t->ids[i] < 0 || (uint32_t)t->ids[i] >= x->n_vocab)
            return mote_fail_got(err, limit, "token outside the vocabulary", NULL,
                                 (uint64_t)(int64_t)t->ids[i], x->n_vocab);
        if (t->types && t->types[i] >= x->n_types)
            return mote_fail_got(err, limit, "token type that the model lacks", NULL, t->types[i],
                                 x->n_types);
    }
    return MOTE_OK;
}

static mote_status check_texts(const mote_encoder *e, const mote_encode_text *texts, size_t n,
                               mote_error *err)
{
    size_t n_tokens = 0;
    if (!n || n > e->opts.n_texts)
        return mote_fail_got(err, MOTE_ERR_LIMIT, "texts in one call", NULL, n, e->opts.n_texts);
    for (size_t i = 0; i < n; i++) {
        mote_status s = check_text(e, &texts[i], err);
        if (s)
            return s;
        n_tokens += texts[i].n_ids;
        if (n_tokens > e->opts.n_tokens)
            return mote_fail_got(err, MOTE_ERR_LIMIT, "tokens in one call", NULL, n_tokens,
                                 e->opts.n_tokens);
    }
    return MOTE_OK;
}

/* Where one head's keys and values of a layer lie when there is room for n_slots positions. */
static mote_kv_layer lay_out(const mote_layer *rec, size_t n_slots)
{
    mote_kv_layer kv = {.k_tile_bytes = mote_tile_bytes(MOTE_F32, 0, rec->head_dim)};
    kv.k_head_bytes = kv.k_tile_bytes * (n_slots / MOTE_TILE_ROWS);
    kv.v_row_bytes = rec->head_dim * sizeof(float);
    kv.v_head_bytes = kv.v_row_bytes * n_slots;
    return kv;
}

/* Every text starts at a tile of its own. */
static size_t count_slots(const mote_encoder_opts *o)
{
    size_t most = (size_t)o->n_tokens + (size_t)o->n_texts * (MOTE_TILE_ROWS - 1);
    return (most + MOTE_TILE_ROWS - 1) / MOTE_TILE_ROWS * MOTE_TILE_ROWS;
}

/* The text as a session whose cache begins at `slot`. */
static mote_session *open_text(mote_encoder *e, size_t i, size_t n_ids, size_t slot)
{
    const mote_model *m = e->lead.model;
    mote_session *s = &e->texts[i];
    s->kv = e->kv + i * m->index->n_layers;
    for (uint32_t l = 0; l < m->index->n_layers; l++) {
        mote_kv_layer kv = lay_out(m->layers[l].rec, count_slots(&e->opts));
        kv.k = e->k + slot / MOTE_TILE_ROWS * kv.k_tile_bytes;
        kv.v = e->v + slot * kv.v_row_bytes;
        s->kv[l] = kv;
    }
    s->model = m;
    s->opts = e->lead.opts;
    s->length = (uint32_t)n_ids;
    return s;
}

static size_t slots_of(const mote_encode_text *t)
{
    return mote_round_up(t->n_ids, MOTE_TILE_ROWS);
}

/* Lays the texts out as rows; returns how many. */
static size_t place_texts(mote_encoder *e, const mote_encode_text *texts, size_t n)
{
    size_t row = 0, slot = e->slot;
    for (size_t i = 0; i < n; i++) {
        const mote_encode_text *t = &texts[i];
        mote_session *s = open_text(e, i, t->n_ids, slot);
        e->first[i] = row;
        for (size_t p = 0; p < t->n_ids; p++, row++) {
            e->lead.rows[row] = (mote_row){t->ids[p], (uint32_t)p, s, false};
            e->types[row] = t->types ? t->types[p] : 0;
        }
        slot += slots_of(t);
    }
    return row;
}

/* ---- threads with texts of their own -------------------------------------------------------- */

/* Neighbouring texts, and what lies before them. */
typedef struct share {
    size_t text, n_texts, row, n_rows, slot;
} share;

/* A thread's texts: those whose middle lies in its part of all rows. */
static share share_texts(const mote_encode_run *e, uint32_t thread)
{
    share s = {0};
    size_t row = 0, n_rows = e->run.n_rows, n_threads = e->run.n_threads;
    for (size_t i = 0; i < e->n_texts; i++) {
        const mote_encode_text *t = &e->texts[i];
        size_t taker = (row + t->n_ids / 2) * n_threads / n_rows;
        row += t->n_ids;
        if (taker < thread) {
            s.text++;
            s.row = row;
            s.slot += slots_of(t);
        } else if (taker == thread) {
            s.n_texts++;
            s.n_rows += t->n_ids;
        }
    }
    return s;
}

/* Can each thread take whole texts and all be ready at the same time? Few rows are attended in
 * scratch that the threads share. */
static bool has_even_shares(const mote_encode_run *e)
{
    const mote_run *r = &e->run;
    bool even = r->n_threads > 1 && e->n_texts >= r->n_threads && !(r->hooks && r->hooks->trace) &&
                !mote_is_watched(r);
    for (uint32_t i = 0; even && i < r->n_threads; i++) {
        share s = share_texts(e, i);
        even = s.n_rows > MOTE_FEW_ROWS && 8 * s.n_rows * r->n_threads <= MOST_EIGHTHS * r->n_rows;
    }
    return even;
}

/* The encoder as it is behind the share's beginning, with this thread's scratch. */
static mote_encoder encoder_from(const mote_encoder *e, const share *s, uint32_t thread)
{
    const mote_model *m = e->lead.model;
    mote_encoder own = *e;
    own.lead.rows += s->row;
    own.lead.x += s->row * m->index->hidden;
    own.lead.q += s->row * m->max_q;
    if (own.lead.branch)
        own.lead.branch += s->row * m->index->hidden;
    own.lead.input = act_rows_at(&e->lead.input, s->row);
    own.lead.mlp = act_rows_at(&e->lead.mlp, s->row);
    own.lead.threads += thread;
    own.texts += s->text;
    own.kv += s->text * m->index->n_layers;
    own.slot += s->slot;
    own.first += s->text;
    own.types += s->row;
    if (e->pooled) {
        own.pooled += s->text * e->pooled_stride;
        own.scores += s->text * e->scores_stride;
    }
    return own;
}

/* The pass over a thread's own texts. */
static void encode_share(void *arg, uint32_t thread)
{
    const mote_encode_run *e = arg;
    const share s = share_texts(e, thread);
    mote_encoder room = encoder_from(e->encoder, &s, thread);
    mote_encode_run own = *e;
    own.encoder = &room;
    own.texts += s.text;
    own.n_texts = s.n_texts;
    own.run.lead = &room.lead;
    own.run.rows = room.lead.rows;
    own.run.n_rows = place_texts(&room, own.texts, own.n_texts);
    own.run.team = NULL;
    own.run.n_threads = 1;
    own.run.hooks = thread ? NULL : e->run.hooks;
    encode(&own, 0);
}

mote_status mote_encode_texts(mote_encoder *e, const mote_encode_text *texts, size_t n_texts,
                              const mote_team *team, const mote_hooks *hooks, mote_error *err)
{
    atomic_bool stop = false;
    mote_encode_run r = {.encoder = e, .texts = texts, .n_texts = n_texts};
    mote_status s = check_texts(e, texts, n_texts, err);
    if (s)
        return s;
    r.run = (mote_run){.model = e->lead.model,
                       .lead = &e->lead,
                       .rows = e->lead.rows,
                       .n_rows = place_texts(e, texts, n_texts),
                       .team = team,
                       .n_threads = team ? team->n_threads : 1,
                       .hooks = hooks};
    if (r.run.n_threads > e->opts.n_threads)
        return mote_fail_got(err, MOTE_ERR_LIMIT, "threads", NULL, r.run.n_threads,
                             e->opts.n_threads);
    if (hooks && hooks->cancel && hooks->cancel(hooks->user))
        return mote_fail(err, MOTE_CANCELLED, "cancelled", NULL);
    r.stop = has_even_shares(&r) ? &stop : NULL;
    if (r.run.n_threads > 1)
        team->run(team->user, r.stop ? encode_share : encode, &r);
    else
        encode(&r, 0);
    if (r.run.cancelled || atomic_load_explicit(&stop, memory_order_relaxed))
        return mote_fail(err, MOTE_CANCELLED, "cancelled", NULL);
    for (uint32_t i = 0; i < r.run.n_threads; i++)
        if (e->lead.threads[i].not_finite)
            return mote_fail(err, MOTE_ERR_FILE, "an embedding or score is not finite", NULL);
    return MOTE_OK;
}

/* ---- memory --------------------------------------------------------------------------------- */

static mote_encoder *carve(mote_arena *a, const mote_model *m, const mote_encoder_opts *o,
                           mote_encoder_plan *plan)
{
    const mote_layer *rec = (const mote_layer *)(const void *)(m->index + 1);
    uint32_t n_layers = m->index->n_layers, most = m->index->n_ctx;
    bool scores = m->index->pooling == MOTE_POOL_SCORE;
    uint64_t k_bytes = 0, v_bytes = 0;
    mote_encoder measured, *made = mote_take(a, 1, sizeof *made), *e = made ? made : &measured;
    *e = (mote_encoder){.opts = *o, .lead.model = m};
    e->lead.opts = (mote_session_opts){.n_ctx = o->n_tokens < most ? o->n_tokens : most,
                                       .n_batch = o->n_tokens,
                                       .n_threads = o->n_threads};
    e->texts = mote_take(a, o->n_texts, sizeof *e->texts);
    e->kv = mote_take(a, (uint64_t)o->n_texts * n_layers, sizeof *e->kv);
    e->first = mote_take(a, o->n_texts, sizeof *e->first);
    e->types = mote_take(a, o->n_tokens, 1);
    mote_carve_records(a, &e->lead);
    plan->state_bytes = a->used;
    for (uint32_t i = 0; i < n_layers; i++) {
        mote_kv_layer kv = lay_out(&rec[i], count_slots(o));
        uint64_t k = (uint64_t)rec[i].n_kv_heads * kv.k_head_bytes;
        uint64_t v = (uint64_t)rec[i].n_kv_heads * kv.v_head_bytes;
        k_bytes = k > k_bytes ? k : k_bytes;
        v_bytes = v > v_bytes ? v : v_bytes;
    }
    e->k = mote_take(a, 1, k_bytes);
    e->v = mote_take(a, 1, v_bytes);
    plan->kv_bytes = a->used - plan->state_bytes;
    mote_carve_shared(a, &e->lead);
    mote_carve_threads(a, &e->lead);
    e->unit = mote_take(a, m->index->hidden, sizeof(float));
    e->pooled_stride = mote_round_up(m->index->hidden, MOTE_TILE_ROWS);
    e->scores_stride = mote_round_up(m->index->n_labels, MOTE_TILE_ROWS);
    e->pooled = mote_take(a, scores ? o->n_texts : 0, e->pooled_stride * sizeof(float));
    e->scores = mote_take(a, scores ? o->n_texts : 0, e->scores_stride * sizeof(float));
    plan->total_bytes = a->used;
    plan->scratch_bytes = a->used - plan->state_bytes - plan->kv_bytes;
    return made;
}

static mote_status check(const mote_model *m, const mote_encoder_opts *o, mote_error *err)
{
    const mote_status limit = MOTE_ERR_LIMIT;
    if (!m->index->pooling)
        return mote_fail(err, MOTE_ERR_UNSUPPORTED,
                         "no encoder: it makes text, not embeddings or scores", NULL);
    if (!o->n_tokens || o->n_tokens > MAX_TOKENS)
        return mote_fail_got(err, limit, "tokens in one call", NULL, o->n_tokens, MAX_TOKENS);
    if (!o->n_texts || o->n_texts > o->n_tokens)
        return mote_fail_got(err, limit, "texts in one call", NULL, o->n_texts, o->n_tokens);
    if (!o->n_threads || o->n_threads > MAX_THREADS)
        return mote_fail_got(err, limit, "threads", NULL, o->n_threads, MAX_THREADS);
    return MOTE_OK;
}

mote_status mote_encoder_plan_bytes(mote_encoder_plan *plan, const mote_model *model,
                                    const mote_encoder_opts *opts, mote_error *err)
{
    mote_arena a = {0};
    memset(plan, 0, sizeof *plan);
    mote_status s = check(model, opts, err);
    if (s)
        return s;
    carve(&a, model, opts, plan);
    if (a.overflow || plan->total_bytes > SIZE_MAX)
        return mote_fail(err, MOTE_ERR_MEMORY, "the encoder is larger than the address space",
                         NULL);
    return MOTE_OK;
}

mote_status mote_encoder_init(mote_encoder **out, void *mem, size_t mem_bytes,
                              const mote_model *model, const mote_encoder_opts *opts,
                              mote_error *err)
{
    mote_encoder_plan plan;
    mote_arena a = {.base = mem};
    *out = NULL;
    mote_status s = mote_encoder_plan_bytes(&plan, model, opts, err);
    if (s)
        return s;
    if (mem_bytes < plan.total_bytes || (uintptr_t)mem % MOTE_ALIGN)
        return mote_fail_got(err, MOTE_ERR_MEMORY, "memory for the encoder", NULL, mem_bytes,
                             plan.total_bytes);
    mote_encoder *e = carve(&a, model, opts, &plan);
    size_t hidden = model->index->hidden;
    for (size_t i = 0; i < hidden; i++)
        e->unit[i] = 1.0f / mote_sqrt((float)hidden);
    *out = e;
    return MOTE_OK;
}

#endif
