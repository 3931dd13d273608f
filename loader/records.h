/* records.h: where the parts of an index lie. Internal: only for an index that mote_image_open
 * took. */
#ifndef MOTE_RECORDS_H
#define MOTE_RECORDS_H

#include "loader/format.h"

static inline const mote_layer *mote_layer_records(const mote_index *index)
{
    return (const mote_layer *)(const void *)(index + 1);
}

static inline const mote_tensor *mote_tensor_records(const mote_index *index)
{
    return (const mote_tensor *)(const void *)(mote_layer_records(index) + index->n_layers);
}

static inline const char *mote_index_strings(const mote_index *index)
{
    return (const char *)index + index->strings_at;
}

/* Tiles of 16 rows in a matrix tensor (kernels/quant.h), all of its matrices. */
static inline uint64_t mote_tensor_tiles(const mote_tensor *t)
{
    return (t->rows + 15) / 16 * t->n_mats;
}

#endif
