"""
Turn failed calls into errors: a refusal -> ApiError, an exception of the HTTP library -> TransportError.

This is the one place where exceptions of the HTTP library are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
from aiohttp.http_exceptions import BadHttpMessage, ContentEncodingError, LineTooLong, PayloadEncodingError

from ctrlkit import clock
from ctrlkit.errors import SERVER_TEXT_LIMIT, ApiError, NotFound, StreamBroken, TransportError, Unreachable, patience_s
from ctrlkit.model import Action
from ctrlkit.wire.answers import READ_AGAIN
from ctrlkit.wire.connections import ConnectionLost, NotConnected
from ctrlkit.wire.documents import read_loosely

_NOT_SERVED: Final = b"404 page not found"
"""How Go's servers, API servers among them, refuse a path that leads nowhere."""
_WARNING = re.compile(r'\b299 +\S+ +"((?:[^"\\]|\\.)*)"')


def refusal(code: int, headers: Mapping[str, str], body: bytes, *, attempted: str, evidence: str) -> ApiError:
    """
    Make the error for an answer that is not a success.

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
        gone = ApiError(fact, code=code, attempted=attempted, evidence=evidence)
        gone.has_status = False
        return gone
    has_status = status is not None
    if status is None:
        status = {"message": _redirect(code, headers) or _text(body) or f"the server answered {code} without a word"}
    said = status.get("code")
    code = said if isinstance(said, int) and said else code
    error = ApiError.of_status({**status, "code": code}, attempted=attempted, evidence=evidence)
    error.has_status = has_status
    asked_s = patience_s(_retry_after_s(headers))
    if asked_s is not None:
        error.retry_after_s = asked_s
    return error


def warnings_in(headers: Iterable[str]) -> list[str]:
    r"""
    Return the texts of `Warning` headers with code 299, which API servers use.

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


def unreachable(error: Exception, *, action: Action, evidence: str, address: str) -> Unreachable:
    """Make the error for a call without an answer: why, and what to look at; `address` is host:port."""
    cause = error.cause if isinstance(error, ConnectionLost) else error
    fact, next_step = _cause(error, address)
    if action.verb.writes and _may_have_left(error):
        next_step = READ_AGAIN
    return Unreachable(f"{action}: {fact}; {next_step} [{evidence} -> {type(cause).__name__}]")


def telling_cause(error: Exception) -> Exception | None:
    """The error, or None where it holds what was sent: a proxy's URL, which may have a password, or headers."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error  # a ValueError too, which names a certificate and nothing of ours
    return None if isinstance(error, aiohttp.ClientResponseError | ValueError) or _by_proxy(error) else error


def _by_proxy(error: Exception) -> bool:
    """Whether an error of making a connection knows of a proxy."""
    key = error.args[0] if isinstance(error, aiohttp.ClientConnectorError) else None
    return getattr(key, "proxy", None) is not None


def can_be_sent(value: str) -> bool:
    r"""
    Whether a header may have this value.

    >>> can_be_sent("Bearer abc"), can_be_sent("Bearer a\nbc"), can_be_sent("Bearer \ud800")
    (True, False, False)
    """
    return not any(character in _FORBIDDEN or "\ud800" <= character <= "\udfff" for character in value)


def broken(
    error: BaseException | None, *, attempted: str, evidence: str, unfinished: int, next_step: str
) -> StreamBroken:
    """Make the error for a watch or a text that was cut; `unfinished` bytes of a line had come."""
    within = f"within a line, after {unfinished} bytes of it" if unfinished else "before the server had ended it"
    cause = f" -> {type(error).__name__}" if error is not None else ""
    return StreamBroken(f"{attempted}: the stream was cut {within}; {next_step} [{evidence}{cause}]")


def was_cut(error: TransportError) -> bool:
    """Whether a connection that had been made was lost: reset, or closed before the answer was complete."""
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientPayloadError):
        return isinstance(_unreadable(cause), aiohttp.ClientPayloadError)
    return isinstance(cause, _LOST) and not isinstance(cause, aiohttp.ClientConnectorError)


def was_untrusted(error: TransportError) -> bool:
    """Whether the server showed a certificate that is not trusted, so that nothing was sent."""
    return isinstance(error.__cause__, aiohttp.ClientConnectorCertificateError)


def _may_have_left(error: Exception) -> bool:
    """Whether some of the request may have reached the server."""
    return not isinstance(
        error, NotConnected | aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError | aiohttp.InvalidURL
    )


_FORBIDDEN = frozenset(map(chr, (*range(32), 127))) - {"\t"}
_LOST = (
    ConnectionLost,
    ConnectionError,
    aiohttp.ServerDisconnectedError,
    aiohttp.ClientPayloadError,
    aiohttp.ClientOSError,
)


class HeadersTooLarge(Exception):
    """The headers of an answer are longer, or more, than are read."""


_CAUSES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, str], ...] = (
    (
        aiohttp.ClientHttpProxyError,
        "the proxy on the way to {address} refused: {error}",
        "check HTTPS_PROXY, NO_PROXY and proxy-url",
    ),
    (
        aiohttp.ClientProxyConnectionError,
        "the proxy on the way to {address} cannot be reached",
        "check HTTPS_PROXY, NO_PROXY and proxy-url",
    ),
    (
        NotConnected,
        "the proxy on the way to {address} closed the connection before it led there",
        "check HTTPS_PROXY, NO_PROXY and proxy-url",
    ),
    (ConnectionRefusedError, "{address} refused the connection", "check that the server runs there"),
    (
        aiohttp.ClientConnectorDNSError,
        "the host of {address} has no address",
        "check the server's name in the kubeconfig, and DNS",
    ),
    (
        aiohttp.ClientConnectorCertificateError,
        "{address} showed a certificate that is not trusted: {error}",
        "check the cluster's certificate-authority and the server's name in the kubeconfig",
    ),
    (
        aiohttp.ClientSSLError,
        "no TLS connection with {address}: {error}",
        "check that the server speaks TLS, and the client certificate in the kubeconfig",
    ),
    (aiohttp.ClientConnectorError, "{address} cannot be reached: {error}", "check the network"),
    (
        _LOST,
        "{address} closed the connection before the answer was complete",
        "try again; see the server's log",
    ),
    (
        HeadersTooLarge,
        "{address} answered with more in its headers than is read: {error}",
        "see which proxy or gateway on the way adds it",
    ),
    (
        ContentEncodingError,
        "{address} answered with a body that is not compressed as its Content-Encoding says",
        "see which proxy or gateway on the way compresses it",
    ),
    (
        (aiohttp.ClientError, OSError, BadHttpMessage),
        "{address} did not answer as an HTTP server: {error}",
        "check that an API server runs there",
    ),
    (
        Exception,
        "the call to {address} could not be carried out: {error}",
        "check the server's URL, the headers and the proxy in the kubeconfig; if they are right, please report it",
    ),
)


def _cause(error: Exception, address: str) -> tuple[str, str]:
    subject: Exception = error
    detail: object = error
    match error:
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            subject = found = _unreadable(error)
            detail = _in_short(found)
        case aiohttp.InvalidURL():
            detail = "its URL, or the proxy's, cannot be used"
        case aiohttp.ClientProxyConnectionError():
            pass
        case aiohttp.ClientConnectorCertificateError():
            detail = error.certificate_error
        case aiohttp.ClientConnectorError():
            detail = error.os_error.strerror or error.os_error
            subject = error.os_error if isinstance(error.os_error, ConnectionRefusedError) else error
        case aiohttp.ClientError() | OSError():
            pass
        case _:
            detail = type(error).__name__  # its text may hold anything
    fact, next_step = next((fact, step) for kinds, fact, step in _CAUSES if isinstance(subject, kinds))
    return fact.format(address=address, error=str(detail)[:256]), next_step


def _unreadable(error: Exception) -> Exception:
    """What was wrong with an answer as HTTP, which the library tells somewhere behind its error; else the error."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, LineTooLong):
            return HeadersTooLarge(f"one of more than {found.args[1]} bytes")
        if isinstance(found, PayloadEncodingError) and not isinstance(found, ContentEncodingError):
            return error  # it was cut
        if isinstance(found, BadHttpMessage):
            too_many = "Too many headers" in found.message
            return HeadersTooLarge("too many of them") if too_many else found
        found = found.__cause__ or found.__context__
    return error


def _in_short(error: Exception) -> str:
    """The first line, without the bytes that came: they may be anybody's. Nor with a URL, which may hold a password."""
    match error:
        case aiohttp.ClientResponseError():
            text = f"{error.status} {error.message}"
        case BadHttpMessage():
            text = error.message
        case _:
            text = str(error)
    return text.strip().partition("\n")[0].rstrip(":")
