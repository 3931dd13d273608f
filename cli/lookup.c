/* lookup.c: guesses the next ids by looking up what followed the same ids before (prompt lookup).
 * An answer that repeats parts of its prompt (an edit of a text, names, code) comes sooner;
 * mote_generate verifies every guess, so it is the same answer.
 *
 * Guesses cost time when they are wrong. So their number follows their luck: it doubles when all
 * were right, halves when none was, and after the last halving there are none for a while, each
 * time longer.
 */
#include <string.h>

#include "cli/cli.h"

enum { MIN_MATCH = 2, MAX_MATCH = 8, FIRST_LIMIT = 3, FIRST_PAUSE = 8, MAX_PAUSE = 128 };

void cli_lookup_begin(cli_lookup *l, const int32_t *ids, size_t n)
{
    *l = (cli_lookup){.ids = ids, .n = n, .limit = FIRST_LIMIT, .pause = FIRST_PAUSE};
}

/* How many ids in front of `at` are the same as those at the end. */
static size_t match(const cli_lookup *l, size_t at)
{
    size_t k = 0;
    while (k < MAX_MATCH && k < at && l->ids[at - 1 - k] == l->ids[l->n - 1 - k])
        k++;
    return k;
}

/* Where the longest such match is, the latest of them; 0: none is long enough. */
static size_t find(const cli_lookup *l)
{
    size_t best = 0, longest = MIN_MATCH - 1;
    for (size_t at = l->n - 1; at >= MIN_MATCH && longest < MAX_MATCH; at--) {
        size_t k = match(l, at);
        if (k > longest) {
            longest = k;
            best = at;
        }
    }
    return best;
}

/* What the last guesses say about the next. */
static void learn(cli_lookup *l)
{
    if (!l->n_guessed)
        return;
    l->guessed += l->n_guessed;
    l->right += l->n_right;
    if (l->n_right == l->n_guessed) {
        l->limit = 2 * l->limit + 1;
        l->pause = FIRST_PAUSE;
    } else if (!l->n_right) {
        l->limit /= 2;
    } else {
        l->limit = l->n_right + 1;
    }
    if (!l->limit) {
        l->wait = l->pause;
        l->pause = 2 * l->pause < MAX_PAUSE ? 2 * l->pause : MAX_PAUSE;
        l->limit = 1;
    }
    l->n_guessed = l->n_right = 0;
}

void cli_lookup_take(cli_lookup *l, int32_t id)
{
    if (l->n_right < l->n_guessed && l->guess[l->n_right] == id && l->in_row)
        l->n_right++;
    else
        l->in_row = false;
    l->wait -= l->wait > 0;
    l->n++;
}

size_t cli_lookup_guess(cli_lookup *l, int32_t *ids, size_t max)
{
    learn(l);
    size_t at = l->n > MIN_MATCH && !l->wait ? find(l) : 0;
    if (!at)
        return 0;
    max = max < l->limit ? max : l->limit;
    max = max < l->n - at ? max : l->n - at;
    memcpy(ids, l->ids + at, max * sizeof *ids);
    memcpy(l->guess, ids, max * sizeof *ids);
    l->n_guessed = max;
    l->in_row = true;
    return max;
}
