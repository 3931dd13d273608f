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
    mote_file file;
    mote_image image;
    mote_model *model;
    mote_tokenizer *words;
    mote_session *session;
    mote_decoder decoder;
    mote_session_plan plan;
    mote_finish finish;
    mote_error err = {.what = "wanted: generate MODEL TEXT"};
    mote_session_opts so = {.n_ctx = 128, .n_batch = 64, .n_logits = 1, .n_threads = 1};
    mote_generate_opts go = {.max_tokens = 40, .token = show, .user = &decoder};
    int32_t ids[88];
    size_t n, m = mote_tokenizer_bytes();

    if (argc < 3 || mote_file_map(&file, argv[1], &err) ||
        mote_image_open(&image, file.base, file.bytes, &err) ||
        !(n = mote_model_bytes(&image, &err)) ||
        mote_model_init(&model, mote_host_alloc(n), n, &image, NULL, &err) ||
        mote_tokenizer_init(&words, mote_host_alloc(m), m, &image, &err) ||
        mote_encode(words, argv[2], strlen(argv[2]), MOTE_ENCODE_ADD_SPECIAL, NULL, 0, ids, 88,
                    &go.n_ids, room, sizeof room, &err) ||
        mote_session_plan_bytes(&plan, model, &so, &err) || !(n = plan.total_bytes) ||
        mote_session_init(&session, mote_host_alloc(n), n, model, &so, &err))
        return fprintf(stderr, "generate: %s\n", err.what), 1;

    mote_decoder_init(&decoder, words, true);
    go.ids = ids;
    go.n_end_ids = mote_end_ids(&image, &go.end_ids);
    return (int)mote_generate(session, &go, &finish, &err); /* the system takes the memory back */
}
