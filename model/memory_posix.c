/* memory_posix.c: how much memory this process can still have: what the machine has free, within
 * the limits of its cgroups and of its address space. Read host.h first. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "model/host.h"

/* The number behind a name at the begin of a line, times unit; 0: it is not there. */
static uint64_t find_line(const char *text, const char *name, uint64_t unit)
{
    const char *at = strstr(text, name);
    if (!at)
        return 0;
    at += strlen(name);
    while (*at == ' ')
        at++;
    int64_t n = mote_read_number(&at);
    return n < 0 ? 0 : (uint64_t)n * unit;
}

typedef struct limit {
    const char *root;
    uint64_t least; /* bytes left */
} limit;

/* Pages of files count as used, but are given back when memory is needed. */
static void note_limit(void *user, const char *folder, bool v2)
{
    limit *l = user;
    char path[MOTE_PATH_BYTES], text[8192];
    snprintf(path, sizeof path, "%s/%s", folder, v2 ? "memory.max" : "memory.limit_in_bytes");
    int64_t most = mote_read_file_number(l->root, path);
    snprintf(path, sizeof path, "%s/%s", folder, v2 ? "memory.current" : "memory.usage_in_bytes");
    int64_t used = mote_read_file_number(l->root, path);
    if (most < 0 || used < 0)
        return;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    uint64_t files = 0;
    if (mote_read_text(l->root, path, text, sizeof text))
        files = find_line(text, v2 ? "\ninactive_file" : "\ntotal_inactive_file", 1) +
                find_line(text, v2 ? "\nactive_file" : "\ntotal_active_file", 1);
    uint64_t kept = (uint64_t)used > files ? (uint64_t)used - files : 0;
    uint64_t left = (uint64_t)most > kept ? (uint64_t)most - kept : 0;
    if (left < l->least)
        l->least = left;
}

/* What ulimit -v leaves; the process's size is known on Linux only. */
static uint64_t free_addresses(void)
{
    struct rlimit most;
    if (getrlimit(RLIMIT_AS, &most) != 0 || most.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    int64_t pages = mote_read_file_number("", "/proc/self/statm");
    uint64_t used = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    return most.rlim_cur > used ? most.rlim_cur - used : 0;
}

void mote_count_memory(const char *root, mote_machine *m)
{
    char text[4096];
    limit l = {.root = root, .least = UINT64_MAX};
    m->address_bytes = free_addresses();
    if (!mote_read_text(root, "/proc/meminfo", text, sizeof text)) {
        long pages = sysconf(_SC_PHYS_PAGES);
        m->memory_bytes = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
        return;
    }
    m->memory_bytes = find_line(text, "MemTotal:", 1024);
    m->memory_free_bytes = find_line(text, "MemAvailable:", 1024);
    mote_each_cgroup(root, "memory", note_limit, &l);
    if (l.least < m->memory_free_bytes)
        m->memory_free_bytes = l.least;
}
