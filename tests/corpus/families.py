"""Families of malformed files: a valid one cut at every kind of place, and each of its fields given each
of some odd values. What becomes of one is open: refused, or taken and then sound (run.py looks).
own_files() gives (name, codes, function that makes the bytes), source_files() kinds as in sources.py,
templates() (name, text)."""
import copy
import json
import random
import struct

import own
import sources
import tiny
import vocabularies

TAKEN_OR_NOT, REFUSED = (0, 3, 6), (3,)
GONE = object()
ODD = [None, True, -1, 0, 1, 7, 1 << 31, 1 << 63, 0.5, -1e-300, 1e300, "", "x", "\u001b[31m", [], [[]], {}, {"a": 1}]
WORDS = [0, 1, 2, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000]  # the last is a NaN


def some(cases, every, few, seed):
    """All cases, or a sample of them that is the same every time."""
    cases = list(cases)
    return cases if every or len(cases) <= few else random.Random(seed).sample(cases, few)


# ---- .mote ---------------------------------------------------------------------------------------

def own_words(good):
    """Every word of the index, of a layer, and of one tensor of each kind; the checksum right again."""
    m = own.Mote(good)
    places = [("index", 4 * i) for i in range(2, 128) if i != 3]
    places += [("layer", own.INDEX + 4 * i) for i in range(32)]
    for t in (0, m.find(0, 32), m.find(1, 1), m.find(1, 2), m.n_tensors - 1):
        places += [(f"tensor {t}", m.tensor_at(t) + 4 * i) for i in range(16)]
    for what, at in places:
        for w in WORDS:
            if w != m.u32(at):
                yield (f"field .mote {what} word at {at} = {w:#x}", TAKEN_OR_NOT,
                       lambda at=at, w=w: own.Mote(good).set(at, "I", w).sealed())


def own_files(good, every):
    return some(own_words(good), every, 60, 1)


# ---- sources: cuts -------------------------------------------------------------------------------

def cut_file(name, at):
    def make(path):
        raw = (path / name).read_bytes()
        (path / name).write_bytes(raw[:at])
    return make


def folder_cuts(folder):
    """Every byte of the small files; of the large ones those of the header and around each border."""
    for name, step in (("config.json", 1), ("tokenizer_config.json", 1), ("tokenizer.json", 41)):
        n = len((folder / name).read_bytes())
        for at in range(0, n, step):
            yield f"cut {name} at {at}", REFUSED + ((0, 4) if not at else ()), cut_file(name, at)
    head, data = sources.header_of(folder)
    begin = len((folder / "model.safetensors").read_bytes()) - len(data)
    points = {*range(17), *range(17, begin, 23), begin - 1, begin}
    for k, e in head.items():
        if k != "__metadata__":
            points |= {begin + e["data_offsets"][1] + d for d in (-1, 0, 1)}
    for at in sorted(p for p in points if p < begin + len(data)):
        yield f"cut model.safetensors at {at}", REFUSED, cut_file("model.safetensors", at)


def gguf_cuts():
    """At the border of each key and tensor record and of each tensor's data."""
    whole, points = tiny.gguf(), {*range(33)}
    for n in range(len(tiny.gguf_keys()) + 1):
        end = 24 + len(tiny.gguf(keys=tiny.gguf_keys()[:n], tensors=[]).rstrip(b"\0")) - 24
        points |= {end + d for d in (-9, -1, 0, 1, 4)}
    points |= {len(whole) - 32 * i + d for i in range(1, len(whole) // 32, 97) for d in (-1, 0, 1)}
    for at in sorted(p for p in points if 0 <= p < len(whole)):
        yield f"cut GGUF at {at}", REFUSED + ((6,) if at < 4 else ()), sources.gguf(lambda at=at: whole[:at])


def other_cuts():
    whole = tiny.llama2c()
    for at in sorted({*range(29), *range(29, len(whole), 4999), len(whole) - 1}):
        yield f"cut llama2.c at {at}", REFUSED + (6,), sources.llama2c(lambda at=at: whole[:at])
    words = tiny.llama2c_vocab()
    for at in range(0, len(words), 61):
        yield f"cut tok.bin at {at}", REFUSED, sources.llama2c(tiny.llama2c, lambda at=at: words[:at])
    for at in range(1, 400, 7):
        yield f"cut tokenizer.model at -{at}", TAKEN_OR_NOT, vocabularies.spm(cut=-at)
    ranks = b"\n".join(vocabularies.tiktoken_lines())
    for at in range(1, len(ranks), 97):
        yield f"cut qwen.tiktoken at {at}", TAKEN_OR_NOT, vocabularies.tiktoken(lambda lines, at=at: ranks[:at])


# ---- sources: fields -----------------------------------------------------------------------------

def places(value, path=()):
    """Paths of all members of a tree; of long lists and objects the first two."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for i, (k, v) in enumerate(inner):
        if i < 2 or len(value) < 40:
            yield path + (k,)
            yield from places(v, path + (k,))


def changed(tree, path, value):
    tree = copy.deepcopy(tree)
    at = tree
    for k in path[:-1]:
        at = at[k]
    if value is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return tree


def tree_fields(name, tree, write):
    """Each member taken away, and given each odd value. write(path, tree) puts it in its place."""
    for path in places(tree):
        for v in [GONE, *ODD]:
            label = "gone" if v is GONE else json.dumps(v)
            yield (f"field {name} {'.'.join(map(str, path))} {label}", TAKEN_OR_NOT,
                   lambda folder, path=path, v=v: write(folder, changed(tree, path, v)))


def json_fields(name, tree):
    return tree_fields(name, tree, lambda folder, t: (folder / name).write_text(json.dumps(t)) and None)


def safetensors_fields(folder):
    head, data = sources.header_of(folder)
    keep = [k for i, k in enumerate(head) if i < 3 or i + 1 == len(head)]
    return (c for c in tree_fields("model.safetensors", head, lambda f, t: sources.put(f, json.dumps(t), data))
            if any(f" {k}" in c[0] for k in keep))


def gguf_fields():
    for name, kind, value in tiny.gguf_keys():
        yield f"field GGUF {name} gone", TAKEN_OR_NOT, sources.no_key(name)
        if kind != tiny.ARRAY:
            for v in WORDS:
                yield f"field GGUF {name} = {v:#x}", TAKEN_OR_NOT, sources.key(name, v, tiny.U32)
                yield (f"field GGUF {name} = {v:#x} as float", TAKEN_OR_NOT,
                       sources.key(name, struct.unpack("<f", struct.pack("<I", v))[0], tiny.F32))
        for text in ("", "x", "\u001b[31m", "llama " * 100):
            yield f"field GGUF {name} text of {len(text)}", TAKEN_OR_NOT, sources.key(name, text, tiny.STRING)
        yield f"field GGUF {name} list", TAKEN_OR_NOT, sources.key(name, (tiny.I32, [-1, 5]), tiny.ARRAY)
        yield f"field GGUF {name} empty list", TAKEN_OR_NOT, sources.key(name, (tiny.STRING, []), tiny.ARRAY)


def llama2c_fields():
    for name in ("dim", "hidden", "layers", "heads", "kv", "vocab", "seq"):
        for v in (0, 1, -1, 3, 31, 1 << 16, (1 << 31) - 1, -(1 << 31)):
            yield f"field llama2.c {name} = {v}", TAKEN_OR_NOT, sources.l2_head(**{name: v})


def source_files(folder, every):
    """folder: a valid one, to be looked at."""
    index = {"metadata": {"total_size": 1}, "weight_map": {}}
    return (some(folder_cuts(folder), every, 25, 2) + some(gguf_cuts(), every, 15, 3) +
            some(other_cuts(), every, 15, 4) + some(json_fields("config.json", tiny.config()), every, 30, 5) +
            some(json_fields("tokenizer.json", tiny.tokenizer()), every, 30, 6) +
            some(json_fields("tokenizer_config.json", tiny.tokenizer_config()), every, 8, 7) +
            some(json_fields("model.safetensors.index.json", index), every, 8, 8) +
            some(safetensors_fields(folder), every, 15, 9) + some(gguf_fields(), every, 20, 10) +
            some(llama2c_fields(), every, 10, 11))


# ---- chat templates ------------------------------------------------------------------------------

TEMPLATE = ("{%- macro show(x, y='-') -%}[{{ x|trim|upper }}{{ y }}]{%- endmacro -%}{% set ns = namespace(n=0) %}"
            "{%- for m in messages if m.role != 'tool' -%}{%- set ns.n = ns.n + loop.index0 * 2 // 3 -%}"
            "<|user|>{{ show(m['content'][:-1]) ~ m.get('x', none) }}{# note #}{%- if not loop.last and ns.n >= 1 -%}"
            "{{ messages | tojson(indent=2) }}{%- elif m.content is string -%}{{ m.content.split(' ')[0] }}"
            "{%- else -%}{{ raise_exception('no') }}{%- endif -%}{%- endfor -%}{{ range(3) | list }}")
LIMITS = ["{{ range(10**9)|list }}", "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
          "{{ 'x' * 2**40 }}", "{{ " + "(" * 5000, "{{ " + "-" * 100_000 + "1 }}", "{% if 1 %}" * 5000,
          "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ " + "[" * 300 + "]" * 300 + " }}", "{{ 9**9**9**9 }}",
          "{{ -9223372036854775808 // -1 }}", "{{ 1 % 0 }}", "{{ ''.join(['x' * 65536] * 65536) }}", "{% include 'a' %}",
          "{{ ''.__class__.__mro__ }}", "{{ messages[2**63] }}", "{{ 'a'[::0] }}", "{{ 'a'|indent(2**31) }}", "\xff\xfe{{"]


def templates(every):
    cuts = [(f"cut template at {i}", TEMPLATE[:i]) for i in range(len(TEMPLATE) + 1)]
    rng, marks = random.Random(12), "{}%-#'\"[]()|.,:~+*/<>=! 09ax\n"
    swaps = []
    for i in range(300):
        at = rng.randrange(len(TEMPLATE))
        swaps.append((f"template change {i}", TEMPLATE[:at] + rng.choice(marks) + TEMPLATE[at + rng.randrange(3):]))
    return some(cuts, every, 12, 13) + some(swaps, every, 12, 14) + [(f"template limit {i}", t)
                                                                     for i, t in enumerate(LIMITS)]
