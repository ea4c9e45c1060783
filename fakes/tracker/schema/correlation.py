"""Values of custom resources beside what they were before: what is unchanged is not refused by rules made since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]


@dataclass(slots=True)
class Correlated:
    """A value of an object and what it was before, as far as it can be told which that is."""

    new: Any
    old: Any
    node: Node

    def unchanged(self) -> bool:
        """Whether the value is what it was."""
        if self.new is None or self.old is None:
            return self.new is self.old
        if isinstance(self.new, dict) and isinstance(self.old, dict):
            return len(self.new) == len(self.old) and all(_same(self.key(name)) for name in self.new)
        if isinstance(self.new, list) and isinstance(self.old, list):
            return len(self.new) == len(self.old) and self._same_items()
        return type(self.new) is type(self.old) and bool(self.new == self.old)

    def _same_items(self) -> bool:
        if self.node.get("x-kubernetes-list-type") != "map":
            return bool(self.new == self.old)
        return all(_same(self.index(index)) for index in range(len(self.new)))

    def key(self, name: str) -> Correlated | None:
        """The value of a field or key, None if it cannot be told what it was."""
        if not (isinstance(self.new, dict) and isinstance(self.old, dict)):
            return None
        node = (self.node.get("properties") or {}).get(name) or self.node.get("additionalProperties")
        if name not in self.new or name not in self.old or not isinstance(node, Mapping):
            return None
        return Correlated(self.new[name], self.old[name], node)

    def index(self, index: int) -> Correlated | None:
        """An item, None if it cannot be told what it was."""
        if not (isinstance(self.new, list) and isinstance(self.old, list)):
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


def _same(one: Correlated | None) -> bool:
    return one is not None and one.unchanged()


def item_of(items: Any, like: Any, node: Node) -> Any:
    """Return the item of a list that has the same keys as another, None if its items cannot be told apart."""
    if node.get("x-kubernetes-list-type") != "map" or not isinstance(items, list) or not isinstance(like, dict):
        return None
    keys = node.get("x-kubernetes-list-map-keys") or ()
    wanted = [like.get(key) for key in keys]
    return next((one for one in items if isinstance(one, dict) and [one.get(key) for key in keys] == wanted), None)
