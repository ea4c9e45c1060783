"""
The certificate an endpoint shows, read again when its files change (row W11).

The files are looked at when a connection begins. A new pair that cannot be used leaves the old one in place, is told of
once, and is tried again when a file changes again: so a certificate may be written before its key.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from ctrlkit.errors import ConfigError
from ctrlkit.manager.endpoints.files import stamp_of, told
from ctrlkit.telemetry import logger


@dataclass(frozen=True, slots=True)
class CertificateStatistics:
    """How often a pair was read since the start, and how many of these times in vain."""

    reads: int
    failures: int


class Certificate:
    """
    What a TLS server is given: `context` stands for the pair of files as it is now.

    Errors  ConfigError where the pair cannot be used at the start.
    """

    def __init__(self, cert: str, key: str) -> None:
        self._cert = cert
        self._key = key
        self._reads = 1
        self._failures = 0
        self._stamp = stamp_of(cert, key)
        self._log = logger("endpoints")
        self.context = self._current = _load(cert, key)
        self.context.sni_callback = self._choose  # asked at each handshake, also where the client sends no name

    def statistics(self) -> CertificateStatistics:
        """A picture of now."""
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
            self._current = _load(self._cert, self._key)
        except ConfigError as error:
            self._failures += 1
            self._log.warning("certificate_not_renewed", error=str(error))
        else:
            self._log.info("certificate_renewed", file=self._cert)


def _load(cert: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password=_refuse_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            why = "the key is another certificate's"
        else:
            why = f"there is no PEM of its kind in one of them [{error.reason or error}]"
    except OSError as error:
        missing = next((path for path, found in zip((cert, key), stamp_of(cert, key), strict=True) if not found), "")
        why = f"{told(error)}{f' ({missing})' if missing else ''}"
    except ValueError as error:
        why = str(error)
    else:
        return context
    raise ConfigError(
        f"read TLS certificate {cert} and key {key}: {why}; write a PEM chain and its unencrypted key there"
    )


def _refuse_password() -> str:
    raise ValueError("the key is encrypted")
