/* registry.h: models that mote knows (data/models.jsonl). */
#ifndef MOTE_REGISTRY_H
#define MOTE_REGISTRY_H

#include "cli/cli.h"

typedef struct cli_known {
    const mote_value *row; /* the line as a tree: name, hub, aliases, licence, capabilities */
    mote_text name, config;
    char label[80]; /* the name, terminated */
    uint64_t parameters;
} cli_known;

typedef struct cli_registry {
    cli_known *models;
    size_t n;
    void *memory;
} cli_registry;

int cli_registry_open(cli_registry *r);
void cli_registry_close(cli_registry *r);
/* By name, hub name or alias, in any case; NULL: none. */
const cli_known *cli_registry_find(const cli_registry *r, const char *name);
bool cli_known_can(const cli_known *k, const char *capability);
/* The capabilities of a model, with blanks between; k NULL (unknown): empty. */
void cli_capabilities(const cli_known *k, char text[120]);
/* tiny up to 50, small up to 200, medium up to 500 million parameters, large above. */
const char *cli_size_class(uint64_t parameters);
/* Letters in any case. */
bool cli_contains(mote_text text, const char *part);

/* mote plan NAME. False: no such model is known, nor one with a name like it. */
bool cli_plan_known(const cli_opts *o, int *code);

#endif
