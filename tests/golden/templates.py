#!/usr/bin/env python3
"""Chat templates: every case of goldens/chat by `mote template --jsonl`. Usage: templates.py [FAMILY...]"""
import json
import os
import sys

from goldens import attempt, finish, json_lines, need_goldens, say


def check_family(path, family, tmp):
    with open(path, encoding="utf-8") as f:
        golden = json.load(f)
    template = os.path.join(tmp, family + ".jinja")
    with open(template, "w", encoding="utf-8", newline="") as f:
        f.write(golden["chat_template"])
    flags = ["--file", template]
    for flag, key in (("--bos", "bos_token"), ("--eos", "eos_token"), ("--date", "pinned_now")):
        if golden.get(key):
            flags += [flag, golden[key]]
    rows = [{"messages": c["messages"], "add_generation_prompt": c["add_generation_prompt"],
             **c.get("kwargs", {})} for c in golden["cases"]]
    bad = []
    for i, (case, answer) in enumerate(zip(golden["cases"], json_lines("template", None, rows, *flags))):
        if "error" in case:
            ok = "error" in answer
        else:
            ok = answer.get("text") == case["rendered"]
        if not ok:
            bad.append(f"case {i}: {str(answer)[:100]}")
    say("FAIL" if bad else "ok", f"template {family}", f"{len(rows)} cases" + "".join(
        f"\n  {b}" for b in bad[:3]))


def main():
    folder = need_goldens("chat")
    families = sys.argv[1:] or sorted(n[:-5] for n in os.listdir(folder) if n.endswith(".json"))
    for family in families:
        attempt(f"template {family}", check_family, os.path.join(folder, family + ".json"), family)
    finish()


if __name__ == "__main__":
    main()
