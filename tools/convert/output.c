/* output.c: the output file: complete under its name, or not there. Read output.h first. */
#define _GNU_SOURCE
#include "tools/convert/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static mote_status fail_io(const output *o, const char *what)
{
    return convert_fail(o->err, errno == ENOMEM ? MOTE_ERR_MEMORY : MOTE_ERR_IO, "%s: %s: %s",
                        o->opts->output, what, strerror(errno));
}

mote_status output_check(const mote_convert_opts *opts, mote_convert_error *err)
{
    struct stat st;
    if (lstat(opts->output, &st) != 0)
        return errno == ENOENT ? MOTE_OK
                               : convert_fail(err, MOTE_ERR_IO, "%s: cannot be made: %s",
                                              opts->output, strerror(errno));
    if (!opts->force)
        return convert_fail(err, MOTE_ERR_LIMIT, "%s: it is there already (--force replaces it)",
                            opts->output);
    if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return convert_fail(err, MOTE_ERR_LIMIT, "%s: not a regular file", opts->output);
    return MOTE_OK;
}

/* The folder of the output, opened; sets o->name. -1: it cannot be. */
static int open_folder(output *o)
{
    const char *path = o->opts->output, *slash = strrchr(path, '/');
    o->name = slash ? slash + 1 : path;
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(folder);
    return fd;
}

/* Takes a temporary name: for the nameless file o->fd, or for a new one when there is none. */
static bool take_name(output *o)
{
    char from[32];
    snprintf(from, sizeof from, "/proc/self/fd/%d", o->fd);
    for (int n = 0; n < 1000; n++) {
        snprintf(o->temp, sizeof o->temp, ".mote-%ld-%d.tmp", (long)getpid(), n);
        if (o->fd >= 0 && linkat(AT_FDCWD, from, o->dir, o->temp, AT_SYMLINK_FOLLOW) == 0)
            return true;
        if (o->fd < 0) {
            o->fd = openat(o->dir, o->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            if (o->fd >= 0)
                return true;
        }
        if (errno != EEXIST)
            break;
    }
    o->temp[0] = 0;
    return false;
}

#ifdef O_TMPFILE
#define OPEN_NAMELESS (O_WRONLY | O_TMPFILE | O_CLOEXEC)

/* A file without a name, if it can get one later: that is tried with an empty one first. */
static void open_nameless(output *o)
{
    o->fd = openat(o->dir, ".", OPEN_NAMELESS, 0666);
    if (o->fd < 0)
        return;
    bool named = take_name(o);
    if (named)
        unlinkat(o->dir, o->temp, 0);
    o->temp[0] = 0;
    close(o->fd);
    o->fd = named ? openat(o->dir, ".", OPEN_NAMELESS, 0666) : -1;
}
#else
static void open_nameless(output *o) { (void)o; }
#endif

mote_status output_open(output *o, const mote_convert_opts *opts, mote_convert_error *err)
{
    *o = (output){.opts = opts, .err = err, .dir = -1, .fd = -1};
    mote_status status = output_check(opts, err);
    if (status)
        return status;
    o->dir = open_folder(o);
    if (o->dir < 0)
        return fail_io(o, "its folder cannot be opened");
    if (!*o->name || strcmp(o->name, ".") == 0 || strcmp(o->name, "..") == 0)
        return convert_fail(err, MOTE_ERR_LIMIT, "%s: not a file name", opts->output);
    open_nameless(o);
    return o->fd >= 0 || take_name(o) ? MOTE_OK : fail_io(o, "its folder takes no new file");
}

mote_status output_write(output *o, uint64_t at, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    while (bytes) {
        ssize_t n = pwrite(o->fd, p, bytes, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n ? errno : EIO;
            return fail_io(o, "writing failed");
        }
        p += n;
        at += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return MOTE_OK;
}

void output_path(const output *o, char path[OUTPUT_PATH_BYTES])
{
    size_t folder = (size_t)(o->name - o->opts->output);
    if (o->temp[0])
        snprintf(path, OUTPUT_PATH_BYTES, "%.*s%s", (int)folder, o->opts->output, o->temp);
    else
        snprintf(path, OUTPUT_PATH_BYTES, "/proc/self/fd/%d", o->fd);
}

mote_status output_commit(output *o)
{
    mote_status status = MOTE_OK;
    if (fsync(o->fd) != 0)
        return fail_io(o, "writing failed");
    if (!o->temp[0] && !take_name(o))
        return fail_io(o, "its folder takes no new file");
    int closed = close(o->fd);
    o->fd = -1;
    if (closed != 0 && errno != EINTR)
        status = fail_io(o, "writing failed");
    if (!status)
        status = output_check(o->opts, o->err); /* someone else may have made it meanwhile */
    if (!status && renameat(o->dir, o->temp, o->dir, o->name) != 0)
        status = fail_io(o, "renaming failed");
    if (status)
        return status;
    o->temp[0] = 0;
    fsync(o->dir); /* best effort: the file is complete either way */
    return MOTE_OK;
}

void output_close(output *o)
{
    if (o->fd >= 0)
        close(o->fd);
    if (o->temp[0])
        unlinkat(o->dir, o->temp, 0);
    if (o->dir >= 0)
        close(o->dir);
    *o = (output){.dir = -1, .fd = -1};
}
