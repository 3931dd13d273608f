/* cmd_bake.c: a model for a device: a flash image, or a C array when the output's name ends in .c,
 * and a header with what an application must know before it has opened anything. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "include/mote_device.h"

#define SELF_TEST_TOKENS 16

typedef struct bake {
    cli_engine e;
    uint8_t *front; /* what stands in place of the file's own front */
    size_t front_bytes, skip, bytes;
    char name[64]; /* of the C array, in capitals in the header */
    uint64_t hash; /* of the logits of the self test */
    mote_session_plan plan;
    mote_model_info info;
} bake;

/* ---- what goes into the files --------------------------------------------------------------- */

static bool put_bytes(FILE *to, const uint8_t *p, size_t n, bool as_text)
{
    if (!as_text)
        return fwrite(p, 1, n, to) == n;
    for (size_t i = 0; i < n; i++)
        if (fprintf(to, "%u%s", p[i], i % 24 == 23 ? ",\n" : ",") < 0)
            return false;
    return true;
}

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static bool put_model(FILE *to, const bake *b)
{
    bool as_text = ends_in(b->e.o->output, ".c");
    const uint8_t *rest = (const uint8_t *)b->e.image.base + b->skip;
    if (as_text)
        fprintf(to,
                "/* Made by mote bake. */\n#include <stdint.h>\n\nextern const uint8_t %s[];\n"
                "_Alignas(64) const uint8_t %s[%zu] = {\n",
                b->name, b->name, b->bytes);
    bool ok = put_bytes(to, b->front, b->front_bytes, as_text) &&
              put_bytes(to, rest, b->bytes - b->front_bytes, as_text);
    return ok && (!as_text || fputs("};\n", to) >= 0);
}

static bool put_header(FILE *to, const bake *b)
{
    const mote_model_info *i = &b->info;
    const uint32_t n = i->n_layers;
    const uint64_t arrays = b->plan.total_bytes - b->plan.state_bytes;
    char upper[64];
    for (size_t c = 0; c < sizeof upper; c++)
        upper[c] = (char)(b->name[c] >= 'a' && b->name[c] <= 'z' ? b->name[c] - 32 : b->name[c]);
    const struct {
        const char *name, *why;
        uint64_t value;
    } lines[] = {
        {"BYTES", "of the image, aligned to 64", b->bytes},
        {"MODEL_BYTES", "for mote_model_init", MOTE_DEVICE_MODEL_BYTES(n)},
        {"TOKENIZER_BYTES", "for mote_tokenizer_init", MOTE_DEVICE_TOKENIZER_BYTES},
        {"SESSION_BYTES", "for mote_session_init",
         arrays + MOTE_DEVICE_STATE_BYTES(n, b->e.session_opts.n_batch)},
        {"N_CTX", "positions", b->e.session_opts.n_ctx},
        {"N_BATCH", "rows of a call", b->e.session_opts.n_batch},
        {"KV", "enum mote_kv", b->e.session_opts.kv},
        {"N_VOCAB", "tokens", i->n_vocab},
        {"N_LAYERS", "layers", n},
        {"N_WEIGHTS_READ", "bytes of weights a token", i->decode_read_bytes},
    };
    fprintf(to,
            "/* Made by mote bake: a 32-bit device, one thread, no experts or latents. */\n"
            "#ifndef %s_H\n#define %s_H\n\n#include <stdint.h>\n\nextern const uint8_t %s[];\n\n",
            upper, upper, b->name);
    for (size_t l = 0; l < sizeof lines / sizeof *lines; l++)
        fprintf(to, "#define %s_%s %" PRIu64 "u /* %s */\n", upper, lines[l].name, lines[l].value,
                lines[l].why);
    fprintf(to, "#define %s_ARENA_BYTES (%s_MODEL_BYTES + %s_TOKENIZER_BYTES + %s_SESSION_BYTES)\n",
            upper, upper, upper, upper);
    fprintf(to,
            "/* FNV-1a-64 of the logits of %d greedy tokens, the first one %d. */\n"
            "#define %s_SELF_TEST_TOKEN %d\n#define %s_SELF_TEST_TOKENS %d\n"
            "#define %s_SELF_TEST_HASH 0x%016" PRIx64 "u\n\n#endif\n",
            SELF_TEST_TOKENS, 1, upper, 1, upper, SELF_TEST_TOKENS, upper, b->hash);
    return true;
}

/* ---- files ---------------------------------------------------------------------------------- */

/* Beside its place, then renamed. */
static int write_file(const bake *b, const char *path, bool (*put)(FILE *, const bake *))
{
    size_t n = strlen(path) + 32;
    char *temporary = malloc(n);
    if (!temporary)
        return cli_no_memory();
    snprintf(temporary, n, "%s.tmp-%ld", path, (long)getpid());
    FILE *to = fopen(temporary, "wbx");
    cli_remove_on_signal(temporary);
    bool ok = to && put(to, b) && !ferror(to) && fflush(to) == 0 && fsync(fileno(to)) == 0;
    int why = errno;
    ok = to && fclose(to) == 0 && ok && rename(temporary, path) == 0;
    if (!ok && to)
        unlink(temporary);
    cli_remove_on_signal(NULL);
    free(temporary);
    return ok ? 0 : cli_error(MOTE_ERR_IO, path, "%s", strerror(why ? why : errno));
}

static int write_files(const bake *b)
{
    const char *path = b->e.o->output;
    size_t n = strlen(path), stem = ends_in(path, ".c") || ends_in(path, ".h") ? n - 2 : n;
    char *header = malloc(n + 3);
    struct stat st;
    int code = 0;
    if (!header)
        return cli_no_memory();
    memcpy(header, path, stem);
    strcpy(header + stem, ".h");
    if (ends_in(path, ".h"))
        code = cli_error(EXIT_USAGE, path, "that will be the header's name");
    if (!code && !b->e.o->force && (lstat(path, &st) == 0 || lstat(header, &st) == 0))
        code = cli_error(EXIT_USAGE, path,
                         "it or its header is there already (--force replaces "
                         "both)");
    if (!code)
        code = write_file(b, path, put_model);
    if (!code)
        code = write_file(b, header, put_header);
    free(header);
    return code;
}

/* ---- the model ------------------------------------------------------------------------------ */

/* A name for C from the output's: letters, digits and _ of its base name. */
static void name_array(bake *b)
{
    const char *base = cli_base_name(b->e.o->output);
    size_t n = 0;
    if (base[0] >= '0' && base[0] <= '9')
        b->name[n++] = '_';
    for (size_t i = 0; base[i] && base[i] != '.' && n < sizeof b->name - 1; i++) {
        bool word = (base[i] >= 'a' && base[i] <= 'z') || (base[i] >= 'A' && base[i] <= 'Z') ||
                    (base[i] >= '0' && base[i] <= '9');
        b->name[n++] = word ? base[i] : '_';
    }
    b->name[n] = 0;
}

static int self_test(bake *b)
{
    mote_row row = {1, 0, b->e.session, true};
    mote_error err;
    b->hash = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < SELF_TEST_TOKENS && i < b->e.session_opts.n_ctx; i++) {
        row.pos = i;
        if (mote_forward(b->e.session, &row, 1, NULL, NULL, &err))
            return cli_fail(b->e.o->model, &err);
        const float *logits = mote_session_logits(b->e.session, 0);
        const uint8_t *p = (const uint8_t *)logits;
        for (size_t k = 0; k < b->e.info.n_vocab * sizeof *logits; k++)
            b->hash = (b->hash ^ p[k]) * 0x100000001b3u;
        row.token = mote_argmax(logits, b->e.info.n_vocab);
    }
    return 0;
}

static int prepare(bake *b)
{
    mote_image_info info;
    mote_session_opts so;
    mote_error err;
    mote_image_get_info(&b->e.image, &info);
    int code = cli_session_options(&b->e, info.n_ctx, 1, false, &so);
    so.n_threads = 1;
    if (!code)
        code = cli_engine_session(&b->e, &so);
    if (code)
        return code;
    if (mote_session_plan_bytes(&b->plan, b->e.model, &so, &err))
        return cli_fail(b->e.o->model, &err);
    name_array(b);
    b->front_bytes = mote_image_bake(&b->e.image, NULL, 0);
    b->front = aligned_alloc(MOTE_ALIGN, b->front_bytes);
    if (!b->front)
        return cli_no_memory();
    mote_image_bake(&b->e.image, b->front, b->front_bytes);
    b->skip = 8 + (size_t)info.json_bytes + (size_t)info.index_bytes;
    b->bytes = b->front_bytes + b->e.image.bytes - b->skip;
    return self_test(b);
}

int cmd_bake(const cli_opts *o)
{
    bake b = {.front = NULL};
    if (!o->output)
        return cli_error(EXIT_USAGE, "-o", "names no file: mote bake %s -o FILE", o->model);
    int code = cli_engine_open(&b.e, o, NEED_MODEL);
    if (code)
        return code;
    mote_model_get_info(b.e.model, &b.info);
    if (b.info.max_experts)
        cli_note(o,
                 "mote: note: a model with experts: add -DMOTE_EXPERTS=1; the sizes in the header "
                 "are for builds without");
    code = prepare(&b);
    if (!code)
        code = write_files(&b);
    free(b.front);
    cli_engine_close(&b.e);
    return code;
}
