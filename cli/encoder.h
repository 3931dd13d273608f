/* encoder.h: what embed and rerank share: an encoder with a queue of texts before it. Texts that
 * come together are encoded together; the bits are those of single calls. Read cli.h first. */
#ifndef MOTE_CLI_ENCODER_H
#define MOTE_CLI_ENCODER_H

#include "cli/cli.h"

/* Bytes of all that embed or rerank have in memory for a model. */
typedef struct cli_encoder_memory {
    mote_encoder_opts opts;
    mote_encoder_plan encoder;
    uint64_t queue, total; /* total: without the file, which is mapped */
} cli_encoder_memory;

typedef struct cli_encoder {
    cli_engine *engine;
    mote_encoder_info info;
    mote_encoder *encoder;
    cli_ids open, close;      /* what the tokenizer adds before and after a text */
    size_t most_tokens;       /* positions there are */
    size_t n_tokens, n_texts; /* room of a batch */
    size_t n_queued, n_ids;   /* what is in the queue */
    mote_encode_text *queue;  /* [n_texts] */
    size_t *whole;            /* [n_texts]: tokens before truncation */
    int32_t *ids;             /* [n_tokens] */
    uint8_t *types;           /* [n_tokens] */
    float *out;               /* [n_texts, n_out] */
    cli_encoder_memory used;
    size_t n_cut;            /* texts that were cut, in all */
    const mote_hooks *hooks; /* of every run beside `cancel`; NULL: none */
    void *user;              /* of who answers */
    /* Prints the answer to a text; whole: its tokens before truncation. */
    void (*answer)(const struct cli_encoder *x, cli_out *out, const mote_encode_text *t,
                   size_t whole);
} cli_encoder;

/* What embed and rerank would use, by -b and -t; the very numbers that cli_encoder_open takes. */
int cli_encoder_plan(const cli_engine *e, cli_encoder_memory *out);
void cli_encoder_memory_json(cli_out *out, const cli_engine *e, const cli_encoder_memory *m);
/* e has a model. pair: for scores, else for embeddings; an exit code if the file has the other. */
int cli_encoder_open(cli_encoder *x, cli_engine *e, bool pair);
void cli_encoder_close(cli_encoder *x);

/* Takes a text, or with b a pair, into the queue, cut to what the model takes; answers what is
 * there first if it is full. false: error says why not. */
bool cli_encoder_add(cli_encoder *x, cli_out *out, const mote_text *a, const mote_text *b,
                     char error[400]);
/* The same from {"ids", "token_type_ids"}, which are taken as they are. */
bool cli_encoder_add_ids(cli_encoder *x, cli_out *out, const mote_value *row, char error[400]);
/* Answers everything in the queue, in order; a text that fails with {"error": ...}. */
void cli_encoder_flush(void *encoder, cli_out *out);
/* Encodes the queue; t->out are filled. For answers that are no JSON lines. */
mote_status cli_encoder_run(cli_encoder *x, mote_error *err);
/* Says on stderr how many texts were cut. */
void cli_encoder_note(const cli_encoder *x, size_t n_all);

#endif
