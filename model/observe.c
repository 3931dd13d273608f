/* observe.c: what who watches a pass is told (mote_hooks.stage), and what a layer is. Nothing here
 * changes a result; a build without MOTE_WATCH has none of it. Read forward.c first.
 */
#include "model/pieces.h"

#if MOTE_WATCH

void mote_show_stage(mote_run *r, uint32_t thread, const mote_model_layer *l, mote_stage_kind kind)
{
    const mote_stage stage = {.kind = kind,
                              .layer = l ? (uint32_t)(l - r->model->layers) : 0,
                              .x = r->lead->x,
                              .n_rows = r->n_rows,
                              .hidden = r->model->index->hidden,
                              .run = r};
    if (thread == 0)
        r->hooks->stage(r->hooks->user, &stage);
    mote_barrier(r, thread);
}

size_t mote_stage_experts(const mote_stage *stage, size_t row, uint16_t *experts, float *weights)
{
#if MOTE_EXPERTS
    const mote_run *r = stage->run;
    const mote_layer *rec = r->model->layers[stage->layer].rec;
    const mote_routes *from = &r->lead->routes;
    size_t used = rec->n_experts_used;
    if (stage->kind != MOTE_STAGE_HIDDEN || !mote_has_experts(rec))
        return 0;
    memcpy(experts, from->expert + row * used, used * sizeof *experts);
    memcpy(weights, from->weight + row * used, used * sizeof *weights);
    return used;
#else
    (void)stage, (void)row, (void)experts, (void)weights;
    return 0;
#endif
}

void mote_model_get_layer(const mote_model *m, uint32_t i, mote_layer_info *info)
{
    static const char *const attentions[] = {"none", "grouped", "latent", "whole"};
    static const char *const mlps[] = {"none", "gated", "plain", "experts"};
    static const char *const norms[] = {"before", "both", "after", "sum"};
    const mote_layer *rec = m->layers[i].rec;
    bool latent = rec->attn == MOTE_ATTN_LATENT;
    *info = (mote_layer_info){.attention = attentions[rec->attn],
                              .mlp = mlps[rec->mlp],
                              .norms = norms[rec->norm_place],
                              .n_heads = rec->n_heads,
                              .n_kv_heads = rec->n_kv_heads,
                              .key_dim = rec->head_dim,
                              .value_dim = latent ? rec->kv_rank : rec->head_dim,
                              .window = rec->window,
                              .ff = rec->ff,
                              .n_experts = rec->n_experts,
                              .n_experts_used = rec->n_experts_used,
                              .shared_ff = rec->shared_ff};
}

#endif
