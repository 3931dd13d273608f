/* frame.c: what the targets share; see fuzz.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

static fuzz_target *targets;
static char folder[64], path[512];

void fuzz_register(fuzz_target *t)
{
    fuzz_target **at = &targets;
    while (*at && strcmp((*at)->name, t->name) < 0)
        at = &(*at)->next;
    t->next = *at;
    *at = t;
}

const fuzz_target *fuzz_find(const char *name)
{
    const fuzz_target *t = targets;
    while (t && name && strcmp(t->name, name) != 0)
        t = t->next;
    return t;
}

void fuzz_fail(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: expected: %s\n", file, line, text);
    abort();
}

/* ---- input ---------------------------------------------------------------------------------- */

fuzz_in fuzz_part(fuzz_in *in, size_t max)
{
    fuzz_in part = {in->p, in->n < max ? in->n : max};
    in->p += part.n;
    in->n -= part.n;
    return part;
}

uint8_t fuzz_u8(fuzz_in *in)
{
    fuzz_in part = fuzz_part(in, 1);
    return part.n ? *part.p : 0;
}

uint16_t fuzz_u16(fuzz_in *in)
{
    unsigned low = fuzz_u8(in);
    return (uint16_t)(low | (unsigned)fuzz_u8(in) << 8);
}

uint32_t fuzz_u32(fuzz_in *in)
{
    uint32_t low = fuzz_u16(in);
    return low | (uint32_t)fuzz_u16(in) << 16;
}

float fuzz_float(fuzz_in *in)
{
    uint32_t bits = fuzz_u32(in);
    float x;
    memcpy(&x, &bits, sizeof x);
    return bits & 1 ? x : (float)(int32_t)(bits & 0xfff) / 1024 - 1;
}

/* ---- memory --------------------------------------------------------------------------------- */

void *fuzz_alloc(size_t bytes)
{
    void *p = NULL;
    if (posix_memalign(&p, MOTE_ALIGN, bytes ? bytes : 1) != 0)
        fuzz_fail(__FILE__, __LINE__, "memory");
    return memset(p, 0xa5, bytes);
}

char *fuzz_copy(fuzz_in in)
{
    char *p = fuzz_alloc(in.n);
    if (in.n)
        memcpy(p, in.p, in.n);
    return p;
}

bool fuzz_is(mote_status status, unsigned allowed)
{
    return (unsigned)status < 8 && (allowed >> status & 1);
}

/* ---- files ---------------------------------------------------------------------------------- */

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(name);
}

static void remove_folder(void) { nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS); }

const char *fuzz_folder(void)
{
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "%s/mote-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (!mkdtemp(folder))
            fuzz_fail(__FILE__, __LINE__, "a scratch folder");
        atexit(remove_folder);
    }
    return folder;
}

const char *fuzz_write(const char *name, const void *data, size_t n)
{
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || (n && write(fd, data, n) != (ssize_t)n) || close(fd) != 0)
        fuzz_fail(__FILE__, __LINE__, "a scratch file");
    return path;
}
