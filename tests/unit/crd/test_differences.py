"""Where schemas differ: a class and a definition, an old definition and a new one."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from ctrlkit.crd import Aspect, breaking_changes, definition_of, disagreements, narrowings, outdated_parts
from ctrlkit.errors import Invalid
from ctrlkit.fakes import FakeClientset
from ctrlkit.model import Definition, ObjectMeta, Resource, custom_resource
from tests.unit.crd.test_manifest import TYPES

Facts = list[tuple[str, Aspect]]


@pytest.mark.parametrize(
    ("old", "new", "aspect"),
    [
        ({"type": "string"}, {"type": "integer"}, Aspect.TYPE),
        ({"x-kubernetes-int-or-string": True}, {"type": "integer"}, Aspect.TYPE),
        ({"type": "integer"}, {"x-kubernetes-int-or-string": True}, None),
        ({"type": "integer"}, {"type": "number"}, None),
        ({"type": "number"}, {"type": "integer"}, Aspect.TYPE),
        ({"type": "string", "nullable": True}, {"type": "string"}, Aspect.NULL),
        ({"type": "string"}, {"type": "string", "enum": ["a"]}, Aspect.VALUES),
        ({"type": "string", "enum": ["a", "b"]}, {"type": "string", "enum": ["b", "c"]}, Aspect.VALUES),
        ({"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["a", "b"]}, None),
        ({"type": "integer", "maximum": 5}, {"type": "integer", "maximum": 9}, None),
        ({"type": "integer", "minimum": 5}, {"type": "integer", "minimum": 6}, Aspect.LIMIT),
        (
            {"type": "integer", "minimum": 5},
            {"type": "integer", "minimum": 5, "exclusiveMinimum": True},
            Aspect.LIMIT,
        ),
        ({"type": "string"}, {"type": "string", "pattern": "^a"}, Aspect.LIMIT),
        ({"type": "string"}, {"type": "string", "format": "date-time"}, Aspect.FORMAT),
        ({"type": "integer", "format": "int32"}, {"type": "integer", "format": "int64"}, None),
        ({"type": "array"}, {"type": "array", "x-kubernetes-list-type": "set"}, Aspect.LIST),
        ({"type": "array", "x-kubernetes-list-type": "set"}, {"type": "array"}, None),
        ({"type": "object"}, {"type": "object", "x-kubernetes-validations": [{"rule": "true"}]}, Aspect.RULE),
        ({"type": "object"}, {"type": "object", "oneOf": [{"required": ["a"]}]}, Aspect.RULE),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}},
            {"type": "object", "properties": {"b": {"type": "string"}}},
            Aspect.FIELD,
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}},
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            None,
        ),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, {"type": "object"}, Aspect.OPEN),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "integer"}},
            Aspect.TYPE,
        ),
        ({"type": "string"}, {"x-kubernetes-preserve-unknown-fields": True}, None),
    ],
)
def test_a_narrowing_is_what_one_schema_accepts_and_the_other_refuses_or_drops(
    old: dict[str, Any], new: dict[str, Any], aspect: Aspect | None
) -> None:
    """Each aspect of a schema; what becomes wider is none."""
    assert [one.aspect for one in narrowings(old, new)] == ([] if aspect is None else [aspect])


def test_a_field_that_became_required_breaks_unless_it_has_a_default() -> None:
    """A server sets the default before it looks whether the field is there."""
    old = {"type": "object", "properties": {"a": {"type": "string"}}}
    new = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    assert [(one.path, one.aspect) for one in narrowings(old, new)] == [("a", Aspect.REQUIRED)]
    new["properties"]["a"]["default"] = "x"  # type: ignore[index]
    assert narrowings(old, new) == []


class Spec(msgspec.Struct):
    max_size: int = 0
    """A forgotten rename: the definition says maxSize."""

    mode: str = "fast"
    count: Annotated[int, Meta(le=5)] = 0


class Site(msgspec.Struct):
    metadata: ObjectMeta
    spec: Spec


def kind(version: str = "v1", **definition: Any) -> Resource[Any]:
    """The kind Site, untyped."""
    return custom_resource(
        group="example.com", version=version, kind="Site", plural="sites", definition=Definition(**definition)
    )


def crd(properties: dict[str, Any], *, version: str = "v1", **version_fields: Any) -> dict[str, Any]:
    """A definition of Site written by hand, with such a spec."""
    spec = {"type": "object", "required": ["mode"], "properties": properties}
    schema = {"type": "object", "required": ["spec"], "properties": {"spec": spec}}
    one = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **version_fields}
    names = {"kind": "Site", "plural": "sites"}
    return {
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "sites.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [one]},
    }


def test_a_class_and_a_definition_disagree_about_what_is_read() -> None:
    """A forgotten rename, a default that differs, values that the class cannot read; not what only one of them has."""
    definition = crd(
        {
            "maxSize": {"type": "integer"},
            "mode": {"type": "string", "default": "slow"},
            "count": {"type": "integer", "maximum": 9},
            "more": {"type": "string"},
        }
    )
    assert [str(one) for one in disagreements(kind().of(Site), definition)] == [
        "spec.max_size: the class reads it, the definition does not have it; did you mean maxSize?",
        "spec.count: maximum the definition says 9, the class 5",
        "spec.mode: the class has the default 'fast', the definition 'slow'",
    ]


def test_names_and_versions_that_differ_are_told() -> None:
    """A definition of another version says nothing of the class's."""
    found = disagreements(kind("v2").of(Site), crd({}))
    assert [str(one) for one in found] == ["version v2 of the class is not in the definition, which has v1"]
    other = custom_resource(group="example.com", kind="Place", plural="sites").of(Site)
    assert "kind of the class is Place, of the definition Site" in [str(one) for one in disagreements(other, crd({}))]


def test_a_class_agrees_with_its_own_definition() -> None:
    """And the definition is up to date until somebody edits it."""
    sites = kind().of(Site)
    definition = definition_of(sites)
    assert disagreements(sites, definition) == []
    assert outdated_parts(definition, sites) == []
    definition["spec"]["names"]["singular"] = "place"
    assert outdated_parts(definition, sites) == ["spec.names.singular"]


@given(TYPES)
def test_for_any_type_a_class_agrees_with_its_own_definition(one: tuple[Any, Any]) -> None:
    """Nothing is narrower than itself."""
    thing = msgspec.defstruct("Thing", [("metadata", ObjectMeta), ("spec", one[0])])
    things = custom_resource(group="example.com", kind="Thing", plural="things").of(thing)
    definition = definition_of(things)
    assert disagreements(things, definition) == []
    assert breaking_changes(definition, definition) == []


@given(TYPES, TYPES, st.data())
def test_for_any_two_types_without_narrowing_the_new_one_takes_all_objects_of_the_old(
    old: tuple[Any, Any], new: tuple[Any, Any], data: st.DataObject
) -> None:
    """What no difference is told of, a server accepts and keeps."""
    resources = [
        custom_resource(group="example.com", kind="Thing", plural="things").of(
            msgspec.defstruct(
                "Thing", [("metadata", ObjectMeta), ("spec", msgspec.defstruct("Made", [("value", one[0])]))]
            )
        )
        for one in (old, new)
    ]
    before, after = (definition_of(one) for one in resources)
    found = breaking_changes(before, after)
    body = {
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"value": msgspec.to_builtins(data.draw(old[1]))},
    }
    try:
        stored = FakeClientset(None, after).tracker.create(resources[1], body)
    except Invalid:
        assert found
        return
    assert found or stored["spec"] == body["spec"]


def test_what_breaks_stored_objects_is_told_with_its_version() -> None:
    """Fields that are dropped, and those that are required."""
    old = crd({"mode": {"type": "string"}, "size": {"type": "integer"}})
    new = crd({"mode": {"type": "string"}, "color": {"type": "string"}})
    new["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["required"] = ["mode", "color"]
    assert [str(one) for one in breaking_changes(old, new)] == [
        "v1 spec.size: was a field, is dropped",
        "v1 spec.color: was optional, is required",
    ]


def test_versions_that_go_and_a_storage_version_that_changes_are_told() -> None:
    """A stored version cannot go; a served one can, and its clients see it."""
    old = crd({}, version="v1alpha1")
    old["spec"]["versions"].append({**crd({}, version="v1beta1")["spec"]["versions"][0], "storage": False})
    old["status"] = {"storedVersions": ["v1alpha1"]}
    said = [str(one) for one in breaking_changes(old, crd({}, version="v1"))]
    assert (
        "version v1alpha1 is left out while objects may be stored in it (status.storedVersions): that is refused"
        in said
    )
    assert "version v1beta1 is left out: its clients get 404" in said
    assert any("objects are stored as v1alpha1, new ones will be as v1" in one for one in said)


def test_another_scope_or_group_is_another_kind() -> None:
    """A server refuses such a change of a definition."""
    new = crd({})
    new["spec"] |= {"scope": "Cluster", "group": "example.org"}
    assert [one.aspect for one in breaking_changes(crd({}), new)] == [Aspect.NAME, Aspect.NAME]
