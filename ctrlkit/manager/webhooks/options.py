"""Where the webhooks of a manager are served, and by which name a server calls them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ctrlkit.errors import ConfigError
from ctrlkit.manager.endpoints.options import split_address
from ctrlkit.names import is_label

if TYPE_CHECKING:
    from ctrlkit.manager.webhooks.rotation import Lives

DEFAULT_ADDRESS: Final = ":9443"
CERTIFICATE_FILE: Final = "tls.crt"
KEY_FILE: Final = "tls.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookServing:
    """
    The address, the name and the certificates of the server for webhooks.

    >>> WebhookServing(service="demo/web").service_namespace
    'demo'
    >>> WebhookServing(url="http://10.0.0.5")
    Traceback (most recent call last):
      ...
    ctrlkit.errors.ConfigError: serve webhooks at 'http://10.0.0.5': a server calls nothing but https://HOST[:PORT]

    Shape   `address` is HOST:PORT, or :PORT for every interface. In a cluster `service` is the Service that leads here,
            as NAMESPACE/NAME; the configurations and the Secret of the certificates have its name. Outside, `url` is
            how the server gets here, as https://HOST[:PORT]; without it, and without a service, it is found. With
            `cert_dir`, a folder with tls.crt and tls.key, nothing is made, stored or patched. `client_ca`, a PEM file,
            asks for certificates of its authorities. `lives` are those of certificates that are made: 90 days, and a
            year for authorities, unless given.
    Errors  ConfigError for an address, a Service or a URL that is none, and for a URL beside a service.
    """

    address: str = DEFAULT_ADDRESS
    service: str = ""
    url: str = ""
    cert_dir: str = ""
    client_ca: str = ""
    lives: Lives | None = None

    def __post_init__(self) -> None:
        split_address(self.address, "webhooks")
        if self.service and self.url:
            raise ConfigError(f"serve webhooks: service {self.service} and url {self.url} are two ways; name one")
        if self.service and not all(map(is_label, (self.service_namespace, self.service_name))):
            raise ConfigError(f"serve webhooks: {self.service!r} is no Service; write NAMESPACE/NAME")
        if self.url and not _is_base(self.url):
            raise ConfigError(f"serve webhooks at {self.url!r}: a server calls nothing but https://HOST[:PORT]")

    @property
    def host(self) -> str:
        """The interface's name or address; empty for all."""
        return split_address(self.address, "webhooks")[0]

    @property
    def port(self) -> int:
        """0 to 65535."""
        return split_address(self.address, "webhooks")[1]

    @property
    def service_namespace(self) -> str:
        """Where the Service is, and the Secret."""
        return self.service.rpartition("/")[0]

    @property
    def service_name(self) -> str:
        """The name of the Service, of the Secret and of the configurations."""
        return self.service.rpartition("/")[2]

    @property
    def files(self) -> tuple[str, str] | None:
        """The certificate and its key, where they are in a folder."""
        if not self.cert_dir:
            return None
        return str(Path(self.cert_dir, CERTIFICATE_FILE)), str(Path(self.cert_dir, KEY_FILE))


def service_names(namespace: str, name: str) -> frozenset[str]:
    """
    Return the names by which a Service may be called; servers use the first.

    >>> sorted(service_names("demo", "web"))
    ['web.demo', 'web.demo.svc', 'web.demo.svc.cluster.local']
    """
    return frozenset(f"{name}.{namespace}{end}" for end in (".svc", "", ".svc.cluster.local"))


def host_of(url: str) -> str:
    """Return the host of a URL, without the brackets of IPv6."""
    return urlsplit(url).hostname or ""


def _is_base(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.path in ("", "/") and parts.port != 0
    except ValueError:
        return False
