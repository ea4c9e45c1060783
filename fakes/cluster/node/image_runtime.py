"""
The runtime of all nodes that are played here: what an image declares decides how its containers live.

Most live in this process (inprocess.py), on virtual time in tests; those of images that declare programs are processes
of this machine (processes.py). Nothing else ever runs on the machine: a container of an image that nothing declares is
a stand-in. Leaving the runtime ends and removes all of them; so does the end of this process, even by SIGKILL.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextvars import copy_context
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType

from ctrlkit.fakes.cluster.node.addresses import Addresses, loopback_addresses
from ctrlkit.fakes.cluster.node.images.catalog import Catalog, Images, pulled
from ctrlkit.fakes.cluster.node.images.declarations import Exits, Image, InProcessProgramFactory
from ctrlkit.fakes.cluster.node.images.references import InvalidImageName, parse_image
from ctrlkit.fakes.cluster.node.inprocess import InProcessContainer
from ctrlkit.fakes.cluster.node.probe_texts import timed_out
from ctrlkit.fakes.cluster.node.process import ProcessGuard
from ctrlkit.fakes.cluster.node.processes import PATH, ProcessContainer, plain_name
from ctrlkit.fakes.cluster.node.programs import AlwaysReady, InProcessProgram
from ctrlkit.fakes.cluster.node.runtime import (
    CommandResult,
    ContainerId,
    ContainerRefused,
    ContainerSpec,
    ContainerState,
    ProbeAction,
    ProbeResult,
    PulledImage,
    PullFailed,
    Running,
)
from ctrlkit.fakes.cluster.node.sandboxes import Container, Sandbox, find, find_running
from ctrlkit.fakes.cluster.node.scripted import ScriptedProgram, stand_in_note
from ctrlkit.fakes.cluster.node.streams import ContainerLog, carry, not_found, nothing_to_attach, waiting
from ctrlkit.fakes.cluster.node.volumes.files import ContainerFiles
from ctrlkit.fakes.cluster.node.volumes.store import VolumeStore
from ctrlkit.fakes.cluster.node.volumes.trees import FolderTree, MemoryTree
from ctrlkit.fakes.tracker.runtime import LogOptions, PodRef, Streams

_LAST_GRACE_S = 5.0
_TEXT_BLOCK = "198.18.0.0/16"
"""Addresses that no network routes (RFC 2544), for pods in which nothing listens."""


class ImageRuntime:
    """
    A Runtime of declared images and stand-ins.

        async with ImageRuntime(images={"web": Image(exits=Exits(3)), "bitcoind": real_bitcoind(path)}) as runtime:
            runtime.images["web"] = lambda address, spec: AlwaysReady()

    Shape   `images` can be changed at any time, for containers that start from then on. Pods get addresses as text
            only; as soon as an image is a process, loopback addresses, on which the ports of images are free. Own
            programs that listen need `addresses=loopback_addresses(ports=...)`. `program` gives tests the program of a
            container that lives in this process.
    Errors  Those of Runtime; OSError if the folder of processes cannot be written.
    """

    def __init__(self, *, images: Images | None = None, addresses: Addresses | None = None) -> None:
        self.images: Catalog = Catalog(images)
        """What each image is, by its name; may be changed at any time."""
        self._addresses = addresses
        self._text_addresses = Addresses(block=_TEXT_BLOCK)
        self._loopback_addresses: Addresses | None = None
        self._sandboxes: dict[str, Sandbox] = {}
        self._pulls: Counter[str] = Counter()
        self._callbacks: list[Callable[[ContainerId], None]] = []
        self._guard: ProcessGuard | None = None
        self._volumes: VolumeStore | None = None
        self._has_folders = False
        self._is_entered = False
        self._context = copy_context()

    async def __aenter__(self) -> ImageRuntime:
        if self._is_entered:
            raise RuntimeError("enter the runtime: it was entered before; make a new one")
        self._is_entered = True
        self._context = copy_context()  # programs are no part of the reconcile that starts them
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._end_processes()
            for pod_uid in tuple(self._sandboxes):
                await self.close_sandbox(pod_uid)
        finally:
            if self._guard is not None:
                self._guard.close()

    async def _end_processes(self) -> None:
        """End all processes, with a short grace."""
        processes = [one for one in self._containers() if isinstance(one, ProcessContainer)]
        try:
            for container in processes:
                container.stop(_LAST_GRACE_S)
            for container in processes:
                await container.ended()
        finally:
            for container in processes:
                container.kill()

    @property
    def folder(self) -> Path:
        """The folder of all data of processes, while the runtime is entered; it goes with this process."""
        return self._processes().folder

    def run_image(self, name: str, make: InProcessProgramFactory) -> None:
        """Do `images[name] = make`, as it was written before there were declarations."""
        self.images[name] = make

    def end(self, pod_uid: str, code: int = 0, *, container: str = "") -> None:
        """
        End the programs of a pod, or the one of a container, with an exit code; those that have an `exit`.

            world.runtime.end(pod.metadata.uid, 3)

        Errors  LookupError for a pod that runs no such program.
        """
        sandbox = self._sandboxes.get(pod_uid)
        there = [one for name, one in (sandbox.containers if sandbox else {}).items() if container in ("", name)]
        running = [
            one.program for one in there if isinstance(one, InProcessContainer) and isinstance(one.state, Running)
        ]
        ending = [program for program in running if isinstance(program, AlwaysReady)]
        if not ending:
            raise LookupError(f"end a program of pod {pod_uid}: none runs that can be told; settle the world first")
        for program in ending:
            program.exit(code)

    def program(self, container: ContainerId) -> InProcessProgram | None:
        """Return the program of a container that was started; None if it is a process."""
        found = find(self._sandboxes, container)
        return found.program if isinstance(found, InProcessContainer) else None

    def files(self, pod_uid: str, container: str = "") -> ContainerFiles:
        """
        Return what a container of a pod, by default the first that was started, sees of files.

            assert world.runtime.files(pod.metadata.uid).read("/etc/web/port") == b"80"

        Errors  LookupError for a container that was not started.
        """
        sandbox = self._sandboxes.get(pod_uid)
        there = [one for name, one in (sandbox.containers if sandbox else {}).items() if container in ("", name)]
        if not there:
            raise LookupError(f"read files of pod {pod_uid}: no such container was started; settle the world first")
        return there[0].spec.files

    # ---- the kubelet's -----------------------------------------------------------------------------------------------

    def on_exit(self, callback: Callable[[ContainerId], None]) -> None:
        """See Runtime.on_exit."""
        self._callbacks.append(callback)

    def preloaded(self, reference: str) -> PulledImage | None:
        """See Runtime.preloaded."""
        image = self.images.find(reference)
        return pulled(reference, image) if image is not None and image.pull.preloaded else None

    async def pull(self, reference: str) -> PulledImage:
        """See Runtime.pull: as the image declares; one that nothing declares is a stand-in, which is there at once."""
        image = self.images.find(reference)
        try:
            whole = str(parse_image(reference))
        except InvalidImageName as error:
            raise PullFailed(str(error)) from None
        if image is None:
            return pulled(reference, None, note=stand_in_note(reference))
        self._pulls[whole] += 1
        number = self._pulls[whole]
        if image.pull.takes_s:
            await asyncio.sleep(image.pull.takes_s)
        if image.pull.fails(number):
            raise PullFailed(image.pull.error or _not_found(whole))
        return pulled(reference, image)

    def open_sandbox(self, pod_uid: str) -> str:
        """See Runtime.open_sandbox."""
        if pod_uid not in self._sandboxes:
            plain_name(pod_uid)
            self._sandboxes[pod_uid] = Sandbox(self._choose_addresses().take())
        return self._sandboxes[pod_uid].address

    def _choose_addresses(self) -> Addresses:
        if self._addresses is not None:
            return self._addresses
        if not self.images.has_processes:
            return self._text_addresses
        if self._loopback_addresses is None:
            self._loopback_addresses = loopback_addresses(ports=self.images.ports)
        return self._loopback_addresses

    @property
    def volumes(self) -> VolumeStore:
        """
        See Runtime.volumes.

        They are folders below `folder` if an image was a process when the first of them was made, else in memory.
        """
        if self._volumes is None or (self._volumes.is_empty and not self._has_folders and self.images.has_processes):
            self._has_folders = self.images.has_processes
            self._volumes = VolumeStore(FolderTree(self.folder) if self._has_folders else MemoryTree())
        return self._volumes

    async def start(self, spec: ContainerSpec) -> None:
        """See Runtime.start."""
        sandbox, name = self._sandboxes[spec.id.pod_uid], plain_name(spec.id.name)
        image = self.images.find(spec.image)
        if image is not None and image.refuses:
            raise ContainerRefused("RunContainerError", image.refuses)
        spec = replace(spec, files=self.volumes.open(spec))
        if image is not None and image.programs is not None:
            sandbox.containers[name] = await self._start_process(spec, image, sandbox)
            return
        start = sandbox.starts[name] + 1
        program = image.make(sandbox.address, spec) if image is not None and image.make is not None else image
        if isinstance(program, Exits):
            program = Image(exits=program)
        if program is None or isinstance(program, Image):
            usage = self.images.usage(spec.image) if program is image else None
            program = ScriptedProgram(program, spec, sandbox.address, start=start, usage=usage)
        before = sandbox.containers.get(name)
        sandbox.starts[name] = start
        sandbox.containers[name] = InProcessContainer(
            spec,
            program,
            previous=_log_of(before),
            on_end=lambda: self._tell_end(spec.id),
            context=self._context,
        )

    async def _start_process(self, spec: ContainerSpec, image: Image, sandbox: Sandbox) -> ProcessContainer:
        folder = self.folder / plain_name(spec.id.pod_uid)
        folder.mkdir(mode=0o700, exist_ok=True)
        return await ProcessContainer.start(
            spec,
            image,
            guard=self._processes(),
            address=sandbox.address,
            pod_folder=folder,
            previous=_log_of(sandbox.containers.get(spec.id.name)),
            on_end=lambda: self._tell_end(spec.id),
            context=self._context,
        )

    def _tell_end(self, container: ContainerId) -> None:
        for callback in self._callbacks:
            callback(container)

    def state(self, container: ContainerId) -> ContainerState | None:
        """See Runtime.state."""
        found = find(self._sandboxes, container)
        return found.state if found else None

    async def probe(self, container: ContainerId, action: ProbeAction, *, timeout_s: float) -> ProbeResult:
        """See Runtime.probe."""
        found = find_running(self._sandboxes, container)
        if found is None:
            return ProbeResult(ok=False, output="the container does not run")
        try:
            async with asyncio.timeout(timeout_s):
                return await found.probe(action)
        except TimeoutError:
            return timed_out(action, self._sandboxes[container.pod_uid].address, timeout_s=timeout_s)

    def answer(self, container: ContainerId, action: ProbeAction) -> ProbeResult | None:
        """See Runtime.answer."""
        found = find_running(self._sandboxes, container)
        return found.answer(action) if isinstance(found, InProcessContainer) else None

    async def run(self, container: ContainerId, command: Sequence[str]) -> CommandResult:
        """See Runtime.run."""
        found = find_running(self._sandboxes, container)
        if found is None:
            raise ContainerRefused("RunContainerError", "the container does not run")
        return await found.run(command)

    def stop(self, container: ContainerId, *, grace_s: float) -> None:
        """See Runtime.stop."""
        found = find(self._sandboxes, container)
        if found is not None:
            found.stop(grace_s)

    async def close_sandbox(self, pod_uid: str) -> None:
        """See Runtime.close_sandbox."""
        sandbox = self._sandboxes.get(pod_uid)
        if sandbox is None:
            self.volumes.forget(pod_uid)
            return
        for container in sandbox.containers.values():
            await container.close()
        del self._sandboxes[pod_uid]
        self.volumes.forget(pod_uid)
        if self._guard is not None and not self._has_folders:  # otherwise it went with the volumes
            shutil.rmtree(self._guard.folder / pod_uid, ignore_errors=True)
        for addresses in self._all_addresses():
            addresses.release(sandbox.address)

    def _all_addresses(self) -> Iterable[Addresses]:
        return filter(None, (self._addresses, self._text_addresses, self._loopback_addresses))

    def _containers(self) -> list[Container]:
        return [container for sandbox in self._sandboxes.values() for container in sandbox.containers.values()]

    def _processes(self) -> ProcessGuard:
        """Return the guard of processes, which begins with the first of them."""
        if not self._is_entered:
            raise RuntimeError("use a runtime: it is not entered; write `async with ImageRuntime(...)`")
        if self._guard is None:
            self._guard = ProcessGuard()
            for image in self.images.values():
                for program in (image.programs or {}).values():
                    if program.forks:
                        self._guard.fork(program.argv, environment={"PATH": PATH, **image.environment})
        return self._guard

    # ---- clients' ----------------------------------------------------------------------------------------------------

    async def logs(self, pod: PodRef, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """See PodRuntime.logs."""
        found = find(self._sandboxes, ContainerId(pod.uid, container))
        if found is None:
            raise waiting(pod, container)
        return await found.logs(pod, options)

    async def exec(self, pod: PodRef, container: str, command: tuple[str, ...], streams: Streams) -> int:
        """See PodRuntime.exec."""
        found = find_running(self._sandboxes, ContainerId(pod.uid, container))
        if found is None:
            raise not_found(container)
        return await found.exec(command, streams)

    async def attach(self, pod: PodRef, container: str, streams: Streams) -> None:
        """See PodRuntime.attach."""
        found = find_running(self._sandboxes, ContainerId(pod.uid, container))
        if found is None:
            raise nothing_to_attach(pod, container)
        await found.attach(streams)

    async def port_forward(self, pod: PodRef, port: int, streams: Streams) -> None:
        """See PodRuntime.port_forward: pages of this process, and pods with loopback addresses can be reached."""
        sandbox = self._sandboxes.get(pod.uid)
        for container in sandbox.containers.values() if sandbox is not None else ():
            program = container.program if isinstance(container, InProcessContainer) else None
            if isinstance(program, ScriptedProgram) and program.has_pages_at(port):
                await program.serve(streams)
                return
        if sandbox is None or not ip_address(sandbox.address).is_loopback:
            where = sandbox.address if sandbox else pod.name
            raise ConnectionRefusedError(f"no program listens at {where}, which is an address in this process only")
        await carry(sandbox.address, port, streams)


InProcessRuntime = ImageRuntime
"""The name of the runtime while only programs in this process were its own."""

ProcessRuntime = ImageRuntime
"""The name of the runtime while only processes were its own."""


def _log_of(container: Container | None) -> ContainerLog | None:
    """The log of the run before."""
    return container.log if container is not None else None


def _not_found(reference: str) -> str:
    """Say that a registry does not have an image, as containerd does."""
    return (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{reference}": failed to resolve reference '
        f'"{reference}": {reference}: not found'
    )
