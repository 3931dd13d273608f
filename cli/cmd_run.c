/* cmd_run.c: text after a prompt, once or for each JSON line. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* The ids of one prompt: through the chat template if the file has one, else as it is. */
static mote_status encode_prompt(const cli_engine *e, mote_text text, cli_ids *ids, mote_error *err)
{
    cli_message messages[2];
    size_t n = 0;
    const char *system = e->o->system;
    if (e->o->raw || !mote_chat_template(&e->image).bytes)
        return cli_encode(e, text.ptr, text.bytes, MOTE_ENCODE_ADD_SPECIAL, NULL, 0, ids, err);
    if (system)
        messages[n++] = (cli_message){"system", {system, strlen(system)}};
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
    cli_json_uint(out, "prompt_tokens", a->n_prompt);
    cli_json_uint(out, "generated_tokens", a->n_made);
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

static int run_once(cli_answerer *a, cli_out *out, const cli_ids *ids, double start)
{
    cli_engine *e = a->engine;
    cli_answer answer = {.seed = cli_seed(e->o)};
    mote_error err;
    int code = cli_engine_sampler(e, answer.seed);
    if (code)
        return code;
    double load_s = cli_seconds() - start;
    if (cli_answer_run(a, ids, &answer, &err))
        return cli_fail(e->o->model, &err);
    if (e->o->json)
        print_json(out, e, &answer, load_s);
    else if (isatty(STDOUT_FILENO))
        cli_puts(out, "\n");
    cli_flush(out);
    cli_answer_note(e->o, &answer);
    return cli_interrupted();
}

/* Tells the session how long the text can get: some models choose their rotation by it. */
static void announce(cli_engine *e, size_t n_prompt)
{
    uint64_t n = e->session_opts.n_ctx, made = (uint64_t)e->o->n_predict;
    if (e->o->n_predict >= 0 && n_prompt + made < n)
        n = n_prompt + made;
    mote_session_announce(e->session, (uint32_t)n);
}

static int run_one(cli_engine *e, cli_out *out, double start)
{
    cli_text text;
    cli_ids ids = {0};
    cli_answerer a = {0};
    mote_session_opts so;
    mote_error err;
    int code = cli_prompt_text(&text, e->o);
    if (!code && encode_prompt(e, (mote_text){text.ptr, text.bytes}, &ids, &err))
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
    if (!code) {
        announce(e, ids.n);
        code = run_once(&a, out, &ids, start);
    }
    cli_answerer_close(&a);
    free(ids.ids);
    free(text.ptr);
    return code;
}

/* ---- JSON lines ----------------------------------------------------------------------------- */

static bool run_row(void *user, const mote_value *row, cli_out *out, char error[400])
{
    cli_answerer *a = user;
    cli_engine *e = a->engine;
    const mote_value *prompt = cli_get(row, "prompt");
    cli_answer answer = {.seed = cli_seed(e->o)};
    cli_ids ids = {0};
    mote_error err;
    if (!prompt || prompt->kind != MOTE_VALUE_STRING) {
        strcpy(error, "prompt: wanted a string");
        return false;
    }
    mote_status s = encode_prompt(e, prompt->as.string, &ids, &err);
    if (!s && cli_engine_sampler(e, answer.seed))
        err = (mote_error){.status = s = MOTE_ERR_LIMIT, .what = "sampling options"};
    if (!s) {
        announce(e, ids.n);
        s = cli_answer_run(a, &ids, &answer, &err);
    }
    free(ids.ids);
    if (s) {
        cli_error_text(error, 400, &err);
        return false;
    }
    cli_json_open(out, '{');
    cli_json_key(out, "text");
    cli_json_string(out, answer.text.ptr, answer.text.bytes);
    cli_json_text(out, "finish_reason", answer.finish);
    cli_json_close(out, '}');
    return true;
}

static int run_lines(cli_engine *e, cli_out *out)
{
    cli_answerer a = {0};
    mote_session_opts so;
    int code = cli_session_options(e, cli_default_context(e), 512, false, &so);
    if (!code)
        code = cli_engine_session(e, &so);
    if (!code)
        code = cli_engine_sampler(e, 0); /* says what is wrong with the options, once */
    if (!code)
        code = cli_answerer_open(&a, e, NULL);
    if (!code)
        code = cli_lines(out, run_row, &a);
    cli_answerer_close(&a);
    return code;
}

int cmd_run(const cli_opts *o)
{
    cli_engine e;
    cli_out out = {.n = 0};
    double start = cli_seconds();
    cli_catch_signals();
    int code = cli_engine_open(&e, o, NEED_MODEL | NEED_TOKENIZER | NEED_SOUND);
    if (code)
        return code;
    code = o->jsonl ? run_lines(&e, &out) : run_one(&e, &out, start);
    cli_engine_close(&e);
    return cli_out_close(&out, code);
}
