/* state.c: what a session holds, as bytes: a header, the ids, and of the KV cache what its
 * positions take. Read model.h first; session.c lays the cache out.
 *
 * One walk over the cache measures, saves and restores, so the three cannot differ. Rows of keys
 * are stored 16 positions to a tile: the last tile goes whole.
 */
#include <string.h>

#include "include/mote_error.h"
#include "loader/format.h"
#include "model/model.h"

static const char state_magic[8] = {'m', 'o', 't', 'e', 's', 't', 'a', 't'};

enum { STATE_VERSION = 1 };

typedef struct state_header {
    char magic[8];
    uint64_t bytes; /* of the whole state */
    uint32_t crc;   /* CRC32C of the whole state, this field 0 */
    uint32_t version, model, kv, length, long_rope;
    uint32_t reserved[6];
} state_header;

_Static_assert(sizeof(state_header) == 64, "a state's header is 64 bytes");

typedef struct walk {
    uint8_t *to;         /* saving */
    const uint8_t *from; /* restoring; neither: measuring */
    uint64_t bytes;
    size_t thread, n_threads; /* which parts to move: each n_threads'th; n_threads 0: all */
    size_t n_parts;
} walk;

static void move(walk *w, void *place, uint64_t bytes)
{
    bool mine = !w->n_threads || w->n_parts++ % w->n_threads == w->thread;
    if (mine && w->to)
        memcpy(w->to + w->bytes, place, (size_t)bytes);
    else if (mine && w->from)
        memcpy(place, w->from + w->bytes, (size_t)bytes);
    w->bytes += bytes;
}

/* The cache of the first n positions. */
static void walk_cache(walk *w, const mote_session *s, uint32_t n)
{
    uint64_t tiles = ((uint64_t)n + MOTE_TILE_ROWS - 1) / MOTE_TILE_ROWS;
    for (uint32_t i = 0; i < s->model->index->n_layers; i++) {
        const mote_kv_layer *kv = &s->kv[i];
        size_t n_heads = s->model->layers[i].rec->n_kv_heads;
        size_t groups = kv->v_head_scales / s->opts.n_ctx;
        for (size_t head = 0; head < n_heads; head++) {
            move(w, kv->k + head * kv->k_head_bytes, tiles * kv->k_tile_bytes);
            if (kv->v)
                move(w, kv->v + head * kv->v_head_bytes, (uint64_t)n * kv->v_row_bytes);
            if (kv->v_scales)
                move(w, kv->v_scales + head * kv->v_head_scales, n * groups * sizeof(uint16_t));
        }
    }
}

static uint64_t state_bytes(const mote_session *s, uint32_t n)
{
    walk w = {.bytes = sizeof(state_header) + (uint64_t)n * sizeof(int32_t)};
    walk_cache(&w, s, n);
    return w.bytes;
}

size_t mote_session_state_bytes(const mote_session *s) { return (size_t)state_bytes(s, s->length); }

/* Of a header whose crc field is 0, and what follows it. */
static uint32_t checksum(const state_header *h, const uint8_t *rest)
{
    return mote_crc32c(mote_crc32c(0, h, sizeof *h), rest, (size_t)(h->bytes - sizeof *h));
}

mote_status mote_session_save(const mote_session *s, const int32_t *ids, void *mem,
                              size_t mem_bytes, mote_error *err)
{
    state_header h = {.bytes = state_bytes(s, s->length),
                      .version = STATE_VERSION,
                      .model = s->model->index->index_crc,
                      .kv = s->opts.kv,
                      .length = s->length,
                      .long_rope = s->long_rope};
    uint8_t *to = mem;
    walk w = {.to = to, .bytes = sizeof h + (uint64_t)s->length * sizeof *ids};
    if (mem_bytes < h.bytes)
        return mote_fail_got(err, MOTE_ERR_MEMORY, "memory for the state", NULL, mem_bytes,
                             h.bytes);
    memcpy(h.magic, state_magic, sizeof h.magic);
    memcpy(to + sizeof h, ids, s->length * sizeof *ids);
    walk_cache(&w, s, s->length);
    h.crc = checksum(&h, to + sizeof h);
    memcpy(to, &h, sizeof h);
    return MOTE_OK;
}

/* Does a state fit this session? Then ids and cache can be read without a further look. */
static mote_status check_header(const mote_session *s, const state_header *h, size_t bytes,
                                mote_error *err)
{
    if (memcmp(h->magic, state_magic, sizeof state_magic) != 0)
        return mote_fail(err, MOTE_ERR_FILE, "this is no saved state", NULL);
    if (h->version != STATE_VERSION)
        return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "version of the state", NULL, h->version,
                             STATE_VERSION);
    if (h->model != s->model->index->index_crc)
        return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "the state is of another model", NULL,
                             h->model, s->model->index->index_crc);
    if (h->kv != (uint32_t)s->opts.kv)
        return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "KV type of the state", NULL, h->kv,
                             (uint32_t)s->opts.kv);
    if (h->length > s->opts.n_ctx)
        return mote_fail_got(err, MOTE_ERR_LIMIT, "positions of the state", NULL, h->length,
                             s->opts.n_ctx);
    if (h->long_rope > (s->model->index->rope_long_from ? 1u : 0u))
        return mote_fail(err, MOTE_ERR_FILE, "rotation of the state", NULL);
    for (size_t i = 0; i < sizeof h->reserved / sizeof *h->reserved; i++)
        if (h->reserved[i])
            return mote_fail(err, MOTE_ERR_UNSUPPORTED, "reserved fields of the state", NULL);
    if (h->bytes != bytes || bytes != state_bytes(s, h->length))
        return mote_fail_got(err, MOTE_ERR_FILE, "bytes of the state", NULL, bytes,
                             state_bytes(s, h->length));
    return MOTE_OK;
}

typedef struct restoring {
    mote_session *session;
    const state_header *header;
    const uint8_t *from;
    size_t n_threads;
} restoring;

/* One thread's share of the cache. Most of the time goes into the first touch of its pages. */
static void restore_share(void *arg, uint32_t thread)
{
    const restoring *r = arg;
    walk w = {.from = r->from, .thread = thread, .n_threads = r->n_threads};
    w.bytes = sizeof *r->header + (uint64_t)r->header->length * sizeof(int32_t);
    walk_cache(&w, r->session, r->header->length);
}

mote_status mote_session_restore(mote_session *s, int32_t *ids, const void *state, size_t bytes,
                                 const mote_team *team, mote_error *err)
{
    const uint8_t *from = state;
    state_header h;
    if (bytes < sizeof h)
        return mote_fail(err, MOTE_ERR_FILE, "this is no saved state", NULL);
    memcpy(&h, from, sizeof h);
    mote_status status = check_header(s, &h, bytes, err);
    if (status)
        return status;
    uint32_t crc = h.crc;
    h.crc = 0;
    if (checksum(&h, from + sizeof h) != crc)
        return mote_fail(err, MOTE_ERR_FILE, "the state is damaged: its checksum is wrong", NULL);
    for (uint32_t i = 0; i < h.length; i++) {
        int32_t id;
        memcpy(&id, from + sizeof h + i * sizeof id, sizeof id);
        if (id < 0 || (uint32_t)id >= s->model->index->n_vocab)
            return mote_fail(err, MOTE_ERR_FILE, "a token of the state is none of the model", NULL);
    }
    memcpy(ids, from + sizeof h, h.length * sizeof *ids);
    restoring r = {s, &h, from, team ? team->n_threads : 1};
    if (team)
        team->run(team->user, restore_share, &r);
    else
        restore_share(&r, 0);
    s->long_rope = h.long_rope != 0;
    s->length = h.length;
    return MOTE_OK;
}
