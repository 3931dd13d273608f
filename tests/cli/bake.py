"""bake.py: mote bake gives a file that verifies and has the same logits, a C array of the same bytes,
and a header; it refuses what it may not replace. Ends in "N passed, N failed"."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/corpus"))
import tiny  # noqa: E402

MOTE = ROOT / os.environ.get("MOTE_BUILD", "build/release") / "mote"
counts = [0, 0]


def check(name, ok):
    counts[not ok] += 1
    print(("ok   " if ok else "FAIL ") + name)


def mote(*words, text=""):
    return subprocess.run([MOTE, *map(str, words)], input=text, capture_output=True, text=True)


def logits(model):
    ask = json.dumps({"ids": [1, 2, 3], "greedy": 4})
    return mote("logits", model, "--jsonl", "--kv", "q8", text=ask).stdout


with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(temporary)
    (folder / "hub").mkdir()
    tiny.write_folder(folder / "hub")
    model, baked, array = folder / "m.mote", folder / "m.bin", folder / "9 a-b.c"
    mote("convert", folder / "hub", "-o", model, "--type", "q8", "-q")
    check("bake an image", mote("bake", model, "-o", baked, "-c", "32", "--kv", "q8").returncode == 0)
    check("it is smaller", baked.stat().st_size < model.stat().st_size)
    check("it verifies", mote("verify", baked).returncode == 0)
    check("the same logits", logits(model) == logits(baked) != "")
    header = pathlib.Path(f"{baked}.h").read_text()
    size = re.search(r"#define M_BYTES (\d+)u", header)
    check("the header tells its size", size and int(size[1]) == baked.stat().st_size)
    check("and the session's", re.search(r"#define M_SESSION_BYTES [1-9]\d*u", header) is not None)
    check("no replacing", mote("bake", model, "-o", baked, "--kv", "q8").returncode == 2)
    check("an array", mote("bake", model, "-o", array, "-c", "32", "--kv", "q8").returncode == 0)
    text = array.read_text()
    numbers = bytes(map(int, re.search(r"\{\n(.*)\};", text, re.S)[1].replace("\n", "")
                        .rstrip(",").split(",")))
    check("of the same bytes", numbers == baked.read_bytes())
    check("with a name for C", "const uint8_t _9_a_b[" in text and (folder / "9 a-b.h").exists())
    check("no output named", mote("bake", model).returncode == 2)
    wrong = mote("bake", model, "-o", folder / "none" / "m.bin", "--kv", "q8")
    check("no such folder", wrong.returncode == 4 and wrong.stderr.count("\n") == 1)
print(f"{counts[0]} passed, {counts[1]} failed")
sys.exit(counts[1] > 0)
