#!/usr/bin/env python3
"""The converter: every tensor of a .mote holds what its source holds. Hub folders of goldens/models
in all types, the same weights as GGUF files, llama2.c's stories260K, and SmolLM2's GGUF code for
code. The encodings are done again here, in numpy, from
kernels/quant.h. Needs numpy and safetensors; the GGUF part also gguf.
Usage: convert.py [CASE...]"""
import json
import os
import struct
import sys

from goldens import attempt, finish, mote, need_goldens, say
from real import find_gguf

try:
    import numpy as np
    from safetensors import safe_open
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(0)
try:
    import gguf
except ImportError:
    gguf = None

CASES = ["llama_untied", "llama_tied_theta500k", "llama_rope_llama3", "llama_rope_linear",
         "llama_bias_headdim", "smollm2_like", "tinyllama_like", "qwen2_tied", "qwen2_untied",
         "qwen3_tied", "qwen3_v5config"]
TYPES = ["f32", "f16", "bf16", "q8", "q4", "q4_0", "q4_1"]  # enum mote_type
BOOK = np.array([-34, -27, -21, -16, -12, -9, -6, -3, 0, 3, 6, 9, 13, 17, 22, 28], np.float32)
UNSUPPORTED = 6  # exit code

LAYER = {"attn_norm": "input_layernorm", "q": "self_attn.q_proj", "k": "self_attn.k_proj",
         "v": "self_attn.v_proj", "o": "self_attn.o_proj", "q_norm": "self_attn.q_norm",
         "k_norm": "self_attn.k_norm", "mlp_norm": "post_attention_layernorm",
         "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}
FILE = {"embed": "model.embed_tokens.weight", "final_norm": "model.norm.weight",
        "head": "lm_head.weight"}
GGUF_LAYER = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q",
              "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
              "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
              "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm",
              "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
GGUF_FILE = {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight",
             "lm_head.weight": "output.weight"}


def hub_name(name):
    """The hub's name of a tensor of the .mote; None: tables and rope."""
    if not name.startswith("layers."):
        return FILE.get(name)
    _, i, part = name.split(".")
    bias = part.endswith("_bias")
    return f"model.layers.{i}.{LAYER[part[:-5] if bias else part]}.{'bias' if bias else 'weight'}"


# ---- reading ---------------------------------------------------------------------------------

def read_hub(folder):
    """{name: (type, f32 array)}, by hand: numpy has no bfloat16."""
    with open(os.path.join(folder, "model.safetensors"), "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        head = json.loads(f.read(n))
        data = f.read()
    out = {}
    for name, t in head.items():
        if name == "__metadata__":
            continue
        raw = data[t["data_offsets"][0]:t["data_offsets"][1]]
        if t["dtype"] == "BF16":
            x = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            x = np.frombuffer(raw, {"F32": "<f4", "F16": "<f2"}[t["dtype"]]).astype(np.float32)
        out[name] = (t["dtype"].lower(), x.reshape(t["shape"]))
    return out


def read_mote(path):
    """{name: (record, bytes)}: the names as the safetensors library sees them, in the order of the
    index, and the records of the index; tables left out."""
    out = {}
    with safe_open(path, "np") as f:
        index = f.get_tensor("__mote__").tobytes()
        n_layers, n_tensors = struct.unpack_from("<II", index, 40)
        with open(path, "rb") as raw:
            head = json.loads(raw.read(8 + struct.unpack("<Q", raw.read(8))[0] - 8))
        order = sorted((k for k in f.keys() if k != "__mote__"),
                       key=lambda k: head[k]["data_offsets"])
        assert len(order) == n_tensors, f"{len(order)} names, {n_tensors} records"
        for i, name in enumerate(order):
            r = struct.unpack_from("<6I4QII", index, 512 + 128 * n_layers + 64 * i)
            record = dict(zip(("place", "kind", "shape", "type", "group", "n_mats", "rows", "k",
                               "offset", "bytes"), r))
            if record["shape"]:
                record["type"] = TYPES[record["type"]]
                data = f.get_tensor(name).reshape(-1).view(np.uint8)
                assert len(data) == record["bytes"], name
                out[name] = (record, data)
    return out


def read_graph(path):
    """(configuration of the index, layer records, inverse frequencies)"""
    with safe_open(path, "np") as f:
        index = f.get_tensor("__mote__").tobytes()
        n_layers = struct.unpack_from("<I", index, 40)[0]
        return index[64:100], index[512:512 + 128 * n_layers], f.get_tensor("rope.0")


def unpack(record, data):
    """Parts of a matrix: f32 array [rows, k] of a float type; else (codes [rows, k],
    scales {name: [rows, groups]}). Padding is checked."""
    kind, rows, k, group = (record[n] for n in ("type", "rows", "k", "group"))
    tiles = data.reshape((rows + 15) // 16, -1)
    n = len(tiles)
    if kind in ("f32", "f16", "bf16"):
        x = tiles.view({"f32": "<f4", "f16": "<f2", "bf16": "<u2"}[kind]).reshape(n, -1, 16)
        if kind == "bf16":
            x = (x.astype(np.uint32) << 16).view(np.float32)
        x = x.astype(np.float32).transpose(0, 2, 1).reshape(n * 16, -1)
        assert not x[rows:].any() and not x[:, k:].any() and x.shape[1] - k < 2, "padding"
        return x[:rows, :k]
    padded = (k + group - 1) // group * group
    groups = padded // group
    layout = {"q8": [("scale", "<f2", groups)], "q4_0": [("scale", "<f2", groups)],
              "q4": [("row", "<f4", 1), ("step", "i1", groups)], "q4_1": None}[kind]
    at, scales = 0, {}
    if layout is None:  # scales and minima take turns
        both = tiles[:, :groups * 64].view("<f2").reshape(n, groups, 2, 16)
        scales = {"scale": both[:, :, 0], "minimum": both[:, :, 1]}
        at = groups * 64
    for name, dtype, count in layout or []:
        used = np.dtype(dtype).itemsize * count * 16
        scales[name] = tiles[:, at:at + used].copy().view(dtype).reshape(n, count, 16)
        assert not tiles[:, at + used:at + (used + 63) // 64 * 64].any(), "padding of scales"
        at += (used + 63) // 64 * 64
    lines = tiles[:, at:]
    if kind == "q8":
        codes = lines.view("i1").reshape(n, -1, 16, 4).transpose(0, 2, 1, 3)
    else:
        lines = lines.reshape(n, -1, 16, 1, 4)
        codes = np.concatenate([lines & 15, lines >> 4], axis=3).transpose(0, 2, 1, 3, 4)
    codes = codes.reshape(n * 16, -1)
    scales = {a: b.transpose(0, 2, 1).reshape(n * 16, -1) for a, b in scales.items()}
    zero = 8 if kind in ("q4", "q4_0") else 0
    assert codes.shape[1] == padded and (codes[:, k:] == zero).all() and \
        (codes[rows:] == zero).all() and not any(s[rows:].any() for s in scales.values()), "padding"
    return codes[:rows, :k], {a: b[:rows] for a, b in scales.items()}


# ---- encoding again --------------------------------------------------------------------------

def spread(x, group, k):
    return np.repeat(x.astype(np.float32), group, axis=1)[:, :k]


def to_bf16(x):
    u = x.view(np.uint32)
    return ((u + 0x7fff + (u >> 16 & 1)) & 0xffff0000).astype(np.uint32).view(np.float32)


def groups_of(x, group):
    padded = (x.shape[1] + group - 1) // group * group
    return np.pad(x, ((0, 0), (0, padded - x.shape[1]))).reshape(len(x), -1, group)


def q8_codes(x, group):
    scale = (np.abs(groups_of(x, group)).max(axis=2) / np.float32(127)).astype(np.float16)
    s = spread(scale, group, x.shape[1])
    q = np.divide(x, s, out=np.zeros_like(x), where=s > 0)
    return np.clip(np.rint(q), -127, 127).astype(np.int8), scale


def q4_plain_error(x):
    """Squared error when every group's largest value becomes the book's end -34."""
    g = groups_of(x, 32)
    extreme = np.take_along_axis(g, np.abs(g).argmax(axis=2)[..., None], axis=2)[..., 0]
    row = np.abs(extreme).max(axis=1, keepdims=True) / 34 / 127
    step = np.rint(np.divide(-extreme / 34, row, out=np.zeros_like(extreme), where=row > 0))
    levels = (step * row)[..., None, None] * BOOK
    nearest = np.abs(g[..., None] - levels).min(axis=3)
    return (nearest.astype(np.float64) ** 2).sum()


def check_matrix(record, data, x):
    """x: what the source holds. Returns the squared error and the power of x, for q4."""
    kind = record["type"]
    got = unpack(record, data)
    if kind in ("f32", "f16", "bf16"):
        want = {"f32": lambda: x, "f16": lambda: x.astype(np.float16).astype(np.float32),
                "bf16": lambda: to_bf16(x)}[kind]()
        assert np.array_equal(got.view(np.uint32), want.view(np.uint32)), f"values of {kind}"
    elif kind == "q8":
        codes, scale = q8_codes(x, record["group"])
        assert np.array_equal(got[1]["scale"].view(np.uint16), scale.view(np.uint16)), "q8 scales"
        assert np.array_equal(got[0], codes), "q8 codes"
    else:
        assert kind == "q4", kind
        codes, s = got
        y = BOOK[codes] * spread(s["step"], 32, x.shape[1]) * s["row"]
        error = ((y - x).astype(np.float64) ** 2).sum()
        assert error <= q4_plain_error(x), "q4 is worse than its plainest encoding"
        return np.array([error, (x.astype(np.float64) ** 2).sum()])
    return np.zeros(2)


def wanted_type(name, record, asked, kept):
    """Type and group of a matrix: quant.h and docs/decisions/0008 (what stays at q8)."""
    if asked == "keep":
        return kept, 32 if kept.startswith("q") else 0
    shared = 2 * record["rows"] <= record["k"]
    fine = shared and (name[-2:] == ".v" or (name[-2:] == ".k" and record["place"] % 3))
    if asked == "q4" and (record["place"] == 0 or fine or record["k"] % 32):
        asked = "q8"
    return asked, {"q8": 64 if record["k"] >= 512 and record["k"] % 64 == 0 else 32, "q4": 32}.get(asked, 0)


def check_mote(path, source, asked, tied):
    """Every tensor of the file is one of the source, and the other way round."""
    q4, seen = np.zeros(2), set()
    for name, (record, data) in read_mote(path).items():
        hub = hub_name(name)
        if hub is None:
            continue
        kept, x = source[hub]
        seen.add(hub)
        if record["shape"] == 1:
            got = data.view("<f4")
            assert np.array_equal(got[:record["rows"]], x) and not got[record["rows"]:].any(), name
            continue
        assert (record["rows"], record["k"]) == x.shape, f"{name}: shape"
        assert (record["type"], record["group"]) == wanted_type(name, record, asked, kept), \
            f"{name}: {record['type']} {record['group']}"
        try:
            q4 += check_matrix(record, data, x)
        except AssertionError as e:
            raise AssertionError(f"{name}: {e}") from None
    left = set(source) - seen - ({"lm_head.weight"} if tied else set())
    assert not left, f"not in the file: {sorted(left)[:3]}"
    return q4[0] / q4[1] if q4[1] else None


# ---- checks ----------------------------------------------------------------------------------

def read_config(folder, case):
    """(config.json, its rope options, size of a head)"""
    with open(os.path.join(folder, case, "config.json")) as f:
        config = json.load(f)
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    rope = {"rope_type": rope.get("type"), "rope_theta": config.get("rope_theta")} | rope
    return config, rope, (config.get("head_dim") or
                          config["hidden_size"] // config["num_attention_heads"])


def llama3_divisors(rope, head):
    """One divisor a frequency, as llama.cpp's converter makes them."""
    wave = 2 * np.pi * rope["rope_theta"] ** (np.arange(0, head, 2) / head)
    old, low, high = (rope[k] for k in ("original_max_position_embeddings", "low_freq_factor",
                                        "high_freq_factor"))
    smooth = (old / wave - low) / (high - low)
    middle = 1 / ((1 - smooth) / rope["factor"] + smooth)
    return np.where(wave < old / high, 1, np.where(wave > old / low, rope["factor"], middle)
                    ).astype(np.float32)


def check_rope(path, rope, head):
    divisor = (llama3_divisors(rope, head) if rope["rope_type"] == "llama3" else
               rope["factor"] if rope["rope_type"] == "linear" else 1)
    want = rope["rope_theta"] ** -(np.arange(0, head, 2) / head) / divisor
    got = read_graph(path)[2][:head // 2]
    assert np.allclose(got, want, rtol=1e-6, atol=0), "rope frequencies"


def check_hub(folder, case, tmp):
    out = os.path.join(tmp, "hub.mote")
    source = read_hub(os.path.join(folder, case))
    config, rope, head = read_config(folder, case)
    tied = config["tie_word_embeddings"]
    text = ""
    for kind in ("keep", "f32", "bf16", "f16", "q8", "q4"):
        mote("convert", os.path.join(folder, case), "-o", out, "--type", kind, "-q", "--force")
        mote("verify", out, "-q")
        error = check_mote(out, source, kind, tied)
        check_rope(out, rope, head)
        text = f", q4 relative squared error {error:.2e}" if error else text
    say("ok", f"{case} hub folder", f"{len(source)} tensors, 6 types{text}")


def check_llama2c(tmp):
    """dim 64, hidden 172: rows of down that fill no group."""
    folder = need_goldens("stories260k")
    path, out = os.path.join(folder, "stories260K.bin"), os.path.join(tmp, "stories.mote")
    data = np.fromfile(path, "<f4")
    dim, hidden, n, heads, kv, vocab, _ = data[:7].view("<i4").tolist()
    at, source = 7, {}
    kv_dim = dim // heads * kv

    def take(*shape):
        nonlocal at
        at += int(np.prod(shape))
        return data[at - int(np.prod(shape)):at].reshape(shape)

    source["model.embed_tokens.weight"] = ("f32", take(vocab, dim))
    for part, *shape in (("input_layernorm", dim), ("self_attn.q_proj", dim, dim),
                         ("self_attn.k_proj", kv_dim, dim), ("self_attn.v_proj", kv_dim, dim),
                         ("self_attn.o_proj", dim, dim), ("post_attention_layernorm", dim),
                         ("mlp.gate_proj", hidden, dim), ("mlp.down_proj", dim, hidden),
                         ("mlp.up_proj", hidden, dim)):
        for i in range(n):
            x = take(*shape)
            if part[10:] in ("q_proj", "k_proj"):
                x = halves(x, heads if part[10:] == "q_proj" else kv)
            source[f"model.layers.{i}.{part}.weight"] = ("f32", x)
    source["model.norm.weight"] = ("f32", take(dim))
    for kind in ("keep", "f32", "bf16", "f16", "q8", "q4"):
        mote("convert", path, "--vocab", os.path.join(folder, "tok512.bin"), "-o", out, "--type",
             kind, "-q", "--force")
        mote("verify", out, "-q")
        check_mote(out, source, kind, True)
    say("ok", "stories260K", f"{len(source)} tensors, 6 types")


# ---- GGUF ------------------------------------------------------------------------------------

def halves(x, heads):
    """Rows in pairs (2i, 2i+1) of a head -> pairs (i, i + d/2); on its inverse: pairs()."""
    return np.ascontiguousarray(x.reshape(heads, len(x) // heads // 2, 2, *x.shape[1:])
                                .swapaxes(1, 2).reshape(x.shape))


def pairs(x, heads):
    return np.ascontiguousarray(x.reshape(heads, 2, len(x) // heads // 2, *x.shape[1:])
                                .swapaxes(1, 2).reshape(x.shape))


def turn(arch, name, x, config, how):
    if arch != "llama" or not name.startswith("blk.") or name.split(".")[2] not in ("attn_q",
                                                                                    "attn_k"):
        return x
    key = "num_attention_heads" if ".attn_q." in name else "num_key_value_heads"
    return how(x, config[key])


def gguf_name(hub):
    name = hub.removeprefix("model.")
    if not name.startswith("layers."):
        return GGUF_FILE[name]
    i, rest = name.removeprefix("layers.").split(".", 1)
    part, end = rest.rsplit(".", 1)
    return f"blk.{i}.{GGUF_LAYER[part]}.{end}"


def add_tokenizer(w, folder, n_vocab):
    with open(os.path.join(folder, "tokenizer.json")) as f:
        tok = json.load(f)
    model, added = tok["model"], {t["id"]: t for t in tok["added_tokens"]}
    pieces = {i: p for p, i in model["vocab"].items()} | {i: t["content"] for i, t in added.items()}
    types = []
    for i in range(n_vocab):
        t = gguf.TokenType
        types.append(t.UNUSED if i not in pieces else t.CONTROL if i in added else
                     t.BYTE if model["byte_fallback"] and pieces[i].startswith("<0x") else t.NORMAL)
    spm = bool(model["byte_fallback"])
    w.add_tokenizer_model("llama" if spm else "gpt2")
    w.add_token_list([pieces.get(i, f"[PAD{i}]") for i in range(n_vocab)])
    w.add_token_types(types)
    if spm:
        w.add_token_scores([-float(i) for i in range(n_vocab)])
        w.add_add_space_prefix(True)
    else:
        split = json.dumps(tok["pre_tokenizer"])
        w.add_tokenizer_pre("llama-bpe" if "{1,3}" in split else
                            "smollm" if "Digits" in split else "qwen2")
        w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in model["merges"]])


def write_gguf(path, folder, case, source, kind):
    """As llama.cpp's converter writes it. Returns the source with what the file really holds."""
    config, rope, head = read_config(folder, case)
    arch = config["model_type"]
    w = gguf.GGUFWriter(path, arch)
    w.add_name(case)
    w.add_type(gguf.GGUFType.MODEL)
    w.add_block_count(config["num_hidden_layers"])
    w.add_context_length(config["max_position_embeddings"])
    w.add_embedding_length(config["hidden_size"])
    w.add_feed_forward_length(config["intermediate_size"])
    w.add_head_count(config["num_attention_heads"])
    w.add_head_count_kv(config["num_key_value_heads"])
    w.add_rope_freq_base(rope["rope_theta"])
    w.add_layer_norm_rms_eps(config["rms_norm_eps"])
    w.add_vocab_size(config["vocab_size"])
    w.add_rope_dimension_count(head)
    w.add_file_type(0)
    w.add_quantization_version(2)
    if config.get("head_dim"):
        w.add_key_length(head)
        w.add_value_length(head)
    if rope["rope_type"] == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(rope["factor"])
    add_tokenizer(w, os.path.join(folder, case), config["vocab_size"])
    w.add_eos_token_id(config["eos_token_id"])
    if config["bos_token_id"] is not None:
        w.add_bos_token_id(config["bos_token_id"])
    w.add_chat_template("{{ messages }}")
    held = {}
    if rope["rope_type"] == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_divisors(rope, head))
    for hub, (_, x) in source.items():
        name = gguf_name(hub)
        q = gguf.GGMLQuantizationType[kind if x.ndim > 1 else "F32"]
        stored = turn(arch, name, x, config, pairs)
        raw = gguf.quants.quantize(stored, q)
        w.add_tensor(name, raw, raw_dtype=q)
        held[hub] = raw, q
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return {hub: held_tensor(arch, gguf_name(hub), *held[hub], config) for hub in held}


def held_tensor(arch, name, raw, q, config):
    """(type it is kept at, its values in the hub's order, its blocks likewise)."""
    x = gguf.quants.dequantize(raw, q).astype(np.float32)
    kept = {"Q8_0": "q8", "Q4_0": "q4_0", "Q4_1": "q4_1"}.get(q.name, q.name.lower())
    return kept, turn(arch, name, x, config, halves), turn(arch, name, raw, config, halves)


def block_parts(kind, raw, k):
    """Codes and scales of GGUF blocks, as unpack() gives them."""
    head = {"q8": 2, "q4_0": 2, "q4_1": 4}[kind]
    blocks = raw.reshape(len(raw), k // 32, -1)
    scales = np.ascontiguousarray(blocks[..., :head]).view("<f2")
    codes = np.ascontiguousarray(blocks[..., head:])
    if kind == "q8":
        codes = codes.view("i1")
    else:
        codes = np.concatenate([codes & 15, codes >> 4], axis=2)
    names = ["scale", "minimum"][:head // 2]
    return codes.reshape(len(raw), k), {n: scales[..., i] for i, n in enumerate(names)}


def check_kept(path, held, tied):
    """Blocks code for code; the rest as check_mote says."""
    floats = {n: h[:2] for n, h in held.items() if not h[0].startswith("q")}
    blocks = 0
    for name, (record, data) in read_mote(path).items():
        hub = hub_name(name)
        if hub is None or hub in floats:
            continue
        kind, x, raw = held[hub]
        assert (record["type"], record["group"]) == (kind, 32), f"{name}: {record['type']}"
        codes, scales = unpack(record, data)
        want_codes, want_scales = block_parts(kind, raw, record["k"])
        assert np.array_equal(codes, want_codes), f"{name}: codes"
        for part, s in want_scales.items():
            assert np.array_equal(scales[part].view(np.uint16), s.view(np.uint16)), f"{name} {part}"
        blocks += 1
    seen = set(map(hub_name, read_mote(path)))
    assert set(held) - seen <= ({"lm_head.weight"} if tied else set()), "tensors are missing"
    for name, (record, data) in read_mote(path).items():
        if hub_name(name) in floats:
            kept, x = floats[hub_name(name)]
            got = unpack(record, data) if record["shape"] == 2 else data.view("<f4")[:len(x)]
            assert np.array_equal(got, x), name
            assert record["shape"] == 1 or record["type"] == kept, name
    return blocks


def check_gguf(folder, case, tmp):
    path, out = os.path.join(tmp, "m.gguf"), os.path.join(tmp, "gguf.mote")
    source = read_hub(os.path.join(folder, case))
    tied = read_config(folder, case)[0]["tie_word_embeddings"]
    if tied:
        source.pop("lm_head.weight", None)
    mote("convert", os.path.join(folder, case), "-o", out, "--type", "f32", "-q", "--force")
    graph = read_graph(out)
    for kind in ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"):
        held = write_gguf(path, folder, case, source, kind)
        mote("convert", path, "-o", out, "--type", "keep", "-q", "--force")
        mote("verify", out, "-q")
        check_kept(out, held, tied)
        again = read_graph(out)
        assert again[:2] == graph[:2], "configuration or layers differ from the hub folder's"
        assert np.allclose(again[2], graph[2], rtol=1e-6, atol=0), "rope frequencies"
        for asked in ("f32", "q8"):
            mote("convert", path, "-o", out, "--type", asked, "-q", "--force")
            check_mote(out, {n: h[:2] for n, h in held.items()}, asked, tied)
    say("ok", f"{case} as GGUF",
        f"{len(source)} tensors, 6 types, to keep, f32 and q8; graph as the hub folder's")


def check_smollm2(tmp):
    path = find_gguf()
    if not path:
        return say("skip", "smollm2 GGUF", "not there (make demo gets it)")
    out = os.path.join(tmp, "smollm2.mote")
    mote("convert", path, "-o", out, "--type", "keep", "-q")
    mote("verify", out, "-q")
    config = {"num_attention_heads": 9, "num_key_value_heads": 3}
    by_name = {t.name: t for t in gguf.GGUFReader(path).tensors}
    held = {}
    for hub in filter(None, map(hub_name, read_mote(out))):
        t = by_name.pop(gguf_name(hub))
        held[hub] = held_tensor("llama", t.name, t.data, t.tensor_type, config)
    assert not by_name, f"not in the file: {list(by_name)[:3]}"
    blocks = check_kept(out, held, True)
    say("ok", "smollm2 GGUF", f"{len(held)} tensors, {blocks} of them in blocks, code for code")


def main():
    folder = need_goldens("models")
    for case in sys.argv[1:] or CASES:
        attempt(f"{case} hub folder", check_hub, folder, case)
        if gguf:
            attempt(f"{case} as GGUF", check_gguf, folder, case)
    if not gguf:
        say("skip", "GGUF", "the Python package gguf is missing")
    if not sys.argv[1:]:
        attempt("stories260K", check_llama2c)
        if gguf:
            attempt("smollm2 GGUF", check_smollm2)
    finish()


if __name__ == "__main__":
    main()
