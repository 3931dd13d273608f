/* main.c: a story teller on a microcontroller: a line comes in over a serial port, tokens go out as
 * they are made. Copy it, write serial.h's two functions for your board, and bake a model:
 *     mote bake models/story-tiny.mote -o story.c -c 256 --kv q8
 * build.sh does that and links it all. */
#include "include/mote.h"
#include "serial.h"
#include "story.h"

#define LINE 80

static uint8_t arena[STORY_ARENA_BYTES] __attribute__((aligned(64)));
static int32_t ids[3 * LINE + 8];

typedef struct app {
    mote_image image;
    mote_model *model;
    mote_tokenizer *tokenizer;
    mote_session *session;
    mote_decoder decoder;
} app;

/* Where the session lies: behind model and tokenizer. */
static uint8_t *session_memory(void)
{
    return arena + STORY_MODEL_BYTES + STORY_TOKENIZER_BYTES;
}

static mote_status start(app *a, mote_error *err)
{
    mote_status s = mote_image_open(&a->image, story, STORY_BYTES, err);
    if (!s)
        s = mote_model_init(&a->model, arena, STORY_MODEL_BYTES, &a->image, NULL, err);
    if (!s)
        s = mote_tokenizer_init(&a->tokenizer, arena + STORY_MODEL_BYTES, STORY_TOKENIZER_BYTES,
                                &a->image, err);
    return s;
}

static bool show(void *user, int32_t id)
{
    app *a = user;
    char piece[80]; /* of a vocabulary with pieces below 64 bytes */
    size_t n = mote_decoder_push(&a->decoder, id, piece);
    serial_write(piece, n);
    return true;
}

/* The encoder works in the session's memory, which is laid out anew for every line. */
static mote_status answer(app *a, const char *line, size_t bytes, mote_error *err)
{
    const mote_session_opts so = {STORY_N_CTX, (mote_kv)STORY_KV, 1, 1, 1};
    mote_generate_opts o = {.ids = ids, .max_tokens = SIZE_MAX, .token = show, .user = a};
    mote_finish finish;
    mote_status s = mote_encode(a->tokenizer, line, bytes, MOTE_ENCODE_ADD_SPECIAL, NULL, 0, ids,
                                sizeof ids / sizeof *ids, &o.n_ids, session_memory(),
                                STORY_SESSION_BYTES, err);
    if (!s)
        s = mote_session_init(&a->session, session_memory(), STORY_SESSION_BYTES, a->model, &so,
                              err);
    o.n_end_ids = mote_end_ids(&a->image, &o.end_ids);
    mote_decoder_init(&a->decoder, a->tokenizer, true);
    return s ? s : mote_generate(a->session, &o, &finish, err);
}

int main(void)
{
    app a;
    mote_error err;
    char line[LINE];
    mote_status s = start(&a, &err);
    while (!s) {
        size_t n = serial_read_line(line, sizeof line);
        s = answer(&a, line, n, &err);
        serial_write("\n", 1);
        if (s == MOTE_ERR_LIMIT || s == MOTE_ERR_MEMORY) /* the line was too long: the next one */
            s = MOTE_OK;
    }
    serial_write("stopped\n", 8);
    return s;
}
