#!/usr/bin/env python3
"""Picks the good texts and sets some aside: texts.py FOLDER reads FOLDER/*.jsonl (write.py), writes FOLDER/train.txt
and held.txt (one text after another, a line <|endoftext|> between), and prints what was left out and why.

A text is cut before its first repetition, before it talks about itself, and at the end of a sentence; it is good if
enough is left, in English letters, and little of it was in a text before."""
import json
import pathlib
import re
import sys
import zlib

END = "<|endoftext|>"
LEAST_STORY, LEAST_ANSWER = 60, 15  # words
N_GRAM = 8
MOST_KNOWN = 0.2   # share of its n-grams that other texts had
HELD_OF = 50       # one text of so many is set aside

GRIM = re.compile(r"\b(kill\w*|dead|death|dies?|died|dying|blood\w*|murder\w*|suicid\w*|guns?|knife|knives|god|drugs?|"
                  r"sex\w*|nude|naked|wine|beer|drunk|hell|damn|war|corpse|grave)\b", re.IGNORECASE)
ABOUT_ITSELF = re.compile(r"\b(as an ai|language model|this (little |short |simple )?(story|tale)|(in|of|to) the story|"
                          r"the (story|tale|moral) (is|was|of|ends|ended|begins|goes|teaches|shows|takes)|the end[.!]|"
                          r"write (a|the|your) (story|tale)|short story|questions?:|answers?:)", re.IGNORECASE)
# Of these, what stops the model already: a twentieth of all that it would write stands behind.
STOPS = (" this story", "This story", "he story goes", "he story of", "he story ends", "he story ended", "he story is",
         "he story was", "of the story", "in the story", "to the story", "The end.", "The End.")
WORD = re.compile(r"[A-Za-z']+")
SENTENCE_END = re.compile(r'[.!?]["\']?(?=\s|$)')
PLAIN = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": " - ", "\u2026": "..."}


def clean(text):
    for odd, plain in PLAIN.items():
        text = text.replace(odd, plain)
    text = re.sub(r"[*_#`]+", "", text)
    text = re.sub(r"[ \t]+", " ", text)
    return re.sub(r" ?\n\s*", "\n", text).strip()


def before_repetition(text):
    """Up to where words of the text come a second time in a row, or N_GRAM words anywhere."""
    places = [(m.start(), m.group().lower()) for m in WORD.finditer(text)]
    seen = set()
    for i in range(len(places)):
        word = [w for _, w in places[i:i + N_GRAM]]
        if len(word) >= 3 and word[0] == word[1] == word[2]:
            return text[:places[i][0]]
        if len(word) == N_GRAM:
            if tuple(word) in seen:
                return text[:places[i][0]]
            seen.add(tuple(word))
    return text


def before_itself(text):
    found = ABOUT_ITSELF.search(text)
    return text[:found.start()] if found else text


def whole_sentences(text):
    ends = [m.end() for m in SENTENCE_END.finditer(text)]
    return text[:ends[-1]] if ends else ""


def texts_of(path):
    """The texts of what this program wrote."""
    return [t for t in path.read_text().split(f"\n{END}\n") if t]


class Picker:
    """Texts in order: whether one is good depends on those before."""

    def __init__(self):
        self.known, self.left_out = set(), {}

    def _refuse(self, why):
        self.left_out[why] = self.left_out.get(why, 0) + 1

    def pick(self, row):
        """The good part, or None."""
        text = whole_sentences(before_repetition(before_itself(clean(row["begin"] + row["text"]))))
        found = WORD.findall(text.lower())
        if len(found) < (LEAST_ANSWER if row["question"] else LEAST_STORY):
            return self._refuse("too short, or repeats itself")
        if not text.isascii() or re.search(r"https?:|[\[\]{}<>|\\=]|\d{3}", text):
            return self._refuse("not plain English")
        if len(set(found)) < 0.35 * len(found):
            return self._refuse("few words")
        if GRIM.search(text):
            return self._refuse("not for children")
        grams = {zlib.crc32(" ".join(found[i:i + N_GRAM]).encode()) for i in range(len(found) - N_GRAM + 1)}
        if grams and len(grams & self.known) > MOST_KNOWN * len(grams):
            return self._refuse("known already")
        self.known |= grams
        return f"Question: {row['question']}\nAnswer: {text}" if row["question"] else text


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder, picker = pathlib.Path(sys.argv[1]), Picker()
    counts = {"train": [0, 0], "held": [0, 0]}
    rows = (json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in open(path, encoding="utf-8"))
    with open(folder / "train.txt", "w") as train, open(folder / "held.txt", "w") as held:
        for i, row in enumerate(rows):
            text = picker.pick(row)
            if text is None:
                continue
            name, out = ("held", held) if i % HELD_OF == 0 else ("train", train)
            out.write(f"{text}\n{END}\n")
            counts[name][0] += 1
            counts[name][1] += len(text)
    for name, (n, n_bytes) in counts.items():
        print(f"{name}: {n} texts, {n_bytes / 1e6:.2f} MB")
    for why, n in sorted(picker.left_out.items()):
        print(f"left out, {why}: {n}")


if __name__ == "__main__":
    main()
