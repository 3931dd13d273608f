"""What the golden tests share: running mote, reading safetensors, counting. Standard library only."""
import array
import json
import os
import struct
import subprocess
import sys
import tempfile

BUILD = os.environ.get("MOTE_BUILD", "build/release")
MOTE = os.path.join(BUILD, "mote")
GOLDENS = os.environ.get("GOLDENS") or "../shared/goldens"

counts = {"ok": 0, "FAIL": 0, "skip": 0}


def say(kind, name, text=""):
    counts[kind] += 1
    print(f"{kind:4} {name}{': ' if text else ''}{text}", flush=True)


def finish():
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
    sys.exit(counts["FAIL"] != 0)


def need_goldens(part):
    """Folder of a part of the reference data, or ends the script with a skip."""
    path = os.path.join(GOLDENS, part)
    if not os.path.exists(path):
        say("skip", part, f"no reference data at {path} (set GOLDENS)")
        finish()
    return path


def mote(*args, text=None, check=True):
    """Runs mote; returns its stdout. A failure raises with its stderr."""
    p = subprocess.run([MOTE, *map(str, args)], input=text, capture_output=True, text=True)
    if check and p.returncode:
        raise RuntimeError(f"mote {args[0]} ended with {p.returncode}: {p.stderr.strip()[-300:]}")
    return p.stdout


def json_lines(command, model, rows, *flags):
    """Feeds objects as JSON lines and returns the answers in order."""
    text = "".join(json.dumps(r) + "\n" for r in rows)
    where = [model] if model else []
    out = [json.loads(line) for line in mote(command, *where, "--jsonl", *flags, text=text).split("\n")[:-1]]
    assert len(out) == len(rows), f"{len(out)} answers to {len(rows)} lines"
    return out


def read_safetensors(path):
    """{name: (shape, array of float)} of the F32 tensors."""
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        head = json.loads(f.read(n))
        data = f.read()
    out = {}
    for name, t in head.items():
        if name != "__metadata__" and t["dtype"] == "F32":
            a = array.array("f")
            a.frombytes(data[t["data_offsets"][0]:t["data_offsets"][1]])
            out[name] = (t["shape"], a)
    return out


def max_difference(a, b):
    assert len(a) == len(b), f"{len(a)} values, {len(b)} expected"
    return max((abs(x - y) for x, y in zip(a, b)), default=0.0)


def compare_greedy(got, want, margins, least):
    """Equal up to the first step whose margin is below `least`; returns (ok, steps compared)."""
    for i, (a, b, m) in enumerate(zip(got, want, margins)):
        if m < least:
            return True, i
        if a != b:
            return False, i
    return len(got) >= len(want), len(want)


def scratch():
    return tempfile.TemporaryDirectory(prefix="mote-golden-")


def attempt(name, check, *args):
    """check(*args, folder to write in); what it raises is a failure of `name`."""
    try:
        with scratch() as tmp:
            check(*args, tmp)
    except (RuntimeError, AssertionError, KeyError, ValueError, OSError) as e:
        say("FAIL", name, f"{type(e).__name__}: {e}")
