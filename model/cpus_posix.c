/* cpus_posix.c: how many threads are worth using: physical performance cores within the affinity
 * mask and the cgroup's CPU quota. Linux tells all of it in /sys and /proc; elsewhere the system's
 * count of processors has to do. Read host.h first. */
#define _GNU_SOURCE
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

#define BYTES_OF_THREAD 4000000u /* with less, a thread waits for the others most of the time */

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
        int64_t first = mote_read_number(&text), last = first;
        if (*text == '-') {
            text++;
            last = mote_read_number(&text);
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
    if (!mote_read_text(root, path, text, sizeof text) || !mote_cpu_list(&siblings, text))
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
    int64_t speed = mote_read_file_number(root, path);
    if (speed <= 0) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/cpufreq/cpuinfo_max_freq", cpu);
        speed = mote_read_file_number(root, path);
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
    bool named = mote_read_text(root, "/sys/devices/cpu_core/cpus", text, sizeof text) &&
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
    char path[MOTE_PATH_BYTES], text[64];
    const char *at = text;
    int64_t quota, period;
    if (v2) {
        snprintf(path, sizeof path, "%s/cpu.max", folder);
        if (!mote_read_text(root, path, text, sizeof text))
            return 0;
        quota = mote_read_number(&at);
        at += *at == ' ';
        period = mote_read_number(&at);
    } else {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
        quota = mote_read_file_number(root, path);
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        period = mote_read_file_number(root, path);
    }
    if (quota <= 0 || period <= 0)
        return 0;
    int64_t whole = quota / period;
    return whole < 1 ? 1 : whole > UINT32_MAX ? 0 : (uint32_t)whole;
}

typedef struct least_quota {
    const char *root;
    uint32_t least; /* 0: none */
} least_quota;

static void note_quota(void *user, const char *folder, bool v2)
{
    least_quota *q = user;
    uint32_t n = quota_at(q->root, folder, v2);
    if (n && (!q->least || n < q->least))
        q->least = n;
}

uint32_t mote_cpu_quota(const char *root)
{
    least_quota q = {.root = root};
    mote_each_cgroup(root, "cpu", note_quota, &q);
    return q.least;
}

/* ---- the machine ---------------------------------------------------------------------------- */

#ifdef __linux__
static void allowed_cpus(mote_cpu_set *set)
{
    memset(set, 0, sizeof *set);
    if (sched_getaffinity(0, sizeof *set, (cpu_set_t *)(void *)set) < 0)
        put(set, 0);
}

static void count_machine(mote_machine *m)
{
    mote_cpu_set allowed;
    allowed_cpus(&allowed);
    m->n_cpus = count(&allowed);
    m->n_cores = mote_count_cores("", &allowed);
    m->quota = mote_cpu_quota("");
}
#else
static void count_machine(mote_machine *m)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    m->n_cpus = m->n_cores = n > 0 ? (uint32_t)n : 1;
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
    mote_count_memory("", machine);
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

uint32_t mote_model_threads(const mote_model *model)
{
    mote_model_info info;
    mote_encoder_info encoder;
    mote_model_get_info(model, &info);
    mote_model_get_encoder(model, &encoder);
    uint64_t n = encoder.pooling ? UINT64_MAX : info.decode_read_bytes / BYTES_OF_THREAD;
    if (n < 2) /* nothing to count */
        return 1;
    uint32_t most = mote_host_threads();
    return n < most ? (uint32_t)n : most;
}
