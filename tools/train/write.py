#!/usr/bin/env python3
"""Writes the texts: SmolLM2-135M-Instruct answers so many prompts by mote's own batches.

  write.py MOTE MODEL.mote FOLDER [--prompts 45700] [--seed 1] [-j 2] [-np 64]

FOLDER/00000.jsonl and so on hold 1,024 answers each, in order; begun again it goes on where it stood. An answer
depends on prompt and seed alone (the numeric contract), so another machine writes the same files. -j processes of one
thread each are a third faster here than one process of as many threads. What a good text is: texts.py."""
import argparse
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import threading
import time

import words
from texts import STOPS

CHUNK = 1024  # answers of a file


def whole_lines(path):
    """A process that was killed leaves a part of a line: away with it. Returns how many are whole."""
    raw = path.read_bytes() if path.exists() else b""
    kept = raw[:raw.rfind(b"\n") + 1]
    if kept != raw:
        path.write_bytes(kept)
    return kept.count(b"\n")


class Writer:
    def __init__(self, args):
        self.args, self.begun, self.lock = args, time.monotonic(), threading.Lock()
        self.done = self.new = self.new_bytes = 0

    def count(self, n_bytes):
        with self.lock:
            self.done += 1
            self.new += 1
            self.new_bytes += n_bytes
            if self.new % 64 == 0:
                took = time.monotonic() - self.begun
                left = (self.args.prompts - self.done) * took / self.new / 3600
                print(f"{self.done} of {self.args.prompts} prompts, {self.new_bytes / took:.0f} bytes/s, "
                      f"{left:.1f} h to go", file=sys.stderr, flush=True)

    def chunk(self, number):
        """The answers of one file, from its first missing one on."""
        path = self.args.folder / f"{number:05}.jsonl"
        first, end = number * CHUNK, min((number + 1) * CHUNK, self.args.prompts)
        n_old = whole_lines(path)
        with self.lock:
            self.done += n_old
        asked = [words.prompt(self.args.seed, i) for i in range(first + n_old, end)]
        if not asked:
            return
        with open(path, "a", encoding="utf-8") as out, subprocess.Popen(
                [self.args.mote, "run", self.args.model, "--raw", "--jsonl", "-np", str(self.args.np), "-t", "1",
                 "-c", "512", "--top-p", "0.95", "--min-p", "0.05", "--repeat-penalty", "1.1", "-q",
                 *(word for stop in STOPS for word in ("--stop", stop))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
            feed = threading.Thread(target=self.feed, args=(p.stdin, asked), daemon=True)
            feed.start()
            for (_, begin, question), line in zip(asked, p.stdout):
                got = json.loads(line)
                row = {"question": question, "begin": begin, "text": got.get("text", "")}
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
                out.flush()
                self.count(len(row["begin"]) + len(row["text"]))
        if p.returncode:
            raise SystemExit(f"{self.args.mote} ended with {p.returncode}")

    @staticmethod
    def feed(pipe, asked):
        with pipe:
            pipe.writelines(json.dumps(row) + "\n" for row, _, _ in asked)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mote")
    p.add_argument("model")
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--prompts", type=int, default=45700)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("-j", type=int, default=2)
    p.add_argument("-np", type=int, default=64)
    args = p.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    writer = Writer(args)
    with concurrent.futures.ThreadPoolExecutor(args.j) as pool:
        list(pool.map(writer.chunk, range((args.prompts + CHUNK - 1) // CHUNK)))


if __name__ == "__main__":
    main()
