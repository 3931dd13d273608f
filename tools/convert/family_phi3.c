/* family_phi3.c: Phi-3, Phi-3.5 and Phi-4-mini: q, k, v in one tensor, gate and up in another;
 * longrope; only part of a head turns in the last. Read graph.h first. */
#include "tools/convert/graph.h"

static void describe_phi3(graph *g)
{
    dense d = dense_read(g, 0);
    d.fused = true;
    d.layer.window = config_count_or(g, "sliding_window", 1, MOTE_MAX_CONTEXT, 0);
    dense_read_partial(g, &d, 1);
    dense_finish(g, &d);
}

const family family_phi3 = {
    .model_type = "phi3",
    .architecture = "Phi3ForCausalLM",
    .options = (const char *const[]){"sliding_window", "partial_rotary_factor",
                                     "original_max_position_embeddings", "embd_pdrop",
                                     "resid_pdrop", NULL},
    .describe = describe_phi3,
};
