"""
What keeps a schema from being structural: said where values are typed, and once only.

A structural schema types every value outside of `allOf`, `anyOf`, `oneOf` and `not`; what is within these only
restricts values, and only those that are typed outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema.patterns import compiled

INT_OR_STRING = "x-kubernetes-int-or-string"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
_JUNCTORS = ("anyOf", "allOf", "oneOf")
_INT_OR_STRING_TYPES = [{"type": "integer"}, {"type": "string"}]
_ROOT, _ITEM, _FIELD = "at the root", "for specified array items", "for specified object fields"
_NOT_SUPPORTED = (
    ("id", "id"),
    ("$schema", "schema"),
    ("$ref", "$ref"),
    ("patternProperties", "patternProperties"),
    ("dependencies", "dependencies"),
    ("additionalItems", "additionalItems"),
    ("definitions", "definitions"),
)
_ONLY_OUTSIDE = (
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    (PRESERVE, "must be false to be structural"),
    (EMBEDDED, "must be false to be structural"),
    (INT_OR_STRING, "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
)
"""Keywords that a value has only outside of junctors, and what the server says of them inside."""


def structural_causes(schema: Object, path: str) -> list[Cause]:
    """Return a cause for each thing that keeps a schema from being structural, sorted as the server sorts them."""
    found = [*_typed_causes(schema, path, _ROOT), *_missing_causes(schema, schema, path, path)]
    return sorted(found, key=lambda cause: f"{cause.field}: {cause.message}")


def unsupported(node: Object) -> str:
    """
    Return what the server says of the first keyword that no structural schema has, "" if there is none.

    >>> unsupported({"type": "object", "properties": {"a": {"$schema": "x"}}})
    "OpenAPIV3Schema 'schema' is not supported"
    """
    for keyword, name in _NOT_SUPPORTED:
        if node.get(keyword) or (keyword == "additionalItems" and keyword in node):
            return f"OpenAPIV3Schema '{name}' is not supported"
    inner = [node["not"]] if node.get("not") else []
    for word in ("allOf", "anyOf", "oneOf"):
        inner += node.get(word) or ()
    problem = next(filter(None, map(unsupported, inner)), "")
    if problem:
        return problem
    if node.get(PRESERVE) is False:
        return f"internal error: '{PRESERVE}' must be true or undefined"
    if isinstance(node.get("items"), list):
        return "OpenAPIV3Schema 'items' must be a schema, but is an array"
    below = [node.get("items"), *(node.get("properties") or {}).values(), node.get("additionalProperties")]
    return next(filter(None, (unsupported(one) for one in below if isinstance(one, Mapping))), "")


# ---- outside of junctors ---------------------------------------------------------------------------------------------


def _typed_causes(node: Object, path: str, place: str) -> Iterator[Cause]:
    """Check a node that types values; `place` says which."""
    items, additional = node.get("items"), node.get("additionalProperties")
    if isinstance(items, Mapping):
        yield from _typed_causes(items, f"{path}.items", _ITEM)
    elif node.get("type") == "array":
        yield Cause.required(f"{path}.items", "must be specified")
    for name, inner in _properties(node):
        yield from _typed_causes(inner, f"{path}.properties[{name}]", _FIELD)
    if additional is not None and place == _ROOT:
        yield Cause.forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if isinstance(additional, Mapping):
        yield from _typed_causes(additional, f"{path}.additionalProperties", _FIELD)
    yield from _extension_causes(node, path)
    every: Sequence[Object] = node.get("allOf") or ()
    yield from _restriction_causes(
        node,
        path,
        skips_any=node.get("anyOf") == _INT_OR_STRING_TYPES,
        skips_first=bool(every) and every[0].get("anyOf") == _INT_OR_STRING_TYPES,
    )
    yield from _type_causes(node, f"{path}.type", place)
    if node.get(EMBEDDED) and additional is not None:
        yield Cause.forbidden(f"{path}.additionalProperties", f"must not be used if {EMBEDDED} is set")
    yield from _object_causes(node, path, place)


def _extension_causes(node: Object, path: str) -> Iterator[Cause]:
    for word in (PRESERVE, EMBEDDED):
        if node.get(INT_OR_STRING) and node.get(word):
            yield Cause.invalid(f"{path}.{word}", "true", f"must be false if {INT_OR_STRING} is true")


def _type_causes(node: Object, path: str, place: str) -> Iterator[Cause]:
    kind = node.get("type") or ""
    if node.get(EMBEDDED) and kind != "object":
        text = f"must be object if {EMBEDDED} is true"
        yield Cause.wrong(path, kind, text) if kind else Cause.required(path, text)
    elif not kind and not node.get(INT_OR_STRING) and not node.get(PRESERVE):
        yield Cause.required(path, f"must not be empty {place}")
    if place == _ROOT and kind and kind != "object":
        yield Cause.wrong(path, kind, "must be object at the root")


def _object_causes(node: Object, path: str, place: str) -> Iterator[Cause]:
    """Check what every object has: a type of its own, and metadata."""
    properties: Mapping[str, Any] = node.get("properties") or {}
    is_whole = place == _ROOT or bool(node.get(EMBEDDED))
    for name in ("kind", "apiVersion"):
        kind = properties[name].get("type") or "" if name in properties else "string"
        if is_whole and kind != "string":
            yield Cause.wrong(f"{path}.properties[{name}].type", kind, "must be string")
    if "metadata" in properties:
        metadata, here = properties["metadata"], f"{path}.properties[metadata]"
        kind = metadata.get("type") or ""
        if is_whole and kind != "object":
            yield Cause.wrong(f"{here}.type", kind, "must be object")
        if place == _ROOT and _restricts_more_than_names(metadata):
            text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield Cause.forbidden(here, text)
    if node.get(EMBEDDED) and not node.get(PRESERVE) and not properties:
        text = f"must not be empty if {EMBEDDED} is true without {PRESERVE}"
        yield Cause.required(f"{path}.properties", text)


def _restricts_more_than_names(metadata: Object) -> bool:
    left = metadata.keys() - {"type", "default"}
    names = (metadata.get("properties") or {}).keys()
    return bool(left - {"properties"}) or not names <= {"name", "generateName"}


# ---- inside of junctors ----------------------------------------------------------------------------------------------


def _restriction_causes(
    node: Object, path: str, *, skips_any: bool = False, skips_first: bool = False
) -> Iterator[Cause]:
    """Check what restricts the values of a node; the two ways to say "integer or string" are let pass."""
    for word in _JUNCTORS:
        if word == "anyOf" and skips_any:
            continue
        for index, inner in enumerate(node.get(word) or ()):
            skips = word == "allOf" and skips_first and index == 0
            yield from _nested_causes(inner, f"{path}.{word}[{index}]", skips_any=skips)
    if node.get("not") is not None:
        yield from _nested_causes(node["not"], f"{path}.not")
    pattern = node.get("pattern") or ""
    if pattern:
        try:
            compiled(pattern)
        except ValueError as error:
            yield Cause.wrong(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {error}")


def _nested_causes(node: Object, path: str, *, skips_any: bool = False) -> Iterator[Cause]:
    yield from _restriction_causes(node, path, skips_any=skips_any)
    if isinstance(node.get("items"), Mapping):
        yield from _nested_causes(node["items"], f"{path}.items")
    for name, inner in _properties(node):
        yield from _nested_causes(inner, f"{path}.properties[{name}]")
    for word, text in _ONLY_OUTSIDE:
        value = node.get(word)
        if value or (word == "default" and word in node) or (word == "additionalProperties" and value == {}):
            yield Cause.forbidden(f"{path}.{word}", text)
    if "metadata" in (node.get("properties") or {}):
        yield Cause.forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _missing_causes(node: Object, typed: Object | None, typed_path: str, path: str) -> Iterator[Cause]:
    """Check that all values restricted within the junctors of a node are typed by `typed`."""
    if node.get("not") is not None:
        yield from _nested_missing_causes(node["not"], typed, typed_path, f"{path}.not")
    for word in ("allOf", "anyOf", "oneOf"):
        for index, inner in enumerate(node.get(word) or ()):
            yield from _nested_missing_causes(inner, typed, typed_path, f"{path}.{word}[{index}]")


def _nested_missing_causes(node: Object, typed: Object | None, typed_path: str, path: str) -> Iterator[Cause]:
    if typed is None:
        yield Cause.required(typed_path, f"because it is defined in {path}")
        return
    yield from _missing_causes(node, typed, typed_path, path)
    if isinstance(node.get("items"), Mapping):
        items = typed.get("items")
        there = items if isinstance(items, Mapping) else None
        yield from _nested_missing_causes(node["items"], there, f"{typed_path}.items", f"{path}.items")
    known: Mapping[str, Any] = typed.get("properties") or {}
    for name, inner in _properties(node):
        step = f".properties[{name}]"
        yield from _nested_missing_causes(inner, known.get(name), f"{typed_path}{step}", f"{path}{step}")


def _properties(node: Object) -> Iterator[tuple[str, Object]]:
    yield from (node.get("properties") or {}).items()
