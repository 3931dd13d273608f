#!/usr/bin/env python3
"""What the small types lose on a story model: quality.py MOTE MODEL.mote HELD.txt TRAIN.txt [--tokens 50000]

MODEL.mote is a Llama of f16 or f32 weights. It is converted to q8, to q4 and, calibrated on the beginning of TRAIN.txt,
to q4 again. Beside them stand plain round-to-nearest formats of groups of 32, encoded by the package gguf and kept code
for code: Q8_0 (8 bits, f16 scale), Q4_0 (4 bits, f16 scale), Q4_1 (4 bits, f16 scale and minimum). What q4 keeps at q8
is at Q8_0 beside Q4_0 and Q4_1, so the formats alone differ. All of these go through the same integer kernels, with
activations rounded to 8 bits; MODEL.mote itself has float activations. HELD.txt is read as in training, each text
behind its end token, in windows of the model's context. Prints a table in Markdown. Needs numpy and gguf."""
import argparse
import json
import pathlib
import struct
import tempfile

import gguf
import numpy as np

from evaluate import run
from texts import texts_of

TYPES = gguf.GGMLQuantizationType
F16, Q8, MATRIX = 1, 3, 2  # of kernels/quant.h and loader/format.h
INDEX, LAYER, TENSOR = 512, 128, 64
NAMES = {"attn_norm": "attn_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output",
         "mlp_norm": "ffn_norm", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down",
         "embed": "token_embd", "final_norm": "output_norm", "head": "output"}
CALIBRATION_BYTES = 200_000


class Mote:
    """The records of a .mote file (loader/format.h), and the weights of one that has floats."""

    def __init__(self, path):
        self.raw = path.read_bytes()
        n = struct.unpack_from("<Q", self.raw)[0]
        self.at = 8 + n
        names = [k for k in json.loads(self.raw[8:8 + n]) if k not in ("__metadata__", "__mote__")]
        self.n_layers, n_tensors = self.numbers("2I", 40)
        self.n_vocab, self.hidden, self.n_ctx = self.numbers("3I", 64)
        self.heads, self.kv_heads, self.head = self.numbers("3I", INDEX + 4)
        self.eps, self.ff = self.numbers("f", INDEX + 52)[0], self.numbers("I", INDEX + 64)[0]
        self.records = {name: self.record(i) for i, name in zip(range(n_tensors), names)}
        self.matrices = {name: r for name, r in self.records.items() if r["shape"] == MATRIX}

    def numbers(self, kinds, at):
        return struct.unpack_from("<" + kinds, self.raw, self.at + at)

    def record(self, i):
        keys = ("place", "kind", "shape", "type", "group", "n_mats", "rows", "k", "offset", "bytes")
        return dict(zip(keys, self.numbers("6I4Q", INDEX + LAYER * self.n_layers + TENSOR * i)))

    def values(self, name):
        r = self.records[name]
        if r["shape"] == MATRIX and r["type"] > F16:
            raise SystemExit("the weights are neither f32 nor f16")
        kind = np.dtype(np.float16 if r["shape"] == MATRIX and r["type"] == F16 else np.float32)
        x = np.frombuffer(self.raw, kind, r["bytes"] // kind.itemsize, self.at + r["offset"]).astype(np.float32)
        if r["shape"] != MATRIX:
            return x[:r["rows"]]
        tiles = (r["rows"] + 15) // 16
        x = x.reshape(tiles, -1, 16).transpose(0, 2, 1).reshape(tiles * 16, -1)
        return np.ascontiguousarray(x[:r["rows"], :r["k"]])

    def bits(self):
        return (8 * sum(r["bytes"] for r in self.matrices.values()) /
                sum(r["rows"] * r["k"] for r in self.matrices.values()))

    def bytes_but_tokenizer(self):
        return len(self.raw) - sum(r["bytes"] for name, r in self.records.items() if name.startswith("__tok__"))


def paired(x, heads):
    """Rows of q and k as GGUF has them: what turns together lies together."""
    return x.reshape(heads, 2, -1, x.shape[1]).swapaxes(1, 2).reshape(x.shape)


def gguf_name(name):
    parts = name.split(".")
    return f"blk.{parts[1]}.{NAMES[parts[2]]}.weight" if len(parts) == 3 else f"{NAMES[name]}.weight"


def write_gguf(model, path, type_of):
    """The model with the matrix `name` at type_of(name). Ids are given, so the tokenizer is any."""
    turns = model.values("rope.0")
    w = gguf.GGUFWriter(path, "llama")
    w.add_context_length(model.n_ctx)
    w.add_embedding_length(model.hidden)
    w.add_block_count(model.n_layers)
    w.add_feed_forward_length(model.ff)
    w.add_head_count(model.heads)
    w.add_head_count_kv(model.kv_heads)
    w.add_layer_norm_rms_eps(model.eps)
    w.add_rope_freq_base(float(round(float(turns[1]) ** -len(turns))))
    w.add_rope_dimension_count(2 * len(turns))
    w.add_vocab_size(model.n_vocab)
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    pieces += [f"\u2581{i}" for i in range(model.n_vocab - len(pieces))]
    w.add_tokenizer_model("llama")
    w.add_token_list(pieces)
    w.add_token_scores([0.0] * len(pieces))
    w.add_token_types([2, 3, 3] + [6] * 256 + [1] * (len(pieces) - 259))
    for name, r in model.records.items():
        if name.startswith(("__tok__", "rope.")):
            continue
        x = model.values(name)
        if name.endswith((".q", ".k")):
            x = paired(x, model.heads if name.endswith(".q") else model.kv_heads)
        if r["shape"] == MATRIX:
            kind = type_of(name)
            w.add_tensor(gguf_name(name), gguf.quants.quantize(x, kind), raw_dtype=kind)
        else:
            w.add_tensor(gguf_name(name), x)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def ids_of(args):
    """Of the first texts of HELD; the tokenizer puts the end token in front of each."""
    lines = "".join(json.dumps({"text": t}) + "\n" for t in texts_of(args.held))
    rows = run(args.mote, "tokenize", args.model, "--jsonl", "-q", stdin=lines).splitlines()
    return [i for row in rows for i in json.loads(row)["ids"]][:args.tokens]


def make_types(args, folder):
    """[(name in the table, file)], the float model first."""
    begin = folder / "calibration.txt"
    begin.write_text("\n\n".join(texts_of(args.train))[:CALIBRATION_BYTES])
    made = [(name, folder / f"{i}.mote") for i, name in enumerate(
        ("q8", "Q8_0, nearest", "q4", "q4, calibrated", "Q4_0, nearest", "Q4_1, nearest"))]
    paths = dict(made)

    def convert(source, path, *flags):
        run(args.mote, "convert", source, "-o", path, "-q", *flags)

    convert(args.model, paths["q8"], "--type", "q8")
    convert(args.model, paths["q4"], "--type", "q4")
    convert(args.model, paths["q4, calibrated"], "--type", "q4", "--calibrate", begin)
    model, fine = Mote(args.model), {n for n, r in Mote(paths["q4"]).matrices.items() if r["type"] == Q8}
    for kind in (TYPES.Q8_0, TYPES.Q4_0, TYPES.Q4_1):
        path = folder / f"{kind.name}.gguf"
        write_gguf(model, path, lambda name, kind=kind: TYPES.Q8_0 if name in fine else kind)
        convert(path, paths[f"{kind.name}, nearest"], "--type", "keep")
    return made


def print_row(name, bits, size, found, key):
    kl = ["" if key == "ppl" else f"{found[k]:.5f}" for k in ("mean_kl", "kl_99_9")]
    same = "" if key == "ppl" else f"{100 * found['same_top_1']:.2f} %"
    print(f"| {name} | {bits:.2f} | {size / 1000:.0f} | {found[key]:.4f} | {kl[0]} | {kl[1]} | {same} |")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mote")
    p.add_argument("model", type=pathlib.Path)
    p.add_argument("held", type=pathlib.Path)
    p.add_argument("train", type=pathlib.Path)
    p.add_argument("--tokens", type=int, default=50000)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        ids, model = folder / "ids.json", Mote(args.model)
        ids.write_text(json.dumps(ids_of(args)))
        rest = len(model.raw) - model.bytes_but_tokenizer()  # another tokenizer in files out of GGUF
        print("| | bits a weight | file, kB | perplexity | KL mean | KL 99.9 % | same best token |\n|---|--:|--:|--:|--:|--:|--:|")
        for i, (kind, path) in enumerate(make_types(args, folder)):
            found = json.loads(run(args.mote, "compare", args.model, path, "--ids", ids, "--window", model.n_ctx, "--json", "-q"))
            if i == 0:
                print_row("f16" if model.records["embed"]["type"] == F16 else "f32", model.bits(), len(model.raw), found, "ppl")
            made = Mote(path)
            print_row(kind, made.bits(), made.bytes_but_tokenizer() + rest, found, "other_ppl")
        print(f"\n{found['tokens']} predictions in windows of {model.n_ctx}.")


if __name__ == "__main__":
    main()
