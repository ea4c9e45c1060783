"""
OpenAPI documents as the messages of gnostic-models, in which kubectl and client-go ask for them.

    encode(b'{"swagger": "2.0", "info": {"title": "Kubernetes", "version": "1.36"}, "paths": {}}', "v2")

Most messages have the fields of the JSON object that they stand for. The others are told by their fields: a map is a
list of names with values, a choice of messages is decided by what the object says, and what has no type is kept as
YAML. Zero values are left out, as proto3 has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import msgspec

from ctrlkit.fakes.apiserver.accept import clauses
from ctrlkit.fakes.apiserver.protobuf import wire
from ctrlkit.fakes.apiserver.yaml_text import to_yaml

JSON = "application/json"

_Fields = Mapping[str, tuple[int, str]]

_NAMED = {
    "path": "/",
    "vendorExtension": "x-",
    "specificationExtension": "x-",
    "responseCode": "",
    "responseOrReference": "",
}
"""Fields that are lists of what stands beside the other fields in JSON, and how its names begin."""

_SCALARS = frozenset({"string", "bool", "int64", "double"})

_ALWAYS_LISTS = {"ItemsItem", "TypeItem", "StringArray"}
"""Messages around one list, which may be one value in JSON."""

_PARAMETERS = {
    "body": "bodyParameter",
    "header": "headerParameterSubSchema",
    "formData": "formDataParameterSubSchema",
    "query": "queryParameterSubSchema",
    "path": "pathParameterSubSchema",
}
_SECURITY = {"basic": "basicAuthenticationSecurity", "apiKey": "apiKeySecurity"}
_ALTERNATIVES: Mapping[type, str] = {bool: "boolean", str: "string", int: "number", float: "number"}


def accepted(accept: str, version: str) -> str | None:
    """
    Return the content type of a document for a client: JSON, or the first that it accepts; None if there is none.

    >>> accepted("application/com.github.proto-openapi.spec.v2@v1.0+protobuf,application/json", "v2")
    'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'
    """
    protobuf = f"application/com.github.proto-openapi.spec.{version}.v1.0+protobuf"
    known = {**dict.fromkeys(("*", "*/*", "application/*", JSON), JSON), protobuf: protobuf}
    known[protobuf.replace(".v1.0", "@v1.0")] = protobuf
    return next((known[media] for media, _ in clauses(accept or "*/*") if media in known), None)


@dataclass(frozen=True, slots=True)
class _Shape:
    """
    A message: its fields as number and type by name, and what kind of JSON it stands for.

    Shape   `lists` are the fields that gather what stands beside the others in JSON: for names that begin so, for the
            rest under "".
    """

    fields: _Fields
    is_choice: bool
    is_map: bool
    lists: Mapping[str, str]


@lru_cache(maxsize=4)
def encode(document: bytes, version: str) -> bytes:
    """Convert a JSON document of OpenAPI `v2` or `v3`; the last ones are kept."""
    return _message(_shapes(version), "Document", msgspec.json.decode(document))


@cache
def _shapes(version: str) -> Mapping[str, _Shape]:
    text = files(__package__).joinpath("openapi_messages.json").read_bytes()
    versions: dict[str, dict[str, dict[str, tuple[int, str]]]] = msgspec.json.decode(text)
    return {name: _shape(fields) for name, fields in versions[version].items()}


def _shape(fields: _Fields) -> _Shape:
    return _Shape(
        fields,
        is_choice=all(kind.startswith("|") for _, kind in fields.values()),
        is_map=set(fields) == {"additionalProperties"},
        lists={begins: field for field, begins in _NAMED.items() if field in fields},
    )


def _message(shapes: Mapping[str, _Shape], name: str, value: Any) -> bytes:
    shape = shapes[name]
    out = bytearray()
    for field, part in _parts(name, shape, value):
        number, kind = shape.fields[field]
        if kind.startswith("[]"):
            for item in part:
                out += _field(shapes, number, kind[2:], item)
        else:
            out += _field(shapes, number, kind.lstrip("|"), part)
    return bytes(out)


def _field(shapes: Mapping[str, _Shape], number: int, kind: str, value: Any) -> bytes:
    match kind:
        case "string":
            return wire.tag(number, wire.LENGTH) + wire.sized(str(value).encode())
        case "bool" | "int64":
            return wire.tag(number, wire.VARINT) + wire.varint(int(value))
        case "double":
            return wire.tag(number, wire.FIXED64) + wire.double(value)
    return wire.tag(number, wire.LENGTH) + wire.sized(_message(shapes, kind, value))


def _parts(name: str, shape: _Shape, value: Any) -> Iterable[tuple[str, Any]]:
    """Return the fields of a message, in their order, with the parts of a JSON value that belong to them."""
    if name == "Any":
        return (("yaml", _yaml(msgspec.json.encode(value))),)
    if name in _ALWAYS_LISTS:
        return ((field, value if isinstance(value, list) else [value]) for field in shape.fields)
    if shape.is_choice:
        chosen = _chosen(shape.fields, value)
        return ((chosen, value),) if chosen else ()
    if shape.is_map:
        return (("additionalProperties", list(value.items())),)
    if isinstance(value, tuple):
        return zip(("name", "value"), value, strict=True)
    return _object(shape, value)


@lru_cache(maxsize=2048)
def _yaml(document: bytes) -> str:
    """Convert JSON to YAML; most of what has no type stands in a document many times."""
    return to_yaml(msgspec.json.decode(document), in_order=False).decode()


def _object(shape: _Shape, value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: dict[str, Any] = {}
    for name, part in value.items():
        field = name if name in shape.fields else shape.lists.get(name[:2]) or shape.lists.get(name[:1])
        if field != name and (field := field or shape.lists.get("")):
            found.setdefault(field, []).append((name, part))
        elif field and (part or shape.fields[field][1] not in _SCALARS):
            found[field] = part
    return sorted(found.items(), key=lambda item: shape.fields[item[0]][0])


def _chosen(fields: _Fields, value: Any) -> str:
    """Return the alternative that a value is; empty if it is none of them, as an object among scalars."""
    if not isinstance(value, dict) or set(fields) <= set(_ALTERNATIVES.values()):
        scalar = _ALTERNATIVES.get(type(value), "")
        return scalar if scalar in fields else ""
    for field in ("jsonReference", "reference"):
        if field in fields and "$ref" in value:
            return field
    for field in (_PARAMETERS.get(value.get("in", ""), ""), _SECURITY.get(value.get("type", ""), "")):
        if field in fields:
            return field
    return "nonBodyParameter" if "nonBodyParameter" in fields else next(iter(fields))
