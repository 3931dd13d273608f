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

/* Threads to run a model with by default: mote_host_threads(), but to decode so few that each reads
 * 4 MB of weights a token (docs/decisions/0011); at least 1. It reads system files for each CPU. */
uint32_t mote_model_threads(const mote_model *model);

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

/* ---- models by role ------------------------------------------------------------------------ */

/* Several models in one process, each under a role ("chat", "embed"), for programs of many threads.
 * All functions may be called by any thread at any time; a load that comes while another thread
 * loads the role waits for it and shares its outcome. The object belongs to the caller; nothing is
 * global. */
typedef struct mote_models mote_models;

#define MOTE_MAX_ROLES 32
#define MOTE_ROLE_BYTES 32 /* of a role's name, with its end */

typedef enum mote_load_state {
    MOTE_NOT_LOADED = 0,
    MOTE_LOADING,
    MOTE_LOADED,
    MOTE_LOAD_FAILED /* the last load of the role; it may be loaded again */
} mote_load_state;

/* What a load has come to. `error` is set with MOTE_LOAD_FAILED only. */
typedef struct mote_load_event {
    const char *role;
    mote_load_state state;
    uint32_t percent; /* of LOADING; 100 when loaded */
    const mote_error *error;
} mote_load_event;

/* One line of a log. `number` goes with `what`: bytes, or how many. */
typedef struct mote_log_line {
    int64_t time_ns; /* since 1970, UTC */
    uint64_t thread; /* tells threads of this process apart */
    const char *role;
    const char *what; /* a constant: "loaded", "cancelled" ... */
    uint64_t number;
} mote_log_line;

typedef struct mote_models_opts {
    /* Called by the thread in question, with no lock held; may be NULL: silent. */
    void (*log)(void *user, const mote_log_line *line);
    void *user;
    /* Where memory comes from (NULL: mote_host_alloc, mote_host_free): for counting, for tests. */
    void *(*alloc)(size_t bytes);
    void (*release)(void *ptr);
} mote_models_opts;

typedef struct mote_load_opts {
    const char *path;
    mote_model_opts model;
    bool check;            /* checksums of all tensors first; progress follows it */
    uint64_t memory_bytes; /* may be used, the file included; 0: what the machine has free. Beyond
                            * it: MOTE_ERR_MEMORY, before any tensor is read */
    /* Called by the loading thread with no lock held; both may be NULL. */
    void (*event)(void *user, const mote_load_event *event);
    bool (*cancel)(void *user); /* true: the load ends with MOTE_CANCELLED */
    void *user;
} mote_load_opts;

/* opts NULL: all defaults. NULL and err set: no memory. */
mote_models *mote_models_new(const mote_models_opts *opts, mote_error *err);
/* All that it gave must have been given back. */
void mote_models_free(mote_models *models);

/* Loads the file for the role; MOTE_OK at once if it has that file already. MOTE_ERR_LIMIT: it has
 * another one (unload first), or there are too many roles. */
mote_status mote_models_load(mote_models *models, const char *role, const mote_load_opts *opts,
                             mote_error *err);
/* MOTE_ERR_LIMIT: still in use, got = by how many. A role without a model is fine. */
mote_status mote_models_unload(mote_models *models, const char *role, mote_error *err);
mote_load_state mote_models_state(mote_models *models, const char *role);
bool mote_models_is_loaded(mote_models *models, const char *role);

/* What a role holds; immutable while it is in use. */
typedef struct mote_loaded {
    mote_image image;
    const mote_model *model;
    const mote_tokenizer *tokenizer; /* NULL: the file has none */
} mote_loaded;

/* NULL: nothing is loaded. Every use is given back by mote_models_drop, before which the role
 * cannot be unloaded. */
const mote_loaded *mote_models_use(mote_models *models, const char *role);
void mote_models_drop(mote_models *models, const char *role);

/* A session of the role's model, counted in the statistics; it is a use. */
mote_status mote_models_session(mote_models *models, const char *role,
                                const mote_session_opts *opts, mote_session **out, mote_error *err);
void mote_models_end_session(mote_models *models, const char *role, mote_session *session);

typedef struct mote_models_stats {
    uint32_t n_loaded, n_uses, n_sessions;
    uint64_t n_maps;                  /* files mapped so far, in all */
    uint64_t mapped_bytes;            /* files in use */
    uint64_t arena_bytes, peak_bytes; /* memory for models, tokenizers and sessions: now, at most */
    uint64_t kv_bytes;                /* of these, keys and values */
} mote_models_stats;

/* role NULL: of all. */
void mote_models_get_stats(mote_models *models, const char *role, mote_models_stats *stats);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
