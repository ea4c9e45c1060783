"""Tables of custom kinds, rows with and without their objects, and metadata alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from ctrlkit.errors import BadRequest
from ctrlkit.fakes.apiserver import jsonpath
from ctrlkit.fakes.apiserver.tables import Include, Tables
from ctrlkit.fakes.tracker import Registry, Strategy
from ctrlkit.fakes.tracker.verbs.partial import metadata_event, metadata_only
from ctrlkit.model import custom_resource

NOW = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
META = {"name": "a", "namespace": "demo", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"}
NETS = custom_resource(group="example.com", kind="Net", plural="nets")


def custom(*columns: dict[str, Any]) -> Tables:
    """Tables of a custom kind with these printer columns."""
    return Tables(Strategy(resource=NETS, singular="net", custom=True, columns=columns or None), Include.METADATA)


def config_maps(include: Include = Include.METADATA) -> Tables:
    """Tables of ConfigMaps."""
    served = Registry().find("", "v1", "configmaps")
    assert served is not None
    return Tables(served, include)


def column(path: str, kind: str = "string") -> dict[str, Any]:
    """One additionalPrinterColumn."""
    return {"name": "C", "type": kind, "jsonPath": path}


def test_a_list_becomes_a_table_at_the_lists_version() -> None:
    """Paging goes on: version, continue token and remaining count are kept."""
    page = {"resourceVersion": "9", "continue": "t", "remainingItemCount": 4}
    body = {
        "kind": "ConfigMapList",
        "apiVersion": "v1",
        "metadata": page,
        "items": [{"metadata": META, "data": {"k": "v"}}],
    }

    table = msgspec.json.decode(config_maps().of(msgspec.json.encode(body), NOW))

    assert (table["kind"], table["apiVersion"], table["metadata"]) == ("Table", "meta.k8s.io/v1", page)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"] == [
        {
            "cells": ["a", 1, "5m"],
            "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": META},
        }
    ]


def test_an_empty_list_is_a_table_without_rows() -> None:
    """Columns are there all the same."""
    table = msgspec.json.decode(config_maps().of(b'{"kind":"ConfigMapList","metadata":{},"items":[]}', NOW))
    assert table["rows"] == []
    assert table["columnDefinitions"]


@pytest.mark.parametrize(
    ("include", "carried"),
    [
        (Include.NONE, None),
        (Include.METADATA, {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": META}),
        (Include.OBJECT, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": META, "data": {"k": "v"}}),
    ],
)
def test_rows_carry_as_much_of_the_object_as_asked(include: Include, carried: object) -> None:
    """An item of a list says its kind even where the list left it out."""
    body = {"kind": "ConfigMapList", "metadata": {}, "items": [{"metadata": META, "data": {"k": "v"}}]}
    table = msgspec.json.decode(config_maps(include).of(msgspec.json.encode(body), NOW))
    assert table["rows"][0]["object"] == carried


def test_an_unknown_include_is_refused() -> None:
    """The parameter has three values, and Metadata where it is not given."""
    assert Include.parse("") is Include.METADATA
    with pytest.raises(BadRequest, match="includeObject"):
        Include.parse("All")


def test_only_the_first_event_of_a_watch_names_the_columns() -> None:
    """Later tables have none, and an error stays the Status it is."""
    line = msgspec.json.encode({"type": "ADDED", "object": {"kind": "ConfigMap", "metadata": META}})
    error = b'{"type":"ERROR","object":{"kind":"Status","code":410}}'

    first = msgspec.json.decode(config_maps().event(line, NOW, first=True))
    later = msgspec.json.decode(config_maps().event(line, NOW, first=False))

    assert (first["type"], first["object"]["kind"]) == ("ADDED", "Table")
    assert len(first["object"]["columnDefinitions"]) == 3
    assert later["object"]["columnDefinitions"] is None
    assert later["object"]["rows"] == first["object"]["rows"]
    assert config_maps().event(error, NOW, first=True) == error


def test_a_status_is_never_a_table() -> None:
    """The answer to a delete stays what it is, in every form."""
    status = b'{"kind":"Status","apiVersion":"v1","status":"Success"}'
    assert config_maps().of(status, NOW) == status
    assert metadata_only(status) == status


def test_a_custom_kind_without_columns_shows_name_and_age() -> None:
    """As a real server does."""
    tables = custom()
    assert [(column["name"], column["type"]) for column in tables.columns()] == [("Name", "string"), ("Age", "date")]
    assert tables.cells({"metadata": META}, NOW) == ["a", "5m"]


@pytest.mark.parametrize(
    ("path", "kind", "cell"),
    [
        (".spec.nodes", "integer", 3),
        (".spec.nodes", "number", 3.0),
        (".spec.nodes", "string", "3"),
        (".spec.nodes", "boolean", None),
        (".spec.on", "boolean", True),
        (".spec.on", "integer", None),
        (".spec.tags", "string", '["x","y"]'),
        (".spec.tags[1]", "string", "y"),
        (".spec.missing.deeper", "string", None),
        (".metadata.creationTimestamp", "date", "5m"),
        ('.status.conditions[?(@.type=="Available")].status', "string", "True"),
        (".status.conditions[?(@.type=='Nope')].status", "string", None),
        (".status.conditions[*].type", "string", "Progressing"),
        ("spec.nodes", "integer", None),
    ],
)
def test_custom_cells_follow_their_path_and_type(path: str, kind: str, cell: object) -> None:
    """A value that is missing or of another type is null, which kubectl shows as <none>."""
    thing = {
        "metadata": META,
        "spec": {"nodes": 3, "on": True, "tags": ["x", "y"]},
        "status": {"conditions": [{"type": "Progressing", "status": "False"}, {"type": "Available", "status": "True"}]},
    }
    assert custom(column(path, kind)).cells(thing, NOW) == ["a", cell]


def test_a_path_that_cannot_be_read_is_named() -> None:
    """The message says where reading stopped."""
    with pytest.raises(ValueError, match=r"cannot read '\[\?\('"):
        list(jsonpath.find({}, ".a[?("))


def test_metadata_of_lists_and_events() -> None:
    """Informers that need no more get no more."""
    thing = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": META, "data": {"k": "v"}}
    alone = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": META}
    body = {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": [thing]}

    assert msgspec.json.decode(metadata_only(msgspec.json.encode(body))) == {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "9"},
        "items": [alone],
    }
    event = {"type": "MODIFIED", "object": thing}
    assert msgspec.json.decode(metadata_event(msgspec.json.encode(event))) == {"type": "MODIFIED", "object": alone}
