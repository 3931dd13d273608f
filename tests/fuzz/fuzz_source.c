/* fuzz_source.c: what the converter reads: GGUF, llama2.c, safetensors, a folder's JSON files,
 * tokenizer.json, SentencePiece models. What it takes is written, loaded and run for a token; what
 * it refuses leaves nothing. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/mote_host.h"
#include "loader/image.h"
#include "tests/fuzz/tokenizers.h"
#include "tools/convert/source.h"

enum { HIDDEN = 32, VOCAB = 300 };

/* ---- converting and what comes of it --------------------------------------------------------- */

/* One token through a model that the converter made: logits, or a refusal. */
static void run(const mote_image *image)
{
    mote_error err;
    mote_model *m = NULL;
    mote_session *session = NULL;
    mote_session_plan plan;
    size_t need = mote_model_bytes(image, &err);
    FUZZ_EXPECT(need); /* the converter makes no file that the run time refuses */
    void *memory = fuzz_alloc(need), *own = NULL;
    mote_model_opts mo = {.isa = NULL};
    mote_session_opts o = {1, MOTE_KV_F16, 1, 1, 1};
    FUZZ_EXPECT(!mote_model_init(&m, memory, need, image, &mo, &err));
    if (!mote_session_plan_bytes(&plan, m, &o, &err) && plan.total_bytes < 64 << 20) {
        own = fuzz_alloc(plan.total_bytes);
        FUZZ_EXPECT(!mote_session_init(&session, own, plan.total_bytes, m, &o, &err));
        mote_row row = {1, 0, session, true};
        mote_status s = mote_forward(session, &row, 1, NULL, NULL, &err);
        FUZZ_EXPECT(fuzz_is(s, FUZZ_STATUS(MOTE_OK) | FUZZ_STATUS(MOTE_ERR_FILE) |
                                   FUZZ_STATUS(MOTE_ERR_LIMIT)));
    }
    free(own);
    free(memory);
}

static void check_output(const char *path)
{
    mote_file file;
    mote_image image;
    mote_image_info info;
    mote_error err;
    FUZZ_EXPECT(!mote_file_map(&file, path, &err));
    FUZZ_EXPECT(!mote_image_open(&image, file.base, file.bytes, &err));
    mote_image_get_info(&image, &info);
    FUZZ_EXPECT(!mote_image_verify_header(&image, &err));
    for (size_t i = 0; i < info.n_tensors; i++)
        FUZZ_EXPECT(!mote_image_verify_tensor(&image, i, &err));
    if (info.n_layers)
        run(&image);
    mote_tokenizer *t = fuzz_open_tokenizer(&image);
    if (t)
        fuzz_use_tokenizer(t,
                           (fuzz_in){(const uint8_t *)"\2he ll<s> \xc3\xa9\xe4\xb8\xad 12\n", 18});
    free(t);
    mote_file_unmap(&file);
}

void fuzz_convert(const char *from, const char *vocab, mote_convert_type type)
{
    char output[200];
    mote_convert_error err = {.text = ""};
    snprintf(output, sizeof output, "%s/out.mote", fuzz_folder());
    mote_convert_opts o = {.source = from, .output = output, .vocab = vocab, .type = type};
    if (!mote_convert(&o, &err)) {
        check_output(output);
        unlink(output);
    } else {
        FUZZ_EXPECT(fuzz_is(err.status, FUZZ_STATUS(MOTE_ERR_FILE) | FUZZ_STATUS(MOTE_ERR_LIMIT) |
                                            FUZZ_STATUS(MOTE_ERR_UNSUPPORTED)));
        FUZZ_EXPECT(err.text[0] && !strchr(err.text, '\n'));
        FUZZ_EXPECT(mote_utf8_valid(err.text, strlen(err.text)));
        FUZZ_EXPECT(access(output, F_OK) != 0);
    }
}

FUZZ(gguf)
{
    static const mote_convert_type types[] = {MOTE_CONVERT_KEEP, MOTE_CONVERT_F32, MOTE_CONVERT_Q8,
                                              MOTE_CONVERT_Q4};
    mote_convert_type type = types[fuzz_u8(&in) % 4];
    char from[200];
    snprintf(from, sizeof from, "%s", fuzz_write("m.gguf", in.p, in.n));
    fuzz_convert(from, NULL, type);
}

/* Bytes of the vocabulary, it, then the checkpoint. */
FUZZ(llama2c)
{
    char from[200], vocab[200];
    fuzz_in pieces = fuzz_part(&in, fuzz_u16(&in));
    snprintf(vocab, sizeof vocab, "%s", fuzz_write("tok.bin", pieces.p, pieces.n));
    snprintf(from, sizeof from, "%s", fuzz_write("m.bin", in.p, in.n));
    fuzz_convert(from, vocab, MOTE_CONVERT_F32);
}

/* ---- safetensors ---------------------------------------------------------------------------- */

/* Header and this many zeros behind it as a file; its path. */
static const char *write_safetensors(const char *name, const void *header, size_t n, size_t zeros)
{
    char *file = calloc(1, 8 + n + zeros);
    uint64_t length = n;
    FUZZ_EXPECT(file);
    memcpy(file, &length, 8);
    if (n)
        memcpy(file + 8, header, n);
    const char *path = fuzz_write(name, file, 8 + n + zeros);
    free(file);
    return path;
}

/* What holds of tensors that were taken, found out slowly. */
static void check_tensors(const source *s, uint64_t begin, uint64_t end)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->n_tensors; i++) {
        const src_tensor *t = &s->tensors[i];
        uint64_t n = 1;
        for (uint32_t d = 0; d < t->rank; d++)
            n *= t->shape[d];
        if (t->type != SRC_UNSUPPORTED)
            FUZZ_EXPECT(t->bytes == n * src_unit_bytes(t->type));
        FUZZ_EXPECT(t->bytes && t->offset >= begin && t->offset + t->bytes <= end);
        for (size_t j = 0; j < i; j++)
            FUZZ_EXPECT(t->offset + t->bytes <= s->tensors[j].offset ||
                        s->tensors[j].offset + s->tensors[j].bytes <= t->offset);
        sum += t->bytes;
    }
    FUZZ_EXPECT(sum == end - begin);
}

/* Bytes of data, then the header. */
FUZZ(safetensors)
{
    mote_convert_error err = {.text = ""};
    mote_convert_opts opts = {.source = "x"};
    size_t zeros = fuzz_u16(&in) & 4095;
    source s = {.opts = &opts, .err = &err, .bos_id = -1};
    const char *path = write_safetensors("t.safetensors", in.p, in.n, zeros);
    FUZZ_EXPECT(source_add_file(&s) &&
                !source_open_file(&s, s.files, AT_FDCWD, path, "file", NULL));
    if (!safetensors_open(&s, 0))
        check_tensors(&s, 8 + in.n, 8 + in.n + zeros);
    else
        FUZZ_EXPECT(err.status == MOTE_ERR_FILE && err.text[0]);
    source_close(&s);
}

/* ---- a folder ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned rows, k;
} tensors[] = {
    {"model.embed_tokens.weight", VOCAB, HIDDEN},
    {"model.norm.weight", HIDDEN, 0},
    {"model.layers.0.input_layernorm.weight", HIDDEN, 0},
    {"model.layers.0.self_attn.q_proj.weight", HIDDEN, HIDDEN},
    {"model.layers.0.self_attn.k_proj.weight", HIDDEN / 2, HIDDEN},
    {"model.layers.0.self_attn.v_proj.weight", HIDDEN / 2, HIDDEN},
    {"model.layers.0.self_attn.o_proj.weight", HIDDEN, HIDDEN},
    {"model.layers.0.post_attention_layernorm.weight", HIDDEN, 0},
    {"model.layers.0.mlp.gate_proj.weight", HIDDEN, HIDDEN},
    {"model.layers.0.mlp.up_proj.weight", HIDDEN, HIDDEN},
    {"model.layers.0.mlp.down_proj.weight", HIDDEN, HIDDEN},
};

static const char config[] =
    "{\"model_type\":\"llama\",\"architectures\":[\"LlamaForCausalLM\"],\"vocab_size\":300,"
    "\"hidden_size\":32,\"num_hidden_layers\":1,\"num_attention_heads\":2,"
    "\"num_key_value_heads\":1,\"intermediate_size\":32,\"hidden_act\":\"silu\","
    "\"rms_norm_eps\":1e-5,\"rope_theta\":1e4,\"max_position_embeddings\":64,"
    "\"tie_word_embeddings\":true}";
static const char tokenizer[] =
    "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]},"
    "\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true}]}";

static void write_weights(const char *name)
{
    char header[4096] = "{", *at = header + 1;
    size_t end = 0;
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        unsigned rows = tensors[i].rows, k = tensors[i].k;
        size_t begin = end;
        char shape[32];
        end += (size_t)rows * (k ? k : 1) * 2;
        snprintf(shape, sizeof shape, k ? "%u,%u" : "%u", rows, k);
        at += sprintf(at, "%s\"%s\":{\"dtype\":\"BF16\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                      i ? "," : "", tensors[i].name, shape, begin, end);
    }
    at += sprintf(at, "}");
    write_safetensors(name, header, (size_t)(at - header), end);
}

/* The first byte tells which of the folder's files the rest stands for. */
FUZZ(hub)
{
    static const char *const names[] = {"hub/config.json",
                                        "hub/model.safetensors.index.json",
                                        "hub/generation_config.json",
                                        "hub/tokenizer_config.json",
                                        "hub/special_tokens_map.json",
                                        "hub/modules.json",
                                        "hub/chat_template.jinja",
                                        "hub/README.md",
                                        "hub/tokenizer.json"};
    char folder[200];
    static bool made;
    const char *name = names[fuzz_u8(&in) % (sizeof names / sizeof *names)];
    snprintf(folder, sizeof folder, "%s/hub", fuzz_folder());
    if (!made) {
        FUZZ_EXPECT(mkdir(folder, 0700) == 0);
        fuzz_write("hub/config.json", config, sizeof config - 1);
        fuzz_write("hub/tokenizer.json", tokenizer, sizeof tokenizer - 1);
        write_weights("hub/model.safetensors");
        write_weights("hub/other.safetensors");
        made = true;
    }
    char path[400];
    snprintf(path, sizeof path, "%s", fuzz_write(name, in.p, in.n));
    fuzz_convert(folder, NULL, MOTE_CONVERT_F32);
    if (strcmp(name, "hub/config.json") == 0)
        fuzz_write(name, config, sizeof config - 1);
    else if (strcmp(name, "hub/tokenizer.json") == 0)
        fuzz_write(name, tokenizer, sizeof tokenizer - 1);
    else
        unlink(path);
}

/* ---- tokenizers ----------------------------------------------------------------------------- */

/* Tables that the converter made must open and work. */
static void use_tables(tok_tables *tables)
{
    static const uint8_t text[] = "\2he ll<s> \xc3\xa9 ab\xe4\xb8\xad 123\n\xff";
    mote_image image;
    FUZZ_EXPECT(fuzz_tables_image(&image, tables));
    mote_tokenizer *t = fuzz_open_tokenizer(&image);
    FUZZ_EXPECT(t);
    fuzz_use_tokenizer(t, (fuzz_in){text, sizeof text - 1});
    free(t);
    free((void *)(uintptr_t)image.base);
    tok_free(tables);
}

FUZZ(tokenizer)
{
    mote_convert_error err = {.text = ""};
    tok_tables tables;
    cJSON *json = json_parse("tokenizer.json", (const char *)in.p, in.n, &err);
    mote_status s = json ? tok_from_json(&tables, "tokenizer.json", json, NULL, &err) : err.status;
    if (!s)
        use_tables(&tables);
    else
        FUZZ_EXPECT(fuzz_is(s, FUZZ_STATUS(MOTE_ERR_FILE) | FUZZ_STATUS(MOTE_ERR_UNSUPPORTED)) &&
                    err.text[0]);
    cJSON_Delete(json);
}

FUZZ(spm)
{
    mote_convert_error err = {.text = ""};
    tok_tables tables;
    char *copy = fuzz_copy(in);
    mote_status s = tok_from_spm(&tables, "tokenizer.model", copy, in.n, NULL, &err);
    if (!s)
        use_tables(&tables);
    else
        FUZZ_EXPECT(fuzz_is(s, FUZZ_STATUS(MOTE_ERR_FILE) | FUZZ_STATUS(MOTE_ERR_UNSUPPORTED)) &&
                    err.text[0]);
    free(copy);
}
