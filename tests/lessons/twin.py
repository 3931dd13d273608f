#!/usr/bin/env python3
"""A second forward pass of the lessons' model, in plain Python and double precision, to look inside:
slow, short, the same formulas as model/forward.c. Standard library only.
Usage: twin.py FOLDER IDS [what]    FOLDER: a Llama folder with F32 weights; IDS: 1,2,3
  norms                sizes of x after each stage of each layer
  attention LAYER      the weights of each head, one row a position
  neurons LAYER        the neurons of the MLP that are open at the last position
  logits [FILE]        the best tokens; FILE: what `mote logits -o` wrote, to compare with
"""
import json
import math
import pathlib
import struct
import sys


def read_tensors(path):
    """{name: floats of a vector, or rows of a matrix}"""
    raw = pathlib.Path(path).read_bytes()
    n = struct.unpack_from("<Q", raw)[0]
    head, made = json.loads(raw[8:8 + n]), {}
    for name, t in head.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + n + at for at in t["data_offsets"])
        flat, width = struct.unpack(f"<{(end - begin) // 4}f", raw[begin:end]), t["shape"][-1]
        made[name] = flat if len(t["shape"]) == 1 else \
            [flat[i:i + width] for i in range(0, len(flat), width)]
    return made


def dot(a, b):
    return sum(map(float.__mul__, a, b))


def product(w, x):
    return [dot(row, x) for row in w]


def rmsnorm(x, w, eps):
    """x / sqrt(mean(x^2) + eps) * w"""
    scale = 1 / math.sqrt(dot(x, x) / len(x) + eps)
    return [v * scale * g for v, g in zip(x, w)]


def rope(x, pos, theta):
    """Turns the pairs (x[i], x[i + half]) by the angle pos * theta^(-i/half)."""
    half = len(x) // 2
    turned = list(x)
    for i in range(half):
        c, s = (f(pos * theta ** (-i / half)) for f in (math.cos, math.sin))
        turned[i] = x[i] * c - x[i + half] * s
        turned[i + half] = x[i + half] * c + x[i] * s
    return turned


def softmax(x):
    e = [math.exp(v - max(x)) for v in x]
    return [v / sum(e) for v in e]


def silu(x):
    return x / (1 + math.exp(-x))


def heads(x, n):
    return [x[i:i + n] for i in range(0, len(x), n)]


class Twin:
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.config = json.loads((folder / "config.json").read_text())
        self.w = read_tensors(folder / "model.safetensors")
        vocab = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
        self.pieces = {i: p.replace("\u0120", "_") for p, i in vocab.items()}
        self.seen = []  # (stage, x of the last position)

    def layer(self, i, rows):
        """rows: x of every position, changed in place. Gives the weights [head][position][seen]
        and the neurons of the last position."""
        c, w = self.config, lambda name: self.w[f"model.layers.{i}.{name}.weight"]
        eps, theta, dim = c["rms_norm_eps"], c["rope_theta"], c["head_dim"]
        group = c["num_attention_heads"] // c["num_key_value_heads"]
        weights, keys, values = [[] for _ in range(c["num_attention_heads"])], [], []
        for pos, x in enumerate(rows):
            normed = rmsnorm(x, w("input_layernorm"), eps)
            q, k, v = (heads(product(w(f"self_attn.{m}_proj"), normed), dim) for m in "qkv")
            keys.append([rope(head, pos, theta) for head in k])
            values.append(v)
            out = []
            for h, head in enumerate(q):
                head = rope(head, pos, theta)
                scores = [dot(head, key[h // group]) / math.sqrt(dim) for key in keys]
                weights[h].append(softmax(scores))
                out += [dot(weights[h][-1], column)
                        for column in zip(*(value[h // group] for value in values))]
            rows[pos] = [a + b for a, b in zip(x, product(w("self_attn.o_proj"), out))]
        self.seen.append((f"layer {i}, attention", rows[-1]))
        for pos, x in enumerate(rows):
            normed = rmsnorm(x, w("post_attention_layernorm"), eps)
            inner = [silu(g) * u for g, u in zip(product(w("mlp.gate_proj"), normed),
                                                 product(w("mlp.up_proj"), normed))]
            rows[pos] = [a + b for a, b in zip(x, product(w("mlp.down_proj"), inner))]
        self.seen.append((f"layer {i}, MLP", rows[-1]))
        return weights, inner

    def run(self, ids):
        rows = [list(self.w["model.embed_tokens.weight"][t]) for t in ids]
        self.seen = [("embedding", rows[-1])]
        self.layers = [self.layer(i, rows) for i in range(self.config["num_hidden_layers"])]
        last = rmsnorm(rows[-1], self.w["model.norm.weight"], self.config["rms_norm_eps"])
        self.seen.append(("final norm", last))
        self.logits = product(self.w["lm_head.weight"], last)


def show_norms(t, ids):
    print(f"{'stage':20} {'rms of x':>9}")
    for stage, x in t.seen:
        print(f"{stage:20} {math.sqrt(dot(x, x) / len(x)):9.3f}")


def show_attention(t, ids, layer):
    for h, rows in enumerate(t.layers[int(layer)][0]):
        print(f"layer {layer}, head {h}: weights in percent")
        print("        " + "".join(f"{t.pieces[i]:>6}" for i in ids))
        for i, row in zip(ids, rows):
            print(f"{t.pieces[i]:>7} " + "".join(f"{100 * w:6.0f}" for w in row))


def show_neurons(t, ids, layer):
    down = t.w[f"model.layers.{layer}.mlp.down_proj.weight"]
    for n, v in enumerate(t.layers[int(layer)][1]):
        if abs(v) > 0.1:
            written = [row[n] * v for row in down]
            print(f"neuron {n}: {v:.2f}, adds a vector of size {math.sqrt(dot(written, written)):.2f}")


def show_logits(t, ids, path=None):
    best = sorted(range(len(t.logits)), key=lambda i: -t.logits[i])[:5]
    p = softmax(t.logits)
    print(f"{'id':>5} {'token':8} {'logit':>7} {'probability':>12}")
    for i in best:
        print(f"{i:5} {t.pieces[i]:8} {t.logits[i]:7.3f} {p[i]:12.3f}")
    if path:
        theirs = read_tensors(path)["logits"][-1]
        apart = max(abs(a - b) for a, b in zip(t.logits, theirs))
        near = f"{apart:.4f}" if apart >= 1e-4 else "less than 0.0001"
        print(f"mote's logits differ by {near}")


def main():
    folder, ids, what, *more = *sys.argv[1:], *["norms"][:4 - len(sys.argv)]
    ids = [int(i) for i in ids.split(",")]
    twin = Twin(folder)
    twin.run(ids)
    {"norms": show_norms, "attention": show_attention, "neurons": show_neurons,
     "logits": show_logits}[what](twin, ids, *more)


if __name__ == "__main__":
    main()
