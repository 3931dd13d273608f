/* test_soft_float.c: the integer forms of fma and square root (kernels/cortexm/soft_float.c)
 * against the host's, over all magnitudes and near cancellation. */
#include "tests/unit/test.h"

#include "kernels/cortexm/soft_float.c"

static bool same(float a, float b) { return float_bits(a) == float_bits(b) || (a != a && b != b); }

TEST(soft_fma_gives_the_bits_of_fma)
{
    uint64_t state = 1;
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < 400000; i++) {
        float a = bits_float((uint32_t)test_random(&state)),
              b = bits_float((uint32_t)test_random(&state)),
              c = bits_float((uint32_t)test_random(&state));
        if (i % 4 == 1) /* near the product, either sign */
            c = bits_float(float_bits(a * b) ^ ((uint32_t)test_random(&state) & 0x80000003u));
        if (i % 4 == 2) { /* of the same size, as in a model */
            a = bits_float((float_bits(a) & 0x83ffffffu) | 0x3c000000u);
            b = bits_float((float_bits(b) & 0x83ffffffu) | 0x3c000000u);
            c = bits_float((float_bits(c) & 0x83ffffffu) | 0x38000000u);
        }
        if (i % 4 == 3) /* subnormals */
            c = bits_float(float_bits(c) & 0x80ffffffu);
        wrong += !same(mote_soft_fma(a, b, c), __builtin_fmaf(a, b, c));
    }
    CHECK(wrong == 0);
}

TEST(soft_square_root_gives_the_bits_of_the_root)
{
    uint64_t state = 2;
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < 200000; i++) {
        float x = bits_float((uint32_t)test_random(&state) & 0x7fffffffu);
        wrong += !same(mote_soft_sqrt(x), __builtin_sqrtf(x));
    }
    CHECK(wrong == 0);
}
