#!/usr/bin/env python3
"""Faults from outside: every allocation, every call on files, killed conversions, full and closed outputs,
files that shrink while mapped, small stacks and limits, odd locales. mote may refuse, with one line and
the right exit code; it may not crash, hang, or leave half a file. faults.py [--all] [NAME-PART]: without
--all a sample of each, for make test."""
import errno
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "cli"), os.path.join(HERE, "..")]
import frame  # noqa: E402
import soak  # noqa: E402
from frame import MOTE, SLOW, Skip, test  # noqa: E402

EVERY = "--all" in sys.argv
OK = {0}
numbers = random.Random(5)


def sample(n, few):
    """Which of the n calls fail: all, or some of them, the first and the last with them."""
    every = range(1, n + 1)
    return every if EVERY or n <= few else sorted({1, n, *numbers.sample(every, few)})


def run(args, text=b"", env=None, stdout=subprocess.PIPE, **more):
    p = subprocess.run([MOTE, *map(str, args)], input=text, stdout=stdout, stderr=subprocess.PIPE,
                       env={**os.environ, **(env or {})}, timeout=60 * SLOW, **more)
    return p.returncode, p.stdout, p.stderr.decode("utf-8", "strict")


def check(name, result, codes, good=None):
    """The exit code is one of these; a failure is told in one line; a success gives what it should."""
    code, out, err = result
    assert code in codes, f"{name}: exit {code}: {err[-300:]}"
    if code:
        lines = [x for x in err.splitlines() if x.startswith("mote: error: ")]
        assert len(lines) == 1 and len(lines[0]) < 500, f"{name}: exit {code}, stderr {err!r}"
    elif good is not None:
        assert out == good, f"{name}: exit 0 and other output: {out[:100]!r}, not {good[:100]!r}"


def scenarios(m):
    """(name, arguments, stdin, file that is made)"""
    out = m.folder / "fault.mote"
    out.unlink(missing_ok=True)
    yield "run", ["run", m.good, "--raw", "-p", "he", "-n", 3, "-q", "-t", 2, "--temp", 0], b"", None
    yield "chat", ["chat", m.good, "-n", 3, "-q", "-t", 1, "--temp", 0], b"he\n", None
    yield "tokenize", ["tokenize", m.good, "--jsonl"], b'{"text":"hello"}\n', None
    yield "template", ["template", m.good, "--jsonl"], b'{"messages":[{"role":"user","content":"a"}]}\n', None
    yield "verify", ["verify", m.good], b"", None
    yield "convert", ["convert", m.hub, "-o", out, "-q", "--type", "q4"], b"", out
    yield "gguf", ["convert", m.gguf, "-o", out, "-q"], b"", out
    yield "own", ["convert", m.good, "-o", out, "-q", "--type", "q8"], b"", out


def hook(m):
    if SLOW > 1:
        raise Skip("a sanitizer has its own allocator")
    if not shutil.which("cc"):
        raise Skip("no C compiler to build the hook with")
    path = m.folder / "fault.so"
    if not path.exists():
        subprocess.run(["cc", "-O1", "-w", "-shared", "-fPIC", "-o", path, os.path.join(HERE, "hook.c"),
                        "-ldl", "-lpthread"], check=True)
    return path


def inject(m, kind, hows, few, codes):
    """Each scenario with each of its calls failing in each of these ways."""
    report, faults, sites = m.folder / "calls", 0, []
    for name, args, text, made in scenarios(m):
        env = {"LD_PRELOAD": str(hook(m)), "MOTE_FAULT_REPORT": str(report), "OPENBLAS_NUM_THREADS": "1",
               "MOTE_FAULT": f"{kind} 0 0"}
        code, good, err = run(args, text, env)
        assert code == 0, f"{name}: exit {code}: {err}"
        n = int(report.read_text())
        sites.append(f"{name} {n}")
        if made:
            made.unlink()
        for how in hows:
            for k in sample(n, few):
                env["MOTE_FAULT"] = f"{kind} {k} {how}"
                faults += 1
                label = f"{name}, {kind} {k} of {n}, {errno.errorcode.get(how, 'short')}"
                code, out, err = run(args, text, env)
                if code == 0 and out.startswith(b'{"error"'):
                    continue  # a row was answered with an error, and the run went on
                check(label, (code, out, err), OK if how in (-1, errno.EINTR) and kind != "place" else codes,
                      None if made else good)
                if made:
                    there = made.exists()
                    made.unlink(missing_ok=True)
                    assert there == (code == 0), f"{label}: exit {code}, file {there}"
                left = [f for f in os.listdir(m.folder) if f.startswith(".mote-")]
                assert not left, f"{label}: left {left}"
    print(f"# {kind}: {faults} faults; calls: {', '.join(sites)}")


@test
def every_allocation_fails_once(m):
    inject(m, "alloc", [errno.ENOMEM], 6, {0, 5})


@test
def every_read_fails_once(m):
    inject(m, "read", [errno.EIO, errno.EINTR, -1], 3, {0, 4})


@test
def every_write_fails_once(m):
    inject(m, "write", [errno.ENOSPC, errno.EIO, errno.EINTR, -1], 3, {0, 4})


@test
def every_open_fails_once(m):
    inject(m, "open", [errno.EMFILE, errno.EACCES], 3, {0, 4})


@test
def every_call_on_places_fails_once(m):
    inject(m, "place", [errno.EIO, errno.EINTR], 3, {0, 3, 4})


# ---- conversions --------------------------------------------------------------------------------


@test
def killed_conversions_leave_no_half_file(m):
    """Of two models one is converted over the other's file or where there is none: after a kill there is the
    whole old file, the whole new one, or none."""
    out = m.folder / "killed.mote"
    ways = [[MOTE, "convert", str(source), "-o", str(out), "-q", "--type", "f32", "--force"]
            for source in (m.hub, m.gguf)]
    files, whole = [], 0.0
    for args in ways:
        begin = time.monotonic()
        subprocess.run(args, check=True)
        whole = max(whole, time.monotonic() - begin)
        files.append(out.read_bytes())
    assert files[0] != files[1], "the two cannot be told apart"
    counts = {"old": 0, "new": 0, "none": 0}
    for i in range(1000 if EVERY else 25):
        way, keep = numbers.randrange(2), i % 2
        new, old = files[way], files[1 - way] if keep else None
        out.unlink(missing_ok=True)
        if keep:
            out.write_bytes(old)
        p = subprocess.Popen(ways[way], stderr=subprocess.DEVNULL)
        time.sleep(numbers.uniform(0, 1.5 * whole))
        p.send_signal(numbers.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        code = p.wait(60)
        # Before main has begun, the other signals end a process as they end any.
        assert code in (0, 130, 143, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT), f"exit {code}"
        got = out.read_bytes() if out.exists() else None
        assert got in (old, new), f"round {i}: another file of {len(got or b'')}"
        assert code != 0 or got == new, f"round {i}: exit 0 and the old file"
        counts["none" if got is None else "new" if got == new else "old"] += 1
        left = [f for f in os.listdir(m.folder) if f.startswith(".mote-")]
        for f in left:  # only a kill that cannot be caught may leave one, where files have no nameless form
            assert code < 0, f"left {left}"
            os.unlink(m.folder / f)
    print(f"# {sum(counts.values())} kills in {whole * 1500:.0f} ms: {counts}")


# ---- outputs ------------------------------------------------------------------------------------


@test
def full_output_is_an_error(m):
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    for name, args, text, made in scenarios(m):
        if not made:
            with open("/dev/full", "wb") as full:
                check(name, run(args, text, stdout=full), {4})


@test
def closed_files_are_no_way_in(m):
    for name, args, text, made in scenarios(m):
        for close in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            p = subprocess.run(["sh", "-c", f'exec "$@" {close}', "sh", MOTE, *map(str, args)], input=text,
                               capture_output=True, timeout=60 * SLOW)
            assert p.returncode in (0, 3, 4), f"{name} {close}: exit {p.returncode}"
            if made and p.returncode == 0:
                assert run(["verify", made])[0] == 0, f"{name} {close}: a damaged file"
            if made:
                made.unlink(missing_ok=True)


@test
def reader_that_goes_ends_it_quietly(m):
    args = ["run", m.wide, "--raw", "-p", "a", "-n", 2000, "-q", "--ignore-eos"]
    p = subprocess.Popen([MOTE, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.read(1)
    p.stdout.close()
    err = p.stderr.read()
    assert p.wait(60 * SLOW) == 141 and not err, f"exit {p.returncode}: {err}"


# ---- signals ------------------------------------------------------------------------------------


@test
def signals_at_any_moment(m):
    """Load, prompt, answer, conversion: it ends with 130 or 143, what it said till then is right, nothing is
    left behind."""
    made = m.folder / "signal.mote"
    long = "a b c " * 600
    phases = {"load": ["run", m.wide, "--raw", "-p", "a", "-n", 1, "--check", "--temp", 0],
              "prompt": ["run", m.wide, "--raw", "-p", long, "-n", 1, "-c", 8192, "-b", 16, "--temp", 0],
              "answer": ["run", m.wide, "--raw", "-p", "a", "-n", 1500, "--ignore-eos", "--temp", 0],
              "convert": ["convert", m.hub, "-o", made, "--type", "q4"]}
    seen, slowest = {}, 0.0
    for name, args in phases.items():
        args = [MOTE, *map(str, args), "-q", *(["-t", "2"] if name != "convert" else [])]
        begin = time.monotonic()
        good = subprocess.run(args, check=True, stdout=subprocess.PIPE).stdout
        whole = time.monotonic() - begin
        made.unlink(missing_ok=True)
        for i in range(200 if EVERY else 6):
            p = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(numbers.uniform(0, whole))
            p.send_signal((signal.SIGINT, signal.SIGTERM)[i % 2])
            begin = time.monotonic()
            out, err = p.communicate(timeout=60 * SLOW)
            slowest = max(slowest, time.monotonic() - begin)
            early = (-signal.SIGINT, -signal.SIGTERM)[i % 2]  # main has not begun
            assert p.returncode in (0, (130, 143)[i % 2], early), f"{name}: exit {p.returncode}: {err[-200:]}"
            said = out.rstrip(b"\n")
            said = said[:-3] if said.endswith("\ufffd".encode()) else said  # the beginning of a character
            assert good.startswith(said) and b"error" not in err, f"{name}: {out!r} {err!r}"
            if made.exists():  # whole; the signal may come between its rename and the end
                assert name == "convert" and run(["verify", made])[0] == 0, f"{name}: exit {p.returncode}"
            assert made.exists() or name != "convert" or p.returncode, "no file"
            made.unlink(missing_ok=True)
            assert not [f for f in os.listdir(m.folder) if f.startswith(".mote-")], name
            seen[p.returncode] = seen.get(p.returncode, 0) + 1
    print(f"# signals: exit codes {seen}, the longest wait {slowest * 1000:.0f} ms")


# ---- files that change --------------------------------------------------------------------------


@test
def file_that_shrinks_while_mapped(m):
    """Cut to its first page at different moments of a run: an error, never a signal."""
    path = m.folder / "shrinks.mote"
    codes = set()
    for delay in [0.0, 0.002, 0.005, 0.01, 0.05] * (20 if EVERY else 1):
        shutil.copy(m.wide, path)
        args = ["run", path, "--raw", "-p", "a", "-n", 4000, "-q", "--ignore-eos", "-t", 2]
        p = subprocess.Popen([MOTE, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if delay > 0.01:
            p.stdout.read(1)  # generation has begun
        time.sleep(delay)
        os.truncate(path, 4096)
        out, err = p.communicate(timeout=60 * SLOW)
        assert p.returncode in (0, 3, 4), f"exit {p.returncode}: {err[-200:]}"
        assert p.returncode == 0 or len(err.splitlines()) == 1, err
        codes.add(p.returncode)
    assert 4 in codes, f"it was never cut in time: {codes}"


@test
def file_that_is_replaced_or_written_to_while_mapped(m):
    """Another file under its name: nothing changes. Other bytes in its place: another text, or an error."""
    path, args = m.folder / "changes.mote", ["--raw", "-p", "a", "-n", 800, "-q", "--ignore-eos", "--temp", 0]
    shutil.copy(m.wide, path)
    good = run(["run", path, *args])
    for i in range(40 if EVERY else 4):
        shutil.copy(m.wide, path)
        p = subprocess.Popen([MOTE, "run", str(path), *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             bufsize=0)
        first = p.stdout.read(1)
        if i % 2:
            os.replace(shutil.copy(m.good, m.folder / "new.mote"), path)
        else:
            with open(path, "r+b") as f:
                n = path.stat().st_size
                f.write(numbers.getrandbits(8 * n).to_bytes(n, "little") if i % 4 else bytes(n))
        out, err = p.communicate(timeout=60 * SLOW)
        if i % 2:
            assert (p.returncode, first + out) == good[:2], f"replaced: exit {p.returncode}: {err}"
        else:
            assert p.returncode in (0, 3, 4) and len(err.splitlines()) == (p.returncode != 0), (p.returncode, err)


@test
def source_that_shrinks_while_it_is_converted(m):
    made = m.folder / "shrunk.mote"
    for i in range(60 if EVERY else 6):
        folder = m.folder / "shrinking"
        shutil.copytree(m.hub, folder)
        source = folder / "model.safetensors"
        if i % 3:
            source = shutil.copy(m.gguf if i % 3 == 1 else m.good, folder / "model")
        args = [MOTE, "convert", str(source if i % 3 else folder), "-o", str(made), "-q"]
        p = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(numbers.uniform(0, 0.03 * SLOW))
        os.truncate(source, numbers.choice([0, 100, 4096, 50000]))
        _, err = p.communicate(timeout=60 * SLOW)
        assert p.returncode in (0, 3, 4, 6) and len(err.splitlines()) == (p.returncode != 0), (p.returncode, err)
        assert made.exists() == (p.returncode == 0), f"exit {p.returncode}, file {made.exists()}"
        if made.exists():
            assert run(["verify", made])[0] == 0
            made.unlink()
        shutil.rmtree(folder)


# ---- surroundings -------------------------------------------------------------------------------


def limited(which, value):
    return lambda: resource.setrlimit(which, (value, value))


@test
def small_stack(m):
    if SLOW > 1:
        raise Skip("sanitizers take more stack")
    deep = b'{"text":' + b"[" * 60 + b"]" * 60 + b"}\n" + b'{"text":"' + b"a" * 200000 + b'"}\n'
    for name, args, text, made in scenarios(m):
        text = deep if name == "tokenize" else text
        for kb in (256, 128):
            check(f"{name} in {kb} KB", run(args, text, preexec_fn=limited(resource.RLIMIT_STACK, kb << 10)), OK)
            if made:
                made.unlink()


def in_space(mb, args):
    """Runs mote with so much address space, loaded libraries counted."""
    p = subprocess.run(["sh", "-c", f'ulimit -v {mb << 10}; exec "$@"', "sh", MOTE, *map(str, args)],
                       capture_output=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    return p.returncode, None, p.stderr.decode("utf-8", "replace")


@test
def small_address_space(m):
    if SLOW > 1:
        raise Skip("sanitizers take it all")
    least = next(mb for mb in range(4, 400, 4) if in_space(mb, ["--version"])[0] == 0)
    codes = set()
    for more in (0, 1, 2, 4, 8, 16, 32, 64) if EVERY else (0, 2, 64):
        for args in (["run", m.wide, "--raw", "-p", "a", "-n", 2, "-q", "-c", 8192, "-b", 8192],
                     ["convert", m.hub, "-o", m.folder / "limit.mote", "-q", "--force"]):
            result = in_space(least + more, args)
            check(f"{args[0]} in {least + more} MB", result, {0, 5})
            codes.add((args[0], result[0]))
    assert ("run", 0) in codes and ("run", 5) in codes, codes


def memory_group():
    """A group with a limit of memory that can be set: (folder, name of the file with the limit)."""
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        folder = pathlib.Path(root, f"mote-faults-{os.getpid()}")
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / limit).exists() and os.access(folder / limit, os.W_OK):
            return folder, limit
        folder.rmdir()
    raise Skip("no writable memory cgroup")


@test
def memory_of_a_group(m):
    """A run that the group has no room for is refused before it begins; one that it has room for is not killed."""
    if SLOW > 1:
        raise Skip("sanitizers take more memory")
    folder, limit = memory_group()
    try:
        args = ["run", m.wide, "--raw", "-p", "a", "-n", 2, "-q", "-c", 8192, "-b", 4096, "-t", 1]
        plan = frame.out_json("plan", m.wide, "--json", "-c", 8192, "-b", 4096, "-t", 1)["memory"]
        need, codes = plan["total"] + plan["file"], []
        for share, wanted in ((0.5, {5}), (0.9, {5}), (1.6, {0})):
            (folder / limit).write_text(str(int(need * share) + (6 << 20) * (share > 1)))
            p = subprocess.run(["sh", "-c", f'echo $$ > "{folder}/cgroup.procs" && exec "$@"', "sh", MOTE, *map(str, args)],
                               capture_output=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
            check(f"{share} of {need} bytes", (p.returncode, None, p.stderr.decode()), wanted)
            codes.append(p.returncode)
    finally:
        folder.rmdir()


@test
def file_size_limit(m):
    for name, args, text, made in scenarios(m):
        if made:
            check(name, run(args, text, preexec_fn=limited(resource.RLIMIT_FSIZE, 20000)), {4})
            assert not made.exists()


@test
def locales_change_nothing(m):
    for name, args, text, made in scenarios(m):
        good = run(args, text)
        data = made.read_bytes() if made else None
        for locale in ("tr_TR.UTF-8", "de_DE.UTF-8", "ar", "C", "nonsense", ""):
            if made:
                made.unlink()
            got = run(args, text, {"LC_ALL": locale, "LANG": locale, "LC_NUMERIC": locale})
            assert got == good, f"{name} under {locale!r}: {got}"
            assert not made or made.read_bytes() == data, f"{name} under {locale!r}: another file"
        if made:
            made.unlink()


@test
def memory_stays_flat(m):
    if SLOW > 1:
        raise Skip("a sanitizer keeps what was given back")
    text, wrong = soak.soak(m, 5000 if EVERY else 400)
    print(f"# {text}")
    assert not wrong, wrong


@test
def odd_surroundings(m):
    """No home, no place to stand, a strict umask, no environment at all."""
    gone = m.folder / "gone"
    gone.mkdir()
    args = ["run", m.good.resolve(), "--raw", "-p", "he", "-n", 2, "-q"]
    p = subprocess.run(["sh", "-c", f'cd "{gone}" && rmdir "{gone}" && exec env -i "$@"', "sh",
                        os.path.abspath(MOTE), *map(str, args)], capture_output=True)
    assert p.returncode == 0, p.stderr
    out = m.folder / "private.mote"
    code = subprocess.run(["sh", "-c", 'umask 077; exec "$@"', "sh", MOTE, "convert", str(m.hub), "-o", str(out),
                           "-q"]).returncode
    assert code == 0 and out.stat().st_mode & 0o777 == 0o600, oct(out.stat().st_mode)


@test
def conversions_repeat(m):
    """Any place, day and number of threads: the same bytes."""
    good = m.good.read_bytes()
    other = m.folder / "elsewhere" / "hub"
    shutil.copytree(m.hub, other)
    os.utime(other / "config.json", (0, 0))
    for env in ({"TZ": "Asia/Tokyo"}, {"OPENBLAS_NUM_THREADS": "3", "LC_ALL": "C"}, {"HOME": "/nowhere"}):
        out = m.folder / "elsewhere" / "again.mote"
        assert run(["convert", other, "-o", out, "-q", "--type", "f32", "--force"], env=env)[0] == 0
        assert out.read_bytes() == good, env


@test
def only_these_libraries(m):
    """What the program is linked with: libc, cJSON, utf8proc and OpenBLAS, with what the last one needs."""
    if SLOW > 1 or not shutil.which("ldd"):
        raise Skip("no ldd, or the libraries of a sanitizer")
    known = ("linux-vdso", "ld-linux", "/ld-", "libc.", "libm.", "libpthread.", "libcjson.", "libutf8proc.", "libopenblas",
             "libgfortran.", "libquadmath.", "libgcc_s.")
    lines = subprocess.run(["ldd", MOTE], capture_output=True, text=True).stdout.splitlines()
    odd = [line for line in lines if not any(k in line for k in known)]
    assert lines and not odd, odd


# ---- checksums ----------------------------------------------------------------------------------


@test
def every_flipped_bit_is_found(m):
    """verify on single bits flipped anywhere: all of the file is covered but the blanks behind nothing."""
    good = m.words.read_bytes()
    path = m.folder / "flipped.mote"
    for i in range(10000 if EVERY else 60):
        bit = numbers.randrange(8 * len(good))
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bad)
        code, _, err = run(["verify", path])
        assert code in (3, 6), f"bit {bit % 8} of byte {bit // 8}: exit {code}"


@test
def run_checks_the_weights_if_asked(m):
    bad = bytearray(m.good.read_bytes())
    bad[-4000] ^= 1
    path = m.folder / "bad.mote"
    path.write_bytes(bad)
    args = ["run", path, "--raw", "-p", "he", "-n", 1, "-q"]
    frame.refused(3, "checksum", *args, "--check")
    frame.out(*args)


if __name__ == "__main__":
    sys.argv = [a for a in sys.argv if a != "--all"]
    frame.main()
