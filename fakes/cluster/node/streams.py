"""What runtimes have in common in logs, commands and ports: the lines that are asked for, the carrying of bytes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from ctrlkit import clock
from ctrlkit.errors import ApiError, BadRequest
from ctrlkit.fakes.cluster.node.runtime import MESSAGE_LIMIT
from ctrlkit.fakes.tracker.refusals import internal_error
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams

_PIECE_BYTES = 32 * 1024
_LOG_BYTES_MAX = 10 * 1024 * 1024
_LINE_BYTES = 45
"""What a line takes in a node's file besides its text: its time, its stream."""
_LINE_PIECE = 16 * 1024
_WORDS_LINES = 80


class LogLine(NamedTuple):
    """A line of a log, with its newline, or a piece of a very long one; when and to which stream it was written."""

    when: datetime
    text: bytes
    stream: str = "stdout"


class ContainerLog:
    """
    What a program writes, line by line, for `kubectl logs`.

    >>> log = ContainerLog()
    >>> log.write("ready\\nlistening at 80\\n")
    >>> [line.text for line in log.lines]
    [b'ready\\n', b'listening at 80\\n']

    A program of this process that has one as its attribute `log` is read from by logs and attach. When it holds more
    than 10 MiB it begins anew, as the file of a kubelet's node does.
    """

    def __init__(self) -> None:
        self.lines: list[LogLine] = []
        self._gone = 0
        self._bytes = 0
        self._changed = asyncio.Event()
        self._is_over = False

    @property
    def end(self) -> int:
        """The place behind the last line, from which `follow` tells what comes."""
        return self._gone + len(self.lines)

    def write(self, text: str) -> None:
        """Add some lines; a last one without a newline gets one."""
        now = clock.now()
        *whole, rest = text.encode().split(b"\n")
        for line in [*whole, rest] if rest else whole:
            self.add(LogLine(now, line + b"\n"))

    def add(self, line: LogLine) -> None:
        """Add a line."""
        if self._bytes > _LOG_BYTES_MAX:
            self._gone += len(self.lines)
            self.lines, self._bytes = [], 0
        self.lines.append(line)
        self._bytes += len(line.text) + _LINE_BYTES
        self._wake()

    def close(self) -> None:
        """Say that nothing more is written; those who follow end."""
        self._is_over = True
        self._wake()

    async def follow(self, place: int) -> AsyncIterator[LogLine]:
        """Yield the lines from a place on, until the log is closed."""
        while True:
            changed = self._changed
            while place < self.end:
                place = max(place, self._gone)
                yield self.lines[place - self._gone]
                place += 1
            if self._is_over:
                return
            await changed.wait()

    def last_words(self) -> str:
        """Return the end of the log, as a container's status shows it: 80 lines and 2048 bytes at most."""
        text = b"".join(line.text for line in self.lines[-_WORDS_LINES:])
        return text[-MESSAGE_LIMIT:].decode(errors="replace")

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class LineWriter:
    """
    Writes what comes in pieces to a log, line by line.

    >>> log = ContainerLog()
    >>> writer = LineWriter(log, "stderr")
    >>> writer.feed(b"one\\ntw"); writer.feed(b"o"); writer.end()
    >>> [(line.text, line.stream) for line in log.lines]
    [(b'one\\n', 'stderr'), (b'two\\n', 'stderr')]

    A line longer than 16 KiB is kept in pieces, of which the last has the newline.
    """

    def __init__(self, log: ContainerLog, stream: str) -> None:
        self._log = log
        self._stream = stream
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take what was written."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._add(line + b"\n")
        while len(self._rest) > _LINE_PIECE:
            self._add(self._rest[:_LINE_PIECE])
            self._rest = self._rest[_LINE_PIECE:]

    def end(self) -> None:
        """Write a last line that has no newline, with one."""
        if self._rest:
            self._add(self._rest + b"\n")
            self._rest = b""

    def _add(self, text: bytes) -> None:
        now = clock.now()
        for place in range(0, len(text), _LINE_PIECE):
            self._log.add(LogLine(now, text[place : place + _LINE_PIECE], self._stream))


def selected(lines: Sequence[LogLine], options: LogOptions) -> Sequence[LogLine]:
    """
    Return the lines of a log that its options ask for, besides their number of bytes.

    As a kubelet does, the last lines are counted first, and those among them that are too old left out afterwards.

    >>> from datetime import UTC
    >>> lines = [LogLine(datetime(2026, 1, 1, hour, tzinfo=UTC), b"%d\\n" % hour) for hour in range(3)]
    >>> [line.text for line in selected(lines, LogOptions(since=lines[1].when))]
    [b'1\\n', b'2\\n']
    """
    if options.tail_lines is not None:
        lines = lines[max(0, len(lines) - options.tail_lines) :]
    if options.since is not None:
        lines = [line for line in lines if line.when >= options.since]
    return lines


def read_log(log: ContainerLog, options: LogOptions) -> AsyncIterator[bytes]:
    """Return what is asked for of a log, in pieces; one that is followed ends when nothing more is written."""
    lines = selected(log.lines, options)
    more = log.follow(log.end) if options.follow else None
    return pieces_of(_joined(lines, more), options)


async def _joined(there: Sequence[LogLine], more: AsyncIterator[LogLine] | None) -> AsyncIterator[LogLine]:
    for line in there:
        yield line
    if more is not None:
        async for line in more:
            yield line


async def pieces_of(lines: AsyncIterator[LogLine], options: LogOptions) -> AsyncIterator[bytes]:
    """Yield lines as they are sent, up to the number of bytes that is asked for."""
    left, begins = options.limit_bytes, True
    async for when, text, _ in lines:
        stamp = f"{clock.micro_timestamp(when)[:-1]}000Z ".encode() if options.timestamps and begins else b""
        shown = stamp + text
        begins = text.endswith(b"\n")
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
    """The refusal of a command in a container that does not run, a kubelet's, as a server passes it on."""
    return internal_error(f'unable to upgrade connection: container not found ("{container}")')


def nothing_to_attach(pod: PodRef, container: str) -> ApiError:
    """The refusal to attach to a container that does not run."""
    whole = f"{pod.name}_{pod.namespace}"
    return internal_error(f"unable to upgrade connection: container {container} not found in pod {whole}")


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


async def pump(reader: asyncio.StreamReader, write: Callable[[bytes], Awaitable[None]]) -> None:
    """Pass on what a stream brings, until it ends."""
    async for piece in pieces(reader):
        await write(piece)


async def pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield what a stream brings, until it ends."""
    try:
        while piece := await reader.read(_PIECE_BYTES):
            yield piece
    except OSError as error:
        if error.errno != errno.EIO:  # the end of a terminal on Linux
            raise
