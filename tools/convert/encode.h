/* encode.h: rows of a source -> tiles of kernels/quant.h. No allocation, no files. Read quant.h
 * first. */
#ifndef MOTE_CONVERT_ENCODE_H
#define MOTE_CONVERT_ENCODE_H

#include "kernels/quant.h"
#include "tools/convert/source.h"

/* What errors of a matrix [rows, k] at q4 do (calibrate.h): weights of their squares, and how a
 * column's error moves the columns behind it, feedback[i * k + j] for i < j. */
typedef struct q4_guide {
    size_t k;
    const float *weights;  /* [k] */
    const float *feedback; /* [k, k] */
} q4_guide;

typedef struct encoder {
    enum src_type from;
    enum mote_type to;
    uint32_t group;
    size_t k, padded_k;
    size_t row_bytes, tile_bytes; /* of the source, of the output */
    size_t scratch_floats;
    const q4_guide *guide; /* NULL: none */
} encoder;

typedef enum encode_status { ENCODE_OK, ENCODE_NOT_FINITE, ENCODE_TOO_LARGE } encode_status;

/* Where a value could not be stored: row within the tile, column. */
typedef struct encode_fault {
    size_t row, column;
} encode_fault;

/* A GGUF block type goes to its own twin code for code; all else through f32. */
encoder encoder_make(enum src_type from, enum mote_type to, uint32_t group, size_t k);

/* rows: n_rows (1 .. 16) source rows, one behind the other. tile: tile_bytes, all written.
 * scratch: scratch_floats floats. The bytes depend on nothing but the rows. */
encode_status encode_tile(const encoder *e, const uint8_t *rows, size_t n_rows, uint8_t *tile,
                          float *scratch, encode_fault *fault);

/* n values of a row as f32. n is a multiple of src_block(from). */
void decode_values(enum src_type from, const uint8_t *bytes, size_t n, float *out);
/* The same for types that are not kept (gguf_blocks.c). */
void decode_blocks(enum src_type from, const uint8_t *bytes, size_t n, float *out);

/* The first value that is infinite or NaN; n: there is none. */
size_t find_not_finite(const float *x, size_t n);

/* q4: codes (one a byte), a step per 32 values, the row's factor. x is finite and changed; k is a
 * multiple of 32. scratch: k / 16 floats. All zero: factor and steps 0, codes MOTE_BOOK_ZERO. */
void quantize_q4_row(float *x, size_t k, uint8_t *codes, int8_t *steps, float *row, float *scratch);
/* The same for n_rows (1 .. 16) rows with a guide: x, codes [n_rows, k], steps [n_rows, k / 32],
 * rows [n_rows]. scratch: n_rows * (k + 32) + k / 16 floats. */
void quantize_q4_guided(float *x, size_t n_rows, const q4_guide *guide, uint8_t *codes,
                        int8_t *steps, float *rows, float *scratch);

#endif
