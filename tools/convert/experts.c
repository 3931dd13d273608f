/* experts.c: what the families with experts share: one layer's router, experts and shared expert.
 * Read graph.h and dense.c first.
 *
 * Below "model.layers.i." (h: hidden, n: experts, ff: an expert's width), by expert_names:
 *   ROUTER [n, h] | EXPERTS.e.{GATE,UP} [ff, h] | EXPERTS.e.DOWN [h, ff]
 *   SHARED.{gate,up}_proj [shared_ff, h] | SHARED.down_proj [h, shared_ff] | SHARED_MIX [1, h]
 */
#include "tools/convert/graph.h"

#include <stdio.h>

#define NAME_BYTES 96

static const char *join(char out[NAME_BYTES], uint32_t layer, const char *name, const char *end)
{
    snprintf(out, NAME_BYTES, "model.layers.%u.%s%s", layer, name, end);
    return out;
}

static void check_record(graph *g, const mote_layer *l)
{
    if (l->n_groups && l->n_experts % l->n_groups == 0 && l->n_groups_used <= l->n_groups &&
        l->n_experts_used <= l->n_experts / l->n_groups * l->n_groups_used)
        return;
    graph_fail(g, MOTE_ERR_FILE, "%s: %u experts in %u groups, of which %u in %u groups are chosen",
               g->src->config_file, l->n_experts, l->n_groups, l->n_experts_used, l->n_groups_used);
}

static void add_shared(graph *g, uint32_t i, uint64_t h, uint64_t ff, const expert_names *names)
{
    char full[NAME_BYTES];
    graph_add_matrix(g, i + 1, MOTE_L_SHARED_GATE,
                     join(full, i, names->shared, ".gate_proj.weight"), ff, h, 0);
    graph_add_matrix(g, i + 1, MOTE_L_SHARED_UP, join(full, i, names->shared, ".up_proj.weight"),
                     ff, h, 0);
    graph_add_matrix(g, i + 1, MOTE_L_SHARED_DOWN,
                     join(full, i, names->shared, ".down_proj.weight"), h, ff, 0);
    if (names->shared_mix)
        graph_add_matrix(g, i + 1, MOTE_L_SHARED_MIX, join(full, i, names->shared_mix, ".weight"),
                         1, h, 0);
}

void experts_add(graph *g, const dense *d, uint32_t i, const mote_layer *like,
                 const expert_names *names)
{
    char full[NAME_BYTES];
    mote_layer *l = g->status ? NULL : &g->layers[i];
    const uint64_t h = d->hidden;
    if (!l)
        return;
    l->mlp = MOTE_MLP_EXPERTS;
    l->ff = like->ff;
    l->n_experts = like->n_experts;
    l->n_experts_used = like->n_experts_used;
    l->n_groups = like->n_groups;
    l->n_groups_used = like->n_groups_used;
    l->shared_ff = like->shared_ff;
    l->router = like->router;
    l->router_scale = like->router_scale;
    check_record(g, l);
    graph_add_matrix(g, i + 1, MOTE_L_ROUTER, join(full, i, names->router, ".weight"), l->n_experts,
                     h, 0);
    join(full, i, names->experts, "");
    graph_add_experts(g, i + 1, MOTE_L_GATE, full, names->gate, l->n_experts, l->ff, h);
    graph_add_experts(g, i + 1, MOTE_L_UP, full, names->up, l->n_experts, l->ff, h);
    graph_add_experts(g, i + 1, MOTE_L_DOWN, full, names->down, l->n_experts, h, l->ff);
    if (l->shared_ff)
        add_shared(g, i, h, l->shared_ff, names);
}
