/* texts.c: reading texts, turning them into ids, chat templates. All memory here is malloc'ed
 * before anything is generated.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

#define MAX_TEXT ((size_t)1 << 30)
#define MAX_TEMPLATE_MEMORY ((size_t)128 << 20)

/* ---- reading -------------------------------------------------------------------------------- */

/* Everything from fd; name is for messages. */
static int read_all(cli_text *out, int fd, const char *name)
{
    size_t cap = 0;
    for (;;) {
        if (out->bytes + 1 >= cap) {
            cap = cap ? cap * 2 : 1 << 16;
            char *more = cap > 2 * MAX_TEXT ? NULL : realloc(out->ptr, cap);
            if (!more)
                return cli_error(MOTE_ERR_MEMORY, name, "the text is too long");
            out->ptr = more;
        }
        ssize_t n = cli_read(fd, out->ptr + out->bytes, cap - out->bytes - 1);
        if (n < 0 && errno == EINTR) {
            if (cli_interrupted())
                return cli_interrupted();
            continue;
        }
        if (n < 0)
            return cli_error(MOTE_ERR_IO, name, "%s", strerror(errno));
        if (!n)
            break;
        out->bytes += (size_t)n;
    }
    out->ptr[out->bytes] = 0;
    return 0;
}

const char *cli_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

size_t cli_read_small(const char *path, char *text, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, text, cap - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0 ? (size_t)n : 0;
}

bool cli_own_path(char *path, size_t cap, const char *variable, const char *below, const char *name)
{
    const char *folder = getenv(variable), *home = getenv("HOME");
    int n = folder && *folder == '/' ? snprintf(path, cap, "%s/mote/%s", folder, name)
            : home && *home == '/'   ? snprintf(path, cap, "%s/%s/mote/%s", home, below, name)
                                     : -1;
    return n > 0 && (size_t)n < cap;
}

int cli_read_text(cli_text *out, const char *path)
{
    struct stat st;
    *out = (cli_text){0};
    if (!path)
        return read_all(out, STDIN_FILENO, "stdin");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return cli_error(MOTE_ERR_IO, path, "%s", strerror(errno));
    int code = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)
                   ? cli_error(MOTE_ERR_IO, path, "is a folder")
                   : read_all(out, fd, path);
    close(fd);
    return code;
}

int cli_prompt_text(cli_text *out, const cli_opts *o)
{
    *out = (cli_text){0};
    if (o->prompt && o->file)
        return cli_error(EXIT_USAGE, "-f", "-p gives a text already");
    if (o->form && (o->prompt || o->file))
        return cli_error(EXIT_USAGE, "--template", "-p or -f gives a text already");
    if (o->n_sets && !o->form)
        return cli_error(EXIT_USAGE, "--set", "there is no --template to fill");
    if (o->form)
        return cli_fill_template(out, o);
    if (!o->prompt) {
        if (!o->file && isatty(STDIN_FILENO))
            return cli_error(EXIT_USAGE, NULL, "no text given: -p TEXT, -f FILE, or from a pipe");
        return cli_read_text(out, o->file);
    }
    out->bytes = strlen(o->prompt);
    out->ptr = strdup(o->prompt);
    return out->ptr ? 0 : cli_no_memory();
}

/* ---- ids ------------------------------------------------------------------------------------ */

mote_status cli_encode(const cli_engine *e, const char *text, size_t bytes, unsigned flags,
                       const mote_span *plain, size_t n_plain, cli_ids *out, mote_error *err)
{
    const mote_tokenizer *t = e->tokenizer;
    size_t cap = mote_encode_max_ids(t, bytes), scratch_bytes = mote_encode_scratch_bytes(t, bytes);
    void *scratch = malloc(scratch_bytes ? scratch_bytes : 1);
    *out = (cli_ids){.ids = malloc((cap ? cap : 1) * sizeof(int32_t))};
    mote_status s = MOTE_ERR_MEMORY;
    if (scratch && out->ids)
        s = mote_encode(t, text, bytes, flags, plain, n_plain, out->ids, cap, &out->n, scratch,
                        scratch_bytes, err);
    else
        *err = (mote_error){.status = s, .what = "out of memory"};
    free(scratch);
    if (s) {
        free(out->ids);
        *out = (cli_ids){0};
    }
    return s;
}

bool cli_read_ids(cli_ids *out, const char *text, size_t bytes)
{
    static const char between[] = " \t\r\n,[]";
    *out = (cli_ids){.ids = malloc((bytes / 2 + 1) * sizeof(int32_t))};
    for (size_t i = 0, n; out->ids && i < bytes; i += n) {
        int64_t id;
        n = 1;
        if (memchr(between, text[i], sizeof between - 1))
            continue;
        while (i + n < bytes && !memchr(between, text[i + n], sizeof between - 1))
            n++;
        if (!cli_whole_number(text + i, n, 0, INT32_MAX, &id)) {
            free(out->ids);
            *out = (cli_ids){0};
            return false;
        }
        out->ids[out->n++] = (int32_t)id;
    }
    return out->ids != NULL;
}

/* ---- chat templates ------------------------------------------------------------------------- */

mote_value cli_string_value(mote_text text, bool untrusted)
{
    return (mote_value){.kind = MOTE_VALUE_STRING, .untrusted = untrusted, .as.string = text};
}

mote_member cli_member(const char *key, mote_value value)
{
    return (mote_member){{key, strlen(key)}, value};
}

int64_t cli_now(void)
{
    time_t now = time(NULL);
    struct tm local;
    if (!localtime_r(&now, &local))
        return (int64_t)now;
    return (int64_t)timegm(&local);
}

mote_status cli_render(mote_rendered *out, void **mem, mote_text source, const mote_value *vars,
                       int64_t now, mote_error *err)
{
    size_t bytes = ((size_t)1 << 18) + 8 * source.bytes;
    for (;; bytes *= 4) {
        bytes = bytes < MAX_TEMPLATE_MEMORY ? bytes : MAX_TEMPLATE_MEMORY;
        *mem = malloc(bytes);
        if (!*mem) {
            *err = (mote_error){.status = MOTE_ERR_MEMORY, .what = "out of memory"};
            return MOTE_ERR_MEMORY;
        }
        mote_status s = mote_template_render(out, source, vars, now, *mem, bytes, err);
        if (s != MOTE_ERR_MEMORY)
            return s;
        if (bytes == MAX_TEMPLATE_MEMORY) {
            *err = (mote_error){.status = MOTE_ERR_LIMIT,
                                .what = "the chat template wants more than 128 MB of memory"};
            return MOTE_ERR_LIMIT;
        }
        free(*mem);
    }
}

/* The variables of the file's template that every caller has. */
static size_t add_tokens(const cli_engine *e, mote_member *members, size_t n)
{
    static const struct {
        const char *name;
        mote_image_string text;
    } tokens[] = {{"bos_token", MOTE_IMAGE_BOS},
                  {"eos_token", MOTE_IMAGE_EOS},
                  {"unk_token", MOTE_IMAGE_UNK},
                  {"pad_token", MOTE_IMAGE_PAD}};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        mote_text text = mote_image_text(&e->image, tokens[i].text);
        if (text.bytes)
            members[n++] = cli_member(tokens[i].name, cli_string_value(text, false));
    }
    return n;
}

/* A rendered prompt to ids: what people wrote stays text, whatever it says. */
static mote_status encode_rendered(const cli_engine *e, const mote_rendered *r, cli_ids *out,
                                   mote_error *err)
{
    return cli_encode(e, r->text.ptr, r->text.bytes, 0, r->untrusted, r->n_untrusted, out, err);
}

mote_status cli_encode_chat(const cli_engine *e, const cli_message *messages, size_t n,
                            cli_ids *out, mote_error *err)
{
    mote_value *list = calloc(n + 1, sizeof *list);
    mote_member *pairs = calloc(2 * n + 1, sizeof *pairs), members[10];
    mote_rendered rendered = {0};
    void *mem = NULL;
    size_t k = 0;
    mote_status s = MOTE_ERR_MEMORY;
    for (size_t i = 0; list && pairs && i < n; i++) {
        mote_text role = {messages[i].role, strlen(messages[i].role)};
        pairs[2 * i] = cli_member("role", cli_string_value(role, false));
        pairs[2 * i + 1] = cli_member("content", cli_string_value(messages[i].content, true));
        list[i] = (mote_value){.kind = MOTE_VALUE_DICT, .as.dict = {pairs + 2 * i, 2}};
    }
    if (list && pairs) {
        members[k++] =
            cli_member("messages", (mote_value){.kind = MOTE_VALUE_LIST, .as.list = {list, n}});
        members[k++] = cli_member("add_generation_prompt",
                                  (mote_value){.kind = MOTE_VALUE_BOOL, .as.boolean = true});
        members[k++] = cli_member("tools", (mote_value){.kind = MOTE_VALUE_NONE});
        members[k++] = cli_member("documents", (mote_value){.kind = MOTE_VALUE_NONE});
        if (e->o->think)
            members[k++] = cli_member("enable_thinking",
                                      (mote_value){.kind = MOTE_VALUE_BOOL,
                                                   .as.boolean = strcmp(e->o->think, "on") == 0});
        k = add_tokens(e, members, k);
        mote_value vars = {.kind = MOTE_VALUE_DICT, .as.dict = {members, k}};
        s = cli_render(&rendered, &mem, mote_chat_template(&e->image), &vars, cli_now(), err);
    } else {
        *err = (mote_error){.status = s, .what = "out of memory"};
    }
    if (s == MOTE_ERR_LIMIT && rendered.text.bytes) /* what the template says */
        cli_escape(err->name, sizeof err->name, rendered.text.ptr, rendered.text.bytes);
    if (!s)
        s = encode_rendered(e, &rendered, out, err);
    free(mem);
    free(list);
    free(pairs);
    return s;
}
