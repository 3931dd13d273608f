/* json.c: JSON text to a tree, in one pass without recursion. Read json.h first.
 *
 * The memory is used from both ends: what is finished (arrays of items and members, unescaped
 * strings) lies at the low end; the members of containers that are still open wait on a stack at
 * the high end.
 * Closing a container moves its members from the stack to the low end.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/utf8.h"

enum { MAX_DEPTH = 64 };

typedef struct container {
    bool is_object;
    size_t n; /* members on the stack; the last one's value may be in work */
} container;

typedef struct reader {
    const char *text;
    size_t bytes, at;
    char *memory;
    size_t low, high; /* memory[low .. high) is free */
    container open[MAX_DEPTH];
    size_t depth;
    mote_error *err;
} reader;

static mote_status refuse(const reader *r, const char *what)
{
    *r->err = (mote_error){.status = MOTE_ERR_FILE, .what = what};
    snprintf(r->err->name, sizeof r->err->name, "JSON, byte %zu", r->at + 1);
    return MOTE_ERR_FILE;
}

static mote_status no_memory(const reader *r)
{
    *r->err = (mote_error){.status = MOTE_ERR_MEMORY, .what = "JSON: out of memory"};
    return MOTE_ERR_MEMORY;
}

/* ---- memory --------------------------------------------------------------------------------- */

/* n things of `bytes` bytes at the low end, aligned for all kinds of them; NULL: no room. */
static void *take_low(reader *r, size_t n, size_t bytes)
{
    size_t align = _Alignof(mote_member), gap = -(uintptr_t)(r->memory + r->low) & (align - 1);
    if (r->high - r->low < gap || n > (r->high - r->low - gap) / bytes)
        return NULL;
    void *p = r->memory + r->low + gap;
    r->low += gap + n * bytes;
    return p;
}

/* The i-th member on the stack, counted from the last one. */
static mote_member *member(const reader *r, size_t i)
{
    return (mote_member *)(void *)(r->memory + r->high) + i;
}

static mote_status push(reader *r, mote_text key)
{
    if (r->high - r->low < sizeof(mote_member))
        return no_memory(r);
    r->high -= sizeof(mote_member);
    r->open[r->depth - 1].n++;
    *member(r, 0) = (mote_member){.key = key};
    return MOTE_OK;
}

/* ---- the text ------------------------------------------------------------------------------- */

/* The next character that is no blank, 0 at the end (and for a NUL byte, which fits nowhere). */
static char peek(reader *r)
{
    while (r->at < r->bytes && r->text[r->at] && strchr(" \t\r\n", r->text[r->at]))
        r->at++;
    return r->at < r->bytes ? r->text[r->at] : 0;
}

static mote_status check_utf8(reader *r)
{
    for (size_t k; r->at < r->bytes; r->at += k) {
        k = cli_utf8_length(r->text + r->at, r->bytes - r->at);
        if (!k)
            return refuse(r, "this is no valid UTF-8");
    }
    r->at = 0;
    return MOTE_OK;
}

/* ---- strings -------------------------------------------------------------------------------- */

/* Four hexadecimal digits at text[at], -1: they are not there. */
static int32_t hex(const reader *r, size_t at)
{
    int32_t code = 0;
    for (size_t i = at; i < at + 4; i++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *d = i < r->bytes ? memchr(digits, r->text[i], sizeof digits - 1) : NULL;
        if (!d)
            return -1;
        int32_t value = (int32_t)(d - digits);
        code = code * 16 + (value < 16 ? value : value - 6);
    }
    return code;
}

static size_t put_utf8(char *out, uint32_t code)
{
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(first[n] | code);
    return n;
}

/* \uXXXX, or two of them for one character, at r->at (the backslash). */
static mote_status read_code(reader *r, char *out, size_t *n)
{
    int32_t code = hex(r, r->at + 2), second = 0;
    if (code < 0)
        return refuse(r, "\\u wants four hexadecimal digits");
    bool pair = code >= 0xd800 && code < 0xdc00;
    if (pair && r->bytes - r->at > 7 && memcmp(r->text + r->at + 6, "\\u", 2) == 0)
        second = hex(r, r->at + 8);
    if ((code & 0xf800) == 0xd800 && (!pair || (second & 0xfc00) != 0xdc00))
        return refuse(r, "half of a surrogate pair is no character");
    if (pair)
        code = 0x10000 + ((code & 0x3ff) << 10) + (second & 0x3ff);
    *n += put_utf8(out + *n, (uint32_t)code);
    r->at += pair ? 12 : 6;
    return MOTE_OK;
}

/* One escape at r->at. */
static mote_status read_escape(reader *r, char *out, size_t *n)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char name = r->at + 1 < r->bytes ? r->text[r->at + 1] : 0;
    const char *at = name ? strchr(names, name) : NULL;
    if (name == 'u')
        return read_code(r, out, n);
    if (!at)
        return refuse(r, "there is no such escape");
    out[(*n)++] = values[at - names];
    r->at += 2;
    return MOTE_OK;
}

/* A string with escapes, up to `end` (the closing quote), into the low end. */
static mote_status unescape(reader *r, size_t end, mote_text *out)
{
    char *to = r->memory + r->low; /* no escape is shorter than what it stands for */
    size_t n = 0;
    mote_status s = MOTE_OK;
    if (r->high - r->low < end - r->at)
        return no_memory(r);
    while (!s && r->at < end) {
        if (r->text[r->at] == '\\')
            s = read_escape(r, to, &n);
        else
            to[n++] = r->text[r->at++];
    }
    r->low += n;
    *out = (mote_text){to, n};
    return s;
}

/* A string; r->at is at its first quote. */
static mote_status read_string(reader *r, mote_text *out)
{
    bool escapes = false;
    size_t begin = r->at + 1, end = begin;
    for (; end < r->bytes && r->text[end] != '"'; end++) {
        if ((unsigned char)r->text[end] < 0x20) {
            r->at = end;
            return refuse(r, "control characters in a string must be escaped");
        }
        if (r->text[end] == '\\') {
            escapes = true;
            end++;
        }
    }
    if (end >= r->bytes)
        return refuse(r, "the string does not end");
    *out = (mote_text){r->text + begin, end - begin};
    r->at = begin;
    mote_status s = escapes ? unescape(r, end, out) : MOTE_OK;
    if (!s)
        r->at = end + 1;
    return s;
}

/* ---- other values --------------------------------------------------------------------------- */

/* Digits from `at` on. */
static size_t digits(const reader *r, size_t at)
{
    size_t n = 0;
    while (at + n < r->bytes && r->text[at + n] >= '0' && r->text[at + n] <= '9')
        n++;
    return n;
}

static bool is_at(const reader *r, size_t at, const char *set)
{
    return at < r->bytes && r->text[at] && strchr(set, r->text[at]);
}

/* Bytes of the number at r->at, 0: there is none. *whole: neither point nor exponent. */
static size_t number_bytes(const reader *r, bool *whole)
{
    size_t at = r->at + is_at(r, r->at, "-"), n = digits(r, at);
    *whole = true;
    if (!n || (n > 1 && r->text[at] == '0'))
        return 0;
    at += n;
    if (is_at(r, at, ".")) {
        *whole = false;
        n = digits(r, at + 1);
        if (!n)
            return 0;
        at += 1 + n;
    }
    if (is_at(r, at, "eE")) {
        *whole = false;
        at += 1 + is_at(r, at + 1, "+-");
        n = digits(r, at);
        if (!n)
            return 0;
        at += n;
    }
    return at - r->at;
}

/* strtoll and strtod want a terminated text, so the number is copied to the free memory. */
static mote_status read_number(reader *r, mote_value *v)
{
    bool whole;
    char *copy = r->memory + r->low;
    size_t n = number_bytes(r, &whole);
    if (!n)
        return refuse(r, "this is no JSON number");
    if (r->high - r->low < n + 1)
        return no_memory(r);
    memcpy(copy, r->text + r->at, n);
    copy[n] = 0;
    errno = 0;
    *v = (mote_value){.kind = MOTE_VALUE_INT};
    v->as.integer = whole ? strtoll(copy, NULL, 10) : 0;
    if (!whole || errno) {
        v->kind = MOTE_VALUE_FLOAT;
        v->as.number = strtod(copy, NULL);
        if (!isfinite(v->as.number))
            return refuse(r, "the number is too large");
    }
    r->at += n;
    return MOTE_OK;
}

static mote_status read_word(reader *r, mote_value *v)
{
    static const struct {
        const char *word;
        mote_value value;
    } words[] = {{"null", {.kind = MOTE_VALUE_NONE}},
                 {"true", {.kind = MOTE_VALUE_BOOL, .as.boolean = true}},
                 {"false", {.kind = MOTE_VALUE_BOOL}}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if (r->bytes - r->at >= n && memcmp(r->text + r->at, words[i].word, n) == 0) {
            *v = words[i].value;
            r->at += n;
            return MOTE_OK;
        }
    }
    return refuse(r, r->at < r->bytes ? "a value is wanted here" : "the text ends too early");
}

/* ---- containers ----------------------------------------------------------------------------- */

/* Up to a member's value: its key if the container is an object. */
static mote_status open_member(reader *r)
{
    mote_text key = {NULL, 0};
    if (r->open[r->depth - 1].is_object) {
        if (peek(r) != '"')
            return refuse(r, "a key in quotes is wanted here");
        mote_status s = read_string(r, &key);
        if (s)
            return s;
        if (peek(r) != ':')
            return refuse(r, "a colon is wanted behind a key");
        r->at++;
    }
    return push(r, key);
}

static int compare_keys(const void *a, const void *b)
{
    const mote_text *x = &(*(const mote_member *const *)a)->key,
                    *y = &(*(const mote_member *const *)b)->key;
    size_t n = x->bytes < y->bytes ? x->bytes : y->bytes;
    int order = n ? memcmp(x->ptr, y->ptr, n) : 0;
    return order ? order : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Sorts pointers to the members in the free memory; equal keys are neighbours then. */
static mote_status check_keys(reader *r, const mote_member *members, size_t n)
{
    size_t low = r->low;
    const mote_member **sorted = take_low(r, n, sizeof *sorted);
    if (!sorted)
        return no_memory(r);
    for (size_t i = 0; i < n; i++)
        sorted[i] = members + i;
    qsort(sorted, n, sizeof *sorted, compare_keys);
    for (size_t i = 1; i < n; i++)
        if (compare_keys(&sorted[i - 1], &sorted[i]) == 0)
            return refuse(r, "a key of the object that ends here is there twice");
    r->low = low;
    return MOTE_OK;
}

/* Moves the innermost container's members to the low end; r->at is behind its bracket. */
static mote_status close_container(reader *r, mote_value *v)
{
    container *c = &r->open[--r->depth];
    size_t n = c->n;
    bool is_object = c->is_object;
    mote_member *members = NULL;
    mote_value *items = NULL;
    if (n && is_object)
        members = take_low(r, n, sizeof *members);
    else if (n)
        items = take_low(r, n, sizeof *items);
    if (n && !members && !items)
        return no_memory(r);
    for (size_t i = 0; i < n; i++) {
        if (is_object)
            members[i] = *member(r, n - 1 - i);
        else
            items[i] = member(r, n - 1 - i)->value;
    }
    r->high += n * sizeof(mote_member);
    if (is_object)
        *v = (mote_value){.kind = MOTE_VALUE_DICT, .untrusted = true, .as.dict = {members, n}};
    else
        *v = (mote_value){.kind = MOTE_VALUE_LIST, .as.list = {items, n}};
    return is_object && n > 1 ? check_keys(r, members, n) : MOTE_OK;
}

static char closing(const reader *r) { return r->open[r->depth - 1].is_object ? '}' : ']'; }

/* Opens a container; an empty one is complete at once. */
static mote_status open_container(reader *r, mote_value *v, bool *complete)
{
    if (r->depth == MAX_DEPTH)
        return refuse(r, "there are more than 64 brackets in each other");
    r->open[r->depth++] = (container){.is_object = r->text[r->at] == '{'};
    r->at++;
    *complete = peek(r) == closing(r);
    if (!*complete)
        return open_member(r);
    r->at++;
    return close_container(r, v);
}

/* ---- values --------------------------------------------------------------------------------- */

/* The next value if it is complete in itself; else up to the first value inside. */
static mote_status read_value(reader *r, mote_value *v, bool *complete)
{
    char c = peek(r);
    *complete = true;
    if (c == '{' || c == '[')
        return open_container(r, v, complete);
    if (c == '"') {
        *v = (mote_value){.kind = MOTE_VALUE_STRING, .untrusted = true};
        return read_string(r, &v->as.string);
    }
    return c == '-' || (c >= '0' && c <= '9') ? read_number(r, v) : read_word(r, v);
}

/* Puts a complete value into its container. A comma leads to the next value; a bracket makes the
 * container the complete value. */
static mote_status end_member(reader *r, mote_value *v, bool *complete)
{
    char c = peek(r);
    member(r, 0)->value = *v;
    *complete = c == closing(r);
    if (!*complete && c != ',')
        return refuse(r, r->at < r->bytes ? "a comma or a closing bracket is wanted here"
                                          : "the text ends too early");
    r->at++;
    return *complete ? close_container(r, v) : open_member(r);
}

mote_status cli_json_parse(mote_value *value, const char *text, size_t bytes, void *memory,
                           size_t memory_bytes, mote_error *err)
{
    reader r = {.text = text, .bytes = bytes, .memory = memory, .err = err};
    size_t gap = (uintptr_t)(r.memory + memory_bytes) % _Alignof(mote_member);
    bool complete = false;
    if (memory_bytes < gap)
        return no_memory(&r);
    r.high = memory_bytes - gap;
    mote_status s = check_utf8(&r);
    while (!s && !complete) {
        s = read_value(&r, value, &complete);
        while (!s && complete && r.depth)
            s = end_member(&r, value, &complete);
    }
    if (!s && (peek(&r) || r.at < r.bytes))
        s = refuse(&r, "something stands behind the value");
    return s;
}
