#!/usr/bin/env python3
"""The family that docs/families.md adds as its example: a tiny StarCoder2 from a seed, its logits as
transformers computes them. With `--reference`, where torch and transformers are installed, these are
computed anew and compared in full."""
import json
import os
import random
import struct
import sys

from frame import main, mote, out, out_json, refused, tensors, test
import tiny

HIDDEN, FF, LAYERS, HEADS, KV_HEADS, HEAD = 32, 48, 2, 4, 2, 8
IDS = [(i * 37 + 11) % tiny.VOCAB for i in range(24)]
WINDOW = 9
# transformers 5.23, float32, logits of IDS: at positions 0, 11 and 23 those of tokens 0, 77 and 200.
EXPECTED = [-0.477057, -3.257282, 1.459041, -1.24257, 0.645977, -1.534409, 1.096429, -2.533765, -0.544853]


def config():
    return {"architectures": ["Starcoder2ForCausalLM"], "model_type": "starcoder2",
            "vocab_size": tiny.VOCAB, "hidden_size": HIDDEN, "intermediate_size": FF,
            "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
            "num_key_value_heads": KV_HEADS, "hidden_act": "gelu_pytorch_tanh",
            "max_position_embeddings": 128, "norm_epsilon": 1e-5, "norm_type": "layer_norm",
            "mlp_type": "default", "rope_theta": 10000.0, "sliding_window": WINDOW,
            "use_bias": True, "tie_word_embeddings": True, "attention_dropout": 0.1,
            "residual_dropout": 0.1, "embedding_dropout": 0.1, "torch_dtype": "float32",
            "bos_token_id": tiny.VOCAB - 2, "eos_token_id": tiny.VOCAB - 2}


def shapes():
    yield "model.embed_tokens", (tiny.VOCAB, HIDDEN), False
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield p + norm, (HIDDEN,), True
        for part, rows, k in (("self_attn.q_proj", HEADS * HEAD, HIDDEN),
                              ("self_attn.k_proj", KV_HEADS * HEAD, HIDDEN),
                              ("self_attn.v_proj", KV_HEADS * HEAD, HIDDEN),
                              ("self_attn.o_proj", HIDDEN, HEADS * HEAD),
                              ("mlp.c_fc", FF, HIDDEN), ("mlp.c_proj", HIDDEN, FF)):
            yield p + part, (rows, k), True
    yield "model.norm", (HIDDEN,), True


def weights():
    rng, made = random.Random(2402), []

    def add(name, shape, base):
        n = shape[0] * (shape[1] if len(shape) > 1 else 1)
        made.append((name, shape, struct.pack(f"<{n}f", *(base + rng.uniform(-0.4, 0.4)
                                                          for _ in range(n)))))
    for name, shape, has_bias in shapes():
        add(name + ".weight", shape, 1.0 if len(shape) == 1 else 0.0)
        if has_bias:
            add(name + ".bias", shape[:1], 0.0)
    return made


def write_folder(path, **changed):
    path.mkdir(exist_ok=True)
    for name, value in (("config.json", {**config(), **changed}), ("tokenizer.json", tiny.tokenizer()),
                        ("tokenizer_config.json", tiny.tokenizer_config())):
        (path / name).write_text(json.dumps(value, ensure_ascii=False))
    (path / "model.safetensors").write_bytes(tiny.safetensors(weights()))


def logits_of(model, path, *flags):
    out("logits", model, "--ids", ",".join(map(str, IDS)), "-o", path, "--force", "--kv", "f32", *flags)
    return tensors(path)["logits"][1]


def made(m):
    folder, model = m.folder / "starcoder2", m.folder / "starcoder2.mote"
    if not model.exists():
        write_folder(folder)
        m.convert(folder, model.name, "--type", "f32")
    return folder, model


def chosen(logits):
    return [logits[p * tiny.VOCAB + t] for p in (0, 11, 23) for t in (0, 77, 200)]


@test
def logits_are_the_references(m):
    got = logits_of(made(m)[1], m.folder / "l.safetensors")
    if "--reference" in sys.argv:
        want = reference(made(m)[0])
        worst = max(abs(a - b) for a, b in zip(got, want))
        print("largest difference", worst, "of", len(want), [round(x, 6) for x in chosen(want)])
        assert len(got) == len(want) and worst < 1e-4
    worst = max(abs(a - b) for a, b in zip(chosen(got), EXPECTED))
    assert worst < 1e-4, f"off by {worst}: {chosen(got)}"


def reference(folder):
    import torch
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        return model.eval()(torch.tensor([IDS])).logits[0].flatten().tolist()


@test
def bits_do_not_depend_on_how_it_runs(m):
    row = json.dumps({"ids": IDS * 4, "greedy": 8}) + "\n"
    tiers = out_json("doctor", "--json")["tiers"]
    ways = [["--isa", t] for t in tiers] + [["-t", n] for n in (1, 2, 3)] + [["-b", n] for n in (1, 7, 32)]
    seen = {mote("logits", made(m)[1], "--jsonl", *w, text=row).stdout for w in ways}
    assert len(seen) == 1, seen


GGUF = [("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"),
        ("model.layers.", "blk."), ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"), ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"), ("mlp.c_fc", "ffn_up"), ("mlp.c_proj", "ffn_down")]


def gguf():
    """As llama.cpp's converter writes it, and with the window."""
    made = []
    for name, shape, raw in weights():
        for a, b in GGUF:
            name = name.replace(a, b)
        made.append((name, list(reversed(shape)), 0, raw))
    u32 = {"block_count": LAYERS, "context_length": 128, "embedding_length": HIDDEN,
           "feed_forward_length": FF, "attention.head_count": HEADS,
           "attention.head_count_kv": KV_HEADS, "rope.dimension_count": HEAD,
           "attention.sliding_window": WINDOW}
    f32 = {"attention.layer_norm_epsilon": 1e-5, "rope.freq_base": 10000.0}
    keys = [("general.architecture", tiny.STRING, "starcoder2")]
    keys += [(f"starcoder2.{k}", tiny.U32, v) for k, v in u32.items()]
    keys += [(f"starcoder2.{k}", tiny.F32, v) for k, v in f32.items()]
    keys += [k for k in tiny.gguf_keys() if k[0].startswith("tokenizer.")]
    return tiny.gguf(keys=keys, tensors=made)


@test
def gguf_has_the_folders_bits(m):
    (m.folder / "sc2.gguf").write_bytes(gguf())
    model = m.convert(m.folder / "sc2.gguf", "sc2-gguf.mote", "--type", "f32")
    path = m.folder / "g.safetensors"
    assert logits_of(model, path) == logits_of(made(m)[1], path)


@test
def every_type_converts_and_plans(m):
    folder, _ = made(m)
    for t in out_json("plan", folder, "--json")["types"]:
        path = m.convert(folder, f"sc2-{t['type']}.mote", "--type", t["type"])
        assert os.path.getsize(path) == t["file_bytes"]
        out("verify", path, "-q")


@test
def other_options_are_refused(m):
    for code, part, fields in ((6, "norm_type", {"norm_type": "rms_norm"}),
                               (6, "mlp_type", {"mlp_type": "gated"}),
                               (6, "hidden_act", {"hidden_act": "relu"}),
                               (3, "use_bias", {"use_bias": "yes"}),
                               (6, "logit_scale", {"logit_scale": 0.0625}),
                               (3, "sliding_window", {"sliding_window": -1})):
        write_folder(m.folder / "sc2-bad", **fields)
        refused(code, part, "convert", m.folder / "sc2-bad", "-o", m.folder / "bad.mote")


if __name__ == "__main__":
    main()
