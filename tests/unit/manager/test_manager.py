"""What runs, from when to when, and how it ends."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit.cache import ForbiddenNamespaces, Informer, InformerOptions
from ctrlkit.client import noting_writes
from ctrlkit.clock import monotonic
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.errors import ApiError, Forbidden, NotFound, NotSynced
from ctrlkit.events import EventType
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.manager import CheckKind, GraceExceeded, Manager
from ctrlkit.manager.endpoints.health import Heartbeat, checks_of
from ctrlkit.model import Action
from ctrlkit.model.kinds import CONFIG_MAPS, EVENTS, NAMESPACES, SECRETS, SERVICES
from tests.support.list_watch import ScriptedSource
from tests.support.records import snapshot


def config_map(name: str, namespace: str = "demo") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}


def refuse(error: ApiError) -> Callable[[Action], object]:
    def reactor(_action: Action) -> object:
        raise error

    return reactor


class Runs:
    """A reconciler that takes its time and notes how its runs end."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.takes_s = takes_s
        self.began: list[str] = []
        self.ended: list[str] = []

    async def __call__(self, request: Request) -> Outcome:
        self.began.append(str(request.key))
        try:
            await asyncio.sleep(self.takes_s)
        except asyncio.CancelledError:
            self.ended.append(f"{request.key} cancelled")
            raise
        self.ended.append(f"{request.key} done")
        return DONE


def add(manager: Manager, reconcile: Callable[[Request], Awaitable[Outcome]], name: str = "test") -> Informer[Any]:
    informer = manager.informer(CONFIG_MAPS)
    manager.add(Controller(name=name, reconcile=reconcile, watches=[Watch(informer, to_self)]))
    return informer


@asynccontextmanager
async def running(manager: Manager) -> AsyncIterator[tuple[asyncio.Task[None], asyncio.Event]]:
    """The manager at work, asked to stop at the end."""
    stop = asyncio.Event()
    work = asyncio.create_task(manager.run(stop))
    try:
        yield work, stop
    finally:
        stop.set()
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # looked at, so that a test which expects it need not fetch it again


@pytest.mark.behaviour("M1", "K5")
async def test_workers_start_when_every_cache_has_synced() -> None:
    """M1: also those that no controller watches, for a reconciler reads them too."""
    clientset = FakeClientset(None, config_map("a"), config_map("b"))
    manager = Manager(clientset.client)
    secrets = manager.informer(SECRETS)
    seen: list[bool] = []

    async def reconcile(_request: Request) -> Outcome:
        seen.append(secrets.has_synced() and config_maps.has_synced())
        return DONE

    outage = refuse(ApiError("down", code=503))
    clientset.add_reactor("list", SECRETS, lambda action: outage(action) if monotonic() < 10 else None)
    config_maps = add(manager, reconcile)
    async with running(manager):
        await asyncio.sleep(5)
        assert "manager waits for its caches" in manager.busy()
        assert not seen
        await asyncio.sleep(60)
        assert manager.busy() == ()
    assert seen == [True, True]


@pytest.mark.behaviour("K5", "B4")
async def test_caches_that_do_not_fill_end_it_and_are_named_with_their_reasons() -> None:
    """K5, B4: RBAC and a missing definition are told apart; what did sync is not named."""
    clientset = FakeClientset(None, config_map("a"))
    clientset.add_reactor("list", SECRETS, refuse(Forbidden("secrets is forbidden")))
    clientset.add_reactor("list", SERVICES, refuse(NotFound("no such kind")))
    manager = Manager(clientset.client, sync_timeout_s=20)
    manager.informer(SECRETS)
    manager.informer(SERVICES)
    runs = Runs()
    add(manager, runs)
    with pytest.raises(NotSynced) as caught:
        await manager.run()
    assert monotonic() == 20
    message = str(caught.value)
    assert "secrets: " in message
    assert "secrets is forbidden" in message
    assert "no such kind" in message
    assert "configmaps" not in message
    assert runs.began == []


@pytest.mark.behaviour("K5")
async def test_a_stop_while_caches_fill_ends_it_quietly() -> None:
    """K5: no error, no reconcile."""
    clientset = FakeClientset(None, config_map("a"))
    clientset.add_reactor("list", CONFIG_MAPS, refuse(Forbidden("no")))
    manager, runs = Manager(clientset.client), Runs()
    add(manager, runs)
    async with running(manager) as (work, stop):
        await asyncio.sleep(5)
        stop.set()
        await work
    assert monotonic() == 5
    assert (runs.began, manager.busy()) == ([], ())


async def test_a_stop_that_came_before_the_run_ends_it_at_once() -> None:
    """A signal may come as early as that."""
    stop, runs = asyncio.Event(), Runs()
    manager = Manager(FakeClientset(None, config_map("a")).client)
    add(manager, runs)
    stop.set()
    await manager.run(stop)
    assert runs.began == []


@pytest.mark.behaviour("M3", "B2", "B15")
async def test_it_stops_in_order_workers_then_events_then_caches() -> None:
    """M3: a reconcile that ends after the stop still writes, sees its write come round, and has its Event written."""
    clientset = FakeClientset(None, config_map("a"))
    manager = Manager(clientset.client)
    recorder = manager.recorder("test")
    seen: list[bool] = []

    async def reconcile(request: Request) -> Outcome:
        await asyncio.sleep(10)
        await clientset.client.create(CONFIG_MAPS, config_map("made-late"))
        await asyncio.sleep(1)
        seen.append(config_maps.lister.find("demo/made-late") is not None)
        recorder.event(config_maps.lister.get(request.key).metadata, CONFIG_MAPS, EventType.NORMAL, "Made", "made it")
        return DONE

    config_maps = add(manager, reconcile)
    async with running(manager) as (work, stop):
        await asyncio.sleep(5)
        stop.set()
        await work
    assert monotonic() == 11
    assert seen == [True]
    assert [event["reason"] for event in clientset.tracker.list(EVENTS)] == ["Made"]


@pytest.mark.behaviour("B15")
async def test_the_last_events_are_waited_for_but_not_for_ever() -> None:
    """B15: a server that takes a second for an Event, and one that takes a minute."""
    for takes_s, written, stopped_at in ((1.0, ["Seen"], 6), (60.0, [], 7)):
        clientset = FakeClientset(None, config_map("a"))
        clientset.add_reactor("create", EVENTS, lambda _action, takes_s=takes_s: asyncio.sleep(takes_s))  # type: ignore[misc]
        manager = Manager(clientset.client)
        recorder, config_maps = manager.recorder("test"), manager.informer(CONFIG_MAPS)
        began = monotonic()
        async with running(manager) as (work, stop):
            await asyncio.sleep(5)
            meta = config_maps.lister.get("demo/a").metadata
            recorder.event(meta, CONFIG_MAPS, EventType.NORMAL, "Seen", "seen it")
            stop.set()
            await work
        assert monotonic() == began + stopped_at
        assert [event["reason"] for event in clientset.tracker.list(EVENTS)] == written


async def test_a_controller_still_waiting_for_its_caches_at_the_stop_is_let_go() -> None:
    """Its time limit passes while another one's reconcile ends; that is nobody's failure any more."""
    clientset = FakeClientset(None, config_map("a"))
    clientset.add_reactor("list", SECRETS, refuse(Forbidden("no")))
    manager, runs = Manager(clientset.client, sync_timeout_s=8), Runs(takes_s=20)
    add(manager, runs)
    async with running(manager) as (work, stop):
        await asyncio.sleep(5)
        secrets = manager.informer(SECRETS)
        manager.add(Controller(name="late", reconcile=runs, watches=[Watch(secrets, to_self)]))
        await asyncio.sleep(1)
        stop.set()
        await work
    assert (runs.ended, monotonic()) == (["demo/a done"], 20)


@pytest.mark.behaviour("M4", "B2")
async def test_reconciles_that_outlast_the_grace_period_are_cut_off_and_named() -> None:
    """M4: what ends in time is not disturbed; the error names the rest."""
    clientset = FakeClientset(None, config_map("a"), config_map("b", "other"))
    manager = Manager(clientset.client, grace_s=20)
    short, long = Runs(takes_s=10), Runs(takes_s=1000)
    add(manager, short, "short")
    add(manager, long, "long")
    with capture_logs() as lines:
        async with running(manager) as (work, stop):
            await asyncio.sleep(5)
            stop.set()
            with pytest.raises(GraceExceeded, match=r"1 reconciles had not ended after 20 s.*\[long demo/a\]"):
                await work
    (awaited,) = [line for line in lines if line["event"] == "reconciles_awaited"]
    assert (awaited["running"], awaited["up_to_s"]) == (["short demo/a", "long demo/a"], 20)
    assert monotonic() == 25
    assert (short.ended, long.ended) == (["demo/a done"], ["demo/a cancelled"])


@pytest.mark.behaviour("M4")
async def test_no_grace_cuts_off_at_once_and_an_idle_controller_needs_none() -> None:
    """M4: 0 means no waiting; negative times are refused, there is no waiting for ever."""
    clientset = FakeClientset(None, config_map("a"))
    for takes_s, failure in ((1000.0, GraceExceeded), (0.0, None)):
        manager, runs = Manager(clientset.client, grace_s=0), Runs(takes_s)
        add(manager, runs)
        began = monotonic()
        async with running(manager) as (work, stop):
            await asyncio.sleep(5)
            stop.set()
            await asyncio.wait([work])
            assert type(work.exception()) is (failure or type(None))
        assert monotonic() == began + 5
    with pytest.raises(ValueError, match="must not be negative"):
        Manager(clientset.client, grace_s=-1)


@pytest.mark.behaviour("M4", "B2")
async def test_cancelling_the_run_stops_in_order_too_and_a_second_time_at_once() -> None:
    """The first lets reconciles finish, the second does not."""
    for cancellations, end, took_s in ((1, "demo/a done", 10), (2, "demo/a cancelled", 7)):
        manager, runs = Manager(FakeClientset(None, config_map("a")).client), Runs(takes_s=10)
        add(manager, runs)
        began = monotonic()
        work = asyncio.create_task(manager.run())
        for _ in range(cancellations):
            await asyncio.sleep(3.5)
            work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert (runs.ended, monotonic() - began) == ([end], took_s)


# ---- one controller and what others asked for --------------------------------------------------------------------


@pytest.mark.parametrize("error", [NotFound("no such kind"), Forbidden("no role")])
@pytest.mark.parametrize("how", ["leased", "asked for good"])
async def test_a_controller_that_is_added_does_not_wait_for_what_the_server_refuses_to_others(
    how: str, error: ApiError
) -> None:
    """A controller waits for its own sources; somebody else's kind that is not served, or not readable, is theirs."""
    clientset, runs = FakeClientset(None, config_map("a")), Runs()
    clientset.add_reactor("list", SECRETS, refuse(error))
    manager = Manager(clientset.client, sync_timeout_s=20)
    async with running(manager) as (work, _stop):
        await asyncio.sleep(1)
        async with AsyncExitStack() as stack:
            if how == "leased":
                await stack.enter_async_context(manager.borrow_informer(SECRETS))
            else:
                manager.informer(SECRETS)
            add(manager, runs)
            await asyncio.sleep(5)
            assert runs.ended == ["demo/a done"]
            await asyncio.sleep(100)
            assert not work.done()


async def test_a_leased_informer_does_not_keep_the_manager_from_starting() -> None:
    """It is its user's alone, who waits for it himself; a controller that watches it waits as well."""
    clientset, runs = FakeClientset(None, config_map("a")), Runs()
    clientset.add_reactor("list", SECRETS, refuse(NotFound("no such kind")))
    manager = Manager(clientset.client, sync_timeout_s=20)
    add(manager, runs)
    async with manager.borrow_informer(SECRETS) as secrets, running(manager) as (work, _stop):
        await asyncio.sleep(50)
        assert manager.elected.is_set()
        assert runs.ended == ["demo/a done"]
        manager.add(Controller(name="other", reconcile=runs, watches=[Watch(secrets, to_self)]))
        with pytest.raises(NotSynced, match=r"1 not synced after 20 s: secrets: .*no such kind.* \(missing"):
            await work


async def test_a_controller_that_is_added_waits_for_what_it_may_read() -> None:
    """An informer that was asked for good and is on its way: a reconciler could take an empty cache for the truth."""
    clientset, runs = FakeClientset(None, config_map("a")), Runs()
    outage = refuse(ApiError("down", code=503))
    clientset.add_reactor("list", SECRETS, lambda action: outage(action) if monotonic() < 10 else None)
    manager = Manager(clientset.client, sync_timeout_s=60)
    async with running(manager):
        await asyncio.sleep(1)
        secrets = manager.informer(SECRETS)
        add(manager, runs)
        await asyncio.sleep(8)
        assert runs.began == []
        await asyncio.sleep(50)
        assert secrets.has_synced()
        assert runs.ended == ["demo/a done"]


# ---- namespaces that may not be read -----------------------------------------------------------------------------


def forbid(clientset: FakeClientset, namespace: str, *, until_s: float = math.inf) -> None:
    """Nobody may list or watch in a namespace before a time."""

    def reactor(action: Action) -> object:
        if action.namespace == namespace and monotonic() < until_s:
            raise Forbidden(f"configmaps is forbidden in the namespace {namespace!r}")
        return None

    clientset.add_reactor("list", CONFIG_MAPS, reactor)


@pytest.mark.behaviour("D7", "K5")
async def test_a_namespace_that_may_not_be_read_ends_it_by_default_and_is_named() -> None:
    """As controller-runtime does: nothing is served by halves unless that was asked for."""
    clientset, runs = FakeClientset(None, config_map("a"), config_map("b", "other")), Runs()
    forbid(clientset, "other")
    manager = Manager(clientset.client, namespaces=["demo", "other"], sync_timeout_s=20)
    add(manager, runs)
    with pytest.raises(NotSynced) as caught:
        await manager.run()
    assert "1 not synced after 20 s: configmaps@other: " in str(caught.value)
    assert "configmaps is forbidden in the namespace 'other'" in str(caught.value)
    assert "(forbidden, " in str(caught.value)
    assert runs.began == []


async def test_a_namespace_that_may_not_be_read_is_skipped_where_that_was_asked_for() -> None:
    """The other one is served, everybody is told, and when the namespace may be read it is filled."""
    clientset, runs = FakeClientset(None, config_map("a"), config_map("b", "other")), Runs()
    forbid(clientset, "other", until_s=100)
    manager = Manager(
        clientset.client, namespaces=["demo", "other"], forbidden_namespaces=ForbiddenNamespaces.SKIP, sync_timeout_s=20
    )
    config_maps = add(manager, runs)
    with capture_logs() as lines:
        async with running(manager):
            await asyncio.sleep(50)
            assert runs.ended == ["demo/a done"]
            ready = checks_of(manager, Heartbeat(), CheckKind.READYZ)["informer:configmaps"]()
            assert not ready.failed
            assert ready.note.startswith("other is not served: ")
            scopes = config_maps.statistics().reflectors
            assert scopes["other"].list_error is not None
            assert (scopes["other"].list_error.cause.value, scopes["demo"].list_error) == ("forbidden", None)
            assert list(config_maps.skipped) == ["other"]
            assert config_maps.statistics().last_event_age_s is None, "the namespace was never heard of"
            await asyncio.sleep(100)
            assert runs.ended == ["demo/a done", "other/b done"]
            assert not config_maps.skipped
            assert checks_of(manager, Heartbeat(), CheckKind.READYZ)["informer:configmaps"]().note == ""
    told = [(line["event"], line["namespace"]) for line in lines if line["event"].startswith("namespace_")]
    assert told == [("namespace_skipped", "other"), ("namespace_readable", "other")]


async def test_where_no_namespace_may_be_read_nothing_is_served() -> None:
    """To skip all of them would be to run for nothing."""
    clientset = FakeClientset(None, config_map("a"))
    forbid(clientset, "demo")
    forbid(clientset, "other")
    manager = Manager(
        clientset.client, namespaces=["demo", "other"], forbidden_namespaces=ForbiddenNamespaces.SKIP, sync_timeout_s=20
    )
    add(manager, Runs())
    with pytest.raises(NotSynced, match=r"configmaps@demo: .*configmaps@other: "):
        await manager.run()


async def test_a_namespace_that_cannot_be_reached_is_waited_for() -> None:
    """Only a refusal is skipped: an outage is over some time."""
    clientset, runs = FakeClientset(None, config_map("a")), Runs()
    outage = refuse(ApiError("down", code=503))
    clientset.add_reactor("list", CONFIG_MAPS, lambda action: outage(action) if action.namespace == "other" else None)
    manager = Manager(
        clientset.client, namespaces=["demo", "other"], forbidden_namespaces=ForbiddenNamespaces.SKIP, sync_timeout_s=20
    )
    add(manager, runs)
    with pytest.raises(NotSynced, match="configmaps@other: "):
        await manager.run()
    assert runs.began == []


async def test_a_write_to_a_skipped_namespace_is_not_waited_for() -> None:
    """It will not show here, and the key would be held for ten seconds each time."""
    clientset = FakeClientset(None, config_map("a"), config_map("b", "other"))
    forbid(clientset, "other")
    manager = Manager(clientset.client, namespaces=["demo", "other"], forbidden_namespaces=ForbiddenNamespaces.SKIP)
    config_maps = add(manager, Runs())
    async with running(manager):
        await asyncio.sleep(1)
        with noting_writes() as writes:
            await clientset.client.create(CONFIG_MAPS, config_map("new", "other"))
        assert config_maps.shows(writes[-1])


def broken_controller(name: str = "broken") -> Controller:
    """A controller that fails as soon as it runs: its informer has ended."""
    informer = Informer[Any](SECRETS, {"": ScriptedSource([snapshot(1)])})

    def refuse_handlers(*_args: object, **_kwargs: object) -> None:
        raise OSError("disk")

    informer.add_handler = refuse_handlers  # type: ignore[method-assign, assignment]
    return Controller(name=name, reconcile=Runs(), watches=[Watch(informer, to_self)])


async def test_a_part_that_fails_ends_the_others_in_order_and_is_raised_as_it_is() -> None:
    """The healthy controller's reconcile ends undisturbed; the cause is no group."""
    manager, runs = Manager(FakeClientset(None, config_map("a")).client), Runs(takes_s=10)
    add(manager, runs)
    async with running(manager) as (work, _stop):
        await asyncio.sleep(5)
        manager.add(broken_controller())
        with pytest.raises(OSError, match="disk"):
            await work
    assert runs.ended == ["demo/a done"]
    assert monotonic() == 10


@pytest.mark.behaviour("M4")
async def test_several_failures_are_raised_together() -> None:
    """M4: what the stop found wrong is joined to why it stopped."""
    manager, runs = Manager(FakeClientset(None, config_map("a")).client, grace_s=1), Runs(takes_s=10)
    add(manager, runs)
    async with running(manager) as (work, _stop):
        await asyncio.sleep(5)
        manager.add(broken_controller())
        with pytest.raises(ExceptionGroup) as caught:
            await work
    assert [type(error) for error in caught.value.exceptions] == [OSError, GraceExceeded]


@pytest.mark.behaviour("M7")
async def test_what_is_added_late_starts_at_once() -> None:
    """M7: a controller with an informer of its own, and a recorder."""
    clientset = FakeClientset(None, config_map("a"))
    manager, runs = Manager(clientset.client), Runs()
    async with running(manager):
        await asyncio.sleep(5)
        config_maps = add(manager, runs)
        await asyncio.sleep(5)
        assert runs.ended == ["demo/a done"]
        recorder = manager.recorder("late")
        recorder.event(config_maps.lister.get("demo/a").metadata, CONFIG_MAPS, EventType.NORMAL, "Seen", "seen it")
        assert manager.busy() == ("recorder:late has 1 events to write",)
        await asyncio.sleep(1)
        assert manager.busy() == ()
    assert [event["reason"] for event in clientset.tracker.list(EVENTS)] == ["Seen"]


@pytest.mark.behaviour("M7")
async def test_it_runs_once_and_takes_nothing_in_after_the_stop() -> None:
    """M7: during the stop neither."""
    manager = Manager(FakeClientset(None, config_map("a")).client)
    add(manager, Runs(takes_s=10))

    def nothing_goes() -> None:
        for addition in (
            lambda: manager.informer(SECRETS),
            lambda: manager.recorder("late"),
            lambda: manager.add(broken_controller()),
        ):
            with pytest.raises(RuntimeError, match="make a new manager"):
                addition()

    async with running(manager) as (work, stop):
        await asyncio.sleep(5)
        with pytest.raises(RuntimeError, match=r"^run the manager: it runs; make a new one"):
            await manager.run()
        stop.set()
        await asyncio.sleep(1)
        nothing_goes()
        await work
    nothing_goes()
    with pytest.raises(RuntimeError, match="it has ended"):
        await manager.run()


async def test_informers_and_recorders_are_shared() -> None:
    """The same question has the same answer."""
    manager = Manager(FakeClientset().client)
    assert manager.informer(CONFIG_MAPS) is manager.informer(CONFIG_MAPS)
    assert manager.informer(CONFIG_MAPS) is not manager.informer(CONFIG_MAPS, InformerOptions(label_selector="app=net"))
    assert manager.recorder("a") is manager.recorder("a") is not manager.recorder("b")
    assert len(manager.informers) == 2


async def test_namespaces_limit_what_is_seen_and_asked_for() -> None:
    """One informer over all that were named; cluster-scoped kinds are not limited."""
    clientset = FakeClientset(None, config_map("a", "one"), config_map("b", "two"), config_map("c", "three"))
    manager, runs = Manager(clientset.client, namespaces=["one", "two"]), Runs()
    add(manager, runs)
    manager.informer(NAMESPACES)
    async with running(manager):
        await asyncio.sleep(1)
    assert runs.ended == ["one/a done", "two/b done"]
    asked = {(action.resource.plural, action.namespace) for action in clientset.actions}
    assert asked == {("configmaps", "one"), ("configmaps", "two"), ("namespaces", "")}
