"""
Keep tokens and certificates fresh without a restart: read them again when that is due.

In       What a configuration said when it was read (`LoadedCredentials`), and how to read it again.
Out      Headers and a TLS context for the next call; a new context for new certificates, so that no connection made
         with the old ones is used again. Those that are open live on until they end, a watch within ten minutes.

Read again         because                                     at most every 10 s
before a call      one of the files holds something new        token, certificate, key, certificate authority
before a call      they run out within a minute                as the credential plugin or its certificate said
after a call       the server refused it with 401, or showed   the call is then repeated
                   a certificate that is not trusted

One renewal runs at a time, whoever asked for it. Calls wait for it, but not for long where the plugin is slow: then
they go on with what there is. What cannot be read costs a log line, and the old ones go on. Row G5 (authorities that
rotate); other clients read token files and client certificates again as well.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from ctrlkit import clock
from ctrlkit.errors import ConfigError
from ctrlkit.failures import FailureLog
from ctrlkit.telemetry import logger
from ctrlkit.wire.config.tls import Certificates, tls_of

RENEW_AHEAD_S = 60.0
"""So long before they run out credentials are renewed, so that nobody is refused first."""
RENEW_AGAIN_S = 10.0
"""A wrong token does not run a plugin for each call, and a busy client does not read files for each."""
GOOD_WAIT_S = 5.0
"""A renewal may hold up calls for so long while the old credentials are still good."""
DEAD_WAIT_S = 15.0
"""And for so long when they are not; then the server says what it thinks of them, within the time limit of a call."""

log: Final = logger("wire")


class FilesRead:
    """
    Reads files and remembers what they held, as digests.

    A file that cannot be read, or is empty in the middle of being written, says nothing new.
    """

    def __init__(self) -> None:
        self._digests: dict[str, bytes | None] = {}

    def read(self, path: str) -> bytes:
        """All of a file; OSError where it cannot be read, and then it is looked at later all the same."""
        self._digests[path] = None
        content = Path(path).read_bytes()
        self._digests[path] = _digest(content)
        return content

    def changed(self) -> bool:
        """Whether one of them holds something else now."""
        return any(_digest_now(path) not in (None, digest) for path, digest in self._digests.items())


def _digest(content: bytes) -> bytes | None:
    stripped = content.strip()
    return hashlib.sha256(stripped).digest() if stripped else None


def _digest_now(path: str) -> bytes | None:
    try:
        return _digest(Path(path).read_bytes())
    except OSError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCredentials:
    """
    The credentials of a configuration, as they were read.

    Shape   `source` names it in errors. `headers` say who we are; one name may have several values, so take `items()`.
            `certificates` is None for plain HTTP. `files` are looked at for something new, `expires` is when the
            credentials run out, if that was said.
    """

    source: str
    headers: Mapping[str, str]
    certificates: Certificates | None = None
    files: FilesRead = field(default_factory=FilesRead)
    expires: datetime | None = None


class RenewedCredentials:
    """
    Credentials (see endpoint.py) that are renewed; `load` reads their configuration again.

    Errors  ConfigError from the constructor for certificates that cannot be used.
    """

    def __init__(self, loaded: LoadedCredentials, load: Callable[[], Awaitable[LoadedCredentials]]) -> None:
        self._load = load
        self._loaded = loaded
        self.tls: ssl.SSLContext | None = _tls_of(loaded)
        self._renewal: asyncio.Task[None] | None = None
        self._failures = FailureLog(log)
        self._due = self._dead = False
        self._fresh_since = self._renewed_at = self._looked_at = clock.monotonic()

    async def headers(self) -> Mapping[str, str]:
        """The headers that say who we are, renewed first where that is due."""
        if self._renewal is None and (self._due or self._runs_out() or self._files_changed()):
            self._due = False
            self._renewed_at = self._looked_at = clock.monotonic()
            # It goes on when the call that began it does not, and so has nothing of that call about it.
            self._renewal = asyncio.create_task(self._renew(), context=Context())
        if self._renewal is not None:
            await self._wait_for(self._renewal)
        return self._loaded.headers

    def refused(self, sent_at: float) -> bool:
        """Have everything read again before the next call, unless that was done just now, or since the call began."""
        if self._fresh_since > sent_at:
            return True
        if self._renewal is not None:
            self._dead = True
            return True
        if not self._due and clock.monotonic() - self._renewed_at >= RENEW_AGAIN_S:
            self._due = self._dead = True
        return self._due

    async def close(self) -> None:
        """End a renewal that is under way."""
        renewal, self._renewal = self._renewal, None
        if renewal is not None:
            renewal.cancel()
            await asyncio.wait({renewal})

    async def _wait_for(self, renewal: asyncio.Task[None]) -> None:
        """Until it ends, or has taken so long that what there is must do."""
        patience_s = DEAD_WAIT_S if self._dead or self._expired() else GOOD_WAIT_S
        left_s = self._renewed_at + patience_s - clock.monotonic()
        if left_s > 0:
            await asyncio.wait({renewal}, timeout=left_s)
        if renewal.done():
            if self._renewal is renewal:
                self._renewal = None
            if not renewal.cancelled():
                renewal.result()

    def _runs_out(self) -> bool:
        expires = self._loaded.expires
        return (
            expires is not None
            and expires <= clock.now() + timedelta(seconds=RENEW_AHEAD_S)
            and clock.monotonic() - self._renewed_at >= RENEW_AGAIN_S
        )

    def _expired(self) -> bool:
        return self._loaded.expires is not None and self._loaded.expires <= clock.now()

    def _files_changed(self) -> bool:
        """Whether a file holds something else than is in use; one that cannot be read just now says nothing."""
        now = clock.monotonic()
        if now - self._looked_at < RENEW_AGAIN_S:
            return False
        self._looked_at = now
        return self._loaded.files.changed()

    async def _renew(self) -> None:
        try:
            loaded = await self._load()
            if self.tls is not None and loaded.certificates != self._loaded.certificates:
                self.tls = _tls_of(loaded)
        except ConfigError as error:
            self._failures.tell("credentials_not_renewed", error, about="")
        else:
            self._failures.forget("")
            self._loaded, self._fresh_since = loaded, clock.monotonic()
        self._dead = False


def _tls_of(loaded: LoadedCredentials) -> ssl.SSLContext | None:
    return None if loaded.certificates is None else tls_of(loaded.certificates, loaded.source)
