/* main.c: the test program of a device. Runs a model in place from read-only memory, 200 tokens of
 * a prompt and what follows, and tells what run.py compares: text, hash, bytes, instructions. Then
 * what a device may be given that is wrong. Read board.h first. */
#include <string.h>

#include "include/mote.h"
#include "loader/format.h"
#include "tests/firmware/board.h"

#ifndef N_CTX
#define N_CTX 256
#endif
#define N_TOKENS 200
#define PAINT 0xa5c35a3cu
#define GUARD 64
#define HASH_BEGIN 0xcbf29ce484222325u
#define FRONT 16384 /* bytes: header and index */

static uint8_t arena[ARENA_BYTES] __attribute__((section(".arena"), aligned(64)));

/* ---- text ----------------------------------------------------------------------------------- */

static void put_number(const char *name, uint64_t n, unsigned base)
{
    char text[24], *at = text + sizeof text;
    *--at = 0;
    *--at = '\n';
    do {
        *--at = "0123456789abcdef"[n % base];
        n /= base;
    } while (n || (base == 16 && at > text + sizeof text - 18));
    board_put(name);
    board_put(" ");
    board_put(at);
}

/* ---- stack ---------------------------------------------------------------------------------- */

__attribute__((noinline)) static void paint_stack(void)
{
    uint32_t *here = __builtin_frame_address(0);
    for (volatile uint32_t *p = stack_bottom; p < here - 16; p++)
        *p = PAINT;
}

__attribute__((noinline)) static uint32_t stack_used(const void *from)
{
    const volatile uint32_t *p = stack_bottom;
    while (*p == PAINT)
        p++;
    return (uint32_t)((const uint8_t *)from - (const uint8_t *)p);
}

/* ---- a model in the arena ------------------------------------------------------------------- */

typedef struct device {
    mote_image image;
    mote_model *model;
    mote_tokenizer *tokenizer;
    mote_session *session;
    size_t used; /* bytes of the arena */
} device;

/* Everything at the front of the arena, of which `bytes` may be used. */
static mote_status start(device *d, size_t bytes, uint32_t n_ctx)
{
    const mote_session_opts o = {n_ctx, MOTE_KV_Q8, 1, 1, 1};
    mote_error err;
    mote_session_plan plan;
    size_t model_bytes, tokenizer_bytes = mote_tokenizer_bytes();
    mote_status s =
        mote_image_open(&d->image, model_begin, (size_t)(model_end - model_begin), &err);
    if (s)
        return s;
    model_bytes = mote_model_bytes(&d->image, &err);
    if (!model_bytes)
        return err.status;
    if (bytes < model_bytes + tokenizer_bytes)
        return MOTE_ERR_MEMORY;
    s = mote_model_init(&d->model, arena, model_bytes, &d->image, NULL, &err);
    if (!s)
        s = mote_tokenizer_init(&d->tokenizer, arena + model_bytes, tokenizer_bytes, &d->image,
                                &err);
    if (!s)
        s = mote_session_plan_bytes(&plan, d->model, &o, &err);
    if (s)
        return s;
    d->used = model_bytes + tokenizer_bytes + (size_t)plan.total_bytes;
    return mote_session_init(&d->session, arena + model_bytes + tokenizer_bytes,
                             bytes - model_bytes - tokenizer_bytes, d->model, &o, &err);
}

/* ---- a prompt ------------------------------------------------------------------------------- */

typedef struct prompt {
    int32_t ids[64];
    size_t n;
} prompt;

static uint64_t hash_bytes(uint64_t hash, const void *x, size_t n)
{
    const uint8_t *p = x;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

/* The scratch of the encoder lies where the session will: start again after this. */
static void encode(const device *d, prompt *p)
{
    static const char text[] = "Once upon a time";
    const size_t bytes = sizeof text - 1;
    size_t need = mote_encode_scratch_bytes(d->tokenizer, bytes);
    board_expect(need <= (size_t)(arena + ARENA_BYTES - (uint8_t *)d->session), "room to encode");
    board_expect(!mote_encode(d->tokenizer, text, bytes, MOTE_ENCODE_ADD_SPECIAL, NULL, 0, p->ids,
                              64, &p->n, d->session, need, NULL),
                 "mote_encode");
    put_number("encoded", hash_bytes(HASH_BEGIN, p->ids, 4 * p->n), 16);
}

/* ---- 200 tokens ----------------------------------------------------------------------------- */

static void show(mote_decoder *decoder, int32_t id)
{
    char piece[80];
    board_expect(mote_decode_max_bytes(decoder->tokenizer) < sizeof piece, "room for a piece");
    piece[mote_decoder_push(decoder, id, piece)] = 0;
    board_put(piece);
}

static void run_tokens(device *d, const prompt *p)
{
    uint64_t hash = HASH_BEGIN, sum = 0;
    uint32_t first = 0, last = 0;
    mote_model_info info;
    mote_decoder decoder;
    mote_row row = {0, 0, d->session, true};
    mote_model_get_info(d->model, &info);
    mote_decoder_init(&decoder, d->tokenizer, true);
    board_put("text ");
    for (uint32_t i = 0; i < N_TOKENS; i++) {
        row.token = i < p->n ? p->ids[i] : row.token;
        row.pos = i;
        board_count_begin();
        mote_status s = mote_forward(d->session, &row, 1, NULL, NULL, NULL);
        last = board_count_end();
        first = i ? first : last;
        sum += last;
        board_expect(!s, "mote_forward");
        const float *logits = mote_session_logits(d->session, 0);
        hash = hash_bytes(hash, logits, 4 * info.n_vocab);
        row.token = mote_argmax(logits, info.n_vocab);
        if (i + 1 >= p->n)
            show(&decoder, row.token);
    }
    board_put("\n");
    put_number("hash", hash, 16);
    put_number("first", first, 10);
    put_number("mean", sum / N_TOKENS, 10);
    put_number("last", last, 10);
    board_put("tier ");
    board_put(info.tier);
    board_put("\n");
}

/* ---- what a user would call ----------------------------------------------------------------- */

typedef struct heard {
    int32_t ids[16];
    size_t n;
} heard;

static bool hear(void *user, int32_t id)
{
    heard *h = user;
    h->ids[h->n++] = id;
    return h->n < sizeof h->ids / sizeof *h->ids;
}

/* mote_generate with the sampler, whose memory is the end of the arena. */
static void generate(device *d, const prompt *p)
{
    const size_t most = 4096;
    heard h = {.n = 0};
    mote_finish finish;
    mote_sampler *sampler;
    mote_sampler_opts so;
    mote_model_info info;
    uint8_t *free_from = arena + ARENA_BYTES - most;
    board_expect(!start(d, ARENA_BYTES - most, 64), "start again");
    mote_model_get_info(d->model, &info);
    mote_sampler_defaults(&so);
    so.seed = 1;
    board_expect(mote_sampler_bytes(info.n_vocab, &so, NULL) <= most, "room for the sampler");
    board_expect(!mote_sampler_init(&sampler, free_from, most, d->model, &so, NULL),
                 "mote_sampler_init");
    const mote_generate_opts o = {.ids = p->ids,
                                  .n_ids = p->n,
                                  .max_tokens = SIZE_MAX,
                                  .sampler = sampler,
                                  .token = hear,
                                  .user = &h};
    board_expect(!mote_generate(d->session, &o, &finish, NULL), "mote_generate");
    board_expect(finish == MOTE_FINISH_CALLER && h.n == 16, "sixteen tokens");
    put_number("sampled", hash_bytes(HASH_BEGIN, h.ids, sizeof h.ids), 16);
}

/* ---- what is wrong -------------------------------------------------------------------------- */

/* A prompt that is too long, tokens and positions that are none. */
static void refuse_calls(device *d)
{
    static const int32_t ids[65] = {1};
    mote_finish finish;
    mote_error err;
    mote_row row = {-1, mote_session_length(d->session), d->session, true};
    mote_generate_opts o = {.ids = ids, .n_ids = 65, .max_tokens = 1};
    board_expect(mote_generate(d->session, &o, &finish, &err) == MOTE_ERR_LIMIT, "a long prompt");
    board_expect(mote_forward(d->session, &row, 1, NULL, NULL, &err) == MOTE_ERR_LIMIT, "token -1");
    row.token = 1;
    row.pos = 7777;
    board_expect(mote_forward(d->session, &row, 1, NULL, NULL, &err) == MOTE_ERR_LIMIT,
                 "position 7777");
}

/* With one bit wrong: the file's first FRONT bytes in RAM, n of them from `from` on. */
static void refuse_bits(size_t from, size_t n, size_t step)
{
    mote_image image;
    const size_t bytes = (size_t)(model_end - model_begin);
    for (size_t at = 8 * from; at < 8 * (from + n); at += step) {
        uint64_t json;
        arena[at / 8] ^= (uint8_t)(1u << at % 8);
        memcpy(&json, arena, 8);
        if (json < FRONT - 16 || json >= bytes) { /* else the index would be where no copy is */
            mote_status s = mote_image_open(&image, arena, bytes, NULL);
            board_expect(s == MOTE_ERR_FILE || s == MOTE_ERR_UNSUPPORTED, "a bit is wrong");
        }
        arena[at / 8] ^= (uint8_t)(1u << at % 8);
    }
}

/* Files that end early, and a header and an index with one bit wrong: they alone lie in RAM,
 * opening reads nothing else. */
static void refuse_files(void)
{
    mote_image image;
    size_t bytes = (size_t)(model_end - model_begin), n_taken = 0;
    for (size_t n = 0; n < bytes; n += 1 + n / 7)
        n_taken += mote_image_open(&image, model_begin, n, NULL) != MOTE_OK ? 0 : 1;
    board_expect(n_taken == 0, "a file cut short");
    memcpy(arena, model_begin, FRONT);
    uint64_t json;
    memcpy(&json, arena, 8);
    board_expect(mote_image_open(&image, arena, bytes, NULL) == MOTE_OK, "the header in RAM");
    board_expect(8 + json + image.index->index_bytes < FRONT, "the index's place");
    refuse_bits(0, 9, 1); /* the header's length, its first brace */
    refuse_bits(8 + (size_t)json, image.index->index_bytes, 29);
    arena[8 + json + 8] ^= 2;
    board_expect(mote_image_open(&image, arena, bytes, NULL) == MOTE_ERR_UNSUPPORTED,
                 "another version");
    arena[8 + json] ^= 1;
    board_expect(mote_image_open(&image, arena, bytes, NULL) == MOTE_ERR_FILE, "another magic");
}

static void check_arena(device *d)
{
    size_t used = d->used;
    board_expect(used + GUARD <= ARENA_BYTES, "room for the guard");
    board_expect(start(d, used - 1, N_CTX) == MOTE_ERR_MEMORY, "one byte less");
    memset(arena, 0x5a, ARENA_BYTES);
    board_expect(!start(d, used, N_CTX), "exactly enough");
}

int main(void)
{
    device d = {.used = 0};
    prompt p = {.n = 0};
    mote_status s;
    paint_stack();
    s = start(&d, ARENA_BYTES, N_CTX);
    put_number("status", s, 10);
    if (s)
        return 2;
    encode(&d, &p);
    check_arena(&d);
    run_tokens(&d, &p);
    for (size_t i = 0; i < GUARD; i++)
        board_expect(arena[d.used + i] == 0x5a, "the guard behind the arena");
    put_number("arena", d.used, 10);
    generate(&d, &p);
    refuse_calls(&d);
    refuse_files();
    put_number("stack", stack_used(__builtin_frame_address(0)), 10);
    board_put("done\n");
    return 0;
}
