"""
What does a key cost on its way through the work queue?

Budget   add + take_nowait + done: 2.0 x what asyncio.Queue's put_nowait + get_nowait cost, the same with forget().
Sketch   asyncio.Queue has no states, so it pays no hash; but it makes nine Python calls for a pair where we make six,
         with five look-ups in one small dict. About 1.2; above 2.0 something is allocated for each key, or a core was
         wrapped once more.
Method   Each call does 10,000 operations on a queue that is empty before and after; no loop runs, nobody waits. Subject
         and baseline alternate, best of 7.
Run      python -m tests.bench.bench_workqueue     one JSON line for each case
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict

from ctrlkit.workqueue import WorkQueue
from tests.bench.case import Case, measure

OPERATIONS = 10_000


def cases() -> list[Case]:
    """Two cases: one key goes through, and one that is also forgotten."""
    return [
        _case("workqueue: add, take, done of one key", one_key(), asyncio_queue()),
        _case("workqueue: add, take, forget, done of one key", one_key_forgotten(), asyncio_queue()),
    ]


def asyncio_queue() -> Callable[[], None]:
    """Pass one key through asyncio.Queue."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    key = "demo/net"

    def run() -> None:
        for _ in range(OPERATIONS):
            queue.put_nowait(key)
            queue.get_nowait()

    return run


def one_key() -> Callable[[], None]:
    """Pass one key through the work queue."""
    queue = WorkQueue[str]()
    key = "demo/net"

    def run() -> None:
        for _ in range(OPERATIONS):
            queue.add(key)
            queue.take_nowait()
            queue.done(key)

    return run


def one_key_forgotten() -> Callable[[], None]:
    """As a worker does it after a success."""
    queue = WorkQueue[str]()
    key = "demo/net"

    def run() -> None:
        for _ in range(OPERATIONS):
            queue.add(key)
            queue.take_nowait()
            queue.forget(key)
            queue.done(key)

    return run


def _case(name: str, subject: Callable[[], None], baseline: Callable[[], None]) -> Case:
    return Case(name=name, subject=subject, baseline=baseline, operations=OPERATIONS, budget=2.0)


if __name__ == "__main__":
    for case in cases():
        print(json.dumps(asdict(measure(case))))
