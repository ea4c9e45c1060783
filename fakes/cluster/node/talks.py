"""Programs of this machine that are talked to: by pipes or a terminal, for a container and for `kubectl exec`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ctrlkit.fakes.cluster.node.process import OwnedProcess, ProcessGuard
from ctrlkit.fakes.cluster.node.streams import ContainerLog, LineWriter, pieces, pump
from ctrlkit.fakes.cluster.node.terminals import Terminal, reader_of, writer_of
from ctrlkit.fakes.tracker.runtime import Streams, TerminalSize

_DRAIN_S = 1.0
"""How long what a program wrote is waited for after its end, where others still have its streams open."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A running program: `outputs` are what it writes, by stream, `stdin` is for what it reads."""

    process: OwnedProcess
    stdin: asyncio.StreamWriter
    outputs: Mapping[str, asyncio.StreamReader]
    terminal: Terminal | None = None

    @classmethod
    async def begin(
        cls, guard: ProcessGuard, argv: Sequence[str], *, environment: Mapping[str, str], folder: Path, tty: bool
    ) -> Talk:
        """Start a program, with a terminal or with pipes."""
        if not tty:
            return await cls._with_pipes(guard, argv, environment=environment, folder=folder)
        terminal = await Terminal.open()
        settings = {"TERM": "xterm", **environment}
        try:
            owned = await OwnedProcess.start_on_terminal(
                guard, argv, terminal.path, environment=settings, folder=folder
            )
        except BaseException:
            terminal.close()
            raise
        return cls(owned, terminal.writer, {"stdout": terminal.reader}, terminal)

    @classmethod
    async def _with_pipes(
        cls, guard: ProcessGuard, argv: Sequence[str], *, environment: Mapping[str, str], folder: Path
    ) -> Talk:
        """Start a program with pipes that are not asyncio's: its end is told though others have them open."""
        (stdin, our_stdin), (our_stdout, stdout), (our_stderr, stderr) = os.pipe(), os.pipe(), os.pipe()
        theirs = (stdin, stdout, stderr)
        try:
            owned = await OwnedProcess.start_talking(
                guard, argv, theirs, our_stdin, environment=environment, folder=folder
            )
        except BaseException:
            for descriptor in (our_stdin, our_stdout, our_stderr):
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        outputs = {"stdout": await reader_of(our_stdout), "stderr": await reader_of(our_stderr)}
        return cls(owned, await writer_of(our_stdin), outputs)

    async def wait(self) -> int:
        """Wait for the end of the program; its return code is negative if a signal ended it."""
        code = await self.process.wait()
        if self.terminal is not None:
            self.terminal.program_ended()
        return code

    async def feed(self, stdin: AsyncIterator[bytes] | None) -> None:
        """Pass on what comes, and its end; a program that reads no more is no failure."""
        with suppress(OSError):
            if stdin is not None:
                async for data in stdin:
                    self.stdin.write(data)
                    await self.stdin.drain()
            if self.terminal is None:  # at a terminal the end is a letter
                self.stdin.close()

    async def follow_sizes(self, sizes: AsyncIterator[TerminalSize] | None) -> None:
        """Give the terminal the sizes that come."""
        if sizes is not None and self.terminal is not None:
            async for size in sizes:
                self.terminal.resize(size)

    def close(self) -> None:
        """Kill the program if it runs, and close its streams."""
        self.process.kill()
        self.stdin.close()
        if self.terminal is not None:
            self.terminal.close()


async def run_with(talk: Talk, streams: Streams) -> int:
    """Connect a program to streams until it ends; return its exit code. It is killed if the call is cancelled."""
    writes = {"stdout": streams.stdout, "stderr": streams.stderr}
    pumps = [
        asyncio.create_task(pump(reader, writes[name]), name=f"{name} of a command")
        for name, reader in talk.outputs.items()
    ]
    feeding = asyncio.create_task(_feed(talk, streams), name="stdin of a command")
    try:
        code = await talk.wait()
        done, _ = await asyncio.wait(pumps, timeout=_DRAIN_S)
        for task in done:
            task.result()
    finally:
        for task in (feeding, *pumps):
            task.cancel()
        talk.close()
        await talk.wait()
    return 128 - code if code < 0 else code


async def _feed(talk: Talk, streams: Streams) -> None:
    async with asyncio.TaskGroup() as feeding:
        feeding.create_task(talk.feed(streams.stdin))
        feeding.create_task(talk.follow_sizes(streams.sizes))


# ---- containers ------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Output:
    """What the program of a container writes: it goes into its log, and to those who are attached."""

    log: ContainerLog
    _attached: set[asyncio.Queue[tuple[str, bytes] | None]] = field(default_factory=set)
    _is_over: bool = False
    _ends: list[Callable[[], None]] = field(default_factory=list)

    async def drain(self, talk: Talk) -> int:
        """Take all that a program writes until it ends; return its return code."""
        tasks = [
            asyncio.create_task(self._take(reader, name), name=f"{name} of a container")
            for name, reader in talk.outputs.items()
        ]
        try:
            code = await talk.wait()
            await asyncio.wait(tasks, timeout=_DRAIN_S)
        finally:
            for task in tasks:
                task.cancel()
            talk.close()
            self.close()
        return code

    def close(self) -> None:
        """Say that nothing more is written; a last line without a newline is written now."""
        for end in self._ends:
            end()
        self._ends.clear()
        self.log.close()
        self._is_over = True
        for queue in self._attached:
            queue.put_nowait(None)

    def writer(self, stream: str) -> Callable[[bytes], Awaitable[None]]:
        """Return a function for a program of this process that writes."""
        lines = LineWriter(self.log, stream)

        async def write(data: bytes) -> None:
            self._tell(lines, stream, data)

        self._ends.append(lines.end)
        return write

    async def _take(self, reader: asyncio.StreamReader, stream: str) -> None:
        writer = LineWriter(self.log, stream)
        try:
            async for piece in pieces(reader):
                self._tell(writer, stream, piece)
        finally:
            writer.end()

    def _tell(self, writer: LineWriter, stream: str, data: bytes) -> None:
        if data:
            writer.feed(data)
            for queue in self._attached:
                queue.put_nowait((stream, data))

    @asynccontextmanager
    async def attached(self) -> AsyncIterator[asyncio.Queue[tuple[str, bytes] | None]]:
        """Give what is written from now on, with its stream; None at the end of the program."""
        queue = asyncio.Queue[tuple[str, bytes] | None]()
        if self._is_over:
            queue.put_nowait(None)
        self._attached.add(queue)
        try:
            yield queue
        finally:
            self._attached.discard(queue)


async def show(output: Output, streams: Streams) -> None:
    """Pass on what is written from now on, until nothing more is."""
    async with output.attached() as queue:
        while (told := await queue.get()) is not None:
            stream, data = told
            await (streams.stdout if stream == "stdout" else streams.stderr)(data)


async def attach(output: Output, talk: Talk, streams: Streams, *, stdin: bool, stdin_once: bool) -> None:
    """Connect streams to the program of a container until it ends, or until the call is cancelled."""
    feeding = [asyncio.create_task(talk.follow_sizes(streams.sizes), name="sizes of a container's terminal")]
    if stdin and streams.stdin is not None:
        typing = _type(talk, streams.stdin, stdin_once=stdin_once)
        feeding.append(asyncio.create_task(typing, name="stdin of a container"))
    try:
        await show(output, streams)
    finally:
        for task in feeding:
            task.cancel()


async def _type(talk: Talk, stdin: AsyncIterator[bytes], *, stdin_once: bool) -> None:
    try:
        with suppress(OSError):
            async for data in stdin:
                talk.stdin.write(data)
                await talk.stdin.drain()
    finally:
        if stdin_once and talk.terminal is None:
            talk.stdin.close()
