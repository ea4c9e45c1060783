"""Whatever happens to a StatefulSet, its pods and their containers, the cluster comes to rest with what is wanted."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.client import Client
from ctrlkit.errors import NotFound, ServiceUnavailable
from ctrlkit.fakes.cluster import AlwaysReady, Cluster, CrashBackoff, InProcessRuntime
from ctrlkit.fakes.cluster.node.pod_status import is_ready
from ctrlkit.fakes.cluster.node.runtime import ContainerId, ContainerSpec, Running
from ctrlkit.fakes.world.world import World
from ctrlkit.model import Action, MergePatch
from ctrlkit.model.kinds import PODS, STATEFULSETS
from tests.support.effort import tries

BACKOFF = CrashBackoff(cap_s=40.0)
KEY = "default/net"
CLUSTER = ("kube-controller-manager", "kube-scheduler", "kubelet")
SPEC = {
    "replicas": 2,
    "serviceName": "net-svc",
    "selector": {"matchLabels": {"app": "net"}},
    "template": {
        "metadata": {"labels": {"app": "net"}},
        "spec": {
            "containers": [
                {"name": "main", "image": "web", "readinessProbe": {"exec": {"command": ["x"]}, "periodSeconds": 30}}
            ]
        },
    },
}
STEPS = st.one_of(
    st.tuples(st.just("scale"), st.integers(0, 4)),
    st.tuples(st.just("delete"), st.integers(0, 3)),
    st.tuples(st.just("force"), st.integers(0, 3)),
    st.tuples(st.just("crash"), st.integers(0, 3)),
    st.tuples(st.just("fail"), st.integers(0, 3)),
    st.tuples(st.just("template"), st.integers(0, 3)),
    st.tuples(st.just("refuse"), st.integers(1, 5)),
    st.tuples(st.just("wait"), st.integers(0, 20)),
)


class History:
    """A world with a cluster and a StatefulSet, to which things happen."""

    def __init__(self, world: World, runtime: InProcessRuntime) -> None:
        self._world = world
        self._runtime = runtime
        self._refusals = 0
        self.replicas = 2

    async def happen(self, what: str, number: int) -> None:
        """One step; what it is about may not be there at the moment."""
        with suppress(NotFound):
            await self._do(what, number)

    async def _do(self, what: str, number: int) -> None:
        client, pod = self._world.client, f"default/net-{number}"
        match what:
            case "scale":
                self.replicas = number
                await client.set_scale(STATEFULSETS, KEY, number)
            case "delete":
                await client.delete(PODS, pod)
            case "force":
                await client.delete(PODS, pod, grace_period_s=0)
            case "crash":
                found = await client.get(PODS, pod)
                program = self._runtime.program(ContainerId(found.metadata.uid, "main"))
                if isinstance(program, AlwaysReady):
                    program.exit(1)
            case "fail":
                await client.patch(PODS, pod, MergePatch({"status": {"phase": "Failed"}}), subresource="status")
            case "template":
                fields = {"spec": {"template": {"metadata": {"labels": {"round": str(number)}}}}}
                await client.patch(STATEFULSETS, KEY, MergePatch(fields))
            case "refuse":
                self._refusals = number
            case "wait":
                await self._world.advance(number)

    def refuse(self, action: Action) -> None:
        """The next few writes of the cluster fail."""
        if action.verb.writes and action.options.field_manager in CLUSTER and self._refusals > 0:
            self._refusals -= 1
            raise ServiceUnavailable("the server is busy")


@settings(max_examples=tries(5, thorough=40), deadline=None)
@given(st.lists(STEPS, max_size=12))
async def test_for_any_history_the_cluster_ends_with_what_is_wanted(steps: list[tuple[str, int]]) -> None:
    """As many ready pods as asked for, each with an address and a running container; and nothing besides."""
    running: list[ContainerSpec] = []

    def make(address: str, spec: ContainerSpec) -> AlwaysReady:
        running.append(spec)
        return AlwaysReady()

    async with InProcessRuntime(images={"web": make}) as runtime, World() as world:
        history = History(world, runtime)
        world.clientset.add_reactor("*", "*", history.refuse)
        world.start(Cluster(Client(world.clientset), runtime, backoff=BACKOFF, tracker=world.tracker))
        body: dict[str, Any] = {"metadata": {"name": "net", "namespace": "default"}, "spec": SPEC}
        await world.client.create(STATEFULSETS, body)
        for what, number in steps:
            await history.happen(what, number)
        await world.advance(900)
        pods = await world.client.list(PODS)
        assert [pod.key.name for pod in pods] == [f"net-{ordinal}" for ordinal in range(history.replicas)]
        assert all(is_ready(pod) for pod in pods)
        assert len({pod.at("status.podIP") for pod in pods}) == len(pods)
        assert len({pod.at("metadata.labels.controller-revision-hash") for pod in pods}) <= 1
        status = (await world.client.get(STATEFULSETS, KEY)).at("status")
        assert (status["replicas"], status.get("readyReplicas", 0)) == (len(pods), len(pods))
        ids = {spec.id for spec in running if isinstance(runtime.state(spec.id), Running)}
        assert ids == {ContainerId(pod.metadata.uid, "main") for pod in pods}
        world.clientset.clear_actions()
        await world.advance(900)
        assert world.clientset.writes == []
