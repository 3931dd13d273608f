/* Calibration: the guide that follows from inputs, and what q4 gains by it. */
#include <math.h>

#include "kernels/math.h"
#include "tests/unit/test.h"
#include "tools/convert/calibrate.h"

#define K 64
#define ROWS 16
#define TOKENS 200

static float draw(uint64_t *state) { return (float)(test_random(state) >> 40) * 0x1p-23f - 1.0f; }

/* Inputs of which neighbours go together and some are much larger than others; sums of their
 * products, whole. */
static void make_sums(float *sums, uint64_t seed)
{
    memset(sums, 0, K * K * sizeof *sums);
    for (int t = 0; t < TOKENS; t++) {
        float x[K], common = draw(&seed);
        for (size_t i = 0; i < K; i++) {
            common = i % 8 ? common : draw(&seed);
            x[i] = (common + 0.3f * draw(&seed)) * (i % 16 == 3 ? 8.0f : 1.0f);
        }
        for (size_t i = 0; i < K; i++)
            for (size_t j = 0; j < K; j++)
                sums[i * K + j] += x[i] * x[j];
    }
}

/* (F + 1) D (F + 1)' is the mean with 1 % of the mean diagonal on it, in units of that. */
TEST(calibrate_factors_the_moments)
{
    static float sums[K * K], feedback[K * K], weights[K];
    double mean = 0;
    make_sums(sums, 3);
    CHECK(calibrate_factor(sums, K, feedback, weights));
    for (size_t i = 0; i < K; i++)
        mean += (double)sums[i * K + i] / K;
    for (size_t i = 0; i < K; i++)
        for (size_t j = i; j < K; j++) {
            double is = 0, should = (double)sums[i * K + j] / mean + (i == j ? 0.01 : 0);
            for (size_t l = j; l < K; l++)
                is +=
                    (double)feedback[i * K + l] * (double)weights[l] * (double)feedback[j * K + l];
            CHECK(is - should < 1e-4 && should - is < 1e-4);
        }
    for (size_t i = 0; i < K; i++)
        CHECK(weights[i] > 0 && feedback[i * K + i] == 1.0f);
}

/* Inputs that never were, or were always the same: no factor without the damping. */
TEST(calibrate_bears_poor_texts)
{
    static float sums[K * K], feedback[K * K], weights[K];
    for (int n = 0; n < 2; n++) {
        for (size_t i = 0; i < K * K; i++)
            sums[i] = n ? 1e8f : 0;
        CHECK(calibrate_factor(sums, K, feedback, weights));
        for (size_t i = 0; i < K * K; i++)
            CHECK(i % K < i / K || (feedback[i] > -1e3f && feedback[i] < 1e3f));
        for (size_t i = 0; i < K; i++)
            CHECK(weights[i] > 0);
    }
    sums[K + 1] = INFINITY;
    CHECK(!calibrate_factor(sums, K, feedback, weights));
}

/* The sum over rows of (w - v) H (w - v)'. */
static double loss_of(const float *w, const uint8_t *codes, const int8_t *steps, const float *rows,
                      const float *sums)
{
    static const int8_t book[16] = MOTE_BOOK_LEVELS;
    double loss = 0;
    for (size_t r = 0; r < ROWS; r++) {
        double off[K];
        for (size_t i = 0; i < K; i++)
            off[i] = (double)w[r * K + i] - (double)book[codes[r * K + i]] *
                                                (double)steps[(r * K + i) / 32] * (double)rows[r];
        for (size_t i = 0; i < K; i++)
            for (size_t j = 0; j < K; j++)
                loss += off[i] * off[j] * (double)sums[i * K + j];
    }
    return loss;
}

TEST(encode_q4_guided_loses_less)
{
    static float sums[K * K], feedback[K * K], weights[K], w[ROWS * K], x[ROWS * K];
    static float work[ROWS * (K + 32) + K / 16], rows[ROWS];
    static uint8_t codes[ROWS * K];
    static int8_t steps[ROWS * K / 32];
    const q4_guide guide = {K, weights, feedback};
    uint64_t seed = 5;
    make_sums(sums, 7);
    CHECK(calibrate_factor(sums, K, feedback, weights));
    for (size_t i = 0; i < ROWS * K; i++)
        w[i] = draw(&seed) + draw(&seed);
    memcpy(x, w, sizeof x);
    for (size_t r = 0; r < ROWS; r++)
        quantize_q4_row(x + r * K, K, codes + r * K, steps + r * (K / 32), &rows[r], work);
    double plain = loss_of(w, codes, steps, rows, sums);
    memcpy(x, w, sizeof x);
    quantize_q4_guided(x, ROWS, &guide, codes, steps, rows, work);
    double guided = loss_of(w, codes, steps, rows, sums);
    CHECK(guided < 0.35 * plain);
}

TEST(encode_q4_guided_takes_any_magnitude)
{
    static const float sizes[] = {0, 0x1p-149f, 1e-20f, 3.4e38f};
    static float feedback[K * K], weights[K], work[ROWS * (K + 32) + K / 16];
    const q4_guide guide = {K, weights, feedback};
    for (size_t i = 0; i < K; i++)
        weights[i] = feedback[i * K + i] = 1.0f;
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        float x[K] = {0}, row = 1;
        uint8_t codes[K];
        int8_t steps[K / 32] = {1, 1};
        x[3] = sizes[n];
        x[4] = -sizes[n];
        quantize_q4_guided(x, 1, &guide, codes, steps, &row, work);
        CHECK(row >= 0 && row <= 3.4e38f && steps[1] == 0 && codes[40] == MOTE_BOOK_ZERO);
        CHECK(sizes[n] > 0 || (steps[0] == 0 && codes[3] == MOTE_BOOK_ZERO));
    }
}
