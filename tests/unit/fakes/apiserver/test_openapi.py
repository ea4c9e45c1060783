"""OpenAPI documents: of the release as they are stored, of custom kinds as a real server publishes them."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ctrlkit.fakes.apiserver.openapi import OpenApi
from ctrlkit.fakes.releases import NAMES, openapi_document, openapi_roots
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import custom_resource
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS

RECORDED: dict[str, Any] = json.loads(gzip.decompress(Path(__file__).with_name("custom_openapi.json.gz").read_bytes()))
"""What kube-apiserver 1.36.3 publishes about two custom kinds: parts of its documents, without descriptions."""


def without_prose(value: Any, *, of_properties: bool = False) -> Any:
    """A part of a document without its descriptions."""
    match value:
        case list():
            return [without_prose(one) for one in value]
        case dict():
            return {
                name: without_prose(one, of_properties=name == "properties")
                for name, one in value.items()
                if of_properties or name != "description" or not isinstance(one, str)
            }
    return value


def with_kinds(release: str = "1.36") -> Tracker:
    """A tracker that serves the recorded kinds."""
    tracker = Tracker(server=release)
    for definition in RECORDED["definitions"]:
        tracker.create(CUSTOM_RESOURCE_DEFINITIONS, definition)
    return tracker


def read(openapi: OpenApi, root: str) -> Any:
    """A document, decoded."""
    document = openapi.document(root)
    assert document is not None
    assert document.hash == hashlib.sha512(document.json).hexdigest().upper()
    return msgspec.json.decode(document.json)


@pytest.mark.parametrize("root", RECORDED["v3"])
def test_custom_kinds_have_the_document_of_a_real_server(root: str) -> None:
    got, want = without_prose(read(OpenApi(with_kinds().registry), root)), RECORDED["v3"][root]
    schemas = got["components"]["schemas"]
    assert got["info"] == want["info"]
    assert got["paths"] == want["paths"]
    assert {name: schema for name, schema in schemas.items() if name in want["schemas"]} == want["schemas"]
    assert sorted(schemas) == sorted([*want["schemas"], *want["others"]])


def test_custom_kinds_stand_in_the_whole_document_as_on_a_real_server() -> None:
    got = without_prose(OpenApi(with_kinds().registry).whole_document())
    for part, want in RECORDED["v2"].items():
        assert {name: one for name, one in got[part].items() if name in want} == want
        assert list(got[part]) == sorted(got[part])
    assert got["info"] == {"title": "Kubernetes", "version": "1.36"}


@pytest.mark.parametrize("release", NAMES)
def test_a_release_has_its_own_documents_and_the_index_their_hashes(release: str) -> None:
    openapi = OpenApi(Tracker(server=release).registry)
    paths = openapi.index()["paths"]
    assert list(paths) == sorted(openapi_roots(release))
    assert {"api", "api/v1", "apis", "apis/apps", "apis/apps/v1", "version", "openid/v1/jwks"} <= set(paths)
    for root, place in paths.items():
        document = openapi.document(root)
        assert document is not None
        assert place == {"serverRelativeURL": f"/openapi/v3/{root}?hash={document.hash}"}
        assert document.json == openapi_document(release, root)
    assert openapi.whole().json == openapi_document(release, "v2")


def test_the_hash_changes_with_the_definition() -> None:
    tracker = with_kinds()
    openapi = OpenApi(tracker.registry)
    root = "apis/tools.example.com/v1"
    before = openapi.index()["paths"]
    definition = tracker.get(CUSTOM_RESOURCE_DEFINITIONS, "places.tools.example.com")
    definition["spec"]["versions"][0]["subresources"] = {"status": {}}
    tracker.update(CUSTOM_RESOURCE_DEFINITIONS, definition)
    after = openapi.index()["paths"]
    assert {name for name in after if after[name] != before[name]} == {root}
    assert "/apis/tools.example.com/v1/places/{name}/status" in read(openapi, root)["paths"]
    tracker.delete(CUSTOM_RESOURCE_DEFINITIONS, "places.tools.example.com")
    tracker.delete(CUSTOM_RESOURCE_DEFINITIONS, "gadgets.tools.example.com")
    assert openapi.document(root) is None
    assert root not in openapi.index()["paths"]


def test_a_kind_without_a_definition_has_an_open_schema() -> None:
    """So that clients do not refuse fields that nothing is known of."""
    tracker = Tracker()
    tracker.registry.register_custom(custom_resource(group="my-shop.io", version="v2", kind="Cart", plural="carts"))
    document = read(OpenApi(tracker.registry), "apis/my-shop.io/v2")
    assert document["components"]["schemas"]["io.my-shop.v2.Cart"] == {
        "type": "object",
        "x-kubernetes-group-version-kind": [{"group": "my-shop.io", "version": "v2", "kind": "Cart"}],
    }
    operation = document["paths"]["/apis/my-shop.io/v2/namespaces/{namespace}/carts/{name}"]["get"]
    assert operation["operationId"] == "readMyShopIoV2NamespacedCart"
    assert operation["tags"] == ["myShopIo_v2"]


@pytest.mark.parametrize("release", NAMES)
def test_every_reference_of_every_document_leads_somewhere(release: str) -> None:
    openapi = OpenApi(with_kinds(release).registry)
    for root in openapi.index()["paths"]:
        document = read(openapi, root)
        known = {f"#/components/schemas/{name}" for name in document["components"].get("schemas", ())}
        assert set(_references(document)) <= known, root
    whole = openapi.whole_document()
    known = {f"#/{part}/{name}" for part in ("definitions", "parameters") for name in whole[part]}
    assert set(_references(whole)) <= known


def _references(value: Any) -> list[str]:
    match value:
        case list():
            return [found for one in value for found in _references(one)]
        case {"$ref": str(reference)}:
            return [reference]
        case dict():
            return [found for one in value.values() for found in _references(one)]
    return []
