"""
Many reconciles of ten thousand keys that fail by chance: nothing twice at a time, nothing forgotten.

Bursts of changes come faster than ten workers can go, then slower; of three priorities. A reconcile takes up to 20 ms
of virtual time and ends well, or fails, or meets a conflict, or hangs until its time limit, or asks to come again. What
every key needs at last, and what the counters must say, is kept beside it in plain dicts.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

import pytest
import structlog
from structlog.typing import EventDict

from ctrlkit import DONE, Controller, ObjectKey, Outcome, Request, RequeueAfter, TerminalError
from ctrlkit.controller.reconcile import Result
from ctrlkit.controller.sources.source import Sink
from ctrlkit.errors import Conflict, InternalError
from ctrlkit.workqueue import LOW, NORMAL, Meter, WorkQueue
from tests.support.memory import objects_there_are

KEYS: Final = [ObjectKey(f"team-{number % 20}", f"object-{number}") for number in range(10_000)]
WORKERS: Final = 10
HIGH: Final = 100
PRIORITY: Final = {key: (HIGH, NORMAL, NORMAL, LOW)[number % 4] for number, key in enumerate(KEYS)}
POINT_S: Final = 0.1
"""A point of priority is worth so many seconds of waiting."""
BACKLOG_S: Final = 15.0
"""So long ten workers take for all keys, the hanging ones included: 10,000 x 15 ms / 10."""
LONGEST_S: Final = 0.02
TIMEOUT_S: Final = 1.0
MAY_GROW: Final = 200
"""Objects by which the process may have grown between the middle and the end."""


class Churn:
    """A source that changes keys by chance, for as long as it is told to, and remembers what each is at."""

    name = "churn"

    def __init__(self, chance: random.Random) -> None:
        self.at: defaultdict[ObjectKey, int] = defaultdict(int)
        self.changes = 0
        self.goes_on = asyncio.Event()
        self._chance = chance

    async def run(self, sink: Sink) -> None:
        """Bursts of up to 600 keys, twice a second: on average half of what the workers can do, at times twice that."""
        sink.synced()
        while True:
            await self.goes_on.wait()
            for key in self._chance.choices(KEYS, k=self._chance.choice((100, 600, 1800))):
                self.at[key] += 1
                self.changes += 1
                sink.add(key, "changed", priority=PRIORITY[key])
            await asyncio.sleep(1.0)

    async def replay(self, sink: Sink) -> None:
        """Nothing is kept."""


class Worked:
    """A reconciler that ends by chance, and what it saw."""

    def __init__(self, churn: Churn, chance: random.Random) -> None:
        self.runs = 0
        self.ends: Counter[str] = Counter()
        self.settled: dict[ObjectKey, int] = {}
        self.running: set[ObjectKey] = set()
        self.waited_s: defaultdict[int, list[float]] = defaultdict(list)
        self._churn = churn
        self._chance = chance

    async def __call__(self, request: Request) -> Outcome:
        """One reconcile."""
        key = request.key
        assert key not in self.running
        assert len(self.running) < WORKERS
        self.running.add(key)
        self.runs += 1
        self.waited_s[PRIORITY[key]].append(request.waited_s)
        saw = self._churn.at[key]
        try:
            await asyncio.sleep(self._chance.random() * LONGEST_S)
            outcome = await self._end()
        except TerminalError:
            self.settled[key] = saw
            raise
        finally:
            self.running.discard(key)
        self.settled[key] = saw
        return outcome

    async def _end(self) -> Outcome:
        (end,) = self._chance.choices(("done", "again", "error", "conflict", "bug", "hang", "terminal"), ENDS)
        self.ends[end] += 1
        match end:
            case "again":
                return RequeueAfter(self._chance.random() * 60 + 1)
            case "error":
                raise InternalError("the server failed")
            case "conflict":
                raise Conflict("the object has changed")
            case "bug":
                raise KeyError("spec")
            case "hang":
                await asyncio.sleep(TIMEOUT_S * 10)
            case "terminal":
                raise TerminalError("no retry helps")
        return DONE


ENDS: Final = (84, 4, 5, 3, 2, 0.5, 1.5)


@pytest.fixture
def lines() -> Iterator[Counter[str]]:
    """How many log lines of each event were written; none of them is."""
    written: Counter[str] = Counter()

    def count(_logger: object, _method: str, event: EventDict) -> EventDict:
        written[event["event"]] += 1
        raise structlog.DropEvent

    structlog.configure(processors=[count])
    yield written
    structlog.reset_defaults()


@pytest.mark.timeout(300)
@pytest.mark.behaviour("Q2", "K7", "K8", "K9", "K11", "K13", "K14", "B7", "B10", "B11", "B20", "P10")
@pytest.mark.parametrize("reconciles", [2_000, pytest.param(200_000, marks=pytest.mark.long)])
async def test_many_reconciles(lines: Counter[str], reconciles: int) -> None:
    """Single flight, every key's last change reconciled, priorities kept, flat memory, and counters that add up."""
    chance = random.Random(5)
    churn = Churn(chance)
    work = Worked(churn, chance)
    queue = WorkQueue[ObjectKey](point_s=POINT_S, meter=Meter())
    controller = Controller(
        name="soak", reconcile=work, watches=[churn], workers=WORKERS, queue=queue, timeout_s=TIMEOUT_S
    )
    running = asyncio.create_task(controller.run())

    await run_until(work, churn, reconciles // 2)
    await rest(controller)
    halfway = objects_there_are()
    await run_until(work, churn, reconciles)
    await rest(controller)
    grown = objects_there_are() - halfway
    assert grown.total() <= MAY_GROW, f"grown by {grown.most_common(5)}"

    assert work.settled == churn.at
    waits = {priority: sorted(waited) for priority, waited in work.waited_s.items()}
    median = {priority: waited[len(waited) // 2] for priority, waited in waits.items()}
    assert median[HIGH] <= median[NORMAL] <= median[LOW]
    for priority, waited in waits.items():
        assert waited[-1] <= (HIGH - priority) * POINT_S + BACKLOG_S

    statistics = controller.statistics()
    results = statistics.results
    assert sum(results.values()) == sum(statistics.took.counts) == lines["reconciled"] == work.runs
    assert results[Result.ERROR] == work.ends["error"] + work.ends["bug"] + work.ends["hang"]
    assert (statistics.unforeseen, statistics.timeouts) == (work.ends["bug"], work.ends["hang"])
    assert results[Result.CONFLICT] == work.ends["conflict"]
    assert results[Result.TERMINAL_ERROR] == work.ends["terminal"]
    assert results[Result.REQUEUE_AFTER] == work.ends["again"]
    queued = statistics.queue
    assert queued.adds == work.runs
    assert queued.waited is not None
    assert queued.worked is not None
    assert sum(queued.waited.counts) == sum(queued.worked.counts) == work.runs
    assert (queued.ready, queued.running, queued.delayed, sum(queued.depth.values())) == (0, 0, 0, 0)

    controller.stop()
    await running
    assert controller.statistics().queue.abandoned == 0


async def run_until(work: Worked, churn: Churn, runs: int) -> None:
    """Let changes come until so many reconciles have begun."""
    churn.goes_on.set()
    while work.runs < runs:  # noqa: ASYNC110 - virtual seconds
        await asyncio.sleep(5.0)
    churn.goes_on.clear()


async def rest(controller: Controller) -> None:
    """Let everything that waits, delays included, come to its end."""
    while controller.busy() or controller.queue.statistics().delayed:  # noqa: ASYNC110 - virtual seconds
        await asyncio.sleep(60.0)
