#!/usr/bin/env python3
"""Every JSON output has the form that docs/json.md gives it. Usage: json_output.py [NAME-PART...]"""
import json
import os
import pathlib
import re
import sys

from frame import answers, main, out, out_json, test

import tiny_encoder

DOC = pathlib.Path(__file__).resolve().parents[2] / "docs" / "json.md"
FORMS = {}
for part in re.split(r"^(?=`@)", DOC.read_text(), flags=re.M)[1:]:
    FORMS[re.match(r"`@([\w-]+)`", part)[1]] = json.loads(re.search(r"```json\n(.*?)```", part, re.S)[1])
TYPES = {"integer": int, "number": (int, float), "string": str, "boolean": bool, "null": type(None)}
seen = set()


def fits(value, form, at):
    """Raises if the value has another form."""
    if isinstance(form, str):
        for name in form.split("|"):
            if name.startswith("@"):
                seen.add(name[1:])
                if value is None and "null" in form:
                    continue
                if type(FORMS[name[1:]]) is type(value):
                    return fits(value, FORMS[name[1:]], at)
            elif isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool)):
                return None
        raise AssertionError(f"{at}: {value!r} is no {form}")
    assert type(value) is type(form), f"{at}: {value!r}, not {form}"
    if isinstance(form, list):
        for i, item in enumerate(value):
            fits(item, form[0], f"{at}[{i}]")
        return None
    keys = {k.rstrip("?"): k for k in form}
    missing = [k for k in form if not k.endswith("?") and k not in value]
    assert not missing and not set(value) - set(keys), f"{at}: {missing} or {set(value) - set(keys)}"
    for k, v in value.items():
        fits(v, form[keys[k]], f"{at}.{k}")
    return None


def has_form(name, *args, **more):
    seen.add(name)
    fits(out_json(*args, **more), FORMS[name], name)


def rows_have_form(name, row, *args):
    seen.add(name)
    for value in answers(*args, rows=[row]):
        fits(value, FORMS[name], name)


@test
def commands_that_run(m):
    has_form("run", "run", m.good, "-p", "a", "-n", 2, "--json", "-q")
    has_form("run", "run", m.good, "-p", "a", "-n", 2, "--json", "-q", "--lookup")
    rows_have_form("run-row", {"prompt": "a"}, "run", m.good, "-n", 2, "-q")
    rows_have_form("run-row", {"prompt": "a"}, "run", m.good, "-n", 2, "-q", "--json")
    rows_have_form("error", {"prompt": 1}, "run", m.good, "-n", 2, "-q")
    rows_have_form("logits-row", {"ids": [1, 2], "greedy": 2}, "logits", m.good)


@test
def encoders(m):
    for scores in (False, True):
        folder = m.folder / f"encoder{scores:d}"
        folder.mkdir()
        tiny_encoder.write_folder(folder, scores=scores)
        model = m.convert(folder, f"encoder{scores:d}.mote", "--type", "f32")
        has_form("info", "info", model, "--json")
        has_form("plan-encoder", "plan", model, "--json")
        if scores:
            has_form("rerank", "rerank", model, "-p", "a", "--json", text="b\nc\n")
            rows_have_form("rerank-row", {"query": "a", "passage": "b"}, "rerank", model)
        else:
            has_form("embed", "embed", model, "-p", "a", "--json")
            has_form("embed", "embed", model, "-p", "a", "--json", "--format", "base64")
            rows_have_form("embed", {"text": "a"}, "embed", model)


@test
def text_and_ids(m):
    has_form("tokenize", "tokenize", m.good, "-p", "ab", "--json", "--offsets", "--pieces")
    rows_have_form("tokenize", {"text": "ab"}, "tokenize", m.good)
    rows_have_form("text", {"ids": [1, 2]}, "detokenize", m.good)
    rows_have_form("text", {"messages": [{"role": "user", "content": "a"}]}, "template", m.good)


@test
def files_and_models(m):
    for model in (m.good, m.words):
        has_form("info", "info", model, "--json")
        has_form("verify", "verify", model, "--json")
    has_form("plan", "plan", m.good, "--json")
    has_form("plan", "plan", m.good, "--json", "--mem", "1G")
    for source in (m.hub, m.gguf, "Qwen3-30B-A3B"):
        has_form("plan-source", "plan", source, "--json")
    has_form("plan-source", "info", m.hub, "--json")
    has_form("list", "list", "--json", env={**os.environ, "MOTE_MODELS": str(m.folder)})


@test
def quality_cards(m):
    text = m.folder / "text.txt"
    text.write_text("some text to measure, and then some more of it. " * 40)
    for flags in (["--type", "q8"], ["--type", "q4", "--calibrate", text]):
        path = m.convert(m.hub, f"card-{flags[1]}.mote", *flags, "--card", text)
        has_form("info", "info", path, "--json")
        has_form("compare-shapes", "compare", m.good, path, "--json", "-t", 1)


@test
def speed_and_quality(m):
    ids = m.folder / "ids.json"
    ids.write_text("[1, 2, 3, 4]")
    has_form("perplexity", "perplexity", m.good, "--ids", ids, "--json")
    has_form("compare", "compare", m.good, m.wide, "--ids", ids, "--json")
    has_form("bench", "bench", m.good, "-p", 4, "-n", 2, "-r", 1, "-o", "json")
    row = json.loads(out("bench", m.good, "-p", 4, "-n", 0, "-r", 1, "-o", "jsonl"))
    fits(row, FORMS["bench"][0], "bench -o jsonl")
    has_form("doctor", "doctor", "--quick", "--json", "-t", 3)
    has_form("doctor", "doctor", "--quick", "--json", "-t", 1)
    has_form("recommend", "recommend", "--json", "-t", 1)
    has_form("recommend", "recommend", "--json", "-t", 1, "--for", "embed")


@test
def every_form_was_met(m):
    """Of a whole run: all tests above."""
    assert len(sys.argv) > 1 or set(FORMS) == seen, set(FORMS) ^ seen


if __name__ == "__main__":
    main()
