"""
Does a store get slower as it fills, and a list by selector slower than one of everything?

Budget   A list by selector of 50,000 objects costs at most 2.5 x what a list of all of them costs: label selectors of
         each kind, three requirements together, and a field of the metadata.
         An event, a get and a look-up by index cost at 100,000 objects at most 1.25 x what they cost at 1,000.
Sketch   All are look-ups in dicts. The look-up by index returns the same number of objects in both stores. Above 1.25
         something walks over all of them. (Touched at random, each costs a few misses of the processor's cache more,
         about 0.1 us each, whatever the code does.)
Method   Stores are filled before the timer starts. Each call touches 100 neighbours ten times over, so that their share
         of the processor's cache is the same in both: what is left is the work.
Run      make bench ARGS=store
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from ctrlkit.cache.change import Cause
from ctrlkit.cache.store.lister import Lister
from ctrlkit.cache.store.store import Store
from ctrlkit.model import Applied, ObjectMeta, Record, Snapshot
from ctrlkit.model.kinds import PODS
from tests.bench.case import Case

FEW, MANY = 1_000, 100_000
TOUCHED, TIMES = 100, 10
GROUP = 10
LISTED = 50_000
SELECTORS = (
    "app=app-7",
    "tier!=x",
    "app in (app-1,app-2)",
    "n notin (1,2)",
    "tier",
    "!old",
    "n>5",
    "tier=x,n in (1,3),!old",
)


def cases() -> list[Case]:
    """An event, a get, a look-up."""
    return [
        *(_selection(text) for text in SELECTORS),
        _selection("metadata.name!=web-7", fields=True),
        _case("store: an event at 100,000 objects against 1,000", _events),
        _case("store: a get at 100,000 objects against 1,000", _gets),
        _case("store: a look-up by index at 100,000 objects against 1,000", _look_ups),
    ]


def _case(name: str, make: Callable[[int], Callable[[], None]]) -> Case:
    return Case(name=name, subject=make(MANY), baseline=make(FEW), operations=TOUCHED * TIMES, budget=1.25, rounds=15)


def _selection(text: str, *, fields: bool = False) -> Case:
    store: Store[Any] = Store()
    labels = [
        {"app": f"app-{number % 100}", "tier": "xy"[number % 2], "n": str(number % 10)} for number in range(LISTED)
    ]
    metas = [
        ObjectMeta(name=f"web-{number}", namespace=f"ns-{number // 1000:02}", resource_version="1", labels=have)
        for number, have in enumerate(labels)
    ]
    store.replace(Snapshot([Record(meta, None, str) for meta in metas], "1"), cause=Cause.INITIAL)
    lister = Lister(PODS, store)
    return Case(
        name=f"store: a list of {LISTED:,} by {text} against one of all",
        subject=lambda: lister.records(fields=text) if fields else lister.records(selector=text),
        baseline=lister.records,
        operations=LISTED,
        budget=2.5,
        rounds=9,
    )


def _record(number: int, version: int) -> Record[Any]:
    meta = ObjectMeta(
        name=f"web-{number}",
        namespace=f"ns-{number // GROUP}",
        resource_version=str(version),
        labels={"group": str(number // GROUP)},
    )
    return Record(meta, None, str)


def _filled(count: int) -> Store[Any]:
    store: Store[Any] = Store()
    store.add_index("group", lambda record: [(record.meta.labels or {})["group"]])
    for number in range(count):
        store.apply(Applied(_record(number, 1)))
    return store


def _events(count: int) -> Callable[[], None]:
    store = _filled(count)
    versions = iter(range(2, 1_000))
    rounds = iter(
        [
            [Applied(_record(number, version)) for version in islice(versions, TIMES) for number in range(TOUCHED)]
            for _ in range(20)
        ]
    )

    def run() -> None:
        for event in next(rounds):
            store.apply(event)

    return run


def _gets(count: int) -> Callable[[], None]:
    store = _filled(count)
    keys = [_record(number, 1).key for number in range(TOUCHED)] * TIMES

    def run() -> None:
        for key in keys:
            store.get(key)

    return run


def _look_ups(count: int) -> Callable[[], None]:
    store = _filled(count)
    values = [str(number // GROUP) for number in range(TOUCHED)] * TIMES

    def run() -> None:
        for value in values:
            store.keys_by("group", value)

    return run
