"""
A whole cluster in a test: a tracker, a recording clientset, whatever loops and managers the test starts, virtual time.

    async with World(network) as world:
        manager = world.manage(build)
        await world.settle()
        assert world.clientset.writes == [...]

Settled is a fact, not a pause: no task can run, every watch was handed the newest version it selects, every handler has
seen every change, no key is ready, running or owed a retry. While that does not hold and nothing can run, virtual time
moves to the next timer; after ten virtual minutes `NeverSettled` names who is behind. A pending RequeueAfter is
settled; a test passes it with `advance`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Protocol, Self

from ctrlkit import clock
from ctrlkit.client import Client
from ctrlkit.controller import Controller
from ctrlkit.errors import CtrlkitError
from ctrlkit.manager import Manager
from ctrlkit.model import AnyResource
from fakes.clientset import FakeClientset
from fakes.loop import VirtualTimeLoop
from fakes.tracker import Tracker

PATIENCE_S = 600.0


class NeverSettled(CtrlkitError):
    """Something stayed busy; the message names it and what it was doing."""


class Part(Protocol):
    """Whatever runs in a world: a Manager, a Cluster, a loop of the test's own."""

    async def run(self) -> None:
        """Run until cancelled."""
        ...

    def busy(self) -> tuple[str, ...]:
        """What is not done yet, in words."""
        ...


class World:
    """
    One API server, and the parts that run against it.

    Shape   `kinds` are custom kinds to serve without their CustomResourceDefinition. `objects` are plain dicts with
            apiVersion and kind; they are there from the start and do not appear in `clientset.actions`.
    Errors  NeverSettled from `settle`; what a part failed of, from `settle`, `advance` and at the end.
    Owner   The `async with` block; its end cancels every part, the last one started first, and awaits it.
    """

    def __init__(self, *objects: Mapping[str, Any], kinds: Sequence[AnyResource] = ()) -> None:
        tracker = Tracker()
        for kind in kinds:
            tracker.registry.register_custom(kind)
        self.clientset = FakeClientset(tracker, *objects)
        self._parts: dict[Part, asyncio.Task[None]] = {}
        self._exits = AsyncExitStack()

    @property
    def tracker(self) -> Tracker:
        """What the server holds."""
        return self.clientset.tracker

    @property
    def client(self) -> Client:
        """A client whose calls are recorded with those of the parts."""
        return self.clientset.client

    async def __aenter__(self) -> Self:
        _virtual_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exits.aclose()
        if error is None:
            self._raise_failures()

    def start(self, part: Part) -> None:
        """Run a part until the world ends, or `stop` ends it."""
        task = asyncio.create_task(_run(part), name=f"world:{type(part).__name__}")
        self._parts[part] = task
        self._exits.push_async_callback(_end, task)

    async def stop(self, part: Part) -> None:
        """End a part now, as a crash or a shutdown would."""
        await _end(self._parts.pop(part))

    def manage(
        self, build: Callable[[Manager], Controller | Sequence[Controller]], *, namespaces: Sequence[str] = ()
    ) -> Manager:
        """Run a manager with the controllers that `build` makes."""
        manager = Manager(self.client, namespaces=namespaces)
        built = build(manager)
        for controller in [built] if isinstance(built, Controller) else built:
            manager.add(controller)
        self.start(manager)
        return manager

    async def settle(self, *, patience_s: float = PATIENCE_S) -> None:
        """Return when nothing is left to do now; NeverSettled after `patience_s` virtual seconds."""
        loop = _virtual_loop()
        until = clock.monotonic() + patience_s
        while True:
            await loop.wait_all_blocked()
            self._raise_failures()
            busy = self.busy()
            if not busy:
                return
            deadline = loop.next_deadline()
            if deadline is None or deadline > until:
                why = "and nothing will wake them" if deadline is None else f"after {patience_s:g} virtual seconds"
                raise NeverSettled(f"settle the world: {len(busy)} still busy {why}: {'; '.join(busy)}")
            await loop.advance(max(0.0, deadline - clock.monotonic()))

    async def advance(self, seconds: float) -> None:
        """Let virtual time pass, with all that is due on the way; then settle."""
        await _virtual_loop().advance(seconds)
        await self.settle()

    def busy(self) -> tuple[str, ...]:
        """Who is not done yet, and with what."""
        return (*self.tracker.busy(), *(report for part in self._parts for report in part.busy()))

    def _raise_failures(self) -> None:
        for task in self._parts.values():
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error


async def _run(part: Part) -> None:
    await part.run()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _virtual_loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualTimeLoop):
        raise CtrlkitError(
            f"enter the world: it needs fakes.loop.VirtualTimeLoop, this is {type(loop).__name__}; "
            "import the hooks of fakes.pytest_plugin in conftest.py, and do not mark the test real_time"
        )
    return loop
