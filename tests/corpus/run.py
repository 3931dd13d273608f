#!/usr/bin/env python3
"""Malformed files: each must be refused with one line, the right exit code, quickly, with little memory,
and leave nothing behind, and what is numbered for the reason that reasons.txt has. run.py [--all] [NAME-PART]:
all, or a sample of the families. run.py --list: the numbered kinds M01-M49, S01-S43, C01-C22, T01-T30 and the
cases of each. run.py --reasons: writes what is said now into reasons.txt, to be read before it is kept."""
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading

import encoders
import families
import own
import sources
import tiny
import tiny_encoder
import vocabularies

MOTE = os.path.join(os.environ.get("MOTE_BUILD", "build/release"), "mote")
SANITIZED = "san" in os.environ.get("MOTE_BUILD", "")
MEMORY_LIMIT_KB = 64 << 10  # of a release build; the files are 100 KB
SECONDS_LIMIT = 0.2  # of the processor, not of the clock: other programs run too
HANGS_SECONDS = 600 if SANITIZED else 60
# What is large by itself: 75 MB of JSON.
ALLOWED = {"S43 a million empty tensors": (1.0, 192 << 10)}
KINDS = [f"{letter}{i:02}" for letter, n in (("M", 49), ("S", 43), ("C", 22), ("T", 30)) for i in range(1, n + 1)]

counts = {"passed": 0, "failed": 0}
cases = {}
slowest = [0.0, ""]
largest = [0, ""]
listing = "--list" in sys.argv
REASONS = pathlib.Path(__file__).parent / "reasons.txt"
reasons = dict(line.split("\t") for line in REASONS.read_text().splitlines())
said = {}


def reason_of(err):
    """What a refusal says, without the folder and what depends on the rest of a file."""
    text = re.sub(r"\S*mote-corpus-\w+/", "", err.strip().replace("mote: error: ", "", 1))
    return re.sub(r" \(got \d+, wanted \d+\)", "", text).replace("\t", " ")


def run(args, text=None):
    """(exit code, stdout, stderr, seconds of the processor, peak KB). A refusal that took long is
    tried again: what a shared core takes for the same work differs."""
    best = run_once(args, text)
    for _ in range(2):
        if best[0] and best[3] > SECONDS_LIMIT:
            best = min(best, run_once(args, text), key=lambda result: result[3])
    return best


def run_once(args, text):
    with tempfile.TemporaryFile() as out:
        p = subprocess.Popen([MOTE, *map(str, args)], stdin=subprocess.PIPE if text else subprocess.DEVNULL,
                             stdout=out, stderr=subprocess.PIPE)
        alarm = threading.Timer(HANGS_SECONDS, p.kill)
        alarm.start()
        if text:
            p.stdin.write(text)
            p.stdin.close()
        err = p.stderr.read().decode("utf-8", "replace")
        _, status, usage = os.wait4(p.pid, 0)
        alarm.cancel()
        p.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return p.returncode, out.read(1 << 20), err, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def judge(name, codes, result, left_behind=None):
    code, out, err, seconds, peak = result
    lines = err.splitlines()
    faults = []
    if code not in codes:
        faults.append(f"exit {code}, not {codes}")
    if code and (len(lines) != 1 or not lines[0].startswith("mote: error: ")):
        faults.append(f"{len(lines)} lines on stderr")
    if any(ord(c) < 32 or ord(c) == 127 for line in lines for c in line) or len(err) > 600:
        faults.append("unprintable or long message")
    if b"\x1b" in out or b"\r" in out or "\u202e".encode() in out:
        faults.append("control characters on stdout")
    if left_behind:
        faults.append(f"left {left_behind}")
    if code and re.match(r"(info: |verify: )?[A-Z]\d\d", name) and not re.search(r"M(02|36 |37|48|49)|S36h", name):
        said[name] = reason_of(err)
    if name in reasons and "--reasons" not in sys.argv and said.get(name) != reasons[name]:
        faults.append(f"not for the reason {reasons[name]!r}")
    seconds_limit, memory_limit = ALLOWED.get(name.split(": ")[-1], (SECONDS_LIMIT, MEMORY_LIMIT_KB))
    if not SANITIZED and peak > memory_limit:
        faults.append(f"{peak >> 10} MB")
    if not SANITIZED and code and seconds > seconds_limit:
        faults.append(f"{seconds:.2f} s")
    if name.split(": ")[-1] not in ALLOWED:
        slowest[:] = max(slowest, [seconds, name])
        largest[:] = max(largest, [peak, name])
    counts["failed" if faults else "passed"] += 1
    if faults:
        print(f"FAIL {name}: {'; '.join(faults)}: {err.strip()[:200]}")


def wanted(name, part):
    """Is this case to be run? Notes which kind it is of."""
    number = re.match(r"[A-Z]\d\d", name)
    cases.setdefault(number[0] if number else name.split(" ")[0], []).append(name)
    return part in name and not listing


def convert_own(name, codes, path, tmp):
    """A .mote file as a source."""
    out = tmp / "made"
    out.mkdir()
    result = run(["convert", path, "-o", out / "x.mote", "--type", "q8"])
    judge(f"convert: {name}", codes, result, os.listdir(out) if result[0] else None)
    if not result[0]:
        judge(f"verify: convert: {name}", (0,), run(["verify", out / "x.mote"]))
    shutil.rmtree(out)


def own_kinds(good, every, part, tmp):
    path = tmp / "bad.mote"
    for command, kinds in (("info", own.kinds), ("verify", own.verify_kinds)):
        for name, codes, raw in kinds(good, every):
            if wanted(name, part):
                path.write_bytes(raw)
                judge(f"{command}: {name}", codes, run([command, path]))
    for name, codes, raw in own.kinds(good):
        if wanted(name, part):
            path.write_bytes(raw)
            convert_own(name, codes + ((6,) if name.startswith("M05") else ()), path, tmp)
    for name, codes, raw in own.kinds(good):  # and where it would do harm
        if wanted(name, part) and name[1] in "1234XL":
            path.write_bytes(raw)
            judge(f"run: {name}", codes, run(["run", path, "--raw", "-p", "hello", "-n", "1"]))
    for name, codes, make in families.own_files(good, every):
        if wanted(name, part):
            path.write_bytes(make())
            for command in (["info", path], ["run", path, "--raw", "-p", "hello", "-n", "1", "-c", "8"]):
                judge(f"{command[0]}: {name}", codes + (2, 5), run(command))
            convert_own(name, codes, path, tmp)


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
        if wanted(name, part):
            judge(name, (3, 4), run(["info", path]))
            judge(name + " convert", (3, 4, 6), run(["convert", path, "-o", tmp / "out.mote"]),
                  (tmp / "out.mote").exists() and "out.mote")


def source_kinds(kinds, write_folder, part, tmp):
    good = tmp / "good"
    good.mkdir()
    write_folder(good)
    for name, codes, make in kinds:
        if not wanted(name, part):
            continue
        folder, out = tmp / "source", tmp / "out"
        shutil.copytree(good, folder)
        out.mkdir()
        made = make(folder)
        source, flags = made if isinstance(made, tuple) else (folder, [])
        result = run(["convert", source, "-o", out / "x.mote", "--type", "f32", *flags])
        left = os.listdir(out)
        judge(name, codes, result, left if result[0] else None)
        if not result[0]:  # what is taken is sound
            judge(f"verify: {name}", (0,), run(["verify", out / "x.mote"]))
            judge(f"run: {name}", (0, 2, 3, 6), run(["run", out / "x.mote", "--raw", "-p", "hello", "-n", "1"]))
        shutil.rmtree(folder)
        shutil.rmtree(out)
    shutil.rmtree(good)


def template_files(every, part, tmp):
    row = b'{"messages":[{"role":"user","content":"a b"},{"role":"tool","content":"c"},{"role":"x","content":"d e"}]}\n'
    path = tmp / "t.jinja"
    for name, text in families.templates(every):
        if wanted(name, part):
            path.write_bytes(text.encode("utf-8", "surrogateescape"))
            judge(name, (0, 3), run(["template", "--file", path, "--jsonl"], row))


def list_kinds():
    for kind in KINDS:
        print(f"{kind}: {'; '.join(dict.fromkeys(n.split(' ', 1)[1] for n in cases.get(kind, [])))}")
    others = {k: n for k, n in cases.items() if k not in KINDS}
    print("others: " + ", ".join(f"{k} {len(n)}" for k, n in sorted(others.items())))
    print(f"{sum(k in cases for k in KINDS)} of {len(KINDS)} kinds, {sum(map(len, cases.values()))} cases")


def main():
    args = [a for a in sys.argv[1:] if a not in ("--all", "--list", "--reasons")]
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
            code, _, err, _, _ = run(["convert", source, "-o", tmp / "good.mote", "--force", "-q", *flags])
            counts["failed" if code else "passed"] += 1
            if code:
                print(f"FAIL the valid {source.name} is refused: {err}")
        subprocess.run([MOTE, "convert", folder, "-o", tmp / "good.mote", "--type", "f32", "--force",
                        "-q"], check=True)
        own_kinds((tmp / "good.mote").read_bytes(), every, part, tmp)
        place_kinds(part, tmp)
        template_files(every, part, tmp)
        source_kinds(families.source_files(folder, every), tiny.write_folder, part, tmp)
        source_kinds(sources.kinds(every), tiny.write_folder, part, tmp)
        source_kinds(vocabularies.kinds(), tiny.write_folder, part, tmp)
        source_kinds(encoders.kinds(), tiny_encoder.write_folder, part, tmp)
    if listing:
        return list_kinds()
    if "--reasons" in sys.argv:
        REASONS.write_text("".join(f"{name}\t{said[name]}\n" for name in sorted(said)))
    print(f"corpus: slowest {slowest[0] * 1000:.0f} ms ({slowest[1]}), "
          f"largest {largest[0] / 1024:.1f} MB ({largest[1]})")
    print(f"{counts['passed']} passed, {counts['failed']} failed, 0 skipped")
    sys.exit(counts["failed"] != 0)


if __name__ == "__main__":
    main()
