#!/usr/bin/env python3
"""The Python package: its answers are those of the program, its declarations those of C, its errors
exceptions; other threads run beside it. Usage: python_api.py [NAME-PART...]"""
import ctypes
import json
import os
import pathlib
import struct
import subprocess
import sys
import threading
import warnings

from frame import MOTE, Skip, answers, main, out_json, tensors, test

import tiny_encoder  # noqa: E402, behind frame, which knows where it is

FOLDER = os.path.join(os.path.dirname(MOTE), "python")
if not os.path.isdir(FOLDER):
    print("skip tests/cli/python_api.py: this build has no Python package (a sanitizer's, or no python3)")
    sys.exit(0)
sys.path.insert(0, FOLDER)
import mote  # noqa: E402
from mote import _c, endings  # noqa: E402

HELLO = "hello world, hello"
TEXTS = ["hello", "", "hello world " * 3, "w", "a longer text, to fill more than one tile", "x" * 280]


def encoder(m, **kind):
    """A tiny model that reads."""
    hub = m.folder / ("python-scores" if kind else "python-embeds")
    if not hub.exists():
        hub.mkdir()
        tiny_encoder.write_folder(hub, **kind)
        m.convert(hub, hub.name + ".mote", "--type", "f32")
    return m.folder / (hub.name + ".mote")


def run(model, prompt, *flags):
    """(text, finish reason, tokens) as the program gives them."""
    got = out_json("run", model, "-p", prompt, "--json", *flags)
    return got["text"], got["finish_reason"], got["generated_tokens"]


def raised(kind, part, fn, *args, **more):
    try:
        fn(*args, **more)
    except kind as e:
        assert part in str(e) and "\n" not in str(e), e
        return e
    raise AssertionError(f"no {kind.__name__}")


@test
def declarations_are_those_of_c(m):
    assert len(_c.layout) > 20
    for name, size_and_alignment in _c.layout.items():
        t = _c.types[name]
        assert (ctypes.sizeof(t), ctypes.alignment(t)) == size_and_alignment, name
        for field, offset in _c.places[name]:
            assert getattr(t, field).offset == offset, (name, field)
    assert _c.mote_value.as_.offset == 8 and type(_c.mote_value().as_).list.offset == 0
    assert _c.MOTE_ALIGN == 64 and _c.MOTE_CANCELLED == 130


@test
def texts_are_those_of_the_program(m):
    with mote.Model(m.good, threads=2) as model:
        for flags, options in (
                (["-s", 7, "-n", 20], {"seed": 7, "max_tokens": 20}),
                (["--temp", 0, "-n", 9], {"temperature": 0, "max_tokens": 9}),
                (["-s", 1, "--top-k", 3, "--repeat-penalty", 1.5, "--presence-penalty", 0.5],
                 {"seed": 1, "top_k": 3, "repeat_penalty": 1.5, "presence_penalty": 0.5}),
                (["-s", 2, "--top-p", 0.5, "--min-p", 0.2, "--temp", 1.5],
                 {"seed": 2, "top_p": 0.5, "min_p": 0.2, "temperature": 1.5}),
                (["-s", 3, "--logit-bias", "104+9", "--stop", "h", "--stop", "xyz"],
                 {"seed": 3, "logit_bias": {104: 9.0}, "stop": ["h", "xyz"]}),
                (["-s", 4, "-n", 0], {"seed": 4, "max_tokens": 0})):
            got = model.generate(HELLO, **options)
            want = run(m.good, HELLO, "--raw", *flags)
            assert (got.text, got.finish_reason, got.generated_tokens) == want, (got, want)
            assert "".join(model.stream(HELLO, **options)) == want[0]
        assert model.generate(model.tokenize(HELLO), seed=7, max_tokens=5).prompt_tokens > 1


@test
def the_kv_type_and_the_tier_are_taken(m):
    for kv in ("f32", "q8"):
        with mote.Model(m.good, kv=kv, isa="ref", context=64) as model:
            want = run(m.good, HELLO, "--raw", "--kv", kv, "--isa", "ref", "-s", 7, "-c", 64)
            got = model.generate(HELLO, seed=7)
            assert (got.text, got.finish_reason) == want[:2] and model.info["tier"] == "ref"
            assert want[1] == "context_full" and model.info["n_ctx_session"] == 64


@test
def loops_end(m):
    bias = {104: 1e9}
    with mote.Model(m.wide) as model:
        got = model.generate(HELLO, logit_bias=bias, seed=1)
        assert got.finish_reason == "loop"
        want = run(m.wide, HELLO, "--raw", "-s", 1, "--logit-bias", "104+1000000000")
        assert (got.text, "loop", got.generated_tokens) == want


@test
def stop_strings_are_held_back(m):
    stops = endings.Stops(["abc", "cd"])
    assert [stops.push(t) for t in ("xa", "b", "q", "a", "b", "cz")] == [
        ("x", False), ("", False), ("abq", False), ("", False), ("", False), ("", True)]


@test
def chats_are_those_of_the_program(m):
    with mote.Model(m.good) as model:
        for text in ("hello", "what <|end|> a user <|user|> writes", "\u00e4\U0001f600\n"):
            ids = model.chat_prompt([{"role": "user", "content": text}])
            assert ids == model.chat_prompt(text)
            want = run(m.good, text, "-s", 3, "-n", 12)
            assert model.generate(ids, seed=3, max_tokens=12).text == want[0], text
            assert [i for i in ids if i >= _special(model)] == ids[:1] + ids[-1:]
        raised(TypeError, "takes no set", model.chat_prompt, [{"role": "user", "content": {1}}])


def _special(model):
    return model.info["n_vocab"] - 2


@test
def streams_take_turns(m):
    with mote.Model(m.good) as model:
        alone = [model.generate(p, seed=5, max_tokens=20).text for p in ("hello", "another")]
        a, b = (model.stream(p, seed=5, max_tokens=20) for p in ("hello", "another"))
        got = ["", ""]
        for x, y in zip(a, b):
            got[0] += x
            got[1] += y
        assert [got[0] + "".join(a), got[1] + "".join(b)] == alone
        assert a.finish_reason == "length" and a.generated_tokens == 20
        model.stream("hello").__next__()  # left early
        assert model.generate("hello", seed=5, max_tokens=20).text == alone[0]


@test
def ids_are_those_of_the_program(m):
    with mote.Model(m.good) as model:
        rows = answers("tokenize", m.good, rows=[{"text": t} for t in TEXTS])
        assert [model.tokenize(t) for t in TEXTS] == [r["ids"] for r in rows]
        assert [model.detokenize(model.tokenize(t, special=False)) for t in TEXTS] == TEXTS
        end = [_special(model)]
        assert model.detokenize(end) == "<|end|>" and model.detokenize(end, skip_special=True) == ""
        assert model.detokenize([]) == ""


@test
def logits_are_those_of_the_program(m):
    path = m.folder / "logits.safetensors"
    with mote.Model(m.good, kv="f32") as model:
        ids = [(7 * i) % 250 for i in range(37)]
        subprocess.run([MOTE, "logits", str(m.good), "--ids", ",".join(map(str, ids)), "-o", str(path), "-q",
                        "--kv", "f32"], check=True)
        shape, want = tensors(path)["logits"]
        got = model.logits(ids)
        assert list(got.shape) == shape and sum(got.tolist(), []) == list(want)


@test
def embeddings_are_those_of_the_program(m):
    path = encoder(m)
    want = [r["embedding"] for r in answers("embed", path, rows=[{"text": t} for t in TEXTS])]
    with mote.Model(path, threads=2) as model:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got = model.embed(TEXTS)
            assert list(got.shape) == [len(TEXTS), len(want[0])] and got.tolist() == close(want)
            assert model.embed(TEXTS[1]).tolist() == got.tolist()[1]
            assert model.embed(TEXTS * 40).tolist() == got.tolist() * 40  # several batches
            assert len(model.embed([])) == 0
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model.embed(["y" * 500, "hello"])
        assert len(said) == 1 and "1 of 2 texts" in str(said[0].message)
        raised(mote.MoteError, "not scores of pairs", model.rerank, "a", ["b"])
        raised(mote.MoteError, "", model.generate, "a")


def close(rows):
    """Numbers of the program are the shortest digits of float32; the same value."""
    return [list(struct.unpack(f"<{len(r)}f", struct.pack(f"<{len(r)}f", *r))) for r in rows]


@test
def scores_are_those_of_the_program(m):
    path = encoder(m, scores=True)
    passages = TEXTS + ["z" * 400, "b" * 180]
    for query in ("hello", "q" * 180, "q" * 500):
        want = [r["score"] for r in answers("rerank", path, rows=[{"query": query, "passage": p}
                                                                  for p in passages])]
        with mote.Model(path) as model, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert model.rerank(query, passages).tolist() == close([want])[0], query
            raised(mote.MoteError, "makes no embeddings", model.embed, "a")


@test
def without_numpy_arrays_are_memoryviews(m):
    path = encoder(m)
    code = """if 1:
        import json, sys
        if len(sys.argv) > 3:
            sys.modules["numpy"] = None
        sys.path.insert(0, sys.argv[1])
        import mote
        x = mote.Model(sys.argv[2]).embed(["hello", "a"])
        one = mote.Model(sys.argv[2]).embed("hello")
        print(json.dumps([type(x).__name__, list(x.shape), float(x[1, 2]), x.tolist(), one.tolist()]))
        """
    got = []
    for blocked in ([], ["no numpy"]):
        p = subprocess.run([sys.executable, "-c", code, FOLDER, str(path), *blocked], capture_output=True,
                           text=True, timeout=60)
        assert p.returncode == 0, p.stderr
        got.append(json.loads(p.stdout))
    assert got[1][0] == "memoryview" and got[0][1:] == got[1][1:]
    if got[0][0] != "ndarray":
        raise Skip("no numpy: only memoryviews were looked at")


@test
def failures_are_exceptions(m):
    bad = m.folder / "bad.mote"
    bad.write_bytes(m.good.read_bytes()[:-64])
    error = mote.MoteError
    assert raised(error, "nonexistent", mote.Model, "/nonexistent").status == 4
    assert raised(error, str(bad), mote.Model, bad).status == 3
    assert raised(error, "", mote.Model, m.words).status in (3, 6)
    assert raised(error, "", mote.Model, m.good, isa="nonesuch").status == 6
    raised(ValueError, "kv", mote.Model, m.good, kv="f8")
    with mote.Model(m.good, context=16) as model:
        assert raised(error, "got 40, wanted 16", model.generate, [1] * 40).status == 2
        assert raised(error, "empty", model.generate, []).status == 2
        assert raised(error, "", model.generate, [10 ** 6]).status == 2
        assert raised(error, "", model.generate, [1 << 40]).status == 2
        raised(error, "", model.generate, "a", top_p=float("nan"))
        raised(TypeError, "no option 'tempo'", model.generate, "a", tempo=1)
        assert model.generate("a", max_tokens=2, seed=1).generated_tokens == 2  # all is well after them
    with mote.Model(m.good, context=10 ** 6) as model:
        assert raised(error, "", model.generate, "a").status == 2
    model.close()
    raised(ValueError, "closed", model.tokenize, "a")
    raised(ValueError, "closed", model.generate, "a")


@test
def nothing_stays_behind(m):
    tasks, maps = pathlib.Path("/proc/self/task"), pathlib.Path("/proc/self/maps")
    if not tasks.exists():
        raise Skip("no /proc")
    before = len(list(tasks.iterdir()))
    for _ in range(20):
        with mote.Model(m.good, threads=3) as model:
            model.generate("hello", max_tokens=2)
            assert len(list(tasks.iterdir())) == before + 2
    mote.Model(m.good, threads=3).generate("hello", max_tokens=2)  # not closed: goes with its last name
    assert len(list(tasks.iterdir())) == before
    assert str(m.good) not in maps.read_text()


@test
def other_threads_run_beside_a_call(m):
    """A long call in one thread; another one must get many turns meanwhile."""
    with mote.Model(m.good) as model:
        text, turns = "hello world, " * 100000, 0
        for _ in range(3):
            worker = threading.Thread(target=model._encode, args=(text.encode(), 0))
            worker.start()
            while worker.is_alive():
                turns += 1
                worker.join(0.001)
            if turns > 5:
                return
        raise AssertionError(f"{turns} turns")


if __name__ == "__main__":
    main()
