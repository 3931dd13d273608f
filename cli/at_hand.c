/* at_hand.c: finds and lists models on the disk. Nothing here is trusted: names become paths only
 * when they are plain, and what a manifest says is checked. Read at_hand.h first.
 */
#define _GNU_SOURCE
#include "cli/at_hand.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/registry.h"

const char *const cli_store_names[CLI_STORES] = {"models", "hub", "ollama", "llama.cpp"};

/* ---- folders -------------------------------------------------------------------------------- */

static bool join(char path[CLI_PATH], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool join(char path[CLI_PATH], const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int n = vsnprintf(path, CLI_PATH, format, list);
    va_end(list);
    return n > 0 && n < CLI_PATH;
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* The variables that name a store's folder, in order; then what is below home. */
static bool folder_of(cli_store store, char path[CLI_PATH])
{
    static const struct {
        cli_store store;
        const char *variable, *below;
    } places[] = {{CLI_STORE_MODELS, "MOTE_MODELS", ""},
                  {CLI_STORE_MODELS, "XDG_DATA_HOME", "/mote"},
                  {CLI_STORE_MODELS, "HOME", "/.local/share/mote"},
                  {CLI_STORE_HUB, "HF_HUB_CACHE", ""},
                  {CLI_STORE_HUB, "HF_HOME", "/hub"},
                  {CLI_STORE_HUB, "XDG_CACHE_HOME", "/huggingface/hub"},
                  {CLI_STORE_HUB, "HOME", "/.cache/huggingface/hub"},
                  {CLI_STORE_OLLAMA, "OLLAMA_MODELS", ""},
                  {CLI_STORE_OLLAMA, "HOME", "/.ollama/models"},
                  {CLI_STORE_LLAMA, "LLAMA_CACHE", ""},
                  {CLI_STORE_LLAMA, "XDG_CACHE_HOME", "/llama.cpp"},
                  {CLI_STORE_LLAMA, "HOME", "/.cache/llama.cpp"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *value = places[i].store == store ? variable(places[i].variable) : NULL;
        if (value && (*value == '/' || !*places[i].below))
            return join(path, "%s%s", value, places[i].below);
    }
    return false;
}

bool cli_ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n > k && strcmp(name + n - k, end) == 0;
}

/* May it be a part of a path? At most `slashes` folders, none of which begins with a point. */
static bool is_plain(const char *name, size_t slashes)
{
    for (const char *c = name; *c; c++) {
        if ((c == name || c[-1] == '/') && (*c == '.' || *c == '/'))
            return false;
        if (*c == '/' && slashes-- == 0)
            return false;
    }
    return *name && name[strlen(name) - 1] != '/' && strlen(name) < 160;
}

static uint64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

typedef bool visit_fn(void *user, const char *folder, const char *name);

/* Calls fn for what is in a folder, by name, until it returns true. */
static bool visit(const char *folder, visit_fn *fn, void *user)
{
    struct dirent **names = NULL;
    bool found = false;
    int n = scandir(folder, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (!found && names[i]->d_name[0] != '.')
            found = fn(user, folder, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return found;
}

/* ---- Hugging Face's cache -------------------------------------------------------------------- */

static bool take_snapshot(void *user, const char *folder, const char *name)
{
    char config[CLI_PATH];
    return join(config, "%s/%s/config.json", folder, name) && access(config, R_OK) == 0 &&
           join(user, "%s/%s", folder, name);
}

/* The snapshot of a repository's folder: that of its main branch, else the first one. */
static bool snapshot_of(const char *repository, char path[CLI_PATH])
{
    char file[CLI_PATH], revision[80], folder[CLI_PATH];
    if (!join(folder, "%s/snapshots", repository) || !join(file, "%s/refs/main", repository))
        return false;
    cli_read_small(file, revision, sizeof revision);
    revision[strcspn(revision, "\r\n")] = 0;
    return (is_plain(revision, 0) && take_snapshot(path, folder, revision)) ||
           visit(folder, take_snapshot, path);
}

static bool find_hub(const char *name, char path[CLI_PATH])
{
    char folder[CLI_PATH], repository[CLI_PATH];
    const char *slash = strchr(name, '/');
    return slash && is_plain(name, 1) && folder_of(CLI_STORE_HUB, folder) &&
           join(repository, "%s/models--%.*s--%s", folder, (int)(slash - name), name, slash + 1) &&
           snapshot_of(repository, path);
}

static bool add_weights(void *user, const char *folder, const char *name)
{
    char path[CLI_PATH];
    if (cli_ends_with(name, ".safetensors") && join(path, "%s/%s", folder, name))
        *(uint64_t *)user += size_of(path);
    return false;
}

/* ---- Ollama ---------------------------------------------------------------------------------- */

/* "sha256:" and 64 digits, as the name of a file. */
static bool read_digest(const mote_value *v, char name[72])
{
    if (!v || v->kind != MOTE_VALUE_STRING || v->as.string.bytes != 71 ||
        memcmp(v->as.string.ptr, "sha256:", 7) != 0)
        return false;
    memcpy(name, v->as.string.ptr, 71);
    name[71] = 0;
    name[6] = '-';
    return strspn(name + 7, "0123456789abcdef") == 64;
}

/* The file of weights that a manifest names. */
static bool blob_of(const char *manifest, const char *store, char path[CLI_PATH])
{
    char text[8192], digest[72];
    mote_value tree;
    mote_error err;
    size_t n = cli_read_small(manifest, text, sizeof text), room = 64 * (n + 1);
    void *memory = malloc(room);
    bool found = false;
    if (memory && n && !cli_json_parse(&tree, text, n, memory, room, &err)) {
        const mote_value *layers = tree.kind == MOTE_VALUE_DICT ? cli_get(&tree, "layers") : NULL;
        for (size_t i = 0; layers && layers->kind == MOTE_VALUE_LIST && i < layers->as.list.n;
             i++) {
            const mote_value *l = &layers->as.list.items[i];
            if (!found && l->kind == MOTE_VALUE_DICT &&
                cli_is_string(cli_get(l, "mediaType"), "application/vnd.ollama.image.model") &&
                read_digest(cli_get(l, "digest"), digest))
                found = join(path, "%s/blobs/%s", store, digest) && size_of(path);
        }
    }
    free(memory);
    return found;
}

/* NAME[:TAG], with or without the folders that Ollama itself leaves out. */
static bool find_ollama(const char *name, char path[CLI_PATH])
{
    char store[CLI_PATH], manifest[CLI_PATH];
    size_t n = strcspn(name, ":"), slashes = 0;
    const char *tag = name[n] ? name + n + 1 : "latest";
    for (size_t i = 0; i < n; i++)
        slashes += name[i] == '/';
    const char *before = slashes == 0   ? "registry.ollama.ai/library/"
                         : slashes == 1 ? "registry.ollama.ai/"
                                        : "";
    return is_plain(name, 2) && is_plain(tag, 0) && folder_of(CLI_STORE_OLLAMA, store) &&
           join(manifest, "%s/manifests/%s%.*s/%s", store, before, (int)n, name, tag) &&
           blob_of(manifest, store, path);
}

/* ---- by name --------------------------------------------------------------------------------- */

static bool find_file(cli_store store, const char *name, char path[CLI_PATH])
{
    static const char *const ends[] = {"", ".mote", ".gguf"};
    char folder[CLI_PATH];
    if (!is_plain(name, 0) || !folder_of(store, folder))
        return false;
    for (size_t i = 0; i < 3; i++)
        if (join(path, "%s/%s%s", folder, name, ends[i]) && access(path, R_OK) == 0)
            return true;
    return false;
}

static bool find_known(const char *name, char path[CLI_PATH])
{
    cli_registry r;
    char hub[200];
    if (cli_registry_open(&r))
        return false;
    const cli_known *k = cli_registry_find(&r, name);
    const mote_value *v = k ? cli_get(k->row, "hub") : NULL;
    bool found = v && v->kind == MOTE_VALUE_STRING && v->as.string.bytes < sizeof hub;
    if (found)
        snprintf(hub, sizeof hub, "%.*s", (int)v->as.string.bytes, v->as.string.ptr);
    cli_registry_close(&r);
    return found && find_hub(hub, path);
}

const char *cli_find_model(const char *name, char path[CLI_PATH])
{
    if (cli_is_builtin(name) || access(name, F_OK) == 0)
        return name;
    if (find_file(CLI_STORE_MODELS, name, path))
        return path;
    if (cli_builtin().base && strcmp(name, cli_builtin_name) == 0)
        return cli_builtin_name;
    bool found = find_hub(name, path) || find_known(name, path) || find_ollama(name, path) ||
                 find_file(CLI_STORE_LLAMA, name, path);
    return found ? path : name;
}

/* ---- all of them ----------------------------------------------------------------------------- */

typedef struct collector {
    cli_places *places;
    cli_store store;
    const char *folder; /* of the store */
    size_t skip;        /* of a path, in front of the name */
    int depth;
    bool failed;
} collector;

static void add(collector *c, const char *name, const char *path, uint64_t bytes)
{
    cli_places *p = c->places;
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 16;
        cli_place *more = realloc(p->at, cap * sizeof *more);
        c->failed |= !more;
        if (!more)
            return;
        p->at = more;
        p->cap = cap;
    }
    cli_place *at = &p->at[p->n++];
    *at = (cli_place){.store = c->store, .bytes = bytes};
    snprintf(at->name, sizeof at->name, "%s", name);
    snprintf(at->path, sizeof at->path, "%s", path);
}

static bool add_file(void *user, const char *folder, const char *name)
{
    collector *c = user;
    char path[CLI_PATH];
    bool fits = (c->store == CLI_STORE_MODELS && cli_ends_with(name, ".mote")) ||
                cli_ends_with(name, ".gguf");
    if (fits && join(path, "%s/%s", folder, name) && size_of(path))
        add(c, name, path, size_of(path));
    return c->failed;
}

static bool add_repository(void *user, const char *folder, const char *name)
{
    collector *c = user;
    char path[CLI_PATH], repository[CLI_PATH], hub[CLI_PATH];
    uint64_t bytes = 0;
    const char *middle = strncmp(name, "models--", 8) == 0 ? strstr(name + 8, "--") : NULL;
    if (!middle || !join(repository, "%s/%s", folder, name) || !snapshot_of(repository, path))
        return false;
    visit(path, add_weights, &bytes);
    if (join(hub, "%.*s/%s", (int)(middle - name - 8), name + 8, middle + 2))
        add(c, hub, path, bytes);
    return c->failed;
}

/* Manifests lie at HOST/NAMESPACE/NAME/TAG. */
static bool add_manifest(void *user, const char *folder, const char *name)
{
    collector *c = user;
    char path[CLI_PATH], blob[CLI_PATH], full[CLI_PATH];
    static const char *const usual[] = {"registry.ollama.ai/library/", "registry.ollama.ai/"};
    if (!join(path, "%s/%s", folder, name))
        return false;
    if (c->depth < 3) {
        c->depth++;
        bool ends = visit(path, add_manifest, user);
        c->depth--;
        return ends;
    }
    if (!join(full, "%s:%s", folder + c->skip, name) || !blob_of(path, c->folder, blob))
        return false;
    const char *shown = full;
    for (size_t i = 0; i < 2 && shown == full; i++)
        if (strncmp(full, usual[i], strlen(usual[i])) == 0)
            shown = full + strlen(usual[i]);
    add(c, shown, blob, size_of(blob));
    return c->failed;
}

int cli_places_open(cli_places *p)
{
    *p = (cli_places){0};
    collector c = {.places = p};
    for (int store = 0; store < CLI_STORES && !c.failed; store++) {
        char folder[CLI_PATH], manifests[CLI_PATH];
        c.store = (cli_store)store;
        c.folder = folder;
        if (!folder_of(c.store, folder))
            continue;
        if (c.store == CLI_STORE_HUB) {
            visit(folder, add_repository, &c);
        } else if (c.store != CLI_STORE_OLLAMA) {
            visit(folder, add_file, &c);
        } else if (join(manifests, "%s/manifests", folder)) {
            c.skip = strlen(manifests) + 1;
            visit(manifests, add_manifest, &c);
        }
    }
    if (!c.failed)
        return 0;
    cli_places_close(p);
    return cli_no_memory();
}

void cli_places_close(cli_places *p)
{
    free(p->at);
    *p = (cli_places){0};
}

/* ---- looking --------------------------------------------------------------------------------- */

static bool peek_model(cli_engine *e)
{
    mote_error err;
    if (mote_image_open(&e->image, e->file.base, e->file.bytes, &err))
        return false;
    mote_image_get_info(&e->image, &e->info);
    e->used.model = e->info.n_layers ? mote_model_bytes(&e->image, &err) : 0;
    void *memory = e->used.model ? mote_host_alloc(e->used.model) : NULL;
    if (memory && !mote_model_init(&e->model, memory, e->used.model, &e->image, NULL, &err))
        return true;
    mote_host_free(memory);
    return false;
}

static void peek_tokenizer(cli_engine *e)
{
    mote_error err;
    size_t bytes = mote_tokenizer_bytes();
    void *memory = mote_host_alloc(bytes);
    if (memory && !mote_tokenizer_init(&e->tokenizer, memory, bytes, &e->image, &err))
        e->used.tokenizer = bytes;
    else
        mote_host_free(memory);
}

bool cli_peek(cli_engine *e, const cli_opts *o, const char *path)
{
    mote_error err;
    *e = (cli_engine){.o = o};
    if (cli_map(&e->file, path, &err))
        return false;
    if (peek_model(e)) {
        peek_tokenizer(e);
        return true;
    }
    cli_engine_close(e);
    return false;
}
