"""Who may call a node: those with a user and a password, and those of lines of rpcauth. Pure."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Iterable
from hashlib import sha256


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
