#!/usr/bin/env python3
"""embed and rerank: the same bits alone and in a batch, for every tier and number of threads; truncation
told; pairs; ids as given; what is refused. Usage: embed.py [NAME-PART...]"""
import base64
import json
import struct

from frame import answers, main, mote, out, out_json, refused, test

import tiny_encoder
from tiny_encoder import CLOSE, OPEN

TEXTS = ["hello", "", "hello world " * 3, "w", "a longer text, to fill more than one tile of positions",
         "x" * 299, "hello hello", "y" * 17]
ROWS = [{"text": t} for t in TEXTS]


def made(m, name, *flags, **kind):
    """The tiny encoder of a kind, converted; once."""
    path = m.folder / f"{name}.mote"
    if not path.exists():
        hub = m.folder / f"{name}-hub"
        hub.mkdir()
        tiny_encoder.write_folder(hub, **kind)
        m.convert(hub, path.name, *(flags or ("--type", "f32")))
    return path


def embedder(m, kind="f32"):
    return made(m, "embed-" + kind, "--type", kind)


def scorer(m):
    return made(m, "score", scores=True)


def numbers(rows):
    return [r["embedding"] for r in rows]


# ---- the same bits -------------------------------------------------------------------------------

@test
def a_batch_is_many_single_calls(m):
    for kind in ("f32", "q8", "q4"):
        model = embedder(m, kind)
        alone = [answers("embed", model, "-t", 1, rows=[r])[0] for r in ROWS]
        assert answers("embed", model, "-t", 1, rows=ROWS) == alone, kind
        assert answers("embed", model, "-t", 3, rows=ROWS[::-1]) == alone[::-1], kind
        assert answers("embed", model, "-t", 2, "-b", 320, rows=ROWS * 6) == alone * 6, kind


@test
def every_tier_and_thread_count_gives_the_same(m):
    tiers = next(line for line in out("doctor").splitlines() if line.startswith("tiers:")).split()[1:]
    for model, command, rows in ((embedder(m), "embed", ROWS), (embedder(m, "q8"), "embed", ROWS),
                                 (scorer(m), "rerank", [{"query": "hello", "passage": t}
                                                        for t in TEXTS])):
        want = answers(command, model, rows=rows)
        for tier in tiers:
            for threads in (1, 2, 4):
                assert answers(command, model, "--isa", tier, "-t", threads, rows=rows) == want, tier


@test
def many_blocks_of_attention(m):
    """A text of more than 256 tokens attends over two blocks, alone or behind others."""
    model = embedder(m)
    ids = [(7 * i) % 250 for i in range(299)]
    alone = numbers(answers("embed", model, rows=[{"ids": ids}]))
    assert numbers(answers("embed", model, rows=[{"ids": ids[:5]}, {"ids": ids}]))[1:] == alone
    other = ids[:-1] + [3]
    assert numbers(answers("embed", model, rows=[{"ids": other}])) != alone


@test
def position_and_type_count(m):
    model = embedder(m)
    a, b, c, d = numbers(answers("embed", model, rows=[
        {"ids": [1, 2, 3]}, {"ids": [3, 2, 1]}, {"ids": [1, 2, 3], "token_type_ids": [0, 0, 1]},
        {"ids": [1, 2, 3], "token_type_ids": [0, 0, 0]}]))
    assert a != b and a != c and a == d


# ---- forms ---------------------------------------------------------------------------------------

@test
def base64_holds_the_same_floats(m):
    model = embedder(m)
    want = numbers(answers("embed", model, rows=ROWS))
    for v, row in zip(want, answers("embed", model, "--format", "base64", rows=ROWS)):
        raw = base64.b64decode(row["embedding"], validate=True)
        assert list(struct.unpack(f"<{len(v)}f", raw)) == [struct.unpack("<f", struct.pack("<f", x))[0]
                                                           for x in v]
    line = out("embed", model, "-p", "hello")
    assert [float(x) for x in line.split()] == want[0]
    assert out_json("embed", model, "-p", "hello", "--json")["embedding"] == want[0]
    alone = out("embed", model, "-p", "hello", "--format", "base64").strip()
    assert len(base64.b64decode(alone, validate=True)) == 4 * len(want[0])


@test
def normalisation_and_pooling(m):
    for pooling in ("mean", "cls"):
        for normalize in (False, True):
            model = made(m, f"{pooling}-{normalize}", pooling=pooling, normalize=normalize)
            length = [sum(x * x for x in v) for v in numbers(answers("embed", model, rows=ROWS))]
            assert all((abs(x - 1) < 1e-5) == normalize for x in length), (pooling, normalize, length)
            info = out_json("info", model, "--json")["encoder"]
            assert info["pooling"] == pooling and info["normalize"] == normalize, info


@test
def truncation_is_told(m):
    model = made(m, "short", max_tokens=16)
    rows = [{"text": "x" * n} for n in (13, 14, 15, 400)]
    got = answers("embed", model, rows=rows)
    assert [(r["tokens"], r["truncated"]) for r in got] == [(15, False), (16, False), (16, True),
                                                            (16, True)], got
    same = answers("embed", model, rows=[{"ids": [OPEN] + [ord("x")] * 14 + [CLOSE]}])[0]
    assert got[3]["embedding"] == got[1]["embedding"] == same["embedding"]
    told = mote("embed", model, "-p", "x" * 400)
    assert told.stderr == "the text has 402 tokens and was cut to 16\n", told.stderr
    assert mote("embed", model, "-p", "x" * 14).stderr == ""
    text = b"".join(json.dumps(r).encode() + b"\n" for r in rows)
    assert mote("embed", model, "--jsonl", text=text).stderr.startswith("2 texts were longer")


def pair_ids(a, b, joins):
    return [OPEN] + a + [CLOSE] * joins + b + [CLOSE]


@test
def pairs_are_put_together(m):
    x, y = ord("x"), ord("y")  # bytes are the first ids
    for kind, joins in (("bert", 1), ("xlm-roberta", 2)):
        model = made(m, f"pairs-{kind}", kind=kind, scores=True, max_tokens=20)
        room = 20 - 2 - joins
        for a, b, cut_a, cut_b in ((3, 4, 3, 4), (2, 90, 2, room - 2), (90, 2, room - 2, 2),
                                   (90, 90, room // 2, room - room // 2), (0, 0, 0, 0),
                                   (91, 90, room - room // 2, room // 2)):
            ids = pair_ids([x] * cut_a, [y] * cut_b, joins)
            second = cut_b + 1 if kind == "bert" else 0
            types = [0] * (len(ids) - second) + [1] * second
            got = answers("rerank", model, rows=[{"query": "x" * a, "passage": "y" * b},
                                                 {"ids": ids, "token_type_ids": types}])
            assert got[0]["score"] == got[1]["score"], (kind, a, b)
            assert got[0]["tokens"] == len(ids) and got[0]["truncated"] == (a + b > room)


@test
def the_best_passage_comes_first(m):
    model, passages = scorer(m), ["hello world", "w", "", "a longer line", "w"]
    rows = [{"query": "hello", "passage": p} for p in passages if p]
    want = sorted((r["score"] for r in answers("rerank", model, rows=rows)), reverse=True)
    text = "\r\n".join(passages)
    got = out_json("rerank", model, "-p", "hello", "--json", text=text)
    assert [p["score"] for p in got] == want and {p["passage"] for p in got} == set(passages) - {""}
    lines = out("rerank", model, "-p", "hello", text=text).splitlines()
    assert [line.split("\t")[1] for line in lines] == [p["passage"] for p in got]
    assert out("rerank", model, "-p", "hello", text="") == ""
    assert len(out("rerank", model, "-p", "hello", text="w\n" * 100).splitlines()) == 100


# ---- what goes wrong -----------------------------------------------------------------------------

@test
def bad_rows_do_not_end_the_run(m):
    good = {"text": "hello"}
    bad = [{}, {"text": 5}, {"ids": []}, {"ids": [-1]}, {"ids": [1.5]}, {"ids": [99999]},
           {"ids": list(range(200)) * 2}, {"ids": [1, 2], "token_type_ids": [0]},
           {"ids": [1], "token_type_ids": [2]}, {"ids": [1], "token_type_ids": "x"}, b"{", b"[1]"]
    rows = [r for b in bad for r in (good, b)] + [good]
    got = answers("embed", embedder(m), rows=rows)
    assert all(("error" in r) == bool(i % 2) for i, r in enumerate(got)), got
    assert all(r == got[0] for r in got[::2])
    got = answers("rerank", scorer(m), rows=[{"query": "a"}, {"passage": "a"}, {"query": 1, "passage": ""},
                                             {"query": "", "passage": ""}])
    assert ["error" in r for r in got] == [True, True, True, False], got


@test
def the_wrong_kind_of_model_is_refused(m):
    model, pairs = embedder(m), scorer(m)
    refused(6, "mote run", "embed", m.good, "-p", "a")
    refused(6, "mote run", "rerank", m.good, "-p", "a", text="a")
    refused(6, "mote rerank", "embed", pairs, "-p", "a")
    refused(6, "mote embed", "rerank", model, "-p", "a", text="a")
    for command, *flags in (("run", "-p", "a"), ("bench", "-p", 8, "-n", 1), ("perplexity", "-p", "a b c d"),
                            ("logits", "--jsonl")):
        refused(6, "an encoder", command, model, *flags, text="hello\n")
    refused(2, "-p QUERY", "rerank", pairs, text="a")
    refused(2, "-b", "embed", model, "-p", "a", "-b", 8)
    refused(2, "--format", "embed", model, "-p", "a", "--format", "f16")
    refused(2, "has no such option", "embed", model, "-p", "a", "-c", 8)
    refused(2, "has no such option", "rerank", pairs, "-p", "a", "--format", "f32")


@test
def plan_is_what_is_used(m):
    model = embedder(m, "q8")
    for flags in ((), ("-b", 4096), ("-t", 1), ("-b", 300, "-t", 4)):
        plan = out_json("plan", model, "--json", *flags)
        used = out_json("embed", model, "-p", "hello", "--json", *flags)
        assert plan["memory"] == used["memory"], flags
    assert "batch of" in out("plan", model)


@test
def explained_as_an_encoder(m):
    path = m.folder / "encoder.html"
    out("explain", embedder(m), "-p", "a b", "--html", path, "-q", "-t", 1)
    text = path.read_text()
    assert "The embedding" in text and "The next token" not in text
    assert "x = norm(x + down h)" in text and "cache" not in text.split("The stream x")[0]


if __name__ == "__main__":
    main()
