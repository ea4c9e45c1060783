"""
Scripted faults of a server and its network: errors, lost or late replies, repeated events, broken watches.

`Faults` is an interceptor for calls and one for watches, which FakeClientset has installed; so faults work over HTTP,
too. Durations are on the running loop's clock: a delay of an hour costs nothing on virtual time.
"""

from __future__ import annotations

import asyncio
import copy
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType, UnionType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from ctrlkit.errors import (
    ApiError,
    CtrlkitError,
    Expired,
    ServiceUnavailable,
    StreamBroken,
    TooManyRequests,
    Unreachable,
)
from ctrlkit.fakes.clientset.calls import Calls
from ctrlkit.fakes.durations import parse_duration
from ctrlkit.model import Action, Lines, Verb

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.kinds.registry import Registry

Interceptor = Callable[[Action, Callable[[Action], Awaitable[bytes]]], Awaitable[bytes]]
"""Wraps a call: `fn(action, call_next)` answers itself, or awaits `call_next(action)`."""

WatchInterceptor = Callable[
    [Action, Callable[[Action], AbstractAsyncContextManager[Lines]]], AbstractAsyncContextManager[Lines]
]
"""Wraps a watch in the same way."""

_EVIDENCE: Final = "scripted fault"
_TOO_MANY: Final = "Too many requests, please try again later."
_DOWN: Final = "the server is currently unable to handle the request"


class UnusedFaultWarning(UserWarning):
    """A fault met no call, so that a test of it shows nothing."""


class Overloaded(TooManyRequests):
    """The 429 of priority and fairness, which is no Status on the wire."""


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
    An active fault: it ends after its number of calls, after its time, by `end()`, or at the end of a `with` block.

    `hits` counts the calls that it affected, and the watches that it held back. One that has none at the end of a world
    is told by a warning, unless it is `optional`.
    """

    def __init__(self, calls: Calls, effect: _Effect, *, times: int | None, on_end: Callable[[Fault], None]) -> None:
        self.calls: Calls = calls
        self.hits: int = 0
        self.effect: _Effect = effect
        self._left = times
        self._on_end = on_end
        self._may_be_unused = False

    def optional(self) -> Self:
        """Let this fault meet nothing, without a warning; returns the fault."""
        self._may_be_unused = True
        return self

    @property
    def is_missing(self) -> bool:
        """Whether it should have met something and has not."""
        return not self.hits and not self._may_be_unused

    def end(self) -> None:
        """Stop the fault; stopping twice has no effect."""
        self._on_end(self)

    def hit(self) -> None:
        """Count an affected call; the last one ends the fault."""
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
    The faults of one server, or of one client's connection to it.

    >>> from ctrlkit.errors import Conflict
    >>> faults = Faults()
    >>> fault = faults.fail(Calls("update", "pods", "demo/*"), Conflict("it changed"), times=2)
    >>> faults.active()
    ('fail with Conflict (update pods demo/*, 2 more)',)

    Shape   `times` is how many calls a fault affects; with None it lasts until its `end()`. `lasts` is a duration such
            as "30s", after which it ends. All faults that match a call take effect, oldest first. `registry` has the
            kinds that are served, if that is known: then Calls that none of its calls can fit are refused.
    Errors  ValueError for such Calls, for a fault of watches that is to meet other calls, and for `times` below 1;
            TypeError for what is no error of the framework.
    """

    def __init__(self, registry: Registry | None = None) -> None:
        self._registry = registry
        self._made: list[Fault] = []
        self._faults: list[Fault] = []
        self._taps: dict[_Tap, None] = {}
        self._ended: dict[str, bool] = {}

    # ---- calls ------------------------------------------------------------------------------------------------------

    def fail(self, calls: Calls, error: CtrlkitError, *, times: int | None = 1) -> Fault:
        """Fail calls before they are performed: with an ApiError, or with a TransportError if no answer should come."""
        return self._add(calls, _Fail(_checked(error)), times)

    def lose_reply(self, calls: Calls, *, times: int | None = 1) -> Fault:
        """Perform calls and lose the reply: the caller gets Unreachable although a write was carried out."""
        return self._add(calls, _LoseReply(), times)

    def delay(self, calls: Calls, by: float | str, *, times: int | None = 1) -> Fault:
        """Delay calls on their way to the server."""
        return self._add(calls, _Delay(parse_duration(by)), times)

    def outage(self, calls: Calls, *, lasts: float | str | None = None, error: CtrlkitError | None = None) -> Fault:
        """
        Fail calls with 503, or with `error`, and break running watches, until the fault ends.

            with world.faults.outage(Calls(resource=CONFIG_MAPS)):
                await world.pass_time("5m")
        """
        fault = self._add(calls, _Fail(_checked(error or ServiceUnavailable(_DOWN))), None, lasts)
        if calls.verb in ("*", Verb.WATCH):
            self.cut_watches(calls, optional=True)
        return fault

    def overload(self, calls: Calls = Calls(), *, times: int | None = 1, retry_after_s: int = 1) -> Fault:  # noqa: B008
        """
        Turn calls away with 429 before they are performed, as priority and fairness does while too many are waiting.

        Over HTTP the answer is plain text with Retry-After, and no Status, as a real server's is.
        """
        return self._add(calls, _Fail(Overloaded(_TOO_MANY, retry_after_s=retry_after_s)), times)

    # ---- watches ----------------------------------------------------------------------------------------------------

    def cut_watches(self, calls: Calls = Calls(), *, optional: bool = False) -> int:  # noqa: B008 - a frozen value
        """Break the running watches, as a lost connection does; returns how many. `optional`: there may be none."""
        return self._end_watches("cut", calls, StreamBroken("the connection was lost [scripted fault]"), optional)

    def end_watches(self, calls: Calls = Calls(), *, optional: bool = False) -> int:  # noqa: B008
        """End the running watches cleanly, as a server does after their timeout; returns how many."""
        return self._end_watches("end", calls, None, optional)

    def expire_watches(self, calls: Calls = Calls(), *, optional: bool = False) -> int:  # noqa: B008
        """End the running watches with 410 Gone, as a server does after compaction; returns how many."""
        error = Expired("too old resource version: compacted away [scripted fault]")
        return self._end_watches("expire", calls, error, optional)

    def stall_watches(self, calls: Calls = Calls(), *, lasts: float | str | None = None) -> Fault:  # noqa: B008
        """Hold back all watch events until the fault ends; then they are delivered."""
        fault = self._add(_of_watches(calls), _Stall(), None, lasts)
        self._poke(calls)
        return fault

    def repeat_events(self, calls: Calls = Calls(), *, times: int | None = 1) -> Fault:  # noqa: B008
        """Deliver batches of watch events twice."""
        return self._add(_of_watches(calls), _Repeat(), times)

    # ---- all of them ------------------------------------------------------------------------------------------------

    def active(self) -> tuple[str, ...]:
        """Describe the active faults."""
        return tuple(str(fault) for fault in self._faults)

    def unused(self) -> tuple[str, ...]:
        """Describe the faults that have met nothing, but for those that are optional."""
        missing = (str(fault) for fault in self._made if fault.is_missing)
        return (*missing, *(what for what, has_met in self._ended.items() if not has_met))

    def tell_unused(self) -> None:
        """Warn about each fault that has met nothing, once."""
        unused, self._made, self._ended = self.unused(), [], {}
        if unused:
            warnings.warn(
                f"end the faults: no call met {'; '.join(unused)}; mend the Calls, or say that it is optional",
                UnusedFaultWarning,
                stacklevel=2,
            )

    def clear(self) -> None:
        """End all faults."""
        for fault in tuple(self._faults):
            fault.end()

    async def intercept(self, action: Action, call_next: Callable[[Action], Awaitable[bytes]]) -> bytes:
        """Apply the faults to a call; an Interceptor."""
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
        """Apply the faults to a watch; a WatchInterceptor."""
        lost = await self._reply_is_lost(action) if self._faults else False
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
        """Whether to deliver the next batch of a watch twice; counts as a hit."""
        return bool(self._hit(action, _Repeat))

    def stalls(self, action: Action) -> bool:
        """Whether the events of a watch are held back now."""
        if not self._faults:
            return False
        holding = [one for one in self._faults if isinstance(one.effect, _Stall) and one.calls.matches(action)]
        for fault in holding:
            fault.hit()
        return bool(holding)

    async def _reply_is_lost(self, action: Action) -> bool:
        """Apply delays and failures; whether the reply is to be lost."""
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
        """The faults that apply to this call, counted; those after a failure are left for the next call."""
        met = []
        for fault in tuple(self._faults):
            if isinstance(fault.effect, kinds) and fault.calls.matches(action):
                fault.hit()
                met.append(fault)
                if isinstance(fault.effect, _Fail):
                    break
        return met

    def _add(self, calls: Calls, effect: _Effect, times: int | None, lasts: float | str | None = None) -> Fault:
        if not isinstance(calls, Calls):
            raise TypeError(f"add a fault for {calls!r}: write which calls, as in Calls('create', PODS, 'demo/*')")
        if times is not None and (type(times) is not int or times < 1):
            raise ValueError(
                f"add a fault for {times!r} calls: write how many it affects, or None for all until its end"
            )
        if self._registry is not None:
            calls.check(self._registry)
        fault = Fault(calls, effect, times=times, on_end=self._end)
        self._made.append(fault)
        self._faults.append(fault)
        if lasts is not None:
            asyncio.get_running_loop().call_later(parse_duration(lasts), fault.end)
        return fault

    def _end(self, fault: Fault) -> None:
        if fault in self._faults:
            self._faults.remove(fault)
            if isinstance(fault.effect, _Stall):
                self._poke(fault.calls)

    def _end_watches(self, how: str, calls: Calls, error: CtrlkitError | None, optional: bool) -> int:  # noqa: FBT001
        _of_watches(calls)
        if self._registry is not None:
            calls.check(self._registry)
        met = [tap for tap in self._taps if calls.matches(tap.action)]
        for tap in met:
            tap.end(error)
        what = f"{how} watches ({calls})"
        self._ended[what] = self._ended.get(what, False) or optional or bool(met)
        return len(met)

    def _poke(self, calls: Calls) -> None:
        """Wake the readers of the watches that a fault is about."""
        for tap in self._taps:
            if calls.matches(tap.action):
                tap.look_up()


class _Tap:
    """The lines of one watch on their way to the reader; faults may end them or hold them back."""

    def __init__(self, lines: Lines, faults: Faults, action: Action) -> None:
        self.action = action
        self._lines = lines
        self._faults = faults
        self._ending: list[CtrlkitError | None] = []
        self._over = False
        self._reader: asyncio.Task[Any] | None = None
        self._is_called = False

    def end(self, error: CtrlkitError | None) -> None:
        """End the watch: cleanly (None), with an ERROR event (ApiError), or by raising the error."""
        self._ending.append(error)
        self.look_up()

    def look_up(self) -> None:
        """Wake a waiting reader, so that it notices a changed fault."""
        if self._reader is not None and not self._is_called:
            self._is_called = True
            self._reader.cancel()

    def __aiter__(self) -> _Tap:
        return self

    async def __anext__(self) -> Sequence[bytes]:
        while not self._over:
            if self._ending:
                return self._end_with(self._ending.pop(0))
            reader = self._reader = asyncio.current_task()
            cancelling = 0 if reader is None else reader.cancelling()
            try:
                if self._faults.stalls(self.action):
                    await asyncio.get_running_loop().create_future()
                lines = await anext(self._lines)
            except asyncio.CancelledError:
                if self._is_called and reader is not None and reader.uncancel() <= cancelling:
                    continue  # as asyncio.timeout does: nobody but `look_up` has cancelled it
                raise
            finally:
                self._reader, self._is_called = None, False
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


def _checked(error: CtrlkitError) -> CtrlkitError:
    if not isinstance(error, CtrlkitError):
        raise TypeError(f"fail calls with {error!r}: write an error of ctrlkit.errors, such as Conflict('it changed')")
    return error


def _of_watches(calls: Calls) -> Calls:
    if not isinstance(calls, Calls):
        raise TypeError(f"disturb watches by {calls!r}: write which, as in Calls('watch', PODS)")
    if calls.verb not in ("*", Verb.WATCH):
        raise ValueError(
            f"disturb watches by calls to {calls.verb}: these have no events; leave out the verb, or write 'watch'"
        )
    return calls


def _anew(error: CtrlkitError) -> CtrlkitError:
    """Copy an error, because one that is raised twice would keep both tracebacks."""
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
