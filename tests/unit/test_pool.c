/* test_pool.c: the thread pool and the counting of cores. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/host.h"
#include "tests/unit/test.h"

typedef struct job {
    const mote_team *team;
    size_t rounds;
    unsigned counts[64][16]; /* [thread], a cache line each */
    bool ok[64];
    unsigned sum;
} job;

/* In every round each thread writes its own counter, then all see all counters equal. */
static void count_together(void *arg, uint32_t thread)
{
    job *j = arg;
    for (unsigned r = 1; r <= j->rounds; r++) {
        j->counts[thread][0] = r;
        j->team->barrier(j->team->user, thread);
        for (uint32_t i = 0; i < j->team->n_threads; i++)
            if (j->counts[i][0] != r)
                j->ok[thread] = false;
        j->team->barrier(j->team->user, thread);
    }
}

static void try_team(uint32_t n_threads, size_t jobs, size_t rounds, useconds_t pause)
{
    mote_error err;
    mote_pool *p = mote_pool_new(n_threads, &err);
    REQUIRE(p != NULL);
    job j = {.team = mote_pool_team(p), .rounds = rounds};
    CHECK(j.team->n_threads == n_threads);
    for (size_t i = 0; i < jobs; i++) {
        memset(j.ok, 1, sizeof j.ok);
        j.team->run(j.team->user, count_together, &j);
        for (uint32_t t = 0; t < n_threads; t++)
            CHECK(j.ok[t] && j.counts[t][0] == rounds);
        usleep(pause);
    }
    mote_pool_free(p);
}

TEST(barrier_holds_everyone)
{
    for (uint32_t n = 1; n <= 4; n++)
        try_team(n, 20, 50, 0);
}

TEST(sleeping_workers_wake) { try_team(3, 20, 3, 5000); }

TEST(more_threads_than_cpus_still_end) { try_team(24, 3, 20, 0); }

static void nothing(void *arg, uint32_t thread)
{
    atomic_uint *n = arg;
    (void)thread;
    atomic_fetch_add(n, 1);
}

TEST(pools_start_and_stop)
{
    atomic_uint n = 0;
    unsigned wanted = 0;
    for (uint32_t i = 0; i < test_times(500, 10000); i++) {
        uint32_t n_threads = 2 + i % 3;
        mote_pool *p = mote_pool_new(n_threads, NULL);
        REQUIRE(p != NULL);
        const mote_team *team = mote_pool_team(p);
        if (i % 2) { /* the others end without a job */
            team->run(team->user, nothing, &n);
            wanted += n_threads;
        }
        mote_pool_free(p);
    }
    CHECK(atomic_load(&n) == wanted);
    mote_pool_free(NULL);
}

TEST(pool_refuses_silly_counts)
{
    mote_error err;
    CHECK(mote_pool_new(0, &err) == NULL && err.status == MOTE_ERR_LIMIT);
    CHECK(mote_pool_new(10000, &err) == NULL && err.status == MOTE_ERR_LIMIT);
}

/* ---- counting cores ------------------------------------------------------------------------- */

static void put_file(const char *root, const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *at = full + 1; *at; at++)
        if (*at == '/') {
            *at = 0;
            mkdir(full, 0700);
            *at = '/';
        }
    FILE *f = fopen(full, "w");
    if (!f)
        abort();
    fputs(text, f);
    fclose(f);
}

static void put_cpu(const char *root, int cpu, const char *file, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, file);
    put_file(root, path, text);
}

static const char *fake_root(const char *name)
{
    static char root[200];
    snprintf(root, sizeof root, "%s/%s", test_folder(), name);
    mkdir(root, 0700);
    return root;
}

TEST(cpu_lists_are_read)
{
    mote_cpu_set s;
    CHECK(mote_cpu_list(&s, "0-2,5,64-65\n") && s.bits[0] == 0x27 && s.bits[1] == 3);
    CHECK(mote_cpu_list(&s, "") && s.bits[0] == 0);
    CHECK(!mote_cpu_list(&s, "3-1"));
    CHECK(!mote_cpu_list(&s, "0-99999999999999999999"));
    CHECK(!mote_cpu_list(&s, "x"));
    CHECK(!mote_cpu_list(&s, "1;2"));
}

TEST(threads_of_a_core_count_once)
{
    const char *root = fake_root("smt");
    mote_cpu_set s;
    for (int cpu = 0; cpu < 8; cpu++) {
        char list[16];
        snprintf(list, sizeof list, "%d,%d\n", cpu % 4, cpu % 4 + 4);
        put_cpu(root, cpu, "topology/thread_siblings_list", list);
    }
    mote_cpu_list(&s, "0-7");
    CHECK(mote_count_cores(root, &s) == 4);
    mote_cpu_list(&s, "4-5"); /* the second threads only */
    CHECK(mote_count_cores(root, &s) == 2);
    mote_cpu_list(&s, "1,5,6");
    CHECK(mote_count_cores(root, &s) == 2);
}

TEST(slow_cores_are_left_out)
{
    const char *root = fake_root("arm");
    mote_cpu_set s;
    mote_cpu_list(&s, "0-7");
    for (int cpu = 0; cpu < 8; cpu++)
        put_cpu(root, cpu, "cpu_capacity", cpu < 4 ? "380\n" : cpu < 7 ? "910\n" : "1024\n");
    CHECK(mote_count_cores(root, &s) == 4);
    mote_cpu_list(&s, "0-3"); /* only slow ones allowed */
    CHECK(mote_count_cores(root, &s) == 4);

    root = fake_root("intel");
    mote_cpu_list(&s, "0-7");
    put_file(root, "/sys/devices/cpu_core/cpus", "0-3\n");
    for (int cpu = 0; cpu < 8; cpu++) {
        put_cpu(root, cpu, "cpufreq/cpuinfo_max_freq", cpu < 4 ? "5000000\n" : "3800000\n");
        put_cpu(root, cpu, "topology/thread_siblings_list",
                cpu < 2   ? "0-1\n"
                : cpu < 4 ? "2-3\n"
                          : "9\n");
    }
    CHECK(mote_count_cores(root, &s) == 2);
}

TEST(cgroup_quotas_are_found)
{
    const char *root = fake_root("v2");
    put_file(root, "/proc/self/cgroup", "0::/a/b\n");
    put_file(root, "/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    CHECK(mote_cpu_quota(root) == 0);
    put_file(root, "/sys/fs/cgroup/a/cpu.max", "350000 100000\n");
    CHECK(mote_cpu_quota(root) == 3);
    put_file(root, "/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
    CHECK(mote_cpu_quota(root) == 1);

    root = fake_root("v1");
    put_file(root, "/proc/self/cgroup", "9:memory:/x\n4:cpu,cpuacct:/job\n");
    put_file(root, "/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "-1\n");
    put_file(root, "/sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
    CHECK(mote_cpu_quota(root) == 0);
    put_file(root, "/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "200000\n");
    CHECK(mote_cpu_quota(root) == 2);

    root = fake_root("none");
    CHECK(mote_cpu_quota(root) == 0);
}

#define MIB ((uint64_t)1 << 20)

TEST(memory_limits_are_found)
{
    mote_machine m = {0};
    const char *root = fake_root("memory");
    put_file(root, "/proc/meminfo", "MemTotal:  4096 kB\nMemFree: 1 kB\nMemAvailable: 2048 kB\n");
    mote_count_memory(root, &m);
    CHECK(m.memory_bytes == 4 * MIB && m.memory_free_bytes == 2 * MIB);
    put_file(root, "/proc/self/cgroup", "5:memory:/a\n0::/a/b\n");
    put_file(root, "/sys/fs/cgroup/a/memory.max", "max\n");
    put_file(root, "/sys/fs/cgroup/a/memory.current", "12345\n");
    mote_count_memory(root, &m);
    CHECK(m.memory_free_bytes == 2 * MIB);
    put_file(root, "/sys/fs/cgroup/a/b/memory.max", "1500000\n");
    put_file(root, "/sys/fs/cgroup/a/b/memory.current", "1000000\n");
    mote_count_memory(root, &m);
    CHECK(m.memory_free_bytes == 500000);
    put_file(root, "/sys/fs/cgroup/a/b/memory.stat",
             "anon 1\ninactive_file 100000\nactive_file 50000\n");
    mote_count_memory(root, &m);
    CHECK(m.memory_free_bytes == 650000);
    put_file(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "400000\n");
    put_file(root, "/sys/fs/cgroup/memory/memory.usage_in_bytes", "500000\n");
    mote_count_memory(root, &m);
    CHECK(m.memory_free_bytes == 0); /* version 1, of a parent, used up */
}

TEST(machine_makes_sense)
{
    mote_machine m;
    mote_host_machine(&m);
    CHECK(m.n_cpus >= 1 && m.n_cores >= 1 && m.n_cores <= m.n_cpus);
    CHECK(m.n_threads >= 1 && m.n_threads <= m.n_cores && m.n_threads == mote_host_threads());
}
