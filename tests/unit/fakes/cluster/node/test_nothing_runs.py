"""Whoever may write pods makes nothing run on this machine, nor touches its files, but by what an image declares."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.errors import ApiError
from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Image
from ctrlkit.fakes.tracker.runtime import PodRef, Streams
from ctrlkit.model import StrategicMergePatch
from ctrlkit.model.kinds import PODS

STARTS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn", "os.kill"}
)
CHANGES = frozenset(
    {"os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.link", "os.symlink", "os.chmod", "os.truncate"}
)
CONNECTS = frozenset({"socket.connect", "socket.bind", "socket.getaddrinfo"})
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_heard: list[tuple[str, Any]] = []
_listens: list[bool] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _listens:
        return
    if event in STARTS | CHANGES | CONNECTS:
        _heard.append((event, arguments))
    is_written = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
    if is_written and ".pyc" not in str(arguments[0]):  # Python keeps what it imports
        _heard.append((event, arguments[0]))


sys.addaudithook(_hear)


@contextmanager
def heard() -> Iterator[list[tuple[str, Any]]]:
    """What this process does to the machine: programs that it starts, files that it writes, hosts that it asks."""
    _heard.clear()
    _listens.append(True)
    try:
        yield _heard
    finally:
        _listens.clear()


def pods(proof: str) -> Iterator[dict[str, Any]]:
    """Pods that try to leave a proof on the machine, each in another way."""
    shell = ["/bin/sh", "-c", f'id > {proof}; touch {proof}; $(touch {proof}); python3 -c \'open("{proof}", "w")\'']
    plain = ["/bin/sh", "-c", f"echo x > {proof}; mkdir -p {proof}; cat /etc/passwd | tee {proof}; sleep 600"]
    hook = {"exec": {"command": ["/bin/sh", "-c", f"touch {proof}"]}}
    host = {"name": "host", "hostPath": {"path": str(Path(proof).parent), "type": "DirectoryOrCreate"}}
    mounts = [{"name": "host", "mountPath": "/host"}]
    yield {"containers": [{"command": shell}]}
    yield {"containers": [{"command": plain}]}
    yield {"containers": [{"args": plain, "workingDir": str(Path(proof).parent)}]}
    yield {"containers": [{"command": ["touch", proof]}], "initContainers": [{"command": [*plain[:2], f": > {proof}"]}]}
    yield {"containers": [{"lifecycle": {"postStart": hook, "preStop": hook}, "livenessProbe": hook}]}
    yield {"containers": [{"command": ["sleep", "60"], "readinessProbe": hook, "startupProbe": hook}]}
    yield {"containers": [{"command": [*plain[:2], "echo x > /host/proof"], "volumeMounts": mounts}], "volumes": [host]}
    yield {"containers": [{"env": [{"name": "LD_PRELOAD", "value": proof}], "command": ["env"]}]}
    yield {"containers": [{"readinessProbe": {"httpGet": {"host": "127.0.0.1", "port": 22, "path": "/"}}}]}
    yield {"containers": [{"livenessProbe": {"tcpSocket": {"host": "localhost", "port": 22}}}]}


async def _swallow(data: bytes) -> None:
    """Throw away what a command prints."""


@pytest.mark.parametrize("image", ["busybox:1", "declared:1", "shell:1"])
async def test_nothing_of_a_pod_reaches_the_machine(image: str, tmp_path: Path) -> None:
    """Stand-ins, scripted images and those with a shell, from their start to their end, and what clients type."""
    proof = f"{tmp_path}/proof"
    declared = {"declared": Image(), "shell": Image(shell=True)}
    async with World(cluster=ALL, images=declared) as world:
        await world.settle()
        with heard() as done:
            for number, spec in enumerate(pods(proof)):
                for group in ("containers", "initContainers"):
                    for place, container in enumerate(spec.get(group, ())):
                        container.update(name=f"{group[0]}{place}", image=image)
                body = {"metadata": {"name": f"p{number}", "namespace": "default"}, "spec": spec}
                await world.client.create(PODS, body)
                await _debug(world, f"default/p{number}", image, proof)
            await world.advance("1m")
            for pod in world.tracker.list(PODS):
                await _type(world, pod.key.name, pod.metadata.uid, proof)
                await world.client.delete(PODS, pod.key, grace_period_s=5)
            await world.advance("1m")
            assert world.tracker.list(PODS) == []
        assert done == []
    assert os.listdir(tmp_path) == []


async def _debug(world: World, pod: str, image: str, proof: str) -> None:
    """Add ephemeral containers to a pod, one with a program and one with a script."""
    commands = (["touch", proof], ["/bin/sh", "-c", f"id > {proof}; touch {proof}; sleep 600"])
    debuggers = [
        {"name": f"d{place}", "image": image, "command": command, "targetContainerName": "c0"}
        for place, command in enumerate(commands)
    ]
    patch = StrategicMergePatch({"spec": {"ephemeralContainers": debuggers}})
    await world.client.patch(PODS, pod, patch, subresource="ephemeralcontainers")


async def _type(world: World, name: str, uid: str, proof: str) -> None:
    """Run commands in a container that runs."""
    streams = Streams(stdin=None, stdout=_swallow, stderr=_swallow)
    for command in (
        ("touch", proof),
        ("sh", "-c", f"id > {proof}"),
        ("/usr/bin/python3", "-c", "1"),
        ("cp", proof, "/x"),
    ):
        try:
            await world.runtime.exec(PodRef("default", name, uid), "c0", command, streams)
        except ApiError:
            continue


def test_what_reaches_the_machine_is_heard(tmp_path: Path) -> None:
    """Otherwise the test above would say nothing."""
    with heard() as done:
        subprocess.run(["true"], check=True)
        (tmp_path / "proof").write_text("x")
    assert {"subprocess.Popen", "open"} <= {event for event, _ in done}
    count = len(done)
    (tmp_path / "later").write_text("x")
    assert len(done) == count, "it listens while it is told to"
