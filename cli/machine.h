/* machine.h: how fast this machine is, measured once and kept in a file, and what that means for a
 * model that has not been run. Read docs/machine.md. */
#ifndef MOTE_MACHINE_H
#define MOTE_MACHINE_H

#include "cli/draft.h"

typedef struct cli_speed {
    uint32_t n_threads;
    double read_bytes, int_ops, float_ops, sgemm_ops; /* a second; probe.h */
    double q8_bytes, q4_bytes; /* bytes a second that decoding reads at these file types */
    double layer_seconds;      /* what a layer takes beside its weights */
    bool is_kept;              /* read from the file, not measured now */
} cli_speed;

/* The kept figures for so many threads (0: the default) of this CPU and version of mote; false:
 * there are none. */
bool cli_speed_read(cli_speed *s, uint32_t n_threads);
/* Measures, in about three seconds, and keeps the figures. An exit code. */
int cli_speed_measure(cli_speed *s, uint32_t n_threads);
/* Read, or else measured. */
int cli_speed_get(cli_speed *s, uint32_t n_threads);

/* Tokens a second that are as fast as people read; a slower model is not fluent. */
#define CLI_FLUENT 8.0

/* Positions that a predicted token looks back on: as in `mote bench -n 128`, on the average. */
#define CLI_PREDICT_POSITIONS 64u

/* Tokens a second of a model of a file type whose tokens read so many bytes, keys and values
 * included. */
double cli_predict(const cli_speed *s, const char *type, uint32_t n_layers, double read_bytes);
/* Of a model at hand; 0: an encoder. */
double cli_predict_engine(const cli_speed *s, const cli_engine *e);

/* "slow", "fair", "good", "fast" or "very fast": by the bytes it reads a second. */
const char *cli_speed_class(const cli_speed *s);

/* The CPU's name for people, and for knowing it again; empty: unknown. */
void cli_cpu_name(char name[96]);

/* Seconds that a token takes of a model of zeros with this configuration and file type (2: q8,
 * 3: q4), in memory like a real one; the mean of `steps`, or of as many as take 0.25 s.
 * An exit code; what a token reads goes to *model. (rehearse.c) */
int cli_rehearse(const char *config, size_t type, uint32_t n_threads, uint32_t steps,
                 mote_model_info *model, double *seconds);

#endif
