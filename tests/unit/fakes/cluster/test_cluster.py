"""A cluster as a whole: it runs while its block does, ends with it, and runs real processes as well."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.errors import ApiError, Conflict, NotSynced
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.cluster import AlwaysReady, Cluster, InProcessRuntime, ProcessRuntime
from ctrlkit.fakes.cluster.node.images import simulated_bitcoind
from ctrlkit.fakes.world.world import World
from ctrlkit.model import Action, AnyResource, Applied, Deleted
from ctrlkit.model.kinds import DEPLOYMENTS, EVENTS, NODES, PODS, REPLICASETS, STATEFULSETS
from tests.support.objects import a_pod
from tests.support.processes import HAS_PIDFD, working_in

POD = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"containers": [{"name": "main", "image": "web"}]}}


def images() -> dict[str, Any]:
    return {"web": lambda address, spec: AlwaysReady()}


async def until_ready(clientset: FakeClientset, name: str) -> None:
    """Follow the pods until one is ready."""
    async with clientset.client.watch(PODS, namespace="default") as events:
        async for event in events:
            match event:
                case Applied(record) if record.key.name == name:
                    conditions = record.value.at("status.conditions") or ()
                    if any(item["type"] == "Ready" and item["status"] == "True" for item in conditions):
                        return


async def until_gone(clientset: FakeClientset) -> None:
    """Follow the pods until none is left."""
    left = {pod.key for pod in await clientset.client.list(PODS)}
    async with clientset.client.watch(PODS, namespace="default") as events:
        async for event in events:
            match event:
                case Applied(record):
                    left.add(record.key)
                case Deleted(record):
                    left.discard(record.key)
            if not left:
                return


async def test_a_cluster_runs_while_its_block_does() -> None:
    """And its end is orderly: nothing is left behind."""
    clientset = FakeClientset()
    async with InProcessRuntime(images=images()) as runtime, Cluster(clientset.client, runtime):
        await clientset.client.create(PODS, POD)
        await until_ready(clientset, "web")
    clientset.clear_actions()
    await asyncio.sleep(3600)
    assert clientset.actions == ()


async def test_a_loop_that_cannot_begin_ends_the_block_with_the_cause() -> None:
    """A test does not wait for a cluster that is not there."""
    clientset = FakeClientset()

    def refuse(action: Action) -> None:
        raise ApiError("the server is out of order")

    clientset.add_reactor("list", NODES, refuse)
    with pytest.raises(NotSynced, match="out of order"):
        async with InProcessRuntime(images=images()) as runtime, Cluster(clientset.client, runtime):
            await asyncio.sleep(3600)


async def test_an_error_of_the_block_comes_out_as_it_is() -> None:
    """Not wrapped into a group."""
    with pytest.raises(ZeroDivisionError):
        async with InProcessRuntime(images=images()) as runtime, Cluster(FakeClientset().client, runtime):
            raise ZeroDivisionError


class Stubborn(AlwaysReady):
    async def run(self) -> int:
        try:
            return await super().run()
        except asyncio.CancelledError:
            await asyncio.sleep(20)
            return 0


async def test_a_cluster_does_not_wait_for_grace_periods_when_it_ends() -> None:
    """The pod's containers end with the runtime in any case."""
    async with World() as world, InProcessRuntime(images={"web": lambda address, spec: Stubborn()}) as runtime:
        async with Cluster(world.client, runtime):
            await world.client.create(PODS, POD)
            await world.settle()
            await world.client.delete(PODS, "default/web")
            await asyncio.sleep(1)
            before = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() == before


BITCOIND = {
    "name": "net-sts-ctr",
    "image": "christianb93/bitcoind:v1.0",
    "readinessProbe": {
        "exec": {"command": ["/usr/local/bin/bitcoin-cli", "-regtest", "-conf=/bitcoin.conf", "getnetworkinfo"]},
        "periodSeconds": 1,
        "timeoutSeconds": 60,
    },
}


@pytest.mark.real_time
@pytest.mark.skipif(not HAS_PIDFD, reason="reads the processes of /proc (Linux)")
@pytest.mark.long
async def test_a_set_of_nodes_runs_as_processes() -> None:
    """They become ready one by one, each on an address of its own, and end with their set."""
    clientset = FakeClientset()
    spec = {
        "replicas": 2,
        "serviceName": "net-svc",
        "selector": {"matchLabels": {"app": "net"}},
        "template": {"metadata": {"labels": {"app": "net"}}, "spec": {"containers": [BITCOIND]}},
    }
    async with ProcessRuntime(images={"bitcoind": simulated_bitcoind()}) as runtime, Cluster(clientset.client, runtime):
        await clientset.client.create(STATEFULSETS, {"metadata": {"name": "net", "namespace": "default"}, "spec": spec})
        await until_ready(clientset, "net-1")
        pods = await clientset.client.list(PODS)
        addresses = {pod.at("status.podIP") for pod in pods}
        assert len(addresses) == 2
        assert len(working_in(runtime.folder)) == 2
        await clientset.client.delete(STATEFULSETS, "default/net")
        await until_gone(clientset)
        assert not working_in(runtime.folder)


def environment_of(process: int) -> dict[str, str]:
    """The variables that a process was started with."""
    parts = Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")
    return dict(part.split("=", 1) for part in parts if part)


MISUSED: dict[str, dict[str, Any]] = {
    "a program": {"command": ["/bin/sh", "-c", "id > {proof}"]},
    "a program as an argument": {"args": ["-blocknotify=touch {proof}"]},
    "a configuration of its own": {"command": ["bitcoind"], "args": ["-conf={proof}"]},
    "through a variable": {"env": [{"name": "X", "value": "-pid={proof}"}], "args": ["$(X)"]},
    "another image": {"image": "busybox", "command": ["touch", "{proof}"]},
}


@pytest.mark.real_time
@pytest.mark.skipif(not HAS_PIDFD, reason="reads the processes of /proc (Linux)")
async def test_a_pod_runs_nothing_but_what_its_image_declares(tmp_path: Path) -> None:
    """
    Whoever may write pods: the containers wait, the reason is in status and Events, and no file is made.

    The command of a stand-in is carried out in this process, on files that are no files of this machine.
    """
    proof = f"{tmp_path}/proof"
    clientset = FakeClientset()
    client = clientset.client
    async with ProcessRuntime(images={"bitcoind": simulated_bitcoind()}) as runtime, Cluster(client, runtime):
        for number, container in enumerate(MISUSED.values()):
            text = json.dumps({"name": "c", "image": "bitcoind:1", **container}).replace("{proof}", proof)
            metadata = {"name": f"p-{number}", "namespace": "default"}
            await client.create(PODS, {"metadata": metadata, "spec": {"containers": [json.loads(text)]}})
        waiting: dict[str, dict[str, str]] = {}
        async with client.watch(PODS, namespace="default") as events:
            async for event in events:
                match event:
                    case Applied(record):
                        for status in record.value.at("status.containerStatuses") or ():
                            waiting[record.key.name] = status["state"].get("waiting", {})
                if len(waiting) == len(MISUSED) and not any(
                    one.get("reason") == "ContainerCreating" for one in waiting.values()
                ):
                    break
        reasons = [one.get("reason") for _, one in sorted(waiting.items())]
        assert reasons == ["RunContainerError"] * 4 + [None], "an image that nothing declares has a stand-in"
        assert (
            "is no program that a pod may run here; those are: /usr/local/bin/bitcoind, " in waiting["p-0"]["message"]
        )
        assert "'-blocknotify' is no flag that a pod may pass here; those are: -addnode, " in waiting["p-1"]["message"]
        assert not [files for _, _, files in os.walk(runtime.folder) if files], "nothing was written for them"
    told = {event.at("involvedObject.name") for event in clientset.tracker.list(EVENTS) if event["reason"] == "Failed"}
    assert told == set(waiting) - {"p-4"}
    assert os.listdir(tmp_path) == []


@pytest.mark.real_time
@pytest.mark.skipif(not HAS_PIDFD, reason="reads the processes of /proc (Linux)")
async def test_of_a_pods_fields_nothing_else_reaches_the_machine(tmp_path: Path) -> None:
    """Variables of the loader and folders are not looked at; the node runs as without them."""
    variables = {"LD_PRELOAD": "/x.so", "PATH": str(tmp_path), "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}
    container = {
        **BITCOIND,
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "workingDir": str(tmp_path),
        "volumeMounts": [{"name": "host", "mountPath": "/host"}],
    }
    volumes = [{"name": "host", "hostPath": {"path": str(tmp_path)}}]
    spec = {"containers": [container], "volumes": volumes}
    clientset = FakeClientset()
    async with ProcessRuntime(images={"bitcoind": simulated_bitcoind()}) as runtime, Cluster(clientset.client, runtime):
        await clientset.client.create(PODS, {"metadata": {"name": "net", "namespace": "default"}, "spec": spec})
        await until_ready(clientset, "net")
        nodes = working_in(runtime.folder)
        assert nodes
        for environment in map(environment_of, nodes):
            assert not environment.keys() & {"LD_PRELOAD"}
            assert not [name for name, value in environment.items() if str(tmp_path) in value]
    assert os.listdir(tmp_path) == []


@pytest.mark.real_time
@pytest.mark.skipif(not HAS_PIDFD, reason="ends processes by their pidfd (Linux)")
async def test_hooks_and_probes_run_nothing_that_the_image_does_not_declare(tmp_path: Path) -> None:
    """The hook has failed, the probe shows nothing, and both are told."""
    command = {"exec": {"command": ["touch", str(tmp_path / "proof")]}}
    refused = "'touch' is no program that a pod may run here; those are: /usr/local/bin/bitcoind, "
    pods = {
        "hooked": {**BITCOIND, "lifecycle": {"postStart": command}},
        "probed": {**BITCOIND, "startupProbe": {**command, "periodSeconds": 1}},
    }
    told: dict[str, str] = {}
    clientset = FakeClientset()
    client = clientset.client
    async with ProcessRuntime(images={"bitcoind": simulated_bitcoind()}) as runtime, Cluster(client, runtime):
        for name, container in pods.items():
            await client.create(
                PODS, {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [container]}}
            )
        async with client.watch(EVENTS, namespace="default") as events:
            async for event in events:
                match event:
                    case Applied(record):
                        told[record.value["reason"]] = record.value["message"]
                if {"FailedPostStartHook", "Unhealthy"} <= told.keys():
                    break
    assert told["FailedPostStartHook"] == "PostStartHook failed"
    assert told["Unhealthy"].startswith(f"Startup probe errored and resulted in unknown state: {refused}")
    assert os.listdir(tmp_path) == []


async def test_each_program_of_a_cluster_writes_in_its_own_name() -> None:
    """As managedFields, conflicts of an apply and those who filter by managers show it."""
    async with _at_work() as world:
        assert _managers(world, DEPLOYMENTS) == {"test", "kube-controller-manager"}
        assert _managers(world, REPLICASETS) == {"kube-controller-manager"}
        assert _managers(world, PODS) == {"test", "kube-controller-manager", "kube-scheduler", "kubelet"}
        assert _managers(world, NODES) >= {"kubelet"}
        changed = {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "7"}}}
        with pytest.raises(Conflict, match='conflict with "kube-controller-manager"'):
            await world.client.apply(DEPLOYMENTS, "default/web", changed)


async def test_each_program_of_a_cluster_tells_events_in_its_own_name() -> None:
    """Components of one program have its name in common."""
    programs = {"default-scheduler": "kube-scheduler", "kubelet": "kubelet"}
    async with _at_work() as world:
        told: dict[str, set[str]] = {}
        for event in world.tracker.list(EVENTS):
            component = event["reportingComponent"] or event["source"]["component"]
            told.setdefault(component, set()).update(entry["manager"] for entry in event["metadata"]["managedFields"])
        components = {"default-scheduler", "kubelet", "deployment-controller", "replicaset-controller"}
        assert told.keys() >= components
        assert told == {component: {programs.get(component, "kube-controller-manager")} for component in told}


@asynccontextmanager
async def _at_work() -> AsyncIterator[World]:
    """A cluster whose programs have all had something to do: a Deployment runs, and a pod fits nowhere."""
    images = {"web": lambda address, spec: AlwaysReady()}
    async with InProcessRuntime(images=images) as runtime, World() as world:
        world.start(Cluster(world.client, runtime, tracker=world.tracker))
        container = {"name": "c", "image": "web"}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        await world.client.create(DEPLOYMENTS, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
        await world.client.create(PODS, a_pod("odd", containers=[container], nodeSelector={"no": "where"}))
        await world.settle()
        yield world


def _managers(world: World, resource: AnyResource) -> set[str]:
    found = world.tracker.list(resource)
    return {entry["manager"] for one in found for entry in one["metadata"]["managedFields"]}
