/* output.c: stdout with its failures noticed, JSON, error lines, progress bars. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/utf8.h"

/* ---- stdout --------------------------------------------------------------------------------- */

/* All of it, whatever signals come; false: errno says why not. */
static bool write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

bool cli_flush(cli_out *out)
{
    if (out->file) {
        cli_file_write(out->file, out->at, out->buffer, out->n);
        out->at += out->n;
        out->n = 0;
        return true;
    }
    if (!out->failed && !write_all(STDOUT_FILENO, out->buffer, out->n))
        out->failed = errno;
    out->n = 0;
    return !out->failed;
}

void cli_put(cli_out *out, const char *text, size_t bytes)
{
    while (bytes) {
        size_t room = sizeof out->buffer - out->n, n = bytes < room ? bytes : room;
        memcpy(out->buffer + out->n, text, n);
        out->n += n;
        text += n;
        bytes -= n;
        if (out->n == sizeof out->buffer)
            cli_flush(out);
    }
}

void cli_puts(cli_out *out, const char *text) { cli_put(out, text, strlen(text)); }

void cli_printf(cli_out *out, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0)
        cli_put(out, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

int cli_out_close(cli_out *out, int code)
{
    cli_flush(out);
    if (!out->failed)
        return code;
    if (out->failed == EPIPE)
        return EXIT_PIPE;
    return code ? code : cli_error(MOTE_ERR_IO, "stdout", "%s", strerror(out->failed));
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void before_value(cli_out *out)
{
    if (out->comma)
        cli_put(out, ",", 1);
    out->comma = true;
}

void cli_json_open(cli_out *out, char bracket)
{
    before_value(out);
    cli_put(out, &bracket, 1);
    out->comma = false;
}

void cli_json_close(cli_out *out, char bracket)
{
    cli_put(out, &bracket, 1);
    out->comma = true;
}

static void put_escaped(cli_out *out, const char *text, size_t bytes)
{
    for (size_t i = 0, k; i < bytes; i += k ? k : 1) {
        unsigned char c = (unsigned char)text[i];
        k = cli_utf8_length(text + i, bytes - i);
        if (!k)
            cli_puts(out, "\xef\xbf\xbd");
        else if (c == '"' || c == '\\')
            cli_printf(out, "\\%c", c);
        else if (c == '\n')
            cli_puts(out, "\\n");
        else if (c < 0x20 || c == 0x7f)
            cli_printf(out, "\\u%04x", c);
        else if (k == 2 && !memcmp(text + i, "\xc2\x85", 2))
            cli_puts(out, "\\u0085"); /* what some readers of lines take for the end of one */
        else if (k == 3 &&
                 (!memcmp(text + i, "\xe2\x80\xa8", 3) || !memcmp(text + i, "\xe2\x80\xa9", 3)))
            cli_puts(out, text[i + 2] == '\xa8' ? "\\u2028" : "\\u2029");
        else
            cli_put(out, text + i, k);
    }
}

void cli_json_string(cli_out *out, const char *text, size_t bytes)
{
    before_value(out);
    cli_put(out, "\"", 1);
    put_escaped(out, text, bytes);
    cli_put(out, "\"", 1);
}

void cli_json_key(cli_out *out, const char *key)
{
    cli_json_string(out, key, strlen(key));
    cli_put(out, ":", 1);
    out->comma = false;
}

/* key NULL: an element of a list. */
static void key_or_not(cli_out *out, const char *key)
{
    if (key)
        cli_json_key(out, key);
    before_value(out);
}

void cli_json_text(cli_out *out, const char *key, const char *text)
{
    key_or_not(out, key);
    out->comma = false;
    if (text)
        cli_json_string(out, text, strlen(text));
    else
        cli_puts(out, "null");
    out->comma = true;
}

void cli_json_uint(cli_out *out, const char *key, uint64_t n)
{
    key_or_not(out, key);
    cli_printf(out, "%" PRIu64, n);
}

void cli_json_int(cli_out *out, const char *key, int64_t n)
{
    key_or_not(out, key);
    cli_printf(out, "%" PRId64, n);
}

void cli_json_real(cli_out *out, const char *key, double x)
{
    key_or_not(out, key);
    if (isfinite(x))
        cli_printf(out, "%.10g", x);
    else
        cli_puts(out, "null");
}

void cli_json_bool(cli_out *out, const char *key, bool x)
{
    key_or_not(out, key);
    cli_puts(out, x ? "true" : "false");
}

void cli_json_ids(cli_out *out, const char *key, const int32_t *ids, size_t n)
{
    if (key)
        cli_json_key(out, key);
    cli_json_open(out, '[');
    for (size_t i = 0; i < n; i++)
        cli_json_int(out, NULL, ids[i]);
    cli_json_close(out, ']');
}

void cli_json_end_line(cli_out *out)
{
    cli_put(out, "\n", 1);
    out->comma = false;
}

void cli_json_error(cli_out *out, const char *text)
{
    cli_json_open(out, '{');
    cli_json_text(out, "error", text);
    cli_json_close(out, '}');
    cli_json_end_line(out);
}

/* ---- stderr --------------------------------------------------------------------------------- */

/* Control characters beyond ASCII, line ends among them, and marks that turn the direction of what
 * follows. p: a character of k bytes. */
static bool is_control(const unsigned char *p, size_t k)
{
    if (k == 2)
        return (p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xd8 && p[1] == 0x9c);
    if (k != 3 || p[0] != 0xe2)
        return false;
    if (p[1] == 0x80) /* U+200E, U+200F; U+2028 to U+202E */
        return p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae);
    return p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9; /* U+2066 to U+2069 */
}

void cli_escape(char *out, size_t cap, const char *text, size_t bytes)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n = 0;
    for (size_t i = 0, k; i < bytes && n + 5 < cap; i += k) {
        k = cli_utf8_length(text + i, bytes - i);
        if (!k || p[i] < 0x20 || p[i] == 0x7f || is_control(p + i, k)) {
            k = 1;
            n += (size_t)snprintf(out + n, cap - n, "\\x%02x", p[i]);
        } else {
            memcpy(out + n, text + i, k);
            n += k;
        }
    }
    out[n] = 0;
}

/* "mote: error: subject: text", escaped, in one write. A long subject loses its beginning. */
static void print_line(const char *subject, const char *text)
{
    char name[300], what[400], line[800];
    size_t bytes = subject ? strlen(subject) : 0;
    bool cut = bytes > 200;
    cli_escape(name, sizeof name, subject ? subject + (cut ? bytes - 200 : 0) : "",
               cut ? 200 : bytes);
    cli_escape(what, sizeof what, text, strlen(text));
    int n = snprintf(line, sizeof line, "mote: error: %s%s%s%s\n", cut ? "..." : "", name,
                     bytes ? ": " : "", what);
    if (n > 0)
        write_all(STDERR_FILENO, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

int cli_error(int status, const char *subject, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_line(subject, text);
    return status;
}

void cli_error_text(char *text, size_t cap, const mote_error *err)
{
    const char *colon = err->name[0] ? ": " : "";
    if (err->has_numbers)
        snprintf(text, cap, "%s%s%s (got %" PRIu64 ", wanted %" PRIu64 ")", err->name, colon,
                 err->what, err->got, err->wanted);
    else
        snprintf(text, cap, "%s%s%s", err->name, colon, err->what);
}

int cli_fail(const char *subject, const mote_error *err)
{
    char text[300];
    cli_error_text(text, sizeof text, err);
    return cli_error((int)err->status, subject, "%s", text);
}

int cli_no_memory(void) { return cli_error(MOTE_ERR_MEMORY, NULL, "out of memory"); }

void cli_note(const cli_opts *o, const char *format, ...)
{
    char text[600], line[700];
    va_list args;
    if (o->quiet)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_escape(line, sizeof line - 1, text, strlen(text));
    strcat(line, "\n");
    write_all(STDERR_FILENO, line, strlen(line));
}

void cli_mark(const char *text, size_t bytes) { write_all(STDERR_FILENO, text, bytes); }

void cli_prompt_mark(void) { cli_mark("> ", 2); }

void cli_end_line_mark(void) { cli_mark("\n", 1); }

const char *cli_size(char text[32], uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double x = (double)bytes;
    size_t unit = 0;
    while (x >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        x /= 1000;
        unit++;
    }
    snprintf(text, 32, unit && x < 99.95 ? "%.1f %s" : "%.0f %s", x, units[unit]);
    return text;
}

bool cli_color(int fd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fd) && !(no && *no) && term && *term && strcmp(term, "dumb") != 0;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void cli_sort(double *x, size_t n) { qsort(x, n, sizeof *x, compare_doubles); }

double cli_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- progress ------------------------------------------------------------------------------- */

void cli_progress_start(cli_progress *p, const cli_opts *o, const char *label)
{
    *p = (cli_progress){.label = label, .start = cli_seconds()};
    p->last = p->start;
    p->enabled = !o->quiet && isatty(STDERR_FILENO);
}

void cli_progress_show(cli_progress *p, uint64_t done, uint64_t total)
{
    enum { WIDTH = 30 };
    char bar[WIDTH + 1], line[160];
    double now = p->enabled ? cli_seconds() : 0;
    if (!p->enabled || now - p->start < 0.5 || (p->shown && now - p->last < 0.1) || !total)
        return;
    double part = done < total ? (double)done / (double)total : 1.0;
    size_t filled = (size_t)(part * WIDTH);
    memset(bar, '#', filled);
    memset(bar + filled, '.', WIDTH - filled);
    bar[WIDTH] = 0;
    double left = part > 0 ? (now - p->start) * (1 - part) / part : 0;
    int n = snprintf(line, sizeof line, "\r%s [%s] %3.0f %%, %.0f s left   ", p->label, bar,
                     part * 100, left);
    if (n > 0)
        write_all(STDERR_FILENO, line, (size_t)n);
    p->last = now;
    p->shown = true;
}

/* Removes the bar: blanks over the line, no escape sequences. */
void cli_progress_end(cli_progress *p)
{
    char line[96];
    if (!p->shown)
        return;
    memset(line, ' ', sizeof line);
    line[0] = line[sizeof line - 1] = '\r';
    write_all(STDERR_FILENO, line, sizeof line);
    p->shown = false;
}
