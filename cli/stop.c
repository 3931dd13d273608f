/* stop.c: stop strings in a stream, wherever tokens end.
 *
 * For each stop string one number: how many of its first bytes the stream ends with now (the
 * automaton of Knuth, Morris and Pratt). The largest of them is what must be held back. Text may be
 * shown up to there; when one is complete, up to where it begins.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct matcher {
    const char *text;
    size_t bytes, matched;
    size_t *
        border; /* border[i]: the longest true beginning of the first i bytes that also ends them */
} matcher;

struct cli_stop {
    matcher matchers[CLI_MAX_STOPS];
    size_t n_matchers, max_piece;
    char *held; /* what is not shown yet, then what is */
    size_t n_held, n_shown;
};

static bool prepare(matcher *m, const char *text)
{
    m->text = text;
    m->bytes = strlen(text);
    m->border = calloc(m->bytes + 1, sizeof *m->border);
    if (!m->border)
        return false;
    for (size_t i = 1, k = 0; i < m->bytes; i++) {
        while (k && text[i] != text[k])
            k = m->border[k];
        k += text[i] == text[k];
        m->border[i + 1] = k;
    }
    return true;
}

cli_stop *cli_stop_new(const char *const *stops, size_t n_stops, size_t max_piece)
{
    cli_stop *s = calloc(1, sizeof *s);
    size_t longest = 0;
    bool ok = s != NULL;
    for (size_t i = 0; ok && i < n_stops; i++) {
        ok = prepare(&s->matchers[i], stops[i]);
        s->n_matchers++;
        longest = strlen(stops[i]) > longest ? strlen(stops[i]) : longest;
    }
    if (ok) {
        s->max_piece = max_piece;
        s->held = malloc(longest + max_piece + 1);
        ok = s->held != NULL;
    }
    if (!ok) {
        cli_stop_free(s);
        return NULL;
    }
    return s;
}

void cli_stop_reset(cli_stop *s)
{
    s->n_held = s->n_shown = 0;
    for (size_t i = 0; i < s->n_matchers; i++)
        s->matchers[i].matched = 0;
}

static bool advance(matcher *m, char c)
{
    size_t k = m->matched;
    while (k && c != m->text[k])
        k = m->border[k];
    m->matched = k + (c == m->text[k]);
    return m->matched == m->bytes;
}

bool cli_stop_push(cli_stop *s, const char *text, size_t bytes, const char **out, size_t *n)
{
    bool complete = false;
    size_t hold = 0;
    memmove(s->held, s->held + s->n_shown, s->n_held - s->n_shown);
    s->n_held -= s->n_shown;
    for (size_t i = 0; i < bytes && !complete; i++) {
        s->held[s->n_held++] = text[i];
        hold = 0;
        for (size_t m = 0; m < s->n_matchers; m++) {
            matcher *at = &s->matchers[m];
            bool found = advance(at, text[i]);
            if (found && (!complete || at->bytes > hold))
                hold = at->bytes;
            else if (!found && !complete && at->matched > hold)
                hold = at->matched;
            complete = complete || found;
        }
    }
    if (!bytes)
        for (size_t m = 0; m < s->n_matchers; m++)
            hold = s->matchers[m].matched > hold ? s->matchers[m].matched : hold;
    *out = s->held;
    *n = s->n_shown = s->n_held - hold;
    return complete;
}

void cli_stop_flush(cli_stop *s, const char **out, size_t *n)
{
    *out = s->held + s->n_shown;
    *n = s->n_held - s->n_shown;
    s->n_shown = s->n_held;
}

void cli_stop_free(cli_stop *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_matchers; i++)
        free(s->matchers[i].border);
    free(s->held);
    free(s);
}
