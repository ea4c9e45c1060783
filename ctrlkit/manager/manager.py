"""
Lifetimes: what runs, from when to when, and how it ends.

    start    caches ⇒ first lists handled ⇒ workers
    stop     workers, to the end of what they do ⇒ Events written ⇒ caches

In       Controllers, and the informers and recorders they ask for.
Out      run() returns when it was asked to stop and all has ended; a part that fails ends the others and raises.
Owns     Every task of the framework but the workers, which their controller owns.

Rows M1, M3, M4, M7; K5, B2, B15. Leader election and endpoints are not here yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, TypeVar

from ctrlkit.cache import Informer, InformerFactory
from ctrlkit.client import Client
from ctrlkit.controller import Controller, EventRecorder
from ctrlkit.errors import CtrlkitError
from ctrlkit.manager.parts import Parts
from ctrlkit.model import Resource
from ctrlkit.telemetry import logger

T = TypeVar("T")

FLUSH_S = 2.0
"""So long the writing of the last Events may take, after the workers have ended."""


class GraceExceeded(CtrlkitError):
    """Reconciles had to be cut off because they did not end within the grace period."""


class _State(Enum):
    NEW = "was not started"
    RUNNING = "runs"
    STOPPING = "is stopping"
    ENDED = "has ended"


class Manager:
    """
    Runs controllers over shared informers.

        manager = Manager(client, namespaces=["demo"])
        networks = manager.informer(NETWORKS)
        manager.add(Controller(name="networks", reconcile=..., watches=[Watch(networks, to_self)]))
        await manager.run()

    Shape   `namespaces` limits the informers of namespaced kinds; empty means all. Informers, recorders and controllers
            may be asked for and added before the run and while it lasts; they then start at once (M7).
    Units   `grace_s`: how long running reconciles may go on after a stop; 0 cuts them off. `sync_timeout_s`: how long
            the first lists may take, counted anew for each controller that is added later.
    Errors  RuntimeError for a second run, and for additions to a manager that stops or has ended; ValueError for a
            negative time.
    """

    def __init__(
        self, client: Client, *, namespaces: Sequence[str] = (), grace_s: float = 30.0, sync_timeout_s: float = 120.0
    ) -> None:
        if grace_s < 0 or sync_timeout_s < 0:
            raise ValueError(f"Manager: times must not be negative, got {grace_s=} and {sync_timeout_s=}")
        self.client = client
        self._grace_s = grace_s
        self._sync_timeout_s = sync_timeout_s
        self._factory = InformerFactory(client, namespaces=namespaces)
        self._controllers: list[Controller] = []
        self._recorders: dict[str, EventRecorder] = {}
        self._state = _State.NEW
        self._ending = asyncio.Event()
        self._parts = Parts(told=self._ending.set)
        self._admissions: list[asyncio.Task[None]] = []
        self._working: list[asyncio.Task[None]] = []
        self._log = logger("manager")

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        """All informers asked for so far."""
        return self._factory.informers

    @property
    def controllers(self) -> tuple[Controller, ...]:
        """All controllers added so far."""
        return tuple(self._controllers)

    def informer(
        self,
        resource: Resource[T],
        *,
        namespaces: Sequence[str] | None = None,
        label_selector: str = "",
        field_selector: str = "",
        transform: Callable[[T], T] | None = None,
    ) -> Informer[T]:
        """The one informer of a collection, shared by all who ask for it; the manager's namespaces, unless named."""
        self._refuse_when_over(f"make an informer of {resource}")
        return self._factory.informer(
            resource,
            namespaces=namespaces,
            label_selector=label_selector,
            field_selector=field_selector,
            transform=transform,
        )

    def recorder(self, component: str) -> EventRecorder:
        """The one recorder of Events in the name of a component."""
        self._refuse_when_over(f"make a recorder for {component}")
        if component not in self._recorders:
            self._recorders[component] = EventRecorder(self.client, component)
            if self._state is _State.RUNNING:
                self._start_recorder(self._recorders[component])
        return self._recorders[component]

    def add(self, controller: Controller) -> None:
        """Run a controller; at once if the manager runs already."""
        self._refuse_when_over(f"add controller {controller.name}")
        self._controllers.append(controller)
        if self._state is _State.RUNNING:
            self._admit(controller)

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """
        Run everything until `stop` is set, a part fails, or this call is cancelled; each of these stops in order.

        A second cancellation cuts off whatever the first one lets finish.

        Errors  What the failed part raised; NotSynced, naming the caches that did not fill in time, with the reason of
                each; GraceExceeded, naming what was cut off; a group where there are several of these.
        """
        if self._state is not _State.NEW:
            raise RuntimeError(f"run the manager: it {self._state.value}; make a new one for another run")
        self._state = _State.RUNNING
        serving = asyncio.create_task(self._serve(stop), name="manager")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self._ending.set()
            await serving  # a second cancellation goes through to it
            raise

    def busy(self) -> tuple[str, ...]:
        """What is not done yet, in words: caches that fill, changes on their way, keys that wait or run, Events."""
        admitting = any(not admission.done() for admission in self._admissions)
        return (
            *(("manager waits for its caches",) if admitting else ()),
            *self._factory.busy(),
            *(report for controller in self._controllers for report in controller.busy()),
            *(report for recorder in self._recorders.values() for report in recorder.busy()),
        )

    async def _serve(self, stop: asyncio.Event | None) -> None:
        self._log.info("manager_started", controllers=[controller.name for controller in self._controllers])
        try:
            self._parts.start("caches", self._factory.run())
            for recorder in self._recorders.values():
                self._start_recorder(recorder)
            self._admit(*self._controllers)
            if stop is not None:
                self._parts.start("stop", self._end_when(stop))
            await self._ending.wait()
            self._state = _State.STOPPING
            self._log.info("manager_stopping", failed=len(self._parts.failures))
            await self._stop_controllers()
            for recorder in self._recorders.values():
                await recorder.flush(timeout_s=FLUSH_S)
        finally:
            self._state = _State.ENDED
            await self._parts.end_all()
            self._log.info("manager_stopped")
        self._parts.raise_failures()

    async def _end_when(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._ending.set()

    def _start_recorder(self, recorder: EventRecorder) -> None:
        self._parts.start(f"recorder:{recorder.component}", recorder.run())

    def _admit(self, *controllers: Controller) -> None:
        self._admissions.append(self._parts.start("admission", self._start_when_synced(controllers)))

    async def _start_when_synced(self, controllers: Sequence[Controller]) -> None:
        await self._factory.wait_synced(timeout_s=self._sync_timeout_s)
        for controller in controllers:
            self._working.append(self._parts.start(f"controller:{controller.name}", controller.run()))

    async def _stop_controllers(self) -> None:
        """Two phases (B2): no new work, and time for what runs; then whatever still runs is cut off, and awaited."""
        await self._parts.end(self._admissions)
        for controller in self._controllers:
            controller.stop()
        late = await self._parts.wait(self._working, timeout_s=self._grace_s)
        cut_off = [f"{controller.name} {key}" for controller in self._controllers for key in controller.running]
        await self._parts.end(late)
        if cut_off:
            self._parts.failures.append(
                GraceExceeded(
                    f"stop the manager: {len(cut_off)} reconciles had not ended after {self._grace_s:g} s and were cut "
                    f"off; make them shorter or the grace period longer [{', '.join(cut_off)}]"
                )
            )

    def _refuse_when_over(self, what: str) -> None:
        if self._state in (_State.STOPPING, _State.ENDED):
            raise RuntimeError(f"{what}: the manager {self._state.value}; do it before the stop, or make a new manager")
