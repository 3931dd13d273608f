/* crc32c.c: CRC32C (Castagnoli), eight bytes a step; with the CPU's instruction where there is one,
 * on three pieces of the data at a time, since one has to wait for itself.
 *
 * A CRC is linear: the table entry of a byte is the sum (xor) of the entries of its bits. So eight
 * constants make a table of 256, and the tables below are written by the preprocessor.
 * Table k holds what a byte does to the register when k more zero bytes follow it.
 */
#include <string.h>

#include "include/mote_features.h"
#include "loader/format.h"

#if MOTE_FAST_CRC

#if defined __x86_64__
#include <cpuid.h>
#include <nmmintrin.h>
#elif defined __ARM_FEATURE_CRC32
#include <arm_acle.h>
#endif

#define BIT(i, b, c) (((i) >> (b)&1) ? (c) : 0u)
#define ENTRY(i, c0, c1, c2, c3, c4, c5, c6, c7)                                                   \
    (BIT(i, 0, c0) ^ BIT(i, 1, c1) ^ BIT(i, 2, c2) ^ BIT(i, 3, c3) ^ BIT(i, 4, c4) ^               \
     BIT(i, 5, c5) ^ BIT(i, 6, c6) ^ BIT(i, 7, c7))
#define ENTRIES_4(i, ...)                                                                          \
    ENTRY((i), __VA_ARGS__), ENTRY((i) + 1, __VA_ARGS__), ENTRY((i) + 2, __VA_ARGS__),             \
        ENTRY((i) + 3, __VA_ARGS__)
#define ENTRIES_16(i, ...)                                                                         \
    ENTRIES_4((i), __VA_ARGS__), ENTRIES_4((i) + 4, __VA_ARGS__), ENTRIES_4((i) + 8, __VA_ARGS__), \
        ENTRIES_4((i) + 12, __VA_ARGS__)
#define ENTRIES_64(i, ...)                                                                         \
    ENTRIES_16((i), __VA_ARGS__), ENTRIES_16((i) + 16, __VA_ARGS__),                               \
        ENTRIES_16((i) + 32, __VA_ARGS__), ENTRIES_16((i) + 48, __VA_ARGS__)
#define TABLE(...)                                                                                 \
    {                                                                                              \
        ENTRIES_64(0, __VA_ARGS__), ENTRIES_64(64, __VA_ARGS__), ENTRIES_64(128, __VA_ARGS__),     \
            ENTRIES_64(192, __VA_ARGS__)                                                           \
    }

static const uint32_t tables[8][256] = {
    TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu, 0x417b1dbcu,
          0x82f63b78u),
    TABLE(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u, 0xff17c604u,
          0xfbc3faf9u),
    TABLE(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u, 0xc76580d9u,
          0x8b277743u),
    TABLE(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu, 0xaba65fe7u,
          0x52a0c93fu),
    TABLE(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u, 0x37516aaeu,
          0x6ea2d55cu),
    TABLE(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du, 0x0e045bebu,
          0x1c08b7d6u),
    TABLE(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu, 0x7ab7077au,
          0xf56e0ef4u),
    TABLE(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u, 0x1a00cb32u,
          0x34019664u),
};

static uint32_t update_by_table(uint32_t crc, const uint8_t *p, size_t n)
{
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t lo =
            (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        lo ^= crc;
        crc = tables[7][lo & 0xff] ^ tables[6][lo >> 8 & 0xff] ^ tables[5][lo >> 16 & 0xff] ^
              tables[4][lo >> 24] ^ tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^
              tables[0][p[7]];
    }
    for (; n; n--, p++)
        crc = crc >> 8 ^ tables[0][(crc ^ *p) & 0xff];
    return crc;
}

#if defined __x86_64__
#define TARGET __attribute__((target("sse4.2")))
#define STEP(crc, word) (uint32_t) _mm_crc32_u64((crc), (word))

/* Asking the CPU is slow in a virtual machine: only worth it for long pieces. */
static int has_instruction(size_t n)
{
    unsigned a, b, c = 0, d;
    return n >= 4096 && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
}
#elif defined __ARM_FEATURE_CRC32
#define TARGET
#define STEP(crc, word) __crc32cd((crc), (word))

static int has_instruction(size_t n) { return n >= 8; }
#endif

#ifdef STEP
/* Product of two polynomials modulo CRC32C's. The highest bit is the coefficient of x^0. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (; a; a <<= 1) {
        product ^= b & (0u - (a >> 31));
        b = b >> 1 ^ (0x82f63b78u & (0u - (b & 1)));
    }
    return product;
}

/* What zero bytes behind a piece make of its register: a product with x^(8 * bytes). */
enum { PIECE = 4096 };
#define X_PIECE 0x35d73a62u      /* x^(8 * PIECE) */
#define X_TWO_PIECES 0x28461564u /* x^(16 * PIECE) */

TARGET static uint32_t update_by_instruction(uint32_t crc, const uint8_t *p, size_t n)
{
    uint64_t word[3];
    for (; n >= 3 * PIECE; n -= 3 * PIECE, p += 3 * PIECE) {
        uint32_t second = 0, third = 0;
        for (size_t i = 0; i < PIECE; i += 8) {
            for (size_t k = 0; k < 3; k++)
                memcpy(&word[k], p + k * PIECE + i, 8);
            crc = STEP(crc, word[0]);
            second = STEP(second, word[1]);
            third = STEP(third, word[2]);
        }
        crc = multiply(crc, X_TWO_PIECES) ^ multiply(second, X_PIECE) ^ third;
    }
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(word, p, 8);
        crc = STEP(crc, word[0]);
    }
    return update_by_table(crc, p, n);
}
#else
static int has_instruction(size_t n) { return n == SIZE_MAX; }
#define update_by_instruction update_by_table
#endif

uint32_t mote_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    return ~(has_instruction(bytes) ? update_by_instruction(~crc, data, bytes)
                                    : update_by_table(~crc, data, bytes));
}

#else

/* Four bits a step: the table says what they do to the register. */
uint32_t mote_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    static const uint32_t table[16] = {0x00000000u, 0x105ec76fu, 0x20bd8edeu, 0x30e349b1u,
                                       0x417b1dbcu, 0x5125dad3u, 0x61c69362u, 0x7198540du,
                                       0x82f63b78u, 0x92a8fc17u, 0xa24bb5a6u, 0xb21572c9u,
                                       0xc38d26c4u, 0xd3d3e1abu, 0xe330a81au, 0xf36e6f75u};
    const uint8_t *p = data;
    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

#endif
