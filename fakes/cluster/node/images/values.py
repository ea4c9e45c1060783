"""What a field of a declaration may hold, in Python or in a file: a wrong value is told with what to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Read = Callable[[Any, str], Any]
"""Reads a value; the text names the field. Errors: Misread."""

_SHOWN_MAX = 60


class Misread(Exception):
    """A field that says something else than it may: its name, the fact and what to write."""

    def __init__(self, where: str, fact: str, instead: str) -> None:
        super().__init__(where, fact, instead)
        self.where: str = where
        self.fact: str = fact
        self.instead: str = instead


def check_fields(owner: object, fields: Mapping[str, Read]) -> None:
    """
    Check what the fields of a declaration hold.

    Errors  ValueError, which names the field, says what it is and what to write.
    """
    for name, read in fields.items():
        try:
            read(getattr(owner, name), name)
        except Misread as wrong:
            raise ValueError(f"declare an image: {wrong.where}: {wrong.fact}; {wrong.instead}") from None


def displayed(value: Any) -> str:
    """Show a value, cut off where it is long."""
    try:
        text = repr(value)
    except RecursionError:
        return "nested too deep"
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."


def misread(value: Any, where: str, instead: str) -> Misread:
    """A value that is none of those that a field may hold."""
    return Misread(where, f"it is {displayed(value)}", instead)


def text(value: Any, where: str) -> str:
    """Read a text."""
    if isinstance(value, str):
        return value
    raise misread(value, where, "write a text, in quotation marks where it looks like something else")


def flag(value: Any, where: str) -> bool:
    """Read a bool."""
    if isinstance(value, bool):
        return value
    raise misread(value, where, "write true or false")


def number(value: Any, where: str) -> int:
    """Read a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise misread(value, where, "write a whole number")


def seconds(value: Any, where: str) -> float:
    """Read a time."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise misread(value, where, "write a number of seconds")


def function(value: Any, where: str) -> Any:
    """Read a function."""
    if callable(value):
        return value
    raise misread(value, where, "write a function")


def several(read: Read) -> Read:
    """Read a list, as a tuple."""

    def read_several(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray):
            raise misread(value, where, "write a list")
        return tuple(read(item, f"{where}[{i}]") for i, item in enumerate(value))

    return read_several


def by_name(read: Read) -> Read:
    """Read a mapping whose keys are texts."""

    def read_by_name(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise misread(value, where, "write a mapping")
        return {text(key, f"a key of {where}"): read(item, f"{where}[{key!r}]") for key, item in value.items()}

    return read_by_name


def optional(read: Read) -> Read:
    """Read what may be None too."""
    return lambda value, where: None if value is None else read(value, where)


def one_of(kind: type | tuple[type, ...], example: str) -> Read:
    """Read a declaration of its own class."""

    def read(value: Any, where: str) -> Any:
        if isinstance(value, kind) and not isinstance(value, bool):
            return value
        raise misread(value, where, f"write {example}")

    return read


def probe_answer(value: Any, where: str) -> bool | int | str:
    """Read one answer to a probe."""
    if isinstance(value, bool | int | str):
        return value
    raise misread(value, where, "write true, false, an HTTP status or exit code, or what a failed probe says")
