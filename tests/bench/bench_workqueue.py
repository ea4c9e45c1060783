"""
What does a key cost on its way through the work queue, and does that grow with the keys that wait?

Budget   add + take_nowait + forget + done: 2.0 x what asyncio.Queue's put_nowait + get_nowait cost, 2.5 x with a Meter.
         With 100,000 keys that wait, or are delayed by chance, an operation costs at most 2 x what it costs with 1,000.
Sketch   asyncio.Queue has no states, so it pays no hash and reads no clock; but it makes nine Python calls for a pair
         where we make five, with seven look-ups in small dicts and two readings of the clock. About 1.8. A Meter reads
         the clock once more and counts twice, mostly in the bucket of the last duration: about 2.3. Above that
         something is called for each key, or a core was wrapped once more.
         What waits lies in dicts and deques, so that more of it costs misses of the processor's caches, and flows and
         delays a logarithm. Above 2 x something walks over all keys, or one heap holds them all.
Method   Each call does 1,000 operations, so short that some of the calls are not interrupted on a busy machine. First
         the queue is empty before and after, no loop runs, and nobody waits. Then it holds FEW or MANY keys: each
         operation adds one and takes the next one. Delays are random, up to five minutes: each operation waits for a
         key that comes due, ends its run, and delays it again, on a loop of virtual time. That loop costs most of it,
         so the core alone is measured too. Subject and baseline alternate, best of 100, or 25 for the large ones.
Run      make bench ARGS=workqueue
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import cycle, islice
from random import Random

from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.model import ObjectKey
from ctrlkit.workqueue import LOW, NORMAL, Flows, Meter, WorkQueue
from ctrlkit.workqueue.delayed import DelayedKeys
from tests.bench.case import Case, measure

OPERATIONS = 1_000
FEW, MANY = 1_000, 100_000
FLOWS = 500
DELAY_MAX_S = 300.0


def cases() -> list[Case]:
    """One key through an empty queue; then what each of many costs."""
    return [
        _small("workqueue: add, take, done of one key", one_key(), budget=2.0),
        _small("workqueue: add, take, forget, done of one key", one_key_forgotten(WorkQueue[str]()), budget=2.0),
        _small("workqueue: the same with a Meter", one_key_forgotten(WorkQueue[str](meter=Meter())), budget=2.5),
        _large("workqueue: 100,000 keys wait, against 1,000", lambda count: waiting(count, (NORMAL,))),
        _large("workqueue: 100,000 of two priorities wait, against 1,000", lambda count: waiting(count, (NORMAL, LOW))),
        _large(
            "workqueue: 100,000 of 500 flows wait, against 1,000", lambda count: waiting(count, (NORMAL,), by_flow())
        ),
        _large("workqueue: 100,000 random delays, against 1,000", delayed),
        _large("workqueue: the same, of the delays' core alone", delayed_core),
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


def one_key_forgotten(queue: WorkQueue[str]) -> Callable[[], None]:
    """As a worker does it after a success."""
    key = "demo/net"

    def run() -> None:
        for _ in range(OPERATIONS):
            queue.add(key)
            queue.take_nowait()
            queue.forget(key)
            queue.done(key)

    return run


def waiting(count: int, priorities: tuple[int, ...], flows: Flows[ObjectKey] | None = None) -> Callable[[], None]:
    """Pass keys through a queue in which `count` others wait."""
    queue = WorkQueue[ObjectKey](meter=Meter(), flows=flows)
    turns = cycle(priorities)
    spare, *keys = _keys(count + 1)
    for key in keys:
        queue.add(key, next(turns))

    def run() -> None:
        nonlocal spare
        for priority in islice(turns, OPERATIONS):
            queue.add(spare, priority)
            spare = queue.take_nowait()
            queue.done(spare)

    return run


def by_flow() -> Flows[ObjectKey]:
    """Namespaces share the queue, and three keys of one may run at a time."""
    return Flows(of=lambda key: key.namespace, running_max=3)


def delayed(count: int) -> Callable[[], None]:
    """Let keys come due one after the other, and delay each again."""
    loop, chance = VirtualTimeLoop(), Random(7)
    queue = WorkQueue[ObjectKey](meter=Meter())

    async def fill() -> None:
        for key in _keys(count):
            queue.add_after(key, chance.uniform(0, DELAY_MAX_S))

    async def work(delays_s: list[float]) -> None:
        for delay_s in delays_s:
            key = await queue.take()
            queue.add_after(key, delay_s)
            queue.done(key)

    loop.run_until_complete(fill())
    return lambda: loop.run_until_complete(work([chance.uniform(0, DELAY_MAX_S) for _ in range(OPERATIONS)]))


def delayed_core(count: int) -> Callable[[], None]:
    """The same without a queue and a loop."""
    chance, keys, now = Random(7), DelayedKeys[ObjectKey](), 0.0
    for key in _keys(count):
        keys.put(key, chance.uniform(0, DELAY_MAX_S))

    def run() -> None:
        nonlocal now
        for _ in range(OPERATIONS):
            deadline = keys.next_deadline()
            assert deadline is not None
            now = deadline
            for key, _ in keys.due(now):
                keys.put(key, now + chance.uniform(0, DELAY_MAX_S))

    return run


def _keys(count: int) -> list[ObjectKey]:
    return [ObjectKey(f"ns-{number % FLOWS}", f"net-{number}") for number in range(count)]


def _small(name: str, subject: Callable[[], None], *, budget: float) -> Case:
    return Case(name=name, subject=subject, baseline=asyncio_queue(), operations=OPERATIONS, budget=budget, rounds=100)


def _large(name: str, make: Callable[[int], Callable[[], None]]) -> Case:
    return Case(name=name, subject=make(MANY), baseline=make(FEW), operations=OPERATIONS, budget=2.0, rounds=25)


if __name__ == "__main__":
    for case in cases():
        print(json.dumps(asdict(measure(case))))
