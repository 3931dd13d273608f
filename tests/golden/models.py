#!/usr/bin/env python3
"""Tiny reference models: logits, hidden states, greedy ids, NLL and tokenizer checks against
goldens/models, at f32 with an f32 cache; then the f16 cache. Usage: models.py [CASE...]"""
import json
import os
import sys

from goldens import (attempt, compare_greedy, finish, json_lines, max_difference, mote,
                     need_goldens, read_safetensors, say)

CASES = ["llama_untied", "llama_tied_theta500k", "llama_rope_llama3", "llama_rope_linear",
         "llama_bias_headdim", "smollm2_like", "tinyllama_like", "qwen2_tied", "qwen2_untied",
         "qwen2_sliding", "qwen3_tied", "qwen3_v5config", "mistral_headdim", "mistral_sliding",
         "smollm3_nope", "phi3_sliding", "phi3_longrope", "phi3_partial", "gemma", "gemma2",
         "gemma3_text", "olmo2", "stablelm", "gpt2", "openelm", "mixtral", "qwen2_moe",
         "qwen3_moe_norm", "qwen3_moe_nonorm", "deepseek_v2_lite", "deepseek_v2_qlora"]


def ids_of(prompt):
    return ",".join(map(str, prompt))


def check_logits(model, case, golden, want, kv, tolerance, tmp):
    """Logits of p1, p7, p33 and the last of p100; hidden states of p33 with the f32 cache."""
    worst = hidden = 0.0
    out = os.path.join(tmp, "logits.safetensors")
    for name, prompt in golden["prompts"].items():
        flags = ["--hidden"] if name == golden["hidden_prompt"] and kv == "f32" else []
        mote("logits", model, "--ids", ids_of(prompt), "-o", out, "--force", "--kv", kv, *flags)
        got = read_safetensors(out)
        logits = got["logits"][1]
        if name == "p100":
            n = golden["vocab_size"]
            worst = max(worst, max_difference(logits[-n:], want["logits.p100.last"][1]))
        else:
            worst = max(worst, max_difference(logits, want["logits." + name][1]))
        for key, (_, values) in got.items():
            if key.startswith("hidden."):
                part = f"hidden.{name}.{key[7:]}"
                hidden = max(hidden, max_difference(values, want[part][1]))
    ok = worst <= tolerance and hidden <= golden["tolerance"]["hidden_max_abs_float32"]
    more = f", hidden states {hidden:.2g}" if kv == "f32" else ""
    say("ok" if ok else "FAIL", f"{case} logits, {kv} cache",
        f"largest difference {worst:.2g} of {tolerance:.2g}{more}")


def check_greedy(model, case, golden):
    least = golden["tolerance"]["skip_greedy_if_margin_below"]
    rows = [{"ids": golden["prompts"][g["prompt"]], "greedy": len(g["ids"])}
            for g in golden["greedy"]]
    steps = 0
    for g, answer in zip(golden["greedy"], json_lines("logits", model, rows, "--kv", "f32")):
        ok, n = compare_greedy(answer["greedy"], g["ids"], g["margins"], least)
        steps += n
        if not ok:
            return say("FAIL", f"{case} greedy", f"{g['prompt']} differs at step {n}")
    say("ok", f"{case} greedy", f"{steps} steps")


def check_nll(model, case, golden, tmp):
    path = os.path.join(tmp, "ids.json")
    ids = golden["nll"]["ids"]
    with open(path, "w") as f:
        json.dump(ids, f)
    got = json.loads(mote("perplexity", model, "--ids", path, "--window", len(ids), "--kv", "f32",
                          "--json"))
    off = abs(got["mean_nll"] - golden["nll"]["mean"])
    limit = golden["tolerance"]["nll_mean_abs_float32"]
    say("ok" if off <= limit else "FAIL", f"{case} NLL", f"off by {off:.2g} of {limit:.2g}")


def check_tokenizer(model, case, golden):
    checks = golden["tokenizer_checks"]
    rows = [{"text": c["text"]} for c in checks]
    bad = []
    for flags, key in (([], "ids"), (["--no-special"], "ids_without_special")):
        for c, answer in zip(checks, json_lines("tokenize", model, rows, *flags)):
            if answer["ids"] != c[key]:
                bad.append(f"{c['text']!r} {key}")
    rows = [{"ids": c["ids_without_special"]} for c in checks]
    for c, answer in zip(checks, json_lines("detokenize", model, rows, "--skip-special")):
        if answer["text"] != c["decoded"]:
            bad.append(f"{c['text']!r} decoded")
    say("FAIL" if bad else "ok", f"{case} tokenizer", "; ".join(bad[:3]) or f"{len(checks)} texts")


def check_case(folder, case, tmp):
    with open(os.path.join(folder, case, "golden.json")) as f:
        golden = json.load(f)
    want = read_safetensors(os.path.join(folder, case, "golden.safetensors"))
    model = os.path.join(tmp, case + ".mote")
    mote("convert", os.path.join(folder, case), "-o", model, "--type", "f32", "-q")
    tolerance = golden["tolerance"]
    check_logits(model, case, golden, want, "f32", tolerance["logits_max_abs_float32"], tmp)
    check_logits(model, case, golden, want, "f16", tolerance["logits_max_abs_f16_kv_cache"], tmp)
    check_greedy(model, case, golden)
    check_nll(model, case, golden, tmp)
    check_tokenizer(model, case, golden)


def main():
    folder = need_goldens("models")
    for case in sys.argv[1:] or CASES:
        attempt(case, check_case, folder, case)
    finish()


if __name__ == "__main__":
    main()
