/* names.c: the names of tensors as other tools see them, written once. Read format.h first. */
#include <string.h>

#include "include/mote_error.h"
#include "loader/image.h"

/* By enum mote_type (kernels/quant.h). */
static const char *const type_names[] = {"f32", "f16", "bf16", "q8", "q4", "q4_0", "q4_1"};

const char *mote_type_name(uint32_t type)
{
    return type < sizeof type_names / sizeof *type_names ? type_names[type] : NULL;
}

#if MOTE_ERROR_TEXTS

static const char *const file_names[MOTE_KIND_END] = {
    [MOTE_T_HEADER] = "__tok__.header",
    [MOTE_T_PIECES] = "__tok__.pieces",
    [MOTE_T_PIECE_ENDS] = "__tok__.piece_ends",
    [MOTE_T_FLAGS] = "__tok__.flags",
    [MOTE_T_SPLITS] = "__tok__.splits",
    [MOTE_T_RANKS] = "__tok__.ranks",
    [MOTE_T_ADDED] = "__tok__.added",
    [MOTE_T_ADDED_TEXT] = "__tok__.added_text",
    [MOTE_T_CLASSES] = "__tok__.classes",
    [MOTE_T_NFC] = "__tok__.nfc",
    [MOTE_T_TRIE] = "__tok__.trie",
    [MOTE_T_SCORES] = "__tok__.scores",
    [MOTE_T_CHARSMAP] = "__tok__.charsmap",
    [MOTE_T_BOUNDS] = "__tok__.bounds",
    [MOTE_T_LOWER] = "__tok__.lower",
    [MOTE_W_EMBED] = "embed",
    [MOTE_W_FINAL_NORM] = "final_norm",
    [MOTE_W_HEAD] = "head",
    [MOTE_W_FINAL_NORM_BIAS] = "final_norm_bias",
    [MOTE_W_POSITIONS] = "positions",
    [MOTE_W_TYPES] = "types",
    [MOTE_W_EMBED_NORM] = "embed_norm",
    [MOTE_W_EMBED_NORM_BIAS] = "embed_norm_bias",
    [MOTE_W_POOLER] = "pooler",
    [MOTE_W_POOLER_BIAS] = "pooler_bias",
    [MOTE_W_CLASSIFIER] = "classifier",
    [MOTE_W_CLASSIFIER_BIAS] = "classifier_bias",
};

static const char *const layer_names[MOTE_KIND_END] = {
    [MOTE_L_ATTN_NORM] = "attn_norm",
    [MOTE_L_Q] = "q",
    [MOTE_L_K] = "k",
    [MOTE_L_V] = "v",
    [MOTE_L_O] = "o",
    [MOTE_L_Q_BIAS] = "q_bias",
    [MOTE_L_K_BIAS] = "k_bias",
    [MOTE_L_V_BIAS] = "v_bias",
    [MOTE_L_O_BIAS] = "o_bias",
    [MOTE_L_Q_NORM] = "q_norm",
    [MOTE_L_K_NORM] = "k_norm",
    [MOTE_L_MLP_NORM] = "mlp_norm",
    [MOTE_L_GATE] = "gate",
    [MOTE_L_UP] = "up",
    [MOTE_L_DOWN] = "down",
    [MOTE_L_GATE_BIAS] = "gate_bias",
    [MOTE_L_UP_BIAS] = "up_bias",
    [MOTE_L_DOWN_BIAS] = "down_bias",
    [MOTE_L_ATTN_NORM_BIAS] = "attn_norm_bias",
    [MOTE_L_ATTN_POST_NORM] = "attn_post_norm",
    [MOTE_L_ATTN_POST_NORM_BIAS] = "attn_post_norm_bias",
    [MOTE_L_MLP_NORM_BIAS] = "mlp_norm_bias",
    [MOTE_L_MLP_POST_NORM] = "mlp_post_norm",
    [MOTE_L_MLP_POST_NORM_BIAS] = "mlp_post_norm_bias",
    [MOTE_L_ROUTER] = "router",
    [MOTE_L_SHARED_GATE] = "shared_gate",
    [MOTE_L_SHARED_UP] = "shared_up",
    [MOTE_L_SHARED_DOWN] = "shared_down",
    [MOTE_L_SHARED_MIX] = "shared_mix",
    [MOTE_L_KV_A] = "kv_a",
    [MOTE_L_KV_A_NORM] = "kv_a_norm",
    [MOTE_L_Q_A] = "q_a",
    [MOTE_L_Q_A_NORM] = "q_a_norm",
    [MOTE_L_K_UP] = "k_up",
    [MOTE_L_V_UP] = "v_up",
};

static char *put_text(char *at, const char *text)
{
    size_t n = mote_text_of(text).bytes;
    memcpy(at, text, n + 1);
    return at + n;
}

static char *put_number(char *at, uint32_t n)
{
    char digits[10];
    size_t i = sizeof digits;
    do
        digits[--i] = (char)('0' + n % 10);
    while (n /= 10);
    memcpy(at, digits + i, sizeof digits - i);
    at[sizeof digits - i] = 0;
    return at + sizeof digits - i;
}

_Bool mote_tensor_name(uint32_t place, uint32_t kind, char out[64])
{
    *out = 0;
    if (kind >= MOTE_KIND_END)
        return 0;
    if (place) {
        if (!layer_names[kind])
            return 0;
        char *at = put_number(put_text(out, "layers."), place - 1);
        put_text(put_text(at, "."), layer_names[kind]);
    } else if (kind >= MOTE_W_ROPE && kind < MOTE_W_ROPE + 8) {
        put_number(put_text(out, "rope."), kind - MOTE_W_ROPE);
    } else {
        put_text(out, file_names[kind] ? file_names[kind] : "");
    }
    return *out != 0;
}

#else

/* A build without words tells kinds that may be from those that may not. */
_Bool mote_tensor_name(uint32_t place, uint32_t kind, char out[64])
{
    (void)place;
    *out = 0;
    return kind > 0 && kind < MOTE_KIND_END;
}

#endif
