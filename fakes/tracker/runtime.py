"""
What runs the pods of a server: it answers for their logs, commands, terminals and ports, as a kubelet does.

Whoever runs pods beside a tracker implements `PodRuntime` and names itself with `Tracker.run_pods_with`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol


class PodRef(NamedTuple):
    """A pod on a node."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """
    Which part of a log is asked for.

    Shape   `since` is the earliest time of a line. `tail_lines` counts from the end, `limit_bytes` from the start of
            what is left. None means no limit.
    """

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: datetime | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None


class TerminalSize(NamedTuple):
    """The size of a terminal in characters."""

    columns: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """
    The ends of a command's streams, or of a port's connection, which has `stdin` and `stdout` alone.

    Shape   `stdin` is None if nobody sends any; it ends where the client closes it. `sizes` are those that the client's
            terminal takes, with `tty`.
    """

    stdin: AsyncIterator[bytes] | None
    stdout: Callable[[bytes], Awaitable[None]]
    stderr: Callable[[bytes], Awaitable[None]]
    tty: bool = False
    sizes: AsyncIterator[TerminalSize] | None = None


class PodRuntime(Protocol):
    """
    Answers for the containers of pods; the container is one of the pod's spec.

    Errors  ApiError for what cannot be done: BadRequest for a container that does not run yet, or has no previous log;
            NotSupported for what this runtime cannot do at all. A cancelled call ends what it has started.
    """

    async def logs(self, pod: PodRef, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """Return the log of a container in pieces."""
        ...

    async def exec(self, pod: PodRef, container: str, command: tuple[str, ...], streams: Streams) -> int:
        """Run a command in a running container; return its exit code."""
        ...

    async def attach(self, pod: PodRef, container: str, streams: Streams) -> None:
        """Connect the streams to the program of a running container until it ends, whatever its exit code."""
        ...

    async def port_forward(self, pod: PodRef, port: int, streams: Streams) -> None:
        """Carry bytes to a port of a pod and back, until one side ends. Errors: OSError if nothing listens."""
        ...
