/* report.h: what info and compare tell of a file beside its records: memory of a run, speed,
 * quality card, what is known of the model. */
#ifndef MOTE_REPORT_H
#define MOTE_REPORT_H

#include "cli/machine.h"
#include "cli/registry.h"

typedef struct cli_report {
    cli_engine *engine;
    mote_model_info model; /* all 0: a tokenizer alone */
    mote_encoder_info encoder;
    uint32_t n_ctx;           /* of the run that is planned; 0: an encoder, or nothing that runs */
    uint64_t run_bytes;       /* beside the file, by run (KV f16) or embed with all defaults */
    double tokens_per_second; /* predicted; 0: unknown, or an encoder */
    bool has_card;
    mote_value card; /* without one: no value */
    void *card_memory;
    const cli_known *known; /* NULL: none of this name */
    cli_registry registry;
} cli_report;

/* e: open, with model and tokenizer if there are any, and staying so. speed NULL: unknown. */
int cli_report_open(cli_report *r, cli_engine *e, const cli_speed *speed);
void cli_report_close(cli_report *r);
/* The quality card as a tree (JSON that convert wrote); false: none, or none that can be read. The
 * tree lives in *memory (malloc'ed). A number of it; NAN: it has none, or there is no card. */
bool cli_read_card(const cli_engine *e, mote_value *card, void **memory);
double cli_card_number(const mote_value *card, const char *key);

/* compare without a text: two files side by side (cmd_compare.c calls it). */
int cli_compare_shapes(cli_engine *first, cli_engine *second);

#endif
