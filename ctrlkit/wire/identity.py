"""Who we are -> the headers that say so: Authorization, and Impersonate-* for whom we act."""

from __future__ import annotations

import base64
import string
from collections.abc import Iterator, Mapping

from multidict import CIMultiDict

from ctrlkit.errors import ConfigError
from ctrlkit.wire.kubeconfig.shape import User, texts
from ctrlkit.wire.secret import Secret

_IN_NAMES = frozenset((string.ascii_letters + string.digits + "!#$&'*+-.^_`|~").encode())


def bearer(token: str) -> Secret:
    """Authorization with a token; it is checked where it is read, with `check_token`."""
    return Secret(f"Bearer {token}")


def basic(name: str, password: str) -> Secret:
    """Authorization with a name and a password."""
    return Secret("Basic " + base64.b64encode(f"{name}:{password}".encode()).decode())


def check_token(token: Secret, of: str) -> None:
    """
    Refuse a token that no server can have given out, before it is sent.

    Errors  ConfigError that names `of`, where it was found, and not the token.
    """
    if not token.strip():
        raise ConfigError(f"{of} is empty; put a token there")
    if not (token.isascii() and token.isprintable()):
        raise ConfigError(
            f"{of} has a line break or another character in it that no token has; write it there alone, on one line"
        )


def headers_of(authorization: Secret | None, user: User, tried: str) -> Mapping[str, str]:
    """
    The headers of each request; several may have one name.

    Errors  ConfigError that begins with `tried`, for a value that no header can carry.
    """
    headers: CIMultiDict[str] = CIMultiDict()
    if authorization:
        headers.add("Authorization", authorization)
    for name, value in _impersonation(user):
        if any((character < " " and character != "\t") or character == "\x7f" for character in value):
            raise ConfigError(f"{tried}: {name} would have a line break in it; correct `as` and its kin")
        headers.add(name, value)
    return headers


def _impersonation(user: User) -> Iterator[tuple[str, str]]:
    if not user.impersonate:
        return
    yield "Impersonate-User", user.impersonate
    if user.impersonate_uid:
        yield "Impersonate-Uid", user.impersonate_uid
    for group in texts(user.impersonate_groups):
        yield "Impersonate-Group", group
    for key, values in user.impersonate_extra.items():
        for value in texts(values or ()):
            yield f"Impersonate-Extra-{escaped(key)}", value


def escaped(key: str) -> str:
    """
    A key as part of a header's name: every byte that cannot stand there is percent-encoded.

    >>> escaped("example.com/scopes")
    'example.com%2Fscopes'
    """
    return "".join(chr(byte) if byte in _IN_NAMES else f"%{byte:02X}" for byte in key.encode())
