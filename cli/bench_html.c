/* bench_html.c: the page of `mote bench --report`: speed, the machine, memory and quality of all
 * models side by side. Read bench.h and html.h first. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/html.h"

enum { MOST_BARS = 64, MOST_POINTS = 24 };

static void name_bar(html_bar *bar, const bench *b, const bench_model *m, const bench_result *r)
{
    char more[64] = "", batch[24] = "";
    if (r && (b->plan.threads.n > 1 || b->plan.n_kvs > 1 || b->plan.batches.n > 1)) {
        if (b->plan.batches.n > 1)
            snprintf(batch, sizeof batch, ", batch %zu", r->n_batch);
        snprintf(more, sizeof more, ", %u thread%s, %s%s", r->n_threads,
                 r->n_threads == 1 ? "" : "s", r->kv, batch);
    }
    snprintf(bar->label, sizeof bar->label, "%.30s %.8s%.24s", m->name, m->type, more);
    bar->colour = (size_t)(m - b->models) % HTML_COLOURS;
}

/* ---- speed ---------------------------------------------------------------------------------- */

/* All models' results of one test, as one picture. */
static void put_test(const bench *b, const char *name, cli_out *out)
{
    html_bar bars[MOST_BARS];
    char caption[96];
    size_t n = 0;
    for (size_t i = 0; i < b->n_models; i++)
        for (size_t j = 0; j < b->models[i].n && n < MOST_BARS; j++) {
            const bench_result *r = &b->models[i].results[j];
            if (strcmp(r->name, name) != 0)
                continue;
            bars[n] = (html_bar){.n_parts = 1, .least = r->least, .most = r->most};
            bars[n].parts[0] = r->median;
            name_bar(&bars[n], b, &b->models[i], r);
            snprintf(bars[n].value, sizeof bars[n].value, r->median < 100 ? "%.1f" : "%.0f",
                     r->median);
            n++;
        }
    snprintf(caption, sizeof caption, "%s: tokens a second, median; the line: least to most", name);
    html_figure(out, caption);
    html_bars(out, caption, bars, n);
    html_figure_end(out);
}

static void put_speed(const bench *b, cli_out *out)
{
    const bench_model *first = &b->models[0];
    char about[300];
    snprintf(about, sizeof about,
             "pp: a prompt of so many tokens, tg: generation of so many, @: with so many in the "
             "context before. %u thread%s at most, %s, %lld runs each.",
             b->peaks.n_threads, b->peaks.n_threads == 1 ? "" : "s", b->model.tier,
             (long long)b->opts.repeats);
    html_section(out, "Speed", about);
    for (size_t i = 0; i < first->n; i++) {
        bool again = false;
        for (size_t j = 0; j < i; j++)
            again = again || strcmp(first->results[i].name, first->results[j].name) == 0;
        if (!again)
            put_test(b, first->results[i].name, out);
    }
    html_section_end(out);
}

/* ---- roofline ------------------------------------------------------------------------------- */

static void put_roofline(const bench *b, cli_out *out)
{
    html_point points[MOST_POINTS];
    size_t n = 0;
    for (size_t i = 0; i < b->n_models; i++)
        for (size_t j = 0; j < b->models[i].n && n < MOST_POINTS; j++) {
            const bench_model *m = &b->models[i];
            const bench_result *r = &m->results[j];
            points[n] = (html_point){.ops_per_byte = r->ops / r->bytes,
                                     .ops = r->ops * r->median,
                                     .colour = i % HTML_COLOURS};
            snprintf(points[n].label, sizeof points[n].label, "%.40s %.8s %.20s: %.0f %% of %.8s",
                     m->name, m->type, r->name, 100 * r->share, r->limit);
            n++;
        }
    html_section(out, "The machine",
                 "What it can do at best, measured in the same run: under the slope memory is the "
                 "limit, under the flat roof arithmetic. Points above the slope had weights in a "
                 "cache.");
    html_figure(out, "roofline");
    html_roofline(out, &b->peaks, points, n);
    html_figure_end(out);
    html_section_end(out);
}

/* ---- memory, quality ------------------------------------------------------------------------ */

static void put_memory(const bench *b, cli_out *out)
{
    static const char *const parts[] = {"file", "keys and values", "scratch", "logits", "rest"};
    html_bar bars[1 + CLI_MAX_MODELS];
    for (size_t i = 0; i < b->n_models; i++) {
        const cli_memory *u = &b->models[i].used;
        const mote_session_plan *s = &u->session;
        double all[] = {(double)u->file, (double)s->kv_bytes, (double)s->scratch_bytes,
                        (double)s->logits_bytes,
                        (double)(u->total - s->kv_bytes - s->scratch_bytes - s->logits_bytes)};
        bars[i] = (html_bar){.n_parts = 5};
        memcpy(bars[i].parts, all, sizeof all);
        name_bar(&bars[i], b, &b->models[i], NULL);
        bars[i].colour = 0;
        cli_size(bars[i].value, u->file + u->total);
    }
    html_section(
        out, "Memory",
        "The file is mapped, not copied; the rest is allocated before the first token, the "
        "most of all tests.");
    html_figure(out, "bytes");
    html_legend(out, parts, 5);
    html_bars(out, "memory by use", bars, b->n_models);
    html_figure_end(out);
    html_section_end(out);
}

/* One number of the cards as bars; those without stay out. */
static void put_card_bars(const bench *b, bool kl, cli_out *out)
{
    html_bar bars[1 + CLI_MAX_MODELS];
    size_t n = 0;
    for (size_t i = 0; i < b->n_models; i++) {
        double v = kl ? b->models[i].mean_kl : 100 * b->models[i].same_top_1;
        if (!isfinite(v))
            continue;
        bars[n] = (html_bar){.n_parts = 1};
        bars[n].parts[0] = v;
        name_bar(&bars[n], b, &b->models[i], NULL);
        snprintf(bars[n++].value, sizeof bars->value, kl ? "%.4f" : "%.2f %%", v);
    }
    html_figure(out, kl ? "mean KL divergence from float, less is better"
                        : "same best token as float, more is better");
    html_bars(out, "quality", bars, n);
    html_figure_end(out);
}

static void put_quality(const bench *b, cli_out *out)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n_models; i++)
        n += isfinite(b->models[i].mean_kl) != 0;
    html_section(out, "Quality",
                 n ? "From the quality card that convert --card has put in the file."
                   : "No file here has a quality card: mote convert --card TEXT measures it.");
    if (n) {
        put_card_bars(b, true, out);
        put_card_bars(b, false, out);
    }
    html_section_end(out);
}

/* ---- all numbers ---------------------------------------------------------------------------- */

static void put_numbers(const bench *b, cli_out *out)
{
    static const char *const heads[] = {"model",  "type",      "test",      ">threads",
                                        "kv",     ">tokens/s", ">MB/token", ">GB/s",
                                        ">Gop/s", ">roofline", "limit"};
    html_section(out, "All numbers", "As mote bench prints them.");
    html_section_end(out);
    html_table(out, heads, 11, 50);
    for (size_t i = 0; i < b->n_models; i++)
        for (size_t j = 0; j < b->models[i].n; j++) {
            const bench_result *r = &b->models[i].results[j];
            html_row(out);
            html_cell(out, b->models[i].name);
            html_cell(out, b->models[i].type);
            html_cell(out, r->name);
            html_number(out, "%u", r->n_threads);
            html_cell(out, r->kv);
            html_number(out, "%.2f", r->median);
            html_number(out, "%.2f", r->bytes / 1e6);
            html_number(out, "%.2f", r->bytes * r->median / 1e9);
            html_number(out, "%.1f", r->ops * r->median / 1e9);
            html_number(out, "%.0f %%", 100 * r->share);
            html_cell(out, r->limit);
            html_row_end(out);
        }
    html_table_end(out);
}

void bench_print_html(const bench *b, cli_out *out)
{
    html_begin(out, "Speed, memory and quality");
    put_speed(b, out);
    put_roofline(b, out);
    put_memory(b, out);
    put_quality(b, out);
    put_numbers(b, out);
    html_end(out, "mote bench --report");
}
