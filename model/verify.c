/* verify.c: reads every byte of a tensor: its checksum, and whether all of its numbers are finite.
 * Read kernels/quant.h for where values and scales lie. */
#include <string.h>

#include "include/mote_error.h"
#include "kernels/quant.h"
#include "loader/image.h"
#include "loader/records.h"

/* n numbers of 2 bytes: none of them with all bits of `exponent` set. */
static bool finite_16(const uint8_t *p, size_t n, uint16_t exponent)
{
    uint16_t u;
    for (size_t i = 0; i < n; i++) {
        memcpy(&u, p + 2 * i, sizeof u);
        if ((u & exponent) == exponent)
            return false;
    }
    return true;
}

static bool finite_32(const uint8_t *p, size_t n)
{
    uint32_t u;
    for (size_t i = 0; i < n; i++) {
        memcpy(&u, p + 4 * i, sizeof u);
        if ((u & 0x7f800000u) == 0x7f800000u)
            return false;
    }
    return true;
}

/* One tile: its values (float types) or its scales. */
static bool finite_tile(const uint8_t *tile, enum mote_type type, size_t scale_bytes,
                        size_t tile_bytes)
{
    const uint16_t f16 = 0x7c00, bf16 = 0x7f80;
    switch (type) {
    case MOTE_F32: return finite_32(tile, tile_bytes / 4);
    case MOTE_F16: return finite_16(tile, tile_bytes / 2, f16);
    case MOTE_BF16: return finite_16(tile, tile_bytes / 2, bf16);
    case MOTE_Q4: return finite_32(tile, MOTE_TILE_ROWS); /* the steps are integers */
    default: return finite_16(tile, scale_bytes / 2, f16);
    }
}

static bool all_finite(const mote_tensor *t, const uint8_t *data)
{
    enum mote_type type = (enum mote_type)t->type;
    if (t->shape == MOTE_SHAPE_VECTOR)
        return finite_32(data, (size_t)t->bytes / 4);
    if (t->shape != MOTE_SHAPE_MATRIX)
        return true;
    size_t tiles = (size_t)mote_tensor_tiles(t), tile_bytes = (size_t)t->bytes / tiles;
    size_t k = mote_padded_k(type, t->group ? t->group : 1, (size_t)t->k);
    size_t scale_bytes = mote_tile_scale_bytes(type, t->group ? t->group : 1, k);
    if (mote_tile_bytes(type, t->group ? t->group : 1, k) != tile_bytes)
        return false;
    for (size_t i = 0; i < tiles; i++)
        if (!finite_tile(data + i * tile_bytes, type, scale_bytes, tile_bytes))
            return false;
    return true;
}

mote_status mote_image_verify_tensor(const mote_image *image, size_t i, mote_error *err)
{
    const mote_tensor *t = mote_tensor_records(image->index) + i;
    const uint8_t *data = image->data + t->offset;
    char name[64];
    mote_status s = mote_image_check_tensor(image, i, err);
    if (s || all_finite(t, data))
        return s;
    mote_tensor_name(t->place, t->kind, name);
    return mote_fail(err, MOTE_ERR_FILE, "a number is not finite", name);
}
