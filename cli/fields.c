/* fields.c: a prompt made of a template with named fields, {{name}}, for tasks that are done again
 * and again: `run --template document.txt --set code=@main.c`. Values are put in as they are; what
 * looks like a field inside of one stays text. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

typedef struct field {
    mote_text name;
    cli_text value; /* malloc'ed */
    bool used;
} field;

typedef struct fields {
    field all[CLI_MAX_FIELDS];
    size_t n;
} fields;

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* "name=text" or "name=@file" */
static int read_field(fields *f, const char *text)
{
    size_t n = 0;
    field *at = &f->all[f->n];
    while (is_name(text[n]))
        n++;
    if (!n || text[n] != '=')
        return cli_error(EXIT_USAGE, "--set", "\"%s\" is not of the form NAME=TEXT or NAME=@FILE",
                         text);
    for (size_t i = 0; i < f->n; i++)
        if (f->all[i].name.bytes == n && memcmp(f->all[i].name.ptr, text, n) == 0)
            return cli_error(EXIT_USAGE, "--set", "%.*s is given twice", (int)n, text);
    at->name = (mote_text){text, n};
    f->n++;
    if (text[n + 1] == '@')
        return cli_read_text(&at->value, text + n + 2);
    at->value.bytes = strlen(text + n + 1);
    at->value.ptr = strdup(text + n + 1);
    return at->value.ptr ? 0 : cli_no_memory();
}

/* The name of the field that begins at text, blanks inside the braces allowed; *bytes: with its
 * braces. Empty: there is none. */
static mote_text field_at(const char *text, size_t left, size_t *bytes)
{
    size_t i = 2, begin, end;
    if (left < 5 || text[0] != '{' || text[1] != '{')
        return (mote_text){0};
    while (i < left && text[i] == ' ')
        i++;
    begin = i;
    while (i < left && is_name(text[i]))
        i++;
    end = i;
    while (i < left && text[i] == ' ')
        i++;
    if (end == begin || left - i < 2 || text[i] != '}' || text[i + 1] != '}')
        return (mote_text){0};
    *bytes = i + 2;
    return (mote_text){text + begin, end - begin};
}

static int append(cli_text *out, size_t *cap, const char *text, size_t n)
{
    if (out->bytes + n > *cap) {
        size_t more = 2 * (out->bytes + n);
        char *ptr = realloc(out->ptr, more);
        if (!ptr)
            return cli_no_memory();
        out->ptr = ptr;
        *cap = more;
    }
    if (n)
        memcpy(out->ptr + out->bytes, text, n);
    out->bytes += n;
    return 0;
}

static int fill(fields *f, const char *path, const cli_text *from, cli_text *out)
{
    size_t cap = 0, n;
    int code = append(out, &cap, "", 0);
    for (size_t i = 0; !code && i < from->bytes; i += n) {
        mote_text name = field_at(from->ptr + i, from->bytes - i, &n);
        field *found = NULL;
        if (!name.bytes) {
            const char *next = memchr(from->ptr + i + 1, '{', from->bytes - i - 1);
            n = next ? (size_t)(next - from->ptr) - i : from->bytes - i;
            code = append(out, &cap, from->ptr + i, n);
            continue;
        }
        for (size_t k = 0; k < f->n; k++)
            if (f->all[k].name.bytes == name.bytes &&
                memcmp(f->all[k].name.ptr, name.ptr, name.bytes) == 0)
                found = &f->all[k];
        if (!found)
            return cli_error(EXIT_USAGE, path, "nothing is given for {{%.*s}}: --set %.*s=TEXT",
                             (int)name.bytes, name.ptr, (int)name.bytes, name.ptr);
        found->used = true;
        code = append(out, &cap, found->value.ptr, found->value.bytes);
    }
    for (size_t i = 0; !code && i < f->n; i++)
        if (!f->all[i].used)
            code = cli_error(EXIT_USAGE, "--set", "%s has no field {{%.*s}}", path,
                             (int)f->all[i].name.bytes, f->all[i].name.ptr);
    return code;
}

int cli_fill_template(cli_text *out, const cli_opts *o)
{
    fields f = {.n = 0};
    cli_text from = {0};
    int code = cli_read_text(&from, o->form);
    *out = (cli_text){0};
    for (size_t i = 0; !code && i < o->n_sets; i++)
        code = read_field(&f, o->sets[i]);
    if (!code)
        code = fill(&f, o->form, &from, out);
    for (size_t i = 0; i < f.n; i++)
        free(f.all[i].value.ptr);
    free(from.ptr);
    if (code) {
        free(out->ptr);
        *out = (cli_text){0};
    }
    return code;
}
