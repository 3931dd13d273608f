/* self_test.c: every kernel of a tier on made-up inputs, against the definition: `ref` by its
 * bytes, and `ref` itself by a checksum of all that it gives, which is the same on every machine.
 * Small enough for a user to wait for; tests/check/ is the thorough one. Read kernels/kernels.h.
 */
#include <string.h>

#include "include/mote_error.h"
#include "kernels/kernels.h"

enum {
    N = 203, /* of the row kernels: every remainder of every register */
    K = 192,
    TILES = 3,
    TOKENS = 7,
    HEAD = 80,
    BLOCK = 256,
    OUT_BYTES = HEAD * 64, /* a tile of keys, the largest of all results */
    WEIGHT_BYTES = TILES * K * 64
};

/* What ref gives for all kernels, of any compiler and CPU. */
#define REF_HASH UINT64_C(0xf70625ec42009ee2)

typedef struct work {
    const mote_kernels *k;
    uint64_t seed;
    _Alignas(MOTE_ALIGN) uint8_t weights[WEIGHT_BYTES];
    _Alignas(MOTE_ALIGN) uint8_t out[OUT_BYTES]; /* what is compared */
    _Alignas(MOTE_ALIGN) float x[TOKENS * K], y[TOKENS * K], z[TOKENS * K];
    int8_t codes[TOKENS * K];
    float scales[TOKENS * K / 32];
    int32_t sums[TOKENS * K / 32];
    _Alignas(MOTE_ALIGN) uint8_t values[BLOCK * HEAD * 4];
    uint16_t value_scales[BLOCK * ((HEAD + 31) / 32)];
    mote_kernels tables[2];
    uint8_t expected[OUT_BYTES];
} work;

size_t mote_self_test_bytes(void) { return sizeof(work); }

/* ---- inputs --------------------------------------------------------------------------------- */

static uint32_t draw(work *w)
{
    w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(w->seed >> 32);
}

static void fill_bytes(work *w, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(draw(w) >> 24);
}

/* In (-4, 4). */
static void fill_floats(work *w, float *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (float)((int32_t)draw(w) >> 8) * 0x1p-21f;
}

/* 2^-7 .. 2^-2 in magnitude. */
static void fill_halves(work *w, uint16_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t r = draw(w);
        p[i] = (uint16_t)((r & 0x83ff) | (8 + (r >> 16) % 6) << 10);
    }
}

static void fill_acts(work *w)
{
    fill_floats(w, w->x, TOKENS * K);
    for (size_t g = 0; g < TOKENS * K / 32; g++) {
        w->scales[g] = (float)(draw(w) >> 8) * 0x1p-30f;
        w->sums[g] = 0;
        for (size_t i = 0; i < 32; i++) {
            int code = (int)(draw(w) % 255) - 127;
            w->codes[32 * g + i] = (int8_t)code;
            w->sums[g] += code;
        }
    }
}

static mote_mat make_matrix(work *w, enum mote_type type, uint32_t group)
{
    mote_mat m = {w->weights, mote_tile_bytes(type, group, K), 16 * TILES, K, group, type};
    size_t front = mote_tile_scale_bytes(type, group, K);
    fill_bytes(w, w->weights, WEIGHT_BYTES);
    for (size_t t = 0; t < TILES; t++) {
        uint8_t *tile = w->weights + t * m.tile_bytes;
        if (type == MOTE_F32)
            fill_floats(w, (float *)(void *)tile, m.tile_bytes / 4);
        else if (type == MOTE_F16)
            fill_halves(w, (uint16_t *)(void *)tile, m.tile_bytes / 2);
        else if (type == MOTE_BF16)
            for (size_t i = 1; i < m.tile_bytes; i += 2)
                tile[i] = (uint8_t)(0x3c | (tile[i] & 0x83)); /* the exponent's upper bits */
        else if (type == MOTE_Q4)
            fill_floats(w, (float *)(void *)tile, 16);
        else
            fill_halves(w, (uint16_t *)(void *)tile, front / 2);
    }
    return m;
}

/* ---- kernels -------------------------------------------------------------------------------- */

typedef void run_fn(work *w, int arg);

static void run_matmul(work *w, int arg)
{
    mote_mat m = make_matrix(w, (enum mote_type)(arg % MOTE_TYPES), arg < MOTE_TYPES ? 32 : 64);
    fill_acts(w);
    mote_acts x = {w->x, w->codes, w->scales, w->sums, K, K, K / 32};
    float *out = (float *)(void *)w->out;
    w->k->matmul[m.type](out, 16 * TILES, &x, TOKENS, &m, 0, TILES);
    w->k->matmul[m.type](w->y, 16 * TILES, &x, 1, &m, 0, TILES); /* another path for one token */
    for (size_t i = 0; i < 16 * TILES; i++)
        if (memcmp(&out[i], &w->y[i], 4) != 0)
            w->out[0] ^= 1;
}

static void run_dequant(work *w, int arg)
{
    mote_mat m = make_matrix(w, (enum mote_type)arg, 32);
    w->k->dequant_row((float *)(void *)w->out, &m, 21, K);
}

static void run_quantize(work *w, int arg)
{
    (void)arg;
    w->k->quantize(w->codes, w->scales, w->sums, w->x, N);
    memcpy(w->out, w->codes, 256);
    memcpy(w->out + 256, w->scales, 32);
    memcpy(w->out + 288, w->sums, 32);
}

static void run_norm(work *w, int arg)
{
    float *out = (float *)(void *)w->out;
    if (arg)
        w->k->layernorm(out, w->x, w->y, w->z, N, 1e-5f);
    else
        w->k->rmsnorm(out, w->x, w->y, N, 1e-5f);
}

static void run_in_place(work *w, int arg)
{
    float *out = (float *)(void *)w->out;
    memcpy(out, w->x, N * sizeof *out);
    switch (arg) {
    case 0: w->k->add(out, w->y, N); break;
    case 1: w->k->scale(out, 0.3f, N); break;
    case 2: w->k->softcap(out, 1.5f, N); break;
    default: w->k->divide(out, w->x, 3.7f, N); break;
    }
}

static void run_activation(work *w, int arg)
{
    float *out = (float *)(void *)w->out;
    switch (arg) {
    case 0: w->k->silu_mul(out, w->x, w->y, N); break;
    case 1: w->k->gelu_tanh_mul(out, w->x, w->y, N); break;
    case 2: w->k->gelu_erf_mul(out, w->x, w->y, N); break;
    case 3: w->k->gelu_tanh(out, w->x, N); break;
    default: w->k->gelu_erf(out, w->x, N); break;
    }
}

static void run_rope(work *w, int arg)
{
    float *out = (float *)(void *)w->out;
    w->k->rope_angles(w->y, w->z, w->x, HEAD / 2, 1234, 0.9f);
    memcpy(out, w->y, HEAD * 2);
    memcpy(out + HEAD / 2, w->z, HEAD * 2);
    if (arg)
        w->k->rope(out, w->y, w->z, HEAD / 2);
}

static void run_softmax(work *w, int arg)
{
    float *out = (float *)(void *)w->out;
    memcpy(out, w->x, BLOCK * sizeof *out);
    w->k->softmax(out, 3, BLOCK, 0.7f, arg ? 2.5f : 0.0f, &out[BLOCK], &out[BLOCK + 1]);
}

static void run_values(work *w, int arg)
{
    static const uint16_t lo[2] = {0, 5}, hi[2] = {BLOCK, BLOCK - 2};
    if (arg == 0)
        fill_floats(w, (float *)(void *)w->values, BLOCK * HEAD);
    else if (arg == 1)
        fill_halves(w, (uint16_t *)(void *)w->values, BLOCK * HEAD);
    else
        fill_bytes(w, w->values, BLOCK * HEAD);
    fill_halves(w, w->value_scales, BLOCK * ((HEAD + 31) / 32));
    w->k->values[arg]((float *)(void *)w->out, HEAD, w->x, BLOCK, lo, hi, 2, w->values,
                      w->value_scales, HEAD);
}

static void run_merge(work *w, int arg)
{
    float *out = (float *)(void *)w->out;
    (void)arg;
    memcpy(out, w->x, HEAD * sizeof *out);
    out[HEAD] = 1.5f;
    out[HEAD + 1] = 9.0f;
    w->k->merge(out, &out[HEAD], &out[HEAD + 1], w->y, 2.25f, 4.0f, HEAD);
}

static void run_look(work *w, int arg)
{
    float *out = (float *)(void *)w->out;
    uint32_t found[2] = {0};
    if (arg == 0)
        out[N] = w->k->exp_sum(out, w->x, 4.0f, N);
    else if (arg == 1)
        found[0] = (uint32_t)w->k->argmax(w->x, N);
    else if (arg == 2)
        found[0] = (uint32_t)w->k->next_above(w->x, 7, N, 3.0f);
    else {
        found[0] = w->k->finite(w->x, N);
        uint32_t nan = 0x7fc00000;
        memcpy(&w->x[N - 2], &nan, 4);
        found[1] = w->k->finite(w->x, N);
    }
    if (arg)
        memcpy(out, found, sizeof found);
}

static void run_store(work *w, int arg)
{
    if (arg < 3) {
        w->k->store_key[arg](w->values, 11, w->x, HEAD);
        memcpy(w->out, w->values, OUT_BYTES);
    } else {
        w->k->store_value[arg - 3](w->values, w->value_scales, 2, w->x, HEAD);
        memcpy(w->out, w->values, HEAD * 12);
        memcpy(w->out + HEAD * 12, w->value_scales, 18);
    }
}

static const struct {
    const char *name;
    run_fn *run;
    int arg;
} kernels[] = {
    {"matmul f32", run_matmul, MOTE_F32},
    {"matmul f16", run_matmul, MOTE_F16},
    {"matmul bf16", run_matmul, MOTE_BF16},
    {"matmul q8", run_matmul, MOTE_Q8},
    {"matmul q8, group 64", run_matmul, MOTE_Q8 + MOTE_TYPES},
    {"matmul q4", run_matmul, MOTE_Q4},
    {"matmul q4_0", run_matmul, MOTE_Q4_0},
    {"matmul q4_1", run_matmul, MOTE_Q4_1},
    {"dequant_row f32", run_dequant, MOTE_F32},
    {"dequant_row f16", run_dequant, MOTE_F16},
    {"dequant_row bf16", run_dequant, MOTE_BF16},
    {"dequant_row q8", run_dequant, MOTE_Q8},
    {"dequant_row q4", run_dequant, MOTE_Q4},
    {"dequant_row q4_0", run_dequant, MOTE_Q4_0},
    {"dequant_row q4_1", run_dequant, MOTE_Q4_1},
    {"quantize", run_quantize, 0},
    {"rmsnorm", run_norm, 0},
    {"layernorm", run_norm, 1},
    {"add", run_in_place, 0},
    {"scale", run_in_place, 1},
    {"softcap", run_in_place, 2},
    {"divide", run_in_place, 3},
    {"silu_mul", run_activation, 0},
    {"gelu_tanh_mul", run_activation, 1},
    {"gelu_erf_mul", run_activation, 2},
    {"gelu_tanh", run_activation, 3},
    {"gelu_erf", run_activation, 4},
    {"rope_angles", run_rope, 0},
    {"rope", run_rope, 1},
    {"softmax", run_softmax, 0},
    {"softmax, capped", run_softmax, 1},
    {"values f32", run_values, 0},
    {"values f16", run_values, 1},
    {"values q8", run_values, 2},
    {"merge", run_merge, 0},
    {"exp_sum", run_look, 0},
    {"argmax", run_look, 1},
    {"next_above", run_look, 2},
    {"finite", run_look, 3},
    {"store_key f32", run_store, 0},
    {"store_key f16", run_store, 1},
    {"store_key q8", run_store, 2},
    {"store_value f32", run_store, 3},
    {"store_value f16", run_store, 4},
    {"store_value q8", run_store, 5},
};

enum { N_KERNELS = sizeof kernels / sizeof *kernels };

/* ---- comparing ------------------------------------------------------------------------------ */

/* The i-th kernel of a table, on inputs that depend on i only. */
static void run(work *w, size_t i, const mote_kernels *table)
{
    w->k = table;
    w->seed = i + 1;
    memset(w->out, 0, sizeof w->out);
    memset(w->values, 0, sizeof w->values);
    memset(w->value_scales, 0, sizeof w->value_scales);
    fill_floats(w, w->x, TOKENS * K);
    fill_floats(w, w->y, TOKENS * K);
    fill_floats(w, w->z, TOKENS * K);
    kernels[i].run(w, kernels[i].arg);
}

/* FNV-1a */
static uint64_t hash(uint64_t h, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static void note_wrong(mote_self_test *out, const char *name)
{
    out->wrong = out->n_wrong++ ? out->wrong : name;
}

mote_status mote_run_self_test(mote_self_test *out, size_t tier, void *mem, size_t mem_bytes,
                               mote_error *err)
{
    work *w = mem;
    unsigned features = 0;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    *out = (mote_self_test){.tier = mote_usable_tier(tier)};
    if (!out->tier || !mote_tier_features(out->tier, &features))
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "no such kernel tier", NULL);
    if (mem_bytes < sizeof *w)
        return mote_fail_got(err, MOTE_ERR_MEMORY, "memory of a self-test", NULL, mem_bytes,
                             sizeof *w);
    unsigned saved = mote_fp_enter();
    mote_kernels_init(&w->tables[0], 0);
    mote_kernels_init(&w->tables[1], features);
    for (size_t i = 0; i < N_KERNELS; i++, out->n_kernels++) {
        run(w, i, &w->tables[0]);
        h = hash(h, w->out, OUT_BYTES);
        memcpy(w->expected, w->out, OUT_BYTES);
        run(w, i, &w->tables[1]);
        if (memcmp(w->expected, w->out, OUT_BYTES) != 0)
            note_wrong(out, kernels[i].name);
    }
    mote_fp_leave(saved);
    if (!features && h != REF_HASH)
        note_wrong(out, "the definition itself");
    out->hash = h;
    return MOTE_OK;
}
