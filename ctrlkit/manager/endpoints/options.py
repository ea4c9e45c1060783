"""Where a manager answers an operator's questions, and who may ask."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

from ctrlkit.errors import ConfigError

DEFAULT_ADDRESS: Final = "127.0.0.1:8080"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """
    The address, TLS files and token of the HTTP server for metrics, health and the debug page.

    >>> Endpoints(address=":8443").port
    8443
    >>> Endpoints(address="8080")
    Traceback (most recent call last):
      ...
    ctrlkit.errors.ConfigError: serve endpoints at '8080': that is no address; write HOST:PORT, or :PORT for ...

    Shape   `address` is HOST:PORT, [HOST]:PORT for IPv6, or :PORT for every interface; port 0 is any free one.
            `tls_cert` and `tls_key` are PEM files, a chain and its key; empty means plain HTTP. `token_file` holds the
            bearer token that metrics and debug ask for; empty means that anybody may read metrics, and loopback alone
            may see what debug shows. All three are read again when they change.
    Errors  ConfigError for an address that is none, and for one TLS file without the other.
    """

    address: str = DEFAULT_ADDRESS
    tls_cert: str = ""
    tls_key: str = ""
    token_file: str = ""

    def __post_init__(self) -> None:
        split_address(self.address, "endpoints")
        if bool(self.tls_cert) != bool(self.tls_key):
            given, missing = ("certificate", "key") if self.tls_cert else ("key", "certificate")
            raise ConfigError(
                f"serve endpoints at {self.address}: there is a TLS {given} file and no {missing} file; name both, or "
                "neither"
            )

    @property
    def host(self) -> str:
        """The interface's name or address; empty for all."""
        return split_address(self.address, "endpoints")[0]

    @property
    def port(self) -> int:
        """0 to 65535."""
        return split_address(self.address, "endpoints")[1]

    @property
    def is_local(self) -> bool:
        """Whether nobody from another machine can get there."""
        return self.host == "localhost" or is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """
    Whether an address is one of this machine's own, as IPv6 writes it too.

    >>> is_loopback("127.0.0.6"), is_loopback("::ffff:127.0.0.1"), is_loopback("10.0.0.7"), is_loopback("localhost")
    (True, True, False, False)
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def split_address(address: str, served: str) -> tuple[str, int]:
    """
    Return host and port of HOST:PORT, [HOST]:PORT or :PORT.

    >>> split_address("[::1]:9443", "webhooks")
    ('::1', 9443)

    Errors  ConfigError, naming what was to be served there.
    """
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535 or (":" in host and not bracketed):
        raise ConfigError(
            f"serve {served} at {address[:256]!r}: that is no address; write HOST:PORT, or :PORT for all interfaces"
        )
    return host.strip("[]") if bracketed else host, int(port)


def not_listening(tried: str, error: OSError, setting: str = "") -> ConfigError:
    """
    Return what to raise where an address cannot be listened at; `setting` is the one to change.

    >>> print(not_listening("serve webhooks at :9443", OSError(errno.EADDRINUSE, ""), "webhooks_address"))
    serve webhooks at :9443: the port is taken; choose another with webhooks_address, or 0 for any free one
    """
    if error.errno == errno.EADDRINUSE:
        by = f" with {setting}" if setting else ""
        return ConfigError(f"{tried}: the port is taken; choose another{by}, or 0 for any free one")
    number = error.errno or 0
    problem = os.strerror(number) if number > 0 else error.strerror or error  # below 0: no such name
    return ConfigError(f"{tried}: {problem}; choose another {setting or 'address'}")
