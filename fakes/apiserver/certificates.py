"""
The certificate authority of one server, created with it.

Its key exists in memory only, signs nothing but this server's certificates, and is gone with the process. The validity
dates are real ones even on virtual time, because clients compare them with their machine's clock.
"""

from __future__ import annotations

import ssl
import time

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ctrlkit.manager.webhooks.certificates import authority_certificate, server_certificate
from ctrlkit.wire.config.tls import file_of
from ctrlkit.wire.secrets import Pem

_LIFE_S = 365 * 86400.0
_SKEW_S = 3600.0
"""How far a client's clock may be behind."""

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class Authority:
    """
    Signs certificates for the addresses a server listens at.

    >>> authority = Authority()
    >>> authority.pem.startswith(b"-----BEGIN CERTIFICATE-----")
    True
    """

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = time.time()
        self._certificate = authority_certificate(
            "ctrlkit API server authority", self._key, begins=now - _SKEW_S, ends=now + _LIFE_S
        )

    @property
    def pem(self) -> bytes:
        """The authority's certificate, for clients."""
        return self._certificate.public_bytes(Encoding.PEM)

    def server_context(self, host: str) -> ssl.SSLContext:
        """Return the TLS context of a server at `host`, valid for localhost, 127.0.0.1 and ::1, too."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        with file_of(Pem(self.server_pem(host).decode())) as path:
            context.load_cert_chain(path)
        return context

    def server_pem(self, host: str) -> bytes:
        """Return a new key for a server at `host`, and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = time.time()
        certificate = server_certificate(
            "ctrlkit API server",
            key.public_key(),
            dict.fromkeys((*_LOCAL_NAMES, host)),
            issuer=self._certificate,
            issuer_key=self._key,
            begins=now - _SKEW_S,
            ends=now + _LIFE_S,
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return private + certificate.public_bytes(Encoding.PEM)
