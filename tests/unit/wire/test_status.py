"""What a refusal says reaches the caller as a typed error, cut to size and without bodies."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import msgspec
import pytest

from ctrlkit import clock
from ctrlkit.errors import (
    RETRY_AFTER_MAX_S,
    ApiError,
    Conflict,
    Expired,
    Forbidden,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
)
from ctrlkit.wire.status import refusal, warnings_in


def _refusal(code: int, body: bytes = b"", **headers: str) -> ApiError:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return refusal(code, given, body, attempted="get pods demo/a", evidence="GET /api/v1/namespaces/demo/pods/a")


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (404, "NotFound", NotFound),
        (409, "Conflict", Conflict),
        (410, "Expired", Expired),
        (403, "Forbidden", Forbidden),
    ],
)
def test_a_status_becomes_its_class(code: int, reason: str, kind: type[ApiError]) -> None:
    """The reason of the Status picks the class; what was tried, the evidence and the audit id are on it."""
    body = msgspec.json.encode({"kind": "Status", "code": code, "reason": reason, "message": "it is so"})
    error = _refusal(code, body, Audit_Id="5f1c")
    assert type(error) is kind
    assert str(error).startswith("get pods demo/a: it is so; ")
    assert str(error).endswith(f"[GET /api/v1/namespaces/demo/pods/a (audit 5f1c) -> {code} {reason}]")


def test_a_page_that_is_no_status_is_cut() -> None:
    """A proxy's page becomes an error by its status code; 256 characters of it are kept."""
    error = _refusal(503, b"<html>\n" + b"x" * 5000)
    assert isinstance(error, ServiceUnavailable)
    assert error.message.startswith("<html> xxx")
    assert len(error.message) == 256


@pytest.mark.parametrize("body", [b"<html>no such route</html>", b"", b'{"error": "unknown host"}'])
def test_nothing_is_gone_because_a_gateway_says_so(body: bytes) -> None:
    """Who takes NotFound for the end of an object must not be told it by what never saw the object."""
    error = _refusal(404, body)
    assert type(error) is ApiError
    assert error.code == 404
    assert "does not say that the object is gone" in str(error)


def test_a_kind_that_is_not_served_is_not_found() -> None:
    """API servers refuse its paths in plain text."""
    assert isinstance(_refusal(404, b"404 page not found\n"), NotFound)


def test_an_empty_refusal_says_its_code() -> None:
    """Without a body the status code is the message."""
    assert "the server answered 502" in str(_refusal(502))


NOON = "Wed, 21 Oct 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("86400", RETRY_AFTER_MAX_S),
        ("9" * 5000, RETRY_AFTER_MAX_S),
        ("Wed, 21 Oct 2026 12:00:30 GMT", 30.0),
        ("Wednesday, 21-Oct-26 12:00:30 GMT", 30.0),
        ("Wed Oct 21 12:00:30 2026", 30.0),
        ("Wed, 21 Oct 2026 11:00:00 GMT", 0.0),
        ("Thu, 22 Oct 2026 12:00:00 GMT", RETRY_AFTER_MAX_S),
        *(
            (text, None)
            for text in ("", "-3", "1.5", "nan", "inf", "1e9", "abc", "\u0663", "Wed, 99 Oct 2026 99:00:00 GMT")
        ),
    ],
)
@pytest.mark.behaviour("C2")
def test_retry_after_is_seconds_or_a_date(header: str, wait_s: float | None) -> None:
    """A date counts by the sender's clock; what is neither was not said; and nobody is made to wait for a day."""
    error = _refusal(429, Retry_After=header, Date=NOON)
    assert isinstance(error, TooManyRequests)
    assert error.retry_after_s == wait_s


async def test_a_date_of_who_shows_no_clock_counts_by_our_own() -> None:
    """Gateways always say what time it is; what does not is not left out for that."""
    until = format_datetime(clock.now() + timedelta(seconds=20), usegmt=True)
    wait_s = _refusal(503, Retry_After=until).retry_after_s
    assert wait_s is not None
    assert 18 < wait_s <= 20


def test_a_redirect_names_the_other_server_only() -> None:
    """The place a redirect leads to is named without path and query, which may hold secrets."""
    text = str(_refusal(307, Location="https://login.example/oauth?token=secret"))
    assert "redirects to https://login.example," in text
    assert "secret" not in text


@pytest.mark.behaviour("C6")
def test_warnings_are_read_from_the_header() -> None:
    """Several in one header, several headers, escaped quotes; other codes are not the API server's."""
    assert warnings_in(['299 kube "a", 299 - "b\\\\c"', '199 - "no"', '299 - "d"']) == ["a", "b\\c", "d"]
    assert warnings_in([]) == []
