/* board.h: what the test program needs of a machine: text out, an end, a count of instructions.
 * board_arm.c and board_riscv.c make it of semihosting (the emulator's services) and a timer. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

int board_semihost(int op, const void *block);

static inline void board_put(const char *text) { board_semihost(0x04, text); }

static inline _Noreturn void board_exit(int code)
{
    const uint32_t block[2] = {0x20026, (uint32_t)code};
    board_semihost(0x20, block);
    for (;;)
        continue;
}

/* Ends the program where it is not as expected. */
static inline void board_expect(bool ok, const char *what)
{
    if (ok)
        return;
    board_put("FAIL ");
    board_put(what);
    board_put("\n");
    board_exit(1);
}

/* Instructions between the two calls, by an emulator that takes a fixed time for each. */
void board_count_begin(void);
uint32_t board_count_end(void);

/* The linker's: what the stack may use. */
extern uint32_t stack_bottom[], stack_top[];
/* The baked model. */
extern const uint8_t model_begin[], model_end[];

int main(void);

#endif
