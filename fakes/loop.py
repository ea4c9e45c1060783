"""
An asyncio event loop on virtual time: waiting takes no real time, and every run has the same order of events.

Time     `time()` starts at 0.0 and moves only when no callback is ready: it jumps to the next timer. Timers that are
         due at the same moment run in the order in which they were set.
Outside  Sockets are polled before a jump, so a client and a server on the same loop exchange data at their own pace
         while their timeouts and back-offs cost nothing. What works outside of the loop takes no virtual time: jobs in
         executors, threads, peers of pipes and sockets (ctrlkit.fakes.foreign says what is seen). Time stands while
         there is such work, for `foreign_work_s` real seconds in which it does not call in; then a ForeignWorkWarning
         names it, and time moves on. So it must not wait for a timer of the loop. Starting a child process is refused.
Idle     `wait_all_blocked()` returns when everything else waits, before time jumps. When nothing can wake the loop any
         more, running it raises `DeadlockError`, which names the waiting tasks and where they wait.
Owner    One thread, as any asyncio loop. `ctrlkit.clock` finds `wall_now` and `random_source` on it.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import math
import random
import selectors
import threading
import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import heappush
from pathlib import Path
from time import monotonic
from types import CoroutineType, FrameType, GeneratorType
from typing import TYPE_CHECKING, Any, Never, TypeVar, TypeVarTuple

from ctrlkit.fakes.foreign import ForeignWork, Work

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START = datetime(2026, 1, 1, tzinfo=UTC)
"""The wall clock time at which every virtual loop starts."""

_IO_CHANCE_S = 0.001
"""Real seconds to poll open sockets before a jump: loopback is usually, but not always, immediate."""

_LOOK_S = 0.01
"""Real seconds between two looks at work outside of the loop; what calls in is seen at once."""

FOREIGN_WORK_S = 10.0
"""For how many real seconds time stands while work outside of the loop is not heard of."""

_RESOLUTION_S = 1e-9
"""A timer less than this ahead is due, as with asyncio's own loop on Linux: ten times 0.1 s is then 1 s."""

_Events = list[tuple[selectors.SelectorKey, int]]


@dataclass(slots=True)
class Skew:
    """How many seconds a wall clock is ahead; negative if it is behind."""

    seconds: float = 0.0


SKEW: ContextVar[Skew | None] = ContextVar("fakes_clock_skew", default=None)
"""The offset of the wall clock for tasks in this context; timers are not affected."""


class ForeignWorkWarning(RuntimeWarning):
    """Virtual time moves on although threads, executors, pipes or sockets outside of the loop have not answered."""


class DeadlockError(RuntimeError):
    """Everything waits, and there is no timer, socket, executor job or other thread that could wake the loop."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """
    An event loop whose time jumps from timer to timer. `seed` is for `random_source`, the source of all jitter.

    >>> async def long_wait() -> float:
    ...     await asyncio.sleep(3600)
    ...     return asyncio.get_running_loop().time()
    >>> with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
    ...     runner.run(long_wait())
    3600.0
    """

    # Names of asyncio itself, equal in 3.11 to 3.13 and absent from its type stubs. asyncio has no public way to ask
    # for the next timer, nor to say which of two equal ones comes first: so timers are put onto its heap here, as its
    # own call_at does. The resolution is only set: at 1e-9 s timers beyond day 194 would never be due, because floats
    # that far from zero lie too far apart.
    _scheduled: list[asyncio.TimerHandle]
    _clock_resolution: float
    _ready: deque[asyncio.Handle]
    _closed: bool
    _debug: bool
    _check_closed: Callable[[], None]

    def __init__(self, *, seed: int = 0) -> None:
        self.random_source: random.Random = random.Random(seed)
        """The source of all jitter, seeded."""
        self._now_s = 0.0
        self._began_s = START.timestamp()
        self._wall_s, self._wall_now = self._began_s, START
        self._timers_set = itertools.count()
        self.foreign_work_s: float = FOREIGN_WORK_S
        """For how many real seconds time stands while work outside of the loop is not heard of."""
        self._jobs: dict[object, str] = {}
        self._let_go: set[Hashable] = set()
        self._foreign = ForeignWork()
        self._idle_waiters: deque[asyncio.Future[None]] = deque()
        self._idle_later: deque[asyncio.Future[None]] = deque()  # after the next jump
        self._poller = _Poller(self._wait)
        super().__init__(self._poller)
        self._own_fds = frozenset(self._poller.get_map())
        self._clock_resolution = _RESOLUTION_S

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def wall_now(self) -> datetime:
        """The virtual wall time in UTC, plus the SKEW of the current context; one object as long as no time passes."""
        skew = SKEW.get()
        seconds = self._began_s + self._now_s + (0.0 if skew is None else skew.seconds)
        if seconds != self._wall_s:
            self._wall_s, self._wall_now = seconds, datetime.fromtimestamp(seconds, tz=UTC)
        return self._wall_now

    def set_wall_time_after(self, moment: datetime) -> None:
        """Set the wall clock to a moment that is still to come; a clock that is past it stays. Timers do not move."""
        self._began_s = max(self._began_s, moment.timestamp() - self._now_s)

    def next_deadline(self) -> float | None:
        """When, in terms of `time()`, the next timer is due; None if there is none."""
        if self._scheduled and not self._scheduled[0].cancelled():
            return float(self._scheduled[0].when())
        return min((float(timer.when()) for timer in self._scheduled if not timer.cancelled()), default=None)

    async def wait_all_blocked(self) -> None:
        """
        Wait until every other task waits for a timer or for something outside; no virtual time passes.

        If several tasks wait here, one is released at a time, the longest waiting first: while it runs, the others
        count as blocked.
        """
        idle = self.create_future()
        self._idle_waiters.append(idle)
        await idle

    async def wait_next_timer(self) -> None:
        """
        Wait until the next timer is due, with all who wait for the same moment, and until everything is blocked again.

        Where a timer is due already, no virtual time passes.
        """
        if (deadline := self.next_deadline()) is not None and deadline <= self._now_s:
            await asyncio.sleep(0)
            await self.wait_all_blocked()
            return
        idle = self.create_future()
        self._idle_later.append(idle)
        await idle

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass and run all that falls due, in order, until everything is blocked again."""
        await asyncio.sleep(seconds)
        await self.wait_all_blocked()

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule a callback as asyncio does, which looks at more where it debugs."""
        if self._closed or self._debug:
            return super().call_soon(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a callback as asyncio does; of two timers with equal deadlines the one set first runs first."""
        self._check_closed()
        timer = _Timer(when, callback, args, self, context)
        timer.order = next(self._timers_set)
        heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run a job as asyncio does; no virtual time passes until it is done or its future is cancelled."""
        job = super().run_in_executor(executor, func, *args)
        self._jobs[job] = f"the job {_name_of(func)} of an executor"
        job.add_done_callback(self._jobs.pop)
        return job

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Shut down as asyncio does, ignoring `timeout`: a virtual one would be over before any thread ends."""
        end = object()
        self._jobs[end] = "the last jobs of asyncio's executor"
        try:
            await super().shutdown_default_executor()
        finally:
            del self._jobs[end]

    async def subprocess_exec(self, *args: Any, **_kwargs: Any) -> Never:
        """Refuse with RuntimeError, as `subprocess_shell` does."""
        _refuse_process(args)

    async def subprocess_shell(self, *args: Any, **_kwargs: Any) -> Never:
        """Refuse with RuntimeError: a child process runs on real time, so timeouts for it would be over at once."""
        _refuse_process(args)

    def _wait(self, timeout: float | None) -> _Events:
        """Stand in for `select()`: wait for what comes from outside, else let go who waits for idleness, else jump."""
        has_work = timeout is not None and timeout <= 0
        has_sockets = self._poller.registered > len(self._own_fds)
        if has_work and not has_sockets:
            events: _Events = []  # calls of other threads are among the work already
        else:
            events = self._poller.poll(0)
        if events or has_work:
            return self._came(events)
        is_alone = not (has_sockets or self._jobs or threading.active_count() > 1)
        if not is_alone and (timeout is not None or self._idle_waiters) and (events := self._stand()):
            return self._came(events)
        if has_sockets and (events := self._poller.poll(_IO_CHANCE_S)):
            return self._came(events)
        if self._release_idle_waiter():
            return []
        if timeout is not None:
            self._jump_to(self._scheduled[0].when())  # asyncio has just dropped cancelled timers from the top
            return []
        if has_sockets or self._jobs or _other_threads():
            return self._came(self._poller.poll(None))
        raise DeadlockError(_deadlock_message(asyncio.all_tasks(self)))

    def _stand(self) -> _Events:
        """Wait while there is work outside that was not let go; what it leads to is returned."""
        until = monotonic() + self.foreign_work_s
        while work := self._outstanding():
            if events := self._poller.poll(_LOOK_S):
                return events
            if monotonic() >= until:
                self._let_go.update(one.token for one in work)
                warnings.warn(_moved_on(work, self.foreign_work_s), ForeignWorkWarning, stacklevel=2)
        return self._poller.poll(0)  # work may have ended since the last look, and have woken the loop

    def _outstanding(self) -> list[Work]:
        jobs = (Work(what, job) for job, what in self._jobs.items())
        fds = [fd for fd in self._poller.get_map() if isinstance(fd, int) and fd not in self._own_fds]
        work = [*jobs, *self._foreign.outstanding(fds)]
        return [one for one in work if one.token not in self._let_go] if self._let_go else work

    def _came(self, events: _Events) -> _Events:
        if events:
            self._foreign.came(key.fd for key, _ in events)
        return events

    def _release_idle_waiter(self) -> bool:
        while self._idle_waiters:
            idle = self._idle_waiters.popleft()
            if not idle.done():  # its task was not cancelled meanwhile
                idle.set_result(None)
                return True
        return False

    def _jump_to(self, deadline: float) -> None:
        self._now_s = max(self._now_s, float(deadline))
        self._idle_waiters += self._idle_later
        self._idle_later.clear()
        self._clock_resolution = max(_RESOLUTION_S, math.ulp(self._now_s))


@contextmanager
def at_hand(loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    """
    Let a loop that does not run count as running in the block, for plain code that asks for its time or sets timers.

    With None, and where a loop counts as running already, it changes nothing.
    """
    if loop is None or asyncio._get_running_loop() is not None:
        yield
        return
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(None)


class _Poller(selectors.DefaultSelector):
    """The real selector, whose waiting is decided by the loop."""

    def __init__(self, wait: Callable[[float | None], _Events]) -> None:
        super().__init__()
        self._wait = wait
        self.registered = 0

    def register(self, fileobj: FileDescriptorLike, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self.registered = len(self.get_map())
        return key

    def unregister(self, fileobj: FileDescriptorLike) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self.registered = len(self.get_map())
        return key

    def select(self, timeout: float | None = None) -> _Events:
        return self._wait(timeout)

    def poll(self, timeout: float | None) -> _Events:
        """Really wait, for `timeout` real seconds; None is for as long as it takes."""
        return super().select(timeout)


class _Timer(asyncio.TimerHandle):
    """A timer of asyncio's heap, which compares them: without `order` those of one moment come out in any order."""

    __slots__ = ("order",)
    order: int
    _when: float
    _scheduled: bool

    def __lt__(self, other: _Timer) -> bool:  # type: ignore[override]  # the loop has no others
        return self._when < other._when or (self._when == other._when and self.order < other.order)


def waiting_place(task: asyncio.Task[Any]) -> str:
    """
    Describe where a task waits: its functions, outermost first, each with file and line.

    Python does not expose what is below an `async for`, so the chain may end there.
    """
    return " > ".join(_awaiting(task.get_coro()))


def _awaiting(awaitable: object) -> Iterator[str]:
    while True:
        match awaitable:
            case CoroutineType(cr_frame=FrameType() as frame, cr_await=inner):
                pass
            case GeneratorType(gi_frame=FrameType() as frame, gi_yieldfrom=inner):
                pass
            case _:
                return
        code = frame.f_code
        yield f"{code.co_qualname} ({Path(code.co_filename).name}:{frame.f_lineno})"
        awaitable = inner


def _deadlock_message(tasks: set[asyncio.Task[Any]]) -> str:
    places = sorted(f"{task.get_name()} at {waiting_place(task)}" for task in tasks)
    return (
        "move virtual time: no timer is set, and no socket, executor job or thread is left that could wake the loop; "
        "let something end these waits, or give them a timeout [" + "; ".join(places) + "]"
    )


def _moved_on(work: Sequence[Work], after_s: float) -> str:
    named = "; ".join(sorted(one.what for one in work))
    return (
        f"move virtual time on: nothing was heard for {after_s:g} real seconds of {named}; a timeout around it may be "
        "over at once. Give it more with `asyncio.get_running_loop().foreign_work_s = 60`, begin what serves all tests "
        "before the world, or mark the test real_time"
    )


def _name_of(func: Callable[..., object]) -> str:
    """Name a job, also one of asyncio.to_thread, which is wrapped twice."""
    named: object = func
    while isinstance(named, functools.partial):
        named = named.args[0] if getattr(named.func, "__name__", "") == "run" and named.args else named.func
    return str(getattr(named, "__qualname__", repr(named)))


def _other_threads() -> bool:
    """Whether a thread is left that could call in; the idle ones of asyncio's default executor never do."""
    return any(
        thread is not threading.current_thread() and not thread.name.startswith("asyncio_")
        for thread in threading.enumerate()
    )


def _refuse_process(args: tuple[Any, ...]) -> Never:
    command = args[1] if len(args) > 1 else ""
    raise RuntimeError(
        f"start {command!r} on virtual time: a child process lives on real time; "
        "use asyncio's own loop here, in tests with @pytest.mark.real_time"
    )
