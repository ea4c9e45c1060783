"""Objects of custom kinds by their schema; what a real server says of single values is in tests/conformance."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.tracker.schema import typed
from ctrlkit.fakes.tracker.schema.custom import CustomSchema
from ctrlkit.fakes.tracker.schema.types import types_of
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS
from tests.judge.public_crds.objects import Objects

TEXT = {"type": "string"}
PORT = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 15, "pattern": "^[a-z]"},
        "port": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65535, "default": 80},
        "target": {"x-kubernetes-int-or-string": True},
        "note": {"type": "string", "nullable": True, "enum": ["a", "b"]},
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": PORT,
                },
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
                "labels": {"type": "object", "additionalProperties": {"type": "string", "default": "x"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"port": PORT}},
                "embedded": {"type": "object", "x-kubernetes-embedded-resource": True},
                "depth": {"type": "object", "default": {"inner": {}}, "properties": {"inner": {"default": {}, **PORT}}},
                "one": {
                    "type": "object",
                    "properties": {"a": TEXT, "b": {"type": "number"}},
                    "oneOf": [{"required": ["a"]}, {"required": ["b"], "properties": {"b": {"minimum": 3}}}],
                },
            },
        }
    },
}
SEEDS = st.integers(0, 2**32)


def _objects(seed: int) -> list[dict[str, Any]]:
    objects = Objects(Random(seed))
    plain = objects.object(SCHEMA)
    return [plain, objects.broken(plain)]


@given(SEEDS)
def test_a_completed_object_is_complete(seed: int) -> None:
    """For any object: what was pruned and filled in once does not change again, and has no unknown fields."""
    schema = CustomSchema(SCHEMA)
    for plain in _objects(seed):
        once, _ = schema.complete({"metadata": {}, **plain})
        twice, unknown = schema.complete(once)
        assert (twice, unknown) == (once, [])


@given(SEEDS)
def test_an_object_that_does_not_change_is_not_refused(seed: int) -> None:
    """For any object whose lists can be told apart by their keys: whatever rule it breaks, it may stay as it is."""
    schema = CustomSchema(SCHEMA)
    whole, _ = schema.complete({"metadata": {}, **_objects(seed)[0]})
    if not schema.list_causes(whole):
        assert schema.value_causes(whole, whole) == []


@given(SEEDS)
def test_a_cause_is_about_a_place_of_the_object(seed: int) -> None:
    """For any object: each cause names the object's field, or none."""
    schema = CustomSchema(SCHEMA)
    for plain in _objects(seed):
        whole, _ = schema.complete({"metadata": {}, **plain})
        for cause in schema.value_causes(whole):
            assert cause.field == "<nil>" or cause.field.startswith("spec")


def test_of_a_large_schema_only_what_an_object_has_is_read() -> None:
    """So that an object of a kind with thousands of fields costs what its own fields do."""
    wide = {"type": "object", "properties": {f"f{number}": PORT for number in range(2000)}}
    schema = CustomSchema({"type": "object", "properties": {"spec": wide}})
    schema.complete({"metadata": {}, "spec": {"f7": {"name": "a"}}})
    assert schema.value_causes({"spec": {"f7": {"name": "1"}}})
    rules, structural = schema._rules.child("spec"), schema.structural.child("spec")
    assert rules is not None
    assert structural is not None
    assert (list(rules._children), list(structural._children)) == (["f7"], ["f7"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, ""),
        (3.5, 'a in body must be of type int32: "float64"'),
        (2**31, "Checked value must be of type integer with format int32 in a"),
        (-3.0, "a in body should be greater than or equal to 1"),
        (True, 'a in body must be of type int32: ""'),
    ],
)
def test_integers(value: Any, text: str) -> None:
    """A whole float is an integer; other types and values out of range are not."""
    port = {"type": "integer", "format": "int32", "minimum": 1}
    causes = CustomSchema({"type": "object", "properties": {"a": port}}).value_causes({"a": value})
    said = [cause.message.partition(": ")[2].partition(": ")[2] for cause in causes]
    assert said[:1] == ([text] if text else [])


def test_servers_share_a_schema_and_none_can_change_it() -> None:
    """Each test has a server, which is given the same definition: what was made of its schema is made once."""
    given = deepcopy(SCHEMA)
    schema = CustomSchema.shared(given)
    given["properties"].clear()
    assert CustomSchema.shared(SCHEMA) is schema
    assert schema.openapi == SCHEMA


def test_a_schema_that_was_read_before_is_read_the_same_each_time() -> None:
    """Also where it has unknown fields, whose places depend on where the schema is."""
    version = {"schema": {"openAPIV3Schema": {**SCHEMA, "bogus": 1}}}
    definition = {"metadata": {"name": "a"}, "spec": {"versions": [version, {"schema": {"openAPIV3Schema": SCHEMA}}]}}
    first, second = (typed.read(types_of(), CUSTOM_RESOURCE_DEFINITIONS, definition, {}) for _ in range(2))
    assert first == second
    assert first[1] == ["spec.versions[0].schema.openAPIV3Schema.bogus"]
    read = first[0]["spec"]["versions"][1]["schema"]["openAPIV3Schema"]
    read["properties"].clear()
    assert typed.read(types_of(), CUSTOM_RESOURCE_DEFINITIONS, definition, {}) == second
