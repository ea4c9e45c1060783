"""
Where in a program's own code an error was raised, or a task stands: `sites.py:64 in sites`; never a value.

Own code is what belongs neither to the framework nor to Python's standard library; of the packages that are installed
it is the one that was called first, so that an operator that is installed too is told from libraries that it calls.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import PurePath
from types import FrameType
from typing import Any, Final

Spot = tuple[FrameType, int]

DEPTH_MAX: Final = 200
"""Frames of a task, and errors that led to another, that are looked at."""
_FRAMES: Final = ("cr_frame", "gi_frame", "ag_frame")
_LOOPS: Final = ("asyncio.events", "asyncio.base_events", "asyncio.runners")
"""What calls a loop's callbacks; whatever is outside of it has started the program."""
_AWAITED: Final = ("cr_await", "gi_yieldfrom", "ag_await")


def with_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and in turn what led to each; no more than DEPTH_MAX, as they may lead to one another."""
    found: BaseException | None = error
    for _ in range(DEPTH_MAX):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__


def place_of_error(error: BaseException) -> str:
    """
    The innermost line of own code that an error came from, or its cause; of a group, the first of its errors that did.

    >>> place_of_error(ValueError("never raised"))
    ''
    """
    for found in with_causes(error):
        for part in found.exceptions if isinstance(found, BaseExceptionGroup) else ():
            if place := place_of_error(part):
                return place
        if place := _innermost(traceback.walk_tb(found.__traceback__)):
            return place
    return ""


def place_of_task(task: asyncio.Task[Any]) -> str:
    """The innermost line of own code at which a task that is suspended waits; empty where there is none."""
    return _innermost(_suspended(task.get_coro()))


def place_of_thread(thread: int) -> str:
    """The innermost line of own code that an event loop's thread runs now, by its ident; empty where there is none."""
    frame = sys._current_frames().get(thread)
    if frame is None:
        return ""
    inside = takewhile(lambda spot: spot[0].f_globals.get("__name__") not in _LOOPS, traceback.walk_stack(frame))
    return _innermost(reversed(list(inside)))


def _suspended(awaited: object) -> Iterator[Spot]:
    for _ in range(DEPTH_MAX):
        frame = _first_of(awaited, _FRAMES)
        if frame is None:
            return
        yield frame, frame.f_lineno
        awaited = _first_of(awaited, _AWAITED)


def _first_of(of: object, names: Iterable[str]) -> Any:
    return next((found for name in names if (found := getattr(of, name, None)) is not None), None)


def _innermost(spots: Iterable[Spot]) -> str:
    own = [spot for spot in spots if _is_own(spot[0])]
    if not own:
        return ""
    home = _home(own[0][0])
    frame, line = next(spot for spot in reversed(own) if _home(spot[0]) == home)
    return f"{PurePath(frame.f_code.co_filename).name}:{line} in {frame.f_code.co_name}"


def _is_own(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    top, _, rest = name.partition(".")
    if top == "ctrlkit":
        return rest.partition(".")[0] == "bitcoin"
    return top not in sys.stdlib_module_names


def _home(frame: FrameType) -> str:
    """The installed package that a frame belongs to; empty for what is not installed."""
    parts = PurePath(frame.f_code.co_filename).parts
    return parts[parts.index("site-packages") + 1] if "site-packages" in parts[:-1] else ""
