#!/usr/bin/env python3
"""The model of the lessons: a transformer of two layers whose weights are written by hand, so that
what each part does can be seen. Usage: model.py FOLDER (made anew). Standard library only.

It knows one thing by heart (in its MLPs): the next letter of the alphabet and the next digit. And it
does one thing with a context (in its attention): if the last token stood there before, it says what
came after it then. Read docs/lessons/README.md first; the names of the parts of x are below.
"""
import json
import math
import os
import pathlib
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "corpus"))
from tiny import SPACE, byte_alphabet, safetensors  # noqa: E402

CODE = 32  # every token has a code of 32 signs
# The parts of x, the 160 numbers that go through the layers.
TOKEN, PREVIOUS, BEFORE, OUT, ONE, FIRST, HIDDEN = 0, 32, 64, 96, 128, 129, 160
HEAD, HEADS, KV_HEADS, LAYERS, FF = 128, 2, 1, 2, 64
HALF = HEAD // 2
THETA = 1e10
SIZE = math.sqrt(CODE)  # of a code, and of what stands in ONE and FIRST

WORDS = [" the", " cat", " sat", " mat", " dog", " ran", " on"]
BEGIN, END = "<s>", "<|end|>"


def merges():
    """Each word grows letter by letter."""
    made = []
    for word in WORDS:
        letters = [SPACE if c == " " else c for c in word]
        for i in range(1, len(letters)):
            pair = ["".join(letters[:i]), letters[i]]
            if pair not in made:
                made.append(pair)
    return made


MERGES = merges()
PIECES = byte_alphabet() + ["".join(m) for m in MERGES] + [BEGIN, END]
VOCAB = len(PIECES)
IDS = {p: i for i, p in enumerate(PIECES)}


def codes():
    """A code for each token, no two of them alike: at most 23 of the 32 signs agree."""
    rng, made = random.Random(5), []
    while len(made) < VOCAB:
        bits = rng.getrandbits(CODE)
        if all(bin(bits ^ other).count("1") >= 9 for other in made):
            made.append(bits)
    signs = [[1.0 if bits >> i & 1 else -1.0 for i in range(CODE)] for bits in made]
    signs[IDS[BEGIN]] = [0.0] * CODE
    return signs


CODES = codes()


class Matrix:
    """A matrix of zeros [rows, columns] to be filled."""

    def __init__(self, rows, columns):
        self.shape = (rows, columns)
        self.rows = [[0.0] * columns for _ in range(rows)]

    def copy(self, to, start, n=CODE, by=1.0):
        """y[to + i] = by * x[start + i]"""
        for i in range(n):
            self.rows[to + i][start + i] = by


def slow(i):
    """Number i of a head that hardly turns with the position: pairs 32 to 63, both halves."""
    return HALF // 2 + i if i < CODE else HALF + HALF // 2 + i - CODE


def embedding():
    m = Matrix(VOCAB, HIDDEN)
    for t in range(VOCAB):
        m.rows[t][TOKEN:TOKEN + CODE] = CODES[t]
        m.rows[t][ONE] = SIZE
    m.rows[IDS[BEGIN]][FIRST] = SIZE
    return m


def looks_back(p):
    """Layer 0: head h finds the token h + 1 places back and writes its code to PREVIOUS, BEFORE."""
    q, k, v, o = (Matrix(*s) for s in ((HEADS * HEAD, HIDDEN), (HEAD, HIDDEN), (HEAD, HIDDEN),
                                       (HIDDEN, HEADS * HEAD)))
    for i in range(12):  # the pairs that turn fast
        turn = THETA ** (-i / HALF)
        k.rows[i][ONE] = 1.0
        for head in range(HEADS):
            q.rows[head * HEAD + i][ONE] = math.cos((head + 1) * turn)
            q.rows[head * HEAD + HALF + i][ONE] = -math.sin((head + 1) * turn)
    v.copy(0, TOKEN, by=0.632)  # 0.632: what the norm before made larger
    o.copy(PREVIOUS, 0)
    o.copy(BEFORE, HEAD, by=0.5)
    return {p + "q_proj": q, p + "k_proj": k, p + "v_proj": v, p + "o_proj": o}


def finds_again(p):
    """Layer 1: head 0 finds where the last two tokens stood before, head 1 the last one; what came
    then goes to OUT. With nothing found they look at the first token, which has no code."""
    q, k, v, o = (Matrix(*s) for s in ((HEADS * HEAD, HIDDEN), (HEAD, HIDDEN), (HEAD, HIDDEN),
                                       (HIDDEN, HEADS * HEAD)))
    for i in range(CODE):
        k.rows[slow(i)][PREVIOUS + i] = 1.0
        k.rows[slow(CODE + i)][BEFORE + i] = 1.0
        for head in range(HEADS):
            q.rows[head * HEAD + slow(i)][TOKEN + i] = 3.2
        q.rows[slow(CODE + i)][PREVIOUS + i] = 3.2
    k.rows[28][FIRST] = 1.0
    for head in range(HEADS):
        q.rows[head * HEAD + 28][ONE] = 3.2 * 0.55
    v.copy(0, TOKEN)
    o.copy(OUT, 0, by=1.2)
    o.copy(OUT, HEAD, by=0.6)
    return {p + "q_proj": q, p + "k_proj": k, p + "v_proj": v, p + "o_proj": o}


def remembers(p, facts):
    """One neuron a fact: the gate opens for the token's code alone, down writes the next one's."""
    gate, up, down = Matrix(FF, HIDDEN), Matrix(FF, HIDDEN), Matrix(HIDDEN, FF)
    for neuron, (this, following) in enumerate(facts):
        gate.rows[neuron][TOKEN:TOKEN + CODE] = CODES[IDS[this]]
        gate.rows[neuron][ONE] = -22.0 / SIZE
        up.rows[neuron][ONE] = 0.1
        for i in range(CODE):
            down.rows[OUT + i][neuron] = 0.14 * CODES[IDS[following]][i]
    return {p + "gate_proj": gate, p + "up_proj": up, p + "down_proj": down}


def facts():
    """Of layer 0 and of layer 1."""
    lower, upper, digits = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
    pairs = [list(zip(row, row[1:])) for row in (lower, upper, digits)]
    return [pairs[0] + [("z", END)] + pairs[1] + [("Z", END)], pairs[2] + [("9", END)]]


def head():
    m = Matrix(VOCAB, HIDDEN)
    for t in range(VOCAB):
        m.rows[t][OUT:OUT + CODE] = [0.2 * c for c in CODES[t]]
    m.rows[IDS[END]][ONE] = 0.4  # when nothing is known
    return m


def weights():
    """[(name, shape, F32 bytes)]"""
    made = {"model.embed_tokens": embedding()}
    for i in range(LAYERS):
        p = f"model.layers.{i}."
        made.update((looks_back, finds_again)[i](p + "self_attn."))
        made.update(remembers(p + "mlp.", facts()[i]))
    made["lm_head"] = head()
    norms = ["model.norm"] + [f"model.layers.{i}.{n}_layernorm" for i in range(LAYERS)
                              for n in ("input", "post_attention")]
    tensors = [(name + ".weight", m.shape,
                b"".join(struct.pack(f"<{len(r)}f", *r) for r in m.rows))
               for name, m in made.items()]
    ones = struct.pack(f"<{HIDDEN}f", *[1.0] * HIDDEN)
    return tensors + [(name + ".weight", (HIDDEN,), ones) for name in norms]


def config():
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCAB,
            "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "intermediate_size": FF,
            "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD,
            "hidden_act": "silu", "max_position_embeddings": 1024, "rms_norm_eps": 1e-5,
            "rope_theta": THETA, "rope_scaling": None, "attention_bias": False, "mlp_bias": False,
            "tie_word_embeddings": False, "torch_dtype": "float32", "bos_token_id": IDS[BEGIN],
            "eos_token_id": IDS[END]}


def tokenizer():
    added = [{"id": IDS[t], "content": t, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for t in (BEGIN, END)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
             "use_regex": True}
    first = {"type": "TemplateProcessing",
             "single": [{"SpecialToken": {"id": BEGIN, "type_id": 0}},
                        {"Sequence": {"id": "A", "type_id": 0}}],
             "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                      {"Sequence": {"id": "B", "type_id": 1}}],
             "special_tokens": {BEGIN: {"id": BEGIN, "ids": [IDS[BEGIN]], "tokens": [BEGIN]}}}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": None, "pre_tokenizer": level, "post_processor": first, "decoder": level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": IDS, "merges": MERGES}}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"config.json": config(), "tokenizer.json": tokenizer(),
             "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast",
                                       "bos_token": BEGIN, "eos_token": END}}
    for name, value in texts.items():
        (folder / name).write_text(json.dumps(value, ensure_ascii=False))
    (folder / "model.safetensors").write_bytes(safetensors(weights()))


if __name__ == "__main__":
    main()
