"""
Who may read what, and the certificate and the token that decide it; both are read again when their files change.

    health      everybody; the reasons of failures as debug
    metrics     everybody, or who has the token where there is one
    debug       who is on this machine, or who has the token where there is one

`kubectl port-forward` comes from the pod's own loopback, so an operator who may forward needs no token for debug. So
does a browser on that machine, whichever page it shows: a page from elsewhere can have its own name lead to 127.0.0.1.
Hence a request without token must also name this machine: as `localhost`, or by a loopback address. X-Forwarded-For and
the like count for nothing.

A token is sent as `Bearer TOKEN`; a browser, which cannot, asks its user for a password for debug, and that is the
token, with any name. Browsers send it to this address alone, and no page from elsewhere can read what comes back.

The files are looked at when they are needed: the token at each request, the certificate at each handshake. A new pair
of certificate and key that cannot be used leaves the old one in place, is logged once, and is tried again when a file
changes again: so a certificate may be written before its key. Row W11.
"""

from __future__ import annotations

import hmac
import os
import re
import ssl
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from ctrlkit.errors import ConfigError
from ctrlkit.manager.endpoints.options import is_loopback
from ctrlkit.telemetry import logger

_HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9.-]+))(?::[0-9]{1,5})?", re.IGNORECASE)


class Token:
    """
    A bearer token in a file, read again when that changes. While the file is gone or empty nobody is let in.

    Errors  ConfigError where there is none at the start.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp = stamp_of(path)
        self._secret = _read(path)
        self._log = logger("endpoints")

    def is_in(self, authorization: str) -> bool:
        """Whether a header `Authorization` brings it; takes as long for a wrong token as for the right one."""
        self._renew()
        scheme, _, sent = authorization.partition(" ")
        read = _SENT.get(scheme.lower())
        right = hmac.compare_digest(b"" if read is None else read(sent.strip()), self._secret)
        return right and bool(self._secret)

    def _renew(self) -> None:
        stamp = stamp_of(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._secret = _read(self._path)
        except ConfigError as error:
            self._secret = b""
            self._log.warning("token_not_renewed", error=str(error))
        else:
            self._log.info("token_renewed", file=self._path)


def _plain(sent: str) -> bytes:
    return sent.encode(errors="surrogateescape")


def _password(sent: str) -> bytes:
    """
    The password of Basic authentication; nothing where that is malformed.

    >>> _password("YW55Ym9keTpzM2NyZXQ="), _password("?")
    (b's3cret', b'')
    """
    try:
        return b64decode(_plain(sent), validate=True).partition(b":")[2]
    except ValueError:
        return b""


_SENT: Final[Mapping[str, Callable[[str], bytes]]] = {"bearer": _plain, "basic": _password}


def _read(path: str) -> bytes:
    try:
        secret = Path(path).read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"read the endpoints' token in {path}: {reason_of(error)}; write one there") from None
    if not secret:
        raise ConfigError(f"read the endpoints' token in {path}: the file is empty; write one there")
    return secret


class Guard:
    """Decides for each request, as above."""

    def __init__(self, token: Token | None) -> None:
        self._token = token

    def may_see_details(self, request: web.Request) -> bool:
        """Debug, and the reasons of failing checks."""
        if self._token is not None:
            return self._has_token(self._token, request)
        peer = None if request.transport is None else request.transport.get_extra_info("peername")
        return isinstance(peer, tuple) and is_loopback(str(peer[0])) and _names_this_machine(request)

    def check_metrics(self, request: web.Request) -> None:
        """HTTP 401 for who may not read metrics."""
        if self._token is not None and not self._has_token(self._token, request):
            raise _unauthorized(request)

    def check_debug(self, request: web.Request) -> None:
        """HTTP 401 or 403 for who may not see the debug page."""
        if self.may_see_details(request):
            return
        if self._token is not None:
            raise _unauthorized(request, asks_browsers=True)
        raise web.HTTPForbidden(
            text="403: debug is for this machine only, called localhost or by a loopback address; "
            "use `kubectl port-forward`, or run with a token file\n"
        )

    def _has_token(self, token: Token, request: web.Request) -> bool:
        return token.is_in(request.headers.get("Authorization", ""))


def _names_this_machine(request: web.Request) -> bool:
    """Whether a request was meant for loopback: its one header `Host` says so, and its target if that has a host."""
    named = request.headers.getall(hdrs.HOST, [])
    return len(named) == 1 and _is_this_machine(named[0]) and _is_this_machine(request.host)


def _is_this_machine(host: str) -> bool:
    """
    Whether a host, with or without a port, is one that no DNS and no page of a stranger can have led here.

    >>> [_is_this_machine(host) for host in ("localhost:8080", "[::1]:8080", "127.0.0.1", "8.8.8.8", "127.1")]
    [True, True, True, False, False]
    """
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    if match["v6"]:
        return ":" in match["v6"] and is_loopback(match["v6"])
    return match["name"].lower().removesuffix(".") == "localhost" or is_loopback(match["name"])


_BASIC: Final = ', Basic realm="ctrlkit: any name, and the token as password"'


def _unauthorized(request: web.Request, *, asks_browsers: bool = False) -> web.HTTPUnauthorized:
    problem = ', error="invalid_token"' if "Authorization" in request.headers else ""
    return web.HTTPUnauthorized(
        headers={"WWW-Authenticate": f'Bearer realm="ctrlkit"{problem}{_BASIC if asks_browsers else ""}'},
        text="401: send the token as `Authorization: Bearer TOKEN`\n",
    )


@dataclass(frozen=True, slots=True)
class CertificateStatistics:
    """How often a pair was read since the start, and how many of these times in vain."""

    reads: int
    failures: int


def new_context() -> ssl.SSLContext:
    """A TLS context of a server, without a certificate."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


class Certificate:
    """
    What a TLS server is given: `context` stands for the pair of files as it is now.

    Shape   `make` makes the context that each pair is loaded into; `part` is whose log says so.
    Errors  ConfigError where the pair cannot be used at the start.
    """

    def __init__(
        self, cert: str, key: str, *, make: Callable[[], ssl.SSLContext] = new_context, part: str = "endpoints"
    ) -> None:
        self._cert = cert
        self._key = key
        self._make = make
        self._reads = 1
        self._failures = 0
        self._stamp = stamp_of(cert, key)
        self._log = logger(part)
        self._current = _load(cert, key, make())
        self.context: ssl.SSLContext = self._current
        self.context.sni_callback = self._choose  # asked at each handshake, also where the client sends no name

    def statistics(self) -> CertificateStatistics:
        """The statistics at this moment."""
        return CertificateStatistics(self._reads, self._failures)

    def _choose(self, connection: ssl.SSLObject, _name: str, _context: ssl.SSLContext) -> None:
        self._renew()
        if self._current is not self.context:
            connection.context = self._current

    def _renew(self) -> None:
        stamp = stamp_of(self._cert, self._key)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        self._reads += 1
        try:
            self._current = _load(self._cert, self._key, self._make())
        except ConfigError as error:
            self._failures += 1
            self._log.warning("certificate_not_renewed", error=str(error))
        else:
            self._log.info("certificate_renewed", file=self._cert)


def _load(cert: str, key: str, context: ssl.SSLContext) -> ssl.SSLContext:
    try:
        context.load_cert_chain(cert, key, password=_refuse_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            why = "the key is another certificate's"
        else:
            why = f"there is no PEM of its kind in one of them [{error.reason or error}]"
    except OSError as error:
        missing = next((path for path, found in zip((cert, key), stamp_of(cert, key), strict=True) if not found), "")
        why = f"{reason_of(error)}{f' ({missing})' if missing else ''}"
    except ValueError as error:
        why = str(error)
    else:
        return context
    raise ConfigError(
        f"read TLS certificate {cert} and key {key}: {why}; write a PEM chain and its unencrypted key there"
    )


def _refuse_password() -> str:
    raise ValueError("the key is encrypted")


Stamp = tuple[tuple[int, int, int] | None, ...]


def stamp_of(*paths: str) -> Stamp:
    """
    What differs after any of the files was written, replaced, or taken away; a link counts as what it leads to.

    >>> stamp_of("/nowhere/at/all")
    (None,)
    """
    return tuple(map(_stamp, paths))


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino, found.st_size)


def reason_of(error: OSError) -> str:
    """
    The fact in an error of a file, in words.

    >>> reason_of(FileNotFoundError(2, "No such file or directory", "/nowhere"))
    'No such file or directory'
    """
    return error.strerror or type(error).__name__
