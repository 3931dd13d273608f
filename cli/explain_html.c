/* explain_html.c: what explain found, as a page with pictures. Read explain.h and html.h first;
 * explain_maps.c draws the attention maps. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/explain_maps.h"

static const char *const pass_names[EXPLAIN_PASSES] = {"the prompt in one go", "one token more"};

/* ---- the beginning -------------------------------------------------------------------------- */

static void card(cli_out *out, const char *value, const char *name)
{
    cli_puts(out, "<div><b>");
    html_puts(out, value);
    cli_puts(out, "</b><span>");
    html_puts(out, name);
    cli_puts(out, "</span></div>\n");
}

static void put_cards(const explain *x, cli_out *out)
{
    char text[64], number[32];
    const explain_work token = explain_sum(x, PASS_TOKEN, EXPLAIN_STAGES);
    cli_puts(out, "<div class=\"cards\">\n");
    card(out, html_count(text, (double)x->model.n_parameters), "parameters");
    snprintf(text, sizeof text, "%u of %u", x->model.n_layers, x->model.hidden);
    card(out, text, "layers, and their width");
    card(out, cli_size(text, x->model.weight_bytes), "weights");
    snprintf(text, sizeof text, "%zu", x->n);
    card(out, text, "tokens of the prompt");
    if (!x->is_encoder) {
        snprintf(text, sizeof text, "%sop", html_count(number, explain_ops(&token)));
        card(out, text, "for one token more");
        card(out, cli_size(text, (uint64_t)(token.weight_bytes + token.cache_bytes)),
             "read for it");
        card(out, html_seconds(text, token.seconds), "its time");
    }
    cli_puts(out, "</div>\n");
}

static void put_tokens(const explain *x, cli_out *out)
{
    char piece[200];
    html_section(out, "Tokens",
                 "The text is cut into pieces the model knows, each with a number; "
                 "under it the number and the length of its embedding vector.");
    html_section_end(out);
    cli_puts(out, "<div class=\"tokens\">");
    for (size_t i = 0; i < x->n; i++) {
        cli_puts(out, "<span>");
        html_puts(out, explain_piece(x, x->ids[i], piece));
        cli_printf(out, "<small>%d · %.2f</small></span>\n", x->ids[i], x->embed_norm[i]);
    }
    cli_puts(out, "</div>\n");
}

/* ---- layers --------------------------------------------------------------------------------- */

/* What a stage computes, the norms where this layer has them. */
static void put_formula(const explain *x, const explain_layer *l, size_t stage, cli_out *out)
{
    const char *norms = l->info.norms;
    const bool before = !strcmp(norms, "before") || !strcmp(norms, "both");
    const bool after = !strcmp(norms, "after") || !strcmp(norms, "both");
    const char *of_x = before ? "norm(x)" : "x",
               *part = stage + MOTE_STAGE_QUERIES == MOTE_STAGE_DOWN ? "down h" : "O attended";
    char text[200];
    switch (stage + MOTE_STAGE_QUERIES) {
    case MOTE_STAGE_QUERIES:
        snprintf(text, sizeof text, "q, k, v = W %s%s", of_x,
                 x->is_encoder ? "" : "; positions turn q and k; k and v go into the cache");
        break;
    case MOTE_STAGE_ATTEND:
        snprintf(text, sizeof text, "for each head: softmax(q . keys) . values");
        break;
    case MOTE_STAGE_HIDDEN:
        if (!strcmp(l->info.mlp, "plain"))
            snprintf(text, sizeof text, "h = act(up %s)", of_x);
        else
            snprintf(text, sizeof text, "h = act(gate %s) * (up %s)", of_x, of_x);
        break;
    default:
        snprintf(text, sizeof text,
                 !strcmp(norms, "sum") ? "x = norm(x + %s)"
                 : after               ? "x = x + norm(%s)"
                                       : "x = x + %s",
                 part);
    }
    html_cell(out, text);
}

static void put_kind(const explain *x, size_t kind, cli_out *out)
{
    static const char *const heads[] = {"stage", "computes", "matrices", ">reads", ">op a token"};
    const explain_layer *l = &x->layers[kind];
    char text[600], size[32], list[400];
    explain_describe(l, text, sizeof text);
    explain_list_kind(x, kind, list, sizeof list);
    cli_puts(out, "<h3>Layer ");
    html_puts(out, list);
    cli_puts(out, ": ");
    html_puts(out, text);
    cli_puts(out, "</h3>\n");
    html_table(out, heads, 5, 48);
    for (size_t s = 0; s < EXPLAIN_STAGES; s++) {
        const explain_work *w = &l->work[PASS_TOKEN][s];
        explain_shapes(l, s, text, sizeof text);
        html_row(out);
        html_cell(out, explain_stages[s]);
        put_formula(x, l, s, out);
        html_cell(out, text);
        html_number(out, "%s", cli_size(size, (uint64_t)(w->weight_bytes + w->cache_bytes)));
        html_number(out, "%s", html_count(size, explain_ops(w)));
        html_row_end(out);
    }
    html_table_end(out);
}

static void put_kinds(const explain *x, cli_out *out)
{
    html_section(out, "A layer",
                 "Every layer reads the stream x, adds what attention finds in other tokens, then "
                 "what its MLP makes of each token. Layers of one shape and type stand together.");
    html_section_end(out);
    for (size_t i = 0; i < x->model.n_layers; i++)
        if (explain_kind(x, i) == i)
            put_kind(x, i, out);
}

/* Microseconds that a layer may take at most to be drawn whole: other work on the machine makes
 * single ones many times as long. */
static double longest(const explain *x, size_t pass)
{
    size_t n = x->model.n_layers;
    double *us = calloc(n, sizeof *us), most = 1e-9;
    for (size_t i = 0; us && i < n; i++)
        for (size_t s = 0; s < EXPLAIN_STAGES; s++)
            us[i] += x->layers[i].work[pass][s].seconds * 1e6;
    if (us) {
        cli_sort(us, n);
        most = us[n - 1] < 3 * us[n / 2] ? us[n - 1] : 3 * us[n / 2];
    }
    free(us);
    return most > 1e-9 ? most : 1e-9;
}

/* Every layer a bar, its stages in colours, from top to bottom. */
static void draw_costs(const explain *x, size_t pass, cli_out *out)
{
    enum { STEP = 9, LEFT = 24, TOP = 4 };
    size_t n = x->model.n_layers;
    double bottom = TOP + (double)n * STEP;
    svg_axis at = {0, longest(x, pass), LEFT, HTML_WIDTH - 6, false};
    svg_begin(out, bottom + 32, "time of every layer by stage");
    svg_ticks_x(out, &at, TOP, bottom);
    svg_label(out, HTML_WIDTH, bottom + 29, "end", "dim", "microseconds");
    for (size_t i = 0; i < n; i++) {
        double sum = 0, top = TOP + (double)i * STEP;
        char text[96], class[8], label[24];
        snprintf(label, sizeof label, "%zu", i);
        if (i % 5 == 0)
            svg_label(out, LEFT - 4, top + 8, "end", "dim", label);
        for (size_t s = 0; s < EXPLAIN_STAGES; s++) {
            double us = x->layers[i].work[pass][s].seconds * 1e6;
            snprintf(class, sizeof class, "s%zu", s);
            snprintf(text, sizeof text, "layer %zu, %s: %.1f µs", i, explain_stages[s], us);
            svg_rect(out, svg_at(&at, sum), top, svg_at(&at, us) - at.from, STEP - 2, class, text);
            sum += us;
        }
    }
    svg_end(out);
}

static void put_pass_table(const explain *x, size_t pass, cli_out *out)
{
    static const char *const heads[] = {"stage", ">weights", ">cache", ">op", ">time", ">B/s"};
    html_table(out, heads, 6, 0);
    for (size_t s = 0; s < EXPLAIN_STAGES + 3; s++) {
        char text[32];
        bool is_layer = s >= 1 && s <= EXPLAIN_STAGES, all = s == EXPLAIN_STAGES + 2;
        explain_work w = is_layer ? explain_sum(x, pass, s - 1)
                         : all    ? explain_sum(x, pass, EXPLAIN_STAGES)
                         : s      ? x->head[pass]
                                  : x->embed[pass];
        html_row(out);
        html_cell(out, is_layer ? explain_stages[s - 1]
                       : all    ? "all"
                       : !s     ? "embedding"
                                : (x->is_encoder ? "pooling" : "logits"));
        html_number(out, "%s", cli_size(text, (uint64_t)w.weight_bytes));
        html_number(out, "%s", cli_size(text, (uint64_t)w.cache_bytes));
        html_number(out, "%s", html_count(text, explain_ops(&w)));
        html_number(out, "%s", html_seconds(text, w.seconds));
        html_number(
            out, "%s",
            html_count(text, w.seconds > 0 ? (w.weight_bytes + w.cache_bytes) / w.seconds : 0));
        html_row_end(out);
    }
    html_table_end(out);
}

static void put_costs(const explain *x, cli_out *out)
{
    html_section(
        out, "What it costs",
        x->is_encoder
            ? "Time of every stage, the best of five passes. A text multiplies each weight "
              "by all its tokens and is bound by operations."
            : "Time of every stage, the best of five passes. A prompt multiplies each "
              "weight by many tokens and is bound by operations; one token more reads all "
              "weights again and is bound by memory.");
    for (size_t p = 0; p < explain_passes(x); p++) {
        html_figure(out, pass_names[p]);
        html_legend(out, explain_stages, EXPLAIN_STAGES);
        draw_costs(x, p, out);
        put_pass_table(x, p, out);
        html_figure_end(out);
    }
    html_section_end(out);
}

/* ---- the stream ----------------------------------------------------------------------------- */

enum { CURVE_TOP = 8, CURVE_BOTTOM = 190, CURVE_LEFT = 44, CURVE_RIGHT = HTML_WIDTH - 8 };

/* n_curves curves of n numbers above 0, over the layers. */
static void draw_curves(cli_out *out, const char *label, const double *const *curves,
                        size_t n_curves, size_t n)
{
    svg_axis at = {0, n > 1 ? (double)(n - 1) : 1, CURVE_LEFT, CURVE_RIGHT, false};
    svg_axis y = {HUGE_VAL, 0, CURVE_BOTTOM, CURVE_TOP, true};
    for (size_t c = 0; c < n_curves; c++)
        for (size_t i = 0; i < n; i++) {
            double v = curves[c][i];
            y.most = v > y.most ? v : y.most;
            y.least = v > 0 && v < y.least ? v : y.least;
        }
    y.least = y.most > 0 ? pow(10, floor(log10(y.least))) : 0.1;
    y.most = y.most > 0 ? pow(10, ceil(log10(y.most) + 1e-9)) : 1;
    svg_begin(out, CURVE_BOTTOM + 32, label);
    svg_ticks_y(out, &y, CURVE_LEFT, CURVE_RIGHT);
    svg_ticks_x(out, &at, CURVE_TOP, CURVE_BOTTOM);
    svg_label(out, CURVE_RIGHT, CURVE_BOTTOM + 29, "end", "dim", "layer");
    for (size_t c = 0; c < n_curves; c++) {
        char class[24];
        snprintf(class, sizeof class, "s%zu", c);
        svg_curve(out, &at, &y, curves[c], n, class);
        for (size_t i = 0; n == 1 && i < n; i++) /* a line of one point cannot be seen */
            svg_rect(out, at.from, svg_at(&y, curves[c][i] > 0 ? curves[c][i] : y.least), 5, 5,
                     class, NULL);
    }
    svg_end(out);
}

static void put_stream(const explain *x, cli_out *out)
{
    static const char *const names[] = {"x after the layer", "added by attention",
                                        "added by the MLP"};
    size_t n = x->model.n_layers;
    double *v = malloc(3 * n * sizeof *v);
    if (!v)
        return;
    for (size_t i = 0; i < n; i++) {
        v[i] = x->layers[i].norm[1];
        v[n + i] = x->layers[i].added[0];
        v[2 * n + i] = x->layers[i].added[1];
    }
    const double *const curves[] = {v, v + n, v + 2 * n};
    html_section(
        out, "The stream x",
        "Mean length over the tokens of x and of what each part adds to it. A jump is often "
        "one token, mostly the first, that takes on huge numbers: others look at it when "
        "they have nothing to look for.");
    html_figure(out, "length of vectors");
    html_legend(out, names, 3);
    draw_curves(out, "lengths over the layers", curves, 3, n);
    html_figure_end(out);
    html_section_end(out);
    free(v);
}

/* ---- the machine ---------------------------------------------------------------------------- */

static void add_point(html_point *p, const char *label, const explain_work *w, size_t colour)
{
    double bytes = w->weight_bytes + w->cache_bytes;
    *p = (html_point){.colour = colour};
    snprintf(p->label, sizeof p->label, "%s", label);
    p->ops_per_byte = bytes > 0 ? explain_ops(w) / bytes : 0;
    p->ops = w->seconds > 0 ? explain_ops(w) / w->seconds : 0;
}

static void put_roofline(const explain *x, cli_out *out)
{
    html_point points[EXPLAIN_PASSES * 3];
    size_t n = 0;
    if (!x->peaks.n_threads)
        return;
    for (size_t p = 0; p < explain_passes(x); p++) {
        char label[96];
        const explain_work all = explain_sum(x, p, EXPLAIN_STAGES),
                           mlp = explain_sum(x, p, MOTE_STAGE_HIDDEN - MOTE_STAGE_QUERIES);
        snprintf(label, sizeof label, "%s, all", pass_names[p]);
        add_point(&points[n++], label, &all, p);
        snprintf(label, sizeof label, "%s, gate and up", pass_names[p]);
        add_point(&points[n++], label, &mlp, p);
    }
    html_section(
        out, "The machine and this model",
        "Under the slope memory is the limit, under the flat roof arithmetic. A point's "
        "distance to the roof is what is left to gain. Weights that fit in a cache can lie "
        "above the slope, which is that of main memory.");
    html_figure(out, "roofline, measured now");
    html_roofline(out, &x->peaks, points, n);
    html_figure_end(out);
    html_section_end(out);
}

/* ---- what comes out ------------------------------------------------------------------------- */

static void draw_tokens(const explain *x, const explain_token *top, size_t n, int32_t chosen,
                        size_t colour, const char *label, cli_out *out)
{
    html_bar bars[EXPLAIN_TOP];
    for (size_t i = 0; i < n; i++) {
        char piece[200];
        bars[i] = (html_bar){.n_parts = 1, .colour = top[i].id == chosen ? 1 : colour};
        snprintf(bars[i].label, sizeof bars[i].label, "'%.40s'%s",
                 explain_piece(x, top[i].id, piece), top[i].id == chosen ? "  chosen" : "");
        snprintf(bars[i].value, sizeof bars[i].value, "%.4f", (double)top[i].p);
        bars[i].parts[0] = (double)top[i].p;
    }
    html_figure(out, label);
    html_bars(out, label, bars, n);
    html_figure_end(out);
}

static void put_choice(const explain *x, cli_out *out)
{
    char text[300];
    const cli_opts *o = x->o;
    if (!x->among.by_top_k)
        snprintf(text, sizeof text, "At temperature 0 the best token is taken.");
    else
        snprintf(text, sizeof text,
                 "top-k %lld leaves %zu candidates, top-p %g of these %zu, min-p %g of these %zu; "
                 "one is drawn at temperature %g with seed %llu.",
                 (long long)o->top_k, x->among.by_top_k, o->top_p, x->among.by_top_p, o->min_p,
                 x->among.by_min_p, o->temperature, (unsigned long long)x->seed);
    html_section(out, "The next token", text);
    draw_tokens(x, x->top, x->n_top, x->chosen, 0, "probabilities from the logits", out);
    if (x->n_candidates)
        draw_tokens(x, x->candidates, x->n_candidates, x->chosen, 2, "shares of the sampler's draw",
                    out);
    html_section_end(out);
}

/* Each number of the embedding, in order. */
static void put_embedding(const explain *x, cli_out *out)
{
    enum { HALF = 60, LEFT = 44 };
    size_t n = x->encoder.info.n_out;
    double most = 0, wide = (double)(HTML_WIDTH - LEFT - 8) / (double)n;
    char text[160];
    for (size_t i = 0; i < n; i++)
        most = fabs((double)x->encoder.out[i]) > most ? fabs((double)x->encoder.out[i]) : most;
    snprintf(text, sizeof text,
             "The text as %zu numbers: texts of like meaning point the same way. The largest is "
             "%.3f.",
             n, most);
    html_section(out, "The embedding", text);
    html_figure(out, "its numbers, upwards and downwards from 0");
    svg_begin(out, 2 * HALF + 8, "the numbers of the embedding");
    for (size_t i = 0; i < n && most > 0; i++) {
        double v = (double)x->encoder.out[i] / most * HALF;
        svg_rect(out, LEFT + wide * (double)i, v > 0 ? HALF + 4 - v : HALF + 4, wide, fabs(v),
                 v > 0 ? "s0" : "s1", NULL);
    }
    svg_line(out, LEFT, HALF + 4, HTML_WIDTH - 8, HALF + 4, "axis");
    svg_end(out);
    html_figure_end(out);
    html_section_end(out);
}

static void put_diff(const explain *x, cli_out *out)
{
    static const char *const names[] = {"after attention", "after the MLP"};
    const explain_diff *d = &x->diff;
    size_t n = x->model.n_layers;
    char text[300];
    double *v = d->error ? malloc(2 * n * sizeof *v) : NULL;
    if (!v)
        return;
    for (size_t i = 0; i < n; i++) {
        v[i] = d->error[1 + 2 * i];
        v[n + i] = d->error[2 + 2 * i];
    }
    if (x->is_encoder)
        snprintf(text, sizeof text, "The cosine of the two embeddings is %.6f.", d->cosine);
    else
        snprintf(
            text, sizeof text,
            "KL divergence of the next token: mean %.5f, of the last %.5f; the same best token "
            "at %zu of %zu positions.",
            d->mean_kl, d->kl[x->n - 1], d->n_same, x->n);
    const double *const curves[] = {v, v + n};
    snprintf(text + strlen(text), sizeof text - strlen(text), " Compared with: %s %s.", d->name,
             d->type ? d->type : "");
    html_section(out, "The other type", text);
    html_figure(out, "|x' - x| / |x|, mean of all tokens");
    html_legend(out, names, 2);
    draw_curves(out, "error over the layers", curves, 2, n);
    html_figure_end(out);
    if (!x->is_encoder)
        draw_tokens(x, d->top, d->n_top, -1, 3, "its probabilities of the next token", out);
    html_section_end(out);
    free(v);
}

void explain_print_html(const explain *x, cli_out *out)
{
    char title[200];
    const char *type = x->engine.info.weight_type;
    snprintf(title, sizeof title, "%s, %s, step by step", x->name, type ? type : "");
    html_begin(out, title);
    put_cards(x, out);
    put_tokens(x, out);
    put_kinds(x, out);
    put_stream(x, out);
    explain_put_maps(x, out);
    put_costs(x, out);
    put_roofline(x, out);
    if (x->is_encoder)
        put_embedding(x, out);
    else
        put_choice(x, out);
    put_diff(x, out);
    html_end(out, "mote explain");
}
