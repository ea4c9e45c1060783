"""
Faults of a server and of the way to it, scripted by a test: over any Transport, and so over HTTP too.

    in   Calls to look out for, and what happens to them
    way  an interceptor for calls and one for watches; FakeClientset has them installed
    out  errors in the place of answers, answers that are lost, late or doubled, watches that break

Time is the running loop's: a delay of an hour costs nothing on a virtual one.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType, UnionType
from typing import Final, Self

import msgspec

from ctrlkit import clock
from ctrlkit.errors import (
    ApiError,
    CtrlkitError,
    Expired,
    ServiceUnavailable,
    StreamBroken,
    Unreachable,
)
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.durations import seconds
from ctrlkit.model import Action, Lines

Interceptor = Callable[[Action, Callable[[Action], Awaitable[bytes]]], Awaitable[bytes]]
"""Stands around a call: `fn(action, call_next)` answers itself, or awaits `call_next(action)`."""

WatchInterceptor = Callable[
    [Action, Callable[[Action], AbstractAsyncContextManager[Lines]]], AbstractAsyncContextManager[Lines]
]
"""Stands around a watch, in the same way."""

_EVIDENCE: Final = "scripted fault"
_DOWN: Final = "the server is currently unable to handle the request"


@dataclass(frozen=True, slots=True)
class _Fail:
    error: CtrlkitError


@dataclass(frozen=True, slots=True)
class _Delay:
    by_s: float


@dataclass(frozen=True, slots=True)
class _LoseReply:
    pass


@dataclass(frozen=True, slots=True)
class _Stall:
    pass


@dataclass(frozen=True, slots=True)
class _Repeat:
    pass


_Effect = _Fail | _Delay | _LoseReply | _Stall | _Repeat


class Fault:
    """
    One fault at work: it ends when it has met as many calls as it should, after its time, or by `end()`.

    `hits` counts the calls it met. As a context manager it ends with the block.
    """

    def __init__(self, calls: Calls, effect: _Effect, *, times: int | None, on_end: Callable[[Fault], None]) -> None:
        self.calls = calls
        self.hits = 0
        self.effect = effect
        self._left = times
        self._on_end = on_end

    def end(self) -> None:
        """Do no more harm; ending twice is harmless."""
        self._on_end(self)

    def hit(self) -> None:
        """Count a call; the last one ends the fault."""
        self.hits += 1
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def __str__(self) -> str:
        left = "" if self._left is None else f", {self._left} more"
        return f"{_words(self.effect)} ({self.calls}{left})"


class Faults:
    """
    The faults of one server, or of one client's way to it.

    >>> from ctrlkit.errors import Conflict
    >>> faults = Faults()
    >>> fault = faults.fail(Calls("update", "pods", "demo/*"), Conflict("it changed"), times=2)
    >>> faults.active()
    ('fail with Conflict (update pods demo/*, 2 more)',)

    Shape   `times` is how many calls a fault meets; None lasts until its `end()`. `lasts` is a duration such as "30s",
            after which it ends by itself. Of several faults that match a call, all work, in the order of their making.
    """

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._taps: dict[_Tap, None] = {}

    # ---- calls ------------------------------------------------------------------------------------------------------

    def fail(self, calls: Calls, error: CtrlkitError, *, times: int | None = 1) -> Fault:
        """Answer calls with an error: an ApiError for a refusal, a TransportError for no answer. Nothing is done."""
        return self._add(calls, _Fail(error), times)

    def lose_reply(self, calls: Calls, *, times: int | None = 1) -> Fault:
        """Perform calls and lose the answer: the caller is told Unreachable, though a write was carried out."""
        return self._add(calls, _LoseReply(), times)

    def delay(self, calls: Calls, by: float | str, *, times: int | None = 1) -> Fault:
        """Let calls arrive at the server late."""
        return self._add(calls, _Delay(seconds(by)), times)

    def outage(self, calls: Calls, *, lasts: float | str | None = None, error: CtrlkitError | None = None) -> Fault:
        """
        Fail calls with 503, or with `error`, and break the watches that run, until the fault ends.

            with world.faults.outage(Calls(resource=CONFIG_MAPS)):
                await world.pass_time("5m")
        """
        fault = self._add(calls, _Fail(error or ServiceUnavailable(_DOWN)), None, lasts)
        self.cut_watches(calls)
        return fault

    # ---- watches ----------------------------------------------------------------------------------------------------

    def cut_watches(self, calls: Calls = Calls()) -> int:  # noqa: B008 - a frozen value
        """Break the watches that run now, as a lost connection does; how many."""
        return self._end_watches(calls, StreamBroken("the connection was lost [scripted fault]"))

    def end_watches(self, calls: Calls = Calls()) -> int:  # noqa: B008
        """End the watches that run now cleanly, as a server does after their timeout; how many."""
        return self._end_watches(calls, None)

    def expire_watches(self, calls: Calls = Calls()) -> int:  # noqa: B008
        """End the watches that run now with a 410 in the stream, as for a reader whose place was compacted away."""
        return self._end_watches(calls, Expired("too old resource version: compacted away [scripted fault]"))

    def stall_watches(self, calls: Calls = Calls(), *, lasts: float | str | None = None) -> Fault:  # noqa: B008
        """Hold back all events of watches until the fault ends; then they come."""
        fault = self._add(calls, _Stall(), None, lasts)
        self._poke()
        return fault

    def repeat_events(self, calls: Calls = Calls(), *, times: int | None = 1) -> Fault:  # noqa: B008
        """Deliver batches of events twice."""
        return self._add(calls, _Repeat(), times)

    # ---- all of them ------------------------------------------------------------------------------------------------

    def active(self) -> tuple[str, ...]:
        """The faults that have not ended, in words."""
        return tuple(str(fault) for fault in self._faults)

    def clear(self) -> None:
        """End all faults."""
        for fault in tuple(self._faults):
            fault.end()

    async def intercept(self, action: Action, call_next: Callable[[Action], Awaitable[bytes]]) -> bytes:
        """The interceptor for calls."""
        if not self._faults:
            return await call_next(action)
        if not await self._reply_is_lost(action):
            return await call_next(action)
        with suppress(ApiError):  # a refusal is a reply too
            await call_next(action)
        raise Unreachable("the connection was lost before the reply came [scripted fault]")

    @asynccontextmanager
    async def intercept_watch(
        self, action: Action, call_next: Callable[[Action], AbstractAsyncContextManager[Lines]]
    ) -> AsyncIterator[Lines]:
        """The interceptor for watches."""
        lost = await self._reply_is_lost(action)
        async with call_next(action) as lines:
            if lost:
                raise Unreachable("the connection was lost before the watch began [scripted fault]")
            tap = _Tap(lines, self, action)
            self._taps[tap] = None
            try:
                yield tap
            finally:
                del self._taps[tap]

    def repeats(self, action: Action) -> bool:
        """Whether the next batch of a watch comes twice; counts as a hit."""
        return bool(self._hit(action, _Repeat))

    def stalls(self, action: Action) -> bool:
        """Whether a watch is held back now."""
        return any(isinstance(fault.effect, _Stall) and fault.calls.matches(action) for fault in self._faults)

    async def _reply_is_lost(self, action: Action) -> bool:
        """Let what comes before the call happen: delays and refusals."""
        lost = False
        for fault in self._hit(action, _Fail | _Delay | _LoseReply):
            match fault.effect:
                case _Delay(by_s):
                    await asyncio.sleep(by_s)
                case _Fail(error):
                    raise _anew(error)
                case _:
                    lost = True
        return lost

    def _hit(self, action: Action, kinds: type | UnionType) -> Sequence[Fault]:
        """The faults that meet this call, counted; what follows a refusal is left for the next call."""
        met = []
        for fault in tuple(self._faults):
            if isinstance(fault.effect, kinds) and fault.calls.matches(action):
                fault.hit()
                met.append(fault)
                if isinstance(fault.effect, _Fail):
                    break
        return met

    def _add(self, calls: Calls, effect: _Effect, times: int | None, lasts: float | str | None = None) -> Fault:
        fault = Fault(calls, effect, times=times, on_end=self._end)
        self._faults.append(fault)
        if lasts is not None:
            asyncio.get_running_loop().call_later(seconds(lasts), fault.end)
        return fault

    def _end(self, fault: Fault) -> None:
        if fault in self._faults:
            self._faults.remove(fault)
            if isinstance(fault.effect, _Stall):
                self._poke()

    def _end_watches(self, calls: Calls, error: CtrlkitError | None) -> int:
        met = [tap for tap in self._taps if calls.matches(tap.action)]
        for tap in met:
            tap.end(error)
        return len(met)

    def _poke(self) -> None:
        for tap in self._taps:
            tap.look_up()


class _Tap:
    """The lines of one watch, on their way to the reader; the faults may end it or hold it back."""

    def __init__(self, lines: Lines, faults: Faults, action: Action) -> None:
        self.action = action
        self._lines = lines
        self._faults = faults
        self._ending: list[CtrlkitError | None] = []
        self._over = False
        self._wait: asyncio.Timeout | None = None

    def end(self, error: CtrlkitError | None) -> None:
        """End the watch: cleanly, by breaking, or with a refusal in the stream."""
        self._ending.append(error)
        self.look_up()

    def look_up(self) -> None:
        """Interrupt a reader that waits, so that it looks at what has changed."""
        if self._wait is not None:
            self._wait.reschedule(clock.monotonic())

    def __aiter__(self) -> _Tap:
        return self

    async def __anext__(self) -> Sequence[bytes]:
        while not self._over:
            if self._ending:
                return self._end_with(self._ending.pop(0))
            wait = self._wait = asyncio.timeout(None)
            try:
                async with wait:
                    if self._faults.stalls(self.action):
                        await asyncio.get_running_loop().create_future()
                    lines = await anext(self._lines)
            except TimeoutError:
                if not wait.expired():
                    raise
                continue
            finally:
                self._wait = None
            return [line for line in lines for _ in range(2)] if self._faults.repeats(self.action) else lines
        raise StopAsyncIteration

    def _end_with(self, error: CtrlkitError | None) -> Sequence[bytes]:
        self._over = True
        match error:
            case None:
                raise StopAsyncIteration
            case ApiError():
                return [b'{"type":"ERROR","object":%b}' % msgspec.json.encode(error.to_status())]
            case _:
                raise error


def _anew(error: CtrlkitError) -> CtrlkitError:
    """The same error again: one that is raised twice would keep the traces of both."""
    anew = copy.copy(error)
    if isinstance(anew, ApiError) and not anew.evidence:
        anew.evidence = _EVIDENCE
    return anew


def _words(effect: _Effect) -> str:
    match effect:
        case _Fail(error):
            return f"fail with {type(error).__name__}"
        case _Delay(by_s):
            return f"delay by {by_s:g} s"
        case _LoseReply():
            return "lose the reply"
        case _Stall():
            return "hold back events"
        case _Repeat():
            return "deliver events twice"
