"""The parts that the debug page's data is made of: tables of bounded size, times, and texts in one short line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from ctrlkit import clock

ROWS_MAX: Final = 100
TEXT_MAX: Final = 512
"""Characters of an error that a cell keeps."""

Row = Mapping[str, Any]
Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What somebody wants to see: the keys of one controller, those that a text is in; empty for all.

    >>> wanted = Wanted(key="demo/")
    >>> wanted.is_everything, wanted.takes("greetings"), wanted.has("demo/a"), wanted.has("test/a")
    (False, True, True, False)
    """

    controller: str = ""
    key: str = ""

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.controller or self.key)

    def takes(self, controller: str) -> bool:
        """Whether a controller is wanted."""
        return self.controller in ("", controller)

    def has(self, key: object) -> bool:
        """Whether the text is in a key."""
        return self.key in str(key)


def table(rows: Iterable[Row], *, most: int = ROWS_MAX) -> Table:
    """
    The first rows of some; the others are only counted.

    >>> table(({"key": name} for name in "abc"), most=2)
    {'rows': [{'key': 'a'}, {'key': 'b'}], 'more': 1}
    """
    each = iter(rows)
    return {"rows": list(islice(each, most)), "more": sum(1 for _ in each)}


def counted(rows: Iterable[Row], *, of: int, most: int = ROWS_MAX) -> Table:
    """The first rows of `of`, where there are too many to make a row of each."""
    first = list(islice(iter(rows), most))
    return {"rows": first, "more": max(0, of - len(first))}


def seconds(value: float | None) -> float | None:
    """To the millisecond."""
    return None if value is None else round(value, 3)


def cut(text: str) -> str:
    """
    One line, and no longer than it needs to be.

    >>> cut("first\\nsecond"), len(cut("x" * 1000))
    ('first second', 512)
    """
    line = " ".join(text.split())
    return line if len(line) <= TEXT_MAX else f"{line[: TEXT_MAX - 3]}..."


def moment(at: datetime | None) -> str | None:
    """
    A wall time as text, to the second.

    >>> from datetime import UTC
    >>> moment(datetime(2026, 1, 2, 3, 4, 5, 999, tzinfo=UTC)), moment(None)
    ('2026-01-02T03:04:05Z', None)
    """
    return None if at is None else clock.timestamp(at)


def ago(at: datetime | None) -> float | None:
    """How many seconds ago a wall time was; never negative, as wall clocks are set now and then."""
    return None if at is None else seconds(max(0.0, (clock.now() - at).total_seconds()))


def until(due_at: float | None) -> float | None:
    """In how many seconds a time on the loop's clock comes."""
    return None if due_at is None else seconds(max(0.0, due_at - clock.monotonic()))


def at_wall(due_at: float | None) -> str | None:
    """The wall time of a time on the loop's clock."""
    if due_at is None:
        return None
    try:
        return moment(clock.now() + timedelta(seconds=due_at - clock.monotonic()))
    except OverflowError:  # as good as never
        return None
