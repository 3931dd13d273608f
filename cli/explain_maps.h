/* explain_maps.h: pictures of what heads look at, for explain_html.c. */
#ifndef MOTE_CLI_EXPLAIN_MAPS_H
#define MOTE_CLI_EXPLAIN_MAPS_H

#include "cli/explain.h"
#include "cli/html.h"

void explain_put_maps(const explain *x, cli_out *out);

#endif
