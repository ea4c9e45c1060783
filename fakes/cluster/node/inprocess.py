"""A container that is a program in this process: a task, which ends with the runtime."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextvars import Context

from ctrlkit import clock
from ctrlkit.fakes.cluster.node.programs import InProcessProgram, RunsCommands
from ctrlkit.fakes.cluster.node.runtime import (
    FALLBACK_TO_LOGS,
    MESSAGE_LIMIT,
    CommandResult,
    ContainerSpec,
    ContainerState,
    Exited,
    ProbeAction,
    ProbeResult,
    Running,
)
from ctrlkit.fakes.cluster.node.sandboxes import KillTimer
from ctrlkit.fakes.cluster.node.scripted import ScriptedProgram
from ctrlkit.fakes.cluster.node.streams import ContainerLog, no_previous, not_supported, pieces_of, read_log
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams

_FORCED_END_S = 1.0


class InProcessContainer:
    """
    A Container whose program is in this process.

    Shape   `previous` is the log of the run before this one. `on_end` is told when it has ended. `context` is that of
            the runtime: a program is no part of the reconcile that starts it.
    """

    def __init__(
        self,
        spec: ContainerSpec,
        program: InProcessProgram,
        *,
        previous: ContainerLog | None,
        on_end: Callable[[], None],
        context: Context,
    ) -> None:
        self.spec: ContainerSpec = spec
        self.program: InProcessProgram = program
        self.state: ContainerState = Running(clock.now())
        self._previous = previous
        self._on_end = on_end
        self._context = context
        self._killing: KillTimer | None = None
        self._is_killed = False
        self._task: asyncio.Task[int] = context.run(
            asyncio.create_task, program.run(), name=f"container {spec.id.name}"
        )
        context.run(self._task.add_done_callback, self._finish)

    @property
    def log(self) -> ContainerLog:
        """What the program writes; empty if it keeps nothing."""
        log = getattr(self.program, "log", None)
        return log if isinstance(log, ContainerLog) else ContainerLog()

    def stop(self, grace_s: float) -> None:
        """See Container.stop: the program is cancelled; to kill it is to cancel it again and to leave it."""
        if not isinstance(self.state, Running):
            return
        if self._killing is None:
            self._killing = KillTimer(self._kill)
            if grace_s > 0:
                asyncio.get_running_loop().call_soon(self._task.cancel)  # after it has begun, if that was just now
        self._killing.set(grace_s)

    def _kill(self) -> None:
        self._task.cancel()
        self._is_killed = True
        self._killing = KillTimer(lambda: self._end(-signal.SIGKILL))
        self._killing.set(_FORCED_END_S)

    async def close(self) -> None:
        """See Container.close."""
        self.stop(0.0)
        for _ in range(2):  # a program may take the first request to end for one that it may ignore
            await asyncio.wait({self._task}, timeout=_FORCED_END_S)
            if self._task.done():
                return
            self._task.cancel()

    async def probe(self, action: ProbeAction) -> ProbeResult:
        """See Container.probe."""
        return await self.program.probe(action)

    def answer(self, action: ProbeAction) -> ProbeResult | None:
        """See Runtime.answer: an image may declare what the answer is."""
        return self.program.answer(action) if isinstance(self.program, ScriptedProgram) else None

    async def run(self, command: Sequence[str]) -> CommandResult:
        """See Container.run; a program that runs no commands lets each pass."""
        if isinstance(self.program, ScriptedProgram):
            return await self.program.run_command(command)
        if not isinstance(self.program, RunsCommands):
            return CommandResult(0)
        output = bytearray()

        async def collect(data: bytes) -> None:
            output.extend(data)

        code = await self.program.exec(tuple(command), Streams(stdin=None, stdout=collect, stderr=collect))
        return CommandResult(code, output.decode(errors="replace"))

    async def logs(self, pod: PodRef, options: LogOptions) -> AsyncIterator[bytes]:
        """See Container.logs: what the program wrote to a ContainerLog of its own; nothing if it has none."""
        if options.previous and self._previous is None:
            raise no_previous(pod, self.spec.id.name)
        log = self._previous if options.previous and self._previous is not None else self.log
        return read_log(log, options)

    async def exec(self, command: tuple[str, ...], streams: Streams) -> int:
        """See Container.exec: only programs that run commands have it."""
        if not isinstance(self.program, RunsCommands):
            raise not_supported(f"a command in a container of the image {self.spec.image}")
        return await self.program.exec(command, streams)

    async def attach(self, streams: Streams) -> None:
        """See Container.attach: shows what the program writes from now on."""
        if isinstance(self.program, ScriptedProgram) and self.program.has_script:
            await self.program.attach(streams)
            await asyncio.wait([self._task])
            return
        log = self.log
        lines = pieces_of(log.follow(log.end), LogOptions())
        showing = asyncio.create_task(_show(lines, streams), name=f"attached to {self.spec.id.name}")
        try:
            await asyncio.wait([self._task])
            log.close()
            await showing
        finally:
            showing.cancel()

    def _finish(self, task: asyncio.Task[int]) -> None:
        self._end(-signal.SIGKILL if task.cancelled() and self._is_killed else _return_code(task), _message(task))

    def _end(self, code: int, message: str = "") -> None:
        """Say that it has ended; what goes on although it was killed is left alone."""
        if not isinstance(self.state, Running):
            return
        said = self.program.ended if isinstance(self.program, ScriptedProgram) and not self._is_killed else None
        message, reason = (said.message, said.reason) if said is not None else (message, "")
        message = self.spec.files.last_words() or message
        if not message and code and self.spec.termination_message_policy == FALLBACK_TO_LOGS:
            message = self.log.last_words()
        self.state = Exited.of_return_code(
            code,
            started_at=self.state.started_at,
            finished_at=clock.now(),
            message=message[-MESSAGE_LIMIT:],
            reason=reason,
        )
        if self._killing is not None:
            self._killing.cancel()
        self.log.close()
        self._on_end()


async def _show(lines: AsyncIterator[bytes], streams: Streams) -> None:
    async for line in lines:
        await streams.stdout(line)


def _return_code(task: asyncio.Task[int]) -> int:
    if task.cancelled():
        return -signal.SIGTERM
    return 1 if task.exception() else task.result()


def _message(task: asyncio.Task[int]) -> str:
    error = None if task.cancelled() else task.exception()
    return repr(error) if error else ""
