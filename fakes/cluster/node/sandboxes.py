"""The pods of a runtime, by uid, how their containers are found in them, and when those are killed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ctrlkit.fakes.cluster.node.runtime import (
    CommandResult,
    ContainerId,
    ContainerSpec,
    ContainerState,
    ProbeAction,
    ProbeResult,
    Running,
)
from ctrlkit.fakes.cluster.node.streams import ContainerLog
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams


class Container(Protocol):
    """A container that was started: a process of this machine, or a program in this process."""

    @property
    def spec(self) -> ContainerSpec:
        """What it was started with."""
        ...

    @property
    def state(self) -> ContainerState:
        """Whether it runs, or how it ended."""
        ...

    @property
    def log(self) -> ContainerLog:
        """What it has written."""
        ...

    def stop(self, grace_s: float) -> None:
        """See Runtime.stop."""
        ...

    async def close(self) -> None:
        """Kill it, and wait for its end."""
        ...

    async def probe(self, action: ProbeAction) -> ProbeResult:
        """Run a probe, until it ends or the call is cancelled; it runs."""
        ...

    async def run(self, command: Sequence[str]) -> CommandResult:
        """See Runtime.run; it runs."""
        ...

    async def logs(self, pod: PodRef, options: LogOptions) -> AsyncIterator[bytes]:
        """See PodRuntime.logs."""
        ...

    async def exec(self, command: tuple[str, ...], streams: Streams) -> int:
        """See PodRuntime.exec; it runs."""
        ...

    async def attach(self, streams: Streams) -> None:
        """See PodRuntime.attach; it runs."""
        ...


@dataclass(slots=True)
class Sandbox:
    """What a runtime has of one pod; `starts` counts those of each container."""

    address: str
    containers: dict[str, Container] = field(default_factory=dict)
    starts: Counter[str] = field(default_factory=Counter)


def find(sandboxes: Mapping[str, Sandbox], container: ContainerId) -> Container | None:
    """Return a container that was started, None if there is none."""
    sandbox = sandboxes.get(container.pod_uid)
    return sandbox.containers.get(container.name) if sandbox else None


def find_running(sandboxes: Mapping[str, Sandbox], container: ContainerId) -> Container | None:
    """Return a container that runs, None if it does not."""
    found = find(sandboxes, container)
    return found if found is not None and isinstance(found.state, Running) else None


class KillTimer:
    """Calls `kill` when the grace period of a container that is to end is over; a shorter one brings that forward."""

    def __init__(self, kill: Callable[[], None]) -> None:
        self._kill = kill
        self._timer: asyncio.TimerHandle | None = None

    def set(self, grace_s: float) -> None:
        """Kill after `grace_s` seconds, unless that is later than what was said before."""
        loop = asyncio.get_running_loop()
        when = loop.time() + grace_s
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = loop.call_at(when, self._kill)

    def cancel(self) -> None:
        """Kill nothing: the container has ended."""
        if self._timer is not None:
            self._timer.cancel()
