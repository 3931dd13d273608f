#!/usr/bin/env python3
"""mote's tokenizer against the Python packages tokenizers and tiktoken, in one run, interleaved, each on
one thread, by its own processor time: medians and ratios. Texts are cut behind line ends into documents
of 64 KiB, the same for all; ids are compared. tiktoken gets the vocabulary of tokenizer.json as its
ranks and tiktoken's own expression (it cannot have ids of merges that contradict the vocabulary's order).
Usage: tokenizer_compare.py BENCH_TOKENIZER MODEL.mote TOKENIZER.json gpt2|llama3|qwen2 TEXT..."""
import json
import os
import re
import statistics
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
ROUNDS, DOCUMENT = 3, 65536
PATTERNS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
              r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
             r"|\s*[\r\n]+|\s+(?!\S)|\s+",
}


def byte_letters():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return {**{chr(b): b for b in plain}, **{chr(256 + i): b for i, b in enumerate(rest)}}


def tiktoken_of(path, pattern):
    import tiktoken
    letters = byte_letters()
    with open(path, encoding="utf-8") as f:
        vocab = json.load(f)["model"]["vocab"]
    ranks = {bytes(letters[c] for c in text): i for text, i in vocab.items() if all(c in letters for c in text)}
    return tiktoken.Encoding("compared", pat_str=PATTERNS[pattern], mergeable_ranks=ranks, special_tokens={})


def documents(data):
    out, at = [], 0
    while at < len(data):
        end = min(at + DOCUMENT, len(data))
        if end < len(data):
            cut = data.rfind(b"\n", at, end) + 1
            end = cut or end
        out.append(data[at:end].decode("utf-8"))
        at = end
    return out


def measure(encode, docs):
    begin = time.process_time()
    n = sum(len(encode(d)) for d in docs)
    return n, time.process_time() - begin


def compare(bench, model, peers, path):
    with open(path, "rb") as f:
        data = f.read()
    docs = documents(data)
    speeds, ids = {name: [] for name in ("mote", *peers)}, {}
    for _ in range(ROUNDS):
        out = subprocess.run([bench, model, path, str(DOCUMENT)], capture_output=True, text=True, check=True).stdout
        n, speed = re.search(r"(\d+) ids, ([\d.]+) MB/s", out).groups()
        ids["mote"] = int(n)
        speeds["mote"].append(float(speed))
        for name, encode in peers.items():
            ids[name], took = measure(encode, docs)
            speeds[name].append(len(data) / took / 1e6)
    medians = {name: statistics.median(s) for name, s in speeds.items()}
    print(f"{os.path.basename(model)} {os.path.basename(path)}: " +
          ", ".join(f"{name} {m:.2f} MB/s ({ids[name]} ids)" for name, m in medians.items()) + "; " +
          ", ".join(f"{medians['mote'] / medians[name]:.1f} x {name}" for name in peers), flush=True)


def main():
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    from tokenizers import Tokenizer
    bench, model, source, pattern, *texts = sys.argv[1:]
    library, tik = Tokenizer.from_file(source), tiktoken_of(source, pattern)
    library.no_truncation()
    peers = {"tokenizers": lambda d: library.encode(d, add_special_tokens=False).ids,
             "tiktoken": tik.encode_ordinary}
    for path in texts:
        compare(bench, model, peers, path)


if __name__ == "__main__":
    main()
