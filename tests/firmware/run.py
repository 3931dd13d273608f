"""run.py [TARGET...]: builds the library for microcontrollers, holds it to its budgets and runs a
model on emulated devices: the logits of 200 tokens must hash as on this machine, in this build and
on every tier. The model: stories260K where GOLDENS has it, else one made from a seed. Installs
nothing; ends in "N passed, N failed"."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests/corpus")]
import budgets  # noqa: E402

MOTE = ROOT / os.environ.get("MOTE_BUILD", "build/release") / "mote"
OUT = ROOT / "build/firmware"
# target: machine of qemu-system, most instructions a token (mean of 200, stories260K in q8;
# q4: twice that).
TARGETS = {
    "m4f": ("mps2-an386", 0.80e6), "stm32f405": ("netduinoplus2", 0.80e6),
    "m7": ("mps2-an500", 0.80e6), "m33": ("mps2-an505", 0.80e6), "m55": ("mps3-an547", 0.25e6),
    "rv32imafc": ("virt", 7.0e6), "m3": ("mps2-an385", 60e6), "m0plus": ("mps2-an385", 120e6),
    "rv32imc": ("virt", 100e6),
}
TIERS = ("m4f", "m7", "m33", "m55")  # those with kernels of their own
MOST_ARENA = {128: 56 * 1024, 256: 108 * 1024, 512: 210 * 1024}
MOST_CODE, MOST_CORE, MOST_STACK = 24 * 1024, 10 * 1024, 1024
CPU_M4F = "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16".split()
passed = failed = 0


def check(name, ok, detail=""):
    global passed, failed
    print(("ok   " if ok else "FAIL ") + name + (f": {detail}" if detail != "" else ""), flush=True)
    passed, failed = passed + bool(ok), failed + (not ok)
    return ok


def cross(target):
    return "riscv64-unknown-elf-" if target.startswith("rv") else "arm-none-eabi-"


def make(target, folder, *settings):
    own = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKEOVERRIDES", "CC")}
    done = subprocess.run(["make", "-s", "-f", "tests/firmware/firmware.mk", f"TARGET={target}",
                           f"D={folder}", "WERROR=-Werror", *settings], cwd=ROOT,
                          capture_output=True, text=True, env=own)
    return check(f"{target}: builds", done.returncode == 0, done.stderr[-2000:])


def check_library(target, folder):
    library = str(folder / "libmote.a")
    check(f"{target}: symbols", not (need := budgets.needed(cross(target), library)), need or "")
    check(f"{target}: no RAM of its own", (n := budgets.ram(cross(target), library)) == 0, n)
    try:
        graph = budgets.Graph(folder)
        deep = max((graph.deepest(f) for f in budgets.API), key=lambda d: d[0])
        check(f"{target}: stack", deep[0] <= MOST_STACK, f"{deep[0]} bytes, {' '.join(deep[1])}")
    except ValueError as error:
        check(f"{target}: stack", False, error)


def check_size():
    folder = OUT / "size"
    if make("m4f", folder, "KERNEL_OPT=-Os"):
        for name, roots, most in (("library", budgets.API, MOST_CODE),
                                  ("forward pass", budgets.CORE, MOST_CORE)):
            n = budgets.code(cross("m4f"), str(folder / "libmote.a"), CPU_M4F, roots,
                             folder / "linked.elf")
            check(f"m4f: code of the {name} at -Os", n <= most, f"{n} bytes")


def qemu(target):
    return "qemu-system-riscv32" if target.startswith("rv") else "qemu-system-arm"


def command(target, elf):
    """Runs a program of a device; what it prints comes to stdout."""
    bios = ["-bios", "none"] if target.startswith("rv") else []
    return [qemu(target), "-machine", TARGETS[target][0], *bios, "-display", "none", "-serial",
            "none", "-monitor", "none", "-chardev", "stdio,id=sh", "-semihosting-config",
            "enable=on,target=native,chardev=sh", "-icount", "shift=0", "-kernel", str(elf)]


def emulate(target, elf):
    done = subprocess.run(command(target, elf), capture_output=True, text=True, timeout=900,
                          stdin=subprocess.DEVNULL)
    found = dict(re.findall(r"^(hash|mean|arena|stack|tier|sampled|encoded) (\S+)$", done.stdout, re.M))
    text = re.search(r"^text (.*?)\nhash ", done.stdout, re.M | re.S)
    found["text"] = text[1] if text else None
    found["done"] = done.returncode == 0 and done.stdout.endswith("done\n")
    found["end"] = done.stdout[-60:]
    return found


def expected(model):
    """Hash and text that this machine gives, the same on all its tiers."""
    ask = json.dumps({"ids": [1], "greedy": 200})
    tiers = subprocess.run([MOTE, "doctor", "--quick"], capture_output=True, text=True).stdout
    answers = []
    for tier in re.search(r"^tiers: (.*)$", tiers, re.M)[1].split():
        done = subprocess.run([MOTE, "logits", model, "--jsonl", "--kv", "q8", "-t", "1", "--isa",
                               tier], input=ask, capture_output=True, text=True, check=True)
        answers.append(json.loads(done.stdout))
    check(f"{model.name}: one hash on this machine's tiers",
          len({a["hash"] for a in answers}) == 1, answers[0]["hash"])
    ids = json.dumps({"ids": answers[0]["greedy"]})
    text = subprocess.run([MOTE, "detokenize", model, "--jsonl", "--skip-special"], input=ids,
                          capture_output=True, text=True, check=True).stdout
    prompt = json.dumps({"text": "Once upon a time"})
    ids = json.loads(subprocess.run([MOTE, "tokenize", model, "--jsonl"], input=prompt,
                                    capture_output=True, text=True, check=True).stdout)["ids"]
    encoded = 0xcbf29ce484222325
    for byte in b"".join(i.to_bytes(4, "little") for i in ids):
        encoded = (encoded ^ byte) * 0x100000001b3 % 2**64
    return answers[0]["hash"], json.loads(text)["text"], f"{encoded:016x}"


def check_run(target, folder, model, want, is_story):
    if not make(target, folder, f"MODEL={model}"):
        return
    got = emulate(target, folder / "test.elf")
    name = f"{target}, {model.stem}"
    if not check(f"{name}: runs to its end", got["done"], "" if got["done"] else got["end"]):
        return
    check(f"{name}: hash", got["hash"] == want[0], f"{got['hash']}, tier {got['tier']}")
    if is_story:  # seeded weights make broken UTF-8, which programs mend each in their way
        check(f"{name}: text", got["text"].strip() == want[1].strip())
    check(f"{name}: ids of a text", got["encoded"] == want[2], got["encoded"])
    detail = f"{int(got['mean']):,} a token, arena {int(got['arena']):,} bytes"
    header = pathlib.Path(f"{model}.h").read_text()
    sizes = re.findall(r"_(?:MODEL|TOKENIZER|SESSION)_BYTES (\d+)u", header)
    check(f"{name}: arena as baked", sum(map(int, sizes)) == int(got["arena"]))
    most = TARGETS[target][1] * (2 if "q4" in model.stem else 1)  # levels are looked up
    fits = not is_story or int(got["mean"]) <= most
    check(f"{name}: instructions", fits, detail)


def check_kernels(target, folder):
    """Its own kernels against ref, on the device."""
    if make(target, folder, str(folder / "kernels.elf")):
        got = emulate(target, folder / "kernels.elf")
        check(f"{target}: kernels as ref", got["done"], got["end"].replace("\n", " ").strip())


def check_one(target, model, want):
    """The same of the amalgamation."""
    folder = OUT / f"one-{target}"
    subprocess.run([sys.executable, ROOT / "tools/amalgamate.py", ROOT / "build/amalgamation"],
                   check=True)
    if make(target, folder, f"MODEL={model}", "ONE=1"):
        got = emulate(target, folder / "test.elf")
        check(f"{target}, amalgamation: hash", got["done"] and got["hash"] == want[0], got["hash"])


def check_arena(model):
    """The issue's budgets for stories260K with q8 keys and values, by context."""
    for n_ctx, most in MOST_ARENA.items():
        out = model.with_suffix(f".{n_ctx}.bin")
        subprocess.run([MOTE, "bake", model, "-o", out, "-c", str(n_ctx), "--kv", "q8", "--force"],
                       check=True)
        header = pathlib.Path(f"{out}.h").read_text()
        n = sum(map(int, re.findall(r"_(?:MODEL|TOKENIZER|SESSION)_BYTES (\d+)u", header)))
        check(f"arena at context {n_ctx}", n <= most, f"{n} bytes")


def models(folder):
    """(file, is stories260K)"""
    story = pathlib.Path(os.environ.get("GOLDENS", ROOT / "../shared/goldens")) / "stories260k"
    made = []
    for kind in ("q8", "q4"):
        out = folder / f"model-{kind}.mote"
        if story.is_dir():
            source = [story / "stories260K.bin", "--vocab", story / "tok512.bin"]
        else:  # seeded weights in its shape
            import tiny
            source = [folder / "seeded.bin", "--vocab", folder / "words.bin"]
            source[0].write_bytes(tiny.llama2c(shape=(64, 172, 5, 8, 4, 512, 512)))
            source[2].write_bytes(tiny.llama2c_vocab(512))
        subprocess.run([MOTE, "convert", *source, "-o", out, "--type", kind, "--force", "-q"],
                       check=True)
        baked = out.with_suffix(".bin")
        subprocess.run([MOTE, "bake", out, "-o", baked, "-c", "256", "--kv", "q8", "--force"],
                       check=True)
        check(f"{out.stem}: baked file verifies",
              subprocess.run([MOTE, "verify", baked], capture_output=True).returncode == 0)
        if story.is_dir() and kind == "q8":
            check_arena(out)
        made.append((baked, story.is_dir()))
    return made


def main():
    targets = sys.argv[1:] or list(TARGETS)
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm", "riscv64-unknown-elf-gcc",
                 "qemu-system-riscv32"):
        if not shutil.which(tool):
            print(f"skipped: firmware: no {tool} (tools/deps.sh --all)")
            print("0 passed, 0 failed")
            return 0
    check_size()
    with tempfile.TemporaryDirectory() as temporary:
        for model, is_story in models(pathlib.Path(temporary)):
            want = expected(model)
            for target in {"m4f", "m55"} & set(targets) if model.stem.endswith("q8") else ():
                check_one(target, model, want)
            for target in targets:
                folder = OUT / target
                check_run(target, folder, model, want, is_story)
                if model.stem.endswith("q8"):
                    check_library(target, folder)
                    if target in TIERS:
                        check_kernels(target, folder)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
