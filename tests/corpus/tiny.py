"""A tiny valid model in every form mote reads: a hub folder, a GGUF file, a llama2.c checkpoint.
All bytes from a seed; standard library only."""
import json
import random
import struct

HIDDEN, LAYERS, HEADS, KV_HEADS, FF = 32, 1, 2, 1, 32
HEAD = HIDDEN // HEADS


def byte_alphabet():
    """GPT-2's printable stand-ins for the 256 bytes, in byte order."""
    keep = set(range(33, 127)) | set(range(161, 173)) | set(range(174, 256))
    out, extra = [], 0
    for b in range(256):
        out.append(chr(b) if b in keep else chr(256 + extra))
        extra += b not in keep
    return out


SPACE = byte_alphabet()[32]
MERGES = [["h", "e"], ["l", "l"], ["he", "ll"], ["hell", "o"], [SPACE, "w"]]
PIECES = byte_alphabet() + ["".join(m) for m in MERGES]
SPECIAL = ["<|end|>", "<|user|>"]
VOCAB = len(PIECES) + len(SPECIAL)


def config():
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCAB,
            "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "intermediate_size": FF,
            "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "hidden_act": "silu",
            "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "rope_scaling": None, "attention_bias": False, "mlp_bias": False,
            "tie_word_embeddings": False, "torch_dtype": "float32",
            "bos_token_id": VOCAB - 2, "eos_token_id": VOCAB - 2}


def tokenizer():
    added = [{"id": len(PIECES) + i, "content": t, "single_word": False, "lstrip": False,
              "rstrip": False, "normalized": False, "special": True} for i, t in enumerate(SPECIAL)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
             "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": {p: i for i, p in enumerate(PIECES)}, "merges": MERGES}}


def tokenizer_config():
    return {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end|>",
            "chat_template": "{% for m in messages %}<|user|>{{ m['content'] }}<|end|>{% endfor %}"}


def shapes():
    yield "model.embed_tokens.weight", (VOCAB, HIDDEN)
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        yield p + "input_layernorm.weight", (HIDDEN,)
        yield p + "self_attn.q_proj.weight", (HEADS * HEAD, HIDDEN)
        yield p + "self_attn.k_proj.weight", (KV_HEADS * HEAD, HIDDEN)
        yield p + "self_attn.v_proj.weight", (KV_HEADS * HEAD, HIDDEN)
        yield p + "self_attn.o_proj.weight", (HIDDEN, HEADS * HEAD)
        yield p + "post_attention_layernorm.weight", (HIDDEN,)
        yield p + "mlp.gate_proj.weight", (FF, HIDDEN)
        yield p + "mlp.up_proj.weight", (FF, HIDDEN)
        yield p + "mlp.down_proj.weight", (HIDDEN, FF)
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (VOCAB, HIDDEN)


def weights():
    """[(name, shape, F32 bytes)]"""
    rng = random.Random(7)
    out = []
    for name, shape in shapes():
        n = shape[0] * (shape[1] if len(shape) > 1 else 1)
        base = 1.0 if len(shape) == 1 else 0.0
        out.append((name, shape, struct.pack(f"<{n}f", *(base + rng.uniform(-0.2, 0.2)
                                                         for _ in range(n)))))
    return out


def safetensors(tensors, header=None, metadata=True):
    """The bytes of a safetensors file; `header` overrides the JSON text."""
    head, at, data = {}, 0, b""
    if metadata:
        head["__metadata__"] = {"format": "pt"}
    for name, shape, raw in tensors:
        head[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + len(raw)]}
        at += len(raw)
        data += raw
    text = json.dumps(head).encode() if header is None else header
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def write_folder(path):
    """A hub folder at an existing empty path."""
    for name, value in (("config.json", config()), ("tokenizer.json", tokenizer()),
                        ("tokenizer_config.json", tokenizer_config())):
        (path / name).write_text(json.dumps(value, ensure_ascii=False))
    (path / "model.safetensors").write_bytes(safetensors(weights()))


# ---- GGUF ----------------------------------------------------------------------------------------

U8, U32, F32, BOOL, STRING, ARRAY, I32 = 0, 4, 6, 7, 8, 9, 5
NUMBERS = {U8: "<B", 1: "<b", 2: "<H", 3: "<h", U32: "<I", I32: "<i", F32: "<f", BOOL: "<?", 10: "<Q", 11: "<q", 12: "<d"}


def gguf_string(s):
    raw = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf_value(kind, value):
    if kind == STRING:
        return gguf_string(value)
    if kind == ARRAY:
        of, items = value
        return struct.pack("<IQ", of, len(items)) + b"".join(gguf_value(of, v) for v in items)
    return struct.pack(NUMBERS[kind], value)


def gguf_keys():
    types = [1] * len(PIECES) + [3] * len(SPECIAL)
    return [("general.architecture", STRING, "llama"), ("general.name", STRING, "tiny"),
            ("llama.block_count", U32, LAYERS), ("llama.context_length", U32, 128),
            ("llama.embedding_length", U32, HIDDEN), ("llama.feed_forward_length", U32, FF),
            ("llama.attention.head_count", U32, HEADS),
            ("llama.attention.head_count_kv", U32, KV_HEADS),
            ("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
            ("llama.rope.freq_base", F32, 10000.0),
            ("llama.rope.dimension_count", U32, HEAD), ("llama.vocab_size", U32, VOCAB),
            ("tokenizer.ggml.model", STRING, "gpt2"), ("tokenizer.ggml.pre", STRING, "gpt-2"),
            ("tokenizer.ggml.tokens", ARRAY, (STRING, PIECES + SPECIAL)),
            ("tokenizer.ggml.token_type", ARRAY, (I32, types)),
            ("tokenizer.ggml.merges", ARRAY, (STRING, [" ".join(m) for m in MERGES])),
            ("tokenizer.ggml.eos_token_id", U32, VOCAB - 2)]


GGUF_NAMES = [("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"),
              ("lm_head", "output"), ("model.layers.", "blk."),
              ("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm"),
              ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"),
              ("self_attn.v_proj", "attn_v"), ("self_attn.o_proj", "attn_output"),
              ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down")]


def gguf_tensors():
    """[(name, dims as GGUF has them, type, bytes)]"""
    out = []
    for name, shape, raw in weights():
        for a, b in GGUF_NAMES:
            name = name.replace(a, b)
        out.append((name, list(reversed(shape)), 0, raw))
    return out


def gguf(keys=None, tensors=None, version=3, n_keys=None, n_tensors=None, offsets=None, align=32):
    keys = gguf_keys() if keys is None else keys
    tensors = gguf_tensors() if tensors is None else tensors
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors) if n_tensors is None else n_tensors,
                                len(keys) if n_keys is None else n_keys)
    for name, kind, value in keys:
        out += gguf_string(name) + struct.pack("<I", kind)
        out += value if isinstance(value, bytes) else gguf_value(kind, value)
    at, data = 0, b""
    for i, (name, dims, kind, raw) in enumerate(tensors):
        place = (offsets or {}).get(i, at)
        out += gguf_string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, place)
        data += raw + bytes(-len(raw) % align)
        at = len(data)
    return out + bytes(-len(out) % align) + data


# ---- llama2.c ------------------------------------------------------------------------------------

LLAMA2C_VOCAB = 300


def llama2c(header=None, shape=(HIDDEN, FF, LAYERS, HEADS, KV_HEADS, LLAMA2C_VOCAB, 64)):
    """A version-0 checkpoint with a shared classifier; header: if it is to say something else."""
    rng = random.Random(9)
    hidden, ff, layers, heads, kv_heads, vocab, positions = shape
    kv = kv_heads * (hidden // heads)
    tied, vocab = vocab > 0, abs(vocab)
    n = (vocab * hidden * (1 if tied else 2) + layers * hidden + layers * hidden * (2 * hidden + 2 * kv) +
         layers * hidden + layers * 3 * hidden * ff + hidden + positions * (hidden // heads))
    return struct.pack("<7i", *(header or shape)) + struct.pack(
        f"<{n}f", *(rng.uniform(-0.2, 0.2) for _ in range(n)))


def llama2c_vocab(n=LLAMA2C_VOCAB):
    pieces = [b"<unk>", b"\n<s>\n", b"\n</s>\n"] + [b"<0x%02X>" % b for b in range(256)]
    pieces += [bytes([97 + i % 26]) * (1 + i // 26) for i in range(n - len(pieces))]
    out = struct.pack("<I", max(map(len, pieces)))
    for i, p in enumerate(pieces):
        out += struct.pack("<fi", float(-i), len(p)) + p
    return out
