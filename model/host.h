/* host.h: the hosted side from inside, for its own files and their tests. */
#ifndef MOTE_MODEL_HOST_H
#define MOTE_MODEL_HOST_H

#include "include/mote_host.h"

/* A set of CPUs as text of a folder like /sys or as a mask: bit i is CPU i. */
#define MOTE_MAX_CPUS 4096u
typedef struct mote_cpu_set {
    uint64_t bits[MOTE_MAX_CPUS / 64];
} mote_cpu_set;

/* Reads a list such as "0-3,8,10-11"; false: it is no list. */
bool mote_cpu_list(mote_cpu_set *set, const char *text);

/* Physical performance cores in a set, as the files below `root` ("" for the machine's own) tell:
 * one CPU of those that share a core; of hybrid machines the fast kind only. At least 1. */
uint32_t mote_count_cores(const char *root, const mote_cpu_set *allowed);

/* ---- what Linux tells in small files (cgroups_posix.c); root is "" for the machine's own ---- */

#define MOTE_PATH_BYTES 4096

/* Reads root + path into text (cap bytes, terminated); false: not there. */
bool mote_read_text(const char *root, const char *path, char *text, size_t cap);
/* A whole number at *text, which moves behind it; -1: none. */
int64_t mote_read_number(const char **text);
int64_t mote_read_file_number(const char *root, const char *path);
/* Calls fn for the folder of this process's cgroup with a controller ("cpu", "memory") and for
 * those of its parents, below root, in version 2 and 1. */
typedef void mote_cgroup_fn(void *user, const char *folder, bool v2);
void mote_each_cgroup(const char *root, const char *controller, mote_cgroup_fn *fn, void *user);

/* memory_posix.c: the memory fields of a machine. */
void mote_count_memory(const char *root, mote_machine *machine);

/* Whole CPUs that the cgroups (v1 or v2) of this process and their parents allow; 0: no limit. */
uint32_t mote_cpu_quota(const char *root);

/* Logical CPUs that can run at once: affinity and quota. */
uint32_t mote_usable_cpus(void);

#endif
