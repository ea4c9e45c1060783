"""How many calls of functions something makes, Python's and C's: a cost that no other program's work changes."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Calls:
    """The calls counted so far."""

    def __init__(self) -> None:
        self.count: int = 0

    def note(self, _frame: object, event: str, _argument: object) -> None:
        """Count a call, as `sys.setprofile` tells of it."""
        self.count += event in ("call", "c_call")


@contextmanager
def counted_calls() -> Iterator[Calls]:
    """Count the calls that the block makes; garbage, whose end may call something, is not collected meanwhile."""
    calls, before, collects = Calls(), sys.getprofile(), gc.isenabled()
    gc.disable()
    sys.setprofile(calls.note)
    try:
        yield calls
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()
