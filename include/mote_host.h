/* mote_host.h: the hosted side of libmote: files, memory, threads. POSIX.
 *
 * Allocates only in the *_open and *_new functions below, through mote_host_alloc; nothing is
 * allocated between them and the matching close.
 */
#ifndef MOTE_HOST_H
#define MOTE_HOST_H

#include "mote.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* ---- memory ------------------------------------------------------------------------------- */

/* MOTE_ALIGN-aligned memory, zeroed by the system page by page; NULL when there is none. */
void *mote_host_alloc(size_t bytes);
void mote_host_free(void *ptr);

/* ---- files -------------------------------------------------------------------------------- */

typedef struct mote_file {
    const void *base;
    size_t bytes;
} mote_file;

/* Maps a regular file read-only. MOTE_ERR_IO with what/name when it cannot be opened, is no regular
 * file, or cannot be mapped. */
mote_status mote_file_map(mote_file *out, const char *path, mote_error *err);
/* Maps a file that isn't there: it begins with head and goes on with zeros, which take no memory.
 * For the sizes of a model before its weights. MOTE_ERR_MEMORY: no room in the address space. */
mote_status mote_file_pretend(mote_file *out, const void *head, size_t head_bytes, uint64_t bytes,
                              mote_error *err);
void mote_file_unmap(mote_file *file);

/* Why a file is not a .mote file, in words: "a GGUF file", "a ZIP or PyTorch file" ...; NULL when
 * its first bytes are not known. */
const char *mote_file_kind(const void *base, size_t bytes);

/* ---- threads ------------------------------------------------------------------------------ */

typedef struct mote_pool mote_pool;

/* Threads to use by default: physical performance cores within the affinity mask and the cgroup's
 * CPU quota; at least 1. */
uint32_t mote_host_threads(void);

/* What the machine has and what of it this process may use. */
typedef struct mote_machine {
    uint32_t n_cpus;            /* logical CPUs in the affinity mask */
    uint32_t n_cores;           /* physical performance cores among them */
    uint32_t quota;             /* whole CPUs the cgroup allows, 0: no limit */
    uint32_t n_threads;         /* mote_host_threads() */
    uint64_t memory_bytes;      /* 0: unknown, as below */
    uint64_t memory_free_bytes; /* what can be had without swapping, in the cgroup's limits */
    uint64_t address_bytes;     /* of addresses that ulimit -v leaves; UINT64_MAX: no limit */
} mote_machine;

void mote_host_machine(mote_machine *machine);

/* n_threads - 1 workers, which spin for a short time between jobs, then sleep. One caller at a
 * time. NULL and err set when threads cannot be made. */
mote_pool *mote_pool_new(uint32_t n_threads, mote_error *err);
void mote_pool_free(mote_pool *pool);
const mote_team *mote_pool_team(const mote_pool *pool);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
