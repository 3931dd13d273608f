/* answer.c: one answer: prompt ids in, text out while it comes. Used by run and chat; stream.c
 * makes the text. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/random.h>
#endif

#include "cli/cli.h"

uint64_t cli_seed(const cli_opts *o)
{
    uint64_t seed = 0;
    if (o->seed >= 0)
        return (uint64_t)o->seed;
    if (getentropy(&seed, sizeof seed) != 0)
        seed = (uint64_t)(cli_seconds() * 1e9);
    return seed >> 11; /* 53 bits: exact in JSON readers that know doubles only */
}

int cli_answerer_open(cli_answerer *a, cli_engine *e, cli_out *out)
{
    *a = (cli_answerer){.engine = e, .out = out};
    return cli_stream_open(&a->stream, e->tokenizer, e->o, (cli_text){e->text, e->used.text});
}

void cli_answerer_close(cli_answerer *a)
{
    cli_stream_close(&a->stream);
    memset(a, 0, sizeof *a);
}

static bool holds(mote_text text, const char *word)
{
    return memmem(text.ptr, text.bytes, word, strlen(word)) != NULL;
}

/* The tags that thinking stands between are single tokens, so they come whole. */
static void show(cli_answerer *a, mote_text text)
{
    if (!a->out || !text.bytes)
        return;
    if (a->dims && holds(text, "<think>"))
        cli_puts(a->out, "\x1b[2m");
    cli_put(a->out, text.ptr, text.bytes);
    if (a->dims && holds(text, "</think>"))
        cli_puts(a->out, "\x1b[0m");
    cli_flush(a->out);
}

static bool take_id(void *user, int32_t id)
{
    cli_answerer *a = user;
    size_t at = a->answer->n_prompt + a->answer->n_made;
    if (!a->answer->n_made++)
        a->answer->first_s = cli_seconds() - a->start;
    if (at < a->engine->session_opts.n_ctx)
        a->engine->history[at] = id;
    cli_lookup_take(&a->lookup, id);
    cli_progress_end(&a->progress);
    show(a, cli_stream_push(&a->stream, id));
    return !a->stream.ended && !(a->out && a->out->failed);
}

static size_t guess(void *user, int32_t *ids, size_t max)
{
    cli_answerer *a = user;
    return cli_lookup_guess(&a->lookup, ids, max);
}

static void take_progress(void *user, size_t done, size_t total)
{
    cli_answerer *a = user;
    cli_progress_show(&a->progress, done, total);
    if (done == total)
        a->answer->prompt_s = cli_seconds() - a->start;
}

mote_status cli_too_long(const cli_engine *e, uint32_t n_ctx, size_t n, mote_error *err)
{
    *err = (mote_error){.status = MOTE_ERR_LIMIT,
                        .has_numbers = true,
                        .got = n,
                        .wanted = n_ctx,
                        .what = n_ctx < e->info.n_ctx
                                    ? "the prompt is longer than the context in tokens, which -c "
                                      "can enlarge"
                                    : "the prompt is longer than the context in tokens"};
    return MOTE_ERR_LIMIT;
}

mote_status cli_answer_run(cli_answerer *a, const cli_ids *prompt, cli_answer *answer,
                           mote_error *err)
{
    cli_engine *e = a->engine;
    const int32_t *ends;
    mote_hooks hooks = {.cancel = cli_cancel};
    mote_finish finish;
    *answer = (cli_answer){.n_prompt = prompt->n, .seed = answer->seed};
    if (prompt->n > e->session_opts.n_ctx)
        return cli_too_long(e, e->session_opts.n_ctx, prompt->n, err);
    a->answer = answer;
    a->start = cli_seconds();
    cli_stream_reset(&a->stream, prompt->n ? prompt->ids[prompt->n - 1] : -1);
    cli_progress_start(&a->progress, e->o, "prompt");
    answer->n_reused = cli_reuse(e->session, e->history, prompt->ids, prompt->n);
    memcpy(e->history, prompt->ids, prompt->n * sizeof *prompt->ids);
    cli_lookup_begin(&a->lookup, e->history, prompt->n);
    for (size_t i = 0; e->sampler && i < answer->n_reused; i++)
        mote_sampler_accept(e->sampler, prompt->ids[i]);
    mote_generate_opts go = {.ids = prompt->ids + answer->n_reused,
                             .n_ids = prompt->n - answer->n_reused,
                             .max_tokens = e->o->n_predict < 0 ? SIZE_MAX : (size_t)e->o->n_predict,
                             .sampler = e->sampler,
                             .team = cli_team(e),
                             .prompt_team = cli_prompt_team(e),
                             .hooks = &hooks,
                             .token = take_id,
                             .progress = take_progress,
                             .guess = e->o->lookup ? guess : NULL,
                             .user = a};
    go.n_end_ids = mote_end_ids(&e->image, &ends);
    go.end_ids = ends;
    mote_status s = mote_generate(e->session, &go, &finish, err);
    cli_progress_end(&a->progress);
    if (s)
        return s;
    show(a, cli_stream_rest(&a->stream));
    if (a->dims)
        cli_puts(a->out, "\x1b[0m"); /* the end may have come within */
    answer->text = a->stream.text;
    answer->n_guessed = a->lookup.guessed;
    answer->n_right = a->lookup.right;
    answer->finish = cli_finish_name(&a->stream, finish);
    answer->generate_s = cli_seconds() - a->start - answer->first_s;
    return MOTE_OK;
}

static double rate(size_t n, double seconds) { return seconds > 0 ? (double)n / seconds : 0; }

void cli_answer_note(const cli_opts *o, const cli_answer *a)
{
    size_t n = a->n_prompt - a->n_reused;
    char guesses[64] = "";
    if (o->lookup)
        snprintf(guesses, sizeof guesses, "; %zu of %zu guesses right", a->n_right, a->n_guessed);
    cli_note(o,
             "prompt %zu tokens, %.1f tokens/s; generated %zu tokens, %.1f tokens/s; first token "
             "after %.0f ms%s; %s; seed %llu",
             n, rate(n, a->prompt_s), a->n_made, rate(a->n_made ? a->n_made - 1 : 0, a->generate_s),
             a->first_s * 1000, guesses, a->finish, (unsigned long long)a->seed);
}
