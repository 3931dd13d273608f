/* hub.h: what hub.c (files of a folder, weights) and hub_text.c (tokenizer, template, end tokens,
 * licence) share. Internal to them. */
#ifndef MOTE_CONVERT_HUB_H
#define MOTE_CONVERT_HUB_H

#include "tools/convert/source.h"

#define HUB_MAX_JSON (16u << 20)

/* Opens a file of the folder and parses it; *out stays NULL when there is none. unique: no object
 * has a key twice. Free with cJSON_Delete. */
mote_status hub_read_json(source *s, int dir_fd, const char *name, size_t max_bytes, bool unique,
                          cJSON **out);
/* Reads at most max_bytes of a file into the pool, terminated; NULL in *text when there is none. */
mote_status hub_read_text(source *s, int dir_fd, const char *name, size_t max_bytes, char **text,
                          size_t *bytes);

/* Tokenizer tables, texts, end tokens. */
mote_status hub_read_texts(source *s, int dir_fd);

#endif
