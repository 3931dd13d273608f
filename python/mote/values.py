"""Python's values as the chat templates' (mote_value): None, bool, int, float, str, lists, dicts. What a
caller passes is never trusted: no text of it becomes a special token."""
import ctypes
from typing import Any, List, Mapping, Sequence

from . import _c

KINDS = {bool: (_c.MOTE_VALUE_BOOL, "boolean"), int: (_c.MOTE_VALUE_INT, "integer"),
         float: (_c.MOTE_VALUE_FLOAT, "number")}


def text_of(what: str, keep: List[Any]) -> Any:
    raw = what.encode("utf-8", "replace")
    keep.append(raw)
    return _c.mote_text(ctypes.cast(ctypes.c_char_p(raw), ctypes.c_void_p), len(raw))


def fill(value: Any, what: Any, keep: List[Any]) -> None:
    """Fills a mote_value; keep: what must live as long as it does."""
    value.untrusted = True
    if what is None:
        value.kind = _c.MOTE_VALUE_NONE
    elif type(what) in KINDS:
        value.kind, field = KINDS[type(what)]
        setattr(value.as_, field, what)
    elif isinstance(what, str):
        value.kind, value.as_.string = _c.MOTE_VALUE_STRING, text_of(what, keep)
    elif isinstance(what, Mapping):
        members = (_c.mote_member * len(what))()
        keep.append(members)
        for member, (key, inner) in zip(members, what.items()):
            member.key = text_of(str(key), keep)
            fill(member.value, inner, keep)
        value.kind, value.as_.dict.members, value.as_.dict.n = _c.MOTE_VALUE_DICT, members, len(what)
    elif isinstance(what, Sequence):
        items = (_c.mote_value * len(what))()
        keep.append(items)
        for item, inner in zip(items, what):
            fill(item, inner, keep)
        value.kind, value.as_.list.items, value.as_.list.n = _c.MOTE_VALUE_LIST, items, len(what)
    else:
        raise TypeError(f"a chat template takes no {type(what).__name__}")
