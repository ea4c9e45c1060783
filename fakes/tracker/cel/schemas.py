"""The types of custom resources for expressions: what a structural schema says of the values below it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ctrlkit.fakes.tracker.cel import types
from ctrlkit.fakes.tracker.cel.types import Type
from ctrlkit.fakes.tracker.cel.values import Duration, EvaluationError, MapList, SetList, duration, timestamp
from ctrlkit.fakes.tracker.schema.string_formats import long_duration

REQUEST_MAX = 3 * 1024 * 1024
"""The size of the largest request, in bytes; what has no limit of its own is limited by it."""

_RESERVED_WORDS = (
    "true false null in as break const continue else for function if import let loop package namespace "
    "return var void while"
)
_RESERVED = frozenset(_RESERVED_WORDS.split())
_WORDS = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_META = {
    "kind": {"type": "string"},
    "apiVersion": {"type": "string"},
    "metadata": {"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}},
}
_STRING_FORMATS = {
    "byte": (types.BYTES, 2, None),
    "duration": (types.DURATION, 3, 32),
    "date": (types.TIMESTAMP, 12, 12),
    "date-time": (types.TIMESTAMP, 21, 32),
}
"""Formats of strings that are types of their own, with the smallest and the largest size of such a string."""

Node = Mapping[str, Any]
Convert = Callable[[Any], Any]


@dataclass(eq=False, slots=True)
class Decl:
    """
    What expressions know of the values of a schema's node.

    Shape   `most` is the largest number of elements or characters; `least` the smallest size in bytes; `element` is
            what items of a list and values of a map are; `fields` are an object's by the names that expressions use,
            `names` what those are called in the object; `convert` makes a value of an expression out of one of an
            object, None where it is one already.
    """

    type: Type
    most: int = 0
    least: int = 0
    element: Decl | None = None
    fields: dict[str, Decl] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    convert: Convert | None = None


def escaped(name: str) -> str | None:
    """
    Return the name by which expressions call a field, None if they cannot.

    >>> escaped("a-b"), escaped("in"), escaped("1st")
    ('a__dash__b', '__in__', None)
    """
    if not name or name[0].isdigit() or re.search(r"[^a-zA-Z0-9_./-]", name):
        return None
    if name in _RESERVED:
        return f"__{name}__"
    return re.sub(r"__|[-./]", lambda match: _WORDS[match[0]], name)


def with_meta(node: Node) -> Node:
    """Return the schema of an object with what every object has."""
    return {**node, "properties": {**(node.get("properties") or {}), **_META}}


def declared(node: Node, name: str, *, is_root: bool) -> Decl | None:
    """
    Return what expressions know of a schema's values, None if they do not see them.

    Shape   `name` is what the type of an object is called; `is_root` says that it is an object of a kind of its own.
    """
    if node.get("x-kubernetes-int-or-string"):
        longest = node.get("maxLength")
        return Decl(types.DYN, REQUEST_MAX - 2 if longest is None else max(longest, 0) * 4, 1)
    if is_root:
        node = with_meta(node)
    make = _BY_TYPE.get(node.get("type") or "")
    return make(node, name) if make else None


def fields_of(decl: Decl) -> dict[str, dict[str, Type]]:
    """Return the fields of all types of objects in it, by the types' names."""
    return {one.type.name: {key: inner.type for key, inner in one.fields.items()} for one in _objects(decl)}


def _objects(decl: Decl) -> Iterator[Decl]:
    if decl.type.kind == "struct":
        yield decl
    for inner in (*decl.fields.values(), *([decl.element] if decl.element else [])):
        yield from _objects(inner)


def _embedded(node: Node) -> bool:
    return bool(node.get("x-kubernetes-embedded-resource"))


def _array(node: Node, name: str) -> Decl | None:
    items = node.get("items")
    element = declared(items, f"{name}.@idx", is_root=_embedded(items)) if items else None
    if element is None:
        return None
    most = node.get("maxItems")
    limit = (REQUEST_MAX - 2) // (element.least + 1) if most is None else max(most, 0)
    return Decl(types.list_of(element.type), limit, 2, element, convert=_list_converted(node, element.convert))


def _list_converted(node: Node, convert: Convert | None) -> Convert | None:
    kind = node.get("x-kubernetes-list-type")
    keys = tuple(node.get("x-kubernetes-list-map-keys") or ())

    def items(value: Any) -> Any:
        return [convert(item) for item in value] if convert else value

    if kind == "set":
        return lambda value: None if value is None else SetList(items(value))
    if kind == "map":
        return lambda value: None if value is None else MapList(items(value), keys)
    return (lambda value: None if value is None else items(value)) if convert else None


def _object(node: Node, name: str) -> Decl | None:
    additional = node.get("additionalProperties")
    if isinstance(additional, Mapping):
        return _map(node, additional, name)
    required = node.get("required") or ()
    decl = Decl(Type("struct", name), 0, 2)
    converted: dict[str, Convert] = {}
    for key, inner in (node.get("properties") or {}).items():
        found = declared(inner, f"{name}.{key}", is_root=_embedded(inner))
        if found is None:
            continue
        called = escaped(key)
        if called is not None:
            decl.fields[called], decl.names[called] = found, key
        if key in required and "default" not in inner:
            decl.least += len(key) + found.least + 4
        if found.convert:
            converted[key] = found.convert
    if converted:
        decl.convert = lambda value: _object_converted(value, converted)
    return decl


def _object_converted(value: Any, converted: Mapping[str, Convert]) -> Any:
    if value is None:
        return None
    return {key: converted[key](inner) if key in converted else inner for key, inner in value.items()}


def _map(node: Node, additional: Node, name: str) -> Decl | None:
    element = declared(additional, f"{name}.@elem", is_root=_embedded(additional))
    if element is None:
        return None
    most, convert = node.get("maxProperties"), element.convert
    limit = (REQUEST_MAX - 2) // (element.least + 6) if most is None else max(most, 0)
    decl = Decl(types.map_of(types.STRING, element.type), limit, 2, element)
    if convert:
        decl.convert = lambda value: None if value is None else {key: convert(one) for key, one in value.items()}
    return decl


def _string(node: Node, _name: str) -> Decl:
    longest = node.get("maxLength")
    if node.get("format") in _STRING_FORMATS:
        kind, least, most = _STRING_FORMATS[node["format"]]
        if most is None:
            most = REQUEST_MAX - 2 if longest is None else max(longest, 0)
        return Decl(kind, most, least, convert=_READ[node["format"]])
    if longest is not None:
        return Decl(types.STRING, max(longest, 0) * 4, 2)
    choices = [len(one.encode()) for one in node.get("enum") or () if isinstance(one, str)]
    return Decl(types.STRING, max(choices, default=0) if node.get("enum") else REQUEST_MAX - 2, 2)


def _number(_node: Node, _name: str) -> Decl:
    return Decl(types.DOUBLE, 0, 1, convert=lambda value: value if value is None else float(value))


_BY_TYPE: dict[str, Callable[[Node, str], Decl | None]] = {
    "array": _array,
    "object": _object,
    "string": _string,
    "number": _number,
    "integer": lambda _node, _name: Decl(types.INT, 0, 1),
    "boolean": lambda _node, _name: Decl(types.BOOL, 0, 4),
}


def read_integer(value: Any) -> Any:
    """Return an integer as it is. Errors: EvaluationError for 3.0, which a schema takes and expressions do not."""
    if type(value) is float:
        raise EvaluationError("invalid data, expected int, got float64")
    return value


def _read_time(text: Any) -> Any:
    return text if text is None else timestamp(text.upper().replace(" ", "T"))


def _read_date(text: Any) -> Any:
    return text if text is None else timestamp(f"{text}T00:00:00Z")


def _read_duration(text: Any) -> Any:
    if text is None:
        return None
    try:
        return duration(text)
    except EvaluationError:
        return _in_words(text)


def _in_words(text: str) -> Duration:
    try:
        return Duration(long_duration(text))
    except ValueError as error:
        raise EvaluationError(f"Invalid duration {text}: {error}") from None


def _read_bytes(text: Any) -> Any:
    if text is None:
        return None
    try:
        return base64.b64decode(text)
    except ValueError as error:
        raise EvaluationError(f"Invalid byte formatted string {text}: {error}") from None


_READ: dict[str, Convert] = {
    "byte": _read_bytes,
    "duration": _read_duration,
    "date": _read_date,
    "date-time": _read_time,
}
