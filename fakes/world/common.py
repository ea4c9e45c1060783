"""What every world does, whether its tests are coroutines or plain functions: see world.py and sync.py."""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
import warnings
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from ctrlkit import clock
from ctrlkit.client import Client
from ctrlkit.errors import CtrlkitError, Forbidden, NotFound
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.clientset.faults import Faults
from ctrlkit.fakes.clientset.seeding import items_in, newest_moment, seed_items
from ctrlkit.fakes.durations import parse_duration
from ctrlkit.fakes.loop import VirtualTimeLoop, at_hand
from ctrlkit.fakes.manifests import Seeded, read_objects
from ctrlkit.fakes.releases import NEWEST
from ctrlkit.fakes.rights import Permission, asked_at_the_start, gather, line_of, rules_of
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.admission import DEFAULT_PLUGINS
from ctrlkit.fakes.tracker.callers import ADMINISTRATOR, User
from ctrlkit.fakes.tracker.furniture import furnish
from ctrlkit.fakes.tracker.rights.attributes import Attributes
from ctrlkit.fakes.world.accounts import acting_user, namespace_of
from ctrlkit.fakes.world.arguments import check_arguments
from ctrlkit.fakes.world.definitions import apply_definition, established
from ctrlkit.fakes.world.logs import plain_logs
from ctrlkit.fakes.world.pending import CacheLag, pending_elections
from ctrlkit.fakes.world.running import (
    ClusterTransport,
    Part,
    PartTransport,
    RunningPart,
    TestClientTransport,
    default_field_manager,
    note_changes,
)
from ctrlkit.fakes.world.trace import CLUSTER, TEST, Trace
from ctrlkit.fakes.world.unforeseen import UnforeseenFailure, UnforeseenFailures
from ctrlkit.fakes.world.webhooks import WorldWebhooks, service_name
from ctrlkit.manager import Build, Dependency, GraceExceeded, Manager, Settings, controllers_of, manager_from
from ctrlkit.manager.dependencies import checked_dependency
from ctrlkit.manager.program import builds_in
from ctrlkit.manager.settings import OFF
from ctrlkit.model import AnyResource, Resource, Unstructured

if TYPE_CHECKING:
    from ctrlkit.fakes.cluster import Cluster, ImageRuntime, Loop
    from ctrlkit.fakes.cluster.node.declarations import Nodes
    from ctrlkit.fakes.cluster.node.fleet import Fleet
    from ctrlkit.fakes.cluster.node.images import Catalog, Images

T = TypeVar("T")

PATIENCE_S: Final = 600.0
_FIRST: Final = asyncio.FIRST_COMPLETED

OPERATORS: Final = "operators"
"""The namespace in which programs with webhooks run, unless they act as a service account of another one."""
KEPT_COLD: Final = "caches may not be filled"
"""How the line begins that says of roles which caches they keep from filling."""
_HOW_TO_WRITE: Final = "run all tests with pytest --rbac-write FILE, which writes to FILE whatever they need"
LEASE_NAMESPACE: Final = "default"
"""The namespace of Leases for managers whose settings name none."""


class NeverSettled(CtrlkitError):
    """Something stayed busy. The message names it, says what it was doing, and shows the last trace entries."""


class RushedReconcileWarning(UserWarning):
    """A key is reconciled so often that virtual time hardly passes; the message names it and says how often."""


class NeverHeld(CtrlkitError):
    """What a test waited for did not happen. The message names busy parts and shows the last trace entries."""


class _State(Enum):
    NEW = "was not entered"
    ENTERED = "was entered before"
    ENDED = "has ended"


class CommonWorld:
    """What World and SyncWorld have in common: all that does not wait, and how the waits are done."""

    def __init__(
        self,
        *objects: Seeded,
        kinds: Iterable[AnyResource] = (),
        cluster: Iterable[Loop] = (),
        seed: int | None = None,
        server: str = NEWEST,
        furnished: bool = False,
        plugins: frozenset[str] = DEFAULT_PLUGINS,
        rbac: bool = False,
        acting_as: str = "",
        nodes: Nodes = 1,
        images: Images | None = None,
    ) -> None:
        check_arguments(
            {
                "kinds": kinds,
                "cluster": cluster,
                "seed": seed,
                "furnished": furnished,
                "plugins": plugins,
                "rbac": rbac,
                "acting_as": acting_as,
                "images": images,
            }
        )
        self._time = self._find_loop()
        with at_hand(self._time):
            if seed is not None:
                _virtual_loop().random_source = random.Random(seed)
            loops = _loops_of(cluster, nodes, images)
            self._make(Tracker(server=server, plugins=plugins, rbac=rbac), loops, _checked(nodes) if loops else nodes)
            self._acting_as = acting_as
            self._images = images
            if furnished:
                furnish(self.tracker)
            if loops:
                self._furnish_storage(at_once=furnished)
            self.serve(*kinds)
            self.seed(*objects)

    def _find_loop(self) -> VirtualTimeLoop | None:
        """Return the loop whose time is the world's, if there is one already."""
        loop = asyncio._get_running_loop()
        return loop if isinstance(loop, VirtualTimeLoop) else None

    def _make(self, tracker: Tracker, loops: frozenset[Loop], nodes: Nodes) -> None:
        self._kinds: list[AnyResource] = []
        self.clientset: FakeClientset = FakeClientset(tracker)
        self.webhooks: WorldWebhooks = WorldWebhooks(self.tracker)
        """The webhooks that the server calls, as Python functions."""
        self.tracker.webhooks = self.webhooks
        self._loops = loops
        self._nodes = nodes
        self.trace: Trace = Trace(self.tracker, loops={loop.value for loop in self._loops})
        self.clientset.intercept(functools.partial(note_changes, self.trace))
        transport = PartTransport(TestClientTransport(self.clientset), self.trace)
        self.client: Client = Client(transport, field_manager=TEST)
        self._runtime: ImageRuntime | None = None
        self._cluster: Cluster | None = None
        self._lag = CacheLag(self.tracker)
        self._parts: dict[Part, RunningPart] = {}
        self._gone: dict[Part, RunningPart] = {}
        self._started: Counter[str] = Counter()
        self._transports: defaultdict[str, list[PartTransport]] = defaultdict(list)
        self._provided: dict[Dependency[Any], Any] = {}
        self._exits = AsyncExitStack()
        self._raised_standstill = False
        self._told_busy = False
        self._state = _State.NEW
        self._unforeseen = UnforeseenFailures()

    @property
    def namespace(self) -> str:
        """A namespace for the test's objects, as LiveWorld has one."""
        return "default"

    # ---- objects -----------------------------------------------------------------------------------------------------

    @property
    def tracker(self) -> Tracker:
        """The server's objects, to inspect and to change without a client; its calls are plain functions."""
        return self.clientset.tracker

    @property
    def faults(self) -> Faults:
        """The faults of the server, for all parts under test and for `client`, but not for the cluster's loops."""
        return self.clientset.faults

    @property
    def runtime(self) -> ImageRuntime:
        """The runtime of the cluster's containers; RuntimeError in a world without a kubelet."""
        if self._runtime is None:
            raise RuntimeError("ask the world for its runtime: no cluster runs in it; give it cluster=ALL")
        return self._runtime

    @property
    def images(self) -> Catalog:
        """
        The images that are declared, by name: `world.images["web:2"] = Image(pull=Pull(error="not found"))`.

        What is said of an image counts for containers that start from then on. RuntimeError in a world without a
        kubelet.
        """
        return self.runtime.images

    def serve(self, *kinds: AnyResource) -> None:
        """
        Serve custom kinds without their CustomResourceDefinition: without a schema, with a status subresource.

        Built-in kinds are served already.
        """
        for kind in kinds:
            if not isinstance(kind, Resource):
                raise TypeError(f"serve {kind!r}: it is no Resource; make one with custom_resource(...)")
            if self.tracker.registry.register_custom(kind):
                self._kinds.append(kind)

    async def _define(self, *definitions: Seeded) -> None:
        for definition, _ in read_objects(definitions):
            name = await apply_definition(self.client, definition)
            self.webhooks.convert_definitions()
            await self._until(functools.partial(established, self.client, name))

    def seed(self, *objects: Seeded) -> None:
        """
        Put objects there as if they had always been there, and the namespaces that they need, without recording a call.

            world.seed("state.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", ...}})

        A text or Path names a file of YAML or JSON, or a folder of them: what people write, or what `kubectl get` has
        printed on a cluster. A relative one begins at the folder of the code that names it. What has a uid keeps all
        that its server said of it but the version, and the world's clock is set to the newest moment that it tells of;
        the rest is made as a user makes it, with its status. CustomResourceDefinitions and namespaces come first.

        Errors  ConfigError for a file that cannot be read, and for an object of a file that a server would refuse;
                ApiError for another object that a server would refuse, ValueError for one of a kind that is not served.
        """
        items = items_in(read_objects(objects))
        with at_hand(self._time):
            newest = newest_moment(items)
            if newest is not None and self._time is not None:
                self._time.set_wall_time_after(newest)
            seed_items(self.tracker, items)

    # ---- what runs ---------------------------------------------------------------------------------------------------

    async def _enter(self) -> None:
        self._time = _virtual_loop()
        if self._state is not _State.NEW:
            raise RuntimeError(f"enter the world: it {self._state.value}; make a new one")
        self._state = _State.ENTERED
        self._exits.enter_context(plain_logs(shows_traceback=self._unforeseen.allows))
        if self._loops:
            await self._start_cluster()

    async def _leave(self, error: BaseException | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, (NeverSettled, NeverHeld)) and len(self.trace):
            error.add_note(self._recent())
        self._state = _State.ENDED
        await self._exits.aclose()
        for name, transports in self._transports.items():
            gather(name, (one for each in transports for one in each.asked))
        if self._raised_standstill or error is not None:  # the test knows already what failed
            for running in self._parts.values():
                running.note_failure()
        else:
            try:
                self._raise_failures()
            except UnforeseenFailure as failure:
                failure.add_note(self._recent())
                raise
            self._raise_lacking()
            self._tell_unused_faults()
            if self._runtime is not None:
                self._runtime.images.tell_unused()

    def _tell_unused_faults(self) -> None:
        transports = (each for several in self._transports.values() for each in several)
        for faults in (self.faults, *(each.faults for each in transports)):
            faults.tell_unused()

    def manage(
        self,
        build: Build | Iterable[Build],
        *,
        settings: Settings | None = None,
        name: str = "manager",
        acting_as: str = "",
    ) -> Manager:
        """
        Run a manager with the controllers that `build` makes, as a separate process would.

            world.manage(build, settings=Settings(leader_elect=True, lease_name="greeter"), name="first")

        Several managers may run at once. `name` distinguishes them in the trace and in Leases: `first-1`, and `first-2`
        after a restart. Settings of connections and endpoints have no effect: endpoints are not served. A Lease without
        a namespace is in `default`. A candidate is settled while another manager of this world holds the Lease, but not
        while it waits for the Lease of a crashed one to expire. Managers that share shards are settled when each holds
        the shards planned for it. The server asks the webhooks among the builds, as long as one manager that has them
        runs; the program is in the namespace of the one it acts as, or in `operators`. In a world with `rbac` the
        manager acts as `acting_as`, or as the world says.

        Errors  ValueError in a world with `rbac` that does not say whom to act as, or has no such service account;
                ConfigError where the versions of a kind that is converted do not lead to each other.
        """
        user = ADMINISTRATOR
        if self.tracker.has_rbac or acting_as:
            user = acting_user(self.tracker, acting_as or self._acting_as)
        self._started[name] += 1
        manager_settings = _in_a_world(settings or Settings(), identity=f"{name}-{self._started[name]}")
        transport = PartTransport(self.clientset, self.trace, kinds=self.tracker.registry)
        self._transports[name].append(transport)
        builds = builds_in([build])
        manager = manager_from(manager_settings, Client(transport, field_manager=default_field_manager(builds)))
        for wanted, instance in self._provided.items():
            manager.provide(wanted, instance)
        for controller in controllers_of(builds, manager):
            manager.add(controller)
        manager.webhooks.conversions  # noqa: B018  # told at once if versions do not lead to each other
        transport.asked.update(asked_at_the_start(manager))
        restart = functools.partial(self.manage, builds, settings=settings, name=name, acting_as=acting_as)
        self._start(manager, name, transport, restart, user)
        if len(manager.webhooks):
            self.webhooks.install(
                manager.webhooks,
                name=service_name(default_field_manager(builds)),
                namespace=namespace_of(user) or OPERATORS,
                part=self._parts[manager],
            )
        return manager

    def provide(self, wanted: Dependency[T], instance: T) -> None:
        """
        Put an instance in place of a dependency, for the managers that are started from now on.

            world.provide(registry, FakeRegistry())

        They all get this one; it is neither opened nor closed.

        Errors  TypeError for what is no dependency.
        """
        self._provided[checked_dependency(wanted, "provide")] = instance

    def rights_used(self, name: str = "manager") -> frozenset[Attributes]:
        """
        Return what the managers of a name have asked the server for so far, as servers that know roles see it.

            least_roles(world.rights_used(), home="greeter")

        What a program asks for at its start besides, which a world's managers do not, is among it.
        Errors  KeyError for a name that no manager has.
        """
        if name not in self._transports:
            raise KeyError(f"rights used by {name}: no manager has that name; there are {', '.join(self._transports)}")
        return frozenset().union(*(transport.asked for transport in self._transports[name]))

    def start(self, part: Part, *, name: str = "", acting_as: str = "") -> None:
        """
        Run a part of the test's own until the world ends it, or `stop` or `crash` does.

        It acts as the user `acting_as`, an administrator if nobody is named.
        """
        user = acting_user(self.tracker, acting_as) if acting_as else ADMINISTRATOR
        self._start(part, name or type(part).__name__.lower(), user=user)

    async def _stop(self, part: Part) -> None:
        """End a part gracefully, as SIGTERM would; raises the exception that ended it before, if there is one."""
        running = self._forget(part, "stopped")
        await running.end()
        running.raise_failure()

    async def _crash(self, part: Part) -> None:
        """End a part abruptly, as the loss of its machine would: it sends nothing more."""
        running = self._forget(part, "crashed")
        if running.transport is not None:
            running.transport.cut()
        running.task.cancel()
        await asyncio.sleep(0)  # it sees the first cancellation, which asks; the second one orders
        await running.end()

    def restart(self, manager: Manager) -> Manager:
        """Start a manager of the same build again after `stop` or `crash`; returns the new one."""
        running = self._gone.get(manager)
        if running is None or running.restart is None:
            raise RuntimeError(
                f"restart {type(manager).__name__}: it was not stopped or crashed, or not started by manage(); "
                "end it first, or start another one"
            )
        del self._gone[manager]  # with all its caches
        self.trace.note(f"{running.name} restarted")
        return running.restart()

    def skew(self, part: Part, ahead_s: float) -> None:
        """Set a part's wall clock ahead of the server's (negative: behind); timers are not affected."""
        self._running(part, "set the clock of").skew.seconds = ahead_s

    def faults_of(self, part: Part) -> Faults:
        """The faults between one manager and the server; other parts do not meet them."""
        transport = self._running(part, "ask for the faults of").transport
        if transport is None:
            raise RuntimeError(
                f"ask for the faults of {type(part).__name__}: only a manager of manage() has its own way"
            )
        return transport.faults

    def lose_node(self, name: str) -> None:
        """
        Lose a node of the world's cluster, as when its machine loses power.

        Its containers vanish, and nothing more is heard of it. What follows takes its time: after 50 s the node is
        unreachable, and 300 s later, unless they tolerate that for longer, its pods are to be deleted; they are gone
        when the node recovers or is deleted. Errors: KeyError for a node that is not played, RuntimeError for one that
        is lost.
        """
        self._nodes_played().lose(name)
        self.trace.note(f"node {name} lost")

    def recover_node(self, name: str) -> None:
        """Boot a lost node: it registers if it has to, starts its pods anew, and removes those that are to go."""
        self._nodes_played().recover(name)
        self.trace.note(f"node {name} recovered")

    def _nodes_played(self) -> Fleet:
        if self._cluster is None:
            raise RuntimeError("ask the world for its nodes: no cluster runs in it; give it cluster=ALL")
        return self._cluster.fleet

    def allow_failures(self, *kinds: type[Exception]) -> None:
        """
        Permit reconcilers, mappers and other callbacks to raise these exceptions from now on; any, if none is named.

            world.allow_failures(ZeroDivisionError)

        They are then counted, logged and retried, as in production; otherwise the first unforeseen exception ends the
        test. Foreseen ones, such as ApiError, OSError and those of HTTP clients, never do.
        """
        for kind in kinds:
            if not (isinstance(kind, type) and issubclass(kind, Exception)):
                raise TypeError(f"allow failures of {kind!r}: it is no class of exceptions; write one, as KeyError")
        self._unforeseen.allow(kinds or (Exception,))

    # ---- time --------------------------------------------------------------------------------------------------------

    async def _settle(self, *, patience_s: float = PATIENCE_S) -> None:
        """Wait until nothing is left to do now; NeverSettled after `patience_s` virtual seconds."""
        __tracebackhide__ = True
        if await self._run_until(lambda: next(self._reports(), None) is None, patience_s):
            return
        busy = self.busy()
        self._told_busy = True
        raise NeverSettled(f"settle the world: {len(busy)} still busy {self._why(patience_s)}: {self._report(busy)}")

    async def _advance(self, duration: float | str) -> None:
        """Let virtual time pass ("30s", "1h30m", or seconds) and run all that falls due; then settle."""
        __tracebackhide__ = True
        await self._pass_time(duration)
        await self._settle()

    async def _pass_time(self, duration: float | str) -> None:
        """Let virtual time pass and run all that falls due, without settling."""
        __tracebackhide__ = True
        self.trace.catch_up()
        until = clock.monotonic() + parse_duration(duration)
        mistake = asyncio.ensure_future(self._unforeseen.recorded.wait())
        rush = asyncio.ensure_future(self.trace.rushed.wait())
        try:
            while clock.monotonic() < until and not mistake.done():
                left_s = until - clock.monotonic()
                await asyncio.wait([mistake, *([] if rush.done() else [rush])], timeout=left_s, return_when=_FIRST)
                self._tell_rush()
        finally:
            mistake.cancel()
            rush.cancel()
        await _virtual_loop().wait_all_blocked()
        self._raise_failures()

    async def _until(
        self, predicate: Callable[[], object | Awaitable[object]], *, within: float | str = PATIENCE_S
    ) -> Any:
        """
        Let virtual time pass until `predicate()` is true, and return its result; NeverHeld after `within`.

            await world.until(lambda: world.tracker.get(NETWORKS, "demo/net").at("status.ready"))

        The predicate is called whenever no task can run; NotFound counts as false.
        """
        __tracebackhide__ = True
        if not callable(predicate):
            raise TypeError(f"wait until {predicate!r}: it is no function; write `lambda: ...`, which is asked again")
        answers: list[object] = []

        async def holds() -> bool:
            try:
                answer = predicate()
                answers[:] = [await answer if inspect.isawaitable(answer) else answer]
            except NotFound:
                return False
            return bool(answers[0])

        patience_s = parse_duration(within)
        if await self._run_until(holds, patience_s):
            return answers[0]
        busy = self.busy()
        self._told_busy = True
        what = getattr(predicate, "__qualname__", repr(predicate))
        raise NeverHeld(f"wait until {what}: not so {self._why(patience_s)}; {self._report(busy)}")

    def busy(self) -> tuple[str, ...]:
        """Name the parts that are not done yet, and what each still has to do."""
        return tuple(self._reports())

    def _reports(self) -> Iterator[str]:
        """Yield what `busy` returns, as far as it is asked for."""
        yield from self.tracker.busy()
        managers = [part for part in self._parts if isinstance(part, Manager)]
        for part in self._parts:
            yield from getattr(part, "reports", part.busy)()  # a part of the test's own says all at once
        for manager in managers:
            yield from (lag for informer in manager.informers for lag in self._lag.of(informer))
        yield from pending_elections(self.tracker, managers)

    async def _run_until(self, holds: Callable[[], bool | Awaitable[bool]], patience_s: float) -> bool:
        """Move from timer to timer until `holds()` is true; False where it never was."""
        __tracebackhide__ = True
        loop = _virtual_loop()
        until = clock.monotonic() + patience_s
        await loop.wait_all_blocked()
        while True:
            self.trace.catch_up()
            self._tell_rush()
            self._raise_failures()
            self._raise_kept_cold()
            answer = holds()
            if await answer if inspect.isawaitable(answer) else answer:
                return True
            deadline = loop.next_deadline()
            if deadline is None or deadline > until:
                return False
            await loop.wait_next_timer()

    def _tell_rush(self) -> None:
        if self.trace.rushed.is_set() and self.trace.rush:
            text, self.trace.rush = self.trace.rush, ""
            warnings.warn(text, RushedReconcileWarning, stacklevel=2)

    # ---- words -------------------------------------------------------------------------------------------------------

    def _why(self, patience_s: float) -> str:
        if _virtual_loop().next_deadline() is None:
            return "and nothing will wake them"
        return f"after {patience_s:g} virtual seconds"

    def _report(self, busy: Sequence[str]) -> str:
        """Describe busy parts, pending retries, active faults, and the end of the trace."""
        who = "; ".join([*busy, *self._retries()]) or "nobody is busy"
        faults = "".join(f"\nfault at work: {fault}" for fault in self.faults.active())
        return f"{who}{faults}{self._lacking()}\n{self._recent()}"

    def _raise_lacking(self) -> None:
        """Fail for a right that a manager lacked, and did without, unless the test allows that."""
        lacking = self._lacking()
        if lacking and not self._unforeseen.allows(Forbidden("")):
            raise UnforeseenFailure(
                f"a manager asked for what its roles do not allow, and went on:{lacking}\nadd it, or say "
                "world.allow_failures(Forbidden) where that is what the test is about"
            )

    def _raise_kept_cold(self) -> None:
        """Fail at once where roles keep a manager's caches from filling, unless the test allows that."""
        __tracebackhide__ = True
        if not self.tracker.has_rbac or self._unforeseen.allows(Forbidden("")):
            return
        managers = [(part, running) for part, running in self._parts.items() if isinstance(part, Manager)]
        if [running.name for part, running in managers if running.is_kept_cold(part)]:  # each says what it lacks
            self._told_busy = True
            raise NeverSettled(f"{KEPT_COLD}: {'; '.join(self._lacking().strip().splitlines())}")

    def _lacking(self) -> str:
        """Say which rules the roles of managers lack, and how they are written."""
        lines = [
            f"\nits roles lack, for {name}: {line_of(rule)}"
            for name, transports in self._transports.items()
            for rule in rules_of({Permission.of(one) for each in transports for one in each.refused})
        ]
        return "".join([*lines, f"\n{_HOW_TO_WRITE}"] if lines else ())

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

    def _furnish_storage(self, *, at_once: bool) -> None:
        """Make the class of the cluster's own provisioner, if it has one, now or when somebody looks at classes."""
        from ctrlkit.fakes.cluster import Loop  # noqa: PLC0415
        from ctrlkit.fakes.cluster.loops.provisioner import make_class, promise_class  # noqa: PLC0415

        if Loop.PROVISIONER in self._loops:
            make = make_class if at_once else promise_class
            make(self.tracker)

    async def _start_cluster(self) -> None:
        from ctrlkit.fakes.cluster import Cluster, ImageRuntime  # noqa: PLC0415  # worlds without one do not pay for it

        self._runtime = await self._exits.enter_async_context(ImageRuntime(images=self._images))
        self.tracker.run_pods_with(self._runtime)
        transport = ClusterTransport(self.tracker, self.trace)
        kinds = [kind.of(Unstructured) for kind in self._kinds]
        client, server = Client(transport), self.tracker.registry.release
        cluster = Cluster(
            client,
            self._runtime,
            loops=self._loops,
            kinds=kinds,
            server=server,
            tracker=self.tracker,
            nodes=self._nodes,
        )
        self._cluster = cluster
        self._start(cluster, CLUSTER, transport)

    def _start(
        self,
        part: Part,
        name: str,
        transport: PartTransport | None = None,
        restart: Callable[[], Manager] | None = None,
        user: User = ADMINISTRATOR,
    ) -> None:
        if self._state is not _State.ENTERED:
            raise RuntimeError(f"start {name}: the world {self._state.value}; do it inside `async with World(...)`")
        if name == TEST:
            raise ValueError(f"start {name}: the trace calls the test itself so; choose another name")
        if part in self._parts:
            raise RuntimeError(f"start {name}: it runs in this world already; start another one")
        if not all(callable(getattr(part, name, None)) for name in ("run", "busy")):
            fact = f"{part!r} has no run() and busy()"
            raise TypeError(f"start {name}: {fact}; give a Manager, a Cluster, or a class of your own with both")
        running = RunningPart.begin(
            part, name, self.trace, self._unforeseen, transport=transport, restart=restart, user=user
        )
        self._parts[part] = running
        self._exits.push_async_callback(running.end)

    def _running(self, part: Part, tried: str) -> RunningPart:
        running = self._parts.get(part)
        if running is None:
            fact = "it was stopped or crashed before" if part in self._gone else "it does not run in this world"
            raise RuntimeError(f"{tried} {type(part).__name__}: {fact}; give a part that manage() or start() began")
        return running

    def _forget(self, part: Part, how: str) -> RunningPart:
        running = self._gone[part] = self._running(part, "end")
        del self._parts[part]
        self.trace.note(f"{running.name} {how}")
        return running

    def _raise_failures(self) -> None:
        __tracebackhide__ = True
        self._unforeseen.raise_first()
        if self.trace.standstill:
            self._raised_standstill = True
            raise NeverSettled(f"settle the world: {self.trace.standstill}\n{self._recent()}")
        known = GraceExceeded if self._told_busy else ()  # what is busy for good is cut off at the end
        for running in self._parts.values():
            try:
                running.raise_failure(known=known)
            except Exception as error:
                note = self._lacking().strip()
                if note and note not in getattr(error, "__notes__", ()):
                    error.add_note(note)  # a manager that may not list ends, and its own words do not name the rule
                raise


def _in_a_world(settings: Settings, *, identity: str) -> Settings:
    return msgspec.structs.replace(
        settings,
        endpoints_address=OFF,
        webhooks_address=OFF,
        check_definitions=False,
        lease_namespace=settings.lease_namespace or LEASE_NAMESPACE,
        identity=settings.identity or identity,
    )


def _loops_of(cluster: Iterable[Loop], nodes: Nodes, images: Images | None) -> frozenset[Loop]:
    if not cluster and nodes == 1 and not images:
        return frozenset()
    from ctrlkit.fakes.cluster import Loop  # noqa: PLC0415  # worlds without one do not pay for it

    loops: frozenset[Any] = frozenset(cluster if isinstance(cluster, Iterable) else [None])
    if not all(isinstance(loop, Loop) for loop in loops):
        raise ValueError(f"run the loops {cluster!r} in a world: write ALL, or a list such as [Loop.GARBAGE]")
    if nodes != 1 and Loop.KUBELET not in loops:
        raise ValueError("play the nodes of a world: no kubelet runs in it; give it cluster=ALL, or Loop.KUBELET too")
    if images and Loop.KUBELET not in loops:
        raise ValueError("run images in a world: no kubelet runs in it; give it cluster=ALL, or Loop.KUBELET too")
    return loops


def _checked(nodes: Nodes) -> Nodes:
    """Return declared nodes as such. Errors: ValueError for what declares none."""
    from ctrlkit.fakes.cluster.node.declarations import declared  # noqa: PLC0415

    return declared(nodes)


def _virtual_loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualTimeLoop):
        raise CtrlkitError(
            f"enter the world: it needs ctrlkit.fakes.loop.VirtualTimeLoop, this is {type(loop).__name__}; mark the "
            "test virtual_time or use the world fixture, and do not mark it real_time, nor anyio, which has its own"
        )
    return loop
