"""What the tests of the command line share: tiny models, running mote, counting. Standard library only."""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "corpus"))
import tiny  # noqa: E402

MOTE = os.path.join(os.environ.get("MOTE_BUILD", "build/release"), "mote")
SLOW = 10 if "san" in os.environ.get("MOTE_BUILD", "") else 1  # sanitizers take their time
COMMANDS = ["run", "chat", "convert", "info", "verify", "plan", "tokenize", "detokenize", "template",
            "logits", "perplexity", "compare", "embed", "rerank", "bench", "explain",
            "list", "recommend", "doctor"]

tests = []


class Skip(Exception):
    """The test cannot run here; the text says why."""


def test(fn):
    tests.append(fn)
    return fn


def mote(*args, text=b"", **more):
    """Runs mote with `text` on stdin; gives returncode, stdout (bytes), stderr (str)."""
    text = text.encode() if isinstance(text, str) else text
    stdin = {} if "stdin" in more else {"input": text}
    p = subprocess.run([MOTE, *map(str, args)], stdout=more.pop("stdout", subprocess.PIPE),
                       stderr=subprocess.PIPE, timeout=60 * SLOW, **stdin, **more)
    p.stderr = p.stderr.decode("utf-8", "strict")
    return p


def out(*args, **more):
    """stdout as text of a run that must succeed."""
    p = mote(*args, **more)
    assert p.returncode == 0, f"exit {p.returncode}: {p.stderr.strip()}"
    return p.stdout.decode("utf-8", "strict")


def out_json(*args, **more):
    return json.loads(out(*args, **more))


def answers(*args, rows, code=0):
    """One answer for each row (an object, or bytes as they are)."""
    text = b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in rows)
    p = mote(*args, "--jsonl", text=text)
    assert p.returncode == code, f"exit {p.returncode}: {p.stderr.strip()}"
    got = [json.loads(line) for line in p.stdout.decode("utf-8", "strict").splitlines()]
    assert len(got) == len(rows), f"{len(got)} answers to {len(rows)} rows"
    return got


def refused(code, part, *args, **more):
    """Must end with `code`, one line on stderr that holds `part`, nothing on stdout."""
    p = mote(*args, **more)
    lines = p.stderr.splitlines()
    assert p.returncode == code, f"exit {p.returncode}, not {code}: {p.stderr.strip()}"
    assert len(lines) == 1 and lines[0].startswith("mote: error: "), f"stderr: {p.stderr!r}"
    assert part in lines[0], f"{part!r} is not in {lines[0]!r}"
    assert not p.stdout, f"stdout: {p.stdout[:80]!r}"
    return lines[0]


def tensors(path):
    """{name: (shape, floats)} of a safetensors file of F32."""
    raw = pathlib.Path(path).read_bytes()
    n = struct.unpack_from("<Q", raw)[0]
    head, data = json.loads(raw[8:8 + n]), raw[8 + n:]
    made = {}
    for name, t in head.items():
        begin, end = t["data_offsets"]
        made[name] = (t["shape"], struct.unpack(f"<{(end - begin) // 4}f", data[begin:end]))
    return made


class Models:
    """Tiny models in a scratch folder; made once."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        hub, wide = self.folder / "hub", self.folder / "wide"
        for path in (hub, wide):
            path.mkdir()
            tiny.write_folder(path)
        config = tiny.config()
        config["max_position_embeddings"] = 8192
        (wide / "config.json").write_text(json.dumps(config))
        self.hub, self.gguf = hub, self.folder / "tiny.gguf"
        self.gguf.write_bytes(tiny.gguf())
        self.good = self.convert(hub, "good.mote", "--type", "f32")
        self.wide = self.convert(wide, "wide.mote", "--type", "f32")
        self.words = self.convert(hub, "words.mote", "--tokenizer-only")

    def convert(self, source, name, *flags):
        path = self.folder / name
        out("convert", source, "-o", path, "-q", *flags)
        return path


def main():
    passed = failed = skipped = 0
    chosen = [a for a in sys.argv[1:] if not a.startswith("-")]
    with tempfile.TemporaryDirectory(prefix="mote-cli-") as folder:
        os.environ["XDG_CACHE_HOME"] = os.path.join(folder, "cache")  # what mote keeps, and others' models
        models = Models(folder)
        for fn in tests:
            if chosen and not any(c in fn.__name__ for c in chosen):
                continue
            try:
                fn(models)
                passed += 1
                print(f"ok   {fn.__name__}")
            except Skip as why:
                skipped += 1
                print(f"skip {fn.__name__}: {why}")
            except Exception as e:  # a failure, or an answer of another form than expected
                failed += 1
                line = traceback.extract_tb(e.__traceback__)[1].lineno
                print(f"FAIL {fn.__name__}, line {line}: {type(e).__name__}: {e}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(failed != 0)
