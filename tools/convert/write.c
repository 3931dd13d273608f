/* write.c: where everything lies in the file, and writing it: tensors first, then the header and
 * the index with their checksums. Read loader/format.h and output.h first. */
#include <stdlib.h>
#include <string.h>

#include "loader/checked.h"
#include "tools/convert/output.h"

typedef struct writer {
    graph *g;
    output *o;
    mote_index *index; /* the whole index: records and strings behind it */
    mote_tensor *records;
    mote_tensor *now; /* being written */
    uint64_t data_at, at;
    uint64_t done, total; /* bytes of source tensors */
} writer;

/* ---- layout --------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
    const out_tensor *x = a, *y = b;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return (x->kind > y->kind) - (x->kind < y->kind);
}

static mote_checked bytes_of(const out_tensor *t)
{
    if (t->shape == MOTE_SHAPE_MATRIX) {
        size_t k = mote_padded_k(t->type, t->group, (size_t)t->k);
        mote_checked tiles = mote_checked_of((t->rows + MOTE_TILE_ROWS - 1) / MOTE_TILE_ROWS);
        tiles = mote_checked_mul(tiles, t->n_mats);
        return mote_checked_mul(tiles, mote_tile_bytes(t->type, t->group, k));
    }
    uint64_t each = t->shape == MOTE_SHAPE_VECTOR ? 4 : 1;
    return mote_checked_round_up(mote_checked_mul(mote_checked_of(t->rows), each), 64);
}

/* What reading it counts for in the progress. */
static uint64_t source_bytes(const out_tensor *t)
{
    uint64_t unit = t->src ? src_block(t->src->type) : 1;
    return t->src ? t->rows * t->n_mats * (t->k / unit * src_unit_bytes(t->src->type)) : 0;
}

static mote_status place_tensors(writer *w)
{
    graph *g = w->g;
    mote_checked end = mote_checked_of(w->index->index_bytes);
    qsort(g->outs, g->n_outs, sizeof *g->outs, compare_places);
    for (size_t i = 0; i < g->n_outs; i++) {
        const out_tensor *t = &g->outs[i];
        mote_checked bytes = bytes_of(t);
        w->records[i] = (mote_tensor){.place = t->place,
                                      .kind = t->kind,
                                      .shape = t->shape,
                                      .type = t->shape == MOTE_SHAPE_MATRIX ? t->type : 0,
                                      .group = t->group,
                                      .n_mats = t->n_mats,
                                      .rows = t->rows,
                                      .k = t->k,
                                      .offset = end.value,
                                      .bytes = bytes.value};
        end = mote_checked_add(end, bytes.value);
        end.overflow |= bytes.overflow;
        w->total += source_bytes(t);
    }
    w->index->file_bytes = end.value;
    return mote_checked_within(end, UINT64_MAX >> 2)
               ? MOTE_OK
               : convert_fail(g->src->err, MOTE_ERR_FILE, "the tensors are too large for a file");
}

/* The index in memory: records empty, strings in place. */
static mote_status make_index(writer *w)
{
    graph *g = w->g;
    const mote_text *texts = g->src->texts;
    const size_t n_layers = g->index.n_layers;
    size_t strings_at =
        sizeof(mote_index) + n_layers * sizeof(mote_layer) + g->n_outs * sizeof(mote_tensor);
    size_t strings_bytes = 0, used = 0;
    for (size_t i = 0; i < MOTE_STR_COUNT; i++)
        strings_bytes += texts[i].bytes;
    size_t bytes = mote_round_up(strings_at + strings_bytes, MOTE_LINE);
    if (bytes > MOTE_MAX_INDEX || g->n_outs > MOTE_MAX_TENSORS)
        return convert_fail(g->src->err, MOTE_ERR_UNSUPPORTED, "an index of %zu bytes (at most %u)",
                            bytes, MOTE_MAX_INDEX);
    w->index = pool_take(&g->src->pool, bytes, 1, g->src->err);
    if (!w->index)
        return g->src->err->status;
    *w->index = g->index;
    memcpy(w->index->magic, MOTE_MAGIC, sizeof w->index->magic);
    w->index->version = MOTE_FORMAT_VERSION;
    w->index->index_bytes = (uint32_t)bytes;
    w->index->n_tensors = (uint32_t)g->n_outs;
    w->index->strings_at = (uint32_t)strings_at;
    w->index->strings_bytes = (uint32_t)strings_bytes;
    mote_layer *layers = (mote_layer *)(w->index + 1);
    if (n_layers)
        memcpy(layers, g->layers, n_layers * sizeof *layers);
    w->records = (mote_tensor *)(layers + n_layers);
    for (size_t i = 0; i < MOTE_STR_COUNT; used += texts[i++].bytes) {
        w->index->strings[i] = (mote_string){(uint32_t)used, (uint32_t)texts[i].bytes};
        if (texts[i].bytes)
            memcpy((char *)w->index + strings_at + used, texts[i].ptr, texts[i].bytes);
    }
    return MOTE_OK;
}

/* Lengths of the header; its text can be told before any tensor is written. */
static mote_status place_header(writer *w)
{
    size_t json = mote_index_json(w->index, NULL, 0);
    uint64_t end = mote_round_up(8 + json, MOTE_LINE);
    if (!json || end - 8 > MOTE_MAX_JSON)
        return convert_fail(w->g->src->err, MOTE_ERR_UNSUPPORTED,
                            "a JSON header of %zu bytes (at most %u)", json, MOTE_MAX_JSON);
    w->data_at = end;
    w->index->json_bytes = end - 8;
    w->index->file_bytes += end;
    return MOTE_OK;
}

/* ---- tensors -------------------------------------------------------------------------------- */

static mote_status put(writer *w, const void *data, size_t bytes)
{
    w->now->crc = mote_crc32c(w->now->crc, data, bytes);
    mote_status status = output_write(w->o, w->at, data, bytes);
    w->at += bytes;
    return status;
}

static void tell_progress(writer *w, const out_tensor *t, uint64_t source_bytes)
{
    const mote_convert_opts *opts = w->g->src->opts;
    w->done += source_bytes;
    if (opts->progress)
        opts->progress(opts->user, t->src ? t->src->label : "", w->done, w->total);
}

static mote_status take(void *user, const uint8_t *tiles, size_t bytes, uint64_t source_bytes)
{
    writer *w = user;
    mote_status status = put(w, tiles, bytes);
    if (!status)
        tell_progress(w, &w->g->outs[w->now - w->records], source_bytes);
    return status;
}

static mote_status write_flat(writer *w, const out_tensor *t)
{
    static const uint8_t zeros[MOTE_LINE];
    uint64_t end = w->at + w->now->bytes;
    mote_status status;
    if (t->src) {
        pool local = {0};
        float *values = pool_take(&local, (size_t)t->rows, sizeof *values, w->g->src->err);
        status = values ? read_vector(w->g, t, values) : w->g->src->err->status;
        if (!status)
            status = put(w, values, (size_t)t->rows * sizeof *values);
        pool_free(&local);
        if (!status)
            tell_progress(w, t, source_bytes(t));
    } else {
        status = put(w, t->data, (size_t)t->data_bytes);
    }
    return status ? status : put(w, zeros, (size_t)(end - w->at));
}

static mote_status write_tensors(writer *w)
{
    graph *g = w->g;
    mote_status status = MOTE_OK;
    for (size_t i = 0; i < g->n_outs && !status; i++) {
        const out_tensor *t = &g->outs[i];
        w->now = &w->records[i];
        w->at = w->data_at + w->now->offset;
        status = t->shape == MOTE_SHAPE_MATRIX ? encode_matrix(g, t, take, w) : write_flat(w, t);
    }
    return status;
}

/* ---- header --------------------------------------------------------------------------------- */

/* What stands before the tensors: length, JSON, index; in the source's pool. The checksums come
 * last, and the index's own after all else is in it. */
static mote_status make_head(const writer *w, uint8_t **head, size_t *bytes)
{
    mote_index *x = w->index;
    const size_t n = (size_t)x->json_bytes;
    mote_convert_error *err = w->g->src->err;
    *bytes = (size_t)w->data_at + x->index_bytes;
    uint8_t *at = *head = pool_take(&w->g->src->pool, *bytes, 1, err);
    if (!at)
        return err->status;
    for (int i = 0; i < 8; i++)
        *at++ = (uint8_t)(x->json_bytes >> (8 * i));
    memset(at, ' ', n);
    mote_index_json(x, (char *)at, n);
    x->json_crc = mote_crc32c(0, at, n);
    x->index_crc = mote_crc32c(0, x, x->index_bytes);
    memcpy(at + n, x, x->index_bytes);
    return MOTE_OK;
}

static mote_status lay_out(writer *w)
{
    mote_status status = make_index(w);
    if (!status)
        status = place_tensors(w);
    return status ? status : place_header(w);
}

/* The file is complete: has it measured, and writes the index again with the card in its place,
 * blanks behind it. The JSON header does not show it. */
static mote_status write_card(writer *w)
{
    const mote_convert_opts *opts = w->g->src->opts;
    char path[OUTPUT_PATH_BYTES], card[MOTE_CONVERT_CARD_BYTES] = "";
    mote_index *x = w->index;
    const mote_string at = x->strings[MOTE_STR_CARD];
    output_path(w->o, path);
    mote_status status = opts->card(opts->user, path, card);
    if (status)
        return status;
    memcpy((char *)x + x->strings_at + at.at, card, strlen(card));
    x->index_crc = 0;
    x->index_crc = mote_crc32c(0, x, x->index_bytes);
    return output_write(w->o, w->data_at, x, x->index_bytes);
}

mote_status write_graph(graph *g, output *o)
{
    writer w = {.g = g, .o = o};
    uint8_t *head = NULL;
    size_t bytes = 0;
    mote_status status = lay_out(&w);
    if (!status)
        status = write_tensors(&w);
    if (!status)
        status = make_head(&w, &head, &bytes);
    if (!status)
        status = output_write(o, 0, head, bytes);
    return status || !g->src->opts->card ? status : write_card(&w);
}

mote_status write_head(graph *g, uint8_t **head, size_t *bytes, uint64_t *file_bytes)
{
    writer w = {.g = g};
    mote_status status = lay_out(&w);
    if (!status)
        status = make_head(&w, head, bytes);
    *file_bytes = status ? 0 : w.index->file_bytes;
    return status;
}
