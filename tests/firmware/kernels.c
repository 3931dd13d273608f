/* kernels.c: a second program for a device: every kernel that its tier has of its own against the
 * definition, `ref`, bit for bit, on shapes and numbers that a model may never bring together. Read
 * kernels/kernels.h and board.h first.
 */
#include <string.h>

#include "kernels/cortexm/cortexm.h"
#include "kernels/math.h"
#include "tests/firmware/board.h"

#pragma GCC diagnostic ignored "-Wunused-function" /* some of the templates' rows */
#define FN(name) name##_ref
#include "kernels/ref/rows.inc"
#include "kernels/ref/attention.inc"

enum { MOST = 256, ROWS = 5 };

/* What a kernel reads and writes. */
static struct memory {
    uint8_t tiles[3 * 2176] __attribute__((aligned(64)));
    int8_t codes[ROWS * 128], values[MOST * 72];
    uint16_t value_scales[MOST * 3], lo[ROWS], hi[ROWS];
    float x[MOST], y[MOST], w[MOST], p[ROWS * MOST], scales[ROWS * 4];
    int32_t sums[ROWS * 4];
    struct written {
        float f[ROWS * MOST], two[2];
        int8_t codes[MOST + 64];
        int32_t sums[MOST / 32 + 2];
        uint8_t tile[2176] __attribute__((aligned(64)));
    } got, want;
} m __attribute__((section(".arena")));

static uint32_t seed;

static uint32_t roll(uint32_t n) /* below n */
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)seed * n >> 32);
}

/* Of either sign, magnitudes from 2^-most to 1. */
static float number(uint32_t most)
{
    return bits_float(roll(2) << 31 | (126 - roll(most)) << 23 | roll(1u << 23));
}

static void numbers(float *x, size_t n, uint32_t most)
{
    for (size_t i = 0; i < n; i++)
        x[i] = number(most);
}

/* Codes from `least` to 127. */
static void codes_of(void *to, size_t n, int least)
{
    for (size_t i = 0; i < n; i++)
        ((int8_t *)to)[i] = (int8_t)(least + (int)roll((uint32_t)(128 - least)));
}

/* Scales between 2^-11 and 1. */
static void halves_of(void *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint16_t *)to)[i] = (uint16_t)(0x1000 + roll(0x2c00));
}

/* Both have written the same; then again nothing. A NaN is as good as any other. */
static void compare(const char *what)
{
    for (size_t i = 0; i < sizeof m.got.f / 4; i++)
        if (m.got.f[i] != m.got.f[i] && m.want.f[i] != m.want.f[i])
            m.got.f[i] = m.want.f[i] = 0.0f;
    bool same = !memcmp(&m.got, &m.want, sizeof m.got);
    memset(&m.got, 0x55, sizeof m.got);
    memset(&m.want, 0x55, sizeof m.want);
    board_expect(same, what);
}

static void products(enum mote_type type, size_t k, uint32_t group)
{
    const mote_acts acts = {NULL, m.codes, m.scales, m.sums, 0, 128, 4};
    const size_t bytes = mote_tile_bytes(type, group, k), n = 1 + roll(3), begin = roll(2);
    const mote_mat w = {m.tiles, (bytes + 63) & ~(size_t)63, 48, k, group, type};
    mote_matmul_fn *ref = type == MOTE_Q8 ? mote_k_matmul_q8_ref : mote_k_matmul_q4_ref;
    codes_of(m.tiles, sizeof m.tiles, -128);
    for (size_t t = 0; t < 3; t++)
        if (type == MOTE_Q8)
            halves_of(m.tiles + t * w.tile_bytes, mote_tile_scale_bytes(type, group, k) / 2);
        else
            numbers((float *)(void *)(m.tiles + t * w.tile_bytes), 16, 8);
    codes_of(m.codes, sizeof m.codes, -127);
    for (size_t t = 0; t < ROWS; t++) /* padding */
        memset(m.codes + t * 128 + k, 0, 128 - k);
    numbers(m.scales, sizeof m.scales / 4, 8);
    mote_fixed_kernels.matmul[type](m.got.f, 52, &acts, n, &w, begin, 3);
    ref(m.want.f, 52, &acts, n, &w, begin, 3);
    compare("a product");
}

static void attention(size_t dim)
{
    const size_t n = 1 + roll(ROWS), groups = (dim + 31) / 32;
    const uint32_t spread = roll(3); /* of the scores: 1, 20, 400 */
    codes_of(m.values, sizeof m.values, -127);
    halves_of(m.value_scales, MOST * groups);
    numbers(m.p, sizeof m.p / 4, 20);
    for (size_t i = 0; i < n; i++) {
        m.lo[i] = (uint16_t)(roll(2) ? 0 : roll(255));
        m.hi[i] = (uint16_t)(m.lo[i] + 1 + roll(256u - m.lo[i]));
        if (i && roll(2)) {
            m.lo[i] = m.lo[i - 1];
            m.hi[i] = m.hi[i - 1];
        }
    }
    mote_fixed_kernels.values[2](m.got.f, 80, m.p, MOST, m.lo, m.hi, n, m.values, m.value_scales,
                                 dim);
    mote_k_values_q8_ref(m.want.f, 80, m.p, MOST, m.lo, m.hi, n, m.values, m.value_scales, dim);
    compare("values");
    const float scale = spread ? spread == 1 ? 20.0f : 400.0f : 1.0f;
    const float cap = MOTE_LAYER_KINDS && roll(2) ? 5.0f : 0.0f;
    memcpy(m.got.f, m.p, sizeof m.p);
    memcpy(m.want.f, m.p, sizeof m.p);
    mote_fixed_kernels.softmax(m.got.f, m.lo[0], m.hi[0], scale, cap, m.got.two, m.got.two + 1);
    softmax_ref(m.want.f, m.lo[0], m.hi[0], scale, cap, m.want.two, m.want.two + 1);
    compare("softmax");
    size_t lane = roll(16), row = roll(3);
    numbers(m.x, dim, 20);
    mote_fixed_kernels.store_key[2](m.got.tile, lane, m.x, dim);
    store_key_q8_ref(m.want.tile, lane, m.x, dim);
    compare("a key");
    mote_fixed_kernels.store_value[2](m.got.codes, (uint16_t *)m.got.sums, row, m.x, dim);
    store_value_q8_ref(m.want.codes, (uint16_t *)m.want.sums, row, m.x, dim);
    compare("a value");
}

static void rows(size_t n)
{
    static const uint32_t odd[] = {0x7fc00000u, 0x7f800000u, 0xff800000u, 0, 0x80000000u};
    numbers(m.x, MOST, 8);
    numbers(m.y, MOST, 30);
    numbers(m.w, MOST, 8);
    mote_fixed_kernels.rmsnorm(m.got.f, m.x, m.w, n, 1e-5f);
    rmsnorm_ref(m.want.f, m.x, m.w, n, 1e-5f);
    compare("rmsnorm");
    memcpy(m.got.f, m.w, sizeof m.w);
    memcpy(m.want.f, m.w, sizeof m.w);
    mote_fixed_kernels.add(m.got.f, m.x, n);
    add_ref(m.want.f, m.x, n);
    compare("add");
    memcpy(m.got.f, m.w, sizeof m.w);
    memcpy(m.want.f, m.w, sizeof m.w);
    mote_fixed_kernels.rope(m.got.f, m.x, m.x + MOST / 2, n / 2);
    rope_ref(m.want.f, m.x, m.x + MOST / 2, n / 2);
    compare("rope");
    for (size_t i = 0; i < n; i++)
        m.y[i] = m.x[i] * (roll(2) ? 8.0f : 200.0f);
    if (roll(4) == 0)
        m.y[roll((uint32_t)n)] = bits_float(odd[roll(5)]);
    numbers(m.w, MOST, 1); /* not smaller: the M55's vectors flush subnormals */
    mote_fixed_kernels.silu_mul(m.got.f, m.y, m.w, n);
    silu_mul_ref(m.want.f, m.y, m.w, n);
    compare("silu");
    const float tiny = bits_float((16 + roll(40)) << 23); /* all codes 0 from somewhere on */
    if (roll(2))
        for (size_t i = 0; i < n; i++)
            m.y[i] *= tiny;
    mote_fixed_kernels.quantize(m.got.codes, m.got.f, m.got.sums, m.y, n);
    quantize_ref(m.want.codes, m.want.f, m.want.sums, m.y, n);
    if (!MOTE_TYPES_GGUF) /* nobody reads them then */
        memcpy(m.got.sums, m.want.sums, sizeof m.got.sums);
    compare("quantize");
    m.got.sums[0] = mote_fixed_kernels.finite(m.y, n);
    m.want.sums[0] = finite_ref(m.y, n);
    compare("finite");
}

int main(void)
{
    seed = 1;
    memset(&m, 0x55, sizeof m);
    for (size_t i = 0; i < 60; i++) {
        products(MOTE_Q8, 4 * (1 + i % 7), 32); /* keys of small heads */
        products(MOTE_Q8, 32 + 4 * (i % 25), 32);
        products(MOTE_Q8, 64 * (1 + i % 2), 64);
        if (MOTE_TYPE_Q4)
            products(MOTE_Q4, 32 * (1 + i % 4), 32);
    }
    for (size_t i = 0; i < 144; i++)
        attention(1 + i % 72);
    for (size_t i = 0; i < 160; i++)
        rows(1 + i);
    board_put(mote_fixed_kernels.tier);
    board_put("\ndone\n");
    return 0;
}
