#!/usr/bin/env python3
"""Does the recipe give the same again? again.py MOTE SMOLLM2.mote FOLDER OTHER [--answers 64] [--steps 200]

FOLDER has texts, tokens and the trained story-tiny, story or both, as the README's commands made them. In OTHER (made,
or gone on with) the first answers are written anew, the texts picked anew out of FOLDER's answers, the tokenizer learnt
and the first steps trained. One line for each thing compared; the exit code is 1 if one differs."""
import argparse
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SHAPES = ("story-tiny", "story")


def step(name, *args):
    subprocess.run([sys.executable, str(HERE / name), *map(str, args)], check=True, stdout=subprocess.DEVNULL)


def first_lines(path, n):
    with open(path, "rb") as f:
        return [line for _, line in zip(range(n), f)]


def losses(folder):
    rows = (line.split(",") for line in (folder / "log.csv").read_text().splitlines())
    return {int(row[0]): row[1] for row in rows}


def write(args, folder, other):
    step("write.py", args.mote, args.model, other / "answers", "--prompts", args.answers, "-j", 2)
    one, two = ([line for path in sorted(p.glob("*.jsonl")) for line in first_lines(path, args.answers)][:args.answers]
                for p in (folder / "texts", other / "answers"))
    yield f"the first {args.answers} answers", len(one) == args.answers and one == two


def pick(folder, other):
    texts = other / "texts"
    texts.mkdir(exist_ok=True)
    for path in (folder / "texts").glob("*.jsonl"):
        link = texts / path.name
        if not link.is_symlink():
            link.symlink_to(path.resolve())
    step("texts.py", texts)
    for name in ("train.txt", "held.txt"):
        yield f"texts/{name}", (texts / name).read_bytes() == (folder / "texts" / name).read_bytes()


def learn(folder, other):
    n_vocab = len(json.loads((folder / "tokens/tokenizer.json").read_text())["model"]["vocab"])
    step("vocabulary.py", other / "texts", other / "tokens", "--size", n_vocab)
    for name in ("tokenizer.json", "train.npy", "held.npy"):
        yield f"tokens/{name}", (other / "tokens" / name).read_bytes() == (folder / "tokens" / name).read_bytes()


def train(args, folder, other, shape):
    options = json.loads((folder / shape / "options.json").read_text())
    flags = [text for name, value in options.items() for text in (f"--{name}", value)]
    step("train.py", other / "tokens", other / shape, *flags, "--stop", args.steps)
    one, two = losses(folder / shape), losses(other / shape)
    steps = [n for n in one if n <= args.steps]
    apart = [n for n in steps if one[n] != two.get(n)]
    where = f", first apart at step {apart[0]}: {one[apart[0]]}, {two.get(apart[0])}" if apart else ""
    yield f"{shape}: {len(steps)} losses of the first {args.steps} steps{where}", bool(steps) and not apart


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("mote")
    p.add_argument("model")
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("other", type=pathlib.Path)
    p.add_argument("--answers", type=int, default=64)
    p.add_argument("--steps", type=int, default=200)
    args = p.parse_args()
    folder, other, good = args.folder, args.other, True
    other.mkdir(parents=True, exist_ok=True)
    parts = [write(args, folder, other), pick(folder, other), learn(folder, other)]
    parts += [train(args, folder, other, shape) for shape in SHAPES if (folder / shape).is_dir()]
    for part in parts:
        for what, same in part:
            print(f"{'equal' if same else 'DIFFERS'}: {what}", flush=True)
            good = good and same
    sys.exit(not good)


if __name__ == "__main__":
    main()
