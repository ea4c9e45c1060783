"""Reads of a kind whose objects are not stored: the server makes them when it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ctrlkit.errors import NotFound
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.store import Stored, encode_tail
from ctrlkit.fakes.tracker.verbs.list import encode_list
from ctrlkit.fakes.tracker.verbs.selection import Selection
from ctrlkit.model import Action, ObjectKey, Verb


def report(made: Callable[[], Iterable[dict[str, Any]]], served: Strategy, action: Action) -> bytes:
    """Get one object, or list those that are selected. Errors: NotFound, and those of a Selection."""
    objects = [Stored(ObjectKey("", one["metadata"]["name"]), 0, encode_tail(one)) for one in made()]
    if action.verb is Verb.LIST:
        selection = Selection(served, action)
        return encode_list(served, [one for one in objects if selection.matches(one)], {})
    for one in objects:
        if one.key == action.key:
            return served.head + one.tail
    details = {"name": action.name, "kind": served.singular}
    raise NotFound(f'{served.singular} "{action.name}" not found', details=details)
