"""Malformed tokenizers beside those of sources.py (anchors: reliability 6d): what is left of tokenizer.json,
tiktoken files, SentencePiece's models, GGUF vocabularies. Kinds as in sources.py; exit code 0: to be taken."""
import base64
import json
import struct

import tiny
from sources import EITHER, FILE, UNSUPPORTED, added, gguf, model, tok, vocab

TAKEN = (0,)


# ---- tokenizer.json ------------------------------------------------------------------------------

def merges(n):
    """A vocabulary whose n merges feed on each other: a, aa, aaa, ..."""
    def change(t):
        v = t["model"]["vocab"]
        for i in range(2, n + 2):
            v["a" * i] = tiny.VOCAB + i
        t["model"]["merges"] = [["a" * i, "a"] for i in range(1, n + 1)]
    return tok(change)


def norms(*parts):
    return tok(lambda t: t.update(normalizer={"type": "Sequence", "normalizers": list(parts)}))


JSON = [
    ("T08 id gap of 2^24 - 1", FILE, vocab(lambda v: v.update(qq=(1 << 24) - 1) or 1)),
    ("T08b id 2^24", FILE, vocab(lambda v: v.update(qq=1 << 24) or 1)),
    ("T09c NUL in a token", FILE, model(vocab={"a\0": 0})),
    ("T10b merges absent", FILE, tok(lambda t: t["model"].pop("merges") and None)),
    ("T11c merge with two blanks", FILE, model(merges=["h e l"])),
    ("T11d merge of numbers", FILE, model(merges=[[1, 2]])), ("T11e merge an object", FILE, model(merges=[{"h": "e"}])),
    ("T19 added token that begins another", TAKEN, tok(lambda t: t["added_tokens"][1].update(content="<|end|>x"))),
    ("T16 merges that feed on each other", FILE, merges(600)),  # more entries than rows
    ("T17 one merge 100,000 times", FILE, model(merges=[["h", "e"]] * 100_000)),
    ("T18f added token of 300 bytes", UNSUPPORTED, added(content="x" * 300)),
    ("T18g added content a number", FILE, added(content=5)), ("T18h added tokens an object", FILE, tok(lambda t: t.update(added_tokens={}))),
    ("T20b post-processor beyond vocabulary", FILE, tok(lambda t: t.update(post_processor={
        "type": "BertProcessing", "sep": ["x", 1 << 20], "cls": ["y", 0]}))),
    ("T20c template without its token", FILE, tok(lambda t: t.update(post_processor={
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<x>"}}, {"Sequence": {"id": "A"}}],
        "special_tokens": {}}))),
    ("T21 byte alphabet incomplete", FILE, vocab(lambda v: v.pop("z") and None)),
    ("T22c possessive twin of a pattern", UNSUPPORTED, tok(lambda t: t.update(pre_tokenizer={
        "type": "Split", "pattern": {"Regex": "\\p{N}{1,4}"}, "behavior": "Isolated", "invert": False}))),
    ("T22d split with another behaviour", UNSUPPORTED, tok(lambda t: t.update(pre_tokenizer={
        "type": "Split", "pattern": {"Regex": "\\p{N}{1,3}"}, "behavior": "MergedWithNext", "invert": False}))),
    ("T22e sequence of no list", FILE, tok(lambda t: t.update(pre_tokenizer={"type": "Sequence"}))),
    ("T26 truncation and padding", TAKEN, tok(lambda t: t.update(
        truncation={"max_length": 8, "strategy": "LongestFirst", "stride": 0},
        padding={"strategy": "BatchLongest", "pad_id": 0, "pad_token": "!"}))),
    ("T27 vocabulary a list", FILE, model(vocab=["a", "b"])), ("T27b empty file", FILE, lambda p: (p / "tokenizer.json").write_text("") and None),
    ("T31 charsmap no base64", FILE, tok(lambda t: t.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "%%%%"}))),
    ("T31b charsmap cut", FILE, tok(lambda t: t.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "ALQCAACE"}))),
    *((f"T34 normal form {form}", TAKEN, tok(lambda t, form=form: t.update(normalizer={"type": form}))) for form in ("NFC", "NFD", "NFKC", "NFKD")),
    ("T34b two normal forms", UNSUPPORTED, norms({"type": "NFC"}, {"type": "NFD"})),
    ("T34c BERT's behind another form", UNSUPPORTED, norms({"type": "NFC"}, {"type": "BertNormalizer", "lowercase": True})),
    ("T34d the same form often", UNSUPPORTED, norms(*[{"type": "NFKC"}] * 4)), ("T34e too many", UNSUPPORTED, norms(*[{"type": "Strip"}] * 99)),
    ("T34f replaces something else", UNSUPPORTED, norms({"type": "Replace", "pattern": {"Regex": " {3,}"}, "content": " "})),
    ("T34g charsmap null", TAKEN, norms({"type": "Precompiled", "precompiled_charsmap": None})),
    ("T34h charsmap a number", FILE, norms({"type": "Precompiled", "precompiled_charsmap": 7})),
    ("T32 Unigram entry without score", FILE, tok(lambda t: t.update(model={"type": "Unigram", "unk_id": 0, "vocab": [["a"]]}))),
    ("T32b Unigram unk_id beyond", FILE, tok(lambda t: t.update(model={"type": "Unigram", "unk_id": 9, "vocab": [["a", -1.0]]}))),
    ("T32c Unigram without unk_id", EITHER, tok(lambda t: t.update(model={"type": "Unigram", "unk_id": None, "vocab": [["a", -1.0]]}))),
    ("T33 WordPiece without its unknown token", FILE, tok(lambda t: t.update(model={"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"a": 0}}))),
]


# ---- tiktoken ------------------------------------------------------------------------------------

LETTERS = {c: b for b, c in enumerate(tiny.byte_alphabet())}
RANKS = [bytes(LETTERS[c] for c in p) for p in tiny.PIECES]


def tiktoken_lines():
    return [base64.b64encode(raw) + b" %d" % i for i, raw in enumerate(RANKS)]


def tiktoken(change, name="qwen.tiktoken", config=None):
    """change(lines) gives the lines, or the bytes of the file."""
    def make(path):
        (path / "tokenizer.json").unlink()
        lines = tiktoken_lines()
        lines = change(lines) or lines
        (path / name).write_bytes(lines if isinstance(lines, bytes) else b"\n".join(lines) + b"\n")
        c = tiny.tokenizer_config()
        c["added_tokens_decoder"] = {str(len(RANKS) + i): {"content": t, "special": True} for i, t in enumerate(tiny.SPECIAL)}
        if config:
            config(c)
        (path / "tokenizer_config.json").write_text(json.dumps(c))
    return make


def line(i, text):
    return tiktoken(lambda lines: lines.__setitem__(i, text))


def decoder(change):
    return tiktoken(lambda lines: None, config=lambda c: change(c["added_tokens_decoder"]))


def two_files(path):
    tiktoken(lambda lines: None)(path)
    (path / "other.tiktoken").write_bytes(b"\n".join(tiktoken_lines()))


TIKTOKEN = [
    ("K00 valid", TAKEN, tiktoken(lambda lines: None)), ("K00b no line end at the end", TAKEN, tiktoken(b"\n".join)),
    ("K00c CR LF", TAKEN, tiktoken(lambda lines: b"\r\n".join(lines) + b"\r\n")),
    ("K01 empty", FILE, tiktoken(lambda lines: b"\n")), ("K02 cut in a line", FILE, tiktoken(lambda lines: b"\n".join(lines)[:-2])),
    ("K02b cut after half", FILE, tiktoken(lambda lines: lines[:100])), ("K03 bad base64", FILE, line(7, b"?A== 7")),
    ("K03b base64 not padded", FILE, line(7, b"Bw= 7")), ("K03c empty entry", FILE, line(7, b"==== 7")), ("K03d no entry", FILE, line(7, b" 7")),
    ("K04 no rank", FILE, line(7, b"Bw==")), ("K04b rank no number", FILE, line(7, b"Bw== x")), ("K04c rank negative", FILE, line(7, b"Bw== -7")),
    ("K04d rank huge", FILE, line(7, b"Bw== 4294967303")), ("K04e rank of 400 digits", FILE, line(7, b"Bw== " + b"9" * 400)),
    ("K04f rank a fraction", FILE, line(7, b"Bw== 7.0")), ("K04g rank gap", FILE, line(260, b"IHc= 261")),
    ("K05 rank twice", FILE, line(7, b"Bw== 8")), ("K05b entry twice", FILE, line(260, b"aGU= 260")), ("K05c line twice", FILE, line(7, b"CA== 8")),
    ("K06 byte missing", FILE, line(7, b"cXFx 7")), ("K07 empty line inside", FILE, line(7, b"")), ("K07b two blanks", FILE, line(7, b"Bw==  7")),
    ("K08 entry of 48 KB", FILE, line(260, base64.b64encode(b"ab" * 24000) + b" 260")),
    ("K08b long entries, much work", UNSUPPORTED, tiktoken(lambda lines: lines + [
        base64.b64encode(b"ab" * 8000 + b"%d" % i) + b" %d" % (261 + i) for i in range(60)], config=lambda c: c.update(added_tokens_decoder={}))),
    ("K09 two files", UNSUPPORTED, two_files), ("K10 way unknown", UNSUPPORTED, tiktoken(lambda lines: None, "vocab.tiktoken")),
    ("K10b control tokens unknown", UNSUPPORTED, tiktoken(lambda lines: None, "tokenizer.model", lambda c: c.pop("added_tokens_decoder"))),
    ("K11 added id among ranks", FILE, decoder(lambda d: d.update({"5": {"content": "x", "special": True}}))),
    ("K11b added id huge", FILE, decoder(lambda d: d.update({"400000": {"content": "x"}}))), ("K11c added id no number", FILE, decoder(lambda d: d.update(x={"content": "x"}))),
    ("K11d added without content", FILE, decoder(lambda d: d.update({"261": {}}))), ("K11e added empty", FILE, decoder(lambda d: d.update({"261": {"content": ""}}))),
    ("K11f added twice", FILE, decoder(lambda d: d.update({"0261": {"content": "x"}}))), ("K11g added with lstrip", UNSUPPORTED, decoder(lambda d: d["261"].update(lstrip=True))),
    ("K11h added with rstrip", UNSUPPORTED, decoder(lambda d: d["261"].update(rstrip=True))),
    ("K11i added with single_word", UNSUPPORTED, decoder(lambda d: d["261"].update(single_word=True))),
    ("K13 control tokens in descending order fill the rows", TAKEN, tiktoken(lambda lines: None, config=lambda c: c.update(
        added_tokens_decoder=dict(reversed(c["added_tokens_decoder"].items()))))),
    ("K12 a web page", FILE, tiktoken(lambda lines: b"<!DOCTYPE html><html>")), ("K12b an LFS pointer", FILE, tiktoken(lambda lines: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")),
]


# ---- SentencePiece -------------------------------------------------------------------------------

def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3) + varint(value)


def piece(text, score, kind=1):
    return field(1, text.encode()) + field(2, score) + field(3, kind)


def spm_pieces():
    fixed = [piece("<unk>", 0.0, 2), piece("<s>", 0.0, 3), piece("</s>", 0.0, 3)]
    fixed += [piece(f"<0x{b:02X}>", 0.0, 6) for b in range(256)]
    return fixed + [piece(t, -1.5 - i) for i, t in enumerate(("\u2581", "h", "e", "\u2581he"))]


def spm(pieces=None, train=(), norm=(), cut=None, config=None):
    """Folder with a tokenizer.model: pieces(list) changes the entries, train and norm are fields."""
    def make(path):
        (path / "tokenizer.json").unlink()
        entries = spm_pieces()
        entries = (pieces and pieces(entries)) or entries
        trained = {3: 1, 40: 0, 41: 1, 42: 2, **dict(train)}
        raw = b"".join(field(1, p) for p in entries)
        raw += field(2, b"".join(field(k, v) for k, v in trained.items()))
        raw += field(3, b"".join(field(k, v) for k, v in norm))
        (path / "tokenizer.model").write_bytes(raw[:cut])
        c = {"added_tokens_decoder": {}, **(config or {})}
        (path / "tokenizer_config.json").write_text(json.dumps(c))
    return make


def nan_score(entries):
    entries[260] = piece("h", float("nan"))


SPM = [
    ("P00 valid", TAKEN, spm()), ("P00b valid BPE", TAKEN, spm(train=[(3, 2)], norm=[(4, 0)])),
    ("P01 cut in an entry", FILE, spm(cut=30)), ("P01b cut in a length", FILE, spm(cut=1)), ("P01c cut near the end", FILE, spm(cut=-3)),
    ("P02 no entries", FILE, spm(pieces=lambda e: [b""] * 0 or [b"\xff"])), ("P02b empty file", FILE, spm(cut=0)),
    ("P03 score NaN", FILE, spm(pieces=nan_score)), ("P03b score infinite", FILE, spm(pieces=lambda e: e.__setitem__(260, piece("h", float("inf"))))),
    ("P04 type 9", FILE, spm(pieces=lambda e: e.__setitem__(260, piece("h", -1.0, 9)))), ("P04b type 2^60", FILE, spm(pieces=lambda e: e.__setitem__(260, piece("h", -1.0, 1 << 60)))),
    ("P05 entry no UTF-8", FILE, spm(pieces=lambda e: e.__setitem__(260, field(1, b"\xff\xfe") + field(2, -1.0)))),
    *((f"T12 byte token {t}", FILE, spm(pieces=lambda e, t=t: e.__setitem__(10, piece(t, 0.0, 6))))
      for t in ("<0x-1>", "<0xGG>", "<0x1>", "<0x100>", "0x07")),
    ("P06 unknown id beyond", FILE, spm(train=[(40, 99999)])), ("P06b no unknown token", UNSUPPORTED, spm(train=[(40, (1 << 64) - 1)])),
    ("P06c bos beyond", FILE, spm(train=[(41, 1 << 30)])), ("P07 word model", UNSUPPORTED, spm(train=[(3, 3)])), ("P07b model type 2^40", UNSUPPORTED, spm(train=[(3, 1 << 40)])),
    ("P08 charsmap cut", FILE, spm(norm=[(2, b"\x00\xb4\x02\x00\x00")])), ("P08b charsmap of nonsense", FILE, spm(norm=[(2, struct.pack("<I", 1 << 30) + b"x" * 64)])),
    ("P08c charsmap longer than said", FILE, spm(norm=[(2, struct.pack("<I", 7) + b"x" * 64)])),
    ("P09 blanks not escaped", UNSUPPORTED, spm(norm=[(5, 0)])), ("P09b blanks as suffix", UNSUPPORTED, spm(train=[(24, 1)])),
    ("P10 user-defined in a trimming BPE", UNSUPPORTED, spm(pieces=lambda e: e.__setitem__(262, piece("<x>", 0.0, 4)), train=[(3, 2)])),
    ("P11 entry of 100 KB", FILE, spm(pieces=lambda e: e.__setitem__(262, piece("h" * 100_000, -3.0)))),
    ("P12 more entries than rows", FILE, spm(pieces=lambda e: e + [piece("zz", -9.0)])),
    ("P13 ten-byte varint without end", FILE, lambda p: (p / "tokenizer.json").unlink() or (p / "tokenizer.model").write_bytes(b"\x0a" + b"\xff" * 40) and None),
    ("P14 a pickle", FILE, lambda p: (p / "tokenizer.json").unlink() or (p / "tokenizer.model").write_bytes(b"\x80\x04\x95" + b"0" * 99) and None),
]


# ---- GGUF vocabularies ---------------------------------------------------------------------------

N = tiny.VOCAB
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + [f"\u2581w{i}" for i in range(N - 4)]
PIECES = ["<unk>", "<s>", "</s>"] + [f"\u2581p{i}" for i in range(N - 3)]


def gguf_vocab(**change):
    """The tiny GGUF with other tokenizer keys: name without tokenizer.ggml. = (type, value), None: none."""
    def make():
        keys = {k: (kind, v) for k, kind, v in tiny.gguf_keys()}
        for name, value in change.items():
            keys.pop("tokenizer.ggml." + name, None)
            if value is not None:
                keys["tokenizer.ggml." + name] = value
        return tiny.gguf(keys=[(k, *v) for k, v in keys.items()])
    return gguf(make)


def strings(items):
    return tiny.ARRAY, (tiny.STRING, items)


def bert(**change):
    base = {"model": (tiny.STRING, "bert"), "tokens": strings(WORDS), "token_type": None, "merges": None}
    return gguf_vocab(**{**base, **change})


def t5(**change):
    base = {"model": (tiny.STRING, "t5"), "tokens": strings(PIECES), "token_type": None, "merges": None,
            "scores": (tiny.ARRAY, (tiny.F32, [-float(i) for i in range(N)])), "unknown_token_id": (tiny.U32, 0)}
    return gguf_vocab(**{**base, **change})


def scores(items):
    return tiny.ARRAY, (tiny.F32, items)


def charsmap(raw):
    return tiny.ARRAY, (tiny.U8, raw)


GGUF = [
    ("V00 valid bert", TAKEN, bert()), ("V00b valid t5", TAKEN, t5()),
    ("V01 bert without an unknown token", FILE, bert(tokens=strings(["\u2581x" + w[1:] for w in WORDS]))),
    ("V01b bert unknown id beyond", FILE, bert(unknown_token_id=(tiny.U32, N))),
    ("V02 t5 without scores", FILE, t5(scores=None)), ("V02b scores short", FILE, t5(scores=scores([-1.0]))),
    ("V02c score NaN", FILE, t5(scores=scores([float("nan")] * N))), ("V02d scores of integers", FILE, t5(scores=(tiny.ARRAY, (tiny.I32, [1] * N)))),
    ("V03 t5 without an unknown token", UNSUPPORTED, t5(unknown_token_id=None)),
    ("V04 charsmap cut", FILE, t5(precompiled_charsmap=charsmap(b"\x00\xb4"))), ("V04b charsmap a number", FILE, t5(precompiled_charsmap=(tiny.U32, 5))),
    ("V04c charsmap of 32-bit items", FILE, t5(precompiled_charsmap=(tiny.ARRAY, (tiny.I32, [1] * 9)))),
    ("V05 model rwkv", UNSUPPORTED, gguf_vocab(model=(tiny.STRING, "rwkv"))), ("V05b pre without a scanner", UNSUPPORTED, gguf_vocab(pre=(tiny.STRING, "bloom"))),
    ("V05c pre two names", UNSUPPORTED, gguf_vocab(pre=(tiny.STRING, "gpt-2 phi-2"))), ("V05d pre empty", UNSUPPORTED, gguf_vocab(pre=(tiny.STRING, ""))),
    ("V05e pre half a name", UNSUPPORTED, gguf_vocab(pre=(tiny.STRING, "gpt-"))), ("V05f pre missing", UNSUPPORTED, gguf_vocab(pre=None)),
    ("V05g tiktoken by name", EITHER, gguf_vocab(model=(tiny.STRING, "tiktoken"), merges=None)),
    ("V05h llama2c by name", EITHER, gguf_vocab(model=(tiny.STRING, "llama2c"), merges=None)),
    ("V06 merge unknown", FILE, gguf_vocab(merges=strings(["h \u00ff\u00ff"]))), ("V06b merge of one part", FILE, gguf_vocab(merges=strings(["he"]))),
    ("V06c merge twice", FILE, gguf_vocab(merges=strings(["h e", "h e"]))), ("V06d merge empty", FILE, gguf_vocab(merges=strings([""]))),
    ("V07 token no UTF-8", FILE, gguf_vocab(tokens=strings([b"\xff"] + tiny.PIECES[1:] + tiny.SPECIAL))),
    ("V07b token of 100 KB", FILE, gguf_vocab(tokens=strings(["x" * 100_000] + tiny.PIECES[1:] + tiny.SPECIAL))),
    ("V08 byte alphabet incomplete", FILE, gguf_vocab(tokens=strings(["qqq" if p == "z" else p for p in tiny.PIECES] + tiny.SPECIAL))),
]


def kinds():
    return JSON + TIKTOKEN + SPM + GGUF
