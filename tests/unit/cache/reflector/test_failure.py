"""The classes of failures that an operator can act on."""

from __future__ import annotations

import pytest

from ctrlkit.cache.reflector.failure import Failure, FailureCause
from ctrlkit.errors import (
    DecodeError,
    Expired,
    Forbidden,
    InternalError,
    NotFound,
    ServiceUnavailable,
    StreamBroken,
    TimedOut,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)


@pytest.mark.behaviour("B4", "R17")
@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (NotFound("no such kind"), FailureCause.MISSING),
        (Forbidden("no"), FailureCause.FORBIDDEN),
        (Unauthorized("who?"), FailureCause.UNAUTHORIZED),
        (Expired("too old"), FailureCause.EXPIRED),
        (TooManyRequests("slow"), FailureCause.OVERLOADED),
        (ServiceUnavailable("later"), FailureCause.OVERLOADED),
        (InternalError("boom"), FailureCause.REFUSED),
        (TimedOut("silence"), FailureCause.SILENT),
        (StreamBroken("cut"), FailureCause.CUT),
        (Unreachable("refused"), FailureCause.UNREACHABLE),
        (DecodeError("<html>"), FailureCause.UNREADABLE),
        (ValueError("a bug"), FailureCause.UNFORESEEN),
    ],
)
def test_each_error_has_its_class(error: Exception, cause: FailureCause) -> None:
    """A missing definition, a missing role and a missing server are three different things to do."""
    failure = Failure.of(error)
    assert failure.cause is cause
    assert failure.message


def test_an_error_without_words_is_told_by_its_type() -> None:
    """No empty message."""
    assert Failure.of(ConnectionError()).message == "ConnectionError"
