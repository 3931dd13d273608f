/* split_more.c: more expressions of published tokenizers by hand: DeepSeek's, GPT-4o's, Tekken's.
 * Read split.c first. */
#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

size_t mote_tok_split_more(const mote_tokenizer *t, const tok_step *step, const uint8_t *p,
                           size_t at, size_t end)
{
    (void)t;
    (void)step;
    (void)p;
    (void)at;
    return end;
}
