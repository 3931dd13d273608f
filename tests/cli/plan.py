#!/usr/bin/env python3
"""`mote plan` of what isn't converted yet: sizes equal the converted file's to the byte, and those of large
published models, of which only the configuration is here, equal what is known of them."""
import json
import os
import shutil

from frame import main, mote, out, out_json, refused, test

TYPES = ["f32", "f16", "q8", "q4"]
QWEN3_MOE = {
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "attention_bias": False,
    "attention_dropout": 0.0, "bos_token_id": 151643, "decoder_sparse_step": 1, "eos_token_id": 151645,
    "head_dim": 128, "hidden_act": "silu", "initializer_range": 0.02, "max_position_embeddings": 40960,
    "mlp_only_layers": [], "norm_topk_prob": True, "num_experts": 128, "num_experts_per_tok": 8,
    "num_key_value_heads": 4, "output_router_logits": False, "rms_norm_eps": 1e-06, "rope_scaling": None,
    "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001, "sliding_window": None,
    "tie_word_embeddings": False, "torch_dtype": "bfloat16", "use_cache": True,
    "use_sliding_window": False, "vocab_size": 151936}

# The published configurations, and of each model what is known beside: parameters (by the size of the
# published weights), numbers of keys and values a position, experts of a layer that a token doesn't take.
LARGE = {
    "Qwen3-30B-A3B": ({
        **QWEN3_MOE, "hidden_size": 2048, "intermediate_size": 6144, "max_window_layers": 48,
        "moe_intermediate_size": 768, "num_attention_heads": 32, "num_hidden_layers": 48},
        30532122624, 48 * 4 * 128 * 2, 48 * 120 * 3 * 768 * 2048),
    "Qwen3-235B-A22B": ({
        **QWEN3_MOE, "hidden_size": 4096, "intermediate_size": 12288, "max_window_layers": 94,
        "moe_intermediate_size": 1536, "num_attention_heads": 64, "num_hidden_layers": 94},
        235093634560, 94 * 4 * 128 * 2, 94 * 120 * 3 * 1536 * 4096),
    "DeepSeek-Coder-V2-Lite": ({
        "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2", "attention_bias": False,
        "attention_dropout": 0.0, "aux_loss_alpha": 0.001, "bos_token_id": 100000, "eos_token_id": 100001,
        "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
        "intermediate_size": 10944, "kv_lora_rank": 512, "max_position_embeddings": 163840,
        "moe_intermediate_size": 1408, "moe_layer_freq": 1, "n_group": 1, "n_routed_experts": 64,
        "n_shared_experts": 2, "norm_topk_prob": False, "num_attention_heads": 16,
        "num_experts_per_tok": 6, "num_hidden_layers": 27, "num_key_value_heads": 16,
        "pretraining_tp": 1, "q_lora_rank": None, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
        "rms_norm_eps": 1e-06, "rope_theta": 10000,
        "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707,
                         "mscale_all_dim": 0.707, "original_max_position_embeddings": 4096,
                         "type": "yarn"},
        "routed_scaling_factor": 1.0, "scoring_func": "softmax", "seq_aux": True,
        "tie_word_embeddings": False, "topk_group": 1, "topk_method": "greedy",
        "torch_dtype": "bfloat16", "use_cache": True, "v_head_dim": 128, "vocab_size": 102400},
        15706484224, 27 * (512 + 64), 26 * 58 * 3 * 1408 * 2048),
    "Gemma-2-9B": ({
        "architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "attention_bias": False,
        "attention_dropout": 0.0, "attn_logit_softcapping": 50.0, "bos_token_id": 2,
        "cache_implementation": "hybrid", "eos_token_id": 1, "final_logit_softcapping": 30.0,
        "head_dim": 256, "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": 3584, "initializer_range": 0.02, "intermediate_size": 14336,
        "max_position_embeddings": 8192, "num_attention_heads": 16, "num_hidden_layers": 42,
        "num_key_value_heads": 8, "pad_token_id": 0, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06,
        "rope_theta": 10000.0, "sliding_window": 4096, "sliding_window_size": 4096,
        "torch_dtype": "float32", "use_cache": True, "vocab_size": 256000},
        9241705984, 42 * 8 * 256 * 2, 0),
    "Llama-3-70B": ({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False,
        "attention_dropout": 0.0, "bos_token_id": 128000, "eos_token_id": 128001, "hidden_act": "silu",
        "hidden_size": 8192, "initializer_range": 0.02, "intermediate_size": 28672,
        "max_position_embeddings": 8192, "num_attention_heads": 64, "num_hidden_layers": 80,
        "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": None,
        "rope_theta": 500000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "use_cache": True, "vocab_size": 128256},
        70553706496, 80 * 8 * 128 * 2, 0),
}


def folder_of(m, name, config):
    folder = m.folder / name
    if not folder.exists():
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
    return folder


@test
def sizes_of_published_models(m):
    for name, (config, parameters, kv, resting) in LARGE.items():
        plan = out_json("plan", folder_of(m, name, config), "--json", "-q")
        assert plan["n_parameters"] == parameters, f"{name}: {plan['n_parameters']}"
        assert [t["type"] for t in plan["types"]] == TYPES
        f32, f16, q8, q4 = plan["types"]
        heads = config["head_dim"] if "head_dim" in config else 0
        turning = config.get("qk_rope_head_dim") or heads or 128
        assert f32["weight_bytes"] == 4 * (parameters + turning // 2), name
        tied = config.get("tie_word_embeddings", True)
        embedding = 0 if tied else config["vocab_size"] * config["hidden_size"]
        assert f32["weight_bytes"] - f32["decode_read_bytes"] == 4 * (resting + embedding), name
        assert 1.99 < f32["weight_bytes"] / f16["weight_bytes"] < 2.01, name
        assert 8.2 < 8 * q8["weight_bytes"] / parameters < 8.6, name
        assert 4.2 < 8 * q4["weight_bytes"] / parameters < 5.2, name
        for t in plan["types"]:
            assert [c["n_ctx"] for c in t["contexts"]] == [4096, 32768], name
            for c in t["contexts"]:
                assert c["kv_bytes"] == 2 * kv * c["n_ctx"], f"{name}: {c}"
                assert c["session_bytes"] > c["kv_bytes"]


@test
def a_configuration_alone(m):
    folder = folder_of(m, "Llama-3-70B", LARGE["Llama-3-70B"][0])
    whole = out_json("plan", folder, "--json")
    alone = out_json("plan", folder / "config.json", "--json")
    for a, b in zip(whole["types"], alone["types"]):
        assert a["weight_bytes"] == b["weight_bytes"] and a["contexts"] == b["contexts"]
    text = out("plan", folder, "-c", 16384, "--kv", "q8")
    assert "more than it was made for" in text and "context 16384" in text, text
    assert out("plan", "-m", folder) == out("plan", folder)


@test
def newer_names_of_options(m):
    config = dict(LARGE["Qwen3-30B-A3B"][0])
    plan = out_json("plan", folder_of(m, "Qwen3-30B-A3B", config), "--json")
    config["num_local_experts"] = config.pop("num_experts")
    newer = out_json("plan", folder_of(m, "newer", config), "--json")
    assert [t["weight_bytes"] for t in newer["types"]] == [t["weight_bytes"] for t in plan["types"]]


@test
def plan_is_the_converted_file(m):
    plan = out_json("plan", m.hub, "--json", "-c", 64, "-t", 2)
    bare = m.folder / "bare" / m.hub.name
    shutil.copytree(m.hub, bare)
    os.remove(bare / "model.safetensors")
    assert out_json("plan", bare, "--json", "-c", 64, "-t", 2) == plan
    for t in plan["types"]:
        path = m.convert(m.hub, f"plan-{t['type']}.mote", "--type", t["type"])
        info, run = out_json("info", path, "--json"), out_json("plan", path, "--json", "-c", 64, "-t", 2)
        assert os.path.getsize(path) == t["file_bytes"], t["type"]
        assert info["weight_bytes"] == t["weight_bytes"] and info["n_parameters"] == plan["n_parameters"]
        assert run["decode_read_bytes"] == t["decode_read_bytes"], t["type"]
        assert run["memory"]["session"]["kv"] == t["contexts"][0]["kv_bytes"], t["type"]
        assert run["memory"]["session"]["total"] == t["contexts"][0]["session_bytes"], t["type"]


@test
def plan_of_a_gguf_file(m):
    plan = out_json("plan", m.gguf, "--json")
    assert [t["type"] for t in plan["types"]] == TYPES + ["keep"]
    for t in plan["types"]:
        path = m.convert(m.gguf, f"gguf-{t['type']}.mote", "--type", t["type"])
        assert os.path.getsize(path) == t["file_bytes"], t["type"]


@test
def refusals_of_plan(m):
    config = dict(LARGE["Llama-3-70B"][0])
    folder = folder_of(m, "empty", config)
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "retnet"}))
    refused(6, "retnet", "plan", folder)
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 0}))
    refused(3, "num_hidden_layers", "plan", folder)
    (folder / "config.json").write_text(json.dumps({**config, "mup_scale": 7.5}))
    assert mote("plan", folder).returncode in (0, 6)
    (folder / "config.json").write_text("[]")
    refused(3, "not an object", "plan", folder)
    os.remove(folder / "config.json")
    refused(3, "config.json is missing", "plan", folder)
    refused(4, "no such file", "plan", m.folder / "absent")


if __name__ == "__main__":
    main()
