/* cgroups_posix.c: small files in which Linux tells what a process may have: numbers, and the
 * folders of its cgroups. Elsewhere they are not there, which is an answer too. Read host.h first.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model/host.h"

bool mote_read_text(const char *root, const char *path, char *text, size_t cap)
{
    char full[MOTE_PATH_BYTES];
    int n = snprintf(full, sizeof full, "%s%s", root, path);
    int fd = n > 0 && (size_t)n < sizeof full ? open(full, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    ssize_t got = read(fd, text, cap - 1);
    close(fd);
    if (got <= 0)
        return false;
    text[got] = 0;
    return true;
}

int64_t mote_read_number(const char **text)
{
    int64_t n = 0;
    const char *at = *text;
    if (*at < '0' || *at > '9')
        return -1;
    for (; *at >= '0' && *at <= '9'; at++)
        n = n < INT64_MAX / 10 - 1 ? n * 10 + (*at - '0') : n;
    *text = at;
    return n;
}

int64_t mote_read_file_number(const char *root, const char *path)
{
    char text[64];
    const char *at = text;
    return mote_read_text(root, path, text, sizeof text) ? mote_read_number(&at) : -1;
}

/* Is the controller one of those in "cpu,cpuacct"? */
static bool has_name(const char *names, const char *name)
{
    size_t n = strlen(name);
    while (names) {
        const char *end = strchr(names, ',');
        if (strncmp(names, name, n) == 0 && (names[n] == 0 || names[n] == ','))
            return true;
        names = end ? end + 1 : NULL;
    }
    return false;
}

/* The folder mount + path and its parents up to the mount. */
static void walk(const char *mount, const char *path, bool v2, mote_cgroup_fn *fn, void *user)
{
    char folder[MOTE_PATH_BYTES / 2];
    int n = snprintf(folder, sizeof folder, "%s%s", mount, path);
    if (n < 0 || (size_t)n >= sizeof folder)
        return;
    for (;;) {
        fn(user, folder, v2);
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= strlen(mount) || !slash)
            return;
        *slash = 0;
    }
}

/* Lines of /proc/self/cgroup: "0::/path" (v2) or "N:controller,controller:/path" (v1). */
void mote_each_cgroup(const char *root, const char *controller, mote_cgroup_fn *fn, void *user)
{
    char text[8192], v1[64];
    snprintf(v1, sizeof v1, "/sys/fs/cgroup/%s", controller);
    if (!mote_read_text(root, "/proc/self/cgroup", text, sizeof text))
        return;
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = 0;
        bool v2 = names[1] == 0;
        if (v2 || has_name(names + 1, controller))
            walk(v2 ? "/sys/fs/cgroup" : v1, path, v2, fn, user);
    }
}
