"""
How long does a relist hold the event loop when 1 % of the cached objects changed?

Budget   10 ms at 10,000 objects: a fifth of what a callback may take before people notice.
Sketch   10,000 dict look-ups and version compares at about 0.4 us are 4 ms; 100 changes are nothing. Above 10 ms a sort
         or a copy crept in.
Method   Snapshots are made before the timer starts, as decoded records; best of 7, because noise only adds. Decoding a
         page of 500 objects is another hold, of a few ms, and not part of this one.
Run      make bench ARGS=relist
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

from ctrlkit.cache import Cause
from ctrlkit.cache.store import Store
from ctrlkit.model import ObjectMeta, Record, Snapshot
from tests.bench.case import Figure

COUNT, CHANGED = 10_000, 100


def cases() -> list[Figure]:
    """One relist."""
    return [Figure(name="relist of 10,000 objects, 1 % changed: hold of the loop", take=_hold_ms, unit="ms", budget=10)]


def _snapshot(version: int) -> Snapshot[Any]:
    def record(number: int) -> Record[Any]:
        own = version if number % (COUNT // CHANGED) == 0 else 1
        return Record(ObjectMeta(name=f"web-{number}", namespace="demo", resource_version=str(own)), None, str)

    return Snapshot([record(number) for number in range(COUNT)], str(version))


def _hold_ms() -> float:
    store: Store[Any] = Store()
    store.replace(_snapshot(1), cause=Cause.INITIAL)
    holds = []
    for turn in range(7):
        snapshot = _snapshot(turn + 2)
        start = perf_counter()
        changes = store.replace(snapshot, cause=Cause.RELIST)
        holds.append(perf_counter() - start)
        assert len(changes) == CHANGED
    return min(holds) * 1000
