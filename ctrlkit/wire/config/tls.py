"""Make a TLS context from the certificates of a configuration, or say in one line what is wrong with which."""

from __future__ import annotations

import binascii
import os
import re
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto

from ctrlkit.errors import ConfigError
from ctrlkit.wire.secrets import NO_PEM, Pem

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-:]+-----END CERTIFICATE-----")


class Verify(Enum):
    """By what a server's certificate is verified."""

    AUTHORITY = auto()
    SYSTEM = auto()
    NOBODY = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """
    The certificates for connections, as PEM text.

    Shape   `authority` is what is trusted where `verify` says AUTHORITY. `client` is a chain with its key, empty for
            none.
    """

    verify: Verify = Verify.SYSTEM
    authority: Pem = NO_PEM
    client: Pem = NO_PEM


def tls_of(certificates: Certificates, source: str) -> ssl.SSLContext:
    """
    Make a TLS context that trusts the cluster's authority and presents the user's certificate.

    Any certificate of the authority ends a chain, also one that another has issued; a server's name counts where it
    is a subject alternative name. So do Go's clients.

    Errors  ConfigError that names `source` and the field to correct.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificates.verify is Verify.SYSTEM:
        tls.load_default_certs()
    if certificates.verify is Verify.AUTHORITY and (fault := _trust(tls, certificates.authority)):
        raise ConfigError(f"read the certificate authority of the {source}: {fault}; correct certificate-authority")
    tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13 refuses authorities that Go, and so clusters, accept
    tls.hostname_checks_common_name = False
    if certificates.verify is Verify.NOBODY:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if certificates.client and (fault := _show(tls, certificates.client)):
        raise ConfigError(
            f"read the client certificate of the {source}: {fault}; "
            "correct the user's client-certificate and client-key"
        )
    return tls


def _trust(tls: ssl.SSLContext, authority: Pem) -> str | None:
    """Trust all certificates there are; returns what is wrong if there is none."""
    fault: str | None = "it has no certificate in PEM form"
    trusted = 0
    for certificate in _CERTIFICATE.findall(authority):
        try:
            tls.load_verify_locations(cadata=certificate)
            trusted += 1
        except (OSError, ValueError) as error:
            fault = _reason(error)
    return None if trusted else fault


def _show(tls: ssl.SSLContext, client: Pem) -> str | None:
    """Have a certificate shown to the server; returns what is wrong with it."""
    try:
        with file_of(client) as path:
            tls.load_cert_chain(path, password=_no_password)
    except (OSError, ValueError) as error:
        return _reason(error)
    return None


def _no_password() -> str:
    """OpenSSL would ask on the terminal."""
    raise ValueError("its key is encrypted")


@contextmanager
def file_of(text: Pem) -> Iterator[str]:
    """The path of a file with this text, for OpenSSL, which reads certificates with keys from files alone."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        with open(os.memfd_create("certificate"), "wb", buffering=0) as file:
            file.write(text.encode("latin-1"))
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as named:  # which nobody else may read
            named.write(text.encode("latin-1"))
            named.flush()
            yield named.name


def _reason(error: Exception) -> str:
    return (isinstance(error, ssl.SSLError) and error.reason) or str(error) or "it is no certificate in PEM form"


def not_after(chain: Pem) -> datetime | None:
    """When the first certificate of a chain runs out; None where that cannot be read."""
    found = _CERTIFICATE.search(chain)
    if found is None:
        return None
    try:
        to_be_signed = _parts(_parts(ssl.PEM_cert_to_DER_cert(found[0]))[0][1])
        fields = _parts(to_be_signed[0][1])
        validity = _parts(fields[4 if fields[0][0] == _VERSION else 3][1])
        return _time(*validity[1])
    except (ValueError, IndexError, binascii.Error):
        return None


_VERSION = 0xA0
_UTC_TIME = 0x17


def _parts(der: bytes) -> list[tuple[int, bytes]]:
    """The values that stand one after the other in DER: tag and content."""
    parts = []
    while der:
        tag, length, start = der[0], der[1], 2
        if length & 0x80:
            start = 2 + (length & 0x7F)
            length = int.from_bytes(der[2:start])
        parts.append((tag, der[start : start + length]))
        der = der[start + length :]
    return parts


def _time(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
