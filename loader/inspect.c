/* inspect.c: answers about an open image: texts, end tokens, records. Read image.c first. */
#include <string.h>

#include "include/mote_error.h"
#include "loader/image.h"
#include "loader/records.h"

static mote_text text_of(const mote_image *image, uint32_t which)
{
    mote_string s = image->index->strings[which];
    return (mote_text){mote_index_strings(image->index) + s.at, s.bytes};
}

_Static_assert(MOTE_IMAGE_NAME == (int)MOTE_STR_NAME && MOTE_IMAGE_CARD == (int)MOTE_STR_CARD,
               "the public names of the strings follow those of the file");

mote_text mote_image_text(const mote_image *image, mote_image_string which)
{
    return (unsigned)which < MOTE_STR_COUNT ? text_of(image, which) : (mote_text){"", 0};
}

mote_text mote_chat_template(const mote_image *image)
{
    return text_of(image, MOTE_STR_CHAT_TEMPLATE);
}

size_t mote_end_ids(const mote_image *image, const int32_t **ids)
{
    *ids = image->index->end_ids;
    return image->index->n_end_ids;
}

void mote_image_get_info(const mote_image *image, mote_image_info *info)
{
    const mote_index *x = image->index;
    *info = (mote_image_info){.version = x->version,
                              .id = x->index_crc,
                              .n_layers = x->n_layers,
                              .n_tensors = x->n_tensors,
                              .n_vocab = x->n_vocab,
                              .hidden = x->hidden,
                              .n_ctx = x->n_ctx,
                              .bos_id = x->bos_id,
                              .weight_type = mote_type_name(x->weight_type),
                              .json_bytes = x->json_bytes,
                              .index_bytes = x->index_bytes};
}

void mote_image_get_tensor(const mote_image *image, size_t i, mote_tensor_info *info)
{
    const mote_tensor *t = mote_tensor_records(image->index) + i;
    *info = (mote_tensor_info){.type = "bytes",
                               .group = t->group,
                               .n_mats = t->n_mats,
                               .rows = t->rows,
                               .k = t->k,
                               .bytes = t->bytes,
                               .is_tokenizer = !t->place && t->kind < MOTE_W_EMBED};
    mote_tensor_name(t->place, t->kind, info->name);
    if (t->shape != MOTE_SHAPE_BYTES)
        info->type = mote_type_name(t->type);
}

mote_text mote_image_table(const mote_image *image, uint32_t i)
{
    const mote_tensor *t = mote_tensor_records(image->index);
    for (uint32_t left = image->index->n_tensors; left > 0 && !t->place; left--, t++)
        if (t->kind == MOTE_T_TOKENIZER + i && t->kind < MOTE_W_EMBED)
            return (mote_text){(const char *)image->data + t->offset, (size_t)t->bytes};
    return (mote_text){"", 0};
}

mote_status mote_image_check_tensor(const mote_image *image, size_t i, mote_error *err)
{
    const mote_tensor *t = mote_tensor_records(image->index) + i;
    char name[64];
    uint32_t crc = mote_crc32c(0, image->data + t->offset, (size_t)t->bytes);
    if (crc == t->crc)
        return MOTE_OK;
    mote_tensor_name(t->place, t->kind, name);
    return mote_fail_got(err, MOTE_ERR_FILE, "checksum", name, crc, t->crc);
}

mote_status mote_image_verify_header(const mote_image *image, mote_error *err)
{
    const mote_index *x = image->index;
    const char *json = (const char *)image->base + 8;
    uint32_t crc = mote_crc32c(0, json, (size_t)x->json_bytes);
    if (crc != x->json_crc)
        return mote_fail_got(err, MOTE_ERR_FILE, "checksum of the JSON header", NULL, crc,
                             x->json_crc);
    if (!mote_json_is_dropped(json, (size_t)x->json_bytes) &&
        !mote_index_json_matches(x, json, (size_t)x->json_bytes))
        return mote_fail(err, MOTE_ERR_FILE, "the JSON header does not say what the index says",
                         NULL);
    return MOTE_OK;
}
