"""
Lifetimes: what runs, from when to when, and how it ends.

    start    endpoints ⇒ webhooks can be called ⇒ dependencies open, caches filled
             ⇒ controllers warm, those of Replicas.ALL at work ⇒ lease taken ⇒ all at work
    stop     no new reconciles ⇒ those that run end, in time or cut off ⇒ Events written ⇒ dependencies closed
             ⇒ recorders, caches ⇒ lease given back, and the Event that says so ⇒ webhooks ⇒ endpoints

In       Controllers, and the informers and recorders they ask for; an Elector or a Sharding where there are replicas.
Out      run() returns when it was asked to stop and all has ended; a part that fails ends the others and raises.
Owns     Every task of the framework but the workers, which their controller owns.

M-a  A replica whose caches do not fill takes no lease.
M-b  The lease is renewed while anything it protects goes on: until the last reconcile has ended and the last Event was
     written, or given up. Then it is released, and nothing but an Event about the release follows.
M-c  Nothing that needs the lease is started after the end of its term, whatever hung meanwhile. A lost lease cuts every
     reconcile off in the turn of the loop that learns of it, and run() raises: when they have ended, or when another
     may act, whichever comes first.
M-d  Once a stop has begun no controller starts to work, whatever the election says.
M-e  With shards, M-b holds for the reconciles of each by itself: a replica that stops gives each away as soon as none
     of it runs, whatever goes on elsewhere and whichever Events are still to be written.
M-f  Webhooks are served before the first list of a cache, and until the last watch has ended: a conversion of our own
     may stand between a cache and its objects.

Rows M1 to M8; K5, K17, L15, B2, B12, B15.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ctrlkit import clock
from ctrlkit.cache import ForbiddenNamespaces, Informer, InformerFactory, InformerOptions, ReflectorOptions
from ctrlkit.client import Client
from ctrlkit.controller import Controller, Watch
from ctrlkit.errors import NotSynced
from ctrlkit.events import EventRecorder, EventsApi
from ctrlkit.manager.definitions import tell_disagreements
from ctrlkit.manager.dependencies import Dependencies, Dependency, Provided
from ctrlkit.manager.endpoints import CheckKind, Checks, Endpoints
from ctrlkit.manager.leadership import Leadership
from ctrlkit.manager.tasks import GraceExceeded, ManagedTasks, StillRunning
from ctrlkit.model import Resource
from ctrlkit.telemetry import logger
from ctrlkit.webhooks import Webhook, Webhooks

if TYPE_CHECKING:
    from ctrlkit.election import Elector, Sharding
    from ctrlkit.manager.webhooks.options import WebhookServing
    from ctrlkit.manager.webhooks.server import WebhookServer

T = TypeVar("T")

FLUSH_S: Final = 2.0
"""So long the writing of the last Events may take, after the workers have ended."""


class _State(Enum):
    NEW = "was not started"
    OPENING = "is starting"
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

    Shape   `namespaces` limits the informers of namespaced kinds; empty means all. Of several, those that may not be
            read keep the manager from starting, unless `forbidden_namespaces` is SKIP: then the others are served, and
            these as soon as they may be read. Informers, recorders and controllers
            may be asked for and added before the run and while it lasts; they then start at once. Of several
            replicas an `elector` lets one work, a `sharding` each on its share; a controller of Replicas.ALL works in
            all of them. `elected` is set once this replica may work, by itself where it is the only one. With
            `check_definitions` it logs where the types of custom kinds and the server's definitions disagree.
            `webhook_serving` says where webhooks are served, if there are any; without it they are not.
    Units   `grace_s`: how long running reconciles may go on after a stop; 0 cuts them off. `sync_timeout_s`: how long
            the first lists may take, counted anew for each controller that is added later.
    Errors  RuntimeError for a second run, and for additions to a manager that stops or has ended; ValueError for a
            negative time, and for an elector beside a sharding; TypeError for namespaces that are one text.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespaces: Sequence[str] = (),
        forbidden_namespaces: ForbiddenNamespaces = ForbiddenNamespaces.WAIT,
        grace_s: float = 30.0,
        sync_timeout_s: float = 120.0,
        elector: Elector | None = None,
        sharding: Sharding | None = None,
        endpoints: Endpoints | None = None,
        webhook_serving: WebhookServing | None = None,
        reflector: ReflectorOptions | None = None,
        check_definitions: bool = False,
    ) -> None:
        if grace_s < 0 or sync_timeout_s < 0:
            raise ValueError(f"Manager: times must not be negative, got {grace_s=} and {sync_timeout_s=}")
        self.client = client
        """The client for its controllers."""
        self.elector = elector
        """The candidate for leadership; None where there is no election."""
        self.sharding = sharding
        """This replica's part in a group that shares keys; None where none does."""
        self.endpoints = endpoints
        """Where metrics, health and the debug page are to be served; None for nowhere."""
        self.webhook_serving = webhook_serving
        """Where webhooks are to be served; None for nowhere."""
        self.webhook_server: WebhookServer | None = None
        """What serves the webhooks, while they are served."""
        self.address: str = ""
        """Where metrics, health and the debug page are served now, as HOST:PORT."""
        self.checks: Checks = Checks()
        """The health checks that were added."""
        self.settings: Mapping[str, object] = {
            "namespaces": tuple(namespaces),
            "forbidden_namespaces": forbidden_namespaces,
            "grace_s": grace_s,
            "sync_timeout_s": sync_timeout_s,
        }
        """How it was set up, for the debug page; nothing secret."""
        self.began: datetime | None = None
        """When its run began, by the wall clock."""
        self._grace_s = grace_s
        self._check_definitions = check_definitions
        self._sync_timeout_s = sync_timeout_s
        self._factory = InformerFactory(
            client,
            namespaces=namespaces,
            forbidden_namespaces=forbidden_namespaces,
            reflector=reflector or ReflectorOptions(),
        )
        self.webhooks: Webhooks = Webhooks(informer=self.informer)
        """The webhooks of the program. They answer in every replica, whether it leads or not."""
        self._controllers: list[Controller] = []
        self._recorders: dict[tuple[str, EventsApi, str, str], EventRecorder] = {}
        self._state = _State.NEW
        self._ending = asyncio.Event()
        self._tasks = ManagedTasks(on_failure=self._ending.set)
        self._dependencies = Dependencies(self, self._tasks, grace_s=grace_s)
        self._caches: list[asyncio.Task[None]] = []
        self._caches_may_start = asyncio.Event()
        self._writers: list[asyncio.Task[None]] = []
        self._last_writers: list[asyncio.Task[None]] = []
        self._admissions: list[asyncio.Task[None]] = []
        self._working: list[asyncio.Task[None]] = []
        self._rights: list[asyncio.Task[None]] = []
        self._log = logger("manager")
        self._leadership = Leadership(
            elector=elector,
            sharding=sharding,
            recorder=self.recorder,
            controllers=lambda: self._controllers,
            on_loss=self._tasks.give_up_in,
        )

    # ---- what there is ----------------------------------------------------------------------------------------------

    @property
    def elected(self) -> asyncio.Event:
        """Set once this replica may work; by itself, when the caches are filled, where it is the only one."""
        return self._leadership.elected

    @property
    def electors(self) -> tuple[Elector, ...]:
        """All candidates of this replica: the one for leadership, or those for its shards."""
        if self.sharding is not None:
            return tuple(self.sharding.electors)
        return () if self.elector is None else (self.elector,)

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        """All informers asked for so far, but for borrowed ones that nobody uses any more."""
        return self._factory.informers

    @property
    def controllers(self) -> tuple[Controller, ...]:
        """All controllers added so far."""
        return tuple(self._controllers)

    @property
    def recorders(self) -> tuple[EventRecorder, ...]:
        """All recorders asked for so far."""
        return tuple(self._recorders.values())

    def informer(self, resource: Resource[T], options: InformerOptions[T] | None = None) -> Informer[T]:
        """
        Return the one informer of a collection, shared by all who ask for it; it lives as long as the manager.

            web = manager.informer(PODS, InformerOptions(label_selector="app=web"))
        """
        self._refuse_when_over(f"make an informer of {resource}")
        return self._factory.informer(resource, options)

    @asynccontextmanager
    async def borrow_informer(
        self, resource: Resource[T], options: InformerOptions[T] | None = None
    ) -> AsyncIterator[Informer[T]]:
        """
        Share the one informer of a collection for the length of a block.

            async with manager.borrow_informer(SECRETS, InformerOptions(namespaces=["demo"])) as secrets:
                await secrets.wait_synced()

        It stops when the last block that borrows it ends, unless `informer` was asked for it.
        """
        self._refuse_when_over(f"borrow an informer of {resource}")
        async with self._factory.borrow_informer(resource, options) as informer:
            yield informer

    def use(self, wanted: Dependency[T]) -> Provided[T]:
        """
        Return this manager's one instance of a dependency; its `value` is there while controllers work.

            names = manager.use(name_service)

            async def reconcile(request: Request) -> Outcome:
                await names.value.take(request.name)
        """
        self._refuse_when_over(f"use {wanted}")
        provided = self._dependencies.use(wanted)
        if self._state is _State.RUNNING:
            self._dependencies.start()
        return provided

    def provide(self, wanted: Dependency[T], instance: T) -> None:
        """Put an instance in place of the one that would be opened, for tests; before anybody uses it."""
        self._dependencies.provide(wanted, instance)

    def recorder(
        self, component: str, *, api: EventsApi = EventsApi.CORE_V1, host: str = "", field_manager: str = ""
    ) -> EventRecorder:
        """Return the one recorder of Events of a component, on a host, to one of the two APIs, by a field manager."""
        recorder = self._recorders.get((component, api, host, field_manager))
        if recorder is None:
            self._refuse_when_over(f"make a recorder for {component}")
            recorder = EventRecorder(self.client, component, api=api, host=host, field_manager=field_manager)
            self._recorders[component, api, host, field_manager] = recorder
            if self._state is _State.RUNNING:
                self._start_recorder(recorder)
        return recorder

    def add(self, controller: Controller) -> None:
        """Add a controller; it starts at once if the manager runs, and works once this replica may."""
        self._refuse_when_over(f"add controller {controller.name}")
        if controller in self._controllers:
            raise ValueError(f"add controller {controller.name}: it was added before; add each one once")
        self._controllers.append(controller)
        if self._state is _State.RUNNING:
            self._admissions.append(self._tasks.start("admission", self._admit(controller)))

    def add_webhook(self, webhook: Webhook) -> None:
        """Add a function decorated with @mutating, @validating or @conversion; see `webhooks`."""
        self._refuse_when_over(f"add {webhook}")
        if self.webhook_serving is not None and self._state is not _State.NEW:
            raise RuntimeError(f"add {webhook}: the manager {self._state.value}; add webhooks before its run")
        self.webhooks.add(webhook)

    def add_check(self, name: str, check: Callable[[], str], *, kind: CheckKind) -> None:
        """Add a health check: it returns "" when all is well, and else the reason."""
        self.checks.add(name, check, kind=kind)

    def busy(self) -> tuple[str, ...]:
        """Describe what is not done yet: caches that fill, changes on their way, keys that wait or run, Events."""
        return tuple(self.reports())

    def reports(self) -> Iterator[str]:
        """Yield what `busy` returns, as far as it is asked for: the first is enough to know that something is left."""
        if any(not admission.done() for admission in self._admissions):
            yield "manager waits for its caches"
        for name in self._dependencies.opening():
            yield f"dependency {name} is not open"
        if self.webhook_server is not None:
            yield from self.webhook_server.busy()
        yield from self._factory.busy()
        yield from self._leadership.busy()
        for controller in self._controllers:
            yield from controller.busy()
        for recorder in self.recorders:
            yield from recorder.busy()

    # ---- from start to end ------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """
        Run everything until `stop` is set, a part fails, or this call is cancelled; each of these stops in order.

        A second cancellation cuts off whatever the first one lets finish; the lease is then left to expire.

        Errors  What the failed part raised, such as LeadershipLost; NotSynced, naming the caches that did not fill
                in time, with the reason of each; GraceExceeded, naming what was cut off; StillRunning, naming what goes
                on after a lost lease although it was cut off, which is left behind; a group where there are several.
        """
        if self._state is not _State.NEW:
            raise RuntimeError(f"run the manager: it {self._state.value}; make a new one for another run")
        self._state = _State.OPENING
        self.began = clock.now()
        self._tasks.open()
        serving = asyncio.create_task(self._serve(stop), name="manager")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self._ending.set()
            await serving  # a second cancellation goes through to it
            raise

    async def _serve(self, stop: asyncio.Event | None) -> None:
        """What is entered first ends last, however this ends."""
        self._log.info("manager_started", controllers=[controller.name for controller in self._controllers])
        try:
            async with AsyncExitStack() as ends:
                await self._open_endpoints(ends)
                await self._open_webhooks(ends)
                ends.push_async_callback(self._tasks.end, self._last_writers)
                ends.push_async_exit(self._give_lease_back)
                ends.push_async_callback(self._tasks.end, self._caches)
                ends.push_async_callback(self._tasks.end, self._writers)
                ends.push_async_callback(self._dependencies.close)
                ends.push_async_callback(self._tasks.end, self._working)
                ends.push_async_callback(self._tasks.end, self._admissions)
                self._start(stop)
                await self._ending.wait()
                self._state = _State.STOPPING
                self._log.info("manager_stopping", failed=len(self._tasks.failures))
                await self._finish_work()
        finally:
            self._state = _State.ENDED
            await self._tasks.end_all()
            self._tell_end()
        self._tasks.raise_failures()

    def _start(self, stop: asyncio.Event | None) -> None:
        """What was added so far; what is added from now on starts at once."""
        self._state = _State.RUNNING
        self._caches.append(self._tasks.start("caches", self._run_caches()))
        for recorder in self.recorders:
            self._start_recorder(recorder)
        self._dependencies.start()
        self._admissions.append(self._tasks.start("start", self._begin(self.controllers)))
        if stop is not None:
            self._tasks.start("stop", self._end_when(stop))

    async def _open_endpoints(self, ends: AsyncExitStack) -> None:
        if self.endpoints is not None:
            from ctrlkit.manager.endpoints import serve  # noqa: PLC0415 - who serves nothing does not pay for HTTP

            self.address = await ends.enter_async_context(serve(self, self.endpoints))

    async def _open_webhooks(self, ends: AsyncExitStack) -> None:
        _ = self.webhooks.conversions  # ConfigError where versions do not lead to each other
        if self.webhook_serving is None or not len(self.webhooks):
            self._caches_may_start.set()
            return
        from ctrlkit.manager.webhooks.server import serve  # noqa: PLC0415 - who has no webhooks does not pay for them

        server = await ends.enter_async_context(serve(self.webhooks, self.client, self.webhook_serving))
        self.webhook_server = server
        ends.push_async_callback(self._tasks.end, [self._tasks.start("webhooks", server.run())])

    async def _run_caches(self) -> None:
        await self._caches_may_start.wait()
        await self._factory.run()

    async def _end_when(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._ending.set()

    def _start_recorder(self, recorder: EventRecorder) -> None:
        writers = self._last_writers if recorder is self._leadership.recorder else self._writers
        writers.append(self._tasks.start(f"recorder:{recorder.component}", recorder.run()))

    # ---- the way to work --------------------------------------------------------------------------------------------

    async def _begin(self, controllers: Sequence[Controller]) -> None:
        """Webhooks, caches, then controllers that are ready to work, and only then the right to work."""
        if self.webhook_server is not None:
            await self.webhook_server.wait_ready(timeout_s=self._sync_timeout_s)
        self._caches_may_start.set()
        own = _watched_by(controllers)
        if self._check_definitions:
            resources = [informer.resource for informer in self.informers]
            self._tasks.start("definitions", tell_disagreements(self.client, resources))
        await self._fill(lambda informer: informer in own or self._factory.is_kept(informer))
        for controller in controllers:
            self._start_controller(controller)
        if self._leadership.is_shared:
            await warm_up(controllers, within_s=self._sync_timeout_s)
        self._rights.append(self._tasks.start("leading", self._leadership.run(is_over=self._ending.is_set)))

    async def _admit(self, controller: Controller) -> None:
        """
        One more: when what it watches has filled. Informers that others asked for are waited for too, for it may read
        them, unless the server refuses them; borrowed ones are their users' alone.
        """
        own = _watched_by([controller])
        await self._fill(
            lambda informer: informer in own or (self._factory.is_kept(informer) and not informer.is_refused())
        )
        self._start_controller(controller)

    async def _fill(self, needed: Callable[[Informer[Any]], bool]) -> None:
        await self._dependencies.wait_open(timeout_s=self._sync_timeout_s)
        await self._factory.wait_synced(timeout_s=self._sync_timeout_s, needed=needed)

    def _start_controller(self, controller: Controller) -> None:
        working = controller.run(may_work=self._leadership.may_work(controller))
        self._working.append(self._tasks.start(f"controller:{controller.name}", working))

    # ---- the way to the end -----------------------------------------------------------------------------------------

    async def _finish_work(self) -> None:
        """
        Two phases: no new work, and time for what runs; then whatever still runs is cut off, and awaited.

        Caches, recorders and the lease live on meanwhile.
        """
        for controller in self._controllers:
            controller.stop()
        await self._tasks.end(self._admissions)
        if self.sharding is not None:
            self._tasks.ask_to_end(self._rights)
        elif not self.elected.is_set():
            await self._tasks.end(self._rights)
        if (running := self._reconciling()) and self._grace_s:
            self._log.info("reconciles_awaited", running=running, up_to_s=self._grace_s)
        late = await self._tasks.wait(self._working, timeout_s=self._grace_s)
        cut_off = self._reconciling()
        await self._tasks.end(late)
        if cut_off and not self._leadership.is_lost:
            self._tasks.failures.append(GraceExceeded(cut_off, grace_s=self._grace_s))
        if not self._tasks.gave_up:
            await asyncio.gather(*(recorder.flush(timeout_s=FLUSH_S) for recorder in self.recorders))

    async def _give_lease_back(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """In order only: whoever is in a hurry leaves it to expire."""
        if error is not None:
            await self._tasks.cut_off(self._rights)
            return
        if self.sharding is not None:
            await self._tasks.wait(self._rights)  # it was asked to end when the work was, and gives back what it holds
            return
        await self._tasks.end(self._rights)
        await self._leadership.release(flush_s=FLUSH_S)

    def _tell_end(self) -> None:
        if not self._tasks.left:
            self._log.info("manager_stopped")
            return
        running = self._reconciling()
        self._log.error("work_left_behind", parts=self._tasks.left, running=running)
        self._tasks.failures.append(StillRunning(running or self._tasks.left))

    def _reconciling(self) -> list[str]:
        return [f"{controller.name} {key}" for controller in self._controllers for key in controller.running]

    def _refuse_when_over(self, what: str) -> None:
        if self._state in (_State.STOPPING, _State.ENDED):
            raise RuntimeError(f"{what}: the manager {self._state.value}; do it before the stop, or make a new manager")


def _watched_by(controllers: Sequence[Controller]) -> set[Informer[Any]]:
    return {source.informer for each in controllers for source in each.watches if isinstance(source, Watch)}


async def warm_up(controllers: Collection[Controller], *, within_s: float) -> None:
    """
    Return when the sources of each have handed over all that was there at the beginning; those that ended are passed
    over.

    Errors  NotSynced after `within_s` seconds, naming those that are cold.
    """
    try:
        async with asyncio.timeout(within_s):
            for controller in controllers:
                with suppress(NotSynced):  # it has ended; if it failed, the manager ends with its error
                    await controller.wait_synced()
    except TimeoutError:
        cold = ", ".join(controller.name for controller in controllers if not controller.has_synced())
        raise NotSynced(
            f"warm up the controllers: the sources of {cold} brought no first state within "
            f"{within_s:g} s; see what they wait for, or allow more time with sync_timeout_s"
        ) from None
