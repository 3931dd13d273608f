/* board_arm.c: start and services of a Cortex-M. Every fault ends the run with code 99; unaligned
 * accesses are faults. TICKS_A / TICKS_B: instructions in a tick of SysTick (run.py knows). */
#include "tests/firmware/board.h"

static volatile uint32_t *const scb = (volatile uint32_t *)0xe000ed00; /* CPUID ... */
static volatile uint32_t *const systick =
    (volatile uint32_t *)0xe000e010; /* control, reload, value */

int board_semihost(int op, const void *block)
{
    register int r0 __asm__("r0") = op;
    register const void *r1 __asm__("r1") = block;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void board_count_begin(void)
{
    systick[1] = 0xffffff;
    systick[2] = 0;
    systick[0] = 5;
}

uint32_t board_count_end(void)
{
    uint32_t ticks = 0xffffff - systick[2];
    systick[0] = 0;
    return (uint32_t)((uint64_t)ticks * TICKS_A / TICKS_B);
}

static void fault(void)
{
    board_put("fault\n");
    board_exit(99);
}

void reset(void);
void reset(void)
{
    scb[5] |= 8;               /* CCR.UNALIGN_TRP */
    scb[0x88 / 4] |= 15 << 20; /* CPACR: floating point and MVE */
    __asm__ volatile("dsb\n\tisb");
    board_exit(main());
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)stack_top, (uintptr_t)reset, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,     (uintptr_t)fault, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,     (uintptr_t)fault, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,     (uintptr_t)fault, (uintptr_t)fault, (uintptr_t)fault};
