/* html.c: the writer of pages and pictures. Read html.h first. */
#include "cli/html.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/utf8.h"

/* ---- text ----------------------------------------------------------------------------------- */

void html_text(cli_out *out, const char *text, size_t bytes)
{
    for (size_t i = 0, k; i < bytes; i += k) {
        unsigned char c = (unsigned char)text[i];
        k = cli_utf8_length(text + i, bytes - i);
        bool c1 = k == 2 && c == 0xc2 && (unsigned char)text[i + 1] < 0xa0;
        bool none = k == 3 && c == 0xef && (unsigned char)text[i + 1] == 0xbf &&
                    (unsigned char)text[i + 2] >= 0xbe; /* U+FFFE, U+FFFF: not in XML */
        if (!k || c < 0x20 || c == 0x7f || c1 || none) {
            k = 1;
            cli_printf(out, "\\x%02x", c);
        } else if (c == '<' || c == '>' || c == '&' || c == '"') {
            cli_puts(out, c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : "&quot;");
        } else {
            cli_put(out, text + i, k);
        }
    }
}

void html_puts(cli_out *out, const char *text) { html_text(out, text, strlen(text)); }

const char *html_count(char text[32], double x)
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    size_t unit = 0;
    while (x >= 999.5 && unit < 4) {
        x /= 1000;
        unit++;
    }
    snprintf(text, 32, (unit && x < 99.95) || (x < 9.95 && x != floor(x)) ? "%.1f%s" : "%.0f%s", x,
             units[unit]);
    return text;
}

const char *html_seconds(char text[32], double s)
{
    double x = s >= 1 ? s : s >= 1e-3 ? s * 1e3 : s * 1e6;
    snprintf(text, 32,
             x < 9.95    ? "%.2f %s"
             : x < 99.95 ? "%.1f %s"
                         : "%.0f %s",
             x,
             s >= 1      ? "s"
             : s >= 1e-3 ? "ms"
                         : "µs");
    return text;
}

/* ---- the page ------------------------------------------------------------------------------- */

static const char *const style[] = {
    ":root{--bg:#fff;--fg:#1b1f24;--dim:#5b6570;--line:#d8dde3;--card:#f5f7f9;--on:#fff;"
    "--s0:#2f6fd0;--s1:#d9801a;--s2:#2a9a68;--s3:#a9499a;--s4:#c9413a;--s5:#7b8794;"
    "color-scheme:light dark}",
    "@media (prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e6e9ed;--dim:#9aa5b1;"
    "--line:#343b43;--card:#1d2228;--on:#0d1013;--s0:#6ea3f2;--s1:#f0a550;--s2:#56c596;"
    "--s3:#d886cb;--s4:#f07a72;--s5:#98a4b0}}",
    "*{box-sizing:border-box}"
    "body{margin:0 auto;max-width:1180px;padding:16px;background:var(--bg);color:var(--fg);"
    "font:15px/1.5 system-ui,sans-serif}"
    "h1{font-size:1.5em;margin:.2em 0;overflow-wrap:anywhere}"
    "h2{font-size:1.15em;margin:0 0 .2em}h3{font-size:1em;margin:.8em 0 .2em}"
    "section{margin:28px 0 8px}p{margin:.3em 0 .8em;max-width:75ch}"
    "p,figcaption,.note,footer{color:var(--dim)}footer{margin:32px 0 8px;font-size:.85em;"
    "overflow-wrap:anywhere}",
    "div.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));"
    "gap:16px;align-items:start}"
    "figure{margin:0;padding:12px;background:var(--card);border:1px solid var(--line);"
    "border-radius:8px;min-width:0;max-width:640px}"
    "figcaption{font-size:.85em;margin-bottom:6px}"
    "svg{display:block;width:100%;max-width:560px;height:auto;margin:0 auto}",
    ".scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.88em;width:100%}"
    "th,td{padding:3px 8px;text-align:left;border-bottom:1px solid var(--line);"
    "vertical-align:top}th{color:var(--dim);font-weight:600}"
    "td.n,th.n{text-align:right;white-space:nowrap;font-variant-"
    "numeric:tabular-nums}"
    "code,.mono{font:.92em ui-monospace,monospace}",
    ".legend{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:.85em;margin:0 0 6px}"
    ".legend i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:5px}"
    ".tokens{display:flex;flex-wrap:wrap;gap:4px}"
    ".tokens span{display:inline-block;padding:2px 6px;border-radius:4px;background:var(--card);"
    "border:1px solid var(--line);text-align:center;font:.9em ui-monospace,monospace;"
    "white-space:pre-wrap;overflow-wrap:anywhere;max-width:100%}"
    ".tokens small{display:block;color:var(--dim);font-size:.78em}",
    ".maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(104px,1fr));gap:8px}"
    ".maps div{font-size:.72em;color:var(--dim);text-align:center;overflow-wrap:anywhere}"
    ".strips{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));"
    "gap:8px 16px}"
    "details[open]{grid-column:1/-1}summary{cursor:pointer;font-size:.85em}"
    "summary svg{max-width:none;margin-top:3px}details[open] summary svg{display:none}"
    ".cards{display:flex;flex-wrap:wrap;gap:8px;margin:10px 0}"
    ".cards div{background:var(--card);border:1px solid var(--line);border-radius:8px;"
    "padding:6px 12px}.cards b{display:block;font-size:1.1em}.cards span{color:var(--dim);"
    "font-size:.82em}",
    "svg text{font:11px system-ui,sans-serif;fill:var(--fg)}svg .dim{fill:var(--dim)}"
    "svg .on{fill:var(--on)}"
    "line.grid{stroke:var(--line);stroke-width:1}line.axis{stroke:var(--dim);stroke-width:1}"
    "line.most{stroke:var(--fg);stroke-width:1.2}path.roof{stroke:var(--fg);stroke-width:2;fill:"
    "none}"
    "path.c{fill:none;stroke-width:1.8}rect.box{fill:var(--bg);stroke:var(--line)}",
    ".s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}"
    ".s4{fill:var(--s4)}.s5{fill:var(--s5)}"
    "path.c.s0{stroke:var(--s0)}path.c.s1{stroke:var(--s1)}path.c.s2{stroke:var(--s2)}"
    ".b0{background:var(--s0)}.b1{background:var(--s1)}.b2{background:var(--s2)}"
    ".b3{background:var(--s3)}.b4{background:var(--s4)}.b5{background:var(--s5)}"};

void html_begin(cli_out *out, const char *title)
{
    cli_puts(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
                  "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n"
                  "<title>");
    html_puts(out, title);
    cli_puts(out, "</title>\n<style>\n");
    for (size_t i = 0; i < sizeof style / sizeof *style; i++) {
        cli_puts(out, style[i]);
        cli_puts(out, "\n");
    }
    cli_puts(out, "</style></head>\n<body><h1>");
    html_puts(out, title);
    cli_puts(out, "</h1>\n");
}

void html_end(cli_out *out, const char *command)
{
    cli_puts(out, "<footer>mote " MOTE_VERSION ", <code>");
    html_puts(out, command);
    cli_puts(out, "</code></footer>\n</body></html>\n");
}

void html_section(cli_out *out, const char *title, const char *about)
{
    cli_puts(out, "<section><h2>");
    html_puts(out, title);
    cli_puts(out, "</h2>\n<p>");
    html_puts(out, about);
    cli_puts(out, "</p>\n<div class=\"grid\">\n");
}

void html_section_end(cli_out *out) { cli_puts(out, "</div></section>\n"); }

void html_figure(cli_out *out, const char *caption)
{
    cli_puts(out, "<figure><figcaption>");
    html_puts(out, caption);
    cli_puts(out, "</figcaption>\n");
}

void html_figure_end(cli_out *out) { cli_puts(out, "</figure>\n"); }

void html_legend(cli_out *out, const char *const *names, size_t n)
{
    cli_puts(out, "<div class=\"legend\">");
    for (size_t i = 0; i < n; i++) {
        cli_printf(out, "<span><i class=\"b%zu\"></i>", i % HTML_COLOURS);
        html_puts(out, names[i]);
        cli_puts(out, "</span>");
    }
    cli_puts(out, "</div>\n");
}

/* ---- tables --------------------------------------------------------------------------------- */

void html_table(cli_out *out, const char *const *heads, size_t n, unsigned least_em)
{
    cli_printf(out, "<div class=\"scroll\"><table style=\"min-width:%uem\"><tr>", least_em);
    for (size_t i = 0; i < n; i++) {
        cli_puts(out, *heads[i] == '>' ? "<th class=\"n\">" : "<th>");
        html_puts(out, heads[i] + (*heads[i] == '>'));
        cli_puts(out, "</th>");
    }
    cli_puts(out, "</tr>\n");
}

void html_row(cli_out *out) { cli_puts(out, "<tr>"); }

void html_cell(cli_out *out, const char *text)
{
    cli_puts(out, "<td>");
    html_puts(out, text);
    cli_puts(out, "</td>");
}

void html_number(cli_out *out, const char *format, ...)
{
    char text[128];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_puts(out, "<td class=\"n\">");
    html_puts(out, text);
    cli_puts(out, "</td>");
}

void html_row_end(cli_out *out) { cli_puts(out, "</tr>\n"); }

void html_table_end(cli_out *out) { cli_puts(out, "</table></div>\n"); }

/* ---- pictures ------------------------------------------------------------------------------- */

void svg_begin(cli_out *out, double height, const char *label)
{
    cli_printf(out, "<svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"", HTML_WIDTH, height);
    html_puts(out, label);
    cli_puts(out, "\">\n");
}

void svg_end(cli_out *out) { cli_puts(out, "</svg>\n"); }

/* The end of a shape, with what a pointer over it shows. */
static void end_shape(cli_out *out, const char *name, const char *title)
{
    if (!title) {
        cli_puts(out, "/>\n");
        return;
    }
    cli_puts(out, "><title>");
    html_puts(out, title);
    cli_printf(out, "</title></%s>\n", name);
}

void svg_rect(cli_out *out, double x, double y, double w, double h, const char *class,
              const char *title)
{
    if (!(w > 0) || !(h > 0))
        return;
    cli_printf(out, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" class=\"%s\"", x, y,
               w, h, class);
    end_shape(out, "rect", title);
}

void svg_line(cli_out *out, double x1, double y1, double x2, double y2, const char *class)
{
    cli_printf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1,
               y1, x2, y2, class);
}

void svg_label(cli_out *out, double x, double y, const char *anchor, const char *class,
               const char *text)
{
    cli_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor,
               class);
    html_puts(out, text);
    cli_puts(out, "</text>\n");
}

double svg_at(const svg_axis *a, double x)
{
    double part = a->log ? log(x / a->least) / log(a->most / a->least)
                         : (x - a->least) / (a->most - a->least);
    return a->from + part * (a->to - a->from);
}

void svg_curve(cli_out *out, const svg_axis *x, const svg_axis *y, const double *values, size_t n,
               const char *class)
{
    bool begun = false;
    cli_printf(out, "<path class=\"c %s\" d=\"", class);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]) || (y->log && values[i] <= 0))
            continue;
        cli_printf(out, "%s%.1f %.1f", begun ? "L" : "M", svg_at(x, (double)i),
                   svg_at(y, values[i]));
        begun = true;
    }
    cli_puts(out, begun ? "\"/>\n" : "M0 0\"/>\n");
}

/* 1, 2 or 5 times a power of ten that cuts the range in at most `most` parts. */
static double round_step(double range, double most)
{
    double step = pow(10, floor(log10(range / most)));
    while (range / step > most)
        step *= range / (step * 2) <= most ? 2 : range / (step * 5) <= most ? 5 : 10;
    return step;
}

typedef void tick_fn(cli_out *out, double at, const char *text, double a, double b);

static void tick_y(cli_out *out, double at, const char *text, double left, double right)
{
    svg_line(out, left, at, right, at, "grid");
    svg_label(out, left - 4, at + 4, "end", "dim", text);
}

static void tick_x(cli_out *out, double at, const char *text, double top, double bottom)
{
    svg_line(out, at, top, at, bottom, "grid");
    svg_label(out, at, bottom + 14, "middle", "dim", text);
}

static const char *tick_text(char text[32], double x)
{
    static const char *const units[] = {"", "k", "M", "G", "T"};
    size_t unit = 0;
    for (; x >= 1000 && unit < 4; unit++)
        x /= 1000;
    snprintf(text, 32, "%g%s", x, units[unit]);
    return text;
}

static void ticks(cli_out *out, const svg_axis *a, size_t room, tick_fn *tick, double from,
                  double to)
{
    char text[32];
    if (a->log) {
        double decades = log10(a->most / a->least), by = pow(10, ceil(decades / (double)room));
        for (double x = pow(10, ceil(log10(a->least) - 1e-9)); x <= a->most * 1.0001; x *= by)
            tick(out, svg_at(a, x), tick_text(text, x), from, to);
        return;
    }
    double step = round_step(a->most - a->least, (double)room);
    for (double i = ceil(a->least / step - 1e-9); i * step <= a->most * 1.0001; i++)
        tick(out, svg_at(a, i * step), tick_text(text, fabs(i * step)), from, to);
}

void svg_ticks_y(cli_out *out, const svg_axis *y, double left, double right)
{
    ticks(out, y, 5, tick_y, left, right);
}

void svg_ticks_x(cli_out *out, const svg_axis *x, double top, double bottom)
{
    ticks(out, x, 6, tick_x, top, bottom);
}
