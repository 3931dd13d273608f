#!/usr/bin/env python3
"""A long run of many short generations by one process on a tiny model: its memory, files and threads must not
grow, and every answer to a prompt must be the same. soak.py [--n 100000]"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "cli"))
from frame import MOTE, Models, SLOW  # noqa: E402

PROMPTS = ["he", "hello w", "a b c", "\u00fc", "x" * 40]
GROWTH_KB = 256


def looks(pid):
    """(resident KB, open files, threads)"""
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"])


def soak(models, n):
    """Looks after a tenth and at the end; (text of what was seen, what is wrong or an empty text)."""
    args = [MOTE, "run", str(models.good), "--jsonl", "--raw", "-n", "4", "-q", "-t", "2", "--temp", "0"]
    p = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    first, seen, begin = {}, [], time.monotonic()
    for i in range(n):
        prompt = PROMPTS[i % len(PROMPTS)]
        p.stdin.write(json.dumps({"prompt": prompt}).encode() + b"\n")
        p.stdin.flush()
        answer = p.stdout.readline()
        if first.setdefault(prompt, answer) != answer or b"error" in answer:
            return "", f"answer {i} to {prompt!r}: {answer!r}, not {first[prompt]!r}"
        if i + 1 in (max(1, n // 10), n):
            seen.append(looks(p.pid))
    p.stdin.close()
    code = p.wait(60 * SLOW)
    (kb, files, threads), end = seen[0], seen[-1]
    text = (f"{n} generations in {time.monotonic() - begin:.0f} s: {kb} -> {end[0]} KB resident, "
            f"{files} -> {end[1]} files, {threads} -> {end[2]} threads")
    if code or end[0] - kb > GROWTH_KB or end[1:] != (files, threads):
        return text, f"exit {code}; " + text
    return text, ""


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--n", type=int, default=100000)
    n = options.parse_args().n
    with tempfile.TemporaryDirectory(prefix="mote-soak-") as folder:
        text, wrong = soak(Models(folder), n)
    print(f"FAIL {wrong}" if wrong else f"# {text}")
    print(f"{int(not wrong)} passed, {int(bool(wrong))} failed")
    sys.exit(bool(wrong))
