/* html.h: pages that stand alone, with pictures in SVG: no script, no font, nothing from elsewhere.
 * They are well-formed XML too. Light or dark, as the reader's system asks. Pictures are drawn
 * for a width of HTML_WIDTH and scale with the page. Used by explain and bench --report.
 */
#ifndef MOTE_CLI_HTML_H
#define MOTE_CLI_HTML_H

#include "bench/probe.h"
#include "cli/cli.h"

enum { HTML_WIDTH = 360, HTML_COLOURS = 6 };

void html_begin(cli_out *out, const char *title);
void html_end(cli_out *out, const char *command);
/* Text from anywhere: escaped; control bytes and bad UTF-8 as \xNN. */
void html_text(cli_out *out, const char *text, size_t bytes);
void html_puts(cli_out *out, const char *text);

/* A part of the page, its explanation in a paragraph; pictures of one part stand side by side. */
void html_section(cli_out *out, const char *title, const char *about);
void html_section_end(cli_out *out);
void html_figure(cli_out *out, const char *caption);
void html_figure_end(cli_out *out);
/* What the first n colours mean. */
void html_legend(cli_out *out, const char *const *names, size_t n);

/* Tables: rows of cells; numbers go to the right, and a head that begins with '>' stands over some.
 * Where less than least_em of width is there the table can be moved. */
void html_table(cli_out *out, const char *const *heads, size_t n, unsigned least_em);
void html_row(cli_out *out);
void html_cell(cli_out *out, const char *text);
void html_number(cli_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void html_row_end(cli_out *out);
void html_table_end(cli_out *out);

/* ---- pictures ------------------------------------------------------------------------------- */

void svg_begin(cli_out *out, double height, const char *label);
void svg_end(cli_out *out);
/* Classes are those of the style in html.c: s0 .. s5 colours, grid, axis, dim. title: what a
 * pointer over it shows; NULL: nothing. */
void svg_rect(cli_out *out, double x, double y, double w, double h, const char *class,
              const char *title);
void svg_line(cli_out *out, double x1, double y1, double x2, double y2, const char *class);
/* anchor: "start", "middle", "end". */
void svg_label(cli_out *out, double x, double y, const char *anchor, const char *class,
               const char *text);

/* From numbers to places. */
typedef struct svg_axis {
    double least, most; /* numbers; log: above 0 */
    double from, to;    /* places */
    bool log;
} svg_axis;

double svg_at(const svg_axis *a, double x);
/* A line through the points; those that are not finite are left out. */
void svg_curve(cli_out *out, const svg_axis *x, const svg_axis *y, const double *values, size_t n,
               const char *class);
/* Lines and numbers at round places; across: how far the lines go. */
void svg_ticks_y(cli_out *out, const svg_axis *y, double left, double right);
void svg_ticks_x(cli_out *out, const svg_axis *x, double top, double bottom);

/* ---- charts (charts.c) ---------------------------------------------------------------------- */

/* One bar of a list: a label, parts one behind the other, what stands behind it. */
typedef struct html_bar {
    char label[64], value[64];
    double parts[HTML_COLOURS];
    size_t n_parts, colour; /* of the first part */
    double least, most;     /* a whisker, if most > 0 */
} html_bar;

void html_bars(cli_out *out, const char *label, const html_bar *bars, size_t n);

/* A point of the roofline: operations for a byte read, operations a second. */
typedef struct html_point {
    char label[160];
    double ops_per_byte, ops;
    size_t colour;
} html_point;

/* What the machine can do at best as a roof, and the points under it. */
void html_roofline(cli_out *out, const probe_peaks *peaks, const html_point *points, size_t n);

/* 1.2e9 as "1.2 G". */
const char *html_count(char text[32], double x);
const char *html_seconds(char text[32], double s);

#endif
