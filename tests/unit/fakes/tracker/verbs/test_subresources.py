"""Status and scale, and the kinds that custom resource definitions add."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.errors import (
    BadRequest,
    Conflict,
    InternalError,
    Invalid,
    MethodNotAllowed,
    NotFound,
    UnsupportedMediaType,
)
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.world.world import World
from ctrlkit.model import (
    Action,
    MergePatch,
    Options,
    Resource,
    StrategicMergePatch,
    Unstructured,
    Verb,
    custom_resource,
)
from ctrlkit.model.kinds import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, POD_DISRUPTION_BUDGETS, PODS, STATEFULSETS
from tests.support.objects import a_pod, a_workload

MESHES: Resource[Unstructured] = custom_resource(group="nets.example.com", kind="Mesh", plural="meshes")

SPEC_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["nodes"],
    "properties": {
        "nodes": {"type": "integer", "minimum": 0, "maximum": 10},
        "mode": {"type": "string", "enum": ["fast", "slow"], "default": "fast"},
        "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 8},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "port": {"x-kubernetes-int-or-string": True},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}


def definition(**spec: Any) -> dict[str, Any]:
    status = {"type": "object", "properties": {"nodes": {"type": "integer"}}}
    schema = {"type": "object", "required": ["spec"], "properties": {"spec": SPEC_SCHEMA, "status": status}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.nodes", "statusReplicasPath": ".status.nodes"},
        },
    }
    names = {"plural": "meshes", "kind": "Mesh", "shortNames": ["me"]}
    whole = {"group": "nets.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": "meshes.nets.example.com"}, "spec": whole | spec}


def serving() -> Tracker:
    tracker = Tracker()
    tracker.create(CUSTOM_RESOURCE_DEFINITIONS, definition())
    return tracker


def mesh(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "one", "namespace": "default"}, "spec": {"nodes": 3} | spec}


@pytest.mark.behaviour("T12", "X4")
async def test_the_main_update_leaves_the_status_and_the_status_update_the_rest() -> None:
    tracker = Tracker()
    made = tracker.create(STATEFULSETS, a_workload() | {"status": {"replicas": 7}})
    nothing = {"replicas": 0, "availableReplicas": 0}
    assert made["status"] == nothing
    changed = made | {"spec": made["spec"] | {"replicas": 2}, "status": {"replicas": 1}}
    main = tracker.update(STATEFULSETS, changed)
    assert (main.at("spec.replicas"), main["status"]) == (2, nothing)
    changed = main | {"spec": {"replicas": 9}, "status": {"replicas": 1}}
    status = tracker.update(STATEFULSETS, changed, subresource="status")
    assert (status.at("spec.replicas"), status["status"]) == (2, nothing | {"replicas": 1})
    patch = MergePatch({"status": {"readyReplicas": 1}, "spec": {"replicas": 5}})
    patched = tracker.patch(STATEFULSETS, "default/net", patch, subresource="status")
    assert (patched["spec"], patched["status"]) == (main["spec"], nothing | {"replicas": 1, "readyReplicas": 1})


@pytest.mark.behaviour("X4", "X7")
async def test_a_subresource_that_the_kind_does_not_have_is_not_found() -> None:
    tracker = Tracker()
    tracker.create(CONFIG_MAPS, {"metadata": {"name": "one", "namespace": "default"}})
    with pytest.raises(NotFound, match="the server could not find the requested resource"):
        tracker.get(CONFIG_MAPS, "default/one", subresource="status")
    with pytest.raises(MethodNotAllowed):
        tracker.call(Action(verb=Verb.DELETE, resource=PODS, namespace="default", name="p", subresource="status"))


@pytest.mark.behaviour("X7")
async def test_scale_shows_and_sets_replicas() -> None:
    tracker = Tracker()
    made = tracker.create(STATEFULSETS, a_workload(replicas=2))
    tracker.update(STATEFULSETS, made | {"status": {"replicas": 1}}, subresource="status")
    scale = tracker.get(STATEFULSETS, "default/net", subresource="scale")
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 1, "selector": "app=node"})
    assert tracker.update(STATEFULSETS, scale | {"spec": {"replicas": 5}}, subresource="scale")["spec"] == {
        "replicas": 5
    }
    after = tracker.get(STATEFULSETS, "default/net")
    assert (after.at("spec.replicas"), after.metadata.generation) == (5, 2)
    with pytest.raises(Conflict):
        tracker.update(STATEFULSETS, scale | {"spec": {"replicas": 6}}, subresource="scale")
    with pytest.raises(Invalid, match=r"spec\.replicas"):
        tracker.patch(STATEFULSETS, "default/net", MergePatch({"spec": {"replicas": -1}}), subresource="scale")


async def test_what_the_stored_version_has_no_room_for_is_no_change() -> None:
    """The answer is the object as it was, in the words of the version that was asked."""
    versions = []
    for name, more in (("v1", {}), ("v2", {"extra": {"type": "integer"}})):
        status = {"type": "object", "properties": {"nodes": {"type": "integer"}} | more}
        schema = {"type": "object", "properties": {"status": status}}
        version = {"name": name, "served": True, "storage": name == "v1", "schema": {"openAPIV3Schema": schema}}
        versions.append(version | {"subresources": {"status": {}}})
    tracker = Tracker()
    tracker.create(CUSTOM_RESOURCE_DEFINITIONS, definition(versions=versions))
    second = custom_resource(group="nets.example.com", version="v2", kind="Mesh", plural="meshes")
    tracker.create(second, {"metadata": {"name": "one", "namespace": "default"}})
    counted = tracker.patch(second, "default/one", MergePatch({"status": {"nodes": 1}}), subresource="status")
    again = tracker.patch(second, "default/one", MergePatch({"status": {"extra": 2}}), subresource="status")
    assert again == counted
    assert (again["apiVersion"], again["status"]) == ("nets.example.com/v2", {"nodes": 1})
    assert again.metadata.resource_version == str(tracker.version)


async def test_a_pod_is_bound_to_a_node_once() -> None:
    tracker = Tracker()
    tracker.create(PODS, a_pod())
    body = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    bind = Action(verb=Verb.CREATE, resource=PODS, namespace="default", name="p", subresource="binding", body=body)
    tracker.call(bind)
    assert tracker.get(PODS, "default/p").at("spec.nodeName") == "n1"
    with pytest.raises(Conflict, match='already assigned to node "n1"'):
        tracker.call(bind)


async def test_a_definition_serves_its_kind_and_takes_it_away_with_its_objects() -> None:
    tracker = Tracker()
    with pytest.raises(NotFound, match="the server could not find the requested resource"):
        tracker.list(MESHES)
    made = tracker.create(CUSTOM_RESOURCE_DEFINITIONS, definition())
    assert made.at("status.conditions") is None  # the server's controllers have not seen it yet
    made = tracker.get(CUSTOM_RESOURCE_DEFINITIONS, "meshes.nets.example.com")
    conditions = {item["type"]: item["status"] for item in made.at("status.conditions")}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert made.at("status.storedVersions") == ["v1"]
    assert made.at("status.acceptedNames.listKind") == "MeshList"
    served = tracker.registry.find("nets.example.com", "v1", "meshes")
    assert served is not None
    assert (served.singular, served.short_names, sorted(served.subresources)) == ("mesh", ("me",), ["scale", "status"])
    assert tracker.list(MESHES) == []
    tracker.create(MESHES, mesh())
    tracker.delete(CUSTOM_RESOURCE_DEFINITIONS, "meshes.nets.example.com")
    assert tracker.list(CUSTOM_RESOURCE_DEFINITIONS) == []
    with pytest.raises(NotFound):
        tracker.list(MESHES)
    tracker.create(CUSTOM_RESOURCE_DEFINITIONS, definition())
    assert tracker.list(MESHES) == []


async def test_a_definition_waits_for_objects_with_finalizers_and_ends_their_watches() -> None:
    tracker = serving()
    tracker.create(MESHES, mesh() | {"metadata": {"name": "one", "namespace": "default", "finalizers": ["a.b/c"]}})
    start = str(tracker.version)
    async with tracker.watch(
        Action(verb=Verb.WATCH, resource=MESHES, options=Options(resource_version=start))
    ) as lines:
        marked = tracker.delete(CUSTOM_RESOURCE_DEFINITIONS, "meshes.nets.example.com")
        assert marked.at("metadata.finalizers") == ["customresourcecleanup.apiextensions.k8s.io"]
        assert tracker.get(MESHES, "default/one").metadata.deleting
        tracker.patch(MESHES, "default/one", MergePatch({"metadata": {"finalizers": None}}))
        kinds = [line.split(b'"')[3] for batch in [batch async for batch in lines] for line in batch]
    assert kinds == [b"MODIFIED", b"DELETED"]
    assert tracker.list(CUSTOM_RESOURCE_DEFINITIONS) == []


async def test_a_definition_with_a_finalizer_of_its_own_stays_until_that_is_removed() -> None:
    tracker = Tracker()
    metadata = {"name": "meshes.nets.example.com", "finalizers": ["example.com/hold"]}
    tracker.create(CUSTOM_RESOURCE_DEFINITIONS, definition() | {"metadata": metadata})
    tracker.create(MESHES, mesh())
    tracker.delete(CUSTOM_RESOURCE_DEFINITIONS, "meshes.nets.example.com")
    held = tracker.get(CUSTOM_RESOURCE_DEFINITIONS, "meshes.nets.example.com")
    assert held.at("metadata.finalizers") == ["example.com/hold"]
    assert tracker.list(MESHES) == []
    release = MergePatch({"metadata": {"finalizers": None}})
    tracker.patch(CUSTOM_RESOURCE_DEFINITIONS, "meshes.nets.example.com", release)
    assert tracker.list(CUSTOM_RESOURCE_DEFINITIONS) == []


async def test_a_custom_object_is_defaulted_pruned_and_counted() -> None:
    tracker = serving()
    made = tracker.create(MESHES, mesh(bogus=1, free={"x": 1}, port="http") | {"status": {"nodes": 9}})
    assert made["spec"] == {"nodes": 3, "free": {"x": 1}, "port": "http", "mode": "fast"}
    assert "status" not in made
    assert (made["kind"], made.metadata.generation) == ("Mesh", 1)
    status = tracker.patch(
        MESHES, "default/one", MergePatch({"status": {"nodes": 3}, "spec": {"nodes": 9}}), subresource="status"
    )
    assert (status["spec"]["nodes"], status["status"], status.metadata.generation) == (3, {"nodes": 3}, 1)
    scale = tracker.patch(MESHES, "default/one", MergePatch({"spec": {"replicas": 2}}), subresource="scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 3})
    assert tracker.get(MESHES, "default/one").metadata.generation == 2


_PREFIX = 'Mesh.nets.example.com "one" is invalid: '


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"nodes": 11}, "spec.nodes: Invalid value: 11: spec.nodes in body should be less than or equal to 10"),
        ({"mode": "odd"}, 'spec.mode: Unsupported value: "odd": supported values: "fast", "slow"'),
        ({"name": "ABC"}, "spec.name: Invalid value: \"ABC\": spec.name in body should match '^[a-z]+$'"),
        ({"name": "abcdefghij"}, "spec.name: Too long: may not be more than 8 bytes"),
        ({"tags": ["a", "b", "c"]}, "spec.tags: Too many: 3: must have at most 2 items"),
        (
            {"tags": [1]},
            'spec.tags[0]: Invalid value: "integer": spec.tags[0] in body must be of type string: "integer"',
        ),
        (
            {"nodes": -1},
            "[spec.nodes: Invalid value: -1: spec.nodes in body should be greater than or equal to 0, "
            ".spec.nodes: Invalid value: -1: should be a non-negative integer]",
        ),
    ],
)
async def test_a_custom_object_is_held_against_its_schema_in_the_servers_words(
    spec: dict[str, Any], message: str
) -> None:
    tracker = serving()
    with pytest.raises(Invalid) as refusal:
        tracker.create(MESHES, mesh(**spec))
    assert refusal.value.message == _PREFIX + message
    tracker.create(MESHES, mesh())
    with pytest.raises(Invalid):
        tracker.patch(MESHES, "default/one", MergePatch({"spec": spec}))


async def test_required_fields_and_strict_field_validation() -> None:
    tracker = serving()
    with pytest.raises(Invalid, match=r"spec\.nodes: Required value"):
        tracker.create(MESHES, mesh() | {"spec": {}})
    with pytest.raises(Invalid, match="is invalid: spec: Required value"):
        tracker.create(MESHES, {"metadata": {"name": "one", "namespace": "default"}})
    with pytest.raises(BadRequest, match=r'strict decoding error: unknown field "spec\.bogus"'):
        tracker.create(MESHES, mesh(bogus=1), Options(field_validation="Strict"))


async def test_custom_objects_take_no_strategic_merge_and_no_blind_update() -> None:
    tracker = serving()
    tracker.create(MESHES, mesh())
    with pytest.raises(UnsupportedMediaType):
        tracker.patch(MESHES, "default/one", StrategicMergePatch({"spec": {"nodes": 1}}))
    with pytest.raises(Invalid, match="must be specified for an update"):
        tracker.update(MESHES, mesh(nodes=1))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            definition() | {"metadata": {"name": "wrong"}},
            'metadata.name: Invalid value: "wrong": must be spec.names.plural+"."+spec.group',
        ),
        (
            definition(versions=[{"name": "v1", "served": True, "storage": True}]),
            "spec.versions[0].schema.openAPIV3Schema: Required value",
        ),
    ],
)
async def test_a_definition_that_cannot_be_served_is_refused(body: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Tracker().create(CUSTOM_RESOURCE_DEFINITIONS, body)
    assert refusal.value.message.endswith("is invalid: " + message)


async def test_two_versions_of_a_kind_show_the_same_object() -> None:
    tracker = Tracker()
    spec = definition()["spec"]
    versions = [spec["versions"][0], spec["versions"][0] | {"name": "v2", "storage": False}]
    tracker.create(CUSTOM_RESOURCE_DEFINITIONS, definition(versions=versions))
    tracker.create(MESHES, mesh())
    newer = custom_resource(group=MESHES.group, version="v2", kind="Mesh", plural="meshes")
    seen = tracker.get(newer, "default/one")
    assert seen["apiVersion"] == "nets.example.com/v2"
    tracker.update(newer, seen | {"spec": {"nodes": 4}})
    assert tracker.get(MESHES, "default/one").at("spec.nodes") == 4


async def test_a_failure_without_a_reason_is_an_internal_error_as_over_http() -> None:
    """A Status of code 500 has its class by the code: here the eviction of a pod with two budgets."""
    labels = {"app": "web"}
    container = {"name": "c", "image": "web:1"}
    pod = {"metadata": {"name": "a", "namespace": "default", "labels": labels}, "spec": {"containers": [container]}}
    async with World() as world:
        made = await world.client.create(PODS, pod)
        await world.client.patch(PODS, made.key, MergePatch({"status": {"phase": "Running"}}), subresource="status")
        for name in "bc":
            metadata = {"name": name, "namespace": "default"}
            spec = {"minAvailable": 1, "selector": {"matchLabels": labels}}
            await world.client.create(POD_DISRUPTION_BUDGETS, {"metadata": metadata, "spec": spec})
        with pytest.raises(InternalError, match="more than one PodDisruptionBudget"):
            await world.client.evict(made.key)


async def test_an_eviction_looks_for_its_pod_before_it_reads_how_to_delete_it() -> None:
    body = {"metadata": {"name": "a"}, "deleteOptions": {"propagationPolicy": "Sideways"}}
    async with World() as world:
        with pytest.raises(NotFound):
            await world.client.subresource(PODS, "default/a", "eviction").create(body)
