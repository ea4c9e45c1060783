"""Numbers that may be given as a percentage of a total. Pure."""

from __future__ import annotations


def of_total(value: int | str, total: int, *, round_up: bool) -> int:
    """
    Return a number, or a percentage of a total.

    >>> of_total("25%", 10, round_up=True), of_total("25%", 10, round_up=False), of_total(2, 10, round_up=True)
    (3, 2, 2)
    """
    if isinstance(value, int):
        return value
    hundredths = int(value.removesuffix("%")) * total
    return -(-hundredths // 100) if round_up else hundredths // 100
