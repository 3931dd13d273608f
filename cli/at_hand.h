/* at_hand.h: models on this disk, by name: the models folder, and what other tools have downloaded,
 * which is read where it lies. Read docs/machine.md. */
#ifndef MOTE_AT_HAND_H
#define MOTE_AT_HAND_H

#include "cli/cli.h"

#define CLI_PATH 1024

/* Whose a folder is. */
typedef enum cli_store {
    CLI_STORE_MODELS, /* $MOTE_MODELS, $XDG_DATA_HOME/mote, ~/.local/share/mote: .mote and .gguf */
    CLI_STORE_HUB,    /* Hugging Face: $HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub */
    CLI_STORE_OLLAMA, /* $OLLAMA_MODELS, ~/.ollama/models */
    CLI_STORE_LLAMA,  /* llama.cpp: $LLAMA_CACHE, ~/.cache/llama.cpp: .gguf */
    CLI_STORES
} cli_store;

extern const char *const cli_store_names[CLI_STORES]; /* "models", "hub", "ollama", "llama.cpp" */

typedef struct cli_place {
    cli_store store;
    char name[200];      /* by which it is found */
    char path[CLI_PATH]; /* a file, or a folder of the hub */
    uint64_t bytes;      /* of the file, or of the folder's weights */
} cli_place;

typedef struct cli_places {
    cli_place *at;
    size_t n, cap;
} cli_places;

/* All that lies in these folders, by store and name; an exit code. */
int cli_places_open(cli_places *p);
void cli_places_close(cli_places *p);

bool cli_ends_with(const char *name, const char *end);

/* What a name stands for: a path at hand (written to `path`), or cli_builtin_name; the name itself
 * if it is a path already, or nothing is so called. */
const char *cli_find_model(const char *name, char path[CLI_PATH]);

/* Opens a model to look at, with its tokenizer if it has one, without a word if that fails;
 * cli_engine_close. */
bool cli_peek(cli_engine *e, const cli_opts *o, const char *path);

/* --fallback: if the model does not fit into memory, o->model becomes the largest one at hand that
 * does, of the same model if there is one, and a line says so. An exit code. (fallback.c) */
int cli_fall_back(cli_opts *o, char path[CLI_PATH]);

#endif
