"""
IP addresses and ranges of them, read as Go reads them.

Old fields take what Go's sloppy parser takes, but for leading zeros and IPv4 addresses written as IPv6; new fields want
the canonical form.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from ctrlkit.fakes.tracker.schema.formats import Complaints
from ctrlkit.fakes.tracker.schema.remembering import remembered

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NO_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NO_RANGE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_MAPPED_BITS = 96  # of the prefix of IPv4 addresses in IPv6 form
_LEADING_ZEROS = re.compile(r"(?<![\d])0+(?=\d)")


@remembered
def parsed(text: str) -> Address | None:
    """
    Read an address, leading zeros allowed; None if it is none. An IPv4 address in IPv6 form is the IPv4 address.

    >>> parsed("010.1.2.3"), parsed("::ffff:1.2.3.4"), parsed("x")
    (IPv4Address('10.1.2.3'), IPv4Address('1.2.3.4'), None)
    """
    plain = _LEADING_ZEROS.sub("", text) if ":" not in text else text
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        return None
    if "%" in text:  # a zone
        return None
    return getattr(address, "ipv4_mapped", None) or address


def parsed_range(text: str) -> Network | None:
    """Read a range of addresses, whose address may be inside of it; None if it is none."""
    host, slash, digits = text.partition("/")
    found = parsed(host)
    if found is None or not slash or not re.fullmatch("[0-9]+", digits):
        return None
    length = int(digits) - (_MAPPED_BITS if found.version == 4 and ":" in host else 0)
    return ipaddress.ip_network(f"{found}/{length}", strict=False) if 0 <= length <= found.max_prefixlen else None


@remembered
def address(text: str) -> Complaints:
    """An address in an old field."""
    if parsed(text) is None:
        return (_NO_ADDRESS,)
    return tuple(_oddities(text, zeros="must not have leading 0s", mapped="must not be an IPv4-mapped IPv6 address"))


def canonical_address(text: str) -> Complaints:
    """An address in a new field."""
    complaints = address(text)
    if complaints or text == str(parsed(text)):
        return complaints
    return (f'must be in canonical form ("{parsed(text)}")',)


def address_range(text: str) -> Complaints:
    """A range in an old field."""
    network = parsed_range(text)
    if network is None:
        return (_NO_RANGE,)
    zeros, mapped = "must not have leading 0s in IP or prefix length", "must not have an IPv4-mapped IPv6 address"
    found = tuple(_oddities(text, zeros=zeros, mapped=mapped))
    if not found and parsed(text.partition("/")[0]) != network.network_address:
        return ("must not have bits set beyond the prefix length",)
    return found


def canonical_range(text: str) -> Complaints:
    """A range in a new field."""
    complaints = address_range(text)
    if complaints or text == str(parsed_range(text)):
        return complaints
    return (f'must be in canonical form ("{parsed_range(text)}")',)


def address_warnings(path: str, text: str) -> Iterator[str]:
    """Yield the warnings about an address in an old field."""
    found = parsed(text)
    if found is None:
        return
    if address(text):
        yield f'{path}: non-standard IP address "{text}" is invalid: use "{found}"'
    elif str(found) != text:
        yield f'{path}: IPv6 address "{text}" should be in RFC 5952 canonical format ("{found}")'


def range_warnings(path: str, text: str) -> Iterator[str]:
    """Yield the warnings about a range in an old field."""
    network = parsed_range(text)
    if network is None:
        return
    single = parsed(text.partition("/")[0])
    if single != network.network_address:
        one = f"{single}/{network.max_prefixlen}"
        yield f'{path}: CIDR value "{text}" is ambiguous in this context (should be "{network}" or "{one}"?)'
    elif address_range(text):
        yield f'{path}: non-standard CIDR value "{text}" is invalid: use "{network}"'
    elif network.version == 6 and str(network) != text:
        yield f'{path}: IPv6 CIDR value "{text}" should be in RFC 5952 canonical format ("{network}")'


@remembered
def endpoint_address(text: str) -> Complaints:
    """An address that packets can be sent to."""
    found = parsed(text)
    if found is None:
        return ("must be a valid IP address",)
    checks = (
        (found.is_unspecified, f"may not be unspecified ({text})"),
        (found.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (found.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (
            found in _LOCAL_MULTICAST[found.version],
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
        ),
    )
    return tuple(text for holds, text in checks if holds)


_LOCAL_MULTICAST: dict[int, Network] = {4: ipaddress.ip_network("224.0.0.0/24"), 6: ipaddress.ip_network("ff02::/16")}


def _oddities(text: str, *, zeros: str, mapped: str) -> Iterator[str]:
    host, _, length = text.partition("/")
    if (":" not in host and _LEADING_ZEROS.search(host)) or (len(length) > 1 and length.startswith("0")):
        yield zeros
    elif ":" in host and parsed(host) != ipaddress.ip_address(host):
        yield mapped
