"""Values of custom resources beside what they were before: what is unchanged is not refused by rules made since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ctrlkit.fakes.tracker.schema.nodes import SCALARS

Node = Mapping[str, Any]


@dataclass(slots=True)
class Correlated:
    """A value of an object and what it was before, as far as it can be told which that is."""

    new: Any
    old: Any
    node: Node

    def unchanged(self) -> bool:
        """Whether the value is what it was."""
        return _is_same(self.new, self.old, self.node)

    def key(self, name: str) -> Correlated | None:
        """The value of a field or key, None if it cannot be told what it was."""
        if type(self.new) is not dict or type(self.old) is not dict or name not in self.new or name not in self.old:
            return None
        node = (self.node.get("properties") or _NOTHING).get(name) or self.node.get("additionalProperties")
        return Correlated(self.new[name], self.old[name], node) if isinstance(node, (dict, Mapping)) else None

    def index(self, index: int) -> Correlated | None:
        """An item, None if it cannot be told what it was."""
        if type(self.new) is not list or type(self.old) is not list:
            return None
        old = item_of(self.old, self.new[index], self.node)
        items = self.node.get("items")
        return Correlated(self.new[index], old, items) if old is not None and items else None

    def unchanged_on(self, path: Iterable[str | int]) -> bool:
        """Whether the value at a path, or one that it is within, is what it was."""
        current: Correlated = self
        for step in path:
            below = current.index(step) if isinstance(step, int) else current.key(step)
            if below is None:
                return False
            if below.unchanged():
                return True
            current = below
        return False


def _is_same(new: Any, old: Any, node: Node) -> bool:
    """Whether a value is what it was; one that cannot be told from others by the schema is not."""
    if new is None or old is None or type(new) is not type(old):
        return new is old
    if type(new) is dict:
        return len(new) == len(old) and _has_same_fields(new, old, node)
    if type(new) is not list or node.get("x-kubernetes-list-type") != "map":
        return bool(new == old)
    items = node.get("items")
    if len(new) != len(old) or (new and not items):
        return False
    return all((was := item_of(old, item, node)) is not None and _is_same(item, was, items or {}) for item in new)


def _has_same_fields(new: Mapping[str, Any], old: Mapping[str, Any], node: Node) -> bool:
    fields, other = node.get("properties") or _NOTHING, node.get("additionalProperties")
    for name, value in new.items():
        below = fields.get(name) or other
        if name not in old or not isinstance(below, (dict, Mapping)):
            return False
        was = old[name]
        if type(value) in SCALARS:
            if type(value) is not type(was) or value != was:
                return False
        elif not _is_same(value, was, below):
            return False
    return True


_NOTHING: Node = {}


def item_of(items: Any, like: Any, node: Node) -> Any:
    """Return the item of a list that has the same keys as another, None if its items cannot be told apart."""
    if node.get("x-kubernetes-list-type") != "map" or not isinstance(items, list) or not isinstance(like, dict):
        return None
    keys = node.get("x-kubernetes-list-map-keys") or ()
    wanted = [like.get(key) for key in keys]
    return next((one for one in items if isinstance(one, dict) and [one.get(key) for key in keys] == wanted), None)
