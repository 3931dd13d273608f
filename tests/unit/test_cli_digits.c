/* test_cli_digits.c: floats as text, against printf. */
#include <math.h>
#include <stdio.h>

#include "cli/digits.h"
#include "tests/unit/test.h"

static bool same(float x)
{
    char want[64], got[CLI_FLOAT_CHARS];
    int n = snprintf(want, sizeof want, "%.9g", (double)x);
    return cli_float_digits(got, x) == (size_t)n && memcmp(got, want, (size_t)n) == 0;
}

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

TEST(floats_are_written_as_printf_writes_them)
{
    uint64_t seed = 3;
    for (size_t i = 0; i < 100000; i++) {
        uint32_t bits = (uint32_t)test_random(&seed);
        CHECK(same(from_bits(bits)));                             /* any float */
        CHECK(same(from_bits((bits & 0x83ffffff) | 0x38000000))); /* 3e-5 .. 0.5 */
        CHECK(same(from_bits((bits & 0x8fffffff) | 0x40000000))); /* 2 .. 1e10 */
    }
    for (int e = -6; e <= 10; e++) /* powers of ten and their neighbours, halves */
        for (int i = -3; i <= 3; i++) {
            float x = (float)pow(10, e);
            memcpy(&seed, &x, sizeof x);
            CHECK(same(from_bits((uint32_t)seed + (uint32_t)i)));
            CHECK(same((float)i * x / 2));
        }
    CHECK(same(0.0f) && same(-0.0f) && same(INFINITY) && same(-INFINITY) && same(-1e-45f));
}
