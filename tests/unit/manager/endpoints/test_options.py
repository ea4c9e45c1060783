"""Addresses."""

from __future__ import annotations

import pytest

from ctrlkit.errors import ConfigError
from ctrlkit.manager.endpoints import Endpoints


@pytest.mark.parametrize(
    ("address", "host", "port", "local"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("localhost:0", "localhost", 0, True),
        ("[::1]:8080", "::1", 8080, True),
        (":8080", "", 8080, False),
        ("0.0.0.0:65535", "0.0.0.0", 65535, False),
        ("[::]:8080", "::", 8080, False),
        ("[::1234]:8080", "::1234", 8080, False),
        ("pod.example.com:80", "pod.example.com", 80, False),
    ],
)
def test_an_address_is_taken_apart(address: str, host: str, port: int, local: bool) -> None:
    """And says whether other machines can get there."""
    options = Endpoints(address=address)
    assert (options.host, options.port, options.is_local) == (host, port, local)


@pytest.mark.parametrize(
    "address", ["", "8080", "host", "host:", "host:http", "host:65536", "host:-1", "::1:80", "a:²"]
)
def test_what_is_no_address_is_a_configuration_error(address: str) -> None:
    with pytest.raises(ConfigError, match="that is no address; write HOST:PORT"):
        Endpoints(address=address)


def test_half_of_a_tls_pair_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="there is a TLS key file and no certificate file"):
        Endpoints(tls_key="tls.key")
