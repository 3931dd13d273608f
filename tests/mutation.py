#!/usr/bin/env python3
"""Are faults noticed? Seeded small faults (a bound off by one, a check dropped, a wrong constant or
operator) are put one at a time into a copy of the tree; each is built and the tests that are near it are
run. mutation.py [--count 100] [--seed 8] [--only PATH-PART] [--retry FILE] [--all] [--jobs 1] [--minutes N]:
--retry draws nothing but tries what an earlier run printed as MISSED; --all also runs the slow suites on what the
near ones let pass; --minutes ends it early, with fewer than --count. What a seed draws does not depend on --jobs.
Faults that change no object file are no faults and are drawn again; those that change nothing anyone is
promised are in mutation_equal.txt with the reason, are shown and not counted."""
import argparse
import collections
import concurrent.futures
import hashlib
import os
import pathlib
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

BOUNDS = ["loader/image.c", "loader/records.c", "loader/index_json.c", "loader/bake.c", "tokenizer/open.c",
          "tokenizer/decode.c", "tokenizer/bpe.c", "tokenizer/trie.c", "tokenizer/offsets.c",
          "tokenizer/template_lex.c", "tokenizer/template_value.c", "tokenizer/template_str.c",
          "model/state.c", "model/session.c", "model/model.c", "model/parts.c", "model/sampler.c",
          "model/generate.c", "tools/convert/json.c", "tools/convert/safetensors.c", "tools/convert/gguf.c",
          "tools/convert/gguf_source.c", "tools/convert/llama2c.c", "tools/convert/config.c",
          "tools/convert/tok_vocab.c", "tools/convert/tok_spm.c", "tools/convert/tok_tiktoken.c",
          "cli/json.c", "cli/digits.c"]
KERNELS = ["kernels/*.inc", "kernels/ref/*.c", "kernels/ref/*.inc", "kernels/x86/*_avx2.c", "model/attention.c",
           "model/products.c"]

PY = [sys.executable]
UNIT, CHECK = ["build/release/unit"], ["build/release/check"]
SEEDS, CORPUS = PY + ["tests/fuzz/seeds.py"], PY + ["tests/corpus/run.py"]
BITS = UNIT + ["same_bits_f16", "same_bits_q8"]


def kernel(names, tier):
    return CHECK + ["--kernel", names, "--tier", tier]


# The first path that fits names the commands, the quickest first.
NEAR = [("loader/bake", [PY + ["tests/cli/bake.py"]]),
        ("loader/", [UNIT + ["test_image", "test_bounds"], CORPUS + ["M"], SEEDS]),
        ("tokenizer/template", [UNIT + ["test_template"], SEEDS]),
        ("tokenizer/offsets", [UNIT + ["test_convert_offsets"], PY + ["tests/cli/commands.py"], SEEDS]),
        ("tokenizer/", [UNIT + ["test_convert"], SEEDS, CORPUS + ["T"]]),
        ("model/attention", [UNIT + ["test_generate", "test_experts"], BITS, PY + ["tests/cli/embed.py"]]),
        ("model/products", [UNIT + ["test_products", "test_generate", "test_experts"], BITS, UNIT + ["same_bits_features"], PY + ["tests/cli/embed.py"]]),
        ("model/", [UNIT + ["test_state", "test_sampler", "test_generate", "test_image", "test_experts", "test_bounds"],
                    SEEDS, CORPUS + ["M"], PY + ["tests/cli/plan.py"]]),
        ("tools/convert/json", [UNIT + ["test_convert_json"], SEEDS, CORPUS + ["C0"]]),
        ("tools/convert/safetensors", [CORPUS + ["S"], SEEDS]),
        ("tools/convert/gguf", [CORPUS + ["G"], UNIT + ["test_convert"], SEEDS, CORPUS + ["V"]]),
        ("tools/convert/llama2c", [CORPUS + ["L0"], CORPUS + ["llama2.c"], SEEDS]),
        ("tools/convert/config", [CORPUS + ["C"], CORPUS + ["config.json"], SEEDS]),
        ("tools/convert/tok_spm", [CORPUS + ["P"], UNIT + ["test_convert_tokenizer"], SEEDS]),
        ("tools/convert/tok_tik", [CORPUS + ["K"], UNIT + ["test_convert_tokenizer"], SEEDS]),
        ("tools/convert/tok_vocab", [UNIT + ["test_convert_vocab", "test_convert_tokenizer"], CORPUS + ["V"], UNIT + ["test_convert"], SEEDS]),
        ("tools/convert/", [CORPUS + ["T"], UNIT + ["test_convert"], SEEDS]),
        ("cli/", [UNIT + ["test_cli"], SEEDS, PY + ["tests/cli/commands.py"]]),
        ("kernels/x86/matmul_q4", [kernel("matmul_q4*", "avx2")]),
        ("kernels/x86/matmul_q8", [kernel("matmul_q8", "avx2")]),
        ("kernels/x86/matmul_float", [kernel("matmul_*f*", "avx2")]),
        ("kernels/x86/values", [kernel("values*", "avx2"), BITS]),
        ("kernels/x86/", [kernel("[!mv]*", "avx2"), kernel("merge", "avx2"), BITS]),
        ("kernels/ref/matmul_quant", [kernel("matmul_q*", "ref")]),
        ("kernels/ref/matmul_float", [kernel("matmul_*f*", "ref")]),
        ("kernels/matmul_float", [kernel("matmul_*f*", "ref"), kernel("matmul_*f*", "avx2")]),
        ("kernels/values", [kernel("values*", "avx2"), kernel("values*", "ref")]),
        ("kernels/ref/values", [kernel("values*", "ref")]),
        ("kernels/", [kernel("[!m]*", "ref"), kernel("merge", "ref")])]
FAR = [UNIT, CHECK, CORPUS, PY + ["tests/faults/faults.py"]] + [
    PY + [str(p.relative_to(ROOT))] for p in sorted((ROOT / "tests/cli").glob("*.py")) if p.name != "frame.py"]

SWAPS = [(" < ", " <= "), (" <= ", " < "), (" > ", " >= "), (" >= ", " > "), (" == ", " != "), (" != ", " == "),
         (" && ", " || "), (" || ", " && "), (" + ", " - "), (" - ", " + ")]
KERNEL_SWAPS = SWAPS + [(" * ", " + "), (" / ", " * "), (" % ", " / "), (" << ", " >> "), (" >> ", " << ")]


def code_of(line):
    """The line with strings, characters and comments blanked out."""
    line = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])+\'', lambda m: "_" * len(m[0]), line)
    line = re.sub(r"/\*.*?\*/", lambda m: "_" * len(m[0]), line)
    return re.split(r"//|/\*", line)[0]


def faults_of(path, kernel):
    """(line number, line, changed line) of every fault that fits."""
    lines = (ROOT / path).read_text().splitlines()
    inside = False
    for n, line in enumerate(lines):
        inside = (inside or line.startswith("{")) and not line.startswith("}")
        code = code_of(line)
        if not inside or code.lstrip().startswith(("*", "#", "_Static_assert", "static const")):
            continue
        for old, new in KERNEL_SWAPS if kernel else SWAPS:
            for at in (m.start() for m in re.finditer(re.escape(old), code)):
                yield n, line, line[:at] + new + line[at + len(old):]
        for m in re.finditer(r"(?<![\w.])(\d+)(?![\w.])", code):
            yield n, line, line[:m.start()] + str(int(m[0]) + 1) + line[m.end():]
        m = re.match(r"( *if )(\(.*\))$", code)
        if m and n + 1 < len(lines) and re.match(r" *(return|break|continue)\b", lines[n + 1]):
            yield n, line, m[1] + "(0 && " + line[len(m[1]):] + ")"


def same(fault, path, old, new):
    """Is it this one, wherever the line is now?"""
    return fault[0] == path and fault[2].strip() == old and fault[3].strip() == new


def equals(groups):
    """{fault: why nobody can notice it} of mutation_equal.txt: path, line, changed line, reason."""
    why = {}
    for block in (ROOT / "tests/mutation_equal.txt").read_text().split("\n\n")[1:]:
        path, old, new, *reason = [line.strip() for line in block.strip().splitlines()]
        found = [f for group in groups for f in group if same(f, path, old, new)]
        if not found and any(path == f[0] for group in groups for f in group):
            sys.exit(f"mutation.py: mutation_equal.txt: {path} has no such fault any more: {new}")
        why.update({f: " ".join(reason) for f in found})
    return why


def retried(groups, name):
    """The faults of another run's output that were missed."""
    out = []
    for line in pathlib.Path(name).read_text().splitlines():
        m = re.match(r"MISSED (.*?):(\d+): (.*?)  =>  (.*?)(  \[.*\])?$", line)
        found = [f for group in groups for f in group if m and same(f, m[1], m[3].strip(), m[4].strip())]
        found.sort(key=lambda f: abs(f[1] + 1 - int(m[2])))
        if m and not found:
            print(f"gone   {line[7:]}", flush=True)
        out += found[:1]
    return out


def draw(groups, numbers):
    """Three of five from the bounds checks."""
    for i in range(len(groups[0]) + len(groups[1])):
        group = groups[1] if groups[1] and (not groups[0] or i % 5 >= 3) else groups[0]
        yield group.pop(numbers.randrange(len(group)))


def in_order(faults, jobs, work):
    """(fault, what work says of it), so many at a time."""
    waiting = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        try:
            for fault in faults:
                waiting.append((fault, pool.submit(work, fault)))
                if len(waiting) > jobs:
                    first, result = waiting.popleft()
                    yield first, result.result()
            while waiting:
                first, result = waiting.popleft()
                yield first, result.result()
        finally:
            for _, result in waiting:
                result.cancel()


def candidates(only):
    groups = []
    for kernel, patterns in ((False, BOUNDS), (True, KERNELS)):
        files = sorted({str(p.relative_to(ROOT)) for pattern in patterns for p in ROOT.glob(pattern)})
        groups.append([(f, *fault) for f in files if only in f for fault in faults_of(f, kernel)])
    return groups


class Copy:
    """A copy of the tree with a build in it."""

    def __init__(self, folder, cc):
        self.folder, self.cc = pathlib.Path(folder), cc
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in names.decode().split("\0"):
            if name and (ROOT / name).exists():
                to = self.folder / name
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, to)
        self.env = {**os.environ, "MOTE_BUILD": "build/release", "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
        if not self.make("tests-built"):
            sys.exit("mutation.py: the tree does not build")

    def make(self, *targets):
        """Whether they can be built."""
        return subprocess.run(["make", f"CC={self.cc}", "OPT=-O1 -g0", "KERNEL_OPT=-O2", *targets], cwd=self.folder,
                              env=self.env, capture_output=True).returncode == 0

    def objects(self, path):
        """A hash of what the compiler makes of a file; None: nothing."""
        alone = path.endswith(".c")
        if not self.make("build/release/" + path[:-1] + "o" if alone else "build/release/check"):
            return None
        sums = hashlib.sha256()
        for o in [path[:-1] + "o"] if alone else sorted(p.relative_to(self.folder / "build/release")
                                                       for p in self.folder.glob("build/release/kernels/**/*.o")):
            sums.update((self.folder / "build/release" / o).read_bytes())
        return sums.hexdigest()

    def fails(self, command, seconds):
        """Whether the tests notice: they fail, or take more than that long."""
        own = command[0].startswith("build/")
        needs = [command[0]] if own else ["build/release/replay"] if command is SEEDS else ["build/release/mote"]
        if not self.make(*needs):
            return True
        p = subprocess.Popen(command, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            return p.wait(seconds) != 0
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            return True


def try_fault(copy, fault, commands, limits):
    """None: no fault, it changes nothing; else the command that notices, or an empty text."""
    path, n, line, changed = fault
    place = copy.folder / path
    whole = place.read_text()
    lines = whole.split("\n")
    lines[n] = changed
    good = copy.objects(path)
    place.write_text("\n".join(lines))
    try:
        if copy.objects(path) in (None, good):
            return None
        for command in commands:
            if copy.fails(command, limits[tuple(command)]):
                return " ".join(pathlib.Path(x).name for x in command)
        return ""
    finally:
        place.write_text(whole)


def measure(copy, commands, limits, slack):
    """Notes how long they may take: what they take without a fault, and more."""
    for command in commands:
        if tuple(command) not in limits:
            begin = time.monotonic()
            if copy.fails(command, 3600):
                sys.exit(f"mutation.py: {command} fails without a fault")
            limits[tuple(command)] = 20 + slack * (time.monotonic() - begin)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--count", type=int, default=100)
    options.add_argument("--seed", type=int, default=8)
    options.add_argument("--only", default="")
    options.add_argument("--retry", default="")
    options.add_argument("--all", action="store_true")
    options.add_argument("--cc", default="cc")
    options.add_argument("--jobs", type=int, default=1)
    options.add_argument("--minutes", type=float, default=1e6)
    options.add_argument("--slack", type=float, default=10)
    o = options.parse_args()
    groups = candidates(o.only)
    print(f"{len(groups[0])} faults to draw from in bounds checks, {len(groups[1])} in kernels", flush=True)
    why = equals(groups)
    faults = retried(groups, o.retry) if o.retry else draw(groups, random.Random(o.seed))
    caught, missed, equal, limits, copies = 0, 0, 0, {}, queue.SimpleQueue()
    end, measuring = time.monotonic() + 60 * o.minutes, threading.Lock()

    def work(fault):
        """What notices it; "": nothing; None: it is no fault."""
        if fault in why:
            return why[fault]
        commands = next(c for prefix, c in NEAR if fault[0].startswith(prefix)) + (FAR if o.all else [])
        copy = copies.get()
        try:
            with measuring:
                measure(copy, commands, limits, o.slack)
            return try_fault(copy, fault, commands, limits)
        finally:
            copies.put(copy)

    with tempfile.TemporaryDirectory(prefix="mote-mutation-") as folder:
        for i in range(o.jobs):
            copies.put(Copy(f"{folder}/{i}", o.cc))
        for fault, by in in_order(faults, o.jobs, work):
            path, n, line, changed = fault
            if by is None:
                continue
            word = "equal " if fault in why else "caught" if by else "MISSED"
            equal, caught, missed = equal + (word == "equal "), caught + (word == "caught"), missed + (word == "MISSED")
            print(f"{word} {path}:{n + 1}: {line.strip()}  =>  {changed.strip()}  [{by or 'nothing noticed'}]", flush=True)
            if caught + missed >= o.count or time.monotonic() > end:
                break
    print(f"{caught} of {caught + missed} faults caught, {equal} more change nothing that is promised")
    print(f"{caught} passed, {missed} failed")


if __name__ == "__main__":
    main()
