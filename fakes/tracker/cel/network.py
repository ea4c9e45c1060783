"""Kubernetes' own types of URLs and addresses, and their functions."""

from __future__ import annotations

import ipaddress
import math
import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ctrlkit.fakes.tracker.cel import types
from ctrlkit.fakes.tracker.cel.functions import by_first, by_first_twice, define, holds, overload, tenth
from ctrlkit.fakes.tracker.cel.types import Type
from ctrlkit.fakes.tracker.cel.values import EvaluationError, Opaque, size
from ctrlkit.fakes.tracker.schema.urls import SCHEME, url_problem

# ---- URLs ------------------------------------------------------------------------------------------------------------

_PATH_KEPT = "$&+,/:;=@!'()*~"


@dataclass(frozen=True, slots=True)
class Url(Opaque):
    """A parsed URL."""

    type: ClassVar[Type] = types.URL
    scheme: str
    host: str
    path: str
    query: str

    @property
    def hostname(self) -> str:
        """The host without its port, and without brackets."""
        if self.host.startswith("["):
            return self.host[1:].partition("]")[0]
        return self.host.partition(":")[0]

    @property
    def port(self) -> str:
        """The port, empty if there is none."""
        _, colon, port = self.host.rpartition(":")
        return port if colon and port.isdigit() else ""


@overload("string_to_url", "url(string) kubernetes.URL", by_first)
def _url(text: str) -> Url:
    if problem := url_problem(text):
        raise EvaluationError(f'URL parse error during conversion from string: parse "{text}": {problem}')
    scheme = SCHEME.match(text)
    rest = (text[scheme.end() :] if scheme else text).partition("#")[0]
    path, _, query = rest.partition("?")
    host = ""
    if path.startswith("//"):
        host, slash, path = path[2:].partition("/")
        path = slash + path
        host = urllib.parse.unquote(host.rpartition("@")[2])
    path = path if path.startswith("/") else ""
    return Url(scheme[1].lower() if scheme else "", host, path, query)


def _query(url: Url) -> dict[str, list[str]]:
    return urllib.parse.parse_qs(url.query, keep_blank_values=True)


def _escaped(url: Url) -> str:
    return urllib.parse.quote(url.path, safe=_PATH_KEPT + "%")


define("url_get_scheme", "kubernetes.URL => getScheme() string", lambda url: url.scheme)
define("url_get_host", "kubernetes.URL => getHost() string", lambda url: url.host)
define("url_get_hostname", "kubernetes.URL => getHostname() string", lambda url: url.hostname)
define("url_get_port", "kubernetes.URL => getPort() string", lambda url: url.port)
define("url_get_escaped_path", "kubernetes.URL => getEscapedPath() string", _escaped)
define("url_get_query", "kubernetes.URL => getQuery() map(string, list(string))", _query)
define("is_url_string", "isURL(string) bool", holds(_url))

# ---- addresses -------------------------------------------------------------------------------------------------------

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Ip(Opaque):
    """An address."""

    type: ClassVar[Type] = types.IP
    address: _Address


@dataclass(frozen=True, slots=True)
class Cidr(Opaque):
    """An address with the number of its leading bits that tell a network."""

    type: ClassVar[Type] = types.CIDR
    address: _Address
    bits: int

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """The network of the address."""
        return ipaddress.ip_network((self.address, self.bits), strict=False)


@overload("string_to_ip", "ip(string) net.IP", by_first)
def _ip(text: str) -> Ip:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        problem = f'ParseAddr("{text}"): {_address_problem(text)}'
        raise EvaluationError(f'IP Address "{text}" parse error during conversion from string: {problem}') from None
    if "%" in text:
        raise EvaluationError(f'IP address "{text}" with zone value is not allowed')
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        raise EvaluationError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return Ip(address)


def _address_problem(text: str) -> str:
    """What Go says of a text that is no address."""
    if "." not in text or ":" in text:
        return "unable to parse IP"
    parts = text.split(".")
    for part in parts:
        if part and not part.isdigit():
            return "unexpected character (at " + f'"{text[text.index(part) :].lstrip("0123456789")}")'
        if len(part) > 1 and part.startswith("0"):
            return "IPv4 field has octet with leading zero"
        if part and int(part) > 255:
            return "IPv4 field has value >255"
    if "" in parts:
        return f'IPv4 field must have at least one digit (at "{text[text.index("..") + 1 :] if ".." in text else ""}")'
    return "IPv4 address too short" if len(parts) < 4 else "IPv4 address too long"


def _link_local_multicast(ip: Ip) -> bool:
    address = ip.address
    if isinstance(address, ipaddress.IPv4Address):
        return address in ipaddress.ip_network("224.0.0.0/24")
    return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 2


def _global_unicast(ip: Ip) -> bool:
    address = ip.address
    broadcast = address == ipaddress.ip_address("255.255.255.255")
    others = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not (others or broadcast)


define("ip_family", "net.IP => family() int", lambda ip: ip.address.version)
define("ip_is_canonical", "ip.isCanonical(string) bool", lambda text: str(_ip(text).address) == text, by_first_twice)
define("ip_is_unspecified", "net.IP => isUnspecified() bool", lambda ip: ip.address.is_unspecified)
define("ip_is_loopback", "net.IP => isLoopback() bool", lambda ip: ip.address.is_loopback)
define("ip_is_link_local_multicast", "net.IP => isLinkLocalMulticast() bool", _link_local_multicast)
define("ip_is_link_local_unicast", "net.IP => isLinkLocalUnicast() bool", lambda ip: ip.address.is_link_local)
define("ip_is_global_unicast", "net.IP => isGlobalUnicast() bool", _global_unicast)
define("is_ip", "isIP(string) bool", holds(_ip), by_first)
define("ip_to_string", "string(net.IP) string", lambda ip: str(ip.address))

_PARSING = "network address parse error during conversion from string: "


@overload("string_to_cidr", "cidr(string) net.CIDR", by_first)
def _cidr(text: str) -> Cidr:
    address, slash, bits = text.rpartition("/")
    problem = f'{_PARSING}{_PARSING}netip.ParsePrefix("{text}"): '
    if not slash:
        raise EvaluationError(f"{problem}no '/'")
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        raise EvaluationError(f'{problem}ParseAddr("{address}"): {_address_problem(address)}') from None
    if "%" in address:
        raise EvaluationError(f"{problem}IPv6 zones cannot be present in a prefix")
    if not re.fullmatch(r"0|[1-9]\d{0,2}", bits):
        raise EvaluationError(f'{problem}bad bits after slash: "{bits}"')
    if int(bits) > found.max_prefixlen:
        raise EvaluationError(f"{problem}prefix length out of range")
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        raise EvaluationError(f'{_PARSING}IPv4-mapped IPv6 address "{text}" is not allowed')
    return Cidr(found, int(bits))


def _has_ip(cidr: Cidr, ip: Ip) -> bool:
    return ip.address.version == cidr.address.version and ip.address in cidr.network


def _has_cidr(cidr: Cidr, other: Cidr) -> bool:
    if cidr.address.version != other.address.version:
        return False
    return cidr.network.overlaps(other.network) and cidr.bits <= other.bits


def _bytes_of(cidr: Cidr) -> int:
    return math.ceil(cidr.bits / 8)


def _ip_price(args: Sequence[Any], _result: Any) -> int:
    parsing = tenth(size(args[1])) if isinstance(args[1], str) else 0
    return tenth(2 * _bytes_of(args[0])) + parsing


def _cidr_price(args: Sequence[Any], _result: Any) -> int:
    return _ip_price(args, _result) + tenth(_bytes_of(args[0])) + 1


define(
    "cidr_contains_ip_string", "net.CIDR => containsIP(string) bool", lambda c, text: _has_ip(c, _ip(text)), _ip_price
)
define("cidr_contains_ip_ip", "net.CIDR => containsIP(net.IP) bool", _has_ip, _ip_price)
define(
    "cidr_contains_cidr_string",
    "net.CIDR => containsCIDR(string) bool",
    lambda cidr, text: _has_cidr(cidr, _cidr(text)),
    _cidr_price,
)
define("cidr_contains_cidr", "net.CIDR => containsCIDR(net.CIDR) bool", _has_cidr, _cidr_price)
define("cidr_ip", "net.CIDR => ip() net.IP", lambda cidr: Ip(cidr.address))
define("cidr_prefix_length", "net.CIDR => prefixLength() int", lambda cidr: cidr.bits)
define("cidr_masked", "net.CIDR => masked() net.CIDR", lambda cidr: Cidr(cidr.network.network_address, cidr.bits))
define("is_cidr", "isCIDR(string) bool", holds(_cidr), by_first)
define("cidr_to_string", "string(net.CIDR) string", lambda cidr: f"{cidr.address}/{cidr.bits}")
