"""Defaults of a schema: each is a value that the schema itself allows, and keeps whole."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ctrlkit.fakes.tracker.kinds.definitions import embedded
from ctrlkit.fakes.tracker.kinds.definitions.structural import EMBEDDED, INT_OR_STRING, PRESERVE
from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.refusals import Cause, json_text
from ctrlkit.fakes.tracker.schema.custom import has_expressions
from ctrlkit.fakes.tracker.schema.structural import Structural
from ctrlkit.fakes.tracker.schema.typed import DoesNotFit
from ctrlkit.fakes.tracker.schema.value_rules import ValueRules

_META = ("metadata", "apiVersion", "kind")
_SOME_TYPE = {"apiVersion": "validation/v1", "kind": "Validation"}


class _Site(NamedTuple):
    """
    Where a node is: below `root`, the nearest node of objects of a kind of their own, by `steps` (0 into a list).

    Shape   `in_meta` says that it is in the metadata of such an object, or is its kind or apiVersion.
    """

    root: Object
    steps: tuple[str | int, ...] = ()
    in_meta: bool = False

    def below(self, node: Object, step: str | int, *, in_meta: bool) -> _Site:
        return _Site(node) if _is_embedded(node) else _Site(self.root, (*self.steps, step), in_meta)

    def around(self, value: Any) -> Any:
        """An object that has the value here."""
        for step in reversed(self.steps):
            value = [value] if isinstance(step, int) else {step: value}
        return {**_SOME_TYPE, **value}


def default_causes(schema: Object, path: str) -> list[Cause]:
    """
    Return what is wrong with the defaults of a structural schema.

    The metadata of objects in a default is read as such: unknown fields of it are dropped from the schema, as a server
    does.
    """
    root = {**schema, EMBEDDED: True}
    return list(_causes(root, path, _Site(root)))


def _causes(node: Object, path: str, site: _Site) -> Iterator[Cause]:
    """Check the default of a node, and those below."""
    if "default" in node:
        yield from _default_causes(node, f"{path}.default", site)
    items = node.get("items")
    if isinstance(items, Mapping):
        yield from _causes(items, f"{path}.items", site.below(items, 0, in_meta=site.in_meta))
    for name, inner in (node.get("properties") or {}).items():
        is_meta = site.in_meta or (_is_embedded(node) and name in _META)
        yield from _causes(inner, f"{path}.properties[{name}]", site.below(inner, name, in_meta=is_meta))


def _is_embedded(node: Object) -> bool:
    return bool(node.get(EMBEDDED))


def _default_causes(node: Object, path: str, site: _Site) -> Iterator[Cause]:
    value = node["default"]
    if not site.in_meta and pruned(value, node) != value:
        yield Cause.invalid(path, json_text(value), "must not have unknown fields")
    shown = json_text(value)
    if site.in_meta:
        found = [*_object_causes(site.around(copy.deepcopy(value)), site.root, "")]
        if found:
            said = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in found))
            text = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
            found = [Cause.invalid(path, shown, f"must result in valid metadata: {text}")]
    else:
        found = [*_object_causes(value, node, path)]
    found = found or ValueRules(_of_any_type(node)).check(value).named(path)
    if not found and has_expressions(node):
        found = _expression_causes(node, value, path, is_root=node is site.root)
    yield from found


def _of_any_type(node: Object) -> Object:
    """A schema in which what is an integer or a string may be anything: of a default, a server does not ask for it."""
    rules = {word: inner for word, inner in node.items() if word != INT_OR_STRING}
    for word in ("items", "additionalProperties"):
        if isinstance(rules.get(word), Mapping):
            rules[word] = _of_any_type(rules[word])
    if "properties" in rules:
        rules["properties"] = {name: _of_any_type(inner) for name, inner in rules["properties"].items()}
    return rules


def _object_causes(value: Any, node: Object, path: str) -> Iterator[Cause]:
    """Check the objects in a value, which may be one itself; their metadata is read as such, in place."""
    whole, structural = {"x": value}, Structural({"properties": {"x": node}})
    try:
        embedded.coerce(whole, structural)
    except DoesNotFit as error:
        field, _, message = str(error).partition(": ")
        yield Cause(f"{path}{field[1:]}".lstrip("."), "FieldValueInvalid", message)
        return
    for cause in embedded.causes(whole, structural):
        yield Cause(f"{path}{cause.field[1:]}".lstrip("."), cause.reason, cause.message)


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

    A list that keeps what it does not know does so in its items.

    >>> pruned([{"a": 1, "b": 2}], {PRESERVE: True, "items": {"properties": {"a": {}}}})
    [{'a': 1, 'b': 2}]
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
