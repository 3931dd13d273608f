/* file.c: a file that a command makes: under another name beside its place, renamed when complete,
 * so that a failure or a signal leaves what was there before. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

int cli_file_check(const char *path, bool force)
{
    struct stat st;
    if (!force && lstat(path, &st) == 0)
        return cli_error(EXIT_USAGE, path, "it is there already (--force replaces it)");
    return 0;
}

int cli_file_create(cli_file *f, const char *path, bool force)
{
    size_t n = strlen(path) + 32;
    int code = cli_file_check(path, force);
    *f = (cli_file){.path = path, .fd = -1};
    if (code)
        return code;
    f->temporary = malloc(n);
    if (!f->temporary)
        return cli_no_memory();
    snprintf(f->temporary, n, "%s.tmp-%ld", path, (long)getpid());
    f->fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (f->fd < 0) {
        code = cli_error(MOTE_ERR_IO, path, "%s", strerror(errno));
        free(f->temporary);
        f->temporary = NULL;
        return code;
    }
    cli_remove_on_signal(f->temporary);
    return 0;
}

void cli_file_write(cli_file *f, uint64_t at, const void *data, size_t bytes)
{
    const char *p = data;
    while (bytes && !f->failed) {
        ssize_t k = pwrite(f->fd, p, bytes, (off_t)at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) {
            f->failed = errno ? errno : EIO;
            return;
        }
        p += k;
        at += (uint64_t)k;
        bytes -= (size_t)k;
    }
}

int cli_file_close(cli_file *f, int code)
{
    if (!f->temporary)
        return code;
    if (!code && !f->failed && fsync(f->fd) != 0 && errno != EINVAL)
        f->failed = errno;
    if (close(f->fd) != 0 && !f->failed)
        f->failed = errno;
    if (!code && !f->failed && rename(f->temporary, f->path) != 0)
        f->failed = errno;
    if (!code && f->failed)
        code = cli_error(MOTE_ERR_IO, f->path, "%s", strerror(f->failed));
    if (code)
        unlink(f->temporary);
    cli_remove_on_signal(NULL);
    free(f->temporary);
    *f = (cli_file){.fd = -1};
    return code;
}
