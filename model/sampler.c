/* sampler.c: from logits to one id. docs/sampling.md has the formulas and their sources.
 *
 *   logits -> bias -> penalties -> top-k -> top-p -> min-p -> temperature -> draw
 *
 * Candidates are 64-bit numbers: the logit as an unsigned number of the same order, then the id
 * turned round. The larger number is the better candidate, the lower id on ties, and one sort of
 * numbers puts them in the order in which all sums run: the same choice on every machine.
 */
#include <string.h>

#include "include/mote_error.h"
#include "model/arena.h"
#include "model/model.h"

#define MAX_LAST (1u << 24)
#define MAX_BIASES (1u << 20)
#define RADIX_BITS 11u
#define RADIX (1u << RADIX_BITS)
#define FAR_BELOW (-100.0f) /* exp of this is 0 (NUMERICS.md) */

struct mote_sampler {
    mote_sampler_opts opts;
    const mote_kernels *kernels;
    size_t n_vocab;
    size_t n_keep; /* candidates after top-k */
    uint64_t random[4];
    mote_logit_bias *bias; /* [n_bias] */
    float *logits;         /* [n_vocab], when biases or penalties change them */
    uint64_t *heap;        /* [n_keep], or [n_vocab] to sort all */
    uint64_t *other;       /* [n_vocab], to sort all */
    uint32_t *digits;      /* [RADIX], to sort all */
    float *x, *p;          /* [n_keep] */
    int32_t *last;         /* [repeat_last_n], a ring */
    uint32_t *counts;      /* [n_vocab]: how often an id is in it */
    size_t n_last, next_last;
    size_t n_left; /* candidates that the last choice was drawn from */
};

/* ---- options -------------------------------------------------------------------------------- */

void mote_sampler_defaults(mote_sampler_opts *opts)
{
    *opts = (mote_sampler_opts){.temperature = 0.8f,
                                .top_k = 40,
                                .top_p = 0.95f,
                                .min_p = 0.05f,
                                .repeat_penalty = 1.0f,
                                .repeat_last_n = 64};
}

/* NaN is in no range. */
static bool within(float x, float min, float max) { return x >= min && x <= max; }

static mote_status check_biases(const mote_sampler_opts *o, size_t n_vocab, mote_error *err)
{
    if (o->n_bias > MAX_BIASES)
        return mote_fail_got(err, MOTE_ERR_LIMIT, "too many logit biases", NULL, o->n_bias,
                             MAX_BIASES);
    for (size_t i = 0; i < o->n_bias; i++) {
        float bias = o->bias[i].bias;
        if (o->bias[i].token < 0 || (size_t)o->bias[i].token >= n_vocab)
            return mote_fail_got(err, MOTE_ERR_LIMIT, "token of a logit bias", NULL,
                                 (uint32_t)o->bias[i].token, n_vocab);
        if (!within(bias, -1e9f, 1e9f) && !(bias < 0 && bias - bias != 0 && bias == bias))
            return mote_fail(err, MOTE_ERR_LIMIT,
                             "a logit bias is out of range (-1e9 to 1e9, or minus infinity)", NULL);
    }
    return MOTE_OK;
}

static mote_status check_penalties(const mote_sampler_opts *o, size_t n_vocab, mote_error *err)
{
    const mote_status limit = MOTE_ERR_LIMIT;
    if (!within(o->repeat_penalty, 1e-3f, 1e3f))
        return mote_fail(err, limit, "repeat penalty is out of range (0.001 to 1000)", NULL);
    if (!within(o->presence_penalty, -1e3f, 1e3f))
        return mote_fail(err, limit, "presence penalty is out of range (-1000 to 1000)", NULL);
    if (!within(o->frequency_penalty, -1e3f, 1e3f))
        return mote_fail(err, limit, "frequency penalty is out of range (-1000 to 1000)", NULL);
    if (o->repeat_last_n > MAX_LAST)
        return mote_fail(err, limit, "too many ids to look back on", NULL);
    return check_biases(o, n_vocab, err);
}

static mote_status check(const mote_sampler_opts *o, size_t n_vocab, mote_error *err)
{
    const mote_status limit = MOTE_ERR_LIMIT;
    if (!within(o->temperature, -1e6f, 1e6f))
        return mote_fail(err, limit, "temperature is out of range (0 to 1e6)", NULL);
    if (!within(o->top_p, 0.0f, 1e6f))
        return mote_fail(err, limit, "top-p is out of range (0 to 1)", NULL);
    if (!within(o->min_p, -1e6f, 1.0f))
        return mote_fail(err, limit, "min-p is out of range (0 to 1)", NULL);
    if (n_vocab == 0 || n_vocab > MOTE_MAX_DIM)
        return mote_fail(err, limit, "size of the vocabulary", NULL);
    if (MOTE_PENALTIES)
        return check_penalties(o, n_vocab, err);
    if (o->n_bias || o->repeat_penalty != 1.0f || o->presence_penalty != 0.0f ||
        o->frequency_penalty != 0.0f)
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "penalties and logit biases", NULL);
    return MOTE_OK;
}

/* ---- memory --------------------------------------------------------------------------------- */

static bool has_penalties(const mote_sampler_opts *o)
{
    return MOTE_PENALTIES && o->repeat_last_n &&
           (o->repeat_penalty != 1.0f || o->presence_penalty != 0.0f ||
            o->frequency_penalty != 0.0f);
}

/* Lays a sampler out; measures when a->base is NULL. */
static mote_sampler *carve(mote_arena *a, size_t n_vocab, const mote_sampler_opts *o)
{
    mote_sampler measured = {0};
    mote_sampler *made = mote_take(a, 1, sizeof *made), *s = made ? made : &measured;
    bool greedy = o->temperature <= 0.0f;
    bool all = o->top_k <= 0 || (size_t)o->top_k >= n_vocab;
    memset(s, 0, sizeof *s);
    s->opts = *o;
    s->n_vocab = n_vocab;
    s->n_keep = all ? n_vocab : (size_t)o->top_k;
    if (MOTE_PENALTIES)
        s->bias = mote_take(a, o->n_bias, sizeof *s->bias);
    if (MOTE_PENALTIES && (o->n_bias || has_penalties(o)))
        s->logits = mote_take(a, n_vocab, sizeof *s->logits);
    if (has_penalties(o)) {
        s->last = mote_take(a, o->repeat_last_n, sizeof *s->last);
        s->counts = mote_take(a, n_vocab, sizeof *s->counts);
    }
    if (!greedy) {
        s->heap = mote_take(a, s->n_keep, sizeof *s->heap);
        s->x = mote_take(a, s->n_keep, sizeof *s->x);
        s->p = mote_take(a, s->n_keep, sizeof *s->p);
    }
    if (MOTE_SORT_ALL && !greedy && all) {
        s->other = mote_take(a, n_vocab, sizeof *s->other);
        s->digits = mote_take(a, RADIX, sizeof *s->digits);
    }
    return made;
}

size_t mote_sampler_bytes(size_t n_vocab, const mote_sampler_opts *opts, mote_error *err)
{
    mote_arena a = {0};
    if (check(opts, n_vocab, err))
        return 0;
    carve(&a, n_vocab, opts);
    if (a.overflow || a.used > SIZE_MAX) {
        mote_fail(err, MOTE_ERR_MEMORY, "the sampler is larger than the address space", NULL);
        return 0;
    }
    return (size_t)a.used;
}

/* ---- random numbers: xoshiro256++, seeded by splitmix64 ------------------------------------- */

static void seed_random(uint64_t state[4], uint64_t seed)
{
    for (size_t i = 0; i < 4; i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        state[i] = z ^ (z >> 31);
    }
}

static uint64_t rotate(uint64_t x, unsigned by) { return x << by | x >> (64 - by); }

/* In [0, 1), 53 bits. */
static double draw_unit(uint64_t s[4])
{
    uint64_t result = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return (double)(result >> 11) * 0x1p-53;
}

/* ---- beginning ------------------------------------------------------------------------------ */

mote_status mote_sampler_init(mote_sampler **out, void *mem, size_t mem_bytes,
                              const mote_model *model, const mote_sampler_opts *opts,
                              mote_error *err)
{
    mote_error own;
    mote_arena a = {.base = mem};
    err = err ? err : &own;
    *out = NULL;
    size_t need = mote_sampler_bytes(model->index->n_vocab, opts, err);
    if (!need)
        return err->status;
    if (mem_bytes < need || (uintptr_t)mem % MOTE_ALIGN)
        return mote_fail_got(err, MOTE_ERR_MEMORY, "memory for the sampler", NULL, mem_bytes, need);
    mote_sampler *s = carve(&a, model->index->n_vocab, opts);
    s->kernels = mote_model_kernels(model);
    seed_random(s->random, opts->seed);
    if (MOTE_PENALTIES && opts->n_bias)
        memcpy(s->bias, opts->bias, opts->n_bias * sizeof *s->bias);
    s->opts.bias = s->bias;
    if (MOTE_PENALTIES && s->counts)
        memset(s->counts, 0, s->n_vocab * sizeof *s->counts);
    *out = s;
    return MOTE_OK;
}

void mote_sampler_accept(mote_sampler *s, int32_t id)
{
    if (!MOTE_PENALTIES || !s->counts || id < 0 || (size_t)id >= s->n_vocab)
        return;
    if (s->n_last == s->opts.repeat_last_n)
        s->counts[s->last[s->next_last]]--;
    else
        s->n_last++;
    s->last[s->next_last] = id;
    s->counts[id]++;
    s->next_last = (s->next_last + 1) % s->opts.repeat_last_n;
}

/* ---- bias and penalties --------------------------------------------------------------------- */

static void penalize(mote_sampler *s)
{
    const uint32_t seen = 1u << 31;
    for (size_t i = 0; i < s->n_last; i++) {
        int32_t id = s->last[i];
        float *x = &s->logits[id];
        uint32_t n = s->counts[id];
        if (n & seen)
            continue;
        *x = *x <= 0.0f ? *x * s->opts.repeat_penalty : *x / s->opts.repeat_penalty;
        *x -= (float)n * s->opts.frequency_penalty + s->opts.presence_penalty;
        s->counts[id] |= seen;
    }
    for (size_t i = 0; i < s->n_last; i++)
        s->counts[s->last[i]] &= ~seen;
}

/* The logits to choose from: the given ones, or a changed copy. */
static const float *adjust(mote_sampler *s, const float *logits)
{
    if (!s->logits)
        return logits;
    memcpy(s->logits, logits, s->n_vocab * sizeof *logits);
    for (size_t i = 0; i < s->opts.n_bias; i++)
        s->logits[s->bias[i].token] += s->bias[i].bias;
    if (s->counts)
        penalize(s);
    return s->logits;
}

/* ---- candidates in order -------------------------------------------------------------------- */

/* A float as an unsigned number of the same order; -0 counts as 0. */
static uint64_t pack(float x, size_t id)
{
    uint32_t u;
    x += 0.0f;
    memcpy(&u, &x, sizeof u);
    u = u >> 31 ? ~u : u | 1u << 31;
    return (uint64_t)u << 32 | (uint32_t)~id;
}

static float unpack_logit(uint64_t c)
{
    uint32_t u = (uint32_t)(c >> 32);
    float x;
    u = u >> 31 ? u & ~(1u << 31) : ~u;
    memcpy(&x, &u, sizeof x);
    return x;
}

static int32_t unpack_id(uint64_t c) { return (int32_t) ~(uint32_t)c; }

/* Lets heap[i] sink: every entry is smaller than its children (the worst is on top). */
static void sink(uint64_t *heap, size_t n, size_t i)
{
    uint64_t c = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        child += child + 1 < n && heap[child + 1] < heap[child];
        if (c <= heap[child])
            break;
        heap[i] = heap[child];
    }
    heap[i] = c;
}

/* The best n_keep of all, best first: a heap of the best so far, then the heap sorted. */
static void select_top(const mote_sampler *s, const float *logits)
{
    uint64_t *heap = s->heap;
    size_t k = s->n_keep;
    for (size_t i = 0; i < k; i++)
        heap[i] = pack(logits[i], i);
    for (size_t i = k / 2; i-- > 0;)
        sink(heap, k, i);
    float worst = unpack_logit(heap[0]);
    /* An equal one has the larger id and stays out. */
    for (size_t i = k; (i = s->kernels->next_above(logits, i, s->n_vocab, worst)) < s->n_vocab;
         i++) {
        heap[0] = pack(logits[i], i);
        sink(heap, k, 0);
        worst = unpack_logit(heap[0]);
    }
    for (size_t n = k; n > 1;) {
        uint64_t last = heap[--n];
        heap[n] = heap[0];
        heap[0] = last;
        sink(heap, n, 0);
    }
}

/* All, best first: sorted by the logit's bits, 11 at a time from the low end. Equal ones keep their
 * order, which is by id. The result is in s->heap. */
static void sort_all(const mote_sampler *s, const float *logits)
{
    uint64_t *from = s->other, *to = s->heap;
    for (size_t i = 0; i < s->n_vocab; i++)
        from[i] = pack(logits[i], i);
    for (unsigned shift = 32; shift < 64; shift += RADIX_BITS) {
        uint32_t at = 0;
        memset(s->digits, 0, RADIX * sizeof *s->digits);
        for (size_t i = 0; i < s->n_vocab; i++)
            s->digits[~from[i] >> shift & (RADIX - 1)]++;
        for (size_t d = 0; d < RADIX; d++) {
            uint32_t n = s->digits[d];
            s->digits[d] = at;
            at += n;
        }
        for (size_t i = 0; i < s->n_vocab; i++)
            to[s->digits[~from[i] >> shift & (RADIX - 1)]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
}

/* ---- the chain ------------------------------------------------------------------------------ */

/* p[i] = exp((logit i - best logit) / temperature) for the first n candidates; returns their sum,
 * in order. */
static double weigh(const mote_sampler *s, size_t n, float temperature)
{
    float best = unpack_logit(s->heap[0]);
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        float x = unpack_logit(s->heap[i]);
        s->x[i] = x == best ? 0.0f : (x - best) / temperature;
        if (!(s->x[i] > FAR_BELOW)) /* minus infinity too */
            s->x[i] = FAR_BELOW;
    }
    s->kernels->exp_sum(s->p, s->x, 0.0f, n);
    for (size_t i = 0; i < n; i++)
        sum += (double)s->p[i];
    return sum;
}

/* The smallest number of candidates whose share reaches top_p, then those not below min_p of the
 * best. At least 1. */
static size_t cut(const mote_sampler *s, size_t n, double sum)
{
    double reached = 0.0;
    size_t kept = n;
    if (s->opts.top_p < 1.0f)
        for (kept = 0; kept < n && (!kept || reached < (double)s->opts.top_p * sum); kept++)
            reached += (double)s->p[kept];
    while (kept > 1 && s->p[kept - 1] < s->opts.min_p)
        kept--;
    return kept;
}

/* Where a point in [0, sum) falls. */
static size_t draw(const mote_sampler *s, size_t n, double point)
{
    double reached = 0.0;
    size_t last = 0;
    for (size_t i = 0; i < n; i++) {
        reached += (double)s->p[i];
        if (reached > point)
            return i;
        last = s->p[i] > 0.0f ? i : last;
    }
    return last;
}

static int32_t choose(mote_sampler *s, const float *given)
{
    const float *logits = MOTE_PENALTIES ? adjust(s, given) : given;
    if (s->opts.temperature <= 0.0f)
        return (int32_t)s->kernels->argmax(logits, s->n_vocab);
    if (MOTE_SORT_ALL && s->other)
        sort_all(s, logits);
    else
        select_top(s, logits);
    size_t n = s->n_keep;
    if (s->opts.top_p < 1.0f || s->opts.min_p > 0.0f)
        n = cut(s, n, weigh(s, n, 1.0f));
    double sum = weigh(s, n, s->opts.temperature);
    s->n_left = n;
    return unpack_id(s->heap[draw(s, n, draw_unit(s->random) * sum)]);
}

int32_t mote_sampler_choose(mote_sampler *s, const float *logits)
{
    unsigned fp = mote_fp_enter();
    int32_t id = choose(s, logits);
    mote_fp_leave(fp);
    return id;
}

#if MOTE_WATCH
void mote_sampler_candidates(mote_sampler *s, mote_candidates *out)
{
    const float min_p = s->opts.min_p;
    unsigned fp = mote_fp_enter();
    *out = (mote_candidates){0};
    if (s->n_left) {
        s->opts.min_p = 0.0f;
        out->by_top_k = s->n_keep;
        out->by_top_p = cut(s, s->n_keep, weigh(s, s->n_keep, 1.0f));
        out->by_min_p = s->n_left;
        out->sum = weigh(s, s->n_left, s->opts.temperature);
        s->opts.min_p = min_p;
    }
    mote_fp_leave(fp);
}

int32_t mote_sampler_candidate(const mote_sampler *s, size_t i, float *weight)
{
    *weight = i < s->n_left ? s->p[i] : 0.0f;
    return unpack_id(s->heap[i]);
}
#endif

int32_t mote_argmax(const float *logits, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}
