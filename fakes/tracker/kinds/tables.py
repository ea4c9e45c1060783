"""Server-side tables of the built-in kinds: what the cells of an object are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from ctrlkit.fakes.durations import age

NONE = "<none>"


Cells = Callable[[Mapping[str, Any], datetime], list[Any]]
"""Makes the cells of an object's row, as of now; the columns are facts of the release."""


def section(thing: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a field that holds fields; empty if it is missing or null."""
    return thing.get(name) or {}


def name_of(thing: Mapping[str, Any]) -> str:
    """Return an object's name."""
    return str(section(thing, "metadata").get("name", ""))


def age_of(thing: Mapping[str, Any], now: datetime) -> str:
    """Format the time since an object was created."""
    return age(section(thing, "metadata").get("creationTimestamp"), now)


def plain_cells(titles: Iterable[str], thing: Mapping[str, Any], now: datetime) -> list[Any]:
    """Return the cells of a kind that has none of its own: what every object has, and nothing in other columns."""
    known = {
        "Name": name_of(thing),
        "Age": age_of(thing, now),
        "Created At": section(thing, "metadata").get("creationTimestamp"),
    }
    return [known.get(title, NONE) for title in titles]
