"""Who may call a node: a user with a password, lines of rpcauth, and whoever can read the cookie."""

from __future__ import annotations

import hmac
import os
import secrets
from base64 import b64decode
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final

COOKIE: Final = ".cookie"
COOKIE_USER: Final = "__cookie__"


class Access:
    """
    The credentials that a node accepts: pairs of user and password, and lines of rpcauth.

    >>> line = "bob:a1$" + hmac.new(b"a1", b"s3cret", sha256).hexdigest()
    >>> access = Access([line], [("alice", "pw")])
    >>> access.admits("bob", "s3cret"), access.admits("alice", "pw"), access.admits("bob", "pw")
    (True, True, False)
    """

    def __init__(self, auth: Iterable[str] = (), pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._auth = tuple(auth)
        self._known = dict.fromkeys(pairs, True)

    def admits(self, user: str, password: str) -> bool:
        """Whether these credentials are accepted."""
        pair = (user, password)
        if pair not in self._known:
            self._known[pair] = any(_is_of(line, user, password) for line in self._auth)
        return self._known[pair]

    def admits_header(self, authorization: str | None) -> bool:
        """Whether the value of an Authorization header has credentials that are accepted."""
        scheme, _, encoded = (authorization or "").partition(" ")
        try:
            user, colon, password = b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return False
        return scheme == "Basic" and bool(colon) and self.admits(user, password)


def _is_of(line: str, user: str, password: str) -> bool:
    """Whether a line of rpcauth, `USER:SALT$HMAC`, is of these credentials."""
    name, _, rest = line.partition(":")
    salt, _, digest = rest.partition("$")
    expected = hmac.new(salt.encode(), password.encode(), sha256).hexdigest()
    return name == user and hmac.compare_digest(expected, digest)


def write_cookie(folder: Path) -> tuple[str, str]:
    """Write the cookie of a node, which only its owner can read; returns its user and password."""
    password = secrets.token_hex(32)
    part = folder / f"{COOKIE}.tmp"
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{COOKIE_USER}:{password}")
    part.replace(folder / COOKIE)
    return COOKIE_USER, password


def read_cookie(folder: Path) -> tuple[str, str] | None:
    """Return user and password of the cookie in a folder; None if there is none that can be read."""
    try:
        user, colon, password = (folder / COOKIE).read_text().partition(":")
    except (OSError, UnicodeDecodeError):
        return None
    return (user, password) if colon else None
