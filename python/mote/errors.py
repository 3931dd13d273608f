"""What goes wrong in the library, as an exception with the line that the program would print."""
from typing import Any, Optional

from . import _c


class MoteError(Exception):
    """status: one of the library's (the program's exit code): 2 a limit, 3 a bad file, 4 input or
    output, 5 memory, 6 not supported."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def failed(err: Any, subject: Optional[str] = None) -> MoteError:
    """A mote_error in words: "subject: name: what (got, wanted)"."""
    parts = [subject, err.name.decode("utf-8", "replace"), (err.what or b"").decode("utf-8", "replace")]
    text = ": ".join(p for p in parts if p)
    if err.has_numbers:
        text += f" (got {err.got}, wanted {err.wanted})"
    return MoteError(err.status, text)


def check(status: int, err: Any, subject: Optional[str] = None) -> None:
    if status != _c.MOTE_OK:
        raise failed(err, subject)
