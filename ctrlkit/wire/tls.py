"""What a configuration says about certificates -> a TLS context, or one line on what is wrong with which."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from ctrlkit.errors import ConfigError


def tls_of(configuration: Any, source: str) -> ssl.SSLContext:
    """
    A context that trusts the cluster's authority and shows the user's certificate.

    Shape   `configuration` is a kubernetes.aio.client.Configuration.
    Errors  ConfigError that names `source` and the field to correct.
    """
    try:
        tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"read the certificate authority of the {source}: {_reason(error)}; correct certificate-authority"
        ) from None
    tls.verify_flags &= (
        ~ssl.VERIFY_X509_STRICT
    )  # Python 3.13 refuses authorities that Go, and so clusters, are fine with
    _load_client_certificate(tls, configuration, source)
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return tls


def certificates_of(configuration: Any) -> tuple[bytes | None, ...]:
    """What the files of the authority, the certificate and its key hold; None for one there is not, or not readable."""
    return tuple(_read(name) for name in (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file))


def _read(name: str | None) -> bytes | None:
    try:
        return Path(name).read_bytes() if name else None
    except OSError:
        return None


def _load_client_certificate(tls: ssl.SSLContext, configuration: Any, source: str) -> None:
    if not configuration.cert_file:
        return
    try:
        tls.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"read the client certificate of the {source}: {_reason(error)}; "
            "correct the user's client-certificate and client-key"
        ) from None


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or "it is no certificate in PEM form"
