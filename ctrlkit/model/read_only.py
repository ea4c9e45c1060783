"""Mappings in immutable Structs, shown as read-only views."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_MARK = "__read_only_fields__"


def show_read_only(cls: Any, *fields: str) -> None:
    """
    Have reads of a Struct's mapping fields give read-only views of them.

    The decoder fills a Struct's slots in C and does not look at the class, so decoding costs what it did; a view costs
    0.1 us when somebody asks for it. Freezing the mapping while it is decoded would cost every object more than that.
    """
    for field in fields:
        slot = cls.__dict__[field]

        def view(value: Any, read: Any = slot.__get__) -> Mapping[str, Any] | None:
            mapping = read(value)
            return None if mapping is None else MappingProxyType(mapping)

        setattr(cls, field, property(view, doc=f"The {field} as a read-only view; None if there are none."))
    setattr(cls, _MARK, frozenset(fields))


def read_only_fields(cls: type) -> frozenset[str]:
    """Return the fields of a class whose mappings nobody can change."""
    found: frozenset[str] = vars(cls).get(_MARK, frozenset())
    return found
