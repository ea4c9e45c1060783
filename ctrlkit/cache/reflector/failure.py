"""Why a list or a watch failed, in classes that an operator can act on (rows B4 and R17)."""

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
    """What to look at."""

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
