/* draft.h: sizes of what is not converted yet, by the converter's own layout. Read draft.c's
 * beginning. */
#ifndef MOTE_DRAFT_H
#define MOTE_DRAFT_H

#include "cli/cli.h"

enum { CLI_PLAN_TYPES = 5, CLI_PLAN_CONTEXTS = 2 };

typedef struct cli_type_plan {
    const char *name;
    uint64_t file_bytes;
    mote_model_info model;
    mote_session_plan sessions[CLI_PLAN_CONTEXTS];
} cli_type_plan;

typedef struct cli_source_plan {
    const cli_opts *o;
    const char *source; /* path, or a name with a configuration */
    mote_text config;   /* of a known model; empty: in the source */
    size_t first, end;  /* of the types that are wanted; end 0: all there are */
    char name[200], family[64];
    uint32_t n_ctx;  /* positions it was made for */
    bool is_encoder; /* then there are no contexts */
    uint32_t contexts[CLI_PLAN_CONTEXTS];
    size_t n_types, n_contexts;
    cli_type_plan types[CLI_PLAN_TYPES]; /* f32, f16, q8, q4, and keep for GGUF */
} cli_source_plan;

/* o, source and perhaps config are set. An exit code. */
int cli_draft_plan(cli_source_plan *p);

#endif
