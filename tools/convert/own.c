/* own.c: mote's own files of float weights as a source: the graph is what their records say, and
 * weights lie in tiles (kernels/quant.h). Read source.h and loader/format.h first.
 *
 * The front, up to the weights, is read and must pass what loading asks; the checksums of all that
 * is taken are looked at before anything is made of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/mote_host.h"
#include "loader/image.h"
#include "loader/records.h"
#include "tools/convert/graph.h"

#define MAX_TABLES (256u << 20) /* bytes up to the end of the tokenizer's tables */
#define PIECE_BYTES (1u << 20)

static mote_status fail_like(const source *s, const mote_error *e)
{
    char name[sizeof e->name + 2] = "", numbers[64] = "";
    if (*e->name)
        snprintf(name, sizeof name, "%s: ", e->name);
    if (e->has_numbers)
        snprintf(numbers, sizeof numbers, " (got %llu, wanted %llu)", (unsigned long long)e->got,
                 (unsigned long long)e->wanted);
    return convert_fail(s->err, e->status, "%s: %s%s%s", s->files[0].name, name, e->what, numbers);
}

/* ---- the front ------------------------------------------------------------------------------- */

/* Bytes up to the end of the index, by what the file says; mote_image_open, which looks no further,
 * judges it. */
static mote_status find_end(const source *s, uint64_t *end)
{
    const src_file *f = &s->files[0];
    const uint64_t least = 8 + sizeof(mote_index);
    mote_index x;
    uint64_t n = 0;
    *end = f->bytes < least ? f->bytes : least;
    mote_status status = *end < least ? MOTE_OK : file_read(f, 0, &n, sizeof n, s->err);
    if (status || *end < least || n > MOTE_MAX_JSON || n > f->bytes - least)
        return status;
    status = file_read(f, 8 + n, &x, sizeof x, s->err);
    *end += n;
    if (x.index_bytes > sizeof x && x.index_bytes <= MOTE_MAX_INDEX)
        *end += x.index_bytes - sizeof x;
    *end = *end > f->bytes ? f->bytes : *end;
    return status;
}

/* Opens what the first `bytes` of the file show, with zeros behind: whatever is written to the file
 * meanwhile, all that is looked at is there. */
static mote_status open_front(const source *s, uint64_t bytes, mote_file *map, mote_image *image)
{
    const src_file *f = &s->files[0];
    pool local = {0};
    mote_error e;
    uint8_t *front = pool_take(&local, (size_t)bytes, 1, s->err);
    mote_status status = front ? file_read(f, 0, front, (size_t)bytes, s->err) : s->err->status;
    if (!status && mote_file_pretend(map, front, (size_t)bytes, f->bytes, &e))
        status = fail_like(s, &e);
    pool_free(&local);
    if (!status && mote_image_open(image, map->base, map->bytes, &e))
        status = fail_like(s, &e);
    return status;
}

static bool is_table(const mote_tensor *t) { return !t->place && t->kind < MOTE_W_EMBED; }

/* Bytes up to the end of the tables, which come first; false: too many. */
static bool find_tables_end(const mote_image *image, uint64_t *end)
{
    const mote_tensor *t = mote_tensor_records(image->index);
    const uint64_t begin = (uint64_t)(image->data - image->base);
    *end = begin + image->index->index_bytes;
    for (uint32_t i = 0; i < image->index->n_tensors && is_table(&t[i]); i++)
        *end = begin + t[i].offset + t[i].bytes;
    return *end <= MAX_TABLES;
}

/* ---- checks ---------------------------------------------------------------------------------- */

static mote_status check_types(const source *s)
{
    const mote_tensor *t = mote_tensor_records(s->index);
    for (uint32_t i = 0; i < s->index->n_tensors; i++)
        if (t[i].shape == MOTE_SHAPE_MATRIX && t[i].type > MOTE_BF16)
            return convert_fail(s->err, MOTE_ERR_UNSUPPORTED,
                                "%s: its weights are quantised: convert takes .mote files of f32, "
                                "bf16 or f16",
                                s->files[0].name);
    return MOTE_OK;
}

/* What loading checks of the tokenizer, which the image has, and of the graph, whose vectors are
 * zeros there. */
static mote_status check_parts(source *s, const mote_image *image)
{
    mote_error e;
    mote_tokenizer *t;
    const size_t bytes = mote_tokenizer_bytes();
    const bool has_tables = mote_image_table(image, 0).bytes || s->opts->tokenizer_only;
    uint8_t *memory = pool_take(&s->pool, bytes + MOTE_ALIGN, 1, s->err);
    if (!memory)
        return s->err->status;
    memory += -(uintptr_t)memory % MOTE_ALIGN;
    if (has_tables && mote_tokenizer_init(&t, memory, bytes, image, &e))
        return fail_like(s, &e);
    if (has_tables)
        s->tok.n_vocab = mote_tokenizer_vocab_size(t);
    return s->opts->tokenizer_only || mote_model_bytes(image, &e) ? MOTE_OK : fail_like(s, &e);
}

static mote_status check_sum(const source *s, const mote_tensor *t, uint8_t *piece)
{
    const mote_convert_opts *opts = s->opts;
    const uint64_t begin = 8 + s->index->json_bytes + t->offset;
    uint32_t crc = 0;
    char name[64];
    for (uint64_t at = 0, n; at < t->bytes; at += n) {
        n = t->bytes - at < PIECE_BYTES ? t->bytes - at : PIECE_BYTES;
        mote_status status = file_read(&s->files[0], begin + at, piece, (size_t)n, s->err);
        if (!status && opts->cancel && opts->cancel(opts->user))
            status = convert_fail(s->err, MOTE_CANCELLED, "cancelled");
        if (status)
            return status;
        crc = mote_crc32c(crc, piece, (size_t)n);
    }
    if (crc == t->crc)
        return MOTE_OK;
    mote_tensor_name(t->place, t->kind, name);
    return convert_fail(s->err, MOTE_ERR_FILE, "%s: %s: checksum (got %u, wanted %u)",
                        s->files[0].name, name, crc, t->crc);
}

/* ---- tensors --------------------------------------------------------------------------------- */

static mote_status take_table(source *s, const mote_image *image, const mote_tensor *t)
{
    const size_t bytes = (size_t)t->rows;
    if (t->shape != MOTE_SHAPE_BYTES)
        return convert_fail(s->err, MOTE_ERR_FILE, "%s: a table of the tokenizer is none",
                            s->files[0].name);
    uint8_t *data = malloc(bytes ? bytes : 1);
    if (!data)
        return convert_fail(s->err, MOTE_ERR_MEMORY, "no memory for the tokenizer");
    memcpy(data, image->data + t->offset, bytes);
    s->tok.tables[s->tok.n++] = (tok_table){t->kind, data, bytes};
    return MOTE_OK;
}

/* By its name in the file, all its matrices one below the other. */
static mote_status take_weights(source *s, const mote_tensor *t)
{
    static const enum src_type types[] = {SRC_F32, SRC_F16, SRC_BF16};
    const bool is_matrix = t->shape == MOTE_SHAPE_MATRIX;
    char name[64];
    src_tensor *to = source_add_tensors(s, 1);
    if (!to)
        return s->err->status;
    mote_tensor_name(t->place, t->kind, name);
    *to = (src_tensor){.type = types[is_matrix ? t->type : MOTE_F32],
                       .type_name = mote_type_name(t->type),
                       .rank = is_matrix ? 2 : 1,
                       .shape = {t->rows * t->n_mats, t->k},
                       .offset = 8 + s->index->json_bytes + t->offset,
                       .bytes = is_matrix ? t->bytes : t->rows * sizeof(float)};
    to->name = to->label = pool_copy(&s->pool, name, strlen(name), s->err);
    return to->name ? MOTE_OK : s->err->status;
}

static mote_status take_tensors(source *s, const mote_image *image)
{
    const mote_tensor *t = mote_tensor_records(s->index);
    const bool reads = s->opts->output != NULL; /* a draft does not */
    pool local = {0};
    uint8_t *piece = pool_take(&local, PIECE_BYTES, 1, s->err);
    mote_status status = piece ? MOTE_OK : s->err->status;
    for (uint32_t i = 0; i < s->index->n_tensors && !status; i++) {
        if (!is_table(&t[i]) && s->opts->tokenizer_only)
            continue;
        if (reads)
            status = check_sum(s, &t[i], piece);
        if (!status)
            status = is_table(&t[i]) ? take_table(s, image, &t[i]) : take_weights(s, &t[i]);
    }
    pool_free(&local);
    return status;
}

/* ---- texts, ids ------------------------------------------------------------------------------ */

/* All but the card, which is of weights that were rounded. The source is told with the type that
 * its weights had here. */
static mote_status take_texts(source *s, const mote_image *image)
{
    const mote_index *x = s->index;
    const mote_text from = mote_image_text(image, MOTE_IMAGE_SOURCE);
    const char *type = x->weight_type < MOTE_TYPES ? mote_type_name(x->weight_type) : "";
    char text[300];
    mote_status status = MOTE_OK;
    for (int i = 0; i < MOTE_STR_CARD && !status; i++) {
        const mote_text own = mote_image_text(image, (mote_image_string)i);
        if (i != MOTE_STR_FAMILY || !s->opts->tokenizer_only)
            status = source_set_text(s, i, own.ptr, own.bytes);
    }
    int n = snprintf(text, sizeof text, "%.*s%s%s %s", (int)(from.bytes < 200 ? from.bytes : 200),
                     from.ptr, from.bytes ? "; " : "", type, s->files[0].name);
    n = n < (int)sizeof text ? n : (int)sizeof text - 1;
    s->bos_id = x->bos_id;
    s->n_end_ids = x->n_end_ids;
    for (uint32_t i = 0; i < x->n_end_ids; i++)
        s->end_ids[i] = (uint32_t)x->end_ids[i];
    return status ? status : source_set_text(s, MOTE_STR_SOURCE, text, (size_t)n);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static mote_status take_all(source *s, const mote_image *image)
{
    const size_t bytes = image->index->index_bytes;
    mote_index *index = pool_take(&s->pool, bytes, 1, s->err);
    if (!index)
        return s->err->status;
    s->index = memcpy(index, image->index, bytes);
    mote_status status = s->opts->tokenizer_only ? MOTE_OK : check_types(s);
    if (!status)
        status = check_parts(s, image);
    if (!status)
        status = take_tensors(s, image);
    return status ? status : take_texts(s, image);
}

mote_status own_open(source *s)
{
    mote_image image;
    mote_file map = {0};
    uint64_t end = 0;
    mote_status status = find_end(s, &end);
    if (!status)
        status = open_front(s, end, &map, &image);
    if (!status && !find_tables_end(&image, &end))
        status = convert_fail(s->err, MOTE_ERR_UNSUPPORTED, "%s: a tokenizer of more than %u MB",
                              s->files[0].name, MAX_TABLES >> 20);
    mote_file_unmap(&map);
    if (!status)
        status = open_front(s, end, &map, &image);
    if (!status)
        status = take_all(s, &image);
    mote_file_unmap(&map);
    return status;
}

void own_describe(graph *g)
{
    const mote_index *x = g->src->index;
    const mote_tensor *t = mote_tensor_records(x);
    char name[64];
    g->index = *x;
    g->index.index_crc = 0; /* it is summed up over a zero */
    g->layers = pool_take(&g->src->pool, x->n_layers, sizeof *g->layers, g->src->err);
    if (!g->layers) {
        g->status = g->src->err->status;
        return;
    }
    memcpy(g->layers, mote_layer_records(x), x->n_layers * sizeof *g->layers);
    for (uint32_t i = 0; i < x->n_tensors; i++) {
        mote_tensor_name(t[i].place, t[i].kind, name);
        if (is_table(&t[i]))
            continue;
        if (t[i].shape == MOTE_SHAPE_VECTOR)
            graph_add_vector(g, t[i].place, t[i].kind, name, t[i].rows, 0);
        else if (t[i].n_mats == 1)
            graph_add_matrix(g, t[i].place, t[i].kind, name, t[i].rows, t[i].k, 0);
        else
            graph_add_slices(g, t[i].place, t[i].kind, name, t[i].n_mats, t[i].rows, 0, t[i].rows,
                             t[i].k, false);
    }
}
