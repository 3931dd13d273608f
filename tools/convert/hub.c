/* hub.c: a model folder as the hub hands it out: configuration and weights, in one file or in
 * shards. Read source.h first; hub_text.c reads the rest.
 *
 * The hub's own cache makes such folders of links into a store, so links to regular files are
 * followed. Names that come from inside a file are base names of this folder and nothing else.
 */
#define _GNU_SOURCE
#include "tools/convert/hub.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INDEX "model.safetensors.index.json"
#define MAX_INDEX_JSON (64u << 20)

mote_status hub_read_text(source *s, int dir_fd, const char *name, size_t max_bytes, char **text,
                          size_t *bytes)
{
    src_file f;
    bool missing = false;
    *text = NULL;
    mote_status status = source_open_file(s, &f, dir_fd, name, name, &missing);
    if (status || missing)
        return status;
    *bytes = f.bytes < max_bytes ? (size_t)f.bytes : max_bytes;
    *text = pool_take(&s->pool, *bytes + 1, 1, s->err);
    status = *text ? file_read(&f, 0, *text, *bytes, s->err) : s->err->status;
    file_close(&f);
    return status;
}

static mote_status check_keys(const source *s, const char *name, const cJSON *root)
{
    const char *twin;
    if (json_keys_unique(root, NULL, &twin))
        return MOTE_OK;
    if (twin)
        return convert_fail(s->err, MOTE_ERR_FILE, "%s: the key %s is there twice", name, twin);
    return convert_fail(s->err, MOTE_ERR_MEMORY, "%s: no memory", name);
}

static mote_status parse_file(source *s, const src_file *f, size_t max_bytes, bool unique,
                              cJSON **out)
{
    char *text = NULL;
    pool local = {0};
    mote_status status = file_read_all(f, max_bytes, &local, &text, s->err);
    if (!status && !(*out = json_parse(f->name, text, (size_t)f->bytes, s->err)))
        status = s->err->status;
    if (!status && unique)
        status = check_keys(s, f->name, *out);
    pool_free(&local);
    return status;
}

mote_status hub_read_json(source *s, int dir_fd, const char *name, size_t max_bytes, bool unique,
                          cJSON **out)
{
    src_file f;
    bool missing = false;
    *out = NULL;
    mote_status status = source_open_file(s, &f, dir_fd, name, name, &missing);
    if (status || missing)
        return status;
    status = parse_file(s, &f, max_bytes, unique, out);
    file_close(&f);
    return status;
}

/* ---- weights -------------------------------------------------------------------------------- */

static mote_status open_weights(source *s, int dir_fd, const char *name, bool *missing)
{
    src_file *f = source_add_file(s);
    if (!f)
        return s->err->status;
    mote_status status = source_open_file(s, f, dir_fd, name, name, missing);
    if (missing && *missing)
        s->n_files--;
    return status || (missing && *missing) ? status
                                           : safetensors_open(s, (uint32_t)(s->n_files - 1));
}

/* A shard's name must not lead out of the folder, whatever it says. */
bool hub_is_base_name(const char *name)
{
    size_t n = strlen(name);
    bool plain = n > 0 && n <= 255 && name[0] != '.';
    for (size_t i = 0; i < n; i++)
        plain &= name[i] != '/' && name[i] != '\\' && (unsigned char)name[i] >= 0x20;
    return plain;
}

/* Number of the file with this name, opened when it is the first time. */
static mote_status shard_number(source *s, int dir_fd, const char *name, uint32_t *number)
{
    for (size_t i = s->n_files; i-- > 0;)
        if (strcmp(s->files[i].name, name) == 0) {
            *number = (uint32_t)i;
            return MOTE_OK;
        }
    if (!hub_is_base_name(name))
        return convert_fail(s->err, MOTE_ERR_FILE,
                            INDEX ": the shard name '%s' is no plain file name", name);
    char *copy = pool_copy(&s->pool, name, strlen(name), s->err);
    *number = (uint32_t)s->n_files;
    return copy ? open_weights(s, dir_fd, copy, NULL) : s->err->status;
}

static int compare_tensors(const void *a, const void *b)
{
    return strcmp(((const src_tensor *)a)->name, ((const src_tensor *)b)->name);
}

/* Each tensor of the map lies in the shard it names, and the shards have no others. */
static mote_status check_map(source *s, const cJSON *map, const uint32_t *shards)
{
    size_t i = 0;
    qsort(s->tensors, s->n_tensors, sizeof *s->tensors, compare_tensors);
    for (const cJSON *m = map->child; m; m = m->next, i++) {
        src_tensor *t = source_find(s, m->string);
        if (!t)
            return convert_fail(s->err, MOTE_ERR_FILE, INDEX ": tensor %s is not in %s", m->string,
                                m->valuestring);
        if (t->file != shards[i])
            return convert_fail(s->err, MOTE_ERR_FILE, INDEX ": tensor %s is in %s, not in %s",
                                m->string, s->files[t->file].name, m->valuestring);
        t->used = true;
    }
    for (i = 1; i < s->n_tensors; i++)
        if (strcmp(s->tensors[i - 1].name, s->tensors[i].name) == 0)
            return convert_fail(s->err, MOTE_ERR_FILE, "tensor %s is in two shards",
                                s->tensors[i].name);
    for (i = 0; i < s->n_tensors; i++) {
        if (!s->tensors[i].used)
            return convert_fail(s->err, MOTE_ERR_FILE, INDEX ": it lacks tensor %s of %s",
                                s->tensors[i].name, s->files[s->tensors[i].file].name);
        s->tensors[i].used = false;
    }
    return MOTE_OK;
}

static mote_status open_shards(source *s, int dir_fd, const cJSON *map)
{
    size_t n = 0, i = 0;
    pool local = {0};
    mote_status status = MOTE_OK;
    for (const cJSON *m = cJSON_IsObject(map) ? map->child : NULL; m; m = m->next, n++)
        if (!cJSON_IsString(m))
            n = SIZE_MAX / 2;
    if (!n || n > SRC_MAX_TENSORS)
        return convert_fail(s->err, MOTE_ERR_FILE,
                            INDEX ": no weight_map of tensor and file names");
    uint32_t *shards = pool_take(&local, n, sizeof *shards, s->err);
    if (!shards)
        status = s->err->status;
    for (const cJSON *m = map->child; m && !status; m = m->next)
        status = shard_number(s, dir_fd, m->valuestring, &shards[i++]);
    if (!status)
        status = check_map(s, map, shards);
    pool_free(&local);
    return status;
}

/* No weights that can be read: what is there instead? */
static mote_status refuse_weights(const source *s, int dir_fd)
{
    static const char *const other[] = {"pytorch_model.bin", "pytorch_model.bin.index.json",
                                        "model.bin",         "consolidated.00.pth",
                                        "tf_model.h5",       "flax_model.msgpack"};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (faccessat(dir_fd, other[i], F_OK, 0) == 0)
            return convert_fail(s->err, MOTE_ERR_UNSUPPORTED,
                                "%s: only model.safetensors is read (the other formats can run "
                                "code): get the model as safetensors",
                                other[i]);
    return convert_fail(s->err, MOTE_ERR_FILE, "model.safetensors is missing");
}

static mote_status read_weights(source *s, int dir_fd)
{
    bool missing = false;
    cJSON *index = NULL;
    mote_status status = open_weights(s, dir_fd, "model.safetensors", &missing);
    if (status || !missing)
        return status;
    status = hub_read_json(s, dir_fd, INDEX, MAX_INDEX_JSON, true, &index);
    if (!status)
        status = index ? open_shards(s, dir_fd, json_get(index, "weight_map"))
                       : refuse_weights(s, dir_fd);
    cJSON_Delete(index);
    return status;
}

static mote_status check_config(source *s)
{
    if (s->config && !cJSON_IsObject(s->config))
        return convert_fail(s->err, MOTE_ERR_FILE, "%s: not an object", s->config_file);
    if (!s->config && !s->opts->tokenizer_only)
        return convert_fail(s->err, MOTE_ERR_FILE, "%s is missing", s->config_file);
    return s->opts->tokenizer_only ? MOTE_OK : source_check_family(s);
}

mote_status hub_open(source *s, int dir_fd)
{
    char text[300] = "hub folder ";
    const mote_text name = s->texts[MOTE_STR_NAME];
    size_t n = strlen(text), room = sizeof text - n;
    memcpy(text + n, name.ptr, name.bytes < room ? name.bytes : room);
    s->config_file = "config.json";
    s->unread = !s->opts->output;
    mote_status status =
        source_set_text(s, MOTE_STR_SOURCE, text, n + (name.bytes < room ? name.bytes : room));
    if (!status)
        status = hub_read_json(s, dir_fd, "config.json", HUB_MAX_JSON, true, &s->config);
    if (!status)
        status = check_config(s);
    if (!status && !s->opts->tokenizer_only)
        status = hub_read_pooling(s, dir_fd);
    if (!status)
        status = hub_read_texts(s, dir_fd);
    if (!status && !s->opts->tokenizer_only && !s->unread)
        status = read_weights(s, dir_fd);
    return status;
}

mote_status hub_open_config(source *s)
{
    const mote_text text = s->opts->config;
    mote_status status = MOTE_OK;
    s->config_file = text.ptr ? s->opts->source : s->files[0].name;
    s->unread = true;
    if (!text.ptr)
        status = parse_file(s, &s->files[0], HUB_MAX_JSON, true, &s->config);
    else if (!(s->config = json_parse(s->config_file, text.ptr, text.bytes, s->err)))
        status = s->err->status;
    return status ? status : check_config(s);
}
