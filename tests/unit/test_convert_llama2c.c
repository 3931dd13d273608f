/* test_convert_llama2c.c: what a llama2.c checkpoint does not say and its program has built in. */
#include <stdio.h>
#include <stdlib.h>

#include "include/mote_host.h"
#include "loader/records.h"
#include "tests/unit/test.h"
#include "tools/convert/convert.h"

enum { DIM = 8, FF = 8, N_LAYERS = 1, N_HEADS = 2, N_KV_HEADS = 2, N_VOCAB = 4, N_CTX = 6 };

static bool write_checkpoint(const char *path)
{
    const int32_t sizes[7] = {DIM, FF, N_LAYERS, N_HEADS, N_KV_HEADS, N_VOCAB, N_CTX};
    const size_t layer = 2 * DIM + 4 * DIM * DIM + 3 * DIM * FF;
    const size_t n = N_VOCAB * DIM + N_LAYERS * layer + DIM + N_CTX * DIM / N_HEADS;
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(sizes, sizeof sizes, 1, f) == 1;
    for (size_t i = 0; ok && i < n; i++)
        ok = fwrite(&(float){0.5f}, sizeof(float), 1, f) == 1;
    return f && !fclose(f) && ok;
}

static bool write_vocabulary(const char *path)
{
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(&(int32_t){1}, 4, 1, f) == 1;
    for (int i = 0; ok && i < N_VOCAB; i++) {
        const char piece = (char)('a' + i);
        ok = fwrite(&(float){(float)-i}, 4, 1, f) == 1 && fwrite(&(int32_t){1}, 4, 1, f) == 1 &&
             fwrite(&piece, 1, 1, f) == 1;
    }
    return f && !fclose(f) && ok;
}

TEST(llama2c_checkpoints_have_what_their_program_assumes)
{
    char source[300], vocab[300], made[300];
    mote_convert_error why;
    mote_file file;
    mote_image image;
    mote_error err;
    snprintf(source, sizeof source, "%s/m.bin", test_folder());
    snprintf(vocab, sizeof vocab, "%s/tok.bin", test_folder());
    snprintf(made, sizeof made, "%s/l2.mote", test_folder());
    REQUIRE(write_checkpoint(source) && write_vocabulary(vocab));
    mote_convert_opts o = {.source = source, .output = made, .vocab = vocab, .force = true};
    REQUIRE(!mote_convert(&o, &why));
    REQUIRE(!mote_file_map(&file, made, &err));
    REQUIRE(!mote_image_open(&image, file.base, file.bytes, &err));
    const mote_index *x = image.index;
    const mote_layer *l = mote_layer_records(x);
    CHECK(x->n_ctx == N_CTX && x->hidden == DIM && x->n_vocab == N_VOCAB &&
          x->n_layers == N_LAYERS);
    CHECK(x->bos_id == 1 && x->n_end_ids == 2 && x->end_ids[0] == 1 && x->end_ids[1] == 2);
    CHECK(x->final_norm_eps == 1e-5f && l->norm_eps == 1e-5f && l->ff == FF && l->head_dim == 4);
    for (uint32_t i = 0; i < x->n_tensors; i++) {
        const mote_tensor *t = mote_tensor_records(x) + i;
        if (t->kind == MOTE_W_ROPE && !t->place) { /* 10000^(-2 i / 4) */
            const float *rope = (const float *)(const void *)(image.data + t->offset);
            CHECK(t->rows == 2 && rope[0] == 1.0f && rope[1] == 0.01f);
        }
    }
    mote_file_unmap(&file);
}
