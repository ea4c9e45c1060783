"""
Who we are, kept fresh without a restart: tokens and certificates that are read anew when that is due.

In       What a configuration said when it was read (`Loaded`), and how to read it again.
Out      Headers and a TLS context for the next call; a new context for new certificates, so that no connection made
         with the old ones is used again. Those that are open live on until they end, a watch within ten minutes.

Read again         because                                     at most every 10 s
before a call      one of the files holds something new        token, certificate, key, certificate authority
before a call      the token runs out within a minute          as the credential plugin said
after a call       the server refused it with 401              the call is then repeated

What cannot be read costs a log line, and the old ones go on. Rows G5 (authorities that rotate) and, for what kubernetes
clients do beyond it, token files and client certificates.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ctrlkit import clock
from ctrlkit.errors import ConfigError
from ctrlkit.telemetry import logger
from ctrlkit.wire.tls import certificates_of, tls_of

RENEW_AHEAD = timedelta(minutes=1)
RENEW_AGAIN_S = 10.0
"""A wrong token does not run a plugin for each call, and a busy client does not read files for each."""

log = logger("wire")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """
    What a configuration said when it was read.

    Shape   `configuration` is a kubernetes.aio.client.Configuration; `source` names it in errors. `token_file` is where
            the token came from, None where it came from elsewhere; `expires` is when it runs out, if that was said.
    """

    configuration: Any
    source: str
    token_file: str | None = None
    expires: datetime | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """The Authorization header, if the user has a token or a password."""
        token = self.configuration.api_key.get("BearerToken")
        return {"Authorization": str(token).strip()} if token else {}


class RenewedCredentials:
    """
    The Credentials of one user (endpoint.Credentials); `load` reads their configuration again.

    Errors  ConfigError from the constructor for certificates that cannot be used.
    """

    def __init__(self, loaded: Loaded, load: Callable[[], Awaitable[Loaded]]) -> None:
        self._load = load
        self._loaded = loaded
        self._certificates = certificates_of(loaded.configuration)
        self.tls: ssl.SSLContext | None = (
            tls_of(loaded.configuration, loaded.source) if loaded.configuration.host.startswith("https:") else None
        )
        self._lock = asyncio.Lock()
        self._due = False
        self._renewed_at = self._looked_at = clock.monotonic()

    async def headers(self) -> Mapping[str, str]:
        """The Authorization header, renewed first where that is due."""
        async with self._lock:
            if self._due or self._runs_out() or self._files_changed():
                await self._renew()
        return self._loaded.headers

    def refused(self, sent_at: float) -> bool:
        """Have everything read anew before the next call, unless that was done just now, or since the call began."""
        if self._renewed_at > sent_at:
            return True
        self._due = self._due or clock.monotonic() - self._renewed_at >= RENEW_AGAIN_S
        return self._due

    def _runs_out(self) -> bool:
        expires = self._loaded.expires
        return (
            expires is not None
            and expires - RENEW_AHEAD <= clock.now()
            and clock.monotonic() - self._renewed_at >= RENEW_AGAIN_S
        )

    def _files_changed(self) -> bool:
        """Whether a file holds something else than is in use; one that cannot be read just now says nothing."""
        now = clock.monotonic()
        if now - self._looked_at < RENEW_AGAIN_S:
            return False
        self._looked_at = now
        in_use, found = self._certificates, certificates_of(self._loaded.configuration)
        if self.tls is not None and any(new not in (None, old) for old, new in zip(in_use, found, strict=True)):
            return True
        return self._loaded.token_file is not None and self._token_changed(Path(self._loaded.token_file))

    def _token_changed(self, file: Path) -> bool:
        try:
            token = file.read_text().strip()
        except (OSError, ValueError):
            return False
        return bool(token) and token != self._loaded.headers.get("Authorization", "").partition(" ")[2]

    async def _renew(self) -> None:
        self._due = False
        self._renewed_at = self._looked_at = clock.monotonic()
        try:
            loaded = await self._load()
            certificates = certificates_of(loaded.configuration)
            if self.tls is not None and certificates != self._certificates:
                self.tls = tls_of(loaded.configuration, loaded.source)
        except ConfigError as error:
            log.warning("credentials_not_renewed", error=str(error))
        else:
            self._loaded, self._certificates = loaded, certificates
