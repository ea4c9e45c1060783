"""The address of an API server as a kubeconfig writes it."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlsplit

from ctrlkit.wire.proxies import is_http
from ctrlkit.wire.secret import NO_SECRET, Secret

_PATH_SAFE = "/$&+,:;=@~"


@dataclass(frozen=True, slots=True)
class Server:
    """
    Where requests go.

    Shape   `url` has no slash at its end, no query and no login. `name` and `password` are those that stood in it, and
            None where there were none.
    """

    url: str
    name: str | None = None
    password: Secret = NO_SECRET

    @property
    def has_tls(self) -> bool:
        """Whether it is an https server."""
        return self.url.startswith("https:")

    @property
    def certified_name(self) -> str | None:
        """The name that its certificate is for where the URL has another: one with a dot at its end."""
        host = urlsplit(self.url).hostname or ""
        return host.removesuffix(".") if host.endswith(".") else None


def server_of(text: str) -> Server | None:
    """
    The server of a cluster; None for what is no URL of HTTP.

    >>> server_of("https://api.example:6443/k8s//c-1/").url
    'https://api.example:6443/k8s/c-1'
    >>> server_of("10.0.0.1:8080").url
    'http://10.0.0.1:8080'

    Without a scheme it speaks HTTP. A path goes before those of all requests.
    """
    url = text if _has_scheme(text) else f"http://{text}"
    if not is_http(url):
        return None
    parts = urlsplit(url)
    path = posixpath.normpath("/" + unquote(parts.path).lstrip("/"))
    if url != text and parts.path not in ("", "/"):
        return None
    prefix = "" if path == "/" else quote(path, safe=_PATH_SAFE)
    host = parts.netloc.rpartition("@")[2].removesuffix(":")
    return Server(f"{parts.scheme}://{host}{prefix}", *_login_of(parts))


def _has_scheme(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return True
    return bool(parts.scheme and parts.netloc)


def _login_of(parts: SplitResult) -> tuple[str | None, Secret]:
    if parts.username is None:
        return None, Secret()
    return unquote(parts.username), Secret(unquote(parts.password or ""))
