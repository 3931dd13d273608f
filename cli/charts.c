/* charts.c: bars and the roofline, as explain and bench --report have them. Read html.h first. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/html.h"

/* ---- bars ----------------------------------------------------------------------------------- */

enum { BAR_HEIGHT = 14, BAR_STEP = 34, VALUE_ROOM = 74 };

static double bar_length(const html_bar *b)
{
    double sum = 0;
    for (size_t i = 0; i < b->n_parts; i++)
        sum += b->parts[i];
    return sum > b->most ? sum : b->most;
}

static void draw_bar(cli_out *out, const html_bar *b, const svg_axis *x, double top)
{
    double from = x->from, sum = 0;
    svg_label(out, 0, top + 11, "start", "", b->label);
    svg_rect(out, 0, top + 15, x->to, BAR_HEIGHT, "box", NULL);
    for (size_t i = 0; i < b->n_parts; i++) {
        char class[8];
        sum += b->parts[i];
        double to = svg_at(x, sum);
        snprintf(class, sizeof class, "s%zu", (b->colour + i) % HTML_COLOURS);
        svg_rect(out, from, top + 15, to - from, BAR_HEIGHT, class, b->label);
        from = to;
    }
    double end = svg_at(x, bar_length(b)), middle = top + 15 + BAR_HEIGHT / 2.0;
    if (b->most > 0) {
        svg_line(out, svg_at(x, b->least), middle, svg_at(x, b->most), middle, "most");
        svg_line(out, svg_at(x, b->least), middle - 4, svg_at(x, b->least), middle + 4, "most");
        svg_line(out, end, middle - 4, end, middle + 4, "most");
    }
    svg_label(out, HTML_WIDTH, top + 26, "end", "", b->value);
}

void html_bars(cli_out *out, const char *label, const html_bar *bars, size_t n)
{
    svg_axis x = {0, 0, 0, HTML_WIDTH - VALUE_ROOM, false};
    for (size_t i = 0; i < n; i++)
        x.most = bar_length(&bars[i]) > x.most ? bar_length(&bars[i]) : x.most;
    x.most = x.most > 0 ? x.most : 1;
    svg_begin(out, (double)(n * BAR_STEP + 2), label);
    for (size_t i = 0; i < n; i++)
        draw_bar(out, &bars[i], &x, (double)(i * BAR_STEP));
    svg_end(out);
}

/* ---- roofline ------------------------------------------------------------------------------- */

enum { ROOF_TOP = 12, ROOF_LEFT = 34, ROOF_RIGHT = HTML_WIDTH - 12, ROOF_BOTTOM = 220 };

static void draw_roof(cli_out *out, const probe_peaks *p, const svg_axis *x, const svg_axis *y,
                      double peak, const char *name)
{
    char text[64], count[32];
    double ridge = peak / p->read_bytes, left = p->read_bytes * x->least;
    double begin = left < y->least ? y->least / p->read_bytes : x->least;
    if (!(peak > 0))
        return;
    cli_printf(out, "<path class=\"roof\" d=\"M%.1f %.1fL%.1f %.1fL%.1f %.1f\"/>\n",
               svg_at(x, begin), svg_at(y, begin * p->read_bytes), svg_at(x, ridge),
               svg_at(y, peak), x->to, svg_at(y, peak));
    snprintf(text, sizeof text, "%s %sop/s", name, html_count(count, peak));
    svg_label(out, x->to, svg_at(y, peak) - 5, "end", "", text);
}

/* Numbers in the picture, names below: labels beside points would lie on one another. */
static void draw_points(cli_out *out, const html_point *points, size_t n, const svg_axis *x,
                        const svg_axis *y)
{
    for (size_t i = 0; i < n; i++) {
        char class[8], number[24];
        double at = svg_at(x, points[i].ops_per_byte), over = svg_at(y, points[i].ops);
        snprintf(class, sizeof class, "s%zu", points[i].colour % HTML_COLOURS);
        snprintf(number, sizeof number, "%zu", i + 1);
        cli_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"8\" class=\"%s\"><title>", at, over,
                   class);
        html_puts(out, points[i].label);
        cli_puts(out, "</title></circle>\n");
        svg_label(out, at, over + 4, "middle", "on", number);
    }
}

static void list_points(cli_out *out, const html_point *points, size_t n)
{
    cli_puts(out, "<div class=\"scroll\"><table>");
    for (size_t i = 0; i < n; i++) {
        char count[32];
        cli_printf(out, "<tr><td class=\"n\">%zu</td><td>", i + 1);
        html_puts(out, points[i].label);
        cli_printf(out, "</td><td class=\"n\">%.3g op/byte</td><td class=\"n\">%sop/s</td></tr>\n",
                   points[i].ops_per_byte, html_count(count, points[i].ops));
    }
    cli_puts(out, "</table></div>\n");
}

void html_roofline(cli_out *out, const probe_peaks *p, const html_point *points, size_t n)
{
    double peak = p->int_ops > p->float_ops ? p->int_ops : p->float_ops;
    svg_axis x = {0.25, 1024, ROOF_LEFT, ROOF_RIGHT, true};
    svg_axis y = {1e9, peak * 3, ROOF_BOTTOM, ROOF_TOP, true};
    for (size_t i = 0; i < n; i++) {
        while (points[i].ops_per_byte > 0 && points[i].ops_per_byte < x.least * 1.2)
            x.least /= 2;
        while (points[i].ops_per_byte > x.most / 1.2)
            x.most *= 2;
        while (points[i].ops > 0 && points[i].ops < y.least * 1.5)
            y.least /= 10;
        y.most = points[i].ops * 1.5 > y.most ? points[i].ops * 1.5 : y.most;
    }
    y.most = y.most > p->read_bytes ? y.most : p->read_bytes * 4;
    svg_begin(out, ROOF_BOTTOM + 34, "roofline: operations a second over operations for a byte");
    svg_ticks_y(out, &y, ROOF_LEFT, ROOF_RIGHT);
    svg_ticks_x(out, &x, ROOF_TOP, ROOF_BOTTOM);
    svg_label(out, ROOF_RIGHT, ROOF_BOTTOM + 29, "end", "dim", "operations for a byte read");
    svg_label(out, 0, ROOF_BOTTOM + 29, "start", "dim", "up: operations a second");
    draw_roof(out, p, &x, &y, p->int_ops, "int8");
    draw_roof(out, p, &x, &y, p->float_ops, "f32");
    draw_points(out, points, n, &x, &y);
    svg_end(out);
    list_points(out, points, n);
}
