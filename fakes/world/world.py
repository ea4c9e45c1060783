"""
A whole cluster in a test: an API server, the managers under test, perhaps a cluster's own loops, on virtual time.

    async with World(network, kinds=[NETWORKS]) as world:
        world.manage(build)
        await world.settle()
        assert world.clientset.writes == [...]

Settled is a fact, not a pause: no task can run, every cache has reached the newest version it selects, every handler
has seen every change, no key is ready, running or owed a retry. While that does not hold and nothing can run, virtual
time moves to the next timer; after ten virtual minutes `NeverSettled` names who is behind and why, and it names a key
that is reconciled a thousand times while no time passes. A pending RequeueAfter is settled; a test passes it with
`advance`. The first exception that nobody foresaw ends all waiting, unless `allow_failures` says that it may come.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from ctrlkit import clock
from ctrlkit.client import Client
from ctrlkit.errors import CtrlkitError, NotFound
from ctrlkit.fakes.clientset.clientset import FakeClientset, seed
from ctrlkit.fakes.clientset.faults import Faults
from ctrlkit.fakes.durations import seconds
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.world.lag import Lag
from ctrlkit.fakes.world.line import Line, OwnWay, note_changes
from ctrlkit.fakes.world.logs import plain_logs
from ctrlkit.fakes.world.parts import Part, Running, program_of
from ctrlkit.fakes.world.succession import successions
from ctrlkit.fakes.world.trace import TEST, Trace
from ctrlkit.fakes.world.unforeseen import Unforeseen, UnforeseenFailure
from ctrlkit.manager import Build, Manager, Settings, controllers_of, manager_from
from ctrlkit.manager.program import builds_in
from ctrlkit.manager.settings import OFF
from ctrlkit.model import AnyResource, Unstructured

if TYPE_CHECKING:
    from ctrlkit.fakes.cluster import InProcessRuntime, Loop

PATIENCE_S: Final = 600.0

LEASE_NAMESPACE: Final = "default"
"""Where the Leases of managers are whose settings do not say."""


class NeverSettled(CtrlkitError):
    """Something stayed busy; the message names it, what it was doing, and what happened last."""


class NeverHeld(CtrlkitError):
    """What a test waited for did not come; the message says who is busy, and what happened last."""


class _State(Enum):
    NEW = "was not entered"
    ENTERED = "was entered before"
    ENDED = "has ended"


class World:
    """
    One API server, and the parts that run against it.

    Shape   `objects` are plain dicts with apiVersion and kind; they are there from the start and do not appear in
            `clientset.actions`. `kinds` are custom kinds to serve without their CustomResourceDefinition. `cluster` are
            the loops of a cluster to run (ctrlkit.fakes.cluster.Loop, or ALL): none by default, so that a test of one
            controller plays the cluster itself and sees no writes but its own. `seed` is for all jitter and all names
            that are drawn by chance; tests with the same one go the same way.
    Errors  NeverSettled from `settle`, and from all that waits where no virtual time passes; UnforeseenFailure, and
            what a part failed of, from `settle`, `advance`, `pass_time`, `until` and at the end. RuntimeError for a
            world that is entered again, and for a part that is started outside of its block. CtrlkitError on entering a
            world on a loop that does not keep virtual time.
    Owner   The `async with` block; its end cancels every part, the last one started first, and awaits it. An exception
            that leaves the block takes the end of the trace with it, as a note.
    """

    def __init__(
        self,
        *objects: Mapping[str, Any],
        kinds: Iterable[AnyResource] = (),
        cluster: Iterable[Loop] = (),
        seed: int | None = None,
    ) -> None:
        if seed is not None:
            _virtual_loop().random_source = random.Random(seed)
        self._kinds: list[AnyResource] = []
        self.clientset = FakeClientset()
        self.trace = Trace(self.tracker)
        self.clientset.intercept(functools.partial(note_changes, self.trace))
        self.client = Client(Line(OwnWay(self.clientset), self.trace), field_manager=TEST)
        self._loops = frozenset(cluster)
        self._runtime: InProcessRuntime | None = None
        self._lag = Lag(self.tracker)
        self._parts: dict[Part, Running] = {}
        self._gone: dict[Part, Running] = {}
        self._started: Counter[str] = Counter()
        self._exits = AsyncExitStack()
        self._told_standstill = False
        self._state = _State.NEW
        self._unforeseen = Unforeseen()
        self.serve(*kinds)
        self.seed(*objects)

    # ---- what is there -----------------------------------------------------------------------------------------------

    @property
    def tracker(self) -> Tracker:
        """What the server holds: to look at, and to change behind everybody's back."""
        return self.clientset.tracker

    @property
    def faults(self) -> Faults:
        """The faults of the server, for all parts under test and for `client`; the cluster's loops are spared."""
        return self.clientset.faults

    @property
    def runtime(self) -> InProcessRuntime:
        """What runs the containers of the cluster's pods; RuntimeError in a world without a kubelet."""
        if self._runtime is None:
            raise RuntimeError("ask the world for its runtime: no cluster runs in it; give it cluster=ALL")
        return self._runtime

    def serve(self, *kinds: AnyResource) -> None:
        """Serve custom kinds without their CustomResourceDefinition: no schema, and a status subresource."""
        for kind in kinds:
            self.tracker.registry.register_custom(kind)
            self._kinds.append(kind)

    def seed(self, *objects: Mapping[str, Any]) -> None:
        """Put objects there, their status included, and the namespaces they need; nobody has written them."""
        for item in objects:
            seed(self.tracker, item)

    # ---- what runs ---------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        _virtual_loop()
        if self._state is not _State.NEW:
            raise RuntimeError(f"enter the world: it {self._state.value}; make a new one")
        self._state = _State.ENTERED
        self._exits.enter_context(plain_logs(shows_traceback=self._unforeseen.allows))
        if self._loops:
            await self._start_cluster()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, (NeverSettled, NeverHeld)) and len(self.trace):
            error.add_note(self._recent())
        self._state = _State.ENDED
        await self._exits.aclose()
        if self._told_standstill:  # what the parts failed of is no news
            for running in self._parts.values():
                running.note_failure()
        elif error is None:
            try:
                self._raise_failures()
            except UnforeseenFailure as failure:
                failure.add_note(self._recent())
                raise

    def manage(
        self, build: Build | Iterable[Build], *, settings: Settings | None = None, name: str = "manager"
    ) -> Manager:
        """
        Run a manager with the controllers that `build` makes, as a process of its own would.

            world.manage(build, settings=Settings(leader_elect=True, lease_name="greeter"), name="first")

        Several managers may run at once; `name` tells them apart in the trace, and in Leases: `first-1`, and `first-2`
        after a restart. Of the settings those count that are about managers; endpoints are not served, and a Lease
        without a namespace is in `default`. A candidate is settled while another manager of this world holds the lease,
        and not while it only waits for the lease of one that is gone to run out; those that share shards are settled
        when each has its part.
        """
        self._started[name] += 1
        manager_settings = _in_a_world(settings or Settings(), identity=f"{name}-{self._started[name]}")
        line = Line(self.clientset, self.trace)
        builds = builds_in([build])
        manager = manager_from(manager_settings, Client(line, field_manager=program_of(builds)))
        for controller in controllers_of(builds, manager):
            manager.add(controller)
        again = functools.partial(self.manage, builds, settings=settings, name=name)
        self._start(manager, name, line, again)
        return manager

    def start(self, part: Part, *, name: str = "") -> None:
        """Run a part of the test's own until the world ends, or `stop` or `crash` ends it."""
        self._start(part, name or type(part).__name__.lower())

    async def stop(self, part: Part) -> None:
        """End a part as a shutdown would, within its grace period; raises what it failed of."""
        running = self._forget(part, "stopped")
        await running.end()
        running.raise_failure()

    async def crash(self, part: Part) -> None:
        """End a part as a lost machine would: in the middle of what it does, and nothing it still wants is sent."""
        running = self._forget(part, "crashed")
        if running.line is not None:
            running.line.sever()
        running.task.cancel()
        await asyncio.sleep(0)  # it sees the first cancellation, which asks; the second one orders
        await running.end()

    def restart(self, manager: Manager) -> Manager:
        """Run a manager of the same build again, after `stop` or `crash`; returns the new one."""
        running = self._gone.get(manager)
        if running is None or running.again is None:
            raise RuntimeError(
                f"restart {type(manager).__name__}: it was not stopped or crashed, or not started by manage(); "
                "end it first, or start another one"
            )
        self.trace.note(f"{running.name} restarted")
        return running.again()

    def skew(self, part: Part, ahead_s: float) -> None:
        """Have a part's wall clock go so many seconds ahead of the server's (negative: behind); timers are right."""
        self._parts[part].skew.seconds = ahead_s

    def faults_of(self, part: Part) -> Faults:
        """The faults on one manager's way to the server; the others do not see them."""
        line = self._parts[part].line
        if line is None:
            raise RuntimeError(
                f"ask for the faults of {type(part).__name__}: only a manager of manage() has its own way"
            )
        return line.faults

    def allow_failures(self, *kinds: type[Exception]) -> None:
        """
        From now on, let reconciles, mappers and the like raise these, any where none is named, as a program does.

            world.allow_failures(ZeroDivisionError)

        They are counted, logged and tried again then; else the first exception that nobody foresaw ends the test. What
        is foreseen, such as ApiErrors, OSErrors and those of HTTP clients, never does.
        """
        self._unforeseen.allow(kinds or (Exception,))

    # ---- time --------------------------------------------------------------------------------------------------------

    async def settle(self, *, patience_s: float = PATIENCE_S) -> None:
        """Return when nothing is left to do now; NeverSettled after `patience_s` virtual seconds, or if none passes."""
        __tracebackhide__ = True
        if await self._run_until(lambda: not self.busy(), patience_s):
            return
        busy = self.busy()
        raise NeverSettled(f"settle the world: {len(busy)} still busy {self._why(patience_s)}: {self._report(busy)}")

    async def advance(self, duration: float | str) -> None:
        """Let virtual time pass ("30s", "1h30m", or seconds), with all that is due on the way; then settle."""
        __tracebackhide__ = True
        await self.pass_time(duration)
        await self.settle()

    async def pass_time(self, duration: float | str) -> None:
        """Let virtual time pass, with all that is due on the way, and ask nobody to be done."""
        __tracebackhide__ = True
        self.trace.catch_up()
        mistake = asyncio.ensure_future(self._unforeseen.heard.wait())
        await asyncio.wait([mistake], timeout=seconds(duration))
        mistake.cancel()
        await _virtual_loop().wait_all_blocked()
        self._raise_failures()

    async def until(
        self, predicate: Callable[[], object | Awaitable[object]], *, within: float | str = PATIENCE_S
    ) -> Any:
        """
        Let virtual time pass until `predicate()` is true, and return what it said; NeverHeld after `within`.

            await world.until(lambda: world.tracker.get(NETWORKS, "demo/net").at("status.ready"))

        It is asked whenever nothing can run; NotFound counts as not yet.
        """
        __tracebackhide__ = True
        answers: list[object] = []

        async def holds() -> bool:
            try:
                answer = predicate()
                answers[:] = [await answer if inspect.isawaitable(answer) else answer]
            except NotFound:
                return False
            return bool(answers[0])

        patience_s = seconds(within)
        if await self._run_until(holds, patience_s):
            return answers[0]
        busy = self.busy()
        what = getattr(predicate, "__qualname__", repr(predicate))
        raise NeverHeld(f"wait until {what}: not so {self._why(patience_s)}; {self._report(busy)}")

    def busy(self) -> tuple[str, ...]:
        """Who is not done yet, and with what."""
        reports = [*self.tracker.busy()]
        for part in self._parts:
            reports.extend(part.busy())
            if isinstance(part, Manager):
                reports.extend(lag for informer in part.informers for lag in self._lag.of(informer))
        managers = [part for part in self._parts if isinstance(part, Manager)]
        return (*reports, *successions(self.tracker, managers))

    async def _run_until(self, holds: Callable[[], bool | Awaitable[bool]], patience_s: float) -> bool:
        """Jump from timer to timer until something holds; whether it did."""
        __tracebackhide__ = True
        loop = _virtual_loop()
        until = clock.monotonic() + patience_s
        while True:
            await loop.wait_all_blocked()
            self.trace.catch_up()
            self._raise_failures()
            answer = holds()
            if await answer if inspect.isawaitable(answer) else answer:
                return True
            deadline = loop.next_deadline()
            if deadline is None or deadline > until:
                return False
            await loop.advance(max(0.0, deadline - clock.monotonic()))

    # ---- words -------------------------------------------------------------------------------------------------------

    def _why(self, patience_s: float) -> str:
        if _virtual_loop().next_deadline() is None:
            return "and nothing will wake them"
        return f"after {patience_s:g} virtual seconds"

    def _report(self, busy: Sequence[str]) -> str:
        """Who is busy with what, what is owed to whom, which faults are at work, and the end of the trace."""
        who = "; ".join([*busy, *self._retries()]) or "nobody is busy"
        faults = "".join(f"\nfault at work: {fault}" for fault in self.faults.active())
        return f"{who}{faults}\n{self._recent()}"

    def _retries(self) -> list[str]:
        now = clock.monotonic()
        return [
            f"retry of {controller.name} {retry.key} in {retry.due_at - now:.3g} s after {retry.failures} failures"
            + (f", the last: {error}" if (error := self.trace.last_error(controller.name, str(retry.key))) else "")
            for part in self._parts
            if isinstance(part, Manager)
            for controller in part.controllers
            for retry in controller.retries()
        ]

    def _recent(self) -> str:
        return f"what happened last in the world (virtual seconds, who, what):\n{self.trace.recent()}"

    # ---- tasks -------------------------------------------------------------------------------------------------------

    async def _start_cluster(self) -> None:
        from ctrlkit.fakes.cluster import Cluster, InProcessRuntime  # noqa: PLC0415  # worlds without one do not pay for it
        from ctrlkit.fakes.cluster.node.any_image import AnyImage  # noqa: PLC0415

        self._runtime = await self._exits.enter_async_context(InProcessRuntime(images=AnyImage()))
        own = FakeClientset(self.tracker)  # its calls are not those under test
        own.intercept(functools.partial(note_changes, self.trace))
        line = Line(own, self.trace)
        kinds = [kind.of(Unstructured) for kind in self._kinds]
        self._start(
            Cluster(Client(line, field_manager="cluster"), self._runtime, loops=self._loops, kinds=kinds),
            "cluster",
            line,
        )

    def _start(
        self, part: Part, name: str, line: Line | None = None, again: Callable[[], Manager] | None = None
    ) -> None:
        if self._state is not _State.ENTERED:
            raise RuntimeError(f"start {name}: the world {self._state.value}; do it inside `async with World(...)`")
        if name == TEST:
            raise ValueError(f"start {name}: the trace calls the test itself so; choose another name")
        if part in self._parts:
            raise RuntimeError(f"start {name}: it runs in this world already; start another one")
        running = Running.begin(part, name, self.trace, self._unforeseen, line=line, again=again)
        self._parts[part] = running
        self._exits.push_async_callback(running.end)

    def _forget(self, part: Part, how: str) -> Running:
        running = self._gone[part] = self._parts.pop(part)
        self.trace.note(f"{running.name} {how}")
        return running

    def _raise_failures(self) -> None:
        __tracebackhide__ = True
        self._unforeseen.raise_first()
        if self.trace.standstill:
            self._told_standstill = True
            raise NeverSettled(f"settle the world: {self.trace.standstill}\n{self._recent()}")
        for running in self._parts.values():
            running.raise_failure()


def _in_a_world(settings: Settings, *, identity: str) -> Settings:
    return msgspec.structs.replace(
        settings,
        endpoints_address=OFF,
        lease_namespace=settings.lease_namespace or LEASE_NAMESPACE,
        identity=settings.identity or identity,
    )


def _virtual_loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualTimeLoop):
        raise CtrlkitError(
            f"enter the world: it needs ctrlkit.fakes.loop.VirtualTimeLoop, this is {type(loop).__name__}; mark the "
            "test virtual_time or use the world fixture, and do not mark it real_time"
        )
    return loop
