"""What runtimes have in common in logs, commands and ports: the lines that are asked for, the carrying of bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from ctrlkit import clock
from ctrlkit.errors import ApiError, BadRequest
from ctrlkit.fakes.cluster.node.runtime import without_secrets
from ctrlkit.fakes.tracker.refusals import internal_error
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams

_PIECE_BYTES = 32 * 1024


class LogLine(NamedTuple):
    """A line of a log, with its newline, and when it was written."""

    when: datetime
    text: bytes


class ContainerLog:
    """
    What a program in this process writes, line by line, for `kubectl logs`.

    >>> log = ContainerLog()
    >>> log.write("ready\\nlistening at 80\\n")
    >>> [line.text for line in log.lines]
    [b'ready\\n', b'listening at 80\\n']

    A program that has one as its attribute `log` is read from by logs and attach.
    """

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self._changed = asyncio.Event()
        self._is_over = False

    def write(self, text: str) -> None:
        """Add some lines; a last one without a newline gets one."""
        now = clock.now()
        self.lines += [LogLine(now, line.encode() + b"\n") for line in text.splitlines()]
        self._wake()

    def close(self) -> None:
        """Say that nothing more is written; those who follow end."""
        self._is_over = True
        self._wake()

    async def follow(self, place: int) -> AsyncIterator[LogLine]:
        """Yield the lines from a place on, until the log is closed."""
        while True:
            changed = self._changed
            while place < len(self.lines):
                yield self.lines[place]
                place += 1
            if self._is_over:
                return
            await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def selected(lines: Sequence[LogLine], options: LogOptions) -> Sequence[LogLine]:
    """
    Return the lines of a log that its options ask for, besides their number of bytes.

    >>> from datetime import UTC
    >>> lines = [LogLine(datetime(2026, 1, 1, hour, tzinfo=UTC), b"%d\\n" % hour) for hour in range(3)]
    >>> [line.text for line in selected(lines, LogOptions(since=lines[1].when))]
    [b'1\\n', b'2\\n']
    """
    if options.since is not None:
        lines = [line for line in lines if line.when >= options.since]
    if options.tail_lines is not None:
        lines = lines[max(0, len(lines) - options.tail_lines) :]
    return lines


async def pieces_of(
    lines: AsyncIterator[LogLine], options: LogOptions, secrets: frozenset[str]
) -> AsyncIterator[bytes]:
    """Yield lines as they are sent, without secrets, up to the number of bytes that is asked for."""
    left = options.limit_bytes
    async for when, text in lines:
        shown = without_secrets(text.decode(errors="replace"), secrets).encode() if secrets else text
        if options.timestamps:
            shown = f"{clock.micro_timestamp(when)} ".encode() + shown
        if left is not None:
            shown = shown[:left]
            left -= len(shown)
        yield shown
        if left == 0:
            return


def waiting(pod: PodRef, container: str) -> BadRequest:
    """The kubelet's refusal of the log of a container that has not run yet."""
    return BadRequest(f'container "{container}" in pod "{pod.name}" is waiting to start: ContainerCreating')


def no_previous(pod: PodRef, container: str) -> BadRequest:
    """The kubelet's refusal of the log of a run that there was not."""
    return BadRequest(f'previous terminated container "{container}" in pod "{pod.name}" not found')


def not_found(container: str) -> ApiError:
    """The kubelet's refusal of a command in a container that does not run."""
    return internal_error(f'error executing command in container: container not found ("{container}")')


def not_supported(what: str) -> ApiError:
    """The refusal of what a runtime cannot do."""
    return ApiError(f"{what} is not supported by this runtime", code=501, reason="")


async def carry(address: str, port: int, streams: Streams) -> None:
    """Carry bytes to a port and back, until one side ends. Errors: OSError if nothing listens."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        async with asyncio.TaskGroup() as ways:
            there = ways.create_task(_send(streams, writer), name=f"to port {port}")
            await pump(reader, streams.stdout)
            there.cancel()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _send(streams: Streams, writer: asyncio.StreamWriter) -> None:
    if streams.stdin is not None:
        async for data in streams.stdin:
            writer.write(data)
            await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def pump(
    reader: asyncio.StreamReader, write: Callable[[bytes], Awaitable[None]], secrets: frozenset[str] = frozenset()
) -> None:
    """Pass on what a stream brings, until it ends; with secrets by whole lines, in which they are hidden."""
    rest = b""
    while piece := await reader.read(_PIECE_BYTES):
        if not secrets:
            await write(piece)
            continue
        whole, newline, rest = (rest + piece).rpartition(b"\n")
        if newline:
            await write(_hidden(whole + newline, secrets))
    if rest:
        await write(_hidden(rest, secrets))


def _hidden(text: bytes, secrets: frozenset[str]) -> bytes:
    return without_secrets(text.decode(errors="replace"), secrets).encode()


def split_lines(text: bytes, when: datetime) -> Iterator[LogLine]:
    """Yield the lines of a text, all of one time."""
    for line in text.splitlines(keepends=True):
        yield LogLine(when, line)
