#!/usr/bin/env python3
"""What leaves the tree: the interface of the library is the recorded one, make install and uninstall, the
examples, the wheel. Usage: package.py [NAME-PART...]"""
import struct
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import zipfile

from frame import MOTE, Skip, main, out, test

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(MOTE).parent
CC = os.environ.get("CC", "cc")
sys.path.insert(0, str(ROOT / "tools" / "package"))
import abi  # noqa: E402


def run(*args, **more):
    p = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100,
                       **more)
    assert p.returncode == 0, f"{args[0]} ended with {p.returncode}: {p.stderr.decode()[-300:]}"
    return p.stdout.decode()


def need(*programs):
    for p in programs:
        if not shutil.which(p.split()[0]):
            raise Skip(f"no {p}")
    if "san" in str(BUILD):
        raise Skip("a sanitizer's library does not go into other programs")


# ---- the interface -------------------------------------------------------------------------------

def recorded():
    if struct_bits() != 64:
        raise Skip("the record is of 64-bit machines")
    need(CC)
    return abi.TABLE.read_text()


def struct_bits():
    return 8 * struct.calcsize("P")


@test
def the_interface_is_the_recorded_one(m):
    wrong = abi.check(recorded(), abi.table())
    assert wrong is None, wrong


@test
def a_changed_interface_is_told(m):
    """Each change to a copy of mote.h must be refused as long as MOTE_ABI stays, and taken when it rises."""
    old, text = recorded(), (ROOT / "include" / "mote.h").read_text()
    folder = m.folder / "abi" / "include"
    folder.mkdir(parents=True)
    for name in ("mote.h", "mote_host.h"):
        shutil.copy(ROOT / "include" / name, folder)
    changes = (("    uint32_t n_batch; ", "    uint64_t n_batch; ", "struct mote_session_opts"),
               ("    const char *what;\n    char name[64];", "    char name[64];\n    const char *what;",
                "struct mote_error"),
               ("    bool has_numbers;\n", "    bool has_numbers, is_new;\n", "struct mote_error"),
               ("    MOTE_ERR_FILE = 3,", "    MOTE_ERR_FILE = 7,", "enum mote_status MOTE_ERR_FILE"),
               ("mote_argmax(const float *logits, size_t n)", "mote_argmax(const float *logits, int n)",
                "function mote_argmax"),
               ("size_t mote_tokenizer_bytes(void);", "", "function mote_tokenizer_bytes"))
    for before, after, name in changes:
        for number in (abi.version(old), "abi 99"):
            assert before in text, before
            new = text.replace(before, after).replace("#define MOTE_ABI 0", "#define MOTE_ABI " + number[4:])
            (folder / "mote.h").write_text(new)
            wrong = abi.check(old, abi.table(folder.parent, [folder / "mote.h", folder / "mote_host.h"]))
            assert name in wrong, (name, wrong)
            assert ("changed without MOTE_ABI" in wrong) == (number != "abi 99"), wrong
    more = text.replace("size_t mote_tokenizer_bytes(void);",
                        "size_t mote_tokenizer_bytes(void);\nvoid mote_new(mote_text text);")
    (folder / "mote.h").write_text(more.replace("(const float *logits, size_t n)", "(const float *x, size_t m)"))
    wrong = abi.check(old, abi.table(folder.parent, [folder / "mote.h", folder / "mote_host.h"]))
    assert wrong and "not up to date (function mote_new)" in wrong, wrong


@test
def the_library_shows_the_interface_only(m):
    need("nm")
    number = abi.version(recorded())[4:]
    shown = set(re.findall(r" [A-Z] (\w+)@@", run("nm", "-D", "--defined-only", BUILD / f"libmote.so.{number}")))
    want = set(re.findall(r"^function .*?(mote_\w+)\(", recorded(), re.M))
    assert shown - {f"MOTE_{number}"} == want, shown ^ want


# ---- installing ----------------------------------------------------------------------------------

def make(m, target, dest):
    flags = [f"B={BUILD}", f"DESTDIR={dest}", "PREFIX=/usr/local", f"CC={CC}"]
    config = BUILD.name if BUILD.name in ("debug", "emulate") else "release"
    version = out("--version")
    flags += [f"CONFIG={config}", "BLAS=" + re.search(r"blas (\d)", version)[1], "-o", "all"]
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    env.pop("MFLAGS", None)
    return run("make", "-C", ROOT, target, *flags, env=env)


def installed(m):
    """The folder of a scratch installation, made once."""
    need("make", CC)
    dest = m.folder / "installed"
    if not dest.exists():
        make(m, "install", dest)
    return dest


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


@test
def installation_is_whole(m):
    got = files(installed(m) / "usr/local")
    for name in ("bin/mote", "include/mote.h", "include/mote_host.h", "lib/libmote.a", "lib/libmote.so",
                 "lib/pkgconfig/mote.pc", "share/man/man1/mote.1", "share/doc/mote/LICENSE",
                 "share/bash-completion/completions/mote", "share/zsh/site-functions/_mote",
                 "share/fish/vendor_completions.d/mote.fish"):
        assert name in got, name
    assert len(got) == 13, got
    for path in (installed(m) / "usr/local").rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o755 if path.is_dir() or path.name == "mote" and path.parent.name == "bin" or
                        ".so" in path.name and mode == 0o755 else 0o644), (path, oct(mode))
        assert str(m.folder).encode() not in (path.read_bytes() if path.suffix in (".pc", ".1") else b"")


@test
def a_program_is_built_with_the_installation(m):
    """The C example, by pkg-config, with the shared and the static library."""
    need("pkg-config", CC)
    dest = installed(m)
    env = {**os.environ, "PKG_CONFIG_LIBDIR": str(dest / "usr/local/lib/pkgconfig"),
           "PKG_CONFIG_SYSROOT_DIR": str(dest)}
    cflags = run("pkg-config", "--cflags", "mote", env=env).split()
    libs = run("pkg-config", "--libs", "mote", env=env).split()
    static = run("pkg-config", "--libs", "--static", "mote", env=env).split()
    source, lib = ROOT / "examples" / "generate.c", dest / "usr/local/lib"
    run(*CC.split(), "-Wall", "-Werror", source, *cflags, *libs, "-o", m.folder / "shared")
    static = [lib / "libmote.a" if x == "-lmote" else x for x in static]
    run(*CC.split(), source, *cflags, *static, "-o", m.folder / "static")
    want = out("run", m.good, "-p", "hello", "--raw", "--temp", "0", "-n", "40", "-q", "-t", "1")
    shared_env = {**os.environ, "LD_LIBRARY_PATH": str(lib)}
    assert run(m.folder / "shared", m.good, "hello", env=shared_env) == want
    assert run(m.folder / "static", m.good, "hello") == want
    p = subprocess.run([m.folder / "static", "/nonexistent", "x"], stderr=subprocess.PIPE)
    assert p.returncode == 1 and p.stderr == b"generate: there is no such file\n", p.stderr


@test
def uninstall_leaves_nothing(m):
    need("make", CC)
    dest = m.folder / "gone"
    make(m, "install", dest)
    (dest / "usr/local/bin/other").write_text("somebody else's")
    make(m, "uninstall", dest)
    assert files(dest) == ["usr/local/bin/other"], files(dest)
    assert not (dest / "usr/local/share/doc/mote").exists()


# ---- examples and the wheel ----------------------------------------------------------------------

@test
def the_python_example_runs(m):
    need(sys.executable)
    got = run(sys.executable, ROOT / "examples/generate.py", m.good, "hello",
              env={**os.environ, "PYTHONPATH": str(BUILD / "python")})
    assert got == out("run", m.good, "-p", "hello", "--temp", "0", "-n", "40", "-q") + "\n"


@test
def the_pipeline_sorts_by_meaning(m):
    import tiny_encoder
    need("awk", "paste")
    hub = m.folder / "nearest-hub"
    hub.mkdir()
    tiny_encoder.write_folder(hub)
    model = m.convert(hub, "nearest.mote", "--type", "f32")
    lines = ["a text", 'with "quotes", a \\ and\ta tab', "hello world", "\u00e4"]
    got = run(ROOT / "examples/nearest.sh", model, "hello world", input="\n".join(lines).encode() + b"\n",
              env={**os.environ, "PATH": f"{BUILD.resolve()}:{os.environ['PATH']}"})
    rows = [line.split("\t", 1) for line in got.splitlines()]
    assert sorted(text for _, text in rows) == sorted(lines)
    assert rows[0] == ["1.0000", "hello world"] and [float(x) for x, _ in rows] == sorted(
        (float(x) for x, _ in rows), reverse=True)


@test
def the_wheel_is_what_pip_wants(m):
    """Names and hashes of every file; unpacked, it is the package that the other tests use."""
    import base64
    import hashlib
    library = BUILD / ("libmote.so." + abi.version(recorded())[4:])
    need(sys.executable)
    names = [run(sys.executable, ROOT / "python/backend.py", library, m.folder / f"wheel{i}").strip()
             for i in range(2)]
    raw = [pathlib.Path(n).read_bytes() for n in names]
    assert raw[0] == raw[1], "two wheels of the same files differ"
    assert re.match(r"mote-[\d.]+-py3-none-manylinux_2_\d+_\w+\.whl$", pathlib.Path(names[0]).name), names[0]
    with zipfile.ZipFile(names[0]) as z:
        record = next(n for n in z.namelist() if n.endswith("/RECORD"))
        rows = dict(line.split(",", 1) for line in z.read(record).decode().splitlines())
        assert sorted(rows) == sorted(z.namelist())
        for name in z.namelist():
            if name != record:
                digest = base64.urlsafe_b64encode(hashlib.sha256(z.read(name)).digest()).rstrip(b"=").decode()
                assert rows[name] == f"sha256={digest},{z.getinfo(name).file_size}", name
                if name.startswith("mote/"):
                    assert z.read(name) == (BUILD / "python" / name).read_bytes(), name
        assert {"mote/py.typed", "mote/mote.abi", f"mote/{library.name}"} <= set(rows)


if __name__ == "__main__":
    main()
