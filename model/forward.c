/* forward.c: a transformer, from token ids to logits. The file to read first.
 *
 *   x = embedding of each row's token                               [rows, hidden]
 *   for each layer:
 *       q, k, v = the attention matrices times norm(x)              heads of head_dim numbers
 *       q, k are turned by an angle that grows with the position    (rotary positions)
 *       k, v go into the cache of the row's session
 *       a = softmax(q . keys) . values, for each head               over all positions so far
 *       x += o * a
 *       x += down * (act(gate * norm(x)) * (up * norm(x)))          act: silu or gelu; or the sum
 *                                                                   of some of many such experts
 *   logits = head * norm(x)                                         [rows that want them,
 *   vocabulary]
 *
 * Where the layer's record says so, what is added to x is normalised first (norms after a part), q
 * and k are too, and positions are learned vectors added to the embedding.
 *
 * A row is (token, position, session). A prompt is many rows of one session; decoding is one row; a
 * batch is rows of several sessions. Nothing here knows which it is.
 *
 * Every thread runs `forward`. Each stage is shared by rows of a matrix (products.c) or by heads
 * and blocks of positions (attention.c), and a barrier stands where one stage needs another's
 * result.
 * How work is shared changes no bit of it.
 */
#include <string.h>

#include "include/mote_error.h"
#include "model/pieces.h"

/* x[row] = embedding of its token; cos and sin of its position for every rope table. */
static void embed(mote_run *r, uint32_t thread)
{
    const mote_model *m = r->model;
    const mote_kernels *k = m->kernels;
    size_t hidden = m->index->hidden, width = m->n_rope * m->max_rope_half;
    mote_range mine = mote_share(r->n_rows, thread, r->n_threads);
    for (size_t row = mine.begin; row < mine.end; row++) {
        float *x = r->lead->x + row * hidden;
        k->dequant_row(x, &m->embed, (size_t)r->rows[row].token, hidden);
        if (m->index->embed_scale != 1.0f)
            k->scale(x, m->index->embed_scale, hidden);
        if (MOTE_LAYER_KINDS && m->positions.rows) {
            float *learned = r->lead->threads[thread].row;
            k->dequant_row(learned, &m->positions, r->rows[row].pos, hidden);
            k->add(x, learned, hidden);
        }
        for (uint32_t i = 0; i < m->n_rope; i++) {
            size_t at = row * width + i * m->max_rope_half;
            k->rope_angles(r->lead->rope_cos + at, r->lead->rope_sin + at, m->rope[i],
                           m->rope_half[i], r->rows[row].pos, m->rope_scale[i]);
        }
    }
    mote_end_stage(r, thread, NULL, MOTE_STAGE_EMBED);
}

static void layer(mote_run *r, uint32_t thread, size_t i)
{
    const mote_model_layer *l = &r->model->layers[i];
    const bool latent = mote_is_latent(l->rec);
    size_t hidden = r->model->index->hidden, stride = r->model->max_q, n_q = l->q.w.rows;
    float *x = r->lead->x;

    mote_acts in = mote_prepare(r, thread, x, hidden, hidden, &l->attn_norm);
    show_input(r, thread, l, MOTE_INPUT_ATTENTION, 0, &in, r->n_rows, hidden);
    if (latent)
        mote_project_latent(r, thread, i, &in);
    else
        mote_project_heads(r, thread, i, &in);
    mote_end_stage(r, thread, l, MOTE_STAGE_QUERIES);

    mote_attend(r, thread, i);
    mote_end_stage(r, thread, l, MOTE_STAGE_ATTEND);

    const float *attended = latent ? mote_latent_values(r, thread, i) : mote_attended(r, thread, i);
    if (latent) {
        stride = r->model->max_values;
        n_q = (size_t)l->rec->n_heads * l->rec->v_dim;
    }
    in = mote_prepare(r, thread, attended, stride, n_q, NULL);
    show_input(r, thread, l, MOTE_INPUT_OUTPUT, 0, &in, r->n_rows, n_q);
    mote_project_residual(r, thread, &l->o, &l->attn_post_norm, &in);
    mote_end_stage(r, thread, l, MOTE_STAGE_OUTPUT);

    in = mote_prepare(r, thread, x, hidden, hidden, &l->mlp_norm);
    show_input(r, thread, l, MOTE_INPUT_MLP, 0, &in, r->n_rows, hidden);
    if (mote_has_experts(l->rec)) {
        mote_experts(r, thread, l, &in);
    } else {
        in = mote_gate_up(r, thread, l, &in);
        show_input(r, thread, l, MOTE_INPUT_DOWN, 0, &in, r->n_rows, l->rec->ff);
        mote_project_residual(r, thread, &l->down, &l->mlp_post_norm, &in);
    }
    if (thread == 0 && r->hooks && r->hooks->cancel)
        r->cancelled = r->hooks->cancel(r->hooks->user);
    mote_end_stage(r, thread, l, MOTE_STAGE_DOWN);
}

/* Calls the trace hook, all threads waiting. */
static void trace(mote_run *r, uint32_t thread, uint32_t at, size_t n_rows)
{
    if (!MOTE_WATCH || !r->hooks || !r->hooks->trace)
        return;
    if (thread == 0)
        r->hooks->trace(r->hooks->user, at, r->lead->x, n_rows, r->model->index->hidden);
    mote_barrier(r, thread);
}

/* Moves the rows that want logits to the front of x: the rest has done its work. */
static void keep_wanted(mote_run *r, uint32_t thread)
{
    size_t hidden = r->model->index->hidden, n = 0;
    for (size_t row = 0; thread == 0 && row < r->n_rows; row++)
        if (r->rows[row].want_logits) {
            if (n < row)
                memcpy(r->lead->x + n * hidden, r->lead->x + row * hidden, hidden * sizeof(float));
            n++;
        }
    mote_barrier(r, thread);
    if (thread == 0)
        r->n_rows = r->n_logits;
    mote_barrier(r, thread);
}

static void logits(mote_run *r, uint32_t thread)
{
    const mote_model *m = r->model;
    size_t hidden = m->index->hidden;
    if (!r->n_logits)
        return;
    keep_wanted(r, thread);
    mote_acts in = mote_prepare(r, thread, r->lead->x, hidden, hidden, &m->final_norm);
    mote_project_logits(r, thread, &in);
    if (mote_is_watched(r))
        mote_end_stage(r, thread, NULL, MOTE_STAGE_LOGITS);
    if (!MOTE_WATCH || !r->hooks || !r->hooks->trace)
        return;
    mote_barrier(r, thread); /* everyone has read x */
    for (size_t row = 0; thread == 0 && row < r->n_rows; row++) {
        float *x = r->lead->x + row * hidden;
        mote_apply_norm(m, &m->final_norm, x, x, hidden);
    }
    trace(r, thread, m->index->n_layers + 1, r->n_rows);
}

/* What every thread runs. */
static void forward(void *arg, uint32_t thread)
{
    mote_run *r = arg;
    unsigned fp = mote_fp_enter();
    r->lead->threads[thread].not_finite = false;
    embed(r, thread);
    trace(r, thread, 0, r->n_rows);
    for (uint32_t i = 0; i < r->model->index->n_layers && !r->cancelled; i++) {
        layer(r, thread, i);
        trace(r, thread, i + 1, r->n_rows);
    }
    if (!r->cancelled)
        logits(r, thread);
    mote_fp_leave(fp);
}

/* ---- the call ------------------------------------------------------------------------------- */

/* Rows of a session stand together and go on where it stopped. */
static mote_status check_rows(const mote_session *lead, const mote_row *rows, size_t n_rows,
                              size_t *n_logits, mote_error *err)
{
    const mote_status limit = MOTE_ERR_LIMIT;
    size_t n_vocab = lead->model->index->n_vocab;
    if (!n_rows || n_rows > lead->opts.n_batch)
        return mote_fail_got(err, limit, "rows in one call", NULL, n_rows, lead->opts.n_batch);
    for (size_t i = 0; i < n_rows; i++) {
        mote_session *s = rows[i].session;
        bool follows = i && rows[i - 1].session == s;
        uint64_t pos = follows ? (uint64_t)rows[i - 1].pos + 1 : s->length;
        if (s->model != lead->model || s->opts.kv != lead->opts.kv ||
            s->opts.n_ctx > lead->opts.n_ctx)
            return mote_fail(err, limit, "a session of another model, KV type or larger context",
                             NULL);
        if (rows[i].token < 0 || (size_t)rows[i].token >= n_vocab)
            return mote_fail_got(err, limit, "token outside the vocabulary", NULL,
                                 (uint64_t)(int64_t)rows[i].token, n_vocab);
        if (rows[i].pos != pos)
            return mote_fail_got(err, limit, "position out of order", NULL, rows[i].pos, pos);
        if (rows[i].pos >= s->opts.n_ctx)
            return mote_fail_got(err, limit, "position beyond the context", NULL, rows[i].pos,
                                 s->opts.n_ctx);
        if (!follows && s->met)
            return mote_fail(err, limit, "rows of a session that are apart", NULL);
        s->met = true;
        *n_logits += rows[i].want_logits;
    }
    if (*n_logits > lead->opts.n_logits)
        return mote_fail_got(err, limit, "rows with logits", NULL, *n_logits, lead->opts.n_logits);
    return MOTE_OK;
}

mote_status mote_forward(mote_session *lead, const mote_row *rows, size_t n_rows,
                         const mote_team *team, const mote_hooks *hooks, mote_error *err)
{
    mote_run r = {.model = lead->model,
                  .lead = lead,
                  .rows = rows,
                  .n_rows = n_rows,
                  .team = team,
                  .n_threads = team ? team->n_threads : 1,
                  .hooks = hooks};
    mote_status s = check_rows(lead, rows, n_rows, &r.n_logits, err);
    for (size_t i = 0; i < n_rows; i++)
        rows[i].session->met = false;
    if (s)
        return s;
    if (r.n_threads > lead->opts.n_threads)
        return mote_fail_got(err, MOTE_ERR_LIMIT, "threads", NULL, r.n_threads,
                             lead->opts.n_threads);
    if (hooks && hooks->cancel && hooks->cancel(hooks->user))
        return mote_fail(err, MOTE_CANCELLED, "cancelled", NULL);
    if (MOTE_THREADS && r.n_threads > 1)
        team->run(team->user, forward, &r);
    else
        forward(&r, 0);
    if (r.cancelled)
        return mote_fail(err, MOTE_CANCELLED, "cancelled", NULL);
    for (uint32_t i = 0; i < r.n_threads; i++)
        if (lead->threads[i].not_finite)
            return mote_fail_got(err, MOTE_ERR_FILE, "a logit is not finite at position", NULL,
                                 rows[n_rows - 1].pos, 0);
    for (size_t i = 0; i < n_rows; i++)
        rows[i].session->length = rows[i].pos + 1;
    return MOTE_OK;
}
