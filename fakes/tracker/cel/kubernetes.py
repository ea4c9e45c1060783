"""Kubernetes' own types and their functions: URLs, addresses, quantities, versions, named formats."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any, ClassVar

from ctrlkit.fakes.tracker.cel import types
from ctrlkit.fakes.tracker.cel.functions import by_first, by_first_twice, define, overload, tenth
from ctrlkit.fakes.tracker.cel.types import Type
from ctrlkit.fakes.tracker.cel.values import INT_RANGE, NONE, EvaluationError, Opaque, Optional, size
from ctrlkit.fakes.tracker.schema.formats import dns_label, label_1035, label_key, label_value, subdomain
from ctrlkit.fakes.tracker.schema.quantities import quantity_value

Check = Callable[[str], Sequence[str]]


def _holds(read: Callable[..., Any]) -> Callable[..., bool]:
    """Whether a text is what a function reads."""

    def check(*args: Any) -> bool:
        try:
            read(*args)
        except EvaluationError:
            return False
        return True

    return check


# ---- URLs ------------------------------------------------------------------------------------------------------------

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+\-.]*):")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2}).{0,2}", re.DOTALL)
_HOST_CHARACTER = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:\[\]<>\"%\x80-\U0010ffff]")
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


def _url_problem(text: str) -> str:  # noqa: PLR0911  # one for each thing that can be wrong
    """What keeps a text from being the URL of a request, empty if nothing does."""
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        return "net/url: invalid control character in URL"
    if not text:
        return "empty url"
    if text == "*":
        return ""
    if text.startswith(":"):
        return "missing protocol scheme"
    if re.match(r"[0-9+\-.][a-zA-Z0-9+\-.]*:", text):
        return "invalid URI for request"
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text
    if not rest.startswith("/"):
        return "" if scheme else "invalid URI for request"
    path = rest.partition("?")[0]
    if scheme and path.startswith("//"):
        host, slash, path = path[2:].partition("/")
        if problem := _host_problem(host):
            return problem
        path = slash + path
    bad = _BAD_ESCAPE.search(path)
    return f'invalid URL escape "{bad[0]}"' if bad else ""


def _host_problem(authority: str) -> str:
    user, at, host = authority.rpartition("@")
    if at and re.search(r"[^A-Za-z0-9\-._:~!$&'()*+,;=%@]", user):
        return "net/url: invalid userinfo"
    if host.startswith("["):
        end = host.rfind("]")
        if end < 0:
            return "missing ']' in host"
        port = host[end + 1 :]
    else:
        port = host[host.find(":") :] if ":" in host else ""
    if port and not re.fullmatch(r":\d*", port):
        return f'invalid port "{port}" after host'
    if bad := _HOST_CHARACTER.search(host):
        return f'invalid character "{bad[0]}" in host name'
    escape = _BAD_ESCAPE.search(host)
    return f'invalid URL escape "{escape[0]}"' if escape else ""


@overload("string_to_url", "url(string) kubernetes.URL", by_first)
def _url(text: str) -> Url:
    if problem := _url_problem(text):
        raise EvaluationError(f'URL parse error during conversion from string: parse "{text}": {problem}')
    scheme = _SCHEME.match(text)
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
define("is_url_string", "isURL(string) bool", _holds(_url))

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
define("is_ip", "isIP(string) bool", _holds(_ip), by_first)
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
define("is_cidr", "isCIDR(string) bool", _holds(_cidr), by_first)
define("cidr_to_string", "string(net.CIDR) string", lambda cidr: f"{cidr.address}/{cidr.bits}")

# ---- quantities ------------------------------------------------------------------------------------------------------

_NANO = Decimal("1e-9")
_NO_DIGITS = "no digits, which is nothing"
_LIKE_QUANTITY = re.compile(r"[+-]?(\d*\.?\d*)([eEinumkKMGTP]*[-+]?\d*)")
_SUFFIX = re.compile(r"m|u|n|[kMGTPE]|[KMGTPE]i|[eE][+-]?\d+|")


@dataclass(frozen=True, slots=True)
class Quantity(Opaque):
    """An amount such as `1Gi`."""

    type: ClassVar[Type] = types.QUANTITY
    value: Decimal


@overload("string_to_quantity", "quantity(string) kubernetes.Quantity", by_first)
def _quantity(text: str) -> Quantity:
    try:
        value = quantity_value(text)
    except ValueError as error:
        problem = _quantity_problem(text) or str(error)
        if problem != _NO_DIGITS:
            raise EvaluationError(problem) from None
        value = Decimal(0)
    return Quantity(value if value % _NANO == 0 else value.quantize(_NANO, ROUND_UP))


def _quantity_problem(text: str) -> str:
    """What of a quantity is wrong, empty if it does not look like one at all."""
    match = _LIKE_QUANTITY.fullmatch(text)
    if not match or not text:
        return ""
    if not _SUFFIX.fullmatch(match[2]):
        return "unable to parse quantity's suffix"
    return _NO_DIGITS


def _is_whole(quantity: Quantity) -> bool:
    return quantity.value == quantity.value.to_integral_value() and int(quantity.value) in INT_RANGE


def _as_whole(quantity: Quantity) -> int:
    if not _is_whole(quantity):
        raise EvaluationError("cannot convert value to integer")
    return int(quantity.value)


def _order(one: Any, other: Any) -> int:
    return int((one > other) - (one < other))


define("is_quantity_string", "isQuantity(string) bool", _holds(_quantity), by_first)
define("quantity_sign", "sign(kubernetes.Quantity) int", lambda quantity: _order(quantity.value, 0))
define("quantity_get_float", "kubernetes.Quantity => asApproximateFloat() double", lambda q: float(q.value))
define("quantity_get_int", "kubernetes.Quantity => asInteger() int", _as_whole)
define("quantity_is_integer", "kubernetes.Quantity => isInteger() bool", _is_whole)
for _function, _test in (
    ("isGreaterThan", lambda one, other: one.value > other.value),
    ("isLessThan", lambda one, other: one.value < other.value),
):
    _id = "quantity_is_greater_than" if _function == "isGreaterThan" else "quantity_is_less_than"
    define(_id, f"kubernetes.Quantity => {_function}(kubernetes.Quantity) bool", _test)
define(
    "quantity_compare_to",
    "kubernetes.Quantity => compareTo(kubernetes.Quantity) int",
    lambda one, other: _order(one.value, other.value),
)
for _function, _sign in (("add", 1), ("sub", -1)):
    define(
        f"quantity_{_function}",
        f"kubernetes.Quantity => {_function}(kubernetes.Quantity) kubernetes.Quantity",
        lambda one, other, sign=_sign: Quantity(one.value + sign * other.value),
    )
    define(
        f"quantity_{_function}_int",
        f"kubernetes.Quantity => {_function}(int) kubernetes.Quantity",
        lambda one, number, sign=_sign: Quantity(one.value + sign * number),
    )

# ---- versions --------------------------------------------------------------------------------------------------------

_PARTS = ("Major", "Minor", "Patch")
_WORD = re.compile(r"[0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Semver(Opaque):
    """A semantic version; `pre` are the parts of its pre-release."""

    type: ClassVar[Type] = types.SEMVER
    numbers: tuple[int, int, int]
    pre: tuple[str, ...] = ()
    build: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Semver) and self.order() == other.order()

    def __hash__(self) -> int:
        return hash(self.order())

    def order(self) -> Any:
        """What versions are ordered by: one without a pre-release comes after those with."""
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre)
        return (self.numbers, not self.pre, parts)


@overload("string_to_semver", "semver(string) kubernetes.Semver", by_first)
@overload("string_bool_to_semver", "semver(string, bool) kubernetes.Semver", by_first)
def _semver(text: str, normalize: bool = False) -> Semver:  # noqa: FBT001, FBT002  # as expressions call it
    text = _normalized(text) if normalize else text
    if not text:
        raise EvaluationError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise EvaluationError("No Major.Minor.Patch elements found")
    rest, plus, build = parts[2].partition("+")
    patch, dash, pre = rest.partition("-")
    numbers = [_version_number(name, part) for name, part in zip(_PARTS, (*parts[:2], patch), strict=True)]
    pre_parts = tuple(pre.split(".")) if dash else ()
    for part in pre_parts:
        _check_pre(part)
    for part in build.split(".") if plus else ():
        if not part:
            raise EvaluationError("Build meta data is empty")
        if not _WORD.fullmatch(part):
            raise EvaluationError(f'Invalid character(s) found in build meta data "{part}"')
    return Semver((numbers[0], numbers[1], numbers[2]), pre_parts, build)


def _version_number(name: str, text: str) -> int:
    if not re.fullmatch("[0-9]*", text):
        raise EvaluationError(f'Invalid character(s) found in {name.lower()} number "{text}"')
    if len(text) > 1 and text.startswith("0"):
        raise EvaluationError(f'{name} number must not contain leading zeroes "{text}"')
    if not text:
        raise EvaluationError('strconv.ParseUint: parsing "": invalid syntax')
    return int(text)


def _check_pre(part: str) -> None:
    if not part:
        raise EvaluationError("Prerelease is empty")
    if part.isdigit():
        if len(part) > 1 and part.startswith("0"):
            raise EvaluationError(f'Numeric PreRelease version must not contain leading zeroes "{part}"')
    elif not _WORD.fullmatch(part):
        raise EvaluationError(f'Invalid character(s) found in prerelease "{part}"')


def _normalized(text: str) -> str:
    """Leave out a `v` and leading zeros, and add what is missing of three numbers."""
    parts = text.removeprefix("v").split(".", 2)
    parts = [re.sub(r"^0+(?=[0-9])", "", part) for part in parts]
    if len(parts) < 3 and re.search("[+-]", parts[-1]):
        raise EvaluationError("short version cannot contain PreRelease/Build meta data")
    return ".".join([*parts, "0", "0"][: max(3, len(parts))])


define("is_semver_string", "isSemver(string) bool", _holds(_semver), by_first)
define("is_semver_string_bool", "isSemver(string, bool) bool", _holds(_semver), by_first)
define(
    "semver_is_greater_than",
    "kubernetes.Semver => isGreaterThan(kubernetes.Semver) bool",
    lambda one, other: one.order() > other.order(),
)
define(
    "semver_is_less_than",
    "kubernetes.Semver => isLessThan(kubernetes.Semver) bool",
    lambda one, other: one.order() < other.order(),
)
define(
    "semver_compare_to",
    "kubernetes.Semver => compareTo(kubernetes.Semver) int",
    lambda one, other: _order(one.order(), other.order()),
)
for _index, _name in enumerate(("major", "minor", "patch")):
    define(f"semver_{_name}", f"kubernetes.Semver => {_name}() int", lambda one, index=_index: one.numbers[index])

# ---- named formats ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Format(Opaque):
    """A format of texts; `pattern_size` is how long a pattern for it is taken to be."""

    type: ClassVar[Type] = types.FORMAT
    name: str
    check: Check
    pattern_size: int


def _prefix(check: Check) -> Check:
    """A check of what comes before a generated part: a dash may be the last of it."""
    return lambda text: check(f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text)


def _uri(text: str) -> Sequence[str]:
    problem = _url_problem(text)
    return (f'parse "{text}": {problem}',) if problem else ()


def _base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return False
    return bool(text)


def _date(text: str) -> bool:
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", text)
    return match is not None and 1 <= int(match[2]) <= 12 and 1 <= int(match[3]) <= 31


def _datetime(text: str) -> bool:
    day, _, time = text.upper().partition("T")
    return _date(day) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)", time) is not None


def _said(check: Callable[[str], object], complaint: str) -> Check:
    return lambda text: () if check(text) else (complaint,)


_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_FORMATS = {
    name: Format(title, check, length)
    for name, title, check, length in (
        ("dns1123Label", "DNS1123Label", dns_label, 30),
        ("dns1123Subdomain", "DNS1123Subdomain", subdomain, 60),
        ("dns1035Label", "DNS1035Label", label_1035, 30),
        ("qualifiedName", "QualifiedName", label_key, 60),
        ("dns1123LabelPrefix", "DNS1123LabelPrefix", _prefix(dns_label), 30),
        ("dns1123SubdomainPrefix", "DNS1123SubdomainPrefix", _prefix(subdomain), 60),
        ("dns1035LabelPrefix", "DNS1035LabelPrefix", _prefix(label_1035), 30),
        ("labelValue", "LabelValue", label_value, 40),
        ("uri", "URI", _uri, 1103),
        ("uuid", "uuid", _said(_UUID.fullmatch, "does not match the UUID format"), 72),
        ("byte", "byte", _said(_base64, "invalid base64"), 84),
        ("date", "date", _said(_date, "invalid date"), 72),
        ("datetime", "datetime", _said(_datetime, "invalid datetime"), 72),
    )
}


def _format_price(args: Sequence[Any], _result: Any) -> int:
    return tenth(1.0 + size(args[1])) * math.ceil(int(args[0].pattern_size) * 0.25)


@overload("format-validate", "kubernetes.NamedFormat => validate(string) optional(list(string))", _format_price)
def _validate(one: Format, text: str) -> Optional:
    complaints = list(one.check(text))
    return Optional(complaints) if complaints else NONE


@overload("format-named", "format.named(string) optional(kubernetes.NamedFormat)")
def _named(name: str) -> Optional:
    return Optional(_FORMATS[name]) if name in _FORMATS else NONE


for _name in _FORMATS:
    define(f"format.{_name}", f"format.{_name}() kubernetes.NamedFormat", lambda name=_name: _FORMATS[name])
