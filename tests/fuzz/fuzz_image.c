/* fuzz_image.c: .mote files from strangers. The input is a list of changes to a good file, after
 * which the checksum of the index is made right again: so the fuzzer gets past it, and small inputs
 * reach every record. What the loader takes is used to the end: the model, its tokenizer. */
#include "include/mote_host.h"
#include "loader/format.h"
#include "loader/records.h"
#include "tests/fuzz/tokenizers.h"
#include "tests/unit/tiny.h"

/* ---- good files ----------------------------------------------------------------------------- */

enum { N_BASES = 8, MAX_MEMORY = 64 << 20 };

static tiny_opts base_opts(unsigned which)
{
    tiny_opts o = tiny_defaults();
    if (which == 1 || which == 2) {
        o.type = which == 1 ? MOTE_Q4 : MOTE_Q8;
        o.biases = MOTE_BIAS_ALL;
        o.norm = MOTE_NORM_LAYER;
        o.mlp = MOTE_MLP_PLAIN;
        o.act = MOTE_ACT_GELU_TANH;
    }
    if (which == 3) {
        o.qk_norm = MOTE_QK_NORM_HEAD;
        o.norm_place = MOTE_NORM_BEFORE_AND_AFTER;
        o.window = 2;
        o.attn_softcap = 20;
        o.logit_softcap = 30;
        o.untied = true;
    }
    if (which == 4)
        o = tiny_experts();
    if (which == 5)
        o = tiny_latent();
    if (which > 5)
        o = tiny_encoder(which == 6 ? MOTE_POOL_MEAN : MOTE_POOL_SCORE);
    o.n_layers = 2;
    o.n_ctx = which > 5 ? o.n_ctx : 8;
    return o;
}

static const mote_image *base_image(unsigned which)
{
    static mote_image made[N_BASES];
    mote_image *image = &made[which];
    if (!image->base) {
        tiny_opts o = base_opts(which);
        size_t n;
        uint8_t *bytes = tiny_image(&o, &n);
        mote_error err;
        FUZZ_EXPECT(!mote_image_open(image, bytes, n, &err));
    }
    return image;
}

/* ---- changes -------------------------------------------------------------------------------- */

typedef struct draft {
    uint8_t *p;
    size_t n;
    mote_index *index;
} draft;

static void reseal(draft *d)
{
    size_t before = (size_t)((uint8_t *)d->index - d->p);
    if (d->n < before + sizeof *d->index || d->index->index_bytes > d->n - before)
        return;
    d->index->index_crc = 0;
    d->index->index_crc = mote_crc32c(0, d->index, d->index->index_bytes);
}

/* Where a part of the file begins and its bytes: index, layers, tensors, strings, data, header. */
static fuzz_in region(const draft *d, const mote_image *base, unsigned which)
{
    const mote_index *x = base->index;
    size_t at = (size_t)(base->data - base->base), layers = at + sizeof *x,
           tensors = layers + x->n_layers * sizeof(mote_layer), strings = at + x->strings_at,
           data = at + x->index_bytes;
    const size_t begins[] = {at, layers, tensors, strings, data, 0},
                 ends[] = {layers, tensors, strings, data, base->bytes, at};
    which %= 6;
    return (fuzz_in){d->p + begins[which], ends[which] - begins[which]};
}

/* A change: what kind and where, a place, a value. */
static void change(draft *d, const mote_image *base, fuzz_in *in)
{
    static const uint64_t odd[] = {0,
                                   1,
                                   2,
                                   63,
                                   64,
                                   0x7fffffff,
                                   0x80000000,
                                   0xffffffff,
                                   1 << 24,
                                   (1 << 24) + 1,
                                   UINT64_C(1) << 32,
                                   UINT64_C(1) << 62,
                                   UINT64_C(1) << 63,
                                   UINT64_MAX,
                                   0x7f800000,
                                   0x7fc00000};
    unsigned kind = fuzz_u8(in), at = fuzz_u16(in);
    uint64_t value = fuzz_u32(in), old = 0;
    fuzz_in part = region(d, base, kind & 7);
    size_t width = (size_t)1 << (kind >> 3 & 3);
    if ((kind & 7) == 6) { /* cut; the index may know */
        d->n = base->bytes - value % (base->bytes + 1);
        if (at & 1)
            d->index->file_bytes = d->n;
        return;
    }
    if (part.n < width)
        return;
    uint8_t *to = (uint8_t *)(uintptr_t)part.p + at % (part.n / width) * width;
    memcpy(&old, to, width);
    if (kind & 32)
        value = odd[value % (sizeof odd / sizeof *odd)];
    if (kind & 64)
        value = old + (uint64_t)(int64_t)(int32_t)value;
    memcpy(to, &value, width);
}

/* A copy of the good file with at most `max` changes, in memory of exactly its size. */
static draft change_all(const mote_image *base, fuzz_in *in, unsigned max)
{
    bool sealed = !(fuzz_u8(in) & 1);
    draft d = {fuzz_alloc(base->bytes), base->bytes, NULL};
    memcpy(d.p, base->base, base->bytes);
    d.index = (mote_index *)(void *)(d.p + (base->data - base->base));
    for (unsigned i = 0; i < max && in->n; i++)
        change(&d, base, in);
    if (sealed)
        reseal(&d);
    if (d.n < base->bytes) {
        uint8_t *p = fuzz_alloc(d.n);
        memcpy(p, d.p, d.n);
        free(d.p);
        d.p = p;
    }
    return d;
}

/* ---- use ------------------------------------------------------------------------------------ */

/* Reads all that can be read. True: all tensors are sound. */
static bool look(const mote_image *image)
{
    mote_image_info info;
    mote_tensor_info tensor;
    mote_error err;
    const int32_t *ends;
    bool sound = true;
    mote_image_get_info(image, &info);
    for (unsigned i = MOTE_IMAGE_NAME; i <= MOTE_IMAGE_CARD; i++) {
        mote_text text = mote_image_text(image, (mote_image_string)i);
        free(fuzz_copy((fuzz_in){(const uint8_t *)text.ptr, text.bytes}));
    }
    for (size_t i = 0; i < info.n_tensors; i++) {
        mote_image_get_tensor(image, i, &tensor);
        FUZZ_EXPECT(strlen(tensor.name) < sizeof tensor.name);
        mote_status s = mote_image_verify_tensor(image, i, &err);
        sound &= !s || strstr(err.what, "checksum");
    }
    mote_image_verify_header(image, &err);
    FUZZ_EXPECT(mote_end_ids(image, &ends) <= 16);
    return sound;
}

static mote_model *open_model(const mote_image *image, const char *isa, mote_status *s)
{
    mote_error err;
    mote_model *m = NULL;
    mote_model_opts o = {.isa = isa};
    size_t need = mote_model_bytes(image, &err);
    FUZZ_EXPECT(need < MAX_MEMORY);
    *s = err.status;
    if (!need)
        return NULL;
    void *memory = fuzz_alloc(need);
    *s = mote_model_init(&m, memory, need, image, &o, &err);
    if (*s)
        free(memory);
    return *s ? NULL : m;
}

enum { N_ROWS = 3 };

/* Logits of a few tokens, or a status. */
static mote_status generate(const mote_model *m, mote_kv kv, float *out)
{
    mote_model_info info;
    mote_session_plan plan;
    mote_error err;
    mote_session *session = NULL;
    mote_row rows[N_ROWS];
    mote_model_get_info(m, &info);
    mote_session_opts o = {info.n_ctx_train < 4 ? info.n_ctx_train : 4, kv, 2, 1, 1};
    mote_status s = mote_session_plan_bytes(&plan, m, &o, &err);
    if (s || plan.total_bytes > MAX_MEMORY)
        return s ? s : MOTE_ERR_MEMORY;
    void *memory = fuzz_alloc(plan.total_bytes);
    s = mote_session_init(&session, memory, plan.total_bytes, m, &o, &err);
    for (uint32_t i = 0; !s && i + 1 < N_ROWS && i < o.n_ctx; i++) {
        rows[0] = (mote_row){(int32_t)(i * 7 % info.n_vocab), i, session, true};
        s = mote_forward(session, rows, 1, NULL, NULL, &err);
        if (!s)
            memcpy(out + (size_t)i * info.n_vocab, mote_session_logits(session, 0),
                   info.n_vocab * sizeof *out);
    }
    free(memory);
    return s;
}

static mote_status encode(const mote_model *m, float *out)
{
    static const int32_t ids[] = {1, 2, 3, 0};
    mote_encoder_plan plan;
    mote_error err;
    mote_encoder *e = NULL;
    mote_encoder_opts o = {4, 2, 1};
    mote_encoder_info info;
    mote_model_get_encoder(m, &info);
    mote_encode_text texts[] = {{ids, NULL, 3, out}, {ids + 3, NULL, 1, out + info.n_out}};
    mote_status s = mote_encoder_plan_bytes(&plan, m, &o, &err);
    if (s || plan.total_bytes > MAX_MEMORY)
        return s ? s : MOTE_ERR_MEMORY;
    void *memory = fuzz_alloc(plan.total_bytes);
    s = mote_encoder_init(&e, memory, plan.total_bytes, m, &o, &err);
    if (!s)
        s = mote_encode_texts(e, texts, 2, NULL, NULL, &err);
    free(memory);
    return s;
}

/* Runs the model on the lowest and on the best tier: the same bits or the same refusal. */
static void run(const mote_image *image, mote_kv kv, bool sound)
{
    mote_status s[2] = {MOTE_OK, MOTE_OK};
    float *out[2] = {NULL, NULL};
    size_t n = 0;
    for (int i = 0; i < 2; i++) {
        mote_model_info info;
        mote_encoder_info encoder;
        mote_model *m = open_model(image, i ? NULL : "ref", &s[i]);
        if (!m)
            continue;
        mote_model_get_info(m, &info);
        mote_model_get_encoder(m, &encoder);
        n = encoder.pooling ? 2 * (size_t)encoder.n_out : (N_ROWS - 1) * (size_t)info.n_vocab;
        FUZZ_EXPECT(n < MAX_MEMORY);
        out[i] = fuzz_alloc(n * sizeof(float));
        s[i] = encoder.pooling ? encode(m, out[i]) : generate(m, kv, out[i]);
        free(m);
    }
    FUZZ_EXPECT(!sound || s[0] == s[1]);
    if (sound && !s[0] && out[0])
        FUZZ_EXPECT(memcmp(out[0], out[1], n * sizeof(float)) == 0);
    free(out[0]);
    free(out[1]);
}

FUZZ(image)
{
    mote_error err = {.what = NULL};
    mote_image image;
    unsigned kind = fuzz_u8(&in);
    draft d = change_all(base_image(kind % N_BASES), &in, 16);
    if (!mote_image_open(&image, d.p, d.n, &err))
        run(&image, (mote_kv)(kind / N_BASES % 3), look(&image));
    else
        FUZZ_EXPECT(err.status && err.what);
    free(d.p);
}

/* A changed file as a source of the converter. */
FUZZ(own)
{
    static const mote_convert_type types[] = {MOTE_CONVERT_F32, MOTE_CONVERT_BF16, MOTE_CONVERT_Q8,
                                              MOTE_CONVERT_Q4};
    char from[200];
    unsigned kind = fuzz_u8(&in);
    draft d = change_all(base_image(kind % N_BASES), &in, 16);
    snprintf(from, sizeof from, "%s", fuzz_write("own.mote", d.p, d.n));
    free(d.p);
    fuzz_convert(from, NULL, types[kind / N_BASES % 4]);
}

/* Any bytes at all. */
FUZZ(file)
{
    mote_error err = {.what = NULL};
    mote_image image;
    char *p = fuzz_copy(in);
    mote_file_kind(p, in.n);
    if (!mote_image_open(&image, p, in.n, &err))
        run(&image, MOTE_KV_F16, look(&image));
    free(p);
}

/* A tokenizer with damaged tables: wrong ids, and no worse. Three changes at most, then a text. */
FUZZ(tables)
{
    const fuzz_tokenizer *good = fuzz_pick_tokenizer(&in);
    mote_image image;
    mote_error err;
    if (!good)
        return;
    unsigned n = fuzz_u8(&in) % 4;
    draft d = change_all(&good->image, &in, n);
    if (!mote_image_open(&image, d.p, d.n, &err)) {
        mote_tokenizer *t = fuzz_open_tokenizer(&image);
        if (t)
            fuzz_use_tokenizer(t, in);
        free(t);
    }
    free(d.p);
}
