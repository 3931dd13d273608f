#!/usr/bin/env python3
"""Writes the texts: asks SmolLM2-135M-Instruct, by mote's own batches, until so many bytes of them are good.

  write.py MOTE MODEL.mote FOLDER [--bytes 30e6] [--seed 1] [-np 32] [-t 0]

FOLDER/texts.jsonl grows by a line for each prompt, in order; begun again it goes on where it stood. An answer
depends on prompt and seed alone (the numeric contract), so another machine writes the same file. What a good text
is: texts.py."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import texts
import words

CHUNK = 512  # prompts of one run of mote


def rows_of(path):
    """Whole lines only: a run that was killed leaves a part of one."""
    raw = path.read_bytes() if path.exists() else b""
    raw = raw[:raw.rfind(b"\n") + 1]
    return raw, [json.loads(line) for line in raw.splitlines()]


def answer(args, first):
    """CHUNK answers from prompt `first` on."""
    asked = [words.prompt(args.seed, first + i) for i in range(CHUNK)]
    p = subprocess.run([args.mote, "run", args.model, "--jsonl", "-np", str(args.np), "-t", str(args.t), "-c", "512",
                        "--top-p", "0.95", "--min-p", "0.05", "--repeat-penalty", "1.1", "-q"],
                       input="".join(json.dumps(row) + "\n" for row, _ in asked), stdout=subprocess.PIPE, text=True)
    if p.returncode:
        sys.exit(p.returncode)
    got = [json.loads(line) for line in p.stdout.splitlines()]
    return [{"i": first + i, "question": question, "text": a.get("text", ""), "finish": a.get("finish_reason", "error")}
            for i, ((_, question), a) in enumerate(zip(asked, got))]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mote")
    p.add_argument("model")
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--bytes", type=float, default=30e6)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("-np", type=int, default=32)
    p.add_argument("-t", type=int, default=0)
    args = p.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    path = args.folder / "texts.jsonl"
    raw, rows = rows_of(path)
    picker, begun = texts.Picker(), time.monotonic()
    good = sum(len(picker.pick(row) or "") for row in rows)
    before = good
    with open(path, "r+b" if path.exists() else "wb") as out:
        out.truncate(len(raw))
        out.seek(len(raw))
        while good < args.bytes:
            more = answer(args, len(rows))
            rows += more
            out.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in more).encode())
            out.flush()
            os.fsync(out.fileno())
            good += sum(len(picker.pick(row) or "") for row in more)
            rate = (good - before) / (time.monotonic() - begun)
            print(f"{len(rows)} prompts, {good / 1e6:.2f} of {args.bytes / 1e6:.0f} MB good, {rate:.0f} bytes/s, "
                  f"{(args.bytes - good) / max(rate, 1) / 3600:.1f} h to go", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
