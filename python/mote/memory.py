"""Memory between Python and the library: its own objects, ids, arrays of float32."""
import ctypes
import importlib
import weakref
from array import array
from typing import Any, Sequence

from . import _c
from ._c import lib
from .errors import MoteError

try:
    numpy: Any = importlib.import_module("numpy")
except ImportError:  # then arrays are memoryviews: shape, indices and tolist() all the same
    numpy = None


def shaped(raw: Any, *shape: int) -> Any:
    """float32 in memory of ctypes as an array of its own."""
    if numpy is not None:
        return numpy.ctypeslib.as_array(raw).reshape(shape).copy()
    view = memoryview(bytes(raw))
    return view.cast("f", shape) if len(view) else view.cast("f")


def flat(made: Any) -> Any:
    """An array of one dimension."""
    return made.reshape(-1) if numpy is not None else made.cast("B").cast("f")


def int32s(ids: Sequence[int]) -> Any:
    """An array of ids, from any sequence of whole numbers."""
    try:
        return array("i", [int(i) for i in ids])
    except OverflowError:
        raise MoteError(_c.MOTE_ERR_LIMIT, "ids: one lies outside the vocabulary") from None


def pointer(ids: Any) -> Any:
    """The same for a call, as long as the array lives."""
    return (ctypes.c_int32 * len(ids)).from_buffer(ids)


class Memory:
    """Memory of the library's objects, freed with the last of these."""

    def __init__(self, n_bytes: int) -> None:
        self.ptr, self.n_bytes = lib.mote_host_alloc(max(n_bytes, 1)), n_bytes
        if not self.ptr:
            raise MoteError(_c.MOTE_ERR_MEMORY, f"no memory for {n_bytes} bytes")
        self._free = weakref.finalize(self, lib.mote_host_free, self.ptr)
