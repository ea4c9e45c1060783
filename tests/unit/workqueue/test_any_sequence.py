"""
The work queue against a plain model, for any sequence of what handlers, workers, time and shutdown do to it.

After each step the loop runs until all is blocked; then queue and model must agree in everything: single flight,
nothing lost, the order as promised, limits and turns of flows, no starvation beyond the bound, numbers that add up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.workqueue import LOW, NORMAL, DelayPolicy, ExponentialPerKey, Flows, Meter, QueueClosed, WorkQueue
from tests.support.effort import tries
from tests.unit.workqueue.plain_queue import PlainQueue

T = TypeVar("T")

KEYS = st.sampled_from(["a1", "a2", "a3", "b1", "b2", "c1"])
DELAYS_S = st.integers(1, 8)
POLICIES = st.sampled_from(DelayPolicy)
PRIORITIES = st.sampled_from([NORMAL, LOW, LOW, 40])
RUNNING_MAX = st.sampled_from([None, 1, 2])
LIMITER_S = 2.0
"""What the limiter always asks for: base and cap are the same, and a floor of 1 means no jitter."""

POINT_S = 0.0625
"""LOW is worth 6.25 s of waiting, so that in some of the sequences it is overtaken and in others not any more."""


class WorkQueueMachine(RuleBasedStateMachine):
    """Each rule does one thing to the queue and the same to the model."""

    def flows(self, running_max: int | None) -> Flows[str] | None:
        """No flows here; FlowsMachine has some."""
        return None

    @initialize(running_max=RUNNING_MAX)
    def begin(self, running_max: int | None) -> None:
        self.loop = VirtualTimeLoop()
        limiter = ExponentialPerKey[str](base_s=LIMITER_S, cap_s=LIMITER_S, floor=1.0)
        flows = self.flows(running_max)
        self.queue = WorkQueue[str](limiter=limiter, flows=flows, point_s=POINT_S, meter=Meter())
        self.model = PlainQueue(POINT_S, flows, self.loop.time)
        self.takes: list[asyncio.Task[str]] = []  # that wait, in order
        self.drains: list[asyncio.Task[None]] = []
        self.released = False  # abandon() was called

    def on_loop(self, step: Callable[[], T]) -> T:
        async def run() -> T:
            return step()

        return self.loop.run_until_complete(run())

    def settle(self) -> None:
        """Let every task run until it waits; the model starts what the queue has started for the takes."""
        self.loop.run_until_complete(self.loop.wait_all_blocked())
        began = {key: at for key, at in self.queue.running().items() if key not in self.model.running}
        for key, at in began.items():
            self.model.start(key, at)
        self.hand_out(list(began))
        if self.model.closed and not self.model.ready:
            for take in self.takes:
                assert isinstance(take.exception(), QueueClosed)
            self.takes.clear()
        assert not any(take.done() for take in self.takes)
        assert not (self.takes and self.model.next())

    def hand_out(self, keys: list[str]) -> None:
        """To the takes that waited longest."""
        assert [self.takes.pop(0).result() for _ in keys] == keys

    @rule(key=KEYS, priority=PRIORITIES)
    def add(self, key: str, priority: int) -> None:
        self.on_loop(lambda: self.queue.add(key, priority=priority))
        self.model.add(key, priority)
        self.settle()

    @rule(key=KEYS, delay_s=DELAYS_S, policy=POLICIES, priority=st.none() | PRIORITIES)
    def add_after(self, key: str, delay_s: int, policy: DelayPolicy, priority: int | None) -> None:
        self.on_loop(lambda: self.queue.add_after(key, delay_s, policy=policy, priority=priority))
        self.model.add_after(key, delay_s, policy, priority)
        self.settle()

    @rule(key=KEYS, delay_s=DELAYS_S, priority=PRIORITIES)
    def add_batched(self, key: str, delay_s: int, priority: int) -> None:
        self.on_loop(lambda: self.queue.add_batched(key, delay_s, priority=priority))
        self.model.add_batched(key, delay_s, priority)
        self.settle()

    @rule(key=KEYS, priority=st.none() | PRIORITIES)
    def add_rate_limited(self, key: str, priority: int | None) -> None:
        failures = self.queue.failures(key)
        self.on_loop(lambda: self.queue.add_rate_limited(key, priority=priority))
        self.model.add_rate_limited(key, LIMITER_S, priority)
        assert self.queue.failures(key) == failures + (not self.model.closed)
        self.settle()

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.queue.forget(key)
        assert self.queue.failures(key) == 0

    @rule(key=KEYS)
    def cancel_after(self, key: str) -> None:
        assert self.on_loop(lambda: self.queue.cancel_after(key)) == self.model.cancel(key)

    @rule(seconds=DELAYS_S)
    def advance(self, seconds: int) -> None:
        for _ in range(seconds):  # delays are whole seconds, so what is due at one moment is handed out at that moment
            self.loop.run_until_complete(self.loop.advance(1))
            self.model.pass_time()
            self.settle()

    @rule()
    def take(self) -> None:
        self.takes.append(self.loop.create_task(self.queue.take()))
        self.settle()

    @precondition(lambda self: not self.takes)
    @rule()
    def take_nowait(self) -> None:
        if self.model.next():
            self.model.start(self.on_loop(self.queue.take_nowait), self.loop.time())
        else:
            ended = self.model.closed and not self.model.ready
            with pytest.raises(QueueClosed if ended else asyncio.QueueEmpty):
                self.on_loop(self.queue.take_nowait)

    @precondition(lambda self: self.takes)
    @rule(data=st.data(), key=KEYS, first=st.sampled_from(["add", "cancel"]))
    def cancel_a_take_in_the_tick_of_an_add(self, data: st.DataObject, key: str, first: str) -> None:
        take = self.takes.pop(data.draw(st.integers(0, len(self.takes) - 1), label="which take"))

        def both() -> None:
            if first == "cancel":
                take.cancel()
            self.queue.add(key)
            take.cancel()

        self.on_loop(both)
        self.model.add(key, NORMAL)
        self.settle()
        assert take.cancelled()

    @precondition(lambda self: self.model.running)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.model.running)), label="which key")
        self.on_loop(lambda: self.queue.done(key))
        self.model.done(key)
        self.settle()

    @rule(key=KEYS)
    def done_of_a_key_that_does_not_run(self, key: str) -> None:
        if key not in self.model.running:
            with pytest.raises(KeyError):
                self.queue.done(key)

    @precondition(lambda self: self.model.step > 12)
    @rule()
    def close(self) -> None:
        self.on_loop(self.queue.close)
        self.model.close()
        self.settle()

    @precondition(lambda self: self.model.step > 12)
    @rule()
    def drain(self) -> None:
        self.drains.append(self.loop.create_task(self.queue.drain()))
        self.model.close()
        self.settle()

    @precondition(lambda self: self.model.step > 12 and self.model.closed)
    @rule()
    def abandon(self) -> None:
        self.on_loop(self.queue.abandon)
        self.released = True
        self.model.abandon()
        self.settle()

    @invariant()
    def queue_and_model_hold_the_same(self) -> None:
        model, found = self.model, self.queue.statistics()
        assert (found.ready, found.running, found.delayed) == (len(model.ready), len(model.running), len(model.delays))
        assert (found.retries, found.takers, found.abandoned) == (len(model.retries), len(self.takes), model.abandoned)
        assert self.queue.running() == {key: at for key, (at, _) in model.running.items()}
        assert self.queue.retries() == {key: model.delays[key].moment for key in model.retries}
        busy = [f"{key} ready" for key in model.ready]
        busy += [f"{key} running" + (", wanted again" if key in model.again else "") for key in model.running]
        busy += [f"{key} waits for a retry" for key in model.retries if key not in model.running]
        busy += [f"{key} waits for more changes" for key in model.batched if key not in model.running]
        assert sorted(self.queue.busy()) == sorted(busy)
        assert bool(self.queue.busy()) == bool(busy)

    @invariant()
    def the_numbers_add_up(self) -> None:
        model, found = self.model, self.queue.statistics()
        assert (found.adds, found.requeues, found.depth) == (model.adds, model.requeues, model.depth())
        runs_s = [self.loop.time() - began for began, _ in model.running.values()]
        assert (found.unfinished_s, found.longest_s) == (sum(runs_s), max(runs_s, default=0.0))
        assert found.waited is not None
        assert found.worked is not None
        assert (found.waited.count, found.waited.sum_s) == (len(model.waited_s), sum(model.waited_s))
        assert (found.worked.count, found.worked.sum_s) == (len(model.worked_s), sum(model.worked_s))
        if not self.released:
            assert found.adds == found.waited.count + found.ready + len(model.again)

    @invariant()
    def the_timer_stands_at_the_earliest_delay(self) -> None:
        assert self.loop.next_deadline() == min((delay.moment for delay in self.model.delays.values()), default=None)

    @invariant()
    def a_drain_ends_when_nothing_is_left_or_the_rest_is_abandoned(self) -> None:
        over = self.released or not (self.model.ready or self.model.running)
        assert all(drain.done() == over for drain in self.drains)

    def teardown(self) -> None:
        """Workers run what is left after a close: every drain ends, and each ready key and re-run was handed out."""
        self.drain()
        while self.model.ready or self.model.running:
            for key in sorted(self.model.running):
                self.on_loop(lambda key=key: self.queue.done(key))  # type: ignore[misc]
                self.model.done(key)
                self.settle()
            while self.model.next():
                self.take_nowait()
        self.settle()
        self.queue_and_model_hold_the_same()
        self.a_drain_ends_when_nothing_is_left_or_the_rest_is_abandoned()
        assert not self.queue.busy()
        self.loop.close()


class FlowsMachine(WorkQueueMachine):
    """The same with flows, of which one, two or all keys run at a time."""

    def flows(self, running_max: int | None) -> Flows[str] | None:
        return Flows(of=lambda key: key[0], running_max=running_max)

    def hand_out(self, keys: list[str]) -> None:
        """To any of the takes: one that was woken for a key which another took goes back to the others."""
        served = [take for take in self.takes if take.done() and take.exception() is None]
        assert sorted(take.result() for take in served) == sorted(keys)
        self.takes = [take for take in self.takes if take not in served]


_ROWS = (
    "Q1",
    "Q2",
    "Q3",
    "Q5",
    "Q6",
    "Q7",
    "Q10",
    "Q17",
    "Q18",
    "P1",
    "P2",
    "P3",
    "P4",
    "P10",
    "B6",
    "B7",
    "B23",
    "K12",
)
TestAnySequence = pytest.mark.behaviour(*_ROWS)(WorkQueueMachine.TestCase)
TestAnySequence.settings = settings(max_examples=tries(15, thorough=150), stateful_step_count=40, deadline=None)
TestAnySequenceWithFlows = pytest.mark.behaviour(*_ROWS, "B32")(FlowsMachine.TestCase)
TestAnySequenceWithFlows.settings = settings(
    max_examples=tries(15, thorough=150), stateful_step_count=40, deadline=None
)
