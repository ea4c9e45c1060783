"""
Who may call a server besides its administrator and its service accounts: users with tokens, or with certificates.

Both are told in the forms that kube-apiserver reads: `--token-auth-file` and `--client-ca-file`.
"""

from __future__ import annotations

import csv
import hmac
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ctrlkit.errors import ConfigError
from ctrlkit.fakes.tracker.callers import User

AUTHENTICATED = "system:authenticated"
_UID = "1.3.6.1.4.1.57683.2"
"""The part of a certificate's subject that is a user's uid."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The users of tokens, and the authority whose certificates name users, as PEM."""

    users: Mapping[str, User] = field(default_factory=dict, repr=False)
    authority_pem: str = ""

    def user_of(self, token: str) -> User | None:
        """Return whom a token stands for, None for one that is not known."""
        sent = token.encode(errors="surrogateescape")
        return next((user for known, user in self.users.items() if hmac.compare_digest(sent, known.encode())), None)

    def asked_by(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """Have a server ask its clients for certificates, if there is an authority for them; they need not have one."""
        if self.authority_pem:
            context.load_verify_locations(cadata=self.authority_pem)
            context.verify_mode = ssl.CERT_OPTIONAL
        return context


NO_CLIENTS = Clients()


def certified_user(certificate: Mapping[str, Any] | None) -> User | None:
    """
    Return the user that a client's certificate names; None without one, and for one that names nobody.

    >>> certified_user({"subject": ((("commonName", "nina"),), (("organizationName", "crowd"),))})
    {'username': 'nina', 'groups': ['crowd', 'system:authenticated']}
    """
    parts = [part for name in (certificate or {}).get("subject", ()) for part in name]
    names = [text for kind, text in parts if kind == "commonName"]
    if not names:
        return None
    groups = [text for kind, text in parts if kind == "organizationName"]
    uids = [text for kind, text in parts if kind == _UID]
    return _user(names[-1], uids[0] if uids else "", groups)


def _user(username: str, uid: str, groups: Iterable[str]) -> User:
    names = list(groups)
    known = {"username": username, **({"uid": uid} if uid else {})}
    return {**known, "groups": names if AUTHENTICATED in names else [*names, AUTHENTICATED]}


def read_clients(tokens: Path | None, authority: Path | None) -> Clients:
    """
    Read who may call: a file with lines `token,user,uid,"group,group"`, and the certificate of an authority.

    Errors  ConfigError for a file that cannot be read, or says something else.
    """
    users = {} if tokens is None else dict(map(_token, _lines(tokens)))
    pem = "" if authority is None else _text(authority)
    if authority is not None:
        try:
            ssl.create_default_context(cadata=pem)
        except (ssl.SSLError, ValueError):
            raise ConfigError(f"read {authority}: it holds no certificate; name a file in PEM") from None
    return Clients(users, pem)


def _lines(path: Path) -> list[list[str]]:
    rows = [row for row in csv.reader(_text(path).splitlines(), skipinitialspace=True) if row]
    for number, row in enumerate(rows, start=1):
        if len(row) < 3 or not (row[0] and row[1]):
            raise ConfigError(f'read {path}: line {number} is no user; write token,user,uid,"group,group"')
    return rows


def _token(row: Sequence[str]) -> tuple[str, User]:
    groups = row[3].split(",") if len(row) > 3 and row[3] else []
    return row[0], _user(row[1], row[2], groups)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"read {path}: {reason}; name a file of your own") from None
