#!/usr/bin/env python3
"""GGUF files of the dense families, written as llama.cpp's converter writes them from the folders of
goldens/models: at f32 their logits must have the very bits of the folder's own conversion (same
hash). Needs numpy and gguf. Usage: gguf_families.py [CASE...]"""
import json
import math
import os
import sys

from goldens import attempt, finish, json_lines, mote, need_goldens, say

try:
    import gguf
    import numpy as np
    from convert import add_tokenizer, gguf_name, pairs, read_hub
except (ImportError, SystemExit) as e:
    print(f"skipped: {e}")
    sys.exit(0)

CASES = ["smollm3_nope", "phi3_sliding", "phi3_longrope", "phi3_partial", "gemma", "gemma2",
         "gemma3_text", "olmo2", "stablelm", "gpt2", "openelm"]

PHI3 = {"self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up"}
AFTER = {"post_attention_layernorm": "post_attention_norm",
         "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm"}
GPT2 = {"ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv",
        "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
OPENELM = {"attn_norm": "attn_norm", "ffn_norm": "ffn_norm", "attn.qkv_proj": "attn_qkv",
           "attn.q_norm": "attn_q_norm", "attn.k_norm": "attn_k_norm",
           "attn.out_proj": "attn_output", "ffn.proj_2": "ffn_down"}
OWN = {"phi3": PHI3, "gemma2": AFTER, "gemma3_text": AFTER, "olmo2": AFTER, "gpt2": GPT2,
       "openelm": OPENELM}
FILE = {"wte.weight": "token_embd.weight", "wpe.weight": "position_embd.weight",
        "ln_f.weight": "output_norm.weight", "ln_f.bias": "output_norm.bias",
        "model.norm.bias": "output_norm.bias",
        "transformer.token_embeddings.weight": "token_embd.weight",
        "transformer.norm.weight": "output_norm.weight"}


def name_of(kind, hub):
    if hub in FILE:
        return FILE[hub]
    for prefix in ("model.layers.", "transformer.layers.", "h."):
        if hub.startswith(prefix):
            i, rest = hub[len(prefix):].split(".", 1)
            part, end = rest.rsplit(".", 1)
            if part in OWN.get(kind, {}):
                return f"blk.{i}.{OWN[kind][part]}.{end}"
    return gguf_name(hub)


def tensors_of(kind, config, source):
    """(name, array) as the GGUF file has them."""
    for hub, (_, x) in source.items():
        if hub.endswith(".attn.bias"):
            continue
        if kind == "gpt2" and x.ndim == 2 and ".c_" in hub:
            x = np.ascontiguousarray(x.T)
        if kind.startswith("gemma") and "norm" in hub:
            x = x + np.float32(1)
        if kind == "smollm3" and ("q_proj" in hub or "k_proj" in hub):
            x = pairs(x, config["num_attention_heads" if "q_proj" in hub else
                                "num_key_value_heads"])
        if hub.endswith("ffn.proj_1.weight"):
            i = hub.split(".")[2]
            yield f"blk.{i}.ffn_gate.weight", x[:len(x) // 2]
            yield f"blk.{i}.ffn_up.weight", x[len(x) // 2:]
        else:
            yield name_of(kind, hub), x


def add_openelm(w, config, source):
    layers = range(config["num_transformer_layers"])
    w.add_block_count(len(layers))
    w.add_embedding_length(config["model_dim"])
    w.add_context_length(config["max_context_length"])
    w.add_head_count(config["num_query_heads"])
    w.add_head_count_kv(config["num_kv_heads"])
    w.add_feed_forward_length([len(source[f"transformer.layers.{i}.ffn.proj_1.weight"][1]) // 2
                               for i in layers])
    w.add_rope_freq_base(config["rope_freq_constant"])
    w.add_layer_norm_rms_eps(1e-6)
    w.add_rope_dimension_count(config["head_dim"])
    w.add_key_length(config["head_dim"])
    w.add_value_length(config["head_dim"])


def add_gpt2(w, config):
    w.add_block_count(config["n_layer"])
    w.add_context_length(config["n_ctx"])
    w.add_embedding_length(config["n_embd"])
    w.add_feed_forward_length(4 * config["n_embd"])
    w.add_head_count(config["n_head"])
    w.add_layer_norm_eps(config["layer_norm_epsilon"])


def add_longrope(w, config):
    scaling = config["rope_scaling"]
    original = config["original_max_position_embeddings"]
    factor = config["max_position_embeddings"] / original
    w.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(factor) / math.log(original)))
    for kind in ("long", "short"):
        w.add_tensor(f"rope_factors_{kind}.weight",
                     np.array(scaling[kind + "_factor"], np.float32))


def add_common(w, kind, config):
    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    w.add_block_count(config["num_hidden_layers"])
    w.add_context_length(config["max_position_embeddings"])
    w.add_embedding_length(config["hidden_size"])
    w.add_feed_forward_length(config["intermediate_size"])
    w.add_head_count(config["num_attention_heads"])
    w.add_head_count_kv(config["num_key_value_heads"])
    w.add_rope_freq_base(config["rope_theta"])
    w.add_rope_dimension_count(int(head * config.get("partial_rotary_factor", 1)))
    if kind == "stablelm":
        w.add_layer_norm_eps(config["layer_norm_eps"])
        w.add_parallel_residual(False)
    else:
        w.add_layer_norm_rms_eps(config["rms_norm_eps"])
    if kind.startswith("gemma"):
        w.add_key_length(head)
        w.add_value_length(head)
    if kind == "phi3":
        w.add_rope_scaling_orig_ctx_len(config["original_max_position_embeddings"])
        w.add_sliding_window(config["sliding_window"] or 0)
        if config["rope_scaling"]:
            add_longrope(w, config)
    if kind in ("gemma2", "gemma3_text"):
        w.add_sliding_window(config["sliding_window"])
    if kind == "gemma2":
        w.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        w.add_final_logit_softcapping(config["final_logit_softcapping"])
    if kind == "gemma3_text":
        w.add_uint32("gemma3.attention.sliding_window_pattern", config["sliding_window_pattern"])
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(config["rope_scaling"]["factor"])


def write(path, folder, config, source):
    kind = config["model_type"]
    w = gguf.GGUFWriter(path, "gemma3" if kind == "gemma3_text" else kind)
    w.add_name(os.path.basename(folder))
    if kind == "openelm":
        add_openelm(w, config, source)
    elif kind == "gpt2":
        add_gpt2(w, config)
    else:
        add_common(w, kind, config)
    add_tokenizer(w, folder, config["vocab_size"])
    w.add_eos_token_id(config["eos_token_id"])
    for name, x in tensors_of(kind, config, source):
        w.add_tensor(name, np.ascontiguousarray(x))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


# GGUF leaves these to the reader, who knows what published models have; the tiny ones differ.
UNTOLD = {"gemma2": {"query_pre_attn_scalar": 32}}


def hub_copy(folder, case, tmp):
    """The folder, with a configuration that says what a GGUF file cannot."""
    out = os.path.join(tmp, case)
    os.mkdir(out)
    for name in os.listdir(folder):
        os.symlink(os.path.abspath(os.path.join(folder, name)), os.path.join(out, name))
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    config.update(UNTOLD.get(config["model_type"], {}))
    os.unlink(os.path.join(out, "config.json"))
    with open(os.path.join(out, "config.json"), "w") as f:
        json.dump(config, f)
    return out, config


def hash_of(model, prompts):
    rows = [{"ids": ids, "greedy": 8} for ids in prompts.values()]
    return [a["hash"] for a in json_lines("logits", model, rows, "--kv", "f32")]


def check(folder, case, tmp):
    folder, config = hub_copy(os.path.join(folder, case), case, tmp)
    with open(os.path.join(folder, "golden.json")) as f:
        prompts = json.load(f)["prompts"]
    hub, path, out = (os.path.join(tmp, n) for n in ("hub.mote", "m.gguf", "gguf.mote"))
    write(path, folder, config, read_hub(folder))
    mote("convert", folder, "-o", hub, "--type", "f32", "-q", "--force")
    mote("convert", path, "-o", out, "--type", "f32", "-q", "--force")
    mote("verify", out, "-q")
    a, b = hash_of(hub, prompts), hash_of(out, prompts)
    say("ok" if a == b else "FAIL", f"{case} as GGUF", f"{len(a)} prompts, hash {b[0]}")


def main():
    folder = need_goldens("models")
    for case in sys.argv[1:] or CASES:
        attempt(f"{case} as GGUF", check, folder, case)
    finish()


if __name__ == "__main__":
    main()
