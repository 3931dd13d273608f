/* source.c: finds out what a source is, and the parts all readers share. Read source.h first. */
#define _GNU_SOURCE
#include "tools/convert/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/image.h"

/* ---- what the readers share ----------------------------------------------------------------- */

void source_note(const source *s, const char *format, ...)
{
    mote_convert_error line;
    char text[512];
    va_list args;
    if (!s->opts->note)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    convert_fail(&line, MOTE_OK, "%s", text); /* makes it printable */
    s->opts->note(s->opts->user, line.text);
}

src_file *source_add_file(source *s)
{
    if (!s->files && !(s->files = pool_take(&s->pool, SRC_MAX_FILES, sizeof *s->files, s->err)))
        return NULL;
    if (s->n_files == SRC_MAX_FILES) {
        convert_fail(s->err, MOTE_ERR_UNSUPPORTED, "more than %d files of weights", SRC_MAX_FILES);
        return NULL;
    }
    s->files[s->n_files].fd = -1;
    return &s->files[s->n_files++];
}

/* Old arrays stay in the pool; as each is at least twice the one before, they are no more than the
 * last one together. */
src_tensor *source_add_tensors(source *s, size_t n)
{
    if (n > SRC_MAX_TENSORS - s->n_tensors) {
        convert_fail(s->err, MOTE_ERR_UNSUPPORTED, "more than %u tensors", SRC_MAX_TENSORS);
        return NULL;
    }
    if (!s->tensors || s->n_tensors + n > s->cap_tensors) {
        size_t cap = s->n_tensors + n > 2 * s->cap_tensors ? s->n_tensors + n : 2 * s->cap_tensors;
        src_tensor *all = pool_take(&s->pool, cap, sizeof *all, s->err);
        if (!all)
            return NULL;
        if (s->n_tensors)
            memcpy(all, s->tensors, s->n_tensors * sizeof *all);
        s->tensors = all;
        s->cap_tensors = cap;
    }
    s->n_tensors += n;
    return s->tensors + s->n_tensors - n;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const src_tensor *)a)->name, ((const src_tensor *)b)->name);
}

src_tensor *source_find(const source *s, const char *name)
{
    src_tensor key = {.name = name};
    return s->n_tensors ? bsearch(&key, s->tensors, s->n_tensors, sizeof key, compare_names) : NULL;
}

/* O_NONBLOCK: opening a FIFO must not wait for its writer. */
mote_status source_open_file(source *s, src_file *f, int dir_fd, const char *path, const char *name,
                             bool *missing)
{
    struct stat st = {0};
    *f = (src_file){.fd = openat(dir_fd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY),
                    .name = name};
    if (missing)
        *missing = f->fd < 0 && errno == ENOENT;
    if (missing && *missing)
        return MOTE_OK;
    if (f->fd < 0)
        return convert_fail(s->err, MOTE_ERR_IO, "%s: cannot be opened: %s", name, strerror(errno));
    bool regular = fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode);
    if (regular && !(s->output_ino == st.st_ino && s->output_dev == st.st_dev)) {
        f->bytes = (uint64_t)st.st_size;
        return MOTE_OK;
    }
    file_close(f);
    if (!regular)
        return convert_fail(s->err, MOTE_ERR_FILE, "%s: not a regular file", name);
    return convert_fail(s->err, MOTE_ERR_LIMIT, "%s: the output is one of the inputs", name);
}

/* Texts of the file must be valid UTF-8; the names of files need not be, so they are mended. */
mote_status source_set_text(source *s, int which, const char *text, size_t bytes)
{
    char *copy = pool_copy(&s->pool, text, bytes, s->err);
    if (!copy)
        return s->err->status;
    if (!mote_utf8_valid(copy, bytes))
        for (size_t i = 0; i < bytes; i++)
            copy[i] = (unsigned char)copy[i] < 0x80 ? copy[i] : '?';
    s->texts[which] = (mote_text){copy, bytes};
    return MOTE_OK;
}

mote_status source_add_end_id(source *s, const char *file, uint64_t id)
{
    for (size_t i = 0; i < s->n_end_ids; i++)
        if (s->end_ids[i] == id)
            return MOTE_OK;
    if (id >= MOTE_MAX_DIM)
        return convert_fail(s->err, MOTE_ERR_FILE, "%s: end token %llu is no token", file,
                            (unsigned long long)id);
    if (s->n_end_ids == MOTE_MAX_END_IDS)
        return convert_fail(s->err, MOTE_ERR_UNSUPPORTED, "%s: more than %d end tokens", file,
                            MOTE_MAX_END_IDS);
    s->end_ids[s->n_end_ids++] = (uint32_t)id;
    return MOTE_OK;
}

/* Tokens that end a turn in the published templates; a model stops at those its template writes,
 * even where its configuration forgets them. */
mote_status source_add_turn_ends(source *s)
{
    static const char *const ends[] = {"<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>"};
    mote_text template = s->texts[MOTE_STR_CHAT_TEMPLATE];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        mote_text end = {ends[i], strlen(ends[i])};
        if (!template.bytes || !memmem(template.ptr, template.bytes, end.ptr, end.bytes))
            continue;
        int32_t id = tok_find(&s->tok, end);
        mote_status status = id < 0 ? MOTE_OK : source_add_end_id(s, "chat template", (uint32_t)id);
        if (status)
            return status;
    }
    return MOTE_OK;
}

/* ---- what it is ----------------------------------------------------------------------------- */

/* Formats that people hand in by mistake, by their first bytes. */
static mote_status refuse_foreign(const source *s, const src_file *f, const char *head, size_t n)
{
    static const struct {
        const char *magic;
        size_t bytes;
        mote_status status;
        const char *what;
    } formats[] = {
        {"PK\x03\x04", 4, MOTE_ERR_UNSUPPORTED,
         "a PyTorch archive (it can run code): get the model as safetensors"},
        {"\x80\x02\x8a", 3, MOTE_ERR_UNSUPPORTED, /* a checkpoint of dim 640 starts 80 02 00 */
         "a Python pickle (it can run code): get the model as safetensors"},
        {"version https://git-lfs", 23, MOTE_ERR_FILE,
         "a Git LFS pointer, not the file itself: fetch it with 'git lfs pull'"},
        {"42ka", 4, MOTE_ERR_UNSUPPORTED,
         "a llama2.c checkpoint of version 1 or 2 (version 0 is known)"},
        {"\x7f"
         "ELF",
         4, MOTE_ERR_FILE, "a program, not a model"},
        {"<!DOCTYPE", 9, MOTE_ERR_FILE, "a web page, not a model"},
        {"<html", 5, MOTE_ERR_FILE, "a web page, not a model"},
        {"\x1f\x8b", 2, MOTE_ERR_FILE, "gzip: unpack it first"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (n >= formats[i].bytes && memcmp(head, formats[i].magic, formats[i].bytes) == 0)
            return convert_fail(s->err, formats[i].status, "%s: %s", f->name, formats[i].what);
    if (n > 8 && head[8] == '{' && memcmp(head + 4, "\0\0\0", 4) == 0)
        return convert_fail(s->err, MOTE_ERR_FILE,
                            "%s: a safetensors file alone: name the folder it lies in", f->name);
    return MOTE_OK;
}

static mote_status refuse_vocab(source *s, const char *name)
{
    return convert_fail(s->err, MOTE_ERR_LIMIT,
                        "--vocab: only llama2.c checkpoints take one; %s has its own tokenizer",
                        name);
}

/* A .mote file: by its index or, if that is damaged, by how its JSON begins. */
static bool is_own(const src_file *f, const char *head, size_t n)
{
    static const char json[] = "{\"__metadata__\":{\"format\":\"mote\"";
    mote_convert_error none;
    uint64_t length = 0;
    char magic[8];
    if (n < 8 + sizeof json)
        return false;
    memcpy(&length, head, sizeof length);
    if (memcmp(head + 8, json, sizeof json - 1) == 0)
        return true;
    return head[8] == '{' && length < f->bytes && f->bytes - length >= 8 + sizeof magic &&
           !file_read(f, 8 + length, magic, sizeof magic, &none) &&
           memcmp(magic, MOTE_MAGIC, sizeof magic) == 0;
}

static mote_status open_file(source *s, const char *name)
{
    char head[48];
    src_file *f = source_add_file(s);
    mote_status status =
        f ? source_open_file(s, f, AT_FDCWD, s->opts->source, name, NULL) : s->err->status;
    size_t n = status || f->bytes > sizeof head ? sizeof head : (size_t)f->bytes;
    if (!status)
        status = file_read(f, 0, head, n, s->err);
    if (!status && n >= 4 && memcmp(head, "GGUF", 4) == 0)
        return s->opts->vocab ? refuse_vocab(s, name) : gguf_open(s);
    if (!status && is_own(f, head, n))
        return s->opts->vocab ? refuse_vocab(s, name) : own_open(s);
    if (!status && n && *head == '{' && !s->opts->output)
        return hub_open_config(s);
    if (!status)
        status = refuse_foreign(s, f, head, n);
    if (!status && !s->opts->vocab)
        status = convert_fail(s->err, MOTE_ERR_FILE,
                              "%s: neither a model folder, a .gguf nor a .mote file (a llama2.c "
                              "checkpoint needs its tokenizer too: --vocab)",
                              name);
    return status ? status : llama2c_open(s);
}

/* In the hub's cache, .../models--ORG--NAME/snapshots/REVISION, a folder is called by its revision;
 * this gives NAME, else the path's last part. Cuts the path. */
static const char *last_name(char *path)
{
    static const char marker[] = "/snapshots";
    char *slash = strrchr(path, '/');
    size_t before = (size_t)(slash - path), n = sizeof marker - 1;
    if (before < n || memcmp(slash - n, marker, n) != 0)
        return slash + 1;
    slash[-(ptrdiff_t)n] = 0;
    const char *folder = strrchr(path, '/');
    const char *own =
        folder && strncmp(folder, "/models--", 9) == 0 ? strstr(folder + 9, "--") : NULL;
    return own && own[2] ? own + 2 : slash + 1;
}

/* The last part of the real path, so that "." and links have a name too. */
static const char *base_name(source *s)
{
    char *path = realpath(s->opts->source, NULL);
    const char *name = path ? last_name(path) : "";
    char *copy = path ? pool_copy(&s->pool, name, strlen(name), s->err) : NULL;
    if (!path)
        convert_fail(s->err, errno == ENOMEM ? MOTE_ERR_MEMORY : MOTE_ERR_IO,
                     "%s: cannot be opened: %s", s->opts->source, strerror(errno));
    free(path);
    return copy;
}

static const char *find_twin(const source *s)
{
    for (size_t i = 1; i < s->n_tensors; i++)
        if (strcmp(s->tensors[i - 1].name, s->tensors[i].name) == 0)
            return s->tensors[i].label;
    return NULL;
}

mote_status source_open(source *s, const mote_convert_opts *opts, mote_convert_error *err)
{
    struct stat st;
    *s = (source){.opts = opts, .err = err, .bos_id = -1};
    if (opts->output && stat(opts->output, &st) == 0) {
        s->output_dev = st.st_dev;
        s->output_ino = st.st_ino;
    }
    if (opts->config.ptr) {
        mote_status own = source_set_text(s, MOTE_STR_NAME, opts->source, strlen(opts->source));
        return own ? own : hub_open_config(s);
    }
    const char *name = base_name(s), *twin;
    if (!name)
        return err->status;
    int dir = open(opts->source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno != ENOTDIR)
        return convert_fail(err, MOTE_ERR_IO, "%s: cannot be opened: %s", opts->source,
                            strerror(errno));
    mote_status status = source_set_text(s, MOTE_STR_NAME, name, strlen(name));
    if (!status && dir >= 0)
        status = opts->vocab ? refuse_vocab(s, name) : hub_open(s, dir);
    else if (!status)
        status = open_file(s, name);
    if (dir >= 0)
        close(dir);
    if (status)
        return status; /* tensors may have no names yet */
    if (s->n_tensors)
        qsort(s->tensors, s->n_tensors, sizeof *s->tensors, compare_names);
    twin = find_twin(s);
    return twin ? convert_fail(err, MOTE_ERR_FILE, "tensor %s is there twice", twin) : MOTE_OK;
}

void source_close(source *s)
{
    for (size_t i = 0; i < s->n_files; i++)
        file_close(&s->files[i]);
    cJSON_Delete(s->config);
    cJSON_Delete(s->modules);
    cJSON_Delete(s->pooling);
    cJSON_Delete(s->sentence);
    cJSON_Delete(s->transformers);
    tok_free(&s->tok);
    pool_free(&s->pool);
    *s = (source){.bos_id = -1};
}
