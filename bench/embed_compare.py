#!/usr/bin/env python3
"""embed_compare.py [options] FOLDER: sentences a second of sentence-transformers (torch) and of mote, side
by side, and how near their embeddings are. FOLDER is a sentence encoder's hub folder. The engines run in
turns, so that what else the machine does hits both; what counts is the median of all rounds. Both begin at
the text; mote answers over a pipe. Beside the time on the clock there is the CPU time of all threads, which
says more on a busy machine. Wants torch, and sentence-transformers or else transformers."""
import argparse
import base64
import json
import os
import statistics
import struct
import subprocess
import tempfile
import time

TEXTS = """The cat sat on the mat.
How do I reset my password?
A plane is taking off from the runway.
Water boils at 100 degrees Celsius.
The committee will meet again on Thursday afternoon.
What is the capital of Australia?
Two dogs are running through the snow.
She plays the violin in a small orchestra.
Interest rates were raised by a quarter of a percent.
Please send the invoice to our office in Leeds.
The bridge was closed because of strong winds.
He forgot his umbrella on the train.
Which museums are open on Mondays?
The recipe asks for two eggs and a cup of flour.
Our flight was delayed for three hours.
Photosynthesis turns light into chemical energy.
The new phone has a better camera.
I would like to return these shoes.
Nobody knew where the key was.
The river rises in the mountains and flows north.
Children under six travel free of charge.
An old man is reading a newspaper in the park.
The server returned an error after thirty seconds.
They painted the kitchen in a pale yellow.
Vaccines train the immune system.
Is there a pharmacy near the station?
The second half of the film is much better.
Wheat prices fell for the third month in a row.
You can cancel your subscription at any time.
The moon has no atmosphere to speak of.
A guitarist is tuning his instrument on the stage.
Please keep the door closed in winter.""".split("\n")


# ---- torch ---------------------------------------------------------------------------------------

class Torch:
    name = "torch"

    def __init__(self, folder, threads):
        import torch
        torch.set_num_threads(threads)
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            self.use_transformers(torch, folder)
            return
        model = SentenceTransformer(folder, device="cpu")
        self.what = "sentence-transformers"
        self.embed = lambda texts: model.encode(texts, batch_size=len(texts), show_progress_bar=False)

    def use_transformers(self, torch, folder):
        from transformers import AutoModel, AutoTokenizer
        tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
        self.what = "transformers, mean of the tokens"

        def embed(texts):
            inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                hidden = model(**inputs).last_hidden_state
            mask = inputs["attention_mask"][..., None]
            mean = (hidden * mask).sum(1) / mask.sum(1)
            return torch.nn.functional.normalize(mean).numpy()
        self.embed = embed

    def cpu_seconds(self):
        return time.process_time()

    def vectors(self, texts):
        return [[float(x) for x in row] for row in self.embed(texts)]

    def close(self):
        pass


# ---- mote ----------------------------------------------------------------------------------------

class Mote:
    def __init__(self, program, model, kind, flags):
        self.name = self.what = f"mote {kind}"
        self.process = subprocess.Popen([program, "embed", model, "--jsonl", "-q", "--format", "base64", *flags],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lines = {}

    def embed(self, texts):
        for text in texts:
            if text not in self.lines:
                self.lines[text] = json.dumps({"text": text}).encode() + b"\n"
        self.process.stdin.write(b"".join(self.lines[t] for t in texts))
        self.process.stdin.flush()
        return [self.process.stdout.readline() for _ in texts]

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def vectors(self, texts):
        rows = [base64.b64decode(json.loads(line)["embedding"]) for line in self.embed(texts)]
        return [struct.unpack(f"<{len(row) // 4}f", row) for row in rows]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


# ---- comparing -----------------------------------------------------------------------------------

def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5


def measure(engine, batches, seconds):
    """Sentences a second on the clock, and seconds of CPU for one; all batches, again till the time is
    up: the system counts CPU time in hundredths of a second."""
    n, cpu, start = 0, engine.cpu_seconds(), time.perf_counter()
    while True:
        for batch in batches:
            engine.embed(batch)
            n += len(batch)
        took = time.perf_counter() - start
        if took >= seconds:
            return n / took, (engine.cpu_seconds() - cpu) / n


def in_turns(engines, batches, o):
    found = {e.name: [] for e in engines}
    for e in engines:
        e.embed(batches[0])
    for _ in range(o.rounds):
        for e in engines:
            found[e.name].append(measure(e, batches, o.seconds))
    return {name: [statistics.median(column) for column in zip(*rows)] for name, rows in found.items()}


def print_speed(title, engines, batches, o):
    rates = in_turns(engines, batches, o)
    base = rates[engines[0].name]
    print(f"\n| {title} | sentences/s | x torch | CPU us/sentence | x torch by CPU time |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for e in engines:
        rate, cpu = rates[e.name]
        print(f"| {e.what} | {rate:.0f} | {rate / base[0]:.1f} | {cpu * 1e6:.0f} | {base[1] / cpu:.1f} |",
              flush=True)


def print_cosines(engines, texts):
    want = engines[0].vectors(texts)
    print("\n| cosine with torch | mean | least |\n| --- | ---: | ---: |")
    for e in engines[1:]:
        all_of_it = [cosine(a, b) for a, b in zip(want, e.vectors(texts))]
        print(f"| {e.what} | {statistics.mean(all_of_it):.6f} | {min(all_of_it):.6f} |")


def options():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("folder")
    p.add_argument("--types", default="f32,q8,q4", help="what to convert to (f32,q8,q4)")
    p.add_argument("--texts", help="a file of sentences, one a line; else 32 short ones")
    p.add_argument("-t", "--threads", type=int, default=2, help="(2)")
    p.add_argument("-b", "--batch", type=int, default=32, help="sentences of a batch (32)")
    p.add_argument("-r", "--rounds", type=int, default=7, help="(7)")
    p.add_argument("--seconds", type=float, default=0.5, help="at least, for one measurement (0.5)")
    p.add_argument("--mote", default=os.environ.get("MOTE", "build/release/mote"))
    p.add_argument("--flags", default="", help="more flags for mote embed, as '--isa avx2'")
    return p.parse_args()


def main():
    o = options()
    texts = TEXTS
    if o.texts:
        with open(o.texts) as f:
            texts = [line.strip() for line in f if line.strip()]
    with tempfile.TemporaryDirectory() as tmp:
        engines = [Torch(o.folder, o.threads)]
        for kind in o.types.split(","):
            model = os.path.join(tmp, kind + ".mote")
            subprocess.run([o.mote, "convert", o.folder, "-o", model, "--type", kind, "-q"], check=True)
            engines.append(Mote(o.mote, model, kind, ["-t", str(o.threads), *o.flags.split()]))
        batches = [texts[i:i + o.batch] for i in range(0, len(texts), o.batch)]
        print(f"{len(texts)} sentences, {o.threads} threads, medians of {o.rounds} rounds in turns")
        print_cosines(engines, texts)
        print_speed("one by one", engines, [[t] for t in texts], o)
        print_speed(f"batches of {o.batch}", engines, batches, o)
        for e in engines:
            e.close()


if __name__ == "__main__":
    main()
