/* pool.c: memory of a conversion, and reading of files. Read source.h first. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/checked.h"
#include "tools/convert/source.h"

typedef struct pool_block {
    struct pool_block *next;
    _Alignas(max_align_t) uint8_t data[];
} pool_block;

void *pool_take(pool *p, size_t n, size_t bytes_each, mote_convert_error *err)
{
    mote_checked bytes = mote_checked_mul(mote_checked_of(n), bytes_each);
    bytes = mote_checked_add(bytes, sizeof(pool_block));
    pool_block *b = bytes.overflow ? NULL : calloc(1, bytes.value);
    if (!b) {
        convert_fail(err, MOTE_ERR_MEMORY, "no memory for %zu times %zu bytes", n, bytes_each);
        return NULL;
    }
    b->next = p->blocks;
    p->blocks = b;
    return b->data;
}

char *pool_copy(pool *p, const char *text, size_t bytes, mote_convert_error *err)
{
    char *copy = pool_take(p, bytes + 1, 1, err);
    if (copy && bytes)
        memcpy(copy, text, bytes);
    return copy;
}

void pool_free(pool *p)
{
    while (p->blocks) {
        pool_block *next = p->blocks->next;
        free(p->blocks);
        p->blocks = next;
    }
}

void file_close(src_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

mote_status file_read(const src_file *f, uint64_t at, void *out, size_t bytes,
                      mote_convert_error *err)
{
    uint8_t *p = out;
    while (bytes) {
        ssize_t n = pread(f->fd, p, bytes, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return convert_fail(err, MOTE_ERR_IO, "%s: reading failed: %s", f->name,
                                strerror(errno));
        if (n == 0)
            return convert_fail(err, MOTE_ERR_IO, "%s: the file ends at byte %llu", f->name,
                                (unsigned long long)at);
        p += n;
        at += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return MOTE_OK;
}

mote_status file_read_all(const src_file *f, size_t max_bytes, pool *p, char **text,
                          mote_convert_error *err)
{
    if (f->bytes > max_bytes)
        return convert_fail(err, MOTE_ERR_FILE, "%s: %llu bytes (at most %zu)", f->name,
                            (unsigned long long)f->bytes, max_bytes);
    *text = pool_take(p, (size_t)f->bytes + 1, 1, err);
    return *text ? file_read(f, 0, *text, (size_t)f->bytes, err) : err->status;
}
