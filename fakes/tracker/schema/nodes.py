"""
How the fields of a kind merge under server-side apply: as one value, by field, by key, or as a set.

In       Built-in kinds: types.py. Custom kinds: their definition's
         openAPIV3Schema with its `x-kubernetes-*` marks.
Out      The `Node` of a kind's objects, from which all others are reached.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from ctrlkit.fakes.tracker.schema.types import Field, Types, types_of
from ctrlkit.model import AnyResource

_KEY_DEFAULTS = {"protocol": "TCP"}
_TYPE_KEY_DEFAULTS: Mapping[str, Mapping[str, Any]] = {"LocalObjectReference": {"name": ""}}
"""The list keys of the built-in kinds that have defaults: everywhere, and in one type."""


class Kind(Enum):
    """The kind of a value; under `ANY` maps merge by field, and everything else is one value."""

    ANY = "any"
    SCALAR = "scalar"
    MAP = "map"
    LIST = "list"


SCALARS: Final = frozenset({str, int, float, bool})
"""The types of values that have nothing within, apart from null."""

_FITTING: Mapping[str, frozenset[type]] = {
    "numeric": frozenset({int, float}),
    "string": frozenset({str}),
    "boolean": frozenset({bool}),
    "untyped": SCALARS,
}


class Node:
    """
    How one field's value merges.

    Shape   MAP: `fields` are those declared, `other` is the node of any other field, None where none is allowed. LIST:
            `other` is the node of its items, `keys` names an item (sorted), `key` is the only one if it is, `is_set`
            says that items are values. With
            `is_leaf` the value is owned and replaced whole, whatever is below it; else `has_fields` says that a map
            merges by field, `has_items` that a list merges by item. `scalar` is the type a scalar must have, "untyped"
            for any; `fitting` are the types of values of which any is such a scalar. `empty` is the value a new object
            of a Go type has here before it is filled.
    """

    __slots__ = (
        "empty",
        "fields",
        "fitting",
        "has_fields",
        "has_items",
        "is_leaf",
        "is_set",
        "key",
        "key_defaults",
        "keys",
        "kind",
        "other",
        "scalar",
    )

    def __init__(
        self,
        kind: Kind,
        *,
        other: Node | None = None,
        keys: tuple[str, ...] = (),
        is_set: bool = False,
        is_atomic: bool = False,
        scalar: str = "untyped",
    ) -> None:
        self.kind: Kind = kind
        self.fields: dict[str, Node] = {}
        self.other: Node | None = other
        self.keys: tuple[str, ...] = tuple(sorted(keys))
        self.key: str = keys[0] if len(keys) == 1 else ""
        self.key_defaults: Mapping[str, Any] = {}
        self.is_set: bool = is_set
        self.is_leaf: bool = kind is Kind.SCALAR or is_atomic or (kind is Kind.LIST and not keys and not is_set)
        self.has_fields: bool = not self.is_leaf and kind in (Kind.MAP, Kind.ANY)
        self.has_items: bool = not self.is_leaf and kind is Kind.LIST
        self.scalar: str = scalar
        self.fitting: frozenset[type] = _FITTING[scalar] if kind is Kind.SCALAR else frozenset()
        self.empty: Any = None


ANY = Node(Kind.ANY)
ANY.other = ANY
ANY_SCALAR = Node(Kind.SCALAR)
_RAW = Node(Kind.ANY, is_atomic=True)


def _key_defaults(types: Types, word: str, field: Field) -> Mapping[str, Any]:
    """The values of keys that an item may leave out: those that a server sends of a field that is missing."""
    shape = types.fields_of(word)
    always = {
        key: _ZEROS[shape[key].word]
        for key in field.map_keys
        if key in shape and shape[key].mark == "!" and shape[key].word in _ZEROS
    }
    always |= _TYPE_KEY_DEFAULTS.get(word, {})
    return always | {key: _KEY_DEFAULTS[key] for key in field.map_keys if key in _KEY_DEFAULTS}


_ZEROS: Mapping[str, Any] = {"s": "", "i32": 0, "i64": 0}


def child(node: Node, name: str) -> Node:
    """Return the node of a map's field, that of any value if the field is not allowed."""
    return node.fields.get(name) or node.other or ANY


@functools.cache
def built_in(types: Types, resource: AnyResource) -> Node:
    """
    Return the node of a built-in kind's objects; `ANY` for a kind without a type.

    >>> from ctrlkit.model.kinds import PODS
    >>> spec = built_in(types_of(), PODS).fields["spec"]
    >>> spec.fields["containers"].keys, spec.fields["nodeSelector"].is_leaf
    (('name',), True)
    """
    name = types.type_of(resource)
    return type_node(types, name) if name else ANY


_KNOWN: dict[tuple[Types, str], Node] = {}
_SCALARS = {"s": "string", "y": "string", "b": "boolean", "i32": "numeric", "i64": "numeric", "n": "numeric"}
_EMPTY = {"s": "", "y": "", "b": False, "i32": 0, "i64": 0, "n": 0, "q": "0", "x": 0}


def type_node(types: Types, name: str) -> Node:
    """Return the node of a named type, made once: types may contain themselves."""
    node = _KNOWN.get((types, name))
    if node is None:
        node = _KNOWN[types, name] = Node(Kind.MAP, is_atomic=types.is_atomic(name))
        always = {}
        for field_name, field in types.fields_of(name).items():
            made = node.fields[field_name] = _word_node(types, field.word, field)
            if field.mark.startswith("!"):
                always[field_name] = None if field.mark == "!*" else made.empty
        node.empty = always
    return node


def _word_node(types: Types, word: str, field: Field) -> Node:
    """The node of a value by its word, and by how the field that holds it merges."""
    if word.startswith("[]"):
        item = _word_node(types, word[2:], Field())
        node = Node(Kind.LIST, other=item, keys=field.map_keys, is_set=field.is_set, is_atomic=field.atomic)
        node.key_defaults = _key_defaults(types, word[2:], field)
        return node
    if word.startswith("{}"):
        return Node(Kind.MAP, other=_word_node(types, word[2:], Field()), is_atomic=field.atomic)
    if types.is_described(word):
        node = type_node(types, word)
        if field.granular:
            return _granular(node)
        return _atomic(node) if field.atomic and not node.is_leaf else node
    if word == "?":
        return _RAW if field.go_type == "runtime.RawExtension" else ANY
    node = Node(Kind.SCALAR, scalar=_SCALARS.get(word, "untyped"))
    node.empty = _EMPTY.get(word)
    return node


def _atomic(node: Node) -> Node:
    whole = Node(node.kind, is_atomic=True)
    whole.fields, whole.empty = node.fields, node.empty
    return whole


def _granular(node: Node) -> Node:
    parts = Node(node.kind)
    parts.fields, parts.empty = node.fields, node.empty
    return parts


_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_CUSTOM_SCALARS = {"string": "string", "boolean": "boolean", "integer": "numeric", "number": "numeric"}


def custom(openapi: Mapping[str, Any]) -> Node:
    """
    Return the node of a custom kind's objects, from the openAPIV3Schema of a version.

    >>> tags = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
    >>> custom({"type": "object", "properties": {"tags": tags}}).fields["tags"].is_set
    True
    """
    root = _custom_node(openapi, preserves=False)
    root.fields |= {"apiVersion": ANY_SCALAR, "kind": ANY_SCALAR, "metadata": type_node(types_of(), "ObjectMeta")}
    return root


def _custom_node(schema: Mapping[str, Any], *, preserves: bool) -> Node:
    preserves = preserves or bool(schema.get(_PRESERVE))
    match schema.get("type"):
        case "object":
            return _custom_map(schema, preserves=preserves)
        case "array":
            return _custom_list(schema, preserves=preserves)
        case "string" if schema.get("format") not in (None, "", "byte"):
            return ANY_SCALAR
        case str(name) if name in _CUSTOM_SCALARS:
            return Node(Kind.SCALAR, scalar=_CUSTOM_SCALARS[name])
    return ANY


def _custom_map(schema: Mapping[str, Any], *, preserves: bool) -> Node:
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    other: Node | None = None
    if isinstance(additional, Mapping):
        other = _custom_node(additional, preserves=preserves)
    elif additional or (additional is None and (preserves or not properties)):
        other = ANY
    node = Node(Kind.MAP, other=other, is_atomic=schema.get("x-kubernetes-map-type") == "atomic")
    node.fields = {name: _custom_node(inner, preserves=preserves) for name, inner in properties.items()}
    if schema.get("x-kubernetes-embedded-resource"):
        node.fields |= {"apiVersion": ANY_SCALAR, "kind": ANY_SCALAR, "metadata": type_node(types_of(), "ObjectMeta")}
    return node


def _custom_list(schema: Mapping[str, Any], *, preserves: bool) -> Node:
    items = schema.get("items") or {}
    list_type = schema.get("x-kubernetes-list-type")
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ()) if list_type == "map" else ()
    node = Node(Kind.LIST, other=_custom_node(items, preserves=preserves), keys=keys, is_set=list_type == "set")
    properties = items.get("properties") or {}
    defaults = {key: (properties.get(key) or {}).get("default") for key in keys}
    node.key_defaults = {key: value for key, value in defaults.items() if value is not None}
    return node
