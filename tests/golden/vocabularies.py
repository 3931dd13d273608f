#!/usr/bin/env python3
"""Tokenizers in their other forms: from each golden tokenizer.json the vocabulary that a GGUF file or a
tiktoken file of the model would hold, and the tokenizer.model files that are there; the ids must be those
of the goldens. Usage: vocabularies.py [NAME...]"""
import base64
import gzip
import json
import os
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "corpus"))

import tiny
from goldens import attempt, finish, mote, need_goldens, say
from tokenizer_ids import count_bad, read_rows

MARK = "\u2581"
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)
LETTERS = {c: b for b, c in enumerate(tiny.byte_alphabet())}

# family: (tokenizer.ggml.model, pre); what the file would say besides
GGUF = {"gpt2": ("gpt2", "gpt-2"), "smollm2": ("gpt2", "smollm"), "smollm3": ("gpt2", "llama-bpe"),
        "llama-3": ("gpt2", "llama-bpe"), "llama-3.2": ("gpt2", "llama-bpe"),
        "qwen2.5": ("gpt2", "qwen2"), "qwen3": ("gpt2", "qwen2"), "falcon": ("gpt2", "falcon"),
        "deepseek-llm": ("gpt2", "deepseek-llm"), "all-minilm-l6-v2": ("bert", "jina-v2-en"),
        "bge-m3": ("t5", "default"), "xlm-r-multilingual-minilm": ("t5", "default"),
        "t5-small": ("t5", "default")}
TIKTOKEN = {"llama-3": "tokenizer.model", "qwen2.5": "qwen.tiktoken", "gpt2": "gpt2.tiktoken"}
MODELS = {"tinyllama": False, "mistral-v0.3": True}  # with tokenizer_config.json, which says "legacy": false


def read_tokenizer(folder):
    with gzip.open(os.path.join(folder, "tokenizer.json.gz"), "rt", encoding="utf-8") as f:
        return json.load(f)


def entries(t):
    """[(text, type, score)] by id."""
    m = t["model"]
    vocab = {p: i for i, (p, _) in enumerate(m["vocab"])} if isinstance(m["vocab"], list) else m["vocab"]
    added = {a["id"]: a for a in t["added_tokens"]}
    n = 1 + max(max(vocab.values()), max(added, default=0))
    out = [(f"[PAD{i}]", UNUSED, 0.0) for i in range(n)]
    for text, i in vocab.items():
        score = m["vocab"][i][1] if isinstance(m["vocab"], list) else 0.0
        out[i] = (text, NORMAL, score)
    for i, a in added.items():
        out[i] = (a["content"], CONTROL if a["special"] else USER, out[i][2])
    unk = m.get("unk_id")
    if unk is not None:
        out[unk] = (out[unk][0], UNKNOWN, out[unk][2])
    return out


def phantom(text, kind):
    if kind == CONTROL:
        return text
    return text[2:] if text.startswith("##") else MARK + text


def find_charsmap(part):
    if not part:
        return b""
    for p in part.get("normalizers", [part]):
        if p["type"] == "Precompiled":
            return base64.b64decode(p["precompiled_charsmap"])
    return b""


def affix_keys(t, pieces):
    """bos, eos and what is added, from the post-processor's single template."""
    parts = (t["post_processor"] or {}).get("processors", [t["post_processor"] or {}])
    template = next((p for p in parts if p.get("type") == "TemplateProcessing"), {"single": []})
    names = [p.get("SpecialToken", {}).get("id") for p in template["single"]]
    ids = {text: i for i, (text, _, _) in enumerate(pieces)}
    text = names.index(None) if None in names else 0
    before, after = names[:text], names[text + 1:]
    keys = [("tokenizer.ggml.add_bos_token", tiny.BOOL, bool(before)),
            ("tokenizer.ggml.add_eos_token", tiny.BOOL, bool(after)),
            ("tokenizer.ggml.add_sep_token", tiny.BOOL, False)]
    if before:
        keys.append(("tokenizer.ggml.bos_token_id", tiny.U32, ids[before[0]]))
    if after:
        keys.append(("tokenizer.ggml.eos_token_id", tiny.U32, ids[after[0]]))
    return keys


def write_gguf(path, t, model, pre):
    pieces = entries(t)
    texts = [phantom(p, kind) if model == "bert" else p for p, kind, _ in pieces]
    keys = [("general.architecture", tiny.STRING, "llama"), ("tokenizer.ggml.model", tiny.STRING, model),
            ("tokenizer.ggml.pre", tiny.STRING, pre), ("tokenizer.ggml.tokens", tiny.ARRAY, (tiny.STRING, texts)),
            ("tokenizer.ggml.token_type", tiny.ARRAY, (tiny.I32, [k for _, k, _ in pieces]))]
    if model == "gpt2":
        merges = [m if isinstance(m, str) else " ".join(m) for m in t["model"]["merges"]]
        keys.append(("tokenizer.ggml.merges", tiny.ARRAY, (tiny.STRING, merges)))
    elif model == "t5":
        keys += [("tokenizer.ggml.scores", tiny.ARRAY, (tiny.F32, [s for _, _, s in pieces])),
                 ("tokenizer.ggml.unknown_token_id", tiny.U32, t["model"]["unk_id"]),
                 ("tokenizer.ggml.add_space_prefix", tiny.BOOL, True),
                 ("tokenizer.ggml.remove_extra_whitespaces", tiny.BOOL, True)]
        charsmap = find_charsmap(t["normalizer"])
        if charsmap:
            keys.append(("tokenizer.ggml.precompiled_charsmap", tiny.ARRAY, (tiny.U8, charsmap)))
    if model != "bert":
        keys += affix_keys(t, pieces)
    with open(path, "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)))
        for key, kind, value in keys:
            f.write(tiny.gguf_string(key) + struct.pack("<I", kind) + tiny.gguf_value(kind, value))
        f.write(b"\0" * (-f.tell() % 32))


def write_tiktoken(folder, name, t):
    vocab = t["model"]["vocab"]
    special = {a["id"] for a in t["added_tokens"]}
    with open(os.path.join(folder, name), "wb") as f:
        for text, i in vocab.items():
            if i not in special:
                raw = bytes(LETTERS[c] for c in text)
                f.write(base64.b64encode(raw) + b" %d\n" % i)
    config = {"added_tokens_decoder": {str(a["id"]): a for a in t["added_tokens"]}, "bos_token": "<|begin_of_text|>"}
    with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f)


def means_the_same(family, text):
    """SentencePiece trims texts and leaves U+0085 alone; the tokenizer.json files of its models differ there."""
    return GGUF.get(family, "")[0] != "t5" or (text.strip() == text and "\x85" not in text and
                                               (family != "bge-m3" or text[:1].isalpha() and text[-1:].isalpha()))


def compare(name, source, tmp, rows):
    model = os.path.join(tmp, name.replace(" ", "-") + ".mote")
    mote("convert", source, "-o", model, "--tokenizer-only", "-q")
    ask = [{"text": r["text"]} for r in rows]
    bad = (count_bad(model, "tokenize", ask, "ids", [r["ids"] for r in rows], "--no-special"),
           count_bad(model, "tokenize", ask, "ids", [r["ids_special"] for r in rows]))
    return bad


def check(name, tokenizers, tok, tmp):
    kind, family = name.split(" ")
    folder = os.path.join(tokenizers, family)
    rows = [r for r in read_rows(os.path.join(tok, family + ".jsonl.gz")) if "text" in r]
    source = os.path.join(tmp, kind + "-" + family)
    os.makedirs(source)
    if kind == "gguf":
        t = read_tokenizer(folder)
        write_gguf(os.path.join(source, "v.gguf"), t, *GGUF[family])
        rows = [r for r in rows if means_the_same(family, r["text"])]
        bad = compare(name, os.path.join(source, "v.gguf"), tmp, rows)
    elif kind == "tiktoken":
        write_tiktoken(source, TIKTOKEN[family], read_tokenizer(folder))
        bad = compare(name, source, tmp, rows)
    else:
        with gzip.open(os.path.join(folder, "tokenizer.model.gz")) as f:
            raw = f.read()
        with open(os.path.join(source, "tokenizer.model"), "wb") as f:
            f.write(raw)
        if MODELS[family]:
            shutil.copy(os.path.join(folder, "tokenizer_config.json"), source)
        bad = compare(name, source, tmp, rows)
    say("FAIL" if any(bad) else "ok", f"vocabulary {name}", f"{len(rows)} texts, differing: {bad}")


def main():
    tokenizers, tok = need_goldens("tokenizers"), need_goldens("tok")
    names = [f"gguf {f}" for f in GGUF] + [f"tiktoken {f}" for f in TIKTOKEN] + [f"model {f}" for f in MODELS]
    for name in sys.argv[1:] or names:
        attempt(f"vocabulary {name}", check, name, tokenizers, tok)
    finish()


if __name__ == "__main__":
    main()
