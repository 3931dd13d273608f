/* tok_build.h: what tok_build.c (entries, hashes) and tok_parts.c (added tokens, character data,
 * models that look up by bytes) share. */
#ifndef MOTE_CONVERT_TOK_BUILD_H
#define MOTE_CONVERT_TOK_BUILD_H

#include "tools/convert/tok_draft.h"

typedef struct builder {
    tok_draft *d;
    tok_tables *out;
    mote_text *pieces;    /* [n]: as they decode */
    size_t twin;          /* a merge whose pair has one already; 0: none (the first has none) */
    int letter_byte[512]; /* the byte a character stands for in byte-level text, or -1 */
} builder;

mote_status build_no_memory(const tok_draft *d);
/* A table of zeros; NULL without memory. */
void *build_table(builder *b, uint32_t which, size_t bytes);
/* Can text give this entry? */
static inline bool build_is_symbol(const tok_draft *d, size_t id)
{
    return (d->flags[id] & (DRAFT_IN_MODEL | DRAFT_RAW)) == DRAFT_IN_MODEL;
}

/* Added tokens; classes, normal forms, what charsmaps need; trie, scores, charsmap. */
mote_status build_added(builder *b);
mote_status build_unicode(builder *b);
mote_status build_model(builder *b);

#endif
