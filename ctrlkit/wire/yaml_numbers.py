"""
Which plain texts of YAML are numbers, as Go's library has it, which API servers and kubectl use.

YAML 1.1 and 1.2 differ from it and from each other: here `1e3`, `08` and `0o17` are numbers, and `1:30` is none.
"""

from __future__ import annotations

import math
import re
from typing import Final

_WHOLE: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NAMED: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_FIRST: Final = frozenset("+-.0123456789")
_LEAST, _MOST = -(2**63), 2**64 - 1
_DIGITS_MAX: Final = len(str(_MOST))


def number_in(text: str) -> int | float | None:
    """
    Return the number that a plain text stands for; None if it is none.

    >>> [number_in(text) for text in ("0o17", "0X1f", "08", "1e3", "1_000", ".5", "1:30", "1e999", "._5")]
    [15, 31, 8.0, 1000.0, 1000, 0.5, None, None, None]
    """
    if text[:1] not in _FIRST:
        return None
    if _NAMED.fullmatch(text):
        return float(text.lower().replace(".", ""))
    plain = text if text[0] == "." else text.replace("_", "")
    whole = _WHOLE.fullmatch(plain)
    if whole is not None and len(whole[5] or "") <= _DIGITS_MAX:
        sign, *digits = whole.groups()
        number = next(int(found, base) for found, base in zip(digits, (16, 2, 8, 10), strict=True) if found is not None)
        number = -number if sign == "-" else number
        if _LEAST <= number <= (2**63 - 1 if sign else _MOST):
            return number
    if _FLOAT.fullmatch(plain) is None:
        return None
    value = float(plain)
    return value if math.isfinite(value) else None
