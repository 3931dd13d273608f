/* cmd_explain.c: a text walked through a model: `mote explain`. Here: the model and its session,
 * the order of things, what comes out at the end. Read explain.h next.
 *
 * The prompt runs once to be looked at (explain_watch.c), then some times to be timed: all of it in
 * one go, then its last token alone, as decoding would. --diff runs a second model beside it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/explain.h"

const char *const explain_stages[EXPLAIN_STAGES] = {"q k v", "attention", "output", "gate up",
                                                    "down"};

/* ---- helpers -------------------------------------------------------------------------------- */

int explain_failed(const explain *x, mote_status s, const mote_error *err)
{
    return s == MOTE_CANCELLED ? cli_interrupted() : s ? cli_fail(x->o->model, err) : 0;
}

const char *explain_piece(const explain *x, int32_t id, char out[200])
{
    mote_text piece = mote_token_piece(x->engine.tokenizer, id);
    cli_escape(out, 200, piece.ptr, piece.bytes);
    return out;
}

void explain_shapes(const explain_layer *l, size_t stage, char *out, size_t cap)
{
    size_t at = 0;
    *out = 0;
    for (size_t i = 0; i < l->n_matrices[stage] && at < cap; i++) {
        const mote_tensor_info *t = &l->matrices[stage][i];
        char mats[24] = "";
        if (t->n_mats > 1)
            snprintf(mats, sizeof mats, "%u x ", t->n_mats);
        at += (size_t)snprintf(out + at, cap - at, "%s%s %s[%llu, %llu] %s", i ? ", " : "",
                               strrchr(t->name, '.') + 1, mats, (unsigned long long)t->rows,
                               (unsigned long long)t->k, t->type);
    }
}

bool explain_same_kind(const explain_layer *a, const explain_layer *b)
{
    char one[600], other[600];
    bool same = memcmp(&a->info, &b->info, sizeof a->info) == 0;
    for (size_t i = 0; same && i < EXPLAIN_STAGES; i++) {
        explain_shapes(a, i, one, sizeof one);
        explain_shapes(b, i, other, sizeof other);
        same = strcmp(one, other) == 0;
    }
    return same;
}

double explain_ops(const explain_work *w) { return w->int_ops + w->float_ops + w->attention_ops; }

static void add_work(explain_work *sum, const explain_work *w)
{
    sum->weight_bytes += w->weight_bytes;
    sum->cache_bytes += w->cache_bytes;
    sum->int_ops += w->int_ops;
    sum->float_ops += w->float_ops;
    sum->attention_ops += w->attention_ops;
    sum->seconds += w->seconds;
}

/* Of one stage in all layers; EXPLAIN_STAGES: of everything. */
explain_work explain_sum(const explain *x, size_t pass, size_t stage)
{
    explain_work sum = {0};
    for (size_t i = 0; i < x->model.n_layers; i++)
        for (size_t s = 0; s < EXPLAIN_STAGES; s++)
            if (s == stage || stage == EXPLAIN_STAGES)
                add_work(&sum, &x->layers[i].work[pass][s]);
    if (stage == EXPLAIN_STAGES) {
        add_work(&sum, &x->embed[pass]);
        add_work(&sum, &x->head[pass]);
    }
    return sum;
}

/* The n best tokens with their probabilities; how many there are. */
size_t explain_best(const float *logits, size_t n_vocab, explain_token *top, size_t n)
{
    double sum = cli_log_sum(logits, n_vocab);
    size_t made = 0;
    for (size_t id = 0; id < n_vocab; id++) {
        size_t at = made;
        if (made == n && logits[id] <= top[n - 1].logit)
            continue;
        made += made < n;
        for (at = made - 1; at && top[at - 1].logit < logits[id]; at--)
            top[at] = top[at - 1];
        top[at] = (explain_token){(int32_t)id, logits[id], (float)exp((double)logits[id] - sum)};
    }
    return made;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int read_ids(explain *x)
{
    mote_error err;
    cli_ids ids;
    mote_status s = cli_encode(&x->engine, x->text.ptr, x->text.bytes, MOTE_ENCODE_ADD_SPECIAL,
                               NULL, 0, &ids, &err);
    x->own_ids = ids.ids;
    x->ids = ids.ids;
    x->n = ids.n;
    return s ? cli_fail(x->o->model, &err) : 0;
}

static int check_length(const explain *x)
{
    const cli_opts *o = x->o;
    size_t most = x->engine.info.n_ctx, n = x->n;
    most = o->n_ctx && (size_t)o->n_ctx < most ? (size_t)o->n_ctx : most;
    most = most > EXPLAIN_MAX_TOKENS ? EXPLAIN_MAX_TOKENS : most;
    if (!n)
        return cli_error(EXIT_USAGE, NULL, "the text has no tokens");
    if (n > most)
        return cli_error(EXIT_USAGE, NULL, "the text has %zu tokens, explain shows at most %zu", n,
                         most);
    if (!x->is_encoder && o->n_batch && (size_t)o->n_batch < n)
        return cli_error(EXIT_USAGE, "-b", "explain runs all %zu tokens in one go", n);
    return 0;
}

static int open_text_model(explain *x, bool all_logits)
{
    mote_session_opts so;
    int code = read_ids(x);
    if (!code)
        code = check_length(x);
    if (!code)
        code = cli_session_options(&x->engine, (uint32_t)x->n, (uint32_t)x->n, all_logits, &so);
    if (code)
        return code;
    so.n_batch = (uint32_t)x->n;
    so.n_logits = all_logits ? so.n_batch : 1;
    return cli_engine_session(&x->engine, &so);
}

static int open_encoder(explain *x)
{
    char error[400];
    const mote_text text = {x->text.ptr, x->text.bytes};
    int code = cli_encoder_open(&x->encoder, &x->engine, false);
    if (!code && !cli_encoder_add(&x->encoder, NULL, &text, NULL, error))
        code = cli_error(MOTE_ERR_UNSUPPORTED, x->o->model, "%s", error);
    if (code)
        return code;
    x->ids = x->encoder.queue->ids;
    x->n = x->encoder.queue->n_ids;
    cli_encoder_note(&x->encoder, 1);
    return check_length(x);
}

static int make_layer(explain *x, explain_layer *l, uint32_t i)
{
    mote_model_get_layer(x->engine.model, i, &l->info);
    l->heads = calloc(l->info.n_heads + 1, sizeof *l->heads);
    l->map = calloc((size_t)l->info.n_heads * x->map_n * (1 + x->map_n) + 1, sizeof *l->map);
    if (l->info.n_experts)
        l->taken = calloc(l->info.n_experts, sizeof *l->taken);
    return l->heads && l->map && (l->taken || !l->info.n_experts) ? 0 : cli_no_memory();
}

static int make_layers(explain *x)
{
    int code = 0;
    x->map_n = x->n < EXPLAIN_MAP ? x->n : EXPLAIN_MAP;
    x->rows = calloc(x->n, sizeof *x->rows);
    x->embed_norm = calloc(x->n, sizeof *x->embed_norm);
    x->layers = calloc(x->model.n_layers, sizeof *x->layers);
    if (!x->rows || !x->embed_norm || !x->layers)
        return cli_no_memory();
    for (uint32_t i = 0; !code && i < x->model.n_layers; i++)
        code = make_layer(x, &x->layers[i], i);
    return code;
}

static void copy_name(explain *x)
{
    mote_text name = mote_image_text(&x->engine.image, MOTE_IMAGE_NAME);
    cli_escape(x->name, sizeof x->name, name.ptr, name.bytes < 100 ? name.bytes : 100);
}

int explain_open(explain *x, const cli_opts *o, bool all_logits)
{
    mote_encoder_info encoder;
    x->o = o;
    int code = cli_engine_open(&x->engine, o, WILL_RUN | NEED_MODEL | NEED_TOKENIZER);
    if (code)
        return code;
    mote_model_get_info(x->engine.model, &x->model);
    mote_model_get_encoder(x->engine.model, &encoder);
    x->is_encoder = encoder.pooling != MOTE_POOL_NONE;
    copy_name(x);
    code = x->is_encoder ? open_encoder(x) : open_text_model(x, all_logits);
    return code ? code : make_layers(x);
}

void explain_close(explain *x)
{
    for (uint32_t i = 0; x->layers && i < x->model.n_layers; i++) {
        free(x->layers[i].heads);
        free(x->layers[i].map);
        free(x->layers[i].taken);
    }
    free(x->layers);
    free(x->embed_norm);
    free(x->rows);
    free(x->own_ids);
    free(x->diff.error);
    free(x->diff.kl);
    cli_encoder_close(&x->encoder);
    if (x->engine.o)
        cli_engine_close(&x->engine);
}

/* ---- running -------------------------------------------------------------------------------- */

mote_status explain_pass(explain *x, size_t from, bool all_logits, const mote_hooks *hooks,
                         mote_error *err)
{
    cli_engine *e = &x->engine;
    if (x->is_encoder) {
        x->encoder.hooks = hooks;
        return cli_encoder_run(&x->encoder, err);
    }
    const mote_team *team =
        from + 1 < x->n && cli_prompt_team(e) ? cli_prompt_team(e) : cli_team(e);
    mote_session_rewind(e->session, (uint32_t)from);
    if (!from)
        mote_session_announce(e->session, (uint32_t)x->n);
    for (size_t i = from; i < x->n; i++)
        x->rows[i - from] =
            (mote_row){x->ids[i], (uint32_t)i, e->session, all_logits || i + 1 == x->n};
    return mote_forward(e->session, x->rows, x->n - from, team, hooks, err);
}

const float *explain_logits(const explain *x, size_t i)
{
    return mote_session_logits(x->engine.session, i);
}

/* The sampler is told the prompt, as in a run, and chooses once. */
static int choose(explain *x)
{
    const float *logits = explain_logits(x, 0);
    x->seed = cli_seed(x->o);
    x->n_top = explain_best(logits, x->model.n_vocab, x->top, EXPLAIN_TOP);
    int code = cli_engine_sampler(&x->engine, x->seed);
    if (code)
        return code;
    mote_sampler *s = x->engine.sampler;
    for (size_t i = 0; i < x->n; i++)
        mote_sampler_accept(s, x->ids[i]);
    x->chosen = mote_sampler_choose(s, logits);
    mote_sampler_candidates(s, &x->among);
    x->n_candidates = x->among.by_min_p < EXPLAIN_TOP ? x->among.by_min_p : EXPLAIN_TOP;
    for (size_t i = 0; i < x->n_candidates; i++) {
        float weight;
        explain_token *t = &x->candidates[i];
        t->id = mote_sampler_candidate(s, i, &weight);
        t->logit = logits[t->id];
        t->p = (float)((double)weight / x->among.sum);
    }
    return 0;
}

static int measure_roofline(explain *x)
{
    const mote_team *team = cli_team(&x->engine);
    return probe_machine(&x->peaks, x->model.tier, team) ? 0 : cli_no_memory();
}

static int look(explain *x)
{
    mote_error err;
    int code = explain_failed(x, explain_watch(x, &err), &err);
    if (!code && !x->is_encoder)
        code = choose(x);
    if (code)
        return code;
    explain_count(x);
    code = explain_failed(x, explain_time(x, &err), &err);
    if (!code && (x->o->roofline || x->o->html))
        code = measure_roofline(x);
    return !code && x->o->other ? explain_compare(x) : code;
}

static int write_page(const explain *x)
{
    cli_file file;
    cli_out out = {.file = &file};
    int code = cli_file_create(&file, x->o->html, x->o->force);
    if (!code) {
        explain_print_html(x, &out);
        cli_flush(&out);
    }
    return cli_file_close(&file, code);
}

int cmd_explain(const cli_opts *o)
{
    explain *x = calloc(1, sizeof *x);
    cli_out out = {.n = 0};
    int code = x ? 0 : cli_no_memory();
    cli_catch_signals();
    if (!code && o->html)
        code = cli_file_check(o->html, o->force);
    if (!code)
        code = cli_prompt_text(&x->text, o);
    if (!code)
        code = explain_open(x, o, o->other != NULL);
    if (!code)
        code = look(x);
    if (!code && o->html)
        code = write_page(x);
    if (!code && o->json)
        explain_print_json(x, &out);
    else if (!code)
        explain_print_text(x, &out);
    if (x) {
        free(x->text.ptr);
        explain_close(x);
    }
    free(x);
    return cli_out_close(&out, code);
}
