"""
What the documentation of WorkQueue says, in the plainest data; the model for test_any_sequence.py.

Nothing is kept in order here: who is next is searched for from end to end. Where flows take turns several keys may be
next; the model says which, and holds each choice against what the turns promise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ctrlkit.workqueue import NORMAL, DelayPolicy, Flows


@dataclass
class Ready:
    """A ready key; each claim is a moment and the priority it has had since then."""

    key: str
    number: int
    line: int
    ready_at: float
    wanted_at: float
    priority: int
    claims: list[tuple[float, int]]


@dataclass
class Delay:
    """A delayed key; `number` is that of the step which set the moment."""

    moment: float
    number: int
    priority: int


@dataclass
class PlainQueue:
    """Each method is called after the queue's own, at the same moment of the loop's time."""

    point_s: float
    flows: Flows[str] | None
    now: Callable[[], float]
    ready: dict[str, Ready] = field(default_factory=dict)
    running: dict[str, tuple[float, int]] = field(default_factory=dict)  # since when, with which priority
    again: dict[str, tuple[float, int]] = field(default_factory=dict)  # since when, with which priority
    delays: dict[str, Delay] = field(default_factory=dict)
    retries: set[str] = field(default_factory=set)
    batched: set[str] = field(default_factory=set)
    owed: dict[tuple[int, str], set[str]] = field(default_factory=dict)
    """By line and flow: the flows that have waited there, below their limits, since it had its last turn."""
    step: int = 0
    adds: int = 0
    requeues: int = 0
    abandoned: int = 0
    waited_s: list[float] = field(default_factory=list)
    worked_s: list[float] = field(default_factory=list)
    closed: bool = False

    def add(self, key: str, priority: int) -> None:
        if not self.closed:
            self._want(key, max(priority, self.delays[key].priority) if key in self.delays else priority)

    def add_after(self, key: str, delay_s: float, policy: DelayPolicy, priority: int | None) -> bool:
        """Whether the key is delayed by this, or was already."""
        if self.closed:
            return False
        self.requeues += 1
        if key in self.ready or key in self.again:
            if priority is not None:
                self._want(key, priority)
            return False
        if priority is None:
            priority = self.running[key][1] if key in self.running else NORMAL
            if key not in self.running and key in self.delays:
                priority = self.delays[key].priority
        self.step += 1
        moment = self.now() + delay_s
        held = self.delays.get(key, Delay(moment, self.step, priority))
        chosen = {
            DelayPolicy.EARLIEST: min(held.moment, moment),
            DelayPolicy.LATEST: max(held.moment, moment),
            DelayPolicy.REPLACE: moment,
        }[policy]
        number = held.number if chosen == held.moment else self.step
        self.delays[key] = Delay(chosen, number, max(priority, held.priority))
        return True

    def add_batched(self, key: str, delay_s: float, priority: int) -> None:
        if self.closed or key in self.ready or key in self.again:
            self.add(key, priority)
            return
        self.requeues -= 1  # it is one change more, not a wish to come again
        self.add_after(key, delay_s, DelayPolicy.EARLIEST, priority)
        self.batched.add(key)

    def add_rate_limited(self, key: str, delay_s: float, priority: int | None) -> None:
        if self.closed:
            self.abandoned += 1
        elif self.add_after(key, delay_s, DelayPolicy.EARLIEST, priority):
            self.retries.add(key)

    def cancel(self, key: str) -> bool:
        self.retries.discard(key)
        self.batched.discard(key)
        return self.delays.pop(key, None) is not None

    def pass_time(self) -> None:
        due = [key for key, delay in self.delays.items() if delay.moment <= self.now()]
        for key in sorted(due, key=lambda key: (self.delays[key].moment, self.delays[key].number)):
            self._want(key, self.delays[key].priority, at=self.delays[key].moment)

    def done(self, key: str) -> None:
        began, _ = self.running.pop(key)
        self.worked_s.append(self.now() - began)
        if key in self.again:
            wanted_at, priority = self.again.pop(key)
            self._stand(key, priority, wanted_at, at=self.now())
        self._note_limits()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.abandoned += len(self.delays)
            self.delays.clear()
            self.retries.clear()
            self.batched.clear()

    def abandon(self) -> None:
        self.close()
        self.abandoned += len(self.ready) + len(self.again)
        self.ready.clear()
        self.again.clear()

    def next(self) -> set[str]:
        """The keys one of which must be next; none if no key may run."""
        may_run = self._may_run()
        if not may_run:
            return set()
        line = min(may_run, key=lambda found: (self._rank(found), -found.line)).line
        heads: dict[str, Ready] = {}
        for found in sorted(may_run, key=lambda found: found.number):
            if found.line == line:
                heads.setdefault(self._flow(found.key), found)
        return {head.key for flow, head in heads.items() if not self.owed.get((line, flow))}

    def start(self, key: str, began: float) -> None:
        """The queue has chosen a key: that must be right, and no other key be overtaken that it promised not to."""
        assert key in self.next()
        chosen = self.ready.pop(key)
        if self.flows is None:
            for other in self.ready.values():
                for since, priority in other.claims:
                    assert chosen.ready_at <= since + (chosen.line - priority) * self.point_s
        self.waited_s.append(began - chosen.wanted_at)
        self.running[key] = (began, chosen.priority)
        flow = self._flow(key)
        for (line, _), flows in self.owed.items():
            if line == chosen.line:
                flows.discard(flow)
        others = {self._flow(found.key) for found in self._may_run() if found.line == chosen.line}
        self.owed[chosen.line, flow] = others - {flow}
        self._note_limits()

    def depth(self) -> Counter[int]:
        return Counter([ready.priority for ready in self.ready.values()]) + Counter([p for _, p in self.again.values()])

    def _want(self, key: str, priority: int, at: float | None = None) -> None:
        self.cancel(key)
        now = self.now() if at is None else at
        if key in self.ready:
            self._raise(self.ready[key], priority, now)
        elif key not in self.running:
            self.adds += 1
            self._stand(key, priority, now, at=now)
        elif key in self.again:
            wanted_at, held = self.again[key]
            self.again[key] = (wanted_at, max(held, priority))
        else:
            self.adds += 1
            self.again[key] = (now, priority)

    def _stand(self, key: str, priority: int, wanted_at: float, at: float) -> None:
        self.step += 1
        self.ready[key] = Ready(key, self.step, priority, at, wanted_at, priority, [(at, priority)])

    def _raise(self, ready: Ready, priority: int, now: float) -> None:
        if priority > ready.priority:
            ready.priority = priority
            ready.claims.append((now, priority))
            if now - priority * self.point_s <= self._rank(ready):
                self.step += 1
                ready.line, ready.ready_at, ready.number = priority, now, self.step
            self._note_limits()

    def _rank(self, ready: Ready) -> float:
        return ready.ready_at - ready.line * self.point_s

    def _flow(self, key: str) -> str:
        return "" if self.flows is None else str(self.flows.of(key))

    def _may_run(self) -> list[Ready]:
        limit = None if self.flows is None else self.flows.running_max
        running = Counter(self._flow(key) for key in self.running)
        return [found for found in self.ready.values() if limit is None or running[self._flow(found.key)] < limit]

    def _note_limits(self) -> None:
        """Nothing is owed to a flow that does not wait in the line, or is at its limit."""
        may_run = self._may_run()
        for (line, _), flows in self.owed.items():
            flows &= {self._flow(found.key) for found in may_run if found.line == line}
