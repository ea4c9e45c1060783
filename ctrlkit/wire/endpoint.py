"""An API server as one user reaches it, as a value; made by wire.config, used by the transport."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Credentials(Protocol):
    """Who we are, at this moment."""

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What new connections are made with from now on; None for what the Endpoint says."""
        ...

    async def headers(self) -> Mapping[str, str]:
        """The headers that say so, several of one name perhaps; renewed first where that is due."""
        ...

    def refused(self, sent_at: float) -> bool:
        """Hear that the server refused those of a call begun at `sent_at`; True if the next may be fresher ones."""
        ...

    async def close(self) -> None:
        """Hear that nobody calls any more."""
        ...


class Anonymous:
    """No headers at all: nobody, or whom the client certificate names."""

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

    >>> Endpoint(server="http://127.0.0.1:8001").namespace
    'default'

    Shape   `server` is a URL without a slash at its end. `namespace` is the context's own. `tls` is None for HTTP; the
            credentials may have another one later. `proxy` is a URL, and may hold a password. `compresses` says whether
            answers may come compressed.
    """

    server: str
    namespace: str = "default"
    tls: ssl.SSLContext | None = None
    tls_server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    compresses: bool = True
    credentials: Credentials = field(default_factory=Anonymous)
