"""Formats of strings (names, label keys, addresses ...), and the server's messages about strings without them."""

from __future__ import annotations

import functools
import ipaddress
import re

from ctrlkit.fakes.tracker.schema.remembering import remembered
from ctrlkit.names import LABEL, LABEL_1035, LABEL_MAX, SUBDOMAIN, SUBDOMAIN_MAX

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{LABEL}')"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    f"'{LABEL_1035}')"
)
_DOTS_TEXT = "must not contain dots"
_LABEL_WITH_UNDERSCORE = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SEARCH = rf"{_LABEL_WITH_UNDERSCORE}(\.{_LABEL_WITH_UNDERSCORE})*"
_SEARCH_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must "
    f"start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SEARCH}')"
)
_HEADER = "[-A-Za-z0-9]+"
_HEADER_TEXT = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
    f"validation is '{_HEADER}')"
)
_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_NAME})?"
_NAME_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_VALUE}')"
)
_QUALIFIED_TEXT = (
    "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    f"alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}') "
    "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)
_WILDCARD = rf"\*\.{SUBDOMAIN}"
_WILDCARD_TEXT = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character "
    f"(e.g. '*.example.com', regex used for validation is '{_WILDCARD}')"
)
_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_IDENTIFIER_TEXT = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
    "characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is "
    f"'{_IDENTIFIER}')"
)
_URL_PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_CONFIG_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
    f"'key-name', regex used for validation is '{_CONFIG_KEY}')"
)

Complaints = tuple[str, ...]
"""Messages about a string; empty if it has the format."""


@remembered
def label_key(text: str) -> Complaints:
    """
    A label's or annotation's key, a finalizer's name.

    >>> label_key("example.com/app"), label_key("a b")[0][:48]
    ((), 'name part must consist of alphanumeric character')
    """
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        return (_QUALIFIED_TEXT,)
    complaints = []
    if slash and not prefix:
        complaints.append("prefix part must be non-empty")
    elif slash:
        complaints += [
            f"prefix part {one}" for one in _checked(prefix, SUBDOMAIN_MAX, SUBDOMAIN, _SUBDOMAIN_TEXT, unit="bytes")
        ]
    if not name:
        complaints.append("name part must be non-empty")
    elif len(name.encode(errors="replace")) > 63:
        complaints.append("name part must be no more than 63 bytes")
    if not _compiled(_NAME).fullmatch(name):
        complaints.append(_NAME_TEXT)
    return tuple(complaints)


@remembered
def label_value(text: str) -> Complaints:
    """A label's value."""
    return _checked(text, 63, _VALUE, _VALUE_TEXT, unit="bytes")


@remembered
def subdomain(text: str) -> Complaints:
    """A name of most kinds, which may contain dots."""
    return _checked(text, SUBDOMAIN_MAX, SUBDOMAIN, _SUBDOMAIN_TEXT)


@remembered
def dns_label(text: str) -> Complaints:
    """A name without dots, as those of containers, volumes and namespaces."""
    is_dotted = _compiled(SUBDOMAIN).fullmatch(text) is not None
    return _checked(text, LABEL_MAX, LABEL, _DOTS_TEXT if is_dotted else _LABEL_TEXT)


def wildcard_subdomain(text: str) -> Complaints:
    """A host with a wildcard in place of its first label."""
    return _checked(text, SUBDOMAIN_MAX, _WILDCARD, _WILDCARD_TEXT)


def url_path(text: str) -> Complaints:
    """The path behind a domain, as in the name of a signer."""
    if re.fullmatch(_URL_PATH, text):
        return ()
    return (f"Invalid path (regex used for validation is '{_URL_PATH}')",)


def label_1035(text: str) -> Complaints:
    """A name that begins with a letter, as those of services, versions and the names in a definition."""
    return _checked(text, LABEL_MAX, LABEL_1035, _LABEL_1035_TEXT)


def search_path(text: str) -> Complaints:
    """A search path of DNS, which may contain underscores."""
    return _checked(text, SUBDOMAIN_MAX, _SEARCH, _SEARCH_TEXT)


def http_header(text: str) -> Complaints:
    """The name of an HTTP header."""
    return () if re.fullmatch(_HEADER, text) else (_HEADER_TEXT,)


def path_segment(text: str) -> Complaints:
    """A name that may be any path segment, as those of roles and their bindings."""
    if text in (".", ".."):
        return (f"may not be '{text}'",)
    return segment_start(text)


def segment_start(text: str) -> Complaints:
    """The beginning of a path segment, as of any name that is to be generated."""
    return tuple(f"may not contain '{char}'" for char in "/%" if char in text)


def port_name(text: str) -> Complaints:
    """
    The name of a container's port.

    >>> port_name("http"), port_name("80")
    ((), ('must contain at least one letter (a-z)',))
    """
    rules: tuple[tuple[bool, str], ...] = (
        (len(text) <= 15, "must be no more than 15 characters"),
        (
            bool(re.fullmatch("[-a-z0-9]+", text)),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (bool(re.search("[a-z]", text)), "must contain at least one letter (a-z)"),
        ("--" not in text, "must not contain consecutive hyphens"),
        (not text.startswith("-") and not text.endswith("-"), "must not begin or end with a hyphen"),
    )
    return tuple(complaint for holds, complaint in rules if not holds)


def port_number(number: int) -> Complaints:
    """A TCP or UDP port."""
    return () if 1 <= number <= 65535 else ("must be between 1 and 65535, inclusive",)


def variable_name(text: str) -> Complaints:
    """The name of an environment variable."""
    if text and all(" " <= char <= "~" and char != "=" for char in text):
        return ()
    if not text:
        return ("environment variable name must be non-empty",)
    return ("a valid environment variable name must consist only of printable ASCII characters other than '='",)


def identifier(text: str) -> Complaints:
    """An identifier as the C language has it."""
    return () if re.fullmatch(_IDENTIFIER, text) else (_IDENTIFIER_TEXT,)


def config_key(text: str) -> Complaints:
    """A key of a ConfigMap's or Secret's data."""
    complaints = ["must be no more than 253 characters"] if len(text) > 253 else []
    if not re.fullmatch(_CONFIG_KEY, text):
        complaints.append(_CONFIG_KEY_TEXT)
    if text in (".", ".."):
        complaints.append(f"must not be '{text}'")
    elif text.startswith(".."):
        complaints.append("must not start with '..'")
    return tuple(complaints)


@functools.lru_cache(maxsize=4096)
def ip_address(text: str) -> Complaints:
    """An IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return ("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",)
    return ()


_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}")
"""An IPv4 address as everybody writes it."""


@functools.lru_cache(maxsize=4096)
def legacy_ip_address(text: str) -> Complaints:
    """
    An IPv4 or IPv6 address of an old field, which is refused in two forms that were allowed once.

    >>> legacy_ip_address("010.0.0.1"), legacy_ip_address("10.0.0")[0][:29]
    (('must not have leading 0s',), 'must be a valid IP address, (')
    """
    if _IPV4.fullmatch(text):
        return ()
    plain = re.sub(r"(?<![0-9a-fA-F:])0+(?=\d)", "", text) if "." in text else text
    complaints = ip_address(plain)
    if complaints:
        return complaints
    if plain != text:
        return ("must not have leading 0s",)
    address = ipaddress.ip_address(plain)
    is_mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
    return ("must not be an IPv4-mapped IPv6 address",) if is_mapped else ()


@functools.lru_cache(maxsize=4096)
def ip_address_warning(text: str) -> str:
    """What the server warns about an address of an old field, "" if it is written as it should be."""
    if _IPV4.fullmatch(text):
        return ""
    plain = str(ipaddress.ip_address(text))
    return "" if plain == text else f'IPv6 address "{text}" should be in RFC 5952 canonical format ("{plain}")'


_compiled = functools.cache(re.compile)


def _checked(text: str, longest: int, pattern: str, complaint: str, *, unit: str = "characters") -> Complaints:
    complaints = (f"must be no more than {longest} {unit}",) if len(text.encode(errors="replace")) > longest else ()
    return complaints if _compiled(pattern).fullmatch(text) else (*complaints, complaint)
