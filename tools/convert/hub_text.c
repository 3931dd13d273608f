/* hub_text.c: the texts of a model folder: tokenizer, chat template, texts of the special tokens,
 * end tokens, licence. Read source.h and hub.h first. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/image.h"
#include "tools/convert/hub.h"

#define MAX_TOKENIZER (256u << 20)
#define MAX_MODEL (64u << 20) /* of tokenizer.model */
#define MAX_TEMPLATE (1u << 20)
#define MAX_CARD (64u << 10) /* of README.md */

typedef struct hub_files {
    cJSON *tokenizer, *tokenizer_config, *special_tokens, *generation;
    char *model; /* where tokenizer.json is missing: tokenizer.model or a tiktoken file */
    size_t model_bytes;
    const char *model_file; /* its name */
} hub_files;

static mote_status set_json_text(source *s, int which, const char *text)
{
    char *copy = pool_copy(&s->pool, text, strlen(text), s->err);
    return copy ? source_set_text(s, which, copy, json_unescape_nul(copy, copy)) : s->err->status;
}

/* ---- special tokens ------------------------------------------------------------------------- */

/* A special token is its text or {"content": text}; NULL: there is none. */
static const char *token_text(const cJSON *item)
{
    const cJSON *text = cJSON_IsObject(item) ? json_get(item, "content") : item;
    return cJSON_IsString(text) ? text->valuestring : NULL;
}

static mote_status set_special_texts(source *s, const hub_files *f)
{
    static const struct {
        const char *key;
        int which;
    } specials[] = {{"bos_token", MOTE_STR_BOS},
                    {"eos_token", MOTE_STR_EOS},
                    {"unk_token", MOTE_STR_UNK},
                    {"pad_token", MOTE_STR_PAD}};
    mote_status status = MOTE_OK;
    for (size_t i = 0; i < 4 && !status; i++) {
        const cJSON *item = json_get(f->tokenizer_config, specials[i].key);
        const char *text = token_text(item ? item : json_get(f->special_tokens, specials[i].key));
        if (text)
            status = set_json_text(s, specials[i].which, text);
    }
    return status;
}

/* ---- end tokens ----------------------------------------------------------------------------- */

/* eos_token_id: a number, a list of numbers, or null. */
static mote_status add_end_ids(source *s, const char *file, const cJSON *item)
{
    mote_status status = MOTE_OK;
    uint64_t id = 0;
    if (!item || cJSON_IsNull(item))
        return MOTE_OK;
    const cJSON *first = cJSON_IsArray(item) ? item->child : item;
    if (!first)
        status = convert_fail(s->err, MOTE_ERR_FILE, "%s: eos_token_id is an empty list", file);
    for (const cJSON *c = first; c && !status; c = cJSON_IsArray(item) ? c->next : NULL)
        status = json_integer(c, 0, UINT32_MAX, &id)
                     ? source_add_end_id(s, file, id)
                     : convert_fail(s->err, MOTE_ERR_FILE, "%s: eos_token_id is no token", file);
    return status;
}

static mote_status find_ends(source *s, const hub_files *f)
{
    mote_text eos = s->texts[MOTE_STR_EOS], bos = s->texts[MOTE_STR_BOS];
    uint64_t id = 0;
    mote_status status =
        add_end_ids(s, "generation_config.json", json_get(f->generation, "eos_token_id"));
    if (!status)
        status = add_end_ids(s, "config.json", json_get(s->config, "eos_token_id"));
    int32_t found = eos.bytes ? tok_find(&s->tok, eos) : -1;
    if (!status && found >= 0)
        status = source_add_end_id(s, "tokenizer_config.json", (uint32_t)found);
    if (!status)
        status = source_add_turn_ends(s);
    if (json_integer(json_get(s->config, "bos_token_id"), 0, MOTE_MAX_DIM - 1, &id))
        s->bos_id = (int64_t)id;
    else if (bos.bytes)
        s->bos_id = tok_find(&s->tok, bos);
    return status;
}

/* ---- chat template -------------------------------------------------------------------------- */

/* The value of chat_template: a text, or a list of named ones of which "default" counts. */
static const char *template_text(const cJSON *item)
{
    if (cJSON_IsString(item))
        return item->valuestring;
    for (const cJSON *c = cJSON_IsArray(item) ? item->child : NULL; c; c = c->next) {
        const cJSON *name = json_get(c, "name"), *text = json_get(c, "template");
        if (cJSON_IsString(name) && cJSON_IsString(text) &&
            strcmp(name->valuestring, "default") == 0)
            return text->valuestring;
    }
    return NULL;
}

static mote_status set_template(source *s, const char *file, const char *text, size_t bytes)
{
    if (bytes > MAX_TEMPLATE)
        return convert_fail(s->err, MOTE_ERR_FILE,
                            "%s: the chat template has %zu bytes (at most %u)", file, bytes,
                            MAX_TEMPLATE);
    if (!mote_utf8_valid(text, bytes))
        return convert_fail(s->err, MOTE_ERR_FILE, "%s: the chat template is not valid UTF-8",
                            file);
    return source_set_text(s, MOTE_STR_CHAT_TEMPLATE, text, bytes);
}

static mote_status read_template(source *s, int dir_fd, const hub_files *f)
{
    const char *file = "tokenizer_config.json";
    const cJSON *item = json_get(f->tokenizer_config, "chat_template");
    const char *text = template_text(item);
    char *own = NULL;
    size_t bytes = 0;
    mote_status status =
        hub_read_text(s, dir_fd, "chat_template.jinja", MAX_TEMPLATE + 1, &own, &bytes);
    if (status || own)
        return status ? status : set_template(s, "chat_template.jinja", own, bytes);
    if (item && !text && !cJSON_IsNull(item) && !cJSON_IsArray(item))
        return convert_fail(s->err, MOTE_ERR_FILE, "%s: chat_template is neither a text nor a list",
                            file);
    if (cJSON_IsArray(item) && !text)
        source_note(s, "%s: no chat template is called 'default'; none is taken", file);
    if (!text)
        return MOTE_OK;
    own = pool_copy(&s->pool, text, strlen(text), s->err);
    return own ? set_template(s, file, own, json_unescape_nul(own, own)) : s->err->status;
}

/* ---- licence -------------------------------------------------------------------------------- */

/* The line "license: NAME" between the two "---" lines that open a model card. */
static mote_status read_licence(source *s, int dir_fd)
{
    char *card = NULL;
    size_t bytes = 0;
    mote_status status = hub_read_text(s, dir_fd, "README.md", MAX_CARD, &card, &bytes);
    if (status || !card || strncmp(card, "---", 3) != 0)
        return status;
    for (char *line = strchr(card, '\n'); line; line = strchr(line, '\n')) {
        size_t n = strcspn(++line, "\r\n");
        if (n >= 3 && strncmp(line, "---", 3) == 0)
            break;
        if (n < 9 || strncmp(line, "license:", 8) != 0)
            continue;
        for (line += 8, n -= 8; n && strchr(" '\"", *line); n--)
            line++;
        while (n && strchr(" '\"", line[n - 1]))
            n--;
        return source_set_text(s, MOTE_STR_LICENCE, line, n);
    }
    return MOTE_OK;
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* The name of the one *.tiktoken file of the folder, in the pool; NULL: there is none. */
static mote_status find_tiktoken(source *s, int dir_fd, const char **name)
{
    static const char ending[] = ".tiktoken";
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    mote_status status = MOTE_OK;
    *name = NULL;
    if (!dir && fd >= 0)
        close(fd);
    for (const struct dirent *e; dir && !status && (e = readdir(dir)) != NULL;) {
        size_t n = strlen(e->d_name);
        if (n < sizeof ending || strcmp(e->d_name + n + 1 - sizeof ending, ending) != 0 ||
            !hub_is_base_name(e->d_name))
            continue;
        if (*name)
            status = convert_fail(s->err, MOTE_ERR_UNSUPPORTED, "%s and %s: two tiktoken files",
                                  *name, e->d_name);
        else if (!(*name = pool_copy(&s->pool, e->d_name, n, s->err)))
            status = s->err->status;
    }
    if (dir)
        closedir(dir);
    return status;
}

/* tokenizer.model may be SentencePiece's or a tiktoken file (Llama 3). */
static mote_status read_model(source *s, int dir_fd, hub_files *f)
{
    mote_status status = MOTE_OK;
    f->model_file = "tokenizer.model";
    if (faccessat(dir_fd, f->model_file, F_OK, 0) != 0)
        status = find_tiktoken(s, dir_fd, &f->model_file);
    if (status || !f->model_file)
        return status;
    status = hub_read_text(s, dir_fd, f->model_file, MAX_MODEL + 1, &f->model, &f->model_bytes);
    if (!status && f->model_bytes > MAX_MODEL)
        status =
            convert_fail(s->err, MOTE_ERR_FILE, "%s: more than %u bytes", f->model_file, MAX_MODEL);
    return status;
}

static mote_status make_tables(source *s, const hub_files *f)
{
    const cJSON *config = f->tokenizer_config;
    if (!f->model)
        return tok_from_json(&s->tok, "tokenizer.json", f->tokenizer, config, s->err);
    if (strcmp(f->model_file, "tokenizer.model") != 0 || tok_is_tiktoken(f->model, f->model_bytes))
        return tok_from_tiktoken(&s->tok, f->model_file, f->model, f->model_bytes, config, s->err);
    return tok_from_spm(&s->tok, f->model_file, f->model, f->model_bytes, config, s->err);
}

static mote_status read_files(source *s, int dir_fd, hub_files *f)
{
    mote_status status =
        hub_read_json(s, dir_fd, "tokenizer_config.json", HUB_MAX_JSON, true, &f->tokenizer_config);
    if (!status)
        status = hub_read_json(s, dir_fd, "special_tokens_map.json", HUB_MAX_JSON, true,
                               &f->special_tokens);
    if (!status)
        status =
            hub_read_json(s, dir_fd, "generation_config.json", HUB_MAX_JSON, true, &f->generation);
    if (!status)
        status = hub_read_json(s, dir_fd, "tokenizer.json", MAX_TOKENIZER, false, &f->tokenizer);
    if (!status && !f->tokenizer)
        status = read_model(s, dir_fd, f);
    if (!status && !f->tokenizer && !f->model && !s->unread)
        status = convert_fail(s->err, MOTE_ERR_FILE, "tokenizer.json is missing");
    return status;
}

mote_status hub_read_texts(source *s, int dir_fd)
{
    hub_files f = {0};
    mote_status status = read_files(s, dir_fd, &f);
    if (!status && (f.tokenizer || f.model))
        status = make_tables(s, &f);
    cJSON_Delete(f.tokenizer);
    if (!status)
        status = set_special_texts(s, &f);
    if (!status)
        status = read_template(s, dir_fd, &f);
    if (!status)
        status = find_ends(s, &f);
    if (!status)
        status = read_licence(s, dir_fd);
    cJSON_Delete(f.tokenizer_config);
    cJSON_Delete(f.special_tokens);
    cJSON_Delete(f.generation);
    return status;
}
