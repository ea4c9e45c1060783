"""The one border where the HTTP library's exceptions become TransportErrors."""

from __future__ import annotations

import aiohttp

from ctrlkit.errors import StreamBroken, TransportError, Unreachable
from ctrlkit.model import Action
from ctrlkit.wire.connections import ConnectionLost, NotConnected

READ_AGAIN = "nobody knows whether it was carried out: read the object before you try again"
"""What to do after a write whose answer was lost."""


def unreachable(error: aiohttp.ClientError | OSError, *, action: Action, evidence: str, address: str) -> Unreachable:
    """Why no answer came, with the address and what to look at; `address` is host:port."""
    cause = error.cause if isinstance(error, ConnectionLost) else error
    fact, next_step = _cause(error, address)
    if action.verb.writes and _may_have_left(error):
        next_step = READ_AGAIN
    return Unreachable(f"{action}: {fact}; {next_step} [{evidence} -> {type(cause).__name__}]")


def telling_cause(error: Exception) -> Exception | None:
    """The error, or None where a traceback of it would show a proxy's URL, which may hold a password."""
    return None if isinstance(error, aiohttp.ClientHttpProxyError | aiohttp.InvalidURL) else error


def broken(error: BaseException | None, *, attempted: str, evidence: str, unfinished: int) -> StreamBroken:
    """A watch that was cut; `unfinished` bytes of a line had come."""
    within = f"within a line, after {unfinished} bytes of it" if unfinished else "before the server had ended it"
    cause = f" -> {type(error).__name__}" if error is not None else ""
    return StreamBroken(
        f"{attempted}: the stream was cut {within}; watch again from the last version [{evidence}{cause}]"
    )


def was_cut(error: TransportError) -> bool:
    """Whether a connection that had been made was lost: reset, or closed before the answer was complete."""
    return isinstance(error.__cause__, _LOST) and not isinstance(error.__cause__, aiohttp.ClientConnectorError)


def was_untrusted(error: TransportError) -> bool:
    """Whether the server showed a certificate that is not trusted, so that nothing was sent."""
    return isinstance(error.__cause__, aiohttp.ClientConnectorCertificateError)


def _may_have_left(error: Exception) -> bool:
    """Whether some of the request may have reached the server."""
    return not isinstance(
        error, NotConnected | aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError | aiohttp.InvalidURL
    )


_LOST = (
    ConnectionLost,
    ConnectionError,
    aiohttp.ServerDisconnectedError,
    aiohttp.ClientPayloadError,
    aiohttp.ClientOSError,
)


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
    (Exception, "{address} did not answer as an HTTP server: {error}", "check that an API server runs there"),
)


def _cause(error: aiohttp.ClientError | OSError, address: str) -> tuple[str, str]:
    subject: Exception = error
    detail: object = error
    match error:
        case aiohttp.ClientResponseError():
            detail = f"{error.status} {error.message}"  # its own text has the URL, and a proxy's may hold a password
        case aiohttp.InvalidURL():
            detail = "its URL, or the proxy's, cannot be used"
        case aiohttp.ClientProxyConnectionError():
            pass
        case aiohttp.ClientConnectorCertificateError():
            detail = error.certificate_error
        case aiohttp.ClientConnectorError():
            detail = error.os_error.strerror or error.os_error
            subject = error.os_error if isinstance(error.os_error, ConnectionRefusedError) else error
    fact, next_step = next((fact, step) for kinds, fact, step in _CAUSES if isinstance(subject, kinds))
    return fact.format(address=address, error=str(detail)[:256]), next_step
