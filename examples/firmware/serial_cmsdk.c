/* serial_cmsdk.c: the serial port of Arm's MPS2 boards (and of the emulator's mps2-an386), and a
 * start for the example without any other file: replace it by your board's. */
#include <stdint.h>

#include "serial.h"

static volatile uint32_t *const uart = (volatile uint32_t *)0x40004000; /* data, state, control ... */

size_t serial_read_line(char *line, size_t cap)
{
    size_t n = 0;
    for (;;) {
        while (!(uart[1] & 2))
            continue;
        char c = (char)uart[0];
        if (c == '\n' || c == '\r')
            return n;
        if (n < cap)
            line[n++] = c;
    }
}

void serial_write(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        while (uart[1] & 1)
            continue;
        uart[0] = (uint8_t)text[i];
    }
}

extern uint32_t stack_top[];
int main(void);
void reset(void);

void reset(void)
{
    *(volatile uint32_t *)0xe000ed88 |= 15u << 20; /* CPACR: floating point */
    __asm__ volatile("dsb\n\tisb");
    uart[4] = 16; /* baud rate divider */
    uart[2] = 3;  /* send and receive */
    main();
    for (;;)
        continue;
}

static void fault(void)
{
    for (;;)
        continue;
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)stack_top, (uintptr_t)reset, (uintptr_t)fault, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,     (uintptr_t)fault};
