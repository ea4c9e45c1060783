"""For any class and any other schema: where objects come out otherwise, a difference is told."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ctrlkit.crd import Aspect, breaking_changes, definition_of, disagreements
from ctrlkit.errors import Invalid
from ctrlkit.fakes import FakeClientset
from ctrlkit.model import ObjectMeta, Resource, custom_resource
from tests.unit.crd.test_manifest import TYPES

Node = dict[str, Any]

_OTHERS: list[Node] = [
    {"type": "string"},
    {"type": "integer"},
    {"type": "number"},
    {"x-kubernetes-int-or-string": True},
    {"x-kubernetes-preserve-unknown-fields": True},
    {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    {"type": "object", "additionalProperties": {"type": "string"}},
    {"type": "array", "items": {"type": "integer"}},
]
_MORE: list[Node] = [
    {"nullable": True},
    {"maximum": 3},
    {"maxLength": 1},
    {"minLength": 1},
    {"maxItems": 1},
    {"enum": ["a", "b"]},
    {"pattern": "^a"},
    {"multipleOf": 2},
    {"default": 7},
    {"default": "a"},
    {"x-kubernetes-preserve-unknown-fields": True},
    {"x-kubernetes-list-type": "set"},
    {"x-kubernetes-validations": [{"rule": "size(string(self)) < 2"}]},
    {"not": {"enum": [1]}},
]


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for one in node.get("properties", {}).values():
        yield from _nodes(one)
    for part in ("items", "additionalProperties"):
        if isinstance(node.get(part), dict):
            yield from _nodes(node[part])


@st.composite
def mutated(draw: st.DrawFn, schema: Node) -> Node:
    """The schema of the spec, changed in a place."""
    schema = copy.deepcopy(schema)
    node = draw(st.sampled_from(list(_nodes(schema))))
    names = sorted(node.get("properties", {}))
    match draw(st.sampled_from(["other", "more", "less", "field", "required"])):
        case "other":
            other = draw(st.sampled_from(_OTHERS))
            node.clear()
            node.update(copy.deepcopy(other))
        case "more":
            node.update(copy.deepcopy(draw(st.sampled_from(_MORE))))
        case "less":
            gone = draw(st.sampled_from(sorted({*node} - {"type", "properties", "items"}) or ["nullable"]))
            node.pop(gone, None)
        case "field" if names:
            name = draw(st.sampled_from(names))
            moved = node["properties"].pop(name)
            node["required"] = [one for one in node.get("required", []) if one != name]
            if draw(st.booleans()):
                node["properties"][f"{name}s"] = moved
        case _ if names:
            node["required"] = sorted({*node.get("required", [])} ^ {draw(st.sampled_from(names))})
    return schema


def _outcome(resource: Resource[Any], definition: Node, spec: Any) -> tuple[str, Any]:
    """Whether a server takes an object, and what the class reads of it."""
    try:
        tracker = FakeClientset(None, definition).tracker
    except Invalid:
        assume(condition=False)
        raise
    try:
        stored = tracker.create(resource, {"metadata": {"name": "a", "namespace": "default"}, "spec": spec})
    except Invalid:
        return "refused", None
    try:
        return "read", msgspec.json.decode(msgspec.json.encode(stored), type=resource.type).spec
    except msgspec.ValidationError:
        return "unreadable", None


@given(st.data())
def test_for_any_schema_that_makes_another_object_of_it_check_tells_a_difference(data: st.DataObject) -> None:
    """Whoever owns the kind hears of another verdict, whoever reads it of what cannot be read, or reads otherwise."""
    type_, values = data.draw(TYPES)
    made = msgspec.defstruct("Made", [("value", type_), ("note", str, "none")])
    thing = msgspec.defstruct("Thing", [("metadata", ObjectMeta), ("spec", made)])
    things = custom_resource(group="example.com", kind="Thing", plural="things").of(thing)
    ours = definition_of(things)
    theirs = copy.deepcopy(ours)
    properties = theirs["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    properties["spec"] = data.draw(mutated(properties["spec"]))
    spec = data.draw(
        st.fixed_dictionaries({"value": values.map(msgspec.to_builtins)}, optional={"note": st.text("ab")})
    )
    mine, other = _outcome(things, ours, spec), _outcome(things, theirs, spec)
    if mine != other:
        assert disagreements(things, theirs, owned=True)
    if other[0] == "unreadable" or (other[0] == mine[0] == "read" and mine != other):
        assert disagreements(things, theirs)


class Part(msgspec.Struct, forbid_unknown_fields=True):
    size: int = 0


class Spec(msgspec.Struct, rename="camel"):
    max_size: int = 0
    mode: str = ""
    count: int = msgspec.field(default_factory=lambda: 3)
    part: Part = msgspec.field(default_factory=Part)
    needed: int = msgspec.field(default=1)


class Site(msgspec.Struct):
    metadata: ObjectMeta
    spec: Spec


SITES = custom_resource(group="example.com", kind="Site", plural="sites").of(Site)


def _definition(spec: Node) -> Node:
    definition = definition_of(SITES)
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = spec
    return definition


def _fields(**changed: Node) -> Node:
    whole = {
        "maxSize": {"type": "integer", "default": 0},
        "mode": {"type": "string"},
        "count": {"type": "integer", "default": 3},
        "part": {"type": "object", "default": {}, "properties": {"size": {"type": "integer", "default": 0}}},
        "needed": {"type": "integer", "default": 1},
    }
    return {"type": "object", "properties": {**whole, **changed}}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "spec: the definition says open to any field, the class typed in maxSize, mode, count, part, needed",
        ),
        ({"x-kubernetes-preserve-unknown-fields": True}, "spec: the definition says any value, the class object"),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            "spec.maxSize: the definition says string, the class integer",
        ),
        (
            _fields(mode={"type": "string", "default": "fast"}),
            "spec.mode: the class has an empty default, or one that no definition has, the definition 'fast'",
        ),
        (
            _fields(part={"type": "object", "properties": {"size": {"type": "integer"}, "color": {"type": "string"}}}),
            "spec.part.color: the definition says a field, the class refused as unknown",
        ),
        (_fields(needed={"type": "integer"}), ""),
        (_fields(more={"type": "string"}), ""),
        (_fields(maxSize={"type": "integer", "maximum": 3}), ""),
    ],
)
def test_what_makes_a_class_read_something_else_is_told_to_whoever_reads(spec: Node, told: str) -> None:
    """An open object may hold anything in the fields that the class has types for."""
    found = [str(one) for one in disagreements(SITES, _definition(spec))]
    assert any(told in one for one in found) if told else found == [], found


@pytest.mark.parametrize(
    ("spec", "aspect"),
    [
        (_fields(maxSize={"type": "integer", "default": 0, "maximum": 3}), Aspect.LIMIT),
        (_fields(mode={"type": "string", "enum": ["a"]}), Aspect.VALUES),
        ({**_fields(), "required": ["mode"]}, Aspect.REQUIRED),
        ({**_fields(), "x-kubernetes-validations": [{"rule": "true"}]}, Aspect.RULE),
        ({**_fields(), "oneOf": [{"required": ["mode"]}]}, Aspect.RULE),
        (_fields(more={"type": "string"}), None),
    ],
)
def test_whoever_owns_the_kind_is_told_what_the_definition_refuses_beyond_the_class(
    spec: Node, aspect: Aspect | None
) -> None:
    """A field that only the definition has is no difference."""
    assert disagreements(SITES, _definition(spec)) == []
    found = disagreements(SITES, _definition(spec), owned=True)
    assert [one.aspect for one in found] == ([] if aspect is None else [aspect])


@pytest.mark.long
@given(st.data())
def test_for_any_change_that_a_stored_object_suffers_from_it_is_told(data: st.DataObject) -> None:
    """An object that reads otherwise under the new definition, or could not be written again, breaks."""
    type_, values = data.draw(TYPES)
    made = msgspec.defstruct("Made", [("value", type_), ("note", str, "none")])
    thing = msgspec.defstruct("Thing", [("metadata", ObjectMeta), ("spec", made)])
    things = custom_resource(group="example.com", kind="Thing", plural="things").of(thing)
    old = definition_of(things)
    new = copy.deepcopy(old)
    properties = new["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    properties["spec"] = data.draw(mutated(properties["spec"]))
    spec = data.draw(
        st.fixed_dictionaries({"value": values.map(msgspec.to_builtins)}, optional={"note": st.text("ab")})
    )
    tracker = FakeClientset(None, old).tracker
    stored = tracker.create(things, {"metadata": {"name": "a", "namespace": "default"}, "spec": spec})
    again = _created_under(new, things, stored["spec"])
    assert again == stored["spec"] or breaking_changes(old, new)


def _created_under(definition: Node, resource: Resource[Any], spec: Any) -> Any:
    """The spec that a server makes of one; None where it refuses it."""
    try:
        tracker = FakeClientset(None, definition).tracker
    except Invalid:
        assume(condition=False)
        raise
    try:
        body = {"metadata": {"name": "a", "namespace": "default"}, "spec": spec}
        return tracker.create(resource, body)["spec"]
    except Invalid:
        return None


class Cat(msgspec.Struct, tag="cat", tag_field="kind"):
    lives: int


class Dog(msgspec.Struct, tag="dog", tag_field="kind"):
    barks: bool = True


class Pets(msgspec.Struct):
    metadata: ObjectMeta
    pet: Cat | Dog


def test_a_union_whose_branches_the_definition_does_not_tell_apart_is_told_to_whoever_reads() -> None:
    """A server would take a cat without lives."""
    pets = custom_resource(group="example.com", kind="Pet", plural="pets").of(Pets)
    definition = definition_of(pets)
    assert disagreements(pets, definition) == []
    del definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["pet"]["oneOf"]
    assert [(one.path, one.aspect) for one in disagreements(pets, definition)] == [("pet", Aspect.RULE)]
