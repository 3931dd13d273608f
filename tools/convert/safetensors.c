/* safetensors.c: the header of one safetensors file -> tensors. Stricter than the reference reader:
 * what it refuses is refused here, and so are names twice, empty tensors, ranks above 8, header
 * texts that do not start with '{'. Read source.h first.
 *
 *   u64 N | JSON, N bytes | data; every byte of the data belongs to exactly one tensor
 */
#include <stdlib.h>
#include <string.h>

#include "loader/checked.h"
#include "tools/convert/source.h"

#define MAX_HEADER (100u << 20)
#define MAX_NAME 512u

static const struct {
    const char *name;
    uint32_t bits;
    enum src_type type;
} dtypes[] = {
    {"F32", 32, SRC_F32},
    {"F16", 16, SRC_F16},
    {"BF16", 16, SRC_BF16},
    {"F64", 64, SRC_UNSUPPORTED},
    {"BOOL", 8, SRC_UNSUPPORTED},
    {"I8", 8, SRC_UNSUPPORTED},
    {"U8", 8, SRC_UNSUPPORTED},
    {"I16", 16, SRC_UNSUPPORTED},
    {"U16", 16, SRC_UNSUPPORTED},
    {"I32", 32, SRC_UNSUPPORTED},
    {"U32", 32, SRC_UNSUPPORTED},
    {"I64", 64, SRC_UNSUPPORTED},
    {"U64", 64, SRC_UNSUPPORTED},
    {"C64", 64, SRC_UNSUPPORTED},
    {"F4", 4, SRC_UNSUPPORTED},
    {"F6_E2M3", 6, SRC_UNSUPPORTED},
    {"F6_E3M2", 6, SRC_UNSUPPORTED},
    {"F8_E5M2", 8, SRC_UNSUPPORTED},
    {"F8_E4M3", 8, SRC_UNSUPPORTED},
    {"F8_E8M0", 8, SRC_UNSUPPORTED},
};

typedef struct header {
    source *s;
    const char *file;
    uint64_t data_at, data_bytes;
} header;

static mote_status fail(const header *h, const char *tensor, const char *what)
{
    return convert_fail(h->s->err, MOTE_ERR_FILE, "%s: tensor %s: %s", h->file, tensor, what);
}

/* ---- one entry: {"dtype": "BF16", "shape": [..], "data_offsets": [begin, end]} --------------- */

static mote_status read_dtype(const header *h, src_tensor *t, const cJSON *item, uint32_t *bits)
{
    if (!cJSON_IsString(item))
        return fail(h, t->name, "it has no dtype");
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(item->valuestring, dtypes[i].name) == 0) {
            t->type = dtypes[i].type;
            t->type_name = dtypes[i].name;
            *bits = dtypes[i].bits;
            return MOTE_OK;
        }
    return convert_fail(h->s->err, MOTE_ERR_FILE, "%s: tensor %s: unknown dtype %s", h->file,
                        t->name, item->valuestring);
}

static mote_status read_shape(const header *h, src_tensor *t, const cJSON *item, mote_checked *n)
{
    *n = mote_checked_of(1);
    if (!cJSON_IsArray(item))
        return fail(h, t->name, "it has no shape");
    for (const cJSON *d = item->child; d; d = d->next) {
        if (t->rank == SRC_MAX_RANK)
            return fail(h, t->name, "more than 8 dimensions");
        if (!json_integer(d, 1, UINT64_C(1) << 53, &t->shape[t->rank]))
            return fail(h, t->name, "a dimension is not a whole number of at least 1");
        *n = mote_checked_mul(*n, t->shape[t->rank++]);
    }
    return MOTE_OK;
}

static mote_status read_offsets(const header *h, src_tensor *t, const cJSON *item)
{
    uint64_t end = 0;
    const cJSON *first = cJSON_IsArray(item) ? item->child : NULL;
    if (!first || !first->next || first->next->next ||
        !json_integer(first, 0, UINT64_C(1) << 53, &t->offset) ||
        !json_integer(first->next, 0, UINT64_C(1) << 53, &end))
        return fail(h, t->name, "data_offsets are not two whole numbers");
    if (end < t->offset)
        return fail(h, t->name, "it ends before it begins");
    if (end > h->data_bytes)
        return fail(h, t->name, "it ends behind the end of the file");
    t->bytes = end - t->offset;
    return MOTE_OK;
}

static mote_status read_entry(const header *h, src_tensor *t, const cJSON *entry)
{
    uint32_t bits = 0;
    mote_checked n;
    mote_status status = read_dtype(h, t, json_get(entry, "dtype"), &bits);
    if (!status)
        status = read_shape(h, t, json_get(entry, "shape"), &n);
    if (!status)
        status = read_offsets(h, t, json_get(entry, "data_offsets"));
    if (status)
        return status;
    n = mote_checked_mul(n, bits);
    if (n.overflow || n.value % 8 || n.value / 8 != t->bytes)
        return fail(h, t->name, "its bytes do not fit its shape");
    return MOTE_OK;
}

static mote_status check_name(const header *h, const char *name)
{
    size_t n = strlen(name);
    bool control = false;
    for (size_t i = 0; i < n; i++)
        control |= (unsigned char)name[i] < 0x20 || (unsigned char)name[i] == 0x7f ||
                   (unsigned char)name[i] == 0xc0;
    if (!n || n > MAX_NAME || control)
        return convert_fail(h->s->err, MOTE_ERR_FILE,
                            "%s: a tensor's name is empty, too long or has control characters",
                            h->file);
    return MOTE_OK;
}

static mote_status check_metadata(const header *h, const cJSON *metadata)
{
    bool ok = cJSON_IsObject(metadata);
    for (const cJSON *m = ok ? metadata->child : NULL; m; m = m->next)
        ok &= cJSON_IsString(m) != 0;
    return ok ? MOTE_OK
              : convert_fail(h->s->err, MOTE_ERR_FILE, "%s: __metadata__ is not a list of texts",
                             h->file);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int compare_offsets(const void *a, const void *b)
{
    const src_tensor *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Sorts by place; afterwards offsets count from the start of the file. */
static mote_status check_cover(const header *h, src_tensor *t, size_t n)
{
    uint64_t end = 0;
    if (n)
        qsort(t, n, sizeof *t, compare_offsets);
    for (size_t i = 0; i < n; i++) {
        if (t[i].offset != end)
            return fail(h, t[i].name,
                        t[i].offset < end ? "it overlaps another tensor"
                                          : "there is a hole in front of it");
        end += t[i].bytes;
        t[i].offset += h->data_at;
    }
    if (end != h->data_bytes)
        return convert_fail(h->s->err, MOTE_ERR_FILE, "%s: %llu bytes behind the last tensor",
                            h->file, (unsigned long long)(h->data_bytes - end));
    return MOTE_OK;
}

static mote_status read_entries(const header *h, const cJSON *root, uint32_t file)
{
    const cJSON *metadata = json_get(root, "__metadata__");
    size_t n = 0, i = 0;
    const char *twin;
    mote_status status = metadata ? check_metadata(h, metadata) : MOTE_OK;
    if (status)
        return status;
    if (!json_keys_unique(root, NULL, &twin))
        return twin ? convert_fail(h->s->err, MOTE_ERR_FILE, "%s: the name %s is there twice",
                                   h->file, twin)
                    : convert_fail(h->s->err, MOTE_ERR_MEMORY, "%s: no memory", h->file);
    for (const cJSON *e = root->child; e; e = e->next)
        n += e != metadata;
    src_tensor *t = source_add_tensors(h->s, n);
    if (!t)
        return h->s->err->status;
    for (const cJSON *e = root->child; e && !status; e = e->next) {
        if (e == metadata)
            continue;
        status = check_name(h, e->string);
        if (status)
            break;
        t[i].name = t[i].label = pool_copy(&h->s->pool, e->string, strlen(e->string), h->s->err);
        t[i].file = file;
        status = t[i].name ? read_entry(h, &t[i], e) : h->s->err->status;
        i++;
    }
    return status ? status : check_cover(h, t, n);
}

/* Reads the length of the header; the header lies inside the file. */
static mote_status read_length(header *h, const src_file *f, uint64_t *n)
{
    uint8_t bytes[8];
    if (f->bytes < 10)
        return convert_fail(h->s->err, MOTE_ERR_FILE, "%s: too short for a safetensors file",
                            h->file);
    mote_status status = file_read(f, 0, bytes, 8, h->s->err);
    if (status)
        return status;
    if (memcmp(bytes, "version ", 8) == 0)
        return convert_fail(h->s->err, MOTE_ERR_FILE,
                            "%s: a Git LFS pointer, not the file itself: fetch it with "
                            "'git lfs pull'",
                            h->file);
    *n = 0;
    for (int i = 7; i >= 0; i--)
        *n = *n << 8 | bytes[i];
    if (*n < 2 || *n > f->bytes - 8 || *n > MAX_HEADER)
        return convert_fail(h->s->err, MOTE_ERR_FILE,
                            "%s: a header of %llu bytes in a file of %llu (at most %u)", h->file,
                            (unsigned long long)*n, (unsigned long long)f->bytes, MAX_HEADER);
    h->data_at = 8 + *n;
    h->data_bytes = f->bytes - h->data_at;
    return MOTE_OK;
}

/* Reads and parses the header. NULL and err on failure. */
static cJSON *read_header(header *h, const src_file *f)
{
    uint64_t n = 0;
    pool local = {0};
    cJSON *root = NULL;
    char *text = read_length(h, f, &n) ? NULL : pool_take(&local, (size_t)n, 1, h->s->err);
    if (text && !file_read(f, 8, text, (size_t)n, h->s->err)) {
        if (*text == '{')
            root = json_parse_counts(f->name, text, (size_t)n, h->s->err);
        else
            convert_fail(h->s->err, MOTE_ERR_FILE, "%s: not a safetensors file", h->file);
    }
    pool_free(&local);
    return root;
}

mote_status safetensors_open(source *s, uint32_t file)
{
    header h = {.s = s, .file = s->files[file].name};
    cJSON *root = read_header(&h, &s->files[file]);
    mote_status status = root ? read_entries(&h, root, file) : s->err->status;
    cJSON_Delete(root);
    return status;
}
