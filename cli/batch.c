/* batch.c: many prompts at once: `run --jsonl`. Each prompt has a slot with a session, a sampler
 * and a stream of its own; one call of mote_forward runs a row or a piece of prompt for each of
 * them. Logits are the same bits in any company, so the answers are those of prompts alone.
 *
 * Rows queue up while more input is there (lines.c); whatever slot is free takes the next. Answers
 * are printed in the order of the rows, each as soon as all before it are done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/batch.h"

typedef struct job {
    cli_ids prompt;
    mote_sampler_opts sampling;
    size_t max_tokens;
    char *text; /* malloc'ed when done */
    size_t bytes, n_made;
    const char *finish; /* NULL: not done */
    mote_error err;     /* status not OK: failed */
} job;

typedef struct slot {
    mote_session *session;
    mote_sampler *sampler;
    size_t sampler_bytes;
    cli_stream stream;
    int32_t *history; /* [n_ctx] the ids of the session's positions, and the next */
    job *job;         /* NULL: free */
    size_t n_fed, n_ids;
    size_t logits; /* which of the last call are its own */
    bool chosen;   /* has rows with logits in the call */
} slot;

struct cli_batch {
    cli_engine *e;
    mote_session_opts so;
    slot *slots;
    size_t n_slots;
    mote_row *rows;
    job *jobs; /* [cap] in order; [printed, n) wait or are in work */
    size_t n, cap, next, printed;
};

/* ---- making --------------------------------------------------------------------------------- */

/* Slots: as many as asked for, else 16 or as many as half of the memory holds. */
static int count_slots(cli_batch *b)
{
    const cli_engine *e = b->e;
    size_t asked = (size_t)e->o->parallel, n = asked ? asked : 16;
    cli_memory one;
    int code = cli_engine_plan(e, &b->so, true, &one);
    if (code)
        return code;
    uint64_t each = one.session.kv_bytes + one.session.logits_bytes + one.text + one.sampler;
    uint64_t limit = cli_memory_limit(e), fits = limit / 2 / (each ? each : 1);
    if (asked && limit / asked < each)
        return cli_error(MOTE_ERR_MEMORY, "-np", "%zu prompts at once are too many; %llu would fit",
                         asked, (unsigned long long)(2 * fits));
    if (!asked && fits < n)
        n = fits ? (size_t)fits : 1;
    b->n_slots = n < b->so.n_batch ? n : b->so.n_batch;
    return 0;
}

static void *take(cli_engine *e, uint64_t bytes)
{
    e->used.total += bytes;
    return mote_host_alloc(bytes);
}

static int make_slot(cli_batch *b, slot *s, bool lead)
{
    cli_engine *e = b->e;
    mote_error err;
    cli_memory plan;
    mote_session_opts so = b->so;
    if (!lead)
        so.n_batch = so.n_logits = 0;
    int code = cli_engine_plan(e, &so, true, &plan);
    if (code)
        return code;
    void *session = take(e, plan.session.total_bytes), *sampler = take(e, plan.sampler);
    char *text = take(e, plan.text);
    s->session = session;
    s->sampler = sampler;
    s->sampler_bytes = plan.sampler;
    s->history = take(e, plan.history + sizeof(int32_t));
    s->stream.text.ptr = text;
    if (!session || !sampler || !text || !s->history)
        return cli_error(MOTE_ERR_MEMORY, NULL, "no memory for %zu prompts at once; less: -np, -c",
                         b->n_slots);
    if (mote_session_init(&s->session, session, plan.session.total_bytes, e->model, &so, &err))
        return cli_fail(e->o->model, &err);
    return cli_stream_open(&s->stream, e->tokenizer, e->o, (cli_text){text, plan.text});
}

int cli_batch_open(cli_batch **out, cli_engine *e)
{
    cli_batch *b = *out = calloc(1, sizeof *b);
    if (!b)
        return cli_no_memory();
    b->e = e;
    int code = cli_session_options(e, cli_default_context(e), 512, false, &b->so);
    if (!code)
        code = count_slots(b);
    if (code)
        return code;
    b->so.n_logits = (uint32_t)b->n_slots;
    b->slots = calloc(b->n_slots, sizeof *b->slots);
    b->rows = calloc(b->so.n_batch, sizeof *b->rows);
    if (!b->slots || !b->rows)
        return cli_no_memory();
    for (size_t i = 0; !code && i < b->n_slots; i++)
        code = make_slot(b, &b->slots[i], i == 0);
    return code ? code : cli_engine_threads(e);
}

void cli_batch_close(cli_batch *b)
{
    for (size_t i = 0; b && b->slots && i < b->n_slots; i++) {
        slot *s = &b->slots[i];
        mote_host_free(s->stream.text.ptr);
        cli_stream_close(&s->stream);
        mote_host_free(s->session);
        mote_host_free(s->sampler);
        mote_host_free(s->history);
    }
    for (size_t i = 0; b && i < b->n; i++) {
        free(b->jobs[i].prompt.ids);
        free(b->jobs[i].text);
    }
    if (b) {
        free(b->slots);
        free(b->rows);
        free(b->jobs);
    }
    free(b);
}

mote_status cli_batch_add(cli_batch *b, cli_ids prompt, const mote_sampler_opts *sampling,
                          size_t max_tokens, mote_error *err)
{
    *err = (mote_error){.status = MOTE_ERR_MEMORY, .what = "out of memory"};
    if (prompt.n > b->so.n_ctx)
        return cli_too_long(b->e, b->so.n_ctx, prompt.n, err);
    if (!prompt.n) {
        *err = (mote_error){.status = MOTE_ERR_LIMIT, .what = "the prompt has no tokens"};
        return MOTE_ERR_LIMIT;
    }
    for (size_t i = 0; i < prompt.n; i++)
        if ((uint32_t)prompt.ids[i] >= b->e->info.n_vocab) {
            *err = (mote_error){.status = MOTE_ERR_FILE, .what = "a token the model lacks"};
            return MOTE_ERR_FILE;
        }
    if (b->n == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 64;
        job *more = realloc(b->jobs, cap * sizeof *more);
        if (!more)
            return MOTE_ERR_MEMORY;
        b->jobs = more;
        b->cap = cap;
    }
    b->jobs[b->n++] = (job){.prompt = prompt, .sampling = *sampling, .max_tokens = max_tokens};
    return MOTE_OK;
}

/* ---- a slot's work -------------------------------------------------------------------------- */

static void end_job(slot *s, const char *finish)
{
    job *j = s->job;
    cli_stream_rest(&s->stream);
    j->bytes = s->stream.text.bytes;
    j->text = malloc(j->bytes + 1);
    if (j->text)
        memcpy(j->text, s->stream.text.ptr, j->bytes);
    else
        j->err = (mote_error){.status = MOTE_ERR_MEMORY, .what = "out of memory"};
    j->finish = s->stream.ended ? s->stream.ended : finish;
    s->job = NULL;
}

/* Begins a job; what the session holds of its prompt already is not computed again. */
static void begin_job(cli_batch *b, slot *s, job *j)
{
    const cli_engine *e = b->e;
    uint64_t most = (uint64_t)j->prompt.n + j->max_tokens;
    if (mote_sampler_init(&s->sampler, s->sampler, s->sampler_bytes, e->model, &j->sampling,
                          &j->err)) {
        j->finish = "";
        return;
    }
    mote_session_announce(s->session, most < j->max_tokens || most > b->so.n_ctx ? b->so.n_ctx
                                                                                 : (uint32_t)most);
    cli_reuse(s->session, s->history, j->prompt.ids, j->prompt.n);
    memcpy(s->history, j->prompt.ids, j->prompt.n * sizeof *s->history);
    for (size_t i = 0; i < j->prompt.n; i++)
        mote_sampler_accept(s->sampler, j->prompt.ids[i]);
    cli_stream_reset(&s->stream, j->prompt.ids[j->prompt.n - 1]);
    s->job = j;
    s->n_ids = j->prompt.n;
    if (!j->max_tokens)
        end_job(s, "length");
}

static bool is_end(const cli_engine *e, int32_t id)
{
    const int32_t *ends;
    size_t n = mote_end_ids(&e->image, &ends);
    for (size_t i = 0; i < n; i++)
        if (ends[i] == id)
            return true;
    return false;
}

/* The next id of a slot whose logits are there: the same steps as those of mote_generate. */
static void choose(cli_batch *b, slot *s)
{
    job *j = s->job;
    const float *logits = mote_session_logits(b->slots[0].session, s->logits);
    int32_t id = mote_sampler_choose(s->sampler, logits);
    if (is_end(b->e, id)) {
        end_job(s, "stop");
        return;
    }
    mote_sampler_accept(s->sampler, id);
    j->n_made++;
    cli_stream_push(&s->stream, id);
    s->history[s->n_ids++] = id;
    if (s->stream.ended)
        end_job(s, "stop_string");
    else if (j->n_made >= j->max_tokens)
        end_job(s, "length");
    else if (mote_session_length(s->session) == b->so.n_ctx)
        end_job(s, "context_full");
}

/* ---- all slots ------------------------------------------------------------------------------ */

/* Adds the rows that a slot wants next, as far as there is room. */
static size_t add_rows(cli_batch *b, slot *s, size_t n, size_t *n_logits)
{
    size_t at = mote_session_length(s->session), left = s->n_ids - at, room = b->so.n_batch - n;
    size_t rows = left < room ? left : room;
    s->chosen = rows == left;
    for (size_t i = 0; i < rows; i++)
        b->rows[n + i] =
            (mote_row){s->history[at + i], (uint32_t)(at + i), s->session, i + 1 == left};
    if (s->chosen)
        s->logits = (*n_logits)++;
    return n + rows;
}

/* One call of the model for all slots that have work: those that generate come first. */
static mote_status step(cli_batch *b, mote_error *err)
{
    mote_hooks hooks = {.cancel = cli_cancel};
    size_t n = 0, n_logits = 0;
    for (int prompts = 0; prompts < 2; prompts++)
        for (size_t i = 0; i < b->n_slots; i++) {
            slot *s = &b->slots[i];
            if (!s->job || prompts != (s->n_ids - mote_session_length(s->session) > 1))
                continue;
            s->chosen = false;
            if (n < b->so.n_batch)
                n = add_rows(b, s, n, &n_logits);
        }
    const mote_team *team = n > 2 * b->n_slots ? cli_prompt_team(b->e) : NULL;
    mote_status status =
        mote_forward(b->slots[0].session, b->rows, n, team ? team : cli_team(b->e), &hooks, err);
    for (size_t i = 0; !status && i < b->n_slots; i++)
        if (b->slots[i].job && b->slots[i].chosen)
            choose(b, &b->slots[i]);
    return status;
}

/* Gives free slots something to do; false: nothing is in work. */
static bool fill(cli_batch *b)
{
    bool busy = false;
    for (size_t i = 0; i < b->n_slots; i++) {
        while (!b->slots[i].job && b->next < b->n)
            begin_job(b, &b->slots[i], &b->jobs[b->next++]);
        busy = busy || b->slots[i].job;
    }
    return busy;
}

static void print(const cli_opts *o, const job *j, cli_out *out)
{
    char text[400];
    if (j->err.status) {
        cli_error_text(text, sizeof text, &j->err);
        cli_json_error(out, text);
        return;
    }
    cli_json_open(out, '{');
    cli_json_key(out, "text");
    cli_json_string(out, j->text, j->bytes);
    cli_json_text(out, "finish_reason", j->finish);
    if (o->expect)
        cli_json_bool(out, "expected", cli_is_expected(o, (mote_text){j->text, j->bytes}));
    if (o->json) {
        cli_json_uint(out, "prompt_tokens", j->prompt.n);
        cli_json_uint(out, "generated_tokens", j->n_made);
        cli_json_uint(out, "seed", j->sampling.seed);
    }
    cli_json_close(out, '}');
    cli_json_end_line(out);
}

static void print_done(cli_batch *b, cli_out *out)
{
    size_t before = b->printed;
    for (; b->printed < b->n && b->jobs[b->printed].finish; b->printed++) {
        job *j = &b->jobs[b->printed];
        print(b->e->o, j, out);
        free(j->prompt.ids);
        free(j->text);
        j->prompt.ids = NULL;
        j->text = NULL;
    }
    if (b->printed > before)
        cli_flush(out);
}

/* A call failed: everything in work fails with it, and begins anew from nothing. */
static void fail_all(cli_batch *b, const mote_error *err)
{
    for (size_t i = 0; i < b->n_slots; i++) {
        slot *s = &b->slots[i];
        mote_session_rewind(s->session, 0);
        if (!s->job)
            continue;
        s->job->err = *err;
        end_job(s, "");
    }
}

void cli_batch_run(cli_batch *b, cli_out *out)
{
    mote_error err;
    while (!out->failed && !cli_interrupted() && fill(b)) {
        mote_status status = step(b, &err);
        if (status == MOTE_CANCELLED)
            break;
        if (status)
            fail_all(b, &err);
        print_done(b, out);
    }
    if (cli_interrupted() || out->failed)
        return;
    print_done(b, out);
    b->n = b->next = b->printed = 0;
}
