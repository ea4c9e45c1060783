"""Pods run on the one node, and their status says what became of their containers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ctrlkit.fakes.clientset.clientset import Write
from ctrlkit.fakes.cluster import AlwaysReady, Cluster, InProcessRuntime, Loop
from ctrlkit.fakes.cluster.node.runtime import ContainerId, ContainerSpec, ProbeAction, ProbeResult
from ctrlkit.fakes.world.trace import Began
from ctrlkit.fakes.world.world import World
from ctrlkit.model import MergePatch, Unstructured
from ctrlkit.model.kinds import EVENTS, NODES, PODS, SECRETS

KEY = "default/web"


class Program(AlwaysReady):
    """Counts how often it was asked, and takes its time to answer."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.takes_s = 0.0

    async def probe(self, action: ProbeAction) -> ProbeResult:
        """Answer as it is ready or not."""
        self.asked += 1
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        return await super().probe(action)


class Programs:
    """What runs in the pods of a test, and with which specs it was started."""

    def __init__(self) -> None:
        self.ready = True
        self.specs: list[ContainerSpec] = []
        self.running: list[Program] = []

    def __call__(self, address: str, spec: ContainerSpec) -> Program:
        program = Program()
        program.ready = self.ready
        self.specs.append(spec)
        self.running.append(program)
        return program


SCHEDULED = frozenset({Loop.SCHEDULER, Loop.KUBELET})


@asynccontextmanager
async def kubelet(*objects: dict[str, Any]) -> AsyncIterator[tuple[World, Programs]]:
    programs = Programs()
    async with InProcessRuntime(images={"web": programs}) as runtime, World(*objects) as world:
        world.start(Cluster(world.client, runtime, loops=SCHEDULED))
        await world.settle()
        yield world, programs


def a_pod(**container: Any) -> dict[str, Any]:
    policy = container.pop("restartPolicy", "Always")
    spec = {"containers": [{"name": "main", "image": "web:1", **container}], "restartPolicy": policy}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": spec}


async def started(world: World, pod: dict[str, Any]) -> Unstructured:
    await world.client.create(PODS, pod)
    await world.settle()
    return await world.client.get(PODS, KEY)


def main_of(pod: Unstructured) -> dict[str, Any]:
    (status,) = pod.at("status.containerStatuses")
    assert isinstance(status, dict)
    return status


def condition(pod: Unstructured, name: str) -> dict[str, Any]:
    found = next(item for item in pod.at("status.conditions") if item["type"] == name)
    assert isinstance(found, dict)
    return found


async def test_a_pod_without_a_node_is_bound_and_runs() -> None:
    """Its address is its own; without a probe, running is ready."""
    async with kubelet() as (world, _):
        pod = await started(world, a_pod())
        assert pod.at("spec.nodeName") == "ctrlkit-node"
        assert (pod.at("status.phase"), pod.at("status.podIP")) == ("Running", "198.18.0.1")
        assert condition(pod, "Ready")["status"] == "True"
        assert main_of(pod)["restartCount"] == 0
        node = await world.client.get(NODES, "ctrlkit-node")
        assert condition(node, "Ready")["status"] == "True"


async def test_the_steady_state_writes_nothing() -> None:
    """However often the probe runs."""
    async with kubelet() as (world, _):
        await started(world, a_pod(readinessProbe={"exec": {"command": ["check"]}, "periodSeconds": 5}))
        await world.advance(10)
        world.clientset.clear_actions()
        await world.advance(600)
        assert world.clientset.writes == []


async def test_a_pod_at_rest_is_probed_without_a_reconcile() -> None:
    """Until a probe shows something new; a slow one takes none either."""
    async with kubelet() as (world, programs):
        probe = {"exec": {"command": ["check"]}, "periodSeconds": 5, "failureThreshold": 2}
        await started(world, a_pod(readinessProbe=probe, livenessProbe={**probe, "failureThreshold": 1000}))
        program = programs.running[0]
        program.takes_s = 0.5
        before = reconciles(world)
        await world.advance(600)
        assert (reconciles(world), program.asked) == (before, 241), "each of the two at its moments, the first at once"
        program.ready = False
        await world.advance(5)
        assert reconciles(world) == before, "one failure means nothing yet"
        await world.advance(5)
        assert condition(await world.client.get(PODS, KEY), "Ready")["status"] == "False"
        after = reconciles(world)
        assert before < after
        await world.advance(600)
        assert (reconciles(world), program.asked) == (after, 485)
        told = [event["count"] for event in world.tracker.list(EVENTS) if event["reason"] == "Unhealthy"]
        assert len(told) == 2, "of readiness and of liveness"


def reconciles(world: World) -> int:
    """How often the kubelet has looked at the pod."""
    began = [entry for entry in world.trace.entries if isinstance(entry, Began) and entry.run.controller == "kubelet"]
    return len(began)


async def test_a_pod_of_another_node_is_left_alone() -> None:
    """Somebody else's kubelet runs it."""
    async with kubelet() as (world, programs):
        pod = a_pod()
        pod["spec"]["nodeName"] = "elsewhere"
        assert (await started(world, pod)).at("status.phase") == "Pending"
        assert programs.specs == []


async def test_readiness_follows_the_probe_in_its_times() -> None:
    """Not before the initial delay; lost only after three failures in a row, five seconds apart."""
    async with kubelet() as (world, programs):
        probe = {"exec": {"command": ["check"]}, "initialDelaySeconds": 5, "periodSeconds": 5}
        pod = await started(world, a_pod(readinessProbe=probe))
        assert (pod.at("status.phase"), condition(pod, "Ready")["status"]) == ("Running", "False")
        await world.advance(5)
        assert condition(await world.client.get(PODS, KEY), "Ready")["status"] == "True"
        programs.running[0].ready = False
        await world.advance(14)
        told = [event["message"] for event in world.tracker.list(EVENTS) if event["reason"] == "Unhealthy"]
        assert told == ["Readiness probe failed: not ready"]
        assert condition(await world.client.get(PODS, KEY), "Ready")["status"] == "True"
        await world.advance(1)
        assert condition(await world.client.get(PODS, KEY), "Ready")["status"] == "False"


async def test_a_container_that_ends_is_restarted_at_once_and_then_with_growing_waits() -> None:
    """Its status counts the restarts, says how the last run ended, and at the next look why it waits."""
    async with kubelet() as (world, programs):
        await started(world, a_pod())
        programs.running[-1].exit(3)
        await world.settle()
        status = main_of(await world.client.get(PODS, KEY))
        assert (status["restartCount"], "running" in status["state"]) == (1, True)
        assert status["lastState"]["terminated"]["exitCode"] == 3
        assert status["lastState"]["terminated"]["containerID"] != status["containerID"]
        programs.running[-1].exit(4)
        await world.settle()
        pod = await world.client.get(PODS, KEY)
        status = main_of(pod)
        assert (pod.at("status.phase"), status["ready"], status["restartCount"]) == ("Running", False, 1)
        assert (status["state"]["terminated"]["exitCode"], status["lastState"]["terminated"]["exitCode"]) == (4, 3)
        await world.advance(9)
        assert main_of(await world.client.get(PODS, KEY))["restartCount"] == 1
        await world.client.patch(PODS, KEY, MergePatch({"metadata": {"labels": {"seen": "yes"}}}))
        await world.settle()
        status = main_of(await world.client.get(PODS, KEY))
        assert status["state"]["waiting"] == {
            "reason": "CrashLoopBackOff",
            "message": f"back-off 10s restarting failed container=main pod=web_default({pod.metadata.uid})",
        }
        assert status["lastState"]["terminated"]["exitCode"] == 4
        await world.advance(1)
        assert main_of(await world.client.get(PODS, KEY))["restartCount"] == 2
        about_pods = [one for one in world.tracker.list(EVENTS) if one.at("involvedObject.kind") == "Pod"]
        events = {event.at("reason"): event.at("message") for event in about_pods}
        assert events.keys() == {"Scheduled", "Pulling", "Pulled", "Created", "Started", "BackOff"}
        assert events["BackOff"] == f"Back-off restarting failed container main in pod web_default({pod.metadata.uid})"


async def test_a_back_off_is_told_again_each_minute_until_it_is_over() -> None:
    """As a kubelet looks at least that often; a look between tells nothing, and nothing is told of what runs."""

    def told(world: World) -> int:
        return sum(event["count"] for event in world.tracker.list(EVENTS) if event["reason"] == "BackOff")

    async with kubelet() as (world, programs):
        await started(world, a_pod())
        for delay_s in (0, 10, 20, 40, 80, 160, 300):
            before = told(world)
            programs.running[-1].exit(1)
            await world.settle()
            assert told(world) - before == bool(delay_s)
            await world.advance(max(delay_s - 1, 0))
            await world.client.patch(PODS, KEY, MergePatch({"metadata": {"labels": {"seen": str(delay_s)}}}))
            await world.settle()
            assert told(world) - before == -(-delay_s // 60)
            await world.advance(1)
        runs, before = len(programs.running), told(world)
        await world.advance(200)
        assert (len(programs.running), told(world)) == (runs, before)


async def test_a_pod_that_is_not_restarted_ends() -> None:
    """Its phase is final, and its container's end stays to be seen."""
    async with kubelet() as (world, programs):
        await started(world, a_pod(restartPolicy="Never"))
        programs.running[-1].exit(1)
        await world.settle()
        pod = await world.client.get(PODS, KEY)
        assert pod.at("status.phase") == "Failed"
        assert main_of(pod)["state"]["terminated"]["exitCode"] == 1
        await world.advance(3600)
        assert len(programs.specs) == 1


async def test_a_deleted_pod_goes_when_its_containers_have_ended() -> None:
    """The server waits for the kubelet's last delete."""
    async with kubelet() as (world, _):
        await started(world, a_pod())
        await world.client.delete(PODS, KEY)
        await world.settle()
        assert await world.client.list(PODS) == []
        assert world.clientset.writes.count(Write("delete", PODS, KEY)) == 1


async def test_a_namesake_gets_an_address_and_containers_of_its_own() -> None:
    """It is another pod, also where the first was removed by force."""
    async with kubelet() as (world, programs):
        first = await started(world, a_pod())
        await world.client.delete(PODS, KEY, grace_period_s=0)
        second = await started(world, a_pod())
        assert first.at("status.podIP") != second.at("status.podIP")
        assert programs.specs[0].id != programs.specs[1].id
        assert main_of(second)["restartCount"] == 0


async def test_credentials_reach_the_container_and_no_status() -> None:
    """The environment comes from the secret at the time of the start."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login", "namespace": "default"},
        "data": {"BC_RPC_PASSWORD": "aHVudGVyMg=="},
    }
    async with kubelet(secret) as (world, programs):
        env = [{"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
        pod = await started(
            world, a_pod(envFrom=[{"secretRef": {"name": "login"}}], env=env, args=["--at", "$(ADDRESS)"])
        )
        (spec,) = programs.specs
        wanted = {"BC_RPC_PASSWORD": "hunter2", "ADDRESS": "198.18.0.1", "HOSTNAME": "web"}
        assert dict(spec.environment) == wanted
        assert spec.args == ("--at", "198.18.0.1")
        assert spec.secrets == {"hunter2"}
        assert "hunter2" not in str(pod)


async def test_a_missing_secret_holds_the_container_back_until_it_is_there() -> None:
    """The status and an Event say what is missing."""
    async with kubelet() as (world, _):
        pod = await started(world, a_pod(envFrom=[{"secretRef": {"name": "login"}}]))
        waiting = {"reason": "CreateContainerConfigError", "message": 'secret "login" not found'}
        assert (pod.at("status.phase"), main_of(pod)["state"]) == ("Pending", {"waiting": waiting})
        events = [(event.at("type"), event.at("message")) for event in await world.client.list(EVENTS)]
        assert ("Warning", 'Error: secret "login" not found') in events
        await world.client.create(SECRETS, {"metadata": {"name": "login", "namespace": "default"}})
        await world.advance(10)
        assert (await world.client.get(PODS, KEY)).at("status.phase") == "Running"


async def test_a_kubelet_that_starts_anew_starts_its_pods_anew() -> None:
    """The containers of the one before ended with it; that counts as a restart."""
    async with World() as world:
        for restarts in (0, 1, 2):
            async with InProcessRuntime(images={"web": Programs()}) as runtime:
                cluster = Cluster(world.client, runtime, loops=SCHEDULED)
                world.start(cluster)
                if not restarts:
                    await world.client.create(PODS, a_pod())
                await world.settle()
                assert main_of(await world.client.get(PODS, KEY))["restartCount"] == restarts
                await world.stop(cluster)


async def test_probes_of_a_restarted_container_begin_anew() -> None:
    """Ready is not what it was before the crash."""
    async with kubelet() as (world, programs):
        probe = {"exec": {"command": ["check"]}, "initialDelaySeconds": 5, "periodSeconds": 5}
        await started(world, a_pod(readinessProbe=probe))
        await world.advance(5)
        programs.running[-1].exit(1)
        await world.settle()
        assert condition(await world.client.get(PODS, KEY), "Ready")["status"] == "False"
        await world.advance(5)
        assert condition(await world.client.get(PODS, KEY), "Ready")["status"] == "True"


async def test_a_container_is_known_by_its_pods_uid() -> None:
    """So a runtime never mistakes one pod's container for its namesake's."""
    async with kubelet() as (world, programs):
        pod = await started(world, a_pod())
        assert programs.specs[0].id == ContainerId(pod.metadata.uid, "main")
