"""
Structural schemas: what a server makes of an object before it looks at any rule.

Unknown fields are pruned, nulls are dropped where a field takes none, and defaults are filled in. A node is read when
an object first needs it, so that a large schema costs no more than its used part.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.nodes import SCALARS

Node = Mapping[str, Any]
META = ("apiVersion", "kind", "metadata")
_NOTHING: Mapping[str, Any] = {}


class Structural:
    """
    One node of a structural schema.

    >>> node = Structural({"type": "object", "properties": {"size": {"type": "integer", "default": 3}}})
    >>> unknown: list[str] = []
    >>> node.complete({"bogus": 1, "size": None}, "spec", unknown)
    {'size': 3}
    >>> unknown
    ['spec.bogus']
    """

    __slots__ = ("__dict__", "_children", "default", "embedded", "node", "nullable", "preserves", "properties")

    def __init__(self, node: Node) -> None:
        self.node: Node = node
        self.properties: Mapping[str, Node] = node.get("properties") or _NOTHING
        self.preserves: bool = bool(node.get("x-kubernetes-preserve-unknown-fields"))
        self.embedded: bool = bool(node.get("x-kubernetes-embedded-resource"))
        self.nullable: bool = bool(node.get("nullable"))
        self.default: Any = node.get("default")
        self._children: dict[str, Structural] = {}

    def child(self, name: str) -> Structural | None:
        """The node of a field, None if the schema does not say what is in it."""
        found = self._children.get(name)
        if found is None:
            inner = self.properties.get(name)
            if inner is None:
                return self.additional
            found = self._children[name] = Structural(inner)
        return found

    @functools.cached_property
    def additional(self) -> Structural | None:
        """The node of the fields without a name in the schema."""
        inner = self.node.get("additionalProperties")
        return Structural(inner) if isinstance(inner, Mapping) else None

    @functools.cached_property
    def items(self) -> Structural | None:
        """The node of a list's items."""
        inner = self.node.get("items")
        return Structural(inner) if isinstance(inner, Mapping) else None

    @functools.cached_property
    def _defaults(self) -> dict[str, Any]:
        defaults = {name: inner.get("default") for name, inner in self.properties.items()}
        return {name: value for name, value in defaults.items() if value is not None}

    @functools.cached_property
    def has_embedded(self) -> bool:
        """Whether there are embedded resources here or below."""
        return any(node.get("x-kubernetes-embedded-resource") for node in _nodes(self.node))

    @functools.cached_property
    def has_list_types(self) -> bool:
        """Whether there are sets, or lists with keys, here or below."""
        return any(node.get("x-kubernetes-list-type") in ("set", "map") for node in _nodes(self.node))

    def complete(self, value: Any, path: str, unknown: list[str]) -> Any:
        """Return a value pruned and with its defaults; add the paths of unknown fields."""
        return self._filled(self.pruned(value, path, unknown))

    def pruned(self, value: Any, path: str, unknown: list[str]) -> Any:
        """Return a value pruned only."""
        return self._pruned(value, path, unknown, keeps=self.preserves)

    # ---- pruning -----------------------------------------------------------------------------------------------------

    def _pruned(self, value: Any, path: str, unknown: list[str], *, keeps: bool) -> Any:
        if isinstance(value, list):
            if self.items is None:
                return value if keeps else [_emptied(item, f"{path}[{at}]", unknown) for at, item in enumerate(value)]
            keeps_items = keeps or self.items.preserves
            return [
                self.items._pruned(item, f"{path}[{at}]", unknown, keeps=keeps_items) for at, item in enumerate(value)
            ]
        return self._pruned_fields(value, path, unknown, keeps=keeps) if isinstance(value, dict) else value

    def _pruned_fields(self, value: dict[str, Any], path: str, unknown: list[str], *, keeps: bool) -> Any:
        pruned: dict[str, Any] = {}
        for name, inner in value.items():
            if self.embedded and name in META:
                pruned[name] = inner
                continue
            here = f"{path}.{name}" if path else name
            node = self._children[name] if name in self._children else self.child(name)
            if node is not None:
                if type(inner) in SCALARS:
                    pruned[name] = inner
                elif inner is not None or node.nullable or node.default is not None:
                    pruned[name] = node._pruned(inner, here, unknown, keeps=node.preserves)
            elif self.node.get("additionalProperties") is not None:
                pruned[name] = _emptied(inner, here, unknown)
            elif keeps:
                pruned[name] = inner
            else:
                unknown.append(here)
        return pruned

    # ---- defaults ----------------------------------------------------------------------------------------------------

    def _filled(self, value: Any) -> Any:
        """Fill in the defaults of a pruned value, in place; return what stands for the value."""
        if value is None and not self.nullable and self.default is not None:
            value = copy.deepcopy(self.default)
        if isinstance(value, dict):
            for name, default in self._defaults.items():
                if name not in value:
                    value[name] = copy.deepcopy(default)
            for name, inner in value.items():
                if type(inner) in SCALARS:
                    continue
                node = self.child(name)
                if node is not None and (inner is None or isinstance(inner, (dict, list))):
                    value[name] = node._filled(inner)
        elif isinstance(value, list) and self.items is not None:
            value[:] = map(self.items._filled, value)
        return value


def _emptied(value: Any, path: str, unknown: list[str]) -> Any:
    """What is left of a value of which the schema says nothing: its lists, and objects without fields."""
    if isinstance(value, list):
        return [_emptied(item, f"{path}[{at}]", unknown) for at, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    unknown += (f"{path}.{name}" for name in value)
    return {}


def _nodes(node: Node) -> list[Node]:
    """A node and all below it that are structural."""
    found = [node]
    for one in found:  # which grows meanwhile
        if one.get("properties"):
            found += one["properties"].values()
        for word in ("items", "additionalProperties"):
            if word in one and isinstance(one[word], (dict, Mapping)):
                found.append(one[word])
    return found


# ---- lists with keys, and sets ---------------------------------------------------------------------------------------


def list_causes(value: Any, node: Structural, path: str = "") -> Iterator[Cause]:
    """
    Yield a cause for the second of equal items of sets, and of items with equal keys.

    >>> tags = Structural({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}})
    >>> [(cause.field, cause.message) for cause in list_causes(["a", "b", "a", "a"], tags, "spec.tags")]
    [('spec.tags[2]', 'Duplicate value: "a"')]
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            below = node.child(name) if type(inner) not in SCALARS and isinstance(inner, (dict, list)) else None
            if below is not None and below.has_list_types:
                is_known = name in node.properties
                here = f"{path}.{name}".lstrip(".") if is_known else f"{path}[{name}]"
                yield from list_causes(inner, below, here)
    elif isinstance(value, list):
        match node.node.get("x-kubernetes-list-type"):
            case "set":
                yield from (Cause.duplicate(f"{path}[{at}]", value[at]) for at in _second(value))
            case "map":
                yield from _equal_keys(value, node, path)
        if node.items is not None:
            for at, item in enumerate(value):
                if isinstance(item, (dict, list)):
                    yield from list_causes(item, node.items, f"{path}[{at}]")


def _equal_keys(items: list[Any], node: Structural, path: str) -> Iterator[Cause]:
    for at, item in enumerate(items):
        if item is not None and not isinstance(item, dict):
            yield Cause.wrong(f"{path}[{at}]", item, "must be an object for an array of list-type map")
            return
    names = node.node.get("x-kubernetes-list-map-keys") or ()
    keys = [{name: item[name] for name in names if name in item} if item else {} for item in items]
    yield from (Cause.duplicate(f"{path}[{at}]", keys[at]) for at in _second(keys))


def _second(values: list[Any]) -> Iterator[int]:
    """Where values are for the second time."""
    seen: dict[Any, int] = {}
    for at, value in enumerate(values):
        key = _comparable(value)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] == 2:
            yield at


def _comparable(value: Any) -> Any:
    """A value that is equal to another one, and can be looked up, where the values are the same."""
    if type(value) in SCALARS:
        return (type(value), value)
    if isinstance(value, dict):
        return ("object", tuple(sorted((name, _comparable(inner)) for name, inner in value.items())))
    if isinstance(value, list):
        return ("array", tuple(map(_comparable, value)))
    return ("null", value)
