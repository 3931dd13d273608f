#!/usr/bin/env python3
"""How good are story models? evaluate.py MOTE HELD.txt MODEL.mote...

For each: perplexity for a byte of the texts set aside, and of 20 prompts times five seeds the share of good stories:
of a hundred words and more, up to the end of a sentence, without eight words that come twice."""
import json
import math
import pathlib
import subprocess
import sys
import tempfile

from texts import END, N_GRAM, SENTENCE_END, WORD

PROMPTS = """Once upon a time, there was a little girl named Lily|One day, a boy named Tom went to the park|
Once upon a time, in a big forest, there lived a small bear|One day, a cat and a dog|Tim had a red ball|
Sara and her mom went to the beach|There was once a tiny bird|One morning, Ben found a big box|
A little fish lived in the blue sea|Anna wanted to bake a cake|Once upon a time, there was an old tree|
The sun was shining and Max was happy|One day, a rabbit lost his hat|Mia had a toy car|
It was a rainy day|A brave mouse lived in a house|Once there was a king|Leo and Zoe were best friends|
One night, a girl looked at the stars|A duck wanted to learn to sing""".replace("\n", "").split("|")
SEEDS, LEAST = 5, 100


def run(*args, stdin=None):
    return subprocess.run(list(map(str, args)), input=stdin, check=True, stdout=subprocess.PIPE, text=True).stdout


def per_byte(mote, model, plain):
    """exp of nats a byte of a text: the mean of a token times tokens a byte."""
    got = json.loads(run(mote, "perplexity", model, "-f", plain, "-c", 256, "--json", "-q"))
    n = int(run(mote, "tokenize", model, "-f", plain, "--count").split()[0])
    return math.exp(got["mean_nll"] * n / plain.stat().st_size)


def is_good(text):
    words = list(WORD.finditer(text))
    if len(words) < LEAST:
        return False
    at = words[LEAST - 1].start()
    end = next((m.end() for m in SENTENCE_END.finditer(text) if m.end() > at), None)
    if end is None:
        return False
    said = [w.lower() for w in WORD.findall(text[:end])]
    grams = [tuple(said[i:i + N_GRAM]) for i in range(len(said) - N_GRAM + 1)]
    return len(set(grams)) == len(grams)


def share_of_good(mote, model):
    rows = [{"prompt": p, "seed": s} for p in PROMPTS for s in range(SEEDS)]
    lines = run(mote, "run", model, "--raw", "--jsonl", "-n", 400, "-q",
                stdin="".join(json.dumps(r) + "\n" for r in rows)).splitlines()
    texts = [r["prompt"] + json.loads(line)["text"] for r, line in zip(rows, lines)]
    return sum(map(is_good, texts)) / len(texts)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    mote, held = sys.argv[1], pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        plain = pathlib.Path(folder) / "held.txt"
        plain.write_text(held.read_text().replace(f"\n{END}\n", "\n\n"))
        for model in sys.argv[3:]:
            print(f"{model}: perplexity for a byte {per_byte(mote, model, plain):.4f}, "
                  f"good stories {100 * share_of_good(mote, model):.0f} %")


if __name__ == "__main__":
    main()
