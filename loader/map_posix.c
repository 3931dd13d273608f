/* map_posix.c: files and memory of a hosted program. The only place with mmap. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/mote_error.h"
#include "include/mote_host.h"
#include "loader/format.h"

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

/* ---- memory --------------------------------------------------------------------------------- */

/* The size of a mapping stands in front of it, in as many bytes as keep the alignment. */
void *mote_host_alloc(size_t bytes)
{
    if (bytes > SIZE_MAX - MOTE_ALIGN)
        return NULL;
    size_t all = bytes + MOTE_ALIGN;
    char *p = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    memcpy(p, &all, sizeof all);
    return p + MOTE_ALIGN;
}

void mote_host_free(void *ptr)
{
    size_t all;
    if (!ptr)
        return;
    char *p = (char *)ptr - MOTE_ALIGN;
    memcpy(&all, p, sizeof all);
    munmap(p, all);
}

/* ---- files ---------------------------------------------------------------------------------- */

static const char *kind_of_node(mode_t mode)
{
    if (S_ISDIR(mode))
        return "is a folder";
    return S_ISFIFO(mode) ? "is a pipe, not a regular file" : "is not a regular file";
}

static const char *open_failure(int number)
{
    switch (number) {
    case ENOENT: return "there is no such file";
    case EACCES: return "no permission to read it";
    case ENOTDIR: return "a part of the path is no folder";
    case ELOOP: return "too many symbolic links";
    case ENAMETOOLONG: return "the name is too long";
    case EMFILE:
    case ENFILE: return "too many open files";
    case ENXIO: return "is not a regular file";
    default: return "cannot be opened";
    }
}

/* Gives the index, and the page behind it with the tokenizer's header, pages of our own: others may
 * write to the file while we use it, and everything that bounds an access has been checked once. */
static bool keep_index(const mote_file *f)
{
    const uint8_t *base = f->base;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t n, begin, end;
    mote_index head;
    if (f->bytes < 8 + sizeof head)
        return true;
    memcpy(&n, base, sizeof n);
    if (n > MOTE_MAX_JSON || n > f->bytes - 8 - sizeof head)
        return true; /* no .mote file, as below: it will be refused */
    memcpy(&head, base + 8 + n, sizeof head);
    if (memcmp(head.magic, MOTE_MAGIC, sizeof head.magic) != 0 || head.index_bytes > MOTE_MAX_INDEX)
        return true;
    begin = (8 + n) / page * page;
    end = 8 + n + head.index_bytes + page;
    end = end < f->bytes ? end : f->bytes;
    uint8_t *own = (uint8_t *)(uintptr_t)base + begin;
    if (mprotect(own, (size_t)(end - begin), PROT_READ | PROT_WRITE) != 0)
        return false;
    for (uint64_t at = 0; at < end - begin; at += page)
        *(volatile uint8_t *)(own + at) = own[at];
    return mprotect(own, (size_t)(end - begin), PROT_READ) == 0;
}

static mote_status map(mote_file *out, int fd, mote_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return mote_fail_got(err, MOTE_ERR_IO, "cannot be examined", NULL, (uint64_t)errno, 0);
    if (!S_ISREG(st.st_mode))
        return mote_fail(err, MOTE_ERR_IO, kind_of_node(st.st_mode), NULL);
    if (st.st_size <= 0)
        return mote_fail(err, MOTE_ERR_FILE, "the file is empty", NULL);
    if ((uint64_t)st.st_size > SIZE_MAX / 2)
        return mote_fail(err, MOTE_ERR_MEMORY, "larger than the address space", NULL);
    void *base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (base == MAP_FAILED)
        return mote_fail(err, errno == ENOMEM ? MOTE_ERR_MEMORY : MOTE_ERR_IO, "cannot be mapped",
                         NULL);
    *out = (mote_file){base, (size_t)st.st_size};
    if (keep_index(out))
        return MOTE_OK;
    mote_file_unmap(out);
    return mote_fail(err, MOTE_ERR_MEMORY, "cannot be mapped", NULL);
}

/* O_NONBLOCK: a pipe without a writer must not hold us; regular files do not mind it. */
mote_status mote_file_map(mote_file *out, const char *path, mote_error *err)
{
    *out = (mote_file){0};
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return mote_fail(err, MOTE_ERR_IO, open_failure(errno), NULL);
    mote_status s = map(out, fd, err);
    close(fd);
    return s;
}

/* Mapped for reading, it counts nowhere as memory that could be needed. */
mote_status mote_file_pretend(mote_file *out, const void *head, size_t head_bytes, uint64_t bytes,
                              mote_error *err)
{
    *out = (mote_file){0};
    if (!head_bytes || head_bytes > bytes || bytes > SIZE_MAX / 2)
        return mote_fail(err, MOTE_ERR_MEMORY, "larger than the address space", NULL);
    void *base = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return mote_fail(err, MOTE_ERR_MEMORY, "cannot be mapped", NULL);
    if (mprotect(base, head_bytes, PROT_READ | PROT_WRITE) != 0) {
        munmap(base, (size_t)bytes);
        return mote_fail(err, MOTE_ERR_MEMORY, "cannot be mapped", NULL);
    }
#ifdef MADV_HUGEPAGE
    /* Whoever binds the model reads a little of every tensor: the system's one large page of zeros
     * takes a fault for 2 MB, not one for each vector. */
    size_t page = (size_t)sysconf(_SC_PAGESIZE), tail = (head_bytes + page - 1) / page * page;
    if (tail < bytes)
        madvise((char *)base + tail, (size_t)bytes - tail, MADV_HUGEPAGE);
#endif
    memcpy(base, head, head_bytes);
    *out = (mote_file){base, (size_t)bytes};
    return MOTE_OK;
}

void mote_file_unmap(mote_file *file)
{
    if (file->base)
        munmap((void *)(uintptr_t)file->base, file->bytes);
    *file = (mote_file){0};
}

/* ---- what else it could be ------------------------------------------------------------------- */

static bool starts_with(const uint8_t *p, size_t n, const char *text)
{
    size_t k = strlen(text);
    if (n < k)
        return false;
    for (size_t i = 0; i < k; i++) {
        uint8_t c = p[i] >= 'A' && p[i] <= 'Z' ? (uint8_t)(p[i] | 0x20) : p[i];
        if (c != (uint8_t)text[i])
            return false;
    }
    return true;
}

/* A header that fits, and no index of ours behind it. */
static bool looks_like_safetensors(const uint8_t *p, size_t n)
{
    uint64_t header;
    if (n < 10 || p[8] != '{')
        return false;
    memcpy(&header, p, sizeof header);
    if (header > n - 8)
        return false;
    return n - 8 - header < 8 || memcmp(p + 8 + header, MOTE_MAGIC, 8) != 0;
}

/* The length in front of a .mote file is 56 more than a multiple of 64: its first byte is that of
 * none of these. */
const char *mote_file_kind(const void *base, size_t bytes)
{
    static const struct {
        const char *start, *kind;
    } kinds[] = {
        {"gguf", "a GGUF file"},
        {"pk\x03\x04", "a ZIP or PyTorch file"},
        {"\x80\x02", "a Python pickle or old PyTorch file"},
        {"\x80\x03", "a Python pickle"},
        {"\x80\x04", "a Python pickle"},
        {"\x80\x05", "a Python pickle"},
        {"\x7f"
         "elf",
         "an ELF program"},
        {"\x1f\x8b", "a gzip file"},
        {"<!doctype", "a web page (HTML), perhaps an error page of a download"},
        {"<html", "a web page (HTML), perhaps an error page of a download"},
        {"version https://git-lfs", "a git-lfs pointer: the file itself was not downloaded"},
        {"{", "a JSON text"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (starts_with(base, bytes, kinds[i].start))
            return kinds[i].kind;
    return looks_like_safetensors(base, bytes) ? "a safetensors file" : NULL;
}
