#!/usr/bin/env python3
"""Where ids come from: `mote tokenize --offsets` against the Python package tokenizers, on the texts of
goldens/tok. That package counts characters: an id that has part of one has all of it there. Left out
are the texts in which it loses its own place: when characters at the beginning are normalised away, or
bytes have no id. Usage: offsets.py [FAMILY...]"""
import json
import os
import sys

from goldens import finish, json_lines, mote, need_goldens, say, scratch
from tokenizer_ids import FAMILIES, read_rows, unpack


def loses_its_place(spec, twin, text, tokens):
    if not spec["normalizer"]:
        return spec["decoder"]["type"] == "ByteLevel" and sum(map(len, tokens)) < len(text.encode())
    return "Precompiled" in json.dumps(spec["normalizer"]) and text and not twin.normalizer.normalize_str(text[0])


def count_bad(text, spans, offsets):
    """Spans that do not cover the same characters."""
    at = [0]
    for c in text:
        at.append(at[-1] + len(c.encode()))
    char = {b: i for i, b in enumerate(at)}
    bad = 0
    for (begin, end), want in zip(spans, offsets):
        while begin not in char:
            begin -= 1
        while end not in char:
            end += 1
        bad += (char[begin], char[end]) != want
    return bad


def check_family(tokenizers, tok, library, family, tmp):
    folder, model = os.path.join(tmp, family), os.path.join(tmp, family + ".mote")
    unpack(os.path.join(tokenizers, family), folder)
    mote("convert", folder, "-o", model, "--tokenizer-only", "-q")
    path = os.path.join(folder, "tokenizer.json")
    twin = library.Tokenizer.from_file(path)
    with open(path, encoding="utf-8") as f:
        spec = json.load(f)
    twin.no_truncation()
    twin.no_padding()
    texts = [r["text"] for r in read_rows(os.path.join(tok, family + ".jsonl.gz")) if "text" in r]
    got = json_lines("tokenize", model, [{"text": t} for t in texts], "--no-special", "--offsets")
    n, bad, left_out, first = 0, 0, 0, ""
    for text, g, w in zip(texts, got, twin.encode_batch(texts, add_special_tokens=False)):
        if loses_its_place(spec, twin, text, w.tokens):
            left_out += 1
            continue
        wrong = count_bad(text, g["offsets"], w.offsets)
        n, bad = n + len(w.ids), bad + wrong
        if wrong and not first:
            first = f", the first in {text!r}"
    say("FAIL" if bad else "ok", f"offsets of {family}",
        f"{n} ids of {len(texts) - left_out} texts ({left_out} left out), differing: {bad}{first}")


def main():
    tokenizers, tok = need_goldens("tokenizers"), need_goldens("tok")
    try:
        import tokenizers as library
    except ImportError:
        print("skip tests/golden/offsets.py: no Python package tokenizers")
        return
    with scratch() as tmp:
        for family in sys.argv[1:] or FAMILIES:
            try:
                check_family(tokenizers, tok, library, family, tmp)
            except (RuntimeError, AssertionError, KeyError, ValueError, OSError) as e:
                say("FAIL", f"offsets of {family}", f"{type(e).__name__}: {e}")
    finish()


if __name__ == "__main__":
    main()
