#!/usr/bin/env python3
"""Models by name: the models folder, the caches of other tools read in place, --fallback, and --offline: no
socket is ever asked for. Usage: at_hand.py [NAME-PART...]"""
import ctypes
import hashlib
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import time

from frame import COMMANDS, MOTE, Skip, main, mote, out, out_json, refused, test

STORES = ("MOTE_MODELS", "XDG_DATA_HOME", "HF_HUB_CACHE", "HF_HOME", "OLLAMA_MODELS", "LLAMA_CACHE")


def home(m, name, **more):
    """An environment whose stores are in a new folder."""
    folder = m.folder / name
    folder.mkdir(exist_ok=True)
    env = {k: v for k, v in os.environ.items() if k not in STORES}
    return folder, {**env, "HOME": str(folder), **{k: str(v) for k, v in more.items()}}


def hub(m, folder, name="org/hub"):
    """A repository as the hub's client leaves it: a snapshot of links to blobs."""
    repository = folder / ("models--" + name.replace("/", "--"))
    snapshot = repository / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abcd")
    for file in m.hub.iterdir():
        os.symlink(file, snapshot / file.name)
    return snapshot


def ollama(m, folder, name="library/tiny", tag="latest", digest=None):
    raw = m.gguf.read_bytes()
    digest = digest or "sha256:" + hashlib.sha256(raw).hexdigest()
    manifest = folder / "manifests" / "registry.ollama.ai" / name
    manifest.mkdir(parents=True, exist_ok=True)
    (folder / "blobs").mkdir(exist_ok=True)
    (folder / "blobs" / digest.replace(":", "-").replace("/", "_")).write_bytes(raw)
    layers = [{"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:" + 64 * "0"},
              {"mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": len(raw)}]
    (manifest / tag).write_text(json.dumps({"schemaVersion": 2, "layers": layers}))


def plan_of(name, env):
    plan = out_json("plan", name, "--json", "-c", 64, "-t", 1, env=env)
    for t in plan["types"]:
        del t["file_bytes"]  # the name is in the file
    return plan["types"]


@test
def hub_cache_is_read_in_place(m):
    want = plan_of(m.hub, os.environ)
    for place, variable in ((".cache/huggingface/hub", {}), ("a", {"HF_HUB_CACHE": "a"}),
                            ("b/hub", {"HF_HOME": "b"})):
        folder, env = home(m, "hub-" + place[0])
        env.update({k: str(folder / v) for k, v in variable.items()})
        snapshot = hub(m, folder / place)
        env.pop("XDG_CACHE_HOME", None)
        assert plan_of("org/hub", env) == want
        made = folder / "made.mote"
        out("convert", "org/hub", "-o", made, "--type", "f32", "-q", env=env)
        assert made.read_bytes() == m.good.read_bytes()
        assert out_json("info", "org/hub", "--json", env=env)["name"] == "hub"
        refused(4, "convert it first", "run", "org/hub", "-p", "a", env=env)
        [found] = out_json("list", "--json", env=env)["sources"]
        assert (found["name"], found["store"]) == ("org/hub", "hub")
        assert os.path.realpath(found["path"]) == os.path.realpath(snapshot)
        assert found["bytes"] == (m.hub / "model.safetensors").stat().st_size
        assert "org/hub " in out("list", "--search", "org", env=env)


@test
def aliases_name_repositories_of_the_cache(m):
    folder, env = home(m, "alias", HF_HUB_CACHE=m.folder / "alias" / "h")
    hub(m, folder / "h", "HuggingFaceTB/SmolLM2-135M-Instruct")
    assert plan_of("smollm2:135m", env) == plan_of(m.hub, os.environ)
    [found] = out_json("list", "--json", "--cap", "chat", env=env)["sources"]
    assert found["known_as"] == "SmolLM2-135M-Instruct"


@test
def ollama_and_llama_cpp_files(m):
    folder, env = home(m, "others")
    env.pop("XDG_CACHE_HOME", None)
    want = plan_of(m.gguf, os.environ)
    ollama(m, folder / ".ollama" / "models")
    ollama(m, folder / ".ollama" / "models", "someone/tiny", "q8")
    cache = folder / ".cache" / "llama.cpp"
    cache.mkdir(parents=True)
    shutil.copy(m.gguf, cache / "mine.gguf")
    for name in ("tiny", "tiny:latest", "someone/tiny:q8", "mine", "mine.gguf",
                 "registry.ollama.ai/someone/tiny:q8"):
        assert plan_of(name, env) == want, name
    refused(4, "there is no such file", "plan", "tiny:none", env=env)
    got = {(s["name"], s["store"]) for s in out_json("list", "--json", env=env)["sources"]}
    assert got == {("tiny:latest", "ollama"), ("someone/tiny:q8", "ollama"), ("mine.gguf", "llama.cpp")}
    refused(3, "GGUF file; convert it first", "run", "tiny", "-p", "a", env=env)


@test
def names_lead_nowhere_else(m):
    folder, env = home(m, "hostile")
    store = folder / ".ollama" / "models"
    ollama(m, store, digest="sha256:../../../etc/passwd")
    ollama(m, store, "library/cut", digest="sha256:12")
    (store / "manifests" / "registry.ollama.ai" / "library" / "tiny" / "bad").write_text("[" * 9000)
    for name in ("tiny", "cut", "tiny:bad", "../tiny", "tiny:../tiny", "a/../../b", "./tiny:x", "/tiny", "a/"):
        assert mote("plan", name, env=env).returncode == 4, name
    assert out_json("list", "--json", env=env)["sources"] == []


@test
def fallback_takes_what_fits_and_says_so(m):
    folder, env = home(m, "fall", MOTE_MODELS=m.folder / "fall")
    shutil.copy(m.wide, folder / "big.mote")
    for kind in ("f16", "q8"):
        m.convert(m.folder / "wide", f"fall/{kind}.mote", "--type", kind)
    flags = ["-p", "a", "-n", 1, "-t", 1, "-c", 64, "--fallback"]
    need, spare = {}, 500
    for name in ("big", "f16", "q8"):
        memory = out_json("plan", name, "--json", "-t", 1, "-c", 64, env=env)["memory"]
        need[name] = memory["total"] + memory["file"]
    spare += memory["sampler"]  # which run makes later, unasked
    p = mote("run", "big", *flags, "--mem", (need["big"] + 500) / 1e6, env=env)
    assert p.returncode == 0 and "taking" not in p.stderr
    for above, taken in (("big", "f16"), ("f16", "q8")):
        p = mote("run", "big", *flags, "--mem", (need[above] - spare) / 1e6, env=env)
        notes = [line for line in p.stderr.splitlines() if "taking" in line]
        assert p.returncode == 0 and len(notes) == 1 and f"{taken}.mote" in notes[0], p.stderr
    refused(5, "would fit", "run", "big", *flags, "--mem", need["q8"] / 2e6, env=env)
    flags.remove("--fallback")
    refused(5, "would fit", "run", "big", *flags, "--mem", (need["big"] - spare) / 1e6, env=env)
    p = mote("chat", "big", "-t", 1, "-c", 64, "--fallback", "-n", 1, "--mem", (need["big"] - spare) / 1e6,
             text="a\n", env=env)
    assert p.returncode == 0 and "taking" in p.stderr, p.stderr


# ---- the network -----------------------------------------------------------------------------

CALLS = {"x86_64": (0xC000003E, (41, 53, 425)), "aarch64": (0xC00000B7, (198, 199, 425))}


def forbid():
    """From here on a socket kills the process."""
    arch, calls = CALLS[platform.machine()]
    steps = [(0x20, 0, 0, 4), (0x15, 1, 0, arch), (0x06, 0, 0, 0x80000000), (0x20, 0, 0, 0)]
    for i, number in enumerate(calls):
        steps.append((0x15, len(calls) - i, 0, number))
    steps += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x80000000)]
    raw = b"".join(struct.pack("<HBBI", *s) for s in steps)
    program = ctypes.create_string_buffer(raw)
    head = struct.pack("@HxxxxxxP", len(steps), ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.create_string_buffer(head), 0, 0):
        os._exit(99)


def under_filter(*args, text=b"", env=None):
    if not sys.platform.startswith("linux") or platform.machine() not in CALLS:
        raise Skip("no filter of system calls here")
    p = subprocess.run(list(map(str, args)), input=text, capture_output=True, preexec_fn=forbid, env=env)
    if p.returncode == 99:
        raise Skip("no filter of system calls here")
    return p


@test
def no_command_asks_for_a_socket(m):
    code = "import socket; socket.socket()"
    assert under_filter(sys.executable, "-c", code).returncode < 0, "the filter does nothing"
    ids = m.folder / "ids.json"
    ids.write_text("[1, 2, 3, 4]")
    rows = {"run": ["-p", "a", "-n", 2], "chat": ["-n", 2], "convert": ["-o", m.folder / "net.mote"],
            "bake": ["-o", m.folder / "net.bin"], "logits": ["--ids", "1,2", "-o", m.folder / "l.st"],
            "perplexity": ["--ids", ids], "compare": [m.wide, "--ids", ids], "detokenize": ["--ids", "1"],
            "bench": ["-p", 4, "-n", 2, "-r", 1], "template": ["-p", "a"], "tokenize": ["-p", "a"],
            "doctor": ["--quick"]}
    for command in COMMANDS:
        if command in ("embed", "rerank"):
            continue
        model = [] if command in ("list", "recommend", "doctor") else \
            [m.hub if command == "convert" else m.good]
        p = under_filter(MOTE, command, *model, *rows.get(command, []), text=b"a\n")
        assert p.returncode == 0, f"{command}: {p.returncode} {p.stderr.decode()}"


@test
def offline_forbids_sockets(m):
    under_filter("true")
    p = subprocess.Popen([MOTE, "chat", str(m.good), "--offline", "-q", "-n", "1"], stdin=subprocess.PIPE,
                         stdout=subprocess.DEVNULL)
    state = ""
    for _ in range(500):  # until it runs
        with open(f"/proc/{p.pid}/status") as status:
            state = status.read()
        if "Seccomp:\t2" in state:
            break
        time.sleep(0.01)
    p.stdin.close()
    assert p.wait() == 0 and "Seccomp:\t2" in state


if __name__ == "__main__":
    main()
