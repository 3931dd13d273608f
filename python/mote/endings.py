"""When a text ends by itself: stop strings and endless loops, as `mote run` has them."""
from typing import List, Sequence, Tuple

PERIODS, LOOP_BASE = 64, 128


class Stops:
    """Looks for stop strings in a stream; holds back what could be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.stops = [s for s in stops if s]
        self.held = ""

    def push(self, text: str) -> Tuple[str, bool]:
        """(what may be shown, is a stop string complete?)"""
        self.held += text
        found = [at for at in (self.held.find(s) for s in self.stops) if at >= 0]
        if found:
            shown, self.held = self.held[:min(found)], ""
            return shown, True
        keep = max((n for s in self.stops for n in range(min(len(s) - 1, len(self.held)), 0, -1)
                    if self.held.endswith(s[:n])), default=0)
        cut = len(self.held) - keep
        shown, self.held = self.held[:cut], self.held[cut:]
        return shown, False


class Loops:
    """The last 128 + 4 p ids repeat with a period p of at most 64."""

    def __init__(self) -> None:
        self.ids: List[int] = []
        self.runs = [0] * PERIODS

    def push(self, token: int) -> bool:
        last = self.ids[::-1]
        self.runs = [run + 1 if p < len(last) and last[p] == token else 0
                     for p, run in enumerate(self.runs)]
        self.ids = (self.ids + [token])[-PERIODS:]
        return any(run >= LOOP_BASE + 4 * (p + 1) for p, run in enumerate(self.runs))
