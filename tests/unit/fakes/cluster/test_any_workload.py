"""
Whatever is changed of a Deployment or a StatefulSet, it ends where its spec says, and never gives up what must stay.

There are no nodes: the story makes pods ready itself, or not ready, so that rollouts stand still in any place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.errors import NotFound
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import Loop
from ctrlkit.fakes.cluster.loops.deployment import read_rollout
from ctrlkit.fakes.cluster.loops.pods import is_final, ready_since
from ctrlkit.model import AnyResource, MergePatch, StrategicMergePatch, Unstructured
from ctrlkit.model.kinds import CONTROLLER_REVISIONS, DEPLOYMENTS, PODS, REPLICASETS, STATEFULSETS
from tests.support.effort import tries

LOOPS = frozenset({Loop.DEPLOYMENTS, Loop.REPLICA_SETS, Loop.STATEFUL_SETS, Loop.GARBAGE})
KEY = "default/web"
Step = tuple[str, Any]


def body(kind: str, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "img:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template, **spec},
    }


def is_available(pod: Unstructured) -> bool:
    """Whether a pod is ready and stays."""
    return ready_since(pod) is not None and not pod.metadata.deleting and not is_final(pod)


class Story:
    """What happens to a workload in a world, and what its controllers do about it."""

    def __init__(self, world: World, resource: AnyResource) -> None:
        self.world = world
        self.resource = resource
        self._pods: dict[str, Unstructured] = {}
        self._seen = 0

    @property
    def spec(self) -> Mapping[str, Any]:
        return self.workload["spec"]  # type: ignore[no-any-return]

    @property
    def workload(self) -> Unstructured:
        return self.world.tracker.get(self.resource, KEY)

    def pods(self) -> list[Unstructured]:
        return self.world.tracker.list(PODS)

    async def happen(self, what: str, about: Any) -> None:
        """Take one step; what it is about may not be there at the moment. Then let the controllers react."""
        with suppress(NotFound):
            self._do(what, about)
        for _ in self._changes():
            pass  # what was done by hand needs no reason
        await self.settle()

    async def settle(self) -> None:
        await self.world.settle()
        for name, before, after in self._changes():
            if before is not None and is_available(before) and not (after is not None and is_available(after)):
                self.lost(name)

    def lost(self, name: str) -> None:
        """Check that an available pod could be spared; `available` has the others."""
        raise NotImplementedError

    def available(self) -> list[str]:
        return [name for name, pod in self._pods.items() if is_available(pod)]

    def _changes(self) -> Iterator[tuple[str, Unstructured | None, Unstructured | None]]:
        """Yield the changes of pods since the last time, with the pods as they are then."""
        for kind, change in self.world.tracker.history(self._seen):
            self._seen = change.version
            if kind != "pods":
                continue
            name = change.key.name
            before = self._pods.pop(name, None)
            after = Unstructured(change.after.plain) if change.after is not None else None
            if after is not None:
                self._pods[name] = after
            yield name, before, after

    def _do(self, what: str, about: Any) -> None:
        match what:
            case "spec":
                self.world.tracker.patch(self.resource, KEY, MergePatch({"spec": about}))
            case "image":
                containers = [{"name": "c", "image": f"img:{about}"}]
                changed = MergePatch({"spec": {"template": {"spec": {"containers": containers}}}})
                self.world.tracker.patch(self.resource, KEY, changed)
            case "delete" | "ready" | "unready" | "fail":
                pods = self.pods()
                for pod in pods[about % len(pods) :][:1] if pods else []:
                    self._touch(what, pod)

    def _touch(self, what: str, pod: Unstructured) -> None:
        if what == "delete":
            self.world.tracker.delete(PODS, pod.key)
        elif not is_final(pod):
            is_ready, phase = str(what == "ready"), "Failed" if what == "fail" else "Running"
            ready = {"type": "Ready", "status": is_ready, "lastTransitionTime": "2020-01-01T00:00:00Z"}
            status = StrategicMergePatch({"status": {"phase": phase, "conditions": [ready]}})
            self.world.tracker.patch(PODS, pod.key, status, subresource="status")

    async def end(self) -> None:
        """Let every pod become ready, one after the other, until nothing changes any more."""
        await self.settle()
        for _ in range(200):
            waiting = [pod for pod in self.pods() if ready_since(pod) is None]
            if not waiting:
                return
            if is_final(waiting[0]):
                self.world.tracker.delete(PODS, waiting[0].key)  # as an operator does who finds it
            else:
                self._touch("ready", waiting[0])
            for _ in self._changes():
                pass
            await self.settle()
        raise AssertionError("it does not come to an end")

    async def rest(self) -> None:
        """Check that nothing is written any more."""
        self.world.clientset.clear_actions()
        await self.world.advance(3600)
        assert self.world.clientset.writes == []


class DeploymentStory(Story):
    """A Deployment with its ReplicaSets."""

    def lost(self, name: str) -> None:
        """Check that so many pods stay available as the strategy says."""
        rollout = read_rollout(self.workload)
        if self.workload.at("spec.strategy.type") == "RollingUpdate":
            assert len(self.available()) >= rollout.replicas - rollout.max_unavailable, f"{name} was needed"


class StatefulSetStory(Story):
    """A StatefulSet."""

    def lost(self, name: str) -> None:
        """Check that a pod is given up for an update only while those that it depends on are available."""
        ordinal = int(name.rpartition("-")[2])
        wanted = self.wanted()
        if ordinal not in wanted:
            return
        others = [one for one in wanted if one != ordinal]
        is_ordered = self.spec["podManagementPolicy"] == "OrderedReady"
        needed = {f"web-{one}" for one in others if is_ordered or one > ordinal}
        assert needed <= set(self.available()), f"{name} was needed"

    def wanted(self) -> range:
        start = (self.spec.get("ordinals") or {}).get("start", 0)
        return range(start, start + self.spec["replicas"])


POD_STEPS = st.tuples(st.sampled_from(("delete", "unready", "ready", "ready", "ready")), st.integers(0, 5))
COMMON = (
    st.tuples(st.just("spec"), st.fixed_dictionaries({"replicas": st.integers(0, 5)})),
    st.tuples(st.just("image"), st.integers(1, 3)),
    POD_STEPS,
    POD_STEPS,
)
SOME = st.integers(0, 3) | st.sampled_from(("0%", "25%", "50%", "100%"))
STRATEGIES = st.just({"type": "Recreate", "rollingUpdate": None}) | st.tuples(SOME, SOME).map(
    lambda two: {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": two[0], "maxUnavailable": two[1] if two[0] not in (0, "0%") else 1},
    }
)
DEPLOYMENT_STEPS = st.one_of(
    *COMMON,
    st.tuples(st.just("spec"), st.fixed_dictionaries({"paused": st.booleans()})),
    st.tuples(st.just("spec"), st.fixed_dictionaries({"strategy": STRATEGIES})),
)
SET_STEPS = st.one_of(
    *COMMON,
    st.tuples(st.just("fail"), st.integers(0, 5)),
    st.tuples(
        st.just("spec"),
        st.fixed_dictionaries(
            {
                "updateStrategy": st.just({"type": "OnDelete", "rollingUpdate": None})
                | st.integers(0, 4).map(
                    lambda number: {"type": "RollingUpdate", "rollingUpdate": {"partition": number}}
                )
            }
        ),
    ),
    st.tuples(
        st.just("spec"), st.fixed_dictionaries({"ordinals": st.fixed_dictionaries({"start": st.integers(0, 2)})})
    ),
)


@settings(max_examples=tries(5, thorough=60), deadline=None)
@given(st.lists(DEPLOYMENT_STEPS, max_size=12))
async def test_for_any_changes_a_deployment_ends_where_its_spec_says(steps: list[Step]) -> None:
    """All pods have the newest template, other ReplicaSets are empty, and the status says so."""
    async with World(body("Deployment"), cluster=LOOPS) as world:
        story = DeploymentStory(world, DEPLOYMENTS)
        for what, about in steps:
            await story.happen(what, about)
        await story.happen("spec", {"paused": False})
        await story.end()
        deployment = story.workload
        replicas, image = deployment["spec"]["replicas"], deployment.at("spec.template.spec.containers")[0]["image"]
        pods = story.pods()
        assert [pod.at("spec.containers")[0]["image"] for pod in pods] == [image] * replicas
        assert sum(one["spec"]["replicas"] for one in world.tracker.list(REPLICASETS)) == replicas
        status = deployment["status"]
        counted = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
        assert counted == [replicas] * 3
        assert status["observedGeneration"] == deployment.metadata.generation
        conditions = {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}
        assert conditions["Available"] == ("True", "MinimumReplicasAvailable")
        assert conditions["Progressing"] == ("True", "NewReplicaSetAvailable")
        await story.rest()


@settings(max_examples=tries(5, thorough=60), deadline=None)
@given(st.lists(SET_STEPS, max_size=12), st.sampled_from(("OrderedReady", "Parallel")), st.integers(0, 2))
async def test_for_any_changes_a_stateful_set_ends_where_its_spec_says(
    steps: list[Step], policy: str, limit: int
) -> None:
    """
    There are the pods of its ordinals, with the newest template from the partition on, and the status says so.

    Below it, and with OnDelete, they have a template of the history, which is no longer than it may be.
    """
    spec = {"podManagementPolicy": policy, "serviceName": "web", "revisionHistoryLimit": limit}
    async with World(body("StatefulSet", **spec), cluster=LOOPS) as world:
        story = StatefulSetStory(world, STATEFULSETS)
        for what, about in steps:
            await story.happen(what, about)
        await story.end()
        one = story.workload
        status, wanted = one["status"], story.wanted()
        revisions = {each.key.name: each for each in world.tracker.list(CONTROLLER_REVISIONS)}
        pods = {pod.key.name: (pod.metadata.labels or {})["controller-revision-hash"] for pod in story.pods()}
        assert sorted(pods) == [f"web-{ordinal}" for ordinal in wanted]
        strategy = one["spec"]["updateStrategy"]
        if strategy["type"] == "RollingUpdate":
            updated = wanted[strategy["rollingUpdate"]["partition"] :]
            assert {pods[f"web-{ordinal}"] for ordinal in updated} <= {status["updateRevision"]}
        newest = revisions[status["updateRevision"]]
        assert newest.at("data.spec.template.spec.containers") == one.at("spec.template.spec.containers")
        assert newest["revision"] == max(each["revision"] for each in revisions.values())
        live = {*pods.values(), status["currentRevision"], status["updateRevision"]}
        assert live <= revisions.keys()
        assert len(revisions) <= len(live) + limit
        assert status["replicas"] == status.get("readyReplicas", 0) == status["availableReplicas"] == len(wanted)
        for name, revision in (("updatedReplicas", "updateRevision"), ("currentReplicas", "currentRevision")):
            assert status.get(name, 0) == list(pods.values()).count(status[revision])
        await story.rest()
