/* edit_screen.c: draws an entry on the terminal: rows of at most its width, the cursor in place.
 * Every key draws all of it anew: entries are short, and nothing can get out of step. Of an entry
 * higher than the terminal the part around the cursor is shown. Read edit.h first.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/edit.h"
#include "cli/utf8.h"

enum { INDENT = 2 }; /* columns of the mark, and in front of further lines */

/* ---- columns -------------------------------------------------------------------------------- */

static uint32_t code_point(const char *text, size_t bytes)
{
    const unsigned char *p = (const unsigned char *)text;
    uint32_t c = bytes == 1 ? p[0] : p[0] & (0xffu >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

typedef struct range {
    uint32_t first, last;
} range;

static bool is_in(const range *r, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= r[i].first && c <= r[i].last)
            return true;
    return false;
}

/* The blocks that matter in practice: combining marks and joiners take no column, East Asian wide
 * characters and emoji two. */
size_t cli_columns(const char *text, size_t bytes)
{
    static const range none[] = {
        {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},   {0x64b, 0x65f},
        {0xe31, 0xe31},   {0xe34, 0xe3a},   {0xe47, 0xe4e},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
        {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xe0100, 0xe01ef}};
    static const range wide[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},  {0x3041, 0x33ff},
                                 {0x3400, 0x4dbf},   {0x4e00, 0x9fff},  {0xa000, 0xa4cf},
                                 {0xac00, 0xd7a3},   {0xf900, 0xfaff},  {0xfe30, 0xfe4f},
                                 {0xff00, 0xff60},   {0xffe0, 0xffe6},  {0x1f300, 0x1f64f},
                                 {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
    uint32_t c = code_point(text, bytes);
    if (is_in(none, sizeof none / sizeof *none, c))
        return 0;
    return is_in(wide, sizeof wide / sizeof *wide, c) ? 2 : 1;
}

/* ---- drawing -------------------------------------------------------------------------------- */

typedef struct drawing {
    char bytes[1 << 13]; /* to be written */
    size_t n;
    size_t row, column; /* where the next character comes */
    size_t width, top, bottom;
} drawing;

static void flush(drawing *d)
{
    cli_mark(d->bytes, d->n);
    d->n = 0;
}

static void put(drawing *d, const char *text, size_t n)
{
    if (d->n + n > sizeof d->bytes)
        flush(d);
    memcpy(d->bytes + d->n, text, n);
    d->n += n;
}

static void move(drawing *d, char direction, size_t n)
{
    char text[32];
    int k = n ? snprintf(text, sizeof text, "\x1b[%zu%c", n, direction) : 0;
    put(d, text, (size_t)k);
}

static bool is_shown(const drawing *d) { return d->row >= d->top && d->row < d->bottom; }

static void next_row(drawing *d, size_t column)
{
    d->row++;
    d->column = column;
    if (d->row > d->top && d->row < d->bottom)
        put(d, "\r\n", 2);
    for (size_t i = 0; is_shown(d) && i < column; i++)
        put(d, i ? " " : ".", 1);
}

/* One character at the drawing's place; gives its bytes. */
static size_t draw_character(drawing *d, const char *text, size_t left)
{
    size_t k = cli_utf8_length(text, left), columns;
    if (text[0] == '\n') {
        next_row(d, INDENT);
        return 1;
    }
    bool blank = !k || (unsigned char)text[0] < 0x20 || text[0] == 0x7f;
    columns = blank ? 1 : cli_columns(text, k);
    if (d->column + columns > d->width)
        next_row(d, 0);
    if (is_shown(d))
        put(d, blank ? " " : text, blank ? 1 : k);
    d->column += columns;
    return k ? k : 1;
}

/* Rows and columns up to text[n], nothing drawn. */
static drawing measure(const char *text, size_t n, size_t width)
{
    drawing d = {.width = width, .column = INDENT};
    for (size_t i = 0; i < n;)
        i += draw_character(&d, text + i, n - i);
    if (d.column == width)
        next_row(&d, 0);
    return d;
}

static void terminal_size(size_t *width, size_t *height)
{
    struct winsize w = {0};
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 4 && w.ws_row;
    *width = known ? w.ws_col : 80;
    *height = known ? w.ws_row : 24;
}

/* From the cursor to the first drawn row. If the width has changed since, the terminal has wrapped
 * the rows above anew. */
static void go_to_top(drawing *d, const cli_screen *s)
{
    size_t up = s->up;
    for (size_t i = 0; s->width != d->width && i < s->up && i < 1024; i++)
        up += s->widths[i] ? (s->widths[i] - 1) / d->width : 0;
    move(d, 'A', up);
    put(d, "\r\x1b[J", 4);
}

void cli_screen_draw(cli_screen *s, const char *mark, const char *text, size_t n, size_t at)
{
    size_t width, height;
    terminal_size(&width, &height);
    drawing cursor = measure(text, at, width), end = measure(text, n, width), d = {.width = width};
    size_t rows = end.row + 1;
    if (rows > height)
        d.top = cursor.row + 1 > height ? cursor.row + 1 - height : 0;
    d.bottom = d.top + height;
    go_to_top(&d, s);
    if (!d.top)
        put(&d, mark, strlen(mark));
    d.column = INDENT;
    s->up = cursor.row - d.top;
    s->width = width;
    memset(s->widths, 0, sizeof s->widths);
    for (size_t i = 0; i < n;) {
        i += draw_character(&d, text + i, n - i);
        if (is_shown(&d) && d.row - d.top < 1024)
            s->widths[d.row - d.top] = d.column;
    }
    if (d.column == width)
        next_row(&d, 0);
    size_t last = d.row < d.bottom ? d.row : d.bottom - 1;
    move(&d, 'A', last - cursor.row);
    put(&d, "\r", 1);
    move(&d, 'C', cursor.column);
    flush(&d);
}

void cli_screen_leave(cli_screen *s, const char *mark, const char *text, size_t n)
{
    cli_screen_draw(s, mark, text, n, n);
    cli_end_line_mark();
    *s = (cli_screen){0};
}
