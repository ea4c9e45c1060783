"""Definitions are checked before they are stored: what is stored can be served, and what cannot leaves no trace."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ctrlkit.errors import ApiError, BadRequest, Expired, Invalid, NotFound
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import Action, AnyResource, MergePatch, Options, Verb, custom_resource
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS as DEFINITIONS
from ctrlkit.model.kinds import LEASES

OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
REQUIRED = "Required value"


def definition(
    plural: str = "things", kind: str = "Thing", *, group: str = "x.example.com", schema: Any = OPEN, **names: Any
) -> dict[str, Any]:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {
        "group": group,
        "scope": "Cluster",
        "names": {"plural": plural, "kind": kind, **names},
        "versions": [version],
    }
    return {"metadata": {"name": f"{plural}.{group}"}, "spec": spec}


def resource_of(plural: str, kind: str) -> AnyResource:
    return custom_resource(group="x.example.com", kind=kind, plural=plural)


def changed(path: str, value: Any) -> dict[str, Any]:
    """A definition with another value at a dotted path; None takes the field away."""
    body = copy.deepcopy(definition())
    holder: Any = body
    *steps, last = path.split(".")
    for step in steps:
        holder = holder[int(step) if step.isdigit() else step]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    return body


def schema_of(**rule: Any) -> dict[str, Any]:
    return definition(schema={"type": "object", "properties": {"a": rule}})


TOP = "spec.validation.openAPIV3Schema"
REFUSED = [
    (
        changed("spec.names.kind", None),
        {"spec.names.singular": REQUIRED, "spec.names.kind": REQUIRED, "spec.names.listKind": REQUIRED},
    ),
    (changed("spec.names.plural", None), {"metadata.name": "must be spec.names.plural", "spec.names.plural": REQUIRED}),
    (
        changed("spec.names.kind", "A_b"),
        {"spec.names.kind": "may have mixed case, but should otherwise match: a DNS-1035 label"},
    ),
    (changed("spec.names.listKind", "Thing"), {"spec.names.listKind": "kind and listKind may not be the same"}),
    (changed("spec.names.shortNames", ["X"]), {"spec.names.shortNames[0]": "a DNS-1035 label"}),
    (changed("spec.group", None), {"spec.group": REQUIRED}),
    (definition(group="nodot"), {"spec.group": "should be a domain with at least one dot"}),
    (
        definition(group="foo.k8s.io"),
        {"metadata.annotations[api-approved.kubernetes.io]": "protected groups must have approval"},
    ),
    (changed("spec.scope", None), {"spec.scope": REQUIRED}),
    (
        changed("spec.scope", "World"),
        {"spec.scope": 'Unsupported value: "World": supported values: "Cluster", "Namespaced"'},
    ),
    (changed("spec", None), {"spec.group": REQUIRED, "spec.scope": REQUIRED, "spec.names.kind": REQUIRED}),
    (
        changed("spec.versions", []),
        {
            "spec.versions": "Invalid value: []: must have exactly one version",
            "status.storedVersions": "must have at least one stored version",
        },
    ),
    (
        changed("spec.versions", definition()["spec"]["versions"] * 2),
        {"spec.versions": "must contain unique version names"},
    ),
    (
        changed("spec.versions.0.name", "V_1"),
        {"spec.versions[0].name": "a DNS-1035 label", "spec.version": "a DNS-1035 label"},
    ),
    (changed("spec.versions.0.schema", None), {"spec.versions[0].schema.openAPIV3Schema": REQUIRED}),
    (
        changed("spec.versions.0.subresources", {"scale": {}}),
        {"spec.subresources.scale.specReplicasPath": REQUIRED, "spec.subresources.scale.statusReplicasPath": REQUIRED},
    ),
    (
        changed("spec.versions.0.subresources", {"scale": {"specReplicasPath": ".x", "statusReplicasPath": "y"}}),
        {
            "spec.subresources.scale.specReplicasPath": "should be a json path under .spec",
            "spec.subresources.scale.statusReplicasPath": "must be a simple json path starting with .",
        },
    ),
    (
        changed("spec.versions.0.additionalPrinterColumns", [{}]),
        {
            "spec.additionalPrinterColumns[0].name": REQUIRED,
            "spec.additionalPrinterColumns[0].type": "must be one of boolean,date",
            "spec.additionalPrinterColumns[0].JSONPath": REQUIRED,
        },
    ),
    (
        changed(
            "spec.versions.0.additionalPrinterColumns",
            [{"name": "a", "type": "date", "jsonPath": ".a"}, {"name": "b", "type": "text", "jsonPath": ".b"}],
        ),
        {"spec.additionalPrinterColumns[1].type": 'Invalid value: "text": must be one of boolean,date'},
    ),
    (
        definition(schema={"properties": {"spec": {}}}),
        {
            f"{TOP}.properties[spec].type": "must not be empty for specified object fields",
            f"{TOP}.type": "must not be empty at the root",
        },
    ),
    (definition(schema={"type": "string"}), {f"{TOP}.type": 'Invalid value: "string": must be object at the root'}),
    (
        definition(schema={"type": "object", "nullable": True}),
        {f"{TOP}.nullable": "nullable cannot be true at the root"},
    ),
    (
        definition(schema={"type": "object", "additionalProperties": {"type": "string"}}),
        {f"{TOP}.additionalProperties": "must not be used at the root"},
    ),
    (schema_of(type="foo"), {f"{TOP}.properties[a].type": 'Unsupported value: "foo"'}),
    (schema_of(type="array"), {f"{TOP}.properties[a].items": "must be specified"}),
    (
        schema_of(type="array", items=[{"type": "string"}]),
        {f"{TOP}.properties[a].items": "items must be a schema object and not an array"},
    ),
    (
        schema_of(type="array", items={}),
        {f"{TOP}.properties[a].items.type": "must not be empty for specified array items"},
    ),
    (
        schema_of(type="string", pattern="^[a"),
        {f"{TOP}.properties[a].pattern": "but isn't: error parsing regexp: missing closing ]: `[a`"},
    ),
    (
        schema_of(type="string", pattern="(?=a)b"),
        {f"{TOP}.properties[a].pattern": "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
    ),
    (
        schema_of(type="string", anyOf=[{"pattern": "*"}]),
        {f"{TOP}.properties[a].anyOf[0].pattern": "missing argument to repetition operator"},
    ),
    (
        schema_of(**{"x-kubernetes-int-or-string": True, "x-kubernetes-preserve-unknown-fields": True}),
        {f"{TOP}.properties[a].x-kubernetes-preserve-unknown-fields": "must be false if x-kubernetes-int-or-string"},
    ),
    (
        schema_of(**{"x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}),
        {f"{TOP}.properties[a].type": "must be object if x-kubernetes-embedded-resource is true"},
    ),
]


@pytest.mark.parametrize(("body", "causes"), REFUSED)
def test_a_definition_that_cannot_be_served_is_refused_whole(body: dict[str, Any], causes: dict[str, str]) -> None:
    """With the server's words for each field, and as if it had never been sent."""
    tracker = Tracker()
    before = tracker.version, tracker.registry.served()
    with pytest.raises(Invalid) as refusal:
        tracker.create(DEFINITIONS, body)
    found = [(cause["field"], cause["message"]) for cause in refusal.value.details["causes"]]
    for field, words in causes.items():
        assert any(one == field and words in message for one, message in found), found
    assert (tracker.version, tracker.registry.served()) == before
    assert tracker.list(DEFINITIONS) == []


def test_a_schema_of_another_type_is_refused_by_the_decoder() -> None:
    with pytest.raises(BadRequest, match="boolean or JSON schema expected"):
        Tracker().create(DEFINITIONS, schema_of(type="object", additionalProperties=3))
    with pytest.raises(BadRequest, match="json: cannot unmarshal"):
        Tracker().create(DEFINITIONS, schema_of(type="array", items={"properties": 3}))


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "string", "minLength": -1, "maxLength": 3},
        {"type": "object", "required": ["a", "a"], "properties": {"a": {"type": "string", "default": "x"}}},
    ],
)
def test_what_a_server_takes_though_it_says_nothing_is_taken(rule: dict[str, Any]) -> None:
    """And objects of that kind can be made."""
    tracker = Tracker()
    tracker.create(DEFINITIONS, definition(schema={"type": "object", "properties": {"a": rule}}))
    value = {"string": "abc", "object": {}}[rule["type"]]
    tracker.create(resource_of("things", "Thing"), {"metadata": {"name": "one"}, "a": value})


def test_patterns_are_read_as_go_reads_them_and_take_linear_time() -> None:
    tracker = Tracker()
    rules = {"month": {"type": "string", "pattern": "(?i)^jan"}, "bomb": {"type": "string", "pattern": "^(a+)+$"}}
    tracker.create(DEFINITIONS, definition(schema={"type": "object", "properties": rules}))
    things = resource_of("things", "Thing")
    tracker.create(things, {"metadata": {"name": "one"}, "month": "JANUARY", "bomb": "aaa"})
    with pytest.raises(Invalid) as refusal:
        tracker.create(things, {"metadata": {"name": "two"}, "month": "feb", "bomb": "a" * 50_000 + "!"})
    causes = [cause["message"] for cause in refusal.value.details["causes"]]
    assert "Invalid value: \"feb\": month in body should match '(?i)^jan'" in causes
    assert any(cause.endswith("bomb in body should match '^(a+)+$'") for cause in causes)


def test_of_two_definitions_that_want_one_kind_the_later_waits_until_the_other_is_gone() -> None:
    """It is stored and says why it is not served; nobody reaches the other's objects through it."""
    tracker = Tracker()
    tracker.create(DEFINITIONS, definition("ones", "Thing", shortNames=["t"]))
    tracker.create(DEFINITIONS, definition("twos", "Thing", shortNames=["t"]))
    ones, twos = resource_of("ones", "Thing"), resource_of("twos", "Thing")
    tracker.create(ones, {"metadata": {"name": "a"}})
    conditions = {one["type"]: one for one in tracker.get(DEFINITIONS, "twos.x.example.com").at("status.conditions")}
    assert (conditions["NamesAccepted"]["status"], conditions["NamesAccepted"]["reason"]) == (
        "False",
        "ListKindConflict",
    )
    assert conditions["NamesAccepted"]["message"] == '"ThingList" is already in use'
    assert (conditions["Established"]["status"], conditions["Established"]["reason"]) == ("False", "NotAccepted")
    with pytest.raises(NotFound):
        tracker.list(twos)
    tracker.delete(DEFINITIONS, "twos.x.example.com")
    assert [one.key.name for one in tracker.list(ones)] == ["a"]
    tracker.create(DEFINITIONS, definition("twos", "Thing", shortNames=["t"]))
    tracker.delete(DEFINITIONS, "ones.x.example.com")
    assert tracker.list(twos) == []
    assert tracker.get(DEFINITIONS, "twos.x.example.com").at("status.acceptedNames.kind") == "Thing"


def test_the_history_of_a_kind_begins_with_its_definition() -> None:
    """Nothing is known of it at the versions before, and nothing of an earlier kind of that name."""
    tracker = Tracker()
    things = resource_of("things", "Thing")

    def list_at(version: int) -> None:
        exact = Options(resource_version=str(version), resource_version_match="Exact")
        tracker.call(Action(verb=Verb.LIST, resource=things, options=exact))

    for _ in range(2):
        tracker.create(LEASES, {"metadata": {"generateName": "held-", "namespace": "default"}})
        before = tracker.version
        tracker.create(DEFINITIONS, definition())
        list_at(tracker.version)
        with pytest.raises(Expired):
            list_at(before)
        tracker.create(things, {"metadata": {"name": "one"}})
        tracker.delete(DEFINITIONS, "things.x.example.com")


def test_a_definition_with_the_name_of_a_built_in_kind_neither_replaces_nor_removes_it() -> None:
    """Approved by its annotation, it is stored, and that is all."""
    tracker = Tracker()
    tracker.create(LEASES, {"metadata": {"name": "held", "namespace": "default"}})
    body = definition("leases", "Lease", group="coordination.k8s.io")
    body["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, a test"}
    tracker.create(DEFINITIONS, body)
    tracker.delete(DEFINITIONS, "leases.coordination.k8s.io")
    assert tracker.get(LEASES, "default/held").at("metadata.name") == "held"
    found = tracker.registry.find_kind("coordination.k8s.io/v1", "Lease")
    assert found is not None
    assert not found.custom


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"spec": {"names": {"kind": "Other", "listKind": "OtherList"}}}, "spec.names.kind"),
        ({"spec": {"scope": "Namespaced"}}, "spec.scope"),
        ({"spec": {"group": "y.example.com"}}, "spec.group"),
        ({"spec": {"names": {"kind": None}}}, "spec.names.kind"),
        ({"spec": {"versions": []}}, "spec.versions"),
        (
            {
                "spec": {
                    "versions": [
                        {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "foo"}}}
                    ]
                }
            },
            "spec.validation.openAPIV3Schema.type",
        ),
    ],
)
def test_a_change_that_cannot_be_served_leaves_the_kind_as_it_is(patch: dict[str, Any], field: str) -> None:
    tracker = Tracker()
    tracker.create(DEFINITIONS, definition())
    before = tracker.version, tracker.registry.served()
    with pytest.raises(ApiError) as refusal:
        tracker.patch(DEFINITIONS, "things.x.example.com", MergePatch(patch))
    assert field in [cause["field"] for cause in refusal.value.details["causes"]]
    assert (tracker.version, tracker.registry.served()) == before
    tracker.create(resource_of("things", "Thing"), {"metadata": {"name": "one"}})


def test_a_very_deep_schema_is_served() -> None:
    """What is not deep in its objects costs nothing."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        schema = {"type": "object", "properties": {"a": schema}}
    tracker = Tracker()
    tracker.create(DEFINITIONS, definition(schema=schema))
    with pytest.raises(Invalid, match=r'a.a.a in body must be of type object: "integer"'):
        tracker.create(resource_of("things", "Thing"), {"metadata": {"name": "one"}, "a": {"a": {"a": 1}}})
