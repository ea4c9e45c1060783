"""What a world is made with: a wrong value is refused where the world is made, with what to write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ctrlkit.model import Resource


def check_arguments(given: Mapping[str, Any]) -> None:
    """Refuse what an argument of a world cannot be. Errors: TypeError."""
    for name, value in given.items():
        holds, instead = _ARGUMENTS[name]
        if not holds(value):
            raise TypeError(f"make a world: {name} is {_shown(value)}; write {instead}")


def _shown(value: object) -> str:
    return f"the Resource {value}" if isinstance(value, Resource) else repr(value)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _is_list(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Resource)


def _is_set(value: object) -> bool:
    return isinstance(value, frozenset | set)


def _is_mapping(value: object) -> bool:
    return value is None or isinstance(value, Mapping)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_loops(value: object) -> bool:
    return value is not None


_ARGUMENTS: Mapping[str, Any] = {
    "kinds": (_is_list, "a list of Resources, as kinds=[GREETINGS]"),
    "cluster": (_is_loops, "ALL, or a list such as [Loop.GARBAGE]"),
    "seed": (_is_number, "a whole number, as seed=7"),
    "furnished": (_is_bool, "True or False"),
    "plugins": (_is_set, "a set of names, as DEFAULT_PLUGINS - {'ServiceAccount'}"),
    "rbac": (_is_bool, "True or False"),
    "acting_as": (_is_text, "the name of a service account, as 'demo/greeter'"),
    "images": (_is_mapping, "a mapping of names to declarations, as images={'web': Image()}"),
}
