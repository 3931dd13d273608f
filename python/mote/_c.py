"""The C library as ctypes sees it. All declarations are made of mote.abi, the table that the library's own
tests hold against its headers and a compiler: nothing here repeats a layout or a prototype.

Structs, enums' values and constants are attributes of this module by their C names; functions are
attributes of `lib`."""
import ctypes
import keyword
import pathlib
import re
from typing import Any, Dict, List, Tuple

HERE = pathlib.Path(__file__).parent
BASE: Dict[str, Any] = {
    "void": None, "bool": ctypes.c_bool, "char": ctypes.c_char, "float": ctypes.c_float,
    "double": ctypes.c_double, "size_t": ctypes.c_size_t, "unsigned": ctypes.c_uint,
    "uint8_t": ctypes.c_uint8, "uint32_t": ctypes.c_uint32, "uint64_t": ctypes.c_uint64,
    "int32_t": ctypes.c_int32, "int64_t": ctypes.c_int64}
types: Dict[str, Any] = dict(BASE)  # by C name
layout: Dict[str, Tuple[int, int]] = {}  # struct: size, alignment as C has them
places: Dict[str, List[Tuple[str, int]]] = {}  # struct: fields with their offsets as C has them


def _type(text: str) -> Any:
    """A C type; pointers to what is not declared and to functions are void *."""
    array = re.match(r"(.*)\[(\d+)\]$", text)
    if array:
        return _type(array[1]) * int(array[2])
    words = [w for w in text.replace("*", " * ").split() if w not in ("const", "struct")]
    if "(" in text:
        return ctypes.c_void_p
    if "*" not in words:
        return types[words[0]]
    if text.strip() == "const char *":
        return ctypes.c_char_p
    inner = types.get(words[0])
    depth = words.count("*")
    if inner in (None, ctypes.c_char):
        inner, depth = ctypes.c_void_p, depth - 1
    for _ in range(depth):
        inner = ctypes.POINTER(inner)
    return inner


def _fields(lines: List[str], indent: int) -> Any:
    """Fields of a struct from the lines of one depth; inner structs and unions are types of their own."""
    made, at = [], 0
    while at < len(lines):
        kind, name = lines[at].split(None, 1)[1].rsplit(" ", 1)
        name += "_" * keyword.iskeyword(name)
        end = at + 1
        while end < len(lines) and lines[end].startswith(" " * (indent + 2)):
            end += 1
        if kind in ("struct", "union"):
            base = ctypes.Structure if kind == "struct" else ctypes.Union
            made.append((name, type(name, (base,), {"_fields_": _fields(lines[at + 1:end], indent + 2)})))
        else:  # a ptr is not terminated
            made.append((name, ctypes.c_void_p if name == "ptr" else _type(kind)))
        at = end
    return made


def _declare(lib: ctypes.CDLL) -> None:
    items: List[List[str]] = []
    for line in (HERE / "mote.abi").read_text().splitlines():
        if line.startswith(" "):
            items[-1].append(line)
        else:
            items.append([line])
    heads = [(item[0].split(" ")[0], item[0].split(" ")[1], item) for item in items]
    for kind, name, _ in heads:  # names first: members point to each other
        if kind in ("struct", "opaque"):
            types[name] = type(name, (ctypes.Structure,), {})
        elif kind == "enum":
            types[name] = ctypes.c_int
    for kind, name, item in heads:
        if kind == "const":
            globals()[name] = int(item[0].split(" ")[2])
        elif kind == "enum":
            globals().update({line.split()[1]: int(line.split()[0]) for line in item[1:]})
        elif kind == "struct":
            layout[name] = tuple(map(int, item[0].split(" ")[2:]))  # type: ignore[assignment]
            types[name]._fields_ = _fields(item[1:], 2)
            offsets = [int(line.split()[0]) for line in item[1:] if not line.startswith("   ")]
            places[name] = list(zip((field[0] for field in types[name]._fields_), offsets))
            globals()[name] = types[name]
        elif kind == "function":
            m = re.match(r"function (.*?)(\w+)\((.*)\)$", item[0])
            assert m
            function = getattr(lib, m[2])
            function.restype = _type(m[1].strip())
            function.argtypes = [] if m[3] == "void" else [_type(p.strip()) for p in m[3].split(",")]


def _load() -> ctypes.CDLL:
    found = sorted(HERE.glob("libmote.so.*")) + sorted(HERE.glob("libmote.*.dylib"))
    if not found:
        raise ImportError(f"no libmote beside {HERE}: make wheel builds one")
    return ctypes.CDLL(str(found[0]))


lib: Any = _load()
_declare(lib)


def __getattr__(name: str) -> Any:  # for type checkers: the names come from the table
    raise AttributeError(name)
