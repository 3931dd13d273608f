/* cmd_run.c: text after a prompt, once or for each JSON line. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch.h"

/* -sys; ptr NULL: none. */
static mote_text own_system(const cli_engine *e)
{
    return (mote_text){e->o->system, e->o->system ? strlen(e->o->system) : 0};
}

/* The ids of one prompt: through the chat template if the file has one, else as it is. */
static mote_status encode_prompt(const cli_engine *e, mote_text system, mote_text text,
                                 cli_ids *ids, mote_error *err)
{
    cli_message messages[2];
    size_t n = 0;
    if (e->o->raw || !mote_chat_template(&e->image).bytes)
        return cli_encode(e, text.ptr, text.bytes, MOTE_ENCODE_ADD_SPECIAL, NULL, 0, ids, err);
    if (system.ptr)
        messages[n++] = (cli_message){"system", system};
    messages[n++] = (cli_message){"user", text};
    return cli_encode_chat(e, messages, n, ids, err);
}

/* ---- one prompt ----------------------------------------------------------------------------- */

static void print_json(cli_out *out, const cli_engine *e, const cli_answer *a, double load_s)
{
    size_t n = a->n_prompt - a->n_reused;
    cli_json_open(out, '{');
    cli_json_key(out, "text");
    cli_json_string(out, a->text.ptr, a->text.bytes);
    cli_json_text(out, "finish_reason", a->finish);
    if (e->o->expect)
        cli_json_bool(out, "expected",
                      cli_is_expected(e->o, (mote_text){a->text.ptr, a->text.bytes}));
    cli_json_uint(out, "prompt_tokens", a->n_prompt);
    cli_json_uint(out, "reused_tokens", a->n_reused);
    cli_json_uint(out, "generated_tokens", a->n_made);
    if (e->o->lookup) {
        cli_json_uint(out, "guessed_tokens", a->n_guessed);
        cli_json_uint(out, "right_guesses", a->n_right);
    }
    cli_json_uint(out, "seed", a->seed);
    cli_json_uint(out, "threads", e->session_opts.n_threads);
    cli_json_text(out, "kv", e->o->kv);
    cli_json_uint(out, "n_ctx", e->session_opts.n_ctx);
    cli_json_key(out, "timings");
    cli_json_open(out, '{');
    cli_json_real(out, "load_ms", load_s * 1000);
    cli_json_real(out, "prompt_ms", a->prompt_s * 1000);
    cli_json_real(out, "first_token_ms", a->first_s * 1000);
    cli_json_real(out, "generate_ms", a->generate_s * 1000);
    cli_json_real(out, "prompt_tokens_per_second", a->prompt_s > 0 ? (double)n / a->prompt_s : 0);
    cli_json_real(out, "tokens_per_second",
                  a->n_made > 1 && a->generate_s > 0 ? (double)(a->n_made - 1) / a->generate_s : 0);
    cli_json_close(out, '}');
    cli_json_key(out, "memory");
    cli_memory_json(out, &e->used);
    cli_json_close(out, '}');
    cli_json_end_line(out);
}

/* Tells the session how long the text can get: some models choose their rotation by it. */
static void announce(cli_engine *e, size_t n_prompt)
{
    uint64_t n = e->session_opts.n_ctx, made = (uint64_t)e->o->n_predict;
    if (e->o->n_predict >= 0 && n_prompt + made < n)
        n = n_prompt + made;
    mote_session_announce(e->session, (uint32_t)n);
}

static int run_once(cli_answerer *a, cli_out *out, const cli_ids *ids, double start)
{
    cli_engine *e = a->engine;
    cli_answer answer = {.seed = cli_seed(e->o)};
    mote_error err;
    int code = cli_engine_sampler(e, answer.seed);
    if (code)
        return code;
    if (e->o->state)
        code = cli_state_read(e, e->o->state);
    if (code)
        return code;
    announce(e, ids->n);
    double load_s = cli_seconds() - start;
    if (cli_answer_run(a, ids, &answer, &err))
        return cli_fail(e->o->model, &err);
    if (e->o->json)
        print_json(out, e, &answer, load_s);
    else if (isatty(STDOUT_FILENO))
        cli_puts(out, "\n");
    cli_flush(out);
    cli_answer_note(e->o, &answer);
    if (e->o->state && answer.n_reused + 1 < ids->n && mote_session_length(e->session) >= ids->n)
        code = cli_state_write(e, e->o->state, (uint32_t)ids->n);
    if (!code && !cli_interrupted() &&
        !cli_is_expected(e->o, (mote_text){answer.text.ptr, answer.text.bytes}))
        code = cli_error(EXIT_UNEXPECTED, "--expect", "the answer is no valid %s", e->o->expect);
    return code ? code : cli_interrupted();
}

static int run_one(cli_engine *e, cli_out *out, double start)
{
    cli_text text = {0};
    cli_ids ids = {0};
    cli_answerer a = {0};
    mote_session_opts so;
    mote_error err;
    int code = cli_expect_check(e->o);
    if (!code)
        code = cli_prompt_text(&text, e->o);
    if (!code && encode_prompt(e, own_system(e), (mote_text){text.ptr, text.bytes}, &ids, &err))
        code = cli_fail(e->o->model, &err);
    if (!code)
        code = cli_session_options(e, cli_default_context(e), 512, false, &so);
    if (!code && ids.n > so.n_ctx)
        code = cli_error(EXIT_USAGE, "prompt", "has %zu tokens, and the context is %u positions%s",
                         ids.n, so.n_ctx, so.n_ctx < e->info.n_ctx ? " (-c makes it larger)" : "");
    if (!code)
        code = cli_engine_session(e, &so);
    if (!code)
        code = cli_answerer_open(&a, e, e->o->json ? NULL : out);
    if (!code)
        code = run_once(&a, out, &ids, start);
    cli_answerer_close(&a);
    free(ids.ids);
    free(text.ptr);
    return code;
}

/* ---- JSON lines ----------------------------------------------------------------------------- */

typedef struct run_lines_state {
    cli_engine *e;
    cli_batch *batch;
} run_lines_state;

/* The options of the command line, with what the row says otherwise. */
static bool row_sampling(const cli_engine *e, const mote_value *row, mote_sampler_opts *sampling,
                         size_t *max_tokens, char error[400])
{
    double temperature = e->o->temperature, top_p = e->o->top_p, min_p = e->o->min_p;
    double top_k = (double)e->o->top_k, seed = -1, most = (double)e->o->n_predict;
    if (!cli_get_number(row, "temperature", -1e6, 1e6, &temperature, error) ||
        !cli_get_number(row, "top_k", -1, 1 << 24, &top_k, error) ||
        !cli_get_number(row, "top_p", 0, 1, &top_p, error) ||
        !cli_get_number(row, "min_p", 0, 1, &min_p, error) ||
        !cli_get_number(row, "seed", 0, 9007199254740992.0, &seed, error) ||
        !cli_get_number(row, "max_tokens", -1, 1e9, &most, error))
        return false;
    *sampling = cli_sampler_options(e, seed < 0 ? cli_seed(e->o) : (uint64_t)seed);
    sampling->temperature = (float)temperature;
    sampling->top_k = (int32_t)top_k;
    sampling->top_p = (float)top_p;
    sampling->min_p = (float)min_p;
    *max_tokens = most < 0 ? SIZE_MAX : (size_t)most;
    return true;
}

static bool run_row(void *user, const mote_value *row, cli_out *out, char error[400])
{
    run_lines_state *r = user;
    const mote_value *prompt = cli_get(row, "prompt"), *system = cli_get(row, "system");
    mote_sampler_opts sampling;
    size_t max_tokens;
    cli_ids ids = {0};
    mote_error err;
    (void)out;
    if (!prompt || prompt->kind != MOTE_VALUE_STRING) {
        strcpy(error, "prompt: wanted a string");
        return false;
    }
    if (system && system->kind != MOTE_VALUE_STRING) {
        strcpy(error, "system: wanted a string");
        return false;
    }
    if (!row_sampling(r->e, row, &sampling, &max_tokens, error))
        return false;
    mote_text system_text = system ? system->as.string : own_system(r->e);
    mote_status s = encode_prompt(r->e, system_text, prompt->as.string, &ids, &err);
    if (!s)
        s = cli_batch_add(r->batch, ids, &sampling, max_tokens, &err);
    if (s) {
        free(ids.ids);
        cli_error_text(error, 400, &err);
        return false;
    }
    return true;
}

static void run_queued(void *user, cli_out *out)
{
    cli_batch_run(((run_lines_state *)user)->batch, out);
}

static int run_lines(cli_engine *e, cli_out *out)
{
    run_lines_state r = {.e = e};
    int code = cli_expect_check(e->o);
    if (!code && (e->o->form || e->o->n_sets))
        code = cli_error(EXIT_USAGE, "--template", "is for one prompt, not for --jsonl");
    if (!code && e->o->state)
        code = cli_error(EXIT_USAGE, "--state", "is for one prompt, not for --jsonl");
    if (!code)
        code = cli_engine_sampler(e, 0); /* says what is wrong with the options, once */
    if (!code)
        code = cli_batch_open(&r.batch, e);
    if (!code)
        code = cli_lines_queued(out, run_row, run_queued, &r);
    cli_batch_close(r.batch);
    return code;
}

int cmd_run(const cli_opts *o)
{
    cli_engine e;
    cli_out out = {.n = 0};
    double start = cli_seconds();
    cli_catch_signals();
    int code = cli_engine_open(&e, o, WILL_RUN | NEED_MODEL | NEED_TOKENIZER);
    if (code)
        return code;
    code = o->jsonl ? run_lines(&e, &out) : run_one(&e, &out, start);
    cli_engine_close(&e);
    return cli_out_close(&out, code);
}
