"""An image that nothing declares is a stand-in, whatever the part of its container and whatever runs beside it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ctrlkit.errors import ApiError
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Image, ImageRuntime
from ctrlkit.fakes.cluster.node.runtime import ContainerId, ContainerSpec, Exec, Running
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams
from ctrlkit.model import StrategicMergePatch
from ctrlkit.model.kinds import EVENTS, PODS
from tests.support.any_command import ANY_COMMAND
from tests.support.processes import HAS_PIDFD, command_lines

NOTE = 'Image "{}" is not declared: a stand-in for it runs and is ready, and does nothing'
PROBE = {"exec": {"command": ["/bin/check"]}}
HOOK = {"lifecycle": {"postStart": PROBE, "preStop": PROBE}}
PROBES = {"readinessProbe": PROBE, "livenessProbe": {"grpc": {"port": 9}}, "startupProbe": {"tcpSocket": {"port": 9}}}
SIDECAR = {"name": "side", "image": "side:1", "restartPolicy": "Always", **PROBES, **HOOK}
MAIN = {"name": "main", "image": "main:1", "command": ["/no/such", "--flag"], **PROBES, **HOOK}


async def said(world: World, container: str, *command: str) -> tuple[str, int, str]:
    """The log of a container, and what a command in it ends with and writes."""
    written = bytearray()

    async def take(data: bytes) -> None:
        written.extend(data)

    pod = PodRef("default", "web", world.tracker.get(PODS, "default/web").metadata.uid)
    code = await world.runtime.exec(pod, container, command, Streams(stdin=None, stdout=take, stderr=take))
    return await world.client.logs("default/web", container=container), code, written.decode()


@pytest.mark.parametrize(
    ("image", "path", "spec"),
    [
        ("main:1", "spec.containers{main}", {"containers": [MAIN]}),
        ("side:1", "spec.initContainers{side}", {"initContainers": [SIDECAR], "containers": [MAIN]}),
        ("init:1", "spec.initContainers{init}", {"initContainers": [{"name": "init", "image": "init:1"}]}),
        ("debug:1", "spec.ephemeralContainers{debug}", {}),
    ],
)
async def test_a_stand_in_is_one_in_each_part_of_a_pod(image: str, path: str, spec: dict[str, Any]) -> None:
    """It runs, is ready, passes probes and hooks, says what it is in its log, to commands and in an Event."""
    name = image.removesuffix(":1")
    declared = {} if name == "main" else {"main": Image()}
    async with World(cluster=ALL, images=declared) as world:
        whole = {"containers": [{"name": "main", "image": "main:1"}], **spec}
        await world.client.create(PODS, {"metadata": {"name": "web", "namespace": "default"}, "spec": whole})
        await world.advance("15s")
        if name == "debug":
            patch = StrategicMergePatch({"spec": {"ephemeralContainers": [{"name": name, "image": image}]}})
            await world.client.patch(PODS, "default/web", patch, subresource="ephemeralcontainers")
            await world.advance("1m")
        status = world.tracker.get(PODS, "default/web")["status"]
        field = f"{path.removeprefix('spec.').partition('{')[0].removesuffix('s')}Statuses"
        field = {"initContainerStatuses": field, "ephemeralContainerStatuses": field}.get(field, "containerStatuses")
        (container,) = status[field]
        assert "running" in container["state"]
        assert container["ready"] is (name in ("main", "side")), "as all that run; others are no part of what is ready"
        note = NOTE.format(image)
        assert await said(world, name, "id", "-u") == (f"ctrlkit: {note}\n", 126, f"ctrlkit: {note}; id was not run\n")
        events = [one for one in world.tracker.list(EVENTS) if one["reason"] == "StandIn"]
        assert [(one.at("involvedObject.fieldPath"), one["message"]) for one in events] == [(path, note)]
        assert not [one for one in world.tracker.list(EVENTS) if one["type"] == "Warning"]


async def test_a_stand_in_that_is_to_initialize_a_pod_holds_it_up_until_a_test_ends_it() -> None:
    """Nothing is known of what it would do; its Event says why the pod waits."""
    async with World(cluster=ALL) as world:
        spec = {"initContainers": [{"name": "init", "image": "init:1"}], "containers": [{"name": "m", "image": "m:1"}]}
        await world.client.create(PODS, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
        await world.advance("1h")
        pod = world.tracker.get(PODS, "default/web")
        assert pod.at("status.phase") == "Pending"
        world.runtime.end(pod.metadata.uid, 0)
        await world.settle()
        assert world.tracker.get(PODS, "default/web").at("status.phase") == "Running"


@pytest.mark.real_time
@pytest.mark.skipif(not HAS_PIDFD, reason="needs pidfd_open (Linux)")
async def test_beside_processes_a_stand_in_is_the_same_and_none_of_them() -> None:
    """In one pod with a program of this machine: its command is started nowhere, nor those of clients and probes."""
    pod, name = PodRef("default", "web", "uid-1"), ContainerId("uid-1", "other")
    written = bytearray()

    async def take(data: bytes) -> None:
        written.extend(data)

    async with ImageRuntime(images={"program": ANY_COMMAND}) as runtime:
        runtime.open_sandbox("uid-1")
        program = ContainerSpec(
            id=ContainerId("uid-1", "p"), image="program", command=("/bin/sleep", "600"), environment={}
        )
        await runtime.start(program)
        stand_in = ContainerSpec(id=name, image="web:1", command=("/usr/bin/python3", "86244"), environment={})
        await runtime.start(stand_in)
        await asyncio.sleep(0)
        assert isinstance(runtime.state(name), Running)
        assert (await runtime.probe(name, Exec(("/usr/bin/python3", "86244")), timeout_s=1)).ok
        streams = Streams(stdin=None, stdout=take, stderr=take)
        assert await runtime.exec(pod, "other", ("/usr/bin/python3", "86244"), streams) == 126
        assert written.decode().endswith("/usr/bin/python3 was not run\n")
        log = b"".join([piece async for piece in await runtime.logs(pod, "other", LogOptions())])
        assert log.decode() == f"ctrlkit: {NOTE.format('web:1')}\n"
        with pytest.raises(ApiError):
            await runtime.exec(pod, "nobody", ("/usr/bin/python3", "86244"), streams)
        assert not any(b"86244" in line for line in command_lines().values())
