#!/usr/bin/env python3
"""Trains a small Llama: train.py TOKENS OUT --shape story|story-tiny [--steps N] [--seed 1]

TOKENS: what vocabulary.py wrote. OUT becomes a folder as on the hub (config.json, model.safetensors, tokenizer), with
log.csv (step, loss, loss on texts set aside, tokens a second; each of the first 200 steps, then every 20th) and
options.json, by which again.py trains a second time. Every 500 steps all is kept in OUT/state.pt: begun again it goes
on from there, with the same losses, and the log as if it had never stopped. Which tokens a step sees follows from seed
and step alone. --stop N ends after N steps of a longer run, which can go on later."""
import argparse
import json
import math
import os
import pathlib
import shutil
import sys
import time

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from texts import END

SHAPES = {  # parameters with 1,024 entries: 139 thousand (256 KiB of flash with the library), 1.73 million
    "story-tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                   "intermediate_size": 128, "max_position_embeddings": 256},
    "story": {"hidden_size": 160, "num_hidden_layers": 6, "num_attention_heads": 5, "num_key_value_heads": 1,
              "intermediate_size": 416, "max_position_embeddings": 512}}
RATE = {"story-tiny": 8e-3, "story": 4e-3}
SHORT, LONG_FROM = 256, 0.75  # windows are so long at first, from this share of the steps on as long as the context
WARM_UP, DECAY, CLIP, HELD, EACH = 100, 0.1, 1.0, 64, 200


def make_model(shape, n_vocab):
    config = LlamaConfig(vocab_size=n_vocab, tie_word_embeddings=True, rms_norm_eps=1e-5, rope_theta=10000.0,
                         bos_token_id=0, eos_token_id=0, **SHAPES[shape])
    return LlamaForCausalLM(config)


def batch_of(ids, seed, step, n, length):
    places = np.random.default_rng([seed, step]).integers(0, len(ids) - length - 1, n)
    return torch.from_numpy(np.stack([ids[p:p + length + 1] for p in places]).astype(np.int64))


def loss_of(model, rows):
    logits = model(rows[:, :-1]).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten())


@torch.no_grad()
def held_loss(model, ids):
    model.eval()
    rows = batch_of(ids, 0, 0, HELD, SHORT)
    loss = sum(loss_of(model, rows[i:i + 16]).item() for i in range(0, HELD, 16)) / (HELD / 16)
    model.train()
    return loss


def rate_at(step, steps, most):
    if step < WARM_UP:
        return most * (step + 1) / WARM_UP
    return most * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / max(steps - WARM_UP, 1))))


def make_optimizer(model, rate):
    wide = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    return torch.optim.AdamW([{"params": wide, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}],
                             lr=rate, betas=(0.9, 0.95))


def keep(path, **state):
    torch.save(state, f"{path}.new")
    os.replace(f"{path}.new", path)


def write_folder(model, tokens, out):
    model.save_pretrained(out)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokens / name, out / name)
    (out / "generation_config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": 0}) + "\n")


def take_up(path, model, optimizer):
    """The step to go on behind."""
    if not path.exists():
        return 0
    state = torch.load(path)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def open_log(path, step):
    """Rows of later steps than the one that was kept come again."""
    rows = path.read_text().splitlines(keepends=True) if path.exists() else []
    kept = "".join(row for row in rows if row.endswith("\n") and int(row.split(",")[0]) <= step)
    path.with_suffix(".new").write_text(kept)
    os.replace(path.with_suffix(".new"), path)
    return open(path, "a")


def note_options(args):
    """What the losses follow from; a folder goes on with what it began with."""
    path, names = args.out / "options.json", ("shape", "steps", "batch", "rate", "seed", "threads")
    options = {name: getattr(args, name) for name in names}
    if (args.out / "state.pt").exists() and path.exists() and json.loads(path.read_text()) != options:
        sys.exit(f"{args.out}: begun with other options: {path.read_text().strip()}")
    path.write_text(json.dumps(options) + "\n")


def train(args, model, ids, held):
    context, most = SHAPES[args.shape]["max_position_embeddings"], args.rate or RATE[args.shape]
    optimizer, path = make_optimizer(model, most), args.out / "state.pt"
    first = take_up(path, model, optimizer)
    log, begun, end = open_log(args.out / "log.csv", first), time.monotonic(), min(args.stop or args.steps, args.steps)
    for step in range(first, end):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, args.steps, most)
        length = context if step >= LONG_FROM * args.steps else SHORT
        loss = loss_of(model, batch_of(ids, args.seed, step + 1, args.batch * SHORT // length, length))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        final = step + 1 == args.steps
        if step < EACH or (step + 1) % 20 == 0 or final:
            shown = f"{held_loss(model, held):.4f}" if (step + 1) % 100 == 0 or final else ""
            speed = (step + 1 - first) * args.batch * SHORT / (time.monotonic() - begun)
            log.write(f"{step + 1},{loss.item():.4f},{shown},{speed:.0f}\n")
            log.flush()
            print(f"\rstep {step + 1} of {args.steps}, loss {loss.item():.4f}, {speed:.0f} tokens/s, "
                  f"{(end - step - 1) * args.batch * SHORT / speed / 60:.0f} min to go ", end="", file=sys.stderr)
        if (step + 1) % args.keep == 0 or step + 1 == end:
            keep(path, model=model.state_dict(), optimizer=optimizer.state_dict(), step=step + 1)
    log.close()
    print(file=sys.stderr)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tokens", type=pathlib.Path)
    p.add_argument("out", type=pathlib.Path)
    p.add_argument("--shape", choices=SHAPES, required=True)
    p.add_argument("--steps", type=int, default=2000)
    p.add_argument("--batch", type=int, default=16, help="windows of 256 tokens")
    p.add_argument("--rate", type=float, default=0.0, help="the most; 0: the shape's")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--stop", type=int, default=0, help="the last step of this time; 0: all")
    p.add_argument("--keep", type=int, default=500, help="steps between two states that are kept")
    p.add_argument("--threads", type=int, default=2, help="sums depend on it")
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # 3 % of the time
    ids, held = (np.load(args.tokens / f"{name}.npy", mmap_mode="r") for name in ("train", "held"))
    n_vocab = len(json.loads((args.tokens / "tokenizer.json").read_text())["model"]["vocab"])
    model = make_model(args.shape, n_vocab)
    print(f"{args.shape}: {sum(p.numel() for p in model.parameters())} parameters, {n_vocab} entries with {END}",
          file=sys.stderr)
    note_options(args)
    train(args, model, ids, held)
    write_folder(model, args.tokens, args.out)


if __name__ == "__main__":
    main()
