/* stream.c: ids to the text that is shown, and when the text itself ends the generation.
 *
 *   id -> decoder (whole characters) -> stop strings (held back) -> text
 *
 * A small model may fall into a loop that nothing else would end. One is told when the last
 * LOOP_BASE + 4 p ids repeat with a period p: long enough that no list or table of numbers is
 * taken for one, and no more than some compares a token.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { LOOP_BASE = 128 };

int cli_stream_open(cli_stream *s, const mote_tokenizer *t, const cli_opts *o, cli_text room)
{
    size_t piece = mote_decode_max_bytes(t);
    *s = (cli_stream){.tokenizer = t, .text.ptr = room.ptr, .cap = room.bytes};
    s->stop = cli_stop_new(o->stops, o->n_stops, piece);
    s->piece = malloc(piece + 1);
    s->finds_loops = !o->no_loop_stop && !o->ignore_eos;
    if (s->stop && s->piece)
        return 0;
    cli_stream_close(s);
    return cli_no_memory();
}

void cli_stream_close(cli_stream *s)
{
    cli_stop_free(s->stop);
    free(s->piece);
    memset(s, 0, sizeof *s);
}

void cli_stream_reset(cli_stream *s, int32_t last)
{
    mote_decoder_init(&s->decoder, s->tokenizer, true);
    if (mote_token_is_special(s->tokenizer, last)) /* prints nothing, but what follows may ask */
        mote_decoder_push(&s->decoder, last, s->piece);
    cli_stop_reset(s->stop);
    s->text.bytes = 0;
    s->n_ids = 0;
    s->ended = NULL;
    s->stopped = false;
    memset(s->runs, 0, sizeof s->runs);
}

/* runs[p]: how many ids, up to this one, are the same as the one p + 1 before them. */
static bool is_loop(cli_stream *s, int32_t id)
{
    bool found = false;
    for (size_t p = 0; p < CLI_LOOP_PERIODS; p++) {
        bool same = s->n_ids > p && s->last[(s->n_ids - p - 1) % CLI_LOOP_PERIODS] == id;
        s->runs[p] = same ? s->runs[p] + 1 : 0;
        found = found || s->runs[p] >= LOOP_BASE + 4 * (p + 1);
    }
    s->last[s->n_ids++ % CLI_LOOP_PERIODS] = id;
    return found && s->finds_loops;
}

/* Keeps text; gives it as what is new. */
static void keep(cli_stream *s, const char *text, size_t n)
{
    if (n > s->cap - s->text.bytes)
        n = s->cap - s->text.bytes;
    memcpy(s->text.ptr + s->text.bytes, text, n);
    s->text.bytes += n;
}

static void take(cli_stream *s, size_t n)
{
    const char *safe;
    s->stopped = cli_stop_push(s->stop, s->piece, n, &safe, &n);
    if (s->stopped)
        s->ended = "stop_string";
    keep(s, safe, n);
}

mote_text cli_stream_push(cli_stream *s, int32_t id)
{
    size_t before = s->text.bytes;
    take(s, mote_decoder_push(&s->decoder, id, s->piece));
    if (!s->ended && is_loop(s, id))
        s->ended = "loop";
    return (mote_text){s->text.ptr + before, s->text.bytes - before};
}

mote_text cli_stream_rest(cli_stream *s)
{
    size_t before = s->text.bytes, n = mote_decoder_flush(&s->decoder, s->piece);
    const char *safe;
    if (!s->stopped)
        take(s, n);
    if (!s->stopped) {
        cli_stop_flush(s->stop, &safe, &n);
        keep(s, safe, n);
    }
    return (mote_text){s->text.ptr + before, s->text.bytes - before};
}

const char *cli_finish_name(const cli_stream *s, mote_finish finish)
{
    static const char *const names[] = {"stop", "length", "context_full", "caller", "cancelled"};
    return s->ended ? s->ended : names[finish];
}
