"""
The work queue against a plain model, for any sequence of what handlers, workers, time and shutdown do to it.

The model is a list of ready keys, a set of running ones, a set of those wanted again, a table of delays, and a list of
takes that wait. After each step the loop runs until all is blocked; then queue and model must agree in everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ctrlkit.workqueue import DelayPolicy, ExponentialPerKey, QueueClosed, Statistics, WorkQueue
from fakes.loop import VirtualTimeLoop

KEYS = st.sampled_from("abcd")
DELAYS_S = st.integers(1, 8)
POLICIES = st.sampled_from(DelayPolicy)
LIMITER_S = 2.0
"""What the limiter always asks for: base and cap are the same, and a floor of 1 means no jitter."""


class Model:
    """What the documentation of WorkQueue says, in the plainest data."""

    def __init__(self) -> None:
        self.ready: list[str] = []
        self.running: set[str] = set()
        self.again: set[str] = set()
        self.delays: dict[str, tuple[float, int]] = {}  # key -> moment, number of the step that set it
        self.retries: set[str] = set()
        self.step = 0
        self.closed = False
        self.abandoned = 0

    def want(self, key: str) -> None:
        self.cancel(key)
        if key in self.running:
            self.again.add(key)
        elif key not in self.ready:
            self.ready.append(key)

    def delay(self, key: str, moment: float, policy: DelayPolicy) -> bool:
        if key in self.ready or key in self.again:
            return False
        self.step += 1
        held = self.delays.get(key, (moment, self.step))
        chosen = {
            DelayPolicy.EARLIEST: min(held[0], moment),
            DelayPolicy.LATEST: max(held[0], moment),
            DelayPolicy.REPLACE: moment,
        }[policy]
        self.delays[key] = held if chosen == held[0] else (chosen, self.step)
        return True

    def cancel(self, key: str) -> bool:
        self.retries.discard(key)
        return self.delays.pop(key, None) is not None

    def pass_time(self, now: float) -> None:
        for key in sorted((key for key in self.delays if self.delays[key][0] <= now), key=self.delays.__getitem__):
            self.want(key)

    def done(self, key: str) -> None:
        self.running.remove(key)
        if key in self.again:
            self.again.remove(key)
            self.ready.append(key)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.abandoned += len(self.delays)
            self.delays.clear()
            self.retries.clear()


class WorkQueueMachine(RuleBasedStateMachine):
    """Each rule does one thing to the queue and the same to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        limiter = ExponentialPerKey[str](base_s=LIMITER_S, cap_s=LIMITER_S, floor=1.0)
        self.queue = WorkQueue[str](limiter=limiter)
        self.model = Model()
        self.takes: list[asyncio.Task[str]] = []  # that wait, in order
        self.drains: list[asyncio.Task[None]] = []
        self.released = False  # abandon() was called

    def settle(self) -> None:
        """Let every task run until it waits, then let the waiting takes have what the model has for them."""
        self.loop.run_until_complete(self.loop.wait_all_blocked())
        while self.takes and self.model.ready:
            key = self.model.ready.pop(0)
            self.model.running.add(key)
            assert self.takes.pop(0).result() == key
        if self.model.closed:
            for take in self.takes:
                assert isinstance(take.exception(), QueueClosed)
            self.takes.clear()
        assert not any(take.done() for take in self.takes)

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.loop.run_until_complete(self._on_loop(lambda: self.queue.add(key)))
        if not self.model.closed:
            self.model.want(key)
        self.settle()

    @rule(key=KEYS, delay_s=DELAYS_S, policy=POLICIES)
    def add_after(self, key: str, delay_s: int, policy: DelayPolicy) -> None:
        self.loop.run_until_complete(self._on_loop(lambda: self.queue.add_after(key, delay_s, policy=policy)))
        if not self.model.closed:
            self.model.delay(key, self.loop.time() + delay_s, policy)
        self.settle()

    @rule(key=KEYS)
    def add_rate_limited(self, key: str) -> None:
        failures = self.queue.failures(key)
        self.loop.run_until_complete(self._on_loop(lambda: self.queue.add_rate_limited(key)))
        if self.model.closed:
            self.model.abandoned += 1
            assert self.queue.failures(key) == failures
        else:
            assert self.queue.failures(key) == failures + 1
            if self.model.delay(key, self.loop.time() + LIMITER_S, DelayPolicy.EARLIEST):
                self.model.retries.add(key)
        self.settle()

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.queue.forget(key)
        assert self.queue.failures(key) == 0

    @rule(key=KEYS)
    def cancel_after(self, key: str) -> None:
        answers: list[bool] = []
        self.loop.run_until_complete(self._on_loop(lambda: answers.append(self.queue.cancel_after(key))))
        assert answers == [self.model.cancel(key)]

    @rule(seconds=DELAYS_S)
    def advance(self, seconds: int) -> None:
        self.loop.run_until_complete(self.loop.advance(seconds))
        self.model.pass_time(self.loop.time())
        self.settle()

    @rule()
    def take(self) -> None:
        self.takes.append(self.loop.create_task(self.queue.take()))
        self.settle()

    @precondition(lambda self: not self.takes)
    @rule()
    def take_nowait(self) -> None:
        if self.model.ready:
            key = self.queue.take_nowait()
            assert key == self.model.ready.pop(0)
            self.model.running.add(key)
        else:
            with pytest.raises(QueueClosed if self.model.closed else asyncio.QueueEmpty):
                self.queue.take_nowait()

    @precondition(lambda self: self.takes)
    @rule(data=st.data(), key=KEYS, first=st.sampled_from(["add", "cancel"]))
    def cancel_a_take_in_the_tick_of_an_add(self, data: st.DataObject, key: str, first: str) -> None:
        take = self.takes.pop(data.draw(st.integers(0, len(self.takes) - 1), label="which take"))

        def both() -> None:
            if first == "cancel":
                take.cancel()
            self.queue.add(key)
            take.cancel()

        self.loop.run_until_complete(self._on_loop(both))
        if not self.model.closed:
            self.model.want(key)
        self.settle()
        assert take.cancelled()

    @precondition(lambda self: self.model.running)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.model.running)), label="which key")
        self.queue.done(key)
        self.model.done(key)
        self.settle()

    @rule(key=KEYS)
    def done_of_a_key_that_does_not_run(self, key: str) -> None:
        if key not in self.model.running:
            with pytest.raises(KeyError):
                self.queue.done(key)

    @precondition(lambda self: self.model.step > 3)
    @rule()
    def close(self) -> None:
        self.queue.close()
        self.model.close()
        self.settle()

    @precondition(lambda self: self.model.step > 3)
    @rule()
    def drain(self) -> None:
        self.drains.append(self.loop.create_task(self.queue.drain()))
        self.model.close()
        self.settle()

    @precondition(lambda self: self.model.step > 3 and self.model.closed)
    @rule()
    def abandon(self) -> None:
        self.queue.abandon()
        self.released = True
        self.model.close()
        self.model.abandoned += len(self.model.ready) + len(self.model.again)
        self.model.ready.clear()
        self.model.again.clear()
        self.settle()

    @invariant()
    def queue_and_model_agree(self) -> None:
        model = self.model
        assert self.queue.statistics() == Statistics(
            ready=len(model.ready),
            running=len(model.running),
            delayed=len(model.delays),
            retries=len(model.retries),
            takers=len(self.takes),
            abandoned=model.abandoned,
        )
        busy = [f"{key} ready" for key in model.ready]
        busy += [f"{key} running" + (", wanted again" if key in model.again else "") for key in model.running]
        busy += [f"{key} owed a retry" for key in model.retries if key not in model.running]
        assert sorted(self.queue.busy()) == sorted(busy)
        assert self.queue.is_idle() == (not busy)

    @invariant()
    def the_timer_stands_at_the_earliest_delay(self) -> None:
        moments = [moment for moment, _ in self.model.delays.values()]
        assert self.loop.next_deadline() == min(moments, default=None)

    @invariant()
    def a_drain_ends_when_nothing_is_left_or_the_rest_is_abandoned(self) -> None:
        over = self.released or not (self.model.ready or self.model.running)
        assert all(drain.done() == over for drain in self.drains)

    def teardown(self) -> None:
        """Workers run what is left after a close: every drain ends, and each ready key and re-run was handed out."""
        self.drain()
        while self.model.ready or self.model.running:
            for key in sorted(self.model.running):
                self.queue.done(key)
                self.model.done(key)
            while self.model.ready:
                self.take_nowait()
        self.settle()
        self.queue_and_model_agree()
        self.a_drain_ends_when_nothing_is_left_or_the_rest_is_abandoned()
        assert self.queue.is_idle()
        self.loop.close()

    @staticmethod
    async def _on_loop(step: Callable[[], object]) -> None:
        step()


TestAnySequence = pytest.mark.behaviour("Q1", "Q2", "Q3", "Q5", "Q6", "Q7", "B6", "B23")(WorkQueueMachine.TestCase)
TestAnySequence.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
