"""
A container that is a process of this machine: what an image declares, with what its pod may pass to it.

From a pod come the declared flags, words and settings of a program (see images/programs.py), and the volumes that are
mounted at paths that the image declares. Working directories and other variables of a pod are ignored. Files, users and
the network are not isolated: this runs trusted programs side by side. `process.py` sees to it that no process outlives
this one.
"""

from __future__ import annotations

import asyncio
import functools
import re
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path

from ctrlkit import clock
from ctrlkit.fakes.cluster.node.addresses import can_listen
from ctrlkit.fakes.cluster.node.images.declarations import Image
from ctrlkit.fakes.cluster.node.images.programs import Place
from ctrlkit.fakes.cluster.node.images.references import InvalidImageName, parse_image
from ctrlkit.fakes.cluster.node.probe_network import probe_network
from ctrlkit.fakes.cluster.node.process import ProcessGuard, run_command
from ctrlkit.fakes.cluster.node.runtime import (
    FALLBACK_TO_LOGS,
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
from ctrlkit.fakes.cluster.node.streams import ContainerLog, no_previous, read_log
from ctrlkit.fakes.cluster.node.talks import Output, Talk, attach, run_with
from ctrlkit.fakes.cluster.node.volumes.files import ContainerFiles
from ctrlkit.fakes.tracker.refusals import internal_error
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs of this machine are."""
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
        if shutil.which(argv[0], path=PATH) is None:
            raise ContainerRefused("RunContainerError", f"{argv[0]} is no program to run here")
        return argv

    async def begin(self, argv: Sequence[str], *, tty: bool) -> Talk:
        """Start a program in the container's folder."""
        return await Talk.begin(self.guard, argv, environment=self.environment, folder=self.place.folder, tty=tty)


class ProcessContainer:
    """
    A Container that is a process; made by `start`.

    Shape   `previous` is the log of the run before this one. `on_end` is told when it has ended.
    """

    def __init__(
        self,
        spec: ContainerSpec,
        installed: _Installed,
        talk: Talk,
        *,
        previous: ContainerLog | None,
        on_end: Callable[[], None],
    ) -> None:
        self.spec: ContainerSpec = spec
        self.state: ContainerState = Running(clock.now())
        self.log: ContainerLog = ContainerLog()
        self._installed = installed
        self._talk = talk
        self._output = Output(log=self.log)
        self._previous = previous
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
        previous: ContainerLog | None,
        on_end: Callable[[], None],
        context: Context,
    ) -> ProcessContainer:
        """
        Start the process of a container, at a terminal if its spec asks for one.

        Shape   `pod_folder` is the folder of its pod, in which it has one of its own. `context` is that of the runtime:
                a program is no part of the reconcile that starts it.
        Errors  ContainerRefused.
        """
        folder = pod_folder / plain_name(spec.id.name)
        place = Place(address, folder, image.settings_from(spec.environment), _tag(spec.image))
        environment = {"PATH": PATH, **place.settings, "HOME": str(folder), "TMPDIR": str(folder), **image.environment}
        installed = _Installed(guard, image, place, environment, spec.secrets)
        argv = installed.runnable(spec.command, spec.args)
        if not can_listen(address, image.ports):
            raise ContainerRefused("RunContainerError", _taken(address, image.ports))
        folder.mkdir(mode=0o700, exist_ok=True)
        _mount(image, spec.files, folder)
        image.prepare(place, functools.partial(_read, spec.files))
        talk = await installed.begin(argv, tty=spec.tty)
        if not spec.stdin:
            await talk.feed(None)
        container = cls(spec, installed, talk, previous=previous, on_end=on_end)
        container._watcher = context.run(asyncio.create_task, container._watch(), name=f"container {spec.id.name}")
        return container

    def stop(self, grace_s: float) -> None:
        """See Container.stop: SIGTERM to the program, SIGKILL to its whole group after the grace period."""
        if not isinstance(self.state, Running):
            return
        if self._killing is None:
            self._killing = KillTimer(self.kill)
            if grace_s > 0:
                self._talk.process.terminate()
        self._killing.set(grace_s)

    async def ended(self) -> None:
        """Wait for its end."""
        if self._watcher is not None:
            await asyncio.wait({self._watcher})

    def kill(self) -> None:
        """Kill it with all that it has started."""
        self._talk.process.kill()

    async def close(self) -> None:
        """See Container.close."""
        self.kill()
        await self.ended()

    async def probe(self, action: ProbeAction) -> ProbeResult:
        """See Container.probe: one of the network asks the address of its pod."""
        if not isinstance(action, Exec):
            return await probe_network(self._installed.place.address, action, timeout_s=_PROBE_S)
        result = await self.run(action.command)
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
        return CommandResult(128 - code if code < 0 else code, _readable(output))

    async def logs(self, pod: PodRef, options: LogOptions) -> AsyncIterator[bytes]:
        """See Container.logs: what the process wrote."""
        if options.previous and self._previous is None:
            raise no_previous(pod, self.spec.id.name)
        log = self._previous if options.previous and self._previous is not None else self.log
        return read_log(log, options)

    async def exec(self, command: tuple[str, ...], streams: Streams) -> int:
        """See Container.exec: a command that the image declares, at a terminal if the client has one."""
        try:
            argv = self._installed.runnable(command)
        except ContainerRefused as refusal:
            raise internal_error(f"error executing command in container: {refusal.message}") from None
        talk = await self._installed.begin(argv, tty=streams.tty)
        return await run_with(talk, streams)

    async def attach(self, streams: Streams) -> None:
        """See Container.attach: shows what the process writes from now on, and hands on what is typed if it reads."""
        await attach(self._output, self._talk, streams, stdin=self.spec.stdin, stdin_once=self.spec.stdin_once)

    @property
    def _tells_from_log(self) -> bool:
        return self.spec.termination_message_policy == FALLBACK_TO_LOGS

    async def _watch(self) -> None:
        code = await self._output.drain(self._talk)
        assert isinstance(self.state, Running)  # this task alone ends it
        self.state = Exited.of_return_code(
            code,
            started_at=self.state.started_at,
            finished_at=clock.now(),
            message=self.log.last_words() if code and self._tells_from_log else "",
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


def _read(files: ContainerFiles, path: str) -> bytes | None:
    """Return a file of a container; None if it is not there."""
    try:
        return files.read(path)
    except OSError:
        return None


def _tag(image: str) -> str:
    """Return the tag of an image; '' where it has none."""
    try:
        return parse_image(image).tag
    except InvalidImageName:
        return ""


def _taken(address: str, ports: Sequence[int]) -> str:
    """Say that programs cannot listen where others do."""
    return (
        f"listen at ports {' and '.join(map(str, ports))} of {address}: another program does, or the machine lacks "
        "this address; pods that listen at the same ports need addresses of their own: where only 127.0.0.1 is set up "
        "(macOS), add some with `sudo ifconfig lo0 alias 127.0.0.2 up`"
    )


def plain_name(name: str) -> str:
    """
    Return a pod's uid or a container's name, if it can be one part of a path, as those that a server lets through are.

    Errors  ContainerRefused.
    """
    if not re.fullmatch(r"[0-9A-Za-z]([-0-9A-Za-z]{0,251}[0-9A-Za-z])?", name):
        raise ContainerRefused("CreateContainerError", f"no folder of a container can be called {name[:64]!r}")
    return name


def _readable(output: bytes) -> str:
    return output.decode(errors="replace").strip()[-MESSAGE_LIMIT:]
