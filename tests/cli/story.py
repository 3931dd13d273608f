#!/usr/bin/env python3
"""A trained model, models/story.mote and what comes of it: what it says is fixed to the bit, hardly moved by
rounding, and the same whatever runs it. story.json has what depends on the weights; --record writes it anew.
Usage: story.py [--record] [NAME-PART...]"""
import json
import math
import pathlib
import random
import re
import sys

from frame import Skip, answers, main, out, out_json, test

HERE = pathlib.Path(__file__).resolve().parent
MODELS, TEXT, RECORD = HERE.parents[1] / "models", HERE / "story.txt", HERE / "story.json"
NAMES, KVS = ("story", "story-q8", "story-tiny"), ("f32", "f16", "q8")
PROMPT, N = "Once upon a time there was a little", 40
ONE = ("-t", 1, "-q")  # several threads wait for each other long where other programs run
SCORE = ("-f", TEXT, "-c", 128, "--json", *ONE)
# What rounding may do to `story`: mean KL divergence, share of the same best token, perplexity's growth.
Q8, Q4 = (0.001, 0.97, 0.005), (0.04, 0.85, 0.03)


def model(name):
    path = MODELS / f"{name}.mote"
    if not path.exists():
        raise Skip(f"no models/{name}.mote")
    return path


def there():
    """Those that are there."""
    found = [n for n in NAMES if (MODELS / f"{n}.mote").exists()]
    if not found:
        raise Skip("no models/story*.mote")
    return found


def tiers():
    return re.search(r"^tiers: (.*)$", out("doctor", "--quick"), re.M)[1].split()


def rows_of(path, n):
    return [{"ids": answers("tokenize", path, rows=[{"text": PROMPT}])[0]["ids"], "greedy": n}]


def measured(name):
    """What is written down of a model."""
    path = model(name)
    found = {"id": out_json("info", path, "--json")["id"], "hash": {}, "perplexity": {}, "says": {},
             "tokens": int(out("tokenize", path, "-f", TEXT, "--count").split()[0])}
    for kv in KVS:
        found["hash"][kv] = answers("logits", path, "--kv", kv, *ONE, rows=rows_of(path, N))[0]["hash"]
        got = out_json("perplexity", path, *SCORE, "--kv", kv)
        found["perplexity"][kv] = float(f"{got['ppl']:.7g}")
        found["says"][kv] = {str(seed): out("run", path, "--raw", "-p", PROMPT, "-n", N, "--kv", kv, *ONE, *flags)
                             for seed, flags in ((0, ["--temp", 0]), (1, ["-s", 1]), (2, ["-s", 2, "--temp", 1.2]))}
    return found


@test
def all_is_as_written_down(_):
    wanted = json.loads(RECORD.read_text()) if there() and RECORD.exists() else {}
    for name in there():
        got, want = measured(name), wanted.get(name, {})
        assert got["id"] == want.get("id"), f"{name} has other weights: tests/cli/story.py --record"
        for key, value in got.items():
            assert value == want[key] or key == "perplexity", f"{name}, {key}: {value}, not {want[key]}"
        for kv, value in got["perplexity"].items():
            assert math.isclose(value, want["perplexity"][kv], rel_tol=1e-6), (name, kv, value)


@test
def tiers_threads_and_chunks_change_no_bit(_):
    for name in there():
        path, rows = model(name), rows_of(model(name), 8)
        for kv in ("f16", "q8"):
            want = answers("logits", path, "--kv", kv, *ONE, rows=rows)
            ways = [("--isa", tier, "-b", batch, *ONE) for tier in tiers() for batch in (1, 3)]
            for flags in (*ways, ("-t", 2), ("-t", 3, "-b", 2)):
                assert answers("logits", path, "--kv", kv, *flags, rows=rows) == want, (name, kv, flags)


@test
def stories_are_the_same_on_every_tier(_):
    for name, kv in zip(NAMES, KVS):
        if name in there():
            words = ["run", model(name), "--raw", "-p", PROMPT, "-n", N, "-s", 4, "--kv", kv, *ONE]
            want = out(*words)
            assert len(want) > N, want
            for tier in tiers():
                assert out(*words, "--isa", tier) == want, (name, kv, tier)


@test
def texts_come_back(_):
    text = TEXT.read_text()
    parts = [text, *text.split("\n"), text[::-1], "Ünï — 日本 🙂\t\r\n\n  x\0"]
    for name in there():
        ids = [a["ids"] for a in answers("tokenize", model(name), rows=[{"text": p} for p in parts])]
        back = answers("detokenize", model(name), "--skip-special", rows=[{"ids": i} for i in ids])
        assert [a["text"] for a in back] == parts, (name, back)
        assert len(ids[0]) < 0.4 * len(text), "the vocabulary fits no stories"


@test
def order_of_words_matters_to_it(m):
    words = TEXT.read_text().split()
    random.Random(1).shuffle(words)
    mixed = m.folder / "mixed.txt"
    mixed.write_text(" ".join(words))
    for name in there():
        plain, other = (out_json("perplexity", model(name), *SCORE, "-f", f)["ppl"] for f in (TEXT, mixed))
        assert plain < 0.9 * other, (name, plain, other)


def near(path, bounds):
    got = out_json("compare", model("story"), path, *SCORE)
    most_kl, least_same, growth = bounds
    assert got["mean_kl"] < most_kl and got["same_top_1"] > least_same, got
    assert abs(got["other_ppl"] / got["ppl"] - 1) < growth, got
    return got


@test
def rounding_moves_it_little(m):
    fine = near(model("story-q8"), Q8)
    coarse = near(m.convert(model("story"), "q4.mote", "--type", "q4"), Q4)
    assert fine["mean_kl"] < 0.2 * coarse["mean_kl"], (fine, coarse)


@test
def the_built_in_file_is_what_convert_makes(m):
    made = m.convert(model("story"), "own.mote", "--type", "q8")
    assert made.read_bytes() == model("story-q8").read_bytes()


@test
def together_as_alone(_):
    lines = TEXT.read_text().replace("\n", " ").split(". ")
    rows = [{"prompt": line, "seed": i} for i, line in enumerate(lines[:12])]
    for name in there():
        words = ["run", model(name), "--raw", "-n", 24, "-c", 256, *ONE]
        want = answers(*words, "-np", 1, rows=rows)
        assert len({a["text"] for a in want}) > len(rows) // 2
        for slots, batch in ((16, 0), (5, 32)):
            assert answers(*words, "-np", slots, "-b", batch, rows=rows) == want, (name, slots)


@test
def guesses_change_no_story(_):
    line = TEXT.read_text().split("\n")[0]
    for name in there():
        for flags in (("--temp", 0), ("-s", 3)):
            words = ["run", model(name), "--json", "--raw", "-p", f"{line} {line} Once", "-n", N, *ONE, *flags]
            want, got = out_json(*words), out_json(*words, "--lookup")
            assert (got["text"], got["finish_reason"]) == (want["text"], want["finish_reason"]), name


@test
def states_go_on_on_another_tier(m):
    for name in there():
        for kv in KVS:
            words = ["run", model(name), "--json", "--raw", "-n", 8, "-s", 5, "--kv", kv, *ONE]
            state = ["--state", m.folder / f"{name}.{kv}.state"]
            out(*words, "-p", PROMPT, *state)
            longer = ["-p", PROMPT + " girl named Lily. She"]
            want, got = out_json(*words, *longer), out_json(*words, *longer, *state, "--isa", "ref")
            assert got["text"] == want["text"] and got["reused_tokens"] > 4, (name, kv, got)


if __name__ == "__main__":
    if "--record" in sys.argv:
        RECORD.write_text(json.dumps({n: measured(n) for n in there()}, indent=1, ensure_ascii=False) + "\n")
        print(f"written: {RECORD}")
    else:
        main()
