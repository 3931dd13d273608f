/* board_riscv.c: start and services of a RISC-V machine; see board_arm.c. */
#include "tests/firmware/board.h"

static uint32_t begin;

__attribute__((aligned(16), noinline)) int board_semihost(int op, const void *block)
{
    register int a0 __asm__("a0") = op;
    register const void *a1 __asm__("a1") = block;
    __asm__ volatile(".option push\n\t.option norvc\n\t"
                     "slli x0, x0, 31\n\tebreak\n\tsrai x0, x0, 7\n\t"
                     ".option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

static uint32_t count(void)
{
    uint32_t n;
    __asm__ volatile("csrr %0, minstret" : "=r"(n));
    return n;
}

void board_count_begin(void) { begin = count(); }
uint32_t board_count_end(void) { return count() - begin; }

__attribute__((used)) static void fault(void)
{
    board_put("fault\n");
    board_exit(99);
}

__attribute__((used)) static void run(void) { board_exit(main()); }

void start(void);
__attribute__((section(".vectors"), naked, used)) void start(void)
{
    __asm__ volatile("la sp, stack_top\n\t"
                     "la t0, 1f\n\tcsrw mtvec, t0\n\t"
                     "li t0, 0x2000\n\tcsrs mstatus, t0\n\t" /* FS: floating point on */
                     "j run\n\t"
                     ".balign 4\n1:\tj fault");
}
