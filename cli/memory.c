/* memory.c: refuses a model or a session that is larger than the memory there is, before tensors
 * are read, and says what would fit. The limit is --mem, else what the machine, the cgroup and
 * ulimit -v leave. Read cli.h first.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* Bytes that may be used, `mapped` of them in place already; UINT64_MAX: nobody knows. */
static uint64_t limit_of(const cli_opts *o, uint64_t mapped)
{
    mote_machine m;
    if (o->memory > 0)
        return (uint64_t)(o->memory * 1e6);
    mote_host_machine(&m);
    uint64_t most = m.memory_free_bytes ? m.memory_free_bytes : UINT64_MAX;
    uint64_t room = m.address_bytes > UINT64_MAX - mapped ? UINT64_MAX : m.address_bytes + mapped;
    return room < most ? room : most;
}

uint64_t cli_memory_limit(const cli_engine *e) { return limit_of(e->o, e->file.bytes); }

uint64_t cli_memory_for(const cli_opts *o) { return limit_of(o, 0); }

static int refuse(const cli_engine *e, uint64_t need, uint64_t most, const char *fits)
{
    char wanted[32], there[32];
    return cli_error(MOTE_ERR_MEMORY, e->o->model,
                     "needs %s of memory, %s may be used%s; would fit: %s", cli_size(wanted, need),
                     cli_size(there, most),
                     e->o->memory > 0 ? " (--mem)" : " (--mem sets another limit)", fits);
}

/* ---- the file ------------------------------------------------------------------------------- */

/* Bits that a weight has with its scales, about. */
static const struct {
    const char *type;
    double bits;
} types[] = {{"f16", 16}, {"q8", 8.5}, {"q4", 4.6}};

/* The largest type at which this model's matrices would fit, or the largest model. */
static void file_that_fits(const cli_engine *e, uint64_t most, char *text, size_t cap)
{
    mote_tensor_info t;
    double weights = 0;
    char size[32];
    for (size_t i = 0; i < e->info.n_tensors; i++) {
        mote_image_get_tensor(&e->image, i, &t);
        weights += t.is_tokenizer ? 0 : (double)t.rows * (double)t.k * (double)t.n_mats;
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        double bytes = weights * types[i].bits / 8;
        if (bytes > 0.95 * (double)most || bytes > 0.95 * (double)e->file.bytes)
            continue;
        snprintf(text, cap, "this model converted with --type %s, about %s", types[i].type,
                 cli_size(size, (uint64_t)bytes));
        return;
    }
    snprintf(text, cap, "a model of at most %.2f billion weights, at q4",
             0.95 * (double)most * 8 / types[2].bits / 1e9);
}

int cli_check_file(const cli_engine *e)
{
    char fits[120];
    uint64_t most = cli_memory_limit(e);
    if (e->file.bytes <= most)
        return 0;
    file_that_fits(e, most, fits, sizeof fits);
    return refuse(e, e->file.bytes, most, fits);
}

int cli_check_mapping(const cli_opts *o, uint64_t bytes)
{
    char wanted[32], there[32];
    uint64_t most = limit_of(o, 0);
    mote_machine m;
    mote_host_machine(&m);
    if (bytes <= m.address_bytes)
        return 0;
    return cli_error(MOTE_ERR_MEMORY, o->model,
                     "needs %s of addresses to be mapped, %s may be used (ulimit -v)",
                     cli_size(wanted, bytes), cli_size(there, most));
}

/* ---- what runs on it ------------------------------------------------------------------------ */

/* The longest context that fits with all else as it is; 0: not even the shortest. */
static uint32_t context_that_fits(const cli_engine *e, const mote_session_opts *so, uint64_t most,
                                  uint64_t beside)
{
    mote_error err;
    mote_session_plan plan;
    uint32_t lo = 0, hi = so->n_ctx / 64;
    while (lo < hi) {
        mote_session_opts try = *so;
        uint32_t mid = hi - (hi - lo) / 2;
        try.n_ctx = mid * 64;
        try.n_batch = so->n_batch < try.n_ctx ? so->n_batch : try.n_ctx;
        try.n_logits = so->n_logits < try.n_batch ? so->n_logits : try.n_batch;
        bool ok = mote_session_plan_bytes(&plan, e->model, &try, &err) == MOTE_OK;
        uint64_t history = (uint64_t)try.n_ctx * sizeof(int32_t);
        if (ok && plan.total_bytes + history + beside <= most)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo * 64;
}

int cli_check_session(const cli_engine *e, const mote_session_opts *so, const cli_memory *plan)
{
    char fits[120];
    uint64_t need = plan->total + plan->file, most = cli_memory_limit(e);
    if (need <= most)
        return 0;
    uint64_t beside = need - plan->session.total_bytes - plan->history;
    uint32_t n = context_that_fits(e, so, most, beside);
    if (n)
        snprintf(fits, sizeof fits, "-c %u%s", n,
                 so->kv == MOTE_KV_Q8 ? "" : ", more with --kv q8");
    else
        snprintf(fits, sizeof fits, "no context; less without it: -b 32, --kv q8, a smaller type");
    return refuse(e, need, most, fits);
}

int cli_check_bytes(const cli_engine *e, uint64_t total)
{
    uint64_t need = total + e->file.bytes, most = cli_memory_limit(e);
    return need <= most ? 0 : refuse(e, need, most, "a smaller batch, -b; a smaller type");
}
