"""Tables of bounded length, as JSON has them: the first rows, and how many more there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

ROWS_MAX: Final = 100
TEXT_MAX: Final = 512
"""Characters of an error that a cell keeps."""

Row = Mapping[str, Any]
Table = Mapping[str, Any]


def table(rows: Iterable[Row]) -> Table:
    """
    The first rows of some; the others are only counted.

    >>> table({"key": name} for name in "ab")
    {'rows': [{'key': 'a'}, {'key': 'b'}], 'more': 0}
    """
    each = iter(rows)
    return {"rows": list(islice(each, ROWS_MAX)), "more": sum(1 for _ in each)}


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
