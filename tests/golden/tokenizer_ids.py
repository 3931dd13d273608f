#!/usr/bin/env python3
"""Tokenizers: every row of goldens/tok by the program: ids, ids with what the tokenizer adds, and the
three decodings. Usage: tokenizer_ids.py [FAMILY...]"""
import gzip
import json
import os
import shutil
import sys

from goldens import attempt, finish, json_lines, mote, need_goldens, say

FAMILIES = ["smollm2", "smollm3", "gpt2", "qwen2.5", "qwen3", "llama-3", "llama-3.2", "tinyllama",
            "mistral-v0.3", "phi-3-mini", "gemma-3", "all-minilm-l6-v2", "bge-m3", "t5-small",
            "xlm-r-multilingual-minilm", "falcon", "deepseek-llm"]


def unpack(source, folder):
    os.makedirs(folder)
    for name in os.listdir(source):
        path = os.path.join(source, name)
        if name.endswith(".gz"):
            with gzip.open(path) as f, open(os.path.join(folder, name[:-3]), "wb") as out:
                shutil.copyfileobj(f, out)
        else:
            shutil.copy(path, folder)


def read_rows(path):
    with gzip.open(path, "rt", encoding="utf-8") as f:
        return [r for r in map(json.loads, f) if "header" not in r]


def count_bad(model, command, rows, answer, want, *flags):
    answers = json_lines(command, model, rows, *flags)
    return sum(a.get(answer) != w for a, w in zip(answers, want))


def check_family(tokenizers, tok, family, tmp):
    folder, model = os.path.join(tmp, family), os.path.join(tmp, family + ".mote")
    unpack(os.path.join(tokenizers, family), folder)
    mote("convert", folder, "-o", model, "--tokenizer-only", "-q")
    rows = read_rows(os.path.join(tok, family + ".jsonl.gz"))
    texts = [r for r in rows if "text" in r]
    ask = [{"text": r["text"]} for r in texts]
    bad = {
        "ids": count_bad(model, "tokenize", ask, "ids", [r["ids"] for r in texts], "--no-special"),
        "ids_special": count_bad(model, "tokenize", ask, "ids", [r["ids_special"] for r in texts]),
    }
    for key, ids, flags in (("decoded", "ids", ["--skip-special"]), ("decoded_keep", "ids", []),
                            ("decoded_special_keep", "ids_special", [])):
        some = [r for r in rows if ids in r]
        bad[key] = count_bad(model, "detokenize", [{"ids": r[ids]} for r in some], "text",
                             [r.get(key, r.get("text")) for r in some], *flags)
    bad = {key: n for key, n in bad.items() if n}
    say("FAIL" if bad else "ok", f"tokenizer {family}", f"{len(rows)} rows, differing: {bad or 0}")


def main():
    tokenizers, tok = need_goldens("tokenizers"), need_goldens("tok")
    for family in sys.argv[1:] or FAMILIES:
        attempt(f"tokenizer {family}", check_family, tokenizers, tok, family)
    finish()


if __name__ == "__main__":
    main()
