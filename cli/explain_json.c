/* explain_json.c: what explain found, as one JSON object. Read explain.h first. */
#include "cli/explain.h"

static void put_work(cli_out *out, const char *key, const explain_work *w)
{
    cli_json_key(out, key);
    cli_json_open(out, '{');
    cli_json_real(out, "weight_bytes", w->weight_bytes);
    cli_json_real(out, "cache_bytes", w->cache_bytes);
    cli_json_real(out, "int_ops", w->int_ops);
    cli_json_real(out, "float_ops", w->float_ops);
    cli_json_real(out, "attention_ops", w->attention_ops);
    cli_json_real(out, "seconds", w->seconds);
    cli_json_close(out, '}');
}

static void put_passes(const explain *x, cli_out *out, const explain_work *prompt,
                       const explain_work *token)
{
    put_work(out, "prompt", prompt);
    if (!x->is_encoder)
        put_work(out, "token", token);
}

static void put_tokens(const explain *x, cli_out *out)
{
    cli_json_key(out, "tokens");
    cli_json_open(out, '[');
    for (size_t i = 0; i < x->n; i++) {
        mote_text piece = mote_token_piece(x->engine.tokenizer, x->ids[i]);
        cli_json_open(out, '{');
        cli_json_int(out, "id", x->ids[i]);
        cli_json_key(out, "piece");
        cli_json_string(out, piece.ptr, piece.bytes);
        cli_json_real(out, "embedding_norm", x->embed_norm[i]);
        cli_json_close(out, '}');
    }
    cli_json_close(out, ']');
}

static void put_stages(const explain *x, cli_out *out, const explain_layer *l)
{
    cli_json_key(out, "stages");
    cli_json_open(out, '[');
    for (size_t s = 0; s < EXPLAIN_STAGES; s++) {
        cli_json_open(out, '{');
        cli_json_text(out, "stage", explain_stages[s]);
        cli_json_key(out, "matrices");
        cli_json_open(out, '[');
        for (size_t i = 0; i < l->n_matrices[s]; i++) {
            const mote_tensor_info *t = &l->matrices[s][i];
            cli_json_open(out, '{');
            cli_json_text(out, "name", t->name);
            cli_json_uint(out, "matrices", t->n_mats);
            cli_json_uint(out, "rows", t->rows);
            cli_json_uint(out, "k", t->k);
            cli_json_text(out, "type", t->type);
            cli_json_close(out, '}');
        }
        cli_json_close(out, ']');
        put_passes(x, out, &l->work[PASS_PROMPT][s], &l->work[PASS_TOKEN][s]);
        cli_json_close(out, '}');
    }
    cli_json_close(out, ']');
}

static void put_heads(const explain *x, cli_out *out, const explain_layer *l)
{
    size_t width = 1 + x->map_n;
    cli_json_key(out, "heads");
    cli_json_open(out, '[');
    for (size_t h = 0; h < l->info.n_heads; h++) {
        const explain_head *head = &l->heads[h];
        const float *last = l->map + ((h + 1) * x->map_n - 1) * width;
        cli_json_open(out, '{');
        cli_json_real(out, "first", (double)head->first);
        cli_json_real(out, "previous", (double)head->previous);
        cli_json_real(out, "self", (double)head->self);
        cli_json_real(out, "entropy_bits", (double)head->bits);
        cli_json_real(out, "last_row_before_map", (double)last[0]);
        cli_json_key(out, "last_row");
        cli_json_open(out, '[');
        for (size_t i = 1; i < width; i++)
            cli_json_real(out, NULL, (double)last[i]);
        cli_json_close(out, ']');
        cli_json_close(out, '}');
    }
    cli_json_close(out, ']');
}

static void put_layer(const explain *x, cli_out *out, const explain_layer *l)
{
    cli_json_open(out, '{');
    cli_json_text(out, "attention", l->info.attention);
    cli_json_text(out, "mlp", l->info.mlp);
    cli_json_text(out, "norms", l->info.norms);
    cli_json_uint(out, "n_heads", l->info.n_heads);
    cli_json_uint(out, "n_kv_heads", l->info.n_kv_heads);
    cli_json_uint(out, "key_dim", l->info.key_dim);
    cli_json_uint(out, "value_dim", l->info.value_dim);
    cli_json_uint(out, "window", l->info.window);
    cli_json_uint(out, "ff", l->info.ff);
    cli_json_real(out, "attention_added", l->added[0]);
    cli_json_real(out, "norm_after_attention", l->norm[0]);
    cli_json_real(out, "mlp_added", l->added[1]);
    cli_json_real(out, "norm_after_mlp", l->norm[1]);
    put_stages(x, out, l);
    put_heads(x, out, l);
    if (l->taken) {
        cli_json_key(out, "experts_taken");
        cli_json_open(out, '[');
        for (size_t i = 0; i < l->info.n_experts; i++)
            cli_json_uint(out, NULL, l->taken[i]);
        cli_json_close(out, ']');
    }
    cli_json_close(out, '}');
}

static void put_top(const explain *x, cli_out *out, const char *key, const explain_token *top,
                    size_t n)
{
    cli_json_key(out, key);
    cli_json_open(out, '[');
    for (size_t i = 0; i < n; i++) {
        mote_text piece = mote_token_piece(x->engine.tokenizer, top[i].id);
        cli_json_open(out, '{');
        cli_json_int(out, "id", top[i].id);
        cli_json_key(out, "piece");
        cli_json_string(out, piece.ptr, piece.bytes);
        cli_json_real(out, "logit", (double)top[i].logit);
        cli_json_real(out, "p", (double)top[i].p);
        cli_json_close(out, '}');
    }
    cli_json_close(out, ']');
}

static void put_reals(cli_out *out, const char *key, const double *x, size_t n)
{
    cli_json_key(out, key);
    cli_json_open(out, '[');
    for (size_t i = 0; i < n; i++)
        cli_json_real(out, NULL, x[i]);
    cli_json_close(out, ']');
}

static void put_choice(const explain *x, cli_out *out)
{
    put_top(x, out, "logits", x->top, x->n_top);
    cli_json_key(out, "sampler");
    cli_json_open(out, '{');
    cli_json_uint(out, "seed", x->seed);
    cli_json_uint(out, "left_by_top_k", x->among.by_top_k);
    cli_json_uint(out, "left_by_top_p", x->among.by_top_p);
    cli_json_uint(out, "left_by_min_p", x->among.by_min_p);
    put_top(x, out, "candidates", x->candidates, x->n_candidates);
    cli_json_int(out, "chosen", x->chosen);
    cli_json_close(out, '}');
}

static void put_diff(const explain *x, cli_out *out)
{
    const explain_diff *d = &x->diff;
    if (!d->error)
        return;
    cli_json_key(out, "diff");
    cli_json_open(out, '{');
    cli_json_text(out, "model", d->name);
    cli_json_text(out, "weight_type", d->type);
    put_reals(out, "error", d->error, 1 + 2 * (size_t)x->model.n_layers);
    if (x->is_encoder) {
        cli_json_real(out, "cosine", d->cosine);
    } else {
        put_reals(out, "kl", d->kl, x->n);
        cli_json_uint(out, "same_top_1", d->n_same);
        put_top(x, out, "logits", d->top, d->n_top);
    }
    cli_json_close(out, '}');
}

void explain_print_json(const explain *x, cli_out *out)
{
    cli_json_open(out, '{');
    cli_json_text(out, "model", x->name);
    cli_json_text(out, "weight_type", x->engine.info.weight_type);
    cli_json_text(out, "isa", x->model.tier);
    put_tokens(x, out);
    cli_json_key(out, "embedding");
    cli_json_open(out, '{');
    put_passes(x, out, &x->embed[PASS_PROMPT], &x->embed[PASS_TOKEN]);
    cli_json_close(out, '}');
    cli_json_key(out, "layers");
    cli_json_open(out, '[');
    for (size_t i = 0; i < x->model.n_layers; i++)
        put_layer(x, out, &x->layers[i]);
    cli_json_close(out, ']');
    cli_json_key(out, "head");
    cli_json_open(out, '{');
    put_passes(x, out, &x->head[PASS_PROMPT], &x->head[PASS_TOKEN]);
    cli_json_close(out, '}');
    if (x->is_encoder)
        cli_json_uint(out, "embedding_numbers", x->encoder.info.n_out);
    else
        put_choice(x, out);
    put_diff(x, out);
    cli_json_close(out, '}');
    cli_json_end_line(out);
}
