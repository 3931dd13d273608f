/* tok_build.h: what tok_build.c (entries), tok_merges.c (BPE) and tok_parts.c (added tokens,
 * character data, tries) share. */
#ifndef MOTE_CONVERT_TOK_BUILD_H
#define MOTE_CONVERT_TOK_BUILD_H

#include "tools/convert/tok_draft.h"

typedef struct builder {
    tok_draft *d;
    tok_tables *out;
    mote_text *pieces;    /* [n]: as they decode */
    int letter_byte[512]; /* the byte a character stands for in byte-level text, or -1 */
} builder;

mote_status build_no_memory(const tok_draft *d);
/* A table of zeros; NULL without memory. */
void *build_table(builder *b, uint32_t which, size_t bytes);
/* Frees the table that was added last. */
void build_drop_last(builder *b);
/* Can text give this entry? */
static inline bool build_is_symbol(const tok_draft *d, size_t id)
{
    return (d->flags[id] & (DRAFT_IN_MODEL | DRAFT_RAW)) == DRAFT_IN_MODEL;
}

/* Flags of all ids; a BPE model's splits and ranks. Sets TOK_WHOLE in the draft too. */
mote_status build_merges(builder *b);
/* Added tokens; classes, normal forms, what charsmaps need; trie, scores, charsmap. */
mote_status build_added(builder *b);
mote_status build_unicode(builder *b);
mote_status build_model(builder *b);

#endif
