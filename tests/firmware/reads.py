"""reads.py [TARGET...]: how often a device loads each byte of the model for one token, counted by a
plugin of the emulator (reads.c) during one mote_forward of run.py's program. Every byte of a matrix
is loaded once; the embedding's row of the token besides, where it is the head's too. Prints a line
for each part of the file. Skips with a notice where the emulator takes no plugins."""

import array
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

import run

DEFAULT = ("m55", "m4f", "m3")  # one of each tier
ROW_BYTES = 64 + 4  # of the embedding: codes and scales
SKIP = 2  # calls before the one that is watched


def plugin(folder, target):
    """The plugin for this emulator, or None. API: the versions that have what reads.c uses."""
    for api in range(1, 6):
        library = folder / f"reads-{api}.so"
        built = subprocess.run(["cc", "-O2", "-shared", "-fPIC", f"-DAPI={api}",
                                run.HERE / "reads.c", "-o", library], capture_output=True)
        asked = subprocess.run([run.qemu(target), "-machine", "none", "-display", "none",
                                "-monitor", "stdio", "-plugin", f"{library},bytes=1,out=/dev/null"],
                               capture_output=True, text=True, input="quit\n")
        if not built.returncode and not asked.returncode:
            return library
    return None


def count(target, elf, library, out):
    """Loads of each byte of the model."""
    names = subprocess.run([run.cross(target) + "nm", elf], capture_output=True, text=True,
                           check=True).stdout
    at = {line.split()[2]: int(line.split()[0], 16) for line in names.splitlines()
          if len(line.split()) == 3}
    n_bytes = at["model_end"] - at["model_begin"]
    out.unlink(missing_ok=True)
    told = {"from": at["model_begin"], "bytes": n_bytes, "begin": at["board_count_begin"],
            "end": at["board_count_end"], "skip": SKIP, "out": out}
    subprocess.run([*run.command(target, elf), "-plugin",
                    ",".join([str(library)] + [f"{k}={v}" for k, v in told.items()])],
                   stdin=subprocess.DEVNULL, capture_output=True, timeout=900)
    counts = array.array("I")
    counts.frombytes(out.read_bytes() if out.exists() else b"")
    return counts if len(counts) == n_bytes else None


def parts(model):
    """(name, begin, end) of what the file holds, by the unbaked file's header; its bytes lie
    alike."""
    unbaked, baked = model.with_suffix(".mote").read_bytes(), model.read_bytes()
    n = int.from_bytes(unbaked[:8], "little")
    front = 8 + int.from_bytes(baked[:8], "little")
    for name, tensor in json.loads(unbaked[8:8 + n]).items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            yield name, len(tensor["shape"]) > 1, front + begin, front + end


def check_target(target, model, library, folder):
    if not run.make(target, run.OUT / target, f"MODEL={model}"):
        return
    counts = count(target, run.OUT / target / "test.elf", library, folder / "counts")
    name = f"{target}, {model.stem}"
    if not run.check(f"{name}: one token counted", counts is not None):
        return
    kinds = collections.defaultdict(collections.Counter)
    for part, is_matrix, begin, end in parts(model):
        kind = part.split(".")[-1] if is_matrix else "vectors"
        kinds["tokenizer" if part.startswith("__tok__") else "index" if part == "__mote__" else
              kind].update(counts[begin:end])
    for kind, times in kinds.items():
        print(f"     {name}: {kind}: " + ", ".join(f"{n:,} bytes {k} times" for k, n in
                                                   sorted(times.items())))
    embedding = kinds.pop("embed")
    again = sum(n for k, n in embedding.items() if k > 1)
    run.check(f"{name}: the embedding once, a row besides", embedding[1] > again <= ROW_BYTES,
              f"{embedding[1]:,} bytes once, {again} more often")
    matrices = sum((kinds[k] for k in kinds if k not in ("index", "tokenizer", "vectors")),
                   collections.Counter())
    run.check(f"{name}: the matrices once", max(matrices) == 1 and matrices[1] > 10 * matrices[0],
              f"{matrices[1]:,} bytes once, {matrices[0]:,} of padding not")


def main():
    targets = sys.argv[1:] or DEFAULT
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        made = [model.file for model in run.models(folder)]
        for target in targets:
            library = plugin(folder, target)
            if not library:
                print(f"skipped: reads: {run.qemu(target)} takes no plugins")
                continue
            for model in made:
                check_target(target, model, library, folder)
    print(f"{run.passed} passed, {run.failed} failed")
    return run.failed > 0


if __name__ == "__main__":
    sys.exit(main())
