/* source.h: every kind of source seen through one interface: tensors by their hub names, a
 * configuration in the hub's words, tokenizer tables, texts. Readers: hub.c (folders), gguf.c,
 * llama2c.c, own.c (.mote files). What becomes of it: graph.h. Read convert.h first.
 *
 * Files are read with pread, never mapped: a file that shrinks meanwhile is an error, not a signal.
 */
#ifndef MOTE_CONVERT_SOURCE_H
#define MOTE_CONVERT_SOURCE_H

#include "loader/format.h"
#include "tools/convert/tok.h"

/* ---- memory: freed all together ------------------------------------------------------------- */

typedef struct pool {
    struct pool_block *blocks;
} pool;

/* Zeroed; NULL and err (MOTE_ERR_MEMORY) when there is none. bytes may be 0. */
void *pool_take(pool *p, size_t n, size_t bytes_each, mote_convert_error *err);
/* A terminated copy. */
char *pool_copy(pool *p, const char *text, size_t bytes, mote_convert_error *err);
void pool_free(pool *p);

/* ---- files ---------------------------------------------------------------------------------- */

typedef struct src_file {
    int fd;
    const char *name; /* base name, for messages */
    uint64_t bytes;
} src_file;

void file_close(src_file *f);
/* Reads exactly [at, at + bytes). */
mote_status file_read(const src_file *f, uint64_t at, void *out, size_t bytes,
                      mote_convert_error *err);
/* Reads a whole small file (at most max_bytes) into the pool, terminated. */
mote_status file_read_all(const src_file *f, size_t max_bytes, pool *p, char **text,
                          mote_convert_error *err);

/* ---- tensors -------------------------------------------------------------------------------- */

enum src_type {
    SRC_F32,
    SRC_F16,
    SRC_BF16,
    SRC_Q8_0, /* from here on blocks of 32; these three are kept code for code */
    SRC_Q4_0,
    SRC_Q4_1,
    SRC_Q5_0, /* these are read and encoded anew */
    SRC_Q5_1,
    SRC_IQ4_NL,
    SRC_Q2_K, /* from here on blocks of 256 */
    SRC_Q3_K,
    SRC_Q4_K,
    SRC_Q5_K,
    SRC_Q6_K,
    SRC_IQ4_XS,
    SRC_TYPES
};
#define SRC_UNSUPPORTED SRC_TYPES /* known, with a name, but nothing a weight can be read from */

#define SRC_BLOCK 32u /* weights of a GGUF block that is kept */
/* Bytes of a block of the quantised types, of one value of the others. */
static inline size_t src_unit_bytes(enum src_type type)
{
    static const uint8_t bytes[SRC_TYPES] = {4,  2,  2,   34,  18,  20,  22, 24,
                                             18, 84, 110, 144, 176, 210, 136};
    return bytes[type];
}
/* Weights of a block, 1 for the other types. */
static inline size_t src_block(enum src_type type)
{
    return type < SRC_Q8_0 ? 1 : type < SRC_Q2_K ? 32 : 256;
}
static inline bool src_is_kept(enum src_type type) { return type < SRC_Q5_0; }

#define SRC_MAX_RANK 8
#define SRC_MAX_TENSORS (1u << 18)
#define SRC_MAX_FILES 512

typedef struct src_tensor {
    const char *name;  /* as the hub calls it: "model.layers.0.mlp.up_proj.weight" */
    const char *label; /* as the source calls it, for messages */
    const char *type_name;
    enum src_type type;
    uint32_t file, rank;
    uint64_t shape[SRC_MAX_RANK]; /* slowest first */
    uint64_t offset, bytes;       /* in the file */
    bool used;
} src_tensor;

/* ---- the source ----------------------------------------------------------------------------- */

typedef struct source {
    const mote_convert_opts *opts;
    mote_convert_error *err;
    pool pool;
    uint64_t output_dev, output_ino; /* of opts->output; 0: it does not exist */

    src_file *files;
    size_t n_files;
    src_tensor *tensors; /* sorted by name once opened */
    size_t n_tensors, cap_tensors;
    bool unread; /* a draft of a folder: its weights are not looked at, every tensor is there */
    bool keeps_types; /* what MOTE_CONVERT_AUTO means here: a GGUF file */
    bool is_gguf; /* llama.cpp's conversion came before: 1 added to gemma's norms, no transposes */
    const mote_index *index; /* a .mote file's, in the pool: its graph, and weights in tiles */
    bool paired_rows; /* rows of q and k come as pairs (2i, 2i+1) of a head, not (i, i + d/2) */

    /* Of sentence-transformers, where a folder has them: modules.json, config.json of the pooling
     * module, sentence_bert_config.json, config_sentence_transformers.json. */
    cJSON *modules, *pooling, *sentence, *transformers;
    const char *pooling_file;  /* name of the second in messages */
    uint64_t model_max_length; /* of tokenizer_config.json; 0: none */

    cJSON *config;           /* NULL: tokenizer_only without one */
    const char *config_file; /* its name in messages */
    tok_tables tok;

    mote_text texts[MOTE_STR_COUNT]; /* by MOTE_STR_*; valid UTF-8, in the pool */
    uint32_t end_ids[MOTE_MAX_END_IDS];
    size_t n_end_ids;
    int64_t bos_id; /* -1: none */
} source;

/* Opens whatever opts->source is. source_close() is due after failure too. */
mote_status source_open(source *s, const mote_convert_opts *opts, mote_convert_error *err);
void source_close(source *s);

/* Tensor by its hub name, NULL: there is none. */
src_tensor *source_find(const source *s, const char *name);
/* A remark to the user: file first, as in failures. */
void source_note(const source *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For the readers.
 *
 * Opens a regular file (a link to one too) of the folder dir_fd (AT_FDCWD: by path). *missing (may
 * be NULL: then it is an error) tells that there is no such file; the status is then MOTE_OK.
 * Refuses the file that is to be the output. */
mote_status source_open_file(source *s, src_file *f, int dir_fd, const char *path, const char *name,
                             bool *missing);
mote_status source_set_text(source *s, int which, const char *text, size_t bytes);
mote_status source_add_end_id(source *s, const char *file, uint64_t id);
/* Adds the end-of-turn tokens that the chat template writes and the vocabulary has. */
mote_status source_add_turn_ends(source *s);
/* Room for n more tensors; the new ones are the last n. NULL and err on failure. */
src_tensor *source_add_tensors(source *s, size_t n);
src_file *source_add_file(source *s);

/* config.c: refuses a model_type that no family has, before anything large is read. */
mote_status source_check_family(source *s);

mote_status hub_open(source *s, int dir_fd);
/* A configuration alone, files[0] or the one of the options; for a draft. */
mote_status hub_open_config(source *s);
mote_status gguf_open(source *s); /* of files[0] */
mote_status llama2c_open(source *s);
mote_status own_open(source *s); /* of files[0], a .mote file */

/* safetensors.c: adds the tensors of file number `file`. */
mote_status safetensors_open(source *s, uint32_t file);

#endif
