"""Malformed sources for `mote convert` (anchors: reliability 6b-6d), from the tiny valid ones. Each kind
is (name, exit codes allowed, function(folder) that changes a valid folder; it may return the path to
convert and more arguments)."""
import json
import os
import struct

import tiny

FILE, UNSUPPORTED, EITHER, IO = (3,), (6,), (3, 6), (3, 4)


# ---- safetensors ---------------------------------------------------------------------------------

def header_of(path):
    raw = (path / "model.safetensors").read_bytes()
    n = struct.unpack_from("<Q", raw)[0]
    return json.loads(raw[8:8 + n]), raw[8 + n:]


def put(path, text, data, length=None):
    text = text if isinstance(text, bytes) else text.encode()
    raw = struct.pack("<Q", len(text) if length is None else length) + text + data
    (path / "model.safetensors").write_bytes(raw)


def edit(change):
    """A kind that changes the header's object."""
    def make(path):
        head, data = header_of(path)
        head = change(head) or head
        put(path, json.dumps(head), data)
    return make


def text_edit(change):
    """A kind that changes the header's text, or (text, data)."""
    def make(path):
        head, data = header_of(path)
        out = change(json.dumps(head))
        text, data = out if isinstance(out, tuple) else (out, data)
        put(path, text, data)
    return make


def entry(head, i=1):
    return head[[k for k in head if k != "__metadata__"][i]]


def set_entry(**fields):
    def change(head):
        entry(head).update(fields)
    return edit(change)


def drop(field):
    return edit(lambda head: entry(head).pop(field) and None)


def offsets(f):
    def change(head):
        e = entry(head)
        e["data_offsets"] = f(*e["data_offsets"])
    return edit(change)


def raw_offset(text):
    """A number that Python's json would not write."""
    def change(s):
        head = json.loads(s)
        e = entry(head)
        old = json.dumps(e["data_offsets"])
        return s.replace(old, old.replace(str(e["data_offsets"][1]), text), 1)
    return text_edit(change)


def cut(at):
    def make(path):
        raw = (path / "model.safetensors").read_bytes()
        (path / "model.safetensors").write_bytes(raw[:at if at >= 0 else len(raw) + at])
    return make


def prefix(value, fmt="<Q"):
    def make(path):
        raw = (path / "model.safetensors").read_bytes()
        (path / "model.safetensors").write_bytes(struct.pack(fmt, value) + raw[8:])
    return make


def whole(raw):
    return lambda path: (path / "model.safetensors").write_bytes(raw) and None


def index(weight_map, files=()):
    """Shards instead of one file: the real one renamed, plus an index."""
    def make(path):
        os.rename(path / "model.safetensors", path / "part-1.safetensors")
        head, _ = header_of_file(path / "part-1.safetensors")
        names = {k: "part-1.safetensors" for k in head if k != "__metadata__"}
        weight_map(names, path)
        for f in files:
            f(path)
        (path / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {}, "weight_map": names}))
    return make


def header_of_file(path):
    raw = path.read_bytes()
    n = struct.unpack_from("<Q", raw)[0]
    return json.loads(raw[8:8 + n]), raw[8 + n:]


def shard(name):
    return index(lambda names, path: names.update({next(iter(names)): name}))


def fifo_shard(path):
    os.mkfifo(path / "part-2.safetensors")


def outside_link(path):
    (path.parent / "outside.safetensors").write_bytes((path / "part-1.safetensors").read_bytes())
    os.symlink("../../../../etc/passwd", path / "part-2.safetensors")


def only(name, raw):
    """A folder with this weight file only."""
    def make(path):
        os.remove(path / "model.safetensors")
        (path / name).write_bytes(raw)
    return make


def poison(value):
    def make(path):
        head, data = header_of(path)
        at = entry(head)["data_offsets"][0]
        put(path, json.dumps(head), data[:at] + struct.pack("<f", value) + data[at + 4:])
    return make


def many_empty(path):
    """Written in pieces: what a process takes at most counts what its parent took."""
    head, data = header_of(path)
    piece = ', "t%%d": {"dtype": "F32", "shape": [0], "data_offsets": [%d, %d]}' % (len(data), len(data))
    begin = json.dumps(head)[:-1].encode()
    with open(path / "model.safetensors", "wb") as f:
        f.write(bytes(8) + begin)
        for at in range(0, 1_000_000, 1000):
            f.write("".join(piece % i for i in range(at, at + 1000)).encode())
        f.write(b"}")
        n = f.tell() - 8
        f.write(data)
        f.seek(0)
        f.write(struct.pack("<Q", n))


def two_shards(path):
    """Both hold every tensor."""
    (path / "part-2.safetensors").write_bytes((path / "part-1.safetensors").read_bytes())


SAFETENSORS = [
    ("S01 cut header", FILE, cut(40)), ("S02 cut data", FILE, cut(-5)), ("S03 empty", FILE, cut(0)),
    ("S04 header length 0", FILE, prefix(0)), ("S05 header beyond file", FILE, prefix(1 << 30)),
    ("S06 header 2^63", FILE, prefix(1 << 63)), ("S07 header 2^64-1", FILE, prefix((1 << 64) - 1)),
    ("S08 header big-endian", FILE, prefix(2000, ">Q")),
    ("S09 overlap", FILE, offsets(lambda a, b: [a - 4, b - 4])),
    ("S10 hole", FILE, offsets(lambda a, b: [a + 4, b + 4])),
    ("S11 trailing bytes", FILE, text_edit(lambda s: (s, header_data(s) + b"abcd"))),
    ("S12 begin after end", FILE, offsets(lambda a, b: [b, a])),
    ("S13 negative offset", FILE, offsets(lambda a, b: [-4, b])),
    ("S14 float offset", FILE, offsets(lambda a, b: [a, b + 0.5])),
    ("S15 offset 1.6e1", FILE, raw_offset("1.6e1")),
    ("S16 shape product wraps", FILE, set_entry(shape=[1 << 33, 1 << 33])),
    ("S17 shape does not give bytes", FILE, set_entry(shape=[3, 3])),
    ("S18 negative dimension", FILE, set_entry(shape=[-32])),
    ("S19 unknown dtype", EITHER, set_entry(dtype="F77")),
    ("S20 missing dtype", FILE, drop("dtype")), ("S20b missing shape", FILE, drop("shape")),
    ("S20c missing offsets", FILE, drop("data_offsets")),
    ("S20d three offsets", FILE, offsets(lambda a, b: [a, b, b])),
    ("S20e bad UTF-8", FILE, text_edit(lambda s: s.encode().replace(b"model.norm", b"model\xff\xfenor"))),
    ("S21 name twice", FILE, text_edit(lambda s: s[:-1] + ', "model.norm.weight": ' +
                                       json.dumps(json.loads(s)["model.norm.weight"]) + "}")),
    ("S22 field twice", FILE, text_edit(lambda s: s.replace('"dtype"', '"dtype": "F32", "dtype"', 1))),
    ("S23 empty tensor at the offset of another", FILE, edit(lambda h: h.update(none={
        "dtype": "F32", "shape": [0], "data_offsets": [0, 0]}))),
    ("S25 unknown field", (0, 3), set_entry(colour="red")),
    ("S28 blanks before the header", FILE, text_edit(lambda s: "  " + s)),
    ("S28b blanks behind it", (0,), text_edit(lambda s: s + " " * 999)),
    ("S24 rank 100", FILE, set_entry(shape=[1] * 99 + [32])),
    ("S26 metadata not text", FILE, edit(lambda h: h.update(__metadata__={"a": 1}))),
    ("S27 nested 200,000", FILE, text_edit(lambda s: '{"__metadata__": ' + "[" * 200_000)),
    ("S29 byte order mark", FILE, text_edit(lambda s: b"\xef\xbb\xbf" + s.encode())),
    ("S30 NUL behind the JSON", FILE, text_edit(lambda s: s.encode() + b"\0")),
    ("S31 two objects", FILE, text_edit(lambda s: s + "{}")),
    ("S32 array", FILE, text_edit(lambda s: "[]")), ("S32b number", FILE, text_edit(lambda s: "1")),
    ("S32c null", FILE, text_edit(lambda s: "null")),
    ("S33 2^53+1", FILE, raw_offset(str((1 << 53) + 1))),
    ("S34 400 digits", FILE, raw_offset("1" * 400)),
    ("S35 01", FILE, raw_offset("01")), ("S35b 1.", FILE, raw_offset("1.")),
    ("S35c +1", FILE, raw_offset("+1")), ("S35d 0x10", FILE, raw_offset("0x10")),
    ("S35e NaN", FILE, raw_offset("NaN")),
    ("S36 shard ../x", FILE, shard("../x.safetensors")),
    ("S36b shard absolute", FILE, shard("/etc/passwd")), ("S36c shard a/b", FILE, shard("a/b")),
    ("S36d shard ..", FILE, shard("..")), ("S36e shard empty", FILE, shard("")),
    ("S36f shard number", FILE, shard(7)),
    ("S36g shard FIFO", IO, index(lambda n, p: n.update({next(iter(n)): "part-2.safetensors"}), [fifo_shard])),
    ("S36h shard link to another file", IO, index(lambda n, p: n.update({next(iter(n)): "part-2.safetensors"}), [outside_link])),
    ("S37 shard missing", IO, shard("part-9.safetensors")),
    ("S38 tensor in two shards", (0, 3), index(lambda n, p: n.update({next(iter(n)): "part-2.safetensors"}), [two_shards])),
    ("S39 tensor not in its shard", FILE, index(lambda n, p: n.update({"no.such.weight": "part-1.safetensors"}))),
    ("S40 pickle", EITHER, only("pytorch_model.bin", b"\x80\x02}q\0.")),
    ("S40b zip", EITHER, only("model.pt", b"PK\3\4" + bytes(30))),
    ("S41 FP8 weight", EITHER, set_entry(dtype="F8_E4M3")), ("S41b I32 weight", EITHER, set_entry(dtype="I32")),
    ("S42 LFS pointer", FILE, whole(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")),
    ("S46 weight missing", FILE, edit(lambda h: h.pop("model.norm.weight") and None)),
    ("S44 NaN weight", FILE, poison(float("nan"))), ("S44b infinite weight", FILE, poison(float("inf"))),
    ("S45 a tensor of another shape", FILE, edit(lambda h: h["model.norm.weight"].update(shape=[16, 2]))),
]

SLOW_SAFETENSORS = [("S43 a million empty tensors", (3,), many_empty)]


def header_data(text):
    return b"".join(raw for _, _, raw in tiny.weights())


# ---- JSON files ----------------------------------------------------------------------------------

def json_file(name, change):
    def make(path):
        value = json.loads((path / name).read_text())
        value = change(value) or value
        (path / name).write_text(json.dumps(value, ensure_ascii=False))
    return make


def json_text(name, change):
    def make(path):
        text = (path / name).read_bytes()
        (path / name).write_bytes(change(text))
    return make


def config(**fields):
    return json_file("config.json", lambda c: c.update(fields))


def other(model_type, architecture, **fields):
    """The configuration of another family; what is wrong with it comes before its tensors."""
    return config(model_type=model_type, architectures=[architecture], **fields)


def longrope(**fields):
    factors = {"type": "longrope", "short_factor": [1.0] * 8, "long_factor": [2.0] * 8}
    return other("phi3", "Phi3ForCausalLM", original_max_position_embeddings=64,
                 rope_scaling={**factors, **fields})


def openelm(**fields):
    lists = {"num_query_heads": [2], "num_kv_heads": [1], "ffn_multipliers": [1.0]}
    return other("openelm", "OpenELMForCausalLM", model_dim=32, num_transformer_layers=1,
                 max_context_length=64, head_dim=16, **{**lists, **fields})


def gpt2(**fields):
    sizes = {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64}
    return other("gpt2", "GPT2LMHeadModel", **{**sizes, **fields})


def without(*names):
    return json_file("config.json", lambda c: [c.pop(n) for n in names] and None)


def remove(name):
    return lambda path: os.remove(path / name)


def rope(**fields):
    return config(rope_scaling=fields)


# Options that change the result, of families that do not have them; some that nobody has heard of.
OPTIONS = [("residual_multiplier", 0.22), ("embedding_multiplier", 12.0), ("logits_scaling", 8.0),
           ("attention_multiplier", 0.0156), ("logit_scale", 0.0625), ("scale_emb", 12), ("scale_depth", 1.4),
           ("clip_qkv", 8.0), ("use_qk_norm", True), ("qk_layernorm", True), ("use_parallel_residual", True),
           ("partial_rotary_factor", 0.5), ("attn_logit_softcapping", 50.0), ("num_local_experts", 8),
           ("lm_head_bias", True), ("rope_interleaved", True), ("use_mrope", True), ("alibi", True),
           ("is_encoder_decoder", True), ("vision_config", {"depth": 2}), ("rotary_pct", 0.25),
           ("kv_lora_rank", 16), ("attention_sink_size", 4), ("hidden_activation_of_mine", "cube"),
           ("layer_scale_of_mine", 0.5), ("shared_layers_of_mine", [1, 2])]
FAMILIES = ["olmo", "olmoe", "olmo3", "phi", "phimoe", "gemma3", "gemma3n", "deepseek_v3", "llama4", "falcon",
            "mpt", "mamba", "qwen3_next", "gpt_neox", "cohere", "granite", "modernbert", "nomic_bert"]

CONFIG = [
    ("C01 missing", IO, remove("config.json")), ("C02 array", FILE, json_text("config.json", lambda t: b"[]")),
    ("C02b cut", FILE, json_text("config.json", lambda t: t[:40])),
    ("C02c empty", FILE, json_text("config.json", lambda t: b"")),
    ("C03 no model_type", EITHER, without("model_type", "architectures")),
    ("C03b unknown model_type", UNSUPPORTED, config(model_type="retnet", architectures=["RetNet"])),
    ("C03c model_type a number", FILE, config(model_type=3)),
    ("C04 layers 0", FILE, config(num_hidden_layers=0)), ("C04b layers -1", FILE, config(num_hidden_layers=-1)),
    ("C04c layers 1e9", FILE, config(num_hidden_layers=1_000_000_000)),
    ("C04d layers one more", FILE, config(num_hidden_layers=2)),
    ("C05 heads 0", FILE, config(num_attention_heads=0)),
    ("C05b KV heads do not divide", FILE, config(num_attention_heads=4, num_key_value_heads=3, head_dim=8)),
    ("C05c more KV heads than heads", FILE, config(num_key_value_heads=4)),
    ("C06 hidden 0", FILE, config(hidden_size=0)), ("C06b head size odd", FILE, config(head_dim=15)),
    ("C06c hidden not heads x size", FILE, config(num_attention_heads=3, num_key_value_heads=3)),
    ("C07 vocabulary 0", FILE, config(vocab_size=0)), ("C07b vocabulary 2^31", FILE, config(vocab_size=1 << 31)),
    ("C07c vocabulary not the rows", FILE, config(vocab_size=tiny.VOCAB + 1)),
    ("C08 MLP 0", FILE, config(intermediate_size=0)), ("C08b MLP not the rows", FILE, config(intermediate_size=48)),
    ("C09 theta 0", FILE, config(rope_theta=0)), ("C09b theta negative", FILE, config(rope_theta=-1.0)),
    ("C09c theta NaN", FILE, json_text("config.json", lambda t: t.replace(b"10000.0", b"NaN"))),
    ("C09d theta 1e400", FILE, json_text("config.json", lambda t: t.replace(b"10000.0", b"1e400"))),
    ("C09e theta text", FILE, config(rope_theta="big")),
    ("C10 rope type unknown", UNSUPPORTED, rope(type="spiral", factor=2.0)),
    ("C10b factor 0", FILE, rope(type="linear", factor=0)), ("C10c factor missing", FILE, rope(rope_type="linear")),
    ("C10d llama3 member missing", FILE, rope(rope_type="llama3", factor=8.0)),
    ("C10e rope_scaling a number", FILE, config(rope_scaling=3)),
    ("C11 epsilon negative", FILE, config(rms_norm_eps=-1e-5)), ("C11b epsilon 1e30", FILE, config(rms_norm_eps=1e30)),
    ("C12 context 0", FILE, config(max_position_embeddings=0)),
    ("C12b context 2^40", FILE, config(max_position_embeddings=1 << 40)),
    ("C13 integer as text", FILE, config(hidden_size="32")), ("C13b integer as fraction", FILE, config(hidden_size=32.5)),
    ("C14 key twice", FILE, json_text("config.json", lambda t: t[:-1] + b', "hidden_size": 64}')),
    ("C15 tie not a bool", FILE, config(tie_word_embeddings="no")),
    ("C17 activation unknown", UNSUPPORTED, config(hidden_act="relu6")),
    ("C18 bias without tensors", FILE, config(attention_bias=True)),
    ("C18b MLP bias without tensors", FILE, config(mlp_bias=True)),
    ("C19 quantized source", UNSUPPORTED, config(quantization_config={"quant_method": "gptq"})),
    ("C30 factors too few", FILE, longrope(long_factor=[1.0] * 7)),
    ("C30b factors no list", FILE, longrope(short_factor=2.0)), ("C30c factors 0", FILE, longrope(long_factor=[0.0] * 8)),
    ("C30d factors texts", FILE, longrope(long_factor=["1"] * 8)), ("C30e factors missing", FILE, longrope(short_factor=None)),
    ("C30f factor unknown", UNSUPPORTED, longrope(short_mscale=1.2)), ("C30g factors 1e-300", FILE, longrope(long_factor=[1e-300] * 8)),
    ("C31 NoPE list too long", FILE, other("smollm3", "SmolLM3ForCausalLM", no_rope_layers=[1, 0])),
    ("C31b NoPE neither 0 nor 1", FILE, other("smollm3", "SmolLM3ForCausalLM", no_rope_layers=[2])),
    ("C31c nothing turns", UNSUPPORTED, other("smollm3", "SmolLM3ForCausalLM", no_rope_layers=[0])),
    ("C32 parallel residual", UNSUPPORTED, other("stablelm", "StableLmForCausalLM", use_parallel_residual=True)),
    ("C32b turns nothing", FILE, other("stablelm", "StableLmForCausalLM", partial_rotary_factor=0.01)),
    ("C32c turns 1e30", FILE, other("stablelm", "StableLmForCausalLM", partial_rotary_factor=1e30)),
    ("C33 heads no list", FILE, openelm(num_query_heads=2)), ("C33b heads too many", FILE, openelm(num_query_heads=[2, 2])),
    ("C33c heads 0", FILE, openelm(num_kv_heads=[0])), ("C33d heads a fraction", FILE, openelm(num_kv_heads=[0.5])),
    ("C33e KV heads do not divide", FILE, openelm(num_query_heads=[3], num_kv_heads=[2])),
    ("C33f MLP 1e300", FILE, openelm(ffn_multipliers=[1e300])), ("C33g no q/k norm", UNSUPPORTED, openelm(normalize_qk_projections=False)),
    ("C34 heads 0", FILE, gpt2(n_head=0)), ("C34b heads do not divide", FILE, gpt2(n_head=3)),
    ("C34c MLP 0", FILE, gpt2(n_inner=0)), ("C34d positions 0", FILE, gpt2(n_positions=0)),
    ("C34e scale by layer", UNSUPPORTED, gpt2(scale_attn_by_inverse_layer_idx=True)),
    ("C35 scores' scale 0", FILE, other("gemma2", "Gemma2ForCausalLM", query_pre_attn_scalar=0)),
    ("C35b cap negative", FILE, other("gemma2", "Gemma2ForCausalLM", attn_logit_softcapping=-1.0)),
    ("C35c window 0", FILE, other("gemma2", "Gemma2ForCausalLM", sliding_window=0)),
    ("C35d activation unknown", UNSUPPORTED, other("gemma", "GemmaForCausalLM", hidden_activation="relu")),
    ("C21 template not text", FILE, json_file("tokenizer_config.json", lambda c: c.update(chat_template=5))),
    ("C03d two architectures", FILE, config(architectures=["LlamaForCausalLM", "LlamaModel"])),
    ("C03e architectures a text", FILE, config(architectures="LlamaForCausalLM")),
    ("C13c integer as 32.0", (0, 3), json_text("config.json", lambda t: t.replace(b'"hidden_size": 32', b'"hidden_size": 32.0'))),
    ("C16 window 0", FILE, other("mistral", "MistralForCausalLM", sliding_window=0)),
    ("C16b window negative", FILE, other("mistral", "MistralForCausalLM", sliding_window=-4096)),
    ("C16c window in llama", UNSUPPORTED, config(sliding_window=64)),
    ("C20 code is not looked at", (0,), config(auto_map={"AutoModelForCausalLM": "x.py--evil.Model"}, custom_pipelines={"a": "b.py"})),
    ("C21b template of 2 MB", FILE, json_file("tokenizer_config.json", lambda c: c.update(chat_template="{# " + "x" * (2 << 20) + " #}"))),
    ("C21c templates without a default", (0,), json_file("tokenizer_config.json", lambda c: c.update(chat_template=[{"name": "tools", "template": "a"}]))),
    ("C22c no end ids in the list", FILE, config(eos_token_id=[])),
    *((f"C37 option {name}", UNSUPPORTED, config(**{name: value})) for name, value in OPTIONS),
    *((f"C38 family {name}", UNSUPPORTED, config(model_type=name, architectures=[name + "ForCausalLM"])) for name in FAMILIES),
    ("C39 option of an OLMo 2", UNSUPPORTED, other("olmo2", "Olmo2ForCausalLM", clip_qkv=8.0)),
    ("C39b q/k norm of a StableLM", UNSUPPORTED, other("stablelm", "StableLmForCausalLM", qk_layernorm=True)),
    ("C39c biases of a StableLM without tensors", FILE, other("stablelm", "StableLmForCausalLM", use_qkv_bias=True)),
    ("C39d head size of a DeepSeek", FILE, other("deepseek_v2", "DeepseekV2ForCausalLM", qk_head_dim=100, qk_nope_head_dim=16,
                                                 qk_rope_head_dim=8, v_head_dim=16, kv_lora_rank=16, n_routed_experts=4,
                                                 num_experts_per_tok=2, moe_intermediate_size=32, rms_norm_eps=1e-6)),
    ("C22 end id beyond vocabulary", FILE, config(eos_token_id=1 << 20)),
    ("C22b end id text", FILE, config(eos_token_id="2")),
    ("C23 depth bomb", FILE, json_text("config.json", lambda t: b'{"a":' * 100_000)),
]


def tok(change):
    return json_file("tokenizer.json", change)


def model(**fields):
    return tok(lambda t: t["model"].update(fields))


def vocab(change):
    return tok(lambda t: change(t["model"]["vocab"]) and None)


def added(**fields):
    return tok(lambda t: t["added_tokens"][0].update(fields))


TOKENIZER = [
    ("T01 missing", IO, remove("tokenizer.json")), ("T02 cut", FILE, json_text("tokenizer.json", lambda t: t[:-20])),
    ("T03 unknown model", UNSUPPORTED, model(type="Morse")), ("T03b no model", FILE, tok(lambda t: t.pop("model") and None)),
    ("T04 empty vocabulary", FILE, model(vocab={})),
    ("T05 key twice", FILE, json_text("tokenizer.json", lambda t: t.replace(b'"vocab": {', b'"vocab": {"!": 0, ', 1))),
    ("T06 id twice", FILE, vocab(lambda v: v.update({"a": v["b"]}) or 1)),
    ("T07 id negative", FILE, vocab(lambda v: v.update(a=-1) or 1)), ("T07b id a fraction", FILE, vocab(lambda v: v.update(a=1.5) or 1)),
    ("T07c id 2^31", FILE, vocab(lambda v: v.update(a=1 << 31) or 1)), ("T07d id 4e9", FILE, vocab(lambda v: v.update(a=4_000_000_000) or 1)),
    ("T07e id text", FILE, vocab(lambda v: v.update(a="5") or 1)),
    ("T09 token of 1 MiB", FILE, vocab(lambda v: v.update({"x" * (1 << 20): tiny.VOCAB}) or 1)),
    ("T09b lone surrogate", FILE, json_text("tokenizer.json", lambda t: t.replace(b'"vocab": {', b'"vocab": {"\\ud800": 9999, ', 1))),
    ("T10 merges not a list", FILE, model(merges=7)),
    ("T11 merge of one part", FILE, model(merges=["he"])), ("T11b merge of three", FILE, model(merges=[["h", "e", "l"]])),
    ("T13 merge part unknown", FILE, model(merges=[["h", "\u00ff\u00ff"]])),
    ("T14 merge result unknown", FILE, model(merges=[["z", "q"]])),
    ("T15 merge twice", FILE, model(merges=[["h", "e"], ["h", "e"]])),
    ("T18 added token without id", FILE, tok(lambda t: t["added_tokens"][0].pop("id") and None)),
    ("T18b added id taken", FILE, added(id=65)), ("T18c added content empty", FILE, added(content="")),
    ("T18d added id 2^31", FILE, added(id=1 << 31)),
    ("T18e added token twice", FILE, tok(lambda t: t["added_tokens"].append(dict(t["added_tokens"][0], id=tiny.VOCAB)))),
    ("T20 unknown token not in vocabulary", FILE, model(unk_token="<nope>")),
    ("T22 unknown pattern", UNSUPPORTED, tok(lambda t: t.update(pre_tokenizer={
        "type": "Split", "pattern": {"Regex": "(?<=x)\\p{Greek}+"}, "behavior": "Isolated", "invert": False}))),
    ("T22b unknown pre-tokenizer", UNSUPPORTED, tok(lambda t: t.update(pre_tokenizer={"type": "Psychic"}))),
    ("T23 unknown normalizer", UNSUPPORTED, tok(lambda t: t.update(normalizer={"type": "Psychic"}))),
    ("T24 unknown decoder", UNSUPPORTED, tok(lambda t: t.update(decoder={"type": "Psychic"}))),
    ("T24b unknown post-processor", UNSUPPORTED, tok(lambda t: t.update(post_processor={"type": "Psychic"}))),
    ("T25 vocabulary above the rows", FILE, vocab(lambda v: v.update({f"qq{i}": tiny.VOCAB + i for i in range(9)}) or 1)),
    ("T28 depth bomb", FILE, json_text("tokenizer.json", lambda t: b"[" * 200_000)),
    ("T29 UTF-16", FILE, json_text("tokenizer.json", lambda t: b"\xff\xfe" + t.decode().encode("utf-16-le"))),
    ("T30 model twice", FILE, json_text("tokenizer.json", lambda t: t[:-1] + b', "model": {}}')),
]


# ---- GGUF and llama2.c ---------------------------------------------------------------------------

def gguf(make):
    """A kind made of the bytes of a GGUF file."""
    def place(path):
        (path / "m.gguf").write_bytes(make())
        return path / "m.gguf", []
    return place


def key(name, value, kind=None):
    def make():
        keys = [(n, kind or k, value) if n == name else (n, k, v) for n, k, v in tiny.gguf_keys()]
        return tiny.gguf(keys=keys)
    return gguf(make)


def more(*keys):
    return gguf(lambda: tiny.gguf(keys=tiny.gguf_keys() + list(keys)))


def no_key(name):
    return gguf(lambda: tiny.gguf(keys=[k for k in tiny.gguf_keys() if k[0] != name]))


def tensor(i, **change):
    def make():
        ts = tiny.gguf_tensors()
        name, dims, kind, raw = ts[i]
        ts[i] = (change.get("name", name), change.get("dims", dims), change.get("kind", kind), raw)
        return tiny.gguf(tensors=ts)
    return gguf(make)


def gguf_patch(find, replace):
    return gguf(lambda: tiny.gguf().replace(find, replace, 1))


BIG = struct.pack("<Q", 1 << 60)
def bert(*more):
    """The values of an encoder; its tensors are not looked at before they are right."""
    sizes = {"block_count": 1, "embedding_length": 32, "feed_forward_length": 32, "context_length": 64,
             "attention.head_count": 2}
    keys = [("general.architecture", tiny.STRING, "bert")]
    keys += [("bert." + name, tiny.U32, n) for name, n in sizes.items()]
    keys += [k for k in tiny.gguf_keys() if k[0].startswith("tokenizer.")] + list(more)
    return gguf(lambda: tiny.gguf(keys=keys))


def experts():
    """A Qwen2-MoE of two experts and a shared one, whose gate is a vector here."""
    def make():
        sizes = {"expert_count": 2, "expert_used_count": 1, "expert_feed_forward_length": tiny.FF,
                 "expert_shared_feed_forward_length": tiny.FF}
        keys = [(n.replace("llama.", "qwen2moe."), k, "qwen2moe" if v == "llama" else v) for n, k, v in tiny.gguf_keys()]
        keys += [("qwen2moe." + n, tiny.U32, v) for n, v in sizes.items()]
        tensors = []
        for name, dims, kind, raw in tiny.gguf_tensors():
            part = name.split(".")[-2]
            if part in ("ffn_gate", "ffn_up", "ffn_down"):
                tensors += [(name.replace(part, part + "_exps"), [*dims, 2], kind, raw * 2),
                            (name.replace(part, part + "_shexp"), dims, kind, raw)]
            else:
                tensors.append((name, dims, kind, raw))
            if part in ("attn_q", "attn_k", "attn_v"):
                tensors.append((name.replace("weight", "bias"), dims[1:], 0, bytes(4 * dims[1])))
        tensors += [("blk.0.ffn_gate_inp.weight", [tiny.HIDDEN, 2], 0, bytes(8 * tiny.HIDDEN)),
                    ("blk.0.ffn_gate_inp_shexp.weight", [tiny.HIDDEN], 0, bytes(4 * tiny.HIDDEN))]
        return tiny.gguf(keys=keys, tensors=tensors)
    return gguf(make)


def aligned(n, tail=0):
    """Tensors at multiples of n, and so many bytes behind the last."""
    keys = tiny.gguf_keys() + [("general.alignment", tiny.U32, n)]
    return gguf(lambda: tiny.gguf(keys=keys, align=n) + bytes(tail))


def long_key(n):
    return more(("k" * n, tiny.U8, 1))


# Whole numbers of each type, and others where those are wanted.
NUMBERS = [(f"G24 layers as type {kind}", FILE if kind in (tiny.F32, 12) else (0,), key("llama.block_count", tiny.LAYERS, kind))
           for kind in sorted(tiny.NUMBERS) if kind != tiny.BOOL]
NUMBERS += [(f"G25 layers -1 as type {kind}", FILE, key("llama.block_count", -1, kind)) for kind in (1, 3, 5, 11, 12)]
NUMBERS += [(f"G26 {name} beyond all", EITHER, key("llama." + name, (1 << 63) - 1, 10))
            for name in ("block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count",
                         "attention.head_count_kv", "rope.dimension_count")]
NUMBERS += [("G27 bool of 1", (0,), more(("tokenizer.ggml.add_bos_token", tiny.BOOL, b"\1"))),
            ("G27b bool of 2", FILE, more(("tokenizer.ggml.add_bos_token", tiny.BOOL, b"\2"))),
            *((f"G28 alignment {n}", (0,), aligned(n)) for n in (8, 64, 65536)),
            *((f"G28b alignment {n}", FILE, aligned(n)) for n in (4, 131072)),
            ("G29 31 bytes behind", (0,), aligned(32, 31)), ("G29b 32 bytes behind", FILE, aligned(32, 32)),
            ("G30 key of 1024 bytes", (0,), long_key(1024)), ("G30b key of 1025", FILE, long_key(1025)),
            ("G31 rank 4", EITHER, tensor(1, dims=[tiny.HIDDEN, 1, 1, 1])), ("G31b rank 0", FILE, tensor(1, dims=[])),
            *((f"G32 id {n}", (0,) if -2 < n < tiny.VOCAB else FILE, key("tokenizer.ggml.eos_token_id", n, tiny.I32))
              for n in (-2, -1, 0, tiny.VOCAB - 1, tiny.VOCAB)),
            ("G32b id a float", FILE, key("tokenizer.ggml.eos_token_id", 1.5, tiny.F32)),
            ("G33 version 2", (0,), gguf(lambda: tiny.gguf(version=2))), ("G33b version 4", EITHER, gguf(lambda: tiny.gguf(version=4))),
            ("G33c version 3, big-endian", EITHER, gguf(lambda: tiny.gguf(version=3 << 24))),
            ("G34 types of experts no numbers", EITHER, more(("llama.expert_count", tiny.STRING, "2"))),
            ("G34b no experts", (0,), more(("llama.expert_count", tiny.U32, 0))), ("G34c experts", EITHER, more(("llama.expert_count", tiny.U32, 2))),
            ("G35 head of its size", (0,), more(("llama.attention.key_length", tiny.U32, tiny.HEAD))),
            ("G35b head of another", EITHER, more(("llama.attention.key_length", tiny.U32, tiny.HEAD + 2))),
            ("G36 window a text", EITHER, more(("llama.attention.sliding_window", tiny.STRING, "8"))),
            ("G36b list of heads", EITHER, key("llama.attention.head_count", (tiny.U32, [tiny.HEADS]), tiny.ARRAY)),
            ("G37 no factor", FILE, more(("llama.rope.scaling.type", tiny.STRING, "yarn"))),
            ("G37b factor a text", EITHER, more(("llama.rope.scaling.type", tiny.STRING, "linear"), ("llama.rope.scaling.factor", tiny.STRING, "2"))),
            ("G37c linear by 1", (0,), more(("llama.rope.scaling.type", tiny.STRING, "linear"), ("llama.rope.scaling.factor", tiny.F32, 1.0))),
            ("G37d none", (0,), more(("llama.rope.scaling.type", tiny.STRING, "none"))),
            ("G38 template not UTF-8", EITHER, more(("tokenizer.chat_template", tiny.STRING, tiny.gguf_string(b"\xff")))),
            ("G38b template", (0,), more(("tokenizer.chat_template", tiny.STRING, "{{ messages }}")))]


GGUF = [
    *NUMBERS,
    ("G21 scaling a number", UNSUPPORTED, more(("llama.rope.scaling.type", tiny.U32, 1))),
    ("G21b scaling linear", (0,), more(("llama.rope.scaling.type", tiny.STRING, "linear"), ("llama.rope.scaling.factor", tiny.F32, 2.0))),
    ("G22 scale that changes nothing", (0,), more(("llama.logit_scale", tiny.F32, 1.0))),
    ("G22b scale", UNSUPPORTED, more(("llama.logit_scale", tiny.F32, 2.0))), ("G22c scale a text", UNSUPPORTED, more(("llama.logit_scale", tiny.STRING, "1"))),
    ("G23 experts and a shared one", (0,), experts()),
    ("G10c alignment as ever", (0,), more(("general.alignment", tiny.U32, 32))), ("G10d alignment a byte", FILE, more(("general.alignment", tiny.U8, 32))),
    *((f"G19 architecture {name}", UNSUPPORTED, key("general.architecture", name))
      for name in ("nomic-bert", "jina-bert-v2", "modern-bert", "neo-bert", "eurobert")),
    *((f"G20 pooling {n}", UNSUPPORTED, bert(("bert.pooling_type", tiny.U32, n))) for n in (3, 4, 77)),
    ("G20b pooling a text", UNSUPPORTED, bert(("bert.pooling_type", tiny.STRING, "mean"))),
    ("G20c causal", UNSUPPORTED, bert(("bert.attention.causal", tiny.BOOL, True))),
    ("G20d causal a text", UNSUPPORTED, bert(("bert.attention.causal", tiny.STRING, "no"))),
    ("G20e tensors of another architecture", EITHER, bert(("bert.pooling_type", tiny.U32, 1))),
    ("G20f window", UNSUPPORTED, bert(("bert.attention.sliding_window", tiny.U32, 8))),
    ("G01 cut", FILE, gguf(lambda: tiny.gguf()[:100])), ("G02 magic only", FILE, gguf(lambda: b"GGUF")),
    ("G03 version 1", EITHER, gguf(lambda: tiny.gguf(version=1))), ("G03b version 99", EITHER, gguf(lambda: tiny.gguf(version=99))),
    ("G04 keys 2^60", FILE, gguf(lambda: tiny.gguf(n_keys=1 << 60))), ("G04b tensors 2^60", FILE, gguf(lambda: tiny.gguf(n_tensors=1 << 60))),
    ("G04c one key more", FILE, gguf(lambda: tiny.gguf(n_keys=len(tiny.gguf_keys()) + 1))),
    ("G05 string length 2^60", FILE, gguf(lambda: tiny.gguf()[:24] + BIG + tiny.gguf()[32:])),
    ("G06 value type 77", FILE, gguf(lambda: tiny.gguf(keys=[("x", 77, b"")] + tiny.gguf_keys()))),
    ("G07 nested arrays", FILE, gguf(lambda: tiny.gguf(keys=[("x", 9, struct.pack("<IQ", 9, 1) * 5000)] + tiny.gguf_keys()))),
    ("G08 array of 2^60", FILE, gguf(lambda: tiny.gguf(keys=[("x", 9, struct.pack("<IQ", 4, 1 << 60))] + tiny.gguf_keys()))),
    ("G08b 200,000 empty strings", (0,), gguf(lambda: tiny.gguf(
        keys=[("x", tiny.ARRAY, (tiny.STRING, [""] * 200_000))] + tiny.gguf_keys()))),
    ("G09 key twice", FILE, gguf(lambda: tiny.gguf(keys=tiny.gguf_keys() + [("llama.block_count", tiny.U32, 1)]))),
    ("G10 alignment 0", FILE, gguf(lambda: tiny.gguf(keys=tiny.gguf_keys() + [("general.alignment", tiny.U32, 0)]))),
    ("G10b alignment 3", FILE, gguf(lambda: tiny.gguf(keys=tiny.gguf_keys() + [("general.alignment", tiny.U32, 3)]))),
    ("G11 architecture unknown", UNSUPPORTED, key("general.architecture", "mamba")), ("G11b architecture missing", EITHER, no_key("general.architecture")),
    ("G12 layers missing", FILE, no_key("llama.block_count")), ("G12b layers 0", FILE, key("llama.block_count", 0)),
    ("G12c layers 2^31", FILE, key("llama.block_count", 1 << 31)), ("G12d heads 0", FILE, key("llama.attention.head_count", 0)),
    ("G12e hidden a float", FILE, key("llama.embedding_length", 32.0, tiny.F32)),
    ("G13 tensor rank 5", FILE, tensor(1, dims=[32, 1, 1, 1, 1])), ("G13b dimension 0", FILE, tensor(1, dims=[0])),
    ("G13c dimensions wrap", FILE, tensor(0, dims=[1 << 33, 1 << 33])), ("G13d dimension 2^63", FILE, tensor(1, dims=[1 << 63])),
    ("G13e row of half a block", FILE, tensor(0, dims=[tiny.HIDDEN // 2, tiny.VOCAB * 2], kind=8)),
    ("G14 tensor type 99", EITHER, tensor(0, kind=99)), ("G14b IQ2 type", UNSUPPORTED, tensor(0, kind=16)),
    ("G15 tensor twice", FILE, tensor(1, name="token_embd.weight")), ("G15b tensor missing", EITHER, tensor(1, name="nothing.weight")),
    ("G16 offset beyond file", FILE, gguf(lambda: tiny.gguf(offsets={2: 1 << 40}))),
    ("G16b offset wraps", FILE, gguf(lambda: tiny.gguf(offsets={2: (1 << 64) - 32}))),
    ("G16c offset not aligned", FILE, gguf(lambda: tiny.gguf(offsets={2: 33}))),
    ("G17 tokens missing", EITHER, no_key("tokenizer.ggml.tokens")), ("G17b merges missing", FILE, no_key("tokenizer.ggml.merges")),
    ("G17c token types short", FILE, key("tokenizer.ggml.token_type", (tiny.I32, [1, 1]))),
    ("G17d tokens of numbers", FILE, key("tokenizer.ggml.tokens", (tiny.U32, [1] * tiny.VOCAB))),
    ("G17e unknown pre", UNSUPPORTED, key("tokenizer.ggml.pre", "psychic")), ("G17f unknown tokenizer", UNSUPPORTED, key("tokenizer.ggml.model", "psychic")),
    ("G17g fewer tokens than rows", (0, 3), key("tokenizer.ggml.tokens", (tiny.STRING, tiny.PIECES))),
    ("G18 end id beyond vocabulary", FILE, key("tokenizer.ggml.eos_token_id", 1 << 20)),
]


def llama2c(raw, vocab=None):
    def place(path):
        (path / "m.bin").write_bytes(raw())
        (path / "tok.bin").write_bytes(tiny.llama2c_vocab() if vocab is None else vocab())
        return path / "m.bin", ["--vocab", path / "tok.bin"]
    return place


def l2_head(**change):
    names = ("dim", "hidden", "layers", "heads", "kv", "vocab", "seq")
    base = dict(zip(names, (tiny.HIDDEN, tiny.FF, tiny.LAYERS, tiny.HEADS, tiny.KV_HEADS, tiny.LLAMA2C_VOCAB, 64)))
    return llama2c(lambda: tiny.llama2c(tuple({**base, **change}.values())))


def pieces(change):
    return llama2c(tiny.llama2c, lambda: change(tiny.llama2c_vocab()))


def few(n, ids=None):
    """A vocabulary of n pieces for a model of as many rows."""
    shape = (tiny.HIDDEN, tiny.FF, tiny.LAYERS, tiny.HEADS, tiny.KV_HEADS, n, 64)
    return llama2c(lambda: tiny.llama2c(shape=shape), lambda: b"\1\0\0\0" + b"".join(
        struct.pack("<fi", -i, 1) + bytes([97 + i]) for i in range(ids or n)))


LLAMA2C = [
    ("L05 own classifier", (0,), llama2c(lambda: tiny.llama2c(shape=(
        tiny.HIDDEN, tiny.FF, tiny.LAYERS, tiny.HEADS, tiny.KV_HEADS, -tiny.LLAMA2C_VOCAB, 64)))),
    ("L05b own classifier missing", FILE, l2_head(vocab=-tiny.LLAMA2C_VOCAB)),
    ("L06 4 bytes more", FILE, llama2c(lambda: tiny.llama2c() + bytes(4))), ("L06b a byte less", FILE, llama2c(lambda: tiny.llama2c()[:-1])),
    ("L06c 28 bytes", FILE, llama2c(lambda: tiny.llama2c()[:28])), ("L06d 27 bytes", FILE, llama2c(lambda: tiny.llama2c()[:27])),
    ("L07 heads do not divide", FILE, l2_head(heads=3, kv=3)), ("L07b layers 1024", FILE, l2_head(layers=1024)),
    ("L07c layers 1025", FILE, l2_head(layers=1025)), ("L07d sequence 2^24", FILE, l2_head(seq=1 << 24)),
    ("L07e sequence 2^24 + 1", FILE, l2_head(seq=(1 << 24) + 1)), ("L07f hidden 2^24 + 1", FILE, l2_head(hidden=(1 << 24) + 1)),
    ("L08 a byte behind the pieces", FILE, pieces(lambda v: v + b"x")), ("L08b a byte of the last piece missing", FILE, pieces(lambda v: v[:-1])),
    ("L08c the last piece missing", FILE, pieces(lambda v: v[:-(9 + 1)])), ("L08d last length missing", FILE, pieces(lambda v: v[:v.rindex(struct.pack("<f", -float(tiny.LLAMA2C_VOCAB - 1))) + 7])),
    ("L08e three bytes", FILE, pieces(lambda v: v[:3])), ("L08f length -1", FILE, pieces(lambda v: v[:8] + b"\xff" * 4 + v[12:])),
    *((f"L09 {n} pieces", (0,), few(n)) for n in (1, 2, 3)), ("L09b a piece too few", FILE, few(3, 2)), ("L09c a piece too many", FILE, few(3, 4)),
    ("L01 cut header", FILE, llama2c(lambda: tiny.llama2c()[:20])), ("L02 cut data", FILE, llama2c(lambda: tiny.llama2c()[:-4])),
    ("L03 dimension 0", FILE, l2_head(dim=0)), ("L03b dimension negative", FILE, l2_head(dim=-32)),
    ("L03c layers 2^30", FILE, l2_head(layers=1 << 30)), ("L03d heads 0", FILE, l2_head(heads=0)),
    ("L03e KV heads do not divide", FILE, l2_head(heads=4, kv=3)), ("L03f vocabulary 0", FILE, l2_head(vocab=0)),
    ("L03g vocabulary -2^31", FILE, l2_head(vocab=-(1 << 31))), ("L03h sequence 0", FILE, l2_head(seq=0)),
    ("L04 vocabulary file cut", FILE, llama2c(tiny.llama2c, lambda: tiny.llama2c_vocab()[:50])),
    ("L04b vocabulary file empty", FILE, llama2c(tiny.llama2c, lambda: b"")),
    ("L04c piece length 2^31", FILE, llama2c(tiny.llama2c, lambda: tiny.llama2c_vocab()[:8] + b"\xff\xff\xff\x7f")),
    ("L04d score NaN", FILE, llama2c(tiny.llama2c, lambda: tiny.llama2c_vocab()[:4] + struct.pack("<f", float("nan")) + tiny.llama2c_vocab()[8:])),
]


def kinds(every=False):
    yield from SAFETENSORS + CONFIG + TOKENIZER + GGUF + LLAMA2C
    if every:
        yield from SLOW_SAFETENSORS
