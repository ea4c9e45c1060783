"""OpenAPI documents in protobuf: as gnostic-models, which real servers and clients use, writes them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ctrlkit.fakes.apiserver.protobuf import wire
from ctrlkit.fakes.apiserver.protobuf.openapi import accepted, encode

DOCUMENTS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("openapi_documents.json").read_text("utf-8"))
"""A document of each version with all that OpenAPI has, and its bytes as gnostic-models wrote them."""


@pytest.mark.parametrize("version", DOCUMENTS)
def test_a_document_is_written_byte_for_byte_as_gnostic_models_writes_it(version: str) -> None:
    document = msgspec.json.encode(DOCUMENTS[version]["document"])

    assert encode(document, version) == base64.b64decode(DOCUMENTS[version]["protobuf"])


def test_a_schema_without_fields_and_a_default_that_is_an_object_are_empty_messages() -> None:
    document: dict[str, Any] = {"components": {"schemas": {"A": {}, "B": {"default": {}}}}}

    body = encode(msgspec.json.encode(document), "v3")

    def message(*fields: tuple[int, bytes]) -> bytes:
        return b"".join(wire.tag(number, wire.LENGTH) + wire.sized(value) for number, value in fields)

    empty, with_default = message((1, b"")), message((1, message((33, b""))))
    schemas = message((1, message((1, b"A"), (2, empty))), (1, message((1, b"B"), (2, with_default))))
    assert body == message((5, message((1, schemas))))


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        (
            "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
            "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
        ),
        (
            "application/com.github.proto-openapi.spec.v2.v1.0+protobuf;q=0.9, text/html",
            "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
        ),
        ("application/json, application/com.github.proto-openapi.spec.v2@v1.0+protobuf", "application/json"),
        ("application/com.github.proto-openapi.spec.v3@v1.0+protobuf", None),
        ("text/html", None),
    ],
)
def test_what_a_client_accepts_of_the_second_version(accept: str, wanted: str | None) -> None:
    assert accepted(accept, "v2") == wanted
