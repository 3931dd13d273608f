/* image.h: the loader from inside: what model/ and the tests use beyond include/mote.h. */
#ifndef MOTE_IMAGE_H
#define MOTE_IMAGE_H

#include "include/mote.h"
#include "loader/format.h"

/* Name of an enum mote_type, NULL: unknown. */
const char *mote_type_name(uint32_t type);

/* Are these bytes the canonical JSON of the index, followed by blanks only? */
bool mote_index_json_matches(const mote_index *index, const char *json, size_t bytes);

/* Is this the empty header of a baked file? */
bool mote_json_is_dropped(const char *json, size_t bytes);

/* Valid UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF)? */
bool mote_utf8_valid(const char *text, size_t bytes);

#endif
