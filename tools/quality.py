#!/usr/bin/env python3
"""What docs/quality.md measures with besides mote. Needs numpy and gguf; `quantize` and `encoder`
need llama.cpp's shared libraries (LIBS: the folder with libllama.so and libggml-base.so),
`encoder` also safetensors.

  quality.py permute IN.gguf OUT.gguf SEED       all weights to f32, channels in a random order that
                                                 leaves the model's function as it is; 0: as they are
  quality.py quantize IN.gguf OUT.gguf TYPE LIBS by llama.cpp: Q4_0, IQ4_NL, Q4_K_M, Q8_0
  quality.py encoder FOLDER OUT TYPE LIBS        a BERT folder whose layers went through TYPE and
                                                 back; prints bits a weight and the relative error
"""
import ctypes
import os
import shutil
import sys

import gguf
import numpy as np

FILE_TYPES = {"Q4_0": 2, "Q8_0": 7, "Q4_K_M": 15, "IQ4_NL": 25}  # of llama.h
TYPES = gguf.GGMLQuantizationType


def writer_like(reader, path):
    w = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        if key == "general.file_type":
            w.add_file_type(0)
        elif field.types[0] == gguf.GGUFValueType.ARRAY:
            w.add_array(key, field.contents())
        else:
            w.add_key_value(key, field.contents(), field.types[0])
    return w


class Order:
    """One order for the residual stream, and for each layer one for the MLP and one for each value
    head. Queries and keys stay: rotary positions fix the order of their dimensions."""

    def __init__(self, reader, seed):
        def number(key):
            return reader.fields["llama." + key].contents()

        rng = np.random.default_rng(seed)
        pick = rng.permutation if seed else np.arange
        hidden, self.heads = number("embedding_length"), number("attention.head_count")
        self.kv_heads, self.dim = number("attention.head_count_kv"), hidden // self.heads
        self.hidden = pick(hidden)
        self.layers = [(pick(number("feed_forward_length")),
                        [pick(self.dim) for _ in range(self.kv_heads)])
                       for _ in range(number("block_count"))]

    def apply(self, name, x):
        parts = name.split(".")
        if parts[0] != "blk":
            return x[:, self.hidden] if x.ndim == 2 else x[self.hidden]
        (mlp, values), kind = self.layers[int(parts[1])], parts[2]
        if kind.endswith("norm"):
            return x[self.hidden]
        if kind in ("attn_q", "attn_k"):
            return x[:, self.hidden]
        if kind == "attn_v":
            rows = [h * self.dim + values[h] for h in range(self.kv_heads)]
            return x[np.concatenate(rows)][:, self.hidden]
        if kind == "attn_output":
            columns = [h * self.dim + values[h * self.kv_heads // self.heads]
                       for h in range(self.heads)]
            return x[self.hidden][:, np.concatenate(columns)]
        if kind in ("ffn_gate", "ffn_up"):
            return x[mlp][:, self.hidden]
        if kind == "ffn_down":
            return x[self.hidden][:, mlp]
        raise SystemExit(f"{name}: no such tensor in a Llama model")


def permute(source, path, seed):
    reader = gguf.GGUFReader(source)
    order, w = Order(reader, int(seed)), writer_like(reader, path)
    for t in reader.tensors:
        x = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32)
        w.add_tensor(t.name, np.ascontiguousarray(order.apply(t.name, x)))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


class QuantizeParams(ctypes.Structure):
    """llama_model_quantize_params: its beginning, and room for the rest."""
    _fields_ = [("threads", ctypes.c_int32), ("type", ctypes.c_int32), ("rest", ctypes.c_char * 1016)]


def quantize(source, path, kind, libs):
    lib = ctypes.CDLL(os.path.join(libs, "libllama.so"))
    lib.llama_model_quantize_default_params.restype = QuantizeParams
    params = lib.llama_model_quantize_default_params()
    params.type = FILE_TYPES[kind]
    lib.llama_backend_init()
    if lib.llama_model_quantize(source.encode(), path.encode(), ctypes.byref(params)):
        raise SystemExit("llama.cpp failed")


def through(lib, x, kind):
    """x after encoding and decoding, and the bytes between."""
    block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    x = np.ascontiguousarray(x, np.float32)
    out = np.zeros((x.shape[0], x.shape[1] // block * block_bytes), np.uint8)
    lib.ggml_quantize_chunk(int(kind), x.ctypes.data, out.ctypes.data, 0, *x.shape, None)
    return gguf.quants.dequantize(out, kind).astype(np.float32).reshape(x.shape), out.nbytes


def kind_for(name, k, kind, n_layers):
    """llama.cpp's mixture: value and down matrices of the outer layers, and every third, are finer;
    what has no whole blocks of 256 falls back."""
    if kind != "Q4_K_M":
        return TYPES[kind]
    i = int(name.split("layer.")[1].split(".")[0])
    outer = i < n_layers // 8 or i >= 7 * n_layers // 8 or (i - n_layers // 8) % 3 == 2
    fine = outer and ("value" in name or ("output.dense" in name and "attention" not in name))
    if k % 256:
        return TYPES.Q8_0 if fine else TYPES.Q5_0
    return TYPES.Q6_K if fine else TYPES.Q4_K


def encoder(folder, path, kind, libs):
    from safetensors.numpy import load_file, save_file
    lib = ctypes.CDLL(os.path.join(libs, "libggml-base.so"))
    lib.ggml_quantize_chunk.restype = ctypes.c_size_t
    lib.ggml_quantize_chunk.argtypes = ([ctypes.c_int] + [ctypes.c_void_p] * 2 +
                                        [ctypes.c_int64] * 3 + [ctypes.c_void_p])
    shutil.copytree(folder, path)
    weights = load_file(os.path.join(folder, "model.safetensors"))
    names = [n for n in weights if "layer." in n and weights[n].ndim == 2]
    n_layers = 1 + max(int(n.split("layer.")[1].split(".")[0]) for n in names)
    n_bytes, n_weights, error, power = 0, 0, 0.0, 0.0
    for n in names:
        x = weights[n].astype(np.float32)
        weights[n], used = through(lib, x, kind_for(n, x.shape[1], kind, n_layers))
        n_bytes, n_weights = n_bytes + used, n_weights + x.size
        error += float(np.square(x - weights[n], dtype=float).sum())
        power += float(np.square(x, dtype=float).sum())
    for n in weights:
        if "word_embeddings" in n:
            weights[n], _ = through(lib, weights[n], TYPES.Q8_0)
    save_file(weights, os.path.join(path, "model.safetensors"))
    print(f"{8 * n_bytes / n_weights:.3f} bits a weight, relative squared error {error / power:.6f}")


if __name__ == "__main__":
    commands = {"permute": permute, "quantize": quantize, "encoder": encoder}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        raise SystemExit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])
