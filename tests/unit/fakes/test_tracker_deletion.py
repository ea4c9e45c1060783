"""How objects leave the tracker: at once, gracefully, after finalizers, with their namespace or their definition."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.errors import Conflict, Forbidden, Invalid, NotFound
from ctrlkit.model import Action, MergePatch, Options, Unstructured, Verb
from ctrlkit.model.kinds import CONFIG_MAPS, NAMESPACES, PODS, STATEFULSETS
from fakes.tracker import Tracker
from tests.support.objects import a_pod, a_workload


def make(tracker: Tracker, name: str = "one", **metadata: Any) -> Unstructured:
    body = {"metadata": {"name": name, "namespace": "default", **metadata}, "data": {"a": "1"}}
    return tracker.create(CONFIG_MAPS, body)


def make_pod(tracker: Tracker, *, node: str = "", grace: int = 30) -> Unstructured:
    return tracker.create(PODS, a_pod(terminationGracePeriodSeconds=grace, **({"nodeName": node} if node else {})))


@pytest.mark.behaviour("T9")
async def test_a_delete_raises_the_version_and_answers_with_a_status() -> None:
    tracker = Tracker()
    made = make(tracker)
    before = tracker.version
    answer = tracker.delete(CONFIG_MAPS, "default/one")
    assert answer["status"] == "Success"
    assert answer["details"] == {"name": "one", "kind": "configmaps", "uid": made.metadata.uid}
    assert tracker.version == before + 1
    with pytest.raises(NotFound, match='configmaps "one" not found'):
        tracker.delete(CONFIG_MAPS, "default/one")


@pytest.mark.behaviour("T9", "X5")
async def test_an_object_with_finalizers_is_marked_and_goes_with_the_last_of_them() -> None:
    tracker = Tracker()
    make(tracker, finalizers=["example.com/hold"])
    marked = tracker.delete(CONFIG_MAPS, "default/one")
    assert marked.at("metadata.deletionTimestamp") == "2026-01-01T00:00:00Z"
    assert marked.at("metadata.deletionGracePeriodSeconds") == 0
    assert tracker.delete(CONFIG_MAPS, "default/one") == marked
    edited = tracker.patch(CONFIG_MAPS, "default/one", MergePatch({"data": {"a": "2"}}))
    released = tracker.patch(CONFIG_MAPS, "default/one", MergePatch({"metadata": {"finalizers": None}}))
    assert released.metadata.resource_version == edited.metadata.resource_version
    with pytest.raises(NotFound):
        tracker.get(CONFIG_MAPS, "default/one")


async def test_no_finalizer_can_be_added_during_deletion() -> None:
    tracker = Tracker()
    make(tracker, finalizers=["example.com/hold"])
    tracker.delete(CONFIG_MAPS, "default/one")
    patch = MergePatch({"metadata": {"finalizers": ["example.com/hold", "example.com/new"]}})
    with pytest.raises(Invalid) as refusal:
        tracker.patch(CONFIG_MAPS, "default/one", patch)
    assert refusal.value.message == (
        'ConfigMap "one" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is '
        'being deleted, found new finalizers []string{"example.com/new"}'
    )


async def test_marking_counts_as_a_change_of_generation() -> None:
    tracker = Tracker()
    body = a_workload()
    body["metadata"]["finalizers"] = ["example.com/hold"]
    tracker.create(STATEFULSETS, body)
    assert tracker.delete(STATEFULSETS, "default/net").metadata.generation == 2


@pytest.mark.behaviour("T9", "X6")
@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
async def test_a_policy_leaves_the_finalizer_the_garbage_collector_acts_on(policy: str, finalizer: str) -> None:
    tracker = Tracker()
    make(tracker)
    marked = tracker.delete(CONFIG_MAPS, "default/one", Options(propagation_policy=policy))
    assert marked.at("metadata.finalizers") == [finalizer]
    assert tracker.get(CONFIG_MAPS, "default/one").metadata.deleting


async def test_background_and_no_policy_delete_at_once_and_an_unknown_one_is_refused() -> None:
    tracker = Tracker()
    for policy in ("Background", ""):
        make(tracker)
        tracker.delete(CONFIG_MAPS, "default/one", Options(propagation_policy=policy))
    with pytest.raises(Invalid, match='propagationPolicy: Unsupported value: "Nope"'):
        tracker.delete(CONFIG_MAPS, "default/one", Options(propagation_policy="Nope"))


@pytest.mark.behaviour("X6")
async def test_preconditions_hold_a_delete_back() -> None:
    tracker = Tracker()
    made = make(tracker)
    with pytest.raises(Conflict) as refusal:
        tracker.delete(CONFIG_MAPS, "default/one", Options(precondition_uid="other"))
    assert refusal.value.message == (
        'Operation cannot be fulfilled on ConfigMap "one": the UID in the precondition (other) does not match the UID '
        f"in record ({made.metadata.uid}). The object might have been deleted and then recreated"
    )
    with pytest.raises(Conflict, match=r"the ResourceVersion in the precondition \(1\)"):
        tracker.delete(CONFIG_MAPS, "default/one", Options(precondition_version="1"))
    right = Options(precondition_uid=made.metadata.uid, precondition_version=made.metadata.resource_version)
    tracker.delete(CONFIG_MAPS, "default/one", right)


async def test_a_pod_on_a_node_waits_for_its_kubelet() -> None:
    tracker = Tracker()
    make_pod(tracker, node="n1", grace=7)
    marked = tracker.delete(PODS, "default/p")
    assert marked.at("metadata.deletionTimestamp") == "2026-01-01T00:00:07Z"
    assert marked.at("metadata.deletionGracePeriodSeconds") == 7
    assert tracker.delete(PODS, "default/p") == marked
    shorter = tracker.delete(PODS, "default/p", Options(grace_period_s=2))
    assert shorter.at("metadata.deletionTimestamp") == "2026-01-01T00:00:02Z"
    gone = tracker.delete(PODS, "default/p", Options(grace_period_s=0))
    assert gone["kind"] == "Pod"
    with pytest.raises(NotFound):
        tracker.get(PODS, "default/p")


@pytest.mark.parametrize("phase", ["Pending", "Succeeded"])
async def test_a_pod_that_no_kubelet_runs_is_deleted_at_once(phase: str) -> None:
    tracker = Tracker()
    pod = make_pod(tracker, node="" if phase == "Pending" else "n1")
    tracker.update(PODS, pod | {"status": {"phase": phase}}, subresource="status")
    tracker.delete(PODS, "default/p")
    assert tracker.list(PODS) == []


async def test_a_namespace_terminates_refuses_new_content_and_goes_when_finalized() -> None:
    tracker = Tracker()
    tracker.create(NAMESPACES, {"metadata": {"name": "demo"}})
    marked = tracker.delete(NAMESPACES, "demo")
    assert (marked.at("status.phase"), marked.metadata.deleting) == ("Terminating", True)
    with pytest.raises(Forbidden) as refusal:
        tracker.create(CONFIG_MAPS, {"metadata": {"name": "late", "namespace": "demo"}})
    assert refusal.value.message == (
        'configmaps "late" is forbidden: unable to create new content in namespace demo because it is being terminated'
    )
    assert refusal.value.details["causes"][0]["reason"] == "NamespaceTerminating"
    tracker.update(NAMESPACES, marked | {"spec": {"finalizers": []}}, subresource="finalize")
    with pytest.raises(NotFound, match='namespaces "demo" not found'):
        tracker.get(NAMESPACES, "demo")


async def test_a_plain_update_does_not_finalize_a_namespace() -> None:
    tracker = Tracker()
    made = tracker.create(NAMESPACES, {"metadata": {"name": "demo"}})
    assert tracker.update(NAMESPACES, made | {"spec": {}}) == made


async def test_the_first_namespaces_stay() -> None:
    with pytest.raises(Forbidden, match="this namespace may not be deleted"):
        Tracker().delete(NAMESPACES, "default")


@pytest.mark.behaviour("T13")
async def test_deletecollection_deletes_what_is_selected_and_answers_with_it() -> None:
    tracker = Tracker()
    for name, tier in (("a", "x"), ("b", "y"), ("c", "x")):
        make(tracker, name, labels={"tier": tier})
    options = Options(label_selector="tier=x")
    await tracker.do(Action(verb=Verb.DELETE_COLLECTION, resource=CONFIG_MAPS, namespace="default", options=options))
    assert [item.metadata.name for item in tracker.list(CONFIG_MAPS)] == ["b"]
