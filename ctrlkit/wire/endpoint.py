"""An API server as one user reaches it; ctrlkit.wire.config makes it, the transport uses it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Credentials(Protocol):
    """The credentials of a user, as they are at this moment."""

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The TLS context for new connections; None for that of the Endpoint."""
        ...

    async def headers(self) -> Mapping[str, str]:
        """The headers that carry them, several of one name perhaps; renewed first where that is due."""
        ...

    def refused(self, sent_at: float) -> bool:
        """Note that the server refused those of a call begun at `sent_at`; returns whether fresher ones may come."""
        ...

    async def close(self) -> None:
        """Stop renewing."""
        ...


class Anonymous:
    """No headers: an anonymous user, or the one that the client certificate names."""

    tls = None

    async def headers(self) -> Mapping[str, str]:
        """None."""
        return {}

    def refused(self, sent_at: float) -> bool:
        """There is nothing fresher."""
        return False

    async def close(self) -> None:
        """There is nothing to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """
    An API server as one user reaches it.

        RestTransport(Endpoint(server="http://127.0.0.1:8001"))      # behind `kubectl proxy`

    Shape   `server` is a URL without a slash at its end. `tls` is None for HTTP; the credentials may have another one
            later. `proxy` is a URL, and may hold a password. `compresses` says whether answers may come compressed.
    """

    server: str
    tls: ssl.SSLContext | None = None
    tls_server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    compresses: bool = True
    credentials: Credentials = field(default_factory=Anonymous)
