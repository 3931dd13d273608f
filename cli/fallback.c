/* fallback.c: --fallback: another model at hand in place of one that memory does not suffice for.
 * The same model at a smaller type comes first, then the largest other one. Read at_hand.h first.
 */
#include <stdio.h>
#include <string.h>

#include "cli/at_hand.h"

/* Bytes of a run by the options given; 0: it cannot run (no text model, a shorter context). */
static uint64_t need_of(cli_engine *e)
{
    mote_encoder_info x;
    mote_session_opts so;
    cli_memory m;
    mote_model_get_encoder(e->model, &x);
    if (x.pooling || !e->tokenizer || e->o->n_ctx > (int64_t)e->info.n_ctx ||
        cli_session_options(e, cli_default_context(e), 512, false, &so) ||
        cli_engine_plan(e, &so, true, &m))
        return 0;
    return m.total + m.file;
}

typedef struct search {
    const cli_engine *wanted;
    uint64_t limit;
    char *best;
    uint64_t best_bytes; /* 0: none yet */
    bool best_same;
} search;

static bool same_text(const cli_engine *a, const cli_engine *b, mote_image_string which)
{
    mote_text x = mote_image_text(&a->image, which), y = mote_image_text(&b->image, which);
    return x.bytes && x.bytes == y.bytes && memcmp(x.ptr, y.ptr, x.bytes) == 0;
}

/* A smaller file that fits, and has a chat template if the wanted one has. */
static void consider(search *s, const cli_opts *o, const char *path)
{
    cli_engine e;
    if (!cli_peek(&e, o, path))
        return;
    uint64_t need = need_of(&e), bytes = e.file.bytes;
    bool chats = mote_chat_template(&s->wanted->image).bytes != 0;
    bool same = same_text(&e, s->wanted, MOTE_IMAGE_NAME);
    if (need && need <= s->limit && bytes < s->wanted->file.bytes &&
        (!chats || mote_chat_template(&e.image).bytes) &&
        (same > s->best_same || (same == s->best_same && bytes > s->best_bytes))) {
        s->best_same = same;
        s->best_bytes = bytes;
        snprintf(s->best, CLI_PATH, "%s", path);
    }
    cli_engine_close(&e);
}

static int choose(search *s, cli_opts *o, uint64_t need)
{
    cli_places places;
    char wanted[32], there[32];
    int code = cli_places_open(&places);
    for (size_t i = 0; !code && i < places.n; i++)
        if (places.at[i].store == CLI_STORE_MODELS)
            consider(s, o, places.at[i].path);
    cli_places_close(&places);
    if (code || !s->best_bytes)
        return code; /* the run itself will say what fits */
    cli_note(o, "mote: note: %s needs %s of memory, %s may be used: taking %s", o->model,
             cli_size(wanted, need), cli_size(there, s->limit), s->best);
    o->model = s->best;
    return 0;
}

int cli_fall_back(cli_opts *o, char path[CLI_PATH])
{
    cli_engine e;
    int code = 0;
    if (!cli_peek(&e, o, o->model))
        return 0; /* the run itself will say what is wrong with it */
    search s = {.wanted = &e, .limit = cli_memory_limit(&e), .best = path};
    uint64_t need = need_of(&e);
    if (need > s.limit)
        code = choose(&s, o, need);
    cli_engine_close(&e);
    return code;
}
