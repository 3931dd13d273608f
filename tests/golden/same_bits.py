#!/usr/bin/env python3
"""One hash for every golden model: tiers, threads and chunks of a prompt give the same bits at f32, q8 and
q4, also of encoders in batches. Usage: same_bits.py [CASE...]"""
import json
import os
import sys

import encoders
import models
from goldens import attempt, finish, mote, need_goldens, say

TYPES = ["f32", "q8", "q4"]


def ways(tiers, chunks=(100, 1, 7, 32)):
    """Runs in which every tier, number of threads and chunk comes up at least once."""
    for i in range(max(len(tiers), 4)):
        yield ["--isa", tiers[i % len(tiers)], "-t", 1 + i % 4] + (["-b", chunks[i % 4]] if chunks else [])


def answers(model, command, rows, *flags):
    text = "".join(json.dumps(r) + "\n" for r in rows)
    return mote(command, model, "--jsonl", *flags, text=text)


def decoder(model, golden, tiers):
    rows = [{"ids": golden["prompts"]["p100"], "greedy": 8}]
    return [answers(model, "logits", rows, *w) for w in ways(tiers)]


def encoder(model, golden, tiers):
    """Batches are at least as long as a text, so that -b is left out; single calls and all at once."""
    scores = "score" in golden["items"][0]
    rows = encoders.rows_of(golden["items"], True)
    command = ["rerank"] if scores else ["embed", "--format", "base64"]
    made = [answers(model, command[0], rows, *command[1:], *w) for w in ways(tiers, None)]
    singles = (answers(model, command[0], [r], *command[1:], "-t", 2) for r in rows)
    return made + ["".join(singles)]


def check(folder, case, tiers, tmp):
    with open(os.path.join(folder, case, "golden.json")) as f:
        golden = json.load(f)
    runs = 0
    for kind in TYPES:
        model = os.path.join(tmp, kind + ".mote")
        mote("convert", os.path.join(folder, case), "-o", model, "--type", kind, "-q")
        made = (encoder if "items" in golden else decoder)(model, golden, tiers)
        assert len(set(made)) == 1, f"{kind}: {len(set(made))} results in {len(made)} runs"
        runs += len(made)
    say("ok", f"{case} bits", f"{runs} runs, {len(TYPES)} types")


def main():
    folder = need_goldens("models")
    tiers = json.loads(mote("doctor", "--json"))["tiers"]
    for case in sys.argv[1:] or models.CASES + encoders.CASES:
        attempt(f"{case} bits", check, folder, case, tiers)
    finish()


if __name__ == "__main__":
    main()
