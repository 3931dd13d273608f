/* batch.h: many prompts in work at once. Read batch.c's beginning. */
#ifndef MOTE_BATCH_H
#define MOTE_BATCH_H

#include "cli/cli.h"

typedef struct cli_batch cli_batch;

/* Makes the slots (-np) with their memory. cli_batch_close also after a failure. */
int cli_batch_open(cli_batch **out, cli_engine *e);
void cli_batch_close(cli_batch *b);
/* Queues a prompt; its ids belong to the batch then, but not after an error. Nothing is printed. */
mote_status cli_batch_add(cli_batch *b, cli_ids prompt, const mote_sampler_opts *sampling,
                          size_t max_tokens, mote_error *err);
/* Answers all that is queued, each with a line {"text","finish_reason",...} or {"error"}. A signal
 * ends it early. */
void cli_batch_run(cli_batch *b, cli_out *out);

#endif
