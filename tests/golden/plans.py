#!/usr/bin/env python3
"""`mote plan` of the folders of goldens/models, before and after conversion: sizes of file, weights, what a
token reads, keys and values, session, equal to the byte at every type; and from the config.json alone.
Usage: plans.py [CASE...]"""
import json
import os
import sys

import encoders
import models
from goldens import attempt, finish, mote, need_goldens, say

SIZES = ["weight_bytes", "decode_read_bytes"]


def check(folder, case, tmp):
    source, n = os.path.join(folder, case), 0
    flags = ["--json", "-q", "-t", 2, "-c", 64]
    plan = json.loads(mote("plan", source, *flags))
    alone = json.loads(mote("plan", os.path.join(source, "config.json"), *flags))
    for t, bare in zip(plan["types"], alone["types"]):
        path = os.path.join(tmp, "m.mote")
        mote("convert", source, "-o", path, "--type", t["type"], "-q", "--force")
        info = json.loads(mote("info", path, "--json"))
        assert info["file_bytes"] == t["file_bytes"], f"{t['type']}: file {info['file_bytes']}"
        for key in SIZES:
            assert info[key] == t[key] == bare[key], f"{t['type']}: {key} {info[key]}"
        for c in t["contexts"]:
            session = json.loads(mote("plan", path, *flags))["memory"]["session"]
            assert (session["kv"], session["total"]) == (c["kv_bytes"], c["session_bytes"]), t["type"]
            n += 1
    say("ok", f"{case} plan", f"{len(plan['types'])} types, {n} sessions")


def main():
    folder = need_goldens("models")
    for case in sys.argv[1:] or models.CASES + encoders.CASES:
        attempt(f"{case} plan", check, folder, case)
    finish()


if __name__ == "__main__":
    main()
