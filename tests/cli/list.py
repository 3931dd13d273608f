#!/usr/bin/env python3
"""The models that mote knows: what is said of them follows from their configurations; list and recommend.
Usage: list.py [NAME-PART...]"""
import json
import os
import pathlib
import shutil

from frame import main, mote, out, out_json, refused, test

DATA = pathlib.Path(__file__).resolve().parents[2] / "data" / "models.jsonl"
KNOWN = [json.loads(line) for line in DATA.read_text().splitlines()]
NONE = {**os.environ, "MOTE_MODELS": "/nonexistent"}


@test
def configurations_are_those_of_their_models(m):
    """Parameters as published; those of an encoder count a pooler that its embeddings do without."""
    for k in KNOWN:
        assert list(k)[-1] == "config", k["name"]
        got = out_json("plan", k["name"], "--json")
        assert got["name"] == k["name"]
        slack = 160000 if "embed" in k["capabilities"] else 0
        assert 0 <= k["parameters"] - got["n_parameters"] <= slack, (k["name"], got["n_parameters"])


@test
def names_are_found(m):
    want = out("plan", "SmolLM2-135M-Instruct")
    for name in ("smollm2:135m", "HuggingFaceTB/SmolLM2-135M-Instruct", "SMOLLM2-135m-instruct"):
        assert out("plan", name) == want
    names = [n.lower() for k in KNOWN for n in (k["name"], k["hub"], *k["aliases"])]
    assert len(set(names)) == len(names)
    refused(4, "no such file", "plan", "nonesuch")


@test
def lists_can_be_narrowed(m):
    def names(*flags):
        return [k["name"] for k in out_json("list", "--json", *flags, env=NONE)["known"]]
    assert names() == [k["name"] for k in KNOWN]
    assert names("--cap", "rerank") == [k["name"] for k in KNOWN if "rerank" in k["capabilities"]]
    assert names("--size", "tiny") == [k["name"] for k in KNOWN if k["parameters"] <= 50e6]
    assert names("--search", "QWEN3") == [k["name"] for k in KNOWN if "qwen3" in k["name"].lower()]
    assert names("--search", "qwen3", "--size", "medium") == []
    assert len(out("list", "--cap", "embed", env=NONE).splitlines()) == len(names("--cap", "embed"))
    refused(2, "is none of", "list", "--size", "huge")
    p = mote("list", "--search", "nonesuch", env=NONE)
    assert p.returncode == 0 and not p.stdout and "no model is like that" in p.stderr


@test
def files_at_hand_are_listed(m):
    folder = m.folder / "models"
    folder.mkdir()
    shutil.copy(m.good, folder / "b.mote")
    shutil.copy(m.words, folder / "a tokenizer.mote")
    (folder / "c.mote").write_bytes(b"no model")
    env = {**os.environ, "MOTE_MODELS": str(folder)}
    local = out_json("list", "--json", env=env)["local"]
    assert [os.path.basename(f["file"]) for f in local] == ["b.mote"], local
    assert local[0]["bytes"] == (folder / "b.mote").stat().st_size and local[0]["type"] == "f32"
    assert out("list", env=env).startswith("b.mote ")
    want = out_json("plan", m.good, "--json", "--mem", "1G")
    for name in ("b", "b.mote"):
        assert out_json("plan", name, "--json", "--mem", "1G", env=env) == want


@test
def recommended_models_fit(m):
    for memory, limit in (("300M", 3e8), ("2G", 2e9), ("500", 5e8)):
        got = out_json("recommend", "--json", "--mem", memory, "-t", 1)
        assert got["memory_limit"] == limit
        assert all(r["need_bytes"] <= limit for r in got["models"])
        sizes = [r["parameters"] for r in got["models"]]
        assert sizes == sorted(sizes, reverse=True)
    got = out_json("recommend", "--json", "--for", "rerank")
    assert {r["name"] for r in got["models"]} == {k["name"] for k in KNOWN if "rerank" in k["capabilities"]}
    assert "none of the known models fits" in out("recommend", "--mem", "1M", "-t", 1)
    for bad in ("2T", "G", "-1", "1x"):
        refused(2, "--mem", "recommend", "--mem", bad)


if __name__ == "__main__":
    main()
