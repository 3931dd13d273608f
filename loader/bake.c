/* bake.c: the front of a file without its JSON header, for devices, which never read that. */
#include <string.h>

#include "include/mote_error.h"
#include "loader/image.h"

/* A header that safetensors readers take for an empty one. */
static const char empty[56] = "{}                                                      ";

bool mote_json_is_dropped(const char *json, size_t bytes)
{
    return bytes == sizeof empty && !memcmp(json, empty, sizeof empty);
}

size_t mote_image_bake(const mote_image *image, void *front, size_t cap)
{
    const mote_index *from = image->index;
    const size_t bytes = 8 + sizeof empty + from->index_bytes;
    uint64_t json_bytes = sizeof empty;
    mote_index *to = (mote_index *)(void *)((uint8_t *)front + 8 + sizeof empty);
    if (cap < bytes)
        return bytes;
    memcpy(front, &json_bytes, 8);
    memcpy((uint8_t *)front + 8, empty, sizeof empty);
    memcpy(to, from, from->index_bytes);
    to->file_bytes = from->file_bytes - from->json_bytes + json_bytes;
    to->json_bytes = json_bytes;
    to->json_crc = mote_crc32c(0, empty, sizeof empty);
    to->index_crc = 0;
    to->index_crc = mote_crc32c(0, to, to->index_bytes);
    return bytes;
}
