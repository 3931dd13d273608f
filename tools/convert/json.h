/* json.h: JSON from strangers, for the converter. A guard scan stands in front of cJSON, which cuts
 * strings at U+0000, takes broken UTF-8, `01`, duplicate keys and any depth up to its own limit. */
#ifndef MOTE_CONVERT_JSON_H
#define MOTE_CONVERT_JSON_H

#include <cjson/cJSON.h>

#include "tools/convert/convert.h"

/* Fills err: status and "printf-style text"; control bytes become \xNN. Returns status. */
mote_status convert_fail(mote_convert_error *err, mote_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Parses a whole JSON text after the guard scan: valid UTF-8, depth <= 64, RFC 8259 numbers of at
 * most 32 characters, strict strings, nothing but blanks around one value. NULL and err on failure
 * (status MOTE_ERR_FILE). `file` names the text in messages. Free with cJSON_Delete.
 * U+0000 inside strings is kept as the two bytes C0 80, which valid UTF-8 cannot hold. */
cJSON *json_parse(const char *file, const char *text, size_t bytes, mote_convert_error *err);

/* The same for a text whose numbers are all counts: plain digits, no sign, point or exponent. */
cJSON *json_parse_counts(const char *file, const char *text, size_t bytes, mote_convert_error *err);

/* Bytes of a cJSON string with C0 80 turned back into 00: writes at most strlen(s) bytes to out
 * (which may be s itself) and returns their number. */
size_t json_unescape_nul(char *out, const char *s);

/* Member lookup, case-sensitive. NULL: absent, or `object` is no object. */
const cJSON *json_get(const cJSON *object, const char *key);

/* Checks that no object in the tree has a key twice, but for the object at `skip` (a vocabulary,
 * which its reader checks by hashing). On false *key is that key; NULL: no memory to look with. */
bool json_keys_unique(const cJSON *root, const cJSON *skip, const char **key);

/* A number that is a whole one in [min, max] (2^53 at most); integral floats such as 32.0 count. */
bool json_integer(const cJSON *item, uint64_t min, uint64_t max, uint64_t *out);

#endif
