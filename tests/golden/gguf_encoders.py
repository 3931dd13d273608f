#!/usr/bin/env python3
"""GGUF files of encoders, written as llama.cpp's converter writes them from the folders of goldens/models:
embeddings of the same ids must have the bits of the folder's own conversion, and those of texts must
be of the same ids. Needs numpy, gguf and safetensors. Usage: gguf_encoders.py [CASE...]"""
import base64
import json
import os
import shutil
import sys

from goldens import attempt, finish, json_lines, mote, need_goldens, say

try:
    import gguf
    import numpy as np
    from safetensors.numpy import load_file
except (ImportError, SystemExit) as e:
    print(f"skipped: {e}")
    sys.exit(0)

CASES = ["bert_embed_mean", "bert_embed_cls", "xlmr_embed"]
LAYER = {"attention.self.query": "attn_q", "attention.self.key": "attn_k",
         "attention.self.value": "attn_v", "attention.output.dense": "attn_output",
         "attention.output.LayerNorm": "attn_output_norm", "intermediate.dense": "ffn_up",
         "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}
FILE = {"word_embeddings": "token_embd", "position_embeddings": "position_embd",
        "token_type_embeddings": "token_types", "LayerNorm": "token_embd_norm"}


def name_of(hub):
    """None: left out."""
    part, end = hub.rsplit(".", 1)
    if part.startswith("embeddings."):
        part = FILE.get(part.split(".")[1])
        return part and f"{part}.{end}"
    if not part.startswith("encoder.layer."):
        return None
    i, rest = part.removeprefix("encoder.layer.").split(".", 1)
    return f"blk.{i}.{LAYER[rest]}.{end}"


def add_words(w, tok):
    """WordPiece: a blank (U+2581) before what begins a word, no mark on what goes on."""
    control = {t["id"] for t in tok["added_tokens"]}
    words = sorted(tok["model"]["vocab"].items(), key=lambda item: item[1])
    w.add_tokenizer_model("bert")
    w.add_tokenizer_pre("default")
    w.add_token_list([t if i in control else t[2:] if t.startswith("##") else "\u2581" + t
                      for t, i in words])
    w.add_token_types([gguf.TokenType.CONTROL if i in control else gguf.TokenType.NORMAL
                       for _, i in words])
    ids = {t["content"]: t["id"] for t in tok["added_tokens"]}
    w.add_unk_token_id(ids["[UNK]"])
    w.add_sep_token_id(ids["[SEP]"])
    w.add_pad_token_id(ids["[PAD]"])
    w.add_bos_token_id(ids["[CLS]"])
    w.add_mask_token_id(ids["[MASK]"])


def add_pieces(w, tok):
    """SentencePiece's Unigram."""
    added = {t["id"]: t["content"] for t in tok["added_tokens"]}
    kinds = {i: gguf.TokenType.CONTROL for i in added}
    pieces = tok["model"]["vocab"]
    kinds[tok["model"]["unk_id"]] = gguf.TokenType.UNKNOWN
    w.add_tokenizer_model("t5")
    w.add_tokenizer_pre("default")
    w.add_token_list([p for p, _ in pieces])
    w.add_token_scores([s for _, s in pieces])
    w.add_token_types([kinds.get(i, gguf.TokenType.NORMAL) for i in range(len(pieces))])
    w.add_add_space_prefix(True)
    w.add_remove_extra_whitespaces(True)
    for n in tok["normalizer"].get("normalizers", [tok["normalizer"]]):
        if "precompiled_charsmap" in n:
            w.add_precompiled_charsmap(base64.b64decode(n["precompiled_charsmap"]))
    ids = {t: i for i, t in added.items()}
    w.add_bos_token_id(ids["<s>"])
    w.add_eos_token_id(ids["</s>"])
    w.add_sep_token_id(ids["</s>"])
    w.add_pad_token_id(ids["<pad>"])
    w.add_unk_token_id(tok["model"]["unk_id"])
    w.add_add_bos_token(True)
    w.add_add_eos_token(True)


def write(path, folder, pooling):
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    with open(os.path.join(folder, "tokenizer.json")) as f:
        tok = json.load(f)
    skip = config["pad_token_id"] + 1 if config["model_type"] == "xlm-roberta" else 0
    w = gguf.GGUFWriter(path, "bert")
    w.add_name(os.path.basename(folder))
    w.add_block_count(config["num_hidden_layers"])
    w.add_context_length(config["max_position_embeddings"] - skip)
    w.add_embedding_length(config["hidden_size"])
    w.add_feed_forward_length(config["intermediate_size"])
    w.add_head_count(config["num_attention_heads"])
    w.add_layer_norm_eps(config["layer_norm_eps"])
    w.add_causal_attention(False)
    w.add_pooling_type(pooling)
    w.add_token_type_count(config["type_vocab_size"])
    (add_pieces if tok["model"]["type"] == "Unigram" else add_words)(w, tok)
    for hub, x in load_file(os.path.join(folder, "model.safetensors")).items():
        name = name_of(hub)
        if name:
            w.add_tensor(name, np.ascontiguousarray(x[skip if name == "position_embd.weight" else 0:]))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def normalised(folder, tmp):
    """A copy of the folder whose embeddings are normalised, as those of a GGUF file are."""
    copy = os.path.join(tmp, os.path.basename(folder))
    shutil.copytree(folder, copy)
    path = os.path.join(copy, "modules.json")
    with open(path) as f:
        modules = json.load(f)
    if len(modules) < 3:
        modules.append({"idx": 2, "name": "2", "path": "2_Normalize",
                        "type": "sentence_transformers.models.Normalize"})
    with open(path, "w") as f:
        json.dump(modules, f)
    return copy


def check(folder, case, tmp):
    folder = normalised(os.path.join(folder, case), tmp)
    with open(os.path.join(folder, "golden.json")) as f:
        items = json.load(f)["items"]
    hub, path, out = (os.path.join(tmp, n) for n in ("hub.mote", "m.gguf", "gguf.mote"))
    pooling = gguf.PoolingType.CLS if case.endswith("_cls") else gguf.PoolingType.MEAN
    write(path, folder, pooling)
    mote("convert", folder, "-o", hub, "--type", "f32", "-q")
    mote("convert", path, "-o", out, "--type", "f32", "-q")
    mote("verify", out, "-q")
    rows = [{"ids": i["input_ids"]} for i in items]
    a, b = (json_lines("embed", m, rows, "--format", "base64") for m in (hub, out))
    assert a == b, "embeddings of ids differ"
    rows = [{"text": i["text"]} for i in items]
    a, b = (json_lines("embed", m, rows, "--format", "base64") for m in (hub, out))
    whole = [pair for pair in zip(a, b) if not pair[0]["truncated"]]  # GGUF has no length of its own
    assert all(x == y for x, y in whole), "embeddings of texts differ"
    say("ok", f"{case} as GGUF", f"{len(items)} texts by ids, {len(whole)} as they are: the folder's bits")


def main():
    folder = need_goldens("models")
    for case in sys.argv[1:] or CASES:
        attempt(f"{case} as GGUF", check, folder, case)
    finish()


if __name__ == "__main__":
    main()
