"""Programs that live in this process: what a container of an image does that is no process of this machine."""

from __future__ import annotations

import asyncio
from typing import Protocol, runtime_checkable

from ctrlkit.fakes.cluster.node.runtime import ProbeAction, ProbeResult
from ctrlkit.fakes.cluster.node.streams import ContainerLog
from ctrlkit.fakes.tracker.runtime import Streams


class InProcessProgram(Protocol):
    """The program of a container."""

    async def run(self) -> int:
        """Run until it ends with an exit code; cancellation is the request to end."""
        ...

    async def probe(self, action: ProbeAction) -> ProbeResult:
        """Answer a probe of the running container."""
        ...


@runtime_checkable
class RunsCommands(Protocol):
    """A program whose container runs commands, for `kubectl exec`, hooks and probes."""

    async def exec(self, command: tuple[str, ...], streams: Streams) -> int:
        """Run a command; return its exit code."""
        ...


class AlwaysReady:
    """
    A program that runs until it is stopped, and passes every probe while `ready` is true.

        world.images["web"] = lambda address, spec: AlwaysReady()

    It writes nothing by itself; what a test writes to `log` is what `kubectl logs` shows.
    """

    def __init__(self) -> None:
        self.ready: bool = True
        """Whether probes pass; may be changed at any time."""
        self.log: ContainerLog = ContainerLog()
        """What `kubectl logs` shows."""
        self._exit: asyncio.Future[int] | None = None

    async def run(self) -> int:
        """Wait for `exit()`."""
        self._exit = asyncio.get_running_loop().create_future()
        return await self._exit

    async def probe(self, action: ProbeAction) -> ProbeResult:
        """Pass the probe if `ready` is true."""
        return ProbeResult(ok=self.ready, output="" if self.ready else "not ready")

    def exit(self, code: int) -> None:
        """End the running program with an exit code."""
        if self._exit is not None and not self._exit.done():
            self._exit.set_result(code)
