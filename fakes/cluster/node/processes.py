"""
A container that is a process of this machine: what an image declares, with what its pod may pass to it.

From a pod come the declared flags, words and settings of a program (see images/programs.py), and the volumes that are
mounted at paths that the image declares. Working directories and other variables of a pod are ignored. Files, users and
the network are not isolated: this runs trusted programs side by side. `process.py` sees to it that no process outlives
this one.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ctrlkit import clock
from ctrlkit.fakes.cluster.node.images.declarations import Image
from ctrlkit.fakes.cluster.node.images.programs import Place
from ctrlkit.fakes.cluster.node.probe_network import probe_network
from ctrlkit.fakes.cluster.node.process import OwnedProcess, ProcessGuard, run_command
from ctrlkit.fakes.cluster.node.runtime import (
    MESSAGE_LIMIT,
    CommandResult,
    ContainerRefused,
    ContainerSpec,
    ContainerState,
    Exec,
    Exited,
    ProbeAction,
    ProbeResult,
    Running,
    without_secrets,
)
from ctrlkit.fakes.cluster.node.sandboxes import KillTimer
from ctrlkit.fakes.cluster.node.streams import (
    LogLine,
    no_previous,
    not_supported,
    pieces_of,
    pump,
    selected,
    split_lines,
)
from ctrlkit.fakes.cluster.node.volumes.files import ContainerFiles
from ctrlkit.fakes.tracker.refusals import internal_error
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams

_LOOK_EVERY_S = 0.1
_TAIL_BYTES = 64 * 1024
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROBE_S = 3600.0
"""The limit of a probe itself: whoever asks for it sets its own."""


@dataclass(frozen=True, slots=True)
class _Installed:
    """An image where a container's processes run: how each of them is started."""

    guard: ProcessGuard
    image: Image
    place: Place
    environment: Mapping[str, str]
    secrets: frozenset[str]

    def runnable(self, command: Sequence[str], arguments: Sequence[str] = ()) -> tuple[str, ...]:
        """Return a command line that the image declares, of a program that is there. Errors: ContainerRefused."""
        try:
            argv = self.image.command_line(command, arguments, self.place)
        except ContainerRefused as refusal:
            raise ContainerRefused(refusal.reason, without_secrets(refusal.message, self.secrets)) from None
        if shutil.which(argv[0], path=_PATH) is None:
            raise ContainerRefused("RunContainerError", f"{argv[0]} is no program to run here")
        return argv


class ProcessContainer:
    """A Container that is a process; made by `start`. `on_end` is told when it has ended."""

    def __init__(
        self, spec: ContainerSpec, installed: _Installed, log: Path, process: OwnedProcess, on_end: Callable[[], None]
    ) -> None:
        self.spec: ContainerSpec = spec
        self.state: ContainerState = Running(clock.now())
        self._installed = installed
        self._log = log
        self._process = process
        self._on_end = on_end
        self._killing: KillTimer | None = None
        self._watcher: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        spec: ContainerSpec,
        image: Image,
        *,
        guard: ProcessGuard,
        address: str,
        pod_folder: Path,
        on_end: Callable[[], None],
        context: Context,
    ) -> ProcessContainer:
        """
        Start the process of a container.

        Shape   `pod_folder` is the folder of its pod, in which it has one of its own. `context` is that of the runtime:
                a program is no part of the reconcile that starts it.
        Errors  ContainerRefused.
        """
        folder = pod_folder / plain_name(spec.id.name)
        place = Place(address, folder, image.settings_from(spec.environment))
        environment = {"PATH": _PATH, "HOME": str(folder), "TMPDIR": str(folder), **image.environment, **place.settings}
        installed = _Installed(guard, image, place, environment, spec.secrets)
        argv = installed.runnable(spec.command, spec.args)
        folder.mkdir(mode=0o700, exist_ok=True)
        _mount(image, spec.files, folder)
        image.prepare(place)
        log = pod_folder / f"{spec.id.name}.log"
        if log.exists():
            log.replace(_previous(log))
        with _begin(log) as output:
            process = await OwnedProcess.start(guard, argv, environment=environment, folder=folder, output=output)
        container = cls(spec, installed, log, process, on_end)
        container._watcher = context.run(asyncio.create_task, container._watch(), name=f"container {spec.id.name}")
        return container

    def stop(self, grace_s: float) -> None:
        """See Container.stop: SIGTERM to the program, SIGKILL to its whole group after the grace period."""
        if not isinstance(self.state, Running):
            return
        if self._killing is None:
            self._killing = KillTimer(self._process.kill)
            if grace_s > 0:
                self._process.terminate()
        self._killing.set(grace_s)

    async def ended(self) -> None:
        """Wait for its end."""
        if self._watcher is not None:
            await asyncio.wait({self._watcher})

    def kill(self) -> None:
        """Kill it with all that it has started."""
        self._process.kill()

    async def close(self) -> None:
        """See Container.close."""
        self.kill()
        await self.ended()

    async def probe(self, action: ProbeAction) -> ProbeResult:
        """See Container.probe: one of the network asks the address of its pod."""
        if not isinstance(action, Exec):
            return await probe_network(self._installed.place.address, action, timeout_s=_PROBE_S)
        try:
            result = await self.run(action.command)
        except ContainerRefused as refusal:
            return ProbeResult(ok=False, output=refusal.message)
        return ProbeResult(ok=result.exit_code == 0, output=result.output)

    async def run(self, command: Sequence[str]) -> CommandResult:
        """See Container.run: a command that the image declares."""
        argv = self._installed.runnable(command or ("",))  # an empty one is not the image's own
        code, output = await run_command(
            self._installed.guard,
            argv,
            environment=self._installed.environment,
            folder=self._installed.place.folder,
        )
        return CommandResult(128 - code if code < 0 else code, _readable(output, self.spec.secrets))

    async def logs(self, pod: PodRef, options: LogOptions) -> AsyncIterator[bytes]:
        """See Container.logs: what the process wrote, without the times of its lines."""
        if options.timestamps or options.since is not None:
            raise not_supported("a log with the times of its lines")
        path = _previous(self._log) if options.previous else self._log
        if not path.exists():
            raise no_previous(pod, self.spec.id.name)
        follows = self if options.follow and not options.previous else None
        return pieces_of(_lines(path, options, follows), options, self.spec.secrets)

    async def exec(self, command: tuple[str, ...], streams: Streams) -> int:
        """See Container.exec: a command that the image declares, without a terminal."""
        if streams.tty:
            raise not_supported("a terminal")
        try:
            argv = self._installed.runnable(command)
        except ContainerRefused as refusal:
            raise internal_error(f"error executing command in container: {refusal.message}") from None
        owned, process = await OwnedProcess.start_talking(
            self._installed.guard,
            argv,
            environment=self._installed.environment,
            folder=self._installed.place.folder,
        )
        assert process.stdin is not None  # it has pipes
        assert process.stdout is not None
        assert process.stderr is not None
        feeding = asyncio.create_task(_feed(streams.stdin, process.stdin), name=f"stdin of {command[0]}")
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(pump(process.stdout, streams.stdout, self.spec.secrets))
                pumps.create_task(pump(process.stderr, streams.stderr, self.spec.secrets))
            code = await owned.wait()
        finally:
            feeding.cancel()
            owned.kill()
            await owned.wait()
        return 128 - code if code < 0 else code

    async def attach(self, streams: Streams) -> int:
        """See Container.attach: shows what the process writes from now on; it has no stdin."""
        if streams.stdin is not None or streams.tty:
            raise not_supported("the stdin of a container")
        lines = _lines(self._log, LogOptions(tail_lines=0), self)
        async for piece in pieces_of(lines, LogOptions(), self.spec.secrets):
            await streams.stdout(piece)
        return self.state.exit_code if isinstance(self.state, Exited) else 0

    async def _watch(self) -> None:
        code = await self._process.wait()
        assert isinstance(self.state, Running)  # this task alone ends it
        self.state = Exited.of_return_code(
            code,
            started_at=self.state.started_at,
            finished_at=clock.now(),
            message=_tail(self._log, self.spec.secrets) if code else "",
        )
        if self._killing is not None:
            self._killing.cancel()
        self._on_end()


def _mount(image: Image, files: ContainerFiles, folder: Path) -> None:
    """Put links to volumes in the places that an image has for the paths where they are mounted."""
    for path, name in image.mounts.items():
        real, link = files.real(path), folder / name
        if real is not None and not link.exists():
            real.mkdir(mode=0o700, parents=True, exist_ok=True)
            link.symlink_to(real)


def plain_name(name: str) -> str:
    """
    Return a pod's uid or a container's name, if it can be one part of a path, as those that a server lets through are.

    Errors  ContainerRefused.
    """
    if not re.fullmatch(r"[0-9A-Za-z]([-0-9A-Za-z]{0,251}[0-9A-Za-z])?", name):
        raise ContainerRefused("CreateContainerError", f"no folder of a container can be called {name[:64]!r}")
    return name


async def _lines(path: Path, options: LogOptions, container: ProcessContainer | None) -> AsyncIterator[LogLine]:
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
