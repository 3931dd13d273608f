#!/usr/bin/env python3
"""Learns the tokenizer and lays the texts out as ids: vocabulary.py FOLDER OUT [--size 1024]

A byte-level BPE as GPT-2's, learnt from FOLDER/train.txt; id 0, <|endoftext|>, begins and ends a text. Written:
OUT/tokenizer.json, OUT/tokenizer_config.json, OUT/train.npy and OUT/held.npy (uint16, each text behind an id 0)."""
import argparse
import json
import pathlib

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from texts import END, texts_of


def learn(texts, size):
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, special_tokens=[END], initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False))
    made.post_processor = processors.TemplateProcessing(single=f"{END} $A", special_tokens=[(END, 0)])
    return made


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("out", type=pathlib.Path)
    p.add_argument("--size", type=int, default=1024)
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    made = learn(texts_of(args.folder / "train.txt"), args.size)
    made.save(str(args.out / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": END, "eos_token": END, "add_bos_token": True}
    (args.out / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    for name in ("train", "held"):
        texts = texts_of(args.folder / f"{name}.txt")
        ids = np.array([i for e in made.encode_batch(texts) for i in e.ids] + [0], dtype=np.uint16)
        np.save(args.out / f"{name}.npy", ids)
        print(f"{name}: {len(texts)} texts, {len(ids)} tokens, "
              f"{sum(len(t.encode()) for t in texts) / len(ids):.2f} bytes a token")


if __name__ == "__main__":
    main()
