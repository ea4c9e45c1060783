"""One collection, mirrored once, shared by many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from structlog.testing import capture_logs

from ctrlkit.cache import Change, Delivery, Informer, InformerOptions
from ctrlkit.clock import monotonic
from ctrlkit.errors import DecodeError, Forbidden, NotSynced
from ctrlkit.model import Applied, Bookmark, Effect, ObjectKey, ObjectMeta, Record, Unusable, Write
from ctrlkit.model.kinds import PODS, SERVICES
from tests.support.list_watch import ScriptedSource, Stream
from tests.support.records import applied, deleted, record, snapshot
from tests.support.running import running


def make(**sources: ScriptedSource) -> Informer[Any]:
    return Informer[Any](PODS, {"" if scope == "all" else scope: source for scope, source in sources.items()})


def told(seen: list[Change[Any]]) -> list[tuple[str, str, str]]:
    return [(change.kind.value, str(change.key), change.cause.value) for change in seen]


@pytest.mark.behaviour("I1", "I2")
async def test_a_late_handler_gets_the_state_first_without_gap_or_double() -> None:
    """I2: adds for what is there, then what comes."""
    source = ScriptedSource([snapshot(2, record("d/a", 1), record("d/b", 2))], [Stream([applied("d/c", 3)], 1e9)])
    informer = make(all=source)
    early: list[Change[Any]] = []
    late: list[Change[Any]] = []
    informer.add_handler(early.append)
    async with running(informer):
        registration = informer.add_handler(late.append)
        assert not registration.has_synced()
        informer.apply([deleted("d/a", 4)])
        await registration.wait_synced()
        await asyncio.sleep(0)
    assert told(early) == [
        ("added", "d/a", "initial"),
        ("added", "d/b", "initial"),
        ("added", "d/c", "watch"),
        ("deleted", "d/a", "watch"),
    ]
    assert told(late) == [
        ("added", "d/a", "initial"),
        ("added", "d/b", "initial"),
        ("added", "d/c", "initial"),
        ("deleted", "d/a", "watch"),
    ]


@pytest.mark.behaviour("F1", "D1")
@pytest.mark.parametrize("records", [(), (record("d/a", 1),)], ids=["empty", "one object"])
async def test_it_has_synced_once_its_first_list_is_in_the_store(records: tuple[Record[Any], ...]) -> None:
    """F1: an empty list will do. D1: until then reads are empty, and ask and wait for nothing."""
    source = ScriptedSource([snapshot(1, *records)])
    informer = make(all=source)
    assert (informer.has_synced(), informer.lister.list(), source.calls) == (False, [], [])
    async with running(informer):
        assert informer.has_synced()
        assert informer.lister.records() == list(records)


@pytest.mark.behaviour("F7", "G1")
async def test_every_change_is_told_in_the_servers_order() -> None:
    """G1: across objects too, and none is left out for a later one (F7), in one batch or in several."""
    informer = make(all=ScriptedSource([snapshot(1)]))
    seen: list[Change[Any]] = []
    informer.add_handler(seen.append)
    async with running(informer):
        informer.apply([applied("d/a", 2), applied("d/b", 3), applied("d/a", 4)])
        informer.apply([deleted("d/a", 5)])
        informer.apply([applied("d/a", 6), deleted("d/a", 7)])
        await asyncio.sleep(0)
    assert [f"{change.kind.value} {change.key.name}@{change.record.version}" for change in seen] == [
        "added a@2",
        "added b@3",
        "updated a@4",
        "deleted a@5",
        "added a@6",
        "deleted a@7",
    ]


@pytest.mark.behaviour("S9")
async def test_whoever_waits_wakes_when_it_happens_and_hears_of_the_end() -> None:
    """S9: nobody polls, so no time passes between the list and the wake; a stop is an error, not silence."""
    source = ScriptedSource([ConnectionError("later"), snapshot(1)])
    informer = make(all=source)
    woke_at: list[float] = []

    async def wait(condition: Awaitable[None]) -> None:
        await condition
        woke_at.append(monotonic())

    async with running(informer), asyncio.TaskGroup() as group:
        registration = informer.add_handler(lambda _: None)
        group.create_task(wait(informer.wait_synced()))
        group.create_task(wait(registration.wait_synced()))
        group.create_task(wait(informer.reached("1")))
    assert woke_at == [source.calls[1][2]] * 3
    with pytest.raises(NotSynced, match="it has ended"):
        await informer.reached("2")


@pytest.mark.behaviour("D6", "S3")
async def test_an_index_may_be_added_at_any_time_and_waits_for_nothing() -> None:
    """D6: before the start, before the first list, and when there is something to index; then it is complete."""
    informer = make(all=ScriptedSource([ConnectionError("later"), snapshot(1, record("d/a", 1, app="x"))]))

    def by_app(found: Record[Any]) -> list[str]:
        return [(found.meta.labels or {}).get("app", "")]

    informer.add_index("before", by_app)
    async with running(informer):
        assert not informer.has_synced()
        informer.add_index("meanwhile", by_app)
        await informer.wait_synced()
        informer.add_index("after", by_app)
        for index in ("before", "meanwhile", "after"):
            assert [found.key.name for found in informer.lister.records_by_index(index, "x")] == ["a"]
        with pytest.raises(ValueError, match="name is taken"):
            informer.add_index("before", by_app)


async def test_scopes_fill_one_store_and_sync_when_the_last_one_has() -> None:
    """Several namespaces: a reflector each, one lister, one has_synced."""
    one = ScriptedSource([snapshot(1, record("one/a", 1))])
    two = ScriptedSource([ConnectionError("later"), snapshot(2, record("two/a", 2))])
    informer = make(one=one, two=two)
    registration = informer.add_handler(lambda _: None)
    async with running(informer):
        assert not informer.has_synced()
        assert informer.busy() == ("informer:pods not synced",)
        assert isinstance(informer.last_error, ConnectionError)
        await informer.wait_synced()
        await registration.wait_synced()
        assert [str(key) for key in informer.lister.keys()] == ["one/a", "two/a"]
        assert informer.versions == {"one": "1", "two": "2"}
        assert informer.busy() == ()


@pytest.mark.behaviour("I3", "I4")
async def test_an_informer_runs_once_and_takes_no_handler_afterwards() -> None:
    """I3 and I4 as errors that say what to do."""
    informer = make(all=ScriptedSource([snapshot(1)]))
    async with running(informer):
        pass
    with pytest.raises(RuntimeError, match="make a new one"):
        await informer.run()
    with pytest.raises(RuntimeError, match="add it to one that runs"):
        informer.add_handler(lambda _: None)


async def test_a_removed_handler_hears_no_more_and_the_others_do() -> None:
    """Removal is immediate and private."""
    informer = make(all=ScriptedSource([snapshot(1)]))
    gone: list[Change[Any]] = []
    kept: list[Change[Any]] = []
    registration = informer.add_handler(gone.append)
    informer.add_handler(kept.append)
    async with running(informer):
        informer.remove_handler(registration)
        informer.apply([applied("d/a", 2)])
        await asyncio.sleep(0)
    assert gone == []
    assert told(kept) == [("added", "d/a", "watch")]


async def test_statistics_show_what_an_operator_asks_for() -> None:
    """Objects, state, lists by reason, and handlers behind."""
    informer = make(all=ScriptedSource([snapshot(1, record("d/a", 1))]))
    informer.add_handler(lambda _: None, name="mine")
    async with running(informer):
        statistics = informer.statistics()
    assert statistics.objects == 1
    assert statistics.reflectors[""].state == "watching"
    assert statistics.reflectors[""].lists == {"first": 1}
    assert {handler.name: handler.depth for handler in statistics.handlers} == {"mine": 0}


async def test_what_a_lister_returns_cannot_damage_the_cache() -> None:
    """Each look is a private copy (B25)."""
    informer = make(all=ScriptedSource([snapshot(1, record("d/a", 1))]))
    async with running(informer):
        found = informer.lister.get("d/a")
        found["version"] = "spoilt"
        assert informer.lister.get("d/a") == {"key": "d/a", "version": "1"}
        assert informer.lister.find("d/none") is None


@pytest.mark.behaviour("I9", "B9")
async def test_changes_that_the_end_leaves_unseen_are_counted_and_told() -> None:
    """I9 drops them in silence."""
    informer = make(all=ScriptedSource([snapshot(1)]))
    registration = informer.add_handler(lambda _: None, name="mine")
    with capture_logs() as lines:
        async with running(informer):
            informer.apply([applied(f"d/{n}", n) for n in range(2, 2002)])
    (line,) = [line for line in lines if line["event"] == "changes_dropped"]
    unseen = 2000 - registration.statistics().handled
    assert (line["handler"], line["changes"]) == ("mine", unseen)
    assert informer.statistics().dropped == unseen > 0


@pytest.mark.behaviour("B8")
async def test_a_handler_that_asks_for_the_latest_sees_one_change_for_each_object() -> None:
    """B8: what waits is bounded by the objects, not by the changes."""
    informer = make(all=ScriptedSource([snapshot(1)]))
    every: list[Change[Any]] = []
    latest: list[Change[Any]] = []
    informer.add_handler(every.append)
    informer.add_handler(latest.append, delivery=Delivery.LATEST)
    async with running(informer):
        informer.apply([applied("d/a", 2), applied("d/a", 3), applied("d/b", 4), deleted("d/a", 5)])
        await asyncio.sleep(0)
    assert len(every) == 4
    assert told(latest) == [("deleted", "d/a", "watch"), ("added", "d/b", "watch")]


@pytest.mark.behaviour("I5", "B8")
async def test_a_coalescing_handler_syncs_too() -> None:
    """I5, whatever is merged into the first list while it waits."""
    source = ScriptedSource([snapshot(2, record("d/a", 1), record("d/b", 2))])
    informer = make(all=source)
    async with running(informer):
        registration = informer.add_handler(lambda _: None, delivery=Delivery.LATEST)
        informer.apply([deleted("d/a", 3), applied("d/b", 4)])
        assert not registration.has_synced()
        await registration.wait_synced()


@pytest.mark.behaviour("B1", "F11")
async def test_a_version_is_reached_by_events_and_by_bookmarks() -> None:
    """F11: what the store holds, not what was asked for; who waits is woken, not polled."""
    later = Stream([applied("d/a", 5)], then=[(10, [Bookmark("9")])], open_s=1e9)
    informer = make(all=ScriptedSource([snapshot(3)], [later]))
    async with running(informer):
        await informer.reached("3")
        await informer.reached("5")
        before = asyncio.get_running_loop().time()
        await informer.reached("9", namespace="d", timeout_s=60)
        assert 9 < asyncio.get_running_loop().time() - before <= 10
        with pytest.raises(NotSynced, match=r"wait for version 12: informer pods is at version 9 after 2 s"):
            await informer.reached("12", timeout_s=2)
        late = asyncio.create_task(informer.reached("12"))
        await asyncio.sleep(0)
    with pytest.raises(NotSynced, match="it has ended"):
        await late


@pytest.mark.behaviour("B1")
async def test_only_the_scope_of_a_namespace_has_to_reach_its_versions() -> None:
    """Another namespace's stream never shows them."""
    one, two = ScriptedSource([snapshot(5)]), ScriptedSource([snapshot(2)])
    informer = make(one=one, two=two)
    async with running(informer):
        await informer.reached("5", namespace="one", timeout_s=1)
        with pytest.raises(NotSynced):
            await informer.reached("5", namespace="two", timeout_s=1)
        with pytest.raises(NotSynced):
            await informer.reached("5", timeout_s=1)


def write(key: str, version: str, effect: Effect = Effect.WRITTEN, **more: Any) -> Write:
    return Write(resource=PODS, key=ObjectKey.parse(key), effect=effect, version=version, **more)


@pytest.mark.behaviour("B1", "Q25")
async def test_a_write_is_shown_when_its_object_is_not_older() -> None:
    """Per object, so that a quiet kind does not have to wait for a bookmark."""
    informer = make(all=ScriptedSource([snapshot(3, record("d/a", 2))]))
    async with running(informer):
        assert informer.shows(write("d/a", "2"))
        assert not informer.shows(write("d/a", "4"))
        assert not informer.shows(write("d/new", "4"))
        assert informer.shows(write("d/new", "3"))  # the mirror is past it: it came and went
        waiting = asyncio.create_task(informer.shown(write("d/new", "4"), timeout_s=1))
        await asyncio.sleep(0)
        informer.apply([applied("d/new", 4)])
        await waiting
        with pytest.raises(NotSynced, match="wait for pods d/a written at 9"):
            await informer.shown(write("d/a", "9"), timeout_s=1)


@pytest.mark.behaviour("B1")
async def test_a_deletion_is_shown_when_the_object_is_gone_going_or_another() -> None:
    """S7 does not hide deletes."""
    informer = make(all=ScriptedSource([snapshot(3, record("d/a", 2))]))
    gone = write("d/a", "", Effect.DELETED, uid="1")
    async with running(informer):
        informer.apply([Applied(with_meta("d/b", "4", uid="1"))])
        assert not informer.shows(write("d/b", "", Effect.DELETED, uid="1"))
        assert informer.shows(write("d/b", "", Effect.DELETED, uid="2"))
        informer.apply([Applied(with_meta("d/b", "5", uid="1", deletion_timestamp="2026-01-01T00:00:00Z"))])
        assert informer.shows(write("d/b", "5", Effect.DELETED, uid="1"))
        assert not informer.shows(write("d/b", "6", Effect.DELETED, uid="1"))
        assert informer.shows(write("d/none", "", Effect.DELETED))
        informer.apply([deleted("d/a", 7)])
        assert informer.shows(gone)


def with_meta(key: str, version: str, **meta: Any) -> Record[Any]:
    namespace, name = ObjectKey.parse(key)
    return Record(ObjectMeta(namespace=namespace, name=name, resource_version=version, **meta), {}, dict)


@pytest.mark.behaviour("B1")
async def test_writes_that_never_come_here_are_not_waited_for() -> None:
    """Another kind, namespace, selection or server."""
    here = ScriptedSource([snapshot(3)])
    informer = Informer[Any](PODS, {"d": here}, options=InformerOptions(label_selector="app=x"))
    async with running(informer):
        assert informer.shows(write("other/a", "9"))
        assert informer.shows(Write(resource=SERVICES, key=ObjectKey("d", "a"), effect=Effect.WRITTEN, version="9"))
        assert informer.shows(write("d/a", "9"))
        assert not informer.shows(write("d/a", "9", labels={"app": "x"}))
        here.server = object()  # type: ignore[attr-defined]
        assert informer.shows(write("d/a", "9", labels={"app": "x"}, server=object()))
        assert not informer.shows(write("d/a", "9", labels={"app": "x"}, server=here.server))  # type: ignore[attr-defined]


@pytest.mark.behaviour("B4", "B14", "B19")
async def test_statistics_tell_of_failures_faults_and_age() -> None:
    """B4: the cause in a class of its own; B14: each object that cannot be used, and why."""
    bad: Unusable[dict[str, Any]] = Unusable(record("d/bad", 2).meta, DecodeError("no spec"))
    refused = Stream(error=Forbidden("no watch"), refused=True)
    informer = make(all=ScriptedSource([snapshot(2, record("d/a", 1), bad)], [refused]))
    informer.add_index("broken", lambda found: [(found.meta.annotations or {})["team"]])
    async with running(informer):
        await asyncio.sleep(5)
        statistics = informer.statistics()
    assert statistics.synced
    assert statistics.quarantined == {"d/bad": "no spec"}
    assert (statistics.objects, statistics.version, statistics.index_failures) == (2, "2", 2)
    failure = statistics.reflectors[""].watch_error
    assert failure is not None
    assert failure.cause.value == "forbidden"
    assert statistics.last_event_age_s is not None
    assert 0 <= statistics.last_event_age_s <= 5.01


@pytest.mark.behaviour("B4")
async def test_it_says_which_of_its_scopes_are_not_listed_and_why() -> None:
    """In an error's text, and in log lines; a scope that did not fail has no cause but what it does."""
    refused = Forbidden("may not list")
    with capture_logs() as lines:
        informer = make(a=ScriptedSource([refused]), b=ScriptedSource([snapshot(1)]))
        assert informer.lag() == "pods@a: no answer yet (new); pods@b: no answer yet (new)"
        task = asyncio.create_task(informer.run())
        await asyncio.sleep(0.1)
        assert informer.lag() == f"pods@a: {refused} (forbidden, waiting)"
        task.cancel()
        await asyncio.wait([task])
    assert {line["collection"] for line in lines if line["event"] == "list_failed"} == {"pods@a"}


async def test_an_informer_of_everything_says_no_scope() -> None:
    """There is one reflector, and its name is the informer's."""
    refused = Forbidden("may not list")
    with capture_logs() as lines:
        informer = make(all=ScriptedSource([refused]))
        task = asyncio.create_task(informer.run())
        await asyncio.sleep(0.1)
        assert informer.lag() == f"pods: {refused} (forbidden, waiting)"
        task.cancel()
        await asyncio.wait([task])
    assert {line["collection"] for line in lines if line["event"] == "list_failed"} == {"pods"}
