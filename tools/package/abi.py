#!/usr/bin/env python3
"""abi.py print|check|write: the binary interface of libmote as a text, include/mote.abi: the layout of
every public struct, enums, constants, prototypes, as include/mote.h and mote_host.h declare them and
the compiler ($CC) lays them out. python/mote/_c.py makes its declarations from the same text.

check: is the text what the headers say? write: makes it anew; but what was there may only change
together with MOTE_ABI (mote.h), which names the shared library. Run from anywhere."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = [ROOT / "include" / name for name in ("mote.h", "mote_host.h")]
TABLE = ROOT / "include" / "mote.abi"
MACROS = ("MOTE_ALIGN", "MOTE_MAX_GUESSES")


# ---- reading the headers -------------------------------------------------------------------------

def plain(text):
    """Without comments, preprocessor lines and what only C++ sees."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    text = re.sub(r"#ifdef __cplusplus.*?#endif", "", text, flags=re.S)
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", text, flags=re.M)
    return " ".join(text.split())


def split(text, mark):
    """Parts between marks that stand in no brackets."""
    parts, depth, begin = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "({[") - (c in ")}]")
        if c == mark and not depth:
            parts.append(text[begin:i].strip())
            begin = i + 1
    return [p for p in parts + [text[begin:].strip()] if p]


def tidy(kind):
    """A type in one spelling: "const char *", "char[64]", "bool (*)(void *, int)"."""
    kind = re.sub(r"\s*\*\s*", " * ", kind)
    kind = re.sub(r"\* (?=\*)", "*", kind).strip()
    return re.sub(r"\(\s*\* *\)", "(*)", re.sub(r"\s+", " ", kind)).replace(" [", "[")


def parameter(text):
    """The type of a parameter, whatever its name."""
    if "(*" in text:
        return declarator(text)[0]
    m = re.match(r"(.*?[\s*])(?!(?:int|char|float|double|void|bool|size_t)$)[A-Za-z_]\w*(\[\w*\])?$", text)
    return tidy(m[1] + (" *" if m[2] else "") if m else text)


def declarator(text):
    """(type, name) of one field or a function pointer."""
    m = re.match(r"(.*?)\(\*\s*(\w+)\)\s*\((.*)\)$", text)
    if m:
        return f"{tidy(m[1])} (*)({', '.join(map(parameter, split(m[3], ',')))})", m[2]
    m = re.match(r"(.*?)(\w+)\s*((?:\[\w+\])*)$", text)
    return tidy(m[1]) + m[3], m[2]


def fields(body):
    """[(type, name, inner fields or None)]"""
    made = []
    for part in split(body, ";"):
        m = re.match(r"(struct|union)\s*\{(.*)\}\s*(\w+)$", part)
        if m:
            made.append((m[1], m[3], fields(m[2])))
            continue
        first, *more = split(part, ",")
        kind, name = declarator(first)
        made.append((kind, name, None))
        base = kind.rstrip("* ").strip() if more else kind
        for text in more:
            stars = " " + "*" * text.count("*") if "*" in text else ""
            made.append((tidy(base + stars), text.strip("* "), None))
    return made


def parse(text):
    """{(kind, name): what it holds}, in the order of the headers."""
    found = {}
    for part in split(text, ";"):
        enum = re.match(r"(?:typedef )?enum (\w*) ?\{(.*)\}", part)
        struct = re.match(r"(?:typedef )?struct (\w+) \{(.*)\}", part)
        opaque = re.match(r"typedef struct (\w+) \1$", part)
        function = re.match(r"(.*?)(mote_\w+)\((.*)\)$", part)
        if enum:
            values = [v.split("=")[0].strip() for v in split(enum[2], ",")]
            found.update({("enum", enum[1]): values} if enum[1] else {("const", v): None for v in values})
        elif struct:
            found.pop(("opaque", struct[1]), None)
            found["struct", struct[1]] = fields(struct[2])
        elif opaque:
            found["opaque", opaque[1]] = None
        elif function and "typedef" not in part:
            kinds = [parameter(p) for p in split(function[3], ",")]
            found["function", function[2]] = (tidy(function[1]), ", ".join(kinds))
        elif not re.match(r"struct \w+$", part):
            sys.exit(f"abi.py: cannot read: {part[:80]}")
    return found


# ---- measuring -----------------------------------------------------------------------------------

def field_lines(struct, items, path="", indent="  "):
    """What prints the lines of fields, as C."""
    for kind, name, inner in items:
        yield (f'printf("{indent}%zu {kind} {name}\\n", '
               f"offsetof(struct {struct}, {path}{name}));")
        if inner:
            yield from field_lines(struct, inner, f"{path}{name}.", indent + "  ")


def program(found):
    """A C program that prints the table."""
    yield '#include <stdio.h>\n#include "include/mote_host.h"\nint main(void) {'
    yield 'printf("abi %d\\n", MOTE_ABI);'
    for (kind, name), what in [*((("const", m), None) for m in MACROS), *found.items()]:
        if kind == "const":
            yield f'printf("const {name} %d\\n", {name});'
        elif kind == "enum":
            yield f'printf("enum {name} %zu\\n", sizeof({name}));'
            yield from (f'printf("  %d {value}\\n", {value});' for value in what)
        elif kind == "struct":
            yield f'printf("struct {name} %zu %zu\\n", sizeof(struct {name}), _Alignof(struct {name}));'
            yield from field_lines(name, what)
        elif kind == "function":
            yield f'puts("function {what[0]} {name}({what[1]})");'
        else:
            yield f'puts("opaque {name}");'
    yield "return 0; }"


def table(root=ROOT, headers=None):
    found = parse(plain("\n".join(h.read_text() for h in headers or HEADERS)))
    with tempfile.TemporaryDirectory(prefix="mote-abi-") as folder:
        source, made = f"{folder}/abi.c", f"{folder}/abi"
        pathlib.Path(source).write_text("\n".join(program(found)))
        cc = os.environ.get("CC", "cc").split()
        subprocess.run([*cc, "-std=gnu11", f"-I{root}", "-o", made, source], check=True)
        return subprocess.run([made], check=True, stdout=subprocess.PIPE).stdout.decode()


# ---- comparing -----------------------------------------------------------------------------------

def items(text):
    """{what it is: its lines}; the values of an enum are items of their own: more may come."""
    made, key = {}, ""
    for line in text.splitlines():
        if not line.startswith(" "):
            key = line.split("(")[0].split(" ")
            key = f"{key[0]} {key[-1] if key[0] == 'function' else key[1]}"
            made[key] = [line]
        elif key.startswith("enum "):
            made[f"{key} {line.split()[1]}"] = [line]
        else:
            made[key].append(line)
    return made


def compare(old, new):
    """(what changed or went, what is new), apart from the version."""
    a, b = items(old), items(new)
    number = [key for key in a if key.startswith("abi ")]
    changed = [k for k in a if k not in number and b.get(k) != a[k]]
    return changed, [k for k in b if k not in a and not k.startswith("abi ")]


def version(text):
    return text.splitlines()[0] if text else ""


def check(old, new):
    """None, or one line that says what to do."""
    if old == new:
        return None
    changed, more = compare(old, new)
    if changed and version(old) == version(new):
        return f"the binary interface changed without MOTE_ABI (mote.h): {', '.join(changed)}"
    names = ", ".join(changed + more) or version(new)
    return f"include/mote.abi is not up to date ({names}): run tools/package/abi.py write"


def main():
    what = sys.argv[1] if len(sys.argv) == 2 else ""
    if what not in ("print", "check", "write"):
        sys.exit(__doc__)
    new = table()
    old = TABLE.read_text() if TABLE.exists() else ""
    if what == "print":
        print(new, end="")
        return
    wrong = check(old, new)
    if wrong and (what == "check" or "without MOTE_ABI" in wrong):
        sys.exit("abi.py: " + wrong)
    if what == "write":
        TABLE.write_text(new)


if __name__ == "__main__":
    main()
