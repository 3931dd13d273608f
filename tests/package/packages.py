#!/usr/bin/env python3
"""The packages, tried out as somebody would who has no compiler: the Debian packages in a root of their
own, the static program in an empty folder as root, the wheel in a fresh environment. Run by
`make packages`. Usage: packages.py [NAME-PART...]"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from frame import MOTE, Skip, main, out, test  # noqa: E402

BUILD = pathlib.Path(MOTE).resolve().parent
PROMPT = ["-p", "hello", "--temp", "0", "-n", "20", "-q"]


def run(*args, **more):
    p = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
                       stdin=subprocess.DEVNULL, **more)
    assert p.returncode == 0, f"{args}: {p.returncode}: {p.stderr.decode()[-300:]}"
    return p.stdout.decode()


def need(*programs):
    for p in programs:
        if not shutil.which(p):
            raise Skip(f"no {p}")


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


# ---- Debian --------------------------------------------------------------------------------------

def debs():
    return sorted((BUILD / "deb").glob("*.deb"))


@test
def debian_packages_come_and_go(m):
    need("dpkg")
    if os.getuid() != 0:
        raise Skip("dpkg --root wants root")
    root = m.folder / "root"
    for name in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "var/log"):
        (root / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    dpkg = ["dpkg", f"--root={root}", "--force-depends", "--force-script-chrootless", "--no-triggers"]
    run(*dpkg, "-i", *debs())
    program, library = root / "usr/bin/mote", next((root / "usr/lib").rglob("libmote.so.0"))
    assert run(program, "run", m.good, *PROMPT) == out("run", m.good, *PROMPT)
    assert library.resolve().is_file() and (root / "usr/include/mote.h").is_file()
    assert run("dpkg", f"--root={root}", "--verify") == "", "files differ from md5sums"
    run(*dpkg, "-P", "mote", "libmote-dev", "libmote0")
    assert not (root / "usr").exists() or not files(root / "usr"), files(root / "usr")


@test
def debian_packages_say_what_they_need(m):
    need("dpkg-deb")
    wants = {p.name.split("_")[0]: run("dpkg-deb", "-f", p, "Depends").strip() for p in debs()}
    assert set(wants) == {"mote", "libmote0", "libmote-dev"}, wants
    names = {k: sorted(d.split()[0] for d in v.split(", ")) for k, v in wants.items()}
    assert names["mote"] == ["libc6", "libcjson1", "libutf8proc2"] and names["libmote0"] == ["libc6"], wants
    assert wants["libmote-dev"].startswith("libmote0 (= "), wants
    if shutil.which("apt-get"):
        run("apt-get", "-s", "-qq", "install", *debs())


@test
def lintian_has_no_objection(m):
    need("lintian")
    got = run("lintian", "--fail-on", "error,warning", *debs())
    assert not got, got


# ---- static --------------------------------------------------------------------------------------

def empty(m):
    """An empty folder with the program and a model's folder, and how to run there."""
    program, root = BUILD / "mote-static", m.folder / "empty"
    if not program.exists():
        raise Skip("there is no build/plain/mote-static")
    need("chroot")
    into = [shutil.which("chroot"), str(root)]
    if os.getuid() != 0:
        need("unshare")
        into = [shutil.which("unshare"), "-r", *into]
    if not root.exists():
        root.mkdir()
        shutil.copy(program, root / "mote")
        shutil.copytree(m.hub, root / "hub")
    if subprocess.run([*into, "/mote", "--version"], stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL).returncode:
        raise Skip("chroot does not work here")
    return root, lambda *args: run(*into, "/mote", *args, env={})


@test
def the_static_program_needs_no_other_file(m):
    root, mote = empty(m)
    assert files(root)[-1] == "mote" and len(files(root)) == 5, files(root)
    mote("convert", "/hub", "-o", "/a.mote", "--type", "f32", "-q")
    assert (root / "a.mote").read_bytes() == m.good.read_bytes()
    assert mote("run", "/a.mote", *PROMPT) == out("run", m.good, *PROMPT)
    assert mote("run", "/a.mote", *PROMPT, "-t", 3) == out("run", m.good, *PROMPT)
    assert "tg8" in mote("bench", "/a.mote", "-p", 16, "-n", 8, "-r", 2, "-q")
    assert "OK" in mote("verify", "/a.mote").upper() and "tiers: ref" in mote("doctor")
    assert files(root)[0] == "a.mote" and len(files(root)) == 6, files(root)


@test
def the_static_program_takes_what_is_planned(m):
    program = BUILD / "mote-static"
    if not program.exists():
        raise Skip("there is no build/plain/mote-static")
    for context in (64, 256, 1024, 4096):
        for kv in ("f32", "f16", "q8"):
            flags = ["-c", str(context), "--kv", kv, "-t", "2"]
            plan = json.loads(run(program, "plan", m.wide, "--json", *flags))["memory"]
            p = subprocess.Popen([program, "chat", m.wide, "-n", "3", "-q", *flags], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE)
            p.stdin.write(b"a\n")
            p.stdin.flush()
            assert p.stdout.readline()
            status = pathlib.Path(f"/proc/{p.pid}/status").read_text()
            p.communicate()
            peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) << 10
            limit = plan["total"] + plan["file"] + (2 << 20)
            assert peak <= limit, f"-c {context} --kv {kv}: {peak} bytes, limit {limit}"


# ---- Python --------------------------------------------------------------------------------------

@test
def the_wheel_installs_without_a_compiler(m):
    wheel = next(iter(sorted((BUILD / "wheel").glob("*.whl"))), None)
    assert wheel, "no wheel"
    if subprocess.run([sys.executable, "-c", "import venv, ensurepip"], stderr=subprocess.DEVNULL).returncode:
        raise Skip("no venv")
    place = m.folder / "venv"
    run(sys.executable, "-m", "venv", place)
    env = {"PATH": str(place / "bin"), "HOME": str(m.folder)}
    pip = [place / "bin/python", "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "install", "--no-index", "-q", wheel, env=env, cwd=m.folder)
    example = pathlib.Path(__file__).resolve().parents[2] / "examples" / "generate.py"
    want = out("run", m.good, "-p", "hello", "--temp", "0", "-n", "40", "-q") + "\n"
    assert run(place / "bin/python", example, m.good, "hello", env=env, cwd=m.folder) == want
    run(*pip, "uninstall", "-q", "-y", "mote", env=env, cwd=m.folder)
    left = [p for p in (place / "lib").rglob("mote*")]
    assert not left, left


if __name__ == "__main__":
    main()
