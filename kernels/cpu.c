/* cpu.c: what this CPU and its operating system allow, and the floating-point environment. */
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>

#include "kernels/cpu_x86.h"

enum { LEAF1_FMA = 1u << 12, LEAF1_OSXSAVE = 1u << 27, LEAF1_AVX = 1u << 28 };
enum { LEAF1_F16C = 1u << 29 };
enum { LEAF7_AVX2 = 1u << 5, LEAF7_AVX512F = 1u << 16, LEAF7_AVX512DQ = 1u << 17 };
enum { LEAF7_AVX512BW = 1u << 30, LEAF7C_AVX512VNNI = 1u << 11, LEAF7_1_AVXVNNI = 1u << 4 };
static const uint32_t leaf7_avx512vl = 1u << 31; /* no int */
enum { XCR0_YMM = 0x06, XCR0_ZMM = 0xe6 };       /* ZMM: YMM, masks, upper halves, 16-31 */

static bool has(uint64_t word, uint64_t bits) { return (word & bits) == bits; }

unsigned mote_decode_cpuid(const mote_cpuid *id)
{
    unsigned features = 0;
    if (has(id->leaf1_ecx, LEAF1_FMA | LEAF1_OSXSAVE | LEAF1_AVX | LEAF1_F16C) &&
        has(id->leaf7_ebx, LEAF7_AVX2) && has(id->xcr0, XCR0_YMM))
        features |= MOTE_CPU_AVX2;
    if (features && has(id->leaf7_1_eax, LEAF7_1_AVXVNNI))
        features |= MOTE_CPU_AVXVNNI;
    if (features && has(id->xcr0, XCR0_ZMM) && has(id->leaf7_ecx, LEAF7C_AVX512VNNI) &&
        has(id->leaf7_ebx, LEAF7_AVX512F | LEAF7_AVX512DQ | LEAF7_AVX512BW | leaf7_avx512vl))
        features |= MOTE_CPU_AVX512VNNI;
    return features;
}

static uint64_t saved_registers(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

unsigned mote_cpu_features(void)
{
    mote_cpuid id = {0};
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d))
        id.leaf1_ecx = c;
    if (has(id.leaf1_ecx, LEAF1_OSXSAVE))
        id.xcr0 = saved_registers();
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        unsigned last = a; /* subleaf there is */
        id.leaf7_ebx = b;
        id.leaf7_ecx = c;
        if (last >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
            id.leaf7_1_eax = a;
    }
#ifdef MOTE_EMULATED_FEATURES /* CONFIG=emulate: these tiers are computed by other instructions */
    return mote_decode_cpuid(&id) | MOTE_EMULATED_FEATURES;
#else
    return mote_decode_cpuid(&id);
#endif
}

unsigned mote_fp_enter(void)
{
    unsigned saved = _mm_getcsr();
    _mm_setcsr(0x1f80); /* round to nearest, no traps, subnormals kept */
    return saved;
}

void mote_fp_leave(unsigned saved) { _mm_setcsr(saved); }

#elif defined(__aarch64__) /* features: arm/cpu_posix.c */

unsigned mote_fp_enter(void)
{
    uint64_t saved;
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
    __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)0));
    return (unsigned)saved;
}

void mote_fp_leave(unsigned saved) { __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)saved)); }

#else

unsigned mote_cpu_features(void) { return 0; }
unsigned mote_fp_enter(void) { return 0; }
void mote_fp_leave(unsigned saved) { (void)saved; }

#endif
