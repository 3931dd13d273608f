#!/usr/bin/env python3
"""A model of every family converted to f32 and from there to other types: each tensor, the tokenizer's too, as
straight from the folder. Standard library only. Usage: own_source.py [CASE...]"""
import json
import os
import pathlib
import struct
import sys
import tempfile

from goldens import finish, mote, need_goldens, say

TYPES = ["f32", "bf16", "f16", "q8", "q4"]


def tensors(path):
    """[(name, entry, bytes)] of all but the index, whose text `source` differs; the places shift with it."""
    raw = pathlib.Path(path).read_bytes()
    n = struct.unpack_from("<Q", raw)[0]
    head = json.loads(raw[8:8 + n])
    made = []
    for name, t in head.items():
        if name not in ("__metadata__", "__mote__"):
            begin, end = t["data_offsets"]
            made.append((name, t["dtype"], t["shape"], raw[8 + n + begin:8 + n + end]))
    return made


def check(case, source, folder):
    between, one, two = (os.path.join(folder, name) for name in ("between.mote", "one.mote", "two.mote"))
    mote("convert", source, "-o", between, "--type", "f32", "-q", "--force")
    apart = []
    for kind in TYPES:
        mote("convert", source, "-o", one, "--type", kind, "-q", "--force")
        mote("convert", between, "-o", two, "--type", kind, "-q", "--force")
        if tensors(one) != tensors(two):
            apart.append(kind)
    say("FAIL" if apart else "ok", case, f"{', '.join(apart)} differ" if apart else "")


def main():
    models = need_goldens("models")
    with tempfile.TemporaryDirectory() as folder:
        for case in sorted(os.listdir(models)):
            if sys.argv[1:] and case not in sys.argv[1:]:
                continue
            if os.path.exists(os.path.join(models, case, "config.json")):
                check(case, os.path.join(models, case), folder)
    finish()


if __name__ == "__main__":
    main()
