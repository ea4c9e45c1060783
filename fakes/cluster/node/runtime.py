"""
The interface between the kubelet and a container runtime: processes of this machine, or objects in this process.

A pod first gets a sandbox, that is, an address and a folder; then its containers are started in it, probed and stopped.
The state of a container that ended is kept until it is started again or the sandbox is closed.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ctrlkit.errors import CtrlkitError
from ctrlkit.fakes.cluster.node.volumes.files import ContainerFiles, own_files

if TYPE_CHECKING:
    from ctrlkit.fakes.cluster.node.volumes.store import VolumeStore

MESSAGE_LIMIT = 2048
"""Most characters of a container's output in a status."""

FALLBACK_TO_LOGS = "FallbackToLogsOnError"
"""The policy with which the end of a log stands in for a termination message that a failed container did not leave."""

TERMINATION_LOG = "/dev/termination-log"
"""Where a container leaves its last words unless its spec names another file."""


class ContainerId(NamedTuple):
    """One container of one pod, which is given by uid."""

    pod_uid: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A volume of the pod at an absolute path in a container; `sub_path` selects a folder or file of the volume."""

    path: str
    volume: str
    sub_path: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFile:
    """A file that is written into a volume."""

    content: bytes = field(repr=False)
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """
    A volume of a pod and the files that it is to hold.

    Shape   `name` is the pod's name for it. Its folder belongs to the pod and goes with it, unless `kept_as` names a
            folder that outlives pods, or `host_path` names a node and a path on it, `n1/var/log`, which is to be of
            the type `host_type`, such as Directory, or "" for any. Paths in `files` are relative to the folder.
    Units   `size_limit` is in bytes, 0 for none. A volume `in_memory` takes no more, any other one says that it has.
    """

    name: str
    files: Mapping[str, VolumeFile] = field(default_factory=dict)
    kept_as: str = ""
    host_path: str = ""
    host_type: str = ""
    size_limit: int = 0
    in_memory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """
    The container to run.

    Shape   `command` and `args` are as in a pod's spec. `secrets` are values of the environment that no refusal of the
            runtime quotes; what the container writes is left as it is. `mounts` are of volumes that were written. The
            termination message is read from a file at `termination_message_path`; with the policy FallbackToLogsOnError
            the end of the log stands in for an empty one. `files` is what a program in this process sees of files; the
            runtime gives it.
    """

    id: ContainerId
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    environment: Mapping[str, str]
    secrets: frozenset[str] = frozenset()
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    termination_message_path: str = TERMINATION_LOG
    termination_message_policy: str = "File"
    probes: tuple[ProbeAction, ...] = ()
    hooks: tuple[tuple[str, ...], ...] = ()
    files: ContainerFiles = field(default_factory=own_files, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"ContainerSpec({self.id.name} of pod {self.id.pod_uid}, image {self.image})"


@dataclass(frozen=True, slots=True)
class Running:
    """The container has been running since `started_at`."""

    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """
    The container has ended.

    Shape   `exit_code` is 128 + `signal` if a signal ended it; otherwise `signal` is 0. `message` is its termination
            message, or the end of its output. `reason` is empty where the exit code says everything.
    """

    exit_code: int
    signal: int = 0
    started_at: datetime
    finished_at: datetime
    message: str = ""
    reason: str = ""

    @classmethod
    def of_return_code(
        cls, code: int, *, started_at: datetime, finished_at: datetime, message: str = "", reason: str = ""
    ) -> Exited:
        """
        Convert the return code of a process, which is negative if a signal ended it.

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
            reason=reason,
        )

    @property
    def cause(self) -> str:
        """Describe the end: `exit code 1`, or the signal."""
        if not self.signal:
            return f"exit code {self.exit_code}"
        try:
            return signal.Signals(self.signal).name
        except ValueError:
            return f"signal {self.signal}"


ContainerState = Running | Exited


@dataclass(frozen=True, slots=True)
class Exec:
    """A probe that runs a command in the container; it passes with exit code 0."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """A probe that connects to a port of a host, by default the pod."""

    port: int
    host: str = ""


@dataclass(frozen=True, slots=True)
class HttpGet:
    """A probe that sends a GET to a port of a host, by default the pod; it passes with status 200 to 399."""

    port: int
    path: str = "/"
    scheme: str = "http"
    host: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Grpc:
    """A probe that asks grpc.health.v1.Health for a service, at a port of the pod."""

    port: int
    service: str = ""


ProbeAction = Exec | TcpSocket | HttpGet | Grpc


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """
    Whether a probe passed, and its output.

    Shape   `warns` is whether it passed with a warning, which is its output. `status` is that of the HTTP answer, 0 for
            none.
    """

    ok: bool
    output: str = ""
    warns: bool = False
    status: int = 0


class ProbeErrored(CtrlkitError):
    """A probe that shows nothing of its container; it is tried again, and then ignored until the next one."""

    def __init__(self, message: str, *, state: str = "unknown") -> None:
        super().__init__(message)
        self.state: str = state


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command in a container ended, and what it wrote to stdout and stderr."""

    exit_code: int
    output: str = ""


@dataclass(frozen=True, slots=True)
class PulledImage:
    """
    An image that is on a node: its ID, as in `status.containerStatuses`, and its size.

    `note` is what an Event is to say of it; '' for an image that is declared.
    """

    id: str
    size_bytes: int
    note: str = ""


class PullFailed(CtrlkitError):
    """An image cannot be pulled; the text is that of the container runtime."""


START_ERROR = "RunContainerError"
"""The reason of a container that was made, and whose program could not be started."""


class ContainerRefused(CtrlkitError):
    """
    A container cannot be started; `reason` is the kubelet's, such as ErrImagePull.

    >>> str(ContainerRefused("ErrImagePull", "no image nginx here"))
    'ErrImagePull: no image nginx here'
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason: str = reason
        self.message: str = message


class Runtime(Protocol):
    """
    Runs containers. Whoever enters it as an async context manager owns them; leaving ends and removes them all.

    For an unknown container or sandbox `state` returns None, `stop` and `close_sandbox` do nothing, and `probe` returns
    a failure.
    """

    def on_exit(self, callback: Callable[[ContainerId], None]) -> None:
        """Call `callback` whenever a container has ended, even if it was stopped."""
        ...

    def preloaded(self, reference: str) -> PulledImage | None:
        """Return an image that each node has from the start; None if it has to be pulled."""
        ...

    async def pull(self, reference: str) -> PulledImage:
        """Pull an image, which may take its time. Errors: PullFailed."""
        ...

    def open_sandbox(self, pod_uid: str) -> str:
        """Return the address of a pod, which stays the same until the sandbox is closed. Errors: NoAddress."""
        ...

    @property
    def volumes(self) -> VolumeStore:
        """The volumes of all pods; those of a pod alone go when its sandbox is closed."""
        ...

    async def start(self, spec: ContainerSpec) -> None:
        """Start a container that is not running. Errors: ContainerRefused."""
        ...

    def state(self, container: ContainerId) -> ContainerState | None:
        """Return the state of a container; None if it was never started in this sandbox."""
        ...

    async def probe(self, container: ContainerId, action: ProbeAction, *, timeout_s: float) -> ProbeResult:
        """Run a probe; it fails after `timeout_s`. Errors: ProbeErrored, or ContainerRefused if it cannot be run."""
        ...

    def answer(self, container: ContainerId, action: ProbeAction) -> ProbeResult | None:
        """Answer a probe of a container for which nothing has to run; None where `probe` has to be asked."""
        return None

    async def run(self, container: ContainerId, command: Sequence[str]) -> CommandResult:
        """Run a command in a container that runs, until it ends or the call is cancelled. Errors: ContainerRefused."""
        ...

    def stop(self, container: ContainerId, *, grace_s: float) -> None:
        """
        Begin to stop a container: ask it to end, and kill it after `grace_s` seconds.

        Returns at once; `on_exit` tells the end. A further call may bring the kill forward, never put it off.
        """
        ...

    async def close_sandbox(self, pod_uid: str) -> None:
        """Kill all containers of a pod, remove its data and release its address."""
        ...


def without_secrets(text: str, secrets: frozenset[str]) -> str:
    """
    Replace every secret by stars, the longest first.

    >>> without_secrets("login bob:hunter2", frozenset({"hunter2"}))
    'login bob:***'
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
