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

/* Is this a plain file name, which cannot lead out of the folder? */
bool hub_is_base_name(const char *name);

/* hub_pooling.c: the files of sentence-transformers, if there are any. */
mote_status hub_read_pooling(source *s, int dir_fd);

/* Tokenizer tables, texts, end tokens. */
mote_status hub_read_texts(source *s, int dir_fd);

#endif
