"""Why a key is wanted, in words and in numbers."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ctrlkit.cache import Cause, Change
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_mapped, to_owner, to_self
from ctrlkit.controller.causes import CAUSES_MAX, CauseKind, Causes, fields_changed
from ctrlkit.errors import Forbidden
from ctrlkit.model import ObjectKey, ObjectMeta, OwnerReference, Record
from ctrlkit.model.kinds import PODS, STATEFULSETS
from tests.support.records import applied
from tests.unit.controller.support import Script, lines_of, one, pods, running, samples, without_jitter

KEY = ObjectKey("d", "net")
OWNER = OwnerReference(api_version="apps/v1", kind="StatefulSet", name="net", uid="1", controller=True)
BEFORE = ObjectMeta(name="a", namespace="d", uid="u", resource_version="1", generation=1, labels={"app": "net"})


def record(meta: ObjectMeta) -> Record[Any]:
    return Record(meta, {}, dict)


def after(**changed: Any) -> ObjectMeta:
    fields = {name: getattr(BEFORE, name) for name in ("name", "namespace", "uid", "generation", "labels")}
    return ObjectMeta(**{**fields, "resource_version": "2", **changed})


@pytest.mark.behaviour("B30")
@pytest.mark.parametrize(
    ("new", "words"),
    [
        (after(generation=2), "updated spec"),
        (after(labels={"app": "net", "tier": "1"}), "updated labels"),
        (after(annotations={"note": "x"}), "updated annotations"),
        (after(finalizers=("demo.dev/f",)), "updated finalizers"),
        (after(deletion_timestamp="2026-01-01T00:00:00Z", generation=2), "updated deletion"),
        (after(owner_references=(OWNER,)), "updated owners"),
        (after(), "updated status"),
        (after(annotations={}, finalizers=(), owner_references=()), "updated status"),
        (after(uid="another"), "recreated"),
        (after(resource_version="1"), "unchanged"),
    ],
)
def test_a_cause_names_the_fields_that_metadata_shows(new: ObjectMeta, words: str) -> None:
    """B30: nothing is decoded for it."""
    causes = Causes()
    causes.note_change(KEY, CauseKind.EVENT, PODS, Change(record(BEFORE), record(new), Cause.WATCH), 0)
    assert causes.take(KEY, 0).causes == (f"pods d/a {words} at {new.resource_version}",)


def test_a_kind_without_generations_has_content() -> None:
    """ConfigMaps: nothing tells what of them changed."""
    old, new = (ObjectMeta(name="a", resource_version=version) for version in "12")
    assert fields_changed(old, new) == ("content",)


@pytest.mark.behaviour("B30")
@pytest.mark.parametrize(
    ("kind", "change", "words", "counted"),
    [
        (CauseKind.EVENT, Change(None, record(BEFORE), Cause.WATCH), "pods d/a added at 1", CauseKind.EVENT),
        (CauseKind.OWNER, Change(None, record(BEFORE), Cause.WATCH), "owned pods d/a added at 1", CauseKind.OWNER),
        (CauseKind.MAPPED, Change(record(BEFORE), None, Cause.WATCH), "mapped pods d/a deleted at 1", CauseKind.MAPPED),
        (
            CauseKind.OWNER,
            Change(None, record(BEFORE), Cause.INITIAL),
            "owned pods d/a added at 1, seen by the first list",
            CauseKind.INITIAL,
        ),
        (
            CauseKind.EVENT,
            Change(record(BEFORE), record(after(generation=2)), Cause.RELIST),
            "pods d/a updated spec at 2, seen by a new list",
            CauseKind.RELIST,
        ),
        (
            CauseKind.EVENT,
            Change(record(BEFORE), record(BEFORE), Cause.RESYNC),
            "pods d/a unchanged at 1, seen by a resync",
            CauseKind.RESYNC,
        ),
    ],
)
def test_a_cause_says_by_which_way_the_change_came(
    kind: CauseKind, change: Change[Any], words: str, counted: CauseKind
) -> None:
    """B30: the relation in words; in numbers the way it was learnt, where that was no watch."""
    causes = Causes()
    causes.note_change(KEY, kind, PODS, change, 0)
    wanted = causes.take(KEY, 0)
    assert (wanted.causes, wanted.kinds) == ((words,), (counted,))


changes = st.lists(st.tuples(st.integers(0, 11), st.sampled_from(["set", "delete", "say"])), min_size=1, max_size=60)


@pytest.mark.behaviour("B30")
@given(changes)
def test_for_any_history_causes_are_few_and_nothing_goes_uncounted(history: list[tuple[int, str]]) -> None:
    """Each object is one cause, told as what came out between the oldest state and the newest."""
    causes, versions = Causes(), itertools.count(1)
    objects: dict[int, ObjectMeta] = {}
    for number, what in history:
        old = objects.get(number)
        if what == "say":
            causes.note(KEY, CauseKind.SOURCE, f"word {number}", 0)
            continue
        new = ObjectMeta(name=f"o{number}", resource_version=str(next(versions)), generation=1)
        if what == "delete":
            objects.pop(number, None)
            change = Change(record(new), None, Cause.WATCH)
        else:
            objects[number] = new
            change = Change(None if old is None else record(old), record(new), Cause.WATCH)
        causes.note_change(KEY, CauseKind.EVENT, PODS, change, 0)
    wanted = causes.take(KEY, 0)
    assert wanted.merged == len(history)
    things = dict.fromkeys((number, what == "say") for number, what in history)
    assert len(wanted.kinds) == min(len(things), CAUSES_MAX)
    assert len(wanted.causes) == len(wanted.kinds) + (wanted.causes[-1].startswith("and "))
    for (number, said), words in zip(things, wanted.causes[: len(wanted.kinds)], strict=False):
        assert words.startswith(f"word {number}" if said else f"pods o{number} ")
        if not said:
            ends = [what for other, what in history if other == number and what != "say"]
            assert ("deleted" in words) is (ends[-1] == "delete")
    assert causes.keys() == ()


async def test_causes_reach_the_request_the_line_and_the_metric() -> None:
    """B30: what is seen while the key runs belongs to the next run."""
    informer = pods("d/a")
    requests: list[Request] = []

    async def reconcile(request: Request) -> Outcome:
        requests.append(request)
        if len(requests) == 1:
            for version in (2, 3, 4):
                informer.apply([applied("d/a", version)])
            await asyncio.sleep(2)
            controller.wake(request.key)
        return DONE if len(requests) > 1 else RequeueAfter(60)

    controller = one(reconcile, informer)
    value = samples(controller)
    with capture_logs() as lines:
        async with running(controller):
            await asyncio.sleep(3)
    first, second = requests
    assert (first.causes, first.merged, first.waited_s) == (("pods d/a added at 1, seen by the first list",), 1, 0)
    assert second.causes == ("pods d/a updated content at 4", "woken")
    assert (second.merged, second.waited_s, second.attempt) == (4, 2, 1)
    assert first.id != second.id
    told = lines_of(lines, "reconciled")
    assert [line["id"] for line in told] == [first.id, second.id]
    assert [line.get("merged") for line in told] == [None, 4]
    assert (told[1]["causes"], told[1]["waited_ms"]) == (list(second.causes), 2000.0)
    assert {
        kind: value("controller_causes_total", cause=kind) for kind in ("initial", "event", "woken", "requeue")
    } == {
        "initial": 1,
        "event": 1,
        "woken": 1,
        "requeue": 0,
    }


async def test_a_retry_and_a_requeue_say_so_and_wait_from_when_they_were_due() -> None:
    """A wish that was not due yet had no part in a run; a retry has, for that is what the run is."""
    without_jitter()
    informer = pods("d/a")
    script = Script(Forbidden("no"), RequeueAfter(60), RequeueAfter(60), *[Forbidden("no")] * 9, DONE)
    async with running(one(script, informer)):
        await asyncio.sleep(61)
        informer.apply([applied("d/a", 2)])
        await asyncio.sleep(0.001)
        informer.apply([applied("d/a", 3)])
        await asyncio.sleep(2)
    causes = [request.causes for request in script.requests]
    assert causes[:3] == [("pods d/a added at 1, seen by the first list",), ("retry",), ("requeue",)]
    assert causes[3:5] == [("pods d/a updated content at 2",), ("retry", "pods d/a updated content at 3")]
    assert set(causes[5:]) == {("retry",)}
    assert {request.waited_s for request in script.requests} == {0.0}


async def test_a_due_retry_that_finds_no_worker_has_waited() -> None:
    """`waited_s` is from when it was due."""
    without_jitter()
    requests: list[Request] = []

    async def reconcile(request: Request) -> Outcome:
        requests.append(request)
        if request.attempt == 1 and request.name == "a":
            raise Forbidden("no")
        await asyncio.sleep(1)
        return DONE

    async with running(one(reconcile, pods("d/a", "d/b"))):
        await asyncio.sleep(5)
    assert [(request.name, request.attempt, round(request.waited_s, 6)) for request in requests] == [
        ("a", 1, 0.0),
        ("b", 1, 0.0),
        ("a", 2, 0.995),
    ]


async def test_causes_name_the_relation_of_each_watch() -> None:
    """Owner, mapping, the object itself: as the mapper of the watch is."""
    owned = Record(ObjectMeta(name="a", namespace="d", resource_version="2", owner_references=(OWNER,)), {}, dict)
    for mapper, words in (
        (to_self, "pods d/a added at 2"),
        (to_owner(STATEFULSETS), "owned pods d/a added at 2"),
        (to_mapped(lambda _: ["d/net"]), "mapped pods d/a added at 2"),
    ):
        informer, script = pods(), Script(DONE)
        controller = Controller(name="test", reconcile=script, watches=[Watch(informer, mapper)])
        async with running(controller):
            await asyncio.sleep(1)
            informer.apply([type(applied("d/x", 1))(owned)])
            await asyncio.sleep(1)
        assert [request.causes for request in script.requests] == [(words,)]


@pytest.mark.parametrize("kind", [CauseKind.RETRY, CauseKind.REQUEUE])
@pytest.mark.parametrize("others", [0, 1, 2])
def test_a_wish_that_is_due_counts_as_one_of_what_a_run_answers(kind: CauseKind, others: int) -> None:
    causes = Causes()
    causes.note_due(KEY, kind, 5.0)
    for number in range(others):
        causes.note(KEY, CauseKind.SOURCE, f"order {number}", 6.0)
    wanted = causes.take(KEY, 7.0)
    assert (wanted.merged, wanted.kinds, wanted.since) == (1 + others, (kind, *[CauseKind.SOURCE] * others), 5.0)
