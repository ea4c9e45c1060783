"""
How lists and maps of the built-in kinds merge: facts of the server's own OpenAPI document, kept in shapes.json.

    python -m ctrlkit.fakes.tracker.schema.shapes v2.json.gz > shapes.json     makes it anew, from /openapi/v2

A `Shape` describes one type; a type that is not described, as in a custom resource, merges maps by field and replaces
lists whole.
"""

from __future__ import annotations

import functools
import gzip
import json
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from ctrlkit.model import AnyResource, kinds


class Field(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """
    One field that does not merge in the plain way, or leads to one.

    Shape   `type` names the Shape of its value or of its items. `merge_key` is the strategic merge patch's key, "" for
            a list of scalars that is merged as a set, None for a list that is replaced. `map_keys` are the keys of a
            list under server-side apply; `is_set` and `atomic` say that it is a set, or replaced whole.
    """

    type: str = ""
    merge_key: str | None = None
    map_keys: tuple[str, ...] = ()
    is_set: bool = False
    atomic: bool = False


Shape = Mapping[str, Field]
"""The described fields of a type, by name."""

PLAIN: Shape = {}
"""The shape of whatever is not described."""


class _Facts(msgspec.Struct, frozen=True):
    kinds: dict[str, str]
    types: dict[str, dict[str, Field]]
    atomic: frozenset[str]


def shape_of(resource: AnyResource) -> Shape:
    """
    The shape of a kind's objects.

    >>> from ctrlkit.model.kinds import PODS
    >>> child(child(shape_of(PODS), "spec"), "containers")["ports"].merge_key
    'containerPort'
    """
    facts = _facts()
    return facts.types.get(facts.kinds.get(f"{resource.api_version}/{resource.kind}", "ObjectWithMeta"), PLAIN)


def child(shape: Shape, name: str) -> Shape:
    """The shape of a field's value, or of its items."""
    field = shape.get(name)
    return _facts().types.get(field.type, PLAIN) if field else PLAIN


def type_shape(name: str) -> Shape:
    """The shape of a type, by its short name."""
    return _facts().types.get(name, PLAIN)


def is_atomic(name: str) -> bool:
    """Whether server-side apply takes objects of a type as one value, by the type's short name."""
    return name in _facts().atomic


@functools.cache
def _facts() -> _Facts:
    data = resources.files(__package__).joinpath("shapes.json").read_bytes()
    return msgspec.json.decode(data, type=_Facts)


def extract(document: Mapping[str, Any]) -> dict[str, Any]:
    """Take the facts about the kinds the tracker serves out of a server's OpenAPI v2 document."""
    definitions: Mapping[str, Any] = document["definitions"]
    roots: dict[str, str] = {}
    for name, definition in definitions.items():
        for gvk in definition.get("x-kubernetes-group-version-kind", ()):
            api_version = f"{gvk['group']}/{gvk['version']}" if gvk["group"] else gvk["version"]
            roots[f"{api_version}/{gvk['kind']}"] = name
    wanted = {f"{resource.api_version}/{resource.kind}" for resource in kinds.BUILT_IN}
    found = {kind: name for kind, name in roots.items() if kind in wanted}
    types: dict[str, dict[str, Any]] = {}
    pending = list(found.values())
    while pending:
        name = pending.pop()
        if name not in types:
            fields = {key: _field(value) for key, value in definitions[name].get("properties", {}).items()}
            types[name] = {key: value for key, value in fields.items() if value}
            pending += [value["type"] for value in types[name].values() if "type" in value]
    atomic = sorted(
        name.rpartition(".")[2] for name in types if definitions[name].get("x-kubernetes-map-type") == "atomic"
    )
    _forget_plain(types)
    meta = next(name for name in types if name.endswith(".ObjectMeta"))
    short = {name: name.rpartition(".")[2] if name.count(".") else name for name in types}
    if len(set(short.values())) < len(short):
        short = {name: name for name in types}
    renamed: dict[str, dict[str, Any]] = {
        short[name]: {key: _renamed(value, short) for key, value in fields.items()} for name, fields in types.items()
    }
    renamed["ObjectWithMeta"] = {"metadata": {"type": short[meta]}}
    return {
        "kinds": {kind: short[name] for kind, name in sorted(found.items()) if name in short},
        "types": dict(sorted(renamed.items())),
        "atomic": atomic,
    }


def _field(definition: Mapping[str, Any]) -> dict[str, Any]:
    items = definition.get("items") or definition.get("additionalProperties") or {}
    reference = definition.get("$ref") or (items.get("$ref") if definition.get("type") == "array" else "")
    strategy = definition.get("x-kubernetes-patch-strategy", "").split(",")
    list_type = definition.get("x-kubernetes-list-type", "")
    field: dict[str, Any] = {}
    if reference:
        field["type"] = reference.removeprefix("#/definitions/")
    if "merge" in strategy and definition.get("type") == "array":
        field["mergeKey"] = definition.get("x-kubernetes-patch-merge-key", "")
    if list_type == "map":
        field["mapKeys"] = definition["x-kubernetes-list-map-keys"]
    if list_type == "set":
        field["isSet"] = True
    if list_type == "atomic" or definition.get("x-kubernetes-map-type") == "atomic":
        field["atomic"] = True
    return field


def _forget_plain(types: dict[str, dict[str, Any]]) -> None:
    """Leave out types and links that lead to nothing but plain merging."""
    while True:
        dull = {name for name, fields in types.items() if not fields}
        if not dull:
            return
        for name in dull:
            del types[name]
        for name, fields in types.items():
            linked = {key: _unlinked(field, dull) for key, field in fields.items()}
            types[name] = {key: field for key, field in linked.items() if field}


def _unlinked(field: Mapping[str, Any], dull: set[str]) -> dict[str, Any]:
    return {key: value for key, value in field.items() if key != "type" or value not in dull}


def _renamed(field: Mapping[str, Any], short: Mapping[str, str]) -> dict[str, Any]:
    return {**field, "type": short[field["type"]]} if "type" in field else dict(field)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(extract(json.loads(gzip.decompress(Path(sys.argv[1]).read_bytes()))), indent=0) + "\n")
