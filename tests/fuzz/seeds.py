#!/usr/bin/env python3
"""Seeds of the fuzz targets: those in the tree (seeds/TARGET/, mostly findings of old) and those made
here. seeds.py FOLDER writes all of them; without a folder they are run by `replay`, as `make test` does."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "corpus"))
import tiny  # noqa: E402

N_TOKENIZERS = 23

TEXTS = ["", "abc ab  a\n\n 123 1", " he's WE'LL  \t\r\n x", "e\u0301\u4e2d\u6587\u3042 \U0001f468\u200d\U0001f469",
         "<s>ab<sx <w> <ab>", "\u2581a \u00a0\u2003b", "if (x1 >= 0x1F) { return \"\u00fc\"; } // ...",
         "a" * 80, "\u0130I\u0131 \u01c5 \ufb01 \u2460 \uac00\u1100\u1161\u11a8"]

TEMPLATES = [
    "{% for m in messages %}<s>{{ m.role }}\n{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}",
    "{%- set ns = namespace(n=0, first='') -%}{%- for m in messages if m.role != 'tool' -%}"
    "{%- set ns.n = ns.n + loop.index0 -%}{{ loop.length ~ loop.last ~ ns.n }}{%- else -%}none{%- endfor -%}",
    "{% macro show(x, y='-') %}[{{ x|trim|upper }}{{ y }}]{% endmacro %}{{ show(s) }}{{ show('a', y=n) }}",
    "{{ tools | tojson(indent=2) }}{{ tools[0].function.parameters.properties | items | list }}",
    "{% for k, v in tools[0].function.items() %}{{ k }}={{ v is mapping }};{% endfor %}",
    "{{ s[1:4] }}{{ s[::-1] }}{{ s.split(' ')[-1] }}{{ s.replace('b', 'cc')|length }}{{ 'a' in s }}",
    "{{ (n + 3) * 2 // 3 - x ** 2 % 5 }}{{ n / 2 }}{{ not yes and none is none or n > 3 }}",
    "{{ raise_exception('no ' ~ messages|length) }}", "{{ strftime_now('%d %b %Y') }}",
    "{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|list|last }}",
    "{# remark #}{%- raw -%}{{ x }}{%- endraw -%}{{ range(3)|join(',') }}{{ {'a': [1, (2, 3)]}|string }}",
    "{% set a %}block {{ n }}{% endset %}{{ a|default('x')|indent(2) }}{{ undefined.x is defined }}",
    "{% filter upper %}abc{% endfilter %}{% generation %}x{% endgeneration %}{% if n is odd %}{% elif x %}{% endif %}",
    "{{ 'a' if yes else 'b' }}{% for i in range(9) %}{% if i == 3 %}{% continue %}{% endif %}"
    "{% if i > 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
]

JSON = ['{"a":[1,-2.5e3,true,false,null,"x\\u00e9\\ud83d\\ude00\\n"],"b":{}}', "[]", '"\\u0000"', "1e400", "01",
        "[" * 64 + "]" * 64, '{"a":1,"a":2}', "[12345678901234567890,0.1,1E-7]", '{"shape":[1,2],"n":18014398509481984}']


def bodies(*parts):
    return [p.encode() if isinstance(p, str) else p for p in parts]


def change(kind, at, value):
    return struct.pack("<BHI", kind, at, value & 0xFFFFFFFF)


def spm():
    """A SentencePiece model: pieces of (text, score, type), a trainer and a normaliser."""
    def field(n, kind, raw):
        return bytes([n << 3 | kind]) + raw

    def sized(n, raw):
        return field(n, 2, bytes([len(raw)]) + raw)

    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [("<0x%02X>" % b, 0.0, 6) for b in range(256)]
    pieces += [(p, -i - 1.0, 1) for i, p in enumerate(["\u2581", "a", "b", "ab", "\u2581a", "\u00e9"])]
    out = b"".join(sized(1, sized(1, t.encode()) + field(2, 5, struct.pack("<f", s)) + field(3, 0, bytes([k])))
                   for t, s, k in pieces)
    for model in (1, 2):  # unigram, BPE
        yield out + sized(2, field(3, 0, bytes([model]))) + sized(3, sized(1, b"nmt"))


def tokenizers():
    base = tiny.tokenizer()
    small = {**base, "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
             "added_tokens": [], "pre_tokenizer": None, "decoder": None}
    yield base
    yield small
    yield {**small, "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                              "max_input_chars_per_word": 9, "vocab": {"[UNK]": 0, "a": 1, "##b": 2}},
           "normalizer": {"type": "BertNormalizer"}, "pre_tokenizer": {"type": "BertPreTokenizer"},
           "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
           "post_processor": {"type": "BertProcessing", "cls": ["a", 1], "sep": ["a", 1]}}
    mark = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always"}
    yield {**small, "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0], ["\u2581a", -1.5], ["b", -2]]},
           "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
           "pre_tokenizer": mark, "decoder": mark}


def hub_files():
    yield 0, tiny.config() | {"vocab_size": 300, "tie_word_embeddings": True}
    yield 1, {"weight_map": {"model.norm.weight": "model.safetensors"}}
    yield 2, {"eos_token_id": [1, 2], "bos_token_id": 0}
    yield 3, tiny.tokenizer_config() | {"bos_token": {"content": "<s>"}}
    yield 4, {"eos_token": "<s>"}
    yield 5, [{"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"}]
    yield 8, tiny.tokenizer()


def seeds():
    """(target, bytes)"""
    texts = bodies(*TEXTS) + [b"\xe2\x82 \xff\xc3"]
    for i in range(N_TOKENIZERS):
        for j in (i, i + 3, i + 5):
            yield "encode", bytes([i, j * 5 & 15]) + texts[j % len(texts)]
        yield "decode", bytes([i, i & 1]) + struct.pack("<8H", *range(i, i + 80, 10))
        yield "chat", bytes([i, i & 3]) + texts[i % len(texts)]
        yield "tables", bytes([i, 2, 0]) + change(4, 99 * i, i) + change(2, i, 64) + b"\3 abc <s> \xc3\xa9 12"
    for i, t in enumerate(TEMPLATES):
        yield "template", bytes([0 if i % 3 else i & 3]) + t.encode()
    for t in JSON:
        yield "json", t.encode()
    yield "stop", b"\2\3</s>\2abcab</s> abaabcd"
    for i in range(8):
        yield "image", bytes([i + 8 * (i % 3)]) + b"\0"
        yield "image", bytes([i, 0]) + change(0x11, 4 * i, 3) + change(0x18, 5, 1)
        yield "own", bytes([i + 8 * (i % 4)]) + b"\0"
        yield "own", bytes([i, 0]) + change(0x11, 4 * i, 3)
    yield "file", b"GGUF\3\0\0\0"
    yield "file", struct.pack("<Q", 56) + b"{}" + b" " * 54 + b"\x89MOTE\r\n\x1a" + struct.pack("<IIQ", 1, 0, 56)
    yield "sampler", bytes(200)
    yield "sampler", bytes([255]) + bytes(range(200)) * 3
    yield "calls", bytes([12, 0, 4, 4, 1, 12, 1, 0, 0, 1]) + bytes(range(2, 120))
    yield "gguf", b"\0" + tiny.gguf()
    yield "gguf", b"\2" + tiny.gguf(version=2)
    vocab = tiny.llama2c_vocab()
    yield "llama2c", struct.pack("<H", len(vocab)) + vocab + tiny.llama2c()
    for head in ({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
                  "b": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]}, "__metadata__": {"format": "pt"}},
                 {"x": {"dtype": "U8", "shape": [], "data_offsets": [0, 32]}}):
        yield "safetensors", struct.pack("<H", 32) + json.dumps(head).encode()
    for which, value in hub_files():
        yield "hub", bytes([which]) + json.dumps(value, ensure_ascii=False).encode()
    yield "hub", b"\6" + TEMPLATES[0].encode()
    yield "hub", b"\7---\nlicense: mit\n---\n"
    for value in tokenizers():
        yield "tokenizer", json.dumps(value, ensure_ascii=False).encode()
    for raw in spm():
        yield "spm", raw


def write(folder):
    shutil.copytree(HERE / "seeds", folder, dirs_exist_ok=True)
    for i, (target, raw) in enumerate(seeds()):
        (folder / target).mkdir(exist_ok=True)
        (folder / target / f"made-{i:03}").write_bytes(raw)


def main():
    if len(sys.argv) > 1:
        folder = pathlib.Path(sys.argv[1])
        folder.mkdir(parents=True, exist_ok=True)
        return write(folder)
    with tempfile.TemporaryDirectory(prefix="mote-seeds-") as folder:
        write(pathlib.Path(folder))
        replay = os.path.join(os.environ.get("MOTE_BUILD", "build/release"), "replay")
        return subprocess.run([replay, folder], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
