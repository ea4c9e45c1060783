"""Two servers' answers side by side: what differs of necessity is masked, the rest must be the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_TIME_IN_TEXT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 UTC)")
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SUFFIX = re.compile(rf"(?<=-)[{_LETTERS}]{{5}}$")
_SUFFIX_IN_TEXT = re.compile(rf"(?<=-)[{_LETTERS}]{{5}}(?![a-z0-9-])")
_HASH = re.compile(rf"(?<![a-z0-9])(?=[a-z]*[0-9])[{_LETTERS}]{{8,10}}(?![a-z0-9])")
_MASKS = {
    "resourceVersion": "<version>",
    "uid": "<uid>",
    "clusterIP": "<address>",
    "continue": "<continue>",
    "selfLink": "<self>",
}
_OPENAPI = ("components.", "definitions.", "paths./")
"""What the places of kept parts of OpenAPI documents begin with."""
_PORTS = ("nodePort", "healthCheckNodePort")
_HASHES = ("pod-template-hash", "controller-revision-hash", "controller.kubernetes.io/hash")
_AGES = ("Age", "Duration", "Last Schedule", "Last Seen", "First Seen")
_LONGEST_VALUE = 160


def mask(value: Any, field: str = "", *, hashes: bool = False) -> Any:
    """
    A part of an answer without what is different on every server; `field` is where it stands.

    >>> mask({"metadata": {"name": "gen-s2k6z", "resourceVersion": "7"}, "clusterIPs": ["None", "10.0.0.9"]})
    {'metadata': {'name': 'gen-<suffix>', 'resourceVersion': '<version>'}, 'clusterIPs': ['None', '<address>']}

    `hashes` keeps the hashes that controllers compute.
    """
    if isinstance(value, str):
        return _mask_text(value, field, hashes=hashes)
    if field in _PORTS and value:
        return "<port>"
    if isinstance(value, list):
        return _LISTS.get(field, _plain_list)(value, field, hashes)
    if isinstance(value, dict):
        value = _mask_table(value) if value.get("kind") == "Table" else value
        if field.startswith(_OPENAPI):
            return _schema(value)
        return {_UID.sub("<uid>", name): mask(part, name, hashes=hashes) for name, part in value.items()}
    return value


def _schema(value: Any) -> Any:
    """
    A part of an OpenAPI document without prose, and in one of the ways in which servers of a release say the same.

    >>> _schema({"description": "All.", "items": {"default": {}, "allOf": [{"$ref": "#/a"}]}})
    {'items': {'$ref': '#/a'}}
    """
    if isinstance(value, list):
        return [_schema(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {
        name: _schema(one)
        for name, one in value.items()
        if not (name == "description" and isinstance(one, str)) and not (name == "default" and one in ("", {}))
    }
    return found["allOf"][0] if found.keys() == {"allOf"} and len(found["allOf"]) == 1 else found


def _plain_list(value: list[Any], field: str, hashes: bool) -> list[Any]:
    return [mask(one, field, hashes=hashes) for one in value]


def _without_prose(value: list[Any], _field: str, _hashes: bool) -> list[Any]:
    return [{name: part for name, part in column.items() if name != "description"} for column in value]


def _addresses(value: list[Any], _field: str, _hashes: bool) -> list[Any]:
    return [one if one == "None" else "<address>" for one in value]


def _managers(value: list[Any], field: str, hashes: bool) -> list[Any]:
    """Sorted, and without the entries of controllers, which may come a little later or earlier."""
    return _plain_list(
        sorted((one for one in value if one.get("manager") != "kube-controller-manager"), key=_order), field, hashes
    )


def _order(entry: Mapping[str, Any]) -> str:
    names = ("operation", "manager", "subresource", "apiVersion")
    return json.dumps([*(entry.get(name, "") for name in names), json.dumps(entry.get("fieldsV1"), sort_keys=True)])


_LISTS: Mapping[str, Callable[[list[Any], str, bool], list[Any]]] = {
    "columnDefinitions": _without_prose,
    "clusterIPs": _addresses,
    "managedFields": _managers,
}


def _mask_table(table: Mapping[str, Any]) -> dict[str, Any]:
    columns = [
        "Age" if column.get("type") == "date" else column.get("name") for column in table.get("columnDefinitions") or ()
    ]
    names = [*columns, *[""] * 99]
    rows = [
        {**row, "cells": [_mask_cell(cell, name) for cell, name in zip(row.get("cells") or (), names, strict=False)]}
        for row in table.get("rows") or ()
    ]
    return {**table, "rows": rows}


def _mask_cell(cell: Any, column: str) -> Any:
    if column in _AGES:
        return "<age>"
    if not isinstance(cell, str):
        return cell
    match column:
        case "Cluster-IP" if cell[:1].isdigit():
            return "<address>"
        case "Port(s)":
            return re.sub(r":\d{5}/", ":<port>/", cell)
        case "Name":
            return _SUFFIX_IN_TEXT.sub("<suffix>", cell)
    return cell


def _mask_text(text: str, field: str, *, hashes: bool) -> str:
    if field in _MASKS and text not in ("", "None"):
        return _MASKS[field]
    if field == "serverRelativeURL":
        return text.partition("?")[0]
    if field == "token" and text.startswith("eyJ"):
        return "<token>"
    if _TIME.match(text):
        return "<time>"
    text = _UID.sub("<uid>", text)
    if not hashes:
        text = "<hash>" if field in _HASHES and "-" not in text else _HASH.sub("<hash>", text)
    if field in ("message", "note"):
        text = _TIME_IN_TEXT.sub("<time>", text)
        text = re.sub(r'(resourceVersion\\*":\\*")\d+', r"\1<version>", text)
        text = re.sub(r"in record \(\d+\)", "in record (<version>)", _SUFFIX_IN_TEXT.sub("<suffix>", text))
    if field == "name":
        text = re.sub(r"\.[0-9a-f]{16}$", ".<hex>", text)
    return _SUFFIX.sub("<suffix>", text) if field in ("name", "message") else text


def differences(want: Any, got: Any, ignored: Sequence[str], path: str = "") -> Iterator[str]:
    """
    Where two masked answers differ, a line each; `ignored` are dotted paths, `*` for any key or index.

    >>> list(differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, ["a.c"]))
    ['a.b: 3, want 1']
    """
    if any(_covers(pattern, path) for pattern in ignored):
        return
    match want, got:
        case dict(), dict():
            for name in sorted(want.keys() | got.keys()):
                inner = f"{path}.{name}".lstrip(".")
                yield from differences(want.get(name, _ABSENT), got.get(name, _ABSENT), ignored, inner)
        case list(), list():
            if len(want) != len(got):
                yield f"{path}: {len(got)} items, want {len(want)}"
            for index, (one, other) in enumerate(zip(want, got, strict=False)):
                yield from differences(one, other, ignored, f"{path}.{index}".lstrip("."))
        case _:
            if want != got:
                yield f"{path}: {_short(got)}, want {_short(want)}"


def concerns(line: str, only: Sequence[str]) -> bool:
    """
    Whether a line of `differences` is about one of the paths in `only`, or about what holds it; about any if empty.

    >>> concerns("body.spec.a: 1, want 2", ["body.spec"]), concerns("status: 400, want 200", ["body"])
    (True, False)
    """
    have = line.partition(": ")[0].split(".")
    return not only or any(
        all(part in ("*", found) for part, found in zip(one.split("."), have, strict=False)) for one in only
    )


def look_up(value: Any, path: str) -> Any:
    """
    The value at a dotted path, None if there is none; `~` in a key stands for a dot, `[name=x]` finds in a list.

    >>> look_up({"items": [{"name": "a", "n": 1}, {"name": "b", "n": 2}]}, "items.[name=b].n")
    2
    """
    for part in path.split("."):
        if isinstance(value, list) and part.startswith("["):
            key, _, want = part[1:-1].replace("~", ".").partition("=")
            value = next((one for one in value if str(look_up(one, key)) == want), None)
        elif isinstance(value, list):
            is_index = part.lstrip("-").isdigit() and -len(value) <= int(part) < len(value)
            value = value[int(part)] if is_index else None
        elif isinstance(value, dict):
            value = value.get(part.replace("~", "."))
        else:
            return None
    return value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


class _Absent:
    def __repr__(self) -> str:
        return "nothing"


_ABSENT = _Absent()


def _covers(pattern: str, path: str) -> bool:
    parts = re.escape(pattern).replace(r"\*", "[^.]+")
    return re.fullmatch(rf"{parts}(\..*)?", path) is not None
