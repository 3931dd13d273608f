/* hook.c: preloaded into mote by memory.py: counts what the program asks memory for. At its exit it
 * writes one line to the file $MOTE_HOOK: allocations before the first byte of output, allocations
 * after it, peak of resident memory, then the sizes of all anonymous maps. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static size_t before, after, maps[256], n_maps;
static int shown; /* output has begun */

static void count(void) { __atomic_fetch_add(shown ? &after : &before, 1, __ATOMIC_RELAXED); }

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

void *malloc(size_t n)
{
    count();
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t each)
{
    count();
    return __libc_calloc(n, each);
}

void *realloc(void *p, size_t n)
{
    count();
    return __libc_realloc(p, n);
}

void *mmap(void *at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    void *(*real)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, "mmap");
    count();
    if (flags & MAP_ANONYMOUS && n_maps < 256)
        maps[n_maps++] = bytes;
    return real(at, bytes, prot, flags, fd, offset);
}

ssize_t write(int fd, const void *data, size_t n)
{
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    shown |= fd == 1;
    return real(fd, data, n);
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("MOTE_HOOK");
    struct rusage use;
    size_t b = before, a = after;
    FILE *f = path ? fopen(path, "w") : NULL;
    if (!f)
        return;
    getrusage(RUSAGE_SELF, &use);
    fprintf(f, "%zu %zu %ld", b, a, use.ru_maxrss);
    for (size_t i = 0; i < n_maps; i++)
        fprintf(f, " %zu", maps[i]);
    fputc('\n', f);
    fclose(f);
}
