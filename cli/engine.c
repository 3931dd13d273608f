/* engine.c: from a file to something that runs. Sizes come from one function, cli_engine_plan: what
 * `mote plan` prints is what the others allocate. Nothing is allocated here after the sampler.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cli/cli.h"

#define DEFAULT_CONTEXT 4096u

/* ---- opening -------------------------------------------------------------------------------- */

/* What to do about a file that is no .mote file. */
static int refuse(const cli_engine *e, const mote_error *err)
{
    const char *path = e->o->model;
    const char *kind = mote_file_kind(e->file.base, e->file.bytes);
    if (err->status != MOTE_ERR_FILE || !kind)
        return cli_fail(path, err);
    if (strstr(kind, "GGUF"))
        return cli_error(MOTE_ERR_FILE, path,
                         "this is %s; convert it first: mote convert %s -o NAME.mote --type keep",
                         kind, path);
    if (strstr(kind, "safetensors"))
        return cli_error(MOTE_ERR_FILE, path,
                         "this is %s; convert its folder first: mote convert FOLDER -o NAME.mote",
                         kind);
    return cli_error(MOTE_ERR_FILE, path, "this is %s, not a .mote file", kind);
}

/* The biases asked for, and with --ignore-eos the end tokens forbidden. */
static void collect_biases(cli_engine *e)
{
    const int32_t *ends;
    size_t n_ends = mote_end_ids(&e->image, &ends);
    e->n_biases = e->o->n_biases;
    memcpy(e->biases, e->o->biases, e->n_biases * sizeof *e->biases);
    for (size_t i = 0; e->o->ignore_eos && i < n_ends; i++)
        e->biases[e->n_biases++] = (mote_logit_bias){ends[i], -INFINITY};
}

static int map(cli_engine *e)
{
    struct stat st;
    mote_error err;
    const char *path = e->o->model;
    bool is_there = !cli_is_builtin(path) && stat(path, &st) == 0;
    int code = is_there && S_ISREG(st.st_mode) ? cli_check_mapping(e->o, (uint64_t)st.st_size) : 0;
    if (code)
        return code;
    mote_status s = cli_map(&e->file, path, &err);
    if (s == MOTE_ERR_IO && is_there && S_ISDIR(st.st_mode))
        return cli_error((int)s, path,
                         "this is a folder; convert it first: mote convert %s -o NAME.mote", path);
    return s ? cli_fail(path, &err) : 0;
}

static int open_image(cli_engine *e)
{
    mote_error err;
    if (mote_image_open(&e->image, e->file.base, e->file.bytes, &err))
        return refuse(e, &err);
    mote_image_get_info(&e->image, &e->info);
    e->used.file = e->file.bytes;
    collect_biases(e);
    return 0;
}

/* On request: 0.1 to 0.15 s a GB with the CPU's instruction for it, all before the first token. */
static int check_sums(const cli_engine *e)
{
    mote_error err;
    for (size_t i = 0; e->o->check && i < e->info.n_tensors; i++)
        if (mote_image_check_tensor(&e->image, i, &err))
            return cli_fail(e->o->model, &err);
    return 0;
}

static int make_model(cli_engine *e)
{
    mote_model_opts mo = {.isa = e->o->isa, .blas = e->o->blas};
    mote_error err;
    e->used.model = mote_model_bytes(&e->image, &err);
    if (!e->used.model)
        return cli_fail(e->o->model, &err);
    void *mem = mote_host_alloc(e->used.model);
    if (!mem)
        return cli_no_memory();
    if (mote_model_init(&e->model, mem, e->used.model, &e->image, &mo, &err)) {
        mote_host_free(mem);
        return cli_fail(e->o->model, &err);
    }
    return 0;
}

static int make_tokenizer(cli_engine *e)
{
    mote_error err;
    e->used.tokenizer = mote_tokenizer_bytes();
    void *mem = mote_host_alloc(e->used.tokenizer);
    if (!mem)
        return cli_no_memory();
    if (mote_tokenizer_init(&e->tokenizer, mem, e->used.tokenizer, &e->image, &err)) {
        mote_host_free(mem);
        e->used.tokenizer = 0;
        return cli_fail(e->o->model, &err);
    }
    return 0;
}

/* Does the file have tokenizer tables? */
static bool has_tokenizer(const cli_engine *e)
{
    mote_tensor_info t;
    for (size_t i = 0; i < e->info.n_tensors; i++) {
        mote_image_get_tensor(&e->image, i, &t);
        if (t.is_tokenizer)
            return true;
    }
    return false;
}

int cli_engine_open(cli_engine *e, const cli_opts *o, unsigned need)
{
    memset(e, 0, sizeof *e);
    e->o = o;
    int code = map(e);
    if (code) {
        cli_engine_close(e);
        return code;
    }
    const mote_file file = e->file;
    return cli_engine_open_file(e, o, &file, need);
}

int cli_engine_open_file(cli_engine *e, const cli_opts *o, const mote_file *file, unsigned need)
{
    memset(e, 0, sizeof *e);
    e->o = o;
    e->file = *file;
    int code = open_image(e);
    if (!code && (need & WILL_RUN))
        code = cli_check_file(e);
    if (!code && ((need & NEED_MODEL) || ((need & WANT_MODEL) && e->info.n_layers)))
        code = make_model(e);
    if (!code && ((need & NEED_TOKENIZER) || ((need & WANT_TOKENIZER) && has_tokenizer(e))))
        code = make_tokenizer(e);
    if (!code && need & WILL_RUN)
        code = check_sums(e);
    if (code)
        cli_engine_close(e);
    return code;
}

static void free_session(cli_engine *e)
{
    mote_host_free(e->history);
    mote_host_free(e->text);
    mote_host_free(e->session);
    e->session = NULL;
    e->history = NULL;
    e->text = NULL;
}

void cli_engine_close(cli_engine *e)
{
    mote_pool_free(e->pool);
    mote_pool_free(e->prompt_pool);
    mote_host_free(e->sampler);
    free_session(e);
    mote_host_free(e->tokenizer);
    mote_host_free(e->model);
    cli_unmap(&e->file);
    memset(e, 0, sizeof *e);
}

/* ---- sizes ---------------------------------------------------------------------------------- */

bool cli_is_float(const char *type)
{
    return strcmp(type, "f32") == 0 || strcmp(type, "f16") == 0 || strcmp(type, "bf16") == 0;
}

uint32_t cli_default_context(const cli_engine *e)
{
    return e->info.n_ctx < DEFAULT_CONTEXT ? e->info.n_ctx : DEFAULT_CONTEXT;
}

static uint32_t n_threads(cli_engine *e, bool prompt)
{
    int64_t n = prompt && e->o->batch_threads ? e->o->batch_threads : e->o->threads;
    if (!n && !e->model_threads)
        e->model_threads = mote_model_threads(e->model);
    return n ? (uint32_t)n : e->model_threads;
}

int cli_session_options(cli_engine *e, uint32_t n_ctx, uint32_t n_batch, bool all_logits,
                        mote_session_opts *out)
{
    const cli_opts *o = e->o;
    static const char *const kvs[] = {"f32", "f16", "q8"};
    uint32_t decode = n_threads(e, false), prompt = n_threads(e, true);
    size_t kv = 0;
    if (o->n_ctx)
        n_ctx = (uint32_t)o->n_ctx;
    if (n_ctx > e->info.n_ctx)
        return cli_error(EXIT_USAGE, "-c", "the model was made for %u positions, not %u",
                         e->info.n_ctx, n_ctx);
    if (o->n_batch)
        n_batch = (uint32_t)o->n_batch;
    while (strcmp(kvs[kv], o->kv) != 0)
        kv++;
    *out = (mote_session_opts){.n_ctx = n_ctx, .kv = (mote_kv)kv};
    out->n_batch = n_batch < n_ctx ? n_batch : n_ctx;
    out->n_logits = all_logits ? out->n_batch : 1;
    if (o->lookup)
        out->n_logits = out->n_batch < MOTE_MAX_GUESSES + 1 ? out->n_batch : MOTE_MAX_GUESSES + 1;
    out->n_threads = decode > prompt ? decode : prompt;
    return 0;
}

mote_sampler_opts cli_sampler_options(const cli_engine *e, uint64_t seed)
{
    const cli_opts *o = e->o;
    return (mote_sampler_opts){.temperature = (float)o->temperature,
                               .top_k = (int32_t)o->top_k,
                               .top_p = (float)o->top_p,
                               .min_p = (float)o->min_p,
                               .repeat_penalty = (float)o->repeat_penalty,
                               .presence_penalty = (float)o->presence_penalty,
                               .frequency_penalty = (float)o->frequency_penalty,
                               .repeat_last_n = (uint32_t)o->repeat_last_n,
                               .seed = seed,
                               .bias = e->biases,
                               .n_bias = e->n_biases};
}

int cli_engine_plan(const cli_engine *e, const mote_session_opts *so, bool with_sampler,
                    cli_memory *out)
{
    mote_error err;
    *out = (cli_memory){.file = e->file.bytes,
                        .model = e->used.model,
                        .tokenizer = e->used.tokenizer,
                        .history = (uint64_t)so->n_ctx * sizeof(int32_t)};
    size_t piece = e->tokenizer ? mote_decode_max_bytes(e->tokenizer) : 0;
    out->text = ((uint64_t)so->n_ctx + 1) * piece;
    if (mote_session_plan_bytes(&out->session, e->model, so, &err))
        return cli_fail(e->o->model, &err);
    if (with_sampler) {
        mote_sampler_opts opts = cli_sampler_options(e, 0);
        out->sampler = mote_sampler_bytes(e->info.n_vocab, &opts, &err);
        if (!out->sampler)
            return cli_fail(NULL, &err);
    }
    out->total = out->model + out->tokenizer + out->session.total_bytes + out->history + out->text +
                 out->sampler;
    return 0;
}

void cli_memory_json(cli_out *out, const cli_memory *m)
{
    cli_json_open(out, '{');
    cli_json_uint(out, "file", m->file);
    cli_json_uint(out, "model", m->model);
    cli_json_uint(out, "tokenizer", m->tokenizer);
    cli_json_key(out, "session");
    cli_json_open(out, '{');
    cli_json_uint(out, "state", m->session.state_bytes);
    cli_json_uint(out, "kv", m->session.kv_bytes);
    cli_json_uint(out, "scratch", m->session.scratch_bytes);
    cli_json_uint(out, "logits", m->session.logits_bytes);
    cli_json_uint(out, "total", m->session.total_bytes);
    cli_json_close(out, '}');
    cli_json_uint(out, "history", m->history);
    cli_json_uint(out, "text", m->text);
    cli_json_uint(out, "sampler", m->sampler);
    cli_json_uint(out, "total", m->total);
    cli_json_close(out, '}');
}

/* ---- running -------------------------------------------------------------------------------- */

static int make_pool(mote_pool **pool, uint32_t n)
{
    mote_error err;
    if (n < 2)
        return 0;
    *pool = mote_pool_new(n, &err);
    return *pool ? 0 : cli_fail("-t", &err);
}

int cli_engine_threads(cli_engine *e)
{
    uint32_t decode = n_threads(e, false), prompt = n_threads(e, true);
    int code = e->pool ? 0 : make_pool(&e->pool, decode);
    if (!code && prompt != decode && !e->prompt_pool)
        code = make_pool(&e->prompt_pool, prompt);
    return code;
}

/* A team of one, for a prompt (-tb 1) when decoding has more. */
static void run_alone(void *user, void (*fn)(void *arg, uint32_t thread), void *arg)
{
    (void)user;
    fn(arg, 0);
}

static void wait_alone(void *user, uint32_t thread) { (void)user, (void)thread; }

static const mote_team alone = {1, NULL, run_alone, wait_alone};

const mote_team *cli_team(const cli_engine *e) { return e->pool ? mote_pool_team(e->pool) : NULL; }

const mote_team *cli_prompt_team(const cli_engine *e)
{
    if (e->prompt_pool)
        return mote_pool_team(e->prompt_pool);
    return e->o->batch_threads == 1 ? &alone : NULL;
}

int cli_engine_session(cli_engine *e, const mote_session_opts *so)
{
    cli_memory plan;
    mote_error err;
    int code = cli_engine_plan(e, so, false, &plan);
    if (!code)
        code = cli_check_session(e, so, &plan);
    if (code)
        return code;
    free_session(e);
    e->history = mote_host_alloc(plan.history);
    e->text = plan.text ? mote_host_alloc(plan.text) : NULL;
    void *mem = mote_host_alloc(plan.session.total_bytes);
    if (!mem || !e->history || (plan.text && !e->text)) {
        mote_host_free(mem);
        return cli_error(MOTE_ERR_MEMORY, NULL,
                         "no memory for a session of %llu bytes; less: -c, --kv q8, -b",
                         (unsigned long long)plan.session.total_bytes);
    }
    if (mote_session_init(&e->session, mem, plan.session.total_bytes, e->model, so, &err)) {
        mote_host_free(mem);
        return cli_fail(e->o->model, &err);
    }
    plan.sampler = e->used.sampler;
    plan.total += plan.sampler;
    e->used = plan;
    e->session_opts = *so;
    return cli_engine_threads(e);
}

/* Makes the sampler, or gives one that is there a new beginning. */
int cli_engine_sampler(cli_engine *e, uint64_t seed)
{
    mote_error err;
    mote_sampler_opts opts = cli_sampler_options(e, seed);
    size_t bytes = mote_sampler_bytes(e->info.n_vocab, &opts, &err);
    if (!bytes)
        return cli_fail(NULL, &err);
    if (bytes > e->used.sampler) { /* a conversation may look back further than before */
        mote_host_free(e->sampler);
        e->sampler = NULL;
    }
    void *mem = e->sampler ? (void *)e->sampler : mote_host_alloc(bytes);
    if (!mem)
        return cli_no_memory();
    e->used.total += bytes - e->used.sampler;
    e->used.sampler = bytes;
    if (mote_sampler_init(&e->sampler, mem, bytes, e->model, &opts, &err)) {
        mote_host_free(mem);
        e->sampler = NULL;
        return cli_fail(NULL, &err);
    }
    return 0;
}

uint32_t cli_reuse(mote_session *session, const int32_t *history, const int32_t *ids, size_t n)
{
    uint32_t held = mote_session_length(session), common = 0;
    while (common < held && common + 1 < n && history[common] == ids[common])
        common++;
    mote_session_rewind(session, common);
    return common;
}

int cli_state_read(cli_engine *e, const char *path)
{
    struct stat st;
    mote_file file;
    mote_error err;
    if (stat(path, &st) != 0 && errno == ENOENT)
        return 0;
    mote_status s = mote_file_map(&file, path, &err);
    if (s)
        return cli_fail(path, &err);
#ifdef MADV_POPULATE_READ
    /* All of it is wanted: one call rather than a fault for every few pages. */
    madvise((void *)(uintptr_t)file.base, file.bytes, MADV_POPULATE_READ);
#endif
    s = mote_session_restore(e->session, e->history, file.base, file.bytes, cli_team(e), &err);
    mote_file_unmap(&file);
    return s ? cli_fail(path, &err) : 0;
}

int cli_state_write(cli_engine *e, const char *path, uint32_t n)
{
    cli_file file;
    mote_error err;
    mote_session_rewind(e->session, n);
    size_t bytes = mote_session_state_bytes(e->session);
    void *state = mote_host_alloc(bytes);
    if (!state)
        return cli_no_memory();
    int code = 0;
    if (mote_session_save(e->session, e->history, state, bytes, &err))
        code = cli_fail(path, &err);
    if (!code)
        code = cli_file_create(&file, path, true);
    if (!code) {
        cli_file_write(&file, 0, state, bytes);
        code = cli_file_close(&file, 0);
    }
    mote_host_free(state);
    return code;
}
