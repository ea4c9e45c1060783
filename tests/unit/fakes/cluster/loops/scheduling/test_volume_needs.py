"""What claims, volumes and disks keep pods from, in the scheduler's words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ctrlkit.fakes.cluster.loops.scheduling.pod_facts import PodFacts, read_pod
from ctrlkit.fakes.cluster.loops.scheduling.state import NodeState
from ctrlkit.fakes.cluster.loops.scheduling.volume_needs import Refused, VolumeNeeds, needs_of
from ctrlkit.model import ObjectKey, Unstructured

ZONE = "topology.kubernetes.io/zone"
BOUND = {"pv.kubernetes.io/bind-completed": "yes"}


@dataclass
class Shelf:
    """A Storage of plain objects."""

    claims: dict[str, dict[str, Any]] = field(default_factory=dict)
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    classes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def claim(self, key: ObjectKey) -> Unstructured | None:
        found = self.claims.get(key.name)
        return None if found is None else Unstructured(found)

    def volume(self, name: str) -> Unstructured | None:
        return Unstructured(self.volumes[name]) if name in self.volumes else None

    def volumes_of(self, class_name: str) -> Iterator[Unstructured]:
        return (Unstructured(one) for one in self.volumes.values() if one["spec"]["storageClassName"] == class_name)

    def storage_class(self, name: str) -> Unstructured | None:
        return Unstructured(self.classes[name]) if name in self.classes else None


def a_claim(name: str, size: str = "1Gi", annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "demo", "uid": name, "annotations": annotations or {}}
    modes = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"metadata": metadata, "spec": {**modes, "storageClassName": "late", **spec}, "status": {"phase": "Pending"}}


def a_volume(name: str, size: str = "1Gi", node: str = "", labels: dict[str, str] | None = None) -> dict[str, Any]:
    spec: dict[str, Any] = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": "late"}
    if node:
        here = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [here]}}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": spec, "status": {"phase": "Available"}}


def a_class(provisioner: str = "kubernetes.io/no-provisioner", **more: Any) -> dict[str, Any]:
    waits = {"provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer"}
    return {"metadata": {"name": "late"}, **waits, **more}


def a_pod(*claims: str, uid: str = "1", **volume: Any) -> PodFacts:
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
    spec = {"containers": [{"name": "c"}], "volumes": [*volumes, *([{"name": "v", **volume}] if volume else [])]}
    return read_pod(Unstructured({"metadata": {"name": "p", "namespace": "demo", "uid": uid}, "spec": spec}))


def a_node(name: str = "n1", *pods: PodFacts, **labels: str) -> NodeState:
    state = NodeState(name)
    state.set_node(
        {"metadata": {"name": name, "labels": {label.replace("__", "/"): labels[label] for label in labels}}}
    )
    for pod in pods:
        state.add(pod)
    return state


def in_zone(zone: str) -> NodeState:
    state = NodeState("n1")
    state.set_node({"metadata": {"name": "n1", "labels": {ZONE: zone}}})
    return state


def needs(pod: PodFacts, shelf: Shelf, *others: PodFacts) -> VolumeNeeds:
    found = needs_of(pod, shelf, others)
    assert isinstance(found, VolumeNeeds)
    return found


def reasons(found: VolumeNeeds, node: NodeState) -> list[str]:
    return [reason for verdict in found.verdicts(node) for reason in verdict.reasons]


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        (None, 'persistentvolumeclaim "a" not found'),
        (a_claim("a", storageClassName="gone"), "pod has unbound immediate PersistentVolumeClaims"),
        (a_claim("a", volumeName="v"), "pod has unbound immediate PersistentVolumeClaims"),
        (a_claim("a", annotations=BOUND, volumeName="v"), 'persistentvolume "v" not found'),
        (
            {**a_claim("a", volumeName="v"), "status": {"phase": "Lost"}},
            'persistentvolumeclaim "a" bound to non-existent persistentvolume "v"',
        ),
        (
            {**a_claim("a"), "metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
            'persistentvolumeclaim "a" is being deleted',
        ),
    ],
)
def test_a_claim_that_is_not_ready_keeps_its_pod_from_all_nodes(claim: dict[str, Any] | None, told: str) -> None:
    """Whatever the nodes are."""
    found = needs_of(a_pod("a"), Shelf({"a": claim} if claim else {}, classes={"late": a_class()}), ())
    assert isinstance(found, Refused)
    assert found.reason == told


def test_a_claim_of_a_pods_own_must_be_made_and_be_its() -> None:
    """One of the same name that was made for another is no good."""
    pod = a_pod(ephemeral={"volumeClaimTemplate": {}})
    made = needs_of(pod, Shelf(), ())
    other = needs_of(pod, Shelf({"p-v": a_claim("p-v")}), ())
    assert isinstance(made, Refused)
    assert isinstance(other, Refused)
    assert made.reason == 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-v"'
    assert other.reason == "PVC demo/p-v was not created for pod demo/p (pod is not owner)"


def test_a_bound_volume_says_where_its_pod_may_be() -> None:
    """By its affinity, and by the labels of its zones where the node has any."""
    shelf = Shelf({"a": a_claim("a", annotations=BOUND, volumeName="v")}, {"v": a_volume("v", node="n1")})
    assert reasons(needs(a_pod("a"), shelf), a_node("n1")) == []
    elsewhere = "node(s) didn't match PersistentVolume's node affinity"
    assert reasons(needs(a_pod("a"), shelf), a_node("n2")) == [elsewhere]
    shelf.volumes["v"] = a_volume("v", labels={ZONE: "a__b"})
    assert reasons(needs(a_pod("a"), shelf), in_zone("b")) == []
    assert reasons(needs(a_pod("a"), shelf), in_zone("c")) == ["node(s) had no available volume zone"]
    assert reasons(needs(a_pod("a"), shelf), a_node()) == []


def test_each_claim_gets_the_smallest_free_volume_that_the_node_reaches() -> None:
    """The smallest claim first, and no volume twice."""
    claims = {"large": a_claim("large", "5Gi"), "small": a_claim("small")}
    volumes = {"v1": a_volume("v1", "9Gi", node="n1"), "v2": a_volume("v2", "6Gi"), "v3": a_volume("v3", "7Gi")}
    found = needs(a_pod("large", "small"), Shelf(claims, volumes, {"late": a_class()}))
    choices = found.choices(a_node("n2"))
    assert choices is not None
    assert {key.name: volume.key.name for key, volume in choices.bind.items()} == {"small": "v2", "large": "v3"}
    del volumes["v2"]
    none = "node(s) didn't find available persistent volumes to bind"
    found = needs(a_pod("large", "small"), Shelf(claims, volumes, {"late": a_class()}))
    assert (reasons(found, a_node("n2")), reasons(found, a_node("n1"))) == ([none], [])


def test_a_volume_is_made_where_the_class_may_make_some() -> None:
    """And on no other node than the one that was chosen before."""
    terms = [{"matchLabelExpressions": [{"key": "rack", "values": ["1", "2"]}]}]
    shelf = Shelf({"a": a_claim("a")}, classes={"late": a_class("example.com/x", allowedTopologies=terms)})
    choices = needs(a_pod("a"), shelf).choices(a_node(rack="2"))
    assert choices is not None
    assert choices.make == (ObjectKey("demo", "a"),)
    assert needs(a_pod("a"), shelf).choices(a_node(rack="3")) is None
    shelf.claims["a"] = a_claim("a", annotations={"volume.kubernetes.io/selected-node": "n1"})
    assert needs(a_pod("a"), shelf).choices(a_node("n1", rack="1")) == choices
    assert needs(a_pod("a"), shelf).choices(a_node("n2", rack="1")) is None


def test_a_claim_for_one_pod_is_not_shared() -> None:
    """Until the other pod has gone, or gives way."""
    claim = a_claim("a", annotations=BOUND, volumeName="v", accessModes=["ReadWriteOncePod"])
    other = a_pod("a", uid="2")
    found = needs(a_pod("a"), Shelf({"a": claim}, {"v": a_volume("v")}), other)
    told = reasons(found, a_node())
    assert [text.partition(" due to ")[0] for text in told] == ["node(s) unavailable"]
    assert reasons(found.moved(other, -1), a_node()) == []


@pytest.mark.parametrize(
    ("one", "two", "conflict"),
    [
        ({"gcePersistentDisk": {"pdName": "d"}}, {"gcePersistentDisk": {"pdName": "d", "readOnly": True}}, True),
        (
            {"gcePersistentDisk": {"pdName": "d", "readOnly": True}},
            {"gcePersistentDisk": {"pdName": "d", "readOnly": True}},
            False,
        ),
        ({"awsElasticBlockStore": {"volumeID": "d"}}, {"awsElasticBlockStore": {"volumeID": "e"}}, False),
        (
            {"rbd": {"monitors": ["m1", "m2"], "pool": "p", "image": "i"}},
            {"rbd": {"monitors": ["m2"], "pool": "p", "image": "i"}},
            True,
        ),
    ],
)
def test_a_node_takes_a_disk_once(one: dict[str, Any], two: dict[str, Any], *, conflict: bool) -> None:
    """Unless all only read it."""
    found = needs(a_pod(**one), Shelf())
    assert reasons(found, a_node("n1", a_pod(uid="2", **two))) == ["node(s) had no available disk"] * conflict
