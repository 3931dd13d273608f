/* family_llama.c: Llama and what has its shape: SmolLM, SmolLM2, TinyLlama, Llama 2 and 3; Mistral.
 * The first to read beside docs/families.md. Read graph.h first. */
#include "tools/convert/graph.h"

static void describe_llama(graph *g)
{
    dense d = dense_read(g, 0);
    if (config_flag_or(g, "attention_bias", false))
        d.layer.biases |= MOTE_BIAS_Q | MOTE_BIAS_K | MOTE_BIAS_V | MOTE_BIAS_O;
    if (config_flag_or(g, "mlp_bias", false))
        d.layer.biases |= MOTE_BIAS_GATE | MOTE_BIAS_UP | MOTE_BIAS_DOWN;
    dense_finish(g, &d);
}

/* As llama without biases. Every layer has the window. */
static void describe_mistral(graph *g)
{
    dense d = dense_read(g, 0);
    d.layer.window = dense_read_window(g);
    dense_finish(g, &d);
}

const family family_llama = {
    .model_type = "llama",
    .architecture = "LlamaForCausalLM",
    .options = (const char *const[]){"attention_bias", "mlp_bias", NULL},
    .describe = describe_llama,
};

const family family_mistral = {
    .model_type = "mistral",
    .architecture = "MistralForCausalLM",
    .options = (const char *const[]){"sliding_window", NULL},
    .describe = describe_mistral,
};
