"""
The addresses of API servers and of the proxies on the way to them.

`server_of` reads an address as a kubeconfig writes it. `proxy_for` finds the proxy to use, by the rules of Go's
programs, kubectl among them: HTTPS_PROXY is for https servers, HTTP_PROXY for http ones; the upper-case name comes
first, and an empty variable is none. This machine itself is never reached by a proxy of the environment. NO_PROXY is a
list with commas:

    *                            no proxy at all
    10.96.0.0/12, fd00::/8       a network
    10.0.0.1, [fd00::1]:6443     an address, with a port for that one alone
    example.com, example.com:80  a name and all names under it
    .example.com, *.example.com  the names under it
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, quote, unquote, urlsplit

from ctrlkit.errors import ConfigError
from ctrlkit.wire.secrets import NO_SECRET, Secret

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


Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_PORTS = {"http": 80, "https": 443}
_WRITE_IT = "write it as http://HOST:PORT in proxy-url or HTTPS_PROXY, or leave it out"


def proxy_for(server: str, named: str | None = None) -> Secret | None:
    """
    The URL of the proxy to use, None for none: the one named, else what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say.

    >>> str(proxy_for("https://10.0.0.1:6443", "http://proxy.example:3128"))
    'http://proxy.example:3128'

    A proxy of the environment without a scheme speaks HTTP.
    Errors  ConfigError for one that cannot be used, without its password.
    """
    proxy = _usable(named) if named else _in_environment(server)
    if proxy == "":
        shown = str(named or _value(_variable(server))).rpartition("@")[2][:256]
        raise ConfigError(f"reach {server}: the proxy {shown!r} cannot be used; {_WRITE_IT}")
    return proxy


def is_http(url: str) -> bool:
    """Whether this is a URL that an HTTP client can connect to."""
    try:
        parts = urlsplit(url)
        reachable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
        return reachable and url.isprintable() and not url.startswith(" ") and " " not in parts.netloc
    except ValueError:
        return False


def _in_environment(server: str) -> Secret | None:
    name = _variable(server)
    proxy = _value(name)
    if not proxy or _goes_direct(server):
        return None
    if name == "HTTP_PROXY" and os.environ.get("REQUEST_METHOD"):
        raise ConfigError(
            f"reach {server}: HTTP_PROXY is not used in a CGI program, where a caller's header may have set it; "
            "leave REQUEST_METHOD out of the environment"
        )
    return _usable(proxy if "://" in proxy else f"http://{proxy}")


def _variable(server: str) -> str:
    return "HTTPS_PROXY" if server.startswith("https:") else "HTTP_PROXY"


def _value(name: str) -> Secret:
    return Secret(os.environ.get(name) or os.environ.get(name.lower()) or "")


def _usable(proxy: str) -> Secret:
    """The proxy as the HTTP library takes it; empty if it cannot be used."""
    if not is_http(proxy):
        return Secret()
    parts = urlsplit(proxy)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return Secret(proxy)
    name, colon, password = (_as_utf_8(part) for part in user.partition(":"))
    return Secret("" if "%3A" in name else f"{parts.scheme}://{name}{colon}{password}@{host}")


def _as_utf_8(part: str) -> str:
    """Percent-encoded so that the HTTP library, which sends these characters as Latin-1, sends the bytes of UTF-8."""
    return part if part == ":" else quote(unquote(part).encode().decode("latin-1"), safe="")


# ---- NO_PROXY ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Exception:
    """An entry of NO_PROXY: a network, or a name that begins with a dot; `itself` if it counts without the dot too."""

    network: Network | None = None
    name: str = ""
    itself: bool = False
    port: str = ""

    def covers(self, host: str, address: Address | None, port: str) -> bool:
        """Whether a server is reached without a proxy because of it."""
        if self.port not in ("", port):
            return False
        if self.network is not None:
            return address is not None and address in self.network
        return address is None and (host.endswith(self.name) or (self.itself and host == self.name[1:]))


def _goes_direct(server: str) -> bool:
    parts = urlsplit(server)
    host = _ascii(parts.hostname or "")
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    exceptions = _exceptions(_value("NO_PROXY"))
    port = str(parts.port or _PORTS[parts.scheme])
    return exceptions is None or any(each.covers(host, address, port) for each in exceptions)


def _exceptions(listed: str) -> list[_Exception] | None:
    """What NO_PROXY lists; None for everything. What is malformed is passed over."""
    entries = [entry.strip().lower() for entry in listed.split(",")]
    return None if "*" in entries else [each for entry in entries if entry for each in _read(entry)]


def _read(entry: str) -> Iterator[_Exception]:
    if entry.rpartition("/")[2].isdecimal() and "/" in entry and (network := _network(entry)):
        yield _Exception(network=network)
        return
    host, port = _split(entry)
    if address := _address(host):
        yield _Exception(network=_network(str(address)), port=port)
        return
    name = host.removeprefix("*") if host.startswith("*.") else host
    if name:
        yield _Exception(name=f".{_ascii(name.removeprefix('.'))}", itself=not name.startswith("."), port=port)


def _split(entry: str) -> tuple[str, str]:
    """Host and port of `a`, `a:1`, `::1`, `[::1]:1`."""
    host, colon, port = entry.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        return entry, ""
    return host.removeprefix("[").removesuffix("]"), port


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _network(text: str) -> Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _ascii(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host
