"""
Failed lists and watches: their cause, in classes that an operator can act on, and those in a row. Pure.

Rows B4 and R17.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ctrlkit.errors import (
    ApiError,
    DecodeError,
    Forbidden,
    Gone,
    NotFound,
    ServerTimeout,
    ServiceUnavailable,
    StreamBroken,
    TimedOut,
    Timeout,
    TooManyRequests,
    TransportError,
    Unauthorized,
)


class FailureCause(StrEnum):
    """Why a list or a watch failed, as an operator can act on it."""

    MISSING = "missing"  # the kind is not served: its CustomResourceDefinition is not installed
    FORBIDDEN = "forbidden"  # no Role grants the verb
    UNAUTHORIZED = "unauthorized"  # the credentials are not accepted
    EXPIRED = "expired"  # the version is no longer kept; a new list is on its way
    OVERLOADED = "overloaded"  # the server asks for patience
    REFUSED = "refused"  # any other answer of failure
    UNREACHABLE = "unreachable"  # no connection could be made or kept
    SILENT = "silent"  # nothing came for too long
    CUT = "cut"  # the stream ended within a line
    UNREADABLE = "unreadable"  # what came is no answer of an API server
    UNFORESEEN = "unforeseen"  # a bug; the log has its traceback


_CAUSES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], FailureCause], ...] = (
    (NotFound, FailureCause.MISSING),
    (Forbidden, FailureCause.FORBIDDEN),
    (Unauthorized, FailureCause.UNAUTHORIZED),
    (Gone, FailureCause.EXPIRED),
    ((TooManyRequests, ServiceUnavailable, ServerTimeout, Timeout), FailureCause.OVERLOADED),
    (ApiError, FailureCause.REFUSED),
    (TimedOut, FailureCause.SILENT),
    (StreamBroken, FailureCause.CUT),
    (TransportError, FailureCause.UNREACHABLE),
    (DecodeError, FailureCause.UNREADABLE),
    (Exception, FailureCause.UNFORESEEN),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """
    One failure, for statistics.

    >>> Failure.of(NotFound("the server could not find the requested resource")).cause.value
    'missing'
    """

    cause: FailureCause
    message: str

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """The class and the text of an error."""
        cause = next(cause for kinds, cause in _CAUSES if isinstance(error, kinds))
        return cls(cause, str(error) or type(error).__name__)


class Outage:
    """
    The failures in a row of one collection.

    >>> outage = Outage()
    >>> outage.failed(0.0); outage.failed(31.0)
    >>> outage.attempts, outage.end(40.0), outage.end(41.0), outage.attempts, outage.failures
    (2, 40.0, None, 0, 2)

    Shape   `attempts` are the failures in a row, the first of them at `began_at`; `failures` all there ever were.
    Units   Seconds on the loop's clock.
    """

    def __init__(self) -> None:
        self.attempts: int = 0
        self.failures: int = 0
        self.began_at: float = 0.0

    def failed(self, now: float) -> None:
        """One more failure."""
        if not self.attempts:
            self.began_at = now
        self.attempts += 1
        self.failures += 1

    def end(self, now: float) -> float | None:
        """It works: how long it did not, or None where nothing had failed."""
        if not self.attempts:
            return None
        self.attempts = 0
        return now - self.began_at
