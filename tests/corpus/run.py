#!/usr/bin/env python3
"""Malformed files: each must be refused with one line, the right exit code, quickly, with little memory,
and leave nothing behind. Usage: run.py [--all] [NAME-PART]"""
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import encoders
import own
import sources
import tiny
import tiny_encoder
import vocabularies

MOTE = os.path.join(os.environ.get("MOTE_BUILD", "build/release"), "mote")
SANITIZED = "san" in os.environ.get("MOTE_BUILD", "")
MEMORY_LIMIT_KB = 64 << 10  # of a release build; the files are 100 KB

counts = {"passed": 0, "failed": 0}
slowest = [0.0, ""]
largest = [0, ""]


def run(args):
    """(exit code, stderr, seconds, peak KB)"""
    start = time.monotonic()
    p = subprocess.Popen([MOTE, *map(str, args)], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    err = p.stderr.read().decode("utf-8", "replace")
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    return p.returncode, err, time.monotonic() - start, usage.ru_maxrss


def judge(name, codes, result, left_behind=None):
    code, err, seconds, peak = result
    lines = err.splitlines()
    faults = []
    if code not in codes:
        faults.append(f"exit {code}, not {codes}")
    if code and (len(lines) != 1 or not lines[0].startswith("mote: error: ")):
        faults.append(f"{len(lines)} lines on stderr")
    if any(ord(c) < 32 or ord(c) == 127 for line in lines for c in line) or len(err) > 600:
        faults.append("unprintable or long message")
    if left_behind:
        faults.append(f"left {left_behind}")
    if not SANITIZED and peak > MEMORY_LIMIT_KB:
        faults.append(f"{peak >> 10} MB")
    slowest[:] = max(slowest, [seconds, name])
    largest[:] = max(largest, [peak, name])
    counts["failed" if faults else "passed"] += 1
    if faults:
        print(f"FAIL {name}: {'; '.join(faults)}: {err.strip()[:200]}")


def own_kinds(good, every, part, tmp):
    path = tmp / "bad.mote"
    for command, kinds in (("info", own.kinds), ("verify", own.verify_kinds)):
        for name, codes, raw in kinds(good, every):
            if part in name:
                path.write_bytes(raw)
                judge(f"{command} {name}", codes, run([command, path]))
    for name, codes, raw in own.kinds(good):  # and where it would do harm
        if part in name and name[1] in "1234XL":
            path.write_bytes(raw)
            judge(f"run {name}", codes, run(["run", path, "--raw", "-p", "hello", "-n", "1"]))


def place_kinds(part, tmp):
    """Things that are no file at all."""
    os.mkfifo(tmp / "fifo")
    os.symlink("nowhere", tmp / "dangling")
    with open(tmp / "sparse", "wb") as f:
        f.truncate(1 << 40)
    names = [("M48 folder", tmp), ("M48b FIFO", tmp / "fifo"), ("M48c device", "/dev/zero"),
             ("M48d dangling link", tmp / "dangling"), ("M48e sparse terabyte", tmp / "sparse"),
             ("M48f absent", tmp / "absent"), ("M49 odd name", str(tmp / "a\nb\x1b[31m")),
             ("M49b long name", "x" * 4000)]
    for name, path in names:
        if part in name:
            judge(name, (3, 4), run(["info", path]))
            judge(name + " convert", (3, 4, 6), run(["convert", path, "-o", tmp / "out.mote"]),
                  (tmp / "out.mote").exists() and "out.mote")


def source_kinds(kinds, write_folder, part, tmp):
    good = tmp / "good"
    good.mkdir()
    write_folder(good)
    for name, codes, make in kinds:
        if part not in name:
            continue
        folder, out = tmp / "source", tmp / "out"
        shutil.copytree(good, folder)
        out.mkdir()
        made = make(folder)
        source, flags = made if isinstance(made, tuple) else (folder, [])
        result = run(["convert", source, "-o", out / "x.mote", "--type", "f32", *flags])
        left = os.listdir(out)
        judge(name, codes, result, left if result[0] else None)
        shutil.rmtree(folder)
        shutil.rmtree(out)
    shutil.rmtree(good)


def main():
    args = [a for a in sys.argv[1:] if a != "--all"]
    every, part = "--all" in sys.argv, args[0] if args else ""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(prefix="mote-corpus-") as name:
        tmp = pathlib.Path(name)
        folder = tmp / "tiny"
        folder.mkdir()
        tiny.write_folder(folder)
        (tmp / "m.gguf").write_bytes(tiny.gguf())
        (tmp / "m.bin").write_bytes(tiny.llama2c())
        (tmp / "tok.bin").write_bytes(tiny.llama2c_vocab())
        for source, flags in ((folder, []), (tmp / "m.gguf", []),
                              (tmp / "m.bin", ["--vocab", tmp / "tok.bin"])):
            code, err, _, _ = run(["convert", source, "-o", tmp / "good.mote", "--force", "-q", *flags])
            counts["failed" if code else "passed"] += 1
            if code:
                print(f"FAIL the valid {source.name} is refused: {err}")
        subprocess.run([MOTE, "convert", folder, "-o", tmp / "good.mote", "--type", "f32", "--force",
                        "-q"], check=True)
        own_kinds((tmp / "good.mote").read_bytes(), every, part, tmp)
        place_kinds(part, tmp)
        source_kinds(sources.kinds(every), tiny.write_folder, part, tmp)
        source_kinds(vocabularies.kinds(), tiny.write_folder, part, tmp)
        source_kinds(encoders.kinds(), tiny_encoder.write_folder, part, tmp)
    print(f"corpus: slowest {slowest[0] * 1000:.0f} ms ({slowest[1]}), "
          f"largest {largest[0] / 1024:.1f} MB ({largest[1]})")
    print(f"{counts['passed']} passed, {counts['failed']} failed, 0 skipped")
    sys.exit(counts["failed"] != 0)


if __name__ == "__main__":
    main()
