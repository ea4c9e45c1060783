"""A loop does not look again at what it has written itself, and at all else it does."""

from __future__ import annotations

from collections import Counter

from ctrlkit.cache import Cause, Change
from ctrlkit.fakes.cluster import ALL, Loop
from ctrlkit.fakes.cluster.loops.echoes import Echoes
from ctrlkit.fakes.world.trace import Began
from ctrlkit.fakes.world.world import World
from ctrlkit.model import MergePatch, ObjectMeta, Record, Unstructured
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PODS, REPLICASETS, SERVICES


def at(version: str) -> Record[Unstructured]:
    return Record(ObjectMeta(name="a", namespace="default", resource_version=version), None, Unstructured)


def seen(before: str, now: str) -> Change[Unstructured]:
    return Change(at(before), at(now) if now else None, Cause.WATCH)


CLAIM = {
    "accessModes": ["ReadWriteOnce"],
    "resources": {"requests": {"storage": "1Gi"}},
    "storageClassName": "standard",
}
WRITTEN = Unstructured({"metadata": {"name": "a", "namespace": "default", "resourceVersion": "2"}})


def test_the_last_write_is_no_news_and_whatever_comes_after_it_is() -> None:
    echoes = Echoes()
    echoes.wrote(WRITTEN)
    assert [echoes.is_new(seen("1", "2")), echoes.is_new(seen("2", "3"))] == [False, True]


def test_of_several_writes_none_is_news_in_whatever_pieces_they_are_seen() -> None:
    echoes = Echoes()
    for version in ("2", "3", "10"):
        echoes.wrote(Unstructured({"metadata": WRITTEN["metadata"] | {"resourceVersion": version}}))
    assert [echoes.is_new(seen("1", "2")), echoes.is_new(seen("2", "10"))] == [False, False]
    assert echoes.is_new(seen("1", "3")), "one that is older than what was seen is not known any more"


def test_what_somebody_else_wrote_before_is_news() -> None:
    echoes = Echoes()
    echoes.wrote(WRITTEN)
    assert [echoes.is_new(seen("0", "1")), echoes.is_new(seen("1", "2"))] == [True, False]


def test_the_end_of_an_object_is_news_and_its_namesake_is_another() -> None:
    echoes = Echoes()
    echoes.wrote(WRITTEN)
    assert echoes.is_new(seen("1", ""))
    assert echoes.is_new(seen("1", "2"))


async def test_a_status_that_somebody_else_writes_is_put_right_and_the_loops_own_leads_to_nothing() -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    async with World(cluster=[Loop.REPLICA_SETS]) as world:
        await world.client.create(REPLICASETS, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
        await world.settle()
        before = len(world.trace.entries)
        wrong = MergePatch({"status": {"replicas": 7}})
        await world.client.patch(REPLICASETS, "default/web", wrong, subresource="status")
        await world.settle()
        assert world.tracker.get(REPLICASETS, "default/web").at("status.replicas") == 1
        assert len([entry for entry in world.trace.entries[before:] if isinstance(entry, Began)]) == 1


async def test_a_pod_with_a_claim_leads_to_no_reconcile_that_has_nothing_to_do() -> None:
    data = {"metadata": {"name": "data", "namespace": "default"}, "spec": CLAIM}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    containers = [{"name": "c", "image": "web:1", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]
    pod = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"volumes": volumes, "containers": containers}}
    async with World(cluster=ALL) as world:
        await world.settle()
        before = len(world.trace.entries)
        await world.client.create(PERSISTENT_VOLUME_CLAIMS, data)
        await world.client.create(PODS, pod)
        await world.settle()
        runs = Counter(entry.run.controller for entry in world.trace.entries[before:] if isinstance(entry, Began))
        assert world.tracker.get(PODS, "default/a").at("status.phase") == "Running"
        assert [runs[name] for name in ("scheduler", "provisioner")] == [2, 1]


async def test_slices_that_a_loop_has_written_lead_to_nothing() -> None:
    pod = {"metadata": {"name": "a", "namespace": "default", "labels": {"app": "web"}}}
    spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "web:1"}]}
    service = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    async with World(cluster=[Loop.ENDPOINTS]) as world:
        await world.client.create(SERVICES, {"metadata": {"name": "web", "namespace": "default"}, "spec": service})
        await world.client.create(PODS, {**pod, "spec": spec})
        await world.settle()
        before = len(world.trace.entries)
        ready = {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}], "phase": "Running"}
        await world.client.patch(PODS, "default/a", MergePatch({"status": ready}), subresource="status")
        await world.settle()
        runs = [entry.run.controller for entry in world.trace.entries[before:] if isinstance(entry, Began)]
        assert sorted(runs) == ["endpoints", "endpointslices"]
