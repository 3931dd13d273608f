/* cpu_posix.c: what this CPU allows, on AArch64: only the operating system can tell. NEON is part
 * of every AArch64. The twin for x86 is in kernels/cpu.c.
 */
#include "kernels/kernels.h"

#ifdef __linux__
#include <sys/auxv.h>
#endif

unsigned mote_cpu_features(void)
{
    unsigned features = MOTE_CPU_NEON;
#if defined(__ARM_FEATURE_DOTPROD) /* the whole build asks for it, as on every Mac */
    features |= MOTE_CPU_DOTPROD;
#elif defined(__linux__)
    enum { ASIMDDP = 1ul << 20 };
    if (getauxval(AT_HWCAP) & ASIMDDP)
        features |= MOTE_CPU_DOTPROD;
#endif
    return features;
}
