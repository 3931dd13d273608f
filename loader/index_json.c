/* index_json.c: an index as the JSON header that safetensors readers want; one text for one index.
 *
 *   {"__metadata__":{"format":"mote","version":"1","name":"...", ...},
 *    "__mote__":{"dtype":"U8","shape":[n],"data_offsets":[0,n]},
 *    "embed":{"dtype":"F16","shape":[tiles,k,16],"data_offsets":[begin,end]}, ...}
 *
 * without any blank or line end. Members of __metadata__ without text are left out.
 */
#include <string.h>

#include "include/mote_error.h"
#include "loader/image.h"
#include "loader/records.h"

/* Takes bytes: counts all, stores the first `cap`, or compares with `expected`. */
typedef struct json_sink {
    char *out;
    const char *expected;
    size_t cap, n;
    bool differs;
} json_sink;

static void put(json_sink *s, const char *text, size_t n)
{
    size_t room = s->n < s->cap ? s->cap - s->n : 0, take = n < room ? n : room;
    if (!n)
        return;
    if (s->out && take)
        memcpy(s->out + s->n, text, take);
    if (s->expected && (take < n || memcmp(s->expected + s->n, text, n) != 0))
        s->differs = true;
    s->n += n;
}

static void put_text(json_sink *s, const char *text) { put(s, text, mote_text_of(text).bytes); }

static void put_number(json_sink *s, uint64_t n)
{
    char digits[20];
    size_t i = sizeof digits;
    do
        digits[--i] = (char)('0' + n % 10);
    while (n /= 10);
    put(s, digits + i, sizeof digits - i);
}

static void put_numbers(json_sink *s, const char *before, const uint64_t *list, size_t n)
{
    put_text(s, before);
    for (size_t i = 0; i < n; i++) {
        put_text(s, i ? "," : "");
        put_number(s, list[i]);
    }
    put_text(s, "]");
}

/* A JSON string; the text is valid UTF-8 (mote_image_open has checked it). */
static void put_string(json_sink *s, const char *text, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    put_text(s, "\"");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        char control[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        char quoted[2] = {'\\', text[i]};
        if (c < 0x20 || c == 0x7f)
            put(s, control, 6);
        else if (c == '"' || c == '\\')
            put(s, quoted, 2);
        else
            put(s, text + i, 1);
    }
    put_text(s, "\"");
}

static void put_metadata(json_sink *s, const mote_index *index)
{
    static const struct {
        const char *before;
        uint32_t string;
    } members[] = {
        {",\"name\":", MOTE_STR_NAME},           {",\"family\":", MOTE_STR_FAMILY},
        {",\"source\":", MOTE_STR_SOURCE},       {",\"licence\":", MOTE_STR_LICENCE},
        {",\"converter\":", MOTE_STR_CONVERTER},
    };
    put_text(s, "{\"__metadata__\":{\"format\":\"mote\",\"version\":\"");
    put_number(s, index->version);
    put_text(s, "\"");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        mote_string text = index->strings[members[i].string];
        if (!text.bytes)
            continue;
        put_text(s, members[i].before);
        put_string(s, mote_index_strings(index) + text.at, text.bytes);
    }
    put_text(s, "}");
}

static void put_entry(json_sink *s, const char *name, const char *dtype, const uint64_t *shape,
                      size_t n_shape, uint64_t offset, uint64_t bytes)
{
    uint64_t range[2] = {offset, offset + bytes};
    put_text(s, ",\"");
    put_text(s, name);
    put_text(s, "\":{\"dtype\":\"");
    put_text(s, dtype);
    put_numbers(s, "\",\"shape\":[", shape, n_shape);
    put_numbers(s, ",\"data_offsets\":[", range, 2);
    put_text(s, "}");
}

static bool put_tensor(json_sink *s, const mote_tensor *t)
{
    enum { F32 = 0, F16 = 1 }; /* of enum mote_type; the others have no safetensors dtype */
    char name[64];
    uint64_t tiles = mote_tensor_tiles(t), tile_bytes = tiles ? t->bytes / tiles : 0;
    uint64_t tiled[3] = {tiles, tile_bytes, 16}, flat = t->bytes;
    if (!mote_tensor_name(t->place, t->kind, name))
        return false;
    if (t->shape == MOTE_SHAPE_BYTES) {
        put_entry(s, name, "U8", &flat, 1, t->offset, t->bytes);
    } else if (t->shape == MOTE_SHAPE_VECTOR) {
        flat /= 4;
        put_entry(s, name, "F32", &flat, 1, t->offset, t->bytes);
    } else if (t->type == F32 || t->type == F16) {
        tiled[1] = tile_bytes / (t->type == F32 ? 64 : 32);
        put_entry(s, name, t->type == F32 ? "F32" : "F16", tiled, 3, t->offset, t->bytes);
    } else {
        put_entry(s, name, "U8", tiled, 2, t->offset, t->bytes);
    }
    return true;
}

static bool render(json_sink *s, const mote_index *index)
{
    const mote_tensor *t = mote_tensor_records(index);
    uint64_t index_bytes = index->index_bytes;
    put_metadata(s, index);
    put_entry(s, "__mote__", "U8", &index_bytes, 1, 0, index_bytes);
    for (uint32_t i = 0; i < index->n_tensors; i++)
        if (!put_tensor(s, &t[i]))
            return false;
    put_text(s, "}");
    return true;
}

size_t mote_index_json(const mote_index *index, char *out, size_t cap)
{
    json_sink s = {.out = out, .cap = cap};
    return render(&s, index) ? s.n : 0;
}

bool mote_index_json_matches(const mote_index *index, const char *json, size_t bytes)
{
    json_sink s = {.expected = json, .cap = bytes};
    if (!render(&s, index) || s.differs)
        return false;
    for (size_t i = s.n; i < bytes; i++)
        if (json[i] != ' ')
            return false;
    return true;
}
