/* cpu.c: what this CPU and its operating system allow, and the floating-point environment. */
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <xmmintrin.h>

/* Which register sets the OS saves on a task switch (XCR0): a CPU feature is of no use without. */
static uint64_t saved_registers(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

unsigned mote_cpu_features(void)
{
    enum { FMA = 1u << 12, OSXSAVE = 1u << 27, AVX = 1u << 28, F16C = 1u << 29 };
    enum { AVX2 = 1u << 5 };
    enum { XMM_YMM = 6 };
    const unsigned want = FMA | OSXSAVE | AVX | F16C;
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & want) != want)
        return 0;
    if ((saved_registers() & XMM_YMM) != XMM_YMM)
        return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & AVX2))
        return 0;
    return MOTE_CPU_AVX2;
}

unsigned mote_fp_enter(void)
{
    unsigned saved = _mm_getcsr();
    _mm_setcsr(0x1f80); /* round to nearest, no traps, subnormals kept */
    return saved;
}

void mote_fp_leave(unsigned saved) { _mm_setcsr(saved); }

#elif defined(__aarch64__)

unsigned mote_cpu_features(void) { return 0; }

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
