#!/usr/bin/env python3
"""Exact memory: what `plan` says is what `run` asks for, to the byte; nothing is asked for once output
has begun; the peak stays within plan, file and 2 MB. MODEL=FILE tries another model than the tiny one."""
import os
import re
import shutil
import subprocess

from frame import MOTE, SLOW, Skip, main, mote, out, out_json, refused, test

CONTEXTS = [64, 256, 1024, 4096]
SPARE = 64  # a map begins with its own size (mote_host_alloc)
ROOM = 2 << 20
BLAS = 1 << 20  # what OpenBLAS, where it is linked, touches of its own


def hook(m):
    """The preloaded library, built once."""
    path = m.folder / "hook.so"
    if SLOW > 1:
        raise Skip("a sanitizer has its own allocator")
    if not shutil.which("cc"):
        raise Skip("no C compiler to build the hook with")
    if not path.exists():
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hook.c")
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", path, source, "-ldl"], check=True)
    return path


def model_of(m):
    return os.environ.get("MODEL") or m.wide


def run_hooked(m, *args):
    report = m.folder / "report"
    # OpenBLAS, where it is linked, starts threads of its own that take buffers when they get to it.
    env = {**os.environ, "LD_PRELOAD": str(hook(m)), "MOTE_HOOK": str(report),
           "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([MOTE, *map(str, args)], env=env, check=True, stdout=subprocess.DEVNULL)
    return list(map(int, report.read_text().split()))


def assert_peak(peak, plan, what):
    limit = plan["total"] + plan["file"] + ROOM + BLAS * ("blas 1" in out("--version"))
    idle = 0 if os.environ.get("MODEL") else resident_at_least()
    assert peak <= max(limit, plan["total"] + idle + ROOM), f"{what}: {peak} bytes, limit {limit}"


@test
def plan_is_what_run_asks_for(m):
    model = model_of(m)
    for context in CONTEXTS:
        for kv in ("f32", "f16", "q8"):
            flags = ["-c", context, "--kv", kv, "-t", 2]
            plan = out_json("plan", model, "--json", *flags)["memory"]
            ran = out_json("run", model, "--raw", "-p", "a", "-n", 3, "-q", "--json", *flags)
            assert ran["memory"] == plan, f"-c {context} --kv {kv}: {ran['memory']}, not {plan}"
            _, _, peak, *maps = run_hooked(m, "run", model, "--raw", "-p", "a", "-n", 3, "-q", *flags)
            assert_peak(peak * 1024, plan, f"-c {context} --kv {kv}")
            for part in ("model", "tokenizer", "history", "text", "sampler"):
                assert plan[part] + SPARE in maps, f"-c {context} --kv {kv}: no {part} of {plan[part]}"
            assert plan["session"]["total"] + SPARE in maps, f"-c {context} --kv {kv}: session"


@test
def nothing_is_asked_for_after_the_first_output(m):
    before, after, *_ = run_hooked(m, "run", model_of(m), "--raw", "-p", "a", "-n", 40, "-q",
                                   "--ignore-eos", "-t", 2)
    assert before > 0 and after == 0, f"{after} allocations after output began"


@test
def peak_stays_within_the_plan(m):
    model = model_of(m)
    for kv in ("f32", "f16", "q8"):
        flags = ["-c", 1024, "--kv", kv, "-t", 2]
        plan = out_json("plan", model, "--json", *flags)["memory"]
        for n in (8, 1000):  # nearly empty, nearly full
            peak = run_hooked(m, "run", model, "--raw", "-p", "a", "-n", n, "-q", "--ignore-eos",
                              *flags)[2] * 1024
            assert_peak(peak, plan, f"--kv {kv}")


def limited(kilobytes, *args):
    """Exit code and stderr under ulimit -v. OpenBLAS starts its threads before main: only one."""
    p = subprocess.run(["sh", "-c", 'ulimit -v "$0" && exec "$@"', str(kilobytes), MOTE,
                        *map(str, args)], capture_output=True, text=True, timeout=20,
                       env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    return p.returncode, p.stderr


@test
def a_limit_refuses_before_the_run_and_says_what_fits(m):
    plan = out_json("plan", model_of(m), "--json", "-t", 1, "-c", 4096)["memory"]
    need = plan["total"] - plan["sampler"] + plan["file"]  # the sampler comes after
    flags = ["-p", "a", "--raw", "-n", 1, "-t", 1, "-q"]
    out("run", model_of(m), *flags, "--mem", (need + 1) / 1e6)
    line = refused(5, "would fit: -c ", "run", model_of(m), *flags, "--mem", (need - 1) / 1e6)
    n = int(re.search(r"-c (\d+)", line)[1])
    less = out_json("plan", model_of(m), "--json", "-t", 1, "-c", n)["memory"]
    assert less["total"] - less["sampler"] + less["file"] < need
    out("run", model_of(m), *flags, "-c", n, "--mem", (need - 1) / 1e6)
    for command in ("bench", "logits", "perplexity", "chat"):
        more = {"bench": ["-p", 8, "-n", 8], "perplexity": ["-p", "a b c"]}.get(command, ["-c", 8192])
        more += ["--jsonl"] if command == "logits" else []
        code = mote(command, model_of(m), *more, "--mem", plan["file"] / 1e6 + 0.01).returncode
        assert code == 5, f"{command}: {code}"


@test
def a_file_too_large_is_refused_before_its_tensors(m):
    size = os.path.getsize(m.good) / 1e6
    for command in ("run", "perplexity"):
        line = refused(5, "would fit: ", command, m.good, "-p", "a", "--mem", size * 0.9)
        assert "--type f16" in line, line
    line = refused(5, "would fit: ", "run", m.good, "-p", "a", "--mem", size * 0.01)
    assert "a model of at most" in line, line


@test
def ulimit_is_told_before_the_run(m):
    if SLOW > 1:
        raise Skip("a sanitizer needs all addresses")
    flags = ["--raw", "-p", "a", "-n", 1, "-t", 1, "-q"]
    code, err = limited(1 << 20, "run", model_of(m), *flags)
    assert code == 0, err
    for least in range(40, 400, 8):  # megabytes: what the program itself needs, and a little
        code, err = limited(least << 10, "run", model_of(m), *flags, "-c", 8192)
        if code != 127 and "error while loading" not in err:
            assert code in (0, 5), f"{least} MB: {code}: {err}"
        if code == 0:
            break


def resident_at_least():
    """What any program of these libraries takes: a tiny model is smaller than that."""
    p = subprocess.Popen([MOTE, "--version"], stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(p.pid, 0)
    p.returncode = 0
    return usage.ru_maxrss * 1024


if __name__ == "__main__":
    main()
