/* explain_maps.c: attention maps, small ones of all heads and, folded away, larger ones; experts. A
 * map's cells are drawn by their strength: one path for all cells of a level, so that a page with
 * hundreds of maps stays small.
 */
#include "cli/explain_maps.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEVELS = 8, MOST_CELLS = 600000 };

/* 0: not drawn. Square roots, so that weak weights show. */
static size_t level_of(float weight)
{
    double level = sqrt((double)weight) * LEVELS;
    return level < 1 ? 0 : level >= LEVELS ? LEVELS : (size_t)level;
}

/* One head, each cell 1 x 1: rows are tokens that look, columns those they look at. */
static void define_map(const explain *x, size_t layer, size_t head, cli_out *out)
{
    size_t n = x->map_n, width = 1 + n;
    const float *map = x->layers[layer].map + head * n * width;
    cli_printf(out, "<symbol id=\"m%zu-%zu\" viewBox=\"0 0 %zu %zu\">\n", layer, head, width, n);
    cli_printf(out, "<rect class=\"box\" stroke-width=\".05\" width=\"%zu\" height=\"%zu\"/>\n",
               width, n);
    for (size_t level = 1; level <= LEVELS; level++) {
        bool begun = false;
        for (size_t row = 0; row < n; row++)
            for (size_t col = 0; col < width; col++)
                if (level_of(map[row * width + col]) == level) {
                    if (!begun)
                        cli_printf(out, "<path class=\"s0\" fill-opacity=\"%.2f\" d=\"",
                                   (double)level / LEVELS);
                    begun = true;
                    cli_printf(out, "M%zu %zuh1v1h-1z", col, row);
                }
        if (begun)
            cli_puts(out, "\"/>\n");
    }
    cli_puts(out, "</symbol>\n");
}

/* Small maps of all heads of a layer. */
static void put_strip(const explain *x, size_t layer, cli_out *out)
{
    size_t heads = x->layers[layer].info.n_heads, across = heads < 12 ? heads : 12;
    size_t rows = (heads + across - 1) / across;
    double cell = (double)HTML_WIDTH / (double)across;
    cell = cell > 60 ? 60 : cell;
    svg_begin(out, cell * (double)rows, "attention maps of a layer");
    for (size_t h = 0; h < heads; h++)
        cli_printf(out,
                   "<use href=\"#m%zu-%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                   "height=\"%.1f\"><title>layer %zu, head %zu</title></use>\n",
                   layer, h, cell * (double)(h % across), cell * (double)(h / across), cell - 2,
                   cell - 2, layer, h);
    svg_end(out);
}

static const char *describe_head(const explain *x, const explain_head *h, char out[300])
{
    char piece[200];
    snprintf(out, 300, "first %.2f, previous %.2f, self %.2f; %.1f bits; last token: '%.60s' %.2f",
             (double)h->first, (double)h->previous, (double)h->self, (double)h->bits,
             explain_piece(x, x->ids[h->best], piece), (double)h->best_weight);
    return out;
}

static void put_layer(const explain *x, size_t layer, cli_out *out)
{
    const explain_layer *l = &x->layers[layer];
    char text[300];
    cli_printf(out, "<details><summary>Layer %zu: <span class=\"mono\">", layer);
    for (size_t h = 0; h < l->info.n_heads; h++) {
        char kind = explain_head_kind(&l->heads[h]);
        cli_put(out, &kind, 1);
    }
    cli_puts(out, "</span>\n");
    put_strip(x, layer, out);
    cli_puts(out, "</summary><div class=\"maps\">\n");
    for (size_t h = 0; h < l->info.n_heads; h++) {
        cli_printf(out,
                   "<div><svg viewBox=\"0 0 100 100\"><use href=\"#m%zu-%zu\" width=\"100\" "
                   "height=\"100\"/></svg>head %zu: ",
                   layer, h, h);
        html_puts(out, describe_head(x, &l->heads[h], text));
        cli_puts(out, "</div>\n");
    }
    cli_puts(out, "</div></details>\n");
}

/* How many tokens took each expert, by strength. */
static void put_experts(const explain *x, cli_out *out)
{
    size_t n = x->model.max_experts;
    double cell = n > 64 ? (HTML_WIDTH - 24) / (double)n : 9;
    if (!n)
        return;
    cell = cell * (double)n > HTML_WIDTH - 24 ? (HTML_WIDTH - 24) / (double)n : cell;
    html_section(out, "Experts",
                 "A row for each layer, a cell for each expert: the more tokens of the prompt took "
                 "it, the stronger.");
    html_figure(out, "tokens that took an expert");
    svg_begin(out, 10.0 * x->model.n_layers + 4, "experts by layer");
    for (size_t i = 0; i < x->model.n_layers; i++) {
        const explain_layer *l = &x->layers[i];
        char text[64];
        snprintf(text, sizeof text, "%zu", i);
        if (i % 2 == 0)
            svg_label(out, 18, 9 + 10.0 * (double)i, "end", "dim", text);
        for (size_t e = 0; l->taken && e < l->info.n_experts; e++) {
            snprintf(text, sizeof text, "layer %zu, expert %zu: %u tokens", i, e, l->taken[e]);
            svg_rect(out, 22 + cell * (double)e, 1 + 10.0 * (double)i, cell - 1, 9, "box", text);
            cli_printf(out, "<g opacity=\"%.2f\">", (double)l->taken[e] / (double)x->n);
            svg_rect(out, 22 + cell * (double)e, 1 + 10.0 * (double)i, cell - 1,
                     l->taken[e] ? 9 : 0, "s2", text);
            cli_puts(out, "</g>\n");
        }
    }
    svg_end(out);
    html_figure_end(out);
    html_section_end(out);
}

/* Maps of every layer, or of every second, third ... where there would be too many cells. */
void explain_put_maps(const explain *x, cli_out *out)
{
    size_t cells = 0, step = 1;
    char text[600], before[80] = "";
    for (size_t i = 0; i < x->model.n_layers; i++)
        cells += (size_t)x->layers[i].info.n_heads * x->map_n * x->map_n / 2;
    while (cells / step > MOST_CELLS)
        step++;
    if (x->n > x->map_n)
        snprintf(before, sizeof before, "; the first column is all before the last %zu tokens",
                 x->map_n);
    snprintf(
        text, sizeof text,
        "A row is a token that looks, a column one it looks at%s. The stronger the colour, the "
        "more weight. A letter for each head tells what has half of its weight: F the first token, "
        "P the one before, S itself. Open a layer for larger maps.",
        before);
    html_section(out, "Attention", text);
    html_section_end(out);
    cli_puts(out, "<svg width=\"0\" height=\"0\" style=\"position:absolute;width:0\"><defs>\n");
    for (size_t i = 0; i < x->model.n_layers; i += step)
        for (size_t h = 0; h < x->layers[i].info.n_heads; h++)
            define_map(x, i, h, out);
    cli_puts(out, "</defs></svg>\n<div class=\"strips\">\n");
    for (size_t i = 0; i < x->model.n_layers; i += step)
        put_layer(x, i, out);
    cli_puts(out, "</div>\n");
    put_experts(x, out);
}
