/* json.h: a strict reader of JSON (RFC 8259) for JSON lines. The result is a tree of mote_value in
 * memory that the caller gives. Read include/mote.h first: mote_value is its tree for chat
 * templates.
 */
#ifndef MOTE_CLI_JSON_H
#define MOTE_CLI_JSON_H

#include "include/mote.h"

/* Reads one JSON value that fills the text but for blanks around it.
 *
 * Refused, with MOTE_ERR_FILE and the place in err->name ("JSON, byte 17"): whatever RFC 8259 does
 * not allow, text that is no valid UTF-8, \u escapes of half a surrogate pair (there is no text
 * they could stand for), an object with a key twice, more than 64 containers in each other, numbers
 * beyond a double. Whole numbers without point and exponent that fit int64_t are INT, all others
 * FLOAT. \u0000 is text: strings have lengths.
 *
 * The tree lives in memory (no alignment needed) and in text: strings without escapes point there,
 * so both must stay. All strings are untrusted, keys
 * too. MOTE_ERR_MEMORY: the memory is too small; 64 bytes,
 * and 64 for each byte of text, are enough for any text. */
mote_status cli_json_parse(mote_value *value, const char *text, size_t bytes, void *memory,
                           size_t memory_bytes, mote_error *err);

#endif
