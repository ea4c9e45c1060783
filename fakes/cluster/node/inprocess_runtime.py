"""
Containers as objects in this process, for tests on virtual time and for simulated nodes.

Each container has a task, which runs its program; leaving the runtime cancels and awaits them all.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import TracebackType
from typing import Protocol, runtime_checkable

from ctrlkit import clock
from ctrlkit.fakes.cluster.node.addresses import Addresses
from ctrlkit.fakes.cluster.node.images import image_name, pulled
from ctrlkit.fakes.cluster.node.probe_texts import timed_out
from ctrlkit.fakes.cluster.node.runtime import (
    MESSAGE_LIMIT,
    CommandResult,
    ContainerId,
    ContainerRefused,
    ContainerSpec,
    ContainerState,
    Exited,
    ProbeAction,
    ProbeResult,
    PulledImage,
    PullFailed,
    Running,
    Volume,
    without_secrets,
)
from ctrlkit.fakes.cluster.node.sandboxes import KillTimer, find, find_running
from ctrlkit.fakes.cluster.node.streams import (
    ContainerLog,
    LogLine,
    carry,
    no_previous,
    not_supported,
    pieces_of,
    selected,
    waiting,
)
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams

_FORCED_END_S = 1.0


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
    """A program whose container runs commands, for `kubectl exec`."""

    async def exec(self, command: tuple[str, ...], streams: Streams) -> int:
        """Run a command; return its exit code."""
        ...


InProcessProgramFactory = Callable[[str, ContainerSpec], InProcessProgram]
"""Makes the program of a container from the pod's address and the container's spec."""


class AlwaysReady:
    """
    A program that runs until it is stopped, and passes every probe while `ready` is true.

        InProcessRuntime(images={"web": lambda address, spec: AlwaysReady()})

    It writes nothing by itself; what a test writes to `log` is what `kubectl logs` shows.
    """

    def __init__(self) -> None:
        self.ready: bool = True
        self.log: ContainerLog = ContainerLog()
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


@dataclass(slots=True)
class _Container:
    spec: ContainerSpec
    program: InProcessProgram
    task: asyncio.Task[int]
    state: ContainerState
    previous: ContainerLog | None = None
    """The log of the run before this one."""
    killing: KillTimer | None = None
    is_killed: bool = False

    @property
    def log(self) -> ContainerLog | None:
        """What the program writes, if it keeps that."""
        log = getattr(self.program, "log", None)
        return log if isinstance(log, ContainerLog) else None


@dataclass(slots=True)
class _Sandbox:
    address: str
    containers: dict[str, _Container] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)


class InProcessRuntime:
    """
    A Runtime of InProcessPrograms; `images` maps image names to functions that make them.

    Shape   By default pods get addresses that no network routes (RFC 2544), as text only. Programs that listen need
            `addresses=loopback_addresses(ports=...)`. `program` gives tests the program of a container.
    """

    def __init__(self, *, images: Mapping[str, InProcessProgramFactory], addresses: Addresses | None = None) -> None:
        self._images: Mapping[str, InProcessProgramFactory] = images
        self._own_images: dict[str, InProcessProgramFactory] = {}
        self._addresses = addresses or Addresses(block="198.18.0.0/16")
        self._sandboxes: dict[str, _Sandbox] = {}
        self._callbacks: list[Callable[[ContainerId], None]] = []
        self._context = copy_context()

    async def __aenter__(self) -> InProcessRuntime:
        self._context = copy_context()  # programs are no part of the reconcile that starts them
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pod_uid in tuple(self._sandboxes):
            await self.close_sandbox(pod_uid)

    def run_image(self, name: str, make: InProcessProgramFactory) -> None:
        """
        Say what containers of an image run that start from now on.

            world.runtime.run_image("report", lambda address, spec: Exits(3, after_s=60))

        Shape   `name` is the last part of the image's repository, as `report` of `example.com/report:1`; all its tags
                are meant, and `spec.image` is the whole of it. What `make` refuses with ContainerRefused cannot start.
        Errors  ValueError for a name with a registry, tag or digest, which no container would be found by.
        """
        if name != image_name(name):
            raise ValueError(f"run the image {name}: name it without registry and tag, {image_name(name)}")
        self._own_images[name] = make

    def end(self, pod_uid: str, code: int = 0, *, container: str = "") -> None:
        """
        End the programs of a pod, or the one of a container, with an exit code; those that have an `exit`.

            world.runtime.end(pod.metadata.uid, 3)

        Errors  LookupError for a pod that runs no such program.
        """
        sandbox = self._sandboxes.get(pod_uid)
        there = [one for name, one in (sandbox.containers if sandbox else {}).items() if container in ("", name)]
        running = [one.program for one in there if isinstance(one.state, Running)]
        ending = [program for program in running if isinstance(program, AlwaysReady)]
        if not ending:
            raise LookupError(f"end a program of pod {pod_uid}: none runs that can be told; settle the world first")
        for program in ending:
            program.exit(code)

    def on_exit(self, callback: Callable[[ContainerId], None]) -> None:
        """See Runtime.on_exit."""
        self._callbacks.append(callback)

    def preloaded(self, reference: str) -> PulledImage | None:
        """See Runtime.preloaded: none is."""
        return None

    async def pull(self, reference: str) -> PulledImage:
        """See Runtime.pull."""
        if self._find(reference) is None:
            raise PullFailed(f"image {reference} has no program here")
        return pulled(reference)

    def open_sandbox(self, pod_uid: str) -> str:
        """See Runtime.open_sandbox."""
        if pod_uid not in self._sandboxes:
            self._sandboxes[pod_uid] = _Sandbox(self._addresses.take())
        return self._sandboxes[pod_uid].address

    async def write_volume(self, pod_uid: str, volume: Volume) -> None:
        """See Runtime.write_volume."""
        self._sandboxes[pod_uid].volumes[volume.name] = volume

    async def start(self, spec: ContainerSpec) -> None:
        """See Runtime.start."""
        sandbox = self._sandboxes[spec.id.pod_uid]
        make = self._find(spec.image)
        if make is None:
            raise ContainerRefused("ErrImagePull", f"image {spec.image} has no program here")
        program = make(sandbox.address, spec)
        task = self._context.run(asyncio.create_task, program.run(), name=f"container {spec.id.name}")
        before = sandbox.containers.get(spec.id.name)
        previous = (before.log or ContainerLog()) if before else None
        container = _Container(spec, program, task, Running(clock.now()), previous)
        sandbox.containers[spec.id.name] = container
        self._context.run(task.add_done_callback, lambda ended: self._on_end(container, ended))

    def state(self, container: ContainerId) -> ContainerState | None:
        """See Runtime.state."""
        found = find(self._sandboxes, container)
        return found.state if found else None

    def program(self, container: ContainerId) -> InProcessProgram | None:
        """Return the program of a container that was started."""
        found = find(self._sandboxes, container)
        return found.program if found else None

    async def probe(self, container: ContainerId, action: ProbeAction, *, timeout_s: float) -> ProbeResult:
        """See Runtime.probe."""
        found = find(self._sandboxes, container)
        if found is None or not isinstance(found.state, Running):
            return ProbeResult(ok=False, output="the container does not run")
        try:
            async with asyncio.timeout(timeout_s):
                return await found.program.probe(action)
        except TimeoutError:
            return timed_out(action, self._sandboxes[container.pod_uid].address, timeout_s=timeout_s)

    async def run(self, container: ContainerId, command: Sequence[str]) -> CommandResult:
        """See Runtime.run: only programs that run commands have it."""
        found = find(self._sandboxes, container)
        if found is None or not isinstance(found.state, Running):
            raise ContainerRefused("RunContainerError", "the container does not run")
        if not isinstance(found.program, RunsCommands):
            raise ContainerRefused("RunContainerError", f"a container of the image {found.spec.image} runs no commands")
        output = bytearray()

        async def collect(data: bytes) -> None:
            output.extend(data)

        code = await found.program.exec(tuple(command), Streams(stdin=None, stdout=collect, stderr=collect))
        return CommandResult(code, without_secrets(output.decode(errors="replace"), found.spec.secrets))

    async def logs(self, pod: PodRef, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """See PodRuntime.logs: what the program wrote to a ContainerLog of its own; nothing if it has none."""
        found = find(self._sandboxes, ContainerId(pod.uid, container))
        if found is None:
            raise waiting(pod, container)
        if options.previous and found.previous is None:
            raise no_previous(pod, container)
        log = (found.previous if options.previous else found.log) or ContainerLog()
        lines = selected(log.lines, options)
        is_followed = options.follow and found.log is log and isinstance(found.state, Running)
        return pieces_of(
            _lines(lines, log.follow(len(log.lines)) if is_followed else None), options, found.spec.secrets
        )

    async def exec(self, pod: PodRef, container: str, command: tuple[str, ...], streams: Streams) -> int:
        """See PodRuntime.exec: only programs that run commands have it."""
        found = find_running(self._sandboxes, pod, container)
        if not isinstance(found.program, RunsCommands):
            raise not_supported(f"a command in a container of the image {found.spec.image}")
        return await found.program.exec(command, streams)

    async def attach(self, pod: PodRef, container: str, streams: Streams) -> int:
        """See PodRuntime.attach: shows what the program writes from now on."""
        found = find_running(self._sandboxes, pod, container)
        log = found.log or ContainerLog()
        lines = pieces_of(log.follow(len(log.lines)), LogOptions(), found.spec.secrets)
        showing = asyncio.create_task(_show(lines, streams), name=f"attached to {container}")
        try:
            await asyncio.wait([found.task])
            log.close()
            await showing
        finally:
            showing.cancel()
        return found.state.exit_code if isinstance(found.state, Exited) else 0

    async def port_forward(self, pod: PodRef, port: int, streams: Streams) -> None:
        """See PodRuntime.port_forward: only pods with loopback addresses can be reached."""
        sandbox = self._sandboxes.get(pod.uid)
        if sandbox is None or not ip_address(sandbox.address).is_loopback:
            where = sandbox.address if sandbox else pod.name
            raise ConnectionRefusedError(f"no program listens at {where}, which is an address in this process only")
        await carry(sandbox.address, port, streams)

    def stop(self, container: ContainerId, *, grace_s: float) -> None:
        """See Runtime.stop: the program is cancelled; to kill it is to cancel it again and to leave it."""
        found = find(self._sandboxes, container)
        if found is None or not isinstance(found.state, Running):
            return
        if found.killing is None:
            found.killing = KillTimer(lambda: self._kill(found))
            if grace_s > 0:
                found.task.cancel()
        found.killing.set(grace_s)

    def _kill(self, container: _Container) -> None:
        container.task.cancel()
        container.is_killed = True
        container.killing = KillTimer(lambda: self._end(container, -signal.SIGKILL, ""))
        container.killing.set(_FORCED_END_S)

    async def close_sandbox(self, pod_uid: str) -> None:
        """See Runtime.close_sandbox."""
        sandbox = self._sandboxes.get(pod_uid)
        if sandbox is None:
            return
        for container in sandbox.containers.values():
            self.stop(container.spec.id, grace_s=0.0)
            await asyncio.wait({container.task}, timeout=_FORCED_END_S)
        del self._sandboxes[pod_uid]
        self._addresses.release(sandbox.address)

    def _find(self, reference: str) -> InProcessProgramFactory | None:
        name = image_name(reference)
        return self._own_images.get(name) or self._images.get(name)

    def _on_end(self, container: _Container, task: asyncio.Task[int]) -> None:
        code = -signal.SIGKILL if task.cancelled() and container.is_killed else _return_code(task)
        self._end(container, code, _message(task, container.spec.secrets))

    def _end(self, container: _Container, code: int, message: str) -> None:
        """Say that a container has ended; what goes on although it was killed is left alone."""
        if not isinstance(container.state, Running):
            return
        container.state = Exited.of_return_code(
            code, started_at=container.state.started_at, finished_at=clock.now(), message=message
        )
        if container.killing is not None:
            container.killing.cancel()
        if container.log is not None:
            container.log.close()
        for callback in self._callbacks:
            callback(container.spec.id)


async def _lines(there: Sequence[LogLine], more: AsyncIterator[LogLine] | None) -> AsyncIterator[LogLine]:
    for line in there:
        yield line
    if more is not None:
        async for line in more:
            yield line


async def _show(lines: AsyncIterator[bytes], streams: Streams) -> None:
    async for line in lines:
        await streams.stdout(line)


def _return_code(task: asyncio.Task[int]) -> int:
    if task.cancelled():
        return -signal.SIGTERM
    return 1 if task.exception() else task.result()


def _message(task: asyncio.Task[int], secrets: frozenset[str]) -> str:
    error = None if task.cancelled() else task.exception()
    return without_secrets(repr(error), secrets)[-MESSAGE_LIMIT:] if error else ""
