"""
Containers as processes of this machine.

It owns a temporary folder with a folder for each pod and container, the processes, and a task for each process. Leaving
the runtime ends and removes everything; so does the end of this process, even by SIGKILL (see process.py).

It runs only what images declare (images.py): from a pod come the declared flags, words and settings of a program.
Volumes, working directories and other variables of a pod are ignored. Files, users and the network are not isolated:
this runs trusted programs side by side.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from ctrlkit import clock
from ctrlkit.fakes.cluster.node.addresses import Addresses, loopback_addresses
from ctrlkit.fakes.cluster.node.images import Image, Place, find_image, pulled
from ctrlkit.fakes.cluster.node.probe_network import probe_network
from ctrlkit.fakes.cluster.node.probe_texts import timed_out
from ctrlkit.fakes.cluster.node.process import OwnedProcess, ProcessGuard, run_command
from ctrlkit.fakes.cluster.node.runtime import (
    MESSAGE_LIMIT,
    CommandResult,
    ContainerId,
    ContainerRefused,
    ContainerSpec,
    ContainerState,
    Exec,
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
    LogLine,
    carry,
    no_previous,
    not_supported,
    pieces_of,
    pump,
    selected,
    split_lines,
    waiting,
)
from ctrlkit.fakes.tracker.refusals import internal_error
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams

_LAST_GRACE_S = 5.0
_LOOK_EVERY_S = 0.1
_TAIL_BYTES = 64 * 1024
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class _Container:
    spec: ContainerSpec
    image: Image
    place: Place
    environment: Mapping[str, str]
    log: Path
    process: OwnedProcess
    state: ContainerState
    watcher: asyncio.Task[None] | None = None
    killing: KillTimer | None = None

    def stop(self, grace_s: float) -> None:
        """Begin to end it, or end it sooner than it was to."""
        if not isinstance(self.state, Running):
            return
        if self.killing is None:
            self.killing = KillTimer(self.process.kill)
            if grace_s > 0:
                self.process.terminate()
        self.killing.set(grace_s)

    async def ended(self) -> None:
        """Wait for its end."""
        if self.watcher is not None:
            await asyncio.wait({self.watcher})


@dataclass(slots=True)
class _Sandbox:
    address: str
    folder: Path
    containers: dict[str, _Container] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)


class ProcessRuntime:
    """
    A Runtime of processes; `images` maps image names to their declarations.

        async with ProcessRuntime(images={"bitcoind": await real_bitcoind(path)}) as runtime:
            ...

    Errors  Those of Runtime; OSError if the temporary folder cannot be written.
    """

    def __init__(self, *, images: Mapping[str, Image]) -> None:
        self._images = images
        self._addresses: Addresses = loopback_addresses(
            ports={port for image in images.values() for port in image.ports}
        )
        self._sandboxes: dict[str, _Sandbox] = {}
        self._callbacks: list[Callable[[ContainerId], None]] = []
        self._guard: ProcessGuard | None = None
        self._context = copy_context()

    async def __aenter__(self) -> ProcessRuntime:
        if self._guard is not None:
            raise RuntimeError("enter the process runtime: it was entered before; make a new one")
        self._context = copy_context()  # programs are no part of the reconcile that starts them
        self._guard = ProcessGuard()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for container in self._containers():
                container.stop(_LAST_GRACE_S)
            for container in self._containers():
                await container.ended()
        finally:
            for container in self._containers():
                container.process.kill()
            try:
                await asyncio.gather(*(container.watcher for container in self._containers() if container.watcher))
            finally:
                self._running_guard.close()

    @property
    def folder(self) -> Path:
        """The folder of all data, while the runtime is entered."""
        return self._running_guard.folder

    def on_exit(self, callback: Callable[[ContainerId], None]) -> None:
        """See Runtime.on_exit."""
        self._callbacks.append(callback)

    def preloaded(self, reference: str) -> PulledImage | None:
        """See Runtime.preloaded: none is."""
        return None

    async def pull(self, reference: str) -> PulledImage:
        """See Runtime.pull."""
        try:
            find_image(self._images, reference)
        except ContainerRefused as refusal:
            raise PullFailed(refusal.message) from None
        return pulled(reference)

    def open_sandbox(self, pod_uid: str) -> str:
        """See Runtime.open_sandbox; the pod's folder is made."""
        sandbox = self._sandboxes.get(pod_uid)
        if sandbox is None:
            folder = self.folder / _plain(pod_uid)
            sandbox = _Sandbox(self._addresses.take(), folder)
            folder.mkdir(mode=0o700)
            self._sandboxes[pod_uid] = sandbox
        return sandbox.address

    async def write_volume(self, pod_uid: str, volume: Volume) -> None:
        """See Runtime.write_volume."""
        self._sandboxes[pod_uid].volumes[volume.name] = volume

    async def start(self, spec: ContainerSpec) -> None:
        """See Runtime.start."""
        sandbox = self._sandboxes[spec.id.pod_uid]
        image = find_image(self._images, spec.image)
        folder = sandbox.folder / _plain(spec.id.name)
        place = Place(sandbox.address, folder, image.settings_from(spec.environment))
        environment = {"PATH": _PATH, "HOME": str(folder), "TMPDIR": str(folder)}
        environment |= {**image.environment, **place.settings}
        argv = _runnable(image, spec.command, spec.args, place, spec.secrets)
        folder.mkdir(mode=0o700, exist_ok=True)
        image.prepare(place)
        log = sandbox.folder / f"{spec.id.name}.log"
        if log.exists():
            log.replace(_previous(log))
        with _begin(log) as output:
            process = await OwnedProcess.start(
                self._running_guard, argv, environment=environment, folder=folder, output=output
            )
        state = Running(clock.now())
        container = _Container(spec, image, place, environment, log, process, state)
        sandbox.containers[spec.id.name] = container
        watch = self._watch(container)
        container.watcher = self._context.run(asyncio.create_task, watch, name=f"container {spec.id.name}")

    def state(self, container: ContainerId) -> ContainerState | None:
        """See Runtime.state."""
        found = find(self._sandboxes, container)
        return found.state if found else None

    async def probe(self, container: ContainerId, action: ProbeAction, *, timeout_s: float) -> ProbeResult:
        """See Runtime.probe."""
        found = find(self._sandboxes, container)
        if found is None or not isinstance(found.state, Running):
            return ProbeResult(ok=False, output="the container does not run")
        if not isinstance(action, Exec):
            return await probe_network(found.place.address, action, timeout_s=timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                result = await self.run(container, action.command)
        except ContainerRefused as refusal:
            return ProbeResult(ok=False, output=refusal.message)
        except TimeoutError:
            return timed_out(action, found.place.address, timeout_s=timeout_s)
        return ProbeResult(ok=result.exit_code == 0, output=result.output)

    async def run(self, container: ContainerId, command: Sequence[str]) -> CommandResult:
        """See Runtime.run: a command that the image declares."""
        found = find(self._sandboxes, container)
        if found is None or not isinstance(found.state, Running):
            raise ContainerRefused("RunContainerError", "the container does not run")
        argv = _runnable(found.image, command or ("",), (), found.place, found.spec.secrets)  # "" is not the default
        code, output = await run_command(
            self._running_guard, argv, environment=found.environment, folder=found.place.folder
        )
        return CommandResult(128 - code if code < 0 else code, _readable(output, found.spec.secrets))

    async def logs(self, pod: PodRef, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """See PodRuntime.logs: what the process wrote, without the times of its lines."""
        found = find(self._sandboxes, ContainerId(pod.uid, container))
        if found is None:
            raise waiting(pod, container)
        if options.timestamps or options.since is not None:
            raise not_supported("a log with the times of its lines")
        path = _previous(found.log) if options.previous else found.log
        if not path.exists():
            raise no_previous(pod, container)
        follows = found if options.follow and not options.previous else None
        return pieces_of(_lines(path, options, follows), options, found.spec.secrets)

    async def exec(self, pod: PodRef, container: str, command: tuple[str, ...], streams: Streams) -> int:
        """See PodRuntime.exec: a command that the image declares, without a terminal."""
        found = find_running(self._sandboxes, pod, container)
        if streams.tty:
            raise not_supported("a terminal")
        try:
            argv = _runnable(found.image, command, (), found.place, found.spec.secrets)
        except ContainerRefused as refusal:
            raise internal_error(f"error executing command in container: {refusal.message}") from None
        owned, process = await OwnedProcess.start_talking(
            self._running_guard, argv, environment=found.environment, folder=found.place.folder
        )
        assert process.stdin is not None  # it has pipes
        assert process.stdout is not None
        assert process.stderr is not None
        feeding = asyncio.create_task(_feed(streams.stdin, process.stdin), name=f"stdin of {command[0]}")
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(pump(process.stdout, streams.stdout, found.spec.secrets))
                pumps.create_task(pump(process.stderr, streams.stderr, found.spec.secrets))
            code = await owned.wait()
        finally:
            feeding.cancel()
            owned.kill()
            await owned.wait()
        return 128 - code if code < 0 else code

    async def attach(self, pod: PodRef, container: str, streams: Streams) -> int:
        """See PodRuntime.attach: shows what the process writes from now on; it has no stdin."""
        found = find_running(self._sandboxes, pod, container)
        if streams.stdin is not None or streams.tty:
            raise not_supported("the stdin of a container")
        async for piece in pieces_of(
            _lines(found.log, LogOptions(tail_lines=0), found), LogOptions(), found.spec.secrets
        ):
            await streams.stdout(piece)
        return found.state.exit_code if isinstance(found.state, Exited) else 0

    async def port_forward(self, pod: PodRef, port: int, streams: Streams) -> None:
        """See PodRuntime.port_forward."""
        sandbox = self._sandboxes.get(pod.uid)
        if sandbox is None:
            raise ConnectionRefusedError(f"no container of pod {pod.name} runs")
        await carry(sandbox.address, port, streams)

    def stop(self, container: ContainerId, *, grace_s: float) -> None:
        """See Runtime.stop: SIGTERM to the program, SIGKILL to its whole group after the grace period."""
        found = find(self._sandboxes, container)
        if found is not None:
            found.stop(grace_s)

    async def close_sandbox(self, pod_uid: str) -> None:
        """See Runtime.close_sandbox."""
        sandbox = self._sandboxes.get(pod_uid)
        if sandbox is None:
            return
        for container in sandbox.containers.values():
            container.stop(0.0)
            await container.ended()
        del self._sandboxes[pod_uid]
        shutil.rmtree(sandbox.folder, ignore_errors=True)
        self._addresses.release(sandbox.address)

    async def _watch(self, container: _Container) -> None:
        code = await container.process.wait()
        assert isinstance(container.state, Running)  # this task alone ends it
        container.state = Exited.of_return_code(
            code,
            started_at=container.state.started_at,
            finished_at=clock.now(),
            message=_tail(container.log, container.spec.secrets) if code else "",
        )
        if container.killing is not None:
            container.killing.cancel()
        for callback in self._callbacks:
            callback(container.spec.id)

    def _containers(self) -> list[_Container]:
        return [container for sandbox in self._sandboxes.values() for container in sandbox.containers.values()]

    @property
    def _running_guard(self) -> ProcessGuard:
        if self._guard is None:
            raise RuntimeError("use a ProcessRuntime: it is not entered; write `async with ProcessRuntime(...)`")
        return self._guard


def _plain(name: str) -> str:
    """A pod's uid or a container's name, if it can be one part of a path, as those that a server lets through are."""
    if not re.fullmatch(r"[0-9A-Za-z]([-0-9A-Za-z]{0,251}[0-9A-Za-z])?", name):
        raise ContainerRefused("CreateContainerError", f"no folder of a container can be called {name[:64]!r}")
    return name


def _runnable(
    image: Image, command: Sequence[str], arguments: Sequence[str], place: Place, secrets: frozenset[str]
) -> tuple[str, ...]:
    """A command line that the image declares, of a program that is there. Errors: ContainerRefused."""
    try:
        argv = image.command_line(command, arguments, place)
    except ContainerRefused as refusal:
        raise ContainerRefused(refusal.reason, without_secrets(refusal.message, secrets)) from None
    if shutil.which(argv[0], path=_PATH) is None:
        raise ContainerRefused("RunContainerError", f"{argv[0]} is no program to run here")
    return argv


async def _lines(path: Path, options: LogOptions, container: _Container | None) -> AsyncIterator[LogLine]:
    """Yield the lines of a log file that are asked for, and, with a container, those that follow until it ends."""
    with path.open("rb") as file:
        for line in selected(tuple(split_lines(file.read(), clock.now())), options):
            yield line
        rest = b""
        while container is not None:
            is_over = isinstance(container.state, Exited)
            whole, newline, rest = (rest + file.read()).rpartition(b"\n")
            for line in split_lines(whole + newline, clock.now()):
                yield line
            if is_over:
                break
            await asyncio.sleep(_LOOK_EVERY_S)  # nothing tells of a file that grows
        if rest:
            yield LogLine(clock.now(), rest)


def _previous(log: Path) -> Path:
    """The log of the run before the last one."""
    return log.with_suffix(".previous.log")


async def _feed(stdin: AsyncIterator[bytes] | None, pipe: asyncio.StreamWriter) -> None:
    """Write what comes to a command's stdin, and end it; a command that reads no more is no failure."""
    with suppress(OSError):
        if stdin is not None:
            async for data in stdin:
                pipe.write(data)
                await pipe.drain()
        pipe.close()


def _begin(log: Path) -> IO[bytes]:
    return open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _tail(log: Path, secrets: frozenset[str]) -> str:
    """The end of a log, from the start of a line where it is long, so that no secret is cut in two."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read()
    if size > _TAIL_BYTES:
        tail = tail.partition(b"\n")[2]
    return _readable(tail, secrets)


def _readable(output: bytes, secrets: frozenset[str]) -> str:
    return without_secrets(output.decode(errors="replace").strip(), secrets)[-MESSAGE_LIMIT:]
