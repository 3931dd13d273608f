/* json.c: a guard scan, then cJSON; and failure texts. Read json.h first.
 *
 * The scan is one pass without recursion over the whole text. It knows the grammar of RFC 8259 and
 * writes the text again without blanks, \u0000 in strings turned to C0 80. So cJSON sees nothing
 * but what it reads correctly. Dropping blanks never lengthens the text: the copy fits its size.
 */
#include "tools/convert/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT (256u << 20)
#define MAX_DEPTH 64u
#define MAX_VALUES 4000000u /* about 100 bytes each in cJSON */
#define MAX_NUMBER 32u      /* characters */

/* ---- UTF-8 and messages --------------------------------------------------------------------- */

/* Decodes the character at p: its bytes, 0 when it is no valid UTF-8 (RFC 3629). */
static size_t decode_utf8(const unsigned char *p, size_t n, uint32_t *code)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (!length || length > n || p[0] > 0xf4)
        return 0;
    *code = length == 1 ? p[0] : p[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (p[i] & 0x3fu);
    }
    if (*code < least[length] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
        return 0;
    return length;
}

/* Characters that a terminal acts on: control codes and marks that turn the direction of text. */
static bool is_unprintable(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200b && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0xfeff;
}

/* Copies text so that it is one line of valid UTF-8 of at most cap - 1 bytes. */
static void copy_printable(char *out, size_t cap, const char *text)
{
    size_t n = strlen(text), at = 0, used = 0;
    while (at < n) {
        const unsigned char *p = (const unsigned char *)text + at;
        uint32_t code = 0;
        size_t length = decode_utf8(p, n - at, &code);
        bool plain = length && !is_unprintable(code);
        size_t take = length ? length : 1, need = plain ? take : 4 * take;
        if (used + need >= cap)
            break;
        if (plain)
            memcpy(out + used, p, take);
        else
            for (size_t i = 0; i < take; i++)
                snprintf(out + used + 4 * i, 5, "\\x%02x", p[i]);
        used += need;
        at += take;
    }
    out[used] = 0;
}

mote_status convert_fail(mote_convert_error *err, mote_status status, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (!err)
        return status;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err->status = status;
    copy_printable(err->text, sizeof err->text, text);
    return status;
}

/* ---- the guard scan ------------------------------------------------------------------------- */

typedef struct scan {
    const unsigned char *text;
    size_t n, at;
    char *out;
    size_t n_out;
    uint64_t is_object; /* bit d: the container at depth d is an object */
    unsigned depth;
    size_t n_values;
    bool counts_only; /* numbers are plain digits */
    const char *why;  /* set on failure */
} scan;

static bool fail_scan(scan *s, const char *why)
{
    s->why = why;
    return false;
}

/* Copies the next n bytes of the text. */
static void take(scan *s, size_t n)
{
    memcpy(s->out + s->n_out, s->text + s->at, n);
    s->n_out += n;
    s->at += n;
}

static bool is_digit(const scan *s, size_t at)
{
    return at < s->n && s->text[at] >= '0' && s->text[at] <= '9';
}

static int hex_value(unsigned char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The four digits of \uXXXX at s->at + skip; -1: there is no such escape. */
static long unicode_escape(const scan *s, size_t skip)
{
    long code = 0;
    const unsigned char *p = s->text + s->at + skip;
    if (s->n - s->at < skip + 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        if (hex_value(p[i]) < 0)
            return -1;
        code = code * 16 + hex_value(p[i]);
    }
    return code;
}

static bool scan_unicode(scan *s)
{
    long code = unicode_escape(s, 0);
    if (code < 0)
        return fail_scan(s, "\\u without four hexadecimal digits");
    if (code == 0) {
        memcpy(s->out + s->n_out, "\xc0\x80", 2);
        s->n_out += 2;
        s->at += 6;
        return true;
    }
    if (code < 0xd800 || code > 0xdfff) {
        take(s, 6);
        return true;
    }
    long low = code < 0xdc00 ? unicode_escape(s, 6) : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return fail_scan(s, "half of a surrogate pair");
    take(s, 12);
    return true;
}

static bool scan_escape(scan *s)
{
    if (s->n - s->at < 2)
        return fail_scan(s, "the text ends inside a string");
    if (s->text[s->at + 1] == 'u')
        return scan_unicode(s);
    if (!s->text[s->at + 1] || !strchr("\"\\/bfnrt", s->text[s->at + 1]))
        return fail_scan(s, "unknown escape in a string");
    take(s, 2);
    return true;
}

static bool scan_string(scan *s)
{
    take(s, 1);
    for (;;) {
        size_t run = s->at;
        uint32_t code = 0;
        while (run < s->n && s->text[run] >= 0x20 && s->text[run] < 0x80 && s->text[run] != '"' &&
               s->text[run] != '\\')
            run++;
        take(s, run - s->at);
        if (s->at == s->n)
            return fail_scan(s, "the text ends inside a string");
        if (s->text[s->at] == '"') {
            take(s, 1);
            return true;
        }
        if (s->text[s->at] == '\\') {
            if (!scan_escape(s))
                return false;
        } else if (s->text[s->at] < 0x20) {
            return fail_scan(s, "control byte in a string");
        } else {
            size_t length = decode_utf8(s->text + s->at, s->n - s->at, &code);
            if (!length)
                return fail_scan(s, "not valid UTF-8");
            take(s, length);
        }
    }
}

static bool scan_number(scan *s)
{
    size_t at = s->at;
    if (s->text[at] == '-' && !s->counts_only)
        at++;
    if (!is_digit(s, at))
        return fail_scan(s, "a sign without a number");
    if (s->text[at] == '0' && is_digit(s, at + 1))
        return fail_scan(s, "a number with a leading zero");
    while (is_digit(s, at))
        at++;
    if (s->counts_only && at < s->n && strchr(".eE", s->text[at]))
        return fail_scan(s, "a number that is no count");
    if (at < s->n && s->text[at] == '.') {
        if (!is_digit(s, ++at))
            return fail_scan(s, "a decimal point without digits");
        while (is_digit(s, at))
            at++;
    }
    if (at < s->n && (s->text[at] | 0x20) == 'e') {
        at++;
        if (at < s->n && (s->text[at] == '+' || s->text[at] == '-'))
            at++;
        if (!is_digit(s, at))
            return fail_scan(s, "an exponent without digits");
        while (is_digit(s, at))
            at++;
    }
    if (at - s->at > MAX_NUMBER)
        return fail_scan(s, "a number of more than 32 characters");
    take(s, at - s->at);
    return true;
}

static bool scan_word(scan *s)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if (s->n - s->at >= n && memcmp(s->text + s->at, words[i], n) == 0) {
            take(s, n);
            return true;
        }
    }
    return fail_scan(s, "not a value");
}

static bool open_container(scan *s)
{
    if (s->depth == MAX_DEPTH)
        return fail_scan(s, "nested more than 64 deep");
    uint64_t bit = UINT64_C(1) << s->depth++;
    s->is_object = s->text[s->at] == '{' ? s->is_object | bit : s->is_object & ~bit;
    take(s, 1);
    return true;
}

static bool inside_object(const scan *s) { return s->depth && s->is_object >> (s->depth - 1) & 1; }

static void skip_blanks(scan *s)
{
    while (s->at < s->n && s->text[s->at] && strchr(" \t\r\n", s->text[s->at]))
        s->at++;
}

/* What the grammar wants next. */
enum want { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COLON, COMMA_OR_END, END };

static enum want after_value(const scan *s) { return s->depth ? COMMA_OR_END : END; }

static bool scan_value(scan *s, enum want *want)
{
    unsigned char c = s->text[s->at];
    if (++s->n_values > MAX_VALUES)
        return fail_scan(s, "more than 4,000,000 values");
    if (c == '{' || c == '[') {
        *want = c == '{' ? KEY_OR_END : VALUE_OR_END;
        return open_container(s);
    }
    *want = after_value(s);
    return c == '"'                         ? scan_string(s)
           : c == '-' || is_digit(s, s->at) ? scan_number(s)
                                            : scan_word(s);
}

/* One token at s->at, which is not a blank. */
static bool scan_token(scan *s, enum want *want)
{
    unsigned char c = s->text[s->at];
    bool may_end = *want == VALUE_OR_END || *want == KEY_OR_END || *want == COMMA_OR_END;
    if (may_end && c == (inside_object(s) ? '}' : ']')) {
        s->depth--;
        *want = after_value(s);
        take(s, 1);
        return true;
    }
    switch (*want) {
    case VALUE:
    case VALUE_OR_END: return scan_value(s, want);
    case KEY:
    case KEY_OR_END:
        if (c != '"')
            return fail_scan(s, "a key was expected");
        *want = COLON;
        return scan_string(s);
    case COLON:
        if (c != ':')
            return fail_scan(s, "':' was expected");
        *want = VALUE;
        break;
    case COMMA_OR_END:
        if (c != ',')
            return fail_scan(s, "',' or the end of a list was expected");
        *want = inside_object(s) ? KEY : VALUE;
        break;
    case END: return fail_scan(s, "something follows the value");
    }
    take(s, 1);
    return true;
}

static bool scan_text(scan *s)
{
    enum want want = VALUE;
    for (skip_blanks(s); s->at < s->n; skip_blanks(s))
        if (!scan_token(s, &want))
            return false;
    if (want != END)
        return fail_scan(s, "the text ends too early");
    s->out[s->n_out] = 0;
    return true;
}

static cJSON *parse(scan s, const char *file, mote_convert_error *err)
{
    const size_t bytes = s.n;
    cJSON *root = NULL;
    if (bytes > MAX_TEXT) {
        convert_fail(err, MOTE_ERR_FILE, "%s: JSON of %zu bytes (at most %u)", file, bytes,
                     MAX_TEXT);
        return NULL;
    }
    s.out = malloc(bytes + 1);
    if (!s.out) {
        convert_fail(err, MOTE_ERR_MEMORY, "%s: no memory for %zu bytes", file, bytes + 1);
        return NULL;
    }
    if (!scan_text(&s)) {
        convert_fail(err, MOTE_ERR_FILE, "%s: not valid JSON at byte %zu: %s", file, s.at, s.why);
    } else {
        root = cJSON_ParseWithLengthOpts(s.out, s.n_out + 1, NULL, 1);
        if (!root)
            convert_fail(err, MOTE_ERR_MEMORY, "%s: no memory for its JSON", file);
    }
    free(s.out);
    return root;
}

cJSON *json_parse(const char *file, const char *text, size_t bytes, mote_convert_error *err)
{
    return parse((scan){.text = (const unsigned char *)text, .n = bytes}, file, err);
}

cJSON *json_parse_counts(const char *file, const char *text, size_t bytes, mote_convert_error *err)
{
    scan s = {.text = (const unsigned char *)text, .n = bytes, .counts_only = true};
    return parse(s, file, err);
}

/* ---- looking into the tree ------------------------------------------------------------------ */

size_t json_unescape_nul(char *out, const char *s)
{
    size_t n = 0;
    for (; *s; s++) {
        bool nul = (unsigned char)s[0] == 0xc0 && (unsigned char)s[1] == 0x80;
        out[n++] = nul ? 0 : *s;
        s += nul;
    }
    return n;
}

const cJSON *json_get(const cJSON *object, const char *key)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The key that `object` has twice, or NULL; *memory is set when there is none to look with. */
static const char *find_twin(const cJSON *object, bool *memory)
{
    size_t n = 0, i = 0;
    const char *twin = NULL;
    for (const cJSON *c = object->child; c; c = c->next)
        n++;
    char **keys = n > 1 ? malloc(n * sizeof *keys) : NULL;
    if (!keys) {
        *memory |= n > 1;
        return NULL;
    }
    for (const cJSON *c = object->child; c; c = c->next)
        keys[i++] = c->string;
    qsort(keys, n, sizeof *keys, compare_keys);
    for (i = 1; i < n && !twin; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            twin = keys[i];
    free(keys);
    return twin;
}

bool json_keys_unique(const cJSON *root, const cJSON *skip, const char **key)
{
    const cJSON *above[MAX_DEPTH + 1], *at = root;
    size_t depth = 0;
    bool memory = false;
    *key = NULL;
    while (at) {
        if (at != skip && cJSON_IsObject(at) && ((*key = find_twin(at, &memory)) || memory))
            return false;
        if (at != skip && at->child) {
            above[depth++] = at;
            at = at->child;
            continue;
        }
        while (depth && !at->next)
            at = above[--depth];
        at = depth ? at->next : NULL;
    }
    return true;
}

bool json_integer(const cJSON *item, uint64_t min, uint64_t max, uint64_t *out)
{
    const double limit = 9007199254740992.0; /* 2^53: above it doubles skip whole numbers */
    if (!cJSON_IsNumber(item))
        return false;
    double x = item->valuedouble;
    if (!(x >= 0 && x <= limit) || x != floor(x))
        return false;
    uint64_t n = (uint64_t)x;
    if (n < min || n > max)
        return false;
    *out = n;
    return true;
}
