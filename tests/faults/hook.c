/* hook.c: preloaded into mote by faults.py: makes one call of a kind fail. $MOTE_FAULT is "KIND K
 * HOW": KIND alloc, open, read, write or place (names of files and the disk); the K-th call of it
 * from main() on fails: HOW is an errno, or -1: it does half of what was asked. K 0: none, and each
 * kind's calls are counted. $MOTE_FAULT_REPORT is a file for the count. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char kind[16];
static long wanted, count;
static int how, ready;

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

__attribute__((constructor)) static void prepare(void)
{
    const char *text = getenv("MOTE_FAULT");
    if (text && sscanf(text, "%15s %ld %d", kind, &wanted, &how) == 3)
        ready = 1;
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("MOTE_FAULT_REPORT");
    ready = 0;
    FILE *f = path ? fopen(path, "w") : NULL;
    if (f && fprintf(f, "%ld", count) > 0)
        fclose(f);
}

/* Does this call fail? Sets errno. */
static int fails(const char *of)
{
    if (!ready || strcmp(of, kind) != 0 ||
        __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED) != wanted)
        return 0;
    errno = how;
    return 1;
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

/* ---- memory and threads --------------------------------------------------------------------- */

void *malloc(size_t n) { return fails("alloc") ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t each) { return fails("alloc") ? NULL : __libc_calloc(n, each); }
void *realloc(void *p, size_t n) { return fails("alloc") ? NULL : __libc_realloc(p, n); }

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    if (fails("alloc"))
        return MAP_FAILED;
    return REAL(void *, mmap, void *, size_t, int, int, int, off_t)(at, n, prot, flags, fd, offset);
}

int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
    if (fails("alloc"))
        return EAGAIN;
    return REAL(int, pthread_create, pthread_t *, const pthread_attr_t *, void *(*)(void *),
                void *)(t, a, fn, arg);
}

/* ---- files ---------------------------------------------------------------------------------- */

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = va_arg(args, mode_t);
    va_end(args);
    return fails("open") ? -1 : REAL(int, open, const char *, int, mode_t)(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = va_arg(args, mode_t);
    va_end(args);
    return fails("open")
               ? -1
               : REAL(int, openat, int, const char *, int, mode_t)(dir, path, flags, mode);
}

/* Half of what was asked, if there is more than one byte. */
static size_t half(size_t n) { return n > 1 ? n / 2 : n; }

ssize_t read(int fd, void *to, size_t n)
{
    int fault = fails("read");
    if (fault && how >= 0)
        return -1;
    return REAL(ssize_t, read, int, void *, size_t)(fd, to, fault ? half(n) : n);
}

ssize_t pread(int fd, void *to, size_t n, off_t at)
{
    int fault = fails("read");
    if (fault && how >= 0)
        return -1;
    return REAL(ssize_t, pread, int, void *, size_t, off_t)(fd, to, fault ? half(n) : n, at);
}

ssize_t write(int fd, const void *from, size_t n)
{
    int fault = fails("write");
    if (fault && how >= 0)
        return -1;
    return REAL(ssize_t, write, int, const void *, size_t)(fd, from, fault ? half(n) : n);
}

ssize_t pwrite(int fd, const void *from, size_t n, off_t at)
{
    int fault = fails("write");
    if (fault && how >= 0)
        return -1;
    return REAL(ssize_t, pwrite, int, const void *, size_t, off_t)(fd, from, fault ? half(n) : n,
                                                                   at);
}

int fsync(int fd) { return fails("place") ? -1 : REAL(int, fsync, int)(fd); }
int close(int fd)
{
    int result = REAL(int, close, int)(fd); /* as Linux does it: closed all the same */
    return fails("place") ? -1 : result;
}
int fstat(int fd, struct stat *st)
{
    return fails("place") ? -1 : REAL(int, fstat, int, struct stat *)(fd, st);
}
int linkat(int a, const char *from, int b, const char *to, int flags)
{
    if (fails("place"))
        return -1;
    return REAL(int, linkat, int, const char *, int, const char *, int)(a, from, b, to, flags);
}
int renameat(int a, const char *from, int b, const char *to)
{
    if (fails("place"))
        return -1;
    return REAL(int, renameat, int, const char *, int, const char *)(a, from, b, to);
}
