/* encoder.c: a queue of texts before an encoder; special tokens, pairs and truncation. Read
 * encoder.h first.
 *
 * What the tokenizer adds to a text is found by asking it. A pair is open a close.. b close, with
 * as many closing tokens between as the file says (pair_joins); cutting keeps what is added.
 */
#include "cli/encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_TOKENS 2048u
#define BATCH_TEXTS 32u

/* ---- opening -------------------------------------------------------------------------------- */

int cli_encoder_plan(const cli_engine *e, cli_encoder_memory *m)
{
    const cli_opts *o = e->o;
    mote_encoder_info info;
    mote_error err;
    mote_model_get_encoder(e->model, &info);
    uint32_t n = e->info.n_ctx > BATCH_TOKENS ? e->info.n_ctx : BATCH_TOKENS;
    n = o->n_batch ? (uint32_t)o->n_batch : n;
    *m =
        (cli_encoder_memory){.opts = {.n_tokens = n, .n_texts = n < BATCH_TEXTS ? n : BATCH_TEXTS}};
    m->opts.n_threads = o->threads ? (uint32_t)o->threads : mote_model_threads(e->model);
    if (n < info.max_tokens)
        return cli_error(EXIT_USAGE, "-b", "a text can have %u tokens, and a batch holds %u",
                         info.max_tokens, n);
    if (mote_encoder_plan_bytes(&m->encoder, e->model, &m->opts, &err))
        return cli_fail(o->model, &err);
    m->queue = (uint64_t)m->opts.n_texts *
                   (sizeof(mote_encode_text) + sizeof(size_t) + info.n_out * sizeof(float)) +
               (uint64_t)n * (sizeof(int32_t) + 1);
    m->total = e->used.model + e->used.tokenizer + m->encoder.total_bytes + m->queue;
    return 0;
}

void cli_encoder_memory_json(cli_out *out, const cli_engine *e, const cli_encoder_memory *m)
{
    cli_json_open(out, '{');
    cli_json_uint(out, "file", e->used.file);
    cli_json_uint(out, "model", e->used.model);
    cli_json_uint(out, "tokenizer", e->used.tokenizer);
    cli_json_key(out, "encoder");
    cli_json_open(out, '{');
    cli_json_uint(out, "state", m->encoder.state_bytes);
    cli_json_uint(out, "kv", m->encoder.kv_bytes);
    cli_json_uint(out, "scratch", m->encoder.scratch_bytes);
    cli_json_uint(out, "total", m->encoder.total_bytes);
    cli_json_close(out, '}');
    cli_json_uint(out, "queue", m->queue);
    cli_json_uint(out, "total", m->total);
    cli_json_close(out, '}');
}

static bool same_ids(const int32_t *a, const int32_t *b, size_t n)
{
    return !n || memcmp(a, b, n * sizeof *a) == 0;
}

/* Asks the tokenizer what it puts around the text "a". */
static int find_special(cli_encoder *x)
{
    const cli_engine *e = x->engine;
    cli_ids plain = {0}, full = {0};
    mote_error err;
    size_t at = 0;
    if (cli_encode(e, "a", 1, 0, NULL, 0, &plain, &err) ||
        cli_encode(e, "a", 1, MOTE_ENCODE_ADD_SPECIAL, NULL, 0, &full, &err)) {
        free(plain.ids);
        return cli_fail(e->o->model, &err);
    }
    while (at + plain.n < full.n && !same_ids(full.ids + at, plain.ids, plain.n))
        at++;
    size_t n_close = full.n - at - plain.n;
    x->open = (cli_ids){malloc((at + 1) * sizeof(int32_t)), at};
    x->close = (cli_ids){malloc((n_close + 1) * sizeof(int32_t)), n_close};
    if (x->open.ids && x->close.ids) {
        memcpy(x->open.ids, full.ids, at * sizeof(int32_t));
        memcpy(x->close.ids, full.ids + at + plain.n, n_close * sizeof(int32_t));
    }
    free(plain.ids);
    free(full.ids);
    return x->open.ids && x->close.ids ? 0 : cli_no_memory();
}

static int check_kind(const cli_encoder *x, bool pair)
{
    const char *path = x->engine->o->model;
    if (x->info.pooling == MOTE_POOL_NONE)
        return cli_error(MOTE_ERR_UNSUPPORTED, path,
                         "no encoder: it makes text (mote run), not embeddings or scores");
    if (pair && x->info.pooling != MOTE_POOL_SCORE)
        return cli_error(MOTE_ERR_UNSUPPORTED, path,
                         "it makes embeddings (mote embed), not scores of pairs");
    if (!pair && x->info.pooling == MOTE_POOL_SCORE)
        return cli_error(MOTE_ERR_UNSUPPORTED, path,
                         "it scores pairs (mote rerank) and makes no embeddings");
    return 0;
}

static int make(cli_encoder *x)
{
    mote_error err;
    cli_engine *e = x->engine;
    const mote_encoder_opts *opts = &x->used.opts;
    const size_t bytes = x->used.encoder.total_bytes;
    void *mem = mote_host_alloc(bytes);
    if (!mem)
        return cli_error(MOTE_ERR_MEMORY, NULL, "no memory for %llu bytes; less: -b",
                         (unsigned long long)bytes);
    if (mote_encoder_init(&x->encoder, mem, bytes, e->model, opts, &err)) {
        mote_host_free(mem);
        return cli_fail(e->o->model, &err);
    }
    x->n_tokens = opts->n_tokens;
    x->n_texts = opts->n_texts;
    x->queue = calloc(x->n_texts, sizeof *x->queue);
    x->whole = calloc(x->n_texts, sizeof *x->whole);
    x->ids = calloc(x->n_tokens, sizeof *x->ids);
    x->types = calloc(x->n_tokens, 1);
    x->out = calloc(x->n_texts * x->info.n_out, sizeof *x->out);
    return x->queue && x->whole && x->ids && x->types && x->out ? 0 : cli_no_memory();
}

int cli_encoder_open(cli_encoder *x, cli_engine *e, bool pair)
{
    *x = (cli_encoder){.engine = e, .most_tokens = e->info.n_ctx};
    mote_model_get_encoder(e->model, &x->info);
    int code = check_kind(x, pair);
    if (!code)
        code = cli_encoder_plan(e, &x->used);
    if (!code)
        code = cli_check_bytes(e, x->used.total);
    if (!code)
        code = make(x);
    if (!code && e->tokenizer)
        code = find_special(x);
    if (!code && x->info.max_tokens < x->open.n + x->close.n * (1 + x->info.pair_joins))
        code = cli_error(MOTE_ERR_FILE, e->o->model, "the special tokens fill all %u tokens",
                         x->info.max_tokens);
    return code ? code : cli_engine_threads(e);
}

void cli_encoder_close(cli_encoder *x)
{
    mote_host_free(x->encoder);
    free(x->open.ids);
    free(x->close.ids);
    free(x->queue);
    free(x->whole);
    free(x->ids);
    free(x->types);
    free(x->out);
}

/* ---- running -------------------------------------------------------------------------------- */

static mote_status run(cli_encoder *x, size_t first, size_t n, mote_error *err)
{
    mote_hooks hooks = x->hooks ? *x->hooks : (mote_hooks){0};
    hooks.cancel = cli_cancel;
    return mote_encode_texts(x->encoder, x->queue + first, n, cli_team(x->engine), &hooks, err);
}

mote_status cli_encoder_run(cli_encoder *x, mote_error *err)
{
    return x->n_queued ? run(x, 0, x->n_queued, err) : MOTE_OK;
}

/* A batch that fails is taken text by text, so that only the bad one has no answer. */
void cli_encoder_flush(void *encoder, cli_out *out)
{
    cli_encoder *x = encoder;
    char text[400];
    mote_error err;
    mote_status all = cli_encoder_run(x, &err);
    for (size_t i = 0; i < x->n_queued && all != MOTE_CANCELLED; i++) {
        if (all && run(x, i, 1, &err)) {
            cli_error_text(text, sizeof text, &err);
            cli_json_error(out, text);
            continue;
        }
        x->answer(x, out, &x->queue[i], x->whole[i]);
        cli_json_end_line(out);
    }
    x->n_queued = x->n_ids = 0;
}

void cli_encoder_note(const cli_encoder *x, size_t n_all)
{
    if (x->n_cut && n_all == 1)
        cli_note(x->engine->o, "the text has %zu tokens and was cut to %u", x->whole[0],
                 x->info.max_tokens);
    else if (x->n_cut)
        cli_note(x->engine->o, "%zu texts were longer than %u tokens and were cut", x->n_cut,
                 x->info.max_tokens);
}

/* ---- the queue ------------------------------------------------------------------------------ */

/* Room for n more tokens; a full queue is answered first. */
static mote_encode_text *reserve(cli_encoder *x, cli_out *out, size_t n, size_t whole)
{
    if (x->n_queued == x->n_texts || x->n_ids + n > x->n_tokens)
        cli_encoder_flush(x, out);
    mote_encode_text *t = &x->queue[x->n_queued];
    *t = (mote_encode_text){.ids = x->ids + x->n_ids,
                            .types = x->types + x->n_ids,
                            .n_ids = n,
                            .out = x->out + x->n_queued * x->info.n_out};
    x->whole[x->n_queued++] = whole;
    x->n_cut += n < whole;
    return t;
}

static void put(cli_encoder *x, const cli_ids *ids, size_t n, uint8_t type)
{
    if (n)
        memcpy(x->ids + x->n_ids, ids->ids, n * sizeof *ids->ids);
    memset(x->types + x->n_ids, type, n);
    x->n_ids += n;
}

/* The longer of a pair is cut; if both are longer than half the room, each gets half, and a spare
 * token goes to the longer one, or to the second. */
static void share_room(size_t room, size_t *a, size_t *b)
{
    size_t half = room / 2;
    if (*a + *b <= room)
        return;
    if (*a <= half)
        *b = room - *a;
    else if (*b <= half)
        *a = room - *b;
    else if (*a > *b)
        *a = room - half, *b = half;
    else
        *a = half, *b = room - half;
}

static bool add_texts(cli_encoder *x, cli_out *out, const cli_ids *a, const cli_ids *b)
{
    size_t joins = b ? x->info.pair_joins : 0, n_a = a->n, n_b = b ? b->n : 0;
    size_t special = x->open.n + x->close.n * (joins + 1), room = x->info.max_tokens - special;
    size_t whole = n_a + n_b + special;
    uint8_t second = x->info.n_types > 1;
    if (b)
        share_room(room, &n_a, &n_b);
    else
        n_a = n_a < room ? n_a : room;
    reserve(x, out, n_a + n_b + special, whole);
    put(x, &x->open, x->open.n, 0);
    put(x, a, n_a, 0);
    for (size_t i = 0; i < joins; i++)
        put(x, &x->close, x->close.n, 0);
    if (b)
        put(x, b, n_b, second);
    put(x, &x->close, x->close.n, b ? second : 0);
    return true;
}

bool cli_encoder_add(cli_encoder *x, cli_out *out, const mote_text *a, const mote_text *b,
                     char error[400])
{
    const cli_engine *e = x->engine;
    cli_ids ids[2] = {{0}, {0}};
    mote_error err;
    bool ok = e->tokenizer != NULL;
    if (!ok) {
        strcpy(error, "the file has no tokenizer: only ids can be encoded");
        return false;
    }
    ok = !cli_encode(e, a->ptr, a->bytes, 0, NULL, 0, &ids[0], &err) &&
         (!b || !cli_encode(e, b->ptr, b->bytes, 0, NULL, 0, &ids[1], &err));
    if (ok)
        add_texts(x, out, &ids[0], b ? &ids[1] : NULL);
    else
        cli_error_text(error, 400, &err);
    free(ids[0].ids);
    free(ids[1].ids);
    return ok;
}

/* Ids and types as given: each must be one the model has. */
static bool check_ids(const cli_encoder *x, const cli_ids *ids, const cli_ids *types,
                      char error[400])
{
    size_t most = x->most_tokens < x->n_tokens ? x->most_tokens : x->n_tokens, bad = 0;
    if (!ids->n || ids->n > most) {
        snprintf(error, 400, "ids: %zu of them (wanted 1 to %zu)", ids->n, most);
        return false;
    }
    if (types->ids && types->n != ids->n) {
        snprintf(error, 400, "token_type_ids: %zu of them for %zu ids", types->n, ids->n);
        return false;
    }
    while (bad < ids->n && (uint32_t)ids->ids[bad] < x->engine->info.n_vocab &&
           (!types->ids || (uint32_t)types->ids[bad] < x->info.n_types))
        bad++;
    if (bad < ids->n)
        snprintf(error, 400, "ids: number %zu lies outside the vocabulary or has no such type",
                 bad + 1);
    return bad == ids->n;
}

bool cli_encoder_add_ids(cli_encoder *x, cli_out *out, const mote_value *row, char error[400])
{
    cli_ids ids = {0}, types = {0};
    bool ok = cli_get_ids(row, "ids", &ids) &&
              (!cli_get(row, "token_type_ids") || cli_get_ids(row, "token_type_ids", &types));
    if (!ok)
        strcpy(error, "ids, token_type_ids: wanted lists of whole numbers");
    ok = ok && check_ids(x, &ids, &types, error);
    if (ok) {
        mote_encode_text *t = reserve(x, out, ids.n, ids.n);
        put(x, &ids, ids.n, 0);
        uint8_t *to = x->types + (t->types - x->types);
        for (size_t i = 0; types.ids && i < ids.n; i++)
            to[i] = (uint8_t)types.ids[i];
    }
    free(ids.ids);
    free(types.ids);
    return ok;
}
