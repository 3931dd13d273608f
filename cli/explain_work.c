/* explain_work.c: what each stage reads and computes, from the tensors of the file. The sum over
 * all stages of one token is what `mote bench` counts for it, and the bytes are decode_read_bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/explain.h"

/* Where a layer's tensor is used; those not named here go by their beginning. */
static size_t stage_of(const char *name)
{
    static const struct {
        const char *begins;
        mote_stage_kind stage;
    } uses[] = {{"o", MOTE_STAGE_OUTPUT},         {"v_up", MOTE_STAGE_OUTPUT},
                {"attn_post", MOTE_STAGE_OUTPUT}, {"router", MOTE_STAGE_HIDDEN},
                {"gate", MOTE_STAGE_HIDDEN},      {"up", MOTE_STAGE_HIDDEN},
                {"shared_down", MOTE_STAGE_DOWN}, {"shared", MOTE_STAGE_HIDDEN},
                {"mlp_post", MOTE_STAGE_DOWN},    {"mlp", MOTE_STAGE_HIDDEN},
                {"down", MOTE_STAGE_DOWN}};
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
        if (strncmp(name, uses[i].begins, strlen(uses[i].begins)) == 0)
            return uses[i].stage - MOTE_STAGE_QUERIES;
    return 0;
}

/* n_rows rows, and of n_mats matrices those that are read, and taken by each row. */
static void add_tensor(explain_work *w, const mote_tensor_info *t, double n_rows, double read,
                       double taken)
{
    double ops = t->k > 1 ? 2 * (double)t->rows * (double)t->k * n_rows * taken : 0;
    w->weight_bytes += (double)t->bytes * read / t->n_mats;
    if (cli_is_float(t->type))
        w->float_ops += ops;
    else
        w->int_ops += ops;
}

/* Experts of a layer that some row of the prompt took. */
static double count_met(const explain_layer *l)
{
    double n = 0;
    for (size_t i = 0; i < l->info.n_experts; i++)
        n += l->taken[i] > 0;
    return n;
}

static void add_layer_tensor(const explain *x, explain_layer *l, const char *name,
                             const mote_tensor_info *t)
{
    size_t stage = stage_of(name);
    bool experts =
        l->taken && t->n_mats == l->info.n_experts &&
        (strcmp(name, "gate") == 0 || strcmp(name, "up") == 0 || strcmp(name, "down") == 0);
    for (size_t pass = 0; pass < EXPLAIN_PASSES; pass++) {
        double rows = pass == PASS_PROMPT ? (double)x->n : 1, used = l->info.n_experts_used;
        double met = pass == PASS_PROMPT ? count_met(l) : used;
        add_tensor(&l->work[pass][stage], t, rows, experts ? met : t->n_mats,
                   experts ? used : t->n_mats);
    }
    if (t->k > 1 && l->n_matrices[stage] < EXPLAIN_TENSORS)
        l->matrices[stage][l->n_matrices[stage]++] = *t;
}

static double cached_vector_bytes(const char *kv, double n)
{
    double bytes = strcmp(kv, "f32") == 0 ? 4 * n : 2 * n;
    return strcmp(kv, "q8") == 0 ? n + 2 * (double)(((size_t)n + 31) / 32) : bytes;
}

/* Scores and sums of values over the positions that the rows of a pass see. */
static void add_attention(explain *x, explain_layer *l, size_t pass)
{
    const mote_layer_info *i = &l->info;
    explain_work *w = &l->work[pass][MOTE_STAGE_ATTEND - MOTE_STAGE_QUERIES];
    bool whole = strcmp(i->attention, "whole") == 0, latent = strcmp(i->attention, "latent") == 0;
    const char *kv = x->is_encoder ? "f32" : x->o->kv;
    double seen = 0, most = 0, vector = cached_vector_bytes(kv, i->key_dim);
    for (size_t row = pass == PASS_PROMPT ? 0 : x->n - 1; row < x->n; row++) {
        size_t n = whole ? x->n : row + 1;
        n = i->window && n > i->window ? i->window : n;
        seen += (double)n;
    }
    most = pass == PASS_PROMPT ? (double)x->n : seen;
    w->attention_ops = 2.0 * i->n_heads * (i->key_dim + i->value_dim) * seen;
    double position =
        latent ? vector : i->n_kv_heads * (vector + cached_vector_bytes(kv, i->value_dim));
    w->cache_bytes = position * most;
    x->position_bytes += pass == PASS_TOKEN ? position : 0;
}

/* A tensor of no layer: the table of embeddings is looked into, all others are read. */
static void add_global(explain *x, const mote_tensor_info *t, bool tied)
{
    bool table = strcmp(t->name, "embed") == 0 || strcmp(t->name, "positions") == 0;
    bool embeds = strncmp(t->name, "rope", 4) == 0 || strncmp(t->name, "embed_norm", 10) == 0 ||
                  strcmp(t->name, "types") == 0;
    for (size_t pass = 0; pass < EXPLAIN_PASSES; pass++) {
        explain_work *to = embeds ? &x->embed[pass] : &x->head[pass];
        if (table && !(tied && strcmp(t->name, "embed") == 0))
            continue;
        add_tensor(to, t, embeds ? 0 : 1, t->n_mats, t->n_mats);
    }
}

void explain_count(explain *x)
{
    mote_tensor_info t;
    bool tied = !x->is_encoder;
    for (size_t i = 0; i < x->engine.info.n_tensors; i++) {
        mote_image_get_tensor(&x->engine.image, i, &t);
        tied = tied && strcmp(t.name, "head") != 0;
    }
    for (size_t i = 0; i < x->engine.info.n_tensors; i++) {
        char *end;
        mote_image_get_tensor(&x->engine.image, i, &t);
        if (t.is_tokenizer)
            continue;
        if (strncmp(t.name, "layers.", 7) != 0) {
            add_global(x, &t, tied);
            continue;
        }
        unsigned long layer = strtoul(t.name + 7, &end, 10);
        if (*end == '.' && layer < x->model.n_layers)
            add_layer_tensor(x, &x->layers[layer], end + 1, &t);
    }
    for (size_t i = 0; i < x->model.n_layers; i++)
        for (size_t pass = 0; pass < EXPLAIN_PASSES; pass++)
            add_attention(x, &x->layers[i], pass);
}
