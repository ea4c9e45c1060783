"""
Asks whether a server takes a definition, where something that can say so is installed.

Rules in CEL and defaults are checked by a server. A package that can do the same contributes it through an entry point
of the group `ctrlkit.definition_checks`, as ctrlkit.fakes does: a function that returns what a server says, a line for
each cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, Final

from ctrlkit.crd.fields import SchemaError
from ctrlkit.extras import MissingExtra

CHECKS_GROUP: Final = "ctrlkit.definition_checks"

Check = Callable[[Mapping[str, Any]], Sequence[str]]


def refusals(definition: Mapping[str, Any]) -> list[str]:
    """Return what a server says against a definition, a line for each cause; none where nobody here can tell."""
    return [line for check in _checks() for line in check(definition)]


def check_definition(definition: Mapping[str, Any]) -> None:
    """
    Refuse a definition that a server would refuse, where the extra `fakes` is installed, which can tell.

    Errors  SchemaError with what the server would say.
    """
    found = refusals(definition)
    if found:
        name = (definition.get("metadata") or {}).get("name")
        raise SchemaError(
            f"define {name}: a server refuses it: {'; '.join(found)}; mend the types, or what Schema says"
        )


def _checks() -> Iterator[Check]:
    for point in entry_points(group=CHECKS_GROUP):
        try:
            yield point.load()
        except MissingExtra:  # the package is there without what it needs for this
            continue
