#!/usr/bin/env python3
"""The models that mote knows: what is said of them follows from their configurations; list and recommend.
Usage: list.py [NAME-PART...]"""
import json
import math
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
    refused(4, "the nearest is Qwen3-0.6B", "plan", "Qwen/Qwen3-0.6B-Chat")
    refused(4, "the nearest is SmolLM2-360M-Instruct", "plan", "SmolLM2-360M-Instrukt")


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


@test
def a_coder_fits_1_2_gigabytes(m):
    plan = out_json("plan", "Qwen2.5-Coder-1.5B-Instruct", "--json", "-c", 4096)
    q4 = next(t for t in plan["types"] if t["type"] == "q4")
    assert q4["file_bytes"] + q4["contexts"][0]["session_bytes"] < 1.2e9


@test
def two_models_side_by_side(m):
    a, b = out_json("compare", m.good, m.wide, "--json", "-t", 1)["models"]
    for model, r in ((m.good, a), (m.wide, b)):
        info = out_json("info", model, "--json")
        assert all(r[k] == info[k] for k in ("name", "n_layers", "hidden", "file_bytes"))
        memory = out_json("plan", model, "--json", "-t", 1)["memory"]
        assert r["run_bytes"] == memory["total"] and r["tokens_per_second"] > 0
    lines = out("compare", m.good, m.wide, "-t", 1).splitlines()
    assert lines[0].split() == ["name", a["name"], b["name"]] and len(lines) == 16


@test
def the_machine_is_measured_once(m):
    cache = m.folder / "measured"
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    before = out_json("doctor", "--quick", "--json", "-t", 1, env=env)
    assert "speed" not in before and any("measures" in a for a in before["advice"])
    got = out_json("doctor", "--json", "-t", 1, env=env)
    assert not got["speed"]["kept"] and got["speed"]["read_bytes_per_second"] > 1e6
    assert all(t["wrong"] == 0 and t["kernels"] > 40 for t in got["self_tests"])
    kept = out_json("doctor", "--quick", "--json", "-t", 1, env=env)["speed"]
    assert kept.pop("kept") and all(math.isclose(kept[k], got["speed"][k], rel_tol=1e-6) for k in kept
                                    if k.endswith("_second"))
    [file] = (cache / "mote").iterdir()
    for damage in ("", "{}", "[]", file.read_text().replace('"cpu":"', '"cpu":"another '), "x" * 5000):
        file.write_text(damage)
        assert "speed" not in out_json("doctor", "--quick", "--json", "-t", 1, env=env), damage
    file.unlink()
    cache.chmod(0o500)
    assert out_json("recommend", "--json", "-t", 1, env=env)["threads"] == 1
    cache.chmod(0o700)


if __name__ == "__main__":
    main()
