"""What a refusal says reaches the caller as a typed error, cut to size and without bodies."""

from __future__ import annotations

import msgspec
import pytest

from ctrlkit.errors import ApiError, Conflict, Expired, Forbidden, NotFound, ServiceUnavailable, TooManyRequests
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


def test_an_empty_refusal_says_its_code() -> None:
    """Without a body the status code is the message."""
    assert "the server answered 502" in str(_refusal(502))


@pytest.mark.parametrize(
    ("header", "wait_s"), [("7", 7.0), ("0", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("", None)]
)
@pytest.mark.behaviour("C2")
def test_retry_after_is_read_in_seconds(header: str, wait_s: float | None) -> None:
    """Only whole seconds are read; a date is not."""
    error = _refusal(429, Retry_After=header)
    assert isinstance(error, TooManyRequests)
    assert error.retry_after_s == wait_s


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
