#!/usr/bin/env python3
"""The converter, for experts and latents: every matrix of a .mote holds what its source holds, from
hub folders and from the same weights as GGUF files, which give the same graph. The tokenizer is that
of another case, so that this does not depend on it. Needs what convert.py needs.
Usage: convert_experts.py [CASE...]"""
import json
import os
import shutil
import sys

from convert import (FILE, LAYER, check_matrix, read_graph, read_hub, read_mote, unpack, spread,
                     add_tokenizer, gguf, np)
from goldens import attempt, finish, mote, need_goldens, say

CASES = ["mixtral", "qwen2_moe", "qwen3_moe_norm", "qwen3_moe_nonorm", "deepseek_v2_lite",
         "deepseek_v2_qlora"]
TOKENIZER = "llama_untied"

# The hub's names below a layer -> those of the .mote; matrices of experts and heads are stacked.
PARTS = {hub: part for part, hub in LAYER.items()} | {
    "mlp.gate": "router", "block_sparse_moe.gate": "router", "mlp.shared_expert_gate": "shared_mix",
    "self_attn.kv_a_proj_with_mqa": "kv_a", "self_attn.kv_a_layernorm": "kv_a_norm",
    "self_attn.q_a_proj": "q_a", "self_attn.q_a_layernorm": "q_a_norm", "self_attn.q_b_proj": "q",
    "k_up": "k_up", "v_up": "v_up"}
for _part, _w in (("gate", "w1"), ("up", "w3"), ("down", "w2")):
    PARTS |= {f"mlp.experts.{_part}_proj": _part, f"block_sparse_moe.experts.{_w}": _part,
              f"mlp.shared_expert.{_part}_proj": f"shared_{_part}",
              f"mlp.shared_experts.{_part}_proj": f"shared_{_part}"}
GGUF_PARTS = {"attn_norm": "attn_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v",
              "o": "attn_output", "q_norm": "attn_q_norm", "k_norm": "attn_k_norm",
              "mlp_norm": "ffn_norm", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down",
              "router": "ffn_gate_inp", "shared_mix": "ffn_gate_inp_shexp", "q_a": "attn_q_a",
              "shared_gate": "ffn_gate_shexp", "shared_up": "ffn_up_shexp",
              "shared_down": "ffn_down_shexp", "kv_a": "attn_kv_a_mqa",
              "kv_a_norm": "attn_kv_a_norm", "q_a_norm": "attn_q_a_norm", "k_up": "attn_k_b",
              "v_up": "attn_v_b"}
GGUF_FILE = {"embed": "token_embd", "final_norm": "output_norm", "head": "output"}
F32_ALWAYS = ("router", "shared_mix")
LATENT = ("kv_a", "k_up", "v_up")  # at least q8


# ---- the source, as the .mote names and orders it -----------------------------------------------

def halves(x, n_heads, rope):
    """The last `rope` rows of each head: pairs (2i, 2i+1) -> (i, i + rope/2)."""
    heads = x.reshape(n_heads, -1, *x.shape[1:])
    still, turning = heads[:, :-rope], heads[:, -rope:]
    return np.concatenate([still, turning[:, 0::2], turning[:, 1::2]], axis=1).reshape(x.shape)


def pairs(x, n_heads, rope):
    heads = x.reshape(n_heads, -1, *x.shape[1:]).copy()
    turning = heads[:, -rope:].copy()
    heads[:, -rope::2], heads[:, len(heads[0]) - rope + 1::2] = turning[:, :rope // 2], \
        turning[:, rope // 2:]
    return heads.reshape(x.shape)


def read_source(folder, config):
    """{name in the .mote: (type, array [rows, k] or [matrices, rows, k])}"""
    out, experts = {}, {}
    for name, (kind, x) in read_hub(folder).items():
        if not name.startswith("model.layers."):
            out[{v: k for k, v in FILE.items()}[name]] = kind, x
            continue
        _, _, i, rest = name.split(".", 3)
        part, end = rest.rsplit(".", 1)
        words = part.split(".")
        number = next((w for w in words if w.isdigit()), None)
        if number is not None:
            part = ".".join(w for w in words if w != number)
            experts.setdefault((i, part), {})[int(number)] = kind, x
        elif part == "self_attn.kv_b_proj":
            heads = x.reshape(config["num_attention_heads"], -1, x.shape[1])
            nope = config["qk_nope_head_dim"]
            out[f"layers.{i}.k_up"] = kind, np.ascontiguousarray(heads[:, :nope].swapaxes(1, 2))
            out[f"layers.{i}.v_up"] = kind, np.ascontiguousarray(heads[:, nope:])
        else:
            out[f"layers.{i}.{PARTS[part]}" + ("_bias" if end == "bias" else "")] = kind, x
    for (i, part), mats in experts.items():
        stacked = np.stack([mats[n][1] for n in range(len(mats))])
        out[f"layers.{i}.{PARTS[part]}"] = mats[0][0], stacked
    return {n: (kind, turned(n, x, config, halves)) for n, (kind, x) in out.items()}


def turned(name, x, config, how):
    rope = config.get("qk_rope_head_dim")
    if not rope or name.split(".")[-1] not in ("q", "kv_a"):
        return x
    return how(x, config["num_attention_heads"] if name.endswith(".q") else 1, rope)


# ---- checks ----------------------------------------------------------------------------------

def mats_of(record, data):
    return data.reshape(record["n_mats"], -1)


def wanted(name, record, asked, kept):
    part = name.split(".")[-1]
    if part in F32_ALWAYS:
        return "f32"
    if asked == "keep":
        return kept
    shared = 2 * record["rows"] <= record["k"]
    fine = part in LATENT or shared and (part == "v" or part == "k" and record["place"] % 3)
    narrow = record["place"] == 0 or fine or record["k"] % 32
    return "q8" if asked == "q4" and narrow else asked


def check_file(path, source, asked, tied):
    seen = set()
    for name, (record, data) in read_mote(path).items():
        if name.startswith("rope."):
            continue
        kept, x = source[name]
        seen.add(name)
        if record["shape"] == 1:
            assert np.array_equal(data.view("<f4")[:record["rows"]], x), name
            continue
        x = x.reshape(-1, *x.shape[-2:])
        assert (record["n_mats"], record["rows"], record["k"]) == x.shape, f"{name}: shape"
        assert record["type"] == wanted(name, record, asked, kept), f"{name}: {record['type']}"
        for mat, want in zip(mats_of(record, data), x):
            if asked == "keep" and record["type"] == "q8":
                codes, scales = unpack(record, mat)
                got = codes * spread(scales["scale"], record["group"], want.shape[1])
                assert np.array_equal(got, want), f"{name}: blocks"
            else:
                check_matrix(record, mat, want)
    left = set(source) - seen - ({"head"} if tied else set())
    assert not left, f"not in the file: {sorted(left)[:3]}"


def borrow_tokenizer(folder, case, tmp):
    """A copy of the case with the tokenizer of TOKENIZER, and mscale as GGUF files can say it."""
    copy = os.path.join(tmp, case)
    shutil.copytree(os.path.join(folder, case), copy)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(os.path.join(folder, TOKENIZER, name), copy)
    path = os.path.join(copy, "config.json")
    with open(path) as f:
        config = json.load(f)
    if "mscale" in (config.get("rope_scaling") or {}):
        config["rope_scaling"]["mscale"] = config["rope_scaling"]["mscale_all_dim"]
    with open(path, "w") as f:
        json.dump(config, f)
    return copy, config


def check_hub(folder, case, tmp):
    copy, config = borrow_tokenizer(folder, case, tmp)
    source, out = read_source(copy, config), os.path.join(tmp, "hub.mote")
    for kind in ("keep", "f32", "f16", "q8", "q4"):
        mote("convert", copy, "-o", out, "--type", kind, "-q", "--force")
        mote("verify", out, "-q")
        check_file(out, source, kind, config["tie_word_embeddings"])
    say("ok", f"{case} hub folder", f"{len(source)} tensors, 5 types")


# ---- GGUF ------------------------------------------------------------------------------------

def write_numbers(w, arch, config):
    """As llama.cpp's converter writes them."""
    w.add_block_count(config["num_hidden_layers"])
    w.add_context_length(config["max_position_embeddings"])
    w.add_embedding_length(config["hidden_size"])
    w.add_feed_forward_length(config["intermediate_size"])
    w.add_head_count(config["num_attention_heads"])
    w.add_rope_freq_base(config["rope_theta"])
    w.add_layer_norm_rms_eps(config["rms_norm_eps"])
    w.add_vocab_size(config["vocab_size"])
    w.add_expert_used_count(config["num_experts_per_tok"])
    w.add_expert_count(config.get("num_experts") or config.get("num_local_experts") or
                       config["n_routed_experts"])
    if arch != "llama":
        w.add_expert_feed_forward_length(config["moe_intermediate_size"])
    if arch == "qwen2moe":
        w.add_expert_shared_feed_forward_length(config["shared_expert_intermediate_size"])
    if arch != "deepseek2":
        w.add_head_count_kv(config["num_key_value_heads"])
        if config.get("head_dim"):
            w.add_key_length(config["head_dim"])
            w.add_value_length(config["head_dim"])
        return
    rope, rank = config["qk_rope_head_dim"], config["kv_lora_rank"]
    w.add_head_count_kv(1)
    w.add_kv_lora_rank(rank)
    if config["q_lora_rank"]:
        w.add_q_lora_rank(config["q_lora_rank"])
    w.add_key_length(rank + rope)
    w.add_value_length(rank)
    w.add_key_length_mla(config["qk_nope_head_dim"] + rope)
    w.add_value_length_mla(config["v_head_dim"])
    w.add_rope_dimension_count(rope)
    w.add_leading_dense_block_count(config["first_k_dense_replace"])
    w.add_expert_shared_count(config["n_shared_experts"])
    w.add_expert_weights_scale(config["routed_scaling_factor"])
    w.add_expert_group_count(config["n_group"])
    w.add_expert_group_used_count(config["topk_group"])
    scaling = config["rope_scaling"]
    w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    w.add_rope_scaling_factor(scaling["factor"])
    w.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])
    w.add_rope_scaling_yarn_log_mul(0.1 * scaling["mscale_all_dim"])


def gguf_name(name, x, config):
    if not name.startswith("layers."):
        return GGUF_FILE[name] + ".weight"
    _, i, part = name.split(".")
    bias = part.endswith("_bias")
    part = part[:-5] if bias else part
    if part == "q" and config.get("q_lora_rank"):
        return f"blk.{i}.attn_q_b.weight"
    stacked = "_exps" if part in ("gate", "up", "down") and x.ndim == 3 else ""
    return f"blk.{i}.{GGUF_PARTS[part]}{stacked}.{'bias' if bias else 'weight'}"


def llama_rows(name, x, config, how):
    """llama.cpp reorders q and k of its architecture llama."""
    part = name.split(".")[-1]
    if config["model_type"] != "mixtral" or part not in ("q", "k"):
        return x
    n = config["num_attention_heads" if part == "q" else "num_key_value_heads"]
    return how(x, n, len(x) // n)


def write_gguf(path, folder, config, source, kind):
    """Returns the source with what the file really holds."""
    arch = {"mixtral": "llama", "qwen2_moe": "qwen2moe", "qwen3_moe": "qwen3moe",
            "deepseek_v2": "deepseek2"}[config["model_type"]]
    w, held = gguf.GGUFWriter(path, arch), {}
    w.add_type(gguf.GGUFType.MODEL)
    write_numbers(w, arch, config)
    add_tokenizer(w, os.path.join(folder, TOKENIZER), config["vocab_size"])
    w.add_eos_token_id(config["eos_token_id"])
    for name, (_, x) in source.items():
        part = name.split(".")[-1]
        fits = x.ndim > 1 and part not in F32_ALWAYS
        q = gguf.GGMLQuantizationType[kind if fits and (kind != "Q8_0" or x.shape[-1] % 32 == 0)
                                      else "F16" if fits else "F32"]
        stored = llama_rows(name, turned(name, x, config, pairs), config, pairs)
        stored = stored.reshape(-1) if part == "shared_mix" else stored
        raw = gguf.quants.quantize(np.ascontiguousarray(stored), q)
        w.add_tensor(gguf_name(name, x, config), raw, raw_dtype=q)
        x = gguf.quants.dequantize(raw, q).astype(np.float32).reshape(x.shape)
        x = turned(name, llama_rows(name, x, config, halves), config, halves)
        held[name] = {"Q8_0": "q8"}.get(q.name, q.name.lower()), x
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return held


def check_gguf(folder, case, tmp):
    copy, config = borrow_tokenizer(folder, case, tmp)
    path, out = os.path.join(tmp, "m.gguf"), os.path.join(tmp, "gguf.mote")
    source, tied = read_source(copy, config), config["tie_word_embeddings"]
    if tied:
        source.pop("head", None)
    mote("convert", copy, "-o", out, "--type", "f32", "-q")
    graph = read_graph(out)
    for kind in ("F32", "BF16", "Q8_0"):
        held = write_gguf(path, folder, config, source, kind)
        for asked in ("keep", "f32", "q4"):
            mote("convert", path, "-o", out, "--type", asked, "-q", "--force")
            mote("verify", out, "-q")
            check_file(out, held, asked, tied)
            again = read_graph(out)
            same = [np.frombuffer(a[:2][i], "<u4").astype(np.int64) -
                    np.frombuffer(graph[i], "<u4") for i, a in ((0, again), (1, again))]
            # The last bit of a scale: the format holds a tenth of mscale as f32.
            assert max(abs(d).max() for d in same) <= 4, "configuration or layers differ"
            assert np.allclose(again[2], graph[2], rtol=1e-6, atol=0), "rope frequencies"
    say("ok", f"{case} as GGUF", f"{len(source)} tensors, 3 types, 3 asked; graph as the hub's")


def main():
    folder = need_goldens("models")
    for case in sys.argv[1:] or CASES:
        for name, check in (("hub folder", check_hub), ("as GGUF", check_gguf)):
            if check is check_gguf and not gguf:
                say("skip", f"{case} as GGUF", "the Python package gguf is missing")
                continue
            attempt(f"{case} {name}", check, folder, case)
    finish()


if __name__ == "__main__":
    main()
