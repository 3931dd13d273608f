#!/usr/bin/env python3
"""The built-in model: commands that take it, its name, its bytes, a program without it.
Usage: builtin.py [NAME-PART...]"""
import functools
import json
import os
import pathlib
import shutil
import subprocess

import frame
from frame import MOTE, SLOW, Skip, answers, main, out, out_json, refused

BUILD = pathlib.Path(MOTE).resolve().parent
FILE = pathlib.Path(__file__).resolve().parents[2] / "models" / "story-q8.mote"
ONCE = ["-p", "Once upon a time", "-s", 1, "-n", 24]


def test(fn):
    @frame.test
    @functools.wraps(fn)
    def checked(m):
        if not FILE.exists():
            raise Skip("no models/story-q8.mote")
        if not out_json("list", "--json")["built_in"]:
            raise Skip("this build has no built-in model")
        fn(m)
    return checked


def run(*args, program="mote", **more):
    """Exit code, stdout, stderr of a program of this build, wherever it runs."""
    p = subprocess.run([BUILD / program, *map(str, args)], capture_output=True, text=True, timeout=60 * SLOW,
                       stdin=subprocess.DEVNULL, **more)
    return p.returncode, p.stdout, p.stderr


@test
def a_story_without_a_file(m):
    code, text, remarks = run("run", *ONCE)
    assert code == 0 and text
    assert remarks.startswith("mote: note: the built-in model story (1.7 M weights, q8) ")
    assert run("run", *ONCE, "-q") == (0, text, "")
    for args in (["story"], [FILE], ["-m", "story"], ["story", "-t", 2], [FILE, "-t", 1, "--isa", "ref"]):
        code, same, remarks = run("run", *args, *ONCE)
        assert (code, same) == (0, text) and "built-in" not in remarks, args
    whole = out_json("run", *ONCE[:-2], "--json", "-q")
    assert whole["text"].startswith(text) and whole["finish_reason"] in ("stop", "context_full", "loop")
    [row] = answers("run", "-q", "-s", 1, "-n", 24, rows=[{"prompt": ONCE[1]}])
    assert row["text"] == text


@test
def commands_that_take_it(m):
    ids = m.folder / "ids.json"
    ids.write_text("[5, 6, 7, 8]")
    row = {"ids": [5, 6, 7], "greedy": 4}
    assert answers("logits", "-q", rows=[row]) == answers("logits", FILE, "-t", 2, rows=[row])
    for args in (["tokenize", "-p", "a cat"], ["detokenize", "--ids", "5,6,7"], ["perplexity", "--ids", ids],
                 ["explain", "-p", "a", "-s", 1], ["plan", "--json", "--mem", "1G"]):
        code, text, remarks = run(*args)
        assert code == 0 and remarks.startswith("mote: note: the built-in model story "), (args, remarks)
        if args[0] != "explain":  # which tells times
            assert out(args[0], FILE, *args[1:]) == text, args
    assert out_json("plan", FILE, "--json")["threads"] == 1  # too small for more
    assert out_json("plan", FILE, "--json", "-t", 3)["threads"] == 3
    info, want = out_json("info", "--json"), out_json("info", FILE, "--json")
    assert all(info[k] == want[k] for k in ("id", "name", "file_bytes", "n_parameters", "tensors", "end_ids"))
    [row] = json.loads(out("bench", "-p", 4, "-n", 0, "-r", 1, "-t", 1, "-o", "json"))
    assert row["test"] == "pp4"
    for command in ("run", "info", "plan", "tokenize", "detokenize", "logits", "perplexity", "explain", "bench"):
        assert f"mote {command} [MODEL" in out(command, "--help")
        assert "Without MODEL: the built-in one, story.\n" in out(command, "--help")
    assert "ok" in out("verify", "story")
    for at in (["story", FILE], [FILE, "story"]):
        assert out_json("compare", *at, "-p", "a cat and a dog", "--json")["mean_kl"] == 0
    assert len(json.loads(out("bench", "story", FILE, "-p", 4, "-n", 0, "-r", 1, "-o", "json"))) == 2


@test
def what_it_cannot_do(m):
    refused(6, "no chat template", "chat", "story")
    refused(2, "mote run -p TEXT", "chat")
    refused(6, "no encoder", "embed", "story", "-p", "a")
    refused(6, "built in", "convert", "story", "-o", m.folder / "out.mote")
    refused(5, "would fit", "run", "story", "-p", "a", "--mem", "1M")


@test
def its_memory_is_that_of_the_file(m):
    flags = ("--json", "--mem", "1G", "-t", 1)
    plan = out_json("plan", "story", *flags)
    assert plan == out_json("plan", FILE, *flags) and plan["memory"]["file"] == FILE.stat().st_size


@test
def files_of_its_name_come_first(m):
    """But without a name it is the built-in one always."""
    folder = m.folder / "here"
    folder.mkdir()

    def name(*args, **more):
        return json.loads(run("info", *args, "--json", "-q", cwd=folder, **more)[1])["name"]
    own = name()
    assert name("story") == own and out_json("info", m.good, "--json")["name"] != own
    env = {**os.environ, "MOTE_MODELS": str(folder)}
    shutil.copy(m.good, folder / "story.mote")
    assert name("story", env=env) != own and name("story") == own and name(env=env) == own
    shutil.copy(m.good, folder / "story")
    assert name("story") != own and name() == own
    (folder / "story").unlink()
    (folder / "story").mkdir()
    assert name() == own


@test
def it_is_listed(m):
    [row] = out_json("list", "--json")["built_in"]
    assert row["name"] == "story" and row["bytes"] == FILE.stat().st_size and row["type"] == "q8"
    [line] = out("list", "--search", "STORY", "--cap", "text", "--size", "tiny").splitlines()
    assert line.startswith("story ") and "built-in" in line
    assert not out_json("list", "--json", "--cap", "chat")["built_in"]


@test
def the_program_holds_its_bytes(m):
    """Once, aligned, and nothing else that is built does."""
    file, program = FILE.read_bytes(), (BUILD / "mote").read_bytes()
    at = program.find(file)
    assert at >= 0 and at % 64 == 0 and program.find(file[:4096], at + 1) < 0
    more = len(program) - (BUILD / "mote-bare").stat().st_size
    assert 0 <= more - len(file) < 8192, more
    for name in ("mote-bare", "libmote.a", "libmote.so.0", "unit", "replay"):
        if (BUILD / name).exists():
            assert file[:4096] not in (BUILD / name).read_bytes(), name


@test
def a_program_without_it(m):
    def bare(*args):
        return run(*args, program="mote-bare")
    code, text, remarks = bare("run", "-p", "a")
    assert (code, text) == (2, "") and remarks.startswith("mote: error: no file given: mote run MODEL; ")
    code, text, remarks = bare("run", "story", "-p", "a")
    assert (code, text, remarks) == (4, "", "mote: error: story: there is no such file\n")
    assert json.loads(bare("list", "--json")[1])["built_in"] == []
    assert "built-in" not in bare("help", "--man")[1] + bare("run", "--help")[1]
    assert bare("run", FILE, *ONCE)[:2] == run("run", *ONCE)[:2]


if __name__ == "__main__":
    main()
