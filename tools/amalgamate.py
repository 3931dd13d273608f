#!/usr/bin/env python3
"""amalgamate.py OUT_DIR: the library as two files, mote.c and mote.h, for projects that would rather
copy than link. The sources stay as they are but for this: local includes are put in their place,
names of file scope that two files share get their file's name in front, a file's macros end with
it, and files for a part of a CPU's instructions stand between pragmas that allow them. Compiled
with -DMOTE_FIXED_KERNELS=1 it is the build for a device (docs/embedding.md), else all of it: tiers
by run-time detection, files and threads."""

import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PUBLIC = ["include/mote.h", "include/mote_host.h"]
AVX2 = "avx2,fma,f16c"
TARGETS = {
    "_avx2.c": AVX2, "_avxvnni.c": AVX2 + ",avxvnni",
    "_avx512vnni.c": AVX2 + ",avx512f,avx512bw,avx512vl,avx512dq,avx512vnni",
    "_dotprod.c": "arch=armv8.2-a+dotprod",
}
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
                   r"|offsetof\([^)]*\)|[A-Za-z_]\w*|\.?\d(?:[eEpP][+-]|[\w.])*|->|##|\s+|.", re.S)
NAME = re.compile(r"[A-Za-z_]\w*$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)[^\n]*\n', re.M)


def sources():
    """Files of the library, the definition of the kernels first."""
    found = [str(p.relative_to(ROOT)) for folder in ("kernels", "loader", "tokenizer", "model")
             for p in sorted((ROOT / folder).rglob("*.c")) if "blas" not in p.parts]
    return sorted(found, key=lambda p: (not p.startswith("kernels/ref"), found.index(p)))


def condition(path):
    """Where a file is compiled."""
    hosted = "!MOTE_FIXED_KERNELS"
    if "/x86/" in path:
        return f"{hosted} && defined(__x86_64__)"
    if "/arm/" in path:
        return f"{hosted} && defined(__aarch64__)"
    if "/cortexm/" in path:
        return "MOTE_FIXED_KERNELS"
    only_hosted = ("kernels/cpu.c", "kernels/dispatch.c", "kernels/ref/rows_ref.c", "model/tiers.c")
    if path.endswith("_posix.c") or path in only_hosted or "/template" in path:
        return hosted
    return None


def target(path):
    return next((t for end, t in TARGETS.items() if path.endswith(end)), None)


def is_private(header, path):
    """Is a header written out again for each file that includes it? Those of a tier are, with the
    functions that are compiled for it."""
    tier = "/x86/" in path
    return header.endswith((".inc", "kernels/values.h")) or (tier and header == "kernels/math.h") \
        or bool(re.match(r"kernels/(x86|arm|cortexm|cpu_)", header))


def resolve(name, path):
    for base in (ROOT, (ROOT / path).parent):
        if (base / name).exists():
            return str((base / name).resolve().relative_to(ROOT))
    sys.exit(f"amalgamate.py: {path} includes {name}, which is not there")


def unguarded(text):
    """A header's text without #ifndef ..._H, for it is put in where it is wanted."""
    guard = re.search(r"^#ifndef (\w+_H)\n#define \1\n", text, re.M)
    if not guard:
        return text
    end = text.rindex("#endif")
    return text[:guard.start()] + text[guard.end():end] + text[end + len("#endif\n"):]


class Library:
    def __init__(self):
        self.headers = []  # written once, in order
        self.system = {}   # section: its system headers
        self.text = {}     # section: its text
        for path in sources():
            self.text[path] = self.expand(path, path, set())

    def expand(self, path, section, seen):
        text = unguarded((ROOT / path).read_text())

        def put(match):
            if match[2]:
                self.system.setdefault(section, []).append(match[2])
                return "" if target(section) else match[0]
            header = resolve(match[1], path)
            if is_private(header, section):
                if header in seen and header.endswith(".h"):
                    return ""
                seen.add(header)
                return self.expand(header, section, seen)
            self.need(header)
            return ""
        return INCLUDE.sub(put, text)

    def need(self, header):
        if header in self.headers or header in PUBLIC:
            return
        for match in INCLUDE.finditer((ROOT / header).read_text()):
            if match[1]:
                self.need(resolve(match[1], header))
        self.headers.append(header)


def tokens(text):
    return TOKEN.findall(text)


def without_macros(text):
    """The code of a file without directives and comments, for `names`."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    text = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*\n", "\n", text, flags=re.M)
    text = re.sub(r"\bALWAYS\b", "static inline", text)
    return re.sub(r"__attribute__\(\((?:[^()]|\([^()]*\))*\)\)", " ", text)


def names(text):
    """Names of file scope that a text defines: static functions and objects, types, tags,
    enumerators."""
    found, depth, statement, kinds = set(), 0, [], []
    for t in tokens(without_macros(text)):
        if t.isspace():
            continue
        if t == "{":
            head = statement if depth == 0 else []
            kinds.append("enum" if "enum" in head and "(" not in head else "")
            if depth == 0 and "(" in head:
                found |= declared(head)
            depth += 1
            body = []
        elif t == "}":
            if depth == 1 and kinds[-1] == "enum":
                found |= set(re.findall(r"(?:^|,) ([A-Za-z_]\w*)", "," + " ".join(["", *body])
                                        .replace(" , ", " , ").replace(", ", ", ")))
                found |= {b for i, b in enumerate(body) if NAME.match(b)
                          and (i == 0 or body[i - 1] == ",")}
            kinds.pop()
            depth -= 1
            if depth == 0 and "(" in statement and "typedef" not in statement \
                    and "=" not in statement:
                statement = []  # a function's end
        elif depth == 0 and t == ";":
            found |= declared(statement)
            statement = []
        elif depth == 0:
            statement.append(t)
        elif kinds[-1] == "enum":
            body.append(t)
    return found


def declared(statement):
    """The names of one declaration at file scope, bodies left out."""
    found = set()
    for i, t in enumerate(statement[:-1]):
        if t in ("struct", "union", "enum") and NAME.match(statement[i + 1]):
            if "typedef" in statement or len(statement) == i + 2:
                found.add(statement[i + 1])
    words = [t for t in statement if t not in ("__attribute__",)]
    if "typedef" in words and NAME.match(words[-1]):
        found.add(words[-1])
    if "static" in words:
        end = next((i for i, t in enumerate(words) if t in "=[;" and t), len(words))
        head = words[:end]
        depth, last = 0, None
        for i, t in enumerate(head):
            if t == "(" and depth == 0 and last and last != "__attribute__" \
                    and not (i and head[i - 1] == ")"):
                if last not in ("always_inline", "noinline", "aligned", "FN"):
                    found.add(last)
                    return found
            depth += (t == "(") - (t == ")")
            if depth == 0 and NAME.match(t):
                last = t
        if last and "(" not in head:
            found.add(last)
    return found


def rename(text, names_of):
    """Names that are no members get their new form."""
    all_tokens = tokens(text)
    out, before, head, in_struct = [], "", [], []
    for i, t in enumerate(all_tokens):
        if t == "{":
            in_struct.append(("struct" in head or "union" in head) and not {"(", "="} & set(head))
        elif t == "}" and in_struct:
            in_struct.pop()
        head = [] if t in "{};" else [*head, t]
        new = names_of.get(t, t) if before not in (".", "->") else t
        if new != t and in_struct and in_struct[-1]:  # a member, if what ends it follows
            after = next((a for a in all_tokens[i + 1:i + 3] if not a.isspace()), "")
            new = t if after in (";", ",", "[", ":") else new
        out.append(new)
        before = before if t.isspace() else t
    return "".join(out)


def macros(text):
    return list(dict.fromkeys(re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", text, re.M)))


def prefix(path, paths):
    stem = pathlib.Path(path).stem
    if sum(pathlib.Path(p).stem == stem for p in paths) == 1:
        return stem
    return f"{pathlib.Path(path).parent.name}_{stem}"


def allow(target_name, begin):
    if not begin:
        return ("#if defined(__clang__)\n#pragma clang attribute pop\n#else\n"
                "#pragma GCC pop_options\n#endif\n")
    clang = target_name.replace("arch=armv8.2-a+", "")
    return (f"#if defined(__clang__)\n#pragma clang attribute push("
            f'__attribute__((target("{clang}"))), apply_to = function)\n#else\n'
            f'#pragma GCC push_options\n#pragma GCC target("{target_name}")\n#endif\n')


def section(path, library, names_of, kept):
    text = rename(library.text[path], names_of)
    undo = "".join(f"#undef {m}\n" for m in macros(text) if m not in kept)
    text = re.sub(r"^#define _GNU_SOURCE.*\n", "", text, flags=re.M)
    if target(path):
        system = "".join(f"#include <{s}>\n" for s in dict.fromkeys(library.system[path]))
        fma = "#define MOTE_TIER_FMA 1\n" if "fma" in target(path) else ""
        text = f"{system}{allow(target(path), True)}{fma}{text}"
        undo += ("#undef MOTE_TIER_FMA\n" if fma else "") + allow(None, False)
    where = condition(path)
    text = f"\n{text.strip()}\n{undo}"
    if where:
        text = f"\n#if {where}{text}#endif\n"
    return f"\n/* ======== {path} ======== */\n{text}"


HEAD = '''/* mote.c: libmote {version} in one file, written by tools/amalgamate.py from the sources of the
 * project; read those. Compile as C11 with GNU extensions:
 *   cc -std=gnu11 -O2 -ffp-contract=off -fno-math-errno -c mote.c
 * For a device add -DMOTE_SMALL -DMOTE_FIXED_KERNELS=1 and the flags of docs/embedding.md. */
#ifndef MOTE_FIXED_KERNELS
#define MOTE_FIXED_KERNELS 0
#endif
#if !MOTE_FIXED_KERNELS && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
/* The bits are those of separate products and sums. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#pragma clang diagnostic ignored "-Wunused-function" /* what a header has for other files */
#else
#pragma GCC optimize("fp-contract=off")
#endif
#include "mote.h"
'''


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[1])
    library = Library()
    headers = {h: INCLUDE.sub(lambda m: m[0] if m[2] else "", (ROOT / h).read_text())
               for h in library.headers}
    used = collections.Counter()  # in how many places, as whatever
    for text in [*headers.values(), *library.text.values()]:
        used.update(set(tokens(text)))
    parts, kept = [], {"_GNU_SOURCE"}.union(*(macros(t) for t in headers.values()))
    for path, text in library.text.items():
        pre = prefix(path, library.text)
        parts.append(section(path, library, {n: f"{pre}_{n}" for n in names(text)
                                             if used[n] > 1}, kept))
    public = [(ROOT / h).read_text() for h in PUBLIC]
    version = re.search(r'MOTE_VERSION "([^"]+)"', public[0])[1]
    out.mkdir(parents=True, exist_ok=True)
    (out / "mote.h").write_text("\n".join(re.sub(r'#include "mote.h"\n', "", p) for p in public))
    (out / "mote.c").write_text(HEAD.format(version=version) + "".join(
        f"\n/* ======== {h} ======== */\n\n{t.strip()}\n" for h, t in headers.items())
        + "".join(parts))


if __name__ == "__main__":
    main()
