/* explain_text.c: what explain found, for a terminal. Read explain.h first. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/explain.h"
#include "cli/html.h"

/* ---- words ---------------------------------------------------------------------------------- */

void explain_describe(const explain_layer *l, char *out, size_t cap)
{
    const mote_layer_info *i = &l->info;
    char mlp[96], window[32] = "";
    if (i->window)
        snprintf(window, sizeof window, ", a window of %u", i->window);
    snprintf(mlp, sizeof mlp, "%s MLP of %u", i->mlp, i->ff);
    if (i->n_experts)
        snprintf(mlp, sizeof mlp, "%u of %u experts of %u%s", i->n_experts_used, i->n_experts,
                 i->ff, i->shared_ff ? " and a shared one" : "");
    snprintf(out, cap, "%s attention, %u heads of %u, %u for keys and values%s; %s", i->attention,
             i->n_heads, i->key_dim, i->n_kv_heads, window, mlp);
}

char explain_head_kind(const explain_head *h)
{
    return h->first >= 0.5f ? 'F' : h->previous >= 0.5f ? 'P' : h->self >= 0.5f ? 'S' : '.';
}

size_t explain_kind(const explain *x, size_t i)
{
    size_t kind = 0;
    while (kind < i && !explain_same_kind(&x->layers[kind], &x->layers[i]))
        kind++;
    return kind;
}

void explain_list_kind(const explain *x, size_t kind, char *out, size_t cap)
{
    size_t at = 0, n_layers = x->model.n_layers;
    *out = 0;
    for (size_t i = kind, last; i < n_layers && at < cap; i = last + 1) {
        last = i;
        if (explain_kind(x, i) != kind)
            continue;
        while (last + 1 < n_layers && explain_kind(x, last + 1) == kind)
            last++;
        at += (size_t)snprintf(out + at, cap - at, last > i + 1 ? "%s%zu to %zu" : "%s%zu",
                               at ? ", " : "", i, last);
        last = last == i + 1 ? i : last;
    }
}

/* ---- parts ---------------------------------------------------------------------------------- */

static void print_head(const explain *x, cli_out *out)
{
    const mote_team *team = cli_team(&x->engine);
    const char *type = x->engine.info.weight_type;
    cli_printf(out, "%s %s: %u layers of %u, %u tokens known; %s, %u thread%s\n", x->name,
               type ? type : "", x->model.n_layers, x->model.hidden, x->model.n_vocab,
               x->model.tier, team ? team->n_threads : 1, team ? "s" : "");
}

static void print_tokens(const explain *x, cli_out *out)
{
    char piece[200];
    cli_puts(out, "\nTokens\n  pos      id  |embedding|  piece\n");
    for (size_t i = 0; i < x->n; i++)
        cli_printf(out, "%5zu %7d %12.3f  '%s'\n", i, x->ids[i], x->embed_norm[i],
                   explain_piece(x, x->ids[i], piece));
}

static void print_kind(const explain *x, size_t kind, cli_out *out)
{
    const explain_layer *l = &x->layers[kind];
    char text[600], list[400], ops[32], bytes[32];
    explain_describe(l, text, sizeof text);
    explain_list_kind(x, kind, list, sizeof list);
    cli_printf(out, "\nLayer %s: ", list);
    cli_printf(out, "%s\n  %-10s %10s %10s  %s\n", text, "stage", "reads", "op/token", "matrices");
    for (size_t s = 0; s < EXPLAIN_STAGES; s++) {
        const explain_work *w = &l->work[PASS_TOKEN][s];
        explain_shapes(l, s, text, sizeof text);
        cli_printf(out, "  %-10s %10s %10s  %s\n", explain_stages[s],
                   cli_size(bytes, (uint64_t)(w->weight_bytes + w->cache_bytes)),
                   html_count(ops, explain_ops(w)),
                   *text ? text : "softmax(q . keys) . values, over the positions so far");
    }
}

/* Microseconds of a layer's stages. */
static void print_times(const explain_layer *l, size_t pass, cli_out *out)
{
    cli_puts(out, " |");
    for (size_t s = 0; s < EXPLAIN_STAGES; s++)
        cli_printf(out, " %6.0f", l->work[pass][s].seconds * 1e6);
}

static void print_layers(const explain *x, cli_out *out)
{
    size_t passes = explain_passes(x);
    cli_printf(out,
               "\nEach layer: mean length of what attention and MLP add to x and of x after it;\n"
               "microseconds of its stages for the prompt (%zu tokens)%s\n%5s %9s %9s %9s %9s",
               x->n, passes > 1 ? " and for one token more" : "", "layer", "+attn", "|x|", "+mlp",
               "|x|");
    for (size_t p = 0; p < passes; p++)
        cli_printf(out, " | %6s %6s %6s %6s %6s", "qkv", "attn", "out", "gateup", "down");
    cli_puts(out, "\n");
    for (size_t i = 0; i < x->model.n_layers; i++) {
        const explain_layer *l = &x->layers[i];
        cli_printf(out, "%5zu %9.3f %9.3f %9.3f %9.3f", i, l->added[0], l->norm[0], l->added[1],
                   l->norm[1]);
        for (size_t p = 0; p < passes; p++)
            print_times(l, p, out);
        cli_puts(out, "\n");
    }
}

static void print_work(const char *name, const explain_work *w, cli_out *out)
{
    char weights[32], cache[32], ops[32], seconds[32], rate[32], speed[32];
    double bytes = w->weight_bytes + w->cache_bytes;
    cli_printf(out, "  %-10s %9s %9s %9s %9s %7sB/s %7sop/s\n", name,
               cli_size(weights, (uint64_t)w->weight_bytes),
               cli_size(cache, (uint64_t)w->cache_bytes), html_count(ops, explain_ops(w)),
               html_seconds(seconds, w->seconds),
               html_count(rate, w->seconds > 0 ? bytes / w->seconds : 0),
               html_count(speed, w->seconds > 0 ? explain_ops(w) / w->seconds : 0));
}

static void print_pass(const explain *x, size_t pass, cli_out *out)
{
    cli_printf(out, "  %-10s %9s %9s %9s %9s\n", "", "weights", "cache", "op", "time");
    print_work("embedding", &x->embed[pass], out);
    for (size_t s = 0; s < EXPLAIN_STAGES; s++) {
        const explain_work sum = explain_sum(x, pass, s);
        print_work(explain_stages[s], &sum, out);
    }
    print_work(x->is_encoder ? "pooling" : "logits", &x->head[pass], out);
    const explain_work all = explain_sum(x, pass, EXPLAIN_STAGES);
    print_work("all", &all, out);
}

static void print_sums(const explain *x, cli_out *out)
{
    cli_printf(out, "\nAll layers, the prompt of %zu in one go (best of %d passes)\n", x->n,
               EXPLAIN_REPEATS);
    print_pass(x, PASS_PROMPT, out);
    if (!x->is_encoder) {
        cli_puts(out, "\nThe same, one token more\n");
        print_pass(x, PASS_TOKEN, out);
    }
    const probe_peaks *p = &x->peaks;
    if (p->n_threads)
        cli_printf(out, "This machine at best: reads %.1f GB/s, %.0f Gop/s of int8, %.0f of f32\n",
                   p->read_bytes / 1e9, p->int_ops / 1e9, p->float_ops / 1e9);
}

/* A letter for every head; the last position's favourite of the first head that is spread. */
static void print_heads(const explain *x, cli_out *out)
{
    cli_puts(out, "\nHeads: half of the weight on F the first token, P the one before, S itself;\n"
                  "bits: the mean entropy of all heads; the strongest look of the last token\n");
    for (size_t i = 0; i < x->model.n_layers; i++) {
        const explain_layer *l = &x->layers[i];
        size_t best = 0;
        double bits = 0;
        char piece[200];
        cli_printf(out, "%5zu ", i);
        for (size_t h = 0; h < l->info.n_heads; h++) {
            char kind = explain_head_kind(&l->heads[h]);
            cli_put(out, &kind, 1);
            bits += (double)l->heads[h].bits / l->info.n_heads;
            best = l->heads[h].best_weight > l->heads[best].best_weight ? h : best;
        }
        const explain_head *h = &l->heads[best];
        cli_printf(out, "  %5.2f bits  head %zu at %u '%s' (%.2f)\n", bits, best, h->best,
                   explain_piece(x, x->ids[h->best], piece), (double)h->best_weight);
    }
}

static void print_experts(const explain *x, cli_out *out)
{
    if (!x->model.max_experts)
        return;
    cli_puts(out, "\nExperts: how many of the tokens took each\n");
    for (size_t i = 0; i < x->model.n_layers; i++) {
        cli_printf(out, "%5zu ", i);
        for (size_t e = 0; x->layers[i].taken && e < x->layers[i].info.n_experts; e++)
            cli_printf(out, " %u", x->layers[i].taken[e]);
        cli_puts(out, "\n");
    }
}

static void print_top(const explain *x, const explain_token *top, size_t n, cli_out *out)
{
    char piece[200];
    for (size_t i = 0; i < n; i++)
        cli_printf(out, "%5zu %7d %9.3f %8.4f  '%s'\n", i + 1, top[i].id, (double)top[i].logit,
                   (double)top[i].p, explain_piece(x, top[i].id, piece));
}

static void print_choice(const explain *x, cli_out *out)
{
    const cli_opts *o = x->o;
    char piece[200];
    cli_puts(out, "\nLogits, the best\n rank      id     logit        p  piece\n");
    print_top(x, x->top, x->n_top, out);
    if (!x->among.by_top_k) {
        cli_printf(out, "\nSampler: temperature 0, the best: %d '%s'\n", x->chosen,
                   explain_piece(x, x->chosen, piece));
        return;
    }
    cli_printf(out,
               "\nSampler: top-k %lld leaves %zu, top-p %g leaves %zu, min-p %g leaves %zu; shares "
               "at temperature %g\n rank      id     logit    share  piece\n",
               (long long)o->top_k, x->among.by_top_k, o->top_p, x->among.by_top_p, o->min_p,
               x->among.by_min_p, o->temperature);
    print_top(x, x->candidates, x->n_candidates, out);
    cli_printf(out, "drawn with seed %" PRIu64 ": %d '%s'\n", x->seed, x->chosen,
               explain_piece(x, x->chosen, piece));
}

static void print_embedding(const explain *x, cli_out *out)
{
    size_t n = x->encoder.info.n_out;
    cli_printf(out, "\nEmbedding of %zu numbers:", n);
    for (size_t i = 0; i < n && i < 8; i++)
        cli_printf(out, " %.4f", (double)x->encoder.out[i]);
    cli_puts(out, n > 8 ? " ...\n" : "\n");
}

static void print_diff(const explain *x, cli_out *out)
{
    const explain_diff *d = &x->diff;
    char piece[200], other[200];
    if (!d->error)
        return;
    cli_printf(out,
               "\nDifference of %s %s: |x' - x| / |x|, mean of all tokens\n  embedding %.5f\n"
               "%5s %11s %11s\n",
               d->name, d->type ? d->type : "", d->error[0], "layer", "attention", "MLP");
    for (size_t i = 0; i < x->model.n_layers; i++)
        cli_printf(out, "%5zu %11.5f %11.5f\n", i, d->error[1 + 2 * i], d->error[2 + 2 * i]);
    if (x->is_encoder) {
        cli_printf(out, "cosine of the embeddings %.6f\n", d->cosine);
        return;
    }
    cli_printf(out,
               "KL divergence of the next token: mean %.5f, of the last %.5f; same best at %zu of "
               "%zu positions\n rank        p  piece              |        p  piece\n",
               d->mean_kl, d->kl[x->n - 1], d->n_same, x->n);
    for (size_t i = 0; i < x->n_top && i < d->n_top; i++)
        cli_printf(out, "%5zu %8.4f  %-18s | %8.4f  %s\n", i + 1, (double)x->top[i].p,
                   explain_piece(x, x->top[i].id, piece), (double)d->top[i].p,
                   explain_piece(x, d->top[i].id, other));
}

void explain_print_text(const explain *x, cli_out *out)
{
    print_head(x, out);
    print_tokens(x, out);
    for (size_t i = 0; i < x->model.n_layers; i++)
        if (explain_kind(x, i) == i)
            print_kind(x, i, out);
    print_layers(x, out);
    print_sums(x, out);
    print_heads(x, out);
    print_experts(x, out);
    if (x->is_encoder)
        print_embedding(x, out);
    else
        print_choice(x, out);
    print_diff(x, out);
}
