#!/usr/bin/env python3
"""mote explain and the page of mote bench --report: everything there, sums equal those of other commands,
pages whole and of one piece. No time is judged. Usage: explain.py [NAME-PART...]"""
import json
import math
import random
import shutil
import struct
import xml.etree.ElementTree as tree

from frame import main, mote, out, out_json, refused, test, tiny

TEXT = "hello <world> & \"you\""
QUICK = ["-t", 1, "-s", 1]
STAGES = ["q k v", "attention", "output", "gate up", "down"]


def explained(model, *args, text=TEXT):
    return out_json("explain", model, "-p", text, "--json", *QUICK, *args)


def page(path):
    """The parsed page: well-formed, nothing from elsewhere, no script."""
    raw = path.read_text("utf-8")
    for word in ("http:", "https:", "<script", "src=", "url(", "@import", "nan", "inf,", "-0."):
        assert word not in raw, word
    root = tree.fromstring(raw.split("\n", 1)[1])
    ids = {e.get("id") for e in root.iter() if e.get("id")}
    uses = {e.get("href") for e in root.iter("use")}
    assert uses <= {"#" + i for i in ids}, "a picture that is not there"
    return root


def sum_work(got, which):
    parts = [s[which] for l in got["layers"] for s in l["stages"]]
    parts += [got["embedding"][which], got["head"][which]]
    return {k: sum(p[k] for p in parts) for k in parts[0]}


@test
def text_has_all_of_it(m):
    got = out("explain", m.good, "-p", TEXT, *QUICK)
    for part in ("Tokens", "'hell", "Layer 0:", "Each layer", "All layers", "one token more", "Heads",
                 "Logits", "Sampler", "drawn with seed 1", *STAGES, "q [32, 32] f32", "down [32, 32] f32"):
        assert part in got, part
    assert "at best" not in got and "at best" in out("explain", m.good, "-p", "a", "--roofline", *QUICK)
    assert "temperature 0" in out("explain", m.good, "-p", TEXT, "--temp", 0, *QUICK)


@test
def work_is_what_bench_counts(m):
    for name in ("f32", "q8", "q4"):
        model = m.convert(m.hub, f"sum-{name}.mote", "--type", name)
        token = sum_work(explained(model), "token")
        info = out_json("info", model, "--json")
        assert token["weight_bytes"] == info["decode_read_bytes"], name
        row, = out_json("bench", model, "-p", 0, "-n", 1, "-r", 1, "-t", 1, "-q", "-o", "json")
        for kind in ("int", "float"):
            ops = row[f"{kind}_gop_per_second"] * 1e9 / row["median"]
            assert math.isclose(token[f"{kind}_ops"], ops, rel_tol=1e-6), (name, kind)
        many, n = sum_work(explained(model), "prompt"), len(explained(model)["tokens"])
        assert many["weight_bytes"] == token["weight_bytes"]  # read once for all rows
        assert many["attention_ops"] == token["attention_ops"] * (n + 1) / 2
    cache = [explained(m.good, "--kv", kv) for kv in ("f32", "f16", "q8")]
    bytes_ = [sum_work(c, "token")["cache_bytes"] for c in cache]
    assert bytes_[0] == 2 * bytes_[1] > bytes_[2] * 1.5


@test
def heads_and_tokens(m):
    got = explained(m.wide, text="hello world, " * 20)
    n = len(got["tokens"])
    assert n > 100 and "".join(t["piece"] for t in got["tokens"]) == "hello world, " * 20
    for head in got["layers"][0]["heads"]:
        assert abs(head["last_row_before_map"] + sum(head["last_row"]) - 1) < 1e-4
        assert 0 <= head["entropy_bits"] <= math.log2(n)
    one = explained(m.wide, text="h")
    assert one["layers"][0]["heads"][0]["last_row"] == [1.0]


@test
def attention_is_what_the_formula_says(m):
    """Softmax of q and k, from the file's own weights, in Python."""
    got = explained(m.good, "--kv", "f32")
    raw = {name: struct.unpack(f"<{len(b) // 4}f", b) for name, _, b in tiny.weights()}
    size, dim = tiny.HIDDEN, tiny.HEAD

    def times(name, x):
        w = raw[f"model.layers.0.{name}.weight"]
        return [sum(a * b for a, b in zip(w[i * size:], x)) for i in range(len(w) // size)]

    def turned(x, pos):
        half = dim // 2
        y = list(x)
        for i in range(half):
            a = pos * 10000.0 ** (-2 * i / dim)
            y[i] = x[i] * math.cos(a) - x[i + half] * math.sin(a)
            y[i + half] = x[i + half] * math.cos(a) + x[i] * math.sin(a)
        return y

    queries, keys = [], []
    for pos, t in enumerate(got["tokens"]):
        x = raw["model.embed_tokens.weight"][t["id"] * size:(t["id"] + 1) * size]
        r = math.sqrt(sum(v * v for v in x) / size + 1e-5)
        norm = [v / r * w for v, w in zip(x, raw["model.layers.0.input_layernorm.weight"])]
        assert math.isclose(t["embedding_norm"], math.sqrt(sum(v * v for v in x)), rel_tol=1e-5)
        q = times("self_attn.q_proj", norm)
        queries.append([turned(q[h * dim:(h + 1) * dim], pos) for h in range(tiny.HEADS)])
        keys.append(turned(times("self_attn.k_proj", norm), pos))
    for h, head in enumerate(got["layers"][0]["heads"]):
        scores = [sum(a * b for a, b in zip(queries[-1][h], k)) / math.sqrt(dim) for k in keys]
        total = sum(math.exp(s) for s in scores)
        for want, have in zip(scores, head["last_row"]):
            assert abs(math.exp(want) / total - have) < 1e-5


@test
def choice_is_that_of_run(m):
    for flags in (["--temp", 0], ["--temp", 1.5, "-s", 3], ["--top-k", 0, "--min-p", 0, "-s", 9]):
        got = out_json("explain", m.good, "-p", TEXT, "--json", "-t", 1, "-s", 1, *flags,
                       "--ignore-eos")
        text = out("run", m.good, "--raw", "-p", TEXT, "-n", 1, "-q", "-t", 1, "-s", 1, *flags,
                   "--ignore-eos")
        piece = out("detokenize", m.good, "--ids", got["sampler"]["chosen"])
        assert text.rstrip("\n") == piece.rstrip("\n"), flags
    s = got["sampler"]
    assert s["left_by_top_k"] == tiny.VOCAB > s["left_by_top_p"] == s["left_by_min_p"]
    p = [t["p"] for t in got["logits"]]
    assert p == sorted(p, reverse=True) and len(p) == 10


@test
def watching_changes_nothing(m):
    """The best logit is that of mote logits, whatever the threads."""
    for threads in (1, 2, 3):
        got = out_json("explain", m.wide, "-p", TEXT, "--json", "-t", threads, "--temp", 0)
        ids = [t["id"] for t in got["tokens"]]
        p = mote("logits", m.wide, "--jsonl", text=json.dumps({"ids": ids, "greedy": 1}) + "\n")
        assert json.loads(p.stdout)["greedy"] == [got["sampler"]["chosen"]] == [got["logits"][0]["id"]]


@test
def diff(m):
    q4 = m.convert(m.hub, "diff-q4.mote", "--type", "q4")
    got = explained(m.good, "--diff", q4)["diff"]
    assert len(got["error"]) == 3 and all(0 < e < 1 for e in got["error"])
    assert len(got["kl"]) == len(explained(m.good)["tokens"]) and max(got["kl"]) > 0
    same = explained(m.good, "--diff", m.good)["diff"]
    assert not any(same["error"]) and not any(same["kl"])
    assert "Difference of" in out("explain", m.good, "-p", TEXT, "--diff", q4, *QUICK)


@test
def pages(m):
    q4 = m.convert(m.folder / "wide", "page-q4.mote", "--type", "q4")
    path = m.folder / "explain.html"
    out("explain", m.wide, "-p", TEXT * 8, "--diff", q4, "--html", path, *QUICK)
    root = page(path)
    heads = [e.text for e in root.iter("h2")]
    assert heads == ["Tokens", "A layer", "The stream x", "Attention", "What it costs",
                     "The machine and this model", "The next token", "The other type"], heads
    assert "".join(root.itertext()).count("hello") >= 8
    before = path.read_bytes()
    refused(2, "--force", "explain", m.wide, "-p", "a", "--html", path)
    assert path.read_bytes() == before
    out("explain", m.wide, "-p", "a", "--html", path, "--force", *QUICK)
    page(path)
    path = m.folder / "bench.html"
    table = out("bench", m.good, q4, m.wide, "-p", "4,8", "-n", 2, "-r", 2, "-q", "-t", "1,2", "--report", path)
    assert table.count("| pp4 |") == 6 and table.count("| model |") == 1
    root = page(path)
    assert [e.text for e in root.iter("h2")] == ["Speed", "The machine", "Memory", "Quality", "All numbers"]
    assert len(list(root.iter("tr"))) >= 1 + 2 * 3 * 3
    refused(2, "--force", "bench", m.good, "--report", path)
    twin = shutil.copy(q4, m.folder / "page-twin.mote")
    out("bench", q4, twin, "-p", 2, "-n", 0, "-r", 1, "-q", "-t", 1, "--report", path, "--force")
    told = "".join(page(path).itertext())
    assert "page-q4.mote" in told and "page-twin.mote" in told  # one name and type: by their files


@test
def bench_of_several_models(m):
    rows = out_json("bench", m.good, m.wide, "-p", 2, "-n", 2, "-r", 1, "-q", "-t", 1, "-o", "json")
    assert [r["test"] for r in rows] == ["pp2", "tg2"] * 2
    refused(3, "hub", "bench", m.folder / "hub" / "config.json")
    p = mote("bench", m.good, m.folder / "absent", "-p", 1, "-n", 0, "-r", 1)
    assert p.returncode == 4 and "absent" in p.stderr


def hostile(m):
    """A model whose name and tokens are markup."""
    folder = m.folder / "x<y>&'z\""
    if not folder.exists():
        folder.mkdir()
        tiny.write_folder(folder)
    return folder


@test
def markup_in_names_and_texts(m):
    model = m.folder / "hostile.mote"
    out("convert", hostile(m), "-o", model, "-q")
    path = m.folder / "hostile.html"
    rng = random.Random(3)
    text = bytes(rng.choice([*range(1, 256)]) for _ in range(40)) + b"</svg><b>]]>&amp;\xef\xbf\xbf"
    out("explain", model, "-f", "/dev/stdin", "--html", path, *QUICK, text=text)
    page(path)
    out("bench", model, "-p", 2, "-n", 0, "-r", 1, "-q", "-t", 1, "--report", m.folder / "hb.html")
    page(m.folder / "hb.html")


@test
def refusals(m):
    refused(2, "no tokens", "explain", m.good, "-p", "")
    refused(2, "at most 128", "explain", m.good, "-p", "a" * 129)
    refused(2, "at most 512", "explain", m.wide, "-p", "a" * 513)
    refused(2, "at most 8", "explain", m.good, "-p", "a" * 9, "-c", 8)
    refused(2, "-b", "explain", m.good, "-p", "a" * 9, "-b", 4)
    refused(3, "", "explain", m.gguf, "-p", "a")
    refused(6, "", "explain", m.words, "-p", "a")
    refused(2, "same model", "explain", m.good, "-p", "a", "--diff", deeper(m))
    refused(4, "absent", "explain", m.good, "-p", "a", "--diff", m.folder / "absent")
    refused(4, "", "explain", m.good, "-p", "a", "--html", m.folder / "none" / "x.html")
    assert not list(m.folder.glob("*.tmp-*"))


def deeper(m):
    """Another vocabulary size: no type of the same model."""
    path = m.folder / "other.mote"
    if not path.exists():
        raw = tiny.llama2c()
        (m.folder / "other.bin").write_bytes(raw)
        (m.folder / "other.tok").write_bytes(tiny.llama2c_vocab())
        out("convert", m.folder / "other.bin", "--vocab", m.folder / "other.tok", "-o", path, "-q")
    return path


if __name__ == "__main__":
    main()
