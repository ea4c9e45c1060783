"""
Log the exceptions that a part survives: in one line if they were foreseen, else with a traceback, once.

    foreseen      errors of the framework; of the operating system, as of files, sockets and time limits; of HTTP
                  clients
    unforeseen    any other: most likely a mistake in the program

Of a group of exceptions all must be foreseen to count as that.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from ctrlkit.bounded import BoundedDict
from ctrlkit.errors import CtrlkitError

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

KNOWN_MAX: Final = 10_000

UNFORESEEN: ContextVar[Callable[[BaseException, str], None] | None] = ContextVar("ctrlkit_unforeseen", default=None)
"""Called with each unforeseen exception that is survived in this context, and where it was raised; for tests."""

_USER_IN_URL: Final = re.compile(r"(?<=//)[^/\s@]+(?=@)")


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


@dataclass(slots=True)
class _Told:
    fingerprint: int
    count: int


class FailureLog:
    """
    Logs errors that a part survives, each in one line.

        failures = FailureLog(logger("feed"))
        failures.tell("feed_failed", error, about=key, where="the mapper of pods", key=str(key))

    An unforeseen one comes with its traceback, unless the last one about the same thing was the same: of the same type,
    and raised by the same lines. Its log line then says how often it was `repeated`.

    Shape   KNOWN_MAX things are remembered, until `forget`.
    """

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._told: BoundedDict[Hashable, _Told] = BoundedDict(limit=KNOWN_MAX)

    def tell(self, event: str, error: BaseException, *, about: Hashable, where: str, **values: Any) -> None:
        """Write the log line `event`; `where` says in words what raised, for UNFORESEEN."""
        text = describe(error)
        if is_foreseen(error):
            self._log.warning(event, **values, error=text)
            return
        if (listener := UNFORESEEN.get()) is not None:
            listener(error, where)
        repeated = self._repeated(about, error)
        if repeated:
            self._log.error(event, **values, error=text, repeated=repeated)
        else:
            self._log.error(event, **values, error=text, exc_info=error)

    def forget(self, about: Hashable) -> None:
        """Note that it went well: the next error about this thing is logged in full."""
        self._told.pop(about, None)

    def _repeated(self, about: Hashable, error: BaseException) -> int:
        fingerprint = hash(tuple(_way_of(error)))
        told = self._told.use(about)
        if told is not None and told.fingerprint == fingerprint:
            told.count += 1
            return told.count
        self._told.put(about, _Told(fingerprint, 0))
        return 0


def _is_foreseen(error: BaseException) -> bool:
    return isinstance(error, CtrlkitError | OSError) or any(
        f"{kind.__module__}.{kind.__qualname__}" in CLIENT_ERRORS for kind in type(error).__mro__
    )


def _in_words(error: BaseException) -> str:
    if isinstance(error, CtrlkitError):
        return str(error)
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
