"""How objects leave the tracker: at once, gracefully, after finalizers, with their namespace or their definition."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ctrlkit.errors import AlreadyExists, Conflict, Forbidden, Invalid, MethodNotAllowed, NotFound
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.notices import noticed
from ctrlkit.model import Action, MergePatch, Options, Unstructured, Verb, custom_resource
from ctrlkit.model.kinds import CONFIG_MAPS, JOBS, NAMESPACES, PODS, STATEFULSETS
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS as DEFINITIONS
from tests.support.objects import a_pod, a_workload

POD_TEMPLATES = custom_resource(group="", version="v1", kind="PodTemplate", plural="podtemplates")


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


# ---- a second delete, and odd times ----------------------------------------------------------------------------------


async def test_a_second_delete_of_a_terminating_namespace_changes_nothing() -> None:
    """Whatever it asks for: the answer is the namespace as it is, and no watch is told."""
    tracker = Tracker()
    tracker.create(NAMESPACES, {"metadata": {"name": "gone"}})
    marked = tracker.delete(NAMESPACES, "gone")
    version = tracker.version
    for options in (Options(), Options(propagation_policy="Foreground"), Options(dry_run=True)):
        assert tracker.delete(NAMESPACES, "gone", options) == marked
    assert tracker.version == version
    assert "finalizers" not in tracker.get(NAMESPACES, "gone")["metadata"]


async def test_a_shorter_second_grace_brings_the_end_forward_and_a_longer_one_does_nothing() -> None:
    """The generation has counted the deletion once."""
    tracker = Tracker()
    make_pod(tracker, node="n")

    def delete(grace: int | None) -> tuple[int, str, int]:
        meta = tracker.delete(PODS, "default/p", Options(grace_period_s=grace))["metadata"]
        return meta["deletionGracePeriodSeconds"], meta["deletionTimestamp"], meta["generation"]

    assert delete(100) == (100, "2026-01-01T00:01:40Z", 2)
    assert delete(50) == (50, "2026-01-01T00:00:50Z", 2)
    version = tracker.version
    assert delete(50) == delete(200) == delete(None) == (50, "2026-01-01T00:00:50Z", 2)
    assert tracker.version == version
    assert delete(-5) == (1, "2026-01-01T00:00:01Z", 2)
    assert delete(0) == (0, "2026-01-01T00:00:00Z", 2)
    with pytest.raises(NotFound):
        tracker.get(PODS, "default/p")


async def test_a_negative_grace_is_one_second_from_the_start() -> None:
    tracker = Tracker()
    make_pod(tracker, node="n")
    marked = tracker.delete(PODS, "default/p", Options(grace_period_s=-5))
    assert marked.at("metadata.deletionGracePeriodSeconds") == 1
    version = tracker.version
    assert tracker.delete(PODS, "default/p", Options(grace_period_s=-1)) == marked
    assert tracker.version == version
    assert tracker.get(PODS, "default/p").at("metadata.deletionTimestamp") == "2026-01-01T00:00:01Z"


@pytest.mark.parametrize(
    ("grace", "when"),
    [
        (10**10, "1758-05-02T18:12:06Z"),
        (10**15, "2089-06-30T17:10:05Z"),
        (10**18, "1806-05-16T06:19:32Z"),
        (2**63 - 1, "2025-12-31T23:59:59Z"),
    ],
)
async def test_a_grace_of_ages_overflows_as_the_servers_clock_does(grace: int, when: str) -> None:
    """It counts nanoseconds in 64 bits. A second delete, however it is asked for, is not held up by that."""
    tracker = Tracker()
    make_pod(tracker, node="n")
    marked = tracker.delete(PODS, "default/p", Options(grace_period_s=grace))
    assert marked.at("metadata.deletionGracePeriodSeconds") == grace
    assert marked.at("metadata.deletionTimestamp") == when
    again = tracker.delete(PODS, "default/p", Options(grace_period_s=30))
    assert again.at("metadata.deletionGracePeriodSeconds") == 30
    assert again.at("metadata.deletionTimestamp") == "2026-01-01T00:00:30Z"


async def test_an_end_that_would_have_been_in_the_past_is_now() -> None:
    """With a grace of one second, unless none was asked for; one that is now to the second stays as it is."""
    tracker = Tracker()
    make_pod(tracker, node="n")
    tracker.delete(PODS, "default/p", Options(grace_period_s=600))
    await asyncio.sleep(60)
    exact = tracker.delete(PODS, "default/p", Options(grace_period_s=60))
    assert exact.at("metadata.deletionTimestamp") == "2026-01-01T00:01:00Z"
    assert exact.at("metadata.deletionGracePeriodSeconds") == 60
    again = tracker.delete(PODS, "default/p", Options(grace_period_s=30))
    assert again.at("metadata.deletionTimestamp") == "2026-01-01T00:01:00Z"
    assert again.at("metadata.deletionGracePeriodSeconds") == 1


async def test_no_grace_is_left_behind_for_other_kinds_and_no_empty_finalizers() -> None:
    """An object that waits for finalizers goes when they are an empty list, and shows none."""
    tracker = Tracker()
    make(tracker, finalizers=["x.io/a"])
    for grace in (30, -3):
        marked = tracker.delete(CONFIG_MAPS, "default/one", Options(grace_period_s=grace))
        assert marked.at("metadata.deletionGracePeriodSeconds") == 0
    gone = tracker.patch(CONFIG_MAPS, "default/one", MergePatch({"metadata": {"finalizers": []}}))
    assert "finalizers" not in gone["metadata"]
    with pytest.raises(NotFound):
        tracker.get(CONFIG_MAPS, "default/one")
    assert "finalizers" not in make(tracker, "two", finalizers=[])["metadata"]
    assert tracker.delete(CONFIG_MAPS, "default/two")["status"] == "Success"


async def test_a_policy_that_takes_the_last_finalizer_away_leaves_no_empty_list() -> None:
    tracker = Tracker()
    make(tracker, finalizers=["orphan"])
    answer = tracker.delete(CONFIG_MAPS, "default/one", Options(propagation_policy="Background"))
    assert answer["status"] == "Success"
    with pytest.raises(NotFound):
        tracker.get(CONFIG_MAPS, "default/one")


async def test_a_collection_of_definitions_takes_their_objects_along_and_namespaces_are_deleted_one_by_one() -> None:
    """As a server does, and does not."""
    tracker = Tracker()
    spec = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": spec}}
    names = {"plural": "things", "kind": "Thing"}
    definition = {"group": "x.example.com", "scope": "Cluster", "names": names, "versions": [version]}
    tracker.create(DEFINITIONS, {"metadata": {"name": "things.x.example.com"}, "spec": definition})
    things = custom_resource(group="x.example.com", kind="Thing", plural="things")
    tracker.create(things, {"metadata": {"name": "held", "finalizers": ["x.io/a"]}})
    tracker.call(Action(verb=Verb.DELETE_COLLECTION, resource=DEFINITIONS))
    assert tracker.get(things, "held").metadata.deleting
    tracker.patch(things, "held", MergePatch({"metadata": {"finalizers": None}}))
    assert tracker.list(DEFINITIONS) == []
    with pytest.raises(MethodNotAllowed):
        tracker.call(Action(verb=Verb.DELETE_COLLECTION, resource=NAMESPACES))


async def test_what_is_in_the_way_of_a_new_object_is_named_with_its_state() -> None:
    """A body with a generateName is told to try again, even if it has a name; an object that is leaving is named so."""
    tracker = Tracker()
    make(tracker, finalizers=["example.com/hold"])
    with pytest.raises(AlreadyExists) as refused:
        make(tracker, generateName="o")
    text = 'configmaps "one" already exists, the server was not able to generate a unique name for the object'
    assert refused.value.message == text
    assert refused.value.retry_after_s == 1
    tracker.delete(CONFIG_MAPS, "default/one")
    with pytest.raises(AlreadyExists) as refused:
        make(tracker)
    assert refused.value.message == 'object is being deleted: configmaps "one" already exists'
    assert refused.value.retry_after_s is None


async def test_a_delete_of_a_job_without_a_policy_is_warned_about_even_if_there_is_none() -> None:
    tracker = Tracker()
    with noticed() as told, pytest.raises(NotFound):
        tracker.delete(JOBS, "default/none")
    assert [one.partition(";")[0] for one in told] == ["child pods are preserved by default when jobs are deleted"]
    with noticed() as told, pytest.raises(NotFound):
        tracker.delete(JOBS, "default/none", Options(propagation_policy="Background"))
    assert not told


async def test_a_delete_of_a_pod_template_is_answered_with_it() -> None:
    tracker = Tracker()
    template = {"spec": {"containers": [{"name": "a", "image": "img:1"}]}}
    tracker.create(POD_TEMPLATES, {"metadata": {"name": "one", "namespace": "default"}, "template": template})
    assert tracker.delete(POD_TEMPLATES, "default/one")["kind"] == "PodTemplate"


async def test_a_second_delete_may_change_what_becomes_of_the_dependents() -> None:
    """The finalizer of the last policy counts; a policy without one releases the object."""
    tracker = Tracker()
    make(tracker)
    tracker.delete(CONFIG_MAPS, "default/one", Options(propagation_policy="Foreground"))
    orphaning = tracker.delete(CONFIG_MAPS, "default/one", Options(propagation_policy="Orphan"))
    assert orphaning.metadata.finalizers == ("orphan",)
    assert tracker.delete(CONFIG_MAPS, "default/one", Options(propagation_policy="Orphan")) == orphaning
    assert tracker.delete(CONFIG_MAPS, "default/one", Options(propagation_policy="Background"))["status"] == "Success"
    with pytest.raises(NotFound):
        tracker.get(CONFIG_MAPS, "default/one")
