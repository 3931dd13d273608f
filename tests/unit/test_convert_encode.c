/* Encoding weights: the layout, code for code import, refusals, and q4's search. The converted
 * golden models (tests/golden/convert.py) check whole files. */
#include "kernels/math.h"
#include "tests/unit/test.h"
#include "tools/convert/encode.h"

#define K 64

static uint8_t tile[MOTE_TILE_ROWS * K * 4 + 4096];
static float scratch[48 * K];

static float random_weight(uint64_t *state)
{
    float sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (float)(test_random(state) >> 40) * 0x1p-24f - 0.5f;
    return sum * 0.1f;
}

static encode_status encode_row(enum src_type from, enum mote_type to, uint32_t group, size_t k,
                                const void *row, encode_fault *fault)
{
    encoder e = encoder_make(from, to, group, k);
    CHECK(e.tile_bytes <= sizeof tile && e.scratch_floats <= sizeof scratch / sizeof *scratch);
    memset(tile, 0xaa, sizeof tile);
    return encode_tile(&e, row, 1, tile, scratch, fault);
}

TEST(encode_says_where_a_value_does_not_fit)
{
    const struct {
        enum mote_type to;
        float value;
        encode_status status;
    } cases[] = {
        {MOTE_F32, INFINITY, ENCODE_NOT_FINITE},
        {MOTE_Q4, NAN, ENCODE_NOT_FINITE},
        {MOTE_F16, 65520, ENCODE_TOO_LARGE},
        {MOTE_F16, 65519, ENCODE_OK},
        {MOTE_BF16, 3.4e38f, ENCODE_TOO_LARGE},
        {MOTE_BF16, 3.38e38f, ENCODE_OK},
        {MOTE_Q8, 65520.0f * 127, ENCODE_TOO_LARGE},
        {MOTE_Q8, 65504.0f * 127, ENCODE_OK},
        {MOTE_Q4, 3.4e38f, ENCODE_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float row[K] = {1, 2};
        encode_fault fault = {9, 9};
        row[41] = cases[i].value;
        uint32_t group = cases[i].to >= MOTE_Q8 ? 32 : 0;
        CHECK(encode_row(SRC_F32, cases[i].to, group, K, row, &fault) == cases[i].status);
        CHECK(!cases[i].status || (fault.row == 0 && fault.column == 41));
    }
}

TEST(encode_bf16_rounds_to_nearest_even)
{
    const uint32_t bits[4] = {0x3f808000, 0x3f818000, 0x3f808001, 0x80000001};
    const uint16_t want[4] = {0x3f80, 0x3f82, 0x3f81, 0x8000};
    encode_fault fault;
    REQUIRE(encode_row(SRC_F32, MOTE_BF16, 0, 4, bits, &fault) == ENCODE_OK);
    for (size_t i = 0; i < 4; i++)
        CHECK(memcmp(tile + i * 32, &want[i], 2) == 0);
}

/* 40 columns in groups of 32: scales and codes of the rest, and of the other rows, are zero. */
TEST(encode_pads_rows_and_columns_with_zeros)
{
    float row[40];
    encode_fault fault;
    for (size_t i = 0; i < 40; i++)
        row[i] = -127;
    REQUIRE(encode_row(SRC_F32, MOTE_Q8, 32, 40, row, &fault) == ENCODE_OK);
    const uint16_t one = 0x3c00;
    CHECK(memcmp(tile, &one, 2) == 0 && memcmp(tile + 32, &one, 2) == 0);
    for (size_t i = 0; i < 64; i++) /* columns of row 0, then row 1 */
        for (size_t r = 0; r < 2; r++)
            CHECK((int8_t)tile[64 + i / 4 * 64 + r * 4 + i % 4] == (r == 0 && i < 40 ? -127 : 0));
}

TEST(encode_keeps_blocks_code_for_code)
{
    uint8_t q8[2 * 34], q4[2 * 20];
    uint64_t seed = 1;
    encode_fault fault;
    for (size_t i = 0; i < sizeof q8; i++)
        q8[i] = (uint8_t)test_random(&seed);
    for (size_t i = 0; i < sizeof q4; i++)
        q4[i] = (uint8_t)test_random(&seed);
    q8[1] = q8[35] = q4[1] = q4[3] = q4[21] = q4[23] = 0x2c; /* finite scales */
    q8[2] = 0x80;                                            /* -128 stays */
    REQUIRE(encode_row(SRC_Q8_0, MOTE_Q8, 32, K, q8, &fault) == ENCODE_OK);
    for (size_t i = 0; i < K; i++)
        CHECK(tile[64 + i / 4 * 64 + i % 4] == q8[i / 32 * 34 + 2 + i % 32]);
    CHECK(memcmp(tile + 32, q8 + 34, 2) == 0);
    REQUIRE(encode_row(SRC_Q4_1, MOTE_Q4_1, 32, K, q4, &fault) == ENCODE_OK);
    for (size_t i = 0; i < K; i++) {
        uint8_t byte = tile[128 + i / 8 * 64 + i % 4], from = q4[i / 32 * 20 + 4 + i % 16];
        CHECK((i % 8 < 4 ? byte & 15 : byte >> 4) == (i % 32 < 16 ? from & 15 : from >> 4));
    }
    CHECK(memcmp(tile + 64, q4 + 20, 2) == 0 && memcmp(tile + 96, q4 + 22, 2) == 0);
    q4[3] = 0x7c; /* the minimum of the first block is infinite */
    CHECK(encode_row(SRC_Q4_1, MOTE_Q4_1, 32, K, q4, &fault) == ENCODE_NOT_FINITE);
}

/* Every code is the nearest level of its group's scale, and the search beats the plain encoding:
 * the largest value of each group at the book's end. */
TEST(encode_q4_takes_the_nearest_levels)
{
    static const int8_t book[16] = MOTE_BOOK_LEVELS;
    uint64_t seed = 2;
    double error = 0, power = 0;
    for (int n = 0; n < 50; n++) {
        float x[K], y[K], row = 0, work[K / 16];
        uint8_t codes[K];
        int8_t steps[K / 32];
        for (size_t i = 0; i < K; i++)
            y[i] = x[i] = random_weight(&seed);
        quantize_q4_row(y, K, codes, steps, &row, work);
        for (size_t i = 0; i < K; i++) {
            float s = (float)steps[i / 32] * row, off = mote_fabs(x[i] - (float)book[codes[i]] * s);
            for (size_t c = 0; c < 16; c++)
                CHECK(off <= mote_fabs(x[i] - (float)book[c] * s) + 1e-5f * mote_fabs(s));
            error += (double)off * (double)off;
            power += (double)x[i] * (double)x[i];
        }
    }
    CHECK(error < 0.006 * power); /* plain: 0.0066 */
}

TEST(encode_q4_takes_any_magnitude)
{
    static const float sizes[] = {0, 0x1p-149f, 0x1p-126f, 1e-20f, 1e20f, 3.4e38f};
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        float x[K] = {0}, row = 1, work[K / 16];
        uint8_t codes[K];
        int8_t steps[K / 32] = {1, 1};
        x[3] = sizes[n];
        x[4] = -sizes[n];
        quantize_q4_row(x, K, codes, steps, &row, work);
        CHECK(isfinite(row) && row >= 0 && steps[1] == 0 && codes[40] == MOTE_BOOK_ZERO);
        CHECK(sizes[n] > 0 || (steps[0] == 0 && codes[3] == MOTE_BOOK_ZERO));
    }
}

/* Random blocks of the types that are read and encoded anew; the checksums are those of the values
 * that the Python package gguf gives for the same bytes. */
TEST(gguf_blocks_decode_as_the_reference)
{
    static const struct {
        enum src_type type;
        size_t half, n_halves; /* scales, set to 0.1 so that nothing overflows */
        uint32_t crc;
    } cases[] = {{SRC_Q5_0, 0, 1, 0x297a2732},   {SRC_Q5_1, 0, 2, 0x644ff7d1},
                 {SRC_IQ4_NL, 0, 1, 0x6d0d9834}, {SRC_Q2_K, 80, 2, 0x3a82b681},
                 {SRC_Q3_K, 108, 1, 0x55915d30}, {SRC_Q4_K, 0, 2, 0x5131d20a},
                 {SRC_Q5_K, 0, 2, 0xabccb816},   {SRC_Q6_K, 208, 1, 0x1270123d},
                 {SRC_IQ4_XS, 0, 1, 0x7a1acec7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static uint8_t bytes[4 * 256];
        static float values[4 * 256];
        size_t unit = src_unit_bytes(cases[i].type), n = 4 * src_block(cases[i].type);
        uint64_t seed = 7;
        for (size_t j = 0; j < 4 * unit; j++)
            bytes[j] = (uint8_t)(test_random(&seed) >> 32);
        for (size_t j = 0; j < 8 * cases[i].n_halves; j++) {
            size_t at = j / (2 * cases[i].n_halves) * unit + j % (2 * cases[i].n_halves);
            bytes[cases[i].half + at] = j % 2 ? 0x2e : 0x66;
        }
        decode_values(cases[i].type, bytes, n, values);
        CHECK(mote_crc32c(0, values, n * sizeof *values) == cases[i].crc);
    }
}
