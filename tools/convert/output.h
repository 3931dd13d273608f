/* output.h: a graph -> the .mote file. Read graph.h first.
 *
 * The file grows without a name in the folder of the output (Linux) and gets one when it is
 * complete and on the disk: a process that is killed leaves nothing. Where files cannot be without
 * a name it has a temporary one, ".mote-PID-N.tmp"; such a name left behind is from a killed
 * process and can be deleted. */
#ifndef MOTE_CONVERT_OUTPUT_H
#define MOTE_CONVERT_OUTPUT_H

#include "tools/convert/graph.h"

typedef struct output {
    const mote_convert_opts *opts;
    mote_convert_error *err;
    int dir, fd;
    const char *name; /* base name of the output, within opts->output */
    char temp[48];    /* the temporary name, empty: none */
} output;

/* Refuses an output that is there, unless forced, or is no regular file. */
mote_status output_check(const mote_convert_opts *opts, mote_convert_error *err);
/* output_close() is due after failure too. */
mote_status output_open(output *o, const mote_convert_opts *opts, mote_convert_error *err);
mote_status output_write(output *o, uint64_t at, const void *data, size_t bytes);
/* Where the file can be read before it has its name. */
#define OUTPUT_PATH_BYTES 4200
void output_path(const output *o, char path[OUTPUT_PATH_BYTES]);
/* To the disk, then to its name. */
mote_status output_commit(output *o);
/* Removes what was not committed. */
void output_close(output *o);

/* write.c: lays the file out and writes all of it. */
mote_status write_graph(graph *g, output *o);
/* The beginning of that file, up to its tensors (in the source's pool), and its size; the tensors'
 * checksums are 0. */
mote_status write_head(graph *g, uint8_t **head, size_t *bytes, uint64_t *file_bytes);

/* tiles.c: encodes one matrix and hands its tiles to `take` in order, in pieces. */
typedef mote_status (*take_tiles)(void *user, const uint8_t *tiles, size_t bytes,
                                  uint64_t source_bytes);
mote_status encode_matrix(const graph *g, const out_tensor *t, take_tiles take, void *user);
/* Reads a vector as f32 into out (t->rows values), its rows in their final order. */
mote_status read_vector(const graph *g, const out_tensor *t, float *out);

#endif
