"""Server-side tables of the built-in kinds: the columns that kubectl prints, and the cells of an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ctrlkit.fakes.durations import age

NONE = "<none>"


class Table(NamedTuple):
    """
    How objects of a kind are printed.

    Shape   `columns` are the titles, with a comma between them, and `*` behind those that only `kubectl get -o wide`
            shows.
    """

    columns: str
    cells: Callable[[Mapping[str, Any], datetime], list[Any]]


def section(thing: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a field that holds fields; empty if it is missing or null."""
    return thing.get(name) or {}


def name_of(thing: Mapping[str, Any]) -> str:
    """Return an object's name."""
    return str(section(thing, "metadata").get("name", ""))


def age_of(thing: Mapping[str, Any], now: datetime) -> str:
    """Format the time since an object was created."""
    return age(section(thing, "metadata").get("creationTimestamp"), now)


DEFAULT_TABLE = Table(
    "Name, Created At", lambda thing, _now: [name_of(thing), section(thing, "metadata").get("creationTimestamp")]
)
