"""In which order a manager starts and stops what it has, with an elector that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.controller import DONE, Controller, Outcome, Replicas, Request, Watch, to_self
from ctrlkit.controller.sources.source import Sink
from ctrlkit.election import ElectionStatus, Elector, LeadershipLost, LeaseTimes, Sharding
from ctrlkit.errors import NotSynced
from ctrlkit.events import EventsApi, EventType
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.manager import CheckKind, Endpoints, Manager, StillRunning
from ctrlkit.model import Action, Lines, ObjectKey, ObjectMeta
from ctrlkit.model.kinds import CONFIG_MAPS, EVENTS_V1, SECRETS

A = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "demo"}}


class Way:
    """The way to the server, which notes writes, and watches that are opened and closed."""

    streams_lists = True

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.server = FakeClientset(None, A)

    async def do(self, action: Action) -> bytes:
        if action.verb.writes:
            self.log.append(f"{action.verb.value} {action.resource.plural}")
        return await self.server.do(action)

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        self.log.append(f"watch {action.resource.plural}")
        try:
            async with self.server.watch(action) as lines:
                yield lines
        finally:
            self.log.append(f"unwatch {action.resource.plural}")


class Told:
    """An elector that wins and loses when it is told to."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.lease = ObjectKey("demo", "greeter")
        self.identity = "me"
        self.times = LeaseTimes()
        self.meta = ObjectMeta(name="greeter", namespace="demo", uid="1")
        self.note: Any = None
        self.won = asyncio.Event()
        self.lost = asyncio.Event()

    def is_leading(self) -> bool:
        return self.won.is_set() and not self.lost.is_set()

    async def acquire(self) -> None:
        self.log.append("acquire")
        await self.won.wait()
        self.log.append("acquired")

    async def hold(self) -> None:
        await self.lost.wait()
        raise LeadershipLost("lost")

    async def release(self) -> bool:
        self.log.append("release")
        return True

    def status(self) -> ElectionStatus:
        return cast(ElectionStatus, type("Status", (), {"holder": "another", "name": "greeter", "last_error": ""}))


class Scene:
    """A manager, what it does, and a controller that notes when it works."""

    def __init__(self, *, endpoints: Endpoints | None = None, sync_timeout_s: float = 120.0) -> None:
        self.log: list[str] = []
        self.elector = Told(self.log)
        self.manager = Manager(
            Client(Way(self.log)),
            elector=cast(Elector, self.elector),
            endpoints=endpoints,
            sync_timeout_s=sync_timeout_s,
        )
        self.stop = asyncio.Event()

    def add(self, name: str, *, replicas: Replicas = Replicas.LEADER, takes_s: float = 0.0) -> None:
        config_maps, recorder = self.manager.informer(CONFIG_MAPS), self.manager.recorder("test")

        async def reconcile(request: Request) -> Outcome:
            self.log.append(f"{name} works")
            await asyncio.sleep(takes_s)
            recorder.event(config_maps.lister.get(request.key).metadata, CONFIG_MAPS, EventType.NORMAL, "Done", name)
            self.log.append(f"{name} ends")
            return DONE

        watches = [Watch(config_maps, to_self)]
        self.manager.add(Controller(name=name, reconcile=reconcile, watches=watches, replicas=replicas))

    def take(self) -> list[str]:
        """What happened since the last look."""
        taken = list(self.log)
        self.log.clear()
        return taken

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        work = asyncio.create_task(self.manager.run(self.stop))
        try:
            await asyncio.sleep(1)
            yield work
        finally:
            self.stop.set()
            await asyncio.wait([work])
            if not work.cancelled():
                work.exception()


@pytest.mark.behaviour("M1", "M3", "K17", "B2", "B15")
async def test_it_starts_in_order_and_stops_the_other_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    M1, M3: endpoints, caches, controllers for all replicas, the lease, the work of the leader; and back.

    K17: what waits for the lease has seen its objects meanwhile, and works on them in the moment the lease is won.
    """
    scene = Scene(endpoints=Endpoints(address=":0"))

    @asynccontextmanager
    async def serve(manager: Manager, endpoints: Endpoints) -> AsyncIterator[str]:
        assert (manager, endpoints.address) == (scene.manager, ":0")
        scene.log.append("endpoints open")
        await asyncio.sleep(0.1)
        scene.add("late")  # whoever adds one now does not have it started twice
        yield "127.0.0.1:1234"
        scene.log.append("endpoints closed")

    monkeypatch.setattr("ctrlkit.manager.endpoints.serve", serve, raising=False)
    scene.add("leader", takes_s=10)
    scene.add("everywhere", replicas=Replicas.ALL)
    async with scene.running() as work:
        assert scene.manager.address == "127.0.0.1:1234"
        first, second, *others = scene.take()
        assert (first, second) == ("endpoints open", "watch configmaps")
        assert sorted(others) == ["acquire", "create events", "everywhere ends", "everywhere works"]
        assert scene.manager.busy() == ()
        assert not scene.manager.elected.is_set()
        scene.elector.won.set()
        await asyncio.sleep(1)
        assert scene.take() == ["acquired", "leader works", "late works", "late ends", "create events"]
        scene.stop.set()
        await work
    assert scene.take() == [
        "leader ends",
        "create events",
        "unwatch configmaps",
        "release",
        "endpoints closed",
    ]


@pytest.mark.behaviour("K17", "M1")
async def test_the_lease_waits_for_sources_that_are_no_caches_too() -> None:
    """K17: one that comes to its first state late, and one that never does, which is named."""

    class Orders:
        name = "orders"

        def __init__(self, first_s: float) -> None:
            self.first_s = first_s

        async def run(self, sink: Sink) -> None:
            await asyncio.sleep(self.first_s)
            sink.synced()

        async def replay(self, sink: Sink) -> None:
            pass

    async def nothing(_request: Request) -> Outcome:
        return DONE

    scene = Scene()
    scene.manager.add(Controller(name="orders", reconcile=nothing, watches=[Orders(20)]))
    async with scene.running():
        await asyncio.sleep(18)
        assert scene.log == []
        await asyncio.sleep(2)
        assert scene.log == ["acquire"]

    scene, began = Scene(sync_timeout_s=30), monotonic()
    scene.add("greeter")
    scene.manager.add(Controller(name="orders", reconcile=nothing, watches=[Orders(1e6)]))
    async with scene.running() as work:
        with pytest.raises(NotSynced, match=r"warm up the controllers: the sources of orders brought no first state"):
            await work
    assert monotonic() - began == 30
    assert "acquire" not in scene.log


@pytest.mark.behaviour("M8")
async def test_an_election_won_in_the_moment_of_the_stop_starts_nothing_and_is_given_back() -> None:
    """M8: the stop came first, though both were there when the manager looked."""
    scene = Scene()
    scene.add("leader")
    async with scene.running() as work:
        scene.stop.set()
        scene.elector.won.set()
        await work
    assert scene.log == ["watch configmaps", "acquire", "acquired", "unwatch configmaps", "release"]
    assert not scene.manager.elected.is_set()


@pytest.mark.behaviour("M8")
async def test_a_candidate_that_stops_does_not_win_meanwhile() -> None:
    """M8: while a controller for all replicas finishes its work, the lease that becomes free is left to others."""
    scene = Scene()
    scene.add("everywhere", replicas=Replicas.ALL, takes_s=20)
    async with scene.running() as work:
        scene.stop.set()
        await asyncio.sleep(1)
        scene.elector.won.set()
        await work
    assert "acquired" not in scene.log
    assert monotonic() == 20


@pytest.mark.behaviour("M5")
async def test_a_lost_lease_is_not_released() -> None:
    """M5: the process ends at once; what the server says of the lease is of no use to it any more."""
    scene = Scene()
    scene.add("leader", takes_s=1000)
    async with scene.running() as work:
        scene.elector.won.set()
        await asyncio.sleep(1)
        scene.elector.lost.set()
        with pytest.raises(LeadershipLost):
            await work
    assert monotonic() == 2
    assert "release" not in scene.log
    assert "leader ends" not in scene.log


@pytest.mark.behaviour("M5")
@pytest.mark.parametrize("is_stopping", [False, True])
async def test_work_that_outlives_a_lost_lease_is_left_behind_before_another_may_act(*, is_stopping: bool) -> None:
    """M5: nobody can end a reconcile that swallows its cancellation, but for the end of the process; so it is told."""
    scene, let_go = Scene(), asyncio.Event()

    async def reconcile(_request: Request) -> Outcome:
        while not let_go.is_set():
            with suppress(asyncio.CancelledError):
                await let_go.wait()
        return DONE

    watches = [Watch(scene.manager.informer(CONFIG_MAPS), to_self)]
    scene.manager.add(Controller(name="stubborn", reconcile=reconcile, watches=watches))
    async with scene.running() as work:
        scene.elector.won.set()
        await asyncio.sleep(1)
        if is_stopping:
            scene.stop.set()
            await asyncio.sleep(1)
        lost_at = monotonic()
        scene.elector.lost.set()
        with capture_logs() as lines, pytest.raises(BaseExceptionGroup) as caught:
            await work
        assert [type(error) for error in caught.value.exceptions] == [LeadershipLost, StillRunning]
        assert "go on although" in str(caught.value.exceptions[1])
        assert "[stubborn demo/a]" in str(caught.value.exceptions[1])
        assert 5 <= monotonic() - lost_at < 6
        (told,) = [line for line in lines if line["event"] == "work_left_behind"]
        assert (told["parts"], told["running"]) == (("controller:stubborn",), ["stubborn demo/a"])
        assert "manager_stopped" not in {line["event"] for line in lines}
        assert scene.log[-1] == "unwatch configmaps"
        let_go.set()
        await asyncio.sleep(0.1)


@pytest.mark.behaviour("M4")
async def test_who_is_in_a_hurry_leaves_the_lease_to_expire() -> None:
    """M4: a second cancellation cuts off what runs, and sends nothing more."""
    scene = Scene()
    scene.add("leader", takes_s=1000)
    async with scene.running() as work:
        scene.elector.won.set()
        await asyncio.sleep(1)
        for _ in range(2):
            work.cancel()
            await asyncio.sleep(1)
        with pytest.raises(asyncio.CancelledError):
            await work
    assert scene.take()[-3:] == ["acquired", "leader works", "unwatch configmaps"]


@pytest.mark.behaviour("M1")
async def test_endpoints_that_cannot_be_served_start_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """M1: they come first, and the error is theirs."""

    @asynccontextmanager
    async def serve(manager: Manager, endpoints: Endpoints) -> AsyncIterator[str]:
        if endpoints is manager.endpoints:
            raise OSError(98, "Address already in use")
        yield ""

    monkeypatch.setattr("ctrlkit.manager.endpoints.serve", serve, raising=False)
    scene = Scene(endpoints=Endpoints(address=":8080"))
    scene.add("leader")
    async with scene.running() as work:
        with pytest.raises(OSError, match="already in use"):
            await work
    assert scene.log == []


@pytest.mark.behaviour("B12")
async def test_an_informer_may_be_leased_for_a_while() -> None:
    """B12: it is watched as long as somebody leases it, or asked for it for good; not after the stop."""
    scene = Scene()
    scene.add("leader")
    async with scene.running() as work:
        scene.take()
        async with scene.manager.borrow_informer(SECRETS) as first, scene.manager.borrow_informer(SECRETS) as second:
            assert first is second
            await first.wait_synced()
            assert scene.take() == ["watch secrets"]
            assert [informer.name for informer in scene.manager.informers] == ["configmaps", "secrets"]
        assert scene.take() == ["unwatch secrets"]
        assert [informer.name for informer in scene.manager.informers] == ["configmaps"]
        async with scene.manager.borrow_informer(CONFIG_MAPS):
            pass
        assert scene.take() == []
        scene.stop.set()
        await work
        over = scene.manager.borrow_informer(SECRETS)
        with pytest.raises(RuntimeError, match="borrow an informer of secrets: the manager has ended"):
            await over.__aenter__()


async def test_an_elector_beside_a_sharding_is_refused() -> None:
    """One lets one work, the other all."""
    elector, sharding = cast(Elector, Told([])), cast(Sharding, object())
    with pytest.raises(ValueError, match="give it one"):
        Manager(FakeClientset().client, elector=elector, sharding=sharding)


@pytest.mark.behaviour("M7")
async def test_checks_may_be_added_at_any_time() -> None:
    """M7: they are asked by whoever asks for health."""
    manager = Manager(FakeClientset().client)
    manager.add_check("queue", lambda: "no answer", kind=CheckKind.READYZ)
    assert manager.checks.of(CheckKind.READYZ)["queue"]().note == "no answer"
    assert manager.checks.of(CheckKind.HEALTHZ) == {}


async def test_a_recorder_that_exists_can_be_asked_for_during_the_stop() -> None:
    """A reconcile in its grace period may."""
    manager = Manager(FakeClientset().client)
    recorder = manager.recorder("test")
    stop = asyncio.Event()
    stop.set()
    await manager.run(stop)
    assert manager.recorder("test") is recorder
    assert manager.recorders == (recorder,)


@pytest.mark.behaviour("E9", "E11")
async def test_events_may_be_written_to_the_newer_api() -> None:
    """E11: the two recorders of one component are two, each with a memory of its own."""
    clientset = FakeClientset(None, A)
    manager = Manager(clientset.client)
    older, newer = manager.recorder("test"), manager.recorder("test", api=EventsApi.EVENTS_V1)
    assert manager.recorder("test", api=EventsApi.EVENTS_V1) is newer
    assert manager.recorders == (older, newer)
    meta = ObjectMeta(name="a", namespace="demo", uid="1")
    newer.event(meta, CONFIG_MAPS, EventType.NORMAL, "Seen", "hello", action="Look")
    stop = asyncio.Event()
    stop.set()
    await manager.run(stop)
    (event,) = clientset.tracker.list(EVENTS_V1, "demo")
    assert (event["reportingController"], event["action"], event["note"]) == ("test", "Look", "hello")
