/* measure.h: the float model behind convert's --calibrate and --card: what its matrices are
 * multiplied with, and how far a finished file is from it. Read cli.h and convert.h first. */
#ifndef MOTE_CLI_MEASURE_H
#define MOTE_CLI_MEASURE_H

#include "cli/cli.h"

#if MOTE_CONVERT

#include "tools/convert/convert.h"

typedef struct cli_reference {
    cli_opts o; /* of the engine */
    cli_engine engine;
    bool is_open, is_pair; /* an encoder that scores pairs */
    size_t n_tokens;       /* of the calibration, 0: none */
    uint32_t calibration_crc;
} cli_reference;

/* Converts with all weights at f32 and opens that; on the disk it has no name by then. */
int cli_reference_open(cli_reference *r, const mote_convert_opts *like, const cli_opts *o);
void cli_reference_close(cli_reference *r);
/* Runs the text in the file o->calibrate through it; an exit code. */
int cli_reference_gather(cli_reference *r, mote_calibration *c);
/* Compares the .mote file at `path` with it on the text in o->card; writes the card. */
int cli_reference_card(cli_reference *r, const char *path, char card[MOTE_CONVERT_CARD_BYTES]);

#endif
#endif
