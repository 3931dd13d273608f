/* cpu_x86.h: what the x86 part of cpu.c decides from, apart so that a test can play other CPUs. */
#ifndef MOTE_CPU_X86_H
#define MOTE_CPU_X86_H

#include <stdint.h>

/* The words of CPUID and XCR0 that matter, 0 where the CPU has no such leaf or register. */
typedef struct mote_cpuid {
    uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx;
    uint32_t leaf7_1_eax; /* leaf 7, subleaf 1 */
    uint64_t xcr0;        /* which registers the OS saves; read only if leaf 1 says OSXSAVE */
} mote_cpuid;

/* MOTE_CPU_... bits. A feature counts only if the OS saves its registers on a task switch. */
unsigned mote_decode_cpuid(const mote_cpuid *id);

#endif
