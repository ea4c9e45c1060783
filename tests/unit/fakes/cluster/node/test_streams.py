"""Logs and commands of containers, as processes and in this process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit import clock
from ctrlkit.errors import ApiError, BadRequest, InternalError
from ctrlkit.fakes.cluster.node.image_runtime import InProcessRuntime, ProcessRuntime
from ctrlkit.fakes.cluster.node.programs import AlwaysReady
from ctrlkit.fakes.cluster.node.runtime import ContainerId, ContainerSpec
from ctrlkit.fakes.cluster.node.streams import ContainerLog
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams
from tests.support.any_command import ANY_COMMAND
from tests.support.processes import HAS_PIDFD

POD = PodRef("default", "p", "uid-1")
ID = ContainerId("uid-1", "main")
needs_pidfd = pytest.mark.skipif(not HAS_PIDFD, reason="needs pidfd_open (Linux)")


class Written:
    """What a command writes."""

    def __init__(self) -> None:
        self.out, self.err = b"", b""

    async def stdout(self, data: bytes) -> None:
        self.out += data

    async def stderr(self, data: bytes) -> None:
        self.err += data

    def streams(self, *given: bytes) -> Streams:
        return Streams(stdin=_sent(given), stdout=self.stdout, stderr=self.stderr)


async def _sent(pieces: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def whole(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


def spec(*command: str, secrets: frozenset[str] = frozenset()) -> ContainerSpec:
    return ContainerSpec(id=ID, image="program", command=command, environment={}, secrets=secrets)


async def test_the_log_of_a_program_in_this_process_is_what_it_writes() -> None:
    """With the lines that are asked for, those that follow until it ends, and those of the run before."""
    program = AlwaysReady()
    async with InProcessRuntime(images={"program": lambda address, spec: program}) as runtime:
        with pytest.raises(BadRequest, match='container "main" in pod "p" is waiting to start'):
            await runtime.logs(POD, "main", LogOptions())
        runtime.open_sandbox("uid-1")
        await runtime.start(spec(secrets=frozenset({"hunter2"})))
        program.log.write("one\ntwo\nbob:hunter2")
        assert await whole(await runtime.logs(POD, "main", LogOptions(tail_lines=2))) == b"two\nbob:hunter2\n"
        assert await whole(await runtime.logs(POD, "main", LogOptions(limit_bytes=5))) == b"one\nt"
        assert (
            (await whole(await runtime.logs(POD, "main", LogOptions(timestamps=True))))
            .splitlines()[0]
            .endswith(b"Z one")
        )
        with pytest.raises(BadRequest, match='previous terminated container "main" in pod "p" not found'):
            await runtime.logs(POD, "main", LogOptions(previous=True))
        followed = asyncio.create_task(whole(await runtime.logs(POD, "main", LogOptions(follow=True, tail_lines=0))))
        await asyncio.sleep(0)
        program.log.write("three")
        with pytest.raises(ApiError, match="is not supported by this runtime"):
            await runtime.exec(POD, "main", ("ls",), Written().streams())
        runtime.stop(ID, grace_s=0)
        assert await followed == b"three\n"
        refused = "Internal error occurred: unable to upgrade connection: container "
        with pytest.raises(InternalError) as command:
            await runtime.exec(POD, "main", ("ls",), Written().streams())
        assert command.value.message == f'{refused}not found ("main")'
        with pytest.raises(InternalError) as attached:
            await runtime.attach(POD, "main", Written().streams())
        assert attached.value.message == f"{refused}main not found in pod {POD.name}_{POD.namespace}"


@given(st.text(alphabet="a*\r\n\f\u2028é", max_size=12))
@settings(max_examples=12)
def test_for_any_text_a_log_keeps_every_letter(text: str) -> None:
    """Only a newline ends a line, and a last line gets one."""
    log = ContainerLog()
    log.write(text)
    assert b"".join(line.text for line in log.lines).decode() == text + "\n" * bool(text and text[-1] != "\n")


@needs_pidfd
@pytest.mark.real_time
async def test_the_log_of_a_process_is_what_it_wrote() -> None:
    """Also of the run before, and with the time of each line."""
    async with ProcessRuntime(images={"program": ANY_COMMAND}) as runtime:
        runtime.open_sandbox("uid-1")
        for word in ("first", "second"):
            await runtime.start(spec("/bin/sh", "-c", f"echo {word} hunter2", secrets=frozenset({"hunter2"})))
            assert await whole(await runtime.logs(POD, "main", LogOptions(follow=True))) == f"{word} hunter2\n".encode()
        assert await whole(await runtime.logs(POD, "main", LogOptions(previous=True))) == b"first hunter2\n"
        timed = (await whole(await runtime.logs(POD, "main", LogOptions(timestamps=True)))).decode()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z second hunter2\n", timed)
        later = LogOptions(since=clock.now() + timedelta(hours=1))
        assert await whole(await runtime.logs(POD, "main", later)) == b""


@needs_pidfd
@pytest.mark.real_time
async def test_a_command_runs_beside_a_process() -> None:
    """With its stdin to the end, outputs apart, and its exit code."""
    async with ProcessRuntime(images={"program": ANY_COMMAND}) as runtime:
        runtime.open_sandbox("uid-1")
        await runtime.start(spec("/bin/sh", "-c", "sleep 600"))
        written = Written()
        script = ("/bin/sh", "-c", "cat; echo err >&2; exit 3")
        assert await runtime.exec(POD, "main", script, written.streams(b"one ", b"two")) == 3
        assert (written.out, written.err) == (b"one two", b"err\n")
