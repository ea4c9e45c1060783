"""
What a kubelet needs of whatever runs its containers: processes of this machine, or objects in this process.

A pod first gets a sandbox, which is its address and its place for data; then its containers start in it, are probed,
and are stopped. A container that ends stays known, with how it ended, until it is started again or the sandbox closes.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from ctrlkit.errors import CtrlkitError

MESSAGE_LIMIT = 2048
"""Characters of a container's output that a status shows."""


class ContainerId(NamedTuple):
    """One container of one pod; the pod by uid, so a namesake that comes later is another."""

    pod_uid: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """
    What to run.

    Shape   `command` and `args` replace or follow what the image runs by itself, as in a pod's spec. `secrets` are the
            values of the environment that never appear in any output of the runtime.
    """

    id: ContainerId
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    environment: Mapping[str, str]
    secrets: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"ContainerSpec({self.id.name} of pod {self.id.pod_uid}, image {self.image})"


@dataclass(frozen=True, slots=True)
class Running:
    """The container runs, since `started_at`."""

    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """
    The container has ended.

    Shape   `exit_code` is 128 + `signal` where a signal ended it, `signal` 0 where none did. `message` is the end of
            its output, without secrets.
    """

    exit_code: int
    signal: int = 0
    started_at: datetime
    finished_at: datetime
    message: str = ""

    @classmethod
    def of_return_code(cls, code: int, *, started_at: datetime, finished_at: datetime, message: str = "") -> Exited:
        """
        Read a process's return code, negative where a signal ended it.

        >>> moment = datetime(2026, 1, 1)
        >>> ended = Exited.of_return_code(-9, started_at=moment, finished_at=moment)
        >>> ended.exit_code, ended.signal, ended.cause
        (137, 9, 'SIGKILL')
        """
        number = max(-code, 0)
        return cls(
            exit_code=128 + number if number else code,
            signal=number,
            started_at=started_at,
            finished_at=finished_at,
            message=message,
        )

    @property
    def cause(self) -> str:
        """How it ended, in two words."""
        if not self.signal:
            return f"exit code {self.exit_code}"
        try:
            return signal.Signals(self.signal).name
        except ValueError:
            return f"signal {self.signal}"


ContainerState = Running | Exited


@dataclass(frozen=True, slots=True)
class Exec:
    """A probe that runs a command in the container; it holds if that exits with 0."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """A probe that connects to a port of the pod."""

    port: int


@dataclass(frozen=True, slots=True)
class HttpGet:
    """A probe that asks for a path on a port of the pod; it holds for status 200 to 399."""

    port: int
    path: str = "/"


ProbeAction = Exec | TcpSocket | HttpGet


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Whether a probe held, and what it said, without secrets."""

    ok: bool
    output: str = ""


class ContainerRefused(CtrlkitError):
    """
    A container cannot be started; `reason` is the kubelet's word for it, such as ErrImagePull.

    >>> str(ContainerRefused("ErrImagePull", "no image nginx here"))
    'ErrImagePull: no image nginx here'
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class Runtime(Protocol):
    """
    Runs containers. Whoever enters it as an async context manager owns all it starts; leaving ends and removes it all.

    Errors  A container or sandbox that is not known: `state` is None, `stop` and `close_sandbox` do nothing, `probe`
            fails with a result.
    """

    def on_exit(self, callback: Callable[[ContainerId], None]) -> None:
        """Have `callback` called whenever a container has ended, stopped ones included."""
        ...

    def open_sandbox(self, pod_uid: str) -> str:
        """The address of a pod, the same until the sandbox is closed. Errors: NoAddress."""
        ...

    async def start(self, spec: ContainerSpec) -> None:
        """Start a container, which must not run. Errors: ContainerRefused."""
        ...

    def state(self, container: ContainerId) -> ContainerState | None:
        """What a container does now; None if it was never started in this sandbox."""
        ...

    async def probe(self, container: ContainerId, action: ProbeAction, *, timeout_s: float) -> ProbeResult:
        """Run one probe; what takes longer than `timeout_s` has failed."""
        ...

    async def stop(self, container: ContainerId, *, grace_s: float) -> None:
        """Ask a container to end, force it after `grace_s` seconds, and return when it has ended."""
        ...

    async def close_sandbox(self, pod_uid: str) -> None:
        """Force all containers of a pod to end, remove its data and release its address."""
        ...


def without_secrets(text: str, secrets: frozenset[str]) -> str:
    """
    Put stars in place of every secret, the longest first.

    >>> without_secrets("login bob:hunter2", frozenset({"hunter2"}))
    'login bob:***'
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
