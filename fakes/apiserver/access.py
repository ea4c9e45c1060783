"""
Access control of the API server: checks each request before anything else in it is read.

    Host            a loopback address, localhost, or the name that the server listens at: a web page can make a name of
                    its own resolve to 127.0.0.1 (DNS rebinding)
    Origin and      must be absent: a browser sends Origin or Sec-Fetch-Site with the requests of a page, and this
    Sec-Fetch-Site  server serves no pages
    Authorization   the server's token, one that it has made for a service account, or one that it was told of; none for
                    health checks, and none where a client certificate says who it is
    Content-Type    required with every body of a browser: it sends a preflight before a page may send JSON, and that is
                    refused. Programs may leave it out, as at a real server; they are told by their User-Agent

A server without TLS and token checks everything but the token. It listens on loopback only.
"""

from __future__ import annotations

import hmac
import re
import secrets
import ssl
from collections.abc import Callable
from enum import Enum, auto

from aiohttp import hdrs, web

from ctrlkit.errors import BadRequest, ConfigError, Forbidden, Unauthorized, UnsupportedMediaType
from ctrlkit.fakes.apiserver.certificates import Authority
from ctrlkit.fakes.apiserver.clients import NO_CLIENTS, Clients, certified_user
from ctrlkit.fakes.tracker.callers import ADMINISTRATOR, User
from ctrlkit.manager.endpoints.options import is_loopback

HEALTH_PATHS = ("/healthz", "/livez", "/readyz")
_HOST = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]*)?")
_SHOWN_MAX = 100
_BROWSER = "Mozilla/"
"""How the User-Agent of every browser begins; a page that sets another one makes its browser ask first."""


class Security(Enum):
    """How a server is protected from other users and programs of its machine."""

    TLS = auto()
    """TLS with a certificate authority of its own, and a token; the kubeconfig has both."""

    INSECURE = auto()
    """Plain HTTP on loopback without a token: every local process may do everything, web pages may not."""


class Access:
    """
    The token and the certificate authority of one server; checks its requests.

    `token` and `authority` are None for an insecure server. `authenticate` returns the user of any other token, None
    for one that is not valid. `clients` are who else may call. With `checks_all` an insecure server looks at the tokens
    that are sent; without one it is the administrator who calls.
    """

    def __init__(
        self,
        security: Security,
        *,
        authenticate: Callable[[str], User | None] | None = None,
        clients: Clients = NO_CLIENTS,
        checks_all: bool = False,
    ) -> None:
        self._authenticate = authenticate
        self._clients = clients
        self._checks_all = checks_all
        is_secure = security is Security.TLS
        self.token: str | None = secrets.token_urlsafe(32) if is_secure else None
        self.authority: Authority | None = Authority() if is_secure else None

    def __repr__(self) -> str:
        return f"Access({'with a token' if self.token else 'insecure'})"

    @property
    def scheme(self) -> str:
        """The scheme of the server's URL."""
        return "http" if self.authority is None else "https"

    def context_for(self, host: str) -> ssl.SSLContext | None:
        """Return the TLS context for `host`. Errors: ConfigError for an insecure server that others could reach."""
        if self.authority is not None:
            return self._clients.asked_by(self.authority.server_context(host))
        if not is_local(host):
            raise ConfigError(
                f"serve the API without TLS and token at {host}: other machines could reach it; "
                "listen at 127.0.0.1, or leave the security as it is"
            )
        return None

    def user_of(self, token: str) -> User | None:
        """Return the user that a token stands for: the administrator for the server's own."""
        if self.token is not None and hmac.compare_digest(token.encode(errors="surrogateescape"), self.token.encode()):
            return ADMINISTRATOR
        known = self._clients.user_of(token)
        if known is not None:
            return known
        return self._authenticate(token) if self._authenticate is not None else None

    def check(self, request: web.BaseRequest, host: str) -> User:
        """
        Check a request to the server at `host`; return who sent it, the administrator where nobody needs a token.

        Errors  BadRequest unless there is one Host; Forbidden for a foreign Host and for requests of web pages;
                Unauthorized without the token; UnsupportedMediaType for a browser's body without a Content-Type.
        """
        _check_host(request, host)
        _check_page(request)
        user = self._sender(request) if self._needs_sender(request) else ADMINISTRATOR
        _check_type(request)
        return user

    def _needs_sender(self, request: web.BaseRequest) -> bool:
        if self.token is None:
            return self._checks_all and hdrs.AUTHORIZATION in request.headers
        return request.path not in HEALTH_PATHS

    def _sender(self, request: web.BaseRequest) -> User:
        certificate = request.transport.get_extra_info("peercert") if request.transport is not None else None
        certified = certified_user(certificate)
        if certified is not None:
            return certified
        scheme, _, sent = request.headers.get(hdrs.AUTHORIZATION, "").strip().partition(" ")
        user = self.user_of(sent.strip())
        if user is None or scheme.lower() != "bearer":
            raise Unauthorized("Unauthorized")
        return user


def _check_type(request: web.BaseRequest) -> None:
    agent = request.headers.get(hdrs.USER_AGENT, "")
    is_program = agent != "" and not agent.startswith(_BROWSER)
    if request.body_exists and not (is_program or request.headers.get(hdrs.CONTENT_TYPE)):
        raise UnsupportedMediaType("name the type of the body in a Content-Type header, such as application/json")


def _check_host(request: web.BaseRequest, host: str) -> None:
    named = request.headers.getall(hdrs.HOST, [])
    if len(named) != 1:
        raise BadRequest("send one Host header")
    ours = {host.lower(), *_address_called(request)}
    for name in {named[0], request.host}:  # the second is the first, unless the request's line has a whole URL
        if not _is_among(name, ours):
            raise Forbidden(
                f"this server has no name {name[:_SHOWN_MAX]!r}, which the request gives it; "
                "call it by its address, or localhost"
            )


def _address_called(request: web.BaseRequest) -> tuple[str, ...]:
    """The local address that the client connected to; a server may listen at all addresses of its machine."""
    name = request.transport and request.transport.get_extra_info("sockname")
    return (str(name[0]),) if isinstance(name, tuple) else ()


def _is_among(authority: str, ours: set[str]) -> bool:
    """
    Whether a Host is one of `ours` or local; its port may be that of a port forwarder.

    >>> [_is_among(name, {"kube.example"}) for name in ("127.0.0.1:6443", "localhost", "[::1]:1", "KUBE.example:80")]
    [True, True, True, True]
    >>> [_is_among(name, set()) for name in ("evil.example", "127.0.0.1.evil.example:1", "localhost:1@evil", "")]
    [False, False, False, False]
    """
    found = _HOST.fullmatch(authority)
    if found is None:
        return False
    name = found[1].strip("[]").lower()
    return name in ours or is_local(name)


def is_local(host: str) -> bool:
    """Whether a host name or address always leads to the machine itself."""
    return host == "localhost" or is_loopback(host)


def _check_page(request: web.BaseRequest) -> None:
    origin = request.headers.get(hdrs.ORIGIN)
    site = request.headers.get("Sec-Fetch-Site", "none")
    if origin is not None or site != "none":
        of = f"of {origin[:_SHOWN_MAX]!r}" if origin else f"({site[:_SHOWN_MAX]})"
        raise Forbidden(f"requests of a web page {of} are not served here; use kubectl or a program")
