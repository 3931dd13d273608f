/* generate.c: goes on with a text, one best token after the other.
 *   cc generate.c $(pkg-config --cflags --libs mote) -o generate && ./generate MODEL.mote TEXT */
#include <mote_host.h>
#include <stdio.h>
#include <string.h>

static char room[1 << 20]; /* for one piece, and to tokenize in */

static bool show(void *decoder, int32_t id)
{
    return fwrite(room, 1, mote_decoder_push(decoder, id, room), stdout) || true;
}

int main(int argc, char **argv)
{
    mote_error err = {.what = "wanted: generate MODEL TEXT"};
    mote_models *models = argc > 2 ? mote_models_new(NULL, &err) : NULL;
    mote_session_opts so = {.n_ctx = 128, .n_batch = 64, .n_logits = 1, .n_threads = 1};
    mote_decoder decoder;
    mote_generate_opts go = {.max_tokens = 40, .token = show, .user = &decoder};
    int32_t ids[88];
    mote_session *session;
    mote_finish finish;
    if (!models || mote_models_load(models, "text", &(mote_load_opts){.path = argv[1]}, &err) ||
        mote_models_session(models, "text", &so, &session, &err))
        return fprintf(stderr, "generate: %s\n", err.what), 1;

    const mote_loaded *m = mote_models_use(models, "text");
    if (mote_encode(m->tokenizer, argv[2], strlen(argv[2]), MOTE_ENCODE_ADD_SPECIAL, NULL, 0, ids,
                    88, &go.n_ids, room, sizeof room, &err))
        return fprintf(stderr, "generate: %s\n", err.what), 1;
    mote_decoder_init(&decoder, m->tokenizer, true);
    go.ids = ids;
    go.n_end_ids = mote_end_ids(&m->image, &go.end_ids);
    return (int)mote_generate(session, &go, &finish, &err); /* the system takes the memory back */
}
