/* digits.h: floats as text, as printf's "%.9g" writes them: nine digits, which give the float back.
 * Included by cmd_embed.c, which writes hundreds of them for each text. */
#ifndef MOTE_CLI_DIGITS_H
#define MOTE_CLI_DIGITS_H

#include <stddef.h>

#define CLI_FLOAT_CHARS 24

/* Writes x without a zero byte; returns how many characters. */
size_t cli_float_digits(char text[CLI_FLOAT_CHARS], float x);

#endif
