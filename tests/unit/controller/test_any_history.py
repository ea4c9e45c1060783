"""Whatever happens to a controller, and in whichever order: what it promises of its keys holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Result
from ctrlkit.errors import Conflict, Forbidden, TerminalError
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.model import ObjectKey
from tests.support.records import applied
from tests.unit.controller.support import one, pods, running

KEYS = 6
ENDS: list[Any] = [
    DONE,
    RequeueAfter(3),
    Forbidden("no"),
    Conflict("changed"),
    TerminalError("never"),
    KeyError("spec"),
]
number = st.integers(0, KEYS - 1)
STEPS = st.one_of(
    st.tuples(st.just("change"), number),
    st.tuples(st.just("wake"), number),
    st.tuples(st.just("give away"), number),
    st.tuples(st.just("lose"), number),
    st.tuples(st.just("cut"), number),
    st.tuples(st.just("get"), number),
    st.tuples(st.just("wait"), st.integers(0, 40)),
)


class History:
    """A controller of some pods, and what it did to their keys."""

    def __init__(self, ends: list[int], takes: list[int], workers: int) -> None:
        self.informer = pods(*(f"d/{number}" for number in range(KEYS)))
        self.owned = set(range(KEYS))
        self.version = 1
        self.last_change = dict.fromkeys(range(KEYS), 1)
        self.last_seen: dict[int, int] = {}
        self.running: set[int] = set()
        self.begun = 0
        self.wrong: list[str] = []
        self._ends, self._takes = ends, takes
        self.controller: Controller = one(self.reconcile, self.informer, workers=workers, timeout_s=25)
        self.controller.restrict(lambda key: int(key.name) in self.owned)

    async def reconcile(self, request: Request) -> Outcome:
        key = int(request.name)
        if key not in self.owned:
            self.wrong.append(f"{request} is another replica's")
        if key in self.running:
            self.wrong.append(f"{request} runs already")
        if not request.causes:
            self.wrong.append(f"{request} has no cause")
        self.running.add(key)
        self.begun += 1
        record = self.informer.lister.find_record(request.key)
        assert record is not None
        try:
            await asyncio.sleep(self._takes.pop() if self._takes else 0)
        finally:
            self.running.discard(key)
        if self._ends:
            end = ENDS[self._ends.pop()]
            if isinstance(end, Exception):
                if isinstance(end, TerminalError):
                    self.last_seen[key] = int(record.version)
                raise end
        self.last_seen[key] = int(record.version)
        return DONE if not self._ends else ENDS[self._ends[-1] % 2]

    async def happen(self, what: str, at: int) -> None:
        key = ObjectKey("d", str(at))
        match what:
            case "change":
                self.version += 1
                self.last_change[at] = self.version
                self.informer.apply([applied(str(key), self.version)])
            case "wake":
                self.controller.wake(key)
            case "give away":
                self.owned.discard(at)
                await self.controller.quiesce(lambda each: each == key)
                if at in self.running:
                    self.wrong.append(f"{at} still runs after the handover")
            case "lose":
                self.owned.discard(at)
                self.controller.cut_off(lambda each: each == key)
            case "cut":
                self.controller.cut_off(lambda each: each == key)
            case "get":
                self.owned.add(at)
                self.controller.enqueue_known(lambda each: each == key)
            case _:
                await asyncio.sleep(at / 4)

    def owes(self) -> dict[int, int]:
        """The changes of its own keys that no reconcile has answered."""
        return {key: self.last_change[key] for key in self.owned if self.last_seen.get(key, 0) < self.last_change[key]}


@settings(max_examples=200)
@given(
    steps=st.lists(STEPS, max_size=40),
    ends=st.lists(st.integers(0, len(ENDS) - 1), max_size=30),
    takes=st.lists(st.sampled_from([0, 1, 5, 30]), max_size=20),
    workers=st.integers(1, 3),
    seed=st.integers(0, 100),
)
def test_for_any_history_one_run_a_key_none_of_others_and_no_change_unanswered(
    steps: list[tuple[str, int]], ends: list[int], takes: list[int], workers: int, seed: int
) -> None:
    """Events, calls, failures, time limits, handovers, lost leases; at the end nothing of ours is left to do."""

    async def scenario() -> None:
        history = History(list(ends), list(takes), workers)
        with capture_logs():
            await play(history)
        assert history.wrong == []

    async def play(history: History) -> None:
        async with running(history.controller):
            await history.controller.wait_synced()
            for what, at in steps:
                await history.happen(what, at)
            for _ in range(200):
                if not history.controller.busy() and not history.owes():
                    break
                await asyncio.sleep(10)
            assert history.controller.busy() == ()
            assert history.owes() == {}
            statistics = history.controller.statistics()
            assert sum(statistics.results.values()) + statistics.cancelled == history.begun
            assert statistics.took.count == sum(statistics.results.values())
            assert statistics.results[Result.REQUEUE_AFTER] >= 0
            assert history.controller.retries() == ()

    on_virtual_time(scenario, seed=seed)


def on_virtual_time(scenario: Callable[[], Coroutine[Any, Any, None]], *, seed: int) -> None:
    """Run one history to its end."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(seed=seed)) as runner:
        runner.run(scenario())
