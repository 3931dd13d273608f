#!/usr/bin/env python3
"""What the commands promise (DESIGN 6): help, usage errors, streams, JSON, JSON lines, files, sizes, and
the same bits whatever the flags. Usage: commands.py [NAME-PART...]"""
import json
import os
import re
import shutil

from frame import COMMANDS, answers, main, mote, out, out_json, refused, tensors, test

HELLO = [104, 101, 108]  # ids of the tiny vocabulary


# ---- help and usage ------------------------------------------------------------------------------

@test
def help_of_every_command(_):
    text = out("help")
    assert out("--help") == text
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", text, re.M), f"{name} is not listed"
        own = out(name, "--help")
        assert own.startswith(f"mote {name}") and "--quiet" in own, own[:80]
        assert out("help", name) == own
        assert all(len(line) <= 100 for line in own.splitlines()), "a line is too wide"


@test
def version(_):
    assert re.match(r"mote \d+\.\d+\.\d+ \(", out("--version"))
    assert out("version") == out("--version")


@test
def usage_errors(m):
    refused(2, "no command")
    refused(2, "the nearest is run", "rnu")
    refused(2, "mote help lists them", "frobnicate")
    refused(2, "a command comes first", m.good, "-p", "a")
    for name in ("verify", "bake", "convert", "compare", "embed", "rerank", "chat"):
        refused(2, "no file given: mote " + name, name)
    refused(4, "a text goes behind -p", "run", "Once upon a time")
    shutil.copy(m.good, m.folder / "two words.mote")
    out("run", "two words", "-n", 1, text="a", env={**os.environ, "MOTE_MODELS": str(m.folder)})
    refused(2, "--temp", "run", m.good, "--tmep", "1")
    refused(2, "--repeat-penalty", "run", m.good, "--repeat-penality", "1")
    refused(2, "has no such option", "info", m.good, "--frobnicate")
    refused(2, "wants a value", "run", m.good, "-n")
    refused(2, "takes no value", "run", m.good, "--raw=1")
    refused(2, "no such argument", "run", m.good, "other.mote")
    for flag, value in (("-n", "x"), ("-n", "1e3"), ("-n", "-2"), ("-n", ""), ("-t", "99999"),
                        ("-t", "0x1"), ("-c", "-1"), ("--temp", "nan"), ("--temp", "1,5"),
                        ("--top-p", "2"), ("--min-p", "-1"), ("--kv", "q4"), ("--kv", ""),
                        ("-s", "99999999999999999999"), ("--logit-bias", "x+1"),
                        ("--logit-bias", "1"), ("--stop", "")):
        refused(2, flag, "run", m.good, "-p", "a", flag, value)
    refused(2, "-p gives a text already", "run", m.good, "-p", "a", "-f", m.hub / "config.json")
    refused(2, "--window", "perplexity", m.good, "-p", "a b c", "--window", "1")
    refused(2, "nothing to measure", "bench", m.good, "-n", 0, "-p", 0)
    refused(2, "--date", "template", m.good, "-p", "a", "--date", "yesterday")
    refused(2, "names no file", "convert", m.hub)


@test
def compare_measures_the_distance(m):
    other = m.convert(m.hub, "other.mote", "--type", "q4")
    flags = ["-p", "hello " * 30, "-c", 32, "--json"]
    same = out_json("compare", m.good, m.good, *flags)
    assert same["mean_kl"] == 0 and same["same_top_1"] == 1 and same["ppl"] == same["other_ppl"]
    far = out_json("compare", m.good, other, *flags)
    assert far["mean_kl"] > 0 and far["kl_99_9"] >= far["median_kl"], far
    refused(2, "two models", "compare", m.good, "-p", "hello")


@test
def errors_name_the_file(m):
    refused(4, "absent.mote", "info", m.folder / "absent.mote")
    refused(4, "absent.txt", "run", m.good, "-f", m.folder / "absent.txt")
    refused(4, "folder", "run", m.good, "-f", m.hub)
    assert "mote convert" in refused(3, "GGUF", "run", m.gguf, "-p", "a")
    assert "mote convert" in refused(3, "safetensors", "verify", m.hub / "model.safetensors")
    assert "mote convert" in refused(4, "folder", "verify", m.hub)
    refused(6, "tier", "run", m.good, "-p", "a", "--isa", "frob")


@test
def a_file_with_only_a_tokenizer(m):
    assert out_json("tokenize", m.words, "-p", "hello", "--json")["ids"]
    refused(6, str(m.words), "run", m.words, "-p", "a")
    refused(6, str(m.words), "plan", m.words)
    out("verify", m.words)


# ---- streams -------------------------------------------------------------------------------------

@test
def stdout_has_the_text_only(m):
    args = ["run", m.good, "-p", "hello", "-n", 16, "--temp", 0]
    want = out_json(*args, "--json")
    loud, quiet = mote(*args), mote(*args, "-q")
    assert loud.stdout.decode() == want["text"] == quiet.stdout.decode()
    assert "tokens/s" in loud.stderr and "seed" in loud.stderr and not quiet.stderr
    assert want["generated_tokens"] <= 16 and want["finish_reason"] in ("stop", "length")


@test
def no_colours(m):
    for args in (["run", m.good, "-p", "a", "-n", 2], ["info", m.good], ["help"], ["doctor"]):
        p = mote(*args, env={**os.environ, "TERM": "xterm-256color"})
        assert b"\x1b" not in p.stdout and "\x1b" not in p.stderr


@test
def prompts_from_everywhere(m):
    args = ["run", m.good, "-n", 8, "--temp", 0, "-q"]
    path = m.folder / "prompt.txt"
    path.write_text("hello world")
    want = out(*args, "-p", "hello world")
    assert out(*args, "-f", path) == want and out(*args, text="hello world") == want
    assert out("run", "-m", m.good, *args[2:], "--prompt=hello world") == want


# ---- JSON ----------------------------------------------------------------------------------------

@test
def json_everywhere(m):
    info = out_json("info", m.good, "--json")
    assert info["n_layers"] == 1 and info["n_vocab"] == 263 and info["tensors"]
    assert out_json("verify", m.good, "--json")["ok"] is True
    assert out_json("plan", m.good, "--json")["memory"]["total"] > 0
    doctor = out_json("doctor", "--json")
    assert doctor["tiers"][0] == "ref"
    line = next(x for x in out("doctor").splitlines() if x.startswith("tiers:"))
    assert line.split()[1:] == doctor["tiers"]
    got = out_json("perplexity", m.good, "-p", "hello world " * 8, "-c", 16, "--json")
    assert got["mean_nll"] > 0 and got["tokens"] == got["windows"] * 15


@test
def bench_forms(m):
    args = ["bench", m.good, "-p", 16, "-n", 8, "-r", 2, "-t", 1, "-q"]
    rows = out_json(*args, "-o", "json")
    assert [r["test"] for r in rows] == ["pp16", "tg8"]
    for r in rows:
        assert len(r["tokens_per_second"]) == 2 and min(r["tokens_per_second"]) > 0
        assert {"n_prompt", "n_gen", "depth", "threads", "isa", "kv"} <= r.keys()
    lines = out(*args, "-o", "jsonl", "-d", 32, "-p", 0).splitlines()
    assert [json.loads(x)["test"] for x in lines] == ["tg8@32"]
    assert len(out(*args, "-o", "csv").splitlines()) == 3
    assert out(*args, "-o", "md").splitlines()[2].startswith("| ")


@test
def json_lines_go_on(m):
    bad = [b"nonsense", b"[]", b"{}", b'{"text":1}', b'{"text":"\xff"}', b'{"text":"\\ud800"}',
           b'{"text":"a","text":"b"}', b"[" * 100, b'{"text":"a"} x']
    rows = [r for b in bad for r in ({"text": "hello"}, b)]
    got = answers("tokenize", m.good, rows=rows)
    ids = out_json("tokenize", m.good, "-p", "hello", "--json")["ids"]
    for i, a in enumerate(got):
        assert list(a) == ["error"] if i % 2 else a == {"ids": ids}, f"{rows[i]!r} -> {a}"


@test
def json_lines_of_every_command(m):
    texts = ["hello world", "", "\0\0", "é😀", "a\n" * 100, "<|user|>", "\u2028"]
    ids = [a["ids"] for a in answers("tokenize", m.good, rows=[{"text": t} for t in texts])]
    back = answers("detokenize", m.good, rows=[{"ids": i} for i in ids])
    assert [a["text"] for a in back] == texts
    skip = answers("detokenize", m.good, "--skip-special", rows=[{"ids": i} for i in ids])
    assert [a["text"] for a in skip] == [t if t != "<|user|>" else "" for t in texts]
    rows = [{"prompt": "hello"}, {"prompt": 1}, {"prompt": "a" * 1000}, {"prompt": "hello"}]
    got = answers("run", m.good, "-n", 4, "--temp", 0, rows=rows)
    assert got[0] == got[3] and set(got[0]) == {"text", "finish_reason"}
    assert "error" in got[1] and "error" in got[2] and "128" in got[2]["error"]
    rows = [{"ids": HELLO, "greedy": 4}, {"ids": [99999]}, {"ids": []}, {"ids": HELLO, "greedy": 4},
            {"ids": [1] * 129}, {"ids": HELLO, "greedy": -1}, {"ids": [1.5]}]
    got = answers("logits", m.good, rows=rows)
    assert got[0] == got[3] and len(got[0]["argmax"]) == 3 and len(got[0]["greedy"]) == 4
    assert all(list(a) == ["error"] for i, a in enumerate(got) if i not in (0, 3))


@test
def tokens_and_their_places(m):
    text = "hello w\u00f6rld<|user|> a|b"
    got = out_json("tokenize", m.good, "-p", text, "--json", "--offsets", "--pieces")
    raw = text.encode()
    parts = [raw[a:b] for a, b in got["offsets"]]
    assert b"".join(parts) == raw and len(parts) == len(got["ids"]) == len(got["pieces"])
    assert got["pieces"][0] == "hello" and b"<|user|>" in parts
    assert answers("tokenize", m.good, "--offsets", "--pieces", rows=[{"text": text}]) == [got]
    assert set(out_json("tokenize", m.good, "-p", text, "--json")) == {"ids"}
    flat = out("tokenize", m.good, "-p", "hello world", "--pieces")
    assert flat.endswith("\n") and flat[:-1].replace("|", "") == "hello world" and flat.startswith("hello|")
    lines = out("tokenize", m.good, "-p", "hello", "--offsets").splitlines()
    assert [x.split()[:2] for x in lines] == [["0", "5"]]


@test
def what_is_added_takes_no_place(m):
    """Tokens put around a text have empty spans at its ends."""
    folder = m.folder / "added"
    shutil.copytree(m.hub, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    first, last = ({"SpecialToken": {"id": t, "type_id": 0}} for t in ("<|user|>", "<|end|>"))
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing", "single": [first, {"Sequence": {"id": "A", "type_id": 0}}, last], "pair": [],
        "special_tokens": {a["content"]: {"id": a["content"], "ids": [a["id"]], "tokens": [a["content"]]}
                           for a in tokenizer["added_tokens"]}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    model = m.convert(folder, "added.mote", "--tokenizer-only")
    for text in ("hello", "a", ""):
        spans = out_json("tokenize", model, "-p", text, "--json", "--offsets")["offsets"]
        assert spans[0] == [0, 0] and spans[-1] == [len(text)] * 2, spans
        assert [a for a, b in spans[1:-1] if a == b] == []


@test
def what_templates_must_not_do(m):
    path = m.folder / "bomb.jinja"
    path.write_text("{% set ns = namespace(x='" + "a" * 64 + "') %}{% for i in range(99) %}"
                    "{% set ns.x = ns.x + ns.x %}{% endfor %}")
    refused(2, "128 MB", "template", "--file", path, "-p", "x")


@test
def vocab_is_for_llama2c(m):
    refused(2, "--vocab", "convert", m.good.parent, "-o", m.folder / "v.mote", "--vocab", "x")


@test
def templates(m):
    want = "<|user|>hello<|end|>"
    messages = [{"role": "user", "content": "hello"}]
    assert out("template", m.good, "-p", "hello") == want
    rows = [{"messages": messages}, {}, {"messages": 1}, {"messages": []}]
    got = answers("template", m.good, rows=rows)
    assert got[0] == {"text": want} and got[3] == {"text": ""}
    assert "error" in got[1] and "error" in got[2]
    path = m.folder / "t.jinja"
    path.write_text("{{ bos_token }}{% for m in messages %}{{ m.role }}:{{ m['content'] }}{% endfor %}"
                    "{% if add_generation_prompt %}{{ extra }}{% endif %}{{ eos_token }}")
    args = ["template", "--file", path, "--bos", "B", "--eos", "E"]
    row = {"messages": messages, "add_generation_prompt": True, "extra": "!"}
    assert answers(*args, rows=[row]) == [{"text": "Buser:hello!E"}]
    path.write_text("{{ raise_exception('only one') }}")
    assert "only one" in answers(*args, rows=[row])[0]["error"]
    refused(2, "template", "template")


# ---- generation ----------------------------------------------------------------------------------

@test
def seeds_and_sampling(m):
    args = ["run", m.good, "-p", "hello", "-n", 24, "--json", "-q", "--ignore-eos"]
    one, two, three = (out_json(*args, "-s", s)["text"] for s in (1, 1, 2))
    assert one == two != three
    free = out_json(*args)
    assert out_json(*args, "-s", free["seed"])["text"] == free["text"], "the seed told is not the one used"
    best = out_json(*args, "--temp", 0)["text"]
    assert out_json(*args, "--top-k", 1, "-s", 7)["text"] == best
    assert out_json(*args, "--temp", 0, "--repeat-penalty", 1.5)["text"] != best


@test
def ends(m):
    args = ["run", m.good, "-p", "hello", "--temp", 0, "--json", "-q", "--ignore-eos"]
    full = out_json(*args)
    assert full["finish_reason"] == "context_full"
    assert full["prompt_tokens"] + full["generated_tokens"] in (128, 129)
    assert out_json(*args, "-n", 3)["finish_reason"] == "length"
    assert out_json(*args, "-n", 0)["generated_tokens"] == 0
    text = full["text"]
    stop = text[len(text) // 2:len(text) // 2 + 3]
    cut = out_json(*args, "--stop", stop, "--stop", "\x01never")
    assert cut["finish_reason"] == "stop_string" and cut["text"] == text[:text.index(stop)]
    ids = out_json("tokenize", m.good, "-p", text, "--json")["ids"]
    assert out_json(*args, "--logit-bias", f"{ids[0]}-inf", "-n", 4)["text"] != text[:4]


@test
def a_prompt_beyond_the_context(m):
    line = refused(2, "128", "run", m.good, "-p", "a" * 500)
    assert re.search(r"\b50\d\b", line), line
    refused(2, "-c", "run", m.wide, "-p", "a" * 500, "-c", 64)
    refused(2, "128", "run", m.good, "-p", "a", "-c", 129)
    refused(2, "128", "logits", m.good, "--ids", ",".join(["1"] * 129), "-o", m.folder / "no")
    refused(2, "vocabulary", "logits", m.good, "--ids", "1,99999", "-o", m.folder / "no")
    assert not (m.folder / "no").exists()


@test
def what_a_user_types_is_no_special_token(m):
    plain = out_json("run", m.good, "-p", "x", "-n", 1, "--json", "-q")["prompt_tokens"]
    typed = out_json("run", m.good, "-p", "<|end|>", "-n", 1, "--json", "-q")["prompt_tokens"]
    assert typed == plain + len("<|end|>") - 1


# ---- the same bits -------------------------------------------------------------------------------

@test
def one_hash(m):
    tiers = out_json("doctor", "--json")["tiers"]
    rows = [{"ids": [(i * 37) % 261 for i in range(100)], "greedy": 8}]
    for kv in ("f32", "f16", "q8"):
        want = answers("logits", m.good, "--kv", kv, "-t", 1, rows=rows)
        for flags in (["-t", 2], ["-t", 3], ["-b", 1], ["-b", 7], ["-b", 128],
                      *(["--isa", t] for t in tiers)):
            assert answers("logits", m.good, "--kv", kv, *flags, rows=rows) == want, (kv, flags)


@test
def plan_is_what_is_used(m):
    for kv in ("f32", "f16", "q8"):
        for n in (16, 100, 1000, 8192):
            flags = ["-c", n, "--kv", kv, "-t", 2]
            plan = out_json("plan", m.wide, *flags, "--json")
            used = out_json("run", m.wide, *flags, "-p", "a", "-n", 1, "--json", "-q")
            assert plan["memory"] == used["memory"], (kv, n)


# ---- files ---------------------------------------------------------------------------------------

@test
def output_files(m):
    path = m.folder / "logits.safetensors"
    args = ["logits", m.good, "--ids", "1,2 3", "-o", path]
    assert out(*args) == ""
    shape, values = tensors(path)["logits"]
    assert shape == [3, 263] and len(values) == 3 * 263
    before = path.read_bytes()
    refused(2, "--force", *args)
    assert path.read_bytes() == before
    out(*args, "--hidden", "--force")
    assert set(tensors(path)) == {"logits", "hidden.0", "hidden.1", "hidden.final"}
    refused(2, "--force", "convert", m.hub, "-o", path)
    refused(4, "absent", "convert", m.hub, "-o", m.folder / "absent" / "x.mote")
    refused(4, "absent", *args[:4], "-o", m.folder / "absent" / "x")
    left = {p.name for p in m.folder.iterdir() if "tmp" in p.name or p.name.startswith(".")}
    assert not left, left


@test
def every_source_converts(m):
    for kind in ("f32", "bf16", "f16", "q8", "q4"):
        path = m.convert(m.hub, f"{kind}.mote", "--type", kind)
        assert out_json("verify", path, "--json")["ok"] is True
    one, two = m.convert(m.gguf, "a.mote"), m.convert(m.gguf, "b.mote", "--type", "keep")
    assert one.read_bytes() == two.read_bytes()


if __name__ == "__main__":
    main()
