/* image.c: one pass over the index of a .mote file. After it, every record lies inside the file and
 * every number in it is in range; nothing before it looks at an offset. Read format.h first.
 *
 * What tensors mean (their shapes against the graph) is checked where they are bound, in
 * model/model.c and the tokenizer; contents are never read here.
 */
#include "loader/image.h"

#include <string.h>

#include "include/mote_error.h"
#include "loader/checked.h"
#include "loader/records.h"

_Static_assert(sizeof(mote_index) == 512 && sizeof(mote_layer) == 128 && sizeof(mote_tensor) == 64,
               "records must have no padding");

#define LAST_TYPE 6u /* of enum mote_type */

static bool all_zero(const uint8_t *p, size_t n)
{
    size_t i = 0;
    while (i < n && !p[i])
        i++;
    return i == n;
}

static bool is_finite(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (u & 0x7f800000u) != 0x7f800000u;
}

/* Length of the valid UTF-8 character at p, 0 if there is none. */
static size_t utf8_length(const uint8_t *p, size_t n)
{
    static const struct {
        uint8_t first, last, second_min, second_max, bytes;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    size_t f = 0, n_forms = sizeof forms / sizeof *forms;
    while (f < n_forms && (p[0] < forms[f].first || p[0] > forms[f].last))
        f++;
    if (f == n_forms || forms[f].bytes > n)
        return 0;
    if (forms[f].bytes > 1 && (p[1] < forms[f].second_min || p[1] > forms[f].second_max))
        return 0;
    for (size_t i = 2; i < forms[f].bytes; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return forms[f].bytes;
}

bool mote_utf8_valid(const char *text, size_t bytes)
{
    const uint8_t *p = (const uint8_t *)text;
    for (size_t i = 0, step; i < bytes; i += step) {
        step = p[i] < 0x80 ? 1 : utf8_length(p + i, bytes - i);
        if (!step)
            return false;
    }
    return true;
}

/* ---- the frame: header length, magic, version, sizes, checksum ------------------------------ */

static uint32_t index_crc(const mote_index *x)
{
    static const uint8_t zero[4];
    const uint8_t *p = (const uint8_t *)x;
    size_t at = offsetof(mote_index, index_crc);
    uint32_t crc = mote_crc32c(mote_crc32c(0, p, at), zero, sizeof zero);
    return mote_crc32c(crc, p + at + sizeof zero, x->index_bytes - at - sizeof zero);
}

/* Finds the index: 8 bytes of length N, then N bytes that start with '{', then the magic. */
static mote_status find_index(mote_image *image, mote_error *err)
{
    const size_t least = 8 + sizeof(mote_index);
    const uint8_t *p = image->base;
    uint64_t n = 0;
    if ((uintptr_t)p % MOTE_ALIGN)
        return mote_fail(err, MOTE_ERR_MEMORY, "the image is not aligned to 64 bytes", NULL);
    if (*(const uint8_t *)&(const uint16_t){1} != 1)
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "a little-endian machine is needed", NULL);
    if (image->bytes < least)
        return mote_fail_got(err, MOTE_ERR_FILE, "too short for a .mote file", NULL, image->bytes,
                             least);
    memcpy(&n, p, sizeof n);
    if (n < 2 || n > MOTE_MAX_JSON || p[8] != '{')
        return mote_fail(err, MOTE_ERR_FILE, "not a .mote file", NULL);
    if (n > image->bytes - least)
        return mote_fail_got(err, MOTE_ERR_FILE, "the file ends inside its header", NULL,
                             image->bytes, least + n);
    image->data = p + 8 + n;
    if (memcmp(image->data, MOTE_MAGIC, 8) != 0)
        return mote_fail(err, MOTE_ERR_FILE, "not a .mote file: no index after the JSON header",
                         NULL);
    if ((8 + n) % MOTE_ALIGN)
        return mote_fail_got(err, MOTE_ERR_FILE, "the header does not end at a multiple of 64",
                             NULL, 8 + n, MOTE_ALIGN);
    image->index = (const mote_index *)(const void *)image->data;
    return MOTE_OK;
}

/* Sizes that the index tells of itself and of the file, then its checksum. */
static mote_status check_frame(const mote_image *image, mote_error *err)
{
    const mote_index *x = image->index;
    const mote_status file = MOTE_ERR_FILE;
    uint64_t json_bytes = (uint64_t)(image->data - image->base) - 8;
    if (x->version != MOTE_FORMAT_VERSION)
        return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "format version this build cannot read",
                             NULL, x->version, MOTE_FORMAT_VERSION);
    if (x->json_bytes != json_bytes)
        return mote_fail_got(err, file, "the index names another header length", NULL,
                             x->json_bytes, json_bytes);
    if (x->file_bytes != image->bytes)
        return mote_fail_got(err, file,
                             x->file_bytes > image->bytes ? "the file is cut short (bytes)"
                                                          : "bytes after the end of the file",
                             NULL, image->bytes, x->file_bytes);
    if (x->n_layers > MOTE_MAX_LAYERS)
        return mote_fail_got(err, file, "too many layers", NULL, x->n_layers, MOTE_MAX_LAYERS);
    if (x->n_tensors > MOTE_MAX_TENSORS)
        return mote_fail_got(err, file, "too many tensors", NULL, x->n_tensors, MOTE_MAX_TENSORS);
    mote_checked at = mote_checked_mul(mote_checked_of(x->n_tensors), sizeof(mote_tensor));
    at = mote_checked_add(at, sizeof(mote_index) + (uint64_t)x->n_layers * sizeof(mote_layer));
    if (!mote_checked_is(at, x->strings_at))
        return mote_fail_got(err, file, "the strings do not follow the records", NULL,
                             x->strings_at, at.value);
    mote_checked end = mote_checked_round_up(mote_checked_add(at, x->strings_bytes), MOTE_ALIGN);
    if (!mote_checked_is(end, x->index_bytes) || x->index_bytes > MOTE_MAX_INDEX)
        return mote_fail_got(err, file, "size of the index", NULL, x->index_bytes, end.value);
    if (x->index_bytes > image->bytes - (size_t)(image->data - image->base))
        return mote_fail_got(err, file, "the index reaches beyond the file", NULL, x->index_bytes,
                             image->bytes);
    uint32_t crc = index_crc(x);
    if (crc != x->index_crc)
        return mote_fail_got(err, file, "checksum of the index", NULL, crc, x->index_crc);
    return MOTE_OK;
}

/* ---- the index's own fields ----------------------------------------------------------------- */

static mote_status check_strings(const mote_index *x, mote_error *err)
{
    for (size_t i = 0; i < MOTE_STR_COUNT; i++) {
        mote_string s = x->strings[i];
        if (s.at > x->strings_bytes || s.bytes > x->strings_bytes - s.at)
            return mote_fail_got(err, MOTE_ERR_FILE, "a text lies outside the strings", NULL,
                                 (uint64_t)s.at + s.bytes, x->strings_bytes);
        if (MOTE_ERROR_TEXTS && /* a build without words shows no texts */
            !mote_utf8_valid(mote_index_strings(x) + s.at, s.bytes))
            return mote_fail_got(err, MOTE_ERR_FILE, "a text is not valid UTF-8", NULL, i, 0);
    }
    return MOTE_OK;
}

static mote_status check_fields(const mote_index *x, mote_error *err)
{
    const mote_status file = MOTE_ERR_FILE;
    const uint8_t *end = (const uint8_t *)x + x->strings_at + x->strings_bytes;
    int64_t n_ids = x->n_vocab ? x->n_vocab : MOTE_MAX_DIM; /* 0: a tokenizer alone */
    if (x->flags)
        return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "unknown flags", NULL, x->flags, 0);
    if (!all_zero(x->reserved, sizeof x->reserved) ||
        !all_zero(end, x->index_bytes - x->strings_at - x->strings_bytes))
        return mote_fail(err, file, "reserved bytes of the index are not zero", NULL);
    if (!x->pooling && (x->normalize | x->max_tokens | x->n_types | x->n_labels | x->pair_joins))
        return mote_fail(err, file, "fields of an encoder in a model that is none", NULL);
    if (x->n_vocab > MOTE_MAX_DIM)
        return mote_fail_got(err, file, "size of the vocabulary", NULL, x->n_vocab, MOTE_MAX_DIM);
    if (!is_finite(x->final_norm_eps) || !is_finite(x->embed_scale) || !is_finite(x->logit_scale) ||
        !is_finite(x->logit_softcap))
        return mote_fail(err, file, "a number of the index is not finite", NULL);
    if (x->n_end_ids > MOTE_MAX_END_IDS)
        return mote_fail_got(err, file, "too many end tokens", NULL, x->n_end_ids,
                             MOTE_MAX_END_IDS);
    for (uint32_t i = 0; i < MOTE_MAX_END_IDS; i++)
        if (i < x->n_end_ids ? x->end_ids[i] < 0 || x->end_ids[i] >= n_ids : x->end_ids[i] != 0)
            return mote_fail_got(err, file, "an end token lies outside the vocabulary", NULL,
                                 (uint64_t)(uint32_t)x->end_ids[i], (uint64_t)n_ids);
    if (x->bos_id < -1 || x->bos_id >= n_ids)
        return mote_fail_got(err, file, "the begin token lies outside the vocabulary", NULL,
                             (uint64_t)(uint32_t)x->bos_id, (uint64_t)n_ids);
    return check_strings(x, err);
}

static mote_status check_layers(const mote_index *x, mote_error *err)
{
    const mote_layer *l = mote_layer_records(x);
    for (uint32_t i = 0; i < x->n_layers; i++) {
        if (!all_zero(l[i].reserved, sizeof l[i].reserved))
            return mote_fail_got(err, MOTE_ERR_FILE, "reserved bytes of a layer are not zero", NULL,
                                 i, 0);
        if (!is_finite(l[i].rope_scale) || !is_finite(l[i].attn_scale) ||
            !is_finite(l[i].attn_softcap) || !is_finite(l[i].norm_eps) ||
            !is_finite(l[i].router_scale))
            return mote_fail_got(err, MOTE_ERR_FILE, "a number of a layer is not finite", NULL, i,
                                 0);
    }
    return MOTE_OK;
}

/* ---- tensor records ------------------------------------------------------------------------- */

static mote_status check_matrix(const mote_tensor *t, const char *name, mote_error *err)
{
    const mote_status file = MOTE_ERR_FILE;
    if (t->type > LAST_TYPE)
        return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "unknown weight type", name, t->type,
                             LAST_TYPE);
    if (!t->rows || t->rows > MOTE_MAX_DIM)
        return mote_fail_got(err, file, "number of rows", name, t->rows, MOTE_MAX_DIM);
    if (!t->k || t->k > MOTE_MAX_DIM)
        return mote_fail_got(err, file, "number of columns", name, t->k, MOTE_MAX_DIM);
    if (!t->n_mats || t->n_mats > MOTE_MAX_DIM)
        return mote_fail_got(err, file, "number of matrices", name, t->n_mats, MOTE_MAX_DIM);
    uint64_t tiles = mote_tensor_tiles(t); /* <= 2^20 * 2^24 */
    if (!t->bytes || t->bytes % tiles || t->bytes / tiles % MOTE_ALIGN)
        return mote_fail_got(err, file, "bytes do not make whole tiles", name, t->bytes, tiles);
    return MOTE_OK;
}

/* Vectors and byte tables: `rows` elements of 4 or 1 bytes, padded to 64 bytes. */
static mote_status check_flat(const mote_tensor *t, const char *name, mote_error *err)
{
    uint64_t each = t->shape == MOTE_SHAPE_VECTOR ? 4 : 1;
    mote_checked bytes = mote_checked_mul(mote_checked_of(t->rows), each);
    bytes = mote_checked_round_up(bytes, MOTE_ALIGN);
    if (t->type || t->group || t->n_mats != 1 || t->k != 1)
        return mote_fail(err, MOTE_ERR_FILE, "fields of a matrix in a vector", name);
    if (!t->rows && t->shape == MOTE_SHAPE_VECTOR)
        return mote_fail(err, MOTE_ERR_FILE, "the vector is empty", name);
    if (!mote_checked_is(bytes, t->bytes))
        return mote_fail_got(err, MOTE_ERR_FILE, "size of the tensor", name, t->bytes, bytes.value);
    return MOTE_OK;
}

/* One record; `end` is where the tensor before it ends. */
static mote_status check_tensor(const mote_index *x, uint32_t i, mote_checked end, mote_error *err)
{
    const mote_tensor *t = mote_tensor_records(x) + i;
    const mote_status file = MOTE_ERR_FILE;
    char name[64];
    if (t->place > x->n_layers)
        return mote_fail_got(err, file, "a tensor of a layer that is not there", NULL, t->place,
                             x->n_layers);
    if (!mote_tensor_name(t->place, t->kind, name))
        return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "unknown kind of tensor", NULL, t->kind, 0);
    if (i && (t[-1].place > t->place || (t[-1].place == t->place && t[-1].kind >= t->kind)))
        return mote_fail(err, file, "the tensor is out of order or there twice", name);
    if (t->reserved)
        return mote_fail(err, file, "reserved bytes of the tensor are not zero", name);
    if (!mote_checked_is(end, t->offset))
        return mote_fail_got(err, file, "the tensor does not start where the last one ends", name,
                             t->offset, end.value);
    if (t->shape > MOTE_SHAPE_MATRIX)
        return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "unknown shape", name, t->shape,
                             MOTE_SHAPE_MATRIX);
    mote_status s =
        t->shape == MOTE_SHAPE_MATRIX ? check_matrix(t, name, err) : check_flat(t, name, err);
    uint64_t data_bytes = x->file_bytes - 8 - x->json_bytes;
    if (!s && !mote_checked_within(mote_checked_add(end, t->bytes), data_bytes))
        return mote_fail_got(err, file, "the tensor reaches beyond the file", name, t->bytes,
                             data_bytes - t->offset);
    return s;
}

static mote_status check_tensors(const mote_index *x, mote_error *err)
{
    const mote_tensor *t = mote_tensor_records(x);
    mote_checked end = mote_checked_of(x->index_bytes);
    for (uint32_t i = 0; i < x->n_tensors; i++) {
        mote_status s = check_tensor(x, i, end, err);
        if (s)
            return s;
        end = mote_checked_add(end, t[i].bytes);
    }
    mote_checked file_bytes = mote_checked_add(end, 8 + x->json_bytes);
    if (!mote_checked_is(file_bytes, x->file_bytes))
        return mote_fail_got(err, MOTE_ERR_FILE, "bytes after the last tensor", NULL, x->file_bytes,
                             file_bytes.value);
    return MOTE_OK;
}

mote_status mote_image_open(mote_image *image, const void *base, size_t bytes, mote_error *err)
{
    mote_image view = {.base = base, .bytes = bytes};
    memset(image, 0, sizeof *image);
    mote_status s = find_index(&view, err);
    if (!s)
        s = check_frame(&view, err);
    if (!s)
        s = check_fields(view.index, err);
    if (!s)
        s = check_layers(view.index, err);
    if (!s)
        s = check_tensors(view.index, err);
    if (!s)
        *image = view;
    return s;
}
