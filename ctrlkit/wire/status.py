"""A refusal's status line, headers and body -> the ApiError it stands for; and the server's warnings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from ctrlkit import clock
from ctrlkit.errors import SERVER_TEXT_LIMIT, ApiError, NotFound, patience_s
from ctrlkit.wire.salvage import read_loosely

_NOT_SERVED: Final = b"404 page not found"
"""How Go's servers, API servers among them, refuse a path that leads nowhere."""
_WARNING = re.compile(r'\b299 +\S+ +"((?:[^"\\]|\\.)*)"')


def refusal(code: int, headers: Mapping[str, str], body: bytes, *, attempted: str, evidence: str) -> ApiError:
    """
    The error of an answer that is not a success.

    >>> body = b'{"kind": "Status", "reason": "Conflict", "message": "the object has been modified", "code": 409}'
    >>> print(refusal(409, {"Audit-Id": "5f1c"}, body, attempted="update pods demo/a", evidence="PUT /api/v1/..."))
    update pods demo/a: the object has been modified; re-read the cache and reconcile again
        [PUT /api/v1/... (audit 5f1c) -> 409 Conflict]

    A body that is no Status (a proxy's page) is cut to 256 characters. A 404 with one is no NotFound: nothing is gone
    because a gateway knows no way to it; only the text by which servers refuse a kind that they do not serve is one. A
    `Retry-After`, in seconds or as a date, becomes `retry_after_s`.
    """
    audit = headers.get("Audit-Id", "")
    if audit:
        evidence = f"{evidence} (audit {audit[:64]})"
    status = _read_status(body)
    if status is None and code == NotFound.code and body.strip() != _NOT_SERVED:
        fact = f"who answered is no API server, and does not say that the object is gone: {_text(body) or 'no word'}"
        return ApiError(fact, code=code, attempted=attempted, evidence=evidence)
    if status is None:
        status = {"message": _redirect(code, headers) or _text(body) or f"the server answered {code} without a word"}
    said = status.get("code")
    code = said if isinstance(said, int) and said else code
    error = ApiError.of_status({**status, "code": code}, attempted=attempted, evidence=evidence)
    asked_s = patience_s(_retry_after_s(headers))
    if asked_s is not None:
        error.retry_after_s = asked_s
    return error


def warnings_in(headers: Iterable[str]) -> list[str]:
    r"""
    The texts of `Warning` headers with code 299, which API servers use (row C6).

    >>> warnings_in(['299 - "policy/v1beta1 is \\"deprecated\\"", 299 - "use policy/v1"', '110 - "stale"'])
    ['policy/v1beta1 is "deprecated"', 'use policy/v1']
    """
    found = (text for header in headers for text in _WARNING.findall(header))
    return [re.sub(r"\\(.)", r"\1", text)[:SERVER_TEXT_LIMIT] for text in found]


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """What the header asks for; from a date, counted by the clock of whoever sent it, where that is shown."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    until = _date(text)
    if until is None:
        return None
    return max(0.0, (until - (_date(headers.get("Date", "")) or clock.now())).total_seconds())


def _date(text: str) -> datetime | None:
    """A date as HTTP writes them; None for anything else."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _read_status(body: bytes) -> dict[str, Any] | None:
    status = read_loosely(body)
    return status if status is not None and status.get("kind") == "Status" else None


def _redirect(code: int, headers: Mapping[str, str]) -> str:
    location = headers.get("Location", "")
    if not (300 <= code < 400 and location):
        return ""
    origin = "/".join(location.split("/")[:3])[:SERVER_TEXT_LIMIT]
    return f"the server redirects to {origin}, which is not followed; name that server in the kubeconfig if it is meant"


def _text(body: bytes) -> str:
    return " ".join(body[: 4 * SERVER_TEXT_LIMIT].decode("utf-8", "replace").split())[:SERVER_TEXT_LIMIT]
