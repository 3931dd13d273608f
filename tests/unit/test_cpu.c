/* test_cpu.c: which tiers a CPU gets (kernels/cpu_x86.h), played with the CPUID words of real ones;
 * and what every tier must keep to. */
#include "kernels/kernels.h"
#include "tests/unit/test.h"

#if defined(__x86_64__)
#include "kernels/cpu_x86.h"

/* Leaf 1 ECX: FMA, AVX, F16C, OSXSAVE. Leaf 7 EBX: AVX2; the same with AVX-512 F, DQ, BW, VL. */
enum { LEAF1 = 0x38001000 };
#define EBX_AVX2 0x00000020u
#define EBX_AVX512 0xc0030020u
#define ECX_VNNI 0x00000800u
#define EAX_AVXVNNI 0x00000010u

TEST(cpu_of_every_kind)
{
    enum { V2 = MOTE_CPU_AVX2, VN = MOTE_CPU_AVXVNNI, V5 = MOTE_CPU_AVX512VNNI };
    static const struct {
        const char *what;
        mote_cpuid id;
        unsigned want;
    } cpus[] = {
        {"nothing", {0, 0, 0, 0, 0}, 0},
        {"Sandy Bridge: AVX only", {0x18000000, 0, 0, 0, 0x7}, 0},
        {"Haswell, Zen 3", {LEAF1, EBX_AVX2, 0, 0, 0x7}, V2},
        {"no OSXSAVE", {LEAF1 & ~0x08000000, EBX_AVX512, ECX_VNNI, EAX_AVXVNNI, 0xe7}, 0},
        {"the OS saves no YMM", {LEAF1, EBX_AVX512, ECX_VNNI, EAX_AVXVNNI, 0x3}, 0},
        {"no FMA", {LEAF1 & ~0x1000, EBX_AVX512, ECX_VNNI, EAX_AVXVNNI, 0xe7}, 0},
        {"no F16C", {LEAF1 & ~0x20000000, EBX_AVX512, ECX_VNNI, EAX_AVXVNNI, 0xe7}, 0},
        {"Skylake-X: no VNNI", {LEAF1, EBX_AVX512, 0, 0, 0xe7}, V2},
        {"Knights Mill: no BW, VL, DQ", {LEAF1, 0x00010020, ECX_VNNI, 0, 0xe7}, V2},
        {"no VL", {LEAF1, EBX_AVX512 & 0x7fffffffu, ECX_VNNI, 0, 0xe7}, V2},
        {"no BW", {LEAF1, EBX_AVX512 & ~0x40000000u, ECX_VNNI, 0, 0xe7}, V2},
        {"no DQ", {LEAF1, EBX_AVX512 & ~0x00020000u, ECX_VNNI, 0, 0xe7}, V2},
        {"Ice Lake, Zen 4", {LEAF1, EBX_AVX512, ECX_VNNI, 0, 0xe7}, V2 | V5},
        {"the OS saves no ZMM", {LEAF1, EBX_AVX512, ECX_VNNI, 0, 0x7}, V2},
        {"the OS saves no registers 16-31", {LEAF1, EBX_AVX512, ECX_VNNI, 0, 0x67}, V2},
        {"the OS saves no masks", {LEAF1, EBX_AVX512, ECX_VNNI, 0, 0xc7}, V2},
        {"Alder Lake", {LEAF1, EBX_AVX2, 0, EAX_AVXVNNI, 0x7}, V2 | VN},
        {"Sapphire Rapids, Zen 5",
         {LEAF1, EBX_AVX512, ECX_VNNI, EAX_AVXVNNI, 0x600e7},
         V2 | VN | V5},
    };
    for (size_t i = 0; i < sizeof cpus / sizeof *cpus; i++)
        if (!CHECK(mote_decode_cpuid(&cpus[i].id) == cpus[i].want))
            printf("  %s: %x\n", cpus[i].what, mote_decode_cpuid(&cpus[i].id));
}

/* The highest tier a set of features allows takes the slots; one tier does not need the other. */
TEST(cpu_tiers_and_slots)
{
    enum { V2 = MOTE_CPU_AVX2, VN = MOTE_CPU_AVXVNNI, V5 = MOTE_CPU_AVX512VNNI };
    static const struct {
        unsigned features;
        const char *tier, *q8, *f32;
    } sets[] = {
        {0, "ref", "ref", "ref"},
        {VN | V5, "ref", "ref", "ref"}, /* never without AVX2 */
        {V2, "avx2", "avx2", "avx2"},
        {V2 | VN, "avxvnni", "avxvnni", "avx2"},
        {V2 | V5, "avx512vnni", "avx512vnni", "avx512vnni"},
        {V2 | VN | V5, "avx512vnni", "avx512vnni", "avx512vnni"},
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        mote_kernels k;
        mote_kernels_init(&k, sets[i].features);
        CHECK(strcmp(k.tier, sets[i].tier) == 0);
        CHECK(strcmp(k.matmul_tier[MOTE_Q8], sets[i].q8) == 0);
        CHECK(strcmp(k.matmul_tier[MOTE_F32], sets[i].f32) == 0);
    }
}
#endif

/* The features of a tier name give that tier; a name is not a prefix of another. */
TEST(cpu_tier_names)
{
    unsigned features;
    const char *name;
    for (size_t i = 0; (name = mote_tier_name(i)) != NULL; i++) {
        mote_kernels k;
        REQUIRE(mote_tier_features(name, &features));
        mote_kernels_init(&k, features);
        CHECK(strcmp(k.tier, name) == 0);
    }
    CHECK(!mote_tier_features("", &features));
    CHECK(!mote_tier_features("avx", &features));
    CHECK(!mote_tier_features("ref2", &features));
}
