/* rehearse.c: how long a token of a model takes, without the model: the converter lays a file out
 * for a configuration, its weights are zeros in memory of our own, and that runs. The kernels' time
 * does not depend on what they multiply. Read machine.h first.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cli/machine.h"

#if MOTE_CONVERT

#include "tools/convert/convert.h"

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

enum { POSITIONS = 128 };
#define ENOUGH_SECONDS 0.25

/* Memory with a page of its own for each page of the file: a map that was never written to is one
 * page of zeros, which stays in the cache. Large pages, since the system keeps files in such: with
 * small ones a token takes a fifth more than it does from a file. */
static bool furnish(mote_file *file, const mote_draft *d)
{
    size_t bytes = (size_t)d->file_bytes;
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return false;
#ifdef MADV_HUGEPAGE
    madvise(p, bytes, MADV_HUGEPAGE);
#endif
    for (size_t at = 0; at < bytes; at += 4096)
        ((volatile char *)p)[at] = 0;
    memcpy(p, d->head, d->head_bytes);
    *file = (mote_file){p, bytes};
    return true;
}

/* The mean of the steps behind the first, as in `mote bench`: what the others on the machine take
 * is in it. */
static int run(cli_engine *e, uint32_t steps, double *seconds)
{
    double begin = 0, now = 0;
    mote_error err;
    uint32_t i = 0;
    for (; i <= steps && (i < 4 || now - begin < ENOUGH_SECONDS); i++) {
        mote_row row = {0, i, e->session, true};
        if (mote_forward(e->session, &row, 1, cli_team(e), NULL, &err))
            return cli_fail(NULL, &err);
        now = cli_seconds();
        if (i == 0)
            begin = now;
    }
    *seconds = (now - begin) / (i - 1);
    return 0;
}

int cli_rehearse(const char *config, size_t type, uint32_t n_threads, uint32_t steps,
                 mote_model_info *model, double *seconds)
{
    const mote_convert_type types[] = {MOTE_CONVERT_F32, MOTE_CONVERT_F16, MOTE_CONVERT_Q8,
                                       MOTE_CONVERT_Q4};
    const mote_convert_opts co = {.source = "rehearsal", .config = {config, strlen(config)}};
    cli_opts o = {.model = "rehearsal", .kv = "f16", .threads = n_threads, .quiet = true};
    cli_engine e;
    mote_draft d;
    mote_convert_error err;
    mote_session_opts so;
    mote_file file;
    if (mote_convert_draft(&co, POSITIONS, &types[type], 1, &d, &err))
        return cli_error((int)err.status, NULL, "%s", err.text);
    bool is_there = furnish(&file, &d);
    free(d.head);
    if (!is_there)
        return cli_no_memory();
    int code = cli_engine_open_file(&e, &o, &file, NEED_MODEL);
    if (code)
        return code;
    code = cli_session_options(&e, POSITIONS, 1, false, &so);
    if (!code)
        code = cli_engine_session(&e, &so);
    if (!code) {
        mote_model_get_info(e.model, model);
        code = run(&e, steps, seconds);
    }
    cli_engine_close(&e);
    return code;
}

#else

int cli_rehearse(const char *config, size_t type, uint32_t n_threads, uint32_t steps,
                 mote_model_info *model, double *seconds)
{
    (void)config, (void)type, (void)n_threads, (void)steps, (void)model, (void)seconds;
    return MOTE_ERR_UNSUPPORTED;
}

#endif
