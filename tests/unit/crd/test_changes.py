"""What a new definition breaks of what is there, and what is no more than written otherwise."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ctrlkit.crd import Aspect, breaking_changes, narrowings

Node = dict[str, Any]


def crd(spec: Node | None = None, *, version: str = "v1", **fields: Any) -> Node:
    """A definition of Site with one version."""
    schema = {"type": "object", "properties": {"spec": spec or {"type": "object"}}}
    one = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **fields}
    names = {"kind": "Site", "plural": "sites", "singular": "site", "listKind": "SiteList"}
    return {"spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [one]}}


def value(**said: Any) -> Node:
    """A spec with one field."""
    return {"type": "object", "properties": {"a": said}}


def keyed(**said: Any) -> Node:
    """A spec with a list of objects."""
    item = {
        "type": "object",
        "required": ["n", "m"],
        "properties": {"n": {"type": "string"}, "m": {"type": "string"}},
        "x-kubernetes-map-type": "atomic",
    }
    return value(type="array", items=item, **said)


MAP = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"]}
STRING, NUMBER = {"type": "string"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("old", "new", "aspect", "said"),
    [
        (keyed(**MAP), keyed(), Aspect.LIST, "list type was map, is atomic: an apply takes away"),
        (keyed(**MAP), keyed(**{"x-kubernetes-list-type": "set"}), Aspect.LIST, "was map, is set: equal items"),
        (keyed(**{"x-kubernetes-list-type": "set"}), keyed(), Aspect.LIST, "list type was set, is atomic"),
        (keyed(), keyed(**MAP), Aspect.LIST, "equal items are refused"),
        (keyed(**MAP), keyed(**MAP | {"x-kubernetes-list-map-keys": ["n", "m"]}), Aspect.LIST, "are m, n"),
        (keyed(**MAP), keyed(**MAP | {"x-kubernetes-list-map-keys": ["m"]}), Aspect.LIST, "list keys was n, is m"),
        (value(type="object"), value(type="object", **{"x-kubernetes-map-type": "atomic"}), Aspect.LIST, "map type"),
        (value(**STRING), value(**STRING, default="x"), Aspect.DEFAULT, "had no default, has 'x'"),
        (value(**STRING, default="x"), value(**STRING), Aspect.DEFAULT, "default was 'x', is none"),
        (value(**STRING, default="x"), value(**STRING, default="y"), Aspect.DEFAULT, "default was 'x', is 'y'"),
        (
            value(**STRING, **{"x-kubernetes-validations": [{"rule": "self < 'b'"}]}),
            value(**STRING, **{"x-kubernetes-validations": [{"rule": "self < 'a'"}]}),
            Aspect.RULE,
            "has a rule that was not there: self < 'a'",
        ),
        (
            value(**STRING, **{"x-kubernetes-validations": [{"rule": "self == oldSelf"}]}),
            value(**STRING, **{"x-kubernetes-validations": [{"rule": "self == oldSelf", "optionalOldSelf": True}]}),
            Aspect.RULE,
            "has a rule",
        ),
        (
            value(type="object", **{"x-kubernetes-preserve-unknown-fields": True}),
            value(type="object", properties={"b": NUMBER}, **{"x-kubernetes-preserve-unknown-fields": True}),
            Aspect.TYPE,
            "was open to any field, is typed in b",
        ),
        (
            value(type="object", additionalProperties=STRING),
            value(type="object", properties={"b": NUMBER}, additionalProperties=STRING),
            Aspect.TYPE,
            "was string, is integer",
        ),
        (value(**STRING, enum=["ab", "c"]), value(**STRING, maxLength=1), Aspect.VALUES, "was ab too"),
        (value(**NUMBER, multipleOf=2), value(**NUMBER, multipleOf=4), Aspect.LIMIT, "multipleOf was 2, is 4"),
        (value(**NUMBER), value(**NUMBER, anyOf=[{"minimum": 1}]), Aspect.RULE, "another anyOf"),
        (
            value(**NUMBER, oneOf=[{"minimum": 1}]),
            value(**NUMBER, oneOf=[{"minimum": 1}, {"maximum": 9}]),
            Aspect.RULE,
            "another oneOf",
        ),
    ],
)
def test_what_breaks_objects_and_those_who_apply_them_is_told(old: Node, new: Node, aspect: Aspect, said: str) -> None:
    """Each kind of change, in one line."""
    (found,) = breaking_changes(crd(old), crd(new))
    assert found.aspect is aspect
    assert found.path.startswith("v1 spec.a")
    assert said in found.fact


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({**NUMBER, "multipleOf": 4}, {**NUMBER, "multipleOf": 2}),
        ({"type": "number", "multipleOf": 0.3}, {"type": "number", "multipleOf": 0.1}),
        (NUMBER, {**NUMBER, "multipleOf": 1}),
        ({**NUMBER, "minimum": 1}, {**NUMBER, "minimum": 0, "exclusiveMinimum": True}),
        ({**NUMBER, "minimum": 0, "exclusiveMinimum": True}, {**NUMBER, "minimum": 1}),
        ({**STRING, "enum": ["a", "b"]}, {**STRING, "enum": ["b", "a"]}),
        ({**STRING, "enum": ["a", "b"]}, {**STRING, "maxLength": 3, "pattern": "^[ab]$"}),
        ({**STRING, "format": "date-time"}, {**STRING, "format": "datetime"}),
        ({**STRING, "format": "uuid4"}, {**STRING, "format": "uuid"}),
        (STRING, {**STRING, "format": "password"}),
        (STRING, {**STRING, "format": "no-server-knows-it"}),
        (
            {**NUMBER, "oneOf": [{"minimum": 1}, {"maximum": 9, "description": "x"}]},
            {**NUMBER, "oneOf": [{"maximum": 9}, {"minimum": 1}]},
        ),
        ({**NUMBER, "anyOf": [{"minimum": 1}]}, {**NUMBER, "anyOf": [{"maximum": 9}, {"minimum": 1}]}),
        ({**NUMBER, "allOf": [{"minimum": 1}, {"maximum": 9}]}, {**NUMBER, "allOf": [{"maximum": 9}]}),
        (
            {"type": "object", "required": ["a", "b"], "oneOf": [{"required": ["a", "b"]}]},
            {"type": "object", "required": ["b", "a"], "oneOf": [{"required": ["b", "a"]}]},
        ),
        (
            {**NUMBER, "x-kubernetes-validations": [{"rule": "self>1", "message": "x"}, {"rule": "self < 3"}]},
            {**NUMBER, "x-kubernetes-validations": [{"rule": "self < 3"}, {"rule": "self > 1", "message": "y"}]},
        ),
        (
            {"x-kubernetes-int-or-string": True},
            {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        ),
    ],
)
def test_what_is_only_written_otherwise_or_wider_is_told_by_nobody(old: Node, new: Node) -> None:
    """Order, prose and spaces mean nothing, and each value that was taken is taken."""
    assert narrowings(old, new) == []
    assert breaking_changes(crd(value(**old)), crd(value(**new))) == []


def test_what_clients_use_beside_the_schema_is_told() -> None:
    """Subresources, selectable fields, columns, names."""
    scale = {"specReplicasPath": ".spec.a", "statusReplicasPath": ".status.a", "labelSelectorPath": ".status.b"}
    old = crd(
        subresources={"status": {}, "scale": scale},
        selectableFields=[{"jsonPath": ".spec.a"}, {"jsonPath": ".spec.b"}],
        additionalPrinterColumns=[{"name": "A", "type": "string", "jsonPath": ".spec.a"}],
    )
    old["spec"]["names"] |= {"shortNames": ["st"], "categories": ["all"]}
    new = crd(selectableFields=[{"jsonPath": ".spec.b"}])
    aspects = [one.aspect for one in breaking_changes(old, new)]
    assert aspects == [*[Aspect.NAME] * 2, *[Aspect.SUBRESOURCE] * 2, Aspect.FIELD, Aspect.COLUMN]
    moved = copy.deepcopy(old)
    moved["spec"]["versions"][0]["subresources"]["scale"] |= {"specReplicasPath": ".spec.b"}
    (found,) = breaking_changes(old, moved)
    assert str(found).startswith("v1 scale: specReplicasPath was .spec.a, is .spec.b: autoscalers")
    (found,) = breaking_changes(crd(), crd(subresources={"status": {}}))
    assert "has a status subresource that was not there" in found.fact


def two_versions(other: Node, **conversion: Any) -> Node:
    """A definition with a stored v1, and a v2 whose spec is of another form."""
    both = crd(value(**STRING))
    both["spec"]["versions"].append(crd(other, version="v2", storage=False)["spec"]["versions"][0])
    return {**both, "spec": both["spec"] | conversion}


def test_objects_that_are_read_in_another_version_without_conversion_are_told() -> None:
    """Where there was a conversion before, and where the version is new; not what was so before."""
    webhook = {"conversion": {"strategy": "Webhook"}}
    plain, converted = two_versions(value(**NUMBER)), two_versions(value(**NUMBER), **webhook)
    read = "v1 to v2 spec.a: was string, is integer"
    assert [str(one) for one in breaking_changes(converted, plain)] == [
        "conversion: was Webhook, is None: objects stored in one version are read in another as they are",
        read,
    ]
    assert [str(one) for one in breaking_changes(crd(value(**STRING)), plain)] == [read]
    assert breaking_changes(plain, plain) == []
    assert breaking_changes(crd(value(**STRING)), converted) == []
    assert breaking_changes(plain, converted) == []


def test_a_version_that_is_stored_may_not_go_though_it_stands_in_no_definition_any_more() -> None:
    """`status.storedVersions` of the server counts, not what the old definition stores."""
    old = {**crd(version="v2"), "status": {"storedVersions": ["v1", "v2"]}}
    (found,) = breaking_changes(old, crd(version="v2"))
    assert found.fact.startswith("version v1 is left out while objects may be stored in it")


def test_limits_on_names_of_objects_are_told() -> None:
    """Of metadata a definition may limit these alone."""
    new = crd()
    schema = new["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["metadata"] = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}}}
    (found,) = breaking_changes(crd(), new)
    assert (found.path, found.aspect) == ("v1 metadata.name", Aspect.LIMIT)
