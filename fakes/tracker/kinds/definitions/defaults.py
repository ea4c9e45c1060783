"""Defaults of a schema: each is a value that the schema itself allows, and keeps whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.definitions.structural import EMBEDDED, PRESERVE
from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.custom import has_expressions
from ctrlkit.fakes.tracker.schema.internal import go_json
from ctrlkit.fakes.tracker.schema.value_rules import ValueRules

_META = ("metadata", "apiVersion", "kind")


def default_causes(schema: Object, path: str) -> list[Cause]:
    """Return what is wrong with the defaults of a structural schema."""
    return list(_causes({**schema, EMBEDDED: True}, path, is_root=True, in_meta=False))


def _causes(node: Object, path: str, *, is_root: bool, in_meta: bool) -> Iterator[Cause]:
    """
    Check the default of a node, and those below.

    Shape   `is_root` says that the node is of objects of a kind of their own, `in_meta` that it is of their metadata.
    """
    if "default" in node:
        yield from _default_causes(node, f"{path}.default", is_root=is_root, in_meta=in_meta)
    items = node.get("items")
    if isinstance(items, Mapping):
        yield from _causes(items, f"{path}.items", is_root=_is_embedded(items), in_meta=in_meta)
    for name, inner in (node.get("properties") or {}).items():
        within = (in_meta or (_is_embedded(node) and name in _META)) and not _is_embedded(inner)
        yield from _causes(inner, f"{path}.properties[{name}]", is_root=_is_embedded(inner), in_meta=within)


def _is_embedded(node: Object) -> bool:
    return bool(node.get(EMBEDDED))


def _default_causes(node: Object, path: str, *, is_root: bool, in_meta: bool) -> Iterator[Cause]:
    value = node["default"]
    if not in_meta and pruned(value, node) != value:
        yield Cause.invalid(path, go_json(value), "must not have unknown fields")
    found = ValueRules(node).check(value).named(path)
    if not found and has_expressions(node):
        found = _expression_causes(node, value, path, is_root=is_root)
    yield from found


def _expression_causes(node: Object, value: Any, path: str, *, is_root: bool) -> list[Cause]:
    """Check the rules that are expressions, as for a value that was there before, and as for a new one."""
    from ctrlkit.fakes.tracker.cel.validator import Validator  # noqa: PLC0415  # only schemas with rules need it

    rules = Validator(node, is_root=is_root)
    causes = rules.causes(value, value, ratchets=False) or rules.causes(value)
    return [Cause(_below(path, cause.field), cause.reason, cause.message) for cause in causes]


def _below(path: str, field: str) -> str:
    if field in ("", "<nil>"):
        return path
    return f"{path}{field}" if field.startswith("[") else f"{path}.{field}"


def pruned(value: Any, node: Object | None) -> Any:
    """
    Return a value without the fields that a schema does not know.

    >>> pruned({"a": 1, "b": 2}, {"properties": {"a": {}}})
    {'a': 1}
    """
    keeps = node is not None and bool(node.get(PRESERVE))
    if isinstance(value, list):
        items = (node or {}).get("items")
        inner = items if isinstance(items, Mapping) else None
        if keeps:
            inner = {**(inner or {}), PRESERVE: True}
        return [pruned(item, inner) for item in value]
    if not isinstance(value, dict):
        return value
    if node is None:
        return {}
    kept: dict[str, Any] = {}
    properties, additional = node.get("properties") or {}, node.get("additionalProperties")
    for name, inner in value.items():
        if _is_embedded(node) and name in _META:
            kept[name] = inner
        elif name in properties:
            kept[name] = pruned(inner, properties[name])
        elif additional is not None:
            kept[name] = pruned(inner, additional if isinstance(additional, Mapping) else None)
        elif keeps:
            kept[name] = inner
    return kept
