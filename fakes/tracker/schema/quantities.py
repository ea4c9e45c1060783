"""Quantities (`100m`, `1Gi`): their values and their canonical form."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_UP, Decimal

from ctrlkit.fakes.tracker.schema.remembering import remembered

_TEXT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(m|u|n|[kMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_POWERS = {suffix: power for power, suffix in _DECIMAL.items()}

_LENGTH_MAX = 1_000
_EXPONENT_MAX = 999  # a real server is busy with larger ones until its time is up

REFUSAL = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
"""The server's message about a string that is not a quantity."""


@remembered
def quantity_value(text: str) -> Decimal:
    """
    Return the number that a quantity stands for.

    >>> quantity_value("1500m"), quantity_value("2Ki"), quantity_value("1e3")
    (Decimal('1.500'), Decimal('2048'), Decimal('1E+3'))

    Errors  ValueError where it is none.
    """
    match = _TEXT.fullmatch(text)
    if match is None or len(text) > _LENGTH_MAX:
        raise ValueError(REFUSAL)
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in _BINARY:
        return number * Decimal(1024 ** (_BINARY.index(suffix) + 1))
    if suffix in _POWERS:
        return number.scaleb(_POWERS[suffix])
    exponent = int(suffix[1:])
    if abs(exponent) > _EXPONENT_MAX:
        raise ValueError(REFUSAL)
    return number.scaleb(exponent)


@remembered
def canonical(text: str) -> str:
    """
    Format a quantity as the server does: no fraction, and the largest suffix that allows this.

    >>> [canonical(one) for one in ("0.5", "1000m", "1024Mi", "1.5Gi", "100M", "1e3", "0")]
    ['500m', '1', '1Gi', '1536Mi', '100M', '1e3', '0']

    Errors  ValueError where it is none.
    """
    return _formatted(quantity_value(text), text)


def is_whole(value: Decimal) -> bool:
    """
    Whether a number has no fraction, however large it is.

    >>> is_whole(quantity_value("1e3")), is_whole(quantity_value("1500m")), is_whole(quantity_value("9" * 40))
    (True, False, True)
    """
    return value == value.to_integral_value()


@remembered
def rounded_up(text: str) -> str:
    """
    Return a quantity as the resources of containers are kept: without anything smaller than a thousandth.

    >>> rounded_up("1500u"), rounded_up("1Gi")
    ('2m', '1Gi')
    """
    value = quantity_value(text)
    whole = value.scaleb(3).to_integral_value(ROUND_UP).scaleb(-3)
    return text if whole == value else _formatted(whole, text)


def whole(text: str) -> str:
    """
    Return a quantity rounded up to whole units, as claims are counted.

    >>> whole("1500m"), whole("1Gi")
    ('2', '1Gi')
    """
    value = quantity_value(text)
    return text if is_whole(value) else _formatted(value.to_integral_value(ROUND_UP), text)


def added(one: str, other: str) -> str:
    """
    Return the sum of two quantities, in the form of the first unless that is nothing.

    >>> added("1Gi", "512Mi"), added("0", "100m")
    ('1536Mi', '100m')
    """
    value = quantity_value(one)
    return _formatted(value + quantity_value(other), one if value else other)


def _formatted(value: Decimal, like: str) -> str:
    """Format a number in the form of a quantity: binary, decimal, or with an exponent."""
    if value == 0:
        return "0"
    if like.endswith("i") and value == value.to_integral_value() and abs(value) >= 1024:
        return _in_binary(int(value))
    power = 18
    while power > -9 and value.scaleb(-power) != value.scaleb(-power).to_integral_value():
        power -= 3
    suffix = _DECIMAL[power]
    if suffix and power > -3 and re.search(r"[eE][+-]?\d+$", like):
        suffix = f"e{power}"
    return f"{value.scaleb(-power).to_integral_value():f}{suffix}"


def total(texts: Iterable[str]) -> str:
    """
    Return the sum of quantities, in the format of the first one that is not zero.

    >>> total(["0", "1Gi", "512Mi"]), total(["500m", "500m"]), total([])
    ('1536Mi', '1', '0')
    """
    every = [text for text in texts if quantity_value(text.lstrip("-")) != 0]
    value = sum(
        (-quantity_value(text[1:]) if text.startswith("-") else quantity_value(text) for text in every), Decimal(0)
    )
    if every and every[0].endswith("i") and value == value.to_integral_value():
        return "0" if value == 0 else _in_binary(int(value))
    return canonical(f"{value:f}")


def _in_binary(value: int) -> str:
    steps = 0
    while value % 1024 == 0 and steps < len(_BINARY):
        value //= 1024
        steps += 1
    return f"{value}{_BINARY[steps - 1] if steps else ''}"
