#!/usr/bin/env python3
"""Golden models at 8 bits: within three times the error that each case states for rounding all matrices
to 8 bits (relative error of logits; of mixtures of experts the NLL only, as a token may go to other
experts). Agreement of the best token is told, as are all figures at 4 bits. Usage: quantised.py [CASE...]"""
import json
import math
import os
import sys

import models
from goldens import attempt, finish, mote, need_goldens, read_safetensors, say

MIXTURES = ("mixtral", "qwen2_moe", "qwen3_moe", "deepseek_v2")
PROMPTS = ["p1", "p7", "p33"]


def logits_of(model, ids, tmp):
    path = os.path.join(tmp, "l.safetensors")
    mote("logits", model, "--ids", ",".join(map(str, ids)), "-o", path, "--force", "--kv", "f32")
    return read_safetensors(path)["logits"][1]


def measure(model, golden, want, tmp):
    """(root mean square error of the logits over their deviation, share of equal best tokens)"""
    n, same, rows = golden["vocab_size"], 0, 0
    error = total = squares = count = 0.0
    for name in PROMPTS:
        got, ref = logits_of(model, golden["prompts"][name], tmp), want["logits." + name][1]
        error += sum((a - b) ** 2 for a, b in zip(got, ref))
        total, squares, count = total + sum(ref), squares + sum(x * x for x in ref), count + len(ref)
        for i in range(0, len(ref), n):
            a, b = got[i:i + n], ref[i:i + n]
            same += max(range(n), key=a.__getitem__) == max(range(n), key=b.__getitem__)
            rows += 1
    spread = squares / count - (total / count) ** 2
    return math.sqrt(error / count / spread), same / rows


def nll_of(model, golden, tmp):
    path, ids = os.path.join(tmp, "ids.json"), golden["nll"]["ids"]
    with open(path, "w") as f:
        json.dump(ids, f)
    return json.loads(mote("perplexity", model, "--ids", path, "--window", len(ids), "--kv", "f32",
                           "--json"))["mean_nll"]


def check(folder, case, tmp):
    with open(os.path.join(folder, case, "golden.json")) as f:
        golden = json.load(f)
    want = read_safetensors(os.path.join(folder, case, "golden.safetensors"))
    noise, exact = golden["noise"]["sim_q8_0"], golden["nll"]["mean"]
    for kind in ("q8", "q4"):
        model = os.path.join(tmp, kind + ".mote")
        mote("convert", os.path.join(folder, case), "-o", model, "--type", kind, "-q")
        off = abs(nll_of(model, golden, tmp) - exact)
        if case.startswith(MIXTURES):
            limit = 3 * abs(noise["nll_mean"] - exact)
            ok, text = off <= limit, f"NLL off by {off:.3g} of {limit:.3g}"
        else:
            error, same = measure(model, golden, want, tmp)
            limit, usual = 3 * noise["logit_rms_error_over_std"], noise["top1_agreement"]
            ok = error <= limit
            text = (f"relative error {error:.3g} of {limit:.3g}, best token {same:.0%} "
                    f"(by rounding alone {usual:.0%}), NLL off by {off:.3g}")
        say("ok" if ok or kind == "q4" else "FAIL", f"{case} {kind}", text)


def main():
    folder = need_goldens("models")
    for case in sys.argv[1:] or models.CASES:
        attempt(case, check, folder, case)
    finish()


if __name__ == "__main__":
    main()
