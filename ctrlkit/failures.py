"""
Log what a part survives: a foreseen exception in one line, any other with a traceback, once; and what is said again and
again now and then.

    foreseen      errors of the framework; of the operating system, as of files, sockets and time limits; of HTTP
                  clients, and those of a client that sends what is no HTTP
    unforeseen    any other: most likely a mistake in the program

Of a group of exceptions all must be foreseen to count as that.

    said first                     written
    the same about the same thing  written after 30 s, then 60 s, 120 s, at last every 600 s, with how often it was
                                   `repeated`; at level debug in between
    something else about it        written, with how many lines were `left_out`
    the thing went well            all is forgotten

So whoever reads the last ten minutes of a log sees all that goes on. Errors that differ in numbers alone are the same.

A traceback is written once for each way through the code, whatever it is about, until that about which it was written
went well; lines without it name the place.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from structlog.typing import FilteringBoundLogger

from ctrlkit import clock
from ctrlkit.bounded import BoundedDict
from ctrlkit.errors import CtrlkitError
from ctrlkit.frames import place_of_error
from ctrlkit.telemetry import LogLevel

CLIENT_ERRORS: Final = frozenset(
    {
        "aiohttp.client_exceptions.ClientError",
        "httpx.HTTPError",
        "kubernetes.aio.client.exceptions.OpenApiException",
        "kubernetes.client.exceptions.OpenApiException",
        "urllib3.exceptions.HTTPError",
    }
)
"""What HTTP clients raise, by the names of the base classes: none of them is imported for this."""

BAD_REQUESTS: Final = frozenset({"aiohttp.http_exceptions.HttpProcessingError"})
"""What HTTP servers raise where that which came is no HTTP; what it was may hold a credential, and is not told."""

KNOWN_MAX: Final = 10_000
"""Things about which it is known what was said."""
KINDS_MAX: Final = 4
"""So many different lines about one thing are known: two errors may take turns."""
WAYS_MAX: Final = 1000
"""Ways through the code of which it is known that their traceback was written."""
QUIET_S: Final = 30.0
"""What is repeated is not written for so long; for twice as long each time that it was, until QUIET_MAX_S."""
QUIET_MAX_S: Final = 600.0

UNFORESEEN: ContextVar[Callable[[BaseException, str], None] | None] = ContextVar("ctrlkit_unforeseen", default=None)
"""Called with each unforeseen exception that is survived in this context, and where it was raised; for tests."""

_USER_IN_URL: Final = re.compile(r"(?<=//)[^/\s@]+(?=@)")
_NUMBERS: Final = re.compile(r"[0-9a-f]*\d[0-9a-f]*")


def is_foreseen(error: BaseException) -> bool:
    """
    Whether an error can happen to a program without mistakes; of a group, whether all errors can.

    >>> is_foreseen(TimeoutError()), is_foreseen(KeyError("spec"))
    (True, False)
    """
    return all(_is_foreseen(leaf) for leaf in leaves(error))


def describe(error: BaseException) -> str:
    """
    Describe an error, or all errors of a group, in one line for a log.

    >>> describe(ConnectionResetError(104, "Connection reset by peer")), describe(KeyError("spec"))
    ('ConnectionResetError: [Errno 104] Connection reset by peer', "KeyError('spec')")
    """
    return "; ".join(_in_words(leaf) for leaf in leaves(error))


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the error itself, or all errors in a group and in the groups in it."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield error


class Saying(NamedTuple):
    """Whether a line is to be written, how often it came before, and how many about its thing were not written."""

    is_written: bool
    repeated: int = 0
    left_out: int = 0


@dataclass(slots=True)
class _Said:
    written_at: float
    quiet_s: float = QUIET_S
    repeated: int = 0


@dataclass(slots=True)
class _Thing:
    said: BoundedDict[Hashable, _Said]
    left_out: int = 0


class Repeats:
    """
    Decides which of the lines that say the same about the same thing are written. Pure.

    >>> repeats = Repeats()
    >>> [repeats.say("demo/a", "refused", now).is_written for now in (0.0, 1.0, 29.0, 30.0, 60.0, 90.0)]
    [True, False, False, True, False, True]
    >>> repeats.say("demo/a", "refused", 91.0), repeats.say("demo/a", "not found", 92.0)
    (Saying(is_written=False, repeated=6, left_out=0), Saying(is_written=True, repeated=0, left_out=1))

    Shape   KNOWN_MAX things, and KINDS_MAX lines about each, are known until `forget`; others are said as if new.
    Units   `now`: seconds on the running loop's clock.
    """

    def __init__(self) -> None:
        self._things: BoundedDict[Hashable, _Thing] = BoundedDict(limit=KNOWN_MAX)

    def say(self, about: Hashable, what: Hashable, now: float) -> Saying:
        """Note that something is to be said about a thing."""
        thing = self._things.use(about)
        if thing is None:
            thing = _Thing(BoundedDict(limit=KINDS_MAX))
            self._things.put(about, thing)
        said = thing.said.use(what)
        if said is None:
            thing.said.put(what, _Said(now))
        else:
            said.repeated += 1
            if now - said.written_at < said.quiet_s:
                thing.left_out += 1
                return Saying(is_written=False, repeated=said.repeated)
            said.written_at, said.quiet_s = now, min(2 * said.quiet_s, QUIET_MAX_S)
        left_out, thing.left_out = thing.left_out, 0
        return Saying(is_written=True, repeated=0 if said is None else said.repeated, left_out=left_out)

    def knows(self, about: Hashable, what: Hashable) -> bool:
        """Whether this was said about a thing, and not forgotten."""
        thing = self._things.get(about)
        return thing is not None and what in thing.said

    def forget(self, about: Hashable) -> None:
        """Note that it went well: whatever is said next about this thing is new."""
        self._things.pop(about, None)


class _SaidSoFar:
    """What a FailureLog remembers: what was repeated, and about what each way to fail was told with its traceback."""

    __slots__ = ("repeats", "traced")

    def __init__(self) -> None:
        self.repeats = Repeats()
        self.traced: BoundedDict[Hashable, Hashable] = BoundedDict(limit=WAYS_MAX)


class FailureLog:
    """
    Logs what a part survives, each in one line, and what is repeated now and then, as the head of this module says.

        failures = FailureLog(logger("feed"))
        failures.tell("feed_failed", error, about=key, where="the mapper of pods", key=str(key))

    An unforeseen error comes with its traceback, unless one of the same type, raised by the same lines, was told before
    and goes on: about the same thing or another one. It then says where in the program's own code it was raised.
    """

    __slots__ = ("_log", "_said")

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._said: _SaidSoFar | None = None  # most parts never fail, and there are many of them

    def tell(
        self,
        event: str,
        error: BaseException,
        *,
        about: Hashable,
        where: str = "",
        level: LogLevel = LogLevel.WARNING,
        **values: Any,
    ) -> None:
        """
        Write the log line `event` about an error: at `level` if it was foreseen.

        Shape   `where` says in words what raised, for UNFORESEEN, which is not called without it.
        """
        text = describe(error)
        foreseen = is_foreseen(error)
        if where and not foreseen:
            note_unforeseen(error, where)
        what = (type(error), without_numbers(text)) if foreseen else hash(tuple(_way_of(error)))
        is_traced = not foreseen and self._is_traced(what)
        saying = self._so_far.repeats.say(about, what, clock.reader()())
        values["error"] = text
        if saying.is_written and not (foreseen or is_traced):
            self._so_far.traced.put(what, about)
            values["exc_info"] = error
        elif not foreseen and (place := place_of_error(error)):
            values["where"] = place
        self._write(saying, level if foreseen else LogLevel.ERROR, event, values)

    def say(
        self, event: str, about: Hashable, /, *, what: Hashable, level: LogLevel = LogLevel.WARNING, **values: Any
    ) -> None:
        """Write the log line `event` about something that is no exception; `what` is the same where it is repeated."""
        self._write(self._so_far.repeats.say(about, what, clock.reader()()), level, event, values)

    def forget(self, about: Hashable) -> None:
        """Note that it went well: the next error about this thing is logged in full."""
        if self._said is not None:
            self._said.repeats.forget(about)

    @property
    def _so_far(self) -> _SaidSoFar:
        if self._said is None:
            self._said = _SaidSoFar()
        return self._said

    def _is_traced(self, way: Hashable) -> bool:
        said = self._said
        return said is not None and way in said.traced and said.repeats.knows(said.traced[way], way)

    def _write(self, saying: Saying, level: LogLevel, event: str, values: dict[str, Any]) -> None:
        if saying.repeated:
            values["repeated"] = saying.repeated
        if saying.left_out:
            values["left_out"] = saying.left_out
        write = getattr(self._log, level.value if saying.is_written else LogLevel.DEBUG.value)
        write(event, **values)


def note_unforeseen(error: BaseException, where: str) -> None:
    """Tell the listener of UNFORESEEN, if there is one, of an error that fails a test."""
    listener = UNFORESEEN.get()
    if listener is not None:
        listener(error, where)


def without_numbers(text: str) -> str:
    """
    A text without what differs each time that the same thing is said: numbers, and names that were made of them.

    >>> without_numbers("sent version 807 of net-7d9f8 [audit 5f1c-11]")
    'sent version # of net-# [audit #-#]'
    """
    return _NUMBERS.sub("#", text)


def _is_foreseen(error: BaseException) -> bool:
    return isinstance(error, CtrlkitError | OSError) or _is_one_of(error, CLIENT_ERRORS | BAD_REQUESTS)


def _is_one_of(error: BaseException, names: frozenset[str]) -> bool:
    return any(f"{kind.__module__}.{kind.__qualname__}" in names for kind in type(error).__mro__)


def _in_words(error: BaseException) -> str:
    if isinstance(error, CtrlkitError):
        return str(error)
    if _is_one_of(error, BAD_REQUESTS):
        return type(error).__name__
    if _is_foreseen(error):  # their repr may hold what was sent, an Authorization header included
        return _USER_IN_URL.sub("***", f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": "))
    return repr(error)


def _way_of(error: BaseException) -> Iterator[Hashable]:
    """What is the same each time the same mistake is made: types and lines, of causes too."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield id(type(found))
        for frame, line in traceback.walk_tb(found.__traceback__):
            yield (frame.f_code, line)
        if isinstance(found, BaseExceptionGroup):
            for part in found.exceptions:
                yield from _way_of(part)
        found = found.__cause__ if found.__suppress_context__ or found.__cause__ is not None else found.__context__
