"""Converts objects, lists and watch events to Tables, as for `kubectl get`. Pure: JSON in, JSON out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import msgspec

from ctrlkit.errors import BadRequest
from ctrlkit.fakes.apiserver import jsonpath
from ctrlkit.fakes.durations import age
from ctrlkit.fakes.releases import Column
from ctrlkit.fakes.tracker import Strategy
from ctrlkit.fakes.tracker.kinds.tables import plain_cells
from ctrlkit.fakes.tracker.schema.value_rules import as_int64
from ctrlkit.fakes.tracker.verbs.partial import META_VERSION, partial_object
from ctrlkit.model import AnyResource

_AGE_COLUMN = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
_NAME_COLUMN = {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}


class Include(Enum):
    """How much of its object a row of a Table has: the query parameter `includeObject`."""

    NONE = "None"
    METADATA = "Metadata"
    OBJECT = "Object"

    @classmethod
    def parse(cls, text: str) -> Include:
        """Read the query parameter. Errors: BadRequest."""
        try:
            return cls(text or "Metadata")
        except ValueError:
            fact = f"includeObject: Invalid value: \"{text[:64]}\": must be 'Metadata', 'Object', 'None', or empty"
            raise BadRequest(f"Unable to convert to Table as requested: {fact}") from None


@dataclass(frozen=True, slots=True)
class Tables:
    """Makes Tables of one kind, with its additionalPrinterColumns or a real server's columns."""

    served: Strategy
    include: Include

    def of(self, answer: bytes, now: datetime) -> bytes:
        """Convert an object or a list; a Status stays as it is."""
        body = msgspec.json.decode(answer)
        return answer if body.get("kind") == "Status" else _encode(self._table(body, now, self.columns()))

    def event(self, line: bytes, now: datetime, *, first: bool) -> bytes:
        """Convert a watch event; only the first one names the columns."""
        event = msgspec.json.decode(line)
        if event.get("type") == "ERROR":
            return line
        columns = self.columns() if first else None
        return _encode({"type": event["type"], "object": self._table(event["object"], now, columns)})

    def columns(self) -> list[dict[str, Any]]:
        """Return the column definitions of the kind."""
        if self.served.facts is None:
            return [_NAME_COLUMN, *(_custom_column(column) for column in self._custom_columns())]
        return [_column(column) for column in self.served.facts.columns]

    def _custom_columns(self) -> Sequence[Mapping[str, Any]]:
        return self.served.columns or (_AGE_COLUMN,)

    def _table(self, body: Mapping[str, Any], now: datetime, columns: list[dict[str, Any]] | None) -> dict[str, Any]:
        is_list = "items" in body
        things = body["items"] or () if is_list else (body,)
        metadata = body.get("metadata") or {}
        kept = ("resourceVersion", "continue", "remainingItemCount") if is_list else ("resourceVersion",)
        return {
            "kind": "Table",
            "apiVersion": META_VERSION,
            "metadata": {name: metadata[name] for name in kept if metadata.get(name)},
            "columnDefinitions": columns,
            "rows": [{"cells": self.cells(thing, now), "object": self._row_object(thing)} for thing in things],
        }

    def cells(self, thing: Mapping[str, Any], now: datetime) -> list[Any]:
        """Return the cells of an object's row."""
        if self.served.cells is not None:
            return self.served.cells(thing, now)
        if self.served.facts is not None:
            return plain_cells((column.name for column in self.served.facts.columns), thing, now)
        name = (thing.get("metadata") or {}).get("name", "")
        return [name, *(_custom_cell(thing, column, now) for column in self._custom_columns())]

    def _row_object(self, thing: Mapping[str, Any]) -> Mapping[str, Any] | None:
        match self.include:
            case Include.NONE:
                return None
            case Include.METADATA:
                return self._without_annotations(partial_object(thing))
            case Include.OBJECT:
                return _with_kind(thing, self.served.resource)

    def _without_annotations(self, thing: dict[str, Any]) -> dict[str, Any]:
        """Leave out the annotations that rows do not have."""
        annotations = thing["metadata"].get("annotations") or {}
        left_out = annotations.keys() & {*self.served.answer_annotations}
        if not left_out:
            return thing
        kept = {name: text for name, text in annotations.items() if name not in left_out}
        metadata = {name: value for name, value in thing["metadata"].items() if name != "annotations"}
        return thing | {"metadata": metadata | ({"annotations": kept} if kept else {})}


def _column(column: Column) -> dict[str, Any]:
    """One column of a built-in kind."""
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "priority": column.priority,
        "description": "",
    }


def _custom_column(column: Mapping[str, Any]) -> dict[str, Any]:
    """Convert an entry of additionalPrinterColumns to a column definition."""
    described = f"Custom resource definition column (in JSONPath format): {column.get('jsonPath', '')}"
    return {
        "name": column.get("name", ""),
        "type": column.get("type", "string"),
        "format": column.get("format", ""),
        "description": column.get("description") or described,
        "priority": column.get("priority", 0),
    }


def _custom_cell(thing: Mapping[str, Any], column: Mapping[str, Any], now: datetime) -> Any:
    """Return the value at a column's path; None if it does not fit the column's type."""
    try:
        value = next(jsonpath.find(dict(thing), column.get("jsonPath", "")), None)
    except ValueError:
        return None
    match column.get("type"):
        case "string" if value is not None:
            return jsonpath.as_text(value)
        case "date" if isinstance(value, str):
            return age(value, now)
        case "boolean" if isinstance(value, bool):
            return value
        case "integer" | "number" as kind if isinstance(value, int | float) and not isinstance(value, bool):
            return as_int64(value) if kind == "integer" else float(value)
    return None


def _with_kind(thing: Mapping[str, Any], resource: AnyResource) -> dict[str, Any]:
    """Add kind and apiVersion, which items of a list may lack and rows of a Table have."""
    return {**thing, "kind": resource.kind, "apiVersion": resource.api_version}


def _encode(body: object) -> bytes:
    return msgspec.json.encode(body)
