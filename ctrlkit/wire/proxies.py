"""The proxy on the way to a server: which one the environment names, and whether it can be used."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ctrlkit.errors import ConfigError


def proxy_for(server: str, named: str | None = None) -> str | None:
    """
    The URL of the proxy to use, None for none: the one named, else what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say.

    >>> proxy_for("https://10.0.0.1:6443", "proxy.example:3128")
    'http://proxy.example:3128'

    The environment never has this machine itself reached by a proxy. A proxy without a scheme speaks HTTP.
    Errors  ConfigError for one that is no URL, without its password.
    """
    proxy = named or _in_environment(server)
    if proxy is None:
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    if not is_http(url):
        shown = proxy.rpartition("@")[2][:256]
        raise ConfigError(
            f"reach {server.rpartition('@')[2]}: the proxy {shown!r} cannot be used; write it as http://HOST:PORT in "
            "proxy-url or HTTPS_PROXY, or leave it out"
        )
    return url


def is_http(url: str) -> bool:
    """Whether this is a URL that an HTTP client can connect to."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _in_environment(server: str) -> str | None:
    parts = urlsplit(server)
    host = parts.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127.") or proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)
