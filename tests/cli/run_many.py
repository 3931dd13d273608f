#!/usr/bin/env python3
"""What `mote run` does beyond one prompt: many at once, kept states, guesses, loops, prompt templates, and
answers that are checked. Usage: run_many.py [NAME-PART...]"""
import os
import shutil

from frame import answers, main, mote, out, out_json, refused, test

PROMPTS = ["hello", "world " * 9, "a", "hello there", "hello", "x y z " * 12, "the end"]


@test
def together_as_alone(m):
    for flags in (["--temp", 0], ["-s", 7], ["-s", 7, "--repeat-penalty", 1.2, "--kv", "q8"],
                  ["-s", 3, "--stop", "e"]):
        flags += ["-n", 12, "-c", 128]
        rows = [{"prompt": p} for p in PROMPTS]
        want = [answers("run", m.good, *flags, "-np", 1, rows=[r])[0] for r in rows]
        once = out_json("run", m.good, "--json", *flags, "-p", PROMPTS[1])
        assert (once["text"], once["finish_reason"]) == (want[1]["text"], want[1]["finish_reason"])
        for slots, batch, threads in ((1, 0, 1), (3, 16, 2), (16, 0, 2)):
            more = ["-np", slots, "-b", batch, "-t", threads]
            got = answers("run", m.good, *flags, *more, rows=rows)
            assert got == want, (flags, more)


@test
def rows_have_options_of_their_own(m):
    rows = [{"prompt": "hello", "max_tokens": 3}, {"prompt": "hello", "seed": 5, "max_tokens": 6},
            {"prompt": "hello", "temperature": 0, "top_k": 1, "top_p": 1, "min_p": 0},
            {"prompt": "hello", "temperature": "hot"}, {"prompt": "hello", "seed": -1},
            {"prompt": 5}, {"prompt": "hello", "system": 5}, {"prompt": "x " * 300},
            {"prompt": "hello", "max_tokens": 0}, b"{", {"prompt": "hello", "max_tokens": 2}]
    got = answers("run", m.good, "--json", "-n", 8, "-s", 5, "-np", 4, rows=rows)
    assert [a.get("generated_tokens") for a in got] == [3, 6, 8, None, None, None, None, None, 0, None, 2], got
    assert got[1]["seed"] == 5 and got[1]["text"].startswith(got[0]["text"])
    assert "temperature" in got[3]["error"] and "longer than the context" in got[7]["error"]
    refused(2, "--parallel", "run", m.good, "--jsonl", "-np", 1000)


@test
def states_go_on_with_the_same_answer(m):
    state, words = m.folder / "a.state", ["-p", "hello there world", "-n", 9, "-s", 3]
    want = out_json("run", m.good, "--json", *words)
    for reused in (0, want["prompt_tokens"] - 1):
        for tier in ((), ("--isa", "ref")):
            got = out_json("run", m.good, "--json", *words, "--state", state, *tier)
            assert got["text"] == want["text"]
        assert got["reused_tokens"] == want["prompt_tokens"] - 1
    before = state.read_bytes()
    longer = out_json("run", m.good, "--json", "-p", "hello there moon", "-n", 2, "--state", state)
    assert 0 < longer["reused_tokens"] < longer["prompt_tokens"] - 1
    assert state.read_bytes() != before and not [f for f in os.listdir(m.folder) if ".tmp-" in f]
    refused(6, "KV type", "run", m.good, *words, "--kv", "q8", "--state", state)
    refused(6, "another model", "run", m.wide, *words, "--state", state)
    refused(3, "no saved state", "run", m.good, *words, "--state", m.good)
    for cut in (0, 63, 64, len(before) - 1):
        state.write_bytes(before[:cut])
        refused(3, "state", "run", m.good, *words, "--state", state)
    state.write_bytes(before[:200] + bytes([before[200] ^ 1]) + before[201:])
    refused(3, "damaged", "run", m.good, *words, "--state", state)
    p = mote("run", m.good, *words, "-q", "--state", m.folder / "none" / "a.state")
    assert p.returncode == 4 and "a.state: No such file" in p.stderr, p


@test
def guesses_change_no_answer(m):
    for flags in (["--temp", 0], ["-s", 3], ["-s", 4, "--repeat-penalty", 1.1], ["--temp", 0, "--stop", "l"]):
        words = ["run", m.good, "--json", "-p", "hello hello hello hello hello", "-n", 40, *flags]
        want, got = out_json(*words), out_json(*words, "--lookup")
        assert (got["text"], got["finish_reason"]) == (want["text"], want["finish_reason"]), flags
        assert got["right_guesses"] <= got["guessed_tokens"]


@test
def loops_end(m):
    rows = [{"prompt": "hello"}]
    words = ["run", m.wide, "--temp", 0, "-n", 3000]
    once = out_json(*words, "--json", "-p", "hello")
    assert once["finish_reason"] == "loop" and once["generated_tokens"] < 2900, once["finish_reason"]
    assert answers(*words, rows=rows)[0]["finish_reason"] == "loop"
    on = out_json(*words[:-1], once["generated_tokens"] + 40, "--json", "-p", "hello", "--no-loop-stop")
    assert on["finish_reason"] == "length" and on["text"].startswith(once["text"])


@test
def templates_are_filled(m):
    form, code = m.folder / "form.txt", m.folder / "code.c"
    form.write_text("Explain {{ code }} in {{lang}}. {{ {x}} {{code}}")
    code.write_text("int {{lang}};")
    words = ["-n", 4, "--temp", 0, "-c", 128]
    want = out("run", m.good, *words, "-p", "Explain int {{lang}}; in C. {{ {x}} int {{lang}};")
    fields = ["--set", f"code=@{code}", "--set", "lang=C"]
    assert out("run", m.good, *words, "--template", form, *fields) == want
    for bad, text in ((fields[:2], "nothing is given for {{lang}}"), (fields + ["--set", "x=y"], "no field {{x}}"),
                      (fields + ["--set", "lang=D"], "given twice"), (["--set", "lang"], "not of the form"),
                      (["--set", "=x"], "not of the form"), (fields + ["-p", "x"], "gives a text already")):
        refused(2, text, "run", m.good, *words, "--template", form, *bad)
    refused(2, "no --template", "run", m.good, "--set", "a=b", "-p", "x")
    refused(4, "none.txt", "run", m.good, "--template", m.folder / "none.txt")
    refused(4, "none.c", "run", m.good, "--template", form, "--set", "code=@none.c")
    refused(2, "one prompt", "run", m.good, "--jsonl", "--template", form)


@test
def answers_are_checked(m):
    p = mote("run", m.good, "-p", "hello", "-n", 5, "--temp", 0, "--expect", "json")
    assert p.returncode == 1 and p.stdout and "no valid json" in p.stderr, p
    got = answers("run", m.good, "-n", 5, "--temp", 0, "--expect", "json", rows=[{"prompt": "hello"}])
    assert got[0]["expected"] is False
    if shutil.which("python3"):
        p = mote("run", m.good, "-p", "hello", "-n", 5, "--temp", 0, "--expect", "python")
        assert p.returncode in (0, 1), p
    env = {**os.environ, "PATH": str(m.folder)}
    p = mote("run", m.good, "-p", "hello", "--expect", "python", env=env)
    assert p.returncode == 6 and "no python3" in p.stderr and not p.stdout, p


if __name__ == "__main__":
    main()
