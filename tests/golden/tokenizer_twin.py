#!/usr/bin/env python3
"""Tokenizers against the reference library itself, on random short texts: ids of TEXTS (2000) for each
family; then, by the unit tests' own check, decode(encode(x)) = x over CHARS (100000) random characters
for each byte-level family. The full proof: TEXTS=100000 CHARS=10000000. Needs the Python package
tokenizers. Usage: tokenizer_twin.py [FAMILY...]"""
import os
import random
import subprocess
import sys
import unicodedata

from goldens import finish, json_lines, mote, need_goldens, say, scratch
from tokenizer_ids import FAMILIES, unpack

TEXTS, CHARS = int(os.environ.get("TEXTS", 2000)), int(os.environ.get("CHARS", 100000))
BATCH = 10000
# Characters whose properties all versions of Unicode in the library's parts agree on.
OLD = [chr(c) for c in range(0x20, 0x30000) if not 0xd800 <= c < 0xe000
       and unicodedata.ucd_3_2_0.category(chr(c)) not in ("Cn", "Co", "Cs")
       and unicodedata.ucd_3_2_0.category(chr(c)) == unicodedata.category(chr(c))]
WORDS = """the of and Straße naïve don't I'LL we've HTTPServer camelCase foo_bar x1y2 1234567 3.14 --- ...
    != => {} [] () </s> <s> <unk> [MASK] \u4e2d\u6587 \u0440\u0443\u0441 \u0e44\u0e17\u0e22
    \U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea e\u0301 \ufb01 \u2581 \u00a0""".split()
BLANKS = [" ", "  ", "   ", "\n", "\n\n", " \n", "\t", "\r\n", "", "", " "]


def make_part(r):
    kind = r.random()
    if kind < 0.35:
        return r.choice(WORDS)
    if kind < 0.6:
        return "".join(r.choice("etaoinshrdlucmfwypvbgkjqxzETAOIN'") for _ in range(r.randrange(1, 12)))
    if kind < 0.7:
        return "".join(r.choice("0123456789.,") for _ in range(r.randrange(1, 9)))
    if kind < 0.8:
        return "".join(r.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") for _ in range(r.randrange(1, 5)))
    if kind < 0.85:
        return r.choice("a -\n=._0") * r.randrange(1, 40)
    return "".join(r.choice(OLD) for _ in range(r.randrange(1, 6)))


def make_text(r):
    return "".join(make_part(r) + r.choice(BLANKS) for _ in range(r.randrange(1, 9)))


def check_family(tokenizers, library, family, tmp):
    folder, model = os.path.join(tmp, family), os.path.join(tmp, family + ".mote")
    unpack(os.path.join(tokenizers, family), folder)
    mote("convert", folder, "-o", model, "--tokenizer-only", "-q")
    twin = library.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    twin.no_truncation()
    twin.no_padding()
    r, bad, first = random.Random(family), 0, ""
    for begin in range(0, TEXTS, BATCH):
        texts = [make_text(r) for _ in range(min(BATCH, TEXTS - begin))]
        got = json_lines("tokenize", model, [{"text": t} for t in texts], "--no-special")
        want = twin.encode_batch(texts, add_special_tokens=False)
        for text, g, w in zip(texts, got, want):
            if g.get("ids") != w.ids:
                bad += 1
                first = first or f", the first: {text!r}"
    say("FAIL" if bad else "ok", f"twin of {family}", f"{TEXTS} texts, differing: {bad}{first}")
    return model


def check_round_trips(models):
    unit = os.path.join(os.environ.get("MOTE_BUILD", "build/release"), "unit")
    env = dict(os.environ, TOKENIZER_FILES=":".join(models), TOKENIZER_CHARS=str(CHARS))
    run = subprocess.run([unit, "tokenizer_gives_back"], env=env, stdout=subprocess.PIPE, check=False)
    out = run.stdout.decode()
    print(out, end="")
    say("ok" if run.returncode == 0 else "FAIL", "round trips", f"{CHARS} characters each")


def main():
    tokenizers = need_goldens("tokenizers")
    try:
        import tokenizers as library
    except ImportError:
        print("skip tests/golden/tokenizer_twin.py: no Python package tokenizers")
        return
    with scratch() as tmp:
        models = []
        for family in sys.argv[1:] or FAMILIES:
            try:
                models.append(check_family(tokenizers, library, family, tmp))
            except (RuntimeError, AssertionError, KeyError, ValueError, OSError) as e:
                say("FAIL", f"twin of {family}", f"{type(e).__name__}: {e}")
        check_round_trips(models)
    finish()


if __name__ == "__main__":
    main()
