"""Formats that strings in custom resources can have, by the names that schemas know them by."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Callable, Mapping

from ctrlkit.fakes.tracker.schema.addresses import parsed, parsed_range
from ctrlkit.fakes.tracker.schema.patterns import compiled
from ctrlkit.fakes.tracker.schema.urls import url_problem

# ---- times -----------------------------------------------------------------------------------------------------------

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})")
_GO_DURATION = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+|[+-]?0")
_COUNT_AND_UNIT = re.compile(r"([0-9]+)\s*([A-Za-zµ]+)")
_UNITS = (
    (("ns", "nano"), 1),
    (("us", "µs", "micro"), 10**3),
    (("ms", "milli"), 10**6),
    (("s", "sec"), 10**9),
    (("m", "min"), 60 * 10**9),
    (("h", "hr", "hour"), 3600 * 10**9),
    (("d", "day"), 86400 * 10**9),
    (("w", "wk", "week"), 7 * 86400 * 10**9),
)
"""The names of units, of which the last stands also for all that begins with it."""


def long_duration(text: str) -> int:
    """
    Return the nanoseconds of a duration in words such as `2 days`; what is no count with a unit is passed over.

    >>> long_duration("2 days") // 10**9
    172800

    Errors  ValueError if there is no count with a unit.
    """
    lengths = [
        int(count) * length
        for count, unit in _COUNT_AND_UNIT.findall(text)
        for names, length in _UNITS
        if unit.lower().startswith(names[-1]) or unit.lower() in names
    ]
    if not lengths:
        raise ValueError(f"unable to parse {text} as duration")
    return sum(lengths)


def _is_duration(text: str) -> bool:
    if _GO_DURATION.fullmatch(text):
        return True
    try:
        long_duration(text)
    except ValueError:
        return False
    return True


def _is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and dt.date.fromisoformat(text) is not None
    except ValueError:
        return False


def _is_date_time(text: str) -> bool:
    day, *rest = text.lower().split("t")
    time = _TIME.fullmatch(rest[0]) if rest and _is_date(day) else None
    return time is not None and time[1] <= "23" and time[2] <= "59" and time[3] <= "59"


# ---- addresses and names ---------------------------------------------------------------------------------------------

_HOSTNAME = (
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)"
    r"|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
)
_ATOM = r"[^\s()<>\[\]:;@\\,.\"\x00-\x20\x7f]+"
_MAILBOX = rf"(?:{_ATOM}(?:\.{_ATOM})*|\"(?:[^\"\\\r\n]|\\[^\r\n])+\")@(?:{_ATOM}(?:\.{_ATOM})*|\[[^\[\]\\\s]*\])"
_PHRASE = r"(?:[^()<>\[\]:;@\\,\"\x00-\x1f\x7f]+|\"(?:[^\"\\\r\n]|\\[^\r\n])*\"\s*)*"
_EMAIL = re.compile(rf"\s*(?:{_MAILBOX}|{_PHRASE}<{_MAILBOX}>)\s*")
_SHORT_NAME = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def _is_hostname(text: str) -> bool:
    if len(text.encode()) > 255 or any(len(part.encode()) > 63 for part in text.split(".")):
        return False
    return bool(compiled(_HOSTNAME).search(text))


def _is_ipv4(text: str) -> bool:
    return "." in text and parsed(text) is not None


def _is_ipv6(text: str) -> bool:
    try:
        return ":" in text and "%" not in text and ipaddress.ip_address(text) is not None
    except ValueError:
        return False


def _is_mac(text: str) -> bool:
    sizes = "|".join(f"[0-9a-fA-F]{{2}}(?:([:-])[0-9a-fA-F]{{2}})(?:\\{group}[0-9a-fA-F]{{2}}){{{count - 2}}}"
                     for group, count in ((1, 6), (2, 8), (3, 20)))  # fmt: skip
    dotted = "|".join(f"[0-9a-fA-F]{{4}}(?:\\.[0-9a-fA-F]{{4}}){{{count}}}" for count in (2, 3, 9))
    return re.fullmatch(f"{sizes}|{dotted}", text) is not None


# ---- numbers with a check digit --------------------------------------------------------------------------------------

_CARD = re.compile(
    r"(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})"
)


def _is_credit_card(text: str) -> bool:
    digits = re.sub("[^0-9]+", "", text)
    if not _CARD.fullmatch(digits):
        return False
    doubled = [int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0


def _is_isbn10(text: str) -> bool:
    digits = re.sub(r"[\s-]+", "", text)
    if not re.fullmatch("[0-9]{9}X|[0-9]{10}", digits):
        return False
    return sum((index + 1) * (10 if digit == "X" else int(digit)) for index, digit in enumerate(digits)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    digits = re.sub(r"[\s-]+", "", text)
    if not re.fullmatch("[0-9]{13}", digits):
        return False
    return sum(int(digit) * (1, 3)[index % 2] for index, digit in enumerate(digits)) % 10 == 0


def _like(pattern: str) -> Callable[[str], bool]:
    matches = re.compile(pattern, re.ASCII).fullmatch
    return lambda text: matches(text) is not None


def _uuid(third: str, fourth: str) -> Callable[[str], bool]:
    hexa = "[0-9a-fA-F]"
    return _like(f"{hexa}{{8}}-?{hexa}{{4}}-?{third}{hexa}{{3}}-?{fourth}{hexa}{{3}}-?{hexa}{{12}}")


_NUMBER = r"\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*"
_HEX, _VARIANT = "[0-9a-fA-F]", "[89abAB]"

FORMATS: Mapping[str, Callable[[str], bool]] = {
    "bsonobjectid": _like("[0-9a-fA-F]{24}"),
    "byte": _like(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"),
    "cidr": lambda text: parsed_range(text) is not None,
    "creditcard": _is_credit_card,
    "date": _is_date,
    "datetime": _is_date_time,
    "duration": _is_duration,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "hexcolor": _like("#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": _is_hostname,
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "k8slongname": lambda text: (
        len(text) <= 253 and re.fullmatch(rf"{_SHORT_NAME}(\.{_SHORT_NAME})*", text) is not None
    ),
    "k8sshortname": lambda text: len(text) <= 63 and re.fullmatch(_SHORT_NAME, text) is not None,
    "mac": _is_mac,
    "password": lambda _text: True,
    "rgbcolor": _like(rf"rgb\({_NUMBER},{_NUMBER},{_NUMBER}\)"),
    "ssn": lambda text: len(text) == 11 and re.fullmatch(r"[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}", text) is not None,
    "uri": lambda text: not url_problem(text),
    "uuid": _uuid(_HEX, _HEX),
    "uuid3": _uuid("3", _HEX),
    "uuid4": _uuid("4", _VARIANT),
    "uuid5": _uuid("5", _VARIANT),
}
"""Whether a string has a format, by its name without dashes."""

_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}


def known_format(kinds: tuple[str, ...], name: str) -> str:
    """
    Return a format as far as values of these types are held to it, "" if the server does not know it.

    >>> known_format(("string",), "date-time"), known_format(("string",), "my-own"), known_format(("object",), "date")
    ('date-time', '', '')
    """
    kind = kinds[0] if len(kinds) == 1 else ""
    if kind in ("", "string"):
        return name if name.replace("-", "") in FORMATS else ""
    return name if name in _NUMBERS.get(kind, ()) else ""


def has_format(name: str, text: str) -> bool:
    """Whether a text has a known format."""
    return FORMATS[name.replace("-", "")](text)
