"""TLS of the server for webhooks: who connects gets the certificate of this moment, who is connected stays so."""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path

from ctrlkit.clock import now
from ctrlkit.errors import ConfigError
from ctrlkit.manager.endpoints.access import Certificate, CertificateStatistics, new_context, reason_of
from ctrlkit.wire.config.tls import file_of, not_after
from ctrlkit.wire.secrets import Pem


class MadeCertificate:
    """
    A certificate that is given, and later another one; before the first nobody can connect.

    Errors  ConfigError for a `client_ca` that cannot be used.
    """

    def __init__(self, client_ca: str = "") -> None:
        self._client_ca = client_ca
        self.context: ssl.SSLContext = context_for(client_ca)
        self._current = self.context
        self.context.sni_callback = self._choose  # asked at each handshake, also where the client sends no name

    def present(self, chain: Pem) -> None:
        """Present this key and certificate from the next handshake on."""
        context = context_for(self._client_ca)
        with file_of(chain) as path:
            context.load_cert_chain(path)
        self._current = context

    def _choose(self, connection: ssl.SSLObject, _name: str, _context: ssl.SSLContext) -> None:
        if self._current is not self.context:
            connection.context = self._current


class MountedCertificate:
    """
    A certificate in two files, read again when they change.

    Errors  ConfigError where they cannot be used at the start, or the `client_ca` cannot.
    """

    def __init__(self, cert: str, key: str, client_ca: str = "") -> None:
        self._file = Path(cert)
        self._certificate = Certificate(cert, key, make=lambda: context_for(client_ca), part="webhooks")
        self.context: ssl.SSLContext = self._certificate.context

    def statistics(self) -> CertificateStatistics:
        """How often the files were read."""
        return self._certificate.statistics()

    def ends(self) -> datetime | None:
        """When the certificate in the file ends; None where that cannot be read."""
        try:
            return not_after(Pem(self._file.read_text(encoding="latin-1")))
        except OSError:
            return None

    def check(self) -> str:
        """Return why servers would refuse the certificate."""
        ends = self.ends()
        return f"the certificate in {self._file} has ended at {ends:%Y-%m-%d}" if ends and ends <= now() else ""


def context_for(client_ca: str) -> ssl.SSLContext:
    """Return a context that speaks HTTP/1.1, and asks for certificates of these authorities if there are any."""
    context = new_context()
    context.set_alpn_protocols(["http/1.1"])
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(client_ca)
        except ssl.SSLError as error:
            raise ConfigError(f"read the client authorities of webhooks in {client_ca}: {error.reason}") from None
        except OSError as error:
            raise ConfigError(
                f"read the client authorities of webhooks in {client_ca}: {reason_of(error)}; write PEM there"
            ) from None
    return context
