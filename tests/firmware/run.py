"""run.py [TARGET...]: builds the library for microcontrollers, holds it to its budgets and runs
models on emulated devices: the logits of 200 tokens must hash as on this machine, in this build and
on every tier. The models: story-tiny; stories260K, for which the budgets are, where GOLDENS has it;
else one made from a seed for the types that story-tiny is not in. Then examples/firmware tells a
story. Installs nothing; ends in "N passed, N failed"."""

import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

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
MOST_CODE, MOST_CORE = 24 * 1024, 10 * 1024
SMALL, MOST_STACK = "FEATURES=-DMOTE_TYPE_Q4=1", 1024
MOST_STACK_TEXT = 1792  # with MOTE_TEXT_STEPS: it is normalisation that takes it
MOST_FLASH, MOST_RAM = 256 * 1024, 128 * 1024  # of the example with story-tiny
STORY_TINY = ROOT / "models/story-tiny.mote"
PROMPT = "Once upon a time"
N_TOKENS = 200
CPU_M4F = "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16".split()
# A baked file; whether it was trained: then its texts are compared; whether the budgets are for it.
Model = collections.namedtuple("Model", "file trained budgets")
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


def check_library(target, folder, most_stack):
    library, name = str(folder / "libmote.a"), folder.name
    check(f"{name}: symbols", not (need := budgets.needed(cross(target), library)), need or "")
    check(f"{name}: no RAM of its own", (n := budgets.ram(cross(target), library)) == 0, n)
    try:
        graph = budgets.Graph(folder)
        deep = max((graph.deepest(f) for f in budgets.API), key=lambda d: d[0])
        check(f"{name}: stack", deep[0] <= most_stack, f"{deep[0]} bytes, {' '.join(deep[1])}")
    except ValueError as error:
        check(f"{name}: stack", False, error)


def check_size():
    folder = OUT / "size"
    if make("m4f", folder, "KERNEL_OPT=-Os", SMALL):
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


def ask(command, model, question, *options):
    done = subprocess.run([MOTE, command, model, "--jsonl", *options], input=json.dumps(question),
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def expected(model):
    """Hash, text and hash of the prompt's ids that this machine gives, the same on all its tiers."""
    ids = ask("tokenize", model, {"text": PROMPT})["ids"]
    rows = {"ids": ids, "greedy": N_TOKENS + 1 - len(ids)}
    tiers = subprocess.run([MOTE, "doctor", "--quick"], capture_output=True, text=True).stdout
    answers = [ask("logits", model, rows, "--kv", "q8", "-t", "1", "--isa", tier)
               for tier in re.search(r"^tiers: (.*)$", tiers, re.M)[1].split()]
    check(f"{model.name}: one hash on this machine's tiers",
          len({a["hash"] for a in answers}) == 1, answers[0]["hash"])
    text = ask("detokenize", model, {"ids": answers[0]["greedy"]}, "--skip-special")["text"]
    encoded = 0xcbf29ce484222325
    for byte in b"".join(i.to_bytes(4, "little") for i in ids):
        encoded = (encoded ^ byte) * 0x100000001b3 % 2**64
    return answers[0]["hash"], text, f"{encoded:016x}"


def sizes(file):
    """The parts of the arena by the baked file's header."""
    header = pathlib.Path(f"{file}.h").read_text()
    return [int(n) for n in re.findall(r"_(?:MODEL|TOKENIZER|SESSION)_BYTES (\d+)u", header)]


def check_run(target, folder, model, want):
    if not make(target, folder, f"MODEL={model.file}"):
        return
    got = emulate(target, folder / "test.elf")
    name = f"{target}, {model.file.stem}"
    if not check(f"{name}: runs to its end", got["done"], "" if got["done"] else got["end"]):
        return
    check(f"{name}: hash", got["hash"] == want[0], f"{got['hash']}, tier {got['tier']}")
    if model.trained:  # seeded weights make broken UTF-8, which programs mend each in their way
        check(f"{name}: text", got["text"].strip() == want[1].strip())
    check(f"{name}: ids of a text", got["encoded"] == want[2], got["encoded"])
    detail = f"{int(got['mean']):,} a token, arena {int(got['arena']):,} bytes"
    check(f"{name}: arena as baked", sum(sizes(model.file)) == int(got["arena"]))
    most = TARGETS[target][1] * (2 if "q4" in model.file.stem else 1)  # levels are looked up
    fits = not model.budgets or int(got["mean"]) <= most
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
    if make(target, folder, f"MODEL={model.file}", "ONE=1"):
        got = emulate(target, folder / "test.elf")
        check(f"{target}, amalgamation: hash", got["done"] and got["hash"] == want[0], got["hash"])


def check_arena(model):
    """The issue's budgets for stories260K with q8 keys and values, by context."""
    for n_ctx, most in MOST_ARENA.items():
        out = model.with_suffix(f".{n_ctx}.bin")
        subprocess.run([MOTE, "bake", model, "-o", out, "-c", str(n_ctx), "--kv", "q8", "--force"],
                       check=True)
        n = sum(sizes(out))
        check(f"arena at context {n_ctx}", n <= most, f"{n} bytes")


def told(elf, n_bytes):
    """What the example says to a line, n_bytes of it at most; it goes on listening then."""
    device = subprocess.Popen([qemu("m4f"), "-machine", TARGETS["m4f"][0], "-display", "none",
                               "-monitor", "none", "-serial", "stdio", "-kernel", str(elf)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    end = threading.Timer(60, device.kill)
    end.start()
    device.stdin.write(PROMPT.encode() + b"\n")
    device.stdin.flush()
    said = device.stdout.read(n_bytes)
    end.cancel()
    device.kill()
    device.communicate()
    return said


def check_example():
    """Builds it with story-tiny and lets it tell a story, the one that this machine tells."""
    done = subprocess.run(["sh", "examples/firmware/build.sh"], cwd=ROOT, capture_output=True,
                          text=True, env={**os.environ, "MOTE": str(MOTE)})
    if not check("example: builds", done.returncode == 0, done.stderr[-2000:]):
        return
    elf = ROOT / "build/example.elf"
    size = {w[0]: int(w[1]) for w in map(str.split, budgets.output(
        "arm-none-eabi-size", "-A", str(elf)).splitlines()) if w and w[0].startswith(".")}
    flash = sum(n for part, n in size.items() if part in (".text", ".model", ".data"))
    ram = sum(n for part, n in size.items() if part in (".arena", ".test", ".data", ".stack"))
    check("example: flash with the model", flash <= MOST_FLASH, f"{flash} bytes")
    check("example: RAM with the stack", ram <= MOST_RAM, f"{ram} bytes")
    want = subprocess.run([MOTE, "run", STORY_TINY, "--raw", "-p", PROMPT, "--temp", "0", "--kv",
                           "q8", "-c", "256", "--no-loop-stop", "-q"], capture_output=True,
                          check=True).stdout.rstrip(b"\n") + b"\n"
    said = told(elf, len(want))
    check("example: tells the story", said == want, said[:60])


def bake(model, trained, with_budgets):
    baked = model.with_suffix(".bin")
    subprocess.run([MOTE, "bake", model, "-o", baked, "-c", "256", "--kv", "q8", "--force"],
                   check=True)
    check(f"{model.stem}: baked file verifies",
          subprocess.run([MOTE, "verify", baked], capture_output=True).returncode == 0)
    return Model(baked, trained, with_budgets)


def models(folder):
    made = []
    if STORY_TINY.exists():
        made.append(bake(pathlib.Path(shutil.copy(STORY_TINY, folder / "story-tiny-q8.mote")),
                         True, False))
    else:
        print("skipped: story-tiny: no models/story-tiny.mote")
    story = pathlib.Path(os.environ.get("GOLDENS", ROOT / "../shared/goldens")) / "stories260k"
    if story.is_dir():
        source = [story / "stories260K.bin", "--vocab", story / "tok512.bin"]
    else:  # seeded weights in its shape
        import tiny
        source = [folder / "seeded.bin", "--vocab", folder / "words.bin"]
        source[0].write_bytes(tiny.llama2c(shape=(64, 172, 5, 8, 4, 512, 512)))
        source[2].write_bytes(tiny.llama2c_vocab(512))
    for kind in ("q8", "q4") if story.is_dir() or not made else ("q4",):
        out = folder / f"model-{kind}.mote"
        subprocess.run([MOTE, "convert", *source, "-o", out, "--type", kind, "--force", "-q"],
                       check=True)
        made.append(bake(out, story.is_dir(), story.is_dir()))
        if story.is_dir() and kind == "q8":
            check_arena(out)
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
        made = models(pathlib.Path(temporary))
        for model in made:
            want = expected(model.file)
            for target in {"m4f", "m55"} & set(targets) if model is made[0] else ():
                check_one(target, model, want)
            for target in targets:
                check_run(target, OUT / target, model, want)
        for target in targets:
            check_library(target, OUT / target, MOST_STACK_TEXT)
            if make(target, OUT / f"small-{target}", SMALL):
                check_library(target, OUT / f"small-{target}", MOST_STACK)
            if target in TIERS:
                check_kernels(target, OUT / target)
    if STORY_TINY.exists():
        check_example()
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
