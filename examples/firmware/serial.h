/* serial.h: what the example needs of a board. */
#ifndef SERIAL_H
#define SERIAL_H

#include <stddef.h>

/* Waits for a line and puts it into `line`, cut to cap bytes, without its end; returns its bytes. */
size_t serial_read_line(char *line, size_t cap);
void serial_write(const char *text, size_t bytes);

#endif
