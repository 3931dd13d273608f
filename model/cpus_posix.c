/* cpus_posix.c: how many threads are worth using: physical performance cores within the affinity
 * mask and the cgroup's CPU quota. Linux tells all of it in /sys and /proc; elsewhere the system's
 * count of processors has to do. Read host.h first. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#endif
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

#include "model/host.h"

#define PATH_BYTES 4096

/* ---- small files ---------------------------------------------------------------------------- */

/* Reads root + path into text (cap bytes, terminated); false: not there. */
static bool read_text(const char *root, const char *path, char *text, size_t cap)
{
    char full[PATH_BYTES];
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

/* A whole number at *text, which moves behind it; -1: none. */
static int64_t read_number(const char **text)
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

static int64_t read_file_number(const char *root, const char *path)
{
    char text[64];
    const char *at = text;
    return read_text(root, path, text, sizeof text) ? read_number(&at) : -1;
}

/* ---- sets of CPUs --------------------------------------------------------------------------- */

static bool has(const mote_cpu_set *set, uint32_t cpu)
{
    return set->bits[cpu / 64] >> cpu % 64 & 1;
}

static void put(mote_cpu_set *set, uint32_t cpu) { set->bits[cpu / 64] |= (uint64_t)1 << cpu % 64; }

static uint32_t count(const mote_cpu_set *set)
{
    uint32_t n = 0;
    for (uint32_t cpu = 0; cpu < MOTE_MAX_CPUS; cpu++)
        n += has(set, cpu);
    return n;
}

bool mote_cpu_list(mote_cpu_set *set, const char *text)
{
    memset(set, 0, sizeof *set);
    while (*text && *text != '\n') {
        int64_t first = read_number(&text), last = first;
        if (*text == '-') {
            text++;
            last = read_number(&text);
        }
        if (first < 0 || last < first || last >= (int64_t)MOTE_MAX_CPUS)
            return false;
        for (int64_t cpu = first; cpu <= last; cpu++)
            put(set, (uint32_t)cpu);
        if (*text == ',')
            text++;
        else if (*text && *text != '\n')
            return false;
    }
    return true;
}

/* The first CPU of those that share a core with this one and are allowed. */
static uint32_t first_sibling(const char *root, uint32_t cpu, const mote_cpu_set *allowed)
{
    char path[96], text[1024];
    mote_cpu_set siblings;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
    if (!read_text(root, path, text, sizeof text) || !mote_cpu_list(&siblings, text))
        return cpu;
    for (uint32_t i = 0; i < cpu; i++)
        if (has(&siblings, i) && has(allowed, i))
            return i;
    return cpu;
}

/* How fast a CPU is among its like: capacity (Arm) or highest frequency; 0: unknown. */
static int64_t speed_of(const char *root, uint32_t cpu)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/cpu_capacity", cpu);
    int64_t speed = read_file_number(root, path);
    if (speed <= 0) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/cpufreq/cpuinfo_max_freq", cpu);
        speed = read_file_number(root, path);
    }
    return speed > 0 ? speed : 0;
}

/* Drops the slow kind of a hybrid machine: Intel names its fast kind; else whatever has less than
 * 7/10 of the fastest CPU's speed. */
static void keep_fast(const char *root, mote_cpu_set *set)
{
    char text[1024];
    mote_cpu_set fast, kept = {0};
    int64_t best = 0;
    bool named = read_text(root, "/sys/devices/cpu_core/cpus", text, sizeof text) &&
                 mote_cpu_list(&fast, text);
    for (uint32_t cpu = 0; !named && cpu < MOTE_MAX_CPUS; cpu++) {
        int64_t speed = has(set, cpu) ? speed_of(root, cpu) : 0;
        best = speed > best ? speed : best;
    }
    if (!named && !best)
        return;
    for (uint32_t cpu = 0; cpu < MOTE_MAX_CPUS; cpu++)
        if (has(set, cpu) && (named ? has(&fast, cpu) : speed_of(root, cpu) >= best * 7 / 10))
            put(&kept, cpu);
    if (count(&kept))
        *set = kept;
}

uint32_t mote_count_cores(const char *root, const mote_cpu_set *allowed)
{
    mote_cpu_set cores = {0};
    for (uint32_t cpu = 0; cpu < MOTE_MAX_CPUS; cpu++)
        if (has(allowed, cpu) && first_sibling(root, cpu, allowed) == cpu)
            put(&cores, cpu);
    keep_fast(root, &cores);
    uint32_t n = count(&cores);
    return n ? n : 1;
}

/* ---- cgroups -------------------------------------------------------------------------------- */

/* Quota of one cgroup folder in whole CPUs, at least 1; 0: no limit. */
static uint32_t quota_at(const char *root, const char *folder, bool v2)
{
    char path[PATH_BYTES], text[64];
    const char *at = text;
    int64_t quota, period;
    if (v2) {
        snprintf(path, sizeof path, "%s/cpu.max", folder);
        if (!read_text(root, path, text, sizeof text))
            return 0;
        quota = read_number(&at);
        at += *at == ' ';
        period = read_number(&at);
    } else {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
        quota = read_file_number(root, path);
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        period = read_file_number(root, path);
    }
    if (quota <= 0 || period <= 0)
        return 0;
    int64_t whole = quota / period;
    return whole < 1 ? 1 : whole > UINT32_MAX ? 0 : (uint32_t)whole;
}

/* The least quota of mount + path and of its parents up to the mount. */
static uint32_t quota_along(const char *root, const char *mount, const char *path, bool v2)
{
    char folder[PATH_BYTES / 2];
    uint32_t least = 0;
    int n = snprintf(folder, sizeof folder, "%s%s", mount, path);
    if (n < 0 || (size_t)n >= sizeof folder)
        return 0;
    for (;;) {
        uint32_t q = quota_at(root, folder, v2);
        if (q && (!least || q < least))
            least = q;
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= strlen(mount) || !slash)
            return least;
        *slash = 0;
    }
}

/* Lines of /proc/self/cgroup: "0::/path" (v2) or "N:controller,controller:/path" (v1). */
uint32_t mote_cpu_quota(const char *root)
{
    char text[8192];
    uint32_t least = 0;
    if (!read_text(root, "/proc/self/cgroup", text, sizeof text))
        return 0;
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = 0;
        bool v2 = names[1] == 0;
        if (!v2 && strcmp(names + 1, "cpu") != 0 && !strstr(names + 1, "cpu,cpuacct") &&
            !strstr(names + 1, "cpuacct,cpu"))
            continue;
        uint32_t q = quota_along(root, v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu", path, v2);
        if (q && (!least || q < least))
            least = q;
    }
    return least;
}

/* ---- the machine ---------------------------------------------------------------------------- */

#ifdef __linux__
static void allowed_cpus(mote_cpu_set *set)
{
    memset(set, 0, sizeof *set);
    if (sched_getaffinity(0, sizeof *set, (cpu_set_t *)(void *)set) < 0)
        put(set, 0);
}

/* A line "Name:   123 kB" of /proc/meminfo, in bytes. */
static uint64_t memory_line(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    if (!at)
        return 0;
    at += strlen(name);
    while (*at == ' ')
        at++;
    int64_t kib = read_number(&at);
    return kib < 0 ? 0 : (uint64_t)kib * 1024;
}

static void count_machine(mote_machine *m)
{
    char text[4096];
    mote_cpu_set allowed;
    allowed_cpus(&allowed);
    m->n_cpus = count(&allowed);
    m->n_cores = mote_count_cores("", &allowed);
    m->quota = mote_cpu_quota("");
    if (read_text("", "/proc/meminfo", text, sizeof text)) {
        m->memory_bytes = memory_line(text, "MemTotal:");
        m->memory_free_bytes = memory_line(text, "MemAvailable:");
    }
}
#else
static void count_machine(mote_machine *m)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES);
    m->n_cpus = m->n_cores = n > 0 ? (uint32_t)n : 1;
    m->memory_bytes = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
#ifdef __APPLE__
    int cores = 0;
    size_t size = sizeof cores;
    if (sysctlbyname("hw.perflevel0.physicalcpu", &cores, &size, NULL, 0) == 0 && cores > 0)
        m->n_cores = (uint32_t)cores;
#endif
}
#endif

uint32_t mote_usable_cpus(void)
{
#ifdef __linux__
    mote_cpu_set allowed;
    allowed_cpus(&allowed);
    uint32_t n = count(&allowed), quota = mote_cpu_quota("");
    return quota && quota < n ? quota : n;
#else
    mote_machine machine = {0};
    count_machine(&machine);
    return machine.n_cpus;
#endif
}

void mote_host_machine(mote_machine *machine)
{
    memset(machine, 0, sizeof *machine);
    count_machine(machine);
    uint32_t n = machine->n_cores;
    if (machine->quota && machine->quota < n)
        n = machine->quota;
    machine->n_threads = n ? n : 1;
}

uint32_t mote_host_threads(void)
{
    mote_machine machine;
    mote_host_machine(&machine);
    return machine.n_threads;
}
