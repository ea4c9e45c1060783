"""
Ten public definitions written as classes: what comes out of the classes says what the definitions say.

`public/sources.json` says where each is from, and has a digest of its schemas, their prose and their rules in CEL
apart; the definitions themselves are not here. `python -m tests.judge.public_crds.same FOLDER` asks servers about
objects under both.
"""

from __future__ import annotations

import importlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ctrlkit.crd import definition_of, disagreements
from ctrlkit.fakes import FakeClientset
from ctrlkit.model import AnyResource
from tests.judge.public_crds.classes import digest_of, normal_versions
from tests.judge.public_crds.sources import count_fields

FOLDER = Path(__file__).parent / "public"
SOURCES: list[dict[str, Any]] = json.loads((FOLDER / "sources.json").read_text())


def versions_of(module: str) -> list[AnyResource]:
    """The kind of a module at each of its versions, as classes."""
    return list(importlib.import_module(f"tests.unit.crd.public.{module}").VERSIONS)


@cache
def definition_from(module: str) -> dict[str, Any]:
    """What comes out of the classes."""
    return definition_of(*versions_of(module))


@pytest.mark.parametrize("source", SOURCES, ids=lambda one: str(one["name"]))
def test_the_classes_say_what_the_definition_says(source: dict[str, Any]) -> None:
    """The same fields, types, limits, defaults and lists, in each version."""
    assert digest_of(definition_from(source["module"])) == source["digest"]


@pytest.mark.long
@pytest.mark.parametrize("source", SOURCES, ids=lambda one: str(one["name"]))
def test_a_server_takes_what_comes_out_of_the_classes(source: dict[str, Any]) -> None:
    """And the classes agree with it, and can be decoded to."""
    definition = definition_from(source["module"])
    FakeClientset(None, definition)
    for resource in versions_of(source["module"]):
        assert disagreements(resource, definition) == []
        msgspec.json.Decoder(resource.type)


def test_there_are_large_ones_and_all_sorts_of_schemas() -> None:
    """Three above 300 fields, some with oneOf, with integers or texts, with several versions that differ."""
    versions = [normal_versions(definition_from(one["module"])) for one in SOURCES]
    sizes = [max(count_fields(schema) for schema in schemas.values()) for schemas in versions]
    assert len(versions) == 10
    assert sum(size > 300 for size in sizes) >= 3
    text = json.dumps(versions)
    assert '"oneOf"' in text
    assert '"x-kubernetes-int-or-string"' in text
    assert any(len({json.dumps(schema) for schema in schemas.values()}) > 1 for schemas in versions)
