/* gguf.h: what gguf.c (the container) and gguf_source.c (its meaning) share. Internal to them.
 *
 *   "GGUF" | u32 version | u64 n_tensors | u64 n_values | values | tensor infos | padding | data
 */
#ifndef MOTE_CONVERT_GGUF_H
#define MOTE_CONVERT_GGUF_H

#include "tools/convert/source.h"

enum gguf_type {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPES
};

/* A value of the header. Numbers of every type are in `number`, exact up to 2^53. Arrays are kept
 * for the tokenizer and for widths of layers only (`data` NULL: skipped): n mote_text, or what
 * the item type says. */
typedef struct gguf_value {
    const char *key;
    enum gguf_type type, item;
    double number;
    mote_text text;
    uint64_t n;
    void *data;
} gguf_value;

typedef struct gguf {
    source *s;
    const src_file *f;
    gguf_value *values;
    size_t n_values;
    src_tensor *tensors; /* names as in the file; shapes slowest first */
    size_t n_tensors;
} gguf;

/* ---- architectures (gguf_arch.c); tables end with a NULL name ------------------------------- */

typedef struct gguf_number { /* the value ARCH.name is `key` of the configuration */
    const char *name, *key;
    bool is_real;
} gguf_number;

typedef struct gguf_name { /* a part of a tensor's name, and what the hub calls it */
    const char *gguf, *hub;
} gguf_name;

typedef struct gguf_arch {
    const char *name, *model_type;
    const char *prefix;         /* of the hub's names, before the number of a layer */
    const gguf_number *numbers; /* beyond the common ones, or all with own_words; may be NULL */
    const gguf_name *layers;    /* looked up before the common ones; may be NULL */
    const gguf_name *files;
    bool own_words;           /* no common numbers and names */
    bool paired;              /* rows of q and k come as pairs (2i, 2i + 1) */
    bool encoder;             /* sees both ways, is pooled */
    bool partial;             /* rope.dimension_count may be less than a head */
    bool attn_bias, mlp_bias; /* attention_bias, mlp_bias are told by the tensors there are */
    mote_status (*configure)(const gguf *g); /* the rest; may be NULL */
} gguf_arch;

/* NULL: not known. */
const gguf_arch *gguf_arch_find(const char *name);
/* The value "ARCH.name"; NULL: there is none. */
const gguf_value *gguf_find_arch(const gguf *g, const char *name);

/* Reads and checks the whole header. */
mote_status gguf_read(gguf *g, source *s);
/* NULL: there is none. */
const gguf_value *gguf_find(const gguf *g, const char *key);
/* The value "ARCH.name". */
const gguf_value *gguf_find_arch(const gguf *g, const char *name);

/* gguf_experts.c: the hub's model_type, where an architecture has several. */
const char *gguf_model_type(const gguf *g, const gguf_arch *arch);
bool gguf_has_experts(const char *model_type);
/* Adds the options of experts and latents to the configuration. */
mote_status gguf_put_experts(const gguf *g, const char *model_type);
/* The hub's name of a part of a layer that only these families have, NULL: none of them. */
const char *gguf_expert_part(const char *model_type, const char *part);

#endif
