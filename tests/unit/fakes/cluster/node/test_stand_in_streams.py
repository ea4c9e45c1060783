"""Containers without a process are attached to, typed into, and serve pages to forwarded ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ctrlkit.fakes.cluster.node.image_runtime import ImageRuntime
from ctrlkit.fakes.cluster.node.images import Image
from ctrlkit.fakes.cluster.node.images.common import COMMON_IMAGES
from ctrlkit.fakes.cluster.node.runtime import ContainerId, ContainerSpec, Exited, Mount, Volume
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams

pytestmark = pytest.mark.virtual_time

POD = PodRef("default", "p", "uid-1")
ID = ContainerId("uid-1", "main")


class Client:
    """Somebody at the other end: what was written, and what is sent piece by piece."""

    def __init__(self, *pieces: bytes, stays: bool = False) -> None:
        self.out, self.err = b"", b""
        self._pieces = pieces
        self._stays = stays

    async def stdout(self, data: bytes) -> None:
        self.out += data

    async def stderr(self, data: bytes) -> None:
        self.err += data

    async def _stdin(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(1)
            yield piece
        if self._stays:
            await asyncio.get_running_loop().create_future()

    def streams(self, *, tty: bool = False) -> Streams:
        return Streams(stdin=self._stdin(), stdout=self.stdout, stderr=self.stderr, tty=tty)


async def log_of(runtime: ImageRuntime, container: str = "main") -> str:
    """All that a container has written."""
    pieces = await runtime.logs(POD, container, LogOptions())
    return b"".join([piece async for piece in pieces]).decode()


async def test_a_shell_at_a_terminal_is_attached_to_until_it_ends() -> None:
    """As `kubectl run -it --image=busybox`: what is typed is run, and all of it is in the log."""
    async with ImageRuntime(images=COMMON_IMAGES) as runtime:
        runtime.open_sandbox(POD.uid)
        await runtime.start(
            ContainerSpec(id=ID, image="busybox", environment={}, stdin=True, stdin_once=True, tty=True)
        )
        await asyncio.sleep(0.1)
        client = Client(b"echo hi\r", b"exit 3\r", stays=True)
        await runtime.attach(POD, "main", client.streams(tty=True))
        ended = runtime.state(ID)
        assert isinstance(ended, Exited)
        assert ended.exit_code == 3
        assert client.out == b"echo hi\r\nhi\r\n/ # exit 3\r\n"
        assert "hi\r\n" in await log_of(runtime)


async def test_stdin_that_is_read_once_ends_with_the_one_who_typed() -> None:
    """`kubectl run -i --rm`: the program sees the end of its stdin, and ends."""
    async with ImageRuntime(images=COMMON_IMAGES) as runtime:
        runtime.open_sandbox(POD.uid)
        command = ("sh", "-c", "cat; echo over >&2")
        await runtime.start(
            ContainerSpec(id=ID, image="busybox", command=command, environment={}, stdin=True, stdin_once=True)
        )
        client = Client(b"one\n", b"two\n")
        await runtime.attach(POD, "main", client.streams())
        assert (client.out, client.err) == (b"one\ntwo\n", b"over\n")


async def test_a_shell_without_stdin_ends_at_once() -> None:
    """As a busybox does that is told nothing."""
    async with ImageRuntime(images=COMMON_IMAGES) as runtime:
        ended = asyncio.Event()
        runtime.on_exit(lambda _: ended.set())
        runtime.open_sandbox(POD.uid)
        await runtime.start(ContainerSpec(id=ID, image="busybox", environment={}))
        await ended.wait()


async def test_pages_are_served_to_forwarded_ports() -> None:
    """Each request is in the log; other paths are not found, other ports refuse."""
    image = Image(pages={"/": "hello"}, ports=(80,), ready_after_s=10)
    async with ImageRuntime(images={"web": image}) as runtime:
        runtime.open_sandbox(POD.uid)
        await runtime.start(ContainerSpec(id=ID, image="web", environment={}))
        with pytest.raises(ConnectionRefusedError):
            await runtime.port_forward(POD, 80, Client().streams())
        await asyncio.sleep(10)
        client = Client(b"GET / HT", b"TP/1.1\r\nHost: x\r\n\r\nGET /nosuch HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\n\r\n")
        await runtime.port_forward(POD, 80, client.streams())
        answers = client.out.decode()
        assert answers.startswith("HTTP/1.1 200 OK\r\n")
        assert "\r\n\r\nhelloHTTP/1.1 404 Not Found\r\n" in answers
        assert "405 Method Not Allowed" in answers
        assert '"GET / HTTP/1.1" 200 5\n' in await log_of(runtime)
        with pytest.raises(ConnectionRefusedError):
            await runtime.port_forward(POD, 81, Client().streams())


async def test_requests_are_noted_in_a_volume_where_another_container_reads_them() -> None:
    """A sidecar with `tail -f` shows them."""
    mount = (Mount(path="/var/log/nginx", volume="logs"),)
    async with ImageRuntime(images=COMMON_IMAGES) as runtime:
        runtime.open_sandbox(POD.uid)
        runtime.volumes.write(POD.uid, Volume(name="logs"))
        await runtime.start(ContainerSpec(id=ID, image="nginx", environment={}, mounts=mount))
        command = ("sh", "-c", "tail -f /var/log/nginx/access.log")
        reader = ContainerId(POD.uid, "reader")
        await runtime.start(ContainerSpec(id=reader, image="busybox", command=command, environment={}, mounts=mount))
        await runtime.port_forward(POD, 80, Client(b"GET / HTTP/1.1\r\n\r\n").streams())
        await asyncio.sleep(2)
        assert '"GET / HTTP/1.1" 200' in await log_of(runtime, "reader")
        assert await log_of(runtime) == ""


async def test_what_commands_write_is_left_as_it_is() -> None:
    """Also what a Secret has: a kubelet hides nothing."""
    secret = ContainerSpec(
        id=ID,
        image="busybox",
        command=("sleep", "3600"),
        environment={"PASSWORD": "hunter2"},
        secrets=frozenset({"hunter2"}),
    )
    async with ImageRuntime(images=COMMON_IMAGES) as runtime:
        runtime.open_sandbox(POD.uid)
        await runtime.start(secret)
        client = Client()
        script = ("sh", "-c", "env | grep PASS; echo -n hun; echo ter2; echo -n hunt >&2")
        assert await runtime.exec(POD, "main", script, client.streams()) == 0
        assert (client.out, client.err) == (b"PASSWORD=hunter2\nhunter2\n", b"hunt")
